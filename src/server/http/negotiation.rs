//! What a client can take: `Accept`, `Accept-Encoding` and `Accept-Language`, RFC 9110, sections 12.5.1, 12.5.3 and 12.5.4. By hand, since a client whose
//! header has one member that is no media type (`*; q=.2`, say) still gets what its other members name.

use axum::http::{HeaderMap, HeaderName, header};

use super::media_type::{HTML, JSON, PROBLEM_JSON};
use crate::protocol::locale::Locale;

/// Whether the client takes a media type, such as `text/event-stream`. No `Accept` means everything.
pub(crate) fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    accept_quality(headers, media_type) > 0.0
}

fn accept_quality(headers: &HeaderMap, media_type: &str) -> f32 {
    if !headers.contains_key(header::ACCEPT) {
        return 1.0;
    }
    let (main_type, _) = media_type.split_once('/').unwrap_or((media_type, ""));
    let any_subtype = format!("{main_type}/*");
    quality(headers, header::ACCEPT, &[media_type, &any_subtype, "*/*"])
}

/// Which of these media types the client would rather have: the one with the highest quality, then one that it names
/// over one that it merely takes, then the first. `None` if it takes none of them.
pub(crate) fn preferred<'a>(headers: &HeaderMap, media_types: &[&'a str]) -> Option<&'a str> {
    let rank = |media_type: &str| {
        let is_named = quality(headers, header::ACCEPT, &[media_type]) > 0.0;
        (accept_quality(headers, media_type), is_named)
    };
    // The first of equals wins, so the order is turned round for `max_by`, which takes the last.
    let taken = media_types
        .iter()
        .rev()
        .filter(|media_type| accepts(headers, media_type));
    taken.copied().max_by(|a, b| {
        rank(a)
            .partial_cmp(&rank(b))
            .unwrap_or(std::cmp::Ordering::Equal)
    })
}

/// Whether the client would rather read HTML than JSON, as a browser does that shows a page.
pub(crate) fn prefers_html(headers: &HeaderMap) -> bool {
    preferred(headers, &[PROBLEM_JSON, JSON, HTML]) == Some(HTML)
}

/// Whether the client takes a content coding, such as `gzip`. No `Accept-Encoding` means none.
pub(crate) fn accepts_encoding(headers: &HeaderMap, coding: &str) -> bool {
    quality(headers, header::ACCEPT_ENCODING, &[coding, "*"]) > 0.0
}

/// The language that the client would rather read, of those that there are: the one with the highest quality, and of equals
/// the one that it names first. A language that the client names stands for all its regions and scripts, and the other way
/// round. `None` if it names none of them.
pub(crate) fn preferred_locale(headers: &HeaderMap) -> Option<Locale> {
    let wanted = items(headers, &header::ACCEPT_LANGUAGE).filter_map(|(tag, quality)| {
        let language = primary(tag);
        let locale = Locale::ALL
            .into_iter()
            .find(|locale| primary(locale.tag()).eq_ignore_ascii_case(language))?;
        (quality > 0.0).then_some((locale, quality))
    });
    wanted
        .reduce(|best, next| if next.1 > best.1 { next } else { best })
        .map(|(locale, _)| locale)
}

/// The language of a language tag, without script and region.
fn primary(tag: &str) -> &str {
    tag.split('-').next().unwrap_or_default()
}

/// What a header lists, each with its quality.
fn items<'a>(headers: &'a HeaderMap, header: &HeaderName) -> impl Iterator<Item = (&'a str, f32)> {
    headers
        .get_all(header)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(parse_item)
}

/// The quality that a header gives to the first of these names that it has, or 0.
fn quality(headers: &HeaderMap, header: HeaderName, names: &[&str]) -> f32 {
    let items: Vec<(&str, f32)> = items(headers, &header).collect();
    names
        .iter()
        .find_map(|name| {
            items
                .iter()
                .find(|(item, _)| item.eq_ignore_ascii_case(name))
        })
        .map_or(0.0, |(_, quality)| *quality)
}

fn parse_item(item: &str) -> (&str, f32) {
    let mut parts = item.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let quality =
        parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    (
        name,
        quality.map_or(1.0, |quality| quality.parse().unwrap_or(0.0)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, axum::http::HeaderValue::from_static(value))])
    }

    #[test]
    fn an_event_stream_goes_to_every_client_that_does_not_exclude_it() {
        let takes = |accept| accepts(&headers(header::ACCEPT, accept), "text/event-stream");
        assert!(accepts(&HeaderMap::new(), "text/event-stream"));
        assert!(takes("text/event-stream"));
        assert!(takes("Text/Event-Stream; charset=utf-8"));
        assert!(takes("*/*"));
        assert!(takes("application/json, text/*;q=0.2"));
        assert!(takes("text/html,application/xml;q=0.9,*/*;q=0.8"));
        assert!(!takes("application/json"));
        assert!(!takes("*/*;q=1, text/event-stream;q=0"));
    }

    #[test]
    fn a_topic_is_given_as_the_client_likes_it_best() {
        let all = ["text/event-stream", "text/html", "application/json"];
        let best = |accept| preferred(&headers(header::ACCEPT, accept), &all);
        assert_eq!(
            preferred(&HeaderMap::new(), &all),
            Some("text/event-stream")
        );
        assert_eq!(best("*/*"), Some("text/event-stream"));
        assert_eq!(best("text/event-stream"), Some("text/event-stream"));
        assert_eq!(
            best("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
            Some("text/html")
        );
        assert_eq!(
            best("application/json, text/plain, */*"),
            Some("application/json")
        );
        assert_eq!(
            best("text/html;q=0.5, application/json;q=0.6"),
            Some("application/json")
        );
        assert_eq!(best("text/*"), Some("text/event-stream"));
        assert_eq!(best("image/png"), None);
    }

    #[test]
    fn a_browser_prefers_html_and_a_program_does_not() {
        let prefers = |accept| prefers_html(&headers(header::ACCEPT, accept));
        assert!(prefers(
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
        ));
        assert!(prefers("text/html"));
        assert!(!prefers("*/*"));
        assert!(!prefers("text/event-stream"));
        assert!(!prefers("application/json, text/html;q=0.5"));
        assert!(!prefers("text/html;q=0"));
        assert!(!prefers_html(&HeaderMap::new()));
    }

    #[test]
    fn a_reader_gets_the_language_that_it_likes_best_of_those_that_there_are() {
        use Locale::{Chinese, English};
        let preferred = |value| preferred_locale(&headers(header::ACCEPT_LANGUAGE, value));
        for (value, expected) in [
            ("zh", Some(Chinese)),
            ("zh-CN,zh;q=0.9,en;q=0.8", Some(Chinese)),
            ("zh-TW", Some(Chinese)),
            ("zh-Hans-SG", Some(Chinese)),
            ("ZH-hans", Some(Chinese)),
            ("en-GB,en;q=0.9,zh-CN;q=0.8", Some(English)),
            ("en;q=0.5, zh;q=0.6", Some(Chinese)),
            ("zh;q=0.5, en;q=0.5", Some(Chinese)),
            ("en;q=0.5, zh;q=0.5", Some(English)),
            ("fr, zh;q=0.3, en;q=0.2", Some(Chinese)),
            ("zh;q=0, fr", None),
            ("zh;q=nonsense, en;q=0.1", Some(English)),
            ("zhx, en-", Some(English)),
            ("fr-CH, de;q=0.7", None),
            ("*", None),
            ("", None),
            (",;=,", None),
        ] {
            assert_eq!(preferred(value), expected, "{value}");
        }
        assert_eq!(preferred_locale(&HeaderMap::new()), None);
    }

    #[test]
    fn a_coding_is_used_only_if_it_is_allowed() {
        let takes = |value| accepts_encoding(&headers(header::ACCEPT_ENCODING, value), "br");
        assert!(takes("gzip, deflate, br, zstd"));
        assert!(takes("*"));
        assert!(!takes("gzip"));
        assert!(!takes("br;q=0, *"));
        assert!(!accepts_encoding(&HeaderMap::new(), "br"));
    }
}
