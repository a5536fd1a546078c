use std::fmt;

use async_trait::async_trait;
use auth_domain::ports::TokenIssuer;
use auth_domain::{Claims, PortError, SignedToken};
use jsonwebtoken::EncodingKey;
use serde::Serialize;
use thiserror::Error;

use super::jws::{Algorithm, Signer};

const TYP: &str = "JWT";

/// Issues tokens for a service of the old system, which checks `HS256` with a shared secret and reads
/// `user_id`, `email` and `name`. `iat` and `exp` stand beside them and nothing else: a bare `decode` of
/// PyJWT refuses a token with an `aud`. It also refuses an `nbf` or, in its newer versions, an `iat`
/// that lies ahead by a second, so the clocks of both services must agree.
///
/// Whoever holds the secret can forge such a token, so nothing of ours accepts one: it names no key,
/// its `typ` is another, and [`JwtVerifier`](super::JwtVerifier) knows no shared secret.
pub struct CompatibilityIssuer(Signer);

/// Fewer than 32 bytes: the key of an HMAC must be at least as long as its output (RFC 7518
/// section 3.2).
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the secret of compatibility tokens has at least 32 bytes")]
#[non_exhaustive]
pub struct CompatibilityIssuerError;

impl CompatibilityIssuer {
    /// The fewest bytes accepted as the secret.
    pub const MIN_SECRET_BYTES: usize = 32;

    /// Signs with the bytes that the old service has as its secret (for a text: its UTF-8 bytes, not
    /// decoded from anything). They must come from a generator, never from a person.
    ///
    /// # Errors
    /// [`CompatibilityIssuerError`] when there are fewer than
    /// [`CompatibilityIssuer::MIN_SECRET_BYTES`].
    pub fn new(secret: &[u8]) -> Result<Self, CompatibilityIssuerError> {
        if secret.len() < Self::MIN_SECRET_BYTES {
            return Err(CompatibilityIssuerError);
        }
        let key = EncodingKey::from_secret(secret);
        Ok(Self(Signer::new(Algorithm::Hs256, key)))
    }
}

#[derive(Serialize)]
struct WireClaims<'a> {
    user_id: String,
    email: &'a str,
    name: &'a str,
    iat: u64,
    exp: u64,
}

#[async_trait]
impl TokenIssuer for CompatibilityIssuer {
    async fn issue(&self, claims: &Claims) -> Result<SignedToken, PortError> {
        let wire = WireClaims {
            user_id: claims.user_id.to_string(),
            email: claims.email.as_str(),
            name: claims.name.as_str(),
            iat: claims.issued_at.as_seconds(),
            exp: claims.expires_at.as_seconds(),
        };
        self.0.seal(TYP, None, &wire)
    }
}

impl fmt::Debug for CompatibilityIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CompatibilityIssuer(..)")
    }
}
