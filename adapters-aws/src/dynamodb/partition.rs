use auth_domain::{PortError, PortErrorKind};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{DeleteRequest, WriteRequest};

use super::conditional::names;
use super::layout::{Item, text};
use super::tries::Tries;
use crate::fault::port_error;

/// All rows under one partition key, whatever is in them.
pub(super) struct Partition<'a> {
    pub(super) client: &'a Client,
    pub(super) table: &'a str,
    /// Name of the partition key, and the one that is meant.
    pub(super) key: (&'static str, String),
    pub(super) sort_key: &'static str,
}

/// The most that one call may hold.
const BATCH: usize = 25;

impl Partition<'_> {
    /// The rows. A strong read.
    pub(super) async fn rows(&self, operation: &'static str) -> Result<Vec<Item>, PortError> {
        all(self.query(), operation).await
    }

    /// Removes those of the rows that are meant.
    pub(super) async fn delete_where(
        &self,
        is_meant: impl Fn(&Item) -> bool,
        operation: &'static str,
    ) -> Result<(), PortError> {
        let mut rows = self.rows(operation).await?;
        rows.retain(is_meant);
        for row in &mut rows {
            row.retain(|name, _| name == self.key.0 || name == self.sort_key);
        }
        self.delete(rows, operation).await
    }

    fn query(&self) -> QueryFluentBuilder {
        let (name, value) = &self.key;
        let condition = format!("#{name} = :key");
        self.client
            .query()
            .table_name(self.table)
            .consistent_read(true)
            .set_expression_attribute_names(Some(names(&[&condition])))
            .key_condition_expression(condition)
            .expression_attribute_values(":key", text(value))
    }

    /// Removes the rows of these keys.
    async fn delete(&self, keys: Vec<Item>, operation: &'static str) -> Result<(), PortError> {
        let requests = keys.into_iter().map(removal).collect::<Result<Vec<_>, _>>();
        let requests = requests
            .map_err(|e| PortError::new(PortErrorKind::Rejected, operation).caused_by(e))?;
        for batch in requests.chunks(BATCH) {
            self.delete_batch(batch.to_vec(), operation).await?;
        }
        Ok(())
    }

    /// A call may do a part of what it holds, and give the rest back.
    async fn delete_batch(
        &self,
        mut requests: Vec<WriteRequest>,
        operation: &'static str,
    ) -> Result<(), PortError> {
        let mut tries = Tries::new();
        loop {
            let call = self.client.batch_write_item().request_items(self.table, requests);
            let answer = call.send().await.map_err(|error| port_error(operation, &error))?;
            let left = answer.unprocessed_items.unwrap_or_default();
            requests = left.into_values().flatten().collect();
            if requests.is_empty() {
                return Ok(());
            }
            if !tries.again().await {
                let error = PortError::new(PortErrorKind::Throttled, operation);
                return Err(error.caused_by("some rows were given back unprocessed each time"));
            }
        }
    }
}

fn removal(key: Item) -> Result<WriteRequest, BuildError> {
    let delete = DeleteRequest::builder().set_key(Some(key)).build()?;
    Ok(WriteRequest::builder().delete_request(delete).build())
}

async fn all(query: QueryFluentBuilder, operation: &'static str) -> Result<Vec<Item>, PortError> {
    let pages = query.into_paginator().items().send();
    pages.try_collect().await.map_err(|error| port_error(operation, &error))
}
