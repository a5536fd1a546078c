//! 64 callers who all want a password hash at once, served in two ways:
//!
//! - `fresh`: the `argon2` crate in `spawn_blocking`, with new memory for each hash, as is usual;
//! - `pool`: `Argon2idHasher`, with as many threads as cores.
//!
//! Parameters, password and runtime are the same. Each run is a process of its own, so that its peak
//! memory is its own; the two take turns. Linux only: the figures are read from `/proc/self`.
//!
//! `cargo run --release -p benches --bin hash_storm [ROUNDS] [SECONDS]`, by default 3 and 5.
#![expect(clippy::print_stdout, reason = "a program that reports figures")]

use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs};

use adapters_local::Argon2idSettings;
use anyhow::{Context, Result, bail, ensure};
use argon2::{Algorithm, Argon2, Params, Version};
use benches::bare_pool;
use benches::process::Tree;
use benches::statistics::median;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

const CALLERS: usize = 64;
const VARIANTS: [&str; 2] = ["fresh", "pool"];
/// Asks for one run in this process: `--run VARIANT SECONDS`.
const RUN: &str = "--run";

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments {
        [RUN, variant, seconds] => run(variant, seconds.parse()?),
        [] => compare(3, 5),
        [rounds] => compare(rounds.parse()?, 5),
        [rounds, seconds] => compare(rounds.parse()?, seconds.parse()?),
        _ => bail!("usage: hash_storm [ROUNDS] [SECONDS]"),
    }
}

/// What one run measured.
#[derive(Clone, Copy)]
struct Figures {
    hashes_per_second: f64,
    cpu_ms_per_hash: f64,
    peak_mib: f64,
}

fn compare(rounds: usize, seconds: u64) -> Result<()> {
    ensure!(rounds > 0, "at least one round");
    let Argon2idSettings { memory_kib, passes, lanes, threads, .. } = Argon2idSettings::default();
    println!(
        "Argon2id m={memory_kib} KiB t={passes} p={lanes}, {CALLERS} callers, {threads} cores"
    );
    println!("{:>8}  {:>8}  {:>11}  {:>8}", "", "hashes/s", "CPU ms/hash", "peak MiB");
    let mut runs = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for (variant, runs) in VARIANTS.iter().zip(&mut runs) {
            let figures = run_in_a_process(variant, seconds)?;
            print(variant, figures);
            runs.push(figures);
        }
    }
    println!("medians of {rounds}");
    let [fresh, pool] = runs.map(|runs| Figures::median(&runs));
    print("fresh", fresh);
    print("pool", pool);
    println!(
        "the pool makes {:.2} x the hashes a second, with {:.2} x the CPU a hash, in 1/{:.0} of the memory",
        pool.hashes_per_second / fresh.hashes_per_second,
        pool.cpu_ms_per_hash / fresh.cpu_ms_per_hash,
        fresh.peak_mib / pool.peak_mib,
    );
    Ok(())
}

fn print(name: &str, figures: Figures) {
    let Figures { hashes_per_second, cpu_ms_per_hash, peak_mib } = figures;
    println!("{name:>8}  {hashes_per_second:>8.1}  {cpu_ms_per_hash:>11.2}  {peak_mib:>8.1}");
}

fn run_in_a_process(variant: &str, seconds: u64) -> Result<Figures> {
    let output =
        Command::new(env::current_exe()?).args([RUN, variant, &seconds.to_string()]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Figures::read(&String::from_utf8(output.stdout)?).context("a run's figures")
}

impl Figures {
    fn read(line: &str) -> Result<Self> {
        let figures: Vec<f64> =
            line.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        let [hashes_per_second, cpu_ms_per_hash, peak_mib] = *figures else {
            bail!("three figures expected");
        };
        Ok(Self { hashes_per_second, cpu_ms_per_hash, peak_mib })
    }

    fn median(runs: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| median(runs.iter().map(figure));
        Self {
            hashes_per_second: of(|run| run.hashes_per_second),
            cpu_ms_per_hash: of(|run| run.cpu_ms_per_hash),
            peak_mib: of(|run| run.peak_mib),
        }
    }
}

fn run(variant: &str, seconds: u64) -> Result<()> {
    let runtime = Runtime::new()?;
    let cpu_before = cpu_ms()?;
    let begun = Instant::now();
    let until = begun + Duration::from_secs(seconds);
    let hashes = match variant {
        "fresh" => runtime.block_on(fresh(until))?,
        "pool" => runtime.block_on(bare_pool::hash_until(CALLERS, until))?,
        _ => bail!("no such variant"),
    };
    let elapsed = begun.elapsed().as_secs_f64();
    let cpu_ms = cpu_ms()? - cpu_before;
    let hashes = f64::from(hashes);
    println!("{} {} {}", hashes / elapsed, cpu_ms / hashes, peak_mib()?);
    Ok(())
}

/// Each caller asks again as soon as it is answered, and stops with the first answer after `until`.
async fn fresh(until: Instant) -> Result<u32> {
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        callers.spawn(async move {
            let mut hashes = 0;
            while Instant::now() < until {
                tokio::task::spawn_blocking(hash_in_fresh_memory).await??;
                hashes += 1;
            }
            Ok(hashes)
        });
    }
    bare_pool::sum(callers).await
}

fn hash_in_fresh_memory() -> Result<[u8; 32]> {
    let Argon2idSettings { memory_kib, passes, lanes, .. } = Argon2idSettings::default();
    let params = Params::new(memory_kib, passes, lanes, Some(32))?;
    let mut output = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into(
        bare_pool::PASSWORD.as_bytes(),
        &[7; 16],
        &mut output,
    )?;
    Ok(output)
}

fn cpu_ms() -> Result<f64> {
    Ok(1000.0 * Tree::of(std::process::id()).cpu()?.as_secs_f64())
}

/// The most memory that this process ever held (proc_pid_status(5), `VmHWM`, in KiB).
fn peak_mib() -> Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.split_whitespace().next())
        .context("VmHWM in /proc/self/status")?;
    Ok(peak.parse::<f64>()? / 1024.0)
}
