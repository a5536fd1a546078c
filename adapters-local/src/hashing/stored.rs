use argon2::password_hash::phc;
use argon2::{Algorithm, Params, Version};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

use super::settings::Argon2Ceilings;

/// Every form of stored hash that is verified here. A new form is a variant of this and a branch of
/// [`Stored::read`].
pub(super) enum Stored {
    /// A PHC string of Argon2, of any variant and version.
    Argon2(StoredArgon2),
    /// What the replaced system stored: SHA-256 of the password as typed, no salt, 64 lower-case hex
    /// digits.
    Sha256(StoredSha256),
}

pub(super) struct StoredSha256(Zeroizing<[u8; 32]>);

pub(super) struct StoredArgon2 {
    pub(super) algorithm: Algorithm,
    pub(super) version: Version,
    pub(super) params: Params,
    pub(super) salt: phc::Salt,
    pub(super) output: Zeroizing<Vec<u8>>,
}

/// Why a stored text is not a hash that can be verified. Says nothing of the text itself.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(super) enum Unreadable {
    #[error("the stored hash names parameters above the ceilings")]
    AboveCeilings,
    #[error("the stored hash is not a well-formed Argon2 string")]
    Malformed,
    #[error("the stored hash is of an unknown form")]
    UnknownForm,
}

impl Stored {
    /// Allocates nothing that grows with what `text` asks for.
    pub(super) fn read(text: &str, ceilings: &Argon2Ceilings) -> Result<Self, Unreadable> {
        if let Some(digest) = StoredSha256::read(text) {
            Ok(Self::Sha256(digest))
        } else if text.starts_with("$argon2") {
            StoredArgon2::read(text, ceilings).map(Self::Argon2)
        } else {
            Err(Unreadable::UnknownForm)
        }
    }
}

impl StoredArgon2 {
    /// As the reference decoder reads it: `m`, `t` and `p` each once and in this order, and nothing
    /// else. A `keyid` names a key that we do not have, so nothing would ever verify.
    ///
    /// Salts of 8 to 48 and outputs of 10 to 64 bytes are what `phc` lets through.
    fn read(text: &str, ceilings: &Argon2Ceilings) -> Result<Self, Unreadable> {
        let hash = phc::PasswordHash::new(text).map_err(|_| Unreadable::Malformed)?;
        let algorithm = Algorithm::new(hash.algorithm).map_err(|_| Unreadable::UnknownForm)?;
        let [m, t, p] = three_costs(&hash.params)?;
        if !ceilings.allow(m, t, p) {
            return Err(Unreadable::AboveCeilings);
        }
        let salt = hash.salt.ok_or(Unreadable::Malformed)?;
        let output = hash.hash.ok_or(Unreadable::Malformed)?;
        Ok(Self {
            algorithm,
            version: version(hash.version)?,
            params: Params::new(m, t, p, Some(output.len())).map_err(|_| Unreadable::Malformed)?,
            salt,
            output: Zeroizing::new(output.as_bytes().to_vec()),
        })
    }
}

fn three_costs(params: &phc::ParamsString) -> Result<[u32; 3], Unreadable> {
    let mut params = params.iter();
    let mut costs = [0; 3];
    for (cost, expected) in costs.iter_mut().zip(["m", "t", "p"]) {
        let (name, value) = params.next().ok_or(Unreadable::Malformed)?;
        if name.as_str() != expected {
            return Err(Unreadable::Malformed);
        }
        *cost = value.decimal().map_err(|_| Unreadable::Malformed)?;
    }
    match params.next() {
        None => Ok(costs),
        Some(_) => Err(Unreadable::Malformed),
    }
}

/// Strings from before version 1.3 name no version (the `argon2` crate would take them for 1.3).
fn version(named: Option<u32>) -> Result<Version, Unreadable> {
    match named {
        None => Ok(Version::V0x10),
        Some(number) => Version::try_from(number).map_err(|_| Unreadable::Malformed),
    }
}

impl StoredSha256 {
    pub(super) fn read(text: &str) -> Option<Self> {
        let digits: &[u8; 64] = text.as_bytes().try_into().ok()?;
        let mut digest = Zeroizing::new([0; 32]);
        for (byte, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = hex_digit(pair[0])? << 4 | hex_digit(pair[1])?;
        }
        Some(Self(digest))
    }

    /// Whether this is the digest of `bytes`, in a time that does not tell how much of it fits.
    pub(super) fn is_of(&self, bytes: &[u8]) -> bool {
        let digest = Zeroizing::new(<[u8; 32]>::from(Sha256::digest(bytes)));
        digest.ct_eq(&*self.0).into()
    }
}

const fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}
