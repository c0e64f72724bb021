//! The page of quotes, and what a slow reader sees under each policy. Prices themselves are topics like any other.

use axum::extract::{Request, State};
use axum::response::Response;

use crate::feeds::quotes::Quotes;
use crate::protocol::problem::ProblemCode;
use crate::server::http::answers;
use crate::server::http::client_address::ClientAddress;
use crate::server::http::problem::Problem;
use crate::server::site::pages;
use crate::server::slow_readers;
use crate::server::state::AppState;

/// `GET /quotes`: the page.
///
/// # Errors
///
/// A problem if there are no quotes here, or the server holds too much for the client already.
pub(crate) async fn page(
    State(state): State<AppState>,
    request: Request,
) -> Result<Response, Problem> {
    let quotes = quotes(&state)?;
    let (parts, _) = request.into_parts();
    quotes.wake().await;
    pages::quotes(&state, quotes, &parts).await
}

/// `GET /quotes/slow`: lets three readers be slow for eight seconds, and says what they saw.
///
/// # Errors
///
/// A problem if there are no quotes here, or a limit is reached.
pub(crate) async fn slow(
    State(state): State<AppState>,
    request: Request,
) -> Result<Response, Problem> {
    quotes(&state)?;
    let client = ClientAddress::of_request(request.extensions());
    Ok(answers::json(&slow_readers::run(&state, client).await?))
}

fn quotes(state: &AppState) -> Result<&Quotes, Problem> {
    let quotes = state.quotes.as_deref();
    quotes.ok_or_else(|| {
        Problem::new(
            ProblemCode::NotFound,
            "this server has no quotes: --quotes is off",
        )
    })
}
