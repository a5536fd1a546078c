//! What the password policy refuses, held against whole lists. `AUTH_TEST_VECTORS` names a folder with
//! more of them than the repository holds.
#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]
#![expect(
    clippy::disallowed_macros,
    clippy::print_stderr,
    reason = "a test that skips, or whose size is not its own, says so"
)]

use std::path::PathBuf;

use auth_domain::{DisplayName, Email, Password, PasswordPolicy, PolicyViolation};
use proptest::prelude::*;
use serde_json::Value;
use unicode_normalization::UnicodeNormalization;

const LIST: &str = include_str!("../src/common_passwords.txt");

fn check(policy: &PasswordPolicy, password: &str) -> Result<(), PolicyViolation> {
    let email = Email::parse("ann@example.com").unwrap();
    let name = DisplayName::parse("Ann").unwrap();
    policy.check(&Password::new(password).unwrap(), &email, &name)
}

fn vectors() -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "tests are told where their vectors are")]
    let folder = std::env::var_os("AUTH_TEST_VECTORS");
    folder.map(PathBuf::from)
}

/// A file of a word a line from the folder of vectors; nothing, and a note, where there is none.
fn words(file: &str) -> Vec<String> {
    let Some(folder) = vectors() else {
        eprintln!("skipped: AUTH_TEST_VECTORS does not name a folder that holds {file}");
        return Vec::new();
    };
    let text = std::fs::read_to_string(folder.join(file)).unwrap();
    let words: Vec<_> = text.lines().map(str::to_owned).collect();
    assert!(!words.is_empty(), "{file} holds no words");
    words
}

fn titled(word: &str) -> String {
    let mut rest = word.chars();
    rest.next().into_iter().flat_map(char::to_uppercase).chain(rest).collect()
}

#[track_caller]
fn refused_in_any_case(policy: &PasswordPolicy, word: &str) {
    for spelling in [word.to_owned(), word.to_uppercase(), titled(word)] {
        let verdict = check(policy, &spelling);
        assert_eq!(verdict, Err(PolicyViolation::Common), "{spelling}");
    }
}

#[test]
fn every_listed_password_is_refused_in_capitals() {
    let policies = [(8, PasswordPolicy::default()), (15, PasswordPolicy::nist())];
    for word in LIST.lines().map(str::to_uppercase) {
        for (fewest, policy) in &policies {
            if word.chars().count() >= *fewest {
                assert_eq!(check(policy, &word), Err(PolicyViolation::Common), "{word}");
            }
        }
    }
}

#[test]
fn the_most_common_passwords_are_refused() {
    let default = PasswordPolicy::default();
    for word in ["password", "12345678", "iloveyou", "trustno1", "p@ssw0rd", "qwertyuiop"] {
        refused_in_any_case(&default, word);
    }
    let words = words("common-passwords/zxcvbn-top10k.txt");
    let long_enough: Vec<_> = words.iter().filter(|word| word.chars().count() >= 8).collect();
    for word in &long_enough {
        refused_in_any_case(&default, word);
    }
    eprintln!("{} of the 10,000 most common passwords", long_enough.len());
}

#[test]
fn common_passwords_that_are_long_are_refused_where_fifteen_is_asked() {
    let nist = PasswordPolicy::nist();
    for word in ["mailcreated5240", "123456789987654321", "1qaz2wsx3edc4rfv", "passwordpassword"] {
        refused_in_any_case(&nist, word);
    }
    let words = words("common-passwords/zxcvbn-len15plus.txt");
    for word in &words {
        refused_in_any_case(&nist, word);
    }
    eprintln!("{} common passwords of fifteen and more", words.len());
}

/// A password of this many letters, each of one code point; and the same in two code points each.
fn composed_and_decomposed(letters: usize) -> [String; 2] {
    let word = "\u{e9}\u{e0}\u{f1}\u{fc}\u{ea}\u{e5}\u{f5}\u{fd}\u{ed}\u{f2}\u{e2}\u{e7}\u{eb}\u{f9}\u{e8}";
    let composed: String = word.chars().take(letters).collect();
    let decomposed = composed.nfd().collect::<String>();
    assert_eq!(decomposed.chars().count(), 2 * letters);
    [composed, decomposed]
}

#[test]
fn the_fewest_code_points_are_counted_composed() {
    let short = |min| Err(PolicyViolation::TooShort { min });
    for (letters, by_default, by_nist) in [
        (7, short(8), short(15)),
        (8, Ok(()), short(15)),
        (14, Ok(()), short(15)),
        (15, Ok(()), Ok(())),
    ] {
        for text in composed_and_decomposed(letters) {
            assert_eq!(check(&PasswordPolicy::default(), &text), by_default, "{text}");
            assert_eq!(check(&PasswordPolicy::nist(), &text), by_nist, "{text}");
        }
    }
}

/// A verdict of the independent implementation `precis_i18n` on one text.
struct Golden {
    input: String,
    output: Option<String>,
}

/// Its cases of OpaqueString; those with half a surrogate pair left out, which is no Rust string.
fn golden() -> Vec<Golden> {
    let Some(folder) = vectors() else {
        eprintln!("skipped: AUTH_TEST_VECTORS does not name a folder with precis_i18n/golden.json");
        return Vec::new();
    };
    let json = std::fs::read_to_string(folder.join("precis_i18n/golden.json")).unwrap();
    let json = json.replace(r#""\ud800""#, "null").replace(r#""\ud8ff""#, "null");
    let cases: Vec<Value> = serde_json::from_str(&json).unwrap();
    cases
        .iter()
        .filter(|case| case["profile"] == "OpaqueString" && case["input"].is_string())
        .map(|case| Golden {
            input: case["input"].as_str().unwrap().to_owned(),
            output: case["output"].as_str().map(str::to_owned),
        })
        .collect()
}

/// Whether a text may be part of a password. What is added makes it long enough and is nobody's context.
fn has_good_characters(text: &str) -> bool {
    let verdict = check(&PasswordPolicy::default(), &format!("{text} and plain words"));
    !matches!(verdict, Err(PolicyViolation::ControlCharacter | PolicyViolation::ForbiddenCharacter))
}

/// Marks and joiners that only a letter of Unicode 7 and later makes good: `precis-core` does not know it
/// for one.
const JUDGED_OTHERWISE: &[&str] = &[
    "\u{5ef}\u{5f3}",
    "\u{10d00}\u{200c}\u{88e}",
    "\u{10d00}\u{7fd}\u{200c}\u{7fd}\u{88e}",
    "\u{886}\u{200c}\u{886}",
];

#[test]
fn characters_are_judged_and_prepared_as_another_implementation_does() {
    let cases = golden();
    let mut otherwise = Vec::new();
    for Golden { input, output } in &cases {
        let prepared = Password::new(input.as_str()).ok();
        let is_good = prepared.is_some() && has_good_characters(input);
        if is_good != output.is_some() {
            otherwise.push(input.as_str());
        }
        if let (Some(prepared), Some(output)) = (prepared, output) {
            assert_eq!(prepared.expose(), output, "{input:?}");
        }
    }
    let known = if cases.is_empty() { &[] } else { JUDGED_OTHERWISE };
    assert_eq!(otherwise, known);
    eprintln!("{} cases of OpaqueString, {} judged otherwise", cases.len(), otherwise.len());
}

fn passphrase() -> impl Strategy<Value = String> {
    let words = prop::collection::vec("[a-z]{3,9}", 4..8);
    words
        .prop_filter("one word over and over is no passphrase", |words| words[0] != words[1])
        .prop_map(|words| words.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_passphrase_is_never_refused(text in passphrase()) {
        prop_assert_eq!(check(&PasswordPolicy::nist(), &text), Ok(()));
        prop_assert_eq!(check(&PasswordPolicy::default(), &text), Ok(()));
    }

    #[test]
    fn a_short_piece_over_and_over_is_refused(
        piece in "[ a-zA-Z0-9\u{ac00}-\u{d7a3}]{1,7}",
        length in 15..40_usize,
    ) {
        let text: String = piece.chars().cycle().take(length).collect();
        prop_assert!(check(&PasswordPolicy::nist(), &text).is_err(), "{}", text);
        prop_assert!(check(&PasswordPolicy::default(), &text).is_err(), "{}", text);
    }
}
