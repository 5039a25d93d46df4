//! Servers that tests start. `./scripts/setup` says where they are.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cache::Coherent;

const START_TIME_MAX: Duration = Duration::from_secs(20);

/// A port that nobody listens on.
#[must_use]
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

/// A tool's path, as `./scripts/setup` found or installed it.
#[must_use]
pub fn tool(variable: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("shared/testkit/ lies in the root");
    let written = std::fs::read_to_string(root.join("target/tools/env")).unwrap_or_default();
    let of_setup = written.lines().find_map(|line| line.strip_prefix(&format!("export {variable}="))).map(str::to_owned);
    std::env::var(variable).ok().or(of_setup).unwrap_or_else(|| panic!("no {variable}: run ./scripts/setup"))
}

/// Waits until something listens on a port.
pub fn wait_for(port: u16, server: &str) {
    let started = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(started.elapsed() < START_TIME_MAX, "{server} does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A Valkey that keeps nothing.
#[derive(Debug)]
pub struct Valkey {
    port: u16,
    child: Child,
}

impl Valkey {
    /// Starts it on a free port.
    #[must_use]
    pub fn start() -> Self {
        let port = free_port();
        Self { port, child: Self::spawn(port) }
    }

    fn spawn(port: u16) -> Child {
        let mut command = Command::new(tool("VALKEY_SERVER"));
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("Valkey starts");
        wait_for(port, "Valkey");
        child
    }

    /// Its address as the API's settings name it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}/", self.address())
    }

    /// A cache in it.
    pub async fn cache(&self) -> Coherent {
        cache_at(&self.url()).await
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// Kills it and starts it again, empty.
    pub fn restart(&mut self) {
        self.stop();
        self.child = Self::spawn(self.port);
    }

    /// Lets it stand still, or go on.
    pub fn pause(&self, pause: bool) {
        let signal = if pause { "-STOP" } else { "-CONT" };
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status().expect("kill is there");
        assert!(status.success());
    }

    fn stop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Valkey {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The cache at an address.
pub async fn cache_at(url: &str) -> Coherent {
    let lookup = |name: &str| (name == "CACHE_URL").then(|| url.to_owned());
    Coherent::connect(cache::Config::from_lookup(&lookup).expect("a good URL")).await
}
