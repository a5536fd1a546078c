use std::sync::Arc;

use async_trait::async_trait;
use auth_domain::ports::{
    BreachedPasswords, HashSlot, MailQueue, Mailer, PasswordHasher, Reservation, TokenIssuer,
    TokenVerifier, Verification,
};
use auth_domain::{
    Claims, MailJob, OutgoingEmail, Password, PasswordHash, PortError, SignedToken, Timestamp,
    TokenRejected,
};

use super::Observed;
use super::call::call;
use super::metrics::Instruments;

#[async_trait]
impl BreachedPasswords for Observed<dyn BreachedPasswords> {
    async fn contains(&self, password: &Password) -> Result<bool, PortError> {
        let call = call!(self.instruments, "breached_passwords.contains", "client");
        call.wait(self.port.contains(password)).await
    }
}

#[async_trait]
impl MailQueue for Observed<dyn MailQueue> {
    async fn enqueue(&self, job: MailJob) -> Result<(), PortError> {
        call!(self.instruments, "mail_queue.enqueue", "producer").wait(self.port.enqueue(job)).await
    }
}

#[async_trait]
impl Mailer for Observed<dyn Mailer> {
    async fn send(&self, mail: &OutgoingEmail) -> Result<(), PortError> {
        call!(self.instruments, "mailer.send", "client").wait(self.port.send(mail)).await
    }
}

impl PasswordHasher for Observed<dyn PasswordHasher> {
    fn reserve(&self) -> Result<Reservation, PortError> {
        let reservation =
            call!(self.instruments, "password_hasher.reserve").ask(|| self.port.reserve())?;
        Ok(match reservation {
            Reservation::Slot(slot) => {
                let instruments = Arc::clone(&self.instruments);
                Reservation::Slot(Box::new(ObservedSlot { slot, instruments }))
            }
            overloaded @ Reservation::Overloaded { .. } => {
                self.instruments.hash_overloads.add(1, &[]);
                overloaded
            }
        })
    }
}

struct ObservedSlot {
    slot: Box<dyn HashSlot>,
    instruments: Arc<Instruments>,
}

#[async_trait]
impl HashSlot for ObservedSlot {
    async fn hash(self: Box<Self>, password: Password) -> Result<PasswordHash, PortError> {
        let Self { slot, instruments } = *self;
        call!(instruments, "password_hasher.hash").wait(slot.hash(password)).await
    }

    async fn verify(
        self: Box<Self>,
        password: Password,
        stored: Option<PasswordHash>,
    ) -> Result<Verification, PortError> {
        let Self { slot, instruments } = *self;
        call!(instruments, "password_hasher.verify").wait(slot.verify(password, stored)).await
    }
}

#[async_trait]
impl TokenIssuer for Observed<dyn TokenIssuer> {
    async fn issue(&self, claims: &Claims) -> Result<SignedToken, PortError> {
        call!(self.instruments, "token_issuer.issue").wait(self.port.issue(claims)).await
    }
}

/// A token that is refused is an answer: refusals are counted as events.
impl TokenVerifier for Observed<dyn TokenVerifier> {
    fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, TokenRejected> {
        call!(self.instruments, "token_verifier.verify")
            .ask_unfailing(|| self.port.verify(token, now))
    }

    fn jwks(&self) -> String {
        self.port.jwks()
    }
}
