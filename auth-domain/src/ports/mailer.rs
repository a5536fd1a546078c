use async_trait::async_trait;

use crate::{OutgoingEmail, PortError};

/// Hands mails to a mail service.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Sends one mail. `Ok` means accepted by the service, not delivered to the reader. Neither body nor
    /// link is ever logged, nor put into an error.
    ///
    /// # Errors
    /// Transient: nothing is known to have been sent, and trying again is right; since the answer may be
    /// what was lost, the mail may then arrive twice. Otherwise the service refused this mail for good.
    async fn send(&self, mail: &OutgoingEmail) -> Result<(), PortError>;
}
