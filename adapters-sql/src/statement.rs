//! Statements as values, and the rows that they come to. Written once for both databases: a statement can
//! wait in a queue, and be sent again.

use std::borrow::Cow;

use auth_domain::Timestamp;
#[cfg(feature = "postgres")]
use sqlx::postgres::{PgArguments, PgRow, Postgres};
use sqlx::query::Query;
#[cfg(feature = "sqlite")]
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Row as _};
use thiserror::Error;
use uuid::Uuid;

/// What is bound to a placeholder; `None` is NULL. Shown nowhere: some are addresses or hashes.
#[derive(Clone)]
pub(crate) enum Value {
    Bool(bool),
    Bytes(Option<Vec<u8>>),
    Id(Option<Uuid>),
    Int(Option<i64>),
    Text(Option<String>),
}

/// Numbers and times beyond 2^63 - 1 (the year 294,247) are kept as that.
pub(crate) fn int(number: u64) -> Value {
    Value::Int(Some(i64::try_from(number).unwrap_or(i64::MAX)))
}

pub(crate) fn time(at: Timestamp) -> Value {
    int(at.as_micros())
}

/// Microseconds, as statements name it.
const DAY: u64 = 86_400_000_000;

/// The day of a time, for the columns that sweeps look through.
pub(crate) fn day(at: Timestamp) -> Value {
    int(at.as_micros() / DAY)
}

pub(crate) fn optional_time(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Int(None), time)
}

pub(crate) fn bytes(bytes: &[u8; 32]) -> Value {
    Value::Bytes(Some(bytes.to_vec()))
}

pub(crate) fn text(text: &str) -> Value {
    Value::Text(Some(text.to_owned()))
}

pub(crate) fn id(id: &[u8; 16]) -> Value {
    Value::Id(Some(Uuid::from_bytes(*id)))
}

/// Names one call of a port. A statement that is sent again, since the answer to its first try was lost,
/// meets this id where that try landed, and knows its own work by it.
pub(crate) fn operation_id() -> Value {
    Value::Id(Some(Uuid::new_v4()))
}

/// One statement of SQL with what is bound to `$1`, `$2` and so on. `@` stands for the prefix of tables.
#[derive(Clone)]
pub(crate) struct Statement {
    sql: Cow<'static, str>,
    values: Vec<Value>,
    #[cfg_attr(not(feature = "sqlite"), expect(dead_code, reason = "only SQLite has one writer"))]
    writes: bool,
}

impl Statement {
    pub(crate) const fn read(sql: &'static str) -> Self {
        Self { sql: Cow::Borrowed(sql), values: Vec::new(), writes: false }
    }

    pub(crate) fn write(sql: impl Into<Cow<'static, str>>) -> Self {
        Self { sql: sql.into(), values: Vec::new(), writes: true }
    }

    #[must_use]
    pub(crate) fn bind(mut self, value: Value) -> Self {
        self.values.push(value);
        self
    }

    #[cfg(feature = "sqlite")]
    pub(crate) const fn writes(&self) -> bool {
        self.writes
    }

    /// With the names of tables put in. Nothing but our own texts and a checked prefix gets into it.
    pub(crate) fn with_prefix(mut self, prefix: &str) -> Self {
        self.sql = Cow::Owned(self.sql.replace('@', prefix));
        self
    }

    #[cfg(feature = "sqlite")]
    pub(crate) fn to_sqlite(&self) -> Query<'static, Sqlite, SqliteArguments> {
        let query = sqlx::query(AssertSqlSafe(self.sql.to_string()));
        self.values.iter().cloned().fold(query, |query, value| match value {
            Value::Bool(value) => query.bind(value),
            Value::Bytes(value) => query.bind(value),
            Value::Id(value) => query.bind(value.map(|id| id.hyphenated().to_string())),
            Value::Int(value) => query.bind(value),
            Value::Text(value) => query.bind(value),
        })
    }

    #[cfg(feature = "postgres")]
    pub(crate) fn to_postgres(&self) -> Query<'static, Postgres, PgArguments> {
        let query = sqlx::query(AssertSqlSafe(self.sql.to_string()));
        self.values.iter().cloned().fold(query, |query, value| match value {
            Value::Bool(value) => query.bind(value),
            Value::Bytes(value) => query.bind(value),
            Value::Id(value) => query.bind(value),
            Value::Int(value) => query.bind(value),
            Value::Text(value) => query.bind(value),
        })
    }
}

/// Why a row cannot be read. Names the column, never what it holds.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RowFault {
    /// It is NULL, or there is no such column.
    #[error("column {0} is missing")]
    Missing(&'static str),
    /// It is of another type, or holds none of the values that are written there.
    #[error("column {0} cannot be read")]
    Unreadable(&'static str),
}

/// One row of an answer.
pub(crate) enum Row {
    #[cfg(feature = "postgres")]
    Postgres(PgRow),
    #[cfg(feature = "sqlite")]
    Sqlite(SqliteRow),
}

macro_rules! column {
    ($row:expr, $name:expr, $type:ty) => {
        match $row {
            #[cfg(feature = "postgres")]
            Row::Postgres(row) => row.try_get::<Option<$type>, _>($name),
            #[cfg(feature = "sqlite")]
            Row::Sqlite(row) => row.try_get::<Option<$type>, _>($name),
        }
        .map_err(|_| RowFault::Unreadable($name))
    };
}

impl Row {
    pub(crate) fn bool(&self, name: &'static str) -> Result<bool, RowFault> {
        column!(self, name, bool)?.ok_or(RowFault::Missing(name))
    }

    pub(crate) fn optional_text(&self, name: &'static str) -> Result<Option<String>, RowFault> {
        column!(self, name, String)
    }

    pub(crate) fn text(&self, name: &'static str) -> Result<String, RowFault> {
        self.optional_text(name)?.ok_or(RowFault::Missing(name))
    }

    fn optional_int(&self, name: &'static str) -> Result<Option<u64>, RowFault> {
        let number = column!(self, name, i64)?.map(u64::try_from).transpose();
        number.map_err(|_| RowFault::Unreadable(name))
    }

    pub(crate) fn int(&self, name: &'static str) -> Result<u64, RowFault> {
        self.optional_int(name)?.ok_or(RowFault::Missing(name))
    }

    pub(crate) fn optional_time(&self, name: &'static str) -> Result<Option<Timestamp>, RowFault> {
        Ok(self.optional_int(name)?.map(Timestamp::from_micros))
    }

    pub(crate) fn time(&self, name: &'static str) -> Result<Timestamp, RowFault> {
        self.int(name).map(Timestamp::from_micros)
    }

    pub(crate) fn optional_bytes(&self, name: &'static str) -> Result<Option<[u8; 32]>, RowFault> {
        let bytes = column!(self, name, Vec<u8>)?.map(TryInto::try_into).transpose();
        bytes.map_err(|_| RowFault::Unreadable(name))
    }

    pub(crate) fn bytes(&self, name: &'static str) -> Result<[u8; 32], RowFault> {
        self.optional_bytes(name)?.ok_or(RowFault::Missing(name))
    }

    /// Native in Postgres, text in SQLite.
    pub(crate) fn id(&self, name: &'static str) -> Result<[u8; 16], RowFault> {
        let id = match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(row) => row.try_get::<Option<Uuid>, _>(name).ok().flatten(),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(row) => row
                .try_get::<Option<String>, _>(name)
                .ok()
                .flatten()
                .and_then(|text| Uuid::try_parse(&text).ok()),
        };
        id.map(Uuid::into_bytes).ok_or(RowFault::Unreadable(name))
    }
}
