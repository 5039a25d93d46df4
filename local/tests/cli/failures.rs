//! Every documented failure is one clear line on stderr and exit code 2.

use std::net::TcpListener;

use crate::run::{command, local, text};

#[test]
fn what_cannot_be_used_is_one_line_and_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let file = format!("{data}/no-such-file.ndjson");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let missing = format!("{data}/missing");
    let a_file = format!("{data}/a-file");
    std::fs::write(&a_file, "").unwrap();
    let cases: &[(&[&str], &str)] = &[
        (&["--nope"], "unexpected argument '--nope'"),
        (&["frobnicate"], "unrecognized subcommand 'frobnicate'"),
        (&["--port", "x"], "invalid value 'x'"),
        (&["--port", &port], &format!("port {port} is taken")),
        (&["--now", "yesterday"], "invalid value 'yesterday'"),
        (&["--port", "0", "--data", &missing], "No such file or directory"),
        (&["--port", "0", "--data", &a_file], "not a directory"),
        (&["--data", data, "--dynamodb", "http://127.0.0.1:1"], "cannot be used with"),
        (&["--port", "0", "--cache", "http://127.0.0.1"], "CACHE_URL"),
        (&["--port", "1", "token", "--user", "u1"], "--port is of the server"),
        (&["token"], "--user <ID>"),
        (&["token", "--user", "a b"], "invalid value 'a b'"),
        (&["import", "x.ndjson"], "import needs --data DIR or --dynamodb URL"),
        (&["rebuild", "--user", "u1"], "rebuild needs --data DIR or --dynamodb URL"),
        (&["table", "--dynamodb", "http://127.0.0.1:1"], "table serves a table of its own"),
        (&["stripe-backfill"], "stripe-backfill needs --data DIR or --dynamodb URL"),
        (&["stripe-backfill", "--data", data], "STRIPE_SECRET_KEY"),
        (&["stripe-trigger", "customer.invented", "--user", "u1"], "no such event; known are checkout.session.async_payment_failed, "),
        (&["stripe-trigger", "price.created", "--user", "u1", "--url", "https://h"], "not an http:// URL"),
        (&["reprocess", "evt_1"], "reprocess needs --data DIR or --dynamodb URL"),
        (&["import", &file, "--data", data], "cannot read"),
        (&["import", &file, "--data", &missing], "No such file or directory"),
    ];
    for (arguments, expected) in cases {
        let output = local(arguments);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.contains(expected), "{arguments:?}: {error}");
        assert_eq!((error.lines().count(), error.starts_with("local: ")), (1, true), "{arguments:?}: {error}");
        assert!(output.stdout.is_empty(), "{arguments:?}: {}", text(&output.stdout));
    }
}

#[test]
fn a_variable_that_cannot_be_used_is_named() {
    for arguments in [&["--port", "0"][..], &["token", "--user", "u1"]] {
        let output = command(arguments).env("JWT_SECRET", "short").output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(text(&output.stderr), "local: JWT_SECRET: needs at least 32 bytes\n");
    }
}

#[test]
fn a_table_that_does_not_answer_is_one_line_and_exit_code_1() {
    let output = local(&["rebuild", "--user", "u1", "--dynamodb", "http://127.0.0.1:1"]);
    let error = text(&output.stderr);
    assert_eq!((output.status.code(), error.lines().count()), (Some(1), 1), "{error}");
    assert!(error.starts_with("local: table unavailable during GetItem"), "{error}");
}

#[test]
fn an_event_that_is_not_in_quarantine_is_one_line_and_exit_code_1() {
    let folder = tempfile::tempdir().unwrap();
    let output = local(&["reprocess", "evt_1", "--data", folder.path().to_str().unwrap()]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(1), "local: evt_1 is not in quarantine\n".to_owned()));
}
