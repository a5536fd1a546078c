//! The use cases over the DynamoDB stores, everything else being the parts of unit tests.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use adapters_aws::dynamodb::{
    DynamoAttempts, DynamoRateLimiter, DynamoResetTokens, DynamoSessions, DynamoUsers,
};
use adapters_aws::{AwsSettings, clients};
use adapters_local::{Testing, testing_with};
use auth_domain::ports::Clock;
use auth_domain::{
    ChangeEmailRequest, ChangePasswordError, ChangePasswordRequest, Claims, ConfirmEmailError,
    DeleteAccountError, DisplayName, Email, EmailChangeToken, Login, LoginError, LoginRequest,
    Password, PasswordChanged, PasswordReset, Ports, RateLimits, RefreshError, RefreshToken,
    Refreshed, RegisterError, RegisterRequest, RequestContext, ResetError, ResetRequest,
    ResetToken, Settings, Timestamp,
};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{Credentials, Region};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_types::sdk_config::TimeSource;

use crate::dynamo::Dynamo;
use crate::proxy::Proxy;

pub(crate) struct World {
    pub(crate) dynamo: Dynamo,
    pub(crate) proxy: Proxy,
    pub(crate) sessions: DynamoSessions,
    pub(crate) testing: Testing,
    pub(crate) users: DynamoUsers,
    seconds: Seconds,
}

pub(crate) const OLD: &str = "correct horse battery";
pub(crate) const NEW: &str = "a brand new staple";

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_, _| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Ports, &mut Settings)) -> Self {
        Self::with_tries(AwsSettings::default().max_attempts, change).await
    }

    /// Where what fails for ever is told soon.
    pub(crate) async fn hasty() -> Self {
        Self::with_tries(const { NonZeroU32::new(3).unwrap() }, |_, _| {}).await
    }

    async fn with_tries(tries: NonZeroU32, change: impl FnOnce(&mut Ports, &mut Settings)) -> Self {
        let dynamo = Dynamo::start("t-").await;
        let proxy = Proxy::before(&dynamo.endpoint).await;
        let seconds = Seconds::default();
        let client = impatient_client(&proxy.endpoint, tries, seconds.clone()).await;
        let users = DynamoUsers::new(client.clone(), "t-users");
        let sessions = DynamoSessions::new(client.clone(), "t-sessions");
        let testing = testing_with(|ports, settings| {
            ports.users = Arc::new(users.clone());
            ports.sessions = Arc::new(sessions.clone());
            ports.reset_tokens =
                Arc::new(DynamoResetTokens::new(client.clone(), "t-password-resets"));
            ports.attempts = Arc::new(DynamoAttempts::new(client.clone(), "t-attempts"));
            ports.limiter = Arc::new(DynamoRateLimiter::new(client, "t-rate-limits"));
            // One key for everybody is no key for DynamoDB: a limit of an instance's own, at no price here.
            settings.limits.logins_global = None;
            settings.limits.registrations_global = None;
            change(ports, settings);
        });
        Self { dynamo, proxy, sessions, testing, users, seconds }
    }

    /// Lets the SDK's clock go on.
    pub(crate) fn pass_seconds(&self, seconds: u64) {
        self.seconds.0.fetch_add(seconds, Ordering::SeqCst);
    }

    /// Where nothing is limited, for crowds.
    pub(crate) async fn unlimited() -> Self {
        Self::with(|_, settings| settings.limits = RateLimits::danger_off()).await
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.testing.clock.now()
    }

    pub(crate) async fn register(&self, password: &str) -> Result<(), RegisterError> {
        self.register_as(ann(), password).await
    }

    pub(crate) async fn register_as(
        &self,
        email: Email,
        password: &str,
    ) -> Result<(), RegisterError> {
        let name = DisplayName::parse("Ann").unwrap();
        let request = RegisterRequest { email, password: typed(password), name };
        self.testing.auth.register(request, &RequestContext::new()).await.map(drop)
    }

    pub(crate) async fn login(&self, password: &str) -> Result<Login, LoginError> {
        self.login_as(ann(), password).await
    }

    pub(crate) async fn login_as(&self, email: Email, password: &str) -> Result<Login, LoginError> {
        let request = LoginRequest { email, password: typed(password) };
        self.testing.auth.login(request, &RequestContext::new()).await
    }

    pub(crate) async fn forget(&self) {
        self.testing.clock.advance(Duration::from_secs(1));
        let auth = &self.testing.auth;
        auth.request_password_reset(ann(), &RequestContext::new()).await.unwrap();
    }

    pub(crate) async fn link(&self) -> ResetToken {
        self.forget().await;
        self.testing.deliver_mail().await;
        self.testing.reset_token(&ann()).unwrap()
    }

    pub(crate) async fn reset(&self, token: &ResetToken) -> Result<PasswordReset, ResetError> {
        let token = ResetToken::parse(&token.expose()).unwrap();
        let request = ResetRequest { token, new_password: typed(NEW) };
        self.testing.auth.reset_password(request, &RequestContext::new()).await
    }
}

impl World {
    pub(crate) async fn refresh(&self, token: &RefreshToken) -> Result<Refreshed, RefreshError> {
        self.testing.auth.refresh(token.clone(), &RequestContext::new()).await
    }

    /// What the access token of a login says.
    pub(crate) async fn claims(&self, login: &Login) -> Claims {
        self.testing.auth.authenticate(login.access_token.expose()).await.unwrap()
    }

    pub(crate) async fn change_password(
        &self,
        login: &Login,
    ) -> Result<PasswordChanged, ChangePasswordError> {
        let request =
            ChangePasswordRequest { current_password: typed(OLD), new_password: typed(NEW) };
        let claims = self.claims(login).await;
        self.testing.auth.change_password(&claims, request, &RequestContext::new()).await
    }

    /// The token of the link that moves the account of a login.
    pub(crate) async fn move_link(&self, login: &Login, to: &str) -> String {
        let new_email = Email::parse(to).unwrap();
        let request =
            ChangeEmailRequest { new_email: new_email.clone(), current_password: typed(OLD) };
        let (auth, claims) = (&self.testing.auth, self.claims(login).await);
        auth.request_email_change(&claims, request, &RequestContext::new()).await.unwrap();
        self.testing.deliver_mail().await;
        let mails = self.testing.mailbox.all();
        let mail = mails.iter().rev().find(|mail| mail.to == new_email).unwrap();
        let (_, token) = mail.content.text.split_once("token=").unwrap();
        token.lines().next().unwrap().to_owned()
    }

    pub(crate) async fn move_by(&self, token: &str) -> Result<(), ConfirmEmailError> {
        let token = EmailChangeToken::parse(token).unwrap();
        self.testing.auth.confirm_email_change(token, &RequestContext::new()).await
    }

    pub(crate) async fn delete_account(&self, login: &Login) -> Result<(), DeleteAccountError> {
        let claims = self.claims(login).await;
        self.testing.auth.delete_account(&claims, None, &RequestContext::new()).await
    }

    /// Everything in a table, whoever wrote it.
    pub(crate) async fn rows_of(&self, table: &str) -> Vec<Item> {
        let scan = self.dynamo.client.scan().table_name(table).consistent_read(true);
        scan.into_paginator().items().send().try_collect().await.unwrap()
    }

    pub(crate) async fn put(&self, table: &str, item: Item) {
        let put = self.dynamo.client.put_item().table_name(table).set_item(Some(item));
        put.send().await.unwrap();
    }
}

pub(crate) type Item = HashMap<String, AttributeValue>;

/// The SDK's clock, by which its quota of retries comes back: it stands still unless it is moved.
#[derive(Clone, Debug, Default)]
struct Seconds(Arc<AtomicU64>);

impl TimeSource for Seconds {
    fn now(&self) -> SystemTime {
        let seconds = 1_700_000_000 + self.0.load(Ordering::SeqCst);
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }
}

/// As [`AwsSettings`] makes it, but for shorter patience.
async fn impatient_client(endpoint: &str, tries: NonZeroU32, seconds: Seconds) -> Client {
    let mut settings = AwsSettings::default();
    settings.max_attempts = tries;
    settings.attempt_timeout = Duration::from_millis(250);
    let config = settings.load().await.unwrap().into_builder();
    let config = config
        .endpoint_url(endpoint)
        .region(Region::from_static("us-east-1"))
        .time_source(seconds)
        .credentials_provider(aws_sdk_dynamodb::config::SharedCredentialsProvider::new(
            Credentials::for_tests(),
        ));
    clients::dynamodb(&config.build())
}

pub(crate) fn ann() -> Email {
    Email::parse("ann@example.com").unwrap()
}

pub(crate) fn typed(password: &str) -> Password {
    Password::new(password).unwrap()
}
