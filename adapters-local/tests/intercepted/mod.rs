//! Ports whose calls somebody listens to, or comes between.

use std::sync::Arc;

use async_trait::async_trait;
use auth_domain::ports::*;
use auth_domain::*;

/// What stands between the use cases and their ports.
pub(crate) trait Interceptor: Clone + Send + Sync + 'static {
    /// Answers a call, named by its port and method: by making it, or in its place.
    fn meet<T: Send>(
        &self,
        name: &'static str,
        call: impl Future<Output = Result<T, PortError>> + Send,
    ) -> impl Future<Output = Result<T, PortError>> + Send;

    /// A place to hash in is asked for, which is no call to wait for.
    fn reserves(&self) {}

    fn intercept<P: ?Sized>(&self, port: &Arc<P>) -> Arc<Intercepted<P, Self>> {
        Arc::new(Intercepted { port: Arc::clone(port), interceptor: self.clone() })
    }
}

pub(crate) struct Intercepted<P: ?Sized, I> {
    port: Arc<P>,
    interceptor: I,
}

macro_rules! intercepted {
    ($port:ident: $($method:ident($($name:ident: $type:ty),*) -> $answer:ty;)+) => {
        #[async_trait]
        impl<I: Interceptor> $port for Intercepted<dyn $port, I> {
            $(async fn $method(&self, $($name: $type),*) -> Result<$answer, PortError> {
                let name = concat!(stringify!($port), "::", stringify!($method));
                self.interceptor.meet(name, self.port.$method($($name),*)).await
            })+
        }
    };
}

intercepted! { UserStore:
    find_by_email(email: &Email) -> Option<User>;
    find_by_id(id: UserId) -> Option<User>;
    insert(user: User) -> Insert;
    update_credentials(update: CredentialUpdate) -> Update;
    change_email(change: EmailChange) -> EmailUpdate;
    touch_last_login(key: &UserKey, at: Timestamp) -> Update;
    delete(key: &UserKey, expected: Option<CredentialVersion>) -> Update;
}
intercepted! { ResetTokenStore:
    put(record: ResetRecord) -> Put;
    newest(email: &Email) -> Option<ResetRecord>;
    consume(email: &Email, digest: TokenDigest, now: Timestamp) -> Option<ResetRecord>;
    delete_all(email: &Email, user_id: UserId) -> ();
}
intercepted! { SessionStore:
    create(session: Session) -> ();
    find(key: &SessionKey) -> Option<Session>;
    rotate(rotation: Rotation) -> Rotated;
    restamp(key: &SessionKey, expected: CredentialVersion, next: CredentialVersion) -> Update;
    list(user_id: UserId) -> Vec<Session>;
    end(key: &SessionKey) -> Update;
    end_all(user_id: UserId, older_than: Option<CredentialVersion>) -> ();
}
intercepted! { AttemptStore:
    begin(key: LimitKey, now: Timestamp, policy: &AttemptPolicy) -> Attempt;
    clear(key: LimitKey) -> ();
}
intercepted! { RateLimiter:
    hit(key: LimitKey, limit: RateLimit, now: Timestamp) -> RateDecision;
}
intercepted! { MailQueue: enqueue(job: MailJob) -> (); }
intercepted! { BreachedPasswords: contains(password: &Password) -> bool; }

impl<I: Interceptor> PasswordHasher for Intercepted<dyn PasswordHasher, I> {
    fn reserve(&self) -> Result<Reservation, PortError> {
        self.interceptor.reserves();
        Ok(match self.port.reserve()? {
            Reservation::Slot(slot) => {
                let interceptor = self.interceptor.clone();
                Reservation::Slot(Box::new(InterceptedSlot { slot, interceptor }))
            }
            overloaded @ Reservation::Overloaded { .. } => overloaded,
        })
    }
}

struct InterceptedSlot<I> {
    slot: Box<dyn HashSlot>,
    interceptor: I,
}

#[async_trait]
impl<I: Interceptor> HashSlot for InterceptedSlot<I> {
    async fn hash(self: Box<Self>, password: Password) -> Result<PasswordHash, PortError> {
        self.interceptor.meet("HashSlot::hash", self.slot.hash(password)).await
    }

    async fn verify(
        self: Box<Self>,
        password: Password,
        stored: Option<PasswordHash>,
    ) -> Result<Verification, PortError> {
        self.interceptor.meet("HashSlot::verify", self.slot.verify(password, stored)).await
    }
}
