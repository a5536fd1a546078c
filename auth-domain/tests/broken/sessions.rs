use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use auth_domain::ports::{Rotated, Rotation, SessionStore, Update};
use auth_domain::{
    CredentialVersion, Email, PortError, Presented, Session, SessionKey, Timestamp, TokenDigest,
    UserAgent, UserId,
};

use super::{locked, whole_seconds};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionFault {
    AnswersTheRowBefore,
    CreateForgetsTheParent,
    CutsTimesToSeconds,
    DiesASecondEarly,
    EndAllForgetsTheAccount,
    EndAllStopsAtABatch,
    EndAllTakesTheNewerToo,
    EndAllTakesTheSameVersion,
    EndHides,
    EndTakesAllOfTheAccount,
    EndsWhatIsNotThere,
    ExpiredIsTheft,
    ForgetsTheSpelling,
    KeepsVersionsIn32Bits,
    LeavesExpiryToASweeper,
    ListMixesAccounts,
    ListStopsAtAPage,
    LooksAtTheAbsoluteEndAlone,
    LooksAtTheIdleEndAlone,
    LooksUpByIdAlone,
    MakesUpSessions,
    NoRetries,
    ReadsNoClientAsUnknown,
    RemembersTwoParents,
    RestampClearsTheParent,
    RestampIgnoresVersion,
    RestampMakesRows,
    RestampTakesOlderVersions,
    RestampWritesTheRowBack,
    RetryMovesTheWindow,
    RetryRotates,
    ReuseEndsOnlyWhatItRead,
    ReuseLeavesTheSession,
    RotateLooksFirst,
    RotateMakesRows,
    RotationForgetsLastUse,
    RotationForgetsTheParent,
    RotationLeavesTheIdleEnd,
    RotationMovesTheAbsoluteEnd,
    RotationWritesTheRowBack,
    TakesTheLastMomentForGood,
    WindowIgnoresClocksSetBack,
    WindowIsOneSided,
    WindowWithoutEnd,
}

use SessionFault::*;

/// Each law, and the faults that it catches.
pub(crate) const CAUGHT: &[(&str, &[SessionFault])] = &[
    (
        "an_absent_session_is_none_and_gone",
        &[MakesUpSessions, RotateMakesRows, RestampMakesRows, EndsWhatIsNotThere],
    ),
    (
        "a_session_is_read_back_whole",
        &[
            CutsTimesToSeconds,
            KeepsVersionsIn32Bits,
            ReadsNoClientAsUnknown,
            ForgetsTheSpelling,
            CreateForgetsTheParent,
        ],
    ),
    ("a_session_is_named_by_account_and_id", &[LooksUpByIdAlone]),
    (
        "a_rotation_is_kept_and_leaves_the_rest",
        &[
            RotationForgetsTheParent,
            RotationForgetsLastUse,
            RotationLeavesTheIdleEnd,
            RotationMovesTheAbsoluteEnd,
            AnswersTheRowBefore,
        ],
    ),
    (
        "the_token_before_is_a_retry_that_writes_nothing",
        &[NoRetries, RetryRotates, RetryMovesTheWindow, WindowIsOneSided],
    ),
    (
        "the_token_before_ends_the_session_after_ten_seconds",
        &[WindowWithoutEnd, WindowIgnoresClocksSetBack],
    ),
    ("the_token_before_ends_the_session_once_its_child_was_used", &[RemembersTwoParents]),
    ("any_other_token_ends_the_session", &[ReuseLeavesTheSession]),
    ("a_session_is_good_until_just_before_it_expires", &[DiesASecondEarly]),
    (
        "an_expired_session_is_gone_and_not_rotated",
        &[
            LeavesExpiryToASweeper,
            LooksAtTheIdleEndAlone,
            LooksAtTheAbsoluteEndAlone,
            TakesTheLastMomentForGood,
            ExpiredIsTheft,
        ],
    ),
    ("a_restamp_writes_the_version_and_nothing_else", &[RestampClearsTheParent]),
    (
        "a_restamp_from_another_version_changes_nothing",
        &[RestampIgnoresVersion, RestampTakesOlderVersions],
    ),
    ("an_ended_session_is_gone_for_good", &[EndHides, RotateMakesRows, EndsWhatIsNotThere]),
    ("ending_one_session_leaves_the_others", &[EndTakesAllOfTheAccount]),
    ("all_sessions_of_an_account_are_listed", &[ListStopsAtAPage, ListMixesAccounts]),
    (
        "ending_all_or_the_older_leaves_the_others",
        &[
            EndAllStopsAtABatch,
            EndAllTakesTheNewerToo,
            EndAllTakesTheSameVersion,
            EndAllForgetsTheAccount,
        ],
    ),
    ("of_concurrent_rotations_of_one_token_one_rotates", &[RotateLooksFirst]),
    (
        "no_token_is_good_once_a_reuse_was_answered",
        &[ReuseEndsOnlyWhatItRead, RotationWritesTheRowBack],
    ),
    ("a_session_that_ends_among_rotations_stays_ended", &[RotationWritesTheRowBack]),
    ("a_restamp_among_rotations_is_kept", &[RotationWritesTheRowBack, RestampWritesTheRowBack]),
];

const PAGE: usize = 25;

pub(crate) struct Sessions {
    fault: Option<SessionFault>,
    rows: Mutex<HashMap<SessionKey, Session>>,
    grandparents: Mutex<HashMap<SessionKey, TokenDigest>>,
    hidden: Mutex<HashSet<SessionKey>>,
}

impl Sessions {
    pub(crate) fn new(fault: Option<SessionFault>) -> Self {
        Self {
            fault,
            rows: Mutex::default(),
            grandparents: Mutex::default(),
            hidden: Mutex::default(),
        }
    }

    fn has(&self, fault: SessionFault) -> bool {
        self.fault == Some(fault)
    }

    fn kept(&self, mut session: Session) -> Session {
        match self.fault {
            Some(CreateForgetsTheParent) => session.parent = None,
            Some(CutsTimesToSeconds) => session.expires_at = whole_seconds(session.expires_at),
            Some(ForgetsTheSpelling) => {
                session.email = Email::parse(session.email.as_str()).expect("an address");
            }
            Some(KeepsVersionsIn32Bits) => {
                let low = session.credential_version.get() & u64::from(u32::MAX);
                session.credential_version = CredentialVersion::new(low);
            }
            Some(ReadsNoClientAsUnknown) if session.user_agent.is_none() => {
                session.user_agent = UserAgent::new("unknown");
            }
            _ => {}
        }
        session
    }

    /// The key of the row that a caller's key names.
    fn named(&self, rows: &HashMap<SessionKey, Session>, key: &SessionKey) -> SessionKey {
        let by_id = || rows.keys().find(|kept| kept.id == key.id).copied();
        if self.has(LooksUpByIdAlone) { by_id().unwrap_or(*key) } else { *key }
    }

    fn read(&self, key: &SessionKey) -> Option<Session> {
        let rows = locked(&self.rows);
        rows.get(&self.named(&rows, key)).cloned()
    }

    fn is_expired(&self, session: &Session, now: Timestamp) -> bool {
        let Session { idle_expires_at, expires_at, .. } = *session;
        match self.fault {
            Some(DiesASecondEarly) => session.is_expired(now + Duration::from_secs(1)),
            Some(LeavesExpiryToASweeper) => false,
            Some(LooksAtTheAbsoluteEndAlone) => now >= expires_at,
            Some(LooksAtTheIdleEndAlone) => now >= idle_expires_at,
            Some(TakesTheLastMomentForGood) => now > idle_expires_at || now > expires_at,
            _ => session.is_expired(now),
        }
    }

    fn presented(&self, session: &Session, presented: TokenDigest, now: Timestamp) -> Presented {
        let is_good = presented == session.current;
        if self.is_expired(session, now) && (is_good || !self.has(ExpiredIsTheft)) {
            return Presented::Expired;
        }
        let grandparent = locked(&self.grandparents).get(&session.key) == Some(&presented);
        let is_parent = session.parent == Some(presented);
        let late = now.since(session.last_used_at);
        let early = session.last_used_at.since(now);
        let window = Session::RETRY_WINDOW;
        let in_window = match self.fault {
            Some(NoRetries) => false,
            Some(WindowIgnoresClocksSetBack) => late <= window,
            Some(WindowIsOneSided) => late <= window && early == Duration::ZERO,
            Some(WindowWithoutEnd) => true,
            _ => late.max(early) <= window,
        };
        match (is_good, is_parent, in_window) {
            (true, ..) => Presented::Current,
            (_, true, true) => Presented::Parent,
            _ if grandparent && in_window && self.has(RemembersTwoParents) => Presented::Parent,
            _ => Presented::Spent,
        }
    }

    /// The session as a rotation leaves it.
    fn rotated(&self, session: &Session, rotation: &Rotation) -> Session {
        if let Some(parent) = session.parent {
            locked(&self.grandparents).insert(session.key, parent);
        }
        let mut next = Session {
            current: rotation.next,
            parent: Some(rotation.presented),
            last_used_at: rotation.now,
            idle_expires_at: rotation.idle_expires_at,
            ..session.clone()
        };
        match self.fault {
            Some(RotationForgetsLastUse) => next.last_used_at = session.last_used_at,
            Some(RotationForgetsTheParent) => next.parent = session.parent,
            Some(RotationLeavesTheIdleEnd) => next.idle_expires_at = session.idle_expires_at,
            Some(RotationMovesTheAbsoluteEnd) => next.expires_at = rotation.idle_expires_at,
            _ => {}
        }
        next
    }

    /// Decides on a row as it was read, and writes what follows.
    fn apply(
        &self,
        rows: &mut HashMap<SessionKey, Session>,
        row: &Session,
        rotation: &Rotation,
    ) -> Rotated {
        match self.presented(row, rotation.presented, rotation.now) {
            Presented::Parent if !self.has(RetryRotates) => {
                let mut retried = row.clone();
                if self.has(RetryMovesTheWindow) {
                    retried.last_used_at = rotation.now;
                    rows.insert(row.key, retried.clone());
                }
                Rotated::Retry(retried)
            }
            Presented::Current | Presented::Parent => {
                let next = self.rotated(row, rotation);
                rows.insert(row.key, next.clone());
                Rotated::Rotated(if self.has(AnswersTheRowBefore) { row.clone() } else { next })
            }
            Presented::Expired => Rotated::Gone,
            Presented::Spent => {
                if !self.has(ReuseLeavesTheSession) {
                    rows.remove(&row.key);
                }
                Rotated::Reused(row.clone())
            }
        }
    }

    /// Reads and decides, and writes a while later.
    async fn rotate_in_two_steps(&self, rotation: &Rotation) -> Rotated {
        let Some(row) = self.read(&rotation.key) else {
            return Rotated::Gone;
        };
        let decision = self.presented(&row, rotation.presented, rotation.now);
        tokio::task::yield_now().await;
        let mut rows = locked(&self.rows);
        let now_kept = rows.get(&row.key);
        match (self.fault, decision, now_kept) {
            (Some(RotateLooksFirst), _, Some(_)) => self.apply(&mut rows, &row, rotation),
            // The condition is on the token, or on there being no row.
            (Some(RotationWritesTheRowBack), Presented::Current, kept)
                if kept.is_none_or(|kept| kept.current == rotation.presented) =>
            {
                self.apply(&mut rows, &row, rotation)
            }
            // Ends the session only as it was read.
            (Some(ReuseEndsOnlyWhatItRead), Presented::Spent, Some(kept)) => {
                if kept.current == row.current {
                    rows.remove(&row.key);
                }
                Rotated::Reused(row)
            }
            (_, _, Some(kept)) => {
                let kept = kept.clone();
                self.apply(&mut rows, &kept, rotation)
            }
            (_, _, None) => Rotated::Gone,
        }
    }

    fn restamps(&self, kept: CredentialVersion, expected: CredentialVersion) -> bool {
        match self.fault {
            Some(RestampIgnoresVersion) => true,
            Some(RestampTakesOlderVersions) => kept <= expected,
            _ => kept == expected,
        }
    }
}

fn made_up(key: SessionKey, current: TokenDigest) -> Session {
    let never = Timestamp::from_seconds(0);
    Session {
        key,
        email: Email::parse("nobody@example.com").expect("an address"),
        credential_version: CredentialVersion::FIRST,
        current,
        parent: None,
        created_at: never,
        last_used_at: never,
        idle_expires_at: never,
        expires_at: never,
        user_agent: None,
    }
}

/// As over a network: others get in before what is asked is done.
async fn on_the_way() {
    tokio::task::yield_now().await;
}

#[async_trait]
impl SessionStore for Sessions {
    async fn create(&self, session: Session) -> Result<(), PortError> {
        locked(&self.rows).insert(session.key, self.kept(session));
        Ok(())
    }

    async fn find(&self, key: &SessionKey) -> Result<Option<Session>, PortError> {
        let found = self.read(key).filter(|session| !locked(&self.hidden).contains(&session.key));
        let nothing = TokenDigest::from_bytes([0; 32]);
        Ok(found.or_else(|| self.has(MakesUpSessions).then(|| made_up(*key, nothing))))
    }

    async fn rotate(&self, rotation: Rotation) -> Result<Rotated, PortError> {
        on_the_way().await;
        if matches!(
            self.fault,
            Some(RotateLooksFirst | RotationWritesTheRowBack | ReuseEndsOnlyWhatItRead)
        ) {
            return Ok(self.rotate_in_two_steps(&rotation).await);
        }
        let mut rows = locked(&self.rows);
        let key = self.named(&rows, &rotation.key);
        if self.has(RotateMakesRows) {
            rows.entry(key).or_insert_with(|| Session {
                idle_expires_at: rotation.idle_expires_at,
                expires_at: rotation.idle_expires_at,
                ..made_up(key, rotation.presented)
            });
        }
        let Some(row) = rows.get(&key).cloned() else {
            return Ok(Rotated::Gone);
        };
        Ok(self.apply(&mut rows, &row, &rotation))
    }

    async fn restamp(
        &self,
        key: &SessionKey,
        expected: CredentialVersion,
        next: CredentialVersion,
    ) -> Result<Update, PortError> {
        on_the_way().await;
        let read = self.read(key);
        if self.has(RestampWritesTheRowBack) {
            tokio::task::yield_now().await;
        }
        let mut rows = locked(&self.rows);
        let key = self.named(&rows, key);
        if self.has(RestampMakesRows) {
            let nothing = TokenDigest::from_bytes([0; 32]);
            let row = Session { credential_version: expected, ..made_up(key, nothing) };
            rows.entry(key).or_insert(row);
        }
        let Some(row) = rows.get_mut(&key) else {
            return Ok(Update::Stale);
        };
        if !self.restamps(row.credential_version, expected) {
            return Ok(Update::Stale);
        }
        if let Some(read) = read.filter(|_| self.has(RestampWritesTheRowBack)) {
            *row = read;
        }
        row.credential_version = next;
        if self.has(RestampClearsTheParent) {
            row.parent = None;
        }
        Ok(Update::Updated)
    }

    async fn list(&self, user_id: UserId) -> Result<Vec<Session>, PortError> {
        let rows = locked(&self.rows);
        let is_listed =
            |session: &&Session| self.has(ListMixesAccounts) || session.key.user_id == user_id;
        let page = if self.has(ListStopsAtAPage) { PAGE } else { usize::MAX };
        Ok(rows.values().filter(is_listed).take(page).cloned().collect())
    }

    async fn end(&self, key: &SessionKey) -> Result<Update, PortError> {
        on_the_way().await;
        let mut rows = locked(&self.rows);
        let key = self.named(&rows, key);
        let was_there = rows.contains_key(&key);
        match self.fault {
            Some(EndHides) => drop(locked(&self.hidden).insert(key)),
            Some(EndTakesAllOfTheAccount) => rows.retain(|kept, _| kept.user_id != key.user_id),
            _ => drop(rows.remove(&key)),
        }
        let ended = was_there || self.has(EndsWhatIsNotThere);
        Ok(if ended { Update::Updated } else { Update::Stale })
    }

    async fn end_all(
        &self,
        user_id: UserId,
        older_than: Option<CredentialVersion>,
    ) -> Result<(), PortError> {
        on_the_way().await;
        let mut rows = locked(&self.rows);
        let mut left = if self.has(EndAllStopsAtABatch) { PAGE } else { usize::MAX };
        let older_than = older_than.filter(|_| !self.has(EndAllTakesTheNewerToo));
        rows.retain(|key, row| {
            let of_account = key.user_id == user_id || self.has(EndAllForgetsTheAccount);
            let stays = older_than.is_some_and(|next| match self.has(EndAllTakesTheSameVersion) {
                true => row.credential_version > next,
                false => row.credential_version >= next,
            });
            let ends = of_account && !stays && left > 0;
            left -= usize::from(ends);
            !ends
        });
        Ok(())
    }
}
