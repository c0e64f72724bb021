//! The pages: the HTML document around them, and the application that the browser hydrates. What is on a page is in
//! [`pages`], what a page is made of in [`components`], every sentence in [`messages`]; how events arrive is behind
//! [`live`]. Which URL shows which page is the server's business.

pub mod backoff;
pub mod clock_text;
pub mod comparison;
pub mod components;
pub mod connection;
pub mod curl;
pub mod filter;
pub mod json_text;
pub mod live;
pub mod log_buffer;
pub mod messages;
pub mod pace;
pub mod page;
pub mod page_text;
pub mod pages;
pub mod publishing;
pub mod snippets;

use leptos::either::Either;
use leptos::html;
use leptos::prelude::*;

use crate::protocol::page::PageData;
use components::entry_scripts::{EntryPoint, EntryScripts, Modules};
use components::masthead::SiteLinks;
use components::programs::Programs;
use components::wind::Wind;
use page::Page;
use page_text::PageText;
use pages::compare::{ComparePage, CompareText};
use pages::help::HelpPage;
use pages::live::LivePage;
use pages::older::OlderPage;
use pages::problem::ProblemPage;
use pages::topics::TopicsPage;

/// The whole HTML document of a page. Only the server calls it; of a live page the browser hydrates the [`App`].
pub fn document(
    options: LeptosOptions,
    page: Page,
    modules: Modules,
    has_comparisons: bool,
) -> impl IntoView {
    provide_context(SiteLinks(messages::site_links_html(has_comparisons)));
    let title = title(&page);
    let folder = options.site_pkg_dir.to_string();
    let head = match &page {
        Page::Live(data) => {
            let description = matches!(data, PageData::Clock(_))
                .then(|| view! { <meta name="description" content=messages::PAGE_DESCRIPTION /> });
            let scripts = view! { <HydrationScripts options=options.clone() /> };
            view! { {description} {scripts} }.into_any()
        }
        Page::Problem(_) => view! { <meta name="robots" content="noindex" /> }.into_any(),
        Page::Topics(list) if !list.is_refreshing => {
            view! { <script type="module" src="/topics.js"></script> }.into_any()
        }
        Page::Compare(_) => {
            let description = view! { <meta name="description" content=messages::compare::LEDE /> };
            let style = view! { <link rel="stylesheet" href="/compare.css" /> };
            let entry = EntryPoint::Compare;
            (
                description,
                style,
                view! { <EntryScripts entry folder modules /> },
            )
                .into_any()
        }
        Page::Older(_) | Page::Topics(_) | Page::Help { .. } => ().into_any(),
    };
    let (live, still) = match page {
        Page::Live(data) => (Some(Either::Left(live(data))), None),
        Page::Older(page) => (None, Some(view! { <OlderPage page /> }.into_any())),
        Page::Topics(list) => (None, Some(view! { <TopicsPage list /> }.into_any())),
        Page::Help { origin, refusal } => {
            (None, Some(view! { <HelpPage origin refusal /> }.into_any()))
        }
        Page::Compare(page) => {
            provide_context(page);
            (Some(Either::Right(CompareApp())), None)
        }
        Page::Problem(problem) => (None, Some(view! { <ProblemPage problem /> }.into_any())),
    };
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
                // What the browser hydrates stands first.
                {live}
                {still}
                // Behind the page, and outside what is hydrated: decoration need not be in the WebAssembly.
                <Wind />
            </body>
        </html>
    }
}

fn title(page: &Page) -> String {
    match page {
        Page::Live(PageData::Clock(_)) => messages::PAGE_TITLE.to_owned(),
        Page::Live(PageData::Topic(page)) => messages::titled(&page.topic),
        Page::Older(page) => messages::titled(&messages::older_events(&page.topic)),
        Page::Topics(_) => messages::titled(messages::TOPICS),
        Page::Help { .. } => messages::titled(messages::HELP),
        Page::Compare(_) => messages::titled(messages::compare::TITLE),
        Page::Problem(problem) => messages::titled(messages::problem_heading(problem.status)),
    }
}

/// What the browser hydrates, and the programs that the page offers to copy.
fn live(data: PageData) -> impl IntoView {
    let programs = match &data {
        PageData::Clock(_) => None,
        PageData::Topic(page) => {
            let (origin, stream_path) = (page.origin.clone(), page.stream_path.clone());
            Some(view! { <Programs origin stream_path /> })
        }
    };
    provide_context(data);
    (App(), programs)
}

/// What the browser hydrates. It has no side effects besides those of its effects, which the server does not run.
#[component]
pub fn App() -> impl IntoView {
    // On the server this is the context that `document` provides; in the browser it is what the server wrote into the
    // page, so that both render the same.
    let PageText(page) = SharedValue::new_str(|| PageText(use_context::<PageData>())).into_inner();
    page.map(|data| view! { <LivePage data /> })
}

/// What the browser hydrates of the page that compares. It has an entry point of its own, so that no other page loads it.
#[component]
pub fn CompareApp() -> impl IntoView {
    let text = SharedValue::new_str(|| CompareText(use_context())).into_inner();
    text.0.map(|page| view! { <ComparePage page /> })
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
