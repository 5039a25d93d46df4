//! What every route does with what it must refuse. The tables below meet every row of [`ENDPOINTS`]: a new route is covered by itself.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testkit::{Reply, World, claims, seed, sign, sign_as, sign_with, unsigned};
use web::endpoints::{Auth, BodyKind, ENDPOINTS, Endpoint};

/// Stands in whatever is sent, and must be in no answer.
const MARK: &str = "zq7mark";
const JSON: (&str, &str) = ("content-type", "application/json");
const MIB: usize = 1_048_576;

/// A path of the endpoint that names nothing: each `{name}` is an id that nobody has.
fn path(endpoint: &Endpoint) -> String {
    let segment = |text: &str| if text.starts_with('{') { "00000009-0000-7000-8000-000000000009".to_owned() } else { text.to_owned() };
    endpoint.path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

fn private() -> impl Iterator<Item = &'static Endpoint> {
    ENDPOINTS.iter().filter(|endpoint| endpoint.auth == Auth::Bearer)
}

async fn world() -> World {
    World::with(&[seed("u1").job("COMPLETED", "2026-03-04T10:15:00.000Z", 2)]).await
}

/// What every answer is like, whatever was asked.
#[track_caller]
fn conforms(reply: &Reply, what: &str) {
    for (name, value) in [
        ("strict-transport-security", "max-age=63072000; includeSubDomains"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-site"),
    ] {
        assert_eq!(reply.header(name), Some(value), "{what}: {name}");
    }
    assert!(reply.header("x-request-id").is_some_and(|id| !id.is_empty() && id.len() <= 128), "{what}: no request id");
    assert!(reply.header("vary").is_some_and(|names| names.contains("Origin")), "{what}: Vary");
    for banner in ["server", "x-powered-by", "via"] {
        assert!(reply.header(banner).is_none(), "{what}: {banner}");
    }
    let text = String::from_utf8_lossy(&reply.body);
    assert!(!text.contains(MARK), "{what}: the answer repeats the input: {text}");
    assert!(reply.status < 500, "{what}: {} {text}", reply.status);
    if reply.status >= 400 {
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{what}: an error is never stored");
        if !reply.body.is_empty() {
            assert_eq!(reply.header("content-type"), Some("application/json; charset=utf-8"), "{what}");
            assert_eq!((&reply.json["success"], reply.json["error"].is_string()), (&json!(false), true), "{what}: {text}");
        }
    }
}

/// Expects a refusal with its text.
#[track_caller]
fn refused(reply: &Reply, status: u16, text: &str, what: &str) {
    conforms(reply, what);
    assert_eq!((reply.status, reply.json["error"].as_str()), (status, Some(text)), "{what}");
}

#[tokio::test]
async fn without_a_token_there_is_no_answer() {
    let world = world().await;
    for endpoint in private() {
        let (method, path) = (endpoint.method, path(endpoint));
        for authorization in
            [None, Some(""), Some("Bearer"), Some("Bearer  "), Some("Basic dTE6eA=="), Some("Token zq7mark"), Some("zq7mark")]
        {
            let headers: Vec<_> = authorization.map(|value| ("authorization", value)).into_iter().chain([JSON]).collect();
            let reply = world.anonymous().send(method, &path, &headers, b"{}").await;
            refused(&reply, 401, "Access token required", &format!("{method} {path} with {authorization:?}"));
            assert_eq!(reply.header("www-authenticate"), Some("Bearer"), "{method} {path}");
        }
    }
    for endpoint in ENDPOINTS.iter().filter(|endpoint| endpoint.auth == Auth::Public) {
        let reply = world.anonymous().send(endpoint.method, &path(endpoint), &[], b"").await;
        conforms(&reply, endpoint.path);
        assert_ne!(reply.status, 401, "{} {}", endpoint.method, endpoint.path);
    }
}

/// Tokens that must not hold, by what is wrong with them.
fn bad_tokens() -> Vec<(&'static str, String)> {
    let good = claims("u1");
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    let without = |names: &[&str]| {
        let mut claims = good.clone();
        names.iter().for_each(|name| drop(claims.as_object_mut().map(|map| map.remove(*name))));
        claims
    };
    let token = sign(&good);
    let (head, tail) = token.rsplit_once('.').expect("three parts");
    let another = sign(&with("userId", json!("u2")));
    let payload = another.split('.').nth(1).expect("three parts");
    let parts: Vec<&str> = token.split('.').collect();
    vec![
        ("alg none", unsigned(&good)),
        ("alg none in capitals", sign_as(&json!({"alg": "NONE", "typ": "JWT"}), &good)),
        ("alg RS256 over the shared secret", sign_as(&json!({"alg": "RS256", "typ": "JWT"}), &good)),
        ("alg ES256 over the shared secret", sign_as(&json!({"alg": "ES256", "typ": "JWT", "kid": "k1"}), &good)),
        ("alg HS384", sign_as(&json!({"alg": "HS384", "typ": "JWT"}), &good)),
        ("no alg", sign_as(&json!({"typ": "JWT"}), &good)),
        ("another secret", sign_with("another secret that has at least 32 bytes", &good)),
        ("no secret", sign_with("", &good)),
        ("expired", sign(&with("exp", json!(1)))),
        ("at its end", sign(&with("exp", json!(1_772_703_000)))),
        ("not yet valid", sign(&with("nbf", json!(1_772_703_001)))),
        ("without exp", sign(&without(&["exp"]))),
        ("exp as text", sign(&with("exp", json!("1772800000")))),
        ("without user", sign(&without(&["userId"]))),
        ("user of another type", sign(&with("userId", json!({"id": "u1"})))),
        ("user id with a slash", sign(&with("userId", json!("u1/u2")))),
        ("claims that are no object", sign(&json!(["u1"]))),
        ("another user's claims", format!("{}.{payload}.{}", parts[0], parts[2])),
        ("signature cut", token[..token.len() - 2].to_owned()),
        ("no signature", format!("{head}.")),
        ("signature twice", format!("{token}.{tail}")),
        ("two parts", head.to_owned()),
        ("no base64", "zq7mark.zq7mark!.zq7mark".to_owned()),
        ("no JSON", "enE3bWFyaw.enE3bWFyaw.enE3bWFyaw".to_owned()),
        ("padded", format!("{head}.{tail}=")),
    ]
}

#[tokio::test]
async fn tokens_that_do_not_hold_are_refused_everywhere() {
    let world = world().await;
    for (what, token) in bad_tokens() {
        for endpoint in private() {
            let (method, path) = (endpoint.method, path(endpoint));
            let reply = world.with_token(&token).send(method, &path, &[JSON], b"{}").await;
            refused(&reply, 401, "Invalid or expired token", &format!("{method} {path} with {what}"));
            assert_eq!(reply.header("www-authenticate"), Some("Bearer error=\"invalid_token\""));
        }
    }
}

#[tokio::test]
async fn wrong_methods_are_told_the_right_ones() {
    let world = world().await;
    let paths: BTreeSet<&str> = ENDPOINTS.iter().map(|endpoint| endpoint.path).collect();
    for template in paths {
        let here: Vec<_> = ENDPOINTS.iter().filter(|endpoint| endpoint.path == template).collect();
        let mut methods: BTreeSet<&str> = here.iter().map(|endpoint| endpoint.method).chain(["OPTIONS"]).collect();
        if methods.contains("GET") {
            methods.insert("HEAD");
        }
        let allow = methods.iter().copied().collect::<Vec<_>>().join(", ");
        let path = path(here[0]);
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"] {
            if methods.contains(method) {
                continue;
            }
            for reply in [world.send(method, &path, &[JSON], b"{}").await, world.anonymous().send(method, &path, &[], b"").await] {
                conforms(&reply, &format!("{method} {path}"));
                assert_eq!((reply.status, reply.header("allow")), (405, Some(allow.as_str())), "{method} {path}");
            }
        }
        let reply = world.anonymous().send("OPTIONS", &path, &[], b"").await;
        conforms(&reply, template);
        assert_eq!((reply.status, reply.header("allow")), (204, Some(allow.as_str())), "OPTIONS {path}");
    }
}

#[tokio::test]
async fn bodies_of_another_type_or_size_are_not_read() {
    let world = world().await;
    let bodies = ENDPOINTS.iter().filter(|endpoint| endpoint.body == BodyKind::Json);
    for endpoint in bodies {
        let (method, path) = (endpoint.method, path(endpoint));
        for kind in
            ["text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "application/jsonp", "json", "*/*", ""]
        {
            let reply = world.send(method, &path, &[("content-type", kind)], b"{}").await;
            refused(&reply, 415, "Unsupported content type", &format!("{method} {path} as {kind}"));
        }
        let reply = world.send(method, &path, &[], b"{}").await;
        refused(&reply, 415, "Unsupported content type", &format!("{method} {path} without a type"));
    }
    for endpoint in ENDPOINTS {
        let limit = if endpoint.body == BodyKind::None { 4 * MIB } else { MIB };
        let (method, path) = (endpoint.method, path(endpoint));
        let mut body = vec![b' '; limit + 1];
        let reply = world.send(method, &path, &[JSON], &body).await;
        refused(&reply, 413, "Request body too large", &format!("{method} {path}"));
        body.pop();
        let reply = world.send(method, &path, &[JSON], &body).await;
        assert_ne!(reply.status, 413, "{method} {path} with a body of exactly its limit");
    }
}

#[tokio::test]
async fn what_is_not_strict_json_is_a_bad_request() {
    let world = world().await;
    let nested = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
    let utf16: Vec<u8> = "{\"a\":1}".encode_utf16().flat_map(u16::to_be_bytes).collect();
    let bad: Vec<(&str, Vec<u8>)> = vec![
        ("cut", b"{\"a\": \"zq7mark".to_vec()),
        ("two values", b"{}{}".to_vec()),
        ("single quotes", b"{'a':'zq7mark'}".to_vec()),
        ("trailing comma", b"[1,]".to_vec()),
        ("comment", b"{} // zq7mark".to_vec()),
        ("not a number", b"{\"a\":NaN}".to_vec()),
        ("too large a number", b"{\"a\":1e999}".to_vec()),
        ("byte order mark", b"\xef\xbb\xbf{}".to_vec()),
        ("control character in a text", b"{\"a\":\"\x00\"}".to_vec()),
        ("half a surrogate", br#"{"a":"\ud800"}"#.to_vec()),
        ("key twice", br#"{"a":1,"a":2}"#.to_vec()),
        ("key twice, once escaped", br#"[{"a":1,"\u0061":2}]"#.to_vec()),
        ("33 deep", nested(33)),
        ("100,000 deep", nested(100_000)),
    ];
    for endpoint in ENDPOINTS.iter().filter(|endpoint| endpoint.body == BodyKind::Json) {
        let (method, path) = (endpoint.method, path(endpoint));
        for (what, body) in &bad {
            let reply = world.send(method, &path, &[JSON], body).await;
            refused(&reply, 400, "Invalid JSON", &format!("{method} {path} with {what}"));
        }
        for (what, body) in [("Latin 1", b"{\"a\":\"\xe9\"}".to_vec()), ("UTF-16", [b"\xfe\xff".to_vec(), utf16.clone()].concat())] {
            let reply = world.send(method, &path, &[JSON], &body).await;
            refused(&reply, 400, "body: not UTF-8", &format!("{method} {path} with {what}"));
        }
        for body in [&b"null"[..], b"7", b"\"zq7mark\"", b"[]", b"{}", b"", &nested(32)] {
            let reply = world.send(method, &path, &[JSON], body).await;
            conforms(&reply, &format!("{method} {path}"));
            assert_eq!(reply.status, 400, "{method} {path} with {}: {}", String::from_utf8_lossy(body), reply.json);
        }
    }
}

#[tokio::test]
async fn hostile_headers_change_nothing() {
    let world = world().await;
    let long = format!("{MARK}{}", "x".repeat(8_000));
    let headers = [
        ("x-request-id", "<script>zq7mark</script> with spaces"),
        ("x-request-id", long.as_str()),
        ("accept", "text/html, application/xml;q=0.9"),
        ("accept-encoding", "zq7mark;q=x, ,;;, gzip;q=NaN"),
        ("if-none-match", "zq7mark, W/\"\", ,,\""),
        ("x-rev", "18446744073709551616"),
        ("cookie", "rev=zq7mark; rev=1.; =; ;;; rev=9.00000000"),
        ("range", "bytes=0-0"),
        ("origin", "null"),
        ("origin", "https://zq7mark.example"),
        ("x-http-method-override", "DELETE"),
        ("x-forwarded-for", "zq7mark, 127.0.0.1"),
        ("x-forwarded-proto", "zq7mark"),
        ("x-forwarded-host", "zq7mark.example"),
        ("x-amzn-trace-id", "zq7mark"),
        ("user-agent", "() { :; }; zq7mark"),
        ("content-encoding", "gzip"),
        ("x-long", &long),
    ];
    for endpoint in ENDPOINTS {
        let (method, path) = (endpoint.method, path(endpoint));
        let expected = world.send(method, &path, &[], b"").await.status;
        for (name, value) in headers {
            let reply = world.send(method, &path, &[(name, value)], b"").await;
            conforms(&reply, &format!("{method} {path} with {name}: {value:.40}"));
            assert_eq!(reply.status, expected, "{method} {path} with {name}: {value:.40}");
            assert_eq!(reply.header("access-control-allow-origin"), None, "{method} {path} with {name}: {value:.40}");
            assert!(!reply.header("x-request-id").is_some_and(|id| id.contains(MARK)), "{method} {path}: request id");
        }
    }
}

#[tokio::test]
async fn hostile_paths_and_queries_are_only_unknown_or_bad() {
    let world = world().await;
    let long = format!("?{MARK}={}", "x".repeat(8_192));
    let after = [
        "/",
        "//",
        "/.",
        "/..",
        "/zq7mark",
        "%2F",
        "%2fzq7mark",
        "%5c",
        "%00",
        "%zz",
        "%",
        ";zq7mark=1",
        ".json",
        "%20",
        "%C0%AF",
        "%F0%9F%98%80",
    ];
    let queries = [
        "?",
        "?zq7mark",
        "?%00=%00",
        "?%ff=%ff",
        "?&&=&=&",
        "?a[]=1&a[b]=2",
        "?page=zq7mark",
        "?limit=-1",
        "?cursor=zq7mark",
        "?jobId=zq7mark",
        &long,
    ];
    for endpoint in ENDPOINTS {
        let (method, path) = (endpoint.method, path(endpoint));
        let before = ["/%2e%2e", "/.", "/x/..", "//zq7mark.example"].map(|prefix| format!("{prefix}{path}"));
        let hostile =
            after.iter().map(|tail| format!("{path}{tail}")).chain(before).chain([path.to_uppercase()]).filter(|uri| *uri != path);
        for uri in hostile.filter(|uri| uri != "//" && !uri.starts_with("//.")) {
            let reply = world.send(method, &uri, &[], b"").await;
            conforms(&reply, &format!("{method} {uri}"));
            assert!([404, 405].contains(&reply.status), "{method} {uri}: {}", reply.status);
        }
        for query in queries {
            let uri = format!("{path}{query}");
            let reply = world.send(method, &uri, &[JSON], b"").await;
            conforms(&reply, &format!("{method} {uri:.60}"));
            assert!([200, 202, 400, 404, 422].contains(&reply.status), "{method} {uri:.60}: {}", reply.status);
        }
    }
}
