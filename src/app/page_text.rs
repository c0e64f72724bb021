//! How a page's data travels from the server to the browser inside the document: as lengths and texts, one after the
//! other. JSON would say the same, but its reader alone weighs more over the wire than everything else that is read.

use std::convert::Infallible;
use std::fmt::{self, Display};
use std::str::FromStr;

use crate::protocol::event::{Event, EventId, EventType};
use crate::protocol::page::TopicPage;

/// A page's data as text, or none if the text was none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageText(pub Option<TopicPage>);

impl Display for PageText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(page) = &self.0 else { return Ok(()) };
        write_text(f, &page.origin)?;
        write_text(f, &page.stream_path)?;
        write_text(f, page.last_event_id.as_str())?;
        write_text(f, &page.consumers.to_string())?;
        for event in &page.events {
            write_text(f, event.id.as_str())?;
            write_text(f, event.event_type.as_str())?;
            write_text(f, &event.data)?;
        }
        Ok(())
    }
}

impl FromStr for PageText {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(read_page(&mut Reader { rest: text })))
    }
}

fn write_text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    // HTML has no NUL, so whoever reads the page sees this in its place; and the script that carries the text would
    // read NUL and a digit as one character.
    let text = text.replace('\0', "\u{fffd}");
    write!(f, "{}:{text}", text.len())
}

fn read_page(reader: &mut Reader<'_>) -> Option<TopicPage> {
    let origin = reader.text()?.to_owned();
    let stream_path = reader.text()?.to_owned();
    let last_event_id = EventId::new(reader.text()?).ok()?;
    let consumers = reader.text()?.parse().ok()?;
    let mut events = Vec::new();
    while !reader.rest.is_empty() {
        events.push(Event {
            id: EventId::new(reader.text()?).ok()?,
            event_type: EventType::new(reader.text()?).ok()?,
            data: reader.text()?.to_owned(),
        });
    }
    Some(TopicPage {
        origin,
        stream_path,
        events,
        last_event_id,
        consumers,
    })
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn text(&mut self) -> Option<&'a str> {
        let (length, rest) = self.rest.split_once(':')?;
        let (text, rest) = rest.split_at_checked(length.parse().ok()?)?;
        self.rest = rest;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: &str, data: &str) -> Option<Event> {
        Some(Event {
            id: EventId::new(id).ok()?,
            event_type: EventType::default(),
            data: data.to_owned(),
        })
    }

    fn page(data: &str) -> Option<TopicPage> {
        Some(TopicPage {
            origin: "http://127.0.0.1:8080".to_owned(),
            stream_path: "/events".to_owned(),
            events: vec![
                event("#a-1", "hello")?,
                event("#a-2", data)?,
                event("#a-3", "")?,
            ],
            last_event_id: EventId::new("#a-3").ok()?,
            consumers: 3,
        })
    }

    #[test]
    fn a_page_comes_back_whatever_its_events_say() {
        for data in [
            "",
            "1:2",
            "a\nb",
            "</script>",
            "乘风破浪会有时",
            "\u{1f}\"\\",
        ] {
            let page = PageText(page(data));
            assert!(page.0.is_some());
            assert_eq!(page.to_string().parse(), Ok(page));
        }
    }

    #[test]
    fn no_page_comes_back_as_none() {
        for text in ["", "x", "3:ab", "99999999999999999999:", "1:é", "-1:a"] {
            assert_eq!(text.parse(), Ok(PageText(None)), "{text:?}");
        }
    }

    #[test]
    fn nul_arrives_as_html_shows_it() {
        let text = PageText(page("a\u{0}1")).to_string();
        let data = |PageText(page): PageText| page.map(|page| page.events[1].data.clone());
        assert_eq!(text.parse().map(data), Ok(Some("a\u{fffd}1".to_owned())));
    }
}
