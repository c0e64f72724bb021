//! What threads share by hand, tried in every order in which they can meet, by a model checker.

mod commands;
mod staging;
