//! Events of an HTTP API.

use serde_json::{Value, json};

pub(crate) const PASSWORD: &str = "correct-staple-7-horses";

/// An account that is there, and a token of it.
pub(crate) struct Account {
    pub(crate) email: String,
    pub(crate) token: String,
}

pub(crate) fn health() -> Value {
    event("GET", "/healthz", json!({}), Value::Null)
}

pub(crate) fn register(email: &str) -> Value {
    let body = json!({"email": email, "password": PASSWORD, "name": "Ann"});
    event("POST", "/auth/register", json!({"content-type": "application/json"}), body)
}

pub(crate) fn login(email: &str) -> Value {
    let body = json!({"email": email, "password": PASSWORD});
    event("POST", "/auth/login", json!({"content-type": "application/json"}), body)
}

pub(crate) fn check(token: &str) -> Value {
    event("GET", "/auth/me", json!({"authorization": format!("Bearer {token}")}), Value::Null)
}

fn event(method: &str, path: &str, headers: Value, body: Value) -> Value {
    let http = json!({"method": method, "sourceIp": "203.0.113.7"});
    let mut event = json!({
        "rawPath": path,
        "headers": headers,
        "requestContext": {"stage": "$default", "http": http},
    });
    if !body.is_null() {
        event["body"] = Value::String(body.to_string());
    }
    event
}
