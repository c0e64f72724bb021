//! The form for a question, and the page of an answer: what was asked, how the answer stands, its text, and the requests that the
//! page is made of. Puts the parts in their places; leaves what each shows to it.

use std::sync::Arc;

use leptos::prelude::*;

use crate::app::components::answers::{
    AnswerControls, AnswerStatus, AnswerText, AskForm, OwnQuestions,
};
use crate::app::components::masthead::Masthead;
use crate::app::components::requests::Requests;
use crate::app::curl;
use crate::app::live::answers::{Answers, use_answers};
use crate::app::texts::{AnswersDocumentTexts, Texts};
use crate::protocol::answers::{self, ANSWERS_PATH, PageAnswer, answer_path, answer_topic};
use crate::protocol::page::{Refusal, start_of};
use crate::protocol::topic_path;

/// The same page in plain JavaScript.
const SOURCE_PATH: &str = "/answers.html";

/// The most of a question that stands in the page's heading, in bytes.
const MAX_HEADING_BYTES: usize = 240;

/// The page.
#[component]
pub fn AnswersPage(
    /// What it is rendered with.
    page: answers::AnswersPage,
    /// What the page says.
    texts: &'static Texts,
) -> impl IntoView {
    let answers = use_answers(&page, texts);
    let document = texts.answers_document;
    let is_answer = page.answer.is_some();
    let (skip, skip_to) = if is_answer {
        (document.skip_to_answer(), "#answer")
    } else {
        (document.skip_to_question(), "#question")
    };
    let id: Arc<str> = page.answer.as_ref().map_or("", |answer| &answer.id).into();
    let requests = requests(&page, document);
    // Optional each, since what Leptos does with a view of any type weighs a third of the page's WebAssembly.
    let model = page.model;
    let door = (!is_answer).then(|| view! { <Door answers model /> });
    let answer = page
        .answer
        .map(|answer| view! { <Answer answers answer /> });
    let form = page.refusal.is_none();
    let form = form.then(|| view! { <AskForm answers is_again=is_answer /> });
    let may_not_ask = page
        .refusal
        .map(|refusal| view! { <MayNotAsk texts refusal /> });
    view! {
        <a class="skip-link" href=skip_to>{skip}</a>
        <Masthead texts is_heading=false />
        <main id="main" class="answers-page" class:door=!is_answer>
            {door}
            {answer}
            <p id="said" class="said" role="status">{answers.said}</p>
            {may_not_ask}
            {form}
            <Requests texts requests>
                <p><a href=SOURCE_PATH>{document.source()}</a></p>
            </Requests>
            <OwnQuestions answers id />
        </main>
    }
}

/// What stands above the form of the page with the form alone.
#[component]
fn Door(
    /// What the page acts on.
    answers: Answers,
    /// What answers.
    model: Option<String>,
) -> impl IntoView {
    let document = answers.texts.answers_document;
    view! {
        <div class="answers-lede">
            <h1>{document.heading()}</h1>
            <p class="market">{source(answers.texts, model.as_deref())}</p>
            <p>{document.lede()}</p>
        </div>
    }
}

/// The answer and all about it.
#[component]
fn Answer(
    /// The answer as it changes.
    answers: Answers,
    /// The answer as the page was rendered with it.
    answer: PageAnswer,
) -> impl IntoView {
    let document = answers.texts.answers_document;
    let id: Arc<str> = answer.id.into();
    let question = answer.question;
    let (heading, is_cut) = start_of(&question.question, MAX_HEADING_BYTES);
    let heading = if is_cut {
        format!("{heading} …")
    } else {
        heading.to_owned()
    };
    let whole = is_cut.then(|| {
        view! {
            <details>
                <summary>{document.whole_question()}</summary>
                <p class="whole" dir="auto">{question.question}</p>
            </details>
        }
    });
    let continues = question.continues.map(|earlier| {
        view! { <a href=answer_path(&earlier)>{document.continues()}</a> }
    });
    let is_writing = answer.finish.is_none();
    let without_script =
        is_writing.then(|| view! { <noscript inner_html=document.without_script()></noscript> });
    view! {
        <div class="answers-lede">
            <p class="label">{document.question()}</p>
            <h1 class="asked" dir="auto">{heading}</h1>
            {whole}
            <p class="from">
                <span class="market">{source(answers.texts, question.model.as_deref())}</span>
                {continues}
            </p>
            {without_script}
        </div>
        <AnswerStatus answers />
        <AnswerText answers />
        <AnswerControls answers id />
    }
}

/// In place of the form.
#[component]
fn MayNotAsk(
    /// What the page says.
    texts: &'static Texts,
    /// Why.
    refusal: Refusal,
) -> impl IntoView {
    view! {
        <p class="may-not-ask">
            {texts.answers_document.may_not_ask()} " " {texts.refusal(&refusal)} ". "
            <span lang="en">{texts.server_words(&refusal)}</span>
        </p>
    }
}

/// Where answers come from. In the browser the document has it already.
fn source(texts: &Texts, model: Option<&str>) -> String {
    let document = texts.answers_document;
    match model {
        Some(model) => document.from_model(model),
        None => document.from_documentation().to_owned(),
    }
}

/// The three requests that the page is made of: what each does, and a command.
fn requests(
    page: &answers::AnswersPage,
    document: AnswersDocumentTexts,
) -> [(&'static str, String); 3] {
    let id = page.answer.as_ref().map_or("ID", |answer| &answer.id);
    let origin = &page.origin;
    let stream = format!("{}?last_event_id=earliest", topic_path(&answer_topic(id)));
    let ask = format!(
        "curl -d question='What survives a restart?' {}",
        curl::word(&format!("{origin}{ANSWERS_PATH}"))
    );
    let stop = curl::word(&format!("{origin}{}", answer_path(id)));
    [
        (document.request_ask(), ask),
        (document.request_stream(), curl::plain(origin, &stream)),
        (document.request_stop(), format!("curl -X DELETE {stop}")),
    ]
}
