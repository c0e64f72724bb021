//! What the server and the page of answers agree on. An answer is a topic, `~answers/ID`, which the feed of answers owns: an event of
//! type [`QUESTION_EVENT`], then messages whose data are pieces of the text, then an event of type [`FINISH_EVENT`]; then the
//! topic ends.

use serde::{Deserialize, Serialize};

use super::page::Refusal;

/// The page with the form; each answer is below it.
pub const ANSWERS_PATH: &str = "/answers";

/// The documentation; each document is below it.
pub const DOCS_PATH: &str = "/docs";

/// What the topics of answers begin with. They are unlisted.
pub const ANSWER_TOPICS: &str = "~answers/";

/// Type of an answer's first event; its data is a [`Question`] as JSON.
pub const QUESTION_EVENT: &str = "question";

/// Type of the event that says how an answer finished; its data is a [`Finish`] as JSON.
pub const FINISH_EVENT: &str = "finish";

/// The last segment of the path to which a form that stops an answer is sent.
pub const STOP: &str = "stop";

/// The length of an answer's id, in characters: as much chance as 128 bits have.
pub const ID_CHARACTERS: usize = 22;

/// The longest question, in bytes.
pub const MAX_QUESTION_BYTES: usize = 8 * 1_024;

/// Most earlier turns that a question may bring along.
pub const MAX_TURNS: usize = 20;

/// The longest question with its earlier turns, in bytes.
pub const MAX_CONVERSATION_BYTES: usize = 32 * 1_024;

/// What was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The question itself.
    pub question: String,
    /// What was said before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub turns: Vec<Turn>,
    /// The model that answers; `None` if passages of the documentation do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The answer that this one continues, whose text is its first piece.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<String>,
}

/// One earlier turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// Whose words they are.
    pub role: Role,
    /// The words.
    pub content: String,
}

/// Whose words a turn has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Those of the client that asks.
    User,
    /// Those of an earlier answer.
    Assistant,
}

/// How an answer finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finish {
    /// A stable code: [`COMPLETE`], [`STOPPED`], or what went wrong.
    pub code: String,
    /// The same in words, for people.
    pub detail: String,
    /// How many seconds to wait before the next attempt, where the upstream server has said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

/// The code of an answer that is complete.
pub const COMPLETE: &str = "complete";

/// The code of an answer that a client has stopped.
pub const STOPPED: &str = "stopped";

impl Finish {
    /// Whether the answer is whole, so that there is nothing to continue.
    pub fn is_complete(&self) -> bool {
        self.code == COMPLETE
    }

    /// Whether the answer can be continued: it is not whole, and not as long as an answer may be.
    pub fn may_continue(&self) -> bool {
        !self.is_complete() && self.code != FailureCode::TooLong.as_str()
    }
}

/// What the page of answers is rendered with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnswersPage {
    /// Scheme and authority of the server.
    pub origin: String,
    /// The model that answers questions; `None` if the documentation does.
    pub model: Option<String>,
    /// Why the reader may not ask; `None` if the reader may.
    pub refusal: Option<Refusal>,
    /// The answer that the page is about; `None` if it is the page with the form alone.
    pub answer: Option<PageAnswer>,
}

/// An answer as its page shows it: what there is of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageAnswer {
    /// Its id.
    pub id: String,
    /// What was asked.
    pub question: Question,
    /// The text up to now, without NUL.
    pub text: String,
    /// How it finished, if it did.
    pub finish: Option<Finish>,
    /// Where the stream goes on.
    pub last_event_id: String,
}

/// Whether a text can be the id of an answer: 128 random bits in URL-safe Base64.
pub fn is_id(text: &str) -> bool {
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    text.len() == ID_CHARACTERS && text.bytes().all(is_base64)
}

/// The topic of an answer.
pub fn answer_topic(id: &str) -> String {
    format!("{ANSWER_TOPICS}{id}")
}

/// The path of an answer.
pub fn answer_path(id: &str) -> String {
    format!("{ANSWERS_PATH}/{id}")
}

macro_rules! failures {
    ($($(#[$doc:meta])+ $name:ident = $code:literal $detail:literal,)+) => {
        /// What can go wrong with an answer, each with a stable code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum FailureCode {
            $($(#[$doc])+ $name,)+
        }

        impl FailureCode {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The code as it is written.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)+
                }
            }

            /// The same in words.
            pub const fn detail(self) -> &'static str {
                match self {
                    $(Self::$name => $detail,)+
                }
            }
        }
    };
}

failures! {
    /// No connection.
    Unreachable = "upstream-unreachable" "the model's server cannot be reached",
    /// 401 or 403.
    KeyRefused = "upstream-key-refused" "the model's server does not take this server's key; its operator has to give another one",
    /// 404.
    NotFound = "upstream-not-found" "the model's server has no such model or path; the operator has to check --answers-upstream and --answers-model",
    /// 429.
    Busy = "upstream-busy" "the model's server has too much to do",
    /// 5xx.
    Failed = "upstream-failed" "the model's server has failed",
    /// Another status of 4xx.
    Refused = "upstream-refused" "the model's server does not take the request",
    /// 3xx.
    Redirects = "upstream-redirects" "the model's server leads elsewhere, and this server does not follow; the operator has to set --answers-upstream to where it leads",
    /// The body is no event stream.
    NotAStream = "upstream-not-a-stream" "the model's server has answered, but not with an event stream",
    /// An event of the stream is no JSON of a completion.
    Malformed = "upstream-malformed" "the model's server has sent something that cannot be understood",
    /// An error object in the stream.
    ReportedError = "upstream-error" "the model's server has reported an error in the middle of the answer",
    /// The stream ended before the answer did.
    Cut = "upstream-cut" "the connection to the model's server broke off in the middle of the answer",
    /// Nothing came for too long.
    Silent = "upstream-silent" "the model's server has sent nothing for too long",
    /// The model has reached its own limit.
    Length = "length" "the model has reached its limit of length",
    /// The model's server has withheld the rest.
    Filtered = "filtered" "the model's server has withheld the rest of the answer",
    /// Longer than this server takes.
    TooLong = "too-long" "the answer is longer than this server takes",
    /// It took longer than this server waits.
    TookTooLong = "took-too-long" "the answer took longer than this server allows",
    /// The server stopped or died in the middle.
    Interrupted = "interrupted" "this server was stopped in the middle of the answer",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_a_failure_is_documented() {
        let documented = include_str!("../../docs/answers.md");
        for code in FailureCode::ALL {
            assert!(
                documented.contains(&format!("| `{}` |", code.as_str())),
                "{}",
                code.as_str()
            );
        }
    }
}
