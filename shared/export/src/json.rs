//! JSON, indented by two spaces. `includeFields` does not matter here.

use domain::{JobId, JobStatus, Timestamp};
use serde::Serialize;
use serde_json::json;

use crate::Row;

/// How deep a contact stands in the file.
const INDENT: &str = "    ";

/// A JSON file.
#[derive(Debug)]
pub(crate) struct Json {
    first: bool,
}

/// Empty text is null.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Exported<'a> {
    name: Option<&'a str>,
    email: Option<&'a str>,
    phone: Option<&'a str>,
    role: Option<&'a str>,
    company: Option<&'a str>,
    job: ExportedJob<'a>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExportedJob<'a> {
    id: JobId,
    title: &'a str,
    file_name: Option<&'a str>,
    status: JobStatus,
    created_at: Timestamp,
}

impl Json {
    pub(crate) fn begin(rows: u64, at: Timestamp, out: &mut Vec<u8>) -> Self {
        out.extend(b"{\n  \"metadata\": ");
        put(&json!({"exportDate": at, "recordCount": rows, "format": "json", "version": "1.0"}), "  ", out);
        out.extend(b",\n  \"contacts\": [");
        Self { first: true }
    }

    pub(crate) fn row(&mut self, Row { contact, job }: Row<'_>, out: &mut Vec<u8>) {
        fn filled(text: &str) -> Option<&str> {
            Some(text).filter(|text| !text.is_empty())
        }
        out.extend(if self.first { b"\n".as_slice() } else { b",\n" });
        out.extend(INDENT.as_bytes());
        self.first = false;
        let exported = Exported {
            name: filled(&contact.name),
            email: contact.email.as_deref().and_then(filled),
            phone: contact.phone.as_deref().and_then(filled),
            role: contact.role.as_deref().and_then(filled),
            company: contact.company.as_deref().and_then(filled),
            job: ExportedJob {
                id: job.id,
                title: &job.title,
                file_name: job.file_name.as_deref(),
                status: job.status,
                created_at: job.created_at,
            },
            created_at: contact.created_at,
            updated_at: contact.updated_at,
        };
        put(&exported, INDENT, out);
    }

    pub(crate) fn end(self, out: &mut Vec<u8>) {
        out.extend(if self.first { b"]\n}".as_slice() } else { b"\n  ]\n}" });
    }
}

/// Writes a value whose first line is indented already. A line break within a text is escaped, so every other one is layout.
fn put(value: &impl Serialize, indent: &str, out: &mut Vec<u8>) {
    let text = serde_json::to_string_pretty(value).expect("plain structs with text keys serialize");
    out.extend(text.replace('\n', &format!("\n{indent}")).as_bytes());
}
