//! Identifiers, each its own type, so that a job id cannot stand where a contact id belongs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::Timestamp;

/// A text that is no identifier of the expected kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {0}")]
pub struct InvalidId(pub &'static str);

/// A revision of one user's data: raised by one in every transaction that changes what the user can see.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rev(pub u64);

impl Rev {
    /// The revision that the next transaction commits.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Rev {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A user as the identity provider names it: `[A-Za-z0-9._|:@-]{1,128}` (decision D12).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserId(String);

impl UserId {
    /// Checks the characters and the length.
    ///
    /// # Errors
    /// [`InvalidId`] when the text is empty, longer than 128 bytes or has another character.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._|:@-".contains(&b);
        if text.is_empty() || text.len() > 128 || !text.bytes().all(allowed) {
            return Err(InvalidId("user id"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The text as the identity provider sent it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for UserId {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        Self::parse(&text)
    }
}

impl From<UserId> for String {
    fn from(id: UserId) -> Self {
        id.0
    }
}

impl FromStr for UserId {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::parse(text)
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserId({})", self.0)
    }
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl FromStr for $name {
            type Err = InvalidId;
            /// Accepts the hyphenated form of 36 characters, in either letter case.
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                if text.len() != 36 {
                    return Err(InvalidId($what));
                }
                Uuid::try_parse(text).map(Self).map_err(|_| InvalidId($what))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
    };
}

uuid_id!(
    /// A contact. Ordered as its text is.
    ContactId,
    "contact id"
);
uuid_id!(
    /// A job: one call sheet, or one batch of saved contacts.
    JobId,
    "job id"
);
uuid_id!(
    /// A production that jobs belong to.
    ProductionId,
    "production id"
);

/// Derives a version 7 UUID whose time is `at` and whose random part comes from `parts`.
///
/// The same parts at the same time give the same id, so a repeated row is the same item.
#[must_use]
pub fn derive_uuid(at: Timestamp, parts: &[&[u8]]) -> Uuid {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    let mut bytes = [0_u8; 16];
    bytes[..6].copy_from_slice(&at.ms().max(0).to_be_bytes()[2..]);
    bytes[6..].copy_from_slice(&digest[..10]);
    bytes[6] = (bytes[6] & 0x0f) | 0x70;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    Uuid::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_ids_take_the_characters_of_identity_providers() {
        for good in ["a", "auth0|5f", "us-east-1:0f3a", "x@y.z", &"a".repeat(128)] {
            assert_eq!(UserId::parse(good).map(|u| u.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", " ", "a b", "a/b", "ü", "a#b", &"a".repeat(129)] {
            assert_eq!(UserId::parse(bad), Err(InvalidId("user id")), "{bad}");
        }
    }

    #[test]
    fn uuids_are_accepted_only_in_the_hyphenated_form() {
        let text = "0197a3c1-02d4-7e0b-9a3a-2b8f2f1c0a01";
        assert_eq!(text.parse::<ContactId>().map(|c| c.to_string()), Ok(text.to_owned()));
        assert_eq!(text.to_uppercase().parse::<ContactId>().map(|c| c.to_string()), Ok(text.to_owned()));
        for bad in ["", "x", "0197a3c102d47e0b9a3a2b8f2f1c0a01", "{0197a3c1-02d4-7e0b-9a3a-2b8f2f1c0a01}"] {
            assert!(bad.parse::<ContactId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn derived_ids_repeat_and_are_version_7() {
        let at = Timestamp::from_ms(1_772_352_000_123);
        let id = derive_uuid(at, &[b"user", b"job", b"0"]);
        assert_eq!(id, derive_uuid(at, &[b"user", b"job", b"0"]));
        assert_ne!(id, derive_uuid(at, &[b"user", b"jo", b"b0"]));
        assert_eq!((id.get_version_num(), id.get_variant()), (7, uuid::Variant::RFC4122));
    }
}
