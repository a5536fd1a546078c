//! Adapters of [`auth_domain`] that need nothing but this process, or a mail server of one's own.

mod hashing;
#[cfg(feature = "hibp")]
mod hibp;
mod jwt;
mod mail_queue;
pub mod memory;
#[cfg(feature = "smtp")]
mod smtp;
mod system;
#[cfg(feature = "opentelemetry")]
pub mod telemetry;
mod testing;
mod tracing_events;

pub use hashing::{
    Argon2Ceilings, Argon2idHasher, Argon2idSettings, Argon2idSettingsError, FirebaseScrypt,
    HashTimes, ImportCeilings, InsecureInstantHasher, Pepper, PepperError, PepperId, StoredFormat,
    StoredHashError, WrapError,
};
#[cfg(feature = "hibp")]
pub use hibp::{HibpRange, HibpSettings, HibpSettingsError};
pub use jwt::{
    CompatibilityClaims, CompatibilityIssuer, CompatibilitySecretError, CompatibilityVerifier,
    Jwks, JwksError, JwtIssuer, JwtVerifier, JwtVerifierError, KeyError, KeyRing, KeyRingError,
    SigningKey, TokenProfile, TokenProfileError, VerifyingKey,
};
pub use mail_queue::{Drained, LocalMailQueue, MailWorker};
#[cfg(feature = "smtp")]
pub use smtp::{
    SmtpCredentials, SmtpMailer, SmtpRoots, SmtpSecurity, SmtpSettings, SmtpSettingsError,
};
pub use system::{OsEntropy, SystemClock};
pub use testing::{TestClock, Testing, testing, testing_with};
pub use tracing_events::TracingEvents;
