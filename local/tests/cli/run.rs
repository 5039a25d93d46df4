//! Runs the binary: to its end, or as a server that is asked over HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

/// The binary in an environment without settings.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_local"));
    command.args(arguments).stdin(Stdio::null());
    for variable in [
        "JWT_SECRET",
        "JWT_ISSUER",
        "STAGE",
        "ALLOWED_ORIGINS",
        "TABLE_NAME",
        "LOG_LEVEL",
        "CACHE_URL",
        "STRIPE_SECRET_KEY",
        "STRIPE_API_URL",
        "STRIPE_WEBHOOK_SECRETS",
    ] {
        command.env_remove(variable);
    }
    command
}

/// Runs it to its end.
pub fn local(arguments: &[&str]) -> Output {
    command(arguments).output().expect("the binary runs")
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// A token of user `u1`, as the binary prints it.
pub fn bearer(options: &[&str]) -> String {
    let output = local(&[&["token", "--user", "u1"], options].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).trim().to_owned()
}

/// A running server. It is killed when the test ends without stopping it.
pub struct Serving {
    child: Child,
    _stdout: BufReader<ChildStdout>,
    /// `127.0.0.1:PORT`.
    pub address: String,
    /// What it printed at its start.
    pub announced: String,
}

impl Serving {
    /// Starts it on a free port and waits until it is ready.
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_with(&[], arguments)
    }

    /// The same with variables.
    pub fn start_with(variables: &[(&str, &str)], arguments: &[&str]) -> Self {
        let mut command = command(&[&["--port", "0"], arguments].concat());
        command.envs(variables.iter().copied());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().expect("the binary runs");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut announced = String::new();
        let read = stdout.read_line(&mut announced).expect("text");
        assert!(read > 0, "the server ended: {:?}", child.wait());
        let address = announced.trim().strip_prefix("listening on http://").expect("the first line").to_owned();
        // The samples, written in one piece with the first line, end with a blank line each.
        let samples = stdout.buffer().to_vec();
        announced.push_str(&text(&samples));
        Self { child, _stdout: stdout, address, announced }
    }

    pub fn get(&self, path: &str, token: &str) -> (u16, Value) {
        self.send("GET", path, token)
    }

    pub fn send(&self, method: &str, path: &str, token: &str) -> (u16, Value) {
        let answer = self.raw(format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n",
            self.address
        ));
        answer_of(&answer)
    }

    /// Sends JSON to this server, or to another of the same process.
    pub fn post(&self, address: &str, path: &str, token: &str, body: &Value) -> (u16, Value) {
        let body = body.to_string();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        answer_of(&text(&raw_bytes(address, request.as_bytes())))
    }

    /// Sends bytes and reads until the server closes.
    pub fn raw(&self, request: impl AsRef<[u8]>) -> String {
        text(&self.raw_bytes(request.as_ref()))
    }

    /// The same with an answer that may be no text.
    pub fn raw_bytes(&self, request: &[u8]) -> Vec<u8> {
        raw_bytes(&self.address, request)
    }

    /// Sends a signal; the exit code.
    pub fn stop(mut self, signal: &str) -> Option<i32> {
        let sent = Command::new("kill").args([format!("-{signal}"), self.child.id().to_string()]).status().expect("kill runs");
        assert!(sent.success());
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A page of another server of the same process, head and all.
pub fn page_of(address: &str, path: &str) -> String {
    text(&raw_bytes(address, format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes()))
}

/// What a form of a page sends, as a browser does: the answer, head and all.
pub fn form(address: &str, path: &str, body: &str) -> String {
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\nAccept: text/html\r\nContent-Type: \
         application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    text(&raw_bytes(address, request.as_bytes()))
}

fn raw_bytes(address: &str, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
    stream.write_all(request).expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    answer
}

/// Status and JSON of an answer.
fn answer_of(answer: &str) -> (u16, Value) {
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, serde_json::from_str(body).unwrap_or_default())
}
