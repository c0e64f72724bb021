//! The script that brings a page to life which is not the clock's or a topic's. A release build has a module for each entry
//! point, with what that point reaches and nothing else (`scripts/shrink.mjs` cuts them); while developing, one module has
//! them all.

use leptos::nonce::use_nonce;
use leptos::prelude::*;

/// Where the WebAssembly begins, for a page with an entry point of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryPoint {
    /// The comparison of an EventSource with a WebSocket.
    Compare,
    /// Quotes.
    Quotes,
    /// Answers.
    Answers,
}

impl EntryPoint {
    /// The function that the module exports; see `lib.rs`.
    const fn function(self) -> &'static str {
        match self {
            Self::Compare => "hydrate_compare",
            Self::Quotes => "hydrate_quotes",
            Self::Answers => "hydrate_answers",
        }
    }

    /// The module's name where each entry point has one.
    pub const fn module(self) -> &'static str {
        match self {
            Self::Compare => "compare",
            Self::Quotes => "quotes",
            Self::Answers => "answers",
        }
    }
}

/// Which modules the site has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Modules {
    /// One for each entry point.
    Apart,
    /// One for all, of this name.
    Together(&'static str),
}

/// The preloads and the script.
#[component]
pub fn EntryScripts(
    /// Where the page's code begins.
    entry: EntryPoint,
    /// The folder of the modules in URLs, without slashes at its ends.
    folder: String,
    /// Which there are.
    modules: Modules,
) -> impl IntoView {
    let module = match modules {
        Modules::Apart => entry.module(),
        Modules::Together(name) => name,
    };
    let glue = format!("/{folder}/{module}.js");
    let wasm = format!("/{folder}/{module}.wasm");
    let script = format!(
        "import start,{{{} as hydrate}} from \"{glue}\";start({{module_or_path:\"{wasm}\"}}).then(hydrate)",
        entry.function()
    );
    view! {
        <link rel="modulepreload" href=glue />
        <link rel="preload" href=wasm r#as="fetch" r#type="application/wasm" crossorigin="anonymous" />
        <script type="module" nonce=use_nonce()>
            {script}
        </script>
    }
}
