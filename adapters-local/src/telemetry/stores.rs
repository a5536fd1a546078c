use async_trait::async_trait;
use auth_domain::ports::{
    AttemptStore, CredentialUpdate, EmailChange, EmailUpdate, Insert, Put, RateDecision,
    RateLimiter, ResetTokenStore, Rotated, Rotation, SessionStore, Update, UserKey, UserStore,
};
use auth_domain::{
    Attempt, AttemptPolicy, CredentialVersion, Email, LimitKey, PortError, RateLimit, ResetRecord,
    Session, SessionKey, Timestamp, TokenDigest, User, UserId,
};

use super::Observed;
use super::call::call;

#[async_trait]
impl AttemptStore for Observed<dyn AttemptStore> {
    async fn begin(
        &self,
        key: LimitKey,
        now: Timestamp,
        policy: &AttemptPolicy,
    ) -> Result<Attempt, PortError> {
        call!(self.instruments, "attempt_store.begin", "client")
            .wait(self.port.begin(key, now, policy))
            .await
    }

    async fn clear(&self, key: LimitKey) -> Result<(), PortError> {
        call!(self.instruments, "attempt_store.clear", "client").wait(self.port.clear(key)).await
    }
}

#[async_trait]
impl RateLimiter for Observed<dyn RateLimiter> {
    async fn hit(
        &self,
        key: LimitKey,
        limit: RateLimit,
        now: Timestamp,
    ) -> Result<RateDecision, PortError> {
        call!(self.instruments, "rate_limiter.hit", "client")
            .wait(self.port.hit(key, limit, now))
            .await
    }
}

#[async_trait]
impl ResetTokenStore for Observed<dyn ResetTokenStore> {
    async fn put(&self, record: ResetRecord) -> Result<Put, PortError> {
        call!(self.instruments, "reset_token_store.put", "client").wait(self.port.put(record)).await
    }

    async fn newest(&self, email: &Email) -> Result<Option<ResetRecord>, PortError> {
        call!(self.instruments, "reset_token_store.newest", "client")
            .wait(self.port.newest(email))
            .await
    }

    async fn consume(
        &self,
        email: &Email,
        digest: TokenDigest,
        now: Timestamp,
    ) -> Result<Option<ResetRecord>, PortError> {
        let call = call!(self.instruments, "reset_token_store.consume", "client");
        call.wait(self.port.consume(email, digest, now)).await
    }

    async fn delete_all(&self, email: &Email, user_id: UserId) -> Result<(), PortError> {
        let call = call!(self.instruments, "reset_token_store.delete_all", "client");
        call.wait(self.port.delete_all(email, user_id)).await
    }
}

#[async_trait]
impl SessionStore for Observed<dyn SessionStore> {
    async fn create(&self, session: Session) -> Result<(), PortError> {
        call!(self.instruments, "session_store.create", "client")
            .wait(self.port.create(session))
            .await
    }

    async fn find(&self, key: &SessionKey) -> Result<Option<Session>, PortError> {
        call!(self.instruments, "session_store.find", "client").wait(self.port.find(key)).await
    }

    async fn rotate(&self, rotation: Rotation) -> Result<Rotated, PortError> {
        call!(self.instruments, "session_store.rotate", "client")
            .wait(self.port.rotate(rotation))
            .await
    }

    async fn restamp(
        &self,
        key: &SessionKey,
        expected: CredentialVersion,
        next: CredentialVersion,
    ) -> Result<Update, PortError> {
        let call = call!(self.instruments, "session_store.restamp", "client");
        call.wait(self.port.restamp(key, expected, next)).await
    }

    async fn list(&self, user_id: UserId) -> Result<Vec<Session>, PortError> {
        call!(self.instruments, "session_store.list", "client").wait(self.port.list(user_id)).await
    }

    async fn end(&self, key: &SessionKey) -> Result<Update, PortError> {
        call!(self.instruments, "session_store.end", "client").wait(self.port.end(key)).await
    }

    async fn end_all(
        &self,
        user_id: UserId,
        older_than: Option<CredentialVersion>,
    ) -> Result<(), PortError> {
        let call = call!(self.instruments, "session_store.end_all", "client");
        call.wait(self.port.end_all(user_id, older_than)).await
    }
}

#[async_trait]
impl UserStore for Observed<dyn UserStore> {
    async fn find_by_email(&self, email: &Email) -> Result<Option<User>, PortError> {
        call!(self.instruments, "user_store.find_by_email", "client")
            .wait(self.port.find_by_email(email))
            .await
    }

    async fn find_by_id(&self, id: UserId) -> Result<Option<User>, PortError> {
        call!(self.instruments, "user_store.find_by_id", "client")
            .wait(self.port.find_by_id(id))
            .await
    }

    async fn insert(&self, user: User) -> Result<Insert, PortError> {
        call!(self.instruments, "user_store.insert", "client").wait(self.port.insert(user)).await
    }

    async fn update_credentials(&self, update: CredentialUpdate) -> Result<Update, PortError> {
        let call = call!(self.instruments, "user_store.update_credentials", "client");
        call.wait(self.port.update_credentials(update)).await
    }

    async fn change_email(&self, change: EmailChange) -> Result<EmailUpdate, PortError> {
        call!(self.instruments, "user_store.change_email", "client")
            .wait(self.port.change_email(change))
            .await
    }

    async fn touch_last_login(&self, key: &UserKey, at: Timestamp) -> Result<Update, PortError> {
        let call = call!(self.instruments, "user_store.touch_last_login", "client");
        call.wait(self.port.touch_last_login(key, at)).await
    }

    async fn delete(
        &self,
        key: &UserKey,
        expected: Option<CredentialVersion>,
    ) -> Result<Update, PortError> {
        call!(self.instruments, "user_store.delete", "client")
            .wait(self.port.delete(key, expected))
            .await
    }
}
