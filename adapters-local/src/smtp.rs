mod fault;
mod letter;
mod line_stream;
mod session;
mod settings;

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use auth_domain::ports::Mailer;
use auth_domain::{OutgoingEmail, PortError};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use self::fault::Fault;
use self::letter::{Letter, Sender};
use self::session::{Relay, Session};
pub use self::settings::{
    SmtpCredentials, SmtpRoots, SmtpSecurity, SmtpSettings, SmtpSettingsError,
};

/// Sends mails through an SMTP server.
///
/// **What an error means.** `Throttled`: 421 or 45x. `Rejected`: 5xx to MAIL, RCPT, DATA or the mail
/// itself, or an address beyond ASCII at a server without SMTPUTF8. Everything else is `Unavailable`:
/// other 4xx, no connection, a certificate that does not hold, STARTTLS not offered, silence, a cut. A
/// cut after the mail was sent leaves unknown whether it was taken; it may then arrive twice.
/// A refused log-in (535) is `Unavailable` too, as is every 5xx before MAIL: the fault is in our
/// settings, and mails wait until it is mended. Errors hold codes, never what a server said, for it
/// may repeat the recipient.
///
/// **Connections** are kept and used again. One whose send was given up half-way (deadline, dropped
/// future) is closed, since the next mail would read its answers; that is why lettre's own pool, which
/// puts it back, is not used.
///
/// **Runtime**: tokio with I/O and time, for [`Mailer::send`]; none to build or drop this.
/// **Logging**: lettre's feature `tracing` logs whole mails and credentials at level debug; it is off
/// here, and a crate that turns it on turns it on for everyone.
pub struct SmtpMailer {
    sender: Sender,
    relay: Relay,
    deadline: Duration,
    slots: Semaphore,
    idle: Mutex<Vec<Session>>,
}

impl SmtpMailer {
    /// A mailer with these settings. Nothing is connected before the first mail; the system's root
    /// certificates are read from disk here, where [`SmtpRoots`] asks for them.
    ///
    /// # Errors
    /// [`SmtpSettingsError`] names the setting that cannot be kept.
    pub fn new(settings: SmtpSettings) -> Result<Self, SmtpSettingsError> {
        settings.check()?;
        Ok(Self {
            sender: settings.sender()?,
            relay: settings.relay()?,
            deadline: settings.deadline,
            slots: Semaphore::new(settings.connections.into()),
            idle: Mutex::new(Vec::new()),
        })
    }

    async fn deliver(&self, letter: &Letter) -> Result<(), Fault> {
        // Never closed, so this is always a permit.
        let _slot = self.slots.acquire().await;
        let mut session = self.session().await?;
        let outcome = session.deliver(letter).await;
        if outcome.as_ref().err().is_none_or(Fault::leaves_session_in_step) {
            self.with_idle(|idle| idle.push(session));
        }
        outcome
    }

    /// An idle session, or a new one. What ended one idle session (a restart, a firewall) has most
    /// likely ended the others: they are not tried one after the other.
    async fn session(&self) -> Result<Session, Fault> {
        if let Some(mut session) = self.with_idle(Vec::pop) {
            if session.is_ready().await {
                return Ok(session);
            }
            self.with_idle(Vec::clear);
        }
        self.relay.connect().await
    }

    fn with_idle<T>(&self, act: impl FnOnce(&mut Vec<Session>) -> T) -> T {
        act(&mut self.idle.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, mail: &OutgoingEmail) -> Result<(), PortError> {
        let letter = self.sender.letter(mail)?;
        match timeout(self.deadline, self.deliver(&letter)).await {
            Ok(outcome) => Ok(outcome?),
            Err(_) => Err(Fault::Overdue.into()),
        }
    }
}

impl fmt::Debug for SmtpMailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpMailer").finish_non_exhaustive()
    }
}
