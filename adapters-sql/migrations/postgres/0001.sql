-- Times are microseconds since 1970-01-01T00:00:00 UTC, digests SHA-256 and keys HMAC-SHA-256 (32 bytes each).
-- `operation_id` names the call that wrote the row last. Addresses are collated by their bytes, so that no new
-- version of a collation breaks an index.

CREATE TABLE @users (
    user_id            UUID PRIMARY KEY,
    email              TEXT COLLATE "C" NOT NULL UNIQUE,
    name               TEXT NOT NULL,
    password_hash      TEXT,
    credential_version BIGINT NOT NULL CHECK (credential_version >= 0),
    disabled           BOOLEAN NOT NULL,
    email_verified_at  BIGINT CHECK (email_verified_at >= 0),
    created_at         BIGINT NOT NULL CHECK (created_at >= 0),
    updated_at         BIGINT NOT NULL CHECK (updated_at >= 0),
    last_login         BIGINT CHECK (last_login >= 0),
    operation_id       UUID
);

-- `email` as the account had it; no foreign key, since a session of an account that is gone is dead anyway.
CREATE TABLE @sessions (
    user_id            UUID NOT NULL,
    session_id         UUID NOT NULL,
    email              TEXT COLLATE "C" NOT NULL,
    credential_version BIGINT NOT NULL CHECK (credential_version >= 0),
    current_digest     BYTEA NOT NULL CHECK (length(current_digest) = 32),
    parent_digest      BYTEA CHECK (length(parent_digest) = 32),
    created_at         BIGINT NOT NULL CHECK (created_at >= 0),
    last_used_at       BIGINT NOT NULL CHECK (last_used_at >= 0),
    idle_expires_at    BIGINT NOT NULL CHECK (idle_expires_at >= 0),
    expires_at         BIGINT NOT NULL CHECK (expires_at >= 0),
    user_agent         TEXT,
    operation_id       UUID,
    PRIMARY KEY (user_id, session_id)
);

CREATE INDEX @sessions_end ON @sessions (least(idle_expires_at, expires_at));

CREATE TABLE @reset_tokens (
    email              TEXT COLLATE "C" NOT NULL,
    digest             BYTEA NOT NULL CHECK (length(digest) = 32),
    user_id            UUID NOT NULL,
    credential_version BIGINT NOT NULL CHECK (credential_version >= 0),
    created_at         BIGINT NOT NULL CHECK (created_at >= 0),
    expires_at         BIGINT NOT NULL CHECK (expires_at >= 0),
    used               BOOLEAN NOT NULL,
    operation_id       UUID,
    PRIMARY KEY (email, digest)
);

CREATE INDEX @reset_tokens_newest ON @reset_tokens (email, created_at, digest);
CREATE INDEX @reset_tokens_end ON @reset_tokens (expires_at);

CREATE TABLE @attempts (
    key          BYTEA PRIMARY KEY CHECK (length(key) = 32),
    count        BIGINT NOT NULL CHECK (count >= 0),
    last         BIGINT NOT NULL CHECK (last >= 0),
    operation_id UUID
);

CREATE INDEX @attempts_last ON @attempts (last);

-- `full_at`: when the whole burst is there again (the theoretical arrival time of the generic cell rate
-- algorithm).
CREATE TABLE @rate_limits (
    key          BYTEA NOT NULL CHECK (length(key) = 32),
    burst        BIGINT NOT NULL,
    period       BIGINT NOT NULL,
    full_at      BIGINT NOT NULL CHECK (full_at >= 0),
    operation_id UUID,
    PRIMARY KEY (key, burst, period)
);

CREATE INDEX @rate_limits_full ON @rate_limits (full_at);

-- `job` is JSON; `due_at` when it is to be tried next, or when whoever holds `lease` has lost it.
CREATE TABLE @mail_jobs (
    job_id    UUID PRIMARY KEY,
    job       TEXT NOT NULL,
    queued_at BIGINT NOT NULL CHECK (queued_at >= 0),
    due_at    BIGINT NOT NULL CHECK (due_at >= 0),
    tries     BIGINT NOT NULL CHECK (tries >= 0),
    lease     UUID
);

CREATE INDEX @mail_jobs_due ON @mail_jobs (due_at);
