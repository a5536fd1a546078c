//! One turn of one target, from its start to its end.

use std::fmt::{self, Display};
use std::net::{SocketAddr, TcpListener};
use std::ops::Range;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use benches::load::{Load, Loop, Requests, Samples, once, run};
use benches::process::Tree;
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use tokio::time::{Instant, sleep};

use super::Arguments;
use super::dialect::{Dialect, PASSWORD, WRONG_PASSWORD};
use super::targets::{Places, Target};

const USERS: u64 = 32;

/// What one turn measured.
#[derive(Clone, Copy)]
pub(crate) struct Figures {
    /// From its start to its first answer.
    pub(crate) start_ms: f64,
    pub(crate) idle_mb: f64,
    /// Checks of a session by 16 clients.
    pub(crate) checks_a_second: f64,
    pub(crate) cpu_ms_a_check: f64,
    /// Logins of 64 clients.
    pub(crate) logins_a_second: f64,
    pub(crate) logins_a_cpu_second: f64,
    /// Most while they ran.
    pub(crate) peak_mb: f64,
    /// What was still computed after all 64 had hung up.
    pub(crate) cpu_ms_after: f64,
    /// Of 16 clients: the right password, a wrong one, and an address that nobody has.
    pub(crate) cpu_ms_right: f64,
    pub(crate) cpu_ms_wrong: f64,
    pub(crate) cpu_ms_unknown: f64,
    /// Checks that come whether they are answered or not, while 32 clients log in.
    pub(crate) check_beside_p50_ms: f64,
    pub(crate) check_beside_p99_ms: f64,
}

impl Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.1} logins a second, {:.1} a CPU second, {:.0} MB; {:.3} CPU ms a check, p99 {:.1} ms beside logins",
            self.logins_a_second,
            self.logins_a_cpu_second,
            self.peak_mb,
            self.cpu_ms_a_check,
            self.check_beside_p99_ms
        )
    }
}

pub(crate) fn measure(target: &Target, places: &Places, arguments: &Arguments) -> Result<Figures> {
    // A new one each time: what an earlier turn left must not slow this one.
    let folder = tempfile::tempdir_in(&places.scratch)?;
    let database = folder.path().join("peer.db");
    if let Some(mut before) = target.before(places, arguments.hash, &database) {
        let status = before.stdout(Stdio::null()).status()?;
        ensure!(status.success(), "what comes before its start failed");
    }
    run(turn(target, places, arguments, &database))
}

async fn turn(
    target: &Target,
    places: &Places,
    arguments: &Arguments,
    database: &Path,
) -> Result<Figures> {
    let port = free_port()?;
    let begun = Instant::now();
    let server = Server::start(target.command(places, arguments.hash, database, port), port)?;
    server.wait(target.dialect).await?;
    let start_ms = millis(begun.elapsed());
    sleep(Duration::from_secs(1)).await;
    let idle_mb = server.megabytes()?;
    let check = server.fill(target.dialect).await?;

    let length = arguments.length();
    let dialect = target.dialect;
    let login = |prefix: &'static str, password: &'static str| {
        move |number: u64| dialect.login(&email(prefix, number), password)
    };
    let repeated = check.clone();
    let checks = server.observe(16, length, 200..300, move |_| repeated.clone()).await?;
    let kinds = [
        (200..300, login("user", PASSWORD)),
        (400..500, login("user", WRONG_PASSWORD)),
        (400..500, login("nobody", WRONG_PASSWORD)),
    ];
    let [right, wrong, unknown] = server.in_turns(kinds, arguments.seconds).await?;
    let storm = server.observe(64, length * 2, 200..300, login("user", PASSWORD)).await?;
    let beside = server.check_beside(check, length * 2, login("user", PASSWORD)).await?;
    Ok(Figures {
        start_ms,
        idle_mb,
        checks_a_second: checks.a_second,
        cpu_ms_a_check: checks.cpu_ms,
        logins_a_second: storm.a_second,
        logins_a_cpu_second: 1000.0 / storm.cpu_ms,
        peak_mb: storm.peak_mb,
        cpu_ms_after: storm.cpu_ms_after,
        cpu_ms_right: right,
        cpu_ms_wrong: wrong,
        cpu_ms_unknown: unknown,
        check_beside_p50_ms: millis(beside.quantile(0.5)?),
        check_beside_p99_ms: millis(beside.quantile(0.99)?),
    })
}

fn email(prefix: &str, number: u64) -> String {
    format!("{prefix}{}@example.com", number % USERS)
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn millis(time: Duration) -> f64 {
    1000.0 * time.as_secs_f64()
}

/// What a load showed.
struct Observation {
    a_second: f64,
    /// For each answer.
    cpu_ms: f64,
    peak_mb: f64,
    cpu_ms_after: f64,
}

struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(mut command: Command, port: u16) -> Result<Self> {
        // A group of its own, so that its children end with it.
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().with_context(|| format!("{command:?}"))?;
        Ok(Self { child, address: SocketAddr::from(([127, 0, 0, 1], port)) })
    }

    /// Until it answers at all.
    async fn wait(&self, dialect: Dialect) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_mins(1) {
            let request = Request::get(dialect.check_path()).body(Full::default())?;
            if once(self.address, request).await.is_ok() {
                return Ok(());
            }
            sleep(Duration::from_millis(1)).await;
        }
        bail!("it does not answer")
    }

    fn tree(&self) -> Tree {
        Tree::of(self.child.id())
    }

    fn megabytes(&self) -> Result<f64> {
        Ok(self.tree().memory()? as f64 / 1e6)
    }

    /// Registers all users, and logs one in; a check of its session.
    async fn fill(&self, dialect: Dialect) -> Result<Request<Full<Bytes>>> {
        for number in 0..USERS {
            let answer = once(self.address, dialect.register(&email("user", number))).await?;
            ensure!(answer.status().is_success(), "not registered: {answer:?}");
        }
        let login = once(self.address, dialect.login(&email("user", 0), PASSWORD)).await?;
        ensure!(login.status().is_success(), "not logged in: {login:?}");
        let check = dialect.check(&login)?;
        let answer = once(self.address, check.clone()).await?;
        let body = String::from_utf8_lossy(answer.body());
        ensure!(answer.status().is_success() && body.contains("user0@"), "no session: {answer:?}");
        Ok(check)
    }

    /// So many clients for so long, after a second that is not counted; then they all hang up.
    async fn observe(
        &self,
        clients: usize,
        length: Duration,
        expected: Range<u16>,
        requests: impl Requests + 'static,
    ) -> Result<Observation> {
        let load = Load::start(self.address, closed(clients), requests);
        sleep(Duration::from_secs(1)).await;
        let (from, cpu) = (load.elapsed(), self.tree().cpu()?);
        let peak_mb = self.peak(length).await?;
        let (to, cpu_then) = (load.elapsed(), self.tree().cpu()?);
        let answers = load.samples().answered_within(from, to);
        drop(load);
        ensure_all(&answers, &expected)?;
        let cpu_after = self.rest(cpu_then).await?;
        Ok(Observation {
            a_second: answers.count() as f64 / (to - from).as_secs_f64(),
            cpu_ms: millis(cpu_then.saturating_sub(cpu)) / answers.count() as f64,
            peak_mb,
            cpu_ms_after: millis(cpu_after),
        })
    }

    /// CPU for an answer of each kind, by 16 clients, in turns of a second: a machine that gets faster or slower by itself
    /// does so for all of them.
    #[expect(clippy::future_not_send, reason = "one thread, as the load generator")]
    async fn in_turns(
        &self,
        kinds: [(Range<u16>, impl Requests + Clone + 'static); 3],
        turns: u64,
    ) -> Result<[f64; 3]> {
        let mut taken = [(Duration::ZERO, 0); 3];
        for _ in 0..turns {
            for ((expected, requests), (cpu, count)) in kinds.iter().zip(&mut taken) {
                let load = Load::start(self.address, closed(16), requests.clone());
                sleep(Duration::from_millis(300)).await;
                let (from, before) = (load.elapsed(), self.tree().cpu()?);
                sleep(Duration::from_secs(1)).await;
                *cpu += self.tree().cpu()?.saturating_sub(before);
                let answers = load.samples().answered_within(from, load.elapsed());
                drop(load);
                ensure_all(&answers, expected)?;
                *count += answers.count();
                // Peers go on with what nobody waits for.
                self.rest(self.tree().cpu()?).await?;
            }
        }
        Ok(taken.map(|(cpu, count)| millis(cpu) / count as f64))
    }

    async fn peak(&self, length: Duration) -> Result<f64> {
        let until = Instant::now() + length;
        let mut peak = 0.0_f64;
        while Instant::now() < until {
            peak = peak.max(self.megabytes()?);
            tokio::time::sleep_until(until.min(Instant::now() + Duration::from_millis(200))).await;
        }
        Ok(peak)
    }

    /// Waits until nothing is computed for half a second; what was computed until then, since `before`.
    async fn rest(&self, before: Duration) -> Result<Duration> {
        let (begun, mut last, mut quiet) = (Instant::now(), before, 0);
        while quiet < 5 && begun.elapsed() < Duration::from_secs(30) {
            sleep(Duration::from_millis(100)).await;
            let now = self.tree().cpu()?;
            quiet = if now == last { quiet + 1 } else { 0 };
            last = now;
        }
        Ok(last.saturating_sub(before))
    }

    /// Fifty checks a second while 32 clients log in.
    async fn check_beside(
        &self,
        check: Request<Full<Bytes>>,
        length: Duration,
        login: impl Requests + 'static,
    ) -> Result<Samples> {
        let _logins = Load::start(self.address, closed(32), login);
        sleep(Duration::from_secs(1)).await;
        let how = Loop::Open { per_second: 50.0 };
        let checks = Load::start(self.address, how, move |_| check.clone());
        sleep(length).await;
        let answers = checks.samples();
        ensure_all(&answers, &(200..300))?;
        Ok(answers)
    }
}

fn ensure_all(answers: &Samples, expected: &Range<u16>) -> Result<()> {
    let others = answers.those(|sample| !expected.contains(&sample.status));
    ensure!(others.count() == 0, "answered otherwise: {:?}", others.iter().next());
    ensure!(answers.count() > 0, "nobody was answered");
    Ok(())
}

const fn closed(clients: usize) -> Loop {
    Loop::Closed { clients, after_refusal: Duration::from_secs(1) }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The whole group: `uvicorn` and `gunicorn` have workers.
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.child.wait();
    }
}
