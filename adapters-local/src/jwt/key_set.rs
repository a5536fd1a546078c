use std::sync::{Arc, PoisonError, RwLock};

use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;

use super::jws::Verifier;
use super::key::VerifyingKey;

/// Public keys, each under one name.
#[derive(Debug)]
pub(super) struct KeySet(Vec<VerifyingKey>);

impl KeySet {
    /// `None` if two keys have one name: which of them signed would be a matter of chance.
    pub(super) fn new(keys: Vec<VerifyingKey>) -> Option<Self> {
        let distinct = keys
            .iter()
            .enumerate()
            .all(|(i, key)| keys[..i].iter().all(|other| other.kid() != key.kid()));
        distinct.then_some(Self(keys))
    }

    /// Of keys whose names are known to differ.
    pub(super) fn of_distinct(keys: impl IntoIterator<Item = VerifyingKey>) -> Self {
        Self(keys.into_iter().collect())
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn named(&self, kid: &str) -> Option<&Verifier> {
        self.0.iter().find(|key| key.kid() == kid).map(VerifyingKey::verifier)
    }

    pub(super) fn to_jwks(&self) -> String {
        let keys: Vec<_> = self.0.iter().map(VerifyingKey::jwk).collect();
        serde_json::json!({ "keys": keys }).to_string()
    }

    fn from_jwks(json: &str) -> Result<Self, JwksError> {
        if json.len() > Jwks::MAX_BYTES {
            return Err(JwksError::TooLong);
        }
        let JwkSet { keys } = serde_json::from_str(json).map_err(|_| JwksError::Malformed)?;
        if keys.iter().any(|jwk| PRIVATE_MEMBERS.iter().any(|name| jwk.contains_key(*name))) {
            return Err(JwksError::PrivateKey);
        }
        let texts = keys.into_iter().map(|jwk| Value::Object(jwk).to_string());
        let usable = texts.filter_map(|jwk| VerifyingKey::from_jwk(&jwk).ok()).collect();
        let set = Self::new(usable).ok_or(JwksError::DuplicateKid)?;
        if set.is_empty() { Err(JwksError::NoUsableKey) } else { Ok(set) }
    }
}

/// A value that many read and few replace. No lock is held but for the moment in which a pointer is
/// read or written, so that neither waits for the work of the other.
#[derive(Debug)]
pub(super) struct Swap<T>(RwLock<Arc<T>>);

impl<T> Swap<T> {
    pub(super) fn new(value: impl Into<Arc<T>>) -> Self {
        Self(RwLock::new(value.into()))
    }

    pub(super) fn get(&self) -> Arc<T> {
        // Nothing panics while it is held, and a pointer is never half written.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn set(&self, value: impl Into<Arc<T>>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = value.into();
    }
}

/// The keys that another service publishes, as a JSON Web Key Set (RFC 7517 section 5): what a resource
/// service checks access tokens with. Nothing is fetched here; whoever does replaces the text.
///
/// A clone is the same set, so that what is replaced in one is replaced in each verifier over it. Replace
/// it at least as often as the issuer's [`KeyRing`](super::KeyRing) demands: a token under a key that is
/// not there is refused, and causes no fetch, however many of them come.
#[derive(Clone, Debug)]
pub struct Jwks(Arc<Swap<KeySet>>);

/// Why a text is not a [`Jwks`]. Never carries any of it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum JwksError {
    /// Two keys that could verify have one `kid`.
    #[error("two keys of the set have the same kid")]
    DuplicateKid,
    /// Not a JSON object with an array `keys` of objects.
    #[error("not a JSON Web Key Set")]
    Malformed,
    /// No key of a kind that verifies here. Such a set would refuse every token.
    #[error("the set has no key that verifies EdDSA or ES256")]
    NoUsableKey,
    /// A key is there with a private or shared part: whoever published it must be told, and the key is
    /// burnt.
    #[error("the set has a private key, which must not be published")]
    PrivateKey,
    /// More than [`Jwks::MAX_BYTES`].
    #[error("the set is longer than 65,536 bytes")]
    TooLong,
}

impl Jwks {
    /// The most that is read: 65,536 bytes.
    pub const MAX_BYTES: usize = 65_536;

    /// Reads a set as `GET /.well-known/jwks.json` answers it. Keys of a kind, algorithm or use that is
    /// not known here are ignored, as RFC 7517 section 5 asks.
    ///
    /// # Errors
    /// [`JwksError`].
    pub fn parse(json: &str) -> Result<Self, JwksError> {
        Ok(Self(Arc::new(Swap::new(KeySet::from_jwks(json)?))))
    }

    /// Puts a newer text in place of this one: from the return on, its keys are trusted and no others.
    ///
    /// # Errors
    /// [`JwksError`]; the old keys stay.
    pub fn replace(&self, json: &str) -> Result<(), JwksError> {
        self.0.set(KeySet::from_jwks(json)?);
        Ok(())
    }

    pub(super) fn keys(&self) -> Arc<Swap<KeySet>> {
        Arc::clone(&self.0)
    }
}

#[derive(Deserialize)]
struct JwkSet {
    keys: Vec<Map<String, Value>>,
}

/// Private and shared parts of every registered kind of key (IANA, JSON Web Key Parameters).
const PRIVATE_MEMBERS: &[&str] = &["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];
