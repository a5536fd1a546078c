//! What a call that names an address asks of the ports is the same whatever the account there is like: the
//! counted twin of the bench that measures it.
#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

mod intercepted;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use adapters_local::{Argon2idHasher, Argon2idSettings, OsEntropy, Testing, testing_with};
use auth_domain::ports::*;
use auth_domain::*;
use intercepted::Interceptor;

const OURS: &str = "correct horse battery";
const GUESS: &str = "a wrong guess";

/// What was asked of which port, in its order.
#[derive(Clone, Default)]
struct Calls {
    made: Arc<Mutex<Vec<&'static str>>>,
    /// Whether the row of the address that is asked about cannot be read.
    finds_rubbish: Arc<AtomicBool>,
}

impl Calls {
    fn note(&self, call: &'static str) {
        self.made.lock().unwrap().push(call);
    }

    fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.made.lock().unwrap())
    }
}

impl Interceptor for Calls {
    async fn meet<T: Send>(
        &self,
        name: &'static str,
        call: impl Future<Output = Result<T, PortError>> + Send,
    ) -> Result<T, PortError> {
        self.note(name);
        if name == "UserStore::find_by_email" && self.finds_rubbish.load(Ordering::Relaxed) {
            return Err(PortError::new(PortErrorKind::Corrupt, "users.find_by_email"));
        }
        call.await
    }

    fn reserves(&self) {
        self.note("PasswordHasher::reserve");
    }
}

/// What the account at an address is like.
const STATES: [&str; 10] = [
    "known",
    "unknown",
    "unverified",
    "disabled",
    "passwordless",
    "sha256",
    "weaker",
    "malformed",
    "unreadable",
    "capped",
];

fn address(state: &str) -> Email {
    Email::parse(&format!("{state}@example.com")).unwrap()
}

fn stored(state: &str, todays: &PasswordHash) -> Option<PasswordHash> {
    let weaker = "$argon2id$v=19$m=4096,t=3,p=1$c29tZSBzYWx0IG9mIG91cnM$\
        AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    match state {
        "passwordless" => None,
        "sha256" => Some(PasswordHash::from_stored("5e".repeat(32))),
        "weaker" => Some(PasswordHash::from_stored(weaker)),
        "malformed" => Some(PasswordHash::from_stored("$argon2id$what")),
        _ => Some(todays.clone()),
    }
}

struct World {
    testing: Testing,
    calls: Calls,
}

impl World {
    async fn new() -> Self {
        let calls = Calls::default();
        let mut settings = Argon2idSettings::default();
        settings.threads = 1;
        let hasher = Argon2idHasher::new(settings, Arc::new(OsEntropy::new())).unwrap();
        let testing = testing_with(|ports, settings| {
            settings.email_verification = EmailVerification::RequireVerified;
            settings.registration = RegistrationMode::Private;
            let leaked = adapters_local::memory::MemoryBreachedPasswords::default();
            let leaked = Arc::new(leaked) as Arc<dyn BreachedPasswords>;
            ports.hasher = calls.intercept(&(Arc::new(hasher) as Arc<dyn PasswordHasher>));
            ports.users = calls.intercept(&ports.users);
            ports.reset_tokens = calls.intercept(&ports.reset_tokens);
            ports.sessions = calls.intercept(&ports.sessions);
            ports.attempts = calls.intercept(&ports.attempts);
            ports.limiter = calls.intercept(&ports.limiter);
            ports.mail_queue = calls.intercept(&ports.mail_queue);
            ports.breached_passwords = Some(calls.intercept(&leaked) as _);
        });
        let world = Self { testing, calls };
        world.make_accounts().await;
        world
    }

    async fn make_accounts(&self) {
        let hasher = Argon2idHasher::new(Argon2idSettings::default(), Arc::new(OsEntropy::new()));
        let Reservation::Slot(slot) = hasher.as_ref().unwrap().reserve().unwrap() else {
            return;
        };
        let todays = slot.hash(Password::new(OURS).unwrap()).await.unwrap();
        let now = self.testing.clock.now();
        for (state, id) in STATES.into_iter().zip(1..).filter(|(state, _)| *state != "unknown") {
            let user = User {
                id: UserId::from_entropy_bytes([id; 16]),
                email: address(state),
                name: DisplayName::parse("Ann").unwrap(),
                password_hash: stored(state, &todays),
                credential_version: CredentialVersion::FIRST,
                disabled: state == "disabled",
                email_verified_at: (state != "unverified").then_some(now),
                created_at: now,
                updated_at: now,
                last_login: None,
            };
            self.testing.users.insert(user).await.unwrap();
        }
        // Its cap of mails is reached, and a link is out.
        for _ in 0..6 {
            self.testing.clock.advance(Duration::from_secs(1));
            self.ask(Call::Forgot, "capped").await;
            self.testing.deliver_mail().await;
        }
        self.calls.take();
    }

    /// What a call that names the address comes to, and what it asked of the ports.
    async fn ask(&self, call: Call, state: &str) -> (String, Vec<&'static str>) {
        let context = RequestContext::new().from_source([192, 0, 2, 1].into());
        let (auth, email) = (&self.testing.auth, address(state));
        let password = |text| Password::new(text).unwrap();
        self.calls.finds_rubbish.store(state == "unreadable", Ordering::Relaxed);
        let outcome = match call {
            Call::Login(text) => {
                let request = LoginRequest { email, password: password(text) };
                told(auth.login(request, &context).await.map(|_| "in"))
            }
            Call::Register => {
                let name = DisplayName::parse("Ann").unwrap();
                let request = RegisterRequest { email, password: password("another staple"), name };
                told(auth.register(request, &context).await)
            }
            Call::Forgot => told(auth.request_password_reset(email, &context).await),
            Call::Resend => told(auth.request_verification(email, &context).await),
            Call::Verify => {
                let token = VerificationToken::parse(&forged(&email).await.0).unwrap();
                told(auth.verify_email(token, &context).await)
            }
            Call::Reset => {
                let token = ResetToken::parse(&forged(&email).await.1).unwrap();
                let request = ResetRequest { token, new_password: password("another staple") };
                told(auth.reset_password(request, &context).await)
            }
        };
        (outcome, self.calls.take())
    }

    /// All of these states look alike to a call, which asks this of the ports and nothing else. What it
    /// comes to.
    async fn alike(&self, call: Call, states: &[&str], asked: &[&str]) -> String {
        let known = self.ask(call, states[0]).await;
        assert_eq!(known.1, asked, "{call:?}");
        for state in &states[1..] {
            assert_eq!(self.ask(call, state).await, known, "{call:?} at {state}");
        }
        known.0
    }
}

#[derive(Clone, Copy, Debug)]
enum Call {
    Login(&'static str),
    Register,
    Forgot,
    Resend,
    Verify,
    Reset,
}

fn told<T: std::fmt::Debug, E: std::fmt::Debug>(outcome: Result<T, E>) -> String {
    format!("{outcome:?}")
}

/// Links to an address under another master secret: one that confirms it, and one that resets.
async fn forged(email: &Email) -> (String, String) {
    let world = testing_with(|_, settings| {
        settings.master_secret = MasterSecret::new([9; 32]).unwrap();
        settings.email_verification = EmailVerification::Asked;
    });
    let (auth, context) = (&world.auth, RequestContext::new());
    let (password, name) = (Password::new(OURS).unwrap(), DisplayName::parse("A").unwrap());
    let request = RegisterRequest { email: email.clone(), password, name };
    auth.register(request, &context).await.unwrap();
    world.deliver_mail().await;
    let verification = world.link_token(email).unwrap();
    auth.request_password_reset(email.clone(), &context).await.unwrap();
    world.deliver_mail().await;
    (verification, world.link_token(email).unwrap())
}

/// A step that is left out for every state alike would be seen here.
const OF_A_LOGIN: [&str; 6] = [
    "RateLimiter::hit",
    "RateLimiter::hit",
    "PasswordHasher::reserve",
    "AttemptStore::begin",
    "UserStore::find_by_email",
    "HashSlot::verify",
];
const OF_A_SIGN_UP: [&str; 6] = [
    "RateLimiter::hit",
    "RateLimiter::hit",
    "BreachedPasswords::contains",
    "PasswordHasher::reserve",
    "HashSlot::hash",
    "MailQueue::enqueue",
];
const OF_A_MAIL: [&str; 2] = ["RateLimiter::hit", "MailQueue::enqueue"];
const OF_A_FORGED_LINK: [&str; 1] = ["RateLimiter::hit"];

#[tokio::test]
async fn no_call_that_names_an_address_asks_more_of_the_ports_for_some_than_for_others() {
    let world = World::new().await;
    world.alike(Call::Login(GUESS), &STATES, &OF_A_LOGIN).await;
    world.alike(Call::Forgot, &STATES, &OF_A_MAIL).await;
    world.alike(Call::Resend, &STATES, &OF_A_MAIL).await;
    world.alike(Call::Register, &STATES, &OF_A_SIGN_UP).await;
    world.alike(Call::Verify, &STATES, &OF_A_FORGED_LINK).await;
    world.alike(Call::Reset, &STATES, &OF_A_FORGED_LINK).await;
}

#[tokio::test]
async fn the_right_password_is_no_other_where_nobody_may_log_in() {
    let world = World::new().await;
    let states = ["unknown", "unverified", "disabled", "passwordless", "unreadable"];
    world.alike(Call::Login(OURS), &states, &OF_A_LOGIN).await;
}

#[tokio::test]
async fn a_locked_address_is_locked_alike_with_and_without_an_account() {
    let world = World::new().await;
    for state in STATES {
        for _ in 0..5 {
            world.ask(Call::Login(GUESS), state).await;
        }
    }
    let outcome = world.alike(Call::Login(OURS), &STATES, &OF_A_LOGIN[..4]).await;
    assert!(outcome.contains("TooManyAttempts"), "{outcome}");
}

#[tokio::test]
async fn a_difference_would_be_seen() {
    let world = World::new().await;
    let unknown = world.ask(Call::Login(OURS), "unknown").await;
    let known = world.ask(Call::Login(OURS), "known").await;
    assert!(known.0 != unknown.0 && known.1 != unknown.1);
}
