//! A process: its core, and clocks that may be wrong.

use crate::core::{Core, CoreConfig, Times};

/// A process.
#[derive(Debug)]
pub(in crate::core::tests) struct Environment {
    pub(in crate::core::tests) core: Core,
    pub(super) schema: u32,
    pub(in crate::core::tests) window_ms: u64,
    pub(super) frozen: bool,
    pub(super) mono_ms: u64,
    pub(super) wall_skew_ms: i64,
    pub(super) seed: u64,
}

impl Environment {
    pub(super) fn new(seed: u64, schema: u32, window_ms: u64) -> Self {
        let config = CoreConfig { schema, near_window_ms: window_ms, near_bytes_max: 4_096, cache: true };
        Self { core: Core::new(config, seed), schema, window_ms, frozen: false, mono_ms: 0, wall_skew_ms: 0, seed }
    }

    /// What its clocks say.
    pub(super) fn times(&self, now_ms: u64) -> Times {
        Times { mono_ms: self.mono_ms, wall_ms: i64::try_from(now_ms).unwrap() + self.wall_skew_ms }
    }
}
