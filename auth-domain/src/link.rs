use std::fmt;
use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding};
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::rate::hmac_sha256;
use crate::{CredentialVersion, Email, Timestamp, UserId};

/// A text is not a token of the link that it is given for. One error for every reason.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not the token of such a link")]
#[non_exhaustive]
pub struct LinkTokenError;

/// The secret of a link that moves an account to another address. Made and read as a
/// [`VerificationToken`] is, under a key of its own. Using it bumps the credential version, so it works
/// once.
pub struct EmailChangeToken {
    signed: Signed,
    new_email: Email,
}

/// What both kinds of link say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LinkClaims {
    pub(crate) user_id: UserId,
    pub(crate) credential_version: CredentialVersion,
    pub(crate) expires_at: Timestamp,
    /// The account's address, with its spelling.
    pub(crate) email: Email,
}

#[derive(Clone)]
struct Signed {
    claims: LinkClaims,
    payload: Vec<u8>,
    tag: [u8; 32],
}

/// Twice the longest address, and what is signed beside them.
const MAX_TOKEN_BYTES: usize = 1_024;
/// User id, credential version, expiry in seconds.
const FIXED_BYTES: usize = 16 + 8 + 8;

/// A token that says [`LinkClaims`] and nothing else, under a key of its own.
macro_rules! signed_claims {
    ($(#[$doc:meta])* $token:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $token(Signed);

        impl $token {
            pub(crate) fn sign(key: &[u8; 32], claims: LinkClaims) -> Self {
                let payload = [&fixed(&claims)[..], claims.email.spelling().as_bytes()].concat();
                Self(Signed::new(key, claims, payload))
            }

            /// Reads a token as it was handed out: unpadded base64url, the canonical encoding and nothing
            /// else. Whether it was ever issued is not looked at.
            ///
            /// # Errors
            /// [`LinkTokenError`] for anything else.
            pub fn parse(text: &str) -> Result<Self, LinkTokenError> {
                let (payload, tag) = split(text)?;
                let claims = claims(&payload, payload.get(FIXED_BYTES..))?;
                Ok(Self(Signed { claims, payload, tag }))
            }

            pub(crate) const fn claims(&self) -> &LinkClaims {
                &self.0.claims
            }

            pub(crate) fn is_of(&self, key: &[u8; 32]) -> bool {
                self.0.is_of(key)
            }

            /// The token as it is handed out. A secret.
            pub fn expose(&self) -> Zeroizing<String> {
                self.0.expose()
            }
        }

        impl fmt::Debug for $token {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($token), "(..)"))
            }
        }
    };
}

signed_claims! {
    /// The secret of a link that proves who reads an address: `base64url(claims).base64url(tag)`, the tag an
    /// HMAC-SHA-256 over the claims. Nothing of it is stored: it is good for its account, address and
    /// credential version until it expires. The key tells it apart from every other kind of link.
    VerificationToken
}

signed_claims! {
    /// What a client keeps to be known again at login (OWASP: device cookie): that it proved the account's
    /// present password before. Made and read as a [`VerificationToken`] is, under a key of its own.
    ///
    /// It lets nobody in. Who presents it has some attempts of his own, which strangers cannot use up, so that
    /// they do not keep the account's owner out. It is good for 90 days, for its account and credential
    /// version.
    DeviceToken
}

impl DeviceToken {
    /// How long it is good for: a client that is used once in a quarter of a year keeps being known.
    pub const LIFE: Duration = Duration::from_hours(90 * 24);
}

impl EmailChangeToken {
    pub(crate) fn sign(key: &[u8; 32], claims: LinkClaims, new_email: Email) -> Self {
        let old = claims.email.spelling().as_bytes();
        // An address has at most 254 bytes.
        let length = u16::try_from(old.len()).unwrap_or(u16::MAX).to_be_bytes();
        let new = new_email.as_str().as_bytes();
        let payload = [&fixed(&claims)[..], &length[..], old, new].concat();
        Self { signed: Signed::new(key, claims, payload), new_email }
    }

    /// Reads a token as a link carries it; as [`VerificationToken::parse`].
    ///
    /// # Errors
    /// [`LinkTokenError`] for anything else.
    pub fn parse(text: &str) -> Result<Self, LinkTokenError> {
        let (payload, tag) = split(text)?;
        let rest = payload.get(FIXED_BYTES..).ok_or(LinkTokenError)?;
        let (length, addresses) = rest.split_first_chunk::<2>().ok_or(LinkTokenError)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (old, new) = addresses.split_at_checked(length).ok_or(LinkTokenError)?;
        let claims = claims(&payload, Some(old))?;
        let new_email = canonical(new)?;
        Ok(Self { signed: Signed { claims, payload, tag }, new_email })
    }

    pub(crate) const fn claims(&self) -> &LinkClaims {
        &self.signed.claims
    }

    pub(crate) const fn new_email(&self) -> &Email {
        &self.new_email
    }

    pub(crate) fn is_of(&self, key: &[u8; 32]) -> bool {
        self.signed.is_of(key)
    }

    /// The token as a link carries it. A secret.
    pub fn expose(&self) -> Zeroizing<String> {
        self.signed.expose()
    }
}

impl Signed {
    fn new(key: &[u8; 32], claims: LinkClaims, payload: Vec<u8>) -> Self {
        let tag = hmac_sha256(key, &[&payload]);
        Self { claims, payload, tag }
    }

    fn is_of(&self, key: &[u8; 32]) -> bool {
        hmac_sha256(key, &[&self.payload]).ct_eq(&self.tag).into()
    }

    fn expose(&self) -> Zeroizing<String> {
        let payload = Base64UrlUnpadded::encode_string(&self.payload);
        let tag = Base64UrlUnpadded::encode_string(&self.tag);
        Zeroizing::new(format!("{payload}.{tag}"))
    }
}

fn fixed(claims: &LinkClaims) -> [u8; FIXED_BYTES] {
    let mut bytes = [0; FIXED_BYTES];
    bytes[..16].copy_from_slice(claims.user_id.as_bytes());
    bytes[16..24].copy_from_slice(&claims.credential_version.get().to_be_bytes());
    bytes[24..].copy_from_slice(&claims.expires_at.as_seconds().to_be_bytes());
    bytes
}

fn split(text: &str) -> Result<(Vec<u8>, [u8; 32]), LinkTokenError> {
    if text.len() > MAX_TOKEN_BYTES {
        return Err(LinkTokenError);
    }
    let (payload, tag) = text.split_once('.').ok_or(LinkTokenError)?;
    let decode = |part| Base64UrlUnpadded::decode_vec(part).map_err(|_| LinkTokenError);
    Ok((decode(payload)?, decode(tag)?.try_into().map_err(|_| LinkTokenError)?))
}

fn claims(payload: &[u8], email: Option<&[u8]>) -> Result<LinkClaims, LinkTokenError> {
    let (user_id, rest) = payload.split_first_chunk::<16>().ok_or(LinkTokenError)?;
    let (version, rest) = rest.split_first_chunk::<8>().ok_or(LinkTokenError)?;
    let (seconds, _) = rest.split_first_chunk::<8>().ok_or(LinkTokenError)?;
    let email = std::str::from_utf8(email.ok_or(LinkTokenError)?).map_err(|_| LinkTokenError)?;
    Ok(LinkClaims {
        user_id: UserId::from_bytes(*user_id),
        credential_version: CredentialVersion::new(u64::from_be_bytes(*version)),
        expires_at: Timestamp::from_seconds(u64::from_be_bytes(*seconds)),
        email: Email::parse_with_spelling(email).map_err(|_| LinkTokenError)?,
    })
}

fn canonical(bytes: &[u8]) -> Result<Email, LinkTokenError> {
    let text = std::str::from_utf8(bytes).map_err(|_| LinkTokenError)?;
    let email = Email::parse(text).map_err(|_| LinkTokenError)?;
    if email.as_str() == text { Ok(email) } else { Err(LinkTokenError) }
}

impl fmt::Debug for EmailChangeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailChangeToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: [u8; 32] = [3; 32];

    fn email(text: &str) -> Email {
        Email::parse_with_spelling(text).unwrap()
    }

    fn link_claims() -> LinkClaims {
        LinkClaims {
            user_id: UserId::from_entropy_bytes([1; 16]),
            credential_version: CredentialVersion::new(7),
            expires_at: Timestamp::from_seconds(1_000_000),
            email: email("Ann@Example.com"),
        }
    }

    #[test]
    fn both_kinds_survive_their_links_with_the_spelling_of_the_row() {
        let text = VerificationToken::sign(&KEY, link_claims()).expose();
        let parsed = VerificationToken::parse(&text).unwrap();
        assert!(parsed.is_of(&KEY) && !parsed.is_of(&[4; 32]));
        assert_eq!(parsed.claims(), &link_claims());
        assert_eq!(parsed.claims().email.spelling(), "Ann@Example.com");
        let text = EmailChangeToken::sign(&KEY, link_claims(), email("bob@example.com")).expose();
        let parsed = EmailChangeToken::parse(&text).unwrap();
        assert!(parsed.is_of(&KEY) && !parsed.is_of(&[4; 32]));
        assert_eq!(parsed.claims().email.spelling(), "Ann@Example.com");
        assert_eq!(parsed.new_email().as_str(), "bob@example.com");
    }

    #[test]
    fn no_character_can_be_altered() {
        let change = EmailChangeToken::sign(&KEY, link_claims(), email("bob@example.com")).expose();
        let verify = VerificationToken::sign(&KEY, link_claims()).expose();
        for index in 0..change.len().max(verify.len()) {
            let altered = |text: &str| {
                let mut bytes = text.as_bytes().to_vec();
                let byte = bytes.get_mut(index)?;
                *byte = if *byte == b'A' { b'B' } else { b'A' };
                Some(String::from_utf8(bytes).unwrap())
            };
            let verified = altered(&verify).and_then(|text| VerificationToken::parse(&text).ok());
            assert!(!verified.is_some_and(|token| token.is_of(&KEY)), "{index}");
            let changed = altered(&change).and_then(|text| EmailChangeToken::parse(&text).ok());
            assert!(!changed.is_some_and(|token| token.is_of(&KEY)), "{index}");
        }
    }

    #[test]
    fn the_border_between_two_addresses_cannot_be_moved() {
        let one = EmailChangeToken::sign(&KEY, link_claims(), email("bob@example.com"));
        let moved = LinkClaims { email: email("Ann@Example.com.bob"), ..link_claims() };
        let other = EmailChangeToken::sign(&KEY, moved, email("x@example.com"));
        assert_ne!(one.signed.tag, other.signed.tag);
    }

    #[test]
    fn junk_is_no_token() {
        let text = VerificationToken::sign(&KEY, link_claims()).expose().to_string();
        for junk in ["", ".", "..", "A.A", &text[1..], &format!("{text}="), &format!("{text}\0")] {
            assert!(VerificationToken::parse(junk).is_err(), "{junk:?}");
            assert!(EmailChangeToken::parse(junk).is_err(), "{junk:?}");
        }
        assert!(VerificationToken::parse(&"A".repeat(1_000_000)).is_err());
    }

    #[test]
    fn debug_hides_the_secret() {
        let token = VerificationToken::sign(&KEY, link_claims());
        assert_eq!(format!("{token:?}"), "VerificationToken(..)");
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "\\PC{0,200}|[A-Za-z0-9_-]{40,120}\\.[A-Za-z0-9_-]{43}") {
            let _ = VerificationToken::parse(&text);
            let _ = EmailChangeToken::parse(&text);
        }
    }
}
