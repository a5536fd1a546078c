use async_trait::async_trait;
use auth_domain::ports::AttemptStore;
use auth_domain::{Attempt, AttemptPolicy, AttemptState, LimitKey, PortError, Timestamp};

use crate::fault::corrupt;
use crate::statement::{Row, RowFault, Statement, Value, bytes, day, int, operation_id, time};
use crate::store::SqlStore;

const BEGIN: &str = "attempt_store.begin";
const CLEAR: &str = "attempt_store.clear";

/// The policy follows as a condition.
const COUNT: &str = "\
    INSERT INTO @attempts (key, count, last, operation_id, last_on) VALUES ($1, 1, $2, $3, $4) \
    ON CONFLICT (key) DO UPDATE SET \
        count = CASE WHEN @attempts.operation_id = excluded.operation_id \
            THEN @attempts.count ELSE @attempts.count + 1 END, \
        last = excluded.last, operation_id = excluded.operation_id, last_on = excluded.last_on \
    WHERE @attempts.operation_id = excluded.operation_id OR @attempts.count < $5";
const STATE: &str = "SELECT count, last FROM @attempts WHERE key = $1";
const FORGET: &str = "DELETE FROM @attempts WHERE key = $1 RETURNING key";

/// [`AttemptPolicy::decide`] as a condition of the one statement that decides and counts: a term for each
/// wait that there is.
fn counting(key: LimitKey, now: Timestamp, policy: &AttemptPolicy) -> Statement {
    let waits = policy.waits();
    let mut sql = COUNT.to_owned();
    for term in 0..waits.len() {
        let (below, until) = (6 + 2 * term, 7 + 2 * term);
        sql += &format!(" OR @attempts.count < ${below} AND @attempts.last <= ${until}");
    }
    sql += " RETURNING count, last";
    let statement = Statement::write(sql)
        .bind(bytes(key.as_bytes()))
        .bind(time(now))
        .bind(operation_id())
        .bind(day(now))
        .bind(int(policy.free.min(policy.most_in_a_row).into()));
    waits.into_iter().fold(statement, |statement, (below, wait)| {
        // Below zero where the wait is longer than the epoch is old; never let in by rounding.
        let wait = i64::try_from(wait.as_nanos().div_ceil(1_000)).unwrap_or(i64::MAX);
        let until = i64::try_from(now.as_micros()).unwrap_or(i64::MAX).saturating_sub(wait);
        statement.bind(int(below.into())).bind(Value::Int(Some(until)))
    })
}

fn attempt_state(row: &Row) -> Result<AttemptState, RowFault> {
    let count = u32::try_from(row.int("count")?).map_err(|_| RowFault::Unreadable("count"))?;
    Ok(AttemptState { count, last: row.time("last")? })
}

/// A count is lost when its key was not tried for a year and the store was [swept](SqlStore::sweep), which
/// keeps made-up addresses from filling the table for ever; and with the secret that keys are made from. One
/// that cannot be read lets nobody in at its address until a reset clears it.
#[async_trait]
impl AttemptStore for SqlStore {
    async fn begin(
        &self,
        key: LimitKey,
        now: Timestamp,
        policy: &AttemptPolicy,
    ) -> Result<Attempt, PortError> {
        let counted = self.run(BEGIN, counting(key, now, policy)).await?;
        if let Some(row) = counted.first() {
            let state = attempt_state(row).map_err(corrupt(BEGIN))?;
            return Ok(Attempt::Proceed { prior: state.count.saturating_sub(1) });
        }
        let state = Statement::read(STATE).bind(bytes(key.as_bytes()));
        let rows = self.run(BEGIN, state).await?;
        let state = rows.first().map(attempt_state).transpose().map_err(corrupt(BEGIN))?;
        let retry_after = state.map_or(policy.first_wait, |state| policy.retry_after(state, now));
        Ok(Attempt::Wait { retry_after })
    }

    async fn clear(&self, key: LimitKey) -> Result<(), PortError> {
        let statement = Statement::write(FORGET).bind(bytes(key.as_bytes()));
        self.run(CLEAR, statement).await.map(drop)
    }
}
