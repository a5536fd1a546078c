//! Asks about the addresses of one group in turns, and keeps what each answer took.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use auth_domain::{Email, MasterSecret};
use base64ct::{Base64, Encoding as _};
use fastrand::Rng;
use tokio::runtime::Runtime;

use crate::accounts::{Accounts, address};
use crate::client::Client;
use crate::cpu::Cpu;
use crate::request::request;
use crate::states::{Call, Group, Measured};
use benches::example_server::Server;

/// How often each state is asked about, at most, before a new server over a new database goes on: so the cap of
/// 10,000 mails an hour for everyone together, which would make all addresses alike, is never reached.
const ROUNDS_OF_A_SERVER: usize = 2_000;
/// What is asked first and thrown away: each connection to the database prepares its statements, and each
/// hashing thread touches its memory for the first time.
const WARM_UP: usize = 8;

const SECRET: [u8; MasterSecret::MIN_BYTES] = *b"thirty-two bytes of no secrecy !";

/// What was measured of one state, a figure for each request.
#[derive(Clone, Default)]
pub(crate) struct Figures {
    /// Nanoseconds until the answer.
    pub(crate) time: Vec<f64>,
    /// Nanoseconds of the server's CPU until the answer.
    pub(crate) cpu: Vec<f64>,
    /// Nanoseconds of the server's CPU until it had nothing more to do.
    pub(crate) cpu_until_idle: Vec<f64>,
}

/// What every group is measured with.
pub(crate) struct Bench {
    pub(crate) program: PathBuf,
    /// Of the server beside its settings.
    pub(crate) arguments: &'static [&'static str],
    pub(crate) runtime: Runtime,
    /// Of the one right password, by today's parameters.
    pub(crate) hash: String,
    pub(crate) rng: Rng,
}

impl Bench {
    /// The figures of each state, of `rounds` requests each.
    pub(crate) fn run(&mut self, group: &Group, rounds: usize) -> Result<Vec<Figures>> {
        let mut figures = vec![Figures::default(); group.states.len()];
        let mut answers = Answers::of(group);
        let mut left = rounds;
        while left > 0 {
            let some = left.min(ROUNDS_OF_A_SERVER);
            let folder = tempfile::tempdir()?;
            let addresses = self.furnish(group, some + WARM_UP, folder.path())?;
            let server = self.serve(folder.path())?;
            let mut trial = Trial::new(&server, group, &addresses, self.rng.fork())?;
            let mut thrown_away = vec![Figures::default(); group.states.len()];
            for round in 0..WARM_UP {
                trial.round(round, &mut thrown_away, &mut answers)?;
            }
            for round in 0..some {
                trial.round(WARM_UP + round, &mut figures, &mut answers)?;
            }
            left -= some;
        }
        Ok(figures)
    }

    fn furnish(
        &mut self,
        group: &Group,
        requests: usize,
        folder: &Path,
    ) -> Result<Vec<Vec<Email>>> {
        let Self { runtime, hash, rng, .. } = self;
        runtime.block_on(async {
            let secret = MasterSecret::new(SECRET)?;
            let accounts = Accounts::new(&store(folder), secret, hash.clone()).await?;
            let addresses = accounts.make(group, requests, rng).await;
            accounts.close().await;
            addresses
        })
    }

    /// Limits are on, as they are by default: each request comes from another source.
    fn serve(&self, folder: &Path) -> Result<Server> {
        Server::start(
            Command::new(&self.program)
                .args(self.arguments)
                .env("AUTH_LISTEN", "127.0.0.1:0")
                .env("AUTH_STORE", store(folder))
                .env("AUTH_MASTER_SECRET", Base64::encode_string(&SECRET))
                .env("AUTH_EMAIL_VERIFICATION", "required")
                .env("AUTH_REGISTRATION", "private")
                .env("AUTH_TRUSTED_HOPS", "1"),
        )
    }
}

fn store(folder: &Path) -> String {
    format!("sqlite:{}", folder.join("auth.db").display())
}

/// The one answer that all states of a group must have, once it came.
struct Answers {
    begin: String,
    first: Option<String>,
}

impl Answers {
    fn of(group: &Group) -> Self {
        Self { begin: format!("HTTP/1.1 {} ", group.status), first: None }
    }

    fn compare(&mut self, state: &str, answer: String) -> Result<()> {
        ensure!(
            answer.starts_with(&self.begin),
            "{state} is not answered {}:\n{answer}",
            self.begin
        );
        let first = self.first.get_or_insert_with(|| answer.clone());
        ensure!(*first == answer, "{state} is answered otherwise:\n{answer}\nand not\n{first}");
        Ok(())
    }
}

/// A group at one server.
struct Trial<'a> {
    group: &'a Group,
    addresses: &'a [Vec<Email>],
    host: &'a str,
    client: Client,
    cpu: Cpu,
    /// What the server had computed when it last had nothing to do.
    idle_at: u64,
    rng: Rng,
}

impl<'a> Trial<'a> {
    fn new(
        server: &'a Server,
        group: &'a Group,
        addresses: &'a [Vec<Email>],
        rng: Rng,
    ) -> Result<Self> {
        let (client, cpu) = (Client::connect(&server.address)?, Cpu::of(server.child.id()));
        let idle_at = cpu.when_idle(quiet(group.call))?;
        Ok(Self { group, addresses, host: &server.address, client, cpu, idle_at, rng })
    }

    /// One request about each state, in an order of chance, so that whatever else the machine does meets all.
    fn round(
        &mut self,
        round: usize,
        figures: &mut [Figures],
        answers: &mut Answers,
    ) -> Result<()> {
        let mut order: Vec<usize> = (0..self.group.states.len()).collect();
        self.rng.shuffle(&mut order);
        for state in order {
            self.measure(state, round, &mut figures[state], answers)?;
        }
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "nanoseconds of a request are far below 2^52")]
    fn measure(
        &mut self,
        state: usize,
        round: usize,
        figures: &mut Figures,
        answers: &mut Answers,
    ) -> Result<()> {
        let Group { call, states, measured, .. } = self.group;
        let (state, addresses) = (&states[state], &self.addresses[state]);
        let email = &addresses[round % addresses.len()];
        let about = request(*call, state, email, self.host, &mut self.rng);
        let next = request(*call, state, &address(&mut self.rng)?, self.host, &mut self.rng);
        let mut answer = self.client.ask(&about)?;
        if *measured == Measured::NextRequest {
            answer = self.client.ask(&next)?;
        }
        let answered_at = self.cpu.nanoseconds()?;
        let idle_before = std::mem::replace(&mut self.idle_at, self.cpu.when_idle(quiet(*call))?);
        figures.time.push(answer.time.as_nanos() as f64);
        figures.cpu.push(answered_at.saturating_sub(idle_before) as f64);
        figures.cpu_until_idle.push(self.idle_at.saturating_sub(idle_before) as f64);
        answers.compare(state.name, answer.text)
    }
}

/// How long a server that computes nothing is taken to have nothing more to do: where a mail is queued, its worker
/// waits in between for the disk.
const fn quiet(call: Call) -> Duration {
    match call {
        Call::Register | Call::Forgot | Call::Resend => Duration::from_millis(3),
        Call::Login | Call::Verify | Call::Reset => Duration::from_millis(1),
    }
}
