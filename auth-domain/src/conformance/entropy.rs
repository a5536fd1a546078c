//! The laws of [`Entropy`]. They tell a broken generator, not a weak one: no test can.

use super::done;
use crate::ports::Entropy;

#[doc(hidden)]
#[macro_export]
macro_rules! __entropy_laws {
    ($then:ident $context:tt) => {
        $crate::$then! {
            $context
            entropy
            alone: [
                two_fills_differ,
                every_byte_is_filled,
                every_length_is_filled,
            ]
            racing: []
        }
    };
}

__entropy_laws! { __laws_by_name { dyn Entropy } }

/// Makes each law of [`Entropy`](crate::ports::Entropy) a test of your adapter.
///
/// `adapter` is evaluated for each test, in its async function, to an `Arc` of the generator. See
/// [`conformance`](crate::conformance).
#[macro_export]
macro_rules! entropy_conformance {
    (test: $test:meta, adapter: $adapter:expr $(,)?) => {
        $crate::__entropy_laws! { __laws_as_tests { $test, (), $adapter } }
    };
}

/// Catches a generator that stands still, or depends on what the buffer held.
pub async fn two_fills_differ(entropy: &dyn Entropy) {
    let mut seen = Vec::new();
    for _ in 0..100 {
        let mut bytes = [0; 16];
        done(entropy.fill(&mut bytes));
        assert!(!seen.contains(&bytes), "16 bytes came twice");
        seen.push(bytes);
    }
}

/// Catches a fill that stops short, or never uses some bits: an id or a secret would be easier to guess
/// than it looks.
pub async fn every_byte_is_filled(entropy: &dyn Entropy) {
    let mut ever_set = [0; 64];
    let mut ever_unset = [0; 64];
    for _ in 0..100 {
        let mut bytes = [0; 64];
        done(entropy.fill(&mut bytes));
        for (place, byte) in bytes.iter().enumerate() {
            ever_set[place] |= byte;
            ever_unset[place] |= !byte;
        }
    }
    // A fair bit stays the same in a hundred fills once in 2^99.
    assert_eq!(ever_set, [0xff; 64], "bits that are never set");
    assert_eq!(ever_unset, [0xff; 64], "bits that are never unset");
}

/// Catches a generator that fails on no bytes, or on more than one block.
pub async fn every_length_is_filled(entropy: &dyn Entropy) {
    done(entropy.fill(&mut []));
    for length in [32, 33, 255, 4_096] {
        let mut bytes = vec![0; length];
        done(entropy.fill(&mut bytes));
        // A fair generator leaves 16 zeros at an end once in 2^128.
        let (start, end) = (&bytes[..16], &bytes[length - 16..]);
        assert!(start != [0; 16] && end != [0; 16], "of {length} bytes");
    }
}
