//! The service of notes as a process, in a schema of its own of the Postgres that `AUTH_TEST_POSTGRES`
//! names (`adapters-sql/postgres.sh` starts one).
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod process;

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use process::{Server, command};
use serde_json::{Value, json};
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{AssertSqlSafe, Connection as _};
use tokio::runtime::Runtime;

const EXAMPLE: &str = "axum_postgres";
const SECRET: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const PASSWORD: &str = "correct horse battery";

/// A schema that is gone after the test.
struct Schema {
    runtime: Runtime,
    server: String,
    name: String,
    url: String,
}

impl Schema {
    /// `None`, and said, where there is no Postgres.
    fn new() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let Ok(server) = std::env::var("AUTH_TEST_POSTGRES") else {
            println!("skipped: AUTH_TEST_POSTGRES names no server");
            return None;
        };
        let (process, next) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let name = format!("notes_{process}_{next}");
        let joint = if server.contains('?') { '&' } else { '?' };
        let url = format!("{server}{joint}options[search_path]={name}");
        let runtime = Runtime::new().unwrap();
        let schema = Self { runtime, server, name, url };
        schema.execute(&format!("CREATE SCHEMA {}", schema.name));
        Some(schema)
    }

    fn execute(&self, sql: &str) {
        self.runtime.block_on(async {
            let mut connection = PgConnection::connect(&self.server).await.unwrap();
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        });
    }

    /// The one number that a query in this schema comes to.
    fn number(&self, sql: &'static str) -> i64 {
        self.runtime.block_on(async {
            let mut connection = PgConnection::connect(&self.url).await.unwrap();
            sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
        })
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        self.execute(&format!("DROP SCHEMA {} CASCADE", self.name));
    }
}

/// The process is gone before its schema.
struct Service {
    server: Server,
    schema: Schema,
}

struct Answer {
    status: u16,
    challenge: Option<String>,
    content_type: Option<String>,
    body: Value,
}

impl Answer {
    /// What a problem says, whether of the notes' or of the accounts' routes.
    fn problem(&self) -> (u16, &str) {
        assert_eq!(self.content_type.as_deref(), Some("application/problem+json"));
        assert_eq!(self.body["status"], self.status);
        (self.status, self.body["code"].as_str().unwrap())
    }
}

impl Service {
    fn start() -> Option<Self> {
        let schema = Schema::new()?;
        Some(Self { server: Self::process(&schema), schema })
    }

    fn process(schema: &Schema) -> Server {
        Server::start(EXAMPLE, &[("DATABASE_URL", &schema.url), ("AUTH_MASTER_SECRET", SECRET)])
    }

    fn call(&self, call: &str, token: Option<&str>, body: Option<String>) -> Answer {
        let (method, path) = call.split_once(' ').unwrap();
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.server.address));
        if let Some(token) = token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(30)))
            .build()
            .into();
        let response = match body {
            Some(body) => {
                agent.run(request.header("Content-Type", "application/json").body(body).unwrap())
            }
            None => agent.run(request.body(()).unwrap()),
        };
        let mut response = response.unwrap();
        let text = response.body_mut().read_to_string().unwrap();
        let header = |name| Some(response.headers().get(name)?.to_str().unwrap().to_owned());
        Answer {
            status: response.status().as_u16(),
            challenge: header("WWW-Authenticate"),
            content_type: header("Content-Type"),
            body: serde_json::from_str(&text).unwrap(),
        }
    }

    fn login(&self, name: &str) -> Answer {
        let login = json!({"email": format!("{name}@example.com"), "password": PASSWORD});
        self.call("POST /auth/login", None, Some(login.to_string()))
    }

    /// The access token of a new account.
    fn register(&self, name: &str) -> String {
        let email = format!("{name}@example.com");
        let account = json!({"email": email, "password": PASSWORD, "name": name});
        let registered = self.call("POST /auth/register", None, Some(account.to_string()));
        assert_eq!(registered.status, 201);
        self.login(name).body["access_token"].as_str().unwrap().to_owned()
    }

    fn add(&self, token: &str, text: &str) -> Answer {
        self.call("POST /notes", Some(token), Some(json!({"text": text}).to_string()))
    }

    fn texts(&self, token: &str) -> Vec<String> {
        let list = self.call("GET /notes", Some(token), None);
        assert_eq!(list.status, 200);
        let notes = list.body.as_array().unwrap().iter();
        notes.map(|note| note["text"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn whoever_shows_no_good_token_is_refused_with_a_challenge() {
    let Some(service) = Service::start() else { return };
    let note = Some(json!({"text": "milk"}).to_string());
    for (call, body) in [("GET /notes", None), ("POST /notes", note), ("GET /auth/me", None)] {
        let answer = service.call(call, None, body.clone());
        assert_eq!(answer.problem(), (401, "token_missing"), "{call}");
        assert_eq!(answer.challenge.as_deref(), Some(r#"Bearer realm="auth""#));
        let answer = service.call(call, Some("a.b.c"), body);
        assert_eq!(answer.problem(), (401, "token_invalid"), "{call}");
        assert!(answer.challenge.unwrap().contains(r#"error="invalid_token""#));
    }
    assert_eq!(service.schema.number("SELECT count(*) FROM notes"), 0);
}

#[test]
fn nobody_sees_the_notes_of_another() {
    let Some(service) = Service::start() else { return };
    let (ann, ben) = (service.register("ann"), service.register("ben"));
    assert_eq!(service.add(&ann, "milk").status, 201);
    assert_eq!(service.add(&ben, "bread").status, 201);
    assert_eq!(service.texts(&ann), ["milk"]);
    assert_eq!(service.texts(&ben), ["bread"]);
}

#[test]
fn what_is_no_note_is_a_problem() {
    let Some(service) = Service::start() else { return };
    let ann = service.register("ann");
    for (body, problem) in [
        ("{", (400, "body_invalid")),
        ("{}", (422, "body_invalid")),
        (r#"{"text":" "}"#, (400, "text_invalid")),
        (r#"{"text":"\u0000"}"#, (400, "text_invalid")),
    ] {
        let answer = service.call("POST /notes", Some(&ann), Some(body.to_owned()));
        assert_eq!(answer.problem(), problem, "{body}");
    }
    assert_eq!(service.texts(&ann), [""; 0]);
}

#[test]
fn of_sixteen_notes_at_once_ten_are_kept_and_the_others_taken_back_whole() {
    let Some(service) = Service::start() else { return };
    let ann = service.register("ann");
    let answers: Vec<Answer> = thread::scope(|scope| {
        let posts: Vec<_> = (0..16).map(|_| scope.spawn(|| service.add(&ann, "milk"))).collect();
        posts.into_iter().map(|post| post.join().unwrap()).collect()
    });
    let (kept, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|a| a.status == 201);
    assert_eq!((kept.len(), service.texts(&ann).len()), (10, 10));
    assert!(refused.iter().all(|answer| answer.problem() == (409, "notes_full")));
    assert_eq!(service.schema.number("SELECT notes::bigint FROM note_counts"), 10);
    // Those that were refused had been written.
    assert_eq!(service.schema.number("SELECT last_value FROM notes_note_id_seq"), 16);
}

#[test]
fn with_an_account_go_its_notes_and_with_no_other() {
    let Some(service) = Service::start() else { return };
    let (ann, ben) = (service.register("ann"), service.register("ben"));
    service.add(&ann, "milk");
    service.add(&ben, "bread");
    assert_eq!(service.call("DELETE /auth/me", Some(&ann), None).status, 200);
    service.server.line_with("--- mail to ann@example.com");
    assert_eq!(service.schema.number("SELECT count(*) FROM notes"), 1);
    assert_eq!(service.schema.number("SELECT count(*) FROM note_counts"), 1);
    assert_eq!(service.add(&ann, "eggs").problem(), (401, "token_invalid"));
    assert_eq!(service.texts(&ben), ["bread"]);
}

/// The deletion of an account step by step: it takes the account's row, a note comes, and then it takes
/// the rows that refer to it. A note that was counted first would hold the count by then: a deadlock.
#[test]
fn a_note_that_meets_the_deletion_of_its_account_waits_and_is_refused() {
    const TAKE: &str = "SELECT pg_backend_pid() FROM auth_users FOR UPDATE";
    const IS_WAITED_FOR: &str =
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid)))";
    let Some(service) = Service::start() else { return };
    let ann = service.register("ann");
    service.add(&ann, "milk");
    let note = thread::scope(|scope| {
        let note = service.schema.runtime.block_on(async {
            let pool = PgPool::connect(&service.schema.url).await.unwrap();
            let mut deletion = pool.begin().await.unwrap();
            let take = sqlx::query_scalar::<_, i32>(TAKE);
            let process = take.fetch_one(&mut *deletion).await.unwrap();
            let note = scope.spawn(|| service.add(&ann, "bread"));
            let start = Instant::now();
            let is_waited_for = || sqlx::query_scalar::<_, bool>(IS_WAITED_FOR).bind(process);
            while !is_waited_for().fetch_one(&pool).await.unwrap() {
                assert!(start.elapsed() < Duration::from_secs(20), "the note does not wait");
            }
            sqlx::query("DELETE FROM auth_users").execute(&mut *deletion).await.unwrap();
            deletion.commit().await.unwrap();
            note
        });
        note.join().unwrap()
    });
    assert_eq!(note.problem(), (404, "account_not_found"));
    assert_eq!(service.schema.number("SELECT count(*) FROM notes"), 0);
}

#[test]
fn accounts_sessions_and_notes_outlive_the_process() {
    let Some(mut service) = Service::start() else { return };
    let ann = service.register("ann");
    service.add(&ann, "milk");

    service.server.child.kill().unwrap();
    service.server.child.wait().unwrap();
    service.server = Service::process(&service.schema);
    assert_eq!(service.texts(&ann), ["milk"]);
    assert_eq!(service.login("ann").status, 200);

    let id = service.server.child.id().to_string();
    assert!(Command::new("kill").arg(id).status().unwrap().success());
    service.server.line_with("stopped");
    assert!(service.server.child.wait().unwrap().success());
    service.server = Service::process(&service.schema);
    assert_eq!(service.texts(&ann), ["milk"]);
}

#[test]
fn the_lines_at_its_head_work_as_they_stand() {
    if Command::new("curl").arg("--version").output().is_err() {
        println!("skipped: there is no curl here to run the lines with");
        return;
    }
    let Some(service) = Service::start() else { return };
    let at = format!("http://{}", service.server.address);
    let lines = include_str!("../axum_postgres.rs").lines();
    let mut bearer = String::new();
    let answers = lines.filter_map(|line| line.strip_prefix("//! curl ")).map(|line| {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("curl -s {line}")]).env("AT", &at).env("BEARER", &bearer);
        let run = shell.env("JSON", "Content-Type: application/json").output().unwrap();
        let answer: Value = serde_json::from_slice(&run.stdout).unwrap();
        if let Some(token) = answer["access_token"].as_str() {
            bearer = format!("Authorization: Bearer {token}");
        }
        answer
    });
    let answers: Vec<Value> = answers.collect();
    let [_, _, added, notes, deleted] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!((added, notes), (&json!({"note_id": 1, "text": "milk"}), &json!([added])));
    assert_eq!(deleted["message"], "Your account is deleted.");
}

#[test]
fn a_setting_that_is_missing_or_bad_stops_the_start_and_is_not_shown() {
    let url = ("DATABASE_URL", "canary");
    for (settings, named) in [
        (vec![url], "AUTH_MASTER_SECRET"),
        (vec![url, ("AUTH_MASTER_SECRET", "Y2FuYXJ5")], "AUTH_MASTER_SECRET"),
        (vec![url, ("AUTH_MASTER_SECRET", "no base64: canary")], "AUTH_MASTER_SECRET"),
        (vec![("AUTH_MASTER_SECRET", SECRET)], "DATABASE_URL"),
        (vec![url, ("AUTH_MASTER_SECRET", SECRET)], "DATABASE_URL"),
    ] {
        let output = command(EXAMPLE, &settings).output().unwrap();
        assert!(!output.status.success(), "{settings:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(named) && !said.contains("canary"), "{said}");
    }
}
