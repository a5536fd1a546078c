//! Checking tokens here and by npm `fast-jwt` without its cache, side by side in one run:
//! `cargo run --release -p benches --bin token_rate [ROUNDS]`. Needs node and npm.
//!
//! The same tokens on both sides, one thread each, one side at work at a time and in turns, so that
//! whatever else the machine does meets both. Fails if a median ratio is below its bar.
#![expect(clippy::print_stdout, reason = "a program that talks to who started it")]

use std::hint::black_box;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
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
use serde_json::{Value, json};

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
/// How long one side works in a round, before the other has its turn.
const TURN: Duration = Duration::from_millis(500);

type Verify = Box<dyn Fn(&str, Timestamp) -> bool>;

/// One algorithm: our way to check its token, and how many times faster than theirs it must be.
struct Contest {
    algorithm: &'static str,
    bar: f64,
    token: String,
    /// What the peer checks with.
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

struct Peer {
    child: Child,
    asked: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    fn start(contests: &[Contest]) -> Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fast-jwt");
        install(&folder)?;
        let mut node = Command::new("node");
        node.arg("verify.mjs").current_dir(&folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = node.spawn().context("node does not start")?;
        let asked = child.stdin.take().context("no pipe to node")?;
        let answers = BufReader::new(child.stdout.take().context("no pipe from node")?);
        let mut peer = Self { child, asked, answers };
        peer.ask(&contests.iter().map(Contest::question).collect::<Result<_>>()?)?;
        Ok(peer)
    }

    fn ask(&mut self, question: &Value) -> Result<()> {
        Ok(writeln!(self.asked, "{question}")?)
    }

    /// Microseconds for one check there.
    fn theirs(&mut self, algorithm: &str, times: u32) -> Result<f64> {
        self.ask(&json!({ "algorithm": algorithm, "times": times }))?;
        let mut line = String::new();
        ensure!(self.answers.read_line(&mut line)? > 0, "node ended; its error is above");
        let answer: Value = serde_json::from_str(&line)?;
        let nanoseconds = answer["nanoseconds"].as_f64().context("node answers no figure")?;
        Ok(nanoseconds / 1e3 / f64::from(times))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the lock file names, no more and no less.
fn install(folder: &Path) -> Result<()> {
    let mut npm = Command::new("npm");
    npm.args(["ci", "--silent", "--no-fund", "--no-audit", "--ignore-scripts"]);
    let status =
        npm.current_dir(folder).status().context("npm does not start: is it installed?")?;
    ensure!(status.success(), "npm ci failed in {}", folder.display());
    Ok(())
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

/// The key of a JWK as RFC 8410 section 4 writes it, which is all that fast-jwt reads.
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

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Whether the median ratio of all rounds reaches the bar.
fn run(contest: &Contest, peer: &mut Peer, rounds: usize) -> Result<bool> {
    let Contest { algorithm, bar, token, .. } = contest;
    println!("{algorithm}, a token of {} bytes; microseconds a check:", token.len());
    // The first turns warm both up, which V8 needs more than we.
    let (mut ours, mut theirs) = (contest.ours(1_000), peer.theirs(algorithm, 5_000)?);
    let mut figures = Vec::new();
    for round in 1..=rounds {
        ours = contest.ours(turn(ours));
        theirs = peer.theirs(algorithm, turn(theirs))?;
        println!("  {round}: ours {ours:.2}, fast-jwt {theirs:.2}, ratio {:.2}", theirs / ours);
        figures.push((ours, theirs));
    }
    let of = |figure: fn(&(f64, f64)) -> f64| median(figures.iter().map(figure).collect());
    let ratio = of(|(ours, theirs)| theirs / ours);
    let reached = ratio >= *bar;
    let verdict = if reached { "reached" } else { "MISSED" };
    println!(
        "  medians: ours {:.2}, fast-jwt {:.2}, ratio {ratio:.2}; at least {bar}: {verdict}",
        of(|(ours, _)| *ours),
        of(|(_, theirs)| *theirs),
    );
    Ok(reached)
}

fn main() -> Result<ExitCode> {
    ensure!(!cfg!(debug_assertions), "a debug build says nothing: use --release");
    let rounds = std::env::args().nth(1).map_or(Ok(9), |rounds| rounds.parse())?;
    ensure!(rounds > 0, "at least one round");
    let contests = [eddsa()?, hs256()?];
    let mut peer = Peer::start(&contests)?;
    let mut reached = true;
    for contest in &contests {
        reached &= run(contest, &mut peer, rounds)?;
    }
    Ok(if reached { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
