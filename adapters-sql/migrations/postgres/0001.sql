-- Times are microseconds since 1970-01-01T00:00:00 UTC, digests SHA-256 and keys HMAC-SHA-256 (32 bytes each).
-- `operation_id` names the call that wrote the row last. Addresses are collated by their bytes, so that no new
-- version of a collation breaks an index.
--
-- `ends_on` is the day, counted from 1970-01-01 in UTC, on which a row may come to its end, and `last_on` that of
-- its last use: what a sweep goes by. Times that each use moves have no index, which would be written anew by each use: so most updates stay in
-- their page (HOT), for which `fillfactor` leaves room.

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
    ends_on            BIGINT NOT NULL,
    user_agent         TEXT,
    operation_id       UUID,
    PRIMARY KEY (user_id, session_id)
) WITH (fillfactor = 70);

CREATE INDEX @sessions_ends_on ON @sessions (ends_on);

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
CREATE INDEX @reset_tokens_expires_at ON @reset_tokens (expires_at);

CREATE TABLE @attempts (
    key          BYTEA PRIMARY KEY CHECK (length(key) = 32),
    count        BIGINT NOT NULL CHECK (count >= 0),
    last         BIGINT NOT NULL CHECK (last >= 0),
    last_on      BIGINT NOT NULL,
    operation_id UUID
) WITH (fillfactor = 70);

CREATE INDEX @attempts_last_on ON @attempts (last_on);

-- `full_at`: when the whole burst is there again (the theoretical arrival time of the generic cell rate
-- algorithm).
CREATE TABLE @rate_limits (
    key          BYTEA NOT NULL CHECK (length(key) = 32),
    burst        BIGINT NOT NULL,
    period       BIGINT NOT NULL,
    full_at      BIGINT NOT NULL CHECK (full_at >= 0),
    ends_on      BIGINT NOT NULL,
    operation_id UUID,
    PRIMARY KEY (key, burst, period)
) WITH (fillfactor = 70);

CREATE INDEX @rate_limits_ends_on ON @rate_limits (ends_on);

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
