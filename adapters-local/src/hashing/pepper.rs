use std::fmt;
use std::str::FromStr;

use base64ct::{Base64, Encoding};
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

/// A key that goes into every hash besides the salt, and is kept apart from the hashes: whoever has only
/// the store cannot so much as test a guess (NIST SP 800-63B section 3.1.1.2).
///
/// It is Argon2's own secret value (RFC 9106 section 3.1), and a hash names it by its id: `keyid`, as the
/// PHC string format has it for Argon2.
#[derive(Clone)]
pub struct Pepper {
    id: PepperId,
    key: Zeroizing<Vec<u8>>,
}

/// What a hash calls its [`Pepper`] by. No secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PepperId {
    /// Zeros follow what is shorter.
    bytes: [u8; Self::MOST_BYTES],
}

/// Why something is no [`Pepper`]. Says nothing of what it is instead.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PepperError {
    /// An id is 1 to 8 of `A` to `Z`, `a` to `z`, `0` to `9`, `.`, `-` and `_`.
    #[error("the id of a pepper is 1 to 8 ASCII letters, digits, dots, hyphens and underscores")]
    Id,
    /// Shorter than [`Pepper::MIN_KEY_BYTES`].
    #[error("the key of a pepper has at least 32 bytes")]
    Key,
    /// It was read from a text of another form.
    #[error("a pepper is written as its id, a colon and its key in base64")]
    Text,
}

impl Pepper {
    /// The fewest bytes of a key.
    pub const MIN_KEY_BYTES: usize = 32;

    /// Takes a key, which must come from a generator of cryptographic quality, and the id that hashes
    /// will name it by: one that no other key had or will have.
    ///
    /// # Errors
    /// [`PepperError`].
    pub fn new(id: &str, key: impl Into<Vec<u8>>) -> Result<Self, PepperError> {
        let key = Zeroizing::new(key.into());
        let id = PepperId::new(id.as_bytes()).ok_or(PepperError::Id)?;
        if key.len() < Self::MIN_KEY_BYTES {
            return Err(PepperError::Key);
        }
        Ok(Self { id, key })
    }

    /// What hashes name it by.
    pub const fn id(&self) -> PepperId {
        self.id
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }
}

/// `id:key`, the key in base64 with padding, as settings of a service have it.
impl FromStr for Pepper {
    type Err = PepperError;

    fn from_str(text: &str) -> Result<Self, PepperError> {
        let (id, key) = text.split_once(':').ok_or(PepperError::Text)?;
        Self::new(id, Base64::decode_vec(key).map_err(|_| PepperError::Text)?)
    }
}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pepper({}, ..)", self.id)
    }
}

impl PartialEq for Pepper {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.key.ct_eq(&other.key).into()
    }
}

impl Eq for Pepper {}

impl PepperId {
    /// What the PHC string format allows for Argon2.
    const MOST_BYTES: usize = 8;

    pub(super) fn new(text: &[u8]) -> Option<Self> {
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b".-_".contains(byte);
        let fine = (1..=Self::MOST_BYTES).contains(&text.len()) && text.iter().all(allowed);
        let mut bytes = [0; Self::MOST_BYTES];
        bytes.get_mut(..text.len()).filter(|_| fine)?.copy_from_slice(text);
        Some(Self { bytes })
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.split(|byte| *byte == 0).next().unwrap_or_default()
    }
}

impl fmt::Display for PepperId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.as_bytes()))
    }
}

impl fmt::Debug for PepperId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PepperId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_what_a_hash_can_carry_and_a_log_can_show() {
        for id in ["1", "2026-11", "Key_1.b", "12345678"] {
            assert_eq!(Pepper::new(id, [7; 32]).unwrap().id().to_string(), id);
        }
        for id in ["", "123456789", "a b", "a\n", "a,b", "a=b", "a$b", "a:b", "\u{e9}", "a\0"] {
            assert_eq!(Pepper::new(id, [7; 32]).err(), Some(PepperError::Id), "{id:?}");
        }
    }

    #[test]
    fn a_short_key_is_refused() {
        assert_eq!(Pepper::new("1", []).err(), Some(PepperError::Key));
        assert_eq!(Pepper::new("1", [7; 31]).err(), Some(PepperError::Key));
        assert!(Pepper::new("1", [7; 32]).is_ok());
        assert!(Pepper::new("1", [7; 64]).is_ok());
    }

    #[test]
    fn a_text_is_an_id_a_colon_and_base64() {
        let key = Base64::encode_string(&[7; 32]);
        assert_eq!(format!("1:{key}").parse(), Pepper::new("1", [7; 32]));
        for (text, why) in [
            (String::new(), PepperError::Text),
            (key.clone(), PepperError::Text),
            (format!("1:{}", key.trim_end_matches('=')), PepperError::Text),
            (format!("1:{key} "), PepperError::Text),
            ("1:".to_owned(), PepperError::Key),
            (format!(":{key}"), PepperError::Id),
        ] {
            assert_eq!(text.parse::<Pepper>(), Err(why), "{text:?}");
        }
    }

    #[test]
    fn debug_hides_the_key_of_a_pepper() {
        let pepper = Pepper::new("1", *b"canary canary canary canary cana").unwrap();
        assert_eq!(format!("{pepper:?}"), "Pepper(1, ..)");
    }

    #[test]
    fn peppers_are_equal_by_id_and_key() {
        let pepper = |id, byte| Pepper::new(id, [byte; 32]).unwrap();
        assert_eq!(pepper("1", 7), pepper("1", 7));
        assert_ne!(pepper("1", 7), pepper("2", 7));
        assert_ne!(pepper("1", 7), pepper("1", 8));
    }
}
