//! One password hash at a time: what it costs in the pool and without it, what each kind of stored hash
//! costs to verify (they should not differ), and what the weakest parameters allowed cost.
//!
//! `cargo bench -p benches --bench hashing`
#![expect(clippy::expect_used, reason = "a bench that cannot run has nothing to say")]

use std::hint::black_box;
use std::sync::Arc;

use adapters_local::{Argon2idHasher, Argon2idSettings, OsEntropy};
use argon2::{Algorithm, Argon2, Params, Version};
use auth_domain::ports::{HashSlot, PasswordHasher, Reservation};
use auth_domain::{Password, PasswordHash};
use criterion::{Criterion, criterion_group, criterion_main};
use tokio::runtime::{Builder, Runtime};

const TYPED: &str = "password";

fn runtime() -> Runtime {
    Builder::new_current_thread().build().expect("a runtime")
}

fn hasher(memory_kib: u32, passes: u32) -> Argon2idHasher {
    let mut settings = Argon2idSettings::default();
    (settings.memory_kib, settings.passes) = (memory_kib, passes);
    Argon2idHasher::new(settings, Arc::new(OsEntropy::new())).expect("settings that hold")
}

fn todays_hasher() -> Argon2idHasher {
    let Argon2idSettings { memory_kib, passes, .. } = Argon2idSettings::default();
    hasher(memory_kib, passes)
}

fn slot(hasher: &Argon2idHasher) -> Box<dyn HashSlot> {
    match hasher.reserve() {
        Ok(Reservation::Slot(slot)) => Some(slot),
        _ => None,
    }
    .expect("a place: there is one caller")
}

fn password() -> Password {
    Password::new(TYPED).expect("a password")
}

fn hash(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hash");
    let hasher = todays_hasher();
    group.bench_function("pool", |bencher| {
        bencher.to_async(runtime()).iter(|| slot(&hasher).hash(password()));
    });
    group.bench_function("fresh_memory", |bencher| {
        let Argon2idSettings { memory_kib, passes, lanes, .. } = Argon2idSettings::default();
        let params = Params::new(memory_kib, passes, lanes, Some(32)).expect("good parameters");
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        bencher.iter(|| {
            let mut output = [0; 32];
            argon2
                .hash_password_into(TYPED.as_bytes(), &[7; 16], black_box(&mut output))
                .expect("a hash");
        });
    });
    group.finish();
}

fn verify(criterion: &mut Criterion) {
    let hasher = todays_hasher();
    let todays = runtime().block_on(slot(&hasher).hash(password())).expect("a hash");
    let stored = [
        ("todays", Some(todays.expose())),
        ("no_account", None),
        ("malformed", Some("no hash")),
        ("cheap_argon2i", Some("$argon2i$v=19$m=256,t=1,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A")),
        ("cheap_bcrypt", Some("$2b$04$oaQbBqq8JnSM1NHRPQGXOOY4Vw3bdHKLIXTecPDRAcJ98cz1ilveO")),
        (
            "unsalted_sha256",
            Some("5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8"),
        ),
    ];
    let mut group = criterion.benchmark_group("verify");
    for (name, stored) in stored {
        let stored = stored.map(PasswordHash::from_stored);
        group.bench_function(name, |bencher| {
            bencher.to_async(runtime()).iter(|| slot(&hasher).verify(password(), stored.clone()));
        });
    }
    group.finish();
}

fn weakest_parameters(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("weakest_parameters");
    for (memory_kib, passes) in [(47_104, 1), (19_456, 2), (12_288, 3)] {
        let hasher = hasher(memory_kib, passes);
        group.bench_function(format!("m{memory_kib}_t{passes}"), |bencher| {
            bencher.to_async(runtime()).iter(|| slot(&hasher).hash(password()));
        });
    }
    group.finish();
}

criterion_group!(hashing, hash, verify, weakest_parameters);
criterion_main!(hashing);
