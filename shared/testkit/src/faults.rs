//! Faults of the table, call by call, where the SDK meets the network: so the SDK's own retries and error texts are part of the test.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use serde_json::json;
use tokio::sync::Notify;

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The server cannot be reached.
    Unreachable,
    /// The server throttles it.
    Throttled,
    /// Another transaction has one of its items.
    Conflict,
    /// It is applied, and its answer is lost.
    AnswerLost,
    /// It is sent only when the test says [`Faults::go_on`].
    Waits,
    /// The process dies before it is sent. See [`Faults::unless_crashed`].
    CrashBefore,
    /// The process dies after it was applied.
    CrashAfter,
}

/// A call to the table: every attempt is one.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// `GetItem`, `TransactWriteItems`, ..
    pub operation: &'a str,
    /// How many came before it.
    pub number: u64,
}

type Plan = Box<dyn FnMut(Call<'_>) -> Option<Fault> + Send>;

/// The faults of one table client.
#[derive(Clone, Default)]
pub struct Faults(Arc<State>);

#[derive(Default)]
struct State {
    down: AtomicBool,
    calls: AtomicU64,
    plan: Mutex<Option<Plan>>,
    crash: Notify,
    going: Notify,
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").field("down", &self.0.down).finish_non_exhaustive()
    }
}

impl Faults {
    /// Makes the server unreachable, or reachable again.
    pub fn down(&self, down: bool) {
        self.0.down.store(down, Ordering::SeqCst);
    }

    /// Asks `plan` about every call from now on.
    pub fn plan(&self, plan: impl FnMut(Call<'_>) -> Option<Fault> + Send + 'static) {
        *self.0.plan.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(plan));
    }

    /// Lets every call pass again.
    pub fn clear(&self) {
        self.down(false);
        *self.0.plan.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Lets one call go on that waits.
    pub fn go_on(&self) {
        self.0.going.notify_one();
    }

    /// Runs `work` until it ends, or the process would have died in it: then it is dropped where it stands, and this is nothing.
    pub async fn unless_crashed<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let crashed = self.0.crash.notified();
        tokio::select! {
            biased;
            () = crashed => None,
            done = work => Some(done),
        }
    }

    /// A client whose calls may fail.
    #[must_use]
    pub fn wrap(&self, inner: SharedHttpClient) -> SharedHttpClient {
        let faults = self.clone();
        http_client_fn(move |settings, components| {
            let inner = inner.http_connector(settings, components);
            SharedHttpConnector::new(Faulty { inner, faults: faults.clone() })
        })
    }

    fn of(&self, request: &HttpRequest) -> Option<Fault> {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let call = Call { operation: target.rsplit('.').next().unwrap_or_default(), number: self.0.calls.fetch_add(1, Ordering::SeqCst) };
        if self.0.down.load(Ordering::SeqCst) {
            return Some(Fault::Unreachable);
        }
        self.0.plan.lock().unwrap_or_else(PoisonError::into_inner).as_mut().and_then(|plan| plan(call))
    }
}

#[derive(Debug)]
struct Faulty {
    inner: SharedHttpConnector,
    faults: Faults,
}

impl HttpConnector for Faulty {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Some(fault) = self.faults.of(&request) else { return self.inner.call(request) };
        let transaction = request.headers().get("x-amz-target").is_some_and(|target| target.contains("Transact"));
        let (inner, faults) = (self.inner.clone(), self.faults.clone());
        HttpConnectorFuture::new(async move {
            match fault {
                Fault::Unreachable => Err(lost("connection refused")),
                Fault::Throttled => Ok(refused("ProvisionedThroughputExceededException", "Rate exceeded")),
                Fault::Conflict if transaction => Ok(refused(
                    "TransactionCanceledException",
                    "Transaction cancelled, please refer cancellation reasons for specific reasons [TransactionConflict]",
                )),
                Fault::Conflict => Ok(refused("TransactionConflictException", "Transaction is ongoing for the item")),
                Fault::AnswerLost => inner.call(request).await.and_then(|_| Err(lost("connection reset"))),
                Fault::Waits => {
                    faults.0.going.notified().await;
                    inner.call(request).await
                }
                Fault::CrashBefore => faults.die().await,
                Fault::CrashAfter => {
                    inner.call(request).await?;
                    faults.die().await
                }
            }
        })
    }
}

impl Faults {
    /// Nothing comes back to a process that is dead.
    async fn die(&self) -> Result<HttpResponse, ConnectorError> {
        self.0.crash.notify_one();
        std::future::pending().await
    }
}

fn lost(what: &'static str) -> ConnectorError {
    ConnectorError::io(what.into())
}

/// An error answer of DynamoDB's JSON protocol.
pub(crate) fn refused(kind: &str, message: &str) -> HttpResponse {
    let body = json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{kind}"), "message": message, "Message": message});
    let mut response = HttpResponse::new(400.try_into().expect("a status"), SdkBody::from(body.to_string()));
    response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
    response
}
