//! The stores on DynamoDB.
//!
//! Every promise of a port is one conditional write or one strongly consistent read. A write carries an
//! operation id; where the SDK tries again after an answer that was lost and meets its own write, the
//! condition fails, the old item comes back with that id, and the write counts as done.
//!
//! | table | key | attributes |
//! |---|---|---|
//! | `users` | `email` S | `user_id` S, `name` S, `password_hash` S, `credential_version` N, `disabled` BOOL, `email_verified_at` S, `created_at` S, `updated_at` S, `last_login` S, `operation_id` S |
//! | its index `user_id-index` | `user_id` S | keys only |
//! | `sessions` | `user_id` S, `session_id` S | `email` S (as the row of `users` is keyed), `credential_version` N, `current` S, `parent` S (digests in hex), `created_at` S, `last_used_at` S, `idle_expires_at` S, `expires_at` S, `user_agent` S, `operation_id` S, `ttl` N |
//! | `password-resets` | `email` S, `reset_token` S | `user_id` S, `credential_version` N, `created_at` S, `expires_at` S, `used` BOOL, `operation_id` S, `ttl` N |
//! | `attempts` | `key` S | `count` N, `last` N (microseconds), `operation_id` S, `ttl` N |
//! | `rate-limits` | `key` S | `count` N, `operation_id` S, `ttl` N |
//!
//! Times in strings are UTC, `2025-09-06T11:22:33.123456`; `ttl` is in epoch seconds, and only clean-up:
//! expiry is checked by conditions. `reset_token` is `sha256:` and the digest in hex; rows without that
//! prefix are of the system that this replaced, and are never read. The user rows of that system are
//! read as they are: attributes that they lack have a meaning, and the first login adds them. Each write
//! removes `reset_token`, `reset_expires` and `reset_created`, in which it kept secrets in the clear.
//!
//! What a call costs, of items under 1 KB (read and write request units):
//!
//! | use case | calls | RRU | WRU |
//! |---|---|---|---|
//! | register, also when taken | 1 | 0 | 1, and 1 for the index if it is new |
//! | login | attempt, user, session, clear, last login, sessions | 2 | 4, and 1 once for an old hash |
//! | login that is refused | attempt, user | 1 | 1, and 1 for an outdated device token |
//! | refresh | session, user | 1 | 1 |
//! | refresh with a spent token | session, its end | 0 | 2 |
//! | logout | session | 0 | 1 |
//! | list of sessions | session, user, sessions | 3 | 0 |
//! | end of all sessions | session, user, user, sessions | 3 | 1, and 1 for each |
//! | forgot, the worker's half | user, newest, put | 2 | 1, and 1 for each cap |
//! | notice of a change, the worker's half | user | 1 | 2: its job, and the cap of its address |
//! | reset | newest, user, consume, user, clear, sessions | 3 | 3, and 1 for each session |
//! | change of password | session, user, attempt, clear, user, session, sessions | 3 | 4, and 1 for each other session |
//! | change of address, the link | user, new address, user, the move, sessions, links, clear | 5 | 5, 2 for the index, and 1 for each session and link |
//! | deletion after a recent login | session, user, user, sessions, links, clear | 4 | 2, 1 for the index, and 1 for each session and link |
//!
//! A deletion with the password costs an attempt and its end more: 2 WRU. The move itself is 1 read and 4 writes: a transaction of two items. An address that is not typed in its
//! canonical form costs a login one more read, whether or not there is an account. The sessions of an account
//! are read whole, 1 RRU for each 4 KB (seven to nine of them): a login to an account with 50 costs 7 or 8.

mod attempts;
mod conditional;
mod layout;
mod partition;
mod rate_limiter;
mod relocation;
mod reset_tokens;
mod sessions;
mod tries;
mod users;

pub use attempts::DynamoAttempts;
#[cfg(feature = "tools")]
pub(crate) use layout::{EMAIL, Item, USER_ID};
pub use layout::{RowFault, TableNames};
pub use rate_limiter::DynamoRateLimiter;
#[cfg(feature = "tools")]
pub(crate) use relocation::{Answer, Relocation};
pub use reset_tokens::DynamoResetTokens;
pub use sessions::DynamoSessions;
pub use users::DynamoUsers;
