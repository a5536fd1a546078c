//! The forms of stored hashes that are verified here: one file for each family.

mod argon2;
mod bcrypt;
mod fields;
mod firebase;
#[cfg(test)]
mod passlib_tests;
mod pbkdf2;
mod scrypt;
mod sha256;
mod wrapped;

use std::fmt;
use std::io;

use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

pub(super) use self::argon2::StoredArgon2;
use self::bcrypt::StoredBcrypt;
pub use self::firebase::FirebaseScrypt;
use self::firebase::StoredFirebaseScrypt;
use self::pbkdf2::{HmacDigest, StoredPbkdf2};
use self::scrypt::StoredScrypt;
pub(super) use self::sha256::StoredSha256;
pub(super) use self::wrapped::{StoredWrapped, blank};
use super::arena::Arena;
use super::pepper::PepperId;
use super::settings::{Argon2Ceilings, ImportCeilings};

/// Bytes of a stored text; the longest real ones are half of it.
const MOST_BYTES: usize = 1024;

/// Every form of stored hash that is verified here.
pub(super) enum Stored {
    Argon2(StoredArgon2),
    Imported(Imported),
    Wrapped(StoredWrapped),
}

/// What other systems stored, each of the bytes as typed. A new form is a variant of this, with a
/// branch in [`Imported::read`].
pub(super) enum Imported {
    Bcrypt(StoredBcrypt),
    FirebaseScrypt(StoredFirebaseScrypt),
    Pbkdf2(StoredPbkdf2),
    Scrypt(StoredScrypt),
    Sha256(StoredSha256),
}

/// The family of a stored hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum StoredFormat {
    /// Argon2 of any variant, as a PHC string or as Django has it.
    Argon2,
    /// bcrypt.
    Bcrypt,
    /// bcrypt of a digest of the password, as Django or passlib have it.
    BcryptSha256,
    /// Firebase's variant of scrypt.
    FirebaseScrypt,
    /// PBKDF2 with HMAC.
    Pbkdf2,
    /// scrypt.
    Scrypt,
    /// Unsalted SHA-256.
    Sha256,
    /// Argon2id over the digest of another system, as
    /// [`Argon2idHasher::wrap`](crate::Argon2idHasher::wrap) makes it.
    Wrapped,
}

/// Why a stored text is not a hash that can be verified. Says nothing of the text itself, but the name of
/// a key.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoredHashError {
    /// It names costs above the ceilings.
    #[error("the stored hash names parameters above the ceilings")]
    AboveCeilings,
    /// It begins like one that could be verified and is not one.
    #[error("the stored hash is malformed")]
    Malformed,
    /// No form that is verified begins like it.
    #[error("the stored hash is of an unknown form")]
    UnknownForm,
    /// It was made with a pepper that is not among the settings. Nobody can tell whether a password fits
    /// it.
    #[error("the stored hash needs the pepper {0}, which is not among the settings")]
    UnknownPepper(PepperId),
}

impl fmt::Display for StoredFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Argon2 => "argon2",
            Self::Bcrypt => "bcrypt",
            Self::BcryptSha256 => "bcrypt-sha256",
            Self::FirebaseScrypt => "firebase-scrypt",
            Self::Pbkdf2 => "pbkdf2",
            Self::Scrypt => "scrypt",
            Self::Sha256 => "sha256",
            Self::Wrapped => "wrapped",
        })
    }
}

impl Stored {
    /// Allocates nothing that grows with what `text` asks for.
    pub(super) fn read(
        text: &str,
        argon2: &Argon2Ceilings,
        imports: &ImportCeilings,
    ) -> Result<Self, StoredHashError> {
        if text.len() > MOST_BYTES {
            Err(StoredHashError::Malformed)
        } else if text.starts_with("$argon2") {
            StoredArgon2::read(text, argon2).map(Self::Argon2)
        } else if let Some(text) = text.strip_prefix("argon2$argon2") {
            StoredArgon2::read_djangos(text, argon2).map(Self::Argon2)
        } else if let Some(text) = text.strip_prefix(wrapped::NAME) {
            StoredWrapped::read(text, argon2, imports).map(Self::Wrapped)
        } else {
            Imported::read(text, imports).map(Self::Imported)
        }
    }

    pub(super) const fn format(&self) -> StoredFormat {
        match self {
            Self::Argon2(_) => StoredFormat::Argon2,
            Self::Wrapped(_) => StoredFormat::Wrapped,
            Self::Imported(imported) => match imported {
                Imported::Bcrypt(stored) if stored.is_of_password() => StoredFormat::Bcrypt,
                Imported::Bcrypt(_) => StoredFormat::BcryptSha256,
                Imported::FirebaseScrypt(_) => StoredFormat::FirebaseScrypt,
                Imported::Pbkdf2(_) => StoredFormat::Pbkdf2,
                Imported::Scrypt(_) => StoredFormat::Scrypt,
                Imported::Sha256(_) => StoredFormat::Sha256,
            },
        }
    }
}

impl Imported {
    fn read(text: &str, ceilings: &ImportCeilings) -> Result<Self, StoredHashError> {
        if let Some(digest) = StoredSha256::read(text) {
            Ok(Self::Sha256(digest))
        } else if let Some(rest) = text.strip_prefix("{PKCS5S2}") {
            StoredPbkdf2::read_atlassians(rest, ceilings).map(Self::Pbkdf2)
        } else if let Some(rest) = text.strip_prefix("grub.pbkdf2.sha512.") {
            StoredPbkdf2::read_grubs(rest, ceilings).map(Self::Pbkdf2)
        } else if let Some((name, rest)) =
            text.strip_prefix('$').and_then(|text| text.split_once('$'))
        {
            Self::read_crypt(name, rest, text, ceilings)
        } else if let Some((name, rest)) = text.split_once('$') {
            Self::read_djangos(name, rest, ceilings)
        } else {
            Err(StoredHashError::UnknownForm)
        }
    }

    /// The Modular Crypt Format and PHC strings: `$name$`.
    fn read_crypt(
        name: &str,
        rest: &str,
        whole: &str,
        ceilings: &ImportCeilings,
    ) -> Result<Self, StoredHashError> {
        use HmacDigest::{Sha1, Sha256, Sha512};
        match name {
            "2a" | "2b" | "2y" => StoredBcrypt::read(whole, ceilings).map(Self::Bcrypt),
            "bcrypt-sha256" => StoredBcrypt::read_passlibs_sha256(rest, ceilings).map(Self::Bcrypt),
            "p5k2" => StoredPbkdf2::read_p5k2(whole, ceilings).map(Self::Pbkdf2),
            "pbkdf2" => StoredPbkdf2::read_crypt(Sha1, rest, ceilings).map(Self::Pbkdf2),
            "pbkdf2-sha256" => StoredPbkdf2::read_crypt(Sha256, rest, ceilings).map(Self::Pbkdf2),
            "pbkdf2-sha512" => StoredPbkdf2::read_crypt(Sha512, rest, ceilings).map(Self::Pbkdf2),
            "scrypt" => StoredScrypt::read_crypt(rest, ceilings).map(Self::Scrypt),
            firebase::NAME => StoredFirebaseScrypt::read(rest, ceilings).map(Self::FirebaseScrypt),
            _ => Err(StoredHashError::UnknownForm),
        }
    }

    /// Django's `name$`.
    fn read_djangos(
        name: &str,
        rest: &str,
        ceilings: &ImportCeilings,
    ) -> Result<Self, StoredHashError> {
        use HmacDigest::{Sha1, Sha256};
        match name {
            "bcrypt" => StoredBcrypt::read(rest, ceilings).map(Self::Bcrypt),
            "bcrypt_sha256" => StoredBcrypt::read_djangos_sha256(rest, ceilings).map(Self::Bcrypt),
            "pbkdf2_sha1" => StoredPbkdf2::read_djangos(Sha1, rest, ceilings).map(Self::Pbkdf2),
            "pbkdf2_sha256" => StoredPbkdf2::read_djangos(Sha256, rest, ceilings).map(Self::Pbkdf2),
            "scrypt" => StoredScrypt::read_djangos(rest, ceilings).map(Self::Scrypt),
            _ => Err(StoredHashError::UnknownForm),
        }
    }

    /// Whether [`Imported::fits`] takes microseconds.
    pub(super) const fn is_instant(&self) -> bool {
        matches!(self, Self::Sha256(_))
    }

    /// Whether this is the hash of the bytes `typed`, in a time that does not tell how much of it fits.
    pub(super) fn fits(&self, arena: &mut Arena, typed: &[u8]) -> io::Result<bool> {
        let derived = self.derived(arena, typed)?;
        Ok(derived.is_some_and(|derived| derived.ct_eq(self.digest()).into()))
    }

    /// What stands in place of [`Imported::digest`] in a hash of the bytes `typed` of these costs and this
    /// salt; `None` for what fits no hash.
    pub(super) fn derived(
        &self,
        arena: &mut Arena,
        typed: &[u8],
    ) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        Ok(match self {
            Self::Bcrypt(stored) => stored.derived(typed),
            Self::FirebaseScrypt(stored) => stored.derived(arena, typed)?,
            Self::Pbkdf2(stored) => Some(stored.derived(typed)),
            Self::Scrypt(stored) => Some(stored.derived(arena, typed)?),
            Self::Sha256(_) => Some(StoredSha256::of(typed)),
        })
    }

    /// What of the stored text depends on the password.
    pub(super) fn digest(&self) -> &[u8] {
        match self {
            Self::Bcrypt(stored) => stored.digest(),
            Self::FirebaseScrypt(stored) => stored.digest(),
            Self::Pbkdf2(stored) => stored.digest(),
            Self::Scrypt(stored) => stored.digest(),
            Self::Sha256(stored) => stored.digest(),
        }
    }
}
