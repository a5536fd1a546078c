//! Strangers lock an account, and who is known by an earlier login gets in all the same.
#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

use std::time::Duration;

use adapters_local::{Testing, testing};
use auth_domain::{
    ChangePasswordRequest, DeviceToken, DisplayName, Email, Login, LoginError, LoginRequest,
    Password, RegisterRequest, RequestContext, ResetRequest,
};

const OLD: &str = "correct horse battery";
const NEW: &str = "a brand new staple";

fn ann() -> Email {
    Email::parse("ann@example.com").unwrap()
}

fn bob() -> Email {
    Email::parse("bob@example.com").unwrap()
}

async fn world_with(emails: [Email; 2]) -> Testing {
    let world = testing();
    for email in emails {
        let (password, name) = (Password::new(OLD).unwrap(), DisplayName::parse("Ann").unwrap());
        let request = RegisterRequest { email, password, name };
        world.auth.register(request, &RequestContext::new()).await.unwrap();
    }
    world
}

async fn login_of(
    world: &Testing,
    email: Email,
    password: &str,
    device: Option<&DeviceToken>,
) -> Result<Login, LoginError> {
    let context = RequestContext::new().from_device(device.cloned());
    let password = Password::new(password).unwrap();
    world.auth.login(LoginRequest { email, password }, &context).await
}

async fn login(
    world: &Testing,
    password: &str,
    device: Option<&DeviceToken>,
) -> Result<Login, LoginError> {
    login_of(world, ann(), password, device).await
}

/// Guesses until none is let in, at this moment.
async fn strangers_lock(world: &Testing) {
    while !is_locked(&login(world, "a wrong guess", None).await) {}
}

/// Sets the new password by mail.
async fn reset(world: &Testing) -> DeviceToken {
    world.clock.advance(Duration::from_secs(1));
    world.auth.request_password_reset(ann(), &RequestContext::new()).await.unwrap();
    world.deliver_mail().await;
    let (token, new_password) = (world.reset_token(&ann()).unwrap(), Password::new(NEW).unwrap());
    let request = ResetRequest { token, new_password };
    world.auth.reset_password(request, &RequestContext::new()).await.unwrap().device_token
}

fn is_locked(outcome: &Result<Login, LoginError>) -> bool {
    matches!(outcome, Err(LoginError::TooManyAttempts { .. }))
}

#[tokio::test]
async fn a_known_device_logs_in_while_strangers_keep_the_account_locked() {
    let world = world_with([ann(), bob()]).await;
    let device = login(&world, OLD, None).await.unwrap().device_token;
    for _ in 0..100 {
        world.clock.advance(Duration::from_hours(1));
        strangers_lock(&world).await;
        assert!(is_locked(&login(&world, OLD, None).await), "the right password, from anywhere");
        login(&world, OLD, Some(&device)).await.unwrap();
        assert!(is_locked(&login(&world, OLD, None).await), "that was no success of a stranger's");
    }
}

#[tokio::test]
async fn who_reset_the_password_logs_in_however_soon_strangers_lock_the_account_again() {
    let world = world_with([ann(), bob()]).await;
    strangers_lock(&world).await;
    let device = reset(&world).await;
    strangers_lock(&world).await;
    assert!(is_locked(&login(&world, NEW, None).await));
    login(&world, NEW, Some(&device)).await.unwrap();
}

#[tokio::test]
async fn a_change_of_password_gives_a_token_in_the_place_of_the_one_that_it_ends() {
    let world = world_with([ann(), bob()]).await;
    let session = login(&world, OLD, None).await.unwrap();
    let claims = world.auth.authenticate(session.access_token.expose()).await.unwrap();
    let request = ChangePasswordRequest {
        current_password: Password::new(OLD).unwrap(),
        new_password: Password::new(NEW).unwrap(),
    };
    let context = RequestContext::new();
    let changed = world.auth.change_password(&claims, request, &context).await.unwrap();
    strangers_lock(&world).await;
    assert!(is_locked(&login(&world, NEW, Some(&session.device_token)).await));
    login(&world, NEW, Some(&changed.device_token)).await.unwrap();
}

#[tokio::test]
async fn who_comes_with_the_token_of_an_older_password_waits_no_longer_than_who_has_none() {
    let world = world_with([ann(), bob()]).await;
    let outdated = login(&world, OLD, None).await.unwrap().device_token;
    reset(&world).await;
    let mut wait = Duration::ZERO;
    for _ in 0..12 {
        world.clock.advance(wait);
        let outcome = login(&world, OLD, Some(&outdated)).await;
        assert!(matches!(outcome, Err(LoginError::Rejected)), "{outcome:?}");
        wait = match login(&world, OLD, Some(&outdated)).await {
            Err(LoginError::TooManyAttempts { retry_after }) => retry_after,
            _ => Duration::ZERO,
        };
    }
    world.clock.advance(wait);
    login(&world, NEW, Some(&outdated)).await.unwrap();
}

#[tokio::test]
async fn who_used_up_his_own_attempts_has_them_again_once_he_was_let_in() {
    let world = world_with([ann(), bob()]).await;
    let device = login(&world, OLD, None).await.unwrap().device_token;
    for _ in 0..10 {
        world.clock.advance(Duration::from_hours(1));
        strangers_lock(&world).await;
        let outcome = login(&world, "an old password", Some(&device)).await;
        assert!(matches!(outcome, Err(LoginError::Rejected)), "{outcome:?}");
    }
    assert!(is_locked(&login(&world, OLD, Some(&device)).await), "with strangers, who wait");
    world.clock.advance(Duration::from_hours(1));
    let device = login(&world, OLD, Some(&device)).await.unwrap().device_token;
    assert!(is_locked(&login(&world, OLD, None).await), "strangers wait as before");
    login(&world, OLD, Some(&device)).await.unwrap();
}

#[tokio::test]
async fn a_device_token_is_of_one_account_issued_here_and_good_for_ninety_days() {
    let world = world_with([ann(), bob()]).await;
    let device = login(&world, OLD, None).await.unwrap().device_token;
    let others = login_of(&world, bob(), OLD, None).await.unwrap().device_token;
    let text = device.expose();
    let altered = text.replacen(if text.starts_with('A') { 'A' } else { 'B' }, "C", 1);
    strangers_lock(&world).await;
    for none in [Some(others), DeviceToken::parse(&altered).ok()] {
        assert!(is_locked(&login(&world, OLD, none.as_ref()).await));
    }
    world.clock.advance(DeviceToken::LIFE - Duration::from_secs(1));
    strangers_lock(&world).await;
    login(&world, OLD, Some(&device)).await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    strangers_lock(&world).await;
    assert!(is_locked(&login(&world, OLD, Some(&device)).await));
}

#[tokio::test]
async fn a_stolen_device_token_lets_nobody_in_and_buys_ten_guesses() {
    let world = world_with([ann(), bob()]).await;
    let stolen = login(&world, OLD, None).await.unwrap().device_token;
    strangers_lock(&world).await;
    let mut guesses = 0;
    for _ in 0..10_000 {
        world.clock.advance(Duration::from_secs(1));
        strangers_lock(&world).await;
        let outcome = login(&world, "a wrong guess", Some(&stolen)).await;
        guesses += u32::from(matches!(outcome, Err(LoginError::Rejected)));
    }
    assert_eq!(guesses, 10);
}
