//! A mail job as a message carries it: JSON with a version.

use auth_domain::{CredentialVersion, Email, JobId, Locale, MailJob, Timestamp, UserId};
use base64ct::{Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a message is no mail job that this version knows. Never carries the message: it holds an address.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(super) enum MailJobError {
    #[error("a mail job of version {VERSION} that cannot be read")]
    Malformed,
    #[error("not a mail job")]
    NotAJob,
    #[error("a mail job of another kind than this version knows")]
    UnknownKind,
    #[error("a mail job of version {0}, and this one knows {VERSION}")]
    UnknownVersion(u64),
}

/// A change that an older worker would misread takes the next number; a field that it may ignore does not.
const VERSION: u64 = 1;

#[derive(Deserialize)]
struct Head {
    version: u64,
    kind: String,
}

#[derive(Serialize)]
struct Message {
    version: u64,
    #[serde(flatten)]
    job: Job,
}

const KINDS: [&str; 2] = ["password_reset", "password_changed"];

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Job {
    PasswordReset {
        /// 16 bytes in unpadded base64url.
        id: String,
        email: String,
        requested_at_micros: u64,
        locale: String,
    },
    PasswordChanged {
        email: String,
        user_id: String,
        credential_version: u64,
        changed_at_micros: u64,
        locale: String,
    },
}

/// A job as the body of a message.
pub(super) fn write(job: &MailJob) -> Result<String, MailJobError> {
    let job = match job {
        MailJob::PasswordReset { id, email, requested_at, locale } => Job::PasswordReset {
            id: Base64UrlUnpadded::encode_string(id.as_bytes()),
            email: email.as_str().to_owned(),
            requested_at_micros: requested_at.as_micros(),
            locale: locale.tag().to_owned(),
        },
        MailJob::PasswordChanged { email, user_id, credential_version, changed_at, locale } => {
            Job::PasswordChanged {
                email: email.as_str().to_owned(),
                user_id: user_id.to_string(),
                credential_version: credential_version.get(),
                changed_at_micros: changed_at.as_micros(),
                locale: locale.tag().to_owned(),
            }
        }
        _ => return Err(MailJobError::UnknownKind),
    };
    serde_json::to_string(&Message { version: VERSION, job }).map_err(|_| MailJobError::Malformed)
}

/// The job in the body of a message. Fields that this version does not know are ignored.
pub(super) fn read(body: &str) -> Result<MailJob, MailJobError> {
    let head: Head = serde_json::from_str(body).map_err(|_| MailJobError::NotAJob)?;
    if head.version != VERSION {
        return Err(MailJobError::UnknownVersion(head.version));
    }
    if !KINDS.contains(&head.kind.as_str()) {
        return Err(MailJobError::UnknownKind);
    }
    let job = serde_json::from_str(body).map_err(|_| MailJobError::Malformed)?;
    parse(job).ok_or(MailJobError::Malformed)
}

fn parse(job: Job) -> Option<MailJob> {
    Some(match job {
        Job::PasswordReset { id, email, requested_at_micros, locale } => MailJob::PasswordReset {
            id: job_id(&id)?,
            email: Email::parse(&email).ok()?,
            requested_at: Timestamp::from_micros(requested_at_micros),
            locale: Locale::from_tag(&locale)?,
        },
        Job::PasswordChanged { email, user_id, credential_version, changed_at_micros, locale } => {
            MailJob::PasswordChanged {
                email: Email::parse(&email).ok()?,
                user_id: UserId::parse(&user_id).ok()?,
                credential_version: CredentialVersion::new(credential_version),
                changed_at: Timestamp::from_micros(changed_at_micros),
                locale: Locale::from_tag(&locale)?,
            }
        }
    })
}

fn job_id(text: &str) -> Option<JobId> {
    let mut bytes = [0; 16];
    let decoded = Base64UrlUnpadded::decode(text, &mut bytes).ok()?;
    (decoded.len() == 16).then_some(JobId::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESET: &str = r#"{"version":1,"kind":"password_reset","id":"AAECAwQFBgcICQoLDA0ODw","email":"ann@example.com","requested_at_micros":1700000000000001,"locale":"ko"}"#;
    const CHANGED: &str = r#"{"version":1,"kind":"password_changed","email":"ann@example.com","user_id":"00000000-0000-4000-8000-000000000000","credential_version":7,"changed_at_micros":1700000000000002,"locale":"en"}"#;

    #[test]
    fn the_bytes_of_each_kind_are_the_same_for_ever() {
        let id: [u8; 16] = std::array::from_fn(|i| i as u8);
        let reset = MailJob::PasswordReset {
            id: JobId::from_bytes(id),
            email: Email::parse("ann@example.com").unwrap(),
            requested_at: Timestamp::from_micros(1_700_000_000_000_001),
            locale: Locale::Ko,
        };
        let changed = MailJob::PasswordChanged {
            email: Email::parse("ann@example.com").unwrap(),
            user_id: UserId::from_entropy_bytes([0; 16]),
            credential_version: CredentialVersion::new(7),
            changed_at: Timestamp::from_micros(1_700_000_000_000_002),
            locale: Locale::En,
        };
        for (job, text) in [(reset, RESET), (changed, CHANGED)] {
            assert_eq!(write(&job).as_deref(), Ok(text));
            assert_eq!(read(text), Ok(job));
        }
    }

    #[test]
    fn a_field_of_a_later_version_is_ignored() {
        let text = RESET.replace(r#""locale""#, r#""priority":9,"locale""#);
        assert_eq!(read(&text), read(RESET));
    }

    #[test]
    fn what_is_no_job_of_this_version_is_told_apart() {
        use MailJobError::{Malformed, NotAJob, UnknownKind, UnknownVersion};
        for (text, why) in [
            (String::new(), NotAJob),
            ("hello".to_owned(), NotAJob),
            ("[]".to_owned(), NotAJob),
            (RESET.replace(r#""version":1,"#, ""), NotAJob),
            (RESET.replace(r#""version":1"#, r#""version":2"#), UnknownVersion(2)),
            (RESET.replace("password_reset", "newsletter"), UnknownKind),
            (RESET.replace("ann@example.com", "ann"), Malformed),
            (RESET.replace("AAECAwQFBgcICQoLDA0ODw", "AAECAwQFBgcICQoLDA0"), Malformed),
            (RESET.replace("AAECAwQFBgcICQoLDA0ODw", "AAECAwQFBgcICQoLDA0OD="), Malformed),
            (RESET.replace("\"ko\"", "\"xx\""), Malformed),
            (RESET.replace("1700000000000001", "-1"), Malformed),
            (CHANGED.replace("-4000-", "-"), Malformed),
        ] {
            assert_eq!(read(&text), Err(why), "{text}");
        }
    }
}
