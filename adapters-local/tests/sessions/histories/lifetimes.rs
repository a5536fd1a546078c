//! Random lives of an account through the real service, each step of which is compared with a small
//! model: logins up to the cap, refreshes whose answers are lost, a thief, instances under either of two
//! master secrets, two calls at once, every way to end sessions, and a clock that jumps both ways.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use adapters_local::{Testing, testing_with};
use auth_domain::ports::{Clock, SessionStore, UserKey, UserStore};
use auth_domain::{
    Auth, ChangePasswordRequest, Claims, DisplayName, Email, LoginRequest, MasterSecret, Password,
    RateLimits, RefreshError, RefreshToken, RegisterRequest, RequestContext, ResetRequest,
    SessionId, Timestamp,
};

use super::flaky::{Flaky, Lost};

/// Where accounts and sessions are kept.
pub(crate) struct Stores {
    pub(crate) users: Arc<dyn UserStore>,
    pub(crate) sessions: Arc<dyn SessionStore>,
}

/// Clients and, last, the thief: who has a refresh token of his own or of others.
const DEVICES: usize = 3;
const THIEF: usize = DEVICES;
const CAP: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Login {
        device: usize,
    },
    Refresh {
        who: usize,
        instance: usize,
        lost: Option<Lost>,
    },
    /// At two instances at once, with one token.
    RefreshTwice {
        who: usize,
    },
    Steal {
        from: usize,
    },
    Logout {
        who: usize,
    },
    EndSession {
        by: usize,
        of: usize,
    },
    EndAll {
        by: usize,
    },
    ChangePassword {
        by: usize,
    },
    ResetPassword,
    DisableAndEnable,
    /// From now on no rows are removed after a bump of the version, or they are again.
    KeepRows {
        keeps: bool,
    },
    Wait {
        seconds: u64,
    },
    SetBack {
        seconds: u64,
    },
}

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

impl Step {
    fn random(dice: &mut Dice) -> Self {
        let (who, device, instance) = (dice.below(DEVICES + 1), dice.below(DEVICES), dice.below(2));
        match dice.below(100) {
            0..16 => Self::Login { device },
            16..46 => Self::Refresh { who, instance, lost: None },
            46..50 => Self::Refresh { who, instance, lost: Some(Lost::Before) },
            50..58 => Self::Refresh { who, instance, lost: Some(Lost::After) },
            58..64 => Self::RefreshTwice { who },
            64..76 => Self::Steal { from: device },
            76..78 => Self::Logout { who },
            78..80 => Self::EndSession { by: device, of: dice.below(DEVICES) },
            80 => Self::EndAll { by: device },
            81..84 => Self::ChangePassword { by: device },
            84 => Self::ResetPassword,
            85 => Self::DisableAndEnable,
            86..88 => Self::KeepRows { keeps: dice.below(2) == 0 },
            88..93 => Self::Wait { seconds: [1, 5, 11, 11, HOUR][dice.below(5)] },
            // Over what a session lives unused, and with others over what it lives at all.
            93..96 => Self::Wait { seconds: [13 * DAY, 16 * DAY][dice.below(2)] },
            _ => Self::SetBack { seconds: [1, 11, HOUR][dice.below(3)] },
        }
    }
}

/// The same numbers for the same seed (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ z >> 31) % n as u64).expect("small")
    }
}

pub(crate) fn random_history(seed: u64, steps: usize) -> Vec<Step> {
    let mut dice = Dice(seed);
    (0..steps).map(|_| Step::random(&mut dice)).collect()
}

/// How often it came to what: a history that never meets a theft shows nothing of thefts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) steps: usize,
    pub(crate) rotations: usize,
    pub(crate) retries: usize,
    pub(crate) reuses: usize,
    pub(crate) refusals: usize,
    pub(crate) lost: usize,
    pub(crate) capped: usize,
    pub(crate) expired: usize,
}

impl std::ops::AddAssign for Figures {
    fn add_assign(&mut self, other: Self) {
        self.steps += other.steps;
        self.rotations += other.rotations;
        self.retries += other.retries;
        self.reuses += other.reuses;
        self.refusals += other.refusals;
        self.lost += other.lost;
        self.capped += other.capped;
        self.expired += other.expired;
    }
}

/// A session as the model knows it.
struct Line {
    id: SessionId,
    /// Its tokens in order, where they were heard of.
    tokens: Vec<Option<String>>,
    version: u64,
    opened_at: Timestamp,
    used_at: Timestamp,
    has_row: bool,
}

const IDLE: Duration = Duration::from_secs(14 * DAY);
const LONGEST: Duration = Duration::from_secs(30 * DAY);
const WINDOW: Duration = Duration::from_secs(10);

impl Line {
    fn is_expired(&self, now: Timestamp) -> bool {
        now >= self.used_at + IDLE || now >= self.opened_at + LONGEST
    }

    fn is_live(&self, version: u64, now: Timestamp) -> bool {
        self.has_row && self.version == version && !self.is_expired(now)
    }
}

/// What a refresh must come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    NextChild,
    SameChild,
    Reuse,
    Refusal,
}

struct Device {
    token: RefreshToken,
    claims: Option<Claims>,
}

struct Life {
    testing: Testing,
    other_instance: Auth,
    flaky: Arc<Flaky>,
    key: UserKey,
    devices: [Option<Device>; DEVICES + 1],
    lines: Vec<Line>,
    version: u64,
    passwords: [&'static str; 2],
    keeps_rows: bool,
    latest: Timestamp,
    figures: Figures,
}

/// Lives through a history with an account of its own; the first step that the model did not foresee.
pub(crate) async fn live(stores: &Stores, name: &str, history: &[Step]) -> Result<Figures, String> {
    let mut life = Life::new(stores, name).await;
    for (n, step) in history.iter().enumerate() {
        let done = async {
            life.take(*step).await?;
            life.compare().await
        };
        done.await.map_err(|why| format!("step {n} of {history:?}: {why}"))?;
    }
    life.nothing_spent_is_good().await?;
    life.figures.steps = history.len();
    Ok(life.figures)
}

impl Life {
    async fn new(stores: &Stores, name: &str) -> Self {
        let flaky = Arc::new(Flaky::new(Arc::clone(&stores.sessions)));
        let mut other = None;
        let testing = testing_with(|ports, settings| {
            ports.users = Arc::clone(&stores.users);
            ports.sessions = Arc::clone(&flaky) as _;
            settings.limits = RateLimits::danger_off();
            settings.attempts = None;
            settings.sessions_per_account = NonZeroUsize::new(CAP).expect("not zero");
            let next = MasterSecret::new([8; 32]).expect("32 bytes are enough");
            let mut swapped = settings.clone();
            swapped.previous_master_secret = Some(swapped.master_secret);
            swapped.master_secret = next.clone();
            settings.previous_master_secret = Some(next);
            other = Auth::new(ports.clone(), swapped).ok();
        });
        let email = Email::parse(&format!("{name}@histories.example")).expect("an address");
        let passwords = ["correct horse battery", "a brand new staple"];
        let display_name = DisplayName::parse("Ann").expect("a name");
        let request = RegisterRequest {
            email: email.clone(),
            password: typed(passwords[0]),
            name: display_name,
        };
        testing.auth.register(request, &RequestContext::new()).await.expect("a free address");
        let user = stores.users.find_by_email(&email).await.expect("answers").expect("is there");
        Self {
            testing,
            other_instance: other.expect("the settings hold"),
            flaky,
            key: UserKey { email, id: user.id },
            devices: [const { None }; DEVICES + 1],
            lines: Vec::new(),
            version: user.credential_version.get(),
            passwords,
            keeps_rows: false,
            latest: Timestamp::from_seconds(0),
            figures: Figures::default(),
        }
    }

    fn now(&self) -> Timestamp {
        self.testing.clock.now()
    }

    fn auth(&self, instance: usize) -> Auth {
        if instance == 0 { self.testing.auth.clone() } else { self.other_instance.clone() }
    }

    async fn take(&mut self, step: Step) -> Result<(), String> {
        let clock = &self.testing.clock;
        match step {
            Step::Wait { seconds } => clock.advance(Duration::from_secs(seconds)),
            Step::SetBack { seconds } => {
                self.latest = self.latest.max(clock.now());
                clock.set(clock.now() - Duration::from_secs(seconds));
            }
            Step::Login { device } => self.login(device).await?,
            Step::Refresh { who, instance, lost } => self.refresh(who, instance, lost).await?,
            Step::RefreshTwice { who } => self.refresh_twice(who).await?,
            Step::Steal { from } => {
                let token = self.devices[from].as_ref().map(|device| device.token.clone());
                self.devices[THIEF] = token.map(|token| Device { token, claims: None });
            }
            Step::Logout { who } => self.logout(who).await?,
            Step::EndSession { by, of } => self.end_session(by, of).await?,
            Step::EndAll { by } => self.end_all(by).await?,
            Step::ChangePassword { by } => self.change_password(by).await?,
            Step::ResetPassword => self.reset_password().await?,
            Step::KeepRows { keeps } => {
                self.flaky.keep_rows(keeps);
                self.keeps_rows = keeps;
            }
            Step::DisableAndEnable => self.disable_and_enable().await?,
        }
        Ok(())
    }

    async fn login(&mut self, device: usize) -> Result<(), String> {
        // So that no two sessions are of one age, however the clock was set back by whole seconds.
        self.testing.clock.advance(Duration::from_micros(1_000_001));
        let [password, _] = self.passwords;
        let request = LoginRequest { email: self.key.email.clone(), password: typed(password) };
        let login = self.testing.auth.login(request, &RequestContext::new()).await;
        let login = login.map_err(|error| format!("a good login: {error}"))?;
        let now = self.now();
        self.lines.push(Line {
            id: login.session_id,
            tokens: vec![Some(text(&login.refresh_token))],
            version: self.version,
            opened_at: now,
            used_at: now,
            has_row: true,
        });
        self.cap();
        let claims = self.claims(login.access_token.expose()).await?;
        self.devices[device] = Some(Device { token: login.refresh_token, claims: Some(claims) });
        Ok(())
    }

    /// The dead go first, then the oldest.
    fn cap(&mut self) {
        let opened = self.lines.last().map(|line| line.id);
        let (version, now) = (self.version, self.now());
        let mut kept: Vec<_> = self.lines.iter_mut().filter(|line| line.has_row).collect();
        kept.sort_by_key(|line| {
            (Some(line.id) == opened, line.is_live(version, now), line.opened_at)
        });
        let beyond = kept.len().saturating_sub(CAP);
        for line in &mut kept[..beyond] {
            line.has_row = false;
            self.figures.capped += 1;
        }
    }

    async fn claims(&self, access_token: &str) -> Result<Claims, String> {
        let claims = self.testing.auth.authenticate(access_token).await;
        claims.map_err(|error| format!("a token issued just now: {error}"))
    }

    /// Whose line a token is of, and which of it.
    fn place(&self, token: &RefreshToken) -> Result<(usize, usize), String> {
        let text = Some(text(token));
        self.lines
            .iter()
            .enumerate()
            .find_map(|(n, line)| Some((n, line.tokens.iter().position(|t| *t == text)?)))
            .ok_or_else(|| "a token of no line".to_owned())
    }

    /// What a token must come to now; and the model goes on to what is then.
    fn foresee(&mut self, (line, place): (usize, usize)) -> Expected {
        let (now, version) = (self.now(), self.version);
        let line = &mut self.lines[line];
        let away = now.since(line.used_at).max(line.used_at.since(now));
        let from_the_end = line.tokens.len() - 1 - place;
        if !line.has_row || line.is_expired(now) {
            self.figures.expired += usize::from(line.has_row);
            return Expected::Refusal;
        }
        match from_the_end {
            0 => {
                line.tokens.push(None);
                line.used_at = now;
            }
            1 if away <= WINDOW => {}
            _ => {
                line.has_row = false;
                return Expected::Reuse;
            }
        }
        match (line.version == version, from_the_end) {
            (false, _) => Expected::Refusal,
            (true, 0) => Expected::NextChild,
            (true, _) => Expected::SameChild,
        }
    }

    async fn refresh(
        &mut self,
        who: usize,
        instance: usize,
        lost: Option<Lost>,
    ) -> Result<(), String> {
        let Some(token) = self.devices[who].as_ref().map(|device| device.token.clone()) else {
            return Ok(());
        };
        let place = self.place(&token)?;
        let expected = if lost == Some(Lost::Before) { None } else { Some(self.foresee(place)) };
        self.flaky.lose_next(lost);
        let answer = self.auth(instance).refresh(token, &RequestContext::new()).await;
        if lost.is_some() {
            self.figures.lost += 1;
            return match answer {
                Err(RefreshError::Port(_)) => Ok(()),
                other => Err(format!("an answer that was lost: {other:?}")),
            };
        }
        let Some(expected) = expected else { return Ok(()) };
        self.figures.count(expected);
        match (expected, answer) {
            (Expected::NextChild | Expected::SameChild, Ok(refreshed)) => {
                self.heard(place, &refreshed.refresh_token)?;
                let claims = self.claims(refreshed.access_token.expose()).await?;
                self.devices[who] =
                    Some(Device { token: refreshed.refresh_token, claims: Some(claims) });
                Ok(())
            }
            (Expected::Reuse | Expected::Refusal, Err(RefreshError::Rejected)) => Ok(()),
            (expected, answer) => Err(format!("{expected:?} was to come, and {answer:?} came")),
        }
    }

    /// A token has one child, whoever asks and whenever.
    fn heard(&mut self, (line, place): (usize, usize), child: &RefreshToken) -> Result<(), String> {
        let known = &mut self.lines[line].tokens[place + 1];
        let child = text(child);
        if *known.get_or_insert_with(|| child.clone()) == child {
            Ok(())
        } else {
            Err("a token has two children".to_owned())
        }
    }

    async fn refresh_twice(&mut self, who: usize) -> Result<(), String> {
        let Some(token) = self.devices[who].as_ref().map(|device| device.token.clone()) else {
            return Ok(());
        };
        let place = self.place(&token)?;
        let expected = self.foresee(place);
        self.figures.count(expected);
        let context = RequestContext::new();
        let (one, other) = (self.auth(0), self.auth(1));
        let answers =
            tokio::join!(one.refresh(token.clone(), &context), other.refresh(token, &context));
        match (expected, answers) {
            (Expected::NextChild | Expected::SameChild, (Ok(one), Ok(other))) => {
                self.heard(place, &one.refresh_token)?;
                self.heard(place, &other.refresh_token)?;
                let claims = self.claims(other.access_token.expose()).await?;
                self.devices[who] = Some(Device { token: one.refresh_token, claims: Some(claims) });
                Ok(())
            }
            (
                Expected::Reuse | Expected::Refusal,
                (Err(RefreshError::Rejected), Err(RefreshError::Rejected)),
            ) => Ok(()),
            (expected, answers) => Err(format!("{expected:?} was to come, and {answers:?} came")),
        }
    }

    async fn logout(&mut self, who: usize) -> Result<(), String> {
        let Some(device) = self.devices[who].take() else { return Ok(()) };
        let (line, _) = self.place(&device.token)?;
        let answer = self.testing.auth.logout(device.token, &RequestContext::new()).await;
        self.lines[line].has_row = false;
        answer.map_err(|error| format!("a logout: {error}"))
    }

    /// The line of a device's session, if the device may act for the account by it.
    fn acting(&self, by: usize) -> Option<(Claims, Result<usize, ()>)> {
        let claims = self.devices[by].as_ref()?.claims.clone()?;
        let line = self.lines.iter().position(|line| line.id == claims.session_id)?;
        let is_live = self.lines[line].is_live(self.version, self.now());
        Some((claims, if is_live { Ok(line) } else { Err(()) }))
    }

    async fn end_session(&mut self, by: usize, of: usize) -> Result<(), String> {
        let (Some((claims, may)), Some((target, _))) = (self.acting(by), self.acting(of)) else {
            return Ok(());
        };
        let id = target.session_id;
        let answer = self.testing.auth.end_session(&claims, id, &RequestContext::new()).await;
        let line = self.lines.iter_mut().find(|line| line.id == id).ok_or("no such line")?;
        let expected = may.is_ok() && line.has_row;
        line.has_row &= !expected;
        as_foreseen("end_session", expected, answer)
    }

    async fn end_all(&mut self, by: usize) -> Result<(), String> {
        let Some((claims, may)) = self.acting(by) else { return Ok(()) };
        let answer = self.testing.auth.end_all_sessions(&claims, &RequestContext::new()).await;
        if may.is_ok() {
            self.bump(None);
        }
        as_foreseen("end_all_sessions", may.is_ok(), answer)
    }

    fn bump(&mut self, spared: Option<usize>) {
        self.version += 1;
        for (n, line) in self.lines.iter_mut().enumerate() {
            if Some(n) == spared {
                line.version = self.version;
            } else {
                line.has_row &= self.keeps_rows;
            }
        }
    }

    async fn change_password(&mut self, by: usize) -> Result<(), String> {
        let Some((claims, may)) = self.acting(by) else { return Ok(()) };
        let [current, new] = self.passwords.map(typed);
        let request = ChangePasswordRequest { current_password: current, new_password: new };
        let context = RequestContext::new();
        let answer = self.testing.auth.change_password(&claims, request, &context).await;
        if let Ok(line) = may {
            self.bump(Some(line));
            self.passwords.reverse();
        }
        as_foreseen("change_password", may.is_ok(), answer)
    }

    async fn reset_password(&mut self) -> Result<(), String> {
        let Testing { auth, clock, .. } = &self.testing;
        // However it was set back: a link from before the last change, or before another link, is none.
        self.latest = clock.now().max(self.latest) + Duration::from_secs(1);
        clock.set(self.latest);
        let (email, context) = (self.key.email.clone(), RequestContext::new());
        let asked = auth.request_password_reset(email.clone(), &context).await;
        asked.map_err(|error| format!("a request for a mail: {error}"))?;
        self.testing.deliver_mail().await;
        let token = self.testing.reset_token(&email).ok_or("no link was mailed")?;
        let request = ResetRequest { token, new_password: typed(self.passwords[1]) };
        let answer = auth.reset_password(request, &context).await;
        self.bump(None);
        self.passwords.reverse();
        as_foreseen("reset_password", true, answer)
    }

    async fn disable_and_enable(&mut self) -> Result<(), String> {
        let admin = self.testing.auth.admin();
        let answers = (admin.disable(&self.key).await, admin.enable(&self.key).await);
        self.bump(None);
        self.bump(None);
        as_foreseen("disable", true, answers.0)?;
        as_foreseen("enable", true, answers.1)
    }

    /// What is listed is what the model holds for live.
    async fn compare(&self) -> Result<(), String> {
        let account = self.testing.auth.admin().look_up(&self.key.email).await;
        let account = account.map_err(|error| format!("look_up: {error}"))?;
        let listed: BTreeSet<_> = account.sessions.iter().map(|session| session.id).collect();
        let live = self.lines.iter().filter(|line| line.is_live(self.version, self.now()));
        let live: BTreeSet<_> = live.map(|line| line.id).collect();
        if account.credential_version.get() != self.version {
            return Err("another credential version".to_owned());
        }
        if listed == live { Ok(()) } else { Err(format!("{listed:?} live, and not {live:?}")) }
    }

    /// Every token but the last two of each line, however the history went, is refused for ever.
    async fn nothing_spent_is_good(&self) -> Result<(), String> {
        for line in &self.lines {
            let spent = &line.tokens[..line.tokens.len().saturating_sub(2)];
            for token in spent.iter().flatten() {
                let token = RefreshToken::parse(token).map_err(|error| error.to_string())?;
                let answer = self.testing.auth.refresh(token, &RequestContext::new()).await;
                as_foreseen("refresh with a spent token", false, answer)?;
            }
        }
        Ok(())
    }
}

impl Figures {
    fn count(&mut self, expected: Expected) {
        *match expected {
            Expected::NextChild => &mut self.rotations,
            Expected::SameChild => &mut self.retries,
            Expected::Reuse => &mut self.reuses,
            Expected::Refusal => &mut self.refusals,
        } += 1;
    }
}

fn as_foreseen<T, E: std::fmt::Debug>(
    call: &str,
    is_good: bool,
    answer: Result<T, E>,
) -> Result<(), String> {
    match answer {
        Ok(_) if !is_good => Err(format!("{call} was to be refused")),
        Err(error) if is_good => Err(format!("{call} was to be good: {error:?}")),
        _ => Ok(()),
    }
}

fn typed(password: &str) -> Password {
    Password::new(password).expect("a password")
}

fn text(token: &RefreshToken) -> String {
    token.expose().to_string()
}
