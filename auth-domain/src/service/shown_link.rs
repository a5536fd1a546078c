use super::{Auth, Keys};
use crate::link::LinkClaims;
use crate::{Email, EmailChangeToken, ResetToken, VerificationToken};

/// What a page may show of a mailed link before it is used. No store is asked, so nobody learns by it what he
/// does not hold already; whether the link is still good shows when it is used.
impl Auth {
    /// Whose password a link resets, if it was issued here.
    pub fn address_of_reset_link(&self, token: &ResetToken) -> Option<Email> {
        let is_ours = self.inner.reset_keys.issued(|key| token.is_of(key));
        is_ours.then(|| token.email().clone())
    }

    /// The address that a link confirms, if it was issued here and is in time.
    pub fn address_of_verification_link(&self, token: &VerificationToken) -> Option<Email> {
        let keys = &self.inner.verification_keys;
        let stands = self.is_in_time(keys, |key| token.is_of(key), token.claims());
        stands.then(|| token.claims().email.clone())
    }

    /// The address that a link moves its account to, if it was issued here and is in time.
    pub fn new_address_of_change_link(&self, token: &EmailChangeToken) -> Option<Email> {
        let keys = &self.inner.email_change_keys;
        let stands = self.is_in_time(keys, |key| token.is_of(key), token.claims());
        stands.then(|| token.new_email().clone())
    }

    fn is_in_time(
        &self,
        keys: &Keys,
        is_of: impl Fn(&[u8; 32]) -> bool,
        claims: &LinkClaims,
    ) -> bool {
        keys.issued(is_of) && self.now() < claims.expires_at
    }
}
