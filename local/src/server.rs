//! The HTTP server in front of the gateway: HTTP/1.1 on loopback, bounded in size, time and number.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{StatusCode, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use web::ApiError;

use crate::docs;
use crate::gateway::{Gateway, refusal};

/// A Lambda event holds 6 MB.
const BODY_BYTES_MAX: usize = 6 * 1024 * 1024;
/// API Gateway's limit for the request line and header values together.
const HEAD_BYTES_MAX: usize = 10_240;
/// What is read before a request is looked at. hyper answers 431 by itself beyond it.
const BUFFER_BYTES_MAX: usize = 64 * 1024;
const CONNECTIONS_MAX: usize = 512;
/// API Gateway's own limit.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(30);
const HEADER_TIME_MAX: Duration = Duration::from_secs(10);
const BODY_TIME_MAX: Duration = Duration::from_secs(10);
/// Time that running requests have after the signal to stop.
const STOP_TIME_MAX: Duration = Duration::from_secs(5);

/// Serves until `stop` is ready, then lets running requests end.
pub async fn serve(listener: TcpListener, gateway: Gateway, stop: impl Future<Output = ()>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let (stopping, stopped) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let accept = async {
            let place = Arc::clone(&places).acquire_owned().await.expect("the semaphore is never closed");
            (place, listener.accept().await)
        };
        tokio::select! {
            () = &mut stop => break,
            // Ended connections are collected, so that the set does not grow.
            Some(_) = connections.join_next() => {}
            (place, accepted) = accept => match accepted {
                Ok((stream, peer)) => {
                    let connection = serve_connection(stream, peer.ip(), gateway.clone(), stopped.clone());
                    connections.spawn(async move {
                        connection.await;
                        drop(place);
                    });
                }
                // Out of file descriptors, most likely: a pause lets some go.
                Err(error) => {
                    tracing::warn!(error = %error, "a connection cannot be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
    drop(listener);
    drop(stopping);
    let _ = timeout(STOP_TIME_MAX, async { while connections.join_next().await.is_some() {} }).await;
}

async fn serve_connection(stream: TcpStream, peer: IpAddr, gateway: Gateway, mut stopped: watch::Receiver<()>) {
    // Without it small answers wait for the client's acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let gateway = gateway.clone();
        async move { Ok::<_, Infallible>(answer(gateway, request, peer).await.map(Full::new)) }
    });
    let connection = http1::Builder::new()
        // A client may close its side and still wait for the answer.
        .half_close(true)
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME_MAX)
        .max_buf_size(BUFFER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.as_mut().await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = %error, "a connection ended early");
    }
}

async fn answer(gateway: Gateway, request: hyper::Request<Incoming>, peer: IpAddr) -> http::Response<Bytes> {
    let (parts, body) = request.into_parts();
    if head_bytes(&parts) > HEAD_BYTES_MAX {
        return refusal(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "Request header fields too large");
    }
    if let Some(page) = docs::answer(&parts, gateway.app().clock().now()) {
        return page;
    }
    let declared = parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > BODY_BYTES_MAX) {
        return of_error(&ApiError::TooLarge);
    }
    let body = match timeout(BODY_TIME_MAX, Limited::new(body, BODY_BYTES_MAX).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return of_error(&ApiError::TooLarge),
        Ok(Err(_)) => return refusal(StatusCode::BAD_REQUEST, "Bad request"),
        Err(_) => return of_error(&ApiError::Timeout),
    };
    let request = http::Request::from_parts(parts, body);
    // A task of its own: a client that hangs up does not stop a function on AWS either.
    let running = tokio::spawn(async move { gateway.call(request, peer).await });
    match timeout(REQUEST_TIME_MAX, running).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => refusal(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error"),
        Err(_) => {
            let mut response = refusal(StatusCode::SERVICE_UNAVAILABLE, "Service unavailable");
            response.headers_mut().insert(header::RETRY_AFTER, http::HeaderValue::from_static("1"));
            response
        }
    }
}

fn head_bytes(parts: &http::request::Parts) -> usize {
    let line = parts.method.as_str().len() + parts.uri.path_and_query().map_or(0, |path| path.as_str().len());
    line + parts.headers.values().map(|value| value.len()).sum::<usize>()
}

fn of_error(error: &ApiError) -> http::Response<Bytes> {
    refusal(StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), &error.to_string())
}
