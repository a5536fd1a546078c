//! Checking tokens here, by npm `fast-jwt` without its cache, by npm `jose` and by PyJWT, side by side in one
//! run: `cargo run --release -p benches --bin token_rate [ROUNDS]`. Needs node and npm; PyJWT is left out where
//! there is no python3 with venv.
//!
//! The same tokens on all sides, one thread each, one side at work at a time and in turns, so that
//! whatever else the machine does meets all. Fails if a median ratio to `fast-jwt` is below its bar.
#![expect(clippy::print_stdout, reason = "a program that talks to who started it")]

use std::hint::black_box;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use adapters_local::{
    CompatibilityIssuer, CompatibilityVerifier, JwtIssuer, JwtVerifier, OsEntropy, SigningKey,
    SystemClock, TokenProfile,
};
use anyhow::{Context as _, Result, ensure};
use auth_domain::ports::{Clock as _, TokenIssuer, TokenVerifier as _};
use auth_domain::{
    Claims, CredentialVersion, DisplayName, Email, SessionId, SignedToken, Timestamp, UserId,
};
use base64ct::{Base64, Base64UrlUnpadded, Encoding as _};
use benches::statistics::median;
use serde_json::{Value, json};

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
/// A peer, and its folder here.
const FAST_JWT: &str = "fast-jwt";
/// How long one side works in a round, before the other has its turn.
const TURN: Duration = Duration::from_millis(500);

type Verify = Box<dyn Fn(&str, Timestamp) -> bool>;

/// One algorithm: our way to check its token, and how many times faster than that of
/// `fast-jwt` it must be.
struct Contest {
    algorithm: &'static str,
    bar: f64,
    token: String,
    /// What the peers check with.
    key: String,
    verify: Verify,
}

impl Contest {
    /// Microseconds for one check here.
    fn ours(&self, times: u32) -> f64 {
        let clock = SystemClock::new();
        let begin = Instant::now();
        for _ in 0..times {
            assert!((self.verify)(black_box(&self.token), clock.now()), "a good token is refused");
        }
        begin.elapsed().as_secs_f64() * 1e6 / f64::from(times)
    }

    fn question(&self) -> Result<Value> {
        let payload = self.token.split('.').nth(1).context("a token has three parts")?;
        let claims = Base64UrlUnpadded::decode_vec(payload)?;
        let claims: Value = serde_json::from_slice(&claims)?;
        let (algorithm, token, key) = (self.algorithm, &self.token, &self.key);
        Ok(json!({ "algorithm": algorithm, "token": token, "key": key, "claims": claims }))
    }
}

/// Another library, in a process of its own.
struct Peer {
    name: &'static str,
    /// Whether it must be so many times slower than we.
    has_bar: bool,
    child: Child,
    asked: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    fn start(name: &'static str, mut program: Command, contests: &[Contest]) -> Result<Self> {
        program.current_dir(folder(name)).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = program.spawn().with_context(|| format!("{name} does not start"))?;
        let asked = child.stdin.take().context("no pipe to the peer")?;
        let answers = BufReader::new(child.stdout.take().context("no pipe from the peer")?);
        let mut peer = Self { name, has_bar: name == FAST_JWT, child, asked, answers };
        peer.ask(&contests.iter().map(Contest::question).collect::<Result<_>>()?)?;
        Ok(peer)
    }

    fn on_node(name: &'static str, contests: &[Contest]) -> Result<Self> {
        // What the lock file names, no more and no less.
        let mut npm = Command::new("npm");
        npm.args(["ci", "--silent", "--no-fund", "--no-audit", "--ignore-scripts"]);
        let status = npm.current_dir(folder(name)).status();
        let status = status.context("npm does not start: is it installed?")?;
        ensure!(status.success(), "npm ci failed for {name}");
        let mut node = Command::new("node");
        node.arg("verify.mjs");
        Self::start(name, node, contests)
    }

    /// `None` where there is no python3 that can make a virtual environment.
    fn on_python(name: &'static str, contests: &[Contest]) -> Result<Option<Self>> {
        let environment = folder(name).join("venv");
        if !environment.join("bin/pip").exists() {
            let mut venv = Command::new("python3");
            let made = venv.args(["-m", "venv"]).arg(&environment).status();
            if !made.is_ok_and(|status| status.success()) {
                println!("{name} is left out: no python3 with venv here\n");
                return Ok(None);
            }
        }
        let mut pip = Command::new(environment.join("bin/pip"));
        pip.args(["install", "--quiet", "--disable-pip-version-check", "-r", "requirements.txt"]);
        let status = pip.current_dir(folder(name)).status().context("pip does not start")?;
        ensure!(status.success(), "pip install failed for {name}");
        let mut python = Command::new(environment.join("bin/python"));
        python.arg("verify.py");
        Self::start(name, python, contests).map(Some)
    }

    fn ask(&mut self, question: &Value) -> Result<()> {
        Ok(writeln!(self.asked, "{question}")?)
    }

    /// Microseconds for one check there.
    fn takes(&mut self, algorithm: &str, times: u32) -> Result<f64> {
        self.ask(&json!({ "algorithm": algorithm, "times": times }))?;
        let mut line = String::new();
        let length = self.answers.read_line(&mut line)?;
        ensure!(length > 0, "{} ended; its error is above", self.name);
        let answer: Value = serde_json::from_str(&line)?;
        let nanoseconds = answer["nanoseconds"].as_f64().context("a peer answers no figure")?;
        Ok(nanoseconds / 1e3 / f64::from(times))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn claims() -> Result<Claims> {
    let issued_at = Timestamp::from_seconds(SystemClock::new().now().as_seconds());
    Ok(Claims {
        user_id: UserId::from_entropy_bytes([9; 16]),
        session_id: SessionId::from_entropy_bytes([8; 16]),
        email: Email::parse("ann@example.com")?,
        name: DisplayName::parse("Ann")?,
        credential_version: CredentialVersion::FIRST,
        issued_at,
        expires_at: issued_at + Duration::from_hours(1),
    })
}

fn issued(issuer: &impl TokenIssuer) -> Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let token: SignedToken = runtime.block_on(issuer.issue(&claims()?))?;
    Ok(token.expose().to_owned())
}

fn eddsa() -> Result<Contest> {
    let key = SigningKey::ed25519_from_seed(&[3; 32]);
    let public = key.verifying_key();
    let profile = TokenProfile::new("https://auth.example.com", "benches")?;
    let verifier = JwtVerifier::new([public.clone()], profile.clone())?;
    let token = issued(&JwtIssuer::new(key, profile, Arc::new(OsEntropy::new())))?;
    Ok(Contest {
        algorithm: "EdDSA",
        bar: 2.5,
        token,
        key: ed25519_pem(&public.to_jwk())?,
        verify: Box::new(move |token, now| verifier.verify(token, now).is_ok()),
    })
}

/// The key of a JWK as RFC 8410 section 4 writes it, which is what all of them read.
fn ed25519_pem(jwk: &str) -> Result<String> {
    let jwk: Value = serde_json::from_str(jwk)?;
    let x = Base64UrlUnpadded::decode_vec(jwk["x"].as_str().context("a JWK has an x")?)?;
    let der = [b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00", x.as_slice()].concat();
    let base64 = Base64::encode_string(&der);
    Ok(format!("-----BEGIN PUBLIC KEY-----\n{base64}\n-----END PUBLIC KEY-----\n"))
}

fn hs256() -> Result<Contest> {
    let verifier = CompatibilityVerifier::new(SECRET)?;
    Ok(Contest {
        algorithm: "HS256",
        bar: 2.0,
        token: issued(&CompatibilityIssuer::new(SECRET)?)?,
        key: std::str::from_utf8(SECRET)?.to_owned(),
        verify: Box::new(move |token, now| verifier.verify(token, now).is_ok()),
    })
}

/// How many checks fill a turn on a side where one takes so many microseconds.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a small positive figure"
)]
fn turn(microseconds: f64) -> u32 {
    (TURN.as_secs_f64() * 1e6 / microseconds).ceil() as u32
}

/// What a side took in each round, and how much that is of ours in the same round.
#[derive(Default)]
struct Figures {
    microseconds: Vec<f64>,
    ratios: Vec<f64>,
}

impl Figures {
    fn add(&mut self, microseconds: f64, ours: f64) {
        self.microseconds.push(microseconds);
        self.ratios.push(microseconds / ours);
    }

    fn row(&self) -> String {
        let least = self.ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self.ratios.iter().copied().fold(0.0, f64::max);
        let (microseconds, ratio) =
            (median(self.microseconds.iter().copied()), median(self.ratios.iter().copied()));
        format!("{microseconds:.2} | {ratio:.2} ({least:.2} to {most:.2})")
    }
}

/// Whether the median ratio of all rounds reaches the bar.
fn run(contest: &Contest, peers: &mut [Peer], rounds: usize) -> Result<bool> {
    let Contest { algorithm, bar, token, .. } = contest;
    println!("{algorithm}, a token of {} bytes; microseconds a check, medians:\n", token.len());
    // The first turns warm all up, which V8 needs more than we.
    let mut ours = contest.ours(1_000);
    let warm = |peer: &mut Peer| peer.takes(algorithm, 5_000);
    let mut theirs = peers.iter_mut().map(warm).collect::<Result<Vec<_>>>()?;
    let mut here = Figures::default();
    let mut there: Vec<_> = peers.iter().map(|_| Figures::default()).collect();
    for _ in 0..rounds {
        ours = contest.ours(turn(ours));
        here.add(ours, ours);
        for ((peer, last), figures) in peers.iter_mut().zip(&mut theirs).zip(&mut there) {
            *last = peer.takes(algorithm, turn(*last))?;
            figures.add(*last, ours);
        }
    }
    println!("| | us | times ours | bar |\n|---|---|---|---|");
    println!("| ours | {:.2} | | |", median(here.microseconds.iter().copied()));
    let mut reached = true;
    for (peer, figures) in peers.iter().zip(&there) {
        let short = peer.has_bar && median(figures.ratios.iter().copied()) < *bar;
        let verdict = if short { ", MISSED" } else { "" };
        let bar = if peer.has_bar { format!("{bar}{verdict}") } else { String::new() };
        println!("| {} | {} | {bar} |", peer.name, figures.row());
        reached &= !short;
    }
    println!();
    Ok(reached)
}

fn main() -> Result<ExitCode> {
    ensure!(!cfg!(debug_assertions), "a debug build says nothing: use --release");
    let rounds = std::env::args().nth(1).map_or(Ok(9), |rounds| rounds.parse())?;
    ensure!(rounds > 0, "at least one round");
    let contests = [eddsa()?, hs256()?];
    let mut peers = vec![Peer::on_node(FAST_JWT, &contests)?, Peer::on_node("jose", &contests)?];
    peers.extend(Peer::on_python("pyjwt", &contests)?);
    let mut reached = true;
    for contest in &contests {
        reached &= run(contest, &mut peers, rounds)?;
    }
    Ok(if reached { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
