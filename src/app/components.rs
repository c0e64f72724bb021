//! What pages are made of: one visible thing per file, named after what the reader sees. Components show signals and
//! call controls; they know no sockets and no timers.

pub mod announcer;
pub mod answers;
pub mod button;
pub mod clock_face;
pub mod command;
pub mod compare;
pub mod connection_panel;
pub mod controls;
pub mod entry_scripts;
pub mod filter_field;
pub mod masthead;
pub mod message_log;
pub mod message_row;
pub mod open_form;
pub mod programs;
pub mod publish_form;
pub mod quotes;
pub mod requests;
pub mod stat;
pub mod terminal_panel;
pub mod topic_header;
pub mod wind;
