//! Shows problems to people: a browser that navigates gets a page where a program gets a problem document. Wraps every
//! route; costs a request that does not name HTML a look at its `Accept`.

use std::task::{Context, Poll};

use axum::extract::Request;
use axum::http::{HeaderMap, Method, header};
use axum::response::Response;
use futures_util::future::{BoxFuture, Either, FutureExt};
use tower::{Layer, Service};

use crate::app::pages::problem::RefusedRequest;
use crate::protocol::TOPICS_PATH;
use crate::protocol::locale::Locale;
use crate::server::http::client_address::ClientAddress;
use crate::server::http::language;
use crate::server::http::negotiation::prefers_html;
use crate::server::http::problem::Reported;
use crate::server::site::pages;
use crate::server::state::AppState;

/// The layer.
#[derive(Clone)]
pub(crate) struct ProblemPages(pub(crate) AppState);

/// A route whose problems are shown as pages.
#[derive(Clone)]
pub(crate) struct WithProblemPages<S> {
    inner: S,
    state: AppState,
}

impl<S> Layer<S> for ProblemPages {
    type Service = WithProblemPages<S>;

    fn layer(&self, inner: S) -> Self::Service {
        WithProblemPages {
            inner,
            state: self.0.clone(),
        }
    }
}

impl<S> Service<Request> for WithProblemPages<S>
where
    S: Service<Request, Response = Response>,
    S::Future: Send + 'static,
    S::Error: Send,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Either<S::Future, BoxFuture<'static, Result<Response, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        if !names_html(request.headers()) || !prefers_html(request.headers()) {
            return Either::Left(self.inner.call(request));
        }
        let state = self.state.clone();
        let sent_from = (request.method() == Method::POST
            && request.uri().path().starts_with(TOPICS_PATH))
        .then(|| request.uri().path().to_owned());
        let client = ClientAddress::of_request(request.extensions());
        let locale = language::of(request.headers());
        let answer = self.inner.call(request);
        let shown =
            async move { Ok(as_page(&state, client, answer.await?, sent_from, locale).await) };
        Either::Right(shown.boxed())
    }
}

/// Whether HTML is named at all: most clients do not, and what they prefer need not be found out.
pub(crate) fn names_html(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .any(|accept| memchr::memmem::find(accept.as_bytes(), b"html").is_some())
}

/// The answer, or a page in place of a problem document, with what else the answer says: `Allow`, `Retry-After`.
async fn as_page(
    state: &AppState,
    client: Option<ClientAddress>,
    answer: Response,
    sent_from: Option<String>,
    locale: Locale,
) -> Response {
    let Some(reported) = answer.extensions().get::<Reported>().cloned() else {
        return answer;
    };
    // If there is no room for a page, the document is small.
    let Ok(held) = state.streams.held_bytes().take(client, pages::PAGE_BYTES) else {
        return answer;
    };
    let status = answer.status();
    let problem = RefusedRequest {
        code: reported.code,
        detail: reported.detail.clone(),
        sent_from,
    };
    let mut page = pages::problem(state, status, held, problem, locale).await;
    for (name, value) in answer.headers() {
        if !page.headers().contains_key(name) && *name != header::CONTENT_LENGTH {
            page.headers_mut().append(name, value.clone());
        }
    }
    // The log still has to know.
    page.extensions_mut().insert(reported);
    page
}
