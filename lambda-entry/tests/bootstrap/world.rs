//! AlcoLook in one process: its tables, AWS beside them, and instances of our program.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Map, Value, json};

use crate::aws::Aws;
use crate::dynamo::Dynamo;
use crate::gateway::{Answer, Gateway, sqs};
use crate::runtime_api::Instance;

pub(crate) const MASTER_ARN: &str =
    "arn:aws:secretsmanager:us-east-1:123456789012:secret:master-AbCdEf";
pub(crate) const SHARED_ARN: &str =
    "arn:aws:secretsmanager:us-east-1:123456789012:secret:shared-GhIjKl";
pub(crate) const PEPPERS_ARN: &str =
    "arn:aws:secretsmanager:us-east-1:123456789012:secret:peppers-MnOpQr";
pub(crate) const MASTER: &str = "M4ster-Canary-3fQ9zLw7TtKx0PvB5nRs2Yd8";
pub(crate) const SHARED: &str = "Sh4red-Canary-8uJm1XcE6hWq4GaZ7oVi0Ny5";
pub(crate) const ACCESS_KEY: &str = "AccessKeyCanary/9Kd3mQ7xWv";
pub(crate) const PASSWORD: &str = "pa55-canary-staple";

pub(crate) struct World {
    pub(crate) aws: Aws,
    pub(crate) dynamo: Dynamo,
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) instance: Instance,
}

impl World {
    /// The AlcoLook profile as its guide sets it up.
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    pub(crate) async fn with(changes: &[(&str, &str)]) -> Self {
        Self::prepared(changes, |aws| {
            aws.rotate_secret(MASTER_ARN, MASTER);
            aws.rotate_secret(SHARED_ARN, SHARED);
        })
        .await
    }

    pub(crate) async fn prepared(changes: &[(&str, &str)], prepare: impl FnOnce(&Aws)) -> Self {
        let aws = Aws::start().await;
        prepare(&aws);
        let dynamo = Dynamo::start("alcolook-").await;
        let variables = variables(&aws, &dynamo.endpoint, changes);
        let instance = Instance::start(&variables).await;
        Self { aws, dynamo, variables, instance }
    }

    /// One more instance over the same tables.
    pub(crate) async fn another(&self) -> Instance {
        Instance::start(&self.variables).await
    }

    /// A request as the installed app sends it.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(&Gateway::Rest.event("POST", path, Some(&body.to_string()))).await
    }

    pub(crate) async fn send(&self, event: &Value) -> Answer {
        Answer::of(Gateway::Rest, &self.instance.invoke(event).await)
    }

    pub(crate) async fn register(&self, email: &str) -> Answer {
        let body = json!({"email": email, "password": PASSWORD, "name": "김철수"});
        self.post("/auth/register", body).await
    }

    pub(crate) async fn login(&self, email: &str, password: &str) -> Answer {
        self.post("/auth/login", json!({"email": email, "password": password})).await
    }

    pub(crate) async fn forgot(&self, email: &str) -> Answer {
        self.post("/auth/forgot-password", json!({"email": email})).await
    }

    pub(crate) async fn reset(&self, token: &str, password: &str) -> Answer {
        let body = json!({"token": token, "new_password": password});
        self.post("/auth/reset-password", body).await
    }

    pub(crate) async fn me(&self, token: &str) -> Answer {
        let mut event = Gateway::Rest.event("GET", "/auth/me", None);
        Gateway::Rest.add_header(&mut event, "Authorization", &format!("Bearer {token}"));
        self.send(&event).await
    }

    /// Hands the worker all messages that are queued, as SQS does, and says which it gave back.
    pub(crate) async fn deliver_mails(&self) -> Vec<String> {
        let queued = self.aws.take_queued();
        let bodies = queued.iter().map(|call| call["MessageBody"].as_str().unwrap());
        let ids: Vec<_> = (0..queued.len()).map(|index| format!("message-{index}")).collect();
        let event = sqs(ids.iter().map(String::as_str).zip(bodies));
        kept(&self.instance.invoke(&event).await)
    }

    /// The token of the link in the one mail that was sent.
    pub(crate) async fn mailed_token(&self) -> String {
        assert_eq!(self.deliver_mails().await, Vec::<String>::new());
        let mails = self.aws.take_mails();
        assert_eq!(mails.len(), 1, "{mails:?}");
        token_of(&mails[0])
    }

    /// Writes a row as it is.
    pub(crate) async fn put(&self, table: &str, row: Value) {
        let put = self.dynamo.client.put_item().table_name(format!("alcolook-{table}"));
        let row = row.as_object().unwrap().clone();
        let row = row.into_iter().map(|(name, value)| (name, attribute(value))).collect();
        put.set_item(Some(row)).send().await.unwrap();
    }

    /// All rows of a table.
    pub(crate) async fn rows(&self, table: &str) -> Vec<Value> {
        let scan = self.dynamo.client.scan().table_name(format!("alcolook-{table}"));
        let rows = scan.send().await.unwrap().items.unwrap_or_default();
        let value = |row: std::collections::HashMap<String, AttributeValue>| {
            row.into_iter().map(|(name, value)| (name, json_of(&value))).collect::<Map<_, _>>()
        };
        rows.into_iter().map(|row| Value::Object(value(row))).collect()
    }

    pub(crate) async fn user(&self, email: &str) -> Value {
        let rows = self.rows("users").await;
        let row = rows.into_iter().find(|row| row["email"] == email);
        row.unwrap_or_else(|| panic!("no row {email}"))
    }
}

fn variables(aws: &Aws, dynamo: &str, changes: &[(&str, &str)]) -> BTreeMap<String, String> {
    let endpoint = aws.endpoint.as_str();
    let set_up = [
        ("AUTH_AUDIENCE", "alcolook"),
        ("AUTH_COMPATIBILITY_SECRET_ARN", SHARED_ARN),
        ("AUTH_ISSUER", "https://auth.alcolook-app.com"),
        ("AUTH_LANGUAGE", "ko"),
        ("AUTH_LINK_BASE", "https://alcolook-app.com/reset-password"),
        ("AUTH_MAIL_FROM", "noreply@alcolook-app.com"),
        ("AUTH_MAIL_QUEUE_URL", "https://sqs.us-east-1.amazonaws.com/123456789012/alcolook-mail"),
        ("AUTH_MASTER_SECRET_ARN", MASTER_ARN),
        ("AUTH_SERVICE_NAME", "AlcoLook"),
        ("AWS_ACCESS_KEY_ID", "AKIDCANARYEXAMPLE"),
        ("AWS_ENDPOINT_URL_DYNAMODB", dynamo),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", endpoint),
        ("AWS_ENDPOINT_URL_SESV2", endpoint),
        ("AWS_ENDPOINT_URL_SQS", endpoint),
        ("AWS_REGION", "us-east-1"),
        ("AWS_SECRET_ACCESS_KEY", ACCESS_KEY),
        ("AWS_SESSION_TOKEN", "SessionTokenCanary"),
    ];
    let all = set_up.iter().chain(changes);
    all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The ids of the messages that an answer leaves in the queue.
pub(crate) fn kept(answer: &Value) -> Vec<String> {
    let failures = answer["batchItemFailures"].as_array().unwrap().iter();
    failures.map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned()).collect()
}

/// The token in a mail's reset link.
pub(crate) fn token_of(mail: &Value) -> String {
    token_after(mail, "https://alcolook-app.com/reset-password?token=")
}

/// The token in a mail's link that leads there.
pub(crate) fn token_after(mail: &Value, base: &str) -> String {
    let text = mail["Content"]["Simple"]["Body"]["Text"]["Data"].as_str().unwrap();
    let link = text.split_whitespace().find(|word| word.starts_with("https://")).unwrap();
    let token = link.strip_prefix(base);
    token.unwrap_or_else(|| panic!("the link is {link}")).to_owned()
}

fn attribute(value: Value) -> AttributeValue {
    match value {
        Value::String(text) => AttributeValue::S(text),
        Value::Bool(flag) => AttributeValue::Bool(flag),
        Value::Number(number) => AttributeValue::N(number.to_string()),
        other => panic!("no attribute of these tables is {other}"),
    }
}

fn json_of(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!(text),
        AttributeValue::Bool(flag) => json!(flag),
        AttributeValue::N(number) => json!(number.parse::<i64>().unwrap()),
        other => panic!("no attribute of these tables is {other:?}"),
    }
}
