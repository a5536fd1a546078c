//! What a stranger learns of an address from time: whether anything that a server answers alike for all
//! addresses takes longer for some, and how well a threshold tells them apart.
//!
//! Run it: `cargo run --release -p benches --bin enumeration [-- N] [--undefended]`. It builds the example
//! server, runs it over SQLite in the folder for temporary files, and asks it N times (10,000) about addresses of
//! each state, in turns, by HTTP on one connection. Linux only: the server's CPU is read from `/proc`.
//!
//! Fails if two answers differ in a byte but for `Date` and `X-Request-Id`, or if an AUC is beyond the bar that it prints. With
//! `--undefended` the server is started without the hash for accounts that are not there, and it fails if
//! that is not found out (N is then 500).
#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a program that talks to who started it"
)]

#[path = "enumeration/accounts.rs"]
mod accounts;
#[path = "enumeration/auc.rs"]
mod auc;
#[path = "enumeration/client.rs"]
mod client;
#[path = "enumeration/cpu.rs"]
mod cpu;
#[path = "enumeration/report.rs"]
mod report;
#[path = "enumeration/request.rs"]
mod request;
#[path = "enumeration/states.rs"]
mod states;
#[path = "enumeration/trial.rs"]
mod trial;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, ensure};
use benches::example_server;
use fastrand::Rng;

use report::{Finding, Report};
use states::{Group, Standing};
use trial::Bench;

/// Of addresses, order and sources.
const SEED: u64 = 1;
/// A group that is under no bar is asked so many times less.
const LESS_FOR_A_REFERENCE: usize = 5;
/// An undefended server must be found out by an AUC of 0.9.
const FOUND_OUT: f64 = 0.4;

struct Arguments {
    rounds: Option<usize>,
    undefended: bool,
}

impl Arguments {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut parsed = Self { rounds: None, undefended: false };
        for argument in arguments {
            if argument == "--undefended" {
                parsed.undefended = true;
            } else {
                parsed.rounds = Some(argument.parse()?);
            }
        }
        ensure!(
            parsed.rounds.is_none_or(|rounds| rounds >= 10),
            "at least ten requests for each state"
        );
        Ok(parsed)
    }
}

fn main() -> Result<ExitCode> {
    ensure!(!cfg!(debug_assertions), "a debug build says nothing: use --release");
    let Arguments { rounds, undefended } = Arguments::parse(std::env::args().skip(1))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let bench = Bench {
        program: example_server::build()?,
        arguments: if undefended { &["--danger-skip-stand-in-hash"] } else { &[] },
        hash: runtime.block_on(accounts::hash_today())?,
        runtime,
        rng: Rng::with_seed(SEED),
    };
    eprintln!("seed {SEED}");
    if undefended {
        find_out(bench, rounds.unwrap_or(500))
    } else {
        hold(bench, rounds.unwrap_or(10_000))
    }
}

/// Whether all states of each group look alike.
fn hold(mut bench: Bench, rounds: usize) -> Result<ExitCode> {
    let mut findings = Vec::new();
    for group in states::groups() {
        let rounds = match group.standing {
            Standing::Held => rounds,
            Standing::Reference => rounds / LESS_FOR_A_REFERENCE,
        };
        findings.push(measure(&mut bench, group, rounds)?);
    }
    let report = Report::new(findings, rounds);
    println!("{report}");
    let offenders = report.offenders();
    for offender in &offenders {
        println!("BEYOND THE BAR: {offender}");
    }
    Ok(if offenders.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether this bench would see what it looks for.
fn find_out(mut bench: Bench, rounds: usize) -> Result<ExitCode> {
    let finding = measure(&mut bench, states::undefended(), rounds)?;
    let is_found_out = finding.distance_by_time() > FOUND_OUT;
    println!("{}", Report::new(vec![finding], rounds));
    println!(
        "the undefended server is {}",
        if is_found_out { "found out" } else { "NOT FOUND OUT" }
    );
    Ok(if is_found_out { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn measure(bench: &mut Bench, group: Group, rounds: usize) -> Result<Finding> {
    let (title, begin) = (group.title, Instant::now());
    eprintln!("{title}: {rounds} requests for each of {} states", group.states.len());
    let figures = bench.run(&group, rounds)?;
    eprintln!("  {:.0} s", begin.elapsed().as_secs_f64());
    Ok(Finding::new(group, rounds, &figures))
}
