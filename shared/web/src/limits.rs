//! Rate limits: the windows that a request counts in, and what their counts mean for it (D22, contract section 13).
//!
//! Every answer counts. A read counts together with its first look into the cache, in one round trip, and whatever else before its handler
//! runs; the webhook counts only what it refused. Where counting is not possible, the request goes on.

use std::net::{IpAddr, Ipv6Addr};
use std::pin::Pin;
use std::sync::OnceLock;
use std::time::Duration;

use domain::UserId;
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use lambda_http::RequestExt;
use lambda_http::request::RequestContext;

use crate::ApiError;
use crate::endpoints::{Auth, BodyKind, CachePolicy, Endpoint};

const MINUTE: Duration = Duration::from_secs(60);
const QUARTER: Duration = Duration::from_secs(15 * 60);
const TOO_MANY: &str = "Too many requests, please try again later.";

/// Whose requests a rule counts together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Per {
    Address,
    User,
}

/// One limit of the contract.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name among the counters.
    pub name: &'static str,
    /// Answers allowed in a window.
    pub limit: u64,
    /// Length of the window.
    pub window: Duration,
    /// Starts of the paths that it is for.
    paths: &'static [&'static str],
    per: Per,
    /// What the client is told.
    pub(crate) text: &'static str,
    /// The key under which the answer has its code.
    pub(crate) code_key: &'static str,
}

const ALL: Rule =
    Rule { name: "all", limit: 100, window: QUARTER, paths: &["/"], per: Per::Address, text: TOO_MANY, code_key: "errorCode" };

/// The limits of everything but the webhook.
static RULES: [Rule; 4] = [
    ALL,
    Rule { name: "billing", limit: 40, paths: &["/api/billing/", "/api/stripe/", "/api/subscription/"], ..ALL },
    Rule { name: "extraction", limit: 30, paths: &["/api/extraction/"], ..ALL },
    Rule { name: "save-contacts", limit: 20, window: MINUTE, paths: &["/api/extraction/save-contacts"], per: Per::User, ..ALL },
];

/// The webhook's own: events whose signature does not hold.
static WEBHOOK: Rule = Rule { name: "webhook", window: MINUTE, text: "Too many webhook requests", code_key: "code", ..ALL };

/// One window that a request counts in.
#[derive(Debug)]
pub struct Charge {
    /// The limit.
    pub rule: &'static Rule,
    /// Whose window.
    pub subject: String,
}

/// What a window says after a request was counted in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// How many there were, this one included.
    pub count: u64,
    /// Time until the window ends.
    pub left: Duration,
}

/// Where requests are counted.
pub trait Counters: Send + Sync {
    /// Counts a request in all its windows; nothing when that is not possible.
    fn count<'a>(&'a self, charges: &'a [Charge]) -> Pin<Box<dyn Future<Output = Option<Vec<Count>>> + Send + 'a>>;
}

/// What became of a request's limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It counts in no window.
    Free,
    /// It was counted and is within its limits.
    Within,
    /// It was counted and is too much.
    Refused,
    /// It could not be counted, and went on.
    Uncounted,
}

/// The windows of one request, and what they said once it was counted.
#[derive(Debug, Default)]
pub struct Charges {
    list: Vec<Charge>,
    said: OnceLock<Option<Vec<Count>>>,
}

impl Charges {
    /// The windows of a request from an address, made by a user if one is known.
    pub(crate) fn of(endpoint: Option<&Endpoint>, path: &str, address: &str, user: Option<&UserId>) -> Self {
        let rules = if is_signed(endpoint) { std::slice::from_ref(&WEBHOOK) } else { &RULES[..] };
        let charge = |rule: &'static Rule| {
            let subject = match rule.per {
                Per::Address => address.to_owned(),
                Per::User => format!("user {}", user?),
            };
            rule.paths.iter().any(|start| path.starts_with(start)).then_some(Charge { rule, subject })
        };
        Self { list: rules.iter().filter_map(charge).collect(), said: OnceLock::new() }
    }

    /// The windows that the request still has to be counted in.
    #[must_use]
    pub fn open(&self) -> &[Charge] {
        if self.said.get().is_none() { &self.list } else { &[] }
    }

    /// Takes what the windows said; nothing when they could not be asked: then the request goes on.
    ///
    /// # Errors
    /// `429` when it is too much for one of them: for the one that lasts longest.
    pub fn settle(&self, counted: Option<Vec<Count>>) -> Result<(), ApiError> {
        let counted = counted.filter(|counts| counts.len() == self.list.len());
        match self.said.set(counted).ok().and_then(|()| self.refused()) {
            Some((rule, count)) => Err(ApiError::RateLimited { rule, left: count.left }),
            None => Ok(()),
        }
    }

    /// What became of the request.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self.said.get() {
            None => Verdict::Free,
            Some(None) => Verdict::Uncounted,
            Some(Some(_)) if self.refused().is_some() => Verdict::Refused,
            Some(Some(_)) => Verdict::Within,
        }
    }

    fn counted(&self) -> impl Iterator<Item = (&'static Rule, Count)> {
        let counts = self.said.get().into_iter().flatten().flatten();
        self.list.iter().map(|charge| charge.rule).zip(counts.copied())
    }

    fn refused(&self) -> Option<(&'static Rule, Count)> {
        self.counted().filter(|(rule, count)| count.count > rule.limit).max_by_key(|(_, count)| count.left)
    }

    /// Says in the headers how far the nearest limit is.
    pub(crate) fn show(&self, headers: &mut HeaderMap) {
        let nearest = self.refused().or_else(|| self.counted().min_by_key(|(rule, count)| rule.limit.saturating_sub(count.count)));
        let Some((rule, count)) = nearest else { return };
        for (name, value) in [
            ("ratelimit-limit", rule.limit),
            ("ratelimit-remaining", rule.limit.saturating_sub(count.count)),
            ("ratelimit-reset", seconds(count.left)),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
        }
    }
}

/// Whether an endpoint takes signed events.
pub(crate) fn is_signed(endpoint: Option<&Endpoint>) -> bool {
    endpoint.is_some_and(|endpoint| endpoint.body == BodyKind::Signed)
}

/// Whether an endpoint's handler asks the cache before anything else, so that the request is counted on the way.
pub(crate) fn counts_on_the_way(endpoint: &Endpoint) -> bool {
    endpoint.method == "GET" && endpoint.auth == Auth::Bearer && endpoint.cache == CachePolicy::Private
}

/// Whole seconds, none too few.
pub(crate) fn seconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX)
}

/// Where a request came from, as the gateway says: never a header, which anybody can send. A network of IPv6 is one address: its owner
/// has all of the 2^64 in it.
pub(crate) fn address(request: &lambda_http::Request) -> String {
    let named = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.http.source_ip.as_deref(),
        Some(RequestContext::ApiGatewayV1(context)) => context.identity.source_ip.as_deref(),
        _ => None,
    };
    match named.and_then(|text| text.parse().ok()) {
        Some(IpAddr::V4(ip)) => ip.to_string(),
        Some(IpAddr::V6(ip)) => match ip.to_ipv4_mapped() {
            Some(ip) => ip.to_string(),
            None => Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64)).to_string(),
        },
        None => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use lambda_http::aws_lambda_events::apigw::{ApiGatewayProxyRequestContext, ApiGatewayV2httpRequestContext};

    use super::*;
    use crate::endpoints::{ENDPOINTS, Lookup, lookup};

    fn endpoint(method: &str, path: &str) -> Option<&'static Endpoint> {
        match lookup(method, path) {
            Lookup::Found { endpoint, .. } => Some(endpoint),
            _ => None,
        }
    }

    fn charges(method: &str, path: &str, user: Option<&str>) -> Charges {
        let user = user.map(|user| UserId::parse(user).unwrap());
        Charges::of(endpoint(method, path), path, "192.0.2.1", user.as_ref())
    }

    fn names(charges: &Charges) -> Vec<&'static str> {
        charges.open().iter().map(|charge| charge.rule.name).collect()
    }

    fn count(count: u64, left_s: u64) -> Count {
        Count { count, left: Duration::from_secs(left_s) }
    }

    #[test]
    fn each_path_counts_where_the_contract_says() {
        for (method, path, expected) in [
            ("GET", "/api/dashboard/data", &["all"][..]),
            ("GET", "/api/health", &["all"]),
            ("GET", "/nowhere", &["all"]),
            ("GET", "/api/billing/plans", &["all", "billing"]),
            ("GET", "/api/billing/nowhere", &["all", "billing"]),
            ("POST", "/api/stripe/nowhere", &["all", "billing"]),
            ("POST", "/api/extraction/save-contacts", &["all", "extraction", "save-contacts"]),
            ("DELETE", "/api/extraction/job/x", &["all", "extraction"]),
            ("POST", "/api/stripe/webhook", &["webhook"]),
            ("POST", "/api/billing/webhook", &["webhook"]),
        ] {
            assert_eq!(names(&charges(method, path, Some("u1"))), expected, "{method} {path}");
        }
        assert_eq!(names(&charges("POST", "/api/extraction/save-contacts", None)), ["all", "extraction"]);
    }

    #[test]
    fn the_address_is_the_one_that_the_gateway_saw_in_either_format() {
        let mut of_format_1 = ApiGatewayProxyRequestContext::default();
        of_format_1.identity.source_ip = Some("2001:db8::7:1".to_owned());
        let mut of_format_2 = ApiGatewayV2httpRequestContext::default();
        of_format_2.http.source_ip = Some("203.0.113.7".to_owned());
        for (context, expected) in [
            (RequestContext::ApiGatewayV1(of_format_1), "2001:db8::"),
            (RequestContext::ApiGatewayV2(of_format_2), "203.0.113.7"),
            (RequestContext::ApiGatewayV1(ApiGatewayProxyRequestContext::default()), "unknown"),
        ] {
            let request = http::Request::builder().header("x-forwarded-for", "192.0.2.1").body(lambda_http::Body::Empty).unwrap();
            assert_eq!(address(&request.with_request_context(context)), expected);
        }
    }

    #[test]
    fn users_and_addresses_have_windows_of_their_own() {
        let subjects: Vec<_> = charges("POST", "/api/extraction/save-contacts", Some("192.0.2.1"))
            .open()
            .iter()
            .map(|charge| charge.subject.clone())
            .collect();
        assert_eq!(subjects, ["192.0.2.1", "192.0.2.1", "user 192.0.2.1"]);
    }

    #[test]
    fn the_limit_is_the_last_that_passes_and_the_longest_window_is_named() {
        let within = charges("GET", "/api/billing/plans", None);
        within.settle(Some(vec![count(100, 9), count(40, 60)])).unwrap();
        assert_eq!((within.verdict(), within.open().len()), (Verdict::Within, 0));
        let beyond = charges("GET", "/api/billing/plans", None);
        let error = beyond.settle(Some(vec![count(101, 9), count(41, 60)])).unwrap_err();
        assert!(matches!(error, ApiError::RateLimited { rule, left } if rule.name == "billing" && left.as_secs() == 60));
        assert_eq!(beyond.verdict(), Verdict::Refused);
        beyond.settle(Some(vec![count(1, 9), count(1, 9)])).unwrap();
        assert_eq!(beyond.verdict(), Verdict::Refused, "the first count stands");
    }

    #[test]
    fn what_cannot_be_counted_goes_on() {
        for said in [None, Some(Vec::new()), Some(vec![count(9_999, 9); 3])] {
            let charges = charges("GET", "/api/billing/plans", None);
            charges.settle(said).unwrap();
            assert_eq!(charges.verdict(), Verdict::Uncounted);
            let mut headers = HeaderMap::new();
            charges.show(&mut headers);
            assert!(headers.is_empty());
        }
    }

    #[test]
    fn the_headers_tell_of_the_nearest_limit() {
        let charges = charges("GET", "/api/billing/plans", None);
        charges.settle(Some(vec![count(20, 900), count(5, 120)])).unwrap();
        let mut headers = HeaderMap::new();
        charges.show(&mut headers);
        let text = |name: &str| headers[name].to_str().unwrap().to_owned();
        assert_eq!([text("ratelimit-limit"), text("ratelimit-remaining"), text("ratelimit-reset")], ["40", "35", "120"]);
        assert_eq!((seconds(Duration::from_millis(1)), seconds(Duration::from_millis(59_001))), (1, 60));
    }

    #[test]
    fn only_reads_that_begin_at_the_cache_are_counted_on_the_way() {
        for endpoint in ENDPOINTS {
            let on_the_way = counts_on_the_way(endpoint);
            assert!(!on_the_way || (endpoint.method == "GET" && endpoint.body == BodyKind::None), "{}", endpoint.path);
        }
        assert!(counts_on_the_way(endpoint("GET", "/api/dashboard/data").unwrap()));
        assert!(!counts_on_the_way(endpoint("DELETE", "/api/contacts/x").unwrap()));
    }
}
