/// A shorter word is in too many passwords to tell anything: `al` of `al-12-34-x`.
const FEWEST_CODE_POINTS: usize = 4;
/// A year, a birthday, a counter.
const MOST_DIGITS: usize = 4;
/// `!`, or `!!`.
const MOST_MARKS: usize = 2;

/// Whether a folded text is a folded word and no more than people add when a password "must have one":
/// blanks and separators anywhere, and at the end up to four digits and two marks.
pub(super) fn is_made_of(text: &str, word: &str) -> bool {
    let mut rest = bare(text);
    bare(word).count() >= FEWEST_CODE_POINTS
        && bare(word).all(|expected| rest.next() == Some(expected))
        && is_ending(rest)
}

/// A word and what it is put together from: `acme shop`, `acme` and `shop`.
pub(super) fn with_parts(word: &str) -> impl Iterator<Item = &str> {
    std::iter::once(word).chain(word.split(|c: char| !c.is_alphanumeric()))
}

/// A folded text without the marks that it ends with, if these are no more than people add.
pub(super) fn without_marks(text: &str) -> Option<&str> {
    let bare = text.trim_end_matches(is_mark);
    (1..=MOST_MARKS).contains(&text[bare.len()..].chars().count()).then_some(bare)
}

fn bare(text: &str) -> impl Iterator<Item = char> + Clone {
    text.chars().filter(|c| !matches!(c, ' ' | '.' | '-' | '_' | '+'))
}

fn is_mark(c: char) -> bool {
    !c.is_alphanumeric()
}

fn is_ending(rest: impl Iterator<Item = char> + Clone) -> bool {
    let marks = rest.clone().filter(|c| is_mark(*c)).count();
    let digits = rest.clone().filter(char::is_ascii_digit).count();
    marks <= MOST_MARKS && digits <= MOST_DIGITS && marks + digits == rest.count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_with_what_people_add_to_it() {
        for (text, word) in [
            ("alcolook", "alcolook"),
            ("alcolook1", "alcolook"),
            ("alcolook2024", "alcolook"),
            ("alcolook!", "alcolook"),
            ("alcolook\u{ff01}", "alcolook"),
            ("alcolook!!", "alcolook"),
            ("alcolook2024!", "alcolook"),
            ("alco-look-#2024", "alcolook"),
            ("alco-look_2024", "alcolook"),
            ("annsmith", "ann.smith"),
            ("ann smith 7", "ann.smith"),
            ("ann.smith@example.com1", "ann.smith@example.com"),
            ("joes", "joes"),
        ] {
            assert!(is_made_of(text, word), "{text}");
        }
    }

    #[test]
    fn a_password_that_holds_a_word_and_more_is_another() {
        for (text, word) in [
            ("alcolook20241", "alcolook"),
            ("alcolook!!!", "alcolook"),
            ("alcolookx", "alcolook"),
            ("alcolook2024x", "alcolook"),
            ("2024alcolook", "alcolook"),
            ("alcoloo", "alcolook"),
            ("ann.smith walks far", "ann.smith"),
            ("al12345678", "al"),
            ("a-l-1-2-3-4", "al"),
            ("joe-1-2-3-4", "joe"),
            ("1234", ""),
            ("", "word"),
        ] {
            assert!(!is_made_of(text, word), "{text}");
        }
    }

    #[test]
    fn a_word_has_parts_and_a_text_may_end_with_marks() {
        let parts: Vec<_> = with_parts("ann.smith@example.com").collect();
        assert_eq!(parts, ["ann.smith@example.com", "ann", "smith", "example", "com"]);
        assert_eq!(without_marks("password1!"), Some("password1"));
        assert_eq!(without_marks("password!?"), Some("password"));
        for text in ["password", "password!!!", "pass!word", ""] {
            assert_eq!(without_marks(text), None, "{text}");
        }
    }
}
