//! Tokens, good and bad ones.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use domain::Timestamp;
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::seed::NOW;

/// How long a token holds.
const HOLDS_S: i64 = 3_600;

/// Good claims of a user at [`NOW`].
#[must_use]
pub fn claims(user: &str) -> Value {
    claims_at(user, NOW.parse().expect("a constant in the right form"))
}

pub(crate) fn claims_at(user: &str, now: Timestamp) -> Value {
    let issued = now.unix_seconds();
    json!({"userId": user, "email": format!("{user}@example.test"), "provider": "email", "iat": issued, "exp": issued + HOLDS_S})
}

/// A token that the worlds accept.
#[must_use]
pub fn sign(claims: &Value) -> String {
    sign_with(local::DEVELOPMENT_SECRET, claims)
}

/// A token of another secret.
#[must_use]
pub fn sign_with(secret: &str, claims: &Value) -> String {
    web::auth::sign_hs256(secret, claims)
}

/// A token of the worlds' secret with any header: its signature is the HMAC that the secret makes, whatever algorithm the header names.
#[must_use]
pub fn sign_as(header: &Value, claims: &Value) -> String {
    let part = |text: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(text);
    let signed = format!("{}.{}", part(header.to_string().as_bytes()), part(claims.to_string().as_bytes()));
    let mut mac = Hmac::<Sha256>::new_from_slice(local::DEVELOPMENT_SECRET.as_bytes()).expect("any length is a key");
    mac.update(signed.as_bytes());
    format!("{signed}.{}", part(&mac.finalize().into_bytes()))
}

/// A token that says that it needs no signature.
#[must_use]
pub fn unsigned(claims: &Value) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.", part(&json!({"alg": "none", "typ": "JWT"})), part(claims))
}
