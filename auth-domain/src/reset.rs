use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::rate::hmac_sha256;
use crate::tagged_secret::TaggedSecret;
use crate::{CredentialVersion, Email, Locale, SignUp, Timestamp, UserId};

/// Names one mail job for ever: 16 random bytes. A job that runs twice has the same name, and so
/// sends the same link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId([u8; 16]);

impl JobId {
    /// Makes an id of 16 bytes from the [`Entropy`](crate::ports::Entropy) port, or reads a queued one.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The id of the one job that a sign-up queues.
    pub(crate) const fn of(user_id: UserId) -> Self {
        Self(*user_id.as_bytes())
    }

    /// The id as a queue carries it.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// Work that a request leaves to a worker, so that no request waits for a mail, and none tells by its
/// length whether there was one to send. Holds an address; of secrets a [`MailJob::SignUp`] alone holds
/// one, the hash of a password.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum MailJob {
    /// Send a reset link, if the address has an account that can use one.
    PasswordReset {
        /// Names the job, and with it the link.
        id: JobId,
        /// The address that asked; not known to have an account.
        email: Email,
        /// When it asked: decides which of several links is the newest.
        requested_at: Timestamp,
        /// The language of the mail.
        locale: Locale,
    },
    /// Tell the owner that the password was reset or changed, once that is seen to have happened.
    PasswordChanged {
        /// The account's address.
        email: Email,
        /// The account.
        user_id: UserId,
        /// The credential version that the change leads to.
        credential_version: CredentialVersion,
        /// When the change was made.
        changed_at: Timestamp,
        /// The language of the mail.
        locale: Locale,
    },
    /// Make the account that somebody signed up for where registration is private, if the address is free,
    /// and send a link that confirms it; or tell its owner that he has one.
    SignUp {
        /// The account to be.
        sign_up: SignUp,
        /// The language of the mail.
        locale: Locale,
    },
    /// Send a link that confirms the address, if it has an account whose address is not confirmed.
    VerifyEmail {
        /// Names the job, so that a mail which is tried again is counted once.
        id: JobId,
        /// The address; not known to have an account.
        email: Email,
        /// The account that a sign-up would have made. If the address has another, its owner is told that
        /// he has one.
        registered: Option<UserId>,
        /// When it was asked for.
        requested_at: Timestamp,
        /// The language of the mail.
        locale: Locale,
    },
    /// Send a link that moves an account to a new address, to that address.
    ConfirmNewEmail {
        /// The account's address, with its spelling.
        email: Email,
        /// The new address; not known to be free.
        new_email: Email,
        /// The account.
        user_id: UserId,
        /// Its credential version when it asked.
        credential_version: CredentialVersion,
        /// When it asked.
        requested_at: Timestamp,
        /// The language of the mail.
        locale: Locale,
    },
    /// Tell the old address that its account moved away, once that is seen to have happened.
    EmailChanged {
        /// The old address.
        email: Email,
        /// The account.
        user_id: UserId,
        /// The credential version that the change leads to.
        credential_version: CredentialVersion,
        /// When the change was made.
        changed_at: Timestamp,
        /// The language of the mail.
        locale: Locale,
    },
    /// Tell the owner that his account was deleted, once that is seen to have happened, and remove what is
    /// left of it.
    AccountDeleted {
        /// The account's address, with its spelling.
        email: Email,
        /// The account.
        user_id: UserId,
        /// When it was deleted.
        deleted_at: Timestamp,
        /// The language of the mail.
        locale: Locale,
    },
}

impl MailJob {
    /// The address that the job is about: where the account is, or was.
    pub(crate) const fn email(&self) -> &Email {
        match self {
            Self::SignUp { sign_up: SignUp { email, .. }, .. }
            | Self::PasswordReset { email, .. }
            | Self::PasswordChanged { email, .. }
            | Self::VerifyEmail { email, .. }
            | Self::ConfirmNewEmail { email, .. }
            | Self::EmailChanged { email, .. }
            | Self::AccountDeleted { email, .. } => email,
        }
    }
}

/// SHA-256 of a token's secret bytes: what a store keeps instead of them. The secret has 256 bits, so
/// a plain hash is enough (NIST SP 800-63B-4 section 3.1.2.2).
#[derive(Clone, Copy)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    pub(crate) fn of(secret: &[u8; 32]) -> Self {
        Self(Sha256::digest(secret).into())
    }

    /// A digest that a store holds.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes that a store keeps.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Constant-time.
impl PartialEq for TokenDigest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for TokenDigest {}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest(..)")
    }
}

/// The secret of a reset link: `base64url(address).base64url(secret, tag)`.
///
/// The 32 secret bytes are HMAC-SHA-256(reset key, job id), so that a mail job that runs twice sends one
/// link and no store ever holds them. The tag of 16 bytes is an HMAC over address and secret: what we
/// never issued reaches no store, and its cost tells nothing of the address.
pub struct ResetToken {
    email: Email,
    secret: TaggedSecret,
}

/// A text is not a reset token. One error for every reason.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not a reset token")]
#[non_exhaustive]
pub struct ResetTokenError;

/// base64url of the longest address, a dot, and the secret.
const MAX_TOKEN_BYTES: usize = 339 + 1 + TaggedSecret::CHARACTERS;

impl ResetToken {
    pub(crate) fn derive(key: &[u8; 32], job: JobId, email: Email) -> Self {
        let secret = hmac_sha256(key, &[job.as_bytes()]);
        let secret = TaggedSecret::new(key, email.as_str().as_bytes(), secret);
        Self { email, secret }
    }

    /// Whether it was issued under this key.
    pub(crate) fn is_of(&self, key: &[u8; 32]) -> bool {
        self.secret.is_of(key, self.email.as_str().as_bytes())
    }

    /// Reads a token as a link carries it: unpadded base64url, the canonical encoding and nothing else.
    /// Whether it was ever issued is not looked at.
    ///
    /// # Errors
    /// [`ResetTokenError`] for anything else.
    pub fn parse(text: &str) -> Result<Self, ResetTokenError> {
        if text.len() > MAX_TOKEN_BYTES {
            return Err(ResetTokenError);
        }
        let (address, secret) = text.split_once('.').ok_or(ResetTokenError)?;
        let address = Base64UrlUnpadded::decode_vec(address).map_err(|_| ResetTokenError)?;
        let address = String::from_utf8(address).map_err(|_| ResetTokenError)?;
        let email = Email::parse(&address).map_err(|_| ResetTokenError)?;
        let secret = TaggedSecret::parse(secret).ok_or(ResetTokenError)?;
        if email.as_str() == address { Ok(Self { email, secret }) } else { Err(ResetTokenError) }
    }

    /// The address that the link was made for.
    pub const fn email(&self) -> &Email {
        &self.email
    }

    /// What a store knows this token by.
    pub fn digest(&self) -> TokenDigest {
        self.secret.digest()
    }

    /// The token as a link carries it. A secret.
    pub fn expose(&self) -> Zeroizing<String> {
        self.secret.expose_after(self.email.as_str().as_bytes())
    }
}

impl fmt::Debug for ResetToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResetToken(..)")
    }
}

/// One issued reset link, as a [`ResetTokenStore`](crate::ports::ResetTokenStore) keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "stores build it: a new field must not compile until each store keeps it"
)]
pub struct ResetRecord {
    /// The address that the link was sent to.
    pub email: Email,
    /// What the link's secret is known by.
    pub digest: TokenDigest,
    /// The account that it resets.
    pub user_id: UserId,
    /// The account's credential version when it was issued; the link is dead under any other.
    pub credential_version: CredentialVersion,
    /// When it was asked for; the newest row of an address is its only live one.
    pub created_at: Timestamp,
    /// From this moment on it is dead.
    pub expires_at: Timestamp,
    /// Whether it was consumed.
    pub used: bool,
}

impl ResetRecord {
    /// What the newest row of an address is the greatest by: `created_at`, and of rows of one moment the
    /// digest.
    pub fn age(&self) -> (Timestamp, &[u8; 32]) {
        (self.created_at, self.digest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token() -> ResetToken {
        ResetToken::derive(
            &[3; 32],
            JobId::from_bytes([4; 16]),
            Email::parse("ann@example.com").unwrap(),
        )
    }

    #[test]
    fn a_token_survives_its_link() {
        let text = token().expose();
        let parsed = ResetToken::parse(&text).unwrap();
        assert_eq!(parsed.email().as_str(), "ann@example.com");
        assert_eq!(parsed.digest(), token().digest());
    }

    #[test]
    fn one_job_has_one_token_and_another_job_or_key_another() {
        let email = || Email::parse("ann@example.com").unwrap();
        let job = JobId::from_bytes([4; 16]);
        assert_eq!(ResetToken::derive(&[3; 32], job, email()).digest(), token().digest());
        assert_ne!(ResetToken::derive(&[5; 32], job, email()).digest(), token().digest());
        let other = JobId::from_bytes([5; 16]);
        assert_ne!(ResetToken::derive(&[3; 32], other, email()).digest(), token().digest());
    }

    #[test]
    fn only_what_was_issued_for_an_address_under_a_key_is_of_it() {
        assert!(token().is_of(&[3; 32]) && !token().is_of(&[9; 32]));
        let text = token().expose();
        let (address, secret) = text.split_once('.').unwrap();
        let another = Base64UrlUnpadded::encode_string(b"bob@example.com");
        let moved = ResetToken::parse(&format!("{another}.{secret}")).unwrap();
        assert!(!moved.is_of(&[3; 32]));
        for index in 0..secret.len() {
            let mut bytes = secret.as_bytes().to_vec();
            bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
            let altered = format!("{address}.{}", std::str::from_utf8(&bytes).unwrap());
            assert!(!ResetToken::parse(&altered).unwrap().is_of(&[3; 32]), "{index}");
        }
    }

    #[test]
    fn only_the_canonical_text_of_a_token_is_one() {
        let text = token().expose().to_string();
        let (address, secret) = text.split_once('.').unwrap();
        let upper = Base64UrlUnpadded::encode_string(b"ANN@example.com");
        for altered in [
            String::new(),
            ".".into(),
            "..".into(),
            address.into(),
            secret.into(),
            format!("{address}."),
            format!(".{secret}"),
            format!("{text}="),
            format!("{text} "),
            format!("{text}\n"),
            format!("{address}.{secret}.{secret}"),
            format!("{address}.{}", &secret[1..]),
            format!("{address}.{secret}A"),
            format!("{upper}.{secret}"),
            format!("{address}\u{0}.{secret}"),
            "A".repeat(1_000_000),
        ] {
            assert!(ResetToken::parse(&altered).is_err(), "{:?}", altered.get(..80));
        }
    }

    #[test]
    fn the_longest_address_fits() {
        let labels = format!("{}.{}.{}", "b".repeat(63), "c".repeat(63), "d".repeat(59));
        let email = Email::parse(&format!("{}@{labels}", "a".repeat(64))).unwrap();
        assert!(email.as_str().len() >= 250);
        let text = ResetToken::derive(&[3; 32], JobId::from_bytes([4; 16]), email).expose();
        assert!(ResetToken::parse(&text).is_ok());
    }

    #[test]
    fn debug_hides_the_secret() {
        let text = token().expose();
        let shown = format!("{:?} {:?}", token(), token().digest());
        assert!(!shown.contains(text.split_once('.').unwrap().1));
        assert_eq!(shown, "ResetToken(..) TokenDigest(..)");
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "\\PC{0,400}") {
            let _ = ResetToken::parse(&text);
        }
    }
}
