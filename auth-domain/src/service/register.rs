use std::time::Duration;

use thiserror::Error;

use super::span::use_case;
use super::{Auth, Subject, refuses};
use crate::ports::Insert;
use crate::{
    DisplayName, Email, EmailVerification, ErrorCode, EventKind, JobId, MailJob, Password,
    PolicyViolation, PortError, RegistrationMode, RequestContext, SignUp, UserId,
};

/// What somebody signs up with.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers build it: a new field is a new question to them"
)]
pub struct RegisterRequest {
    /// The address.
    pub email: Email,
    /// The password.
    pub password: Password,
    /// The name.
    pub name: DisplayName,
}

/// What came of a good sign-up.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "callers must decide on both")]
pub enum Registration {
    /// The account is made.
    Made(Registered),
    /// A job is queued, since [`RegistrationMode::Private`] is chosen. [`Auth::deliver`] makes the account if the
    /// address is free, and only its mail to the address tells; until the link in that is used nobody logs in.
    /// Show "look at your mail", and offer [`Auth::request_verification`] to whom none comes.
    Mailed,
}

/// A new account.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Registered {
    /// Its id.
    pub user_id: UserId,
    /// Its canonical address.
    pub email: Email,
    /// Its name.
    pub name: DisplayName,
}

/// Why nobody was signed up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// Another account has the address. Tells who has one; the replaced system's clients rely on it. Never
    /// where [`RegistrationMode::Private`] is chosen.
    #[error("the address is taken")]
    EmailTaken,
    /// No place to hash in.
    #[error("too many passwords are being hashed")]
    Overloaded {
        /// When to try again.
        retry_after: Duration,
    },
    /// The policy refuses the password, or it leaked.
    #[error("the password is refused: {0}")]
    PasswordRefused(#[from] PolicyViolation),
    /// An adapter failed. Whether the account was made is not known.
    #[error(transparent)]
    Port(#[from] PortError),
    /// Too many sign-ups from this source, or from everybody.
    #[error("too many sign-ups from one source, or from everybody")]
    RateLimited {
        /// When to try again.
        retry_after: Duration,
    },
}

impl RegisterError {
    /// The stable code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::EmailTaken => ErrorCode::EmailTaken,
            Self::Overloaded { .. } => ErrorCode::Overloaded,
            Self::PasswordRefused(violation) => violation.code(),
            Self::Port(error) => error.code(),
            Self::RateLimited { .. } => ErrorCode::RateLimited,
        }
    }
}

impl PolicyViolation {
    /// The stable code.
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::Breached => ErrorCode::PasswordBreached,
            Self::Common => ErrorCode::PasswordCommon,
            Self::ContextWord => ErrorCode::PasswordContextWord,
            Self::ControlCharacter => ErrorCode::PasswordControlCharacter,
            Self::ForbiddenCharacter => ErrorCode::PasswordForbiddenCharacter,
            Self::TooLong { .. } => ErrorCode::PasswordTooLong,
            Self::TooShort { .. } => ErrorCode::PasswordTooShort,
        }
    }
}

refuses!(RegisterError: Limited::RateLimited, Crowded::Overloaded);

impl Auth {
    /// Makes an account, if the address is free and the password good enough.
    ///
    /// One insert decides: of any number of callers with one address exactly one succeeds. Whether the
    /// password leaked is asked before any place to hash is held.
    ///
    /// Where registration is private the request does not look for the account at all, whatever the
    /// address: it hashes and queues a [`MailJob::SignUp`]. [`Auth::deliver`] makes the account, and mails
    /// the link that confirms the address, or tells its owner that he has one. `Ok` means that the job is
    /// queued.
    ///
    /// In an open one a mail to confirm the address that could not be queued leaves the account made; its
    /// owner asks for another mail.
    ///
    /// # Errors
    /// [`RegisterError`]. After [`RegisterError::Port`] the account may exist, or come to: in an open
    /// registration logging in tells; in a private one sign up again.
    pub async fn register(
        &self,
        request: RegisterRequest,
        context: &RequestContext,
    ) -> Result<Registration, RegisterError> {
        use_case!(self, context, "register", async {
            let subject = self.subject(Some(&request.email), context);
            let outcome = self.try_register(request, context, subject).await;
            if let Err(error) = &outcome {
                if let RegisterError::Port(fault) = error {
                    self.record_fault(subject, fault);
                }
                self.record(subject, EventKind::RegisterRefused { code: error.code() });
            }
            outcome
        })
    }

    async fn try_register(
        &self,
        request: RegisterRequest,
        context: &RequestContext,
        subject: Subject,
    ) -> Result<Registration, RegisterError> {
        let RegisterRequest { email, password, name } = request;
        let limits = &self.settings().limits;
        self.limit_source("register", limits.register_per_source, context).await?;
        self.limit_everybody("register", limits.registrations_global, context).await?;
        self.settings().password_policy.check(&password, &email, &name)?;
        self.refuse_breached::<RegisterError>(&password, subject).await?;
        let sign_up = SignUp {
            user_id: UserId::from_entropy_bytes(self.entropy()?),
            password_hash: self.reserve_hash()?.hash(password).await?,
            email,
            name,
            at: self.now(),
        };
        match self.settings().registration {
            RegistrationMode::Open => self.sign_up(sign_up, context, subject).await,
            RegistrationMode::Private => {
                let job = MailJob::SignUp { sign_up, locale: context.locale };
                self.ports().mail_queue.enqueue(job).await?;
                self.record(subject, EventKind::RegistrationRequested);
                Ok(Registration::Mailed)
            }
        }
    }

    async fn sign_up(
        &self,
        sign_up: SignUp,
        context: &RequestContext,
        subject: Subject,
    ) -> Result<Registration, RegisterError> {
        let SignUp { user_id, email, name, .. } = sign_up.clone();
        if self.ports().users.insert(sign_up.into()).await? == Insert::EmailTaken {
            return Err(RegisterError::EmailTaken);
        }
        let subject = Subject { user_id: Some(user_id), ..subject };
        self.record(subject, EventKind::Registered);
        self.ask_to_verify(&email, user_id, context, subject).await;
        Ok(Registration::Made(Registered { user_id, email, name }))
    }

    async fn ask_to_verify(
        &self,
        email: &Email,
        user_id: UserId,
        context: &RequestContext,
        subject: Subject,
    ) {
        if self.settings().email_verification == EmailVerification::NotAsked {
            return;
        }
        let job = MailJob::VerifyEmail {
            id: JobId::of(user_id),
            email: email.clone(),
            registered: Some(user_id),
            requested_at: self.now(),
            locale: context.locale,
        };
        if let Err(error) = self.ports().mail_queue.enqueue(job).await {
            self.record_fault(subject, &error);
        }
    }
}
