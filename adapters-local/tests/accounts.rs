//! The life of an account, and what attackers try with it (`a6_` and so on name the case in SECURITY.md).
#![expect(clippy::unwrap_used, reason = "tests")]

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use adapters_local::{Testing, testing, testing_with};
use auth_domain::ports::{Clock, ResetTokenStore, SessionStore, UserStore};
use auth_domain::{
    ChangeEmailError, ChangeEmailRequest, ChangePasswordRequest, Claims, ConfirmEmailError,
    DeleteAccountError, Delivery, DisplayName, Email, EmailChangeToken, EmailVerification, Login,
    LoginError, LoginRequest, MailJob, Password, PasswordReset, RateLimits, RefreshError,
    RegisterRequest, Registration, RegistrationMode, RequestContext, ResetError, ResetRequest,
    ResetToken, SkipReason, Timestamp, TokenCheck, VerificationToken, VerifyEmailError,
};

const OLD: &str = "correct horse battery";
const NEW: &str = "a brand new staple";

fn ann() -> Email {
    Email::parse("ann@example.com").unwrap()
}

fn elsewhere() -> Email {
    Email::parse("ann@elsewhere.example").unwrap()
}

fn typed(password: &str) -> Password {
    Password::new(password).unwrap()
}

fn context() -> RequestContext {
    RequestContext::new()
}

async fn register(world: &Testing, email: Email) -> Registration {
    let name = DisplayName::parse("Ann").unwrap();
    let request = RegisterRequest { email, password: typed(OLD), name };
    world.auth.register(request, &context()).await.unwrap()
}

async fn login(world: &Testing, email: Email, password: &str) -> Result<Login, LoginError> {
    world.auth.login(LoginRequest { email, password: typed(password) }, &context()).await
}

async fn claims(world: &Testing, login: &Login) -> Claims {
    world.auth.authenticate(login.access_token.expose()).await.unwrap()
}

/// A new account, logged in.
async fn member(world: &Testing) -> (Login, Claims) {
    register(world, ann()).await;
    let login = login(world, ann(), OLD).await.unwrap();
    let claims = claims(world, &login).await;
    (login, claims)
}

async fn forget(world: &Testing, email: Email) -> ResetToken {
    world.clock.advance(Duration::from_secs(1));
    world.auth.request_password_reset(email.clone(), &context()).await.unwrap();
    world.deliver_mail().await;
    world.reset_token(&email).unwrap()
}

async fn reset(
    world: &Testing,
    token: &ResetToken,
    password: &str,
) -> Result<PasswordReset, ResetError> {
    let token = ResetToken::parse(&token.expose()).unwrap();
    let request = ResetRequest { token, new_password: typed(password) };
    world.auth.reset_password(request, &context()).await
}

/// The token of the link that was mailed to `new_email`.
async fn asks_to_move(world: &Testing, claims: &Claims, new_email: Email) -> String {
    let request = ChangeEmailRequest { new_email: new_email.clone(), current_password: typed(OLD) };
    world.auth.request_email_change(claims, request, &context()).await.unwrap();
    world.deliver_mail().await;
    world.link_token(&new_email).unwrap()
}

async fn confirm(world: &Testing, token: &str) -> Result<(), ConfirmEmailError> {
    let token = EmailChangeToken::parse(token).unwrap();
    world.auth.confirm_email_change(token, &context()).await
}

async fn verify(world: &Testing, token: &str) -> Result<(), VerifyEmailError> {
    world.auth.verify_email(VerificationToken::parse(token).unwrap(), &context()).await
}

async fn change_password(world: &Testing, claims: &Claims) {
    let request = ChangePasswordRequest { current_password: typed(OLD), new_password: typed(NEW) };
    world.auth.change_password(claims, request, &context()).await.unwrap();
}

fn last_subject(world: &Testing, to: &Email) -> String {
    world.mailbox.latest(to).unwrap().content.subject
}

// Confirming an address.

#[tokio::test]
async fn an_address_is_confirmed_by_the_mailed_link_and_then_lets_its_owner_in() {
    let world = testing_with(|_, settings| {
        settings.email_verification = EmailVerification::RequireVerified;
    });
    register(&world, ann()).await;
    assert!(matches!(login(&world, ann(), OLD).await, Err(LoginError::Rejected)));
    world.deliver_mail().await;
    let link = world.link_token(&ann()).unwrap();
    verify(&world, &link).await.unwrap();
    verify(&world, &link).await.unwrap();
    assert!(login(&world, ann(), OLD).await.is_ok());
}

#[tokio::test]
async fn a_link_that_confirms_dies_after_a_day_and_another_is_mailed_on_request() {
    let world = testing_with(|_, settings| {
        settings.email_verification = EmailVerification::Asked;
    });
    register(&world, ann()).await;
    world.deliver_mail().await;
    let late = world.link_token(&ann()).unwrap();
    world.clock.advance(Duration::from_hours(24));
    assert!(matches!(verify(&world, &late).await, Err(VerifyEmailError::InvalidToken)));
    world.auth.request_verification(ann(), &context()).await.unwrap();
    assert_eq!(world.deliver_mail().await, [Some(Delivery::Sent)]);
    verify(&world, &world.link_token(&ann()).unwrap()).await.unwrap();
    world.auth.request_verification(ann(), &context()).await.unwrap();
    let nothing_to_do = Delivery::Skipped(SkipReason::AlreadyVerified);
    assert_eq!(world.deliver_mail().await, [Some(nothing_to_do)]);
}

#[tokio::test]
async fn confirmations_beyond_the_cap_of_an_address_are_not_mailed() {
    let world = testing_with(|_, settings| {
        settings.email_verification = EmailVerification::Asked;
    });
    register(&world, ann()).await;
    for _ in 0..7 {
        world.clock.advance(Duration::from_secs(1));
        world.auth.request_verification(ann(), &context()).await.unwrap();
    }
    let outcomes = world.deliver_mail().await;
    let capped = Some(Delivery::Skipped(SkipReason::MailCap));
    assert_eq!(outcomes[4..], [Some(Delivery::Sent), capped, capped, capped]);
}

// Private registration.

#[tokio::test]
async fn a_private_registration_tells_the_owner_and_nobody_else() {
    let world = testing_with(|_, settings| {
        settings.email_verification = EmailVerification::RequireVerified;
        settings.registration = RegistrationMode::Private;
    });
    assert!(matches!(register(&world, ann()).await, Registration::Mailed));
    world.deliver_mail().await;
    verify(&world, &world.link_token(&ann()).unwrap()).await.unwrap();
    assert!(matches!(register(&world, ann()).await, Registration::Mailed));
    world.deliver_mail().await;
    assert_eq!(last_subject(&world, &ann()), "Your Example account is there already");
    assert!(login(&world, ann(), OLD).await.is_ok());
}

#[tokio::test]
async fn e2_who_signs_up_with_the_address_of_another_is_out_once_its_owner_comes() {
    let world = testing_with(|_, settings| {
        settings.email_verification = EmailVerification::Asked;
    });
    let (attacker, claims) = member(&world).await;
    let moves_away = asks_to_move(&world, &claims, elsewhere()).await;
    let token = forget(&world, ann()).await;
    reset(&world, &token, NEW).await.unwrap();
    let refreshed = world.auth.refresh(attacker.refresh_token, &context()).await;
    assert!(matches!(refreshed, Err(RefreshError::Rejected)));
    assert!(matches!(login(&world, ann(), OLD).await, Err(LoginError::Rejected)));
    assert!(matches!(confirm(&world, &moves_away).await, Err(ConfirmEmailError::InvalidToken)));
    assert!(login(&world, ann(), NEW).await.is_ok());
    let account = world.auth.admin().look_up(&ann()).await.unwrap();
    assert!(account.email_verified_at.is_some(), "who used the link reads the address");
}

#[tokio::test]
async fn e2_the_owner_of_an_address_is_mailed_no_link_that_confirms_somebody_elses_password() {
    let world = testing_with(|_, settings| {
        settings.email_verification = EmailVerification::RequireVerified;
        settings.registration = RegistrationMode::Private;
    });
    register(&world, ann()).await;
    world.deliver_mail().await;
    let mails = world.mailbox.all().len();
    register(&world, ann()).await;
    world.deliver_mail().await;
    let sent = world.mailbox.all().split_off(mails);
    assert!(sent.len() == 1 && !sent[0].content.text.contains("token="));
    let token = forget(&world, ann()).await;
    reset(&world, &token, NEW).await.unwrap();
    assert!(login(&world, ann(), NEW).await.is_ok(), "a reset confirms the address, too");
}

// Another address.

#[tokio::test]
async fn an_account_moves_when_the_new_address_is_confirmed_and_the_old_one_is_told() {
    let world = testing();
    let (session, claims) = member(&world).await;
    let link = asks_to_move(&world, &claims, elsewhere()).await;
    assert!(login(&world, ann(), OLD).await.is_ok(), "nothing has changed yet");
    confirm(&world, &link).await.unwrap();
    assert!(matches!(login(&world, ann(), OLD).await, Err(LoginError::Rejected)));
    let moved = login(&world, elsewhere(), OLD).await.unwrap();
    assert_eq!(moved.user_id, session.user_id);
    let refreshed = world.auth.refresh(session.refresh_token, &context()).await;
    assert!(matches!(refreshed, Err(RefreshError::Rejected)));
    world.deliver_mail().await;
    assert_eq!(last_subject(&world, &ann()), "Your Example address was changed");
    let notice = world.mailbox.latest(&ann()).unwrap().content;
    assert!(notice.text.contains("contact the people who run Example"));
    register(&world, ann()).await;
}

#[tokio::test]
async fn a_move_to_a_taken_address_is_told_to_its_reader_alone() {
    let world = testing();
    let (_, claims) = member(&world).await;
    register(&world, elsewhere()).await;
    let link = asks_to_move(&world, &claims, elsewhere()).await;
    assert!(matches!(confirm(&world, &link).await, Err(ConfirmEmailError::EmailTaken)));
    assert!(
        login(&world, ann(), OLD).await.is_ok() && login(&world, elsewhere(), OLD).await.is_ok()
    );
    let request = ChangeEmailRequest { new_email: ann(), current_password: typed(OLD) };
    let outcome = world.auth.request_email_change(&claims, request, &context()).await;
    assert!(matches!(outcome, Err(ChangeEmailError::Unchanged)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a6_of_two_changes_of_address_each_link_confirms_its_own_and_one_wins() {
    let world = Arc::new(testing_with(|_, settings| settings.limits = RateLimits::danger_off()));
    let (_, claims) = member(&world).await;
    let targets: Vec<_> =
        (0..16).map(|n| Email::parse(&format!("ann{n}@elsewhere.example")).unwrap()).collect();
    let mut links = Vec::new();
    for target in &targets {
        links.push(asks_to_move(&world, &claims, target.clone()).await);
    }
    let tasks = links.into_iter().map(|link| {
        let world = Arc::clone(&world);
        tokio::spawn(async move { confirm(&world, &link).await.is_ok() })
    });
    let mut won = Vec::new();
    for (task, target) in tasks.collect::<Vec<_>>().into_iter().zip(&targets) {
        if task.await.unwrap() {
            won.push(target);
        }
    }
    assert_eq!(won.len(), 1);
    let mut homes = Vec::new();
    for target in &targets {
        if world.users.find_by_email(target).await.unwrap().is_some() {
            homes.push(target);
        }
    }
    assert_eq!(homes, won, "the account is where the link that won said");
}

// Links and tokens that must be dead.

#[tokio::test]
async fn b4_an_expired_session_whose_row_is_still_there_is_refused() {
    let world = testing();
    let (session, claims) = member(&world).await;
    world.clock.advance(Duration::from_hours(14 * 24));
    assert_eq!(world.sessions.list(claims.user_id).await.unwrap().len(), 1);
    let refreshed = world.auth.refresh(session.refresh_token, &context()).await;
    assert!(matches!(refreshed, Err(RefreshError::Rejected)));
}

#[tokio::test]
async fn b5_links_die_when_one_is_used_and_when_password_address_or_state_change() {
    for change in 0..5 {
        let world = testing();
        let (_, claims) = member(&world).await;
        let moves = asks_to_move(&world, &claims, elsewhere()).await;
        world.auth.request_verification(ann(), &context()).await.unwrap();
        world.deliver_mail().await;
        let verifies = world.link_token(&ann()).unwrap();
        let resets = forget(&world, ann()).await;
        let admin = world.auth.admin();
        let key = admin.look_up(&ann()).await.unwrap().key;
        match change {
            0 => drop(reset(&world, &resets, NEW).await.unwrap()),
            1 => change_password(&world, &claims).await,
            2 => confirm(&world, &moves).await.unwrap(),
            3 => admin.disable(&key).await.unwrap(),
            _ => world.auth.end_all_sessions(&claims, &context()).await.unwrap(),
        }
        let reset = reset(&world, &resets, "a third password").await;
        assert!(matches!(reset, Err(ResetError::InvalidToken)), "{change}");
        let moved = confirm(&world, &moves).await;
        assert!(matches!(moved, Err(ConfirmEmailError::InvalidToken)), "{change}");
        let verified = verify(&world, &verifies).await;
        assert!(matches!(verified, Err(VerifyEmailError::InvalidToken)), "{change}");
    }
}

#[tokio::test]
async fn b6_an_access_token_ends_with_its_account_at_once_where_the_check_is_strict() {
    for token_check in [TokenCheck::Strict, TokenCheck::StrictSession] {
        for deleted in [false, true] {
            let world = testing_with(|_, settings| settings.token_check = token_check);
            let (session, claims) = member(&world).await;
            let key = world.auth.admin().look_up(&ann()).await.unwrap().key;
            if deleted {
                world.auth.delete_account(&claims, None, &context()).await.unwrap();
                register(&world, ann()).await;
            } else {
                world.auth.admin().disable(&key).await.unwrap();
                world.auth.admin().enable(&key).await.unwrap();
            }
            let token = session.access_token.expose();
            assert!(world.auth.authenticate(token).await.is_err(), "{token_check:?} {deleted}");
        }
    }
}

#[tokio::test]
async fn b6_otherwise_it_lives_out_its_quarter_of_an_hour_and_acts_for_nobody() {
    let world = testing();
    let (session, claims) = member(&world).await;
    let key = world.auth.admin().look_up(&ann()).await.unwrap().key;
    world.auth.admin().disable(&key).await.unwrap();
    let token = session.access_token.expose();
    assert!(world.auth.list_sessions(&claims, &context()).await.is_err());
    world.clock.advance(Duration::from_mins(15) - Duration::from_secs(1));
    assert!(world.auth.authenticate(token).await.is_ok());
    world.clock.advance(Duration::from_secs(1));
    assert!(world.auth.authenticate(token).await.is_err());
}

#[tokio::test]
async fn the_session_just_opened_outlives_the_cap_although_the_clock_was_set_back() {
    let world = testing_with(|_, settings| settings.sessions_per_account = NonZeroUsize::MIN);
    let (earlier, _) = member(&world).await;
    world.clock.set(Timestamp::from_seconds(world.clock.now().as_seconds() - 3_600));
    let opened = login(&world, ann(), OLD).await.unwrap();
    assert!(world.auth.refresh(opened.refresh_token, &context()).await.is_ok());
    assert!(world.auth.refresh(earlier.refresh_token, &context()).await.is_err());
}

// The end.

#[tokio::test]
async fn a_deleted_account_leaves_nothing_behind_and_its_owner_is_told() {
    let world = testing();
    let (_, claims) = member(&world).await;
    forget(&world, ann()).await;
    login(&world, ann(), OLD).await.unwrap();
    world.clock.advance(Duration::from_mins(10));
    let outcome = world.auth.delete_account(&claims, None, &context()).await;
    assert!(matches!(outcome, Err(DeleteAccountError::RecentLoginNeeded)));
    world.auth.delete_account(&claims, Some(typed(OLD)), &context()).await.unwrap();
    assert!(world.users.find_by_id(claims.user_id).await.unwrap().is_none());
    assert!(world.sessions.list(claims.user_id).await.unwrap().is_empty());
    assert!(world.reset_tokens.newest(&ann()).await.unwrap().is_none());
    world.deliver_mail().await;
    assert_eq!(last_subject(&world, &ann()), "Your Example account was deleted");
}

// Operators.

#[tokio::test]
async fn an_operator_shuts_and_opens_an_account_and_its_old_sessions_stay_ended() {
    let world = testing();
    let (session, claims) = member(&world).await;
    let admin = world.auth.admin();
    let account = admin.look_up_by_id(claims.user_id).await.unwrap();
    assert_eq!((account.sessions.len(), account.disabled), (1, false));
    admin.disable(&account.key).await.unwrap();
    assert!(matches!(login(&world, ann(), OLD).await, Err(LoginError::Rejected)));
    world.auth.request_password_reset(ann(), &context()).await.unwrap();
    let skipped = Some(Delivery::Skipped(SkipReason::Disabled));
    assert_eq!(world.deliver_mail().await, [skipped]);
    admin.enable(&account.key).await.unwrap();
    assert!(login(&world, ann(), OLD).await.is_ok());
    let refreshed = world.auth.refresh(session.refresh_token, &context()).await;
    assert!(matches!(refreshed, Err(RefreshError::Rejected)));
}

#[tokio::test]
async fn a_forced_change_of_password_lets_nobody_in_until_the_owner_used_the_mail() {
    let world = testing();
    let (session, _) = member(&world).await;
    let admin = world.auth.admin();
    let key = admin.look_up(&ann()).await.unwrap().key;
    admin.force_password_change(&key, &context()).await.unwrap();
    assert!(!admin.look_up(&ann()).await.unwrap().has_password);
    assert!(matches!(login(&world, ann(), OLD).await, Err(LoginError::Rejected)));
    let refreshed = world.auth.refresh(session.refresh_token, &context()).await;
    assert!(matches!(refreshed, Err(RefreshError::Rejected)));
    assert_eq!(world.deliver_mail().await, [Some(Delivery::Sent)]);
    reset(&world, &world.reset_token(&ann()).unwrap(), NEW).await.unwrap();
    assert!(login(&world, ann(), NEW).await.is_ok());
}

#[tokio::test]
async fn an_operator_ends_sessions_and_deletes_and_does_neither_to_another_account_of_the_address()
{
    let world = testing();
    let (session, claims) = member(&world).await;
    let admin = world.auth.admin();
    let key = admin.look_up(&ann()).await.unwrap().key;
    admin.end_sessions(&key).await.unwrap();
    let refreshed = world.auth.refresh(session.refresh_token, &context()).await;
    assert!(matches!(refreshed, Err(RefreshError::Rejected)));
    admin.delete(&key, &context()).await.unwrap();
    assert!(world.users.find_by_id(claims.user_id).await.unwrap().is_none());
    register(&world, ann()).await;
    assert!(admin.delete(&key, &context()).await.is_err());
    assert!(admin.disable(&key).await.is_err());
    assert!(login(&world, ann(), OLD).await.is_ok());
}

#[tokio::test]
async fn no_job_carries_a_secret() {
    let world = testing_with(|_, settings| settings.email_verification = EmailVerification::Asked);
    let (_, claims) = member(&world).await;
    let request = ChangeEmailRequest { new_email: elsewhere(), current_password: typed(OLD) };
    world.auth.request_email_change(&claims, request, &context()).await.unwrap();
    let jobs = world.queued_mail();
    assert!(jobs.iter().any(|job| matches!(job, MailJob::ConfirmNewEmail { .. })));
    let shown = format!("{jobs:?}");
    world.deliver_mail().await;
    for to in [ann(), elsewhere()] {
        let link = world.link_token(&to).unwrap();
        let (_, tag) = link.split_once('.').unwrap();
        assert!(!shown.contains(tag));
    }
}
