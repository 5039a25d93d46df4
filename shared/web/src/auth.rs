//! Bearer tokens: JWTs, verified in process: HS256 by a shared secret, or RS256 and ES256 by the keys of an identity provider.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{PoisonError, RwLock};

use domain::{Timestamp, UserId};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{ApiError, BoxError, Caller, ConfigError};

const SECRET_BYTES_MIN: usize = 32;

/// How tokens are verified. The algorithm is pinned here and never taken from a token.
#[derive(Debug, Clone)]
pub enum AuthConfig {
    /// `JWT_SECRET`: the shared secret of HS256, at least 32 bytes. No default.
    Secret(SecretString),
    /// RS256 or ES256 with the keys of an identity provider, when `JWT_ISSUER` is set.
    Issuer {
        /// `JWT_ISSUER`: what `iss` must be.
        issuer: String,
        /// `JWT_AUDIENCE`: what `aud` must be, or contain. No default.
        audience: String,
    },
}

impl AuthConfig {
    /// Reads the settings through `lookup`.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable that is missing or unusable.
    pub fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let given = |name| lookup(name).filter(|value| !value.is_empty());
        let missing = |variable| ConfigError { variable, problem: "is not set" };
        if let Some(issuer) = given("JWT_ISSUER") {
            return Ok(Self::Issuer { issuer, audience: given("JWT_AUDIENCE").ok_or(missing("JWT_AUDIENCE"))? });
        }
        const VARIABLE: &str = "JWT_SECRET";
        let secret = given(VARIABLE).ok_or(missing(VARIABLE))?;
        if secret.len() < SECRET_BYTES_MIN {
            return Err(ConfigError { variable: VARIABLE, problem: "needs at least 32 bytes" });
        }
        Ok(Self::Secret(secret.into()))
    }
}

/// Why a token was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is no bearer token.
    Missing,
    /// It does not hold.
    Invalid,
    /// It names a key that is not among those known here: there may be a newer set.
    UnknownKey,
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Missing => Self::TokenRequired,
            Refusal::Invalid | Refusal::UnknownKey => Self::TokenInvalid,
        }
    }
}

/// Keys that a set may have: providers publish two to five.
const KEYS_MAX: usize = 20;
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

    fn find(&self, kid: &str) -> Option<(Algorithm, &DecodingKey)> {
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

/// Verifies tokens.
pub enum Verifier {
    /// By a shared secret.
    Secret(DecodingKey),
    /// By the keys of an identity provider, replaced as a whole.
    Issuer {
        /// What `iss` must be.
        issuer: String,
        /// What `aud` must be, or contain.
        audience: String,
        /// The last good set.
        keys: RwLock<KeySet>,
    },
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

impl Verifier {
    /// Prepares the key; those of an identity provider come by [`Verifier::set_keys`].
    #[must_use]
    pub fn new(config: &AuthConfig) -> Self {
        match config {
            AuthConfig::Secret(secret) => Self::Secret(DecodingKey::from_secret(secret.expose_secret().as_bytes())),
            AuthConfig::Issuer { issuer, audience } => {
                Self::Issuer { issuer: issuer.clone(), audience: audience.clone(), keys: RwLock::default() }
            }
        }
    }

    /// Whether tokens are verified by the keys of an identity provider.
    #[must_use]
    pub fn needs_keys(&self) -> bool {
        matches!(self, Self::Issuer { .. })
    }

    /// Replaces the keys of the identity provider.
    pub fn set_keys(&self, set: KeySet) {
        if let Self::Issuer { keys, .. } = self {
            *keys.write().unwrap_or_else(PoisonError::into_inner) = set;
        }
    }

    /// Whether an `Authorization` header has a token that names a key which is not known here. Nothing is verified.
    #[must_use]
    pub fn misses_key(&self, authorization: Option<&str>) -> bool {
        let Self::Issuer { keys, .. } = self else { return false };
        let named = authorization.and_then(bearer).and_then(kid);
        named.is_some_and(|kid| keys.read().unwrap_or_else(PoisonError::into_inner).find(&kid).is_none())
    }

    /// The caller that an `Authorization` header names.
    ///
    /// # Errors
    /// [`Refusal`]: without a bearer token, or when it does not hold at `now`.
    pub fn caller(&self, authorization: Option<&str>, now: Timestamp) -> Result<Caller, Refusal> {
        let token = authorization.and_then(bearer).ok_or(Refusal::Missing)?;
        match self {
            Self::Secret(key) => caller_of(&verified(token, key, Algorithm::HS256)?, now).ok_or(Refusal::Invalid),
            Self::Issuer { issuer, audience, keys } => {
                let kid = kid(token).ok_or(Refusal::Invalid)?;
                let keys = keys.read().unwrap_or_else(PoisonError::into_inner);
                let (algorithm, key) = keys.find(&kid).ok_or(Refusal::UnknownKey)?;
                let claims = verified(token, key, algorithm)?;
                let meant = claims.get("iss").and_then(Value::as_str) == Some(issuer) && names(claims.get("aud"), audience);
                caller_of(&claims, now).filter(|_| meant).ok_or(Refusal::Invalid)
            }
        }
    }
}

/// The key that a token names.
fn kid(token: &str) -> Option<String> {
    jsonwebtoken::decode_header(token).ok()?.kid
}

/// The claims of a token whose signature holds.
fn verified(token: &str, key: &DecodingKey, algorithm: Algorithm) -> Result<Map<String, Value>, Refusal> {
    // Times are checked against the request's moment; the library would ask the wall clock.
    let mut validation = Validation::new(algorithm);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    jsonwebtoken::decode::<Map<String, Value>>(token, key, &validation).map(|token| token.claims).map_err(|_| Refusal::Invalid)
}

/// Whether an `aud` claim, one text or several, has the audience.
fn names(claim: Option<&Value>, audience: &str) -> bool {
    match claim {
        Some(Value::String(one)) => one == audience,
        Some(Value::Array(several)) => several.iter().any(|one| one == audience),
        _ => false,
    }
}

/// The token of a `Bearer` header; the scheme's letter case does not matter (RFC 9110).
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn caller_of(claims: &Map<String, Value>, now: Timestamp) -> Option<Caller> {
    // Exact to the millisecond below 2^53; a token is over at its `exp`, without leeway (D23).
    #[allow(clippy::cast_precision_loss)]
    let now_s = now.ms() as f64 / 1000.0;
    if now_s >= claims.get("exp")?.as_f64()? {
        return None;
    }
    match claims.get("nbf") {
        None => {}
        Some(from) if now_s >= from.as_f64()? => {}
        Some(_) => return None,
    }
    let user = claims.get("userId").or_else(|| claims.get("sub"))?.as_str()?;
    let email = claims.get("email").and_then(Value::as_str).map(str::to_owned);
    Some(Caller { user: UserId::parse(user).ok()?, email })
}

/// Signs claims as HS256: for tests and local use.
#[must_use]
pub fn sign_hs256(secret: &str, claims: &Value) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).expect("any JSON value can be signed with an HMAC key")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "a secret of at least thirty-two bytes";

    fn ask(header: &str, now_ms: i64) -> Result<Caller, String> {
        let config = AuthConfig::from_lookup(&|name| (name == "JWT_SECRET").then(|| SECRET.to_owned())).unwrap();
        Verifier::new(&config).caller(Some(header), Timestamp::from_ms(now_ms)).map_err(|refusal| ApiError::from(refusal).to_string())
    }

    fn with(claims: &Value) -> Result<Caller, String> {
        ask(&format!("Bearer {}", sign_hs256(SECRET, claims)), 1_000_000)
    }

    #[test]
    fn a_short_or_missing_secret_is_named() {
        let error = |secret: Option<&str>| {
            AuthConfig::from_lookup(&|name| secret.filter(|_| name == "JWT_SECRET").map(str::to_owned)).unwrap_err().to_string()
        };
        assert_eq!(error(None), "JWT_SECRET: is not set");
        assert_eq!(error(Some(&"x".repeat(31))), "JWT_SECRET: needs at least 32 bytes");
    }

    #[test]
    fn the_user_id_comes_before_the_subject() {
        let caller = with(&json!({"userId": "u1", "sub": "u2", "email": "a@b.c", "exp": 1_001, "aud": ["x"]})).unwrap();
        assert_eq!((caller.user.as_str(), caller.email.as_deref()), ("u1", Some("a@b.c")));
        assert_eq!(with(&json!({"sub": "u2", "exp": 1_001.5})).unwrap().user.as_str(), "u2");
        for bad in
            [json!({"userId": 7, "sub": "u2", "exp": 1_001}), json!({"exp": 1_001}), json!({"sub": "a b", "exp": 1_001}), json!(["sub"])]
        {
            assert_eq!(with(&bad).unwrap_err(), "Invalid or expired token", "{bad}");
        }
    }

    #[test]
    fn a_token_is_over_at_its_end_and_not_before() {
        let header = format!("Bearer {}", sign_hs256(SECRET, &json!({"sub": "u", "exp": 1_000})));
        assert!(ask(&header, 999_999).is_ok());
        assert!(ask(&header, 1_000_000).is_err());
        for bad in [json!({"sub": "u"}), json!({"sub": "u", "exp": "1001"}), json!({"sub": "u", "exp": 1_001, "nbf": 1_001})] {
            assert!(with(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn other_schemes_keys_and_algorithms_are_refused() {
        let claims = json!({"sub": "u", "exp": 1_001});
        let good = sign_hs256(SECRET, &claims);
        assert!(ask(&format!("bearer  {good}"), 0).is_ok());
        for header in ["", "Bearer", "Bearer ", "Basic dTp4", good.as_str()] {
            assert_eq!(ask(header, 0).unwrap_err(), "Access token required", "{header}");
        }
        let hs512 = jsonwebtoken::encode(&Header::new(Algorithm::HS512), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap();
        let payload = good.split('.').nth(1).unwrap();
        // {"alg":"none","typ":"JWT"}
        let none = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{payload}.");
        for token in [
            hs512,
            none,
            sign_hs256("another secret that has 32 bytes or more", &claims),
            good[..good.len() - 2].to_owned(),
            "x".to_owned(),
        ] {
            assert_eq!(ask(&format!("Bearer {token}"), 0).unwrap_err(), "Invalid or expired token", "{token}");
        }
    }

    /// A signer of an identity provider and its public key as the provider publishes it.
    fn provider(kid: &str) -> (EncodingKey, Value) {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let key = EncodingKey::from_ec_der(&pair.serialize_der());
        let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap()).unwrap();
        jwk["kid"] = json!(kid);
        jwk["use"] = json!("sig");
        (key, jwk)
    }

    fn issuer_verifier() -> Verifier {
        let lookup = |name: &str| match name {
            "JWT_ISSUER" => Some("https://id.example".to_owned()),
            "JWT_AUDIENCE" => Some("callsheets".to_owned()),
            _ => None,
        };
        Verifier::new(&AuthConfig::from_lookup(&lookup).unwrap())
    }

    fn signed(key: &EncodingKey, algorithm: Algorithm, kid: &str, claims: &Value) -> String {
        let header = Header { kid: Some(kid.to_owned()), ..Header::new(algorithm) };
        format!("Bearer {}", jsonwebtoken::encode(&header, claims, key).unwrap())
    }

    #[test]
    fn an_issuers_tokens_hold_with_its_key_its_name_and_our_audience() {
        let (key, jwk) = provider("k1");
        let verifier = issuer_verifier();
        let good = json!({"sub": "u1", "exp": 1_001, "iss": "https://id.example", "aud": ["other", "callsheets"]});
        let ask = |token: &str| verifier.caller(Some(token), Timestamp::from_ms(1_000_000)).map(|caller| caller.user.to_string());
        let token = signed(&key, Algorithm::ES256, "k1", &good);
        assert_eq!(ask(&token), Err(Refusal::UnknownKey));
        verifier.set_keys(KeySet::from_json(&json!({"keys": [jwk]}).to_string()).unwrap());
        assert_eq!(ask(&token), Ok("u1".to_owned()));
        assert_eq!(ask(&signed(&key, Algorithm::ES256, "k2", &good)), Err(Refusal::UnknownKey));
        for (claim, value) in [("iss", json!("https://evil.example")), ("aud", json!("other")), ("aud", json!(null)), ("exp", json!(1_000))]
        {
            let mut claims = good.clone();
            claims[claim] = value;
            assert_eq!(ask(&signed(&key, Algorithm::ES256, "k1", &claims)), Err(Refusal::Invalid), "{claim}");
        }
        let (other, _) = provider("k1");
        assert_eq!(ask(&signed(&other, Algorithm::ES256, "k1", &good)), Err(Refusal::Invalid));
    }

    #[test]
    fn a_public_key_is_no_shared_secret() {
        let (_, jwk) = provider("k1");
        let verifier = issuer_verifier();
        verifier.set_keys(KeySet::from_json(&json!({"keys": [jwk.clone()]}).to_string()).unwrap());
        let claims = json!({"sub": "u1", "exp": 1_001, "iss": "https://id.example", "aud": "callsheets"});
        for secret in [jwk["x"].as_str().unwrap().to_owned(), jwk.to_string()] {
            let token = signed(&EncodingKey::from_secret(secret.as_bytes()), Algorithm::HS256, "k1", &claims);
            assert_eq!(verifier.caller(Some(&token), Timestamp::from_ms(0)), Err(Refusal::Invalid));
        }
    }

    #[test]
    fn only_public_keys_for_signatures_are_stored_and_in_one_order() {
        let ((_, mut first), (_, second)) = (provider("k1"), provider("k2"));
        let stored = publishable(&json!({"keys": [second, first.clone()]}).to_string()).unwrap();
        first["d"] = json!("private");
        first["x5c"] = json!(["certificate"]);
        let shared = json!({"kty": "oct", "k": "c2VjcmV0", "kid": "k3", "alg": "HS256"});
        let short = json!({"kty": "RSA", "kid": "k4", "n": "AQAB", "e": "AQAB"});
        assert_eq!(publishable(&json!({"keys": [first, short, second, shared.clone()], "other": 1}).to_string()).unwrap(), stored);
        assert!(!stored.contains("private") && KeySet::from_json(&stored).is_ok());
        let many: Vec<_> = (0..=KEYS_MAX).map(|number| provider(&number.to_string()).1).collect();
        for bad in [json!({"keys": [shared]}), json!({"keys": [first, first]}), json!({"keys": many}), json!({}), json!([])] {
            assert!(publishable(&bad.to_string()).is_err(), "{}", &bad.to_string()[..bad.to_string().len().min(80)]);
        }
        assert!(publishable("<html>").is_err());
    }

    #[test]
    fn keys_for_other_uses_are_left_out() {
        let (_, good) = provider("k1");
        let (_, mut encrypts) = provider("k2");
        encrypts["use"] = json!("enc");
        let shared = json!({"kty": "oct", "k": "c2VjcmV0", "kid": "k3", "alg": "HS256"});
        let set = KeySet::from_json(&json!({"keys": [encrypts, shared, {"kty": "?"}, good]}).to_string()).unwrap();
        assert_eq!(set.0.iter().map(|(kid, ..)| kid.as_str()).collect::<Vec<_>>(), ["k1"]);
        for bad in ["", "{}", "[]", r#"{"keys": []}"#, r#"{"keys": [1]}"#] {
            assert!(KeySet::from_json(bad).is_err(), "{bad}");
        }
    }
}
