//! The laws of [`PasswordHasher`]. They hash some seventy times: about a second with the parameters of
//! production.
//!
//! That every verification costs the same is not among them: it can only be measured.

use super::done;
use crate::ports::{HashSlot, PasswordHasher, Reservation, Verification};
use crate::{Password, PasswordHash, PortError, PortErrorKind};

#[doc(hidden)]
#[macro_export]
macro_rules! __password_hasher_laws {
    ($then:ident $context:tt) => {
        $crate::$then! {
            $context
            password_hasher
            alone: [
                a_password_fits_its_own_hash,
                another_password_does_not_fit,
                no_byte_of_a_long_password_is_ignored,
                two_hashes_of_one_password_differ,
                one_password_on_two_keyboards_is_one,
                no_account_is_a_mismatch,
                an_unreadable_hash_is_corrupt,
                a_damaged_hash_fits_nothing,
                a_dropped_reservation_leaves_its_place,
                dropped_work_leaves_its_place,
            ]
            racing: []
        }
    };
}

__password_hasher_laws! { __laws_by_name { dyn PasswordHasher } }

/// Makes each law of [`PasswordHasher`](crate::ports::PasswordHasher) a test of your adapter.
///
/// `adapter` is evaluated for each test, in its async function, to an `Arc` of the hasher. See
/// [`conformance`](crate::conformance).
#[macro_export]
macro_rules! password_hasher_conformance {
    (test: $test:meta, adapter: $adapter:expr $(,)?) => {
        $crate::__password_hasher_laws! { __laws_as_tests { $test, (), $adapter } }
    };
}

/// Catches a hasher that does not read what it writes, or asks for a new hash at every login.
pub async fn a_password_fits_its_own_hash(hasher: &dyn PasswordHasher) {
    let long = "\u{1f469}\u{200d}\u{1f52c}".repeat(372);
    for typed in ["correct horse battery staple", " ", "tab\tand\u{0}nul", &long] {
        let stored = hash(hasher, typed).await;
        let answer = done(verify(hasher, typed, Some(stored)).await);
        assert_eq!(answer, Verification::Match, "its own fresh hash");
    }
}

/// Catches a hasher that trims, folds case, stops at NUL, or answers yes.
pub async fn another_password_does_not_fit(hasher: &dyn PasswordHasher) {
    let stored = hash(hasher, "Correct horse").await;
    let others = [
        "correct horse",
        "Correct horse ",
        " Correct horse",
        "Correct hors",
        "Correct horse\u{0}",
        "Correct horsf",
        "\u{0}",
    ];
    for other in others {
        let answer = done(verify(hasher, other, Some(stored.clone())).await);
        assert_eq!(answer, Verification::Mismatch, "of {other:?}");
    }
}

/// Catches a hasher that cuts its input, as bcrypt does after 72 bytes.
pub async fn no_byte_of_a_long_password_is_ignored(hasher: &dyn PasswordHasher) {
    let with_last = |last: &str| format!("{}{last}", "p".repeat(199));
    let stored = hash(hasher, &with_last("p")).await;
    for other in [with_last("q"), with_last(""), with_last("pp")] {
        let answer = done(verify(hasher, &other, Some(stored.clone())).await);
        let bytes = other.len();
        assert_eq!(answer, Verification::Mismatch, "of one of {bytes} bytes");
    }
}

/// Catches a hasher without a salt, or with one salt for all: equal passwords would show.
pub async fn two_hashes_of_one_password_differ(hasher: &dyn PasswordHasher) {
    let typed = "correct horse battery staple";
    let first = hash(hasher, typed).await;
    let second = hash(hasher, typed).await;
    assert!(first.expose() != second.expose(), "two hashes are equal");
    for stored in [first, second] {
        let answer = done(verify(hasher, typed, Some(stored)).await);
        assert_eq!(answer, Verification::Match, "of its own hash");
    }
}

/// Catches hashing the bytes as typed: the same password from another keyboard would not fit
/// (RFC 8265 section 4.2).
pub async fn one_password_on_two_keyboards_is_one(hasher: &dyn PasswordHasher) {
    let composed = "caf\u{e9} \u{d55c}\u{ae00}";
    let decomposed = "cafe\u{301}\u{a0}\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}";
    for (set, typed) in [(composed, decomposed), (decomposed, composed)] {
        let stored = hash(hasher, set).await;
        let answer = done(verify(hasher, typed, Some(stored)).await);
        assert_eq!(answer, Verification::Match, "of another spelling");
    }
}

/// Catches a stand-in hash whose password can be found out, and an absent hash that is an error: either
/// way an address without an account would show.
pub async fn no_account_is_a_mismatch(hasher: &dyn PasswordHasher) {
    for typed in ["password", "dummy", "\u{0}", "correct horse battery staple"] {
        let answer = done(verify(hasher, typed, None).await);
        assert_eq!(answer, Verification::Mismatch, "of {typed:?} and no hash");
    }
}

/// Catches a broken row that looks like a wrong password, so that nobody ever hears of it; or worse,
/// one that every password fits.
pub async fn an_unreadable_hash_is_corrupt(hasher: &dyn PasswordHasher) {
    let own = hash(hasher, "correct horse").await;
    let (first_half, _) = own.expose().split_at(own.expose().len() / 2);
    let long = "$".repeat(100_000);
    let texts = [
        "",
        " ",
        "\u{0}",
        "$",
        "$$$$$",
        "correct horse",
        "null",
        "$no-such-hash$v=1$m=1,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g",
        "$argon2id$",
        "$argon2id$v=19$m=19456,t=2,p=1$",
        "\u{1f512}$\u{1f511}",
        first_half,
        &long,
    ];
    for text in texts {
        let stored = PasswordHash::from_stored(text);
        let kind =
            verify(hasher, "correct horse", Some(stored)).await.map_err(|error| error.kind());
        let start: String = text.chars().take(20).collect();
        assert_eq!(kind, Err(PortErrorKind::Corrupt), "of stored {start:?}..");
    }
}

/// Catches comparing a part only: a hash that lost its end would fit other passwords, or all.
pub async fn a_damaged_hash_fits_nothing(hasher: &dyn PasswordHasher) {
    let own = hash(hasher, "correct horse").await;
    let whole = own.expose();
    let mut damaged: Vec<String> = [1, 2, 10, 20]
        .iter()
        .map(|missing| whole[..whole.len().saturating_sub(*missing)].to_owned())
        .collect();
    // Not the last character: in base64 it may carry bits that nothing reads.
    for from_end in [2, 5, 20] {
        let mut bytes = whole.as_bytes().to_vec();
        if let Some(byte) = bytes.iter_mut().rev().nth(from_end - 1) {
            *byte = if *byte == b'0' { b'1' } else { b'0' };
        }
        damaged.extend(String::from_utf8(bytes));
    }
    for text in damaged {
        let stored = PasswordHash::from_stored(text);
        let answer = verify(hasher, "correct horse", Some(stored)).await;
        assert!(matches!(answer, Ok(Verification::Mismatch) | Err(_)), "a damaged hash fits");
    }
}

/// Catches a place that is not given back: a thousand requests that were refused for another reason
/// would stop every login.
pub async fn a_dropped_reservation_leaves_its_place(hasher: &dyn PasswordHasher) {
    for _ in 0..1_000 {
        drop(slot(hasher));
    }
    expect_work(hasher).await;
}

/// Catches a place that only finished work gives back: a thousand clients that hung up would stop every
/// login.
pub async fn dropped_work_leaves_its_place(hasher: &dyn PasswordHasher) {
    for _ in 0..500 {
        drop(slot(hasher).hash(password("correct horse")));
        drop(slot(hasher).verify(password("correct horse"), None));
    }
    expect_work(hasher).await;
}

async fn expect_work(hasher: &dyn PasswordHasher) {
    let stored = hash(hasher, "correct horse").await;
    let answer = done(verify(hasher, "correct horse", Some(stored)).await);
    assert_eq!(answer, Verification::Match, "of its own hash");
}

#[track_caller]
fn slot(hasher: &dyn PasswordHasher) -> Box<dyn HashSlot> {
    match done(hasher.reserve()) {
        Reservation::Slot(slot) => slot,
        Reservation::Overloaded { .. } => panic!("an idle hasher has no place"),
    }
}

fn password(typed: &str) -> Password {
    Password::new(typed).expect("a password")
}

async fn hash(hasher: &dyn PasswordHasher, typed: &str) -> PasswordHash {
    done(slot(hasher).hash(password(typed)).await)
}

async fn verify(
    hasher: &dyn PasswordHasher,
    typed: &str,
    stored: Option<PasswordHash>,
) -> Result<Verification, PortError> {
    slot(hasher).verify(password(typed), stored).await
}
