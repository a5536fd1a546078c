//! The fields that stored strings are made of, each read in one way only.

use base64ct::Encoding;
use zeroize::Zeroizing;

use super::StoredHashError;

/// Decimal digits without a sign or a leading zero.
pub(super) fn decimal(text: &str) -> Result<u32, StoredHashError> {
    let canonical = !text.starts_with(['+', '0']) || text == "0";
    text.parse().ok().filter(|_| canonical).ok_or(StoredHashError::Malformed)
}

/// As many values as there are names, as in `ln=14,r=8`: each once, in this order, and no other.
pub(super) fn named<const COUNT: usize>(
    text: &str,
    names: [&str; COUNT],
) -> Result<[u32; COUNT], StoredHashError> {
    let mut values = [0; COUNT];
    let mut given = text.split(',');
    for (value, name) in values.iter_mut().zip(names) {
        let (found, digits) = given
            .next()
            .and_then(|field| field.split_once('='))
            .ok_or(StoredHashError::Malformed)?;
        if found != name {
            return Err(StoredHashError::Malformed);
        }
        *value = decimal(digits)?;
    }
    given.next().map_or(Ok(values), |_| Err(StoredHashError::Malformed))
}

/// The fields between dollar signs, as many as expected.
pub(super) fn parts<const COUNT: usize>(text: &str) -> Result<[&str; COUNT], StoredHashError> {
    let mut parts = [""; COUNT];
    let mut given = text.split('$');
    for part in &mut parts {
        *part = given.next().ok_or(StoredHashError::Malformed)?;
    }
    given.next().map_or(Ok(parts), |_| Err(StoredHashError::Malformed))
}

pub(super) fn bytes<Alphabet: Encoding>(text: &str) -> Result<Zeroizing<Vec<u8>>, StoredHashError> {
    Alphabet::decode_vec(text).map(Zeroizing::new).map_err(|_| StoredHashError::Malformed)
}

/// What a derived key may measure. Fewer bytes than 16 would fit by chance, and none at all fit every
/// password; more than 64 no system stores.
pub(super) fn output(bytes: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, StoredHashError> {
    if (16..=64).contains(&bytes.len()) { Ok(bytes) } else { Err(StoredHashError::Malformed) }
}

/// Pairs of hexadecimal digits, all of one case.
pub(super) fn hex(text: &str, case: HexCase) -> Option<Zeroizing<Vec<u8>>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let mut bytes = Zeroizing::new(Vec::with_capacity(pairs.len()));
    for [high, low] in pairs {
        bytes.push(case.value(*high)? << 4 | case.value(*low)?);
    }
    Some(bytes)
}

#[derive(Clone, Copy)]
pub(super) enum HexCase {
    Lower,
    Upper,
}

impl HexCase {
    const fn value(self, digit: u8) -> Option<u8> {
        match (self, digit) {
            (_, b'0'..=b'9') => Some(digit - b'0'),
            (Self::Lower, b'a'..=b'f') => Some(digit - b'a' + 10),
            (Self::Upper, b'A'..=b'F') => Some(digit - b'A' + 10),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_spelling() {
        assert_eq!(decimal("0"), Ok(0));
        assert_eq!(decimal("4294967295"), Ok(u32::MAX));
        for text in ["", "00", "01", "+1", "-1", " 1", "1 ", "0x1", "4294967296", "\u{661}"] {
            assert_eq!(decimal(text), Err(StoredHashError::Malformed), "{text:?}");
        }
    }

    #[test]
    fn named_values_come_once_in_order_and_alone() {
        assert_eq!(named("ln=14,r=8", ["ln", "r"]), Ok([14, 8]));
        for text in
            ["", "ln=14", "r=8,ln=14", "ln=14,r=8,", "ln=14,r=8,p=1", "ln=14,ln=8", "ln14,r=8"]
        {
            assert_eq!(named(text, ["ln", "r"]), Err(StoredHashError::Malformed), "{text:?}");
        }
    }

    #[test]
    fn a_key_that_every_or_any_password_fits_is_none() {
        for (bytes, fine) in [(0, false), (15, false), (16, true), (64, true), (65, false)] {
            assert_eq!(output(Zeroizing::new(vec![7; bytes])).is_ok(), fine, "{bytes}");
        }
    }

    #[test]
    fn hexadecimal_digits_come_in_pairs_of_one_case() {
        assert_eq!(hex("00ff1a", HexCase::Lower).unwrap().as_slice(), [0, 255, 26]);
        assert_eq!(hex("00FF1A", HexCase::Upper).unwrap().as_slice(), [0, 255, 26]);
        for text in ["0", "0g", "FF", "+f", "\u{e9}"] {
            assert!(hex(text, HexCase::Lower).is_none(), "{text:?}");
        }
    }
}
