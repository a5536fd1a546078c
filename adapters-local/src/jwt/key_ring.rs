use super::jws::Verifier;
use super::key::VerifyingKey;

/// The keys that a verifier trusts, each under one name.
#[derive(Debug)]
pub(super) struct KeyRing(Vec<VerifyingKey>);

impl KeyRing {
    /// `None` if two keys have one name: which of them signed would be a matter of chance.
    pub(super) fn new(keys: Vec<VerifyingKey>) -> Option<Self> {
        let distinct = keys
            .iter()
            .enumerate()
            .all(|(i, key)| keys[..i].iter().all(|other| other.kid() != key.kid()));
        distinct.then_some(Self(keys))
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn named(&self, kid: &str) -> Option<&Verifier> {
        self.0.iter().find(|key| key.kid() == kid).map(VerifyingKey::verifier)
    }

    pub(super) fn jwks(&self) -> String {
        let keys: Vec<_> = self.0.iter().map(VerifyingKey::jwk).collect();
        serde_json::json!({ "keys": keys }).to_string()
    }
}
