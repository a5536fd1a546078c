//! What the example server tells of itself: a collector of OpenTelemetry and a reader of Prometheus' format take
//! from it what real ones would.
#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

#[path = "telemetry/collector.rs"]
mod collector;
#[path = "telemetry/exposition.rs"]
mod exposition;
mod process;

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode};
use serde_json::{Value, json};

use collector::Collector;
use process::Server;

const EMAIL: &str = "canary.reader@example.com";
const PASSWORD: &str = "canary horse battery";
const WRONG: &str = "canary that does not fit";

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";
const AMAZON_TRACE: &str = "5759e988bd862e3fe1be46a994272793";
const AMAZON_PARENT: &str = "53995c3f42cd8ad8";

impl Server {
    fn post(&self, path: &str, body: &Value, header: Option<(&str, &str)>) -> (u16, Value) {
        let agent: ureq::Agent =
            ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut request = agent
            .post(format!("http://{}/auth/{path}", self.address))
            .header("Content-Type", "application/json");
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let mut response = request.send(body.to_string()).unwrap();
        let text = response.body_mut().read_to_string().unwrap();
        (response.status().as_u16(), serde_json::from_str(&text).unwrap())
    }

    fn login(&self, email: &str, password: &str, header: Option<(&str, &str)>) -> (u16, Value) {
        self.post("login", &json!({"email": email, "password": password}), header)
    }

    /// In good order, which sends what is left.
    fn stop(mut self) {
        let told = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(told.success() && self.child.wait().unwrap().success());
    }
}

/// The page of the metrics, once it counts a mail as sent: that comes after the mail itself.
fn scraped(url: &str) -> String {
    let give_up = Instant::now() + Duration::from_secs(20);
    loop {
        let mut response = ureq::get(url).call().unwrap();
        assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4");
        let page = response.body_mut().read_to_string().unwrap();
        if page.contains("auth_mails_total{") {
            return page;
        }
        assert!(Instant::now() < give_up, "no mail was sent: {page}");
        std::thread::yield_now();
    }
}

/// What one life at a server left behind.
struct Seen {
    collector: Collector,
    page: String,
    secrets: Vec<String>,
}

/// One sign-up; four logins, two of them part of callers' traces; guesses at nobody's account until they
/// have to wait.
async fn live() -> Seen {
    let (collector, url) = Collector::start().await;
    let settings = [
        ("AUTH_OTLP_ENDPOINT", url.as_str()),
        ("AUTH_METRICS_LISTEN", "127.0.0.1:0"),
        ("AUTH_SERVICE_NAME", "Watched"),
    ];
    let server = Server::start("server", &settings);
    let metrics = server.line_with("Metrics: http://").split_off("Metrics: ".len());
    let mut secrets = vec![EMAIL.to_owned(), PASSWORD.to_owned(), WRONG.to_owned()];

    let sign_up = json!({"email": EMAIL, "password": PASSWORD, "name": "Canary"});
    assert_eq!(server.post("register", &sign_up, None).0, 201);
    let link = server.line_with("/verify-email?token=");
    secrets.push(link.split("token=").nth(1).unwrap().to_owned());

    let of_w3c = format!("00-{TRACE}-{PARENT}-01");
    let of_amazon = format!(
        "Root=1-{}-{};Parent={AMAZON_PARENT};Sampled=1",
        &AMAZON_TRACE[..8],
        &AMAZON_TRACE[8..]
    );
    for header in [
        None,
        Some(("traceparent", of_w3c.as_str())),
        Some(("X-Amzn-Trace-Id", of_amazon.as_str())),
        Some(("traceparent", "canary")),
    ] {
        let (status, login) = server.login(EMAIL, PASSWORD, header);
        assert_eq!(status, 200);
        for token in ["access_token", "refresh_token", "device_token"] {
            secrets.push(login[token].as_str().unwrap().to_owned());
        }
    }
    for guess in 0..6 {
        let (status, _) = server.login("canary.nobody@example.com", WRONG, None);
        assert_eq!(status, if guess < 5 { 401 } else { 429 });
    }
    let page = scraped(&metrics);
    server.stop();
    Seen { collector, page, secrets }
}

/// The spans of a trace, each by the names of all that lead to it from `parent`, and they must.
fn below(spans: &[Span], trace: &str, parent: &str) -> Vec<String> {
    let of_trace: Vec<_> = spans.iter().filter(|span| hex(&span.trace_id) == trace).collect();
    let path = |span: &Span| {
        let (mut path, mut above) = (span.name.clone(), hex(&span.parent_span_id));
        while above != parent {
            let next = of_trace.iter().find(|span| hex(&span.span_id) == above);
            let next = next.unwrap_or_else(|| panic!("{path} hangs in the air"));
            path = format!("{} > {path}", next.name);
            above = hex(&next.parent_span_id);
        }
        path
    };
    of_trace.iter().map(|span| path(span)).collect()
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

const OF_A_LOGIN: [&str; 8] = [
    "rate_limiter.hit",
    "password_hasher.reserve",
    "attempt_store.begin",
    "user_store.find_by_email",
    "password_hasher.verify",
    "session_store.create",
    "token_issuer.issue",
    "attempt_store.clear",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_and_prometheus_are_told_what_happened_and_not_to_whom() {
    let Seen { collector, page, secrets } = live().await;
    let spans = collector.spans();

    for (trace, parent) in [(TRACE, PARENT), (AMAZON_TRACE, AMAZON_PARENT)] {
        let paths = below(&spans, trace, parent);
        for operation in OF_A_LOGIN {
            let path = format!("POST /auth/login > login > {operation}");
            assert!(paths.contains(&path), "{path} in {paths:#?}");
        }
    }
    let stores = spans.iter().filter(|span| span.name == "user_store.find_by_email");
    let kinds: Vec<_> = stores.map(|span| (span.kind(), failed(span))).collect();
    assert!(
        kinds.len() >= 9 && kinds.iter().all(|kind| *kind == (SpanKind::Client, false)),
        "{kinds:?}"
    );

    assert_eq!(collector.services(), ["Watched"]);
    counted(&collector.series());
    agrees(&exposition::read(&page), &collector.series());

    for sent in [String::from_utf8_lossy(&collector.bytes()).into_owned(), page] {
        assert!(sent.contains("user_store.find_by_email"), "something was looked at");
        for secret in &secrets {
            assert!(!sent.contains(secret.as_str()), "{secret:?} was told");
        }
        assert!(!sent.contains("canary") && !sent.contains("127.0.0.1"));
    }
}

fn failed(span: &Span) -> bool {
    span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error)
}

fn counted(metrics: &BTreeMap<String, u64>) {
    for (series, count) in [
        ("auth.registrations auth.outcome=success", 1),
        ("auth.logins auth.outcome=success", 4),
        ("auth.logins auth.login.failure=unknown_account auth.outcome=credentials_rejected", 5),
        ("auth.logins auth.outcome=too_many_attempts", 1),
        ("auth.rate_limit.denials auth.outcome=too_many_attempts auth.use_case=login", 1),
        ("auth.mails auth.outcome=sent", 1),
        ("auth.hash.queue.wait", 10),
        ("auth.hash.duration", 10),
        ("auth.hash.queue.depth", 0),
        ("auth.port.duration auth.port.operation=password_hasher.verify", 9),
        ("auth.port.duration auth.port.operation=user_store.insert", 1),
        ("auth.port.duration auth.port.operation=session_store.create", 4),
        ("auth.port.duration auth.port.operation=mailer.send", 1),
        (
            "http.server.request.duration http.request.method=POST http.response.status_code=200 http.route=/auth/login url.scheme=http",
            4,
        ),
        (
            "http.server.request.duration http.request.method=POST http.response.status_code=429 http.route=/auth/login url.scheme=http",
            1,
        ),
    ] {
        assert_eq!(metrics.get(series), Some(&count), "{series} in {metrics:#?}");
    }
}

/// Nothing was asked of the server between the two but to stop.
fn agrees(page: &BTreeMap<String, f64>, sent: &BTreeMap<String, u64>) {
    for expected in ["auth_logins_total auth_outcome=success", "auth_mails_total auth_outcome=sent"]
    {
        assert!(page.contains_key(expected), "{expected} in {page:#?}");
    }
    for (series, count) in sent {
        let suffixes = ["_total", "_seconds_count", ""];
        let names = suffixes.map(|suffix| exposition::named(series, suffix));
        let shown = names.iter().find_map(|name| page.get(name));
        assert_eq!(shown.map(|count| *count as u64), Some(*count), "{names:?} in {page:#?}");
    }
}
