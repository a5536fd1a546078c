//! Makes the tables, and brings them forward. `sqlx`'s own migrations have one text for each step, so no
//! prefix, and on SQLite no lock between instances that start at once.

#[cfg(feature = "postgres")]
use sqlx::PgPool;
use sqlx::{AssertSqlSafe, Connection as _};

use crate::fault::SqlFault;
use crate::store::{Database, SqlStoreError};

/// One step, never changed once it was released. A program of the version before must be able to go on
/// working beside it (though it does not start again): columns are added, and dropped two versions later.
struct Migration {
    #[cfg(feature = "postgres")]
    postgres: &'static str,
    #[cfg(feature = "sqlite")]
    sqlite: &'static str,
}

/// The first brings the tables to version 1.
const MIGRATIONS: &[Migration] = &[Migration {
    #[cfg(feature = "postgres")]
    postgres: include_str!("../migrations/postgres/0001.sql"),
    #[cfg(feature = "sqlite")]
    sqlite: include_str!("../migrations/sqlite/0001.sql"),
}];

const MAKE_TABLE: &str =
    "CREATE TABLE IF NOT EXISTS @schema_versions (version BIGINT PRIMARY KEY NOT NULL)";
const NOTE_VERSION: &str = "INSERT INTO @schema_versions (version) VALUES ($1)";
const VERSION: &str = "SELECT COALESCE(MAX(version), 0) FROM @schema_versions";

fn named(sql: &str, prefix: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(sql.replace('@', prefix))
}

/// The steps that are missing, each with the version that it leads to.
fn missing(found: i64) -> Result<impl Iterator<Item = (i64, &'static Migration)>, SqlStoreError> {
    let (known, found) = (MIGRATIONS.len() as u64, u64::try_from(found).unwrap_or_default());
    if found > known {
        return Err(SqlStoreError::NewerSchema { found, known });
    }
    let all = (1..).zip(MIGRATIONS);
    Ok(all.skip_while(move |(version, _)| *version <= found.cast_signed()))
}

macro_rules! bring_forward {
    ($transaction:ident, $prefix:ident, $text:ident) => {{
        sqlx::raw_sql(named(MAKE_TABLE, $prefix)).execute(&mut *$transaction).await?;
        let found = sqlx::query_scalar(named(VERSION, $prefix)).persistent(false);
        for (version, migration) in
            missing(found.fetch_one(&mut *$transaction).await?).map_err(Stopped::Store)?
        {
            sqlx::raw_sql(named(migration.$text, $prefix)).execute(&mut *$transaction).await?;
            let note = sqlx::query(named(NOTE_VERSION, $prefix)).persistent(false).bind(version);
            note.execute(&mut *$transaction).await?;
        }
        $transaction.commit().await?;
        Ok(())
    }};
}

/// Why the tables were not brought forward.
enum Stopped {
    Database(sqlx::Error),
    Store(SqlStoreError),
}

impl From<sqlx::Error> for Stopped {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

pub(crate) async fn migrate(database: &Database, prefix: &str) -> Result<(), SqlStoreError> {
    let outcome = match database {
        #[cfg(feature = "postgres")]
        Database::Postgres(database) => on_postgres(&database.pool, prefix).await,
        #[cfg(feature = "sqlite")]
        Database::Sqlite(database) => on_sqlite(&database.readers, prefix).await,
    };
    outcome.map_err(|stopped| match stopped {
        Stopped::Database(error) => SqlStoreError::Database(SqlFault::from(error)),
        Stopped::Store(error) => error,
    })
}

/// Looks before it locks, since the lock would let no other instance write meanwhile.
#[cfg(feature = "sqlite")]
async fn on_sqlite(pool: &sqlx::SqlitePool, prefix: &str) -> Result<(), Stopped> {
    let mut connection = pool.acquire().await?;
    let found = sqlx::query_scalar(named(VERSION, prefix)).fetch_one(&mut *connection).await;
    if let Ok(found) = found
        && missing(found).map_err(Stopped::Store)?.next().is_none()
    {
        return Ok(());
    }
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    bring_forward!(transaction, prefix, sqlite)
}

/// Looks before it locks: so a role that may not make tables can start where there is nothing to make.
#[cfg(feature = "postgres")]
async fn on_postgres(pool: &PgPool, prefix: &str) -> Result<(), Stopped> {
    let mut connection = pool.acquire().await?;
    let found = sqlx::query_scalar(named(VERSION, prefix)).persistent(false);
    if let Ok(found) = found.fetch_one(&mut *connection).await
        && missing(found).map_err(Stopped::Store)?.next().is_none()
    {
        return Ok(());
    }
    // Whoever waits for the lock must then see what the one before him made, however long that took.
    let mut transaction = connection.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
    let patient = "SET LOCAL statement_timeout = 0; SET LOCAL client_min_messages = warning";
    sqlx::raw_sql(patient).execute(&mut *transaction).await?;
    let lock = "SELECT pg_advisory_xact_lock(hashtext($1))";
    sqlx::query(lock).persistent(false).bind(prefix).execute(&mut *transaction).await?;
    bring_forward!(transaction, prefix, postgres)
}
