use std::time::Duration;

use async_trait::async_trait;
use auth_domain::ports::{RateDecision, RateLimiter};
use auth_domain::{LimitKey, PortError, RateLimit, Timestamp};

use crate::fault::corrupt;
use crate::statement::{Statement, bytes, day, int, operation_id, time};
use crate::store::SqlStore;

const HIT: &str = "rate_limiter.hit";

/// `$6` now, `$7` one hit's time, `$8` the latest `full_at` that still has room for a hit, `$9` what no hit
/// leads to unless the clock was set back since, `$10` the day of the latest `full_at` that it may lead to.
const COUNT: &str = "\
    INSERT INTO @rate_limits (key, burst, period, full_at, operation_id, ends_on) \
    VALUES ($1, $2, $3, $4, $5, $10) \
    ON CONFLICT (key, burst, period) DO UPDATE SET \
        full_at = CASE \
            WHEN @rate_limits.operation_id = excluded.operation_id THEN @rate_limits.full_at \
            WHEN @rate_limits.full_at BETWEEN $6 AND $9 THEN @rate_limits.full_at + $7 \
            ELSE excluded.full_at END, \
        operation_id = excluded.operation_id, ends_on = excluded.ends_on \
    WHERE @rate_limits.operation_id = excluded.operation_id \
        OR @rate_limits.full_at <= $8 OR @rate_limits.full_at > $9 \
    RETURNING full_at";
const FULL_AT: &str =
    "SELECT full_at FROM @rate_limits WHERE key = $1 AND burst = $2 AND period = $3";

/// A limit as the generic cell rate algorithm counts it, in microseconds.
struct Cells {
    one: u64,
    burst: u64,
    period: u64,
}

impl Cells {
    fn of(limit: RateLimit) -> Self {
        let period = u64::try_from(limit.period.as_micros()).unwrap_or(u64::MAX);
        let one = (period / u64::from(limit.burst.get())).max(1);
        Self { one, burst: one.saturating_mul(limit.burst.get().into()), period }
    }
}

/// Deciding and counting are one statement: the generic cell rate algorithm, by which a burst comes back
/// evenly over its period. When the clock is set back by more than a limit's period, that limit starts to
/// count anew.
#[async_trait]
impl RateLimiter for SqlStore {
    async fn hit(
        &self,
        key: LimitKey,
        limit: RateLimit,
        now: Timestamp,
    ) -> Result<RateDecision, PortError> {
        let Cells { one, burst, period } = Cells::of(limit);
        let micros = Duration::from_micros;
        let has_room = now + micros(burst.saturating_sub(one));
        let name = |statement: Statement| {
            statement
                .bind(bytes(key.as_bytes()))
                .bind(int(limit.burst.get().into()))
                .bind(int(period))
        };
        let statement = name(Statement::write(COUNT))
            .bind(time(now + micros(one)))
            .bind(operation_id())
            .bind(time(now))
            .bind(int(one))
            .bind(time(has_room))
            .bind(time(now + micros(burst) + micros(period)))
            .bind(day(now + micros(burst)));
        if !self.run(HIT, statement).await?.is_empty() {
            return Ok(RateDecision::Allow);
        }
        let rows = self.run(HIT, name(Statement::read(FULL_AT))).await?;
        let full_at = rows.first().map(|row| row.time("full_at")).transpose();
        let full_at = full_at.map_err(corrupt(HIT))?.unwrap_or(has_room);
        Ok(RateDecision::Deny { retry_after: full_at.since(has_room).max(micros(1)) })
    }
}
