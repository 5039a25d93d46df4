//! The single table (docs/table.md): keys, items, transactions, the contact directory, import and rebuild.
//!
//! A change reads the user's aggregates in one snapshot, is decided there, and is written in one transaction with them, on the
//! condition that the root did not move. Reads are strongly consistent and say which revision they show.

mod buckets;
mod calls;
mod contacts;
mod customers;
mod directory;
mod draft;
mod error;
mod export;
pub mod import;
mod item;
mod keys;
pub mod meter;
mod packing;
mod pages;
mod reads;
mod rebuild;
mod save;
mod schema;
pub mod stream;
mod stripe;
mod table;
mod transaction;
mod write_items;
mod writes;

pub use buckets::{BucketRef, BucketRows, Buckets};
pub use contacts::{Deleted, Updated};
pub use customers::{Buyer, OwnSubscription};
pub use error::{BoxError, StoreError};
pub use export::{ContactReader, Rows, Selection};
pub use pages::{Page, Slice};
pub use reads::{Found, Head, Jobs};
pub use rebuild::Rebuilt;
pub use save::{Save, Saved};
pub use stripe::{Alarm, AlarmKind, Answered, Before, CatalogueAnswered, CustomerHead, Filled, Progress, Question, Reprocessed, Settled};
pub use table::{Table, TableConfig, TableConfigError};
pub use writes::{Edit, Record};
