use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use auth_domain::PortError;
use thiserror::Error;
#[cfg(feature = "sqlite")]
use tokio::time::timeout_at;
use tokio::time::{Instant, sleep};

use crate::fault::SqlFault;
#[cfg(feature = "postgres")]
use crate::postgres::PostgresDatabase;
use crate::schema;
#[cfg(feature = "sqlite")]
use crate::sqlite::SqliteDatabase;
use crate::statement::{Row, Statement};

/// What a [`SqlStore`] is told beside where its database is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SqlSettings {
    /// What the names of our tables and indexes begin with: lower-case ASCII letters, digits and `_`, no
    /// digit first, at most 32. Default `auth_`.
    pub table_prefix: String,
    /// How long a call may take, tries and waits included, before it ends as
    /// [`Unavailable`](auth_domain::PortErrorKind::Unavailable): 10 ms to an hour. Default 5 s.
    pub deadline: Duration,
    /// Connections at once, where the store makes its own pool; none is taken as one. Default 8.
    pub connections: u32,
    /// Postgres is behind a pooler that gives each transaction another connection. Default false.
    ///
    /// Each statement is then a transaction of its own, prepared within it and for it alone: three more
    /// trips to the server for each. Not needed where the pooler keeps prepared statements itself
    /// (`PgBouncer` from 1.21 on with `max_prepared_statements`).
    pub transaction_pooler: bool,
}

impl Default for SqlSettings {
    fn default() -> Self {
        Self {
            table_prefix: "auth_".to_owned(),
            deadline: Duration::from_secs(5),
            connections: 8,
            transaction_pooler: false,
        }
    }
}

impl SqlSettings {
    pub(crate) fn check(&self) -> Result<(), SqlStoreError> {
        if !is_prefix(&self.table_prefix) {
            return Err(SqlStoreError::TablePrefix);
        }
        let deadlines = Duration::from_millis(10)..=Duration::from_hours(1);
        if !deadlines.contains(&self.deadline) {
            return Err(SqlStoreError::Deadline);
        }
        Ok(())
    }
}

/// Why a database cannot be used. Never carries a URL: there may be a password in it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SqlStoreError {
    /// The database could not be reached or asked.
    #[error("the database cannot be used")]
    Database(#[from] SqlFault),
    /// A deadline that is too short or too long.
    #[error("deadline must be from 10 ms to an hour")]
    Deadline,
    /// The file cannot be made.
    #[error("the database file cannot be made")]
    File(#[source] std::io::Error),
    /// Tables of a later version of this library: going on with this one could lose what it does not know.
    #[error("the tables are of version {found}, and this program knows none above {known}")]
    NewerSchema {
        /// The version that is there.
        found: u64,
        /// The latest that this program knows.
        known: u64,
    },
    /// A SQLite connection whose settings do not keep what is promised.
    #[error("PRAGMA {pragma} is {found}, and {needed} is needed")]
    Pragma {
        /// The setting.
        pragma: &'static str,
        /// What it is.
        found: String,
        /// What it must be.
        needed: &'static str,
    },
    /// Not a prefix for names of tables.
    #[error(
        "table_prefix is of a-z, 0-9 and _, begins with no digit, and has at most 32 characters"
    )]
    TablePrefix,
    /// No URL of a database that this program has an adapter for.
    #[error("the URL is none of {0}")]
    Url(&'static str),
}

/// Accounts, sessions, reset links, attempts and limits in a SQL database: it implements the ports
/// [`UserStore`](auth_domain::ports::UserStore), [`SessionStore`](auth_domain::ports::SessionStore),
/// [`ResetTokenStore`](auth_domain::ports::ResetTokenStore),
/// [`AttemptStore`](auth_domain::ports::AttemptStore) and
/// [`RateLimiter`](auth_domain::ports::RateLimiter). Cheap to clone; a clone is the same store.
#[derive(Clone)]
pub struct SqlStore {
    inner: Arc<Inner>,
}

struct Inner {
    database: Database,
    prefix: String,
    deadline: Duration,
}

pub(crate) enum Database {
    #[cfg(feature = "postgres")]
    Postgres(PostgresDatabase),
    #[cfg(feature = "sqlite")]
    Sqlite(SqliteDatabase),
}

const KNOWN_URLS: &str = if cfg!(all(feature = "postgres", feature = "sqlite")) {
    "sqlite:PATH, postgres://..."
} else if cfg!(feature = "postgres") {
    "postgres://... (sqlite: needs the feature sqlite)"
} else {
    "sqlite:PATH (postgres: needs the feature postgres)"
};

impl SqlStore {
    /// Connects to `sqlite:PATH`, made where it is not there and readable by this user alone, or to
    /// `postgres://user:password@host/database`. [`SqlStore::migrate`] is to be called next.
    ///
    /// A Postgres server on another machine is reached by TLS, as [`postgres_options`](crate::postgres_options)
    /// says.
    ///
    /// # Errors
    /// [`SqlStoreError`], which never shows the URL.
    pub async fn connect(url: &str, settings: &SqlSettings) -> Result<Self, SqlStoreError> {
        settings.check()?;
        match url.split_once(':') {
            #[cfg(feature = "sqlite")]
            Some(("sqlite", path)) => {
                let database = SqliteDatabase::open(path, settings).await?;
                Ok(Self::new(Database::Sqlite(database), settings))
            }
            #[cfg(feature = "postgres")]
            Some(("postgres" | "postgresql", _)) => {
                let database = PostgresDatabase::connect(url, settings).await?;
                Ok(Self::new(Database::Postgres(database), settings))
            }
            _ => Err(SqlStoreError::Url(KNOWN_URLS)),
        }
    }

    /// Keeps our tables in a database of yours, over your pool. Who holds a write transaction of his own must
    /// not wait for this store: it would wait for him, until the deadline. Where other processes write to the
    /// file a lot, [`SqlStore::connect`] waits less for them: it has a writer's connection of its own, which
    /// does not wait by SQLite's growing pauses.
    ///
    /// # Errors
    /// [`SqlStoreError::TablePrefix`], [`SqlStoreError::Deadline`]; [`SqlStoreError::Pragma`] where a connection of it does not keep what is promised:
    /// [`sqlite_options`](crate::sqlite_options) has the settings.
    #[cfg(feature = "sqlite")]
    pub async fn over_sqlite(
        pool: sqlx::SqlitePool,
        settings: &SqlSettings,
    ) -> Result<Self, SqlStoreError> {
        settings.check()?;
        let database = SqliteDatabase::over(pool, settings).await?;
        Ok(Self::new(Database::Sqlite(database), settings))
    }

    /// Keeps our tables in a database of yours, over your pool: in the first schema of its `search_path`.
    /// [`postgres_options`](crate::postgres_options) has the settings that keep what is promised; above all
    /// `statement_timeout`, or a write that waited for a lock of yours may land after its caller was told that it
    /// failed.
    ///
    /// A task that holds a connection of the pool must not wait for this store: enough of them at once would
    /// wait for each other until the deadline.
    ///
    /// # Errors
    /// [`SqlStoreError::TablePrefix`], [`SqlStoreError::Deadline`].
    #[cfg(feature = "postgres")]
    pub fn over_postgres(
        pool: sqlx::PgPool,
        settings: &SqlSettings,
    ) -> Result<Self, SqlStoreError> {
        settings.check()?;
        Ok(Self::new(Database::Postgres(PostgresDatabase::over(pool, settings)), settings))
    }

    fn new(database: Database, settings: &SqlSettings) -> Self {
        let SqlSettings { table_prefix: prefix, deadline, .. } = settings.clone();
        Self { inner: Arc::new(Inner { database, prefix, deadline }) }
    }

    /// Makes our tables, or brings them to the version of this program. To be called at each start: it asks
    /// one question where there is nothing to do. Of instances that start at once one does the work and the
    /// others wait for it; each step is made whole or not at all.
    ///
    /// While instances are replaced one by one, those of the version before go on beside the new tables; they do
    /// not start again.
    ///
    /// # Errors
    /// [`SqlStoreError::NewerSchema`], or [`SqlStoreError::Database`] where the database does not let us.
    pub async fn migrate(&self) -> Result<(), SqlStoreError> {
        schema::migrate(&self.inner.database, &self.inner.prefix).await
    }

    /// Closes the pool, also if it is yours. Calls that have a connection are done first; those that wait for
    /// one fail, and so do later ones.
    pub async fn close(&self) {
        match &self.inner.database {
            #[cfg(feature = "postgres")]
            Database::Postgres(database) => database.pool.close().await,
            #[cfg(feature = "sqlite")]
            Database::Sqlite(database) => database.close().await,
        }
    }

    pub(crate) fn deadline(&self) -> Duration {
        self.inner.deadline
    }

    pub(crate) fn database(&self) -> &Database {
        &self.inner.database
    }

    /// The rows that a statement comes to. It is sent again while that may help: nothing of it was written,
    /// or it knows its own work.
    pub(crate) async fn run(
        &self,
        operation: &'static str,
        statement: Statement,
    ) -> Result<Vec<Row>, PortError> {
        self.try_run(statement).await.map_err(|fault| fault.port_error(operation))
    }

    /// As [`SqlStore::run`], for who minds what went wrong.
    pub(crate) async fn try_run(&self, statement: Statement) -> Result<Vec<Row>, SqlFault> {
        let statement = Arc::new(statement.with_prefix(&self.inner.prefix));
        let end = Instant::now() + self.inner.deadline;
        let mut pause = FIRST_PAUSE;
        loop {
            let fault = match self.inner.database.run(&statement, end).await {
                Ok(rows) => return Ok(rows),
                Err(fault) => fault,
            };
            if !fault.passes() || Instant::now() + pause >= end {
                return Err(fault);
            }
            sleep(part_of(pause)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// At random at least half, so that two callers that met do not meet again.
fn part_of(pause: Duration) -> Duration {
    let random = f64::from(uuid::Uuid::new_v4().as_fields().0) / f64::from(u32::MAX);
    pause.mul_f64(0.5 + random / 2.0)
}

/// What may be put into our statements.
fn is_prefix(text: &str) -> bool {
    text.len() <= 32
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && !text.starts_with(|first: char| first.is_ascii_digit())
}

impl Database {
    /// Tries once, and until `end` at the latest.
    async fn run(&self, statement: &Arc<Statement>, end: Instant) -> Result<Vec<Row>, SqlFault> {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(database) => database.run(statement, end).await,
            #[cfg(feature = "sqlite")]
            Self::Sqlite(database) => {
                timeout_at(end, database.run(statement)).await.unwrap_or(Err(SqlFault::NoAnswer))
            }
        }
    }
}

impl fmt::Debug for SqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let database = match &self.inner.database {
            #[cfg(feature = "postgres")]
            Database::Postgres(_) => "Postgres",
            #[cfg(feature = "sqlite")]
            Database::Sqlite(_) => "SQLite",
        };
        let mut shown = f.debug_struct("SqlStore");
        shown.field("database", &database).field("table_prefix", &self.inner.prefix);
        shown.finish_non_exhaustive()
    }
}
