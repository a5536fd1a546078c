use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use adapters_local::{Testing, testing_with};
use anyhow::{Context as _, Result, ensure};
use async_trait::async_trait;
use auth_domain::ports::{
    AttemptStore, Clock as _, EventSink, Insert, Mailer, RateLimiter, ResetTokenStore,
    SessionStore, TokenIssuer, TokenVerifier, UserStore,
};
use auth_domain::{
    AttemptPolicy, AuthEvent, Claims, CredentialVersion, DisplayName, Email, LimitKey,
    OutgoingEmail, Password, PasswordHash, PortError, RateLimit, RateLimits, RegisterRequest,
    RequestContext, ResetRecord, Session, SessionId, SessionKey, SignedToken, Timestamp,
    TokenCheck, TokenDigest, TokenRejected, User, UserAgent, UserId,
};
use futures_util::{StreamExt as _, TryStreamExt as _};

use super::GUESTS;
use super::use_case::Guest;

/// Sessions that an account has before anybody logs in.
const SESSIONS: usize = 2;
/// Calls at once while a database is filled.
const FILLERS: usize = 256;
const DAY: Duration = Duration::from_hours(24);
pub(super) const PASSWORD: &str = "correct horse battery";

type Done = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// One database.
#[derive(Clone)]
pub(crate) struct Stores {
    pub(crate) users: Arc<dyn UserStore>,
    pub(crate) sessions: Arc<dyn SessionStore>,
    pub(crate) reset_tokens: Arc<dyn ResetTokenStore>,
    pub(crate) attempts: Arc<dyn AttemptStore>,
    pub(crate) limiter: Arc<dyn RateLimiter>,
    /// Removes as many rows of each table that have expired by this time, where that is not left to the store itself.
    pub(crate) sweep: Option<Arc<dyn Fn(Timestamp, u32) -> Done + Send + Sync>>,
}

/// A database with its users, and the use cases over it.
pub(crate) struct Population {
    pub(super) testing: Testing,
    pub(super) tokens: Arc<Unsigned>,
    pub(super) mails: Arc<LastMail>,
    pub(super) stores: Stores,
    hash: PasswordHash,
    accounts: Vec<Email>,
    next: AtomicUsize,
}

impl Population {
    /// Of nobody yet. `change` has the limits as they are counted, none of which is ever reached.
    pub(crate) async fn over(stores: Stores, change: impl FnOnce(&mut RateLimits)) -> Result<Self> {
        let hash = stored_hash().await?;
        let (tokens, mails) = (Arc::new(Unsigned::default()), Arc::new(LastMail::default()));
        let testing = testing_with(|ports, settings| {
            ports.attempts = Arc::clone(&stores.attempts);
            ports.events = Arc::new(Dropped);
            ports.limiter = Arc::clone(&stores.limiter);
            ports.mailer = Arc::clone(&mails) as _;
            ports.reset_tokens = Arc::clone(&stores.reset_tokens);
            ports.sessions = Arc::clone(&stores.sessions);
            ports.token_issuer = Arc::clone(&tokens) as _;
            ports.token_verifier = Arc::clone(&tokens) as _;
            ports.users = Arc::clone(&stores.users);
            settings.limits = wide();
            change(&mut settings.limits);
            settings.token_check = TokenCheck::StrictSession;
        });
        let (accounts, next) = (Vec::new(), AtomicUsize::new(0));
        Ok(Self { testing, tokens, mails, stores, hash, accounts, next })
    }

    /// The same accounts by another way to the same database.
    pub(crate) async fn by_way_of(
        &self,
        stores: Stores,
        change: impl FnOnce(&mut RateLimits),
    ) -> Result<Self> {
        let mut other = Self::over(stores, change).await?;
        other.accounts.clone_from(&self.accounts);
        // Addresses of its own.
        other.next = AtomicUsize::new(2 * self.next.load(Ordering::Relaxed));
        Ok(other)
    }

    /// Makes `size` users through the ports, each with sessions and a link, and as many counters.
    pub(crate) async fn fill(&mut self, size: usize) -> Result<()> {
        let emails: Vec<Email> = (0..size).map(|_| self.fresh_email()).collect::<Result<_>>()?;
        let population = &*self;
        futures_util::stream::iter(emails.iter().enumerate())
            .map(|(place, email)| async move {
                population.add(email.clone()).await?;
                population.furnish(email, part(place, size)).await?;
                population.count().await
            })
            .buffer_unordered(FILLERS)
            .try_collect::<()>()
            .await?;
        self.accounts.extend(emails);
        Ok(())
    }

    /// Different accounts, drawn by lot.
    pub(crate) fn draw(&self) -> Vec<Guest> {
        let places = fastrand::choose_multiple(0..self.accounts.len(), GUESTS);
        places
            .into_iter()
            .filter_map(|place| Some(Guest::new(place, self.accounts.get(place)?.clone())))
            .collect()
    }

    /// Those who have deleted their account have made another, which is furnished as the first was.
    pub(super) async fn take_in(&mut self, guests: Vec<Guest>) -> Result<()> {
        for guest in guests {
            self.furnish(&guest.email, fastrand::f64()).await?;
            if let Some(account) = self.accounts.get_mut(guest.place) {
                *account = guest.email;
            }
        }
        Ok(())
    }

    pub(super) fn fresh_email(&self) -> Result<Email> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        // As spread over an index as real ones are.
        let spread = (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Ok(Email::parse(&format!("u{spread:016x}@example.com"))?)
    }

    async fn add(&self, email: Email) -> Result<()> {
        let created_at = self.testing.clock.now() - 30 * DAY;
        let user = User {
            id: UserId::from_entropy_bytes(random()),
            email,
            name: DisplayName::parse("Ann")?,
            password_hash: Some(self.hash.clone()),
            credential_version: CredentialVersion::FIRST,
            disabled: false,
            email_verified_at: Some(created_at),
            created_at,
            updated_at: created_at,
            last_login: Some(created_at),
        };
        ensure!(self.stores.users.insert(user).await? == Insert::Inserted, "an address is taken");
        Ok(())
    }

    /// Its sessions were used `age` of two weeks ago, from nothing to 1: so some end today.
    async fn furnish(&self, email: &Email, age: f64) -> Result<()> {
        let user = self.stores.users.find_by_email(email).await?.context("an account is gone")?;
        let now = self.testing.clock.now();
        let used_at = now - (14 * DAY).mul_f64(0.999 * age);
        for _ in 0..SESSIONS {
            let key = SessionKey { user_id: user.id, id: SessionId::from_entropy_bytes(random()) };
            let session = Session {
                key,
                email: email.clone(),
                credential_version: user.credential_version,
                current: TokenDigest::from_bytes(random()),
                parent: Some(TokenDigest::from_bytes(random())),
                created_at: used_at,
                last_used_at: used_at,
                idle_expires_at: used_at + 14 * DAY,
                expires_at: used_at + 30 * DAY,
                user_agent: UserAgent::new("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Firefox"),
            };
            self.stores.sessions.create(session).await?;
        }
        let record = ResetRecord {
            email: email.clone(),
            digest: TokenDigest::from_bytes(random()),
            user_id: user.id,
            credential_version: user.credential_version,
            created_at: now - DAY / 48,
            expires_at: now + DAY / 48,
            used: false,
        };
        self.stores.reset_tokens.put(record).await?;
        Ok(())
    }

    /// A guess at some address, and a hit from somewhere.
    async fn count(&self) -> Result<()> {
        let now = self.testing.clock.now();
        let policy = AttemptPolicy::default();
        self.stores.attempts.begin(LimitKey::from_bytes(random()), now, &policy).await?;
        let limit = RateLimit::new(60, Duration::from_hours(1));
        self.stores.limiter.hit(LimitKey::from_bytes(random()), limit, now).await?;
        Ok(())
    }
}

fn part(place: usize, size: usize) -> f64 {
    f64::from(u32::try_from(place).unwrap_or(u32::MAX))
        / f64::from(u32::try_from(size).unwrap_or(u32::MAX))
}

pub(super) fn random<const LENGTH: usize>() -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    fastrand::fill(&mut bytes);
    bytes
}

/// From anywhere.
pub(super) fn context() -> RequestContext {
    RequestContext::new().from_source(IpAddr::V4(Ipv4Addr::from(random::<4>())))
}

/// Everything is counted.
fn wide() -> RateLimits {
    let wide = Some(RateLimit::new(1_000_000, Duration::from_mins(1)));
    let mut limits = RateLimits::default();
    limits.login_per_source = wide;
    limits.logins_global = wide;
    limits.mails_per_address = wide;
    limits.mails_global = wide;
    limits.refresh_per_source = wide;
    limits.register_per_source = wide;
    limits.registrations_global = wide;
    limits.reset_per_source = wide;
    limits.reset_request_per_source = wide;
    limits
}

/// What the hasher of tests makes of [`PASSWORD`].
async fn stored_hash() -> Result<PasswordHash> {
    let testing = adapters_local::testing();
    let email = Email::parse("ann@example.com")?;
    let request = RegisterRequest {
        email: email.clone(),
        password: Password::new(PASSWORD)?,
        name: DisplayName::parse("Ann")?,
    };
    testing.auth.register(request, &RequestContext::new()).await?;
    let user = testing.users.find_by_email(&email).await?.context("nobody was registered")?;
    user.password_hash.context("an account without a password")
}

/// Signs nothing, and takes every token for the one that was said last.
#[derive(Default)]
pub(super) struct Unsigned(Mutex<Option<Claims>>);

impl Unsigned {
    pub(super) fn last(&self) -> Option<Claims> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn say(&self, claims: Claims) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(claims);
    }
}

#[async_trait]
impl TokenIssuer for Unsigned {
    async fn issue(&self, claims: &Claims) -> Result<SignedToken, PortError> {
        self.say(claims.clone());
        Ok(SignedToken::new(String::new()))
    }
}

impl TokenVerifier for Unsigned {
    fn verify(&self, _: &str, _: Timestamp) -> Result<Claims, TokenRejected> {
        self.last().ok_or(TokenRejected)
    }

    fn jwks(&self) -> String {
        String::new()
    }
}

/// Keeps one mail.
#[derive(Default)]
pub(super) struct LastMail(Mutex<Option<OutgoingEmail>>);

impl LastMail {
    /// The token of the link in it.
    pub(super) fn link_token(&self) -> Option<String> {
        let mail = self.0.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let (_, token) = mail.content.text.split_once("token=")?;
        token.lines().next().map(str::to_owned)
    }
}

#[async_trait]
impl Mailer for LastMail {
    async fn send(&self, mail: &OutgoingEmail) -> Result<(), PortError> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(mail.clone());
        Ok(())
    }
}

struct Dropped;

impl EventSink for Dropped {
    fn record(&self, _: AuthEvent) {}
}
