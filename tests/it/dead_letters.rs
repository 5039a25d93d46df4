//! The dead-letter queue of `on-table-stream`, against a server that takes SQS's requests.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use app::{DeadLetters, Letter};
use bytes::Bytes;
use dead_letters::Queue;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

type Got = Arc<Mutex<Vec<(String, Value)>>>;

/// Answers every request alike and keeps what it got: its operation and its body.
async fn queue_server(status: u16, answer: Value) -> (String, Got) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let got = Got::default();
    let kept = Arc::clone(&got);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (kept, answer) = (Arc::clone(&kept), answer.to_string());
            let service = service_fn(move |request: http::Request<Incoming>| {
                let (kept, answer) = (Arc::clone(&kept), Bytes::from(answer.clone()));
                async move {
                    let target = request.headers()["x-amz-target"].to_str().unwrap().to_owned();
                    let body = request.into_body().collect().await.unwrap().to_bytes();
                    kept.lock().unwrap().push((target, serde_json::from_slice(&body).unwrap()));
                    let response = http::Response::builder().status(status).header("content-type", "application/x-amz-json-1.0");
                    Ok::<_, Infallible>(response.body(Full::new(answer)).unwrap())
                }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    (url, got)
}

fn queue(url: &str) -> Queue {
    let lookup = |name: &str| match name {
        "DEAD_LETTER_QUEUE_URL" => Some(format!("{url}/123456789012/letters")),
        "DEAD_LETTER_ENDPOINT" => Some(url.to_owned()),
        "AWS_REGION" => Some("eu-central-1".to_owned()),
        "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("test".to_owned()),
        _ => None,
    };
    Queue::from_lookup(&lookup).unwrap()
}

fn letter() -> Letter {
    Letter { event_id: "e1".into(), key: "USER#u1 ROOT".into(), sequence_number: "7".into(), reason: "item ROOT is malformed".into() }
}

#[tokio::test]
async fn a_rejected_record_becomes_a_message_with_its_reason() {
    let (url, got) = queue_server(200, json!({"MessageId": "1"})).await;
    queue(&url).send(&letter()).await.unwrap();
    let got = got.lock().unwrap();
    assert_eq!((got.len(), got[0].0.as_str()), (1, "AmazonSQS.SendMessage"));
    let message: Value = serde_json::from_str(got[0].1["MessageBody"].as_str().unwrap()).unwrap();
    assert_eq!(message, json!({"eventId": "e1", "key": "USER#u1 ROOT", "sequenceNumber": "7", "reason": "item ROOT is malformed"}));
}

#[tokio::test]
async fn a_queue_that_refuses_is_an_error_so_that_the_record_comes_again() {
    let (url, _) = queue_server(400, json!({"__type": "com.amazonaws.sqs#QueueDoesNotExist"})).await;
    assert!(queue(&url).send(&letter()).await.is_err());
}

#[test]
fn a_missing_setting_is_named() {
    let error = Queue::from_lookup(&|name| (name != "DEAD_LETTER_QUEUE_URL").then(|| "x".to_owned())).unwrap_err();
    assert_eq!(error.to_string(), "DEAD_LETTER_QUEUE_URL: is not set");
}
