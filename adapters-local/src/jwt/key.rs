use std::fmt;

use auth_domain::{MasterSecret, Purpose};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use jsonwebtoken::EncodingKey;
use serde::Deserialize;
use serde::de::IgnoredAny;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use super::jws::{Algorithm, Signer, Verifier, decode, encode};

/// A private key that signs access tokens: Ed25519 (`EdDSA`) or P-256 (`ES256`).
///
/// Signs with the algorithm of its kind and no other. Wiped when dropped; `Debug` shows its name only.
pub struct SigningKey {
    signer: Signer,
    verifying: VerifyingKey,
}

/// The public half of a [`SigningKey`], for a service that only checks tokens.
#[derive(Clone)]
pub struct VerifyingKey {
    kid: String,
    public: PublicKey,
    verifier: Verifier,
}

/// A text or document is not a key of a kind accepted here. Never carries any of it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// Not PEM (RFC 7468), or PEM of something else than `PRIVATE KEY`.
    #[error("not PEM text of an unencrypted PKCS#8 private key")]
    Pem,
    /// Not PKCS#8 (RFC 5958), or that of RSA or of another curve.
    #[error("not an unencrypted PKCS#8 private key of Ed25519 or P-256")]
    PrivateKey,
    /// Not a JWK (RFC 7517) of the kind that verifies `EdDSA` by Ed25519 or `ES256`; or one that holds
    /// the private key too.
    #[error("not the public JWK of an Ed25519 or P-256 key for signatures")]
    PublicKey,
}

/// The `PrivateKeyInfo` of RFC 8410 section 7 up to the seed, which ends it.
const ED25519_PKCS8_PREFIX: &[u8] =
    b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

impl SigningKey {
    /// The Ed25519 key that a deployment's master secret stands for.
    pub fn ed25519_from_master(master: &MasterSecret) -> Self {
        Self::ed25519_from_seed(&master.derive(Purpose::Ed25519Seed))
    }

    /// The Ed25519 key of a seed (RFC 8032 section 5.1.5): 32 bytes from a generator of cryptographic
    /// quality.
    #[expect(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "any 32 bytes are the seed of a key"
    )]
    pub fn ed25519_from_seed(seed: &[u8; 32]) -> Self {
        let pkcs8 = Zeroizing::new([ED25519_PKCS8_PREFIX, seed].concat());
        Self::ed25519(&pkcs8).expect("a seed in PKCS#8")
    }

    /// Reads an unencrypted PKCS#8 document (RFC 5958), as `openssl genpkey` writes for `ed25519` and
    /// for `EC` with `ec_paramgen_curve:P-256`.
    ///
    /// # Errors
    /// [`KeyError::PrivateKey`], also for RSA and for other curves.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, KeyError> {
        Self::ed25519(der).or_else(|| Self::p256(der)).ok_or(KeyError::PrivateKey)
    }

    /// Reads PEM text (RFC 7468) of a document as [`SigningKey::from_pkcs8_der`] takes it.
    ///
    /// # Errors
    /// [`KeyError::Pem`] or [`KeyError::PrivateKey`].
    pub fn from_pkcs8_pem(pem: &str) -> Result<Self, KeyError> {
        let (label, der) = pem_rfc7468::decode_vec(pem.as_bytes()).map_err(|_| KeyError::Pem)?;
        let der = Zeroizing::new(der);
        if label == "PRIVATE KEY" { Self::from_pkcs8_der(&der) } else { Err(KeyError::Pem) }
    }

    /// The key that verifies what this one signs.
    pub fn verifying_key(&self) -> VerifyingKey {
        self.verifying.clone()
    }

    pub(super) const fn signer(&self) -> &Signer {
        &self.signer
    }

    pub(super) fn kid(&self) -> &str {
        &self.verifying.kid
    }

    fn ed25519(pkcs8: &[u8]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8).ok()?;
        let x = pair.public_key().as_ref().try_into().ok()?;
        Some(Self {
            signer: Signer::new(Algorithm::EdDsa, EncodingKey::from_ed_der(pkcs8)),
            verifying: VerifyingKey::new(PublicKey::Ed25519 { x }, None)?,
        })
    }

    fn p256(pkcs8: &[u8]) -> Option<Self> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).ok()?;
        let point = pair.public_key().as_ref().strip_prefix(&[UNCOMPRESSED])?;
        let (x, y) = point.split_first_chunk()?;
        let (x, y) = (*x, y.try_into().ok()?);
        Some(Self {
            signer: Signer::new(Algorithm::Es256, EncodingKey::from_ec_der(pkcs8)),
            verifying: VerifyingKey::new(PublicKey::P256 { x, y }, None)?,
        })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid()).finish_non_exhaustive()
    }
}

impl VerifyingKey {
    /// Reads a public key as a JWK (RFC 7517): `kty` `OKP` with `crv` `Ed25519`, or `kty` `EC` with
    /// `crv` `P-256`. Its name is its `kid`, or its thumbprint if it has none. Members that say nothing
    /// of these are ignored, as section 4 asks.
    ///
    /// # Errors
    /// [`KeyError::PublicKey`] for every other key; for one whose `use`, `key_ops` or `alg` says that it
    /// is for something else; for a point that is not on the curve; and for a *private* key, which has
    /// no business where a public one is expected.
    pub fn from_jwk(json: &str) -> Result<Self, KeyError> {
        let jwk: Jwk = serde_json::from_str(json).map_err(|_| KeyError::PublicKey)?;
        let public = jwk.public_key().ok_or(KeyError::PublicKey)?;
        if jwk.allows(public.algorithm()) {
            Self::new(public, jwk.kid).ok_or(KeyError::PublicKey)
        } else {
            Err(KeyError::PublicKey)
        }
    }

    /// The name under which tokens ask for this key: for a key of ours the thumbprint of its JWK
    /// (RFC 7638, SHA-256, base64url), so that no two keys share one and nobody has to think of one.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The key as a public JWK.
    pub fn to_jwk(&self) -> String {
        self.jwk().to_string()
    }

    pub(super) fn jwk(&self) -> serde_json::Value {
        let mut jwk = self.public.required_members();
        jwk["alg"] = self.verifier.algorithm().name().into();
        jwk["kid"] = self.kid.as_str().into();
        jwk["use"] = "sig".into();
        jwk
    }

    pub(super) const fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// `None` for a point that is not on its curve.
    fn new(public: PublicKey, kid: Option<String>) -> Option<Self> {
        let verifier = public.verifier()?;
        Some(Self { kid: kid.unwrap_or_else(|| public.thumbprint()), verifier, public })
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("kid", &self.kid)
            .field("algorithm", &self.verifier.algorithm())
            .finish_non_exhaustive()
    }
}

/// First byte of an uncompressed point (SEC 1 section 2.3.3).
const UNCOMPRESSED: u8 = 4;

#[derive(Clone)]
enum PublicKey {
    Ed25519 { x: [u8; 32] },
    P256 { x: [u8; 32], y: [u8; 32] },
}

impl PublicKey {
    const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Ed25519 { .. } => Algorithm::EdDsa,
            Self::P256 { .. } => Algorithm::Es256,
        }
    }

    fn verifier(&self) -> Option<Verifier> {
        match self {
            Self::Ed25519 { x } => Verifier::ed25519(x),
            Self::P256 { x, y } => Verifier::p256(&uncompressed(x, y)),
        }
    }

    fn required_members(&self) -> serde_json::Value {
        match self {
            Self::Ed25519 { x } => {
                serde_json::json!({ "crv": "Ed25519", "kty": "OKP", "x": encode(x) })
            }
            Self::P256 { x, y } => {
                serde_json::json!({ "crv": "P-256", "kty": "EC", "x": encode(x), "y": encode(y) })
            }
        }
    }

    /// RFC 7638 section 3: the hash of the required members in the order of their names, no blanks.
    fn thumbprint(&self) -> String {
        let members = match self {
            Self::Ed25519 { x } => {
                format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, encode(x))
            }
            Self::P256 { x, y } => {
                format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, encode(x), encode(y))
            }
        };
        encode(&Sha256::digest(members))
    }
}

fn uncompressed(x: &[u8; 32], y: &[u8; 32]) -> Vec<u8> {
    [&[UNCOMPRESSED], &x[..], &y[..]].concat()
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: String,
    x: String,
    y: Option<String>,
    d: Option<IgnoredAny>,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
}

impl Jwk {
    fn public_key(&self) -> Option<PublicKey> {
        if self.d.is_some() {
            return None;
        }
        let x = coordinate(&self.x)?;
        match (self.kty.as_str(), self.crv.as_str(), &self.y) {
            ("OKP", "Ed25519", None) => Some(PublicKey::Ed25519 { x }),
            ("EC", "P-256", Some(y)) => Some(PublicKey::P256 { x, y: coordinate(y)? }),
            _ => None,
        }
    }

    fn allows(&self, algorithm: Algorithm) -> bool {
        self.alg.as_ref().is_none_or(|alg| alg == algorithm.name())
            && self.usage.as_ref().is_none_or(|usage| usage == "sig")
            && self.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"))
    }
}

fn coordinate(text: &str) -> Option<[u8; 32]> {
    decode(text).ok()?.try_into().ok()
}
