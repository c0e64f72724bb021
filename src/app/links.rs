//! The links in a text that a person wrote. A text becomes pieces of text and of addresses, and never HTML; `public/chat.js` cuts
//! in the same way.

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Text.
    Text(String),
    /// An address that begins with `http://` or `https://`.
    Link(String),
}

/// The text in its pieces. An address goes up to a space, a quote, an angle bracket, or wide punctuation; other punctuation at its
/// end is not a part of it.
pub fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(start) = start_of_address(rest) {
        let (before, address) = rest.split_at(start);
        plain.push_str(before);
        let end = address
            .find(|c: char| c.is_whitespace() || "<>\"'`，。；：！？）」』】、".contains(c))
            .unwrap_or(address.len());
        let address = address[..end].trim_end_matches(|c| ".,;:!?)]}".contains(c));
        let scheme = if address.starts_with("https") {
            "https://"
        } else {
            "http://"
        };
        if address.len() > scheme.len() {
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(Piece::Link(address.to_owned()));
        } else {
            plain.push_str(address);
        }
        rest = &rest[before.len() + address.len()..];
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    pieces
}

/// Where the first address begins: at a scheme that no letter or digit precedes.
fn start_of_address(text: &str) -> Option<usize> {
    let starts = text.match_indices("http").map(|(start, _)| start);
    let mut starts = starts.filter(|start| {
        let is_inside = text[..*start]
            .chars()
            .next_back()
            .is_some_and(char::is_alphanumeric);
        let rest = &text[*start..];
        !is_inside && (rest.starts_with("http://") || rest.starts_with("https://"))
    });
    starts.next()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let pieces = pieces(text).into_iter();
        let shown = pieces.map(|piece| match piece {
            Piece::Text(text) => text,
            Piece::Link(address) => format!("<{address}>"),
        });
        shown.collect()
    }

    #[test]
    fn an_address_is_a_link_without_the_punctuation_behind_it() {
        for (text, expected) in [
            ("no link", vec!["no link"]),
            (
                "https://a.example/b?c=d#e",
                vec!["<https://a.example/b?c=d#e>"],
            ),
            (
                "see http://a.example, then",
                vec!["see ", "<http://a.example>", ", then"],
            ),
            (
                "(https://a.example/x).",
                vec!["(", "<https://a.example/x>", ")."],
            ),
            (
                "看 https://a.example/上海。好",
                vec!["看 ", "<https://a.example/上海>", "。好"],
            ),
            ("https://a.example！", vec!["<https://a.example>", "！"]),
            ("http://a http://b", vec!["<http://a>", " ", "<http://b>"]),
            ("http:// and https://", vec!["http:// and https://"]),
            ("xhttp://a", vec!["xhttp://a"]),
            (
                "javascript:alert(1) data:text/html,x",
                vec!["javascript:alert(1) data:text/html,x"],
            ),
            ("\"https://a\"<b>", vec!["\"", "<https://a>", "\"<b>"]),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
        assert_eq!(pieces(""), []);
    }

    proptest! {
        #[test]
        fn nothing_of_a_text_is_lost_and_every_link_is_an_address(
            parts in prop::collection::vec(prop::sample::select(vec![
                "http://", "https://", "http", "a", ".", "。", " ", "<", "\"", "上", "/", "javascript:", ")", "\n",
            ]), 0..16)
        ) {
            let text = parts.concat();
            let mut together = String::new();
            for piece in pieces(&text) {
                match piece {
                    Piece::Text(text) => together.push_str(&text),
                    Piece::Link(address) => {
                        prop_assert!(address.starts_with("http://") || address.starts_with("https://"));
                        prop_assert!(!address.contains(['<', '>', '"', ' ', '\n']));
                        together.push_str(&address);
                    }
                }
            }
            prop_assert_eq!(together, text);
        }
    }
}
