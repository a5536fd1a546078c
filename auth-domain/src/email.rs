use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use thiserror::Error;
use unicode_normalization::UnicodeNormalization;

/// An email address in its one canonical form, which is also its key in every store.
///
/// Canonical means: surrounding blanks (of every width, no line breaks) trimmed, NFC, the domain in
/// lower-case ASCII (IDNA, UTS #46) without the dot of the root, ASCII letters of the local part in lower
/// case. Two spellings of one mailbox therefore meet in one
/// account, and mail goes only to the canonical address on the row, never to one that was typed.
///
/// Accepted is the dot-atom form of RFC 5322 section 3.4.1 with letters and digits of any script
/// (RFC 6531), and dots anywhere in the local part: mobile carriers gave such addresses out, and HTML
/// accepts them (section 4.10.5.1.5). Quoted local parts, comments and address literals are refused, since
/// none of them names a mailbox that people sign up with and each has carried an injection somewhere.
///
/// An address is personal data: `Debug` does not print it, and there is no `Display`.
#[derive(Clone)]
pub struct Email {
    canonical: String,
    /// Where it was kept and differs.
    spelling: Option<Box<str>>,
}

/// Why a text is not an [`Email`]. Never carries the text.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum EmailError {
    /// More than 254 bytes, or a local part of more than 64 (RFC 5321 section 4.5.3.1).
    #[error("the address is too long")]
    TooLong,
    /// Not `local@domain` in the accepted form.
    #[error("the address is not of the form local@domain")]
    Malformed,
}

const MAX_BYTES: usize = 254;
const MAX_LOCAL_BYTES: usize = 64;
/// Anything longer cannot become valid by trimming or normalizing, and is not worth the work.
const MAX_INPUT_BYTES: usize = 1024;

impl Email {
    /// Parses and canonicalizes an address.
    ///
    /// # Errors
    /// [`EmailError`] when the text is not an address in the accepted form.
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        if text.len() > MAX_INPUT_BYTES {
            return Err(EmailError::TooLong);
        }
        let normalized = composed(text.trim_matches(is_blank));
        let (local, domain) = normalized.split_once('@').ok_or(EmailError::Malformed)?;
        let local = canonical_local(local)?;
        let domain = canonical_domain(domain)?;
        let address = format!("{local}@{domain}");
        if address.len() > MAX_BYTES {
            return Err(EmailError::TooLong);
        }
        Ok(Self { canonical: address, spelling: None })
    }

    /// As [`Email::parse`], and remembers how it was spelt: for a login over a store that may still hold
    /// rows under addresses as they were typed, and for such a store to say under which key a row is.
    ///
    /// # Errors
    /// As [`Email::parse`].
    pub fn parse_with_spelling(text: &str) -> Result<Self, EmailError> {
        let email = Self::parse(text)?;
        let spelling = (email.canonical != text).then(|| text.into());
        Ok(Self { spelling, ..email })
    }

    /// The canonical address.
    pub fn as_str(&self) -> &str {
        &self.canonical
    }

    /// The text that this was [parsed from](Email::parse_with_spelling), if that was remembered; else
    /// the canonical address. Two spellings of one address are equal all the same.
    pub fn spelling(&self) -> &str {
        self.spelling.as_deref().unwrap_or(&self.canonical)
    }

    /// The part before the `@`.
    pub fn local_part(&self) -> &str {
        self.canonical.split_once('@').map_or("", |(local, _)| local)
    }

    /// The domain up to its first dot.
    pub(crate) fn domain_label(&self) -> &str {
        let domain = self.canonical.split_once('@').map_or("", |(_, domain)| domain);
        domain.split_once('.').map_or(domain, |(label, _)| label)
    }
}

impl PartialEq for Email {
    fn eq(&self, other: &Self) -> bool {
        self.canonical == other.canonical
    }
}

impl Eq for Email {}

impl PartialOrd for Email {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Email {
    fn cmp(&self, other: &Self) -> Ordering {
        self.canonical.cmp(&other.canonical)
    }
}

impl Hash for Email {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.canonical.hash(state);
    }
}

/// What a keyboard leaves around an address.
fn is_blank(c: char) -> bool {
    c == '\t' || c.is_whitespace() && !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}')
}

/// NFC. ASCII is composed already, and is what nearly every address of a token is.
fn composed(text: &str) -> Cow<'_, str> {
    if text.is_ascii() { text.into() } else { text.nfc().collect() }
}

fn canonical_local(local: &str) -> Result<String, EmailError> {
    if local.len() > MAX_LOCAL_BYTES {
        return Err(EmailError::TooLong);
    }
    let well_formed =
        local.chars().all(|c| c == '.' || is_atom_character(c)) && local.contains(|c| c != '.');
    // Composed again: some letters have a composed form in lower case only.
    let canonical = composed(&local.to_ascii_lowercase()).into_owned();
    if well_formed { Ok(canonical) } else { Err(EmailError::Malformed) }
}

/// `atext` of RFC 5322 section 3.2.3. Beyond ASCII only letters, digits and marks: that refuses
/// look-alikes of `@`, invisible and direction-changing characters, and blanks of every width.
fn is_atom_character(c: char) -> bool {
    if c.is_ascii() {
        c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c)
    } else {
        c.is_alphanumeric() || unicode_normalization::char::is_combining_mark(c)
    }
}

fn canonical_domain(domain: &str) -> Result<String, EmailError> {
    let ascii = idna::domain_to_ascii_cow(domain.as_bytes(), idna::AsciiDenyList::STD3)
        .map_err(|_| EmailError::Malformed)?;
    let domain = ascii.strip_suffix('.').unwrap_or(&ascii);
    let last = domain.rsplit('.').next().unwrap_or_default();
    let well_formed =
        domain.split('.').all(is_host_label) && !last.bytes().all(|byte| byte.is_ascii_digit());
    if well_formed { Ok(domain.to_owned()) } else { Err(EmailError::Malformed) }
}

/// A label of RFC 1123 section 2.1.
fn is_host_label(label: &str) -> bool {
    !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-')
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(..)")
    }
}

impl std::str::FromStr for Email {
    type Err = EmailError;

    fn from_str(text: &str) -> Result<Self, EmailError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Option<String> {
        Email::parse(text).ok().map(|email| email.as_str().to_owned())
    }

    #[test]
    fn spellings_of_one_mailbox_meet() {
        for spelling in [
            "Ann@Example.COM",
            "  ann@example.com\t",
            "ANN@example.com",
            "\u{3000}ann@example.com\u{a0}",
            "ann@example.com. ",
        ] {
            assert_eq!(parsed(spelling).as_deref(), Some("ann@example.com"), "{spelling}");
        }
    }

    #[test]
    fn a_spelling_is_kept_where_asked_for_and_makes_no_other_address() {
        let typed = Email::parse_with_spelling(" Ann@Example.com").unwrap();
        let parsed = Email::parse(" Ann@Example.com").unwrap();
        assert_eq!(typed.spelling(), " Ann@Example.com");
        assert_eq!(parsed.spelling(), "ann@example.com");
        assert_eq!(typed, parsed);
        assert_eq!(typed.cmp(&parsed), Ordering::Equal);
        assert!(std::collections::HashSet::from([typed]).contains(&parsed));
        let canonical = Email::parse_with_spelling("ann@example.com").unwrap();
        assert_eq!(canonical.spelling(), "ann@example.com");
    }

    #[test]
    fn domains_become_lower_case_ascii() {
        assert_eq!(parsed("ann@B\u{fc}cher.example").as_deref(), Some("ann@xn--bcher-kva.example"));
        assert_eq!(
            parsed("ann@xn--BCHER-KVA.example").as_deref(),
            Some("ann@xn--bcher-kva.example")
        );
        assert_eq!(parsed("ann@\u{d55c}\u{ad6d}.kr").as_deref(), Some("ann@xn--3e0b707e.kr"));
    }

    #[test]
    fn composed_and_decomposed_local_parts_meet() {
        assert_eq!(parsed("jos\u{e9}@example.com"), parsed("jose\u{301}@example.com"));
        assert!(parsed("jos\u{e9}@example.com").is_some());
    }

    #[test]
    fn letters_that_compose_in_lower_case_only_are_canonical_at_once() {
        for letter in ["T\u{308}", "H\u{331}", "J\u{30c}", "W\u{30a}", "Y\u{30a}"] {
            let once = parsed(&format!("{letter}om@example.com")).unwrap();
            assert_eq!(parsed(&once).as_deref(), Some(once.as_str()));
            assert_eq!(parsed(&format!("{}om@example.com", letter.to_lowercase())), Some(once));
        }
    }

    #[test]
    fn dots_anywhere_are_part_of_an_address_as_carriers_gave_them_out() {
        for address in ["a..nn@example.com", "ann.@example.com", ".ann@example.com"] {
            assert_eq!(parsed(address).as_deref(), Some(address));
        }
    }

    #[test]
    fn only_ascii_letters_of_the_local_part_are_folded() {
        assert_eq!(parsed("J\u{c9}@example.com").as_deref(), Some("j\u{c9}@example.com"));
    }

    #[test]
    fn hostile_and_malformed_addresses_are_refused() {
        for text in [
            "",
            "@",
            "ann",
            "ann@",
            "@example.com",
            "a@b@example.com",
            "ann@@example.com",
            "ann@example.com\r\nBcc: eve@example.com",
            "ann\r\n@example.com",
            "ann\n@example.com",
            "ann@example.com\n",
            "\nann@example.com",
            "an n@example.com",
            "ann@exa mple.com",
            "ann\u{0}@example.com",
            "ann@example.com\u{0}",
            "\"ann\"@example.com",
            "Ann <ann@example.com>",
            "ann@example.com,eve@example.com",
            "ann@[127.0.0.1]",
            "ann@127.0.0.1",
            "ann@-example.com",
            "ann@example-.com",
            "ann@example..com",
            "ann@.example.com",
            "ann@example.com..",
            "ann@.",
            ".@example.com",
            "..@example.com",
            "ann\u{ff20}example.com",
            "ann\u{200b}@example.com",
            "ann\u{202e}@example.com",
            "ann\u{a0}@example.com",
            "ann(comment)@example.com",
        ] {
            assert_eq!(parsed(text), None, "{text:?}");
        }
    }

    #[test]
    fn length_limits_are_those_of_rfc_5321() {
        let local = |n: usize| format!("{}@example.com", "a".repeat(n));
        assert!(parsed(&local(64)).is_some());
        assert_eq!(Email::parse(&local(65)), Err(EmailError::TooLong));
        let whole = |n: usize| {
            let labels = format!("{}.{}.{}", "b".repeat(63), "c".repeat(63), "d".repeat(63));
            let rest = n - labels.len() - 2 - 1;
            format!("a@{labels}.{}", "e".repeat(rest))
        };
        assert!(parsed(&whole(253)).is_some());
        assert!(Email::parse(&format!("{}@{}", "a".repeat(64), whole(240))).is_err());
        assert_eq!(Email::parse(&"a".repeat(100_000)), Err(EmailError::TooLong));
    }

    #[test]
    fn debug_hides_the_address() {
        let email = Email::parse("ann@example.com").unwrap();
        assert!(!format!("{email:?}").contains("ann"));
    }

    proptest! {
        #[test]
        fn parsing_is_idempotent_and_never_yields_a_header_break(
            text in "([A-Za-z][\u{300}-\u{36f}]{0,2}|\\PC){0,20}@([a-z.]|\\PC){0,20}",
        ) {
            if let Some(once) = parsed(&text) {
                prop_assert_eq!(parsed(&once), Some(once.clone()));
                prop_assert!(!once.chars().any(|c| c.is_control() || c.is_whitespace()));
                prop_assert_eq!(once.matches('@').count(), 1);
            }
        }
    }
}
