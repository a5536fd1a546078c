use std::fmt;

use hkdf::Hkdf;
use sha2::Sha256;
use thiserror::Error;
use zeroize::Zeroizing;

/// The one secret that a deployment keeps: at least 32 random bytes.
///
/// Every key comes from it by HKDF-SHA-256 (RFC 5869) with a label for its [`Purpose`], so that one
/// value is stored and rotated, and no key serves two purposes.
#[derive(Clone)]
pub struct MasterSecret(Zeroizing<Vec<u8>>);

/// Fewer than 32 bytes: an HMAC key must be at least as long as its output (RFC 2104 section 3).
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a master secret has at least 32 bytes")]
#[non_exhaustive]
pub struct MasterSecretError;

/// What a derived key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Purpose {
    /// Tokens by which a client is known again at login.
    DeviceTokens,
    /// Links that move an account to another address.
    EmailChangeLinks,
    /// Seed of the Ed25519 key that signs access tokens.
    Ed25519Seed,
    /// Keys of attempt counters and rate limits, so that a store holds no address in the clear.
    LimiterKeys,
    /// Children and tags of refresh tokens.
    RefreshTokens,
    /// Secret bytes and tags of reset links.
    ResetTokens,
    /// Links that prove who reads an address.
    VerificationLinks,
}

impl Purpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::DeviceTokens => b"auth/v1/device-tokens",
            Self::EmailChangeLinks => b"auth/v1/email-change-links",
            Self::Ed25519Seed => b"auth/v1/ed25519-seed",
            Self::LimiterKeys => b"auth/v1/limiter-keys",
            Self::RefreshTokens => b"auth/v1/refresh-tokens",
            Self::ResetTokens => b"auth/v1/reset-tokens",
            Self::VerificationLinks => b"auth/v1/verification-links",
        }
    }
}

impl MasterSecret {
    /// The fewest bytes accepted.
    pub const MIN_BYTES: usize = 32;

    /// Takes the secret's bytes, which must come from a generator of cryptographic quality.
    ///
    /// # Errors
    /// [`MasterSecretError`] when there are fewer than [`MasterSecret::MIN_BYTES`].
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, MasterSecretError> {
        let bytes = Zeroizing::new(bytes.into());
        if bytes.len() < Self::MIN_BYTES { Err(MasterSecretError) } else { Ok(Self(bytes)) }
    }

    /// The 32-byte key for one purpose.
    pub fn derive(&self, purpose: Purpose) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        // HKDF fails only beyond 255 blocks of output; this is one.
        let expanded = Hkdf::<Sha256>::new(None, &self.0).expand(purpose.label(), key.as_mut());
        debug_assert!(expanded.is_ok());
        key
    }
}

impl fmt::Debug for MasterSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_secrets_are_refused() {
        assert_eq!(MasterSecret::new([1; 31]).err(), Some(MasterSecretError));
        assert!(MasterSecret::new([1; 32]).is_ok());
    }

    #[test]
    fn each_purpose_and_each_secret_has_its_own_key() {
        let secret = MasterSecret::new([7; 32]).unwrap();
        let other = MasterSecret::new([8; 32]).unwrap();
        let purposes = [
            Purpose::DeviceTokens,
            Purpose::EmailChangeLinks,
            Purpose::Ed25519Seed,
            Purpose::LimiterKeys,
            Purpose::RefreshTokens,
            Purpose::ResetTokens,
            Purpose::VerificationLinks,
        ];
        let keys: Vec<_> = purposes
            .into_iter()
            .flat_map(|purpose| [secret.derive(purpose), other.derive(purpose)])
            .collect();
        for (i, key) in keys.iter().enumerate() {
            assert!(key.iter().any(|byte| *byte != 0));
            assert!(!keys[..i].contains(key));
        }
    }

    #[test]
    fn a_key_is_the_same_for_ever() {
        // Computed apart from this code with Python's hmac module.
        let key = MasterSecret::new([7; 32]).unwrap().derive(Purpose::ResetTokens);
        let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "5d68ead5b0e2a2e5da019596a46a5ae4c2e6d27a524057e09a1311e26bfb2eff");
    }

    #[test]
    fn debug_hides_the_secret() {
        assert_eq!(format!("{:?}", MasterSecret::new([7; 32]).unwrap()), "MasterSecret(..)");
    }
}
