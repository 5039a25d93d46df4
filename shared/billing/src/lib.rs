//! How Stripe's state becomes ours: pure decisions over a verified webhook and what the table holds. No I/O, no clock.
//!
//! 1. [`signature::verify`] checks the raw bytes.
//! 2. [`Event::parse`] reads the few fields that count; [`Event::work`] says what the event is for: nothing, an object that only
//!    Stripe can show ([`Work::Park`]), a customer's mirror ([`CustomerWork`]) or the catalogue ([`CatalogueWork`]).
//! 3. The store reads, in one snapshot, the event's [`Marker`], the customer's [`Meta`] and [`CustomerWork::item`]; then all the
//!    customer's subscriptions; then, of [`CustomerWork::user`], the root's billing state and [`Sources`]. That is a [`Found`].
//! 4. [`CustomerWork::decide`] returns what one transaction has to write: the marker if absent, and [`CustomerWrites`] on the
//!    condition that `Meta::rev` is still the one that was read, which protects everything of that customer.
//! 5. An item with `needs_refresh` is asked for at Stripe later; [`CustomerItem::refetched`] decides on the answer. A customer of whom
//!    Stripe was never asked ([`Meta::needs_fill`]) is asked for as a whole; [`Known::fill`] decides.
//!
//! Every stored object is the greatest of its events under one order ([`guard`]), every link is set once, and a user's state is
//! computed from them. So each order and repetition of the same events ends in the same state.

pub mod catalogue;
mod decide;
mod event;
mod fill;
pub mod guard;
mod json;
mod kind;
pub mod mirror;
mod refetch;
pub mod signature;
mod sources;
pub mod views;
mod work;

pub use catalogue::{CatalogueWork, CatalogueWrites};
pub use decide::{CustomerWrites, Decision, Found, FoundUser, Marker, Outcome, Quarantine, UserWrites, Writes};
pub use event::{Event, Malformed, Related};
pub use fill::{FillWrites, Known, Shown};
pub use json::is_id;
pub use mirror::{Item, ItemId, Meta};
pub use refetch::{Answer, CustomerItem};
pub use sources::{CustomerBilling, Sources};
pub use work::{CustomerWork, Work};
