use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use auth_domain::ports::{
    CredentialUpdate, EmailChange, EmailUpdate, Insert, Update, UserKey, UserStore,
};
use auth_domain::{CredentialVersion, Email, PortError, Timestamp, User, UserId};

use super::locked;

/// Accounts in memory.
#[derive(Debug, Default)]
pub struct MemoryUsers {
    rows: Mutex<Rows>,
}

#[derive(Debug, Default)]
struct Rows {
    by_email: HashMap<Email, User>,
    emails: HashMap<UserId, Email>,
}

impl MemoryUsers {
    /// A store without accounts.
    pub fn new() -> Self {
        Self::default()
    }

    fn change(&self, key: &UserKey, change: impl FnOnce(&mut User) -> Update) -> Update {
        let mut rows = locked(&self.rows);
        let row = rows.by_email.get_mut(&key.email).filter(|user| user.id == key.id);
        row.map_or(Update::Stale, change)
    }
}

#[async_trait]
impl UserStore for MemoryUsers {
    async fn find_by_email(&self, email: &Email) -> Result<Option<User>, PortError> {
        Ok(locked(&self.rows).by_email.get(email).cloned())
    }

    async fn find_by_id(&self, id: UserId) -> Result<Option<User>, PortError> {
        let rows = locked(&self.rows);
        Ok(rows.emails.get(&id).and_then(|email| rows.by_email.get(email)).cloned())
    }

    async fn insert(&self, user: User) -> Result<Insert, PortError> {
        let mut rows = locked(&self.rows);
        if rows.by_email.contains_key(&user.email) {
            return Ok(Insert::EmailTaken);
        }
        rows.emails.insert(user.id, user.email.clone());
        rows.by_email.insert(user.email.clone(), user);
        Ok(Insert::Inserted)
    }

    async fn update_credentials(&self, update: CredentialUpdate) -> Result<Update, PortError> {
        let key = update.key.clone();
        Ok(self.change(&key, |user| {
            if user.credential_version != update.expected {
                return Update::Stale;
            }
            update.apply_to(user);
            Update::Updated
        }))
    }

    async fn change_email(&self, change: EmailChange) -> Result<EmailUpdate, PortError> {
        let mut rows = locked(&self.rows);
        let moves = rows.by_email.get(&change.key.email).is_some_and(|user| {
            user.id == change.key.id && user.credential_version == change.expected
        });
        if !moves {
            return Ok(EmailUpdate::Stale);
        }
        if rows.by_email.contains_key(&change.new_email) {
            return Ok(EmailUpdate::EmailTaken);
        }
        let Some(mut user) = rows.by_email.remove(&change.key.email) else {
            return Ok(EmailUpdate::Stale);
        };
        change.apply_to(&mut user);
        rows.emails.insert(user.id, user.email.clone());
        rows.by_email.insert(user.email.clone(), user);
        Ok(EmailUpdate::Updated)
    }

    async fn touch_last_login(&self, key: &UserKey, at: Timestamp) -> Result<Update, PortError> {
        Ok(self.change(key, |user| {
            user.last_login = Some(at);
            Update::Updated
        }))
    }

    async fn delete(
        &self,
        key: &UserKey,
        expected: Option<CredentialVersion>,
    ) -> Result<Update, PortError> {
        let mut rows = locked(&self.rows);
        let is_it = |user: &User| {
            let version = user.credential_version;
            user.id == key.id && expected.is_none_or(|expected| version == expected)
        };
        if !rows.by_email.get(&key.email).is_some_and(is_it) {
            return Ok(Update::Stale);
        }
        rows.by_email.remove(&key.email);
        rows.emails.remove(&key.id);
        Ok(Update::Updated)
    }
}
