//! `local token`: a JWT for the development secret.

use std::time::Duration;

use domain::{Timestamp, UserId};
use serde_json::json;

use crate::failure::Failure;
use crate::settings;

/// A token of a user that holds from `now` for `expires_in`.
///
/// # Errors
/// [`Failure::Usage`] when `JWT_SECRET` cannot be used, or the tokens are another issuer's.
pub fn token(user: &UserId, email: Option<&str>, now: Timestamp, expires_in: Duration) -> Result<String, Failure> {
    settings::edge()?;
    if settings::lookup("JWT_ISSUER").is_some() {
        return Err(Failure::Usage("JWT_ISSUER is set: tokens come from there".to_owned()));
    }
    let secret = settings::lookup("JWT_SECRET").expect("it has a default");
    let issued = now.unix_seconds();
    let expires = issued.saturating_add(i64::try_from(expires_in.as_secs()).unwrap_or(i64::MAX));
    let mut claims = json!({"userId": user, "iat": issued, "exp": expires});
    if let Some(email) = email {
        claims["email"] = json!(email);
    }
    Ok(web::auth::sign_hs256(&secret, &claims))
}
