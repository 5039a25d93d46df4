//! Names in the cache. No other module, and no other crate, knows them.

use std::array;

use sha2::{Digest, Sha256};

use crate::types::{Counter, Scope};

/// Version of what the scripts keep in a hash beside the entries. It changes only with the scripts themselves: a floor is only worth
/// something if every version of the program that runs at the same time raises the same one. What entries look like is versioned in
/// the field names instead.
const LAYOUT: u32 = 1;
/// Names up to this length are used as they are, if they are plain.
const NAME_BYTES_MAX: usize = 48;

/// The two keys of a scope. Both have the same hash tag, so one script may touch both.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ScopeKeys {
    /// Hash of incarnation, floor and entries.
    pub(crate) entries: String,
    /// Hash of the copies that are served while the source fails.
    pub(crate) stale: String,
}

impl ScopeKeys {
    pub(crate) fn of(scope: Scope<'_>) -> Self {
        let tag = match scope {
            Scope::User(user) => format!("{{u:{user}}}"),
            Scope::Shared => "{shared}".to_owned(),
        };
        Self { entries: format!("{tag}:v{LAYOUT}"), stale: format!("{tag}:stale:v{LAYOUT}") }
    }
}

/// The key of a counter. Whom it is about stays out of it: only a hash of that is kept.
pub(crate) fn counter(counter: &Counter<'_>) -> String {
    format!("{{c:{}}}:{}:v{LAYOUT}", hash(counter.subject), counter.name)
}

/// Key of a user's blob: under the same hash tag as the user's other keys, so one command may ask for many. Another schema sees none of them.
pub(crate) fn blob_key(schema: u32, user: &str, name: &str) -> String {
    format!("{{u:{user}}}:blob:{schema}:{name}")
}

/// Name of an entry within the hash: the schema of the bodies and the view; at most 64 bytes without spaces or line breaks.
pub(crate) fn field(schema: u32, view: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b":._-".contains(&byte);
    if view.len() <= NAME_BYTES_MAX && view.bytes().all(plain) {
        return format!("{schema}:{view}");
    }
    format!("{schema}:#{}", hash(view))
}

/// 32 hex digits.
fn hash(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    format!("{:032x}", u128::from_be_bytes(array::from_fn(|at| digest[at])))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn users_never_share_a_key() {
        let a = ScopeKeys::of(Scope::User("a"));
        for other in ["a}:stale", "b", "a}", "{a", ""] {
            let b = ScopeKeys::of(Scope::User(other));
            let (own, others) = (blob_key(1, "a", "n"), blob_key(1, other, "n"));
            assert!(own != others && ![&a.entries, &a.stale, &b.entries, &b.stale].contains(&&own), "{other}");
            assert!(a.entries != b.entries && a.entries != b.stale && a.stale != b.entries && a.stale != b.stale, "{other}");
        }
        assert_ne!(a.entries, ScopeKeys::of(Scope::Shared).entries);
        assert_ne!(blob_key(1, "a", "n"), blob_key(2, "a", "n"));
    }

    #[test]
    fn counters_tell_names_and_subjects_apart_and_name_nobody() {
        let key = |name, subject| counter(&Counter { name, subject, window: Duration::from_secs(1) });
        let keys = [key("all", "192.0.2.1"), key("all", "192.0.2.2"), key("billing", "192.0.2.1")];
        assert!(keys.iter().all(|key| !key.contains("192.0")) && keys[0] != keys[1] && keys[0] != keys[2]);
    }

    #[test]
    fn long_and_odd_view_names_become_short_plain_fields() {
        for name in ["a b", "line\nbreak", &"x".repeat(5_000), "ü"] {
            let field = field(7, name);
            assert!(field.len() <= 64 && !field.contains([' ', '\n']), "{field}");
        }
        assert_eq!(field(7, "dashboard"), "7:dashboard");
        assert_ne!(field(1, &"x".repeat(99)), field(1, &"x".repeat(98)));
    }
}
