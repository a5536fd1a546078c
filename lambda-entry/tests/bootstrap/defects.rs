//! The twelve defects of the system that this one replaced, by their numbers there: each test would fail on
//! its behaviour. What of 8 to 12 lies in the template is held by the template's own tests.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::runtime_api::Instance;
use crate::world::{PASSWORD, World, token_of};

/// Register read first and wrote then, so that of two at once the second overwrote the first.
#[tokio::test]
async fn defect_1_of_registers_at_once_one_makes_the_account() {
    let world = World::start().await;
    let others = [world.another().await, world.another().await, world.another().await];
    let instances: Vec<&Instance> = others.iter().chain([&world.instance]).collect();
    let event = |name: &str| {
        let body = json!({"email": "ann@example.com", "password": PASSWORD, "name": name});
        Gateway::Rest.event("POST", "/auth/register", Some(&body.to_string()))
    };
    let events: Vec<_> = (0..8).map(|index| event(&format!("Ann {index}"))).collect();
    let calls = events.iter().enumerate().map(|(index, event)| instances[index % 4].invoke(event));
    let answers = futures_util::future::join_all(calls).await;
    let made: Vec<_> = answers.iter().filter(|answer| answer["statusCode"] == 201).collect();
    assert_eq!(made.len(), 1, "{answers:?}");
    assert!(
        answers.iter().all(|answer| [201, 409].map(Value::from).contains(&answer["statusCode"]))
    );
    let body: Value = serde_json::from_str(made[0]["body"].as_str().unwrap()).unwrap();
    assert_eq!(world.user("ann@example.com").await["user_id"], body["user_id"]);
}

/// And an error of the read was swallowed, and the account overwritten.
#[tokio::test]
async fn defect_1_a_store_that_fails_makes_no_account() {
    let world = World::start().await;
    world.dynamo.client.delete_table().table_name("alcolook-users").send().await.unwrap();
    assert_eq!(world.register("ann@example.com").await.code(), (500, "internal_error"));
}

/// One unsalted SHA-256 for equal passwords.
#[tokio::test]
async fn defect_2_a_password_is_hashed_slowly_and_with_a_salt() {
    let world = World::start().await;
    for email in ["ann@example.com", "bob@example.com"] {
        assert_eq!(world.register(email).await.status, 201);
    }
    let hashes = [world.user("ann@example.com").await, world.user("bob@example.com").await]
        .map(|row| row["password_hash"].as_str().unwrap().to_owned());
    assert!(hashes[0].starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hashes:?}");
    assert_ne!(hashes[0], hashes[1]);
}

/// An unknown address was answered at once, a known one after the hash.
#[tokio::test]
async fn defect_3_an_unknown_address_takes_as_long_as_a_wrong_password() {
    let world = World::start().await;
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..9 {
        let known = format!("known{round}@example.com");
        assert_eq!(world.register(&known).await.status, 201);
        let unknown = format!("unknown{round}@example.com");
        for (times, email) in times.iter_mut().zip([known, unknown]) {
            let begun = Instant::now();
            assert_eq!(world.login(&email, "not the password").await.status, 401);
            times.push(begun.elapsed());
        }
    }
    let [known, unknown] = times.map(median);
    // Without its hash an unknown address would take a tenth of the time.
    assert!(unknown > known / 2, "known {known:?}, unknown {unknown:?}");
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// And the request sent the mail itself, for known addresses alone.
#[tokio::test]
async fn defect_3_a_request_for_a_link_does_the_same_for_every_address() {
    let world = World::start().await;
    assert_eq!(world.register("ann@example.com").await.status, 201);
    let mut seen = Vec::new();
    for email in ["ann@example.com", "eve@example.com"] {
        let answer = world.forgot(email).await;
        let queued = world.aws.take_queued();
        assert_eq!(world.aws.take_mails(), Vec::<Value>::new(), "no mail within the request");
        let shape = |call: &Value| {
            let call = call.as_object().unwrap();
            (call.keys().cloned().collect::<Vec<_>>(), call["MessageBody"].to_string().len())
        };
        let shapes: Vec<_> = queued.iter().map(shape).collect();
        seen.push((answer.status, answer.body, answer.headers, shapes));
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0].3.len(), 1);
}

/// Tokens without an end.
#[tokio::test]
async fn defect_4_tokens_end() {
    let world = World::with(&[("AUTH_COMPATIBILITY_TOKEN_SECONDS", "3600")]).await;
    assert_eq!(world.register("ann@example.com").await.status, 201);
    let login = world.login("ann@example.com", PASSWORD).await;
    assert_eq!(login.body["expires_in"], 900);
    for (field, life) in [("token", 3600), ("access_token", 900)] {
        let claims = login.text(field).split('.').nth(1).unwrap();
        let claims = <base64ct::Base64UrlUnpadded as base64ct::Encoding>::decode_vec(claims);
        let claims: Value = serde_json::from_slice(&claims.unwrap()).unwrap();
        let (from, until) = (claims["iat"].as_u64().unwrap(), claims["exp"].as_u64().unwrap());
        assert_eq!(until - from, life, "{field}");
    }
}

/// A default secret in the source, and one for ever: see also `a_rotation_signs_anew_and_ends_nobodys_session`.
#[tokio::test]
async fn defect_4_and_10_there_is_no_default_secret() {
    let world = World::start().await;
    let mut variables = world.variables.clone();
    variables.remove("AUTH_MASTER_SECRET_ARN");
    let mut instance = Instance::start(&variables).await;
    assert!(!instance.ended().await.success());
    let error = instance.init_error().unwrap();
    assert!(error["errorMessage"].as_str().unwrap().contains("AUTH_MASTER_SECRET_ARN is missing"));
}

/// Links lay in the clear, were never used up, and older ones stayed good.
#[tokio::test]
async fn defect_5_a_link_is_kept_as_a_digest_works_once_and_is_the_newest() {
    let world = World::start().await;
    assert_eq!(world.register("ann@example.com").await.status, 201);
    assert_eq!(world.forgot("ann@example.com").await.status, 200);
    let older = world.mailed_token().await;
    assert_eq!(world.forgot("ann@example.com").await.status, 200);
    let newer = world.mailed_token().await;
    let rows = Value::from(world.rows("password-resets").await).to_string();
    for token in [&older, &newer] {
        let secret = token.rsplit('.').next().unwrap();
        assert!(!rows.contains(secret), "the table holds what redeems it");
    }
    let refused = (400, "reset_token_invalid");
    assert_eq!(world.reset(&older, "a brand new staple").await.code(), refused);
    assert_eq!(world.reset(&newer, "a brand new staple").await.status, 200);
    assert_eq!(world.reset(&newer, "another new staple").await.code(), refused);
    assert_eq!(world.login("ann@example.com", "a brand new staple").await.status, 200);
}

/// TTL stood on a string, which DynamoDB ignores, and nothing else looked at it.
#[tokio::test]
async fn defect_6_a_link_ends_by_the_clock_and_its_row_by_a_number() {
    let world = World::start().await;
    assert_eq!(world.register("ann@example.com").await.status, 201);
    assert_eq!(world.forgot("ann@example.com").await.status, 200);
    let token = world.mailed_token().await;
    let mut row = world.rows("password-resets").await.remove(0);
    assert!(row["expires_at"].is_string());
    assert!(row["ttl"].is_i64(), "{row}");
    row["expires_at"] = json!("2025-09-06T11:22:33.123456");
    world.put("password-resets", row).await;
    let answer = world.reset(&token, "a brand new staple").await;
    assert_eq!(answer.code(), (400, "reset_token_invalid"), "no sweeper has come");
}

/// All of these were 500.
#[tokio::test]
async fn defect_7_bad_input_is_the_clients_fault() {
    let world = World::start().await;
    for path in ["register", "login", "forgot-password", "forgotpassword", "reset-password"] {
        for body in [
            None,
            Some(""),
            Some("null"),
            Some("[]"),
            Some("\"text\""),
            Some("{}"),
            Some(r#"{"email": 7, "password": [], "name": {}, "token": null}"#),
            Some("{\"email\": \"\\ud800\"}"),
        ] {
            let event = Gateway::Rest.event("POST", &format!("/auth/{path}"), body);
            let answer = world.send(&event).await;
            assert_eq!(answer.status, 400, "{path} {body:?}: {answer:?}");
        }
    }
}

/// Addresses and links were printed: `no_secret_of_a_whole_run_is_written` walks every call.
#[tokio::test]
async fn defect_8_neither_address_nor_link_is_logged() {
    let mut world = World::start().await;
    assert_eq!(world.register("canary@example.com").await.status, 201);
    assert_eq!(world.forgot("canary@example.com").await.status, 200);
    let token = world.mailed_token().await;
    assert_eq!(world.reset(&token, "a brand new staple").await.status, 200);
    let output = world.instance.stop().await;
    assert!(output.contains("mail_sent"), "{output}");
    assert!(!output.contains("canary") && !output.contains(&token), "{output}");
}

/// `Access-Control-Allow-Origin: *`, for everybody, in the source.
#[tokio::test]
async fn defect_9_only_origins_of_the_settings_may_call() {
    let world = World::with(&[("AUTH_ALLOWED_ORIGINS", "https://app.example.com")]).await;
    for (origin, allowed) in [
        ("https://app.example.com", Some("https://app.example.com")),
        ("https://evil.example", None),
    ] {
        let mut event = Gateway::Rest.event("POST", "/auth/login", Some("{}"));
        Gateway::Rest.add_header(&mut event, "Origin", origin);
        let answer = world.send(&event).await;
        let header = answer.headers.get("access-control-allow-origin");
        assert_eq!(header.map(String::as_str), allowed, "{origin}");
    }
}

/// Sender and link stood in the source.
#[tokio::test]
async fn defect_11_sender_and_link_are_settings() {
    let world = World::with(&[
        ("AUTH_MAIL_FROM", "hello@brand.example"),
        ("AUTH_MAIL_REPLY_TO", "help@brand.example"),
        ("AUTH_SERVICE_NAME", "Brand"),
        ("AUTH_SES_CONFIGURATION_SET", "brand-mails"),
    ])
    .await;
    assert_eq!(world.register("ann@example.com").await.status, 201);
    assert_eq!(world.forgot("ann@example.com").await.status, 200);
    world.deliver_mails().await;
    let mails = world.aws.take_mails();
    let from = mails[0]["FromEmailAddress"].as_str().unwrap();
    assert!(from.contains("Brand") && from.contains("hello@brand.example"), "{from}");
    assert_eq!(mails[0]["ReplyToAddresses"], json!(["help@brand.example"]));
    assert_eq!(mails[0]["ConfigurationSetName"], "brand-mails");
    assert!(token_of(&mails[0]).contains('.'));
}

/// Throttling was named and not there; so were metrics and clean-up.
#[tokio::test]
async fn defect_12_calls_are_throttled_recorded_and_cleaned_up_after() {
    let mut world = World::start().await;
    let mut statuses = BTreeSet::new();
    for _ in 0..61 {
        let answer =
            world.post("/auth/login", json!({"email": "x@example.com", "password": "x"})).await;
        statuses.insert(answer.status);
        if answer.status == 429 {
            assert!(answer.headers.contains_key("retry-after"));
        }
    }
    assert!(statuses.contains(&429), "{statuses:?}");
    assert!(world.instance.stop().await.contains("\"target\":\"auth\""));
    let attempts = world.rows("attempts").await;
    assert!(!attempts.is_empty() && attempts.iter().all(|row| row["ttl"].is_i64()), "{attempts:?}");
}
