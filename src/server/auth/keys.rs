//! The keys that tokens are checked with, which can be changed while the server runs.

use std::sync::Arc;

use parking_lot::RwLock;

use super::token::VerificationKey;

/// The keys of some files, as they were read last; clones share them.
#[derive(Clone)]
pub(in crate::server) struct Keys(Arc<RwLock<Arc<[VerificationKey]>>>);

impl Keys {
    /// Keys that have been read from files.
    pub(in crate::server) fn new(keys: Vec<VerificationKey>) -> Self {
        Self(Arc::new(RwLock::new(keys.into())))
    }

    /// The keys that count now.
    pub(super) fn current(&self) -> Arc<[VerificationKey]> {
        Arc::clone(&self.0.read())
    }

    /// Whether there are none. This never changes: files are read again, but none is added.
    pub(in crate::server) fn is_empty(&self) -> bool {
        self.current().is_empty()
    }

    /// Reads the files again, for every token that is checked from now on. If one of them cannot be used, that is logged,
    /// and all old keys stay.
    pub(in crate::server) fn reload(&self) {
        let read: Result<Arc<[_]>, _> = self
            .current()
            .iter()
            .map(VerificationKey::read_again)
            .collect();
        match read {
            Ok(keys) => {
                *self.0.write() = keys;
                tracing::info!("tokens are checked with the keys as they are now");
            }
            Err(error) => tracing::error!("{error}; the old keys stay"),
        }
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::Algorithm;

    use super::*;
    use crate::server::auth::signing::SigningKey;
    use crate::server::auth::token::{TokenError, verify};

    #[test]
    fn changed_files_are_read_again_and_broken_ones_change_nothing() {
        let file = |name: &str, text: &str| {
            let name = format!("fairwind-{}-reload-{name}", std::process::id());
            let path = std::env::temp_dir().join(name);
            std::fs::write(&path, text).expect("a file");
            path.to_str().expect("UTF-8").to_owned()
        };
        let token_by = |path: &str| {
            let key = SigningKey::from_secret_file(path).expect("a key");
            key.sign(&serde_json::json!({"exp": 1e10}))
                .expect("a token")
        };
        let [first, second] = ["first", "second"].map(|name| file(name, &name.repeat(10)));
        let read = |path| VerificationKey::from_secret_file(path).expect("a key");
        let keys = Keys::new(vec![read(&first), read(&second)]);
        let check = |token: &str| verify::<serde_json::Value>(token, &keys.current()).map(drop);
        let old = token_by(&first);
        assert_eq!(check(&old), Ok(()));

        file("first", &"renewed".repeat(10));
        let new = token_by(&first);
        file("second", "short");
        keys.reload();
        assert_eq!(check(&old), Ok(()), "one file is broken");

        file("second", &"second".repeat(10));
        keys.reload();
        assert_eq!(check(&new), Ok(()));
        assert_eq!(
            check(&old),
            Err(TokenError::WrongSignature(Algorithm::HS256))
        );
        assert_eq!(check(&token_by(&second)), Ok(()));
    }
}
