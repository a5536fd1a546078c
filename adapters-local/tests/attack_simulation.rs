//! Attacks under a clock that the test moves: what gets through, against what is promised.
//!
//! `cargo test -p adapters-local --test attack_simulation -- --nocapture` prints the figures.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test prints and panics")]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use adapters_local::{InsecureInstantHasher, Testing, testing_with};
use async_trait::async_trait;
use auth_domain::ports::{HashSlot, PasswordHasher, Reservation, Verification};
use auth_domain::{
    DeviceToken, DisplayName, Email, EmailVerification, Login, LoginError, LoginRequest, Password,
    PasswordHash, PortError, RateLimit, RegisterRequest, RegistrationMode, RequestContext,
    ResetError, ResetRequest, ResetToken, Settings,
};
use base64ct::{Base64UrlUnpadded, Encoding};

const OURS: &str = "correct horse battery";
const GUESS: &str = "a wrong guess of many";
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// Passwords verified and hashed: what guesses cost, and buy.
#[derive(Default)]
struct Hashing(AtomicU64);

impl Hashing {
    fn so_far(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

struct CountingHasher(Arc<Hashing>, InsecureInstantHasher);

struct CountingSlot(Arc<Hashing>, Box<dyn HashSlot>);

impl PasswordHasher for CountingHasher {
    fn reserve(&self) -> Result<Reservation, PortError> {
        Ok(match self.1.reserve()? {
            Reservation::Slot(slot) => {
                Reservation::Slot(Box::new(CountingSlot(Arc::clone(&self.0), slot)))
            }
            overloaded @ Reservation::Overloaded { .. } => overloaded,
        })
    }
}

#[async_trait]
impl HashSlot for CountingSlot {
    async fn hash(self: Box<Self>, password: Password) -> Result<PasswordHash, PortError> {
        self.0.0.fetch_add(1, Ordering::SeqCst);
        self.1.hash(password).await
    }

    async fn verify(
        self: Box<Self>,
        password: Password,
        stored: Option<PasswordHash>,
    ) -> Result<Verification, PortError> {
        self.0.0.fetch_add(1, Ordering::SeqCst);
        self.1.verify(password, stored).await
    }
}

struct Attacked {
    world: Testing,
    hashing: Arc<Hashing>,
}

fn email(name: &str) -> Email {
    Email::parse(&format!("{name}@example.com")).unwrap()
}

fn victim() -> Email {
    email("victim")
}

/// The nth of a botnet.
fn bot(n: u32) -> RequestContext {
    RequestContext::new().from_source(IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + n)))
}

impl Attacked {
    fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let hashing = Arc::new(Hashing::default());
        let hasher = CountingHasher(Arc::clone(&hashing), InsecureInstantHasher::new());
        let world = testing_with(|ports, settings| {
            ports.hasher = Arc::new(hasher);
            change(settings);
        });
        Self { world, hashing }
    }

    /// One where the victim has an account.
    async fn start() -> Self {
        let attacked = Self::with(|_| {});
        attacked.register(victim()).await;
        attacked
    }

    async fn register(&self, email: Email) {
        let (password, name) = (Password::new(OURS).unwrap(), DisplayName::parse("A").unwrap());
        let request = RegisterRequest { email, password, name };
        self.world.auth.register(request, &RequestContext::new()).await.unwrap();
    }

    async fn login(
        &self,
        email: Email,
        password: &str,
        context: &RequestContext,
    ) -> Result<Login, LoginError> {
        let password = Password::new(password).unwrap();
        self.world.auth.login(LoginRequest { email, password }, context).await
    }

    /// Whether a guess at an account was let in; if not, how long to wait.
    async fn guess(&self, email: Email, context: &RequestContext) -> Result<(), Duration> {
        match self.login(email, GUESS, context).await {
            Err(LoginError::Rejected) => Ok(()),
            Err(
                LoginError::TooManyAttempts { retry_after }
                | LoginError::RateLimited { retry_after },
            ) => Err(retry_after),
            other => panic!("{other:?}"),
        }
    }

    /// Guesses at the victim, each from another source, as soon as one is let in, for so long.
    async fn guess_for(&self, span: Duration, device: Option<&DeviceToken>) -> u32 {
        let end = self.world.clock_now() + span;
        let (mut source, mut let_in) = (0, 0);
        while self.world.clock_now() < end {
            source = (source + 1) % 10_000;
            let context = bot(source).from_device(device.cloned());
            match self.guess(victim(), &context).await {
                Ok(()) => let_in += 1,
                Err(wait) => self.world.clock.advance(wait),
            }
        }
        let_in
    }

    /// Strangers use up what is let in at this moment.
    async fn lock(&self) {
        while self.guess(victim(), &bot(1)).await.is_ok() {}
    }

    async fn forget(&self, context: &RequestContext) {
        let _ = self.world.auth.request_password_reset(victim(), context).await;
    }

    async fn mailed_link(&self) -> ResetToken {
        self.forget(&RequestContext::new()).await;
        self.world.deliver_mail().await;
        self.world.reset_token(&victim()).unwrap()
    }

    async fn reset(
        &self,
        token: ResetToken,
        context: &RequestContext,
    ) -> Result<DeviceToken, ResetError> {
        let request = ResetRequest { token, new_password: Password::new(OURS).unwrap() };
        let reset = self.world.auth.reset_password(request, context).await?;
        Ok(reset.device_token)
    }
}

trait Now {
    fn clock_now(&self) -> auth_domain::Timestamp;
}

impl Now for Testing {
    fn clock_now(&self) -> auth_domain::Timestamp {
        auth_domain::ports::Clock::now(&*self.clock)
    }
}

#[tokio::test]
async fn stuffing_from_one_source_or_network_is_let_in_sixty_times_and_once_a_second() {
    let attacked = Attacked::with(|_| {});
    let network = |n: u32| {
        IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 1, 2, 0, 0, 7, u16::try_from(n % 1_000).unwrap()))
    };
    let one = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    for (what, source) in
        [("one address", &(|_| one) as &(dyn Fn(u32) -> IpAddr + Sync)), ("one /64", &network)]
    {
        let (mut let_in, mut tries) = (0, 0);
        for second in 0..600 {
            for n in 0..5 {
                let context = RequestContext::new().from_source(source(tries));
                let account = email(&format!("leaked-{what}-{second}-{n}").replace(['/', ' '], ""));
                let_in += u32::from(attacked.guess(account, &context).await.is_ok());
                tries += 1;
            }
            attacked.world.clock.advance(Duration::from_secs(1));
        }
        println!("stuffing from {what}: {let_in} of {tries} tries let in within 10 minutes");
        assert!((600..=660).contains(&let_in), "60 at once and 60 a minute");
    }
}

#[tokio::test]
async fn stuffing_from_ten_thousand_sources_is_let_in_sixty_thousand_times_a_minute() {
    let attacked = Attacked::with(|_| {});
    let mut let_in = 0;
    for n in 0..62_000 {
        let account = email(&format!("leaked{n}"));
        let_in += u32::from(attacked.guess(account, &bot(n % 10_000)).await.is_ok());
    }
    println!("stuffing from 10,000 sources: {let_in} of 62,000 tries let in at one moment");
    assert_eq!((u64::from(let_in), let_in), (attacked.hashing.so_far(), 60_000));
}

#[tokio::test]
async fn a_botnet_guesses_ninety_times_at_an_account_for_ever() {
    let attacked = Attacked::start().await;
    let device = attacked.login(victim(), OURS, &RequestContext::new()).await.unwrap().device_token;
    for device in [None, None, Some(device)] {
        let mut days = Vec::new();
        for _ in 0..30 {
            days.push(attacked.guess_for(DAY, device.as_ref()).await);
        }
        let all: u32 = days.iter().sum();
        println!("guesses at one account on days 1 to 5: {:?}, in 30 days: {all}", &days[..5]);
        assert!(days[0] <= 41 && days[1..].iter().all(|day| *day <= 24));
        assert_eq!(all, 90, "the resets ended the device token");
        let link = attacked.mailed_link().await;
        attacked.reset(link, &RequestContext::new()).await.unwrap();
    }
}

#[tokio::test]
async fn a_stolen_device_token_makes_them_a_hundred() {
    let attacked = Attacked::start().await;
    let device = attacked.login(victim(), OURS, &RequestContext::new()).await.unwrap().device_token;
    let mut all = 0;
    for _ in 0..30 {
        all += attacked.guess_for(DAY, Some(&device)).await;
    }
    println!("guesses with a stolen device token in 30 days: {all}");
    assert_eq!(all, 100);
}

#[tokio::test]
async fn an_owner_who_logs_in_daily_gives_a_botnet_forty_guesses_a_day() {
    let attacked = Attacked::start().await;
    let mut most = 0;
    for _ in 0..30 {
        most = most.max(attacked.guess_for(DAY, None).await);
        // He comes first, this once.
        while attacked.login(victim(), OURS, &RequestContext::new()).await.is_err() {
            attacked.world.clock.advance(Duration::from_secs(1));
        }
    }
    println!("guesses a day at an account whose owner logs in daily: {most} at most");
    assert!((30..=41).contains(&most));
}

#[tokio::test]
async fn a_victim_whose_account_is_kept_locked_recovers_and_goes_on() {
    let attacked = Attacked::start().await;
    let auth = &attacked.world.auth;
    let mut session =
        attacked.login(victim(), OURS, &RequestContext::new()).await.unwrap().refresh_token;
    for _ in 0..7 {
        attacked.lock().await;
        attacked.guess_for(HOUR, None).await;
        session = auth.refresh(session, &RequestContext::new()).await.unwrap().refresh_token;
    }
    let link = attacked.mailed_link().await;
    attacked.lock().await;
    let mut device = attacked.reset(link, &RequestContext::new()).await.unwrap();
    for day in 0..7 {
        attacked.lock().await;
        let context = RequestContext::new().from_device(Some(device));
        let login = attacked.login(victim(), OURS, &context).await;
        device = login.unwrap_or_else(|error| panic!("day {day}: {error}")).device_token;
        attacked.guess_for(DAY, None).await;
    }
    println!(
        "a victim under guesses without a pause: recovered by mail, logged in on each of 7 days"
    );
}

#[tokio::test]
async fn a_mailbox_gets_five_mails_of_each_kind_an_hour_whoever_asks() {
    let attacked = Attacked::with(|settings| {
        settings.email_verification = EmailVerification::RequireVerified;
        settings.registration = RegistrationMode::Private;
    });
    attacked.register(victim()).await;
    attacked.world.deliver_mail().await;
    let mut source = 0;
    for _ in 0..24 {
        for _ in 0..416 {
            source += 1;
            attacked.forget(&bot(source)).await;
            let _ = attacked.world.auth.request_verification(victim(), &bot(source)).await;
            let (password, name) = (Password::new(OURS).unwrap(), DisplayName::parse("A").unwrap());
            let request = RegisterRequest { email: victim(), password, name };
            let _ = attacked.world.auth.register(request, &bot(source)).await;
            attacked.world.clock.advance(Duration::from_secs(8));
            attacked.world.deliver_mail().await;
        }
        attacked.world.clock.advance(HOUR - Duration::from_secs(8 * 416));
    }
    let mut kinds = BTreeMap::<_, u32>::new();
    for mail in attacked.world.mailbox.all() {
        *kinds.entry(mail.content.subject).or_default() += 1;
    }
    println!("mails to one address in a day of {source} requests of each kind: {kinds:?}");
    assert_eq!(kinds.len(), 3);
    assert!(kinds.values().all(|mails| *mails <= 5 + 24 * 5), "five, and five an hour");
    let newest = attacked.world.mailbox.all().into_iter().rev();
    let newest = newest.map(|mail| mail.content).find(|mail| mail.text.contains("/reset-password"));
    let text = newest.unwrap().text;
    let token = text.split_once("token=").unwrap().1.lines().next().unwrap();
    let token = ResetToken::parse(token).unwrap();
    attacked.reset(token, &RequestContext::new()).await.unwrap();
}

#[tokio::test]
async fn everybody_together_gets_no_more_mails_than_the_cap() {
    let hourly = RateLimit::new(100, HOUR);
    let attacked = Attacked::with(|settings| settings.limits.mails_global = Some(hourly));
    for n in 0..300 {
        let account = email(&format!("member{n}"));
        attacked.register(account.clone()).await;
        attacked.world.auth.request_password_reset(account, &bot(n)).await.unwrap();
    }
    attacked.world.deliver_mail().await;
    let mails = attacked.world.mailbox.all().len();
    println!("mails to 300 addresses at once under a cap of 100 an hour: {mails}");
    assert_eq!(mails, 100);
}

#[tokio::test]
async fn guesses_at_a_reset_link_buy_nothing() {
    let attacked = Attacked::start().await;
    let link = attacked.mailed_link().await;
    let (before, address) =
        (attacked.hashing.so_far(), Base64UrlUnpadded::encode_string(b"victim@example.com"));
    let (mut let_in, mut limited) = (0_u32, 0_u32);
    for round in 0..3_u8 {
        for n in 0..10_000_u32 {
            let mut bytes = [round; 48];
            bytes[..4].copy_from_slice(&n.to_be_bytes());
            let token = format!("{address}.{}", Base64UrlUnpadded::encode_string(&bytes));
            match attacked.reset(ResetToken::parse(&token).unwrap(), &bot(n % 250)).await {
                Err(ResetError::InvalidToken) => let_in += 1,
                Err(ResetError::RateLimited { .. }) => limited += 1,
                other => panic!("{other:?}"),
            }
        }
    }
    println!(
        "guesses at a reset link: {let_in} let in, {limited} limited; odds {let_in} x 2^-256 and of the tag 2^-128"
    );
    assert_eq!(
        (let_in, attacked.hashing.so_far()),
        (25_000, before),
        "100 for each of 250 sources"
    );
    attacked.reset(link, &RequestContext::new()).await.unwrap();
}

/// How many of a thousand guesses at once are let in, all others being told to wait.
async fn let_in_of_a_thousand(attacked: &Arc<Attacked>, account: &Email) -> u32 {
    let guesses: Vec<_> = (0..1_000)
        .map(|n| (Arc::clone(attacked), account.clone(), n))
        .map(|(attacked, account, n)| {
            tokio::spawn(async move { attacked.guess(account, &bot(n)).await.is_ok() })
        })
        .collect();
    let mut let_in = 0;
    for guess in guesses {
        let_in += u32::from(guess.await.unwrap());
    }
    let_in
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_thousand_guesses_at_once_five_are_verified_with_an_account_and_without() {
    let attacked = Arc::new(Attacked::start().await);
    for account in [victim(), email("nobody")] {
        let before = attacked.hashing.so_far();
        let at_once = let_in_of_a_thousand(&attacked, &account).await;
        attacked.world.clock.advance(Duration::from_secs(1));
        let later = let_in_of_a_thousand(&attacked, &account).await;
        assert_eq!((at_once, later), (5, 1), "let in at one moment, and after the first wait");
        assert_eq!(attacked.hashing.so_far() - before, 6, "verified");
    }
}
