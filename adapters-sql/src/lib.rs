//! Stores of [`auth_domain`] in SQL: in a SQLite file that is part of the program, or in a Postgres that is
//! there anyway. Both keep the same contract as those in memory and on DynamoDB, by one code path.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use adapters_sql::{SqlMailQueue, SqlSettings, SqlStore};
//!
//! # async fn compose(ports: &mut auth_domain::Ports) -> Result<(), Box<dyn std::error::Error>> {
//! let store = SqlStore::connect("sqlite:/var/lib/service/auth.db", &SqlSettings::default()).await?;
//! store.migrate().await?;
//! let mail_queue = SqlMailQueue::new(store.clone(), ports.clock.clone());
//! let worker = mail_queue.worker(); // to be run beside the server
//! ports.mail_queue = Arc::new(mail_queue);
//! ports.users = Arc::new(store.clone()); // a clone is the same store
//! ports.sessions = Arc::new(store.clone());
//! ports.reset_tokens = Arc::new(store.clone());
//! ports.attempts = Arc::new(store.clone());
//! ports.limiter = Arc::new(store);
//! # Ok(())
//! # }
//! ```
//!
//! In a database of your own, beside your tables, over a pool of sqlx 0.9 (`examples/axum_postgres.rs` is a
//! whole service):
//!
//! ```no_run
//! # #[cfg(feature = "postgres")]
//! # async fn over(url: &str) -> Result<(), Box<dyn std::error::Error>> {
//! use adapters_sql::{SqlSettings, SqlStore, postgres_options};
//!
//! let settings = SqlSettings::default();
//! let pool = sqlx::PgPool::connect_with(postgres_options(url, &settings)?).await?;
//! let store = SqlStore::over_postgres(pool.clone(), &settings)?;
//! store.migrate().await?;
//! # Ok(())
//! # }
//! ```
//!
//! SQLite is the default feature, `postgres` the other.
//!
//! # What is promised, and by what
//!
//! Each call of a port is one statement that decides and writes at once, and at most a look at what it met
//! afterwards, by which nothing is decided. So READ COMMITTED suffices (Postgres evaluates a condition again
//! on a row that it had to wait for), and a stricter default of yours does no harm: what fails to be
//! serialized, or meets a deadlock, is sent again until [`SqlSettings::deadline`].
//!
//! A statement is also sent again when its connection breaks. It carries an operation id, which the row
//! keeps; where its first try landed although the answer was lost, the second meets its own id and comes to
//! what the first came to. Two things leave no id to meet: a row that the first try removed, and one that another
//! call has written between the two tries. Then nothing is written twice that matters, but a change may be
//! told as [`Stale`](auth_domain::ports::Update::Stale) although it was made, and an attempt or a hit may
//! count twice.
//!
//! What was acknowledged is on the disk: SQLite with a write-ahead log and `synchronous=FULL`, Postgres as
//! its `synchronous_commit` says (`on`, unless somebody turned it off).
//!
//! **SQLite** has one writer at a time. Calls of one process queue for it and are written in batches, each
//! with one flush to the disk; readers never wait for it. Several processes may share a file on a local
//! disk (not on a network file system).
//!
//! **Postgres** prepares each statement once for each connection. Behind a pooler that gives each
//! transaction another connection, set [`SqlSettings::transaction_pooler`], unless the pooler keeps prepared
//! statements itself. Errors that Postgres writes to its own log may quote an address, where somebody moves
//! to one that is taken; `log_error_verbosity = terse` leaves that out.
//!
//! # Tables
//!
//! Each name begins with [`SqlSettings::table_prefix`]. Ids are UUIDs (text in SQLite), times microseconds
//! since 1970-01-01T00:00:00 UTC in 64 bits, digests and keys 32 bytes. `migrations/` has the whole text.
//!
//! | table | key | columns |
//! |---|---|---|
//! | `users` | `user_id`; `email` is unique | `name`, `password_hash`, `credential_version`, `disabled`, `email_verified_at`, `created_at`, `updated_at`, `last_login`, `operation_id` |
//! | `sessions` | `user_id`, `session_id` | `email`, `credential_version`, `current_digest`, `parent_digest`, `created_at`, `last_used_at`, `idle_expires_at`, `expires_at`, `ends_on`, `user_agent`, `operation_id` |
//! | `reset_tokens` | `email`, `digest` | `user_id`, `credential_version`, `created_at`, `expires_at`, `used`, `operation_id` |
//! | `attempts` | `key` | `count`, `last`, `last_on`, `operation_id` |
//! | `rate_limits` | `key`, `burst`, `period` | `full_at`, `ends_on`, `operation_id` |
//! | `mail_jobs` | `job_id` | `job` (JSON), `queued_at`, `due_at`, `tries`, `lease` |
//! | `schema_versions` | `version` | |
//!
//! Your tables may refer to `users (user_id)`, which never changes for an account; its value is
//! `Uuid::from_bytes(*user_id.as_bytes())`. Three things to mind:
//! - Say what is to become of your row when the account goes (`ON DELETE CASCADE` or `SET NULL`), and index the
//!   column. Without the first no account that has such a row can be deleted (500, with the constraint in the
//!   log); without the second each deletion reads your whole table.
//! - In a transaction of yours write the row that refers to us first. It holds the account, so that a deletion
//!   waits for you or you for it, and never each for the other.
//! - Our writes and yours are never one transaction: make what belongs to an account when it is first used, not
//!   when it is registered.
//!
//! Rows that have expired stay until [`SqlStore::sweep`] removes them; nothing relies on it.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(not(any(feature = "postgres", feature = "sqlite")))]
compile_error!("adapters-sql needs the feature `sqlite` or `postgres`, or both");

mod attempts;
mod fault;
mod mail_queue;
#[cfg(feature = "postgres")]
mod postgres;
mod rate_limiter;
mod reset_tokens;
mod schema;
mod sessions;
#[cfg(feature = "sqlite")]
mod sqlite;
mod statement;
mod store;
mod sweep;
mod users;

pub use fault::SqlFault;
pub use mail_queue::{SqlMailQueue, SqlMailWorker};
#[cfg(feature = "postgres")]
pub use postgres::postgres_options;
#[cfg(feature = "sqlite")]
pub use sqlite::sqlite_options;
pub use statement::RowFault;
pub use store::{SqlSettings, SqlStore, SqlStoreError};
pub use sweep::Swept;
