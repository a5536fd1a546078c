//! Faults.

use std::sync::Arc;

use adapters_http::HttpOptions;
use adapters_local::memory::{MailFault, MemoryUsers};
use adapters_local::{testing, testing_with};
use auth_domain::ports::{
    CredentialUpdate, EmailChange, EmailUpdate, Insert, Rotated, Rotation, SessionStore, Update,
    UserKey, UserStore,
};
use auth_domain::{
    CredentialVersion, Email, Locale, PortError, PortErrorKind, Session, SessionKey, Timestamp,
    User, UserId,
};
use axum::body::Body;
use axum::http::StatusCode;
use serde_json::json;

use crate::client::{Client, NEW, OLD, ann, email_change_token, verification_token};

struct BrokenStore(PortErrorKind);

impl BrokenStore {
    fn fail<T>(&self) -> Result<T, PortError> {
        Err(PortError::new(self.0, "user_store.any").caused_by("canary: the cause"))
    }
}

#[async_trait::async_trait]
impl UserStore for BrokenStore {
    async fn find_by_email(&self, _: &Email) -> Result<Option<User>, PortError> {
        self.fail()
    }
    async fn find_by_id(&self, _: UserId) -> Result<Option<User>, PortError> {
        self.fail()
    }
    async fn insert(&self, _: User) -> Result<Insert, PortError> {
        if self.0 == PortErrorKind::Rejected {
            panic!("canary: the panic")
        }
        self.fail()
    }
    async fn update_credentials(&self, _: CredentialUpdate) -> Result<Update, PortError> {
        self.fail()
    }
    async fn change_email(&self, _: EmailChange) -> Result<EmailUpdate, PortError> {
        self.fail()
    }
    async fn touch_last_login(&self, _: &UserKey, _: Timestamp) -> Result<Update, PortError> {
        self.fail()
    }
    async fn delete(&self, _: &UserKey, _: Option<CredentialVersion>) -> Result<Update, PortError> {
        self.fail()
    }
}

#[tokio::test]
async fn a_fault_is_a_503_or_a_500_without_its_cause_and_the_service_lives_on() {
    for (kind, status, code) in [
        (PortErrorKind::Unavailable, 503, "unavailable"),
        (PortErrorKind::Corrupt, 500, "internal_error"),
        (PortErrorKind::Rejected, 500, "internal_error"),
    ] {
        let world = testing_with(|ports, _| ports.users = Arc::new(BrokenStore(kind)));
        let client = Client::of(&world);
        let answer = client.register().await;
        assert_eq!(answer.code(), (status, code.into()));
        assert!(!answer.text.contains("canary"));
        assert_eq!(answer.header("retry-after"), (status == 503).then_some("1"));
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert_eq!(client.get("/healthz", &[]).await.json(), json!({"status": "ok"}));
    }
}

#[tokio::test]
async fn a_panic_is_answered_in_the_configured_language() {
    let world =
        testing_with(|ports, _| ports.users = Arc::new(BrokenStore(PortErrorKind::Rejected)));
    let mut options = HttpOptions::default();
    options.default_locale = Locale::KO;
    let answer = Client::with(&world, options).register().await;
    assert_eq!(answer.json()["error"], "서버 내부 오류가 발생했습니다.");
}

#[tokio::test]
async fn no_accept_language_header_is_too_much() {
    let client = Client::of(&testing());
    // Weights without an order: sorting by them has made servers panic.
    let unordered: Vec<String> = (0..40)
        .map(|n| format!("a;q={}", if n % 2 == 0 { "nan".into() } else { format!("0.{n}") }))
        .collect();
    for language in [unordered.join(","), ",;q".repeat(2000), "ko;q=\u{7f}".replace('\u{7f}', "-")]
    {
        let answer = client.post_raw("/auth/login", "{}", Some(&language)).await;
        assert_eq!(answer.code(), (400, "field_missing".into()));
        assert_eq!(answer.header("content-language"), Some("en"));
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_read_looks_like_a_wrong_password() {
    let world =
        testing_with(|ports, _| ports.users = Arc::new(BrokenStore(PortErrorKind::Corrupt)));
    assert_eq!(Client::of(&world).login(OLD).await.code(), (401, "credentials_rejected".into()));
}

#[tokio::test]
async fn a_mail_service_that_is_down_changes_no_answer() {
    let world = testing();
    let client = Client::of(&world);
    client.register().await;
    world.mailbox.fail_next([MailFault::Transient]);
    let answer = client.post("/auth/forgot-password", json!({"email": "ann@example.com"})).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(world.deliver_mail().await, [None]);
    assert!(world.reset_token(&ann()).is_none());
    world.deliver_mail().await;
    assert!(world.reset_token(&ann()).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let client = Client::of(&testing());
    let never =
        Body::from_stream(futures_util::stream::pending::<Result<String, std::io::Error>>());
    let answer = client.post_raw("/auth/login", never, None).await;
    assert_eq!(answer.code(), (408, "request_timeout".into()));
    assert_eq!(answer.header("connection"), Some("close"));
}

/// A store whose accounts are changed by somebody else between each read and write.
struct Contended(MemoryUsers);

#[async_trait::async_trait]
impl UserStore for Contended {
    async fn find_by_email(&self, email: &Email) -> Result<Option<User>, PortError> {
        self.0.find_by_email(email).await
    }
    async fn find_by_id(&self, id: UserId) -> Result<Option<User>, PortError> {
        self.0.find_by_id(id).await
    }
    async fn insert(&self, user: User) -> Result<Insert, PortError> {
        self.0.insert(user).await
    }
    async fn update_credentials(&self, _: CredentialUpdate) -> Result<Update, PortError> {
        Ok(Update::Stale)
    }
    async fn change_email(&self, _: EmailChange) -> Result<EmailUpdate, PortError> {
        Ok(EmailUpdate::Stale)
    }
    async fn touch_last_login(&self, key: &UserKey, at: Timestamp) -> Result<Update, PortError> {
        self.0.touch_last_login(key, at).await
    }
    async fn delete(
        &self,
        key: &UserKey,
        expected: Option<CredentialVersion>,
    ) -> Result<Update, PortError> {
        self.0.delete(key, expected).await
    }
}

#[tokio::test]
async fn who_loses_a_race_for_his_account_is_told_so_and_his_links_are_void() {
    let world = testing_with(|ports, _| ports.users = Arc::new(Contended(MemoryUsers::new())));
    let client = Client::of(&world);
    let session = client.first_session().await;
    let body = json!({"current_password": OLD, "new_password": NEW});
    let change = client.post_as(&session.access, "/auth/change-password", body).await;
    assert_eq!(change.code(), (409, "conflict".into()));
    let verification = verification_token(&world, &client).await;
    let moving = email_change_token(&world, &client, &session, "new@example.com").await;
    for (path, token) in
        [("/auth/verify-email", verification), ("/auth/change-email/confirm", moving)]
    {
        let answer = client.post(path, json!({"token": token})).await;
        assert_eq!(answer.code(), (400, "link_invalid".into()), "{path}");
    }
    assert!(client.is_alive(&session).await);
}

#[tokio::test]
async fn a_store_that_is_down_is_a_503_in_every_call_that_asks_it() {
    let issued = Client::of(&testing()).first_session().await;
    let (access, refresh) = (issued.access, issued.refresh);
    let world =
        testing_with(|ports, _| ports.users = Arc::new(BrokenStore(PortErrorKind::Unavailable)));
    let down = testing_with(|ports, _| ports.sessions = Arc::new(BrokenSessions));
    let change = json!({"current_password": OLD, "new_password": NEW});
    let moving = json!({"current_password": OLD, "new_email": "new@example.com"});
    let (client, path) = (Client::of(&down), "/auth/sessions/00000000-0000-4000-8000-000000000000");
    assert_eq!(client.register().await.status, StatusCode::CREATED);
    // Both worlds sign by one secret.
    for answer in [
        Client::of(&world).register().await,
        Client::of(&world).login(OLD).await,
        client.login(OLD).await,
        client.refresh(&refresh).await,
        client.post("/auth/logout", json!({"refresh_token": refresh})).await,
        client.get_as(&access, "/auth/sessions").await,
        client.delete_as(&access, "/auth/sessions").await,
        client.delete_as(&access, path).await,
        client.post_as(&access, "/auth/change-password", change).await,
        client.post_as(&access, "/auth/change-email", moving).await,
        client.delete_as(&access, "/auth/me").await,
    ] {
        assert_eq!(answer.code(), (503, "unavailable".into()));
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert!(!answer.text.contains("canary"));
    }
}

/// Sessions that cannot be reached.
struct BrokenSessions;

impl BrokenSessions {
    fn fail<T>() -> Result<T, PortError> {
        let error = PortError::new(PortErrorKind::Unavailable, "session_store.any");
        Err(error.caused_by("canary: the cause"))
    }
}

#[async_trait::async_trait]
impl SessionStore for BrokenSessions {
    async fn create(&self, _: Session) -> Result<(), PortError> {
        Self::fail()
    }
    async fn find(&self, _: &SessionKey) -> Result<Option<Session>, PortError> {
        Self::fail()
    }
    async fn rotate(&self, _: Rotation) -> Result<Rotated, PortError> {
        Self::fail()
    }
    async fn restamp(
        &self,
        _: &SessionKey,
        _: CredentialVersion,
        _: CredentialVersion,
    ) -> Result<Update, PortError> {
        Self::fail()
    }
    async fn list(&self, _: UserId) -> Result<Vec<Session>, PortError> {
        Self::fail()
    }
    async fn end(&self, _: &SessionKey) -> Result<Update, PortError> {
        Self::fail()
    }
    async fn end_all(&self, _: UserId, _: Option<CredentialVersion>) -> Result<(), PortError> {
        Self::fail()
    }
}
