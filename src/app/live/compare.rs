//! The seam between the page that compares an EventSource with a WebSocket and the browser: signals to show and controls to
//! call. In the browser both connections are behind them; on the server they keep what the page is rendered with.

use leptos::ev::MouseEvent;
use leptos::prelude::*;

use super::{Controls, connect_comparison};
use crate::app::comparison::{Attempt, Shown, Side};
use crate::app::texts::Texts;

/// A comparison as its page sees it. A cheap handle; copy it around.
#[derive(Clone, Copy)]
pub struct Comparison {
    /// Buttons, forms and fields.
    pub controls: Controls<CompareAction>,
    /// What its page says.
    pub texts: &'static Texts,
    /// What is shown; changes once per animation frame at most.
    pub shown: RwSignal<Shown>,
    /// How the newest experiment goes or has gone, for screen readers as well.
    pub said: RwSignal<String>,
}

/// What a reader does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompareAction {
    /// Hold everything that ticks, or let it go on.
    TogglePause,
    /// Close a connection, or open it again.
    Toggle(Side),
    /// Try something.
    Attempt(Attempt),
}

/// Shows a comparison as the server rendered it, and, once it runs in a browser, opens both connections until the calling
/// component goes.
pub fn use_comparison(id: &str, texts: &'static Texts) -> Comparison {
    let comparison = Comparison {
        controls: Controls::disabled(),
        texts,
        shown: RwSignal::new(Shown::default()),
        said: RwSignal::new(texts.compare.experiments_hint().to_owned()),
    };
    connect_comparison(comparison, id);
    comparison
}

impl Comparison {
    /// A text that follows from what is shown.
    pub fn text(self, text: impl Fn(&Shown) -> String + Send + Sync + 'static) -> Signal<String> {
        let text: Box<dyn Fn(&Shown) -> String + Send + Sync> = Box::new(text);
        Signal::derive(move || self.shown.with(&text))
    }

    /// The handler of a button. Before the page is hydrated nothing happens.
    pub fn on_press(self, action: CompareAction) -> impl Fn(MouseEvent) + Copy {
        move |_| {
            self.controls.perform(action);
        }
    }
}
