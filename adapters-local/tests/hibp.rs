//! Have I Been Pwned over real HTTP, to a stand-in on this machine.
#![cfg(feature = "hibp")]
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "functions of tests may fail their test"
)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use adapters_local::{HibpRange, HibpSettings};
use auth_domain::ports::BreachedPasswords;
use auth_domain::{Password, PortError, PortErrorKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The SHA-1 of "password" is 5BAA6 and this.
const SUFFIX: &str = "1E4C9B93F3F0682250B6CF8331B7EE68FD8";
const OTHER: &str = "0018A45C4D1DEF81644B54AB7F969B88D65";

/// What it does on a connection, given the path that was asked for.
type Behaviour = Arc<dyn Fn(&str) -> Reply + Send + Sync>;

enum Reply {
    /// Sends this, and waits for the next request.
    Bytes(Vec<u8>),
    /// Sends this, and closes.
    Last(Vec<u8>),
    /// Sends this, and then nothing for ever.
    Stall(Vec<u8>),
}

struct StandIn {
    url: String,
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl StandIn {
    async fn start(behaviour: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stand_in = Self { url, connections: Arc::default(), requests: Arc::default() };
        let (connections, requests) =
            (Arc::clone(&stand_in.connections), Arc::clone(&stand_in.requests));
        let behaviour: Behaviour = Arc::new(behaviour);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(talk(connection, Arc::clone(&behaviour), Arc::clone(&requests)));
            }
        });
        stand_in
    }

    /// Answers each request with this text and the status 200.
    async fn answering(text: impl Into<String>) -> Self {
        let text = text.into();
        Self::start(move |_| Reply::Bytes(response("200 OK", &text))).await
    }

    /// Answers each request with this status, and a text that would mean "not breached".
    async fn refusing(status: &'static str) -> Self {
        Self::start(move |_| Reply::Bytes(response(status, &format!("{OTHER}:1")))).await
    }

    fn adapter(&self) -> HibpRange {
        self.adapter_with(|_| ())
    }

    fn adapter_with(&self, change: impl FnOnce(&mut HibpSettings)) -> HibpRange {
        let mut settings = HibpSettings::new("example-service");
        settings.base_url.clone_from(&self.url);
        change(&mut settings);
        HibpRange::new(settings).unwrap()
    }

    async fn ask(&self) -> Result<bool, PortError> {
        ask(&self.adapter()).await
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn talk(
    mut connection: TcpStream,
    behaviour: Behaviour,
    requests: Arc<Mutex<Vec<String>>>,
) -> std::io::Result<()> {
    loop {
        let request = read_request(&mut connection).await?;
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        requests.lock().unwrap().push(request);
        match behaviour(&path) {
            Reply::Bytes(bytes) => connection.write_all(&bytes).await?,
            Reply::Last(bytes) => return connection.write_all(&bytes).await,
            Reply::Stall(bytes) => {
                connection.write_all(&bytes).await?;
                std::future::pending::<()>().await;
            }
        }
    }
}

/// To the end of its headers; these requests have no body.
async fn read_request(connection: &mut TcpStream) -> std::io::Result<String> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(connection.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&request).into_owned())
}

fn response(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

async fn ask(adapter: &HibpRange) -> Result<bool, PortError> {
    adapter.contains(&Password::new("password").unwrap()).await
}

mod laws {
    use std::collections::HashMap;

    use auth_domain::conformance::breached_passwords::HELD;
    use sha1::{Digest, Sha1};

    use super::*;

    /// The range API over a few passwords: the suffixes under a prefix, padded as the real one pads.
    async fn holding(held: &[&str]) -> StandIn {
        let mut ranges: HashMap<String, String> = HashMap::new();
        for password in held {
            let digest = Sha1::digest(password.as_bytes());
            let hex: String = digest.iter().map(|byte| format!("{byte:02X}")).collect();
            let range = ranges.entry(format!("/range/{}", &hex[..5])).or_default();
            *range += &format!("{}:3\r\n", &hex[5..]);
        }
        StandIn::start(move |path| {
            let range = ranges.get(path).cloned().unwrap_or_default();
            Reply::Bytes(response("200 OK", &format!("{range}{OTHER}:0\r\n")))
        })
        .await
    }

    auth_domain::breached_passwords_conformance! {
        test: tokio::test,
        adapter: Arc::new(holding(&HELD).await.adapter()),
    }
}

#[tokio::test]
async fn five_digits_leave_the_process_and_nothing_else_of_the_password() {
    let stand_in = StandIn::answering(format!("{OTHER}:2\r\n{SUFFIX}:9545824")).await;
    assert!(stand_in.ask().await.unwrap());
    let requests = stand_in.requests();
    let mut lines: Vec<_> = requests[0].trim_end().split("\r\n").collect();
    assert_eq!(lines.remove(0), "GET /range/5BAA6 HTTP/1.1");
    lines.sort_unstable();
    let host = format!("host: {}", stand_in.url.trim_start_matches("http://"));
    assert_eq!(lines, ["add-padding: true", &host, "user-agent: example-service"]);
    assert_eq!(requests.len(), 1);
}

#[tokio::test]
async fn a_mirror_may_have_a_path() {
    let stand_in = StandIn::answering(format!("{SUFFIX}:1")).await;
    let adapter = stand_in.adapter_with(|settings| settings.base_url += "/hibp/");
    assert!(ask(&adapter).await.unwrap());
    assert!(stand_in.requests()[0].starts_with("GET /hibp/range/5BAA6 HTTP/1.1\r\n"));
}

#[tokio::test]
async fn an_entry_is_found_in_either_case_and_padding_is_not() {
    let lower = SUFFIX.to_lowercase();
    for (answer, found) in [
        (format!("{OTHER}:2\r\n{SUFFIX}:1\r\n"), true),
        (format!("{lower}:1"), true),
        (format!("{OTHER}:2\r\n{SUFFIX}:0"), false),
        (format!("{OTHER}:2"), false),
    ] {
        assert_eq!(
            StandIn::answering(answer.clone()).await.ask().await.unwrap(),
            found,
            "{answer}"
        );
    }
}

#[tokio::test]
async fn one_connection_serves_one_question_after_the_other() {
    let stand_in = StandIn::answering(format!("{SUFFIX}:1")).await;
    let adapter = stand_in.adapter();
    for _ in 0..3 {
        assert!(ask(&adapter).await.unwrap());
    }
    assert_eq!(stand_in.requests().len(), 3);
    assert_eq!(stand_in.connections.load(Ordering::SeqCst), 1);
}

#[track_caller]
fn is_of_kind(outcome: &Result<bool, PortError>, kind: PortErrorKind) {
    let error = outcome.as_ref().expect_err("it is not known whether the password leaked");
    assert_eq!(error.kind(), kind, "{}", error.with_causes());
    assert_eq!(error.operation(), "breached_passwords.contains");
    let told = format!("{} {error:?}", error.with_causes());
    for secret in ["5BAA6", "1E4C9", "password\"", "/range"] {
        assert!(!told.contains(secret), "{told}");
    }
}

#[tokio::test]
async fn other_statuses_are_errors_and_say_whether_waiting_helps() {
    for (status, kind) in [
        ("429 Too Many Requests", PortErrorKind::Throttled),
        ("500 Internal Server Error", PortErrorKind::Unavailable),
        ("503 Service Unavailable", PortErrorKind::Unavailable),
        ("400 Bad Request", PortErrorKind::Rejected),
        ("403 Forbidden", PortErrorKind::Rejected),
        ("404 Not Found", PortErrorKind::Rejected),
        ("204 No Content", PortErrorKind::Rejected),
    ] {
        is_of_kind(&StandIn::refusing(status).await.ask().await, kind);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = StandIn::answering(format!("{OTHER}:1")).await;
    let location = format!("{}/range/5BAA6", elsewhere.url);
    let head = format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
    let stand_in = StandIn::start(move |_| Reply::Bytes(head.clone().into_bytes())).await;
    is_of_kind(&stand_in.ask().await, PortErrorKind::Rejected);
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_is_not_a_no() {
    for answer in ["", "<html>busy</html>", &format!("{OTHER}:1\r\n{SUFFIX}")] {
        is_of_kind(&StandIn::answering(answer).await.ask().await, PortErrorKind::Corrupt);
    }
    let not_http = StandIn::start(|_| Reply::Last(b"220 mail.example.com\r\n".to_vec())).await;
    is_of_kind(&not_http.ask().await, PortErrorKind::Unavailable);
}

#[tokio::test]
async fn half_an_answer_is_not_a_no() {
    let whole = response("200 OK", &format!("{OTHER}:1\r\n{SUFFIX}:1\r\n"));
    let half = whole[..whole.len() - SUFFIX.len() - 4].to_vec();
    let stand_in = StandIn::start(move |_| Reply::Last(half.clone())).await;
    is_of_kind(&stand_in.ask().await, PortErrorKind::Unavailable);
}

#[tokio::test]
async fn an_answer_beyond_the_cap_is_not_read_to_its_end() {
    let line = format!("{OTHER}:1\r\n");
    let fits = line.repeat(1024 / line.len());
    let most = |settings: &mut HibpSettings| settings.most_bytes = 1024;
    let stand_in = StandIn::answering(fits.clone()).await;
    assert!(!ask(&stand_in.adapter_with(most)).await.unwrap());
    let stand_in = StandIn::answering(fits + &line).await;
    is_of_kind(&ask(&stand_in.adapter_with(most)).await, PortErrorKind::Corrupt);
    // Without a length, and without an end.
    let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", line.repeat(100));
    let stand_in = StandIn::start(move |_| Reply::Stall(endless.clone().into_bytes())).await;
    is_of_kind(&ask(&stand_in.adapter_with(most)).await, PortErrorKind::Corrupt);
}

#[tokio::test]
async fn silence_is_an_error_wherever_it_begins() {
    let whole = response("200 OK", &format!("{OTHER}:1\r\n"));
    for bytes in [0, 10, whole.len() - 5] {
        let part = whole[..bytes].to_vec();
        let stand_in = StandIn::start(move |_| Reply::Stall(part.clone())).await;
        let hurried = |settings: &mut HibpSettings| settings.timeout = Duration::from_millis(100);
        is_of_kind(&ask(&stand_in.adapter_with(hurried)).await, PortErrorKind::Unavailable);
    }
}

#[tokio::test]
async fn nobody_there_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let nobody = StandIn { url, connections: Arc::default(), requests: Arc::default() };
    is_of_kind(&nobody.ask().await, PortErrorKind::Unavailable);
}

#[tokio::test]
async fn a_server_without_tls_is_not_believed_where_tls_is_asked() {
    let stand_in = StandIn::answering(format!("{OTHER}:1")).await;
    let https = stand_in.url.replace("http://", "https://");
    let adapter = stand_in.adapter_with(|settings| {
        settings.base_url = https;
        settings.timeout = Duration::from_millis(200);
    });
    is_of_kind(&ask(&adapter).await, PortErrorKind::Unavailable);
}

#[tokio::test]
async fn debug_shows_nothing() {
    let stand_in = StandIn::answering("").await;
    assert_eq!(format!("{:?}", stand_in.adapter()), "HibpRange { .. }");
}
