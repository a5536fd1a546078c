use std::time::Duration;

use auth_domain::{Locale, Messages};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use thiserror::Error;
use tower_http::cors::{AllowOrigin, CorsLayer};
use url::Url;

use crate::problem::{self, Problem};
use crate::request_span::X_REQUEST_ID;
use crate::{ClientAddress, messages};

/// Every choice of the router. The defaults suit a server that its clients reach directly.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HttpOptions {
    /// Which web pages may call. Default none: apps and servers need no permission.
    pub allowed_origins: AllowedOrigins,
    /// How long a client may take to send its body. Default 10 s.
    pub body_timeout: Duration,
    /// Where a client's address is read. Default [`ClientAddress::Connection`].
    pub client_address: ClientAddress,
    /// The language for clients that name none we have. Default English.
    pub default_locale: Locale,
    /// What answers and pages say, and in which languages: a client gets the one of these that it likes best.
    /// Default [`messages`](crate::messages()), which is English and Korean.
    ///
    /// ```
    /// use adapters_http::{HttpOptions, messages};
    /// use auth_domain::Locale;
    ///
    /// let french = "problem-not-found = Il n'y a rien ici."; // what it lacks is said in English
    /// let english = "answer-logged-in = Welcome back!"; // one sentence worded anew
    /// let mut options = HttpOptions::default();
    /// options.messages = messages()
    ///     .with_language(Locale::parse("fr")?, french)?
    ///     .with_language(Locale::EN, english)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub messages: Messages,
    /// How long a call may take after its body has come. Default 20 s, which is more than a full queue
    /// of passwords takes and less than an API gateway waits.
    pub use_case_timeout: Duration,
}

/// Which web pages may call (Fetch standard, section 3.2).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AllowedOrigins {
    /// Pages of every site. Danger: each site that a user visits may call in his browser.
    DangerAny,
    /// Pages of these origins, such as `https://app.example.com`.
    Only(Vec<Origin>),
}

/// An origin as browsers send it (RFC 6454 section 6.2): scheme, host and, if it is not the scheme's
/// own, port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(HeaderValue);

/// A text is not an [`Origin`], letter for letter: a path, a slash at the end or a capital would never
/// match.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "an origin is http or https, a host in lower case and perhaps a port, such as https://app.example.com"
)]
#[non_exhaustive]
pub struct OriginError;

impl Origin {
    /// Takes an origin such as `https://app.example.com`.
    ///
    /// # Errors
    /// [`OriginError`] for anything that no browser would send so.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        let url = Url::parse(text).map_err(|_| OriginError)?;
        let web = matches!(url.scheme(), "http" | "https");
        if !web || url.origin().ascii_serialization() != text {
            return Err(OriginError);
        }
        HeaderValue::from_str(text).map(Self).map_err(|_| OriginError)
    }
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            allowed_origins: AllowedOrigins::Only(Vec::new()),
            body_timeout: Duration::from_secs(10),
            client_address: ClientAddress::Connection,
            default_locale: Locale::EN,
            messages: messages(),
            use_case_timeout: Duration::from_secs(20),
        }
    }
}

impl HttpOptions {
    /// What `work` comes to, unless it takes too long. Dropped then, a use case records that it was given up.
    pub(crate) async fn in_time<T, E: Into<Problem>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Problem> {
        let limit = self.use_case_timeout;
        let Ok(outcome) = tokio::time::timeout(limit, work).await else {
            tracing::error!(target: "auth", "a call was given up after {limit:?}");
            return Err(Problem::of(&problem::TIMEOUT));
        };
        outcome.map_err(Into::into)
    }

    /// The language that a client prefers among those that we have.
    pub(crate) fn locale(&self, headers: &HeaderMap) -> Locale {
        headers
            .get(header::ACCEPT_LANGUAGE)
            .and_then(|value| value.to_str().ok())
            .and_then(|ranges| preferred(ranges, &self.messages))
            .unwrap_or(self.default_locale)
    }
}

/// The first of the best-liked languages that we have (RFC 9110 section 12.5.4).
fn preferred(accept_language: &str, messages: &Messages) -> Option<Locale> {
    let liked = accept_language.split(',').filter_map(|entry| {
        let (range, weight) = entry.split_once(';').unwrap_or((entry, "q=1"));
        let locale = messages.lookup(range.trim())?;
        Some((thousandths(weight.trim().strip_prefix("q=")?)?, locale))
    });
    let liked = liked.filter(|(weight, _)| *weight > 0);
    liked.reduce(|best, next| if next.0 > best.0 { next } else { best }).map(|(_, locale)| locale)
}

/// A weight, 0 to 1 with at most three decimals, in thousandths.
fn thousandths(weight: &str) -> Option<u16> {
    let (whole, decimals) = weight.split_once('.').unwrap_or((weight, ""));
    let digits = decimals.len() <= 3 && decimals.bytes().all(|byte| byte.is_ascii_digit());
    match whole {
        "0" if digits => format!("{decimals:0<3}").parse().ok(),
        "1" if digits && decimals.bytes().all(|byte| byte == b'0') => Some(1000),
        _ => None,
    }
}

impl AllowedOrigins {
    pub(crate) fn layer(&self) -> CorsLayer {
        let origins = match self {
            Self::DangerAny => AllowOrigin::any(),
            Self::Only(origins) => AllowOrigin::list(origins.iter().map(|origin| origin.0.clone())),
        };
        CorsLayer::new()
            .allow_origin(origins)
            .allow_methods([Method::DELETE, Method::GET, Method::POST])
            .allow_headers([header::ACCEPT_LANGUAGE, header::AUTHORIZATION, header::CONTENT_TYPE])
            .expose_headers([header::RETRY_AFTER, header::WWW_AUTHENTICATE, X_REQUEST_ID])
            .max_age(Duration::from_mins(10))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_that_was_added_is_found_by_its_narrower_tags() {
        let traditional = Locale::parse("zh-Hant").unwrap();
        let messages = messages().with_language(traditional, "").unwrap();
        for (header, expected) in [
            ("zh-Hant-TW, ko;q=0.9", Some(traditional)),
            ("zh-TW, ko;q=0.9", Some(Locale::KO)),
            ("en-Hang-KR-x-a-very-long-private-use, ko;q=0.9", Some(Locale::EN)),
            ("zh", None),
        ] {
            assert_eq!(preferred(header, &messages), expected, "{header}");
        }
    }

    #[test]
    fn an_origin_is_one_that_a_browser_would_send() {
        for good in ["https://app.example.com", "http://localhost:5173", "https://[::1]:8443"] {
            assert!(Origin::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "*",
            "null",
            "",
            "app.example.com",
            "https://app.example.com/",
            "https://App.example.com",
            "https://app.example.com:443",
            "https://a.example.com/path",
            "https://a b",
            "ftp://a.example.com",
            "https://*.example.com/",
            " https://a.example.com",
        ] {
            assert_eq!(Origin::parse(bad), Err(OriginError), "{bad}");
        }
    }

    #[test]
    fn the_clients_first_language_that_we_have_wins() {
        for (header, expected) in [
            ("ko", Some(Locale::KO)),
            ("ko-KR,ko;q=0.9,en-US;q=0.8", Some(Locale::KO)),
            ("de-DE, en;q=0.5, ko;q=0.7", Some(Locale::KO)),
            ("EN-gb", Some(Locale::EN)),
            ("fr, de", None),
            ("*", None),
            ("", None),
            (";;q=,,-", None),
            ("ko;q=nonsense, en;q=0.1", Some(Locale::EN)),
            ("ko;q=0, en;q=0.001", Some(Locale::EN)),
            ("ko;q=0", None),
            ("ko;q=0.5, en;q=0.500", Some(Locale::KO)),
            ("en;q=1.001, ko;q=1.000", Some(Locale::KO)),
            ("en;q=nan, ko;q=0.1", Some(Locale::KO)),
        ] {
            assert_eq!(preferred(header, &messages()), expected, "{header}");
        }
    }
}
