//! Rotation and reuse of refresh tokens: an exhaustive walk through the protocol, random histories
//! through the whole service, and the stores in memory held to both. That the model bites is shown by
//! broken decisions and broken stores.

use std::sync::{Arc, LazyLock};

use crate::histories::lifetimes::{Figures, Stores, live, random_history};
use crate::histories::protocol::{Decision, Walk, replay, walk};
use adapters_local::memory::{MemorySessions, MemoryUsers};
use async_trait::async_trait;
use auth_domain::ports::{Rotated, Rotation, SessionStore, Update};
use auth_domain::{
    CredentialVersion, PortError, Presented, Session, SessionKey, Timestamp, TokenDigest, UserId,
};

const DEPTH: usize = 7;

static WALK: LazyLock<Result<Walk, String>> = LazyLock::new(|| walk(DEPTH, Session::presented));

fn the_walk() -> &'static Walk {
    WALK.as_ref().expect("no promise is broken")
}

#[test]
fn two_clients_and_a_thief_never_have_two_live_branches_or_a_token_that_is_good_twice() {
    let walk = the_walk();
    println!(
        "{} states within {DEPTH} steps, {} transitions, {} histories",
        walk.states,
        walk.transitions,
        walk.histories.len()
    );
    assert!(walk.states > 10_000 && walk.histories.len() > 1_000);
}

/// As a store without the window, with one that never ends, or with two good tokens would decide.
const BROKEN: [(Decision, &str); 4] = [
    (without_retries, "is refused and did nothing wrong"),
    (without_end, "s after it was spent"),
    (open_to_clocks_set_back, "s after it was spent"),
    (good_twice, "2 tokens are good"),
];

fn without_retries(session: &Session, presented: TokenDigest, now: Timestamp) -> Presented {
    match session.presented(presented, now) {
        Presented::Parent => Presented::Spent,
        other => other,
    }
}

fn without_end(session: &Session, presented: TokenDigest, now: Timestamp) -> Presented {
    match session.presented(presented, now) {
        Presented::Spent if session.parent == Some(presented) => Presented::Parent,
        other => other,
    }
}

fn open_to_clocks_set_back(session: &Session, presented: TokenDigest, now: Timestamp) -> Presented {
    if now < session.last_used_at {
        without_end(session, presented, now)
    } else {
        session.presented(presented, now)
    }
}

fn good_twice(session: &Session, presented: TokenDigest, now: Timestamp) -> Presented {
    match session.presented(presented, now) {
        Presented::Parent => Presented::Current,
        other => other,
    }
}

#[test]
fn the_walk_finds_a_broken_decision() {
    for (decide, found) in BROKEN {
        let broken = walk(DEPTH, decide).err().expect("a promise is broken");
        println!("{broken}");
        assert!(broken.contains(found), "{broken}");
    }
}

#[tokio::test]
async fn the_memory_store_lives_through_every_history_of_the_walk() {
    replay_all(&MemorySessions::new()).await.expect("as the model foresees");
}

async fn replay_all(store: &dyn SessionStore) -> Result<(), String> {
    for (n, history) in the_walk().histories.iter().enumerate() {
        replay(store, n, history).await?;
    }
    Ok(())
}

const HISTORIES: u64 = 300;
const STEPS: usize = 50;

#[tokio::test]
async fn random_lives_of_an_account_go_as_the_model_foresees() {
    let figures = lives(MemorySessions::new()).await.expect("as the model foresees");
    println!("{HISTORIES} histories: {figures:?}");
    let Figures { rotations, retries, reuses, refusals, lost, capped, expired, .. } = figures;
    for met in [rotations, retries, reuses, refusals, lost, capped, expired] {
        assert!(met > 50, "hardly met: {figures:?}");
    }
}

async fn lives(sessions: impl SessionStore + 'static) -> Result<Figures, String> {
    let stores = Stores { users: Arc::new(MemoryUsers::new()), sessions: Arc::new(sessions) };
    let mut figures = Figures::default();
    for seed in 0..HISTORIES {
        figures += live(&stores, &format!("ann-{seed}"), &random_history(seed, STEPS)).await?;
    }
    Ok(figures)
}

#[tokio::test]
async fn the_histories_find_a_broken_store() {
    for fault in [Fault::KeepsWhatWasReused, Fault::WindowWithoutEnd] {
        let found = replay_all(&Broken { fault, rows: MemorySessions::new() }).await;
        println!("{fault:?}: {}", found.expect_err("the walk's histories find it"));
    }
    for fault in [Fault::KeepsWhatWasReused, Fault::LooksFirst, Fault::WindowWithoutEnd] {
        let found = lives(Broken { fault, rows: MemorySessions::new() }).await;
        let found = found.expect_err("the random histories find it");
        println!("{fault:?}: {}", found.rsplit("]: ").next().unwrap_or_default());
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Refuses a spent token, and lets the session live.
    KeepsWhatWasReused,
    /// Reads, and writes without a condition.
    LooksFirst,
    WindowWithoutEnd,
}

struct Broken {
    fault: Fault,
    rows: MemorySessions,
}

#[async_trait]
impl SessionStore for Broken {
    async fn rotate(&self, rotation: Rotation) -> Result<Rotated, PortError> {
        let Some(row) = self.rows.find(&rotation.key).await? else {
            return Ok(Rotated::Gone);
        };
        match (self.fault, row.presented(rotation.presented, rotation.now)) {
            (Fault::KeepsWhatWasReused, Presented::Spent) => Ok(Rotated::Reused(row)),
            (Fault::WindowWithoutEnd, Presented::Spent)
                if row.parent == Some(rotation.presented) =>
            {
                Ok(Rotated::Retry(row))
            }
            (Fault::LooksFirst, Presented::Current) => {
                tokio::task::yield_now().await;
                let next = Session {
                    current: rotation.next,
                    parent: Some(rotation.presented),
                    last_used_at: rotation.now,
                    idle_expires_at: rotation.idle_expires_at,
                    ..row
                };
                self.rows.create(next.clone()).await?;
                Ok(Rotated::Rotated(next))
            }
            _ => self.rows.rotate(rotation).await,
        }
    }

    async fn create(&self, session: Session) -> Result<(), PortError> {
        self.rows.create(session).await
    }

    async fn find(&self, key: &SessionKey) -> Result<Option<Session>, PortError> {
        self.rows.find(key).await
    }

    async fn restamp(
        &self,
        key: &SessionKey,
        expected: CredentialVersion,
        next: CredentialVersion,
    ) -> Result<Update, PortError> {
        self.rows.restamp(key, expected, next).await
    }

    async fn list(&self, user_id: UserId) -> Result<Vec<Session>, PortError> {
        self.rows.list(user_id).await
    }

    async fn end(&self, key: &SessionKey) -> Result<Update, PortError> {
        self.rows.end(key).await
    }

    async fn end_all(
        &self,
        user_id: UserId,
        older_than: Option<CredentialVersion>,
    ) -> Result<(), PortError> {
        self.rows.end_all(user_id, older_than).await
    }
}
