//! What the port of the password hasher promises, held against the Argon2id pool and the hasher for
//! tests.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use adapters_local::{
    Argon2idHasher, Argon2idSettings, Argon2idSettingsError, InsecureInstantHasher, OsEntropy,
    Pepper, StoredFormat, StoredHashError,
};
use auth_domain::ports::{Entropy, HashSlot, PasswordHasher, Reservation, Verification};
use auth_domain::{Password, PasswordHash, PortError, PortErrorKind};

const SHA256_OF_PASSWORD: &str = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8";

fn settings(change: impl FnOnce(&mut Argon2idSettings)) -> Argon2idSettings {
    let mut settings = Argon2idSettings::default();
    change(&mut settings);
    settings
}

fn hasher_with(change: impl FnOnce(&mut Argon2idSettings)) -> Argon2idHasher {
    Argon2idHasher::new(settings(change), Arc::new(OsEntropy::new())).unwrap()
}

fn hasher() -> Argon2idHasher {
    hasher_with(|_| ())
}

fn slot(hasher: &dyn PasswordHasher) -> Box<dyn HashSlot> {
    match hasher.reserve().unwrap() {
        Reservation::Slot(slot) => slot,
        Reservation::Overloaded { .. } => panic!("overloaded"),
    }
}

async fn hash(hasher: &dyn PasswordHasher, typed: &str) -> PasswordHash {
    slot(hasher).hash(Password::new(typed).unwrap()).await.unwrap()
}

async fn verify(
    hasher: &dyn PasswordHasher,
    typed: &str,
    stored: Option<&str>,
) -> Result<Verification, PortError> {
    let password = Password::new(typed).unwrap();
    slot(hasher).verify(password, stored.map(PasswordHash::from_stored)).await
}

async fn verified(hasher: &dyn PasswordHasher, typed: &str, stored: &str) -> Verification {
    verify(hasher, typed, Some(stored)).await.unwrap()
}

/// The two hashers, to which the port's promises apply alike.
fn hashers() -> [Box<dyn PasswordHasher>; 2] {
    [Box::new(hasher()), Box::new(InsecureInstantHasher::new())]
}

#[tokio::test]
async fn the_right_password_matches_and_a_wrong_one_does_not() {
    for hasher in hashers() {
        let stored = hash(&*hasher, "correct horse").await;
        let stored = stored.expose();
        assert_eq!(verified(&*hasher, "correct horse", stored).await, Verification::Match);
        for wrong in ["correct hors", "correct horse ", "Correct horse", "\0correct horse"] {
            assert_eq!(verified(&*hasher, wrong, stored).await, Verification::Mismatch, "{wrong}");
        }
    }
}

#[tokio::test]
async fn no_byte_of_a_long_password_is_cut_off() {
    let ending_in = |last: char| format!("{}{last}", "p".repeat(199));
    for hasher in hashers() {
        for (own, other) in [('q', 'r'), ('r', 'q')] {
            let stored = hash(&*hasher, &ending_in(own)).await;
            let fits = verified(&*hasher, &ending_in(own), stored.expose()).await;
            assert_eq!(fits, Verification::Match);
            let fits = verified(&*hasher, &ending_in(other), stored.expose()).await;
            assert_eq!(fits, Verification::Mismatch);
        }
    }
}

#[tokio::test]
async fn bytes_after_a_nul_count() {
    for hasher in hashers() {
        let stored = hash(&*hasher, "before\0after").await;
        let other = "before\0other";
        assert_eq!(verified(&*hasher, other, stored.expose()).await, Verification::Mismatch);
    }
}

#[tokio::test]
async fn composed_and_decomposed_are_one_password() {
    for hasher in hashers() {
        let stored = hash(&*hasher, "caf\u{e9}").await;
        let decomposed = verified(&*hasher, "cafe\u{301}", stored.expose()).await;
        assert_eq!(decomposed, Verification::Match);
    }
}

#[tokio::test]
async fn each_hash_of_one_password_is_another() {
    for hasher in hashers() {
        let first = hash(&*hasher, "same").await;
        assert_ne!(first.expose(), hash(&*hasher, "same").await.expose());
    }
}

#[tokio::test]
async fn nobody_is_never_a_match() {
    for hasher in hashers() {
        let nobody = verify(&*hasher, "anything", None).await.unwrap();
        assert_eq!(nobody, Verification::Mismatch);
    }
}

#[tokio::test]
async fn what_the_replaced_system_stored_matches_and_asks_to_be_replaced() {
    for hasher in hashers() {
        let right = verified(&*hasher, "password", SHA256_OF_PASSWORD).await;
        assert_eq!(right, Verification::MatchNeedsRehash);
        let wrong = verified(&*hasher, "passwort", SHA256_OF_PASSWORD).await;
        assert_eq!(wrong, Verification::Mismatch);
    }
}

#[tokio::test]
async fn the_replaced_system_hashed_what_was_typed() {
    // SHA-256 of "cafe" and U+0301, which is hashed as U+00E9 today.
    let stored = "81ef060bcd98adc7824eb5c1ada83c32491b16018e11e79f00ab9d09e04b015a";
    for hasher in hashers() {
        let as_typed = verified(&*hasher, "cafe\u{301}", stored).await;
        assert_eq!(as_typed, Verification::MatchNeedsRehash);
        assert_eq!(verified(&*hasher, "caf\u{e9}", stored).await, Verification::Mismatch);
    }
}

#[tokio::test]
async fn hashes_of_the_two_hashers_are_no_hashes_to_each_other() {
    let [argon2id, instant] = hashers();
    for (maker, reader) in [(&argon2id, &instant), (&instant, &argon2id)] {
        let stored = hash(&**maker, "password").await;
        let answer = verify(&**reader, "password", Some(stored.expose())).await;
        assert_eq!(answer.unwrap_err().kind(), PortErrorKind::Corrupt);
    }
}

#[tokio::test]
async fn a_hash_is_a_phc_string_of_todays_parameters() {
    for (memory_kib, passes, lanes, prefix) in [
        (19_456, 2, 1, "$argon2id$v=19$m=19456,t=2,p=1$"),
        (12_289, 3, 1, "$argon2id$v=19$m=12289,t=3,p=1$"),
        (49_152, 3, 4, "$argon2id$v=19$m=49152,t=3,p=4$"),
    ] {
        let hasher = hasher_with(|settings| {
            settings.memory_kib = memory_kib;
            settings.passes = passes;
            settings.lanes = lanes;
        });
        let stored = hash(&hasher, "password").await;
        let rest = stored.expose().strip_prefix(prefix).unwrap();
        let (salt, output) = rest.split_once('$').unwrap();
        // 16 and 32 bytes, base64 without padding.
        assert_eq!((salt.len(), output.len()), (22, 43));
        assert_eq!(verified(&hasher, "password", stored.expose()).await, Verification::Match);
    }
}

#[tokio::test]
async fn other_parameters_than_todays_match_and_ask_to_be_replaced() {
    let cheaper = hasher_with(|settings| (settings.memory_kib, settings.passes) = (12_288, 3));
    let dearer = hasher_with(|settings| (settings.memory_kib, settings.passes) = (65_536, 2));
    for (then, today) in [(&cheaper, &dearer), (&dearer, &cheaper)] {
        let stored = hash(then, "password").await;
        let right = verified(today, "password", stored.expose()).await;
        assert_eq!(right, Verification::MatchNeedsRehash);
        let wrong = verified(today, "wrong", stored.expose()).await;
        assert_eq!(wrong, Verification::Mismatch);
    }
}

/// Made by other implementations: the first by the reference implementation (its `src/test.c`, of the
/// time when strings named no version), the others from the tests of passlib 1.7.4 (BSD).
const FOREIGN: &[(&str, &str)] = &[
    ("password", "$argon2i$m=256,t=2,p=1$c29tZXNhbHQ$/U3YPXYsSb3q9XxHvc0MLxur+GP960kN9j7emXX8zwY"),
    ("password", "$argon2i$v=19$m=256,t=1,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A"),
    ("password", "$argon2i$v=19$m=380,t=2,p=2$c29tZXNhbHQ$SrssP8n7m/12VWPM8dvNrw"),
    (
        "t\u{e1}\u{411}\u{2113}\u{259}",
        "$argon2i$v=19$m=512,t=2,p=2$1sV0O4PWLtc12Ypv1f7oGw$z+yqzlKtrq3SaNfXDfIDnQ",
    ),
    ("password\0", "$argon2i$v=19$m=512,t=2,p=2$c29tZXNhbHQ$Fb5+nPuLzZvtqKRwqUEtUQ"),
];

#[tokio::test]
async fn strings_of_other_implementations_match_and_ask_to_be_replaced() {
    let hasher = hasher();
    for (typed, stored) in FOREIGN {
        let right = verified(&hasher, typed, stored).await;
        assert_eq!(right, Verification::MatchNeedsRehash, "{stored}");
        assert_eq!(verified(&hasher, "wrong", stored).await, Verification::Mismatch, "{stored}");
    }
}

#[tokio::test]
async fn a_stored_dearer_hash_is_read_up_to_the_ceilings() {
    let at = |m: u32, t: u32, p: u32| {
        format!("$argon2id$v=19$m={m},t={t},p={p}$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A")
    };
    let hasher = hasher();
    let at_the_edge = verified(&hasher, "password", &at(65_536, 3, 4)).await;
    assert_eq!(at_the_edge, Verification::Mismatch);
    for above in [at(65_537, 1, 1), at(64, 11, 1), at(64, 1, 5), at(19_661, 10, 1)] {
        let answer = verify(&hasher, "password", Some(&above)).await;
        assert_eq!(answer.unwrap_err().kind(), PortErrorKind::Corrupt, "{above}");
    }
}

/// Texts that are no hash.
const NO_HASHES: &[&str] = &[
    "",
    "$",
    "$$$$$$",
    "password",
    "!",
    "argon2i",
    "$argon2i",
    "$argon2i$",
    "$argon2i$v=19",
    "instant$",
    "instant$1",
    "instant$1$",
    "5E884898DA28047151D0E56F8DC6292773603D0D6AABBDD62A11EF721D1542D8",
    "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d",
    "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d80",
    "+e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8",
    // From here on one step away from `$argon2i$v=19$m=256,t=1,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A`.
    // Its name and version:
    "$argon2$v=19$m=256,t=1,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A",
    "$argon2x$v=19$m=256,t=1,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A",
    "$argon2idd$v=19$m=256,t=1,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A",
    "$ARGON2I$v=19$m=256,t=1,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A",
    "$scrypt$v=19$m=256,t=1,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A",
    "argon2i$v=19$m=256,t=1,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A",
    "x$argon2i$v=19$m=256,t=1,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A",
    " $argon2i$v=19$m=256,t=1,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A",
    "$argon2i$v=18$m=256,t=1,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A",
    "$argon2i$v=$m=256,t=1,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A",
    "$argon2i$v=0x13$m=256,t=1,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A",
    "$argon2i$v=4294967315$m=256,t=1,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A",
    "$argon2i$v=19$v=19$m=256,t=1,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A",
    // Its salt and output:
    "$argon2i$v=19$m=256,t=1,p=1",
    "$argon2i$v=19$m=256,t=1,p=1$",
    "$argon2i$v=19$m=256,t=1,p=1$c29tZXNhbHQ",
    "$argon2i$v=19$m=256,t=1,p=1$c29tZXNhbHQ$",
    "$argon2i$v=19$m=256,t=1,p=1$$AJFIsNZTMKTAewB4+ETN1A",
    "$argon2i$v=19$m=256,t=1,p=1$c29tZQ$AJFIsNZTMKTAewB4+ETN1A",
    "$argon2i$v=19$m=256,t=1,p=1$c29tZXNhbH$AJFIsNZTMKTAewB4+ETN1A",
    "$argon2i$v=19$m=256,t=1,p=1$c29tZXNhbHQ=$AJFIsNZTMKTAewB4+ETN1A",
    "$argon2i$v=19$m=256,t=1,p=1$c29tZXNhbH!$AJFIsNZTMKTAewB4+ETN1A",
    "$argon2i$v=19$m=256,t=1,p=1$c29tZXNhbHR$AJFIsNZTMKTAewB4+ETN1A",
    "$argon2i$v=19$m=256,t=1,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A==",
    "$argon2i$v=19$m=256,t=1,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1B",
    "$argon2i$v=19$m=256,t=1,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4-ETN1A",
    "$argon2i$v=19$m=256,t=1,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A\n",
    "$argon2i$v=19$m=256,t=1,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A$",
    "$argon2i$v=19$m=256,t=1,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A$more",
    "$argon2i$v=19$m=256,t=1,p=1$c29tZXNhbHQ$AJFIsNZT",
    "$argon2i$v=19$m=256,t=1,p=1$c29tZXNhbHQ$\u{e9}\u{e9}\u{e9}",
];

/// Costs that stand for `m=256,t=1,p=1` in the same string.
const NO_COSTS: &[&str] = &[
    "m=256,t=1",
    "m=256,p=1",
    "t=1,p=1",
    "m=256,t=1,p=1,p=1",
    "m=256,m=256,t=1,p=1",
    "t=1,m=256,p=1",
    "m=256,p=1,t=1",
    "m=256,m=1,p=1",
    "x=256,t=1,p=1",
    "M=256,t=1,p=1",
    "m=256,t=1,p=1,q=5",
    "m=256,t=1,p=1,keyid=AAAA",
    "m=256,t=1,p=1,data=AAAA",
    "m=0,t=1,p=1",
    "m=256,t=0,p=1",
    "m=256,t=1,p=0",
    "m=7,t=1,p=1",
    "m=31,t=1,p=4",
    "m=0256,t=1,p=1",
    "m=-256,t=1,p=1",
    "m= 256,t=1,p=1",
    "m=,t=1,p=1",
    "m=256,t=1,p=1,",
    "m=4294967296,t=1,p=1",
    "m=256,t=8589934592,p=1",
    "m=4294967295,t=4294967295,p=16777215",
];

fn malformed() -> Vec<String> {
    let mut texts: Vec<String> = NO_HASHES.iter().map(ToString::to_string).collect();
    let with_costs =
        |costs: &&str| format!("$argon2i$v=19${costs}$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A");
    texts.extend(NO_COSTS.iter().map(with_costs));
    texts.push(with_costs(&&*format!("m=256,t=1,p={}", "1".repeat(1000))));
    let head = "$argon2i$v=19$m=256,t=1,p=1";
    texts.push(format!("{head}${}$AJFIsNZTMKTAewB4+ETN1A", "A".repeat(66)));
    texts.push(format!("{head}$c29tZXNhbHQ${}", "A".repeat(88)));
    texts
}

#[tokio::test]
async fn a_text_that_is_no_hash_is_an_error_and_never_a_match() {
    for hasher in hashers() {
        for text in malformed() {
            let error = verify(&*hasher, "password", Some(&text)).await.unwrap_err();
            assert_eq!(error.kind(), PortErrorKind::Corrupt, "{text:?}");
            assert_eq!(error.operation(), "password_hasher.verify");
        }
    }
}

#[tokio::test]
async fn an_error_about_a_stored_text_does_not_repeat_it() {
    for hasher in hashers() {
        let stored = "$argon2i$canary$canary";
        let error = verify(&*hasher, "canary", Some(stored)).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
}

#[test]
fn beyond_threads_and_queue_the_answer_is_overloaded_at_once() {
    let hasher = hasher_with(|settings| (settings.threads, settings.queue) = (2, 3));
    let mut slots: Vec<_> = (0..5).map(|_| slot(&hasher)).collect();
    for _ in 0..3 {
        match hasher.reserve().unwrap() {
            Reservation::Overloaded { retry_after } => {
                assert_eq!(retry_after, Duration::from_secs(1));
            }
            Reservation::Slot(_) => panic!("a sixth place of five"),
        }
    }
    slots.pop();
    slots.push(slot(&hasher));
    assert!(matches!(hasher.reserve(), Ok(Reservation::Overloaded { .. })));
}

#[tokio::test]
async fn a_place_is_free_again_when_its_hash_is_there() {
    let hasher = hasher_with(|settings| (settings.threads, settings.queue) = (1, 0));
    for _ in 0..5 {
        let stored = hash(&hasher, "password").await;
        verified(&hasher, "password", stored.expose()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_callers_at_once_get_each_their_own() {
    let hasher: Arc<dyn PasswordHasher> =
        Arc::new(hasher_with(|settings| (settings.threads, settings.queue) = (4, 32)));
    let callers = (0..16).map(|number| {
        let hasher = Arc::clone(&hasher);
        tokio::spawn(async move {
            let stored = hash(&*hasher, &format!("password {number}")).await;
            let own = verified(&*hasher, &format!("password {number}"), stored.expose()).await;
            let next = format!("password {}", number + 1);
            (own, verified(&*hasher, &next, stored.expose()).await)
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        let answers = caller.await.unwrap();
        assert_eq!(answers, (Verification::Match, Verification::Mismatch));
    }
}

/// The pool needs no runtime: whoever polls, waits.
#[test]
fn a_hash_is_made_without_a_runtime() {
    let hasher = hasher();
    let mut hashing = pin!(hash(&hasher, "password"));
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match hashing.as_mut().poll(&mut context) {
            Poll::Pending => std::thread::yield_now(),
            Poll::Ready(stored) => break assert!(stored.expose().starts_with("$argon2id$")),
        }
    }
}

#[tokio::test]
async fn a_place_outlives_its_hasher_but_hashes_no_more() {
    let hasher = hasher();
    let (to_hash, to_verify) = (slot(&hasher), slot(&hasher));
    drop(hasher);
    let password = Password::new("password").unwrap();
    let hashed = to_hash.hash(password.clone()).await;
    assert_eq!(hashed.unwrap_err().kind(), PortErrorKind::Unavailable);
    let verified = to_verify.verify(password, None).await;
    assert_eq!(verified.unwrap_err().kind(), PortErrorKind::Unavailable);
}

/// Works a given number of times.
struct FailingEntropy(AtomicU8);

impl Entropy for FailingEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), PortError> {
        if self.0.fetch_sub(1, Ordering::Relaxed) == 0 {
            return Err(PortError::new(PortErrorKind::Unavailable, "entropy.fill"));
        }
        bytes.fill(7);
        Ok(())
    }
}

#[tokio::test]
async fn without_entropy_there_is_no_hash_and_the_place_is_free() {
    let settings = settings(|settings| (settings.threads, settings.queue) = (1, 0));
    let entropy = Arc::new(FailingEntropy(AtomicU8::new(1)));
    let hasher = Argon2idHasher::new(settings, entropy).unwrap();
    let stored = hash(&hasher, "password").await;
    let second = slot(&hasher).hash(Password::new("password").unwrap()).await;
    assert_eq!(second.unwrap_err().operation(), "entropy.fill");
    assert_eq!(verified(&hasher, "password", stored.expose()).await, Verification::Match);
}

#[test]
fn settings_below_the_floor_start_nothing() {
    let weak = settings(|settings| settings.passes = 1);
    let refused = Argon2idHasher::new(weak, Arc::new(OsEntropy::new()));
    assert!(matches!(refused, Err(Argon2idSettingsError::BelowFloor)));
    let idle = settings(|settings| settings.threads = 0);
    let refused = Argon2idHasher::new(idle, Arc::new(OsEntropy::new()));
    assert!(matches!(refused, Err(Argon2idSettingsError::Threads)));
}

fn pepper(id: &str) -> Pepper {
    // One key for each id.
    Pepper::new(id, id.repeat(32)).unwrap()
}

fn peppered(now: Option<&str>, before: &[&str]) -> Argon2idSettings {
    settings(|settings| {
        settings.pepper = now.map(pepper);
        settings.previous_peppers = before.iter().map(|id| pepper(id)).collect();
    })
}

fn hasher_of(settings: Argon2idSettings) -> Argon2idHasher {
    Argon2idHasher::new(settings, Arc::new(OsEntropy::new())).unwrap()
}

#[tokio::test]
async fn a_hash_names_its_pepper_and_holds_nothing_of_the_key() {
    let stored = hash(&hasher_of(peppered(Some("1"), &[])), "password").await;
    // "1" in base64.
    assert!(stored.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1,keyid=MQ$"));
    let longest = hash(&hasher_of(peppered(Some("12345678"), &[])), "password").await;
    assert!(longest.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1,keyid=MTIzNDU2Nzg$"));
    let settings = peppered(Some("1"), &["12345678"]);
    for stored in [stored, longest] {
        assert_eq!(settings.stored_format(&stored), Ok(StoredFormat::Argon2));
    }
    assert!(!format!("{settings:?}").contains("1111"));
}

/// Attack case F27: a pepper comes, is changed twice, and goes.
#[tokio::test]
async fn f27_each_change_of_the_pepper_keeps_every_hash_and_replaces_it() {
    let steps: [(Option<&str>, &[&str]); 5] = [
        (None, &[]),
        (Some("1"), &[]),
        (Some("2"), &["1"]),
        (Some("3"), &["1", "2"]),
        (None, &["1", "2", "3"]),
    ];
    let hashers = steps.map(|(now, before)| hasher_of(peppered(now, before)));
    for (then, now) in hashers.iter().zip(&hashers[1..]) {
        let stored = hash(then, "password").await;
        let stored = stored.expose();
        assert_eq!(verified(then, "password", stored).await, Verification::Match);
        let right = verified(now, "password", stored).await;
        assert_eq!(right, Verification::MatchNeedsRehash, "{stored}");
        assert_eq!(verified(now, "wrong", stored).await, Verification::Mismatch, "{stored}");
    }
}

#[tokio::test]
async fn a_hash_whose_pepper_is_lost_is_an_error_that_names_it_and_no_wrong_password() {
    let stored = hash(&hasher_of(peppered(Some("lost"), &[])), "password").await;
    for settings in [peppered(None, &[]), peppered(Some("new"), &["old"])] {
        let why = settings.stored_format(&stored).unwrap_err();
        assert!(matches!(why, StoredHashError::UnknownPepper(id) if id.to_string() == "lost"));
        let hasher = hasher_of(settings);
        for typed in ["password", "wrong"] {
            let error = verify(&hasher, typed, Some(stored.expose())).await.unwrap_err();
            assert_eq!(error.kind(), PortErrorKind::Rejected);
            assert!(error.with_causes().ends_with(
                "the stored hash needs the pepper lost, which is not among the settings"
            ));
        }
    }
}

#[tokio::test]
async fn a_hash_that_names_another_key_or_none_does_not_fit() {
    let hasher = hasher_of(peppered(Some("1"), &["2"]));
    let stored = hash(&hasher, "password").await;
    for other in
        [stored.expose().replace("keyid=MQ", "keyid=Mg"), stored.expose().replace(",keyid=MQ", "")]
    {
        assert_ne!(other, stored.expose());
        assert_eq!(verified(&hasher, "password", &other).await, Verification::Mismatch);
    }
    let of_another_key = settings(|settings| settings.pepper = Pepper::new("1", [0; 32]).ok());
    let answer = verified(&hasher_of(of_another_key), "password", stored.expose()).await;
    assert_eq!(answer, Verification::Mismatch);
}

#[tokio::test]
async fn a_hash_with_a_pepper_is_held_to_the_ceilings() {
    let settings = peppered(Some("1"), &[]);
    let stored = |costs| {
        PasswordHash::from_stored(format!(
            "$argon2id$v=19${costs}$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A"
        ))
    };
    for (costs, expected) in [
        ("m=65536,t=3,p=4,keyid=MQ", Ok(StoredFormat::Argon2)),
        ("m=65537,t=1,p=1,keyid=MQ", Err(StoredHashError::AboveCeilings)),
        ("m=4194304,t=2,p=1,keyid=MQ", Err(StoredHashError::AboveCeilings)),
        ("m=256,t=1,p=1,keyid=", Err(StoredHashError::Malformed)),
        ("m=256,t=1,p=1,keyid=M", Err(StoredHashError::Malformed)),
        ("m=256,t=1,p=1,keyid=MR", Err(StoredHashError::Malformed)),
        ("m=256,t=1,p=1,keyid=MQ==", Err(StoredHashError::Malformed)),
        ("m=256,t=1,p=1,keyid=MTIzNDU2Nzg5", Err(StoredHashError::Malformed)),
        ("m=256,t=1,p=1,keyid=MQ,keyid=MQ", Err(StoredHashError::Malformed)),
        ("m=256,t=1,p=1,keyid=MQ,data=MQ", Err(StoredHashError::Malformed)),
        ("m=256,t=1,p=1,data=MQ", Err(StoredHashError::Malformed)),
        ("m=256,t=1,keyid=MQ,p=1", Err(StoredHashError::Malformed)),
        ("keyid=MQ,m=256,t=1,p=1", Err(StoredHashError::Malformed)),
    ] {
        assert_eq!(settings.stored_format(&stored(costs)), expected, "{costs}");
    }
}

#[tokio::test]
async fn a_watch_knows_of_a_hash_before_its_caller_does_and_sees_its_wait_apart_from_its_work() {
    let (tell, told) = mpsc::channel();
    let (go_on, until) = mpsc::channel::<()>();
    let until = Mutex::new(until);
    let hasher = hasher_with(|settings| (settings.threads, settings.queue) = (1, 1))
        .watched_by(move |times| {
            tell.send(times).unwrap();
            let _over = until.lock().unwrap().recv();
        })
        .watched_by(|_| panic!("a second watch is not told"));
    let mut context = Context::from_waker(Waker::noop());
    let mut first = pin!(hash(&hasher, "password"));
    let mut second = pin!(hash(&hasher, "password"));
    let began = Instant::now();
    assert!(first.as_mut().poll(&mut context).is_pending());
    let times = told.recv().unwrap();
    assert!(times.worked > Duration::ZERO && times.waited + times.worked <= began.elapsed());
    assert!(first.as_mut().poll(&mut context).is_pending(), "its watch is not done");

    assert!(second.as_mut().poll(&mut context).is_pending());
    let queued = Instant::now();
    assert_eq!(hasher.queue_depth(), 1);
    let released = Instant::now();
    drop(go_on);
    first.await;
    second.await;
    let times = told.recv().unwrap();
    assert!(times.waited >= released - queued && times.worked > Duration::ZERO, "{times:?}");
    assert_eq!(hasher.queue_depth(), 0);
}
