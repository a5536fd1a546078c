use std::fmt;
use std::io;

use auth_domain::{PortError, PortErrorKind};
use lettre::address::AddressError;
use lettre::transport::smtp::Error as LettreError;
use thiserror::Error;

/// Why a mail was not handed over.
///
/// Of a server's answer only the code is kept: its text may repeat the recipient or what we sent.
#[derive(Debug, Error)]
pub(super) enum Fault {
    #[error("the recipient's address cannot be written in SMTP")]
    Address(#[source] AddressError),
    #[error("{step} was answered with {code}")]
    Answered { step: Step, code: u16 },
    #[error("{step} failed")]
    Broken { step: Step, source: LettreError },
    #[error("no random bytes for the Message-ID")]
    Entropy(#[source] getrandom::Error),
    #[error("the server offers neither AUTH PLAIN nor AUTH LOGIN")]
    NoAuth,
    #[error("the server does not carry addresses beyond ASCII (SMTPUTF8)")]
    NoSmtpUtf8,
    #[error("the server does not offer STARTTLS, or somebody removed the offer")]
    NoStartTls,
    #[error("sending took too long as a whole")]
    Overdue,
    #[error("{step} was cut off, or its answer made no sense")]
    Senseless { step: Step },
    #[error("{step} got no answer in time")]
    Silent { step: Step },
    #[error("the server could not be reached")]
    Unreachable(#[source] io::Error),
    #[error("the server's name has no address")]
    Unresolved,
}

/// What was under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Auth,
    Connect,
    Content,
    Data,
    Mail,
    Rcpt,
    Rset,
    StartTls,
}

impl Step {
    /// Whether a refusal is about the mail. Earlier ones are about us: the account, the address we
    /// connect from, the settings. They are no reason to throw a mail away.
    const fn concerns_the_mail(self) -> bool {
        matches!(self, Self::Content | Self::Data | Self::Mail | Self::Rcpt)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auth => "AUTH",
            Self::Connect => "connecting",
            Self::Content => "the mail itself",
            Self::Data => "DATA",
            Self::Mail => "MAIL",
            Self::Rcpt => "RCPT",
            Self::Rset => "RSET",
            Self::StartTls => "STARTTLS",
        })
    }
}

impl Fault {
    pub(super) fn new(step: Step, error: LettreError) -> Self {
        match error.status() {
            Some(code) => Self::Answered { step, code: code.into() },
            // lettre quotes the answer that it could not read, so that error is not kept.
            None if error.is_response() => Self::Senseless { step },
            None => Self::Broken { step, source: error },
        }
    }

    /// Whether both sides still agree on where they are, so that RSET makes the connection good for
    /// the next mail. 421 says that the server is closing it.
    pub(super) const fn leaves_session_in_step(&self) -> bool {
        match self {
            Self::Answered { code, .. } => *code != 421,
            Self::NoSmtpUtf8 => true,
            _ => false,
        }
    }

    const fn kind(&self) -> PortErrorKind {
        match self {
            Self::Answered { code: 421 | 450..=459, .. } => PortErrorKind::Throttled,
            // RFC 4954 section 6: these ask for other credentials, whatever command they answer.
            Self::Answered { code: 530 | 534 | 535 | 538, .. } => PortErrorKind::Unavailable,
            Self::Answered { step, code: 500..=599 } if step.concerns_the_mail() => {
                PortErrorKind::Rejected
            }
            Self::Address(_) | Self::NoSmtpUtf8 => PortErrorKind::Rejected,
            _ => PortErrorKind::Unavailable,
        }
    }
}

impl From<Fault> for PortError {
    fn from(fault: Fault) -> Self {
        Self::new(fault.kind(), "mailer.send").caused_by(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(step: Step, code: u16) -> PortErrorKind {
        Fault::Answered { step, code }.kind()
    }

    #[test]
    fn only_a_refusal_of_the_mail_itself_is_for_good() {
        for step in [Step::Mail, Step::Rcpt, Step::Data, Step::Content] {
            assert_eq!(kind(step, 550), PortErrorKind::Rejected, "{step}");
        }
        for step in [Step::Auth, Step::Connect, Step::Rset, Step::StartTls] {
            assert_eq!(kind(step, 554), PortErrorKind::Unavailable, "{step}");
        }
        for code in [530, 534, 535, 538] {
            assert_eq!(kind(Step::Mail, code), PortErrorKind::Unavailable, "{code}");
        }
        assert_eq!(Fault::NoSmtpUtf8.kind(), PortErrorKind::Rejected);
    }

    #[test]
    fn a_busy_server_throttles_and_other_4xx_are_unavailable() {
        for code in [421, 450, 451, 452, 454] {
            assert_eq!(kind(Step::Rcpt, code), PortErrorKind::Throttled, "{code}");
        }
        for code in [422, 432, 441, 471] {
            assert_eq!(kind(Step::Rcpt, code), PortErrorKind::Unavailable, "{code}");
        }
    }
}
