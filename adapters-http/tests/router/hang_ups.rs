//! Clients that hang up before they are answered.

use std::sync::Arc;

use adapters_local::{Testing, testing_with};
use async_trait::async_trait;
use auth_domain::ports::{MailQueue, TokenIssuer};
use auth_domain::{AccountCall, Claims, Email, EventKind, MailJob, PortError, Ports, SignedToken};
use axum::http::{Method, StatusCode};
use futures_util::FutureExt;
use serde_json::json;

use crate::client::{Client, NEW, OLD, Session, email_change_token, reset_token};

/// Not done at once, as what is behind a network never is.
struct Elsewhere<T: ?Sized>(Arc<T>);

#[async_trait]
impl MailQueue for Elsewhere<dyn MailQueue> {
    async fn enqueue(&self, job: MailJob) -> Result<(), PortError> {
        tokio::task::yield_now().await;
        self.0.enqueue(job).await
    }
}

#[async_trait]
impl TokenIssuer for Elsewhere<dyn TokenIssuer> {
    async fn issue(&self, claims: &Claims) -> Result<SignedToken, PortError> {
        tokio::task::yield_now().await;
        self.0.issue(claims).await
    }
}

fn elsewhere(ports: &mut Ports) {
    ports.mail_queue = Arc::new(Elsewhere(Arc::clone(&ports.mail_queue)));
    ports.token_issuer = Arc::new(Elsewhere(Arc::clone(&ports.token_issuer)));
}

/// Begins a call and hangs up as soon as it waits for something.
async fn hang_up<T>(call: impl Future<Output = T>) {
    assert!(call.now_or_never().is_none(), "the call was done at once");
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

fn is_done(world: &Testing, call: AccountCall) -> bool {
    world.events.all().iter().any(|event| event.kind == EventKind::AccountCallDone { call })
}

async fn start() -> (Testing, Client, Session) {
    let world = testing_with(|ports, _| elsewhere(ports));
    let client = Client::of(&world);
    let session = client.first_session().await;
    (world, client, session)
}

#[tokio::test]
async fn a_change_of_password_is_finished_without_its_client() {
    let (world, client, session) = start().await;
    let body = json!({"current_password": OLD, "new_password": NEW});
    hang_up(client.post_as(&session.access, "/auth/change-password", body)).await;
    assert!(is_done(&world, AccountCall::ChangePassword));
    assert_eq!(client.login(NEW).await.status, StatusCode::OK);
    assert!(client.is_alive(&session).await);
}

#[tokio::test]
async fn a_reset_is_finished_without_its_client() {
    let (world, client, _) = start().await;
    let token = reset_token(&world, &client).await;
    let body = json!({"token": token, "new_password": NEW});
    hang_up(client.post("/auth/reset-password", body)).await;
    assert_eq!(client.login(NEW).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_move_to_another_address_is_finished_without_its_client() {
    let (world, client, session) = start().await;
    let moved = "ann@moved.example";
    let token = email_change_token(&world, &client, &session, moved).await;
    hang_up(client.post("/auth/change-email/confirm", json!({"token": token}))).await;
    assert!(is_done(&world, AccountCall::ConfirmEmailChange));
    assert!(world.auth.admin().look_up(&Email::parse(moved).unwrap()).await.is_ok());
}

#[tokio::test]
async fn a_deletion_is_finished_without_its_client() {
    let (world, client, session) = start().await;
    hang_up(client.call_as(&session.access, Method::DELETE, "/auth/me", None)).await;
    assert!(is_done(&world, AccountCall::DeleteAccount));
    assert_eq!(client.login(OLD).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_refresh_is_finished_without_its_client_who_asks_again() {
    let (world, client, session) = start().await;
    hang_up(client.refresh(&session.refresh)).await;
    let events = world.events.all();
    assert!(events.iter().any(|event| event.kind == EventKind::SessionRefreshed));
    assert!(client.is_alive(&session).await, "the same token, within the window");
}
