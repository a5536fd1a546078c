//! What attackers get in hours and weeks of a clock that a test moves, under the default limits and
//! waits. `cargo test -p adapters-local --test attack_simulation -- --nocapture` prints the figures.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test panics when it fails")]
#![expect(clippy::print_stdout, reason = "the figures are what a reader runs this for")]

mod intercepted;

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use adapters_local::{Testing, testing_with};
use auth_domain::ports::Clock;
use auth_domain::*;
use intercepted::Interceptor;

const OLD: &str = "correct horse battery";
const NEW: &str = "a brand new staple";
const GUESS: &str = "a leaked password";
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// Counts what is hashed or verified, and what is read of the reset links.
#[derive(Clone, Default)]
struct Counted {
    hashes: Arc<AtomicU32>,
    link_reads: Arc<AtomicU32>,
}

impl Interceptor for Counted {
    fn meet<T: Send>(
        &self,
        name: &'static str,
        call: impl Future<Output = Result<T, PortError>> + Send,
    ) -> impl Future<Output = Result<T, PortError>> + Send {
        match name {
            "HashSlot::hash" | "HashSlot::verify" => self.hashes.fetch_add(1, Ordering::Relaxed),
            "ResetTokenStore::newest" | "ResetTokenStore::consume" => {
                self.link_reads.fetch_add(1, Ordering::Relaxed)
            }
            _ => 0,
        };
        call
    }
}

struct World {
    inner: Testing,
    counted: Counted,
}

impl World {
    fn new(change: impl FnOnce(&mut Settings)) -> Self {
        let counted = Counted::default();
        let inner = testing_with(|ports, settings| {
            ports.hasher = counted.intercept(&ports.hasher);
            ports.reset_tokens = counted.intercept(&ports.reset_tokens);
            change(settings);
        });
        Self { inner, counted }
    }

    async fn with_ann() -> Self {
        let world = Self::new(|_| {});
        world.register(ann(), None).await;
        world
    }

    fn counted(&self) -> (u32, u32) {
        let Counted { hashes, link_reads } = &self.counted;
        (hashes.load(Ordering::Relaxed), link_reads.load(Ordering::Relaxed))
    }

    async fn register(&self, email: Email, source: Option<IpAddr>) {
        let name = DisplayName::parse("Somebody").unwrap();
        let request = RegisterRequest { email, password: typed(OLD), name };
        self.inner.auth.register(request, &from(source)).await.unwrap();
    }

    async fn login(
        &self,
        email: Email,
        password: &str,
        context: &RequestContext,
    ) -> Result<Login, LoginError> {
        let request = LoginRequest { email, password: typed(password) };
        self.inner.auth.login(request, context).await
    }

    /// One guess at Ann's account, by a botnet that has more sources than guesses: no limit by source.
    async fn guess(&self, device: Option<&DeviceToken>) -> Result<(), Duration> {
        let context = RequestContext::new().from_device(device.cloned());
        let_in(&self.login(ann(), GUESS, &context).await)
    }

    /// Guesses until none is let in, at this moment; how many were.
    async fn strangers_lock(&self) -> u32 {
        let mut guesses = 0;
        while self.guess(None).await.is_ok() {
            guesses += 1;
        }
        guesses
    }

    async fn reset(&self, password: &str) -> DeviceToken {
        self.inner.auth.request_password_reset(ann(), &from(None)).await.unwrap();
        self.inner.deliver_mail().await;
        let token = self.inner.reset_token(&ann()).unwrap();
        let request = ResetRequest { token, new_password: typed(password) };
        self.inner.auth.reset_password(request, &from(None)).await.unwrap().device_token
    }
}

/// Whether a login was looked at, or how long its caller was told to wait.
fn let_in(outcome: &Result<Login, LoginError>) -> Result<(), Duration> {
    match outcome {
        Err(
            LoginError::TooManyAttempts { retry_after } | LoginError::RateLimited { retry_after },
        ) => Err(*retry_after),
        Ok(_) | Err(LoginError::Rejected) => Ok(()),
        Err(other) => panic!("{other}"),
    }
}

fn ann() -> Email {
    Email::parse("ann@example.com").unwrap()
}

fn numbered(n: usize) -> Email {
    Email::parse(&format!("user{n}@example.com")).unwrap()
}

fn typed(password: &str) -> Password {
    Password::new(password).unwrap()
}

fn from(source: Option<IpAddr>) -> RequestContext {
    source.map_or_else(RequestContext::new, |source| RequestContext::new().from_source(source))
}

fn ipv4(n: u32) -> IpAddr {
    Ipv4Addr::from_bits(0x0a00_0000 + n).into()
}

fn in_network(network: u16, host: u16) -> IpAddr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, network, 0, 0, 0, host).into()
}

/// Logs in once a day, as soon as he is let in.
struct Owner {
    device: Option<DeviceToken>,
    /// Whether he tries before the guessers do when a wait is over, or after them.
    is_first: bool,
}

impl Owner {
    async fn logs_in(&self, world: &World) -> bool {
        let context = from(None).from_device(self.device.clone());
        world.login(ann(), OLD, &context).await.is_ok()
    }
}

/// Guesses at Ann's account for 30 days, each as soon as it is let in: how many were on each day, and on how
/// many days the owner logged in.
async fn guesses_by_day(world: &World, owner: Option<&Owner>) -> ([u32; 30], usize) {
    let (mut by_day, mut logins) = ([0; 30], 0);
    for guesses in &mut by_day {
        let tomorrow = world.inner.clock.now() + DAY;
        let mut expected = owner;
        while world.inner.clock.now() < tomorrow {
            for is_first in [true, false] {
                if let Some(owner) = expected.filter(|owner| owner.is_first == is_first)
                    && owner.logs_in(world).await
                {
                    (expected, logins) = (None, logins + 1);
                }
                if is_first {
                    *guesses += world.strangers_lock().await;
                }
            }
            let wait = world.guess(None).await.err().unwrap_or_default();
            world.inner.clock.advance(wait);
        }
    }
    (by_day, logins)
}

#[tokio::test]
async fn stuffing_gets_sixty_tries_a_minute_from_a_source_and_sixteen_an_hour_at_an_account() {
    let world = World::new(|_| {});
    let networks = (1..=10).map(|network| (0..998).map(|n| in_network(network, n)).collect());
    let single = (0..20).map(|n| vec![ipv4(n)]);
    let sources: Vec<Vec<IpAddr>> = single.chain(networks).collect();
    assert_eq!(sources.iter().map(Vec::len).sum::<usize>(), 10_000);
    let (mut tries, mut most) = (0, 0);
    let mut by_account = HashMap::<usize, u32>::new();
    for minute in 0..60 {
        for addresses in &sources {
            let mut of_source = 0;
            for address in addresses.iter().cycle() {
                let account = tries % 1_000;
                match world.login(numbered(account), GUESS, &from(Some(*address))).await {
                    Err(LoginError::RateLimited { .. }) => break,
                    Err(LoginError::Rejected) => *by_account.entry(account).or_default() += 1,
                    other => assert!(let_in(&other).is_err()),
                }
                (tries, of_source) = (tries + 1, of_source + 1);
            }
            assert!(of_source <= 60, "{of_source} in minute {minute}");
            most = most.max(of_source);
        }
        world.inner.clock.advance(MINUTE);
    }
    let at_one = by_account.values().copied().max().unwrap();
    println!(
        "stuffing, 1 h: 10,000 addresses of 30 sources, {tries} tries, {most} of a source a minute"
    );
    println!("  {} verifications, at most {at_one} at one account", world.counted().0);
    assert_eq!((tries, most), (30 * 60 * 60, 60));
    assert!(at_one <= 16);
    assert_eq!(world.counted().0, by_account.values().sum::<u32>());
}

#[tokio::test]
async fn ten_thousand_sources_together_try_sixty_thousand_times_at_once_and_again_each_minute() {
    let world = World::new(|_| {});
    let mut tries = 0;
    for n in 0..70_000 {
        let outcome = world.login(numbered(n as usize), GUESS, &from(Some(ipv4(n % 10_000)))).await;
        tries += u32::from(let_in(&outcome).is_ok());
    }
    world.inner.clock.advance(SECOND);
    let mut next = 0;
    for n in 0..2_000 {
        let outcome = world.login(numbered(n as usize), GUESS, &from(Some(ipv4(n)))).await;
        next += u32::from(let_in(&outcome).is_ok());
    }
    println!(
        "stuffing from 10,000 sources: {tries} of 70,000 at once, {next} of 2,000 a second later"
    );
    assert_eq!((tries, next), (60_000, 1_000));
    assert_eq!(world.counted().0, 61_000);
}

#[tokio::test]
async fn a_month_of_guessing_gets_ninety_guesses_and_ten_with_a_stolen_device_token() {
    let world = World::with_ann().await;
    let stolen = world.login(ann(), OLD, &from(None)).await.unwrap().device_token;
    let (by_day, _) = guesses_by_day(&world, None).await;
    let in_all: u32 = by_day.iter().sum();
    let mut with_token = 0;
    for _ in 0..30 * 24 {
        while world.guess(Some(&stolen)).await.is_ok() {
            with_token += 1;
        }
        world.inner.clock.advance(HOUR);
    }
    world.reset(NEW).await;
    let again: u32 = guesses_by_day(&world, None).await.0.iter().sum();
    println!("guessing, 30 d: {} on day 1, {} on day 2, {in_all} in all", by_day[0], by_day[1]);
    println!("  {with_token} more with a stolen device token, {again} after the owner's reset");
    assert_eq!((&by_day[..3], in_all), (&[39, 24, 24][..], 90));
    assert_eq!((with_token, again), (10, 90));
}

/// A month of guesses at an account whose owner logs in every day.
async fn a_month_with(is_known: bool, is_first: bool) -> ([u32; 30], usize) {
    let world = World::with_ann().await;
    let login = world.login(ann(), OLD, &from(None)).await.unwrap();
    let owner = Owner { device: is_known.then_some(login.device_token), is_first };
    let (by_day, logins) = guesses_by_day(&world, Some(&owner)).await;
    let (most, in_all) = (by_day.iter().max().unwrap(), by_day.iter().sum::<u32>());
    println!("guessing, 30 d, owner with a device token: {is_known}, before guessers: {is_first}");
    println!("  at most {most} guesses a day, {in_all} in all; the owner got in on {logins} days");
    (by_day, logins)
}

#[tokio::test]
async fn an_owner_who_gets_in_every_day_without_a_device_token_gives_guessers_forty_a_day() {
    let (by_day, logins) = a_month_with(false, true).await;
    assert_eq!(logins, 30);
    assert!(by_day.iter().all(|guesses| *guesses <= 40));
    let (by_day, logins) = a_month_with(false, false).await;
    assert_eq!((by_day.iter().sum::<u32>(), logins), (90, 0), "he needs a reset");
}

#[tokio::test]
async fn an_owner_with_a_device_token_gets_in_every_day_and_adds_no_guess_while_strangers_lock() {
    let (by_day, logins) = a_month_with(true, false).await;
    assert_eq!((by_day.iter().sum::<u32>(), logins), (90, 30));
    let (by_day, logins) = a_month_with(true, true).await;
    assert_eq!((by_day.iter().sum::<u32>(), logins), (90, 30));
}

#[tokio::test]
async fn strangers_who_never_pause_neither_end_the_victims_session_nor_keep_him_out_after_a_reset()
{
    let world = World::with_ann().await;
    let mut session = world.login(ann(), OLD, &from(None)).await.unwrap().refresh_token;
    for _ in 0..7 {
        world.strangers_lock().await;
        session = world.inner.auth.refresh(session, &from(None)).await.unwrap().refresh_token;
        world.inner.clock.advance(DAY);
    }
    world.strangers_lock().await;
    assert!(let_in(&world.login(ann(), OLD, &from(None)).await).is_err(), "he is locked out");
    let mut device = world.reset(NEW).await;
    for day in 0..7 {
        let locked_by = world.strangers_lock().await;
        assert!(day > 0 || locked_by == 5, "a reset starts anew");
        assert!(let_in(&world.login(ann(), NEW, &from(None)).await).is_err());
        let context = from(None).from_device(Some(device));
        let login = world.login(ann(), NEW, &context).await.unwrap();
        world.strangers_lock().await;
        world.inner.auth.refresh(login.refresh_token, &from(None)).await.unwrap();
        device = login.device_token;
        world.inner.clock.advance(DAY);
    }
    println!(
        "lockout: 7 of 7 refreshes before the reset; 7 of 7 daily logins with its device token"
    );
}

/// An attacker's account, confirmed, with a session.
async fn attacker(world: &World, n: usize) -> Claims {
    world.register(numbered(n), None).await;
    world.inner.deliver_mail().await;
    let token = VerificationToken::parse(&world.inner.link_token(&numbered(n)).unwrap()).unwrap();
    world.inner.auth.verify_email(token, &from(None)).await.unwrap();
    let login = world.login(numbered(n), OLD, &from(None)).await.unwrap();
    world.inner.auth.authenticate(login.access_token.expose()).await.unwrap()
}

/// Asks for a mail of each kind to Ann, from a source that asked for none before.
async fn bomb(world: &World, claims: &Claims, source: IpAddr) {
    let context = from(Some(source));
    let auth = &world.inner.auth;
    auth.request_password_reset(ann(), &context).await.unwrap();
    auth.request_verification(ann(), &context).await.unwrap();
    world.register(ann(), Some(source)).await;
    let request = ChangeEmailRequest { new_email: ann(), current_password: typed(OLD) };
    let outcome = auth.request_email_change(claims, request, &context).await;
    assert!(matches!(outcome, Ok(()) | Err(ChangeEmailError::RateLimited { .. })));
}

/// How many mails of each subject Ann has.
fn mails_of_ann(world: &World) -> BTreeMap<String, usize> {
    let mut mails = BTreeMap::new();
    for mail in world.inner.mailbox.all().into_iter().filter(|mail| mail.to == ann()) {
        *mails.entry(mail.content.subject).or_default() += 1;
    }
    mails
}

#[tokio::test]
async fn ten_thousand_sources_mail_an_address_five_times_an_hour_and_kind_and_the_last_link_works()
{
    let world = World::new(|settings| {
        settings.email_verification = EmailVerification::RequireVerified;
        settings.registration = RegistrationMode::Private;
    });
    world.register(ann(), None).await;
    world.inner.deliver_mail().await;
    let mut attackers = Vec::new();
    for n in 0..4 {
        attackers.push(attacker(&world, n).await);
    }
    let mut before = mails_of_ann(&world);
    let mut most_in_an_hour = 0;
    for n in 0..10_000 {
        bomb(&world, &attackers[n as usize % 4], ipv4(n)).await;
        world.inner.deliver_mail().await;
        world.inner.clock.advance(DAY / 10_000);
        // The first hour has the burst besides.
        if (n + 1) % 417 == 0 {
            let now = mails_of_ann(&world);
            let added = now.iter().map(|(kind, sent)| sent - before.get(kind).unwrap_or(&0));
            most_in_an_hour = most_in_an_hour.max(added.max().unwrap_or_default());
            before = now;
        }
    }
    let mails = mails_of_ann(&world);
    println!("mail bombing, 24 h, 40,000 requests from 10,000 sources: {mails:?}");
    println!(
        "  at most {most_in_an_hour} of a kind in an hour, {} in all",
        mails.values().sum::<usize>()
    );
    assert_eq!(mails.len(), 4, "every kind");
    assert!(most_in_an_hour <= 10);
    assert!(mails.values().all(|sent| *sent <= 5 + 5 * 24));
    let token = newest_reset_token(&world);
    let request = ResetRequest { token, new_password: typed(NEW) };
    world.inner.auth.reset_password(request, &from(None)).await.unwrap();
}

/// Of the newest mail to Ann that has a reset link.
fn newest_reset_token(world: &World) -> ResetToken {
    let mails = world.inner.mailbox.all();
    let tokens = mails.iter().rev().filter(|mail| mail.to == ann()).filter_map(|mail| {
        let (_, token) = mail.content.text.split_once("reset-password?token=")?;
        ResetToken::parse(token.lines().next()?).ok()
    });
    tokens.into_iter().next().unwrap()
}

#[tokio::test]
async fn mails_to_everybody_stop_at_their_cap() {
    let world = World::new(|settings| {
        settings.limits.mails_global = Some(RateLimit::new(100, HOUR));
    });
    for n in 0..300 {
        world.register(numbered(n), None).await;
    }
    let mut sent = [0, 0];
    for sent in &mut sent {
        for n in 0..300 {
            let context = from(Some(ipv4(n)));
            world.inner.auth.request_password_reset(numbered(n as usize), &context).await.unwrap();
        }
        let deliveries = world.inner.deliver_mail().await;
        *sent = deliveries.iter().filter(|done| **done == Some(Delivery::Sent)).count();
        world.inner.clock.advance(HOUR);
    }
    println!("mails to 300 addresses under a cap of 100 an hour: {sent:?} in two hours");
    assert_eq!(sent, [100, 100]);
}

#[tokio::test]
async fn made_up_reset_tokens_buy_no_hash_and_no_read_and_leave_the_owners_link_alone() {
    let world = World::with_ann().await;
    world.inner.auth.request_password_reset(ann(), &from(None)).await.unwrap();
    world.inner.deliver_mail().await;
    let owners = world.inner.reset_token(&ann()).unwrap();
    let address = owners.expose().split('.').next().unwrap().to_owned();
    let before = world.counted();
    let (mut tries, mut refused) = (0_u32, 0_u32);
    for n in 0..60_000 {
        // The last tenth is from one source, which has 100 an hour.
        let source = ipv4(if n < 50_000 { n % 10_000 } else { 10_000 });
        let token = ResetToken::parse(&format!("{address}.{n:064}")).unwrap();
        let request = ResetRequest { token, new_password: typed(NEW) };
        match world.inner.auth.reset_password(request, &from(Some(source))).await {
            Err(ResetError::InvalidToken) => tries += 1,
            Err(ResetError::RateLimited { .. }) => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    println!("made-up reset tokens: {tries} looked at, {refused} refused by source");
    println!(
        "  at the most 10,000 x 100 an hour succeed with a chance below 2^20 x 2^-256 = 2^-236"
    );
    assert_eq!((tries, refused), (50_100, 9_900));
    assert_eq!(world.counted(), before);
    let request = ResetRequest { token: owners, new_password: typed(NEW) };
    world.inner.auth.reset_password(request, &from(None)).await.unwrap();
}

/// How many of a thousand guesses at once are let in, all others being told to wait.
async fn let_in_of_a_thousand(world: &Arc<World>, account: &Email) -> u32 {
    let guesses: Vec<_> = (0..1_000)
        .map(|_| (Arc::clone(world), account.clone()))
        .map(|(world, account)| {
            tokio::spawn(
                async move { let_in(&world.login(account, GUESS, &from(None)).await).is_ok() },
            )
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
    let world = Arc::new(World::with_ann().await);
    for account in [ann(), numbered(0)] {
        let before = world.counted().0;
        let at_once = let_in_of_a_thousand(&world, &account).await;
        world.inner.clock.advance(SECOND);
        let later = let_in_of_a_thousand(&world, &account).await;
        println!("1,000 guesses at once: {at_once} let in, and a second later {later} of 1,000");
        assert_eq!((at_once, later, world.counted().0 - before), (5, 1, 6));
    }
}
