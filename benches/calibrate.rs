//! Which Argon2id parameters fit this machine: measures what memory and passes cost here, with all threads at work,
//! and proposes the most memory that fits a time and a budget.
//!
//! `cargo run --release -p benches --bin calibrate -- --milliseconds 50 --megabytes 128`
//!
//! Run it on the machine, or in the container or function, that will hash. What it proposes is never below
//! OWASP's floor, which is this library's; where that alone does not fit, it says so and fails.
#![expect(clippy::print_stdout, reason = "a program that reports figures")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use adapters_local::{Argon2idHasher, Argon2idSettings, OsEntropy};
use anyhow::{Result, bail, ensure};
use auth_domain::Password;
use auth_domain::ports::{PasswordHasher, Reservation};
use benches::statistics::median;
use clap::Parser;
use tokio::task::JoinSet;

/// Proposes Argon2id parameters for this machine.
#[derive(Parser)]
struct Arguments {
    /// What one hash may take while all threads hash.
    #[arg(long, default_value_t = 50.0)]
    milliseconds: f64,
    /// Memory for all threads together, in units of 10^6 bytes.
    #[arg(long, default_value_t = 128.0)]
    megabytes: f64,
    /// Threads that hash. Default: as many as there are cores.
    #[arg(long)]
    threads: Option<usize>,
    /// Hashes of each thread that a figure is the median of.
    #[arg(long, default_value_t = 15)]
    hashes: usize,
}

/// OWASP's floor of memory by passes; more than three need no more.
const FLOORS: [(u32, u32); 5] = [(1, 47_104), (2, 19_456), (3, 12_288), (4, 12_288), (5, 12_288)];
/// What stored hashes may ask for by default, beyond which settings are refused.
const MOST_KIB: u32 = 65_536;
const STEP_KIB: u32 = 1024;

/// Memory and passes, and what a hash of them takes here.
#[derive(Clone, Copy)]
struct Candidate {
    passes: u32,
    memory_kib: u32,
    took: Duration,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let threads = arguments.threads.unwrap_or(Argon2idSettings::default().threads);
    ensure!(threads > 0 && arguments.hashes > 0, "at least one thread, and one hash");
    let budget_kib = (arguments.megabytes * 1e6 / 1024.0 / threads as f64) as u32;
    let limit = Duration::from_secs_f64(arguments.milliseconds / 1000.0);
    println!("{threads} threads; a hash may take {limit:.1?} and {budget_kib} KiB");
    println!("| t | m KiB | ms a hash | hashes a second | MB in all |");
    println!("|---|---|---|---|---|");
    let mut fitting = Vec::new();
    for (passes, floor_kib) in FLOORS {
        let most_kib = budget_kib.min(most_kib(passes));
        if most_kib < floor_kib {
            println!("| {passes} | | | | OWASP's {floor_kib} KiB do not fit |");
            continue;
        }
        fitting.extend(
            calibrate(passes, floor_kib, most_kib, limit, threads, arguments.hashes).await?,
        );
    }
    propose(&fitting, threads)
}

/// What the ceilings on stored hashes let through, whose product bounds it too.
fn most_kib(passes: u32) -> u32 {
    let ceilings = Argon2idSettings::default().ceilings;
    let by_product = ceilings.memory_kib_times_passes / u64::from(passes);
    MOST_KIB.min(ceilings.memory_kib).min(u32::try_from(by_product).unwrap_or(u32::MAX))
}

/// The most memory that keeps within the limit, of so many passes: time goes by memory, so the floor's tells
/// where to look.
async fn calibrate(
    passes: u32,
    floor_kib: u32,
    most_kib: u32,
    limit: Duration,
    threads: usize,
    hashes: usize,
) -> Result<Option<Candidate>> {
    let mut memory_kib = floor_kib;
    let mut fits: Option<Candidate> = None;
    // Three looks come as near as the noise of a machine lets them.
    for _ in 0..3 {
        let took = measure(passes, memory_kib, threads, hashes).await?;
        let candidate = Candidate { passes, memory_kib, took };
        print(candidate, threads);
        if took <= limit && fits.is_none_or(|best| best.memory_kib < memory_kib) {
            fits = Some(candidate);
        }
        let scaled = f64::from(memory_kib) * limit.as_secs_f64() / took.as_secs_f64();
        let next = (scaled as u32 / STEP_KIB * STEP_KIB).clamp(floor_kib, most_kib);
        if next == memory_kib {
            break;
        }
        memory_kib = next;
    }
    Ok(fits)
}

fn print(candidate: Candidate, threads: usize) {
    let Candidate { passes, memory_kib, took } = candidate;
    let millis = 1000.0 * took.as_secs_f64();
    let each_second = threads as f64 / took.as_secs_f64();
    let megabytes = f64::from(memory_kib) * 1024.0 * threads as f64 / 1e6;
    println!("| {passes} | {memory_kib} | {millis:.1} | {each_second:.0} | {megabytes:.0} |");
}

/// What a hash takes while every thread makes one after the other.
async fn measure(passes: u32, memory_kib: u32, threads: usize, hashes: usize) -> Result<Duration> {
    let mut settings = Argon2idSettings::default();
    (settings.passes, settings.memory_kib, settings.threads) = (passes, memory_kib, threads);
    let hasher = Arc::new(Argon2idHasher::new(settings, Arc::new(OsEntropy::new()))?);
    let mut callers = JoinSet::new();
    for _ in 0..threads {
        let hasher = Arc::clone(&hasher);
        callers.spawn(async move {
            let mut took = Vec::new();
            // The first maps the memory.
            for number in 0..=hashes {
                let begun = Instant::now();
                let Reservation::Slot(slot) = hasher.reserve()? else {
                    bail!("there is a place for every thread");
                };
                slot.hash(Password::new("correct horse battery staple")?).await?;
                if number > 0 {
                    took.push(begun.elapsed().as_secs_f64());
                }
            }
            Ok(took)
        });
    }
    let mut all = Vec::new();
    while let Some(took) = callers.join_next().await {
        all.extend(took??);
    }
    Ok(Duration::from_secs_f64(median(all)))
}

fn propose(fitting: &[Candidate], threads: usize) -> Result<()> {
    // As RFC 9106 section 4 chooses: the most memory, which is what an attacker's hardware has least of, then
    // passes.
    let best = fitting.iter().max_by_key(|candidate| (candidate.memory_kib, candidate.passes));
    let Some(Candidate { passes, memory_kib, .. }) = best else {
        bail!("no parameters at or above OWASP's floor fit: allow more time or memory");
    };
    println!("\nproposed: m = {memory_kib} KiB, t = {passes}, p = 1 on {threads} threads:");
    println!("  settings.memory_kib = {memory_kib}; settings.passes = {passes};");
    Ok(())
}
