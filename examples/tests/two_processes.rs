//! Two servers over one database: what either acknowledged both stand by, and neither keeps the other out.
//!
//! `AUTH_TEST_TWO_PROCESSES_SECONDS` says for how long clients call (3 unless it is set); it takes twice that
//! for each database.
#![expect(clippy::panic, clippy::print_stdout, clippy::unwrap_used, reason = "tests")]

mod databases;
mod load;
#[path = "two_processes/meter.rs"]
mod meter;
mod process;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};
use tokio::runtime::Runtime;

use databases::Database;
use load::{Answer, Caller};
use meter::Meter;
use process::Server;

const CLIENTS: usize = 64;
const PASSWORD: &str = "correct horse battery";
/// Refreshes after each login.
const REFRESHES: usize = 20;

fn seconds() -> u64 {
    std::env::var("AUTH_TEST_TWO_PROCESSES_SECONDS").map_or(3, |seconds| seconds.parse().unwrap())
}

/// Where a client calls.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Calls {
    /// At the one server and the other by turns.
    ByTurns,
    Always(usize),
}

struct Client {
    number: usize,
    callers: [Caller; 2],
    next: usize,
    calls: Calls,
    refresh_token: Option<String>,
    meter: Meter,
}

impl Client {
    fn new(number: usize, servers: &[Server; 2]) -> Self {
        let callers = servers.each_ref().map(|server| Caller::new(&server.address));
        let (calls, meter) = (Calls::ByTurns, Meter::default());
        Self { number, callers, next: number % 2, calls, refresh_token: None, meter }
    }

    /// Calls until there is an answer that says more than that it should come back.
    fn post(&mut self, path: &'static str, body: &Value) -> Answer {
        loop {
            if let Calls::Always(one) = self.calls {
                self.next = one;
            }
            let (at, began) = (self.next, Instant::now());
            self.next = 1 - at;
            match self.callers[at].post(path, body) {
                Err(lost) => self.meter.note_lost(at, path, &lost),
                Ok(answer) => {
                    self.meter.note(at, path, &answer, began.elapsed());
                    if answer.status != 503 {
                        return answer;
                    }
                }
            }
        }
    }

    fn login(&mut self, email: &str, password: &str) -> Answer {
        self.post("login", &json!({"email": email, "password": password}))
    }

    fn refresh(&mut self) {
        let answer = self.post("refresh", &json!({"refresh_token": self.refresh_token}));
        if answer.status == 200 {
            self.refresh_token = Some(answer.refresh_token());
        }
    }

    /// The life of an account that two clients have.
    fn use_account(&mut self, email: &str) {
        let answer = self.login(email, PASSWORD);
        if answer.status == 200 {
            self.refresh_token = Some(answer.refresh_token());
        }
        (0..REFRESHES).for_each(|_| self.refresh());
        self.login(email, "an incorrect horse");
        self.post("forgot-password", &json!({ "email": email }));
    }
}

/// Two clients who sign up with the same addresses at the same time, each at another server.
struct Rivals {
    together: Barrier,
    goes_on: AtomicBool,
    statuses: Mutex<Vec<u16>>,
    wrong: Mutex<Vec<String>>,
}

impl Rivals {
    fn new() -> Self {
        let (statuses, wrong) = (Mutex::default(), Mutex::default());
        Self { together: Barrier::new(2), goes_on: AtomicBool::new(true), statuses, wrong }
    }

    /// How many addresses they signed up with. Nothing panics here: the rival would wait for ever.
    fn compete(&self, client: &mut Client, end: Instant) -> usize {
        let (pair, place) = (client.number / 2, client.number % 2);
        for round in 0.. {
            if place == 0 {
                self.goes_on.store(Instant::now() < end, Ordering::SeqCst);
            }
            self.together.wait();
            if !self.goes_on.load(Ordering::SeqCst) {
                return round;
            }
            let email = format!("p{pair}-{round}@example.com");
            client.next = place;
            let body = json!({"email": email, "password": PASSWORD, "name": "Ann"});
            let status = client.post("register", &body).status;
            self.statuses.lock().unwrap().push(status);
            self.together.wait();
            if place == 0 {
                self.judge(&email);
            }
            client.use_account(&email);
        }
        unreachable!()
    }

    fn judge(&self, email: &str) {
        let mut statuses = std::mem::take(&mut *self.statuses.lock().unwrap());
        statuses.sort_unstable();
        if statuses != [201, 409] {
            self.wrong.lock().unwrap().push(format!("{email}: {statuses:?}"));
        }
    }
}

/// Sign-ups, logins, refreshes and forgotten passwords; how many addresses there are now.
fn mixed(clients: &mut [Client], time: Duration) -> usize {
    let rivals: Vec<_> = (0..clients.len() / 2).map(|_| Rivals::new()).collect();
    let end = Instant::now() + time;
    let addresses = thread::scope(|scope| {
        let clients = clients.iter_mut();
        let competing = clients.map(|client| {
            let rivals = &rivals[client.number / 2];
            scope.spawn(move || rivals.compete(client, end))
        });
        let competing: Vec<_> = competing.collect();
        competing.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>() / 2
    });
    for rivals in rivals {
        assert_eq!(rivals.wrong.into_inner().unwrap(), [""; 0], "accounts of one address");
    }
    addresses
}

/// Nothing but refreshes, which hash no password: as many writes as the database takes.
fn refreshing(clients: &mut [Client], time: Duration, places: Places) {
    let end = Instant::now() + time;
    thread::scope(|scope| {
        for client in clients {
            client.calls = places(client.number);
            scope.spawn(move || {
                while Instant::now() < end {
                    client.refresh();
                }
            });
        }
    });
}

/// Says what clients have met since, and that it was nothing but what is documented.
fn report(what: &str, clients: &mut [Client], time: Duration) {
    let mut sum = Meter::default();
    for client in clients {
        sum.add(std::mem::take(&mut client.meter));
    }
    println!("{what}, {CLIENTS} clients, {time:.1?}:\n{}", sum.table(time));
    assert_eq!(sum.undocumented(), [""; 0]);
}

/// All accounts, and all addresses of accounts.
async fn accounts(url: &str) -> [i64; 2] {
    let sql = |of| AssertSqlSafe(format!("SELECT count({of}) FROM auth_users"));
    let mut counts = [0; 2];
    for (count, of) in counts.iter_mut().zip(["*", "DISTINCT email"]) {
        *count = if let Some(path) = url.strip_prefix("sqlite:") {
            let mut connection = SqliteConnection::connect(path).await.unwrap();
            sqlx::query_scalar(sql(of)).fetch_one(&mut connection).await.unwrap()
        } else {
            let mut connection = PgConnection::connect(url).await.unwrap();
            sqlx::query_scalar(sql(of)).fetch_one(&mut connection).await.unwrap()
        };
    }
    counts
}

/// Who refreshes where.
type Places = fn(usize) -> Calls;

const REFRESHING: [(&str, Places); 3] = [
    ("refreshes by turns", |_| Calls::ByTurns),
    ("refreshes, half of the clients at each", |number| Calls::Always(number % 2)),
    ("refreshes, one client alone at the second", |number| Calls::Always(usize::from(number == 0))),
];

fn two_servers_share(database: &Database, runtime: &Runtime) {
    let name = if database.url.starts_with("sqlite:") { "SQLite" } else { "Postgres" };
    let settings = [&load::SETTINGS[..], &[("AUTH_STORE", &database.url)]].concat();
    let servers = [(); 2].map(|()| Server::start("server", &settings));
    let mut clients: Vec<_> = (0..CLIENTS).map(|number| Client::new(number, &servers)).collect();
    let time = Duration::from_secs(seconds());
    let mut began = Instant::now();

    let addresses = mixed(&mut clients, time);
    report(&format!("{name}, everything"), &mut clients, began.elapsed());
    let counted = runtime.block_on(accounts(&database.url));
    assert_eq!(counted, [i64::try_from(addresses).unwrap(); 2], "one account for each address");
    for (what, places) in REFRESHING {
        began = Instant::now();
        refreshing(&mut clients, time / 3, places);
        report(&format!("{name}, {what}"), &mut clients, began.elapsed());
    }
}

#[test]
fn two_servers_share_a_database_and_neither_keeps_the_other_out() {
    let runtime = Runtime::new().unwrap();
    for database in runtime.block_on(Database::each()) {
        two_servers_share(&database, &runtime);
    }
}
