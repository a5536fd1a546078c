use std::collections::TryReserveError;

use auth_domain::PasswordHash;
use aws_lc_rs::cipher::{AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use base64ct::Base64Unpadded;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::StoredHashError;
use super::fields::{bytes, named, output, parts};
use super::scrypt::{ScryptCosts, scrypt};
use crate::hashing::arena::Arena;
use crate::hashing::settings::ImportCeilings;

/// The hash parameters of a Firebase project, by which an exported hash becomes one that
/// [`Argon2idHasher`](crate::Argon2idHasher) verifies.
///
/// Firebase hashes with a scrypt of its own: the key that scrypt derives from the password encrypts a
/// signer key, one for the whole project, and the outcome is stored. What is made here carries all that
/// it takes, so that a service needs no further setting:
///
/// ```text
/// $firebase-scrypt$ln=<mem_cost>,r=<rounds>$<salt>$<salt separator>$<signer key>$<hash>
/// ```
///
/// `ln` and `r` in decimal, the rest in base64 without padding.
///
/// So the signer key is in each imported row, until its owner's first login replaces the row's hash.
/// Kept elsewhere it would hide nothing: whoever reads the rows and knows the password of one, such as
/// his own, decrypts the signer key from it. A guess costs him what it costs against any scrypt.
pub struct FirebaseScrypt {
    signer_key: Zeroizing<String>,
    salt_separator: String,
    rounds: u32,
    mem_cost: u32,
}

impl FirebaseScrypt {
    /// The parameters as the Firebase console shows them: `base64_signer_key`, `base64_salt_separator`,
    /// `rounds` (8) and `mem_cost` (14).
    ///
    /// # Errors
    /// [`StoredHashError::Malformed`] when one is not base64. Costs are checked where a hash is read.
    pub fn new(
        signer_key: &str,
        salt_separator: &str,
        rounds: u32,
        mem_cost: u32,
    ) -> Result<Self, StoredHashError> {
        let (signer_key, salt_separator) = (unpadded(signer_key)?, unpadded(salt_separator)?);
        Ok(Self { signer_key, salt_separator: salt_separator.to_string(), rounds, mem_cost })
    }

    /// What to store for a user whose `passwordHash` and `salt` an export gives, in base64 of either
    /// alphabet, with or without padding.
    ///
    /// # Errors
    /// [`StoredHashError::Malformed`] when one is not base64.
    pub fn stored(&self, password_hash: &str, salt: &str) -> Result<PasswordHash, StoredHashError> {
        let (hash, salt) = (unpadded(password_hash)?, unpadded(salt)?);
        let Self { signer_key, salt_separator, rounds, mem_cost } = self;
        let mut text = String::with_capacity(super::MOST_BYTES);
        for part in [
            &format!("${NAME}$ln={mem_cost},r={rounds}"),
            salt.as_str(),
            salt_separator,
            signer_key,
            &hash,
        ] {
            if !text.is_empty() {
                text.push('$');
            }
            text.push_str(part);
        }
        Ok(PasswordHash::from_stored(text))
    }
}

impl std::fmt::Debug for FirebaseScrypt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FirebaseScrypt(..)")
    }
}

/// Base64 of any kind as base64 without padding.
fn unpadded(text: &str) -> Result<Zeroizing<String>, StoredHashError> {
    let standard = |c| match c {
        '-' => '+',
        '_' => '/',
        other => other,
    };
    let text = text.trim_end_matches('=');
    let mut unpadded = Zeroizing::new(String::with_capacity(text.len()));
    unpadded.extend(text.chars().map(standard));
    bytes::<Base64Unpadded>(&unpadded).map(|_| unpadded)
}

pub(super) const NAME: &str = "firebase-scrypt";

pub(in crate::hashing) struct StoredFirebaseScrypt {
    costs: ScryptCosts,
    /// With the separator.
    salt: Vec<u8>,
    signer_key: Zeroizing<Vec<u8>>,
    output: Zeroizing<Vec<u8>>,
}

impl StoredFirebaseScrypt {
    /// What follows `$firebase-scrypt$`.
    pub(super) fn read(text: &str, ceilings: &ImportCeilings) -> Result<Self, StoredHashError> {
        let [costs, salt, separator, signer_key, hash] = parts(text)?;
        let [log_n, r] = named(costs, ["ln", "r"])?;
        let costs = ScryptCosts::new(log_n, r, 1, ceilings)?;
        let mut salt = bytes::<Base64Unpadded>(salt)?.to_vec();
        salt.extend_from_slice(&bytes::<Base64Unpadded>(separator)?);
        let signer_key = bytes::<Base64Unpadded>(signer_key)?;
        let output = output(bytes::<Base64Unpadded>(hash)?)?;
        if signer_key.len() != output.len() {
            return Err(StoredHashError::Malformed);
        }
        Ok(Self { costs, salt, signer_key, output })
    }

    pub(super) const fn work(&self) -> u64 {
        self.costs.work()
    }

    pub(super) fn fits(&self, arena: &mut Arena, typed: &[u8]) -> Result<bool, TryReserveError> {
        // Firebase derives 64 bytes and encrypts with the first 32. The first do not depend on the rest.
        let mut key = Zeroizing::new([0; 32]);
        scrypt(arena, self.costs, &self.salt, typed, &mut *key)?;
        let encrypted = aes_256_ctr(&key, &self.signer_key);
        Ok(encrypted.is_some_and(|encrypted| encrypted.ct_eq(&self.output).into()))
    }
}

/// AES-256 in counter mode from a counter of zero, as Firebase has it. `None` if the library refuses.
fn aes_256_ctr(key: &[u8; 32], text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let key = UnboundCipherKey::new(&AES_256, key).and_then(EncryptingKey::ctr).ok()?;
    let mut text = Zeroizing::new(text.to_vec());
    let from_zero = EncryptionContext::Iv128(FixedLength::from([0; 16]));
    key.less_safe_encrypt(&mut text, from_zero).ok()?;
    Some(text)
}
