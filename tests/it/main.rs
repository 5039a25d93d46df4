//! Scenarios, models and tidy checks, one binary.

mod contacts;
mod dashboard;
mod edge;
mod events;
mod round_trips;
mod save_contacts;
mod tidy;
