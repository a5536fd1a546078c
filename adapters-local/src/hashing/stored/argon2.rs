use ::argon2::password_hash::phc;
use ::argon2::{Algorithm, Params, Version};
use zeroize::Zeroizing;

use super::StoredHashError;
use crate::hashing::settings::Argon2Ceilings;

/// A PHC string of Argon2, of any variant and version.
pub(in crate::hashing) struct StoredArgon2 {
    pub(in crate::hashing) algorithm: Algorithm,
    pub(in crate::hashing) version: Version,
    pub(in crate::hashing) params: Params,
    pub(in crate::hashing) salt: phc::Salt,
    pub(in crate::hashing) output: Zeroizing<Vec<u8>>,
    /// Whether the string says that Django made it, and so of the bytes as typed.
    pub(in crate::hashing) is_djangos: bool,
}

impl StoredArgon2 {
    /// As the reference decoder reads it: `m`, `t` and `p` each once and in this order, and nothing
    /// else. A `keyid` names a key that we do not have, so nothing would ever verify.
    ///
    /// Salts of 8 to 48 and outputs of 10 to 64 bytes are what `phc` lets through.
    pub(super) fn read(text: &str, ceilings: &Argon2Ceilings) -> Result<Self, StoredHashError> {
        let hash = phc::PasswordHash::new(text).map_err(|_| StoredHashError::Malformed)?;
        let algorithm = Algorithm::new(hash.algorithm).map_err(|_| StoredHashError::UnknownForm)?;
        let [m, t, p] = three_costs(&hash.params)?;
        if !ceilings.allow(m, t, p) {
            return Err(StoredHashError::AboveCeilings);
        }
        let salt = hash.salt.ok_or(StoredHashError::Malformed)?;
        let output = hash.hash.ok_or(StoredHashError::Malformed)?;
        Ok(Self {
            algorithm,
            version: version(hash.version)?,
            params: Params::new(m, t, p, Some(output.len()))
                .map_err(|_| StoredHashError::Malformed)?,
            salt,
            output: Zeroizing::new(output.as_bytes().to_vec()),
            is_djangos: false,
        })
    }

    /// What follows `argon2$argon2` in Django, which puts its own name before a PHC string.
    pub(super) fn read_djangos(
        text: &str,
        ceilings: &Argon2Ceilings,
    ) -> Result<Self, StoredHashError> {
        let stored = Self::read(&Zeroizing::new(format!("$argon2{text}")), ceilings)?;
        Ok(Self { is_djangos: true, ..stored })
    }
}

fn three_costs(params: &phc::ParamsString) -> Result<[u32; 3], StoredHashError> {
    let mut params = params.iter();
    let mut costs = [0; 3];
    for (cost, expected) in costs.iter_mut().zip(["m", "t", "p"]) {
        let (name, value) = params.next().ok_or(StoredHashError::Malformed)?;
        if name.as_str() != expected {
            return Err(StoredHashError::Malformed);
        }
        *cost = value.decimal().map_err(|_| StoredHashError::Malformed)?;
    }
    match params.next() {
        None => Ok(costs),
        Some(_) => Err(StoredHashError::Malformed),
    }
}

/// Strings from before version 1.3 name no version (the `argon2` crate would take them for 1.3).
fn version(named: Option<u32>) -> Result<Version, StoredHashError> {
    match named {
        None => Ok(Version::V0x10),
        Some(number) => Version::try_from(number).map_err(|_| StoredHashError::Malformed),
    }
}
