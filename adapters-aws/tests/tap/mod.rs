//! Between a client and DynamoDB: sees each call, and lets it pass, cuts it off or answers it itself.

use std::future::Future;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// What becomes of a call.
pub(crate) enum Fate {
    /// The answer is this one, and DynamoDB never hears of the call.
    Answer(u16, String),
    /// It is done, and its answer is lost.
    CutAfter,
    /// It is lost before it arrives.
    CutBefore,
    /// It is done, which is told here, and its answer never arrives.
    Hold(Arc<Notify>),
    Pass,
}

#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// From 1, in order of arrival.
    pub(crate) number: usize,
    /// Such as `Scan`.
    pub(crate) operation: String,
    pub(crate) body: String,
}

pub(crate) struct Tap {
    pub(crate) endpoint: String,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Tap {
    /// Before the DynamoDB at `upstream`, with `decide` for each call.
    pub(crate) async fn start<F>(
        upstream: &str,
        decide: impl Fn(Call) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Fate> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let upstream = upstream.trim_start_matches("http://").to_owned();
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (seen, decide) = (Arc::clone(&calls), Arc::new(decide));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, decide) = (Arc::clone(&seen), Arc::clone(&decide));
                let upstream = upstream.clone();
                tokio::spawn(async move {
                    let mut client = BufReader::new(stream);
                    let Some((head, body)) = request(&mut client).await else { return };
                    let call = numbered(&seen, &head, &body);
                    let answer = match decide(call).await {
                        Fate::Answer(status, body) => Some(response(status, &body)),
                        Fate::CutAfter => {
                            forward(&upstream, &head, &body).await;
                            None
                        }
                        Fate::CutBefore => None,
                        Fate::Hold(done) => {
                            forward(&upstream, &head, &body).await;
                            done.notify_one();
                            std::future::pending().await
                        }
                        Fate::Pass => Some(forward(&upstream, &head, &body).await),
                    };
                    if let Some(answer) = answer {
                        // The client may be gone: it was killed.
                        let _ = client.get_mut().write_all(&answer).await;
                    }
                });
            }
        });
        Self { endpoint, calls }
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    pub(crate) fn bodies_of(&self, operation: &str) -> Vec<String> {
        let calls = self.calls().into_iter();
        calls.filter(|call| call.operation == operation).map(|call| call.body).collect()
    }
}

fn numbered(seen: &Mutex<Vec<Call>>, head: &[String], body: &[u8]) -> Call {
    let mut seen = seen.lock().unwrap();
    let call = Call {
        number: seen.len() + 1,
        operation: header(head, "x-amz-target").rsplit('.').next().unwrap().to_owned(),
        body: String::from_utf8(body.to_vec()).unwrap(),
    };
    seen.push(call.clone());
    call
}

async fn request(client: &mut BufReader<TcpStream>) -> Option<(Vec<String>, Vec<u8>)> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if client.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        head.push(line);
    }
    let mut body = vec![0; header(&head, "content-length").parse().unwrap()];
    client.read_exact(&mut body).await.ok()?;
    Some((head, body))
}

fn header<'a>(head: &'a [String], name: &str) -> &'a str {
    let fields = head.iter().skip(1).filter_map(|line| line.split_once(':'));
    let mut named = fields.filter(|(field, _)| field.eq_ignore_ascii_case(name));
    named.next().map_or("", |(_, value)| value.trim())
}

async fn forward(upstream: &str, head: &[String], body: &[u8]) -> Vec<u8> {
    let mut server = TcpStream::connect(upstream).await.unwrap();
    let head: String = head.iter().map(String::as_str).collect();
    server.write_all(format!("{head}connection: close\r\n\r\n").as_bytes()).await.unwrap();
    server.write_all(body).await.unwrap();
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await.unwrap();
    answer
}

fn response(status: u16, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} Scripted\r\ncontent-type: application/x-amz-json-1.0\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
    .into_bytes()
}
