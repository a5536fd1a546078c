//! This project beside its peers, each as a program of its own on the same two cores, in turns: logins at once, what
//! a check of a session costs and how long it takes beside them, memory, start, and what goes on when all clients have
//! gone.
//!
//! `cargo run --release -p benches --bin peers`; `--help` has the rest. It installs the peers first
//! (`peers/install.sh`), builds our server, draws SVGs, and fails below a bar where hashes are equal. Linux.
#![expect(clippy::print_stdout, reason = "a program that reports figures")]

#[path = "peers/dialect.rs"]
mod dialect;
#[path = "peers/round.rs"]
mod round;
#[path = "peers/table.rs"]
mod table;
#[path = "peers/targets.rs"]
mod targets;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use benches::process::Tree;
use benches::{bare_pool, example_server};
use clap::Parser;

use table::Report;
use targets::{Hash, Places, TARGETS, Target};

/// This project beside its peers.
#[derive(Parser)]
struct Arguments {
    /// Each target's turns.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds that each figure is taken over.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Whose password hashes: the same on all sides, or each its own.
    #[arg(long, value_enum, default_value = "equal")]
    hash: Hash,
    /// Only targets whose name holds one of these, separated by commas.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Folder that the SVGs go into.
    #[arg(long, default_value = "target/peers/plots")]
    plots: PathBuf,
    /// The pool alone, for so many seconds: a part of each round.
    #[arg(long, hide = true)]
    bare_pool: Option<u64>,
}

fn main() -> Result<ExitCode> {
    ensure!(!cfg!(debug_assertions), "a debug build says nothing: use --release");
    let arguments = Arguments::parse();
    if let Some(seconds) = arguments.bare_pool {
        return bare_pool_alone(seconds);
    }
    ensure!(arguments.rounds > 0 && arguments.seconds > 0, "at least one round of one second");
    let scratch = tempfile::tempdir()?;
    let places = places(scratch.path())?;
    let targets = arguments.targets(&places);
    ensure!(!targets.is_empty(), "no target of that name is installed");
    let mut report = Report::new(arguments.hash, &targets);
    for number in 1..=arguments.rounds {
        println!("round {number} of {}", arguments.rounds);
        report.pool.push(bare_pool_in_a_process(arguments.seconds)?);
        for (index, target) in targets.iter().enumerate() {
            let figures =
                round::measure(target, &places, &arguments).with_context(|| target.name)?;
            println!("  {}: {figures}", target.name);
            report.rounds[index].push(figures);
        }
    }
    report.draw(&arguments.plots)?;
    println!("{report}");
    Ok(if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Arguments {
    const fn length(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    fn targets(&self, places: &Places) -> Vec<&'static Target> {
        let asked_for = |target: &&Target| {
            self.only.is_empty() || self.only.iter().any(|part| target.name.contains(part.as_str()))
        };
        let is_installed = |target: &&Target| {
            let installed = target.is_installed(places);
            if !installed {
                println!("left out, since it is not installed: {}", target.name);
            }
            installed
        };
        TARGETS.iter().filter(asked_for).filter(is_installed).collect()
    }
}

fn places(scratch: &Path) -> Result<Places> {
    let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
    let server = example_server::build()?;
    // target/release/examples/server
    let target = server.ancestors().nth(3).context("a server outside of a target folder")?;
    let built = target.join("peers");
    println!("installing the peers, which takes minutes for the first time");
    let mut install = Command::new(peers.join("install.sh"));
    let status = install.env("CARGO_TARGET_DIR", target).status()?;
    ensure!(status.success(), "install.sh failed");
    Ok(Places { built, server, peers, scratch: scratch.to_owned() })
}

/// Prints the hashes of a CPU second.
fn bare_pool_alone(seconds: u64) -> Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new()?;
    let until = Instant::now() + Duration::from_secs(seconds);
    let hashes = runtime.block_on(bare_pool::hash_until(64, until))?;
    println!("{}", f64::from(hashes) / Tree::of(std::process::id()).cpu()?.as_secs_f64());
    Ok(ExitCode::SUCCESS)
}

fn bare_pool_in_a_process(seconds: u64) -> Result<f64> {
    let program = std::env::current_exe()?;
    let output = Command::new(program).args(["--bare-pool", &seconds.to_string()]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rate = String::from_utf8(output.stdout)?.trim().parse()?;
    println!("  the bare pool: {rate:.1} hashes a CPU second");
    Ok(rate)
}
