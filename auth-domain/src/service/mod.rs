//! The use cases, one file each, its error beside it.

mod admin;
mod authenticate;
mod breached;
mod change_email;
mod change_password;
mod delete_account;
mod deliver;
mod login;
mod proof;
mod refresh;
mod register;
mod request_password_reset;
mod reset_password;
mod session;
mod sessions;
mod shown_link;
mod span;
#[cfg(test)]
mod tests;
mod verify_email;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

pub use admin::{Account, Admin, AdminError};
pub use authenticate::AuthenticateError;
pub use change_email::{ChangeEmailError, ChangeEmailRequest, ConfirmEmailError};
pub use change_password::{ChangePasswordError, ChangePasswordRequest, PasswordChanged};
pub use delete_account::DeleteAccountError;
pub use deliver::{Delivery, DeliveryError, SkipReason};
pub use login::{Login, LoginError, LoginRequest};
pub use proof::ProofError;
pub use refresh::{RefreshError, Refreshed};
pub use register::{RegisterError, RegisterRequest, Registered, Registration};
pub use request_password_reset::RequestMailError;
pub use reset_password::{PasswordReset, ResetError, ResetRequest};
pub use sessions::{LogoutError, SessionError, SessionInfo};
pub use verify_email::VerifyEmailError;

use crate::event::LoginFailure;
use crate::ports::{
    CredentialChange, CredentialUpdate, HashSlot, RateDecision, Reservation, UserKey,
};
use crate::rate::hmac_sha256;
use crate::{
    AccountCall, AddressesInEvents, AuthEvent, Claims, Email, ErrorCode, EventKind, FailurePolicy,
    LimitKey, PortError, PortErrorKind, Ports, Purpose, RateLimit, RequestContext, RequestId,
    Settings, SettingsError, SourceKey, Timestamp, User, UserId,
};

/// The use cases, over the adapters of [`Ports`] and the choices of [`Settings`]. Cheap to clone; a
/// clone is the same service.
///
/// Each call may be dropped at any await: what was acknowledged stays, and nothing is left half done
/// that a later call does not put right (a reset link or refresh token may be spent: the owner asks for another mail, or logs in).
#[derive(Clone)]
pub struct Auth {
    inner: Arc<Inner>,
}

struct Inner {
    ports: Ports,
    settings: Settings,
    limiter_key: Zeroizing<[u8; 32]>,
    reset_keys: Keys,
    device_keys: Keys,
    email_change_keys: Keys,
    refresh_keys: Keys,
    verification_keys: Keys,
}

/// One purpose's key, and the one under the other master secret while that is being replaced.
struct Keys {
    current: Zeroizing<[u8; 32]>,
    previous: Option<Zeroizing<[u8; 32]>>,
}

impl Keys {
    fn new(settings: &Settings, purpose: Purpose) -> Self {
        let previous = settings.previous_master_secret.as_ref();
        Self {
            current: settings.master_secret.derive(purpose),
            previous: previous.map(|secret| secret.derive(purpose)),
        }
    }

    fn all(&self) -> impl Iterator<Item = &[u8; 32]> {
        std::iter::once(&self.current).chain(&self.previous).map(|key| &**key)
    }

    /// Whether something was issued under one of them.
    fn issued(&self, is_of: impl Fn(&[u8; 32]) -> bool) -> bool {
        self.all().any(is_of)
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("settings", &self.inner.settings).finish_non_exhaustive()
    }
}

/// A limit by source is reached.
enum Limited {
    RateLimited { retry_after: Duration },
    Port(PortError),
}

/// An attempt at an account's password is not let in.
enum Blocked {
    TooManyAttempts { retry_after: Duration },
    Port(PortError),
}

/// There is no place to hash in.
enum Crowded {
    Overloaded { retry_after: Duration },
    Port(PortError),
}

impl From<PortError> for Limited {
    fn from(error: PortError) -> Self {
        Self::Port(error)
    }
}

impl From<PortError> for Blocked {
    fn from(error: PortError) -> Self {
        Self::Port(error)
    }
}

impl From<PortError> for Crowded {
    fn from(error: PortError) -> Self {
        Self::Port(error)
    }
}

/// Turns what use cases refuse alike into an error that has variants of the same names.
macro_rules! refuses {
    ($error:ident: $($refusal:ident::$variant:ident),+) => {$(
        impl From<$crate::service::$refusal> for $error {
            fn from(refusal: $crate::service::$refusal) -> Self {
                match refusal {
                    $crate::service::$refusal::$variant { retry_after } => {
                        Self::$variant { retry_after }
                    }
                    $crate::service::$refusal::Port(error) => Self::Port(error),
                }
            }
        }
    )+};
}
use refuses;

/// What the errors of use cases have in common.
trait Refused {
    /// What the client is told, and the fault behind it if there is one.
    fn parts(&self) -> (ErrorCode, Option<&PortError>);
}

/// [`Refused`] for an error whose faults are in its variant `Port`, and in its proof if it has one.
macro_rules! refused {
    ($error:ident $(, $proof:ident)?) => {
        impl $crate::service::Refused for $error {
            fn parts(&self) -> ($crate::ErrorCode, Option<&$crate::PortError>) {
                let fault = match self {
                    Self::Port(error) => Some(error),
                    $(Self::$proof(error) => error.fault(),)?
                    _ => None,
                };
                (self.code(), fault)
            }
        }
    };
}
use refused;

/// Who and where, for the events of one call.
#[derive(Clone, Copy, Default)]
struct Subject {
    user_id: Option<UserId>,
    account: Option<LimitKey>,
    source: Option<std::net::IpAddr>,
    request_id: Option<RequestId>,
}

impl Auth {
    /// Puts the use cases over their adapters.
    ///
    /// # Errors
    /// [`SettingsError`] when a setting cannot be kept.
    pub fn new(ports: Ports, mut settings: Settings) -> Result<Self, SettingsError> {
        settings.check()?;
        settings.password_policy =
            settings.password_policy.with_context_words([&settings.service_name]);
        let limiter_key = settings.master_secret.derive(Purpose::LimiterKeys);
        let reset_keys = Keys::new(&settings, Purpose::ResetTokens);
        let device_keys = Keys::new(&settings, Purpose::DeviceTokens);
        let email_change_keys = Keys::new(&settings, Purpose::EmailChangeLinks);
        let refresh_keys = Keys::new(&settings, Purpose::RefreshTokens);
        let verification_keys = Keys::new(&settings, Purpose::VerificationLinks);
        Ok(Self {
            inner: Arc::new(Inner {
                ports,
                settings,
                limiter_key,
                reset_keys,
                device_keys,
                email_change_keys,
                refresh_keys,
                verification_keys,
            }),
        })
    }

    fn ports(&self) -> &Ports {
        &self.inner.ports
    }

    fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    fn now(&self) -> Timestamp {
        self.ports().clock.now()
    }

    fn entropy<const N: usize>(&self) -> Result<[u8; N], PortError> {
        let mut bytes = [0; N];
        self.ports().entropy.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn limit_key(&self, purpose: &str, subject: &str) -> LimitKey {
        let parts = [purpose.as_bytes(), subject.as_bytes()];
        LimitKey::from_bytes(hmac_sha256(&self.inner.limiter_key, &parts))
    }

    fn account_key(&self, email: &Email) -> LimitKey {
        self.limit_key("account", email.as_str())
    }

    fn subject(&self, email: Option<&Email>, context: &RequestContext) -> Subject {
        let account = match self.settings().addresses_in_events {
            AddressesInEvents::Hashed => email.map(|email| self.account_key(email)),
            AddressesInEvents::Omitted => None,
        };
        let RequestContext { source, request_id, .. } = *context;
        Subject { user_id: None, account, source, request_id }
    }

    fn subject_of(&self, claims: &Claims, context: &RequestContext) -> Subject {
        Subject { user_id: Some(claims.user_id), ..self.subject(Some(&claims.email), context) }
    }

    /// A change of an account under its next version, from now on.
    fn bump(&self, user: &User, change: CredentialChange) -> CredentialUpdate {
        CredentialUpdate {
            key: UserKey { email: user.email.clone(), id: user.id },
            expected: user.credential_version,
            next: user.credential_version.next(),
            change,
            updated_at: self.now(),
        }
    }

    /// Records what came of a call, and hands it on.
    fn record_call<T, E: Refused>(
        &self,
        subject: Subject,
        call: AccountCall,
        outcome: Result<T, E>,
    ) -> Result<T, E> {
        let kind = match outcome.as_ref().map_err(Refused::parts) {
            Ok(_) => EventKind::AccountCallDone { call },
            Err((code, fault)) => {
                if let Some(fault) = fault {
                    self.record_fault(subject, fault);
                }
                EventKind::AccountCallRefused { call, code }
            }
        };
        self.record(subject, kind);
        outcome
    }

    fn record(&self, subject: Subject, kind: EventKind) {
        self.record_with(subject, kind, None);
    }

    /// Also records the fault itself: the outcome says only what the client was told.
    fn record_fault(&self, subject: Subject, error: &PortError) {
        let (operation, kind) = (error.operation(), error.kind());
        let kind = EventKind::PortFailed { operation, kind };
        self.record_with(subject, kind, Some(error.with_causes()));
    }

    fn record_with(&self, subject: Subject, kind: EventKind, cause: Option<String>) {
        let Subject { user_id, account, source, request_id } = subject;
        let at = self.now();
        let event = AuthEvent { at, kind, user_id, account, source, request_id, cause };
        self.ports().events.record(event);
    }

    /// Counts a hit of the caller's source.
    async fn limit_source(
        &self,
        purpose: &str,
        limit: Option<RateLimit>,
        context: &RequestContext,
    ) -> Result<(), Limited> {
        let Some(source) = context.source else {
            return Ok(());
        };
        let key = self.limit_key(purpose, &SourceKey::new(source).text());
        self.limit(key, limit, context).await
    }

    /// Counts a hit of everybody, after that of its source: what one source is denied does not count.
    async fn limit_everybody(
        &self,
        purpose: &str,
        limit: Option<RateLimit>,
        context: &RequestContext,
    ) -> Result<(), Limited> {
        self.limit(self.limit_key("everybody", purpose), limit, context).await
    }

    async fn limit(
        &self,
        key: LimitKey,
        limit: Option<RateLimit>,
        context: &RequestContext,
    ) -> Result<(), Limited> {
        match self.hit(key, limit, self.subject(None, context)).await? {
            RateDecision::Allow => Ok(()),
            RateDecision::Deny { retry_after } => Err(Limited::RateLimited { retry_after }),
        }
    }

    async fn hit(
        &self,
        key: LimitKey,
        limit: Option<RateLimit>,
        subject: Subject,
    ) -> Result<RateDecision, PortError> {
        let Some(limit) = limit else {
            return Ok(RateDecision::Allow);
        };
        let answer = self.ports().limiter.hit(key, limit, self.now()).await;
        answer.or_else(|error| self.without_counter(subject, error, RateDecision::Allow))
    }

    /// What the settings say about a counter that does not answer.
    fn without_counter<T>(
        &self,
        subject: Subject,
        error: PortError,
        go_on: T,
    ) -> Result<T, PortError> {
        let policy = self.settings().on_limiter_failure;
        self.without(policy, error, subject, EventKind::LimitsUnavailable)?;
        Ok(go_on)
    }

    /// Goes on without a part that failed, where the settings say so, and records that.
    fn without(
        &self,
        policy: FailurePolicy,
        error: PortError,
        subject: Subject,
        recorded: EventKind,
    ) -> Result<(), PortError> {
        match policy {
            FailurePolicy::Refuse => Err(error),
            FailurePolicy::Allow => {
                self.record_without(&error, subject, recorded);
                Ok(())
            }
        }
    }

    fn record_without(&self, error: &PortError, subject: Subject, recorded: EventKind) {
        self.record_fault(subject, error);
        self.record(subject, recorded);
    }

    /// The account of an address. One whose row cannot be read is as good as none: it shuts out its
    /// owner, and looks from outside like an address without an account.
    async fn readable(&self, email: &Email, subject: Subject) -> Result<Option<User>, PortError> {
        match self.ports().users.find_by_email(email).await {
            Err(error) if is_corrupt(&error) => {
                self.record_fault(subject, &error);
                Ok(None)
            }
            answer => answer,
        }
    }

    fn reserve_hash(&self) -> Result<Box<dyn HashSlot>, Crowded> {
        match self.ports().hasher.reserve()? {
            Reservation::Slot(slot) => Ok(slot),
            Reservation::Overloaded { retry_after } => Err(Crowded::Overloaded { retry_after }),
        }
    }
}

fn is_corrupt(error: &PortError) -> bool {
    error.kind() == PortErrorKind::Corrupt
}
