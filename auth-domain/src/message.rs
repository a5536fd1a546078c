use std::fmt;
use std::time::Duration;

use thiserror::Error;
use url::{Host, Url};
use zeroize::Zeroizing;

use crate::{Email, Locale};

/// Where links lead, from configuration only: no header of any request changes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkBase(Url);

/// Why a text is not a [`LinkBase`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkBaseError {
    /// Not an absolute URL with a host and without credentials or fragment.
    #[error("a link base is an absolute URL with a host, without user name, password and fragment")]
    Malformed,
    /// Not https.
    #[error("a link base is an https URL")]
    NotHttps,
}

impl LinkBase {
    /// Takes the https URL that a link leads to; the token is added as the parameter `token`.
    ///
    /// # Errors
    /// [`LinkBaseError`] when it is not https, has no host, or has credentials or a fragment.
    pub fn parse(text: &str) -> Result<Self, LinkBaseError> {
        Self::of_scheme(text, |url| url.scheme() == "https")
    }

    /// Also takes http, but only to this machine (`localhost`, 127.0.0.0/8, `[::1]`), where nobody else
    /// reads the traffic: for development.
    ///
    /// # Errors
    /// As [`LinkBase::parse`], but for http to this machine.
    pub fn parse_or_loopback(text: &str) -> Result<Self, LinkBaseError> {
        Self::of_scheme(text, |url| {
            url.scheme() == "https" || url.scheme() == "http" && is_this_machine(url)
        })
    }

    fn of_scheme(text: &str, is_safe: impl FnOnce(&Url) -> bool) -> Result<Self, LinkBaseError> {
        let url = Url::parse(text).map_err(|_| LinkBaseError::Malformed)?;
        if !is_safe(&url) {
            return Err(LinkBaseError::NotHttps);
        }
        let bare = url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none();
        if bare { Ok(Self(url)) } else { Err(LinkBaseError::Malformed) }
    }

    /// The page of another name beside this one.
    pub(crate) fn sibling(&self, page: &str) -> Self {
        // A name without a scheme or a slash always joins.
        Self(self.0.join(page).unwrap_or_else(|_| self.0.clone()))
    }

    pub(crate) fn link(&self, token: &str) -> Zeroizing<String> {
        let mut url = self.0.clone();
        url.query_pairs_mut().append_pair("token", token);
        Zeroizing::new(url.into())
    }
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// A mail ready to be sent. Its body may hold a link that is a secret: `Debug` shows nothing of it.
#[derive(Clone)]
#[non_exhaustive]
pub struct OutgoingEmail {
    /// The one recipient.
    pub to: Email,
    /// What it says.
    pub content: MailContent,
}

impl OutgoingEmail {
    /// A mail to one recipient.
    pub const fn new(to: Email, content: MailContent) -> Self {
        Self { to, content }
    }
}

impl fmt::Debug for OutgoingEmail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OutgoingEmail(..)")
    }
}

/// Subject and body of a mail, twice over: as plain text and as HTML.
#[derive(Clone)]
#[expect(
    clippy::exhaustive_structs,
    reason = "templates build it: a mail has these three and no more"
)]
pub struct MailContent {
    /// The subject, one line.
    pub subject: String,
    /// The body as plain text, lines ended by `\n`.
    pub text: Zeroizing<String>,
    /// The body as HTML.
    pub html: Zeroizing<String>,
}

impl fmt::Debug for MailContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MailContent(..)")
    }
}

/// What the wording of a mail with a link is made of.
#[derive(Clone)]
#[non_exhaustive]
pub struct LinkMail {
    /// The language to write in.
    pub locale: Locale,
    /// The link. A secret.
    pub link: Zeroizing<String>,
    /// How long the link is good for, from the request on.
    pub life: Duration,
}

impl LinkMail {
    /// What a template is given: to try out one of your own.
    pub const fn new(locale: Locale, link: Zeroizing<String>, life: Duration) -> Self {
        Self { locale, link, life }
    }
}

impl fmt::Debug for LinkMail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkMail(..)")
    }
}

/// What the wording of a notice is made of.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct NoticeMail {
    /// The language to write in.
    pub locale: Locale,
}

impl NoticeMail {
    /// What a template is given: to try out one of your own.
    pub const fn new(locale: Locale) -> Self {
        Self { locale }
    }
}

/// The wording of mails. Replace it by a value of your own in [`Settings`](crate::Settings).
///
/// Nothing that a stranger typed may get into a mail: an attacker who signs up somebody else's address
/// would write our mails. So templates are given no name.
pub trait MailTemplates: fmt::Debug + Send + Sync {
    /// The notice that the account was deleted.
    fn account_deleted(&self, mail: &NoticeMail) -> MailContent;
    /// What the owner of an address is told when somebody signs up with it again.
    fn account_exists(&self, mail: &NoticeMail) -> MailContent;
    /// The mail to a new address, with the link that moves the account there.
    fn confirm_new_email(&self, mail: &LinkMail) -> MailContent;
    /// The notice to the old address that the account moved away, which says whom to contact: its reader
    /// can no longer help himself.
    fn email_changed(&self, mail: &NoticeMail) -> MailContent;
    /// The notice that the password was changed, which says what to do if it was somebody else.
    fn password_changed(&self, mail: &NoticeMail) -> MailContent;
    /// The mail with the reset link.
    fn password_reset(&self, mail: &LinkMail) -> MailContent;
    /// The mail with the link that confirms the address.
    fn verify_email(&self, mail: &LinkMail) -> MailContent;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{JobId, ResetToken};

    fn token() -> ResetToken {
        ResetToken::derive(
            &[3; 32],
            JobId::from_bytes([4; 16]),
            Email::parse("ann@example.com").unwrap(),
        )
    }

    #[test]
    fn a_link_is_https_and_carries_the_token_whole() {
        let token = token();
        for base in ["https://example.com/reset-password", "https://example.com/reset?lang=ko"] {
            let link = LinkBase::parse(base).unwrap().link(&token.expose());
            let url = Url::parse(&link).unwrap();
            assert!(link.starts_with(base));
            let value = url.query_pairs().find(|(key, _)| key == "token").unwrap().1.into_owned();
            assert_eq!(value, *token.expose());
        }
    }

    #[test]
    fn other_link_bases_are_refused() {
        use LinkBaseError::{Malformed, NotHttps};
        for (text, why) in [
            ("http://example.com/", NotHttps),
            ("javascript:alert(1)", NotHttps),
            ("https://user:pass@example.com/", Malformed),
            ("https://example.com/#fragment", Malformed),
            ("//example.com/", Malformed),
            ("/reset", Malformed),
            ("", Malformed),
        ] {
            assert_eq!(LinkBase::parse(text), Err(why), "{text}");
        }
    }

    #[test]
    fn plain_http_leads_to_this_machine_only() {
        for here in [
            "http://127.0.0.1:3000/reset",
            "http://localhost/",
            "http://[::1]:1/",
            "https://example.com/",
        ] {
            assert!(LinkBase::parse_or_loopback(here).is_ok(), "{here}");
        }
        for elsewhere in [
            "http://example.com/",
            "http://localhost.example.com/",
            "http://127.0.0.1.example.com/",
            "http://0.0.0.0/",
            "ftp://localhost/",
        ] {
            let refused = Err(LinkBaseError::NotHttps);
            assert_eq!(LinkBase::parse_or_loopback(elsewhere), refused, "{elsewhere}");
        }
    }
}
