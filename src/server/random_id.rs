//! Names that a client cannot guess: 128 random bits in 22 characters of URL-safe Base64.
//!
//! ```text
//! let id = random_id::new()?;
//! assert!(random_id::is_one(&id));
//! ```

use tokio_rustls::rustls::crypto::ring;

use crate::protocol::problem::ProblemCode;
use crate::server::http::problem::Problem;

const CHARACTERS: usize = 22;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A name that no client has.
///
/// # Errors
///
/// A problem if the system's random source fails.
pub(in crate::server) fn new() -> Result<String, Problem> {
    let mut bytes = [0; 16];
    ring::default_provider()
        .secure_random
        .fill(&mut bytes)
        .map_err(|_| {
            Problem::new(
                ProblemCode::Unavailable,
                "the system gives the server no random bytes; try again",
            )
        })?;
    let mut number = u128::from_le_bytes(bytes);
    let mut text = String::with_capacity(CHARACTERS);
    for _ in 0..CHARACTERS {
        text.push(ALPHABET[(number % 64) as usize].into());
        number /= 64;
    }
    Ok(text)
}

/// Whether a text can be one.
pub(in crate::server) fn is_one(text: &str) -> bool {
    text.len() == CHARACTERS && text.bytes().all(|byte| ALPHABET.contains(&byte))
}
