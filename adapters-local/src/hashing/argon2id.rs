use std::fmt;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use argon2::{Algorithm, Argon2, Params, Version};
use async_trait::async_trait;
use auth_domain::ports::{Entropy, HashSlot, PasswordHasher, Reservation, Verification};
use auth_domain::{Password, PasswordHash, PortError, PortErrorKind};
use base64ct::{Base64Unpadded, Encoding};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::arena::Arena;
use super::pool::{ArenaPool, JobError, Place};
use super::settings::{
    Argon2Ceilings, Argon2idSettings, Argon2idSettingsError, ImportCeilings, OUTPUT_BYTES,
    SALT_BYTES,
};
use super::stored::{Imported, Stored, StoredArgon2};

const HASH: &str = "password_hasher.hash";
const VERIFY: &str = "password_hasher.verify";

/// Work that only has to cost: its result is nobody's hash.
const STAND_IN_SALT: &[u8; SALT_BYTES] = b"no account's own";

/// Hashes with Argon2id (RFC 9106, version 1.3) in a pool of threads that keep their memory.
///
/// A hash is stored as a PHC string with a salt of 16 and an output of 32 bytes. Verified are:
///
/// | stored | of the password |
/// |---|---|
/// | Argon2id, Argon2i, Argon2d as a PHC string | [prepared](auth_domain::Password::expose) |
/// | the same with Django's `argon2` before it | [as typed](auth_domain::Password::expose_as_typed), like all that follow |
/// | bcrypt: `$2a$`, `$2b$`, `$2y$`, also with Django's `bcrypt$` before it | |
/// | bcrypt of SHA-256: passlib's `$bcrypt-sha256$` (versions 1 and 2), Django's `bcrypt_sha256$` | |
/// | PBKDF2 with SHA-1, SHA-256, SHA-512: `$pbkdf2$`, `$pbkdf2-sha256$`, `$pbkdf2-sha512$` as passlib (MCF) or PHC have them | |
/// | PBKDF2: Django's `pbkdf2_sha1$`, `pbkdf2_sha256$`; Atlassian's `{PKCS5S2}`; `$p5k2$`; `grub.pbkdf2.sha512.` | |
/// | scrypt: `$scrypt$ln=..,r=..,p=..$`, Django's `scrypt$` | |
/// | Firebase's scrypt, as [`FirebaseScrypt`](crate::FirebaseScrypt) makes it or Supabase has it: `$fbscrypt$` | |
/// | 64 lower-case hex digits: unsalted SHA-256 | |
///
/// A match is [`Verification::Match`] for Argon2id as the settings have it today, and
/// [`Verification::MatchNeedsRehash`] for all else.
///
/// Anything else, and what names costs above [`Argon2Ceilings`] or [`ImportCeilings`], is
/// [`PortErrorKind::Corrupt`]; [`Argon2idSettings::stored_format`] tells before it is in a store. Not
/// verified on purpose: bcrypt's `$2$` and `$2x$`, where many passwords share a hash.
///
/// bcrypt alone looks at 72 bytes. A longer password, or one with a NUL, fits none of its hashes: with
/// another tail it would fit as well. Whoever had one is let in by a password reset.
///
/// Every verification costs at least what today's settings cost: a cheaper stored hash, one that cannot
/// be read and none at all are made up for by Argon2id work of the missing size. For other algorithms
/// that size is calibrated, at three quarters of what was measured: an account with a cheap imported
/// hash takes up to a quarter longer than one that does not exist, and on a machine like the one below
/// never less. A dearer hash costs what it names. So until its owner's next login replaces an imported hash, a patient observer of time
/// may tell such an account from none; all that he learns is that it is one that was imported.
///
/// Milliseconds of one thread of a machine with two cores, the best of 15, where today's Argon2id
/// (m = 19,456 KiB, t = 2, p = 1) takes 14:
///
/// | | ms |
/// |---|---|
/// | bcrypt of cost 8, 10, 12 | 14, 58, 218 |
/// | PBKDF2 of 100,000 iterations with SHA-1, SHA-256, SHA-512 | 11, 12, 41 |
/// | scrypt of N = 2^14, r = 8, p = 1 (Firebase's too), p = 5 (Django's) | 28, 147 |
/// | scrypt of N = 2^16, 2^17, r = 8, p = 1 | 165, 340 |
/// | a whole verification: no account; bcrypt of cost 4, 8; scrypt of N = 2^13 | 13.9; 13.9, 16.5; 17.5 |
///
/// What was hashed is wiped from a thread's memory as soon as no job waits for that thread; while jobs
/// wait, each overwrites what the one before it left.
///
/// Dropped, it stops its threads and does not wait for them; who still waits for a hash is answered
/// [`PortErrorKind::Unavailable`].
pub struct Argon2idHasher {
    pool: ArenaPool,
    entropy: Arc<dyn Entropy>,
    today: Arc<Today>,
}

impl Argon2idHasher {
    /// Starts the threads. Salts come from `entropy`.
    ///
    /// # Errors
    /// [`Argon2idSettingsError`].
    pub fn new(
        settings: Argon2idSettings,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, Argon2idSettingsError> {
        let Argon2idSettings { threads, queue, ceilings, import_ceilings, .. } = settings;
        let params = settings.check()?;
        let pool = ArenaPool::start(threads, queue, params.block_count())
            .map_err(Argon2idSettingsError::Start)?;
        let today = Arc::new(Today { params, ceilings, import_ceilings });
        Ok(Self { pool, entropy, today })
    }
}

impl fmt::Debug for Argon2idHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Argon2idHasher").field("today", &self.today).finish_non_exhaustive()
    }
}

impl PasswordHasher for Argon2idHasher {
    fn reserve(&self) -> Result<Reservation, PortError> {
        Ok(match self.pool.reserve() {
            None => Reservation::Overloaded { retry_after: Duration::from_secs(1) },
            Some(place) => Reservation::Slot(Box::new(Slot {
                place,
                entropy: Arc::clone(&self.entropy),
                today: Arc::clone(&self.today),
            })),
        })
    }
}

struct Slot {
    place: Place,
    entropy: Arc<dyn Entropy>,
    today: Arc<Today>,
}

#[async_trait]
impl HashSlot for Slot {
    async fn hash(self: Box<Self>, password: Password) -> Result<PasswordHash, PortError> {
        let Self { place, entropy, today } = *self;
        let mut salt = [0; SALT_BYTES];
        entropy.fill(&mut salt)?;
        place
            .run(move |arena| today.hash(arena, &password, &salt))
            .await
            .unwrap_or_else(|lost| Err(lost_job(HASH, lost)))
    }

    async fn verify(
        self: Box<Self>,
        password: Password,
        stored: Option<PasswordHash>,
    ) -> Result<Verification, PortError> {
        let Self { place, today, .. } = *self;
        place
            .run(move |arena| today.verify(arena, &password, stored.as_ref()))
            .await
            .unwrap_or_else(|lost| Err(lost_job(VERIFY, lost)))
    }
}

fn lost_job(operation: &'static str, lost: JobError) -> PortError {
    let kind = match lost {
        // A defect of ours: the same password would only meet it again.
        JobError::Panicked => PortErrorKind::Rejected,
        JobError::Stopped => PortErrorKind::Unavailable,
    };
    PortError::new(kind, operation).caused_by(lost)
}

/// What hashing costs today, and what it may cost at most.
#[derive(Debug)]
struct Today {
    params: Params,
    ceilings: Argon2Ceilings,
    import_ceilings: ImportCeilings,
}

impl Today {
    fn hash(
        &self,
        arena: &mut Arena,
        password: &Password,
        salt: &[u8; SALT_BYTES],
    ) -> Result<PasswordHash, PortError> {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone());
        let mut output = Zeroizing::new([0; OUTPUT_BYTES]);
        run(HASH, arena, &argon2, password.expose(), salt, &mut *output)?;
        Ok(self.phc_string(salt, &output))
    }

    fn phc_string(&self, salt: &[u8], output: &[u8; OUTPUT_BYTES]) -> PasswordHash {
        let (m, t, p) = (self.params.m_cost(), self.params.t_cost(), self.params.p_cost());
        let output = Zeroizing::new(Base64Unpadded::encode_string(output));
        // Allocated once at its greatest size, so that growing leaves no unwiped copy behind.
        let mut text = String::with_capacity(128);
        text.push_str(&format!("$argon2id$v=19$m={m},t={t},p={p}$"));
        text.push_str(&Base64Unpadded::encode_string(salt));
        text.push('$');
        text.push_str(&output);
        PasswordHash::from_stored(text)
    }

    fn verify(
        &self,
        arena: &mut Arena,
        password: &Password,
        stored: Option<&PasswordHash>,
    ) -> Result<Verification, PortError> {
        let Some(stored) = stored else {
            self.spend(arena, password, cost(&self.params))?;
            return Ok(Verification::Mismatch);
        };
        match Stored::read(stored.expose(), &self.ceilings, &self.import_ceilings) {
            Ok(Stored::Argon2(stored)) => self.verify_argon2(arena, password, &stored),
            Ok(Stored::Imported(stored)) => self.verify_imported(arena, password, &stored),
            Err(why) => {
                self.spend(arena, password, cost(&self.params))?;
                Err(PortError::new(PortErrorKind::Corrupt, VERIFY).caused_by(why))
            }
        }
    }

    fn verify_argon2(
        &self,
        arena: &mut Arena,
        password: &Password,
        stored: &StoredArgon2,
    ) -> Result<Verification, PortError> {
        let argon2 = Argon2::new(stored.algorithm, stored.version, stored.params.clone());
        let mut output = Zeroizing::new(vec![0; stored.output.len()]);
        let hashed = if stored.is_djangos { password.expose_as_typed() } else { password.expose() };
        run(VERIFY, arena, &argon2, hashed, &stored.salt, &mut output)?;
        let missing = cost(&self.params).saturating_sub(cost(&stored.params));
        self.spend(arena, password, missing)?;
        let fits = output.ct_eq(&stored.output).into();
        Ok(outcome(fits, self.verdict_on_match(stored)))
    }

    fn verify_imported(
        &self,
        arena: &mut Arena,
        password: &Password,
        stored: &Imported,
    ) -> Result<Verification, PortError> {
        #[cfg(test)]
        {
            arena.spent += stored.work();
        }
        let fits = stored
            .fits(arena, password.expose_as_typed().as_bytes())
            .map_err(|error| PortError::new(PortErrorKind::Unavailable, VERIFY).caused_by(error))?;
        let missing = cost(&self.params).saturating_sub(stored.work());
        self.spend(arena, password, missing)?;
        Ok(outcome(fits, Verification::MatchNeedsRehash))
    }

    fn verdict_on_match(&self, stored: &StoredArgon2) -> Verification {
        let todays = !stored.is_djangos
            && stored.algorithm == Algorithm::Argon2id
            && stored.version == Version::V0x13
            && stored.params == self.params
            && stored.salt.len() >= SALT_BYTES;
        if todays { Verification::Match } else { Verification::MatchNeedsRehash }
    }

    /// Argon2id work of about `cost`, for nothing but its cost.
    fn spend(&self, arena: &mut Arena, password: &Password, cost: u64) -> Result<(), PortError> {
        let Some(params) = params_that_cost(cost, self.params.m_cost()) else {
            return Ok(());
        };
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let mut output = Zeroizing::new([0; OUTPUT_BYTES]);
        run(VERIFY, arena, &argon2, password.expose(), STAND_IN_SALT, &mut *output)?;
        black_box(&output);
        Ok(())
    }
}

const fn outcome(fits: bool, on_match: Verification) -> Verification {
    if fits { on_match } else { Verification::Mismatch }
}

/// What the time of a hash goes by: KiB of memory times passes over it.
fn cost(params: &Params) -> u64 {
    u64::from(params.m_cost()) * u64::from(params.t_cost())
}

/// Parameters of one run that costs `cost` within `most_kib` of memory; none where that is less than
/// Argon2's minimum, which takes microseconds.
fn params_that_cost(cost: u64, most_kib: u32) -> Option<Params> {
    let passes = cost.div_ceil(most_kib.into());
    let memory_kib = cost.checked_div(passes)?;
    let (memory_kib, passes) = (memory_kib.try_into().ok()?, passes.try_into().ok()?);
    Params::new(memory_kib, passes, 1, Some(OUTPUT_BYTES)).ok()
}

fn run(
    operation: &'static str,
    arena: &mut Arena,
    argon2: &Argon2<'_>,
    password: &str,
    salt: &[u8],
    output: &mut [u8],
) -> Result<(), PortError> {
    #[cfg(test)]
    {
        arena.spent += cost(argon2.params());
    }
    let blocks = arena
        .blocks(argon2.params().block_count())
        .map_err(|error| PortError::new(PortErrorKind::Unavailable, operation).caused_by(error))?;
    argon2
        .hash_password_into_with_memory(password.as_bytes(), salt, output, blocks)
        .map_err(|error| PortError::new(PortErrorKind::Rejected, operation).caused_by(error))
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::sync::mpsc;
    use std::task::{Context, Waker};

    use super::*;

    const FULL: u64 = 19_456 * 2;
    const SHA256_OF_PASSWORD: &str =
        "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8";

    fn today() -> Today {
        let settings = Argon2idSettings::default();
        let Argon2idSettings { ceilings, import_ceilings, .. } = settings;
        Today { params: settings.check().unwrap(), ceilings, import_ceilings }
    }

    fn password(text: &str) -> Password {
        Password::new(text).unwrap()
    }

    /// What verifying against `stored` answers, and what it costs.
    fn verified(stored: Option<&str>, typed: &str) -> (Result<Verification, PortError>, u64) {
        let today = today();
        let mut arena = Arena::new(today.params.block_count());
        let stored = stored.map(PasswordHash::from_stored);
        let answer = today.verify(&mut arena, &password(typed), stored.as_ref());
        (answer, arena.spent)
    }

    #[test]
    fn every_outcome_costs_what_todays_hash_costs() {
        let todays = {
            let mut arena = Arena::new(today().params.block_count());
            let hash = today().hash(&mut arena, &password("password"), &[7; SALT_BYTES]).unwrap();
            assert_eq!(arena.spent, FULL);
            hash.expose().to_owned()
        };
        // m=256, t=1: a hundred and fiftieth of today's cost.
        let cheap = "$argon2i$v=19$m=256,t=1,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A";
        for stored in [
            None,
            Some(todays.as_str()),
            Some(cheap),
            Some(SHA256_OF_PASSWORD),
            Some("$2b$04$oaQbBqq8JnSM1NHRPQGXOOY4Vw3bdHKLIXTecPDRAcJ98cz1ilveO"),
            Some("$pbkdf2-sha256$1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
            Some("$pbkdf2-sha512$1212$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
            Some("$scrypt$ln=1,r=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
            Some("$scrypt$ln=10,r=8,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
            Some("argon2$argon2i$v=19$m=256,t=1,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A"),
            Some("$2b$04$no salt and no digest"),
            Some("$2b$31$oaQbBqq8JnSM1NHRPQGXOOY4Vw3bdHKLIXTecPDRAcJ98cz1ilveO"),
            Some("$pbkdf2-sha256$1000000000$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
            Some("$scrypt$ln=30,r=8,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
            Some("md5$123abcdef$c8272612932975ee80e8a35995708e80"),
            Some(""),
            Some("no hash at all"),
            Some("$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A"),
        ] {
            for typed in ["password", "wrong"] {
                let (_, spent) = verified(stored, typed);
                // Passes are whole, so a top-up may fall short by less than one KiB for each.
                assert!((FULL - 10..=FULL).contains(&spent), "{spent} for {stored:?}");
            }
        }
    }

    /// More than 72 bytes and a NUL are refused, and cost what the hash costs.
    #[test]
    fn a_password_that_bcrypt_would_cut_costs_what_another_does() {
        // Cost 10: four times what today's hash costs.
        let stored = Some("$2b$10$oaQbBqq8JnSM1NHRPQGXOOY4Vw3bdHKLIXTecPDRAcJ98cz1ilveO");
        let (_, wrong) = verified(stored, "wrong");
        assert!(wrong > FULL);
        for cut in ["p".repeat(73), "p".repeat(4000), "before\0after".to_owned()] {
            let (answer, spent) = verified(stored, &cut);
            assert_eq!((answer.unwrap(), spent), (Verification::Mismatch, wrong));
        }
    }

    #[test]
    fn d2_a_stored_hash_above_the_ceilings_allocates_nothing() {
        let key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        for stored in [
            "$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A".to_owned(),
            "$argon2id$v=19$m=65537,t=1,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A".to_owned(),
            "$argon2id$v=19$m=4294967295,t=1,p=4$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A".to_owned(),
            "argon2$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A".to_owned(),
            format!("$scrypt$ln=30,r=8,p=1$c2FsdA${key}"),
            format!("$scrypt$ln=31,r=4096,p=1$c2FsdA${key}"),
            format!("$scrypt$ln=18,r=8,p=1$c2FsdA${key}"),
            format!("scrypt$1073741824$salt$8$1${key}="),
            format!("$fbscrypt$v=1,n=30,r=8,p=1,ss=Bw==,sk={key}=$c2FsdA==${key}="),
        ] {
            let today = today();
            let mut arena = Arena::new(today.params.block_count());
            let stored = PasswordHash::from_stored(stored);
            let answer = today.verify(&mut arena, &password("password"), Some(&stored));
            assert_eq!(answer.unwrap_err().kind(), PortErrorKind::Corrupt);
            assert_eq!(arena.allocated(), today.params.block_count());
        }
    }

    #[test]
    fn a_stand_in_that_would_fit_is_no_match() {
        let today = today();
        let mut arena = Arena::new(today.params.block_count());
        let stand_in = today.hash(&mut arena, &password("guessed"), STAND_IN_SALT).unwrap();
        let (fits, _) = verified(Some(stand_in.expose()), "guessed");
        assert_eq!(fits.unwrap(), Verification::Match);
        let (nobody, _) = verified(None, "guessed");
        assert_eq!(nobody.unwrap(), Verification::Mismatch);
    }

    #[test]
    fn a_hash_that_differs_from_todays_in_one_thing_matches_and_asks_to_be_replaced() {
        use Algorithm::{Argon2d, Argon2i, Argon2id};
        use Version::{V0x10, V0x13};
        for (algorithm, version, salt_bytes, output_bytes, on_match) in [
            (Argon2id, V0x13, 16, 32, Verification::Match),
            (Argon2id, V0x13, 48, 32, Verification::Match),
            (Argon2id, V0x13, 15, 32, Verification::MatchNeedsRehash),
            (Argon2id, V0x13, 16, 31, Verification::MatchNeedsRehash),
            (Argon2id, V0x13, 16, 64, Verification::MatchNeedsRehash),
            (Argon2id, V0x10, 16, 32, Verification::MatchNeedsRehash),
            (Argon2i, V0x13, 16, 32, Verification::MatchNeedsRehash),
            (Argon2d, V0x13, 16, 32, Verification::MatchNeedsRehash),
        ] {
            let (salt, mut output) = (vec![7; salt_bytes], vec![0; output_bytes]);
            let params = Params::new(19_456, 2, 1, Some(output_bytes)).unwrap();
            Argon2::new(algorithm, version, params)
                .hash_password_into(b"password", &salt, &mut output)
                .unwrap();
            let stored = format!(
                "${algorithm}$v={}$m=19456,t=2,p=1${}${}",
                u32::from(version),
                Base64Unpadded::encode_string(&salt),
                Base64Unpadded::encode_string(&output),
            );
            let (right, _) = verified(Some(&stored), "password");
            assert_eq!(right.unwrap(), on_match, "{stored}");
            let (wrong, _) = verified(Some(&stored), "passwort");
            assert_eq!(wrong.unwrap(), Verification::Mismatch, "{stored}");
            let (in_djangos_wrapping, _) = verified(Some(&format!("argon2{stored}")), "password");
            assert_eq!(in_djangos_wrapping.unwrap(), Verification::MatchNeedsRehash, "{stored}");
        }
    }

    #[tokio::test]
    async fn callers_that_go_away_while_they_wait_cost_no_hash() {
        let mut settings = Argon2idSettings::default();
        (settings.threads, settings.queue) = (1, 3);
        let hasher = Argon2idHasher::new(settings, Arc::new(crate::OsEntropy::new())).unwrap();
        let slot = || match hasher.reserve().unwrap() {
            Reservation::Slot(slot) => slot,
            Reservation::Overloaded { .. } => panic!("no place is free"),
        };
        let mut context = Context::from_waker(Waker::noop());
        let (go_on, until) = mpsc::channel::<()>();
        let mut gate = Box::pin(hasher.pool.reserve().unwrap().run(move |_| until.recv()));
        assert!(gate.as_mut().poll(&mut context).is_pending());

        for _ in 0..10 {
            let mut hash = slot().hash(password("password"));
            let mut verify = slot().verify(password("password"), None);
            assert!(hash.as_mut().poll(&mut context).is_pending());
            assert!(verify.as_mut().poll(&mut context).is_pending());
        }
        go_on.send(()).unwrap();
        gate.await.unwrap().unwrap();
        let spent = hasher.pool.reserve().unwrap().run(|arena| arena.spent).await;
        assert_eq!(spent, Ok(0));
    }

    #[test]
    fn work_of_any_size_fits_the_memory_and_costs_what_was_asked() {
        for asked in [8, 100, 19_455, 19_456, 19_457, 38_656, 38_912, 196_608] {
            let params = params_that_cost(asked, 19_456).unwrap();
            assert!(params.m_cost() <= 19_456);
            assert!((asked - u64::from(params.t_cost())..=asked).contains(&cost(&params)));
        }
        assert!(params_that_cost(0, 19_456).is_none());
        assert!(params_that_cost(7, 19_456).is_none());
    }

    #[test]
    fn a_panic_and_a_stopped_pool_are_told_apart() {
        let panicked = lost_job(HASH, JobError::Panicked);
        assert!(!panicked.is_transient());
        assert_eq!(panicked.operation(), "password_hasher.hash");
        assert!(lost_job(VERIFY, JobError::Stopped).is_transient());
    }
}
