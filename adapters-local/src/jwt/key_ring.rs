use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use auth_domain::MasterSecret;
use thiserror::Error;

use super::key::SigningKey;
use super::key_set::{KeySet, Swap};

/// The keys that an issuer and its verifier share: one signs, all verify, and they change while both
/// are at work. A clone is the same ring.
///
/// A new key comes in by three steps, so that no valid token is ever refused:
///
/// 1. [`publish`](KeyRing::publish): it is verified with and stands in the JWKS, but signs nothing yet.
///    Do this in every process that verifies, and then wait until each service that holds a copy of the
///    JWKS has fetched it anew: at least its cache time. That is the `max-age` of
///    `GET /.well-known/jwks.json`, or the interval of whoever copies it; npm `jose` keeps a set for ten
///    minutes and PyJWT for five, whatever the answer says. An hour is a good wait.
/// 2. [`sign_with`](KeyRing::sign_with): it signs from now on. Wait until the last token of the former
///    key has expired: the life of an access token (15 min by default) after the *last* process has
///    changed over.
/// 3. [`retire`](KeyRing::retire) the former key: it is refused here from that return on, and elsewhere
///    as soon as the JWKS is fetched anew. If a private key is known to be stolen, retire it at once
///    (after `sign_with` another): its tokens end early, which is then what is wanted.
///
/// A ring lives in one process. Where several serve, each takes each step before any takes the next.
/// With keys that come from master secrets the steps are three roll-outs of the settings: the new secret
/// as the *other* one ([`from_masters`](KeyRing::from_masters) with the old one as `signing`), then the
/// two the other way round, then without the old one.
#[derive(Clone)]
pub struct KeyRing(Arc<Shared>);

struct Shared {
    /// Of all members, what verifies.
    trusted: Arc<Swap<KeySet>>,
    /// One of the members.
    signing: Swap<SigningKey>,
    /// Held for the whole of each change, so that changes come one after the other.
    members: Mutex<Vec<Arc<SigningKey>>>,
}

/// Why a [`KeyRing`] was not changed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyRingError {
    /// The ring has a key of that name. Also if two master secrets are the same.
    #[error("the ring already has a key with this kid")]
    DuplicateKid,
    /// The key that signs cannot be retired: let another sign first.
    #[error("the key that signs cannot be retired")]
    Signing,
    /// The ring has no key of that name.
    #[error("the ring has no key with this kid")]
    UnknownKid,
}

impl KeyRing {
    /// A ring of one key, which signs.
    pub fn new(signing: SigningKey) -> Self {
        let signing = Arc::new(signing);
        let trusted = KeySet::of_distinct([signing.verifying_key()]);
        Self(Arc::new(Shared {
            trusted: Arc::new(Swap::new(trusted)),
            signing: Swap::new(Arc::clone(&signing)),
            members: Mutex::new(vec![signing]),
        }))
    }

    /// The Ed25519 keys of master secrets: that of `signing` signs, that of `other` (the one before, or
    /// the one to come) is only verified with.
    ///
    /// # Errors
    /// [`KeyRingError::DuplicateKid`] if both secrets are the same.
    pub fn from_masters(
        signing: &MasterSecret,
        other: Option<&MasterSecret>,
    ) -> Result<Self, KeyRingError> {
        let ring = Self::new(SigningKey::ed25519_from_master(signing));
        if let Some(other) = other {
            ring.publish(SigningKey::ed25519_from_master(other))?;
        }
        Ok(ring)
    }

    /// Trusts `key` and shows it in the JWKS. It signs nothing until [`KeyRing::sign_with`].
    ///
    /// # Errors
    /// [`KeyRingError::DuplicateKid`]; nothing is changed.
    pub fn publish(&self, key: SigningKey) -> Result<(), KeyRingError> {
        let mut members = self.members();
        let key = Arc::new(key);
        let all = members.iter().chain([&key]).map(|member| member.verifying_key());
        let trusted = KeySet::new(all.collect()).ok_or(KeyRingError::DuplicateKid)?;
        self.0.trusted.set(trusted);
        members.push(key);
        Ok(())
    }

    /// Lets the published key of this name sign all that is issued from the return on.
    ///
    /// # Errors
    /// [`KeyRingError::UnknownKid`]; nothing is changed.
    pub fn sign_with(&self, kid: &str) -> Result<(), KeyRingError> {
        let members = self.members();
        let key = members.iter().find(|member| member.kid() == kid);
        self.0.signing.set(Arc::clone(key.ok_or(KeyRingError::UnknownKid)?));
        Ok(())
    }

    /// Forgets a key: from the return on its tokens are refused and it is not in the JWKS.
    ///
    /// # Errors
    /// [`KeyRingError::Signing`] or [`KeyRingError::UnknownKid`]; nothing is changed.
    pub fn retire(&self, kid: &str) -> Result<(), KeyRingError> {
        let mut members = self.members();
        let place = members.iter().position(|member| member.kid() == kid);
        let place = place.ok_or(KeyRingError::UnknownKid)?;
        if self.0.signing.get().kid() == kid {
            return Err(KeyRingError::Signing);
        }
        members.remove(place);
        self.0.trusted.set(KeySet::of_distinct(members.iter().map(|m| m.verifying_key())));
        Ok(())
    }

    pub(super) fn signing_key(&self) -> Arc<SigningKey> {
        self.0.signing.get()
    }

    pub(super) fn keys(&self) -> Arc<Swap<KeySet>> {
        Arc::clone(&self.0.trusted)
    }

    fn members(&self) -> MutexGuard<'_, Vec<Arc<SigningKey>>> {
        // A change either happened or did not: `members` is written last, in one step.
        self.0.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<SigningKey> for KeyRing {
    /// A ring of one key, which signs.
    fn from(signing: SigningKey) -> Self {
        Self::new(signing)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing")
            .field("signing", &self.signing_key())
            .field("trusted", &self.0.trusted.get())
            .finish_non_exhaustive()
    }
}
