//! What a network and AWS do to single calls of the use cases of sessions, and of an account's end.

use std::time::Duration;

use auth_domain::ports::{Rotated, Rotation, SessionStore};
use auth_domain::{
    ChangePasswordError, DeleteAccountError, ErrorCode, Login, PortErrorKind, RefreshError,
    RefreshToken, RequestContext, Session, SessionError, SessionId, SessionKey, TokenDigest,
};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::faults::{assert_throttled, at_every_call, dry_from, unanswered};
use crate::proxy::Fate;
use crate::world::{NEW, OLD, World};

impl World {
    async fn logged_in(&self) -> Login {
        self.register(OLD).await.unwrap();
        self.login(OLD).await.unwrap()
    }

    async fn refreshed(&self, token: &RefreshToken) -> RefreshToken {
        self.refresh(token).await.unwrap().refresh_token
    }

    /// A token that was spent, so that using it is a theft, and the good one of its session.
    async fn stolen(&self) -> (RefreshToken, RefreshToken) {
        let login = self.logged_in().await;
        let second = self.refreshed(&login.refresh_token).await;
        (login.refresh_token, self.refreshed(&second).await)
    }
}

fn is_rejected<T>(outcome: &Result<T, RefreshError>) -> bool {
    matches!(outcome, Err(RefreshError::Rejected))
}

#[tokio::test]
async fn a_login_whose_answers_are_lost_opens_one_session() {
    at_every_call(unanswered(), async |world, arm, at| {
        world.register(OLD).await.unwrap();
        arm();
        let login = world.login(OLD).await.expect(at);
        let calls = world.proxy.passed().len();
        assert_eq!(world.rows_of("t-sessions").await.len(), 1, "{at}");
        world.refresh(&login.refresh_token).await.expect(at);
        calls
    })
    .await;
}

#[tokio::test]
async fn a_refresh_whose_answers_are_lost_is_a_refresh() {
    at_every_call(unanswered(), async |world, arm, at| {
        let login = world.logged_in().await;
        arm();
        let child = world.refresh(&login.refresh_token).await.expect(at).refresh_token;
        let calls = world.proxy.passed().len();
        let again = world.refreshed(&login.refresh_token).await;
        assert_eq!(again.digest(), child.digest(), "{at}: a client that asks again");
        world.refresh(&child).await.expect(at);
        calls
    })
    .await;
}

#[tokio::test]
async fn a_refresh_that_failed_half_way_goes_on_when_it_is_asked_for_again() {
    for call in 0..2 {
        let world = World::hasty().await;
        let login = world.logged_in().await;
        dry_from(&world, call);
        match world.refresh(&login.refresh_token).await {
            Err(RefreshError::Port(error)) => assert_throttled(&error, call),
            outcome => panic!("call {call}: {outcome:?}"),
        }
        world.proxy.plan(|_, _| Fate::Untouched);
        let child = world.refreshed(&login.refresh_token).await;
        world.refresh(&child).await.unwrap();
        assert_eq!(world.rows_of("t-sessions").await.len(), 1);
    }
}

#[tokio::test]
async fn a_session_is_never_written_over_by_another_of_its_id() {
    let world = World::new().await;
    let login = world.logged_in().await;
    let key = SessionKey { user_id: login.user_id, id: login.session_id };
    let session = world.sessions.find(&key).await.unwrap().unwrap();
    let other = Session { current: TokenDigest::from_bytes([9; 32]), ..session.clone() };
    let error = world.sessions.create(other).await.unwrap_err();
    assert_eq!(error.kind(), PortErrorKind::Rejected);
    assert_eq!(world.sessions.find(&key).await.unwrap(), Some(session));
}

#[tokio::test]
async fn a_theft_whose_answers_are_lost_ends_the_session() {
    at_every_call(unanswered(), async |world, arm, at| {
        let (spent, good) = world.stolen().await;
        arm();
        assert!(is_rejected(&world.refresh(&spent).await), "{at}");
        let calls = world.proxy.passed().len();
        assert!(is_rejected(&world.refresh(&good).await), "{at}");
        assert!(world.rows_of("t-sessions").await.is_empty(), "{at}");
        calls
    })
    .await;
}

#[tokio::test]
async fn a_theft_is_not_answered_as_one_while_the_session_cannot_be_ended() {
    for call in 0..2 {
        let world = World::hasty().await;
        let (spent, good) = world.stolen().await;
        dry_from(&world, call);
        match world.refresh(&spent).await {
            Err(RefreshError::Port(error)) => assert_throttled(&error, call),
            outcome => panic!("call {call}: {outcome:?}"),
        }
        world.proxy.plan(|_, _| Fate::Untouched);
        assert!(is_rejected(&world.refresh(&spent).await));
        assert!(is_rejected(&world.refresh(&good).await));
    }
}

#[tokio::test]
async fn a_logout_whose_answers_are_lost_is_a_logout() {
    at_every_call(unanswered(), async |world, arm, at| {
        let login = world.logged_in().await;
        arm();
        let auth = &world.testing.auth;
        auth.logout(login.refresh_token.clone(), &RequestContext::new()).await.expect(at);
        let calls = world.proxy.passed().len();
        assert!(is_rejected(&world.refresh(&login.refresh_token).await), "{at}");
        calls
    })
    .await;
}

/// Ending a session leaves nothing to know it by.
#[tokio::test]
async fn a_session_that_is_ended_with_an_answer_lost_may_be_told_as_absent_and_is_ended() {
    at_every_call(unanswered(), async |world, arm, at| {
        let login = world.logged_in().await;
        let other = world.login(OLD).await.unwrap();
        let claims = world.claims(&login).await;
        arm();
        let auth = &world.testing.auth;
        let outcome = auth.end_session(&claims, other.session_id, &RequestContext::new()).await;
        assert!(matches!(outcome, Ok(()) | Err(SessionError::NotFound)), "{at}: {outcome:?}");
        let calls = world.proxy.passed().len();
        assert!(is_rejected(&world.refresh(&other.refresh_token).await), "{at}");
        world.refresh(&login.refresh_token).await.expect(at);
        calls
    })
    .await;
}

#[tokio::test]
async fn a_change_of_password_whose_answers_are_lost_is_one_and_keeps_its_own_session() {
    at_every_call(unanswered(), async |world, arm, at| {
        let login = world.logged_in().await;
        let other = world.login(OLD).await.unwrap();
        arm();
        world.change_password(&login).await.expect(at);
        let calls = world.proxy.passed().len();
        assert!(is_rejected(&world.refresh(&other.refresh_token).await), "{at}");
        world.refresh(&login.refresh_token).await.expect(at);
        assert_eq!(world.rows_of("t-sessions").await.len(), 1, "{at}");
        world.login(NEW).await.expect(at);
        calls
    })
    .await;
}

#[tokio::test]
async fn a_change_of_password_on_a_table_that_throttles_for_ever_is_whole_or_none() {
    for call in 0.. {
        let world = World::hasty().await;
        let login = world.logged_in().await;
        let other = world.login(OLD).await.unwrap();
        dry_from(&world, call);
        let outcome = world.change_password(&login).await;
        let met = world.proxy.passed().len() > call;
        world.proxy.plan(|_, _| Fate::Untouched);
        match outcome {
            Ok(_) => {
                world.login(NEW).await.unwrap();
                assert!(is_rejected(&world.refresh(&other.refresh_token).await), "call {call}");
            }
            Err(error @ (ChangePasswordError::Port(_) | ChangePasswordError::NotProved(_))) => {
                assert_eq!(error.code(), ErrorCode::Unavailable, "call {call}: {error:?}");
                world.login(OLD).await.unwrap();
                world.refresh(&other.refresh_token).await.unwrap();
            }
            Err(error) => panic!("call {call}: {error}"),
        }
        if !met {
            break;
        }
    }
}

#[tokio::test]
async fn an_account_that_is_deleted_with_answers_lost_leaves_nothing_behind() {
    at_every_call(unanswered(), async |world, arm, at| {
        world.register(OLD).await.unwrap();
        world.link().await;
        let login = world.login(OLD).await.unwrap();
        arm();
        world.delete_account(&login).await.expect(at);
        let calls = world.proxy.passed().len();
        for table in ["t-users", "t-sessions", "t-password-resets", "t-attempts"] {
            assert!(world.rows_of(table).await.is_empty(), "{at}: {table}");
        }
        calls
    })
    .await;
}

/// The clean-up that failed beside the deletion is done by the job that tells the owner.
#[tokio::test]
async fn what_a_deletion_could_not_remove_is_removed_with_its_notice() {
    for call in 0.. {
        let world = World::hasty().await;
        world.register(OLD).await.unwrap();
        world.link().await;
        let login = world.login(OLD).await.unwrap();
        dry_from(&world, call);
        let outcome = world.delete_account(&login).await;
        let met = world.proxy.passed().len() > call;
        world.proxy.plan(|_, _| Fate::Untouched);
        match outcome {
            Ok(()) => {
                world.testing.deliver_mail().await;
                for table in ["t-users", "t-sessions", "t-password-resets"] {
                    assert!(world.rows_of(table).await.is_empty(), "call {call}: {table}");
                }
            }
            Err(DeleteAccountError::Port(_) | DeleteAccountError::NotProved(_)) => {
                world.login(OLD).await.map(drop).unwrap();
            }
            Err(error) => panic!("call {call}: {error}"),
        }
        if !met {
            break;
        }
    }
}

/// DynamoDB sweeps late, by days.
#[tokio::test]
async fn a_session_whose_time_is_over_is_refused_while_its_row_is_still_there() {
    let day = Duration::from_hours(24);
    for (unused, uses) in [(14 * day, 0), (10 * day, 2)] {
        let world = World::new().await;
        let login = world.logged_in().await;
        let mut token = login.refresh_token.clone();
        let just_before = Duration::from_micros(1);
        for _ in 0..uses {
            world.testing.clock.advance(unused);
            token = world.refreshed(&token).await;
        }
        world.testing.clock.advance(unused - just_before);
        token = world.refreshed(&token).await;
        let end = if uses == 0 { unused } else { just_before };
        world.testing.clock.advance(end);
        let row = world.rows_of("t-sessions").await;
        assert!(is_rejected(&world.refresh(&token).await));
        let claims = auth_domain::Claims { expires_at: world.now() + day, ..claims_of(&login) };
        let listed = world.testing.auth.list_sessions(&claims, &RequestContext::new()).await;
        assert!(matches!(listed, Err(SessionError::Rejected(_))), "{listed:?}");
        assert_eq!(world.rows_of("t-sessions").await, row, "it is there, and was not written to");
    }
}

/// What a batch does not reach is given back.
fn unprocessed(keys: &[Value]) -> Value {
    let requests: Vec<_> =
        keys.iter().map(|key| json!({ "DeleteRequest": { "Key": key } })).collect();
    json!({ "UnprocessedItems": { "t-sessions": requests } })
}

impl World {
    /// The keys of all sessions, as the protocol writes them.
    async fn keys(&self) -> Vec<Value> {
        let rows = self.rows_of("t-sessions").await;
        let text = |row: &crate::world::Item, name: &str| json!({ "S": row[name].as_s().unwrap() });
        let key =
            |row| json!({ "user_id": text(row, "user_id"), "session_id": text(row, "session_id") });
        rows.iter().map(key).collect()
    }
}

#[tokio::test]
async fn what_a_batch_gives_back_unprocessed_is_sent_again() {
    let world = World::new().await;
    let login = world.logged_in().await;
    for _ in 0..29 {
        world.login(OLD).await.unwrap();
    }
    let keys = world.keys().await;
    assert_eq!(keys.len(), 30);
    let mut batches = 0;
    world.proxy.plan(move |_, operation| match operation {
        "BatchWriteItem" => {
            batches += 1;
            if batches <= 2 {
                Fate::Answered(200, unprocessed(&keys[..25]))
            } else {
                Fate::Untouched
            }
        }
        _ => Fate::Untouched,
    });
    world.sessions.end_all(login.user_id, None).await.unwrap();
    assert!(world.rows_of("t-sessions").await.is_empty());
}

#[tokio::test]
async fn a_batch_that_is_given_back_for_ever_is_an_error_that_passes_and_comes_soon() {
    let world = World::hasty().await;
    let login = world.logged_in().await;
    let keys = world.keys().await;
    world.proxy.plan(move |_, operation| match operation {
        "BatchWriteItem" => Fate::Answered(200, unprocessed(&keys)),
        _ => Fate::Untouched,
    });
    let started = Instant::now();
    let error = world.sessions.end_all(login.user_id, None).await.unwrap_err();
    assert_eq!(error.kind(), PortErrorKind::Throttled);
    assert!(error.is_transient());
    assert!(started.elapsed() < Duration::from_secs(4));
    assert_eq!(world.proxy.passed().len(), 1 + 8);
}

/// The answer to the parent of a good token is lost for good; its client asks again through another
/// instance, and the token of the first answer is the one that goes on.
#[tokio::test]
async fn a_rotation_that_is_known_again_is_the_same_rotation() {
    let world = World::new().await;
    let login = world.logged_in().await;
    let now = world.now();
    let key = SessionKey { user_id: login.user_id, id: login.session_id };
    let rotation = Rotation {
        key,
        presented: login.refresh_token.digest(),
        next: TokenDigest::from_bytes([9; 32]),
        now,
        idle_expires_at: now + Duration::from_hours(1),
    };
    world.proxy.plan(|place, _| if place < 3 { Fate::AnswerLost } else { Fate::Untouched });
    let answer = world.sessions.rotate(rotation.clone()).await.unwrap();
    let Rotated::Rotated(session) = answer else { panic!("{answer:?}") };
    assert_eq!(session.current, rotation.next);
    assert_eq!(world.sessions.rotate(rotation).await.unwrap(), Rotated::Retry(session));
    let absent = SessionKey { id: SessionId::from_entropy_bytes([1; 16]), ..key };
    assert!(world.sessions.find(&absent).await.unwrap().is_none());
}

fn claims_of(login: &Login) -> auth_domain::Claims {
    auth_domain::Claims {
        user_id: login.user_id,
        session_id: login.session_id,
        email: login.email.clone(),
        name: login.name.clone(),
        credential_version: auth_domain::CredentialVersion::FIRST,
        issued_at: auth_domain::Timestamp::from_seconds(0),
        expires_at: auth_domain::Timestamp::from_seconds(0),
    }
}
