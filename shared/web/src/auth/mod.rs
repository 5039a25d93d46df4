//! Bearer tokens: JWTs, verified in process: HS256 by a shared secret, or RS256 and ES256 by the keys of an identity provider.

mod keys;

use std::fmt;
use std::sync::{LazyLock, PoisonError, RwLock};

use domain::{Timestamp, UserId};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use crate::{ApiError, Caller, ConfigError};
pub use keys::{KeySet, publishable};

const SECRET_BYTES_MIN: usize = 32;
/// After how many seconds a client asks again when keys could not be read.
const KEYS_RETRY_S: u64 = 5;

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
    /// No token is taken: where no client calls.
    Nobody,
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
    /// The same, and whether there is a newer set could not be found out: it may well hold.
    KeysUnknown,
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Missing => Self::TokenRequired,
            Refusal::Invalid | Refusal::UnknownKey => Self::TokenInvalid,
            // A 401 would end the sessions of people whose tokens are good.
            Refusal::KeysUnknown => {
                Self::Unavailable { retry_after_s: KEYS_RETRY_S, source: "the identity provider's keys are not known here".into() }
            }
        }
    }
}

/// What the library checks of a token of each algorithm: the signature. Times are checked against the request's moment; it would ask the wall clock.
static VALIDATIONS: LazyLock<[Validation; 3]> = LazyLock::new(|| {
    [Algorithm::HS256, Algorithm::RS256, Algorithm::ES256].map(|algorithm| {
        let mut validation = Validation::new(algorithm);
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        validation
    })
});

/// What is known of an identity provider's keys.
#[derive(Default)]
pub struct Keys {
    /// The last good set.
    set: KeySet,
    /// Whether the last try to read them gave one.
    current: bool,
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
        keys: RwLock<Keys>,
    },
    /// None is good.
    Nobody,
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
            AuthConfig::Nobody => Self::Nobody,
        }
    }

    /// Whether tokens are verified by the keys of an identity provider.
    #[must_use]
    pub fn needs_keys(&self) -> bool {
        matches!(self, Self::Issuer { .. })
    }

    /// Replaces the keys of the identity provider. Nothing when they could not be read: the last good ones stay.
    pub fn set_keys(&self, read: Option<KeySet>) {
        if let Self::Issuer { keys, .. } = self {
            let mut keys = keys.write().unwrap_or_else(PoisonError::into_inner);
            keys.current = read.is_some();
            keys.set = read.unwrap_or_else(|| std::mem::take(&mut keys.set));
        }
    }

    /// Whether tokens can be verified: a set was read once, or none is needed.
    #[must_use]
    pub fn has_keys(&self) -> bool {
        match self {
            Self::Secret(_) | Self::Nobody => true,
            Self::Issuer { keys, .. } => !keys.read().unwrap_or_else(PoisonError::into_inner).set.is_empty(),
        }
    }

    /// Whether an `Authorization` header has a token that names a key which is not known here. Nothing is verified.
    #[must_use]
    pub fn misses_key(&self, authorization: Option<&str>) -> bool {
        let Self::Issuer { keys, .. } = self else { return false };
        let named = authorization.and_then(bearer).and_then(kid);
        named.is_some_and(|kid| keys.read().unwrap_or_else(PoisonError::into_inner).set.find(&kid).is_none())
    }

    /// The caller that an `Authorization` header names.
    ///
    /// # Errors
    /// [`Refusal`]: without a bearer token, or when it does not hold at `now`.
    pub fn caller(&self, authorization: Option<&str>, now: Timestamp) -> Result<Caller, Refusal> {
        let token = authorization.and_then(bearer).ok_or(Refusal::Missing)?;
        match self {
            Self::Nobody => Err(Refusal::Invalid),
            Self::Secret(key) => caller_of(&verified(token, key, Algorithm::HS256)?, now).ok_or(Refusal::Invalid),
            Self::Issuer { issuer, audience, keys } => {
                let kid = kid(token).ok_or(Refusal::Invalid)?;
                let keys = keys.read().unwrap_or_else(PoisonError::into_inner);
                let unknown = if keys.current { Refusal::UnknownKey } else { Refusal::KeysUnknown };
                let (algorithm, key) = keys.set.find(&kid).ok_or(unknown)?;
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
    let [hs256, rs256, es256] = &*VALIDATIONS;
    let validation = match algorithm {
        Algorithm::HS256 => hs256,
        Algorithm::RS256 => rs256,
        Algorithm::ES256 => es256,
        _ => return Err(Refusal::Invalid),
    };
    jsonwebtoken::decode::<Map<String, Value>>(token, key, validation).map(|token| token.claims).map_err(|_| Refusal::Invalid)
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
mod tests;
