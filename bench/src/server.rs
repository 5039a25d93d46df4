//! The embedded table on disk, served to the SDK on a free port as `local` does it.

use std::net::SocketAddr;
use std::path::Path;

use dynoxide::Database;
use tokio::net::TcpListener;

/// A running server. Its calls block their thread, so it has a runtime of its own.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Server {
    /// Opens or creates the database in `folder`.
    ///
    /// # Errors
    /// When the database or a port cannot be opened.
    pub fn start(folder: &Path) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let path = folder.join("table.db");
        let database = Database::new(path.to_str().ok_or("the folder's name is not UTF-8")?)?;
        // What this sets is `synchronous = NORMAL`: every put is a transaction, and SQLite's default waits for the disk after each one,
        // which limits an import to 1,000 contacts a second. A power cut may lose the last of them, a crash of the process none.
        database.disable_bulk_loading()?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).map_err(|error| error.to_string())?;
            dynoxide::server::serve_with_shutdown(listener, database, std::future::pending()).await
        });
        Ok(Self { address, runtime: Some(runtime) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
