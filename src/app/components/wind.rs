//! The long wind over the sea, behind the pages; some stylesheets leave it out. Decoration: it says nothing, and nothing depends on
//! it.

use leptos::prelude::*;

/// A few long lines.
#[component]
pub fn Wind() -> impl IntoView {
    view! {
        <svg class="wind" viewBox="0 0 1000 400" preserveAspectRatio="none" aria-hidden="true" focusable="false">
            <path d="M0 338C260 352 420 348 560 286S810 84 1000 56" />
            <path d="M0 341C260 355 430 354 570 302S820 140 1000 114" />
            <path d="M0 344C260 358 440 361 580 318S830 196 1000 172" />
            <path d="M0 347C260 361 450 368 590 334S840 252 1000 230" />
            <path d="M0 350C260 364 460 375 600 350S850 308 1000 288" />
        </svg>
    }
}
