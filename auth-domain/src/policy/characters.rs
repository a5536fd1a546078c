use precis_core::{DerivedPropertyValue, FreeformClass, StringClass};

/// Whether a text holds what OpaqueString refuses (RFC 8265 section 4.2.1): what is not seen, what
/// keyboards do not type, and marks out of their context.
pub(super) fn holds_forbidden(text: &str) -> bool {
    Opaque.allows(text).is_err()
}

/// The FreeformClass of RFC 8264 section 4.3, except that code points which `precis-core` does not know
/// are let through: its tables are of Unicode 6.3, as the registry of IANA is, and an emoji or a script of
/// a later year is no reason to refuse a password. A joiner beside a letter of a later year is refused.
struct Opaque;

impl StringClass for Opaque {
    fn get_value_from_char(&self, c: char) -> DerivedPropertyValue {
        match FreeformClass::default().get_value_from_char(c) {
            DerivedPropertyValue::Unassigned if is_never_seen(c) => {
                DerivedPropertyValue::Disallowed
            }
            DerivedPropertyValue::Unassigned => DerivedPropertyValue::PValid,
            known => known,
        }
    }

    fn get_value_from_codepoint(&self, code_point: u32) -> DerivedPropertyValue {
        char::from_u32(code_point)
            .map_or(DerivedPropertyValue::Disallowed, |c| self.get_value_from_char(c))
    }
}

/// Later than Unicode 6.3, or of no year yet, and never to be seen (`Default_Ignorable_Code_Point` of
/// Unicode 17.0).
const fn is_never_seen(c: char) -> bool {
    matches!(
        c,
        '\u{180f}'
            | '\u{2065}'
            | '\u{fff0}'..='\u{fff8}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_or_out_of_its_context_is_forbidden() {
        for text in [
            "zero\u{200b}width",
            "soft\u{ad}hyphen",
            "\u{feff}mark",
            "right\u{202e}to left",
            "line\u{2028}separator",
            "private\u{e000}use",
            "not a character \u{fffe}",
            "tag\u{e0041}",
            "mongolian\u{180f}selector",
            "heart \u{2764}\u{fe0f}",
            "\u{1f469}\u{200d}\u{1f52c}",
            "old \u{1112}\u{1161}\u{302e} jamo",
            "a\u{b7}b",
            "katakana\u{30fb}dot",
            "control\u{7}",
        ] {
            assert!(holds_forbidden(text), "{text:?}");
        }
    }

    #[test]
    fn what_is_seen_is_allowed_in_every_script_and_from_any_year() {
        for text in [
            "plain words",
            "caf\u{e9} \u{d55c}\u{ae00} \u{5f20} \u{433} \u{5d0}",
            "col\u{b7}lecci\u{f3}",
            "\u{30ab}\u{30fb}\u{30ca}",
            "\u{915}\u{94d}\u{200d}\u{937}",
            "\u{645}\u{6cc}\u{200c}\u{62e}\u{648}\u{627}\u{647}\u{645}",
            "\u{2460}\u{ff21}\u{20ac}\u{1f600}",
            "\u{1f984} of Unicode 8, \u{1fae9} of Unicode 16",
        ] {
            assert!(!holds_forbidden(text), "{text:?}");
        }
    }
}
