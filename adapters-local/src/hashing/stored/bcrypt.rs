use aws_lc_rs::hmac;
use base64ct::{Base64, Base64Bcrypt, Encoding};
use blowfish::Blowfish;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::StoredHashError;
use super::fields::{decimal, named, parts};
use crate::hashing::settings::ImportCeilings;

const SALT_DIGITS: usize = 22;
pub(super) const DIGEST_DIGITS: usize = 31;
const SALT_BYTES: usize = 16;
/// The last of the cipher's 24 bytes is never stored.
const DIGEST_BYTES: usize = 23;
/// What bcrypt takes of a password; the rest it ignores.
const MOST_BYTES: usize = 72;

/// bcrypt (Provos and Mazieres, USENIX 1999), of the password or of a digest of it.
pub(in crate::hashing) struct StoredBcrypt {
    of: Of,
    cost: u32,
    salt: [u8; SALT_BYTES],
    digest: Zeroizing<[u8; DIGEST_BYTES]>,
}

/// What bcrypt is applied to.
enum Of {
    Password,
    /// 64 hexadecimal digits of SHA-256, as Django has it.
    Sha256Hex,
    /// Base64 of SHA-256, as passlib had it.
    Sha256Base64,
    /// Base64 of HMAC-SHA-256 with the salt's 22 digits for a key, as passlib has it since 1.7.3.
    KeyedSha256Base64([u8; SALT_DIGITS]),
}

impl StoredBcrypt {
    /// `$2a$05$` or with `2b` or `2y`, which are one algorithm; then 22 digits of salt and 31 of digest.
    ///
    /// Not read are `2`, which repeats a password without an end between, so that many passwords share
    /// one hash; and `2x`, which marks the hashes of a faulty implementation, where many do as well.
    pub(super) fn read(text: &str, ceilings: &ImportCeilings) -> Result<Self, StoredHashError> {
        Self::of(Of::Password, text, ceilings)
    }

    /// `bcrypt_sha256$` and a bcrypt string.
    pub(super) fn read_djangos_sha256(
        text: &str,
        ceilings: &ImportCeilings,
    ) -> Result<Self, StoredHashError> {
        Self::of(Of::Sha256Hex, text, ceilings)
    }

    fn of(of: Of, text: &str, ceilings: &ImportCeilings) -> Result<Self, StoredHashError> {
        let ["", "2a" | "2b" | "2y", cost, digits] = parts(text)? else {
            return Err(StoredHashError::Malformed);
        };
        let two_digits = cost.len() == 2 && cost.bytes().all(|digit| digit.is_ascii_digit());
        let cost = cost.parse().ok().filter(|_| two_digits).ok_or(StoredHashError::Malformed)?;
        let (salt, digest) =
            digits.split_at_checked(SALT_DIGITS).ok_or(StoredHashError::Malformed)?;
        Self::new(of, cost, salt, digest, ceilings)
    }

    /// What follows `$bcrypt-sha256$`: `2b,12$` of passlib's first version or `v=2,t=2b,r=12$` of its
    /// second, then 22 digits of salt, `$`, and 31 of digest.
    pub(super) fn read_passlibs_sha256(
        text: &str,
        ceilings: &ImportCeilings,
    ) -> Result<Self, StoredHashError> {
        let [costs, salt, digest] = parts(text)?;
        if let Some(cost) = costs.strip_prefix("v=2,t=2b,") {
            let [cost] = named(cost, ["r"])?;
            let key = salt.as_bytes().try_into().map_err(|_| StoredHashError::Malformed)?;
            Self::new(Of::KeyedSha256Base64(key), cost, salt, digest, ceilings)
        } else {
            let cost = costs.strip_prefix("2a,").or_else(|| costs.strip_prefix("2b,"));
            let cost = decimal(cost.ok_or(StoredHashError::Malformed)?)?;
            Self::new(Of::Sha256Base64, cost, salt, digest, ceilings)
        }
    }

    fn new(
        of: Of,
        cost: u32,
        salt: &str,
        digest: &str,
        ceilings: &ImportCeilings,
    ) -> Result<Self, StoredHashError> {
        if salt.len() != SALT_DIGITS || digest.len() != DIGEST_DIGITS {
            return Err(StoredHashError::Malformed);
        }
        let (salt, digest) = (first_bytes(salt)?, first_bytes(digest)?);
        match cost {
            4..=31 if cost <= ceilings.bcrypt_cost => Ok(Self { of, cost, salt: *salt, digest }),
            4..=31 => Err(StoredHashError::AboveCeilings),
            _ => Err(StoredHashError::Malformed),
        }
    }

    pub(super) const fn is_of_password(&self) -> bool {
        matches!(self.of, Of::Password)
    }

    /// A password of more than 72 bytes fits no hash of bcrypt alone. Its tail was never part of the
    /// hash, so any other tail would fit as well, and the first to be typed would become the password
    /// when the hash is replaced. The same goes for a NUL: implementations in C stopped there, and to
    /// the others a NUL is where bcrypt starts the password over.
    ///
    /// Both cost what any other password does.
    pub(super) fn derived(&self, typed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let mut key = self.key(typed);
        let whole = key.len() <= MOST_BYTES && !key.contains(&0);
        key.truncate(MOST_BYTES);
        if key.len() < MOST_BYTES {
            key.push(0);
        }
        let digest = bcrypt(self.cost, &self.salt, &key);
        whole.then(|| Zeroizing::new(digest.to_vec()))
    }

    pub(super) fn digest(&self) -> &[u8] {
        &*self.digest
    }

    fn key(&self, typed: &[u8]) -> Zeroizing<Vec<u8>> {
        let text = match &self.of {
            // One byte more than a longer password is known by.
            Of::Password => {
                let mut key = Zeroizing::new(Vec::with_capacity(MOST_BYTES + 1));
                key.extend_from_slice(&typed[..typed.len().min(MOST_BYTES + 1)]);
                return key;
            }
            Of::Sha256Hex => {
                let digest = Zeroizing::new(<[u8; 32]>::from(Sha256::digest(typed)));
                hex_digits(&*digest)
            }
            Of::Sha256Base64 => {
                let digest = Zeroizing::new(<[u8; 32]>::from(Sha256::digest(typed)));
                Base64::encode_string(&*digest)
            }
            Of::KeyedSha256Base64(key) => {
                let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), typed);
                Base64::encode_string(tag.as_ref())
            }
        };
        Zeroizing::new(text.into_bytes())
    }
}

/// The first bytes that `digits` encode. What bits are over is ignored, as bcrypt's implementations do:
/// some that made salts left them in the last digit.
fn first_bytes<const COUNT: usize>(
    digits: &str,
) -> Result<Zeroizing<[u8; COUNT]>, StoredHashError> {
    // Filled up to whole groups of four digits, so that no bits are over.
    let filled = Zeroizing::new(format!(
        "{digits}{}",
        ".".repeat(digits.len().next_multiple_of(4) - digits.len())
    ));
    let mut bytes = Zeroizing::new([0; 24]);
    let decoded = Base64Bcrypt::decode(filled.as_bytes(), &mut *bytes)
        .map_err(|_| StoredHashError::Malformed)?;
    decoded.first_chunk().map(|bytes| Zeroizing::new(*bytes)).ok_or(StoredHashError::Malformed)
}

fn hex_digits(bytes: &[u8]) -> String {
    // Allocated once, so that growing leaves no unwiped copy behind.
    let mut digits = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            digits.extend(char::from_digit(digit.into(), 16));
        }
    }
    digits
}

fn bcrypt(cost: u32, salt: &[u8; SALT_BYTES], key: &[u8]) -> Zeroizing<[u8; DIGEST_BYTES]> {
    #[cfg(test)]
    crate::hashing::pace::counted::spend(1 << cost);
    let mut state = Blowfish::bc_init_state();
    state.salted_expand_key(salt, key);
    for _ in 0..1_u32 << cost {
        state.bc_expand_key(key);
        state.bc_expand_key(salt);
    }
    let mut output = Zeroizing::new([0; 24]);
    for (pair, text) in output.chunks_exact_mut(8).zip(b"OrpheanBeholderScryDoubt".as_chunks().0) {
        let [high, low] = halves(text);
        let [high, low] = (0..64).fold([high, low], |block, _| state.bc_encrypt(block));
        pair[..4].copy_from_slice(&high.to_be_bytes());
        pair[4..].copy_from_slice(&low.to_be_bytes());
    }
    let mut digest = Zeroizing::new([0; DIGEST_BYTES]);
    digest.copy_from_slice(&output[..DIGEST_BYTES]);
    digest
}

fn halves(block: &[u8; 8]) -> [u32; 2] {
    let block = u64::from_be_bytes(*block);
    [(block >> 32) as u32, block as u32]
}
