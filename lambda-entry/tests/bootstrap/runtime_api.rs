//! The Runtime API of Lambda (version 2018-06-01), and our program as the runtime that polls it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// More than any answer takes on a busy machine; only a program that hangs meets it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the runtime sent for an event: its response, or the error that it reported.
pub(crate) type Outcome = Result<Value, Value>;

/// The program: the one that was built for these tests, or the one that `AUTH_TEST_BOOTSTRAP` names, such
/// as the artefact of a deployment.
pub(crate) fn bootstrap() -> OsString {
    let named = std::env::var_os("AUTH_TEST_BOOTSTRAP");
    named.unwrap_or_else(|| env!("CARGO_BIN_EXE_bootstrap").into())
}

struct Invocation {
    event: String,
    time_left: Duration,
    answer: oneshot::Sender<Outcome>,
}

struct Lambda {
    events: tokio::sync::Mutex<mpsc::UnboundedReceiver<Invocation>>,
    running: Mutex<BTreeMap<String, oneshot::Sender<Outcome>>>,
    invocations: AtomicU64,
    init_error: Mutex<Option<Value>>,
}

/// One instance of the function: the program and its own Runtime API.
pub(crate) struct Instance {
    lambda: Arc<Lambda>,
    events: mpsc::UnboundedSender<Invocation>,
    child: Child,
    output: Arc<Mutex<String>>,
    readers: [JoinHandle<()>; 2],
}

impl Instance {
    /// Starts the program with these variables and those of Lambda, and no others.
    pub(crate) async fn start(variables: &BTreeMap<String, String>) -> Self {
        let (events, queue) = mpsc::unbounded_channel();
        let lambda = Arc::new(Lambda {
            events: tokio::sync::Mutex::new(queue),
            running: Mutex::default(),
            invocations: AtomicU64::new(0),
            init_error: Mutex::default(),
        });
        let address = serve(Arc::clone(&lambda)).await;
        let mut child = Command::new(bootstrap())
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", address)
            .env("AWS_LAMBDA_FUNCTION_NAME", "alcolook-auth")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .envs(variables)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let output = Arc::new(Mutex::default());
        let readers = [
            collect(child.stdout.take().unwrap(), Arc::clone(&output)),
            collect(child.stderr.take().unwrap(), Arc::clone(&output)),
        ];
        Self { lambda, events, child, output, readers }
    }

    /// What comes of an event for which the function has 29 s, as behind API Gateway.
    pub(crate) async fn try_invoke(&self, event: &Value) -> Outcome {
        self.invoke_within(event, Duration::from_secs(29)).await
    }

    pub(crate) async fn invoke_within(&self, event: &Value, time_left: Duration) -> Outcome {
        let (answer, answered) = oneshot::channel();
        let event = event.to_string();
        assert!(self.events.send(Invocation { event, time_left, answer }).is_ok());
        let answer = tokio::time::timeout(PATIENCE, answered).await;
        answer
            .unwrap_or_else(|_| panic!("no answer; the program wrote:\n{}", self.output()))
            .unwrap()
    }

    pub(crate) async fn invoke(&self, event: &Value) -> Value {
        self.try_invoke(event).await.unwrap_or_else(|error| {
            panic!("the program reported {error} and wrote:\n{}", self.output())
        })
    }

    /// The lines that have come so far.
    fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    /// Ends the program. All lines that it wrote: none is written after its answers.
    pub(crate) async fn stop(&mut self) -> String {
        self.child.kill().await.unwrap();
        self.whole_output().await
    }

    /// All lines of a program that has ended.
    pub(crate) async fn whole_output(&mut self) -> String {
        for reader in &mut self.readers {
            reader.await.unwrap();
        }
        self.output()
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// How the program ended by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        tokio::time::timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap()
    }

    /// What the program told Lambda before it could take events.
    pub(crate) fn init_error(&self) -> Option<Value> {
        self.lambda.init_error.lock().unwrap().clone()
    }
}

fn collect(
    pipe: impl AsyncRead + Send + Unpin + 'static,
    output: Arc<Mutex<String>>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut lines = BufReader::new(pipe).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let mut output = output.lock().unwrap();
            output.push_str(&line);
            output.push('\n');
        }
    })
}

async fn serve(lambda: Arc<Lambda>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let runtime = Router::new()
        .route("/invocation/next", get(next))
        .route("/invocation/{id}/response", post(response))
        .route("/invocation/{id}/error", post(error))
        .route("/init/error", post(init_error));
    let server = Router::new().nest("/2018-06-01/runtime", runtime).with_state(lambda);
    tokio::spawn(async move { axum::serve(listener, server).await.unwrap() });
    address
}

async fn next(State(lambda): State<Arc<Lambda>>) -> Response {
    let Some(invocation) = lambda.events.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let Invocation { event, time_left, answer } = invocation;
    let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + time_left;
    let number = lambda.invocations.fetch_add(1, Ordering::Relaxed);
    let id = format!("8476a536-e9f4-11e8-9739-{number:012x}");
    lambda.running.lock().unwrap().insert(id.clone(), answer);
    let arn = "arn:aws:lambda:us-east-1:123456789012:function:alcolook-auth";
    let trace = "Root=1-6922b1d0-5f2c1a0e7b3d4c5a6f7e8d90;Parent=0123456789abcdef;Sampled=1";
    let headers = [
        ("Lambda-Runtime-Aws-Request-Id", id),
        ("Lambda-Runtime-Deadline-Ms", deadline.as_millis().to_string()),
        ("Lambda-Runtime-Invoked-Function-Arn", arn.to_owned()),
        ("Lambda-Runtime-Trace-Id", trace.to_owned()),
        ("Content-Type", "application/json".to_owned()),
    ];
    (headers, event).into_response()
}

impl Lambda {
    fn answer(&self, id: &str, outcome: Outcome) -> StatusCode {
        let answer = self.running.lock().unwrap().remove(id);
        match answer.map(|answer| answer.send(outcome)) {
            Some(_) => StatusCode::ACCEPTED,
            None => StatusCode::BAD_REQUEST,
        }
    }
}

fn json(body: &Bytes) -> Value {
    serde_json::from_slice(body).unwrap()
}

async fn response(
    State(lambda): State<Arc<Lambda>>,
    Path(id): Path<String>,
    body: Bytes,
) -> StatusCode {
    lambda.answer(&id, Ok(json(&body)))
}

async fn error(
    State(lambda): State<Arc<Lambda>>,
    Path(id): Path<String>,
    body: Bytes,
) -> StatusCode {
    lambda.answer(&id, Err(json(&body)))
}

async fn init_error(State(lambda): State<Arc<Lambda>>, body: Bytes) -> StatusCode {
    *lambda.init_error.lock().unwrap() = Some(json(&body));
    StatusCode::ACCEPTED
}
