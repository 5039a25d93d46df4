//! docs/openapi.yaml says what the code does: the same operations, with the answers that the edge gives to each.

use std::collections::BTreeSet;
use std::path::Path;

use serde_norway::Value;
use web::endpoints::{Auth, BodyKind, CachePolicy, ENDPOINTS, Endpoint};

/// Keys of a path that are no methods.
const NO_METHODS: [&str; 4] = ["parameters", "summary", "description", "servers"];

fn document() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the root").join("docs/openapi.yaml");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_norway::from_str(&text).expect("docs/openapi.yaml is YAML")
}

fn keys(value: &Value) -> impl Iterator<Item = &str> {
    value.as_mapping().into_iter().flat_map(|mapping| mapping.keys()).filter_map(Value::as_str)
}

fn operations(document: &Value) -> impl Iterator<Item = (String, &str, &Value)> {
    keys(&document["paths"]).flat_map(move |path| {
        let item = &document["paths"][path];
        keys(item).filter(|key| !NO_METHODS.contains(key)).map(move |method| (method.to_ascii_uppercase(), path, &item[method]))
    })
}

fn endpoint(method: &str, path: &str) -> &'static Endpoint {
    let found = ENDPOINTS.iter().find(|endpoint| endpoint.method == method && endpoint.path == path);
    found.unwrap_or_else(|| panic!("docs/openapi.yaml has {method} {path}, which is no endpoint"))
}

#[test]
fn every_endpoint_is_documented_and_nothing_else() {
    let document = document();
    let documented: BTreeSet<(String, &str)> = operations(&document).map(|(method, path, _)| (method, path)).collect();
    for Endpoint { method, path, .. } in ENDPOINTS {
        assert!(documented.contains(&((*method).to_owned(), *path)), "docs/openapi.yaml does not have {method} {path}");
    }
    for (method, path) in documented {
        endpoint(&method, path);
    }
}

#[test]
fn every_operation_names_the_answers_that_the_edge_gives() {
    let document = document();
    for (method, path, operation) in operations(&document) {
        let endpoint = endpoint(&method, path);
        let mut wanted = vec!["400", "429", "500"];
        match endpoint.auth {
            Auth::Bearer => wanted.push("401"),
            Auth::Public => assert!(operation["security"].is_sequence(), "{method} {path} has no security of its own, though it is public"),
        }
        match endpoint.body {
            BodyKind::Json => wanted.extend(["413", "415"]),
            BodyKind::Signed => wanted.push("413"),
            BodyKind::None => {}
        }
        if method == "GET" && endpoint.auth == Auth::Bearer {
            wanted.extend(["200", "503"]);
            wanted.extend((endpoint.cache == CachePolicy::Private).then_some("304"));
        }
        let answers: BTreeSet<&str> = keys(&operation["responses"]).collect();
        for status in wanted {
            assert!(answers.contains(status), "{method} {path} does not document {status}");
        }
        assert!(!answers.contains("default"), "{method} {path}: a default answer would hide statuses that nobody documented");
        assert_eq!(operation["requestBody"].is_mapping(), endpoint.body != BodyKind::None, "{method} {path}: request body");
    }
}

#[test]
fn operations_have_names_of_their_own() {
    let document = document();
    let mut seen = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let name = operation["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path} has no operationId"));
        assert!(seen.insert(name), "two operations are called {name}");
    }
}

#[test]
fn references_lead_somewhere() {
    let document = document();
    let mut open = vec![&document];
    while let Some(value) = open.pop() {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            let mut target = &document;
            for part in reference.strip_prefix("#/").expect("references stay in the document").split('/') {
                target = target.get(part).unwrap_or_else(|| panic!("{reference} leads nowhere"));
            }
        }
        match value {
            Value::Mapping(mapping) => open.extend(mapping.values()),
            Value::Sequence(values) => open.extend(values),
            _ => {}
        }
    }
}
