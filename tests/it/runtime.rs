//! A function as Lambda runs it: its real entry point in a process of its own, over the runtime API.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use local::embedded::Embedded;
use serde_json::{Value, json};
use store::{Table, TableConfig};
use testkit::watch;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};

use super::envelopes::FORMATS;
use super::stripe::{pro, signed};

const THIS: &str = "runtime::the_webhook_as_lambda_runs_it_takes_events_of_either_format";
const TABLE: &str = "callsheets";
/// Longer than any event takes.
const DEADLINE_MS: u64 = 60_000;

/// Lambda's side: hands out events and takes answers.
struct RuntimeApi {
    address: String,
    events: mpsc::UnboundedSender<String>,
    answers: mpsc::UnboundedReceiver<(String, Value)>,
}

impl RuntimeApi {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (events, queued) = mpsc::unbounded_channel();
        let (answered, answers) = mpsc::unbounded_channel();
        let queued = Arc::new(Mutex::new(queued));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (queued, answered) = (Arc::clone(&queued), answered.clone());
                let service = service_fn(move |request| answer(request, Arc::clone(&queued), answered.clone()));
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, events, answers }
    }

    /// What the function answers to an event.
    async fn invoke(&mut self, event: &Value) -> Value {
        self.events.send(event.to_string()).unwrap();
        let (path, answer) = self.answers.recv().await.unwrap();
        assert!(path.ends_with("/response"), "{path}: {answer}");
        answer
    }
}

fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

async fn answer(
    request: http::Request<Incoming>,
    queued: Arc<Mutex<mpsc::UnboundedReceiver<String>>>,
    answered: mpsc::UnboundedSender<(String, Value)>,
) -> Result<http::Response<Full<Bytes>>, std::io::Error> {
    let path = request.uri().path().to_owned();
    if path.ends_with("/invocation/next") {
        let event = queued.lock().await.recv().await.ok_or(std::io::ErrorKind::BrokenPipe)?;
        let response = http::Response::builder().header("lambda-runtime-aws-request-id", uuid_of(&event));
        let response = response.header("lambda-runtime-deadline-ms", now_ms() + DEADLINE_MS);
        let response = response.header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:f");
        return Ok(response.body(event.into()).unwrap());
    }
    let body = request.into_body().collect().await.map_err(std::io::Error::other)?.to_bytes();
    let _ = answered.send((path, serde_json::from_slice(&body).unwrap_or_default()));
    Ok(http::Response::builder().status(202).body(Full::default()).unwrap())
}

/// An id of the length that Lambda's have.
fn uuid_of(event: &str) -> String {
    format!("0197a3c1-02d4-7e0b-9a3a-{:012}", event.len())
}

/// A process that is ended with its test.
struct Function(Child);

impl Function {
    /// This test again, as the function.
    fn start(runtime_api: &str, endpoint: &str) -> Self {
        let variables = BTreeMap::from([
            ("AWS_LAMBDA_RUNTIME_API", runtime_api),
            ("AWS_LAMBDA_FUNCTION_NAME", "stripe-webhook"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("TABLE_NAME", TABLE),
            ("TABLE_ENDPOINT", endpoint),
            ("TABLE_ROOTS", "system"),
            ("JWT_SECRET", local::DEVELOPMENT_SECRET),
            ("STRIPE_WEBHOOK_SECRETS", local::DEVELOPMENT_WEBHOOK_SECRET),
            ("STAGE", "test"),
        ]);
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", THIS, "--nocapture"]).envs(variables).stdout(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    /// Ends it: what it wrote.
    fn end(mut self) -> String {
        self.0.kill().unwrap();
        let mut written = Vec::new();
        std::io::Read::read_to_end(&mut self.0.stdout.take().unwrap(), &mut written).unwrap();
        String::from_utf8_lossy(&written).into_owned()
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_webhook_as_lambda_runs_it_takes_events_of_either_format() {
    if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_some() {
        let error = app::serve_webhook(|app, request| Box::pin(stripe_webhook::handle(app, request)));
        panic!("it runs until it is ended: {error:?}");
    }
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(driven());
}

async fn driven() {
    let embedded = Embedded::memory().unwrap();
    Table::connect(&TableConfig::local(TABLE, embedded.endpoint())).create_if_absent().await.unwrap();
    let mut lambda = RuntimeApi::start().await;
    let function = Function::start(&lambda.address, embedded.endpoint());
    let now = i64::try_from(now_ms() / 1_000).unwrap();
    for (format, envelope) in FORMATS {
        for encoded in [true, false] {
            let body = serde_json::to_string_pretty(&pro(&format!("evt_{format}_{encoded}"), now - 10)).unwrap();
            let signature = signed(local::DEVELOPMENT_WEBHOOK_SECRET, body.as_bytes(), now);
            let travelled = if encoded { BASE64_STANDARD.encode(&body) } else { body };
            let answer = lambda.invoke(&envelope(&travelled, encoded, &signature)).await;
            let said: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
            assert_eq!((&answer["statusCode"], &said["received"], &said["success"]), (&json!(200), &json!(true), &json!(true)), "{answer}");
            // Format 1.0 wants every header as a list.
            let headers =
                if format == "1.0" { &answer["multiValueHeaders"]["content-type"][0] } else { &answer["headers"]["content-type"] };
            assert_eq!(headers, "application/json; charset=utf-8", "{format}: {answer}");
        }
    }
    // What is no event of a gateway fails, and the function goes on.
    lambda.events.send(json!({"Records": []}).to_string()).unwrap();
    let (path, refused) = lambda.answers.recv().await.unwrap();
    assert!(path.ends_with("/error"), "{path}: {refused}");
    let (_, envelope) = FORMATS[0];
    assert_eq!(lambda.invoke(&envelope("{}", false, "t=1,v1=00")).await["statusCode"], 400);
    let written = function.end();
    let lines: Vec<_> = written.lines().filter(|line| line.starts_with('{')).collect();
    let metrics = lines.iter().filter(|line| line.contains("\"_aws\"")).count();
    assert!(metrics >= 5 && lines.len() - metrics >= 4, "{written}");
    lines.into_iter().for_each(watch::line);
}
