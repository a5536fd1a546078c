use async_trait::async_trait;
use auth_domain::ports::{
    CredentialChange, CredentialUpdate, EmailChange, EmailUpdate, Insert, Update, UserKey,
    UserStore,
};
use auth_domain::{CredentialVersion, Email, PortError, PortErrorKind, Timestamp, User, UserId};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;

use super::conditional::{self, Outcome, names, put_new};
use super::layout::{
    EMAIL, Item, USER_ID_INDEX, corrupt, email_key, moved_user_item, number, text, time, user,
    user_item, version,
};
use super::relocation::{Answer, Relocation};
use crate::fault::port_error;

/// Accounts in a DynamoDB table.
///
/// Also reads and writes the rows of the system that this replaced, under whatever spelling of the
/// address they are kept, until they are moved to the canonical one.
#[derive(Clone, Debug)]
pub struct DynamoUsers {
    client: Client,
    table: String,
}

const FIND_BY_EMAIL: &str = "user_store.find_by_email";
const FIND_BY_ID: &str = "user_store.find_by_id";
const INSERT: &str = "user_store.insert";
const UPDATE_CREDENTIALS: &str = "user_store.update_credentials";
const CHANGE_EMAIL: &str = "user_store.change_email";
const TOUCH_LAST_LOGIN: &str = "user_store.touch_last_login";
const DELETE: &str = "user_store.delete";

const IS_THEIRS: &str = "#user_id = :user_id";
const HAS_VERSION: &str = "#user_id = :user_id AND #credential_version = :expected";
/// A row of the replaced system has none.
const HAS_FIRST_VERSION: &str = "#user_id = :user_id AND \
     (#credential_version = :expected OR attribute_not_exists(#credential_version))";
/// Each write drops the plaintext secrets of the replaced system.
const DROP_PLAINTEXT: &str = "REMOVE #reset_token, #reset_expires, #reset_created";
const SET_VERSION: &str = "SET #credential_version = :next, #updated_at = :updated_at, \
     #operation_id = :operation_id";
const SET_LAST_LOGIN: &str = "SET #last_login = :at, \
     #credential_version = if_not_exists(#credential_version, :first), \
     #disabled = if_not_exists(#disabled, :enabled)";

/// How often a row that changes while it is moved is read again.
const READINGS: usize = 5;

impl DynamoUsers {
    /// Accounts in the table of this name.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// The item under one key, by a strongly consistent read.
    async fn get(&self, key: &str, operation: &'static str) -> Result<Option<Item>, PortError> {
        let request = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(EMAIL, text(key))
            .consistent_read(true);
        let answer = request.send().await.map_err(|error| port_error(operation, &error))?;
        Ok(answer.item)
    }

    fn update(&self, key: &UserKey, change: &str, condition: &str) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.table)
            .key(EMAIL, text(key.email.spelling()))
            .update_expression(change)
            .condition_expression(condition)
            .set_expression_attribute_names(Some(names(&[change, condition])))
            .expression_attribute_values(":user_id", text(key.id.to_string()))
    }

    /// The row under its own address, if the change may be made to it.
    async fn to_be_moved(&self, change: &EmailChange) -> Result<Option<Item>, PortError> {
        let Some(item) = self.get(change.key.email.spelling(), CHANGE_EMAIL).await? else {
            return Ok(None);
        };
        let user = user(&item).map_err(corrupt(CHANGE_EMAIL))?;
        let holds = user.id == change.key.id && user.credential_version == change.expected;
        Ok(holds.then_some(item))
    }
}

/// What a change of credentials writes beside what each of them does.
struct Writing {
    set: &'static str,
    remove: &'static str,
    values: Vec<(&'static str, AttributeValue)>,
}

impl Writing {
    fn of(change: &CredentialChange) -> Self {
        let set = |set, values| Self { set, remove: "", values };
        match change {
            CredentialChange::Nothing => set("", vec![]),
            CredentialChange::Disabled(disabled) => {
                set(", #disabled = :disabled", vec![(":disabled", AttributeValue::Bool(*disabled))])
            }
            CredentialChange::EmailVerified(at) => {
                set(", #email_verified_at = :verified_at", vec![(":verified_at", time(*at))])
            }
            CredentialChange::PasswordHash(hash) => set(
                ", #password_hash = :password_hash",
                vec![(":password_hash", text(hash.expose()))],
            ),
            CredentialChange::PasswordHashByMail(hash, at) => set(
                ", #password_hash = :password_hash, \
                   #email_verified_at = if_not_exists(#email_verified_at, :verified_at)",
                vec![(":password_hash", text(hash.expose())), (":verified_at", time(*at))],
            ),
            CredentialChange::PasswordRemoved => {
                Self { set: "", remove: ", #password_hash", values: vec![] }
            }
        }
    }

    fn expression(&self) -> String {
        format!("{SET_VERSION}{} {DROP_PLAINTEXT}{}", self.set, self.remove)
    }
}

#[async_trait]
impl UserStore for DynamoUsers {
    /// Reads under both keys where they differ, whether or not the first is found: what it costs tells
    /// nothing. The spelling first, since a row moves from there to the canonical key and never back.
    async fn find_by_email(&self, email: &Email) -> Result<Option<User>, PortError> {
        let typed = if email.spelling() == email.as_str() {
            None
        } else {
            self.get(email.spelling(), FIND_BY_EMAIL).await?
        };
        let item = self.get(email.as_str(), FIND_BY_EMAIL).await?.or(typed);
        item.as_ref().map(user).transpose().map_err(corrupt(FIND_BY_EMAIL))
    }

    async fn find_by_id(&self, id: UserId) -> Result<Option<User>, PortError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(USER_ID_INDEX)
            .key_condition_expression(IS_THEIRS)
            .set_expression_attribute_names(Some(names(&[IS_THEIRS])))
            .expression_attribute_values(":user_id", text(id.to_string()))
            .send()
            .await
            .map_err(|error| port_error(FIND_BY_ID, &error))?;
        // The index may still hold a key that the account has left.
        for entry in answer.items() {
            let key = email_key(entry).map_err(corrupt(FIND_BY_ID))?;
            if let Some(item) = self.get(key, FIND_BY_ID).await? {
                let user = user(&item).map_err(corrupt(FIND_BY_ID))?;
                if user.id == id {
                    return Ok(Some(user));
                }
            }
        }
        Ok(None)
    }

    async fn insert(&self, user: User) -> Result<Insert, PortError> {
        let is_new = put_new(&self.client, &self.table, EMAIL, user_item(&user), INSERT).await?;
        Ok(if is_new { Insert::Inserted } else { Insert::EmailTaken })
    }

    async fn update_credentials(&self, update: CredentialUpdate) -> Result<Update, PortError> {
        let condition = at_version(update.expected);
        let writing = Writing::of(&update.change);
        let mut request = self
            .update(&update.key, &writing.expression(), condition)
            .expression_attribute_values(":expected", version(update.expected))
            .expression_attribute_values(":next", version(update.next))
            .expression_attribute_values(":updated_at", time(update.updated_at));
        for (name, value) in writing.values {
            request = request.expression_attribute_values(name, value);
        }
        Ok(match conditional::update(request, UPDATE_CREDENTIALS).await? {
            Outcome::Written(_) => Update::Updated,
            Outcome::Refused(_) => Update::Stale,
        })
    }

    /// One transaction of two items on condition that the old row still is what was read just before, so
    /// that what a login changes on it meanwhile is not lost: then it is read again, a few times.
    async fn change_email(&self, change: EmailChange) -> Result<EmailUpdate, PortError> {
        for _ in 0..READINGS {
            let Some(old) = self.to_be_moved(&change).await? else {
                return Ok(EmailUpdate::Stale);
            };
            let new = moved_user_item(old.clone(), &change);
            let relocation = Relocation::new(&self.table, &old, new, CHANGE_EMAIL)?;
            match relocation.carry_out(&self.client).await? {
                Answer::Moved => return Ok(EmailUpdate::Updated),
                Answer::Taken => return Ok(EmailUpdate::EmailTaken),
                Answer::Changed => {}
                Answer::Wait => return Err(contended()),
                Answer::Refused(code) => {
                    let error = PortError::new(PortErrorKind::Rejected, CHANGE_EMAIL);
                    return Err(error.caused_by(code));
                }
            }
        }
        Err(contended())
    }

    /// Written twice it says the same, so it needs no operation id.
    async fn touch_last_login(&self, key: &UserKey, at: Timestamp) -> Result<Update, PortError> {
        let request = self
            .update(key, &format!("{SET_LAST_LOGIN} {DROP_PLAINTEXT}"), IS_THEIRS)
            .expression_attribute_values(":enabled", AttributeValue::Bool(false))
            .expression_attribute_values(":at", time(at))
            .expression_attribute_values(":first", number(CredentialVersion::FIRST.get()));
        match request.send().await {
            Ok(_) => Ok(Update::Updated),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(Update::Stale),
                _ => Err(port_error(TOUCH_LAST_LOGIN, &error)),
            },
        }
    }

    /// After an answer that was lost it may say [`Update::Stale`] of its own work: the row is gone.
    async fn delete(
        &self,
        key: &UserKey,
        expected: Option<CredentialVersion>,
    ) -> Result<Update, PortError> {
        let condition = expected.map_or(IS_THEIRS, at_version);
        let request = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key(EMAIL, text(key.email.spelling()))
            .condition_expression(condition)
            .set_expression_attribute_names(Some(names(&[condition])))
            .expression_attribute_values(":user_id", text(key.id.to_string()));
        let request = match expected {
            Some(expected) => request.expression_attribute_values(":expected", version(expected)),
            None => request,
        };
        match request.send().await {
            Ok(_) => Ok(Update::Updated),
            Err(error) => match error.as_service_error() {
                Some(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(Update::Stale),
                _ => Err(port_error(DELETE, &error)),
            },
        }
    }
}

/// Nothing was written.
fn contended() -> PortError {
    PortError::new(PortErrorKind::Unavailable, CHANGE_EMAIL)
        .caused_by("other writes of the row came in between each time")
}

/// A row that was written before versions existed is at the first.
fn at_version(expected: CredentialVersion) -> &'static str {
    if expected == CredentialVersion::FIRST { HAS_FIRST_VERSION } else { HAS_VERSION }
}
