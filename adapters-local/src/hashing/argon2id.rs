use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use async_trait::async_trait;
use auth_domain::ports::{Entropy, HashSlot, PasswordHasher, Reservation, Verification};
use auth_domain::{Password, PasswordHash, PortError, PortErrorKind};
use base64ct::{Base64Unpadded, Encoding};
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

use super::arena::Arena;
use super::pace::{Pace, Start, ThreadClock};
use super::pepper::{Pepper, PepperId};
use super::pool::{ArenaPool, HashTimes, JobError, Place};
use super::settings::{Argon2idSettings, Argon2idSettingsError, OUTPUT_BYTES, SALT_BYTES};
use super::stored::{Imported, Stored, StoredArgon2, StoredHashError, StoredWrapped, blank};
use super::wide::{self, Input};

const HASH: &str = "password_hasher.hash";
const VERIFY: &str = "password_hasher.verify";
const WRAP: &str = "password_hasher.wrap";

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
/// | any of these but Argon2 and Atlassian's, as [`Argon2idHasher::wrap`] makes it: `wrapped$argon2id$` | |
///
/// A match is [`Verification::Match`] for Argon2id as the settings have it today, its pepper included,
/// and [`Verification::MatchNeedsRehash`] for all else.
///
/// Anything else, and what names costs above [`Argon2Ceilings`](crate::Argon2Ceilings) or
/// [`ImportCeilings`](crate::ImportCeilings), is [`PortErrorKind::Corrupt`];
/// [`Argon2idSettings::stored_format`] tells before it is in a store. Not verified on purpose: bcrypt's
/// `$2$` and `$2x$`, where many passwords share a hash.
///
/// With a [`Pepper`], a hash names it by `keyid`, after Argon2's costs. One that names a pepper that the
/// settings do not have is [`PortErrorKind::Rejected`], caused by [`StoredHashError::UnknownPepper`]: a
/// key that is lost or not yet rolled out must not pass for so many wrong passwords.
///
/// bcrypt alone looks at 72 bytes. A longer password, or one with a NUL, fits none of its hashes: with
/// another tail it would fit as well. Whoever had one is let in by a password reset.
///
/// Argon2id of one lane and 32 bytes is computed by AVX-512 where a processor has it, in about half the time, but in
/// builds with debug assertions. Profiles of development should optimise `argon2`, `blake2` and `sha2`.
///
/// Every verification costs at least what today's settings cost. No account, a text that cannot be read
/// and unsalted SHA-256 cost one hash of today's, made for nothing but its cost. Any other hash that is
/// cheaper (a weaker Argon2, bcrypt of a low cost, a few rounds of PBKDF2) goes on working until its
/// thread has worked as long as one of the last 64 whole verifications took, each of which has its turn:
/// so not only the mean is that of today's hash, but the spread. Until there was a whole one, which is
/// to say once, such a hash costs its own work and a whole hash besides.
///
/// A dearer hash costs what it names, and a wrapped one what it is wrapped around besides (SHA-256:
/// microseconds). Both show in time until their owner's next login replaces them. All that a patient
/// observer learns is that there is an account, and that it was imported.
///
/// Milliseconds of one thread of a machine with two cores, the best of 15, where today's Argon2id
/// (m = 19,456 KiB, t = 2, p = 1) takes 14 by AVX2, and 7 where a processor has AVX-512:
///
/// | | ms |
/// |---|---|
/// | bcrypt of cost 8, 10, 12 | 14, 58, 218 |
/// | PBKDF2 of 100,000 iterations with SHA-1, SHA-256, SHA-512 | 11, 12, 41 |
/// | scrypt of N = 2^14, r = 8, p = 1 (Firebase's too), p = 5 (Django's) | 28, 147 |
/// | scrypt of N = 2^16, 2^17, r = 8, p = 1 | 165, 340 |
///
/// What was hashed is wiped from a thread's memory as soon as no job waits for that thread; while jobs
/// wait, each overwrites what the one before it left. That memory is on huge pages where Linux gives them
/// (`/sys/kernel/mm/transparent_hugepage/enabled` is `madvise` or `always`), rounded up to 2 MiB a thread, and
/// left out of core dumps.
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
        let params = settings.check()?;
        let pool = ArenaPool::start(settings.threads, settings.queue, params.block_count())
            .map_err(Argon2idSettingsError::Start)?;
        let today = Arc::new(Today::new(params, settings, Pace::new(ThreadClock::new())));
        Ok(Self { pool, entropy, today })
    }

    /// Tells `watch` what each hash took, on the thread that made it and before its caller has it: keep it
    /// short. Without one nothing is timed. A second one is not told.
    #[must_use]
    pub fn watched_by(self, watch: impl Fn(HashTimes) + Send + Sync + 'static) -> Self {
        self.pool.watch(watch);
        self
    }

    /// How many hashes wait for a thread.
    pub fn queue_depth(&self) -> usize {
        self.pool.waiting()
    }

    /// Argon2id, as the settings have it today, over the digest of a hash that another system stored: to be
    /// stored in its place, so that whoever steals the store finds no hash that is faster to guess at.
    /// Verified it costs one hash of today's besides what `stored` costs, and it is replaced at its owner's
    /// next login as `stored` would be.
    ///
    /// What is Argon2 or wrapped already is given back as it is. For the program that imports: each call
    /// takes a place in the queue and costs a hash.
    ///
    /// # Errors
    /// [`WrapError`]; where it is not [`WrapError::Hash`], `stored` itself can still be verified.
    pub async fn wrap(&self, stored: PasswordHash) -> Result<PasswordHash, WrapError> {
        let imported = match self.today.settings.read(&stored)? {
            Stored::Imported(imported) => imported,
            Stored::Argon2(_) | Stored::Wrapped(_) => return Ok(stored),
        };
        let blank = blank(&imported, stored.expose()).ok_or(WrapError::Inseparable)?;
        let place =
            self.pool.reserve().ok_or_else(|| PortError::new(PortErrorKind::Throttled, WRAP))?;
        let mut salt = [0; SALT_BYTES];
        self.entropy.fill(&mut salt)?;
        let today = Arc::clone(&self.today);
        let outer = place
            .run(move |arena| today.hash(WRAP, arena, imported.digest(), &salt))
            .await
            .unwrap_or_else(|lost| Err(lost_job(WRAP, lost)))?;
        let wrapped = StoredWrapped::text(&outer, &blank);
        // Together they may be longer than what is read.
        self.today.settings.read(&wrapped)?;
        Ok(wrapped)
    }
}

/// Why a hash was not [wrapped](Argon2idHasher::wrap). Holds nothing of it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WrapError {
    /// It cannot be verified, or would be too long to be.
    #[error(transparent)]
    Hash(#[from] StoredHashError),
    /// Its text has a digit that holds some of the salt and some of the digest (Atlassian's).
    #[error("the digest of the stored hash cannot be told apart from its salt")]
    Inseparable,
    /// No hash was made.
    #[error(transparent)]
    Port(#[from] PortError),
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
            .run(move |arena| today.hash(HASH, arena, password.expose().as_bytes(), &salt))
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
struct Today {
    params: Params,
    settings: Argon2idSettings,
    /// A hash of today's parameters, verified for who has none.
    stand_in: PasswordHash,
    pace: Pace,
}

/// What a verification has cost, beside a hash of today's.
#[derive(Clone, Copy)]
enum Work {
    /// Microseconds.
    Hardly,
    /// More or less than that.
    Other,
    /// Exactly that.
    Whole,
    /// That and something besides.
    WholeAndMore,
}

impl Today {
    fn new(params: Params, settings: Argon2idSettings, pace: Pace) -> Self {
        let pepper = settings.pepper.as_ref().map(Pepper::id);
        let stand_in = phc_string(&params, pepper, b"no account's own", &[0; OUTPUT_BYTES]);
        Self { params, settings, stand_in, pace }
    }

    /// The pepper of the hashes of today.
    fn pepper(&self) -> Option<PepperId> {
        self.settings.pepper.as_ref().map(Pepper::id)
    }

    fn hash(
        &self,
        operation: &'static str,
        arena: &mut Arena,
        hashed: &[u8],
        salt: &[u8; SALT_BYTES],
    ) -> Result<PasswordHash, PortError> {
        let key = self.settings.pepper.as_ref().map_or(&[][..], Pepper::key);
        let argon2 = Variant {
            algorithm: Algorithm::Argon2id,
            version: Version::V0x13,
            params: &self.params,
        };
        let input = Input { password: hashed, salt, key };
        let mut output = Zeroizing::new([0; OUTPUT_BYTES]);
        run(operation, arena, argon2, input, &mut *output)?;
        Ok(phc_string(&self.params, self.pepper(), salt, &output))
    }

    fn verify(
        &self,
        arena: &mut Arena,
        password: &Password,
        stored: Option<&PasswordHash>,
    ) -> Result<Verification, PortError> {
        // All that today's hash takes, whatever is verified: so that none is told by the memory that has
        // to be found before it, or wiped after it.
        blocks(VERIFY, arena, &self.params)?;
        let start = self.pace.start();
        let (answer, work) = self.judge(arena, password, stored.unwrap_or(&self.stand_in));
        self.even_out(arena, password, start, work);
        // Nobody is in by fitting the stand-in.
        if stored.is_some() { answer } else { answer.map(|_| Verification::Mismatch) }
    }

    fn judge(
        &self,
        arena: &mut Arena,
        password: &Password,
        stored: &PasswordHash,
    ) -> (Result<Verification, PortError>, Work) {
        match self.settings.read(stored) {
            Ok(Stored::Argon2(stored)) => {
                let work = if self.is_of_todays_cost(&stored) { Work::Whole } else { Work::Other };
                (self.verify_argon2(arena, password, &stored), work)
            }
            Ok(Stored::Wrapped(stored)) => {
                (self.verify_wrapped(arena, password, &stored), self.work_of_wrapped(&stored))
            }
            Ok(Stored::Imported(stored)) => {
                let work = if stored.is_instant() { Work::Hardly } else { Work::Other };
                (verify_imported(arena, password, &stored), work)
            }
            Err(why) => (Err(unverifiable(why)), Work::Hardly),
        }
    }

    /// Makes up for what `work` fell short of since `start`.
    fn even_out(&self, arena: &mut Arena, password: &Password, mut start: Start, work: Work) {
        match work {
            Work::Whole => {}
            Work::Hardly => self.stand_in(arena, password),
            Work::WholeAndMore => return,
            Work::Other if self.keep_up(arena, start) => return,
            Work::Other => {
                start = self.pace.start();
                self.stand_in(arena, password);
            }
        }
        self.pace.remember(start);
    }

    fn keep_up(&self, arena: &mut Arena, start: Start) -> bool {
        let blocks = blocks(VERIFY, arena, &self.params);
        blocks.is_ok_and(|blocks| self.pace.keep_up(start, blocks))
    }

    /// Does what it takes to verify one of today's hashes.
    fn stand_in(&self, arena: &mut Arena, password: &Password) {
        let _nobodys = self.judge(arena, password, &self.stand_in);
    }

    fn verify_argon2(
        &self,
        arena: &mut Arena,
        password: &Password,
        stored: &StoredArgon2,
    ) -> Result<Verification, PortError> {
        let hashed = if stored.is_djangos { password.expose_as_typed() } else { password.expose() };
        let fits = self.fits_argon2(arena, hashed.as_bytes(), stored)?;
        Ok(outcome(fits, self.verdict_on_match(stored)))
    }

    fn verify_wrapped(
        &self,
        arena: &mut Arena,
        password: &Password,
        stored: &StoredWrapped,
    ) -> Result<Verification, PortError> {
        let typed = password.expose_as_typed().as_bytes();
        let derived = stored.inner.derived(arena, typed).map_err(no_memory(VERIFY))?;
        // What fits nothing costs as much.
        let hashed = derived.as_ref().map_or(&[][..], |derived| derived.as_slice());
        let fits = self.fits_argon2(arena, hashed, &stored.outer)? && derived.is_some();
        Ok(outcome(fits, Verification::MatchNeedsRehash))
    }

    fn work_of_wrapped(&self, stored: &StoredWrapped) -> Work {
        match (self.is_of_todays_cost(&stored.outer), stored.inner.is_instant()) {
            (false, _) => Work::Other,
            (true, false) => Work::WholeAndMore,
            (true, true) => Work::Whole,
        }
    }

    fn fits_argon2(
        &self,
        arena: &mut Arena,
        hashed: &[u8],
        stored: &StoredArgon2,
    ) -> Result<bool, PortError> {
        let key = self.settings.pepper_key(stored.pepper).map_err(unverifiable)?;
        let StoredArgon2 { algorithm, version, params, salt, .. } = stored;
        let argon2 = Variant { algorithm: *algorithm, version: *version, params };
        let input = Input { password: hashed, salt, key };
        let mut output = Zeroizing::new(vec![0; stored.output.len()]);
        run(VERIFY, arena, argon2, input, &mut output)?;
        Ok(output.ct_eq(&stored.output).into())
    }

    fn verdict_on_match(&self, stored: &StoredArgon2) -> Verification {
        let todays = !stored.is_djangos
            && self.is_of_todays_cost(stored)
            && stored.params == self.params
            && stored.pepper == self.pepper()
            && stored.salt.len() >= SALT_BYTES;
        if todays { Verification::Match } else { Verification::MatchNeedsRehash }
    }

    fn is_of_todays_cost(&self, stored: &StoredArgon2) -> bool {
        // Another length may take another way (`wide::applies`).
        let costs = |params: &Params| {
            (params.m_cost(), params.t_cost(), params.p_cost(), params.output_len())
        };
        stored.algorithm == Algorithm::Argon2id
            && stored.version == Version::V0x13
            && costs(&stored.params) == costs(&self.params)
    }
}

impl fmt::Debug for Today {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Today")
            .field("params", &self.params)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

fn verify_imported(
    arena: &mut Arena,
    password: &Password,
    stored: &Imported,
) -> Result<Verification, PortError> {
    let fits =
        stored.fits(arena, password.expose_as_typed().as_bytes()).map_err(no_memory(VERIFY))?;
    Ok(outcome(fits, Verification::MatchNeedsRehash))
}

/// A pepper that is missing is our own fault, and no reason to call a password wrong.
fn unverifiable(why: StoredHashError) -> PortError {
    let kind = match why {
        StoredHashError::UnknownPepper(_) => PortErrorKind::Rejected,
        _ => PortErrorKind::Corrupt,
    };
    PortError::new(kind, VERIFY).caused_by(why)
}

const fn outcome(fits: bool, on_match: Verification) -> Verification {
    if fits { on_match } else { Verification::Mismatch }
}

/// A hash made with [`Algorithm::Argon2id`] and [`Version::V0x13`].
fn phc_string(
    params: &Params,
    pepper: Option<PepperId>,
    salt: &[u8],
    output: &[u8; OUTPUT_BYTES],
) -> PasswordHash {
    let (m, t, p) = (params.m_cost(), params.t_cost(), params.p_cost());
    let output = Zeroizing::new(Base64Unpadded::encode_string(output));
    // Allocated once at its greatest size, so that growing leaves no unwiped copy behind.
    let mut text = String::with_capacity(160);
    text.push_str(&format!("$argon2id$v=19$m={m},t={t},p={p}"));
    if let Some(id) = pepper {
        text.push_str(",keyid=");
        text.push_str(&Base64Unpadded::encode_string(id.as_bytes()));
    }
    text.push('$');
    text.push_str(&Base64Unpadded::encode_string(salt));
    text.push('$');
    text.push_str(&output);
    PasswordHash::from_stored(text)
}

/// One of the functions that are called Argon2.
#[derive(Clone, Copy)]
struct Variant<'a> {
    algorithm: Algorithm,
    version: Version,
    params: &'a Params,
}

fn run(
    operation: &'static str,
    arena: &mut Arena,
    Variant { algorithm, version, params }: Variant<'_>,
    input: Input<'_>,
    output: &mut [u8],
) -> Result<(), PortError> {
    #[cfg(test)]
    super::pace::counted::spend(tests::cost(params));
    let blocks = blocks(operation, arena, params)?;
    if let Some(vectors) = wide::applies(algorithm, version, params, output) {
        wide::hash_into(vectors, params, input, blocks, output);
        return Ok(());
    }
    let Input { password, salt, key } = input;
    Argon2::new_with_secret(key, algorithm, version, params.clone())
        .and_then(|argon2| argon2.hash_password_into_with_memory(password, salt, output, blocks))
        .map_err(|error| PortError::new(PortErrorKind::Rejected, operation).caused_by(error))
}

fn blocks<'arena>(
    operation: &'static str,
    arena: &'arena mut Arena,
    params: &Params,
) -> Result<&'arena mut [Block], PortError> {
    arena.blocks(params.block_count()).map_err(no_memory(operation))
}

fn no_memory(operation: &'static str) -> impl FnOnce(io::Error) -> PortError {
    move |error| PortError::new(PortErrorKind::Unavailable, operation).caused_by(error)
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::sync::mpsc;
    use std::task::{Context, Waker};

    use super::*;
    use crate::hashing::pace::counted::{CountedClock, spent};

    /// What a hash of today's counts, with the two looks at the clock around it.
    const WHOLE: u64 = 19_456 * 2 + 2;
    const SHA256_OF_PASSWORD: &str =
        "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8";

    /// KiB of memory times passes over it: what the time of Argon2 goes by.
    pub(super) fn cost(params: &Params) -> u64 {
        u64::from(params.m_cost()) * u64::from(params.t_cost())
    }

    fn today() -> Today {
        today_with(Argon2idSettings::default())
    }

    fn today_with(settings: Argon2idSettings) -> Today {
        Today::new(settings.check().unwrap(), settings, Pace::new(CountedClock))
    }

    fn arena() -> Arena {
        Arena::new(today().params.block_count())
    }

    fn password(text: &str) -> Password {
        Password::new(text).unwrap()
    }

    /// What verifying against `stored` answers, and what it costs.
    fn verified_by(
        today: &Today,
        stored: Option<&str>,
        typed: &str,
    ) -> (Result<Verification, PortError>, u64) {
        let stored = stored.map(PasswordHash::from_stored);
        let before = spent();
        let answer = today.verify(&mut arena(), &password(typed), stored.as_ref());
        (answer, spent() - before)
    }

    fn verified(stored: Option<&str>, typed: &str) -> (Result<Verification, PortError>, u64) {
        verified_by(&today(), stored, typed)
    }

    fn todays_hash() -> String {
        let hash = today().hash(HASH, &mut arena(), b"password", &[7; SALT_BYTES]).unwrap();
        hash.expose().to_owned()
    }

    /// What is made up for by one hash of today's.
    const HARDLY_WORK: [&str; 10] = [
        SHA256_OF_PASSWORD,
        "$2b$04$no salt and no digest",
        "$2b$31$oaQbBqq8JnSM1NHRPQGXOOY4Vw3bdHKLIXTecPDRAcJ98cz1ilveO",
        "$pbkdf2-sha256$1000000000$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=30,r=8,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "md5$123abcdef$c8272612932975ee80e8a35995708e80",
        "",
        "no hash at all",
        "$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A",
        "$argon2x$v=19$m=256,t=1,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A",
    ];

    /// What goes on working for as long as a hash of today's takes.
    const CHEAPER: [&str; 10] = [
        // m=256, t=1: a hundred and fiftieth of today's cost.
        "$argon2i$v=19$m=256,t=1,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A",
        "argon2$argon2i$v=19$m=256,t=1,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A",
        "$argon2id$v=19$m=4096,t=3,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A",
        "$argon2id$v=19$m=12288,t=3,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A",
        "$argon2id$v=19$m=19455,t=2,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A",
        "$2b$04$oaQbBqq8JnSM1NHRPQGXOOY4Vw3bdHKLIXTecPDRAcJ98cz1ilveO",
        "$pbkdf2-sha256$1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$pbkdf2-sha512$1212$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=1,r=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=10,r=8,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    ];

    #[test]
    fn every_outcome_costs_what_todays_hash_costs() {
        let (today, todays_hash) = (today(), todays_hash());
        for typed in ["password", "wrong"] {
            for whole in [None, Some(todays_hash.as_str())] {
                assert_eq!(verified_by(&today, whole, typed).1, WHOLE, "{whole:?}");
            }
            for stored in HARDLY_WORK {
                assert_eq!(verified_by(&today, Some(stored), typed).1, WHOLE, "{stored}");
            }
            for stored in CHEAPER {
                assert_eq!(verified_by(&today, Some(stored), typed).1, WHOLE, "{stored}");
            }
        }
    }

    #[test]
    fn a_pepper_costs_nothing_nor_does_one_that_is_missing() {
        let pepper = |id: &str| Pepper::new(id, [7; 32]).unwrap();
        let with = |now: &str, before| Argon2idSettings {
            pepper: Some(pepper(now)),
            previous_peppers: before,
            ..Argon2idSettings::default()
        };
        let hash = |by: &str| {
            let today = today_with(with(by, vec![]));
            today.hash(HASH, &mut arena(), b"password", &[7; SALT_BYTES]).unwrap()
        };
        let today = today_with(with("new", vec![pepper("old")]));
        let (old, lost, bare) = (hash("old"), hash("lost"), todays_hash());
        for stored in [None, Some(old.expose()), Some(lost.expose()), Some(&*bare)] {
            for typed in ["password", "wrong"] {
                assert_eq!(verified_by(&today, stored, typed).1, WHOLE, "{stored:?}");
            }
        }
    }

    /// `stored` in a hash of these costs.
    fn wrapped(stored: &str, costs: &str) -> String {
        let wrapped = todays_hash().replace("m=19456,t=2", costs);
        let stored = PasswordHash::from_stored(stored);
        let Ok(Stored::Imported(imported)) = Argon2idSettings::default().read(&stored) else {
            panic!("not imported")
        };
        let blank = blank(&imported, stored.expose()).unwrap();
        let text = StoredWrapped::text(&PasswordHash::from_stored(wrapped), &blank);
        text.expose().to_owned()
    }

    #[test]
    fn a_wrapped_hash_costs_todays_and_what_is_in_it() {
        let (today, bcrypt) = (today(), CHEAPER[5]);
        // Remembered is what costs one hash of today's alone.
        for (stored, cost) in [
            (wrapped(SHA256_OF_PASSWORD, "m=19456,t=2"), WHOLE),
            // One look at the clock, not two, and bcrypt's sixteen rounds.
            (wrapped(bcrypt, "m=19456,t=2"), WHOLE - 1 + 16),
            (wrapped(bcrypt, "m=256,t=1"), WHOLE),
            (wrapped(SHA256_OF_PASSWORD, "m=256,t=1"), WHOLE),
        ] {
            for typed in ["password", "wrong"] {
                assert_eq!(verified_by(&today, Some(&stored), typed).1, cost, "{stored}");
            }
        }
        let cut = verified_by(&today, Some(&wrapped(bcrypt, "m=19456,t=2")), &"p".repeat(73));
        assert_eq!((cut.0.unwrap(), cut.1), (Verification::Mismatch, WHOLE - 1 + 16));
    }

    #[test]
    fn before_there_was_a_whole_hash_a_cheaper_one_costs_itself_and_a_whole_one_once() {
        for stored in CHEAPER {
            let today = today();
            let (_, first) = verified_by(&today, Some(stored), "wrong");
            assert!(first > WHOLE, "{first} for {stored}");
            for _ in 0..3 {
                assert_eq!(verified_by(&today, Some(stored), "wrong").1, WHOLE, "{stored}");
            }
        }
    }

    /// However cheap it is: what is cleared behind a verification takes time as well.
    #[test]
    fn every_outcome_leaves_as_much_memory_to_be_wiped() {
        let (today, todays_hash) = (today(), todays_hash());
        let stored = [None, Some(todays_hash.as_str())];
        let others = HARDLY_WORK.iter().chain(&CHEAPER).map(|stored| Some(*stored));
        for stored in stored.into_iter().chain(others) {
            let mut arena = arena();
            let stored = stored.map(PasswordHash::from_stored);
            let _answer = today.verify(&mut arena, &password("wrong"), stored.as_ref());
            arena.end_job();
            assert_eq!(arena.blocks_to_wipe(), today.params.block_count());
        }
    }

    /// More than 72 bytes and a NUL are refused, and cost what the hash costs.
    #[test]
    fn a_password_that_bcrypt_would_cut_costs_what_another_does() {
        let stored = Some("$2b$10$oaQbBqq8JnSM1NHRPQGXOOY4Vw3bdHKLIXTecPDRAcJ98cz1ilveO");
        let (_, wrong) = verified(stored, "wrong");
        assert!(wrong > 1 << 10);
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
        let mut today = today();
        let fitting = todays_hash();
        let (fits, _) = verified_by(&today, Some(&fitting), "password");
        assert_eq!(fits.unwrap(), Verification::Match);
        today.stand_in = PasswordHash::from_stored(fitting);
        let (nobody, _) = verified_by(&today, None, "password");
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
        let spent = hasher.pool.reserve().unwrap().run(|_| spent()).await;
        assert_eq!(spent, Ok(0));
    }

    #[test]
    fn a_panic_and_a_stopped_pool_are_told_apart() {
        let panicked = lost_job(HASH, JobError::Panicked);
        assert!(!panicked.is_transient());
        assert_eq!(panicked.operation(), "password_hasher.hash");
        assert!(lost_job(VERIFY, JobError::Stopped).is_transient());
    }
}
