//! The contact book in memory: buckets of contacts as columns, and what is searched, filtered and sorted in them. No I/O, no clock.
//!
//! The store's directory names buckets of at most a few hundred contacts by their start and their version; what is under such a name never
//! changes. A [`Bucket`] holds one, with every text a second time as it is searched and sorted ([`fold`]). [`Bucket::encode`] packs it for a
//! cache, and [`Bucket::decode`] takes only bytes that were packed under the same name. A [`Shelf`] keeps those that a process needs again.
//!
//! A [`Scan`] goes over all buckets of an account: it counts what passes a [`Filter`] and picks one page in an [`Order`]. It keeps no bucket, so
//! its memory does not grow with the texts that it does not sort by.

mod bucket;
mod column;
mod filter;
mod fold;
mod packing;
mod scan;
mod shelf;

pub use bucket::Bucket;
pub use filter::Filter;
pub use fold::fold;
pub use scan::{Found, Order, Place, Scan, Slice, SortBy};
pub use shelf::Shelf;
