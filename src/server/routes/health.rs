//! Whether the server is there.

/// Answers as long as the server takes requests.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}
