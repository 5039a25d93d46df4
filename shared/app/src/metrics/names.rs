//! The metrics, by name. docs/metrics.md says what each means and what to do about it; a test holds the two together.

use serde::{Serialize, Serializer};

/// What a value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Occurrences.
    Count,
    /// Milliseconds.
    Milliseconds,
    /// Bytes.
    Bytes,
}

impl Unit {
    /// Its name at CloudWatch.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
            Self::Bytes => "Bytes",
        }
    }
}

impl Serialize for Unit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Metric {
    /// Its name, which never changes.
    pub name: &'static str,
    /// Its unit.
    pub unit: Unit,
}

macro_rules! metrics {
    ($($constant:ident = $name:literal, $unit:ident;)*) => {
        $(pub(crate) const $constant: Metric = Metric { name: $name, unit: Unit::$unit };)*
        /// All metrics.
        pub const METRICS: &[Metric] = &[$($constant),*];
    };
}

metrics! {
    LATENCY = "Latency", Milliseconds;
    STATUS_2XX = "Status2xx", Count;
    STATUS_3XX = "Status3xx", Count;
    STATUS_4XX = "Status4xx", Count;
    STATUS_5XX = "Status5xx", Count;
    EVENT_DONE = "EventDone", Count;
    EVENT_FAILED = "EventFailed", Count;
    COLD_START = "ColdStart", Count;
    CACHE_HIT = "CacheHit", Count;
    CACHE_SOFT_STALE = "CacheSoftStale", Count;
    CACHE_STALE_ON_ERROR = "CacheStaleOnError", Count;
    CACHE_MISS = "CacheMiss", Count;
    CACHE_BYPASS = "CacheBypass", Count;
    CACHE_NEGATIVE = "CacheNegative", Count;
    CACHE_NOT_MODIFIED = "CacheNotModified", Count;
    CACHE_ROUND_TRIPS = "CacheRoundTrips", Count;
    CACHE_ROUND_TRIP = "CacheRoundTrip", Milliseconds;
    CACHE_FILL_STORED = "CacheFillStored", Count;
    CACHE_FILL_REJECTED = "CacheFillRejected", Count;
    CACHE_FILL_LOST = "CacheFillRejectedIncarnation", Count;
    CACHE_FILL_FLOOR = "CacheFillRejectedFloor", Count;
    CACHE_FILL_ENTRY = "CacheFillRejectedEntry", Count;
    CACHE_TROUBLE = "CacheTrouble", Count;
    CACHE_DAMAGED = "CacheDamaged", Count;
    CACHE_BREAKER_OPEN = "CacheBreakerOpen", Count;
    CACHE_PROCESS_BYTES = "CacheProcessBytes", Bytes;
    TABLE_CALLS = "TableCalls", Count;
    TABLE_LATENCY = "TableLatency", Milliseconds;
    TABLE_READ_UNITS = "TableReadUnits", Count;
    TABLE_WRITE_UNITS = "TableWriteUnits", Count;
    STRIPE_CALLS = "StripeCalls", Count;
    STRIPE_LATENCY = "StripeLatency", Milliseconds;
    STRIPE_IGNORED = "StripeIgnored", Count;
    STRIPE_QUARANTINED = "StripeQuarantined", Count;
    STRIPE_LINK_CONFLICT = "StripeLinkConflict", Count;
    STRIPE_EVENT_ALTERED = "StripeEventAltered", Count;
    STRIPE_AMOUNT_DIFFERS = "StripeAmountDiffers", Count;
    STRIPE_DRIFT = "StripeDrift", Count;
    STRIPE_REFETCH_FAILED = "StripeRefetchFailed", Count;
    STRIPE_ANSWER_REJECTED = "StripeAnswerRejected", Count;
    INVALIDATION_LAG = "InvalidationLag", Milliseconds;
    RATE_LIMIT_WITHIN = "RateLimitWithin", Count;
    RATE_LIMIT_REFUSED = "RateLimitRefused", Count;
    RATE_LIMIT_UNCOUNTED = "RateLimitUncounted", Count;
    AUDIT_CHECKED = "AuditChecked", Count;
    AUDIT_VIOLATION = "AuditViolation", Count;
}
