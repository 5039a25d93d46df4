//! The functions' permissions in template.yaml: worlds refuse what they do not grant (`testkit::policies`); here is that they grant no more.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use testkit::policies::{Asked, Policies, fits};
use testkit::{World, seed, uuid};

/// What a function may do and nothing asked for: `function: action`, `function: resource` or `function: key`.
fn unused(policies: &Policies) -> BTreeSet<String> {
    let used = policies.used();
    let mut unused = BTreeSet::new();
    for (function, statements) in policies.statements() {
        let asked: Vec<&Asked> = used.iter().filter(|(by, _)| by == function).map(|(_, asked)| asked).collect();
        for statement in statements {
            let asked: Vec<&Asked> = asked.iter().filter(|asked| statement.allows(asked)).copied().collect();
            let mut note = |what: &str, found: bool| {
                if !found {
                    unused.insert(format!("{function}: {what}"));
                }
            };
            for action in &statement.actions {
                note(action, asked.iter().any(|asked| asked.action == *action));
            }
            for resource in &statement.resources {
                note(resource, asked.iter().any(|asked| asked.resource == *resource));
            }
            for pattern in &statement.keys {
                note(pattern, asked.iter().any(|asked| fits(pattern, &asked.key)));
            }
        }
    }
    unused
}

/// A template with one function that may read users.
fn small(statement: &str) -> Policies {
    Policies::of_template(&format!(
        "Resources: {{F: {{Properties: {{CodeUri: target/lambda/f/, Policies: [{{Statement: [{{Effect: Allow, {statement}}}]}}]}}}}}}"
    ))
}

#[test]
fn a_statement_allows_its_actions_on_its_places_for_its_keys_and_no_other() {
    let policies = small(
        "Action: dynamodb:Query, Resource: [!Sub '${Table.Arn}/index/lsi1'], Condition: {'ForAllValues:StringLike': {'dynamodb:LeadingKeys': ['USER#*', CATALOG]}}",
    );
    let statement = &policies.statements()["f"][0];
    let allows = |action: &str, resource: &str, key: &str| {
        statement.allows(&Asked { action: action.into(), resource: resource.into(), key: key.into() })
    };
    assert!(allows("Query", "lsi1", "USER#u1") && allows("Query", "lsi1", "CATALOG"));
    assert!(!allows("GetItem", "lsi1", "USER#u1") && !allows("Query", "table", "USER#u1"));
    assert!(!allows("Query", "lsi1", "CUS#c") && !allows("Query", "lsi1", "CATALOGUE"));
}

#[test]
#[should_panic(expected = "names no keys")]
fn a_statement_that_names_no_keys_is_refused() {
    small("Action: [dynamodb:GetItem], Resource: !GetAtt Table.Arn");
}
