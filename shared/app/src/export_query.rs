//! The query string of an export, checked and typed.

use std::str::FromStr;

use domain::{ContactId, JobId};
use export::{Delimiter, Field, Format, Settings};
use store::Selection;
use web::{ApiError, Request};

const IDS_MAX: usize = 200;
const FILE_NAME_CHARS_MAX: usize = 255;

/// An export as asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportQuery {
    /// Which contacts.
    pub selection: Selection,
    /// What the file is.
    pub settings: Settings,
    /// What it is called, if not as usual.
    pub file_name: Option<String>,
}

impl ExportQuery {
    /// Reads the query string. `ids`, `jobId`, `includeFields` and `customFileName` that are empty count as absent.
    ///
    /// # Errors
    /// `400` for a bad value, with the contract's text where it has one.
    pub fn of(request: &Request) -> Result<Self, ApiError> {
        let given = |name| web::query(request, name);
        let filled = |name| given(name).filter(|text| !text.is_empty());
        let job = filled("jobId").map(parsed::<JobId>("Invalid jobId format. Must be a valid UUID.")).transpose()?;
        let ids = filled("ids").map(ids).transpose()?;
        let format = given("format").map(parsed::<Format>("Invalid format. Must be one of: csv, excel, xlsx, json, vcard, vcf"));
        let delimiter = given("delimiter").map(parsed::<Delimiter>("delimiter: must be a comma, a semicolon or a tab"));
        let file_name = filled("customFileName");
        if file_name.is_some_and(|name| name.chars().count() > FILE_NAME_CHARS_MAX) {
            return Err(bad("customFileName: at most 255 characters"));
        }
        Ok(Self {
            selection: match (ids, job) {
                (Some(ids), job) => Selection::Ids(ids, job),
                (None, Some(job)) => Selection::Job(job),
                (None, None) => Selection::All,
            },
            settings: Settings {
                format: format.transpose()?.unwrap_or(Format::Csv),
                fields: filled("includeFields").map_or_else(|| Ok(Field::DEFAULT.to_vec()), fields)?,
                delimiter: delimiter.transpose()?.unwrap_or(Delimiter::Comma),
            },
            file_name: file_name.map(str::to_owned),
        })
    }

    /// What an export without a single contact is told.
    #[must_use]
    pub fn nothing_found(&self) -> ApiError {
        let (job, ids) = match &self.selection {
            Selection::All => (None, ""),
            Selection::Job(job) => (Some(job), ""),
            Selection::Ids(_, job) => (job.as_ref(), " with specified IDs"),
        };
        let job = job.map_or_else(String::new, |job| format!(" for job {job}"));
        ApiError::NothingFound(format!("No contacts found to export{job}{ids}"))
    }
}

fn ids(text: &str) -> Result<Vec<ContactId>, ApiError> {
    let parts: Vec<&str> = text.split(',').collect();
    if parts.len() > IDS_MAX {
        return Err(bad("ids: at most 200"));
    }
    parts.into_iter().map(parsed("ids: each must be a valid UUID")).collect()
}

/// The columns in the order asked for, each once.
fn fields(text: &str) -> Result<Vec<Field>, ApiError> {
    const KEYS: &str = "includeFields: only name, email, phone, role, company, jobTitle, dateAdded, jobId, createdAt and updatedAt";
    let mut fields = Vec::new();
    for field in text.split(',').map(parsed::<Field>(KEYS)) {
        let field = field?;
        if !fields.contains(&field) {
            fields.push(field);
        }
    }
    Ok(fields)
}

fn parsed<T: FromStr>(problem: &'static str) -> impl Fn(&str) -> Result<T, ApiError> {
    move |text| text.parse().map_err(|_| bad(problem))
}

fn bad(text: &str) -> ApiError {
    ApiError::BadRequest(text.to_owned())
}
