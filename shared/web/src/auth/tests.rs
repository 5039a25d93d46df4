//! Tokens and keys, good and bad.

use jsonwebtoken::jwk::Jwk;
use serde_json::json;

use super::keys::KEYS_MAX;
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
    for bad in [json!({"userId": 7, "sub": "u2", "exp": 1_001}), json!({"exp": 1_001}), json!({"sub": "a b", "exp": 1_001}), json!(["sub"])]
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
    for token in
        [hs512, none, sign_hs256("another secret that has 32 bytes or more", &claims), good[..good.len() - 2].to_owned(), "x".to_owned()]
    {
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
    assert_eq!((ask(&token), verifier.has_keys()), (Err(Refusal::KeysUnknown), false));
    verifier.set_keys(Some(KeySet::from_json(&json!({"keys": [jwk]}).to_string()).unwrap()));
    assert_eq!(ask(&token), Ok("u1".to_owned()));
    // A try that fails takes nothing away.
    verifier.set_keys(None);
    assert_eq!((ask(&token), ask(&signed(&key, Algorithm::ES256, "k2", &good))), (Ok("u1".to_owned()), Err(Refusal::KeysUnknown)));
    verifier.set_keys(Some(KeySet::from_json(&json!({"keys": [jwk]}).to_string()).unwrap()));
    assert_eq!(ask(&signed(&key, Algorithm::ES256, "k2", &good)), Err(Refusal::UnknownKey));
    for (claim, value) in [("iss", json!("https://evil.example")), ("aud", json!("other")), ("aud", json!(null)), ("exp", json!(1_000))] {
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
    verifier.set_keys(Some(KeySet::from_json(&json!({"keys": [jwk.clone()]}).to_string()).unwrap()));
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
    assert_eq!(["k1", "k2", "k3"].map(|kid| set.find(kid).is_some()), [true, false, false]);
    for bad in ["", "{}", "[]", r#"{"keys": []}"#, r#"{"keys": [1]}"#] {
        assert!(KeySet::from_json(bad).is_err(), "{bad}");
    }
}
