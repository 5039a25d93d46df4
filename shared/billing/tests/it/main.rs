//! Billing as a whole: histories as Stripe makes them, delivered in any order, to a table of three maps.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod catalogue;
mod decisions;
mod fuzz;
mod history;
mod order;
mod shapes;
mod table;
