//! A store of sessions that fails when it is told to.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use auth_domain::ports::{Rotated, Rotation, SessionStore, Update};
use auth_domain::{CredentialVersion, PortError, PortErrorKind, Session, SessionKey, UserId};

/// The answer to a rotation is lost before or after it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    Before,
    After,
}

pub(crate) struct Flaky {
    sessions: Arc<dyn SessionStore>,
    lost: Mutex<Option<Lost>>,
    keeps_rows: AtomicBool,
}

impl Flaky {
    pub(crate) fn new(sessions: Arc<dyn SessionStore>) -> Self {
        Self { sessions, lost: Mutex::default(), keeps_rows: AtomicBool::new(false) }
    }

    pub(crate) fn lose_next(&self, lost: Option<Lost>) {
        *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = lost;
    }

    /// Whether rows stay that are removed after a bump of the version, which alone must end them.
    pub(crate) fn keep_rows(&self, keeps: bool) {
        self.keeps_rows.store(keeps, Ordering::SeqCst);
    }
}

fn unavailable<T>() -> Result<T, PortError> {
    Err(PortError::new(PortErrorKind::Unavailable, "session_store.any"))
}

#[async_trait]
impl SessionStore for Flaky {
    async fn create(&self, session: Session) -> Result<(), PortError> {
        self.sessions.create(session).await
    }

    async fn find(&self, key: &SessionKey) -> Result<Option<Session>, PortError> {
        self.sessions.find(key).await
    }

    async fn rotate(&self, rotation: Rotation) -> Result<Rotated, PortError> {
        let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner).take();
        match lost {
            None => self.sessions.rotate(rotation).await,
            Some(Lost::Before) => unavailable(),
            Some(Lost::After) => {
                drop(self.sessions.rotate(rotation).await);
                unavailable()
            }
        }
    }

    async fn restamp(
        &self,
        key: &SessionKey,
        expected: CredentialVersion,
        next: CredentialVersion,
    ) -> Result<Update, PortError> {
        self.sessions.restamp(key, expected, next).await
    }

    async fn list(&self, user_id: UserId) -> Result<Vec<Session>, PortError> {
        self.sessions.list(user_id).await
    }

    async fn end(&self, key: &SessionKey) -> Result<Update, PortError> {
        self.sessions.end(key).await
    }

    async fn end_all(
        &self,
        user_id: UserId,
        older_than: Option<CredentialVersion>,
    ) -> Result<(), PortError> {
        if self.keeps_rows.load(Ordering::SeqCst) {
            return unavailable();
        }
        self.sessions.end_all(user_id, older_than).await
    }
}
