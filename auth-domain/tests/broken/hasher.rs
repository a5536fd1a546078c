use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use auth_domain::ports::{HashSlot, PasswordHasher, Reservation, Verification};
use auth_domain::{Password, PasswordHash, PortError, PortErrorKind};

use super::random;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HasherFault {
    AlwaysWantsARehash,
    ComparesWhatThereIs,
    CutsAt72Bytes,
    DroppedReservationsStay,
    DroppedWorkStays,
    FoldsCase,
    HasNoSalt,
    HashesAsTyped,
    NoAccountIsAnError,
    SaysNo,
    StandInHasAPassword,
    StopsAtNul,
    Trims,
    UnreadableFits,
    UnreadableIsAMismatch,
}

use HasherFault::*;

/// Each law, and the faults that it catches.
pub(crate) const CAUGHT: &[(&str, &[HasherFault])] = &[
    ("a_password_fits_its_own_hash", &[AlwaysWantsARehash, SaysNo]),
    ("another_password_does_not_fit", &[FoldsCase, StopsAtNul, Trims]),
    ("no_byte_of_a_long_password_is_ignored", &[CutsAt72Bytes]),
    ("two_hashes_of_one_password_differ", &[HasNoSalt]),
    ("one_password_on_two_keyboards_is_one", &[HashesAsTyped]),
    ("no_account_is_a_mismatch", &[StandInHasAPassword, NoAccountIsAnError]),
    ("an_unreadable_hash_is_corrupt", &[UnreadableIsAMismatch, UnreadableFits]),
    ("a_damaged_hash_fits_nothing", &[ComparesWhatThereIs]),
    ("a_dropped_reservation_leaves_its_place", &[DroppedReservationsStay]),
    ("dropped_work_leaves_its_place", &[DroppedWorkStays]),
];

/// `toy$<salt>$<hash>`, 16 hex digits each, of the standard library's hash: for tests of tests only.
pub(crate) struct Hasher {
    fault: Option<HasherFault>,
    taken: Arc<AtomicUsize>,
}

const PLACES: usize = 8;

impl Hasher {
    pub(crate) fn new(fault: Option<HasherFault>) -> Self {
        Self { fault, taken: Arc::default() }
    }
}

impl PasswordHasher for Hasher {
    fn reserve(&self) -> Result<Reservation, PortError> {
        if self.taken.fetch_add(1, Ordering::Relaxed) >= PLACES {
            self.taken.fetch_sub(1, Ordering::Relaxed);
            let retry_after = Duration::from_secs(1);
            return Ok(Reservation::Overloaded { retry_after });
        }
        Ok(Reservation::Slot(Box::new(Slot {
            fault: self.fault,
            place: Place {
                taken: Arc::clone(&self.taken),
                is_given_back: self.fault != Some(DroppedReservationsStay),
            },
        })))
    }
}

struct Slot {
    fault: Option<HasherFault>,
    place: Place,
}

struct Place {
    taken: Arc<AtomicUsize>,
    is_given_back: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.is_given_back {
            self.taken.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

type Work<'work, T> = Pin<Box<dyn Future<Output = Result<T, PortError>> + Send + 'work>>;

impl HashSlot for Slot {
    fn hash<'work>(mut self: Box<Self>, password: Password) -> Work<'work, PasswordHash> {
        self.begin();
        Box::pin(async move {
            self.place.is_given_back = true;
            let no_salt = self.fault == Some(HasNoSalt);
            let salt = if no_salt { 0 } else { random() };
            Ok(PasswordHash::from_stored(self.text(salt, &password)))
        })
    }

    fn verify<'work>(
        mut self: Box<Self>,
        password: Password,
        stored: Option<PasswordHash>,
    ) -> Work<'work, Verification> {
        self.begin();
        Box::pin(async move {
            self.place.is_given_back = true;
            let Some(stored) = stored else {
                return self.without_account(&password);
            };
            match (self.fits(&password, stored.expose()), self.fault) {
                (Some(_), Some(SaysNo)) => Ok(Verification::Mismatch),
                (Some(true), Some(AlwaysWantsARehash)) => Ok(Verification::MatchNeedsRehash),
                (Some(true), _) | (None, Some(UnreadableFits)) => Ok(Verification::Match),
                (Some(false), _) | (None, Some(UnreadableIsAMismatch)) => {
                    Ok(Verification::Mismatch)
                }
                (None, _) => Err(PortError::new(PortErrorKind::Corrupt, "toy.verify")),
            }
        })
    }
}

impl Slot {
    fn begin(&mut self) {
        if self.fault == Some(DroppedWorkStays) {
            self.place.is_given_back = false;
        }
    }

    fn without_account(&self, password: &Password) -> Result<Verification, PortError> {
        match self.fault {
            Some(NoAccountIsAnError) => Err(PortError::new(PortErrorKind::Rejected, "toy.verify")),
            Some(StandInHasAPassword) if password.expose() == "dummy" => Ok(Verification::Match),
            _ => Ok(Verification::Mismatch),
        }
    }

    fn fits(&self, password: &Password, stored: &str) -> Option<bool> {
        let (salt, digits) = stored.strip_prefix("toy$")?.split_once('$')?;
        let salt = u64::from_str_radix(salt, 16).ok()?;
        let text = self.text(salt, password);
        if self.fault == Some(ComparesWhatThereIs) {
            return Some(text.starts_with(stored));
        }
        (digits.len() == 16).then(|| text == stored)
    }

    fn text(&self, salt: u64, password: &Password) -> String {
        let prepared = password.expose();
        let input = match self.fault {
            Some(CutsAt72Bytes) => prepared.get(..72).unwrap_or(prepared),
            Some(HashesAsTyped) => password.expose_as_typed(),
            Some(StopsAtNul) => prepared.split('\u{0}').next().unwrap_or_default(),
            Some(Trims) => prepared.trim(),
            _ => prepared,
        };
        let mut state = DefaultHasher::new();
        salt.hash(&mut state);
        if self.fault == Some(FoldsCase) {
            input.to_lowercase().hash(&mut state);
        } else {
            input.hash(&mut state);
        }
        format!("toy${salt:016x}${:016x}", state.finish())
    }
}
