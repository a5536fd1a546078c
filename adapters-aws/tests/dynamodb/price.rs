//! What each use case costs: the list in the documentation of `adapters_aws::dynamodb`.

use auth_domain::ports::{EmailChange, EmailUpdate, UserKey, UserStore};
use auth_domain::{CredentialVersion, Email, RequestContext, ResetToken};

use crate::world::{NEW, OLD, World, ann};

/// Read and write request units, and how many calls.
#[derive(Debug, PartialEq)]
pub(crate) struct Price(pub(crate) f64, pub(crate) f64, pub(crate) usize);

impl World {
    pub(crate) async fn price_of<T>(&self, flow: impl Future<Output = T>) -> (Price, T) {
        self.proxy.plan(|_, _| crate::proxy::Fate::Untouched);
        let outcome = flow.await;
        let passed = self.proxy.passed();
        let sum =
            |units: fn(&(f64, f64)) -> f64| passed.iter().map(|call| units(&call.units)).sum();
        (Price(sum(|units| units.0), sum(|units| units.1), passed.len()), outcome)
    }
}

#[tokio::test]
async fn register_costs_one_write_and_one_for_the_index() {
    let world = World::new().await;
    let (price, outcome) = world.price_of(world.register(OLD)).await;
    outcome.unwrap();
    assert_eq!(price, Price(0.0, 2.0, 1));
    let (price, outcome) = world.price_of(world.register(NEW)).await;
    outcome.unwrap_err();
    assert_eq!(price, Price(0.0, 1.0, 1));
}

#[tokio::test]
async fn a_good_login_costs_two_reads_and_four_writes() {
    let world = World::new().await;
    world.register(OLD).await.unwrap();
    for _ in 0..4 {
        let (price, outcome) = world.price_of(world.login(OLD)).await;
        outcome.unwrap();
        assert_eq!(price, Price(2.0, 4.0, 6));
    }
}

/// Each login reads all sessions of the account, to know whether they are too many.
#[tokio::test]
async fn a_login_beyond_the_cap_costs_a_read_for_each_4_kb_of_sessions_and_a_write() {
    let world = World::unlimited().await;
    world.register(OLD).await.unwrap();
    for _ in 0..50 {
        world.login(OLD).await.unwrap();
    }
    let (price, outcome) = world.price_of(world.login(OLD)).await;
    outcome.unwrap();
    assert_eq!((price.1, price.2), (5.0, 7));
    assert!((6.0..=9.0).contains(&price.0), "{price:?}");
    assert_eq!(world.rows_of("t-sessions").await.len(), 50);
    println!("beyond the cap of 50 sessions: {price:?}");
}

#[tokio::test]
async fn a_refresh_costs_one_read_and_one_write_and_a_theft_another_write() {
    let world = World::new().await;
    world.register(OLD).await.unwrap();
    let first = world.login(OLD).await.unwrap().refresh_token;
    let (price, outcome) = world.price_of(world.refresh(&first)).await;
    let second = outcome.unwrap().refresh_token;
    assert_eq!(price, Price(1.0, 1.0, 2));
    let (price, outcome) = world.price_of(world.refresh(&first)).await;
    outcome.unwrap();
    assert_eq!(price, Price(1.0, 1.0, 2), "of one that asks again");
    world.refresh(&second).await.unwrap();
    let (price, outcome) = world.price_of(world.refresh(&first)).await;
    outcome.unwrap_err();
    assert_eq!(price, Price(0.0, 2.0, 2), "of a theft");
    let (price, outcome) = world.price_of(world.refresh(&second)).await;
    outcome.unwrap_err();
    assert_eq!(price, Price(0.0, 1.0, 1), "of a session that is over");
}

#[tokio::test]
async fn a_logout_costs_one_write_and_a_list_three_reads() {
    let world = World::new().await;
    world.register(OLD).await.unwrap();
    let login = world.login(OLD).await.unwrap();
    let (auth, claims) = (&world.testing.auth, world.claims(&login).await);
    let context = RequestContext::new();
    let (price, outcome) = world.price_of(auth.list_sessions(&claims, &context)).await;
    outcome.unwrap();
    assert_eq!(price, Price(3.0, 0.0, 3));
    let (price, outcome) = world.price_of(auth.logout(login.refresh_token, &context)).await;
    outcome.unwrap();
    assert_eq!(price, Price(0.0, 1.0, 1));
}

#[tokio::test]
async fn to_end_all_sessions_costs_three_reads_and_a_write_and_one_for_each() {
    let world = World::new().await;
    world.register(OLD).await.unwrap();
    let login = world.login(OLD).await.unwrap();
    world.login(OLD).await.unwrap();
    let (auth, claims) = (&world.testing.auth, world.claims(&login).await);
    let context = RequestContext::new();
    let (price, outcome) = world.price_of(auth.end_all_sessions(&claims, &context)).await;
    outcome.unwrap();
    assert_eq!(price, Price(3.0, 1.0 + 2.0, 5));
}

/// The session, the account, the attempt, its end, the account, the session, and the other sessions: a read, and
/// a write for each.
#[tokio::test]
async fn a_change_of_password_costs_three_reads_and_four_writes_and_one_for_each_other_session() {
    let world = World::new().await;
    world.register(OLD).await.unwrap();
    let login = world.login(OLD).await.unwrap();
    let (price, outcome) = world.price_of(world.change_password(&login)).await;
    outcome.unwrap();
    assert_eq!(price, Price(3.0, 4.0, 7));
    let world = World::new().await;
    world.register(OLD).await.unwrap();
    let login = world.login(OLD).await.unwrap();
    for _ in 0..3 {
        world.login(OLD).await.unwrap();
    }
    let (price, outcome) = world.price_of(world.change_password(&login)).await;
    outcome.unwrap();
    assert_eq!(price, Price(3.0, 4.0 + 3.0, 8));
}

/// The transaction itself costs 4 writes of two items, and 2 in the index.
#[tokio::test]
async fn a_change_of_address_costs_a_transaction_and_the_clean_up() {
    let world = World::new().await;
    world.register(OLD).await.unwrap();
    let login = world.login(OLD).await.unwrap();
    let change = EmailChange {
        key: UserKey { email: ann(), id: login.user_id },
        expected: CredentialVersion::FIRST,
        next: CredentialVersion::FIRST.next(),
        new_email: Email::parse("ann@elsewhere.example").unwrap(),
        at: world.now(),
    };
    let (price, outcome) = world.price_of(world.users.change_email(change)).await;
    assert_eq!(outcome.unwrap(), EmailUpdate::Updated);
    assert_eq!(price, Price(1.0, 4.0 + 2.0, 2));

    let world = World::new().await;
    world.register(OLD).await.unwrap();
    let login = world.login(OLD).await.unwrap();
    let link = world.move_link(&login, "ann@elsewhere.example").await;
    let (price, outcome) = world.price_of(world.move_by(&link)).await;
    outcome.unwrap();
    // The account; the new address, which is free; the move; the sessions, of which there is one; the links, of
    // which there is none; the attempts.
    assert_eq!(price, Price(1.0 + 1.0 + 1.0 + 1.0 + 1.0, 6.0 + 1.0 + 1.0, 8));
}

#[tokio::test]
async fn a_deletion_costs_four_reads_and_a_write_for_each_row() {
    let world = World::new().await;
    world.register(OLD).await.unwrap();
    world.link().await;
    let login = world.login(OLD).await.unwrap();
    let (price, outcome) = world.price_of(world.delete_account(&login)).await;
    outcome.unwrap();
    // The account and its entry in the index, one session, one link, the attempts.
    assert_eq!(price, Price(4.0, 2.0 + 1.0 + 1.0 + 1.0, 8));
}

#[tokio::test]
async fn a_refused_login_costs_one_read_and_one_write_whoever_it_names() {
    let world = World::new().await;
    let (unknown, outcome) = world.price_of(world.login(OLD)).await;
    outcome.unwrap_err();
    world.register(OLD).await.unwrap();
    let (known, outcome) = world.price_of(world.login(NEW)).await;
    outcome.unwrap_err();
    assert_eq!(unknown, Price(1.0, 1.0, 2));
    assert_eq!(known, unknown);
}

#[tokio::test]
async fn a_login_that_must_wait_costs_one_write() {
    let world = World::new().await;
    for _ in 0..5 {
        world.login(OLD).await.unwrap_err();
    }
    let (price, outcome) = world.price_of(world.login(OLD)).await;
    outcome.unwrap_err();
    assert_eq!(price, Price(0.0, 1.0, 1));
    world.testing.clock.advance(std::time::Duration::from_secs(1));
    let (price, outcome) = world.price_of(world.login(OLD)).await;
    outcome.unwrap_err();
    assert_eq!(price, Price(1.0, 1.0, 2), "after the wait");
}

#[tokio::test]
async fn an_address_that_is_not_typed_canonically_costs_one_more_read_with_or_without_an_account() {
    let world = World::new().await;
    let spelt = |text| auth_domain::Email::parse_with_spelling(text).unwrap();
    let (unknown, _) = world.price_of(world.login_as(spelt("Ann@Example.com"), NEW)).await;
    world.register(OLD).await.unwrap();
    let (known, _) = world.price_of(world.login_as(spelt("Ann@Example.com"), NEW)).await;
    assert_eq!(unknown.1, 1.0);
    assert_eq!(unknown.2, 3);
    assert_eq!((known.1, known.2), (unknown.1, unknown.2));
    assert_eq!((unknown.0, known.0), (2.0, 2.0));
}

#[tokio::test]
async fn to_forget_costs_nothing_in_the_request_and_little_in_the_worker() {
    let world = World::new().await;
    world.register(OLD).await.unwrap();
    let (price, ()) = world.price_of(world.forget()).await;
    assert_eq!(price, Price(0.0, 0.0, 0));
    let (price, _) = world.price_of(world.testing.deliver_mail()).await;
    // Two more writes for the two caps, which are counted in DynamoDB here.
    assert_eq!(price, Price(2.0, 1.0 + 2.0, 5));
    world.forget().await;
    let (price, _) = world.price_of(world.testing.deliver_mail()).await;
    assert_eq!(price, Price(2.0, 1.0 + 2.0, 5), "of the second mail");
}

#[tokio::test]
async fn a_reset_costs_three_reads_and_three_writes_and_one_for_each_session() {
    let world = World::new().await;
    world.register(OLD).await.unwrap();
    let token = world.link().await;
    let (price, outcome) = world.price_of(world.reset(&token)).await;
    outcome.unwrap();
    assert_eq!(price, Price(3.0, 3.0, 6));
    let (price, _) = world.price_of(world.testing.deliver_mail()).await;
    assert_eq!(price, Price(1.0, 2.0, 3), "of the notice");
    let (price, outcome) = world.price_of(world.reset(&token)).await;
    outcome.unwrap_err();
    assert_eq!(price, Price(1.0, 0.0, 1), "of a link that was used");

    let token = world.link().await;
    for _ in 0..2 {
        world.login(NEW).await.unwrap();
    }
    let (price, outcome) = world.price_of(world.reset(&token)).await;
    outcome.unwrap();
    assert_eq!(price, Price(3.0, 3.0 + 2.0, 7), "of an account with two sessions");
}

#[tokio::test]
async fn junk_that_looks_like_a_link_costs_no_read() {
    let world = World::new().await;
    let address = "YW5uQGV4YW1wbGUuY29t";
    let junk = format!("{address}.{}", "A".repeat(64));
    let token = ResetToken::parse(&junk).unwrap();
    assert_eq!(*token.email(), ann());
    let (price, outcome) = world.price_of(world.reset(&token)).await;
    outcome.unwrap_err();
    assert_eq!(price, Price(0.0, 0.0, 0));
}
