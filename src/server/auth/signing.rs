//! Keys that sign tokens. The server itself signs none; `fairwind token` does.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::Value;

use super::token::{read, secret_in};

/// A key and its algorithm.
pub(in crate::server) struct SigningKey {
    algorithm: Algorithm,
    key: EncodingKey,
}

impl SigningKey {
    /// The secret in a file, for HS256, as the server reads it.
    ///
    /// # Errors
    ///
    /// A message if the file cannot be read or the secret is short.
    pub(in crate::server) fn from_secret_file(path: &str) -> Result<Self, String> {
        Ok(Self {
            algorithm: Algorithm::HS256,
            key: EncodingKey::from_secret(secret_in(&read(path)?)?),
        })
    }

    /// The private key in a PEM file: RSA for RS256, P-256 for ES256, Ed25519 for EdDSA.
    ///
    /// # Errors
    ///
    /// A message if the file cannot be read or holds no such key.
    pub(in crate::server) fn from_private_key_file(path: &str) -> Result<Self, String> {
        let pem = read(path)?;
        let key = EncodingKey::from_ed_pem(&pem)
            .map(|key| (Algorithm::EdDSA, key))
            .or_else(|_| EncodingKey::from_ec_pem(&pem).map(|key| (Algorithm::ES256, key)))
            .or_else(|_| EncodingKey::from_rsa_pem(&pem).map(|key| (Algorithm::RS256, key)));
        key.map(|(algorithm, key)| Self { algorithm, key })
            .map_err(|_| {
                "the file holds no private key in PEM for EdDSA (Ed25519), ES256 (P-256) or RS256 (RSA); 'openssl genpkey -algorithm ed25519' makes one"
                    .to_owned()
            })
    }

    /// A token with these claims.
    ///
    /// # Errors
    ///
    /// A message if the key does not fit its algorithm, such as one on another curve.
    pub(in crate::server) fn sign(&self, claims: &Value) -> Result<String, String> {
        jsonwebtoken::encode(&Header::new(self.algorithm), claims, &self.key)
            .map_err(|error| format!("the key cannot sign for {:?}: {error}", self.algorithm))
    }
}
