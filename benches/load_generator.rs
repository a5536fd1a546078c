//! The load generator by itself, against any HTTP/1.1 server on this machine or near it.
//!
//! Closed, 64 clients: `cargo run --release -p benches --bin load_generator -- --clients 64 http://127.0.0.1:3000/healthz`.
//! Open, 700 logins a second of a hundred users:
//! `... --bin load_generator -- --rate 700 --count 100 --json '{"email":"user{n}@example.com","password":"..."}' URL`.
#![expect(clippy::print_stdout, reason = "a program that reports figures")]

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use benches::load::{Load, Loop, Sample, Samples, run};
use benches::process::Tree;
use clap::Parser;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Method, Request, Uri};

/// Asks a server, and says how soon it answered.
#[derive(Parser)]
struct Arguments {
    /// What to ask: http, and a name or an address.
    url: Uri,
    /// Closed loop: so many clients, each of which asks again when it is answered.
    #[arg(long, required_unless_present = "rate", conflicts_with = "rate")]
    clients: Option<usize>,
    /// Open loop: so many requests a second, whatever becomes of those before. Times count from when a request
    /// was due.
    #[arg(long)]
    rate: Option<f64>,
    /// Seconds to measure, after one that is not.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// In a closed loop, milliseconds that a client waits after a 503.
    #[arg(long, default_value_t = 1000)]
    after_refusal: u64,
    /// Body, in JSON; the request is then a POST. `{n}` becomes the number of the request.
    #[arg(long)]
    json: Option<String>,
    /// Numbers start again at 0 after so many.
    #[arg(long, default_value_t = u64::MAX, hide_default_value = true)]
    count: u64,
    /// Further headers: `Name: value`.
    #[arg(long)]
    header: Vec<String>,
    /// Process to read CPU and memory of, with its children. Linux.
    #[arg(long)]
    pid: Option<u32>,
}

impl Arguments {
    fn address(&self) -> Result<SocketAddr> {
        ensure!(self.url.scheme_str() == Some("http"), "the URL must be of http");
        let host = self.url.host().context("the URL names no host")?;
        let mut addresses = (host, self.url.port_u16().unwrap_or(80)).to_socket_addrs()?;
        addresses.next().with_context(|| format!("{host} has no address"))
    }

    fn how(&self) -> Result<Loop> {
        Ok(match (self.clients, self.rate) {
            (Some(clients), _) => {
                let after_refusal = Duration::from_millis(self.after_refusal);
                Loop::Closed { clients, after_refusal }
            }
            (_, Some(per_second)) => Loop::Open { per_second },
            _ => anyhow::bail!("--clients or --rate"),
        })
    }

    fn requests(&self) -> Result<impl Fn(u64) -> Request<Full<Bytes>> + use<>> {
        let path = self.url.path_and_query().context("the URL has no path")?;
        let mut template = Request::new(self.json.clone());
        *template.uri_mut() = path.as_str().parse()?;
        if self.json.is_some() {
            *template.method_mut() = Method::POST;
            template
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for header in &self.header {
            let (name, value) = header.split_once(':').context("a header is Name: value")?;
            let name = HeaderName::from_bytes(name.trim().as_bytes())?;
            template.headers_mut().insert(name, value.trim().parse()?);
        }
        let count = self.count.max(1);
        Ok(move |number: u64| {
            let number = (number % count).to_string();
            template.clone().map(|body| body.unwrap_or_default().replace("{n}", &number).into())
        })
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    ensure!(arguments.seconds > 0.0, "--seconds must be more than none");
    run(measure(arguments))
}

async fn measure(arguments: Arguments) -> Result<()> {
    let process = arguments.pid.map(Tree::of);
    let cpu = || process.map(Tree::cpu).transpose();
    let load = Load::start(arguments.address()?, arguments.how()?, arguments.requests()?);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (from, before) = (load.elapsed(), cpu()?);
    tokio::time::sleep(Duration::from_secs_f64(arguments.seconds)).await;
    let (to, after) = (load.elapsed(), cpu()?);
    let answers = load.samples().answered_within(from, to);
    print(&answers, (to - from).as_secs_f64())?;
    if let (Some(process), Some(before), Some(after)) = (process, before, after) {
        let cpu = after.saturating_sub(before).as_secs_f64();
        println!(
            "CPU {:.3} ms an answer, {:.2} cores; {:.1} MB in memory now",
            1000.0 * cpu / answers.count() as f64,
            cpu / (to - from).as_secs_f64(),
            process.memory()? as f64 / 1e6
        );
    }
    Ok(())
}

fn print(answers: &Samples, seconds: f64) -> Result<()> {
    println!("| status | a second | p50 ms | p90 | p99 | p99.9 | most |");
    println!("|---|---|---|---|---|---|---|");
    for status in answers.statuses() {
        let with_it = answers.with_status(status);
        let histogram = with_it.histogram()?;
        let millis = |share: f64| histogram.value_at_quantile(share) as f64 / 1000.0;
        let name = if status == Sample::FAILED { "failed".to_owned() } else { status.to_string() };
        println!(
            "| {name} | {:.1} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} |",
            with_it.count() as f64 / seconds,
            millis(0.5),
            millis(0.9),
            millis(0.99),
            millis(0.999),
            millis(1.0)
        );
    }
    Ok(())
}
