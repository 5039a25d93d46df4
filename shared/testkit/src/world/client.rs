//! Somebody who asks a world.

use std::net::{IpAddr, Ipv4Addr};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use serde_json::Value;

use super::World;
use crate::policies::acting_as;
use crate::reply::Reply;

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Somebody who asks.
#[derive(Debug, Clone)]
pub struct Client<'a> {
    world: &'a World,
    authorization: Option<String>,
    address: IpAddr,
}

impl<'a> Client<'a> {
    /// Somebody on this machine.
    pub(super) fn new(world: &'a World, authorization: Option<String>) -> Self {
        Self { world, authorization, address: LOCALHOST }
    }

    /// Asks from another address.
    #[must_use]
    pub fn from(self, address: &str) -> Self {
        Self { address: address.parse().expect("an address"), ..self }
    }

    /// Asks.
    pub async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], b"").await
    }

    /// Deletes.
    pub async fn delete(&self, path: &str) -> Reply {
        self.send("DELETE", path, &[], b"").await
    }

    /// Sends JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send("POST", path, &[(CONTENT_TYPE.as_str(), "application/json")], body.to_string().as_bytes()).await
    }

    /// Sends anything.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut request = http::Request::builder().method(method).uri(path).header(HOST, "localhost:3000");
        if let Some(authorization) =
            self.authorization.as_ref().filter(|_| !headers.iter().any(|(name, _)| *name == AUTHORIZATION.as_str()))
        {
            request = request.header(AUTHORIZATION, authorization);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Bytes::copy_from_slice(body)).expect("a request that HTTP allows");
        let function = match web::endpoints::lookup(method, request.uri().path()) {
            web::endpoints::Lookup::Found { endpoint, .. } => endpoint.function,
            _ => "fallback",
        };
        let answer = acting_as(function, self.world.gateway.call(request, self.address)).await;
        Reply::new(format!("{method} {path}"), answer)
    }
}
