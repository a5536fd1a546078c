use std::fmt;
use std::iter::successors;

use thiserror::Error;
use unic_langid::{CharacterDirection, LanguageIdentifier};

/// The longest tag, in bytes: a language, a script, a region and a bit of a variant.
const LONGEST: usize = 15;

/// A language that sentences are in, by its tag (RFC 5646): a language and perhaps script, region and
/// variants, in their usual case, such as `ko`, `pt-BR` or `zh-Hant`. Whether there are sentences in it, its
/// [`Messages`](crate::Messages) know.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Locale {
    /// ASCII, filled up with zeros.
    bytes: [u8; LONGEST],
    length: u8,
}

/// A text is not a [`Locale`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a language is a tag of at most {LONGEST} bytes, such as ko, pt-BR or zh-Hant")]
#[non_exhaustive]
pub struct LocaleError;

impl Locale {
    /// English.
    pub const EN: Self = Self::of(b"en");

    /// Korean.
    pub const KO: Self = Self::of(b"ko");

    const fn of(language: &[u8; 2]) -> Self {
        let mut bytes = [0; LONGEST];
        [bytes[0], bytes[1]] = *language;
        Self { bytes, length: 2 }
    }

    /// Takes a tag in any case. Extensions and private use have no place in it.
    ///
    /// # Errors
    /// [`LocaleError`] when it is malformed or longer than 15 bytes.
    pub fn parse(tag: &str) -> Result<Self, LocaleError> {
        let plain = tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let language = tag.parse::<LanguageIdentifier>().map_err(|_| LocaleError)?;
        let tag = language.to_string();
        let mut bytes = [0; LONGEST];
        let room = bytes.get_mut(..tag.len()).filter(|_| plain).ok_or(LocaleError)?;
        room.copy_from_slice(tag.as_bytes());
        Ok(Self { bytes, length: u8::try_from(tag.len()).map_err(|_| LocaleError)? })
    }

    /// The tag, in its usual case.
    pub fn tag(&self) -> &str {
        let tag = self.bytes.get(..usize::from(self.length)).unwrap_or_default();
        // Nothing but ASCII is ever put there.
        std::str::from_utf8(tag).unwrap_or_default()
    }

    /// Whether it is written from right to left, as Arabic and Hebrew are: `dir="rtl"` in HTML.
    pub fn is_right_to_left(&self) -> bool {
        self.identifier().character_direction() == CharacterDirection::RTL
    }

    pub(crate) fn identifier(&self) -> LanguageIdentifier {
        // Every tag was read as one.
        self.tag().parse().unwrap_or_default()
    }
}

/// The tags that a lookup tries for a range of languages (RFC 4647 section 3.4): itself, and then ever
/// shorter ones, such as `zh-Hant-TW`, `zh-Hant`, `zh`.
pub(crate) fn ever_broader(range: &str) -> impl Iterator<Item = &str> {
    successors(Some(range), |tag| Some(tag.rsplit_once('-')?.0))
}

/// English.
impl Default for Locale {
    fn default() -> Self {
        Self::EN
    }
}

impl fmt::Display for Locale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.tag())
    }
}

impl fmt::Debug for Locale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Locale({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_kept_in_its_usual_case() {
        for (text, tag) in [
            ("en", "en"),
            ("KO", "ko"),
            ("pt-br", "pt-BR"),
            ("ZH-hANT", "zh-Hant"),
            ("zh-hant-tw", "zh-Hant-TW"),
            ("es-419", "es-419"),
            ("gsw", "gsw"),
            ("sl-ROZAJ", "sl-rozaj"),
        ] {
            let locale = Locale::parse(text).unwrap();
            assert_eq!((locale.tag(), locale.to_string().as_str()), (tag, tag));
            assert_eq!(Locale::parse(tag), Ok(locale));
        }
        assert_eq!(Locale::parse("EN"), Ok(Locale::default()));
        assert_eq!(Locale::parse("ko"), Ok(Locale::KO));
    }

    #[test]
    fn what_is_no_tag_or_too_long_is_refused() {
        for text in [
            "",
            "-",
            "e",
            "en-",
            "-en",
            "en--US",
            "en_US",
            "en US",
            "*",
            "한국어",
            "en\n",
            "e1",
            "en-u-hc-h12",
            "x-klingon",
            "zh-Hant-TW-rozaj",
            "en-abcdefghi",
            "english-language",
        ] {
            assert_eq!(Locale::parse(text), Err(LocaleError), "{text}");
        }
    }

    #[test]
    fn the_direction_of_writing_goes_by_the_script() {
        for (tag, right_to_left) in
            [("ar", true), ("he", true), ("fa-IR", true), ("ar-Latn", false), ("ko", false)]
        {
            assert_eq!(Locale::parse(tag).unwrap().is_right_to_left(), right_to_left, "{tag}");
        }
    }
}
