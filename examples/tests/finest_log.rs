//! A life of an account over SQLite with every log statement of every crate written down: no secret is among
//! them, nor in a mail but that of its own link, and nothing that a client sends begins a line.
#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

#[path = "life/http.rs"]
mod http;
mod life;
#[path = "life/secrets.rs"]
mod secrets;

use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use adapters_http::{HttpOptions, router};
use adapters_local::{
    Argon2idHasher, Argon2idSettings, CompatibilityIssuer, JwtIssuer, JwtVerifier, OsEntropy,
    Pepper, SigningKey, Testing, TokenProfile, TracingEvents, testing_with,
};
use adapters_sql::{SqlSettings, SqlStore};
use auth_domain::{Email, EmailVerification, MasterSecret, Ports, RequestContext, Settings};
use serde_json::{Value, json};
use sqlx::{Connection as _, SqliteConnection};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tracing::Level;

use life::{Answer, Call, World};
use secrets::Secrets;

const KEYS: [&[u8]; 3] = [
    b"canary: the master secret, of 37 bytes",
    b"canary: the pepper, of 32 bytes!",
    b"canary: the shared secret, of 36 bytes",
];

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Of this whole process, from now on.
    fn start() -> Self {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .without_time()
            .with_max_level(Level::TRACE)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
        log
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// A router in this process, over a SQLite file.
struct Watched {
    testing: Testing,
    address: SocketAddr,
    folder: TempDir,
    mails_read: usize,
    secrets: Secrets,
}

impl Watched {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("auth.db").display());
        let store = SqlStore::connect(&url, &SqlSettings::default()).await.unwrap();
        store.migrate().await.unwrap();
        let testing = testing_with(|ports, settings| compose(ports, settings, store));
        let router = router(testing.auth.clone(), HttpOptions::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        let mut secrets = Secrets::default();
        KEYS.into_iter().for_each(|key| secrets.note_key(key));
        Self { testing, address, folder, mails_read: 0, secrets }
    }

    async fn post(&mut self, path: &str, body: Value) -> Answer {
        let (method, path) = ("POST", format!("/auth/{path}"));
        self.send(Call { method, path, user_agent: "canary", bearer: None, body: Some(body) }).await
    }

    /// Each text field that a stranger can fill, with what would begin a line of its own.
    async fn forges_lines(&mut self) {
        let forged = "canary\r\n INFO auth: logged_in\u{1b}[31m\u{2028}";
        for path in [
            "register",
            "login",
            "forgot-password",
            "reset-password",
            "verify-email",
            "verify-email/resend",
            "change-email/confirm",
            "refresh",
            "logout",
        ] {
            let text = |field: &str| format!("{forged}{field}");
            let all = json!({"email": text("@example.com"), "password": text("password"),
                "name": text("name"), "token": text("token"), "new_password": text("new"),
                "refresh_token": text("refresh")});
            self.post(path, all.clone()).await;
            for (field, value) in all.as_object().unwrap() {
                self.post(path, json!({ field: value })).await;
            }
        }
        self.post("nowhere%0d%0a%20INFO%20auth:%20logged_in", json!({"password": forged})).await;
    }

    async fn is_refused(&mut self) {
        let mut statuses = Vec::new();
        for guess in 0..6 {
            let body = json!({"email": ANN, "password": format!("canary guess {guess}")});
            statuses.push(self.post("login", body).await.status);
        }
        assert!(statuses.contains(&401) && statuses.contains(&429), "{statuses:?}");
        let junk = format!("{}.{}", "c".repeat(43), "canary12".repeat(8));
        for (path, field) in [
            ("refresh", "refresh_token"),
            ("logout", "refresh_token"),
            ("reset-password", "token"),
            ("verify-email", "token"),
            ("change-email/confirm", "token"),
        ] {
            let mut body = json!({ field: junk });
            if path == "reset-password" {
                body["new_password"] = json!("a canary for a reset");
            }
            assert!(self.post(path, body).await.status >= 400, "{path}");
        }
        let again = json!({"email": ANN, "password": "a canary that is second", "name": "Eve"});
        assert_eq!(self.post("register", again).await.status, 409);
    }

    /// What operators do, and the mails that this causes.
    async fn is_administered(&mut self) {
        let admin = self.testing.auth.admin();
        let key = admin.look_up(&Email::parse(ANN).unwrap()).await.unwrap().key;
        admin.disable(&key).await.unwrap();
        admin.enable(&key).await.unwrap();
        admin.end_sessions(&key).await.unwrap();
        admin.force_password_change(&key, &RequestContext::new()).await.unwrap();
        let link = self.mail(ANN, "Reset your Example password").await;
        let token = link.split("token=").nth(1).unwrap().lines().next().unwrap();
        let body = json!({"token": token, "new_password": "a canary after a reset"});
        assert_eq!(self.post("reset-password", body).await.status, 200);
        self.mail(ANN, "Your Example password was changed").await;
    }

    /// The database breaks under each kind of call.
    async fn breaks(&mut self) {
        let path = self.folder.path().join("auth.db");
        let mut database = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
        for table in ["attempts", "sessions", "users"] {
            let drop = sqlx::AssertSqlSafe(format!("DROP TABLE auth_{table}"));
            sqlx::raw_sql(drop).execute(&mut database).await.unwrap();
            let register = json!({"email": "eve@example.com", "password": PASSWORD, "name": "Eve"});
            self.post("register", register).await;
            let login = json!({"email": ANN, "password": "a canary after a reset"});
            assert!(self.post("login", login).await.status >= 500, "without {table}");
        }
    }

    /// A secret is in no mail, but for the link of that mail.
    fn mails_hold_nothing_else(&self) {
        for mail in self.testing.mailbox.all() {
            let text = mail.content.text.to_string();
            let (before, after) = text.split_once("?token=").unwrap_or((&text, ""));
            self.secrets.are_not_in(before, "a mail before its link");
            let after = after.split_once('\n').map_or("", |(_, after)| after);
            self.secrets.are_not_in(after, "a mail after its link");
            self.secrets.are_not_in(&mail.content.subject, "the subject of a mail");
        }
    }
}

const ANN: &str = "ann@example.com";
const PASSWORD: &str = "a canary that signs up";

fn compose(ports: &mut Ports, settings: &mut Settings, store: SqlStore) {
    let [master, pepper, shared] = KEYS;
    let secret = MasterSecret::new(master).unwrap();
    let entropy = Arc::new(OsEntropy::new());
    let profile = TokenProfile::new("https://auth.example.com", "tests").unwrap();
    let key = SigningKey::ed25519_from_master(&secret);
    let mut hashing = Argon2idSettings::default();
    hashing.pepper = Some(Pepper::new("p1", pepper).unwrap());
    ports.token_verifier =
        Arc::new(JwtVerifier::from_masters(&secret, None, profile.clone()).unwrap());
    ports.token_issuer = Arc::new(JwtIssuer::new(key, profile, Arc::clone(&entropy) as _));
    ports.compatibility_issuer = Some(Arc::new(CompatibilityIssuer::new(shared).unwrap()));
    ports.hasher = Arc::new(Argon2idHasher::new(hashing, entropy).unwrap());
    ports.events = Arc::new(TracingEvents::new());
    ports.attempts = Arc::new(store.clone());
    ports.limiter = Arc::new(store.clone());
    ports.reset_tokens = Arc::new(store.clone());
    ports.sessions = Arc::new(store.clone());
    ports.users = Arc::new(store);
    settings.master_secret = secret;
    settings.email_verification = EmailVerification::RequireVerified;
}

impl World for Watched {
    async fn send(&mut self, call: Call) -> Answer {
        // The clock of tests stands still, and no mail is older than the change that it is about.
        self.testing.clock.advance(Duration::from_secs(1));
        let sent = Secrets::sent_by(&call);
        let answer = http::send(&self.address.to_string(), call).await;
        self.secrets.note_call(&sent, &answer);
        answer
    }

    async fn mail(&mut self, to: &str, subject: &str) -> String {
        self.testing.deliver_mail().await;
        let mails = self.testing.mailbox.all();
        let mail = mails.get(self.mails_read).unwrap_or_else(|| panic!("no mail {subject:?}"));
        self.mails_read += 1;
        assert_eq!((mail.to.as_str(), mail.content.subject.as_str()), (to, subject));
        mail.content.text.to_string()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_finest_level_no_secret_is_logged_and_no_client_begins_a_line() {
    let log = Log::start();
    let mut world = Watched::start().await;
    let departed = life::lived(&mut world).await;
    life::is_forgotten(&mut world, &departed).await;
    world.testing.deliver_mail().await;
    world.mails_read = world.testing.mailbox.all().len();
    world.forges_lines().await;
    world.is_refused().await;
    world.is_administered().await;
    world.breaks().await;
    world.mails_hold_nothing_else();

    let text = log.text();
    for there in ["DEBUG", "logged_in", "too_many_attempts", "port_failed", "no such table"] {
        assert!(text.contains(there), "nothing was logged that has {there:?}");
    }
    assert!(world.secrets.number() > 60, "{} secrets passed", world.secrets.number());
    world.secrets.are_not_in(&text, "the log");
    assert!(!text.contains("canary"), "{text}");
    for line in text.lines() {
        let level = line.split_whitespace().next().unwrap_or_default();
        assert!(level.parse::<Level>().is_ok(), "a line that is no record: {line:?}");
    }
    assert!(
        !text.contains(['\r', '\u{1b}', '\u{2028}']),
        "what a client sent is written as it came"
    );
}
