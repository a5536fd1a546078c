//! Passwords that leaked: when the port is asked, and what its silence costs.

use super::accounts::change_password;
use super::*;

type Answer = fn() -> Result<bool, PortError>;

const LEAKED: Answer = || Ok(true);
const NO_ANSWER: Answer = || Err(down("breached_passwords.contains"));

impl World {
    /// Asked once, for the new password alone.
    fn breached_passwords_answer(&mut self, new: &'static str, answer: Answer) {
        let mut port = MockBreachedPasswords::new();
        port.expect_contains()
            .once()
            .withf(move |asked| asked.expose() == new)
            .returning(move |_| answer());
        self.breached = Some(port);
    }

    fn breached_passwords_are_not_asked(&mut self) {
        self.breached = Some(MockBreachedPasswords::new());
    }

    fn has_a_link_and_its_owner(&mut self) {
        self.has_live_link();
        self.finds(|| Ok(Some(user())));
    }
}

async fn register(auth: &Auth, new: &str) -> Result<Registration, RegisterError> {
    let password = Password::new(new).unwrap();
    let request = RegisterRequest { email: email(), password, name: user().name };
    auth.register(request, &context()).await
}

fn refuses_on_failure(settings: &mut Settings) {
    settings.on_breach_check_failure = FailurePolicy::Refuse;
}

#[tokio::test]
async fn nobody_signs_up_with_a_leaked_password_and_no_place_to_hash_is_asked_for() {
    let mut world = World::new();
    world.breached_passwords_answer(GOOD, LEAKED);
    let error = register(&world.auth(), GOOD).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::PasswordBreached);
}

#[tokio::test]
async fn a_leaked_password_leaves_the_reset_link_alive() {
    let mut world = World::new();
    world.has_a_link_and_its_owner();
    world.breached_passwords_answer(GOOD, LEAKED);
    let error = reset(&world.auth(), GOOD).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::PasswordBreached);
}

#[tokio::test]
async fn a_password_is_not_changed_to_a_leaked_one() {
    let mut world = World::new();
    world.is_current();
    world.proves(Verification::Match);
    world.breached_passwords_answer(GOOD, LEAKED);
    let error = change_password(&world.auth(), GOOD).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::PasswordBreached);
}

#[tokio::test]
async fn a_password_that_did_not_leak_is_set() {
    let mut world = World::new();
    world.breached_passwords_answer(GOOD, || Ok(false));
    world.hashes_once();
    world.users.expect_insert().once().returning(|_| Ok(Insert::Inserted));
    assert!(register(&world.auth(), GOOD).await.is_ok());
}

#[tokio::test]
async fn what_the_policy_refuses_is_asked_of_nobody() {
    let mut world = World::new();
    world.breached_passwords_are_not_asked();
    let error = register(&world.auth(), "password").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::PasswordCommon);

    let mut world = World::new();
    world.has_a_link_and_its_owner();
    world.breached_passwords_are_not_asked();
    let error = reset(&world.auth(), "password").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::PasswordCommon);

    let mut world = World::new();
    world.is_current();
    world.breached_passwords_are_not_asked();
    let error = change_password(&world.auth(), "password").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::PasswordCommon);
}

#[tokio::test]
async fn who_does_not_prove_the_current_password_makes_us_ask_nobody() {
    let mut world = World::new();
    world.is_current();
    world.proves(Verification::Mismatch);
    world.breached_passwords_are_not_asked();
    let error = change_password(&world.auth(), GOOD).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::PasswordWrong);
}

#[tokio::test]
async fn a_dead_link_makes_us_ask_nobody() {
    let mut world = World::new();
    world.reset_tokens.expect_newest().once().returning(|_| Ok(None));
    world.breached_passwords_are_not_asked();
    assert!(matches!(reset(&world.auth(), GOOD).await, Err(ResetError::InvalidToken)));
}

#[tokio::test]
async fn nobody_is_asked_at_login() {
    let mut world = World::new();
    world.breached_passwords_are_not_asked();
    world.attempt_is_let_in();
    world.finds(|| Ok(Some(user())));
    world.verifies_once(true, || Ok(Verification::Mismatch));
    assert!(matches!(login(&world.auth()).await, Err(LoginError::Rejected)));
}

#[tokio::test]
async fn without_an_answer_sign_ups_go_on_by_default_and_operators_are_told() {
    let mut world = World::new();
    world.breached_passwords_answer(GOOD, NO_ANSWER);
    world.hashes_once();
    world.users.expect_insert().once().returning(|_| Ok(Insert::Inserted));
    let events = Arc::clone(&world.events);
    assert!(register(&world.auth(), GOOD).await.is_ok());
    let seen = events.0.lock().unwrap();
    let failed = EventKind::PortFailed {
        operation: "breached_passwords.contains",
        kind: PortErrorKind::Unavailable,
    };
    assert_eq!(seen[..2], [failed, EventKind::BreachCheckUnavailable]);
}

#[tokio::test]
async fn without_an_answer_nothing_is_set_where_the_settings_say_so() {
    let mut world = World::new();
    world.breached_passwords_answer(GOOD, NO_ANSWER);
    let error = register(&world.auth_with(refuses_on_failure), GOOD).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unavailable);

    let mut world = World::new();
    world.has_a_link_and_its_owner();
    world.breached_passwords_answer(GOOD, NO_ANSWER);
    let error = reset(&world.auth_with(refuses_on_failure), GOOD).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unavailable);

    let mut world = World::new();
    world.is_current();
    world.proves(Verification::Match);
    world.breached_passwords_answer(GOOD, NO_ANSWER);
    let error = change_password(&world.auth_with(refuses_on_failure), GOOD).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unavailable);
}

#[tokio::test]
async fn a_private_sign_up_asks_before_it_is_known_whether_the_address_is_taken() {
    let mut world = World::new();
    world.breached_passwords_answer(GOOD, || Ok(false));
    world.hashes_once();
    world.queues(|_| true);
    let auth = world.auth_with(|settings| {
        settings.registration = RegistrationMode::Private;
        settings.email_verification = EmailVerification::RequireVerified;
    });
    assert!(matches!(register(&auth, GOOD).await, Ok(Registration::Mailed)));
}
