//! Stands between a client and DynamoDB, and does to single calls what a network or AWS may do.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// What becomes of a call.
#[derive(Clone, Debug)]
pub(crate) enum Fate {
    /// An answer in the place of DynamoDB, which never sees the call: an error's code, or a body.
    Answered(u16, Value),
    /// The call lands, and its answer is lost.
    AnswerLost,
    /// The connection breaks before the call lands.
    Lost,
    /// The call waits until it is told to go on.
    Held(Arc<Notify>),
    /// No answer ever comes.
    Silence,
    Untouched,
}

impl Fate {
    /// A refusal as DynamoDB words it, with something in it that must not be seen anywhere.
    pub(crate) fn refused(code: &str) -> Self {
        let kind = format!("com.amazonaws.dynamodb.v20120810#{code}");
        Self::Answered(400, json!({ "__type": kind, "message": "canary ann@example.com" }))
    }
}

type Plan = Box<dyn FnMut(usize, &str) -> Fate + Send>;

/// A call that came by.
#[derive(Clone, Debug)]
pub(crate) struct Passed {
    /// Read and write request units.
    pub(crate) units: (f64, f64),
}

pub(crate) struct Proxy {
    pub(crate) endpoint: String,
    state: Arc<Mutex<State>>,
}

struct State {
    plan: Plan,
    passed: Vec<Passed>,
    came: Arc<Notify>,
}

impl Proxy {
    pub(crate) async fn before(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let plan: Plan = Box::new(|_, _| Fate::Untouched);
        let state = Arc::new(Mutex::new(State { plan, passed: Vec::new(), came: Arc::default() }));
        let (upstream, shared) =
            (upstream.trim_start_matches("http://").to_owned(), Arc::clone(&state));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (upstream, state) = (upstream.clone(), Arc::clone(&shared));
                tokio::spawn(async move { serve(client, &upstream, &state).await });
            }
        });
        Self { endpoint, state }
    }

    /// From now on the nth call (from 0) of an operation meets what `plan` says.
    pub(crate) fn plan(&self, plan: impl FnMut(usize, &str) -> Fate + Send + 'static) {
        let mut state = self.state.lock().unwrap();
        state.plan = Box::new(plan);
        state.passed.clear();
    }

    /// Waits until the nth call since the plan was made (from 0) has come.
    pub(crate) async fn reached(&self, call: usize) {
        let came = Arc::clone(&self.state.lock().unwrap().came);
        while self.passed().len() <= call {
            came.notified().await;
        }
    }

    /// The calls since the plan was made.
    pub(crate) fn passed(&self) -> Vec<Passed> {
        self.state.lock().unwrap().passed.clone()
    }
}

async fn serve(client: TcpStream, upstream: &str, state: &Mutex<State>) -> Option<()> {
    let mut client = BufReader::new(client);
    loop {
        let (head, body) = message(&mut client).await?;
        let operation = header(&head, "x-amz-target")?.split_once('.')?.1.to_owned();
        let (place, fate) = {
            let mut state = state.lock().unwrap();
            let place = state.passed.len();
            state.passed.push(Passed { units: (0.0, 0.0) });
            state.came.notify_one();
            (place, (state.plan)(place, &operation))
        };
        match fate {
            Fate::Lost => return None,
            Fate::Silence => std::future::pending().await,
            Fate::Answered(status, body) => {
                client.write_all(&answer(status, &body.to_string())).await.ok()?;
            }
            Fate::AnswerLost => {
                forward(upstream, &head, &body).await?;
                return None;
            }
            Fate::Held(_) | Fate::Untouched => {
                if let Fate::Held(gate) = fate {
                    gate.notified().await;
                }
                let (head, body) = forward(upstream, &head, &body).await?;
                let units = units(&operation, &head, &body);
                if let Some(passed) = state.lock().unwrap().passed.get_mut(place) {
                    passed.units = units;
                }
                client.write_all(&[head.as_bytes(), &body].concat()).await.ok()?;
            }
        }
    }
}

/// Asks for the price too.
async fn forward(upstream: &str, head: &str, body: &[u8]) -> Option<(String, Vec<u8>)> {
    let mut body: Value = serde_json::from_slice(body).ok()?;
    body["ReturnConsumedCapacity"] = json!("TOTAL");
    let body = body.to_string();
    let mut lines: Vec<String> = head
        .lines()
        .filter(|line| !line.is_empty() && !line.to_lowercase().starts_with("content-length:"))
        .map(str::to_owned)
        .collect();
    lines.push(format!("content-length: {}\r\n\r\n", body.len()));
    let mut server = BufReader::new(TcpStream::connect(upstream).await.ok()?);
    server.write_all((lines.join("\r\n") + &body).as_bytes()).await.ok()?;
    message(&mut server).await
}

/// A failed condition costs what the write would have cost (one unit, of a small item), and its answer
/// does not say so.
fn units(operation: &str, head: &str, body: &[u8]) -> (f64, f64) {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    // A list where a call may be about several tables.
    let consumed = &answer["ConsumedCapacity"];
    let each = consumed.as_array().map_or(std::slice::from_ref(consumed), Vec::as_slice);
    let units = each.iter().filter_map(|table| table["CapacityUnits"].as_f64()).sum();
    match operation {
        "GetItem" | "Query" => (units, 0.0),
        _ if head.starts_with("HTTP/1.1 400") => (0.0, 1.0),
        _ => (0.0, units),
    }
}

async fn message(stream: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let length = header(&head, "content-length").map_or(Some(0), |text| text.parse().ok())?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some((head, body))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn answer(status: u16, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} Scripted\r\ncontent-type: application/x-amz-json-1.0\r\n\
         x-amzn-requestid: REQUEST-1\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}
