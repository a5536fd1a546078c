mod fault;
mod range;
mod settings;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use auth_domain::ports::BreachedPasswords;
use auth_domain::{Password, PortError};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::header::{HeaderValue, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::aws_lc_rs;
use tokio::time::timeout;

use self::fault::Fault;
use self::range::Digest;
use self::settings::Base;
pub use self::settings::{HibpSettings, HibpSettingsError};

/// Asks Have I Been Pwned, or a mirror of it, whether a password leaked: the range API of
/// [Pwned Passwords](https://haveibeenpwned.com/API/v3#PwnedPasswords).
///
/// **What leaves the process**: the first five hex digits of the password's SHA-1, which about one
/// password in a million has in common with it, the user agent, and this machine's address. The answer is padded
/// (`Add-Padding`), so that its length does not tell a listener which five digits were asked. Whether the
/// password is among those of the answer is decided here.
///
/// **What an error means.** `Throttled`: 429. `Unavailable`: 5xx, no connection, a certificate that does
/// not hold, silence, a cut. `Rejected`: every other status; redirects are not followed. `Corrupt`: an
/// answer that is longer than [`HibpSettings::most_bytes`], or in which any line is not `SUFFIX:COUNT`.
/// Errors hold nothing of the password or its hash.
///
/// **Connections** are kept and used again, and go straight there: no proxy is read from the
/// environment, and no cookie is kept. **Runtime**: tokio with I/O and time.
pub struct HibpRange {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    base: Base,
    user_agent: HeaderValue,
    most_bytes: usize,
    timeout: Duration,
}

impl HibpRange {
    /// An adapter with these settings. Nothing is connected before the first question; the system's root
    /// certificates are read from disk here.
    ///
    /// # Errors
    /// [`HibpSettingsError`] names the setting that cannot be kept.
    pub fn new(settings: HibpSettings) -> Result<Self, HibpSettingsError> {
        settings.check()?;
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(aws_lc_rs::default_provider())
            .map_err(HibpSettingsError::Roots)?
            // Plain HTTP is for the loopback alone: the base was checked, and nothing else is asked.
            .https_or_http()
            .enable_http1()
            .build();
        // Without a timer idle connections are never closed.
        let client =
            Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
        Ok(Self {
            client,
            base: settings.base()?,
            user_agent: settings.user_agent_header()?,
            most_bytes: settings.most_bytes,
            timeout: settings.timeout,
        })
    }

    async fn ask(&self, digest: &Digest) -> Result<bool, Fault> {
        let request = Request::get(self.base.range(digest.prefix()))
            .header(USER_AGENT, &self.user_agent)
            .header("Add-Padding", "true")
            .body(Empty::new())
            .map_err(Fault::Request)?;
        let answer = self.client.request(request).await.map_err(Fault::Unreachable)?;
        match answer.status() {
            StatusCode::OK => range::holds(&self.body(answer).await?, digest),
            status => Err(Fault::Answered(status)),
        }
    }

    async fn body<B>(&self, answer: Response<B>) -> Result<Bytes, Fault>
    where
        B: hyper::body::Body<Data = Bytes, Error = hyper::Error>,
    {
        let body = Limited::new(answer.into_body(), self.most_bytes).collect().await;
        Ok(body.map_err(Fault::of_body)?.to_bytes())
    }
}

#[async_trait]
impl BreachedPasswords for HibpRange {
    async fn contains(&self, password: &Password) -> Result<bool, PortError> {
        let digest = Digest::of(password);
        match timeout(self.timeout, self.ask(&digest)).await {
            Ok(outcome) => Ok(outcome?),
            Err(_) => Err(Fault::Overdue.into()),
        }
    }
}

impl fmt::Debug for HibpRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HibpRange").finish_non_exhaustive()
    }
}
