use std::time::Duration;

use async_trait::async_trait;
use auth_domain::ports::{RateDecision, RateLimiter};
use auth_domain::{LimitKey, PortError, RateLimit, Timestamp};
use aws_sdk_dynamodb::Client;

use super::conditional::{self, IS_NOT_THIS_CALL, Outcome, names};
use super::layout::{KEY, limit_key, number, text, ttl};

/// Hits, counted in a DynamoDB table: one write for each.
///
/// Counts in windows of the limit's period, which begin at another moment for each key. So a burst comes
/// back at once, and two may meet where windows do. (Bringing it back evenly would take a second write
/// for each hit within a burst, since an update cannot take the greater of two numbers.)
#[derive(Clone, Debug)]
pub struct DynamoRateLimiter {
    client: Client,
    table: String,
}

const HIT: &str = "rate_limiter.hit";

const ADD_ONE: &str = "SET #count = if_not_exists(#count, :zero) + :one, #ttl = :ttl, \
     #operation_id = :operation_id";
const IS_WITHIN: &str = "(attribute_not_exists(#count) OR #count < :burst)";

impl DynamoRateLimiter {
    /// Counts in the table of this name.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }
}

#[async_trait]
impl RateLimiter for DynamoRateLimiter {
    async fn hit(
        &self,
        key: LimitKey,
        limit: RateLimit,
        now: Timestamp,
    ) -> Result<RateDecision, PortError> {
        let window = Window::of(key, limit, now);
        let condition = format!("{IS_NOT_THIS_CALL} AND {IS_WITHIN}");
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(KEY, text(window.row_key(key, limit)))
            .update_expression(ADD_ONE)
            .condition_expression(&condition)
            .set_expression_attribute_names(Some(names(&[ADD_ONE, &condition])))
            .expression_attribute_values(":zero", number(0))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":burst", number(limit.burst))
            .expression_attribute_values(":ttl", ttl(now + window.left));
        Ok(match conditional::update(request, HIT).await? {
            Outcome::Written(_) => RateDecision::Allow,
            Outcome::Refused(_) => RateDecision::Deny { retry_after: window.left },
        })
    }
}

/// A stretch of time as long as the limit's period.
struct Window {
    number: u64,
    /// From now to its end.
    left: Duration,
}

impl Window {
    fn of(key: LimitKey, limit: RateLimit, now: Timestamp) -> Self {
        let period = period_micros(limit);
        let [a, b, c, d, ..] = *key.as_bytes();
        let shift = u64::from(u32::from_be_bytes([a, b, c, d])) % period;
        let since_first = now.as_micros().saturating_add(shift);
        let left = period - since_first % period;
        Self { number: since_first / period, left: Duration::from_micros(left) }
    }

    fn row_key(&self, key: LimitKey, limit: RateLimit) -> String {
        let (key, burst, period) = (limit_key(key), limit.burst, period_micros(limit));
        format!("{key}/{burst}/{period}/{}", self.number)
    }
}

fn period_micros(limit: RateLimit) -> u64 {
    u64::try_from(limit.period.as_micros()).unwrap_or(u64::MAX).max(1)
}
