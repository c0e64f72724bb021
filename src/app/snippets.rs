//! Programs that read a page's topic, for a reader who goes on in an editor. They begin with the newest events and resume
//! by themselves, so they work tomorrow as well. The command for a terminal is in [`super::curl`].

use crate::protocol::{AS_EVENT, TYPES};

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

impl Language {
    /// What the language is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Curl => "curl",
            Self::JavaScript => "JavaScript",
            Self::Python => "Python",
        }
    }
}

/// The query with which a program begins.
const FIRST: &str = "last=10";

/// The stream in JavaScript. An EventSource resumes by itself: the id that it sends counts more than the query.
pub fn javascript(origin: &str, stream_path: &str) -> String {
    let url = literal(&format!("{origin}{stream_path}?{TYPES}={AS_EVENT}&{FIRST}"));
    format!(
        r#"const source = new EventSource({url});
let type = 'message';
source.onopen = () => {{ type = 'message'; }};
source.addEventListener('type', (event) => {{ type = event.data; }});
source.addEventListener('gap', (event) => console.warn('events are missing', event.data));
source.addEventListener('end', () => source.close());
source.onmessage = ({{ data, lastEventId }}) => {{
  console.log(lastEventId, type, data);
  type = 'message';
}};
"#
    )
}

/// The stream in Python: until the topic has ended, or the server says that the request is wrong.
pub fn python(origin: &str, stream_path: &str) -> String {
    let url = literal(&format!("{origin}{stream_path}?{FIRST}"));
    format!(
        r#"import http.client, time, urllib.error, urllib.request

url, last_id, wait = {url}, "", 2


def read(stream):
    global last_id, wait
    event, data = {{}}, []
    for line in stream:
        name, _, value = line.decode().rstrip("\r\n").partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data.append(value)
        elif name == "retry":
            wait = int(value) / 1000
        elif name:
            event[name] = value
        elif not line.strip():
            last_id = event.get("id", last_id)
            if data:
                print(last_id, event.get("event", "message"), "\n".join(data), flush=True)
            if event.get("event") == "end":
                return True
            event, data = {{}}, []
    return stream.status == 204  # the topic has ended


while True:
    headers = {{"Accept": "text/event-stream", "Last-Event-ID": last_id.encode()}}
    try:
        if read(urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60)):
            break
    except urllib.error.HTTPError as error:
        if error.code < 500 and error.code != 429:
            raise SystemExit(error.read().decode())
    except (OSError, http.client.HTTPException) as error:
        print("reconnecting:", error, flush=True)
    time.sleep(wait)
"#
    )
}

/// The text as a literal of both languages. What publishers choose stands in it percent-encoded.
pub fn literal(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_begins_with_the_newest_events_and_names_no_id() {
        for program in [
            javascript("http://h", "/topics/a"),
            python("http://h", "/topics/a"),
        ] {
            assert!(program.contains("\"http://h/topics/a?"), "{program}");
            assert!(program.contains("last=10\""), "{program}");
            assert!(!program.contains("last_event_id="), "{program}");
        }
    }

    #[test]
    fn a_url_cannot_leave_its_quotes() {
        let program = javascript("http://h\"", "/topics/a");
        let url = program.lines().next().unwrap_or_default();
        assert!(url.starts_with("const source = new EventSource(\"http://h\\\"/topics/a?"));
        assert!(url.ends_with("\");"));
        assert_eq!(url.matches('"').count(), 3);
    }
}
