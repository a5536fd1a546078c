mod characters;
mod common;
mod context_words;
mod fold;
mod sequence;

use std::collections::HashSet;
use std::sync::Arc;

use thiserror::Error;

use self::context_words::{is_made_of, with_parts, without_marks};
use self::fold::folded;
use self::sequence::{is_walk, repeated_piece};
use crate::{DisplayName, Email, Password};

/// What a password must be when it is *set*; nobody is asked about it at login.
///
/// Lengths are in code points. There is no rule on composition (NIST SP 800-63B-4 section 3.1.1.2,
/// ASVS 5.0 6.2.5): a password is refused for being short, long, guessable in itself, or made of the
/// account's own words. Comparisons with words are of the whole password, after case folding.
///
/// Words of the account are its address, the part before the `@`, the first label of the domain, its name,
/// and the parts of each. A word of four letters and more is refused with any separators (` .-_+`), and with
/// up to four digits and two marks after it, but never for being a part of a longer password.
///
/// Characters are those of OpaqueString (RFC 8265 section 4.2), judged in the form that is hashed, so that
/// Korean in parts, as some systems type it, is whole before it is judged; and but for the code points
/// that came to Unicode after 6.3, which are let through.
///
/// Guessable are the passwords of eight code points and more among the most common ones (some 49,000; ASVS
/// 5.0 6.2.4 asks for 3,000), walks over the digits, the alphabet or the keyboard, and repetitions. A piece
/// over and over is judged as the piece alone is, since who guesses the one guesses the other: it must be
/// as long as a password, and not be common itself. So is what ends with one mark or two (`Password123!`).
#[derive(Clone, Debug)]
pub struct PasswordPolicy {
    min_code_points: usize,
    max_code_points: usize,
    more_common: Arc<HashSet<String>>,
    context_words: Vec<String>,
}

/// Why a password may not be set.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyViolation {
    /// Known to have leaked. Said by [`BreachedPasswords`](crate::ports::BreachedPasswords), where that
    /// is composed, and never by [`PasswordPolicy::check`].
    #[error("the password is among those that leaked")]
    Breached,
    /// On the blocklist, a short or common piece over and over, or a walk such as `12345678`.
    #[error("the password is among those that are guessed first")]
    Common,
    /// The service's or the account's own word, or no more than that and up to four digits and two marks.
    #[error("the password is the name or address of the account or service")]
    ContextWord,
    /// Holds a control character, which some keyboards cannot type again (RFC 8265 section 4.2).
    #[error("the password holds a control character")]
    ControlCharacter,
    /// Holds another character that OpaqueString refuses (RFC 8265 section 4.2), above all one that is not
    /// seen: a zero-width blank, the joiner or variation selector inside some emoji.
    #[error("the password holds a character that is not seen or not typed everywhere")]
    ForbiddenCharacter,
    /// More code points than the policy allows.
    #[error("the password has more than {max} characters")]
    TooLong {
        /// The most code points allowed.
        max: usize,
    },
    /// Fewer code points than the policy asks.
    #[error("the password has fewer than {min} characters")]
    TooShort {
        /// The fewest code points asked.
        min: usize,
    },
}

impl Default for PasswordPolicy {
    /// 8 to 256 code points: what ASVS 5.0 6.2.1 asks, and what the accounts that this library takes
    /// over were told. [`PasswordPolicy::nist`] is the stricter choice for a new service.
    fn default() -> Self {
        Self {
            min_code_points: 8,
            max_code_points: 256,
            more_common: Arc::default(),
            context_words: Vec::new(),
        }
    }
}

impl PasswordPolicy {
    /// 15 to 256 code points: what NIST SP 800-63B-4 section 3.1.1.2 asks where a password is the only
    /// factor.
    #[must_use]
    pub fn nist() -> Self {
        Self { min_code_points: 15, ..Self::default() }
    }

    /// Also refuses each of `words`, in any case.
    #[must_use]
    pub fn with_blocklist<I: IntoIterator<Item = S>, S: AsRef<str>>(mut self, words: I) -> Self {
        let words = words.into_iter().map(|word| folded(word.as_ref()).to_string());
        Arc::make_mut(&mut self.more_common).extend(words);
        self
    }

    /// Also refuses the service's own words: its name, its domain, what people call it.
    #[must_use]
    pub fn with_context_words<I: IntoIterator<Item = S>, S: AsRef<str>>(
        mut self,
        words: I,
    ) -> Self {
        self.context_words.extend(words.into_iter().map(|word| folded(word.as_ref()).to_string()));
        self
    }

    /// Whether `password` may be set for the account of `email` and `name`.
    ///
    /// # Errors
    /// The first [`PolicyViolation`] found.
    pub fn check(
        &self,
        password: &Password,
        email: &Email,
        name: &DisplayName,
    ) -> Result<(), PolicyViolation> {
        let text = password.expose();
        let length = text.chars().count();
        if length < self.min_code_points {
            return Err(PolicyViolation::TooShort { min: self.min_code_points });
        }
        if length > self.max_code_points {
            return Err(PolicyViolation::TooLong { max: self.max_code_points });
        }
        if text.chars().any(char::is_control) {
            return Err(PolicyViolation::ControlCharacter);
        }
        if characters::holds_forbidden(text) {
            return Err(PolicyViolation::ForbiddenCharacter);
        }
        let folded = folded(text);
        let texts = [folded.as_str(), repeated_piece(&folded)];
        if self.is_context_word(texts, email, name) {
            return Err(PolicyViolation::ContextWord);
        }
        if self.is_common(texts) {
            return Err(PolicyViolation::Common);
        }
        Ok(())
    }

    fn is_context_word(&self, texts: [&str; 2], email: &Email, name: &DisplayName) -> bool {
        let own = [email.as_str(), email.local_part(), email.domain_label(), name.as_str()];
        let own = own.map(folded);
        let words = own.iter().map(|word| word.as_str());
        words
            .chain(self.context_words.iter().map(String::as_str))
            .flat_map(with_parts)
            .any(|word| texts.iter().any(|text| is_made_of(text, word)))
    }

    fn is_common(&self, [text, piece]: [&str; 2]) -> bool {
        (piece.len() < text.len() && piece.chars().count() < self.min_code_points)
            || [text, piece].into_iter().chain(without_marks(text)).any(|text| {
                is_walk(text) || self.more_common.contains(text) || common::is_listed(text)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(policy: &PasswordPolicy, password: &str) -> Result<(), PolicyViolation> {
        let email = Email::parse("ann.smith@example.com").unwrap();
        let name = DisplayName::parse("Ann Smith the 3rd").unwrap();
        policy.check(&Password::new(password).unwrap(), &email, &name)
    }

    #[test]
    fn length_is_counted_in_composed_code_points() {
        let default = PasswordPolicy::default();
        let short = PolicyViolation::TooShort { min: 8 };
        for seven in ["sieben7", "\u{1f600}iebe7\u{1f600}", "sie\u{301}ben7"] {
            assert_eq!(check(&default, seven), Err(short), "{seven}");
        }
        for eight in [
            "achtzehn",
            "\u{1f600}hta\u{1f601}h\u{1f602}t",
            "acht\u{d55c}\u{ae00}\u{d55c}\u{ae00}",
            "ache\u{301}cht8",
            // Its small letter composes, its capital does not.
            "J\u{30c}abcd7x",
        ] {
            assert_eq!(check(&default, eight), Ok(()), "{eight}");
        }
    }

    #[test]
    fn both_bounds_are_inclusive() {
        let word =
            |n: usize| "correct horse battery staple ".chars().cycle().take(n).collect::<String>();
        assert_eq!(check(&PasswordPolicy::default(), &word(256)), Ok(()));
        let long = PolicyViolation::TooLong { max: 256 };
        assert_eq!(check(&PasswordPolicy::default(), &word(257)), Err(long));
        assert_eq!(check(&PasswordPolicy::nist(), &word(15)), Ok(()));
        let short = PolicyViolation::TooShort { min: 15 };
        assert_eq!(check(&PasswordPolicy::nist(), &word(14)), Err(short));
    }

    #[test]
    fn composition_is_free_but_control_characters_are_not() {
        assert_eq!(check(&PasswordPolicy::default(), "        spaces"), Ok(()));
        for text in ["nul\u{0}inside", "tab\tinside1", "del\u{7f}inside", "c1\u{85}inside"] {
            assert_eq!(
                check(&PasswordPolicy::default(), text),
                Err(PolicyViolation::ControlCharacter)
            );
        }
    }

    #[test]
    fn guessable_passwords_are_refused_in_any_case() {
        let policy = PasswordPolicy::default().with_blocklist(["Hunter2Hunter2"]);
        for text in [
            "password",
            "PassWord",
            "aaaaaaaa",
            "12345678",
            "87654321",
            "QWERTYUI",
            "abcdefgh",
            "hunter2HUNTER2",
            "\u{ac00}\u{ac00}\u{ac00}\u{ac00}\u{ac00}\u{ac00}\u{ac00}\u{ac00}",
            "PasswordPassword",
            "hunter2hunter2hunter2hunter2",
            "12341234123412",
            "1QAZ2WSX3edc4rfv",
            "Password123!",
            "Welcome1!!",
            "qwertyuiop#",
            "hunter2hunter2!",
        ] {
            assert_eq!(check(&policy, text), Err(PolicyViolation::Common), "{text}");
        }
        assert_eq!(check(&policy, "password plus something"), Ok(()));
    }

    #[test]
    fn a_repetition_is_as_good_as_its_piece() {
        let common = Err(PolicyViolation::Common);
        let (default, nist) = (PasswordPolicy::default(), PasswordPolicy::nist());
        for (piece, by_default, by_nist) in [
            ("abc", common, common),
            ("h7x qz1", common, common),
            ("h7x qz1p", Ok(()), common),
            ("h7x qz1p m4 wd", Ok(()), common),
            ("h7x qz1p m4 wdk", Ok(()), Ok(())),
            ("qwertyuiop", common, common),
            ("mailcreated5240", common, common),
        ] {
            let text = piece.repeat(30 / piece.len() + 1);
            assert_eq!(check(&default, &text), by_default, "{text}");
            assert_eq!(check(&nist, &text), by_nist, "{text}");
        }
    }

    #[test]
    fn the_accounts_own_words_are_refused_whole() {
        let policy = PasswordPolicy::default().with_context_words(["AlcoLook"]);
        for text in [
            "Ann.Smith@example.com",
            "ann.smith",
            "AnnSmith!",
            "ann_smith2024",
            "example1",
            "ANN SMITH THE 3RD",
            "annsmiththe3rd1",
            "alcolook",
            "AlcoLook2024",
            "alcolookalcolook",
            "AlcoLook-2024!",
            "smith2024!!",
            "Example#2024",
        ] {
            assert_eq!(check(&policy, text), Err(PolicyViolation::ContextWord), "{text}");
        }
        for text in ["ann.smith walks far", "example of wit", "my alcolook", "alcolook20245"] {
            assert_eq!(check(&policy, text), Ok(()), "{text}");
        }
    }

    #[test]
    fn words_are_compared_without_their_case_in_every_script() {
        let policy = PasswordPolicy::default().with_context_words([
            "Gro\u{df}stra\u{df}e",
            "\u{3a3}\u{3af}\u{3c3}\u{3c5}\u{3c6}\u{3bf}\u{3c2}!",
            "\u{130}stanbul Caf\u{e9}",
        ]);
        for text in [
            "GROSSSTRASSE",
            "grossstrasse",
            "\u{3a3}\u{38a}\u{3a3}\u{3a5}\u{3a6}\u{39f}\u{3a3}!",
            "i\u{307}stanbul CAFE\u{301}",
        ] {
            assert_eq!(check(&policy, text), Err(PolicyViolation::ContextWord), "{text}");
        }
    }

    #[test]
    fn a_short_name_says_nothing_about_a_password() {
        let email = Email::parse("al@b.example").unwrap();
        let name = DisplayName::parse("Al").unwrap();
        for text in ["al12345678", "a-l-1-2-3-4", "b.b.2.0.2.4", "al al al said no"] {
            let password = Password::new(text).unwrap();
            assert_eq!(PasswordPolicy::default().check(&password, &email, &name), Ok(()), "{text}");
        }
    }
}
