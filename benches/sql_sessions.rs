//! Checks and refreshes of sessions, here and by npm `better-auth` on the same kind of database, side by
//! side in one run: `cargo run --release -p benches --bin sql_sessions [ROUNDS [SECONDS]]`.
//!
//! Needs node and npm, and Linux, since CPU is read from `/proc`. SQLite's files are in the folder for
//! temporary files. `PostgreSQL` is where `AUTH_TEST_POSTGRES` says, and left out without it; there the peer
//! replaces the schema `better_auth_bench`, and our accounts are deleted at the end.
//!
//! Both servers run all the time, and take turns of SECONDS in being asked by 32 connections which ask
//! again as soon as they are answered. Fails if a median ratio is below its bar.
#![expect(clippy::print_stdout, reason = "a program that talks to who started it")]

use std::fmt::{self, Display};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, bail, ensure};
use benches::example_server::{self, Server};
use benches::process::Tree;
use benches::statistics::Spread;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

const CONNECTIONS: usize = 32;
const PASSWORD: &str = "correct horse battery";
/// What one contest may take: shorter than access tokens (15 minutes), than the time after a login in which an
/// account may be deleted without its password (5), and than the peer's cookie cache (5).
const LONGEST: Duration = Duration::from_mins(4);

struct Contest {
    what: &'static str,
    /// Our `AUTH_STRICT_TOKENS`, and what our connections ask.
    strict: &'static str,
    ours: Ours,
    /// Its `SESSION`, for which `better-auth/server.mjs` has a configuration each.
    theirs: &'static str,
    /// How many times as many answers we must give.
    bar: Option<f64>,
}

#[derive(Clone, Copy)]
enum Ours {
    Me,
    Refresh,
}

const CONTESTS: [Contest; 4] = [
    Contest {
        what: "check, each with its defaults",
        strict: "off",
        ours: Ours::Me,
        theirs: "default",
        bar: Some(5.0),
    },
    Contest {
        what: "check, both read the database",
        strict: "session",
        ours: Ours::Me,
        theirs: "default",
        bar: Some(5.0),
    },
    Contest {
        what: "check, theirs by its cookie cache",
        strict: "off",
        ours: Ours::Me,
        theirs: "cached",
        bar: None,
    },
    Contest {
        what: "refresh",
        strict: "off",
        ours: Ours::Refresh,
        theirs: "touched",
        bar: Some(5.0),
    },
];

enum Database {
    Sqlite,
    Postgres(String),
}

impl Database {
    /// What a server is told; a file of its own for each on SQLite.
    fn setting(&self, folder: &Path, file: &str) -> String {
        match self {
            Self::Sqlite => format!("sqlite:{}", folder.join(file).display()),
            Self::Postgres(url) => url.clone(),
        }
    }
}

impl Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if let Self::Sqlite = self { "SQLite" } else { "PostgreSQL" })
    }
}

/// A folder that goes with the value.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("sql_sessions-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The answer to a call that must succeed, and the cookies that came with it.
fn call(
    server: &Server,
    method: &str,
    path: &str,
    header: [&str; 2],
    body: Value,
) -> Result<Answer> {
    let request = ureq::http::Request::builder()
        .method(method)
        .uri(format!("http://{}{path}", server.address))
        .header("Content-Type", "application/json")
        .header(header[0], header[1])
        .body(if body.is_null() { String::new() } else { body.to_string() })?;
    let mut response = agent().run(request)?;
    let text = response.body_mut().read_to_string()?;
    ensure!(response.status().is_success(), "{method} {path}: {}: {text}", response.status());
    let cookies = response.headers().get_all("set-cookie").iter();
    let pairs = cookies.filter_map(|cookie| cookie.to_str().ok()?.split(';').next());
    let cookies = pairs.collect::<Vec<_>>().join("; ");
    Ok(Answer { body: serde_json::from_str(&text)?, cookies })
}

struct Answer {
    body: Value,
    cookies: String,
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder();
    config.http_status_as_error(false).allow_non_standard_methods(true).build().into()
}

/// What a connection asks, one question after the other.
enum Caller {
    /// The same each time, and what its answer must hold.
    Check { request: Vec<u8>, holds: &'static str },
    /// With the newest token, for a newer one.
    Refresh { host: String, token: String },
}

impl Caller {
    fn check(server: &Server, path: &str, header: &str, holds: &'static str) -> Self {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{header}\r\n\r\n", server.address);
        Self::Check { request: request.into_bytes(), holds }
    }

    async fn ask(&mut self, connection: &mut Connection) -> Result<()> {
        match self {
            Self::Check { request, holds } => {
                let body = connection.ask(request).await?;
                ensure!(body.contains(*holds), "an answer without a session: {body}");
            }
            Self::Refresh { host, token } => {
                let body = format!(r#"{{"refresh_token":"{token}"}}"#);
                let request = format!(
                    "POST /auth/refresh HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
                     Content-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                let body = connection.ask(request.as_bytes()).await?;
                let (_, rest) = body.split_once(r#""refresh_token":""#).context("no token came")?;
                let new = rest.split('"').next().unwrap_or_default();
                ensure!(!new.is_empty() && new != token.as_str(), "no new token came");
                new.clone_into(token);
            }
        }
        Ok(())
    }

    /// Asks until it is time to stop; how many answers came.
    async fn ask_until(&mut self, address: &str, stop: Instant) -> Result<u32> {
        let mut connection = Connection::open(address).await?;
        let mut answers = 0;
        while Instant::now() < stop {
            self.ask(&mut connection).await?;
            answers += 1;
        }
        Ok(answers)
    }
}

/// As much of an HTTP/1.1 client as it takes, to leave the cores to the servers.
struct Connection {
    stream: tokio::io::BufReader<TcpStream>,
    line: String,
    body: Vec<u8>,
}

impl Connection {
    async fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let stream = tokio::io::BufReader::new(stream);
        Ok(Self { stream, line: String::new(), body: Vec::new() })
    }

    /// The body of the answer, which must be a 200.
    async fn ask(&mut self, request: &[u8]) -> Result<&str> {
        self.stream.write_all(request).await?;
        let status = self.line().await?.to_owned();
        let mut length = None;
        loop {
            let line = self.line().await?;
            let Some((name, value)) = line.split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = Some(value.trim().parse()?);
            }
        }
        self.body.clear();
        match length {
            Some(length) => self.read(length).await?,
            None => self.chunks().await?,
        }
        let body = std::str::from_utf8(&self.body)?;
        ensure!(status.starts_with("HTTP/1.1 200"), "{status}: {body}");
        Ok(body)
    }

    async fn chunks(&mut self) -> Result<()> {
        loop {
            let length = usize::from_str_radix(self.line().await?, 16)?;
            self.read(length).await?;
            self.line().await?;
            if length == 0 {
                return Ok(());
            }
        }
    }

    async fn read(&mut self, length: usize) -> Result<()> {
        let start = self.body.len();
        self.body.resize(start + length, 0);
        self.stream.read_exact(&mut self.body[start..]).await?;
        Ok(())
    }

    async fn line(&mut self) -> Result<&str> {
        self.line.clear();
        ensure!(self.stream.read_line(&mut self.line).await? > 0, "the server hung up");
        Ok(self.line.trim_end())
    }
}

struct Figures {
    /// Answers a second.
    rate: f64,
    cpu_ms: f64,
}

/// One server of a contest, and who asks it.
struct Side {
    server: Server,
    callers: Vec<Caller>,
}

impl Side {
    fn cpu_ms(&self) -> Result<f64> {
        Ok(1000.0 * Tree::of(self.server.child.id()).cpu()?.as_secs_f64())
    }

    fn turn(&mut self, runtime: &Runtime, length: Duration) -> Result<Figures> {
        let cpu_before = self.cpu_ms()?;
        let begin = Instant::now();
        let mut answers = 0;
        runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for mut caller in self.callers.drain(..) {
                let address = self.server.address.clone();
                tasks.spawn(async move {
                    let answers = caller.ask_until(&address, begin + length).await?;
                    anyhow::Ok((caller, answers))
                });
            }
            while let Some(done) = tasks.join_next().await {
                let (caller, some) = done??;
                self.callers.push(caller);
                answers += some;
            }
            anyhow::Ok(())
        })?;
        let answers = f64::from(answers);
        let rate = answers / begin.elapsed().as_secs_f64();
        Ok(Figures { rate, cpu_ms: (self.cpu_ms()? - cpu_before) / answers })
    }
}

/// Our server, the access tokens of its accounts, and who asks it.
fn ours(executable: &Path, store: &str, contest: &Contest) -> Result<(Side, Vec<String>)> {
    let server = Server::start(
        Command::new(executable)
            .env("AUTH_LISTEN", "127.0.0.1:0")
            .env("AUTH_STORE", store)
            .env("AUTH_MASTER_SECRET", "c2l4dGVlbiBieXRlcyBhbmQgc2l4dGVlbiBtb3JlIGhlcmU=")
            .env("AUTH_HASH_THREADS", "2")
            .env("AUTH_RATE_LIMITS", "off")
            .env("AUTH_STRICT_TOKENS", contest.strict),
    )?;
    let (mut callers, mut tokens) = (Vec::new(), Vec::new());
    for email in addresses()? {
        let account = json!({ "email": email, "password": PASSWORD, "name": "Ann" });
        call(&server, "POST", "/auth/register", NO_HEADER, account)?;
        let login = json!({ "email": email, "password": PASSWORD });
        let tokens_of = call(&server, "POST", "/auth/login", NO_HEADER, login)?.body;
        let token = |name: &str| {
            Ok::<_, anyhow::Error>(tokens_of[name].as_str().context("no token")?.to_owned())
        };
        let bearer = format!("Bearer {}", token("access_token")?);
        callers.push(match contest.ours {
            Ours::Me => Caller::check(
                &server,
                "/auth/me",
                &format!("Authorization: {bearer}"),
                r#""user_id":""#,
            ),
            Ours::Refresh => {
                Caller::Refresh { host: server.address.clone(), token: token("refresh_token")? }
            }
        });
        tokens.push(bearer);
    }
    Ok((Side { server, callers }, tokens))
}

fn theirs(folder: &Path, database: &str, contest: &Contest) -> Result<Side> {
    let server = Server::start(
        Command::new("node")
            .arg("server.mjs")
            .current_dir(folder)
            .env("NODE_ENV", "production")
            .env("DATABASE", database)
            .env("SESSION", contest.theirs),
    )?;
    let mut callers = Vec::new();
    let mut cookies = String::new();
    for email in addresses()? {
        let account = json!({ "email": email, "password": PASSWORD, "name": "Ann" });
        cookies = call(&server, "POST", "/api/auth/sign-up/email", NO_HEADER, account)?.cookies;
        let header = format!("Cookie: {cookies}");
        callers.push(Caller::check(&server, "/api/auth/get-session", &header, r#""session":{"#));
    }
    let written = is_written(&server, &cookies)?;
    ensure!(written == (contest.theirs == "touched"), "the row is written: {written}");
    Ok(Side { server, callers })
}

/// Whether a look at a session changes its row.
fn is_written(server: &Server, cookies: &str) -> Result<bool> {
    let expiry = |query: &str| {
        let path = format!("/api/auth/get-session{query}");
        let answer = call(server, "GET", &path, ["Cookie", cookies], Value::Null)?.body;
        Ok::<_, anyhow::Error>(
            answer["session"]["expiresAt"].as_str().context("no session")?.to_owned(),
        )
    };
    // This reads the row and leaves it alone.
    let row = "?disableRefresh=true&disableCookieCache=true";
    let before = expiry(row)?;
    expiry("")?;
    Ok(expiry(row)? != before)
}

const NO_HEADER: [&str; 2] = ["Accept", "application/json"];

/// As many as there are connections, and others each time.
fn addresses() -> Result<impl Iterator<Item = String>> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_nanos();
    Ok((0..CONNECTIONS).map(move |index| format!("{now}.{index}@example.com")))
}

fn install(peers: &Path) -> Result<()> {
    let status = Command::new(peers.join("install.sh")).arg("better-auth").status()?;
    ensure!(status.success(), "install.sh failed");
    Ok(())
}

struct Program {
    server: PathBuf,
    peer: PathBuf,
    runtime: Runtime,
    scratch: Scratch,
    rounds: u32,
    turn: Duration,
}

impl Program {
    fn new(arguments: &[String]) -> Result<Self> {
        let [rounds, seconds] = match arguments {
            [] => [5, 2],
            [rounds] => [rounds.parse()?, 2],
            [rounds, seconds] => [rounds.parse()?, seconds.parse()?],
            _ => bail!("what is asked is ROUNDS and SECONDS"),
        };
        let turn = Duration::from_secs(seconds.into());
        ensure!(rounds > 0 && seconds > 0, "at least one round, of at least one second");
        ensure!(turn * 2 * (rounds + 1) < LONGEST, "a contest takes {LONGEST:?} at most");
        let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
        install(&peers)?;
        let peer = peers.join("better-auth");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self {
            server: example_server::build()?,
            peer,
            runtime,
            scratch: Scratch::new()?,
            rounds,
            turn,
        })
    }

    /// The contest's row of the table, and whether its bar is reached.
    fn run(&self, database: &Database, index: usize, contest: &Contest) -> Result<(String, bool)> {
        let setting = |name| database.setting(&self.scratch.0, &format!("{name}-{index}.db"));
        let (mut ours, tokens) = ours(&self.server, &setting("ours"), contest)?;
        let mut theirs = theirs(&self.peer, &setting("theirs"), contest)?;
        println!("{database}, {}; answers a second:", contest.what);
        let mut rounds = Vec::new();
        // The first turns warm both up, which V8 needs more than we.
        for round in 0..=self.rounds {
            let ours = ours.turn(&self.runtime, self.turn)?;
            let theirs = theirs.turn(&self.runtime, self.turn)?;
            if round > 0 {
                let ratio = ours.rate / theirs.rate;
                println!(
                    "  {round}: ours {:.0}, better-auth {:.0}, ratio {ratio:.2}",
                    ours.rate, theirs.rate
                );
                rounds.push((ours, theirs));
            }
        }
        for token in tokens {
            call(&ours.server, "DELETE", "/auth/me", ["Authorization", &token], Value::Null)?;
        }
        Ok(row(contest, &rounds))
    }
}

fn row(contest: &Contest, rounds: &[(Figures, Figures)]) -> (String, bool) {
    let of = |figure: fn(&(Figures, Figures)) -> f64| Spread::of(rounds.iter().map(figure));
    let ratio = of(|(ours, theirs)| ours.rate / theirs.rate);
    let reached = contest.bar.is_none_or(|bar| ratio.median >= bar);
    let bar = contest.bar.map_or(String::new(), |bar| bar.to_string());
    let row = format!(
        "| {} | {} | {:.3} | {} | {:.3} | {ratio:.2} | {bar}{} |",
        contest.what,
        of(|(ours, _)| ours.rate),
        of(|(ours, _)| ours.cpu_ms).median,
        of(|(_, theirs)| theirs.rate),
        of(|(_, theirs)| theirs.cpu_ms).median,
        if reached { "" } else { " MISSED" },
    );
    (row, reached)
}

fn main() -> Result<ExitCode> {
    ensure!(!cfg!(debug_assertions), "a debug build says nothing: use --release");
    let program = Program::new(&std::env::args().skip(1).collect::<Vec<_>>())?;
    let mut databases = vec![Database::Sqlite];
    match std::env::var("AUTH_TEST_POSTGRES") {
        Ok(url) => databases.push(Database::Postgres(url)),
        Err(_) => println!("no AUTH_TEST_POSTGRES: without PostgreSQL"),
    }
    let (mut tables, mut all_reached) = (String::new(), true);
    for database in &databases {
        tables.push_str(&format!(
            "\n| {database} | ours a second | CPU ms | better-auth a second | CPU ms | ratio | bar |\n\
             |---|---|---|---|---|---|---|\n"
        ));
        for (index, contest) in CONTESTS.iter().enumerate() {
            let (row, reached) = program.run(database, index, contest)?;
            tables.push_str(&row);
            tables.push('\n');
            all_reached &= reached;
        }
    }
    println!("{tables}\nCPU is the server's own for one answer; PostgreSQL's is not in it.");
    Ok(if all_reached { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
