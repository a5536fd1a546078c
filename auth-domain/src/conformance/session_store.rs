//! The laws of [`SessionStore`].

use std::sync::Arc;
use std::time::Duration;

use super::race::{ROUNDS, Spawner, race, racers_of};
use super::{done, fresh, the_one};
use crate::ports::{Rotated, Rotation, SessionStore, Update};
use crate::{
    CredentialVersion, Email, Session, SessionKey, Timestamp, TokenDigest, UserAgent, UserId,
};

#[doc(hidden)]
#[macro_export]
macro_rules! __session_store_laws {
    ($then:ident $context:tt) => {
        $crate::$then! {
            $context
            session_store
            alone: [
                an_absent_session_is_none_and_gone,
                a_session_is_read_back_whole,
                a_session_is_named_by_account_and_id,
                a_rotation_is_kept_and_leaves_the_rest,
                the_token_before_is_a_retry_that_writes_nothing,
                the_token_before_ends_the_session_after_ten_seconds,
                the_token_before_ends_the_session_once_its_child_was_used,
                any_other_token_ends_the_session,
                a_session_is_good_until_just_before_it_expires,
                an_expired_session_is_gone_and_not_rotated,
                a_restamp_writes_the_version_and_nothing_else,
                a_restamp_from_another_version_changes_nothing,
                an_ended_session_is_gone_for_good,
                ending_one_session_leaves_the_others,
                all_sessions_of_an_account_are_listed,
                ending_all_or_the_older_leaves_the_others,
            ]
            racing: [
                of_concurrent_rotations_of_one_token_one_rotates,
                no_token_is_good_once_a_reuse_was_answered,
                a_session_that_ends_among_rotations_stays_ended,
                a_restamp_among_rotations_is_kept,
            ]
        }
    };
}

__session_store_laws! { __laws_by_name { dyn SessionStore } }

/// Makes each law of [`SessionStore`](crate::ports::SessionStore) a test of your adapter.
///
/// `adapter` is evaluated for each test, in its async function, to an `Arc` of the store; `spawn` is a
/// [`Spawner`](crate::conformance::Spawner). See [`conformance`](crate::conformance).
#[macro_export]
macro_rules! session_store_conformance {
    (test: $test:meta, spawn: $spawn:expr, adapter: $adapter:expr $(,)?) => {
        $crate::__session_store_laws! { __laws_as_tests { $test, $spawn, $adapter } }
    };
}

const INSTANT: Duration = Duration::from_micros(1);

/// Catches a store that makes up a session, makes a row of it, or answers an absent one with an error.
pub async fn an_absent_session_is_none_and_gone(store: &dyn SessionStore) {
    let session = fresh::session();
    let version = session.credential_version;
    assert_eq!(rotate(store, &session, session.current, fresh::digest()).await, Rotated::Gone);
    assert_eq!(done(store.restamp(&session.key, version, version).await), Update::Stale);
    assert_eq!(done(store.end(&session.key).await), Update::Stale, "of an absent session");
    done(store.end_all(session.key.user_id, None).await);
    expect_absent(store, &session.key).await;
    assert!(list(store, session.key.user_id).await.is_empty(), "a session nobody opened is listed");
}

/// Catches a field that is not kept: times cut to seconds or to 32 bits, a version left at its default, a
/// missing client read as an empty one, an address without the spelling that finds its row.
pub async fn a_session_is_read_back_whole(store: &dyn SessionStore) {
    let spelled = format!("Ann.{}@Conformance.Example", fresh::suffix());
    let agent = "\"Zo\u{eb}\"\\ \u{1f469}\u{200d}\u{1f52c} %s ".repeat(8);
    let extreme = Session {
        email: Email::parse_with_spelling(&spelled).expect("an address"),
        credential_version: CredentialVersion::new(u64::from(u32::MAX) + 2),
        current: TokenDigest::from_bytes([0xff; 32]),
        parent: Some(TokenDigest::from_bytes([0; 32])),
        user_agent: UserAgent::new(&agent),
        ..fresh::session()
    };
    let bare = Session { user_agent: None, ..fresh::session() };
    for session in [fresh::session(), extreme, bare] {
        create(store, &session).await;
        expect_kept(store, &session).await;
        let found = done(store.find(&session.key).await).expect("just seen");
        assert_eq!(found.email.spelling(), session.email.spelling(), "the spelling is lost");
        assert_eq!(list(store, session.key.user_id).await, [session], "not what was kept");
    }
}

/// Catches a store that looks sessions up by their id alone: their ids are shown, and whoever knew one of
/// somebody else could end it.
pub async fn a_session_is_named_by_account_and_id(store: &dyn SessionStore) {
    let session = fresh::session();
    create(store, &session).await;
    let of_another = SessionKey { user_id: fresh::user_id(), ..session.key };
    let another = SessionKey { id: fresh::session_id(), ..session.key };
    for key in [of_another, another] {
        let other = Session { key, ..session.clone() };
        let version = session.credential_version;
        expect_absent(store, &key).await;
        assert_eq!(rotate(store, &other, session.current, fresh::digest()).await, Rotated::Gone);
        let restamped = done(store.restamp(&key, version, version.next()).await);
        assert_eq!(restamped, Update::Stale, "by another key");
        assert_eq!(done(store.end(&key).await), Update::Stale, "by another key");
    }
    done(store.end_all(of_another.user_id, None).await);
    expect_kept(store, &session).await;
}

/// Catches a rotation that forgets the parent or a time, moves the absolute end, or writes back what the
/// caller did not say.
pub async fn a_rotation_is_kept_and_leaves_the_rest(store: &dyn SessionStore) {
    let mut session = fresh::session();
    create(store, &session).await;
    for step in 1..=3 {
        let now = session.created_at + Duration::from_micros(1_000_001) * step;
        let rotation = Rotation {
            key: session.key,
            presented: session.current,
            next: fresh::digest(),
            now,
            idle_expires_at: now + Duration::from_micros(7_000_003),
        };
        session = Session {
            current: rotation.next,
            parent: Some(rotation.presented),
            last_used_at: now,
            idle_expires_at: rotation.idle_expires_at,
            ..session
        };
        let answer = done(store.rotate(rotation).await);
        assert_eq!(answer, Rotated::Rotated(session.clone()), "of a good rotation");
        expect_kept(store, &session).await;
    }
}

/// Catches a store that takes a lost answer for a theft, and one that gives a second branch.
pub async fn the_token_before_is_a_retry_that_writes_nothing(store: &dyn SessionStore) {
    let before = fresh::session();
    create(store, &before).await;
    let session = rotated(store, &before).await;
    let window = Session::RETRY_WINDOW;
    for now in [before.last_used_at, before.last_used_at + window, before.last_used_at - window] {
        let retry = rotation(&session, before.current, fresh::digest(), now);
        let answer = done(store.rotate(retry).await);
        assert_eq!(answer, Rotated::Retry(session.clone()), "of the token before, at once");
        expect_kept(store, &session).await;
    }
    let child = fresh::digest();
    let next = rotate(store, &session, session.current, child).await;
    assert!(matches!(next, Rotated::Rotated(_)), "the child is not good after a retry");
}

/// Catches a window without an end: a thief would have all the time there is.
pub async fn the_token_before_ends_the_session_after_ten_seconds(store: &dyn SessionStore) {
    for late in [true, false] {
        let before = fresh::session();
        create(store, &before).await;
        let session = rotated(store, &before).await;
        let away = Session::RETRY_WINDOW + INSTANT;
        let at = session.last_used_at;
        let now = if late { at + away } else { at - away };
        let reuse = rotation(&session, before.current, fresh::digest(), now);
        assert_eq!(done(store.rotate(reuse).await), Rotated::Reused(session.clone()));
        expect_ended(store, &session).await;
    }
}

/// Catches a store that remembers more than one parent: two live branches.
pub async fn the_token_before_ends_the_session_once_its_child_was_used(store: &dyn SessionStore) {
    let first = fresh::session();
    create(store, &first).await;
    let second = rotated(store, &first).await;
    let third = rotated(store, &second).await;
    let answer = rotate(store, &third, first.current, fresh::digest()).await;
    assert_eq!(answer, Rotated::Reused(third.clone()), "of a token whose child was used");
    expect_ended(store, &third).await;
}

/// Catches a store that refuses a spent token and lets the session live: thief or owner, one of them
/// has it still.
pub async fn any_other_token_ends_the_session(store: &dyn SessionStore) {
    let session = fresh::session();
    create(store, &session).await;
    let answer = rotate(store, &session, fresh::digest(), fresh::digest()).await;
    assert_eq!(answer, Rotated::Reused(session.clone()), "of a token that is not the good one");
    expect_ended(store, &session).await;
}

/// Catches an end that is compared by the second, or as texts of different lengths.
pub async fn a_session_is_good_until_just_before_it_expires(store: &dyn SessionStore) {
    for ends in both_ends() {
        let session = ends(fresh::session());
        create(store, &session).await;
        let end = session.idle_expires_at.min(session.expires_at);
        let last = rotation(&session, session.current, fresh::digest(), end - INSTANT);
        let answer = done(store.rotate(last).await);
        assert!(matches!(answer, Rotated::Rotated(_)), "not good just before its end: {answer:?}");
    }
}

/// Catches expiry that is left to a sweeper, and of the two ends each that is not looked at. A spent token
/// of an expired session is no theft.
pub async fn an_expired_session_is_gone_and_not_rotated(store: &dyn SessionStore) {
    for ends in both_ends() {
        let session = ends(fresh::session());
        create(store, &session).await;
        let end = session.idle_expires_at.min(session.expires_at);
        for now in [end, end + INSTANT, end + Duration::from_hours(24)] {
            for presented in [session.current, fresh::digest()] {
                let late = rotation(&session, presented, fresh::digest(), now);
                assert_eq!(done(store.rotate(late).await), Rotated::Gone, "of an expired session");
            }
        }
        let kept = done(store.find(&session.key).await);
        assert!(kept.is_none_or(|kept| kept == session), "an expired session was written to");
    }
}

/// Catches a restamp that rewrites the row from what its caller had read.
pub async fn a_restamp_writes_the_version_and_nothing_else(store: &dyn SessionStore) {
    let session = fresh::session();
    create(store, &session).await;
    let session = rotated(store, &session).await;
    let next = session.credential_version.next();
    let answer = done(store.restamp(&session.key, session.credential_version, next).await);
    assert_eq!(answer, Update::Updated, "a good restamp");
    expect_kept(store, &Session { credential_version: next, ..session }).await;
}

/// Catches a restamp without its condition: it would bring a session back that a bump has ended.
pub async fn a_restamp_from_another_version_changes_nothing(store: &dyn SessionStore) {
    let session = fresh::session();
    create(store, &session).await;
    let version = session.credential_version.get();
    for other in [version - 1, version + 1] {
        let other = CredentialVersion::new(other);
        let answer = done(store.restamp(&session.key, other, other.next()).await);
        assert_eq!(answer, Update::Stale, "a restamp from another version");
    }
    expect_kept(store, &session).await;
}

/// Catches a session that is only hidden, or that some other method makes anew.
pub async fn an_ended_session_is_gone_for_good(store: &dyn SessionStore) {
    let session = fresh::session();
    create(store, &session).await;
    assert_eq!(done(store.end(&session.key).await), Update::Updated, "of a live session");
    expect_ended(store, &session).await;
    assert_eq!(done(store.end(&session.key).await), Update::Stale, "of an ended session");
}

/// Catches a store that ends more than it is asked to.
pub async fn ending_one_session_leaves_the_others(store: &dyn SessionStore) {
    let user_id = fresh::user_id();
    let sessions = sessions_of::<3>(store, user_id).await;
    assert_eq!(done(store.end(&sessions[1].key).await), Update::Updated, "of a live session");
    expect_absent(store, &sessions[1].key).await;
    expect_kept(store, &sessions[0]).await;
    expect_kept(store, &sessions[2]).await;
}

/// Catches a list that stops at a page, or mixes accounts.
pub async fn all_sessions_of_an_account_are_listed(store: &dyn SessionStore) {
    let user_id = fresh::user_id();
    let mut sessions = sessions_of::<60>(store, user_id).await.to_vec();
    sessions_of::<2>(store, fresh::user_id()).await;
    let mut listed = list(store, user_id).await;
    for some in [&mut listed, &mut sessions] {
        some.sort_unstable_by_key(|session| session.key.id);
    }
    assert_eq!(listed.len(), sessions.len(), "of sixty sessions");
    assert!(listed == sessions, "what is listed is not what was kept");
}

/// Catches an end of all that stops at a batch, or ends those of others; and an end of the older ones that
/// goes by anything but the version: a session that was stamped anew would end, or one from before live on.
pub async fn ending_all_or_the_older_leaves_the_others(store: &dyn SessionStore) {
    let user_id = fresh::user_id();
    let sessions = sessions_of::<60>(store, user_id).await;
    let of_another = sessions_of::<1>(store, fresh::user_id()).await;
    let version = sessions[7].credential_version;
    let answer = done(store.restamp(&sessions[7].key, version, version.next()).await);
    assert_eq!(answer, Update::Updated, "a good restamp");
    let newer = Session { credential_version: version.next(), ..sessions[7].clone() };
    done(store.end_all(user_id, Some(version)).await);
    assert_eq!(list(store, user_id).await.len(), 60, "none is older");
    done(store.end_all(user_id, Some(version.next())).await);
    assert_eq!(list(store, user_id).await, [newer], "all but one are older");
    expect_ended(store, &sessions[8]).await;
    done(store.end_all(user_id, None).await);
    assert!(list(store, user_id).await.is_empty(), "all are ended");
    expect_kept(store, &of_another[0]).await;
}

/// Catches looking first and rotating then, the hole in refresh tokens that CVE-2026-1035 names: two
/// callers with one token would each go on with a branch of his own.
pub async fn of_concurrent_rotations_of_one_token_one_rotates(
    store: Arc<dyn SessionStore>,
    spawner: &dyn Spawner,
) {
    for _ in 0..ROUNDS {
        let session = fresh::session();
        create(&*store, &session).await;
        let nexts: Vec<_> = (0..racers_of(spawner)).map(|_| fresh::digest()).collect();
        let racers = nexts.iter().map(|next| {
            let (store, session, next) = (Arc::clone(&store), session.clone(), *next);
            async move { rotate(&*store, &session, session.current, next).await }
        });
        let answers = race(spawner, racers.collect()).await;
        let rotated: Vec<_> = answers.iter().map(|a| matches!(a, Rotated::Rotated(_))).collect();
        let winner = the_one(&rotated, &true);
        let Rotated::Rotated(after) = &answers[winner] else { continue };
        assert_eq!(after.current, nexts[winner], "the winner's child is not the good one");
        for answer in &answers {
            let same =
                matches!(answer, Rotated::Rotated(kept) | Rotated::Retry(kept) if kept == after);
            assert!(same, "a second branch, or a theft made of a retry: {answer:?}");
        }
        expect_kept(&*store, after).await;
    }
}

/// Catches an end that is not final: a descendant that is rotated beside it would write the row back, and
/// live on (as was reported of a peer, 287 ms after its family was revoked).
pub async fn no_token_is_good_once_a_reuse_was_answered(
    store: Arc<dyn SessionStore>,
    spawner: &dyn Spawner,
) {
    among_rotations(store, spawner, |store, spent| async move {
        let Session { current, .. } = spent;
        let answer = rotate(&*store, &spent, current, fresh::digest()).await;
        assert!(matches!(answer, Rotated::Reused(_) | Rotated::Gone), "a spent token: {answer:?}");
    })
    .await;
}

/// Catches a rotation that reads the row and writes it back: a logout beside it would be undone.
pub async fn a_session_that_ends_among_rotations_stays_ended(
    store: Arc<dyn SessionStore>,
    spawner: &dyn Spawner,
) {
    among_rotations(Arc::clone(&store), spawner, |store, session| async move {
        done(store.end(&session.key).await);
    })
    .await;
    among_rotations(store, spawner, |store, session| async move {
        done(store.end_all(session.key.user_id, None).await);
    })
    .await;
}

/// Catches a rotation that writes the version back, and a restamp that writes the token back.
pub async fn a_restamp_among_rotations_is_kept(
    store: Arc<dyn SessionStore>,
    spawner: &dyn Spawner,
) {
    for round in 0..ROUNDS {
        let session = fresh::session();
        create(&*store, &session).await;
        let (version, next) = (session.credential_version, fresh::digest());
        // Each of the two starts first in half of the rounds.
        let racers = (0..2).map(|n| {
            let (store, session) = (Arc::clone(&store), session.clone());
            async move {
                if n == round % 2 {
                    let answer = done(store.restamp(&session.key, version, version.next()).await);
                    assert_eq!(answer, Update::Updated, "a rotation made a restamp stale");
                } else {
                    let answer = rotate(&*store, &session, session.current, next).await;
                    assert!(matches!(answer, Rotated::Rotated(_)), "a restamp spent the token");
                }
            }
        });
        race(spawner, racers.collect()).await;
        let after = Session {
            credential_version: version.next(),
            current: next,
            parent: Some(session.current),
            ..session
        };
        expect_kept(&*store, &after).await;
    }
}

/// Lets one caller walk on from token to token while the others end the session, each by `end`, which is
/// given the session as it was two rotations ago. When all have their answers nothing of it is good.
async fn among_rotations<F>(
    store: Arc<dyn SessionStore>,
    spawner: &dyn Spawner,
    end: impl Fn(Arc<dyn SessionStore>, Session) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    for round in 0..ROUNDS {
        let spent = fresh::session();
        create(&*store, &spent).await;
        let session = rotated(&*store, &rotated(&*store, &spent).await).await;
        let mut racers: Vec<std::pin::Pin<Box<dyn Future<Output = ()> + Send>>> = Vec::new();
        let count = racers_of(spawner);
        // Runtimes start tasks in some order of theirs: the walker takes places all along it.
        let walker = round * count / ROUNDS;
        for n in 0..count {
            let store = Arc::clone(&store);
            let walk = walk(Arc::clone(&store), session.clone(), count);
            racers.push(if n == walker {
                Box::pin(walk)
            } else {
                Box::pin(end(store, spent.clone()))
            });
        }
        race(spawner, racers).await;
        expect_absent(&*store, &session.key).await;
        assert!(list(&*store, session.key.user_id).await.is_empty(), "an ended session is listed");
    }
}

async fn walk(store: Arc<dyn SessionStore>, mut session: Session, steps: usize) {
    for _ in 0..steps {
        match rotate(&*store, &session, session.current, fresh::digest()).await {
            Rotated::Rotated(next) => session = next,
            Rotated::Gone => return,
            answer => panic!("of the good token of a session that others end: {answer:?}"),
        }
    }
}

/// Sessions that end by being idle, and by their age.
fn both_ends() -> [fn(Session) -> Session; 2] {
    [
        |session| session,
        |session| {
            let (idle_expires_at, expires_at) = (session.expires_at, session.idle_expires_at);
            Session { idle_expires_at, expires_at, ..session }
        },
    ]
}

async fn sessions_of<const N: usize>(store: &dyn SessionStore, user_id: UserId) -> [Session; N] {
    let sessions = [(); N].map(|()| {
        let key = SessionKey { user_id, id: fresh::session_id() };
        Session { key, ..fresh::session() }
    });
    for session in &sessions {
        create(store, session).await;
    }
    sessions
}

async fn create(store: &dyn SessionStore, session: &Session) {
    done(store.create(session.clone()).await);
}

/// The session after a good rotation, at the moment of the last.
async fn rotated(store: &dyn SessionStore, session: &Session) -> Session {
    match rotate(store, session, session.current, fresh::digest()).await {
        Rotated::Rotated(session) => session,
        answer => panic!("of the good token: {answer:?}"),
    }
}

async fn rotate(
    store: &dyn SessionStore,
    session: &Session,
    presented: TokenDigest,
    next: TokenDigest,
) -> Rotated {
    done(store.rotate(rotation(session, presented, next, session.last_used_at)).await)
}

/// Leaves the idle end where it is.
fn rotation(
    session: &Session,
    presented: TokenDigest,
    next: TokenDigest,
    now: Timestamp,
) -> Rotation {
    let Session { key, idle_expires_at, .. } = *session;
    Rotation { key, presented, next, now, idle_expires_at }
}

async fn list(store: &dyn SessionStore, user_id: UserId) -> Vec<Session> {
    done(store.list(user_id).await)
}

async fn expect_kept(store: &dyn SessionStore, session: &Session) {
    let found = done(store.find(&session.key).await);
    assert_eq!(found.as_ref(), Some(session), "not what was kept");
}

async fn expect_absent(store: &dyn SessionStore, key: &SessionKey) {
    assert_eq!(done(store.find(key).await), None, "a session that is not there is found");
}

/// Nothing of it is good, and nothing brings it back.
async fn expect_ended(store: &dyn SessionStore, session: &Session) {
    expect_absent(store, &session.key).await;
    for presented in [session.current, session.parent.unwrap_or(session.current)] {
        let answer = rotate(store, session, presented, fresh::digest()).await;
        assert_eq!(answer, Rotated::Gone, "a token of an ended session");
    }
    let version = session.credential_version;
    let restamped = done(store.restamp(&session.key, version, version.next()).await);
    assert_eq!(restamped, Update::Stale, "an ended session is restamped");
    expect_absent(store, &session.key).await;
}
