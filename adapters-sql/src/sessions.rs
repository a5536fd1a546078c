use async_trait::async_trait;
use auth_domain::ports::{Rotated, Rotation, SessionStore, Update};
use auth_domain::{
    CredentialVersion, Email, PortError, PortErrorKind, Presented, Session, SessionId, SessionKey,
    TokenDigest, UserAgent, UserId,
};

use crate::fault::corrupt;
use crate::statement::{
    Row, RowFault, Statement, Value, bytes, day, id, int, operation_id, text, time,
};
use crate::store::SqlStore;
use crate::users::updated;

const CREATE: &str = "session_store.create";
const FIND: &str = "session_store.find";
const ROTATE: &str = "session_store.rotate";
const RESTAMP: &str = "session_store.restamp";
const LIST: &str = "session_store.list";
const END: &str = "session_store.end";
const END_ALL: &str = "session_store.end_all";

macro_rules! columns {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            " user_id, session_id, email, credential_version, current_digest, parent_digest, \
             created_at, last_used_at, idle_expires_at, expires_at, user_agent ",
            $after
        )
    };
}

const ADD: &str = columns!(
    "INSERT INTO @sessions (ends_on, operation_id,",
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) \
     ON CONFLICT (user_id, session_id) DO UPDATE SET operation_id = excluded.operation_id \
        WHERE @sessions.operation_id = excluded.operation_id \
     RETURNING user_id"
);
const THE_ONE: &str = columns!("SELECT", "FROM @sessions WHERE user_id = $1 AND session_id = $2");
const OF_ACCOUNT: &str = columns!("SELECT", "FROM @sessions WHERE user_id = $1");
const SPEND: &str = columns!(
    "UPDATE @sessions SET current_digest = $1, parent_digest = $2, last_used_at = $3, \
        idle_expires_at = $4, operation_id = $5, \
        ends_on = CASE WHEN expires_at < $4 THEN expires_at ELSE $4 END / 86400000000 \
     WHERE user_id = $6 AND session_id = $7 \
        AND (current_digest = $2 AND idle_expires_at > $3 AND expires_at > $3 OR operation_id = $5) \
     RETURNING",
    ""
);
const SET_VERSION: &str = "\
    UPDATE @sessions SET credential_version = $1, operation_id = $2 \
    WHERE user_id = $3 AND session_id = $4 AND (credential_version = $5 OR operation_id = $2) \
    RETURNING user_id";
const REMOVE: &str =
    "DELETE FROM @sessions WHERE user_id = $1 AND session_id = $2 RETURNING user_id";
const REMOVE_ALL: &str = "DELETE FROM @sessions WHERE user_id = $1 RETURNING user_id";
const REMOVE_OLDER: &str = "\
    DELETE FROM @sessions WHERE user_id = $1 AND credential_version < $2 RETURNING user_id";

fn session(row: &Row) -> Result<Session, RowFault> {
    Ok(Session {
        key: SessionKey {
            user_id: UserId::from_bytes(row.id("user_id")?),
            id: SessionId::from_bytes(row.id("session_id")?),
        },
        email: Email::parse_with_spelling(&row.text("email")?)
            .map_err(|_| RowFault::Unreadable("email"))?,
        credential_version: CredentialVersion::new(row.int("credential_version")?),
        current: TokenDigest::from_bytes(row.bytes("current_digest")?),
        parent: row.optional_bytes("parent_digest")?.map(TokenDigest::from_bytes),
        created_at: row.time("created_at")?,
        last_used_at: row.time("last_used_at")?,
        idle_expires_at: row.time("idle_expires_at")?,
        expires_at: row.time("expires_at")?,
        user_agent: row.optional_text("user_agent")?.as_deref().and_then(UserAgent::new),
    })
}

trait BindKey {
    fn bind_key(self, key: &SessionKey) -> Self;
}

impl BindKey for Statement {
    fn bind_key(self, key: &SessionKey) -> Self {
        self.bind(id(key.user_id.as_bytes())).bind(id(key.id.as_bytes()))
    }
}

impl SqlStore {
    async fn the_session(
        &self,
        key: &SessionKey,
        operation: &'static str,
    ) -> Result<Option<Session>, PortError> {
        let rows = self.run(operation, Statement::read(THE_ONE).bind_key(key)).await?;
        rows.first().map(session).transpose().map_err(corrupt(operation))
    }

    async fn remove_session(
        &self,
        key: &SessionKey,
        operation: &'static str,
    ) -> Result<Update, PortError> {
        Ok(updated(&self.run(operation, Statement::write(REMOVE).bind_key(key)).await?))
    }

    /// Of a token that was not the good one. The token that is good never becomes one that was spent, so
    /// it does not matter that the row is read a moment later.
    async fn turned_away(&self, rotation: &Rotation) -> Result<Rotated, PortError> {
        let Some(session) = self.the_session(&rotation.key, ROTATE).await? else {
            return Ok(Rotated::Gone);
        };
        match session.presented(rotation.presented, rotation.now) {
            Presented::Expired => Ok(Rotated::Gone),
            Presented::Parent => Ok(Rotated::Retry(session)),
            Presented::Spent => {
                self.remove_session(&rotation.key, ROTATE).await?;
                Ok(Rotated::Reused(session))
            }
            Presented::Current => Err(corrupt(ROTATE)(RowFault::Unreadable("current_digest"))),
        }
    }

    /// Those that a row cannot be made of: no version of theirs counts.
    async fn remove_unreadable(&self, user_id: UserId) -> Result<(), PortError> {
        let of_account = Statement::read(OF_ACCOUNT).bind(id(user_id.as_bytes()));
        for row in self.run(END_ALL, of_account).await? {
            // Under an id that is none no token finds it.
            if let (Err(_), Ok(id)) = (session(&row), row.id("session_id")) {
                let key = SessionKey { user_id, id: SessionId::from_bytes(id) };
                self.remove_session(&key, END_ALL).await?;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl SessionStore for SqlStore {
    async fn create(&self, session: Session) -> Result<(), PortError> {
        let parent = session.parent.map(|parent| parent.as_bytes().to_vec());
        let agent = session.user_agent.as_ref().map(|agent| agent.as_str().to_owned());
        let statement = Statement::write(ADD)
            .bind(day(session.idle_expires_at.min(session.expires_at)))
            .bind(operation_id())
            .bind_key(&session.key)
            .bind(text(session.email.spelling()))
            .bind(int(session.credential_version.get()))
            .bind(bytes(session.current.as_bytes()))
            .bind(Value::Bytes(parent))
            .bind(time(session.created_at))
            .bind(time(session.last_used_at))
            .bind(time(session.idle_expires_at))
            .bind(time(session.expires_at))
            .bind(Value::Text(agent));
        if self.run(CREATE, statement).await?.is_empty() {
            let error = PortError::new(PortErrorKind::Rejected, CREATE);
            return Err(error.caused_by("there is a session of this id"));
        }
        Ok(())
    }

    async fn find(&self, key: &SessionKey) -> Result<Option<Session>, PortError> {
        self.the_session(key, FIND).await
    }

    async fn rotate(&self, rotation: Rotation) -> Result<Rotated, PortError> {
        let statement = Statement::write(SPEND)
            .bind(bytes(rotation.next.as_bytes()))
            .bind(bytes(rotation.presented.as_bytes()))
            .bind(time(rotation.now))
            .bind(time(rotation.idle_expires_at))
            .bind(operation_id())
            .bind_key(&rotation.key);
        match self.run(ROTATE, statement).await?.first() {
            Some(row) => session(row).map(Rotated::Rotated).map_err(corrupt(ROTATE)),
            None => self.turned_away(&rotation).await,
        }
    }

    async fn restamp(
        &self,
        key: &SessionKey,
        expected: CredentialVersion,
        next: CredentialVersion,
    ) -> Result<Update, PortError> {
        let statement = Statement::write(SET_VERSION)
            .bind(int(next.get()))
            .bind(operation_id())
            .bind_key(key)
            .bind(int(expected.get()));
        Ok(updated(&self.run(RESTAMP, statement).await?))
    }

    async fn list(&self, user_id: UserId) -> Result<Vec<Session>, PortError> {
        let statement = Statement::read(OF_ACCOUNT).bind(id(user_id.as_bytes()));
        let rows = self.run(LIST, statement).await?;
        Ok(rows.iter().filter_map(|row| session(row).ok()).collect())
    }

    /// After an answer that was lost it may say [`Update::Stale`] of its own work: the row is gone.
    async fn end(&self, key: &SessionKey) -> Result<Update, PortError> {
        self.remove_session(key, END).await
    }

    async fn end_all(
        &self,
        user_id: UserId,
        older_than: Option<CredentialVersion>,
    ) -> Result<(), PortError> {
        let Some(version) = older_than else {
            let all = Statement::write(REMOVE_ALL).bind(id(user_id.as_bytes()));
            return self.run(END_ALL, all).await.map(drop);
        };
        let older =
            Statement::write(REMOVE_OLDER).bind(id(user_id.as_bytes())).bind(int(version.get()));
        self.run(END_ALL, older).await?;
        self.remove_unreadable(user_id).await
    }
}
