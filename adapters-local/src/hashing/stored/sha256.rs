use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::fields::{HexCase, hex};

/// What the replaced system stored: SHA-256 of the password as typed, no salt, 64 lower-case hex digits.
pub(in crate::hashing) struct StoredSha256(Zeroizing<Vec<u8>>);

impl StoredSha256 {
    pub(in crate::hashing) fn read(text: &str) -> Option<Self> {
        let digest = Some(text).filter(|text| text.len() == 64)?;
        hex(digest, HexCase::Lower).map(Self)
    }

    pub(super) fn digest(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn of(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
        let digest = Zeroizing::new(<[u8; 32]>::from(Sha256::digest(bytes)));
        Zeroizing::new(digest.to_vec())
    }

    /// Whether this is the digest of `bytes`, in a time that does not tell how much of it fits.
    pub(in crate::hashing) fn is_of(&self, bytes: &[u8]) -> bool {
        Self::of(bytes).ct_eq(&self.0).into()
    }
}
