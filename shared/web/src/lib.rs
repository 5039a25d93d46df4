//! Requests, responses, errors, tokens and headers: the one crate that knows statuses and envelopes.
//!
//! A function's handler gets a [`Request`] and returns a [`Response`] or an [`ApiError`]; [`edge::handle`] does what all
//! endpoints share, from the route to the last header.

mod attachment;
pub mod auth;
mod cors;
pub mod edge;
mod encoding;
pub mod endpoints;
mod error;
mod finish;
mod json;
pub mod limits;
mod precondition;
mod request;
mod response;

pub use attachment::attachment;
pub use encoding::gzip;
pub use error::{ApiError, BoxError, ConfigError};
pub use finish::secure;
pub use json::json_body;
pub use precondition::IfMatch;
pub use request::{Caller, Request, id_filter, path_id, query};
pub use response::{Response, StoredBody, strong_etag, weak_etag};
