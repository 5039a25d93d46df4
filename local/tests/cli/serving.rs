//! The server over real HTTP.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use local::embedded::Embedded;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;

use crate::run::{Serving, bearer, local, text};
use crate::valkey::Valkey;
use crate::{CONTACT, NOW, lines};

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
fn damaged_requests_never_get_an_internal_error() {
    let server = Serving::start(&["--now", NOW]);
    let token = bearer(&["--now", NOW]);
    let mut rng = SmallRng::seed_from_u64(7);
    for round in 0..400 {
        let path = ["/api/contacts?page=1&search=x", "/api/contacts/5d2d9b0c-7f0a-4c2e-8a51-0c5b6a0d9f11", "/api/jobs"][round % 3];
        let mut request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nCookie: rev=1.00\r\nConnection: close\r\n\r\n"
        )
        .into_bytes();
        for _ in 0..rng.random_range(1..4) {
            // Mostly in the line and the first headers, where it matters; the end stays, so that the server need not wait for more.
            let at = rng.random_range(0..(request.len() - 30).min(if round % 2 == 0 { 60 } else { usize::MAX }));
            request[at] = rng.random_range(0x20..=0xff);
        }
        let answer = server.raw_bytes(&request);
        let status = String::from_utf8_lossy(&answer).split(' ').nth(1).unwrap_or("closed").to_owned();
        assert!(!status.starts_with('5'), "{status} for {}", String::from_utf8_lossy(&request));
    }
    assert_eq!(server.get("/api/jobs", &token).0, 200);
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

#[test]
fn another_servers_table_is_created_filled_and_served() {
    let other = Embedded::memory().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("accounts.ndjson");
    std::fs::write(&file, lines()).unwrap();
    let imported = local(&["import", file.to_str().unwrap(), "--dynamodb", other.endpoint()]);
    assert!(imported.status.success(), "{}", text(&imported.stderr));
    let server = Serving::start(&["--dynamodb", other.endpoint(), "--now", NOW]);
    let token = bearer(&["--now", NOW]);
    assert_eq!(server.get(&format!("/api/contacts/{CONTACT}"), &token).1["data"]["name"], "Mara Quill");
    assert_eq!(server.send("DELETE", &format!("/api/contacts/{CONTACT}"), &token).0, 200);
    assert_eq!(server.get("/api/contacts/stats", &token).1["data"]["totalContacts"], 0);
    assert_eq!(server.stop("INT"), Some(0));
}

#[test]
fn a_client_that_hangs_up_does_not_undo_its_write() {
    let folder = tempfile::tempdir().unwrap();
    let (file, data) = (folder.path().join("accounts.ndjson"), folder.path().to_str().unwrap());
    std::fs::write(&file, lines()).unwrap();
    assert!(local(&["import", file.to_str().unwrap(), "--data", data]).status.success());
    let server = Serving::start(&["--data", data, "--now", NOW]);
    let token = bearer(&["--now", NOW]);
    let total = || server.get("/api/contacts/stats", &token).1["data"]["totalContacts"].clone();
    assert_eq!(total(), 1);
    let mut stream = TcpStream::connect(&server.address).unwrap();
    write!(stream, "DELETE /api/contacts/{CONTACT} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n").unwrap();
    drop(stream);
    let until = Instant::now() + Duration::from_secs(10);
    while total() != 0 {
        assert!(Instant::now() < until, "the contact is still there");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_half_request_does_not_keep_the_server_from_stopping() {
    let server = Serving::start(&["--no-demo"]);
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.write_all(b"POST /api/extraction/save-contacts HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{").unwrap();
    let before = Instant::now();
    assert_eq!(server.stop("INT"), Some(0));
    assert!(before.elapsed() < Duration::from_secs(8));
}

#[test]
fn the_clock_may_stand_at_either_end_of_time() {
    for now in ["1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z"] {
        let server = Serving::start(&["--now", now]);
        let token = server.announced.split("Bearer ").nth(1).and_then(|rest| rest.split('\'').next()).expect("a token").to_owned();
        assert_eq!(server.get("/api/dashboard/data", &token).0, 200, "{now}");
        assert_eq!(server.get("/api/dashboard/activity", &token).0, 200, "{now}");
    }
}

#[test]
fn a_real_cache_answers_and_is_told_of_changes() {
    let valkey = Valkey::start();
    let folder = tempfile::tempdir().unwrap();
    let (file, data) = (folder.path().join("accounts.ndjson"), folder.path().to_str().unwrap());
    std::fs::write(&file, lines()).unwrap();
    assert!(local(&["import", file.to_str().unwrap(), "--data", data]).status.success());
    let server = Serving::start(&["--data", data, "--now", NOW, "--cache", &valkey.url()]);
    let token = bearer(&["--now", NOW]);
    let ask = || {
        let answer = server.raw(format!(
            "GET /api/contacts/stats HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        ));
        let status = answer.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("cache-status: ").map(str::to_owned));
        (status.expect("a Cache-Status"), answer.contains(r#""totalContacts":1"#))
    };
    assert!(ask().1);
    let (status, one) = ask();
    assert!(status.contains("; hit") && one, "{status}");
    assert_eq!(server.send("DELETE", &format!("/api/contacts/{CONTACT}"), &token).0, 200);
    assert!(!ask().1);
    assert!(ask().0.contains("; hit"));
    // Without its cache the server goes on.
    drop(valkey);
    for _ in 0..3 {
        assert!(!ask().1);
    }
    assert_eq!(server.stop("INT"), Some(0));
}

#[test]
fn a_cache_that_cannot_be_reached_is_no_reason_not_to_start() {
    let server = Serving::start(&["--no-demo", "--now", NOW, "--cache", "redis://127.0.0.1:1"]);
    assert_eq!(server.get("/api/dashboard/data", &bearer(&["--now", NOW])).0, 200);
}
