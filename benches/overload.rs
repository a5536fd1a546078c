//! The example server under five times as many logins as it can make, coming whether they are answered or not:
//! what its logins cost, how soon it refuses, how large it grows, how soon others are answered, and how soon it
//! is well again.
//!
//! `cargo run --release -p benches --bin overload [SECONDS]`, 60 unless said. It builds the server first, draws
//! `overload.svg` (`--plot PATH` for elsewhere), and fails beyond a bar. Linux.
#![expect(clippy::print_stdout, reason = "a program that reports figures")]

use std::cell::RefCell;
use std::fmt::{self, Display};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use benches::example_server::{self, Server};
use benches::load::{Load, Loop, Requests, Samples, once, run};
use benches::plot::{Line, Panel, draw};
use benches::process::Tree;
use clap::Parser;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until};

/// Five times as many logins as a server can make.
#[derive(Parser)]
struct Arguments {
    /// Seconds of overload.
    #[arg(default_value_t = 60)]
    seconds: u64,
    /// Where the plot goes.
    #[arg(long, default_value = "target/overload.svg")]
    plot: PathBuf,
}

const THREADS: usize = 2;
const MEMORY_OF_A_HASH: u64 = 19_456 * 1024;
const TIMES_CAPACITY: f64 = 5.0;
/// Who logs in, so that no limit by address bites; limits are off besides.
const ACCOUNTS: u64 = 32;
/// Sessions that are refreshed in turn, so that none is asked again before it was answered.
const SESSIONS: u64 = 64;
const PASSWORD: &str = "correct horse battery";

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let server = Server::start(
        Command::new(example_server::build()?)
            .env("AUTH_LISTEN", "127.0.0.1:0")
            .env("AUTH_STORE", "memory")
            .env("AUTH_HASH_THREADS", THREADS.to_string())
            .env("AUTH_RATE_LIMITS", "off"),
    )?;
    let bars = run(measure(&server, Duration::from_secs(arguments.seconds), &arguments.plot))?;
    for bar in &bars {
        println!("{bar}");
    }
    Ok(if bars.iter().all(Bar::holds) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A figure, and what it must not be beyond.
struct Bar {
    what: String,
    figure: f64,
    most: f64,
    unit: &'static str,
}

impl Bar {
    fn new(what: impl Into<String>, figure: f64, most: f64, unit: &'static str) -> Self {
        Self { what: what.into(), figure, most, unit }
    }

    fn holds(&self) -> bool {
        self.figure <= self.most
    }
}

impl Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, figure, most, unit } = self;
        let verdict = if self.holds() { "" } else { "   BEYOND ITS BAR" };
        write!(f, "{what}: {figure:.2} {unit} (at most {most:.2}){verdict}")
    }
}

async fn measure(server: &Server, length: Duration, plot: &Path) -> Result<Vec<Bar>> {
    let service = Service { address: server.address.parse()?, tree: Tree::of(server.child.id()) };
    let idle = service.tree.memory()?;
    let sessions = service.fill().await?;
    let others = Others::start(service.address, &sessions);
    let rest = service.one_by_one(Duration::from_secs(5)).await;
    println!("at rest, one by one: {:.1} ms, p99", millis(rest.quantile(0.99)?));

    // Enough to keep the threads and the queue full, and no more.
    let clients = THREADS + 32;
    let full = Loop::Closed { clients, after_refusal: Duration::from_millis(100) };
    let (before, load) = service.observe(full, Duration::from_secs(10), &others).await?;
    drop(load);
    println!("at capacity: {before}");

    let per_second = TIMES_CAPACITY * before.logins_a_second();
    let (overload, load) = service.observe(Loop::Open { per_second }, length, &others).await?;
    // Nobody hangs up: the queue is still to be worked off.
    load.ask_no_more();
    println!("{TIMES_CAPACITY} times as many: {overload}");
    let recovery = recovery(&rest, &service.one_by_one(Duration::from_secs(5)).await)?;

    // Again, since machines get faster and slower by themselves within a minute.
    let (after, load) = service.observe(full, Duration::from_secs(10), &others).await?;
    drop(load);
    println!("at capacity again: {after}");

    draw(plot, &overload.panels(&others)?)?;
    println!("drawn: {}", plot.display());
    overload.bars([&before, &after], idle, recovery, &others)
}

/// The server, as its clients see it.
struct Service {
    address: SocketAddr,
    tree: Tree,
}

/// A session's two tokens.
struct Session {
    access: String,
    refresh: String,
}

impl Service {
    /// Registers who logs in, and logs in whoever checks and refreshes.
    async fn fill(&self) -> Result<Vec<Session>> {
        for number in 0..ACCOUNTS {
            self.register(&credentials(&email(number))).await?;
        }
        let mut sessions = Vec::new();
        for number in 0..SESSIONS {
            // Accounts of their own: an account has so many sessions at most, and the oldest goes first.
            let credentials = credentials(&format!("session{number}@example.com"));
            self.register(&credentials).await?;
            let (status, body) = self.call("/auth/login", &credentials).await?;
            ensure!(status == 200, "not logged in: {status}");
            let token = |name: &str| {
                body[name].as_str().map(str::to_owned).with_context(|| format!("no {name}"))
            };
            sessions
                .push(Session { access: token("access_token")?, refresh: token("refresh_token")? });
        }
        Ok(sessions)
    }

    async fn register(&self, credentials: &Value) -> Result<()> {
        let mut account = credentials.clone();
        account["name"] = "Ann".into();
        let (status, _) = self.call("/auth/register", &account).await?;
        ensure!(status == StatusCode::CREATED, "not registered: {status}");
        Ok(())
    }

    async fn call(&self, path: &str, body: &Value) -> Result<(StatusCode, Value)> {
        let answer = once(self.address, post(path, body)).await?;
        Ok((answer.status(), serde_json::from_slice(answer.body()).unwrap_or_default()))
    }

    /// Logins that come in this way for so long, after they have come so for two seconds.
    async fn observe(
        &self,
        how: Loop,
        length: Duration,
        others: &Others,
    ) -> Result<(Observation, Load)> {
        let load = Load::start(self.address, how, login);
        sleep(Duration::from_secs(2)).await;
        let (from, others_from) = (load.elapsed(), others.elapsed());
        let cpu = self.tree.cpu()?;
        let memory = self.watch_memory(length).await?;
        let cpu = self.tree.cpu()?.saturating_sub(cpu);
        let (to, others_to) = (load.elapsed(), others.elapsed());
        let answers = load.samples().answered_within(from, to);
        let others = others_from..others_to;
        Ok((Observation { answers, from, to, cpu, memory, others }, load))
    }

    /// Bytes, with the second that they were seen at.
    async fn watch_memory(&self, length: Duration) -> Result<Vec<(f64, u64)>> {
        let begun = Instant::now();
        let mut seen = Vec::new();
        while begun.elapsed() < length {
            seen.push((begun.elapsed().as_secs_f64(), self.tree.memory()?));
            let next = Instant::now() + Duration::from_millis(250);
            sleep_until(next.min(begun + length)).await;
        }
        Ok(seen)
    }

    /// One login after the other, for so long.
    async fn one_by_one(&self, length: Duration) -> Samples {
        let closed = Loop::Closed { clients: 1, after_refusal: Duration::from_millis(10) };
        let load = Load::start(self.address, closed, login);
        sleep(length).await;
        load.samples()
    }
}

/// How long it took until ten logins in a row were answered as soon as 99 of 100 are at rest.
fn recovery(rest: &Samples, after: &Samples) -> Result<Duration> {
    let soon = rest.quantile(0.99)?;
    let mut well_since = Duration::ZERO;
    let mut in_a_row = 0;
    for sample in after.iter() {
        if sample.status == 200 && sample.took <= soon {
            in_a_row += 1;
        } else {
            (in_a_row, well_since) = (0, sample.answered());
        }
        if in_a_row == 10 {
            return Ok(well_since);
        }
    }
    Ok(Duration::MAX)
}

fn email(number: u64) -> String {
    format!("user{}@example.com", number % ACCOUNTS)
}

fn credentials(email: &str) -> Value {
    json!({"email": email, "password": PASSWORD})
}

fn login(number: u64) -> Request<Full<Bytes>> {
    post("/auth/login", &credentials(&email(number)))
}

fn post(path: &str, body: &Value) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::from(body.to_string()));
    *request.method_mut() = hyper::Method::POST;
    *request.uri_mut() = path.parse().unwrap_or_default();
    request.headers_mut().insert("content-type", JSON);
    request
}

const JSON: hyper::header::HeaderValue =
    hyper::header::HeaderValue::from_static("application/json");

/// Those who do not log in, and come all the time.
struct Others {
    health: Load,
    authenticate: Load,
    refresh: Load,
}

impl Others {
    fn start(address: SocketAddr, sessions: &[Session]) -> Self {
        let bearers: Vec<_> =
            sessions.iter().map(|session| format!("Bearer {}", session.access)).collect();
        let authenticate = move |number: u64| {
            let bearer = &bearers[number as usize % bearers.len()];
            get("/auth/me", Some(bearer))
        };
        let tokens = sessions.iter().map(|session| session.refresh.clone()).collect();
        let refresh = Refresh { tokens: RefCell::new(tokens) };
        let each = |per_second| Loop::Open { per_second };
        Self {
            health: Load::start(address, each(20.0), |_| get("/healthz", None)),
            authenticate: Load::start(address, each(50.0), authenticate),
            refresh: Load::start(address, each(10.0), refresh),
        }
    }

    fn elapsed(&self) -> Duration {
        self.health.elapsed()
    }

    fn named(&self) -> [(&'static str, &Load); 3] {
        [
            ("/healthz", &self.health),
            ("authenticate", &self.authenticate),
            ("refresh", &self.refresh),
        ]
    }
}

fn get(path: &'static str, bearer: Option<&String>) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::default());
    *request.uri_mut() = path.parse().unwrap_or_default();
    if let Some(value) = bearer.and_then(|bearer| bearer.parse().ok()) {
        request.headers_mut().insert("authorization", value);
    }
    request
}

/// Each session with its newest token.
struct Refresh {
    tokens: RefCell<Vec<String>>,
}

impl Refresh {
    fn index(&self, number: u64) -> usize {
        number as usize % self.tokens.borrow().len()
    }
}

impl Requests for Refresh {
    fn request(&self, number: u64) -> Request<Full<Bytes>> {
        let token = &self.tokens.borrow()[self.index(number)];
        post("/auth/refresh", &json!({"refresh_token": token}))
    }

    fn answered(&self, number: u64, _: StatusCode, body: &Bytes) {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        if let Some(token) = body["refresh_token"].as_str() {
            let index = self.index(number);
            token.clone_into(&mut self.tokens.borrow_mut()[index]);
        }
    }
}

/// What happened in some seconds.
struct Observation {
    answers: Samples,
    from: Duration,
    to: Duration,
    cpu: Duration,
    /// Seconds and bytes.
    memory: Vec<(f64, u64)>,
    /// When it was, by the clock of the others.
    others: std::ops::Range<Duration>,
}

impl Observation {
    fn logins(&self) -> f64 {
        self.answers.with_status(200).count() as f64
    }

    fn logins_a_second(&self) -> f64 {
        self.logins() / (self.to - self.from).as_secs_f64()
    }

    fn logins_a_cpu_second(&self) -> f64 {
        self.logins() / self.cpu.as_secs_f64()
    }

    fn most_memory(&self) -> u64 {
        self.memory.iter().map(|(_, bytes)| *bytes).max().unwrap_or_default()
    }

    fn of_others(&self, load: &Load) -> Samples {
        load.samples().answered_within(self.others.start, self.others.end)
    }

    fn bars(
        &self,
        at_capacity: [&Self; 2],
        idle: u64,
        recovery: Duration,
        others: &Others,
    ) -> Result<Vec<Bar>> {
        let refusals = self.answers.with_status(503);
        let neither = self.answers.those(|sample| ![200, 503].contains(&sample.status));
        let untold = refusals.those(|sample| !sample.retry_after);
        let [before, after] = at_capacity.map(Self::logins_a_cpu_second);
        let lost = 1.0 - self.logins_a_cpu_second() / f64::midpoint(before, after);
        let grown = self.most_memory().saturating_sub(idle + THREADS as u64 * MEMORY_OF_A_HASH);
        let mut bars = vec![
            Bar::new("logins a CPU second lost to overload", 100.0 * lost, 5.0, "%"),
            Bar::new("refusals, p99", millis(refusals.quantile(0.99)?), 50.0, "ms"),
            Bar::new("refusals without Retry-After", untold.count() as f64, 0.0, ""),
            Bar::new("logins answered otherwise, or not", neither.count() as f64, 0.0, ""),
            Bar::new("memory beyond idle and threads x m", megabytes(grown), 30.0, "MB"),
            Bar::new("recovery after the end", recovery.as_secs_f64(), 1.0, "s"),
        ];
        for (name, load) in others.named() {
            let samples = self.of_others(load);
            ensure!(samples.count() > 0, "{name} was not asked");
            let failed = samples.those(|sample| sample.status != 200);
            bars.push(Bar::new(
                format!("{name}, p99"),
                millis(samples.quantile(0.99)?),
                20.0,
                "ms",
            ));
            bars.push(Bar::new(format!("{name}, other than 200"), failed.count() as f64, 0.0, ""));
        }
        Ok(bars)
    }

    fn panels(&self, others: &Others) -> Result<[Panel; 3]> {
        let rate = |status: u16| {
            let samples = self.answers.with_status(status);
            let points = by_second(&samples, self.from, self.to);
            let counts = points.map(|(second, samples)| (second, samples.count() as f64));
            Line::new(format!("{status}"), counts.collect())
        };
        let mut times = Vec::new();
        for (name, load) in others.named() {
            let samples = self.of_others(load);
            let points = by_second(&samples, self.others.start, self.others.end);
            let slowest =
                points.map(|(second, samples)| Ok((second, millis(samples.quantile(1.0)?))));
            times.push(Line::new(name, slowest.collect::<Result<_>>()?));
        }
        let memory =
            self.memory.iter().map(|(second, bytes)| (*second, megabytes(*bytes))).collect();
        Ok([
            Panel::new("logins a second, by answer", vec![rate(200), rate(503)]),
            Panel::new("slowest answer of each second, ms", times),
            Panel::new("memory, MB", vec![Line::new("resident", memory)]),
        ])
    }
}

impl Display for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refusals = self.answers.with_status(503).count() as f64;
        let seconds = (self.to - self.from).as_secs_f64();
        write!(
            f,
            "{:.1} logins and {:.1} refusals a second, {:.2} cores, {:.1} logins a CPU second, {:.1} MB",
            self.logins_a_second(),
            refusals / seconds,
            self.cpu.as_secs_f64() / seconds,
            self.logins_a_cpu_second(),
            megabytes(self.most_memory()),
        )
    }
}

/// Whole seconds, each with what was answered in it.
fn by_second(
    samples: &Samples,
    from: Duration,
    to: Duration,
) -> impl Iterator<Item = (f64, Samples)> {
    (0..(to - from).as_secs()).map(move |second| {
        let start = from + Duration::from_secs(second);
        (second as f64, samples.answered_within(start, start + Duration::from_secs(1)))
    })
}

fn millis(time: Duration) -> f64 {
    1000.0 * time.as_secs_f64()
}

/// Megabytes of 10^6 bytes.
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
