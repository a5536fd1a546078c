//! Moves of accounts to other addresses: one transaction, whatever comes in between.

use std::sync::Arc;
use std::time::Duration;

use auth_domain::ports::{EmailChange, EmailUpdate, UserKey, UserStore};
use auth_domain::{
    ConfirmEmailError, CredentialVersion, Email, Login, LoginError, PortErrorKind, ResetError,
};
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::faults::{at_every_call, dry_from, unanswered};
use crate::proxy::Fate;
use crate::world::{NEW, OLD, World, ann};

const ELSEWHERE: &str = "ann@elsewhere.example";

impl World {
    async fn login_at(&self, address: &str) -> Result<Login, LoginError> {
        self.login_as(Email::parse(address).unwrap(), OLD).await
    }

    /// An account, somebody logged in to it, and a link that moves it.
    async fn about_to_move(&self) -> (Login, String) {
        self.register(OLD).await.unwrap();
        let login = self.login(OLD).await.unwrap();
        let link = self.move_link(&login, ELSEWHERE).await;
        (login, link)
    }

    /// The move itself, of the account of [`World::about_to_move`].
    async fn change_of(&self, login: &Login) -> EmailChange {
        EmailChange {
            key: UserKey { email: ann(), id: login.user_id },
            expected: CredentialVersion::FIRST,
            next: CredentialVersion::FIRST.next(),
            new_email: Email::parse(ELSEWHERE).unwrap(),
            at: self.now(),
        }
    }

    async fn set(&self, name: &str, value: AttributeValue) {
        let update = self.dynamo.client.update_item().table_name("t-users");
        let update = update.key("email", AttributeValue::S("ann@example.com".to_owned()));
        let update = update.update_expression("SET #name = :value");
        let update = update.expression_attribute_names("#name", name);
        update.expression_attribute_values(":value", value).send().await.unwrap();
    }
}

fn is_rejected<T>(outcome: &Result<T, LoginError>) -> bool {
    matches!(outcome, Err(LoginError::Rejected))
}

#[tokio::test]
async fn a_move_whose_answers_are_lost_is_a_move() {
    at_every_call(unanswered(), async |world, arm, at| {
        let (login, link) = world.about_to_move().await;
        arm();
        world.move_by(&link).await.expect(at);
        let calls = world.proxy.passed().len();
        assert_eq!(world.rows_of("t-users").await.len(), 1, "{at}");
        assert!(world.rows_of("t-sessions").await.is_empty(), "{at}");
        assert!(world.refresh(&login.refresh_token).await.is_err(), "{at}");
        assert!(is_rejected(&world.login_at("ann@example.com").await), "{at}");
        world.login_at(ELSEWHERE).await.expect(at);
        assert!(matches!(world.move_by(&link).await, Err(ConfirmEmailError::InvalidToken)), "{at}");
        calls
    })
    .await;
}

#[tokio::test]
async fn a_move_on_a_table_that_throttles_for_ever_is_whole_or_none() {
    for call in 0.. {
        let world = World::hasty().await;
        let (_, link) = world.about_to_move().await;
        dry_from(&world, call);
        let started = Instant::now();
        let outcome = world.move_by(&link).await;
        assert!(started.elapsed() < Duration::from_secs(20), "call {call}");
        let met = world.proxy.passed().len() > call;
        world.proxy.plan(|_, _| Fate::Untouched);
        assert_eq!(world.rows_of("t-users").await.len(), 1, "call {call}");
        match outcome {
            Ok(()) => drop(world.login_at(ELSEWHERE).await.unwrap()),
            Err(ConfirmEmailError::Port(error)) => {
                assert!(error.is_transient(), "call {call}: {error:?}");
                world.login(OLD).await.map(drop).unwrap();
                world.move_by(&link).await.unwrap();
            }
            Err(error) => panic!("call {call}: {error}"),
        }
        if !met {
            break;
        }
    }
}

/// A transaction that was called off, for these reasons of its put and its delete.
fn called_off(put: &str, delete: &str) -> Fate {
    let kind = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException";
    let reasons = [json!({ "Code": put }), json!({ "Code": delete })];
    Fate::Answered(
        400,
        json!({ "__type": kind, "message": "canary", "CancellationReasons": reasons }),
    )
}

/// Answers the first transactions so, and lets all else through.
fn at_first(world: &World, times: usize, fate: &Fate) {
    let (mut met, fate) = (0, fate.clone());
    world.proxy.plan(move |_, operation| {
        met += usize::from(operation == "TransactWriteItems");
        if operation == "TransactWriteItems" && met <= times {
            fate.clone()
        } else {
            Fate::Untouched
        }
    });
}

#[tokio::test]
async fn a_transaction_that_met_another_is_tried_again_and_in_the_end_told_as_passing() {
    let passing = [
        called_off("TransactionConflict", "None"),
        called_off("None", "TransactionConflict"),
        called_off("ConditionalCheckFailed", "TransactionConflict"),
        called_off("ThrottlingError", "ConditionalCheckFailed"),
        Fate::refused("TransactionInProgressException"),
    ];
    for fate in passing {
        let world = World::hasty().await;
        let (login, _) = world.about_to_move().await;
        let change = world.change_of(&login).await;
        at_first(&world, usize::MAX, &fate);
        let started = Instant::now();
        let error = world.users.change_email(change.clone()).await.unwrap_err();
        assert_eq!(error.kind(), PortErrorKind::Unavailable, "{fate:?}");
        assert!(error.is_transient() && started.elapsed() < Duration::from_secs(8), "{fate:?}");
        at_first(&world, 2, &fate);
        let answer = world.users.change_email(change).await.unwrap();
        assert_eq!(answer, EmailUpdate::Updated, "{fate:?}");
    }
}

#[tokio::test]
async fn a_row_that_never_stands_still_is_told_as_passing_after_a_few_readings() {
    let world = World::hasty().await;
    let (login, _) = world.about_to_move().await;
    at_first(&world, usize::MAX, &called_off("None", "ConditionalCheckFailed"));
    let error = world.users.change_email(world.change_of(&login).await).await.unwrap_err();
    assert!(error.is_transient());
    assert_eq!(world.proxy.passed().len(), 2 * 5);
}

#[tokio::test]
async fn what_dynamodb_does_not_take_is_told_as_refused_without_its_words() {
    let world = World::new().await;
    let (login, _) = world.about_to_move().await;
    at_first(&world, 1, &called_off("ItemCollectionSizeLimitExceeded", "None"));
    let error = world.users.change_email(world.change_of(&login).await).await.unwrap_err();
    assert_eq!(error.kind(), PortErrorKind::Rejected);
    let told = format!("{error:?} {}", error.with_causes());
    assert!(told.contains("ItemCollectionSizeLimitExceeded"), "{told}");
    assert!(!told.contains("canary") && !told.contains("example"), "{told}");
}

#[tokio::test]
async fn what_is_written_to_a_row_just_before_it_moves_comes_along() {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    for (name, value) in [
        ("password_hash", text("a hash of newer parameters")),
        ("last_login", text("2023-11-14T22:13:21.000000")),
        ("updated_at", text("2023-11-14T22:13:21.000000")),
        ("email_verified_at", text("2023-11-14T22:13:21.000000")),
        ("operation_id", text("of another call")),
    ] {
        let world = World::new().await;
        let (login, _) = world.about_to_move().await;
        world.set("favourite_drink", text("makgeolli")).await;
        world.set("reset_token", text("0b4f7a50-63a4-4a38-8b1e-0a3d0d8a9f11")).await;
        let gate = Arc::new(Notify::new());
        let open = Arc::clone(&gate);
        let after_the_reading = 1;
        world.proxy.plan(move |place, _| {
            if place == after_the_reading { Fate::Held(Arc::clone(&open)) } else { Fate::Untouched }
        });
        let change = world.change_of(&login).await;
        let moved = world.users.change_email(change.clone());
        let written = async {
            world.proxy.reached(after_the_reading).await;
            world.set(name, value.clone()).await;
            gate.notify_one();
        };
        let (answer, ()) = tokio::join!(moved, written);
        assert_eq!(answer.unwrap(), EmailUpdate::Updated, "{name}");
        assert_eq!(world.proxy.passed().len(), 4, "{name}: read again, and sent again");
        let row = world.rows_of("t-users").await.remove(0);
        assert_eq!(row["email"], text(ELSEWHERE));
        assert_eq!(row["favourite_drink"], text("makgeolli"));
        assert!(!row.contains_key("reset_token"), "a secret in the clear came along");
        if !["updated_at", "email_verified_at"].contains(&name) {
            assert_eq!(row[name], value, "{name} is lost");
        }
    }
}

#[tokio::test]
async fn a_row_under_an_address_as_it_was_typed_moves_too() {
    let world = World::new().await;
    world.register(OLD).await.unwrap();
    let mut row = world.rows_of("t-users").await.remove(0);
    let away = world.dynamo.client.delete_item().table_name("t-users");
    away.key("email", row["email"].clone()).send().await.unwrap();
    row.insert("email".to_owned(), AttributeValue::S("Ann@Example.com".to_owned()));
    world.put("t-users", row).await;
    let spelt = Email::parse_with_spelling("Ann@Example.com").unwrap();
    let login = world.login_as(spelt, OLD).await.unwrap();
    let session = world.rows_of("t-sessions").await.remove(0);
    assert_eq!(session["email"], AttributeValue::S("Ann@Example.com".to_owned()));
    let refreshed = world.refresh(&login.refresh_token).await.unwrap();
    let key = UserKey {
        email: Email::parse_with_spelling("Ann@Example.com").unwrap(),
        id: login.user_id,
    };
    let change = EmailChange { key, ..world.change_of(&login).await };
    assert_eq!(world.users.change_email(change).await.unwrap(), EmailUpdate::Updated);
    let rows = world.rows_of("t-users").await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["email"], AttributeValue::S(ELSEWHERE.to_owned()));
    assert!(world.refresh(&refreshed.refresh_token).await.is_err());
    world.login_at(ELSEWHERE).await.unwrap();
}

const RACERS: usize = 16;

async fn all_at_once<T: Send + 'static>(
    racers: Vec<impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let start = Arc::new(tokio::sync::Barrier::new(racers.len()));
    let racers: Vec<_> = racers
        .into_iter()
        .map(|racer| {
            let start = Arc::clone(&start);
            tokio::spawn(async move {
                start.wait().await;
                racer.await
            })
        })
        .collect();
    let mut answers = Vec::new();
    for racer in racers {
        answers.push(racer.await.unwrap());
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_accounts_that_move_to_one_address_one_does() {
    let world = Arc::new(World::unlimited().await);
    let mut links = Vec::new();
    for n in 0..RACERS {
        let email = Email::parse(&format!("racer{n}@example.com")).unwrap();
        world.register_as(email.clone(), OLD).await.unwrap();
        let login = world.login_as(email, OLD).await.unwrap();
        links.push(world.move_link(&login, ELSEWHERE).await);
    }
    let racers = links.into_iter().map(|link| {
        let world = Arc::clone(&world);
        async move { world.move_by(&link).await }
    });
    let answers = all_at_once(racers.collect()).await;
    let moved = answers.iter().filter(|answer| answer.is_ok()).count();
    let taken =
        answers.iter().filter(|answer| matches!(answer, Err(ConfirmEmailError::EmailTaken)));
    assert_eq!((moved, taken.count()), (1, RACERS - 1), "{answers:?}");
    assert_eq!(world.rows_of("t-users").await.len(), RACERS);
    world.login_at(ELSEWHERE).await.unwrap();
}

/// Attack case A6: each link names its own address, and of two that are used at once one moves it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_moves_of_one_account_one_is_made_and_a_link_confirms_no_other_address() {
    for _ in 0..RACERS {
        let world = Arc::new(World::unlimited().await);
        let (login, first) = world.about_to_move().await;
        let second = world.move_link(&login, "ann@third.example").await;
        let racers = [(first, ELSEWHERE), (second, "ann@third.example")].map(|(link, to)| {
            let world = Arc::clone(&world);
            async move { world.move_by(&link).await.is_ok().then_some(to) }
        });
        let moved: Vec<_> = all_at_once(racers.into()).await.into_iter().flatten().collect();
        assert_eq!(moved.len(), 1);
        let rows = world.rows_of("t-users").await;
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0]["email"], AttributeValue::S(moved[0].to_owned()));
        assert_eq!(rows[0]["credential_version"], AttributeValue::N("1".to_owned()));
    }
}

/// Both bump the version: of a move and a reset that race one happens, and the account is at one address
/// with one password.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_move_and_a_reset_that_race_one_is_made() {
    let mut resets = 0;
    for _ in 0..RACERS {
        let world = Arc::new(World::unlimited().await);
        let (login, link) = world.about_to_move().await;
        let reset = world.link().await;
        let (mover, resetter) = (Arc::clone(&world), Arc::clone(&world));
        type Racer = std::pin::Pin<Box<dyn Future<Output = bool> + Send>>;
        let racers: Vec<Racer> = vec![
            Box::pin(async move { mover.move_by(&link).await.is_ok() }),
            Box::pin(async move {
                match resetter.reset(&reset).await {
                    Ok(_) => true,
                    Err(ResetError::InvalidToken) => false,
                    Err(error) => panic!("{error}"),
                }
            }),
        ];
        let answers = all_at_once(racers).await;
        assert!(answers[0] != answers[1], "{answers:?}");
        resets += usize::from(answers[1]);
        assert_eq!(world.rows_of("t-users").await.len(), 1);
        assert!(world.refresh(&login.refresh_token).await.is_err());
        if answers[0] {
            world.login_at(ELSEWHERE).await.unwrap();
        } else {
            world.login(NEW).await.unwrap();
            assert!(is_rejected(&world.login_at(ELSEWHERE).await));
        }
    }
    println!("of {RACERS} races the reset won {resets}");
}
