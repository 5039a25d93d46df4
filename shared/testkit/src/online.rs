//! A world behind a socket, with Stripe's webhook pointed at it.

use bytes::Bytes;
use http::Method;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use local::fake_stripe::FakeStripe;
use local::gateway::Gateway;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::world::OLD_WEBHOOK_SECRET;
use crate::{Reply, World};

/// A world that is served over HTTP.
#[derive(Debug)]
pub struct Online<'a> {
    world: &'a World,
    url: String,
    client: Client<HttpConnector, Full<Bytes>>,
    server: JoinHandle<()>,
}

impl<'a> Online<'a> {
    /// Serves on a free port, and has Stripe sign with both secrets, as while one is rotated.
    pub(crate) async fn of(world: &'a World, gateway: Gateway) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("a bound socket"));
        let server = tokio::spawn(local::server::serve(listener, gateway, std::future::pending()));
        let secrets = format!("{OLD_WEBHOOK_SECRET},{}", local::DEVELOPMENT_WEBHOOK_SECRET);
        world.stripe().send_events_to(&format!("{url}/api/stripe/webhook"), &secrets);
        Self { world, url, client: Client::builder(TokioExecutor::new()).build_http(), server }
    }

    /// Stripe.
    #[must_use]
    pub fn stripe(&self) -> &FakeStripe {
        self.world.stripe()
    }

    /// Asks as a user.
    pub async fn get(&self, user: &str, path: &str) -> Reply {
        self.send(Method::GET, user, path, None).await
    }

    /// Sends JSON as a user.
    pub async fn send(&self, method: Method, user: &str, path: &str, body: Option<&Value>) -> Reply {
        self.send_with(method, user, path, body, &[]).await
    }

    /// Sends JSON as a user, with more headers.
    pub async fn send_with(&self, method: Method, user: &str, path: &str, body: Option<&Value>, headers: &[(&str, &str)]) -> Reply {
        let called = format!("{method} {path}");
        let mut request = http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        request = request.header("authorization", self.world.authorization(user)).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let answer = self.client.request(request.body(Full::new(body)).expect("a request that HTTP allows")).await.expect("an answer");
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        Reply::new(called, http::Response::from_parts(parts, body))
    }
}

impl Drop for Online<'_> {
    fn drop(&mut self) {
        self.server.abort();
    }
}
