use std::time::Duration;

use auth_domain::Locale;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::ClientAddress;

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
    Only(Vec<HeaderValue>),
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            allowed_origins: AllowedOrigins::Only(Vec::new()),
            body_timeout: Duration::from_secs(10),
            client_address: ClientAddress::Connection,
            default_locale: Locale::En,
            use_case_timeout: Duration::from_secs(20),
        }
    }
}

impl HttpOptions {
    /// The language that a client prefers among those that we have.
    pub(crate) fn locale(&self, headers: &HeaderMap) -> Locale {
        headers
            .get(header::ACCEPT_LANGUAGE)
            .and_then(|value| value.to_str().ok())
            .and_then(preferred)
            .unwrap_or(self.default_locale)
    }
}

fn preferred(accept_language: &str) -> Option<Locale> {
    let tags = accept_language::parse(accept_language);
    tags.iter().find_map(|tag| Locale::from_tag(tag.split('-').next()?))
}

impl AllowedOrigins {
    pub(crate) fn layer(&self) -> CorsLayer {
        let origins = match self {
            Self::DangerAny => AllowOrigin::any(),
            Self::Only(origins) => AllowOrigin::list(origins.iter().cloned()),
        };
        CorsLayer::new()
            .allow_origin(origins)
            .allow_methods([Method::GET, Method::POST])
            .allow_headers([header::ACCEPT_LANGUAGE, header::AUTHORIZATION, header::CONTENT_TYPE])
            .expose_headers([header::RETRY_AFTER, header::WWW_AUTHENTICATE])
            .max_age(Duration::from_mins(10))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clients_first_language_that_we_have_wins() {
        for (header, expected) in [
            ("ko", Some(Locale::Ko)),
            ("ko-KR,ko;q=0.9,en-US;q=0.8", Some(Locale::Ko)),
            ("de-DE, en;q=0.5, ko;q=0.7", Some(Locale::Ko)),
            ("EN-gb", Some(Locale::En)),
            ("fr, de", None),
            ("*", None),
            ("", None),
            (";;q=,,-", None),
            ("ko;q=nonsense", Some(Locale::Ko)),
        ] {
            assert_eq!(preferred(header), expected, "{header}");
        }
    }
}
