//! The sentences of the page of comparisons.

pub mod compare;
