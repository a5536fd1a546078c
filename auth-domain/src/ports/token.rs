use async_trait::async_trait;

use crate::{Claims, PortError, SignedToken, Timestamp, TokenRejected};

/// Signs tokens. Apart from [`TokenVerifier`], so that who only checks tokens holds no signing key.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait TokenIssuer: Send + Sync {
    /// Signs a token that says `claims`.
    ///
    /// # Errors
    /// No token was made.
    async fn issue(&self, claims: &Claims) -> Result<SignedToken, PortError>;
}

/// Checks tokens.
#[cfg_attr(test, mockall::automock)]
pub trait TokenVerifier: Send + Sync {
    /// Returns what a token says, if it is of the one kind that this verifier accepts, signed by a key
    /// that it trusts with the algorithm fixed for that key, and valid at `now`. No I/O.
    ///
    /// # Errors
    /// [`TokenRejected`] for everything else.
    fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, TokenRejected>;

    /// The keys that it trusts as a JSON Web Key Set (RFC 7517 section 5), to publish for other services:
    /// public members only. An empty set where it trusts a shared secret.
    fn jwks(&self) -> String;
}
