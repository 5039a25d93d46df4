//! Servers that tests start themselves, on free ports, and stop when they are done.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, TlsCertificates};
use tempfile::TempDir;

/// What ElastiCache Serverless does not have, denied to the user of the tests.
const DENIED: &str = "-client|tracking -client|caching -function -fcall -fcall_ro -keys -wait -waitaof -config -debug -object -memory \
                      -psubscribe -monitor -acl -bgsave -bgrewriteaof -save -shutdown -replicaof -slaveof -psync -sync -latency -slowlog \
                      -module -migrate -swapdb -failover -lastsave";

/// A running server.
pub(super) struct Server {
    child: Child,
    files: TempDir,
    program: PathBuf,
    arguments: Vec<String>,
    /// Where the program's user connects.
    pub(super) url: String,
    /// Where the tests' administrator connects.
    admin: String,
    pub(super) ca_pem: Option<String>,
}

impl Server {
    /// A Valkey server whose user `app` may not do what ElastiCache Serverless does not offer.
    pub(super) async fn valkey() -> Self {
        let port = free_port();
        let files = TempDir::new().unwrap();
        let acl = files.path().join("users.acl");
        std::fs::write(&acl, format!("user default on nopass ~* &* +@all\nuser app on >secret ~* &* +@all {DENIED}\n")).unwrap();
        let arguments = vec!["--port".to_owned(), port.to_string(), "--aclfile".to_owned(), acl.display().to_string()];
        let (url, admin) = (format!("redis://app:secret@127.0.0.1:{port}"), format!("redis://127.0.0.1:{port}"));
        Self::start(program("VALKEY_SERVER"), arguments, files, url, admin, None).await
    }

    /// A Redis server in cluster mode that speaks TLS only, as ElastiCache Serverless does.
    pub(super) async fn redis_with_tls() -> Self {
        let port = free_port();
        let files = TempDir::new().unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let (cert, key) = (files.path().join("cert.pem"), files.path().join("key.pem"));
        std::fs::write(&cert, made.cert.pem()).unwrap();
        std::fs::write(&key, made.key_pair.serialize_pem()).unwrap();
        let text = |path: &Path| path.display().to_string();
        // The port of a cluster's bus would be 10,000 above, which may be above the last port.
        let (tls, bus, cert, key) = (port.to_string(), free_port().to_string(), text(&cert), text(&key));
        let arguments = [
            &["--port", "0", "--tls-port", &tls, "--tls-auth-clients", "no"][..],
            &["--tls-cert-file", &cert, "--tls-key-file", &key, "--tls-ca-cert-file", &cert],
            &["--cluster-enabled", "yes", "--tls-cluster", "yes", "--cluster-announce-hostname", "localhost", "--cluster-port", &bus],
        ];
        let arguments = arguments.concat().into_iter().map(str::to_owned).collect();
        let url = format!("rediss://localhost:{port}");
        let server = Self::start(program("REDIS_SERVER"), arguments, files, url.clone(), url, Some(made.cert.pem())).await;
        let mut admin = server.admin().await;
        redis::cmd("CLUSTER").arg("ADDSLOTSRANGE").arg(0).arg(16383).exec_async(&mut admin).await.unwrap();
        eventually(async || redis::cmd("GET").arg("x").exec_async(&mut server.admin().await).await.is_ok()).await;
        server
    }

    async fn start(program: PathBuf, arguments: Vec<String>, files: TempDir, url: String, admin: String, ca_pem: Option<String>) -> Self {
        let child = spawn(&program, &arguments, files.path());
        let server = Self { child, files, program, arguments, url, admin, ca_pem };
        server.is_up().await;
        server
    }

    pub(super) fn port(&self) -> u16 {
        self.admin.rsplit(':').next().unwrap().parse().unwrap()
    }

    /// Kills the server and starts an empty one in its place.
    pub(super) async fn restart(&mut self) {
        self.kill();
        self.child = spawn(&self.program, &self.arguments, self.files.path());
        self.is_up().await;
    }

    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Stops the process without ending it, or lets it go on.
    pub(super) fn pause(&self, pause: bool) {
        let signal = if pause { "-STOP" } else { "-CONT" };
        assert!(Command::new("kill").arg(signal).arg(self.child.id().to_string()).status().unwrap().success());
    }

    /// A connection that may do anything.
    pub(super) async fn admin(&self) -> MultiplexedConnection {
        self.try_admin().await.unwrap()
    }

    async fn try_admin(&self) -> redis::RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new().set_connection_timeout(Some(Duration::from_secs(5))).set_response_timeout(None);
        self.client(&self.admin).get_multiplexed_async_connection_with_config(&config).await
    }

    /// A connection of the program's user, without the port's bounds on time.
    pub(super) async fn user(&self) -> MultiplexedConnection {
        let config = AsyncConnectionConfig::new().set_connection_timeout(Some(Duration::from_secs(5))).set_response_timeout(None);
        self.client(&self.url).get_multiplexed_async_connection_with_config(&config).await.unwrap()
    }

    fn client(&self, url: &str) -> Client {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        match &self.ca_pem {
            Some(pem) => {
                Client::build_with_tls(url, TlsCertificates { client_tls: None, root_cert: Some(pem.clone().into_bytes()) }).unwrap()
            }
            None => Client::open(url).unwrap(),
        }
    }

    async fn is_up(&self) {
        eventually(async || self.try_admin().await.is_ok()).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing is left to do for a server that is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits, at most 10 s, until something is so.
pub(super) async fn eventually(mut is_so: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < Duration::from_secs(10), "still not so");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A port that nobody listened on a moment ago.
pub(super) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn spawn(program: &Path, arguments: &[String], directory: &Path) -> Child {
    let common = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
    Command::new(program)
        .args(arguments)
        .args(common)
        .arg("--dir")
        .arg(directory)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{} does not start ({error}): run ./scripts/setup", program.display()))
}

/// The path of a server: from the environment, else from what the set-up wrote.
fn program(variable: &str) -> PathBuf {
    if let Ok(path) = std::env::var(variable) {
        return path.into();
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/env");
    let text = std::fs::read_to_string(&file).unwrap_or_else(|_| panic!("{variable} is not known: run ./scripts/setup"));
    let prefix = format!("export {variable}=");
    let path = text.lines().find_map(|line| line.strip_prefix(&prefix));
    path.unwrap_or_else(|| panic!("{variable} is not known: run ./scripts/setup")).into()
}
