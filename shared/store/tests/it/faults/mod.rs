//! Faults between the table's client and its server, one decision a call, and a count of what was really committed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;
use std::time::Duration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextMut,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::{Storable, StoreReplace};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use store::{Table, TableConfig};

/// One call in so many goes wrong while faults are on.
const CALLS_PER_FAULT: u32 = 6;

/// What happens to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// It never leaves.
    NotSent,
    /// It is applied, but its answer does not arrive.
    AnswerLost,
    /// The server refuses it for now.
    Throttled,
    /// Another transaction is under way on one of the items.
    TransactionConflict,
}

/// One call on its way.
#[derive(Debug)]
struct Call {
    fault: Fault,
    /// Partition key and token of a transaction that writes a root.
    commit: Option<(String, String)>,
}

impl Storable for Call {
    type Storer = StoreReplace<Self>;
}

#[derive(Debug)]
struct State {
    rng: StdRng,
    on: bool,
    /// What happens to the next calls of one operation.
    script: (&'static str, VecDeque<Fault>),
    /// Calls until the process "dies"; none while it lives on.
    calls_left: Option<u32>,
    dead: bool,
    /// Tokens of the transactions that wrote a user's root, by partition key.
    committed: BTreeMap<String, BTreeSet<String>>,
}

/// Decides on the fate of each call of a client.
#[derive(Debug, Clone)]
pub struct Faults(Arc<Mutex<State>>);

impl Faults {
    /// No faults yet.
    pub fn new(seed: u64) -> Self {
        let rng = StdRng::seed_from_u64(seed);
        Self(Arc::new(Mutex::new(State {
            rng,
            on: false,
            script: ("", VecDeque::new()),
            calls_left: None,
            dead: false,
            committed: BTreeMap::new(),
        })))
    }

    /// Decides on the next calls of an operation, in order.
    pub fn script(&self, operation: &'static str, faults: impl IntoIterator<Item = Fault>) {
        self.state().script = (operation, faults.into_iter().collect());
    }

    /// A table handle whose calls pass through here, and how long it tries again.
    pub fn table(&self, config: &TableConfig, retry_for: Duration) -> Table {
        let retries = RetryConfig::standard()
            .with_max_attempts(3)
            .with_initial_backoff(Duration::from_millis(1))
            .with_max_backoff(Duration::from_millis(4));
        let built = config.client_config().retry_config(retries).interceptor(self.clone()).build();
        Table::with_client(aws_sdk_dynamodb::Client::from_conf(built), config.name.clone()).retry_for(retry_for)
    }

    /// Runs an operation, with faults if wanted, and drops it after so many calls if that is given: nothing then.
    pub async fn run<T>(&self, faults: bool, die_after: Option<u32>, operation: impl Future<Output = T>) -> Option<T> {
        {
            let mut state = self.state();
            (state.on, state.calls_left, state.dead) = (faults, die_after, false);
        }
        let mut operation = pin!(operation);
        let result = poll_fn(|context| match operation.as_mut().poll(context) {
            _ if self.state().dead => Poll::Ready(None),
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending => Poll::Pending,
        })
        .await;
        let mut state = self.state();
        (state.on, state.calls_left, state.dead) = (false, None, false);
        result
    }

    /// Transactions that wrote the user's root, each once however often it was sent.
    pub fn commits(&self, pk: &str) -> u64 {
        self.state().committed.get(pk).map_or(0, |tokens| tokens.len() as u64)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// What happens to the next call, or nothing when the process is dead.
    fn choose(&self, target: &str) -> Option<Fault> {
        let mut state = self.state();
        if target.ends_with(state.script.0)
            && let Some(fault) = state.script.1.pop_front()
        {
            return Some(fault);
        }
        match &mut state.calls_left {
            Some(0) => {
                state.dead = true;
                return None;
            }
            Some(left) => *left -= 1,
            None => {}
        }
        if !state.on || !state.rng.random_ratio(1, CALLS_PER_FAULT) {
            return Some(Fault::None);
        }
        Some(match state.rng.random_range(0..4) {
            0 => Fault::NotSent,
            1 => Fault::AnswerLost,
            2 if target.contains("Transact") => Fault::TransactionConflict,
            _ => Fault::Throttled,
        })
    }
}

/// Partition key and token of a transaction that writes a root.
fn commit(request: &HttpRequest) -> Option<(String, String)> {
    let body: Value = serde_json::from_slice(request.body().bytes()?).ok()?;
    let puts = body["TransactItems"].as_array()?.iter().map(|part| &part["Put"]["Item"]);
    let root = puts.into_iter().find(|item| item["sk"]["S"] == "ROOT")?;
    Some((root["pk"]["S"].as_str()?.to_owned(), body["ClientRequestToken"].as_str()?.to_owned()))
}

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for Faults {
    fn name(&self) -> &'static str {
        "Faults"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let target = context.request().headers().get("x-amz-target").unwrap_or_default();
        let fault = self.choose(target).ok_or("the process died before this call")?;
        bag.interceptor_state().store_put(Call { fault, commit: commit(context.request()) });
        match fault {
            Fault::NotSent => return Err("the call was not sent".into()),
            // The server does not know this operation and does nothing; its answer is replaced below.
            Fault::Throttled | Fault::TransactionConflict => {
                context.request_mut().headers_mut().insert("x-amz-target", "DynamoDB_20120810.Refused");
            }
            Fault::None | Fault::AnswerLost => {}
        }
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(call) = bag.load::<Call>() else { return Ok(()) };
        if let (true, Some((pk, token))) = (context.response().status().is_success(), &call.commit) {
            self.state().committed.entry(pk.clone()).or_default().insert(token.clone());
        }
        let (kind, message, reasons) = match call.fault {
            Fault::AnswerLost => return Err("the answer was lost".into()),
            Fault::Throttled => ("ProvisionedThroughputExceededException", "too many requests", "[]"),
            Fault::TransactionConflict => (
                "TransactionCanceledException",
                "Transaction cancelled, please refer cancellation reasons for specific reasons [TransactionConflict]",
                r#"[{"Code":"TransactionConflict","Message":"Transaction is ongoing for the item"}]"#,
            ),
            Fault::None | Fault::NotSent => return Ok(()),
        };
        let body = format!(
            r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{kind}","message":"{message}","Message":"{message}","CancellationReasons":{reasons}}}"#
        );
        *context.response_mut() = Response::new(400.try_into()?, SdkBody::from(body));
        Ok(())
    }
}
