//! What an error of sqlx means to a port.

use auth_domain::{PortError, PortErrorKind};
use sqlx::error::{DatabaseError, ErrorKind};
use thiserror::Error;

use crate::statement::RowFault;

/// Why a call to the database failed, without the words of the database where those may quote what was
/// sent: a violated constraint's details hold an address.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum SqlFault {
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// Other writers did not let this one in, or changed the same rows each time.
    #[error("kept out by other writers ({code})")]
    Contended {
        /// SQLSTATE, or SQLite's extended result code.
        code: String,
    },
    /// No connection, or none that lasted.
    #[error("no connection: {0}")]
    NoConnection(String),
    /// No answer in time.
    #[error("no answer in time")]
    NoAnswer,
    /// No connection of the pool was free in time, or none could be made.
    #[error("no connection of the pool in time: all were in use, or none could be made")]
    NoneFree,
    /// The database cannot do it now: it is full, read-only, shutting down, or out of something.
    #[error("not now: {what} ({code})")]
    NotNow {
        /// SQLSTATE, or SQLite's extended result code.
        code: String,
        /// In the database's words.
        what: String,
    },
    /// The database said no.
    #[error("refused: {what} ({code})")]
    Refused {
        /// SQLSTATE, or SQLite's extended result code.
        code: String,
        /// In the database's words, or the constraint that was violated.
        what: String,
    },
    /// A row cannot be read.
    #[error(transparent)]
    Row(#[from] RowFault),
    /// Another row has a value that must be unique.
    #[error("not unique ({constraint})")]
    Taken {
        /// The constraint, or the column.
        constraint: String,
    },
}

impl SqlFault {
    /// What a caller can do about it.
    const fn kind(&self) -> PortErrorKind {
        match self {
            Self::Closed
            | Self::Contended { .. }
            | Self::NoConnection(_)
            | Self::NoAnswer
            | Self::NoneFree
            | Self::NotNow { .. } => PortErrorKind::Unavailable,
            Self::Refused { .. } | Self::Taken { .. } => PortErrorKind::Rejected,
            Self::Row(_) => PortErrorKind::Corrupt,
        }
    }

    /// Whether the same statement, sent again at once, may come to something else.
    pub(crate) const fn passes(&self) -> bool {
        matches!(self, Self::Contended { .. } | Self::NoConnection(_))
    }

    pub(crate) fn port_error(self, operation: &'static str) -> PortError {
        PortError::new(self.kind(), operation).caused_by(self)
    }
}

/// A row that cannot be read, as the error of a port's operation.
pub(crate) fn corrupt(operation: &'static str) -> impl Fn(RowFault) -> PortError {
    move |fault| SqlFault::Row(fault).port_error(operation)
}

impl From<sqlx::Error> for SqlFault {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error) => of_database(error.as_ref()),
            sqlx::Error::Io(error) => Self::NoConnection(error.to_string()),
            sqlx::Error::PoolTimedOut => Self::NoneFree,
            sqlx::Error::Tls(_) => Self::NoConnection("TLS failed".to_owned()),
            sqlx::Error::Protocol(_) => Self::NoConnection("not understood".to_owned()),
            sqlx::Error::PoolClosed => Self::Closed,
            sqlx::Error::WorkerCrashed => Self::NoConnection("its thread has ended".to_owned()),
            sqlx::Error::BeginFailed => Self::NoConnection("no transaction began".to_owned()),
            // The rest is about texts and settings of ours. Their words may quote a URL.
            _ => Self::Refused { code: "none".to_owned(), what: "not a request".to_owned() },
        }
    }
}

fn of_database(error: &dyn DatabaseError) -> SqlFault {
    let code = error.code().unwrap_or_default().into_owned();
    if error.kind() == ErrorKind::UniqueViolation {
        let constraint = error.constraint().unwrap_or("unnamed").to_owned();
        return SqlFault::Taken { constraint };
    }
    #[cfg(feature = "sqlite")]
    if error.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() {
        return of_sqlite(code, error.message());
    }
    of_postgres(code, error)
}

/// By the primary result code, the lowest eight bits: <https://sqlite.org/rescode.html>.
#[cfg(feature = "sqlite")]
fn of_sqlite(code: String, message: &str) -> SqlFault {
    const BUSY: u32 = 5;
    const LOCKED: u32 = 6;
    const NO_MEMORY: u32 = 7;
    const READ_ONLY: u32 = 8;
    const INTERRUPTED: u32 = 9;
    const IO: u32 = 10;
    const FULL: u32 = 13;
    const CANNOT_OPEN: u32 = 14;
    const PROTOCOL: u32 = 15;
    let what = message.to_owned();
    match code.parse::<u32>().unwrap_or_default() & 0xff {
        BUSY | LOCKED => SqlFault::Contended { code },
        NO_MEMORY | READ_ONLY | INTERRUPTED | IO | FULL | CANNOT_OPEN | PROTOCOL => {
            SqlFault::NotNow { code, what }
        }
        _ => SqlFault::Refused { code, what },
    }
}

/// By the class of the SQLSTATE: PostgreSQL, appendix A. The words of classes that are about data are
/// left out: they may quote it.
fn of_postgres(code: String, error: &dyn DatabaseError) -> SqlFault {
    const SERIALIZATION_FAILURE: &str = "40001";
    const DEADLOCK: &str = "40P01";
    const READ_ONLY: &str = "25006";
    const QUERY_CANCELED: &str = "57014";
    const LOCK_NOT_AVAILABLE: &str = "55P03";
    let what = error.message().to_owned();
    match (code.as_str(), code.get(..2).unwrap_or_default()) {
        (SERIALIZATION_FAILURE | DEADLOCK, _) => SqlFault::Contended { code },
        (QUERY_CANCELED | LOCK_NOT_AVAILABLE, _) => SqlFault::NoAnswer,
        // The server is going down or coming up: another connection may already find it well.
        (_, "08" | "57") => SqlFault::NoConnection(what),
        (READ_ONLY, _) | (_, "53" | "58") => SqlFault::NotNow { code, what },
        (_, "22" | "23" | "P0") => {
            let what = error.constraint().unwrap_or("the data").to_owned();
            SqlFault::Refused { code, what }
        }
        _ => SqlFault::Refused { code, what },
    }
}
