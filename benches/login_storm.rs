//! Sixty-four clients that log in at once, against the example server as a process of its own: what
//! each is answered and when, how long a health check takes meanwhile, and how large the server grows.
//!
//! Run it: `cargo run --release -p benches --bin login_storm`. It builds the server first. A number
//! after `--` changes the 10 seconds. Linux only: memory is read from `/proc`.
#![expect(clippy::print_stdout, reason = "it prints what it measured")]

mod example_server;

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use example_server::Server;
use serde_json::{Value, json};

const CLIENTS: usize = 64;

fn main() -> Result<()> {
    let seconds = std::env::args().nth(1).map_or(Ok(10), |text| text.parse())?;
    let server = start(&example_server::build()?)?;
    let register = json!({"email": "ann@example.com", "password": PASSWORD, "name": "Ann"});
    ensure!(post(&agent(), &server.url("register"), &register)?.status == 201, "not registered");
    println!("idle: {} KiB resident", server.memory("VmRSS:")?);

    let over = AtomicBool::new(false);
    let (mut logins, mut checks) = (Vec::new(), Vec::new());
    thread::scope(|scope| -> Result<()> {
        let clients: Vec<_> =
            (0..CLIENTS).map(|_| scope.spawn(|| log_in_until(&over, &server))).collect();
        let checker = scope.spawn(|| check_until(&over, &server));
        thread::sleep(Duration::from_secs(seconds));
        over.store(true, Ordering::Relaxed);
        for client in clients {
            logins.extend(client.join().map_err(|_| anyhow::anyhow!("a client panicked"))??);
        }
        checks = checker.join().map_err(|_| anyhow::anyhow!("the checker panicked"))??;
        Ok(())
    })?;

    println!("peak: {} KiB resident", server.memory("VmHWM:")?);
    report(&logins, &checks, seconds)
}

fn report(logins: &[Answer], checks: &[Duration], seconds: u64) -> Result<()> {
    for status in [200, 503] {
        let of_status = logins.iter().filter(|answer| answer.status == status);
        let times: Vec<_> = of_status.clone().map(|answer| answer.time).collect();
        let rate = u64::try_from(times.len())? / seconds;
        println!("login {status}: {rate} a second, {}", percentiles(times));
        let told = of_status.filter(|answer| answer.retry_after).count();
        println!("login {status}: {told} with Retry-After");
    }
    let others = logins.iter().filter(|answer| ![200, 503].contains(&answer.status)).count();
    println!("login, any other answer: {others}");
    println!("health check meanwhile: {}", percentiles(checks.to_vec()));
    Ok(())
}

fn percentiles(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |share: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index into a sample of less than 2^52"
        )]
        let index = (times.len() as f64 * share) as usize;
        times.get(index.min(times.len().saturating_sub(1))).copied().unwrap_or_default()
    };
    format!("p50 {:.1?}, p99 {:.1?}, most {:.1?}, of {}", at(0.5), at(0.99), at(1.0), times.len())
}

const PASSWORD: &str = "correct horse battery";

struct Answer {
    status: u16,
    retry_after: bool,
    time: Duration,
}

fn log_in_until(over: &AtomicBool, server: &Server) -> Result<Vec<Answer>> {
    let (agent, url) = (agent(), server.url("login"));
    let login = json!({"email": "ann@example.com", "password": PASSWORD});
    let mut answers = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let answer = post(&agent, &url, &login)?;
        // A client that is told to come back later does so, if sooner than the whole second it was told.
        if answer.status == 503 {
            thread::sleep(Duration::from_millis(20));
        }
        answers.push(answer);
    }
    Ok(answers)
}

fn check_until(over: &AtomicBool, server: &Server) -> Result<Vec<Duration>> {
    let (agent, url) = (agent(), format!("http://{}/healthz", server.address));
    let mut times = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let start = Instant::now();
        agent.get(&url).call()?.body_mut().read_to_vec()?;
        times.push(start.elapsed());
        thread::sleep(Duration::from_millis(5));
    }
    Ok(times)
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).build().into()
}

fn post(agent: &ureq::Agent, url: &str, body: &Value) -> Result<Answer> {
    let start = Instant::now();
    let mut response =
        agent.post(url).header("Content-Type", "application/json").send(body.to_string())?;
    response.body_mut().read_to_vec()?;
    let retry_after = response.headers().contains_key("retry-after");
    Ok(Answer { status: response.status().as_u16(), retry_after, time: start.elapsed() })
}

fn start(executable: &Path) -> Result<Server> {
    Server::start(
        Command::new(executable)
            .env("AUTH_LISTEN", "127.0.0.1:0")
            .env("AUTH_STORE", "memory")
            .env("AUTH_HASH_THREADS", "2")
            .env("AUTH_RATE_LIMITS", "off"),
    )
}

impl Server {
    fn url(&self, call: &str) -> String {
        format!("http://{}/auth/{call}", self.address)
    }

    fn memory(&self, name: &str) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find(|line| line.starts_with(name)).context("not Linux")?;
        Ok(line.split_whitespace().nth(1).context("no figure")?.parse()?)
    }
}
