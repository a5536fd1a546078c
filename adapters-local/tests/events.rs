//! One event for each outcome of each use case, under the id of its request.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use adapters_local::{Testing, testing_with};
use async_trait::async_trait;
use auth_domain::ports::{MailQueue, RateDecision, RateLimiter, UserKey};
use auth_domain::{
    AccountCall, ChangeEmailRequest, ChangePasswordRequest, Claims, DisplayName, Email,
    EmailChangeToken, ErrorCode, EventKind, FailurePolicy, LimitKey, LoginFailure, LoginRequest,
    MailJob, Password, PortError, PortErrorKind, RateLimit, RefreshToken, RegisterRequest,
    RequestContext, RequestId, ResetRequest, ResetToken, SessionId, SkipReason, Timestamp,
    VerificationToken,
};

const PASSWORD: &str = "correct horse battery";

/// A world whose calls are each told apart by a request id.
struct Watched {
    world: Testing,
    calls: u32,
    seen: usize,
}

impl Watched {
    fn new(world: Testing) -> Self {
        Self { world, calls: 0, seen: 0 }
    }

    fn next(&mut self) -> RequestContext {
        self.calls += 1;
        let id = RequestId::parse(&format!("call-{}", self.calls)).unwrap();
        RequestContext::new().from_source([192, 0, 2, 1].into()).with_request_id(Some(id))
    }

    /// What the last call recorded, which is all under its id and from its source.
    fn recorded(&mut self) -> Vec<EventKind> {
        let events = self.world.events.all().split_off(self.seen);
        self.seen += events.len();
        for event in &events {
            let id = event.request_id.map(|id| id.to_string());
            assert_eq!(id, Some(format!("call-{}", self.calls)), "{event:?}");
            assert!(event.source.is_some(), "{event:?}");
        }
        events.iter().map(|event| event.kind).collect()
    }

    async fn claims(&mut self) -> (Claims, RefreshToken) {
        let context = self.next();
        let login = self.world.auth.login(login(PASSWORD), &context).await.unwrap();
        assert_eq!(self.recorded(), [EventKind::LoggedIn]);
        let token = login.access_token.expose();
        (self.world.auth.authenticate(token).await.unwrap(), login.refresh_token)
    }

    fn link(&self, to: &str) -> String {
        self.world.link_token(&email(to)).unwrap()
    }

    /// Mails belong to no request.
    async fn deliver(&mut self) -> Vec<EventKind> {
        self.world.deliver_mail().await;
        let events = self.world.events.all().split_off(self.seen);
        self.seen += events.len();
        assert!(events.iter().all(|event| event.request_id.is_none()));
        events.iter().map(|event| event.kind).collect()
    }
}

fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

fn password(text: &str) -> Password {
    Password::new(text).unwrap()
}

fn login(text: &str) -> LoginRequest {
    LoginRequest { email: email("ann@example.com"), password: password(text) }
}

fn register() -> RegisterRequest {
    let name = DisplayName::parse("Ann").unwrap();
    RegisterRequest { email: email("ann@example.com"), password: password(PASSWORD), name }
}

const fn done(call: AccountCall) -> [EventKind; 1] {
    [EventKind::AccountCallDone { call }]
}

const fn refused(call: AccountCall, code: ErrorCode) -> [EventKind; 1] {
    [EventKind::AccountCallRefused { call, code }]
}

#[tokio::test]
async fn who_comes_in_and_who_does_not_is_one_event_under_the_id_of_the_request() {
    let mut watched = Watched::new(testing_with(|_, _| {}));
    let auth = watched.world.auth.clone();
    auth.register(register(), &watched.next()).await.unwrap();
    assert_eq!(watched.recorded(), [EventKind::Registered]);
    auth.register(register(), &watched.next()).await.unwrap_err();
    assert_eq!(watched.recorded(), [EventKind::RegisterRefused { code: ErrorCode::EmailTaken }]);
    auth.login(login("another staple"), &watched.next()).await.unwrap_err();
    let failure = Some(LoginFailure::WrongPassword);
    let code = ErrorCode::CredentialsRejected;
    assert_eq!(watched.recorded(), [EventKind::LoginRefused { code, failure }]);

    let (_, first) = watched.claims().await;
    let second = auth.refresh(first.clone(), &watched.next()).await.unwrap();
    assert_eq!(watched.recorded(), [EventKind::SessionRefreshed]);
    auth.refresh(second.refresh_token, &watched.next()).await.unwrap();
    assert_eq!(watched.recorded(), [EventKind::SessionRefreshed]);
    auth.refresh(first.clone(), &watched.next()).await.unwrap_err();
    let code = ErrorCode::RefreshTokenInvalid;
    let expected = [EventKind::RefreshTokenReused, EventKind::RefreshRefused { code }];
    assert_eq!(watched.recorded(), expected);
    auth.logout(first, &watched.next()).await.unwrap();
    assert_eq!(watched.recorded(), done(AccountCall::Logout));
    auth.authenticate_request("junk", &watched.next()).await.unwrap_err();
    assert_eq!(watched.recorded(), [EventKind::TokenRefused]);
}

#[tokio::test]
async fn what_becomes_of_a_password_and_an_address_is_one_event_under_the_id_of_the_request() {
    let mut watched = Watched::new(testing_with(|_, _| {}));
    let auth = watched.world.auth.clone();
    auth.register(register(), &watched.next()).await.unwrap();
    watched.recorded();

    auth.request_verification(email("ann@example.com"), &watched.next()).await.unwrap();
    assert_eq!(watched.recorded(), done(AccountCall::RequestVerification));
    assert_eq!(watched.deliver().await, [EventKind::MailSent]);
    let token = VerificationToken::parse(&watched.link("ann@example.com")).unwrap();
    auth.verify_email(token, &watched.next()).await.unwrap();
    assert_eq!(watched.recorded(), done(AccountCall::VerifyEmail));

    auth.request_password_reset(email("ann@example.com"), &watched.next()).await.unwrap();
    assert_eq!(watched.recorded(), [EventKind::PasswordResetRequested]);
    assert_eq!(watched.deliver().await, [EventKind::MailSent]);
    let token = watched.link("ann@example.com");
    let reset = || {
        let token = ResetToken::parse(&token).unwrap();
        ResetRequest { token, new_password: password(PASSWORD) }
    };
    auth.reset_password(reset(), &watched.next()).await.unwrap();
    assert_eq!(watched.recorded(), [EventKind::PasswordReset]);
    auth.reset_password(reset(), &watched.next()).await.unwrap_err();
    let code = ErrorCode::ResetTokenInvalid;
    assert_eq!(watched.recorded(), [EventKind::PasswordResetRefused { code }]);
    watched.deliver().await;

    let (claims, _) = watched.claims().await;
    let change = ChangePasswordRequest {
        current_password: password("no such staple"),
        new_password: password("a brand new staple"),
    };
    auth.change_password(&claims, change, &watched.next()).await.unwrap_err();
    let call = AccountCall::ChangePassword;
    assert_eq!(watched.recorded(), refused(call, ErrorCode::PasswordWrong));
    let current_password = password(PASSWORD);
    let change = ChangeEmailRequest { new_email: email("b@example.com"), current_password };
    auth.request_email_change(&claims, change, &watched.next()).await.unwrap();
    assert_eq!(watched.recorded(), done(AccountCall::RequestEmailChange));
    assert_eq!(watched.deliver().await, [EventKind::MailSent]);
    let token = EmailChangeToken::parse(&watched.link("b@example.com")).unwrap();
    auth.confirm_email_change(token, &watched.next()).await.unwrap();
    assert_eq!(watched.recorded(), done(AccountCall::ConfirmEmailChange));
}

#[tokio::test]
async fn what_becomes_of_sessions_and_an_account_is_one_event_under_the_id_of_the_request() {
    let mut watched = Watched::new(testing_with(|_, _| {}));
    let auth = watched.world.auth.clone();
    auth.register(register(), &watched.next()).await.unwrap();
    watched.recorded();
    let (claims, _) = watched.claims().await;
    auth.list_sessions(&claims, &watched.next()).await.unwrap();
    assert_eq!(watched.recorded(), done(AccountCall::ListSessions));
    let another = SessionId::from_entropy_bytes([1; 16]);
    auth.end_session(&claims, another, &watched.next()).await.unwrap_err();
    let call = AccountCall::EndSession;
    assert_eq!(watched.recorded(), refused(call, ErrorCode::SessionNotFound));
    auth.end_all_sessions(&claims, &watched.next()).await.unwrap();
    assert_eq!(watched.recorded(), done(AccountCall::EndAllSessions));
    auth.list_sessions(&claims, &watched.next()).await.unwrap_err();
    assert_eq!(watched.recorded(), refused(AccountCall::ListSessions, ErrorCode::TokenInvalid));

    let key = UserKey { email: email("ann@example.com"), id: claims.user_id };
    auth.admin().force_password_change(&key, &watched.next()).await.unwrap();
    assert_eq!(watched.recorded(), done(AccountCall::ForcePasswordChange));
    auth.admin().delete(&key, &watched.next()).await.unwrap();
    assert_eq!(watched.recorded(), done(AccountCall::DeleteAccount));
    let unknown = EventKind::MailSkipped { reason: SkipReason::UnknownAccount };
    assert_eq!(watched.deliver().await, [unknown, EventKind::MailSent]);
}

struct Down;

#[async_trait]
impl MailQueue for Down {
    async fn enqueue(&self, _: MailJob) -> Result<(), PortError> {
        Err(PortError::new(PortErrorKind::Unavailable, "mail_queue.enqueue"))
    }
}

#[async_trait]
impl RateLimiter for Down {
    async fn hit(
        &self,
        _: LimitKey,
        _: RateLimit,
        _: Timestamp,
    ) -> Result<RateDecision, PortError> {
        Err(PortError::new(PortErrorKind::Throttled, "rate_limiter.hit"))
    }
}

#[tokio::test]
async fn a_fault_is_an_event_of_its_own_beside_the_outcome_and_under_the_same_id() {
    let mut watched = Watched::new(testing_with(|ports, settings| {
        ports.mail_queue = Arc::new(Down);
        ports.limiter = Arc::new(Down);
        settings.on_limiter_failure = FailurePolicy::Allow;
    }));
    let auth = watched.world.auth.clone();
    let outcome = auth.request_password_reset(email("ann@example.com"), &watched.next()).await;
    outcome.unwrap_err();
    let failed = |operation, kind| EventKind::PortFailed { operation, kind };
    let expected = [
        failed("rate_limiter.hit", PortErrorKind::Throttled),
        EventKind::LimitsUnavailable,
        failed("mail_queue.enqueue", PortErrorKind::Unavailable),
        EventKind::PasswordResetRequestRefused { code: ErrorCode::Unavailable },
    ];
    assert_eq!(watched.recorded(), expected);
    assert!(expected[..3].iter().all(|kind| kind.is_fault()) && !expected[3].is_fault());
}

/// A limiter that never answers.
struct Silent;

#[async_trait]
impl RateLimiter for Silent {
    async fn hit(
        &self,
        _: LimitKey,
        _: RateLimit,
        _: Timestamp,
    ) -> Result<RateDecision, PortError> {
        std::future::pending().await
    }
}

/// Begins a call and gives it up.
fn give_up(call: impl Future) {
    let begun = pin!(call).poll(&mut Context::from_waker(Waker::noop()));
    assert!(begun.is_pending());
}

#[test]
fn a_call_that_is_given_up_is_one_event_and_one_that_never_began_is_none() {
    let mut watched = Watched::new(testing_with(|ports, _| ports.limiter = Arc::new(Silent)));
    let auth = watched.world.auth.clone();
    let context = watched.next();
    drop(auth.login(login(PASSWORD), &context));
    assert_eq!(watched.recorded(), []);
    give_up(auth.login(login(PASSWORD), &context));
    assert_eq!(watched.recorded(), [EventKind::CallGivenUp { use_case: "login" }]);
    give_up(auth.request_password_reset(email("ann@example.com"), &context));
    let use_case = "request_password_reset";
    assert_eq!(watched.recorded(), [EventKind::CallGivenUp { use_case }]);
}
