//! The contract suite bites: for each law there is an adapter that breaks it, and is caught.
//!
//! `broken` has a small honest adapter for each port and the faults that can be put into it. An honest
//! one keeps every law, each fault breaks the law beside it, and a law without a fault fails the test.
#![expect(
    clippy::disallowed_macros,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test reports what it ran and panics when it fails"
)]

mod broken;

use std::any::Any;
use std::cell::Cell;
use std::fmt::Debug;
use std::future::Future;
use std::panic;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once};

use auth_domain::conformance::{
    Racers, Spawner, Task, attempt_store, breached_passwords, entropy, password_hasher,
    rate_limiter, reset_token_store, session_store, token, user_store,
};
use broken::attempts::{self, AttemptFault, Attempts};
use broken::breached::{self, Breached};
use broken::generator::{self, EntropyFault, Generator};
use broken::hasher::{self, Hasher};
use broken::limiter::{self, Limiter};
use broken::reset_tokens::{self, Rows};
use broken::sessions::{self, Sessions};
use broken::tokens::{self, Signer};
use broken::users::{self, Users};

/// The honest adapters keep every law, each a test of its own.
mod honest {
    mod users {
        use crate::broken::users::Users;
        auth_domain::user_store_conformance! {
            test: tokio::test(flavor = "multi_thread", worker_threads = 4),
            spawn: tokio::spawn,
            adapter: std::sync::Arc::new(Users::new(None)),
        }
    }

    mod reset_tokens {
        use crate::broken::reset_tokens::Rows;
        auth_domain::reset_token_store_conformance! {
            test: tokio::test(flavor = "multi_thread", worker_threads = 4),
            spawn: tokio::spawn,
            adapter: std::sync::Arc::new(Rows::new(None)),
        }
    }

    mod sessions {
        use crate::broken::sessions::Sessions;
        auth_domain::session_store_conformance! {
            test: tokio::test(flavor = "multi_thread", worker_threads = 4),
            spawn: tokio::spawn,
            adapter: std::sync::Arc::new(Sessions::new(None)),
        }
    }

    /// With twice the usual racers.
    mod attempts {
        use crate::broken::attempts::Attempts;
        auth_domain::attempt_store_conformance! {
            test: tokio::test(flavor = "multi_thread", worker_threads = 4),
            spawn: auth_domain::conformance::Racers::new(32, tokio::spawn),
            adapter: std::sync::Arc::new(Attempts::new(None)),
        }
    }

    /// With a spawner that starts nothing before it is awaited.
    mod limiter {
        use crate::broken::limiter::Limiter;
        auth_domain::rate_limiter_conformance! {
            test: tokio::test,
            spawn: |task: auth_domain::conformance::Task| task,
            adapter: std::sync::Arc::new(Limiter::new(None)),
        }
    }

    mod hasher {
        use crate::broken::hasher::Hasher;
        auth_domain::password_hasher_conformance! {
            test: tokio::test,
            adapter: std::sync::Arc::new(Hasher::new(None)),
        }
    }

    mod breached {
        use crate::broken::breached::Breached;
        auth_domain::breached_passwords_conformance! {
            test: tokio::test,
            adapter: std::sync::Arc::new(Breached::new(None)),
        }
    }

    mod tokens {
        use crate::broken::tokens::Signer;
        use std::sync::Arc;
        auth_domain::token_conformance! {
            test: tokio::test,
            adapter: (Arc::new(Signer::new(None)), Arc::new(Signer::new(None))),
        }
    }

    mod entropy {
        use crate::broken::generator::Generator;
        auth_domain::entropy_conformance! {
            test: tokio::test,
            adapter: std::sync::Arc::new(Generator::new(None)),
        }
    }
}

#[test]
fn the_laws_of_user_stores_bite() {
    each_law_bites(user_store::LAWS, users::CAUGHT, |law, fault| {
        user_store::hold(law, Arc::new(Users::new(fault)), &tokio::spawn)
    });
}

#[test]
fn the_laws_of_reset_token_stores_bite() {
    each_law_bites(reset_token_store::LAWS, reset_tokens::CAUGHT, |law, fault| {
        reset_token_store::hold(law, Arc::new(Rows::new(fault)), &tokio::spawn)
    });
}

#[test]
fn the_laws_of_session_stores_bite() {
    each_law_bites(session_store::LAWS, sessions::CAUGHT, |law, fault| {
        session_store::hold(law, Arc::new(Sessions::new(fault)), &tokio::spawn)
    });
}

#[test]
fn the_laws_of_attempt_stores_bite() {
    each_law_bites(attempt_store::LAWS, attempts::CAUGHT, |law, fault| {
        attempt_store::hold(law, Arc::new(Attempts::new(fault)), &tokio::spawn)
    });
}

/// What the usual racers do not show: each other law of attempts is kept by one that opens in a crowd.
#[test]
fn only_a_thousand_at_once_show_that_a_store_opens_in_a_crowd() {
    for law in attempt_store::LAWS {
        let store = Arc::new(Attempts::new(Some(AttemptFault::OpensInACrowd)));
        let wrong = what_is_wrong(attempt_store::hold(law, store, &tokio::spawn));
        assert_eq!(wrong.is_some(), law.contains("thousand"), "{law}: {wrong:?}");
    }
}

#[test]
fn the_laws_of_rate_limiters_bite() {
    each_law_bites(rate_limiter::LAWS, limiter::CAUGHT, |law, fault| {
        rate_limiter::hold(law, Arc::new(Limiter::new(fault)), &tokio::spawn)
    });
}

#[test]
fn the_laws_of_password_hashers_bite() {
    each_law_bites(password_hasher::LAWS, hasher::CAUGHT, |law, fault| async move {
        password_hasher::hold(law, &Hasher::new(fault)).await;
    });
}

#[test]
fn the_laws_of_breached_passwords_bite() {
    each_law_bites(breached_passwords::LAWS, breached::CAUGHT, |law, fault| async move {
        breached_passwords::hold(law, &Breached::new(fault)).await;
    });
}

#[test]
fn the_laws_of_tokens_bite() {
    each_law_bites(token::LAWS, tokens::CAUGHT, |law, fault| async move {
        token::hold(law, &Signer::new(fault), &Signer::new(fault)).await;
    });
}

#[test]
fn the_laws_of_entropy_bite() {
    each_law_bites(entropy::LAWS, generator::CAUGHT, |law, fault| async move {
        entropy::hold(law, &Generator::new(fault)).await;
    });
}

#[test]
#[should_panic(expected = "no broken adapter shows that two_fills_differ bites")]
fn a_law_without_a_broken_adapter_is_found() {
    let none: &[(_, &[EntropyFault])] = &[];
    each_law_bites(entropy::LAWS, none, |law, fault| async move {
        entropy::hold(law, &Generator::new(fault)).await;
    });
}

#[test]
#[should_panic(expected = "two_fills_differ does not catch StandsStill")]
fn a_fault_that_is_not_caught_is_found() {
    each_law_bites(entropy::LAWS, generator::CAUGHT, |law, _| async move {
        entropy::hold(law, &Generator::new(None)).await;
    });
}

/// Laws that know themselves how many race: one call beside one other, or a thousand.
const OF_A_NUMBER: [&str; 3] = [
    "what_is_written_beside_a_move_is_kept",
    "a_restamp_among_rotations_is_kept",
    "of_a_thousand_attempts_at_once_only_the_free_ones_are_let_in",
];

#[test]
fn each_race_has_as_many_racers_as_its_spawner_says() {
    for law in user_store::LAWS {
        racers_are_the_spawners(law, async |spawner| {
            user_store::hold(law, Arc::new(Users::new(None)), spawner).await;
        });
    }
    for law in reset_token_store::LAWS {
        racers_are_the_spawners(law, async |spawner| {
            reset_token_store::hold(law, Arc::new(Rows::new(None)), spawner).await;
        });
    }
    for law in session_store::LAWS {
        racers_are_the_spawners(law, async |spawner| {
            session_store::hold(law, Arc::new(Sessions::new(None)), spawner).await;
        });
    }
    for law in attempt_store::LAWS {
        racers_are_the_spawners(law, async |spawner| {
            attempt_store::hold(law, Arc::new(Attempts::new(None)), spawner).await;
        });
    }
    for law in rate_limiter::LAWS {
        racers_are_the_spawners(law, async |spawner| {
            rate_limiter::hold(law, Arc::new(Limiter::new(None)), spawner).await;
        });
    }
}

fn racers_are_the_spawners(law: &str, hold: impl AsyncFn(&dyn Spawner)) {
    let [eight, thirty_two] = [8, 32].map(|racers| started(racers, &hold));
    let times = if OF_A_NUMBER.contains(&law) { 1 } else { 4 };
    assert_eq!(thirty_two, times * eight, "tasks of {law}, with four times as many racers");
}

/// How many tasks a law starts.
fn started(racers: usize, hold: impl AsyncFn(&dyn Spawner)) -> usize {
    let started = AtomicUsize::new(0);
    let spawner = Racers::new(racers, |task: Task| {
        started.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(task)
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(hold(&spawner));
    started.into_inner()
}

#[test]
fn the_number_of_laws_is_told() {
    let ports = [
        ("UserStore", user_store::LAWS),
        ("ResetTokenStore", reset_token_store::LAWS),
        ("SessionStore", session_store::LAWS),
        ("AttemptStore", attempt_store::LAWS),
        ("RateLimiter", rate_limiter::LAWS),
        ("PasswordHasher", password_hasher::LAWS),
        ("BreachedPasswords", breached_passwords::LAWS),
        ("TokenIssuer and TokenVerifier", token::LAWS),
        ("Entropy", entropy::LAWS),
    ];
    let mut total = 0;
    for (port, laws) in ports {
        println!("{port}: {} laws", laws.len());
        assert!(!laws.is_empty());
        total += laws.len();
    }
    println!("{total} laws in all");
}

/// Runs each law against an honest adapter and against each fault that it is to catch.
fn each_law_bites<F, H>(
    laws: &[&'static str],
    caught: &[(&'static str, &[F])],
    hold: impl Fn(&'static str, Option<F>) -> H,
) where
    F: Copy + Debug,
    H: Future<Output = ()> + Send + 'static,
{
    for law in laws {
        let wrong = what_is_wrong(hold(law, None));
        assert_eq!(wrong, None, "an honest adapter breaks {law}");
        let bites = caught.iter().any(|(named, faults)| named == law && !faults.is_empty());
        assert!(bites, "no broken adapter shows that {law} bites");
    }
    for (law, faults) in caught {
        assert!(laws.contains(law), "there is no law {law}");
        for fault in *faults {
            match what_is_wrong(hold(law, Some(*fault))) {
                Some(wrong) => println!("{law} catches {fault:?}: {wrong}"),
                None => panic!("{law} does not catch {fault:?}"),
            }
        }
    }
}

/// What a law says of an adapter, if it does not keep it.
///
/// On one thread, where tasks change places only at an `await`: a race is lost each time or never.
fn what_is_wrong(law: impl Future<Output = ()> + Send + 'static) -> Option<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let outcome = quietly(|| runtime.block_on(runtime.spawn(law)));
    let panic = outcome.err()?.into_panic();
    Some(first_line(&*panic))
}

fn first_line(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without words");
    text.lines().next().unwrap_or_default().to_owned()
}

thread_local! {
    static PANICS_ARE_EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Keeps the panics of this thread out of the log, for they are what is looked for.
fn quietly<T>(work: impl FnOnce() -> T) -> T {
    static HOOKED: Once = Once::new();
    HOOKED.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !PANICS_ARE_EXPECTED.get() {
                loud(info);
            }
        }));
    });
    PANICS_ARE_EXPECTED.set(true);
    let outcome = work();
    PANICS_ARE_EXPECTED.set(false);
    outcome
}
