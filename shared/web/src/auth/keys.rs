//! Keys of an identity provider (RFC 7517): which of them may be stored, and which a token names.

use std::collections::BTreeMap;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::BoxError;

/// Keys that a set may have: providers publish two to five.
pub(super) const KEYS_MAX: usize = 20;
/// Bytes of the modulus of an RSA key, as base64url: 2,048 bits.
const RSA_MODULUS_CHARS_MIN: usize = 340;
/// What is public of a key. Whatever else a provider sends is not kept.
const PUBLIC_MEMBERS: [&str; 9] = ["kty", "kid", "use", "alg", "n", "e", "crv", "x", "y"];

/// The part of a JWKS document (RFC 7517) that may be stored: public keys for RS256 or ES256 signatures, in a fixed order, so that equal
/// sets are equal texts.
///
/// # Errors
/// When it is no JWKS document, no usable key is left, there are more than 20, or two have one id.
pub fn publishable(text: &str) -> Result<String, BoxError> {
    let document: Value = serde_json::from_str(text)?;
    let keys = document.get("keys").and_then(Value::as_array).ok_or("the document has no keys")?;
    let mut kept = BTreeMap::new();
    for key in keys.iter().filter(|key| usable_key(key).is_some() && strong_enough(key)) {
        let members = PUBLIC_MEMBERS.iter().filter_map(|name| Some(((*name).to_owned(), key.get(*name)?.clone())));
        let kid = key.get("kid").and_then(Value::as_str).unwrap_or_default().to_owned();
        if kept.insert(kid, Value::Object(members.collect())).is_some() {
            return Err("two keys have one id".into());
        }
    }
    match kept.len() {
        0 => Err("the document has no usable key".into()),
        1..=KEYS_MAX => Ok(json!({"keys": kept.into_values().collect::<Vec<_>>()}).to_string()),
        _ => Err("the document has too many keys".into()),
    }
}

fn strong_enough(key: &Value) -> bool {
    key.get("n").is_none_or(|modulus| modulus.as_str().is_some_and(|text| text.len() >= RSA_MODULUS_CHARS_MIN))
}

/// Keys of an identity provider, by their ids.
#[derive(Clone, Default)]
pub struct KeySet(Vec<(String, Algorithm, DecodingKey)>);

impl KeySet {
    /// Reads a JWKS document (RFC 7517). Keys that are not for RS256 or ES256 signatures, or have no id, are left out.
    ///
    /// # Errors
    /// When it is no JWKS document, or no usable key is left.
    pub fn from_json(text: &str) -> Result<Self, BoxError> {
        let document: Value = serde_json::from_str(text)?;
        let keys = document.get("keys").and_then(Value::as_array).ok_or("the document has no keys")?;
        let set: Vec<_> = keys.iter().filter_map(usable_key).collect();
        if set.is_empty() {
            return Err("the document has no usable key".into());
        }
        Ok(Self(set))
    }

    /// Whether no set was read yet.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key of an id.
    pub(super) fn find(&self, kid: &str) -> Option<(Algorithm, &DecodingKey)> {
        self.0.iter().find(|(id, ..)| id == kid).map(|(_, algorithm, key)| (*algorithm, key))
    }
}

fn usable_key(value: &Value) -> Option<(String, Algorithm, DecodingKey)> {
    let jwk = Jwk::deserialize(value).ok()?;
    if jwk.common.public_key_use.as_ref().is_some_and(|usage| *usage != PublicKeyUse::Signature) {
        return None;
    }
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::ES256,
        _ => return None,
    };
    let expected = if algorithm == Algorithm::RS256 { KeyAlgorithm::RS256 } else { KeyAlgorithm::ES256 };
    if jwk.common.key_algorithm.is_some_and(|named| named != expected) {
        return None;
    }
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    Some((jwk.common.key_id?, algorithm, key))
}
