use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use auth_domain::ports::AttemptStore;
use auth_domain::{Attempt, AttemptPolicy, LimitKey, PortError, Timestamp};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};

use super::conditional::{self, IS_NOT_THIS_CALL, Outcome, absent, names};
use super::layout::{Item, KEY, attempt_state, corrupt, limit_key, number, text, ttl};
use crate::fault::port_error;

/// Attempts to log in, counted in a DynamoDB table.
///
/// A count is lost when its key was not tried for a year, which is what keeps made-up addresses from
/// filling the table for ever: whoever comes back once a year has the free attempts again. It is also
/// lost with the secret that keys are made from. One that cannot be read lets nobody in at its address
/// until a reset clears it.
#[derive(Clone, Debug)]
pub struct DynamoAttempts {
    client: Client,
    table: String,
}

const BEGIN: &str = "attempt_store.begin";
const CLEAR: &str = "attempt_store.clear";

const KEPT: Duration = Duration::from_hours(365 * 24);
const ADD_ONE: &str = "SET #count = if_not_exists(#count, :zero) + :one, #last = :last, \
     #ttl = :ttl, #operation_id = :operation_id";

impl DynamoAttempts {
    /// Counts in the table of this name.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }
}

#[async_trait]
impl AttemptStore for DynamoAttempts {
    async fn begin(
        &self,
        key: LimitKey,
        now: Timestamp,
        policy: &AttemptPolicy,
    ) -> Result<Attempt, PortError> {
        let Admission { condition, values } = Admission::of(policy, now);
        let condition = format!("{IS_NOT_THIS_CALL} AND ({condition})");
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(KEY, text(limit_key(key)))
            .update_expression(ADD_ONE)
            .condition_expression(&condition)
            .set_expression_attribute_names(Some(names(&[ADD_ONE, &condition])))
            .set_expression_attribute_values(Some(values))
            .expression_attribute_values(":zero", number(0))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":last", number(now.as_micros()))
            .expression_attribute_values(":ttl", ttl(now + KEPT))
            .return_values(ReturnValue::AllNew);
        match conditional::update(request, BEGIN).await? {
            Outcome::Written(Some(item)) => let_in(&item),
            Outcome::Refused(Some(item)) => turned_away(&item, policy, now),
            Outcome::Written(None) | Outcome::Refused(None) => Err(absent(BEGIN)),
        }
    }

    async fn clear(&self, key: LimitKey) -> Result<(), PortError> {
        let request = self.client.delete_item().table_name(&self.table);
        let answer = request.key(KEY, text(limit_key(key))).send().await;
        answer.map(drop).map_err(|error| port_error(CLEAR, &error))
    }
}

/// Of the item as this call left it.
fn let_in(item: &Item) -> Result<Attempt, PortError> {
    let state = attempt_state(item).map_err(corrupt(BEGIN))?;
    Ok(Attempt::Proceed { prior: state.count.saturating_sub(1) })
}

fn turned_away(item: &Item, policy: &AttemptPolicy, now: Timestamp) -> Result<Attempt, PortError> {
    let state = attempt_state(item).map_err(corrupt(BEGIN))?;
    Ok(Attempt::Wait { retry_after: policy.retry_after(state, now) })
}

/// [`AttemptPolicy::waits`] as a condition, so that deciding and counting are one write.
struct Admission {
    condition: String,
    values: HashMap<String, AttributeValue>,
}

impl Admission {
    fn of(policy: &AttemptPolicy, now: Timestamp) -> Self {
        let most = policy.most_in_a_row;
        let free = policy.free.min(most);
        let mut condition = "attribute_not_exists(#count) OR #count < :free".to_owned();
        let mut values = HashMap::from([(":free".to_owned(), number(free))]);
        for (term, (below, wait)) in policy.waits().into_iter().enumerate() {
            condition += &format!(" OR (#count < :below{term} AND #last <= :until{term})");
            values.insert(format!(":below{term}"), number(below));
            // Below zero where the wait is longer than the epoch is old; never let in by rounding.
            let until = i128::from(now.as_micros()) - micros(wait);
            values.insert(format!(":until{term}"), number(until));
        }
        Self { condition, values }
    }
}

fn micros(wait: Duration) -> i128 {
    i128::try_from(wait.as_micros()).unwrap_or(i128::from(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_of_extremes_still_fits_into_an_expression() {
        let mut policy = AttemptPolicy::default();
        policy.first_wait = Duration::from_nanos(1_000);
        policy.longest_wait = Duration::MAX;
        policy.most_in_a_row = u32::MAX;
        let admission = Admission::of(&policy, Timestamp::from_seconds(0));
        // DynamoDB's limits: 4 KB of text, 300 operators.
        assert!(admission.condition.len() < 3_000, "{}", admission.condition.len());
        assert!(admission.values.len() < 100);
    }
}
