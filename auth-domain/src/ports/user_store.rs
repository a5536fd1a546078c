use async_trait::async_trait;

use crate::{CredentialVersion, Email, PasswordHash, PortError, Timestamp, User, UserId};

/// What came of inserting an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "an address is free or taken")]
pub enum Insert {
    /// Another account has the address; it is as it was.
    EmailTaken,
    /// The account is kept.
    Inserted,
}

/// What came of a conditional write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the condition held or it did not")]
pub enum Update {
    /// The condition did not hold; nothing was written.
    Stale,
    /// Written.
    Updated,
}

/// Names one row: where to look, and whose it must be. An address whose account was deleted and made
/// anew has another id, and is never written by mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a row is named by these two")]
pub struct UserKey {
    /// The address, with the spelling that [`UserStore::find_by_email`] gave it.
    pub email: Email,
    /// The account.
    pub id: UserId,
}

/// A change of credentials.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a new field must not compile until each store writes it"
)]
pub struct CredentialUpdate {
    /// The account.
    pub key: UserKey,
    /// The version that the row must have.
    pub expected: CredentialVersion,
    /// The version that it then has; the same where what is issued under it stays good.
    pub next: CredentialVersion,
    /// What is written.
    pub change: CredentialChange,
    /// What the row's `updated_at` then says.
    pub updated_at: Timestamp,
}

/// What a [`CredentialUpdate`] writes beside version and `updated_at`.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new change must not compile until each store writes it"
)]
pub enum CredentialChange {
    /// Nothing: the version alone ends all that was issued.
    Nothing,
    /// `disabled`.
    Disabled(bool),
    /// `email_verified_at`.
    EmailVerified(Timestamp),
    /// The password hash.
    PasswordHash(PasswordHash),
    /// The password hash, and `email_verified_at` if there is none yet: a mailed link set it.
    PasswordHashByMail(PasswordHash, Timestamp),
    /// No password hash any more.
    PasswordRemoved,
}

impl CredentialUpdate {
    /// Makes the change to an account. Pure, for stores that hold whole accounts: they see to the condition,
    /// and make it atomic.
    pub fn apply_to(self, user: &mut User) {
        user.credential_version = self.next;
        user.updated_at = self.updated_at;
        match self.change {
            CredentialChange::Nothing => {}
            CredentialChange::Disabled(disabled) => user.disabled = disabled,
            CredentialChange::EmailVerified(at) => user.email_verified_at = Some(at),
            CredentialChange::PasswordHash(hash) => user.password_hash = Some(hash),
            CredentialChange::PasswordHashByMail(hash, at) => {
                user.password_hash = Some(hash);
                user.email_verified_at.get_or_insert(at);
            }
            CredentialChange::PasswordRemoved => user.password_hash = None,
        }
    }
}

/// A move of an account to another address.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a new field must not compile until each store writes it"
)]
pub struct EmailChange {
    /// The account, at the address that it leaves.
    pub key: UserKey,
    /// The version that the row must have.
    pub expected: CredentialVersion,
    /// The version that it then has.
    pub next: CredentialVersion,
    /// The address that it moves to.
    pub new_email: Email,
    /// What `updated_at` and `email_verified_at` then say: the address was confirmed by its reader.
    pub at: Timestamp,
}

impl EmailChange {
    /// Makes the move to an account. Pure, as [`CredentialUpdate::apply_to`].
    pub fn apply_to(self, user: &mut User) {
        user.email = self.new_email;
        user.credential_version = self.next;
        user.updated_at = self.at;
        user.email_verified_at = Some(self.at);
    }
}

/// What came of a move to another address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "callers must decide on every outcome")]
pub enum EmailUpdate {
    /// Another account has the new address; nothing was written.
    EmailTaken,
    /// The condition did not hold; nothing was written.
    Stale,
    /// The account is at the new address, and the old one is free.
    Updated,
}

/// Keeps accounts, by address.
#[cfg_attr(test, mockall::automock)]
#[async_trait]
pub trait UserStore: Send + Sync {
    /// The account of an address. A strong read: it sees every write that returned before it began.
    ///
    /// A store that holds rows from before addresses were canonical also looks under the
    /// [spelling](Email::spelling), prefers the canonical row, costs the same whether or not there is
    /// one, and hands out the address with the spelling that is the row's key.
    ///
    /// # Errors
    /// Corrupt: the row is there and cannot be read. Otherwise nothing was learnt; never "absent".
    async fn find_by_email(&self, email: &Email) -> Result<Option<User>, PortError>;

    /// The account of an id. May lag behind writes, so nothing is decided by it.
    ///
    /// # Errors
    /// As [`UserStore::find_by_email`].
    async fn find_by_id(&self, id: UserId) -> Result<Option<User>, PortError>;

    /// Keeps a new account if no account has its address. One conditional write: of any number of
    /// concurrent callers with one address exactly one gets [`Insert::Inserted`], and what is kept is
    /// what that one brought, whole.
    ///
    /// # Errors
    /// Whether the account is kept is not known.
    async fn insert(&self, user: User) -> Result<Insert, PortError>;

    /// Writes the change, version and `updated_at`, if the row has this id and the expected version. One
    /// conditional write: of any number of concurrent callers that expect one version and bring another,
    /// exactly one is [`Update::Updated`]. Nothing else makes it stale, a login's
    /// [`UserStore::touch_last_login`] least of all, and it leaves all else as it was.
    ///
    /// # Errors
    /// Whether it was written is not known.
    async fn update_credentials(&self, update: CredentialUpdate) -> Result<Update, PortError>;

    /// Moves the account to a new address, if the row has this id and the expected version, and no account
    /// has the new address. One conditional write or one transaction: at no moment is there an account
    /// at both addresses or at neither, and of any number of concurrent callers that expect one version,
    /// or move to one address, exactly one is [`EmailUpdate::Updated`]. All else is as it was.
    ///
    /// # Errors
    /// Whether the account moved is not known.
    async fn change_email(&self, change: EmailChange) -> Result<EmailUpdate, PortError>;

    /// Writes the time of the last login and nothing else, if the row has this id; never makes a row.
    ///
    /// # Errors
    /// Whether it was written is not known.
    async fn touch_last_login(&self, key: &UserKey, at: Timestamp) -> Result<Update, PortError>;

    /// Removes the account, if the row has this id and, where one is expected, this version. Its address is
    /// then free. One conditional write.
    ///
    /// # Errors
    /// Whether it is gone is not known.
    async fn delete(
        &self,
        key: &UserKey,
        expected: Option<CredentialVersion>,
    ) -> Result<Update, PortError>;
}
