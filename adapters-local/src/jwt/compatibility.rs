use std::fmt;

use async_trait::async_trait;
use auth_domain::ports::TokenIssuer;
use auth_domain::{
    Claims, DisplayName, Email, PortError, SignedToken, Timestamp, TokenRejected, UserId,
};
use jsonwebtoken::EncodingKey;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::access_token::JwtVerifier;
use super::jws::{self, Algorithm, Signer, Text, Verifier};

const TYP: &str = "JWT";

/// Issues tokens for a service of the old system, which checks `HS256` with a shared secret and reads
/// `user_id`, `email` and `name`. `iat` and `exp` stand beside them and nothing else: a bare `decode` of
/// PyJWT refuses a token with an `aud`. It also refuses an `nbf` or, in its newer versions, an `iat`
/// that lies ahead by a second, so the clocks of both services must agree.
///
/// Whoever holds the secret can forge such a token, so nothing of ours accepts one: it names no key,
/// its `typ` is another, and [`JwtVerifier`] knows no shared secret.
pub struct CompatibilityIssuer(Signer);

/// Fewer than 32 bytes: the key of an HMAC must be at least as long as its output (RFC 7518
/// section 3.2).
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the secret of compatibility tokens has at least 32 bytes")]
#[non_exhaustive]
pub struct CompatibilitySecretError;

impl CompatibilityIssuer {
    /// The fewest bytes accepted as the secret.
    pub const MIN_SECRET_BYTES: usize = 32;

    /// Signs with the bytes that the old service has as its secret (for a text: its UTF-8 bytes, not
    /// decoded from anything). They must come from a generator, never from a person.
    ///
    /// # Errors
    /// [`CompatibilitySecretError`] when there are fewer than
    /// [`CompatibilityIssuer::MIN_SECRET_BYTES`].
    pub fn new(secret: &[u8]) -> Result<Self, CompatibilitySecretError> {
        let key = EncodingKey::from_secret(long_enough(secret)?);
        Ok(Self(Signer::new(Algorithm::Hs256, key)))
    }
}

const fn long_enough(secret: &[u8]) -> Result<&[u8], CompatibilitySecretError> {
    if secret.len() < CompatibilityIssuer::MIN_SECRET_BYTES {
        Err(CompatibilitySecretError)
    } else {
        Ok(secret)
    }
}

/// Checks the tokens of a [`CompatibilityIssuer`], for a service in Rust that takes the place of the old
/// one. No [`TokenVerifier`](auth_domain::ports::TokenVerifier), so that nothing of ours can be built
/// over it by mistake: whoever holds the secret can forge these tokens.
///
/// As for an access token, `exp` is exact and `iat` may lie ahead by
/// [`JwtVerifier::DEFAULT_CLOCK_SKEW`].
pub struct CompatibilityVerifier(Verifier);

/// What a compatibility token says of its bearer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompatibilityClaims {
    /// The account.
    pub user_id: UserId,
    /// Its address when the token was issued.
    pub email: Email,
    /// Its name when the token was issued.
    pub name: DisplayName,
    /// When the token was issued; whole seconds.
    pub issued_at: Timestamp,
    /// From this moment on the token is void; whole seconds.
    pub expires_at: Timestamp,
}

impl CompatibilityVerifier {
    /// Checks with the bytes that [`CompatibilityIssuer::new`] signs with.
    ///
    /// # Errors
    /// [`CompatibilitySecretError`].
    pub fn new(secret: &[u8]) -> Result<Self, CompatibilitySecretError> {
        Ok(Self(Verifier::hmac(long_enough(secret)?)))
    }

    /// What a compatibility token says, if it is one, signed with this secret and valid at `now`.
    ///
    /// # Errors
    /// [`TokenRejected`] for everything else, an access token too.
    pub fn verify(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<CompatibilityClaims, TokenRejected> {
        let opened = jws::open(token, |kid| kid.is_none().then_some(&self.0))?;
        let wire: WireClaims<'_> = opened.claims(TYP)?;
        let issued_at = Timestamp::from_seconds(wire.iat);
        let expires_at = Timestamp::from_seconds(wire.exp);
        if issued_at > now + JwtVerifier::DEFAULT_CLOCK_SKEW || now >= expires_at {
            return Err(TokenRejected);
        }
        Ok(CompatibilityClaims {
            user_id: UserId::parse(&wire.user_id).map_err(|_| TokenRejected)?,
            email: Email::parse(&wire.email).map_err(|_| TokenRejected)?,
            name: DisplayName::from_stored(wire.name.into_owned()),
            issued_at,
            expires_at,
        })
    }
}

impl fmt::Debug for CompatibilityVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CompatibilityVerifier(..)")
    }
}

#[derive(Deserialize, Serialize)]
struct WireClaims<'a> {
    #[serde(borrow)]
    user_id: Text<'a>,
    #[serde(borrow)]
    email: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    iat: u64,
    exp: u64,
}

#[async_trait]
impl TokenIssuer for CompatibilityIssuer {
    async fn issue(&self, claims: &Claims) -> Result<SignedToken, PortError> {
        let user_id = claims.user_id.to_string();
        let wire = WireClaims {
            user_id: user_id.as_str().into(),
            email: claims.email.as_str().into(),
            name: claims.name.as_str().into(),
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
