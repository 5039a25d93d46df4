//! The edge as a client sees it.

use std::sync::atomic::{AtomicBool, Ordering};

use domain::Rev;
use serde_json::{Value, json};

use super::*;
use crate::auth::sign_hs256;
use crate::{Caller, StoredBody, gzip};

const SECRET: &str = "a secret of at least thirty-two bytes";
const NOW: Timestamp = Timestamp::from_ms(1_772_700_000_000);
const GIVEN: Given<'static> = Given { now: NOW, deadline: None, counters: None };

fn edge() -> Edge {
    let lookup = |name: &str| match name {
        "JWT_SECRET" => Some(SECRET.to_owned()),
        "ALLOWED_ORIGINS" => Some("https://app.example".to_owned()),
        _ => None,
    };
    Edge::new(EdgeConfig::from_lookup(&lookup).unwrap())
}

fn ask(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> lambda_http::Request {
    let token = sign_hs256(SECRET, &json!({"userId": "u1", "exp": NOW.unix_seconds() + 60}));
    let mut builder = http::Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == "authorization") {
        builder = builder.header("authorization", format!("Bearer {token}"));
    }
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(Body::Binary(body.to_vec())).unwrap()
}

async fn send(request: lambda_http::Request, response: Result<Response, ApiError>) -> lambda_http::Response<Body> {
    handle(&edge(), request, GIVEN, |_| async { response }).await
}

async fn get(path: &str, headers: &[(&str, &str)], response: Response) -> lambda_http::Response<Body> {
    send(ask("GET", path, headers, b""), Ok(response)).await
}

fn header<'a>(answer: &'a lambda_http::Response<Body>, name: &str) -> Option<&'a str> {
    answer.headers().get(name).map(|value| value.to_str().unwrap())
}

fn error(answer: &lambda_http::Response<Body>) -> (u16, String) {
    let body: Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!(body["success"], false);
    (answer.status().as_u16(), body["error"].as_str().unwrap().to_owned())
}

fn small() -> Response {
    Response::json(200, Bytes::from_static(b"{\"success\":true}"))
}

fn large() -> Bytes {
    format!("{{\"data\":\"{}\"}}", "x".repeat(5_000)).into()
}

#[tokio::test]
async fn every_answer_has_the_common_headers() {
    let answers = [
        get("/api/jobs", &[], small()).await,
        get("/nowhere", &[], small()).await,
        get("/api/jobs", &[("authorization", "x")], small()).await,
        send(ask("OPTIONS", "/api/jobs", &[], b""), Ok(small())).await,
    ];
    for (answer, status) in answers.iter().zip([200, 404, 401, 204]) {
        assert_eq!(answer.status(), status);
        for name in ["x-request-id", "strict-transport-security", "content-security-policy", "referrer-policy", "vary", "server-timing"] {
            assert!(header(answer, name).is_some(), "{status} {name}");
        }
        let policy = if status == 200 { "private, no-cache" } else { "no-store" };
        assert_eq!(header(answer, "cache-control"), Some(policy), "{status}");
    }
    assert_eq!(header(&answers[0], "content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(header(&answers[3], "allow"), Some("GET, HEAD, OPTIONS"));
}

#[tokio::test]
async fn request_ids_are_echoed_unless_unusable() {
    for (given, echoed) in [("abc-1", true), (&*"x".repeat(128), true), (&"x".repeat(129), false), ("a b", false), ("", false)] {
        let answer = get("/", &[("x-request-id", given)], small()).await;
        let id = header(&answer, "x-request-id").unwrap();
        assert_eq!(id == given, echoed, "{given}");
        assert!(echoed || Uuid::try_parse(id).is_ok_and(|id| id.get_version_num() == 4), "{id}");
    }
}

#[tokio::test]
async fn nothing_reaches_the_handler_before_its_checks() {
    let json = ("content-type", "application/json");
    let save = "/api/extraction/save-contacts";
    for (request, status) in [
        (ask("GET", "/api/jobs", &[("authorization", "Basic x")], b""), 401),
        (ask("PUT", "/api/jobs", &[], b""), 405),
        (ask("GET", "/api/none", &[], b""), 404),
        (ask("POST", save, &[("content-type", "text/plain")], b"{}"), 415),
        (ask("POST", save, &[json], &vec![b' '; JSON_BYTES_MAX + 1]), 413),
        (ask("POST", save, &[("authorization", "")], b""), 401),
    ] {
        let called = AtomicBool::new(false);
        let answer = handle(&edge(), request, GIVEN, |_| async {
            called.store(true, Ordering::Relaxed);
            Ok(small())
        })
        .await;
        assert_eq!((error(&answer).0, called.load(Ordering::Relaxed)), (status, false));
    }
}

#[tokio::test]
async fn the_handler_sees_who_calls_and_what_the_path_names() {
    let request = ask("GET", "/api/contacts/0197a3c1-02d4-7e0b-9a3a-2b8f2f1c0a01", &[], b"");
    let answer = handle(&edge(), request, GIVEN, |request| async move {
        let id: domain::ContactId = crate::path_id(&request, "id", "Contact")?;
        let body = json!({"user": Caller::of(&request)?.user, "id": id.to_string(), "now": request.now()});
        Ok(Response::json(200, body.to_string().into()).strong_etag(3))
    })
    .await;
    let body: Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!((&body["user"], &body["id"]), (&json!("u1"), &json!("0197a3c1-02d4-7e0b-9a3a-2b8f2f1c0a01")));
    assert_eq!(header(&answer, "etag"), Some("\"3\""));
}

#[tokio::test]
async fn a_slow_handler_is_503() {
    let never = |_| std::future::pending();
    let answer =
        handle(&edge(), ask("GET", "/api/jobs", &[], b""), Given { deadline: Some(Duration::from_millis(5)), ..GIVEN }, never).await;
    assert_eq!((error(&answer), header(&answer, "retry-after")), ((503, "Service unavailable".to_owned()), Some("1")));
}

#[tokio::test]
async fn causes_do_not_reach_the_client() {
    let answer = send(ask("GET", "/api/jobs", &[], b""), Err(ApiError::Internal("table arn:1".into()))).await;
    assert_eq!(error(&answer), (500, "Internal server error".to_owned()));
    assert_eq!(header(&answer, "etag"), None);
}

#[tokio::test]
async fn a_current_copy_is_304_with_its_validators() {
    let etag = crate::weak_etag(&large());
    let strong = etag.strip_prefix("W/").unwrap();
    for given in [etag.as_str(), "*", "\"a\", \"b\"", strong] {
        let response = Response::json(200, large()).rev(Rev(4));
        let answer = get("/api/jobs", &[("if-none-match", given), ("accept-encoding", "gzip")], response).await;
        let current = given != "\"a\", \"b\"";
        assert_eq!(answer.status(), if current { 304 } else { 200 }, "{given}");
        assert_eq!((header(&answer, "etag"), header(&answer, "x-rev")), (Some(etag.as_str()), Some("4")));
        assert_eq!(answer.body().is_empty(), current);
        assert_eq!(header(&answer, "content-encoding").is_none(), current);
    }
    let write = ask("DELETE", "/api/contacts/x", &[("if-none-match", "*")], b"");
    assert_eq!(send(write, Ok(small())).await.status(), 200);
}

#[tokio::test]
async fn bodies_travel_as_the_client_takes_them() {
    let stored = |packed: bool| {
        let bytes = if packed { gzip(&large()) } else { large() };
        Response::stored(StoredBody { bytes, gzip: packed, etag: crate::weak_etag(&large()) })
    };
    for packed in [true, false] {
        let answer = get("/api/jobs", &[], stored(packed)).await;
        assert_eq!((header(&answer, "content-encoding"), answer.body().as_ref()), (None, &large()[..]));
        let answer = get("/api/jobs", &[("accept-encoding", "br, gzip;q=0.5")], stored(packed)).await;
        assert_eq!(header(&answer, "content-encoding"), Some("gzip"));
        assert_eq!(crate::encoding::inflate(answer.body()).unwrap(), large());
        assert_eq!(header(&answer, "etag"), Some(crate::weak_etag(&large()).as_str()));
    }
    // What was stored packed is sent as it is: not even the header of the compression changes.
    let mut kept = gzip(&large()).to_vec();
    kept[4] = 7;
    let response = Response::stored(StoredBody { bytes: kept.clone().into(), gzip: true, etag: "\"x\"".to_owned() });
    assert_eq!(get("/api/jobs", &[("accept-encoding", "gzip")], response).await.body().as_ref(), kept);
    let answer = get("/api/jobs", &[("accept-encoding", "gzip")], small()).await;
    assert_eq!(header(&answer, "content-encoding"), None);
    let broken = Response::stored(StoredBody { bytes: Bytes::from_static(b"x"), gzip: true, etag: "\"x\"".to_owned() });
    assert_eq!(error(&get("/api/jobs", &[], broken).await).0, 500);
}

#[tokio::test]
async fn head_has_the_headers_of_get_alone() {
    let answer = send(ask("HEAD", "/api/jobs", &[], b""), Ok(small())).await;
    assert!(answer.body().is_empty());
    assert_eq!(header(&answer, "etag"), Some(crate::weak_etag(b"{\"success\":true}").as_str()));
    let refused = send(ask("HEAD", "/nowhere", &[], b""), Ok(small())).await;
    assert_eq!((refused.status().as_u16(), refused.body().is_empty()), (404, true));
}

#[tokio::test]
async fn a_write_hands_its_rev_to_browsers() {
    let raised = || Ok(small().raised_rev(Rev(9)));
    let https = send(ask("DELETE", "/api/contacts/x", &[("x-forwarded-proto", "https")], b""), raised()).await;
    let cookie = header(&https, "set-cookie").unwrap();
    assert!(cookie.starts_with("rev=9.") && cookie.ends_with("; Path=/; HttpOnly; Secure; SameSite=None"), "{cookie}");
    assert_eq!((header(&https, "x-rev"), header(&https, "etag"), header(&https, "cache-control")), (Some("9"), None, Some("no-store")));
    let http = send(ask("DELETE", "/api/contacts/x", &[], b""), raised()).await;
    assert!(header(&http, "set-cookie").unwrap().ends_with("; HttpOnly; SameSite=Lax"));
    assert!(header(&get("/api/jobs", &[], small().rev(Rev(9))).await, "set-cookie").is_none());
}

#[tokio::test]
async fn pages_of_allowed_origins_may_read_answers_and_errors() {
    let preflight = |origin| ask("OPTIONS", "/api/jobs", &[("origin", origin), ("access-control-request-method", "GET")], b"");
    let answer = send(preflight("https://app.example"), Ok(small())).await;
    assert_eq!((answer.status().as_u16(), header(&answer, "access-control-max-age")), (204, Some("86400")));
    assert!(header(&answer, "access-control-allow-headers").unwrap().contains("X-Rev"));
    let foreign = send(preflight("https://evil.example"), Ok(small())).await;
    assert!(foreign.headers().keys().all(|name| !name.as_str().starts_with("access-control")));
    for path in ["/api/jobs", "/nowhere"] {
        let answer = get(path, &[("origin", "https://app.example")], small()).await;
        assert_eq!(header(&answer, "access-control-allow-origin"), Some("https://app.example"));
        assert!(header(&answer, "access-control-expose-headers").unwrap().contains("X-Rev"));
    }
}

#[tokio::test]
async fn what_a_handler_sets_stays() {
    let response =
        small().cache_status("callsheets; hit; ttl=9").age(3).header("x-next-cursor", "abc").header("server-timing", "cache;dur=0.1");
    let answer = get("/api/jobs", &[], response).await;
    assert_eq!((header(&answer, "cache-status"), header(&answer, "age")), (Some("callsheets; hit; ttl=9"), Some("3")));
    assert_eq!(header(&answer, "x-next-cursor"), Some("abc"));
    assert!(header(&answer, "server-timing").unwrap().starts_with("cache;dur=0.1, total;dur="));
    let unready = get("/api/health", &[], Response::json(503, Bytes::from_static(b"{}"))).await;
    assert_eq!((unready.status().as_u16(), header(&unready, "cache-control")), (503, Some("no-store")));
    let plans = get("/api/billing/plans", &[("authorization", "x")], small()).await;
    assert_eq!(header(&plans, "cache-control"), Some("public, max-age=300, stale-while-revalidate=3600"));
}
