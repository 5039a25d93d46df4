//! template.yaml against what it describes: routes, functions, the network they are in, alarms.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_norway::{Mapping, Value};

/// Variables of the cache, which a function outside the network must not have.
const CACHE: [&str; 2] = ["CACHE_URL", "CACHE_NAME"];
/// Variables that say what a function outside the network calls.
const CALLS_OUT: [&str; 2] = ["STRIPE_SECRET_KEY", "JWT_JWKS_URL"];

fn text(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the root").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn resources() -> Mapping {
    let template: Value = serde_norway::from_str(&text("template.yaml")).unwrap();
    template["Resources"].as_mapping().unwrap().clone()
}

/// The functions' properties, by the names of their folders.
fn functions() -> Vec<(String, Value)> {
    let named = resources().into_iter().filter_map(|(_, resource)| {
        let properties = resource["Properties"].clone();
        let folder = properties["CodeUri"].as_str()?.trim_end_matches('/').rsplit('/').next()?.to_owned();
        Some((folder, properties))
    });
    named.collect()
}

/// Logical ids of the resources of a type.
fn of_type(kind: &str) -> BTreeSet<String> {
    let found = resources().into_iter().filter(|(_, resource)| resource["Type"].as_str() == Some(kind));
    found.filter_map(|(id, _)| id.as_str().map(str::to_owned)).collect()
}

#[test]
fn the_gateway_has_the_routes_of_the_endpoints_and_no_other() {
    let mut routes = BTreeSet::new();
    for (function, properties) in functions() {
        for event in properties["Events"].as_mapping().into_iter().flat_map(Mapping::values) {
            let at = |name: &str| event["Properties"][name].as_str().map(str::to_owned);
            match (event["Type"].as_str(), at("Method"), at("Path")) {
                (Some("HttpApi"), Some(method), Some(path)) => assert!(routes.insert((method, path, function.clone()))),
                (Some("HttpApi"), method, path) => assert_eq!((function.as_str(), method, path), ("fallback", None, None)),
                _ => {}
            }
        }
    }
    let mut wanted = BTreeSet::new();
    for endpoint in web::endpoints::ENDPOINTS {
        let methods: &[&str] = if endpoint.method == "GET" { &["GET", "HEAD"] } else { &[endpoint.method] };
        wanted.extend(methods.iter().map(|method| ((*method).to_owned(), endpoint.path.to_owned(), endpoint.function.to_owned())));
    }
    assert_eq!(routes.difference(&wanted).collect::<Vec<_>>(), Vec::<&(String, String, String)>::new(), "routes without an endpoint");
    assert_eq!(wanted.difference(&routes).collect::<Vec<_>>(), Vec::<&(String, String, String)>::new(), "endpoints without a route");
}

#[test]
fn a_function_is_inside_the_network_with_the_cache_or_outside_without_it() {
    for (function, properties) in functions() {
        let variables = &properties["Environment"]["Variables"];
        let inside = properties.get("VpcConfig").is_some();
        let logs_in = properties["Policies"].as_sequence().into_iter().flatten().any(|policy| format!("{policy:?}").contains("CacheLogin"));
        let without_cache = CACHE.iter().all(|name| variables[*name].as_str() == Some(""));
        assert_eq!((logs_in, without_cache), (inside, !inside), "{function}: inside, or {CACHE:?} are empty");
        if CALLS_OUT.iter().any(|name| variables.get(*name).is_some()) {
            assert!(!inside, "{function} calls out, which nothing inside the network can");
        }
    }
}

#[test]
fn the_secret_of_tokens_is_known_to_those_whom_clients_call() {
    for (function, properties) in functions() {
        let called = properties["Events"].as_mapping().is_some_and(|events| events.values().any(|event| event["Type"] == "HttpApi"));
        let taken_away = properties["Environment"]["Variables"]["JWT_SECRET"].as_str() == Some("");
        assert_eq!(taken_away, !called, "{function}");
    }
}

#[test]
fn each_policy_names_its_actions_and_keys() {
    for (function, properties) in functions() {
        for policy in properties["Policies"].as_sequence().into_iter().flatten() {
            let statements = policy.get("Statement").is_some() || matches!(policy, Value::Tagged(_));
            assert!(statements, "{function}: {policy:?} grants what nobody has read here");
        }
    }
}

#[test]
fn the_runbook_has_every_alarm_and_no_other() {
    let runbook = text("docs/runbook.md");
    let section = runbook.split("\n## Alarms\n").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("a section");
    let named: BTreeSet<String> =
        section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).map(str::to_owned).collect();
    assert_eq!(named, of_type("AWS::CloudWatch::Alarm"));
}

/// The metrics of our own that alarms look at, alone or as one of several, with the names of their dimensions.
fn alarmed() -> Vec<(String, Vec<String>)> {
    let alarms = resources().into_iter().filter(|(_, resource)| resource["Type"].as_str() == Some("AWS::CloudWatch::Alarm"));
    let metrics = alarms.flat_map(|(_, alarm)| {
        let properties = alarm["Properties"].clone();
        let several = properties["Metrics"].as_sequence().into_iter().flatten().map(|part| part["MetricStat"]["Metric"].clone());
        several.chain([properties.clone()]).collect::<Vec<_>>()
    });
    let own = metrics.filter(|metric| metric["Namespace"].as_str() == Some("Callsheets"));
    own.map(|metric| {
        let dimensions = metric["Dimensions"].as_sequence().into_iter().flatten();
        let name = |value: &Value| value.as_str().expect("a name").to_owned();
        (name(&metric["MetricName"]), dimensions.map(|dimension| name(&dimension["Name"])).collect())
    })
    .collect()
}

#[test]
fn alarms_look_where_metrics_are_written() {
    let alarmed = alarmed();
    assert!(alarmed.len() > 6, "{alarmed:?}");
    for (metric, dimensions) in alarmed {
        let expected: &[&str] = if metric.starts_with("Status") { &["Stage", "Function"] } else { &["Stage"] };
        assert_eq!(dimensions, expected, "{metric}");
    }
}

#[test]
fn alarms_and_the_dashboard_look_at_metrics_that_exist() {
    let documented = text("docs/metrics.md");
    let template = text("template.yaml");
    let selected = template.split("SELECT SUM(").skip(1).filter_map(|rest| rest.split(')').next());
    for metric in selected.map(str::to_owned).chain(alarmed().into_iter().map(|(metric, _)| metric)) {
        assert!(documented.contains(&format!("`{metric}`")), "no program writes {metric}");
    }
}
