//! Every adapter that a port of the contract suite has, held to each of its laws.

use std::sync::Arc;

use adapters_local::memory::{
    MemoryAttempts, MemoryBreachedPasswords, MemoryRateLimiter, MemoryResetTokens, MemorySessions,
    MemoryUsers,
};
use adapters_local::{
    Argon2idHasher, Argon2idSettings, InsecureInstantHasher, JwtIssuer, JwtVerifier, OsEntropy,
    Pepper, SigningKey, TokenProfile,
};

mod memory_users {
    use super::*;

    auth_domain::user_store_conformance! {
        test: tokio::test(flavor = "multi_thread", worker_threads = 4),
        spawn: tokio::spawn,
        adapter: Arc::new(MemoryUsers::new()),
    }
}

mod memory_reset_tokens {
    use super::*;

    auth_domain::reset_token_store_conformance! {
        test: tokio::test(flavor = "multi_thread", worker_threads = 4),
        spawn: tokio::spawn,
        adapter: Arc::new(MemoryResetTokens::new()),
    }
}

mod memory_sessions {
    use super::*;

    auth_domain::session_store_conformance! {
        test: tokio::test(flavor = "multi_thread", worker_threads = 4),
        spawn: tokio::spawn,
        adapter: Arc::new(MemorySessions::new()),
    }
}

mod memory_attempts {
    use super::*;

    auth_domain::attempt_store_conformance! {
        test: tokio::test(flavor = "multi_thread", worker_threads = 4),
        spawn: tokio::spawn,
        adapter: Arc::new(MemoryAttempts::new()),
    }
}

mod memory_breached_passwords {
    use super::*;
    use auth_domain::Password;
    use auth_domain::conformance::breached_passwords::HELD;

    auth_domain::breached_passwords_conformance! {
        test: tokio::test,
        adapter: {
            let held = HELD.map(|held| Password::new(held).unwrap());
            Arc::new(MemoryBreachedPasswords::new(held))
        },
    }
}

mod memory_rate_limiter {
    use super::*;

    auth_domain::rate_limiter_conformance! {
        test: tokio::test(flavor = "multi_thread", worker_threads = 4),
        spawn: tokio::spawn,
        adapter: Arc::new(MemoryRateLimiter::new()),
    }
}

mod argon2id_hasher {
    use super::*;

    auth_domain::password_hasher_conformance! {
        test: tokio::test,
        adapter: {
            let settings = Argon2idSettings::default();
            Arc::new(Argon2idHasher::new(settings, Arc::new(OsEntropy::new())).unwrap())
        },
    }
}

mod argon2id_hasher_with_a_pepper {
    use super::*;

    auth_domain::password_hasher_conformance! {
        test: tokio::test,
        adapter: {
            let mut settings = Argon2idSettings::default();
            settings.pepper = Some(Pepper::new("2026", [7; 32]).unwrap());
            Arc::new(Argon2idHasher::new(settings, Arc::new(OsEntropy::new())).unwrap())
        },
    }
}

mod insecure_instant_hasher {
    use super::*;

    auth_domain::password_hasher_conformance! {
        test: tokio::test,
        adapter: Arc::new(InsecureInstantHasher::new()),
    }
}

mod jwt {
    use super::*;

    auth_domain::token_conformance! {
        test: tokio::test,
        adapter: {
            let profile = TokenProfile::new("https://auth.example.com", "tests").unwrap();
            let key = SigningKey::ed25519_from_seed(&[3; 32]);
            let verifier = JwtVerifier::new([key.verifying_key()], profile.clone()).unwrap();
            let issuer = JwtIssuer::new(key, profile, Arc::new(OsEntropy::new()));
            (Arc::new(issuer), Arc::new(verifier))
        },
    }
}

mod os_entropy {
    use super::*;

    auth_domain::entropy_conformance! {
        test: tokio::test,
        adapter: Arc::new(OsEntropy::new()),
    }
}
