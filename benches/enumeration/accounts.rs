//! Puts addresses of each state into a database before the server opens it.

use std::sync::Arc;
use std::time::Duration;

use adapters_local::{Argon2idHasher, Argon2idSettings, OsEntropy, SystemClock, testing_with};
use adapters_sql::{SqlSettings, SqlStore};
use anyhow::{Context as _, Result, bail, ensure};
use auth_domain::ports::{
    Clock as _, Insert, PasswordHasher as _, Reservation, ResetTokenStore as _, UserStore as _,
};
use auth_domain::{
    AttemptPolicy, Auth, CredentialVersion, Delivery, DisplayName, Email, JobId, Locale,
    LoginError, LoginRequest, MailJob, MasterSecret, Password, PasswordHash, RequestContext,
    ResetRecord, SkipReason, Timestamp, TokenDigest, User, UserId,
};
use base64ct::{Base64Unpadded, Encoding as _};
use fastrand::Rng;
use tokio::task::JoinSet;

use crate::states::{Account, Call, Group, Hash, Past, RIGHT, State};

/// How many are written at once: [`SqlStore`] puts what arrives together into one commit.
const AT_ONCE: usize = 256;
/// Addresses that are locked or beyond their mail cap need not be many: no request changes what they are.
const AT_AN_END: usize = 20;

/// Writes accounts and what happened to them.
pub(crate) struct Accounts {
    store: SqlStore,
    auth: Auth,
    hash: String,
    now: Timestamp,
}

impl Accounts {
    /// An empty database, where a server under `secret` will find them. `hash` is [`hash_today`]'s.
    pub(crate) async fn new(url: &str, secret: MasterSecret, hash: String) -> Result<Self> {
        let store = SqlStore::connect(url, &SqlSettings::default()).await?;
        store.migrate().await?;
        let auth = past_service(&store, secret);
        Ok(Self { store, auth, hash, now: SystemClock::new().now() })
    }

    /// For each state of the group addresses for so many requests, all of one length and shape.
    pub(crate) async fn make(
        &self,
        group: &Group,
        requests: usize,
        rng: &mut Rng,
    ) -> Result<Vec<Vec<Email>>> {
        let mut addresses = Vec::new();
        for state in &group.states {
            let is_at_an_end = matches!(state.past, Past::Locked | Past::MailCap);
            let many = if is_at_an_end { requests.min(AT_AN_END) } else { requests };
            let of_state: Vec<_> = (0..many).map(|_| address(rng)).collect::<Result<_>>()?;
            self.keep(state, &of_state, rng).await?;
            self.live_through(state.past, group.call, &of_state, rng).await?;
            addresses.push(of_state);
        }
        Ok(addresses)
    }

    /// To be called before the server starts: it is then the only one that writes.
    pub(crate) async fn close(self) {
        self.store.close().await;
    }

    async fn keep(&self, state: &State, addresses: &[Email], rng: &mut Rng) -> Result<()> {
        let Some(account) = state.account else {
            return Ok(());
        };
        for some in addresses.chunks(AT_ONCE) {
            let mut tasks = JoinSet::new();
            for email in some {
                let user = self.user(account, email, rng)?;
                let store = self.store.clone();
                tasks.spawn(async move { store.insert(user).await });
            }
            while let Some(inserted) = tasks.join_next().await {
                ensure!(inserted?? == Insert::Inserted, "an address is taken");
            }
        }
        Ok(())
    }

    fn user(&self, account: Account, email: &Email, rng: &mut Rng) -> Result<User> {
        let Account { hash, verified, disabled } = account;
        let hash = match hash {
            Hash::Today => Some(hash_of_its_own(rng)),
            Hash::OfRight => Some(self.hash.clone()),
            Hash::Absent => None,
            Hash::Text(text) => Some(text.to_owned()),
        };
        Ok(User {
            id: UserId::from_entropy_bytes(bytes(rng)),
            email: email.clone(),
            name: DisplayName::parse("Ann")?,
            password_hash: hash.map(PasswordHash::from_stored),
            credential_version: CredentialVersion::FIRST,
            disabled,
            email_verified_at: verified.then_some(self.now),
            created_at: self.now,
            updated_at: self.now,
            last_login: None,
        })
    }

    async fn live_through(
        &self,
        past: Past,
        call: Call,
        addresses: &[Email],
        rng: &mut Rng,
    ) -> Result<()> {
        for some in addresses.chunks(AT_ONCE) {
            let mut tasks = JoinSet::new();
            for email in some {
                let (auth, email) = (self.auth.clone(), email.clone());
                match past {
                    Past::Nothing => {}
                    Past::Locked => {
                        tasks.spawn(lock(auth, email));
                    }
                    Past::MailCap => {
                        tasks.spawn(reach_mail_cap(auth, call, email));
                    }
                    Past::LiveReset => {
                        let (store, record) = (self.store.clone(), self.live_reset(email, rng));
                        tasks.spawn(async move { Ok(store.put(record).await.map(drop)?) });
                    }
                }
            }
            while let Some(lived) = tasks.join_next().await {
                lived??;
            }
        }
        Ok(())
    }

    fn live_reset(&self, email: Email, rng: &mut Rng) -> ResetRecord {
        ResetRecord {
            email,
            digest: TokenDigest::from_bytes(bytes(rng)),
            user_id: UserId::from_entropy_bytes(bytes(rng)),
            credential_version: CredentialVersion::FIRST,
            created_at: self.now,
            expires_at: self.now + Duration::from_hours(1),
            used: false,
        }
    }
}

/// The service over the same tables and under the same secret, with a hasher that costs nothing and an attempt
/// policy without waits: what it counts, the server finds.
fn past_service(store: &SqlStore, secret: MasterSecret) -> Auth {
    let mut policy = AttemptPolicy::default();
    policy.first_wait = Duration::ZERO;
    policy.longest_wait = Duration::ZERO;
    let past = testing_with(|ports, settings| {
        ports.clock = Arc::new(SystemClock::new());
        ports.attempts = Arc::new(store.clone());
        ports.limiter = Arc::new(store.clone());
        ports.reset_tokens = Arc::new(store.clone());
        ports.users = Arc::new(store.clone());
        settings.attempts = Some(policy);
        settings.master_secret = secret;
    });
    past.auth
}

/// Guesses until waiting no longer helps. Before that the answer would say how long to wait, in seconds that
/// pass during the run.
async fn lock(auth: Auth, email: Email) -> Result<()> {
    for _ in 0..AttemptPolicy::default().most_in_a_row {
        let request = LoginRequest { email: email.clone(), password: Password::new("a guess")? };
        match auth.login(request, &RequestContext::new()).await {
            Err(LoginError::Rejected) => {}
            Err(LoginError::TooManyAttempts { .. }) => return Ok(()),
            _ => bail!("a guess was not counted"),
        }
    }
    bail!("guesses have no end")
}

/// Asks the worker's half for mails until none goes out.
async fn reach_mail_cap(auth: Auth, call: Call, email: Email) -> Result<()> {
    for index in 0..u8::MAX {
        let (email, requested_at) = (email.clone(), SystemClock::new().now());
        let (id, locale) = (JobId::from_bytes([index; 16]), Locale::EN);
        let job = match call {
            Call::Forgot => MailJob::PasswordReset { id, email, requested_at, locale },
            Call::Resend => {
                MailJob::VerifyEmail { id, email, registered: None, requested_at, locale }
            }
            _ => bail!("a call that mails nothing has no cap"),
        };
        if auth.deliver(&job).await? == Delivery::Skipped(SkipReason::MailCap) {
            return Ok(());
        }
    }
    bail!("mails have no cap")
}

/// As the server makes them, with chance in place of salt and output.
fn hash_of_its_own(rng: &mut Rng) -> String {
    let (salt, output) = (bytes::<16>(rng), bytes::<32>(rng));
    let encode = Base64Unpadded::encode_string;
    format!("$argon2id$v=19$m=19456,t=2,p=1${}${}", encode(&salt), encode(&output))
}

/// A hash of [`RIGHT`] as the server makes it.
pub(crate) async fn hash_today() -> Result<String> {
    let hasher = Argon2idHasher::new(Argon2idSettings::default(), Arc::new(OsEntropy::new()))?;
    let Reservation::Slot(slot) = hasher.reserve()? else { bail!("no place to hash in") };
    Ok(slot.hash(Password::new(RIGHT)?).await?.expose().to_owned())
}

/// Drawn at random, so that none is nearer to its neighbours in an index than another.
pub(crate) fn address(rng: &mut Rng) -> Result<Email> {
    Email::parse(&format!("{:016x}@example.com", rng.u64(..))).context("an address")
}

pub(crate) fn bytes<const N: usize>(rng: &mut Rng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill(&mut bytes);
    bytes
}
