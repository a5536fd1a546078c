//! The calls of sessions and of an account's life.

use super::*;

fn refresh_key(secret: u8) -> [u8; 32] {
    *MasterSecret::new([secret; 32]).unwrap().derive(Purpose::RefreshTokens)
}

fn refresh_token() -> RefreshToken {
    RefreshToken::first(&refresh_key(1), key(), [4; 32])
}

fn key() -> SessionKey {
    SessionKey { user_id: user().id, id: claims().session_id }
}

fn session() -> Session {
    Session {
        key: key(),
        email: email(),
        credential_version: user().credential_version,
        current: refresh_token().digest(),
        parent: None,
        created_at: NOW,
        last_used_at: NOW,
        idle_expires_at: NOW + Duration::from_hours(1),
        expires_at: NOW + Duration::from_hours(2),
        user_agent: None,
    }
}

async fn refresh(auth: &Auth) -> Result<Refreshed, RefreshError> {
    auth.refresh(refresh_token(), &context()).await
}

impl World {
    fn rotates(&mut self, answer: impl Fn(Rotation) -> Rotated + Send + 'static) {
        self.sessions.expect_rotate().once().returning(move |rotation| Ok(answer(rotation)));
    }

    fn issues(&mut self) {
        self.issuer.expect_issue().once().returning(|_| Ok(SignedToken::new("token".into())));
    }

    /// The session and the account of a token, both alive.
    pub(super) fn is_current(&mut self) {
        self.sessions.expect_find().once().returning(|_| Ok(Some(session())));
        self.finds(|| Ok(Some(user())));
    }

    pub(super) fn queues(&mut self, is_it: impl Fn(&MailJob) -> bool + Send + 'static) {
        self.mail_queue.expect_enqueue().once().withf(is_it).returning(|_| Ok(()));
    }

    pub(super) fn proves(&mut self, answer: Verification) {
        self.attempt_is_let_in();
        self.hasher.expect_reserve().once().returning(move || {
            let mut slot = MockHashSlot::new();
            slot.expect_verify().once().returning(move |_, _| Ok(answer));
            Ok(Reservation::Slot(Box::new(slot)))
        });
        if answer == Verification::Match {
            self.attempts.expect_clear().once().returning(|_| Ok(()));
        }
    }
}

// Refresh.

#[tokio::test]
async fn what_we_never_issued_reaches_no_store() {
    let forged = RefreshToken::first(&refresh_key(2), key(), [4; 32]);
    let outcome = World::new().auth().refresh(forged.clone(), &context()).await;
    assert!(matches!(outcome, Err(RefreshError::Rejected)));
    let outcome = World::new().auth().logout(forged, &context()).await;
    assert!(matches!(outcome, Err(LogoutError::Rejected)));
}

#[tokio::test]
async fn a_refresh_reads_the_account_after_the_rotation() {
    let mut world = World::new();
    let mut order = mockall::Sequence::new();
    let rotated = |_: Rotation| Ok(Rotated::Rotated(session()));
    world.sessions.expect_rotate().once().in_sequence(&mut order).returning(rotated);
    let found = |_: &Email| Ok(Some(user()));
    world.users.expect_find_by_email().once().in_sequence(&mut order).returning(found);
    world.issues();
    assert!(refresh(&world.auth()).await.is_ok());
}

#[tokio::test]
async fn a_retry_is_given_the_child_that_the_store_holds_and_no_other() {
    for (holder, good) in [(1, true), (3, true), (2, false)] {
        let mut world = World::new();
        let child = refresh_token().child(&refresh_key(holder));
        let current = child.digest();
        world.rotates(move |_| Rotated::Retry(Session { current, ..session() }));
        if good {
            world.finds(|| Ok(Some(user())));
            world.issues();
        }
        let auth = world.auth_with(|settings| {
            settings.previous_master_secret = Some(MasterSecret::new([3; 32]).unwrap());
        });
        let outcome = refresh(&auth).await;
        assert_eq!(outcome.is_ok(), good, "{holder}");
        if let Ok(refreshed) = outcome {
            assert_eq!(refreshed.refresh_token.digest(), current);
        }
    }
}

#[tokio::test]
async fn a_token_issued_under_the_previous_secret_goes_on_under_the_current_one() {
    let mut world = World::new();
    world.rotates(|rotation| {
        assert_eq!(rotation.next, refresh_token().child(&refresh_key(8)).digest());
        Rotated::Rotated(session())
    });
    world.finds(|| Ok(Some(user())));
    world.issues();
    let auth = world.auth_with(|settings| {
        settings.master_secret = MasterSecret::new([8; 32]).unwrap();
        settings.previous_master_secret = Some(MasterSecret::new([1; 32]).unwrap());
    });
    assert!(refresh(&auth).await.unwrap().refresh_token.is_of(&refresh_key(8)));
}

#[tokio::test]
async fn a_session_does_not_go_on_for_an_account_that_changed() {
    let gone = || Ok(None);
    let disabled = || Ok(Some(User { disabled: true, ..user() }));
    let changed = || Ok(Some(User { credential_version: CredentialVersion::new(4), ..user() }));
    let another = || Ok(Some(User { id: UserId::from_entropy_bytes([1; 16]), ..user() }));
    let unreadable = || Err(corrupt());
    for found in [gone as fn() -> _, disabled, changed, another, unreadable] {
        let mut world = World::new();
        world.rotates(|_| Rotated::Rotated(session()));
        world.finds(found);
        assert!(matches!(refresh(&world.auth()).await, Err(RefreshError::Rejected)));
    }
}

#[tokio::test]
async fn a_theft_is_an_event_and_looks_to_the_thief_like_any_other_refusal() {
    let mut world = World::new();
    world.rotates(|_| Rotated::Reused(session()));
    let events = Arc::clone(&world.events);
    assert!(matches!(refresh(&world.auth()).await, Err(RefreshError::Rejected)));
    assert!(events.0.lock().unwrap().contains(&EventKind::RefreshTokenReused));
}

#[tokio::test]
async fn a_session_that_cannot_be_read_is_none_and_a_store_that_is_down_is_not() {
    for (error, code) in
        [(corrupt as fn() -> _, ErrorCode::RefreshTokenInvalid), (lost, ErrorCode::Unavailable)]
    {
        let mut world = World::new();
        world.sessions.expect_rotate().once().returning(move |_| Err(error()));
        assert_eq!(refresh(&world.auth()).await.unwrap_err().code(), code);
    }
}

fn lost() -> PortError {
    down("session_store.rotate")
}

// Sessions.

#[tokio::test]
async fn nobody_acts_for_an_account_whose_session_or_version_is_over() {
    let other = CredentialVersion::new(4);
    let ended = || Ok(None);
    let expired = || Ok(Some(Session { expires_at: NOW, ..session() }));
    let older = || Ok(Some(Session { credential_version: CredentialVersion::new(2), ..session() }));
    for found in [ended as fn() -> _, expired, older] {
        let mut world = World::new();
        world.sessions.expect_find().once().returning(move |_| found());
        world.users.expect_find_by_email().returning(|_| Ok(Some(user())));
        let outcome = world.auth().list_sessions(&claims(), &context()).await;
        assert!(matches!(outcome, Err(SessionError::Rejected(_))));
    }
    for user in [
        User { disabled: true, ..user() },
        User { credential_version: other, ..user() },
        User { id: UserId::from_entropy_bytes([1; 16]), ..user() },
    ] {
        let mut world = World::new();
        world.sessions.expect_find().once().returning(|_| Ok(Some(session())));
        world.finds(move || Ok(Some(user.clone())));
        let outcome = world.auth().end_all_sessions(&claims(), &context()).await;
        assert!(matches!(outcome, Err(SessionError::Rejected(_))));
    }
}

#[tokio::test]
async fn a_token_from_before_a_change_acts_for_the_session_that_was_stamped_anew() {
    let version = CredentialVersion::new(4);
    let mut world = World::new();
    let restamped = move || Session { credential_version: version, ..session() };
    world.sessions.expect_find().once().returning(move |_| Ok(Some(restamped())));
    world.finds(move || Ok(Some(User { credential_version: version, ..user() })));
    world.sessions.expect_list().once().returning(move |_| Ok(vec![restamped()]));
    let listed = world.auth().list_sessions(&claims(), &context()).await.unwrap();
    assert!(listed[0].current);
}

#[tokio::test]
async fn dead_sessions_are_not_listed_and_the_last_used_comes_first() {
    let at = |id: u8, seconds| Session {
        key: SessionKey { id: SessionId::from_entropy_bytes([id; 16]), ..key() },
        last_used_at: NOW + Duration::from_secs(seconds),
        ..session()
    };
    let dead = Session { credential_version: CredentialVersion::FIRST, ..at(3, 9) };
    let expired = Session { idle_expires_at: NOW, ..at(4, 9) };
    let mut world = World::new();
    world.is_current();
    let rows = vec![at(1, 1), dead, at(2, 2), expired, session()];
    world.sessions.expect_list().once().returning(move |_| Ok(rows.clone()));
    let listed = world.auth().list_sessions(&claims(), &context()).await.unwrap();
    let seen: Vec<_> = listed.iter().map(|info| (info.id, info.current)).collect();
    let id = |id| SessionId::from_entropy_bytes([id; 16]);
    assert_eq!(seen, [(id(2), false), (id(1), false), (key().id, true)]);
}

#[tokio::test]
async fn all_sessions_end_by_one_bump_whoever_bumps_before_and_whatever_becomes_of_their_rows() {
    let mut world = World::new();
    world.sessions.expect_find().once().returning(|_| Ok(Some(session())));
    let again = CredentialVersion::new(4);
    let mut found = [user(), User { credential_version: again, ..user() }].into_iter();
    world.users.expect_find_by_email().times(2).returning(move |_| Ok(found.next()));
    let stale = |update: &CredentialUpdate| update.expected == CredentialVersion::new(3);
    world.users.expect_update_credentials().once().withf(stale).returning(|_| Ok(Update::Stale));
    world
        .users
        .expect_update_credentials()
        .once()
        .withf(move |update| update.expected == again && update.next == again.next())
        .returning(|_| Ok(Update::Updated));
    world.sessions.expect_end_all().once().returning(|_, _| Err(down("session_store.end_all")));
    assert!(world.auth().end_all_sessions(&claims(), &context()).await.is_ok());
}

#[tokio::test]
async fn the_oldest_sessions_beyond_the_cap_end_and_dead_ones_before_them() {
    let aged = |id: u8, hours| Session {
        key: SessionKey { id: SessionId::from_entropy_bytes([id; 16]), ..key() },
        created_at: NOW - Duration::from_hours(hours),
        ..session()
    };
    let dead = Session { credential_version: CredentialVersion::FIRST, ..aged(4, 0) };
    let rows = vec![aged(1, 1), aged(2, 3), dead, aged(3, 2)];
    let mut world = World::new();
    world.attempt_is_let_in();
    world.finds(|| Ok(Some(user())));
    world.verifies_once(true, || Ok(Verification::Match));
    world.sessions.expect_create().once().returning(|_| Ok(()));
    world.issues();
    world.attempts.expect_clear().once().returning(|_| Ok(()));
    world.users.expect_touch_last_login().once().returning(|_, _| Ok(Update::Updated));
    world.sessions.expect_list().once().returning(move |_| Ok(rows.clone()));
    let ended = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&ended);
    world.sessions.expect_end().times(2).returning(move |key| {
        seen.lock().unwrap().push(key.id);
        Ok(Update::Updated)
    });
    let two = std::num::NonZeroUsize::new(2).unwrap();
    let auth = world.auth_with(|settings| settings.sessions_per_account = two);
    assert!(login(&auth).await.is_ok());
    let id = |id| SessionId::from_entropy_bytes([id; 16]);
    assert_eq!(*ended.lock().unwrap(), [id(4), id(2)]);
}

// Change of password.

pub(super) async fn change_password(
    auth: &Auth,
    new: &str,
) -> Result<PasswordChanged, ChangePasswordError> {
    let request = ChangePasswordRequest {
        current_password: password(),
        new_password: Password::new(new).unwrap(),
    };
    auth.change_password(&claims(), request, &context()).await
}

#[tokio::test]
async fn a_change_of_password_restamps_the_session_that_asked_and_ends_the_others() {
    let version = CredentialVersion::new(4);
    let mut world = World::new();
    world.is_current();
    world.proves(Verification::Match);
    world.hashes_once();
    world.queues(|job| matches!(job, MailJob::PasswordChanged { .. }));
    world
        .users
        .expect_update_credentials()
        .once()
        .withf(move |update| update.next == version && sets_hash(update, "new"))
        .returning(|_| Ok(Update::Updated));
    let restamped = move |k: &SessionKey, from: &_, to: &_| {
        (*k, *from, *to) == (key(), CredentialVersion::new(3), version)
    };
    world
        .sessions
        .expect_restamp()
        .once()
        .withf(restamped)
        .returning(|_, _, _| Ok(Update::Updated));
    let the_older =
        move |id: &UserId, older: &Option<_>| (*id, *older) == (user().id, Some(version));
    world.sessions.expect_end_all().once().withf(the_older).returning(|_, _| Ok(()));
    let stamped = move |claims: &Claims| claims.credential_version == version;
    world
        .issuer
        .expect_issue()
        .once()
        .withf(stamped)
        .returning(|_| Ok(SignedToken::new("token".into())));
    assert!(change_password(&world.auth(), GOOD).await.is_ok());
}

#[tokio::test]
async fn a_wrong_current_password_is_counted_and_changes_nothing() {
    let mut world = World::new();
    world.is_current();
    world.proves(Verification::Mismatch);
    let outcome = change_password(&world.auth(), GOOD).await;
    let wrong = matches!(outcome, Err(ChangePasswordError::NotProved(ProofError::WrongPassword)));
    assert!(wrong);
}

#[tokio::test]
async fn who_guesses_the_current_password_waits_as_at_login() {
    let mut world = World::new();
    world.is_current();
    world.has_a_free_slot();
    let wait = Attempt::Wait { retry_after: Duration::from_secs(2) };
    world.attempts.expect_begin().once().returning(move |_, _, _| Ok(wait));
    let error = change_password(&world.auth(), GOOD).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::TooManyAttempts);
}

#[tokio::test]
async fn a_refused_new_password_costs_no_attempt_and_no_hash() {
    let mut world = World::new();
    world.is_current();
    let outcome = change_password(&world.auth(), "short").await;
    assert!(matches!(outcome, Err(ChangePasswordError::PasswordRefused(_))));
}

#[tokio::test]
async fn a_change_overtaken_by_another_is_a_conflict() {
    let mut world = World::new();
    world.is_current();
    world.proves(Verification::Match);
    world.hashes_once();
    world.queues(|_| true);
    world.users.expect_update_credentials().once().returning(|_| Ok(Update::Stale));
    let outcome = change_password(&world.auth(), GOOD).await;
    assert!(matches!(outcome, Err(ChangePasswordError::Conflict)));
}

// Change of address.

fn change_token(secret: u8, expires_at: Timestamp) -> EmailChangeToken {
    let key = MasterSecret::new([secret; 32]).unwrap().derive(Purpose::EmailChangeLinks);
    EmailChangeToken::sign(&key, link_claims(expires_at), new_email())
}

fn link_claims(expires_at: Timestamp) -> crate::link::LinkClaims {
    crate::link::LinkClaims {
        user_id: user().id,
        credential_version: user().credential_version,
        expires_at,
        email: email(),
    }
}

fn new_email() -> Email {
    Email::parse("new@example.com").unwrap()
}

const SOON: Timestamp = Timestamp::from_seconds(1_700_000_001);

#[tokio::test]
async fn a_request_for_another_address_changes_nothing_and_looks_at_no_other_account() {
    let mut world = World::new();
    world.is_current();
    world.limiter.expect_hit().once().returning(|_, _, _| Ok(RateDecision::Allow));
    world.proves(Verification::Match);
    world.queues(
        |job| matches!(job, MailJob::ConfirmNewEmail { new_email: new, .. } if *new == new_email()),
    );
    let request = ChangeEmailRequest { new_email: new_email(), current_password: password() };
    assert!(world.auth().request_email_change(&claims(), request, &context()).await.is_ok());
}

#[tokio::test]
async fn a_link_to_another_address_moves_the_account_at_its_version_alone() {
    let mut world = World::new();
    let mut free = [Some(user()), None].into_iter();
    world.users.expect_find_by_email().times(2).returning(move |_| Ok(free.next().flatten()));
    world.queues(|job| matches!(job, MailJob::EmailChanged { email: old, .. } if *old == email()));
    world
        .users
        .expect_change_email()
        .once()
        .withf(|change| {
            change.expected == CredentialVersion::new(3)
                && change.next == CredentialVersion::new(4)
                && change.new_email == new_email()
        })
        .returning(|_| Ok(EmailUpdate::Updated));
    let older = |_: &UserId, older: &Option<_>| *older == Some(CredentialVersion::new(4));
    world.sessions.expect_end_all().once().withf(older).returning(|_, _| Ok(()));
    world.reset_tokens.expect_delete_all().once().returning(|_, _| Ok(()));
    world.attempts.expect_clear().once().returning(|_| Ok(()));
    let outcome = world.auth().confirm_email_change(change_token(1, SOON), &context()).await;
    assert!(outcome.is_ok());
}

#[tokio::test]
async fn a_link_that_is_forged_or_expired_reads_no_store() {
    for (secret, expires_at) in [(2, SOON), (1, NOW)] {
        let auth = World::new().auth();
        let outcome = auth.confirm_email_change(change_token(secret, expires_at), &context()).await;
        assert!(matches!(outcome, Err(ConfirmEmailError::InvalidToken)));
        let key = MasterSecret::new([secret; 32]).unwrap().derive(Purpose::VerificationLinks);
        let token = VerificationToken::sign(&key, link_claims(expires_at));
        let outcome = auth.verify_email(token, &context()).await;
        assert!(matches!(outcome, Err(VerifyEmailError::InvalidToken)));
    }
}

#[tokio::test]
async fn links_die_with_the_account_or_version_they_were_made_for() {
    let gone = || Ok(None);
    let disabled = || Ok(Some(User { disabled: true, ..user() }));
    let changed = || Ok(Some(User { credential_version: CredentialVersion::new(4), ..user() }));
    let another = || Ok(Some(User { id: UserId::from_entropy_bytes([1; 16]), ..user() }));
    for found in [gone as fn() -> _, disabled, changed, another] {
        let mut world = World::new();
        world.finds(found);
        let outcome = world.auth().confirm_email_change(change_token(1, SOON), &context()).await;
        assert!(matches!(outcome, Err(ConfirmEmailError::InvalidToken)));
        let mut world = World::new();
        world.finds(found);
        let outcome = world.auth().verify_email(verification_token(), &context()).await;
        assert!(matches!(outcome, Err(VerifyEmailError::InvalidToken)));
    }
}

// Verification.

fn verification_token() -> VerificationToken {
    let key = MasterSecret::new([1; 32]).unwrap().derive(Purpose::VerificationLinks);
    VerificationToken::sign(&key, link_claims(SOON))
}

#[tokio::test]
async fn an_address_is_confirmed_without_ending_what_was_issued() {
    let mut world = World::new();
    world.finds(|| Ok(Some(user())));
    world
        .users
        .expect_update_credentials()
        .once()
        .withf(|update| {
            update.next == update.expected
                && update.updated_at == user().updated_at
                && matches!(update.change, CredentialChange::EmailVerified(NOW))
        })
        .returning(|_| Ok(Update::Updated));
    assert!(world.auth().verify_email(verification_token(), &context()).await.is_ok());
    let mut again = World::new();
    again.finds(|| Ok(Some(User { email_verified_at: Some(NOW), ..user() })));
    assert!(again.auth().verify_email(verification_token(), &context()).await.is_ok());
}

#[tokio::test]
async fn an_unverified_account_costs_and_answers_as_a_wrong_password_does() {
    let mut world = World::new();
    world.attempt_is_let_in();
    world.finds(|| Ok(Some(user())));
    world.verifies_once(false, || Ok(Verification::Match));
    let events = Arc::clone(&world.events);
    let auth = world.auth_with(|s| s.email_verification = EmailVerification::RequireVerified);
    assert!(matches!(login(&auth).await, Err(LoginError::Rejected)));
    let failure = Some(LoginFailure::Unverified);
    let refused = EventKind::LoginRefused { code: ErrorCode::CredentialsRejected, failure };
    assert!(events.0.lock().unwrap().contains(&refused));
}

fn private(settings: &mut Settings) {
    settings.email_verification = EmailVerification::RequireVerified;
    settings.registration = RegistrationMode::Private;
}

#[tokio::test]
async fn a_private_registration_does_the_same_for_a_taken_address_as_for_a_free_one() {
    let mut world = World::new();
    world.hashes_once();
    world.users.expect_insert().never();
    world.users.expect_find_by_email().never();
    world.queues(|job| matches!(job, MailJob::SignUp { sign_up, .. } if sign_up.email == email()));
    let request = RegisterRequest { email: email(), password: password(), name: user().name };
    let outcome = world.auth_with(private).register(request, &context()).await;
    assert!(matches!(outcome, Ok(Registration::Mailed)));
}

fn sign_up_job(user_id: UserId) -> MailJob {
    let password_hash = PasswordHash::from_stored("of the password");
    let name = user().name;
    let sign_up = SignUp { user_id, email: email(), name, password_hash, at: NOW };
    MailJob::SignUp { sign_up, locale: Locale::EN }
}

#[tokio::test]
async fn a_private_sign_up_that_runs_twice_makes_one_account_and_sends_its_link_twice() {
    for inserted in [Insert::Inserted, Insert::EmailTaken] {
        let mut world = World::new();
        world.users.expect_insert().once().returning(move |_| Ok(inserted));
        world.finds(|| Ok(Some(user())));
        world.limiter.expect_hit().times(3).returning(|_, _, _| Ok(RateDecision::Allow));
        world
            .mailer
            .expect_send()
            .once()
            .withf(|mail| mail.content.text.contains("https://"))
            .returning(|_| Ok(()));
        let sent = delivered(&world.auth_with(private), &sign_up_job(user().id)).await;
        assert_eq!(sent, Ok(Delivery::Sent));
    }
}

#[tokio::test]
async fn a_private_sign_up_that_cannot_be_written_is_tried_again() {
    let mut world = World::new();
    world.users.expect_insert().once().returning(|_| Err(down("user_store.insert")));
    let outcome = world.auth_with(private).deliver(&sign_up_job(user().id)).await;
    assert!(matches!(outcome, Err(error) if error.is_transient()));
}

#[tokio::test]
async fn an_open_registration_is_good_though_its_mail_was_not_queued() {
    let mut world = World::new();
    world.hashes_once();
    world.users.expect_insert().once().returning(|_| Ok(Insert::Inserted));
    world.mail_queue.expect_enqueue().once().returning(|_| Err(down("mail_queue.enqueue")));
    let request = RegisterRequest { email: email(), password: password(), name: user().name };
    let auth = world.auth_with(|settings| settings.email_verification = EmailVerification::Asked);
    let outcome = auth.register(request, &context()).await;
    assert!(matches!(outcome, Ok(Registration::Made(_))));
}

fn verification_job(registered: Option<UserId>) -> MailJob {
    let (id, locale) = (JobId::from_bytes([1; 16]), Locale::EN);
    MailJob::VerifyEmail { id, email: email(), registered, requested_at: NOW, locale }
}

#[tokio::test]
async fn who_signs_up_with_a_taken_address_gets_no_link_to_confirm_it_with() {
    let stranger = Some(UserId::from_entropy_bytes([1; 16]));
    for verified in [None, Some(NOW)] {
        let mut world = World::new();
        world.finds(move || Ok(Some(User { email_verified_at: verified, ..user() })));
        world.limiter.expect_hit().times(3).returning(|_, _, _| Ok(RateDecision::Allow));
        world
            .mailer
            .expect_send()
            .once()
            .withf(|mail| !mail.content.text.contains("https://"))
            .returning(|_| Ok(()));
        let sent = delivered(&world.auth(), &verification_job(stranger)).await;
        assert_eq!(sent, Ok(Delivery::Sent));
    }
}

#[tokio::test]
async fn a_confirmed_or_absent_address_is_sent_no_link() {
    let mut world = World::new();
    world.finds(|| Ok(Some(User { email_verified_at: Some(NOW), ..user() })));
    let job = verification_job(None);
    assert_eq!(delivered(&world.auth(), &job).await, skipped(SkipReason::AlreadyVerified));
    let mut world = World::new();
    world.finds(|| Ok(None));
    assert_eq!(delivered(&world.auth(), &job).await, skipped(SkipReason::UnknownAccount));
}

// The end of an account.

#[tokio::test]
async fn an_old_session_deletes_nothing_without_the_password() {
    let mut world = World::new();
    let created_at = NOW - Duration::from_secs(301);
    world
        .sessions
        .expect_find()
        .once()
        .returning(move |_| Ok(Some(Session { created_at, ..session() })));
    world.finds(|| Ok(Some(user())));
    let outcome = world.auth().delete_account(&claims(), None, &context()).await;
    assert!(matches!(outcome, Err(DeleteAccountError::RecentLoginNeeded)));
}

#[tokio::test]
async fn the_owner_is_told_before_anything_is_deleted() {
    let mut world = World::new();
    world.is_current();
    world.mail_queue.expect_enqueue().once().returning(|_| Err(down("mail_queue.enqueue")));
    let outcome = world.auth().delete_account(&claims(), None, &context()).await;
    assert!(matches!(outcome, Err(DeleteAccountError::Port(_))));
}

fn deletion() -> MailJob {
    let (email, user_id) = (email(), user().id);
    MailJob::AccountDeleted { email, user_id, deleted_at: NOW, locale: Locale::EN }
}

#[tokio::test]
async fn the_job_of_a_deletion_removes_what_a_crash_left() {
    let mut world = World::new();
    world.finds(|| Ok(None));
    world.users.expect_find_by_id().once().returning(|_| Ok(None));
    world.sessions.expect_end_all().once().returning(|_, _| Ok(()));
    world.reset_tokens.expect_delete_all().once().returning(|_, _| Ok(()));
    world.limiter.expect_hit().times(2).returning(|_, _, _| Ok(RateDecision::Allow));
    world.mailer.expect_send().once().returning(|_| Ok(()));
    assert_eq!(delivered(&world.auth(), &deletion()).await, Ok(Delivery::Sent));
}

#[tokio::test]
async fn the_job_of_a_deletion_that_has_not_happened_removes_nothing() {
    let mut world = World::new();
    world.users.expect_find_by_email().returning(|_| Ok(Some(user())));
    world.users.expect_find_by_id().returning(|_| Ok(Some(user())));
    assert_eq!(delivered(&world.auth(), &deletion()).await, Err(true));
}

// Operators.

#[tokio::test]
async fn an_operator_wins_against_a_few_others_and_gives_up_against_many() {
    for (losses, wins) in [(4, true), (5, false)] {
        let mut world = World::new();
        world.users.expect_find_by_email().returning(|_| Ok(Some(user())));
        let mut left = losses;
        world.users.expect_update_credentials().returning(move |_| {
            left -= 1;
            Ok(if left < 0 { Update::Updated } else { Update::Stale })
        });
        world.sessions.expect_end_all().returning(|_, _| Ok(()));
        let key = UserKey { email: email(), id: user().id };
        let outcome = world.auth().admin().disable(&key).await;
        assert_eq!(outcome.is_ok(), wins);
    }
}

#[tokio::test]
async fn a_forced_change_takes_the_password_away_and_mails_a_link_that_is_not_older() {
    let mut world = World::new();
    world.finds(|| Ok(Some(user())));
    world
        .users
        .expect_update_credentials()
        .once()
        .withf(|update| {
            matches!(update.change, CredentialChange::PasswordRemoved)
                && update.next == update.expected.next()
                && update.updated_at == NOW
        })
        .returning(|_| Ok(Update::Updated));
    world.sessions.expect_end_all().once().returning(|_, _| Ok(()));
    world.queues(|job| matches!(job, MailJob::PasswordReset { requested_at: NOW, .. }));
    let key = UserKey { email: email(), id: user().id };
    assert!(world.auth().admin().force_password_change(&key, &context()).await.is_ok());
}
