//! What the head of every request must be, whichever route it is for: RFC 9112, and a bound on its size. The HTTP library has
//! checked its syntax.

use axum::http::{Request, Version, header};

use crate::protocol::problem::ProblemCode;
use crate::server::http::problem::Problem;

/// The largest head, in bytes: the target, and the names and values of all headers. Browsers and proxies send a few KiB.
pub(crate) const MAX_HEAD_BYTES: usize = 32 * 1_024;

/// Refuses a request whose head is too large, does not name one host, or has a transfer coding that the server cannot undo.
///
/// # Errors
///
/// A problem that says what would be right.
pub(crate) fn check<B>(request: &Request<B>) -> Result<(), Problem> {
    let headers = request.headers();
    let (mut bytes, mut hosts, mut has_other_coding) = (0, 0, false);
    for (name, value) in headers {
        bytes += name.as_str().len() + value.len() + ": \r\n".len();
        if *name == header::HOST {
            hosts += 1;
        } else if *name == header::TRANSFER_ENCODING {
            has_other_coding |= !value.as_bytes().eq_ignore_ascii_case(b"chunked");
        }
    }
    let target = request.uri().path_and_query();
    if bytes + target.map_or(0, |target| target.as_str().len()) > MAX_HEAD_BYTES {
        return Err(Problem::new(
            ProblemCode::HeadTooLarge,
            format!("the request's head is too large; at most {MAX_HEAD_BYTES} bytes are taken"),
        ));
    }
    // Before HTTP/1.1 there need not be one; on HTTP/2 it stands in the URL.
    if hosts > 1 || (hosts == 0 && request.version() == Version::HTTP_11) {
        return Err(Problem::invalid_request(
            "a request names its host once, in the header Host",
        ));
    }
    if has_other_coding {
        return Err(Problem::new(
            ProblemCode::NotImplemented,
            "the body has a transfer coding other than chunked; send it without",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(headers: &[(&str, &str)]) -> u16 {
        let mut request = Request::builder().uri("/events");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).expect("a request");
        check(&request).map_or_else(|problem| problem.status.as_u16(), |()| 200)
    }

    #[test]
    fn a_head_names_one_host_has_no_coding_and_is_bounded() {
        let host = ("host", "a");
        assert_eq!(status(&[host]), 200);
        assert_eq!(status(&[]), 400);
        assert_eq!(status(&[host, ("host", "b")]), 400);
        assert_eq!(status(&[host, ("transfer-encoding", "Chunked")]), 200);
        assert_eq!(status(&[host, ("transfer-encoding", "gzip, chunked")]), 501);
        let filler = "x".repeat(MAX_HEAD_BYTES);
        assert_eq!(status(&[host, ("x-filler", &filler[..30_000])]), 200);
        assert_eq!(status(&[host, ("x-filler", &filler)]), 431);
    }
}
