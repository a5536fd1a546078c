use base64ct::{Base64UrlUnpadded, Encoding};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::TokenDigest;
use crate::rate::hmac_sha256;

const SECRET_BYTES: usize = 32;
const TAG_BYTES: usize = 16;

/// The half of a token that nobody can guess: 32 secret bytes, and 16 of an HMAC over them and what the
/// token is for. By the tag what we never issued is told apart from what we did without asking a store:
/// nobody reaches one by making tokens up, or learns from it what is there.
#[derive(Clone)]
pub(crate) struct TaggedSecret {
    secret: Zeroizing<[u8; SECRET_BYTES]>,
    tag: [u8; TAG_BYTES],
}

impl TaggedSecret {
    /// Characters of its text.
    pub(crate) const CHARACTERS: usize = (SECRET_BYTES + TAG_BYTES) * 4 / 3;

    pub(crate) fn new(key: &[u8; 32], subject: &[u8], secret: [u8; SECRET_BYTES]) -> Self {
        let secret = Zeroizing::new(secret);
        Self { tag: tag(key, subject, &secret), secret }
    }

    /// Whether it was issued for this subject under this key.
    pub(crate) fn is_of(&self, key: &[u8; 32], subject: &[u8]) -> bool {
        tag(key, subject, &self.secret).ct_eq(&self.tag).into()
    }

    /// Reads unpadded base64url, the canonical encoding and nothing else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; SECRET_BYTES + TAG_BYTES]);
        let decoded = Base64UrlUnpadded::decode(text, bytes.as_mut()).ok()?;
        let (secret, tag) = decoded.split_first_chunk()?;
        Some(Self { secret: Zeroizing::new(*secret), tag: tag.try_into().ok()? })
    }

    /// The secret bytes.
    pub(crate) fn secret(&self) -> &[u8; SECRET_BYTES] {
        &self.secret
    }

    /// What a store keeps instead of the secret bytes.
    pub(crate) fn digest(&self) -> TokenDigest {
        TokenDigest::of(&self.secret)
    }

    /// The text of a token: a name that anyone may read, a dot, and this. A secret.
    pub(crate) fn expose_after(&self, name: &[u8]) -> Zeroizing<String> {
        let name = Base64UrlUnpadded::encode_string(name);
        let whole = Zeroizing::new([self.secret.as_ref(), &self.tag[..]].concat());
        let mut rest = Base64UrlUnpadded::encode_string(&whole);
        let token = Zeroizing::new(format!("{name}.{rest}"));
        rest.zeroize();
        token
    }
}

fn tag(key: &[u8; 32], subject: &[u8], secret: &[u8; SECRET_BYTES]) -> [u8; TAG_BYTES] {
    let whole = hmac_sha256(key, &[b"tag", subject, secret]);
    let mut tag = [0; TAG_BYTES];
    tag.copy_from_slice(&whole[..TAG_BYTES]);
    tag
}
