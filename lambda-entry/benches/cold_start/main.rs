//! How long a cold start takes, medians of interleaved runs.
//!
//! First from exec to the first poll for an event: this program, an empty program over `lambda_http`
//! (`examples/empty.rs`), and a Python function that imports boto3 and makes the same four clients, if
//! `AUTH_TEST_MOTO` names a python that has boto3.
//!
//! Then a table with a line for this program, or for each that `AUTH_BENCH_BOOTSTRAPS` names
//! (`name=path,name=path`; `profiles.sh` beside this builds some): its size, and what ten logins and ten
//! checks of a token take of a fresh process each, over TLS to a Secrets Manager and a DynamoDB in this
//! process. Every answer of theirs, and every handshake, is held back by `AUTH_BENCH_AWS_MS` (0).
//!
//! `AWS_LC_SYS_NO_JITTER_ENTROPY=1 cargo bench --profile lambda -p lambda-entry --bench cold_start [-- ROUNDS]`, the
//! variable because `deploy.sh` builds by it.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement")]

mod cloud;
#[path = "../../../adapters-aws/tests/dynamo/mod.rs"]
mod dynamo;
mod requests;
mod run;
mod table;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::cloud::Cloud;
use crate::requests::health;
use crate::run::Lambda;
use crate::table::{Candidate, Line};

const ROUNDS: usize = 20;
const PYTHON: &str = "
import http.client, os
import boto3
clients = [boto3.client(name) for name in ('dynamodb', 'sesv2', 'sqs', 'secretsmanager')]
runtime = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])
runtime.request('GET', '/2018-06-01/runtime/invocation/next')
runtime.getresponse()
";

fn main() {
    let ours = PathBuf::from(env!("CARGO_BIN_EXE_bootstrap"));
    let rounds = rounds();
    let cloud = Cloud::start();
    let lambda = Lambda::start();
    starts(&ours, rounds, &lambda, &cloud);
    let candidates = candidates(&ours);
    let accounts = cloud.accounts(&lambda, &candidates[0].program, rounds * candidates.len());
    let mut lines: Vec<Line> = candidates.iter().map(Line::of).collect();
    for round in 0..rounds {
        // Not always the same one after the same other.
        for place in 0..candidates.len() {
            let index = (round + place) % candidates.len();
            let account = &accounts[round * candidates.len() + index];
            lines[index].measure(&lambda, &cloud, account);
        }
    }
    table::print(&lines);
}

fn rounds() -> usize {
    let mut given = std::env::args().skip(1);
    let number = given.find_map(|argument| argument.parse().ok());
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    number.unwrap_or(if is_bench { ROUNDS } else { 1 })
}

fn candidates(ours: &Path) -> Vec<Candidate> {
    let Ok(named) = std::env::var("AUTH_BENCH_BOOTSTRAPS") else {
        return vec![Candidate::new("this program", ours)];
    };
    let pairs = named.split(',').map(|pair| pair.split_once('=').unwrap());
    pairs.map(|(name, path)| Candidate::new(name, path.as_ref())).collect()
}

fn starts(ours: &Path, rounds: usize, lambda: &Lambda, cloud: &Cloud) {
    let empty = build_empty(ours);
    let python = std::env::var_os("AUTH_TEST_MOTO");
    let mut polls = [Vec::new(), Vec::new(), Vec::new()];
    let (mut answers, mut memory) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let mut run = lambda.run(Command::new(ours), cloud.plain());
        polls[0].push(run.polled);
        run.answer(&health());
        answers.push(run.since_exec());
        memory.push(run.resident_kib());
        polls[1].push(lambda.run(Command::new(&empty), cloud.plain()).polled);
        if let Some(python) = &python {
            let mut command = Command::new(python);
            command.args(["-c", PYTHON]);
            polls[2].push(lambda.run(command, cloud.plain()).polled);
        }
    }
    report(polls, answers, memory);
}

fn report(polls: [Vec<Duration>; 3], answers: Vec<Duration>, memory: Vec<u64>) {
    let [ours, empty, python] = polls.map(median);
    let ours = ours.unwrap();
    let times = |other: Duration| ours.as_secs_f64() / other.as_secs_f64();
    println!("exec to first poll, medians:");
    println!("  this program            {ours:>10.2?}");
    if let Some(empty) = empty {
        println!(
            "  empty lambda_http       {empty:>10.2?}   {:.2} times (at most 3)",
            times(empty)
        );
    }
    match python {
        Some(python) => {
            println!(
                "  Python with boto3       {python:>10.2?}   1/{:.0} (at most 1/20)",
                1.0 / times(python)
            );
        }
        None => println!("  Python: skipped, AUTH_TEST_MOTO does not name a python that has boto3"),
    }
    println!("exec to first answer      {:>10.2?}", median(answers).unwrap());
    println!("resident then             {:>10.1} MiB", median(memory).unwrap() as f64 / 1024.0);
}

fn median<T: Ord + Copy>(mut values: Vec<T>) -> Option<T> {
    values.sort();
    values.get(values.len() / 2).copied()
}

/// `cargo bench` builds no examples.
/// By the profile that ours was built by, whose name is its folder's, but for that of debug builds.
fn build_empty(ours: &Path) -> PathBuf {
    let profile = ours.parent().and_then(Path::file_name).unwrap();
    let profile = if profile == "debug" { OsStr::new("dev") } else { profile };
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--locked", "--example", "empty", "--profile"]);
    build.arg(profile);
    build.current_dir(env!("CARGO_MANIFEST_DIR"));
    assert!(build.status().unwrap().success());
    ours.with_file_name("examples").join("empty")
}
