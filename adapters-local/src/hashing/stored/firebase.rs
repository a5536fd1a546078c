use std::io;

use auth_domain::PasswordHash;
use aws_lc_rs::cipher::{AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use base64ct::{Base64, Base64Unpadded, Encoding};
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
/// it takes, so that a service needs no further setting, in the form that Supabase Auth has for it:
///
/// ```text
/// $fbscrypt$v=1,n=<mem_cost>,r=<rounds>,p=1,ss=<salt separator>,sk=<signer key>$<salt>$<hash>
/// ```
///
/// Numbers are decimal, the rest is base64 with padding. So accounts that went from Firebase to Supabase
/// are imported as Supabase has them.
///
/// The signer key is thus in each imported row, until its owner's first login replaces the row's hash.
/// Kept elsewhere it would hide nothing: whoever reads the rows and knows the password of one, such as
/// his own, decrypts the signer key from it. A guess costs him what it costs against any scrypt.
pub struct FirebaseScrypt {
    signer_key: Zeroizing<String>,
    salt_separator: Zeroizing<String>,
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
        let (signer_key, salt_separator) = (padded(signer_key)?, padded(salt_separator)?);
        Ok(Self { signer_key, salt_separator, rounds, mem_cost })
    }

    /// What to store for a user whose `passwordHash` and `salt` an export gives, in base64 of either
    /// alphabet, with or without padding.
    ///
    /// # Errors
    /// [`StoredHashError::Malformed`] when one is not base64.
    pub fn stored(&self, password_hash: &str, salt: &str) -> Result<PasswordHash, StoredHashError> {
        let (hash, salt) = (padded(password_hash)?, padded(salt)?);
        let Self { signer_key, salt_separator, rounds, mem_cost } = self;
        let costs = format!("${NAME}$v=1,n={mem_cost},r={rounds},p=1,ss=");
        // Allocated once, so that growing leaves no unwiped copy behind.
        let mut text = String::with_capacity(super::MOST_BYTES);
        for part in [&costs, salt_separator.as_str(), ",sk=", signer_key, "$", &salt, "$", &hash] {
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

/// Base64 of any kind as the usual kind.
fn padded(text: &str) -> Result<Zeroizing<String>, StoredHashError> {
    let standard = |c| match c {
        '-' => '+',
        '_' => '/',
        other => other,
    };
    let digits: Zeroizing<String> =
        Zeroizing::new(text.trim_end_matches('=').chars().map(standard).collect());
    bytes::<Base64Unpadded>(&digits).map(|bytes| Zeroizing::new(Base64::encode_string(&bytes)))
}

pub(super) const NAME: &str = "fbscrypt";

pub(in crate::hashing) struct StoredFirebaseScrypt {
    costs: ScryptCosts,
    /// With the separator.
    salt: Vec<u8>,
    signer_key: Zeroizing<Vec<u8>>,
    output: Zeroizing<Vec<u8>>,
}

impl StoredFirebaseScrypt {
    /// What follows `$fbscrypt$`.
    pub(super) fn read(text: &str, ceilings: &ImportCeilings) -> Result<Self, StoredHashError> {
        let [parameters, salt, hash] = parts(text)?;
        let (costs, keys) = parameters.split_once(",ss=").ok_or(StoredHashError::Malformed)?;
        let (separator, signer_key) = keys.split_once(",sk=").ok_or(StoredHashError::Malformed)?;
        let [1, log_n, r, p] = named(costs, ["v", "n", "r", "p"])? else {
            return Err(StoredHashError::Malformed);
        };
        let costs = ScryptCosts::new(log_n, r, p, ceilings)?;
        let mut salt = bytes::<Base64>(salt)?.to_vec();
        salt.extend_from_slice(&bytes::<Base64>(separator)?);
        let signer_key = bytes::<Base64>(signer_key)?;
        let output = output(bytes::<Base64>(hash)?)?;
        if signer_key.len() != output.len() {
            return Err(StoredHashError::Malformed);
        }
        Ok(Self { costs, salt, signer_key, output })
    }

    /// `None` if the library of the cipher refuses.
    pub(super) fn derived(
        &self,
        arena: &mut Arena,
        typed: &[u8],
    ) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        // Firebase derives 64 bytes and encrypts with the first 32. The first do not depend on the rest.
        let mut key = Zeroizing::new([0; 32]);
        scrypt(arena, self.costs, &self.salt, typed, &mut *key)?;
        Ok(aes_256_ctr(&key, &self.signer_key))
    }

    pub(super) fn digest(&self) -> &[u8] {
        &self.output
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
