//! The API's routes, read from template.yaml, and which of them a request takes.

use percent_encoding::percent_decode_str;
use serde_norway::Value;

/// Segments of a route's path: a text, or a `{name}`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Parameter(String),
}

/// One method of one path.
#[derive(Debug, Clone)]
struct Route {
    method: String,
    path: String,
    segments: Vec<Segment>,
    function: String,
}

/// All routes of the API.
#[derive(Debug, Clone)]
pub struct Routes {
    routes: Vec<Route>,
    default: String,
}

/// A template that is not one of this API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("template.yaml: {0}")]
pub struct TemplateError(String);

/// The route that a request takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Taken<'a> {
    /// Name of the function.
    pub(super) function: &'a str,
    /// `GET /api/jobs`, or `$default`.
    pub(super) key: String,
    /// Values of the path's names, percent-decoded.
    pub(super) parameters: Vec<(&'a str, String)>,
}

impl Routes {
    /// Reads the `HttpApi` events of a template. One without path and method is the `$default` route.
    ///
    /// # Errors
    /// [`TemplateError`] when the template cannot be read or has no `$default` route.
    pub fn of_template(template: &str) -> Result<Self, TemplateError> {
        let template: Value = serde_norway::from_str(template).map_err(|error| TemplateError(error.to_string()))?;
        let (mut routes, mut default) = (Vec::new(), None);
        for resource in mapping(template.get("Resources")) {
            let Some(properties) = resource.get("Properties") else { continue };
            let Some(function) = text(properties, "CodeUri").and_then(|uri| uri.trim_end_matches('/').rsplit('/').next()) else { continue };
            for event in mapping(properties.get("Events")).filter(|event| text(event, "Type") == Some("HttpApi")) {
                let properties = event.get("Properties").unwrap_or(&Value::Null);
                match (text(properties, "Method"), text(properties, "Path")) {
                    (Some(method), Some(path)) => routes.push(Route::new(method, path, function)),
                    (None, None) => default = Some(function.to_owned()),
                    _ => return Err(TemplateError(format!("an event of {function} has only one of Method and Path"))),
                }
            }
        }
        Ok(Self { routes, default: default.ok_or_else(|| TemplateError("there is no $default route".to_owned()))? })
    }

    /// Names of the functions that serve routes.
    pub fn functions(&self) -> impl Iterator<Item = &str> {
        self.routes.iter().map(|route| route.function.as_str()).chain([self.default.as_str()])
    }

    /// The most specific route: a literal segment goes before a parameter, and any route before `$default`.
    pub(super) fn find(&self, method: &str, path: &str) -> Taken<'_> {
        let fitting = self.routes.iter().filter(|route| route.method == method);
        let fitting = fitting.filter_map(|route| Some((route, route.matched(path)?)));
        match fitting.min_by_key(|(route, _)| route.segments.iter().map(|s| matches!(s, Segment::Parameter(_))).collect::<Vec<_>>()) {
            Some((route, parameters)) => Taken { function: &route.function, key: format!("{} {}", route.method, route.path), parameters },
            None => Taken { function: &self.default, key: "$default".to_owned(), parameters: Vec::new() },
        }
    }
}

impl Route {
    fn new(method: &str, path: &str, function: &str) -> Self {
        let segment = |text: &str| match text.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) => Segment::Parameter(name.to_owned()),
            None => Segment::Literal(text.to_owned()),
        };
        let segments = path.split('/').map(segment).collect();
        Self { method: method.to_owned(), path: path.to_owned(), segments, function: function.to_owned() }
    }

    fn matched(&self, path: &str) -> Option<Vec<(&str, String)>> {
        let mut parameters = Vec::new();
        let mut given = path.split('/');
        for segment in &self.segments {
            let text = given.next()?;
            match segment {
                Segment::Literal(expected) if expected == text => {}
                Segment::Parameter(name) if !text.is_empty() => {
                    parameters.push((name.as_str(), percent_decode_str(text).decode_utf8_lossy().into_owned()));
                }
                _ => return None,
            }
        }
        given.next().is_none().then_some(parameters)
    }
}

fn mapping(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_mapping).into_iter().flat_map(|mapping| mapping.iter().map(|(_, value)| value))
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::TEMPLATE;

    #[test]
    fn the_most_specific_route_is_taken() {
        let routes = Routes::of_template(TEMPLATE).unwrap();
        let taken = |method, path| (routes.find(method, path).function.to_owned(), routes.find(method, path).key);
        assert_eq!(taken("GET", "/api/contacts/stats"), ("get-contact-stats".into(), "GET /api/contacts/stats".into()));
        assert_eq!(taken("GET", "/api/contacts/x"), ("get-contact".into(), "GET /api/contacts/{id}".into()));
        assert_eq!(taken("DELETE", "/api/contacts/stats"), ("delete-contact".into(), "DELETE /api/contacts/{id}".into()));
        assert_eq!(taken("HEAD", "/"), ("health".into(), "HEAD /".into()));
        for (method, path) in
            [("PUT", "/api/contacts"), ("GET", "/api/contacts/"), ("GET", "/api/jobs/"), ("GET", ""), ("OPTIONS", "/api/jobs")]
        {
            assert_eq!(taken(method, path), ("fallback".into(), "$default".into()), "{method} {path}");
        }
        assert_eq!(routes.find("GET", "/api/contacts/a%20b").parameters, vec![("id", "a b".to_owned())]);
    }

    #[test]
    fn the_template_routes_each_endpoint_to_its_function() {
        let routes = Routes::of_template(TEMPLATE).unwrap();
        for endpoint in web::endpoints::ENDPOINTS {
            let methods: &[&str] = if endpoint.method == "GET" { &["GET", "HEAD"] } else { &[endpoint.method] };
            for method in methods {
                let path = endpoint.path.replace(['{', '}'], "");
                assert_eq!(routes.find(method, &path).function, endpoint.function, "{method} {path}");
            }
        }
    }

    #[test]
    fn another_template_is_refused() {
        let no_default = "Resources: {F: {Properties: {CodeUri: x/f/, Events: {}}}}";
        assert_eq!(Routes::of_template(no_default).unwrap_err().to_string(), "template.yaml: there is no $default route");
        assert!(Routes::of_template(": :").is_err());
    }
}
