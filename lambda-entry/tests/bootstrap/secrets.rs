//! The secrets: never started without, never with an empty one, and changed while the program runs.

use base64ct::{Base64, Base64Unpadded, Encoding as _};
use serde_json::json;

use crate::gateway::{Answer, Gateway, sqs};
use crate::world::{MASTER, MASTER_ARN, PASSWORD, PEPPERS_ARN, SHARED, SHARED_ARN, World, kept};

/// 32 bytes that are random enough for a test.
fn secret(name: &str) -> String {
    format!("{name:-<40}")
}

#[tokio::test]
async fn without_its_secrets_it_answers_503_and_recovers_when_they_are_there() {
    let mut world = World::prepared(&[], |aws| {
        aws.rotate_secret(MASTER_ARN, MASTER);
        aws.rotate_secret(SHARED_ARN, SHARED);
        aws.set_secrets_down(true);
    })
    .await;
    for gateway in Gateway::ALL {
        let event = gateway.event("POST", "/auth/login", Some("{}"));
        let answer = Answer::of(gateway, &world.instance.invoke(&event).await);
        assert_eq!(answer.code(), (503, "unavailable"), "{gateway:?}");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert!(answer.headers.contains_key("retry-after"));
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert!(!answer.text("error").is_ascii(), "a sentence in Korean");
    }
    let mails = world.instance.invoke(&sqs([("a", "{}"), ("b", "{}")])).await;
    assert_eq!(kept(&mails), ["a", "b"], "no message is lost");

    world.aws.set_secrets_down(false);
    assert_eq!(world.register("ann@example.com").await.status, 201);
    assert!(world.instance.stop().await.contains("AUTH_COMPATIBILITY_SECRET_ARN"));
}

#[tokio::test]
async fn a_short_or_empty_secret_is_none() {
    for (master, shared, variable) in [
        (&secret("x")[..31], SHARED, "AUTH_MASTER_SECRET_ARN"),
        ("", SHARED, "AUTH_MASTER_SECRET_ARN"),
        (MASTER, "alcolook-secret-key", "AUTH_COMPATIBILITY_SECRET_ARN"),
        (MASTER, MASTER, "AUTH_COMPATIBILITY_SECRET_ARN"),
    ] {
        let mut world = World::prepared(&[], |aws| {
            aws.rotate_secret(MASTER_ARN, master);
            aws.rotate_secret(SHARED_ARN, shared);
        })
        .await;
        assert_eq!(world.register("ann@example.com").await.code(), (503, "unavailable"));
        assert_eq!(world.rows("users").await, Vec::<serde_json::Value>::new());
        let output = world.instance.stop().await;
        assert!(output.contains(variable), "{output}");
        assert!(master.is_empty() || !output.contains(master), "{output}");
        assert!(!output.contains(shared), "{output}");
    }
}

#[tokio::test]
async fn a_rotation_signs_anew_and_ends_nobodys_session() {
    let world = World::with(&[("AUTH_SECRET_CACHE_SECONDS", "0")]).await;
    assert_eq!(world.register("ann@example.com").await.status, 201);
    let access =
        async || world.login("ann@example.com", PASSWORD).await.text("access_token").to_owned();
    let head = |token: &str| token.split('.').next().unwrap().to_owned();
    let first = access().await;
    assert_eq!(head(&access().await), head(&first), "the same key while the secret is the same");

    world.aws.rotate_secret(MASTER_ARN, &secret("second"));
    let second = access().await;
    assert_ne!(head(&second), head(&first), "another key");
    for token in [&first, &second] {
        assert_eq!(world.me(token).await.status, 200);
    }

    world.aws.rotate_secret(MASTER_ARN, &secret("third"));
    let third = access().await;
    for (token, status) in [(&first, 401), (&second, 200), (&third, 200)] {
        assert_eq!(world.me(token).await.status, status);
    }
}

#[tokio::test]
async fn the_same_secret_stored_anew_is_no_fault() {
    let world = World::with(&[("AUTH_SECRET_CACHE_SECONDS", "0")]).await;
    world.aws.rotate_secret(MASTER_ARN, MASTER);
    assert_eq!(world.register("ann@example.com").await.status, 201);
}

#[tokio::test]
async fn while_secrets_manager_is_down_the_last_secret_serves() {
    let world = World::with(&[("AUTH_SECRET_CACHE_SECONDS", "0")]).await;
    assert_eq!(world.register("ann@example.com").await.status, 201);
    world.aws.set_secrets_down(true);
    assert_eq!(world.login("ann@example.com", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn a_secret_is_kept_for_its_life() {
    let world = World::start().await;
    assert_eq!(world.register("ann@example.com").await.status, 201);
    world.aws.rotate_secret(SHARED_ARN, &secret("second"));
    let before = world.aws.secrets_fetched();
    assert_eq!(world.login("ann@example.com", PASSWORD).await.status, 200);
    assert_eq!(world.aws.secrets_fetched(), before, "no call for each request");
}

#[tokio::test]
async fn without_the_old_systems_secret_there_is_one_token() {
    let world = World::with(&[("AUTH_COMPATIBILITY_SECRET_ARN", "")]).await;
    assert_eq!(world.register("ann@example.com").await.status, 201);
    let login = world.login("ann@example.com", PASSWORD).await;
    assert_eq!(login.text("token"), login.text("access_token"));
}

#[tokio::test]
async fn plain_secrets_serve_and_are_warned_of() {
    let (master, shared) = (secret("plain-canary-a"), secret("plain-canary-b"));
    let mut world = World::with(&[
        ("AUTH_MASTER_SECRET_ARN", ""),
        ("AUTH_COMPATIBILITY_SECRET_ARN", ""),
        ("AUTH_DANGER_PLAIN_MASTER_SECRET", &master),
        ("AUTH_DANGER_PLAIN_COMPATIBILITY_SECRET", &shared),
    ])
    .await;
    assert_eq!(world.register("ann@example.com").await.status, 201);
    let login =
        world.post("/auth/login", json!({"email": "ann@example.com", "password": PASSWORD}));
    assert_ne!(login.await.text("token"), "");
    let output = world.instance.stop().await;
    assert!(output.contains("AUTH_DANGER_PLAIN_MASTER_SECRET"), "{output}");
    assert!(!output.contains("plain-canary"), "{output}");
}

/// A pepper as the secret holds it.
fn pepper(id: &str) -> String {
    format!("{id}:{}", Base64::encode_string(&[id.as_bytes()[0]; 32]))
}

async fn peppered(peppers: &str) -> World {
    let changes = [("AUTH_PEPPERS_ARN", PEPPERS_ARN), ("AUTH_SECRET_CACHE_SECONDS", "0")];
    World::prepared(&changes, |aws| {
        aws.rotate_secret(MASTER_ARN, MASTER);
        aws.rotate_secret(SHARED_ARN, SHARED);
        aws.rotate_secret(PEPPERS_ARN, peppers);
    })
    .await
}

/// Whether the one account's hash names this pepper.
async fn is_peppered_by(world: &World, id: &str) -> bool {
    let row = world.user("ann@example.com").await;
    let named = format!(",keyid={}$", Base64Unpadded::encode_string(id.as_bytes()));
    row["password_hash"].as_str().unwrap().contains(&named)
}

#[tokio::test]
async fn a_pepper_goes_into_each_hash_and_a_change_of_it_reaches_a_hash_at_its_next_login() {
    let world = peppered(&pepper("a")).await;
    assert_eq!(world.register("ann@example.com").await.status, 201);
    assert!(is_peppered_by(&world, "a").await);

    // Two changes, the second of which takes the first version from AWSPREVIOUS.
    world.aws.rotate_secret(PEPPERS_ARN, &format!("{},{}", pepper("b"), pepper("a")));
    let third = format!("{},{},{}", pepper("c"), pepper("b"), pepper("a"));
    world.aws.rotate_secret(PEPPERS_ARN, &third);
    assert_eq!(world.login("ann@example.com", PASSWORD).await.status, 200);
    assert!(is_peppered_by(&world, "c").await);
    assert_eq!(world.login("ann@example.com", PASSWORD).await.status, 200);
    assert_eq!(world.login("ann@example.com", "a wrong password").await.status, 401);
}

#[tokio::test]
async fn until_every_instance_knows_a_new_pepper_hashes_are_made_with_the_one_before() {
    let world = World::prepared(&[("AUTH_PEPPERS_ARN", PEPPERS_ARN)], |aws| {
        aws.rotate_secret(MASTER_ARN, MASTER);
        aws.rotate_secret(SHARED_ARN, SHARED);
        aws.rotate_secret(PEPPERS_ARN, &pepper("a"));
        aws.rotate_secret(PEPPERS_ARN, &format!("{},{}", pepper("b"), pepper("a")));
        aws.make_secrets_new();
    })
    .await;
    assert_eq!(world.register("ann@example.com").await.status, 201);
    assert!(is_peppered_by(&world, "a").await);
    assert_eq!(world.login("ann@example.com", PASSWORD).await.status, 200);
    assert!(is_peppered_by(&world, "a").await);
}

#[tokio::test]
async fn a_pepper_that_is_lost_is_an_error_and_no_wrong_password_and_back_it_lets_in() {
    let mut world = peppered(&pepper("a")).await;
    assert_eq!(world.register("ann@example.com").await.status, 201);
    world.aws.rotate_secret(PEPPERS_ARN, &pepper("b"));
    world.aws.rotate_secret(PEPPERS_ARN, &pepper("c"));
    assert_eq!(world.login("ann@example.com", PASSWORD).await.status, 500);
    world.aws.rotate_secret(PEPPERS_ARN, &format!("{},{}", pepper("c"), pepper("a")));
    assert_eq!(world.login("ann@example.com", PASSWORD).await.status, 200);
    let output = world.instance.stop().await;
    assert!(output.contains("pepper a"), "the log names it: {output}");
}

#[tokio::test]
async fn what_is_no_pepper_hashes_nothing_and_is_not_shown() {
    let key = Base64::encode_string(&[7; 32]);
    for peppers in [key.clone(), format!("a:{key},a:{}", Base64::encode_string(&[8; 32]))] {
        let mut world = peppered(&peppers).await;
        assert_eq!(world.register("ann@example.com").await.code(), (503, "unavailable"));
        assert_eq!(world.rows("users").await, Vec::<serde_json::Value>::new());
        let output = world.instance.stop().await;
        assert!(output.contains("AUTH_PEPPERS_ARN"), "{output}");
        assert!(!output.contains(&key), "{output}");
    }
}

#[tokio::test]
async fn peppers_that_cannot_be_read_leave_the_older_ones_in_use() {
    let mut world = peppered(&pepper("a")).await;
    assert_eq!(world.register("ann@example.com").await.status, 201);
    world.aws.rotate_secret(PEPPERS_ARN, &format!("{}, {}", pepper("b"), pepper("a")));
    assert_eq!(world.login("ann@example.com", PASSWORD).await.status, 200);
    assert!(is_peppered_by(&world, "a").await);
    world.aws.rotate_secret(PEPPERS_ARN, &format!("{},{}", pepper("b"), pepper("a")));
    assert_eq!(world.login("ann@example.com", PASSWORD).await.status, 200);
    assert!(is_peppered_by(&world, "b").await);
    let output = world.instance.stop().await;
    assert!(output.contains("older secrets stay in use: AUTH_PEPPERS_ARN"), "{output}");
}

#[tokio::test]
async fn a_change_that_drops_the_older_pepper_is_told_while_it_can_be_mended() {
    let mut world = peppered(&pepper("a")).await;
    assert_eq!(world.register("ann@example.com").await.status, 201);
    world.aws.rotate_secret(PEPPERS_ARN, &pepper("b"));
    assert_eq!(world.login("ann@example.com", PASSWORD).await.status, 200);
    let output = world.instance.stop().await;
    assert!(output.contains("a pepper is lost with the next change"), "{output}");
}
