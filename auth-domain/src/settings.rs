use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::ports::{
    AttemptStore, BreachedPasswords, Clock, Entropy, EventSink, MailQueue, Mailer, PasswordHasher,
    RateLimiter, ResetTokenStore, SessionStore, TokenIssuer, TokenVerifier, UserStore,
};
use crate::{
    AttemptPolicy, DefaultTemplates, LinkBase, MailTemplates, MasterSecret, PasswordPolicy,
    RateLimit,
};

/// Every adapter that [`Auth`](crate::Auth) needs. A missing one does not compile.
#[derive(Clone)]
#[expect(clippy::exhaustive_structs, reason = "whoever composes must decide on every port")]
pub struct Ports {
    /// Counts attempts to log in or to prove a password.
    pub attempts: Arc<dyn AttemptStore>,
    /// Knows passwords that leaked. `None`: nobody is asked, and the policy's own list is all.
    pub breached_passwords: Option<Arc<dyn BreachedPasswords>>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Signs the `token` of the login answer for a system that this one replaced, where there is one.
    /// Nothing here accepts what it signs.
    pub compatibility_issuer: Option<Arc<dyn TokenIssuer>>,
    /// Makes ids, and the secret of each session's first token.
    pub entropy: Arc<dyn Entropy>,
    /// Takes events.
    pub events: Arc<dyn EventSink>,
    /// Hashes and verifies passwords.
    pub hasher: Arc<dyn PasswordHasher>,
    /// Counts hits.
    pub limiter: Arc<dyn RateLimiter>,
    /// Takes mail jobs off the request.
    pub mail_queue: Arc<dyn MailQueue>,
    /// Sends mails.
    pub mailer: Arc<dyn Mailer>,
    /// Keeps reset links.
    pub reset_tokens: Arc<dyn ResetTokenStore>,
    /// Keeps sessions.
    pub sessions: Arc<dyn SessionStore>,
    /// Signs access tokens.
    pub token_issuer: Arc<dyn TokenIssuer>,
    /// Checks access tokens.
    pub token_verifier: Arc<dyn TokenVerifier>,
    /// Keeps accounts.
    pub users: Arc<dyn UserStore>,
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ports").finish_non_exhaustive()
    }
}

/// What happens when a part that a decision asks does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailurePolicy {
    /// Go on without it, and record that.
    Allow,
    /// Refuse, for as long as it does not answer.
    Refuse,
}

/// What events say of the address that a call named. Never the address itself: whoever may know it looks
/// the account up by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressesInEvents {
    /// An HMAC of it under a key of the master secret: the calls about one address can be told to belong
    /// together, whether or not it has an account.
    Hashed,
    /// Nothing.
    Omitted,
}

/// What [`Auth::authenticate`](crate::Auth::authenticate) looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenCheck {
    /// The account too: one strong read for each call, and a reset, disabled or deleted account's tokens
    /// end at once; those of one session that was ended alone do not. It is looked for under its
    /// canonical address, and nowhere else.
    Strict,
    /// The session and the account: two strong reads for each call, and an ended session's tokens end at
    /// once, too.
    StrictSession,
    /// The token alone: no I/O, and a token lives out its life whatever becomes of the account.
    TokenOnly,
}

/// What is asked of somebody who signs up about his address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EmailVerification {
    /// Nothing: no mail is sent.
    NotAsked,
    /// A link is mailed, and nothing depends on its use.
    Asked,
    /// A link is mailed, and until it is used nobody logs in: the answer is that of a wrong password, so
    /// that it tells no stranger whether the address had an account before he signed up with it.
    RequireVerified,
}

/// What somebody is told who signs up with an address that has an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistrationMode {
    /// That it has one. Tells everybody who has an account.
    Open,
    /// What everybody is told: to look for a mail. Its owner is told by that mail. Only together with
    /// [`EmailVerification::RequireVerified`].
    Private,
}

/// How often something may happen. `None` is no limit.
///
/// Limits by source are wide enough for an office or a mobile carrier behind one address.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLimits {
    /// Logins from one source, and as many proofs of a password by who is logged in. Default 60 a minute:
    /// stuffing from one address is slow, and the waits of [`AttemptPolicy`] bind each account besides.
    pub login_per_source: Option<RateLimit>,
    /// Logins of everybody together. Default 60,000 a minute. The hash queue of one machine is full long
    /// before; where many machines hash it bounds what a botnet can try, and beyond it everybody is refused.
    pub logins_global: Option<RateLimit>,
    /// Mails of each kind to one address, and requests of one account for another address. Default 5 an
    /// hour (OWASP Forgot Password: no flooding of a mailbox). By address: whose provider hands `ann+1@` to
    /// `ann@` has several.
    pub mails_per_address: Option<RateLimit>,
    /// Mails of each kind to everyone, but for notices of a change. Default 10,000 an hour: bounds what a botnet can make us send.
    pub mails_global: Option<RateLimit>,
    /// Uses of refresh tokens from one source. Default 600 a minute. What we never issued is refused
    /// without being asked of a store, and still counts.
    pub refresh_per_source: Option<RateLimit>,
    /// Sign-ups from one source. Default 100 an hour.
    pub register_per_source: Option<RateLimit>,
    /// Sign-ups of everybody together. Default 10,000 an hour, as the mails that they cause: bounds what a
    /// botnet can make us store.
    pub registrations_global: Option<RateLimit>,
    /// Uses of mailed links from one source, for each kind. Default 100 an hour.
    pub reset_per_source: Option<RateLimit>,
    /// Requests for mails with a link from one source, for each kind. Default 30 an hour.
    pub reset_request_per_source: Option<RateLimit>,
}

impl Default for RateLimits {
    fn default() -> Self {
        let hour = Duration::from_hours(1);
        Self {
            login_per_source: Some(RateLimit::new(60, Duration::from_mins(1))),
            logins_global: Some(RateLimit::new(60_000, Duration::from_mins(1))),
            mails_per_address: Some(RateLimit::new(5, hour)),
            mails_global: Some(RateLimit::new(10_000, hour)),
            refresh_per_source: Some(RateLimit::new(600, Duration::from_mins(1))),
            register_per_source: Some(RateLimit::new(100, hour)),
            registrations_global: Some(RateLimit::new(10_000, hour)),
            reset_per_source: Some(RateLimit::new(100, hour)),
            reset_request_per_source: Some(RateLimit::new(30, hour)),
        }
    }
}

impl RateLimits {
    /// No limits at all. Danger: for load tests and development.
    #[must_use]
    pub const fn danger_off() -> Self {
        Self {
            login_per_source: None,
            logins_global: None,
            mails_per_address: None,
            mails_global: None,
            refresh_per_source: None,
            register_per_source: None,
            registrations_global: None,
            reset_per_source: None,
            reset_request_per_source: None,
        }
    }
}

/// Every choice that is not an adapter. Checked once, by [`Auth::new`](crate::Auth::new).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// How long an access token is good for. Default 15 min: that is how long a stolen one works where
    /// [`TokenCheck::TokenOnly`] is chosen. At most 24 h.
    pub access_token_life: Duration,
    /// What events say of addresses. Default [`AddressesInEvents::Hashed`].
    pub addresses_in_events: AddressesInEvents,
    /// How guesses at one account are slowed down; `None` lets everyone guess (development only).
    pub attempts: Option<AttemptPolicy>,
    /// How long a token of [`Ports::compatibility_issuer`] is good for. Default 7 d.
    pub compatibility_token_life: Duration,
    /// Where links that move an account to another address lead. Default the page `confirm-email` beside
    /// [`Settings::reset_link_base`].
    pub email_change_link_base: LinkBase,
    /// What is asked of somebody who signs up about his address. Default
    /// [`EmailVerification::NotAsked`].
    pub email_verification: EmailVerification,
    /// How often something may happen.
    pub limits: RateLimits,
    /// The secret that every key comes from.
    pub master_secret: MasterSecret,
    /// What happens when [`Ports::breached_passwords`] does not answer. Default [`FailurePolicy::Allow`]:
    /// somebody else's outage must not stop sign-ups and resets, and the policy's own list still binds.
    /// With [`FailurePolicy::Refuse`] nobody sets a password meanwhile; a reset link stays good.
    pub on_breach_check_failure: FailurePolicy,
    /// What happens when a counter cannot be asked. Default [`FailurePolicy::Refuse`], though nobody logs
    /// in meanwhile: who can take the counters down must not thereby be free to guess.
    pub on_limiter_failure: FailurePolicy,
    /// What a password must be when it is set.
    pub password_policy: PasswordPolicy,
    /// The other secret while one takes the place of the other: the one before, or the next one while some
    /// instances still sign by the one before. What was issued under it is accepted.
    pub previous_master_secret: Option<MasterSecret>,
    /// What somebody is told whose address is taken. Default [`RegistrationMode::Open`], as the replaced
    /// system was.
    pub registration: RegistrationMode,
    /// Where reset links lead.
    pub reset_link_base: LinkBase,
    /// How long a reset link is good for. Default 1 h, which the mails of the replaced system promised;
    /// from 1 min to 24 h (NIST SP 800-63B-4 section 4.2.1.2).
    pub reset_link_life: Duration,
    /// How long a session lives without being used. Default 14 d.
    pub session_idle_life: Duration,
    /// How long a session lives, however much it is used. Default 30 d, the most that NIST SP 800-63B-4
    /// section 2.1.3 advises for a password alone; at most 400 d.
    pub session_life: Duration,
    /// How many sessions an account has at most; of more the oldest end. Default 50.
    pub sessions_per_account: NonZeroUsize,
    /// What the service is called. Nobody may take it as a password, whatever the policy.
    pub service_name: String,
    /// The wording of mails.
    pub templates: Arc<dyn MailTemplates>,
    /// What a token check looks at. Default [`TokenCheck::TokenOnly`].
    pub token_check: TokenCheck,
    /// Where links that confirm an address lead. Default the page `verify-email` beside
    /// [`Settings::reset_link_base`].
    pub verification_link_base: LinkBase,
    /// How long a link that confirms an address, old or new, is good for. Default and most 24 h
    /// (NIST SP 800-63B-4 section 4.2.1.2).
    pub verification_link_life: Duration,
}

/// A choice that cannot be kept.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SettingsError {
    /// [`Settings::access_token_life`] is under 1 s or over 24 h.
    #[error("access_token_life must be between 1 s and 24 h")]
    AccessTokenLife,
    /// [`Settings::attempts`] lets more than 100 guesses in, or its waits are out of order.
    #[error("attempts must have free < most_in_a_row <= 100 and first_wait <= longest_wait")]
    Attempts,
    /// [`Settings::compatibility_token_life`] is under 1 s.
    #[error("compatibility_token_life must be at least 1 s")]
    CompatibilityTokenLife,
    /// [`Settings::registration`] is private, but who signs up may log in at once and see what came of it.
    #[error("private registration needs email_verification to be RequireVerified")]
    PrivateRegistration,
    /// [`Settings::reset_link_life`] is under 1 min or over 24 h.
    #[error("reset_link_life must be between 1 min and 24 h")]
    ResetLinkLife,
    /// The lives of access token and session are out of order, or a session's is over 400 d.
    #[error("must be: access_token_life <= session_idle_life <= session_life <= 400 d")]
    SessionLife,
    /// [`Settings::verification_link_life`] is under 1 min or over 24 h.
    #[error("verification_link_life must be between 1 min and 24 h")]
    VerificationLinkLife,
}

const SESSIONS_PER_ACCOUNT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(49);

impl Settings {
    /// The defaults, around the three things that have none. `service_name` is what mails call the
    /// service.
    pub fn new(master_secret: MasterSecret, reset_link_base: LinkBase, service_name: &str) -> Self {
        Self {
            access_token_life: Duration::from_mins(15),
            addresses_in_events: AddressesInEvents::Hashed,
            attempts: Some(AttemptPolicy::default()),
            compatibility_token_life: Duration::from_hours(7 * 24),
            email_change_link_base: reset_link_base.sibling("confirm-email"),
            email_verification: EmailVerification::NotAsked,
            limits: RateLimits::default(),
            master_secret,
            on_breach_check_failure: FailurePolicy::Allow,
            on_limiter_failure: FailurePolicy::Refuse,
            password_policy: PasswordPolicy::default(),
            previous_master_secret: None,
            registration: RegistrationMode::Open,
            verification_link_base: reset_link_base.sibling("verify-email"),
            verification_link_life: Duration::from_hours(24),
            reset_link_base,
            reset_link_life: Duration::from_hours(1),
            session_idle_life: Duration::from_hours(14 * 24),
            session_life: Duration::from_hours(30 * 24),
            sessions_per_account: SESSIONS_PER_ACCOUNT,
            service_name: service_name.to_owned(),
            templates: Arc::new(DefaultTemplates::new(service_name)),
            token_check: TokenCheck::TokenOnly,
        }
    }

    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        let second = Duration::from_secs(1);
        let day = Duration::from_hours(24);
        if !(second..=day).contains(&self.access_token_life) {
            return Err(SettingsError::AccessTokenLife);
        }
        if self.compatibility_token_life < second {
            return Err(SettingsError::CompatibilityTokenLife);
        }
        if !(Duration::from_mins(1)..=day).contains(&self.reset_link_life) {
            return Err(SettingsError::ResetLinkLife);
        }
        if !(Duration::from_mins(1)..=day).contains(&self.verification_link_life) {
            return Err(SettingsError::VerificationLinkLife);
        }
        self.check_sessions()?;
        if self.registration == RegistrationMode::Private
            && self.email_verification != EmailVerification::RequireVerified
        {
            return Err(SettingsError::PrivateRegistration);
        }
        let kept = self.attempts.is_none_or(|policy| {
            policy.free < policy.most_in_a_row
                && policy.most_in_a_row <= 100
                && policy.first_wait <= policy.longest_wait
        });
        if kept { Ok(()) } else { Err(SettingsError::Attempts) }
    }

    fn check_sessions(&self) -> Result<(), SettingsError> {
        let most = Duration::from_hours(400 * 24);
        let kept = self.access_token_life <= self.session_idle_life
            && self.session_idle_life <= self.session_life
            && self.session_life <= most;
        if kept { Ok(()) } else { Err(SettingsError::SessionLife) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        let secret = MasterSecret::new([1; 32]).unwrap();
        Settings::new(secret, LinkBase::parse("https://example.com/reset").unwrap(), "Example")
    }

    fn checked(change: impl FnOnce(&mut Settings)) -> Result<(), SettingsError> {
        let mut settings = settings();
        change(&mut settings);
        settings.check()
    }

    #[test]
    fn the_defaults_hold() {
        assert_eq!(settings().check(), Ok(()));
        assert_eq!(checked(|s| s.attempts = None), Ok(()));
        assert_eq!(checked(|s| s.reset_link_life = Duration::from_hours(24)), Ok(()));
    }

    #[test]
    fn choices_beyond_the_standards_are_refused() {
        let over_a_day = Duration::from_hours(24) + Duration::from_nanos(1);
        let life = Err(SettingsError::ResetLinkLife);
        assert_eq!(checked(|s| s.reset_link_life = over_a_day), life);
        assert_eq!(checked(|s| s.reset_link_life = Duration::ZERO), life);
        let access = Err(SettingsError::AccessTokenLife);
        assert_eq!(checked(|s| s.access_token_life = over_a_day), access);
        assert_eq!(checked(|s| s.access_token_life = Duration::ZERO), access);
        let compatibility = Err(SettingsError::CompatibilityTokenLife);
        assert_eq!(checked(|s| s.compatibility_token_life = Duration::ZERO), compatibility);
        let verification = Err(SettingsError::VerificationLinkLife);
        assert_eq!(checked(|s| s.verification_link_life = over_a_day), verification);
        let sessions = Err(SettingsError::SessionLife);
        assert_eq!(checked(|s| s.session_idle_life = Duration::from_hours(31 * 24)), sessions);
        assert_eq!(checked(|s| s.session_idle_life = Duration::from_mins(1)), sessions);
        assert_eq!(checked(|s| s.session_life = Duration::MAX), sessions);
        let private = |s: &mut Settings| s.registration = RegistrationMode::Private;
        assert_eq!(checked(private), Err(SettingsError::PrivateRegistration));
        let required = |s: &mut Settings| s.email_verification = EmailVerification::RequireVerified;
        assert_eq!(checked(|s| (private(s), required(s)).0), Ok(()));
        let guesses =
            |most_in_a_row, free| AttemptPolicy { most_in_a_row, free, ..AttemptPolicy::default() };
        let attempts = Err(SettingsError::Attempts);
        assert_eq!(checked(|s| s.attempts = Some(guesses(101, 5))), attempts);
        assert_eq!(checked(|s| s.attempts = Some(guesses(5, 5))), attempts);
    }
}
