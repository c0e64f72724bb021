//! Bearer tokens: JSON Web Tokens (RFC 7519), the keys that they are checked with, and where a request carries one.
//! What a token allows is decided elsewhere; its claims can be of any form.

use std::fmt;
use std::time::SystemTime;

use axum::http::HeaderMap;
use headers::HeaderMapExt;
use headers::authorization::{Authorization, Bearer};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::server::auth::expiry::seconds_since_1970;
use crate::server::http::cookies::cookie;
use crate::server::http::problem::TOKEN_COOKIE;

/// The shortest secret for HS256, in bytes: as long as its hash, which RFC 7518, section 3.2, asks for.
const MIN_SECRET_BYTES: usize = 32;

/// The length of a public key on the curve P-256 in its uncompressed form, in bytes: ES256 is this curve and no other.
const P256_PUBLIC_KEY_BYTES: usize = 65;

/// A key that tokens are checked with. It is bound to one algorithm, so that no token can choose another for it.
#[derive(Clone)]
pub struct VerificationKey {
    algorithm: Algorithm,
    key: DecodingKey,
    file: Option<KeyFile>,
}

/// Where a key came from.
#[derive(Clone)]
struct KeyFile {
    path: String,
    is_secret: bool,
}

/// A token as a request carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Presented {
    pub(super) text: String,
    /// Whether the browser sent it by itself, whichever page made it ask.
    pub(super) is_from_cookie: bool,
}

/// Why a token does not hold. The message says what would be right, and nothing of the token or the keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum TokenError {
    #[error("the token is no JSON Web Token; send the whole of it, three parts with dots between")]
    Malformed,
    #[error("the token's algorithm is not one of the configured keys'; they take {0}")]
    WrongAlgorithm(String),
    #[error(
        "the token's signature does not fit any configured key for {0:?}; sign it with one of them{hint}",
        hint = signing_hint(*.0)
    )]
    WrongSignature(Algorithm),
    #[error(
        "the token's header has crit, which asks for an extension that the server does not know; leave it out"
    )]
    Critical,
    #[error("the token has expired; get a new one")]
    Expired,
    #[error("the token is not valid yet; look at its claim nbf")]
    NotYet,
    #[error("the token's claims are wrong: {0}")]
    Claims(String),
}

impl VerificationKey {
    /// The secret in a file, for HS256. One line break at its end does not count.
    ///
    /// # Errors
    ///
    /// A message if the file cannot be read or the secret is short.
    pub(in crate::server) fn from_secret_file(path: &str) -> Result<Self, String> {
        let key = Self::from_secret(&read(path)?)?;
        Ok(key.with_file(path, true))
    }

    /// The public key in a PEM file: RSA for RS256, P-256 for ES256, Ed25519 for EdDSA.
    ///
    /// # Errors
    ///
    /// A message if the file cannot be read or holds no such key.
    pub(in crate::server) fn from_public_key_file(path: &str) -> Result<Self, String> {
        let key = Self::from_pem(&read(path)?)?;
        Ok(key.with_file(path, false))
    }

    /// The key that its file has now.
    ///
    /// # Errors
    ///
    /// A message that names the file if it cannot be used.
    pub(super) fn read_again(&self) -> Result<Self, String> {
        let Some(KeyFile { path, is_secret }) = &self.file else {
            return Ok(self.clone());
        };
        let (setting, key) = if *is_secret {
            ("--jwt-secret-file", Self::from_secret_file(path))
        } else {
            ("--jwt-public-key", Self::from_public_key_file(path))
        };
        key.map_err(|error| format!("cannot use {path} for {setting}: {error}"))
    }

    fn new(algorithm: Algorithm, key: DecodingKey) -> Self {
        Self {
            algorithm,
            key,
            file: None,
        }
    }

    fn with_file(self, path: &str, is_secret: bool) -> Self {
        let path = path.to_owned();
        Self {
            file: Some(KeyFile { path, is_secret }),
            ..self
        }
    }

    pub(super) fn from_secret(text: &[u8]) -> Result<Self, String> {
        let key = DecodingKey::from_secret(secret_in(text)?);
        Ok(Self::new(Algorithm::HS256, key))
    }

    fn from_pem(pem: &[u8]) -> Result<Self, String> {
        if contains(pem, b"PRIVATE KEY") {
            return Err(
                "the file holds a private key, which only the signer of tokens needs; give the public one, as 'openssl pkey -pubout' prints it"
                    .to_owned(),
            );
        }
        let is_p256 = |key: &DecodingKey| {
            key.try_get_as_bytes()
                .is_ok_and(|bytes| bytes.len() == P256_PUBLIC_KEY_BYTES)
        };
        if let Ok(key) = DecodingKey::from_rsa_pem(pem) {
            return Ok(Self::new(Algorithm::RS256, key));
        }
        if let Some(key) = DecodingKey::from_ec_pem(pem).ok().filter(is_p256) {
            return Ok(Self::new(Algorithm::ES256, key));
        }
        DecodingKey::from_ed_pem(pem)
            .map(|key| Self::new(Algorithm::EdDSA, key))
            .map_err(|_| {
                "the file holds no public key in PEM for RS256 (RSA), ES256 (P-256) or EdDSA (Ed25519)".to_owned()
            })
    }
}

impl fmt::Debug for VerificationKey {
    /// Shows the algorithm only: settings are logged and compared, secrets are not.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerificationKey({:?})", self.algorithm)
    }
}

/// The secret in the text of a file: all of it but the line's end.
///
/// # Errors
///
/// A message if it cannot be a secret.
pub(super) fn secret_in(text: &[u8]) -> Result<&[u8], String> {
    let secret = text.strip_suffix(b"\n").unwrap_or(text);
    let secret = secret.strip_suffix(b"\r").unwrap_or(secret);
    // A public key as a shared secret would let any client forge tokens.
    if contains(secret, b"-----BEGIN") {
        return Err(
            "the file holds a key or certificate in PEM and no secret; a public key belongs to --jwt-public-key"
                .to_owned(),
        );
    }
    if secret.len() < MIN_SECRET_BYTES {
        return Err(format!(
            "the secret has {} bytes; HS256 needs at least {MIN_SECRET_BYTES}, such as from 'openssl rand -hex 32'",
            secret.len()
        ));
    }
    Ok(secret)
}

fn contains(text: &[u8], wanted: &[u8]) -> bool {
    memchr::memmem::find(text, wanted).is_some()
}

pub(super) fn read(path: &str) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("cannot read it: {error}"))
}

/// The token of a request: in the header `Authorization: Bearer`, or else in the cookie [`TOKEN_COOKIE`]. Never in the
/// URL, which ends up in logs and histories.
pub(super) fn token_of(headers: &HeaderMap) -> Option<Presented> {
    let bearer = headers
        .typed_get::<Authorization<Bearer>>()
        .map(|Authorization(bearer)| Presented {
            text: bearer.token().trim().to_owned(),
            is_from_cookie: false,
        });
    bearer.or_else(|| {
        cookie(headers, TOKEN_COOKIE).map(|cookie| Presented {
            text: cookie.value().to_owned(),
            is_from_cookie: true,
        })
    })
}

/// The claims of a token that one of the keys has signed, that has begun and has not ended. Every token has an end.
///
/// # Errors
///
/// [`TokenError`] if there is no such key, or the claims are not of the wanted form.
pub(super) fn verify<Claims: DeserializeOwned>(
    token: &str,
    keys: &[VerificationKey],
) -> Result<Claims, TokenError> {
    let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Malformed)?;
    if header.crit.is_some() {
        return Err(TokenError::Critical);
    }
    let mut candidates = keys
        .iter()
        .filter(|key| key.algorithm == header.alg)
        .peekable();
    if candidates.peek().is_none() {
        let mut names: Vec<_> = keys
            .iter()
            .map(|key| format!("{:?}", key.algorithm))
            .collect();
        names.sort();
        names.dedup();
        return Err(TokenError::WrongAlgorithm(names.join(", ")));
    }
    for candidate in candidates {
        // Only the signature; its times are checked below. The library lets a token through in the second of its end, and
        // panics if the clock is before 1970. For which audience a token is meant does not matter: what counts is that it
        // grants something here.
        let mut validation = Validation::new(candidate.algorithm);
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        match jsonwebtoken::decode::<Value>(token, &candidate.key, &validation) {
            Ok(data) => {
                check_times(&data.claims, seconds_since_1970(SystemTime::now()))?;
                return serde_json::from_value(data.claims)
                    .map_err(|error| TokenError::Claims(error.to_string()));
            }
            // Another key may fit: keys are changed by having two for a while.
            Err(error) if matches!(error.kind(), ErrorKind::InvalidSignature) => {}
            Err(error) => {
                return Err(match error.kind() {
                    ErrorKind::Json(error) => TokenError::Claims(error.to_string()),
                    _ => TokenError::Malformed,
                });
            }
        }
    }
    Err(TokenError::WrongSignature(header.alg))
}

/// Whether a token has begun and has not ended: from `exp` on it does not hold any more (RFC 7519, section 4.1.4), so that
/// a stream which ends with its token is not let in again.
fn check_times(claims: &Value, now: f64) -> Result<(), TokenError> {
    match seconds(claims, "exp")? {
        None => {
            return Err(TokenError::Claims(
                "exp is missing; every token needs an end, in seconds since 1970".to_owned(),
            ));
        }
        Some(end) if now >= end => return Err(TokenError::Expired),
        Some(_) => {}
    }
    match seconds(claims, "nbf")? {
        Some(beginning) if now < beginning => Err(TokenError::NotYet),
        _ => Ok(()),
    }
}

/// A claim that is a moment.
fn seconds(claims: &Value, name: &str) -> Result<Option<f64>, TokenError> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => value.as_f64().map(Some).ok_or_else(|| {
            TokenError::Claims(format!("{name} is not a number of seconds since 1970"))
        }),
    }
}

fn signing_hint(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::HS256 => {
            ". The secret is the text of its file without the line's end: hexadecimal digits are not decoded"
        }
        _ => ", with the private key that belongs to it",
    }
}

#[cfg(test)]
mod tests;
