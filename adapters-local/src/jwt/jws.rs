//! The one form of token made and read here: a JWS in compact serialization (RFC 7515 section 3.1).
//!
//! Stricter than the RFC where nothing of ours needs the room: a header holds `alg`, `typ` and `kid`
//! and nothing else, so that `crit`, `b64`, `zip` and the members that bring a key of their own (`jwk`,
//! `jku`, `x5c`, `x5u`) are refused and not skipped.

use std::borrow::Cow;

use auth_domain::{PortError, PortErrorKind, SignedToken, TokenRejected};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::EncodingKey;
// The backend by its name, not by `crypto::sign`: that chooses at run time, and panics when some other
// crate of an embedder's tree turns on the second backend.
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What is longer is refused unread, and never made: 4 KiB leaves room for a name of some 2,000 bytes
/// and fits the header limits of every proxy.
pub(super) const MAX_TOKEN_BYTES: usize = 4096;

/// Of Ed25519 and of P-256 alike (RFC 8032 section 5.1.6, RFC 7518 section 3.4); an HMAC is shorter.
const MAX_SIGNATURE_BYTES: usize = 64;

/// What a key signs with. A property of the key: a token may only agree with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// Ed25519. Named as RFC 8037 does, which every library knows, and by no other name.
    EdDsa,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// HMAC with SHA-256. Signs compatibility tokens; no public key type holds it.
    Hs256,
}

impl Algorithm {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Hs256 => "HS256",
        }
    }

    const fn of_backend(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::Hs256 => jsonwebtoken::Algorithm::HS256,
        }
    }
}

/// A private or shared key and the one algorithm that it is used with.
pub(super) struct Signer {
    algorithm: Algorithm,
    key: EncodingKey,
}

impl Signer {
    pub(super) const fn new(algorithm: Algorithm, key: EncodingKey) -> Self {
        Self { algorithm, key }
    }

    /// Signs `claims` under a header of this key's algorithm, `typ` and `kid`.
    pub(super) fn seal(
        &self,
        typ: &str,
        kid: Option<&str>,
        claims: &impl Serialize,
    ) -> Result<SignedToken, PortError> {
        let header = Header {
            alg: self.algorithm.name().into(),
            typ: Some(typ.into()),
            kid: kid.map(Text::from),
        };
        self.compact(&header, claims)
            .map_err(|cause| PortError::new(PortErrorKind::Rejected, ISSUE).caused_by(cause))
    }

    fn compact(
        &self,
        header: &Header<'_>,
        claims: &impl Serialize,
    ) -> Result<SignedToken, SealError> {
        let mut token = encode(&serde_json::to_vec(header)?);
        token.push('.');
        token.push_str(&encode(&serde_json::to_vec(claims)?));
        let signature = self.sign(token.as_bytes())?;
        token.push('.');
        token.push_str(&encode(&signature));
        if token.len() > MAX_TOKEN_BYTES {
            return Err(SealError::TooLong);
        }
        Ok(SignedToken::new(token))
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SealError> {
        (DEFAULT_PROVIDER.signer_factory)(&self.algorithm.of_backend(), &self.key)?
            .try_sign(message)
            .map_err(|cause| SealError::Signature(cause.into()))
    }
}

const ISSUE: &str = "token_issuer.issue";

/// Why no token was made. Carries nothing of the claims or the key.
#[derive(Debug, Error)]
enum SealError {
    #[error("the claims cannot be written as JSON")]
    Claims(#[from] serde_json::Error),
    #[error("the key cannot be used")]
    Key(#[from] jsonwebtoken::errors::Error),
    #[error("signing failed")]
    Signature(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the token would be longer than {MAX_TOKEN_BYTES} bytes")]
    TooLong,
}

/// A public or shared key, ready to use, of the one algorithm that it is used with. Held parsed, which
/// `jsonwebtoken` does anew for each token.
#[derive(Clone)]
pub(super) enum Verifier {
    EdDsa(ParsedPublicKey),
    Es256(ParsedPublicKey),
    /// Boxed for its size.
    Hs256(Box<hmac::Key>),
}

impl Verifier {
    /// Of the 32 bytes of RFC 8032 section 5.1.5.
    pub(super) fn ed25519(public: &[u8]) -> Option<Self> {
        ParsedPublicKey::new(&ED25519, public).ok().map(Self::EdDsa)
    }

    /// Of an uncompressed point (SEC 1 section 2.3.3); `None` if it is not on the curve.
    pub(super) fn p256(point: &[u8]) -> Option<Self> {
        ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).ok().map(Self::Es256)
    }

    pub(super) fn hmac(secret: &[u8]) -> Self {
        Self::Hs256(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    pub(super) const fn algorithm(&self) -> Algorithm {
        match self {
            Self::EdDsa(_) => Algorithm::EdDsa,
            Self::Es256(_) => Algorithm::Es256,
            Self::Hs256(_) => Algorithm::Hs256,
        }
    }

    /// Whether `signature` is this key's over `message`.
    pub(super) fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::EdDsa(key) | Self::Es256(key) => key.verify_sig(message, signature).is_ok(),
            Self::Hs256(key) => hmac::verify(key, message, signature).is_ok(),
        }
    }
}

/// A text of a JSON object, borrowed from it unless it is written with escapes.
#[derive(Deserialize, Serialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Text<'a> {
    pub(super) fn into_owned(self) -> String {
        self.0.into_owned()
    }
}

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(text.into())
    }
}

/// The only members of a header. Whatever else stands there, or stands there twice, is refused.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Header<'a> {
    #[serde(borrow)]
    alg: Text<'a>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    typ: Option<Text<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    kid: Option<Text<'a>>,
}

/// What a token says, after its signature was found good.
pub(super) struct Opened {
    typ: Option<String>,
    payload: Vec<u8>,
}

impl Opened {
    /// The claims, if the token says in its header that it is of the kind `typ`.
    pub(super) fn claims<'a, T: Deserialize<'a>>(&'a self, typ: &str) -> Result<T, TokenRejected> {
        if self.typ.as_deref() == Some(typ) {
            json_object(&self.payload)
        } else {
            Err(TokenRejected)
        }
    }
}

/// Opens a token with the key that `named` finds under its `kid`, or for a token without one.
pub(super) fn open<'k>(
    token: &str,
    named: impl FnOnce(Option<&str>) -> Option<&'k Verifier>,
) -> Result<Opened, TokenRejected> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(TokenRejected);
    }
    // A third dot would stand in the payload, where it is no base64url.
    let (signed, signature) = token.rsplit_once('.').ok_or(TokenRejected)?;
    let (header, payload) = signed.split_once('.').ok_or(TokenRejected)?;
    let header = decode(header)?;
    let header: Header<'_> = json_object(&header)?;
    let key = named(header.kid.as_deref()).ok_or(TokenRejected)?;
    let mut room = [0; MAX_SIGNATURE_BYTES];
    let length = URL_SAFE_NO_PAD.decode_slice(signature, &mut room).map_err(|_| TokenRejected)?;
    if *header.alg != *key.algorithm().name() || !key.accepts(signed.as_bytes(), &room[..length]) {
        return Err(TokenRejected);
    }
    Ok(Opened { typ: header.typ.map(Text::into_owned), payload: decode(payload)? })
}

/// Reads one JSON object. Members that `T` names and that stand there twice are refused by serde.
fn json_object<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, TokenRejected> {
    // Checked whole, since serde_json looks at no string that it skips (RFC 8725 section 3.7).
    let text = std::str::from_utf8(bytes).map_err(|_| TokenRejected)?;
    // serde would read an array as the members of a struct in their order.
    if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|_| TokenRejected)
    } else {
        Err(TokenRejected)
    }
}

pub(super) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes base64url in its one canonical spelling: no padding, no blanks, no stray bits at the end. Not in
/// constant time, which costs four times as much: what is decoded here was sent by the client.
pub(super) fn decode(text: &str) -> Result<Vec<u8>, TokenRejected> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenRejected)
}

#[cfg(test)]
mod tests {
    use super::super::key::SigningKey;
    use super::*;

    #[test]
    fn ed25519_signs_as_rfc_8037_does() {
        let seed = decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
        let key = SigningKey::ed25519_from_seed(&seed.try_into().unwrap());
        assert_eq!(key.kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        let message = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        assert_eq!(
            encode(&key.signer().sign(message).unwrap()),
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
        );
    }

    #[test]
    fn base64url_has_one_spelling() {
        for good in ["", "_w", "__8", "____"] {
            assert_eq!(encode(&decode(good).unwrap()), good);
        }
        // Bits that the last character has to spare, padding, the other alphabet, blanks, too few.
        for bad in [
            "_x", "_3", "__9", "__-", "_w==", "_w=", "__8=", "____=", "/w", "//8", "+w", "_w\n",
            "_ w", " _w", "____\0", "__\u{ff}", "_", "____A",
        ] {
            assert_eq!(decode(bad), Err(TokenRejected), "{bad:?}");
        }
    }
}
