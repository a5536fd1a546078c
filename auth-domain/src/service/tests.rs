//! What no in-memory adapter shows: how often ports are called, in which cases they are not, and what
//! becomes of a call whose ports fail.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

mod accounts;
mod breached;
mod operator;

use super::*;
use crate::link::LinkClaims;
use crate::ports::*;
use crate::*;

const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);

struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        NOW
    }
}

struct Bytes(Result<u8, ()>);

impl Entropy for Bytes {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), PortError> {
        bytes.fill(self.0.map_err(|()| down("entropy.fill"))?);
        Ok(())
    }
}

#[derive(Default)]
struct Recorded(Mutex<Vec<EventKind>>);

impl EventSink for Recorded {
    fn record(&self, event: AuthEvent) {
        self.0.lock().unwrap().push(event.kind);
    }
}

/// Ports that panic when they are called and nothing was said of it.
struct World {
    attempts: MockAttemptStore,
    breached: Option<MockBreachedPasswords>,
    entropy: Bytes,
    events: Arc<Recorded>,
    hasher: MockPasswordHasher,
    issuer: MockTokenIssuer,
    limiter: MockRateLimiter,
    mail_queue: MockMailQueue,
    mailer: MockMailer,
    reset_tokens: MockResetTokenStore,
    sessions: MockSessionStore,
    users: MockUserStore,
    verifier: MockTokenVerifier,
}

impl World {
    fn new() -> Self {
        Self {
            attempts: MockAttemptStore::new(),
            breached: None,
            entropy: Bytes(Ok(7)),
            events: Arc::default(),
            hasher: MockPasswordHasher::new(),
            issuer: MockTokenIssuer::new(),
            limiter: MockRateLimiter::new(),
            mail_queue: MockMailQueue::new(),
            mailer: MockMailer::new(),
            reset_tokens: MockResetTokenStore::new(),
            sessions: MockSessionStore::new(),
            users: MockUserStore::new(),
            verifier: MockTokenVerifier::new(),
        }
    }

    fn auth(self) -> Auth {
        self.auth_with(|_| {})
    }

    fn auth_with(self, change: impl FnOnce(&mut Settings)) -> Auth {
        let ports = Ports {
            attempts: Arc::new(self.attempts),
            breached_passwords: self.breached.map(|port| Arc::new(port) as _),
            clock: Arc::new(StoppedClock),
            compatibility_issuer: None,
            entropy: Arc::new(self.entropy),
            events: self.events,
            hasher: Arc::new(self.hasher),
            limiter: Arc::new(self.limiter),
            mail_queue: Arc::new(self.mail_queue),
            mailer: Arc::new(self.mailer),
            reset_tokens: Arc::new(self.reset_tokens),
            sessions: Arc::new(self.sessions),
            token_issuer: Arc::new(self.issuer),
            token_verifier: Arc::new(self.verifier),
            users: Arc::new(self.users),
        };
        let secret = MasterSecret::new([1; 32]).unwrap();
        let base = LinkBase::parse("https://example.com/reset").unwrap();
        let mut settings = Settings::new(secret, base, "Example");
        settings.limits.logins_global = None;
        settings.limits.registrations_global = None;
        change(&mut settings);
        Auth::new(ports, settings).unwrap()
    }

    fn attempt_is_let_in(&mut self) {
        let answer = |_, _, _: &_| Ok(Attempt::Proceed { prior: 0 });
        self.attempts.expect_begin().once().returning(answer);
    }

    fn finds(&mut self, found: impl Fn() -> Result<Option<User>, PortError> + Send + 'static) {
        self.users.expect_find_by_email().once().returning(move |_| found());
    }

    /// One reservation whose slot verifies once, against a hash or against none.
    fn verifies_once(
        &mut self,
        against_a_hash: bool,
        answer: fn() -> Result<Verification, PortError>,
    ) {
        self.hasher.expect_reserve().once().returning(move || {
            let mut slot = MockHashSlot::new();
            slot.expect_verify()
                .once()
                .withf(move |_, stored| stored.is_some() == against_a_hash)
                .returning(move |_, _| answer());
            Ok(Reservation::Slot(Box::new(slot)))
        });
    }

    fn hashes_once(&mut self) {
        self.hasher.expect_reserve().once().returning(|| {
            let mut slot = MockHashSlot::new();
            slot.expect_hash().once().returning(|_| Ok(PasswordHash::from_stored("new")));
            Ok(Reservation::Slot(Box::new(slot)))
        });
    }

    /// One reservation whose slot must not be used.
    fn has_a_free_slot(&mut self) {
        let unused = || Ok(Reservation::Slot(Box::new(MockHashSlot::new())));
        self.hasher.expect_reserve().once().returning(unused);
    }

    fn is_overloaded(&mut self) {
        let full = || Ok(Reservation::Overloaded { retry_after: Duration::from_secs(1) });
        self.hasher.expect_reserve().once().returning(full);
    }

    /// A login of its own session, which is within the cap.
    fn opens_a_session(&mut self) {
        self.sessions.expect_create().once().returning(|_| Ok(()));
        self.sessions.expect_list().once().returning(|_| Ok(Vec::new()));
    }

    fn has_live_link(&mut self) {
        self.reset_tokens.expect_newest().once().returning(|_| Ok(Some(record())));
    }
}

fn sets_hash(update: &CredentialUpdate, expected: &str) -> bool {
    matches!(&update.change, CredentialChange::PasswordHash(hash) if hash.expose() == expected)
}

fn down(operation: &'static str) -> PortError {
    PortError::new(PortErrorKind::Unavailable, operation)
}

fn corrupt() -> PortError {
    PortError::new(PortErrorKind::Corrupt, "user_store.find_by_email")
}

fn email() -> Email {
    Email::parse("ann@example.com").unwrap()
}

fn password() -> Password {
    Password::new("correct horse battery").unwrap()
}

fn user() -> User {
    User {
        id: UserId::from_entropy_bytes([9; 16]),
        email: email(),
        name: DisplayName::parse("Ann").unwrap(),
        password_hash: Some(PasswordHash::from_stored("old")),
        credential_version: CredentialVersion::new(3),
        disabled: false,
        email_verified_at: None,
        created_at: NOW,
        updated_at: NOW,
        last_login: None,
    }
}

const JOB: JobId = JobId::from_bytes([5; 16]);

fn token() -> ResetToken {
    let key = MasterSecret::new([1; 32]).unwrap().derive(Purpose::ResetTokens);
    ResetToken::derive(&key, JOB, email())
}

fn record() -> ResetRecord {
    ResetRecord {
        email: email(),
        digest: token().digest(),
        user_id: user().id,
        credential_version: user().credential_version,
        created_at: NOW,
        expires_at: NOW + Duration::from_hours(1),
        used: false,
    }
}

fn reset_job() -> MailJob {
    MailJob::PasswordReset { id: JOB, email: email(), requested_at: NOW, locale: Locale::EN }
}

fn context() -> RequestContext {
    RequestContext::new()
}

fn sourced() -> RequestContext {
    context().from_source(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

async fn login(auth: &Auth) -> Result<Login, LoginError> {
    auth.login(LoginRequest { email: email(), password: password() }, &context()).await
}

async fn reset(auth: &Auth, new_password: &str) -> Result<PasswordReset, ResetError> {
    let new_password = Password::new(new_password).unwrap();
    auth.reset_password(ResetRequest { token: token(), new_password }, &context()).await
}

const GOOD: &str = "another fine password";

// Login: one verification and one store read, whatever the account is like.

#[tokio::test]
async fn an_unknown_address_costs_exactly_one_verification() {
    let mut world = World::new();
    world.attempt_is_let_in();
    world.finds(|| Ok(None));
    world.verifies_once(false, || Ok(Verification::Mismatch));
    assert!(matches!(login(&world.auth()).await, Err(LoginError::Rejected)));
}

#[tokio::test]
async fn a_wrong_password_costs_exactly_one_verification() {
    let mut world = World::new();
    world.attempt_is_let_in();
    world.finds(|| Ok(Some(user())));
    world.verifies_once(true, || Ok(Verification::Mismatch));
    assert!(matches!(login(&world.auth()).await, Err(LoginError::Rejected)));
}

#[tokio::test]
async fn accounts_that_cannot_log_in_cost_exactly_one_verification_and_are_refused_even_on_a_match()
{
    let disabled = || Ok(Some(User { disabled: true, ..user() }));
    let passwordless = || Ok(Some(User { password_hash: None, ..user() }));
    let unreadable = || Err(corrupt());
    for found in [disabled as fn() -> _, passwordless, unreadable] {
        let mut world = World::new();
        world.attempt_is_let_in();
        world.finds(found);
        world.verifies_once(false, || Ok(Verification::Match));
        assert!(matches!(login(&world.auth()).await, Err(LoginError::Rejected)));
    }
}

#[tokio::test]
async fn a_malformed_hash_is_a_wrong_password_with_an_event() {
    let mut world = World::new();
    world.attempt_is_let_in();
    world.finds(|| Ok(Some(user())));
    world.verifies_once(true, || Err(corrupt()));
    let events = Arc::clone(&world.events);
    assert!(matches!(login(&world.auth()).await, Err(LoginError::Rejected)));
    let failure = Some(LoginFailure::MalformedHash);
    let refused = EventKind::LoginRefused { code: ErrorCode::CredentialsRejected, failure };
    assert!(events.0.lock().unwrap().contains(&refused));
}

#[tokio::test]
async fn an_overloaded_server_counts_no_attempt_and_reads_nothing() {
    let mut world = World::new();
    world.is_overloaded();
    assert!(matches!(login(&world.auth()).await, Err(LoginError::Overloaded { .. })));
}

#[tokio::test]
async fn who_has_to_wait_is_neither_looked_up_nor_verified() {
    let mut world = World::new();
    world.has_a_free_slot();
    let wait = Attempt::Wait { retry_after: Duration::from_secs(2) };
    world.attempts.expect_begin().once().returning(move |_, _, _| Ok(wait));
    let retry_after = Duration::from_secs(2);
    let outcome = login(&world.auth()).await;
    assert!(
        matches!(outcome, Err(LoginError::TooManyAttempts { retry_after: r }) if r == retry_after)
    );
}

#[tokio::test]
async fn a_good_login_survives_everything_that_fails_after_it() {
    let mut world = World::new();
    world.attempt_is_let_in();
    world.finds(|| Ok(Some(user())));
    world.verifies_once(true, || Ok(Verification::MatchNeedsRehash));
    world.is_overloaded();
    world.opens_a_session();
    world.issuer.expect_issue().once().returning(|_| Ok(SignedToken::new("token".into())));
    world.attempts.expect_clear().once().returning(|_| Err(down("attempt_store.clear")));
    world.users.expect_touch_last_login().once().returning(|_, _| Err(down("user_store.touch")));
    let events = Arc::clone(&world.events);
    assert!(login(&world.auth()).await.is_ok());
    let seen = events.0.lock().unwrap();
    for kind in [
        EventKind::AttemptsNotCleared,
        EventKind::PasswordHashUpgradeSkipped,
        EventKind::LastLoginNotWritten,
        EventKind::LoggedIn,
    ] {
        assert!(seen.contains(&kind), "{kind:?}");
    }
}

#[tokio::test]
async fn everybody_together_is_limited_and_what_a_source_is_denied_is_not_counted_for_all() {
    let one = RateLimit::new(1, Duration::from_secs(1));
    for (denied, hits) in [(RateLimits::default().login_per_source.unwrap(), 1), (one, 2)] {
        let mut world = World::new();
        let retry_after = Duration::from_secs(7);
        world.limiter.expect_hit().times(hits).returning(move |_, limit, _| {
            let deny = RateDecision::Deny { retry_after };
            Ok(if limit == denied { deny } else { RateDecision::Allow })
        });
        let auth = world.auth_with(|settings| settings.limits.logins_global = Some(one));
        let request = LoginRequest { email: email(), password: password() };
        let outcome = auth.login(request, &sourced()).await;
        assert!(
            matches!(outcome, Err(LoginError::RateLimited { retry_after: r }) if r == retry_after)
        );
    }
}

#[tokio::test]
async fn sign_ups_of_everybody_together_are_limited_before_anything_is_hashed() {
    let mut world = World::new();
    let deny = RateDecision::Deny { retry_after: Duration::from_secs(7) };
    world.limiter.expect_hit().once().returning(move |_, _, _| Ok(deny));
    let one = Some(RateLimit::new(1, Duration::from_secs(1)));
    let request = RegisterRequest { email: email(), password: password(), name: user().name };
    let auth = world.auth_with(|settings| settings.limits.registrations_global = one);
    let error = auth.register(request, &context()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::RateLimited);
}

fn device_of(user: &User, secret: u8) -> DeviceToken {
    let key = MasterSecret::new([secret; 32]).unwrap().derive(Purpose::DeviceTokens);
    let claims = LinkClaims {
        user_id: user.id,
        credential_version: user.credential_version,
        expires_at: NOW + Duration::from_secs(1),
        email: user.email.clone(),
    };
    DeviceToken::sign(&key, claims)
}

/// What a login while everybody waits a minute comes to, and whether its password was verified.
async fn login_of_the_known(device: DeviceToken, found: fn() -> Option<User>) -> (ErrorCode, bool) {
    let (mut world, wait) = (World::new(), Duration::from_mins(1));
    world.attempts.expect_begin().returning(move |_, _, policy| {
        let is_share = policy.most_in_a_row == 10;
        Ok(if is_share {
            Attempt::Proceed { prior: 0 }
        } else {
            Attempt::Wait { retry_after: wait }
        })
    });
    world.users.expect_find_by_email().returning(move |_| Ok(found()));
    let verified = Arc::new(Mutex::new(false));
    let verifies = Arc::clone(&verified);
    world.hasher.expect_reserve().once().returning(move || {
        let (mut slot, verifies) = (MockHashSlot::new(), Arc::clone(&verifies));
        slot.expect_verify().returning(move |_, _| {
            *verifies.lock().unwrap() = true;
            Ok(Verification::Mismatch)
        });
        Ok(Reservation::Slot(Box::new(slot)))
    });
    let context = context().from_device(Some(device));
    let request = LoginRequest { email: email(), password: password() };
    let error = world.auth().login(request, &context).await.unwrap_err();
    let verified = *verified.lock().unwrap();
    (error.code(), verified)
}

#[tokio::test]
async fn a_known_client_is_counted_by_its_own_share_alone_and_its_success_clears_that() {
    let mut world = World::new();
    let counted = Arc::new(Mutex::new(None));
    let (begun, cleared) = (Arc::clone(&counted), Arc::clone(&counted));
    world.attempts.expect_begin().once().returning(move |key, _, policy| {
        *begun.lock().unwrap() = (policy.most_in_a_row == 10).then_some(key);
        Ok(Attempt::Proceed { prior: 0 })
    });
    world.attempts.expect_clear().once().returning(move |key| {
        assert_eq!(cleared.lock().unwrap().take(), Some(key));
        Ok(())
    });
    world.finds(|| Ok(Some(user())));
    world.verifies_once(true, || Ok(Verification::Match));
    world.opens_a_session();
    world.issuer.expect_issue().once().returning(|_| Ok(SignedToken::new("token".into())));
    world.users.expect_touch_last_login().once().returning(|_, _| Ok(Update::Updated));
    let context = context().from_device(Some(device_of(&user(), 1)));
    let request = LoginRequest { email: email(), password: password() };
    assert!(world.auth().login(request, &context).await.is_ok());
}

#[tokio::test]
async fn while_strangers_wait_only_the_owner_of_a_token_of_this_version_is_verified() {
    let newer = || Some(User { credential_version: user().credential_version.next(), ..user() });
    let another = || Some(User { id: UserId::from_entropy_bytes([42; 16]), ..user() });
    let disabled = || Some(User { disabled: true, ..user() });
    let blocked = (ErrorCode::TooManyAttempts, false);
    let let_in = (ErrorCode::CredentialsRejected, true);
    assert_eq!(login_of_the_known(device_of(&user(), 1), || Some(user())).await, let_in);
    for found in [newer, another, disabled, || None] {
        assert_eq!(login_of_the_known(device_of(&user(), 1), found).await, blocked);
    }
    assert_eq!(login_of_the_known(device_of(&user(), 2), || Some(user())).await, blocked);
}

#[tokio::test]
async fn a_stored_name_of_any_length_gets_a_token_that_fits() {
    let mut world = World::new();
    world.attempt_is_let_in();
    let long = || DisplayName::from_stored("\u{d55c}".repeat(100_000));
    world.finds(move || Ok(Some(User { name: long(), ..user() })));
    world.verifies_once(true, || Ok(Verification::Match));
    world.opens_a_session();
    let fits = |claims: &Claims| claims.name.as_str() == "\u{d55c}".repeat(100);
    world
        .issuer
        .expect_issue()
        .once()
        .withf(fits)
        .returning(|_| Ok(SignedToken::new("token".into())));
    world.attempts.expect_clear().once().returning(|_| Ok(()));
    world.users.expect_touch_last_login().once().returning(|_, _| Ok(Update::Updated));
    assert_eq!(login(&world.auth()).await.unwrap().name, long());
}

#[tokio::test]
async fn an_upgraded_hash_keeps_the_credential_version() {
    let mut world = World::new();
    world.attempt_is_let_in();
    world.finds(|| Ok(Some(user())));
    world.verifies_once(true, || Ok(Verification::MatchNeedsRehash));
    world.hashes_once();
    world.opens_a_session();
    world.issuer.expect_issue().once().returning(|_| Ok(SignedToken::new("token".into())));
    world.attempts.expect_clear().once().returning(|_| Ok(()));
    world.users.expect_touch_last_login().once().returning(|_, _| Ok(Update::Updated));
    world
        .users
        .expect_update_credentials()
        .once()
        .withf(|update| update.expected == update.next && sets_hash(update, "new"))
        .returning(|_| Ok(Update::Updated));
    assert!(login(&world.auth()).await.is_ok());
}

#[tokio::test]
async fn no_failing_port_lets_anybody_in() {
    let failures: [fn(&mut World); 5] = [
        |world| {
            world.hasher.expect_reserve().returning(|| Err(down("password_hasher.reserve")));
        },
        |world| {
            world
                .hasher
                .expect_reserve()
                .returning(|| Ok(Reservation::Slot(Box::new(MockHashSlot::new()))));
            world.attempts.expect_begin().returning(|_, _, _| Err(down("attempt_store.begin")));
        },
        |world| {
            world.attempt_is_let_in();
            world.verifies_once(true, || Err(down("password_hasher.verify")));
            world.finds(|| Ok(Some(user())));
        },
        |world| {
            world.attempt_is_let_in();
            world.verifies_once(true, || Ok(Verification::Match));
            world.finds(|| Ok(Some(user())));
            world.sessions.expect_create().returning(|_| Err(down("session_store.create")));
        },
        |world| {
            world.attempt_is_let_in();
            world.verifies_once(true, || Ok(Verification::Match));
            world.finds(|| Ok(Some(user())));
            world.sessions.expect_create().once().returning(|_| Ok(()));
            world.issuer.expect_issue().returning(|_| Err(down("token_issuer.issue")));
        },
    ];
    for failure in failures {
        let mut world = World::new();
        failure(&mut world);
        let error = login(&world.auth()).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Unavailable);
    }
}

#[tokio::test]
async fn a_store_that_is_down_is_not_an_unknown_address() {
    let mut world = World::new();
    world.has_a_free_slot();
    world.attempt_is_let_in();
    world.finds(|| Err(down("user_store.find_by_email")));
    assert!(matches!(login(&world.auth()).await, Err(LoginError::Port(_))));
}

// Counters that do not answer.

#[tokio::test]
async fn a_limiter_that_is_down_refuses_by_default() {
    let mut world = World::new();
    world.limiter.expect_hit().once().returning(|_, _, _| Err(down("rate_limiter.hit")));
    let outcome = world.auth().request_password_reset(email(), &sourced()).await;
    assert!(matches!(outcome, Err(RequestMailError::Port(_))));
}

#[tokio::test]
async fn a_limiter_that_is_down_is_gone_without_where_the_settings_say_so() {
    let mut world = World::new();
    world.limiter.expect_hit().once().returning(|_, _, _| Err(down("rate_limiter.hit")));
    world.mail_queue.expect_enqueue().once().returning(|_| Ok(()));
    let events = Arc::clone(&world.events);
    let auth = world.auth_with(|settings| settings.on_limiter_failure = FailurePolicy::Allow);
    assert!(auth.request_password_reset(email(), &sourced()).await.is_ok());
    assert!(events.0.lock().unwrap().contains(&EventKind::LimitsUnavailable));
}

#[tokio::test]
async fn a_limit_is_asked_before_anything_costs() {
    let retry_after = Duration::from_secs(9);
    let denied = || {
        let mut world = World::new();
        let deny = RateDecision::Deny { retry_after };
        world.limiter.expect_hit().once().returning(move |_, _, _| Ok(deny));
        world.auth()
    };
    let request = LoginRequest { email: email(), password: password() };
    let outcome = denied().login(request, &sourced()).await;
    assert!(matches!(outcome, Err(LoginError::RateLimited { retry_after: r }) if r == retry_after));
    let request = RegisterRequest { email: email(), password: password(), name: user().name };
    let outcome = denied().register(request, &sourced()).await;
    assert!(matches!(outcome, Err(RegisterError::RateLimited { .. })));
    let request = ResetRequest { token: token(), new_password: password() };
    let outcome = denied().reset_password(request, &sourced()).await;
    assert!(matches!(outcome, Err(ResetError::RateLimited { .. })));
}

// Entropy that fails.

#[tokio::test]
async fn without_entropy_nothing_is_issued() {
    let world = || World { entropy: Bytes(Err(())), ..World::new() };
    let request = RegisterRequest { email: email(), password: password(), name: user().name };
    let outcome = world().auth().register(request, &context()).await;
    assert!(matches!(outcome, Err(RegisterError::Port(_))));
    let outcome = world().auth().request_password_reset(email(), &context()).await;
    assert!(matches!(outcome, Err(RequestMailError::Port(_))));
}

// Register.

#[tokio::test]
async fn a_refused_password_costs_no_hash() {
    let password = Password::new("short").unwrap();
    let request = RegisterRequest { email: email(), password, name: user().name };
    let outcome = World::new().auth().register(request, &context()).await;
    assert!(matches!(outcome, Err(RegisterError::PasswordRefused(_))));
}

#[tokio::test]
async fn a_taken_address_costs_the_hash_that_a_free_one_costs() {
    let mut world = World::new();
    world.hashes_once();
    world.users.expect_insert().once().returning(|_| Ok(Insert::EmailTaken));
    let request = RegisterRequest { email: email(), password: password(), name: user().name };
    let outcome = world.auth().register(request, &context()).await;
    assert!(matches!(outcome, Err(RegisterError::EmailTaken)));
}

#[tokio::test]
async fn an_insert_whose_answer_is_lost_is_not_called_taken() {
    let mut world = World::new();
    world.hashes_once();
    world.users.expect_insert().once().returning(|_| Err(down("user_store.insert")));
    let request = RegisterRequest { email: email(), password: password(), name: user().name };
    let error = world.auth().register(request, &context()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unavailable);
}

// Reset: whatever can be refused is refused while the link is alive.

#[tokio::test]
async fn a_token_that_was_never_issued_reaches_no_store() {
    let token = ResetToken::derive(&[9; 32], JOB, email());
    let new_password = Password::new(GOOD).unwrap();
    let request = ResetRequest { token, new_password };
    let outcome = World::new().auth().reset_password(request, &context()).await;
    assert!(matches!(outcome, Err(ResetError::InvalidToken)));
}

#[tokio::test]
async fn a_token_of_the_master_secret_before_is_looked_for() {
    let key = MasterSecret::new([9; 32]).unwrap().derive(Purpose::ResetTokens);
    let token = ResetToken::derive(&key, JOB, email());
    let mut world = World::new();
    world.reset_tokens.expect_newest().once().returning(|_| Ok(None));
    let previous = |s: &mut Settings| s.previous_master_secret = MasterSecret::new([9; 32]).ok();
    let request = ResetRequest { token, new_password: Password::new(GOOD).unwrap() };
    let outcome = world.auth_with(previous).reset_password(request, &context()).await;
    assert!(matches!(outcome, Err(ResetError::InvalidToken)));
}

#[tokio::test]
async fn a_token_that_is_not_live_costs_one_read_and_no_hash() {
    let other_row =
        |_: &_| Ok(Some(ResetRecord { digest: TokenDigest::from_bytes([0; 32]), ..record() }));
    let used_row = |_: &_| Ok(Some(ResetRecord { used: true, ..record() }));
    let expired_row = |_: &_| Ok(Some(ResetRecord { expires_at: NOW, ..record() }));
    let no_row = |_: &_| Ok(None);
    for answer in [other_row as fn(&Email) -> _, used_row, expired_row, no_row] {
        let mut world = World::new();
        world.reset_tokens.expect_newest().once().returning(answer);
        assert!(matches!(reset(&world.auth(), GOOD).await, Err(ResetError::InvalidToken)));
    }
}

#[tokio::test]
async fn while_a_row_cannot_be_read_no_link_is_known_to_be_the_newest() {
    let mut world = World::new();
    world.reset_tokens.expect_newest().once().returning(|_| Err(corrupt()));
    let events = Arc::clone(&world.events);
    assert!(matches!(reset(&world.auth(), GOOD).await, Err(ResetError::InvalidToken)));
    let seen = events.0.lock().unwrap();
    assert!(seen.iter().any(|kind| matches!(kind, EventKind::PortFailed { .. })));
}

#[tokio::test]
async fn a_link_is_dead_once_its_account_changed() {
    let gone = || Ok(None);
    let disabled = || Ok(Some(User { disabled: true, ..user() }));
    let changed = || Ok(Some(User { credential_version: CredentialVersion::new(4), ..user() }));
    let another = || Ok(Some(User { id: UserId::from_entropy_bytes([1; 16]), ..user() }));
    let unreadable = || Err(corrupt());
    for found in [gone as fn() -> _, disabled, changed, another, unreadable] {
        let mut world = World::new();
        world.has_live_link();
        world.finds(found);
        assert!(matches!(reset(&world.auth(), GOOD).await, Err(ResetError::InvalidToken)));
    }
}

#[tokio::test]
async fn a_refused_password_leaves_the_link_alive() {
    for refused in ["short", "password", "ann@example.com"] {
        let mut world = World::new();
        world.has_live_link();
        world.finds(|| Ok(Some(user())));
        assert!(matches!(reset(&world.auth(), refused).await, Err(ResetError::PasswordRefused(_))));
    }
}

#[tokio::test]
async fn an_overloaded_server_leaves_the_link_alive() {
    let mut world = World::new();
    world.has_live_link();
    world.finds(|| Ok(Some(user())));
    world.is_overloaded();
    assert!(matches!(reset(&world.auth(), GOOD).await, Err(ResetError::Overloaded { .. })));
}

#[tokio::test]
async fn who_does_not_win_the_link_sets_no_password() {
    let mut world = World::new();
    world.has_live_link();
    world.finds(|| Ok(Some(user())));
    world.has_a_free_slot();
    world.mail_queue.expect_enqueue().once().returning(|_| Ok(()));
    world.reset_tokens.expect_consume().once().returning(|_, _, _| Ok(None));
    assert!(matches!(reset(&world.auth(), GOOD).await, Err(ResetError::InvalidToken)));
}

#[tokio::test]
async fn a_full_mail_queue_leaves_the_link_alive_and_sets_no_password_without_a_notice() {
    let mut world = World::new();
    world.has_live_link();
    world.finds(|| Ok(Some(user())));
    world.has_a_free_slot();
    world.mail_queue.expect_enqueue().once().returning(|_| Err(down("mail_queue.enqueue")));
    assert!(matches!(reset(&world.auth(), GOOD).await, Err(ResetError::Port(_))));
}

#[tokio::test]
async fn a_reset_bumps_the_version_clears_the_attempts_and_tells_the_owner() {
    let mut world = World::new();
    world.has_live_link();
    world.finds(|| Ok(Some(user())));
    world.hashes_once();
    world.reset_tokens.expect_consume().once().returning(|_, _, _| Ok(Some(record())));
    let version = CredentialVersion::new(4);
    world
        .mail_queue
        .expect_enqueue()
        .once()
        .withf(move |job| matches!(job, MailJob::PasswordChanged { credential_version, .. } if *credential_version == version))
        .returning(|_| Ok(()));
    world
        .users
        .expect_update_credentials()
        .once()
        .withf(move |update| update.expected == CredentialVersion::new(3) && update.next == version)
        .returning(|_| Ok(Update::Updated));
    world.attempts.expect_clear().once().returning(|_| Ok(()));
    world.sessions.expect_end_all().once().returning(|_, _| Ok(()));
    assert!(reset(&world.auth(), GOOD).await.is_ok());
}

#[tokio::test]
async fn a_reset_overtaken_by_another_change_is_refused() {
    let mut world = World::new();
    world.has_live_link();
    world.finds(|| Ok(Some(user())));
    world.hashes_once();
    world.reset_tokens.expect_consume().once().returning(|_, _, _| Ok(Some(record())));
    world.mail_queue.expect_enqueue().once().returning(|_| Ok(()));
    world.users.expect_update_credentials().once().returning(|_| Ok(Update::Stale));
    assert!(matches!(reset(&world.auth(), GOOD).await, Err(ResetError::InvalidToken)));
}

// The worker's half.

async fn delivered(auth: &Auth, job: &MailJob) -> Result<Delivery, bool> {
    auth.deliver(job).await.map_err(|error| error.is_transient())
}

fn skipped(reason: SkipReason) -> Result<Delivery, bool> {
    Ok(Delivery::Skipped(reason))
}

#[tokio::test]
async fn nobody_is_mailed_for_an_address_without_a_usable_account() {
    let mut world = World::new();
    world.finds(|| Ok(None));
    assert_eq!(delivered(&world.auth(), &reset_job()).await, skipped(SkipReason::UnknownAccount));
    let mut world = World::new();
    world.finds(|| Ok(Some(User { disabled: true, ..user() })));
    assert_eq!(delivered(&world.auth(), &reset_job()).await, skipped(SkipReason::Disabled));
}

#[tokio::test]
async fn a_job_that_comes_after_its_link_expired_sends_nothing() {
    let requested_at = NOW - Duration::from_hours(1);
    let job = MailJob::PasswordReset { id: JOB, email: email(), requested_at, locale: Locale::EN };
    assert_eq!(delivered(&World::new().auth(), &job).await, skipped(SkipReason::Expired));
}

#[tokio::test]
async fn a_job_older_than_the_newest_link_sends_nothing() {
    let mut world = World::new();
    world.finds(|| Ok(Some(user())));
    let newer = || ResetRecord {
        digest: TokenDigest::from_bytes([0; 32]),
        created_at: NOW + Duration::from_micros(1),
        ..record()
    };
    world.reset_tokens.expect_newest().once().returning(move |_| Ok(Some(newer())));
    assert_eq!(delivered(&world.auth(), &reset_job()).await, skipped(SkipReason::Superseded));
}

#[tokio::test]
async fn a_job_asked_for_before_the_password_was_changed_sends_nothing() {
    let mut world = World::new();
    let later = NOW + Duration::from_micros(1);
    world.finds(move || Ok(Some(User { updated_at: later, ..user() })));
    assert_eq!(delivered(&world.auth(), &reset_job()).await, skipped(SkipReason::Superseded));
}

#[tokio::test]
async fn a_job_that_runs_again_sends_the_same_link_and_counts_no_second_mail() {
    let mut world = World::new();
    world.finds(|| Ok(Some(user())));
    world.has_live_link();
    let token = token().expose();
    let link = move |mail: &OutgoingEmail| mail.content.text.contains(token.as_str());
    world.mailer.expect_send().once().withf(link).returning(|_| Ok(()));
    assert_eq!(delivered(&world.auth(), &reset_job()).await, Ok(Delivery::Sent));
}

#[tokio::test]
async fn a_job_whose_link_was_used_sends_nothing() {
    let mut world = World::new();
    world.finds(|| Ok(Some(user())));
    let used = |_: &_| Ok(Some(ResetRecord { used: true, ..record() }));
    world.reset_tokens.expect_newest().once().returning(used);
    assert_eq!(delivered(&world.auth(), &reset_job()).await, skipped(SkipReason::Spent));
}

#[tokio::test]
async fn a_mail_beyond_the_cap_leaves_the_last_link_alive() {
    let mut world = World::new();
    world.finds(|| Ok(Some(user())));
    world.reset_tokens.expect_newest().once().returning(|_| Ok(None));
    let deny = RateDecision::Deny { retry_after: Duration::from_secs(60) };
    world.limiter.expect_hit().once().returning(move |_, _, _| Ok(deny));
    assert_eq!(delivered(&world.auth(), &reset_job()).await, skipped(SkipReason::MailCap));
}

#[tokio::test]
async fn a_mail_failure_says_whether_to_try_again() {
    for (kind, again) in [(PortErrorKind::Throttled, true), (PortErrorKind::Rejected, false)] {
        let mut world = World::new();
        world.finds(|| Ok(Some(user())));
        world.has_live_link();
        world
            .mailer
            .expect_send()
            .once()
            .returning(move |_| Err(PortError::new(kind, "mailer.send")));
        assert_eq!(delivered(&world.auth(), &reset_job()).await, Err(again));
    }
}

fn notice(changed_at: Timestamp) -> MailJob {
    MailJob::PasswordChanged {
        email: email(),
        user_id: user().id,
        credential_version: CredentialVersion::new(4),
        changed_at,
        locale: Locale::EN,
    }
}

#[tokio::test]
async fn a_notice_is_sent_once_its_change_is_seen() {
    let mut world = World::new();
    world.finds(|| Ok(Some(User { credential_version: CredentialVersion::new(4), ..user() })));
    world.limiter.expect_hit().times(2).returning(|_, _, _| Ok(RateDecision::Allow));
    world.mailer.expect_send().once().returning(|_| Ok(()));
    assert_eq!(delivered(&world.auth(), &notice(NOW)).await, Ok(Delivery::Sent));
}

#[tokio::test]
async fn a_notice_is_sent_although_no_limiter_answers() {
    let mut world = World::new();
    world.finds(|| Ok(Some(User { credential_version: CredentialVersion::new(4), ..user() })));
    world.limiter.expect_hit().once().returning(|_, _, _| Err(down("rate_limiter.hit")));
    world.mailer.expect_send().once().returning(|_| Ok(()));
    assert_eq!(delivered(&world.auth(), &notice(NOW)).await, Ok(Delivery::Sent));
}

#[tokio::test]
async fn of_two_calls_that_race_to_one_version_the_one_that_changed_it_is_told_of() {
    let version = CredentialVersion::new(4);
    let changed = move || Ok(Some(User { credential_version: version, ..user() }));
    let mut world = World::new();
    world.finds(changed);
    let other = notice(NOW - Duration::from_micros(1));
    assert_eq!(delivered(&world.auth(), &other).await, skipped(SkipReason::NeverHappened));
    let mut world = World::new();
    world.finds(move || Ok(Some(User { credential_version: version.next(), ..user() })));
    world.limiter.expect_hit().times(2).returning(|_, _, _| Ok(RateDecision::Allow));
    world.mailer.expect_send().once().returning(|_| Ok(()));
    assert_eq!(delivered(&world.auth(), &other).await, Ok(Delivery::Sent));
}

#[tokio::test]
async fn a_notice_waits_for_its_change_and_gives_it_up_after_ten_minutes() {
    for (age, expected) in
        [(0, Err(true)), (599, Err(true)), (600, skipped(SkipReason::NeverHappened))]
    {
        let mut world = World::new();
        world.finds(|| Ok(Some(user())));
        let job = notice(NOW - Duration::from_secs(age));
        assert_eq!(delivered(&world.auth(), &job).await, expected, "{age}");
    }
}

// Authenticate.

fn claims() -> Claims {
    Claims {
        user_id: user().id,
        session_id: SessionId::from_entropy_bytes([6; 16]),
        email: email(),
        name: user().name,
        credential_version: user().credential_version,
        issued_at: NOW,
        expires_at: NOW + Duration::from_mins(15),
    }
}

#[tokio::test]
async fn a_token_check_reads_no_store_unless_it_is_strict() {
    let mut world = World::new();
    world.verifier.expect_verify().once().returning(|_, _| Ok(claims()));
    assert_eq!(world.auth().authenticate("token").await.unwrap(), claims());
}

#[tokio::test]
async fn a_strict_check_ends_the_tokens_of_changed_accounts() {
    let current = || Ok(Some(user()));
    let gone = || Ok(None);
    let disabled = || Ok(Some(User { disabled: true, ..user() }));
    let changed = || Ok(Some(User { credential_version: CredentialVersion::new(4), ..user() }));
    let another = || Ok(Some(User { id: UserId::from_entropy_bytes([1; 16]), ..user() }));
    for (found, good) in [
        (current as fn() -> _, true),
        (gone, false),
        (disabled, false),
        (changed, false),
        (another, false),
    ] {
        let mut world = World::new();
        world.verifier.expect_verify().once().returning(|_, _| Ok(claims()));
        world.finds(found);
        let auth = world.auth_with(|settings| settings.token_check = TokenCheck::Strict);
        assert_eq!(auth.authenticate("token").await.is_ok(), good);
    }
}

#[tokio::test]
async fn a_strict_check_of_a_row_that_cannot_be_read_is_a_refusal() {
    let mut world = World::new();
    world.verifier.expect_verify().once().returning(|_, _| Ok(claims()));
    world.finds(|| Err(corrupt()));
    let auth = world.auth_with(|settings| settings.token_check = TokenCheck::Strict);
    assert!(matches!(auth.authenticate("token").await, Err(AuthenticateError::Rejected(_))));
}

#[tokio::test]
async fn nobody_takes_the_service_name_as_a_password_whatever_the_policy() {
    let policies = [PasswordPolicy::default(), PasswordPolicy::nist()];
    for policy in policies {
        let auth = World::new().auth_with(|settings| {
            settings.service_name = "The Example Service".into();
            settings.password_policy = policy;
        });
        let password = Password::new("the example SERVICE").unwrap();
        let request = RegisterRequest { email: email(), password, name: user().name };
        let outcome = auth.register(request, &context()).await;
        assert!(matches!(
            outcome,
            Err(RegisterError::PasswordRefused(PolicyViolation::ContextWord))
        ));
    }
}

#[tokio::test]
async fn a_strict_check_without_a_store_lets_nobody_in() {
    let mut world = World::new();
    world.verifier.expect_verify().once().returning(|_, _| Ok(claims()));
    world.finds(|| Err(down("user_store.find_by_email")));
    let auth = world.auth_with(|settings| settings.token_check = TokenCheck::Strict);
    assert!(matches!(auth.authenticate("token").await, Err(AuthenticateError::Port(_))));
}
