//! Programs that read exactly the page's stream, from where the page is: for whoever goes on in an editor. The one for a
//! terminal is in [`super::curl`].

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::protocol::{AS_EVENT, LAST_EVENT_ID, TYPES};

/// In what a reader wants to read the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// A command for a terminal.
    Curl,
    /// For a browser, with what it has.
    JavaScript,
    /// For Python 3, with its standard library.
    Python,
}

/// The stream in JavaScript.
pub fn javascript(origin: &str, stream_path: &str, last_event_id: &str) -> String {
    let url = format!(
        "{origin}{stream_path}?{TYPES}={AS_EVENT}&{}",
        resume(last_event_id)
    );
    format!(
        r#"const source = new EventSource({});
let type = 'message';
source.onopen = () => {{ type = 'message'; }};
source.addEventListener('type', (event) => {{ type = event.data; }});
source.addEventListener('gap', (event) => console.warn('events are missing', event.data));
source.addEventListener('end', () => source.close());
source.onmessage = ({{ data, lastEventId }}) => {{
  console.log(lastEventId, type, data);
  type = 'message';
}};
"#,
        literal(&url)
    )
}

/// The stream in Python.
pub fn python(origin: &str, stream_path: &str, last_event_id: &str) -> String {
    let url = format!("{origin}{stream_path}?{}", resume(last_event_id));
    format!(
        r#"import urllib.request

request = urllib.request.Request({}, headers={{"Accept": "text/event-stream"}})
with urllib.request.urlopen(request) as stream:
    event, data = {{}}, []
    for line in stream:
        line = line.decode().rstrip("\r\n")
        name, _, value = line.partition(":")
        if name == "data":
            data.append(value.removeprefix(" "))
        elif name in ("id", "event"):
            event[name] = value.removeprefix(" ")
        elif not line:
            if data:
                print(event.get("id"), event.get("event", "message"), "\n".join(data), flush=True)
            event, data = {{}}, []
"#,
        literal(&url)
    )
}

fn resume(last_event_id: &str) -> String {
    format!(
        "{LAST_EVENT_ID}={}",
        utf8_percent_encode(last_event_id, NON_ALPHANUMERIC)
    )
}

/// The text as a literal of both languages. What publishers choose stands in it percent-encoded.
fn literal(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_goes_on_after_the_last_event() {
        for program in [
            javascript("http://h", "/topics/a", "#1f-12"),
            python("http://h", "/topics/a", "#1f-12"),
        ] {
            assert!(program.contains("\"http://h/topics/a?"), "{program}");
            assert!(program.contains("last_event_id=%231f%2D12\""), "{program}");
        }
    }

    #[test]
    fn an_id_cannot_leave_its_quotes() {
        for id in ["\"); alert(1); (\"", "\\", "a\u{202e}b"] {
            let program = javascript("http://h\"", "/topics/a", id);
            let url = program.lines().next().unwrap_or_default();
            assert!(url.starts_with("const source = new EventSource(\"http://h\\\"/topics/a?"));
            assert!(url.ends_with("\");") && url.is_ascii());
            assert_eq!(url.matches('"').count(), 3);
        }
    }
}
