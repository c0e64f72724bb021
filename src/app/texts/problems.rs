//! What a refusal means, by its code, and what a reader in front of a browser can do about it. The page of a refused request
//! shows both; a page that the browser hydrates shows the first where its language is not the one of the server's own
//! words. A code without texts does not compile.

use super::{piece, texts};
use crate::protocol::locale::Locale;
use crate::protocol::problem::ProblemCode;

texts! {
    /// The page of a refused request.
    ProblemTexts {
        /// Link.
        to_the_clock: "The clock", "时钟";
        /// Link.
        to_the_topics: "The topics", "主题";
        /// Link.
        to_the_stream: "The clock’s raw stream", "时钟的原始事件流";
        /// Link to the page whose form was refused.
        back_to_topic: "Back to the topic", "返回主题";

        /// What to do about a token.
        token:
            "A browser sends its token in the cookie fairwind_token. Get a new token where this one came from, or delete the cookie to read what is public.",
            "浏览器通过名为 fairwind_token 的 Cookie 发送令牌。请从原来的途径获取新的令牌，或者删除这个 Cookie，以读取公开的内容。";
        /// What to do where the operator decides.
        operator:
            "The operator of this server decides who may publish and read.",
            "谁可以发布、谁可以读取，由本服务器的管理员决定。";
        /// What to do about a body that is too large.
        send_less:
            "Go back and send less at once, or send many events as one stream.",
            "请返回并减少一次发送的内容，或者将多个事件作为一个流发送。";
        /// What to do where the trouble passes.
        wait:
            "Wait a moment, then go back and try again.",
            "请稍等片刻，然后返回重试。";
    }
}

/// What each code means, for the pages that the browser hydrates: a line with the code, one with its sentence, and so on.
/// Empty in English, in which the server's own words say more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProblemSentences(&'static str);

impl ProblemSentences {
    /// The sentences in this language, for [`super::Texts`], which keep them. Only the server has them.
    pub(super) fn of(locale: Locale) -> Self {
        if locale == Locale::English {
            return Self("");
        }
        let lines = ProblemCode::ALL
            .iter()
            .map(|code| format!("{}\n{}\n", code.as_str(), heading(locale, *code)));
        Self(lines.collect::<String>().leak())
    }

    /// The sentences in these lines, as [`Self::lines`] gives them.
    pub(in crate::app) const fn from_lines(lines: &'static str) -> Self {
        Self(lines)
    }

    /// The codes and sentences.
    pub(in crate::app) const fn lines(self) -> &'static str {
        self.0
    }

    /// What a code means, without a full stop.
    pub fn sentence(self, code: &str) -> Option<&'static str> {
        let mut position = 0;
        loop {
            match piece(self.0, b'\n', position) {
                "" => return None,
                of if of == code => return Some(piece(self.0, b'\n', position + 1)),
                _ => position += 2,
            }
        }
    }
}

macro_rules! problem_texts {
    ($($code:ident $($remedy:ident)?: $english:literal, $chinese:literal;)+) => {
        /// What a code means, as a heading.
        pub fn heading(locale: Locale, code: ProblemCode) -> &'static str {
            match (locale, code) {
                $(
                    (Locale::English, ProblemCode::$code) => $english,
                    (Locale::Chinese, ProblemCode::$code) => $chinese,
                )+
            }
        }

        /// What a reader in front of a browser can do about a refusal; `None` where the server's own words say it.
        pub fn remedy(locale: Locale, code: ProblemCode) -> Option<&'static str> {
            match code {
                $(
                    ProblemCode::$code => {
                        [$(ProblemTexts::of(locale).$remedy())?].first().copied()
                    }
                )+
            }
        }
    };
}

problem_texts! {
    InvalidRequest: "The request breaks a rule of HTTP", "请求不符合 HTTP 规则";
    InvalidQuery: "The query cannot be understood", "查询参数无法识别";
    InvalidHeader: "A header cannot be understood", "请求头无法识别";
    InvalidTopic: "This cannot be a topic’s name", "这不能作为主题的名称";
    InvalidBody: "The body cannot be read", "请求体无法读取";
    InvalidEvent: "This cannot be published", "这不是可以发布的事件";
    PrivateWithoutKeys: "This server has no private events", "本服务器没有私有事件";
    TokenRequired token: "This needs a valid token", "这需要有效的令牌";
    TokenInvalid token: "The token is not valid", "令牌无效";
    TokenExpired token: "The token has expired", "令牌已过期";
    Forbidden operator: "This is not allowed", "没有权限";
    InsufficientScope operator: "The token does not allow this", "令牌没有这项权限";
    OtherOrigin operator: "Pages of another origin may not do this", "其他来源的网页没有权限";
    ReservedTopic: "Only the server publishes to this topic", "只有服务器可以向这个主题发布";
    NotFound: "There is nothing here", "这里什么也没有";
    UnknownTopic: "There is no such topic", "没有这个主题";
    NoClock: "This server has no clock", "本服务器没有时钟";
    UnknownAnswer: "There is no such answer", "没有这个回答";
    NotScheduled: "This is not scheduled", "没有这项定时发布";
    NoComparison: "This comparison has no connection", "这项对比没有连接";
    MethodNotAllowed: "This method is not allowed here", "这里不允许使用该请求方法";
    NotAcceptable: "This is not available in that form", "无法以请求的格式提供";
    BodyTimeout wait: "The body took too long to arrive", "请求体传输超时";
    AnswerRunning wait: "The answer is still under way", "回答仍在进行中";
    TopicEnded: "The topic has ended", "主题已结束";
    DuplicateId: "The topic has an event with this id", "主题中已有使用这个 ID 的事件";
    PreconditionFailed: "The topic’s newest event is another", "主题的最新事件与 If-Match 不符";
    TooLarge send_less: "This is too large", "内容过大";
    UnsupportedType: "The body has a type that is not taken", "不支持请求体的类型";
    UnsupportedEncoding: "The body has an encoding that is not taken", "不支持请求体的编码";
    KeyReused: "The idempotency key belongs to another event", "幂等键已用于其他事件";
    RateLimited wait: "Too many requests", "请求过于频繁";
    TooManyKeys wait: "Too many idempotency keys", "幂等键过多";
    HeadTooLarge: "The request’s head is too large", "请求头过大";
    NotImplemented: "The server does not do this", "服务器不支持此操作";
    NoSchedule: "This server publishes nothing later", "本服务器不支持定时发布";
    TooManyTopics wait: "There are too many topics", "主题过多";
    TooManyStreams wait: "There are too many streams", "事件流过多";
    TooManyComparisons wait: "There are too many comparisons", "对比页面过多";
    TooManyAnswers wait: "There are too many answers", "回答过多";
    TooManyScheduled wait: "Too much is scheduled", "定时发布过多";
    MemoryLimit wait: "The server has no memory to spare", "服务器内存不足";
    Stopping wait: "The server is stopping", "服务器正在停止";
    Unavailable wait: "The server cannot store events now", "服务器暂时无法存储事件";
    StorageFailed wait: "The server’s storage has failed", "服务器的存储出现故障";
    StorageFull wait: "The server’s disk is full", "服务器的磁盘已满";
}

/// A server's words as a sentence: they begin in lower case, and have no full stop.
pub fn sentence(words: &str) -> String {
    let mut rest = words.trim_end_matches('.').chars();
    let first = rest.next().map(|c| c.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), rest.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_knows_every_code_in_the_language_that_is_not_the_servers() {
        let chinese = ProblemSentences::of(Locale::Chinese);
        for code in ProblemCode::ALL {
            let sentence = chinese.sentence(code.as_str());
            assert_eq!(sentence, Some(heading(Locale::Chinese, *code)));
            let english = ProblemSentences::of(Locale::English);
            assert_eq!(english.sentence(code.as_str()), None);
        }
        assert_eq!(chinese.sentence(""), None);
        assert_eq!(chinese.sentence("new-code"), None);
        let copied = ProblemSentences::from_lines(chinese.lines());
        assert_eq!(copied.sentence("too-large"), Some("内容过大"));
    }

    #[test]
    fn a_token_that_does_not_hold_has_a_remedy_in_both_languages() {
        let remedy = |locale| remedy(locale, ProblemCode::TokenInvalid);
        assert!(remedy(Locale::English).is_some_and(|text| text.contains("delete the cookie")));
        assert!(remedy(Locale::Chinese).is_some_and(|text| text.contains("删除这个 Cookie")));
        assert_eq!(super::remedy(Locale::English, ProblemCode::NotFound), None);
    }

    #[test]
    fn a_servers_words_become_a_sentence() {
        assert_eq!(sentence("it is too large"), "It is too large.");
        assert_eq!(sentence("Done."), "Done.");
        assert_eq!(sentence(""), ".");
    }
}
