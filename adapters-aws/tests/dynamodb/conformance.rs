//! The DynamoDB stores, held to each law of their ports.

use std::sync::Arc;

use adapters_aws::dynamodb::{
    DynamoAttempts, DynamoRateLimiter, DynamoResetTokens, DynamoSessions, DynamoUsers,
};

use crate::dynamo::Dynamo;

mod dynamo_users {
    use super::*;

    auth_domain::user_store_conformance! {
        test: tokio::test(flavor = "multi_thread", worker_threads = 4),
        spawn: tokio::spawn,
        adapter: Arc::new(DynamoUsers::new(Dynamo::start("t-").await.client, "t-users")),
    }
}

mod dynamo_sessions {
    use super::*;

    auth_domain::session_store_conformance! {
        test: tokio::test(flavor = "multi_thread", worker_threads = 4),
        spawn: tokio::spawn,
        adapter: Arc::new(DynamoSessions::new(Dynamo::start("t-").await.client, "t-sessions")),
    }
}

mod dynamo_reset_tokens {
    use super::*;

    auth_domain::reset_token_store_conformance! {
        test: tokio::test(flavor = "multi_thread", worker_threads = 4),
        spawn: tokio::spawn,
        adapter: {
            let client = Dynamo::start("t-").await.client;
            Arc::new(DynamoResetTokens::new(client, "t-password-resets"))
        },
    }
}

mod dynamo_attempts {
    use super::*;

    auth_domain::attempt_store_conformance! {
        test: tokio::test(flavor = "multi_thread", worker_threads = 4),
        spawn: tokio::spawn,
        adapter: Arc::new(DynamoAttempts::new(Dynamo::start("t-").await.client, "t-attempts")),
    }
}

mod dynamo_rate_limiter {
    use super::*;

    auth_domain::rate_limiter_conformance! {
        test: tokio::test(flavor = "multi_thread", worker_threads = 4),
        spawn: tokio::spawn,
        adapter: {
            let client = Dynamo::start("t-").await.client;
            Arc::new(DynamoRateLimiter::new(client, "t-rate-limits"))
        },
    }
}
