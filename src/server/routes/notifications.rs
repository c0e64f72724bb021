//! `GET /notifications`: the page of a browser's own topic. The topic's name is a secret of the browser, in a cookie that only
//! the server reads; the page itself carries it. Everything else that the page does is done by the requests of any topic.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use cookie::time::Duration;
use cookie::{Cookie, SameSite};

use super::topic::read_topic;
use crate::hub::HistoryQuery;
use crate::hub::topic::Topic;
use crate::protocol::notifications::{INBOX_COOKIE, INBOX_PREFIX, NOTIFICATIONS_PATH};
use crate::protocol::problem::ProblemCode;
use crate::server::http::cookies::cookie;
use crate::server::http::problem::Problem;
use crate::server::random_id;
use crate::server::site::pages;
use crate::server::state::AppState;

/// How long a browser that does not come back keeps the name.
const YEAR: Duration = Duration::days(365);

/// `GET` and `HEAD`.
///
/// # Errors
///
/// A problem if the reader may not read the topic, or the server holds too much for the client already.
pub(crate) async fn page(
    State(state): State<AppState>,
    request: Request,
) -> Result<Response, Problem> {
    if !state.has_notifications {
        return Err(Problem::new(
            ProblemCode::NotFound,
            "this server has no page of notifications: --notifications is off",
        ));
    }
    let (parts, _) = request.into_parts();
    let mut id = match inbox_of(&parts.headers) {
        Some(id) => id,
        None => random_id::new()?,
    };
    let mut topic = topic_of(&id)?;
    if has_ended(&state, &topic) {
        // Nothing can be published to it any more: the browser gets another.
        id = random_id::new()?;
        topic = topic_of(&id)?;
    }
    let cookie = Cookie::build((INBOX_COOKIE, id))
        .path(NOTIFICATIONS_PATH)
        .same_site(SameSite::Lax)
        .http_only(true)
        .secure(pages::is_https(&state, &parts))
        .max_age(YEAR)
        .build();
    let mut response = pages::notifications(&state, &topic, &parts).await?;
    // Names of letters and digits: this cannot fail.
    if let Ok(cookie) = HeaderValue::from_str(&cookie.to_string()) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// The topic of this name.
fn topic_of(id: &str) -> Result<Topic, Problem> {
    read_topic(&format!("{INBOX_PREFIX}{id}"))
}

fn has_ended(state: &AppState, topic: &Topic) -> bool {
    let nothing = HistoryQuery {
        count: 0,
        ..HistoryQuery::newest()
    };
    state.hub.snapshot(topic, &nothing).has_ended
}

/// The name in the browser's cookie, if it can be one.
fn inbox_of(headers: &HeaderMap) -> Option<String> {
    let id = cookie(headers, INBOX_COOKIE)?.value().to_owned();
    random_id::is_one(&id).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_long_random_name_is_taken_from_a_cookie() {
        let inbox = |value: &str| {
            let value = HeaderValue::from_str(value).expect("a header");
            inbox_of(&HeaderMap::from_iter([(header::COOKIE, value)]))
        };
        let id = "0123456789abcdefghij_-";
        let cookie = format!("a=b; fairwind_inbox={id}");
        assert_eq!(inbox(&cookie).as_deref(), Some(id));
        for other in [
            "fairwind_inbox=guess",
            "fairwind_inbox=",
            "other=0123456789abcdefghij_-",
        ] {
            assert_eq!(inbox(other), None, "{other}");
        }
    }
}
