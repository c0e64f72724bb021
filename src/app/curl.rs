//! The command that shows a page's stream in a terminal. Leaves the clipboard to the browser.

/// The shortest command that shows the stream from now on.
pub fn plain(origin: &str, stream_path: &str) -> String {
    format!("curl -N {}", word(&format!("{origin}{stream_path}")))
}

/// A URL as one word of a POSIX shell, whatever is in it: a topic's name may come from any publisher, and the reader will
/// paste this into a shell.
pub fn word(url: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b":/.-_~%[]".contains(&byte);
    if url.bytes().all(is_plain) {
        url.to_owned()
    } else {
        format!("'{}'", url.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_cannot_become_a_command() {
        assert_eq!(
            plain("http://h", "/topics/a/b%20c"),
            "curl -N http://h/topics/a/b%20c"
        );
        assert_eq!(
            plain("http://h", "/topics/x;reboot"),
            "curl -N 'http://h/topics/x;reboot'"
        );
    }

    #[test]
    fn a_url_cannot_leave_its_quotes() {
        assert_eq!(
            plain("h", "/'; rm -rf ~; '"),
            r"curl -N 'h/'\''; rm -rf ~; '\'''"
        );
    }
}
