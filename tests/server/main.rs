//! Whole-server tests: the real server on a real port, over TCP, read by a client of our own that shares no code with
//! it.
#![allow(clippy::expect_used, unreachable_pub)]

mod certificate;
mod client;
mod parser;
mod support;
mod way;

mod access;
mod answers;
mod chat;
mod clock_stream;
mod compare;
mod crowd;
mod encoder;
mod http;
mod language;
mod limits;
mod log_command;
mod metrics;
mod notifications;
mod presence;
mod problems;
mod process;
mod publish;
mod quotes;
mod scheduled;
mod slow_reader;
mod sockets;
mod tls;
mod topics;
mod ways;
mod websocket;
