use std::fmt;
use std::sync::Arc;

use thiserror::Error;
use unicode_normalization::UnicodeNormalization;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// A password as somebody typed it; wiped when the last handle goes.
///
/// At most 4,096 bytes, checked before anything is computed from it: four times what
/// [`PasswordPolicy`](crate::PasswordPolicy) lets anyone set, so that an old account is not locked out
/// by it, and small enough that a hostile one costs nothing.
///
/// Hashed is the OpaqueString form of RFC 8265 section 4.2 (non-ASCII spaces become U+0020, then NFC),
/// so that one password typed on two keyboards is one password. Nothing else is changed: no trim, no
/// case fold, no cut. Characters that OpaqueString refuses are refused by the policy, when a password is
/// set: at login an old one may hold any.
#[derive(Clone)]
pub struct Password(Arc<Secret>);

#[derive(Zeroize, ZeroizeOnDrop)]
struct Secret {
    typed: String,
    prepared: String,
}

/// Why a text is not a [`Password`]. Never carries the text.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PasswordError {
    /// No character at all.
    #[error("the password is empty")]
    Empty,
    /// More than 4,096 bytes.
    #[error("the password is too long")]
    TooLong,
}

const MAX_BYTES: usize = 4096;
/// NFC lengthens a UTF-8 text by at most this factor (UAX #15, table 4).
const NFC_EXPANSION: usize = 3;

impl Password {
    /// Takes a password as it was typed.
    ///
    /// # Errors
    /// [`PasswordError`] when it is empty or over the byte cap.
    pub fn new(typed: impl Into<String>) -> Result<Self, PasswordError> {
        let mut typed = typed.into();
        let checked = match typed.len() {
            0 => Err(PasswordError::Empty),
            1..=MAX_BYTES => Ok(()),
            _ => Err(PasswordError::TooLong),
        };
        if let Err(why) = checked {
            typed.zeroize();
            return Err(why);
        }
        let prepared = opaque_string(&typed);
        Ok(Self(Arc::new(Secret { typed, prepared })))
    }

    /// The form that is hashed and measured. A secret: keep it out of logs and messages.
    pub fn expose(&self) -> &str {
        &self.0.prepared
    }

    /// The bytes as typed, which is what formats older than this library hashed. A secret.
    pub fn expose_as_typed(&self) -> &str {
        &self.0.typed
    }
}

/// Allocated once at its greatest size, so that growing leaves no unwiped copy behind.
fn opaque_string(typed: &str) -> String {
    let mut prepared = String::with_capacity(typed.len() * NFC_EXPANSION);
    prepared.extend(typed.chars().map(ascii_space).nfc());
    prepared
}

fn ascii_space(c: char) -> char {
    match c {
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => {
            ' '
        }
        other => other,
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// A stored password hash: a PHC string, or a form that a
/// [`PasswordHasher`](crate::ports::PasswordHasher) still verifies. A secret, wiped when dropped, and
/// not comparable: only a hasher can tell whether a password fits.
#[derive(Clone)]
pub struct PasswordHash(Zeroizing<String>);

impl PasswordHash {
    /// Takes what a hasher made or a store holds; whether it is well-formed is the hasher's to say.
    pub fn from_stored(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The stored form. A secret: for stores and hashers only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exposed(typed: &str) -> String {
        Password::new(typed).unwrap().expose().to_owned()
    }

    #[test]
    fn one_password_on_two_keyboards_is_one_password() {
        assert_eq!(
            exposed("caf\u{e9} \u{d55c}\u{ae00}"),
            exposed("cafe\u{301}\u{3000}\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}")
        );
    }

    #[test]
    fn nothing_else_is_changed() {
        for text in [
            " leading and trailing ",
            "CaSe",
            "tab\tand\u{0}nul",
            "zero\u{200b}width",
            "\u{ff21}wide",
        ] {
            assert_eq!(exposed(text), text);
        }
        assert_eq!(Password::new("e\u{301}").unwrap().expose_as_typed(), "e\u{301}");
    }

    #[test]
    fn the_byte_cap_is_checked_at_its_edge() {
        assert!(Password::new("p".repeat(4096)).is_ok());
        assert_eq!(Password::new("p".repeat(4097)).err(), Some(PasswordError::TooLong));
        assert_eq!(Password::new("p".repeat(1 << 20)).err(), Some(PasswordError::TooLong));
        assert_eq!(Password::new("").err(), Some(PasswordError::Empty));
    }

    #[test]
    fn preparing_never_outgrows_its_allocation() {
        // U+0390 expands threefold when it is decomposed; U+1D160 is excluded from composition and
        // stays decomposed: the worst case of UAX #15 for UTF-8.
        for worst in ["\u{390}", "\u{1d160}", "\u{fb2c}", "\u{1f82}"] {
            let typed = worst.repeat(500);
            assert!(opaque_string(&typed).len() <= typed.len() * NFC_EXPANSION);
        }
    }

    #[test]
    fn debug_hides_secrets() {
        let password = Password::new("canary-password").unwrap();
        let hash = PasswordHash::from_stored("canary-hash");
        assert!(!format!("{password:?} {hash:?}").contains("canary"));
    }
}
