//! The endpoints of this API, and which of them a request means.

use percent_encoding::percent_decode_str;

/// Who may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Whoever has a valid bearer token.
    Bearer,
    /// Everybody.
    Public,
}

/// What body is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyKind {
    /// None; one that is sent is not looked at.
    None,
    /// JSON of at most 1,048,576 bytes.
    Json,
    /// Signed bytes of any type, at most 1,048,576.
    Signed,
}

/// What `Cache-Control` says on success. Errors are never stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CachePolicy {
    /// `private, no-cache`: kept by the client, checked each time.
    Private,
    /// `public, max-age=300, stale-while-revalidate=3600`.
    Plans,
    /// `no-store`.
    NoStore,
}

/// One method of one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint {
    /// Upper case. `GET` includes `HEAD` (D17).
    pub method: &'static str,
    /// Path template, `{name}` for one segment.
    pub path: &'static str,
    /// The function that serves it: its folder below `functions/`.
    pub function: &'static str,
    /// Who may call.
    pub auth: Auth,
    /// What body is read.
    pub body: BodyKind,
    /// What `Cache-Control` says.
    pub cache: CachePolicy,
}

const fn read(path: &'static str, function: &'static str) -> Endpoint {
    Endpoint { method: "GET", path, function, auth: Auth::Bearer, body: BodyKind::None, cache: CachePolicy::Private }
}

/// A file of the caller's: never stored on the way.
const fn file(path: &'static str, function: &'static str) -> Endpoint {
    Endpoint { cache: CachePolicy::NoStore, ..read(path, function) }
}

const fn write(method: &'static str, path: &'static str, function: &'static str, body: BodyKind) -> Endpoint {
    Endpoint { method, path, function, auth: Auth::Bearer, body, cache: CachePolicy::NoStore }
}

const fn public(path: &'static str, function: &'static str, cache: CachePolicy) -> Endpoint {
    Endpoint { method: "GET", path, function, auth: Auth::Public, body: BodyKind::None, cache }
}

const fn webhook(path: &'static str, function: &'static str) -> Endpoint {
    Endpoint { auth: Auth::Public, ..write("POST", path, function, BodyKind::Signed) }
}

/// Every endpoint. A literal path stands before a template that also fits it.
pub const ENDPOINTS: &[Endpoint] = &[
    read("/api/dashboard/data", "get-dashboard-data"),
    read("/api/dashboard/summary", "get-dashboard-summary"),
    read("/api/dashboard/warnings", "get-dashboard-warnings"),
    read("/api/dashboard/activity", "get-dashboard-activity"),
    read("/api/dashboard/metrics", "get-dashboard-metrics"),
    read("/api/contacts/stats", "get-contact-stats"),
    read("/api/contacts", "list-contacts"),
    file("/api/contacts/export", "export-contacts"),
    write("POST", "/api/contacts/delete", "delete-contacts", BodyKind::Json),
    read("/api/contacts/{id}", "get-contact"),
    write("PATCH", "/api/contacts/{id}", "update-contact", BodyKind::Json),
    write("DELETE", "/api/contacts/{id}", "delete-contact", BodyKind::None),
    public("/api/billing/plans", "list-plans", CachePolicy::Plans),
    read("/api/billing/customer", "get-billing-customer"),
    read("/api/billing/customer/{customerId}", "get-billing-customer-by-id"),
    read("/api/billing/billing-history/{customerId}", "list-billing-history"),
    read("/api/billing/payment-methods/{customerId}", "list-payment-methods"),
    read("/api/billing/summary", "get-billing-summary"),
    read("/api/usage/current", "get-usage"),
    read("/api/usage/limits", "get-usage-limits"),
    read("/api/usage/can-upload", "can-upload"),
    read("/api/jobs", "list-jobs"),
    write("DELETE", "/api/extraction/job/{jobId}", "delete-job", BodyKind::None),
    write("POST", "/api/extraction/save-contacts", "save-contacts", BodyKind::Json),
    write("POST", "/api/billing/create-checkout-session", "create-checkout-session", BodyKind::Json),
    write("POST", "/api/billing/create-portal-session", "create-portal-session", BodyKind::None),
    write("POST", "/api/billing/cancel-subscription", "cancel-subscription", BodyKind::Json),
    write("POST", "/api/billing/update-subscription", "update-subscription", BodyKind::Json),
    webhook("/api/stripe/webhook", "stripe-webhook"),
    webhook("/api/billing/webhook", "stripe-webhook"),
    write("POST", "/api/session/warm", "warm-session", BodyKind::None),
    public("/", "health", CachePolicy::NoStore),
    public("/api/health", "health", CachePolicy::NoStore),
];

/// What a method and a path mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// An endpoint.
    Found {
        /// Which one.
        endpoint: &'static Endpoint,
        /// Values of the template's names, percent-decoded.
        params: Vec<(&'static str, String)>,
    },
    /// The path exists with other methods.
    WrongMethod {
        /// Value of the `Allow` header.
        allow: String,
    },
    /// No endpoint has this path.
    Unknown,
}

/// Finds the endpoint of a request. `path` is as sent, without the query string. The first template that fits is the path's only one:
/// `DELETE /api/contacts/stats` has a wrong method, it is not the deletion of a contact called `stats`.
#[must_use]
pub fn lookup(method: &str, path: &str) -> Lookup {
    let wanted = if method == "HEAD" { "GET" } else { method };
    let mut methods: Vec<&str> = Vec::new();
    let mut template = None;
    for endpoint in ENDPOINTS {
        let Some(params) = matched(endpoint.path, path) else { continue };
        if *template.get_or_insert(endpoint.path) != endpoint.path {
            continue;
        }
        if endpoint.method == wanted {
            return Lookup::Found { endpoint, params };
        }
        methods.push(endpoint.method);
        if endpoint.method == "GET" {
            methods.push("HEAD");
        }
    }
    if methods.is_empty() {
        return Lookup::Unknown;
    }
    methods.push("OPTIONS");
    methods.sort_unstable();
    methods.dedup();
    Lookup::WrongMethod { allow: methods.join(", ") }
}

fn matched(template: &'static str, path: &str) -> Option<Vec<(&'static str, String)>> {
    let mut params = Vec::new();
    let mut segments = path.split('/');
    for expected in template.split('/') {
        let segment = segments.next()?;
        match expected.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(_) if segment.is_empty() => return None,
            Some(name) => params.push((name, percent_decode_str(segment).decode_utf8_lossy().into_owned())),
            None if expected == segment => {}
            None => return None,
        }
    }
    segments.next().is_none().then_some(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(method: &str, path: &str) -> Option<&'static str> {
        match lookup(method, path) {
            Lookup::Found { endpoint, .. } => Some(endpoint.function),
            _ => None,
        }
    }

    #[test]
    fn each_endpoint_is_found_by_its_own_path() {
        for endpoint in ENDPOINTS {
            let path = endpoint.path.replace("{id}", "x").replace("{jobId}", "x").replace("{customerId}", "x");
            assert_eq!(function(endpoint.method, &path), Some(endpoint.function), "{path}");
            if endpoint.method == "GET" {
                assert_eq!(function("HEAD", &path), Some(endpoint.function), "HEAD {path}");
            }
        }
    }

    #[test]
    fn a_literal_path_wins_over_a_template() {
        assert_eq!(function("GET", "/api/contacts/stats"), Some("get-contact-stats"));
        assert_eq!(function("GET", "/api/contacts/stat"), Some("get-contact"));
        assert_eq!(function("POST", "/api/contacts/delete"), Some("delete-contacts"));
        assert_eq!(lookup("GET", "/api/contacts/delete"), Lookup::WrongMethod { allow: "OPTIONS, POST".to_owned() });
        assert_eq!(lookup("DELETE", "/api/contacts/stats"), Lookup::WrongMethod { allow: "GET, HEAD, OPTIONS".to_owned() });
    }

    #[test]
    fn parameters_are_percent_decoded() {
        let Lookup::Found { params, .. } = lookup("GET", "/api/contacts/a%20b") else { panic!("not found") };
        assert_eq!(params, vec![("id", "a b".to_owned())]);
    }

    #[test]
    fn near_misses_are_unknown_and_other_methods_are_named() {
        for path in ["", "/api", "/api/", "/api/contacts/", "/api/contacts/x/y", "/api//jobs", "/api/jobs/", "/API/jobs"] {
            assert_eq!(lookup("GET", path), Lookup::Unknown, "{path}");
        }
        assert_eq!(lookup("PUT", "/api/contacts/x"), Lookup::WrongMethod { allow: "DELETE, GET, HEAD, OPTIONS, PATCH".to_owned() });
        assert_eq!(lookup("HEAD", "/api/session/warm"), Lookup::WrongMethod { allow: "OPTIONS, POST".to_owned() });
    }
}
