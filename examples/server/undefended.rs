//! A server that tells by time who has an account, for the bench that must find that out.

use std::sync::Arc;

use async_trait::async_trait;
use auth_domain::ports::{HashSlot, PasswordHasher, Reservation, Verification};
use auth_domain::{Password, PasswordHash, PortError};

/// Breaks the promise of [`HashSlot::verify`] that `None` costs as much as a hash.
pub(crate) struct SkipsStandInHash(pub(crate) Arc<dyn PasswordHasher>);

impl PasswordHasher for SkipsStandInHash {
    fn reserve(&self) -> Result<Reservation, PortError> {
        Ok(match self.0.reserve()? {
            Reservation::Slot(slot) => Reservation::Slot(Box::new(Slot(slot))),
            overloaded @ Reservation::Overloaded { .. } => overloaded,
        })
    }
}

struct Slot(Box<dyn HashSlot>);

#[async_trait]
impl HashSlot for Slot {
    async fn hash(self: Box<Self>, password: Password) -> Result<PasswordHash, PortError> {
        self.0.hash(password).await
    }

    async fn verify(
        self: Box<Self>,
        password: Password,
        stored: Option<PasswordHash>,
    ) -> Result<Verification, PortError> {
        match stored {
            None => Ok(Verification::Mismatch),
            stored => self.0.verify(password, stored).await,
        }
    }
}
