//! What a call that names an address asks of the ports is the same whatever the account there is like: the
//! counted twin of the bench that measures it.
#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use adapters_local::{Argon2idHasher, Argon2idSettings, OsEntropy, Testing, testing_with};
use async_trait::async_trait;
use auth_domain::ports::*;
use auth_domain::*;

const OURS: &str = "correct horse battery";
const GUESS: &str = "a wrong guess";

/// What was asked of which port, in its order.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<&'static str>>>);

impl Calls {
    fn note(&self, call: &'static str) {
        self.0.lock().unwrap().push(call);
    }

    fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    fn of<P: ?Sized>(&self, port: &Arc<P>) -> Arc<Noted<P>> {
        Arc::new(Noted { port: Arc::clone(port), calls: self.clone() })
    }
}

struct Noted<P: ?Sized> {
    port: Arc<P>,
    calls: Calls,
}

macro_rules! noted {
    ($port:ident: $($method:ident($($name:ident: $type:ty),*) -> $answer:ty;)+) => {
        #[async_trait]
        impl $port for Noted<dyn $port> {
            $(async fn $method(&self, $($name: $type),*) -> Result<$answer, PortError> {
                self.calls.note(concat!(stringify!($port), "::", stringify!($method)));
                self.port.$method($($name),*).await
            })+
        }
    };
}

noted! { UserStore:
    find_by_email(email: &Email) -> Option<User>;
    find_by_id(id: UserId) -> Option<User>;
    insert(user: User) -> Insert;
    update_credentials(update: CredentialUpdate) -> Update;
    change_email(change: EmailChange) -> EmailUpdate;
    touch_last_login(key: &UserKey, at: Timestamp) -> Update;
    delete(key: &UserKey, expected: Option<CredentialVersion>) -> Update;
}
noted! { ResetTokenStore:
    put(record: ResetRecord) -> Put;
    newest(email: &Email) -> Option<ResetRecord>;
    consume(email: &Email, digest: TokenDigest, now: Timestamp) -> Option<ResetRecord>;
    delete_all(email: &Email, user_id: UserId) -> ();
}
noted! { SessionStore:
    create(session: Session) -> ();
    find(key: &SessionKey) -> Option<Session>;
    rotate(rotation: Rotation) -> Rotated;
    restamp(key: &SessionKey, expected: CredentialVersion, next: CredentialVersion) -> Update;
    list(user_id: UserId) -> Vec<Session>;
    end(key: &SessionKey) -> Update;
    end_all(user_id: UserId, older_than: Option<CredentialVersion>) -> ();
}
noted! { AttemptStore:
    begin(key: LimitKey, now: Timestamp, policy: &AttemptPolicy) -> Attempt;
    clear(key: LimitKey) -> ();
}
noted! { RateLimiter: hit(key: LimitKey, limit: RateLimit, now: Timestamp) -> RateDecision; }
noted! { MailQueue: enqueue(job: MailJob) -> (); }
noted! { BreachedPasswords: contains(password: &Password) -> bool; }

impl PasswordHasher for Noted<dyn PasswordHasher> {
    fn reserve(&self) -> Result<Reservation, PortError> {
        self.calls.note("PasswordHasher::reserve");
        Ok(match self.port.reserve()? {
            Reservation::Slot(slot) => {
                Reservation::Slot(Box::new(NotedSlot { slot, calls: self.calls.clone() }))
            }
            overloaded @ Reservation::Overloaded { .. } => overloaded,
        })
    }
}

struct NotedSlot {
    slot: Box<dyn HashSlot>,
    calls: Calls,
}

#[async_trait]
impl HashSlot for NotedSlot {
    async fn hash(self: Box<Self>, password: Password) -> Result<PasswordHash, PortError> {
        self.calls.note("HashSlot::hash");
        self.slot.hash(password).await
    }

    async fn verify(
        self: Box<Self>,
        password: Password,
        stored: Option<PasswordHash>,
    ) -> Result<Verification, PortError> {
        self.calls.note("HashSlot::verify");
        self.slot.verify(password, stored).await
    }
}

/// What the account at an address is like.
const STATES: [&str; 9] = [
    "known",
    "unknown",
    "unverified",
    "disabled",
    "passwordless",
    "sha256",
    "weaker",
    "malformed",
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
            ports.hasher = calls.of(&(Arc::new(hasher) as Arc<dyn PasswordHasher>));
            ports.users = calls.of(&ports.users);
            ports.reset_tokens = calls.of(&ports.reset_tokens);
            ports.sessions = calls.of(&ports.sessions);
            ports.attempts = calls.of(&ports.attempts);
            ports.limiter = calls.of(&ports.limiter);
            ports.mail_queue = calls.of(&ports.mail_queue);
            let leaked = adapters_local::memory::MemoryBreachedPasswords::default();
            let leaked = Arc::new(leaked) as Arc<dyn BreachedPasswords>;
            ports.breached_passwords = Some(calls.of(&leaked) as _);
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

    /// All of these states look alike to a call, which asks something of the ports.
    async fn alike(&self, call: Call, states: &[&str]) {
        let known = self.ask(call, states[0]).await;
        assert!(!known.1.is_empty(), "{call:?}");
        for state in &states[1..] {
            assert_eq!(self.ask(call, state).await, known, "{call:?} at {state}");
        }
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

#[tokio::test]
async fn no_call_that_names_an_address_asks_more_of_the_ports_for_some_than_for_others() {
    let world = World::new().await;
    world.alike(Call::Login(GUESS), &STATES).await;
    world.alike(Call::Forgot, &STATES).await;
    world.alike(Call::Resend, &STATES).await;
    world.alike(Call::Register, &STATES).await;
    world.alike(Call::Verify, &STATES).await;
    world.alike(Call::Reset, &STATES).await;
}

#[tokio::test]
async fn the_right_password_is_no_other_where_nobody_may_log_in() {
    let world = World::new().await;
    let states = ["unknown", "unverified", "disabled", "passwordless"];
    world.alike(Call::Login(OURS), &states).await;
}

#[tokio::test]
async fn a_locked_address_is_locked_alike_with_and_without_an_account() {
    let world = World::new().await;
    for state in STATES {
        for _ in 0..5 {
            world.ask(Call::Login(GUESS), state).await;
        }
    }
    world.alike(Call::Login(OURS), &STATES).await;
    let (outcome, calls) = world.ask(Call::Login(OURS), "unknown").await;
    assert!(outcome.contains("TooManyAttempts"), "{outcome}");
    assert!(!calls.contains(&"UserStore::find_by_email"), "{calls:?}");
}

#[tokio::test]
async fn a_difference_would_be_seen() {
    let world = World::new().await;
    let unknown = world.ask(Call::Login(OURS), "unknown").await;
    let known = world.ask(Call::Login(OURS), "known").await;
    assert!(known.0 != unknown.0 && known.1 != unknown.1);
}
