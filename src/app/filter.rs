//! Which events the list shows: the words that a reader asks for. Plain Rust, since the server filters a page that is
//! opened with a filter in its URL, and the browser goes on with it.
//!
//! Every word must be in the data (letters from a to z in either case), `"two words"` together; `type:news` asks for a
//! type, and several types for any of them; `-` before a word, or before `type:`, keeps out what has it.

/// What a reader asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// As it was written.
    text: String,
    terms: Vec<Term>,
    error: Option<FilterError>,
}

/// Why a filter cannot be understood. The list shows everything then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterError {
    /// A quotation mark is opened and not closed.
    OpenQuote,
    /// A `-`, `type:` or pair of quotation marks has nothing to look for.
    Nothing,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    is_type: bool,
    is_unwanted: bool,
    text: String,
}

impl Filter {
    /// Reads what a reader wrote.
    pub fn read(text: &str) -> Self {
        let read = read_terms(text);
        Self {
            text: text.to_owned(),
            error: read.as_ref().err().copied(),
            terms: read.unwrap_or_default(),
        }
    }

    /// The filter as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Why it cannot be understood, if it cannot.
    pub fn error(&self) -> Option<FilterError> {
        self.error
    }

    /// Whether it keeps anything out.
    pub fn is_active(&self) -> bool {
        !self.terms.is_empty()
    }

    /// Whether an event passes.
    pub fn passes(&self, event_type: &str, data: &str) -> bool {
        let is_met = |term: &Term| {
            if term.is_type {
                term.text == event_type
            } else {
                contains(data, &term.text)
            }
        };
        let mut wanted_types = self
            .terms
            .iter()
            .filter(|term| term.is_type && !term.is_unwanted)
            .peekable();
        (wanted_types.peek().is_none() || wanted_types.any(is_met))
            && self
                .terms
                .iter()
                .filter(|term| term.is_unwanted || !term.is_type)
                .all(|term| is_met(term) != term.is_unwanted)
    }
}

fn read_terms(text: &str) -> Result<Vec<Term>, FilterError> {
    let mut terms = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (is_unwanted, after) = without_prefix(rest, "-");
        let (is_type, after) = without_prefix(after, "type:");
        let (term, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or(FilterError::OpenQuote)?,
            None => after.split_at(after.find(char::is_whitespace).unwrap_or(after.len())),
        };
        if term.is_empty() {
            return Err(FilterError::Nothing);
        }
        terms.push(Term {
            is_type,
            is_unwanted,
            text: term.to_owned(),
        });
        rest = after.trim_start();
    }
    Ok(terms)
}

fn without_prefix<'a>(text: &'a str, prefix: &str) -> (bool, &'a str) {
    match text.strip_prefix(prefix) {
        Some(rest) => (true, rest),
        None => (false, text),
    }
}

/// Whether a text contains another, with letters from a to z in either case. Others would need tables that weigh more
/// than all the rest of this.
fn contains(text: &str, part: &str) -> bool {
    let Some((first, rest)) = part.as_bytes().split_first() else {
        return true;
    };
    let either = [first.to_ascii_lowercase(), first.to_ascii_uppercase()];
    let mut text = text.as_bytes();
    // Most places are ruled out by their first byte.
    while let Some(at) = memchr::memchr2(either[0], either[1], text) {
        text = &text[at + 1..];
        match text.get(..rest.len()) {
            Some(here) if here.eq_ignore_ascii_case(rest) => return true,
            Some(_) => {}
            None => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(filter: &str, event_type: &str, data: &str) -> bool {
        let filter = Filter::read(filter);
        assert_eq!(filter.error(), None);
        filter.passes(event_type, data)
    }

    #[test]
    fn every_word_must_be_there() {
        assert!(passes("", "message", "anything"));
        assert!(passes("  Tea  READY ", "message", "the tea is ready"));
        assert!(!passes("tea cold", "message", "the tea is ready"));
        assert!(passes("茶", "message", "乌龙茶"));
    }

    #[test]
    fn words_in_quotation_marks_stay_together() {
        assert!(passes("\"tea is\"", "message", "the tea is ready"));
        assert!(!passes("\"is tea\"", "message", "the tea is ready"));
        assert!(passes("\"type:\"", "message", "{\"type:\"}"));
    }

    #[test]
    fn types_are_alternatives_and_words_are_not() {
        assert!(passes("type:news", "news", "x"));
        assert!(!passes("type:news", "message", "news"));
        assert!(passes("type:news type:\"old news\"", "old news", "x"));
        assert!(!passes("type:news y", "news", "x"));
    }

    #[test]
    fn a_minus_keeps_out() {
        assert!(!passes("-tea", "message", "tea"));
        assert!(passes("-tea", "message", "coffee"));
        assert!(!passes("-type:news", "news", "x"));
        assert!(passes("-type:news type:message x", "message", "x"));
    }

    #[test]
    fn what_cannot_be_understood_is_told_and_keeps_nothing_out() {
        for (text, error) in [
            ("\"tea", FilterError::OpenQuote),
            ("type:", FilterError::Nothing),
            ("tea -", FilterError::Nothing),
            ("\"\"", FilterError::Nothing),
        ] {
            let filter = Filter::read(text);
            assert_eq!(filter.error(), Some(error), "{text}");
            assert!(!filter.is_active() && filter.passes("message", "x"));
        }
    }
}
