//! The functions' permissions in template.yaml: worlds refuse what they do not grant (`testkit::policies`).

use testkit::policies::{Asked, Policies};

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
