//! Answers: a question, and the text that answers it piece by piece, on a topic of its own. The text comes from a language model
//! behind an OpenAI-compatible server that the configuration names, or from Fairwind's own documentation.
//!
//! ```text
//! let id = answers.ask(&hub, question, "", permit).await?;   // the question is published
//! answers.stop(&id).await;                                   // the upstream request is cancelled
//! answers::read(&hub, &id);                                  // what there is of it
//! ```
//!
//! Each answer is a task that reads no faster than it publishes. When a server starts, the feed finishes the answers that the one before
//! it has left in the middle, so that no reader waits for ever.
//!
//! * `upstream`: the request to the model's server, and what can be wrong with its response
//! * `documentation`: passages of the documentation as an answer
//! * `pieces`: how much text is one event

mod documentation;
mod pieces;
mod upstream;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::documentation::document;
use self::pieces::Pieces;
pub use self::upstream::{Upstream, UpstreamError};
use super::{Feed, FeedTask, FeedTopics};
use crate::hub::publish::{
    ExpectedNewest, Preconditions, PublishError, PublishReceipt, PublishRequest,
};
use crate::hub::topic::Topic;
use crate::hub::{HistoryQuery, Hub};
use crate::protocol::answers::{
    ANSWER_TOPICS, COMPLETE, FINISH_EVENT, FailureCode, Finish, QUESTION_EVENT, Question, STOPPED,
    answer_topic, is_id,
};
use crate::protocol::event::EventType;

/// How long a client that stops an answer waits until it has stopped.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// How long and how large an answer may be.
#[derive(Debug, Clone, Copy)]
pub struct AnswerLimits {
    /// Most bytes of text.
    pub bytes: usize,
    /// Longest time in all.
    pub time: Duration,
    /// Longest time in which nothing comes from the model's server.
    pub silence: Duration,
}

/// The feed of answers.
pub struct Answers {
    responder: Responder,
    limits: AnswerLimits,
    running: Arc<Mutex<HashMap<String, Running>>>,
    tasks: TaskTracker,
    /// Is cancelled when the server stops.
    stopping: CancellationToken,
}

/// Where the text comes from.
enum Responder {
    Upstream(Box<Upstream>),
    Documentation,
}

/// An answer under way.
#[derive(Clone)]
struct Running {
    cancelled: CancellationToken,
    over: CancellationToken,
}

/// What there is of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What was asked; empty if the history no longer has it.
    pub question: Question,
    /// The text up to now.
    pub text: String,
    /// How it finished, if it did.
    pub finish: Option<Finish>,
    /// Where to go on reading.
    pub last_event_id: String,
}

/// Why an answer has no more text.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stop {
    Complete,
    Failed(Failure),
}

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Failure {
    code: FailureCode,
    retry_after: Option<u64>,
}

impl From<FailureCode> for Failure {
    fn from(code: FailureCode) -> Self {
        Self {
            code,
            retry_after: None,
        }
    }
}

/// A text that comes piece by piece.
enum Source {
    Upstream(Box<upstream::Completion>),
    Documentation(documentation::Words),
}

impl Source {
    /// More of the text.
    async fn next(&mut self) -> Result<String, Stop> {
        match self {
            Self::Upstream(completion) => completion.next().await,
            Self::Documentation(words) => words.next().await.ok_or(Stop::Complete),
        }
    }
}

impl Answers {
    /// Answers of a model.
    pub fn of_model(upstream: Upstream, limits: AnswerLimits) -> Self {
        Self::new(Responder::Upstream(Box::new(upstream)), limits)
    }

    /// Passages of the documentation.
    pub fn of_documentation(limits: AnswerLimits) -> Self {
        Self::new(Responder::Documentation, limits)
    }

    fn new(responder: Responder, limits: AnswerLimits) -> Self {
        Self {
            responder,
            limits,
            running: Arc::default(),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
        }
    }

    /// The model that answers; `None` if the documentation does.
    pub fn model(&self) -> Option<&str> {
        match &self.responder {
            Responder::Upstream(upstream) => Some(upstream.model()),
            Responder::Documentation => None,
        }
    }

    /// How long and how large an answer may be.
    pub fn limits(&self) -> AnswerLimits {
        self.limits
    }

    /// Begins an answer under a new id, which no client can guess: publishes the question, and `begun`, the text that there is
    /// already. Of `places`, the first is dropped when the answer is over, and the second when the log has forgotten it. If the
    /// future is dropped, the question is answered all the same.
    ///
    /// # Errors
    ///
    /// [`PublishError`] if the question cannot be published.
    pub async fn ask(
        self: &Arc<Self>,
        hub: &Hub,
        id: String,
        mut question: Question,
        begun: String,
        places: (impl Send + 'static, impl Send + 'static),
    ) -> Result<(), PublishError> {
        question.model = self.model().map(str::to_owned);
        let topic = topic_of(&id)?;
        let entry = self.enter(id);
        let (asked, is_asked) = oneshot::channel();
        let (answers, hub) = (Arc::clone(self), hub.clone());
        self.tasks.spawn(async move {
            let (under_way, kept) = places;
            let published = publish(&hub, &topic, QUESTION_EVENT, to_json(&question)).await;
            let is_published = published.is_ok();
            // The client may have gone.
            let _ = asked.send(published.map(drop));
            if !is_published {
                return;
            }
            let time = answers.limits.time + hub.limits().age;
            tokio::spawn(async move {
                sleep(time).await;
                drop(kept);
            });
            let text = Text::Begun(begun);
            answers.write(&hub, &topic, &question, text, entry).await;
            drop(under_way);
        });
        is_asked.await.unwrap_or(Err(PublishError::Ended))
    }

    /// Puts an answer on the list of those that are under way.
    fn enter(&self, id: String) -> Entry {
        let running = Running {
            cancelled: CancellationToken::new(),
            over: CancellationToken::new(),
        };
        self.running.lock().insert(id.clone(), running.clone());
        Entry {
            all: Arc::clone(&self.running),
            id,
            running,
        }
    }

    /// Writes an answer to its end.
    async fn write(&self, hub: &Hub, topic: &Topic, question: &Question, text: Text, entry: Entry) {
        let answer = Answer {
            answers: self,
            hub,
            topic,
            cancelled: &entry.running.cancelled,
        };
        answer.run(question, text).await;
    }

    /// Goes on with an answer of the documentation that an earlier run of the server has begun: the text is the same again.
    /// `false` if it is not, or cannot be known.
    fn resume(self: &Arc<Self>, hub: &Hub, topic: &Topic, id: &str) -> bool {
        if !matches!(self.responder, Responder::Documentation) {
            return false;
        }
        let Some(record) = read(hub, id).filter(|_| !hub.shares_its_log()) else {
            return false;
        };
        let asked = &record.question.question;
        if asked.is_empty() || !documentation::answer(asked).starts_with(&record.text) {
            return false;
        }
        let entry = self.enter(id.to_owned());
        let (answers, hub, topic) = (Arc::clone(self), hub.clone(), topic.clone());
        self.tasks.spawn(async move {
            let text = Text::Published(record.text);
            answers
                .write(&hub, &topic, &record.question, text, entry)
                .await;
        });
        true
    }

    /// Stops an answer, and cancels the request to the model's server. `false` if none of this id is under way here.
    pub async fn stop(&self, id: &str) -> bool {
        let running = self.running.lock().get(id).cloned();
        let Some(running) = running else {
            return false;
        };
        running.cancelled.cancel();
        // The log may be slow; the answer stops all the same.
        let _ = tokio::time::timeout(STOP_PATIENCE, running.over.cancelled()).await;
        true
    }

    /// Whether an answer of this id is under way here.
    pub fn is_running(&self, id: &str) -> bool {
        self.running.lock().contains_key(id)
    }

    /// Goes on with answers of the documentation, and finishes others, that no server is writing: those that an earlier run has
    /// left, those whose finish the log could not take, and where several servers share the log, those that are older than a
    /// server lets them become.
    async fn finish_abandoned(self: &Arc<Self>, hub: &Hub) {
        let time = self.limits.time + self.limits.silence;
        let patience = hub.shares_its_log().then_some(time);
        for topic in hub.topics_below(ANSWER_TOPICS) {
            let id = topic.as_str().strip_prefix(ANSWER_TOPICS);
            let Some(id) = id.filter(|id| !self.is_running(id)) else {
                continue;
            };
            let snapshot = hub.snapshot(&topic, &HistoryQuery::newest());
            let Some(newest) = snapshot.events.last().filter(|_| !snapshot.has_ended) else {
                continue;
            };
            let age = SystemTime::now().duration_since(newest.published_at);
            if patience.is_some_and(|patience| age.unwrap_or_default() < patience) {
                continue;
            }
            if newest.event.event_type.as_str() != FINISH_EVENT {
                if self.resume(hub, &topic, id) {
                    continue;
                }
                let newest = ExpectedNewest {
                    with_private: false,
                    one_of: Some(vec![newest.event.id.clone()]),
                };
                let conditions = Preconditions {
                    newest: Some(newest),
                    idempotency: None,
                };
                let finish = finish_of(&Stop::Failed(FailureCode::Interrupted.into()));
                let request = request(FINISH_EVENT, to_json(&finish));
                match hub.publish(&topic, request, conditions).await {
                    // Another server has been faster.
                    Err(PublishError::Moved(_) | PublishError::Ended) => continue,
                    Err(error) => tracing::warn!("an answer cannot be finished: {error}"),
                    Ok(_) => {}
                }
            }
            if let Err(error) = hub.end(&topic).await {
                tracing::warn!("the topic of an answer cannot be ended: {error}");
            }
        }
    }
}

impl Feed for Answers {
    fn name(&self) -> &'static str {
        "the feed of answers"
    }

    fn topics(&self) -> FeedTopics {
        FeedTopics::Unlisted(ANSWER_TOPICS)
    }

    fn run(self: Arc<Self>, hub: Hub, cancelled: CancellationToken) -> FeedTask {
        Box::pin(async move {
            self.finish_abandoned(&hub).await;
            while !cancelled.is_cancelled() {
                tokio::select! {
                    () = cancelled.cancelled() => {}
                    () = sleep(self.limits.silence) => self.finish_abandoned(&hub).await,
                }
            }
            cancelled.cancelled().await;
            self.stopping.cancel();
            self.tasks.close();
            self.tasks.wait().await;
        })
    }
}

/// What there is of an answer; `None` if there is none of this id.
pub fn read(hub: &Hub, id: &str) -> Option<Record> {
    if !is_id(id) {
        return None;
    }
    let wanted = HistoryQuery {
        count: hub.limits().events.saturating_add(2),
        ..HistoryQuery::newest()
    };
    let snapshot = hub.snapshot(&Topic::new(&answer_topic(id)).ok()?, &wanted);
    if snapshot.events.is_empty() {
        return None;
    }
    let has_ended = snapshot.has_ended;
    let mut record = Record {
        question: Question::default(),
        text: String::new(),
        finish: None,
        last_event_id: snapshot.last_event_id.to_string(),
    };
    for entry in &snapshot.events {
        let (event_type, data) = (entry.event.event_type.as_str(), &entry.event.data);
        match event_type {
            QUESTION_EVENT => record.question = serde_json::from_str(data).unwrap_or_default(),
            FINISH_EVENT => record.finish = serde_json::from_str(data).ok(),
            _ if entry.event.event_type.is_message() => record.text.push_str(data),
            _ => {}
        }
    }
    if has_ended && record.finish.is_none() {
        // The log took the end, and not what was before it.
        record.finish = Some(finish_of(&Stop::Failed(FailureCode::Interrupted.into())));
    }
    Some(record)
}

/// Takes a running answer off the list when it is over, also if its task panics.
struct Entry {
    all: Arc<Mutex<HashMap<String, Running>>>,
    id: String,
    running: Running,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.all.lock().remove(&self.id);
        self.running.over.cancel();
    }
}

/// The text that an answer has at first.
enum Text {
    /// An earlier answer had it. It is published to this one's topic.
    Begun(String),
    /// It is in the topic.
    Published(String),
}

impl Text {
    fn as_str(&self) -> &str {
        let (Self::Begun(text) | Self::Published(text)) = self;
        text
    }
}

/// One answer under way.
struct Answer<'a> {
    answers: &'a Answers,
    hub: &'a Hub,
    topic: &'a Topic,
    cancelled: &'a CancellationToken,
}

impl Answer<'_> {
    async fn run(&self, question: &Question, text: Text) {
        // The next run of this server goes on with it.
        let is_resumed_later = matches!(self.answers.responder, Responder::Documentation)
            && !self.hub.shares_its_log();
        let finish = tokio::select! {
            biased;
            () = self.cancelled.cancelled() => Finish {
                code: STOPPED.to_owned(),
                detail: "the answer was stopped".to_owned(),
                retry_after: None,
            },
            () = self.answers.stopping.cancelled() => {
                if is_resumed_later {
                    return;
                }
                finish_of(&Stop::Failed(FailureCode::Interrupted.into()))
            }
            stop = self.relay(question, &text) => match stop {
                Ok(stop) => finish_of(&stop),
                Err(error) => {
                    tracing::warn!("an answer cannot be published: {error}");
                    finish_of(&Stop::Failed(FailureCode::Interrupted.into()))
                }
            },
        };
        let finished = publish(self.hub, self.topic, FINISH_EVENT, to_json(&finish)).await;
        if let Err(error) = finished {
            tracing::warn!("how an answer finished cannot be published: {error}");
        }
        if let Err(error) = self.hub.end(self.topic).await {
            tracing::warn!("the topic of an answer cannot be ended: {error}");
        }
    }

    /// Publishes the text until there is no more. What is not published yet when the answer is stopped is given up: at most a
    /// thirtieth of a second, as a rule.
    async fn relay(&self, question: &Question, text: &Text) -> Result<Stop, PublishError> {
        let limits = self.answers.limits;
        let until = Instant::now() + limits.time;
        let mut pieces = Pieces::new(self.hub.limits().events, limits.time);
        let begun = text.as_str();
        let (mut length, mut pending) = match text {
            Text::Begun(begun) => (0, begun.clone()),
            Text::Published(text) => (text.len(), String::new()),
        };
        // Only this loop waits for the log, so that no more is read from the model's server than is published.
        let next = self.next(None, question, begun);
        tokio::pin!(next);
        let stop = loop {
            length += pending.len();
            if length > limits.bytes {
                let mut excess = pending.len() - (length - limits.bytes).min(pending.len());
                while !pending.is_char_boundary(excess) {
                    excess -= 1;
                }
                pending.truncate(excess);
                pieces.push(&pending);
                break Stop::Failed(FailureCode::TooLong.into());
            }
            pieces.push(&std::mem::take(&mut pending));
            tokio::select! {
                biased;
                () = sleep_until(pieces.due()), if !pieces.is_empty() => {
                    self.publish_piece(&mut pieces).await?;
                }
                () = sleep_until(until) => break Stop::Failed(FailureCode::TookTooLong.into()),
                // Not dropped while a piece is published: the model would be asked once more.
                (source, text) = &mut next => match text {
                    Ok(text) => {
                        pending = text.replace('\r', "");
                        next.set(self.next(source, question, begun));
                    }
                    Err(stop) => break stop,
                },
            }
        };
        while !pieces.is_empty() {
            self.publish_piece(&mut pieces).await?;
        }
        Ok(stop)
    }

    async fn publish_piece(&self, pieces: &mut Pieces) -> Result<(), PublishError> {
        let piece = pieces.take();
        publish(self.hub, self.topic, "", piece).await?;
        Ok(())
    }

    /// More of the text, from a source that is opened if there is none.
    async fn next(
        &self,
        source: Option<Source>,
        question: &Question,
        begun: &str,
    ) -> (Option<Source>, Result<String, Stop>) {
        let opened = match source {
            Some(source) => Ok(source),
            None => self.open(question, begun).await,
        };
        match opened {
            Ok(mut source) => {
                let text = source.next().await;
                (Some(source), text)
            }
            Err(failure) => (None, Err(Stop::Failed(failure))),
        }
    }

    async fn open(&self, question: &Question, begun: &str) -> Result<Source, Failure> {
        match &self.answers.responder {
            Responder::Upstream(upstream) => {
                let silence = self.answers.limits.silence;
                let completion = upstream.complete(question, begun, silence).await?;
                Ok(Source::Upstream(Box::new(completion)))
            }
            Responder::Documentation => {
                // The first question takes tens of milliseconds: not of a thread for which other tasks wait.
                let asked = question.question.clone();
                let found = spawn_blocking(move || documentation::answer(&asked));
                let answer = found.await.map_err(|_| FailureCode::Interrupted)?;
                // A continued answer is the same text from where it was.
                let rest = answer.strip_prefix(begun).unwrap_or(&answer).to_owned();
                Ok(Source::Documentation(documentation::Words::new(rest)))
            }
        }
    }
}

fn topic_of(id: &str) -> Result<Topic, PublishError> {
    // Letters and digits are always a name.
    Topic::new(&answer_topic(id)).map_err(|_| PublishError::Ended)
}

fn finish_of(stop: &Stop) -> Finish {
    match stop {
        Stop::Complete => Finish {
            code: COMPLETE.to_owned(),
            detail: "the answer is complete".to_owned(),
            retry_after: None,
        },
        Stop::Failed(Failure { code, retry_after }) => Finish {
            code: code.as_str().to_owned(),
            detail: code.detail().to_owned(),
            retry_after: *retry_after,
        },
    }
}

async fn publish(
    hub: &Hub,
    topic: &Topic,
    event_type: &'static str,
    data: String,
) -> Result<PublishReceipt, PublishError> {
    hub.publish(topic, request(event_type, data), Preconditions::default())
        .await
}

fn request(event_type: &'static str, data: String) -> PublishRequest {
    let event_type = match event_type {
        "" => EventType::default(),
        other => EventType::constant(other),
    };
    PublishRequest {
        event_type,
        ..PublishRequest::text(data)
    }
}

fn to_json(value: &impl serde::Serialize) -> String {
    // Texts and numbers: this cannot fail.
    serde_json::to_string(value).unwrap_or_default()
}
