//! Servers that a test starts and torments: one that speaks S3, a line to a server that can be cut, and processes of the API.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use testkit::Reply;
use testkit::servers::{free_port, tool, wait_for};
use tokio::net::{TcpListener, TcpStream};

/// Held by a test that keeps the whole machine busy, and by one that its neighbour must not.
pub static MACHINE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// A Python that has the readers of exported files.
pub fn python() -> String {
    tool("EXPORTS_PYTHON")
}

/// A server that speaks S3.
pub struct Moto {
    port: u16,
    child: Child,
}

impl Moto {
    /// Starts it on a free port, empty.
    pub fn start() -> Self {
        let port = free_port();
        let server = Path::new(&python()).with_file_name("moto_server");
        let mut command = Command::new(server);
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("moto starts");
        wait_for(port, "moto");
        Self { port, child }
    }

    /// Where it answers.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// One of its buckets, as the export function would use it.
    pub fn bucket(&self, name: &str) -> export_contacts::Bucket {
        let lookup = |variable: &str| match variable {
            "EXPORT_BUCKET" => Some(name.to_owned()),
            "EXPORT_ENDPOINT" => Some(self.url()),
            "AWS_REGION" => Some("us-east-1".to_owned()),
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" | "AWS_SESSION_TOKEN" => Some("test".to_owned()),
            _ => None,
        };
        export_contacts::Bucket::from_lookup(&lookup).expect("everything is set")
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a request over HTTP.
pub async fn send(method: &str, url: &str) -> Reply {
    send_as(None, method, url).await
}

/// Sends a request over HTTP, with a user's token if there is one.
pub async fn send_as(token: Option<&str>, method: &str, url: &str) -> Reply {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let mut request = http::Request::builder().method(method).uri(url);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request.body(Empty::<Bytes>::new()).expect("a good request");
    let (parts, body) = client.request(request).await.expect("an answer").into_parts();
    let body = body.collect().await.expect("a whole body").to_bytes();
    Reply::new(format!("{method} {url}"), http::Response::from_parts(parts, body))
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
        Self::start_with(&[], arguments)
    }

    /// The same, with settings in its environment.
    pub fn start_with(settings: &[(&str, &str)], arguments: &[&str]) -> Self {
        let mut command = Command::new(binary());
        command.args(arguments).envs(settings.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("local starts");
        let logs = BufReader::new(child.stderr.take().expect("its logs are piped")).lines();
        std::thread::spawn(move || logs.map_while(Result::ok).for_each(|line| testkit::watch::log_line(&line)));
        let mut lines = BufReader::new(child.stdout.take().expect("its output is piped")).lines().map_while(Result::ok);
        let host = lines.find_map(|line| line.strip_prefix("listening on http://").map(str::to_owned));
        Self { child, host: host.expect("local says where it listens") }
    }

    /// The most memory that it has had, in megabytes, as the kernel says.
    pub fn memory_peak_mb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("kilobytes") / 1024
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
