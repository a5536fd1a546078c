//! A mail job as a queue that outlives the process carries it: JSON with a version.

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    CredentialVersion, DisplayName, Email, JobId, Locale, MailJob, PasswordHash, SignUp, Timestamp,
    UserId,
};

/// Why a text is no mail job that this version knows. Never carries the text: it may hold an address.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum MailJobError {
    /// Version and kind are known, and what they ask for is missing or wrong.
    #[error("a mail job of version {VERSION} that cannot be read")]
    Malformed,
    /// It is no JSON object with a version and a kind.
    #[error("not a mail job")]
    NotAJob,
    /// A job of this version, and of a kind that came later.
    #[error("a mail job of another kind than this version knows")]
    UnknownKind,
    /// A job of that version, which came later or never was.
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
struct Versioned {
    version: u64,
    #[serde(flatten)]
    job: Job,
}

impl Versioned {
    #[expect(clippy::expect_used, reason = "texts and numbers under names always have a form")]
    fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a job has a form in JSON")
    }
}

const KINDS: [&str; 7] = [
    "sign_up",
    "password_reset",
    "password_changed",
    "verify_email",
    "confirm_new_email",
    "email_changed",
    "account_deleted",
];

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Job {
    SignUp(Account),
    PasswordReset {
        /// 16 bytes in unpadded base64url.
        id: String,
        email: String,
        requested_at_micros: u64,
        locale: String,
    },
    PasswordChanged(Change),
    VerifyEmail {
        /// As above; the version before named none.
        id: Option<String>,
        email: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        registered: Option<String>,
        requested_at_micros: u64,
        locale: String,
    },
    ConfirmNewEmail {
        /// As the account's row is keyed.
        email: String,
        new_email: String,
        user_id: String,
        credential_version: u64,
        requested_at_micros: u64,
        locale: String,
    },
    EmailChanged(Change),
    AccountDeleted {
        /// As the account's row was keyed.
        email: String,
        user_id: String,
        deleted_at_micros: u64,
        locale: String,
    },
}

/// The account that somebody signed up for.
#[derive(Serialize, Deserialize)]
struct Account {
    user_id: String,
    email: String,
    name: String,
    /// As a row of the account would keep it.
    password_hash: String,
    requested_at_micros: u64,
    locale: String,
}

/// What a notice tells of.
#[derive(Serialize, Deserialize)]
struct Change {
    /// As the account's row is keyed, or was.
    email: String,
    user_id: String,
    credential_version: u64,
    changed_at_micros: u64,
    locale: String,
}

impl MailJob {
    /// The job as JSON with a version, for a queue that outlives the process. Holds an address, and of a
    /// sign-up the hash of a password.
    pub fn to_json(&self) -> String {
        Versioned { version: VERSION, job: written(self) }.to_json()
    }

    /// Reads what [`MailJob::to_json`] wrote, here or in another version of this crate: a field that came
    /// later is ignored, a later version or kind is told apart from what cannot be read.
    ///
    /// # Errors
    /// [`MailJobError`] for anything else. No try mends it here; a later version may know the job.
    pub fn from_json(text: &str) -> Result<Self, MailJobError> {
        let head: Head = serde_json::from_str(text).map_err(|_| MailJobError::NotAJob)?;
        if head.version != VERSION {
            return Err(MailJobError::UnknownVersion(head.version));
        }
        if !KINDS.contains(&head.kind.as_str()) {
            return Err(MailJobError::UnknownKind);
        }
        let job = serde_json::from_str(text).map_err(|_| MailJobError::Malformed)?;
        parse(job).ok_or(MailJobError::Malformed)
    }
}

/// Two jobs are one where a queue carries one text for them.
impl PartialEq for MailJob {
    fn eq(&self, other: &Self) -> bool {
        self.to_json() == other.to_json()
    }
}

impl Eq for MailJob {}

fn written(job: &MailJob) -> Job {
    match job {
        MailJob::SignUp { sign_up, locale } => Job::SignUp(Account {
            user_id: sign_up.user_id.to_string(),
            email: sign_up.email.as_str().to_owned(),
            name: sign_up.name.as_str().to_owned(),
            password_hash: sign_up.password_hash.expose().to_owned(),
            requested_at_micros: sign_up.at.as_micros(),
            locale: locale.tag().to_owned(),
        }),
        MailJob::PasswordReset { id, email, requested_at, locale } => Job::PasswordReset {
            id: Base64UrlUnpadded::encode_string(id.as_bytes()),
            email: email.as_str().to_owned(),
            requested_at_micros: requested_at.as_micros(),
            locale: locale.tag().to_owned(),
        },
        MailJob::PasswordChanged { email, user_id, credential_version, changed_at, locale } => {
            Job::PasswordChanged(change(email, *user_id, *credential_version, *changed_at, *locale))
        }
        MailJob::VerifyEmail { id, email, registered, requested_at, locale } => Job::VerifyEmail {
            id: Some(Base64UrlUnpadded::encode_string(id.as_bytes())),
            email: email.spelling().to_owned(),
            registered: registered.map(|id| id.to_string()),
            requested_at_micros: requested_at.as_micros(),
            locale: locale.tag().to_owned(),
        },
        MailJob::ConfirmNewEmail {
            email,
            new_email,
            user_id,
            credential_version,
            requested_at,
            locale,
        } => Job::ConfirmNewEmail {
            email: email.spelling().to_owned(),
            new_email: new_email.as_str().to_owned(),
            user_id: user_id.to_string(),
            credential_version: credential_version.get(),
            requested_at_micros: requested_at.as_micros(),
            locale: locale.tag().to_owned(),
        },
        MailJob::EmailChanged { email, user_id, credential_version, changed_at, locale } => {
            Job::EmailChanged(change(email, *user_id, *credential_version, *changed_at, *locale))
        }
        MailJob::AccountDeleted { email, user_id, deleted_at, locale } => Job::AccountDeleted {
            email: email.spelling().to_owned(),
            user_id: user_id.to_string(),
            deleted_at_micros: deleted_at.as_micros(),
            locale: locale.tag().to_owned(),
        },
    }
}

fn change(
    email: &Email,
    user_id: UserId,
    version: CredentialVersion,
    at: Timestamp,
    locale: Locale,
) -> Change {
    Change {
        email: email.spelling().to_owned(),
        user_id: user_id.to_string(),
        credential_version: version.get(),
        changed_at_micros: at.as_micros(),
        locale: locale.tag().to_owned(),
    }
}

fn parse(job: Job) -> Option<MailJob> {
    Some(match job {
        Job::SignUp(account) => {
            MailJob::SignUp { locale: language(&account.locale), sign_up: sign_up(account)? }
        }
        Job::PasswordReset { id, email, requested_at_micros, locale } => MailJob::PasswordReset {
            id: job_id(&id)?,
            email: Email::parse(&email).ok()?,
            requested_at: Timestamp::from_micros(requested_at_micros),
            locale: language(&locale),
        },
        Job::PasswordChanged(change) => MailJob::PasswordChanged {
            email: spelt(&change.email)?,
            user_id: UserId::parse(&change.user_id).ok()?,
            credential_version: CredentialVersion::new(change.credential_version),
            changed_at: Timestamp::from_micros(change.changed_at_micros),
            locale: language(&change.locale),
        },
        Job::VerifyEmail { id, email, registered, requested_at_micros, locale } => {
            MailJob::VerifyEmail {
                id: job_id_or_moment(id.as_deref(), requested_at_micros)?,
                email: spelt(&email)?,
                registered: registered.map(|id| UserId::parse(&id)).transpose().ok()?,
                requested_at: Timestamp::from_micros(requested_at_micros),
                locale: language(&locale),
            }
        }
        Job::ConfirmNewEmail {
            email,
            new_email,
            user_id,
            credential_version,
            requested_at_micros,
            locale,
        } => MailJob::ConfirmNewEmail {
            email: spelt(&email)?,
            new_email: Email::parse(&new_email).ok()?,
            user_id: UserId::parse(&user_id).ok()?,
            credential_version: CredentialVersion::new(credential_version),
            requested_at: Timestamp::from_micros(requested_at_micros),
            locale: language(&locale),
        },
        Job::EmailChanged(change) => MailJob::EmailChanged {
            email: spelt(&change.email)?,
            user_id: UserId::parse(&change.user_id).ok()?,
            credential_version: CredentialVersion::new(change.credential_version),
            changed_at: Timestamp::from_micros(change.changed_at_micros),
            locale: language(&change.locale),
        },
        Job::AccountDeleted { email, user_id, deleted_at_micros, locale } => {
            MailJob::AccountDeleted {
                email: spelt(&email)?,
                user_id: UserId::parse(&user_id).ok()?,
                deleted_at: Timestamp::from_micros(deleted_at_micros),
                locale: language(&locale),
            }
        }
    })
}

fn sign_up(account: Account) -> Option<SignUp> {
    Some(SignUp {
        user_id: UserId::parse(&account.user_id).ok()?,
        email: Email::parse(&account.email).ok()?,
        name: DisplayName::parse(&account.name).ok()?,
        password_hash: PasswordHash::from_stored(account.password_hash),
        at: Timestamp::from_micros(account.requested_at_micros),
    })
}

/// A mail in another language is better than none: whatever names no language is read as the default.
fn language(tag: &str) -> Locale {
    Locale::parse(tag).unwrap_or_default()
}

fn spelt(address: &str) -> Option<Email> {
    Email::parse_with_spelling(address).ok()
}

/// Of a job without an id its moment stands for it, as it did in the version before.
fn job_id_or_moment(id: Option<&str>, micros: u64) -> Option<JobId> {
    let moment = JobId::from_bytes(u128::from(micros).to_be_bytes());
    id.map_or(Some(moment), job_id)
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

    const VERIFY: &str = r#"{"version":1,"kind":"verify_email","id":"AAECAwQFBgcICQoLDA0ODw","email":"ann@example.com","registered":"00000000-0000-4000-8000-000000000000","requested_at_micros":1700000000000003,"locale":"ko"}"#;
    const CONFIRM: &str = r#"{"version":1,"kind":"confirm_new_email","email":"ann@example.com","new_email":"anna@example.com","user_id":"00000000-0000-4000-8000-000000000000","credential_version":7,"requested_at_micros":1700000000000004,"locale":"en"}"#;
    const MOVED: &str = r#"{"version":1,"kind":"email_changed","email":"ann@example.com","user_id":"00000000-0000-4000-8000-000000000000","credential_version":8,"changed_at_micros":1700000000000005,"locale":"en"}"#;
    const DELETED: &str = r#"{"version":1,"kind":"account_deleted","email":"ann@example.com","user_id":"00000000-0000-4000-8000-000000000000","deleted_at_micros":1700000000000006,"locale":"ko"}"#;

    const SIGN_UP: &str = r#"{"version":1,"kind":"sign_up","user_id":"00000000-0000-4000-8000-000000000000","email":"ann@example.com","name":"Ann","password_hash":"$argon2id$v=19$...","requested_at_micros":1700000000000007,"locale":"ko"}"#;

    fn ann() -> Email {
        Email::parse("ann@example.com").unwrap()
    }

    fn at(micros: u64) -> Timestamp {
        Timestamp::from_micros(1_700_000_000_000_000 + micros)
    }

    fn sign_up() -> MailJob {
        MailJob::SignUp {
            sign_up: SignUp {
                user_id: UserId::from_entropy_bytes([0; 16]),
                email: ann(),
                name: DisplayName::parse("Ann").unwrap(),
                password_hash: PasswordHash::from_stored("$argon2id$v=19$..."),
                at: at(7),
            },
            locale: Locale::KO,
        }
    }

    #[test]
    fn the_bytes_of_each_kind_are_the_same_for_ever() {
        let id: [u8; 16] = std::array::from_fn(|i| i as u8);
        let reset = MailJob::PasswordReset {
            id: JobId::from_bytes(id),
            email: ann(),
            requested_at: at(1),
            locale: Locale::KO,
        };
        let changed = MailJob::PasswordChanged {
            email: ann(),
            user_id: UserId::from_entropy_bytes([0; 16]),
            credential_version: CredentialVersion::new(7),
            changed_at: at(2),
            locale: Locale::EN,
        };
        let user_id = UserId::from_entropy_bytes([0; 16]);
        let verify = MailJob::VerifyEmail {
            id: JobId::from_bytes(id),
            email: ann(),
            registered: Some(user_id),
            requested_at: at(3),
            locale: Locale::KO,
        };
        let confirm = MailJob::ConfirmNewEmail {
            email: ann(),
            new_email: Email::parse("anna@example.com").unwrap(),
            user_id,
            credential_version: CredentialVersion::new(7),
            requested_at: at(4),
            locale: Locale::EN,
        };
        let moved = MailJob::EmailChanged {
            email: ann(),
            user_id,
            credential_version: CredentialVersion::new(8),
            changed_at: at(5),
            locale: Locale::EN,
        };
        let deleted = MailJob::AccountDeleted {
            email: ann(),
            user_id,
            deleted_at: at(6),
            locale: Locale::KO,
        };
        for (job, text) in [
            (sign_up(), SIGN_UP),
            (reset, RESET),
            (changed, CHANGED),
            (verify, VERIFY),
            (confirm, CONFIRM),
            (moved, MOVED),
            (deleted, DELETED),
        ] {
            assert_eq!(job.to_json(), text);
            assert_eq!(MailJob::from_json(text), Ok(job));
        }
    }

    #[test]
    fn an_address_keeps_the_spelling_by_which_its_row_is_found() {
        for text in [CHANGED, VERIFY, CONFIRM, MOVED, DELETED] {
            let text = text.replace("\"ann@example.com", "\"Ann@Example.com");
            assert_eq!(MailJob::from_json(&text).unwrap().to_json(), text);
        }
        let canonical = CONFIRM.replace("anna@example.com", "Anna@Example.com");
        assert_eq!(MailJob::from_json(&canonical).unwrap().to_json(), CONFIRM);
    }

    #[test]
    fn a_verification_that_was_asked_for_again_names_no_account() {
        let asked = MailJob::VerifyEmail {
            id: JobId::from_bytes([7; 16]),
            email: ann(),
            registered: None,
            requested_at: at(3),
            locale: Locale::KO,
        };
        let text = asked.to_json();
        assert!(!text.contains("registered"));
        assert_eq!(MailJob::from_json(&text), Ok(asked));
    }

    #[test]
    fn a_verification_of_the_version_before_is_named_by_its_moment() {
        let text = VERIFY.replace(r#""id":"AAECAwQFBgcICQoLDA0ODw","#, "");
        let named = |text: &str| match MailJob::from_json(text) {
            Ok(MailJob::VerifyEmail { id, .. }) => *id.as_bytes(),
            job => panic!("{job:?}"),
        };
        assert_eq!(named(&text), u128::from(at(3).as_micros()).to_be_bytes());
        assert_ne!(named(&text), named(&text.replace("000003", "000004")));
    }

    #[test]
    fn a_field_of_a_later_version_is_ignored() {
        let text = RESET.replace(r#""locale""#, r#""priority":9,"locale""#);
        let job = MailJob::from_json(RESET);
        assert!(job.is_ok());
        assert_eq!(MailJob::from_json(&text), job);
    }

    #[test]
    fn a_job_in_a_language_that_is_not_known_here_is_not_lost() {
        for (tag, read) in [("xx", "xx"), ("pt-BR", "pt-BR"), ("", "en"), ("?", "en")] {
            let text = RESET.replace("\"ko\"", &format!("\"{tag}\""));
            match MailJob::from_json(&text) {
                Ok(MailJob::PasswordReset { locale, .. }) => assert_eq!(locale.tag(), read),
                job => panic!("{job:?}"),
            }
        }
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
            (RESET.replace("1700000000000001", "-1"), Malformed),
            (CHANGED.replace("-4000-", "-"), Malformed),
            (VERIFY.replace("-4000-", "-"), Malformed),
            (VERIFY.replace("AAECAwQFBgcICQoLDA0ODw", "AAECAwQFBgcICQoLDA0"), Malformed),
            (CONFIRM.replace("anna@example.com", "anna"), Malformed),
            (CONFIRM.replace(r#""credential_version":7,"#, ""), Malformed),
            (MOVED.replace("ann@example.com", "ann"), Malformed),
            (DELETED.replace("1700000000000006", "\"soon\""), Malformed),
        ] {
            assert_eq!(MailJob::from_json(&text), Err(why), "{text}");
        }
    }
}
