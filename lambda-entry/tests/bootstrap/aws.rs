//! Secrets Manager, SQS and SES as far as our program calls them, on one port.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;

#[derive(Clone)]
pub(crate) struct Aws {
    pub(crate) endpoint: String,
    state: Arc<Mutex<Calls>>,
}

#[derive(Default)]
struct Calls {
    secrets: HashMap<String, Vec<String>>,
    secrets_are_down: bool,
    /// Of every version: seconds since the epoch.
    created_at: u64,
    secrets_fetched: usize,
    queued: Vec<Value>,
    mails: Vec<Value>,
    refused: Vec<(String, u16, &'static str)>,
}

impl Aws {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let aws = Self { endpoint, state: Arc::default() };
        let server = Router::new().fallback(answer).with_state(aws.clone());
        tokio::spawn(async move { axum::serve(listener, server).await.unwrap() });
        aws
    }

    /// Makes this the secret's current version, and its current one the previous.
    pub(crate) fn rotate_secret(&self, arn: &str, value: &str) {
        self.state
            .lock()
            .unwrap()
            .secrets
            .entry(arn.to_owned())
            .or_default()
            .push(value.to_owned());
    }

    /// From now on every version of a secret is said to be of now.
    pub(crate) fn make_secrets_new(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        self.state.lock().unwrap().created_at = now.as_secs();
    }

    pub(crate) fn set_secrets_down(&self, down: bool) {
        self.state.lock().unwrap().secrets_are_down = down;
    }

    pub(crate) fn secrets_fetched(&self) -> usize {
        self.state.lock().unwrap().secrets_fetched
    }

    /// Mails to this address are refused with this status and code.
    pub(crate) fn refuse_mails_to(&self, address: &str, status: u16, code: &'static str) {
        self.state.lock().unwrap().refused.push((address.to_owned(), status, code));
    }

    pub(crate) fn accept_all_mails(&self) {
        self.state.lock().unwrap().refused.clear();
    }

    /// What `SendMessage` was called with since this was last asked.
    pub(crate) fn take_queued(&self) -> Vec<Value> {
        std::mem::take(&mut self.state.lock().unwrap().queued)
    }

    /// What `SendEmail` accepted since this was last asked.
    pub(crate) fn take_mails(&self) -> Vec<Value> {
        std::mem::take(&mut self.state.lock().unwrap().mails)
    }
}

async fn answer(State(aws): State<Aws>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let signed = headers.get("authorization").and_then(|value| value.to_str().ok());
    assert!(signed.is_some_and(|value| value.starts_with("AWS4-HMAC-SHA256 ")));
    let target = headers.get("x-amz-target").map(|value| value.to_str().unwrap());
    let call: Value = serde_json::from_slice(&body).unwrap();
    let mut state = aws.state.lock().unwrap();
    match (target, uri.path()) {
        (Some("secretsmanager.GetSecretValue"), "/") => state.secret(&call),
        (Some("AmazonSQS.SendMessage"), "/") => state.queue(call),
        (None, "/v2/email/outbound-emails") => state.mail(call),
        (target, path) => panic!("our program has no business with {target:?} {path}"),
    }
}

fn refusal(status: u16, code: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    let headers = [("x-amzn-errortype", code.to_owned())];
    (status, headers, json!({"__type": code, "message": "canary@words.of.aws"}).to_string())
        .into_response()
}

impl Calls {
    fn secret(&mut self, call: &Value) -> Response {
        self.secrets_fetched += 1;
        if self.secrets_are_down {
            return refusal(400, "AccessDeniedException");
        }
        let arn = call["SecretId"].as_str().unwrap();
        let versions = self.secrets.get(arn).map(Vec::as_slice).unwrap_or_default();
        let back = if call["VersionStage"] == "AWSPREVIOUS" { 2 } else { 1 };
        let Some(index) = versions.len().checked_sub(back) else {
            return refusal(400, "ResourceNotFoundException");
        };
        let answer = json!({
            "ARN": arn,
            "Name": "secret",
            "VersionId": format!("version-{index}"),
            "SecretString": versions[index],
            "VersionStages": [call["VersionStage"]],
            "CreatedDate": self.created_at,
        });
        answer.to_string().into_response()
    }

    fn queue(&mut self, call: Value) -> Response {
        self.queued.push(call);
        json!({"MessageId": "059f36b4-87a3-44ab-83d2-661975830a7d"}).to_string().into_response()
    }

    fn mail(&mut self, call: Value) -> Response {
        let to = call["Destination"]["ToAddresses"][0].as_str().unwrap();
        if let Some((_, status, code)) = self.refused.iter().find(|(address, ..)| address == to) {
            return refusal(*status, code);
        }
        self.mails.push(call);
        json!({"MessageId": "0100019a"}).to_string().into_response()
    }
}
