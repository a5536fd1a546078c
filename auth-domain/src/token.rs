use std::fmt;

use thiserror::Error;
use zeroize::Zeroizing;

use crate::{CredentialVersion, DisplayName, Email, SessionId, Timestamp, UserId};

/// What an access token says of its bearer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "issuers and verifiers build it: a new field must not compile until each carries it"
)]
pub struct Claims {
    /// The account.
    pub user_id: UserId,
    /// The session that the token was issued in.
    pub session_id: SessionId,
    /// Its address when the token was issued.
    pub email: Email,
    /// Its name when the token was issued.
    pub name: DisplayName,
    /// Its credential version when the token was issued.
    pub credential_version: CredentialVersion,
    /// When the token was issued; whole seconds.
    pub issued_at: Timestamp,
    /// From this moment on the token is void; whole seconds.
    pub expires_at: Timestamp,
}

/// A signed token in the compact form of RFC 7515 section 3.1. A bearer secret: whoever has it is its
/// owner, so `Debug` does not print it.
#[derive(Clone)]
pub struct SignedToken(Zeroizing<String>);

impl SignedToken {
    /// Takes what a [`TokenIssuer`](crate::ports::TokenIssuer) signed.
    pub fn new(compact: String) -> Self {
        Self(Zeroizing::new(compact))
    }

    /// The token as a client carries it. A secret.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SignedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignedToken(..)")
    }
}

/// A text is not a valid token of the kind asked for. One error for every reason, so that a forger
/// learns nothing.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the token is not valid")]
#[expect(
    clippy::exhaustive_structs,
    reason = "verifiers build it: it has nothing to say and never will"
)]
pub struct TokenRejected;
