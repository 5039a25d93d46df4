//! A change of one contact, as its owner asks for it.

use crate::contact::{clean_email, clean_text};
use crate::{Contact, Timestamp};

/// A new value that cannot be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct InvalidField {
    /// Which field, as on the wire.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// New values of some fields. Nothing means that a field stays as it is; an inner nothing empties it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContactChange {
    /// Name.
    pub name: Option<String>,
    /// E-mail address.
    pub email: Option<Option<String>>,
    /// Phone number.
    pub phone: Option<Option<String>>,
    /// Role on set.
    pub role: Option<Option<String>>,
    /// Company.
    pub company: Option<Option<String>>,
    /// Whether the user keeps it selected.
    pub is_selected: Option<bool>,
}

impl ContactChange {
    /// The values in the form in which contacts are stored (contract section 10). Blank text empties a field.
    ///
    /// Extracted rows are cut and their bad addresses dropped; what a person typed is refused instead, so that nothing else is stored than
    /// was asked for.
    ///
    /// # Errors
    /// [`InvalidField`] for a blank name, a text that is too long, or an e-mail that does not look like `a@b.c`.
    pub fn cleaned(self) -> Result<Self, InvalidField> {
        Ok(Self {
            name: self.name.map(|name| cleaned_name(&name)).transpose()?,
            email: self.email.map(cleaned_email).transpose()?,
            phone: cleaned_text(self.phone, "phone", 50, "at most 50 characters")?,
            role: cleaned_text(self.role, "role", 100, "at most 100 characters")?,
            company: cleaned_text(self.company, "company", 255, "at most 255 characters")?,
            is_selected: self.is_selected,
        })
    }

    /// The contact with these values and its next version; nothing when it has them already.
    #[must_use]
    pub fn applied_to(&self, contact: &Contact, now: Timestamp) -> Option<Contact> {
        let mut new = contact.clone();
        set(&mut new.name, &self.name);
        set(&mut new.email, &self.email);
        set(&mut new.phone, &self.phone);
        set(&mut new.role, &self.role);
        set(&mut new.company, &self.company);
        set(&mut new.is_selected, &self.is_selected);
        if new == *contact {
            return None;
        }
        new.updated_at = now;
        new.cv += 1;
        Some(new)
    }
}

fn set<T: Clone>(field: &mut T, value: &Option<T>) {
    if let Some(value) = value {
        field.clone_from(value);
    }
}

fn cleaned_name(name: &str) -> Result<String, InvalidField> {
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    match name.chars().count() {
        0 => Err(InvalidField { field: "name", problem: "must not be blank" }),
        1..=255 => Ok(name),
        _ => Err(InvalidField { field: "name", problem: "at most 255 characters" }),
    }
}

fn cleaned_email(email: Option<String>) -> Result<Option<String>, InvalidField> {
    let Some(email) = email.filter(|email| !email.trim().is_empty()) else { return Ok(None) };
    let invalid = InvalidField { field: "email", problem: "must look like name@host.tld, in at most 255 characters" };
    clean_email(&email).map(Some).ok_or(invalid)
}

fn cleaned_text(
    text: Option<Option<String>>,
    field: &'static str,
    chars_max: usize,
    problem: &'static str,
) -> Result<Option<Option<String>>, InvalidField> {
    let too_long = |text: &String| text.trim().chars().count() > chars_max;
    if text.iter().flatten().any(too_long) {
        return Err(InvalidField { field, problem });
    }
    Ok(text.map(|text| clean_text(text.as_deref(), chars_max)))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{ContactId, JobId};

    fn contact() -> Contact {
        Contact {
            id: ContactId(Uuid::from_u128(1)),
            job_id: JobId(Uuid::from_u128(2)),
            name: "Mara Quill".into(),
            email: Some("mara@example.test".into()),
            phone: None,
            role: Some("Gaffer".into()),
            company: None,
            is_selected: true,
            created_at: Timestamp::from_ms(1),
            updated_at: Timestamp::from_ms(2),
            cv: 4,
        }
    }

    fn text(text: &str) -> Option<Option<String>> {
        Some(Some(text.to_owned()))
    }

    #[test]
    fn values_are_stored_as_an_extraction_would_store_them() {
        let given = ContactChange {
            name: Some("  Mara \t Q. ".into()),
            email: text(" Mara@Example.TEST "),
            phone: text(" +44 1 "),
            role: text(" "),
            company: Some(None),
            is_selected: Some(false),
        };
        let changed = given.cleaned().unwrap().applied_to(&contact(), Timestamp::from_ms(9)).unwrap();
        let expected = Contact {
            name: "Mara Q.".into(),
            phone: Some("+44 1".into()),
            role: None,
            is_selected: false,
            updated_at: Timestamp::from_ms(9),
            cv: 5,
            ..contact()
        };
        assert_eq!(changed, expected);
    }

    #[test]
    fn what_cannot_be_stored_is_refused_by_name() {
        let of = |change: ContactChange| change.cleaned().map_err(|error| error.to_string());
        let long = |chars: usize| text(&"é".repeat(chars));
        for (change, error) in [
            (ContactChange { name: Some(" \n".into()), ..Default::default() }, "name: must not be blank"),
            (ContactChange { name: Some("x".repeat(256)), ..Default::default() }, "name: at most 255 characters"),
            (
                ContactChange { email: text("mara@host"), ..Default::default() },
                "email: must look like name@host.tld, in at most 255 characters",
            ),
            (ContactChange { phone: long(51), ..Default::default() }, "phone: at most 50 characters"),
            (ContactChange { role: long(101), ..Default::default() }, "role: at most 100 characters"),
            (ContactChange { company: long(256), ..Default::default() }, "company: at most 255 characters"),
        ] {
            assert_eq!(of(change), Err(error.to_owned()));
        }
        assert!(of(ContactChange { role: long(100), company: long(255), ..Default::default() }).is_ok());
    }

    #[test]
    fn what_is_so_already_changes_nothing() {
        let same = ContactChange { name: Some("Mara Quill".into()), phone: Some(None), is_selected: Some(true), ..Default::default() };
        assert_eq!(same.applied_to(&contact(), Timestamp::from_ms(9)), None);
        assert_eq!(ContactChange::default().applied_to(&contact(), Timestamp::from_ms(9)), None);
    }
}
