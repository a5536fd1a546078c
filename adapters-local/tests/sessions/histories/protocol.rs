//! The protocol of rotation and reuse as a model that is walked through exhaustively, and its histories,
//! which any store can be held to.
//!
//! Two clients share the token of one session, a thief copies it, answers are lost, time passes and is
//! set back, instances derive children under one of two secrets, and somebody ends the session. What a
//! token is to the session is decided by [`Session::presented`] itself.

use std::collections::{HashSet, VecDeque};
use std::sync::LazyLock;
use std::time::Duration;

use auth_domain::ports::{Rotated, Rotation, SessionStore};
use auth_domain::{
    CredentialVersion, Email, Presented, Session, SessionId, SessionKey, Timestamp, TokenDigest,
    UserId,
};

/// The secrets that its generations were derived under, as bits after a leading one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Token(u16);

impl Token {
    const FIRST: Self = Self(1);

    fn child(self, secret: u16) -> Self {
        Self(self.0 << 1 | secret)
    }

    fn parent(self) -> Self {
        Self(self.0 >> 1)
    }

    fn digest(self) -> TokenDigest {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&self.0.to_be_bytes());
        TokenDigest::from_bytes(bytes)
    }
}

/// Who has a copy of a token.
const CLIENTS: [usize; 2] = [0, 1];
const THIEF: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// `who` presents what he has at an instance with this secret; the answer may be lost.
    Refresh { who: usize, secret: u16, is_heard: bool },
    /// The thief copies what a client has.
    Steal { from: usize },
    /// Time passes, or is set back.
    Wait { seconds: i64 },
    /// One session is ended, or all of the account.
    End { all: bool },
}

const IDLE_LIFE: i64 = 14 * 24 * 3_600;
const WINDOW: i64 = 10;

/// What a store may do with a token: the real one is [`Session::presented`].
pub(crate) type Decision = fn(&Session, TokenDigest, Timestamp) -> Presented;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Row {
    current: Token,
    parent: Option<Token>,
    /// Seconds since the last rotation.
    age: i64,
}

/// What the presented token came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Answer {
    Child(Token),
    Refused,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    row: Option<Row>,
    holds: [Option<Token>; 3],
    /// Whose last answer was lost.
    awaits: [bool; 3],
    /// Who has ever called; more than one is a copy in use.
    called: [bool; 3],
    /// Tokens that a child was made of.
    spent: Vec<Token>,
    over: Option<Over>,
}

/// What ended the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Over {
    Reuse,
    End { all: bool },
}

impl State {
    const fn start() -> Self {
        let first = Some(Token::FIRST);
        Self {
            row: Some(Row { current: Token::FIRST, parent: None, age: 0 }),
            holds: [first, first, None],
            awaits: [false; 3],
            called: [false; 3],
            spent: Vec::new(),
            over: None,
        }
    }

    fn steps(&self) -> Vec<Step> {
        let mut steps: Vec<_> = [6, 11, -11, IDLE_LIFE].map(|s| Step::Wait { seconds: s }).into();
        steps.extend([true, false].map(|all| Step::End { all }));
        for from in CLIENTS {
            if self.holds[from].is_some() && self.holds[from] != self.holds[THIEF] {
                steps.push(Step::Steal { from });
            }
        }
        for who in [CLIENTS[0], CLIENTS[1], THIEF] {
            for (secret, is_heard) in [(0, true), (0, false), (1, true), (1, false)] {
                if self.holds[who].is_some() {
                    steps.push(Step::Refresh { who, secret, is_heard });
                }
            }
        }
        steps
    }

    /// The state after a step, and what a refresh came to. Fails where a promise is broken.
    fn after(&self, step: Step, decide: Decision) -> Result<(Self, Option<Answer>), String> {
        let mut next = self.clone();
        match step {
            Step::Wait { seconds } => {
                next.row = self.row.map(|row| Row { age: row.age + seconds, ..row });
            }
            Step::End { all } => {
                next.row = None;
                next.over = Some(Over::End { all });
            }
            Step::Steal { from } => next.holds[THIEF] = self.holds[from],
            Step::Refresh { who, secret, is_heard } => {
                let presented = self.holds[who].ok_or("who has no token calls")?;
                let answer = next.refresh(presented, secret, decide)?;
                self.check_of_owner(who, answer)?;
                next.called[who] = true;
                next.awaits[who] = !is_heard;
                if is_heard {
                    next.holds[who] = match answer {
                        Answer::Child(child) => Some(child),
                        Answer::Refused => None,
                    };
                }
                return next.checked(decide).map(|next| (next, Some(answer)));
            }
        }
        next.checked(decide).map(|next| (next, None))
    }

    fn refresh(
        &mut self,
        presented: Token,
        secret: u16,
        decide: Decision,
    ) -> Result<Answer, String> {
        let Some(row) = self.row else { return Ok(Answer::Refused) };
        let was_spent = self.spent.contains(&presented);
        match decide(&session(row), presented.digest(), now(row)) {
            Presented::Current if was_spent => Err(format!("{presented:?} is spent twice")),
            Presented::Current => {
                let child = presented.child(secret);
                self.spent.push(presented);
                self.row = Some(Row { current: child, parent: Some(presented), age: 0 });
                Ok(Answer::Child(child))
            }
            Presented::Parent if row.age.abs() > WINDOW => {
                Err(format!("{presented:?} is good {} s after it was spent", row.age))
            }
            Presented::Parent if row.current.parent() != presented => {
                Err(format!("{presented:?} yields another's child, {:?}", row.current))
            }
            Presented::Parent => Ok(Answer::Child(row.current)),
            Presented::Expired => Ok(Answer::Refused),
            Presented::Spent => {
                self.row = None;
                self.over = Some(Over::Reuse);
                Ok(Answer::Refused)
            }
        }
    }

    /// A client who alone uses the session, and tries again soon after a lost answer, is never refused.
    fn check_of_owner(&self, who: usize, answer: Answer) -> Result<(), String> {
        let alone = who != THIEF && (0..3).all(|other| other == who || !self.called[other]);
        let lives = self.row.is_some_and(|row| {
            row.age < IDLE_LIFE && (!self.awaits[who] || row.age.abs() <= WINDOW)
        });
        if alone && lives && answer == Answer::Refused {
            return Err(format!("{who} is refused and did nothing wrong"));
        }
        Ok(())
    }

    /// Of all tokens that were ever issued at most the good one and its parent are taken, and of a
    /// session that is over none.
    fn checked(self, decide: Decision) -> Result<Self, String> {
        let Some(row) = self.row else { return Ok(self) };
        let (session, now) = (session(row), now(row));
        let is = |token: &&Token, what| decide(&session, token.digest(), now) == what;
        let issued = || self.spent.iter().chain([&row.current]);
        let good = issued().filter(|token| is(token, Presented::Current)).count();
        let retried = issued().filter(|token| is(token, Presented::Parent)).count();
        if self.over.is_some() && good + retried > 0 {
            return Err("a token of a session that is over is taken".to_owned());
        }
        if good > 1 || retried > 1 {
            return Err(format!("{good} tokens are good, and {retried} are retries"));
        }
        Ok(self)
    }
}

fn session(row: Row) -> Session {
    let (current, parent) = (row.current.digest(), row.parent.map(Token::digest));
    Session { current, parent, ..ANY.clone() }
}

/// What all sessions of the model have in common.
static ANY: LazyLock<Session> = LazyLock::new(|| {
    let at = Timestamp::from_seconds(START);
    let life = Duration::from_secs(IDLE_LIFE.unsigned_abs());
    Session {
        key: SessionKey {
            user_id: UserId::from_entropy_bytes([0; 16]),
            id: SessionId::from_entropy_bytes([0; 16]),
        },
        email: Email::parse("ann@example.com").expect("an address"),
        credential_version: CredentialVersion::FIRST,
        current: Token::FIRST.digest(),
        parent: None,
        created_at: at,
        last_used_at: at,
        idle_expires_at: at + life,
        expires_at: at + life * 100,
        user_agent: None,
    }
});

/// In 2039, ahead of every store's own sweeper.
const START: u64 = 2_200_000_000;

fn now(row: Row) -> Timestamp {
    Timestamp::from_seconds(START.saturating_add_signed(row.age))
}

/// What somebody did, step by step, and what each refresh must come to.
pub(crate) type History = Vec<(Step, Option<Answer>)>;

/// What a walk has seen.
pub(crate) struct Walk {
    pub(crate) states: usize,
    pub(crate) transitions: usize,
    /// For each thing that a store is asked to do with a row the shortest way there.
    pub(crate) histories: Vec<History>,
}

/// Where a state was first reached from, by which step, and what that came to.
type Reached = (usize, Option<(Step, Option<Answer>)>);

/// Every state within `depth` steps, breadth first, each transition checked; the broken promise and the
/// shortest way to it, where there is one.
pub(crate) fn walk(depth: usize, decide: Decision) -> Result<Walk, String> {
    let start = State::start();
    let mut reached: Vec<Reached> = vec![(0, None)];
    let mut known = HashSet::from([start.clone()]);
    let mut queue = VecDeque::from([(start, 0, 0)]);
    let (mut transitions, mut asked, mut histories) = (0, HashSet::new(), Vec::new());
    while let Some((state, place, steps)) = queue.pop_front() {
        if steps == depth {
            continue;
        }
        for step in state.steps() {
            transitions += 1;
            let (next, answer) = state.after(step, decide).map_err(|broken| {
                format!("{broken}, after {:?} and {step:?}", history_of(&reached, place))
            })?;
            if asked.insert(asked_of_store(&state, step)) {
                let mut history = history_of(&reached, place);
                history.push((step, answer));
                histories.push(history);
            }
            if known.insert(next.clone()) {
                reached.push((place, Some((step, answer))));
                queue.push_back((next, reached.len() - 1, steps + 1));
            }
        }
    }
    histories.retain(|history| matches!(history.last(), Some((Step::Refresh { .. }, _))));
    Ok(Walk { states: known.len(), transitions, histories })
}

/// The row that a store holds or why there is none, and what it is told: the presented token and the
/// secret of its child.
type Asked = (Result<Row, Option<Over>>, Option<(Token, u16)>);

fn asked_of_store(state: &State, step: Step) -> Asked {
    let row = state.row.ok_or(state.over);
    match step {
        Step::Refresh { who, secret, .. } => (row, state.holds[who].map(|token| (token, secret))),
        _ => (row, None),
    }
}

fn history_of(reached: &[Reached], mut place: usize) -> History {
    let mut history = Vec::new();
    while let (from, Some(step)) = reached[place] {
        history.push(step);
        place = from;
    }
    history.reverse();
    history
}

/// Lets a store live through a history, of a session that no other `number` has; where it differs from the
/// model, how.
pub(crate) async fn replay(
    store: &dyn SessionStore,
    number: usize,
    history: &History,
) -> Result<(), String> {
    let key = key(number);
    let first = Row { current: Token::FIRST, parent: None, age: 0 };
    store.create(Session { key, ..session(first) }).await.map_err(|error| error.to_string())?;
    let (mut now, mut holds) = (START, [Some(Token::FIRST), Some(Token::FIRST), None]);
    for (step, expected) in history {
        match *step {
            Step::Wait { seconds } => now = now.saturating_add_signed(seconds),
            Step::Steal { from } => holds[THIEF] = holds[from],
            Step::End { all: true } => {
                store.end_all(key.user_id, None).await.map_err(|error| error.to_string())?;
            }
            Step::End { all: false } => {
                store.end(&key).await.map_err(|error| error.to_string())?;
            }
            Step::Refresh { who, secret, is_heard } => {
                let presented = holds[who].ok_or("who has no token calls")?;
                let answer = refresh(store, key, presented, secret, now).await?;
                if Some(answer) != *expected {
                    return Err(format!("{answer:?} to {step:?} of {history:?}"));
                }
                if is_heard {
                    holds[who] = match answer {
                        Answer::Child(child) => Some(child),
                        Answer::Refused => None,
                    };
                }
            }
        }
    }
    Ok(())
}

fn key(number: usize) -> SessionKey {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    SessionKey {
        user_id: UserId::from_entropy_bytes(bytes),
        id: SessionId::from_entropy_bytes(bytes),
    }
}

async fn refresh(
    store: &dyn SessionStore,
    key: SessionKey,
    presented: Token,
    secret: u16,
    now: u64,
) -> Result<Answer, String> {
    let now = Timestamp::from_seconds(now);
    let child = presented.child(secret);
    let rotation = Rotation {
        key,
        presented: presented.digest(),
        next: child.digest(),
        now,
        idle_expires_at: now + Duration::from_secs(IDLE_LIFE.unsigned_abs()),
    };
    match store.rotate(rotation).await.map_err(|error| error.to_string())? {
        Rotated::Rotated(_) => Ok(Answer::Child(child)),
        // The service looks for the child among those under either secret.
        Rotated::Retry(session) => [0, 1]
            .map(|secret| presented.child(secret))
            .into_iter()
            .find(|child| child.digest() == session.current)
            .map(Answer::Child)
            .ok_or_else(|| "a retry yields another's child".to_owned()),
        Rotated::Reused(_) | Rotated::Gone => Ok(Answer::Refused),
    }
}
