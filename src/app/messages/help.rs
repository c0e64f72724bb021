//! The words and examples of the page of help.

use crate::app::curl;
use crate::app::snippets::literal;

/// What a topic is.
pub const TOPICS_ARE_URLS: &str = "Every URL /topics/NAME of this server is a topic. A browser gets its page, a program its stream of events, and a POST publishes to it.";
/// Link.
pub const EXAMPLE_PAGE: &str = "The topic kitchen";
/// Link.
pub const ALL_TOPICS: &str = "All topics";
/// Accessible name of a command or program.
pub const EXAMPLE: &str = "Example";

/// Heading.
pub const READ: &str = "Read";
/// Text under it.
pub const READ_TEXT: &str = "In a terminal, or in a page of any origin. An EventSource reconnects by itself and gets what it missed.";

/// A program under it.
pub fn read_in_a_page(url: &str) -> String {
    format!(
        "const events = new EventSource({});
events.onmessage = ({{ data }}) => console.log(data);
",
        literal(url)
    )
}

/// Heading.
pub const PUBLISH: &str = "Publish";
/// Text under it.
pub const PUBLISH_TEXT: &str = "With anything that speaks HTTP. The body is the event’s text; ?type=NAME gives it a type. Where a token is needed, it goes into a header.";

/// Heading.
pub const STATE: &str = "The state, then what follows";
/// Text under it.
pub const STATE_TEXT: &str = "A snapshot says where its stream goes on, so nothing is missed and nothing comes twice. After a gap, events are missing that the server no longer keeps: begin again.";

/// A program under it.
pub fn state_then_live(url: &str) -> String {
    format!(
        "const topic = {};
async function begin() {{
  const answer = await fetch(topic, {{ headers: {{ Accept: 'application/json' }} }});
  const snapshot = await answer.json();
  for (const {{ data }} of snapshot.events) console.log(data);
  const from = encodeURIComponent(snapshot.last_event_id);
  const events = new EventSource(`${{topic}}?last_event_id=${{from}}`);
  events.onmessage = ({{ data }}) => console.log(data);
  events.addEventListener('gap', () => {{ events.close(); begin(); }});
  events.addEventListener('end', () => events.close());
}}
begin();
",
        literal(url)
    )
}

/// Heading.
pub const STREAMED: &str = "A text that grows, such as a model’s answer";
/// Text under it.
pub const STREAMED_TEXT: &str = "Each line of JSON is published as it arrives. A reader gets the whole text with last_event_id=earliest, after a reload and after the end as well. DELETE ends the topic.";

/// Commands under it.
pub fn streamed(url: &str) -> String {
    let topic = format!("{url}-answer");
    let whole = format!("{topic}?last_event_id=earliest");
    let (topic, whole) = (curl::word(&topic), curl::word(&whole));
    format!(
        r#"printf '{{"data":"%s"}}\n' once upon a time |
  curl -T - -H 'Content-Type: application/x-ndjson' {topic}
curl -X DELETE {topic}
curl -N {whole}
"#
    )
}

/// Heading.
pub const SEVERAL: &str = "Several topics on one connection";
/// Text under it.
pub const SEVERAL_TEXT: &str =
    "Before each event comes one of type topic, which names where the event is from.";

/// A program under it.
pub fn several(origin: &str) -> String {
    format!(
        "const events = new EventSource({});
let topic;
events.addEventListener('topic', ({{ data }}) => {{ topic = data; }});
events.onmessage = ({{ data }}) => console.log(topic, data);
",
        literal(&format!("{origin}/topics?topic=kitchen&topic=garden"))
    )
}

/// Heading.
pub const RUN: &str = "Run a server";
/// Text under it.
pub const RUN_TEXT: &str = "Fairwind is one file. The first command lists its settings. The second starts a server of your own on another port, to which programs of the same machine publish without a token.";
/// Commands under it.
pub const RUN_COMMANDS: &str = "fairwind --help
fairwind --addr 127.0.0.1:8081 --anonymous-publish=local
";
