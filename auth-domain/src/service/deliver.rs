use std::cmp::Ordering;
use std::time::Duration;

use thiserror::Error;

use super::span::use_case;
use super::{Auth, Subject, is_corrupt};
use crate::link::LinkClaims;
use crate::named::named;
use crate::ports::{Insert, Put, RateDecision};
use crate::{
    CredentialVersion, Email, EmailChangeToken, ErrorCode, EventKind, JobId, LinkMail, Locale,
    MailContent, MailJob, NoticeMail, OutgoingEmail, PortError, RateLimit, RequestContext,
    ResetRecord, ResetToken, Settings, SignUp, Timestamp, User, UserId, VerificationToken,
};

/// What came of a mail job that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delivery {
    /// A mail was accepted by the mail service.
    Sent,
    /// There was nothing to send.
    Skipped(SkipReason),
}

named! {
    /// Why a mail job had nothing to send.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum SkipReason {
        /// The account is disabled.
        Disabled = "disabled",
        /// The link would have expired before it was sent.
        Expired = "expired",
        /// The address is confirmed already.
        AlreadyVerified = "already_verified",
        /// The address, or everyone together, had enough mails; what was sent before stays good.
        MailCap = "mail_cap",
        /// The change that the notice tells of did not happen.
        NeverHappened = "never_happened",
        /// The link was used: this job ran before.
        Spent = "spent",
        /// A newer link is out, or the password was changed since: this one would be dead on arrival.
        Superseded = "superseded",
        /// No account has the address.
        UnknownAccount = "unknown_account",
    }
}

/// Why a mail job is not done.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// The change that the notice tells of is not yet to be seen.
    #[error("the change is not yet to be seen")]
    NotYet,
    /// An adapter failed. Where that is not transient it is about the set-up and no fault of this mail's: a
    /// queue that can should keep the job until somebody mended it.
    #[error(transparent)]
    Port(PortError),
    /// This mail cannot be sent, whoever tries: the mail service refused it for good, or a row of its account
    /// cannot be read.
    #[error("the mail cannot be sent")]
    Undeliverable(#[source] PortError),
}

impl DeliveryError {
    /// Whether to run the job again later is worth it.
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::NotYet => true,
            Self::Port(error) => error.is_transient(),
            Self::Undeliverable(_) => false,
        }
    }
}

/// Of the stores.
impl From<PortError> for DeliveryError {
    fn from(error: PortError) -> Self {
        if is_corrupt(&error) { Self::Undeliverable(error) } else { Self::Port(error) }
    }
}

/// When a mail was asked for, and in which language.
#[derive(Clone, Copy)]
struct Asked {
    at: Timestamp,
    locale: Locale,
}

/// What an address is told of, and in whose account.
#[derive(Clone, Copy)]
struct Notice<'a> {
    kind: &'static str,
    email: &'a Email,
    user_id: UserId,
    change: Change,
}

/// The change that a notice tells of.
#[derive(Clone, Copy)]
struct Change {
    version: CredentialVersion,
    at: Timestamp,
}

/// What a deletion leads to: no later version, and no session that outlives it.
const LAST: CredentialVersion = CredentialVersion::new(u64::MAX);

/// How long a queue keeps trying (`adapters-sql`, and the template of `deploy`).
const LONGEST_IN_A_QUEUE: Duration = Duration::from_hours(4 * 24);

/// A change that is not seen by then was never made: its request ended between queueing the notice and
/// writing.
const NOTICE_PATIENCE: Duration = Duration::from_mins(10);

impl Auth {
    /// The worker's half: does one mail job. Twice, late and out of order are harmless: a job that runs
    /// twice makes one account and sends the same link, a job older than the newest link sends nothing, and a link that was
    /// used does not come back to life.
    ///
    /// # Errors
    /// [`DeliveryError`]: a transient one asks to be run again later.
    pub async fn deliver(&self, job: &MailJob) -> Result<Delivery, DeliveryError> {
        use_case!(self, &RequestContext::new(), "deliver", async {
            let mut subject = self.subject(Some(job.email()), &RequestContext::new());
            let outcome = self.try_deliver(job, &mut subject).await;
            let kind = match &outcome {
                Ok(Delivery::Sent) => EventKind::MailSent,
                Ok(Delivery::Skipped(reason)) => EventKind::MailSkipped { reason: *reason },
                Err(DeliveryError::NotYet) => EventKind::MailWaits,
                Err(DeliveryError::Port(fault)) => {
                    self.record_fault(subject, fault);
                    EventKind::MailFailed { transient: true }
                }
                Err(DeliveryError::Undeliverable(fault)) => {
                    self.record_fault(subject, fault);
                    EventKind::MailFailed { transient: false }
                }
            };
            self.record(subject, kind);
            outcome
        })
    }

    async fn try_deliver(
        &self,
        job: &MailJob,
        subject: &mut Subject,
    ) -> Result<Delivery, DeliveryError> {
        let templates = &self.settings().templates;
        match job {
            MailJob::PasswordReset { id, email, requested_at, locale } => {
                let token = ResetToken::derive(&self.inner.reset_keys.current, *id, email.clone());
                self.deliver_reset(token, *requested_at, *locale, subject).await
            }
            MailJob::SignUp { sign_up, locale } => {
                let asked = Asked { at: sign_up.at, locale: *locale };
                self.make_account(sign_up, *subject).await?;
                let (email, user_id) = (&sign_up.email, sign_up.user_id);
                let id = JobId::of(user_id);
                self.deliver_verification(id, email, Some(user_id), asked, subject).await
            }
            MailJob::VerifyEmail { id, email, registered, requested_at, locale } => {
                let asked = Asked { at: *requested_at, locale: *locale };
                self.deliver_verification(*id, email, *registered, asked, subject).await
            }
            MailJob::ConfirmNewEmail {
                email,
                new_email,
                user_id,
                credential_version,
                requested_at,
                locale,
            } => {
                subject.user_id = Some(*user_id);
                let asked = Asked { at: *requested_at, locale: *locale };
                let claims = self.link_claims(email, *user_id, *credential_version, *requested_at);
                self.deliver_confirmation(claims, new_email, asked, *subject).await
            }
            MailJob::PasswordChanged { email, user_id, credential_version, changed_at, locale } => {
                subject.user_id = Some(*user_id);
                let change = Change { version: *credential_version, at: *changed_at };
                let notice = Notice { kind: "changed", email, user_id: *user_id, change };
                let content = || templates.password_changed(&NoticeMail { locale: *locale });
                self.deliver_notice(notice, content, *subject).await
            }
            MailJob::EmailChanged { email, user_id, credential_version, changed_at, locale } => {
                subject.user_id = Some(*user_id);
                let change = Change { version: *credential_version, at: *changed_at };
                let notice = Notice { kind: "moved", email, user_id: *user_id, change };
                let content = || templates.email_changed(&NoticeMail { locale: *locale });
                self.deliver_farewell(notice, content, *subject).await
            }
            MailJob::AccountDeleted { email, user_id, deleted_at, locale } => {
                subject.user_id = Some(*user_id);
                let change = Change { version: LAST, at: *deleted_at };
                let notice = Notice { kind: "deleted", email, user_id: *user_id, change };
                let content = || templates.account_deleted(&NoticeMail { locale: *locale });
                // It moved away instead.
                if self.ports().users.find_by_id(*user_id).await?.is_some_and(|u| u.email != *email)
                {
                    return Ok(Delivery::Skipped(SkipReason::NeverHappened));
                }
                self.deliver_farewell(notice, content, *subject).await
            }
        }
    }

    async fn deliver_reset(
        &self,
        token: ResetToken,
        requested_at: Timestamp,
        locale: Locale,
        subject: &mut Subject,
    ) -> Result<Delivery, DeliveryError> {
        let expires_at = requested_at + self.settings().reset_link_life;
        if self.now() >= expires_at {
            return Ok(Delivery::Skipped(SkipReason::Expired));
        }
        let Some(user) = self.ports().users.find_by_email(token.email()).await? else {
            return Ok(Delivery::Skipped(SkipReason::UnknownAccount));
        };
        subject.user_id = Some(user.id);
        if user.disabled {
            return Ok(Delivery::Skipped(SkipReason::Disabled));
        }
        if user.updated_at > requested_at {
            return Ok(Delivery::Skipped(SkipReason::Superseded));
        }
        let record = reset_record(&user, &token, requested_at, expires_at);
        if let Some(reason) = self.put_record(record, *subject).await? {
            return Ok(Delivery::Skipped(reason));
        }
        let mail = LinkMail {
            locale,
            link: self.settings().reset_link_base.link(&token.expose()),
            life: self.settings().reset_link_life,
        };
        self.send(token.email(), self.settings().templates.password_reset(&mail)).await
    }

    /// Makes the link live, or says why no mail is to be sent. Mails are counted before anything is
    /// written: a request beyond the cap leaves the last link that was sent alive.
    async fn put_record(
        &self,
        record: ResetRecord,
        subject: Subject,
    ) -> Result<Option<SkipReason>, PortError> {
        let newest = self.ports().reset_tokens.newest(&record.email).await?;
        match newest {
            Some(newest) if newest.digest == record.digest => {
                return Ok(newest.used.then_some(SkipReason::Spent));
            }
            Some(newest) if newest.age() > record.age() => {
                return Ok(Some(SkipReason::Superseded));
            }
            _ => {}
        }
        if !self.within_mail_caps("reset", &record.email, subject).await? {
            return Ok(Some(SkipReason::MailCap));
        }
        // Already there although it is not the newest: this job ran before, and so did a later one.
        let put = self.ports().reset_tokens.put(record).await?;
        Ok((put == Put::AlreadyThere).then_some(SkipReason::Superseded))
    }

    /// Each kind of mail has caps of its own: what strangers ask for must not keep an owner from his reset
    /// link.
    async fn within_mail_caps(
        &self,
        kind: &str,
        email: &Email,
        subject: Subject,
    ) -> Result<bool, PortError> {
        let everyone = self.limit_key("mail-global", kind);
        Ok(self.within_address_cap(kind, email, subject).await?
            && self.hit(everyone, self.settings().limits.mails_global, subject).await?
                == RateDecision::Allow)
    }

    async fn within_address_cap(
        &self,
        kind: &str,
        email: &Email,
        subject: Subject,
    ) -> Result<bool, PortError> {
        let address = self.limit_key("mail-address", &format!("{kind} {}", email.as_str()));
        let limit = self.settings().limits.mails_per_address;
        Ok(self.hit(address, limit, subject).await? == RateDecision::Allow)
    }

    /// As the caps say; but a job that runs again, because its mail could not be sent, is counted once. `job`
    /// names it: by its moment alone, what a botnet asks for at one instant would pass for a single job.
    ///
    /// A limiter remembers what it let through and not what it denied: a job that a cap denied, and that its
    /// queue then hands out once more all the same, is let through.
    async fn may_mail(
        &self,
        kind: &str,
        email: &Email,
        job: &str,
        subject: Subject,
    ) -> Result<bool, PortError> {
        Ok(!self.is_first_run(kind, email, job, subject).await?
            || self.within_mail_caps(kind, email, subject).await?)
    }

    /// A notice is capped by address alone. By a cap for everybody, whoever takes an account over could keep
    /// its owner from being told, by changes in accounts of his own. Nor does a limiter that is down keep it
    /// back: nobody guesses by being told.
    async fn may_tell(&self, notice: &Notice<'_>, subject: Subject) -> bool {
        self.is_below_cap(notice, subject).await.unwrap_or_else(|fault| {
            self.record_without(&fault, subject, EventKind::LimitsUnavailable);
            true
        })
    }

    async fn is_below_cap(&self, notice: &Notice<'_>, subject: Subject) -> Result<bool, PortError> {
        let Notice { kind, email, user_id, change } = *notice;
        let job = format!("{user_id} {} {}", change.version.get(), change.at.as_micros());
        Ok(!self.is_first_run(kind, email, &job, subject).await?
            || self.within_address_cap(kind, email, subject).await?)
    }

    async fn is_first_run(
        &self,
        kind: &str,
        email: &Email,
        job: &str,
        subject: Subject,
    ) -> Result<bool, PortError> {
        let job = format!("{kind} {job} {}", email.as_str());
        let once = RateLimit::new(1, LONGEST_IN_A_QUEUE);
        let answer = self.hit(self.limit_key("mail-job", &job), Some(once), subject).await?;
        Ok(answer == RateDecision::Allow)
    }

    /// One insert decides, as it does for an open registration. A job that runs again finds the account
    /// that it made.
    async fn make_account(&self, sign_up: &SignUp, subject: Subject) -> Result<(), PortError> {
        if self.ports().users.insert(sign_up.clone().into()).await? == Insert::Inserted {
            let subject = Subject { user_id: Some(sign_up.user_id), ..subject };
            self.record(subject, EventKind::Registered);
        }
        Ok(())
    }

    /// The link that confirms an address. Somebody who signed up with an address that has an account
    /// gets no link to confirm that with: its owner is told that he has one.
    async fn deliver_verification(
        &self,
        id: JobId,
        email: &Email,
        registered: Option<UserId>,
        asked: Asked,
        subject: &mut Subject,
    ) -> Result<Delivery, DeliveryError> {
        let expires_at = asked.at + self.settings().verification_link_life;
        if self.now() >= expires_at {
            return Ok(Delivery::Skipped(SkipReason::Expired));
        }
        let Some(user) = self.ports().users.find_by_email(email).await? else {
            return Ok(Delivery::Skipped(SkipReason::UnknownAccount));
        };
        subject.user_id = Some(user.id);
        let another = registered.is_some_and(|id| id != user.id);
        if user.disabled {
            return Ok(Delivery::Skipped(SkipReason::Disabled));
        }
        if !another && user.email_verified_at.is_some() {
            return Ok(Delivery::Skipped(SkipReason::AlreadyVerified));
        }
        let kind = if another { "exists" } else { "verify" };
        let job = u128::from_be_bytes(*id.as_bytes()).to_string();
        if !self.may_mail(kind, email, &job, *subject).await? {
            return Ok(Delivery::Skipped(SkipReason::MailCap));
        }
        let Settings { templates, verification_link_base, .. } = self.settings();
        if another {
            let notice = NoticeMail { locale: asked.locale };
            let sent = self.send(email, templates.account_exists(&notice)).await?;
            // Once, however often the mail was tried.
            let code = ErrorCode::EmailTaken;
            self.record(*subject, EventKind::RegisterRefused { code });
            return Ok(sent);
        }
        let claims = self.link_claims(&user.email, user.id, user.credential_version, asked.at);
        let key = &self.inner.verification_keys.current;
        let link = verification_link_base.link(&VerificationToken::sign(key, claims).expose());
        let life = self.settings().verification_link_life;
        let mail = LinkMail { locale: asked.locale, link, life };
        self.send(email, templates.verify_email(&mail)).await
    }

    /// The link that moves an account. Whether the new address is free is looked at when it is used:
    /// its reader is the one who may learn it.
    async fn deliver_confirmation(
        &self,
        claims: LinkClaims,
        new_email: &Email,
        asked: Asked,
        subject: Subject,
    ) -> Result<Delivery, DeliveryError> {
        if self.now() >= claims.expires_at {
            return Ok(Delivery::Skipped(SkipReason::Expired));
        }
        let found = self.ports().users.find_by_email(&claims.email).await?;
        let current = found.is_some_and(|user| {
            user.id == claims.user_id && user.credential_version == claims.credential_version
        });
        if !current {
            return Ok(Delivery::Skipped(SkipReason::Superseded));
        }
        let job = format!("{} {}", claims.user_id, asked.at.as_micros());
        if !self.may_mail("move", new_email, &job, subject).await? {
            return Ok(Delivery::Skipped(SkipReason::MailCap));
        }
        let Settings { templates, email_change_link_base, .. } = self.settings();
        let key = &self.inner.email_change_keys.current;
        let token = EmailChangeToken::sign(key, claims, new_email.clone());
        let link = email_change_link_base.link(&token.expose());
        let life = self.settings().verification_link_life;
        let mail = LinkMail { locale: asked.locale, link, life };
        self.send(new_email, templates.confirm_new_email(&mail)).await
    }

    fn link_claims(
        &self,
        email: &Email,
        user_id: UserId,
        credential_version: CredentialVersion,
        asked_at: Timestamp,
    ) -> LinkClaims {
        let expires_at = asked_at + self.settings().verification_link_life;
        LinkClaims { user_id, credential_version, expires_at, email: email.clone() }
    }

    /// Tells an address that its account is gone from there, and removes what is left of it there.
    async fn deliver_farewell(
        &self,
        notice: Notice<'_>,
        content: impl FnOnce() -> MailContent,
        subject: Subject,
    ) -> Result<Delivery, DeliveryError> {
        let Notice { email, user_id, change, .. } = notice;
        let found = self.ports().users.find_by_email(email).await?;
        if let Some(user) = found.filter(|user| user.id == user_id) {
            return self.tell_of(notice, &user, content, subject).await;
        }
        let older_than = (change.version != LAST).then_some(change.version);
        self.erase_leftovers(email, user_id, older_than).await?;
        self.tell(notice, content, subject).await
    }

    async fn deliver_notice(
        &self,
        notice: Notice<'_>,
        content: impl FnOnce() -> MailContent,
        subject: Subject,
    ) -> Result<Delivery, DeliveryError> {
        let found = self.ports().users.find_by_email(notice.email).await?;
        let Some(user) = found.filter(|user| user.id == notice.user_id) else {
            return Ok(Delivery::Skipped(SkipReason::UnknownAccount));
        };
        self.tell_of(notice, &user, content, subject).await
    }

    /// Once the account shows the change; not of one that it will never show.
    async fn tell_of(
        &self,
        notice: Notice<'_>,
        user: &User,
        content: impl FnOnce() -> MailContent,
        subject: Subject,
    ) -> Result<Delivery, DeliveryError> {
        let Change { version, at } = notice.change;
        match user.credential_version.cmp(&version) {
            Ordering::Less if self.now().since(at) < NOTICE_PATIENCE => Err(DeliveryError::NotYet),
            Ordering::Less => Ok(Delivery::Skipped(SkipReason::NeverHappened)),
            // Two calls may race to one version; the row tells whose change it is.
            Ordering::Equal if user.updated_at != at => {
                Ok(Delivery::Skipped(SkipReason::NeverHappened))
            }
            Ordering::Equal | Ordering::Greater => self.tell(notice, content, subject).await,
        }
    }

    async fn tell(
        &self,
        notice: Notice<'_>,
        content: impl FnOnce() -> MailContent,
        subject: Subject,
    ) -> Result<Delivery, DeliveryError> {
        if !self.may_tell(&notice, subject).await {
            return Ok(Delivery::Skipped(SkipReason::MailCap));
        }
        self.send(notice.email, content()).await
    }

    async fn send(&self, to: &Email, content: MailContent) -> Result<Delivery, DeliveryError> {
        match self.ports().mailer.send(&OutgoingEmail::new(to.clone(), content)).await {
            Ok(()) => Ok(Delivery::Sent),
            Err(error) if error.is_transient() => Err(DeliveryError::Port(error)),
            Err(error) => Err(DeliveryError::Undeliverable(error)),
        }
    }
}

fn reset_record(
    user: &User,
    token: &ResetToken,
    created_at: Timestamp,
    expires_at: Timestamp,
) -> ResetRecord {
    ResetRecord {
        email: user.email.clone(),
        digest: token.digest(),
        user_id: user.id,
        credential_version: user.credential_version,
        created_at,
        expires_at,
        used: false,
    }
}
