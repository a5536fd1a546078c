use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use auth_domain::ports::{CredentialUpdate, Insert, Update, UserKey, UserStore};
use auth_domain::{Email, PortError, Timestamp, User, UserId};

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
        Ok(self.change(&update.key, |user| {
            if user.credential_version != update.expected {
                return Update::Stale;
            }
            user.password_hash = Some(update.password_hash);
            user.credential_version = update.next;
            user.updated_at = update.updated_at;
            Update::Updated
        }))
    }

    async fn touch_last_login(&self, key: &UserKey, at: Timestamp) -> Result<Update, PortError> {
        Ok(self.change(key, |user| {
            user.last_login = Some(at);
            Update::Updated
        }))
    }

    async fn delete(&self, key: &UserKey) -> Result<Update, PortError> {
        let mut rows = locked(&self.rows);
        if rows.by_email.get(&key.email).is_none_or(|user| user.id != key.id) {
            return Ok(Update::Stale);
        }
        rows.by_email.remove(&key.email);
        rows.emails.remove(&key.id);
        Ok(Update::Updated)
    }
}
