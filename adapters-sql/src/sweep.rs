use std::time::Duration;

use auth_domain::{PortError, Timestamp};

use crate::mail_queue::KEPT;
use crate::statement::{Statement, int, time};
use crate::store::{Database, SqlStore};

const SWEEP: &str = "sql_store.sweep";

/// For how long attempts at an address are remembered that nobody goes on with.
const ATTEMPTS_KEPT: Duration = Duration::from_hours(365 * 24);

/// A removal of rows whose time is `$1` or before: `$2` at most.
///
/// Where an index has no more than the day, those of a day that is over, which is so of every row that the index
/// finds: to look for those that have ended today is to read all that are yet to end today, each time.
///
/// Postgres may join what is to be removed with all that has ended, by which each of many sweeps reads all that is left
/// for the others. It is told where the rows are instead; one that is written anew meanwhile is no longer there. The
/// oldest first, or it may read a table from its start, where it takes a third of it to have ended.
struct Removal {
    #[cfg(feature = "postgres")]
    from_postgres: &'static str,
    #[cfg(feature = "sqlite")]
    from_sqlite: &'static str,
}

macro_rules! delete {
    ($table:literal, $time:literal, $condition:literal, $found:expr, $key:literal, $end:literal) => {
        concat!(
            "DELETE FROM @",
            $table,
            " WHERE ",
            $time,
            $condition,
            $found,
            $key,
            " FROM @",
            $table,
            " WHERE ",
            $time,
            $condition,
            " ORDER BY ",
            $time,
            " LIMIT $2",
            $end,
            " RETURNING 1"
        )
    };
}

macro_rules! removal {
    ($table:literal, $key:literal, $time:literal, $condition:literal) => {
        Removal {
            #[cfg(feature = "postgres")]
            from_postgres: delete!(
                $table,
                $time,
                $condition,
                " AND ctid = ANY (ARRAY(SELECT ",
                "ctid",
                "))"
            ),
            #[cfg(feature = "sqlite")]
            from_sqlite: delete!(
                $table,
                $time,
                $condition,
                concat!(" AND (", $key, ") IN (SELECT "),
                $key,
                ")"
            ),
        }
    };
}

const ATTEMPTS: Removal = removal!("attempts", "key", "last_on", " < $1 / 86400000000");
const MAIL_JOBS: Removal = removal!("mail_jobs", "job_id", "queued_at", " <= $1");
const RATE_LIMITS: Removal =
    removal!("rate_limits", "key, burst, period", "ends_on", " < $1 / 86400000000");
const RESET_TOKENS: Removal = removal!("reset_tokens", "email, digest", "expires_at", " <= $1");
const SESSIONS: Removal =
    removal!("sessions", "user_id, session_id", "ends_on", " < $1 / 86400000000");

/// How many rows a [sweep](SqlStore::sweep) removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Swept {
    /// Counts of attempts that nobody went on with for a year.
    pub attempts: usize,
    /// Mail jobs that nobody did in four days.
    pub mail_jobs: usize,
    /// Limits that are whole again.
    pub rate_limits: usize,
    /// Reset links that have expired.
    pub reset_tokens: usize,
    /// Sessions that have expired, by their idle or their absolute end.
    pub sessions: usize,
    /// Whether there may be more: some table had as many as one sweep removes.
    pub more: bool,
}

impl SqlStore {
    /// Removes rows that nothing reads any more, at most `most` of each table: a bounded piece of work, to be
    /// done now and then (hourly, say) and again at once while [`Swept::more`] says so. Expiry never relies on
    /// it. Any number of instances may sweep at once.
    ///
    /// Reset links go once they are over; sessions, limits and attempts when the day is, in UTC, on which they ended.
    /// Of mail jobs it reads all that wait.
    ///
    /// # Errors
    /// Some may be left.
    pub async fn sweep(&self, now: Timestamp, most: u32) -> Result<Swept, PortError> {
        let remove = async |removal: Removal, until| {
            let sql = match self.database() {
                #[cfg(feature = "postgres")]
                Database::Postgres(_) => removal.from_postgres,
                #[cfg(feature = "sqlite")]
                Database::Sqlite(_) => removal.from_sqlite,
            };
            let statement = Statement::write(sql).bind(time(until)).bind(int(most.into()));
            self.run(SWEEP, statement).await.map(|rows| rows.len())
        };
        let mut swept = Swept {
            attempts: remove(ATTEMPTS, now - ATTEMPTS_KEPT).await?,
            mail_jobs: remove(MAIL_JOBS, now - KEPT).await?,
            rate_limits: remove(RATE_LIMITS, now).await?,
            reset_tokens: remove(RESET_TOKENS, now).await?,
            sessions: remove(SESSIONS, now).await?,
            more: false,
        };
        let Swept { attempts, mail_jobs, rate_limits, reset_tokens, sessions, .. } = swept;
        let counts = [attempts, mail_jobs, rate_limits, reset_tokens, sessions];
        swept.more = counts.iter().any(|count| *count >= most as usize);
        Ok(swept)
    }
}
