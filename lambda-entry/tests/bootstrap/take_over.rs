//! The old system's rows, byte for byte as its handlers wrote them, and the calls of its installed app.

use std::process::Stdio;

use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::gateway::Gateway;
use crate::world::{SHARED, World};

/// Of the days when there was no policy.
const OLD_PASSWORD: &str = "1234";
const NEW_PASSWORD: &str = "a brand new staple";
const USER_ID: &str = "6f1c2b9e-3d4a-4c5b-8e7f-0a1b2c3d4e5f";

fn sha256_hex(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A row of `alcolook-users` as the register handler wrote it.
fn old_user(email: &str) -> Value {
    json!({
        "email": email,
        "user_id": USER_ID,
        "name": "김철수 🍺 O'Brien",
        "password_hash": sha256_hex(OLD_PASSWORD),
        "created_at": "2025-09-06T11:22:33.123456",
        "updated_at": "2025-09-06T11:22:33.123456",
    })
}

/// The same after the forgot handler kept its token on it; its second was a whole one.
fn old_user_who_forgot(email: &str) -> Value {
    let mut row = old_user(email);
    row["created_at"] = json!("2025-09-06T11:22:33");
    row["reset_token"] = json!("0f8fad5b-d9cb-469f-a165-70867728950e");
    row["reset_expires"] = json!("2025-09-06T12:22:33.123456");
    row["reset_created"] = json!("2025-09-06T11:22:33.123456");
    row["profile_image"] = json!("kept by another handler");
    row
}

/// A row of `alcolook-password-resets` as the first forgot handler wrote it.
fn old_reset(email: &str) -> Value {
    json!({
        "email": email,
        "reset_token": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
        "created_at": "2025-09-06T11:22:33.123456",
        "expires_at": "2099-09-06T12:22:33.123456",
        "used": false,
    })
}

fn names(row: &Value) -> Vec<&str> {
    row.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn the_whole_flow_of_the_installed_app_over_the_old_tables() {
    let world = World::start().await;
    let before = old_user_who_forgot("old@example.com");
    world.put("users", before.clone()).await;
    world.put("password-resets", old_reset("old@example.com")).await;

    let registered = world.register("new@example.com").await;
    assert_eq!(registered.status, 201, "{registered:?}");
    assert_eq!(names(&registered.body), ["email", "message", "name", "user_id"]);

    let login = world.login("old@example.com", OLD_PASSWORD).await;
    assert_eq!(login.status, 200, "{login:?}");
    for (field, value) in
        [("user_id", USER_ID), ("email", "old@example.com"), ("name", "김철수 🍺 O'Brien")]
    {
        assert_eq!(login.text(field), value);
    }
    assert!(!login.text("message").is_ascii(), "a sentence in Korean");
    the_row_is_upgraded(&before, &world.user("old@example.com").await);

    let mut messages = Vec::new();
    for path in ["/auth/forgotpassword", "/auth/forgot-password"] {
        let forgot = world.post(path, json!({"email": "old@example.com"})).await;
        assert_eq!(forgot.status, 200, "{path}: {forgot:?}");
        messages.push(forgot.text("message").to_owned());
        if path == "/auth/forgotpassword" {
            world.mailed_token().await;
        }
    }
    assert_eq!(messages[0], messages[1]);

    let token = world.mailed_token().await;
    assert_eq!(world.reset(&token, NEW_PASSWORD).await.status, 200);
    let refused = world.login("old@example.com", OLD_PASSWORD).await;
    assert_eq!(refused.status, 401);
    assert!(!refused.text("error").is_ascii(), "a sentence in Korean");
    assert_eq!(world.login("old@example.com", NEW_PASSWORD).await.status, 200);
    the_resets_are_as_promised(&world.rows("password-resets").await);
}

fn the_row_is_upgraded(before: &Value, after: &Value) {
    assert!(after["password_hash"].as_str().unwrap().starts_with("$argon2id$"), "{after}");
    for field in ["reset_token", "reset_expires", "reset_created"] {
        assert_eq!(after.get(field), None, "{after}");
    }
    for field in ["email", "user_id", "name", "created_at", "updated_at", "profile_image"] {
        assert_eq!(after[field], before[field], "{field} is kept");
    }
    let last_login = after["last_login"].as_str().unwrap();
    assert_eq!(last_login.len(), "2025-09-06T11:22:33.123456".len(), "{last_login}");
    assert!(last_login.contains('T') && !last_login.ends_with('Z'), "{last_login}");
}

/// The old row stays as it was and redeems nothing; ours hold digests, and end by TTL.
fn the_resets_are_as_promised(rows: &[Value]) {
    let old = old_reset("old@example.com");
    assert!(rows.contains(&old), "{rows:?}");
    let ours: Vec<_> = rows.iter().filter(|row| **row != old).collect();
    assert_eq!(ours.len(), 2, "{rows:?}");
    for row in &ours {
        let digest = row["reset_token"].as_str().unwrap().strip_prefix("sha256:").unwrap();
        assert_eq!(digest.len(), 64);
        assert_eq!(row["expires_at"].as_str().unwrap().len(), "2025-09-06T11:22:33.123456".len());
        assert!(row["ttl"].as_i64().unwrap() > 1_700_000_000, "{row}");
    }
    let used = ours.iter().filter(|row| row["used"] == true).count();
    assert_eq!(used, 1, "the newest alone: {rows:?}");
}

#[tokio::test]
async fn an_old_reset_token_in_the_clear_redeems_nothing() {
    let world = World::start().await;
    world.put("users", old_user_who_forgot("old@example.com")).await;
    world.put("password-resets", old_reset("old@example.com")).await;
    let address = Base64UrlUnpadded::encode_string(b"old@example.com");
    for uuid in ["0f8fad5b-d9cb-469f-a165-70867728950e", "7c9e6679-7425-40de-944b-e07fc1f90ae7"] {
        let dressed = format!("{address}.{}", Base64UrlUnpadded::encode_string(uuid.as_bytes()));
        for token in [uuid, &dressed] {
            let answer = world.reset(token, NEW_PASSWORD).await;
            assert_eq!(answer.code(), (400, "reset_token_invalid"), "{token}");
        }
    }
    assert_eq!(world.login("old@example.com", OLD_PASSWORD).await.status, 200);
}

#[tokio::test]
async fn an_address_stored_with_capitals_logs_in_as_it_is_typed() {
    let world = World::start().await;
    for typed in ["Kim.ChulSoo@Example.COM", " lee@example.com"] {
        world.put("users", old_user(typed)).await;
        let login = world.login(typed, OLD_PASSWORD).await;
        assert_eq!(login.status, 200, "{typed:?}: {login:?}");
        assert_eq!(login.text("user_id"), USER_ID);
        let row = world.user(typed).await;
        assert!(row["password_hash"].as_str().unwrap().starts_with("$argon2id$"), "{row}");
        assert_eq!(world.login(typed, OLD_PASSWORD).await.status, 200, "and again");
        assert_eq!(world.login(typed, "123").await.status, 401);
    }
}

#[tokio::test]
async fn old_code_reads_the_rows_that_we_write() {
    let world = World::start().await;
    assert_eq!(world.register("new@example.com").await.status, 201);
    let row = world.user("new@example.com").await;
    for field in ["email", "user_id", "name", "password_hash", "created_at", "updated_at"] {
        assert!(row[field].is_string(), "{field}: {row}");
    }
    assert_eq!(row["created_at"].as_str().unwrap().len(), "2025-09-06T11:22:33.123456".len());
}

#[tokio::test]
async fn the_profile_services_token_is_its_own_and_none_of_ours() {
    let world = World::start().await;
    world.put("users", old_user("old@example.com")).await;
    let login = world.login("old@example.com", OLD_PASSWORD).await;
    let (token, access) = (login.text("token"), login.text("access_token"));
    assert_ne!(token, access);

    let claims = hs256_claims(token, SHARED.as_bytes()).expect("signed with the shared secret");
    assert_eq!(names(&claims), ["email", "exp", "iat", "name", "user_id"]);
    assert_eq!(claims["user_id"], USER_ID);
    assert_eq!(claims["email"], "old@example.com");
    assert_eq!(claims["name"], "김철수 🍺 O'Brien");
    let life = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
    assert_eq!(life, 7 * 24 * 3600);
    assert!(hs256_claims(access, SHARED.as_bytes()).is_none());

    assert_eq!(world.me(token).await.code(), (401, "token_invalid"));
    let me = world.me(access).await;
    assert_eq!((me.status, me.text("user_id")), (200, USER_ID));
    pyjwt_takes(token, &claims).await;
}

/// What a token says, if it is HS256 under this key: checked apart from the code that signed it.
fn hs256_claims(token: &str, key: &[u8]) -> Option<Value> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let decoded = |text: &str| Base64UrlUnpadded::decode_vec(text).unwrap();
    let header: Value = serde_json::from_slice(&decoded(header)).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(signed.as_bytes());
    mac.verify_slice(&decoded(signature)).ok()?;
    (header["alg"] == "HS256").then(|| serde_json::from_slice(&decoded(claims)).unwrap())
}

/// The profile service's own line.
const DECODE: &str = "
import json, jwt, sys
token, secret = json.load(sys.stdin)
print(json.dumps(jwt.decode(token, secret, algorithms=['HS256'])))
";

async fn pyjwt_takes(token: &str, claims: &Value) {
    let Some(python) = std::env::var_os("AUTH_TEST_PYJWT") else {
        println!("skipped: AUTH_TEST_PYJWT does not name a python that has PyJWT[crypto]");
        return;
    };
    let mut child = Command::new(python)
        .args(["-c", DECODE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let input = json!([token, SHARED]).to_string();
    child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "PyJWT refused it");
    assert_eq!(&serde_json::from_slice::<Value>(&output.stdout).unwrap(), claims);
}

#[tokio::test]
async fn every_failure_of_the_contract_has_its_status_and_its_korean_sentence() {
    let world = World::start().await;
    assert_eq!(world.register("ann@example.com").await.status, 201);
    let wrong = world.login("ann@example.com", "not her password").await;
    let unknown = world.login("nobody@example.com", "not her password").await;
    assert_eq!(wrong.body, unknown.body, "one wording for both");
    for (answer, status) in [
        (
            world.post("/auth/register", json!({"email": "x@example.com", "password": "x"})).await,
            400,
        ),
        (world.register("Ann@Example.com").await, 409),
        (wrong, 401),
        (world.post("/auth/login", json!({"email": "ann@example.com"})).await, 400),
        (world.post("/auth/forgotpassword", json!({})).await, 400),
    ] {
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(!answer.text("error").is_ascii(), "{answer:?}");
    }
    let english = {
        let mut event = Gateway::Rest.event("POST", "/auth/login", Some("{}"));
        Gateway::Rest.add_header(&mut event, "Accept-Language", "en-US");
        world.send(&event).await
    };
    assert!(english.text("error").is_ascii());
}
