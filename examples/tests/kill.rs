//! What was acknowledged is there after a kill, whether the server is killed or the database under it.
//!
//! `AUTH_TEST_KILL_ROUNDS` says how often (10 unless it is set); `AUTH_TEST_KILL_SEED` chooses the moments
//! and the calls of an earlier run again, as far as threads let it.
#![expect(clippy::panic, clippy::print_stdout, clippy::unwrap_used, reason = "tests")]

#[path = "kill/client.rs"]
mod client;
#[path = "kill/cluster.rs"]
mod cluster;
mod load;
#[path = "kill/mailbox.rs"]
mod mailbox;
#[expect(dead_code, reason = "here servers have a log")]
mod process;
#[path = "kill/random.rs"]
mod random;
#[path = "kill/store.rs"]
mod store;

use std::fs::File;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use client::{Client, Killed, Service, Tally};
use cluster::Cluster;
use mailbox::{Mail, Mailbox};
use process::{Server, command};
use random::Random;
use store::Store;

const CLIENTS: usize = 8;
/// A server lives for less than this once it listens.
const LIFE: Duration = Duration::from_millis(300);
/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_mins(1);
/// About what a start takes, so that some are killed in the midst of it.
const START: Duration = Duration::from_millis(15);

/// A database, and what is known of it on this side.
struct Trial {
    store: Store,
    clients: Vec<Client>,
    mailbox: Mailbox,
    random: Random,
    /// Of all its servers.
    log: tempfile::NamedTempFile,
}

/// Kills a server, at the latest when a test panics: whoever reads what it prints waits for its end.
struct Kill<'a>(&'a Service<'a>);

impl Drop for Kill<'_> {
    fn drop(&mut self) {
        self.0.kill();
    }
}

/// Tells clients to stop, at the latest when a test panics.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Shows those who wait for a client that it has failed.
struct Failure<'a>(&'a AtomicUsize);

impl Failure<'_> {
    const MARK: usize = usize::MAX;
}

impl Drop for Failure<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(Self::MARK, Ordering::Relaxed);
        }
    }
}

fn number(name: &str) -> Option<u64> {
    Some(std::env::var(name).ok()?.parse().unwrap())
}

fn rounds() -> usize {
    number("AUTH_TEST_KILL_ROUNDS").map_or(10, |rounds| usize::try_from(rounds).unwrap())
}

/// One trial at a time: each is busy with more threads than there are cores.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Trial {
    fn new(store: Store) -> Self {
        let random_bits = || u64::from(uuid::Uuid::new_v4().as_fields().0);
        let seed = number("AUTH_TEST_KILL_SEED").unwrap_or_else(random_bits);
        println!("on {}: AUTH_TEST_KILL_SEED={seed}", store.name);
        let mut random = Random::new(seed);
        let clients = (0..CLIENTS).map(|number| Client::new(number, random.next())).collect();
        let log = tempfile::NamedTempFile::new().unwrap();
        Self { store, clients, mailbox: Mailbox::default(), random, log }
    }

    fn command(&self) -> Command {
        let mut command = command("server", &load::SETTINGS);
        let log = File::options().append(true).open(self.log.path()).unwrap();
        command.env("AUTH_STORE", &self.store.url).stderr(log);
        command
    }

    /// Kills a server at a random moment of its start.
    fn cut_a_start_short(&mut self) {
        let mut command = self.command();
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        thread::sleep(self.random.moment_before(START));
        child.kill().unwrap();
        // It may have come to sending mails.
        let printed = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
        self.mailbox.read(printed.lines().map(str::to_owned));
        self.store.outlive_the_killed();
    }

    /// Starts a server and kills it when `work` is done.
    fn serve(
        &mut self,
        killed: Killed,
        work: impl FnOnce(&mut [Client], &mut Random, &Service<'_>),
    ) {
        let server = Server::with_log(self.command());
        let mailbox = &self.mailbox;
        let service = Service { server: &server, mailbox, killed };
        thread::scope(|scope| {
            let _kill = Kill(&service);
            scope.spawn(|| mailbox.read(server.lines.lock().unwrap().iter()));
            work(&mut self.clients, &mut self.random, &service);
        });
    }

    /// One life of a server: the first until every client has something to lose, the others until a random
    /// moment.
    fn round(&mut self, is_first: bool) {
        self.serve(Killed::Server, |clients, random, service| {
            load(clients, service, |done| {
                (0..5).filter(|_| is_first).for_each(|_| wait_for_each(done));
                thread::sleep(random.moment_before(LIFE));
                service.kill();
            });
        });
        self.store.outlive_the_killed();
    }

    /// Whatever was acknowledged while servers were killed, at a server that lives until it is done.
    fn verify(&mut self) {
        let due = self.mails_due();
        let not_printed = due.iter().filter(|mail| !self.mailbox.has(mail));
        assert_eq!(self.store.not_queued(not_printed), [] as [&Mail; 0], "lost");
        self.store.let_leases_end();
        self.serve(Killed::Server, |clients, _, service| verify(clients, service));
        self.store.outlive_the_killed();
    }

    /// Whether the database holds what it should, and no more.
    fn look_through(&self) {
        self.store.assert_whole();
        let accounts: usize = self.clients.iter().map(Client::accounts).sum();
        assert_eq!([self.store.count("*"), self.store.count("DISTINCT email")], [accounts; 2]);
        let log = std::fs::read_to_string(self.log.path()).unwrap();
        for bad in ["kind: Corrupt", "kind: Rejected", "panicked"] {
            let line = log.lines().find(|line| line.contains(bad));
            assert!(line.is_none(), "{line:?}");
        }
    }

    fn mails_due(&self) -> Vec<Mail> {
        self.clients.iter().flat_map(Client::mails_due).collect()
    }

    fn findings(&self) -> String {
        let log = std::fs::read_to_string(self.log.path()).unwrap();
        let given_again = log.matches("RefreshRetried").count();
        format!("{given_again} refresh tokens given again, {:?}", self.tally())
    }

    fn tally(&self) -> Tally {
        let mut sum = Tally::default();
        self.clients.iter().for_each(|client| sum += client.tally);
        sum
    }
}

/// Calls of all clients at once, until `end` has ended. It is shown how many calls each has done.
fn load(clients: &mut [Client], service: &Service<'_>, end: impl FnOnce(&[AtomicUsize])) {
    let stop = AtomicBool::new(false);
    let done: Vec<_> = clients.iter().map(|_| AtomicUsize::new(0)).collect();
    thread::scope(|scope| {
        let _stop = Stop(&stop);
        for (client, done) in clients.iter_mut().zip(&done) {
            scope.spawn(|| {
                let _failure = Failure(done);
                client.run(service, &stop, done);
            });
        }
        end(&done);
    });
}

fn verify(clients: &mut [Client], service: &Service<'_>) {
    thread::scope(|scope| {
        for client in &mut *clients {
            scope.spawn(|| client.verify(service));
        }
    });
    let due: Vec<_> = clients.iter().flat_map(Client::mails_due).collect();
    assert_eq!(service.mailbox.missing_of(&due, PATIENCE), []);
}

fn servers_are_killed_on(store: Store) {
    let (rounds, mut trial) = (rounds(), Trial::new(store));
    for round in 0..rounds {
        if round % 8 == 0 {
            trial.cut_a_start_short();
        }
        trial.round(round == 0);
    }
    trial.verify();
    trial.look_through();
    let tally = trial.tally();
    println!("{rounds} servers killed on {}, {}", trial.store.name, trial.findings());
    assert!(tally.registered > rounds / 8 && tally.refreshed > rounds);
    assert!(rounds < 50 || tally.reset > rounds / 20, "few resets");
    assert!(tally.left_open() > rounds / 2, "kills met nobody");
}

#[test]
fn what_was_acknowledged_outlives_a_server_that_is_killed_on_sqlite() {
    let _turn = alone();
    servers_are_killed_on(Store::sqlite());
}

#[test]
fn what_was_acknowledged_outlives_a_server_that_is_killed_on_postgres() {
    let _turn = alone();
    if let Some(store) = Store::postgres() {
        servers_are_killed_on(store);
    }
}

/// Until every client has been answered once more.
fn wait_for_each(done: &[AtomicUsize]) {
    let counts = || done.iter().map(|done| done.load(Ordering::Relaxed));
    let (before, patience) = (counts().collect::<Vec<_>>(), Instant::now() + PATIENCE);
    while counts().zip(&before).any(|(now, before)| now == *before) {
        assert!(counts().all(|count| count != Failure::MARK), "a client has failed");
        assert!(Instant::now() < patience, "a client waits in vain");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn what_was_acknowledged_outlives_a_postgres_that_is_killed_and_the_server_goes_on() {
    let _turn = alone();
    let Some(cluster) = Cluster::start() else { return };
    let rounds = (rounds() / 10).clamp(3, 20);
    let mut trial = Trial::new(Store::at(cluster.url.clone()));
    trial.serve(Killed::Database, |clients, random, service| {
        load(clients, service, |done| {
            for round in 1..=rounds {
                thread::sleep(random.moment_before(LIFE));
                // Now and then for longer than a call waits.
                let longer = Duration::from_millis(if round % 10 == 0 { 5_500 } else { 0 });
                cluster.fail_for(random.moment_before(LIFE) + longer);
                wait_for_each(done);
            }
        });
        Store::at(cluster.url.clone()).let_leases_end();
        verify(clients, service);
    });
    trial.look_through();
    let tally = trial.tally();
    println!("Postgres killed {rounds} times, {}", trial.findings());
    assert!(tally.registered > rounds && tally.refreshed > rounds);
    assert!(rounds < 10 || tally.put_off > 0, "nobody met an outage");
}
