//! The store against the embedded server: one binary, because linking the AWS SDK takes longer than its tests do.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod buckets;
mod export;
mod faults;
mod model;
mod pages;
mod recount;
mod repair;
mod server;
mod sizes;
mod steps;
mod table;
