//! One contact: what is stored, what counts, and how input is cleaned.

use serde::{Deserialize, Serialize};

use crate::{ContactId, JobId, Timestamp};

/// A stored contact. Field limits in characters: name 255, email 255, phone 50, role 100, company 255.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Contact {
    /// Its id.
    pub id: ContactId,
    /// The job that it came from.
    pub job_id: JobId,
    /// Required, not blank.
    pub name: String,
    /// E-mail address as stored.
    pub email: Option<String>,
    /// Phone number as stored.
    pub phone: Option<String>,
    /// Role on set.
    pub role: Option<String>,
    /// Company.
    pub company: Option<String>,
    /// Whether the user keeps it selected.
    pub is_selected: bool,
    /// When it was created; half of its place in the list.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Version of the contact, from 1, raised by every change: its strong ETag (D25).
    pub cv: u64,
}

/// What one contact adds to the counters of contract sections 6 to 8.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ContactFlags {
    /// E-mail not blank after trimming.
    pub email_not_blank: bool,
    /// E-mail contains `@`.
    pub email_with_at: bool,
    /// Phone not blank after trimming.
    pub phone_not_blank: bool,
    /// Phone not empty, blank or not.
    pub phone_not_empty: bool,
}

impl ContactFlags {
    /// Whether the contact can be reached: an e-mail with `@` or a phone that is not empty.
    #[must_use]
    pub fn reachable(self) -> bool {
        self.email_with_at || self.phone_not_empty
    }
}

impl Contact {
    /// What this contact adds to the counters.
    #[must_use]
    pub fn flags(&self) -> ContactFlags {
        let email = self.email.as_deref().unwrap_or_default();
        let phone = self.phone.as_deref().unwrap_or_default();
        ContactFlags {
            email_not_blank: !email.trim().is_empty(),
            email_with_at: email.contains('@'),
            phone_not_blank: !phone.trim().is_empty(),
            phone_not_empty: !phone.is_empty(),
        }
    }

    /// The role group that counts this contact; blank roles are one group, shown as `Unknown` (D5).
    #[must_use]
    pub fn role_group(&self) -> &str {
        self.role.as_deref().filter(|role| !role.trim().is_empty()).unwrap_or(crate::stats::UNKNOWN_ROLE)
    }
}

/// Counters over a set of contacts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// All contacts.
    #[serde(rename = "n")]
    pub all: u64,
    /// E-mail not blank.
    #[serde(rename = "e")]
    pub email_not_blank: u64,
    /// E-mail with `@`.
    #[serde(rename = "a")]
    pub email_with_at: u64,
    /// Phone not blank.
    #[serde(rename = "p")]
    pub phone_not_blank: u64,
    /// Phone not empty.
    #[serde(rename = "f")]
    pub phone_not_empty: u64,
    /// Reachable ("valid" in the contract): an e-mail with `@` or a phone that is not empty.
    #[serde(rename = "v")]
    pub reachable: u64,
}

impl Counts {
    /// Adds one contact.
    pub fn add(&mut self, flags: ContactFlags) {
        self.all += 1;
        self.email_not_blank += u64::from(flags.email_not_blank);
        self.email_with_at += u64::from(flags.email_with_at);
        self.phone_not_blank += u64::from(flags.phone_not_blank);
        self.phone_not_empty += u64::from(flags.phone_not_empty);
        self.reachable += u64::from(flags.reachable());
    }

    /// Takes one contact away that was added before.
    pub fn remove(&mut self, flags: ContactFlags) {
        self.all = self.all.saturating_sub(1);
        self.email_not_blank = self.email_not_blank.saturating_sub(u64::from(flags.email_not_blank));
        self.email_with_at = self.email_with_at.saturating_sub(u64::from(flags.email_with_at));
        self.phone_not_blank = self.phone_not_blank.saturating_sub(u64::from(flags.phone_not_blank));
        self.phone_not_empty = self.phone_not_empty.saturating_sub(u64::from(flags.phone_not_empty));
        self.reachable = self.reachable.saturating_sub(u64::from(flags.reachable()));
    }
}

/// A contact as a client or an extractor sends it; empty text means missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContactInput {
    /// Name as sent.
    pub name: String,
    /// E-mail as sent.
    pub email: Option<String>,
    /// Phone as sent.
    pub phone: Option<String>,
    /// Role as sent.
    pub role: Option<String>,
    /// Company as sent.
    pub company: Option<String>,
}

impl ContactInput {
    /// Cleans the fields as they are stored (contract section 10); nothing when the name is blank.
    ///
    /// Name: trimmed, runs of white space become one space, at most 255 characters. E-mail: lower case, trimmed, dropped
    /// unless it looks like `a@b.c` within 255 characters. Phone, role, company: trimmed, cut at 50, 100, 255 characters.
    #[must_use]
    pub fn cleaned(&self) -> Option<Self> {
        let name = cut(&self.name.split_whitespace().collect::<Vec<_>>().join(" "), 255);
        if name.is_empty() {
            return None;
        }
        Some(Self {
            name,
            email: self.email.as_deref().and_then(clean_email),
            phone: clean_text(self.phone.as_deref(), 50),
            role: clean_text(self.role.as_deref(), 100),
            company: clean_text(self.company.as_deref(), 255),
        })
    }
}

/// Lower-cases and trims an e-mail address; nothing unless it looks like `a@b.c` within 255 characters.
pub(crate) fn clean_email(text: &str) -> Option<String> {
    let email = text.trim().to_lowercase();
    let (local, host) = email.split_once('@')?;
    let dotted = host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && !rest.is_empty() && !rest.ends_with('.'));
    let plain = !local.is_empty() && !host.contains('@') && !email.chars().any(|c| c.is_whitespace() || c.is_control());
    (plain && dotted && email.chars().count() <= 255).then_some(email)
}

/// Trims and cuts a text; nothing when it is blank.
pub(crate) fn clean_text(text: Option<&str>, chars_max: usize) -> Option<String> {
    let text = cut(text?.trim(), chars_max);
    (!text.is_empty()).then_some(text)
}

fn cut(text: &str, chars_max: usize) -> String {
    text.chars().take(chars_max).collect::<String>().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(name: &str, email: &str) -> ContactInput {
        ContactInput { name: name.into(), email: Some(email.into()), ..ContactInput::default() }
    }

    #[test]
    fn names_are_trimmed_and_collapsed_and_nameless_rows_dropped() {
        assert_eq!(input("  Mara \t Quill ", "").cleaned().unwrap().name, "Mara Quill");
        assert_eq!(input(" \n", "a@b.c").cleaned(), None);
        assert_eq!(input(&"é".repeat(300), "").cleaned().unwrap().name.chars().count(), 255);
    }

    #[test]
    fn emails_are_lowered_and_kept_only_when_they_look_like_one() {
        assert_eq!(input("x", " Mara.Quill@Example.TEST ").cleaned().unwrap().email.as_deref(), Some("mara.quill@example.test"));
        for bad in ["", "  ", "mara", "a@b", "@b.c", "a@.c", "a@b.", "a b@c.d", "a@b@c.d"] {
            assert_eq!(input("x", bad).cleaned().unwrap().email, None, "{bad}");
        }
    }

    #[test]
    fn counters_return_to_zero() {
        let flags = ContactFlags { email_not_blank: true, email_with_at: true, phone_not_blank: false, phone_not_empty: true };
        let mut counts = Counts::default();
        counts.add(flags);
        assert_eq!((counts.all, counts.reachable, counts.phone_not_blank), (1, 1, 0));
        counts.remove(flags);
        assert_eq!(counts, Counts::default());
    }
}
