//! Renders any text as Markdown, in pieces and as a whole. The fuzz target `markdown` in `fuzz/` and the tests of the module call
//! the same functions.

use super::{Document, HTML_PER_BYTE, MAX_BLOCKS, MORE_HTML, is_allowed};

/// Ends a piece of the text that the fuzz target is given, and is not of the text.
const CUT: char = '\u{1e}';

/// Checks the text that these bytes are, where each [`CUT`] ends a piece.
pub fn markdown(bytes: &[u8]) {
    let (mut text, mut ends) = (String::new(), Vec::new());
    for piece in String::from_utf8_lossy(bytes).split(CUT) {
        text.push_str(piece);
        ends.push(text.len());
    }
    check(&text, ends);
}

/// Fails unless the HTML of a text is safe, within its bound, and the same when it grows in pieces that end at these places.
pub(super) fn check(text: &str, ends: Vec<usize>) {
    let expected = whole(text);
    let html = expected.concat();
    assert_safe(&html);
    assert!(
        html.len() <= text.len() * HTML_PER_BYTE + MAX_BLOCKS * MORE_HTML,
        "{} bytes of {}",
        html.len(),
        text.len()
    );
    assert_eq!(grown(text, ends), expected);
}

/// The text in pieces that end at these places, rendered after each.
pub(super) fn grown(text: &str, mut ends: Vec<usize>) -> Vec<String> {
    ends.push(text.len());
    let mut document = Document::default();
    let mut shown: Vec<String> = Vec::new();
    let mut start = 0;
    for end in ends {
        document.append(&text[start..end]);
        start = end;
        let first = document.render();
        let kept: Vec<&str> = document.blocks().take(first).collect();
        assert_eq!(kept, shown[..first], "blocks before the first that changed");
        shown = document.blocks().map(str::to_owned).collect();
    }
    shown
}

pub(super) fn whole(text: &str) -> Vec<String> {
    let document = Document::whole(text);
    document.blocks().map(str::to_owned).collect()
}

/// Fails unless a page could take the HTML whatever the text was: only known elements and attributes, and each is closed.
pub(super) fn assert_safe(html: &str) {
    const ELEMENTS: [&str; 24] = [
        "p",
        "h3",
        "h4",
        "h5",
        "h6",
        "blockquote",
        "pre",
        "code",
        "ul",
        "ol",
        "li",
        "div",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "em",
        "strong",
        "s",
        "a",
        "br",
        "hr",
    ];
    const ATTRIBUTES: [&str; 6] = ["href", "rel", "class", "tabindex", "start", "scope"];
    let mut open: Vec<&str> = Vec::new();
    let mut rest = html;
    while let Some((_, from_tag)) = rest.split_once('<') {
        let Some((tag, behind)) = from_tag.split_once('>') else {
            panic!("a tag has no end: {html}");
        };
        rest = behind;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "{html}");
            continue;
        }
        let name = tag.split(' ').next().unwrap_or_default();
        assert!(ELEMENTS.contains(&name), "<{tag}>");
        let mut attributes = &tag[name.len()..];
        while let Some((attribute, value)) = attributes.split_once("=\"") {
            let attribute = attribute.trim();
            assert!(ATTRIBUTES.contains(&attribute), "<{tag}>");
            let Some((value, others)) = value.split_once('"') else {
                panic!("a value has no end: <{tag}>");
            };
            if attribute == "href" {
                assert!(is_allowed(value), "<{tag}>");
            }
            attributes = others;
        }
        assert_eq!(attributes, "", "<{tag}>");
        if !matches!(name, "br" | "hr") {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{html}");
}
