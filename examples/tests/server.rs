//! The example server as a newcomer meets it: a child process on a free port, driven by a real client.
#![expect(clippy::panic, clippy::print_stdout, clippy::unwrap_used, reason = "tests")]

mod databases;
mod process;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use databases::Database;
use process::{Server, command};

impl Server {
    fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.post_in("en", path, body)
    }

    fn post_in(&self, language: &str, path: &str, body: &Value) -> (u16, Value) {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(30)))
            .build()
            .into();
        let mut response = agent
            .post(format!("http://{}/auth/{path}", self.address))
            .header("Content-Type", "application/json")
            .header("Accept-Language", language)
            .send(body.to_string())
            .unwrap();
        let text = response.body_mut().read_to_string().unwrap();
        (response.status().as_u16(), serde_json::from_str(&text).unwrap())
    }

    /// The answers of sixteen posts at once.
    fn race_for(&self, path: &str, body: &Value) -> Vec<(u16, Value)> {
        thread::scope(|scope| {
            let posts: Vec<_> = (0..16).map(|_| scope.spawn(|| self.post(path, body))).collect();
            posts.into_iter().map(|post| post.join().unwrap()).collect()
        })
    }

    /// The statuses of sixteen posts at once, sorted.
    fn race(&self, path: &str, body: &Value) -> Vec<u16> {
        let answers = self.race_for(path, body);
        let mut statuses: Vec<u16> = answers.into_iter().map(|(status, _)| status).collect();
        statuses.sort_unstable();
        statuses
    }

    fn register(&self) -> u16 {
        self.post("register", &json!({"email": EMAIL, "password": OLD, "name": "Ann"})).0
    }

    fn login(&self, password: &str) -> u16 {
        self.post("login", &json!({"email": EMAIL, "password": password})).0
    }

    /// Asks for a reset mail and reads the token from the link in it, which stands alone on its line.
    fn reset_token(&self) -> String {
        assert_eq!(self.post("forgot-password", &json!({"email": EMAIL})).0, 200);
        let line = self.line_with("/reset-password?token=");
        assert!(line.starts_with("http://"), "the link does not stand alone: {line}");
        line.split("token=").nth(1).unwrap().to_owned()
    }

    fn stop(&mut self) -> bool {
        let told = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        told.success() && self.child.wait().unwrap().success()
    }

    /// Stops it in good order, which sends what is queued; how many of the unread lines have a text.
    fn stop_and_count(mut self, text: &str) -> usize {
        assert!(self.stop());
        self.lines.lock().unwrap().iter().filter(|line| line.contains(text)).count()
    }
}

const EMAIL: &str = "ann@example.com";
const OLD: &str = "correct horse battery";
const NEW: &str = "a brand new staple";

#[test]
fn the_six_steps_end_with_the_new_password_accepted_and_the_old_one_refused() {
    for (language, refused) in
        [("en", "Email or password is wrong."), ("ko", "이메일 또는 비밀번호가 올바르지 않습니다.")]
    {
        let server = Server::start("server", &[("AUTH_LANGUAGE", language)]);
        assert_eq!(server.register(), 201);
        assert_eq!(server.login(OLD), 200);
        let body = json!({"token": server.reset_token(), "new_password": NEW});
        assert_eq!(server.post("reset-password", &body).0, 200);
        assert_eq!(server.login(NEW), 200);
        let login = json!({"email": EMAIL, "password": OLD});
        let (status, answer) = server.post_in("xx", "login", &login);
        assert_eq!((status, &answer["error"]), (401, &json!(refused)));
    }
}

#[test]
fn a_log_in_json_is_a_record_a_line_with_the_id_of_its_request() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut command = command("server", &[("AUTH_LOG_FORMAT", "json"), ("AUTH_LOG", "auth=info")]);
    command.stderr(fs::File::create(&log).unwrap());
    let mut server = Server::with_log(command);
    server.register();
    let answer = ureq::post(format!("http://{}/auth/login", server.address))
        .header("Content-Type", "application/json")
        .header("X-Request-Id", "seven")
        .send(json!({"email": EMAIL, "password": OLD}).to_string())
        .unwrap();
    assert_eq!(answer.headers()["x-request-id"], "seven");
    assert!(server.stop());
    let text = fs::read_to_string(&log).unwrap();
    let records: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_message = |record: &&Value| record["fields"]["message"] == "logged_in";
    let record = records.iter().find(of_message).unwrap();
    assert_eq!(record["fields"]["request_id"], "seven", "{record}");
    assert_eq!(record["spans"][0]["http.route"], "/auth/login", "{record}");
    assert_eq!(record["spans"][1]["name"], "login", "{record}");
    assert!(records.iter().all(|record| record["target"] == "auth"), "{text}");
}

#[test]
fn the_lines_that_it_prints_work_as_they_stand() {
    if Command::new("curl").arg("--version").output().is_err() {
        println!("skipped: there is no curl here to run the printed lines with");
        return;
    }
    let server = Server::start("server", &[]);
    let lines: Vec<String> = (0..6).map(|_| server.line_with("curl -i")).collect();
    let mut token = String::new();
    let mut statuses = Vec::new();
    for line in &lines {
        let quiet = line.replace("curl -i", "curl -s -o /dev/null -w '%{http_code}'");
        let run = Command::new("sh").args(["-c", &quiet]).env("TOKEN", &token).output().unwrap();
        statuses.push(String::from_utf8(run.stdout).unwrap());
        if line.contains("forgot-password") {
            let link = server.line_with("/reset-password?token=");
            token = link.split("token=").nth(1).unwrap().to_owned();
        }
    }
    assert_eq!(statuses, ["201", "200", "200", "200", "200", "401"]);
}

#[test]
fn the_lines_about_sessions_work_as_they_stand() {
    if Command::new("curl").arg("--version").output().is_err() {
        println!("skipped: there is no curl here to run the printed lines with");
        return;
    }
    let server = Server::start("server", &[]);
    let lines: Vec<String> = (0..3).map(|_| server.line_with("curl http")).collect();
    server.register();
    let login = server.post("login", &json!({"email": EMAIL, "password": OLD})).1;
    let answers = lines.iter().map(|line| {
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).env("ACCESS", login["access_token"].as_str().unwrap());
        let run = shell.env("REFRESH", login["refresh_token"].as_str().unwrap()).output().unwrap();
        serde_json::from_slice::<Value>(&run.stdout).unwrap()
    });
    let answers: Vec<_> = answers.collect();
    assert_eq!(answers[0]["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(answers[1]["message"], "Your session goes on.");
    assert_eq!(answers[2]["message"], "You are logged out.");
}

#[test]
fn of_sixteen_registers_of_one_address_one_wins() {
    let server = Server::start("server", &[]);
    let body = json!({"email": EMAIL, "password": OLD, "name": "Ann"});
    let mut expected = vec![409; 16];
    expected[0] = 201;
    assert_eq!(server.race("register", &body), expected);
    assert_eq!(server.login(OLD), 200);
}

#[test]
fn of_sixteen_uses_of_one_link_one_wins_and_all_else_that_was_good_is_dead() {
    let server = Server::start("server", &[]);
    server.register();
    let older = server.reset_token();
    let newest = server.reset_token();
    assert_ne!(older, newest);
    let redeem = |token: &str| json!({"token": token, "new_password": NEW});
    let mut expected = vec![400; 16];
    expected[0] = 200;
    assert_eq!(server.race("reset-password", &redeem(&newest)), expected);
    assert_eq!(server.post("reset-password", &redeem(&older)).0, 400);
    assert_eq!(server.login(OLD), 401);
    assert_eq!(server.login(NEW), 200);
    // A racer that loses late has queued a notice too, which is not sent unless both asked in one
    // microsecond.
    let notices = server.stop_and_count("Your Example password was changed");
    assert!((1..4).contains(&notices), "{notices} notices");
}

#[test]
fn a2_sixteen_refreshes_of_one_token_at_once_get_the_one_child() {
    let server = Server::start("server", &[]);
    server.register();
    let login = server.post("login", &json!({"email": EMAIL, "password": OLD})).1;
    let mut token = login["refresh_token"].clone();
    for _ in 0..4 {
        let answers = server.race_for("refresh", &json!({ "refresh_token": token }));
        let child = answers[0].1["refresh_token"].clone();
        assert_ne!(child, token);
        for (status, answer) in &answers {
            assert_eq!((*status, &answer["refresh_token"]), (200, &child));
        }
        token = child;
    }
    // The first one is not the parent any more: somebody has a copy.
    let body = json!({"refresh_token": login["refresh_token"]});
    assert_eq!(server.post("refresh", &body).0, 401);
    assert_eq!(server.race("refresh", &json!({ "refresh_token": token })), [401; 16]);
}

#[test]
fn a_body_that_is_too_large_is_answered_and_not_cut_off() {
    let server = Server::start("server", &[]);
    for length in [17 * 1024, 900 * 1024] {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        let head = format!(
            "POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&vec![b'['; length]).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer:.80}");
        assert!(answer.contains("body_too_large"));
    }
    assert_eq!(server.register(), 201);
}

#[test]
fn a_password_that_is_too_long_is_refused_alike_for_known_and_unknown_addresses() {
    let server = Server::start("server", &[]);
    server.register();
    for email in [EMAIL, "nobody@example.com"] {
        for (length, status, code) in
            [(5000, 400, "password_too_long"), (1 << 20, 413, "body_too_large")]
        {
            let body = json!({"email": email, "password": "p".repeat(length)});
            let (answered, answer) = server.post("login", &body);
            assert_eq!((answered, &answer["code"]), (status, &json!(code)));
        }
    }
}

#[test]
fn a_wrong_setting_stops_the_start_and_is_named() {
    for (name, value) in [
        ("AUTH_ALLOWED_ORIGINS", "https://a\u{1}b"),
        ("AUTH_BREACHED_PASSWORDS", "http://mirror.example.com"),
        ("AUTH_COMPATIBILITY_SECRET", "canary-short"),
        ("AUTH_EMAIL_VERIFICATION", "sometimes"),
        ("AUTH_HASH_THREADS", "0"),
        ("AUTH_LINK_BASE", "http://example.com/reset"),
        ("AUTH_LISTEN", "nowhere"),
        ("AUTH_MASTER_SECRET", "Y2FuYXJ5"),
        ("AUTH_MASTER_SECRET", "canary, not base64"),
        ("AUTH_ON_BREACH_CHECK_FAILURE", "perhaps"),
        ("AUTH_REGISTRATION", "private"),
        ("AUTH_SMTP_FROM", "nobody"),
        ("AUTH_STORE", "papyrus"),
        ("AUTH_STORE", "mysql://auth:canary@localhost/auth"),
        ("AUTH_STORE", "postgres://auth:canary@localhost:port/auth"),
        ("AUTH_STORE", "sqlite:/nowhere/auth.db"),
    ] {
        let smtp = ("AUTH_SMTP_HOST", "mail.example.com");
        let output =
            command("server", &[smtp, ("AUTH_SMTP_FROM", "auth@example.com"), (name, value)])
                .output();
        let output = output.unwrap();
        assert!(!output.status.success(), "{name}={value} was taken");
        let said = String::from_utf8(output.stderr).unwrap();
        let option = name["AUTH_".len()..].to_lowercase().replace('_', "-");
        assert!(said.contains(name) || said.contains(&option), "{name} is not named: {said}");
        assert!(!said.contains("canary") && !said.contains("Y2Fu"), "a secret is echoed: {said}");
    }
}

/// A stand-in for Have I Been Pwned on this machine that knows one password; its URL.
fn pwned_passwords() -> String {
    /// SHA-1 of [`OLD`].
    const LEAKED: (&str, &str) = ("/range/98DEC", "C62ECE399A22ED30D490EF333BE7FDE7385:3");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for connection in listener.incoming().map(Result::unwrap) {
            let mut request = BufReader::new(&connection).lines().map(Result::unwrap);
            let asked = request.next().unwrap_or_default().contains(LEAKED.0);
            request.find(String::is_empty);
            let line = if asked { LEAKED.1 } else { "0018A45C4D1DEF81644B54AB7F969B88D65:2" };
            let head = format!("Content-Length: {}\r\nConnection: close", line.len());
            write!(&connection, "HTTP/1.1 200 OK\r\n{head}\r\n\r\n{line}").unwrap();
        }
    });
    url
}

#[test]
fn a_password_that_leaked_is_refused_where_somebody_is_asked() {
    let mirror = pwned_passwords();
    let server = Server::start("server", &[("AUTH_BREACHED_PASSWORDS", &mirror)]);
    let register = |password| json!({"email": EMAIL, "password": password, "name": "Ann"});
    let (status, answer) = server.post("register", &register(OLD));
    assert_eq!((status, &answer["code"]), (400, &json!("password_breached")));
    assert_eq!(server.post("register", &register(NEW)).0, 201);
}

#[test]
fn without_an_answer_about_leaks_it_goes_on_unless_it_is_told_to_refuse() {
    let nobody = ("AUTH_BREACHED_PASSWORDS", "http://127.0.0.1:9");
    let refuse = ("AUTH_ON_BREACH_CHECK_FAILURE", "refuse");
    assert_eq!(Server::start("server", &[nobody]).register(), 201);
    assert_eq!(Server::start("server", &[nobody, refuse]).register(), 503);
}

#[test]
fn a_signal_ends_it_in_good_order() {
    let mut server = Server::start("server", &[]);
    assert_eq!(server.register(), 201);
    assert!(server.stop());
}

#[test]
fn where_it_is_required_nobody_logs_in_before_his_address_is_confirmed() {
    let private = ("AUTH_REGISTRATION", "private");
    let required = ("AUTH_EMAIL_VERIFICATION", "required");
    for (settings, status) in [(&[required][..], 201), (&[required, private], 202)] {
        let server = Server::start("server", settings);
        assert_eq!(server.register(), status);
        assert_eq!(server.login(OLD), 401);
        let line = server.line_with("/verify-email?token=");
        let token = line.split("token=").nth(1).unwrap();
        assert_eq!(server.post("verify-email", &json!({ "token": token })).0, 200);
        assert_eq!(server.login(OLD), 200);
    }
}

const SECRET: (&str, &str) =
    ("AUTH_MASTER_SECRET", "c2l4dGVlbiBieXRlcyB0d2ljZSBtYWtlIHRoaXJ0eS10d28=");

#[test]
fn accounts_sessions_and_a_queued_mail_are_there_after_a_kill() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for database in runtime.block_on(Database::each()) {
        let store = ("AUTH_STORE", database.url.as_str());
        let no_mail_server = [
            ("AUTH_SMTP_HOST", "127.0.0.1"),
            ("AUTH_SMTP_PORT", "9"),
            ("AUTH_SMTP_FROM", "auth@example.com"),
            ("AUTH_SMTP_SECURITY", "danger-plaintext"),
        ];
        let server = Server::start("server", &[&[store, SECRET][..], &no_mail_server].concat());
        assert_eq!(server.register(), 201);
        assert_eq!(server.post("forgot-password", &json!({"email": EMAIL})).0, 200);
        // Meanwhile the mail is tried, most times; else its lease of fifteen seconds has to run out.
        let session = server.post("login", &json!({"email": EMAIL, "password": OLD})).1;
        drop(server);

        let server = Server::start("server", &[store, SECRET]);
        let refresh = json!({"refresh_token": session["refresh_token"]});
        assert_eq!(server.post("refresh", &refresh).0, 200);
        assert_eq!(server.login(OLD), 200);
        let link = server.line_with("/reset-password?token=");
        let token = link.split("token=").nth(1).unwrap();
        let reset = json!({"token": token, "new_password": NEW});
        assert_eq!(server.post("reset-password", &reset).0, 200);
    }
}

#[test]
fn without_a_setting_accounts_and_their_secret_are_kept_in_the_folder_that_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        let mut command = command("server", &[]);
        command.env_remove("AUTH_STORE").current_dir(folder.path());
        let server = Server::of(command);
        let line = server.line_with("Accounts are kept in ");
        assert!(line.contains("/auth-data/auth.db"), "{line}");
        server
    };
    let server = start();
    assert_eq!(server.register(), 201);
    let session = server.post("login", &json!({"email": EMAIL, "password": OLD})).1;
    drop(server);
    let server = start();
    assert_eq!(server.register(), 409);
    let refresh = json!({"refresh_token": session["refresh_token"]});
    assert_eq!(server.post("refresh", &refresh).0, 200);
}

#[test]
fn a_database_file_holds_no_secret() {
    let database = Database::sqlite();
    let server = Server::start("server", &[("AUTH_STORE", &database.url), SECRET]);
    server.register();
    let session = server.post("login", &json!({"email": EMAIL, "password": OLD})).1;
    let refresh = json!({"refresh_token": session["refresh_token"]});
    let refreshed = server.post("refresh", &refresh).1;
    let link = server.reset_token();
    let mut held = Vec::new();
    let folder = Path::new(database.url.strip_prefix("sqlite:").unwrap()).parent().unwrap();
    for file in std::fs::read_dir(folder).unwrap() {
        held.extend(std::fs::read(file.unwrap().path()).unwrap());
    }
    let holds = |text: &str| held.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds(EMAIL) && holds("$argon2id$"), "nothing was read");
    assert!(!holds(OLD) && !holds(SECRET.1));
    for token in [&session["refresh_token"], &refreshed["refresh_token"], &json!(link)] {
        let (_, secret) = token.as_str().unwrap().split_once('.').unwrap();
        assert!(!holds(secret), "{secret}");
    }
}
