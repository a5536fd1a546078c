//! Every answer that a test sees is held against the OpenAPI document: what is answered and not described,
//! or described otherwise, fails that test.

use std::sync::LazyLock;

use axum::http::Method;
use serde_json::{Value, json};

use super::client::Answer;

static DOCUMENT: LazyLock<Value> = LazyLock::new(adapters_http::openapi);

/// Paths and methods that are none of the API's are answered 404 and 405, which no document describes; nor
/// does one describe what a browser asks in advance (OPTIONS), or GET without its body (HEAD).
pub(crate) fn check(method: &Method, path: &str, answer: &Answer) {
    let Some((template, operation)) = operation(method, path) else {
        let is_of_http = [Method::HEAD, Method::OPTIONS].contains(method);
        assert!(
            is_of_http || [404, 405].contains(&answer.status.as_u16()),
            "{method} {path} is not described"
        );
        return;
    };
    let status = answer.status.as_str();
    let response = &operation["responses"][status];
    assert!(
        response.is_object(),
        "{method} {template}: {status} is not described: {}",
        answer.text
    );
    for (name, header) in response["headers"].as_object().into_iter().flatten() {
        let header = resolved(header);
        let is_there = answer.header(name).is_some() || name == "X-Request-Id";
        assert!(is_there || header["required"] != true, "{method} {template} {status}: no {name}");
    }
    let media = answer.header("content-type").unwrap();
    let content = &response["content"][media];
    assert!(content.is_object(), "{method} {template} {status}: {media} is not described");
    let body: Value = serde_json::from_str(&answer.text).unwrap();
    // Clients must bear more members than are described; here there must not be any.
    let problem = &DOCUMENT["components"]["schemas"]["Problem"]["properties"];
    let known = |name: &str| {
        content["schema"]["properties"].get(name).is_some()
            || media == "application/problem+json" && problem.get(name).is_some()
    };
    let unknown: Vec<_> = body.as_object().unwrap().keys().filter(|name| !known(name)).collect();
    assert!(unknown.is_empty(), "{method} {template} {status}: {unknown:?} is not described");
    let mut schema = DOCUMENT.clone();
    schema["allOf"] = json!([content["schema"]]);
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let errors: Vec<_> = validator.iter_errors(&body).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{method} {template} {status}: {errors:?} in {body}");
}

fn operation(method: &Method, path: &str) -> Option<(&'static str, &'static Value)> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let (template, methods) = paths.iter().find(|(template, _)| fits(template, path))?;
    let operation = methods.get(method.as_str().to_lowercase())?;
    Some((template, operation))
}

fn fits(template: &str, path: &str) -> bool {
    let is_open = |part: &str| part.starts_with('{');
    let mut parts = path.split('/');
    template.split('/').all(|part| parts.next().is_some_and(|sent| is_open(part) || part == sent))
        && parts.next().is_none()
}

fn resolved(value: &'static Value) -> &'static Value {
    match value["$ref"].as_str() {
        Some(reference) => DOCUMENT.pointer(reference.trim_start_matches('#')).unwrap(),
        None => value,
    }
}
