//! Finished bodies: the envelopes of the contract, written once and then only copied.

use bytes::Bytes;
use domain::{JobId, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};

#[derive(Serialize)]
struct Data<'a, T> {
    success: bool,
    data: &'a T,
}

#[derive(Serialize)]
struct Fields<'a, T> {
    success: bool,
    #[serde(flatten)]
    fields: &'a T,
}

/// `{"success": true, "data": ..}`.
pub fn data<T: Serialize>(data: &T) -> Bytes {
    encode(&Data { success: true, data })
}

/// `{"success": true, ..}` with the fields of `fields` beside it.
pub fn fields<T: Serialize>(fields: &T) -> Bytes {
    encode(&Fields { success: true, fields })
}

/// `{"success": true}`.
#[must_use]
pub fn success() -> Bytes {
    encode(&json!({"success": true}))
}

/// `{"success": true, "message": ..}`.
#[must_use]
pub fn message(message: &str) -> Bytes {
    encode(&json!({"success": true, "message": message}))
}

/// `{"success": true, "canUpload": ..}`.
#[must_use]
pub fn can_upload(can_upload: bool) -> Bytes {
    encode(&json!({"success": true, "canUpload": can_upload}))
}

/// `{"success": true, "<name>": ..}`, and `"stale": true` beside it when more may be known soon.
pub(crate) fn named<T: Serialize>(name: &'static str, value: &T, stale: bool) -> Bytes {
    let mut body = json!({"success": true, name: value});
    if stale {
        body["stale"] = json!(true);
    }
    encode(&body)
}

/// `{"success": true, "plans": [..]}`.
pub fn plans<T: Serialize>(plans: &T) -> Bytes {
    encode(&json!({"success": true, "plans": plans}))
}

/// `{"success": true, "jobId": .., "contactsSaved": ..}`.
#[must_use]
pub fn contacts_saved(job: JobId, contacts: u64) -> Bytes {
    encode(&json!({"success": true, "jobId": job, "contactsSaved": contacts}))
}

/// `{"success": true, "data": {"deleted": ..}}`.
#[must_use]
pub fn contacts_deleted(contacts: u64) -> Bytes {
    data(&json!({"deleted": contacts}))
}

/// `{"success": true, "url": ..}`.
#[must_use]
pub fn url(url: &str) -> Bytes {
    encode(&json!({"success": true, "url": url}))
}

/// `{"success": true, "subscription": {..}}`.
#[must_use]
pub fn subscription(object: &Value) -> Bytes {
    encode(&json!({"success": true, "subscription": object}))
}

/// The body of `GET /`.
#[must_use]
pub fn alive(now: Timestamp) -> Bytes {
    encode(&json!({"status": "OK", "service": "Callsheets API", "ts": now}))
}

/// The body of `GET /api/health`, ready or not.
#[must_use]
pub fn health(ready: bool) -> Bytes {
    encode(&if ready { json!({"status": "OK"}) } else { json!({"status": "ERROR", "error": "Database unavailable"}) })
}

fn encode(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).expect("views have string keys and finite numbers").into()
}
