//! The functions' permissions as template.yaml grants them: a call to the table that AWS would refuse is refused here too.
//!
//! So every scenario runs under the deployed policies, and a permission that is missing fails the scenario that needs it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use serde_json::Value;
use serde_norway::Value as Yaml;

use crate::faults::refused;

tokio::task_local! {
    /// The function whose role the running task has.
    static FUNCTION: String;
}

/// Runs `work` with the role of a function. Without one everything is allowed: a test's own calls are those of an administrator.
pub async fn acting_as<T>(function: &str, work: impl Future<Output = T>) -> T {
    FUNCTION.scope(function.to_owned(), work).await
}

/// One statement about the table: whatever has one of each may be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// `GetItem`, ..
    pub actions: BTreeSet<String>,
    /// `table`, or the name of an index.
    pub resources: BTreeSet<String>,
    /// Patterns of partition keys.
    pub keys: BTreeSet<String>,
}

/// One item, or range, that a call asks for. IAM decides about each by itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asked {
    /// The action: that of a transaction is that of its parts.
    pub action: String,
    /// `table`, or the name of an index.
    pub resource: String,
    /// The partition key.
    pub key: String,
}

/// The policies of all functions, and what was asked under them.
#[derive(Debug, Clone)]
pub struct Policies {
    statements: Arc<BTreeMap<String, Vec<Statement>>>,
    used: Arc<Mutex<BTreeSet<(String, Asked)>>>,
}

impl Policies {
    /// Reads the policies of a template's functions, each named for its folder.
    ///
    /// # Panics
    /// When a policy has another form than the template's policies have: then nothing here would understand it.
    #[must_use]
    pub fn of_template(template: &str) -> Self {
        let template: Yaml = serde_norway::from_str(template).expect("template.yaml is YAML");
        let resources = template["Resources"].as_mapping().expect("there are resources");
        let functions = resources.values().map(|resource| &resource["Properties"]).filter_map(|properties| {
            let folder = properties["CodeUri"].as_str()?.trim_end_matches('/').rsplit('/').next()?;
            Some((folder.to_owned(), statements(folder, &properties["Policies"])))
        });
        Self { statements: Arc::new(functions.collect()), used: Arc::default() }
    }

    /// What each function may ask of the table.
    #[must_use]
    pub fn statements(&self) -> &BTreeMap<String, Vec<Statement>> {
        &self.statements
    }

    /// What was asked so far, by which function.
    #[must_use]
    pub fn used(&self) -> BTreeSet<(String, Asked)> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A client that refuses what the running function may not do.
    #[must_use]
    pub fn wrap(&self, inner: SharedHttpClient) -> SharedHttpClient {
        let policies = self.clone();
        http_client_fn(move |settings, components| {
            let inner = inner.http_connector(settings, components);
            SharedHttpConnector::new(Guarded { inner, policies: policies.clone() })
        })
    }

    /// What of `asked` the function may not ask.
    fn denied(&self, function: &str, asked: Vec<Asked>) -> Option<Asked> {
        let none = Vec::new();
        let statements = self.statements.get(function).unwrap_or(&none);
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        asked.into_iter().find_map(|asked| {
            let allowed = statements.iter().any(|statement| statement.allows(&asked));
            used.insert((function.to_owned(), asked.clone()));
            (!allowed).then_some(asked)
        })
    }
}

impl Statement {
    /// Whether it allows what is asked.
    #[must_use]
    pub fn allows(&self, asked: &Asked) -> bool {
        self.actions.contains(&asked.action)
            && self.resources.contains(&asked.resource)
            && self.keys.iter().any(|pattern| fits(pattern, &asked.key))
    }
}

/// `StringLike` with at most one `*`, at the end.
#[must_use]
pub fn fits(pattern: &str, key: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => key.starts_with(start),
        None => key == pattern,
    }
}

#[derive(Debug)]
struct Guarded {
    inner: SharedHttpConnector,
    policies: Policies,
}

impl HttpConnector for Guarded {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Ok(function) = FUNCTION.try_with(Clone::clone) else { return self.inner.call(request) };
        match self.policies.denied(&function, asked(&request)) {
            None => self.inner.call(request),
            Some(Asked { action, resource, key }) => {
                let text = format!("{function} is not authorized to perform: dynamodb:{action} on {resource} with the key {key}");
                eprintln!("template.yaml: {text}");
                HttpConnectorFuture::ready(Ok(refused("AccessDeniedException", &text)))
            }
        }
    }
}

/// What a call asks for, item by item.
fn asked(request: &HttpRequest) -> Vec<Asked> {
    let target = request.headers().get("x-amz-target").unwrap_or_default();
    let body: Value = request.body().bytes().and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default();
    let one = |action: &str, resource: &str, key: &Value| Asked {
        action: action.to_owned(),
        resource: resource.to_owned(),
        key: key["pk"]["S"].as_str().unwrap_or_default().to_owned(),
    };
    let operation = target.rsplit('.').next().unwrap_or_default();
    let tables = || body["RequestItems"].as_object().into_iter().flat_map(|tables| tables.values());
    match operation {
        "PutItem" => vec![one(operation, "table", &body["Item"])],
        "Query" => {
            let mut range = one(operation, body["IndexName"].as_str().unwrap_or("table"), &Value::Null);
            range.key = body["ExpressionAttributeValues"][":pk"]["S"].as_str().unwrap_or_default().to_owned();
            vec![range]
        }
        "BatchGetItem" => tables().flat_map(|table| list(&table["Keys"])).map(|key| one(operation, "table", key)).collect(),
        "BatchWriteItem" => {
            let puts = tables().flat_map(list).map(|write| (&write["PutRequest"]["Item"], &write["DeleteRequest"]["Key"]));
            puts.map(|(item, key)| one(operation, "table", if item.is_null() { key } else { item })).collect()
        }
        "TransactGetItems" => list(&body["TransactItems"]).map(|part| one("GetItem", "table", &part["Get"]["Key"])).collect(),
        "TransactWriteItems" => {
            let parts = list(&body["TransactItems"]).filter_map(Value::as_object).flatten();
            parts.map(|(kind, part)| one(write_action(kind), "table", if kind == "Put" { &part["Item"] } else { &part["Key"] })).collect()
        }
        other => vec![one(other, "table", &body["Key"])],
    }
}

fn write_action(kind: &str) -> &str {
    match kind {
        "Put" => "PutItem",
        "Delete" => "DeleteItem",
        "Update" => "UpdateItem",
        "ConditionCheck" => "ConditionCheckItem",
        other => other,
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The statements of a function's policies that are about the table.
fn statements(function: &str, policies: &Yaml) -> Vec<Statement> {
    let policies = policies.as_sequence().map(Vec::as_slice).unwrap_or_default();
    let all = policies.iter().filter_map(|policy| policy.get("Statement")?.as_sequence()).flatten();
    let of_table = all.map(|statement| Statement {
        actions: texts(&statement["Action"]).iter().filter_map(|action| action.strip_prefix("dynamodb:")).map(str::to_owned).collect(),
        resources: texts(&statement["Resource"]).iter().map(|resource| place(resource).to_owned()).collect(),
        keys: texts(&statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]),
    });
    let of_table = of_table.filter(|statement| !statement.actions.is_empty());
    let of_table: Vec<Statement> = of_table.chain(policies.iter().filter_map(of_policy_template)).collect();
    for statement in &of_table {
        assert!(!statement.keys.is_empty(), "{function}: a statement about the table names no keys: {statement:?}");
        assert!(!statement.actions.iter().any(|action| action.contains('*')), "{function}: a statement allows too much: {statement:?}");
    }
    of_table
}

/// What SAM's own policies for tables grant: everything of a kind.
fn of_policy_template(policy: &Yaml) -> Option<Statement> {
    let reads = ["GetItem", "Query", "BatchGetItem"];
    let writes = ["PutItem", "DeleteItem", "UpdateItem", "BatchWriteItem", "ConditionCheckItem"];
    let actions: Vec<&str> = match policy {
        policy if policy.get("DynamoDBReadPolicy").is_some() => reads.to_vec(),
        policy if policy.get("DynamoDBCrudPolicy").is_some() => [&reads[..], &writes].concat(),
        _ => return None,
    };
    let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    Some(Statement { actions: owned(&actions), resources: owned(&["table", "lsi1", "lsi2"]), keys: owned(&["*"]) })
}

/// One text or a list of texts, tagged (`!Sub`) or not.
fn texts(value: &Yaml) -> BTreeSet<String> {
    match value {
        Yaml::String(text) => BTreeSet::from([text.clone()]),
        Yaml::Tagged(tagged) => texts(&tagged.value),
        Yaml::Sequence(list) => list.iter().flat_map(texts).collect(),
        _ => BTreeSet::new(),
    }
}

/// `Table.Arn` is the table, `${Table.Arn}/index/lsi1` an index.
fn place(resource: &str) -> &str {
    match resource.rsplit_once("/index/") {
        Some((_, index)) => index,
        None if resource == "Table.Arn" => "table",
        None => resource,
    }
}
