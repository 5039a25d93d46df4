//! The embedded DynamoDB-compatible server, on a free loopback port and a runtime of its own: its calls block their thread.

use std::fmt;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use dynoxide::Database;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

/// Name of the database in the data folder.
const FILE: &str = "table.db";
/// Held while a process uses the folder: two servers of one database would not see each other's commits.
const LOCK: &str = "lock";

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// The folder cannot be used.
    #[error("{}: {source}", path.display())]
    Folder {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process has the folder.
    #[error("{}: in use by another process", .0.display())]
    InUse(PathBuf),
    /// The database cannot be opened.
    #[error("{}: {message}", path.display())]
    Database {
        /// Which one.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// There is no free port, or no thread.
    #[error("the embedded table does not start: {0}")]
    Start(#[from] io::Error),
}

/// A running server.
pub struct Embedded {
    endpoint: String,
    database: Database,
    stop: Option<oneshot::Sender<()>>,
    runtime: Option<Runtime>,
    _lock: Option<File>,
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Embedded {
    /// Starts with nothing in it; what is written ends with the process.
    ///
    /// # Errors
    /// See [`EmbeddedError`].
    pub fn memory() -> Result<Self, EmbeddedError> {
        let database = Database::memory().map_err(|error| EmbeddedError::Database { path: "memory".into(), message: error.to_string() })?;
        Self::start(database, None)
    }

    /// Opens or creates the database in a folder, which must be there.
    ///
    /// # Errors
    /// See [`EmbeddedError`].
    pub fn open(folder: &Path) -> Result<Self, EmbeddedError> {
        let unusable = |source| EmbeddedError::Folder { path: folder.to_owned(), source };
        if !folder.metadata().map_err(unusable)?.is_dir() {
            return Err(unusable(io::ErrorKind::NotADirectory.into()));
        }
        let lock = File::create(folder.join(LOCK)).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(EmbeddedError::InUse(folder.to_owned())),
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        let path = folder.join(FILE);
        let broken = |message: String| EmbeddedError::Database { path: path.clone(), message };
        let name = path.to_str().ok_or_else(|| broken("its name is not UTF-8".to_owned()))?;
        let database = Database::new(name).map_err(|error| broken(error.to_string()))?;
        // What this sets is `synchronous = NORMAL`: every put is a transaction, and SQLite's default waits for the disk after each one,
        // which limits an import to 1,000 contacts a second. A power cut may lose the last of them, a crash of the process none.
        database.disable_bulk_loading().map_err(|error| broken(error.to_string()))?;
        Self::start(database, Some(lock))
    }

    fn start(database: Database, lock: Option<File>) -> Result<Self, EmbeddedError> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("embedded-table").enable_all().build()?;
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let (stop, stopped) = oneshot::channel::<()>();
        let served = database.clone();
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).map_err(|error| error.to_string())?;
            let stopped = async move { drop(stopped.await) };
            dynoxide::server::serve_with_shutdown(listener, served, stopped).await
        });
        Ok(Self { endpoint, database, stop: Some(stop), runtime: Some(runtime), _lock: lock })
    }

    /// Where it listens.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The database itself, for reads that need no network.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.database
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(runtime) = self.runtime.take() {
            // Not waited for: this may run inside another runtime, and a commit is whole or not there.
            runtime.shutdown_background();
        }
    }
}
