//! No byte of an answer depends on whether the address that a request names has an account, or on what
//! that is like. `adapters-local/tests/enumeration.rs` holds the cost to the same.

use std::time::Duration;

use adapters_local::{Testing, testing_with};
use auth_domain::ports::UserStore;
use auth_domain::{
    CredentialVersion, Delivery, DisplayName, Email, EmailVerification, MasterSecret, PasswordHash,
    RegistrationMode, RequestContext, Settings, Timestamp, User, UserId,
};
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::client::{
    ANN, Client, EVE, NEW, OLD, Session, ann, email_change_token, reset_token, verification_token,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Account {
    Missing,
    Good,
    Unverified,
    Disabled,
    WithoutPassword,
    WithMalformedHash,
    /// A link is out, and no more mails are sent.
    WithAllItsMails,
}

use Account::*;

const ALL: [Account; 7] =
    [Missing, Good, Unverified, Disabled, WithoutPassword, WithMalformedHash, WithAllItsMails];

/// `printf %s "correct horse battery" | sha256sum`
const SHA256_OF_OLD: &str = "9028ea0d15decaa35b2da21c0290af3b1a5ba0a30a591906f89b5074e209ea72";

fn private(settings: &mut Settings) {
    settings.email_verification = EmailVerification::RequireVerified;
    settings.registration = RegistrationMode::Private;
}

async fn keep(world: &Testing, account: Account, email: Email, id: u8) {
    let at = Timestamp::from_seconds(1_600_000_000);
    let hash = match account {
        Missing => return,
        WithoutPassword => None,
        WithMalformedHash => Some(PasswordHash::from_stored("$argon2id$v=19$m=19456")),
        Good | Unverified | Disabled | WithAllItsMails => {
            Some(PasswordHash::from_stored(SHA256_OF_OLD))
        }
    };
    let user = User {
        id: UserId::from_entropy_bytes([id; 16]),
        email: email.clone(),
        name: DisplayName::parse("Ann").unwrap(),
        password_hash: hash,
        credential_version: CredentialVersion::FIRST,
        disabled: account == Disabled,
        email_verified_at: (account != Unverified).then_some(at),
        created_at: at,
        updated_at: at,
        last_login: None,
    };
    world.users.insert(user).await.unwrap();
    if account == WithAllItsMails {
        ask_for_mails_until_none_is_sent(world, &email).await;
    }
}

/// From no source, so that the limits of the client that comes next are untouched.
async fn ask_for_mails_until_none_is_sent(world: &Testing, email: &Email) {
    let context = RequestContext::new();
    loop {
        world.clock.advance(Duration::from_secs(1));
        world.auth.request_password_reset(email.clone(), &context).await.unwrap();
        if world.deliver_mail().await != [Some(Delivery::Sent)] {
            break;
        }
    }
}

/// Links to Ann's address that another service made: to reset, to verify, to move.
async fn forged_links() -> [String; 3] {
    let world = testing_with(|_, settings| {
        settings.master_secret = MasterSecret::new([8; 32]).unwrap();
    });
    let client = Client::of(&world);
    let session = client.first_session().await;
    let verify = verification_token(&world, &client).await;
    let change = email_change_token(&world, &client, &session, EVE).await;
    [reset_token(&world, &client).await, verify, change]
}

/// What strangers can send about Ann's address.
fn requests(links: &[String; 3], login: &str) -> Vec<(&'static str, Value)> {
    let [reset, verify, change] = links;
    let password = |password: &str| json!({"email": ANN, "password": password});
    let mut requests = vec![
        ("login", password(login)),
        ("login", password("")),
        ("login", password(&"x".repeat(4_097))),
        ("register", json!({"email": ANN, "password": NEW, "name": "Eve"})),
        ("forgot-password", json!({"email": ANN})),
        ("verify-email/resend", json!({"email": ANN})),
        ("reset-password", json!({"token": reset, "new_password": NEW})),
        ("reset-password", json!({"token": reset, "new_password": "short"})),
        ("verify-email", json!({"token": verify})),
        ("change-email/confirm", json!({"token": change})),
    ];
    requests.extend((0..5).map(|_| ("login", password("a wrong guess"))));
    requests
}

type Answers = Vec<(StatusCode, HeaderMap, String)>;

async fn answers(account: Account, links: &[String; 3]) -> Answers {
    let world = testing_with(|_, settings| private(settings));
    keep(&world, account, ann(), 1).await;
    let client = Client::of(&world);
    let login = if matches!(account, Good | WithAllItsMails) { "a wrong guess" } else { OLD };
    let mut answers = Vec::new();
    for (path, body) in requests(links, login) {
        answers.push(client.post(&format!("/auth/{path}"), body).await.whole());
    }
    answers
}

#[tokio::test]
async fn no_byte_of_an_answer_depends_on_the_account() {
    let links = forged_links().await;
    let of_nobody = answers(Missing, &links).await;
    let statuses: Vec<u16> = of_nobody.iter().map(|(status, ..)| status.as_u16()).collect();
    assert_eq!(
        statuses,
        [401, 400, 400, 202, 200, 202, 400, 400, 400, 400, 401, 401, 401, 401, 429]
    );
    for account in ALL {
        let answers = answers(account, &links).await;
        for ((answer, of_nobody), (path, body)) in
            answers.iter().zip(&of_nobody).zip(requests(&links, OLD))
        {
            assert_eq!(answer, of_nobody, "{account:?} at {path} with {body}");
        }
    }
}

#[tokio::test]
async fn no_byte_of_the_answer_to_who_asks_to_move_depends_on_the_account_at_the_new_address() {
    let mut answers = Vec::new();
    for account in ALL {
        let world = testing_with(|_, settings| private(settings));
        keep(&world, account, ann(), 1).await;
        keep(&world, Good, Email::parse(EVE).unwrap(), 2).await;
        let client = Client::of(&world);
        let session = Session::of(&client.login_as(EVE, OLD).await);
        let body = json!({"new_email": ANN, "current_password": OLD});
        let answer = client.post_as(&session.access, "/auth/change-email", body).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{account:?}: {}", answer.text);
        answers.push(answer.whole());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
}
