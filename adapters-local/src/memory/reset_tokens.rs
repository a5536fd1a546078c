use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use auth_domain::ports::{Put, ResetTokenStore};
use auth_domain::{Email, PortError, ResetRecord, Timestamp, TokenDigest, UserId};

use super::locked;

/// Issued reset links in memory: for each address the newest few.
///
/// Only the newest row of an address is ever alive, and older ones serve to recognise a mail job that
/// runs again; so an address keeps 16 rows and the oldest goes first. How many addresses there are is
/// bounded by the accounts there are, since only an account is sent a link.
#[derive(Debug, Default)]
pub struct MemoryResetTokens {
    rows: Mutex<HashMap<Email, Vec<ResetRecord>>>,
}

const ROWS_OF_AN_ADDRESS: usize = 16;

impl MemoryResetTokens {
    /// A store without links.
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl ResetTokenStore for MemoryResetTokens {
    async fn put(&self, record: ResetRecord) -> Result<Put, PortError> {
        let mut rows = locked(&self.rows);
        let of_address = rows.entry(record.email.clone()).or_default();
        if of_address.iter().any(|row| row.digest == record.digest) {
            return Ok(Put::AlreadyThere);
        }
        of_address.push(record);
        of_address.sort_unstable_by(|a, b| b.age().cmp(&a.age()));
        of_address.truncate(ROWS_OF_AN_ADDRESS);
        Ok(Put::Stored)
    }

    async fn newest(&self, email: &Email) -> Result<Option<ResetRecord>, PortError> {
        Ok(locked(&self.rows).get(email).and_then(|of_address| of_address.first()).cloned())
    }

    async fn consume(
        &self,
        email: &Email,
        digest: TokenDigest,
        now: Timestamp,
    ) -> Result<Option<ResetRecord>, PortError> {
        let mut rows = locked(&self.rows);
        let live = rows
            .get_mut(email)
            .into_iter()
            .flatten()
            .find(|row| row.digest == digest && !row.used && now < row.expires_at);
        Ok(live.map(|row| {
            row.used = true;
            row.clone()
        }))
    }

    async fn delete_all(&self, email: &Email, user_id: UserId) -> Result<(), PortError> {
        let mut rows = locked(&self.rows);
        if let Some(of_address) = rows.get_mut(email) {
            of_address.retain(|row| row.user_id != user_id);
            if of_address.is_empty() {
                rows.remove(email);
            }
        }
        Ok(())
    }
}
