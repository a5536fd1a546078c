//! Ports whose calls meet a fault when a plan says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use auth_domain::ports::{
    AttemptStore, CredentialUpdate, EmailChange, EmailUpdate, Insert, MailQueue, Put,
    ResetTokenStore, Rotated, Rotation, SessionStore, Update, UserKey, UserStore,
};
use auth_domain::{
    Attempt, AttemptPolicy, CredentialVersion, Email, LimitKey, MailJob, PortError, PortErrorKind,
    ResetRecord, Session, SessionKey, Timestamp, TokenDigest, User, UserId,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    FailsBefore,
    AnswerLost,
    CallerGoneBefore,
    CallerGoneAfter,
}

pub(crate) const FAULTS: [Fault; 4] =
    [Fault::FailsBefore, Fault::AnswerLost, Fault::CallerGoneBefore, Fault::CallerGoneAfter];

/// Which call of any port meets the fault, counted down; and how many there were.
pub(crate) struct Plan {
    pub(crate) fault: Fault,
    pub(crate) calls_until: AtomicUsize,
}

pub(crate) const NEVER: usize = usize::MAX / 2;

impl Plan {
    /// Whether the call that is made now is the one.
    fn is_due(&self) -> bool {
        self.calls_until.fetch_sub(1, Ordering::SeqCst) == 1
    }

    async fn meet<T>(
        &self,
        call: impl Future<Output = Result<T, PortError>>,
    ) -> Result<T, PortError> {
        if !self.is_due() {
            return call.await;
        }
        match self.fault {
            Fault::FailsBefore => {}
            Fault::CallerGoneBefore => std::future::pending().await,
            Fault::AnswerLost => drop(call.await),
            Fault::CallerGoneAfter => {
                drop(call.await);
                std::future::pending::<()>().await;
            }
        }
        Err(PortError::new(PortErrorKind::Unavailable, "any.call"))
    }
}

pub(crate) struct Faulty<P: ?Sized> {
    pub(crate) port: Arc<P>,
    pub(crate) plan: Arc<Plan>,
}

#[async_trait]
impl UserStore for Faulty<dyn UserStore> {
    async fn find_by_email(&self, email: &Email) -> Result<Option<User>, PortError> {
        self.plan.meet(self.port.find_by_email(email)).await
    }
    async fn find_by_id(&self, id: UserId) -> Result<Option<User>, PortError> {
        self.plan.meet(self.port.find_by_id(id)).await
    }
    async fn insert(&self, user: User) -> Result<Insert, PortError> {
        self.plan.meet(self.port.insert(user)).await
    }
    async fn update_credentials(&self, update: CredentialUpdate) -> Result<Update, PortError> {
        self.plan.meet(self.port.update_credentials(update)).await
    }
    async fn change_email(&self, change: EmailChange) -> Result<EmailUpdate, PortError> {
        self.plan.meet(self.port.change_email(change)).await
    }
    async fn touch_last_login(&self, key: &UserKey, at: Timestamp) -> Result<Update, PortError> {
        self.plan.meet(self.port.touch_last_login(key, at)).await
    }
    async fn delete(
        &self,
        key: &UserKey,
        expected: Option<CredentialVersion>,
    ) -> Result<Update, PortError> {
        self.plan.meet(self.port.delete(key, expected)).await
    }
}

#[async_trait]
impl ResetTokenStore for Faulty<dyn ResetTokenStore> {
    async fn put(&self, record: ResetRecord) -> Result<Put, PortError> {
        self.plan.meet(self.port.put(record)).await
    }
    async fn newest(&self, email: &Email) -> Result<Option<ResetRecord>, PortError> {
        self.plan.meet(self.port.newest(email)).await
    }
    async fn consume(
        &self,
        email: &Email,
        digest: TokenDigest,
        now: Timestamp,
    ) -> Result<Option<ResetRecord>, PortError> {
        self.plan.meet(self.port.consume(email, digest, now)).await
    }
    async fn delete_all(&self, email: &Email, user_id: UserId) -> Result<(), PortError> {
        self.plan.meet(self.port.delete_all(email, user_id)).await
    }
}

#[async_trait]
impl AttemptStore for Faulty<dyn AttemptStore> {
    async fn begin(
        &self,
        key: LimitKey,
        now: Timestamp,
        policy: &AttemptPolicy,
    ) -> Result<Attempt, PortError> {
        self.plan.meet(self.port.begin(key, now, policy)).await
    }
    async fn clear(&self, key: LimitKey) -> Result<(), PortError> {
        self.plan.meet(self.port.clear(key)).await
    }
}

#[async_trait]
impl MailQueue for Faulty<dyn MailQueue> {
    async fn enqueue(&self, job: MailJob) -> Result<(), PortError> {
        self.plan.meet(self.port.enqueue(job)).await
    }
}

#[async_trait]
impl SessionStore for Faulty<dyn SessionStore> {
    async fn create(&self, session: Session) -> Result<(), PortError> {
        self.plan.meet(self.port.create(session)).await
    }
    async fn find(&self, key: &SessionKey) -> Result<Option<Session>, PortError> {
        self.plan.meet(self.port.find(key)).await
    }
    async fn rotate(&self, rotation: Rotation) -> Result<Rotated, PortError> {
        self.plan.meet(self.port.rotate(rotation)).await
    }
    async fn restamp(
        &self,
        key: &SessionKey,
        expected: CredentialVersion,
        next: CredentialVersion,
    ) -> Result<Update, PortError> {
        self.plan.meet(self.port.restamp(key, expected, next)).await
    }
    async fn list(&self, user_id: UserId) -> Result<Vec<Session>, PortError> {
        self.plan.meet(self.port.list(user_id)).await
    }
    async fn end(&self, key: &SessionKey) -> Result<Update, PortError> {
        self.plan.meet(self.port.end(key)).await
    }
    async fn end_all(
        &self,
        user_id: UserId,
        older_than: Option<CredentialVersion>,
    ) -> Result<(), PortError> {
        self.plan.meet(self.port.end_all(user_id, older_than)).await
    }
}
