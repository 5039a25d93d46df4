//! The `Stripe-Signature` header: `t=<unix seconds>,v1=<hex HMAC-SHA-256 of "t.body">`.

use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

/// Distance between the signature's time and now, in seconds, in either direction.
/// Source: Stripe's webhook documentation, default tolerance of the official libraries.
pub const TOLERANCE_SECONDS: i64 = 300;
/// Bytes of a signed body.
pub const BODY_BYTES_MAX: usize = 1_048_576;
/// Bytes of the header; ours has about 100 for each signature.
const HEADER_BYTES_MAX: usize = 4_096;

/// Why a delivery was refused. Clients see one text for all but the missing header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The header is not `t=..,v1=..` with exactly one time.
    #[error("malformed signature header")]
    Malformed,
    /// No `v1` matches under any secret.
    #[error("no signature matches")]
    Mismatch,
    /// The signature is right and too old, or too far ahead.
    #[error("signature time is outside the tolerance")]
    OutsideTolerance,
}

/// The configured signing secrets; several while one is rotated.
#[derive(Debug, Clone)]
pub struct Secrets(Vec<SecretString>);

/// Why `STRIPE_WEBHOOK_SECRETS` was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("STRIPE_WEBHOOK_SECRETS: a comma list of non-empty secrets is required")]
pub struct SecretsError;

impl Secrets {
    /// Reads a comma list; parts are trimmed.
    ///
    /// # Errors
    /// [`SecretsError`] when the list or one of its parts is empty.
    pub fn parse(list: &str) -> Result<Self, SecretsError> {
        let parts: Vec<_> = list.split(',').map(str::trim).collect();
        if parts.iter().any(|part| part.is_empty()) {
            return Err(SecretsError);
        }
        Ok(Self(parts.into_iter().map(SecretString::from).collect()))
    }

    /// Signs a body as Stripe does, with the first secret: for the fake and for tests.
    #[must_use]
    pub fn sign(&self, body: &[u8], unix_seconds: i64) -> String {
        let mac = self.0.first().map(|secret| mac(secret, &unix_seconds.to_string(), body)).unwrap_or_default();
        format!("t={unix_seconds},v1={}", hex(&mac))
    }
}

/// Checks a delivery: the signature first, in constant time over all secrets and signatures, then its time.
///
/// # Errors
/// [`SignatureError`] says what is wrong; nothing of it is for the client.
pub fn verify(secrets: &Secrets, header: &str, body: &[u8], now_seconds: i64) -> Result<(), SignatureError> {
    let (time, seconds, signatures) = parse(header)?;
    let mut matched = Choice::from(0);
    for secret in &secrets.0 {
        let expected = hex(&mac(secret, time, body));
        for signature in &signatures {
            matched |= expected.as_bytes().ct_eq(signature.as_bytes());
        }
    }
    if !bool::from(matched) {
        return Err(SignatureError::Mismatch);
    }
    if now_seconds.abs_diff(seconds) > TOLERANCE_SECONDS.unsigned_abs() {
        return Err(SignatureError::OutsideTolerance);
    }
    Ok(())
}

/// The time as it was written and as a number, and every `v1`.
fn parse(header: &str) -> Result<(&str, i64, Vec<&str>), SignatureError> {
    if header.len() > HEADER_BYTES_MAX {
        return Err(SignatureError::Malformed);
    }
    let mut time = None;
    let mut signatures = Vec::new();
    for part in header.split(',') {
        match part.trim().split_once('=') {
            Some(("t", value)) if time.is_none() => time = Some(value),
            Some(("t", _)) => return Err(SignatureError::Malformed),
            Some(("v1", value)) => signatures.push(value),
            _ => {}
        }
    }
    let time = time.filter(|time| !time.is_empty() && time.bytes().all(|b| b.is_ascii_digit())).ok_or(SignatureError::Malformed)?;
    let seconds = time.parse().map_err(|_| SignatureError::Malformed)?;
    if signatures.is_empty() {
        return Err(SignatureError::Malformed);
    }
    Ok((time, seconds, signatures))
}

fn mac(secret: &SecretString, time: &str, body: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).expect("HMAC takes keys of any length");
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    mac.finalize().into_bytes().to_vec()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"{\n  \"id\": \"evt_test_webhook\",\n  \"object\": \"event\"\n}";
    const MAC: &str = "4f1cd7feda9826e746b7d482c4badebb657398df1099e1046364f6196a230150";
    const AT: i64 = 1_700_000_000;

    fn secrets() -> Secrets {
        Secrets::parse("whsec_test_secret").unwrap()
    }

    fn check(header: &str) -> Result<(), SignatureError> {
        verify(&secrets(), header, BODY, AT)
    }

    #[test]
    fn the_known_vector_is_accepted() {
        assert_eq!(check(&format!("t=1700000000,v1={MAC}")), Ok(()));
        assert_eq!(secrets().sign(BODY, AT), format!("t=1700000000,v1={MAC}"));
    }

    #[test]
    fn any_v1_is_enough_and_other_schemes_do_not_count() {
        assert_eq!(check(&format!("t=1700000000,v1=00,v0={MAC},v1={MAC},v9=x")), Ok(()));
        assert_eq!(check(&format!("t=1700000000,v0={MAC},v1=00")), Err(SignatureError::Mismatch));
        assert_eq!(check(&format!("t=1700000000,v0={MAC}")), Err(SignatureError::Malformed));
        assert_eq!(check(&format!(" t=1700000000, v1={MAC}")), Ok(()));
    }

    #[test]
    fn malformed_headers_are_refused() {
        for header in [
            "",
            "t=",
            "v1=00",
            "t=x,v1=00",
            "t=-1,v1=00",
            "t=1,t=1,v1=00",
            "t=99999999999999999999,v1=00",
            "t=1700000000",
            &"a".repeat(5_000),
        ] {
            assert_eq!(check(header), Err(SignatureError::Malformed), "{header:.20}");
        }
        assert_eq!(check(&format!("t=1700000000,v1={}", MAC.to_uppercase())), Err(SignatureError::Mismatch));
        assert_eq!(check(&format!("t=1700000000,v1={}", &MAC[..63])), Err(SignatureError::Mismatch));
        assert_eq!(check(&format!("t=1700000000,v1={MAC}=")), Err(SignatureError::Mismatch), "a part ends at the comma only");
    }

    #[test]
    fn the_time_counts_in_both_directions_after_the_signature() {
        let header = format!("t=1700000000,v1={MAC}");
        for (now, expected) in [
            (AT + 300, Ok(())),
            (AT - 300, Ok(())),
            (AT + 301, Err(SignatureError::OutsideTolerance)),
            (AT - 301, Err(SignatureError::OutsideTolerance)),
        ] {
            assert_eq!(verify(&secrets(), &header, BODY, now), expected, "{now}");
        }
        assert_eq!(verify(&secrets(), "t=1,v1=00", BODY, AT), Err(SignatureError::Mismatch), "a forger learns nothing of the time");
    }

    #[test]
    fn several_secrets_are_tried_and_none_may_be_empty() {
        let both = Secrets::parse(" whsec_new , whsec_test_secret ").unwrap();
        assert_eq!(verify(&both, &format!("t=1700000000,v1={MAC}"), BODY, AT), Ok(()));
        let new = Secrets::parse("whsec_new").unwrap();
        assert_eq!(verify(&new, &format!("t=1700000000,v1={MAC}"), BODY, AT), Err(SignatureError::Mismatch));
        for bad in ["", " ", "a,", ",a", "a, ,b"] {
            assert!(Secrets::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_body_is_bytes() {
        let body = [0xff, 0x00, 0xfe];
        let header = secrets().sign(&body, AT);
        assert_eq!(verify(&secrets(), &header, &body, AT), Ok(()));
        assert_eq!(verify(&secrets(), &header, &[0xff, 0x00], AT), Err(SignatureError::Mismatch));
    }
}
