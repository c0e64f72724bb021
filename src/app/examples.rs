//! The commands and programs of the page of help. They are the same in every language; the words around them are in
//! [`super::texts::help`].

use super::curl;
use super::snippets::literal;

/// The topic of the examples.
pub const TOPIC: &str = "kitchen";

/// Lists the settings, and starts a server.
pub const RUN: &str = "fairwind --help
fairwind --addr 127.0.0.1:8081 --anonymous-publish=local
";

/// Reads a topic in a page.
pub fn read_in_a_page(url: &str) -> String {
    format!(
        "const events = new EventSource({});
events.onmessage = ({{ data }}) => console.log(data);
",
        literal(url)
    )
}

/// Takes a snapshot, then follows the topic.
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

/// Publishes a text that grows, and reads it as a whole.
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

/// Shows what comes to a topic as the system's notifications, and publishes one, later if the server can.
pub fn notifications(origin: &str, topic: &str, has_schedule: bool) -> String {
    let options = if has_schedule { ", { in: '10s' }" } else { "" };
    let (script, topic) = (literal(&format!("{origin}/fairwind.js")), literal(topic));
    format!(
        "import {{ subscribe, publish }} from {script};

const inbox = {topic};
allow.onclick = () => Notification.requestPermission(); // a button with the id 'allow'
subscribe(inbox, ({{ data, position }}) => {{
  if (document.hidden) new Notification(data, {{ tag: position }});
}});
await publish(inbox, 'The tea has drawn'{options});
"
    )
}

/// Reads two topics on one connection.
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
