//! How a page's data and what the page says travel from the server to the browser inside the document: as lengths and
//! texts, one after the other. JSON would say the same, but its reader alone weighs more over the wire than everything else
//! that is read.

use std::convert::Infallible;
use std::fmt::{self, Display};
use std::str::FromStr;

use super::texts::{
    AnswersDocumentTexts, AnswersTexts, ClockTexts, CompareDocumentTexts, CompareTexts, LiveTexts,
    ProblemSentences, QuotesDocumentTexts, QuotesTexts, SiteTexts, Texts, TopicTexts,
};
use crate::protocol::answers::{AnswersPage, Finish, PageAnswer, Question};
use crate::protocol::compare::ComparePage;
use crate::protocol::event::{Event, EventId, EventType};
use crate::protocol::locale::Locale;
use crate::protocol::page::{PageData, PageEvent, Refusal, TopicPage};
use crate::protocol::quotes::{QuotesPage, SymbolPage};

/// A page's data and what the page says, as text; or none if the text was none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageText(pub Option<LivePageData>);

/// What a page that the browser hydrates is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LivePageData {
    /// What it shows.
    pub data: PageData,
    /// What it says.
    pub texts: &'static Texts,
}

/// What the page that compares is rendered with and what it says, as text; or none if the text was none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComparePageText(pub Option<ComparePageData>);

/// What the page that compares is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComparePageData {
    /// What it is rendered with.
    pub page: ComparePage,
    /// What it says.
    pub texts: &'static Texts,
}

/// What the page of quotes is rendered with and what it says, as text; or none if the text was none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotesPageText(pub Option<QuotesPageData>);

/// What the page of quotes is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotesPageData {
    /// What it is rendered with.
    pub page: QuotesPage,
    /// What it says.
    pub texts: &'static Texts,
}

/// What the page of answers is rendered with and what it says, as text; or none if the text was none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswersPageText(pub Option<AnswersPageData>);

/// What the page of answers is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswersPageData {
    /// What it is rendered with.
    pub page: AnswersPage,
    /// What it says.
    pub texts: &'static Texts,
}

impl Display for PageText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(LivePageData { data, texts }) = &self.0 else {
            return Ok(());
        };
        let (is_clock, page) = match data {
            PageData::Clock(page) => (true, page),
            PageData::Topic(page) => (false, page),
        };
        write_number(f, u8::from(texts.locale == Locale::Chinese))?;
        write_number(f, u8::from(is_clock))?;
        write_text(f, texts.site.lines())?;
        write_text(f, texts.live.lines())?;
        write_text(f, texts.problems.lines())?;
        let of_kind = if is_clock {
            texts.clock.lines()
        } else {
            texts.topic.lines()
        };
        write_text(f, of_kind)?;
        write_text(f, &page.origin)?;
        write_text(f, &page.topic)?;
        write_text(f, &page.stream_path)?;
        write_text(f, &page.filter)?;
        let refusal = page.refusal.as_ref();
        write_text(f, refusal.map_or("", |refusal| &refusal.code))?;
        write_text(f, refusal.map_or("", |refusal| &refusal.detail))?;
        write_text(f, page.last_event_id.as_str())?;
        write_text(f, page.before.as_ref().map_or("", EventId::as_str))?;
        write_number(f, u8::from(page.has_ended))?;
        write_number(f, page.consumers)?;
        write_number(f, page.older)?;
        // No answer has status 0.
        write_number(f, refusal.map_or(0, |refusal| refusal.status))?;
        write_text(f, &page.rendered_at)?;
        for page_event in &page.events {
            let PageEvent {
                event,
                whole_bytes,
                published_at,
            } = page_event;
            write_text(f, event.id.as_str())?;
            write_text(f, event.event_type.as_str())?;
            write_text(f, &event.data)?;
            write_number(f, whole_bytes.unwrap_or_default())?;
            write_text(f, published_at)?;
        }
        Ok(())
    }
}

impl Display for ComparePageText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(ComparePageData { page, texts }) = &self.0 else {
            return Ok(());
        };
        write_number(f, u8::from(texts.locale == Locale::Chinese))?;
        write_text(f, texts.site.lines())?;
        write_text(f, texts.compare.lines())?;
        write_text(f, texts.problems.lines())?;
        write_text(f, &page.origin)?;
        write_text(f, &page.id)
    }
}

impl Display for QuotesPageText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(QuotesPageData { page, texts }) = &self.0 else {
            return Ok(());
        };
        write_number(f, u8::from(texts.locale == Locale::Chinese))?;
        write_text(f, texts.site.lines())?;
        write_text(f, texts.live.lines())?;
        write_text(f, texts.quotes.lines())?;
        write_text(f, texts.problems.lines())?;
        write_text(f, &page.origin)?;
        write_number(f, u8::from(page.is_simulated))?;
        write_text(f, &page.last_event_id)?;
        write_text(f, &page.charted)?;
        write_text(f, &page.symbols.join(" "))?;
        write_prices(f, &page.chart)?;
        for row in &page.rows {
            write_text(f, &row.symbol)?;
            write_number(f, row.change)?;
            write_prices(f, &row.history)?;
        }
        Ok(())
    }
}

impl Display for AnswersPageText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(AnswersPageData { page, texts }) = &self.0 else {
            return Ok(());
        };
        write_number(f, u8::from(texts.locale == Locale::Chinese))?;
        write_text(f, texts.site.lines())?;
        write_text(f, texts.live.lines())?;
        write_text(f, texts.answers.lines())?;
        write_text(f, texts.problems.lines())?;
        write_text(f, &page.origin)?;
        write_text(f, page.model.as_deref().unwrap_or_default())?;
        write_refusal(f, page.refusal.as_ref())?;
        let Some(answer) = &page.answer else {
            return Ok(());
        };
        // Earlier turns are not shown.
        let question = &answer.question;
        write_text(f, &answer.id)?;
        write_text(f, &question.question)?;
        write_text(f, question.model.as_deref().unwrap_or_default())?;
        write_text(f, question.continues.as_deref().unwrap_or_default())?;
        write_text(f, &answer.text)?;
        let finish = answer.finish.as_ref();
        write_text(f, finish.map_or("", |finish| &finish.code))?;
        write_text(f, finish.map_or("", |finish| &finish.detail))?;
        let wait = finish.and_then(|finish| finish.retry_after);
        write_text(f, &wait.map_or_else(String::new, |wait| wait.to_string()))?;
        write_text(f, &answer.last_event_id)
    }
}

impl FromStr for AnswersPageText {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(read_answers(&mut Reader { rest: text })))
    }
}

impl FromStr for QuotesPageText {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(read_quotes(&mut Reader { rest: text })))
    }
}

impl FromStr for ComparePageText {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(read_comparison(&mut Reader { rest: text })))
    }
}

impl FromStr for PageText {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(read_page(&mut Reader { rest: text })))
    }
}

/// What stands before a character that stands for another: [`LESS_THAN`] or [`ITSELF`].
const ESCAPE: char = '\u{1}';

/// Stands for `<`, which Leptos would write as `\u003c` and not read as `<` again.
const LESS_THAN: char = '0';

/// Stands for [`ESCAPE`].
const ITSELF: char = '1';

fn write_text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let mut written = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => written.extend([ESCAPE, LESS_THAN]),
            ESCAPE => written.extend([ESCAPE, ITSELF]),
            // HTML has no NUL, so a browser shows this in its place; and the script that carries the text
            // would read NUL and a digit as one character.
            '\0' => written.push('\u{fffd}'),
            _ => written.push(c),
        }
    }
    write!(f, "{}:{written}", written.len())
}

fn read_text(written: &str) -> String {
    let mut pieces = written.split(ESCAPE);
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let mut rest = piece.chars();
        text.push(match rest.next() {
            Some(LESS_THAN) => '<',
            _ => ESCAPE,
        });
        text.push_str(rest.as_str());
    }
    text
}

fn write_number(f: &mut fmt::Formatter<'_>, number: impl Display) -> fmt::Result {
    write_text(f, &number.to_string())
}

/// Times and prices one after the other, each less the one before it: most are short then.
fn write_prices(f: &mut fmt::Formatter<'_>, prices: &[(u64, i64)]) -> fmt::Result {
    let mut text = String::new();
    let (mut at_before, mut price_before) = (0, 0);
    for (at, price) in prices {
        // In the order of their times.
        text.push_str(&format!(
            "{} {} ",
            at.saturating_sub(at_before),
            price - price_before
        ));
        (at_before, price_before) = (*at, *price);
    }
    write_text(f, text.trim_end())
}

fn write_refusal(f: &mut fmt::Formatter<'_>, refusal: Option<&Refusal>) -> fmt::Result {
    // No answer has status 0.
    write_number(f, refusal.map_or(0, |refusal| refusal.status))?;
    write_text(f, refusal.map_or("", |refusal| &refusal.code))?;
    write_text(f, refusal.map_or("", |refusal| &refusal.detail))
}

fn read_answers(reader: &mut Reader<'_>) -> Option<AnswersPageData> {
    let locale = reader.locale()?;
    let site = SiteTexts::from_lines(reader.lasting_text()?);
    let live = LiveTexts::from_lines(reader.lasting_text()?);
    let answers = AnswersTexts::from_lines(reader.lasting_text()?);
    let problems = ProblemSentences::from_lines(reader.lasting_text()?);
    let mut page = AnswersPage {
        origin: reader.text()?,
        model: reader.some_text()?,
        refusal: reader.refusal()?,
        answer: None,
    };
    if !reader.rest.is_empty() {
        page.answer = Some(PageAnswer {
            id: reader.text()?,
            question: Question {
                question: reader.text()?,
                model: reader.some_text()?,
                continues: reader.some_text()?,
                ..Question::default()
            },
            text: reader.text()?,
            finish: reader.finish()?,
            last_event_id: reader.text()?,
        });
    }
    // A browser reads one page, whose texts live as long as the page does.
    let texts = Box::leak(Box::new(Texts {
        live,
        answers,
        ..texts_of_page(locale, site, problems)
    }));
    Some(AnswersPageData { page, texts })
}

fn read_quotes(reader: &mut Reader<'_>) -> Option<QuotesPageData> {
    let locale = reader.locale()?;
    let site = SiteTexts::from_lines(reader.lasting_text()?);
    let live = LiveTexts::from_lines(reader.lasting_text()?);
    let quotes = QuotesTexts::from_lines(reader.lasting_text()?);
    let problems = ProblemSentences::from_lines(reader.lasting_text()?);
    let origin = reader.text()?;
    let is_simulated = reader.number::<usize>()? != 0;
    let last_event_id = reader.text()?;
    let charted = reader.text()?;
    let symbols = reader.text()?.split(' ').map(str::to_owned).collect();
    let chart = reader.prices()?;
    let mut rows = Vec::new();
    while !reader.rest.is_empty() {
        rows.push(SymbolPage {
            symbol: reader.text()?,
            change: reader.number()?,
            history: reader.prices()?,
        });
    }
    let page = QuotesPage {
        origin,
        is_simulated,
        last_event_id,
        symbols,
        rows,
        charted,
        chart,
    };
    // A browser reads one page, whose texts live as long as the page does.
    let texts = Box::leak(Box::new(Texts {
        live,
        quotes,
        ..texts_of_page(locale, site, problems)
    }));
    Some(QuotesPageData { page, texts })
}

fn read_comparison(reader: &mut Reader<'_>) -> Option<ComparePageData> {
    let locale = reader.locale()?;
    let site = SiteTexts::from_lines(reader.lasting_text()?);
    let compare = CompareTexts::from_lines(reader.lasting_text()?);
    let problems = ProblemSentences::from_lines(reader.lasting_text()?);
    let page = ComparePage {
        origin: reader.text()?,
        id: reader.text()?,
    };
    // A browser reads one page, whose texts live as long as the page does.
    let texts = Box::leak(Box::new(Texts {
        compare,
        ..texts_of_page(locale, site, problems)
    }));
    Some(ComparePageData { page, texts })
}

/// What every page has, without what only some have.
fn texts_of_page(locale: Locale, site: SiteTexts, problems: ProblemSentences) -> Texts {
    Texts {
        locale,
        site,
        problems,
        live: LiveTexts::from_lines(""),
        clock: ClockTexts::from_lines(""),
        topic: TopicTexts::from_lines(""),
        compare: CompareTexts::from_lines(""),
        compare_document: CompareDocumentTexts::from_lines(""),
        quotes: QuotesTexts::from_lines(""),
        quotes_document: QuotesDocumentTexts::from_lines(""),
        answers: AnswersTexts::from_lines(""),
        answers_document: AnswersDocumentTexts::from_lines(""),
    }
}

fn read_page(reader: &mut Reader<'_>) -> Option<LivePageData> {
    let locale = reader.locale()?;
    let is_clock = reader.number::<usize>()? != 0;
    let site = SiteTexts::from_lines(reader.lasting_text()?);
    let live = LiveTexts::from_lines(reader.lasting_text()?);
    let problems = ProblemSentences::from_lines(reader.lasting_text()?);
    let of_kind = reader.lasting_text()?;
    let (of_clock, of_topic) = if is_clock {
        (of_kind, "")
    } else {
        ("", of_kind)
    };
    let texts = Texts {
        live,
        clock: ClockTexts::from_lines(of_clock),
        topic: TopicTexts::from_lines(of_topic),
        ..texts_of_page(locale, site, problems)
    };
    let origin = reader.text()?;
    let topic = reader.text()?;
    let stream_path = reader.text()?;
    let filter = reader.text()?;
    let code = reader.text()?;
    let detail = reader.text()?;
    let last_event_id = EventId::new(reader.text()?).ok()?;
    // An empty text is no id.
    let before = EventId::new(reader.text()?).ok();
    let has_ended = reader.number::<usize>()? != 0;
    let consumers = reader.number()?;
    let older = reader.number()?;
    let status = reader.number()?;
    let refusal = (status != 0).then_some(Refusal {
        status,
        code,
        detail,
    });
    let rendered_at = reader.text()?;
    let mut events = Vec::new();
    while !reader.rest.is_empty() {
        events.push(PageEvent {
            event: Event {
                id: EventId::new(reader.text()?).ok()?,
                event_type: EventType::new(reader.text()?).ok()?,
                data: reader.text()?,
            },
            whole_bytes: Some(reader.number()?).filter(|bytes| *bytes > 0),
            published_at: reader.text()?,
        });
    }
    let page = TopicPage {
        origin,
        topic,
        stream_path,
        events,
        before,
        older,
        last_event_id,
        consumers,
        has_ended,
        filter,
        refusal,
        rendered_at,
    };
    let data = if is_clock {
        PageData::Clock(page)
    } else {
        PageData::Topic(page)
    };
    // A browser reads one page, whose texts live as long as the page does.
    let texts = Box::leak(Box::new(texts));
    Some(LivePageData { data, texts })
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn text(&mut self) -> Option<String> {
        let (length, rest) = self.rest.split_once(':')?;
        let (text, rest) = rest.split_at_checked(length.parse().ok()?)?;
        self.rest = rest;
        Some(read_text(text))
    }

    /// A text, unless it is empty.
    fn some_text(&mut self) -> Option<Option<String>> {
        Some(Some(self.text()?).filter(|text| !text.is_empty()))
    }

    fn refusal(&mut self) -> Option<Option<Refusal>> {
        let refusal = Refusal {
            status: self.number()?,
            code: self.text()?,
            detail: self.text()?,
        };
        Some(Some(refusal).filter(|refusal| refusal.status != 0))
    }

    fn finish(&mut self) -> Option<Option<Finish>> {
        let finish = Finish {
            code: self.text()?,
            detail: self.text()?,
            retry_after: self.text()?.parse().ok(),
        };
        Some(Some(finish).filter(|finish| !finish.code.is_empty()))
    }

    /// A text that lives as long as the program.
    fn lasting_text(&mut self) -> Option<&'static str> {
        Some(self.text()?.leak())
    }

    fn locale(&mut self) -> Option<Locale> {
        Some(match self.number::<usize>()? {
            0 => Locale::English,
            _ => Locale::Chinese,
        })
    }

    /// What [`write_prices`] has written.
    fn prices(&mut self) -> Option<Vec<(u64, i64)>> {
        let text = self.text()?;
        let mut words = text.split_ascii_whitespace();
        let mut prices = Vec::new();
        let (mut at, mut price) = (0_u64, 0_i64);
        while let Some(word) = words.next() {
            at = at.checked_add(word.parse().ok()?)?;
            price = price.checked_add(words.next()?.parse().ok()?)?;
            prices.push((at, price));
        }
        Some(prices)
    }

    fn number<N: FromStr>(&mut self) -> Option<N> {
        self.text()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: &str, data: &str) -> Option<PageEvent> {
        Some(PageEvent {
            event: Event {
                id: EventId::new(id).ok()?,
                event_type: EventType::default(),
                data: data.to_owned(),
            },
            whole_bytes: (id == "#a-3").then_some(1_000_000),
            published_at: "2026-11-26T16:12:37.123Z".to_owned(),
        })
    }

    fn page(data: &str) -> Option<LivePageData> {
        let page = TopicPage {
            origin: "http://127.0.0.1:8080".to_owned(),
            topic: "kitchen".to_owned(),
            stream_path: "/topics/kitchen".to_owned(),
            events: vec![
                event("#a-1", "hello")?,
                event("#a-2", data)?,
                event("#a-3", "")?,
            ],
            before: (data.is_empty())
                .then(|| EventId::new("#a-0"))
                .transpose()
                .ok()?,
            older: 21,
            last_event_id: EventId::new("#a-3").ok()?,
            consumers: 3,
            has_ended: true,
            filter: "type:news \"x".to_owned(),
            refusal: data.is_empty().then(|| Refusal {
                status: 403,
                code: "forbidden".to_owned(),
                detail: "not you".to_owned(),
            }),
            rendered_at: "2026-11-26T16:12:38.456Z".to_owned(),
        };
        let is_clock = data.starts_with('a');
        let locale = if data.is_empty() {
            Locale::English
        } else {
            Locale::Chinese
        };
        // A page has the texts of its own kind.
        let mut texts = *Texts::of(locale);
        texts.compare = CompareTexts::from_lines("");
        texts.compare_document = CompareDocumentTexts::from_lines("");
        texts.quotes = QuotesTexts::from_lines("");
        texts.quotes_document = QuotesDocumentTexts::from_lines("");
        texts.answers = AnswersTexts::from_lines("");
        texts.answers_document = AnswersDocumentTexts::from_lines("");
        if is_clock {
            texts.topic = TopicTexts::from_lines("");
        } else {
            texts.clock = ClockTexts::from_lines("");
        }
        Some(LivePageData {
            data: if is_clock {
                PageData::Clock(page)
            } else {
                PageData::Topic(page)
            },
            texts: Box::leak(Box::new(texts)),
        })
    }

    #[test]
    fn the_page_that_compares_comes_back() {
        for locale in Locale::ALL {
            let all = Texts::of(locale);
            let page = ComparePage {
                origin: "http://127.0.0.1:8080".to_owned(),
                id: "0123".to_owned(),
            };
            let texts = Texts {
                compare: all.compare,
                ..texts_of_page(locale, all.site, all.problems)
            };
            let texts = Box::leak(Box::new(texts));
            let data = ComparePageText(Some(ComparePageData { page, texts }));
            assert_eq!(data.to_string().parse(), Ok(data));
        }
        assert_eq!("".parse(), Ok(ComparePageText(None)));
    }

    #[test]
    fn the_page_of_quotes_comes_back() {
        for locale in Locale::ALL {
            let all = Texts::of(locale);
            let prices = vec![(1_795_751_040, 2_275_000), (1_795_751_055, 2_274_900)];
            let row = |symbol: &str, history| SymbolPage {
                symbol: symbol.to_owned(),
                change: -12_500,
                history,
            };
            let page = QuotesPage {
                origin: "http://127.0.0.1:8080".to_owned(),
                is_simulated: locale == Locale::English,
                last_event_id: "#a-3".to_owned(),
                symbols: vec!["AAPL".to_owned(), "BRK.B".to_owned()],
                rows: vec![row("AAPL", prices.clone()), row("BRK.B", Vec::new())],
                charted: "AAPL".to_owned(),
                chart: prices,
            };
            let texts = Texts {
                live: all.live,
                quotes: all.quotes,
                ..texts_of_page(locale, all.site, all.problems)
            };
            let texts = Box::leak(Box::new(texts));
            let data = QuotesPageText(Some(QuotesPageData { page, texts }));
            assert_eq!(data.to_string().parse(), Ok(data));
        }
        assert_eq!("".parse(), Ok(QuotesPageText(None)));
    }

    #[test]
    fn the_page_of_answers_comes_back() {
        let answer = PageAnswer {
            id: "0123456789abcdefghijkl".to_owned(),
            question: Question {
                question: "why <b>?".to_owned(),
                model: Some("m".to_owned()),
                continues: Some("abc".to_owned()),
                ..Question::default()
            },
            text: "# Because\n<script>".to_owned(),
            finish: Some(Finish {
                code: "upstream-busy".to_owned(),
                detail: "later".to_owned(),
                retry_after: Some(20),
            }),
            last_event_id: "#a-3".to_owned(),
        };
        let running = PageAnswer {
            question: Question::default(),
            finish: None,
            ..answer.clone()
        };
        let refusal = Refusal {
            status: 403,
            code: "forbidden".to_owned(),
            detail: "not you".to_owned(),
        };
        for locale in Locale::ALL {
            for answer in [None, Some(answer.clone()), Some(running.clone())] {
                let all = Texts::of(locale);
                let page = AnswersPage {
                    origin: "http://127.0.0.1:8080".to_owned(),
                    model: answer.as_ref().map(|_| "m".to_owned()),
                    refusal: answer.is_none().then(|| refusal.clone()),
                    answer,
                };
                let texts = Texts {
                    live: all.live,
                    answers: all.answers,
                    ..texts_of_page(locale, all.site, all.problems)
                };
                let texts = Box::leak(Box::new(texts));
                let data = AnswersPageText(Some(AnswersPageData { page, texts }));
                assert_eq!(data.to_string().parse(), Ok(data));
            }
        }
        assert_eq!("".parse(), Ok(AnswersPageText(None)));
    }

    #[test]
    fn a_page_comes_back_whatever_its_events_say() {
        for data in [
            "",
            "1:2",
            "a\nb",
            "</script><!--",
            "\u{1}0<\u{1}\u{1}1<<",
            "乘风破浪会有时",
            "\u{1f}\"\\",
        ] {
            let page = PageText(page(data));
            assert!(page.0.is_some());
            let text = page.to_string();
            assert!(
                !text.contains('<'),
                "Leptos would not give it back: {text:?}"
            );
            assert_eq!(text.parse(), Ok(page));
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
        let data = |PageText(page): PageText| match page?.data {
            PageData::Clock(page) | PageData::Topic(page) => {
                Some(page.events[1].event.data.clone())
            }
        };
        assert_eq!(text.parse().map(data), Ok(Some("a\u{fffd}1".to_owned())));
    }
}
