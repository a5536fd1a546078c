//! Ports that are observed, held to each law that they are held to unobserved.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;

use adapters_local::memory::MemoryBreachedPasswords;
use adapters_local::telemetry::Telemetry;
use adapters_local::{Argon2idHasher, Argon2idSettings, OsEntropy, testing_with};
use auth_domain::conformance::breached_passwords::HELD;
use auth_domain::{Password, Ports};
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, SdkMeterProvider};

fn observed() -> Ports {
    let exporter = InMemoryMetricExporter::default();
    let provider = SdkMeterProvider::builder().with_periodic_exporter(exporter).build();
    let telemetry = Telemetry::new(&provider.meter("auth"));
    let hasher = Argon2idHasher::new(Argon2idSettings::default(), Arc::new(OsEntropy::new()));
    let mut observed = None;
    testing_with(|ports, _| {
        let held = HELD.map(|held| Password::new(held).unwrap());
        ports.breached_passwords = Some(Arc::new(MemoryBreachedPasswords::new(held)));
        ports.hasher = telemetry.watch_hashing(hasher.unwrap());
        observed = Some(telemetry.observe(ports.clone()));
    });
    observed.unwrap()
}

mod users {
    auth_domain::user_store_conformance! {
        test: tokio::test(flavor = "multi_thread", worker_threads = 4),
        spawn: tokio::spawn,
        adapter: super::observed().users,
    }
}

mod reset_tokens {
    auth_domain::reset_token_store_conformance! {
        test: tokio::test(flavor = "multi_thread", worker_threads = 4),
        spawn: tokio::spawn,
        adapter: super::observed().reset_tokens,
    }
}

mod sessions {
    auth_domain::session_store_conformance! {
        test: tokio::test(flavor = "multi_thread", worker_threads = 4),
        spawn: tokio::spawn,
        adapter: super::observed().sessions,
    }
}

mod attempts {
    auth_domain::attempt_store_conformance! {
        test: tokio::test(flavor = "multi_thread", worker_threads = 4),
        spawn: tokio::spawn,
        adapter: super::observed().attempts,
    }
}

mod breached_passwords {
    auth_domain::breached_passwords_conformance! {
        test: tokio::test,
        adapter: super::observed().breached_passwords.unwrap(),
    }
}

mod rate_limiter {
    auth_domain::rate_limiter_conformance! {
        test: tokio::test(flavor = "multi_thread", worker_threads = 4),
        spawn: tokio::spawn,
        adapter: super::observed().limiter,
    }
}

mod hasher {
    auth_domain::password_hasher_conformance! {
        test: tokio::test,
        adapter: super::observed().hasher,
    }
}

mod tokens {
    auth_domain::token_conformance! {
        test: tokio::test,
        adapter: {
            let ports = super::observed();
            (ports.token_issuer, ports.token_verifier)
        },
    }
}
