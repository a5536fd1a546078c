use auth_domain::{Email, OutgoingEmail};
use lettre::Address;
use lettre::address::AddressError;
use lettre::message::header::{
    self, Date, HeaderName, HeaderValue, Headers, MIME_VERSION_1_0, MessageId, Subject,
};
use lettre::message::{Mailbox, Mailboxes, MultiPart};
use zeroize::Zeroizing;

use super::fault::Fault;
use super::settings::SmtpSettingsError;

/// In whose name mails are sent.
pub(super) struct Sender {
    from: Mailbox,
    reply_to: Option<Mailbox>,
}

/// A mail as it goes over the wire: its envelope, and the text that follows DATA.
pub(super) struct Letter {
    pub(super) from: Address,
    pub(super) to: Address,
    pub(super) text: Zeroizing<Vec<u8>>,
}

impl Sender {
    pub(super) fn new(
        from: &Email,
        name: Option<String>,
        reply_to: Option<&Email>,
    ) -> Result<Self, SmtpSettingsError> {
        let from = ascii_address(from).ok_or(SmtpSettingsError::From)?;
        let reply_to = reply_to
            .map(|address| ascii_address(address).ok_or(SmtpSettingsError::ReplyTo))
            .transpose()?;
        Ok(Self {
            from: Mailbox::new(name, from),
            reply_to: reply_to.map(|address| Mailbox::new(None, address)),
        })
    }

    pub(super) fn letter(&self, mail: &OutgoingEmail) -> Result<Letter, Fault> {
        let to = address(&mail.to).map_err(Fault::Address)?;
        let headers = self.headers(&to, &mail.content.subject)?;
        let body = MultiPart::alternative_plain_html(
            with_plain_line_ends(&mail.content.text),
            with_plain_line_ends(&mail.content.html),
        );
        let mut text = Zeroizing::new(headers.to_string().into_bytes());
        text.extend_from_slice(&Zeroizing::new(body.formatted()));
        Ok(Letter { from: self.from.email.clone(), to, text })
    }

    /// Headers are set on their own, not through lettre's builder: that one reads addresses back out
    /// of the headers it wrote, with a parser that need not agree with ours.
    fn headers(&self, to: &Address, subject: &str) -> Result<Headers, Fault> {
        let mut headers = Headers::new();
        headers.set(Date::now());
        headers.set(header::From::from(Mailboxes::from(self.from.clone())));
        headers.set(header::To::from(Mailboxes::from(Mailbox::new(None, to.clone()))));
        if let Some(reply_to) = &self.reply_to {
            headers.set(header::ReplyTo::from(Mailboxes::from(reply_to.clone())));
        }
        headers.set(Subject::from(on_one_line(subject)));
        headers.set(MessageId::from(self.message_id()?));
        // RFC 3834 section 5: no out-of-office answers, please.
        headers.insert_raw(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ));
        headers.set(MIME_VERSION_1_0);
        Ok(headers)
    }

    fn message_id(&self) -> Result<String, Fault> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(Fault::Entropy)?;
        let id = u128::from_be_bytes(bytes);
        Ok(format!("<{id:032x}@{}>", self.from.email.domain()))
    }
}

fn address(email: &Email) -> Result<Address, AddressError> {
    email.as_str().parse()
}

fn ascii_address(email: &Email) -> Option<Address> {
    address(email).ok().filter(|_| email.as_str().is_ascii())
}

/// A line break in a subject would be a header of its own, to whoever decodes before splitting.
fn on_one_line(subject: &str) -> String {
    subject.replace(char::is_control, " ")
}

/// Lines ended by `\n` alone, which lettre turns into CRLF; a CR that it left by itself would end a
/// line for some servers and not for others, which is how a second mail is smuggled into one.
fn with_plain_line_ends(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_of_the_domain_can_be_written_in_smtp() {
        for text in [
            "ann@example.com",
            "!#$%&'*+-/=?^_`{|}~@example.com",
            "a.b.c@localhost",
            "j\u{f6}rg@example.com",
            "\u{d55c}\u{ae00}@xn--3e0b707e.kr",
            "cafe\u{301}@example.com",
            "\u{e01}\u{e33}\u{e19}@example.co.th",
            "x@a-b.c-d.example",
        ] {
            let email = Email::parse(text).unwrap();
            assert!(address(&email).is_ok(), "{text}");
        }
        let long = format!("{}@{}.example.com", "a".repeat(64), "b".repeat(63));
        assert!(address(&Email::parse(&long).unwrap()).is_ok());
    }
}
