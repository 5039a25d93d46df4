//! The embedded DynamoDB-compatible server on a free port, on a runtime of its own: its calls block their thread.

use store::{Table, TableConfig};

/// A running server.
pub struct Server {
    endpoint: String,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Server {
    /// Starts it with nothing in it.
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let database = dynoxide::Database::memory().unwrap();
            dynoxide::server::serve_with_shutdown(listener, database, std::future::pending()).await.unwrap();
        });
        Self { endpoint, runtime: Some(runtime) }
    }

    /// Settings that lead to a table of it.
    pub fn config(&self, name: &str) -> TableConfig {
        TableConfig::local(name, &self.endpoint)
    }

    /// A table of it.
    pub async fn table(&self, name: &str) -> Table {
        let table = Table::connect(&self.config(name));
        table.create_if_absent().await.unwrap();
        table
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
