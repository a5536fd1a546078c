use std::time::Duration;

use thiserror::Error;

use super::session::Current;
use super::{Auth, ProofError, Refused, Subject};
use crate::ports::UserKey;
use crate::{
    AccountCall, Claims, Email, ErrorCode, Locale, MailJob, Password, PortError, RequestContext,
    Timestamp, UserId,
};

/// Why an account was not deleted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DeleteAccountError {
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
            Self::NotProved(error) => error.code(),
            Self::Port(error) => error.code(),
            Self::RecentLoginNeeded => ErrorCode::RecentLoginNeeded,
        }
    }
}

impl Refused for DeleteAccountError {
    fn parts(&self) -> (ErrorCode, Option<&PortError>) {
        let fault = match self {
            Self::NotProved(error) => error.fault(),
            Self::Port(error) => Some(error),
            Self::RecentLoginNeeded => None,
        };
        (self.code(), fault)
    }
}

/// How long a login stands for the password itself.
const RECENT: Duration = Duration::from_mins(5);

impl Auth {
    /// Deletes a token's account, given its password or a login of the last five minutes.
    ///
    /// One conditional write removes the account; from then on nothing of it works. Then its sessions,
    /// reset links and counter of attempts go, and once more by the job that tells the owner, which is
    /// queued before: so a crash in between leaves nothing behind.
    ///
    /// # Errors
    /// [`DeleteAccountError`].
    pub async fn delete_account(
        &self,
        claims: &Claims,
        password: Option<Password>,
        context: &RequestContext,
    ) -> Result<(), DeleteAccountError> {
        let subject = self.subject_of(claims, context);
        let outcome = self.try_delete_account(claims, password, context, subject).await;
        self.record_call(subject, AccountCall::DeleteAccount, outcome)
    }

    async fn try_delete_account(
        &self,
        claims: &Claims,
        password: Option<Password>,
        context: &RequestContext,
        subject: Subject,
    ) -> Result<(), DeleteAccountError> {
        let Current { user, session } = self.current(claims).await.map_err(ProofError::from)?;
        match password {
            Some(password) => self.prove(&user, password, subject).await?,
            None if is_recent(session.created_at, self.now()) => {}
            None => return Err(DeleteAccountError::RecentLoginNeeded),
        }
        let key = UserKey { email: user.email, id: user.id };
        Ok(self.delete(&key, context.locale, subject).await?)
    }

    pub(super) async fn delete(
        &self,
        key: &UserKey,
        locale: Locale,
        subject: Subject,
    ) -> Result<(), PortError> {
        let job = MailJob::AccountDeleted {
            email: key.email.clone(),
            user_id: key.id,
            deleted_at: self.now(),
            locale,
        };
        self.ports().mail_queue.enqueue(job).await?;
        // Stale: it is gone already.
        self.ports().users.delete(key).await?;
        self.erase_leftovers(&key.email, key.id, subject).await;
        self.clear_attempts(&key.email, subject).await;
        Ok(())
    }

    /// Removes what no longer works and still names somebody.
    pub(super) async fn erase_leftovers(&self, email: &Email, user_id: UserId, subject: Subject) {
        if let Err(error) = self.try_erase_leftovers(email, user_id).await {
            self.record_fault(subject, &error);
        }
    }

    pub(super) async fn try_erase_leftovers(
        &self,
        email: &Email,
        user_id: UserId,
    ) -> Result<(), PortError> {
        self.ports().sessions.end_all(user_id, None).await?;
        self.ports().reset_tokens.delete_all(email).await
    }
}

/// Either way, so that a clock set back does not make an old login recent.
fn is_recent(at: Timestamp, now: Timestamp) -> bool {
    now.since(at).max(at.since(now)) <= RECENT
}
