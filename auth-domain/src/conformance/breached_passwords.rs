//! The laws of [`BreachedPasswords`]. The adapter is made to hold [`HELD`], besides whatever it holds.
//!
//! That nothing of a password leaves the process is not among them, nor is a failure: only the adapter's
//! own tests see its traffic.

use super::{done, fresh};
use crate::Password;
use crate::ports::BreachedPasswords;

/// What an adapter must hold before the laws are asked of it: passwords in their prepared form.
pub const HELD: [&str; 3] =
    ["Correct Horse 7", "Caf\u{e9} \u{d55c}\u{ae00} 2024", "pass\u{1f469}\u{200d}\u{1f52c}word"];

#[doc(hidden)]
#[macro_export]
macro_rules! __breached_passwords_laws {
    ($then:ident $context:tt) => {
        $crate::$then! {
            $context
            breached_passwords
            alone: [
                a_breached_password_is_found_each_time,
                a_password_that_nobody_had_is_not_found,
                a_breached_password_is_found_however_it_was_typed,
                the_case_of_a_breached_password_matters,
                a_password_with_more_or_less_is_another,
            ]
            racing: []
        }
    };
}

__breached_passwords_laws! { __laws_by_name { dyn BreachedPasswords } }

/// Makes each law of [`BreachedPasswords`](crate::ports::BreachedPasswords) a test of your adapter.
///
/// `adapter` is evaluated for each test, in its async function, to an `Arc` of an adapter that holds
/// [`HELD`](crate::conformance::breached_passwords::HELD). See [`conformance`](crate::conformance).
#[macro_export]
macro_rules! breached_passwords_conformance {
    (test: $test:meta, adapter: $adapter:expr $(,)?) => {
        $crate::__breached_passwords_laws! { __laws_as_tests { $test, (), $adapter } }
    };
}

/// Catches an adapter that answers no, or that forgets what it was asked once.
pub async fn a_breached_password_is_found_each_time(port: &dyn BreachedPasswords) {
    for held in HELD.iter().chain(&HELD) {
        assert!(found(port, held).await, "{held} is not found");
    }
}

/// Catches an adapter that answers yes, or remembers what it was asked.
pub async fn a_password_that_nobody_had_is_not_found(port: &dyn BreachedPasswords) {
    let fresh = format!("law {}", fresh::suffix());
    for _ in 0..2 {
        assert!(!found(port, &fresh).await, "a random password is found");
    }
}

/// Catches an adapter that looks at what was typed: another keyboard would make it another password.
pub async fn a_breached_password_is_found_however_it_was_typed(port: &dyn BreachedPasswords) {
    let decomposed = "Cafe\u{301} \u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af} 2024";
    let widely_spaced = "Correct\u{3000}Horse\u{a0}7";
    for typed in [decomposed, widely_spaced] {
        assert!(found(port, typed).await, "{typed:?} is not found");
    }
}

/// Catches an adapter that folds case: it would refuse passwords that nobody knows.
pub async fn the_case_of_a_breached_password_matters(port: &dyn BreachedPasswords) {
    for held in HELD {
        for other in [held.to_uppercase(), held.to_lowercase()] {
            assert!(held == other || !found(port, &other).await, "{other} is found");
        }
    }
}

/// Catches an adapter that trims, cuts, or looks for parts.
pub async fn a_password_with_more_or_less_is_another(port: &dyn BreachedPasswords) {
    let [held, ..] = HELD;
    for other in [
        format!("{held} "),
        format!(" {held}"),
        format!("{held}{held}"),
        held.chars().skip(1).collect(),
        held[..held.len() - 1].to_owned(),
    ] {
        assert!(!found(port, &other).await, "{other:?} is found");
    }
}

async fn found(port: &dyn BreachedPasswords, typed: &str) -> bool {
    done(port.contains(&Password::new(typed).expect("a password")).await)
}
