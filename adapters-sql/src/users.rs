use async_trait::async_trait;
use auth_domain::ports::{
    CredentialChange, CredentialUpdate, EmailChange, EmailUpdate, Insert, Update, UserKey,
    UserStore,
};
use auth_domain::{
    CredentialVersion, DisplayName, Email, PasswordHash, PortError, Timestamp, User, UserId,
};

use crate::fault::{SqlFault, corrupt};
use crate::statement::{
    Row, RowFault, Statement, Value, id, int, operation_id, optional_time, text, time,
};
use crate::store::SqlStore;

const FIND_BY_EMAIL: &str = "user_store.find_by_email";
const FIND_BY_ID: &str = "user_store.find_by_id";
const INSERT: &str = "user_store.insert";
const UPDATE_CREDENTIALS: &str = "user_store.update_credentials";
const CHANGE_EMAIL: &str = "user_store.change_email";
const TOUCH_LAST_LOGIN: &str = "user_store.touch_last_login";
const DELETE: &str = "user_store.delete";

macro_rules! select_where {
    ($condition:literal) => {
        concat!(
            "SELECT user_id, email, name, password_hash, credential_version, disabled, \
             email_verified_at, created_at, updated_at, last_login FROM @users WHERE ",
            $condition
        )
    };
}

const WITH_EMAIL: &str = select_where!("email = $1");
const WITH_ID: &str = select_where!("user_id = $1");
const ADD: &str = "\
    INSERT INTO @users (user_id, email, name, password_hash, credential_version, disabled, \
        email_verified_at, created_at, updated_at, last_login, operation_id) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
    ON CONFLICT (email) DO UPDATE SET operation_id = excluded.operation_id \
        WHERE @users.operation_id = excluded.operation_id \
    RETURNING user_id";
const MOVE: &str = "\
    UPDATE @users SET email = $1, credential_version = $2, email_verified_at = $3, \
        updated_at = $3, operation_id = $4 \
    WHERE user_id = $5 AND (email = $6 AND credential_version = $7 OR operation_id = $4) \
    RETURNING user_id";
const TOUCH: &str =
    "UPDATE @users SET last_login = $1 WHERE user_id = $2 AND email = $3 RETURNING user_id";
const REMOVE: &str = "DELETE FROM @users WHERE user_id = $1 AND email = $2 RETURNING user_id";
const REMOVE_AT_VERSION: &str = "\
    DELETE FROM @users WHERE user_id = $1 AND email = $2 AND credential_version = $3 \
    RETURNING user_id";

/// An update of a row at a version; what else it sets begins at `$7`.
macro_rules! change_and {
    ($set:literal) => {
        concat!(
            "UPDATE @users SET credential_version = $1, updated_at = $2, operation_id = $3",
            $set,
            " WHERE user_id = $4 AND email = $5 AND (credential_version = $6 OR operation_id = $3) \
             RETURNING user_id"
        )
    };
}

/// What a change sets beside version and time, and what is bound to that.
fn changing(change: &CredentialChange) -> (&'static str, Vec<Value>) {
    match change {
        CredentialChange::Nothing => (change_and!(""), vec![]),
        CredentialChange::Disabled(disabled) => {
            (change_and!(", disabled = $7"), vec![Value::Bool(*disabled)])
        }
        CredentialChange::EmailVerified(at) => {
            (change_and!(", email_verified_at = $7"), vec![time(*at)])
        }
        CredentialChange::PasswordHash(hash) => {
            (change_and!(", password_hash = $7"), vec![text(hash.expose())])
        }
        CredentialChange::PasswordHashByMail(hash, at) => (
            change_and!(
                ", password_hash = $7, email_verified_at = COALESCE(email_verified_at, $8)"
            ),
            vec![text(hash.expose()), time(*at)],
        ),
        CredentialChange::PasswordRemoved => (change_and!(", password_hash = NULL"), vec![]),
    }
}

fn user(row: &Row) -> Result<User, RowFault> {
    Ok(User {
        id: UserId::from_bytes(row.id("user_id")?),
        email: canonical_email(row)?,
        name: DisplayName::from_stored(row.text("name")?),
        password_hash: row.optional_text("password_hash")?.map(PasswordHash::from_stored),
        credential_version: CredentialVersion::new(row.int("credential_version")?),
        disabled: row.bool("disabled")?,
        email_verified_at: row.optional_time("email_verified_at")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        last_login: row.optional_time("last_login")?,
    })
}

/// Rows are found by the canonical address, so one under any other text is a mistake of somebody's.
pub(crate) fn canonical_email(row: &Row) -> Result<Email, RowFault> {
    let text = row.text("email")?;
    let email = Email::parse(&text).ok().filter(|email| email.as_str() == text);
    email.ok_or(RowFault::Unreadable("email"))
}

/// Whether a statement that returns what it wrote wrote anything.
pub(crate) fn updated(rows: &[Row]) -> Update {
    if rows.is_empty() { Update::Stale } else { Update::Updated }
}

#[async_trait]
impl UserStore for SqlStore {
    async fn find_by_email(&self, email: &Email) -> Result<Option<User>, PortError> {
        let statement = Statement::read(WITH_EMAIL).bind(text(email.as_str()));
        let rows = self.run(FIND_BY_EMAIL, statement).await?;
        rows.first().map(user).transpose().map_err(corrupt(FIND_BY_EMAIL))
    }

    async fn find_by_id(&self, user_id: UserId) -> Result<Option<User>, PortError> {
        let statement = Statement::read(WITH_ID).bind(id(user_id.as_bytes()));
        let rows = self.run(FIND_BY_ID, statement).await?;
        rows.first().map(user).transpose().map_err(corrupt(FIND_BY_ID))
    }

    async fn insert(&self, user: User) -> Result<Insert, PortError> {
        let hash = user.password_hash.as_ref().map(|hash| hash.expose().to_owned());
        let statement = Statement::write(ADD)
            .bind(id(user.id.as_bytes()))
            .bind(text(user.email.as_str()))
            .bind(text(user.name.as_str()))
            .bind(Value::Text(hash))
            .bind(int(user.credential_version.get()))
            .bind(Value::Bool(user.disabled))
            .bind(optional_time(user.email_verified_at))
            .bind(time(user.created_at))
            .bind(time(user.updated_at))
            .bind(optional_time(user.last_login))
            .bind(operation_id());
        let rows = self.run(INSERT, statement).await?;
        Ok(if rows.is_empty() { Insert::EmailTaken } else { Insert::Inserted })
    }

    async fn update_credentials(&self, update: CredentialUpdate) -> Result<Update, PortError> {
        let (sql, values) = changing(&update.change);
        let statement = Statement::write(sql)
            .bind(int(update.next.get()))
            .bind(time(update.updated_at))
            .bind(operation_id())
            .bind(id(update.key.id.as_bytes()))
            .bind(text(update.key.email.as_str()))
            .bind(int(update.expected.get()));
        let statement = values.into_iter().fold(statement, Statement::bind);
        Ok(updated(&self.run(UPDATE_CREDENTIALS, statement).await?))
    }

    /// One statement: the row keeps its id, and the database refuses an address that another row has.
    async fn change_email(&self, change: EmailChange) -> Result<EmailUpdate, PortError> {
        let statement = Statement::write(MOVE)
            .bind(text(change.new_email.as_str()))
            .bind(int(change.next.get()))
            .bind(time(change.at))
            .bind(operation_id())
            .bind(id(change.key.id.as_bytes()))
            .bind(text(change.key.email.as_str()))
            .bind(int(change.expected.get()));
        match self.try_run(statement).await {
            Ok(rows) if rows.is_empty() => Ok(EmailUpdate::Stale),
            Ok(_) => Ok(EmailUpdate::Updated),
            Err(SqlFault::Taken { .. }) => Ok(EmailUpdate::EmailTaken),
            Err(fault) => Err(fault.port_error(CHANGE_EMAIL)),
        }
    }

    /// Written twice it says the same, so it needs no operation id.
    async fn touch_last_login(&self, key: &UserKey, at: Timestamp) -> Result<Update, PortError> {
        let statement = Statement::write(TOUCH)
            .bind(time(at))
            .bind(id(key.id.as_bytes()))
            .bind(text(key.email.as_str()));
        Ok(updated(&self.run(TOUCH_LAST_LOGIN, statement).await?))
    }

    /// After an answer that was lost it may say [`Update::Stale`] of its own work: the row is gone.
    async fn delete(
        &self,
        key: &UserKey,
        expected: Option<CredentialVersion>,
    ) -> Result<Update, PortError> {
        let sql = if expected.is_some() { REMOVE_AT_VERSION } else { REMOVE };
        let statement =
            Statement::write(sql).bind(id(key.id.as_bytes())).bind(text(key.email.as_str()));
        let statement =
            expected.into_iter().fold(statement, |s, version| s.bind(int(version.get())));
        Ok(updated(&self.run(DELETE, statement).await?))
    }
}
