//! Tokens and keys, right and wrong.

use axum::http::header;
use jsonwebtoken::{EncodingKey, Header, encode};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};
use serde_json::json;

use super::*;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const RSA_PRIVATE: &str = include_str!("../../../../tests/fixtures/rsa-for-tests.pem");
const RSA_PUBLIC: &str = include_str!("../../../../tests/fixtures/rsa-for-tests.pub.pem");

fn secret() -> VerificationKey {
    VerificationKey::from_secret(SECRET).expect("a key")
}

fn in_an_hour() -> u64 {
    jsonwebtoken::get_current_timestamp() + 3_600
}

fn signed(algorithm: Algorithm, key: &EncodingKey, claims: &Value) -> String {
    encode(&Header::new(algorithm), claims, key).expect("a token")
}

fn by_secret(claims: &Value) -> String {
    signed(Algorithm::HS256, &EncodingKey::from_secret(SECRET), claims)
}

fn checked(token: &str, keys: &[VerificationKey]) -> Result<Value, TokenError> {
    verify(token, keys)
}

#[test]
fn each_algorithm_has_its_kind_of_key() {
    let claims = json!({"exp": in_an_hour()});
    let p256 = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
    let ed25519 = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
    let cases = [
        (
            Algorithm::ES256,
            EncodingKey::from_ec_pem(p256.serialize_pem().as_bytes()),
            p256.public_key_pem(),
        ),
        (
            Algorithm::EdDSA,
            EncodingKey::from_ed_pem(ed25519.serialize_pem().as_bytes()),
            ed25519.public_key_pem(),
        ),
        (
            Algorithm::RS256,
            EncodingKey::from_rsa_pem(RSA_PRIVATE.as_bytes()),
            RSA_PUBLIC.to_owned(),
        ),
    ];
    for (algorithm, private, public) in cases {
        let key = VerificationKey::from_pem(public.as_bytes()).expect("a key");
        let token = signed(algorithm, &private.expect("a private key"), &claims);
        assert_eq!(
            checked(&token, &[secret(), key]),
            Ok(claims.clone()),
            "{algorithm:?}"
        );
        assert!(matches!(
            checked(&token, &[secret()]),
            Err(TokenError::WrongAlgorithm(_))
        ));
    }
}

#[test]
fn a_public_key_is_never_taken_for_a_secret() {
    let forged = signed(
        Algorithm::HS256,
        &EncodingKey::from_secret(RSA_PUBLIC.as_bytes()),
        &json!({"exp": in_an_hour(), "publish": ["*"]}),
    );
    let rsa = VerificationKey::from_pem(RSA_PUBLIC.as_bytes()).expect("a key");
    assert_eq!(
        checked(&forged, &[rsa]),
        Err(TokenError::WrongAlgorithm("RS256".to_owned()))
    );
    for before in ["", "\n", "\u{feff}", "Subject: us\n"] {
        let file = format!("{before}{RSA_PUBLIC}");
        assert!(
            VerificationKey::from_secret(file.as_bytes()).is_err(),
            "{before:?}"
        );
    }
}

#[test]
fn a_token_without_a_signature_is_refused() {
    // {"alg":"none","typ":"JWT"}
    let (_, claims_and_signature) = by_secret(&json!({"exp": in_an_hour()}))
        .split_once('.')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .expect("three parts");
    let claims = claims_and_signature.split('.').next().expect("claims");
    let none = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{claims}.");
    assert_eq!(checked(&none, &[secret()]), Err(TokenError::Malformed));
}

#[test]
fn a_token_needs_an_end_and_must_be_within_its_time() {
    let now = jsonwebtoken::get_current_timestamp();
    let check = |claims: Value| checked(&by_secret(&claims), &[secret()]);
    assert!(matches!(check(json!({})), Err(TokenError::Claims(_))));
    assert!(matches!(
        check(json!({"exp": "soon"})),
        Err(TokenError::Claims(_))
    ));
    assert_eq!(check(json!({"exp": now - 1})), Err(TokenError::Expired));
    assert_eq!(
        check(json!({"exp": now + 60, "nbf": now + 30})),
        Err(TokenError::NotYet)
    );
    assert!(check(json!({"exp": now + 60, "nbf": now - 1, "aud": "others"})).is_ok());
}

#[test]
fn of_several_keys_any_may_fit_and_one_must() {
    let token = by_secret(&json!({"exp": in_an_hour()}));
    let other = VerificationKey::from_secret(&[7; 32]).expect("a key");
    assert!(checked(&token, &[other.clone(), secret()]).is_ok());
    let refused = checked(&token, &[other]).expect_err("a refusal");
    assert_eq!(refused, TokenError::WrongSignature(Algorithm::HS256));
    assert!(
        refused.to_string().contains("not decoded"),
        "what many get wrong: {refused}"
    );
}

#[test]
fn from_its_end_on_a_token_does_not_hold() {
    for end in [json!(100), json!(100.5)] {
        let claims = json!({"exp": end, "nbf": 50});
        let end = end.as_f64().expect("a number");
        assert_eq!(check_times(&claims, end - 0.001), Ok(()));
        for now in [end, end + 0.001] {
            assert_eq!(check_times(&claims, now), Err(TokenError::Expired), "{now}");
        }
        assert_eq!(check_times(&claims, 50.0), Ok(()));
        assert_eq!(check_times(&claims, 49.999), Err(TokenError::NotYet));
    }
    assert_eq!(check_times(&json!({"exp": 1}), -5.0), Ok(()), "before 1970");
}

#[test]
fn a_token_that_asks_for_an_extension_is_refused() {
    let header = Header {
        crit: Some(vec!["exp".to_owned()]),
        ..Header::new(Algorithm::HS256)
    };
    let claims = json!({"exp": in_an_hour()});
    let token = encode(&header, &claims, &EncodingKey::from_secret(SECRET)).expect("a token");
    assert_eq!(checked(&token, &[secret()]), Err(TokenError::Critical));
}

#[test]
fn what_is_no_token_is_malformed() {
    for text in [
        "",
        "a",
        "a.b",
        "a.b.c",
        "..",
        "é.é.é",
        "eyJhbGciOiJIUzI1NiJ9.e30",
    ] {
        assert_eq!(
            checked(text, &[secret()]),
            Err(TokenError::Malformed),
            "{text}"
        );
    }
}

#[test]
fn keys_that_cannot_work_are_refused_with_what_would_be_right() {
    let message = |key: Result<VerificationKey, String>| key.expect_err("a refusal");
    assert!(message(VerificationKey::from_secret(b"short\n")).contains("32"));
    assert!(message(VerificationKey::from_pem(RSA_PRIVATE.as_bytes())).contains("private"));
    assert!(message(VerificationKey::from_pem(b"hello")).contains("PEM"));
    let p384 = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).expect("a key");
    assert!(message(VerificationKey::from_pem(p384.public_key_pem().as_bytes())).contains("P-256"));
    assert!(message(VerificationKey::from_secret_file("/nowhere")).contains("cannot read"));
}

#[test]
fn a_key_is_never_shown() {
    assert_eq!(format!("{:?}", secret()), "VerificationKey(HS256)");
}

#[test]
fn a_line_break_at_the_end_of_a_secret_does_not_count() {
    let with_line_break = [SECRET, b"\r\n"].concat();
    let key = VerificationKey::from_secret(&with_line_break).expect("a key");
    assert!(checked(&by_secret(&json!({"exp": in_an_hour()})), &[key]).is_ok());
}

#[test]
fn a_token_stands_in_the_header_or_else_in_the_cookie() {
    let token = |lines: &[(header::HeaderName, &'static str)]| {
        let headers = lines
            .iter()
            .map(|(name, value)| (name.clone(), header::HeaderValue::from_static(value)))
            .collect();
        token_of(&headers).map(|token| token.text)
    };
    let cookie = (header::COOKIE, "theme=dark; fairwind_token=c.c.c");
    assert_eq!(
        token(&[(header::AUTHORIZATION, "bearer a.b.c")]).as_deref(),
        Some("a.b.c")
    );
    assert_eq!(
        token(std::slice::from_ref(&cookie)).as_deref(),
        Some("c.c.c")
    );
    assert_eq!(
        token(&[(header::AUTHORIZATION, "Bearer a.b.c"), cookie.clone()]).as_deref(),
        Some("a.b.c")
    );
    assert_eq!(
        token(&[(header::AUTHORIZATION, "Basic YTpi"), cookie]).as_deref(),
        Some("c.c.c"),
        "what a proxy asks for is not ours"
    );
    assert_eq!(token(&[]), None);
}
