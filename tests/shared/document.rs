//! The code blocks of a Markdown document, so that what the documentation shows can be run as it stands.

use std::path::Path;

/// A fenced code block.
#[derive(Debug, Clone)]
pub struct Block {
    /// The nearest heading above it, without its number signs.
    pub heading: String,
    /// The language after the opening fence, such as `nginx`.
    pub language: String,
    /// The text between the fences.
    pub code: String,
}

/// The blocks of a document, named by its path in the repository, from top to bottom.
pub fn blocks(document: &str) -> Vec<Block> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(document);
    let text = std::fs::read_to_string(path).expect("the document");
    let (mut blocks, mut heading, mut open) = (Vec::new(), "", None::<Block>);
    for line in text.lines() {
        if let Some(block) = &mut open {
            if line == "```" {
                blocks.extend(open.take());
            } else {
                block.code.push_str(line);
                block.code.push('\n');
            }
        } else if let Some(language) = line.strip_prefix("```") {
            open = Some(Block {
                heading: heading.to_owned(),
                language: language.trim().to_owned(),
                code: String::new(),
            });
        } else if line.starts_with('#') {
            heading = line.trim_start_matches('#').trim();
        }
    }
    assert!(open.is_none(), "{document} has a block without an end");
    blocks
}

/// The one block of this language under this heading.
pub fn block(document: &str, heading: &str, language: &str) -> String {
    let mut found = blocks(document)
        .into_iter()
        .filter(|block| block.heading == heading && block.language == language);
    let block = found
        .next()
        .unwrap_or_else(|| panic!("{document} has no {language} block under '{heading}'"));
    assert!(
        found.next().is_none(),
        "{document} has several {language} blocks under '{heading}'"
    );
    block.code
}
