//! What a conditional write met.

use std::collections::HashMap;

use auth_domain::{PortError, PortErrorKind};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use uuid::Uuid;

use super::layout::{Item, OPERATION_ID, text};
use crate::fault::port_error;

/// Names one call of a port, so that a write which landed while its answer was lost is known again.
struct OperationId(String);

impl OperationId {
    fn new() -> Self {
        Self(Uuid::new_v4().simple().to_string())
    }

    fn value(&self) -> AttributeValue {
        text(self.0.as_str())
    }

    /// Whether this very call wrote the item.
    fn wrote(&self, item: &Item) -> bool {
        item.get(OPERATION_ID).and_then(|id| id.as_s().ok()) == Some(&self.0)
    }
}

/// The names behind the placeholders of expressions: `#name` stands for `name`. All names go that way,
/// since hundreds are reserved words.
pub(super) fn names(expressions: &[&str]) -> HashMap<String, String> {
    let placeholders = expressions.iter().flat_map(|expression| {
        expression.split('#').skip(1).map(|rest| {
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            &rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())]
        })
    });
    placeholders.map(|name| (format!("#{name}"), name.to_owned())).collect()
}

/// Puts an item unless one of its key is there; whether it is new. `key` is the partition key.
pub(super) async fn put_new(
    client: &Client,
    table: &str,
    key: &str,
    item: Item,
    operation: &'static str,
) -> Result<bool, PortError> {
    let operation_id = OperationId::new();
    let is_new = format!("attribute_not_exists(#{key})");
    let answer = client
        .put_item()
        .table_name(table)
        .set_item(Some(item))
        .item(OPERATION_ID, operation_id.value())
        .condition_expression(&is_new)
        .set_expression_attribute_names(Some(names(&[&is_new])))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .send()
        .await;
    match answer {
        Ok(_) => Ok(true),
        Err(error) => match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                Ok(failed.item().is_some_and(|item| operation_id.wrote(item)))
            }
            _ => Err(port_error(operation, &error)),
        },
    }
}

/// What came of an update.
pub(super) enum Outcome {
    /// The condition did not hold; the item as it is.
    Refused(Option<Item>),
    /// This call wrote it, now or by a try whose answer was lost; the item, if the request asks for it.
    Written(Option<Item>),
}

/// For conditions that hold again once the write has landed: then it is not done twice.
pub(super) const IS_NOT_THIS_CALL: &str =
    "(attribute_not_exists(#operation_id) OR #operation_id <> :operation_id)";

/// Sends an update that sets `#operation_id = :operation_id` among other things.
pub(super) async fn update(
    request: UpdateItemFluentBuilder,
    operation: &'static str,
) -> Result<Outcome, PortError> {
    let operation_id = OperationId::new();
    let answer = request
        .expression_attribute_values(":operation_id", operation_id.value())
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .send()
        .await;
    match answer {
        Ok(answer) => Ok(Outcome::Written(answer.attributes)),
        Err(error) => match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                let old = failed.item().cloned();
                let ours = old.as_ref().is_some_and(|item| operation_id.wrote(item));
                Ok(if ours { Outcome::Written(old) } else { Outcome::Refused(old) })
            }
            _ => Err(port_error(operation, &error)),
        },
    }
}

/// What the SDK gives back that should always be there.
pub(super) fn absent(operation: &'static str) -> PortError {
    PortError::new(PortErrorKind::Corrupt, operation).caused_by("the answer lacks the item")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_placeholder_has_its_name() {
        let names = names(&["SET #count = #count + :one, #ttl = :ttl", "#user_id=:id"]);
        let mut pairs: Vec<_> = names.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        pairs.sort_unstable();
        assert_eq!(pairs, [("#count", "count"), ("#ttl", "ttl"), ("#user_id", "user_id")]);
    }
}
