use async_trait::async_trait;

use super::{
    MailQueue, Mailer, PasswordHasher, RateDecision, RateLimiter, Reservation, TokenIssuer,
    TokenVerifier,
};
use crate::{
    Claims, LimitKey, MailJob, OutgoingEmail, PortError, PortErrorKind, RateLimit, SignedToken,
    Timestamp, TokenRejected,
};

/// Stands where a program has no adapter: an operator's tool hashes no password and signs no token.
///
/// It does nothing and lets nobody in. Each call fails for good
/// ([`PortErrorKind::Rejected`](crate::PortErrorKind::Rejected)), every token is rejected, and the key set
/// is empty; so a use case that needs what is missing says so. It stands for no store, since a program
/// without accounts has no use for [`Auth`](crate::Auth), and not for clock, entropy and events, which no
/// use case does without.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct NotComposed;

impl NotComposed {
    /// A part that is not there.
    pub const fn new() -> Self {
        Self
    }
}

fn missing(operation: &'static str) -> PortError {
    PortError::new(PortErrorKind::Rejected, operation).caused_by("not composed in this program")
}

#[async_trait]
impl MailQueue for NotComposed {
    async fn enqueue(&self, _: MailJob) -> Result<(), PortError> {
        Err(missing("mail_queue.enqueue"))
    }
}

#[async_trait]
impl Mailer for NotComposed {
    async fn send(&self, _: &OutgoingEmail) -> Result<(), PortError> {
        Err(missing("mailer.send"))
    }
}

impl PasswordHasher for NotComposed {
    fn reserve(&self) -> Result<Reservation, PortError> {
        Err(missing("password_hasher.reserve"))
    }
}

#[async_trait]
impl RateLimiter for NotComposed {
    async fn hit(
        &self,
        _: LimitKey,
        _: RateLimit,
        _: Timestamp,
    ) -> Result<RateDecision, PortError> {
        Err(missing("rate_limiter.hit"))
    }
}

#[async_trait]
impl TokenIssuer for NotComposed {
    async fn issue(&self, _: &Claims) -> Result<SignedToken, PortError> {
        Err(missing("token_issuer.issue"))
    }
}

impl TokenVerifier for NotComposed {
    fn verify(&self, _: &str, _: Timestamp) -> Result<Claims, TokenRejected> {
        Err(TokenRejected)
    }

    fn jwks(&self) -> String {
        r#"{"keys":[]}"#.to_owned()
    }
}
