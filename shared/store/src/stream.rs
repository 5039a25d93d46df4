//! What a record of the table's stream means.

use domain::{Rev, UserId};
use serde_dynamo::{AttributeValue, Item};

use crate::StoreError;
use crate::keys::{PK, REV, ROOT, SK, USER};

/// A root that was written or deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootChange {
    /// Whose.
    pub user: UserId,
    /// Its revision; nothing when it was deleted.
    pub rev: Option<Rev>,
}

/// Reads a record's keys and new image: nothing when it is of another item than a root.
///
/// # Errors
/// [`StoreError::Malformed`] when it is of a root and cannot be read.
pub fn root_change(keys: &Item, new_image: &Item) -> Result<Option<RootChange>, StoreError> {
    let text = |name: &str| match keys.get(name) {
        Some(AttributeValue::S(text)) => Some(text.as_str()),
        _ => None,
    };
    let sk = text(SK).ok_or_else(|| StoreError::malformed("stream record", "it has no sort key"))?;
    if sk != ROOT {
        return Ok(None);
    }
    let user =
        text(PK).and_then(|pk| pk.strip_prefix(USER)).ok_or_else(|| StoreError::malformed(ROOT, "its partition key is no user's"))?;
    let user = UserId::parse(user).map_err(|source| StoreError::malformed(ROOT, source))?;
    let rev = match new_image.get(REV) {
        None if new_image.is_empty() => None,
        Some(AttributeValue::N(rev)) => {
            Some(Rev(rev.parse().map_err(|source: std::num::ParseIntError| StoreError::malformed(ROOT, source))?))
        }
        _ => return Err(StoreError::malformed(ROOT, "its new image has no rev")),
    };
    Ok(Some(RootChange { user, rev }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(pairs: &[(&str, AttributeValue)]) -> Item {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect::<std::collections::HashMap<_, _>>().into()
    }

    fn keys(pk: &str, sk: &str) -> Item {
        item(&[("pk", AttributeValue::S(pk.into())), ("sk", AttributeValue::S(sk.into()))])
    }

    #[test]
    fn only_roots_count() {
        let image = item(&[("rev", AttributeValue::N("7".into()))]);
        let change = root_change(&keys("USER#auth0|1", "ROOT"), &image).unwrap();
        assert_eq!(change, Some(RootChange { user: UserId::parse("auth0|1").unwrap(), rev: Some(Rev(7)) }));
        assert_eq!(root_change(&keys("USER#u", "JOB#1"), &image).unwrap(), None);
        assert_eq!(root_change(&keys("USER#u", "ROOT"), &item(&[])).unwrap().unwrap().rev, None);
    }

    #[test]
    fn what_cannot_be_read_is_said_to_be_malformed() {
        let image = item(&[("rev", AttributeValue::S("x".into()))]);
        for (keys, image) in [
            (item(&[]), image.clone()),
            (keys("CUS#1", "ROOT"), image.clone()),
            (keys("USER#a b", "ROOT"), image.clone()),
            (keys("USER#u", "ROOT"), image),
        ] {
            assert!(matches!(root_change(&keys, &image), Err(StoreError::Malformed { .. })));
        }
    }
}
