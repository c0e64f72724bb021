//! The top of every page: the mark, the name, what it is, and the links to the other pages and to the other language.

use leptos::either::Either;
use leptos::prelude::*;

use crate::app::live::site_links;
use crate::app::texts::{NAME, Texts};

/// The links to the other pages and to the other language, as HTML. They are the server's alone: a browser that hydrates the
/// masthead leaves them as they are, so that they cost the WebAssembly nothing.
#[derive(Debug, Clone)]
pub struct SiteLinks(pub String);

/// The masthead. The mark is drawn by the stylesheet.
#[component]
pub fn Masthead(
    /// What the page says.
    texts: &'static Texts,
    /// Whether the name is the page's heading; it leads to the clock otherwise.
    is_heading: bool,
) -> impl IntoView {
    let name = if is_heading {
        Either::Left(view! { <h1 class="name">{NAME}</h1> })
    } else {
        Either::Right(view! { <p class="name"><a href="/">{NAME}</a></p> })
    };
    let links = site_links();
    view! {
        <header class="masthead">
            <span class="mark" aria-hidden="true"></span>
            {name}
            <p class="tagline">{texts.site.tagline()}</p>
            <nav class="site" aria-label=texts.site.links() inner_html=links></nav>
        </header>
    }
}
