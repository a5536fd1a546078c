-- Times are microseconds since 1970-01-01T00:00:00 UTC, ids hyphenated UUIDs, digests SHA-256 and keys
-- HMAC-SHA-256 (32 bytes each). `operation_id` names the call that wrote the row last.
--
-- `ends_on` is the day, counted from 1970-01-01 in UTC, on which a row may come to its end, and `last_on` that of
-- its last use: what a sweep goes by. Times that each use moves have no index, which would be written anew by each use.

CREATE TABLE @users (
    user_id            TEXT PRIMARY KEY NOT NULL,
    email              TEXT NOT NULL UNIQUE,
    name               TEXT NOT NULL,
    password_hash      TEXT,
    credential_version INTEGER NOT NULL CHECK (credential_version >= 0),
    disabled           INTEGER NOT NULL CHECK (disabled IN (0, 1)),
    email_verified_at  INTEGER CHECK (email_verified_at >= 0),
    created_at         INTEGER NOT NULL CHECK (created_at >= 0),
    updated_at         INTEGER NOT NULL CHECK (updated_at >= 0),
    last_login         INTEGER CHECK (last_login >= 0),
    operation_id       TEXT
) STRICT;

-- `email` as the account had it; no foreign key, since a session of an account that is gone is dead anyway.
CREATE TABLE @sessions (
    user_id            TEXT NOT NULL,
    session_id         TEXT NOT NULL,
    email              TEXT NOT NULL,
    credential_version INTEGER NOT NULL CHECK (credential_version >= 0),
    current_digest     BLOB NOT NULL CHECK (length(current_digest) = 32),
    parent_digest      BLOB CHECK (length(parent_digest) = 32),
    created_at         INTEGER NOT NULL CHECK (created_at >= 0),
    last_used_at       INTEGER NOT NULL CHECK (last_used_at >= 0),
    idle_expires_at    INTEGER NOT NULL CHECK (idle_expires_at >= 0),
    expires_at         INTEGER NOT NULL CHECK (expires_at >= 0),
    ends_on            INTEGER NOT NULL,
    user_agent         TEXT,
    operation_id       TEXT,
    PRIMARY KEY (user_id, session_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX @sessions_ends_on ON @sessions (ends_on);

CREATE TABLE @reset_tokens (
    email              TEXT NOT NULL,
    digest             BLOB NOT NULL CHECK (length(digest) = 32),
    user_id            TEXT NOT NULL,
    credential_version INTEGER NOT NULL CHECK (credential_version >= 0),
    created_at         INTEGER NOT NULL CHECK (created_at >= 0),
    expires_at         INTEGER NOT NULL CHECK (expires_at >= 0),
    used               INTEGER NOT NULL CHECK (used IN (0, 1)),
    operation_id       TEXT,
    PRIMARY KEY (email, digest)
) STRICT, WITHOUT ROWID;

CREATE INDEX @reset_tokens_newest ON @reset_tokens (email, created_at, digest);
CREATE INDEX @reset_tokens_expires_at ON @reset_tokens (expires_at);

CREATE TABLE @attempts (
    key          BLOB PRIMARY KEY NOT NULL CHECK (length(key) = 32),
    count        INTEGER NOT NULL CHECK (count >= 0),
    last         INTEGER NOT NULL CHECK (last >= 0),
    last_on      INTEGER NOT NULL,
    operation_id TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX @attempts_last_on ON @attempts (last_on);

-- `full_at`: when the whole burst is there again (the theoretical arrival time of the generic cell rate
-- algorithm).
CREATE TABLE @rate_limits (
    key          BLOB NOT NULL CHECK (length(key) = 32),
    burst        INTEGER NOT NULL,
    period       INTEGER NOT NULL,
    full_at      INTEGER NOT NULL CHECK (full_at >= 0),
    ends_on      INTEGER NOT NULL,
    operation_id TEXT,
    PRIMARY KEY (key, burst, period)
) STRICT, WITHOUT ROWID;

CREATE INDEX @rate_limits_ends_on ON @rate_limits (ends_on);

-- `job` is JSON; `due_at` when it is to be tried next, or when whoever holds `lease` has lost it.
CREATE TABLE @mail_jobs (
    job_id    TEXT PRIMARY KEY NOT NULL,
    job       TEXT NOT NULL,
    queued_at INTEGER NOT NULL CHECK (queued_at >= 0),
    due_at    INTEGER NOT NULL CHECK (due_at >= 0),
    tries     INTEGER NOT NULL CHECK (tries >= 0),
    lease     TEXT
) STRICT;

CREATE INDEX @mail_jobs_due ON @mail_jobs (due_at);
