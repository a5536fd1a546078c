//! A user store of your own, and the proof that it keeps the contract.
//!
//! Run it: `cargo run --example custom_store`; certify it: `cargo test --example custom_store`.
#![expect(clippy::print_stdout, reason = "it shows what happens")]

use std::collections::BTreeMap;
use std::sync::Arc;

use adapters_local::testing_with;
use anyhow::{Result, bail};
use async_trait::async_trait;
use auth_domain::ports::{
    CredentialUpdate, EmailChange, EmailUpdate, Insert, Update, UserKey, UserStore,
};
use auth_domain::{
    CredentialVersion, DisplayName, Email, Password, PortError, RegisterRequest, Registration,
    RequestContext, Timestamp, User, UserId,
};
use tokio::sync::RwLock;

/// Accounts in a tree behind an asynchronous lock. A store over a database has a connection here, and
/// makes each decision by one conditional statement instead of under one lock.
#[derive(Default)]
struct TreeStore {
    users: RwLock<BTreeMap<Email, User>>,
}

impl TreeStore {
    async fn change(
        &self,
        key: &UserKey,
        change: impl FnOnce(&mut User) -> Update + Send,
    ) -> Update {
        match self.users.write().await.get_mut(&key.email) {
            Some(user) if user.id == key.id => change(user),
            _ => Update::Stale,
        }
    }
}

#[async_trait]
impl UserStore for TreeStore {
    async fn find_by_email(&self, email: &Email) -> Result<Option<User>, PortError> {
        Ok(self.users.read().await.get(email).cloned())
    }

    async fn find_by_id(&self, id: UserId) -> Result<Option<User>, PortError> {
        Ok(self.users.read().await.values().find(|user| user.id == id).cloned())
    }

    async fn insert(&self, user: User) -> Result<Insert, PortError> {
        let mut users = self.users.write().await;
        if users.contains_key(&user.email) {
            return Ok(Insert::EmailTaken);
        }
        users.insert(user.email.clone(), user);
        Ok(Insert::Inserted)
    }

    async fn update_credentials(&self, update: CredentialUpdate) -> Result<Update, PortError> {
        let key = update.key.clone();
        let write = |user: &mut User| {
            if user.credential_version != update.expected {
                return Update::Stale;
            }
            update.apply_to(user);
            Update::Updated
        };
        Ok(self.change(&key, write).await)
    }

    async fn change_email(&self, change: EmailChange) -> Result<EmailUpdate, PortError> {
        let EmailChange { key, expected, new_email, .. } = &change;
        let mut users = self.users.write().await;
        let found = users.get(&key.email);
        if found.is_none_or(|user| user.id != key.id || user.credential_version != *expected) {
            return Ok(EmailUpdate::Stale);
        }
        if users.contains_key(new_email) {
            return Ok(EmailUpdate::EmailTaken);
        }
        let Some(mut user) = users.remove(&key.email) else { return Ok(EmailUpdate::Stale) };
        change.apply_to(&mut user);
        users.insert(user.email.clone(), user);
        Ok(EmailUpdate::Updated)
    }

    async fn touch_last_login(&self, key: &UserKey, at: Timestamp) -> Result<Update, PortError> {
        let write = |user: &mut User| {
            user.last_login = Some(at);
            Update::Updated
        };
        Ok(self.change(key, write).await)
    }

    async fn delete(
        &self,
        key: &UserKey,
        expected: Option<CredentialVersion>,
    ) -> Result<Update, PortError> {
        let mut users = self.users.write().await;
        let is_it = |user: &User| {
            let version = user.credential_version;
            user.id == key.id && expected.is_none_or(|expected| expected == version)
        };
        if !users.get(&key.email).is_some_and(is_it) {
            return Ok(Update::Stale);
        }
        users.remove(&key.email);
        Ok(Update::Updated)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let world = testing_with(|ports, _| ports.users = Arc::new(TreeStore::default()));
    let request = RegisterRequest {
        email: Email::parse("ann@example.com")?,
        password: Password::new("correct horse battery")?,
        name: DisplayName::parse("Ann")?,
    };
    let Registration::Made(account) = world.auth.register(request, &RequestContext::new()).await?
    else {
        bail!("registration is open here");
    };
    println!("registered {} in a store of one's own", account.user_id);
    Ok(())
}

#[cfg(test)]
mod contract {
    use super::*;

    auth_domain::user_store_conformance! {
        test: tokio::test(flavor = "multi_thread", worker_threads = 4),
        spawn: tokio::spawn,
        adapter: Arc::new(TreeStore::default()),
    }
}
