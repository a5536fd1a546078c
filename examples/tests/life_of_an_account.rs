//! A whole life of an account, over sockets: at the example server in a process of its own, on every store
//! that it has, and at a router in this one, whose stores can be looked into afterwards.
#![expect(clippy::panic, clippy::print_stdout, clippy::unwrap_used, reason = "tests")]

#[path = "life/canary.rs"]
mod canary;
#[path = "life/child.rs"]
mod child;
mod databases;
#[path = "life/http.rs"]
mod http;
mod life;
mod process;
#[path = "life/secrets.rs"]
mod secrets;

use std::net::SocketAddr;
use std::time::Duration;

use adapters_http::{HttpOptions, router};
use adapters_local::{Testing, testing_with};
use auth_domain::ports::{ResetTokenStore, SessionStore, UserStore};
use auth_domain::{Email, EmailVerification, UserId};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};
use tokio::net::TcpListener;

use child::Child;
use databases::Database;
use life::{Answer, Call, Departed, World};
use process::Server;

impl Database {
    /// Everything that the tables hold of accounts, as text.
    async fn dump(&self) -> String {
        let mut rows = Vec::new();
        for table in ["users", "sessions", "reset_tokens", "mail_jobs"] {
            rows.extend(self.rows(&format!("auth_{table}")).await);
        }
        rows.join("\n")
    }

    async fn rows(&self, table: &str) -> Vec<String> {
        let Some(path) = self.url.strip_prefix("sqlite:") else {
            let mut connection = PgConnection::connect(&self.url).await.unwrap();
            let rows = AssertSqlSafe(format!("SELECT t::text FROM {table} t"));
            return sqlx::query_scalar(rows).fetch_all(&mut connection).await.unwrap();
        };
        let mut connection = SqliteConnection::connect(path).await.unwrap();
        let columns = "SELECT group_concat(name) FROM pragma_table_info($1)";
        let columns = sqlx::query_scalar(columns).bind(table).fetch_one(&mut connection);
        let columns: String = columns.await.unwrap();
        let rows = AssertSqlSafe(format!("SELECT concat_ws('|', {columns}) FROM {table}"));
        sqlx::query_scalar(rows).fetch_all(&mut connection).await.unwrap()
    }
}

async fn live_at_the_example_server(store: &str) -> (Child, Departed) {
    let settings = [("AUTH_EMAIL_VERIFICATION", "required"), ("AUTH_STORE", store)];
    let server = Server::start("server", &settings);
    let mut child = Child::new(server);
    let departed = life::lived(&mut child).await;
    assert_eq!(child.unread(), 0, "mails more than were due");
    (child, departed)
}

#[tokio::test]
async fn an_account_lives_and_goes_at_the_example_server() {
    let (mut child, departed) = live_at_the_example_server("memory").await;
    life::is_forgotten(&mut child, &departed).await;
}

#[tokio::test]
async fn an_account_lives_and_goes_in_sql_and_leaves_nothing_in_its_tables() {
    for database in Database::each().await {
        let (mut child, departed) = live_at_the_example_server(&database.url).await;
        // The last mail is printed a moment before its job is removed.
        while database.dump().await.contains("account_deleted") {}
        assert_eq!(database.dump().await, "");
        life::is_forgotten(&mut child, &departed).await;
        assert!(database.dump().await.contains(departed.addresses[0]), "the dump shows nothing");
    }
}

/// A router in this process, over `adapters_local::testing()`.
struct InProcess {
    world: Testing,
    address: SocketAddr,
    read: usize,
}

impl InProcess {
    async fn start() -> Self {
        let world = testing_with(|_, settings| {
            settings.email_verification = EmailVerification::RequireVerified;
        });
        let router = router(world.auth.clone(), HttpOptions::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        Self { world, address, read: 0 }
    }
}

impl World for InProcess {
    async fn send(&mut self, call: Call) -> Answer {
        // The clock of tests stands still, and no mail is older than the change that it is about.
        self.world.clock.advance(Duration::from_secs(1));
        http::send(&self.address.to_string(), call).await
    }

    async fn mail(&mut self, to: &str, subject: &str) -> String {
        self.world.deliver_mail().await;
        let all = self.world.mailbox.all();
        let mail = all.get(self.read).unwrap_or_else(|| panic!("no mail {subject:?} to {to}"));
        self.read += 1;
        assert_eq!((mail.to.as_str(), mail.content.subject.as_str()), (to, subject));
        mail.content.text.to_string()
    }
}

#[tokio::test]
async fn of_an_account_that_is_gone_the_stores_hold_nothing() {
    let mut here = InProcess::start().await;
    let departed = life::lived(&mut here).await;
    let Testing { users, sessions, reset_tokens, mailbox, .. } = &here.world;
    assert_eq!(here.read, mailbox.all().len(), "mails more than were due");
    assert!(here.world.queued_mail().is_empty());
    let user_id = UserId::parse(&departed.user_id).unwrap();
    assert!(users.find_by_id(user_id).await.unwrap().is_none());
    assert!(sessions.list(user_id).await.unwrap().is_empty());
    for address in departed.addresses {
        let address = Email::parse(address).unwrap();
        assert!(users.find_by_email(&address).await.unwrap().is_none());
        assert!(reset_tokens.newest(&address).await.unwrap().is_none());
    }
    life::is_forgotten(&mut here, &departed).await;
}
