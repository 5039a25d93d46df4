//! Bearer tokens: HS256 JWTs, verified in process.

use std::fmt;

use domain::{Timestamp, UserId};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use crate::{ApiError, Caller, ConfigError};

const SECRET_BYTES_MIN: usize = 32;

/// How tokens are verified.
#[derive(Debug, Clone)]
pub struct AuthConfig {
    /// `JWT_SECRET`: the shared secret of HS256, at least 32 bytes. No default.
    pub secret: SecretString,
}

impl AuthConfig {
    /// Reads the settings through `lookup`.
    ///
    /// # Errors
    /// [`ConfigError`] naming `JWT_SECRET` when it is missing or short.
    pub fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        const VARIABLE: &str = "JWT_SECRET";
        let secret = lookup(VARIABLE).ok_or(ConfigError { variable: VARIABLE, problem: "is not set" })?;
        if secret.len() < SECRET_BYTES_MIN {
            return Err(ConfigError { variable: VARIABLE, problem: "needs at least 32 bytes" });
        }
        Ok(Self { secret: secret.into() })
    }
}

/// Verifies tokens.
pub struct Verifier {
    key: DecodingKey,
    validation: Validation,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

impl Verifier {
    /// Prepares the key.
    #[must_use]
    pub fn new(config: &AuthConfig) -> Self {
        // The algorithm is pinned: what the token's header claims only decides whether it is refused. Times are checked
        // here, against the request's moment; the library would ask the wall clock.
        let mut validation = Validation::new(Algorithm::HS256);
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        Self { key: DecodingKey::from_secret(config.secret.expose_secret().as_bytes()), validation }
    }

    /// The caller that an `Authorization` header names.
    ///
    /// # Errors
    /// `401` `Access token required` without a bearer token, `Invalid or expired token` when it does not hold at `now`.
    pub fn caller(&self, authorization: Option<&str>, now: Timestamp) -> Result<Caller, ApiError> {
        let token = authorization.and_then(bearer).ok_or(ApiError::TokenRequired)?;
        let claims =
            jsonwebtoken::decode::<Map<String, Value>>(token, &self.key, &self.validation).map_err(|_| ApiError::TokenInvalid)?.claims;
        caller_of(&claims, now).ok_or(ApiError::TokenInvalid)
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
    use serde_json::json;

    use super::*;

    const SECRET: &str = "a secret of at least thirty-two bytes";

    fn ask(header: &str, now_ms: i64) -> Result<Caller, String> {
        let config = AuthConfig::from_lookup(&|_| Some(SECRET.to_owned())).unwrap();
        Verifier::new(&config).caller(Some(header), Timestamp::from_ms(now_ms)).map_err(|error| error.to_string())
    }

    fn with(claims: &Value) -> Result<Caller, String> {
        ask(&format!("Bearer {}", sign_hs256(SECRET, claims)), 1_000_000)
    }

    #[test]
    fn a_short_or_missing_secret_is_named() {
        let error = |secret: Option<&str>| AuthConfig::from_lookup(&|_| secret.map(str::to_owned)).unwrap_err().to_string();
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
}
