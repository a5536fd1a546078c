//! An operator's program, which has the stores and little else.

use super::*;

fn composed_for_operators(world: World) -> Auth {
    let missing = Arc::new(NotComposed::new());
    let ports = Ports {
        attempts: Arc::new(world.attempts),
        breached_passwords: None,
        clock: Arc::new(StoppedClock),
        compatibility_issuer: None,
        entropy: Arc::new(world.entropy),
        events: world.events,
        hasher: Arc::clone(&missing) as _,
        limiter: Arc::clone(&missing) as _,
        mail_queue: Arc::clone(&missing) as _,
        mailer: Arc::clone(&missing) as _,
        reset_tokens: Arc::new(world.reset_tokens),
        sessions: Arc::new(world.sessions),
        token_issuer: Arc::clone(&missing) as _,
        token_verifier: missing,
        users: Arc::new(world.users),
    };
    let secret = MasterSecret::new([1; 32]).unwrap();
    let base = LinkBase::parse("https://example.com/reset").unwrap();
    Auth::new(ports, Settings::new(secret, base, "Example")).unwrap()
}

fn is_missing(error: &PortError, operation: &str) -> bool {
    error.kind() == PortErrorKind::Rejected
        && error.operation() == operation
        && error.with_causes().ends_with("not composed in this program")
}

#[tokio::test]
async fn who_lacks_hasher_mailer_and_keys_still_shuts_an_account() {
    let mut world = World::new();
    world.finds(|| Ok(Some(user())));
    world.users.expect_update_credentials().once().returning(|_| Ok(Update::Updated));
    world.sessions.expect_end_all().once().returning(|_, _| Ok(()));
    let key = UserKey { email: email(), id: user().id };
    assert!(composed_for_operators(world).admin().disable(&key).await.is_ok());
}

#[tokio::test]
async fn what_is_not_composed_lets_nobody_in_and_says_that_it_is_missing() {
    let auth = composed_for_operators(World::new());
    let refused = login(&auth).await;
    let Err(LoginError::Port(error)) = refused else { panic!("{refused:?}") };
    assert!(is_missing(&error, "rate_limiter.hit"), "{}", error.with_causes());
    let token = auth.authenticate("any").await;
    assert!(matches!(token, Err(AuthenticateError::Rejected(_))));
    assert_eq!(auth.ports().token_verifier.jwks(), r#"{"keys":[]}"#);

    let ports = auth.ports();
    assert!(is_missing(&ports.hasher.reserve().unwrap_err(), "password_hasher.reserve"));
    let signed = ports.token_issuer.issue(&claims()).await;
    assert!(is_missing(&signed.unwrap_err(), "token_issuer.issue"));
    let content =
        DefaultTemplates::new("Example").account_deleted(&NoticeMail { locale: Locale::EN });
    let mail = OutgoingEmail { to: email(), content };
    assert!(is_missing(&ports.mailer.send(&mail).await.unwrap_err(), "mailer.send"));
}

#[tokio::test]
async fn without_a_mail_queue_nothing_is_deleted() {
    let mut world = World::new();
    world.finds(|| Ok(Some(user())));
    let key = UserKey { email: email(), id: user().id };
    let outcome = composed_for_operators(world).admin().delete(&key, &context()).await;
    let Err(AdminError::Port(error)) = outcome else { panic!("{outcome:?}") };
    assert!(is_missing(&error, "mail_queue.enqueue"), "{}", error.with_causes());
}
