//! What browsers show: pages that Leptos renders, the files that they load, and problems as pages.

pub(crate) mod assets;
pub(crate) mod pages;
pub(crate) mod problem_pages;
