//! The histories and races of sessions that the stores in memory are held to, over the DynamoDB stores.

use std::sync::Arc;

use adapters_aws::dynamodb::{DynamoSessions, DynamoUsers};
use auth_domain::Session;
use auth_domain::ports::{SessionStore, UserStore};

use crate::dynamo::Dynamo;

#[path = "../../../adapters-local/tests/sessions/histories/mod.rs"]
mod of_sessions;

use of_sessions::lifetimes::{Figures, Stores, live, random_history};
use of_sessions::protocol::{Walk, replay, walk};
use of_sessions::races;

/// Less deep than in memory, where each call takes microseconds.
const DEPTH: usize = 5;
const HISTORIES: u64 = 15;
const STEPS: usize = 50;

async fn stores() -> (Arc<dyn UserStore>, Arc<dyn SessionStore>) {
    let client = Dynamo::start("t-").await.client;
    let users = DynamoUsers::new(client.clone(), "t-users");
    (Arc::new(users), Arc::new(DynamoSessions::new(client, "t-sessions")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_lives_through_the_histories_of_the_walk() {
    let walk = walk(DEPTH, Session::presented).unwrap();
    let (_, sessions) = stores().await;
    for (n, history) in walk.histories.iter().enumerate() {
        replay(&*sessions, n, history).await.unwrap();
    }
    let Walk { states, transitions, histories } = walk;
    let told = format!("{states} states, {transitions} transitions, {}", histories.len());
    assert!(states > 5_000 && histories.len() > 500, "{told} histories");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_lives_of_an_account_go_as_the_model_foresees() {
    let (users, sessions) = stores().await;
    let (stores, mut figures) = (Stores { users, sessions }, Figures::default());
    for seed in 0..HISTORIES {
        let history = random_history(seed, STEPS);
        figures += live(&stores, &format!("ann-{seed}"), &history).await.unwrap();
    }
    assert!(figures.rotations > 50 && figures.retries > 0 && figures.reuses > 0, "{figures:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a2_of_32_refreshes_of_one_token_one_line_survives() {
    let (users, sessions) = stores().await;
    races::of_32_refreshes_of_one_token_one_line_survives(users, sessions).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a2_of_32_refreshes_that_take_too_long_one_line_survives_or_none() {
    let (users, sessions) = stores().await;
    races::of_32_refreshes_that_take_too_long_one_line_survives_or_none(users, sessions).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a7_no_session_older_than_a_change_survives() {
    let (users, sessions) = stores().await;
    races::no_session_older_than_a_change_survives(users, sessions).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_logout_among_refreshes_is_final() {
    let (users, sessions) = stores().await;
    races::a_logout_among_refreshes_is_final(users, sessions).await;
}
