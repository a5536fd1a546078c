use auth_domain::Password;
use sha1::{Digest as _, Sha1};
use zeroize::Zeroizing;

use super::fault::Fault;

const PREFIX_DIGITS: usize = 5;
const SUFFIX_DIGITS: usize = 35;

/// The SHA-1 of a password in hex. As good as the password to who guesses: never logged, and wiped.
pub(super) struct Digest(Zeroizing<String>);

impl Digest {
    pub(super) fn of(password: &Password) -> Self {
        let digest = Zeroizing::new(<[u8; 20]>::from(Sha1::digest(password.expose())));
        let mut hex = Zeroizing::new(String::with_capacity(PREFIX_DIGITS + SUFFIX_DIGITS));
        hex.extend(digest.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(hex_digit));
        Self(hex)
    }

    /// All that anybody else may see.
    pub(super) fn prefix(&self) -> &str {
        &self.0[..PREFIX_DIGITS]
    }

    fn suffix(&self) -> &str {
        &self.0[PREFIX_DIGITS..]
    }
}

fn hex_digit(value: u8) -> char {
    char::from_digit(value.into(), 16).unwrap_or_default().to_ascii_uppercase()
}

/// Whether an answer of the range API holds a password. One line that makes no sense spoils it all: half
/// an answer must not pass for "not breached".
pub(super) fn holds(answer: &[u8], digest: &Digest) -> Result<bool, Fault> {
    let answer = std::str::from_utf8(answer).map_err(|_| Fault::Senseless)?;
    if answer.is_empty() {
        return Err(Fault::Senseless);
    }
    let mut found = false;
    for line in answer.lines() {
        let (suffix, count) = entry(line).ok_or(Fault::Senseless)?;
        // Lines that were seen never are padding.
        found |= count > 0 && suffix.eq_ignore_ascii_case(digest.suffix());
    }
    Ok(found)
}

fn entry(line: &str) -> Option<(&str, u64)> {
    let (suffix, count) = line.split_once(':')?;
    let is_hex = suffix.len() == SUFFIX_DIGITS && suffix.bytes().all(|b| b.is_ascii_hexdigit());
    let is_number = count.bytes().all(|b| b.is_ascii_digit());
    if is_hex && is_number { Some((suffix, count.parse().ok()?)) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest() -> Digest {
        Digest::of(&Password::new("password").unwrap())
    }

    const SUFFIX: &str = "1E4C9B93F3F0682250B6CF8331B7EE68FD8";
    const OTHER: &str = "0018A45C4D1DEF81644B54AB7F969B88D65";

    #[test]
    fn the_digest_is_that_of_fips_180() {
        let abc = Digest::of(&Password::new("abc").unwrap());
        assert_eq!(*abc.0, "A9993E364706816ABA3E25717850C26C9CD0D89D");
        assert_eq!((digest().prefix(), digest().suffix()), ("5BAA6", SUFFIX));
    }

    #[test]
    fn an_entry_is_found_wherever_it_is_and_in_either_case() {
        for answer in [
            format!("{SUFFIX}:1"),
            format!("{OTHER}:2\r\n{SUFFIX}:9545824\r\n"),
            format!("{}:7\r\n{OTHER}:2", SUFFIX.to_lowercase()),
            format!("{SUFFIX}:0\r\n{SUFFIX}:1"),
        ] {
            assert!(holds(answer.as_bytes(), &digest()).unwrap(), "{answer}");
        }
    }

    #[test]
    fn what_is_another_or_padding_is_not_found() {
        for answer in [format!("{OTHER}:2"), format!("{SUFFIX}:0\r\n{OTHER}:2")] {
            assert!(!holds(answer.as_bytes(), &digest()).unwrap(), "{answer}");
        }
    }

    #[test]
    fn one_line_that_makes_no_sense_spoils_the_answer() {
        for line in [
            String::new(),
            "<html>".into(),
            SUFFIX.into(),
            format!("{SUFFIX}:"),
            format!("{SUFFIX}:+1"),
            format!("{SUFFIX}:1 "),
            format!("{SUFFIX}:-1"),
            format!("{SUFFIX}:99999999999999999999999"),
            format!("{}:1", &SUFFIX[1..]),
            format!("0{SUFFIX}:1"),
            format!("{}G:1", &SUFFIX[1..]),
        ] {
            for answer in [format!("{line}\r\n{OTHER}:2"), format!("{OTHER}:2\r\n{line}\r\n")] {
                assert!(holds(answer.as_bytes(), &digest()).is_err(), "{answer:?}");
            }
        }
        assert!(holds(b"", &digest()).is_err());
        assert!(holds(b"\xff", &digest()).is_err());
    }
}
