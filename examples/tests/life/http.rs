//! Calls over a socket.

use std::time::Duration;

use serde_json::Value;

use crate::life::{Answer, Call};

/// Calls the server at `address`, such as `127.0.0.1:3000`, as a client that reads English.
pub(crate) async fn send(address: &str, call: Call) -> Answer {
    let url = format!("http://{address}{}", call.path);
    tokio::task::spawn_blocking(move || blocking(url, call)).await.unwrap()
}

fn blocking(url: String, call: Call) -> Answer {
    let mut request = ureq::http::Request::builder()
        .method(call.method)
        .uri(url)
        .header("Accept-Language", "en")
        .header("User-Agent", call.user_agent);
    if let Some(bearer) = call.bearer {
        request = request.header("Authorization", format!("Bearer {bearer}"));
    }
    let body = call.body.map(|body| body.to_string());
    if body.is_some() {
        request = request.header("Content-Type", "application/json");
    }
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .allow_non_standard_methods(true)
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(30)))
        .build()
        .into();
    let mut response = agent.run(request.body(body.unwrap_or_default()).unwrap()).unwrap();
    let text = response.body_mut().read_to_string().unwrap();
    let body: Value = serde_json::from_str(&text).unwrap();
    Answer { status: response.status().as_u16(), body }
}
