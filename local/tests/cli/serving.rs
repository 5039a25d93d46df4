//! The server over real HTTP.

use crate::NOW;
use crate::run::{Serving, bearer, text};
use serde_json::Value;

#[test]
fn the_sample_requests_work_when_pasted() {
    let server = Serving::start(&[]);
    let samples: Vec<&str> = server.announced.lines().filter(|line| line.starts_with("curl ")).collect();
    assert_eq!(samples.len(), 3, "{}", server.announced);
    for sample in samples {
        let token = sample.split("Bearer ").nth(1).and_then(|rest| rest.split('\'').next()).expect("a token");
        let path = sample.rsplit('\'').nth(1).and_then(|url| url.strip_prefix(&format!("http://{}", server.address))).expect("a URL");
        let (status, body) = server.get(path, token);
        assert_eq!((status, body["success"].clone()), (200, Value::Bool(true)), "{sample}");
        let found = [&body["data"]["metrics"]["totalContacts"], &body["data"]["pagination"]["total"], &body["data"]["totalContacts"]];
        assert!(found.into_iter().filter_map(Value::as_u64).any(|contacts| contacts >= 300), "{path}: {body}");
    }
    assert_eq!(server.stop("INT"), Some(0));
}

#[test]
fn the_demo_account_has_something_on_every_page() {
    let server = Serving::start(&["--now", NOW]);
    let token = server.announced.split("Bearer ").nth(1).and_then(|rest| rest.split('\'').next()).expect("a token").to_owned();
    let data = |path: &str| {
        let (status, body) = server.get(path, &token);
        assert_eq!(status, 200, "{path}");
        if body["data"].is_null() { body } else { body["data"].clone() }
    };
    let dashboard = data("/api/dashboard/data");
    assert_eq!((&dashboard["usage"]["planId"], &dashboard["billing"]["hasSubscription"]), (&Value::from("starter"), &Value::Bool(true)));
    assert_eq!(data("/api/dashboard/activity").as_array().map(Vec::len), Some(7));
    assert!(data("/api/contacts/stats")["contactsByRole"].as_array().is_some_and(|roles| roles.len() >= 30));
    assert!(data("/api/jobs").as_array().is_some_and(|jobs| jobs.len() >= 30));
    assert_eq!(data("/api/billing/customer")["customer"]["name"], "Ines Halyard");
    assert!(data("/api/usage/current")["uploadsUsed"].as_u64().is_some_and(|used| used > 0));
}

#[test]
fn requests_that_are_none_are_refused_and_the_server_goes_on() {
    let server = Serving::start(&["--no-demo"]);
    let status = |request: Vec<u8>| server.raw(request).split(' ').nth(1).unwrap_or("closed").to_owned();
    let head = |line: &str, more: &str| format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}\r\n").into_bytes();
    assert_eq!(status(b"nonsense\r\n\r\n".to_vec()), "400");
    for long in [10_241, 300_000] {
        assert_eq!(status(head("GET /", &format!("x-long: {}\r\n", "x".repeat(long)))), "431", "{long}");
    }
    assert_eq!(status(b"GET / HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n".to_vec()), "400");
    assert_eq!(status(head("GET /", "x-bytes: \u{e9}\r\n")), "400");
    let large = server.raw(head("POST /api/extraction/save-contacts", "Content-Length: 6291457\r\n"));
    assert!(large.starts_with("HTTP/1.1 413 ") && large.ends_with(r#"{"error":"Request body too large","success":false}"#), "{large}");
    assert_eq!(status(head("GET /", "")), "200");
}

#[test]
fn an_answer_over_http_has_what_it_has_on_aws() {
    let server = Serving::start(&["--no-demo", "--now", NOW]);
    let token = bearer(&["--now", NOW]);
    let ask = |method: &str, path: &str| {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n");
        let answer = server.raw(request);
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        (head.to_ascii_lowercase(), body.to_owned())
    };
    let (get, body) = ask("GET", "/api/usage/limits");
    assert!(get.starts_with("http/1.1 200") && !get.contains("\r\nserver:") && body.starts_with(r#"{"success":true"#), "{get}");
    for header in ["x-request-id: ", "etag: w/\"", "x-rev: 0", "cache-control: private, no-cache", "content-type: application/json"] {
        assert!(get.contains(header), "{header} in {get}");
    }
    let (head, body) = ask("HEAD", "/api/usage/limits");
    assert!(head.starts_with("http/1.1 200") && body.is_empty(), "{head}");
    let (wrong, _) = ask("PUT", "/api/jobs");
    assert!(wrong.starts_with("http/1.1 405") && wrong.contains("allow: get, head, options"), "{wrong}");
}

#[test]
fn two_requests_share_a_connection() {
    let server = Serving::start(&["--no-demo"]);
    let answer =
        server.raw("GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_eq!((answer.matches("HTTP/1.1 200").count(), answer.matches("HTTP/1.1 404").count()), (1, 1), "{}", text(answer.as_bytes()));
}
