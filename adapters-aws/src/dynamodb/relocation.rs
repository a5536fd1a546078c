//! A row that goes to another key, in one transaction.

use std::collections::HashMap;

use auth_domain::{PortError, PortErrorKind};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, CancellationReason, Delete, Put, TransactWriteItem};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use uuid::Uuid;

use super::layout::{EMAIL, Item, PLAINTEXT_RESETS, USER_ATTRIBUTES};
use super::tries::Tries;
use crate::fault::port_error;

/// The move of one row of users as it was read: the whole row, attributes unknown here among it, is put
/// under its new key if nothing is there, and the old one is deleted if it still is what was read. Secrets
/// that the replaced system kept on it in the clear stay behind.
///
/// Its token stands for this very request: to send it again after a lost answer does nothing twice, and is
/// answered as the first time. It is no function of the row, because DynamoDB remembers a token for ten
/// minutes: a row that was moved, restored from a backup and moved again meanwhile would be answered
/// "done" with nothing done.
pub(crate) struct Relocation {
    operation: &'static str,
    token: String,
    put: TransactWriteItem,
    delete: TransactWriteItem,
}

/// What DynamoDB says to a [`Relocation`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The row is not what was read any more: read it again.
    Changed,
    /// Both were done.
    Moved,
    /// This row is not taken, under the code of AWS.
    Refused(String),
    /// A row is under the new key.
    Taken,
    /// Not now.
    Wait,
}

impl Relocation {
    /// From `old`, a row as it was read, to `new`, whose key is another.
    pub(crate) fn new(
        table: &str,
        old: &Item,
        new: Item,
        operation: &'static str,
    ) -> Result<Self, PortError> {
        let parts = delete(table, old).and_then(|delete| Ok((put(table, new)?, delete)));
        let (put, delete) =
            parts.map_err(|e| PortError::new(PortErrorKind::Rejected, operation).caused_by(e))?;
        Ok(Self {
            operation,
            token: Uuid::new_v4().to_string(),
            put: TransactWriteItem::builder().put(put).build(),
            delete: TransactWriteItem::builder().delete(delete).build(),
        })
    }

    /// Sends it until the answer is final, or enough times. It is the same request each time: one that had
    /// landed is answered as it was then.
    pub(crate) async fn carry_out(&self, client: &Client) -> Result<Answer, PortError> {
        let mut tries = Tries::new();
        loop {
            match self.send(client).await? {
                Answer::Wait if tries.again().await => {}
                answer => return Ok(answer),
            }
        }
    }

    async fn send(&self, client: &Client) -> Result<Answer, PortError> {
        let call = client
            .transact_write_items()
            .client_request_token(&self.token)
            .transact_items(self.put.clone())
            .transact_items(self.delete.clone());
        match call.send().await {
            Ok(_) => Ok(Answer::Moved),
            Err(error) => answer(&error).ok_or_else(|| port_error(self.operation, &error)),
        }
    }
}

fn put(table: &str, mut item: Item) -> Result<Put, BuildError> {
    item.retain(|name, _| !PLAINTEXT_RESETS.contains(&name.as_str()));
    Put::builder()
        .table_name(table)
        .set_item(Some(item))
        .condition_expression(format!("attribute_not_exists({EMAIL})"))
        .build()
}

fn delete(table: &str, item: &Item) -> Result<Delete, BuildError> {
    let mut unchanged = Unchanged::default();
    for (name, value) in item.iter().filter(|(name, _)| *name != EMAIL) {
        unchanged.equal(name, value);
    }
    // What was absent when the row was read must still be absent.
    for name in
        USER_ATTRIBUTES.iter().chain(PLAINTEXT_RESETS).filter(|name| !item.contains_key(**name))
    {
        unchanged.absent(name);
    }
    Delete::builder()
        .table_name(table)
        .set_key(Some(HashMap::from_iter(item.get_key_value(EMAIL).map(owned))))
        .condition_expression(unchanged.terms.join(" AND "))
        .set_expression_attribute_names(Some(unchanged.names))
        .set_expression_attribute_values(Some(unchanged.values).filter(|values| !values.is_empty()))
        .build()
}

fn owned((name, value): (&String, &AttributeValue)) -> (String, AttributeValue) {
    (name.clone(), value.clone())
}

/// The condition that a row is what it was.
#[derive(Default)]
struct Unchanged {
    terms: Vec<String>,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl Unchanged {
    fn equal(&mut self, name: &str, value: &AttributeValue) {
        let n = self.name(name);
        self.terms.push(format!("#{n} = :{n}"));
        self.values.insert(format!(":{n}"), value.clone());
    }

    fn absent(&mut self, name: &str) {
        let n = self.name(name);
        self.terms.push(format!("attribute_not_exists(#{n})"));
    }

    fn name(&mut self, name: &str) -> usize {
        let n = self.names.len();
        self.names.insert(format!("#{n}"), name.to_owned());
        n
    }
}

/// `None` for what is no matter of this row.
fn answer(error: &SdkError<TransactWriteItemsError, HttpResponse>) -> Option<Answer> {
    use TransactWriteItemsError as E;
    if let SdkError::ConstructionFailure(_) = error {
        return Some(Answer::Refused("NotMade".to_owned()));
    }
    match error.as_service_error()? {
        E::TransactionCanceledException(e) => Some(of_reasons(e.cancellation_reasons())),
        E::TransactionInProgressException(_) => Some(Answer::Wait),
        // Something was done under this token: what, the table knows.
        E::IdempotentParameterMismatchException(_) => Some(Answer::Changed),
        other => refused(other.code()),
    }
}

fn refused(code: Option<&str>) -> Option<Answer> {
    code.filter(|code| *code == "ValidationException").map(|code| Answer::Refused(code.to_owned()))
}

const FAILED: &str = "ConditionalCheckFailed";

/// Reasons that pass by themselves. While one of them stands, the other item's is provisional.
const PASSING: &[&str] = &[
    "ProvisionedThroughputExceeded",
    "RequestLimitExceeded",
    "ThrottlingError",
    "TransactionConflict",
];

/// The first reason is that of the put, the second that of the delete.
fn of_reasons(reasons: &[CancellationReason]) -> Answer {
    let code = |position: usize| {
        let code = reasons.get(position).and_then(|reason| reason.code.as_deref());
        code.filter(|code| *code != "None")
    };
    match (code(0), code(1)) {
        (None, None) => Answer::Wait,
        (put, delete) if [put, delete].iter().flatten().any(|c| PASSING.contains(c)) => {
            Answer::Wait
        }
        (_, Some(FAILED)) => Answer::Changed,
        (Some(FAILED), None) => Answer::Taken,
        (Some(FAILED), Some(other)) | (Some(other), _) | (None, Some(other)) => {
            Answer::Refused(other.to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(put: &str, delete: &str) -> Answer {
        let reason = |code: &str| CancellationReason::builder().code(code).build();
        of_reasons(&[reason(put), reason(delete)])
    }

    #[test]
    fn reasons_mean_what_their_position_says() {
        let refused = |code: &str| Answer::Refused(code.to_owned());
        assert_eq!(answered("ConditionalCheckFailed", "None"), Answer::Taken);
        assert_eq!(answered("None", "ConditionalCheckFailed"), Answer::Changed);
        assert_eq!(answered("ConditionalCheckFailed", "ConditionalCheckFailed"), Answer::Changed);
        assert_eq!(answered("ValidationError", "None"), refused("ValidationError"));
        assert_eq!(answered("None", "ValidationError"), refused("ValidationError"));
        assert_eq!(answered("ValidationError", "ConditionalCheckFailed"), Answer::Changed);
        assert_eq!(
            answered("ConditionalCheckFailed", "ValidationError"),
            refused("ValidationError")
        );
    }

    #[test]
    fn a_reason_that_passes_makes_the_other_provisional() {
        for passing in PASSING {
            assert_eq!(answered(passing, "ConditionalCheckFailed"), Answer::Wait, "{passing}");
            assert_eq!(answered("ConditionalCheckFailed", passing), Answer::Wait, "{passing}");
            assert_eq!(answered("None", passing), Answer::Wait, "{passing}");
        }
    }

    #[test]
    fn a_cancellation_without_reasons_is_tried_again() {
        assert_eq!(of_reasons(&[]), Answer::Wait);
    }
}
