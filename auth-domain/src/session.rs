use std::fmt;
use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding};
use thiserror::Error;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::rate::hmac_sha256;
use crate::tagged_secret::TaggedSecret;
use crate::{CredentialVersion, Email, Timestamp, TokenDigest, UserId};

/// Names a session for ever: a UUID of version 4. Shown to its owner and carried by his tokens; no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(Uuid);

/// A text is not a UUID.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a session id is a UUID")]
#[non_exhaustive]
pub struct SessionIdError;

impl SessionId {
    /// Makes an id of 16 bytes from the [`Entropy`](crate::ports::Entropy) port.
    pub fn from_entropy_bytes(bytes: [u8; 16]) -> Self {
        Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
    }

    /// Reads an id that a store, a token or a path carries.
    ///
    /// # Errors
    /// [`SessionIdError`] when the text is not a UUID.
    pub fn parse(text: &str) -> Result<Self, SessionIdError> {
        Uuid::try_parse(text).map(Self).map_err(|_| SessionIdError)
    }

    /// An id of the 16 bytes that a store or a token carries.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// The 16 bytes of the UUID.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// Names one row of a [`SessionStore`](crate::ports::SessionStore): whose it is, and which of his. So
/// nobody reaches the session of another by its id alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a row is named by these two")]
pub struct SessionKey {
    /// The account.
    pub user_id: UserId,
    /// The session.
    pub id: SessionId,
}

/// What a client calls itself, for its owner to tell his sessions apart: at most 256 code points, none of
/// them a control character. Proves nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserAgent(String);

const MAX_USER_AGENT_CODE_POINTS: usize = 256;

impl UserAgent {
    /// Takes what a client says of itself, leaves out what cannot be shown and cuts what is too long;
    /// `None` if nothing is left.
    pub fn new(text: &str) -> Option<Self> {
        let shown = text.chars().filter(|c| !c.is_control()).take(MAX_USER_AGENT_CODE_POINTS);
        let agent = shown.collect::<String>().trim().to_owned();
        (!agent.is_empty()).then_some(Self(agent))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One session, as a [`SessionStore`](crate::ports::SessionStore) keeps it: the family of refresh tokens
/// that one login began, of which one is good.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "stores build it: a new field must not compile until each store keeps it"
)]
pub struct Session {
    /// Whose it is, and its name.
    pub key: SessionKey,
    /// The account's address, with its [spelling](Email::spelling): where the account's row is found.
    pub email: Email,
    /// The credential version that it was opened or last re-stamped under; dead under any other.
    pub credential_version: CredentialVersion,
    /// What the one good refresh token is known by.
    pub current: TokenDigest,
    /// What the token before it is known by, from the first rotation on.
    pub parent: Option<TokenDigest>,
    /// When it was opened: the last time that the password was proved.
    pub created_at: Timestamp,
    /// When it was last rotated, or opened.
    pub last_used_at: Timestamp,
    /// From this moment on it is dead, unless a rotation moves it.
    pub idle_expires_at: Timestamp,
    /// From this moment on it is dead, whatever happens.
    pub expires_at: Timestamp,
    /// What the client called itself when it logged in.
    pub user_agent: Option<UserAgent>,
}

/// What a presented refresh token is to a [`Session`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "stores must decide on every one")]
pub enum Presented {
    /// The good one.
    Current,
    /// The one before the good one, again: the answer to its first use may have been lost.
    Parent,
    /// A token of a session that has expired.
    Expired,
    /// Any other: somebody has a copy.
    Spent,
}

impl Session {
    /// For how long after a rotation the token that was spent on it yields the same child again. Longer
    /// than a phone takes to try again, too short for a thief to find a use for. Measured either way, so
    /// that a clock set back closes the window and does not open it.
    pub const RETRY_WINDOW: Duration = Duration::from_secs(10);

    /// What a token that is known by `presented` is to this session at `now`. Pure: a store makes the
    /// rotation that follows from it atomic.
    pub fn presented(&self, presented: TokenDigest, now: Timestamp) -> Presented {
        if self.is_expired(now) {
            Presented::Expired
        } else if presented == self.current {
            Presented::Current
        } else if self.parent == Some(presented)
            && now.distance(self.last_used_at) <= Self::RETRY_WINDOW
        {
            Presented::Parent
        } else {
            Presented::Spent
        }
    }

    /// Whether its time has run out, by the stored times.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        now >= self.idle_expires_at || now >= self.expires_at
    }
}

/// What a client keeps to stay logged in: `base64url(user id, session id).base64url(secret, tag)`.
///
/// The 32 secret bytes are random for the first token of a session, and for each later one
/// HMAC-SHA-256(refresh key, session, the secret before it). So whoever presents a token twice is given
/// the same child, and no store ever holds a secret. The tag of 16 bytes is an HMAC over all before it:
/// what we never issued is told apart from what we did without asking the store, and nobody can end a
/// session by making tokens up (RFC 9700 section 4.14.2).
#[derive(Clone)]
pub struct RefreshToken {
    session: SessionKey,
    secret: TaggedSecret,
}

/// A text is not a refresh token. One error for every reason.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not a refresh token")]
#[non_exhaustive]
pub struct RefreshTokenError;

const NAME_CHARACTERS: usize = 43;
const TOKEN_CHARACTERS: usize = NAME_CHARACTERS + 1 + TaggedSecret::CHARACTERS;

impl RefreshToken {
    pub(crate) fn first(key: &[u8; 32], session: SessionKey, secret: [u8; 32]) -> Self {
        Self { session, secret: TaggedSecret::new(key, &name_bytes(session), secret) }
    }

    pub(crate) fn child(&self, key: &[u8; 32]) -> Self {
        let parts: [&[u8]; 3] = [b"child", &name_bytes(self.session), self.secret.secret()];
        Self::first(key, self.session, hmac_sha256(key, &parts))
    }

    /// Whether it was issued under this key.
    pub(crate) fn is_of(&self, key: &[u8; 32]) -> bool {
        self.secret.is_of(key, &name_bytes(self.session))
    }

    /// Reads a token as a client carries it: unpadded base64url, the canonical encoding and nothing
    /// else. Whether it was ever issued is not looked at.
    ///
    /// # Errors
    /// [`RefreshTokenError`] for anything else.
    pub fn parse(text: &str) -> Result<Self, RefreshTokenError> {
        if text.len() != TOKEN_CHARACTERS {
            return Err(RefreshTokenError);
        }
        let (name, rest) = text.split_once('.').ok_or(RefreshTokenError)?;
        let secret = TaggedSecret::parse(rest).ok_or(RefreshTokenError)?;
        Ok(Self { session: session_key(decode(name)?)?, secret })
    }

    /// The session that it is for.
    pub const fn session(&self) -> SessionKey {
        self.session
    }

    /// What a store knows this token by.
    pub fn digest(&self) -> TokenDigest {
        self.secret.digest()
    }

    /// The token as a client carries it. A secret.
    pub fn expose(&self) -> Zeroizing<String> {
        self.secret.expose_after(&name_bytes(self.session))
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshToken(..)")
    }
}

fn name_bytes(session: SessionKey) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(session.user_id.as_bytes());
    bytes[16..].copy_from_slice(session.id.as_bytes());
    bytes
}

fn session_key(name: [u8; 32]) -> Result<SessionKey, RefreshTokenError> {
    let (user_id, id) = name.split_at(16);
    let user_id = UserId::from_bytes(user_id.try_into().map_err(|_| RefreshTokenError)?);
    let id = SessionId::from_bytes(id.try_into().map_err(|_| RefreshTokenError)?);
    Ok(SessionKey { user_id, id })
}

fn decode<const N: usize>(text: &str) -> Result<[u8; N], RefreshTokenError> {
    let mut bytes = [0; N];
    match Base64UrlUnpadded::decode(text, &mut bytes) {
        Ok(decoded) if decoded.len() == N => Ok(bytes),
        _ => Err(RefreshTokenError),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: [u8; 32] = [3; 32];

    fn key() -> SessionKey {
        SessionKey {
            user_id: UserId::from_entropy_bytes([1; 16]),
            id: SessionId::from_entropy_bytes([2; 16]),
        }
    }

    fn token() -> RefreshToken {
        RefreshToken::first(&KEY, key(), [4; 32])
    }

    fn session() -> Session {
        let at = Timestamp::from_seconds(1_000_000);
        Session {
            key: key(),
            email: Email::parse("ann@example.com").unwrap(),
            credential_version: CredentialVersion::FIRST,
            current: token().child(&KEY).digest(),
            parent: Some(token().digest()),
            created_at: at,
            last_used_at: at,
            idle_expires_at: at + Duration::from_secs(1_000),
            expires_at: at + Duration::from_secs(1_500),
            user_agent: None,
        }
    }

    #[test]
    fn a_token_survives_its_text() {
        let parsed = RefreshToken::parse(&token().expose()).unwrap();
        assert_eq!(parsed.session(), key());
        assert_eq!(parsed.digest(), token().digest());
        assert!(parsed.is_of(&KEY) && parsed.child(&KEY).is_of(&KEY));
    }

    #[test]
    fn a_parent_has_one_child_and_other_parents_sessions_and_keys_have_others() {
        let child = token().child(&KEY).digest();
        assert_eq!(token().child(&KEY).digest(), child);
        assert_ne!(token().digest(), child);
        assert_ne!(token().child(&[9; 32]).digest(), child);
        let other = SessionKey { id: SessionId::from_entropy_bytes([9; 16]), ..key() };
        assert_ne!(RefreshToken::first(&KEY, other, [4; 32]).child(&KEY).digest(), child);
        assert_ne!(RefreshToken::first(&KEY, key(), [5; 32]).child(&KEY).digest(), child);
    }

    #[test]
    fn only_what_was_issued_under_a_key_is_of_it() {
        assert!(!token().is_of(&[9; 32]));
        let text = token().expose();
        let mut accepted = 0;
        for index in (0..text.len()).filter(|index| *index != NAME_CHARACTERS) {
            let mut bytes = text.as_bytes().to_vec();
            bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
            let altered = RefreshToken::parse(std::str::from_utf8(&bytes).unwrap());
            accepted += u32::from(altered.is_ok_and(|altered| altered.is_of(&KEY)));
        }
        assert_eq!(accepted, 0);
    }

    #[test]
    fn only_the_canonical_text_of_a_token_is_one() {
        let text = token().expose().to_string();
        for altered in [
            String::new(),
            ".".into(),
            " ".repeat(TOKEN_CHARACTERS),
            text[1..].into(),
            format!("{text}A"),
            format!("{text}="),
            format!("{} ", &text[..TOKEN_CHARACTERS - 1]),
            format!("{}\u{0}", &text[..TOKEN_CHARACTERS - 1]),
            text.replace('.', "A"),
            "A".repeat(1_000_000),
        ] {
            assert!(RefreshToken::parse(&altered).is_err(), "{:?}", altered.get(..120));
        }
    }

    #[test]
    fn the_token_before_is_a_retry_for_ten_seconds_either_way_and_then_a_theft() {
        let (session, at) = (session(), session().last_used_at);
        let parent = |now| session.presented(token().digest(), now);
        let (window, instant) = (Session::RETRY_WINDOW, Duration::from_micros(1));
        assert_eq!(parent(at), Presented::Parent);
        assert_eq!(parent(at + window), Presented::Parent);
        assert_eq!(parent(at - window), Presented::Parent);
        assert_eq!(parent(at + window + instant), Presented::Spent);
        assert_eq!(parent(at - window - instant), Presented::Spent);
    }

    #[test]
    fn any_other_token_of_the_session_is_spent_however_soon_it_comes() {
        let grandchild = token().child(&KEY).child(&KEY).digest();
        assert_eq!(session().presented(grandchild, session().last_used_at), Presented::Spent);
        let first = Session { parent: None, ..session() };
        assert_eq!(first.presented(token().digest(), first.last_used_at), Presented::Spent);
    }

    #[test]
    fn idle_and_absolute_end_bind_each_on_its_own_to_the_microsecond() {
        let instant = Duration::from_micros(1);
        let at = |session: &Session, now| session.presented(session.current, now);
        let idle = session();
        assert_eq!(at(&idle, idle.idle_expires_at - instant), Presented::Current);
        assert_eq!(at(&idle, idle.idle_expires_at), Presented::Expired);
        let old = Session { idle_expires_at: session().expires_at + instant, ..session() };
        assert_eq!(at(&old, old.expires_at - instant), Presented::Current);
        assert_eq!(at(&old, old.expires_at), Presented::Expired);
    }

    #[test]
    fn what_a_client_calls_itself_is_cut_and_cleaned() {
        let agent = |text| UserAgent::new(text).map(|agent| agent.as_str().to_owned());
        assert_eq!(agent(" okhttp/4\r\nX: y\u{0} ").as_deref(), Some("okhttp/4X: y"));
        let (long, count) = ("\u{ac00}".repeat(1_000), |agent: String| agent.chars().count());
        assert_eq!(agent(&long).map(count), Some(256));
        assert_eq!(agent("\t\n"), None);
    }

    #[test]
    fn debug_hides_the_secret() {
        assert_eq!(format!("{:?}", token()), "RefreshToken(..)");
        assert!(!format!("{:?}", session()).contains('['), "no digest is printed");
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "\\PC{0,200}|[A-Za-z0-9_-]{43}\\.[A-Za-z0-9_-]{64}") {
            let _ = RefreshToken::parse(&text);
        }
    }
}
