use std::collections::BTreeSet;

use evenkeel_admin::views::{
    DiagnosticView, ListenerView, MemberView, PoolView, ProbeView, ReloadReport, ReloadView,
    RouteView, StatusView,
};
use serde_json::{Value, to_value};

use crate::client::Server;

/// The paths of the contract with their methods.
const PATHS: [(&str, &str); 20] = [
    ("GET", "/"),
    ("GET", "/dashboard.css"),
    ("GET", "/dashboard.js"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/api/v1/status"),
    ("GET", "/api/v1/pools"),
    ("GET", "/api/v1/pools/{pool}"),
    ("POST", "/api/v1/pools/{pool}/members"),
    ("GET", "/api/v1/pools/{pool}/members/{member}"),
    ("PATCH", "/api/v1/pools/{pool}/members/{member}"),
    ("DELETE", "/api/v1/pools/{pool}/members/{member}"),
    ("GET", "/api/v1/listeners"),
    ("GET", "/api/v1/routes"),
    ("GET", "/api/v1/acme"),
    ("POST", "/api/v1/reload"),
    ("POST", "/api/v1/drain"),
    ("GET", "/api/v1/events"),
    ("GET", "/api/v1/openapi.json"),
];

#[tokio::test]
async fn the_description_lists_the_paths_and_each_answers_as_it_says() {
    let server = Server::start(None).await;
    let description = server.get("/api/v1/openapi.json").await.json();
    let mut listed = BTreeSet::new();
    for (path, operations) in description["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let method = method.to_uppercase();
            listed.insert((method.clone(), path.clone()));
            if path == "/api/v1/events" {
                continue; // it never ends; its own tests read it
            }
            let body = match (method.as_str(), path.contains("{member}")) {
                ("PATCH", _) => r#"{"state":"ready"}"#,
                ("POST", false) if path.ends_with("/members") => r#"{"address":"10.0.0.9:80"}"#,
                _ => "",
            };
            let real = path.replace("{pool}", "api").replace("{member}", "a");
            let reply = server.ask(&method, &real, body).await;
            let responses = operation["responses"].as_object().unwrap();
            let response = responses.get(&reply.status.to_string());
            let response = response.unwrap_or_else(|| panic!("{method} {path}: {reply:?}"));
            if let Some(content) = response.get("content") {
                let (kind, content) = content.as_object().unwrap().iter().next().unwrap();
                assert!(reply.header("content-type").unwrap().starts_with(kind), "{path}");
                if kind == "application/json" {
                    has_shape(&description, &content["schema"], &reply.json());
                }
            }
        }
    }
    let expected: BTreeSet<_> =
        PATHS.iter().map(|(method, path)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(listed, expected);
}

#[tokio::test]
async fn the_schemas_have_the_fields_of_the_views() {
    let server = Server::start(None).await;
    let description = server.get("/api/v1/openapi.json").await.json();
    let views: [(&str, Value); 9] = [
        ("StatusView", to_value(StatusView::default()).unwrap()),
        ("ReloadView", to_value(ReloadView::default()).unwrap()),
        ("PoolView", to_value(PoolView::default()).unwrap()),
        ("MemberView", to_value(MemberView::default()).unwrap()),
        ("ProbeView", to_value(ProbeView::default()).unwrap()),
        ("ListenerView", to_value(ListenerView::default()).unwrap()),
        ("RouteView", to_value(RouteView::default()).unwrap()),
        ("ReloadReport", to_value(ReloadReport::default()).unwrap()),
        ("DiagnosticView", to_value(DiagnosticView::default()).unwrap()),
    ];
    for (name, view) in views {
        let schema = &description["components"]["schemas"][name];
        let fields: Vec<_> = view.as_object().unwrap().keys().collect();
        let described: Vec<_> = schema["properties"].as_object().unwrap().keys().collect();
        assert_eq!(described, fields, "{name}");
        has_shape(&description, schema, &view);
    }
}

/// Whether a value is what a schema says, as far as our schemas go.
fn has_shape(description: &Value, schema: &Value, value: &Value) {
    if let Some(place) = schema["$ref"].as_str() {
        let schema = description.pointer(place.strip_prefix('#').unwrap());
        return has_shape(description, schema.expect("the schema is there"), value);
    }
    if let Some(one) = schema["oneOf"].as_array() {
        let schema = &one[usize::from(value.is_null())];
        return has_shape(description, schema, value);
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let says = |word: &str| match &schema["type"] {
        Value::Array(words) => words.iter().any(|w| w == word),
        single => single == word,
    };
    assert!(says(kind) || kind == "integer" && says("number"), "{value} is no {schema}");
    for item in value.as_array().into_iter().flatten() {
        has_shape(description, &schema["items"], item);
    }
    for required in schema["required"].as_array().into_iter().flatten() {
        assert!(value.get(required.as_str().unwrap()).is_some(), "{required} in {value}");
    }
    for (name, field) in value.as_object().into_iter().flatten() {
        let property = &schema["properties"][name];
        if property.is_object() {
            has_shape(description, property, field);
        }
    }
}
