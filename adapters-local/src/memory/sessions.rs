use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use auth_domain::ports::{Rotated, Rotation, SessionStore, Update};
use auth_domain::{
    CredentialVersion, PortError, Presented, Session, SessionId, SessionKey, UserId,
};

use super::locked;

/// Sessions in memory.
///
/// The cap on sessions of an account bounds how many rows it has. An expired one stays until a login beyond
/// the cap, a bump of the credential version or the deletion removes it.
#[derive(Debug, Default)]
pub struct MemorySessions {
    rows: Mutex<HashMap<UserId, HashMap<SessionId, Session>>>,
}

impl MemorySessions {
    /// A store without sessions.
    pub fn new() -> Self {
        Self::default()
    }

    fn with<T>(&self, key: &SessionKey, work: impl FnOnce(&mut Session) -> T) -> Option<T> {
        locked(&self.rows).get_mut(&key.user_id)?.get_mut(&key.id).map(work)
    }

    fn keep_only(&self, user_id: UserId, keeps: impl Fn(&Session) -> bool) -> Update {
        let mut rows = locked(&self.rows);
        let Some(of_account) = rows.get_mut(&user_id) else { return Update::Stale };
        let before = of_account.len();
        of_account.retain(|_, session| keeps(session));
        let ended = of_account.len() < before;
        if of_account.is_empty() {
            rows.remove(&user_id);
        }
        if ended { Update::Updated } else { Update::Stale }
    }
}

#[async_trait]
impl SessionStore for MemorySessions {
    async fn create(&self, session: Session) -> Result<(), PortError> {
        let mut rows = locked(&self.rows);
        rows.entry(session.key.user_id).or_default().insert(session.key.id, session);
        Ok(())
    }

    async fn find(&self, key: &SessionKey) -> Result<Option<Session>, PortError> {
        Ok(self.with(key, |session| session.clone()))
    }

    async fn rotate(&self, rotation: Rotation) -> Result<Rotated, PortError> {
        let mut rows = locked(&self.rows);
        let Rotation { key, presented, next, now, idle_expires_at } = rotation;
        let Some(of_account) = rows.get_mut(&key.user_id) else { return Ok(Rotated::Gone) };
        let Some(session) = of_account.get_mut(&key.id) else { return Ok(Rotated::Gone) };
        Ok(match session.presented(presented, now) {
            Presented::Current => {
                session.parent = Some(presented);
                session.current = next;
                session.last_used_at = now;
                session.idle_expires_at = idle_expires_at;
                Rotated::Rotated(session.clone())
            }
            Presented::Parent => Rotated::Retry(session.clone()),
            Presented::Expired => Rotated::Gone,
            Presented::Spent => of_account.remove(&key.id).map_or(Rotated::Gone, Rotated::Reused),
        })
    }

    async fn restamp(
        &self,
        key: &SessionKey,
        expected: CredentialVersion,
        next: CredentialVersion,
    ) -> Result<Update, PortError> {
        let restamped = self.with(key, |session| {
            let holds = session.credential_version == expected;
            if holds {
                session.credential_version = next;
            }
            holds
        });
        Ok(if restamped == Some(true) { Update::Updated } else { Update::Stale })
    }

    async fn list(&self, user_id: UserId) -> Result<Vec<Session>, PortError> {
        let rows = locked(&self.rows);
        Ok(rows.get(&user_id).into_iter().flat_map(HashMap::values).cloned().collect())
    }

    async fn end(&self, key: &SessionKey) -> Result<Update, PortError> {
        Ok(self.keep_only(key.user_id, |session| session.key.id != key.id))
    }

    async fn end_all(
        &self,
        user_id: UserId,
        older_than: Option<CredentialVersion>,
    ) -> Result<(), PortError> {
        self.keep_only(user_id, |session| {
            older_than.is_some_and(|version| session.credential_version >= version)
        });
        Ok(())
    }
}
