//! A thousand guesses at one account at once, over HTTP and with real hashes: the counter holds between
//! requests as it does between calls, and who is turned away is told when to come back.
#![expect(clippy::panic, clippy::print_stdout, clippy::unwrap_used, reason = "tests")]

mod databases;
mod process;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use serde_json::{Value, json};

use databases::Database;
use process::Server;

const BOTS: usize = 1_000;
const PASSWORD: &str = "correct horse battery";

struct Answer {
    status: u16,
    retry_after: Option<u64>,
}

impl Answer {
    fn read(mut stream: TcpStream) -> Self {
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let header = |name: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once(": "));
            lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        };
        let status = text.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, retry_after: header("retry-after").map(|value| value.parse().unwrap()) }
    }
}

/// A request of a client at an address of its own, as our proxy says.
fn request(path: &str, client: usize, body: &Value) -> String {
    let (high, low, body) = (client / 256, client % 256, body.to_string());
    format!(
        "POST /auth/{path} HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\
         X-Forwarded-For: 198.18.{high}.{low}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn post(server: &Server, path: &str, body: &Value) -> u16 {
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.write_all(request(path, 0, body).as_bytes()).unwrap();
    Answer::read(stream).status
}

/// Each bot is connected before the first of them guesses.
fn guess_at_once(server: &Server) -> Vec<Answer> {
    let start = Barrier::new(BOTS);
    let guess = |bot| {
        let body = json!({"email": "ann@example.com", "password": "a leaked password"});
        let mut stream = TcpStream::connect(&server.address).unwrap();
        start.wait();
        stream.write_all(request("login", bot, &body).as_bytes()).unwrap();
        Answer::read(stream)
    };
    thread::scope(|scope| {
        let spawn = |bot| {
            thread::Builder::new().stack_size(1 << 17).spawn_scoped(scope, move || guess(bot))
        };
        let bots: Vec<_> = (0..BOTS).map(|bot| spawn(bot).unwrap()).collect();
        bots.into_iter().map(|bot| bot.join().unwrap()).collect()
    })
}

/// The five that are free, and one for each wait that was over by then: 1 s, 2 s, 4 s and so on.
fn most_verified(seconds: u64) -> usize {
    5 + (seconds + 1).ilog2() as usize
}

#[tokio::test]
async fn of_a_thousand_guesses_at_once_few_are_verified_and_the_rest_are_told_when_to_come_back() {
    let mut stores = vec!["memory".to_owned()];
    let databases = Database::each().await;
    stores.extend(databases.iter().map(|database| database.url.clone()));
    for store in stores {
        let server = Server::start("server", &[("AUTH_STORE", &store), ("AUTH_TRUSTED_HOPS", "1")]);
        let account = json!({"email": "ann@example.com", "password": PASSWORD, "name": "Ann"});
        assert_eq!(post(&server, "register", &account), 201);
        let start = Instant::now();
        let answers = guess_at_once(&server);
        let seconds = start.elapsed().as_secs() + 1;
        let mut statuses = BTreeMap::new();
        for Answer { status, retry_after } in &answers {
            *statuses.entry(*status).or_insert(0) += 1;
            let told = retry_after.is_some_and(|seconds| seconds >= 1);
            assert!(*status == 401 || (matches!(status, 429 | 503) && told), "{status}");
        }
        let (kind, _) = store.split_once(':').unwrap_or((&store, ""));
        println!("{BOTS} guesses at once on {kind}, answered within {seconds} s: {statuses:?}");
        assert!((1..=most_verified(seconds)).contains(&statuses[&401]), "{statuses:?}");
    }
}
