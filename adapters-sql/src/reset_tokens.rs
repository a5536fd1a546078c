use async_trait::async_trait;
use auth_domain::ports::{Put, ResetTokenStore};
use auth_domain::{
    CredentialVersion, Email, PortError, ResetRecord, Timestamp, TokenDigest, UserId,
};

use crate::fault::corrupt;
use crate::statement::{Row, RowFault, Statement, Value, bytes, id, int, operation_id, text, time};
use crate::store::SqlStore;
use crate::users::canonical_email;

const PUT: &str = "reset_token_store.put";
const NEWEST: &str = "reset_token_store.newest";
const CONSUME: &str = "reset_token_store.consume";
const DELETE_ALL: &str = "reset_token_store.delete_all";

macro_rules! columns {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            " email, digest, user_id, credential_version, created_at, expires_at, used ",
            $after
        )
    };
}

const ADD: &str = columns!(
    "INSERT INTO @reset_tokens (operation_id,",
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
     ON CONFLICT (email, digest) DO UPDATE SET operation_id = excluded.operation_id \
        WHERE @reset_tokens.operation_id = excluded.operation_id \
     RETURNING user_id"
);
const LATEST: &str = columns!(
    "SELECT",
    "FROM @reset_tokens WHERE email = $1 ORDER BY created_at DESC, digest DESC LIMIT 1"
);
const USE: &str = columns!(
    "UPDATE @reset_tokens SET used = TRUE, operation_id = $1 \
     WHERE email = $2 AND digest = $3 AND (used = FALSE AND expires_at > $4 OR operation_id = $1) \
     RETURNING",
    ""
);
const REMOVE_ALL: &str =
    "DELETE FROM @reset_tokens WHERE email = $1 AND user_id = $2 RETURNING user_id";

fn reset_record(row: &Row) -> Result<ResetRecord, RowFault> {
    Ok(ResetRecord {
        email: canonical_email(row)?,
        digest: TokenDigest::from_bytes(row.bytes("digest")?),
        user_id: UserId::from_bytes(row.id("user_id")?),
        credential_version: CredentialVersion::new(row.int("credential_version")?),
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
        used: row.bool("used")?,
    })
}

#[async_trait]
impl ResetTokenStore for SqlStore {
    async fn put(&self, record: ResetRecord) -> Result<Put, PortError> {
        let statement = Statement::write(ADD)
            .bind(operation_id())
            .bind(text(record.email.as_str()))
            .bind(bytes(record.digest.as_bytes()))
            .bind(id(record.user_id.as_bytes()))
            .bind(int(record.credential_version.get()))
            .bind(time(record.created_at))
            .bind(time(record.expires_at))
            .bind(Value::Bool(record.used));
        let rows = self.run(PUT, statement).await?;
        Ok(if rows.is_empty() { Put::AlreadyThere } else { Put::Stored })
    }

    async fn newest(&self, email: &Email) -> Result<Option<ResetRecord>, PortError> {
        let statement = Statement::read(LATEST).bind(text(email.as_str()));
        let rows = self.run(NEWEST, statement).await?;
        rows.first().map(reset_record).transpose().map_err(corrupt(NEWEST))
    }

    async fn consume(
        &self,
        email: &Email,
        digest: TokenDigest,
        now: Timestamp,
    ) -> Result<Option<ResetRecord>, PortError> {
        let statement = Statement::write(USE)
            .bind(operation_id())
            .bind(text(email.as_str()))
            .bind(bytes(digest.as_bytes()))
            .bind(time(now));
        let rows = self.run(CONSUME, statement).await?;
        rows.first().map(reset_record).transpose().map_err(corrupt(CONSUME))
    }

    async fn delete_all(&self, email: &Email, user_id: UserId) -> Result<(), PortError> {
        let statement =
            Statement::write(REMOVE_ALL).bind(text(email.as_str())).bind(id(user_id.as_bytes()));
        self.run(DELETE_ALL, statement).await.map(drop)
    }
}
