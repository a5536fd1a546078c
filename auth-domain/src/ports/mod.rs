//! The ports: what the domain asks of the world, one trait each.
//!
//! Each method says what it promises, what concurrent callers see, and what its errors mean. A promise
//! such as "one winner" is to be made by *one* conditional write of the store behind it; reading first
//! and writing then is a defect however small the window. What a caller must expect to happen is a
//! return value; [`PortError`](crate::PortError) is for what should not happen.
//!
//! No port has default methods, so that a wrapper cannot lose a promise by forgetting to forward it.

mod attempt_store;
mod breached_passwords;
mod clock;
mod entropy;
mod event_sink;
mod mail_queue;
mod mailer;
mod not_composed;
mod password_hasher;
mod rate_limiter;
mod reset_token_store;
mod session_store;
mod token;
mod user_store;

pub use attempt_store::AttemptStore;
pub use breached_passwords::BreachedPasswords;
pub use clock::Clock;
pub use entropy::Entropy;
pub use event_sink::EventSink;
pub use mail_queue::MailQueue;
pub use mailer::Mailer;
pub use not_composed::NotComposed;
pub use password_hasher::{HashSlot, PasswordHasher, Reservation, Verification};
pub use rate_limiter::{RateDecision, RateLimiter};
pub use reset_token_store::{Put, ResetTokenStore};
pub use session_store::{Rotated, Rotation, SessionStore};
pub use token::{TokenIssuer, TokenVerifier};
pub use user_store::{
    CredentialChange, CredentialUpdate, EmailChange, EmailUpdate, Insert, Update, UserKey,
    UserStore,
};

#[cfg(test)]
pub(crate) use {
    attempt_store::MockAttemptStore,
    breached_passwords::MockBreachedPasswords,
    mail_queue::MockMailQueue,
    mailer::MockMailer,
    password_hasher::{MockHashSlot, MockPasswordHasher},
    rate_limiter::MockRateLimiter,
    reset_token_store::MockResetTokenStore,
    session_store::MockSessionStore,
    token::{MockTokenIssuer, MockTokenVerifier},
    user_store::MockUserStore,
};
