//! The passwords that are guessed first. Where they come from, and how the list is made again:
//! `common_passwords.md`.

use std::cmp::Ordering;

/// Folded, sorted by bytes, each on a line of its own. Searched as it lies in the binary: nothing is built
/// at a cold start.
const LIST: &str = include_str!("../common_passwords.txt");

/// Whether a folded text is on the list.
pub(super) fn is_listed(folded: &str) -> bool {
    is_line_of(LIST.as_bytes(), folded.as_bytes())
}

fn is_line_of(mut sorted: &[u8], wanted: &[u8]) -> bool {
    while !sorted.is_empty() {
        let (before, after) = sorted.split_at(sorted.len() / 2);
        let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        let end = after.iter().position(|byte| *byte == b'\n');
        let end = end.map_or(sorted.len(), |newline| before.len() + newline);
        sorted = match sorted[start..end].cmp(wanted) {
            Ordering::Equal => return true,
            Ordering::Greater => &sorted[..start],
            Ordering::Less => sorted.get(end + 1..).unwrap_or_default(),
        };
    }
    false
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::policy::fold::folded;
    use crate::policy::sequence::{is_walk, repeated_piece};

    const FEWEST_CODE_POINTS: usize = 8;

    #[test]
    fn every_line_is_found_and_nothing_between_two() {
        for line in LIST.lines() {
            assert!(is_listed(line), "{line}");
            assert!(!is_listed(&format!("{line}\u{1}")), "{line} and more");
        }
        assert!(!is_listed(""));
        assert!(!is_listed("0"));
        assert!(!is_listed("\u{10ffff}"));
    }

    #[test]
    fn lines_are_found_in_lists_of_any_length() {
        let lines = ["b", "bb", "d", "f\u{e9}", "h"];
        for length in 0..=lines.len() {
            let list = lines[..length].iter().map(|line| format!("{line}\n")).collect::<String>();
            for (at, line) in lines.iter().enumerate() {
                assert_eq!(is_line_of(list.as_bytes(), line.as_bytes()), at < length, "{list:?}");
            }
            for between in ["", "a", "bbb", "c", "e", "f", "g", "i", "b\nbb"] {
                assert!(!is_line_of(list.as_bytes(), between.as_bytes()), "{between} in {list:?}");
            }
        }
    }

    #[test]
    fn the_list_is_sorted_folded_and_holds_nothing_in_vain() {
        assert!(LIST.lines().is_sorted_by(|one, next| one < next));
        assert!(LIST.ends_with('\n') && !LIST.contains('\r'));
        for line in LIST.lines() {
            assert!(is_worth_a_line(line), "{line}");
            assert_eq!(*folded(line), line);
        }
        assert!(LIST.lines().count() > 40_000, "the list was cut");
    }

    /// No policy asks for fewer code points, and what a rule refuses needs no line.
    fn is_worth_a_line(folded: &str) -> bool {
        folded.chars().count() >= FEWEST_CODE_POINTS
            && repeated_piece(folded).chars().count() >= FEWEST_CODE_POINTS
            && !is_walk(folded)
    }

    #[test]
    #[ignore = "writes src/common_passwords.txt anew, of the words in the file AUTH_TEST_COMMON_WORDS"]
    fn the_list_is_made_of_its_sources() {
        #[expect(
            clippy::disallowed_methods,
            reason = "not the domain asks, but who makes its list"
        )]
        let words = std::env::var_os("AUTH_TEST_COMMON_WORDS").expect("a file of words");
        let words = std::fs::read_to_string(words).unwrap();
        let words: BTreeSet<_> = words.lines().map(|word| folded(word).to_string()).collect();
        let lines = words.iter().filter(|word| is_worth_a_line(word));
        let list = lines.map(|word| format!("{word}\n")).collect::<String>();
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/common_passwords.txt");
        std::fs::write(path, list).unwrap();
    }
}
