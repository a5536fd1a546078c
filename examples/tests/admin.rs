//! The operator's program as a child process, beside the server that it is for.
#![expect(clippy::panic, clippy::print_stdout, clippy::unwrap_used, reason = "tests")]

mod databases;
mod process;

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use adapters_sql::{SqlSettings, SqlStore};
use auth_domain::ports::{Insert, UserStore as _};
use auth_domain::{CredentialVersion, DisplayName, Email, PasswordHash, Timestamp, User, UserId};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::{Value, json};
use sqlx::Connection as _;

use databases::Database;
use process::{Server, command};

const EMAIL: &str = "ann@example.com";
const OLD: &str = "correct horse battery";
const NEW: &str = "a brand new staple";

impl Server {
    fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(30)))
            .build()
            .into();
        let mut response = agent
            .post(format!("http://{}/auth/{path}", self.address))
            .header("Content-Type", "application/json")
            .send(body.to_string())
            .unwrap();
        let text = response.body_mut().read_to_string().unwrap();
        (response.status().as_u16(), serde_json::from_str(&text).unwrap())
    }

    fn register(&self) {
        let body = json!({"email": EMAIL, "password": OLD, "name": "Ann"});
        assert_eq!(self.post("register", &body).0, 201);
    }

    fn login(&self, password: &str) -> (u16, Value) {
        self.post("login", &json!({"email": EMAIL, "password": password}))
    }

    fn refresh(&self, login: &Value) -> u16 {
        self.post("refresh", &json!({"refresh_token": login["refresh_token"]})).0
    }
}

fn program(store: &str, arguments: &[&str]) -> Command {
    let mut program = command("admin", &[("AUTH_STORE", store)]);
    program.arg("user").args(arguments).stdin(Stdio::null());
    program
}

fn run(store: &str, arguments: &[&str]) -> Output {
    program(store, arguments).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn said(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

fn printed(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn in_json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What came of a change of Ann's account that must be done.
fn does(store: &str, change: &[&str]) -> Value {
    let output = run(store, &[change, &["--yes", "--json"]].concat());
    assert_eq!(code(&output), 0, "{change:?}: {}", said(&output));
    in_json(&output)
}

fn account(store: &str) -> Value {
    let output = run(store, &["show", EMAIL, "--json"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    in_json(&output)["account"].clone()
}

#[tokio::test]
async fn an_operator_rules_over_an_account_while_the_server_runs() {
    for database in Database::each().await {
        let store = database.url.as_str();
        let server = Server::start("server", &[("AUTH_STORE", store)]);
        server.register();
        let login = server.login(OLD).1;
        let shown = account(store);
        assert_eq!((&shown["email"], &shown["name"]), (&json!(EMAIL), &json!("Ann")));
        assert_eq!((&shown["disabled"], &shown["has_password"]), (&json!(false), &json!(true)));
        assert_eq!(shown["sessions"].as_array().unwrap().len(), 1);
        assert!(shown["last_login"].as_str().unwrap().ends_with('Z'), "{shown}");

        let disabled = does(store, &["disable", "Ann@Example.COM"]);
        let done = json!({
            "command": "disable", "outcome": "done", "user_id": shown["user_id"], "email": EMAIL,
        });
        assert_eq!(disabled, done);
        assert_eq!((server.login(OLD).0, server.refresh(&login)), (401, 401));
        assert_eq!(account(store)["disabled"], true);
        // Once more is no error, and neither is a name by id.
        does(store, &["disable", shown["user_id"].as_str().unwrap()]);

        does(store, &["enable", EMAIL]);
        let login = server.login(OLD).1;
        assert_eq!(server.refresh(&login), 200);
        does(store, &["end-sessions", EMAIL]);
        assert_eq!(server.refresh(&login), 401);
        assert_eq!(account(store)["sessions"], json!([]));
        assert_eq!(server.login(OLD).0, 200);
        let twice_disabled = 2;
        assert_eq!(account(store)["credential_version"], twice_disabled + 2);

        does(store, &["force-password-change", EMAIL, "--language", "ko"]);
        assert_eq!(server.login(OLD).0, 401);
        assert_eq!(account(store)["has_password"], false);
        server.line_with("비밀번호");
        let link = server.line_with("/reset-password?token=");
        let body = json!({"token": link.split("token=").nth(1).unwrap(), "new_password": NEW});
        assert_eq!(server.post("reset-password", &body).0, 200);
        assert_eq!(server.login(NEW).0, 200);

        does(store, &["delete", EMAIL]);
        assert_eq!(server.login(NEW).0, 401);
        let output = run(store, &["show", EMAIL, "--json"]);
        assert_eq!(code(&output), 3);
        assert_eq!(in_json(&output)["outcome"], "not_found");
    }
}

#[test]
fn the_log_names_an_account_as_the_server_does_and_never_by_its_address() {
    let database = Database::sqlite();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut command =
        command("server", &[("AUTH_STORE", &database.url), ("AUTH_LOG_FORMAT", "json")]);
    command.stderr(File::create(&log).unwrap());
    let server = Server::with_log(command);
    server.register();
    let name = |text: &str| {
        let fields = ["account=", "\"account\":\""];
        let (_, rest) = fields.iter().find_map(|field| text.split_once(field))?;
        rest.get(..16).map(str::to_owned)
    };
    let output = run(&database.url, &["show", EMAIL]);
    let of_the_server = name(&fs::read_to_string(&log).unwrap());
    assert!(of_the_server.is_some());
    assert_eq!(name(said(&output)), of_the_server);
    assert!(said(&output).contains("look_up") && !said(&output).contains("example.com"));

    let secret = format!("{}.secret", database.url.strip_prefix("sqlite:").unwrap());
    fs::remove_file(&secret).unwrap();
    let output = run(&database.url, &["show", EMAIL]);
    assert_eq!(name(said(&output)), None);
    assert!(said(&output).contains("look_up") && said(&output).contains("user_id="));
    assert!(!Path::new(&secret).exists(), "a secret was made that is none of the server's");
}

async fn opened(database: &Database) -> SqlStore {
    let store = SqlStore::connect(&database.url, &SqlSettings::default()).await.unwrap();
    store.migrate().await.unwrap();
    store
}

fn user(number: u64, name: &str) -> User {
    let then = Timestamp::from_seconds(1_600_000_000);
    User {
        id: UserId::from_entropy_bytes(u128::from(number).to_be_bytes()),
        email: Email::parse(&format!("user{number}@example.com")).unwrap(),
        name: DisplayName::from_stored(name.to_owned()),
        password_hash: Some(PasswordHash::from_stored("canary-of-a-hash")),
        credential_version: CredentialVersion::FIRST,
        disabled: false,
        email_verified_at: None,
        created_at: then,
        updated_at: then,
        last_login: None,
    }
}

async fn keep(store: &SqlStore, user: User) {
    assert_eq!(store.insert(user).await.unwrap(), Insert::Inserted);
}

async fn find(store: &SqlStore, number: u64) -> User {
    store.find_by_email(&user(number, "").email).await.unwrap().unwrap()
}

#[tokio::test]
async fn what_others_wrote_reaches_a_terminal_escaped_and_no_hash_does() {
    let database = Database::sqlite();
    let name = "안녕 \u{1b}[2J\u{9b}31m\u{202e}\r\n O'Hara";
    keep(&opened(&database).await, user(1, name)).await;
    let text = run(&database.url, &["show", "user1@example.com"]);
    assert!(printed(&text).contains("안녕 \\u{1b}[2J\\u{9b}31m\\u{202e}\\r\\n O'Hara"));
    assert!(printed(&text).contains("2020-09-13T12:26:40Z"), "{}", printed(&text));
    let object = run(&database.url, &["show", "user1@example.com", "--json"]);
    assert_eq!(in_json(&object)["account"]["name"], name);
    let unknown = run(&database.url, &["show", "\u{1b}[2J"]);
    let unreadable = run("sqlite:/\u{1b}[2J", &["show", "user1@example.com"]);
    assert_eq!((code(&unknown), code(&unreadable)), (2, 1));
    for output in [text, object, unknown, unreadable] {
        let all = format!("{}{}", printed(&output), said(&output));
        assert!(!all.contains(['\u{1b}', '\u{9b}', '\u{202e}', '\r']), "{all:?}");
        assert!(!all.contains("canary"), "{all}");
    }
}

#[tokio::test]
async fn nothing_is_changed_without_a_terminal_to_ask_at() {
    let database = Database::sqlite();
    let store = opened(&database).await;
    keep(&store, user(1, "Ann")).await;
    for change in ["disable", "end-sessions", "force-password-change", "delete"] {
        for whom in [&["user1@example.com"][..], &["--file", "-"]] {
            let output = run(&database.url, &[&[change, "--json"], whom].concat());
            assert_eq!(code(&output), 4, "{change}: {}", said(&output));
            assert_eq!(in_json(&output)["outcome"], "not_confirmed");
            assert!(said(&output).contains("--yes"), "{}", said(&output));
        }
    }
    let kept = find(&store, 1).await;
    assert_eq!(kept.credential_version, CredentialVersion::FIRST);
    assert!(kept.password_hash.is_some() && !kept.disabled);
    assert_eq!(code(&run(&database.url, &["enable", "user1@example.com"])), 0);
}

/// A terminal, and the end of it that a program is given.
fn terminal() -> (File, File) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let path = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
    (File::from(terminal), OpenOptions::new().read(true).write(true).open(path).unwrap())
}

/// Runs it at a terminal on which somebody types this.
fn typed(store: &str, arguments: &[&str], answer: &str) -> Output {
    let (mut terminal, its_end) = terminal();
    terminal.write_all(answer.as_bytes()).unwrap();
    program(store, arguments).stdin(its_end).output().unwrap()
}

#[tokio::test]
async fn only_who_types_the_address_changes_the_account() {
    let database = Database::sqlite();
    let store = opened(&database).await;
    keep(&store, user(1, "Ann")).await;
    // A closed input, as by Ctrl-D, is no answer either.
    for answer in ["y\n", "\n", "user11@example.com\n", "\u{4}"] {
        let output = typed(&database.url, &["delete", "user1@example.com"], answer);
        assert_eq!(code(&output), 4, "{answer:?}: {}", said(&output));
        assert!(said(&output).contains("Nothing was changed"), "{}", said(&output));
        assert_eq!(find(&store, 1).await.credential_version, CredentialVersion::FIRST);
    }
    let output = typed(&database.url, &["disable", "user1@example.com"], "User1@example.com\n");
    assert_eq!(code(&output), 0, "{}", said(&output));
    assert!(
        said(&output).contains("Ann") && said(&output).contains("sessions and mailed links end")
    );
    assert!(printed(&output).ends_with("disabled\n"), "{}", printed(&output));
    assert!(find(&store, 1).await.disabled);

    let folder = tempfile::tempdir().unwrap();
    let list = written(folder.path(), "user1@example.com\nuser2@example.com\nnobody\n");
    let answered = |answer| typed(&database.url, &["end-sessions", "--file", &list], answer);
    assert_eq!((code(&answered("3\n")), code(&answered("2\n"))), (4, 3));
}

fn written(folder: &Path, list: &str) -> String {
    let path = folder.join("list");
    fs::write(&path, list).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_wrong_store_is_told_and_nothing_is_made_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("text"), "no database, and longer than the header of one by some bytes")
        .unwrap();
    fs::write(path("empty"), "").unwrap();
    let cases = [
        (format!("sqlite:{}", path("absent")), "there is no file"),
        (format!("sqlite:{}", path("text")), "AUTH_STORE"),
        (format!("sqlite:{}", path("empty")), "Is this the server's database?"),
        ("memory".to_owned(), "nobody else reaches what is in memory"),
        ("postgres://ann:canary@127.0.0.1:1/db".to_owned(), "AUTH_STORE"),
        ("mysql://ann:canary@127.0.0.1/db".to_owned(), "sqlite:PATH"),
    ];
    for (store, cause) in cases {
        let output = run(&store, &["delete", EMAIL, "--yes", "--json"]);
        assert_eq!(code(&output), 1, "{store}: {}", said(&output));
        assert_eq!(in_json(&output)["outcome"], "failed");
        assert!(said(&output).contains(cause), "{store}: {}", said(&output));
        assert!(!said(&output).contains("canary"), "{}", said(&output));
    }
    assert!(!Path::new(&path("absent")).exists());
    let tables =
        Command::new("grep").args(["-c", "CREATE TABLE", &path("empty")]).output().unwrap();
    assert_eq!(printed(&tables).trim(), "0");
}

#[test]
fn a_wrong_command_line_is_told_apart_and_help_lists_every_code() {
    let database = Database::sqlite();
    for wrong in [&["disable"][..], &["disable", EMAIL, "--file", "-"], &["remove", EMAIL]] {
        assert_eq!(code(&run(&database.url, wrong)), 2);
    }
    let help = command("admin", &[]).arg("--help").output().unwrap();
    assert_eq!(code(&help), 0);
    for code in ["  0  ", "  1  ", "  2  ", "  3  ", "  4  ", "  130  "] {
        assert!(printed(&help).contains(code), "{code}");
    }
    for change in ["show", "disable", "enable", "end-sessions", "force-password-change", "delete"] {
        assert!(printed(&help).contains(&format!("admin user {change} ")), "{change}");
    }
}

#[tokio::test]
async fn a_list_is_done_whole_past_those_who_are_not_there_and_again_does_no_harm() {
    for database in Database::each().await {
        let store = opened(&database).await;
        let mut list = String::from("\u{feff}");
        let mut left = Vec::new();
        for number in 1..=200 {
            let line = match number % 20 {
                0 => "nobody@example.com".to_owned(),
                10 => "no \u{1b}[2J address".to_owned(),
                _ => {
                    keep(&store, user(number, "Ann")).await;
                    user(number, "").email.as_str().to_uppercase()
                }
            };
            match number % 20 {
                0 => left.push((number, "not_found")),
                10 => left.push((number, "not_understood")),
                _ => {}
            }
            list += &format!(" {line}\r\n");
        }
        keep(&store, user(1000, "Not in the list")).await;
        let folder = tempfile::tempdir().unwrap();
        let list = written(folder.path(), &list);
        for _ in 0..2 {
            let output = run(&database.url, &["disable", "--file", &list, "--yes", "--json"]);
            assert_eq!(code(&output), 3, "{}", said(&output));
            let object = in_json(&output);
            assert_eq!((&object["lines"], &object["done"]), (&json!(200), &json!(180)));
            assert_eq!(
                (&object["outcome"], &object["next_line"]),
                (&json!("not_found"), &json!(null))
            );
            let told: Vec<_> = object["left"].as_array().unwrap().iter().collect();
            let told = told.iter().map(|left| (left["line"].as_u64(), left["outcome"].as_str()));
            let expected = left.iter().map(|(line, outcome)| (Some(*line), Some(*outcome)));
            assert_eq!(told.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        }
        for number in (1..=200).filter(|number| number % 10 != 0) {
            assert!(find(&store, number).await.disabled, "{number}");
        }
        assert!(!find(&store, 1000).await.disabled);

        let mut child = program(&database.url, &["enable", "--file", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(b"user1@example.com\n\nuser2@example.com").unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((code(&output), printed(&output)), (0, "2 of 2 done\n"));
        assert!(!find(&store, 2).await.disabled && find(&store, 3).await.disabled);
    }
}

#[tokio::test]
async fn how_far_a_list_is_shows_on_a_terminal_and_nowhere_else() {
    let database = Database::sqlite();
    keep(&opened(&database).await, user(1, "Ann")).await;
    let folder = tempfile::tempdir().unwrap();
    let list = written(folder.path(), "user1@example.com\nuser1@example.com\n");
    let change = ["enable", "--file", &list];
    let (mut terminal, its_end) = terminal();
    let mut program_there = program(&database.url, &change);
    let mut child = program_there.env("TERM", "xterm").stderr(its_end).spawn().unwrap();
    drop(program_there);
    // Its end is closed when the program has ended, and reading fails.
    let mut screen = Vec::new();
    let _ = terminal.read_to_end(&mut screen);
    assert!(child.wait().unwrap().success());
    let screen = String::from_utf8_lossy(&screen);
    assert!(screen.contains("1/2 accounts"), "{screen}");
    assert!(!said(&run(&database.url, &change)).contains("accounts"));
}

/// Holds back the first change until the program has heard of the interruption.
#[tokio::test]
async fn interrupted_a_list_ends_after_the_account_it_is_at_and_says_where() {
    let database = Database::sqlite();
    let store = opened(&database).await;
    for number in 1..=3 {
        keep(&store, user(number, "Ann")).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let list =
        written(folder.path(), "\nuser1@example.com\nuser2@example.com\nuser3@example.com\n");
    let mut connection = sqlx::SqliteConnection::connect(&database.url).await.unwrap();
    let writing = connection.begin_with("BEGIN IMMEDIATE").await.unwrap();

    let mut child = program(&database.url, &["disable", "--file", &list, "--yes", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut wait_for = |text: &str| {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended without {text:?}");
        }
    };
    wait_for("look_up");
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    wait_for("stopping after this account");
    writing.rollback().await.unwrap();

    let mut rest = String::new();
    log.read_to_string(&mut rest).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 130, "{rest}");
    let object = in_json(&output);
    assert_eq!((&object["outcome"], &object["done"]), (&json!("interrupted"), &json!(1)));
    assert_eq!(object["next_line"], 3);
    assert!(rest.contains("from line 3 on"), "{rest}");
    assert!(find(&store, 1).await.disabled && !find(&store, 2).await.disabled);
}
