//! Refreshes that race each other, and whatever ends sessions, over any stores.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use adapters_local::{Testing, testing_with};
use auth_domain::ports::{SessionStore, UserKey, UserStore};
use auth_domain::{
    Auth, ChangePasswordRequest, Claims, DisplayName, Email, Login, LoginError, LoginRequest,
    MasterSecret, Password, RateLimits, RefreshError, RefreshToken, RegisterRequest,
    RequestContext, ResetRequest, ResetToken, SignedToken, TokenCheck,
};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::flaky::Flaky;

const RACERS: usize = 32;
const ROUNDS: usize = 10;
const OLD: &str = "correct horse battery";
const NEW: &str = "a brand new staple";

/// What ends the sessions of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Password,
    Delete,
    Disable,
    EndAll,
    ResetPassword,
}

const CHANGES: [Change; 5] =
    [Change::Password, Change::Delete, Change::Disable, Change::EndAll, Change::ResetPassword];

struct World {
    testing: Testing,
    /// Under the other of two master secrets.
    other_instance: Auth,
    flaky: Arc<Flaky>,
    key: UserKey,
}

impl World {
    /// An account that no other world has.
    async fn new(users: &Arc<dyn UserStore>, sessions: &Arc<dyn SessionStore>, name: &str) -> Self {
        let flaky = Arc::new(Flaky::new(Arc::clone(sessions)));
        let mut other = None;
        let testing = testing_with(|ports, settings| {
            ports.users = Arc::clone(users);
            ports.sessions = Arc::clone(&flaky) as _;
            settings.limits = RateLimits::danger_off();
            settings.attempts = None;
            settings.token_check = TokenCheck::StrictSession;
            let next = MasterSecret::new([8; 32]).expect("32 bytes are enough");
            let mut swapped = settings.clone();
            swapped.previous_master_secret = Some(swapped.master_secret);
            swapped.master_secret = next.clone();
            settings.previous_master_secret = Some(next);
            other = Auth::new(ports.clone(), swapped).ok();
        });
        let email = Email::parse(&format!("{name}@races.example")).expect("an address");
        let name = DisplayName::parse("Ann").expect("a name");
        let request = RegisterRequest { email: email.clone(), password: typed(OLD), name };
        testing.auth.register(request, &RequestContext::new()).await.expect("a free address");
        let user = users.find_by_email(&email).await.expect("answers").expect("is there");
        let key = UserKey { email, id: user.id };
        Self { testing, other_instance: other.expect("the settings hold"), flaky, key }
    }

    fn auth(&self, n: usize) -> Auth {
        if n.is_multiple_of(2) { self.testing.auth.clone() } else { self.other_instance.clone() }
    }

    async fn login(&self) -> Login {
        login(&self.testing.auth, &self.key.email).await.expect("a good login")
    }

    async fn refresh(&self, token: &RefreshToken) -> Result<RefreshToken, RefreshError> {
        let refreshed = self.testing.auth.refresh(token.clone(), &RequestContext::new()).await;
        refreshed.map(|refreshed| refreshed.refresh_token)
    }

    async fn live_sessions(&self) -> usize {
        let account = self.testing.auth.admin().look_up(&self.key.email).await;
        account.expect("is there").sessions.len()
    }

    async fn link(&self) -> ResetToken {
        let auth = &self.testing.auth;
        let asked =
            auth.request_password_reset(self.key.email.clone(), &RequestContext::new()).await;
        asked.expect("a request for a mail");
        self.testing.deliver_mail().await;
        self.testing.reset_token(&self.key.email).expect("a link was mailed")
    }
}

/// Thirty-two callers with one token, at two instances: they are given one child, and of its line one
/// token is good.
pub(crate) async fn of_32_refreshes_of_one_token_one_line_survives(
    users: Arc<dyn UserStore>,
    sessions: Arc<dyn SessionStore>,
) {
    for round in 0..ROUNDS {
        let world = World::new(&users, &sessions, &format!("a2-{round}")).await;
        let token = world.login().await.refresh_token;
        let (children, refused) = refresh_at_once(&world, &token, None).await;
        assert_eq!((children.len(), refused), (1, 0), "children, and refusals");
        assert_eq!(world.live_sessions().await, 1);
        let child = parsed(children.first().expect("one"));
        let grandchild = world.refresh(&child).await.expect("the child is good");
        assert_rejected(world.refresh(&token).await);
        assert_rejected(world.refresh(&grandchild).await);
        assert_eq!(world.live_sessions().await, 0, "a spent token ended the family");
    }
}

/// As above, with more than ten seconds gone somewhere in between: they are given one child, or who came
/// late ended the family.
pub(crate) async fn of_32_refreshes_that_take_too_long_one_line_survives_or_none(
    users: Arc<dyn UserStore>,
    sessions: Arc<dyn SessionStore>,
) {
    for round in 0..ROUNDS {
        let world = World::new(&users, &sessions, &format!("late-{round}")).await;
        let token = world.login().await.refresh_token;
        let late = Duration::from_secs(11);
        let (children, refused) = refresh_at_once(&world, &token, Some(late)).await;
        assert!(children.len() <= 1, "{} children of one token", children.len());
        let child = world.refresh(&parsed(children.first().expect("the first has one"))).await;
        assert_eq!(child.is_ok(), refused == 0, "{refused} refused, and the child: {child:?}");
        assert_eq!(world.live_sessions().await, usize::from(refused == 0));
    }
}

/// The children that were given, and how many callers were refused.
async fn refresh_at_once(
    world: &World,
    token: &RefreshToken,
    passes: Option<Duration>,
) -> (BTreeSet<String>, usize) {
    let start = Arc::new(Barrier::new(RACERS));
    let mut racers = JoinSet::new();
    for n in 0..RACERS {
        let (auth, token, start) = (world.auth(n), token.clone(), Arc::clone(&start));
        let clock = passes.filter(|_| n == RACERS / 2).map(|_| Arc::clone(&world.testing.clock));
        racers.spawn(async move {
            start.wait().await;
            if let (Some(clock), Some(passes)) = (clock, passes) {
                clock.advance(passes);
            }
            auth.refresh(token, &RequestContext::new()).await
        });
    }
    let (mut children, mut refused) = (BTreeSet::new(), 0);
    for answer in racers.join_all().await {
        match answer {
            Ok(refreshed) => drop(children.insert(refreshed.refresh_token.expose().to_string())),
            Err(RefreshError::Rejected) => refused += 1,
            Err(other) => panic!("neither a child nor a refusal: {other:?}"),
        }
    }
    (children, refused)
}

/// What somebody was given while the change went on.
#[derive(Default)]
struct Given {
    refresh: Mutex<Vec<RefreshToken>>,
    access: Mutex<Vec<SignedToken>>,
}

impl Given {
    fn add(&self, refresh: &RefreshToken, access: &SignedToken) {
        self.refresh.lock().unwrap_or_else(PoisonError::into_inner).push(refresh.clone());
        self.access.lock().unwrap_or_else(PoisonError::into_inner).push(access.clone());
    }
}

/// Sixteen sessions are refreshed again and again, and sixteen logins with the old password come in,
/// beside whatever ends all sessions: nothing that began after its answer succeeds, and nothing that was
/// given before is good, whether or not the rows of those sessions are then removed. Where the password stays good no logins come: one that read the account in the
/// moment before the answer is a new one, and lives.
pub(crate) async fn no_session_older_than_a_change_survives(
    users: Arc<dyn UserStore>,
    sessions: Arc<dyn SessionStore>,
) {
    for (round, change) in CHANGES.into_iter().cycle().take(2 * CHANGES.len()).enumerate() {
        let world = World::new(&users, &sessions, &format!("a7-{round}")).await;
        world.flaky.keep_rows(round < CHANGES.len());
        let asking = world.login().await;
        let claims = claims_of(&world, &asking).await;
        let link = (change == Change::ResetPassword).then_some(world.link().await);
        let mut logins = Vec::new();
        for _ in 0..RACERS / 2 {
            logins.push(world.login().await);
        }
        let (given, answered) = (Arc::new(Given::default()), Arc::new(AtomicBool::new(false)));
        let start = Arc::new(Barrier::new(racers_beside(change) + 1));
        let mut racers = JoinSet::new();
        for (n, login) in logins.into_iter().enumerate() {
            let racer = Racer::new(&world, n, &given, &answered, &start);
            racers.spawn(racer.goes_on(login));
            if change != Change::EndAll {
                let racer = Racer::new(&world, n, &given, &answered, &start);
                racers.spawn(racer.logs_in(world.key.email.clone()));
            }
        }
        start.wait().await;
        make(&world, change, &claims, link).await;
        answered.store(true, Ordering::SeqCst);
        racers.join_all().await;
        expect_all_dead(&world, change, &given).await;
        let own = world.refresh(&asking.refresh_token).await;
        assert_eq!(own.is_ok(), change == Change::Password, "{change:?}: who asked, {own:?}");
    }
}

fn racers_beside(change: Change) -> usize {
    if change == Change::EndAll { RACERS / 2 } else { RACERS }
}

async fn expect_all_dead(world: &World, change: Change, given: &Given) {
    let refresh = std::mem::take(&mut *given.refresh.lock().expect("nobody panicked"));
    let access = std::mem::take(&mut *given.access.lock().expect("nobody panicked"));
    assert!(!refresh.is_empty());
    for token in access {
        let answer = world.testing.auth.authenticate(token.expose()).await;
        assert!(answer.is_err(), "{change:?}: an access token from before is good");
    }
    for token in refresh {
        assert_rejected(world.refresh(&token).await);
    }
    let login = login(&world.testing.auth, &world.key.email).await;
    assert_eq!(login.is_ok(), change == Change::EndAll, "{change:?}: the old password");
}

struct Racer {
    auth: Auth,
    given: Arc<Given>,
    answered: Arc<AtomicBool>,
    start: Arc<Barrier>,
}

impl Racer {
    fn new(
        world: &World,
        n: usize,
        given: &Arc<Given>,
        answered: &Arc<AtomicBool>,
        start: &Arc<Barrier>,
    ) -> Self {
        let (given, answered) = (Arc::clone(given), Arc::clone(answered));
        Self { auth: world.auth(n), given, answered, start: Arc::clone(start) }
    }

    async fn goes_on(self, login: Login) {
        self.start.wait().await;
        let (mut token, context) = (login.refresh_token, RequestContext::new());
        self.given.add(&token, &login.access_token);
        for _ in 0..RACERS {
            let was_answered = self.answered.load(Ordering::SeqCst);
            let Ok(refreshed) = self.auth.refresh(token, &context).await else { return };
            assert!(!was_answered, "a refresh that began after the answer is good");
            token = refreshed.refresh_token;
            self.given.add(&token, &refreshed.access_token);
        }
    }

    async fn logs_in(self, email: Email) {
        self.start.wait().await;
        let was_answered = self.answered.load(Ordering::SeqCst);
        let Ok(login) = login(&self.auth, &email).await else { return };
        assert!(!was_answered, "a login that began after the answer is good");
        self.given.add(&login.refresh_token, &login.access_token);
    }
}

async fn make(world: &World, change: Change, claims: &Claims, link: Option<ResetToken>) {
    let (auth, context) = (&world.testing.auth, RequestContext::new());
    match change {
        Change::Password => {
            let request =
                ChangePasswordRequest { current_password: typed(OLD), new_password: typed(NEW) };
            auth.change_password(claims, request, &context).await.map(drop).expect("changed");
        }
        Change::Delete => {
            auth.delete_account(claims, Some(typed(OLD)), &context).await.expect("deleted");
        }
        Change::Disable => auth.admin().disable(&world.key).await.expect("disabled"),
        Change::EndAll => auth.end_all_sessions(claims, &context).await.expect("ended"),
        Change::ResetPassword => {
            let request = ResetRequest { token: link.expect("a link"), new_password: typed(NEW) };
            auth.reset_password(request, &context).await.expect("reset");
        }
    }
}

/// One client goes on from token to token while others log its session out.
pub(crate) async fn a_logout_among_refreshes_is_final(
    users: Arc<dyn UserStore>,
    sessions: Arc<dyn SessionStore>,
) {
    for round in 0..ROUNDS {
        let world = World::new(&users, &sessions, &format!("logout-{round}")).await;
        let login = world.login().await;
        let (given, answered) = (Arc::new(Given::default()), Arc::new(AtomicBool::new(false)));
        let start = Arc::new(Barrier::new(2));
        let racer = Racer::new(&world, round, &given, &answered, &start);
        let first = login.refresh_token.clone();
        let walk = tokio::spawn(racer.goes_on(login));
        start.wait().await;
        world.testing.auth.logout(first, &RequestContext::new()).await.expect("logged out");
        answered.store(true, Ordering::SeqCst);
        walk.await.expect("nothing began after the answer");
        let tokens = std::mem::take(&mut *given.refresh.lock().expect("nobody panicked"));
        for token in tokens {
            assert_rejected(world.refresh(&token).await);
        }
        assert_eq!(world.live_sessions().await, 0);
    }
}

async fn login(auth: &Auth, email: &Email) -> Result<Login, LoginError> {
    let request = LoginRequest { email: email.clone(), password: typed(OLD) };
    auth.login(request, &RequestContext::new()).await
}

async fn claims_of(world: &World, login: &Login) -> Claims {
    world.testing.auth.authenticate(login.access_token.expose()).await.expect("issued just now")
}

fn assert_rejected<T: std::fmt::Debug>(answer: Result<T, RefreshError>) {
    assert!(matches!(answer, Err(RefreshError::Rejected)), "{answer:?}");
}

fn parsed(token: &str) -> RefreshToken {
    RefreshToken::parse(token).expect("as it was given")
}

fn typed(password: &str) -> Password {
    Password::new(password).expect("a password")
}
