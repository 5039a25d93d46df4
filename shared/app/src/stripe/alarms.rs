//! What a person has to look at about Stripe: a log line, and a metric that an alarm watches (docs/runbook.md).

use domain::Timestamp;
use serde_json::json;
use store::AlarmKind;

/// Namespace of the metrics.
const NAMESPACE: &str = "Callsheets";

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Watched {
    /// An alarm of the table.
    Alarm(AlarmKind),
    /// A subscription that the mirror showed otherwise than Stripe.
    Drift,
    /// Stripe could not be asked: it is tried again.
    RefetchFailed,
    /// Stripe's answer cannot be stored.
    AnswerRejected,
}

impl Watched {
    /// The metric's name. Alarms and dashboards know it: it stays.
    pub(crate) fn metric(self) -> &'static str {
        match self {
            Self::Alarm(AlarmKind::Quarantined) => "StripeQuarantined",
            Self::Alarm(AlarmKind::LinkConflict) => "StripeLinkConflict",
            Self::Alarm(AlarmKind::Altered) => "StripeEventAltered",
            Self::Alarm(AlarmKind::AmountDiffers) => "StripeAmountDiffers",
            Self::Drift => "StripeDrift",
            Self::RefetchFailed => "StripeRefetchFailed",
            Self::AnswerRejected => "StripeAnswerRejected",
        }
    }
}

/// Counts one, by function and in all, in CloudWatch's embedded metric format, where a Lambda's output is read.
pub(crate) fn count(watched: Watched, at: Timestamp) {
    if let Ok(function) = std::env::var("AWS_LAMBDA_FUNCTION_NAME") {
        println!("{}", line(watched, at, &function));
    }
}

fn line(watched: Watched, at: Timestamp, function: &str) -> String {
    let name = watched.metric();
    let metric = json!({"Namespace": NAMESPACE, "Dimensions": [["Function"], []], "Metrics": [{"Name": name, "Unit": "Count"}]});
    json!({"_aws": {"Timestamp": at.ms(), "CloudWatchMetrics": [metric]}, "Function": function, name: 1}).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn each_metric_is_declared_and_has_its_value() {
        let alarms = [AlarmKind::Quarantined, AlarmKind::LinkConflict, AlarmKind::Altered, AlarmKind::AmountDiffers];
        let all = alarms.map(Watched::Alarm).into_iter().chain([Watched::Drift, Watched::RefetchFailed, Watched::AnswerRejected]);
        let mut names = std::collections::BTreeSet::new();
        for watched in all {
            let line: Value = serde_json::from_str(&line(watched, Timestamp::from_ms(1_772_703_000_000), "f")).unwrap();
            let name = line["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Name"].as_str().unwrap();
            assert_eq!((&line[name], &line["Function"]), (&json!(1), &json!("f")));
            assert!(names.insert(name.to_owned()), "{name} means one thing");
        }
    }
}
