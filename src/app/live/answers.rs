//! The seam between the page of answers and the browser: signals to show and controls to call. In the browser `fairwind.js` is
//! behind them, and the list of questions that the browser keeps; on the server they keep what the page is rendered with.

use leptos::ev::{KeyboardEvent, MouseEvent, SubmitEvent};
use leptos::prelude::*;

use super::{ConnectionSignals, Controls, connect_answers};
use crate::app::connection::{Connection, ReadyState};
use crate::app::markdown::Document;
use crate::app::texts::Texts;
use crate::protocol::answers::{AnswersPage, Finish};

/// The field of the question.
pub const QUESTION_ELEMENT_ID: &str = "question";

/// The element of the answer's text, which gets selected when the clipboard could not take it.
pub const TEXT_ELEMENT_ID: &str = "text";

/// The button that stops an answer.
pub const STOP_ELEMENT_ID: &str = "stop";

/// The button that asks the question again.
pub const AGAIN_ELEMENT_ID: &str = "again";

/// An answer and the form as their page sees them. A cheap handle; copy it around.
#[derive(Clone, Copy)]
pub struct Answers {
    /// What the page says.
    pub texts: &'static Texts,
    /// Buttons, forms and fields.
    pub controls: Controls<AnswersAction>,
    /// The connection.
    pub connection: ConnectionSignals,
    /// How the answer stands.
    pub state: RwSignal<AnswerState>,
    /// Its text, block by block.
    pub blocks: RwSignal<Vec<BlockSignals>>,
    /// Counts the changes of the text in the document.
    pub revision: RwSignal<u64>,
    /// The newest thing to say, for screen readers as well: never the text itself.
    pub said: RwSignal<String>,
    /// The questions that this browser has asked, the newest first.
    pub own: RwSignal<Vec<OwnQuestion>>,
}

/// A block of the text at the top level.
#[derive(Clone, Copy)]
pub struct BlockSignals {
    /// Its place among the blocks.
    pub number: usize,
    /// Safe HTML, by [`crate::app::markdown`]. Changes once per animation frame at most.
    pub html: RwSignal<String>,
}

/// How an answer stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerState {
    /// More of it may come.
    Writing,
    /// It is whole, or broke off.
    Over(Finish),
    /// The server does not have it any more.
    Lost,
}

/// A question that this browser has asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnQuestion {
    /// The id of its answer.
    pub id: String,
    /// The question, or its beginning.
    pub question: String,
}

/// What a reader does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswersAction {
    /// Ask what is in the field.
    Ask,
    /// Ask this.
    AskThis(String),
    /// Stop the answer.
    Stop,
    /// Go on from where the answer broke off.
    Continue,
    /// Ask the question of the answer once more.
    Again,
    /// Put the answer into the clipboard.
    Copy,
    /// Forget the questions that this browser has asked.
    Forget,
}

/// Shows an answer as the server rendered it, and, once it runs in a browser, subscribes to its topic until the answer is over or
/// the calling component goes.
pub fn use_answers(page: &AnswersPage, texts: &'static Texts) -> Answers {
    let answer = page.answer.as_ref();
    let document = Document::whole(answer.map_or("", |answer| &answer.text));
    let finish = answer.and_then(|answer| answer.finish.clone());
    let answers = Answers {
        texts,
        controls: Controls::disabled(),
        connection: ConnectionSignals {
            state: RwSignal::new(Connection::Snapshot),
            ready_state: RwSignal::new(ReadyState::Closed),
            seconds_left: RwSignal::new(0),
        },
        state: RwSignal::new(finish.map_or(AnswerState::Writing, AnswerState::Over)),
        blocks: RwSignal::new(blocks_of(&document)),
        revision: RwSignal::new(0),
        said: RwSignal::new(String::new()),
        own: RwSignal::new(Vec::new()),
    };
    connect_answers(answers, page, document);
    answers
}

fn blocks_of(document: &Document) -> Vec<BlockSignals> {
    let blocks = document.blocks().enumerate();
    let blocks = blocks.map(|(number, html)| BlockSignals::new(number, html));
    blocks.collect()
}

impl BlockSignals {
    /// A block with this HTML.
    pub(super) fn new(number: usize, html: &str) -> Self {
        Self {
            number,
            html: RwSignal::new(html.to_owned()),
        }
    }
}

impl Answers {
    /// Performs what the reader does. Before the page is hydrated nothing happens; returns whether it was performed.
    pub fn perform(self, action: AnswersAction) -> bool {
        self.controls.perform(action)
    }

    /// The handler of a button, whose form is sent only where the page cannot do it by itself.
    pub fn on_press(self, action: AnswersAction) -> impl Fn(MouseEvent) + Clone {
        move |event| {
            if self.perform(action.clone()) {
                event.prevent_default();
            }
        }
    }

    /// The handler of the form with the question.
    pub fn on_submit(self) -> impl Fn(SubmitEvent) + Copy {
        move |event| {
            if self.perform(AnswersAction::Ask) {
                event.prevent_default();
            }
        }
    }

    /// The handler of the question's field: Enter asks, unless it ends a character that is being composed.
    pub fn on_key(self) -> impl Fn(KeyboardEvent) + Copy {
        move |event| {
            let has_modifier = event.shift_key() || event.alt_key() || event.ctrl_key();
            // While an input method composes, Enter takes its proposal; Safari says so by 229 alone.
            let is_composing = event.is_composing() || event.key_code() == 229;
            let is_enter = event.key() == "Enter" && !is_composing && !has_modifier;
            if is_enter && self.perform(AnswersAction::Ask) {
                event.prevent_default();
            }
        }
    }

    /// A text that follows from the state of the answer and of the connection.
    pub fn text(
        self,
        text: fn(&Texts, &AnswerState, &Connection, u64) -> String,
    ) -> Signal<String> {
        let connection = self.connection;
        Signal::derive(move || {
            let seconds_left = connection.seconds_left.get();
            let of_state = |state: &AnswerState| {
                let of_connection =
                    |connection: &Connection| text(self.texts, state, connection, seconds_left);
                connection.state.with(of_connection)
            };
            self.state.with(of_state)
        })
    }

    /// An attribute without a value, which is there while the answer stands so.
    pub fn while_it_is(self, is: fn(&AnswerState) -> bool) -> Signal<Option<String>> {
        Signal::derive(move || self.state.with(is).then(String::new))
    }
}

impl AnswerState {
    /// Whether more of the answer may come.
    pub fn is_writing(&self) -> bool {
        *self == Self::Writing
    }

    /// Whether the server can ask the question once more.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Over(_))
    }

    /// Whether there is something to continue.
    pub fn is_unfinished(&self) -> bool {
        matches!(self, Self::Over(finish) if finish.may_continue())
    }
}
