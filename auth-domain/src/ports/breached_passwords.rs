use async_trait::async_trait;

use crate::{Password, PortError};

/// Knows passwords that leaked (ASVS 5.0 6.2.12, NIST SP 800-63B-4 section 3.1.1.2).
///
/// Asked whenever a password is about to be set, after the policy let it pass, and never at login. Far
/// more passwords than the policy's own list holds are thereby refused.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait BreachedPasswords: Send + Sync {
    /// Whether this very password is known to have leaked: its prepared form
    /// ([`Password::expose`]), whole, case and all.
    ///
    /// Nothing of it leaves the process but what the adapter says in its documentation, and nothing of it
    /// is logged, or put into an error.
    ///
    /// # Errors
    /// It is not known: there was no answer, or one that makes no sense. Such an answer is never
    /// `Ok(false)`.
    async fn contains(&self, password: &Password) -> Result<bool, PortError>;
}
