//! The histories and races of sessions that the stores in memory are held to.

use std::sync::Arc;

use auth_domain::Session;
use auth_domain::ports::{SessionStore, UserStore};

use crate::databases::Database;

#[path = "../../../adapters-local/tests/sessions/histories/mod.rs"]
mod of_sessions;

use of_sessions::lifetimes::{Figures, Stores, live, random_history};
use of_sessions::protocol::{Walk, replay, walk};
use of_sessions::races;

/// Less deep than in memory, where each call takes microseconds.
const DEPTH: usize = 5;
const HISTORIES: u64 = 15;
const STEPS: usize = 50;

type Ports = (Arc<dyn UserStore>, Arc<dyn SessionStore>);

fn ports(database: &Database) -> Ports {
    let store = Arc::new(database.store.clone());
    (Arc::clone(&store) as _, store)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_lives_through_the_histories_of_the_walk() {
    let Walk { states, transitions, histories } = walk(DEPTH, Session::presented).unwrap();
    let told = format!("{states} states, {transitions} transitions, {}", histories.len());
    assert!(states > 5_000 && histories.len() > 500, "{told} histories");
    for database in Database::each().await {
        for (n, history) in histories.iter().enumerate() {
            replay(&database.store, n, history).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_lives_of_an_account_go_as_the_model_foresees() {
    for database in Database::each().await {
        let (users, sessions) = ports(&database);
        let (stores, mut figures) = (Stores { users, sessions }, Figures::default());
        for seed in 0..HISTORIES {
            let history = random_history(seed, STEPS);
            figures += live(&stores, &format!("ann-{seed}"), &history).await.unwrap();
        }
        assert!(figures.rotations > 50 && figures.retries > 0 && figures.reuses > 0, "{figures:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a2_of_32_refreshes_of_one_token_one_line_survives() {
    for database in Database::each().await {
        let (users, sessions) = ports(&database);
        races::of_32_refreshes_of_one_token_one_line_survives(users, sessions).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a2_of_32_refreshes_that_take_too_long_one_line_survives_or_none() {
    for database in Database::each().await {
        let (users, sessions) = ports(&database);
        races::of_32_refreshes_that_take_too_long_one_line_survives_or_none(users, sessions).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a7_no_session_older_than_a_change_survives() {
    for database in Database::each().await {
        let (users, sessions) = ports(&database);
        races::no_session_older_than_a_change_survives(users, sessions).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_logout_among_refreshes_is_final() {
    for database in Database::each().await {
        let (users, sessions) = ports(&database);
        races::a_logout_among_refreshes_is_final(users, sessions).await;
    }
}
