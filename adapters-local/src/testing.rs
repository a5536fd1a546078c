use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use auth_domain::ports::{Clock, MailQueue};
use auth_domain::{
    Auth, Delivery, Email, LinkBase, MailJob, MasterSecret, PortError, Ports, ResetToken, Settings,
    Timestamp,
};

use crate::memory::{
    Mailbox, MemoryAttempts, MemoryEvents, MemoryRateLimiter, MemoryResetTokens, MemorySessions,
    MemoryUsers, locked,
};
use crate::{InsecureInstantHasher, JwtIssuer, JwtVerifier, OsEntropy, SigningKey, TokenProfile};

/// An [`Auth`] for unit tests, and all that a test may want to see or move. Nothing of it is secure.
#[derive(Debug)]
#[non_exhaustive]
pub struct Testing {
    /// The service, as a program would use it.
    pub auth: Auth,
    /// The time, which stands still until a test moves it.
    pub clock: Arc<TestClock>,
    /// What happened.
    pub events: Arc<MemoryEvents>,
    /// The mails that were sent.
    pub mailbox: Arc<Mailbox>,
    /// The sessions.
    pub sessions: Arc<MemorySessions>,
    /// The links that were issued.
    pub reset_tokens: Arc<MemoryResetTokens>,
    /// The accounts.
    pub users: Arc<MemoryUsers>,
    jobs: Arc<QueuedJobs>,
}

/// In-memory stores, a clock that stands still, a hasher that costs nothing and a mailbox: register,
/// forget, read the mail, reset and log in within a few milliseconds.
///
/// # Panics
/// Never, unless this library's own defaults contradict themselves.
pub fn testing() -> Testing {
    testing_with(|_, _| {})
}

/// As [`testing`], after `change` had its way with ports and settings: a port of one's own, a failing
/// one, a shorter life.
///
/// # Panics
/// If the settings are then refused.
#[expect(clippy::expect_used, reason = "a test should stop where its set-up is wrong")]
pub fn testing_with(change: impl FnOnce(&mut Ports, &mut Settings)) -> Testing {
    let secret = MasterSecret::new([7; 32]).expect("32 bytes are enough");
    let profile = TokenProfile::new("https://auth.example.com", "tests").expect("neither is blank");
    let verifier = JwtVerifier::from_masters(&secret, None, profile.clone()).expect("one key");
    let issuer = JwtIssuer::new(
        SigningKey::ed25519_from_master(&secret),
        profile,
        Arc::new(OsEntropy::new()),
    );
    let clock = Arc::new(TestClock::new());
    let events = Arc::new(MemoryEvents::new());
    let jobs = Arc::new(QueuedJobs::default());
    let mailbox = Arc::new(Mailbox::new());
    let reset_tokens = Arc::new(MemoryResetTokens::new());
    let sessions = Arc::new(MemorySessions::new());
    let users = Arc::new(MemoryUsers::new());
    let mut ports = Ports {
        attempts: Arc::new(MemoryAttempts::new()),
        breached_passwords: None,
        clock: Arc::clone(&clock) as _,
        compatibility_issuer: None,
        entropy: Arc::new(OsEntropy::new()),
        events: Arc::clone(&events) as _,
        hasher: Arc::new(InsecureInstantHasher::new()),
        limiter: Arc::new(MemoryRateLimiter::new()),
        mail_queue: Arc::clone(&jobs) as _,
        mailer: Arc::clone(&mailbox) as _,
        reset_tokens: Arc::clone(&reset_tokens) as _,
        sessions: Arc::clone(&sessions) as _,
        token_issuer: Arc::new(issuer),
        token_verifier: Arc::new(verifier),
        users: Arc::clone(&users) as _,
    };
    let link_base = LinkBase::parse("https://example.com/reset-password").expect("an https URL");
    let mut settings = Settings::new(secret, link_base, "Example");
    change(&mut ports, &mut settings);
    let auth = Auth::new(ports, settings).expect("the settings hold");
    Testing { auth, clock, events, mailbox, reset_tokens, sessions, users, jobs }
}

impl Testing {
    /// Does every queued mail job once, and says what came of each. One that asks to be run again is
    /// queued again.
    pub async fn deliver_mail(&self) -> Vec<Option<Delivery>> {
        let jobs = std::mem::take(&mut *locked(&self.jobs.0));
        let mut outcomes = Vec::new();
        for job in jobs {
            let outcome = self.auth.deliver(&job).await;
            if outcome.as_ref().is_err_and(auth_domain::DeliveryError::is_transient) {
                locked(&self.jobs.0).push_back(job);
            }
            outcomes.push(outcome.ok());
        }
        outcomes
    }

    /// The jobs that wait to be done.
    pub fn queued_mail(&self) -> Vec<MailJob> {
        locked(&self.jobs.0).iter().cloned().collect()
    }

    /// The token of the link in the last mail to an address that had one.
    pub fn link_token(&self, to: &Email) -> Option<String> {
        self.mailbox.all().iter().rev().filter(|mail| mail.to == *to).find_map(|mail| {
            let (_, token) = mail.content.text.split_once("token=")?;
            token.lines().next().map(str::to_owned)
        })
    }

    /// The token of the last mailed link, if it is a reset link.
    pub fn reset_token(&self, to: &Email) -> Option<ResetToken> {
        ResetToken::parse(&self.link_token(to)?).ok()
    }
}

/// A clock that a test moves.
#[derive(Debug)]
pub struct TestClock(AtomicU64);

impl TestClock {
    fn new() -> Self {
        Self(AtomicU64::new(Timestamp::from_seconds(1_700_000_000).as_micros()))
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        self.set(self.now() + by);
    }

    /// Sets the time, backwards too.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.as_micros(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

#[derive(Debug, Default)]
struct QueuedJobs(Mutex<VecDeque<MailJob>>);

#[async_trait]
impl MailQueue for QueuedJobs {
    async fn enqueue(&self, job: MailJob) -> Result<(), PortError> {
        locked(&self.0).push_back(job);
        Ok(())
    }
}
