//! The laws of [`ResetTokenStore`].

use std::sync::Arc;
use std::time::Duration;

use super::race::{ROUNDS, Spawner, race, racers_of};
use super::{done, fresh, the_one};
use crate::ports::{Put, ResetTokenStore};
use crate::{CredentialVersion, Email, ResetRecord, Timestamp};

#[doc(hidden)]
#[macro_export]
macro_rules! __reset_token_store_laws {
    ($then:ident $context:tt) => {
        $crate::$then! {
            $context
            reset_token_store
            alone: [
                an_address_without_links_has_no_newest,
                a_row_is_read_back_whole,
                the_newest_goes_by_created_at_not_by_arrival,
                rows_of_one_moment_have_one_newest,
                the_newest_shows_that_it_was_used,
                addresses_do_not_mix,
                a_link_is_consumed_once,
                a_link_is_good_until_just_before_it_expires,
                an_expired_link_is_not_consumed,
                an_unknown_digest_consumes_nothing,
                the_digest_of_another_address_consumes_nothing,
                putting_a_row_again_alters_nothing,
                putting_a_used_row_again_does_not_revive_it,
                consuming_one_row_leaves_the_others,
                deleting_all_rows_of_an_account_leaves_those_of_others,
            ]
            racing: [
                of_concurrent_consumers_at_most_one_wins,
                of_concurrent_puts_of_one_row_one_stores_it,
            ]
        }
    };
}

__reset_token_store_laws! { __laws_by_name { dyn ResetTokenStore } }

/// Makes each law of [`ResetTokenStore`](crate::ports::ResetTokenStore) a test of your adapter.
///
/// `adapter` is evaluated for each test, in its async function, to an `Arc` of the store; `spawn` is a
/// [`Spawner`](crate::conformance::Spawner). See [`conformance`](crate::conformance).
#[macro_export]
macro_rules! reset_token_store_conformance {
    (test: $test:meta, spawn: $spawn:expr, adapter: $adapter:expr $(,)?) => {
        $crate::__reset_token_store_laws! { __laws_as_tests { $test, $spawn, $adapter } }
    };
}

const INSTANT: Duration = Duration::from_micros(1);

/// Catches a store that makes up a row, or answers an absent one with an error.
pub async fn an_address_without_links_has_no_newest(store: &dyn ResetTokenStore) {
    assert_eq!(newest(store, &fresh::email()).await, None, "of an address without links");
}

/// Catches a field that is not kept: times cut to seconds or to 32 bits, a version left at its default,
/// a digest changed by a text encoding.
pub async fn a_row_is_read_back_whole(store: &dyn ResetTokenStore) {
    let extreme = ResetRecord {
        digest: crate::TokenDigest::from_bytes([0xff; 32]),
        credential_version: CredentialVersion::new(u64::from(u32::MAX) + 2),
        ..fresh::reset_record_of(&fresh::email_like("jos\u{e9}+\u{5f20}", &fresh::suffix()))
    };
    for row in [fresh::reset_record(), extreme] {
        put(store, &row).await;
        assert_eq!(newest(store, &row.email).await, Some(row.clone()), "not what was put");
        let used = ResetRecord { used: true, ..row };
        assert_eq!(consume(store, &used, used.created_at).await, Some(used), "not what was put");
    }
}

/// Catches "the last row written": a mail job that arrives late would bring an old link back to life.
/// Also times that are ordered by the second, or as texts of different lengths.
pub async fn the_newest_goes_by_created_at_not_by_arrival(store: &dyn ResetTokenStore) {
    let email = fresh::email();
    let start = Timestamp::from_seconds(fresh::now().as_seconds());
    let mut newest_so_far = None;
    for micros in [500_000, 20, 500_001, 1_000_000, 999_999, 0] {
        let row = ResetRecord {
            created_at: start + Duration::from_micros(micros),
            ..fresh::reset_record_of(&email)
        };
        put(store, &row).await;
        newest_so_far = newest_so_far
            .filter(|so_far: &ResetRecord| so_far.created_at > row.created_at)
            .or(Some(row));
        assert_eq!(newest(store, &email).await, newest_so_far, "not the one created last");
    }
}

/// Catches an order that changes between reads: of two links now the one would work, now the other.
pub async fn rows_of_one_moment_have_one_newest(store: &dyn ResetTokenStore) {
    let first = fresh::reset_record();
    let others = [(); 3].map(|()| ResetRecord { digest: fresh::digest(), ..first.clone() });
    let rows = [&[first], &others[..]].concat();
    for row in &rows {
        put(store, row).await;
    }
    let greatest = rows.iter().max_by_key(|row| row.age());
    for _ in 0..20 {
        let answer = newest(store, &rows[0].email).await;
        assert_eq!(answer.as_ref(), greatest, "not the greatest digest");
    }
}

/// Catches a store that passes over used rows: the link before the used one would be the newest again.
pub async fn the_newest_shows_that_it_was_used(store: &dyn ResetTokenStore) {
    let older = fresh::reset_record();
    let newer = ResetRecord {
        digest: fresh::digest(),
        created_at: older.created_at + INSTANT,
        ..older.clone()
    };
    put(store, &older).await;
    put(store, &newer).await;
    assert!(
        consume(store, &newer, newer.created_at).await.is_some(),
        "the newest row is the used one"
    );
    let used = ResetRecord { used: true, ..newer };
    assert_eq!(newest(store, &used.email).await, Some(used), "the newest row is the used one");
}

/// Catches keys that are compared loosely: a pattern, a case- or accent-blind collation, a prefix.
pub async fn addresses_do_not_mix(store: &dyn ResetTokenStore) {
    let suffix = fresh::suffix();
    let look_alikes = ["jose", "jos\u{e9}", "jo_e", "jo%", "jose.a", "\u{ff4a}ose"];
    let rows = look_alikes.map(|local| fresh::reset_record_of(&fresh::email_like(local, &suffix)));
    for row in &rows {
        put(store, row).await;
    }
    for row in &rows {
        assert_eq!(
            newest(store, &row.email).await.as_ref(),
            Some(row),
            "not the row of this address"
        );
    }
    assert!(
        consume(store, &rows[2], rows[2].created_at).await.is_some(),
        "not the row of this address"
    );
    for (n, row) in rows.into_iter().enumerate() {
        let used = n == 2;
        assert_eq!(
            newest(store, &row.email).await,
            Some(ResetRecord { used, ..row }),
            "not the row of this address"
        );
    }
}

/// Catches a link that works twice.
pub async fn a_link_is_consumed_once(store: &dyn ResetTokenStore) {
    let row = fresh::reset_record();
    put(store, &row).await;
    let used = ResetRecord { used: true, ..row.clone() };
    assert_eq!(consume(store, &row, row.created_at).await, Some(used), "a good link is consumed");
    for later in [Duration::ZERO, INSTANT, Duration::from_mins(1)] {
        let again = consume(store, &row, row.created_at + later).await;
        assert_eq!(again, None, "a link worked twice");
    }
}

/// Catches a link that dies early: an expiry in the wrong unit, or cut to the second.
pub async fn a_link_is_good_until_just_before_it_expires(store: &dyn ResetTokenStore) {
    let row = fresh::reset_record();
    put(store, &row).await;
    assert!(consume(store, &row, row.expires_at - INSTANT).await.is_some(), "a link died early");
}

/// Catches a store that leaves expiry to its sweeper, and one that takes the last moment for a good one.
pub async fn an_expired_link_is_not_consumed(store: &dyn ResetTokenStore) {
    for late in [Duration::ZERO, INSTANT, Duration::from_hours(24 * 365)] {
        let row = fresh::reset_record();
        put(store, &row).await;
        let consumed = consume(store, &row, row.expires_at + late).await;
        assert_eq!(consumed, None, "a link worked {late:?} after its expiry");
    }
}

/// Catches a store that consumes by address alone: any junk would use up a good link, or open one.
pub async fn an_unknown_digest_consumes_nothing(store: &dyn ResetTokenStore) {
    let row = fresh::reset_record();
    put(store, &row).await;
    for first_half_fits in [false, true] {
        let mut guess = *fresh::digest().as_bytes();
        if first_half_fits {
            guess[..16].copy_from_slice(&row.digest.as_bytes()[..16]);
        }
        let junk = ResetRecord { digest: crate::TokenDigest::from_bytes(guess), ..row.clone() };
        assert_eq!(consume(store, &junk, row.created_at).await, None, "of an unknown digest");
    }
    assert_eq!(newest(store, &row.email).await, Some(row), "of an unknown digest");
}

/// Catches a store that consumes by digest alone: a link would be tried against any address.
pub async fn the_digest_of_another_address_consumes_nothing(store: &dyn ResetTokenStore) {
    let mine = fresh::reset_record();
    let theirs = fresh::reset_record();
    put(store, &mine).await;
    put(store, &theirs).await;
    let crossed = ResetRecord { email: theirs.email.clone(), ..mine.clone() };
    assert_eq!(
        consume(store, &crossed, mine.created_at).await,
        None,
        "of the digest of another address"
    );
    assert_eq!(newest(store, &mine.email).await, Some(mine), "of the digest of another address");
    assert_eq!(
        newest(store, &theirs.email).await,
        Some(theirs),
        "of the digest of another address"
    );
}

/// Catches a put that overwrites: a mail job that runs again would move its link's age and expiry.
pub async fn putting_a_row_again_alters_nothing(store: &dyn ResetTokenStore) {
    let row = fresh::reset_record();
    put(store, &row).await;
    let again = ResetRecord {
        created_at: row.created_at + Duration::from_hours(1),
        expires_at: row.expires_at + Duration::from_hours(1),
        user_id: fresh::user_id(),
        ..row.clone()
    };
    for second in [row.clone(), again] {
        assert_eq!(done(store.put(second).await), Put::AlreadyThere, "of a row put again");
    }
    assert_eq!(newest(store, &row.email).await, Some(row), "of a row put again");
}

/// Catches a used link that works again because the job that issued it ran twice.
pub async fn putting_a_used_row_again_does_not_revive_it(store: &dyn ResetTokenStore) {
    let row = fresh::reset_record();
    put(store, &row).await;
    assert!(consume(store, &row, row.created_at).await.is_some(), "of a used row put again");
    assert_eq!(done(store.put(row.clone()).await), Put::AlreadyThere, "of a used row put again");
    let again = consume(store, &row, row.created_at).await;
    assert_eq!(again, None, "a used link was revived");
    let used = ResetRecord { used: true, ..row };
    assert_eq!(newest(store, &used.email).await, Some(used), "of a used row put again");
}

/// Catches a store that holds one row for an address, or consumes all that it has.
pub async fn consuming_one_row_leaves_the_others(store: &dyn ResetTokenStore) {
    let oldest = fresh::reset_record();
    let rows = [0, 1, 2].map(|n| ResetRecord {
        digest: fresh::digest(),
        created_at: oldest.created_at + INSTANT * n,
        ..oldest.clone()
    });
    for row in &rows {
        put(store, row).await;
    }
    for row in [&rows[1], &rows[0], &rows[2]] {
        let used = ResetRecord { used: true, ..row.clone() };
        assert_eq!(
            consume(store, row, rows[2].created_at).await,
            Some(used),
            "one good link of several is consumed"
        );
    }
}

/// Catches a delete that stops at a batch, leaves what was used, or takes the links of another address, or
/// of the account that has the address now.
pub async fn deleting_all_rows_of_an_account_leaves_those_of_others(store: &dyn ResetTokenStore) {
    let suffix = fresh::suffix();
    let elsewhere = fresh::reset_record_of(&fresh::email_like("jos\u{e9}", &suffix));
    put(store, &elsewhere).await;
    let (email, user_id) = (fresh::email_like("jose", &suffix), elsewhere.user_id);
    done(store.delete_all(&email, user_id).await);
    for _ in 0..60 {
        put(store, &ResetRecord { user_id, ..fresh::reset_record_of(&email) }).await;
    }
    let newest_row = newest(store, &email).await.expect("sixty rows have a newest");
    consume(store, &newest_row, newest_row.created_at).await;
    done(store.delete_all(&email, user_id).await);
    assert_eq!(newest(store, &email).await, None, "of an account whose rows are deleted");
    let of_the_next = fresh::reset_record_of(&email);
    put(store, &of_the_next).await;
    done(store.delete_all(&email, user_id).await);
    assert_eq!(newest(store, &email).await, Some(of_the_next), "of the next account there");
    assert_eq!(newest(store, &elsewhere.email).await, Some(elsewhere), "of another address");
}

/// Catches looking first and marking then, the commonest hole in reset links: two requests with one
/// link would both set a password.
pub async fn of_concurrent_consumers_at_most_one_wins(
    store: Arc<dyn ResetTokenStore>,
    spawner: &dyn Spawner,
) {
    for _ in 0..ROUNDS {
        let row = fresh::reset_record();
        put(&*store, &row).await;
        let racers = (0..racers_of(spawner)).map(|_| {
            let (store, row) = (Arc::clone(&store), row.clone());
            async move { consume(&*store, &row, row.created_at).await.is_some() }
        });
        the_one(&race(spawner, racers.collect()).await, &true);
        assert_eq!(
            consume(&*store, &row, row.created_at).await,
            None,
            "consumed once more after the race"
        );
    }
}

/// Catches looking first and putting then: a job that runs twice at once would send twice as new, or
/// write over the row that the first was consumed from.
pub async fn of_concurrent_puts_of_one_row_one_stores_it(
    store: Arc<dyn ResetTokenStore>,
    spawner: &dyn Spawner,
) {
    for _ in 0..ROUNDS {
        let row = fresh::reset_record();
        let racers = (0..racers_of(spawner)).map(|_| {
            let (store, row) = (Arc::clone(&store), row.clone());
            async move { done(store.put(row).await) }
        });
        the_one(&race(spawner, racers.collect()).await, &Put::Stored);
        assert_eq!(newest(&*store, &row.email).await, Some(row), "not what was put");
    }
}

async fn put(store: &dyn ResetTokenStore, row: &ResetRecord) {
    let answer = done(store.put(row.clone()).await);
    assert_eq!(answer, Put::Stored, "a new row was refused");
}

async fn newest(store: &dyn ResetTokenStore, email: &Email) -> Option<ResetRecord> {
    done(store.newest(email).await)
}

async fn consume(
    store: &dyn ResetTokenStore,
    row: &ResetRecord,
    now: Timestamp,
) -> Option<ResetRecord> {
    done(store.consume(&row.email, row.digest, now).await)
}
