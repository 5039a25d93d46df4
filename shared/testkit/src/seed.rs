//! Builders of test data, as lines of the import format (docs/import.md).

use serde_json::{Value, json};

/// The moment at which worlds stand still unless told otherwise.
pub const NOW: &str = "2026-03-05T09:30:00.000Z";

/// A repeatable UUID from two small numbers.
#[must_use]
pub fn uuid(kind: u8, n: u64) -> String {
    format!("{kind:08x}-0000-7000-8000-{n:012x}")
}

/// One user's data.
#[derive(Debug, Clone)]
pub struct Seed {
    user: String,
    lines: Vec<Value>,
    jobs: u64,
    contacts: u64,
}

/// Starts a user's data with the user line.
#[must_use]
pub fn seed(user: &str) -> Seed {
    Seed { user: user.to_owned(), lines: vec![json!({"type": "user", "id": user})], jobs: 0, contacts: 0 }
}

impl Seed {
    /// Marks the account as deleted (D14).
    #[must_use]
    pub fn deleted(mut self) -> Self {
        self.lines[0]["deletedAt"] = json!("2026-03-01T00:00:00.000Z");
        self
    }

    /// Adds a month of usage.
    #[must_use]
    pub fn usage(mut self, month: &str, uploads: u64) -> Self {
        self.lines.push(
            json!({"type": "usage", "userId": self.user, "month": month, "jobsProcessed": uploads, "contactsExtracted": 0, "apiCalls": 0}),
        );
        self
    }

    /// Adds a production that jobs may name.
    #[must_use]
    pub fn production(mut self, id: &str) -> Self {
        self.lines.push(json!({"type": "production", "id": id, "userId": self.user, "name": "Nordlicht"}));
        self
    }

    /// Adds a subscription at Stripe with a customer.
    #[must_use]
    pub fn subscription(mut self, price: &str, status: &str) -> Self {
        self.lines.push(json!({
            "type": "subscription", "id": uuid(9, 1), "userId": self.user, "stripeCustomerId": format!("cus_{}", self.user),
            "stripeSubscriptionId": format!("sub_{}", self.user), "status": status, "priceId": price,
            "currentPeriodStart": "2026-03-01T08:00:00.000Z", "currentPeriodEnd": "2026-04-01T08:00:00.000Z",
            "cancelAtPeriodEnd": false, "createdAt": "2026-01-01T08:00:00.000Z",
            "customer": {"email": "ines@example.test", "name": "Ines Demo"},
        }));
        self
    }

    /// Adds a job with `contacts` contacts, each with an e-mail address; every third has a phone too.
    #[must_use]
    pub fn job(self, status: &str, created_at: &str, contacts: u64) -> Self {
        self.job_with(json!({"status": status, "createdAt": created_at, "updatedAt": created_at, "fileName": "day3.pdf"}), contacts)
    }

    /// Adds a job with the given fields over the defaults.
    #[must_use]
    pub fn job_with(mut self, fields: Value, contacts: u64) -> Self {
        self.jobs += 1;
        let id = uuid(1, self.jobs);
        let created = fields["createdAt"].as_str().unwrap_or(NOW).to_owned();
        let mut line = json!({"type": "job", "id": id, "userId": self.user, "title": "Extraction - day3.pdf", "status": "COMPLETED",
            "createdAt": created, "updatedAt": created});
        merge(&mut line, &fields);
        self.lines.push(line);
        for n in 0..contacts {
            let phone = (n % 3 == 0).then(|| format!("+1 555 01{n:02}"));
            let row = json!({"name": format!("Crew {n}"), "email": format!("crew{n}@example.test"), "phone": phone,
                "role": if n % 2 == 0 { "Best Boy" } else { "Stylist" }, "createdAt": created});
            self = self.contact(row);
        }
        self
    }

    /// Adds a contact to the job that was added last.
    #[must_use]
    pub fn contact(mut self, fields: Value) -> Self {
        self.contacts += 1;
        let mut line = json!({"type": "contact", "id": uuid(2, self.contacts), "jobId": uuid(1, self.jobs), "userId": self.user,
            "name": "Mara Quill", "isSelected": true, "createdAt": NOW, "updatedAt": NOW});
        merge(&mut line, &fields);
        if fields.get("updatedAt").is_none() {
            line["updatedAt"] = line["createdAt"].clone();
        }
        self.lines.push(line);
        self
    }

    /// The lines, one JSON object each.
    #[must_use]
    pub fn ndjson(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

fn merge(into: &mut Value, fields: &Value) {
    for (key, value) in fields.as_object().into_iter().flatten() {
        into[key] = value.clone();
    }
}
