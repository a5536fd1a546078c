use std::collections::HashSet;
use std::fmt;

use async_trait::async_trait;
use auth_domain::ports::BreachedPasswords;
use auth_domain::{Password, PortError};

/// Passwords that leaked, held in memory: for tests, and for a list of one's own that fits there. Nothing
/// leaves the process.
#[derive(Default)]
pub struct MemoryBreachedPasswords {
    held: HashSet<String>,
}

impl MemoryBreachedPasswords {
    /// Holds these.
    pub fn new(passwords: impl IntoIterator<Item = Password>) -> Self {
        let prepared = |password: Password| password.expose().to_owned();
        Self { held: passwords.into_iter().map(prepared).collect() }
    }
}

#[async_trait]
impl BreachedPasswords for MemoryBreachedPasswords {
    async fn contains(&self, password: &Password) -> Result<bool, PortError> {
        Ok(self.held.contains(password.expose()))
    }
}

impl fmt::Debug for MemoryBreachedPasswords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBreachedPasswords").finish_non_exhaustive()
    }
}
