use auth_domain::PasswordHash;
use zeroize::Zeroizing;

use super::bcrypt::DIGEST_DIGITS;
use super::{Imported, MOST_BYTES, StoredArgon2, StoredHashError};
use crate::hashing::settings::{Argon2Ceilings, ImportCeilings};

pub(super) const NAME: &str = "wrapped";

/// Argon2id over what another system stored, in place of that: whoever steals the store has no hash that
/// is faster to guess at than ours.
///
/// ```text
/// wrapped$argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>$<the other system's text, its digest blank>
/// ```
///
/// `<hash>` is of the bytes of the digest that the other system stored. Its text is kept for the salt and
/// the costs. The digits of the digest are overwritten there, not left out, so that the text is read as
/// every other of its form.
pub(in crate::hashing) struct StoredWrapped {
    pub(in crate::hashing) outer: StoredArgon2,
    pub(in crate::hashing) inner: Imported,
}

impl StoredWrapped {
    /// What follows `wrapped`.
    pub(super) fn read(
        text: &str,
        argon2: &Argon2Ceilings,
        imports: &ImportCeilings,
    ) -> Result<Self, StoredHashError> {
        let (outer, inner_text) = sixth_dollar(text).ok_or(StoredHashError::Malformed)?;
        let outer = StoredArgon2::read(outer, argon2)?;
        let inner = Imported::read(inner_text, imports)?;
        // A digest beside its wrapping would undo that.
        let blank = blank(&inner, inner_text).is_some_and(|blank| *blank == inner_text);
        if blank { Ok(Self { outer, inner }) } else { Err(StoredHashError::Malformed) }
    }

    /// What is stored for `outer`, a hash of the digest of `inner`, and for the `blank` of that.
    pub(in crate::hashing) fn text(outer: &PasswordHash, blank: &str) -> PasswordHash {
        // Allocated once, so that growing leaves no unwiped copy behind.
        let mut text = String::with_capacity(2 * MOST_BYTES);
        for part in [NAME, outer.expose(), "$", blank] {
            text.push_str(part);
        }
        PasswordHash::from_stored(text)
    }
}

/// What is before and behind the `$` that ends an Argon2 hash.
fn sixth_dollar(text: &str) -> Option<(&str, &str)> {
    let (at, _) = text.match_indices('$').nth(5)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// `text`, which was read as `inner`, with other digits for those of its digest; `None` where the same
/// digits hold some of its salt.
pub(in crate::hashing) fn blank(inner: &Imported, text: &str) -> Option<Zeroizing<String>> {
    let (start, digit) = match inner {
        Imported::Sha256(_) => (0, '0'),
        Imported::Bcrypt(_) => (text.len().checked_sub(DIGEST_DIGITS)?, 'A'),
        Imported::FirebaseScrypt(_) | Imported::Pbkdf2(_) | Imported::Scrypt(_) => {
            // GRUB has dots between. Where there are dollar signs, a dot is a digit.
            let last = text.rfind('$').or_else(|| text.rfind('.'))?;
            (last + 1, 'A')
        }
    };
    let (kept, digest) = text.split_at_checked(start)?;
    let mut blank = Zeroizing::new(String::with_capacity(text.len()));
    blank.push_str(kept);
    // Padding tells how long the digest is.
    blank.extend(digest.chars().map(|c| if c == '=' { c } else { digit }));
    Some(blank)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blanked(text: &str) -> Option<String> {
        let imported = Imported::read(text, &ImportCeilings::default()).unwrap();
        blank(&imported, text).map(|blank| blank.to_string())
    }

    #[test]
    fn a_digest_is_blanked_and_nothing_else() {
        for (text, expected) in [
            (
                "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8",
                "0000000000000000000000000000000000000000000000000000000000000000",
            ),
            (
                "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
                "$2a$05$CCCCCCCCCCCCCCCCCCCCC.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            ),
            (
                "$bcrypt-sha256$v=2,t=2b,r=5$5Hg1DKFqPE8C2aflZ5vVoe$wOK1VFFtS8IGTrGa7.h5fs0u84qyPbS",
                "$bcrypt-sha256$v=2,t=2b,r=5$5Hg1DKFqPE8C2aflZ5vVoe$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            ),
            // A dot is a digit in passlib's base64.
            (
                "$pbkdf2-sha256$1212$4vjV83LKPjQzk31VI4E0Vw$hsYF68OiOUPdDZ1Fg.fJPeq1h/gXXY7acBp9/6c.tmQ",
                "$pbkdf2-sha256$1212$4vjV83LKPjQzk31VI4E0Vw$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            ),
            (
                "pbkdf2_sha1$10000$wz5B6WkasRoF$atJmJ1o+XfJxKq1+Nu1f1i57Z5I=",
                "pbkdf2_sha1$10000$wz5B6WkasRoF$AAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            ),
            (
                "grub.pbkdf2.sha512.1.00.00112233445566778899AABBCCDDEEFF",
                "grub.pbkdf2.sha512.1.00.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            ),
        ] {
            assert_eq!(blanked(text).as_deref(), Some(expected));
            assert_eq!(blanked(expected).as_deref(), Some(expected));
        }
    }

    /// Base64 of 16 bytes of salt and the digest at once.
    #[test]
    fn a_digest_that_shares_a_digit_with_its_salt_is_not_told_apart() {
        let atlassians =
            "{PKCS5S2}c4xaeTQM0lUieMS3V5voiexyX9XhqC2dBd5ecVy60IPksHChwoTAVYFrhsgoq8/p";
        assert_eq!(blanked(atlassians), None);
    }
}
