//! The binary as somebody at a terminal meets it.

mod failures;
mod run;
mod serving;
mod stack;
mod stripe;
mod valkey;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use run::{Serving, bearer, command, local, text};
use serde_json::Value;

const NOW: &str = "2026-03-05T09:30:00Z";
const JOB: &str = "0197a3c1-02d4-7e0b-9a3a-2b8f2f1c0a01";
const CONTACT: &str = "5d2d9b0c-7f0a-4c2e-8a51-0c5b6a0d9f11";

fn lines() -> String {
    [
        r#"{"type":"user","id":"u1"}"#.to_owned(),
        format!(r#"{{"type":"job","id":"{JOB}","userId":"u1","status":"COMPLETED","fileName":"a.pdf","createdAt":"2026-03-01T10:00:00Z"}}"#),
        format!(r#"{{"type":"contact","id":"{CONTACT}","userId":"u1","jobId":"{JOB}","name":"Mara Quill","email":"m@b.example","createdAt":"2026-03-01T10:00:01Z"}}"#),
    ]
    .join("\n")
}

#[test]
fn help_names_every_command_and_option() {
    let output = local(&["--help"]);
    assert!(output.status.success());
    for word in ["import", "token", "table", "rebuild", "stripe-trigger", "--port", "--data", "--cache", "--dynamodb", "--now", "--no-demo"]
    {
        assert!(text(&output.stdout).contains(word), "{word}");
    }
}

#[test]
fn an_import_counts_first_and_changes_nothing_when_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let (file, data) = (folder.path().join("accounts.ndjson"), folder.path().to_str().unwrap());
    std::fs::write(&file, lines()).unwrap();
    let import = |before: bool| {
        let file = file.to_str().unwrap();
        let output = if before { local(&["--data", data, "import", file]) } else { local(&["import", file, "--data", data, "--now", NOW]) };
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(text(&output.stderr).is_empty(), "{}", text(&output.stderr));
        text(&output.stdout).lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let first = import(true);
    assert_eq!(first[0], "checked: 1 user, 1 job, 1 contact; 0 bad lines");
    assert!(first[1].starts_with("written: 1 user, 1 job, 1 contact; unchanged: nothing; "), "{first:?}");
    let second = import(false);
    assert!(second[1].starts_with("written: nothing; unchanged: 1 user, 1 job, 1 contact; "), "{second:?}");

    for arguments in [["--data", data, "rebuild", "--user", "u1"], ["rebuild", "--user", "u1", "--data", data]] {
        let output = local(&arguments);
        assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(0), "u1: no difference, rev 1\n"), "{arguments:?}");
    }
}

#[test]
fn bad_lines_stop_an_import_or_are_put_aside() {
    let folder = tempfile::tempdir().unwrap();
    let (file, data) = (folder.path().join("accounts.ndjson"), folder.path().to_str().unwrap());
    let name = file.to_str().unwrap();
    std::fs::write(&file, format!("{}\n{{\"type\":\"x\"}}\n", lines())).unwrap();
    let bad = format!("{name}:4: `type` is `x`, not one of user, subscription, usage, production, job, contact");

    let output = local(&["import", name, "--data", data]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout), "checked: 1 user, 1 job, 1 contact; 1 bad line\n");
    assert_eq!(text(&output.stderr).lines().next(), Some(bad.as_str()));
    assert_eq!(text(&local(&["rebuild", "--user", "u1", "--data", data]).stdout), "u1: no difference, rev 0\n");

    let output = local(&["import", name, "--data", data, "--on-error", "skip"]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), format!("{bad}\n")));
    assert_eq!(std::fs::read_to_string(format!("{name}.rejects.ndjson")).unwrap(), "{\"type\":\"x\"}\n");
}

#[test]
fn a_table_alone_is_there_for_other_programs_until_it_is_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("accounts.ndjson");
    std::fs::write(&file, lines()).unwrap();
    let mut child = command(&["table"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut announced = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut announced).unwrap();
    let url = announced.trim().strip_prefix("callsheets at ").unwrap();
    assert!(local(&["import", file.to_str().unwrap(), "--dynamodb", url]).status.success());
    assert_eq!(text(&local(&["rebuild", "--user", "u1", "--dynamodb", url]).stdout), "u1: no difference, rev 1\n");
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn what_was_imported_is_served_and_what_was_written_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (file, data) = (folder.path().join("accounts.ndjson"), folder.path().to_str().unwrap());
    std::fs::write(&file, lines()).unwrap();
    assert!(local(&["import", file.to_str().unwrap(), "--data", data]).status.success());

    let server = Serving::start(&["--data", data, "--now", NOW]);
    assert!(!server.announced.contains("curl"), "the table was there: no demo account is added");
    let busy = local(&["rebuild", "--user", "u1", "--data", data]);
    assert_eq!(busy.status.code(), Some(2));
    assert!(text(&busy.stderr).contains("in use by another process"));
    let token = bearer(&["--now", NOW]);
    let total = |server: &Serving| server.get("/api/contacts/stats", &token).1["data"]["totalContacts"].clone();
    assert_eq!(total(&server), 1);
    assert_eq!(server.send("DELETE", &format!("/api/contacts/{CONTACT}"), &token).0, 200);
    assert_eq!(server.stop("INT"), Some(0));

    let server = Serving::start(&["--data", data, "--now", NOW]);
    assert_eq!(total(&server), 0);
    assert_eq!(server.stop("TERM"), Some(0));
    assert_eq!(text(&local(&["rebuild", "--user", "u1", "--data", data]).stdout), "u1: no difference, rev 2\n");
}

#[test]
fn a_token_is_for_its_user_and_its_time() {
    let server = Serving::start(&["--now", NOW, "--no-demo"]);
    let ask = |token: &str| {
        let (status, body) = server.get("/api/dashboard/data", token);
        (status, body["data"]["subscription"]["id"].clone())
    };
    assert_eq!(ask(&bearer(&["--now", NOW])), (200, Value::from("sub_free_u1")));
    assert_eq!(ask(&bearer(&["--now", "2026-03-05T09:29:31Z", "--expires-in", "30s"])).0, 200);
    assert_eq!(ask(&bearer(&["--now", "2026-03-05T09:29:30Z", "--expires-in", "30s"])).0, 401);
}
