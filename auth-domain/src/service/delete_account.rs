use std::time::Duration;

use thiserror::Error;

use super::session::Current;
use super::span::use_case;
use super::{Auth, ProofError, Subject, refused};
use crate::ports::{Update, UserKey};
use crate::{
    AccountCall, Claims, CredentialVersion, Email, ErrorCode, Locale, MailJob, Password, PortError,
    RequestContext, UserId,
};

/// Why an account was not deleted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DeleteAccountError {
    /// The account was changed meanwhile, and lives on.
    #[error("the account was changed meanwhile")]
    Conflict,
    /// The caller did not prove to be the owner.
    #[error(transparent)]
    NotProved(#[from] ProofError),
    /// An adapter failed. The account may be gone: logging in tells.
    #[error(transparent)]
    Port(#[from] PortError),
    /// No password was given, and the session was opened too long ago to do without.
    #[error("this needs the password, or a login of the last five minutes")]
    RecentLoginNeeded,
}

impl DeleteAccountError {
    /// The stable code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Conflict => ErrorCode::Conflict,
            Self::NotProved(error) => error.code(),
            Self::Port(error) => error.code(),
            Self::RecentLoginNeeded => ErrorCode::RecentLoginNeeded,
        }
    }
}

refused!(DeleteAccountError, NotProved);

/// What came of removing an account.
pub(super) enum Deleted {
    /// It is gone.
    Gone,
    /// It was changed or moved meanwhile, and is there.
    Moved,
}

/// How long a login stands for the password itself.
const RECENT: Duration = Duration::from_mins(5);

impl Auth {
    /// Deletes a token's account, given its password or a login of the last five minutes.
    ///
    /// One conditional write removes the account, unless it was changed since the proof (a reset by its owner
    /// stops a thief); from then on no login, session or link of it works.
    /// Then its sessions, reset links and counter of attempts go, and once more by the job that tells the
    /// owner, which is queued before: so a crash in between leaves nothing behind.
    ///
    /// # Errors
    /// [`DeleteAccountError`].
    pub async fn delete_account(
        &self,
        claims: &Claims,
        password: Option<Password>,
        context: &RequestContext,
    ) -> Result<(), DeleteAccountError> {
        use_case!(self, context, "delete_account", async {
            let subject = self.subject_of(claims, context);
            let outcome = self.try_delete_account(claims, password, context, subject).await;
            self.record_call(subject, AccountCall::DeleteAccount, outcome)
        })
    }

    async fn try_delete_account(
        &self,
        claims: &Claims,
        password: Option<Password>,
        context: &RequestContext,
        subject: Subject,
    ) -> Result<(), DeleteAccountError> {
        let Current { user, session } =
            self.current(claims, subject).await.map_err(ProofError::from)?;
        match password {
            Some(password) => self.prove(&user, password, context, subject).await?,
            None if self.now().distance(session.created_at) <= RECENT => {}
            None => return Err(DeleteAccountError::RecentLoginNeeded),
        }
        let expected = Some(user.credential_version);
        let key = UserKey { email: user.email, id: user.id };
        match self.delete(&key, expected, context.locale, subject).await? {
            Deleted::Gone => Ok(()),
            Deleted::Moved => Err(DeleteAccountError::Conflict),
        }
    }

    pub(super) async fn delete(
        &self,
        key: &UserKey,
        expected: Option<CredentialVersion>,
        locale: Locale,
        subject: Subject,
    ) -> Result<Deleted, PortError> {
        let job = MailJob::AccountDeleted {
            email: key.email.clone(),
            user_id: key.id,
            deleted_at: self.now(),
            locale,
        };
        let users = &self.ports().users;
        self.ports().mail_queue.enqueue(job).await?;
        if users.delete(key, expected).await? == Update::Stale && self.lives_on(key).await? {
            return Ok(Deleted::Moved);
        }
        if let Err(error) = self.erase_leftovers(&key.email, key.id, None).await {
            self.record_fault(subject, &error);
        }
        self.forget_strangers(&key.email, subject).await;
        Ok(Deleted::Gone)
    }

    /// Of an account that was not removed: whether it was changed or moved, or is gone already.
    async fn lives_on(&self, key: &UserKey) -> Result<bool, PortError> {
        let users = &self.ports().users;
        let there = users.find_by_email(&key.email).await?.is_some_and(|user| user.id == key.id);
        Ok(there || users.find_by_id(key.id).await?.is_some())
    }

    /// Removes what no longer works and still names somebody: all sessions, or those from before a version.
    pub(super) async fn erase_leftovers(
        &self,
        email: &Email,
        user_id: UserId,
        older_than: Option<CredentialVersion>,
    ) -> Result<(), PortError> {
        self.ports().sessions.end_all(user_id, older_than).await?;
        self.ports().reset_tokens.delete_all(email, user_id).await
    }
}
