use thiserror::Error;

use super::delete_account::Deleted;
use super::span::use_case;
use super::{Auth, Refused, SessionInfo, Subject};
use crate::ports::{CredentialChange, Update, UserKey};
use crate::{
    AccountCall, CredentialVersion, DisplayName, Email, ErrorCode, JobId, MailJob, PortError,
    RequestContext, Timestamp, User, UserId,
};

/// What an operator may do to accounts: none of it needs the owner, all of it is recorded, and no router
/// of ours calls it. Made by [`Auth::admin`].
#[derive(Clone, Copy, Debug)]
pub struct Admin<'a> {
    auth: &'a Auth,
}

/// An account, as an operator sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Account {
    /// Names the account to the calls of [`Admin`].
    pub key: UserKey,
    /// What the user calls himself.
    pub name: DisplayName,
    /// Whether it has a password.
    pub has_password: bool,
    /// Bumped by every change of credentials.
    pub credential_version: CredentialVersion,
    /// Whether it is shut.
    pub disabled: bool,
    /// When its owner was first seen to read mail at the address.
    pub email_verified_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its credentials were last changed.
    pub updated_at: Timestamp,
    /// The last good login.
    pub last_login: Option<Timestamp>,
    /// Its live sessions, the one last used first.
    pub sessions: Vec<SessionInfo>,
}

/// Why an operator's call did nothing.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AdminError {
    /// Others kept changing the account. Trying again is right.
    #[error("the account kept changing")]
    Contended,
    /// There is no such account.
    #[error("there is no such account")]
    NotFound,
    /// An adapter failed. Whether anything was done is not known; again is right.
    #[error(transparent)]
    Port(#[from] PortError),
}

impl Refused for AdminError {
    fn parts(&self) -> (ErrorCode, Option<&PortError>) {
        match self {
            Self::Contended => (ErrorCode::Conflict, None),
            Self::NotFound => (ErrorCode::AccountNotFound, None),
            Self::Port(error) => (error.code(), Some(error)),
        }
    }
}

/// A writer that loses its condition this often met as many others.
const TRIES: usize = 5;

impl Auth {
    /// The calls for operators.
    pub const fn admin(&self) -> Admin<'_> {
        Admin { auth: self }
    }

    /// Makes a change under a new credential version, however others change the account meanwhile; and
    /// says when. `user` is the account as it was just read.
    pub(super) async fn change_account(
        &self,
        mut user: User,
        change: CredentialChange,
        subject: Subject,
    ) -> Result<Timestamp, AdminError> {
        for _ in 0..TRIES {
            let update = self.bump(&user, change.clone());
            let (at, next) = (update.updated_at, update.next);
            if self.ports().users.update_credentials(update).await? == Update::Updated {
                self.remove_sessions(user.id, next, subject).await;
                return Ok(at);
            }
            user = self.account_at(&UserKey { email: user.email, id: user.id }).await?;
        }
        Err(AdminError::Contended)
    }

    async fn account_at(&self, key: &UserKey) -> Result<User, AdminError> {
        let found = self.ports().users.find_by_email(&key.email).await?;
        found.filter(|user| user.id == key.id).ok_or(AdminError::NotFound)
    }
}

impl Admin<'_> {
    /// The account of an address.
    ///
    /// # Errors
    /// [`AdminError::NotFound`], [`AdminError::Port`].
    pub async fn look_up(&self, email: &Email) -> Result<Account, AdminError> {
        use_case!(self.auth, &RequestContext::new(), "admin_look_up", async {
            let found = self.auth.ports().users.find_by_email(email).await;
            let outcome = match found {
                Ok(Some(user)) => self.account(user).await.map_err(AdminError::from),
                Ok(None) => Err(AdminError::NotFound),
                Err(error) => Err(error.into()),
            };
            let subject = self.auth.subject(Some(email), &RequestContext::new());
            let user_id = outcome.as_ref().ok().map(|account| account.key.id);
            self.auth.record_call(Subject { user_id, ..subject }, AccountCall::LookUp, outcome)
        })
    }

    /// The account of an id. One that was made or moved in the last moments may not be found yet.
    ///
    /// # Errors
    /// As [`Admin::look_up`].
    pub async fn look_up_by_id(&self, id: UserId) -> Result<Account, AdminError> {
        use_case!(self.auth, &RequestContext::new(), "admin_look_up_by_id", async {
            let failed = match self.auth.ports().users.find_by_id(id).await {
                Ok(Some(user)) => return self.look_up(&user.email).await,
                Ok(None) => AdminError::NotFound,
                Err(error) => error.into(),
            };
            let subject = Subject { user_id: Some(id), ..Subject::default() };
            self.auth.record_call(subject, AccountCall::LookUp, Err(failed))
        })
    }

    /// Shuts an account: nobody logs in, and its sessions and links end at once. It can still be enabled
    /// again, and nothing of it is lost.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn disable(&self, key: &UserKey) -> Result<(), AdminError> {
        use_case!(self.auth, &RequestContext::new(), "admin_disable", async {
            self.change(key, AccountCall::Disable, CredentialChange::Disabled(true)).await
        })
    }

    /// Opens a disabled account: its password works again. Its old sessions stay ended.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn enable(&self, key: &UserKey) -> Result<(), AdminError> {
        use_case!(self.auth, &RequestContext::new(), "admin_enable", async {
            self.change(key, AccountCall::Enable, CredentialChange::Disabled(false)).await
        })
    }

    /// Ends every session of an account at once, and every mailed link.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn end_sessions(&self, key: &UserKey) -> Result<(), AdminError> {
        use_case!(self.auth, &RequestContext::new(), "admin_end_sessions", async {
            self.change(key, AccountCall::EndAllSessions, CredentialChange::Nothing).await
        })
    }

    /// Takes the password of an account away, which may be known to others, ends its sessions, and mails
    /// a reset link to its owner: nobody logs in until he used it. No operator ever sets a password
    /// (ASVS 6.4.6).
    ///
    /// # Errors
    /// [`AdminError`]. After [`AdminError::Port`] the mail may not be queued; the owner may ask for one.
    pub async fn force_password_change(
        &self,
        key: &UserKey,
        context: &RequestContext,
    ) -> Result<(), AdminError> {
        use_case!(self.auth, context, "admin_force_password_change", async {
            let subject = self.subject(key, context);
            let outcome = self.try_force_password_change(key, context, subject).await;
            self.auth.record_call(subject, AccountCall::ForcePasswordChange, outcome)
        })
    }

    async fn try_force_password_change(
        &self,
        key: &UserKey,
        context: &RequestContext,
        subject: Subject,
    ) -> Result<(), AdminError> {
        let change = CredentialChange::PasswordRemoved;
        let requested_at = self.try_change(key, change, subject).await?;
        let job = MailJob::PasswordReset {
            id: JobId::from_bytes(self.auth.entropy()?),
            email: key.email.clone(),
            requested_at,
            locale: context.locale,
        };
        Ok(self.auth.ports().mail_queue.enqueue(job).await?)
    }

    /// Deletes an account and what belongs to it; its owner is told.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn delete(&self, key: &UserKey, context: &RequestContext) -> Result<(), AdminError> {
        use_case!(self.auth, context, "admin_delete", async {
            let subject = self.subject(key, context);
            let outcome = self.try_delete(key, context, subject).await;
            self.auth.record_call(subject, AccountCall::DeleteAccount, outcome)
        })
    }

    async fn try_delete(
        &self,
        key: &UserKey,
        context: &RequestContext,
        subject: Subject,
    ) -> Result<(), AdminError> {
        self.auth.account_at(key).await?;
        match self.auth.delete(key, None, context.locale, subject).await? {
            Deleted::Gone => Ok(()),
            Deleted::Moved => Err(AdminError::Contended),
        }
    }

    async fn change(
        &self,
        key: &UserKey,
        call: AccountCall,
        change: CredentialChange,
    ) -> Result<(), AdminError> {
        let subject = self.subject(key, &RequestContext::new());
        let outcome = self.try_change(key, change, subject).await.map(drop);
        self.auth.record_call(subject, call, outcome)
    }

    async fn try_change(
        &self,
        key: &UserKey,
        change: CredentialChange,
        subject: Subject,
    ) -> Result<Timestamp, AdminError> {
        let user = self.auth.account_at(key).await?;
        self.auth.change_account(user, change, subject).await
    }

    fn subject(&self, key: &UserKey, context: &RequestContext) -> Subject {
        let subject = self.auth.subject(Some(&key.email), context);
        Subject { user_id: Some(key.id), ..subject }
    }

    async fn account(&self, user: User) -> Result<Account, PortError> {
        let sessions = self.auth.live_sessions(&user, None).await?;
        Ok(Account {
            key: UserKey { email: user.email, id: user.id },
            name: user.name,
            has_password: user.password_hash.is_some(),
            credential_version: user.credential_version,
            disabled: user.disabled,
            email_verified_at: user.email_verified_at,
            created_at: user.created_at,
            updated_at: user.updated_at,
            last_login: user.last_login,
            sessions,
        })
    }
}
