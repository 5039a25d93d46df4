//! What tests are made of: seeds of accounts, a watch over logs and metrics, a world that answers requests as the deployed API does, tokens,
//! servers, and faults of the table.
//!
//! A [`World`] is the gateway of `local` in process: every request becomes an API Gateway event and goes through the Lambda runtime's own
//! conversion to the real functions, over an embedded table and a memory cache, each with its
//! permissions in template.yaml, under a clock that stands still until it is set.

mod emf;
mod faults;
pub mod hits;
mod online;
pub mod policies;
mod reply;
mod seed;
pub mod servers;
mod tokens;
pub mod watch;
mod world;

pub use emf::metrics_of;
pub use faults::{Call, Fault, Faults};
pub use online::Online;
pub use reply::Reply;
pub use seed::{NOW, Seed, seed, uuid};
pub use tokens::{claims, sign, sign_as, sign_with, unsigned};
pub use world::{Client, OLD_WEBHOOK_SECRET, World};
