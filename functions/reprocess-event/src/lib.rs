//! Invoked by hand: runs an event again that is in quarantine, when what was wrong is mended (docs/runbook.md).

use std::time::Instant;

use app::{App, BoxError, Reprocessed};
use serde_json::{Value, json};

/// Runs the event `{"eventId": "evt_.."}` again, once however often it is asked for. Returns what became of it.
///
/// # Errors
/// When the request names no event, or the table fails: the event stays in quarantine.
pub async fn handle(app: &App, event: Value, _until: Instant) -> Result<Value, BoxError> {
    let id = event["eventId"].as_str().filter(|id| !id.is_empty()).ok_or("eventId is missing")?;
    Ok(match app.reprocess(id).await? {
        Reprocessed::Done(settled) => json!({"eventId": id, "result": "done", "outcome": settled.outcome}),
        Reprocessed::Kept(reason) => json!({"eventId": id, "result": "kept", "reason": reason}),
        Reprocessed::NotThere => json!({"eventId": id, "result": "notThere"}),
    })
}
