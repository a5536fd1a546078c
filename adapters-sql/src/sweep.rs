use std::time::Duration;

use auth_domain::{PortError, Timestamp};

use crate::mail_queue::KEPT;
use crate::statement::{Statement, int, time};
use crate::store::SqlStore;

const SWEEP: &str = "sql_store.sweep";

/// For how long attempts at an address are remembered that nobody goes on with.
const ATTEMPTS_KEPT: Duration = Duration::from_hours(365 * 24);

/// Of rows whose time is `$1` or before: `$2` at most. Where an index has no more than the day, those of a day
/// that is over, which is so of every row that the index finds: to look for those that have ended today is to read
/// all that are yet to end today, each time.
macro_rules! delete_where {
    ($table:literal, $key:literal, $condition:literal) => {
        concat!(
            "DELETE FROM @",
            $table,
            " WHERE ",
            $condition,
            " AND (",
            $key,
            ") IN (SELECT ",
            $key,
            " FROM @",
            $table,
            " WHERE ",
            $condition,
            " LIMIT $2) RETURNING 1"
        )
    };
}

const ATTEMPTS: &str = delete_where!("attempts", "key", "last_on < $1 / 86400000000");
const MAIL_JOBS: &str = delete_where!("mail_jobs", "job_id", "queued_at <= $1");
const RATE_LIMITS: &str =
    delete_where!("rate_limits", "key, burst, period", "ends_on < $1 / 86400000000");
const RESET_TOKENS: &str = delete_where!("reset_tokens", "email, digest", "expires_at <= $1");
const SESSIONS: &str =
    delete_where!("sessions", "user_id, session_id", "ends_on < $1 / 86400000000");

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
        let remove = async |sql, until| {
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
