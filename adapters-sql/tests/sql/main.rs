//! The stores, on a SQLite file and on the Postgres that `AUTH_TEST_POSTGRES` names, if it does.
#![expect(clippy::panic, clippy::print_stdout, clippy::unwrap_used, reason = "tests")]

mod conformance;
mod databases;
mod examples;
mod faults;
mod histories;
mod lost_answers;
mod mail_queue;
mod poison;
mod pooler;
mod proxy;
mod schema;
mod sweep;
