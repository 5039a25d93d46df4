//! What API Gateway does: takes an HTTP request to the function of its route, as the event and answer that cross AWS's wire.
//!
//! Both are really turned into JSON and back, the function's side by the conversion that runs on AWS.

mod answer;
mod event;
mod routes;

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use app::{App, BoxError, Envelope, Handler};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use lambda_http::{Adapter, Context, LambdaEvent, Service, service_fn};
use serde_json::json;
use uuid::Uuid;

use crate::downloads::Shelf;
use crate::functions;
use event::Arrival;
pub use routes::{Routes, TemplateError};

/// The deployed template, whose routes these are.
pub const TEMPLATE: &str = include_str!("../../../template.yaml");

/// The functions behind their routes.
#[derive(Debug, Clone)]
pub struct Gateway {
    app: Arc<App>,
    routes: Arc<Routes>,
    shelf: Option<Arc<Shelf>>,
}

impl Gateway {
    /// Puts the functions of an app behind the template's routes.
    ///
    /// # Errors
    /// When the template cannot be read or names a function that is not there.
    pub fn new(app: Arc<App>) -> Result<Self, BoxError> {
        let routes = Routes::of_template(TEMPLATE)?;
        if let Some(name) = routes.functions().find(|name| functions::handler(name).is_none()) {
            return Err(format!("template.yaml names the function {name}, which is not wired").into());
        }
        Ok(Self { app, routes: Arc::new(routes), shelf: None })
    }

    /// Serves the files of a shelf too.
    #[must_use]
    pub fn with_shelf(self, shelf: Arc<Shelf>) -> Self {
        Self { shelf: Some(shelf), ..self }
    }

    /// The app.
    #[must_use]
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// Gives a function an event as JSON, whatever its route.
    ///
    /// # Errors
    /// When there is no such function, or the event or the answer cannot be read.
    pub async fn invoke(&self, function: &str, event: &str) -> Result<http::Response<Bytes>, BoxError> {
        answer::response(&self.answer(function, event).await?)
    }

    /// Gives a function an event as JSON: its answer as JSON, as both cross AWS's wire.
    ///
    /// # Errors
    /// As [`Gateway::invoke`].
    pub async fn answer(&self, function: &str, event: &str) -> Result<String, BoxError> {
        let handler = functions::handler(function).ok_or_else(|| format!("there is no function {function}"))?;
        run(&self.app, handler, event).await
    }

    /// Answers a request that came from `source_ip`.
    pub async fn call(&self, request: http::Request<Bytes>, source_ip: IpAddr) -> http::Response<Bytes> {
        if let Some(answer) = self.shelf.as_ref().and_then(|shelf| shelf.answer(&request)) {
            return answer;
        }
        let taken = self.routes.find(request.method().as_str(), request.uri().path());
        let request_id = Uuid::new_v4().to_string();
        let arrival = Arrival { source_ip, at: self.app.clock().now(), request_id: &request_id };
        let Some(event) = usable_host(&request).then(|| event::event(&request, &taken, arrival)).flatten() else {
            return refusal(StatusCode::BAD_REQUEST, "Bad request");
        };
        match self.invoke(taken.function, &event.to_string()).await {
            Ok(response) => response,
            Err(error) => {
                tracing::error!(error = %error, "a function's event or answer cannot be read");
                refusal(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error")
            }
        }
    }
}

/// What the Lambda runtime does with an event.
async fn run(app: &Arc<App>, handler: Handler, event: &str) -> Result<String, BoxError> {
    let payload: Envelope = serde_json::from_str(event)?;
    let app = Arc::clone(app);
    let mut function = Adapter::from(service_fn(move |request| {
        let app = Arc::clone(&app);
        async move { Ok::<_, Infallible>(app::respond(&app, request, handler).await) }
    }));
    let answer = match function.call(LambdaEvent::new(payload.into_inner(), Context::default())).await {
        Ok(answer) => answer,
        Err(never) => match never {},
    };
    Ok(serde_json::to_string(&answer)?)
}

/// The runtime builds a URL from the host: one that is none would end the process there. API Gateway lets none through.
fn usable_host(request: &http::Request<Bytes>) -> bool {
    match request.headers().get(header::HOST) {
        None => true,
        Some(host) => host
            .to_str()
            .is_ok_and(|host| format!("http://{host}/").parse::<http::Uri>().is_ok_and(|uri| uri.host().is_some_and(usable_name))),
    }
}

/// A name or an IPv4 address.
fn usable_name(host: &str) -> bool {
    !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-')
}

/// What the gateway says by itself, in the API's envelope.
pub(crate) fn refusal(status: StatusCode, text: &str) -> http::Response<Bytes> {
    let mut response = http::Response::new(Bytes::from(json!({"success": false, "error": text}).to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert("server-timing", HeaderValue::from_static("total;dur=0.0"));
    let request_id = HeaderValue::try_from(Uuid::new_v4().to_string()).expect("a UUID is visible ASCII");
    response.headers_mut().insert("x-request-id", request_id);
    web::secure(response.headers_mut());
    response
}
