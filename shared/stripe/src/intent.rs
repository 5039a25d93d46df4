//! Names of intended effects: Stripe carries out one of each, however often it is asked.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// Bytes of a digest that are kept.
const DIGEST_BYTES: usize = 16;
/// What may stand in a key as it is.
const PLAIN_BYTES_MAX: usize = 48;

/// Who wants something, and which time it is: two calls with the same parameters and the same intent have one effect.
#[derive(Debug, Clone, Copy)]
pub struct Intent<'a> {
    /// Whose request it is.
    pub user: &'a str,
    /// The `Idempotency-Key` of the client's request, or what tells this time from the next: a day, a revision.
    pub once: &'a str,
}

impl Intent<'_> {
    /// `operation:user:digest of the parameters:once`, at most 255 bytes as Stripe wants it.
    pub(crate) fn key(&self, operation: &str, parameters: &str) -> String {
        let is_plain = self.once.len() <= PLAIN_BYTES_MAX && self.once.bytes().all(|b| b.is_ascii_graphic());
        let once = if is_plain { self.once.to_owned() } else { digest(self.once) };
        format!("{operation}:{}:{}:{once}", self.user, digest(parameters))
    }
}

fn digest(text: &str) -> String {
    Sha256::digest(text).iter().take(DIGEST_BYTES).fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_key_tells_effects_apart() {
        let of = |operation: &str, user: &str, parameters: &str, once: &str| Intent { user, once }.key(operation, parameters);
        let key = of("checkout", "u1", "price=a", "2026-03-05");
        assert_eq!(key, of("checkout", "u1", "price=a", "2026-03-05"));
        for other in [
            of("portal", "u1", "price=a", "2026-03-05"),
            of("checkout", "u2", "price=a", "2026-03-05"),
            of("checkout", "u1", "price=b", "2026-03-05"),
            of("checkout", "u1", "price=a", "2026-03-06"),
        ] {
            assert_ne!(key, other);
        }
    }

    #[test]
    fn a_key_has_the_length_and_the_characters_that_stripe_takes() {
        for once in ["x".repeat(255), "é\u{0}\n".to_owned(), String::new()] {
            let key = Intent { user: &"u".repeat(128), once: &once }.key("update-subscription", "a=b");
            assert!(key.len() <= 255 && key.bytes().all(|b| b.is_ascii_graphic()), "{key}");
        }
    }
}
