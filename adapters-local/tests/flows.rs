//! The library as its users test with it: whole flows over [`adapters_local::testing`].
#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use adapters_local::memory::MailFault;
use adapters_local::{Argon2idHasher, Argon2idSettings, OsEntropy, Testing, testing, testing_with};
use auth_domain::ports::{Insert, ResetTokenStore, UserStore};
use auth_domain::{
    AddressesInEvents, CredentialVersion, Delivery, DisplayName, Email, EventKind, Login,
    LoginError, LoginRequest, Password, PasswordHash, PasswordReset, RegisterError,
    RegisterRequest, Registered, Registration, RequestContext, ResetError, ResetRequest,
    ResetToken, SkipReason, Timestamp, User, UserId,
};
use base64ct::{Base64UrlUnpadded, Encoding};

const OLD: &str = "correct horse battery";
const NEW: &str = "a brand new staple";

fn ann() -> Email {
    Email::parse("ann@example.com").unwrap()
}

fn context() -> RequestContext {
    RequestContext::new()
}

async fn register(world: &Testing, password: &str) -> Result<Registered, RegisterError> {
    let password = Password::new(password).unwrap();
    let name = DisplayName::parse("Ann").unwrap();
    let request = RegisterRequest { email: ann(), password, name };
    match world.auth.register(request, &context()).await? {
        Registration::Made(account) => Ok(account),
        Registration::Mailed => panic!("registration is open"),
    }
}

async fn login(world: &Testing, password: &str) -> Result<Login, LoginError> {
    let password = Password::new(password).unwrap();
    world.auth.login(LoginRequest { email: ann(), password }, &context()).await
}

async fn link(world: &Testing) -> ResetToken {
    world.auth.request_password_reset(ann(), &context()).await.unwrap();
    world.deliver_mail().await;
    world.reset_token(&ann()).unwrap()
}

async fn reset(
    world: &Testing,
    token: ResetToken,
    password: &str,
) -> Result<PasswordReset, ResetError> {
    let new_password = Password::new(password).unwrap();
    world.auth.reset_password(ResetRequest { token, new_password }, &context()).await
}

fn copy(token: &ResetToken) -> ResetToken {
    ResetToken::parse(&token.expose()).unwrap()
}

#[tokio::test]
async fn from_register_to_reset() {
    let world = testing();
    let account = register(&world, OLD).await.unwrap();
    let session = login(&world, OLD).await.unwrap();
    let claims = world.auth.authenticate(session.access_token.expose()).await.unwrap();
    assert_eq!(claims.user_id, account.user_id);
    let token = link(&world).await;
    reset(&world, token, NEW).await.unwrap();
    assert!(matches!(login(&world, OLD).await, Err(LoginError::Rejected)));
    assert!(login(&world, NEW).await.is_ok());
    assert_eq!(world.deliver_mail().await, [Some(Delivery::Sent)]);
    let notice = world.mailbox.latest(&ann()).unwrap().content;
    assert_eq!(notice.subject, "Your Example password was changed");
    let expected = [
        EventKind::Registered,
        EventKind::LoggedIn,
        EventKind::PasswordResetRequested,
        EventKind::MailSent,
        EventKind::PasswordReset,
    ];
    assert_eq!(world.events.kinds()[..5], expected);
}

#[tokio::test]
async fn a_link_is_dead_from_the_moment_it_expires_although_its_row_is_there() {
    let world = testing();
    register(&world, OLD).await.unwrap();
    let token = link(&world).await;
    world.clock.advance(Duration::from_hours(1) - Duration::from_micros(1));
    assert!(matches!(
        reset(&world, copy(&token), "short").await,
        Err(ResetError::PasswordRefused(_))
    ));
    world.clock.advance(Duration::from_micros(1));
    assert!(matches!(reset(&world, token, NEW).await, Err(ResetError::InvalidToken)));
}

#[tokio::test]
async fn only_the_newest_link_works_and_a_reset_kills_all() {
    let world = testing();
    register(&world, OLD).await.unwrap();
    let first = link(&world).await;
    world.clock.advance(Duration::from_secs(1));
    let second = link(&world).await;
    assert!(matches!(reset(&world, copy(&first), NEW).await, Err(ResetError::InvalidToken)));
    reset(&world, copy(&second), NEW).await.unwrap();
    for token in [first, second] {
        assert!(matches!(reset(&world, token, OLD).await, Err(ResetError::InvalidToken)));
    }
}

#[tokio::test]
async fn an_older_job_that_comes_late_is_not_sent() {
    let world = testing();
    register(&world, OLD).await.unwrap();
    world.auth.request_password_reset(ann(), &context()).await.unwrap();
    let late = world.queued_mail().remove(0);
    world.clock.advance(Duration::from_secs(1));
    world.mailbox.fail_next([MailFault::Transient]);
    world.deliver_mail().await;
    let newer = link(&world).await;
    let outcome = world.auth.deliver(&late).await.unwrap();
    assert_eq!(outcome, Delivery::Skipped(SkipReason::Superseded));
    reset(&world, newer, NEW).await.unwrap();
}

#[tokio::test]
async fn a_mail_job_that_runs_again_after_its_link_was_used_revives_nothing() {
    let world = testing();
    register(&world, OLD).await.unwrap();
    world.auth.request_password_reset(ann(), &context()).await.unwrap();
    let job = world.queued_mail().remove(0);
    world.deliver_mail().await;
    let token = world.reset_token(&ann()).unwrap();
    reset(&world, copy(&token), NEW).await.unwrap();
    let again = world.auth.deliver(&job).await.unwrap();
    assert_eq!(again, Delivery::Skipped(SkipReason::Spent));
    assert!(matches!(reset(&world, token, OLD).await, Err(ResetError::InvalidToken)));
}

#[tokio::test]
async fn a_mailbox_is_not_flooded_and_the_last_link_sent_stays_good() {
    let world = testing();
    register(&world, OLD).await.unwrap();
    for _ in 0..20 {
        world.clock.advance(Duration::from_secs(1));
        world.auth.request_password_reset(ann(), &context()).await.unwrap();
    }
    world.deliver_mail().await;
    assert_eq!(world.mailbox.all().len(), 5);
    let token = world.reset_token(&ann()).unwrap();
    reset(&world, token, NEW).await.unwrap();
}

/// 1 if a wrong guess is let in.
async fn guesses(world: &Testing, context: &RequestContext) -> u32 {
    let password = Password::new("a wrong guess").unwrap();
    let outcome = world.auth.login(LoginRequest { email: ann(), password }, context).await;
    u32::from(matches!(outcome, Err(LoginError::Rejected)))
}

#[tokio::test]
async fn after_a_hundred_guesses_only_a_reset_opens_the_account_again() {
    let world = testing();
    register(&world, OLD).await.unwrap();
    let device = Some(login(&world, OLD).await.unwrap().device_token);
    let (mut strangers, mut known) = (0, 0);
    for _ in 0..150 {
        world.clock.advance(Duration::from_hours(1));
        strangers += guesses(&world, &context()).await;
    }
    for _ in 0..20 {
        world.clock.advance(Duration::from_hours(1));
        known += guesses(&world, &context().from_device(device.clone())).await;
    }
    assert_eq!((strangers, known), (90, 10), "let in");
    let locked = login(&world, OLD).await;
    assert!(matches!(locked, Err(LoginError::TooManyAttempts { .. })));
    let token = link(&world).await;
    reset(&world, token, NEW).await.unwrap();
    assert!(login(&world, NEW).await.is_ok());
}

#[tokio::test]
async fn a_good_login_clears_its_own_attempts_only() {
    let world = testing();
    register(&world, OLD).await.unwrap();
    for _ in 0..4 {
        assert!(login(&world, "a wrong guess").await.is_err());
    }
    login(&world, OLD).await.unwrap();
    for _ in 0..5 {
        assert!(matches!(login(&world, "a wrong guess").await, Err(LoginError::Rejected)));
    }
    assert!(matches!(login(&world, OLD).await, Err(LoginError::TooManyAttempts { .. })));
}

#[tokio::test]
async fn sixteen_guesses_at_once_do_not_outrun_the_counter() {
    let world = Arc::new(testing());
    register(&world, OLD).await.unwrap();
    let guesses = (0..16).map(|_| {
        let world = Arc::clone(&world);
        tokio::spawn(async move { login(&world, "a wrong guess").await.err() })
    });
    let mut looked_at = 0;
    for guess in guesses.collect::<Vec<_>>() {
        looked_at += u32::from(matches!(guess.await.unwrap(), Some(LoginError::Rejected)));
    }
    assert_eq!(looked_at, 5);
}

/// `printf %s pw1234 | sha256sum`
const SHA256_OF_PW1234: &str = "fb72a905a57f81e8358e432b7c699ff6987200697366167e4ba962953b072868";

/// A row of the system that this replaced: SHA-256 of the password in hexadecimal, and no more.
fn old_row() -> User {
    User {
        id: UserId::from_entropy_bytes([5; 16]),
        email: ann(),
        name: DisplayName::from_stored("옛 사용자".to_owned()),
        password_hash: Some(PasswordHash::from_stored(SHA256_OF_PW1234)),
        credential_version: CredentialVersion::FIRST,
        disabled: false,
        email_verified_at: None,
        created_at: Timestamp::from_seconds(1_600_000_000),
        updated_at: Timestamp::from_seconds(1_600_000_000),
        last_login: None,
    }
}

#[tokio::test]
async fn an_old_account_logs_in_with_its_old_password_and_is_upgraded_by_it() {
    let world = testing_with(|ports, _| {
        let hasher = Argon2idHasher::new(Argon2idSettings::default(), Arc::new(OsEntropy::new()));
        ports.hasher = Arc::new(hasher.unwrap());
    });
    assert_eq!(world.users.insert(old_row()).await.unwrap(), Insert::Inserted);
    assert!(matches!(login(&world, "pw12345").await, Err(LoginError::Rejected)));
    // Six characters: today's policy would refuse to set it, and does not ask at login.
    login(&world, "pw1234").await.unwrap();
    let upgraded = world.users.find_by_email(&ann()).await.unwrap().unwrap();
    assert!(
        upgraded.password_hash.unwrap().expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$")
    );
    assert_eq!(upgraded.credential_version, CredentialVersion::FIRST);
    assert_eq!(upgraded.last_login, Some(Timestamp::from_seconds(1_700_000_000)));
    login(&world, "pw1234").await.unwrap();
    let upgrades =
        world.events.kinds().into_iter().filter(|kind| *kind == EventKind::PasswordHashUpgraded);
    assert_eq!(upgrades.count(), 1);
}

#[tokio::test]
async fn no_secret_is_kept_recorded_or_shown() {
    let world = testing();
    register(&world, OLD).await.unwrap();
    let session = login(&world, OLD).await.unwrap();
    let token = link(&world).await;
    let secret = token.expose().split_once('.').unwrap().1.to_owned();
    let shown = format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        world,
        session,
        token,
        world.events.all(),
        world.mailbox.all(),
        world.users.find_by_email(&ann()).await.unwrap(),
        world.queued_mail(),
        login(&world, "wrong guess").await,
    );
    for canary in [OLD, "ann@example.com", &secret, session.access_token.expose(), "token="] {
        assert!(!shown.contains(canary), "{canary} is in {shown}");
    }
    let row = world.reset_tokens.newest(&ann()).await.unwrap().unwrap();
    let kept = Base64UrlUnpadded::encode_string(row.digest.as_bytes());
    assert_ne!(kept, secret, "the store holds the link's secret");
    let user = world.users.find_by_email(&ann()).await.unwrap().unwrap();
    assert!(!user.password_hash.unwrap().expose().contains(OLD));
    let accounts = world.events.all().into_iter().filter_map(|event| event.account);
    assert!(accounts.map(|key| *key.as_bytes()).all(|key| !key.starts_with(b"ann@")));
}

#[tokio::test]
async fn events_name_an_address_by_a_hash_or_not_at_all() {
    for (setting, named) in [(AddressesInEvents::Hashed, true), (AddressesInEvents::Omitted, false)]
    {
        let world = testing_with(|_, settings| settings.addresses_in_events = setting);
        register(&world, OLD).await.unwrap();
        let _ = login(&world, "a wrong guess").await;
        let events = world.events.all();
        assert_eq!(events.len(), 2);
        assert!(events.iter().all(|event| event.account.is_some() == named));
        assert!(!format!("{events:?}").contains("ann@"));
    }
}
