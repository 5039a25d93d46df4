//! How the world comes to rest, so that every tier can be compared with the table.

use super::{WINDOW_MS, World};

impl World {
    /// Everything works again and all that is under way comes to its end.
    pub(in crate::core::tests) fn settle(&mut self) -> Result<(), String> {
        (self.source_down, self.cache_down, self.lossy) = (false, false, false);
        self.environments.iter_mut().for_each(|environment| (environment.frozen, environment.wall_skew_ms) = (false, 0));
        for _ in 0..100_000 {
            self.consume();
            self.progress()?;
            self.pass(1, 1);
            if self.readers.is_empty() && self.wire.is_empty() && self.stream.is_empty() {
                self.pass(WINDOW_MS, WINDOW_MS);
                return Ok(());
            }
        }
        Err(format!("never came to rest: {:?}", self.readers))
    }

    /// Passes time during which nothing happens.
    pub(in crate::core::tests) fn rest(&mut self, ms: u64) {
        self.pass(ms, ms);
    }

    /// The end of one undisturbed read by a client that has seen nothing.
    pub(in crate::core::tests) fn calm_read(&mut self, at: usize, user: usize, view: &str) -> Result<(), String> {
        self.tokens[0][user] = 0;
        let name = self.ask(at, 0, user, view, false)?;
        while self.readers.contains_key(&name) {
            self.progress()?;
            self.pass(1, 1);
        }
        Ok(())
    }
}
