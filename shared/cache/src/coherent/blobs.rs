//! Blobs: what never changes under its name. No protocol guards them; whoever reads one proves that it is what its name says.

use std::time::Duration;

use bytes::Bytes;

use super::Coherent;
use crate::keys::blob_key;
use crate::limits::BLOB_BYTES_MAX;
use crate::port::{Command, PortResult, Reply};
use crate::types::Trouble;

impl Coherent {
    /// Blobs of a user by their names, in this order; one round trip.
    ///
    /// # Errors
    /// Trouble with the cache: nothing is known of any of them, and asking for more now is not worth it.
    pub async fn blobs(&self, user: &str, names: &[String]) -> Result<Vec<Option<Bytes>>, Trouble> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<String> = names.iter().map(|name| blob_key(self.schema, user, name)).collect();
        match self.counted(Command::GetBlobs { keys }).await? {
            Reply::Blobs(blobs) if blobs.len() == names.len() => Ok(blobs),
            _ => Err(Trouble::Garbled),
        }
    }

    /// Keeps blobs of a user for some hours; one round trip. One that is too large is left out.
    ///
    /// # Errors
    /// Trouble with the cache: some of them may be kept.
    pub async fn keep_blobs(&self, user: &str, blobs: Vec<(String, Bytes)>) -> Result<(), Trouble> {
        let fits = blobs.into_iter().filter(|(_, blob)| blob.len() <= BLOB_BYTES_MAX);
        let blobs: Vec<_> = fits.map(|(name, blob)| (blob_key(self.schema, user, &name), blob)).collect();
        if blobs.is_empty() {
            return Ok(());
        }
        self.counted(Command::PutBlobs { blobs }).await.map(drop)
    }

    async fn counted(&self, command: Command) -> PortResult {
        let result = self.call(command, Duration::MAX).await;
        match result {
            Err(trouble) if trouble != Trouble::Off => self.lock().core.count_trouble(trouble),
            _ => {}
        }
        result
    }
}
