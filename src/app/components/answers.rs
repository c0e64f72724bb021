//! The parts of the page of answers: the state of an answer with its buttons, the text, the form, and the list of the reader's own
//! questions.

use std::sync::Arc;

use leptos::ev::MouseEvent;
use leptos::html;
use leptos::prelude::*;

use crate::app::live::answers::{
    AGAIN_ELEMENT_ID, AnswerState, Answers, AnswersAction, QUESTION_ELEMENT_ID, STOP_ELEMENT_ID,
    TEXT_ELEMENT_ID,
};
use crate::app::live::on_change;
use crate::protocol::answers::{ANSWERS_PATH, STOP, answer_path};

/// How far from the end, in CSS pixels, a reader still counts as being there: fractions of pixels and a careless finger.
const NEAR_END: i32 = 16;

/// The longest question, in UTF-16 units, as a form counts. The server counts bytes, and refuses more.
const MAX_QUESTION_UNITS: &str = "8192";

/// How the answer stands, in words and shape.
#[component]
pub fn AnswerStatus(
    /// The answer.
    answers: Answers,
) -> impl IntoView {
    let state = answers
        .text(|texts, state, connection, _| texts.answer_state(state, connection).to_owned());
    let word =
        answers.text(|texts, state, connection, _| texts.answer_word(state, connection).to_owned());
    let detail = answers
        .text(|texts, state, connection, seconds| texts.answer_detail(state, connection, seconds));
    view! {
        <section id="state" class="connection" data-state=state aria-labelledby="state-heading">
            <h2 id="state-heading" class="label">{answers.texts.answers_document.state()}</h2>
            <div class="state">
                <span class="shape" aria-hidden="true"></span>
                <span class="word">{word}</span>
            </div>
            <p class="detail">{detail}</p>
        </section>
    }
}

/// What a reader can do with the answer: one form, which works without JavaScript. A button that is not offered keeps its place.
#[component]
pub fn AnswerControls(
    /// The answer.
    answers: Answers,
    /// Its id.
    id: Arc<str>,
) -> impl IntoView {
    let document = answers.texts.answers_document;
    let stop_path = format!("{}/{STOP}", answer_path(&id));
    let [continues, retries] = [(); 2].map(|()| id.to_string());
    view! {
        <form class="answer-controls" method="post" action=ANSWERS_PATH>
            <span class="either">
                <button
                    type="submit"
                    id=STOP_ELEMENT_ID
                    class="main"
                    formaction=stop_path
                    data-offered=answers.while_it_is(AnswerState::is_writing)
                    on:click=answers.on_press(AnswersAction::Stop)
                >
                    {document.stop()}
                </button>
                <button
                    type="submit"
                    id=AGAIN_ELEMENT_ID
                    name="retry"
                    value=retries
                    data-offered=answers.while_it_is(AnswerState::is_over)
                    on:click=answers.on_press(AnswersAction::Again)
                >
                    {document.again()}
                </button>
            </span>
            <button
                type="button"
                class="copy"
                data-offered=""
                disabled=answers.controls.is_disabled
                on:click=answers.on_press(AnswersAction::Copy)
            >
                {document.copy()}
            </button>
            <button
                type="submit"
                name="continue"
                value=continues
                class="main"
                data-offered=answers.while_it_is(AnswerState::is_unfinished)
                on:click=answers.on_press(AnswersAction::Continue)
            >
                {document.continue_()}
            </button>
        </form>
    }
}

/// The text. An answer that was over when the page was rendered stands in the page as long as it is; one that grows has a frame of
/// its own, so that nothing below it moves, and the frame follows the end while the reader is there.
#[component]
pub fn AnswerText(
    /// The answer.
    answers: Answers,
) -> impl IntoView {
    let scroller = NodeRef::<html::Div>::new();
    let is_following = RwSignal::new(true);
    let top_before = StoredValue::new(0);
    let is_growing = answers.state.with_untracked(AnswerState::is_writing);
    let is_busy = Signal::derive(move || {
        let is_writing = answers.state.with(AnswerState::is_writing);
        if is_writing { "true" } else { "false" }
    });
    let offers_jump = Signal::derive(move || {
        let is_behind = answers.state.with(AnswerState::is_writing) && !is_following.get();
        is_behind.then(String::new)
    });
    let follow = move || {
        let at_end = is_following.try_get_untracked().unwrap_or_default();
        if let Some(scroller) = scroller.try_get_untracked().flatten().filter(|_| at_end) {
            scroller.set_scroll_top(scroller.scroll_height());
        }
    };
    // In the next frame: the blocks are in the document then.
    on_change(Box::new(move || {
        if answers.revision.get() > 0 {
            request_animation_frame(follow);
        }
    }));
    // Only the reader moves up.
    let on_scroll = move |_| {
        let Some(scroller) = scroller.get_untracked() else {
            return;
        };
        let top = scroller.scroll_top();
        if top + scroller.client_height() >= scroller.scroll_height() - NEAR_END {
            is_following.set(true);
        } else if top < top_before.get_value() {
            is_following.set(false);
        }
        top_before.set_value(top);
    };
    let on_jump = move |_: MouseEvent| {
        is_following.set(true);
        follow();
    };
    view! {
        <div class="answer-frame">
            <div
                id="answer"
                class="answer-scroller"
                class:growing=is_growing
                role="region"
                aria-label=answers.texts.answers.answer()
                aria-busy=is_busy
                tabindex="0"
                node_ref=scroller
                on:scroll=on_scroll
            >
                <div id=TEXT_ELEMENT_ID class="prose">
                    <For
                        each=move || answers.blocks.get()
                        key=|block| block.number
                        children=move |block| view! { <div class="block" dir="auto" inner_html=block.html></div> }
                    />
                </div>
            </div>
            <button
                type="button"
                class="quiet jump"
                data-offered=offers_jump
                disabled=answers.controls.is_disabled
                on:click=on_jump
            >
                {answers.texts.answers.jump()}
            </button>
        </div>
    }
}

/// The form with the question, which works without JavaScript.
#[component]
pub fn AskForm(
    /// What it acts on.
    answers: Answers,
    /// Whether it stands below an answer.
    is_again: bool,
) -> impl IntoView {
    let document = answers.texts.answers_document;
    let label = if is_again {
        document.label_again()
    } else {
        document.label()
    };
    let examples = (!is_again).then(|| view! { <Examples answers /> });
    view! {
        <div class="ask">
            <form method="post" action=ANSWERS_PATH on:submit=answers.on_submit()>
                <label for=QUESTION_ELEMENT_ID>{label}</label>
                <textarea
                    id=QUESTION_ELEMENT_ID
                    name="question"
                    rows="3"
                    required
                    maxlength=MAX_QUESTION_UNITS
                    autocomplete="off"
                    enterkeyhint="send"
                    dir="auto"
                    aria-describedby="keys"
                    on:keydown=answers.on_key()
                ></textarea>
                <div class="ask-send">
                    <button type="submit" class="main">{document.ask()}</button>
                    <span id="keys" class="hint">{document.keys()}</span>
                </div>
            </form>
            {examples}
        </div>
    }
}

/// Questions to try. In the browser their texts are those of the document.
#[component]
fn Examples(
    /// What they act on.
    answers: Answers,
) -> impl IntoView {
    let document = answers.texts.answers_document;
    let examples = [
        document.example_1(),
        document.example_2(),
        document.example_3(),
    ];
    let on_click = move |event: MouseEvent| {
        let question = event_target_value(&event);
        if answers.perform(AnswersAction::AskThis(question)) {
            event.prevent_default();
        }
    };
    let examples = examples.map(|example| {
        view! {
            <button type="submit" name="question" value=example on:click=on_click>
                {example}
            </button>
        }
    });
    view! {
        <form class="examples" method="post" action=ANSWERS_PATH>
            <span class="hint">{document.examples()}</span>
            {examples}
        </form>
    }
}

/// The questions that this browser has asked. Only a hydrated page knows them, so their place is kept.
#[component]
pub fn OwnQuestions(
    /// What it shows.
    answers: Answers,
    /// The id of the page's own answer; empty if there is none.
    id: Arc<str>,
) -> impl IntoView {
    let texts = answers.texts.answers;
    let is_some = Signal::derive(move || {
        let is_some = answers.own.with(|own| !own.is_empty());
        is_some.then(String::new)
    });
    let hint = Signal::derive(move || {
        let is_empty = answers.own.with(Vec::is_empty);
        let hint = if is_empty {
            texts.own_empty()
        } else {
            texts.own_hint()
        };
        hint.to_owned()
    });
    view! {
        <section class="own" aria-labelledby="own-heading">
            <h2 id="own-heading">{texts.own()}</h2>
            <p class="hint">{hint}</p>
            <button
                type="button"
                class="quiet"
                data-offered=is_some
                disabled=answers.controls.is_disabled
                on:click=answers.on_press(AnswersAction::Forget)
            >
                {texts.forget()}
            </button>
            <ul tabindex="0" aria-labelledby="own-heading">
                <For
                    each=move || answers.own.get()
                    key=|own| own.id.clone()
                    children=move |own| {
                        let is_current = (*own.id == *id).then_some("page");
                        view! {
                            <li>
                                <a href=answer_path(&own.id) aria-current=is_current>
                                    {own.question}
                                </a>
                            </li>
                        }
                    }
                />
            </ul>
        </section>
    }
}
