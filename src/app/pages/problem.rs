//! The page that answers a refused request: a path where nothing is, a token that is not accepted, a form that was not
//! taken. Static: the server renders it, and no script follows.

use leptos::prelude::*;

use crate::app::components::masthead::Masthead;
use crate::app::messages;
use crate::protocol::{CLOCK_PATH, TOPICS_PATH};

/// A request that was refused, and why.
#[derive(Debug, Clone)]
pub struct RefusedRequest {
    /// The HTTP status of the answer.
    pub status: u16,
    /// What is wrong, and what would be right.
    pub detail: String,
    /// Path of the page whose form sent the request.
    pub sent_from: Option<String>,
}

/// Says what is wrong and what to do, and leads back.
#[component]
pub fn ProblemPage(
    /// What it shows.
    problem: RefusedRequest,
) -> impl IntoView {
    let remedy = messages::problem_remedy(problem.status);
    let remedy = (!remedy.is_empty()).then(|| view! { <p>{remedy}</p> });
    let back = problem
        .sent_from
        .map(|path| view! { <a href=path>{messages::BACK_TO_TOPIC}</a> });
    view! {
        <Masthead is_heading=false />
        <main id="main" class="problem">
            <p class="problem-status">{problem.status}</p>
            <h1>{messages::problem_heading(problem.status)}</h1>
            <p>{messages::sentence(&problem.detail)}</p>
            {remedy}
            <p class="ways-on">
                {back} <a href="/">{messages::TO_THE_CLOCK}</a>
                <a href=TOPICS_PATH>{messages::TO_THE_TOPICS}</a>
                <a href=CLOCK_PATH>{messages::TO_THE_STREAM}</a>
            </p>
        </main>
    }
}
