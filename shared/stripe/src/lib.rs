//! Calls to Stripe: bounded in time, repeated with the same idempotency key, and left alone while Stripe is down.
//!
//! [`Client::object`] and [`Client::page`] answer with Stripe's own JSON, in whatever shape it has: `billing` reads both shapes, which
//! typed answers do not. Everything that changes something at Stripe takes an [`Intent`], so that a repetition has one effect.
//!
//! Requests are `async-stripe`'s; the transport under them is ours, because that of the package opens a connection for every call, hides
//! `Retry-After`, and repeats without regard to the time that is left.

mod breaker;
mod client;
mod config;
mod error;
mod intent;
mod lists;
mod transport;
mod writes;

pub use client::{Client, Object};
pub use config::{Config, ConfigError};
pub use error::StripeError;
pub use intent::Intent;
pub use lists::{List, Page};
pub use writes::{Confirm, NewCheckout, NewCustomer, NewPortal, PriceChange, Written};
