//! SES (v2), SQS and Secrets Manager on one port of their own: the calls that the adapters make, in the
//! services' protocols, with answers that a test scripts. Give its `endpoint` to the SDK.
//!
//! A refusal quotes the whole request, as AWS' do, so that a test sees whether anybody keeps it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    GetSecretValue,
    SendEmail,
    SendMessage,
}

/// How a call is answered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    /// As the service would.
    Good,
    /// As the service would, but late.
    GoodAfter(Duration),
    /// Refused, quoting the request.
    Refuse { status: u16, code: &'static str },
    /// Refused in these words.
    RefuseSaying { status: u16, code: &'static str, words: &'static str },
    /// Something that is none of the service's.
    Garbage { status: u16 },
    /// Done, but the connection is cut instead of an answer.
    DoneAndCut,
}

/// A call that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) operation: Operation,
    /// The request's body.
    pub(crate) body: Value,
    /// Whether the service did what was asked.
    pub(crate) is_done: bool,
}

pub(crate) struct AwsStub {
    /// `http://127.0.0.1:<port>`
    pub(crate) endpoint: String,
    world: Arc<World>,
}

#[derive(Default)]
struct World {
    calls: Mutex<Vec<Call>>,
    next: Mutex<HashMap<Operation, VecDeque<Answer>>>,
    always: Mutex<HashMap<Operation, Answer>>,
    /// By id and staging label.
    secrets: Mutex<HashMap<(String, String), Value>>,
}

impl AwsStub {
    /// Starts it; it runs as long as the test's runtime. Everything is answered well.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let world = Arc::new(World::default());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&world));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { endpoint, world }
    }

    /// The next calls are answered so, one for each answer; those after them as ever.
    pub(crate) fn next(&self, operation: Operation, answers: impl IntoIterator<Item = Answer>) {
        self.world.next.lock().unwrap().entry(operation).or_default().extend(answers);
    }

    /// Every call is answered so from now on.
    pub(crate) fn always(&self, operation: Operation, answer: Answer) {
        self.world.always.lock().unwrap().insert(operation, answer);
    }

    /// What arrived so far, oldest first.
    pub(crate) fn calls(&self, operation: Operation) -> Vec<Call> {
        let calls = self.world.calls.lock().unwrap();
        calls.iter().filter(|call| call.operation == operation).cloned().collect()
    }

    /// Labels a version of a secret; `value` is `{"SecretString": ..}` or `{"SecretBinary": base64}`.
    pub(crate) fn put_secret(&self, id: &str, stage: &str, version: &str, value: Value) {
        let mut answer = json!({ "ARN": id, "Name": id, "VersionId": version });
        answer.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
        self.world.secrets.lock().unwrap().insert((id.to_owned(), stage.to_owned()), answer);
    }

    /// The messages that SQS took, as the event that Lambda hands to its function.
    pub(crate) fn sqs_event(&self) -> Value {
        let taken = self.calls(Operation::SendMessage).into_iter().filter(|call| call.is_done);
        let record = |(i, call): (usize, Call)| {
            json!({
                "messageId": format!("message-{i}"),
                "receiptHandle": "AQEB",
                "body": call.body["MessageBody"],
                "attributes": {
                    "ApproximateReceiveCount": "1",
                    "SentTimestamp": "1700000000000",
                    "SenderId": "AIDA",
                    "ApproximateFirstReceiveTimestamp": "1700000000001",
                },
                "messageAttributes": {},
                "md5OfBody": "0",
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:mail",
                "awsRegion": "us-east-1",
            })
        };
        json!({ "Records": taken.enumerate().map(record).collect::<Vec<_>>() })
    }
}

impl World {
    fn answer_to(&self, operation: Operation) -> Answer {
        let scripted = self.next.lock().unwrap().get_mut(&operation).and_then(VecDeque::pop_front);
        let always = self.always.lock().unwrap().get(&operation).copied();
        scripted.or(always).unwrap_or(Answer::Good)
    }

    /// What the service answers where nothing is scripted.
    fn good(&self, operation: Operation, body: &Value) -> Response {
        let id = self.calls.lock().unwrap().len();
        let answer = match operation {
            Operation::SendEmail | Operation::SendMessage => json!({ "MessageId": id.to_string() }),
            Operation::GetSecretValue => {
                let text = |name: &str| body[name].as_str().unwrap_or("AWSCURRENT").to_owned();
                let key = (text("SecretId"), text("VersionStage"));
                match self.secrets.lock().unwrap().get(&key) {
                    Some(secret) => secret.clone(),
                    None => return refusal(400, "ResourceNotFoundException", "no such secret"),
                }
            }
        };
        response(200, &answer)
    }
}

async fn answer(
    State(world): State<Arc<World>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(operation) = operation(&uri, &headers) else {
        return refusal(404, "UnknownOperationException", uri.path());
    };
    let answer = world.answer_to(operation);
    let quoted = String::from_utf8_lossy(&body).into_owned();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let is_done = matches!(answer, Answer::Good | Answer::GoodAfter(_) | Answer::DoneAndCut);
    world.calls.lock().unwrap().push(Call { operation, body: body.clone(), is_done });
    match answer {
        Answer::Good => world.good(operation, &body),
        Answer::GoodAfter(pause) => {
            tokio::time::sleep(pause).await;
            world.good(operation, &body)
        }
        Answer::Refuse { status, code } => refusal(status, code, &quoted),
        Answer::RefuseSaying { status, code, words } => refusal(status, code, words),
        Answer::Garbage { status } => {
            let status = StatusCode::from_u16(status).unwrap();
            (status, format!("<html>{quoted}</html>")).into_response()
        }
        // Ends the connection's task, and with it the connection, without a word.
        Answer::DoneAndCut => std::panic::resume_unwind(Box::new("cut")),
    }
}

fn operation(uri: &Uri, headers: &HeaderMap) -> Option<Operation> {
    match headers.get("x-amz-target").map(|target| target.as_bytes()) {
        Some(b"AmazonSQS.SendMessage") => Some(Operation::SendMessage),
        Some(b"secretsmanager.GetSecretValue") => Some(Operation::GetSecretValue),
        None if uri.path() == "/v2/email/outbound-emails" => Some(Operation::SendEmail),
        _ => None,
    }
}

/// In all three protocols at once: the SDK takes the code from a header or from `__type`.
fn refusal(status: u16, code: &str, words: &str) -> Response {
    let body = json!({ "__type": code, "message": words });
    let headers =
        [("x-amzn-errortype", code.to_owned()), ("x-amzn-query-error", format!("{code};Sender"))];
    (headers, response(status, &body)).into_response()
}

fn response(status: u16, body: &Value) -> Response {
    let headers = [("content-type", "application/json"), ("x-amzn-requestid", "stub-request")];
    (StatusCode::from_u16(status).unwrap(), headers, body.to_string()).into_response()
}
