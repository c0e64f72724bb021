//! The pages: the HTML document around them, and the application that the browser hydrates. What is on a page is in
//! [`pages`], what a page is made of in [`components`], every sentence in [`texts`]; how events arrive is behind
//! [`live`]. Which URL shows which page is the server's business.

pub mod clock_text;
pub mod comparison;
pub mod components;
pub mod connection;
pub mod curl;
pub mod examples;
pub mod filter;
pub mod json_text;
pub mod links;
pub mod live;
pub mod log_buffer;
pub mod markdown;
pub mod pace;
pub mod page;
pub mod page_text;
pub mod pages;
pub mod publishing;
pub mod quotes;
pub mod snippets;
pub mod texts;

use leptos::html;
use leptos::prelude::*;

use crate::protocol::locale::Locale;
use crate::protocol::page::{PageData, start_of};
use components::entry_scripts::{EntryPoint, EntryScripts, Modules};
use components::masthead::SiteLinks;
use components::programs::Programs;
use components::wind::Wind;
use page::{Page, SitePages};
use page_text::{
    AnswersPageData, AnswersPageText, ComparePageData, ComparePageText, LivePageData, PageText,
    QuotesPageData, QuotesPageText,
};
use pages::answers::AnswersPage;
use pages::chat::{ChatDoorPage, ChatPage};
use pages::compare::ComparePage;
use pages::help::HelpPage;
use pages::live::LivePage;
use pages::notifications::NotificationsPage;
use pages::older::OlderPage;
use pages::problem::ProblemPage;
use pages::quotes::QuotesPage;
use pages::topics::TopicsPage;
use texts::Texts;
use texts::chat::ChatTexts;
use texts::head::{HeadTexts, titled};
use texts::older::OlderTexts;
use texts::problems::heading;

/// The most of a question that stands in the title of its answer, in bytes.
const MAX_TITLE_BYTES: usize = 80;

/// The whole HTML document of a page, in one language. Only the server calls it; of a live page the browser hydrates the
/// [`App`].
pub fn document(
    options: LeptosOptions,
    page: Page,
    locale: Locale,
    modules: Modules,
    pages: SitePages,
) -> impl IntoView {
    let texts = Texts::of(locale);
    provide_context(SiteLinks(texts.site_links_html(page.path(), pages)));
    let title = title(&page, texts);
    let folder = options.site_pkg_dir.to_string();
    let head = match &page {
        Page::Live(data) => {
            let description = matches!(data, PageData::Clock(_)).then(|| {
                let description = HeadTexts::of(locale).clock_description();
                view! { <meta name="description" content=description /> }
            });
            let scripts = view! { <HydrationScripts options=options.clone() /> };
            view! {
                {description}
                // The glue imports it.
                <link rel="modulepreload" href="/fairwind.js" />
                {scripts}
            }
            .into_any()
        }
        Page::Problem(_) => view! { <meta name="robots" content="noindex" /> }.into_any(),
        Page::Topics(list) if !list.is_refreshing => {
            view! { <script type="module" src="/topics.js"></script> }.into_any()
        }
        Page::Compare(_) => {
            let description =
                view! { <meta name="description" content=texts.compare_document.lede() /> };
            let style = view! { <link rel="stylesheet" href="/compare.css" /> };
            let entry = EntryPoint::Compare;
            (
                description,
                style,
                view! { <EntryScripts entry folder modules /> },
            )
                .into_any()
        }
        Page::Quotes(_) => {
            let description =
                view! { <meta name="description" content=texts.quotes_document.lede() /> };
            let style = view! { <link rel="stylesheet" href="/quotes.css" /> };
            let entry = EntryPoint::Quotes;
            (
                description,
                style,
                // The glue imports it.
                view! { <link rel="modulepreload" href="/fairwind.js" /> },
                view! { <EntryScripts entry folder modules /> },
            )
                .into_any()
        }
        Page::Answers(page) => {
            let head = match page.answer {
                // Only those who have the link know of it.
                Some(_) => view! { <meta name="robots" content="noindex" /> }.into_any(),
                None => {
                    let lede = texts.answers_document.lede();
                    view! { <meta name="description" content=lede /> }.into_any()
                }
            };
            let entry = EntryPoint::Answers;
            (
                head,
                view! { <link rel="stylesheet" href="/answers.css" /> },
                // The glue imports it.
                view! { <link rel="modulepreload" href="/fairwind.js" /> },
                view! { <EntryScripts entry folder modules /> },
            )
                .into_any()
        }
        Page::ChatDoor(_) => view! { <link rel="stylesheet" href="/chat.css" /> }.into_any(),
        Page::Chat(_) => view! {
            <link rel="stylesheet" href="/chat.css" />
            <link rel="modulepreload" href="/fairwind.js" />
            <script type="module" src="/chat.js"></script>
        }
        .into_any(),
        Page::Notifications(_) => view! {
            <link rel="stylesheet" href="/notifications.css" />
            <link rel="modulepreload" href="/fairwind.js" />
            <script type="module" src="/notifications.js"></script>
        }
        .into_any(),
        Page::Older(_) | Page::Topics(_) | Page::Help { .. } => ().into_any(),
    };
    let (live, still) = match page {
        Page::Live(data) => (Some(live(data, texts).into_any()), None),
        Page::Older(page) => (None, Some(view! { <OlderPage page texts /> }.into_any())),
        Page::Topics(list) => (None, Some(view! { <TopicsPage list texts /> }.into_any())),
        Page::Help { origin, refusal } => (
            None,
            Some(view! { <HelpPage origin refusal texts /> }.into_any()),
        ),
        Page::Notifications(inbox) => (
            None,
            Some(view! { <NotificationsPage inbox texts /> }.into_any()),
        ),
        Page::Compare(page) => {
            provide_context(ComparePageData { page, texts });
            (Some(CompareApp().into_any()), None)
        }
        Page::Quotes(page) => {
            provide_context(QuotesPageData { page, texts });
            (Some(QuotesApp().into_any()), None)
        }
        Page::Answers(page) => {
            provide_context(AnswersPageData { page, texts });
            (Some(AnswersApp().into_any()), None)
        }
        Page::ChatDoor(door) => (None, Some(view! { <ChatDoorPage door texts /> }.into_any())),
        Page::Chat(room) => (None, Some(view! { <ChatPage room texts /> }.into_any())),
        Page::Problem(problem) => (
            None,
            Some(view! { <ProblemPage problem texts /> }.into_any()),
        ),
    };
    view! {
        <!DOCTYPE html>
        <html lang=locale.tag() dir="ltr">
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

fn title(page: &Page, texts: &Texts) -> String {
    match page {
        Page::Live(PageData::Clock(_)) => HeadTexts::of(texts.locale).clock_title().to_owned(),
        Page::Live(PageData::Topic(page)) => titled(&page.topic),
        Page::Older(page) => titled(&OlderTexts::of(texts.locale).heading(&page.topic)),
        Page::Topics(_) => titled(texts.site.topics()),
        Page::Help { .. } => titled(texts.site.help()),
        Page::Compare(_) => titled(texts.compare_document.title()),
        Page::Quotes(_) => titled(texts.quotes_document.title()),
        Page::Answers(page) => match &page.answer {
            Some(answer) => titled(start_of(&answer.question.question, MAX_TITLE_BYTES).0),
            None => titled(texts.answers_document.title()),
        },
        Page::ChatDoor(_) => titled(ChatTexts::of(texts.locale).title()),
        Page::Chat(room) => titled(&room.room),
        Page::Notifications(_) => titled(texts.site.notifications()),
        Page::Problem(problem) => titled(heading(texts.locale, problem.code)),
    }
}

/// What the browser hydrates, and the programs that the page offers to copy.
fn live(data: PageData, texts: &'static Texts) -> impl IntoView {
    let programs = match &data {
        PageData::Clock(_) => None,
        PageData::Topic(page) => {
            let (origin, stream_path) = (page.origin.clone(), page.stream_path.clone());
            Some(view! { <Programs origin stream_path /> })
        }
    };
    provide_context(LivePageData { data, texts });
    (App(), programs)
}

/// What the browser hydrates. It has no side effects besides those of its effects, which the server does not run.
#[component]
pub fn App() -> impl IntoView {
    // On the server this is the context that `document` provides; in the browser it is what the server wrote into the
    // page, so that both render the same.
    let PageText(page) =
        SharedValue::new_str(|| PageText(use_context::<LivePageData>())).into_inner();
    page.map(|LivePageData { data, texts }| view! { <LivePage data texts /> })
}

/// What the browser hydrates of the page that compares. It has an entry point of its own, so that no other page loads it.
#[component]
pub fn CompareApp() -> impl IntoView {
    let ComparePageText(page) =
        SharedValue::new_str(|| ComparePageText(use_context())).into_inner();
    page.map(|ComparePageData { page, texts }| view! { <ComparePage page texts /> })
}

/// What the browser hydrates of the page of quotes, which has an entry point of its own too.
#[component]
pub fn QuotesApp() -> impl IntoView {
    let QuotesPageText(page) = SharedValue::new_str(|| QuotesPageText(use_context())).into_inner();
    page.map(|QuotesPageData { page, texts }| view! { <QuotesPage page texts /> })
}

/// What the browser hydrates of the page of answers, which has an entry point of its own too.
#[component]
pub fn AnswersApp() -> impl IntoView {
    let AnswersPageText(page) =
        SharedValue::new_str(|| AnswersPageText(use_context())).into_inner();
    page.map(|AnswersPageData { page, texts }| view! { <AnswersPage page texts /> })
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
