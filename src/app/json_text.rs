//! JSON for reading: the same text with line breaks and indentation. Nothing in it is changed: a parser that writes what
//! it has read would round long numbers and lose repeated names. It is also how a text is known to be JSON.

/// How deep a value may be nested; what is deeper is shown as it came.
const MAX_DEPTH: usize = 100;

/// The text over several lines, if it is a JSON object or array (RFC 8259); a single number or word is as readable
/// without.
pub fn indented(text: &str) -> Option<String> {
    let mut out = String::new();
    read(text, &mut |piece, depth| match piece {
        Piece::Break => {
            out.push('\n');
            out.extend(std::iter::repeat_n("  ", depth));
        }
        Piece::Token(token) => out.push_str(token),
        Piece::Colon => out.push_str(": "),
    })
    .then_some(out)
}

/// Whether [`indented`] would give anything.
pub fn is_json(text: &str) -> bool {
    read(text, &mut |_, _| {})
}

enum Piece<'a> {
    Token(&'a str),
    Colon,
    Break,
}

fn read(text: &str, write: &mut dyn FnMut(Piece<'_>, usize)) -> bool {
    let text = skip_space(text);
    if !text.starts_with(['{', '[']) {
        return false;
    }
    value(text, 0, write).is_some_and(|rest| skip_space(rest).is_empty())
}

/// Reads a value and gives what follows it.
fn value<'a>(
    text: &'a str,
    depth: usize,
    write: &mut dyn FnMut(Piece<'_>, usize),
) -> Option<&'a str> {
    let length = match *text.as_bytes().first()? {
        b'{' => return list(text, depth, '}', write),
        b'[' => return list(text, depth, ']', write),
        b'"' => string_length(text)?,
        b't' if text.starts_with("true") => 4,
        b'f' if text.starts_with("false") => 5,
        b'n' if text.starts_with("null") => 4,
        _ => number_length(text)?,
    };
    write(Piece::Token(&text[..length]), depth);
    Some(&text[length..])
}

/// Reads an object or an array.
fn list<'a>(
    text: &'a str,
    depth: usize,
    end: char,
    write: &mut dyn FnMut(Piece<'_>, usize),
) -> Option<&'a str> {
    if depth == MAX_DEPTH {
        return None;
    }
    write(Piece::Token(&text[..1]), depth);
    let mut rest = skip_space(&text[1..]);
    if !rest.starts_with(end) {
        loop {
            write(Piece::Break, depth + 1);
            if end == '}' {
                let name = rest.starts_with('"').then(|| string_length(rest))??;
                write(Piece::Token(&rest[..name]), depth);
                rest = skip_space(skip_space(&rest[name..]).strip_prefix(':')?);
                write(Piece::Colon, depth);
            }
            rest = skip_space(value(rest, depth + 1, write)?);
            match rest.strip_prefix(',') {
                Some(next) => rest = skip_space(next),
                None => break,
            }
            write(Piece::Token(","), depth);
        }
        write(Piece::Break, depth);
    }
    let after = rest.strip_prefix(end)?;
    write(Piece::Token(&rest[..1]), depth);
    Some(after)
}

fn skip_space(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', '\n', '\r'])
}

fn string_length(text: &str) -> Option<usize> {
    let mut bytes = text.bytes().enumerate().skip(1);
    while let Some((index, byte)) = bytes.next() {
        match byte {
            b'"' => return Some(index + 1),
            b'\\' => match bytes.next()?.1 {
                b'u' => {
                    for _ in 0..4 {
                        bytes
                            .next()
                            .filter(|(_, digit)| digit.is_ascii_hexdigit())?;
                    }
                }
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                _ => return None,
            },
            ..0x20 => return None,
            _ => {}
        }
    }
    None
}

fn number_length(text: &str) -> Option<usize> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let mut length = usize::from(text.starts_with('-'));
    match digits(&text[length..]) {
        0 => return None,
        count if count > 1 && text[length..].starts_with('0') => return None,
        count => length += count,
    }
    if text[length..].starts_with('.') {
        match digits(&text[length + 1..]) {
            0 => return None,
            count => length += 1 + count,
        }
    }
    if text[length..].starts_with(['e', 'E']) {
        let sign = usize::from(text[length + 1..].starts_with(['+', '-']));
        match digits(&text[length + 1 + sign..]) {
            0 => return None,
            count => length += 1 + sign + count,
        }
    }
    Some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_laid_out_and_not_changed() {
        let text = r#" {"a":[1,2.50e+3,{}], "b":12345678901234567890,"a":"x\"{,\u00e9" ,"c":[ ]} "#;
        let expected = r#"{
  "a": [
    1,
    2.50e+3,
    {}
  ],
  "b": 12345678901234567890,
  "a": "x\"{,\u00e9",
  "c": []
}"#;
        assert_eq!(indented(text).as_deref(), Some(expected));
        assert_eq!(indented(expected).as_deref(), Some(expected));
    }

    #[test]
    fn what_is_no_object_or_array_is_left_alone() {
        for text in [
            "",
            "1",
            "null",
            "\"x\"",
            "hello",
            "{",
            "[1,]",
            "{\"a\"}",
            "{a:1}",
            "[01]",
            "[1.]",
            "[+1]",
            "[1e]",
            "[tru]",
            "[\"\n\"]",
            "[\"\\x\"]",
            "[1] 2",
            "[\u{a0}1]",
            "{\"a\":1,}",
            "[é]",
            "[-é]",
        ] {
            assert_eq!(indented(text), None, "{text}");
        }
        assert!(is_json(&("[".repeat(100) + &"]".repeat(100))));
        assert!(!is_json(&"[".repeat(1_000_000)), "deep, and never closed");
    }
}

#[cfg(all(test, not(target_family = "wasm")))]
mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_list_that_serde_takes_is_taken_and_means_the_same(text in r#"[\[\{]([\[\]\{\},:"0-9.eE\\/ untrflas\-]|"a"|\PC){0,12}[\]\}]"#) {
            match (serde_json::from_str::<serde_json::Value>(&text), indented(&text)) {
                (Ok(value), Some(laid_out)) => {
                    prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&laid_out).ok(), Some(value));
                }
                // A lone surrogate, or a number that is too large for its parser, is a matter of meaning, not of form.
                (Err(_), Some(_)) => prop_assert!(text.contains("\\u") || text.contains(['e', 'E'])),
                (value, none) => prop_assert_eq!((value.is_ok(), none.is_some()), (false, false)),
            }
        }
    }
}
