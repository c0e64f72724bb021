//! The pages: the HTML document around them, and the application that the browser hydrates. What is on a page is in
//! [`pages`], what a page is made of in [`components`], every sentence in [`messages`]; how events arrive is behind
//! [`live`]. Which URL shows which page is the server's business.

pub mod backoff;
pub mod clock_text;
pub mod components;
pub mod connection;
pub mod curl;
pub mod filter;
pub mod json_text;
pub mod live;
pub mod log_buffer;
pub mod messages;
pub mod page_text;
pub mod pages;
pub mod snippets;

use leptos::either::Either;
use leptos::html;
use leptos::prelude::*;

use crate::protocol::page::TopicPage;
use components::programs::Programs;
use components::wind::Wind;
use page_text::PageText;
use pages::clock::ClockPage;
use pages::help::HelpPage;
use pages::older::OlderPage;
use pages::problem::{ProblemPage, RefusedRequest};
use pages::topic::LiveTopicPage;
use pages::topics::{TopicList, TopicsPage};

/// The whole HTML document of a topic's page. Only the server calls it; the browser hydrates its [`App`].
pub fn shell(options: LeptosOptions, page: TopicPage) -> impl IntoView {
    let title = match page.is_clock {
        true => messages::PAGE_TITLE.to_owned(),
        false => messages::titled(&page.topic),
    };
    let description = page
        .is_clock
        .then(|| view! { <meta name="description" content=messages::PAGE_DESCRIPTION /> });
    let programs = (!page.is_clock).then(|| {
        let (origin, stream_path) = (page.origin.clone(), page.stream_path.clone());
        view! { <Programs origin stream_path /> }
    });
    provide_context(page);
    let scripts = view! { <HydrationScripts options=options.clone() /> };
    document(options, title, (description, scripts), (App(), programs))
}

/// The whole HTML document of a request that was refused. Like all that follow it has no script: there is nothing to bring
/// to life.
pub fn problem_shell(options: LeptosOptions, problem: RefusedRequest) -> impl IntoView {
    let title = messages::titled(messages::problem_heading(problem.status));
    let robots = view! { <meta name="robots" content="noindex" /> };
    let page = view! { <ProblemPage problem /> };
    document(options, title, robots, page)
}

/// The whole HTML document that lists the topics.
pub fn topics_shell(options: LeptosOptions, list: TopicList) -> impl IntoView {
    let title = messages::titled(messages::TOPICS);
    document(options, title, (), view! { <TopicsPage list /> })
}

/// The whole HTML document of a topic's older events.
pub fn older_shell(options: LeptosOptions, page: TopicPage) -> impl IntoView {
    let title = messages::titled(&messages::older_events(&page.topic));
    document(options, title, (), view! { <OlderPage page /> })
}

/// The whole HTML document that says what the server can do.
pub fn help_shell(options: LeptosOptions, origin: String, refusal: String) -> impl IntoView {
    let title = messages::titled(messages::HELP);
    document(options, title, (), view! { <HelpPage origin refusal /> })
}

/// An HTML document. What the browser hydrates stands first in its body.
fn document(
    options: LeptosOptions,
    title: String,
    head: impl IntoView,
    body: impl IntoView,
) -> impl IntoView {
    view! {
        <!DOCTYPE html>
        <html lang="en" dir="ltr">
            <head>
                <CommonHead options=options.clone() />
                <title>{title}</title>
                <AutoReload options=options />
                {head}
            </head>
            <body>
                {body}
                // Behind the page, and outside what is hydrated: decoration need not be in the WebAssembly.
                <Wind />
            </body>
        </html>
    }
}

/// What the browser hydrates. It has no side effects besides those of its effects, which the server does not run.
#[component]
pub fn App() -> impl IntoView {
    // On the server this is the context that `shell` provides; in the browser it is what the server wrote into the
    // page, so that both render the same.
    let PageText(page) = SharedValue::new_str(|| PageText(use_context::<TopicPage>())).into_inner();
    page.map(|page| match page.is_clock {
        true => Either::Left(view! { <ClockPage page /> }),
        false => Either::Right(view! { <LiveTopicPage page /> }),
    })
}

/// What stands in the head of every document.
#[component]
fn CommonHead(
    /// Says where the stylesheet is.
    options: LeptosOptions,
) -> impl IntoView {
    let stylesheet = format!("/{}/{}.css", options.site_pkg_dir, options.output_name);
    view! {
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        // The colours of --ground in style/tokens.css, which a browser paints its own bars with.
        {theme_color("(prefers-color-scheme: light)", "#f2f6f7")}
        {theme_color("(prefers-color-scheme: dark)", "#08151e")}
        <link rel="icon" href="/favicon.svg" type="image/svg+xml" />
        <link rel="stylesheet" id="leptos" href=stylesheet />
    }
}

/// By hand, since `view!` knows no `media` for `<meta>`.
fn theme_color(media: &'static str, color: &'static str) -> impl IntoView {
    html::meta()
        .name("theme-color")
        .content(color)
        .attr("media", media)
}
