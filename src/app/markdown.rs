//! Markdown that a model has written, as HTML that is safe in a page, and while it grows. Server and browser render the same.
//!
//! ```text
//! let mut document = Document::default();
//! document.append("# Tea\n\nis *rea");
//! let first = document.render();              // the first block that has changed
//! for block in document.blocks().skip(first)  // HTML: <h3>Tea</h3>, <p>is *rea</p>
//! ```
//!
//! The HTML has elements and attributes of this module alone: what the text has of HTML is shown as text, links lead to the web, to mail
//! and to the server's documentation, and images are links. Each block at the top level is rendered by itself. One that no further
//! text can change is kept, unless it refers to a link that is defined elsewhere; only the text behind it is read again. What a text can
//! cost is bounded: blocks, depth, definitions, and the HTML of a block for its length.
//!
//! Leaves the rules of Markdown to pulldown-cmark, and the document of the browser to the page.

#[cfg(any(test, fuzzing))]
pub mod testing;

use pulldown_cmark::{
    Alignment, BrokenLink, CowStr, Event, HeadingLevel, LinkType, Options, Parser, Tag, TagEnd,
};

use crate::protocol::answers::DOCS_PATH;

/// The most blocks. The rest of a longer text is one block of plain text.
const MAX_BLOCKS: usize = 2_000;

/// The most elements that stand in each other. Deeper ones are left out, and what they hold is not.
const MAX_DEPTH: usize = 24;

/// The most definitions of links.
const MAX_DEFINITIONS: usize = 500;

/// The most HTML of a block: so many bytes for each of its text, and some. A block with more is shown as plain text.
pub const HTML_PER_BYTE: usize = 16;
const MORE_HTML: usize = 1_024;

/// What every link has: the page that it leads to learns nothing, and no search engine counts it.
const LINK: &str = " rel=\"noopener noreferrer nofollow\">";

/// A text that grows.
#[derive(Debug, Default)]
pub struct Document {
    text: String,
    /// The last piece has ended with a carriage return: a line feed at the beginning of the next belongs to it.
    has_return_at_end: bool,
    blocks: Vec<Block>,
    /// How many blocks no further text changes.
    settled: usize,
    /// Where the text behind them begins.
    settled_at: usize,
    /// How far the lines were whole when that was looked at last.
    looked_at: usize,
    /// The definitions of links in the settled text, by their normalized labels.
    settled_definitions: Definitions,
    /// All of them.
    definitions: Definitions,
}

/// Labels in their order, and the URLs that they stand for.
type Definitions = Vec<(String, String)>;

/// What finds the URL of a link that its own text does not define; one type, so that the WebAssembly has the parser once.
type Resolve<'a, 'b> = &'b mut dyn FnMut(BrokenLink<'a>) -> Option<(CowStr<'a>, CowStr<'a>)>;

/// A block at the top level.
#[derive(Debug)]
struct Block {
    start: usize,
    end: usize,
    html: String,
    /// Whether it refers to something that it does not define.
    refers: bool,
}

/// Where the blocks of a text begin, and the links that it defines.
#[derive(Default)]
struct Outline {
    starts: Vec<usize>,
    definitions: Vec<(usize, String, String)>,
}

impl Document {
    /// The whole text, rendered.
    pub fn whole(text: &str) -> Self {
        let mut document = Self::default();
        document.append(text);
        document.render();
        document
    }

    /// Adds to the end of the text, in which every line then ends with a line feed, whichever of the three ends of Markdown it has
    /// had. Nothing is rendered.
    pub fn append(&mut self, more: &str) {
        if more.is_empty() {
            return;
        }
        let is_second_half = std::mem::replace(&mut self.has_return_at_end, more.ends_with('\r'));
        let mut lines = more.split('\r');
        let first = lines.next().unwrap_or_default();
        let rest_of_end = first.strip_prefix('\n').filter(|_| is_second_half);
        self.text.push_str(rest_of_end.unwrap_or(first));
        for line in lines {
            self.text.push('\n');
            self.text.push_str(line.strip_prefix('\n').unwrap_or(line));
        }
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The HTML of each block.
    pub fn blocks(&self) -> impl Iterator<Item = &str> {
        self.blocks.iter().map(|block| block.html.as_str())
    }

    /// Renders what has been added. Returns the number of the first block that may have changed; blocks behind the last are gone.
    pub fn render(&mut self) -> usize {
        let mut first = self.settled;
        self.blocks.truncate(self.settled);
        self.settle();
        let tail = self.text.get(self.settled_at..).unwrap_or_default();
        let outline = outline(tail);
        let before = self.definitions.clone();
        self.definitions.clone_from(&self.settled_definitions);
        for (_, label, url) in outline.definitions {
            define(&mut self.definitions, label, url);
        }
        if self.definitions != before {
            for number in 0..self.settled {
                if self.blocks[number].refers {
                    let (start, end) = (self.blocks[number].start, self.blocks[number].end);
                    self.blocks[number] = self.block(start, end);
                    first = first.min(number);
                }
            }
        }
        if self.settled >= MAX_BLOCKS {
            let (start, end) = (self.settled_at, self.text.len());
            self.blocks.push(plain_block(&self.text, start, end));
            return first;
        }
        self.push_blocks(&outline.starts, self.text.len());
        first
    }

    /// Settles the blocks that no further text changes: of whole lines, all but the last. A line that is not whole may yet become
    /// part of the block before it.
    fn settle(&mut self) {
        let whole = self.text.rfind('\n').map_or(0, |newline| newline + 1);
        if whole <= self.looked_at || self.settled >= MAX_BLOCKS {
            return;
        }
        self.looked_at = whole;
        let mut outline = outline(self.text.get(self.settled_at..whole).unwrap_or_default());
        outline.starts.truncate(MAX_BLOCKS - self.settled + 1);
        let Some(last) = outline.starts.pop().filter(|_| !outline.starts.is_empty()) else {
            return;
        };
        for (at, label, url) in outline.definitions {
            if at < last {
                define(&mut self.settled_definitions, label, url);
            }
        }
        self.push_blocks(&outline.starts, self.settled_at + last);
        self.settled = self.blocks.len();
        self.settled_at += last;
    }

    /// Renders the blocks that begin at these places behind the settled text, and end before the next or at `end`.
    fn push_blocks(&mut self, starts: &[usize], end: usize) {
        for (number, start) in starts.iter().enumerate() {
            let next = starts.get(number + 1);
            let end = next.map_or(end, |next| self.settled_at + next);
            let block = self.block(self.settled_at + start, end);
            self.blocks.push(block);
        }
    }

    fn block(&self, start: usize, end: usize) -> Block {
        let text = self.text.get(start..end).unwrap_or_default();
        let mut refers = false;
        let mut resolve = |link: BrokenLink<'_>| {
            refers = true;
            let place = place_of(&self.definitions, &normalized(&link.reference)).ok()?;
            let (_, url) = self.definitions.get(place)?;
            Some((CowStr::from(url.clone()), CowStr::Borrowed("")))
        };
        let parser = parser(text, &mut resolve);
        let html = html_of(parser, text.len() * HTML_PER_BYTE + MORE_HTML);
        match html {
            Some(html) => Block {
                start,
                end,
                html,
                refers,
            },
            None => plain_block(&self.text, start, end),
        }
    }
}

fn parser<'a, 'b>(text: &'a str, resolve: Resolve<'a, 'b>) -> Parser<'a, Resolve<'a, 'b>> {
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    Parser::new_with_broken_link_callback(text, options, Some(resolve))
}

fn outline(text: &str) -> Outline {
    let mut nothing = |_: BrokenLink<'_>| None;
    let parser = parser(text, &mut nothing);
    let definitions = parser.reference_definitions().iter();
    let definitions = definitions.map(|(label, definition)| {
        let url = definition.dest.to_string();
        (definition.span.start, normalized(label), url)
    });
    let mut outline = Outline {
        starts: Vec::new(),
        definitions: definitions.collect(),
    };
    // Of two for one label the first counts.
    outline
        .definitions
        .sort_unstable_by_key(|(start, ..)| *start);
    let mut depth = 0_usize;
    // Where the line after the last block begins.
    let mut next_line = 0;
    for (event, range) in parser.into_offset_iter() {
        let is_block = depth == 0 && !matches!(event, Event::End(_));
        if is_block {
            // Its indentation is a part of it, and so are definitions before it: with them it may have been one paragraph.
            let before = text.get(..range.start).unwrap_or_default();
            let line = before.rfind('\n').map_or(0, |newline| newline + 1);
            let start = line.min(next_line);
            if outline.starts.last().is_none_or(|last| *last < start) {
                outline.starts.push(start);
            }
        }
        // The range of a list reaches over definitions behind it. Those of its items do not.
        if is_block || depth == 1 && matches!(event, Event::Start(Tag::Item)) {
            let (block, rest) = text.split_at_checked(range.end).unwrap_or((text, ""));
            next_line = range.end;
            if !block.ends_with('\n') {
                next_line += rest.find('\n').map_or(rest.len(), |newline| newline + 1);
            }
        }
        match event {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    outline
}

/// Labels are compared without regard to the case of ASCII letters and the width of spaces.
fn normalized(label: &str) -> String {
    let mut normalized = String::new();
    for word in label.split_ascii_whitespace() {
        if !normalized.is_empty() {
            normalized.push(' ');
        }
        normalized.push_str(word);
    }
    normalized.make_ascii_lowercase();
    normalized
}

/// Where a label stands, or where it belongs.
fn place_of(definitions: &Definitions, label: &str) -> Result<usize, usize> {
    definitions.binary_search_by(|(known, _)| known.as_str().cmp(label))
}

fn define(definitions: &mut Definitions, label: String, url: String) {
    if definitions.len() < MAX_DEFINITIONS
        && let Err(place) = place_of(definitions, &label)
    {
        definitions.insert(place, (label, url));
    }
}

fn plain_block(text: &str, start: usize, end: usize) -> Block {
    let mut html = "<p class=\"plain\">".to_owned();
    escape(&mut html, text.get(start..end).unwrap_or_default());
    html.push_str("</p>");
    Block {
        start,
        end,
        html,
        refers: false,
    }
}

/// Whether a link may lead there. Browsers leave out control characters wherever they stand in a URL: no link has any.
fn is_allowed(url: &str) -> bool {
    if url.contains(char::is_control) {
        return false;
    }
    let begins_with = |beginning: &str| {
        let start = url.as_bytes().get(..beginning.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(beginning.as_bytes()))
    };
    let document = url.strip_prefix(DOCS_PATH);
    ["http://", "https://", "mailto:"]
        .into_iter()
        .any(begins_with)
        || document.is_some_and(is_document)
}

/// Whether what follows the path of the documentation names a document, or a heading in one, and leads nowhere else.
fn is_document(name: &str) -> bool {
    let is_of_a_name = |c: char| c.is_alphanumeric() || "._-#".contains(c);
    name.strip_prefix('/')
        .is_some_and(|name| name.chars().all(is_of_a_name) && !name.contains(".."))
}

fn escape(html: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\0' => html.push('\u{fffd}'),
            _ => html.push(c),
        }
    }
}

/// What has been written of a block.
struct Writer {
    html: String,
    /// What closes the elements that are open, the innermost last.
    open: Vec<&'static str>,
    /// How many of these are links.
    links: usize,
    /// The alignments of the table that is open, and the number of the next cell in its row.
    alignments: Vec<Alignment>,
    cell: usize,
    is_head: bool,
    /// The address of the image that is open, and how long the HTML was before its text.
    image: Option<(String, usize)>,
}

/// The HTML; `None` if it would be longer than `limit`.
fn html_of<'a>(events: impl Iterator<Item = Event<'a>>, limit: usize) -> Option<String> {
    let mut writer = Writer {
        html: String::new(),
        open: Vec::new(),
        links: 0,
        alignments: Vec::new(),
        cell: 0,
        is_head: false,
        image: None,
    };
    for event in events {
        writer.write(event);
        if writer.html.len() > limit {
            return None;
        }
    }
    Some(writer.html)
}

impl Writer {
    fn write(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => {
                let close = self.start(tag);
                self.open.push(close);
            }
            Event::End(tag) => self.end(tag),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => {
                escape(&mut self.html, &text);
            }
            Event::Code(code) => {
                self.html.push_str("<code>");
                escape(&mut self.html, &code);
                self.html.push_str("</code>");
            }
            Event::SoftBreak => self.html.push('\n'),
            Event::HardBreak => self.html.push_str("<br>"),
            Event::Rule => self.html.push_str("<hr>"),
            Event::TaskListMarker(is_done) => {
                self.html.push_str(if is_done { "☑ " } else { "☐ " });
            }
            // Not among the options.
            Event::FootnoteReference(text) | Event::InlineMath(text) | Event::DisplayMath(text) => {
                escape(&mut self.html, &text)
            }
        }
    }

    /// Opens an element; returns what closes it.
    fn start(&mut self, tag: Tag<'_>) -> &'static str {
        // With what always stands in it.
        let inner = match tag {
            Tag::Table(_) => 3,
            Tag::List(_) => 1,
            _ => 0,
        };
        if self.open.len() + inner >= MAX_DEPTH {
            return "";
        }
        let (open, close) = match tag {
            Tag::Paragraph => ("<p>", "</p>"),
            // Those of the page itself are above them.
            Tag::Heading { level, .. } => match level {
                HeadingLevel::H1 => ("<h3>", "</h3>"),
                HeadingLevel::H2 => ("<h4>", "</h4>"),
                HeadingLevel::H3 => ("<h5>", "</h5>"),
                _ => ("<h6>", "</h6>"),
            },
            Tag::BlockQuote(_) => ("<blockquote>", "</blockquote>"),
            Tag::CodeBlock(_) => ("<pre tabindex=\"0\"><code>", "</code></pre>"),
            Tag::HtmlBlock => ("<p class=\"plain\">", "</p>"),
            Tag::List(None) => ("<ul>", "</ul>"),
            Tag::List(Some(1)) => ("<ol>", "</ol>"),
            Tag::List(Some(first)) => {
                self.html.push_str(&format!("<ol start=\"{first}\">"));
                ("", "</ol>")
            }
            Tag::Item => ("<li>", "</li>"),
            Tag::Table(alignments) => {
                self.alignments = alignments;
                (
                    "<div class=\"wide\" tabindex=\"0\"><table>",
                    "</tbody></table></div>",
                )
            }
            Tag::TableHead => {
                (self.cell, self.is_head) = (0, true);
                ("<thead><tr>", "</tr></thead><tbody>")
            }
            Tag::TableRow => {
                (self.cell, self.is_head) = (0, false);
                ("<tr>", "</tr>")
            }
            Tag::TableCell => {
                let alignment = self.alignments.get(self.cell);
                self.cell += 1;
                self.html.push_str(if self.is_head {
                    "<th scope=\"col\""
                } else {
                    "<td"
                });
                self.html.push_str(match alignment {
                    Some(Alignment::Right) => " class=\"right\">",
                    Some(Alignment::Center) => " class=\"center\">",
                    _ => ">",
                });
                ("", if self.is_head { "</th>" } else { "</td>" })
            }
            Tag::Emphasis => ("<em>", "</em>"),
            Tag::Strong => ("<strong>", "</strong>"),
            Tag::Strikethrough => ("<s>", "</s>"),
            Tag::Link {
                link_type,
                dest_url,
                ..
            } => {
                let url = match link_type {
                    LinkType::Email => format!("mailto:{dest_url}"),
                    _ => dest_url.into_string(),
                };
                return self.start_link(&url, "");
            }
            Tag::Image { dest_url, .. } => {
                let url = dest_url.into_string();
                let close = self.start_link(&url, " class=\"image\"");
                self.image = Some((url, self.html.len()));
                return close;
            }
            _ => ("", ""),
        };
        self.html.push_str(open);
        close
    }

    fn start_link(&mut self, url: &str, class: &str) -> &'static str {
        if self.links > 0 || !is_allowed(url) {
            return "";
        }
        self.links = 1;
        self.html.push_str("<a href=\"");
        escape(&mut self.html, url);
        self.html.push('"');
        self.html.push_str(class);
        self.html.push_str(LINK);
        "</a>"
    }

    fn end(&mut self, tag: TagEnd) {
        if tag == TagEnd::Image
            && let Some((url, before)) = self.image.take()
            && self.html.len() == before
        {
            // It has no text of its own.
            escape(&mut self.html, &url);
        }
        let close = self.open.pop().unwrap_or_default();
        if close == "</a>" {
            self.links = 0;
        }
        self.html.push_str(close);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::testing::{assert_safe, check, grown, whole};
    use super::*;

    fn html(text: &str) -> String {
        Document::whole(text).blocks().collect()
    }

    const SAMPLE: &str = "# Tea\n\nIs *ready*, **now**: see [the shop][1] or <https://a.example/?a=1&b=2>.\n\n\
        1. one\n2. two\n   - [x] done\n   - [ ] not\n\n   more\n\n```rust\nfn main() {}\n\n// end\n```\n\n\
        | a | b |\n|---|--:|\n| 1 | `x|y` |\n\n> quoted\nlazily\n\nHeading\n---\n\n~~old~~ ![a boat](http://b.example/b.png)\n\n\
        <div onclick=\"x\">\nraw\n</div>\n\n中文 **重点** 内容。\n\n- a\n\n-\n- b\n\n1. a\n\n2. b\n\n***\n\n[c]:[\n    |\n---\n\n[1]: https://shop.example \"title\"\n";

    #[test]
    fn markdown_becomes_html_with_its_headings_below_those_of_the_page() {
        assert_eq!(html("# A\n\n#### B"), "<h3>A</h3><h6>B</h6>");
        assert_eq!(
            html("a *b* **c** ~~d~~ `e<f>`  \ng\nh"),
            "<p>a <em>b</em> <strong>c</strong> <s>d</s> <code>e&lt;f&gt;</code><br>g\nh</p>"
        );
        assert_eq!(
            html("3. a\n4. b\n"),
            "<ol start=\"3\"><li>a</li><li>b</li></ol>"
        );
        assert_eq!(
            html("```js\nlet a = '<b>';\n```"),
            "<pre tabindex=\"0\"><code>let a = '&lt;b&gt;';\n</code></pre>"
        );
        assert_eq!(
            html("|a|b|\n|--|-:|\n|1|2|"),
            "<div class=\"wide\" tabindex=\"0\"><table><thead><tr><th scope=\"col\">a</th><th scope=\"col\" class=\"right\">b</th></tr></thead>\
             <tbody><tr><td>1</td><td class=\"right\">2</td></tr></tbody></table></div>"
        );
        assert_eq!(html("- [x] a\n"), "<ul><li>☑ a</li></ul>");
    }

    #[test]
    fn links_lead_to_the_web_to_mail_and_to_the_documentation_only() {
        let link = |url: &str| {
            format!("<p><a href=\"{url}\" rel=\"noopener noreferrer nofollow\">x</a></p>")
        };
        for url in [
            "https://a.example/?a&amp;b",
            "HTTP://a.example",
            "mailto:a@b.example",
            "/docs/topics.md#presence",
        ] {
            assert_eq!(html(&format!("[x]({url})")), link(url));
        }
        assert_eq!(
            html("<a@b.example>"),
            "<p><a href=\"mailto:a@b.example\" rel=\"noopener noreferrer nofollow\">a@b.example</a></p>"
        );
        for url in [
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "&#106;avascript:alert(1)",
            "java&Tab;script:alert(1)",
            "&#1;javascript:alert(1)",
            "data:text/html,x",
            "vbscript:x",
            "file:///etc/passwd",
            "//evil.example",
            "/language/zh-CN",
            "/docs/../language/zh",
            "/docs/%2e%2e/language/zh",
            "/docs/.&Tab;./language/zh-CN",
            "/docs/.&NewLine;./language/zh-CN",
            "/docs/a/b",
            "https://a.example/&Tab;b",
            "/docsx",
            "&#9;https://a.example",
            "blob:https://a.example/1",
            "#answer",
        ] {
            assert_eq!(html(&format!("[x]({url})")), "<p>x</p>", "{url}");
        }
    }

    #[test]
    fn html_of_the_text_is_shown_as_text() {
        for attack in [
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "a <b onmouseover=\"alert(1)\">b</b>",
            "<svg><script>alert(1)</script></svg>",
            "<!--><script>alert(1)</script>-->",
            "<style>*{display:none}</style>",
            "[x](http://a.example/\"onmouseover=\"alert(1))",
            "[x](<http://a.example/\" onmouseover=alert(1) >)",
            "[x](http://a.example \"t\" onclick=\"alert(1)\")",
            "![x](javascript:alert(1))",
            "![\"><script>alert(1)</script>](http://a.example/i.png)",
            "```\"><script>alert(1)</script>\n</code></pre><script>alert(1)</script>\n```",
            "`</code><script>alert(1)</script>`",
            "|<script>|\n|--|\n|</table><script>alert(1)</script>|",
            "<a href=javascript:alert(1)>x</a>",
            "<https://a.example/<script>>",
            "[a]: javascript:alert(1)\n\n[a]",
            "&lt;script&gt;alert(1)&lt;/script&gt;",
            "\0<script\0>alert(1)</script>",
            "</div></main><form action=//evil.example>",
        ] {
            let html = html(attack);
            assert_safe(&html);
            assert!(
                !html.contains("<script") && !html.contains("javascript:alert(1)\""),
                "{html}"
            );
            for end in (0..attack.len()).filter(|end| attack.is_char_boundary(*end)) {
                assert_safe(&self::html(&attack[..end]));
            }
        }
        assert_eq!(html("a <b>c</b>"), "<p>a &lt;b&gt;c&lt;/b&gt;</p>");
    }

    #[test]
    fn an_image_is_a_link_with_its_text_and_nothing_is_loaded() {
        let image = |text: &str| {
            format!(
                "<p><a href=\"http://a.example/i.png\" class=\"image\" rel=\"noopener noreferrer nofollow\">{text}</a></p>"
            )
        };
        assert_eq!(
            html("![a *boat*](http://a.example/i.png)"),
            image("a <em>boat</em>")
        );
        assert_eq!(
            html("![](http://a.example/i.png)"),
            image("http://a.example/i.png")
        );
        assert_eq!(html("![x](data:image/png;base64,AA)"), "<p>x</p>");
        assert_eq!(
            html("[![boat](http://a.example/i.png)](http://b.example)"),
            "<p><a href=\"http://b.example\" rel=\"noopener noreferrer nofollow\">boat</a></p>"
        );
    }

    #[test]
    fn a_link_is_found_whether_its_definition_comes_before_or_after() {
        let link = "<a href=\"http://a.example\" rel=\"noopener noreferrer nofollow\">a</a>";
        assert_eq!(
            whole("[a][ A  b ]\n\ntext\n\n[a b]: http://a.example\n\n[a][A B]"),
            [
                format!("<p>{link}</p>"),
                "<p>text</p>".to_owned(),
                format!("<p>{link}</p>")
            ]
        );
        assert_eq!(html("[a][b]"), "<p>[a][b]</p>");
    }

    #[test]
    fn a_line_ends_as_it_likes_and_where_a_piece_ends_changes_nothing() {
        let text = "a\r\n\r\nb\rc\n\r\r\n\r";
        let mut by_characters = Document::default();
        for at in 0..text.len() {
            by_characters.append(&text[at..=at]);
            by_characters.append("");
        }
        assert_eq!(by_characters.text(), "a\n\nb\nc\n\n\n\n");
        assert_eq!(Document::whole(text).text(), by_characters.text());
        let codes = "a\n\t[ \r\r`\nb\nb\t \r\r`\nb";
        let ends = (0..codes.len()).collect();
        assert_eq!(grown(codes, ends), whole(codes));
    }

    #[test]
    fn a_definition_behind_a_list_belongs_to_the_paragraph_that_follows() {
        for text in [
            "- a\n\n[b\nc]: d\n2. e\n",
            "- a\n  - b\n\n[c]: d\n2. e\n\nf\n",
        ] {
            let expected = whole(text);
            assert_eq!(expected[1], "<p>2. e</p>");
            assert_eq!(grown(text, (0..text.len()).collect()), expected);
        }
    }

    #[test]
    fn every_prefix_is_safe_and_the_last_is_equal_to_the_whole() {
        let expected = whole(SAMPLE);
        assert!(expected.len() > 12);
        let ends: Vec<usize> = (0..SAMPLE.len())
            .filter(|end| SAMPLE.is_char_boundary(*end))
            .collect();
        for end in &ends {
            assert_safe(&html(&SAMPLE[..*end]));
        }
        assert_eq!(
            grown(SAMPLE, ends.clone()),
            expected,
            "a character at a time"
        );
        for size in [2, 3, 7, 20, 101] {
            let ends = ends.iter().copied().filter(|end| end % size == 0).collect();
            assert_eq!(grown(SAMPLE, ends), expected, "{size}");
        }
    }

    #[test]
    fn a_finished_block_is_kept_and_only_the_last_is_rendered_again() {
        let mut document = Document::default();
        document.append("# A\n\nb\n\n- c\n");
        assert_eq!(document.render(), 0);
        document.append("- d");
        assert_eq!(document.render(), 2, "the list is rendered again");
        document.append("\n\ne");
        assert_eq!(document.render(), 2);
        document.append(" f\n\ng");
        assert_eq!(
            document.render(),
            2,
            "a whole line showed that the list is over"
        );
        document.append(" h");
        assert_eq!(
            document.render(),
            3,
            "the line that is not whole, and the block before it"
        );
        document.append("\n\ni\n");
        assert_eq!(document.render(), 3);
        document.append("j");
        assert_eq!(document.render(), 5);
        assert_eq!(document.blocks().nth(4), Some("<p>g h</p>"));
        assert_eq!(document.blocks().last(), Some("<p>i\nj</p>"));
    }

    #[test]
    fn what_is_nested_a_thousand_deep_is_as_deep_as_a_page_can_bear() {
        let quotes = ">".repeat(1_000) + " deep";
        let lists: String = (0..1_000)
            .map(|depth| "  ".repeat(depth) + "- a\n")
            .collect();
        let emphasis = "*a **b ".repeat(1_000) + &"** *".repeat(1_000);
        let links = "[".repeat(1_000) + "x" + &"](http://a.example)".repeat(1_000);
        let images = "![".repeat(1_000) + "x" + &"](http://a.example)".repeat(1_000);
        for text in [quotes, lists, emphasis, links, images] {
            let html = html(&text);
            assert_safe(&html);
            let mut depth = 0_usize;
            let mut deepest = 0;
            for piece in html.split('<').skip(1) {
                if piece.starts_with('/') {
                    depth -= 1;
                } else if !piece.starts_with("br") && !piece.starts_with("hr") {
                    depth += 1;
                }
                deepest = deepest.max(depth);
            }
            assert!(deepest <= MAX_DEPTH + 2, "{deepest}");
        }
    }

    #[test]
    fn what_would_be_a_huge_page_is_plain_text() {
        let columns = 2_000;
        let table = format!(
            "{}|\n{}|\n{}",
            "|a".repeat(columns),
            "|-".repeat(columns),
            "|\n".repeat(50_000)
        );
        let blocks = "#\n".repeat(100_000);
        let definitions: String = (0..8_000)
            .map(|number| format!("[{number}]: http://a.example/{number}\n"))
            .collect();
        let references = definitions + "\n" + &"[7999]\n\n".repeat(8_000);
        for text in [table, blocks, references] {
            let document = Document::whole(&text);
            assert!(document.blocks().count() <= MAX_BLOCKS + 1);
            let length: usize = document.blocks().map(str::len).sum();
            assert!(
                length <= text.len() * HTML_PER_BYTE + MAX_BLOCKS * MORE_HTML,
                "{length}"
            );
            assert!(document.definitions.len() <= MAX_DEFINITIONS);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_safe_and_grows_into_the_same(
            lines in proptest::collection::vec("[ ]{0,4}(#{0,3}|[-+*>]|[0-9]{1,2}[.)]|```|~~~|\\||---|===|<!?[a-z/]{0,4}|\\[[a-c]\\]:?|!\\[|&#?)[ ]?[a-c*_`~|<>\\[\\]():/.é -]{0,12}", 0..14),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..24),
        ) {
            let text = lines.join("\n");
            let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).filter(|end| text.is_char_boundary(*end)).collect();
            ends.sort_unstable();
            check(&text, ends);
        }
    }
}
