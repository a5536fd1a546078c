mod writer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::sqlite::{
    Sqlite, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _};
use tokio::time::{Instant, sleep};

use crate::SqlSettings;
use crate::fault::SqlFault;
use crate::statement::{Row, Statement};
use crate::store::SqlStoreError;
pub(crate) use writer::Writer;

/// How long a connection waits for the writer of another process; inside a process they take turns.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Settings of a connection that keeps what [`SqlStore`](crate::SqlStore) promises: a write-ahead log, so
/// that readers and the writer do not wait for each other; each commit flushed to the disk before it is
/// acknowledged (`synchronous=FULL`); foreign keys of yours enforced; five seconds of patience with
/// writers of other processes.
pub fn sqlite_options(path: impl AsRef<Path>) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .thread_name(|n| format!("auth-sqlite-{n}"))
        .disable_statement_logging()
}

pub(crate) struct SqliteDatabase {
    pub(crate) readers: SqlitePool,
    pub(crate) writer: Arc<Writer>,
}

impl SqliteDatabase {
    /// `path` as it follows `sqlite:`, with or without the slashes of a URL.
    pub(crate) async fn open(path: &str, settings: &SqlSettings) -> Result<Self, SqlStoreError> {
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() || path == ":memory:" || path.contains('?') {
            return Err(SqlStoreError::Url("sqlite:PATH (a file, without settings after a ?)"));
        }
        make_private(Path::new(path)).map_err(SqlStoreError::File)?;
        let pool = |connections, busy_timeout| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(settings.deadline)
                .test_before_acquire(false)
                .idle_timeout(None)
                .max_lifetime(None)
                .connect_lazy_with(sqlite_options(path).busy_timeout(busy_timeout))
        };
        let readers = pool(settings.connections.max(1), settings.deadline);
        // Waits by itself, and more often than SQLite would.
        let writers = pool(1, Duration::ZERO);
        check_pragmas(&writers).await?;
        Ok(Self { readers, writer: Arc::new(Writer::new(writers, settings.deadline)) })
    }

    pub(crate) async fn over(
        pool: SqlitePool,
        settings: &SqlSettings,
    ) -> Result<Self, SqlStoreError> {
        check_pragmas(&pool).await?;
        let writer = Writer::new(pool.clone(), settings.deadline);
        Ok(Self { readers: pool, writer: Arc::new(writer) })
    }

    pub(crate) async fn run(&self, statement: &Arc<Statement>) -> Result<Vec<Row>, SqlFault> {
        if statement.writes() {
            return self.writer.write(Arc::clone(statement)).await;
        }
        let rows = statement.to_sqlite().fetch_all(&self.readers).await?;
        Ok(rows.into_iter().map(Row::Sqlite).collect())
    }

    pub(crate) async fn close(&self) {
        self.writer.pool.close().await;
        self.readers.close().await;
    }
}

/// An empty file that only its owner reads, if there is none: there will be password hashes in it. SQLite
/// gives the files beside it the same permissions.
fn make_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.write(true).create_new(true).open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// The first connections to a new file may keep each other from setting its write-ahead log up, for which
/// SQLite does not wait.
async fn first_connection(pool: &SqlitePool) -> Result<PoolConnection<Sqlite>, SqlFault> {
    let end = Instant::now() + BUSY_TIMEOUT;
    loop {
        match pool.acquire().await.map_err(SqlFault::from) {
            Err(SqlFault::Contended { .. }) if Instant::now() < end => {
                sleep(Duration::from_millis(10)).await;
            }
            connection => return connection,
        }
    }
}

/// Asked of one connection: a pool makes them all alike.
async fn check_pragmas(pool: &SqlitePool) -> Result<(), SqlStoreError> {
    let mut connection = first_connection(pool).await?;
    for (pragma, needed, good) in [
        ("journal_mode", "wal", &["wal"][..]),
        ("synchronous", "2 (FULL)", &["2", "3"]),
        ("foreign_keys", "1", &["1"]),
    ] {
        let query = sqlx::query(AssertSqlSafe(format!("PRAGMA {pragma}")));
        let row = query.fetch_one(&mut *connection).await.map_err(SqlFault::from)?;
        let number = row.try_get::<i64, _>(0).map(|number| number.to_string());
        let found = number.or_else(|_| row.try_get::<String, _>(0)).map_err(SqlFault::from)?;
        if !good.contains(&found.as_str()) {
            return Err(SqlStoreError::Pragma { pragma, found, needed });
        }
    }
    // Here and now: given back, it would be back only when another task has run.
    Ok(connection.close().await.map_err(SqlFault::from)?)
}
