//! The database that servers are killed on, and what is in it afterwards.

use std::time::{Duration, Instant};

use adapters_sql::sqlite_options;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::mailbox::Mail;

pub(crate) struct Store {
    /// As `AUTH_STORE` takes it.
    pub(crate) url: String,
    pub(crate) name: &'static str,
    runtime: Runtime,
    /// Where a database of this name was made, to be removed at the end.
    made: Option<(String, String)>,
    _folder: Option<TempDir>,
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

impl Store {
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("auth.db").display());
        Self { url, name: "SQLite", runtime: runtime(), made: None, _folder: Some(folder) }
    }

    /// A database of its own, so that it can be seen when the last connection to it is gone. `None`, and
    /// said, where there is no Postgres.
    pub(crate) fn postgres() -> Option<Self> {
        let Ok(server) = std::env::var("AUTH_TEST_POSTGRES") else {
            println!("skipped on Postgres: AUTH_TEST_POSTGRES names no server");
            return None;
        };
        let database = format!("kill_{}", uuid::Uuid::new_v4().simple());
        let options: PgConnectOptions = server.parse().unwrap();
        let url = options.database(&database).to_url_lossy().to_string();
        let mut store = Self::at(url);
        store.execute_at(&server, &format!("CREATE DATABASE {database}"));
        store.made = Some((server, database));
        Some(store)
    }

    /// A Postgres that belongs to the test.
    pub(crate) fn at(url: String) -> Self {
        Self { url, name: "Postgres", runtime: runtime(), made: None, _folder: None }
    }

    fn execute_at(&self, server: &str, sql: &str) {
        self.runtime.block_on(async {
            let mut connection = PgConnection::connect(server).await.unwrap();
            sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
        });
    }

    /// The first column of what a statement returns.
    pub(crate) fn texts(&self, sql: &str) -> Vec<String> {
        let query = sqlx::query_scalar(AssertSqlSafe(sql.to_owned()));
        self.runtime.block_on(async {
            let Some(path) = self.url.strip_prefix("sqlite:") else {
                let mut connection = PgConnection::connect(&self.url).await.unwrap();
                return query.fetch_all(&mut connection).await.unwrap();
            };
            let query = sqlx::query_scalar(AssertSqlSafe(sql.to_owned()));
            let mut connection = sqlite_options(path).connect().await.unwrap();
            let texts = query.fetch_all(&mut connection).await.unwrap();
            connection.close().await.unwrap();
            texts
        })
    }

    pub(crate) fn count(&self, of: &str) -> usize {
        self.texts(&format!("SELECT CAST(count({of}) AS TEXT) FROM auth_users"))[0].parse().unwrap()
    }

    /// Waits for what a killed server had sent to Postgres: that is still carried out.
    pub(crate) fn outlive_the_killed(&self) {
        let Some((_, database)) = &self.made else { return };
        let others = format!(
            "SELECT CAST(pid AS TEXT) FROM pg_stat_activity \
             WHERE datname = '{database}' AND pid <> pg_backend_pid()"
        );
        let patience = Instant::now() + Duration::from_secs(30);
        while !self.texts(&others).is_empty() {
            assert!(Instant::now() < patience, "connections of a server that is gone");
        }
    }

    /// Those that are neither here nor queued.
    pub(crate) fn not_queued<'a>(&self, due: impl Iterator<Item = &'a Mail>) -> Vec<&'a Mail> {
        let jobs = self.texts("SELECT job FROM auth_mail_jobs");
        due.filter(|mail| {
            let (kind, to) = (format!("\"{}\"", mail.about.kind()), format!("\"{}\"", mail.to));
            !jobs.iter().any(|job| job.contains(&kind) && job.contains(&to))
        })
        .collect()
    }

    /// As if time had passed: what a server was sending when it was killed is sent by the next.
    pub(crate) fn let_leases_end(&self) {
        self.texts("UPDATE auth_mail_jobs SET due_at = 0 RETURNING job");
    }

    /// Looks through the whole file, which only SQLite can be asked to do.
    pub(crate) fn assert_whole(&self) {
        if self.url.starts_with("sqlite:") {
            assert_eq!(self.texts("PRAGMA integrity_check"), ["ok"]);
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Some((server, database)) = self.made.take()
            && !std::thread::panicking()
        {
            self.execute_at(&server, &format!("DROP DATABASE {database} WITH (FORCE)"));
        }
    }
}
