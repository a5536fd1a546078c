//! What no list can hold, because there is one of every length: repetitions, and walks over the
//! alphabet and the keyboard.

/// Orders that fingers and children know. Each is a ring, walked either way from anywhere; none holds a
/// character twice.
const RINGS: &[&str] = &[
    "1234567890",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "1234567890qwertyuiopasdfghjklzxcvbnm",
    "qwertyuiopasdfghjklzxcvbnm",
    // Columns: down each, with and without the digits.
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/",
    "qazwsxedcrfvtgbyhnujmikolp",
    // Up each.
    "zaq1xsw2cde3vfr4bgt5nhy6mju7,ki8.lo9/;p0",
    // Down one and up the next, and the other way round.
    "1qazxsw23edcvfr45tgbnhy67ujm,ki89ol./;p0",
    "zaq12wsxcde34rfvbgt56yhnmju78ik,.lo90p;/",
    // Between the row of digits and the one below.
    "1q2w3e4r5t6y7u8i9o0p",
    "q1w2e3r4t5y6u7i8o9p0",
];

/// Whether a folded text is one walk over a ring, with or without the shift key.
pub(super) fn is_walk(folded: &str) -> bool {
    RINGS.iter().any(|ring| walks(folded, ring.chars()) || walks(folded, ring.chars().rev()))
}

fn walks(folded: &str, ring: impl Iterator<Item = char> + Clone) -> bool {
    let mut keys = folded.chars().map(unshifted);
    let Some(first) = keys.next() else {
        return false;
    };
    let Some(start) = ring.clone().position(|key| key == first) else {
        return false;
    };
    keys.zip(ring.cycle().skip(start + 1)).all(|(key, next)| key == next)
}

/// The same key of a US keyboard without shift; letters are folded already.
const fn unshifted(c: char) -> char {
    match c {
        '!' => '1',
        '@' => '2',
        '#' => '3',
        '$' => '4',
        '%' => '5',
        '^' => '6',
        '&' => '7',
        '*' => '8',
        '(' => '9',
        ')' => '0',
        '<' => ',',
        '>' => '.',
        ':' => ';',
        '?' => '/',
        other => other,
    }
}

/// The shortest piece that a text is made of, over and over and at least twice, the last time perhaps not
/// to its end; the text itself where it is made of none.
pub(super) fn repeated_piece(text: &str) -> &str {
    let most = text.chars().count() / 2;
    text.char_indices()
        .map(|(end, _)| end)
        .skip(1)
        .take(most)
        .find(|end| text.starts_with(&text[*end..]))
        .map_or(text, |end| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_goes_either_way_from_anywhere_and_round() {
        for walk in [
            "12345678",
            "87654321",
            "1234567890123456",
            "0987654321098765",
            "890123456789",
            "abcdefgh",
            "zyxwvuts",
            "uvwxyzabcdefghij",
            "qwertyui",
            "poiuytrewq",
            "asdfghjkl",
            "qwertyuiopasdfgh",
            "1234567890qwerty",
            "zxcvbnmzxcvb",
            "1qaz2wsx",
            "1qaz2wsx3edc4rfv5tgb",
            "3edc4rfv5tgb",
            "xsw2zaq1",
            "qazwsxedcrfv",
            "zaq1xsw2cde3vfr4",
            "zaq12wsxcde34rfv",
            "1q2w3e4r5t6y7u8i",
            "q1w2e3r4t5y6",
            "!@#$%^&*()",
            "!qaz@wsx#edc",
        ] {
            assert!(is_walk(walk), "{walk}");
        }
    }

    #[test]
    fn a_step_aside_is_no_walk() {
        for near in [
            "",
            "1234567a",
            "12345679",
            "1234567890123457",
            "abcdefgi",
            "qwertyiu",
            "1qaz2wsx3edc4rfb",
            "qwertyuiop and more",
            "1qaz 2wsx",
            "\u{ac00}\u{b098}\u{b2e4}",
        ] {
            assert!(!is_walk(near), "{near}");
        }
    }

    #[test]
    fn no_ring_holds_a_key_twice() {
        for ring in RINGS {
            let mut keys: Vec<_> = ring.chars().collect();
            keys.sort_unstable();
            keys.dedup();
            assert_eq!(keys.len(), ring.chars().count(), "{ring}");
            assert!(ring.chars().all(|key| unshifted(key) == key), "{ring}");
        }
    }

    #[test]
    fn the_shortest_piece_is_found_also_where_its_last_time_is_cut() {
        for (text, piece) in [
            ("aaaaaaaa", "a"),
            ("abcabcabcabcabc", "abc"),
            ("12341234123412", "1234"),
            ("passwordpassword", "password"),
            ("\u{ac00}\u{b098}\u{ac00}\u{b098}\u{ac00}", "\u{ac00}\u{b098}"),
            ("abcdabc", "abcdabc"),
            ("passwordpasswore", "passwordpasswore"),
            ("xpasswordpassword", "xpasswordpassword"),
            ("hellohallo", "hellohallo"),
            ("a", "a"),
            ("", ""),
        ] {
            assert_eq!(repeated_piece(text), piece, "{text}");
        }
    }
}
