//! The long wind over the sea, behind every page. Decoration: it says nothing, and nothing depends on it.

use leptos::prelude::*;

/// A few long lines.
#[component]
pub fn Wind() -> impl IntoView {
    view! {
        <svg class="wind" viewBox="0 0 1600 420" preserveAspectRatio="xMidYMin slice" aria-hidden="true" focusable="false">
            <path d="M-40 262C220 198 420 322 700 258S1180 150 1640 226" />
            <path d="M-40 288C240 232 450 340 720 280S1200 184 1640 262" />
            <path d="M-40 314C260 266 480 358 740 302S1220 218 1640 298" />
            <path d="M-40 340C280 300 510 376 760 324S1240 252 1640 334" />
            <path d="M-40 366C300 334 540 394 780 346S1260 286 1640 370" />
        </svg>
    }
}
