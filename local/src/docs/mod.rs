//! `/api/docs`: the API explorer, from docs/openapi.yaml and a viewer that is part of this program. Only here, not in the deployed API.

use std::time::Duration;

use bytes::Bytes;
use domain::{Timestamp, UserId};
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{Method, Response};
use swagger_ui_redist::{SwaggerUi, SwaggerUiStaticFile};

use crate::{demo, token};

const CONTRACT: &str = include_str!("../../../docs/openapi.yaml");
const PAGE: &str = include_str!("page.html");
const SCRIPT: &str = include_str!("page.js");
/// Nothing comes from another server and nothing goes to one.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'";
/// How long the token of the page holds.
const TOKEN_TIME: Duration = Duration::from_secs(24 * 3600);

/// The explorer's answer; nothing when the request means something else.
pub(crate) fn answer(parts: &Parts, now: Timestamp) -> Option<Response<Bytes>> {
    let name = parts.uri.path().strip_prefix("/api/docs")?;
    if !matches!(parts.method, Method::GET | Method::HEAD) || !asked_by_name_of_this_machine(parts) {
        return None;
    }
    let (kind, body) = match name {
        "" | "/" => ("text/html; charset=utf-8", page(now).into()),
        "/page.js" => ("text/javascript; charset=utf-8", Bytes::from_static(SCRIPT.as_bytes())),
        "/openapi.yaml" => ("application/yaml; charset=utf-8", Bytes::from_static(CONTRACT.as_bytes())),
        "/swagger-ui.css" => ("text/css; charset=utf-8", viewer(SwaggerUiStaticFile::Css)),
        "/swagger-ui-bundle.js" => ("text/javascript; charset=utf-8", viewer(SwaggerUiStaticFile::Js)),
        "/favicon-32x32.png" => ("image/png", viewer(SwaggerUiStaticFile::Favicon32)),
        _ => return None,
    };
    let mut response = Response::new(if parts.method == Method::HEAD { Bytes::new() } else { body });
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Some(response)
}

/// The page carries a token: a name that somebody else has pointed at this machine does not get it.
fn asked_by_name_of_this_machine(parts: &Parts) -> bool {
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    ["localhost", "127.0.0.1"].contains(&name)
}

/// The page, with a token of the demo account unless tokens come from an identity provider.
fn page(now: Timestamp) -> String {
    let user = UserId::parse(demo::USER).expect("a constant of letters");
    let token = token::token(&user, Some(demo::EMAIL), now, TOKEN_TIME).unwrap_or_default();
    PAGE.replace("{token}", &token)
}

fn viewer(wanted: SwaggerUiStaticFile) -> Bytes {
    let file = SwaggerUi::static_files().iter().find(|(file, _)| *file == wanted);
    file.map_or_else(Bytes::new, |(_, bytes)| Bytes::from_static(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(method: &str, path: &str, host: &str) -> Option<Response<Bytes>> {
        let request = http::Request::builder().method(method).uri(path).header("host", host).body(()).unwrap();
        answer(&request.into_parts().0, "2026-03-05T09:30:00Z".parse().unwrap())
    }

    #[test]
    fn everything_that_the_page_loads_is_served_from_here() {
        let page = ask("GET", "/api/docs", "localhost:3000").unwrap();
        let html = std::str::from_utf8(page.body()).unwrap();
        let loaded = html.split(['"']).filter(|text| text.starts_with('/') || text.starts_with("http"));
        let loaded: Vec<&str> = loaded.chain(["/api/docs/openapi.yaml"]).collect();
        assert_eq!(loaded.len(), 5);
        for path in loaded {
            let answer = ask("GET", path, "127.0.0.1:3000").unwrap_or_else(|| panic!("{path}"));
            assert!(answer.body().len() > 100, "{path}");
        }
        assert!(html.contains("content=\"ey"), "no token");
    }

    #[test]
    fn others_get_nothing() {
        for (method, path, host) in [
            ("POST", "/api/docs", "localhost"),
            ("GET", "/api/docs/../x", "localhost"),
            ("GET", "/api/docsx", "localhost"),
            ("GET", "/api/jobs", "localhost"),
            ("GET", "/api/docs", "evil.example:3000"),
            ("GET", "/api/docs", ""),
        ] {
            assert!(ask(method, path, host).is_none(), "{method} {path} {host}");
        }
        assert!(ask("HEAD", "/api/docs", "localhost").unwrap().body().is_empty());
    }
}
