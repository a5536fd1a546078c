//! The use cases over the DynamoDB stores, everything else being the parts of unit tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use adapters_aws::dynamodb::{
    DynamoAttempts, DynamoRateLimiter, DynamoResetTokens, DynamoSessions, DynamoUsers,
};
use adapters_aws::{AwsSettings, clients};
use adapters_local::{Testing, testing_with};
use auth_domain::{
    DisplayName, Email, Login, LoginError, LoginRequest, Password, Ports, RegisterError,
    RegisterRequest, RequestContext, ResetError, ResetRequest, ResetToken, Settings,
};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{Credentials, Region};
use aws_types::sdk_config::TimeSource;

use crate::dynamo::Dynamo;
use crate::proxy::Proxy;

pub(crate) struct World {
    pub(crate) dynamo: Dynamo,
    pub(crate) proxy: Proxy,
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
        let dynamo = Dynamo::start("t-").await;
        let proxy = Proxy::before(&dynamo.endpoint).await;
        let seconds = Seconds::default();
        let client = impatient_client(&proxy.endpoint, seconds.clone()).await;
        let users = DynamoUsers::new(client.clone(), "t-users");
        let testing = testing_with(|ports, settings| {
            ports.users = Arc::new(users.clone());
            ports.sessions = Arc::new(DynamoSessions::new(client.clone(), "t-sessions"));
            ports.reset_tokens =
                Arc::new(DynamoResetTokens::new(client.clone(), "t-password-resets"));
            ports.attempts = Arc::new(DynamoAttempts::new(client.clone(), "t-attempts"));
            ports.limiter = Arc::new(DynamoRateLimiter::new(client, "t-rate-limits"));
            change(ports, settings);
        });
        Self { dynamo, proxy, testing, users, seconds }
    }

    /// Lets the SDK's clock go on.
    pub(crate) fn pass_seconds(&self, seconds: u64) {
        self.seconds.0.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(crate) async fn register(&self, password: &str) -> Result<(), RegisterError> {
        let name = DisplayName::parse("Ann").unwrap();
        let request = RegisterRequest { email: ann(), password: typed(password), name };
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

    pub(crate) async fn reset(&self, token: &ResetToken) -> Result<(), ResetError> {
        let token = ResetToken::parse(&token.expose()).unwrap();
        let request = ResetRequest { token, new_password: typed(NEW) };
        self.testing.auth.reset_password(request, &RequestContext::new()).await
    }
}

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
async fn impatient_client(endpoint: &str, seconds: Seconds) -> Client {
    let mut settings = AwsSettings::default();
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
