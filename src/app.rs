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
use components::wind::Wind;
use page_text::PageText;
use pages::clock::ClockPage;
use pages::not_found::NotFoundPage;
use pages::topic::LiveTopicPage;
use pages::topics::{TopicList, TopicsPage};

/// The whole HTML document of a topic's page. Only the server calls it; the browser hydrates its [`App`].
pub fn shell(options: LeptosOptions, page: TopicPage) -> impl IntoView {
    let title = match page.is_clock {
        true => messages::PAGE_TITLE.to_owned(),
        false => messages::topic_title(&page.topic),
    };
    let description = page
        .is_clock
        .then(|| view! { <meta name="description" content=messages::PAGE_DESCRIPTION /> });
    provide_context(page);
    view! {
        <!DOCTYPE html>
        <html lang="en" dir="ltr">
            <head>
                <CommonHead options=options.clone() />
                <title>{title}</title>
                {description}
                <AutoReload options=options.clone() />
                <HydrationScripts options=options />
            </head>
            <body>
                <App />
                // Behind the page, and outside what is hydrated: decoration need not be in the WebAssembly.
                <Wind />
            </body>
        </html>
    }
}

/// The whole HTML document that answers a path where nothing is. It has no script: there is nothing to bring to life.
pub fn not_found_shell(options: LeptosOptions) -> impl IntoView {
    view! {
        <!DOCTYPE html>
        <html lang="en" dir="ltr">
            <head>
                <CommonHead options=options.clone() />
                <title>{messages::NOT_FOUND_TITLE}</title>
                <meta name="robots" content="noindex" />
                <AutoReload options=options />
            </head>
            <body>
                <NotFoundPage />
                <Wind />
            </body>
        </html>
    }
}

/// The whole HTML document that lists the topics. It has no script either.
pub fn topics_shell(options: LeptosOptions, list: TopicList) -> impl IntoView {
    view! {
        <!DOCTYPE html>
        <html lang="en" dir="ltr">
            <head>
                <CommonHead options=options.clone() />
                <title>{messages::TOPICS_TITLE}</title>
                <AutoReload options=options />
            </head>
            <body>
                <TopicsPage list />
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
