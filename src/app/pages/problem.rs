//! The page that answers a refused request: a path where nothing is, a token that is not accepted, a form that was not
//! taken. Static: the server renders it, and no script follows.

use leptos::prelude::*;

use crate::app::components::masthead::Masthead;
use crate::app::texts::Texts;
use crate::app::texts::problems::{ProblemTexts, heading, remedy, sentence};
use crate::protocol::locale::Locale;
use crate::protocol::problem::ProblemCode;
use crate::protocol::{CLOCK_PATH, TOPICS_PATH};

/// A request that was refused, and why.
#[derive(Debug, Clone)]
pub struct RefusedRequest {
    /// What is wrong.
    pub code: ProblemCode,
    /// What is wrong and what would be right, in the server's words, which are English.
    pub detail: String,
    /// Path of the page whose form sent the request.
    pub sent_from: Option<String>,
}

/// Says what is wrong and what to do, and leads back.
#[component]
pub fn ProblemPage(
    /// What it shows.
    problem: RefusedRequest,
    /// What the page says.
    texts: &'static Texts,
) -> impl IntoView {
    let words = ProblemTexts::of(texts.locale);
    let remedy = remedy(texts.locale, problem.code).map(|remedy| view! { <p>{remedy}</p> });
    let detail_lang = (texts.locale != Locale::English).then(|| Locale::English.tag());
    let back = problem
        .sent_from
        .map(|path| view! { <a href=path>{words.back_to_topic()}</a> });
    view! {
        <Masthead texts is_heading=false />
        <main id="main" class="problem">
            <p class="problem-status">{problem.code.status()}</p>
            <h1>{heading(texts.locale, problem.code)}</h1>
            <p lang=detail_lang>{sentence(&problem.detail)}</p>
            {remedy}
            <p class="ways-on">
                {back} <a href="/">{words.to_the_clock()}</a>
                <a href=TOPICS_PATH>{words.to_the_topics()}</a>
                <a href=CLOCK_PATH>{words.to_the_stream()}</a>
            </p>
        </main>
    }
}
