//! Refreshing, listing and ending sessions.

use std::sync::Arc;
use std::time::Duration;

use adapters_local::{CompatibilityIssuer, Testing, testing, testing_with};
use auth_domain::{SessionId, TokenCheck};
use axum::body::Body;
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::client::{
    ANN, Answer, Client, EVE, NEW, OLD, Session, ann, email_change_token, json_request, reset_token,
};

const INVALID: &str = "Bearer realm=\"auth\", error=\"invalid_token\"";

fn names(answer: &Answer) -> Vec<String> {
    answer.json().as_object().unwrap().keys().cloned().collect()
}

#[tokio::test]
async fn a_session_goes_on_with_each_refresh() {
    let world = testing();
    let client = Client::of(&world);
    let mut session = client.first_session().await;
    for _ in 0..3 {
        world.clock.advance(Duration::from_mins(15));
        assert_eq!(client.get_as(&session.access, "/auth/me").await.code().0, 401);
        let answer = client.refresh(&session.refresh).await;
        let fields =
            ["access_token", "expires_in", "message", "refresh_token", "token", "token_type"];
        assert_eq!(names(&answer), fields);
        let body = answer.json();
        assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(900)));
        assert_eq!(body["token"], body["access_token"]);
        let next = Session::of(&answer);
        assert_ne!(next.refresh, session.refresh);
        session = next;
        assert_eq!(client.get_as(&session.access, "/auth/me").await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_client_whose_answer_was_lost_asks_again_and_goes_on() {
    let world = testing();
    let client = Client::of(&world);
    let first = client.first_session().await;
    let lost = Session::of(&client.refresh(&first.refresh).await);
    world.clock.advance(Duration::from_secs(10));
    let again = Session::of(&client.refresh(&first.refresh).await);
    assert_eq!(again.refresh, lost.refresh);
    assert!(client.is_alive(&again).await);
}

#[tokio::test]
async fn b1_a_spent_token_ends_its_session_and_no_other() {
    for (pause, child_used) in [(11, false), (0, true)] {
        let world = testing();
        let client = Client::of(&world);
        let first = client.first_session().await;
        let other = client.session().await;
        let mut newest = Session::of(&client.refresh(&first.refresh).await);
        if child_used {
            newest = Session::of(&client.refresh(&newest.refresh).await);
        }
        world.clock.advance(Duration::from_secs(pause));
        let reused = client.refresh(&first.refresh).await;
        assert_eq!(reused.code(), (401, "refresh_token_invalid".into()));
        assert!(!client.is_alive(&newest).await);
        assert_eq!(client.get_as(&newest.access, "/auth/sessions").await.code().0, 401);
        assert!(client.is_alive(&other).await);
    }
}

async fn ended_by(end: impl AsyncFnOnce(&Testing, &Client, &Session)) -> Answer {
    let world = testing();
    let client = Client::of(&world);
    let session = client.first_session().await;
    end(&world, &client, &session).await;
    client.refresh(&session.refresh).await
}

async fn disable(world: &Testing) {
    let account = world.auth.admin().look_up(&ann()).await.unwrap();
    world.auth.admin().disable(&account.key).await.unwrap();
}

#[tokio::test]
async fn every_refusal_of_a_refresh_token_is_one_answer() {
    let days = |days: u64| Duration::from_hours(24 * days);
    let mut answers = vec![
        ended_by(async |world, _, _| world.clock.advance(days(14))).await,
        ended_by(async |world, _, _| disable(world).await).await,
        ended_by(async |world, client, session| {
            client.refresh(&session.refresh).await;
            world.clock.advance(Duration::from_secs(11));
        })
        .await,
        ended_by(async |_, client, session| {
            client.post("/auth/logout", json!({"refresh_token": session.refresh})).await;
        })
        .await,
        ended_by(async |_, client, session| {
            client.delete_as(&session.access, "/auth/sessions").await;
        })
        .await,
        ended_by(async |_, client, session| {
            client.delete_as(&session.access, "/auth/me").await;
        })
        .await,
        ended_by(async |world, client, _| {
            let token = reset_token(world, client).await;
            client.post("/auth/reset-password", json!({"token": token, "new_password": NEW})).await;
        })
        .await,
        ended_by(async |world, client, session| {
            let token = email_change_token(world, client, session, "new@example.com").await;
            client.post("/auth/change-email/confirm", json!({"token": token})).await;
        })
        .await,
    ];
    let elsewhere = Client::of(&testing()).first_session().await;
    let client = Client::of(&testing());
    answers.push(client.refresh(&elsewhere.refresh).await);
    answers.push(client.refresh("junk").await);
    let mut seen: Vec<_> = answers.into_iter().map(Answer::whole).collect();
    seen.dedup();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(seen[0].0, StatusCode::UNAUTHORIZED);
    assert!(seen[0].2.contains("\"refresh_token_invalid\""));
    assert_eq!(seen[0].1["www-authenticate"], INVALID);
}

#[tokio::test]
async fn a_session_ends_after_thirty_days_however_much_it_is_used() {
    let world = testing();
    let client = Client::of(&world);
    let mut session = client.first_session().await;
    for _ in 0..4 {
        world.clock.advance(Duration::from_hours(7 * 24));
        session = Session::of(&client.refresh(&session.refresh).await);
    }
    world.clock.advance(Duration::from_hours(2 * 24));
    assert!(!client.is_alive(&session).await);
}

#[tokio::test]
async fn logout_ends_a_session_by_any_token_of_it_and_again_is_as_good() {
    let world = testing();
    let client = Client::of(&world);
    let first = client.first_session().await;
    let newest = Session::of(&client.refresh(&first.refresh).await);
    for _ in 0..2 {
        let answer = client.post("/auth/logout", json!({"refresh_token": first.refresh})).await;
        let said = (answer.status, answer.json());
        assert_eq!(said, (StatusCode::OK, json!({"message": "You are logged out."})));
    }
    assert!(!client.is_alive(&newest).await);
    let junk = client.post("/auth/logout", json!({"refresh_token": "junk"})).await;
    assert_eq!(junk.code(), (401, "refresh_token_invalid".into()));
    assert_eq!(junk.header("www-authenticate"), Some(INVALID));
}

async fn login_from(client: &Client, user_agent: Option<&[u8]>) -> Session {
    let mut request = json_request(&Method::POST, "/auth/login");
    if let Some(user_agent) = user_agent {
        request = request.header("User-Agent", user_agent);
    }
    let body = json!({"email": ANN, "password": OLD}).to_string();
    Session::of(&client.send(request.body(Body::from(body)).unwrap()).await)
}

#[tokio::test]
async fn sessions_are_listed_with_what_tells_them_apart() {
    let world = testing();
    let client = Client::of(&world);
    client.register().await;
    let phone = login_from(&client, Some(b"AlcoLook/3 (Android)")).await;
    world.clock.advance(Duration::from_micros(1_500_000));
    login_from(&client, Some(b"latin \xe9")).await;
    world.clock.advance(Duration::from_mins(1));
    let nameless = login_from(&client, None).await;
    world.clock.advance(Duration::from_mins(1));
    client.refresh(&phone.refresh).await;

    let answer = client.get_as(&nameless.access, "/auth/sessions").await;
    assert_eq!((answer.status, names(&answer)), (StatusCode::OK, vec!["sessions".to_owned()]));
    let mut listed = answer.json()["sessions"].as_array().unwrap().clone();
    for session in &mut listed {
        let id = session.as_object_mut().unwrap().remove("id").unwrap();
        assert!(SessionId::parse(id.as_str().unwrap()).is_ok());
    }
    let row = |created_at, last_used_at, user_agent: Value, current| {
        json!({"created_at": created_at, "last_used_at": last_used_at,
               "user_agent": user_agent, "current": current})
    };
    let (phones, refreshed) = ("2023-11-14T22:13:20Z", "2023-11-14T22:15:21Z");
    let (second, third) = ("2023-11-14T22:13:21Z", "2023-11-14T22:14:21Z");
    let expected = [
        row(phones, refreshed, json!("AlcoLook/3 (Android)"), false),
        row(third, third, Value::Null, true),
        row(second, second, json!("latin \u{fffd}"), false),
    ];
    assert_eq!(listed, expected);
}

async fn ids(client: &Client, session: &Session) -> Vec<String> {
    let answer = client.get_as(&session.access, "/auth/sessions").await;
    let listed = answer.json()["sessions"].as_array().unwrap().clone();
    listed.iter().map(|session| session["id"].as_str().unwrap().to_owned()).collect()
}

async fn own_id(client: &Client, session: &Session) -> String {
    let answer = client.get_as(&session.access, "/auth/sessions").await;
    let listed = answer.json()["sessions"].as_array().unwrap().clone();
    let own = listed.iter().find(|session| session["current"] == true).unwrap();
    own["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn f4_nobody_sees_or_ends_the_session_of_another() {
    let world = testing();
    let client = Client::of(&world);
    let anns = client.first_session().await;
    client.register_as(EVE, "Eve").await;
    let eves = Session::of(&client.login_as(EVE, OLD).await);
    let anns_id = own_id(&client, &anns).await;
    assert_eq!(ids(&client, &eves).await, [own_id(&client, &eves).await]);

    let mut refusals = Vec::new();
    for id in [
        anns_id.as_str(),
        "00000000-0000-4000-8000-000000000000",
        "junk",
        "%00",
        "%ff",
        "..%2f..%2fauth",
        &"9".repeat(2_000),
    ] {
        let answer = client.delete_as(&eves.access, &format!("/auth/sessions/{id}")).await;
        refusals.push(answer.whole());
    }
    refusals.dedup();
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    assert_eq!(refusals[0].0, StatusCode::NOT_FOUND);
    assert!(refusals[0].2.contains("\"session_not_found\""));
    client.delete_as(&eves.access, "/auth/sessions").await;
    assert!(client.is_alive(&anns).await);
}

#[tokio::test]
async fn one_session_is_ended_and_the_others_go_on() {
    let world = testing();
    let client = Client::of(&world);
    let (lost, kept) = (client.first_session().await, client.session().await);
    let id = own_id(&client, &lost).await;
    let path = format!("/auth/sessions/{id}");
    let ended = client.delete_as(&kept.access, &path).await;
    assert_eq!(ended.json(), json!({"message": "The session is over."}));
    assert!(!client.is_alive(&lost).await);
    assert_eq!(client.delete_as(&kept.access, &path).await.code().1, "session_not_found");
    let own = format!("/auth/sessions/{}", own_id(&client, &kept).await);
    assert_eq!(client.delete_as(&kept.access, &own).await.status, StatusCode::OK);
    assert!(!client.is_alive(&kept).await);
}

#[tokio::test]
async fn all_sessions_are_ended_the_own_one_too_and_the_password_still_opens_a_new_one() {
    let world = testing();
    let client = Client::of(&world);
    let sessions = [client.first_session().await, client.session().await, client.session().await];
    let answer = client.delete_as(&sessions[0].access, "/auth/sessions").await;
    assert_eq!(answer.json(), json!({"message": "All sessions are over."}));
    for session in &sessions {
        assert!(!client.is_alive(session).await);
    }
    assert!(client.is_alive(&client.session().await).await);
}

#[tokio::test]
async fn b6_who_bears_the_token_of_a_session_that_is_over_acts_for_nobody() {
    for check in [TokenCheck::TokenOnly, TokenCheck::Strict, TokenCheck::StrictSession] {
        let world = testing_with(|_, settings| settings.token_check = check);
        let client = Client::of(&world);
        let session = client.first_session().await;
        let id = own_id(&client, &session).await;
        client.post("/auth/logout", json!({"refresh_token": session.refresh})).await;
        let change = json!({"current_password": OLD, "new_password": NEW});
        let moving = json!({"current_password": OLD, "new_email": "new@example.com"});
        for (method, path, body) in [
            (Method::GET, "/auth/sessions", None),
            (Method::DELETE, "/auth/sessions", None),
            (Method::DELETE, &*format!("/auth/sessions/{id}"), None),
            (Method::POST, "/auth/change-password", Some(change)),
            (Method::POST, "/auth/change-email", Some(moving)),
            (Method::DELETE, "/auth/me", Some(json!({"current_password": OLD}))),
            (Method::DELETE, "/auth/me", None),
        ] {
            let answer = client.call_as(&session.access, method.clone(), path, body).await;
            assert_eq!(answer.code(), (401, "token_invalid".into()), "{method} {path}");
            assert_eq!(answer.header("www-authenticate"), Some(INVALID));
        }
        let me = client.get_as(&session.access, "/auth/me").await.status.as_u16();
        assert_eq!(me, if check == TokenCheck::StrictSession { 401 } else { 200 }, "{check:?}");
        assert_eq!(client.login(OLD).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn one_source_refreshes_and_logs_out_only_so_often() {
    let world = testing();
    let client = Client::of(&world);
    let session = client.first_session().await;
    let elsewhere = Client::of(&testing()).first_session().await;
    for _ in 0..600 {
        assert_eq!(client.refresh(&elsewhere.refresh).await.code().0, 401);
    }
    let body = json!({"refresh_token": session.refresh});
    for path in ["/auth/refresh", "/auth/logout"] {
        let limited = client.post(path, body.clone()).await;
        assert_eq!(limited.code(), (429, "rate_limited".into()));
        assert_eq!(limited.header("retry-after"), Some("1"));
    }
    world.clock.advance(Duration::from_secs(1));
    assert!(client.is_alive(&session).await);
}

#[tokio::test]
async fn each_answer_with_tokens_has_one_for_the_replaced_system_where_its_issuer_is_composed() {
    let world = testing_with(|ports, _| {
        ports.compatibility_issuer = Some(Arc::new(CompatibilityIssuer::new(&[9; 32]).unwrap()));
    });
    let client = Client::of(&world);
    client.register().await;
    let login = client.login(OLD).await;
    let session = Session::of(&login);
    let refreshed = client.refresh(&session.refresh).await;
    let body = json!({"current_password": OLD, "new_password": NEW});
    let changed = client.post_as(&session.access, "/auth/change-password", body).await;
    for answer in [login, refreshed, changed] {
        let body = answer.json();
        assert_ne!(body["token"], body["access_token"]);
        let token = body["token"].as_str().unwrap();
        assert_eq!(client.get_as(token, "/auth/me").await.code(), (401, "token_invalid".into()));
        let access = body["access_token"].as_str().unwrap();
        assert_eq!(client.get_as(access, "/auth/me").await.status, StatusCode::OK);
    }
}
