//! Answers without a model: passages of Fairwind's own documentation, found by their words (BM25), with links to the headings below
//! which they stand. English questions are answered from `README.md` and `docs/*.md`, Chinese ones from `README.zh-CN.md`. The
//! documentation is in the binary; nothing is asked of any other server.

use std::collections::VecDeque;
use std::sync::LazyLock;
use std::time::Duration;

use bm25::{SearchEngine, SearchEngineBuilder, Tokenizer};
use rust_embed::RustEmbed;
use rust_stemmers::{Algorithm, Stemmer};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// The time between two words.
const PACE: Duration = Duration::from_millis(30);

/// How many sections an answer shows, and how many passages of each.
const SECTIONS: usize = 3;
const PASSAGES: usize = 2;

/// A section that is found much worse than the first is left out.
const LEAST_SCORE: f32 = 0.45;

#[derive(RustEmbed)]
#[folder = "docs"]
#[include = "*.md"]
struct Docs;

const README: &str = include_str!("../../../README.md");
const README_IN_CHINESE: &str = include_str!("../../../README.zh-CN.md");

/// Where the documents are, for links.
const PATH: &str = "/docs/";

/// The documentation, ready to be searched. The first question in a language prepares its documents: a server that is asked none
/// spends nothing on them.
static ENGLISH: LazyLock<Corpus> = LazyLock::new(|| {
    let mut names: Vec<String> = Docs::iter().map(String::from).collect();
    names.sort();
    names.push("README.md".to_owned());
    let passages = names.iter().filter_map(|name| {
        let text = document(name)?;
        Some(passages(name, &text))
    });
    Corpus::new(passages.flatten().collect())
});
static CHINESE: LazyLock<Corpus> = LazyLock::new(|| Corpus::new(passages_in_chinese()));

struct Corpus {
    passages: Vec<Passage>,
    engine: SearchEngine<usize, u32, Wording>,
}

/// A part of a document: a paragraph, a list, a row of a table, or a block of code with the paragraph before it.
struct Passage {
    /// The section's headings.
    title: String,
    /// Where it is.
    link: String,
    text: String,
}

/// The documents by name, such as `topics.md`.
pub fn document(name: &str) -> Option<String> {
    match name {
        "README.md" => Some(README.to_owned()),
        "README.zh-CN.md" => Some(README_IN_CHINESE.to_owned()),
        name => {
            let file = Docs::get(name)?;
            Some(String::from_utf8_lossy(&file.data).into_owned())
        }
    }
}

/// An answer in Markdown.
pub(super) fn answer(question: &str) -> String {
    let is_chinese = question.chars().any(is_ideograph);
    let (corpus, found, nothing) = if is_chinese {
        (
            &*CHINESE,
            "*以下内容摘自 Fairwind 的文档，没有使用任何模型。*\n\n",
            "*文档中没有找到相关的内容（没有使用任何模型）。*\n\n请用别的词再问一次，例如：历史记录、令牌、重启后的数据。文档的入口是 [README](/docs/README.zh-CN.md)。\n",
        )
    } else {
        (
            &*ENGLISH,
            "*Found in Fairwind’s documentation. No model has written this.*\n\n",
            "*Nothing in Fairwind’s documentation matches (no model was asked).*\n\nAsk in other words, for example about gaps, tokens, retention or what survives a restart. The documentation begins at [README](/docs/README.md).\n",
        )
    };
    let sections = corpus.search(question);
    if sections.is_empty() {
        return nothing.to_owned();
    }
    let mut answer = found.to_owned();
    for passages in sections {
        if let Some(first) = passages.first() {
            answer.push_str(&format!("### [{}]({})\n\n", first.title, first.link));
        }
        for passage in passages {
            answer.push_str(&passage.text);
            answer.push_str("\n\n");
        }
    }
    answer
}

fn passages_in_chinese() -> Vec<Passage> {
    passages("README.zh-CN.md", README_IN_CHINESE)
}

impl Corpus {
    fn new(passages: Vec<Passage>) -> Self {
        // A heading says what all below it is about.
        let texts = passages.iter().enumerate().map(|(index, passage)| {
            let contents = format!("{} {} {}", passage.title, passage.title, passage.text);
            bm25::Document::new(index, contents)
        });
        let texts: Vec<_> = texts.collect();
        let words = Wording(Stemmer::create(Algorithm::English));
        let engine = SearchEngineBuilder::with_tokenizer_and_documents(words, texts).build();
        Self { passages, engine }
    }

    /// The passages that a question finds, by section, the best first.
    fn search(&self, question: &str) -> Vec<Vec<&Passage>> {
        let found = self.engine.search(question, 24);
        let least = found.first().map_or(0.0, |best| best.score * LEAST_SCORE);
        let mut sections: Vec<Vec<usize>> = Vec::new();
        for result in found.iter().filter(|result| result.score >= least) {
            let index = result.document.id;
            let link = |index: usize| self.passages.get(index).map(|passage| &passage.link);
            let is_same = |section: &Vec<usize>| {
                section.first().map(|first| link(*first)) == Some(link(index))
            };
            match sections.iter().position(is_same) {
                Some(section) => {
                    if let Some(section) = sections.get_mut(section)
                        && section.len() < PASSAGES
                    {
                        section.push(index);
                    }
                }
                None if sections.len() < SECTIONS => sections.push(vec![index]),
                None => {}
            }
        }
        let sections = sections.into_iter().map(|mut section| {
            // As they stand in the document.
            section.sort_unstable();
            let passages = section.into_iter();
            passages
                .filter_map(|index| self.passages.get(index))
                .collect()
        });
        sections.collect()
    }
}

/// Words as they are compared: in lower case, without endings, without the commonest; ideographs by twos.
struct Wording(Stemmer);

/// Words that say nothing of what a text is about.
const COMMON: [&str; 52] = [
    "a", "an", "and", "are", "as", "at", "be", "by", "can", "do", "does", "for", "from", "get",
    "has", "have", "how", "i", "if", "in", "is", "it", "its", "me", "my", "no", "not", "of", "on",
    "or", "so", "that", "the", "then", "there", "they", "this", "to", "was", "we", "what", "when",
    "where", "which", "who", "why", "will", "with", "would", "you", "your", "about",
];

impl Tokenizer for Wording {
    fn tokenize(&self, text: &str) -> Vec<String> {
        let text = text.to_lowercase();
        let mut words = Vec::new();
        for word in text.split(|c: char| !c.is_alphanumeric()) {
            let mut rest = word;
            while let Some(first) = rest.chars().next() {
                let is_same = |c: char| is_ideograph(c) == is_ideograph(first);
                let end = rest.find(|c: char| !is_same(c)).unwrap_or(rest.len());
                let (run, others) = rest.split_at(end);
                rest = others;
                if is_ideograph(first) {
                    let characters: Vec<char> = run.chars().collect();
                    words.extend(characters.windows(2).map(String::from_iter));
                } else if !COMMON.contains(&run) {
                    words.push(self.0.stem(run).into_owned());
                }
            }
        }
        words
    }
}

fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3134f}')
}

/// The passages of a document.
fn passages(name: &str, text: &str) -> Vec<Passage> {
    let mut found = Vec::new();
    let mut headings: Vec<String> = Vec::new();
    let mut slug = String::new();
    let mut block = String::new();
    let mut table_head: Vec<String> = Vec::new();
    let mut is_code = false;
    let finish = |block: &mut String, headings: &[String], slug: &str, found: &mut Vec<Passage>| {
        let text = std::mem::take(block);
        if text.trim().is_empty() || text.trim_start().starts_with('<') {
            return;
        }
        let hash = if slug.is_empty() { "" } else { "#" };
        found.push(Passage {
            title: headings.join(" › "),
            link: format!("{PATH}{name}{hash}{slug}"),
            text: with_absolute_links(name, text.trim_end()),
        });
    };
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if is_code {
            // It stands as it is.
        } else if let Some((marks, heading)) = line.split_once(' ')
            && !marks.is_empty()
            && marks.bytes().all(|byte| byte == b'#')
        {
            finish(&mut block, &headings, &slug, &mut found);
            headings.truncate(marks.len() - 1);
            headings.push(heading.replace(['`', '*'], ""));
            slug = slug_of(heading);
            continue;
        } else if line.starts_with('|') {
            if table_head.is_empty() {
                finish(&mut block, &headings, &slug, &mut found);
                table_head.push(line.to_owned());
            } else if table_head.len() == 1 {
                table_head.push(line.to_owned());
            } else {
                block = format!("{}\n{line}", table_head.join("\n"));
                finish(&mut block, &headings, &slug, &mut found);
            }
            continue;
        } else if line.trim().is_empty() {
            table_head.clear();
            // Code belongs to the paragraph before it.
            if !lines.peek().is_some_and(|next| next.starts_with("```")) {
                finish(&mut block, &headings, &slug, &mut found);
                continue;
            }
        }
        block.push_str(line);
        block.push('\n');
    }
    finish(&mut block, &headings, &slug, &mut found);
    found
}

/// A heading's name in a URL, as GitHub writes it.
pub(super) fn slug_of(heading: &str) -> String {
    let kept = heading.trim().chars().filter_map(|c| match c {
        ' ' => Some('-'),
        '-' | '_' => Some(c),
        c => c.is_alphanumeric().then_some(c),
    });
    kept.flat_map(char::to_lowercase).collect()
}

/// The links of a document, as they have to be elsewhere: those to other documents by their path, and of those to other files the
/// words alone.
fn with_absolute_links(name: &str, text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("](") {
        let (before, link) = rest.split_at(at + 2);
        written.push_str(before);
        let Some(end) = link.find(')') else {
            rest = link;
            break;
        };
        let (target, after) = link.split_at(end);
        rest = after;
        let (file, hash) = target.split_once('#').unwrap_or((target, ""));
        let hash = if hash.is_empty() {
            String::new()
        } else {
            format!("#{hash}")
        };
        let file_name = file.rsplit('/').next().unwrap_or(file);
        if target.starts_with("http") {
            written.push_str(target);
        } else if file.is_empty() {
            written.push_str(&format!("{PATH}{name}{hash}"));
        } else if document(file_name).is_some() {
            written.push_str(&format!("{PATH}{file_name}{hash}"));
        } else {
            written.push_str(PATH);
            written.push_str("README.md");
        }
    }
    written.push_str(rest);
    written
}

/// A text word by word, at a pace at which it can be read.
pub(super) struct Words {
    words: VecDeque<String>,
    ticks: Interval,
}

impl Words {
    pub(super) fn new(text: String) -> Self {
        let mut words = VecDeque::new();
        let mut word = String::new();
        for c in text.chars() {
            word.push(c);
            let count = word.chars().filter(|c| is_ideograph(*c)).count();
            if c.is_whitespace() || count == 3 {
                words.push_back(std::mem::take(&mut word));
            }
        }
        words.push_back(word);
        let mut ticks = interval(PACE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { words, ticks }
    }

    /// The next word.
    pub(super) async fn next(&mut self) -> Option<String> {
        self.ticks.tick().await;
        self.words.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_finds_the_section_that_answers_it() {
        for (question, link) in [
            (
                "What survives a restart or a power cut?",
                "/docs/durability.md",
            ),
            ("How does a token look?", "/docs/access.md"),
            (
                "Can I publish an event later, at a time?",
                "/docs/topics.md#publishing-later",
            ),
            ("behind nginx as a reverse proxy", "/docs/deploy.md"),
            ("如何在断电之后保留历史记录？", "/docs/README.zh-CN.md"),
        ] {
            let answer = answer(question);
            assert!(answer.contains(link), "{question}: {answer}");
            assert!(answer.contains("No model") || answer.contains("没有使用任何模型"));
        }
        let nothing = answer("xyzzy");
        assert!(nothing.contains("Nothing in Fairwind’s documentation"));
    }

    #[test]
    fn every_link_of_a_passage_leads_to_a_heading_of_a_document() {
        let all = ENGLISH.passages.iter().chain(&CHINESE.passages);
        for Passage { link, text, .. } in all {
            for link in text
                .split("](")
                .skip(1)
                .filter_map(|rest| rest.split(')').next())
                .chain([link.as_str()])
                .filter(|link| link.starts_with(PATH))
            {
                let (name, slug) = link[PATH.len()..]
                    .split_once('#')
                    .unwrap_or((&link[PATH.len()..], ""));
                let document = document(name).expect(link);
                let is_heading = |line: &str| {
                    line.starts_with('#')
                        && line
                            .split_once(' ')
                            .is_some_and(|(_, heading)| slug_of(heading) == slug)
                };
                assert!(
                    slug.is_empty() || document.lines().any(is_heading),
                    "{link}"
                );
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn words_come_one_by_one_and_are_the_whole_text() {
        for text in ["one two\n\nthree", "没有使用任何模型", ""] {
            let mut words = Words::new(text.to_owned());
            let mut all = String::new();
            while let Some(word) = words.next().await {
                all.push_str(&word);
            }
            assert_eq!(all, text);
        }
    }
}
