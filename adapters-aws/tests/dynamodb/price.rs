//! What each use case costs: the list in the documentation of `adapters_aws::dynamodb`.

use auth_domain::ResetToken;

use crate::world::{NEW, OLD, World, ann};

/// Read and write request units, and how many calls.
#[derive(Debug, PartialEq)]
struct Price(f64, f64, usize);

impl World {
    async fn price_of<T>(&self, flow: impl Future<Output = T>) -> (Price, T) {
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
async fn a_good_login_costs_one_read_and_three_writes() {
    let world = World::new().await;
    world.register(OLD).await.unwrap();
    let (price, outcome) = world.price_of(world.login(OLD)).await;
    outcome.unwrap();
    assert_eq!(price, Price(1.0, 3.0, 4));
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
async fn a_reset_costs_two_reads_and_three_writes() {
    let world = World::new().await;
    world.register(OLD).await.unwrap();
    let token = world.link().await;
    let (price, outcome) = world.price_of(world.reset(&token)).await;
    outcome.unwrap();
    assert_eq!(price, Price(2.0, 3.0, 5));
    let (price, outcome) = world.price_of(world.reset(&token)).await;
    outcome.unwrap_err();
    assert_eq!(price, Price(1.0, 0.0, 1), "of a link that was used");
}

#[tokio::test]
async fn junk_that_looks_like_a_link_costs_one_read() {
    let world = World::new().await;
    let address = "YW5uQGV4YW1wbGUuY29t";
    let junk = format!("{address}.{}", "A".repeat(43));
    let token = ResetToken::parse(&junk).unwrap();
    assert_eq!(*token.email(), ann());
    let (price, outcome) = world.price_of(world.reset(&token)).await;
    outcome.unwrap_err();
    assert_eq!((price.1, price.2), (0.0, 1));
    assert!(price.0 <= 1.0);
}
