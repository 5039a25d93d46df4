//! Fixed windows of the memory port: how often something happened, since the first time that is still counted.

use std::collections::HashMap;

use crate::limits::WINDOWS_MAX;

/// Windows by key. At most [`WINDOWS_MAX`] are kept: past that the one that ends first is forgotten.
#[derive(Debug, Clone, Default)]
pub(crate) struct Windows(HashMap<String, Window>);

#[derive(Debug, Clone, Copy)]
struct Window {
    count: u64,
    until_ms: u64,
}

impl Windows {
    /// Counts one more: how many there are now, and for how long they are counted.
    pub(crate) fn count(&mut self, key: String, window_ms: u64, now_ms: u64) -> (u64, u64) {
        if !self.0.contains_key(&key) {
            self.make_room(now_ms);
        }
        let window = self.0.entry(key).or_insert(Window { count: 0, until_ms: 0 });
        if window.until_ms <= now_ms {
            *window = Window { count: 0, until_ms: now_ms + window_ms };
        }
        window.count += 1;
        (window.count, window.until_ms - now_ms)
    }

    fn make_room(&mut self, now_ms: u64) {
        if self.0.len() < WINDOWS_MAX {
            return;
        }
        self.0.retain(|_, window| window.until_ms > now_ms);
        let first = self.0.iter().min_by_key(|(_, window)| window.until_ms).map(|(key, _)| key.clone());
        if let Some(first) = first.filter(|_| self.0.len() >= WINDOWS_MAX) {
            self.0.remove(&first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_begins_with_its_first_count_and_ends_whatever_comes_meanwhile() {
        let mut windows = Windows::default();
        let counted = [0, 400, 999, 1_000, 1_001].map(|now_ms| windows.count("a".to_owned(), 1_000, now_ms));
        assert_eq!(counted, [(1, 1_000), (2, 600), (3, 1), (1, 1_000), (2, 999)]);
        assert_eq!(windows.count("b".to_owned(), 1_000, 1_001), (1, 1_000), "every key has its own");
    }

    #[test]
    fn windows_stay_bounded_and_the_one_that_ends_first_goes() {
        let mut windows = Windows::default();
        for at in 0..WINDOWS_MAX as u64 + 50 {
            windows.count(at.to_string(), 1_000_000 + at, 0);
        }
        assert_eq!(windows.0.len(), WINDOWS_MAX);
        assert!(!windows.0.contains_key("0") && windows.0.contains_key("50"));
        windows.count("new".to_owned(), 1, 2_000_000);
        assert_eq!(windows.0.len(), 1, "windows that are over go first");
    }
}
