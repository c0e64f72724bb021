//! The commands that show the page's stream in a terminal. Leaves the clipboard to the browser.

/// The shortest command that shows the stream from now on.
pub fn plain(origin: &str, stream_path: &str) -> String {
    let url = format!("{origin}{stream_path}");
    // A topic's name may have in it what a shell acts on.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || ":/.-_~%[]".contains(c);
    match url.chars().all(is_plain) {
        true => format!("curl -N {url}"),
        false => format!("curl -N {}", quoted(&url)),
    }
}

/// The command for exactly the stream that the page reads, from where the page is.
pub fn resuming(origin: &str, stream: &str, last_event_id: &str) -> String {
    let header = quoted(&format!("Last-Event-ID: {last_event_id}"));
    let url = quoted(&format!("{origin}{stream}"));
    format!("curl -N -H {header} {url}")
}

/// The text as one word of a POSIX shell, whatever is in it: an id may come from any publisher, and the reader will
/// paste this into a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_goes_on_after_the_last_event() {
        assert_eq!(
            resuming("http://127.0.0.1:8080", "/events?consumers=event", "#1f-12"),
            "curl -N -H 'Last-Event-ID: #1f-12' 'http://127.0.0.1:8080/events?consumers=event'"
        );
    }

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
    fn an_id_cannot_leave_its_quotes() {
        assert_eq!(
            resuming("h", "/", "'; rm -rf ~; '"),
            r"curl -N -H 'Last-Event-ID: '\''; rm -rf ~; '\''' 'h/'"
        );
    }
}
