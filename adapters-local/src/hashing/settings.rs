use std::collections::HashSet;
use std::io;
use std::num::NonZeroUsize;
use std::thread;

use argon2::Params;
use auth_domain::PasswordHash;
use thiserror::Error;

use super::pepper::{Pepper, PepperId};
use super::stored::{Stored, StoredFormat, StoredHashError};

/// Bytes of a salt (RFC 9106 section 3.1 recommends 16 for password hashing).
pub(super) const SALT_BYTES: usize = 16;
/// Bytes of a hash (RFC 9106 section 4: a 256-bit tag).
pub(super) const OUTPUT_BYTES: usize = 32;

/// Threads and waiting jobs beyond these are a slip of the pen, and would not fit a semaphore.
const MOST_THREADS: usize = 1024;
const MOST_WAITING: usize = 1 << 20;

/// What an [`Argon2idHasher`](crate::Argon2idHasher) costs. Checked once, when it is built.
///
/// What fits a machine tells `cargo run --release -p benches --bin calibrate` of this repository.
///
/// It holds `threads` x `memory_kib` (in steps of 2 MiB), from each thread's first hash on, plus what [`Argon2Ceilings`] and
/// [`ImportCeilings`] let a dearer stored hash take while that one is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Argon2idSettings {
    /// KiB of memory for one hash. Default 19,456 (OWASP Password Storage: 19 MiB with 2 passes).
    pub memory_kib: u32,
    /// Passes over that memory. Default 2.
    pub passes: u32,
    /// Lanes. Default 1. One thread fills all of them: more lanes help whoever attacks in parallel and
    /// spare us nothing, so each must meet the floor that a single one has to.
    pub lanes: u32,
    /// Threads that hash, 1 to 1,024. Default: as many as the machine has cores for us, 1 if it does
    /// not say.
    pub threads: usize,
    /// Callers that may wait besides those being served, at most 1,048,576. Default 32: with the
    /// defaults on two cores the last of them waits about a quarter of a second, half of that with AVX-512.
    pub queue: usize,
    /// Goes into every hash from now on. Default: none.
    ///
    /// A hash without one, or with one of `previous_peppers`, fits as before, and is replaced at its
    /// owner's next login. So a pepper is introduced, changed or given up without a word to anybody.
    pub pepper: Option<Pepper>,
    /// What stored hashes may still name. Default: none.
    ///
    /// Take one away only when no stored hash names it: who has such a hash is not told that the password
    /// is wrong, but gets an error ([`StoredHashError::UnknownPepper`]) until the key is back or the
    /// password is reset.
    pub previous_peppers: Vec<Pepper>,
    /// What a stored hash of Argon2 may ask for.
    pub ceilings: Argon2Ceilings,
    /// What a stored hash of another system may ask for.
    pub import_ceilings: ImportCeilings,
}

/// What a stored hash may ask for. One that names more is answered as unreadable, and nothing is
/// allocated for it: whoever can write one row must not thereby take the memory or the cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Argon2Ceilings {
    /// KiB of memory. Default 65,536, that of the second recommended option of RFC 9106 section 4.
    pub memory_kib: u32,
    /// Passes. Default 10.
    pub passes: u32,
    /// Lanes. Default 4, that of both recommended options of RFC 9106.
    pub lanes: u32,
    /// KiB of memory times passes, which is what the time goes by. Default 196,608, that of the second
    /// recommended option of RFC 9106: five times today's default.
    pub memory_kib_times_passes: u64,
}

/// What a hash that another system stored may ask for, as [`Argon2Ceilings`] for Argon2.
///
/// Each default lets through what is commonly recommended and keeps one verification at about a second
/// of one thread, on the machine that the figures at [`Argon2idHasher`](crate::Argon2idHasher) are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportCeilings {
    /// bcrypt's cost, of which the rounds are 2 to the power. Default 14; common are 10 to 12.
    pub bcrypt_cost: u32,
    /// PBKDF2's iterations, times the blocks of output. Default 2,000,000; Django 6 has 1,200,000, OWASP
    /// Password Storage up to 1,400,000.
    pub pbkdf2_iterations: u32,
    /// KiB that scrypt fills: N x r x p / 8, which bounds its time and its memory. Default 131,072, that
    /// of the first option of OWASP Password Storage (N = 2^17, r = 8, p = 1).
    pub scrypt_kib: u32,
}

/// Settings that cannot be kept.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Argon2idSettingsError {
    /// The ceilings are below the settings, which would make today's own hashes unreadable.
    #[error("memory, passes or lanes are above the ceilings on stored hashes")]
    AboveCeilings,
    /// Weaker than OWASP Password Storage (and ASVS 5.0 appendix C) allow: for each lane 47,104 KiB with
    /// 1 pass, 19,456 with 2, 12,288 with 3 or more.
    #[error("a lane needs 47104 KiB with 1 pass, 19456 with 2, 12288 with 3 or more")]
    BelowFloor,
    /// Two peppers have this id, so that a hash would not tell which of them it was made with.
    #[error("two peppers have the id {0}")]
    PepperIdTaken(PepperId),
    /// More may wait than a queue can hold.
    #[error("queue must be at most 1048576")]
    Queue,
    /// The system would not start a thread.
    #[error("a hash thread could not be started")]
    Start(#[source] io::Error),
    /// No thread, or too many.
    #[error("threads must be between 1 and 1024")]
    Threads,
}

impl Default for Argon2idSettings {
    fn default() -> Self {
        Self {
            memory_kib: 19_456,
            passes: 2,
            lanes: 1,
            threads: thread::available_parallelism().map_or(1, NonZeroUsize::get),
            queue: 32,
            pepper: None,
            previous_peppers: Vec::new(),
            ceilings: Argon2Ceilings::default(),
            import_ceilings: ImportCeilings::default(),
        }
    }
}

impl Default for Argon2Ceilings {
    fn default() -> Self {
        Self { memory_kib: 65_536, passes: 10, lanes: 4, memory_kib_times_passes: 196_608 }
    }
}

impl Default for ImportCeilings {
    fn default() -> Self {
        Self { bcrypt_cost: 14, pbkdf2_iterations: 2_000_000, scrypt_kib: 131_072 }
    }
}

impl Argon2idSettings {
    /// Whether a hasher of these settings verifies `stored`, and of what family it is: to be asked before
    /// a hash of another system is let into a store.
    ///
    /// # Errors
    /// [`StoredHashError`]: nobody could log in with it.
    pub fn stored_format(&self, stored: &PasswordHash) -> Result<StoredFormat, StoredHashError> {
        self.read(stored).map(|stored| stored.format())
    }

    /// What `stored` is, if it can be verified.
    pub(super) fn read(&self, stored: &PasswordHash) -> Result<Stored, StoredHashError> {
        let stored = Stored::read(stored.expose(), &self.ceilings, &self.import_ceilings)?;
        match &stored {
            Stored::Argon2(stored) => self.pepper_key(stored.pepper)?,
            Stored::Wrapped(stored) => self.pepper_key(stored.outer.pepper)?,
            Stored::Imported(_) => &[],
        };
        Ok(stored)
    }

    /// Argon2's secret value for a hash that names `id`; that of none is empty (RFC 9106 section 3.1).
    pub(super) fn pepper_key(&self, id: Option<PepperId>) -> Result<&[u8], StoredHashError> {
        let Some(id) = id else { return Ok(&[]) };
        let pepper = self.peppers().find(|pepper| pepper.id() == id);
        pepper.map(Pepper::key).ok_or(StoredHashError::UnknownPepper(id))
    }

    fn peppers(&self) -> impl Iterator<Item = &Pepper> {
        self.pepper.iter().chain(&self.previous_peppers)
    }

    /// What to hash with from today on.
    pub(super) fn check(&self) -> Result<Params, Argon2idSettingsError> {
        if !(1..=MOST_THREADS).contains(&self.threads) {
            return Err(Argon2idSettingsError::Threads);
        }
        if self.queue > MOST_WAITING {
            return Err(Argon2idSettingsError::Queue);
        }
        let mut ids = HashSet::new();
        if let Some(twice) = self.peppers().find(|pepper| !ids.insert(pepper.id())) {
            return Err(Argon2idSettingsError::PepperIdTaken(twice.id()));
        }
        let Self { memory_kib, passes, lanes, .. } = *self;
        let of_each_lane = memory_kib.checked_div(lanes).unwrap_or(0);
        if floor_kib(passes).is_none_or(|floor| of_each_lane < floor) {
            return Err(Argon2idSettingsError::BelowFloor);
        }
        if !self.ceilings.allow(memory_kib, passes, lanes) {
            return Err(Argon2idSettingsError::AboveCeilings);
        }
        // Argon2's own minimum, 8 KiB a lane, is below the floor.
        Params::new(memory_kib, passes, lanes, Some(OUTPUT_BYTES))
            .map_err(|_| Argon2idSettingsError::BelowFloor)
    }
}

const fn floor_kib(passes: u32) -> Option<u32> {
    match passes {
        0 => None,
        1 => Some(47_104),
        2 => Some(19_456),
        _ => Some(12_288),
    }
}

impl Argon2Ceilings {
    pub(super) const fn allow(&self, memory_kib: u32, passes: u32, lanes: u32) -> bool {
        memory_kib <= self.memory_kib
            && passes <= self.passes
            && lanes <= self.lanes
            && memory_kib as u64 * passes as u64 <= self.memory_kib_times_passes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(memory_kib: u32, passes: u32, lanes: u32) -> Result<Params, Argon2idSettingsError> {
        let settings =
            Argon2idSettings { memory_kib, passes, lanes, ..Argon2idSettings::default() };
        settings.check()
    }

    #[test]
    fn the_floor_holds_at_its_edges() {
        for (memory_kib, passes, lanes) in
            [(47_104, 1, 1), (19_456, 2, 1), (12_288, 3, 1), (12_288, 10, 1), (65_536, 3, 4)]
        {
            let params = checked(memory_kib, passes, lanes).unwrap();
            assert_eq!(
                (params.m_cost(), params.t_cost(), params.p_cost()),
                (memory_kib, passes, lanes)
            );
        }
        for (memory_kib, passes, lanes) in [
            (47_103, 1, 1),
            (19_455, 2, 1),
            (12_287, 3, 1),
            (12_287, 10, 1),
            (49_151, 3, 4),
            (65_536, 0, 1),
            (19_456, 2, 0),
            (0, 2, 1),
        ] {
            let refused = checked(memory_kib, passes, lanes);
            assert!(matches!(refused, Err(Argon2idSettingsError::BelowFloor)), "{passes} passes");
        }
    }

    #[test]
    fn settings_whose_hashes_could_not_be_read_back_are_refused() {
        for (memory_kib, passes, lanes) in [
            (65_537, 2, 1),
            (12_288, 11, 1),
            (65_536, 3, 5),
            (65_536, 4, 1),
            (u32::MAX, u32::MAX, 1),
        ] {
            let refused = checked(memory_kib, passes, lanes);
            assert!(matches!(refused, Err(Argon2idSettingsError::AboveCeilings)), "{memory_kib}");
        }
    }

    #[test]
    fn threads_and_queue_are_bounded() {
        let checked = |threads, queue| {
            Argon2idSettings { threads, queue, ..Argon2idSettings::default() }.check()
        };
        assert!(checked(1, 0).is_ok());
        assert!(checked(1024, 1 << 20).is_ok());
        assert!(matches!(checked(0, 32), Err(Argon2idSettingsError::Threads)));
        assert!(matches!(checked(1025, 32), Err(Argon2idSettingsError::Threads)));
        assert!(matches!(checked(1, usize::MAX), Err(Argon2idSettingsError::Queue)));
    }

    #[test]
    fn two_peppers_of_one_id_are_refused() {
        let pepper = |id, byte| Pepper::new(id, [byte; 32]).unwrap();
        let checked = |now, before| {
            let settings = Argon2idSettings {
                pepper: now,
                previous_peppers: before,
                ..Argon2idSettings::default()
            };
            settings.check()
        };
        assert!(checked(Some(pepper("3", 3)), vec![pepper("1", 1), pepper("2", 2)]).is_ok());
        // What two keys have in common is no matter, and a pepper may be given up.
        assert!(checked(Some(pepper("2", 1)), vec![pepper("1", 1)]).is_ok());
        assert!(checked(None, vec![pepper("1", 1)]).is_ok());
        for (now, before) in [
            (Some(pepper("1", 1)), vec![pepper("1", 2)]),
            (Some(pepper("1", 1)), vec![pepper("1", 1)]),
            (None, vec![pepper("1", 1), pepper("2", 2), pepper("1", 3)]),
        ] {
            let refused = checked(now, before).unwrap_err();
            assert_eq!(refused.to_string(), "two peppers have the id 1");
        }
    }
}
