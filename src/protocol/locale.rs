//! The languages that pages are written in. Which one a request gets is the server's business; a page carries its own in
//! its data and in `<html lang>`.

/// A language, with its way to write dates and numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Locale {
    /// English: what a reader gets who asks for no language that there is.
    #[default]
    English,
    /// Chinese in simplified characters.
    Chinese,
}

impl Locale {
    /// Every language.
    pub const ALL: [Self; 2] = [Self::English, Self::Chinese];

    /// The language as HTTP and HTML name it (RFC 5646).
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh-CN",
        }
    }

    /// The language with this tag, if it is one of those that there are.
    pub fn from_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|locale| locale.tag() == tag)
    }

    /// The language's name in itself.
    pub const fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Chinese => "中文",
        }
    }

    /// Path of the resource that has a browser's pages written in this language from now on.
    pub const fn path(self) -> &'static str {
        match self {
            Self::English => "/language/en",
            Self::Chinese => "/language/zh-CN",
        }
    }

    /// The language that a page in this one offers.
    pub const fn other(self) -> Self {
        match self {
            Self::English => Self::Chinese,
            Self::Chinese => Self::English,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_known_by_its_tag_and_its_path_ends_with_it() {
        for locale in Locale::ALL {
            assert_eq!(Locale::from_tag(locale.tag()), Some(locale));
            assert_eq!(locale.path(), format!("/language/{}", locale.tag()));
            assert_ne!(locale.other(), locale);
        }
        for tag in ["", "EN", "zh", "fr"] {
            assert_eq!(Locale::from_tag(tag), None, "{tag:?}");
        }
    }
}
