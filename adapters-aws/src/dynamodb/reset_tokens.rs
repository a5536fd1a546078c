use async_trait::async_trait;
use auth_domain::ports::{Put, ResetTokenStore};
use auth_domain::{Email, PortError, ResetRecord, Timestamp, TokenDigest, UserId};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};

use super::conditional::{self, Outcome, absent, names, put_new};
use super::layout::{
    DIGEST_PREFIX, EMAIL, Item, RESET_TOKEN, USER_ID, corrupt, digest_key, reset_item,
    reset_record, text, time,
};
use super::partition::Partition;
use crate::fault::port_error;

/// Issued reset links in a DynamoDB table.
///
/// The rows of an address lie in one partition, and finding the newest reads them all: as many as were
/// mailed since the table last swept its expired rows, which the cap on mails to one address bounds.
#[derive(Clone, Debug)]
pub struct DynamoResetTokens {
    client: Client,
    table: String,
}

const PUT: &str = "reset_token_store.put";
const NEWEST: &str = "reset_token_store.newest";
const CONSUME: &str = "reset_token_store.consume";
const DELETE_ALL: &str = "reset_token_store.delete_all";

const OURS_OF_ADDRESS: &str = "#email = :email AND begins_with(#reset_token, :prefix)";
const IS_LIVE: &str = "#used = :unused AND #expires_at > :now";
const USE: &str = "SET #used = :used, #operation_id = :operation_id";

impl DynamoResetTokens {
    /// Links in the table of this name.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// Rows of the replaced system name no account, and go too.
    async fn delete_under(&self, address: &str, user_id: UserId) -> Result<(), PortError> {
        let partition = Partition {
            client: &self.client,
            table: &self.table,
            key: (EMAIL, address.to_owned()),
            sort_key: RESET_TOKEN,
        };
        let owner = user_id.to_string();
        let is_meant = |row: &Item| {
            row.get(USER_ID).and_then(|id| id.as_s().ok()).is_none_or(|id| *id == owner)
        };
        partition.delete_where(is_meant, DELETE_ALL).await
    }

    async fn rows(&self, email: &Email) -> Result<Vec<Item>, PortError> {
        let pages = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression(OURS_OF_ADDRESS)
            .set_expression_attribute_names(Some(names(&[OURS_OF_ADDRESS])))
            .expression_attribute_values(":email", text(email.as_str()))
            .expression_attribute_values(":prefix", text(DIGEST_PREFIX))
            .into_paginator()
            .items()
            .send();
        pages.try_collect().await.map_err(|error| port_error(NEWEST, &error))
    }
}

#[async_trait]
impl ResetTokenStore for DynamoResetTokens {
    async fn put(&self, record: ResetRecord) -> Result<Put, PortError> {
        let is_new = put_new(&self.client, &self.table, EMAIL, reset_item(&record), PUT).await?;
        Ok(if is_new { Put::Stored } else { Put::AlreadyThere })
    }

    async fn newest(&self, email: &Email) -> Result<Option<ResetRecord>, PortError> {
        let rows = self.rows(email).await?;
        let records: Vec<_> =
            rows.iter().map(reset_record).collect::<Result<_, _>>().map_err(corrupt(NEWEST))?;
        Ok(records.into_iter().max_by(|a, b| a.age().cmp(&b.age())))
    }

    async fn consume(
        &self,
        email: &Email,
        digest: TokenDigest,
        now: Timestamp,
    ) -> Result<Option<ResetRecord>, PortError> {
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(EMAIL, text(email.as_str()))
            .key(RESET_TOKEN, digest_key(digest))
            .update_expression(USE)
            .condition_expression(IS_LIVE)
            .set_expression_attribute_names(Some(names(&[USE, IS_LIVE])))
            .expression_attribute_values(":used", AttributeValue::Bool(true))
            .expression_attribute_values(":unused", AttributeValue::Bool(false))
            .expression_attribute_values(":now", time(now))
            .return_values(ReturnValue::AllNew);
        match conditional::update(request, CONSUME).await? {
            Outcome::Written(Some(item)) => reset_record(&item).map(Some).map_err(corrupt(CONSUME)),
            Outcome::Written(None) => Err(absent(CONSUME)),
            Outcome::Refused(_) => Ok(None),
        }
    }

    /// Also those of the system that this replaced, which kept its links in the clear, under the address as
    /// it was typed.
    async fn delete_all(&self, email: &Email, user_id: UserId) -> Result<(), PortError> {
        if email.spelling() != email.as_str() {
            self.delete_under(email.spelling(), user_id).await?;
        }
        self.delete_under(email.as_str(), user_id).await
    }
}
