//! Confirming an address, and moving to another.

use std::time::Duration;

use adapters_local::{Testing, testing, testing_with};
use auth_domain::{Email, EmailVerification, RegistrationMode, Settings};
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::client::{
    ANN, Answer, Client, EVE, NEW, OLD, Session, ann, email_change_token, reset_token,
    verification_token,
};

const MOVED: &str = "ann@moved.example";

fn token(token: &str) -> Value {
    json!({ "token": token })
}

fn subjects(world: &Testing, to: &str) -> Vec<String> {
    let mails = world.mailbox.all();
    let to_him = mails.iter().filter(|mail| mail.to.as_str() == to);
    to_him.map(|mail| mail.content.subject.clone()).collect()
}

fn require_verified(settings: &mut Settings) {
    settings.email_verification = EmailVerification::RequireVerified;
}

fn private(settings: &mut Settings) {
    require_verified(settings);
    settings.registration = RegistrationMode::Private;
}

#[tokio::test]
async fn an_address_is_confirmed_by_its_link_again_and_again() {
    let world = testing_with(|_, settings| require_verified(settings));
    let client = Client::of(&world);
    assert_eq!(client.register().await.status, StatusCode::CREATED);
    assert_eq!(client.login(OLD).await.code(), (401, "credentials_rejected".into()));
    world.deliver_mail().await;
    let link = world.link_token(&ann()).unwrap();
    for _ in 0..2 {
        let answer = client.post("/auth/verify-email", token(&link)).await;
        let said = (answer.status, answer.json());
        assert_eq!(said, (StatusCode::OK, json!({"message": "Your address is confirmed."})));
    }
    assert_eq!(client.login(OLD).await.status, StatusCode::OK);
}

#[tokio::test]
async fn c1_a_login_before_the_address_is_confirmed_looks_like_a_wrong_password() {
    let world = testing_with(|_, settings| require_verified(settings));
    let client = Client::of(&world);
    client.register().await;
    client.register_as(EVE, "Eve").await;
    let link = verification_token(&world, &client).await;
    client.post("/auth/verify-email", token(&link)).await;
    let unverified = client.login_as(EVE, OLD).await.whole();
    assert_eq!(unverified.0, StatusCode::UNAUTHORIZED);
    assert_eq!(unverified, client.login_as(ANN, "wrong wrong wrong").await.whole());
    assert_eq!(unverified, client.login_as("nobody@example.com", OLD).await.whole());
}

#[tokio::test]
async fn c2_private_registration_tells_nobody_but_the_owner_that_an_address_is_taken() {
    let world = testing_with(|_, settings| private(settings));
    let client = Client::of(&world);
    let free = client.register().await.whole();
    world.deliver_mail().await;
    let unverified = client.register().await.whole();
    let link = world.link_token(&ann()).unwrap();
    client.post("/auth/verify-email", token(&link)).await;
    let taken = client.register().await.whole();
    assert_eq!(free.0, StatusCode::ACCEPTED);
    let message = "A mail is on its way to this address. Follow it to go on.";
    assert_eq!(free.2, json!({"message": message}).to_string());
    assert_eq!(free, unverified);
    assert_eq!(free, taken);
    world.deliver_mail().await;
    let exists = "Your Example account is there already";
    assert_eq!(subjects(&world, ANN)[1..], [exists, exists]);
}

#[tokio::test]
async fn c2_asking_for_another_link_is_answered_alike_for_every_address() {
    let world = testing();
    let client = Client::of(&world);
    client.register().await;
    client.register_as(EVE, "Eve").await;
    let link = verification_token(&world, &client).await;
    client.post("/auth/verify-email", token(&link)).await;
    let mut answers = Vec::new();
    for email in [ANN, EVE, "nobody@example.com"] {
        answers.push(client.post("/auth/verify-email/resend", json!({"email": email})).await);
    }
    assert_eq!(answers[0].status, StatusCode::ACCEPTED);
    let queued = world.queued_mail().len();
    let mut seen: Vec<_> = answers.into_iter().map(Answer::whole).collect();
    seen.dedup();
    assert_eq!((seen.len(), queued), (1, 3), "{seen:?}");
    let before = world.mailbox.all().len();
    world.deliver_mail().await;
    assert_eq!(world.mailbox.all().len(), before + 1, "only Eve's address is to be confirmed");
}

#[tokio::test]
async fn links_that_confirm_are_bounded_in_time_by_source_and_by_the_password() {
    let world = testing();
    let client = Client::of(&world);
    let session = client.first_session().await;
    let verify = async |link: &str| client.post("/auth/verify-email", token(link)).await.code();
    let confirm =
        async |link: &str| client.post("/auth/change-email/confirm", token(link)).await.code();
    let void = (400, "link_invalid".to_owned());
    let first = verification_token(&world, &client).await;
    let moving = email_change_token(&world, &client, &session, MOVED).await;
    world.clock.advance(Duration::from_hours(24));
    assert_eq!((verify(&first).await, confirm(&moving).await), (void.clone(), void.clone()));

    let session = client.session().await;
    let second = verification_token(&world, &client).await;
    let moving = email_change_token(&world, &client, &session, MOVED).await;
    let change = json!({"current_password": OLD, "new_password": NEW});
    client.post_as(&session.access, "/auth/change-password", change).await;
    assert_eq!((verify(&second).await, confirm(&moving).await), (void.clone(), void));

    for path in ["/auth/verify-email", "/auth/change-email/confirm"] {
        let link = if path == "/auth/verify-email" { &second } else { &moving };
        let mut answer = client.post(path, token(link)).await;
        for _ in 0..100 {
            answer = client.post(path, token(link)).await;
        }
        assert_eq!(answer.code(), (429, "rate_limited".into()), "{path}");
        assert!(answer.header("retry-after").is_some());
    }
}

#[tokio::test]
async fn resending_is_limited_by_source() {
    let client = Client::of(&testing());
    let body = json!({"email": ANN});
    for _ in 0..30 {
        let answer = client.post("/auth/verify-email/resend", body.clone()).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED);
    }
    let limited = client.post("/auth/verify-email/resend", body).await;
    assert_eq!(limited.code(), (429, "rate_limited".into()));
    assert_eq!(limited.header("retry-after"), Some("120"));
}

#[tokio::test]
async fn an_account_moves_to_the_address_whose_reader_uses_the_link() {
    let world = testing();
    let client = Client::of(&world);
    let sessions = [client.first_session().await, client.session().await];
    let reset = reset_token(&world, &client).await;
    let link = email_change_token(&world, &client, &sessions[0], MOVED).await;
    assert_eq!(client.login(OLD).await.status, StatusCode::OK, "nothing has changed yet");
    let moved = client.post("/auth/change-email/confirm", token(&link)).await;
    let message = "Your account has its new address. Log in with it.";
    assert_eq!((moved.status, moved.json()), (StatusCode::OK, json!({"message": message})));

    assert_eq!(client.login(OLD).await.code(), (401, "credentials_rejected".into()));
    let login = client.login_as(MOVED, OLD).await;
    assert_eq!(login.json()["email"], MOVED);
    for session in &sessions {
        assert!(!client.is_alive(session).await);
    }
    let again = client.post("/auth/change-email/confirm", token(&link)).await;
    assert_eq!(again.code(), (400, "link_invalid".into()));
    let reset = json!({"token": reset, "new_password": NEW});
    let reset = client.post("/auth/reset-password", reset).await;
    assert_eq!(reset.code(), (400, "reset_token_invalid".into()));
    world.deliver_mail().await;
    assert_eq!(subjects(&world, ANN).last().unwrap(), "Your Example address was changed");
    assert_eq!(subjects(&world, MOVED), ["Confirm your new Example address"]);
    assert_eq!(client.register().await.status, StatusCode::CREATED, "the old address is free");
}

#[tokio::test]
async fn c2_asking_to_move_is_answered_alike_for_a_taken_and_a_free_address() {
    let world = testing();
    let client = Client::of(&world);
    let session = client.first_session().await;
    client.register_as(EVE, "Eve").await;
    let mut answers = Vec::new();
    for new_email in [EVE, "free@example.com"] {
        let body = json!({"new_email": new_email, "current_password": OLD});
        answers.push(client.post_as(&session.access, "/auth/change-email", body).await.whole());
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].0, StatusCode::ACCEPTED);
    world.deliver_mail().await;
    assert_eq!(subjects(&world, EVE), subjects(&world, "free@example.com"));
    let eve = Email::parse(EVE).unwrap();
    let link = world.link_token(&eve).unwrap();
    let taken = client.post("/auth/change-email/confirm", token(&link)).await;
    assert_eq!(taken.code(), (409, "email_taken".into()));
    assert!(client.is_alive(&session).await);
}

#[tokio::test]
async fn a6_each_link_confirms_its_own_address_and_the_first_one_used_voids_the_other() {
    for (used, other) in [(0, 1), (1, 0)] {
        let world = testing();
        let client = Client::of(&world);
        let session = client.first_session().await;
        let addresses = ["one@moved.example", "two@moved.example"];
        let mut links = Vec::new();
        for address in addresses {
            links.push(email_change_token(&world, &client, &session, address).await);
        }
        let moved = client.post("/auth/change-email/confirm", token(&links[used])).await;
        assert_eq!(moved.status, StatusCode::OK);
        let late = client.post("/auth/change-email/confirm", token(&links[other])).await;
        assert_eq!(late.code(), (400, "link_invalid".into()));
        assert_eq!(client.login_as(addresses[used], OLD).await.status, StatusCode::OK);
        assert_eq!(client.login_as(addresses[other], OLD).await.code().0, 401);
    }
}

#[tokio::test]
async fn a_move_that_is_refused_mails_nobody() {
    let world = testing();
    let client = Client::of(&world);
    let session = client.first_session().await;
    for (new_email, password, status, code, field) in [
        (MOVED, "wrong wrong wrong", 403, "password_wrong", "current_password"),
        (MOVED, "", 400, "password_empty", "current_password"),
        ("Ann@Example.COM", OLD, 400, "email_unchanged", "new_email"),
        ("nobody", OLD, 400, "email_invalid", "new_email"),
        ("", OLD, 400, "email_invalid", "new_email"),
        ("a@b.example\r\nBcc: eve@example.com", OLD, 400, "email_invalid", "new_email"),
    ] {
        let body = json!({"new_email": new_email, "current_password": password});
        let answer = client.post_as(&session.access, "/auth/change-email", body).await;
        assert_eq!(answer.code(), (status, code.into()), "{new_email}");
        assert_eq!(answer.json()["field"], field, "{new_email}");
    }
    let body = json!({"new_email": MOVED, "current_password": OLD});
    let anonymous = client.post("/auth/change-email", body).await;
    assert_eq!(anonymous.code(), (401, "token_missing".into()));
    assert!(world.queued_mail().is_empty());
}

#[tokio::test]
async fn e2_who_signed_up_with_anothers_address_is_out_once_its_owner_resets_the_password() {
    let world = testing_with(|_, settings| settings.email_verification = EmailVerification::Asked);
    let client = Client::of(&world);
    let intruder = client.first_session().await;
    let moving = email_change_token(&world, &client, &intruder, EVE).await;
    let reset = json!({"token": reset_token(&world, &client).await, "new_password": NEW});
    assert_eq!(client.post("/auth/reset-password", reset).await.status, StatusCode::OK);
    assert!(!client.is_alive(&intruder).await);
    assert_eq!(client.login(OLD).await.code().0, 401);
    let late = client.post("/auth/change-email/confirm", token(&moving)).await;
    assert_eq!(late.code(), (400, "link_invalid".into()));
    assert!(client.is_alive(&Session::of(&client.login(NEW).await)).await);
}

#[tokio::test]
async fn who_asks_for_too_many_other_addresses_is_told_when_to_come_back() {
    let world = testing();
    let client = Client::of(&world);
    let session = client.first_session().await;
    let ask = async |new_email: &str| {
        let body = json!({"new_email": new_email, "current_password": OLD});
        client.post_as(&session.access, "/auth/change-email", body).await
    };
    for number in 0..5 {
        assert_eq!(ask(&format!("ann{number}@example.com")).await.status, StatusCode::ACCEPTED);
    }
    let limited = ask("one-more@example.com").await;
    assert_eq!(limited.code(), (429, "rate_limited".into()));
    assert_eq!(limited.header("retry-after"), Some("720"));
}
