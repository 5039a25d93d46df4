//! One line of metrics a request or event: what it took, where its answer came from, what cache and table were asked.
//!
//! docs/metrics.md lists them. Dimensions are few and their values bounded, because CloudWatch bills every combination: the stage alone, the
//! stage with the function for time and outcome, the stage with view and tier for where answers came from.

mod emf;
mod names;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cache::{Counted, Filled, Outcome, Tier, Trouble};
use domain::Timestamp;
use store::meter::Reading;
use web::ConfigError;
use web::limits::Verdict;

use emf::{Dimensions, Line, Measured, VALUES_MAX};
pub(crate) use names::*;
pub use names::{METRICS, Metric, Unit};

const STAGE: &str = "Stage";
const FUNCTION: &str = "Function";
const VIEW: &str = "View";
const TIER: &str = "Tier";
const BY_VIEW: Dimensions = &[&[STAGE], &[STAGE, VIEW, TIER]];

/// Takes a line, without its end.
pub type Sink = Arc<dyn Fn(&str) + Send + Sync>;

/// Values by the names of their metrics.
type Noted = BTreeMap<&'static str, (Unit, Vec<f64>)>;

/// Where metrics go, and what was noted for the next line.
#[derive(Clone, Default)]
pub struct Metrics {
    stage: String,
    sink: Option<Sink>,
    noted: Arc<Mutex<Noted>>,
}

impl Metrics {
    /// Metrics that nobody takes.
    #[must_use]
    pub fn off() -> Self {
        Self::default()
    }

    /// Metrics of a stage that `sink` takes.
    #[must_use]
    pub fn to(stage: &str, sink: Sink) -> Self {
        Self { stage: stage.to_owned(), sink: Some(sink), ..Self::default() }
    }

    /// Reads `METRICS`, `on` (default) or `off`, and `STAGE`, which they are of. They are written to the standard output, where Lambda
    /// takes them.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable that is unusable.
    pub fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let stage = lookup("STAGE").filter(|stage| !stage.is_empty()).unwrap_or_else(|| "production".to_owned());
        match lookup("METRICS").as_deref() {
            None | Some("" | "on") => Ok(Self::to(&stage, Arc::new(print))),
            Some("off") => Ok(Self::off()),
            Some(_) => Err(ConfigError { variable: "METRICS", problem: "is neither on nor off" }),
        }
    }

    /// Whether anybody takes them.
    pub(crate) fn is_on(&self) -> bool {
        self.sink.is_some()
    }

    /// Adds a value to the next line. Counts are added up; of other metrics, values beyond a hundred are left out.
    pub(crate) fn note(&self, metric: Metric, value: f64) {
        if !self.is_on() {
            return;
        }
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, values) = noted.entry(metric.name).or_insert((metric.unit, Vec::new()));
        match values.as_mut_slice() {
            [sum] if metric.unit == Unit::Count => *sum += value,
            present if present.len() < VALUES_MAX => values.push(value),
            _ => {}
        }
    }

    /// Notes what became of a request's limits.
    pub(crate) fn note_limits(&self, verdict: Verdict) {
        match verdict {
            Verdict::Free => {}
            Verdict::Within => self.note(RATE_LIMIT_WITHIN, 1.0),
            Verdict::Refused => self.note(RATE_LIMIT_REFUSED, 1.0),
            Verdict::Uncounted => self.note(RATE_LIMIT_UNCOUNTED, 1.0),
        }
    }

    /// Writes what was observed, and what was noted meanwhile.
    pub(crate) fn write(&self, observed: &Observed<'_>) {
        let Some(sink) = &self.sink else { return };
        let noted = std::mem::take(&mut *self.noted.lock().unwrap_or_else(PoisonError::into_inner));
        let noted = noted.into_iter().map(|(name, (unit, values))| {
            (Metric { name, unit }, if let [value] = values[..] { Measured::Fraction(value) } else { Measured::Several(values) })
        });
        for line in observed.lines(&self.stage, noted.collect()) {
            sink(&line);
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("stage", &self.stage).field("on", &self.is_on()).finish_non_exhaustive()
    }
}

/// How a request or an event ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// A request, with this status.
    Status(u16),
    /// An event that is done, or done but for what comes again.
    Done,
    /// An event that failed.
    Failed,
}

impl Ended {
    fn metric(self) -> Metric {
        match self {
            Self::Status(status) => match status / 100 {
                5 => STATUS_5XX,
                4 => STATUS_4XX,
                3 => STATUS_3XX,
                _ => STATUS_2XX,
            },
            Self::Done => EVENT_DONE,
            Self::Failed => EVENT_FAILED,
        }
    }
}

/// Calls to a service and the time that they took together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Calls {
    pub(crate) count: u64,
    pub(crate) time: Duration,
}

impl Calls {
    /// What came since.
    pub(crate) fn since(self, before: Self) -> Self {
        Self { count: self.count - before.count, time: self.time.saturating_sub(before.time) }
    }
}

/// What one request or event did.
#[derive(Debug)]
pub(crate) struct Observed<'a> {
    /// Name of the function: its folder.
    pub(crate) function: &'a str,
    /// When it ended.
    pub(crate) at: Timestamp,
    /// How it ended.
    pub(crate) ended: Ended,
    /// From the event to the answer.
    pub(crate) took: Duration,
    /// What the cache did.
    pub(crate) cache: Counted,
    /// What the table was asked.
    pub(crate) table: Reading,
    /// Calls to Stripe, repetitions included, and what they took together.
    pub(crate) stripe: Calls,
    /// Whether it was the environment's first.
    pub(crate) cold: bool,
}

impl Observed<'_> {
    /// The lines: one, and one more for each further view that was asked for on the way.
    fn lines(&self, stage: &str, noted: Vec<(Metric, Measured)>) -> Vec<String> {
        let mut views = self.views().into_iter();
        let (first, outcomes) = views.next().unzip();
        let mut properties = vec![(STAGE, stage), (FUNCTION, self.function)];
        if let Some((view, tier)) = &first {
            properties.extend([(VIEW, view.as_str()), (TIER, tier_name(*tier))]);
        }
        let mut line = Line::new(self.at, properties);
        let mut main = vec![(LATENCY, Measured::Fraction(ms(self.took))), (self.ended.metric(), Measured::Whole(1))];
        if self.cold {
            main.push((COLD_START, Measured::Whole(1)));
        }
        line.add(&[&[STAGE], &[STAGE, FUNCTION]], main);
        let mut shared = self.of_the_stage();
        shared.extend(noted);
        line.add(&[&[STAGE]], shared);
        line.add(BY_VIEW, outcomes.unwrap_or_default());
        let mut lines = vec![line.text()];
        for ((view, tier), outcomes) in views {
            let mut line = Line::new(self.at, vec![(STAGE, stage), (VIEW, &view), (TIER, tier_name(tier))]);
            line.add(BY_VIEW, outcomes);
            lines.push(line.text());
        }
        lines
    }

    /// Where the answers came from, by view and tier.
    fn views(&self) -> BTreeMap<(String, Tier), Vec<(Metric, Measured)>> {
        let mut views: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let mut counts: BTreeMap<_, u64> = BTreeMap::new();
        for ((view, outcome, tier), count) in &self.cache.answers {
            *counts.entry((view.clone(), *tier, outcome_metric(*outcome).name)).or_insert_with(|| 0) += count;
        }
        for ((view, tier, name), count) in counts {
            views.entry((view, tier)).or_default().push((Metric { name, unit: Unit::Count }, Measured::Whole(count)));
        }
        for (metric, counted) in [(CACHE_NEGATIVE, &self.cache.negative), (CACHE_NOT_MODIFIED, &self.cache.not_modified)] {
            for (key, count) in counted {
                views.entry(key.clone()).or_default().push((metric, Measured::Whole(*count)));
            }
        }
        views
    }

    /// What is told of the whole stage only; counts that are zero are left out.
    fn of_the_stage(&self) -> Vec<(Metric, Measured)> {
        let (cache, table) = (&self.cache, &self.table);
        let fills = |wanted: Filled| cache.fills.get(&wanted).copied().unwrap_or_default();
        let rejected =
            [(CACHE_FILL_LOST, Filled::OtherIncarnation), (CACHE_FILL_FLOOR, Filled::BelowFloor), (CACHE_FILL_ENTRY, Filled::BelowEntry)];
        let troubles = cache.troubles.iter().filter(|(trouble, _)| **trouble != Trouble::Off).map(|(_, count)| count).sum();
        let mut counts = vec![
            (CACHE_ROUND_TRIPS, cache.round_trips),
            (CACHE_FILL_STORED, fills(Filled::Stored)),
            (CACHE_FILL_REJECTED, rejected.iter().map(|(_, filled)| fills(*filled)).sum()),
            (CACHE_TROUBLE, troubles),
            (CACHE_DAMAGED, cache.damaged),
            (TABLE_CALLS, table.calls()),
            (STRIPE_CALLS, self.stripe.count),
        ];
        counts.extend(rejected.map(|(metric, filled)| (metric, fills(filled))));
        let mut metrics: Vec<_> =
            counts.into_iter().filter(|(_, count)| *count > 0).map(|(metric, count)| (metric, Measured::Whole(count))).collect();
        metrics.push((CACHE_BREAKER_OPEN, Measured::Whole(cache.breaker_open.into())));
        metrics.push((CACHE_PROCESS_BYTES, Measured::Whole(u64::try_from(cache.process_bytes).unwrap_or(u64::MAX))));
        if cache.round_trips > 0 {
            metrics.push((CACHE_ROUND_TRIP, Measured::Fraction(ms(cache.round_trip_max))));
        }
        if table.calls() > 0 {
            metrics.push((TABLE_LATENCY, Measured::Fraction(ms(table.time()))));
            metrics.push((TABLE_READ_UNITS, Measured::Fraction(table.read_units())));
            metrics.push((TABLE_WRITE_UNITS, Measured::Fraction(table.write_units())));
        }
        if self.stripe.count > 0 {
            metrics.push((STRIPE_LATENCY, Measured::Fraction(ms(self.stripe.time))));
        }
        metrics
    }
}

fn print(line: &str) {
    // Whoever reads may be gone; the request is answered all the same.
    let _ = writeln!(io::stdout(), "{line}");
}

fn outcome_metric(outcome: Outcome) -> Metric {
    match outcome {
        Outcome::Hit => CACHE_HIT,
        Outcome::SoftStale => CACHE_SOFT_STALE,
        Outcome::StaleOnError => CACHE_STALE_ON_ERROR,
        Outcome::Miss | Outcome::Joined => CACHE_MISS,
        Outcome::Bypass(_) => CACHE_BYPASS,
    }
}

fn tier_name(tier: Tier) -> &'static str {
    match tier {
        Tier::Process => "process",
        Tier::Shared => "shared",
        Tier::Source => "source",
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn observed(cache: Counted) -> Observed<'static> {
        Observed {
            function: "get-dashboard-data",
            at: Timestamp::from_ms(1_772_700_000_000),
            ended: Ended::Status(200),
            took: Duration::from_millis(12),
            cache,
            table: Reading::default(),
            stripe: Calls { count: 2, time: Duration::from_millis(300) },
            cold: true,
        }
    }

    fn lines(observed: &Observed<'_>) -> Vec<Value> {
        let noted = vec![(INVALIDATION_LAG, Measured::Several(vec![1.0, 2.0]))];
        observed.lines("test", noted).iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_bypass_and_its_reason_are_counted() {
        let mut cache = Counted::default();
        cache.answers.insert(("dashboard-data".into(), Outcome::Bypass(Trouble::Timeout), Tier::Source), 1);
        cache.troubles.insert(Trouble::Timeout, 2);
        cache.troubles.insert(Trouble::Off, 5);
        let lines = lines(&observed(cache));
        assert_eq!(lines.len(), 1);
        for (name, value) in
            [("CacheBypass", 1), ("CacheTrouble", 2), ("Status2xx", 1), ("ColdStart", 1), ("CacheBreakerOpen", 0), ("StripeCalls", 2)]
        {
            assert_eq!(lines[0][name], value, "{name}");
        }
        assert_eq!(
            (&lines[0]["Function"], &lines[0]["View"], &lines[0]["Tier"]),
            (&json!("get-dashboard-data"), &json!("dashboard-data"), &json!("source"))
        );
        assert_eq!(lines[0]["StripeLatency"], 300.0);
        assert_eq!((lines[0].get("CacheHit"), lines[0].get("TableCalls")), (None, None), "what did not happen is not told");
    }

    #[test]
    fn each_view_keeps_its_own_counts() {
        let mut cache = Counted::default();
        cache.answers.insert(("catalogue".into(), Outcome::Miss, Tier::Source), 1);
        cache.answers.insert(("catalogue".into(), Outcome::Joined, Tier::Source), 2);
        cache.answers.insert(("contact".into(), Outcome::Hit, Tier::Shared), 4);
        cache.negative.insert(("contact".into(), Tier::Shared), 3);
        let lines = lines(&observed(cache));
        assert_eq!((lines.len(), &lines[0]["CacheMiss"], lines[0].get("CacheHit")), (2, &json!(3), None));
        assert_eq!((&lines[1]["View"], &lines[1]["CacheHit"], &lines[1]["CacheNegative"]), (&json!("contact"), &json!(4), &json!(3)));
    }

    #[test]
    fn values_beyond_a_hundred_are_left_out_counts_are_added_up_and_nothing_is_noted_for_nobody() {
        let taken = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&taken);
        let metrics = Metrics::to("test", Arc::new(move |line| sink.lock().unwrap().push(line.to_owned())));
        (0..150).for_each(|at| metrics.note(INVALIDATION_LAG, f64::from(at)));
        (0..150).for_each(|_| metrics.note_limits(Verdict::Refused));
        metrics.write(&observed(Counted::default()));
        let line: Value = serde_json::from_str(&taken.lock().unwrap()[0]).unwrap();
        assert_eq!((line["InvalidationLag"].as_array().unwrap().len(), &line["RateLimitRefused"]), (100, &json!(150.0)));
        let off = Metrics::off();
        off.note(INVALIDATION_LAG, 1.0);
        assert!(off.noted.lock().unwrap().is_empty());
    }

    #[test]
    fn a_bad_setting_is_named() {
        assert_eq!(Metrics::from_lookup(&|_| Some("maybe".to_owned())).unwrap_err().variable, "METRICS");
        assert!(!Metrics::from_lookup(&|_| Some("off".to_owned())).unwrap().is_on());
        assert!(Metrics::from_lookup(&|_| None).unwrap().is_on());
    }
}
