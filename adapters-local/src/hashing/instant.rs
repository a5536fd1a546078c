use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use auth_domain::ports::{HashSlot, PasswordHasher, Reservation, Verification};
use auth_domain::{Password, PasswordHash, PortError, PortErrorKind};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::stored::{StoredHashError, StoredSha256};

const PREFIX: &str = "instant$";

/// A hasher for tests that costs nothing. Danger: whoever reads what it makes has the passwords, at
/// billions of guesses a second; what a real hasher stored it cannot read, and no real one reads it.
///
/// Makes `instant$<salt>$<digest>` with one round of SHA-256. Reads that
/// ([`Verification::Match`]) and, so that tests can watch an upgrade, 64 lower-case hex digits of
/// unsalted SHA-256 of the password as typed ([`Verification::MatchNeedsRehash`]). Never overloaded.
#[derive(Debug, Default)]
pub struct InsecureInstantHasher {
    hashes: AtomicU64,
}

impl InsecureInstantHasher {
    /// A hasher for tests.
    pub const fn new() -> Self {
        Self { hashes: AtomicU64::new(0) }
    }
}

impl PasswordHasher for InsecureInstantHasher {
    fn reserve(&self) -> Result<Reservation, PortError> {
        let salt = self.hashes.fetch_add(1, Ordering::Relaxed);
        Ok(Reservation::Slot(Box::new(InstantSlot { salt })))
    }
}

struct InstantSlot {
    salt: u64,
}

#[async_trait]
impl HashSlot for InstantSlot {
    async fn hash(self: Box<Self>, password: Password) -> Result<PasswordHash, PortError> {
        let salt = self.salt.to_string();
        let digest = <[u8; 32]>::from(Sha256::digest(&*salted(&salt, &password)));
        let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(PasswordHash::from_stored(format!("{PREFIX}{salt}${digits}")))
    }

    async fn verify(
        self: Box<Self>,
        password: Password,
        stored: Option<PasswordHash>,
    ) -> Result<Verification, PortError> {
        let Some(stored) = stored else {
            return Ok(Verification::Mismatch);
        };
        let (fits, on_match) = judge(stored.expose(), &password).ok_or_else(|| {
            PortError::new(PortErrorKind::Corrupt, "password_hasher.verify")
                .caused_by(StoredHashError::UnknownForm)
        })?;
        Ok(if fits { on_match } else { Verification::Mismatch })
    }
}

fn judge(stored: &str, password: &Password) -> Option<(bool, Verification)> {
    if let Some(digest) = StoredSha256::read(stored) {
        let fits = digest.is_of(password.expose_as_typed().as_bytes());
        return Some((fits, Verification::MatchNeedsRehash));
    }
    let (salt, digest) = stored.strip_prefix(PREFIX)?.split_once('$')?;
    let fits = StoredSha256::read(digest)?.is_of(&salted(salt, password));
    Some((fits, Verification::Match))
}

fn salted(salt: &str, password: &Password) -> Zeroizing<Vec<u8>> {
    Zeroizing::new([salt.as_bytes(), b"$", password.expose().as_bytes()].concat())
}
