use ::argon2::password_hash::phc;
use ::argon2::{Algorithm, Params, Version};
use base64ct::Base64Unpadded;
use zeroize::Zeroizing;

use super::StoredHashError;
use super::fields::bytes;
use crate::hashing::pepper::PepperId;
use crate::hashing::settings::Argon2Ceilings;

/// A PHC string of Argon2, of any variant and version.
pub(in crate::hashing) struct StoredArgon2 {
    pub(in crate::hashing) algorithm: Algorithm,
    pub(in crate::hashing) version: Version,
    pub(in crate::hashing) params: Params,
    /// What it was made with besides the salt.
    pub(in crate::hashing) pepper: Option<PepperId>,
    pub(in crate::hashing) salt: phc::Salt,
    pub(in crate::hashing) output: Zeroizing<Vec<u8>>,
    /// Whether the string says that Django made it, and so of the bytes as typed.
    pub(in crate::hashing) is_djangos: bool,
}

impl StoredArgon2 {
    /// As the reference decoder reads it: `m`, `t` and `p` each once and in this order, and nothing
    /// else but a `keyid` after them.
    ///
    /// Salts of 8 to 48 and outputs of 10 to 64 bytes are what `phc` lets through.
    pub(super) fn read(text: &str, ceilings: &Argon2Ceilings) -> Result<Self, StoredHashError> {
        let hash = phc::PasswordHash::new(text).map_err(|_| StoredHashError::Malformed)?;
        let algorithm = Algorithm::new(hash.algorithm).map_err(|_| StoredHashError::UnknownForm)?;
        let mut named = hash.params.iter();
        let [m, t, p] = three_costs(&mut named)?;
        let pepper = pepper(&mut named)?;
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
            pepper,
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

fn three_costs<'a>(
    params: &mut impl Iterator<Item = (phc::Ident, phc::Value<'a>)>,
) -> Result<[u32; 3], StoredHashError> {
    let mut costs = [0; 3];
    for (cost, expected) in costs.iter_mut().zip(["m", "t", "p"]) {
        let (name, value) = params.next().ok_or(StoredHashError::Malformed)?;
        if name.as_str() != expected {
            return Err(StoredHashError::Malformed);
        }
        *cost = value.decimal().map_err(|_| StoredHashError::Malformed)?;
    }
    Ok(costs)
}

/// The last parameter: the id of a pepper as we write them, or none.
fn pepper<'a>(
    params: &mut impl Iterator<Item = (phc::Ident, phc::Value<'a>)>,
) -> Result<Option<PepperId>, StoredHashError> {
    let Some((name, id)) = params.next() else { return Ok(None) };
    let id = bytes::<Base64Unpadded>(id.as_str())?;
    match (name.as_str(), PepperId::new(&id), params.next()) {
        ("keyid", Some(id), None) => Ok(Some(id)),
        _ => Err(StoredHashError::Malformed),
    }
}

/// Strings from before version 1.3 name no version (the `argon2` crate would take them for 1.3).
fn version(named: Option<u32>) -> Result<Version, StoredHashError> {
    match named {
        None => Ok(Version::V0x10),
        Some(number) => Version::try_from(number).map_err(|_| StoredHashError::Malformed),
    }
}
