//! One line of an import file: a JSON object with a `type`, checked key by key (docs/import.md).

use std::hash::{DefaultHasher, Hash, Hasher};

use domain::{
    Contact, ContactId, Customer, Job, JobId, JobStatus, Month, Production, ProductionId, Subscription, SubscriptionStatus, Timestamp,
    Usage, UserId,
};
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::fields::Fields;

/// Longest line in bytes, without its end.
pub const LINE_BYTES_MAX: usize = 1024 * 1024;

/// What a line describes. In the order in which the lines of one user are worked off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An account.
    User,
    /// A subscription row.
    Subscription,
    /// One month's usage.
    Usage,
    /// A production.
    Production,
    /// A job.
    Job,
    /// A contact.
    Contact,
}

impl Kind {
    /// All kinds, in working order.
    pub const ALL: [Self; 6] = [Self::User, Self::Subscription, Self::Usage, Self::Production, Self::Job, Self::Contact];

    /// The word that `type` has.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Subscription => "subscription",
            Self::Usage => "usage",
            Self::Production => "production",
            Self::Job => "job",
            Self::Contact => "contact",
        }
    }
}

/// What a line says about an account. Name, address and password stay with the identity provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct UserLine {
    /// Absent: nothing is said. `Some(None)`: explicitly not deleted.
    pub(super) deleted_at: Option<Option<Timestamp>>,
    /// The customer at Stripe.
    pub(super) stripe_customer_id: Option<String>,
}

/// A subscription with the customer that it names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct SubscriptionLine {
    pub(super) subscription: Subscription,
    pub(super) customer: Option<Customer>,
}

/// The content of a line without its user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) enum Content {
    User(UserLine),
    Subscription(SubscriptionLine),
    Usage(Month, Usage),
    Production(Production),
    Job(Job),
    Contact(Contact),
}

/// A line that is good by itself; what it refers to is checked later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Line {
    pub(super) user: UserId,
    pub(super) content: Content,
}

impl Line {
    /// What it describes.
    pub(super) fn kind(&self) -> Kind {
        match self.content {
            Content::User(_) => Kind::User,
            Content::Subscription(_) => Kind::Subscription,
            Content::Usage(..) => Kind::Usage,
            Content::Production(_) => Kind::Production,
            Content::Job(_) => Kind::Job,
            Content::Contact(_) => Kind::Contact,
        }
    }

    /// A number that two lines share only when they say the same.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        serde_json::to_string(self).expect("plain structs with text keys serialize").hash(&mut hasher);
        hasher.finish()
    }
}

/// Reads one line.
///
/// # Errors
/// The reason in words, naming the key.
pub(super) fn parse(text: &str) -> Result<Line, String> {
    let map: Map<String, Value> = serde_json::from_str(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => "not a JSON object".to_owned(),
        _ => format!("not valid JSON at column {}", error.column()),
    })?;
    let fields = Fields(&map);
    let word = fields.text("type", 32)?.ok_or("`type` is missing")?;
    let kind = Kind::ALL
        .into_iter()
        .find(|kind| kind.word() == word)
        .ok_or_else(|| format!("`type` is `{}`, not one of user, subscription, usage, production, job, contact", word.escape_debug()))?;
    let user = fields.id(if kind == Kind::User { "id" } else { "userId" })?;
    let content = match kind {
        Kind::User => Content::User(user_line(&fields)?),
        Kind::Subscription => Content::Subscription(subscription(&fields)?),
        Kind::Usage => usage(&fields)?,
        Kind::Production => Content::Production(production(&fields)?),
        Kind::Job => Content::Job(job(&fields)?),
        Kind::Contact => Content::Contact(contact(&fields)?),
    };
    Ok(Line { user, content })
}

fn user_line(fields: &Fields<'_>) -> Result<UserLine, String> {
    let deleted_at = fields.optional_time("deletedAt")?;
    Ok(UserLine { deleted_at: fields.has("deletedAt").then_some(deleted_at), stripe_customer_id: stripe_id(fields, "stripeCustomerId")? })
}

fn subscription(fields: &Fields<'_>) -> Result<SubscriptionLine, String> {
    let id = fields.required("id", 36)?;
    let id = Uuid::try_parse(id).ok().filter(|_| id.len() == 36).ok_or("`id` is not a valid subscription id")?;
    let customer_id = stripe_id(fields, "stripeCustomerId")?;
    let (email, name) = match fields.object("customer")? {
        Some(customer) => (customer.owned("email", 255)?, customer.owned("name", 255)?),
        None => (None, None),
    };
    let subscription = Subscription {
        id: id.hyphenated().to_string(),
        stripe_subscription_id: stripe_id(fields, "stripeSubscriptionId")?,
        status: SubscriptionStatus::from_word(fields.required("status", 64)?),
        price_id: fields.required("priceId", 255)?.to_owned(),
        current_period_start: fields.time("currentPeriodStart")?,
        current_period_end: fields.time("currentPeriodEnd")?,
        cancel_at_period_end: fields.flag("cancelAtPeriodEnd")?.unwrap_or(false),
        cancels_at: None,
        created_at: fields.time("createdAt")?,
    };
    Ok(SubscriptionLine { subscription, customer: customer_id.map(|id| Customer { id, email, name }) })
}

fn usage(fields: &Fields<'_>) -> Result<Content, String> {
    let usage = Usage {
        jobs_processed: fields.whole("jobsProcessed")?.unwrap_or(0),
        contacts_extracted: fields.whole("contactsExtracted")?.unwrap_or(0),
        api_calls: fields.whole("apiCalls")?.unwrap_or(0),
    };
    Ok(Content::Usage(fields.month("month")?, usage))
}

fn production(fields: &Fields<'_>) -> Result<Production, String> {
    Ok(Production {
        id: fields.id::<ProductionId>("id")?,
        name: fields.required("name", 255)?.to_owned(),
        description: fields.owned("description", 2000)?,
        status: fields.text("status", 50)?.filter(|status| !status.trim().is_empty()).unwrap_or("active").to_owned(),
        created_at: fields.optional_time("createdAt")?.unwrap_or_default(),
    })
}

fn job(fields: &Fields<'_>) -> Result<Job, String> {
    let status = match fields.required("status", 32)?.to_ascii_uppercase().as_str() {
        "PROCESSING" => JobStatus::Processing,
        "COMPLETED" => JobStatus::Completed,
        "FAILED" => JobStatus::Failed,
        "CANCELLED" => JobStatus::Cancelled,
        _ => return Err("`status` is not one of PROCESSING, COMPLETED, FAILED, CANCELLED".to_owned()),
    };
    let file_name = fields.owned("fileName", 255)?;
    let title = fields.owned("title", 500)?.filter(|title| !title.trim().is_empty());
    let file_hash = fields.text("fileHash", 64)?.map(str::to_ascii_lowercase);
    if file_hash.as_ref().is_some_and(|hash| hash.len() != 64 || !hash.bytes().all(|b| b.is_ascii_hexdigit())) {
        return Err("`fileHash` is not 64 hexadecimal digits".to_owned());
    }
    let created_at = fields.time("createdAt")?;
    Ok(Job {
        id: fields.id::<JobId>("id")?,
        title: title.unwrap_or_else(|| Job::default_title(file_name.as_deref())),
        file_name,
        file_url: fields.owned("fileUrl", 2048)?,
        status,
        production_id: fields.optional_id::<ProductionId>("productionId")?,
        file_hash,
        file_size: fields.whole("fileSize")?,
        created_at,
        updated_at: fields.optional_time("updatedAt")?.unwrap_or(created_at),
        completed_at: fields.optional_time("completedAt")?,
        saving: None,
        counts: domain::ContactCounts::default(),
    })
}

fn contact(fields: &Fields<'_>) -> Result<Contact, String> {
    let created_at = fields.time("createdAt")?;
    Ok(Contact {
        id: fields.id::<ContactId>("id")?,
        job_id: fields.id::<JobId>("jobId")?,
        name: fields.required("name", 255)?.to_owned(),
        email: fields.owned("email", 255)?,
        phone: fields.owned("phone", 50)?,
        role: fields.owned("role", 100)?,
        company: fields.owned("company", 255)?,
        is_selected: fields.flag("isSelected")?.unwrap_or(true),
        created_at,
        updated_at: fields.optional_time("updatedAt")?.unwrap_or(created_at),
        cv: 1,
    })
}

/// An identifier of Stripe: printable, without spaces; an empty one counts as absent.
fn stripe_id(fields: &Fields<'_>, key: &str) -> Result<Option<String>, String> {
    let text = fields.text(key, 255)?.filter(|text| !text.is_empty());
    match text {
        Some(text) if !text.bytes().all(|b| b.is_ascii_graphic()) => Err(format!("`{key}` is not a Stripe id")),
        text => Ok(text.map(str::to_owned)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: &str = "0197a3c1-02d4-7e0b-9a3a-2b8f2f1c0a01";
    const CONTACT: &str = "5d2d9b0c-7f0a-4c2e-8a51-0c5b6a0d9f11";

    fn contact_with(more: &str) -> Result<Line, String> {
        parse(&format!(
            r#"{{"type":"contact","id":"{CONTACT}","userId":"u1","jobId":"{JOB}","name":" Mara  Quill ","createdAt":"2026-03-04T10:15:02.12Z"{more}}}"#
        ))
    }

    #[test]
    fn contact_values_are_kept_as_they_are() {
        let line = contact_with(r#","email":"Mara@Example.TEST ","phone":"","role":null,"unknown":[1]"#).unwrap();
        let Content::Contact(contact) = line.content else { panic!("a contact") };
        assert_eq!((contact.name.as_str(), contact.email.as_deref()), (" Mara  Quill ", Some("Mara@Example.TEST ")));
        assert_eq!((contact.phone.as_deref(), contact.role, contact.is_selected, contact.cv), (Some(""), None, true, 1));
        assert_eq!(contact.updated_at, contact.created_at);
    }

    #[test]
    fn bad_lines_name_the_key() {
        let long = "x".repeat(51);
        for (line, reason) in [
            ("", "not valid JSON at column 0".to_owned()),
            ("{\"type\":", "not valid JSON at column 8".to_owned()),
            ("[1]", "not a JSON object".to_owned()),
            ("{}", "`type` is missing".to_owned()),
            (r#"{"type":5}"#, "`type` must be a string".to_owned()),
            (r#"{"type":"x"}"#, "`type` is `x`, not one of user, subscription, usage, production, job, contact".to_owned()),
            (r#"{"type":"user"}"#, "`id` is missing".to_owned()),
            (r#"{"type":"user","id":"a b"}"#, "`id` is not a valid user id".to_owned()),
            (r#"{"type":"contact","id":"x"}"#, "`userId` is missing".to_owned()),
            (r#"{"type":"usage","userId":"u","month":"2026-13"}"#, "`month` is not a month of the form YYYY-MM".to_owned()),
            (
                r#"{"type":"usage","userId":"u","month":"2026-12","apiCalls":-1}"#,
                "`apiCalls` must be a whole number from 0 to 9007199254740991".to_owned(),
            ),
            (
                r#"{"type":"job","userId":"u","status":"done"}"#,
                "`status` is not one of PROCESSING, COMPLETED, FAILED, CANCELLED".to_owned(),
            ),
        ] {
            assert_eq!(parse(line).unwrap_err(), reason, "{line}");
        }
        for (more, reason) in [
            (format!(r#","phone":"{long}""#), "`phone` is longer than 50 characters"),
            (r#","name":" ""#.to_owned(), "`name` is blank"),
            (r#","isSelected":"yes""#.to_owned(), "`isSelected` must be true or false"),
            (r#","createdAt":"04.03.2026""#.to_owned(), "`createdAt` is not a time between 1970 and 9999 in RFC 3339 form"),
            (r#","jobId":"x""#.to_owned(), "`jobId` is not a valid job id"),
        ] {
            assert_eq!(contact_with(&more).unwrap_err(), reason, "{more}");
        }
        assert!(contact_with(&format!(r#","phone":"{}""#, "é".repeat(50))).is_ok(), "limits are characters");
    }

    #[test]
    fn a_job_has_a_default_title_and_may_lack_everything_optional() {
        let text = format!(
            r#"{{"type":"job","id":"{JOB}","userId":"u","status":"completed","fileName":"a.pdf","createdAt":"2026-03-04T10:15:02Z"}}"#
        );
        let Content::Job(job) = parse(&text).unwrap().content else { panic!("a job") };
        assert_eq!((job.title.as_str(), job.status, job.completed_at), ("Extraction - a.pdf", JobStatus::Completed, None));
    }

    #[test]
    fn a_subscription_takes_the_words_of_stripe_in_either_case() {
        let text = format!(
            r#"{{"type":"subscription","id":"{JOB}","userId":"u","status":"PAST_DUE","priceId":"starter","stripeCustomerId":"cus_1",
            "currentPeriodStart":"2026-03-04T10:15:02Z","currentPeriodEnd":"2026-04-04T10:15:02Z","createdAt":"2026-03-04T10:15:02Z",
            "customer":{{"email":"a@b.c","name":"Mara"}}}}"#
        );
        let Content::Subscription(line) = parse(&text).unwrap().content else { panic!("a subscription") };
        assert_eq!(line.subscription.status, SubscriptionStatus::PastDue);
        assert_eq!(line.customer.unwrap(), Customer { id: "cus_1".into(), email: Some("a@b.c".into()), name: Some("Mara".into()) });
    }

    #[test]
    fn an_account_may_say_that_it_is_deleted_or_not_or_nothing() {
        let deleted = |text: &str| match parse(text).unwrap().content {
            Content::User(user) => user.deleted_at,
            _ => panic!("a user"),
        };
        assert_eq!(deleted(r#"{"type":"user","id":"u"}"#), None);
        assert_eq!(deleted(r#"{"type":"user","id":"u","deletedAt":null}"#), Some(None));
        assert!(deleted(r#"{"type":"user","id":"u","deletedAt":"2026-03-04T10:15:02Z"}"#).flatten().is_some());
    }

    #[test]
    fn lines_that_say_the_same_have_the_same_fingerprint() {
        let plain = contact_with("").unwrap().fingerprint();
        assert_eq!(plain, contact_with(r#","isSelected":true,"email":null"#).unwrap().fingerprint());
        assert_ne!(plain, contact_with(r#","email":"""#).unwrap().fingerprint());
    }
}
