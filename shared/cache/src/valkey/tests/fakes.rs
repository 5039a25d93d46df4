//! Sockets that look like a cache and are none.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// How a fake treats a command. It lets clients log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// Never replies, not even to a login.
    Mute,
    /// Logs in, then never replies.
    MuteLater,
    /// Replies long after anybody waits.
    Slow,
    /// Ends the connection in the middle of a reply.
    Dying,
    /// Replies with something that is no protocol.
    Garbage,
    /// Replies in the protocol, with the wrong kinds of values.
    Nonsense,
    /// Takes its time to log in, then acknowledges every bump.
    SlowLogin,
}

/// A fake on a port of its own.
pub(super) struct Fake {
    pub(super) url: String,
    commands: Arc<AtomicU32>,
    logins: Arc<Mutex<String>>,
    hang_up: Arc<Notify>,
}

impl Fake {
    pub(super) async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let commands = Arc::new(AtomicU32::new(0));
        let hang_up = Arc::new(Notify::new());
        let logins = Arc::new(Mutex::new(String::new()));
        let (count, end, texts) = (Arc::clone(&commands), Arc::clone(&hang_up), Arc::clone(&logins));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (serve, end) = (serve(stream, manner, Arc::clone(&count), Arc::clone(&texts)), Arc::clone(&end));
                tokio::spawn(async move {
                    tokio::select! {
                        () = serve => {}
                        () = end.notified() => {}
                    }
                });
            }
        });
        Self { url, commands, logins, hang_up }
    }

    /// Ends the connections that are open.
    pub(super) fn hang_up(&self) {
        self.hang_up.notify_waiters();
    }

    /// What clients sent to log in.
    pub(super) fn logins(&self) -> String {
        self.logins.lock().unwrap().clone()
    }

    /// Commands that arrived, logins aside.
    pub(super) fn commands(&self) -> u32 {
        self.commands.load(Ordering::Relaxed)
    }
}

async fn serve(mut stream: TcpStream, manner: Manner, commands: Arc<AtomicU32>, logins: Arc<Mutex<String>>) {
    let mut buffer = vec![0; 65_536];
    loop {
        let length = match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(length) => length,
        };
        let sent = String::from_utf8_lossy(&buffer[..length]);
        let text = sent.to_ascii_uppercase();
        let is_command = text.contains("HMGET") || text.contains("EVALSHA") || text.contains("\r\nEVAL\r\n");
        commands.fetch_add(u32::from(is_command), Ordering::Relaxed);
        let reply: Option<&[u8]> = match manner {
            Manner::Mute => None,
            _ if !is_command => {
                logins.lock().unwrap().push_str(&sent);
                if manner == Manner::SlowLogin {
                    tokio::time::sleep(Duration::from_millis(60)).await;
                }
                let logins = "+OK\r\n".repeat((text.matches("SETINFO").count() + text.matches("\nAUTH").count()).max(1));
                let _ = stream.write_all(logins.as_bytes()).await;
                continue;
            }
            Manner::MuteLater => None,
            Manner::Slow => {
                tokio::time::sleep(Duration::from_millis(300)).await;
                Some(b"*4\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n*2\r\n$1\r\n1\r\n$1\r\n1\r\n")
            }
            Manner::Dying => {
                let _ = stream.write_all(b"*4\r\n$32\r\n0123456789").await;
                return;
            }
            Manner::Garbage => Some(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
            Manner::SlowLogin => Some(b":1\r\n"),
            Manner::Nonsense => Some(b"*4\r\n:1\r\n:2\r\n:3\r\n+x\r\n+later\r\n"),
        };
        if let Some(reply) = reply {
            // Whoever hung up does not need the reply.
            let _ = stream.write_all(reply).await;
        }
    }
}

/// The service that knows endpoints: answers one request after another with these bodies.
pub(in crate::valkey) async fn elasticache(replies: Vec<String>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        for reply in replies {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 8_192]).await.unwrap();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", reply.len());
            stream.write_all(format!("{head}{reply}").as_bytes()).await.unwrap();
        }
    });
    endpoint
}

/// The service's answer that there is no serverless cache of a name.
pub(in crate::valkey) fn no_serverless() -> String {
    wrapped("DescribeServerlessCaches", "<ServerlessCaches/>")
}

/// The service's answer for a serverless cache.
pub(in crate::valkey) fn serverless(address: &str, port: u16) -> String {
    let endpoint = format!("<Endpoint><Address>{address}</Address><Port>{port}</Port></Endpoint>");
    wrapped("DescribeServerlessCaches", &format!("<ServerlessCaches><member>{endpoint}</member></ServerlessCaches>"))
}

/// The service's answer for a replication group without TLS, or that there is none.
pub(in crate::valkey) fn group(found: Option<(&str, u16)>) -> String {
    let group = |(address, port)| {
        let endpoint = format!("<PrimaryEndpoint><Address>{address}</Address><Port>{port}</Port></PrimaryEndpoint>");
        let nodes = format!("<NodeGroups><NodeGroup>{endpoint}</NodeGroup></NodeGroups>");
        format!("<ReplicationGroup><TransitEncryptionEnabled>false</TransitEncryptionEnabled>{nodes}</ReplicationGroup>")
    };
    wrapped("DescribeReplicationGroups", &format!("<ReplicationGroups>{}</ReplicationGroups>", found.map(group).unwrap_or_default()))
}

fn wrapped(action: &str, result: &str) -> String {
    format!("<{action}Response><{action}Result>{result}</{action}Result></{action}Response>")
}
