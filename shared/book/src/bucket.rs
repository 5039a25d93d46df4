//! One bucket: some contacts in list order, as columns.

use domain::{Contact, ContactId, JobId, Timestamp};
use uuid::Uuid;

use crate::column::Column;
use crate::fold::{digits, fold};

/// The texts of a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Text {
    Name,
    Email,
    Phone,
    Role,
    Company,
}

/// All of them, in the order of the columns.
pub(crate) const TEXTS: [Text; 5] = [Text::Name, Text::Email, Text::Phone, Text::Role, Text::Company];

/// Bits of a row's flags.
pub(crate) mod flag {
    /// The user keeps it selected.
    pub(crate) const SELECTED: u8 = 1;
    /// The e-mail address has an `@`.
    pub(crate) const EMAIL_WITH_AT: u8 = 2;
    /// The phone is not empty.
    pub(crate) const PHONE_NOT_EMPTY: u8 = 4;
    /// The first of the texts that may be missing, e-mail, phone, role and company, is there; the others follow.
    pub(crate) const EMAIL: u8 = 8;
}

/// Some contacts, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    pub(crate) ids: Vec<Uuid>,
    pub(crate) jobs: Vec<Uuid>,
    /// Index into `jobs` of each row.
    pub(crate) job_of: Vec<u32>,
    pub(crate) created_ms: Vec<i64>,
    pub(crate) updated_ms: Vec<i64>,
    pub(crate) versions: Vec<u64>,
    pub(crate) flags: Vec<u8>,
    pub(crate) stored: [Column; 5],
    /// Texts as they are compared; none where they are the stored ones.
    pub(crate) folded: [Option<Column>; 5],
    /// Digits of the phones.
    pub(crate) digits: Column,
}

impl Bucket {
    /// Packs contacts, which must be in list order: oldest first.
    #[must_use]
    pub fn of(contacts: &[Contact]) -> Self {
        let mut jobs: Vec<Uuid> = contacts.iter().map(|contact| contact.job_id.0).collect();
        jobs.sort_unstable();
        jobs.dedup();
        let job_of = |contact: &Contact| jobs.partition_point(|job| *job < contact.job_id.0) as u32;
        let stored = TEXTS.map(|text| Column::of(contacts.iter().map(|contact| text.of(contact).unwrap_or_default().as_bytes())));
        let folded = TEXTS.map(|text| {
            let texts: Vec<String> = contacts.iter().map(|contact| fold(text.of(contact).unwrap_or_default())).collect();
            Some(Column::of(texts.iter().map(String::as_bytes))).filter(|column| *column != stored[text as usize])
        });
        let numbers: Vec<Vec<u8>> = contacts.iter().map(|contact| digits(Text::Phone.of(contact).unwrap_or_default()).collect()).collect();
        Self {
            ids: contacts.iter().map(|contact| contact.id.0).collect(),
            job_of: contacts.iter().map(job_of).collect(),
            created_ms: contacts.iter().map(|contact| contact.created_at.ms()).collect(),
            updated_ms: contacts.iter().map(|contact| contact.updated_at.ms()).collect(),
            versions: contacts.iter().map(|contact| contact.cv).collect(),
            flags: contacts.iter().map(flags).collect(),
            stored,
            folded,
            digits: Column::of(numbers.iter().map(Vec::as_slice)),
            jobs,
        }
    }

    /// Rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Rows that can be reached: an e-mail address with `@` or a phone that is not empty.
    #[must_use]
    pub fn reachable(&self) -> usize {
        (0..self.len()).filter(|row| self.is_reachable(*row)).count()
    }

    /// The contact of a row, counted from the oldest.
    ///
    /// # Panics
    /// When there is no such row.
    #[must_use]
    pub fn contact(&self, row: usize) -> Contact {
        let text = |text: Text| {
            let there = self.flags[row] & (flag::EMAIL << (text as usize - Text::Email as usize)) != 0;
            there.then(|| self.stored[text as usize].text(row).to_owned())
        };
        Contact {
            id: ContactId(self.ids[row]),
            job_id: self.job(row),
            name: self.stored[Text::Name as usize].text(row).to_owned(),
            email: text(Text::Email),
            phone: text(Text::Phone),
            role: text(Text::Role),
            company: text(Text::Company),
            is_selected: self.has(row, flag::SELECTED),
            created_at: Timestamp::from_ms(self.created_ms[row]),
            updated_at: Timestamp::from_ms(self.updated_ms[row]),
            cv: self.versions[row],
        }
    }

    /// Its contacts, newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = Contact> + '_ {
        (0..self.len()).rev().map(|row| self.contact(row))
    }

    /// Bytes of memory that it takes.
    #[must_use]
    pub fn size(&self) -> usize {
        let columns = self.stored.iter().chain(self.folded.iter().flatten()).chain([&self.digits]);
        let row = 2 * size_of::<i64>() + size_of::<u64>() + size_of::<Uuid>() + size_of::<u32>() + size_of::<u8>();
        size_of::<Self>() + columns.map(Column::size).sum::<usize>() + self.len() * row + self.jobs.len() * size_of::<Uuid>()
    }

    pub(crate) fn job(&self, row: usize) -> JobId {
        JobId(self.jobs[self.job_of[row] as usize])
    }

    pub(crate) fn has(&self, row: usize, bit: u8) -> bool {
        self.flags[row] & bit != 0
    }

    pub(crate) fn is_reachable(&self, row: usize) -> bool {
        self.has(row, flag::EMAIL_WITH_AT | flag::PHONE_NOT_EMPTY)
    }

    /// Texts as they are compared.
    pub(crate) fn folded(&self, text: Text) -> &Column {
        self.folded[text as usize].as_ref().unwrap_or(&self.stored[text as usize])
    }
}

impl Text {
    fn of(self, contact: &Contact) -> Option<&str> {
        match self {
            Self::Name => Some(&contact.name),
            Self::Email => contact.email.as_deref(),
            Self::Phone => contact.phone.as_deref(),
            Self::Role => contact.role.as_deref(),
            Self::Company => contact.company.as_deref(),
        }
    }
}

fn flags(contact: &Contact) -> u8 {
    let counted = contact.flags();
    let bits = [
        (contact.is_selected, flag::SELECTED),
        (counted.email_with_at, flag::EMAIL_WITH_AT),
        (counted.phone_not_empty, flag::PHONE_NOT_EMPTY),
        (contact.email.is_some(), flag::EMAIL),
        (contact.phone.is_some(), flag::EMAIL << 1),
        (contact.role.is_some(), flag::EMAIL << 2),
        (contact.company.is_some(), flag::EMAIL << 3),
    ];
    bits.iter().filter(|(is, _)| *is).map(|(_, bit)| bit).sum()
}
