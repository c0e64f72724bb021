//! What only a topic's page says: its filter, the buttons of its rows, its form.

use super::{Texts, number, number_of, texts};
use crate::app::filter::FilterError;
use crate::app::publishing::Publishing;
use crate::protocol::page::{MAX_OLDER, Refusal};

texts! {
    /// A topic's page.
    TopicTexts {
        /// What one sees, and what to try.
        lead:
            "What is published to this topic appears here as it happens. Publish with the form on this page, or from any program: Help has the commands.",
            "发布到此主题的内容会实时出现在这里。可以用本页的表单发布，也可以用任何程序发布：“帮助”页有相应的命令。";
        /// Label of the newest message.
        newest: "Newest message", "最新消息";
        /// In its place before any.
        nothing_yet: "Nothing yet", "暂无消息";
        /// Link to the events before those of a page.
        older(count): "{0} older", "更早的 {0} 条";

        /// Label of the field that filters the list, and the button that filters where there is no JavaScript.
        filter: "Filter", "筛选";
        /// How to write a filter.
        filter_hint:
            "Words that must be there. type:news for a type, \"two words\" together, -word to leave out.",
            "必须出现的词。type:news 按类型筛选，\"two words\" 表示相连的词，-word 表示排除。";
        /// How much of the list passes the filter.
        filter_count(shown, of): "{0} of {1} shown", "显示 {0} / {1} 条";
        /// Why a filter cannot be understood.
        open_quote: "A quotation mark is not closed, so everything is shown.", "引号没有成对，因此显示全部消息。";
        /// Why a filter cannot be understood.
        empty_term:
            "There is nothing after type:, after - or between quotation marks, so everything is shown.",
            "type: 之后、- 之后或引号之间没有内容，因此显示全部消息。";
        /// The list when the filter lets nothing through.
        nothing_passes: "Nothing here passes the filter.", "没有符合筛选条件的消息。";

        /// Button: everything that is listed, as a file.
        download: "Download", "下载";
        /// Said when an event that is listed has been saved.
        said_downloaded_one: "Saved 1 event as JSON lines.", "已将 1 个事件保存为 JSON Lines。";
        /// Said when what is listed has been saved.
        said_downloaded(count): "Saved {0} events as JSON lines.", "已将 {0} 个事件保存为 JSON Lines。";

        /// Button of a row.
        copy: "Copy", "复制";
        /// Button of a row: lays JSON out, or shows it as it came.
        json: "JSON", "JSON";
        /// Button of a row: shows all of a long event, or its beginning.
        show_all: "Show all", "显示全部";
        /// How much of an event is on the page.
        cut(shown, whole): "The first {0} of {1}.", "共 {1}，这里只有开头的 {0}。";
        /// Link of a row to an event that is not on the page as a whole.
        whole_event: "The whole event, raw", "查看完整的原始事件";
        /// Said when an event's data is in the clipboard.
        said_copied: "Copied the event’s data.", "已复制事件的数据。";
        /// Said when the browser refused the clipboard, and the event is selected instead.
        said_not_copied:
            "The browser refused the clipboard. The event is selected, for you to copy.",
            "浏览器拒绝访问剪贴板。事件已选中，请手动复制。";

        /// Heading of the form, and its button.
        publish: "Publish", "发布";
        /// Label of a field.
        data: "Text", "文本";
        /// Label of a field.
        event_type: "Type, if not message", "类型（留空即为 message）";
        /// What became of an attempt to publish.
        publishing: "Publishing.", "正在发布。";
        /// What became of an attempt to publish.
        published_to_one: "Published to 1 subscriber.", "已发布给 1 个订阅者。";
        /// What became of an attempt to publish.
        published_to(subscribers): "Published to {0} subscribers.", "已发布给 {0} 个订阅者。";
        /// What became of an attempt to publish.
        unreachable: "The server could not be reached. The text is still here.", "无法连接服务器，文本仍保留在这里。";
        /// Why an event was not published.
        not_published(why): "Not published: {0}.", "未发布：{0}。";
        /// Why there is no form.
        cannot_publish(why): "You cannot publish here: {0}.", "你不能在这里发布：{0}。";
        /// What to do where a token is missing.
        with_token:
            " From a terminal: curl -H 'Authorization: Bearer TOKEN' -d hello, and this page’s address.",
            "可以在终端中发布：curl -H 'Authorization: Bearer TOKEN' -d hello，后接本页地址。";
    }
}

impl Texts {
    /// Link to the events before those of a page; empty if there are none.
    pub fn older(&self, count: usize) -> String {
        if count == 0 {
            return String::new();
        }
        let more = if count == MAX_OLDER { "+" } else { "" };
        self.topic.older(&[&number_of(count), more].concat())
    }

    /// How much of the list passes the filter.
    pub fn filter_count(&self, shown: usize, of: usize) -> String {
        self.topic.filter_count(&number_of(shown), &number_of(of))
    }

    /// Why a filter cannot be understood.
    pub fn filter_error(&self, wrong: FilterError) -> &'static str {
        match wrong {
            FilterError::OpenQuote => self.topic.open_quote(),
            FilterError::Nothing => self.topic.empty_term(),
        }
    }

    /// Said when what is listed has been saved.
    pub fn said_downloaded(&self, count: usize) -> String {
        match count {
            1 => self.topic.said_downloaded_one().to_owned(),
            _ => self.topic.said_downloaded(&number_of(count)),
        }
    }

    /// How much of an event is on the page.
    pub fn cut(&self, shown_bytes: usize, whole_bytes: usize) -> String {
        self.topic
            .cut(&self.bytes(shown_bytes), &self.bytes(whole_bytes))
    }

    /// What became of an attempt to publish.
    pub fn publishing(&self, publishing: &Publishing) -> String {
        match publishing {
            Publishing::Idle => String::new(),
            Publishing::UnderWay => self.topic.publishing().to_owned(),
            Publishing::Done(1) => self.topic.published_to_one().to_owned(),
            Publishing::Done(subscribers) => self.topic.published_to(&number(*subscribers)),
            Publishing::Refused(refusal) => {
                let words = self.topic.not_published(&self.refusal(refusal));
                self.with_remedy(words, refusal)
            }
            Publishing::Unreachable => self.topic.unreachable().to_owned(),
        }
    }

    /// The server's own words about a refused attempt to publish, if [`Self::publishing`] says something else.
    pub fn publishing_server_words(&self, publishing: &Publishing) -> String {
        match publishing {
            Publishing::Refused(refusal) => self.server_words(refusal),
            _ => String::new(),
        }
    }

    /// Why there is no form, and what to do about it.
    pub fn cannot_publish(&self, refusal: &Refusal) -> String {
        let words = self.topic.cannot_publish(&self.refusal(refusal));
        self.with_remedy(words, refusal)
    }

    fn with_remedy(&self, mut words: String, refusal: &Refusal) -> String {
        if refusal.status == 401 {
            words.push_str(self.topic.with_token());
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::locale::Locale;

    #[test]
    fn what_became_of_publishing_is_said_with_its_reason() {
        let [english, chinese] = Locale::ALL.map(Texts::of);
        assert_eq!(
            english.publishing(&Publishing::Done(1)),
            "Published to 1 subscriber."
        );
        assert_eq!(
            english.publishing(&Publishing::Done(1_200)),
            "Published to 1,200 subscribers."
        );
        assert_eq!(
            chinese.publishing(&Publishing::Done(1)),
            "已发布给 1 个订阅者。"
        );
        assert_eq!(english.publishing(&Publishing::Idle), "");
        let refused = |status, code: &str, detail: &str| {
            Publishing::Refused(Refusal {
                status,
                code: code.to_owned(),
                detail: detail.to_owned(),
            })
        };
        let large = refused(413, "too-large", "too large.");
        assert_eq!(english.publishing(&large), "Not published: too large.");
        assert_eq!(english.publishing_server_words(&large), "");
        assert_eq!(chinese.publishing(&large), "未发布：内容过大。");
        assert_eq!(chinese.publishing_server_words(&large), "too large.");
        let token = refused(401, "token-required", "no token");
        assert!(
            english
                .publishing(&token)
                .ends_with("Bearer TOKEN' -d hello, and this page’s address.")
        );
        assert!(
            chinese
                .publishing(&token)
                .starts_with("未发布：这需要有效的令牌。可以在终端中发布：")
        );
    }

    #[test]
    fn one_event_is_not_several() {
        let texts = Texts::of(Locale::English);
        assert_eq!(texts.said_downloaded(1), "Saved 1 event as JSON lines.");
        assert_eq!(texts.said_downloaded(20), "Saved 20 events as JSON lines.");
    }

    #[test]
    fn older_events_are_counted_up_to_a_bound() {
        let [english, chinese] = Locale::ALL.map(Texts::of);
        assert_eq!(english.older(0), "");
        assert_eq!(english.older(21), "21 older");
        assert_eq!(english.older(MAX_OLDER), "1,000+ older");
        assert_eq!(chinese.older(MAX_OLDER), "更早的 1,000+ 条");
    }

    #[test]
    fn how_much_of_an_event_is_there_is_said_in_each_languages_order() {
        let cut = |locale| Texts::of(locale).cut(4_096, 1 << 20);
        assert_eq!(cut(Locale::English), "The first 4 KiB of 1 MiB.");
        assert_eq!(cut(Locale::Chinese), "共 1 MiB，这里只有开头的 4 KiB。");
    }
}
