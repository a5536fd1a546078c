//! Databases to test on: a SQLite file that goes with the test, and the Postgres that
//! `AUTH_TEST_POSTGRES` names (`adapters-sql/postgres.sh` starts one).

use std::sync::atomic::{AtomicU32, Ordering};

use adapters_sql::{SqlSettings, SqlStore, sqlite_options};
use sqlx::{AssertSqlSafe, PgPool, SqlitePool};
use tempfile::TempDir;

/// A store with its tables made.
pub(crate) struct Database {
    pub(crate) store: SqlStore,
    pub(crate) url: String,
    pub(crate) settings: SqlSettings,
    /// Where the file is, for SQLite.
    pub(crate) folder: Option<TempDir>,
}

impl Database {
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}/auth.db", folder.path().display());
        Self::open(url, SqlSettings::default(), Some(folder)).await
    }

    /// Under a prefix that no other test has; `None`, and said, where there is no Postgres.
    pub(crate) async fn postgres() -> Option<Self> {
        let url = postgres_url()?;
        let mut settings = SqlSettings::default();
        settings.table_prefix = fresh_prefix();
        Some(Self::open(url, settings, None).await)
    }

    /// One of each kind that there is here.
    pub(crate) async fn each() -> Vec<Self> {
        let mut databases = vec![Self::sqlite().await];
        databases.extend(Self::postgres().await);
        databases
    }

    async fn open(url: String, settings: SqlSettings, folder: Option<TempDir>) -> Self {
        let store = SqlStore::connect(&url, &settings).await.unwrap();
        store.migrate().await.unwrap();
        Self { store, url, settings, folder }
    }

    /// Another store over the same tables, as another process has it.
    pub(crate) async fn again(&self) -> SqlStore {
        SqlStore::connect(&self.url, &self.settings).await.unwrap()
    }

    /// Runs statements of the test's own; `@` is the prefix.
    pub(crate) async fn execute(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.replace('@', &self.settings.table_prefix));
        if let Some(path) = self.url.strip_prefix("sqlite:") {
            let pool = SqlitePool::connect_with(sqlite_options(path)).await.unwrap();
            sqlx::raw_sql(sql).execute(&pool).await.unwrap();
            pool.close().await;
        } else {
            let pool = PgPool::connect(&self.url).await.unwrap();
            sqlx::raw_sql(sql).execute(&pool).await.unwrap();
            pool.close().await;
        }
    }

    /// How many rows a table has.
    pub(crate) async fn count(&self, table: &str) -> i64 {
        self.number(&format!("SELECT count(*) FROM @{table}")).await
    }

    /// The one number that a query comes to; `@` is the prefix.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let sql = AssertSqlSafe(sql.replace('@', &self.settings.table_prefix));
        if let Some(path) = self.url.strip_prefix("sqlite:") {
            let pool = SqlitePool::connect_with(sqlite_options(path)).await.unwrap();
            sqlx::query_scalar(sql).fetch_one(&pool).await.unwrap()
        } else {
            let pool = PgPool::connect(&self.url).await.unwrap();
            sqlx::query_scalar(sql).fetch_one(&pool).await.unwrap()
        }
    }

    pub(crate) fn is_postgres(&self) -> bool {
        self.folder.is_none()
    }
}

pub(crate) fn postgres_url() -> Option<String> {
    let url = std::env::var("AUTH_TEST_POSTGRES").ok();
    if url.is_none() {
        println!("skipped on Postgres: AUTH_TEST_POSTGRES names no server");
    }
    url
}

pub(crate) fn fresh_prefix() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let (process, next) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let random = uuid::Uuid::new_v4().as_fields().0;
    format!("t{process}_{random:x}_{next}_")
}
