//! The pages, one file each. Which URL shows which is decided by the server's router.

pub mod clock;
pub mod help;
pub mod older;
pub mod problem;
pub mod topic;
pub mod topics;
