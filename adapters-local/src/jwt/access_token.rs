use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use auth_domain::ports::{Entropy, TokenIssuer, TokenVerifier};
use auth_domain::{
    Claims, CredentialVersion, DisplayName, Email, MasterSecret, PortError, SessionId, SignedToken,
    Timestamp, TokenRejected, UserId,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::jws::{self, Text};
use super::key::{SigningKey, VerifyingKey};
use super::key_ring::KeyRing;
use super::key_set::{Jwks, KeySet, Swap};

/// The kind that RFC 9068 section 2.1 names. No other kind of token may have it.
const TYP: &str = "at+jwt";

/// Who issues access tokens and for whom: the `iss` and `aud` of each. Issuer and verifier must have
/// the same, letter for letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenProfile {
    issuer: String,
    audience: String,
}

/// An issuer or audience is empty, which every forgotten setting would agree with.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("tokens need an issuer and an audience")]
#[non_exhaustive]
pub struct TokenProfileError;

impl TokenProfile {
    /// Tokens of `issuer` (such as `https://auth.example.com`) for `audience` (the service that takes
    /// them). Two services that must not take each other's tokens need different audiences.
    ///
    /// # Errors
    /// [`TokenProfileError`] if either is blank.
    pub fn new(
        issuer: impl Into<String>,
        audience: impl Into<String>,
    ) -> Result<Self, TokenProfileError> {
        let (issuer, audience) = (issuer.into(), audience.into());
        if issuer.trim().is_empty() || audience.trim().is_empty() {
            Err(TokenProfileError)
        } else {
            Ok(Self { issuer, audience })
        }
    }
}

/// The claims as they stand in a token (RFC 7519 section 4.1, RFC 9068 section 2.2).
///
/// All are required, each in this type. Others are ignored, so that a newer issuer may add one before
/// the last older verifier is gone.
#[derive(Deserialize, Serialize)]
struct WireClaims<'a> {
    #[serde(borrow)]
    iss: Text<'a>,
    #[serde(borrow)]
    aud: Text<'a>,
    #[serde(borrow)]
    sub: Text<'a>,
    iat: u64,
    nbf: u64,
    exp: u64,
    #[serde(borrow)]
    jti: Text<'a>,
    #[serde(borrow)]
    email: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    cv: u64,
    #[serde(borrow)]
    sid: Text<'a>,
}

/// Issues access tokens: signed JWTs of `typ` `at+jwt` with a random `jti` of 128 bits.
pub struct JwtIssuer {
    keys: KeyRing,
    profile: TokenProfile,
    entropy: Arc<dyn Entropy>,
}

impl JwtIssuer {
    /// An issuer that signs with the signing key of a [`KeyRing`], or with one [`SigningKey`].
    pub fn new(keys: impl Into<KeyRing>, profile: TokenProfile, entropy: Arc<dyn Entropy>) -> Self {
        Self { keys: keys.into(), profile, entropy }
    }

    fn token_id(&self) -> Result<String, PortError> {
        let mut id = [0; 16];
        self.entropy.fill(&mut id)?;
        Ok(jws::encode(&id))
    }
}

#[async_trait]
impl TokenIssuer for JwtIssuer {
    /// Fails if there is no randomness, or if the token would be longer than the 4,096 bytes that
    /// [`JwtVerifier`] reads (a name of more than some 2,000 bytes).
    async fn issue(&self, claims: &Claims) -> Result<SignedToken, PortError> {
        let issued_at = claims.issued_at.as_seconds();
        let (user_id, session_id) = (claims.user_id.to_string(), claims.session_id.to_string());
        let token_id = self.token_id()?;
        let wire = WireClaims {
            iss: self.profile.issuer.as_str().into(),
            aud: self.profile.audience.as_str().into(),
            sub: user_id.as_str().into(),
            iat: issued_at,
            nbf: issued_at,
            exp: claims.expires_at.as_seconds(),
            jti: token_id.as_str().into(),
            email: claims.email.as_str().into(),
            name: claims.name.as_str().into(),
            cv: claims.credential_version.get(),
            sid: session_id.as_str().into(),
        };
        let key = self.keys.signing_key();
        key.signer().seal(TYP, Some(key.kid()), &wire)
    }
}

impl fmt::Debug for JwtIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtIssuer")
            .field("keys", &self.keys)
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

/// Checks access tokens. Holds public keys only, and knows no algorithm with a shared secret.
///
/// A token is void from its `exp` on, to the second. A clock that runs behind the issuer's is allowed
/// for at the other end: `iat` and `nbf` may lie ahead by [`JwtVerifier::DEFAULT_CLOCK_SKEW`]. After a
/// clock was set back by more than that, tokens are refused until it has caught up.
///
/// A token is not to be named by its text, say in a list of revoked ones: a signature of `ES256` can be
/// rewritten by anybody into a second valid one. `sub` and `jti` name it.
#[derive(Debug)]
pub struct JwtVerifier {
    keys: Arc<Swap<KeySet>>,
    profile: TokenProfile,
    clock_skew: Duration,
}

/// Why there is no such [`JwtVerifier`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum JwtVerifierError {
    /// More than [`JwtVerifier::MAX_CLOCK_SKEW`].
    #[error("a clock skew of more than 60 s is not allowed for")]
    ClockSkew,
    /// Two keys have one `kid`. Also if the previous key is the current one.
    #[error("two keys have the same kid")]
    DuplicateKid,
    /// It would refuse every token.
    #[error("no key to verify with")]
    NoKeys,
}

impl JwtVerifier {
    /// How far `iat` and `nbf` may lie ahead unless another figure is set: 30 s.
    pub const DEFAULT_CLOCK_SKEW: Duration = Duration::from_secs(30);
    /// The most that may be set: 60 s.
    pub const MAX_CLOCK_SKEW: Duration = Duration::from_secs(60);

    /// A verifier that trusts `keys` and, as long as it lives, no others.
    ///
    /// # Errors
    /// [`JwtVerifierError::NoKeys`] or [`JwtVerifierError::DuplicateKid`].
    pub fn new(
        keys: impl IntoIterator<Item = VerifyingKey>,
        profile: TokenProfile,
    ) -> Result<Self, JwtVerifierError> {
        let keys = KeySet::new(keys.into_iter().collect()).ok_or(JwtVerifierError::DuplicateKid)?;
        if keys.is_empty() {
            return Err(JwtVerifierError::NoKeys);
        }
        Ok(Self::over(Arc::new(Swap::new(keys)), profile))
    }

    /// A verifier that trusts the Ed25519 keys of two master secrets, so that tokens outlive the change
    /// from one to the other. In a fleet the new secret is the second one first, until every instance
    /// has it, and only then the current one; see [`KeyRing`].
    ///
    /// # Errors
    /// [`JwtVerifierError::DuplicateKid`] if both secrets are the same.
    pub fn from_masters(
        current: &MasterSecret,
        other: Option<&MasterSecret>,
        profile: TokenProfile,
    ) -> Result<Self, JwtVerifierError> {
        let keys = std::iter::once(current)
            .chain(other)
            .map(|master| SigningKey::ed25519_from_master(master).verifying_key());
        Self::new(keys, profile)
    }

    /// A verifier that trusts what `ring` holds at the moment of each check: for the service whose
    /// [`JwtIssuer`] has the same ring.
    pub fn from_ring(ring: &KeyRing, profile: TokenProfile) -> Self {
        Self::over(ring.keys(), profile)
    }

    /// A verifier that trusts what `jwks` holds at the moment of each check: for a service that takes
    /// the tokens of another.
    pub fn from_jwks(jwks: &Jwks, profile: TokenProfile) -> Self {
        Self::over(jwks.keys(), profile)
    }

    const fn over(keys: Arc<Swap<KeySet>>, profile: TokenProfile) -> Self {
        Self { keys, profile, clock_skew: Self::DEFAULT_CLOCK_SKEW }
    }

    /// The same verifier with another figure for how far `iat` and `nbf` may lie ahead.
    ///
    /// # Errors
    /// [`JwtVerifierError::ClockSkew`] for more than [`JwtVerifier::MAX_CLOCK_SKEW`].
    pub fn with_clock_skew(mut self, clock_skew: Duration) -> Result<Self, JwtVerifierError> {
        if clock_skew > Self::MAX_CLOCK_SKEW {
            return Err(JwtVerifierError::ClockSkew);
        }
        self.clock_skew = clock_skew;
        Ok(self)
    }

    fn is_ours_and_current(&self, claims: &WireClaims<'_>, now: Timestamp) -> bool {
        let ahead = now + self.clock_skew;
        *claims.iss == self.profile.issuer
            && *claims.aud == self.profile.audience
            && Timestamp::from_seconds(claims.iat) <= ahead
            && Timestamp::from_seconds(claims.nbf) <= ahead
            && now < Timestamp::from_seconds(claims.exp)
            && !claims.jti.is_empty()
    }
}

impl TokenVerifier for JwtVerifier {
    fn jwks(&self) -> String {
        self.keys.get().to_jwks()
    }

    fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, TokenRejected> {
        let keys = self.keys.get();
        let opened = jws::open(token, |kid| keys.named(kid?))?;
        let wire: WireClaims<'_> = opened.claims(TYP)?;
        if !self.is_ours_and_current(&wire, now) {
            return Err(TokenRejected);
        }
        Ok(Claims {
            user_id: UserId::parse(&wire.sub).map_err(|_| TokenRejected)?,
            session_id: SessionId::parse(&wire.sid).map_err(|_| TokenRejected)?,
            email: Email::parse(&wire.email).map_err(|_| TokenRejected)?,
            // As on the row, where an old name may break a rule that came after it.
            name: DisplayName::from_stored(wire.name.into_owned()),
            credential_version: CredentialVersion::new(wire.cv),
            issued_at: Timestamp::from_seconds(wire.iat),
            expires_at: Timestamp::from_seconds(wire.exp),
        })
    }
}
