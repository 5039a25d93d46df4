//! Scenarios, models and tidy checks, one binary.

mod cache;
mod contacts;
mod dashboard;
mod edge;
mod events;
mod faults;
mod processes;
mod round_trips;
mod save_contacts;
mod servers;
mod tidy;
