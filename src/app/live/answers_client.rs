//! The page of answers, in the browser: subscribes to the topic of an answer that is being written, shows what arrives once per
//! animation frame, and performs what the reader does. Leaves what is shown to [`crate::app::markdown`], and the stream to
//! `fairwind.js`.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use leptos::prelude::*;

use super::answers::{
    AGAIN_ELEMENT_ID, AnswerState, Answers, AnswersAction, BlockSignals, OwnQuestion,
    QUESTION_ELEMENT_ID, STOP_ELEMENT_ID, TEXT_ELEMENT_ID,
};
use super::client::{Client, ClientEvent};
use super::start::{performer, when_hydrated};
use super::{refusal, set_if_changed};
use crate::app::connection::Connection;
use crate::app::markdown::Document;
use crate::browser::animation_frame::FrameTask;
use crate::browser::fairwind::Wanted;
use crate::browser::json::{Object, quoted};
use crate::browser::request::{self, TextResponse};
use crate::browser::timer::Interval;
use crate::browser::{clipboard, document, location, storage};
use crate::protocol::answers::{
    ANSWERS_PATH, AnswersPage, FINISH_EVENT, Finish, PageAnswer, STOP, answer_path, answer_topic,
    is_id,
};
use crate::protocol::page::start_of;

/// How often countdowns are looked at.
const TICK: Duration = Duration::from_secs(1);

/// How many ticks the response with the whole answer may take before it is asked for again.
const MAX_READ_TICKS: u32 = 10;

/// What the list of the reader's questions is stored under.
const OWN: &str = "fairwind answers";

/// The most questions in the list, and the most that it keeps of each, in bytes.
const MAX_OWN: usize = 50;
const MAX_OWN_BYTES: usize = 200;

/// Subscribes once the page is hydrated.
pub(super) fn connect(answers: Answers, page: &AnswersPage, document: Document) {
    let answer = page.answer.clone().unwrap_or_default();
    let document = Cell::new(document);
    when_hydrated(move || AnswersClient::start(answers, answer.clone(), document.take()));
}

/// Everything that lives as long as the page does. Callbacks hold it weakly.
struct AnswersClient {
    this: Weak<AnswersClient>,
    answers: Answers,
    id: String,
    question: String,
    document: RefCell<Document>,
    client: Rc<Client>,
    frame: FrameTask,
    is_asking: Cell<bool>,
    reading: Cell<Reading>,
    /// How many requests for the whole answer have been sent.
    reads: Cell<u32>,
    ticker: RefCell<Option<Interval>>,
}

/// Whether the page reads the whole answer, where the stream alone does not say what there is of it. Until it has, what the
/// stream brings is left out: the page subscribes again from the end of what it has read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// What the page shows is what the stream has brought.
    Done,
    /// The last request is under way, for so many ticks.
    UnderWay(u32),
    /// The last request had no useful response.
    Failed,
}

impl AnswersClient {
    fn start(answers: Answers, answer: PageAnswer, document: Document) -> Rc<Self> {
        let this = Rc::new_cyclic(|this: &Weak<Self>| {
            let on_event = {
                let this = Weak::clone(this);
                move |event: ClientEvent<'_>| {
                    if let Some(client) = this.upgrade() {
                        client.hear(&event);
                    }
                }
            };
            let frame = Weak::clone(this);
            Self {
                this: Weak::clone(this),
                answers,
                client: Client::new(
                    answers.connection,
                    Wanted::events_of(&answer_topic(&answer.id)),
                    answer.last_event_id,
                    Box::new(on_event),
                ),
                id: answer.id,
                question: answer.question.question,
                document: RefCell::new(document),
                frame: FrameTask::new(move || {
                    if let Some(client) = frame.upgrade() {
                        client.show();
                    }
                }),
                is_asking: Cell::new(false),
                reading: Cell::new(Reading::Done),
                reads: Cell::new(0),
                ticker: RefCell::new(None),
            }
        });
        let perform = performer(&this, Self::perform);
        answers.controls.enable(perform);
        answers.own.set(own());
        // An answer that is over has nothing to subscribe to.
        if !this.id.is_empty() && this.is_writing() {
            this.ticker.replace(Interval::every(TICK, {
                let client = Weak::clone(&this.this);
                move || {
                    if let Some(client) = client.upgrade() {
                        client.tick();
                    }
                }
            }));
            this.client.connect();
        }
        this
    }

    fn is_writing(&self) -> bool {
        self.answers.state.with_untracked(AnswerState::is_writing)
    }

    fn hear(&self, event: &ClientEvent<'_>) {
        match event {
            ClientEvent::News("event", news) if self.reading.get() == Reading::Done => {
                self.on_event(news);
            }
            // The log is another one, or its beginning has expired.
            ClientEvent::News("gap", _) => self.read(),
            ClientEvent::Changing(Connection::Ended) => self.read(),
            ClientEvent::News(..) | ClientEvent::Changing(_) | ClientEvent::Lost => {}
        }
    }

    fn on_event(&self, news: &Object) {
        let data = news.text("data").unwrap_or_default();
        match news.text("type").as_deref() {
            Some("message") => {
                // As the server renders it.
                let data = data.replace('\0', "\u{fffd}");
                self.document.borrow_mut().append(&data);
                self.frame.request();
            }
            Some(FINISH_EVENT) => {
                if let Some(finish) = Object::read(&data) {
                    self.finish(finish_of(&finish));
                }
            }
            _ => {}
        }
    }

    fn finish(&self, finish: Finish) {
        // Also in a page that the reader does not see, which has no frames.
        self.show();
        let said = self.answers.texts.answer_said(&finish);
        // The button that stops gives way to another, and the focus goes with it.
        let is_at_stop = document::has_focus(STOP_ELEMENT_ID);
        set_if_changed(self.answers.state, AnswerState::Over(finish));
        if is_at_stop {
            request_animation_frame(|| document::focus(AGAIN_ELEMENT_ID));
        }
        self.say(said);
    }

    fn tick(&self) {
        self.client.tick();
        match self.reading.get() {
            Reading::UnderWay(ticks) if ticks < MAX_READ_TICKS => {
                self.reading.set(Reading::UnderWay(ticks + 1));
            }
            // The network may have gone since: then no server gets the request.
            Reading::UnderWay(_) | Reading::Failed => self.read(),
            Reading::Done => {}
        }
    }

    /// Reads the whole answer, and goes on from its end. Only the last such request counts.
    fn read(&self) {
        if !self.is_writing() {
            return;
        }
        self.reading.set(Reading::UnderWay(0));
        let number = self.reads.get() + 1;
        self.reads.set(number);
        let this = Weak::clone(&self.this);
        request::get(&answer_path(&self.id), move |response| {
            let client = this.upgrade();
            if let Some(client) = client.filter(|client| client.reads.get() == number) {
                client.on_read(response);
            }
        });
    }

    fn on_read(&self, response: Option<TextResponse>) {
        self.reading.set(Reading::Done);
        match response {
            Some(TextResponse { status: 200, text }) => {
                let answer = Object::read(&text).unwrap_or_default();
                let text = answer.text("text").unwrap_or_default();
                let mut document = Document::default();
                document.append(&text.replace('\0', "\u{fffd}"));
                self.document.replace(document);
                self.frame.request();
                let finish = answer.object("finish");
                if finish.text("code").is_some() {
                    self.finish(finish_of(&finish));
                    self.disconnect();
                } else {
                    let end = answer.text("last_event_id").unwrap_or_default();
                    self.client.go_on_from(end);
                }
            }
            Some(TextResponse { status: 404, .. }) => {
                self.answers.state.try_set(AnswerState::Lost);
                self.say(self.answers.texts.answers.lost_detail());
                self.disconnect();
            }
            Some(_) | None => self.reading.set(Reading::Failed),
        }
    }

    /// Ends the subscription, where the server may not say by itself that the topic has ended.
    fn disconnect(&self) {
        let connection = self.answers.connection.state;
        if !connection.with_untracked(Connection::is_over) {
            self.client.toggle();
        }
    }

    /// Brings the page up to date with all that has arrived since the last frame.
    fn show(&self) {
        let mut document = self.document.borrow_mut();
        let first = document.render();
        let count = document.blocks().count();
        let shown = self.answers.blocks.with_untracked(Vec::clone);
        let mut added = Vec::new();
        for (number, html) in document.blocks().enumerate().skip(first) {
            match shown.get(number) {
                Some(block) => set_if_changed(block.html, html.to_owned()),
                None => added.push(BlockSignals::new(number, html)),
            }
        }
        if count != shown.len() {
            self.answers.blocks.update(|blocks| {
                blocks.truncate(count);
                blocks.extend(added);
            });
        }
        self.answers.revision.update(|revision| *revision += 1);
    }

    fn perform(&self, action: AnswersAction) {
        match action {
            AnswersAction::Ask => {
                let question = document::value_of(QUESTION_ELEMENT_ID).unwrap_or_default();
                self.ask_this(&question);
            }
            AnswersAction::AskThis(question) => self.ask_this(&question),
            AnswersAction::Stop => self.stop(),
            AnswersAction::Continue => self.ask("continue", &self.id, &self.question),
            AnswersAction::Again => self.ask("retry", &self.id, &self.question),
            AnswersAction::Copy => self.copy(),
            AnswersAction::Forget => {
                storage::remove(OWN);
                self.answers.own.set(Vec::new());
                self.say(self.answers.texts.answers.forgotten());
            }
        }
    }

    fn ask_this(&self, question: &str) {
        let question = question.trim();
        if question.is_empty() {
            self.say(self.answers.texts.answers.empty());
        } else {
            self.ask("question", question, question);
        }
    }

    /// Asks with one member, and goes to the page of the answer. The list gets the question.
    fn ask(&self, member: &str, value: &str, question: &str) {
        if self.is_asking.replace(true) {
            return;
        }
        self.say(self.answers.texts.answers.asking());
        let body = format!("{{{}:{}}}", quoted(member), quoted(value));
        let question = start_of(question, MAX_OWN_BYTES).0.to_owned();
        let this = Weak::clone(&self.this);
        request::post_json(ANSWERS_PATH, &body, move |response| {
            let Some(client) = this.upgrade() else {
                return;
            };
            client.is_asking.set(false);
            let begun = response.as_ref().filter(|response| response.status == 201);
            let begun = begun.and_then(|response| Object::read(&response.text)?.text("answer"));
            match begun.filter(|id| is_id(id)) {
                Some(id) => {
                    let path = answer_path(&id);
                    remember(OwnQuestion { id, question });
                    location::go_to(&path);
                }
                None => client.say_refused(response),
            }
        });
    }

    fn stop(&self) {
        let path = format!("{}/{STOP}", answer_path(&self.id));
        let this = Weak::clone(&self.this);
        request::post_json(&path, "{}", move |response| {
            // The stream says that it has stopped.
            let is_done = response
                .as_ref()
                .is_some_and(|response| response.status < 400);
            if let Some(client) = this.upgrade().filter(|_| !is_done) {
                client.say_refused(response);
            }
        });
    }

    fn copy(&self) {
        let this = Weak::clone(&self.this);
        clipboard::write(self.document.borrow().text(), move |is_done| {
            let Some(client) = this.upgrade() else {
                return;
            };
            let texts = client.answers.texts.answers;
            if is_done {
                client.say(texts.copied());
            } else {
                document::select_text_of(TEXT_ELEMENT_ID);
                client.say(texts.not_copied());
            }
        });
    }

    fn say_refused(&self, response: Option<TextResponse>) {
        let texts = self.answers.texts;
        let said = match response {
            Some(response) => {
                let problem = Object::read(&response.text).unwrap_or_default();
                let refusal = refusal(response.status.into(), &problem);
                texts.answers.ask_refused(&texts.refusal(&refusal))
            }
            None => texts.answers.unanswered().to_owned(),
        };
        self.say(&said);
    }

    fn say(&self, said: &str) {
        self.answers.said.try_set(said.to_owned());
    }
}

fn finish_of(finish: &Object) -> Finish {
    Finish {
        code: finish.text("code").unwrap_or_default(),
        detail: finish.text("detail").unwrap_or_default(),
        retry_after: Some(finish.count("retry_after")).filter(|seconds| *seconds > 0),
    }
}

/// The questions that this browser has asked.
fn own() -> Vec<OwnQuestion> {
    let stored = storage::read(OWN).and_then(|stored| Object::read(&stored));
    let stored = stored.map(|stored| stored.objects("answers"));
    let own = stored.into_iter().flatten().filter_map(|own| {
        Some(OwnQuestion {
            // What stands in a link.
            id: own.text("id").filter(|id| is_id(id))?,
            question: own.text("question")?,
        })
    });
    own.take(MAX_OWN).collect()
}

/// Puts a question before the others, of which the oldest are forgotten.
fn remember(question: OwnQuestion) {
    let mut all = vec![question];
    all.extend(own());
    all.truncate(MAX_OWN);
    let all = all.iter().map(|own| {
        let (id, question) = (quoted(&own.id), quoted(&own.question));
        format!("{{\"id\":{id},\"question\":{question}}}")
    });
    let all = all.collect::<Vec<_>>().join(",");
    storage::write(OWN, &format!("{{\"answers\":[{all}]}}"));
}
