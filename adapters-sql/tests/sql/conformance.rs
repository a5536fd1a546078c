//! The contract suite on SQLite and on Postgres: each law, races with 32 tasks over several connections.

use std::sync::{Arc, LazyLock};

use crate::databases::Database;
use adapters_sql::{SqlSettings, SqlStore};
use auth_domain::conformance::{
    Racers, attempt_store, rate_limiter, reset_token_store, session_store, user_store,
};
use tempfile::TempDir;

const RACERS: usize = 32;

/// One file for all laws, and a store of its own for each: they meet as processes do.
async fn sqlite() -> Arc<SqlStore> {
    static FOLDER: LazyLock<TempDir> =
        LazyLock::new(|| tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap());
    let url = format!("sqlite:{}", FOLDER.path().join("auth.db").display());
    let store = SqlStore::connect(&url, &SqlSettings::default()).await.unwrap();
    store.migrate().await.unwrap();
    Arc::new(store)
}

macro_rules! on_sqlite {
    ($($module:ident: $laws:ident,)*) => {
        $(mod $module {
            use super::*;

            auth_domain::$laws! {
                test: tokio::test(flavor = "multi_thread", worker_threads = 4),
                spawn: Racers::new(RACERS, tokio::spawn),
                adapter: sqlite().await,
            }
        })*
    };
}

on_sqlite! {
    sqlite_users: user_store_conformance,
    sqlite_sessions: session_store_conformance,
    sqlite_reset_tokens: reset_token_store_conformance,
    sqlite_attempts: attempt_store_conformance,
    sqlite_rate_limiter: rate_limiter_conformance,
}

macro_rules! on_postgres {
    ($($port:ident,)*) => {
        mod postgres {
            use super::*;

            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $port() {
                let Some(database) = Database::postgres().await else { return };
                let store = Arc::new(database.store.clone());
                for law in $port::LAWS {
                    println!("{law}");
                    let adapter = Arc::clone(&store);
                    $port::hold(law, adapter, &Racers::new(RACERS, tokio::spawn)).await;
                }
            })*
        }
    };
}

on_postgres! {
    user_store,
    session_store,
    reset_token_store,
    attempt_store,
    rate_limiter,
}
