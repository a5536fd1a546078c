//! The Argon2id pool with nothing around it.

use std::sync::Arc;
use std::time::Instant;

use adapters_local::{Argon2idHasher, Argon2idSettings, OsEntropy};
use anyhow::{Result, bail};
use auth_domain::Password;
use auth_domain::ports::{PasswordHasher as _, Reservation};
use tokio::task::JoinSet;

/// What is hashed.
pub const PASSWORD: &str = "correct horse battery staple";

/// How many hashes so many callers get, each of whom asks again as soon as it is answered, and stops with its
/// first answer after `until`. All of them wait in the queue.
///
/// # Errors
/// The pool does not start, or a hash fails.
pub async fn hash_until(callers: usize, until: Instant) -> Result<u32> {
    let mut settings = Argon2idSettings::default();
    settings.queue = callers;
    let hasher = Arc::new(Argon2idHasher::new(settings, Arc::new(OsEntropy::new()))?);
    let password = Password::new(PASSWORD)?;
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let (hasher, password) = (Arc::clone(&hasher), password.clone());
        tasks.spawn(async move {
            let mut hashes = 0;
            while Instant::now() < until {
                let Reservation::Slot(slot) = hasher.reserve()? else {
                    bail!("the queue has a place for every caller");
                };
                slot.hash(password.clone()).await?;
                hashes += 1;
            }
            Ok(hashes)
        });
    }
    sum(tasks).await
}

/// What all of them counted.
///
/// # Errors
/// One of theirs.
pub async fn sum(mut callers: JoinSet<Result<u32>>) -> Result<u32> {
    let mut hashes = 0;
    while let Some(caller) = callers.join_next().await {
        hashes += caller??;
    }
    Ok(hashes)
}
