//! A line for each program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::cloud::Cloud;
use crate::median;
use crate::requests::{Account, check, login};
use crate::run::Lambda;

/// How many requests a process is given.
const REQUESTS: usize = 10;

pub(crate) struct Candidate {
    name: String,
    pub(crate) program: PathBuf,
}

impl Candidate {
    pub(crate) fn new(name: &str, program: &Path) -> Self {
        Self { name: name.to_owned(), program: program.to_owned() }
    }
}

pub(crate) struct Line {
    name: String,
    program: PathBuf,
    logins: Vec<Life>,
    checks: Vec<Life>,
}

/// A process of ten requests of one kind.
struct Life {
    init: Took,
    first: Took,
    tenth: Took,
    resident_kib: u64,
}

#[derive(Clone, Copy)]
struct Took {
    time: Duration,
    cpu: Duration,
}

impl Line {
    pub(crate) fn of(candidate: &Candidate) -> Self {
        let (logins, checks) = Default::default();
        let Candidate { name, program } = candidate;
        Self { name: name.clone(), program: program.clone(), logins, checks }
    }

    /// One process that logs in, and one that checks a token.
    pub(crate) fn measure(&mut self, lambda: &Lambda, cloud: &Cloud, account: &Account) {
        self.logins.push(Life::of(&self.program, lambda, cloud, &login(&account.email)));
        self.checks.push(Life::of(&self.program, lambda, cloud, &check(&account.token)));
    }
}

impl Life {
    fn of(program: &Path, lambda: &Lambda, cloud: &Cloud, event: &Value) -> Self {
        let mut run = lambda.run(Command::new(program), cloud.secured());
        let mut before = run.cpu();
        let init = Took { time: run.polled, cpu: before };
        let mut took = Vec::with_capacity(REQUESTS);
        for _ in 0..REQUESTS {
            let (time, _) = run.answer(event);
            let cpu = run.cpu();
            took.push(Took { time, cpu: cpu - before });
            before = cpu;
        }
        let (first, tenth) = (took[0], took[REQUESTS - 1]);
        Self { init, first, tenth, resident_kib: run.resident_kib() }
    }
}

pub(crate) fn print(lines: &[Line]) {
    println!();
    println!("Times in ms, with CPU of all threads in brackets; sizes in MB, memory in MiB.");
    println!();
    println!(
        "| | program | zipped | init | first login | init + first | tenth login | memory | first check | init + first | tenth check | memory |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
    for line in lines {
        println!("{}", line.row());
    }
}

impl Line {
    fn row(&self) -> String {
        let inits = self.logins.iter().chain(&self.checks).map(|life| life.init).collect();
        let [logins, checks] = [&self.logins, &self.checks].map(|lives| {
            let all = |of: fn(&Life) -> Took| milliseconds(lives.iter().map(of).collect());
            let memory = median(lives.iter().map(|life| life.resident_kib).collect()).unwrap();
            format!(
                "{} | {} | {} | {:.1}",
                all(|life| life.first),
                all(|life| life.init + life.first),
                all(|life| life.tenth),
                memory as f64 / 1024.0
            )
        });
        let bytes = fs::metadata(&self.program).unwrap().len();
        let zipped = zipped(&self.program);
        let [bytes, zipped] = [bytes, zipped].map(|bytes| bytes as f64 / 1e6);
        let init = milliseconds(inits);
        format!("| {} | {bytes:.1} | {zipped:.1} | {init} | {logins} | {checks} |", self.name)
    }
}

impl std::ops::Add for Took {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { time: self.time + other.time, cpu: self.cpu + other.cpu }
    }
}

fn milliseconds(all: Vec<Took>) -> String {
    let time = median(all.iter().map(|took| took.time).collect()).unwrap();
    let cpu = median(all.iter().map(|took| took.cpu).collect()).unwrap();
    format!("{:.2} ({:.2})", time.as_secs_f64() * 1e3, cpu.as_secs_f64() * 1e3)
}

/// By `gzip`, whose format holds what a zip's does.
fn zipped(program: &Path) -> u64 {
    let gzip = Command::new("gzip").arg("-c").arg(program).stdin(Stdio::null()).output();
    gzip.unwrap().stdout.len() as u64
}
