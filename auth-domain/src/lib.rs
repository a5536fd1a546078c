//! Sign-up, login, sessions and the life of an account as a pure hexagon.
//!
//! This crate holds the use cases ([`Auth`]), the values that they work on and the [`ports`] that
//! adapters implement. It does no I/O and has no clock, no randomness, no runtime and no HTTP: each
//! of those is a port. `adapters-local` implements every port in-process, `adapters-http` puts a
//! router in front of it.
//!
//! What comes of each call is one [`AuthEvent`], and each runs in a span of the façade `tracing` (target
//! `auth`, the name of the use case), which costs next to nothing where nobody listens.
//!
//! | use case | call | what it promises |
//! |---|---|---|
//! | sign up | [`Auth::register`] | one account for each address, whoever else registers meanwhile |
//! | log in | [`Auth::login`] | one answer and one cost, whether the account is unknown, locked or wrong |
//! | check a token | [`Auth::authenticate`] | no I/O unless a strict [`TokenCheck`] is chosen |
//! | stay logged in | [`Auth::refresh`] | a token works once; a lost answer is given again, and a copy ends the session |
//! | log out | [`Auth::logout`], [`Auth::list_sessions`], [`Auth::end_session`], [`Auth::end_all_sessions`] | after the answer no refresh token of the session is good |
//! | confirm an address | [`Auth::verify_email`], [`Auth::request_verification`] | a signed link, for this address and version alone |
//! | another password | [`Auth::change_password`] | the session that asks goes on, all others end at once |
//! | another address | [`Auth::request_email_change`], [`Auth::confirm_email_change`] | moved whole by who reads the new address; the old one is told |
//! | leave | [`Auth::delete_account`] | no login, session or link of the account works, and its row, sessions and links are gone |
//! | operate | [`Auth::admin`] | disable, enable, end sessions, force a change of password, delete, look up |
//! | forget | [`Auth::request_password_reset`] | the request does the same for every address |
//! | mail | [`Auth::deliver`] | the worker's half: twice, late and out of order are harmless |
//! | reset | [`Auth::reset_password`] | a link works once, and only the newest |
//!
//! Whoever writes a store of their own certifies it with the `conformance` module (feature of that
//! name): one named test for each promise of a port.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod access_token_verifier;
mod attempt;
#[cfg(feature = "conformance")]
pub mod conformance;
mod context;
mod default_templates;
mod email;
mod error;
mod event;
mod link;
mod locale;
mod mail_job;
mod master_secret;
mod message;
mod messages;
mod named;
mod password;
mod policy;
pub mod ports;
mod rate;
mod request_id;
mod reset;
mod service;
mod session;
mod settings;
mod tagged_secret;
mod time;
mod token;
mod user;

pub use access_token_verifier::AccessTokenVerifier;
pub use attempt::{Attempt, AttemptPolicy, AttemptState};
pub use context::{RequestContext, SourceKey};
pub use default_templates::DefaultTemplates;
pub use email::{Email, EmailError};
pub use error::{ErrorCode, PortError, PortErrorKind};
pub use event::{AccountCall, AuthEvent, EventDescription, EventKind, LoginFailure};
pub use link::{DeviceToken, EmailChangeToken, LinkTokenError, VerificationToken};
pub use locale::{Locale, LocaleError};
pub use mail_job::MailJobError;
pub use master_secret::{MasterSecret, MasterSecretError, Purpose};
pub use message::{
    LinkBase, LinkBaseError, LinkMail, MailContent, MailTemplates, NoticeMail, OutgoingEmail,
};
pub use messages::{MessageValue, Messages, MessagesError};
pub use named::NameDescription;
pub use password::{Password, PasswordError, PasswordHash};
pub use policy::{PasswordPolicy, PolicyViolation};
pub use rate::{LimitKey, RateLimit};
pub use request_id::{RequestId, RequestIdError};
pub use reset::{JobId, MailJob, ResetRecord, ResetToken, ResetTokenError, TokenDigest};
pub use service::{
    Account, Admin, AdminError, Auth, AuthenticateError, ChangeEmailError, ChangeEmailRequest,
    ChangePasswordError, ChangePasswordRequest, ConfirmEmailError, DeleteAccountError, Delivery,
    DeliveryError, Login, LoginError, LoginRequest, LogoutError, PasswordChanged, PasswordReset,
    ProofError, RefreshError, Refreshed, RegisterError, RegisterRequest, Registered, Registration,
    RequestMailError, ResetError, ResetRequest, SessionError, SessionInfo, SkipReason,
    VerifyEmailError,
};
pub use session::{
    Presented, RefreshToken, RefreshTokenError, Session, SessionId, SessionIdError, SessionKey,
    UserAgent,
};
pub use settings::{
    AddressesInEvents, EmailVerification, FailurePolicy, Ports, RateLimits, RegistrationMode,
    Settings, SettingsError, TokenCheck,
};
pub use time::Timestamp;
pub use token::{Claims, SignedToken, TokenRejected};
pub use user::{
    CredentialVersion, DisplayName, DisplayNameError, SignUp, User, UserId, UserIdError,
};
