//! Databases for the example server: a SQLite file that goes with the test, and a schema of the test's own
//! in the Postgres that `AUTH_TEST_POSTGRES` names.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tempfile::TempDir;

/// An empty database.
pub(crate) struct Database {
    /// As `AUTH_STORE` takes it.
    pub(crate) url: String,
    /// Where the file is, for SQLite.
    _folder: Option<TempDir>,
}

impl Database {
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("auth.db").display());
        Self { url, _folder: Some(folder) }
    }

    /// `None`, and said, where there is no Postgres.
    pub(crate) async fn postgres() -> Option<Self> {
        let Ok(url) = std::env::var("AUTH_TEST_POSTGRES") else {
            println!("skipped on Postgres: AUTH_TEST_POSTGRES names no server");
            return None;
        };
        let mut connection = PgConnection::connect(&url).await.unwrap();
        let schema = format!("s{}", uuid::Uuid::new_v4().simple());
        let sql = AssertSqlSafe(format!("CREATE SCHEMA {schema}"));
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        let and = if url.contains('?') { '&' } else { '?' };
        Some(Self { url: format!("{url}{and}options[search_path]={schema}"), _folder: None })
    }

    /// One of each kind that there is here.
    pub(crate) async fn each() -> Vec<Self> {
        let mut databases = vec![Self::sqlite()];
        databases.extend(Self::postgres().await);
        databases
    }
}
