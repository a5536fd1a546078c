//! A client and what it knows: what was acknowledged to it, and the one call whose outcome it does not know.

use std::ops::AddAssign;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::load::{Answer, Caller, Lost};
use crate::mailbox::{About, Mail, Mailbox};
use crate::process::Server;
use crate::random::Random;

/// What is killed, which says what a client may see of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Killed {
    /// Calls end without an answer, and none is refused.
    Server,
    /// Every call is answered, and some are put off.
    Database,
}

/// The service as clients meet it.
pub(crate) struct Service<'a> {
    pub(crate) server: &'a Server,
    pub(crate) mailbox: &'a Mailbox,
    pub(crate) killed: Killed,
}

impl Service<'_> {
    /// Once more does no harm: the process is not forgotten before its [`Server`] is.
    pub(crate) fn kill(&self) {
        let process = self.server.child.id().to_string();
        let told = Command::new("kill").args(["-KILL", &process]).status().unwrap();
        assert!(told.success(), "process {process} cannot be killed");
    }
}

#[derive(Clone)]
struct Account {
    email: String,
    password: String,
    /// The refresh token that is good, of each session.
    sessions: Vec<String>,
    logins: usize,
    /// Whether the mail that asks to confirm the address is sure to come.
    is_asked: bool,
    forgot: Forgot,
    /// Since a reset that was acknowledged.
    before: Option<Before>,
}

/// A link is asked for once, so that each mail is known by its address and what it is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Forgot {
    No,
    /// And whether that was acknowledged.
    Asked(bool),
    /// And the link was sent back with a new password.
    Used,
}

/// What must not let anybody in any more.
#[derive(Clone)]
struct Before {
    password: String,
    refresh_token: Option<String>,
}

#[derive(Clone)]
enum Pending {
    Register(Account),
    Refresh { account: usize, session: usize, since: Instant },
    Reset { account: usize, password: String },
}

/// How often what happened. A call is open whose outcome was unknown when something was killed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) registered: usize,
    pub(crate) logged_in: usize,
    pub(crate) refreshed: usize,
    pub(crate) forgotten: usize,
    pub(crate) reset: usize,
    /// Old passwords and sessions that were refused.
    pub(crate) refused: usize,
    /// Answers 503.
    pub(crate) put_off: usize,
    /// Of open ones, those that had been carried out and those that had not.
    pub(crate) open_registers: [usize; 2],
    pub(crate) open_resets: [usize; 2],
    pub(crate) open_refreshes: usize,
    /// Refreshes that were tried again after the time in which that is promised to help.
    pub(crate) too_late: usize,
}

impl Tally {
    pub(crate) fn left_open(&self) -> usize {
        let decided = self.open_registers.iter().chain(&self.open_resets);
        decided.sum::<usize>() + self.open_refreshes
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.registered += other.registered;
        self.logged_in += other.logged_in;
        self.refreshed += other.refreshed;
        self.forgotten += other.forgotten;
        self.reset += other.reset;
        self.refused += other.refused;
        self.put_off += other.put_off;
        for index in 0..2 {
            self.open_registers[index] += other.open_registers[index];
            self.open_resets[index] += other.open_resets[index];
        }
        self.open_refreshes += other.open_refreshes;
        self.too_late += other.too_late;
    }
}

const PASSWORD: &str = "correct horse battery";
/// Each login opens a session at the server; none may be pushed out by the cap of 50.
const LOGINS: usize = 30;
const SESSIONS: usize = 3;
/// A little less than the ten seconds in which a refresh may be tried again.
const RETRY: Duration = Duration::from_secs(9);

impl Account {
    fn new(email: String) -> Self {
        Self {
            email,
            password: PASSWORD.to_owned(),
            sessions: Vec::new(),
            logins: 0,
            is_asked: false,
            forgot: Forgot::No,
            before: None,
        }
    }

    fn login(&self, password: &str) -> Value {
        json!({"email": self.email, "password": password})
    }

    /// A reset was carried out: the sessions have ended by it.
    fn have(&mut self, password: String) {
        let password = std::mem::replace(&mut self.password, password);
        let refresh_token = std::mem::take(&mut self.sessions).pop();
        self.before = Some(Before { password, refresh_token });
    }

    /// Mails that must have gone out, or be queued.
    fn mails_due(&self) -> Vec<Mail> {
        // A reset confirms the address, after which nobody is asked to.
        let address = self.is_asked && self.forgot != Forgot::Used;
        let reset = matches!(self.forgot, Forgot::Asked(true) | Forgot::Used);
        let change = self.before.is_some();
        let due = [(About::Address, address), (About::Change, change), (About::Reset, reset)];
        let due = due.into_iter().filter(|(_, is_due)| *is_due);
        due.map(|(about, _)| Mail { to: self.email.clone(), about }).collect()
    }
}

pub(crate) struct Client {
    number: usize,
    random: Random,
    made: usize,
    accounts: Vec<Account>,
    pending: Option<Pending>,
    pub(crate) tally: Tally,
}

impl Client {
    pub(crate) fn new(number: usize, seed: u64) -> Self {
        let (random, tally) = (Random::new(seed), Tally::default());
        Self { number, random, made: 0, accounts: Vec::new(), pending: None, tally }
    }

    pub(crate) fn accounts(&self) -> usize {
        self.accounts.len()
    }

    pub(crate) fn mails_due(&self) -> impl Iterator<Item = Mail> {
        self.accounts.iter().flat_map(Account::mails_due)
    }

    /// Calls until the server is gone, or until it is told to stop.
    pub(crate) fn run(&mut self, service: &Service<'_>, stop: &AtomicBool, done: &AtomicUsize) {
        let mut visit = Visit::new(self, service);
        while !stop.load(Ordering::Relaxed) {
            let step = visit.settle().and_then(|()| visit.step());
            match (step, service.killed) {
                (Ok(()), _) => _ = done.fetch_add(1, Ordering::Relaxed),
                (Err(_), Killed::Server) => break,
                (Err(lost), Killed::Database) => assert!(lost.sent, "the server is gone"),
            }
        }
    }

    /// Settles what is open, and tries everything that was ever acknowledged.
    pub(crate) fn verify(&mut self, service: &Service<'_>) {
        let mut visit = Visit::new(self, service);
        visit.settle().unwrap();
        for account in 0..visit.client.accounts.len() {
            for session in 0..visit.client.accounts[account].sessions.len() {
                visit.refresh(account, session).unwrap();
            }
            visit.log_in(account).unwrap();
            visit.try_what_was_before(account).unwrap();
        }
    }
}

/// A client at a server.
struct Visit<'a> {
    client: &'a mut Client,
    service: &'a Service<'a>,
    caller: Caller,
}

impl<'a> Visit<'a> {
    fn new(client: &'a mut Client, service: &'a Service<'a>) -> Self {
        Self { client, service, caller: Caller::new(&service.server.address) }
    }

    /// What comes back, if that says what became of the call.
    fn post(&mut self, path: &str, body: &Value) -> Result<Answer, Lost> {
        let answer = self.caller.post(path, body);
        match (self.service.killed, answer) {
            (Killed::Database, Err(lost)) => panic!("{path} was not answered: {lost:?}"),
            (Killed::Database, Ok(answer)) if answer.status == 503 => {
                let pause = answer.retry_after.as_deref().map(str::parse::<u64>);
                let says_so = matches!(answer.code(), "timeout" | "unavailable");
                assert!(says_so && matches!(pause, Some(Ok(1..))), "{path}: {answer:?}");
                self.client.tally.put_off += 1;
                Err(Lost { sent: true })
            }
            (_, answer) => answer,
        }
    }

    /// A call that is answered with this status if it is answered.
    fn expect(&mut self, status: u16, path: &str, body: &Value) -> Result<Answer, Lost> {
        let answer = self.post(path, body)?;
        assert_eq!(answer.status, status, "{path} {body}: {answer:?}");
        Ok(answer)
    }

    /// One call, such as comes next. Most are no hashes, which take all the time that they are given.
    fn step(&mut self) -> Result<(), Lost> {
        let dice = self.client.random.below(100);
        if dice < 4 {
            return self.register();
        }
        if (4..12).contains(&dice)
            && let Some(account) = self.any(|account| account.forgot == Forgot::No)
        {
            return self.forget(account);
        }
        if (12..18).contains(&dice)
            && let Some((account, token)) = self.any_link()
        {
            return self.reset(account, token);
        }
        if (18..20).contains(&dice)
            && let Some(account) = self.any(|account| account.before.is_some())
        {
            return self.try_what_was_before(account);
        }
        if dice >= 23
            && let Some(account) = self.any(|account| !account.sessions.is_empty())
        {
            let session = self.client.random.below(self.client.accounts[account].sessions.len());
            return self.refresh(account, session);
        }
        match self.any(|account| account.logins < LOGINS) {
            Some(account) => self.log_in(account),
            None => self.register(),
        }
    }

    /// An account such as is wanted.
    fn any(&mut self, wanted: impl Fn(&Account) -> bool) -> Option<usize> {
        let accounts = self.client.accounts.iter().enumerate();
        let fit: Vec<usize> =
            accounts.filter(|(_, account)| wanted(account)).map(|(index, _)| index).collect();
        self.client.random.one_of(&fit)
    }

    /// A link that has come and was not used.
    fn any_link(&mut self) -> Option<(usize, String)> {
        let mailbox = self.service.mailbox;
        let token = |account: &Account| match account.forgot {
            Forgot::Asked(_) => mailbox.reset_token(&account.email),
            _ => None,
        };
        let account = self.any(|account| token(account).is_some())?;
        Some((account, token(&self.client.accounts[account])?))
    }

    /// Keeps what is not known to have been carried out, nor not to have been.
    fn left_open(&mut self, lost: Lost, pending: Pending) -> Result<(), Lost> {
        if lost.sent {
            self.client.pending = Some(pending);
        }
        Err(lost)
    }

    fn register(&mut self) -> Result<(), Lost> {
        self.client.made += 1;
        let (number, made) = (self.client.number, self.client.made);
        let account = Account::new(format!("c{number}-{made}@example.com"));
        match self.expect(201, "register", &registration(&account)) {
            Ok(_) => {
                let is_asked = self.is_sure_to_be_asked();
                self.client.accounts.push(Account { is_asked, ..account });
                self.client.tally.registered += 1;
                Ok(())
            }
            Err(lost) => self.left_open(lost, Pending::Register(account)),
        }
    }

    /// The mail that asks to confirm the address is queued after the account is made. If that cannot be done,
    /// the account is acknowledged all the same: the mail can be asked for again.
    fn is_sure_to_be_asked(&self) -> bool {
        self.service.killed == Killed::Server
    }

    fn log_in(&mut self, index: usize) -> Result<(), Lost> {
        let account = &mut self.client.accounts[index];
        account.logins += 1;
        let body = account.login(&account.password);
        let answer = self.expect(200, "login", &body)?;
        self.client.tally.logged_in += 1;
        let sessions = &mut self.client.accounts[index].sessions;
        if sessions.len() < SESSIONS {
            sessions.push(answer.refresh_token());
        }
        Ok(())
    }

    fn refresh(&mut self, account: usize, session: usize) -> Result<(), Lost> {
        let since = Instant::now();
        let token = &self.client.accounts[account].sessions[session];
        let body = json!({ "refresh_token": token });
        match self.expect(200, "refresh", &body) {
            Ok(answer) => {
                self.client.accounts[account].sessions[session] = answer.refresh_token();
                self.client.tally.refreshed += 1;
                Ok(())
            }
            Err(lost) => self.left_open(lost, Pending::Refresh { account, session, since }),
        }
    }

    fn forget(&mut self, account: usize) -> Result<(), Lost> {
        let body = json!({"email": self.client.accounts[account].email});
        let outcome = self.expect(200, "forgot-password", &body);
        if outcome.as_ref().is_err_and(|lost| !lost.sent) {
            return outcome.map(drop);
        }
        self.client.accounts[account].forgot = Forgot::Asked(outcome.is_ok());
        self.client.tally.forgotten += usize::from(outcome.is_ok());
        outcome.map(drop)
    }

    fn reset(&mut self, account: usize, token: String) -> Result<(), Lost> {
        let password = format!("a brand new staple {}", self.client.random.next());
        let body = json!({"token": token, "new_password": password});
        let outcome = self.expect(200, "reset-password", &body);
        if outcome.as_ref().is_err_and(|lost| !lost.sent) {
            return outcome.map(drop);
        }
        self.client.accounts[account].forgot = Forgot::Used;
        match outcome {
            Ok(_) => {
                self.client.accounts[account].have(password);
                self.client.tally.reset += 1;
                Ok(())
            }
            Err(lost) => self.left_open(lost, Pending::Reset { account, password }),
        }
    }

    /// The old password and an old session let nobody in.
    fn try_what_was_before(&mut self, account: usize) -> Result<(), Lost> {
        let account = &self.client.accounts[account];
        let Some(Before { password, refresh_token }) = account.before.clone() else {
            return Ok(());
        };
        let login = account.login(&password);
        self.refused("credentials_rejected", "login", &login)?;
        let Some(token) = refresh_token else { return Ok(()) };
        self.refused("refresh_token_invalid", "refresh", &json!({ "refresh_token": token }))
    }

    fn refused(&mut self, code: &str, path: &str, body: &Value) -> Result<(), Lost> {
        let answer = self.expect(401, path, body)?;
        assert_eq!(answer.code(), code);
        self.client.tally.refused += 1;
        Ok(())
    }

    /// Finds out what became of the call that was not answered.
    fn settle(&mut self) -> Result<(), Lost> {
        match self.client.pending.clone() {
            None => return Ok(()),
            Some(Pending::Register(account)) => self.settle_register(account)?,
            Some(Pending::Refresh { account, session, since }) => {
                self.settle_refresh(account, session, since)?;
            }
            Some(Pending::Reset { account, password }) => self.settle_reset(account, password)?,
        }
        self.client.pending = None;
        Ok(())
    }

    /// The account is there with its password, or it is not and can be made.
    fn settle_register(&mut self, account: Account) -> Result<(), Lost> {
        let answer = self.post("register", &registration(&account))?;
        let was_made = answer.status != 201;
        if was_made {
            assert_eq!((answer.status, answer.code()), (409, "email_taken"));
            self.expect(200, "login", &account.login(&account.password))?;
        }
        self.client.tally.open_registers[usize::from(!was_made)] += 1;
        let is_asked = !was_made && self.is_sure_to_be_asked();
        self.client.accounts.push(Account { is_asked, ..account });
        Ok(())
    }

    /// Whether it was spent or not, the old token yields the one that follows.
    fn settle_refresh(
        &mut self,
        account: usize,
        session: usize,
        since: Instant,
    ) -> Result<(), Lost> {
        let body = json!({"refresh_token": self.client.accounts[account].sessions[session]});
        let answer = self.post("refresh", &body)?;
        let sessions = &mut self.client.accounts[account].sessions;
        if answer.status == 401 && since.elapsed() > RETRY {
            sessions.remove(session);
            self.client.tally.too_late += 1;
            return Ok(());
        }
        let late = since.elapsed();
        assert_eq!(answer.status, 200, "a refresh that was tried again after {late:?}: {answer:?}");
        sessions[session] = answer.refresh_token();
        self.client.tally.open_refreshes += 1;
        Ok(())
    }

    /// Either password is good, and not both.
    fn settle_reset(&mut self, account: usize, password: String) -> Result<(), Lost> {
        let (old, new) = {
            let account = &self.client.accounts[account];
            (account.login(&account.password), account.login(&password))
        };
        let statuses = [self.post("login", &new)?.status, self.post("login", &old)?.status];
        let was_set = statuses == [200, 401];
        assert!(was_set || statuses == [401, 200], "half a reset: new and old: {statuses:?}");
        self.client.tally.open_resets[usize::from(!was_set)] += 1;
        if was_set {
            self.client.accounts[account].have(password);
        }
        Ok(())
    }
}

fn registration(account: &Account) -> Value {
    json!({"email": account.email, "password": account.password, "name": "Ann"})
}
