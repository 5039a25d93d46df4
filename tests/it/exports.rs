//! Exported files, read back by readers that are not ours.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::{ContactChange, UserId};
use serde_json::{Value, json};
use testkit::{Reply, Seed, World, seed, uuid};

use crate::servers;

const EXPORT: &str = "/api/contacts/export";

/// Two jobs; what strangers write on a call sheet is in the newer one.
fn crew() -> Seed {
    seed("u1")
        .job_with(json!({"createdAt": "2026-03-01T23:30:00.000Z", "title": "Day 1", "fileName": "day1.pdf"}), 0)
        .contact(json!({"name": "Jonah Webb", "role": "1st AC", "createdAt": "2026-03-01T23:30:00.000Z"}))
        .job_with(json!({"createdAt": "2026-03-04T10:15:00.000Z", "title": "Day; \"three\""}), 0)
        .contact(json!({"name": "Mara Quill", "email": "mara@example.test", "phone": "+44 7700 900123", "role": "Gaffer",
            "company": "Westbeam, Ltd", "createdAt": "2026-03-04T10:15:02.120Z", "updatedAt": "2026-03-05T00:00:00.000Z"}))
}

/// What a reader that is not ours finds in a file.
fn read_by(kind: &str, body: &[u8]) -> Value {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(body).expect("a temporary file");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("it/read_export.py");
    let output = Command::new(servers::python()).arg(script).arg(kind).arg(file.path()).output().expect("Python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The rows of a CSV file, headers first.
fn rows(reply: &Reply, delimiter: u8) -> Vec<Vec<String>> {
    let reader = csv::ReaderBuilder::new().delimiter(delimiter).has_headers(false).from_reader(reply.body.as_ref()).into_records();
    reader.map(|row| row.expect("CSV").iter().map(str::to_owned).collect()).collect()
}

#[tokio::test]
async fn csv_has_the_contracts_columns_newest_first() {
    let world = World::with(&[crew()]).await;
    let reply = world.get(EXPORT).await.expect_status(200);
    reply
        .expect_header("content-type", "text/csv; charset=utf-8")
        .expect_header("content-disposition", "attachment; filename=\"contacts_2_2026-03-05.csv\"")
        .expect_header("cache-control", "no-store")
        .expect_header("x-rev", "1");
    assert!(reply.header("etag").is_none());
    assert_eq!(
        String::from_utf8_lossy(&reply.body),
        "Name,Email,Phone,Role,Company,Job Title,Date Added\n\
         Mara Quill,mara@example.test,+44 7700 900123,Gaffer,\"Westbeam, Ltd\",\"Day; \"\"three\"\"\",3/4/2026\n\
         Jonah Webb,,,1st AC,,Day 1,3/1/2026\n"
    );
    let columns = "updatedAt,name,jobId,createdAt,name";
    for (delimiter, byte) in [(";", b';'), ("%09", b'\t'), (",", b',')] {
        let reply = world.get(&format!("{EXPORT}?format=CSV&delimiter={delimiter}&includeFields={columns}")).await.expect_status(200);
        let expected = [
            ["Updated At".to_owned(), "Name".into(), "Job ID".into(), "Created At".into()],
            ["3/5/2026".into(), "Mara Quill".into(), uuid(1, 2), "3/4/2026".into()],
            ["3/1/2026".into(), "Jonah Webb".into(), uuid(1, 1), "3/1/2026".into()],
        ];
        assert_eq!(rows(&reply, byte), expected);
    }
    let head = world.send("HEAD", EXPORT, &[], b"").await.expect_status(200);
    assert!(head.body.is_empty());
    head.expect_header("content-disposition", "attachment; filename=\"contacts_2_2026-03-05.csv\"");
}

#[tokio::test]
async fn json_shows_contacts_with_their_jobs() {
    let world = World::with(&[crew().contact(json!({"email": "", "createdAt": "2026-03-01T23:00:00.000Z"}))]).await;
    let reply = world.get(&format!("{EXPORT}?format=json&includeFields=name")).await.expect_status(200);
    reply
        .expect_header("content-type", "application/json; charset=utf-8")
        .expect_header("content-disposition", "attachment; filename=\"contacts_3_2026-03-05.json\"")
        .expect_json("/metadata", json!({"exportDate": testkit::NOW, "recordCount": 3, "format": "json", "version": "1.0"}))
        .expect_json("/contacts/2/email", Value::Null)
        .expect_json(
            "/contacts/0",
            json!({"name": "Mara Quill", "email": "mara@example.test", "phone": "+44 7700 900123", "role": "Gaffer", "company": "Westbeam, Ltd",
                "job": {"id": uuid(1, 2), "title": "Day; \"three\"", "fileName": null, "status": "COMPLETED", "createdAt": "2026-03-04T10:15:00.000Z"},
                "createdAt": "2026-03-04T10:15:02.120Z", "updatedAt": "2026-03-05T00:00:00.000Z"}),
        );
    let text = String::from_utf8_lossy(&reply.body);
    assert!(text.starts_with("{\n  \"metadata\": {\n    \"exportDate\""), "{text}");
    assert!(text.contains("\n  \"contacts\": [\n    {\n      \"name\": \"Mara Quill\",\n") && text.ends_with("\n    }\n  ]\n}"), "{text}");
}

#[tokio::test]
async fn excel_files_are_read_back_by_calamine() {
    let hostile = "=HYPERLINK(\"http://x\")<b>&\u{1} _x0041_";
    let world = World::with(&[crew().contact(json!({"name": hostile, "phone": "0", "createdAt": "2026-03-02T00:00:00.000Z"}))]).await;
    for format in ["excel", "XLSX"] {
        let reply = world.get(&format!("{EXPORT}?format={format}")).await.expect_status(200);
        reply
            .expect_header("content-type", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
            .expect_header("content-disposition", "attachment; filename=\"contacts_3_2026-03-05.xlsx\"");
        let sheets = read_by("xlsx", &reply.body);
        assert_eq!(
            sheets["Contacts"],
            json!([
                ["Name", "Email", "Phone", "Role", "Company", "Job Title", "Date Added"],
                ["Mara Quill", "mara@example.test", "+44 7700 900123", "Gaffer", "Westbeam, Ltd", "Day; \"three\"", "3/4/2026"],
                [hostile.replace('\u{1}', ""), "", "0", "", "", "Day; \"three\"", "3/2/2026"],
                ["Jonah Webb", "", "", "1st AC", "", "Day 1", "3/1/2026"],
            ])
        );
        assert_eq!(
            sheets["Summary"],
            json!([
                ["Metric", "Value"],
                ["Total Contacts", 3.0],
                ["Export Date", "3/5/2026"],
                ["Contacts with Email", 1.0],
                ["Contacts with Phone", 2.0],
                ["Complete Profiles", 1.0],
                ["Unique Companies", 1.0],
                ["Unique Roles", 2.0],
            ])
        );
    }
    // It is compressed already.
    let reply = world.send("GET", &format!("{EXPORT}?format=xlsx"), &[("accept-encoding", "gzip")], b"").await.expect_status(200);
    assert!(reply.header("content-encoding").is_none());
}

#[tokio::test]
async fn vcards_are_read_back_by_vobject() {
    let long = "Ünïcödé 🎬 ".repeat(20);
    let injected = "x\r\nEND:VCARD\r\nBEGIN:VCARD\r\nFN:Evil\r\nEMAIL:evil@example.test";
    let data = crew()
        .contact(json!({"name": long, "role": injected, "company": "a;b,c\\d", "email": "a,b@example.test",
            "createdAt": "2026-03-03T00:00:00.000Z"}))
        .contact(json!({"name": "Cher", "phone": "(0170) 12-34 ext", "createdAt": "2026-03-02T00:00:00.000Z"}));
    let world = World::with(&[data]).await;
    for format in ["vcard", "vcf"] {
        let reply = world.get(&format!("{EXPORT}?format={format}")).await.expect_status(200);
        reply
            .expect_header("content-type", "text/vcard; charset=utf-8")
            .expect_header("content-disposition", "attachment; filename=\"contacts_4_2026-03-05.vcf\"");
        let text = String::from_utf8(reply.body.to_vec()).unwrap();
        assert!(
            text.starts_with(
                "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Mara Quill\r\nN:Quill;Mara;;;\r\nEMAIL;TYPE=INTERNET:mara@example.test\r\n\
                 TEL;TYPE=CELL:+447700900123\r\nTITLE:Gaffer\r\nORG:Westbeam\\, Ltd\r\nEND:VCARD\r\n\r\nBEGIN:VCARD\r\n"
            ),
            "{text}"
        );
        assert!(text.split("\r\n").all(|line| line.len() <= 75 && !line.contains(['\r', '\n'])), "{text}");
        let cards = read_by("vcf", &reply.body);
        assert_eq!(cards.as_array().unwrap().len(), 4);
        let long = long.trim();
        let (first, rest) = long.split_once(' ').unwrap();
        assert_eq!((&cards[1]["fn"], &cards[1]["n"]), (&json!(long), &json!([rest, first, "", "", ""])));
        assert_eq!(cards[1]["title"], injected.replace("\r\n", "\n"));
        assert_eq!((&cards[1]["org"], &cards[1]["email"]), (&json!(["a;b,c\\d"]), &json!("a,b@example.test")));
        assert_eq!((&cards[2]["n"], &cards[2]["tel"]), (&json!(["", "Cher", "", "", ""]), &json!("01701234")));
        assert_eq!(cards[3]["properties"], json!(["FN", "N", "TITLE", "VERSION"]));
    }
}

#[tokio::test]
async fn a_cell_of_a_csv_file_is_never_a_formula() {
    let texts = ["=1+1", "+1+1", "-1", "@SUM(A1)", "\t=1", " =1", "=a,\"b\"\nc", "＝1", "plain", "a=b"];
    let data = texts.iter().fold(crew(), |data, text| data.contact(json!({"name": text, "company": text, "phone": text})));
    let world = World::with(&[data]).await;
    let reply = world.get(&format!("{EXPORT}?includeFields=name,phone,company")).await.expect_status(200);
    let mut seen = 0;
    for row in rows(&reply, b',').into_iter().skip(1) {
        for cell in row {
            let formula = cell.trim_start().starts_with(['=', '+', '-', '@', '＝', '\t']);
            assert!(!formula || cell == "+44 7700 900123", "{cell:?}");
            seen += usize::from(cell.starts_with('\''));
        }
    }
    assert_eq!(seen, 8 * 3, "guarded cells");
}

#[tokio::test]
async fn a_file_name_is_the_clients_and_no_header_of_its_own() {
    let world = World::with(&[crew()]).await;
    for (name, header) in [
        ("Crew%20list", "attachment; filename=\"Crew list\""),
        ("", "attachment; filename=\"contacts_2_2026-03-05.csv\""),
        ("..%2F..%2Fpasswd", "attachment; filename=\"_.._passwd\""),
        ("x%22%3B%20filename%3D%22evil.exe", "attachment; filename=\"x_; filename=_evil.exe\""),
        ("x%0D%0ASet-Cookie:%20rev%3D9", "attachment; filename=\"xSet-Cookie_ rev=9\""),
        ("%C3%89quipe.csv", "attachment; filename=\"_quipe.csv\"; filename*=UTF-8''%C3%89quipe.csv"),
    ] {
        let reply = world.get(&format!("{EXPORT}?customFileName={name}")).await.expect_status(200);
        reply.expect_header("content-disposition", header);
        assert!(reply.header("set-cookie").is_none());
    }
    let long = "x".repeat(256);
    world.get(&format!("{EXPORT}?customFileName={long}")).await.expect_status(400);
    world.get(&format!("{EXPORT}?customFileName={}", &long[1..])).await.expect_status(200);
}

#[tokio::test]
async fn a_selection_is_exported_and_nothing_of_others() {
    let world = World::with(&[crew(), seed("u2"), seed("u3").job("COMPLETED", "2026-03-01T10:00:00.000Z", 1)]).await;
    let names = |reply: Reply| rows(&reply.expect_status(200), b',').into_iter().skip(1).map(|row| row[0].clone()).collect::<Vec<_>>();
    let (jonah, mara) = (uuid(2, 1), uuid(2, 2));
    assert_eq!(names(world.get(&format!("{EXPORT}?jobId={}", uuid(1, 1))).await), ["Jonah Webb"]);
    assert_eq!(names(world.get(&format!("{EXPORT}?ids={jonah},{},{jonah},{mara}", uuid(2, 9))).await), ["Mara Quill", "Jonah Webb"]);
    assert_eq!(names(world.get(&format!("{EXPORT}?ids={jonah},{mara}&jobId={}", uuid(1, 2))).await), ["Mara Quill"]);
    assert_eq!(names(world.get(&format!("{EXPORT}?ids=&jobId=&includeFields=&customFileName=")).await).len(), 2);
    let unknown = uuid(1, 77);
    for (user, query, text) in [
        ("u2", String::new(), "No contacts found to export".to_owned()),
        ("nobody", String::new(), "No contacts found to export".to_owned()),
        ("u2", format!("?ids={mara}"), "No contacts found to export with specified IDs".to_owned()),
        ("u2", format!("?jobId={}", uuid(1, 2)), format!("No contacts found to export for job {}", uuid(1, 2))),
        ("u1", format!("?jobId={unknown}&ids={mara}"), format!("No contacts found to export for job {unknown} with specified IDs")),
    ] {
        let reply = world.as_user(user).get(&format!("{EXPORT}{query}")).await.expect_status(404);
        reply.expect_json("", json!({"success": false, "error": text})).expect_header("cache-control", "no-store");
    }
    world.anonymous().get(EXPORT).await.expect_status(401);
}

#[tokio::test]
async fn bad_exports_are_refused() {
    let world = World::with(&[crew()]).await;
    let formats = "Invalid format. Must be one of: csv, excel, xlsx, json, vcard, vcf";
    let columns = "includeFields: only name, email, phone, role, company, jobTitle, dateAdded, jobId, createdAt and updatedAt";
    let delimiters = "delimiter: must be a comma, a semicolon or a tab";
    let many = vec![uuid(2, 1); 201].join(",");
    for (query, text) in [
        ("jobId=1", "Invalid jobId format. Must be a valid UUID."),
        ("jobId=all", "Invalid jobId format. Must be a valid UUID."),
        ("format=", formats),
        ("format=pdf", formats),
        ("format=csv%00", formats),
        ("ids=1", "ids: each must be a valid UUID"),
        ("ids=x%20", "ids: each must be a valid UUID"),
        ("ids=,", "ids: each must be a valid UUID"),
        (&format!("ids={many}"), "ids: at most 200"),
        ("includeFields=password", columns),
        ("includeFields=name,", columns),
        ("includeFields=Name&format=json", columns),
        ("delimiter=", delimiters),
        ("delimiter=%7C", delimiters),
        ("delimiter=%0A", delimiters),
        ("delimiter=,,", delimiters),
    ] {
        world.get(&format!("{EXPORT}?{query}")).await.expect_status(400).expect_json("/error", text);
    }
    world.post(EXPORT, &json!({})).await.expect_status(405);
    let deleted = World::with(&[crew().deleted()]).await;
    deleted.get(EXPORT).await.expect_status(401).expect_json("/error", "User not found");
    let down = World::with_cache_off(&[crew()]).await;
    down.table_down(true);
    let reply = down.get(EXPORT).await.expect_status(503);
    assert!(reply.header("retry-after").is_some());
}

#[tokio::test]
async fn an_account_above_200_000_contacts_is_told_so() {
    let world = World::with(&[crew()]).await;
    world.rewrite("USER#u1", "ROOT", "\"contacts\":{\"n\":2,", "\"contacts\":{\"n\":200001,").await;
    for query in ["", "?format=xlsx", &format!("?ids={}", uuid(2, 1))] {
        let reply = world.get(&format!("{EXPORT}{query}")).await.expect_status(422);
        reply.expect_json("/error", "Too many contacts for search");
    }
}

/// An account whose JSON is above 4 MB and whose rows are several pages of the table.
fn large() -> Seed {
    let company = "🎬".repeat(255);
    (0..3_600).fold(seed("u1").job("COMPLETED", "2026-03-01T10:00:00.000Z", 0), |data, n| {
        data.contact(json!({"name": format!("Crew {n}"), "company": company, "createdAt": format!("2026-03-01T10:{:02}:00.000Z", n % 60)}))
    })
}

#[tokio::test]
async fn a_large_file_is_fetched_by_a_link_that_ends() {
    let world = World::with(&[large()]).await;
    let reply = world.get(&format!("{EXPORT}?format=json&customFileName=all.json")).await.expect_status(303);
    assert!(reply.body.is_empty());
    reply.expect_header("cache-control", "no-store").expect_header("x-rev", "1");
    let link = reply.header("location").expect("a link").to_owned();
    let path = link.strip_prefix("http://localhost:3000").expect("a link to this server");

    let file = world.anonymous().get(path).await.expect_status(200);
    file.expect_header("content-disposition", "attachment; filename=\"all.json\"").expect_header("cache-control", "no-store");
    assert!(file.body.len() > 4 * 1024 * 1024);
    let contacts = file.json["contacts"].as_array().expect("contacts");
    let places: Vec<_> = contacts.iter().map(|row| row["createdAt"].as_str().unwrap()).collect();
    assert!(places.is_sorted_by(|a, b| a >= b), "newest first");
    let names: std::collections::BTreeSet<_> = contacts.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!((contacts.len(), names.len()), (3_600, 3_600));

    let guess = format!("{}0", &path[..path.len() - 1]);
    let other = if guess == path { format!("{}1", &path[..path.len() - 1]) } else { guess };
    for wrong in [other.as_str(), "/downloads/", "/downloads/..%2fx"] {
        world.anonymous().get(wrong).await.expect_status(404);
    }
    world.anonymous().send("POST", path, &[], b"").await.expect_status(405);
    world.set_now("2026-03-05T09:44:59.999Z");
    world.anonymous().get(path).await.expect_status(200);
    world.set_now("2026-03-05T09:45:00.000Z");
    world.anonymous().get(path).await.expect_status(404);

    // The same rows as CSV are below 4 MB, and travel compressed to those who take that.
    let reply = world.send("GET", &format!("{EXPORT}?includeFields=company"), &[("accept-encoding", "gzip")], b"").await.expect_status(200);
    reply.expect_header("content-encoding", "gzip");
    let plain = world.get(&format!("{EXPORT}?includeFields=company")).await.expect_status(200);
    assert_eq!(plain.body.len(), "Company\n".len() + 3_600 * (255 * 4 + 1));
}

/// Moves a mark from one contact to the other in single transactions, again and again.
async fn keep_moving_a_mark(world: &World, over: &AtomicBool) {
    let user = UserId::parse("u1").unwrap();
    let contacts = [uuid(2, 1), uuid(2, 60)].map(|id| id.parse::<domain::ContactId>().unwrap());
    let now = testkit::NOW.parse().unwrap();
    for turn in 0.. {
        if over.load(Ordering::SeqCst) {
            return;
        }
        let mut edits = Vec::new();
        for (n, id) in contacts.iter().enumerate() {
            let role = (turn % 2 == n).then(|| "Mark".to_owned());
            let (old, _) = world.table().contact(&user, *id).await.unwrap().value.unwrap();
            let new = ContactChange { role: Some(role), ..ContactChange::default() }.applied_to(&old, now);
            edits.extend(new.map(|new| store::Edit::Put(store::Record::Contact(new))));
        }
        world.table().apply(&user, &edits, now).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_is_of_one_state_while_the_account_changes() {
    let world = World::with(&[large()]).await;
    let over = AtomicBool::new(false);
    let exports = async {
        for _ in 0..5 {
            let reply = world.get(&format!("{EXPORT}?includeFields=role")).await;
            if reply.status == 503 {
                reply.expect_header("retry-after", "5");
                continue;
            }
            let marks = rows(&reply.expect_status(200), b',').into_iter().filter(|row| row[0] == "Mark").count();
            assert!(marks == 1 || reply.header("x-rev") == Some("1"), "{marks} marks at rev {:?}", reply.header("x-rev"));
        }
        over.store(true, Ordering::SeqCst);
    };
    tokio::join!(exports, keep_moving_a_mark(&world, &over));
    let quiet = world.get(&format!("{EXPORT}?includeFields=role")).await.expect_status(200);
    assert_eq!(rows(&quiet, b',').iter().filter(|row| row[0] == "Mark").count(), 1);
}

#[tokio::test]
async fn a_bucket_holds_large_files_behind_signed_links() {
    let moto = servers::Moto::start();
    let bucket = moto.bucket("exports-test");
    servers::send("PUT", &format!("{}/exports-test", moto.url())).await.expect_status(200);
    let content = vec![b'x'; 5_000_000];
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&content).unwrap();
    let download = app::Download {
        content: file,
        length: content.len() as u64,
        content_type: "text/csv; charset=utf-8",
        disposition: "attachment; filename=\"_.csv\"; filename*=UTF-8''%C3%89.csv".to_owned(),
    };
    let link = app::Downloads::publish(&bucket, download).await.expect("the bucket takes it");
    for part in ["/exports-test/exports/", "X-Amz-Expires=900", "X-Amz-Signature=", "X-Amz-SignedHeaders=host"] {
        assert!(link.contains(part), "{part} is not in {link}");
    }
    let fetched = servers::send("GET", &link).await.expect_status(200);
    assert_eq!(fetched.body.as_ref(), content.as_slice());
    fetched
        .expect_header("content-type", "text/csv; charset=utf-8")
        .expect_header("content-disposition", "attachment; filename=\"_.csv\"; filename*=UTF-8''%C3%89.csv")
        .expect_header("cache-control", "no-store");
}

#[derive(Debug)]
struct NoRoom;

impl app::Downloads for NoRoom {
    fn publish(&self, _: app::Download) -> app::Handled<'_, Result<String, app::BoxError>> {
        Box::pin(async { Err("no such bucket: secret-name".into()) })
    }
}

#[tokio::test]
async fn a_storage_that_fails_is_no_fault_of_the_client() {
    let world = World::with_downloads(Arc::new(NoRoom), &[large()]).await;
    let reply = world.get(&format!("{EXPORT}?format=json")).await.expect_status(503);
    reply.expect_json("", json!({"success": false, "error": "Service unavailable"})).expect_header("retry-after", "5");
    world.get(&format!("{EXPORT}?includeFields=name")).await.expect_status(200);

    let moto = servers::Moto::start();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"x").unwrap();
    let download = app::Download { content: file, length: 1, content_type: "text/csv", disposition: "attachment".to_owned() };
    let error = app::Downloads::publish(&moto.bucket("not-there"), download).await.expect_err("there is no such bucket");
    assert_eq!(error.to_string(), "the bucket answers 404");
    let nothing = export_contacts::Bucket::from_lookup(&|_| None).expect_err("nothing is set");
    assert_eq!(nothing.to_string(), "EXPORT_BUCKET: is not set");
}

#[test]
fn links_are_signed_as_aws_documents_it() {
    // Amazon S3 API Reference, "Authenticating Requests: Using Query Parameters", the example of a presigned URL.
    let credentials =
        aws_credential_types::Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None, None, "test");
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_369_353_600);
    let day = std::time::Duration::from_secs(86_400);
    let address = "https://examplebucket.s3.amazonaws.com/test.txt";
    let link = export_contacts::presigned("GET", address, "us-east-1", &credentials, at, day).unwrap();
    assert!(link.contains("X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"), "{link}");
}
