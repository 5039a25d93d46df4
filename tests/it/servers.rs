//! Servers that a test starts and torments: a Valkey, a line to it that can be cut, and processes of the API.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};

const START_TIME_MAX: Duration = Duration::from_secs(20);

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

/// The server's binary, as `./scripts/setup` found or installed it.
fn valkey_server() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the root");
    let written = std::fs::read_to_string(root.join("target/tools/env")).unwrap_or_default();
    let of_setup = written.lines().find_map(|line| line.strip_prefix("export VALKEY_SERVER=")).map(str::to_owned);
    std::env::var("VALKEY_SERVER").ok().or(of_setup).expect("no Valkey: run ./scripts/setup")
}

/// A Valkey that keeps nothing.
pub struct Valkey {
    port: u16,
    child: Child,
}

impl Valkey {
    /// Starts it on a free port.
    pub fn start() -> Self {
        let port = free_port();
        Self { port, child: Self::spawn(port) }
    }

    fn spawn(port: u16) -> Child {
        let mut command = Command::new(valkey_server());
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("Valkey starts");
        let started = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(started.elapsed() < START_TIME_MAX, "Valkey does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        child
    }

    /// Where it listens.
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

/// A line to a server that can be cut.
pub struct Line {
    address: SocketAddr,
    cut: Arc<AtomicBool>,
}

impl Line {
    /// Opens it.
    pub async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let cut = Arc::new(AtomicBool::new(false));
        let is_cut = Arc::clone(&cut);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server, Arc::clone(&is_cut)));
            }
        });
        Self { address, cut }
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts every connection and lets none through, or lets them through again.
    pub fn cut(&self, cut: bool) {
        self.cut.store(cut, Ordering::SeqCst);
    }
}

async fn carry(mut client: TcpStream, server: SocketAddr, cut: Arc<AtomicBool>) {
    let is_cut = async {
        while !cut.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let carried = async {
        let mut server = TcpStream::connect(server).await?;
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        tokio::io::copy_bidirectional(&mut client, &mut server).await
    };
    tokio::select! {
        () = is_cut => {}
        // A connection that ended is over for both sides.
        _ = carried => {}
    }
}

/// A process of the API.
pub struct Process {
    child: Child,
    /// `127.0.0.1:PORT`.
    pub host: String,
}

impl Process {
    /// Starts the binary `local` and waits until it says that it listens.
    pub fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(binary()).args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("local starts");
        let lines = BufReader::new(child.stdout.take().expect("its output is piped")).lines();
        let host = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("listening on http://").map(str::to_owned));
        Self { child, host: host.expect("local says where it listens") }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary that `cargo test --workspace` has built beside this test.
fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("a running binary");
    let path = test.parent().and_then(Path::parent).expect("target/debug/deps/it").join("local");
    assert!(path.exists(), "no {}: run `cargo build -p local`", path.display());
    path
}
