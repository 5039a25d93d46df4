//! A real Valkey, from ./scripts/setup.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A Valkey server of the test's own.
pub struct Valkey(Child, u16);

impl Valkey {
    /// Starts it with nothing in it.
    pub fn start() -> Self {
        let path = std::env::var("VALKEY_SERVER").unwrap_or_else(|_| from_setup());
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port();
        let arguments = ["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
        let child = Command::new(&path).args(arguments).stdout(Stdio::null()).spawn();
        let valkey = Self(child.unwrap_or_else(|error| panic!("{path}: {error}: run ./scripts/setup")), port);
        let until = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "it does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        valkey
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.1)
    }
}

impl Drop for Valkey {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The path that ./scripts/setup wrote.
fn from_setup() -> String {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tools/env");
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{file}: {error}: run ./scripts/setup"));
    let line = text.lines().find_map(|line| line.strip_prefix("export VALKEY_SERVER="));
    line.expect("./scripts/setup writes it").to_owned()
}
