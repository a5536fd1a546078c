//! The contract suite: each promise of a port as a small law that an adapter keeps or breaks.
//!
//! A law is an async function that calls an adapter and panics, saying what is wrong, where a promise
//! does not hold. It needs no executor of its own and no clock, and uses addresses, ids and keys that it
//! makes up at random; it wipes nothing, so a table may be shared, and what it wrote stays there.
//!
//! # Certify an adapter
//!
//! Depend on this crate with the feature `conformance` for tests, and call the macro of the port: each
//! law becomes a test by its name. `test` is the attribute that makes an async test, `spawn` starts a
//! task, `adapter` makes the adapter anew for each test and may await.
//!
//! ```toml
//! [dev-dependencies]
//! auth-domain = { version = "0.1", features = ["conformance"] }
//! tokio = { version = "1", features = ["macros", "rt-multi-thread"] }
//! ```
//!
//! ```
//! # fn main() {}
//! # struct MyAttempts;
//! # impl MyAttempts { async fn connect() -> Self { Self } }
//! # #[async_trait::async_trait]
//! # impl auth_domain::ports::AttemptStore for MyAttempts {
//! #     async fn begin(
//! #         &self,
//! #         _: auth_domain::LimitKey,
//! #         _: auth_domain::Timestamp,
//! #         _: &auth_domain::AttemptPolicy,
//! #     ) -> Result<auth_domain::Attempt, auth_domain::PortError> {
//! #         Ok(auth_domain::Attempt::Proceed { prior: 0 })
//! #     }
//! #     async fn clear(&self, _: auth_domain::LimitKey) -> Result<(), auth_domain::PortError> {
//! #         Ok(())
//! #     }
//! # }
//! // tests/conformance.rs
//! mod attempts {
//!     # use super::MyAttempts;
//!     auth_domain::attempt_store_conformance! {
//!         test: tokio::test(flavor = "multi_thread", worker_threads = 4),
//!         spawn: tokio::spawn,
//!         adapter: std::sync::Arc::new(MyAttempts::connect().await),
//!     }
//! }
//! ```
//!
//! | port | macro | laws |
//! |---|---|---|
//! | `UserStore` | [`user_store_conformance!`](crate::user_store_conformance) | [`user_store`] |
//! | `ResetTokenStore` | [`reset_token_store_conformance!`](crate::reset_token_store_conformance) | [`reset_token_store`] |
//! | `SessionStore` | [`session_store_conformance!`](crate::session_store_conformance) | [`session_store`] |
//! | `AttemptStore` | [`attempt_store_conformance!`](crate::attempt_store_conformance) | [`attempt_store`] |
//! | `RateLimiter` | [`rate_limiter_conformance!`](crate::rate_limiter_conformance) | [`rate_limiter`] |
//! | `PasswordHasher` | [`password_hasher_conformance!`](crate::password_hasher_conformance) | [`password_hasher`] |
//! | `BreachedPasswords` | [`breached_passwords_conformance!`](crate::breached_passwords_conformance) | [`breached_passwords`] |
//! | `TokenIssuer`, `TokenVerifier` | [`token_conformance!`](crate::token_conformance) | [`token`] |
//! | `Entropy` | [`entropy_conformance!`](crate::entropy_conformance) | [`entropy`] |
//!
//! The first five ask for a [`Spawner`] too, since "of concurrent callers one wins" is a promise that a
//! store can only break, or keep, when there are some: those laws start sixteen tasks at one moment, or as
//! many as [`Racers`] say (`spawn: Racers::new(32, tokio::spawn)`), twenty times over. One law of
//! `AttemptStore` starts a thousand, whatever they say, so that callers queue. Looking first and
//! writing then is found reliably where an `await` lies between the two. Where none does, as between two
//! locks in memory, it takes a runtime with several threads, and is found at times only.
//!
//! Without the macros, [`user_store::hold`] and its like run one law by its name.
//!
//! # What it does not show
//!
//! Laws are tests: they find promises that are broken often enough to be seen. Not among them are equal
//! cost, durability, strong reads on a store with replicas, and randomness that can be predicted.
//! Stores that delete old rows by themselves go by the machine's clock; laws use times in the year 2039,
//! so that such a sweeper does not meet them.
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "a law is a test: to panic is how it says that an adapter breaks it"
)]

pub mod attempt_store;
pub mod breached_passwords;
pub mod entropy;
mod fresh;
pub mod password_hasher;
mod race;
pub mod rate_limiter;
pub mod reset_token_store;
pub mod session_store;
pub mod token;
pub mod user_store;

pub use race::{Racers, Spawner, Task};

use crate::PortError;

/// One test for each law.
#[doc(hidden)]
#[macro_export]
macro_rules! __laws_as_tests {
    (
        { $test:meta, $spawn:expr, $adapter:expr }
        $port:ident
        alone: [$($alone:ident,)*]
        racing: [$($racing:ident,)*]
    ) => {
        $(
            #[$test]
            async fn $alone() {
                $crate::conformance::$port::$alone(&*$adapter).await;
            }
        )*
        $(
            #[$test]
            async fn $racing() {
                $crate::conformance::$port::$racing($adapter, &$spawn).await;
            }
        )*
    };
}

/// One test for each law of an issuer and its verifier.
#[doc(hidden)]
#[macro_export]
macro_rules! __laws_of_a_pair_as_tests {
    ({ $test:meta, $adapter:expr } $port:ident alone: [$($law:ident,)*] racing: []) => {
        $(
            #[$test]
            async fn $law() {
                let (issuer, verifier) = $adapter;
                $crate::conformance::$port::$law(&*issuer, &*verifier).await;
            }
        )*
    };
}

/// The names of a port's laws, and the laws by name.
#[doc(hidden)]
#[macro_export]
macro_rules! __laws_by_name {
    ({ $adapter:ty } $port:ident alone: [$($law:ident,)*] racing: []) => {
        $crate::__laws_by_name! { @names $($law)* }

        /// Holds an adapter to the law of this name, one of [`LAWS`].
        pub async fn hold(law: &str, adapter: &$adapter) {
            match law {
                $(stringify!($law) => $law(adapter).await,)*
                _ => panic!("no such law: {law}"),
            }
        }
    };
    (
        { $adapter:ty }
        $port:ident
        alone: [$($alone:ident,)*]
        racing: [$($racing:ident,)*]
    ) => {
        $crate::__laws_by_name! { @names $($alone)* $($racing)* }

        /// Holds an adapter to the law of this name, one of [`LAWS`].
        pub async fn hold(law: &str, adapter: Arc<$adapter>, spawner: &dyn Spawner) {
            match law {
                $(stringify!($alone) => $alone(&*adapter).await,)*
                $(stringify!($racing) => $racing(adapter, spawner).await,)*
                _ => panic!("no such law: {law}"),
            }
        }
    };
    (
        { $issuer:ty, $verifier:ty }
        $port:ident
        alone: [$($law:ident,)*]
        racing: []
    ) => {
        $crate::__laws_by_name! { @names $($law)* }

        /// Holds an issuer and its verifier to the law of this name, one of [`LAWS`].
        pub async fn hold(law: &str, issuer: &$issuer, verifier: &$verifier) {
            match law {
                $(stringify!($law) => $law(issuer, verifier).await,)*
                _ => panic!("no such law: {law}"),
            }
        }
    };
    (@names $($law:ident)*) => {
        /// The laws by name, those that need concurrent callers last.
        pub const LAWS: &[&str] = &[$(stringify!($law),)*];
    };
}

/// What a port came to; that it failed breaks every law.
#[track_caller]
fn done<T>(result: Result<T, PortError>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("the adapter failed: {error} ({error:?})"),
    }
}

/// Which of the answers is the winner's, if there is exactly one.
#[track_caller]
fn the_one<T: PartialEq>(answers: &[T], won: &T) -> usize {
    let winners: Vec<usize> = (0..answers.len()).filter(|racer| answers[*racer] == *won).collect();
    match winners[..] {
        [winner] => winner,
        _ => panic!("{} of {} racers won: {winners:?}", winners.len(), answers.len()),
    }
}
