//! Scenarios, models and tidy checks, one binary.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod audit;
mod billing_reads;
mod buying;
mod cache;
mod conformance;
mod contact_edits;
mod contact_model;
mod contacts;
mod dashboard;
mod dead_letters;
mod edge;
mod events;
mod expected;
mod exports;
mod faults;
mod jwks;
mod large_accounts;
mod limits;
mod limits_shared;
mod logs;
mod metrics;
mod openapi;
mod policies;
mod processes;
mod quarantine;
mod reconcile;
mod refetch;
mod round_trips;
mod save_contacts;
mod search;
mod servers;
mod stripe;
mod stripe_client;
mod template;
mod tidy;
