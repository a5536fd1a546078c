/// A shorter word is in too many passwords to tell anything: `al` of `al-12-34-x`.
const FEWEST_CODE_POINTS: usize = 4;
/// A year, a birthday, a counter.
const MOST_DIGITS: usize = 4;

/// Whether a folded text is a folded word and no more than people add when a password "must have one":
/// blanks and separators anywhere, and at the end up to four digits or one mark.
pub(super) fn is_made_of(text: &str, word: &str) -> bool {
    let mut rest = bare(text);
    bare(word).count() >= FEWEST_CODE_POINTS
        && bare(word).all(|expected| rest.next() == Some(expected))
        && is_ending(rest)
}

fn bare(text: &str) -> impl Iterator<Item = char> + Clone {
    text.chars().filter(|c| !matches!(c, ' ' | '.' | '-' | '_' | '+'))
}

fn is_ending(mut rest: impl Iterator<Item = char> + Clone) -> bool {
    let length = rest.clone().count();
    let is_mark = length == 1 && rest.clone().all(|c| !c.is_alphanumeric());
    is_mark || length <= MOST_DIGITS && rest.all(|c| c.is_ascii_digit())
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
            ("alcolook2024!", "alcolook"),
            ("alcolook!!", "alcolook"),
            ("alcolookx", "alcolook"),
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
}
