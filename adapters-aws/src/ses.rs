use std::fmt;

use async_trait::async_trait;
use auth_domain::ports::Mailer;
use auth_domain::{Email, OutgoingEmail, PortError, PortErrorKind};
use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::error::BuildError;
use aws_sdk_sesv2::operation::send_email::SendEmailError;
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use email_encoding::headers::quoted_string;
use email_encoding::headers::writer::EmailWriter;
use thiserror::Error;

use crate::fault::AwsFault;

/// In whose name [`SesMailer`] sends.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SesSettings {
    /// The sender, an identity that SES has verified. Its local part must be ASCII: SES has no SMTPUTF8.
    pub from: Email,
    /// The name shown beside the sender's address, in any script: encoded as RFC 2047 asks where it must
    /// be. None by default.
    pub sender_name: Option<String>,
    /// Where answers go. By default to the sender.
    pub reply_to: Option<Email>,
    /// The configuration set, which says where SES reports bounces and complaints. None by default.
    pub configuration_set: Option<String>,
}

/// Why [`SesSettings`] cannot be kept.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SesSettingsError {
    /// Not the name of a configuration set: 1 to 64 ASCII letters, digits, `-` and `_`.
    #[error(
        "a configuration set is named by 1 to 64 ASCII letters, digits, dashes and underscores"
    )]
    ConfigurationSet,
    /// The sender's local part is beyond ASCII.
    #[error("the sender's address is beyond ASCII before the @")]
    From,
    /// The local part of where answers go is beyond ASCII.
    #[error("the address for answers is beyond ASCII before the @")]
    ReplyTo,
    /// The sender's name is blank, holds a line break or another control character, or makes the sender
    /// longer than 320 characters once it is encoded.
    #[error("the sender's name is blank, too long or holds a control character")]
    SenderName,
}

/// Sends mails through SES (API v2).
///
/// **What an error means.** `Throttled`: too many a second, or the day's quota is used up. `Rejected`:
/// SES refused this mail (`MessageRejected`, `BadRequestException`), or the recipient's local part is
/// beyond ASCII, which SES cannot write. Everything else is `Unavailable`: no connection, no answer, 5xx,
/// and also every refusal that is about the account and not about the mail (sending paused, identity not
/// verified, sandbox, no such configuration set, access denied). Such mails wait in their queue until the
/// set-up is mended, and end in its dead-letter queue if it is not; none is swallowed. Errors hold
/// AWS' codes, never its words, for they quote addresses.
///
/// A recipient on SES' suppression list is no error: SES accepts the mail and drops it, and says so through
/// the configuration set only.
///
/// **Time and tries** are the client's ([`AwsSettings`](crate::AwsSettings)); a call that is tried again after
/// its answer was lost may send the mail twice.
///
/// **Logging**: at level trace the SDK (targets `aws_*`) logs whole requests, links included. A subscriber
/// must let nothing below info of it through.
pub struct SesMailer {
    client: Client,
    from: String,
    reply_to: Option<String>,
    configuration_set: Option<String>,
}

/// The longest sender SES takes, name included.
const MAX_FROM_BYTES: usize = 320;

impl SesMailer {
    /// A mailer with these settings. Nothing is sent before the first mail.
    ///
    /// # Errors
    /// [`SesSettingsError`] names the setting that cannot be kept.
    pub fn new(client: Client, settings: SesSettings) -> Result<Self, SesSettingsError> {
        let SesSettings { from, sender_name, reply_to, configuration_set } = settings;
        let from = ascii(&from).ok_or(SesSettingsError::From)?;
        let from = match sender_name {
            Some(name) => mailbox(&name, from)?,
            None => from.to_owned(),
        };
        let reply_to = reply_to
            .map(|address| ascii(&address).map(str::to_owned).ok_or(SesSettingsError::ReplyTo))
            .transpose()?;
        if configuration_set.as_deref().is_some_and(|name| !is_set_name(name)) {
            return Err(SesSettingsError::ConfigurationSet);
        }
        Ok(Self { client, from, reply_to, configuration_set })
    }
}

#[async_trait]
impl Mailer for SesMailer {
    async fn send(&self, mail: &OutgoingEmail) -> Result<(), PortError> {
        let to = ascii(&mail.to)
            .ok_or_else(|| refused(PortErrorKind::Rejected).caused_by("an address beyond ASCII"))?;
        let content =
            content(mail).map_err(|error| refused(PortErrorKind::Rejected).caused_by(error))?;
        let sent = self
            .client
            .send_email()
            .from_email_address(&self.from)
            .set_reply_to_addresses(self.reply_to.clone().map(|address| vec![address]))
            .set_configuration_set_name(self.configuration_set.clone())
            .destination(Destination::builder().to_addresses(to).build())
            .content(content)
            .send()
            .await;
        sent.map(drop).map_err(|error| {
            let fault = AwsFault::of(&error);
            refused(kind(&error, &fault)).caused_by(fault)
        })
    }
}

fn refused(kind: PortErrorKind) -> PortError {
    PortError::new(kind, "mailer.send")
}

/// Only what is about this one mail is for good; the rest is about us, and no reason to throw mails away.
fn kind(error: &SdkError<SendEmailError, HttpResponse>, fault: &AwsFault) -> PortErrorKind {
    match fault.kind() {
        PortErrorKind::Rejected if !concerns_the_mail(error) => PortErrorKind::Unavailable,
        kind => kind,
    }
}

fn concerns_the_mail(error: &SdkError<SendEmailError, HttpResponse>) -> bool {
    match error.as_service_error() {
        Some(SendEmailError::BadRequestException(_)) => true,
        Some(SendEmailError::MessageRejected(refusal)) => {
            !refusal.meta().message().is_some_and(says_not_verified)
        }
        _ => false,
    }
}

/// `MessageRejected` also stands for a sender that was never verified, and for an account that is still in
/// the sandbox; only the words tell.
fn says_not_verified(words: &str) -> bool {
    words.starts_with("Email address is not verified")
}

fn content(mail: &OutgoingEmail) -> Result<EmailContent, BuildError> {
    let utf8 = |text: &str| Content::builder().data(text).charset("UTF-8").build();
    let body =
        Body::builder().text(utf8(&mail.content.text)?).html(utf8(&mail.content.html)?).build();
    let subject = utf8(&on_one_line(&mail.content.subject))?;
    Ok(EmailContent::builder()
        .simple(Message::builder().subject(subject).body(body).build())
        .build())
}

fn on_one_line(subject: &str) -> String {
    subject.replace(char::is_control, " ")
}

fn ascii(email: &Email) -> Option<&str> {
    Some(email.as_str()).filter(|address| address.is_ascii())
}

/// `name <address>` (RFC 5322 section 3.4), in ASCII and on one line.
fn mailbox(name: &str, address: &str) -> Result<String, SesSettingsError> {
    if name.trim().is_empty() || name.contains(char::is_control) {
        return Err(SesSettingsError::SenderName);
    }
    let mut encoded = String::new();
    quoted_string::encode(name.trim(), &mut EmailWriter::new(&mut encoded, 0, 0, false))
        .map_err(|_| SesSettingsError::SenderName)?;
    // The encoder folds long lines, which is for SES to do.
    let mailbox = format!("{} <{address}>", encoded.replace("\r\n", ""));
    if mailbox.len() > MAX_FROM_BYTES { Err(SesSettingsError::SenderName) } else { Ok(mailbox) }
}

fn is_set_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

impl SesSettings {
    /// Sends as `from`, without a name, a configuration set or another address for answers.
    pub const fn new(from: Email) -> Self {
        Self { from, sender_name: None, reply_to: None, configuration_set: None }
    }
}

impl fmt::Debug for SesMailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SesMailer").finish_non_exhaustive()
    }
}
