//! Attacks on refresh tokens, races, and what the clock does.

use std::sync::Arc;
use std::time::Duration;

use adapters_local::memory::{MemorySessions, MemoryUsers};
use adapters_local::{Testing, testing, testing_with};
use async_trait::async_trait;
use auth_domain::ports::{Rotated, Rotation, SessionStore, Update, UserStore};
use auth_domain::{
    Auth, AuthenticateError, CredentialVersion, DisplayName, Email, EventKind, Login, LoginRequest,
    LogoutError, MasterSecret, Password, PortError, PortErrorKind, Ports, RefreshError,
    RefreshToken, RegisterRequest, RequestContext, ResetRequest, Session, SessionId, SessionKey,
    TokenCheck, UserId,
};

use crate::histories::races;

const PASSWORD: &str = "correct horse battery";
const DAY: Duration = Duration::from_hours(24);
const INSTANT: Duration = Duration::from_micros(1);

fn ann() -> Email {
    Email::parse("ann@example.com").unwrap()
}

fn context() -> RequestContext {
    RequestContext::new()
}

async fn register(world: &Testing) {
    let (password, name) = (Password::new(PASSWORD).unwrap(), DisplayName::parse("Ann").unwrap());
    let request = RegisterRequest { email: ann(), password, name };
    world.auth.register(request, &context()).await.unwrap();
}

async fn login(world: &Testing) -> Login {
    let request = LoginRequest { email: ann(), password: Password::new(PASSWORD).unwrap() };
    world.auth.login(request, &context()).await.unwrap()
}

/// A world with Ann in it, and the token of her first session.
async fn ann_in(world: &Testing) -> RefreshToken {
    register(world).await;
    login(world).await.refresh_token
}

async fn refresh(auth: &Auth, token: &RefreshToken) -> Result<RefreshToken, RefreshError> {
    let refreshed = auth.refresh(token.clone(), &context()).await;
    refreshed.map(|refreshed| refreshed.refresh_token)
}

fn is_rejected<T>(answer: &Result<T, RefreshError>) -> bool {
    matches!(answer, Err(RefreshError::Rejected))
}

async fn live_sessions(world: &Testing) -> Vec<SessionId> {
    let account = world.auth.admin().look_up(&ann()).await.unwrap();
    account.sessions.iter().map(|session| session.id).collect()
}

fn stores() -> (Arc<dyn UserStore>, Arc<dyn SessionStore>) {
    (Arc::new(MemoryUsers::new()), Arc::new(MemorySessions::new()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a2_of_32_refreshes_of_one_token_one_line_survives() {
    let (users, sessions) = stores();
    races::of_32_refreshes_of_one_token_one_line_survives(users, sessions).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a2_of_32_refreshes_that_take_too_long_one_line_survives_or_none() {
    let (users, sessions) = stores();
    races::of_32_refreshes_that_take_too_long_one_line_survives_or_none(users, sessions).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a7_no_session_older_than_a_change_survives() {
    let (users, sessions) = stores();
    races::no_session_older_than_a_change_survives(users, sessions).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_logout_among_refreshes_is_final() {
    let (users, sessions) = stores();
    races::a_logout_among_refreshes_is_final(users, sessions).await;
}

#[tokio::test]
async fn b1_a_spent_token_ends_the_family_and_raises_an_event() {
    let world = testing();
    let spent = ann_in(&world).await;
    let other = login(&world).await.refresh_token;
    let child = refresh(&world.auth, &spent).await.unwrap();
    world.clock.advance(Session::RETRY_WINDOW + INSTANT);
    assert!(is_rejected(&refresh(&world.auth, &spent).await));
    let raised = |kind| world.events.kinds().iter().filter(|k| **k == kind).count();
    assert_eq!(raised(EventKind::RefreshTokenReused), 1);
    assert!(is_rejected(&refresh(&world.auth, &child).await), "a descendant lives");
    assert!(is_rejected(&refresh(&world.auth, &spent).await));
    assert_eq!(raised(EventKind::RefreshTokenReused), 1, "a family that is over was raised again");
    refresh(&world.auth, &other).await.expect("another family is none of it");
}

#[tokio::test]
async fn b1_within_the_window_a_token_is_retried_only_until_its_child_is_used() {
    let world = testing();
    let first = ann_in(&world).await;
    let second = refresh(&world.auth, &first).await.unwrap();
    world.clock.advance(Session::RETRY_WINDOW);
    let again = refresh(&world.auth, &first).await.unwrap();
    assert_eq!(*again.expose(), *second.expose(), "a second branch");
    let third = refresh(&world.auth, &second).await.unwrap();
    assert!(is_rejected(&refresh(&world.auth, &first).await));
    assert!(is_rejected(&refresh(&world.auth, &third).await), "the family lives");
}

/// Every way to end a session, and whether it changes the account, which is all that
/// [`TokenCheck::Strict`] looks at.
#[derive(Clone, Copy, Debug)]
enum End {
    Logout,
    One,
    Reuse,
    All,
    Reset,
    Disable,
}

const ENDS: [(End, bool); 6] = [
    (End::Logout, false),
    (End::One, false),
    (End::Reuse, false),
    (End::All, true),
    (End::Reset, true),
    (End::Disable, true),
];

async fn end(world: &Testing, login: &Login, how: End) {
    let Testing { auth, .. } = world;
    let claims = auth.authenticate(login.access_token.expose()).await.unwrap();
    let token = login.refresh_token.clone();
    match how {
        End::Logout => auth.logout(token, &context()).await.unwrap(),
        End::One => auth.end_session(&claims, login.session_id, &context()).await.unwrap(),
        End::Reuse => {
            refresh(auth, &token).await.unwrap();
            world.clock.advance(Session::RETRY_WINDOW + INSTANT);
            assert!(is_rejected(&refresh(auth, &token).await));
        }
        End::All => auth.end_all_sessions(&claims, &context()).await.unwrap(),
        End::Reset => {
            auth.request_password_reset(ann(), &context()).await.unwrap();
            world.deliver_mail().await;
            let token = world.reset_token(&ann()).unwrap();
            let new_password = Password::new("a brand new staple").unwrap();
            auth.reset_password(ResetRequest { token, new_password }, &context()).await.unwrap();
        }
        End::Disable => {
            let key = auth.admin().look_up(&ann()).await.unwrap().key;
            auth.admin().disable(&key).await.unwrap();
        }
    }
}

#[tokio::test]
async fn b8_a_strict_check_does_not_outlive_a_revocation() {
    for check in [TokenCheck::Strict, TokenCheck::StrictSession, TokenCheck::TokenOnly] {
        for (how, is_of_the_account) in ENDS {
            let world = testing_with(|_, settings| settings.token_check = check);
            register(&world).await;
            let login = login(&world).await;
            let before = world.auth.authenticate(login.access_token.expose()).await;
            before.expect("good before, so that whoever kept that answer is found out");
            end(&world, &login, how).await;
            let after = world.auth.authenticate(login.access_token.expose()).await;
            let is_over = match check {
                TokenCheck::StrictSession => true,
                TokenCheck::Strict => is_of_the_account,
                _ => false,
            };
            let is_refused = matches!(after, Err(AuthenticateError::Rejected(_)));
            assert_eq!(is_refused, is_over, "{check:?} after {how:?}: {after:?}");
        }
    }
}

#[tokio::test]
async fn a_session_ends_after_14_days_unused_and_not_a_moment_before() {
    let world = testing();
    let token = ann_in(&world).await;
    world.clock.advance(14 * DAY - INSTANT);
    let token = refresh(&world.auth, &token).await.expect("a moment before");
    world.clock.advance(14 * DAY);
    assert!(is_rejected(&refresh(&world.auth, &token).await));
    assert_eq!(live_sessions(&world).await, []);
}

#[tokio::test]
async fn a_session_ends_after_30_days_however_much_it_is_used() {
    let world = testing();
    let mut token = ann_in(&world).await;
    for _ in 0..29 {
        world.clock.advance(DAY);
        token = refresh(&world.auth, &token).await.unwrap();
    }
    world.clock.advance(DAY - INSTANT);
    token = refresh(&world.auth, &token).await.expect("a moment before");
    world.clock.advance(INSTANT);
    assert!(is_rejected(&refresh(&world.auth, &token).await));
}

#[tokio::test]
async fn a_clock_that_jumps_an_hour_back_and_forth_keeps_an_honest_client_in() {
    let world = testing();
    let mut token = ann_in(&world).await;
    let hour = Duration::from_hours(1);
    for _ in 0..3 {
        world.clock.set(now(&world) - hour);
        token = refresh(&world.auth, &token).await.expect("an hour back");
        let again = refresh(&world.auth, &token).await.expect("twice there");
        world.clock.advance(hour);
        token = refresh(&world.auth, &again).await.expect("and forth");
    }
    world.clock.advance(15 * DAY);
    assert!(is_rejected(&refresh(&world.auth, &token).await), "by that clock it is over");
    world.clock.set(now(&world) - 15 * DAY);
    refresh(&world.auth, &token).await.expect("a clock that ran ahead has ended nothing");
}

#[tokio::test]
async fn a_clock_set_back_gives_a_thief_no_more_time() {
    let world = testing();
    let spent = ann_in(&world).await;
    world.clock.advance(Duration::from_hours(1));
    let child = refresh(&world.auth, &spent).await.unwrap();
    world.clock.set(now(&world) - Duration::from_hours(1));
    assert!(is_rejected(&refresh(&world.auth, &spent).await));
    assert!(is_rejected(&refresh(&world.auth, &child).await), "the family lives");
}

fn now(world: &Testing) -> auth_domain::Timestamp {
    auth_domain::ports::Clock::now(&*world.clock)
}

#[tokio::test]
async fn the_51st_login_ends_the_oldest_session() {
    let world = testing();
    register(&world).await;
    let mut opened = Vec::new();
    for _ in 0..50 {
        world.clock.advance(Duration::from_secs(1));
        opened.push(login(&world).await);
    }
    assert_eq!(live_sessions(&world).await.len(), 50);
    // By when they were opened, not by when they were used.
    let oldest = refresh(&world.auth, &opened[0].refresh_token).await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    login(&world).await;
    let live = live_sessions(&world).await;
    assert_eq!(live.len(), 50);
    assert!(!live.contains(&opened[0].session_id) && live.contains(&opened[1].session_id));
    assert!(is_rejected(&refresh(&world.auth, &oldest).await));
    refresh(&world.auth, &opened[1].refresh_token).await.unwrap();
}

#[tokio::test]
async fn sessions_that_are_over_go_before_the_oldest_that_lives() {
    let world = testing();
    register(&world).await;
    let oldest = login(&world).await;
    for _ in 0..49 {
        world.clock.advance(Duration::from_secs(1));
        login(&world).await;
    }
    world.clock.advance(10 * DAY);
    let oldest = refresh(&world.auth, &oldest.refresh_token).await.unwrap();
    world.clock.advance(10 * DAY);
    assert_eq!(live_sessions(&world).await.len(), 1, "the others are unused for 20 days");
    login(&world).await;
    assert_eq!(live_sessions(&world).await.len(), 2);
    assert_eq!(world.sessions.list(user_id(&world).await).await.unwrap().len(), 50);
    refresh(&world.auth, &oldest).await.expect("the dead went first");
}

async fn user_id(world: &Testing) -> UserId {
    world.users.find_by_email(&ann()).await.unwrap().unwrap().id
}

/// The world's service over a store that cannot be reached.
fn testing_with_a_dead_end() -> (Testing, Auth) {
    let mut dead_end = None;
    let world = testing_with(|ports, settings| {
        let ports = Ports { sessions: Arc::new(Unreachable), ..ports.clone() };
        dead_end = Auth::new(ports, settings.clone()).ok();
    });
    (world, dead_end.unwrap())
}

#[tokio::test]
async fn what_was_never_issued_reaches_no_store_and_ends_no_session() {
    let (world, dead_end) = testing_with_a_dead_end();
    let good = ann_in(&world).await;
    let text = good.expose();
    let (name, rest) = text.split_once('.').unwrap();
    for place in 0..rest.len() {
        let other = if rest.as_bytes()[place] == b'A' { "B" } else { "A" };
        let forged = format!("{name}.{}{other}{}", &rest[..place], &rest[place + 1..]);
        let Ok(forged) = RefreshToken::parse(&forged) else {
            panic!("as long as a token, and with the name of a session: {place}");
        };
        assert_eq!(forged.session(), good.session());
        assert!(is_rejected(&refresh(&dead_end, &forged).await), "place {place} is not looked at");
        let logout = dead_end.logout(forged.clone(), &context()).await;
        assert!(matches!(logout, Err(LogoutError::Rejected)), "place {place}: {logout:?}");
        assert!(is_rejected(&refresh(&world.auth, &forged).await));
    }
    let reached = refresh(&dead_end, &good).await;
    assert!(matches!(reached, Err(RefreshError::Port(_))), "the dead end is none: {reached:?}");
    refresh(&world.auth, &good).await.expect("no forgery ended the session");
}

#[tokio::test]
async fn a_token_of_one_session_is_not_one_of_another() {
    let world = testing();
    register(&world).await;
    let (one, other) = (login(&world).await, login(&world).await);
    let (one, other) = (one.refresh_token.expose(), other.refresh_token.expose());
    let ((name, _), (_, rest)) = (one.split_once('.').unwrap(), other.split_once('.').unwrap());
    let mixed = RefreshToken::parse(&format!("{name}.{rest}")).unwrap();
    assert!(is_rejected(&refresh(&world.auth, &mixed).await));
    assert_eq!(live_sessions(&world).await.len(), 2);
}

#[tokio::test]
async fn a_retry_at_an_instance_under_another_secret_yields_the_same_child() {
    let mut next = None;
    let world = testing_with(|ports, settings| {
        let secret = MasterSecret::new([8; 32]).unwrap();
        let mut swapped = settings.clone();
        swapped.previous_master_secret = Some(settings.master_secret.clone());
        swapped.master_secret = secret.clone();
        settings.previous_master_secret = Some(secret);
        next = Auth::new(ports.clone(), swapped).ok();
    });
    let (old, new) = (world.auth.clone(), next.unwrap());
    let mut token = ann_in(&world).await;
    for (one, other) in [(&old, &new), (&new, &old), (&new, &new), (&old, &new)] {
        let child = refresh(one, &token).await.unwrap();
        let again = refresh(other, &token).await.unwrap();
        assert_eq!(*child.expose(), *again.expose(), "a second branch");
        token = child;
    }
}

#[tokio::test]
async fn a_token_is_of_no_use_once_both_secrets_are_others() {
    let mut replaced = None;
    let world = testing_with(|ports, settings| {
        let mut settings = settings.clone();
        settings.master_secret = MasterSecret::new([8; 32]).unwrap();
        replaced = Auth::new(ports.clone(), settings).ok();
    });
    let token = ann_in(&world).await;
    assert!(is_rejected(&refresh(&replaced.unwrap(), &token).await));
    refresh(&world.auth, &token).await.expect("it was not taken for a theft");
}

struct Unreachable;

fn unreachable<T>() -> Result<T, PortError> {
    Err(PortError::new(PortErrorKind::Unavailable, "session_store.any"))
}

#[async_trait]
impl SessionStore for Unreachable {
    async fn create(&self, _: Session) -> Result<(), PortError> {
        unreachable()
    }

    async fn find(&self, _: &SessionKey) -> Result<Option<Session>, PortError> {
        unreachable()
    }

    async fn rotate(&self, _: Rotation) -> Result<Rotated, PortError> {
        unreachable()
    }

    async fn restamp(
        &self,
        _: &SessionKey,
        _: CredentialVersion,
        _: CredentialVersion,
    ) -> Result<Update, PortError> {
        unreachable()
    }

    async fn list(&self, _: UserId) -> Result<Vec<Session>, PortError> {
        unreachable()
    }

    async fn end(&self, _: &SessionKey) -> Result<Update, PortError> {
        unreachable()
    }

    async fn end_all(&self, _: UserId, _: Option<CredentialVersion>) -> Result<(), PortError> {
        unreachable()
    }
}
