//! `refresh-jwks` against an HTTPS server: what it stores, and what it leaves as it is. And tokens of such keys.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use app::{App, Clock, KeptLetters, Parts, Refreshed};
use cache::Coherent;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use local::embedded::Embedded;
use refresh_jwks::Provider;
use rustls::RootCertStore;
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use store::{Table, TableConfig};
use testkit::{NOW, World};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use web::edge::EdgeConfig;

/// An identity provider: an HTTPS server that answers everything alike.
struct Idp {
    url: String,
    roots: RootCertStore,
    /// What it answers; nothing means that it keeps silent.
    answer: Arc<Mutex<Vec<u8>>>,
}

impl Idp {
    async fn start() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let key = PrivateKeyDer::Pkcs8(made.key_pair.serialize_der().into());
        let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ServerConfig::builder_with_provider(crypto).with_safe_default_protocol_versions().unwrap();
        let tls = tls.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/.well-known/jwks.json", listener.local_addr().unwrap().port());
        let answer = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(serve(listener, TlsAcceptor::from(Arc::new(tls)), Arc::clone(&answer)));
        Self { url, roots, answer }
    }

    fn provider(&self) -> Provider {
        Provider::trusting(&self.url, self.roots.clone()).unwrap()
    }

    fn answers(&self, status: &str, body: &str) {
        let head = format!("HTTP/1.1 {status}\r\nlocation: {}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", self.url, body.len());
        *self.answer.lock().unwrap() = format!("{head}{body}").into_bytes();
    }

    fn publishes(&self, keys: &[&Value]) {
        self.answers("200 OK", &json!({"keys": keys}).to_string());
    }
}

async fn serve(listener: TcpListener, tls: TlsAcceptor, answer: Arc<Mutex<Vec<u8>>>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (tls, answer) = (tls.clone(), answer.lock().unwrap().clone());
        tokio::spawn(async move {
            // A client that does not trust the certificate ends here.
            let Ok(mut stream) = tls.accept(stream).await else { return };
            let _ = stream.read(&mut [0; 4096]).await;
            if answer.is_empty() {
                tokio::time::sleep(Duration::from_secs(30)).await;
            }
            let _ = stream.write_all(&answer).await;
            let _ = stream.shutdown().await;
        });
    }
}

/// A signing key and its public half as a provider publishes it.
fn key(kid: &str) -> (EncodingKey, Value) {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let key = EncodingKey::from_ec_der(&pair.serialize_der());
    let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap()).unwrap();
    jwk["kid"] = json!(kid);
    jwk["use"] = json!("sig");
    (key, jwk)
}

/// The same of RSA.
fn rsa_key(kid: &str) -> (EncodingKey, Value) {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    // The key itself lies behind 26 bytes of PKCS #8.
    let key = EncodingKey::from_rsa_der(&pair.serialize_der()[26..]);
    let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&key, Algorithm::RS256).unwrap()).unwrap();
    jwk["kid"] = json!(kid);
    jwk["use"] = json!("sig");
    (key, jwk)
}

#[tokio::test]
async fn a_new_set_is_stored_once_and_without_anything_private() {
    let (world, idp) = (World::new().await, Idp::start().await);
    let ((_, first), (_, second)) = (key("k1"), key("k2"));
    let mut careless = second.clone();
    careless["d"] = json!("private");
    idp.publishes(&[&first, &careless, &json!({"kty": "oct", "kid": "k3", "alg": "HS256", "k": "c2VjcmV0"})]);
    assert_eq!(world.app().publish_keys(&idp.provider()).await.unwrap(), Refreshed::Stored);
    let stored: Value = serde_json::from_str(&world.table().jwks().await.unwrap().unwrap()).unwrap();
    assert_eq!(stored, json!({"keys": [first, second]}));

    idp.publishes(&[&second, &first]);
    let before = world.meter();
    assert_eq!(world.app().publish_keys(&idp.provider()).await.unwrap(), Refreshed::Unchanged);
    assert_eq!(world.meter().since(&before).calls(), 1, "an unchanged set is read and not written");
}

#[tokio::test]
async fn the_last_good_set_stays_whatever_the_provider_sends() {
    let (world, idp) = (World::new().await, Idp::start().await);
    idp.publishes(&[&key("k1").1]);
    world.app().publish_keys(&idp.provider()).await.unwrap();
    let stored = world.table().jwks().await.unwrap();
    let many = json!({"keys": [], "padding": "x".repeat(70_000)}).to_string();
    let another = json!({"keys": [key("k2").1]}).to_string();
    for (status, body, cause) in [
        ("500 Internal Server Error", "oops", "the identity provider answers 500 Internal Server Error"),
        ("302 Found", another.as_str(), "the identity provider answers 302 Found"),
        ("200 OK", "<html>", "expected value at line 1 column 1"),
        ("200 OK", r#"{"keys": []}"#, "the document has no usable key"),
        ("200 OK", "[]", "the document has no keys"),
        ("200 OK", &many, "the identity provider cannot be asked"),
        ("200 OK", "\u{1}", "expected value at line 1 column 1"),
    ] {
        idp.answers(status, body);
        assert_eq!(world.app().publish_keys(&idp.provider()).await.unwrap_err().to_string(), cause);
        assert_eq!(world.table().jwks().await.unwrap(), stored, "{cause}");
    }
    idp.answers("200 OK", &another);
    let stranger = Provider::trusting(&idp.url, RootCertStore::empty()).unwrap();
    assert!(world.app().publish_keys(&stranger).await.is_err(), "a certificate of nobody that is trusted");
    let closed = Provider::trusting("https://localhost:1/", idp.roots.clone()).unwrap();
    assert!(world.app().publish_keys(&closed).await.is_err());
    assert_eq!(world.table().jwks().await.unwrap(), stored);
}

#[tokio::test]
async fn a_silent_provider_is_left_after_five_seconds() {
    let (world, idp) = (World::new().await, Idp::start().await);
    let started = Instant::now();
    let error = world.app().publish_keys(&idp.provider()).await.unwrap_err();
    assert_eq!(error.to_string(), "the identity provider takes too long");
    assert!((5..15).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
}

#[test]
fn only_https_addresses_and_this_machine_without_a_user_are_taken() {
    let problem = |url: &str| Provider::from_lookup(&|_| Some(url.to_owned())).unwrap_err().to_string();
    assert_eq!(problem(""), "JWT_JWKS_URL: is not set");
    for url in ["http://id.example/keys", "https://user:password@id.example/keys", "ftp://id.example/", "/keys", "id.example"] {
        assert_eq!(problem(url), "JWT_JWKS_URL: is no https:// URL without a user", "{url}");
    }
    assert_eq!(problem("https://id example"), "JWT_JWKS_URL: is no URL");
    for url in ["https://id.example/keys", "http://127.0.0.1:8080/keys", "http://localhost/keys"] {
        assert!(Provider::from_lookup(&|_| Some(url.to_owned())).is_ok(), "{url}");
    }
}

#[tokio::test]
async fn tokens_of_a_new_key_hold_once_it_was_fetched() {
    let idp = Idp::start().await;
    let ((old, old_jwk), (new, new_jwk)) = (key("k1"), key("k2"));
    let (_embedded, app, clock) = app().await;
    let token = |key, kid| signed(key, Algorithm::ES256, Some(kid), &claims());
    let (of_old, of_new) = (token(&old, "k1"), token(&new, "k2"));
    idp.publishes(&[&old_jwk]);
    app.publish_keys(&idp.provider()).await.unwrap();
    app.load().await;
    assert_eq!([status(&app, &of_old).await, status(&app, &of_new).await], [200, 401]);

    idp.publishes(&[&old_jwk, &new_jwk]);
    app.publish_keys(&idp.provider()).await.unwrap();
    let before = app.table().meter().read();
    for _ in 0..5 {
        assert_eq!(status(&app, &of_new).await, 401);
    }
    assert_eq!(app.table().meter().read().since(&before).calls(), 0, "the table is asked once a minute at most");
    clock.set("2026-03-05T09:31:01Z".parse().unwrap());
    assert_eq!(status(&app, &of_new).await, 200);
    assert_eq!(status(&app, &of_old).await, 200);
}

#[tokio::test]
async fn while_keys_cannot_be_read_a_token_is_not_called_bad() {
    let idp = Idp::start().await;
    let (key, jwk) = key("k1");
    let (embedded, app, clock) = app().await;
    let token = |kid| signed(&key, Algorithm::ES256, Some(kid), &claims());
    app.load().await;
    assert_eq!(status(&app, &token("k1")).await, 503, "nothing was published yet");
    idp.publishes(&[&jwk]);
    app.publish_keys(&idp.provider()).await.unwrap();
    clock.set("2026-03-05T09:30:05Z".parse().unwrap());
    assert_eq!([status(&app, &token("k1")).await, status(&app, &token("k2")).await], [200, 401]);
    drop(embedded);
    clock.set("2026-03-05T09:31:06Z".parse().unwrap());
    assert_eq!(status(&app, &token("k2")).await, 503, "there may be a newer set");
    assert_eq!(status(&app, "no token").await, 401);
}

#[tokio::test]
async fn tokens_hold_by_either_algorithm_and_no_others() {
    let idp = Idp::start().await;
    let ((elliptic, elliptic_jwk), (rsa, rsa_jwk), (stranger, _)) = (key("ec"), rsa_key("rsa"), key("ec"));
    let (_embedded, app, _) = app().await;
    idp.publishes(&[&elliptic_jwk, &rsa_jwk]);
    app.publish_keys(&idp.provider()).await.unwrap();
    app.load().await;
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        claims
    };
    let (es256, rs256) = (Algorithm::ES256, Algorithm::RS256);
    let public = EncodingKey::from_secret(elliptic_jwk["x"].as_str().unwrap().as_bytes());
    let good = signed(&elliptic, es256, Some("ec"), &claims());
    for (what, token, expected) in [
        ("ES256", good.clone(), 200),
        ("RS256", signed(&rsa, rs256, Some("rsa"), &claims()), 200),
        ("several audiences", signed(&rsa, rs256, Some("rsa"), &with("aud", json!(["other", "callsheets"]))), 200),
        ("the public key as a shared secret", signed(&public, Algorithm::HS256, Some("ec"), &claims()), 401),
        ("the worlds' shared secret", testkit::sign(&claims()), 401),
        ("no algorithm", testkit::unsigned(&claims()), 401),
        ("the RSA key under the other's name", signed(&rsa, rs256, Some("ec"), &claims()), 401),
        ("the elliptic key under the other's name", signed(&elliptic, es256, Some("rsa"), &claims()), 401),
        ("RS512", signed(&rsa, Algorithm::RS512, Some("rsa"), &claims()), 401),
        ("PS256", signed(&rsa, Algorithm::PS256, Some("rsa"), &claims()), 401),
        ("a stranger's key", signed(&stranger, es256, Some("ec"), &claims()), 401),
        ("an unknown key", signed(&elliptic, es256, Some("k9"), &claims()), 401),
        ("no key named", signed(&elliptic, es256, None, &claims()), 401),
        ("another issuer", signed(&elliptic, es256, Some("ec"), &with("iss", json!("https://evil.example"))), 401),
        ("no issuer", signed(&elliptic, es256, Some("ec"), &with("iss", json!(null))), 401),
        ("another audience", signed(&elliptic, es256, Some("ec"), &with("aud", json!("other"))), 401),
        ("no audience", signed(&elliptic, es256, Some("ec"), &with("aud", json!(null))), 401),
        ("expired", signed(&elliptic, es256, Some("ec"), &with("exp", json!(1))), 401),
        ("cut", good[..good.len() - 4].to_owned(), 401),
    ] {
        assert_eq!(status(&app, &token).await, expected, "{what}");
    }
}

/// An app that knows its callers by an issuer, and its table, under a clock that stands still.
async fn app() -> (Embedded, App, Clock) {
    let embedded = Embedded::memory().unwrap();
    let clock = Clock::frozen(NOW.parse().unwrap());
    let table = Table::connect(&TableConfig::local("callsheets", embedded.endpoint()));
    table.create_if_absent().await.unwrap();
    let (cache, dead_letters) = (Coherent::off(), Arc::new(KeptLetters::default()));
    let app = App::from_parts(Parts { table, cache, edge: edge(), clock: clock.clone(), dead_letters });
    (embedded, app, clock)
}

fn edge() -> EdgeConfig {
    let lookup = |variable: &str| match variable {
        "JWT_ISSUER" => Some("https://id.example".to_owned()),
        "JWT_AUDIENCE" => Some("callsheets".to_owned()),
        _ => None,
    };
    EdgeConfig::from_lookup(&lookup).unwrap()
}

fn claims() -> Value {
    json!({"sub": "u1", "iss": "https://id.example", "aud": "callsheets", "exp": 1_772_800_000})
}

fn signed(key: &EncodingKey, algorithm: Algorithm, kid: Option<&str>, claims: &Value) -> String {
    let header = Header { kid: kid.map(str::to_owned), ..Header::new(algorithm) };
    jsonwebtoken::encode(&header, claims, key).unwrap()
}

/// What a token gets.
async fn status(app: &App, token: &str) -> u16 {
    let request = http::Request::get("/api/usage/current").header("authorization", format!("Bearer {token}"));
    let handler: app::Handler = |app, request| Box::pin(get_usage::handle(app, request));
    app::respond(app, request.body("".into()).unwrap(), handler).await.status().as_u16()
}
