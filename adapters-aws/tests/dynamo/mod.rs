//! A DynamoDB in this process: the real protocol on a port of its own, in memory, new for each test.
//!
//! It reads always strongly and never throttles; what AWS does there is scripted elsewhere.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType,
};
use tokio::net::TcpListener;

pub(crate) struct Dynamo {
    pub(crate) endpoint: String,
    pub(crate) client: Client,
}

impl Dynamo {
    /// Starts it with the five tables, their names after `prefix`.
    pub(crate) async fn start(prefix: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let database = dynoxide::Database::memory().unwrap();
        tokio::spawn(dynoxide::server::serve_on(listener, database));
        let client = client(&endpoint);
        create_tables(&client, prefix).await;
        Self { endpoint, client }
    }
}

/// A client without retries, so that a test meets what it asked for.
pub(crate) fn client(endpoint: &str) -> Client {
    Client::from_conf(
        aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .credentials_provider(Credentials::for_tests())
            .region(Region::from_static("us-east-1"))
            .endpoint_url(endpoint)
            .retry_config(aws_sdk_dynamodb::config::retry::RetryConfig::disabled())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build(),
    )
}

async fn create_tables(client: &Client, prefix: &str) {
    let text = |name: &str| {
        AttributeDefinition::builder()
            .attribute_name(name)
            .attribute_type(ScalarAttributeType::S)
            .build()
            .unwrap()
    };
    let key = |name: &str, kind| {
        KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap()
    };
    let by_id = GlobalSecondaryIndex::builder()
        .index_name("user_id-index")
        .key_schema(key("user_id", KeyType::Hash))
        .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build())
        .build()
        .unwrap();
    let table = |name: &str| {
        client
            .create_table()
            .table_name(format!("{prefix}{name}"))
            .billing_mode(BillingMode::PayPerRequest)
    };
    let users = table("users")
        .attribute_definitions(text("email"))
        .attribute_definitions(text("user_id"))
        .key_schema(key("email", KeyType::Hash))
        .global_secondary_indexes(by_id);
    let resets = table("password-resets")
        .attribute_definitions(text("email"))
        .attribute_definitions(text("reset_token"))
        .key_schema(key("email", KeyType::Hash))
        .key_schema(key("reset_token", KeyType::Range));
    let sessions = table("sessions")
        .attribute_definitions(text("user_id"))
        .attribute_definitions(text("session_id"))
        .key_schema(key("user_id", KeyType::Hash))
        .key_schema(key("session_id", KeyType::Range));
    let keyed = |name: &str| {
        table(name).attribute_definitions(text("key")).key_schema(key("key", KeyType::Hash))
    };
    for table in [users, sessions, resets, keyed("attempts"), keyed("rate-limits")] {
        table.send().await.unwrap();
    }
}
