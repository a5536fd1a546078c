use std::collections::VecDeque;
use std::sync::Mutex;

use async_trait::async_trait;
use auth_domain::ports::Mailer;
use auth_domain::{Email, OutgoingEmail, PortError, PortErrorKind};

use super::locked;

/// A mailer that keeps what it is given, for tests to read, and fails when it is told to.
#[derive(Debug, Default)]
pub struct Mailbox {
    mails: Mutex<Vec<OutgoingEmail>>,
    faults: Mutex<VecDeque<MailFault>>,
}

/// How a mail fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MailFault {
    /// The service refuses the mail for good.
    Permanent,
    /// The service cannot take the mail now.
    Transient,
    /// The service takes the mail, and its answer is lost.
    AnswerLost,
}

impl Mailbox {
    /// An empty mailbox.
    pub fn new() -> Self {
        Self::default()
    }

    /// Every mail so far, oldest first.
    pub fn all(&self) -> Vec<OutgoingEmail> {
        locked(&self.mails).clone()
    }

    /// The last mail to an address.
    pub fn latest(&self, to: &Email) -> Option<OutgoingEmail> {
        locked(&self.mails).iter().rev().find(|mail| mail.to == *to).cloned()
    }

    /// The next sends fail, one for each fault, in this order.
    pub fn fail_next(&self, faults: impl IntoIterator<Item = MailFault>) {
        locked(&self.faults).extend(faults);
    }
}

#[async_trait]
impl Mailer for Mailbox {
    async fn send(&self, mail: &OutgoingEmail) -> Result<(), PortError> {
        let fault = locked(&self.faults).pop_front();
        if matches!(fault, None | Some(MailFault::AnswerLost)) {
            locked(&self.mails).push(mail.clone());
        }
        let kind = match fault {
            None => return Ok(()),
            Some(MailFault::Permanent) => PortErrorKind::Rejected,
            Some(MailFault::Transient | MailFault::AnswerLost) => PortErrorKind::Unavailable,
        };
        Err(PortError::new(kind, "mailer.send"))
    }
}
