use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// What one request is found by in logs: 1 to 64 characters of `A-Z a-z 0-9 . _ : = ; / + -`. So it never
/// begins a line, ends a string or needs escaping in a log, a header or a JSON text, whoever chose it.
///
/// It is no secret and proves nothing: a client may have chosen the one of another request.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId {
    bytes: [u8; Self::MAX_BYTES],
    length: u8,
}

/// The text is no [`RequestId`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a request id is 1 to 64 letters, digits and . _ : = ; / + -")]
#[non_exhaustive]
pub struct RequestIdError;

impl RequestId {
    /// What it has at most.
    pub const MAX_BYTES: usize = 64;

    /// Takes the text as it is.
    ///
    /// # Errors
    /// [`RequestIdError`]: another length, or another character.
    pub fn parse(text: &str) -> Result<Self, RequestIdError> {
        let length = u8::try_from(text.len()).map_err(|_| RequestIdError)?;
        let mut bytes = [0; Self::MAX_BYTES];
        let place = bytes.get_mut(..text.len()).ok_or(RequestIdError)?;
        if text.is_empty() || !text.bytes().all(is_plain) {
            return Err(RequestIdError);
        }
        place.copy_from_slice(text.as_bytes());
        Ok(Self { bytes, length })
    }

    /// 32 hex digits. The bytes should be of no other request: random ones, or a UUID's.
    pub fn from_bytes(bytes: &[u8; 16]) -> Self {
        let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let mut id = Self { bytes: [0; Self::MAX_BYTES], length: 32 };
        for (place, digit) in id.bytes.iter_mut().zip(digits) {
            *place = b"0123456789abcdef"[usize::from(digit)];
        }
        id
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        let text = self.bytes.get(..usize::from(self.length)).unwrap_or_default();
        std::str::from_utf8(text).unwrap_or_default()
    }
}

const fn is_plain(byte: u8) -> bool {
    let marks = matches!(byte, b'.' | b'_' | b':' | b'=' | b';' | b'/' | b'+' | b'-');
    marks || byte.is_ascii_alphanumeric()
}

impl FromStr for RequestId {
    type Err = RequestIdError;

    fn from_str(text: &str) -> Result<Self, RequestIdError> {
        Self::parse(text)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gateways_and_proxies_number_requests_by_is_kept_as_it_is() {
        for text in [
            "a",
            "01890a5d-ac96-774b-bcce-b302099a8057",
            "JKJaXmPLvHcESHA=",
            "Root=1-63441c4a-abcdef012345678912345678;Sampled=1",
            &"x".repeat(64),
        ] {
            assert_eq!(RequestId::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn what_could_begin_a_line_or_end_a_string_is_refused() {
        let long = "x".repeat(65);
        let longer = "x".repeat(300);
        for text in [
            "",
            " ",
            "a b",
            "a\r\nb",
            "a\n",
            "\0",
            "{\"",
            "\\",
            "'",
            "<b>",
            "caf\u{e9}",
            "a\u{2028}b",
            "\u{1b}[31m",
            &long,
            &longer,
        ] {
            assert_eq!(RequestId::parse(text), Err(RequestIdError), "{text:?}");
        }
    }

    #[test]
    fn bytes_are_hex_digits() {
        let mut bytes = [0; 16];
        bytes[0] = 0xa9;
        bytes[15] = 0x0f;
        let id = RequestId::from_bytes(&bytes);
        assert_eq!(id.as_str(), "a900000000000000000000000000000f");
        assert_eq!(RequestId::parse(id.as_str()), Ok(id));
    }

    #[test]
    fn ids_are_equal_by_their_text() {
        let id = |text| RequestId::parse(text).unwrap();
        assert_eq!(id("abc"), id("abc"));
        assert_ne!(id("abc"), id("abcd"));
        assert_eq!(format!("{} {:?}", id("abc"), id("abc")), "abc \"abc\"");
    }
}
