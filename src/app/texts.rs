//! Every text that a person sees or hears in a page, in every language, side by side. Each file in `texts/` is a catalogue
//! for a part of the site: a group of texts, and the functions that make sentences of data with them.
//!
//! ```text
//! texts! {
//!     /// What the page of an order says.
//!     OrderTexts {
//!         /// Button.
//!         pay: "Pay", "付款";
//!         /// Above the list. The first placeholder is {0}, and so on.
//!         open(count): "{0} open orders", "{0} 个未完成订单";
//!     }
//! }
//! let words: &'static str = OrderTexts::of(Locale::English).pay();
//! let words: String = OrderTexts::of(Locale::English).open("3");
//! ```
//!
//! A text that lacks a language does not compile, and neither does one whose placeholders are not its arguments.
//!
//! A group of texts in one language is one text, with a line for each. On the server it is a constant, and [`Texts::of`] has
//! those of a language. The WebAssembly has no texts at all: the server writes those of the page's one language into the
//! page (see [`super::page_text`]), and in the browser [`Texts`] are read from there. So nothing that runs in the browser may call an `of`; a component takes its texts
//! from the [`Texts`] that it is given.
//!
//! A new language is a variant of [`Locale`] and one more text in each line of the catalogues.

mod answers;
pub mod chat;
mod clock;
pub mod compare;
pub mod head;
pub mod help;
mod live;
pub mod notifications;
pub mod older;
pub mod problems;
pub mod quotes;
mod site;
mod topic;
pub mod topics;

pub use answers::{AnswersDocumentTexts, AnswersTexts};
pub use clock::ClockTexts;
pub use compare::{CompareDocumentTexts, CompareTexts};
pub use live::LiveTexts;
pub use problems::ProblemSentences;
pub use quotes::{QuotesDocumentTexts, QuotesTexts};
pub use site::{NAME, SiteTexts};
pub use topic::TopicTexts;

use std::sync::LazyLock;

use crate::protocol::locale::Locale;
use crate::protocol::page::Refusal;

/// What the pages that the browser hydrates say, in one language. In the browser, a group that the page does not need is
/// empty, and its texts are empty too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Texts {
    /// The language.
    pub locale: Locale,
    /// What stands on every page.
    pub site: SiteTexts,
    /// What every page of a stream says.
    pub live: LiveTexts,
    /// What the clock's page says besides.
    pub clock: ClockTexts,
    /// What a topic's page says besides.
    pub topic: TopicTexts,
    /// What changes on the page that compares.
    pub compare: CompareTexts,
    /// What never changes there.
    pub compare_document: CompareDocumentTexts,
    /// What changes on the page of quotes.
    pub quotes: QuotesTexts,
    /// What never changes there.
    pub quotes_document: QuotesDocumentTexts,
    /// What changes on the page of answers.
    pub answers: AnswersTexts,
    /// What never changes there.
    pub answers_document: AnswersDocumentTexts,
    /// What a refusal means, by its code.
    pub problems: ProblemSentences,
}

static ENGLISH: LazyLock<Texts> = LazyLock::new(|| Texts::new(Locale::English));
static CHINESE: LazyLock<Texts> = LazyLock::new(|| Texts::new(Locale::Chinese));

impl Texts {
    /// The texts in this language. Only the server has them.
    pub fn of(locale: Locale) -> &'static Self {
        match locale {
            Locale::English => &ENGLISH,
            Locale::Chinese => &CHINESE,
        }
    }

    fn new(locale: Locale) -> Self {
        Self {
            locale,
            site: SiteTexts::of(locale),
            live: LiveTexts::of(locale),
            clock: ClockTexts::of(locale),
            topic: TopicTexts::of(locale),
            compare: CompareTexts::of(locale),
            compare_document: CompareDocumentTexts::of(locale),
            quotes: QuotesTexts::of(locale),
            quotes_document: QuotesDocumentTexts::of(locale),
            answers: AnswersTexts::of(locale),
            answers_document: AnswersDocumentTexts::of(locale),
            problems: ProblemSentences::of(locale),
        }
    }

    /// Why the server refused, in the page's language and without a full stop.
    pub fn refusal(&self, refusal: &Refusal) -> String {
        let detail = refusal.detail.trim_end_matches('.');
        if self.locale == Locale::English && !detail.is_empty() {
            return detail.to_owned();
        }
        match self.problems.sentence(&refusal.code) {
            Some(sentence) => sentence.to_owned(),
            None if matches!(refusal.status, 200..300) => self.live.no_event_stream().to_owned(),
            None => self.live.answered(&number(u64::from(refusal.status))),
        }
    }

    /// The server's own words about a refusal, which are English, if [`Self::refusal`] says something else.
    pub fn server_words(&self, refusal: &Refusal) -> String {
        match self.locale {
            Locale::English => String::new(),
            Locale::Chinese => refusal.detail.clone(),
        }
    }
}

/// Defines a group of texts: see the module.
macro_rules! texts {
    (
        $(#[$group_doc:meta])+
        $group:ident {
            $($(#[$doc:meta])+ $name:ident $(($($value:ident),+))? : $english:literal, $chinese:literal;)+
        }
    ) => {
        $(#[$group_doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $group(&'static &'static str);

        const _: () = {
            #[allow(non_camel_case_types)]
            enum Position {
                $($name,)+
            }

            $(
                $crate::app::texts::check($english, &[$($(stringify!($value)),+)?]);
                $crate::app::texts::check($chinese, &[$($(stringify!($value)),+)?]);
            )+

            impl $group {
                /// The group in this language. Only the server has it.
                pub const fn of(locale: $crate::protocol::locale::Locale) -> Self {
                    match locale {
                        $crate::protocol::locale::Locale::English => Self(&concat!($($english, "\n"),+)),
                        $crate::protocol::locale::Locale::Chinese => Self(&concat!($($chinese, "\n"),+)),
                    }
                }

                /// The group with these texts, as [`Self::lines`] gives them.
                #[allow(dead_code)]
                pub(in crate::app) fn from_lines(lines: &'static str) -> Self {
                    Self(Box::leak(Box::new(lines)))
                }

                /// The texts in the order of the group, a line each.
                #[allow(dead_code)]
                pub(in crate::app) const fn lines(self) -> &'static str {
                    self.0
                }

                $($crate::app::texts::texts! {
                    @method $(#[$doc])+ $name $(($($value),+))?
                })+
            }
        };
    };
    (@method $(#[$doc:meta])+ $name:ident) => {
        $(#[$doc])+
        #[inline(always)]
        pub fn $name(self) -> &'static str {
            $crate::app::texts::line(self.0, Position::$name as usize)
        }
    };
    (@method $(#[$doc:meta])+ $name:ident ($($value:ident),+)) => {
        $(#[$doc])+
        pub fn $name(self, $($value: &str),+) -> String {
            let text = $crate::app::texts::line(self.0, Position::$name as usize);
            $crate::app::texts::fill(text, &[$($value),+])
        }
    };
}
use texts;

/// The line at this position; empty where there is none.
fn line(lines: &'static &'static str, position: usize) -> &'static str {
    piece(lines, b'\n', position)
}

/// The piece at this position of a text in which an ASCII character stands between pieces; empty where there is none. By hand,
/// since an iterator over pieces is several times as large in the WebAssembly.
fn piece(text: &'static str, separator: u8, position: usize) -> &'static str {
    let mut left = position;
    let mut start = 0;
    let mut end = 0;
    for byte in text.bytes() {
        if byte == separator {
            if left == 0 {
                break;
            }
            left -= 1;
            start = end + 1;
        }
        end += 1;
    }
    let is_there = left == 0;
    text.get(start..end)
        .filter(|_| is_there)
        .unwrap_or_default()
}

/// The text with a value in place of each `{0}`, `{1}` and so on.
fn fill(text: &str, values: &[&str]) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c == '{' {
            let position = rest.next().and_then(|digit| digit.to_digit(10));
            let value = position.and_then(|position| values.get(position as usize));
            filled.push_str(value.copied().unwrap_or_default());
            // The closing brace.
            rest.next();
        } else {
            filled.push(c);
        }
    }
    filled
}

/// Stops the compiler unless a text has a placeholder for each of these arguments, and no other.
const fn check(text: &str, arguments: &[&str]) {
    let bytes = text.as_bytes();
    let mut found = 0_u32;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'{' => {
                if at + 2 >= bytes.len() || bytes[at + 2] != b'}' || !bytes[at + 1].is_ascii_digit()
                {
                    panic!("a text has a brace that is no placeholder such as {{0}}");
                }
                let position = (bytes[at + 1] - b'0') as usize;
                if position >= arguments.len() {
                    panic!("a text has a placeholder without an argument");
                }
                found |= 1 << position;
                at += 2;
            }
            b'}' => panic!("a text has a brace that is no placeholder such as {{0}}"),
            b'\n' => panic!("a text has more than one line"),
            _ => {}
        }
        at += 1;
    }
    if found.count_ones() as usize != arguments.len() {
        panic!("a text has no placeholder for one of its arguments");
    }
}

/// A number with its thousands apart. Both languages write it alike.
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count, as [`number`] writes it.
pub fn number_of(count: usize) -> String {
    number(u64::try_from(count).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::chat::ChatTexts;
    use super::head::HeadTexts;
    use super::help::HelpTexts;
    use super::notifications::NotificationsTexts;
    use super::older::OlderTexts;
    use super::problems::ProblemTexts;
    use super::topics::TopicsTexts;
    use super::*;

    /// Every text in this language.
    fn all(locale: Locale) -> Vec<&'static str> {
        let texts = Texts::of(locale);
        let groups = [
            texts.site.lines(),
            texts.live.lines(),
            texts.clock.lines(),
            texts.topic.lines(),
            texts.compare.lines(),
            texts.compare_document.lines(),
            texts.quotes.lines(),
            texts.quotes_document.lines(),
            texts.answers.lines(),
            texts.answers_document.lines(),
            texts.problems.lines(),
            ChatTexts::of(locale).lines(),
            HeadTexts::of(locale).lines(),
            HelpTexts::of(locale).lines(),
            NotificationsTexts::of(locale).lines(),
            OlderTexts::of(locale).lines(),
            ProblemTexts::of(locale).lines(),
            TopicsTexts::of(locale).lines(),
        ];
        groups.into_iter().flat_map(str::lines).collect()
    }

    fn is_chinese(c: char) -> bool {
        matches!(c, '\u{4e00}'..='\u{9fff}')
    }

    #[test]
    fn each_text_has_its_own_line_in_each_language() {
        let english = LiveTexts::of(Locale::English);
        assert_eq!(english.skip_to_messages(), "Skip to the messages");
        assert_eq!(english.pause(), "Pause");
        assert_eq!(english.raw_stream(), "Raw stream");
        let chinese = LiveTexts::of(Locale::Chinese);
        assert_eq!(chinese.skip_to_messages(), "跳到消息列表");
        assert_eq!(chinese.pause(), "暂停");
        assert_eq!(chinese.raw_stream(), "原始事件流");
        assert_eq!(
            english.lines().lines().count(),
            chinese.lines().lines().count()
        );
        assert_eq!(
            LiveTexts::from_lines("").pause(),
            "",
            "the page does not need it"
        );
    }

    #[test]
    fn a_placeholder_is_filled_wherever_a_language_has_it() {
        assert_eq!(fill("{1} of {0}, {1}", &["a", "{0}"]), "{0} of a, {0}");
        assert_eq!(fill("{0}年", &["2026"]), "2026年");
        assert_eq!(fill("", &[]), "");
        let gap = |locale| LiveTexts::of(locale).gap("#a-1", "#a-7");
        assert!(gap(Locale::English).ends_with("after #a-1 and goes on after #a-7."));
        assert!(gap(Locale::Chinese).contains("从 #a-1 之后继续，实际从 #a-7 之后继续"));
    }

    #[test]
    fn chinese_texts_are_set_as_chinese_is() {
        for text in all(Locale::Chinese) {
            let chars: Vec<char> = text.chars().collect();
            for pair in chars.windows(2) {
                let [a, b] = [pair[0], pair[1]];
                let is_mixed = |a: char, b: char| is_chinese(a) && b.is_ascii_alphabetic();
                assert!(
                    !is_mixed(a, b) && !is_mixed(b, a),
                    "a space belongs between {a} and {b}: {text}"
                );
                assert!(
                    !(is_chinese(a) && matches!(b, ',' | ';' | ':' | '!' | '?' | '(' | ')')),
                    "punctuation is as wide as a character: {text}"
                );
            }
            assert!(!text.ends_with('.'), "{text}");
        }
    }

    #[test]
    fn english_texts_have_no_chinese() {
        for text in all(Locale::English) {
            assert!(!text.chars().any(is_chinese), "{text}");
        }
    }

    #[test]
    fn thousands_are_apart() {
        let texts: Vec<String> = [0, 12, 999, 1_000, 123_456, 1_234_567]
            .into_iter()
            .map(number)
            .collect();
        assert_eq!(texts, ["0", "12", "999", "1,000", "123,456", "1,234,567"]);
    }

    #[test]
    fn a_refusal_is_said_in_the_language_of_the_page() {
        let refusal = |status, code: &str, detail: &str| Refusal {
            status,
            code: code.to_owned(),
            detail: detail.to_owned(),
        };
        let [english, chinese] = Locale::ALL.map(Texts::of);
        let large = refusal(413, "too-large", "at most 7 bytes are taken.");
        assert_eq!(english.refusal(&large), "at most 7 bytes are taken");
        assert_eq!(english.server_words(&large), "");
        assert_eq!(chinese.refusal(&large), "内容过大");
        assert_eq!(chinese.server_words(&large), "at most 7 bytes are taken.");
        let foreign = refusal(502, "", "");
        assert_eq!(english.refusal(&foreign), "it answered with status 502");
        assert_eq!(chinese.refusal(&foreign), "它返回了状态码 502");
        assert_eq!(
            chinese.refusal(&refusal(418, "new-code", "no")),
            "它返回了状态码 418"
        );
        assert_eq!(chinese.refusal(&refusal(200, "", "")), "它返回的不是事件流");
    }
}
