use super::{Auth, Subject};
use crate::{EventKind, Password, PolicyViolation, PortError};

impl Auth {
    /// Refuses a new password that leaked. To be asked before a place to hash is held, which a slow
    /// answer would keep from others, and after every limit, so that nobody makes us ask without end.
    pub(super) async fn refuse_breached<E>(
        &self,
        password: &Password,
        subject: Subject,
    ) -> Result<(), E>
    where
        E: From<PolicyViolation> + From<PortError>,
    {
        let Some(breached) = &self.ports().breached_passwords else {
            return Ok(());
        };
        match breached.contains(password).await {
            Ok(false) => Ok(()),
            Ok(true) => Err(PolicyViolation::Breached.into()),
            Err(error) => {
                let policy = self.settings().on_breach_check_failure;
                Ok(self.without(policy, error, subject, EventKind::BreachCheckUnavailable)?)
            }
        }
    }
}
