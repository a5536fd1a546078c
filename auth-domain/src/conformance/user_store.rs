//! The laws of [`UserStore`].

use std::sync::Arc;
use std::time::Duration;

use super::race::{ROUNDS, Spawner, race, racers_of, step_aside};
use super::{done, fresh, the_one};
use crate::ports::{
    CredentialChange, CredentialUpdate, EmailChange, EmailUpdate, Insert, Update, UserKey,
    UserStore,
};
use crate::{CredentialVersion, DisplayName, Email, PasswordHash, User, UserId};

#[doc(hidden)]
#[macro_export]
macro_rules! __user_store_laws {
    ($then:ident $context:tt) => {
        $crate::$then! {
            $context
            user_store
            alone: [
                absent_accounts_are_none,
                an_account_is_read_back_whole,
                an_account_is_found_by_its_id,
                a_taken_address_is_refused_and_nothing_changes,
                a_change_of_credentials_is_read_back_and_leaves_the_rest,
                a_change_from_another_version_changes_nothing,
                a_change_for_another_account_changes_nothing,
                a_rehash_keeps_the_version,
                a_login_makes_no_change_of_credentials_stale,
                a_touch_writes_the_last_login_and_nothing_else,
                a_touch_makes_no_row,
                a_deleted_account_is_gone_and_its_address_free,
                a_delete_for_another_account_removes_nothing,
                a_delete_from_another_version_removes_nothing,
                an_account_made_anew_is_not_reached_by_the_old_key,
                accounts_do_not_mix,
                each_change_writes_what_it_says_and_leaves_the_rest,
                a_moved_account_is_at_its_new_address_whole,
                a_move_to_a_taken_address_changes_nothing,
                a_move_from_another_version_or_of_another_account_changes_nothing,
            ]
            racing: [
                of_concurrent_inserts_one_wins,
                of_concurrent_changes_from_one_version_one_wins,
                a_change_among_concurrent_logins_is_kept,
                of_concurrent_moves_of_one_account_one_wins,
                of_concurrent_moves_to_one_address_one_wins,
                what_is_written_beside_a_move_is_kept,
            ]
        }
    };
}

__user_store_laws! { __laws_by_name { dyn UserStore } }

/// Makes each law of [`UserStore`](crate::ports::UserStore) a test of your adapter.
///
/// `adapter` is evaluated for each test, in its async function, to an `Arc` of the store; `spawn` is a
/// [`Spawner`](crate::conformance::Spawner). See [`conformance`](crate::conformance).
#[macro_export]
macro_rules! user_store_conformance {
    (test: $test:meta, spawn: $spawn:expr, adapter: $adapter:expr $(,)?) => {
        $crate::__user_store_laws! { __laws_as_tests { $test, $spawn, $adapter } }
    };
}

/// Catches a store that makes up an account, or answers an absent one with an error.
pub async fn absent_accounts_are_none(store: &dyn UserStore) {
    assert!(
        by_email(store, &fresh::email()).await.is_none(),
        "an address that nobody has found an account"
    );
    let by_id = done(store.find_by_id(fresh::user_id()).await);
    assert!(by_id.is_none(), "an id that nobody has found an account");
}

/// Catches a field that is not kept: times cut to seconds or to 32 bits, a name in the wrong charset, a
/// missing password read as an empty one, a flag or version left at its default.
pub async fn an_account_is_read_back_whole(store: &dyn UserStore) {
    let plain = fresh::user();
    let bare = User {
        email: fresh::email_like("jos\u{e9}+\u{5f20}", &fresh::suffix()),
        name: DisplayName::from_stored(" \"old\"\\ %s rules ".to_owned()),
        password_hash: None,
        credential_version: CredentialVersion::FIRST,
        disabled: true,
        ..fresh::user()
    };
    let used = User {
        credential_version: CredentialVersion::new(u64::from(u32::MAX) + 2),
        last_login: Some(fresh::now() + Duration::from_micros(7)),
        ..fresh::user()
    };
    for user in [plain, bare, used] {
        insert(store, &user).await;
        expect_kept(store, &user).await;
    }
}

/// Catches an index by id that is not written, or names another account.
pub async fn an_account_is_found_by_its_id(store: &dyn UserStore) {
    let user = fresh::user();
    insert(store, &fresh::user()).await;
    insert(store, &user).await;
    let found = by_id_sooner_or_later(store, user.id, |found| found.is_some()).await;
    expect_same(found.as_ref(), &user);
}

/// Catches an insert that overwrites: whoever registers an address would own its account.
pub async fn a_taken_address_is_refused_and_nothing_changes(store: &dyn UserStore) {
    let owner = fresh::user();
    insert(store, &owner).await;
    let intruder = User {
        email: owner.email.clone(),
        name: DisplayName::from_stored("Eve".to_owned()),
        ..fresh::user()
    };
    let second = done(store.insert(intruder.clone()).await);
    assert_eq!(second, Insert::EmailTaken, "a second account has one address");
    expect_kept(store, &owner).await;
    let by_id = done(store.find_by_id(intruder.id).await);
    assert!(by_id.is_none(), "the refused account is found by its id");
}

/// Catches a change that is not written whole, or that rewrites the row from what the writer had read.
pub async fn a_change_of_credentials_is_read_back_and_leaves_the_rest(store: &dyn UserStore) {
    let before = User { last_login: Some(fresh::now()), disabled: true, ..fresh::user() };
    let without_password = User { password_hash: None, ..fresh::user() };
    for user in [before, without_password] {
        insert(store, &user).await;
        let update = change_of(&user);
        let after = changed(user, &update);
        assert_eq!(done(store.update_credentials(update).await), Update::Updated, "a good change");
        expect_kept(store, &after).await;
    }
}

/// Catches a change without its condition: a reset that lost would overwrite the one that won.
pub async fn a_change_from_another_version_changes_nothing(store: &dyn UserStore) {
    let user = fresh::user();
    insert(store, &user).await;
    let version = user.credential_version.get();
    for other in [version - 1, version + 1] {
        let stale = CredentialUpdate {
            expected: CredentialVersion::new(other),
            next: CredentialVersion::new(other + 1),
            ..change_of(&user)
        };
        assert_eq!(
            done(store.update_credentials(stale).await),
            Update::Stale,
            "a change from version {other}"
        );
    }
    expect_kept(store, &user).await;
}

/// Catches a change that looks at the address alone, and one that makes a row where there is none.
pub async fn a_change_for_another_account_changes_nothing(store: &dyn UserStore) {
    let user = fresh::user();
    insert(store, &user).await;
    let nobody = fresh::user();
    for key in [with_other_id(&user), key_of(&nobody)] {
        let misdirected = CredentialUpdate { key, ..change_of(&user) };
        let answer = done(store.update_credentials(misdirected).await);
        assert_eq!(answer, Update::Stale, "a change for another account");
    }
    expect_kept(store, &user).await;
    assert!(by_email(store, &nobody.email).await.is_none(), "a change for another account");
}

/// Catches a condition that demands a new version: a login could then not upgrade an old hash without
/// ending every session.
pub async fn a_rehash_keeps_the_version(store: &dyn UserStore) {
    let mut user = fresh::user();
    insert(store, &user).await;
    for _ in 0..2 {
        let rehash = CredentialUpdate { next: user.credential_version, ..change_of(&user) };
        user = changed(user, &rehash);
        assert_eq!(
            done(store.update_credentials(rehash).await),
            Update::Updated,
            "a change that keeps the version"
        );
        expect_kept(store, &user).await;
    }
}

/// Catches a condition on the whole row, or on a row version that every write bumps: a login between
/// reading and changing would make a good reset fail.
pub async fn a_login_makes_no_change_of_credentials_stale(store: &dyn UserStore) {
    let mut user = fresh::user();
    insert(store, &user).await;
    let login = user.updated_at + Duration::from_micros(60_000_001);
    let touched = done(store.touch_last_login(&key_of(&user), login).await);
    assert_eq!(touched, Update::Updated, "a good touch");
    user.last_login = Some(login);
    let update = change_of(&user);
    user = changed(user, &update);
    let answer = done(store.update_credentials(update).await);
    assert_eq!(answer, Update::Updated, "a login made a change stale");
    expect_kept(store, &user).await;
}

/// Catches a touch that bumps the version, moves `updated_at` or rewrites the row.
pub async fn a_touch_writes_the_last_login_and_nothing_else(store: &dyn UserStore) {
    let mut user = fresh::user();
    insert(store, &user).await;
    for login in [fresh::now(), fresh::now()] {
        user.last_login = Some(login);
        let touched = done(store.touch_last_login(&key_of(&user), login).await);
        assert_eq!(touched, Update::Updated, "a good touch");
        expect_kept(store, &user).await;
    }
}

/// Catches a touch as an upsert: half an account would stand where one was deleted meanwhile.
pub async fn a_touch_makes_no_row(store: &dyn UserStore) {
    let user = fresh::user();
    insert(store, &user).await;
    let nobody = fresh::user();
    for key in [with_other_id(&user), key_of(&nobody)] {
        let touched = done(store.touch_last_login(&key, fresh::now()).await);
        assert_eq!(touched, Update::Stale, "a touch of another account");
    }
    expect_kept(store, &user).await;
    assert!(by_email(store, &nobody.email).await.is_none(), "a touch of another account");
}

/// Catches a delete that leaves the row, its index, or the address taken.
pub async fn a_deleted_account_is_gone_and_its_address_free(store: &dyn UserStore) {
    let user = fresh::user();
    insert(store, &user).await;
    let deleted = done(store.delete(&key_of(&user), None).await);
    assert_eq!(deleted, Update::Updated, "of a deleted account");
    assert!(by_email(store, &user.email).await.is_none(), "of a deleted account");
    let by_id = by_id_sooner_or_later(store, user.id, Option::is_none).await;
    assert!(by_id.is_none(), "a deleted account is found by its id");
    assert_eq!(
        done(store.delete(&key_of(&user), None).await),
        Update::Stale,
        "of a deleted account"
    );
    let next = User { email: user.email, ..fresh::user() };
    insert(store, &next).await;
    expect_kept(store, &next).await;
}

/// Catches a delete that looks at the address alone.
pub async fn a_delete_for_another_account_removes_nothing(store: &dyn UserStore) {
    let user = fresh::user();
    insert(store, &user).await;
    let deleted = done(store.delete(&with_other_id(&user), None).await);
    assert_eq!(deleted, Update::Stale, "a delete for another account");
    expect_kept(store, &user).await;
}

/// Catches a delete without its condition: one that a thief began would land after the owner's reset.
pub async fn a_delete_from_another_version_removes_nothing(store: &dyn UserStore) {
    let user = fresh::user();
    insert(store, &user).await;
    let version = user.credential_version;
    for other in [CredentialVersion::new(version.get() - 1), version.next()] {
        let deleted = done(store.delete(&key_of(&user), Some(other)).await);
        assert_eq!(deleted, Update::Stale, "a delete from another version");
    }
    expect_kept(store, &user).await;
    let deleted = done(store.delete(&key_of(&user), Some(version)).await);
    assert_eq!(deleted, Update::Updated, "a delete from the version that it has");
    assert!(by_email(store, &user.email).await.is_none(), "of a deleted account");
}

/// Catches a store that remembers an address and not whose it is: a reset link of the former owner
/// would open the next one's account.
pub async fn an_account_made_anew_is_not_reached_by_the_old_key(store: &dyn UserStore) {
    let former = fresh::user();
    insert(store, &former).await;
    assert_eq!(
        done(store.delete(&key_of(&former), None).await),
        Update::Updated,
        "with the key of the former account"
    );
    let next = User { email: former.email.clone(), ..fresh::user() };
    insert(store, &next).await;
    let old_key = key_of(&former);
    let changed = done(store.update_credentials(change_of(&former)).await);
    let touched = done(store.touch_last_login(&old_key, fresh::now()).await);
    let deleted = done(store.delete(&old_key, None).await);
    assert_eq!(
        [changed, touched, deleted],
        [Update::Stale; 3],
        "with the key of the former account"
    );
    expect_kept(store, &next).await;
}

/// Catches keys that are compared loosely: a pattern, a case- or accent-blind collation, a prefix.
pub async fn accounts_do_not_mix(store: &dyn UserStore) {
    let suffix = fresh::suffix();
    let look_alikes = ["jose", "jos\u{e9}", "jo_e", "jo%", "jose.a", "\u{ff4a}ose"];
    let mut users =
        look_alikes.map(|local| User { email: fresh::email_like(local, &suffix), ..fresh::user() });
    for user in &users {
        insert(store, user).await;
    }
    let update = change_of(&users[2]);
    users[2] = changed(users[2].clone(), &update);
    assert_eq!(
        done(store.update_credentials(update).await),
        Update::Updated,
        "of one account among look-alikes"
    );
    assert_eq!(
        done(store.delete(&key_of(&users[3]), None).await),
        Update::Updated,
        "of one account among look-alikes"
    );
    assert!(by_email(store, &users[3].email).await.is_none(), "of one account among look-alikes");
    for (n, user) in users.iter().enumerate() {
        if n != 3 {
            expect_kept(store, user).await;
        }
    }
}

/// Catches a change that is written as another, in part, or with more than it says.
pub async fn each_change_writes_what_it_says_and_leaves_the_rest(store: &dyn UserStore) {
    let at = fresh::now();
    let unverified = User { email_verified_at: None, ..fresh::user() };
    let without_password = User { password_hash: None, disabled: true, ..fresh::user() };
    for mut user in [fresh::user(), unverified, without_password] {
        insert(store, &user).await;
        for change in [
            CredentialChange::PasswordHashByMail(fresh::password_hash(), at),
            CredentialChange::Disabled(true),
            CredentialChange::Nothing,
            CredentialChange::PasswordRemoved,
            CredentialChange::EmailVerified(at + Duration::from_micros(1)),
            CredentialChange::Disabled(false),
            CredentialChange::PasswordHash(fresh::password_hash()),
            CredentialChange::PasswordHashByMail(fresh::password_hash(), fresh::now()),
        ] {
            let update = CredentialUpdate { change, ..change_of(&user) };
            user = changed(user, &update);
            assert_eq!(done(store.update_credentials(update).await), Update::Updated);
            expect_kept(store, &user).await;
        }
    }
}

/// Catches a move that leaves a row behind, loses a field, or keeps the old address taken.
pub async fn a_moved_account_is_at_its_new_address_whole(store: &dyn UserStore) {
    let used = User { last_login: Some(fresh::now()), email_verified_at: None, ..fresh::user() };
    let bare = User { password_hash: None, disabled: true, ..fresh::user() };
    for user in [used, bare] {
        insert(store, &user).await;
        let change = move_of(&user, fresh::email());
        let after = moved(user.clone(), &change);
        assert_eq!(done(store.change_email(change).await), EmailUpdate::Updated, "a good move");
        expect_kept(store, &after).await;
        assert!(by_email(store, &user.email).await.is_none(), "the account is at both addresses");
        let at_new =
            |found: &Option<User>| found.as_ref().is_some_and(|found| found.email == after.email);
        let by_id = by_id_sooner_or_later(store, user.id, at_new).await;
        expect_same(by_id.as_ref(), &after);
        let next = User { email: user.email, ..fresh::user() };
        insert(store, &next).await;
        expect_kept(store, &next).await;
    }
}

/// Catches a move that overwrites: whoever confirmed an address would own the account that has it.
pub async fn a_move_to_a_taken_address_changes_nothing(store: &dyn UserStore) {
    let (user, owner) = (fresh::user(), fresh::user());
    insert(store, &user).await;
    insert(store, &owner).await;
    let answer = done(store.change_email(move_of(&user, owner.email.clone())).await);
    assert_eq!(answer, EmailUpdate::EmailTaken, "a move to a taken address");
    expect_kept(store, &user).await;
    expect_kept(store, &owner).await;
}

/// Catches a move without its condition: a link from before a reset would still take the account away.
pub async fn a_move_from_another_version_or_of_another_account_changes_nothing(
    store: &dyn UserStore,
) {
    let user = fresh::user();
    insert(store, &user).await;
    let target = fresh::email();
    let good = move_of(&user, target.clone());
    let older = CredentialVersion::new(user.credential_version.get() - 1);
    for stale in [
        EmailChange { expected: older, ..good.clone() },
        EmailChange { expected: good.next, next: good.next.next(), ..good.clone() },
        EmailChange { key: with_other_id(&user), ..good.clone() },
        EmailChange { key: key_of(&fresh::user()), ..good },
    ] {
        let answer = done(store.change_email(stale).await);
        assert_eq!(answer, EmailUpdate::Stale, "a move from another version or account");
    }
    expect_kept(store, &user).await;
    assert!(by_email(store, &target).await.is_none(), "a move from another version or account");
}

/// Catches looking first and inserting then: two people would register one address, and the second
/// would take the first one's account.
pub async fn of_concurrent_inserts_one_wins(store: Arc<dyn UserStore>, spawner: &dyn Spawner) {
    for _ in 0..ROUNDS {
        let email = fresh::email();
        let users: Vec<User> = (0..racers_of(spawner))
            .map(|n| User {
                email: email.clone(),
                name: DisplayName::from_stored(format!("Racer {n}")),
                ..fresh::user()
            })
            .collect();
        let racers = users.iter().cloned().map(|user| {
            let store = Arc::clone(&store);
            async move { done(store.insert(user).await) }
        });
        let answers = race(spawner, racers.collect()).await;
        let winner = the_one(&answers, &Insert::Inserted);
        expect_kept(&*store, &users[winner]).await;
    }
}

/// Catches comparing the version first and writing then: of two resets both would think that they won.
pub async fn of_concurrent_changes_from_one_version_one_wins(
    store: Arc<dyn UserStore>,
    spawner: &dyn Spawner,
) {
    for _ in 0..ROUNDS {
        let user = fresh::user();
        insert(&*store, &user).await;
        let updates: Vec<_> = (0..racers_of(spawner)).map(|_| change_of(&user)).collect();
        let racers = updates.iter().cloned().map(|update| {
            let store = Arc::clone(&store);
            async move { done(store.update_credentials(update).await) }
        });
        let answers = race(spawner, racers.collect()).await;
        let winner = the_one(&answers, &Update::Updated);
        expect_kept(&*store, &changed(user, &updates[winner])).await;
    }
}

/// Catches a touch that reads the row and writes it back: a login beside a reset would bring the old
/// password back.
pub async fn a_change_among_concurrent_logins_is_kept(
    store: Arc<dyn UserStore>,
    spawner: &dyn Spawner,
) {
    for _ in 0..ROUNDS {
        let user = fresh::user();
        insert(&*store, &user).await;
        let update = change_of(&user);
        let (login, count) = (fresh::now(), racers_of(spawner));
        let racers = (0..count).map(|n| {
            let (store, key, update) = (Arc::clone(&store), key_of(&user), update.clone());
            async move {
                if n == count / 2 {
                    done(store.update_credentials(update).await)
                } else {
                    done(store.touch_last_login(&key, login).await)
                }
            }
        });
        let answers = race(spawner, racers.collect()).await;
        assert_eq!(answers, vec![Update::Updated; count], "one of them was lost");
        let after = User { last_login: Some(login), ..changed(user, &update) };
        expect_kept(&*store, &after).await;
    }
}

/// Catches a move in two steps: an account at two addresses, or at none.
pub async fn of_concurrent_moves_of_one_account_one_wins(
    store: Arc<dyn UserStore>,
    spawner: &dyn Spawner,
) {
    for _ in 0..ROUNDS {
        let user = fresh::user();
        insert(&*store, &user).await;
        let moves: Vec<_> =
            (0..racers_of(spawner)).map(|_| move_of(&user, fresh::email())).collect();
        let answers = race_of_moves(&store, spawner, &moves).await;
        let winner = the_one(&answers, &EmailUpdate::Updated);
        expect_kept(&*store, &moved(user.clone(), &moves[winner])).await;
        assert!(
            by_email(&*store, &user.email).await.is_none(),
            "the account is at its old address"
        );
        for loser in (0..moves.len()).filter(|racer| *racer != winner) {
            let left = by_email(&*store, &moves[loser].new_email).await;
            assert!(left.is_none(), "the account is at two addresses");
        }
    }
}

/// Catches looking first whether the new address is free: two accounts would be one.
pub async fn of_concurrent_moves_to_one_address_one_wins(
    store: Arc<dyn UserStore>,
    spawner: &dyn Spawner,
) {
    for _ in 0..ROUNDS {
        let target = fresh::email();
        let users: Vec<_> = (0..racers_of(spawner)).map(|_| fresh::user()).collect();
        let mut moves = Vec::new();
        for user in &users {
            insert(&*store, user).await;
            moves.push(move_of(user, target.clone()));
        }
        let answers = race_of_moves(&store, spawner, &moves).await;
        let winner = the_one(&answers, &EmailUpdate::Updated);
        for (racer, user) in users.into_iter().enumerate() {
            if racer == winner {
                expect_kept(&*store, &moved(user, &moves[racer])).await;
            } else {
                assert_eq!(answers[racer], EmailUpdate::EmailTaken, "of a move that lost");
                expect_kept(&*store, &user).await;
            }
        }
    }
}

/// Catches a move that carries over what it had read: a login's new hash beside it would be lost; and a
/// change that writes back what it had read: the account would be at its old address as well.
pub async fn what_is_written_beside_a_move_is_kept(
    store: Arc<dyn UserStore>,
    spawner: &dyn Spawner,
) {
    for round in 0..ROUNDS {
        let user = fresh::user();
        insert(&*store, &user).await;
        let rehash = CredentialUpdate { next: user.credential_version, ..change_of(&user) };
        let change = move_of(&user, fresh::email());
        // Each of the two starts first in half of the rounds.
        let racers = (0..2).map(|n| {
            let (store, rehash, change) = (Arc::clone(&store), rehash.clone(), change.clone());
            async move {
                if n == round % 2 {
                    done(store.update_credentials(rehash).await) == Update::Updated
                } else {
                    done(store.change_email(change).await) == EmailUpdate::Updated
                }
            }
        });
        let answers = race(spawner, racers.collect()).await;
        let (rehashed, is_moved) = (answers[round % 2], answers[1 - round % 2]);
        assert!(is_moved, "what keeps the version made a move stale");
        let old = user.email.clone();
        let before = if rehashed { changed(user, &rehash) } else { user };
        expect_kept(&*store, &moved(before, &change)).await;
        assert!(by_email(&*store, &old).await.is_none(), "the account is at two addresses");
    }
}

async fn race_of_moves(
    store: &Arc<dyn UserStore>,
    spawner: &dyn Spawner,
    moves: &[EmailChange],
) -> Vec<EmailUpdate> {
    let racers = moves.iter().cloned().map(|change| {
        let store = Arc::clone(store);
        async move { done(store.change_email(change).await) }
    });
    race(spawner, racers.collect()).await
}

async fn insert(store: &dyn UserStore, user: &User) {
    let answer = done(store.insert(user.clone()).await);
    assert_eq!(answer, Insert::Inserted, "a free address was refused");
}

async fn by_email(store: &dyn UserStore, email: &Email) -> Option<User> {
    done(store.find_by_email(email).await)
}

/// `find_by_id` may lag behind: it is asked up to a hundred times.
async fn by_id_sooner_or_later(
    store: &dyn UserStore,
    id: UserId,
    awaited: impl Fn(&Option<User>) -> bool + Send,
) -> Option<User> {
    for _ in 0..100 {
        let found = done(store.find_by_id(id).await);
        if awaited(&found) {
            return found;
        }
        step_aside().await;
    }
    done(store.find_by_id(id).await)
}

async fn expect_kept(store: &dyn UserStore, user: &User) {
    expect_same(by_email(store, &user.email).await.as_ref(), user);
}

/// Names the fields that differ: values may be long, and a hash is not to be printed.
#[track_caller]
fn expect_same(found: Option<&User>, user: &User) {
    let found = found.expect("the account should be there and is not");
    let text = |hash: &Option<PasswordHash>| hash.as_ref().map(|hash| hash.expose().to_owned());
    let differing: Vec<_> = [
        ("id", found.id == user.id),
        ("email", found.email == user.email),
        ("name", found.name == user.name),
        ("password_hash", text(&found.password_hash) == text(&user.password_hash)),
        ("credential_version", found.credential_version == user.credential_version),
        ("disabled", found.disabled == user.disabled),
        ("email_verified_at", found.email_verified_at == user.email_verified_at),
        ("created_at", found.created_at == user.created_at),
        ("updated_at", found.updated_at == user.updated_at),
        ("last_login", found.last_login == user.last_login),
    ]
    .into_iter()
    .filter_map(|(field, same)| (!same).then_some(field))
    .collect();
    assert!(differing.is_empty(), "not what was kept: {differing:?}");
}

fn key_of(user: &User) -> UserKey {
    UserKey { email: user.email.clone(), id: user.id }
}

fn with_other_id(user: &User) -> UserKey {
    UserKey { id: fresh::user_id(), ..key_of(user) }
}

fn change_of(user: &User) -> CredentialUpdate {
    CredentialUpdate {
        key: key_of(user),
        expected: user.credential_version,
        next: user.credential_version.next(),
        change: CredentialChange::PasswordHash(fresh::password_hash()),
        updated_at: user.updated_at + Duration::from_micros(3_600_000_001),
    }
}

fn move_of(user: &User, new_email: Email) -> EmailChange {
    EmailChange {
        key: key_of(user),
        expected: user.credential_version,
        next: user.credential_version.next(),
        new_email,
        at: user.updated_at + Duration::from_micros(3_600_000_001),
    }
}

fn moved(user: User, change: &EmailChange) -> User {
    User {
        email: change.new_email.clone(),
        credential_version: change.next,
        updated_at: change.at,
        email_verified_at: Some(change.at),
        ..user
    }
}

fn changed(user: User, update: &CredentialUpdate) -> User {
    let mut user = User { credential_version: update.next, updated_at: update.updated_at, ..user };
    match update.change.clone() {
        CredentialChange::Nothing => {}
        CredentialChange::Disabled(disabled) => user.disabled = disabled,
        CredentialChange::EmailVerified(at) => user.email_verified_at = Some(at),
        CredentialChange::PasswordHash(hash) => user.password_hash = Some(hash),
        CredentialChange::PasswordHashByMail(hash, at) => {
            user.password_hash = Some(hash);
            user.email_verified_at.get_or_insert(at);
        }
        CredentialChange::PasswordRemoved => user.password_hash = None,
    }
    user
}
