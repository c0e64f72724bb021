//! What names the page of notifications.

/// The page.
pub const NOTIFICATIONS_PATH: &str = "/notifications";

/// What a browser's own topic begins with: it is unlisted, and a long random name follows.
pub const INBOX_PREFIX: &str = "~inbox/";

/// The cookie that has the rest of that name.
pub const INBOX_COOKIE: &str = "fairwind_inbox";
