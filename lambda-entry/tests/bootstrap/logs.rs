//! What a whole run writes: lines that a machine reads, and no secret in any of them.

use serde_json::{Value, json};

use crate::gateway::{Gateway, sqs};
use crate::world::{ACCESS_KEY, MASTER, PASSWORD, SHARED, World};

const ADDRESS: &str = "canary.address@example.com";

#[tokio::test]
async fn no_secret_of_a_whole_run_is_written() {
    let mut world = World::start().await;
    let canaries = [
        MASTER,
        SHARED,
        ACCESS_KEY,
        PASSWORD,
        ADDRESS,
        "canary.address",
        "SessionTokenCanary",
        "canary@words.of.aws",
        "Canary-Name",
        "canary-new",
        "canary-junk",
        "canary-poison",
    ];
    let mut secrets: Vec<_> = canaries.map(str::to_owned).into();

    let body = json!({"email": ADDRESS, "password": PASSWORD, "name": "Canary-Name"});
    assert_eq!(world.post("/auth/register", body.clone()).await.status, 201);
    assert_eq!(world.post("/auth/register", body).await.status, 409);
    let login = world.login(ADDRESS, PASSWORD).await;
    secrets.extend([login.text("token").to_owned(), login.text("access_token").to_owned()]);
    assert_eq!(world.me(login.text("access_token")).await.status, 200);
    secrets.extend(refresh_and_theft(&world, login.text("refresh_token")).await);
    assert_eq!(world.me("canary-junk.token.here").await.status, 401);
    assert_eq!(world.login(ADDRESS, "canary-new password").await.status, 401);
    secrets.push(mail_and_reset(&world).await);
    failing_calls(&world).await;

    let output = world.instance.stop().await;
    assert!(output.lines().count() > 15, "{output}");
    for secret in &secrets {
        assert!(!output.contains(secret.as_str()), "{secret} is in:\n{output}");
    }
    assert!(!output.contains("panicked"), "{output}");
}

/// A session that goes on, and one that ends for a token that is used again. Gives the tokens.
async fn refresh_and_theft(world: &World, first: &str) -> Vec<String> {
    let refresh =
        async |token: &str| world.post("/auth/refresh", json!({"refresh_token": token})).await;
    let second = refresh(first).await.text("refresh_token").to_owned();
    let third = refresh(&second).await.text("refresh_token").to_owned();
    assert_eq!(refresh(first).await.status, 401);
    assert_eq!(refresh("canary-junk").await.status, 401);
    vec![first.to_owned(), second, third]
}

/// Mails that fail and mails that go out; the reset by the link. Gives the link's token.
async fn mail_and_reset(world: &World) -> String {
    for code in ["MessageRejected", "TooManyRequestsException"] {
        assert_eq!(world.forgot(ADDRESS).await.status, 200);
        world.aws.refuse_mails_to(ADDRESS, 400, code);
        world.deliver_mails().await;
        world.aws.accept_all_mails();
    }
    assert_eq!(world.forgot(ADDRESS).await.status, 200);
    let token = world.mailed_token().await;
    assert_eq!(world.reset(&token, "canary-new staple").await.status, 200);
    assert_eq!(world.reset(&token, "canary-new staple").await.status, 400);
    token
}

async fn failing_calls(world: &World) {
    let poison =
        format!("{{\"version\": 1, \"kind\": \"password_reset\", \"email\": \"{ADDRESS}\"}}");
    world.instance.invoke(&sqs([("poison", poison.as_str()), ("junk", "canary-poison")])).await;
    let unknown = json!({"detail": {"email": ADDRESS, "password": PASSWORD}});
    assert!(world.instance.try_invoke(&unknown).await.is_err());
    let garbage = format!("{{\"email\": \"{ADDRESS}\", \"password\": \"{PASSWORD}\"");
    let event = Gateway::Rest.event("POST", "/auth/login", Some(&garbage));
    assert_eq!(world.send(&event).await.status, 400);
    let row = json!({"email": ADDRESS, "user_id": "canary-junk", "password_hash": PASSWORD});
    world.put("users", row).await;
    assert_eq!(world.login(ADDRESS, PASSWORD).await.status, 401, "a row that cannot be read");
    delete_table(world, "alcolook-users").await;
    assert_eq!(world.login(ADDRESS, PASSWORD).await.status, 500);
}

async fn delete_table(world: &World, name: &str) {
    world.dynamo.client.delete_table().table_name(name).send().await.unwrap();
}

#[tokio::test]
async fn each_line_is_json_and_names_its_request() {
    let mut world = World::start().await;
    assert_eq!(world.register("ann@example.com").await.status, 201);
    let login = world.login("ann@example.com", PASSWORD).await;
    assert_eq!(login.status, 200);
    let output = world.instance.stop().await;
    let lines: Vec<Value> =
        output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let event = lines
        .iter()
        .find(|line| line["fields"]["message"] == "logged_in")
        .unwrap_or_else(|| panic!("no event of the login in:\n{output}"));
    assert_eq!(event["target"], "auth");
    assert_eq!(event["level"], "INFO");
    let of_gateway = "7f0c2c1e-5a8e-4f43-9d6a-0d7f6c1b2a3e";
    let [invocation, request, use_case] = event["spans"].as_array().unwrap().as_slice() else {
        panic!("not three spans: {event}");
    };
    assert_eq!(invocation["requestId"], "8476a536-e9f4-11e8-9739-000000000001", "{event}");
    assert_eq!(request["request_id"], of_gateway, "{event}");
    assert_eq!(request["http.route"], "/auth/login", "{event}");
    assert_eq!(use_case["name"], "login", "{event}");
    assert_eq!(event["fields"]["request_id"], of_gateway, "{event}");
    assert_eq!(login.headers["x-request-id"], of_gateway);
    assert!(!output.contains('\u{1b}'), "no colours");
}

/// The lines that CloudWatch makes metrics of.
async fn metrics_of_a_login(settings: &[(&str, &str)]) -> Vec<Value> {
    let mut world = World::with(settings).await;
    assert_eq!(world.login(ADDRESS, PASSWORD).await.status, 401);
    let output = world.instance.stop().await;
    assert!(output.contains("login_refused") && !output.contains(ADDRESS), "{output}");
    let lines = output.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.filter(|line: &Value| line.get("_aws").is_some()).collect()
}

#[tokio::test]
async fn events_are_counted_in_the_log_where_that_was_set_and_nowhere_else() {
    let lines = metrics_of_a_login(&[("AUTH_METRICS", "emf")]).await;
    let [line] = lines.as_slice() else { panic!("not one line: {lines:?}") };
    assert_eq!((&line["Logins"], &line["Outcome"]), (&json!(1), &json!("refused")));
    assert_eq!(line["Service"], "alcolook-");
    assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Namespace"], "Auth");
    assert!(metrics_of_a_login(&[]).await.is_empty());
}
