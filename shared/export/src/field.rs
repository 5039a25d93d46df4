//! Columns of CSV and Excel files.

use std::borrow::Cow;
use std::str::FromStr;

use crate::{Row, Unknown};

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The contact's name.
    Name,
    /// Its e-mail address.
    Email,
    /// Its phone number.
    Phone,
    /// Its role.
    Role,
    /// Its company.
    Company,
    /// The job's title, else its file name.
    JobTitle,
    /// The contact's day of creation.
    DateAdded,
    /// The job's id.
    JobId,
    /// The contact's day of creation, under another header.
    CreatedAt,
    /// The contact's day of change.
    UpdatedAt,
}

impl Field {
    /// The columns of a file unless others are asked for.
    pub const DEFAULT: [Self; 7] = [Self::Name, Self::Email, Self::Phone, Self::Role, Self::Company, Self::JobTitle, Self::DateAdded];

    pub(crate) fn header(self) -> &'static str {
        match self {
            Self::Name => "Name",
            Self::Email => "Email",
            Self::Phone => "Phone",
            Self::Role => "Role",
            Self::Company => "Company",
            Self::JobTitle => "Job Title",
            Self::DateAdded => "Date Added",
            Self::JobId => "Job ID",
            Self::CreatedAt => "Created At",
            Self::UpdatedAt => "Updated At",
        }
    }

    pub(crate) fn text(self, Row { contact, job }: Row<'_>) -> Cow<'_, str> {
        match self {
            Self::Name => Cow::Borrowed(&contact.name),
            Self::Email => optional(&contact.email),
            Self::Phone => optional(&contact.phone),
            Self::Role => optional(&contact.role),
            Self::Company => optional(&contact.company),
            Self::JobTitle if job.title.trim().is_empty() => optional(&job.file_name),
            Self::JobTitle => Cow::Borrowed(&job.title),
            Self::DateAdded | Self::CreatedAt => Cow::Owned(contact.created_at.us_date()),
            Self::UpdatedAt => Cow::Owned(contact.updated_at.us_date()),
            Self::JobId => Cow::Owned(job.id.to_string()),
        }
    }
}

fn optional(text: &Option<String>) -> Cow<'_, str> {
    Cow::Borrowed(text.as_deref().unwrap_or_default())
}

impl FromStr for Field {
    type Err = Unknown;
    fn from_str(key: &str) -> Result<Self, Unknown> {
        Ok(match key {
            "name" => Self::Name,
            "email" => Self::Email,
            "phone" => Self::Phone,
            "role" => Self::Role,
            "company" => Self::Company,
            "jobTitle" => Self::JobTitle,
            "dateAdded" => Self::DateAdded,
            "jobId" => Self::JobId,
            "createdAt" => Self::CreatedAt,
            "updatedAt" => Self::UpdatedAt,
            _ => return Err(Unknown),
        })
    }
}

#[cfg(test)]
mod tests {
    use domain::{Contact, ContactId, Counts, Job, JobId, JobStatus, Timestamp};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_job_without_a_title_is_called_like_its_file() {
        let at = Timestamp::from_ms(1_772_352_000_123);
        let contact = Contact {
            id: ContactId(Uuid::nil()),
            job_id: JobId(Uuid::nil()),
            name: "Mara Quill".into(),
            email: None,
            phone: None,
            role: None,
            company: None,
            is_selected: true,
            created_at: at,
            updated_at: at,
            cv: 1,
        };
        let job = Job {
            id: JobId(Uuid::nil()),
            title: " ".into(),
            file_name: Some("day3.pdf".into()),
            file_url: None,
            status: JobStatus::Completed,
            production_id: None,
            file_hash: None,
            file_size: None,
            created_at: at,
            updated_at: at,
            completed_at: None,
            saving: None,
            counts: Counts::default(),
        };
        let title = |job: &Job| Field::JobTitle.text(Row { contact: &contact, job }).into_owned();
        assert_eq!(title(&job), "day3.pdf");
        assert_eq!(title(&Job { title: "Day 3".into(), ..job.clone() }), "Day 3");
        assert_eq!(title(&Job { file_name: None, ..job }), "");
    }
}
