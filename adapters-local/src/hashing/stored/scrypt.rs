use std::io;
use std::num::NonZeroU32;

use argon2::Block;
use aws_lc_rs::pbkdf2;
use base64ct::{Base64, Base64Unpadded};
use zeroize::Zeroizing;

use super::StoredHashError;
use super::fields::{bytes, decimal, named, output, parts};
use crate::hashing::arena::Arena;
use crate::hashing::settings::ImportCeilings;

/// r times p. Real ones are 8 times less than 20; the buffers of 128 bytes for each stay below 512 KiB.
const MOST_R_TIMES_P: u64 = 4096;

/// What scrypt costs (RFC 7914 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ScryptCosts {
    log_n: u32,
    r: u32,
    p: u32,
}

/// scrypt (RFC 7914).
pub(in crate::hashing) struct StoredScrypt {
    costs: ScryptCosts,
    salt: Vec<u8>,
    output: Zeroizing<Vec<u8>>,
}

impl ScryptCosts {
    pub(super) fn new(
        log_n: u32,
        r: u32,
        p: u32,
        ceilings: &ImportCeilings,
    ) -> Result<Self, StoredHashError> {
        // RFC 7914 section 2: N is greater than 1 and less than 2^(128 * r / 8).
        if log_n == 0 || r == 0 || p == 0 || u64::from(log_n) >= 16 * u64::from(r) {
            return Err(StoredHashError::Malformed);
        }
        let costs = Self { log_n, r, p };
        // So far as they fit these, no product of the three overflows.
        let small = log_n < 32 && u64::from(r) * u64::from(p) <= MOST_R_TIMES_P;
        if small && costs.kib() <= ceilings.scrypt_kib.into() {
            Ok(costs)
        } else {
            Err(StoredHashError::AboveCeilings)
        }
    }

    /// KiB that are filled: at once by 1, in all by p lanes one after another.
    const fn kib(self) -> u64 {
        ((self.r as u64 * self.p as u64) << self.log_n).div_ceil(8)
    }
}

impl StoredScrypt {
    /// What follows `$scrypt$`: `ln=14,r=8,p=1$`, salt and key in base64 without padding.
    pub(super) fn read_crypt(
        text: &str,
        ceilings: &ImportCeilings,
    ) -> Result<Self, StoredHashError> {
        let [costs, salt, key] = parts(text)?;
        let [log_n, r, p] = named(costs, ["ln", "r", "p"])?;
        let costs = ScryptCosts::new(log_n, r, p, ceilings)?;
        let salt = bytes::<Base64Unpadded>(salt)?.to_vec();
        Ok(Self { costs, salt, output: output(bytes::<Base64Unpadded>(key)?)? })
    }

    /// What follows `scrypt$` in Django: N, the salt as it is, r, p, and the key in base64.
    pub(super) fn read_djangos(
        text: &str,
        ceilings: &ImportCeilings,
    ) -> Result<Self, StoredHashError> {
        let [n, salt, r, p, key] = parts(text)?;
        let n = decimal(n)?;
        if !n.is_power_of_two() {
            return Err(StoredHashError::Malformed);
        }
        let costs = ScryptCosts::new(n.ilog2(), decimal(r)?, decimal(p)?, ceilings)?;
        Ok(Self { costs, salt: salt.as_bytes().to_vec(), output: output(bytes::<Base64>(key)?)? })
    }

    pub(super) fn derived(
        &self,
        arena: &mut Arena,
        typed: &[u8],
    ) -> io::Result<Zeroizing<Vec<u8>>> {
        let mut key = Zeroizing::new(vec![0; self.output.len()]);
        scrypt(arena, self.costs, &self.salt, typed, &mut key)?;
        Ok(key)
    }

    pub(super) fn digest(&self) -> &[u8] {
        &self.output
    }
}

/// 64 bytes, little-endian words (RFC 7914 section 3).
type Words = [u32; 16];

/// scrypt with its great array in the arena, where it is bounded, may fail to be had, and is wiped; of
/// the crates of this algorithm none lets its caller provide the memory.
pub(super) fn scrypt(
    arena: &mut Arena,
    costs: ScryptCosts,
    salt: &[u8],
    typed: &[u8],
    key: &mut [u8],
) -> io::Result<()> {
    let ScryptCosts { log_n, r, p } = costs;
    let lane_words = 2 * r as usize;
    let v = arena.blocks((lane_words << log_n).div_ceil(WORDS_IN_BLOCK))?;

    let mut seed = Zeroizing::new(vec![0; 64 * lane_words * p as usize]);
    derive_once(salt, typed, &mut seed);
    let mut x = Zeroizing::new(vec![[0; 16]; lane_words]);
    let mut y = Zeroizing::new(vec![[0; 16]; lane_words]);
    for lane in seed.chunks_exact_mut(64 * lane_words) {
        for (words, bytes) in x.iter_mut().zip(lane.as_chunks().0) {
            *words = words_of(bytes);
        }
        ro_mix(&mut x, &mut y, v, 1 << log_n);
        for (bytes, words) in lane.as_chunks_mut().0.iter_mut().zip(x.iter()) {
            *bytes = bytes_of(words);
        }
    }
    derive_once(&seed, typed, key);
    Ok(())
}

fn derive_once(salt: &[u8], typed: &[u8], key: &mut [u8]) {
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, NonZeroU32::MIN, salt, typed, key);
}

fn words_of(bytes: &[u8; 64]) -> Words {
    let mut words = [0; 16];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    words
}

fn bytes_of(words: &Words) -> [u8; 64] {
    let mut bytes = [0; 64];
    for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
        *bytes = word.to_le_bytes();
    }
    bytes
}

/// RFC 7914 section 5.
fn ro_mix(x: &mut [Words], y: &mut [Words], v: &mut [Block], n: u64) {
    let lane_words = x.len();
    for i in 0..n as usize {
        for (index, words) in x.iter().enumerate() {
            for (kept, pair) in kept(v, i * lane_words + index).iter_mut().zip(words.as_chunks().0)
            {
                *kept = packed(*pair);
            }
        }
        block_mix(x, y);
    }
    for _ in 0..n {
        let [.., last] = x else { return };
        let j = (packed([last[0], last[1]]) & (n - 1)) as usize;
        for (index, words) in x.iter_mut().enumerate() {
            let kept = kept(v, j * lane_words + index);
            for (pair, kept) in words.as_chunks_mut().0.iter_mut().zip(kept.iter()) {
                let [low, high] = unpacked(*kept);
                *pair = [pair[0] ^ low, pair[1] ^ high];
            }
        }
        block_mix(x, y);
    }
}

/// How many times 64 bytes a block of the arena holds, and how it holds them: as 8 numbers.
const WORDS_IN_BLOCK: usize = Block::SIZE / 64;

fn kept(v: &mut [Block], index: usize) -> &mut [u64] {
    let start = index % WORDS_IN_BLOCK * 8;
    &mut v[index / WORDS_IN_BLOCK].as_mut()[start..start + 8]
}

const fn packed([low, high]: [u32; 2]) -> u64 {
    low as u64 | (high as u64) << 32
}

const fn unpacked(pair: u64) -> [u32; 2] {
    [pair as u32, (pair >> 32) as u32]
}

/// RFC 7914 section 4.
fn block_mix(x: &mut [Words], y: &mut [Words]) {
    let [.., last] = x else { return };
    let mut mixed = *last;
    let half = x.len() / 2;
    for (index, words) in x.iter().enumerate() {
        for (mixed, word) in mixed.iter_mut().zip(words) {
            *mixed ^= word;
        }
        salsa20_8(&mut mixed);
        y[index / 2 + index % 2 * half] = mixed;
    }
    x.copy_from_slice(y);
}

/// RFC 7914 section 3.
fn salsa20_8(words: &mut Words) {
    let mut x = *words;
    for _ in 0..4 {
        quarter(&mut x, 0, 4, 8, 12);
        quarter(&mut x, 5, 9, 13, 1);
        quarter(&mut x, 10, 14, 2, 6);
        quarter(&mut x, 15, 3, 7, 11);
        quarter(&mut x, 0, 1, 2, 3);
        quarter(&mut x, 5, 6, 7, 4);
        quarter(&mut x, 10, 11, 8, 9);
        quarter(&mut x, 15, 12, 13, 14);
    }
    for (word, x) in words.iter_mut().zip(x) {
        *word = word.wrapping_add(x);
    }
}

#[inline(always)]
fn quarter(x: &mut Words, a: usize, b: usize, c: usize, d: usize) {
    x[b] ^= x[a].wrapping_add(x[d]).rotate_left(7);
    x[c] ^= x[b].wrapping_add(x[a]).rotate_left(9);
    x[d] ^= x[c].wrapping_add(x[b]).rotate_left(13);
    x[a] ^= x[d].wrapping_add(x[c]).rotate_left(18);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs(log_n: u32, r: u32, p: u32) -> Result<ScryptCosts, StoredHashError> {
        ScryptCosts::new(log_n, r, p, &ImportCeilings::default())
    }

    /// RFC 7914 section 12, but the vector that takes 1 GiB.
    #[test]
    fn vectors_of_rfc_7914_come_out() {
        for (typed, salt, log_n, r, p, expected) in [
            (
                "",
                "",
                4,
                1,
                1,
                "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906",
            ),
            (
                "password",
                "NaCl",
                10,
                8,
                16,
                "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640",
            ),
            (
                "pleaseletmein",
                "SodiumChloride",
                14,
                8,
                1,
                "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887",
            ),
        ] {
            let mut arena = Arena::new(8);
            let mut key = [0; 64];
            let costs = costs(log_n, r, p).unwrap();
            scrypt(&mut arena, costs, salt.as_bytes(), typed.as_bytes(), &mut key).unwrap();
            let digits: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(digits, expected);
        }
    }

    #[test]
    fn what_it_fills_is_in_the_arena_and_goes_with_the_job() {
        // 1 MiB; r = 3 makes a lane of 384 bytes, which blocks of 1 KiB do not hold evenly.
        for (log_n, r, blocks) in [(10, 8, 1024), (8, 3, 96), (1, 1, 1)] {
            let mut arena = Arena::new(1);
            scrypt(&mut arena, costs(log_n, r, 2).unwrap(), b"salt", b"typed", &mut [0; 32])
                .unwrap();
            assert_eq!(arena.allocated(), blocks);
            assert!(!arena.is_zero());
            arena.end_job();
            arena.wipe();
            assert!(arena.allocated() <= 1 && arena.is_zero());
        }
    }

    #[test]
    fn costs_are_held_to_the_algorithm_and_to_the_ceilings() {
        use StoredHashError::{AboveCeilings, Malformed};
        assert!(costs(17, 8, 1).is_ok());
        assert!(costs(10, 8, 128).is_ok());
        assert!(costs(1, 4096, 1).is_ok());
        for (log_n, r, p, why) in [
            (0, 8, 1, Malformed),
            (14, 0, 1, Malformed),
            (14, 8, 0, Malformed),
            (16, 1, 1, Malformed),
            (17, 8, 2, AboveCeilings),
            (18, 8, 1, AboveCeilings),
            (17, 9, 1, AboveCeilings),
            (30, 8, 1, AboveCeilings),
            (32, 8, 1, AboveCeilings),
            (63, 8, 1, AboveCeilings),
            (u32::MAX, u32::MAX, u32::MAX, AboveCeilings),
            (1, 4097, 1, AboveCeilings),
            (1, 1, 4097, AboveCeilings),
            (10, 134_217_728, 8, AboveCeilings),
        ] {
            assert_eq!(costs(log_n, r, p), Err(why), "2^{log_n} {r} {p}");
        }
    }
}
