use std::io;
use std::time::Duration;

use auth_domain::LinkBase;
use hyper::header::HeaderValue;
use thiserror::Error;

/// Whom to ask for passwords that leaked, and how long to wait. Checked once, by
/// [`HibpRange::new`](super::HibpRange::new).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HibpSettings {
    /// What comes before `/range/`. Default `https://api.pwnedpasswords.com`. An https URL without user
    /// name, query and fragment; http only to this machine, since whoever changes the answer lets leaked
    /// passwords pass.
    pub base_url: String,
    /// The most bytes of an answer that are read. Default 512 KiB, some ten times what Have I Been Pwned
    /// answers. At least 1 KiB.
    pub most_bytes: usize,
    /// How long the whole question may take, connecting included. Default 2 s: somebody waits. From 1 ms
    /// to 60 s.
    pub timeout: Duration,
    /// Who asks. Have I Been Pwned refuses whoever does not say.
    pub user_agent: String,
}

/// A choice in [`HibpSettings`] that cannot be kept.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HibpSettingsError {
    /// [`HibpSettings::base_url`] is not one.
    #[error("base_url must be an https URL without user name, query and fragment")]
    BaseUrl,
    /// [`HibpSettings::most_bytes`] is under 1 KiB.
    #[error("most_bytes must be at least 1024")]
    MostBytes,
    /// The system's root certificates cannot be read, or there are none.
    #[error("the system's root certificates cannot be read")]
    Roots(#[source] io::Error),
    /// [`HibpSettings::timeout`] is under 1 ms or over 60 s.
    #[error("timeout must be from 1 ms to 60 s")]
    Timeout,
    /// [`HibpSettings::user_agent`] is empty or holds what a header cannot carry.
    #[error("user_agent must be visible ASCII, and not be empty")]
    UserAgent,
}

impl HibpSettings {
    /// The defaults, around the one thing that has none: the name of the service that asks.
    pub fn new(user_agent: impl Into<String>) -> Self {
        Self {
            base_url: "https://api.pwnedpasswords.com".to_owned(),
            most_bytes: 512 * 1024,
            timeout: Duration::from_secs(2),
            user_agent: user_agent.into(),
        }
    }

    pub(super) fn check(&self) -> Result<(), HibpSettingsError> {
        if self.most_bytes < 1024 {
            return Err(HibpSettingsError::MostBytes);
        }
        if !(Duration::from_millis(1)..=Duration::from_secs(60)).contains(&self.timeout) {
            return Err(HibpSettingsError::Timeout);
        }
        Ok(())
    }

    pub(super) fn base(&self) -> Result<Base, HibpSettingsError> {
        Base::parse(&self.base_url).ok_or(HibpSettingsError::BaseUrl)
    }

    pub(super) fn user_agent_header(&self) -> Result<HeaderValue, HibpSettingsError> {
        let visible = self.user_agent.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
        match HeaderValue::from_str(&self.user_agent) {
            Ok(value) if visible && !self.user_agent.trim().is_empty() => Ok(value),
            _ => Err(HibpSettingsError::UserAgent),
        }
    }
}

/// What comes before `/range/`, checked.
pub(super) struct Base(String);

impl Base {
    fn parse(text: &str) -> Option<Self> {
        // What is safe to put a secret link under is safe to believe.
        LinkBase::parse_or_loopback(text).ok()?;
        let base = Self(text.trim_end_matches('/').to_owned());
        let has_query = text.contains('?');
        let is_uri = base.range("00000").parse::<hyper::Uri>().is_ok();
        (!has_query && is_uri).then_some(base)
    }

    pub(super) fn range(&self, prefix: &str) -> String {
        format!("{}/range/{prefix}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HibpRange;

    fn checked(change: impl FnOnce(&mut HibpSettings)) -> Result<(), HibpSettingsError> {
        let mut settings = HibpSettings::new("tests");
        change(&mut settings);
        settings.check()?;
        settings.base()?;
        settings.user_agent_header()?;
        Ok(())
    }

    fn base_url(url: &str) -> Result<(), HibpSettingsError> {
        checked(|settings| settings.base_url = url.to_owned())
    }

    #[test]
    fn the_defaults_hold() {
        assert!(checked(|_| ()).is_ok());
    }

    #[test]
    fn only_this_machine_is_asked_without_tls() {
        for url in [
            "https://mirror.example.com",
            "https://mirror.example.com/hibp/",
            "http://localhost:8080",
            "http://127.0.0.1",
            "http://[::1]:8080/",
        ] {
            assert!(base_url(url).is_ok(), "{url}");
        }
        for url in [
            "http://api.pwnedpasswords.com",
            "http://127.0.0.1.example.com",
            "https://user:secret@example.com",
            "https://example.com/?prefix",
            "https://example.com/#range",
            "api.pwnedpasswords.com",
            "ftp://example.com",
            "",
        ] {
            assert!(matches!(base_url(url), Err(HibpSettingsError::BaseUrl)), "{url}");
        }
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        let small = checked(|settings| settings.most_bytes = 1023);
        assert!(matches!(small, Err(HibpSettingsError::MostBytes)));
        for timeout in [Duration::ZERO, Duration::from_secs(61)] {
            let outcome = checked(|settings| settings.timeout = timeout);
            assert!(matches!(outcome, Err(HibpSettingsError::Timeout)), "{timeout:?}");
        }
    }

    #[test]
    fn nobody_asks_without_a_name_or_with_a_header_in_it() {
        for name in ["", " ", "a\r\nCookie: b", "caf\u{e9}"] {
            let outcome = checked(|settings| settings.user_agent = name.to_owned());
            assert!(matches!(outcome, Err(HibpSettingsError::UserAgent)), "{name:?}");
        }
    }

    #[test]
    fn an_adapter_with_settings_that_cannot_be_kept_is_not_made() {
        let mut settings = HibpSettings::new("tests");
        settings.base_url = "http://example.com".to_owned();
        assert!(matches!(HibpRange::new(settings), Err(HibpSettingsError::BaseUrl)));
    }
}
