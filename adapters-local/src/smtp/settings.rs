use std::fmt;
use std::time::Duration;

use auth_domain::Email;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use thiserror::Error;
use zeroize::Zeroizing;

use super::letter::Sender;
use super::session::{Encryption, Relay};

/// How to reach the mail server, and in whose name. Checked once, by
/// [`SmtpMailer::new`](super::SmtpMailer::new).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SmtpSettings {
    /// How long the server may take over one answer, and over being connected to. Default 30 s: the
    /// minutes of RFC 5321 section 4.5.3.2 are for a queue that has days, and here the job is tried
    /// again. At least 1 ms, at most [`SmtpSettings::deadline`].
    pub answer_timeout: Duration,
    /// The most connections at once; who finds none free waits for one. Default 4, from 1 to 1000.
    pub connections: u16,
    /// The account at the server, where it asks for one.
    pub credentials: Option<SmtpCredentials>,
    /// How long a send may take as a whole, waiting for a connection included. Default 60 s.
    pub deadline: Duration,
    /// The address that mails come from, in the header and in the envelope; bounces go there.
    pub from: Email,
    /// What to call ourselves in EHLO. Default: the machine's host name.
    pub hello_name: Option<String>,
    /// The server: a host name, or an IP address. Its certificate must be made out to it.
    pub host: String,
    /// The server's port. Default: 587, or 465 for [`SmtpSecurity::ImplicitTls`] (RFC 8314), or 25
    /// for [`SmtpSecurity::DangerPlaintext`].
    pub port: Option<u16>,
    /// Where answers of readers go, if not to [`SmtpSettings::from`].
    pub reply_to: Option<Email>,
    /// Whose certificates to trust. Default [`SmtpRoots::System`].
    pub roots: SmtpRoots,
    /// How the connection is protected. Default [`SmtpSecurity::StartTls`].
    pub security: SmtpSecurity,
    /// The name that readers see beside [`SmtpSettings::from`].
    pub sender_name: Option<String>,
}

/// How a connection is protected. Certificates are always checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SmtpSecurity {
    /// Not at all. Danger: whoever reads or changes the traffic takes accounts over by their reset
    /// links, and the credentials besides. For a relay on one's own machine.
    DangerPlaintext,
    /// TLS from the first byte (RFC 8314 section 3.3).
    ImplicitTls,
    /// STARTTLS (RFC 3207), required: a server that does not offer it is sent nothing.
    #[default]
    StartTls,
}

/// Whose certificates to trust. Each text holds one or more certificates in PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SmtpRoots {
    /// These alone.
    Only(String),
    /// Those of the operating system.
    #[default]
    System,
    /// Those of the operating system, and these.
    SystemAnd(String),
}

/// User name and password at a mail server. `Debug` shows neither.
///
/// Both are wiped when this is dropped. Each log-in hands lettre copies, which it frees without
/// wiping.
#[derive(Clone)]
pub struct SmtpCredentials {
    user: Zeroizing<String>,
    password: Zeroizing<String>,
}

/// A choice in [`SmtpSettings`] that cannot be kept.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SmtpSettingsError {
    /// [`SmtpSettings::connections`] is 0 or over 1000.
    #[error("connections must be from 1 to 1000")]
    Connections,
    /// [`SmtpSettings::credentials`] are empty or hold a NUL, which AUTH PLAIN cannot carry.
    #[error("user name and password must not be empty, nor hold a NUL")]
    Credentials,
    /// [`SmtpSettings::from`] is beyond ASCII: every server on the way to every reader would need
    /// SMTPUTF8 (RFC 6531).
    #[error("the from address must be ASCII")]
    From,
    /// [`SmtpSettings::hello_name`] is not one word of printable ASCII.
    #[error("hello_name must be printable ASCII without blanks")]
    HelloName,
    /// [`SmtpSettings::host`] is neither a host name nor an IP address.
    #[error("host must be a host name or an IP address")]
    Host,
    /// [`SmtpSettings::reply_to`] is beyond ASCII.
    #[error("the reply-to address must be ASCII")]
    ReplyTo,
    /// [`SmtpSettings::roots`] holds no certificate in PEM, or one that cannot be read.
    #[error("roots must be certificates in PEM")]
    Roots,
    /// [`SmtpSettings::sender_name`] is empty or holds a control character.
    #[error("sender_name must not be empty, nor hold control characters")]
    SenderName,
    /// [`SmtpSettings::answer_timeout`] is under 1 ms or longer than [`SmtpSettings::deadline`].
    #[error("answer_timeout must be from 1 ms to deadline")]
    Timeouts,
}

impl SmtpSettings {
    /// The defaults, around the two things that have none: the server and the sender.
    pub fn new(host: impl Into<String>, from: Email) -> Self {
        Self {
            answer_timeout: Duration::from_secs(30),
            connections: 4,
            credentials: None,
            deadline: Duration::from_secs(60),
            from,
            hello_name: None,
            host: host.into(),
            port: None,
            reply_to: None,
            roots: SmtpRoots::System,
            security: SmtpSecurity::StartTls,
            sender_name: None,
        }
    }

    pub(super) fn check(&self) -> Result<(), SmtpSettingsError> {
        let clean = |text: &str| !text.is_empty() && !text.contains(char::is_control);
        let well_formed = [
            ((1..=1000).contains(&self.connections), SmtpSettingsError::Connections),
            (is_host(&self.host), SmtpSettingsError::Host),
            (
                self.credentials.as_ref().is_none_or(SmtpCredentials::sound),
                SmtpSettingsError::Credentials,
            ),
            (self.hello_name.as_deref().is_none_or(is_word), SmtpSettingsError::HelloName),
            (self.sender_name.as_deref().is_none_or(clean), SmtpSettingsError::SenderName),
            (
                (Duration::from_millis(1)..=self.deadline).contains(&self.answer_timeout),
                SmtpSettingsError::Timeouts,
            ),
        ];
        match well_formed.into_iter().find(|(kept, _)| !kept) {
            Some((_, error)) => Err(error),
            None => Ok(()),
        }
    }

    pub(super) fn sender(&self) -> Result<Sender, SmtpSettingsError> {
        Sender::new(&self.from, self.sender_name.clone(), self.reply_to.as_ref())
    }

    pub(super) fn relay(&self) -> Result<Relay, SmtpSettingsError> {
        let encryption = match self.security {
            SmtpSecurity::DangerPlaintext => Encryption::Never,
            SmtpSecurity::ImplicitTls => Encryption::Implicit(self.tls()?),
            SmtpSecurity::StartTls => Encryption::StartTls(self.tls()?),
        };
        let hello = match &self.hello_name {
            Some(name) => ClientId::Domain(name.clone()),
            None => ClientId::default(),
        };
        Ok(Relay {
            host: self.host.clone(),
            port: self.port.unwrap_or(self.security.port()),
            encryption,
            hello,
            credentials: self.credentials.clone(),
            answer_timeout: self.answer_timeout,
        })
    }

    fn tls(&self) -> Result<TlsParameters, SmtpSettingsError> {
        let builder = TlsParameters::builder(self.host.clone());
        let builder = match &self.roots {
            SmtpRoots::Only(pem) => builder
                .certificate_store(CertificateStore::None)
                .add_root_certificate(certificates(pem)?),
            SmtpRoots::System => builder,
            SmtpRoots::SystemAnd(pem) => builder.add_root_certificate(certificates(pem)?),
        };
        // What is left to fail is a root that is PEM but not a certificate.
        builder.build().map_err(|_| SmtpSettingsError::Roots)
    }
}

impl SmtpSecurity {
    const fn port(self) -> u16 {
        match self {
            Self::DangerPlaintext => 25,
            Self::ImplicitTls => 465,
            Self::StartTls => 587,
        }
    }
}

impl SmtpCredentials {
    /// The account `user` and its password.
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self { user: Zeroizing::new(user.into()), password: Zeroizing::new(password.into()) }
    }

    pub(super) fn to_lettre(&self) -> Credentials {
        Credentials::new(self.user.to_string(), self.password.to_string())
    }

    fn sound(&self) -> bool {
        [&self.user, &self.password].iter().all(|text| !text.is_empty() && !text.contains('\0'))
    }
}

impl fmt::Debug for SmtpCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SmtpCredentials(..)")
    }
}

fn certificates(pem: &str) -> Result<Certificate, SmtpSettingsError> {
    // lettre takes a text without any certificate for none to add.
    if !pem.contains("-----BEGIN CERTIFICATE-----") {
        return Err(SmtpSettingsError::Roots);
    }
    Certificate::from_pem(pem.as_bytes()).map_err(|_| SmtpSettingsError::Roots)
}

fn is_host(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-._:".contains(c))
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(change: impl FnOnce(&mut SmtpSettings)) -> Option<SmtpSettingsError> {
        let from = Email::parse("no-reply@example.com").unwrap();
        let mut settings = SmtpSettings::new("mail.example.com", from);
        change(&mut settings);
        crate::SmtpMailer::new(settings).err()
    }

    #[test]
    fn the_defaults_hold() {
        assert_eq!(checked(|_| ()), None);
    }

    fn refused(error: SmtpSettingsError, change: impl FnOnce(&mut SmtpSettings)) {
        assert_eq!(checked(change), Some(error));
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        refused(SmtpSettingsError::Connections, |s| s.connections = 0);
        refused(SmtpSettingsError::Connections, |s| s.connections = 1001);
        refused(SmtpSettingsError::Timeouts, |s| {
            s.answer_timeout = Duration::ZERO;
        });
        refused(SmtpSettingsError::Timeouts, |s| {
            s.deadline = Duration::from_secs(29);
        });
    }

    #[test]
    fn texts_that_would_break_a_command_or_a_header_are_refused() {
        for host in ["", "mail example", "smtp://mail", "mail\r\nQUIT"] {
            refused(SmtpSettingsError::Host, |s| s.host = host.into());
        }
        for name in ["", "a b", "a\r\nMAIL FROM:<eve@example.com>"] {
            refused(SmtpSettingsError::HelloName, |s| {
                s.hello_name = Some(name.into());
            });
        }
        for name in ["", "Eve\r\nBcc: eve@example.com", "a\0b"] {
            refused(SmtpSettingsError::SenderName, |s| {
                s.sender_name = Some(name.into());
            });
        }
        for (user, password) in [("", "secret"), ("user", ""), ("user", "sec\0ret")] {
            refused(SmtpSettingsError::Credentials, |s| {
                s.credentials = Some(SmtpCredentials::new(user, password));
            });
        }
    }

    #[test]
    fn senders_beyond_ascii_are_refused() {
        let beyond = || Email::parse("j\u{f6}rg@example.com").unwrap();
        refused(SmtpSettingsError::From, |s| s.from = beyond());
        refused(SmtpSettingsError::ReplyTo, |s| s.reply_to = Some(beyond()));
    }

    #[test]
    fn roots_that_are_no_certificates_are_refused() {
        for pem in [
            String::new(),
            "/etc/mail.pem".into(),
            armoured("not base64!"),
            armoured("bm90IGEgY2VydGlmaWNhdGU="),
        ] {
            let only = SmtpRoots::Only(pem.clone());
            refused(SmtpSettingsError::Roots, |s| s.roots = only);
            let besides = SmtpRoots::SystemAnd(pem);
            refused(SmtpSettingsError::Roots, |s| s.roots = besides);
        }
    }

    fn armoured(body: &str) -> String {
        format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
    }

    #[test]
    fn the_port_is_that_of_the_protection() {
        let port = |security, port| {
            let from = Email::parse("no-reply@example.com").unwrap();
            let mut settings = SmtpSettings::new("mail.example.com", from);
            settings.security = security;
            settings.port = port;
            settings.relay().unwrap().port
        };
        assert_eq!(port(SmtpSecurity::default(), None), 587);
        assert_eq!(port(SmtpSecurity::ImplicitTls, None), 465);
        assert_eq!(port(SmtpSecurity::DangerPlaintext, None), 25);
        assert_eq!(port(SmtpSecurity::StartTls, Some(2525)), 2525);
    }

    #[test]
    fn debug_hides_the_credentials() {
        let from = Email::parse("no-reply@example.com").unwrap();
        let mut settings = SmtpSettings::new("mail.example.com", from);
        settings.credentials = Some(SmtpCredentials::new("postmaster", "hunter2"));
        let shown = format!("{settings:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("postmaster"));
    }
}
