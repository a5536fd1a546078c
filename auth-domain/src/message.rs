use std::fmt;
use std::time::Duration;

use thiserror::Error;
use url::{Host, Url};
use zeroize::Zeroizing;

use crate::Email;

/// A language that messages exist in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Locale {
    /// English.
    #[default]
    En,
    /// Korean.
    Ko,
}

impl Locale {
    /// Every language.
    pub const ALL: &[Self] = &[Self::En, Self::Ko];

    /// The language's tag (RFC 5646).
    pub const fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Ko => "ko",
        }
    }

    /// The language of a tag such as `ko`.
    pub fn from_tag(tag: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|locale| locale.tag().eq_ignore_ascii_case(tag))
    }
}

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

impl fmt::Debug for LinkMail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkMail(..)")
    }
}

/// What the wording of a notice is made of.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct NoticeMail {
    /// The language to write in.
    pub locale: Locale,
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

/// The wording that comes with this library, in English and Korean.
#[derive(Clone, Debug)]
pub struct DefaultTemplates {
    service_name: String,
    support_contact: Option<String>,
}

impl DefaultTemplates {
    /// Words mails in the name of `service_name`.
    pub fn new(service_name: impl Into<String>) -> Self {
        Self { service_name: service_name.into(), support_contact: None }
    }

    /// The same wording with whom to contact, such as an address or a page: for who lost his account.
    #[must_use]
    pub fn with_support_contact(self, contact: impl Into<String>) -> Self {
        Self { support_contact: Some(contact.into()), ..self }
    }

    fn support(&self, locale: Locale) -> String {
        match (&self.support_contact, locale) {
            (Some(contact), _) => contact.clone(),
            (None, Locale::En) => format!("the people who run {}", self.service_name),
            (None, Locale::Ko) => format!("{} 운영팀", self.service_name),
        }
    }
}

impl MailTemplates for DefaultTemplates {
    fn account_deleted(&self, mail: &NoticeMail) -> MailContent {
        let service = &self.service_name;
        let support = self.support(mail.locale);
        match mail.locale {
            Locale::En => content(
                mail.locale,
                format!("Your {service} account was deleted"),
                &format!("Your {service} account and what it held were just deleted."),
                None,
                &format!("If it was not you, contact {support}."),
            ),
            Locale::Ko => content(
                mail.locale,
                format!("{service} 계정이 삭제되었습니다"),
                &format!("{service} 계정과 계정에 저장된 정보가 방금 삭제되었습니다."),
                None,
                &format!("본인이 삭제하지 않았다면 {support}(으)로 문의하세요."),
            ),
        }
    }

    fn account_exists(&self, mail: &NoticeMail) -> MailContent {
        let service = &self.service_name;
        match mail.locale {
            Locale::En => content(
                mail.locale,
                format!("You have a {service} account already"),
                &format!(
                    "Somebody tried to sign up to {service} with this address, which has an account."
                ),
                None,
                "If it was you, log in, or reset your password if you do not know it. \
                 If it was not you, ignore this mail: nothing has changed.",
            ),
            Locale::Ko => content(
                mail.locale,
                format!("{service} 계정이 이미 있습니다"),
                &format!(
                    "이 이메일로 {service} 회원가입이 시도되었으나, 이미 가입된 계정이 있습니다."
                ),
                None,
                "본인이라면 로그인하시고, 비밀번호를 모르면 비밀번호를 재설정하세요. \
                 본인이 아니라면 이 메일을 무시하세요. 변경된 내용은 없습니다.",
            ),
        }
    }

    fn confirm_new_email(&self, mail: &LinkMail) -> MailContent {
        let service = &self.service_name;
        let life = life_in_words(mail.locale, mail.life);
        match mail.locale {
            Locale::En => content(
                mail.locale,
                format!("Confirm your new {service} address"),
                &format!("Somebody asked to use this address for a {service} account."),
                Some((&mail.link, "Use this address")),
                &format!(
                    "The link works once and for {life}. You will then log in with this address, anew \
                     on every device. If it was not you, ignore this mail: nothing has changed."
                ),
            ),
            Locale::Ko => content(
                mail.locale,
                format!("{service} 새 이메일 확인"),
                &format!("이 이메일을 {service} 계정에 사용하도록 요청되었습니다."),
                Some((&mail.link, "이 이메일 사용")),
                &format!(
                    "링크는 {life} 동안 한 번만 사용할 수 있습니다. 이후에는 모든 기기에서 이 이메일로 다시 \
                     로그인합니다. 본인이 요청하지 않았다면 이 메일을 무시하세요. 변경된 내용은 없습니다."
                ),
            ),
        }
    }

    fn email_changed(&self, mail: &NoticeMail) -> MailContent {
        let service = &self.service_name;
        let support = self.support(mail.locale);
        match mail.locale {
            Locale::En => content(
                mail.locale,
                format!("Your {service} address was changed"),
                &format!("Your {service} account was just moved to another address."),
                None,
                &format!(
                    "If it was not you, contact {support} at once: this address no longer opens the account."
                ),
            ),
            Locale::Ko => content(
                mail.locale,
                format!("{service} 이메일이 변경되었습니다"),
                &format!("{service} 계정의 이메일이 방금 다른 주소로 변경되었습니다."),
                None,
                &format!(
                    "본인이 변경하지 않았다면 즉시 {support}(으)로 문의하세요. \
                     이 주소로는 더 이상 계정에 접근할 수 없습니다."
                ),
            ),
        }
    }

    fn verify_email(&self, mail: &LinkMail) -> MailContent {
        let service = &self.service_name;
        let life = life_in_words(mail.locale, mail.life);
        match mail.locale {
            Locale::En => content(
                mail.locale,
                format!("Confirm your {service} address"),
                &format!("Somebody signed up to {service} with this address."),
                Some((&mail.link, "Confirm the address")),
                &format!(
                    "The link works for {life}. If it was not you, do not use it: \
                     you would confirm an account whose password somebody else knows."
                ),
            ),
            Locale::Ko => content(
                mail.locale,
                format!("{service} 이메일 확인"),
                &format!("이 이메일로 {service}에 가입이 요청되었습니다."),
                Some((&mail.link, "이메일 확인")),
                &format!(
                    "링크는 {life} 동안 사용할 수 있습니다. 본인이 가입하지 않았다면 링크를 사용하지 마세요. \
                     다른 사람이 비밀번호를 아는 계정을 확인하게 됩니다."
                ),
            ),
        }
    }

    fn password_reset(&self, mail: &LinkMail) -> MailContent {
        let service = &self.service_name;
        let life = life_in_words(mail.locale, mail.life);
        match mail.locale {
            Locale::En => content(
                mail.locale,
                format!("Reset your {service} password"),
                &format!("Somebody asked to reset the password of your {service} account."),
                Some((&mail.link, "Set a new password")),
                &format!(
                    "The link works once and for {life}; only the newest link works. \
                     If it was not you, ignore this mail: nothing has changed."
                ),
            ),
            Locale::Ko => content(
                mail.locale,
                format!("{service} 비밀번호 재설정"),
                &format!("{service} 계정의 비밀번호 재설정이 요청되었습니다."),
                Some((&mail.link, "새 비밀번호 설정")),
                &format!(
                    "링크는 {life} 동안 한 번만 사용할 수 있으며, 가장 최근에 받은 링크만 유효합니다. \
                     본인이 요청하지 않았다면 이 메일을 무시하세요. 변경된 내용은 없습니다."
                ),
            ),
        }
    }

    fn password_changed(&self, mail: &NoticeMail) -> MailContent {
        let service = &self.service_name;
        match mail.locale {
            Locale::En => content(
                mail.locale,
                format!("Your {service} password was changed"),
                &format!("The password of your {service} account was just changed."),
                None,
                "If it was not you, somebody else can read your mail: secure your mailbox first, \
                 then ask for a reset link again and set another password.",
            ),
            Locale::Ko => content(
                mail.locale,
                format!("{service} 비밀번호가 변경되었습니다"),
                &format!("{service} 계정의 비밀번호가 방금 변경되었습니다."),
                None,
                "본인이 변경하지 않았다면 다른 사람이 메일을 볼 수 있는 상태입니다. 먼저 메일 계정을 \
                 안전하게 한 뒤, 비밀번호 재설정을 다시 요청해 새 비밀번호를 설정하세요.",
            ),
        }
    }
}

fn content(
    locale: Locale,
    subject: String,
    opening: &str,
    link: Option<(&Zeroizing<String>, &str)>,
    closing: &str,
) -> MailContent {
    let link_text = link.map_or(String::new(), |(link, _)| format!("{}\n\n", link.as_str()));
    let link_html = link.map_or(String::new(), |(link, label)| {
        let href = html_escape::encode_double_quoted_attribute(link.as_str());
        format!("<p><a href=\"{href}\">{}</a></p>\n", html_escape::encode_text(label))
    });
    let text = format!("{opening}\n\n{link_text}{closing}\n");
    let html = format!(
        "<!doctype html>\n<html lang=\"{}\">\n<head><meta charset=\"utf-8\"><title>{}</title></head>\n\
         <body>\n<p>{}</p>\n{link_html}<p>{}</p>\n</body>\n</html>\n",
        locale.tag(),
        html_escape::encode_text(&subject),
        html_escape::encode_text(opening),
        html_escape::encode_text(closing),
    );
    MailContent { subject, text: Zeroizing::new(text), html: Zeroizing::new(html) }
}

fn life_in_words(locale: Locale, life: Duration) -> String {
    let minutes = life.as_secs().div_ceil(60);
    let (count, unit_en, unit_ko) = if minutes.is_multiple_of(60) {
        (minutes / 60, "hour", "시간")
    } else {
        (minutes, "minute", "분")
    };
    match locale {
        Locale::En if count == 1 => format!("1 {unit_en}"),
        Locale::En => format!("{count} {unit_en}s"),
        Locale::Ko => format!("{count}{unit_ko}"),
    }
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

    #[test]
    fn each_language_has_its_own_words_and_the_link_alone_on_its_line() {
        let link = LinkBase::parse("https://example.com/reset").unwrap().link(&token().expose());
        let templates = DefaultTemplates::new("Ann & Bob's <shop>");
        for locale in Locale::ALL {
            let mail =
                LinkMail { locale: *locale, link: link.clone(), life: Duration::from_hours(1) };
            let content = templates.password_reset(&mail);
            assert!(content.text.lines().any(|line| line == link.as_str()));
            assert!(content.html.contains("Ann &amp; Bob"));
            assert!(!content.html.contains("<shop>"));
            assert_eq!(content.subject.contains("비밀번호"), *locale == Locale::Ko);
        }
    }

    #[test]
    fn lives_are_said_in_the_unit_that_fits() {
        assert_eq!(life_in_words(Locale::En, Duration::from_mins(60)), "1 hour");
        assert_eq!(life_in_words(Locale::En, Duration::from_mins(90)), "90 minutes");
        assert_eq!(life_in_words(Locale::Ko, Duration::from_mins(30)), "30분");
    }
}
