use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// A code point folds to at most this many times its bytes; NFC may lengthen that threefold (UAX #15,
/// table 4). A test asks every code point.
const EXPANSION: usize = 9;

/// A text without its case, for comparisons alone.
///
/// Small, capital and small again, one code point at a time: `str::to_lowercase` keeps `ß` apart from `SS`
/// and a final sigma apart from the other two, so that a listed word would pass in capitals. Normalized
/// before and after, as Unicode section 3.13 (D145) says. Allocated once at its greatest size, so that
/// growing leaves no unwiped copy behind.
pub(super) fn folded(text: &str) -> Zeroizing<String> {
    let mut folded = Zeroizing::new(String::with_capacity(text.len() * EXPANSION));
    folded.extend(text.nfd().flat_map(without_case).nfc());
    folded
}

fn without_case(c: char) -> impl Iterator<Item = char> {
    c.to_lowercase().flat_map(char::to_uppercase).flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_code_point_differs_from_its_other_cases() {
        for c in '\0'..=char::MAX {
            let small = c.to_lowercase().to_string();
            let capital = c.to_uppercase().to_string();
            let text = c.to_string();
            let as_is = folded(&text);
            assert!(as_is.len() <= text.len() * EXPANSION, "{c:?} outgrows its allocation");
            if small != capital {
                assert_eq!(folded(&capital), as_is, "{c:?} in capitals");
                assert_eq!(folded(&small), as_is, "{c:?} in small letters");
                assert_eq!(folded(&as_is), as_is, "{c:?} twice");
            }
        }
    }

    #[test]
    fn case_folds_where_lower_case_is_not_enough() {
        for (one, other) in [
            ("STRASSE", "stra\u{df}e"),
            ("STRA\u{1e9e}E", "stra\u{df}e"),
            ("\u{3a3}\u{399}\u{3a3}\u{3a5}\u{3a6}\u{39f}\u{3a3}", "σισυφος"),
            ("σισυφοσ", "σισυφος"),
            ("\u{130}stanbul", "i\u{307}stanbul"),
            ("CAFE\u{301}", "caf\u{e9}"),
            ("\u{212a}elvin", "KELVIN"),
        ] {
            assert_eq!(folded(one), folded(other), "{one} and {other}");
        }
        assert_ne!(folded("resume"), folded("r\u{e9}sum\u{e9}"));
    }
}
