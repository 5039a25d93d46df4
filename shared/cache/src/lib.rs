//! A cache that never answers with what was invalidated. It knows bytes and revs, never what they mean.

mod coherent;
mod config;
mod core;
mod header;
mod keys;
mod limits;
mod memory;
mod mutation;
mod near;
mod port;
mod stats;
mod types;
mod valkey;

pub use coherent::{Coherent, Settings};
pub use config::{Aws, Config, ConfigError, Iam, Place};
pub use port::Filled;
pub use stats::Counted;
pub use types::{Answer, Ask, Entry, Loaded, Outcome, Scope, Tier, Trouble, Unacknowledged, View, Warmed};
