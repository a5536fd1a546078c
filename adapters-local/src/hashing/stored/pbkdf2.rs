use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2;
use base64ct::{Base64, Base64Pbkdf2, Base64Unpadded, Base64Url};
use zeroize::Zeroizing;

use super::StoredHashError;
use super::fields::{HexCase, bytes, decimal, hex, named, output, parts};
use crate::hashing::settings::ImportCeilings;

/// PBKDF2 (RFC 8018 section 5.2) with HMAC.
pub(in crate::hashing) struct StoredPbkdf2 {
    digest: HmacDigest,
    iterations: NonZeroU32,
    salt: Vec<u8>,
    output: Zeroizing<Vec<u8>>,
}

#[derive(Clone, Copy)]
pub(super) enum HmacDigest {
    Sha1,
    Sha256,
    Sha512,
}

impl HmacDigest {
    const fn algorithm(self) -> pbkdf2::Algorithm {
        match self {
            Self::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Self::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        }
    }

    const fn bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

impl StoredPbkdf2 {
    /// What follows `$pbkdf2-sha256$` or its like: `1212$` as passlib writes it, salt and key in its own
    /// base64; or `i=1212$` or `i=1212,l=32$` as a PHC string has it, in base64 without padding.
    pub(super) fn read_crypt(
        digest: HmacDigest,
        text: &str,
        ceilings: &ImportCeilings,
    ) -> Result<Self, StoredHashError> {
        let [costs, salt, key] = parts(text)?;
        if !costs.starts_with("i=") {
            let (salt, key) = (bytes::<Base64Pbkdf2>(salt)?, bytes::<Base64Pbkdf2>(key)?);
            return Self::new(digest, decimal(costs)?, &salt, key, ceilings);
        }
        let (salt, key) = (bytes::<Base64Unpadded>(salt)?, bytes::<Base64Unpadded>(key)?);
        let [iterations, length] = if costs.contains(',') {
            named(costs, ["i", "l"])?
        } else {
            let [iterations] = named(costs, ["i"])?;
            [iterations, key.len() as u32]
        };
        if length as usize != key.len() {
            return Err(StoredHashError::Malformed);
        }
        Self::new(digest, iterations, &salt, key, ceilings)
    }

    /// What follows `pbkdf2_sha256$` or its like: `10000$`, the salt as it is, `$`, base64.
    pub(super) fn read_djangos(
        digest: HmacDigest,
        text: &str,
        ceilings: &ImportCeilings,
    ) -> Result<Self, StoredHashError> {
        let [iterations, salt, key] = parts(text)?;
        let key = bytes::<Base64>(key)?;
        Self::new(digest, decimal(iterations)?, salt.as_bytes(), key, ceilings)
    }

    /// What follows `{PKCS5S2}`, as Atlassian has it: base64 of 16 bytes of salt and 32 of key. 10,000
    /// iterations with SHA-1.
    pub(super) fn read_atlassians(
        text: &str,
        ceilings: &ImportCeilings,
    ) -> Result<Self, StoredHashError> {
        let both = bytes::<Base64>(text)?;
        match both.split_at_checked(16) {
            Some((salt, key)) if key.len() == 32 => {
                let key = Zeroizing::new(key.to_vec());
                Self::new(HmacDigest::Sha1, 10_000, salt, key, ceilings)
            }
            _ => Err(StoredHashError::Malformed),
        }
    }

    /// `$p5k2$`, iterations in hexadecimal, salt and key; with SHA-1. Two systems wrote it: Cryptacular,
    /// salt and a key of 20 bytes in URL-safe base64; and Dwayne Litzenberger's PBKDF2 for Python, whose
    /// salt is the string up to the key of 24 bytes, and which writes 400 iterations as none.
    pub(super) fn read_p5k2(
        text: &str,
        ceilings: &ImportCeilings,
    ) -> Result<Self, StoredHashError> {
        let ["", "p5k2", iterations, salt, key] = parts(text)? else {
            return Err(StoredHashError::Malformed);
        };
        if let Some(key) = bytes::<Base64Url>(key).ok().filter(|key| key.len() == 20) {
            let salt = bytes::<Base64Url>(salt)?;
            return Self::new(HmacDigest::Sha1, hexadecimal(iterations)?, &salt, key, ceilings);
        }
        let prefix = text.rsplit_once('$').map_or("", |(prefix, _)| prefix);
        let key = bytes::<Base64Pbkdf2>(key)?;
        let iterations = if iterations.is_empty() { 400 } else { hexadecimal(iterations)? };
        if key.len() != 24 {
            return Err(StoredHashError::Malformed);
        }
        Self::new(HmacDigest::Sha1, iterations, prefix.as_bytes(), key, ceilings)
    }

    /// What follows `grub.pbkdf2.sha512.`: iterations, salt and key in upper-case hexadecimal digits,
    /// with dots between.
    pub(super) fn read_grubs(
        text: &str,
        ceilings: &ImportCeilings,
    ) -> Result<Self, StoredHashError> {
        let (iterations, rest) = text.split_once('.').ok_or(StoredHashError::Malformed)?;
        let (salt, key) = rest.split_once('.').ok_or(StoredHashError::Malformed)?;
        let salt = hex(salt, HexCase::Upper).ok_or(StoredHashError::Malformed)?;
        let key = hex(key, HexCase::Upper).ok_or(StoredHashError::Malformed)?;
        Self::new(HmacDigest::Sha512, decimal(iterations)?, &salt, key, ceilings)
    }

    fn new(
        digest: HmacDigest,
        iterations: u32,
        salt: &[u8],
        key: Zeroizing<Vec<u8>>,
        ceilings: &ImportCeilings,
    ) -> Result<Self, StoredHashError> {
        let iterations = NonZeroU32::new(iterations).ok_or(StoredHashError::Malformed)?;
        let stored = Self { digest, iterations, salt: salt.to_vec(), output: output(key)? };
        if stored.rounds() > ceilings.pbkdf2_iterations.into() {
            return Err(StoredHashError::AboveCeilings);
        }
        Ok(stored)
    }

    /// Iterations for the whole key: each block of it takes all of them.
    fn rounds(&self) -> u64 {
        let blocks = self.output.len().div_ceil(self.digest.bytes());
        u64::from(self.iterations.get()) * blocks as u64
    }

    pub(super) fn derived(&self, typed: &[u8]) -> Zeroizing<Vec<u8>> {
        let mut key = Zeroizing::new(vec![0; self.output.len()]);
        pbkdf2::derive(self.digest.algorithm(), self.iterations, &self.salt, typed, &mut key);
        key
    }

    pub(super) fn digest(&self) -> &[u8] {
        &self.output
    }
}

/// Lower-case hexadecimal digits without a sign or a leading zero.
fn hexadecimal(text: &str) -> Result<u32, StoredHashError> {
    let canonical =
        !text.starts_with(['+', '0']) && !text.contains(|c: char| c.is_ascii_uppercase());
    u32::from_str_radix(text, 16).ok().filter(|_| canonical).ok_or(StoredHashError::Malformed)
}
