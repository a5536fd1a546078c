use async_trait::async_trait;
use auth_domain::ports::{Rotated, Rotation, SessionStore, Update};
use auth_domain::{
    CredentialVersion, PortError, PortErrorKind, Presented, Session, SessionKey, UserId,
};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::ReturnValue;

use super::conditional::{self, Outcome, absent, names, put_new};
use super::layout::{
    CURRENT, Item, RowFault, SESSION_ID, USER_ID, corrupt, hex_digest, session, session_item,
    session_key, time, ttl, version,
};
use super::partition::Partition;
use crate::fault::port_error;

/// Sessions in a DynamoDB table.
///
/// The sessions of an account lie in one partition: listing them reads them all (one request unit for
/// each 4 KB, seven to nine sessions), as does each login, which the cap on sessions of an account bounds.
/// A session that is over stays until the table sweeps it or a login beyond the cap does; every read and
/// write goes by its stored times all the same. A row that cannot be read is no session: no token of it is
/// good, and where many are ended it is removed with them.
///
/// A write that lands while its answer is lost is known again. Ending a session is the exception: it
/// leaves nothing to know it by, so what was ended may be told as [`Update::Stale`].
#[derive(Clone, Debug)]
pub struct DynamoSessions {
    client: Client,
    table: String,
}

const CREATE: &str = "session_store.create";
const FIND: &str = "session_store.find";
const ROTATE: &str = "session_store.rotate";
const RESTAMP: &str = "session_store.restamp";
const LIST: &str = "session_store.list";
const END: &str = "session_store.end";
const END_ALL: &str = "session_store.end_all";

const IS_GOOD: &str = "#current = :presented AND #idle_expires_at > :now AND #expires_at > :now";
/// `ttl` by the idle end alone, since an update cannot take the earlier of two: clean-up may come later
/// than it could, by one idle life.
const SPEND: &str = "SET #current = :next, #parent = :presented, #last_used_at = :now, \
     #idle_expires_at = :idle_expires_at, #ttl = :ttl, #operation_id = :operation_id";
const HAS_VERSION: &str = "#credential_version = :expected";
const SET_VERSION: &str = "SET #credential_version = :next, #operation_id = :operation_id";

impl DynamoSessions {
    /// Sessions in the table of this name.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    fn of_account(&self, user_id: UserId) -> Partition<'_> {
        Partition {
            client: &self.client,
            table: &self.table,
            key: (USER_ID, user_id.to_string()),
            sort_key: SESSION_ID,
        }
    }

    fn update(&self, key: &SessionKey, change: &str, condition: &str) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(session_key(key)))
            .update_expression(change)
            .condition_expression(condition)
            .set_expression_attribute_names(Some(names(&[change, condition])))
    }

    /// Whether there was one.
    async fn delete(&self, key: &SessionKey, operation: &'static str) -> Result<bool, PortError> {
        let request = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(session_key(key)))
            .return_values(ReturnValue::AllOld);
        let answer = request.send().await.map_err(|error| port_error(operation, &error))?;
        Ok(answer.attributes.is_some())
    }

    /// Of a token that is not the good one, by the row as it was when that was found.
    async fn turned_away(&self, rotation: &Rotation, row: &Item) -> Result<Rotated, PortError> {
        let session = session(row).map_err(corrupt(ROTATE))?;
        match session.presented(rotation.presented, rotation.now) {
            Presented::Expired => Ok(Rotated::Gone),
            Presented::Parent => Ok(Rotated::Retry(session)),
            Presented::Spent => {
                self.delete(&rotation.key, ROTATE).await?;
                Ok(Rotated::Reused(session))
            }
            // Times in a form that does not compare as they do.
            Presented::Current => Err(corrupt(ROTATE)(RowFault::Unreadable(CURRENT))),
        }
    }
}

#[async_trait]
impl SessionStore for DynamoSessions {
    async fn create(&self, session: Session) -> Result<(), PortError> {
        let item = session_item(&session);
        if put_new(&self.client, &self.table, USER_ID, item, CREATE).await? {
            Ok(())
        } else {
            let error = PortError::new(PortErrorKind::Rejected, CREATE);
            Err(error.caused_by("there is a session of this id"))
        }
    }

    async fn find(&self, key: &SessionKey) -> Result<Option<Session>, PortError> {
        let request = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(session_key(key)))
            .consistent_read(true);
        let answer = request.send().await.map_err(|error| port_error(FIND, &error))?;
        answer.item.as_ref().map(session).transpose().map_err(corrupt(FIND))
    }

    async fn rotate(&self, rotation: Rotation) -> Result<Rotated, PortError> {
        let request = self
            .update(&rotation.key, SPEND, IS_GOOD)
            .expression_attribute_values(":presented", hex_digest(rotation.presented))
            .expression_attribute_values(":next", hex_digest(rotation.next))
            .expression_attribute_values(":now", time(rotation.now))
            .expression_attribute_values(":idle_expires_at", time(rotation.idle_expires_at))
            .expression_attribute_values(":ttl", ttl(rotation.idle_expires_at))
            .return_values(ReturnValue::AllNew);
        match conditional::update(request, ROTATE).await? {
            Outcome::Written(Some(row)) => {
                session(&row).map(Rotated::Rotated).map_err(corrupt(ROTATE))
            }
            Outcome::Written(None) => Err(absent(ROTATE)),
            Outcome::Refused(Some(row)) => self.turned_away(&rotation, &row).await,
            Outcome::Refused(None) => Ok(Rotated::Gone),
        }
    }

    async fn restamp(
        &self,
        key: &SessionKey,
        expected: CredentialVersion,
        next: CredentialVersion,
    ) -> Result<Update, PortError> {
        let request = self
            .update(key, SET_VERSION, HAS_VERSION)
            .expression_attribute_values(":expected", version(expected))
            .expression_attribute_values(":next", version(next));
        Ok(match conditional::update(request, RESTAMP).await? {
            Outcome::Written(_) => Update::Updated,
            Outcome::Refused(_) => Update::Stale,
        })
    }

    async fn list(&self, user_id: UserId) -> Result<Vec<Session>, PortError> {
        let rows = self.of_account(user_id).rows(LIST).await?;
        Ok(rows.iter().filter_map(|row| session(row).ok()).collect())
    }

    async fn end(&self, key: &SessionKey) -> Result<Update, PortError> {
        let ended = self.delete(key, END).await?;
        Ok(if ended { Update::Updated } else { Update::Stale })
    }

    async fn end_all(
        &self,
        user_id: UserId,
        older_than: Option<CredentialVersion>,
    ) -> Result<(), PortError> {
        let is_meant = |row: &Item| match (older_than, session(row)) {
            (Some(next), Ok(session)) => session.credential_version < next,
            _ => true,
        };
        self.of_account(user_id).delete_where(is_meant, END_ALL).await
    }
}
