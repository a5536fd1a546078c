//! Argon2id of one lane (RFC 9106, version 1.3), for processors whose registers are wider than the crate `argon2` uses.
//!
//! That crate is compiled for AVX2 at most. The same arithmetic takes little more than half the time where a
//! compiler may use AVX-512, which rotates words of 64 bits by itself and has registers for twice as many. There are
//! no intrinsics here: [`fill`] is plain Rust, and [`machine`] has it compiled once for each kind of processor. What is
//! rarer than today's hashes (other variants, versions, lanes and lengths) is the crate's.

use argon2::{Algorithm, Block, Params, Version};
use blake2::{Blake2b256, Blake2b512, Digest as _};
use zeroize::{Zeroize as _, Zeroizing};

use super::machine::{self, Vectors};
use super::settings::OUTPUT_BYTES;

const WORDS: usize = Block::SIZE / 8;
/// A block, as the arithmetic takes it.
type Words = [u64; WORDS];
type Hash = [u8; 64];

/// Parts of a lane between which nothing is read that is being written (RFC 9106 section 3.4).
const SLICES: usize = 4;
const LOW_HALF: u64 = 0xFFFF_FFFF;
/// Argon2id, as it is named to what is hashed (section 3.2).
const TYPE: u32 = 2;

/// What is hashed.
#[derive(Clone, Copy)]
pub(super) struct Input<'a> {
    pub(super) password: &'a [u8],
    pub(super) salt: &'a [u8],
    /// A pepper's, or empty.
    pub(super) key: &'a [u8],
}

/// By what, where this is faster than the crate `argon2` and gives the same.
///
/// Not in builds with debug assertions: they are mostly not optimised, which dev profiles do for that crate alone.
pub(super) fn applies(
    algorithm: Algorithm,
    version: Version,
    params: &Params,
    output: &[u8],
) -> Option<Vectors> {
    let is_todays = (algorithm, version) == (Algorithm::Argon2id, Version::V0x13)
        && params.p_cost() == 1
        && output.len() == OUTPUT_BYTES;
    if is_todays && !cfg!(debug_assertions) { Vectors::detect() } else { None }
}

/// Hashes in these blocks, of which there are as many as `params` say.
pub(super) fn hash_into(
    vectors: Vectors,
    params: &Params,
    input: Input<'_>,
    blocks: &mut [Block],
    output: &mut [u8],
) {
    let seed = seed(params, input);
    for (number, block) in (0..2).zip(blocks.iter_mut()) {
        first_block(&seed, number, block.as_mut());
    }
    machine::fill(vectors, blocks, params.t_cost());
    let mut tag = Blake2b256::new_with_prefix(length(OUTPUT_BYTES));
    if let Some(last) = blocks.last() {
        last.as_ref().iter().for_each(|word| tag.update(word.to_le_bytes()));
    }
    let mut tag = tag.finalize();
    output.copy_from_slice(&tag);
    tag.zeroize();
}

/// As RFC 9106 counts; passwords, salts and keys are far shorter than 2^32 bytes.
fn length(bytes: usize) -> [u8; 4] {
    (bytes as u32).to_le_bytes()
}

/// `H_0` of section 3.2: all that is hashed, and all that it is hashed by.
fn seed(params: &Params, input: Input<'_>) -> Zeroizing<Hash> {
    let mut hasher = Blake2b512::new_with_prefix(params.p_cost().to_le_bytes());
    hasher.update(length(OUTPUT_BYTES));
    let (version, no_data) = (u32::from(Version::V0x13), &[][..]);
    for number in [params.m_cost(), params.t_cost(), version, TYPE] {
        hasher.update(number.to_le_bytes());
    }
    for part in [input.password, input.salt, input.key, no_data] {
        hasher.update(length(part.len()));
        hasher.update(part);
    }
    Zeroizing::new(hasher.finalize().into())
}

/// One of the two that a lane begins with: `H'` of section 3.3, of the length of a block.
fn first_block(seed: &Hash, number: u32, block: &mut [u64]) {
    let mut hasher = Blake2b512::new_with_prefix(length(Block::SIZE));
    hasher.update(seed);
    hasher.update(number.to_le_bytes());
    // Of the lane, which is the only one.
    hasher.update(0_u32.to_le_bytes());
    let mut hash = Zeroizing::new(Hash::from(hasher.finalize()));
    let mut rest = block;
    // Half of each hash, and at the end the whole of the last.
    while rest.len() > 8 {
        let (half, behind) = rest.split_at_mut(4);
        read(&*hash, half);
        *hash = Blake2b512::digest(hash.as_slice()).into();
        rest = behind;
    }
    read(&*hash, rest);
}

fn read(bytes: &[u8], words: &mut [u64]) {
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
        *word = u64::from_le_bytes(*bytes);
    }
}

/// Fills a lane, of which the first two blocks are there, in so many passes (section 3.1.1, steps 4 and 5).
///
/// Inlined into whoever calls it, and so compiled for the processor that the caller is compiled for.
#[inline(always)]
pub(super) fn fill(lane: &mut [Block], passes: u32) {
    for pass in 0..passes {
        for slice in 0..SLICES {
            fill_slice(lane, passes, pass, slice);
        }
    }
}

#[inline(always)]
fn fill_slice(lane: &mut [Block], passes: u32, pass: u32, slice: usize) {
    let length = lane.len() / SLICES;
    // Which blocks are read says nothing of the password there: section 3.4.1.3.
    let mut addresses =
        (pass == 0 && slice < SLICES / 2).then(|| Addresses::new(pass, slice, lane.len(), passes));
    let first = if pass == 0 && slice == 0 { 2 } else { 0 };
    for index in first..length {
        let current = slice * length + index;
        let previous = current.checked_sub(1).unwrap_or(lane.len() - 1);
        let random = match &mut addresses {
            Some(addresses) => addresses.of(index),
            None => lane[previous].as_ref()[0],
        };
        // What is written already: all before it, or in later passes all but its own slice's rest.
        let (start, area) = if pass == 0 {
            (0, current - 1)
        } else {
            ((slice + 1) % SLICES * length, lane.len() - length + index - 1)
        };
        let reference = (start + position(random, area)) % lane.len();
        let new = compress(lane[previous].as_ref(), lane[reference].as_ref());
        for (word, new) in lane[current].as_mut().iter_mut().zip(new) {
            *word = if pass == 0 { new } else { *word ^ new };
        }
    }
}

/// Section 3.4.2: nearer blocks are likelier.
#[inline(always)]
const fn position(random: u64, area: usize) -> usize {
    let low = random & LOW_HALF;
    let squared = (low * low) >> 32;
    let back = (area as u64 * squared) >> 32;
    area - 1 - back as usize
}

/// Numbers that depend on where they are used alone.
struct Addresses {
    input: Words,
    block: Words,
}

impl Addresses {
    #[inline(always)]
    fn new(pass: u32, slice: usize, lane: usize, passes: u32) -> Self {
        let mut input = [0; WORDS];
        // The second is the number of the lane.
        let known = [pass.into(), 0, slice as u64, lane as u64, passes.into(), TYPE.into()];
        input[..known.len()].copy_from_slice(&known);
        Self { input, block: [0; WORDS] }
    }

    #[inline(always)]
    fn of(&mut self, index: usize) -> u64 {
        let within = index % WORDS;
        // The first slice begins with its third block.
        if within == 0 || self.input[6] == 0 {
            self.input[6] += 1;
            let zero = [0; WORDS];
            self.block = compress(&zero, &compress(&zero, &self.input));
        }
        self.block[within]
    }
}

/// `G` of section 3.5.
#[inline(always)]
fn compress(one: &[u64], other: &[u64]) -> Words {
    let mut sum = [0; WORDS];
    for ((sum, one), other) in sum.iter_mut().zip(one).zip(other) {
        *sum = one ^ other;
    }
    let mut mixed = sum;
    for row in 0..8 {
        permute(&mut mixed, |index| 16 * row + index);
    }
    for column in 0..8 {
        permute(&mut mixed, |index| 2 * column + index / 2 * 16 + index % 2);
    }
    for (mixed, sum) in mixed.iter_mut().zip(sum) {
        *mixed ^= sum;
    }
    mixed
}

/// `P` of section 3.6, of the sixteen words that are at these places.
#[inline(always)]
fn permute(words: &mut Words, at: impl Fn(usize) -> usize) {
    // One after the other, for a compiler that sees four and four of them which it can do at once.
    mix(words, [at(0), at(4), at(8), at(12)]);
    mix(words, [at(1), at(5), at(9), at(13)]);
    mix(words, [at(2), at(6), at(10), at(14)]);
    mix(words, [at(3), at(7), at(11), at(15)]);
    mix(words, [at(0), at(5), at(10), at(15)]);
    mix(words, [at(1), at(6), at(11), at(12)]);
    mix(words, [at(2), at(7), at(8), at(13)]);
    mix(words, [at(3), at(4), at(9), at(14)]);
}

/// `GB` of section 3.6.
#[inline(always)]
fn mix(words: &mut Words, [a, b, c, d]: [usize; 4]) {
    words[a] = sum(words[a], words[b]);
    words[d] = (words[d] ^ words[a]).rotate_right(32);
    words[c] = sum(words[c], words[d]);
    words[b] = (words[b] ^ words[c]).rotate_right(24);
    words[a] = sum(words[a], words[b]);
    words[d] = (words[d] ^ words[a]).rotate_right(16);
    words[c] = sum(words[c], words[d]);
    words[b] = (words[b] ^ words[c]).rotate_right(63);
}

/// BLAKE2b's sum, with twice the product of the lower halves besides.
#[inline(always)]
const fn sum(one: u64, other: u64) -> u64 {
    let product = (one & LOW_HALF).wrapping_mul(other & LOW_HALF);
    one.wrapping_add(other).wrapping_add(product.wrapping_mul(2))
}

#[cfg(test)]
mod tests {
    use argon2::Argon2;
    use proptest::prelude::*;

    use super::*;

    /// What each kind of processor that this one can be makes of it.
    fn hashes(params: &Params, input: Input<'_>) -> Vec<[u8; OUTPUT_BYTES]> {
        Vectors::all()
            .into_iter()
            .map(|vectors| {
                let mut output = [0; OUTPUT_BYTES];
                // Whatever was there before.
                let mut blocks = vec![Block::new(); params.block_count()];
                blocks.iter_mut().for_each(|block| block.as_mut().fill(u64::MAX));
                hash_into(vectors, params, input, &mut blocks, &mut output);
                output
            })
            .collect()
    }

    fn by_the_crate(params: &Params, input: Input<'_>) -> [u8; OUTPUT_BYTES] {
        let (algorithm, version) = (Algorithm::Argon2id, Version::V0x13);
        let argon2 = Argon2::new_with_secret(input.key, algorithm, version, params.clone());
        let mut output = [0; OUTPUT_BYTES];
        argon2.unwrap().hash_password_into(input.password, input.salt, &mut output).unwrap();
        output
    }

    fn params(memory_kib: u32, passes: u32) -> Params {
        Params::new(memory_kib, passes, 1, Some(OUTPUT_BYTES)).unwrap()
    }

    /// `src/test.c` of the reference implementation.
    #[test]
    fn vectors_of_the_reference_implementation_come_out() {
        for (memory_kib, passes, expected) in [
            (256, 2, "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe"),
            (65_536, 1, "f6a5adc1ba723dddef9b5ac1d464e180fcd9dffc9d1cbf76cca2fed795d9ca98"),
        ] {
            let input = Input { password: b"password", salt: b"somesalt", key: &[] };
            for output in hashes(&params(memory_kib, passes), input) {
                let digits: String = output.iter().map(|byte| format!("{byte:02x}")).collect();
                assert_eq!(digits, expected);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_processor_makes_what_the_crate_makes(
            memory_kib in 8_u32..1200,
            passes in 1_u32..5,
            password in prop::collection::vec(any::<u8>(), 0..200),
            salt in prop::collection::vec(any::<u8>(), 8..64),
            key in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let input = Input { password: &password, salt: &salt, key: &key };
            let params = params(memory_kib, passes);
            let expected = by_the_crate(&params, input);
            for output in hashes(&params, input) {
                prop_assert_eq!(output, expected);
            }
        }
    }

    #[test]
    fn only_todays_kind_of_hash_is_made_here() {
        let output = [0; OUTPUT_BYTES];
        let applies = |algorithm, version, lanes, output: &[u8]| {
            let params = Params::new(19_456, 2, lanes, Some(output.len())).unwrap();
            applies(algorithm, version, &params, output).is_some()
        };
        let (id, v19) = (Algorithm::Argon2id, Version::V0x13);
        assert_eq!(
            applies(id, v19, 1, &output),
            !cfg!(debug_assertions) && Vectors::detect().is_some()
        );
        assert!(!applies(Algorithm::Argon2i, v19, 1, &output));
        assert!(!applies(Algorithm::Argon2d, v19, 1, &output));
        assert!(!applies(id, Version::V0x10, 1, &output));
        assert!(!applies(id, v19, 2, &output));
        assert!(!applies(id, v19, 1, &output[..31]));
    }
}
