//! The pages, one file each. Which URL shows which is decided by the server's router.

pub mod answers;
pub mod chat;
pub mod compare;
pub mod help;
pub mod live;
pub mod notifications;
pub mod older;
pub mod problem;
pub mod quotes;
pub mod topics;
