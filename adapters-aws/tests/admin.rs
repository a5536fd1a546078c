//! `auth-admin` as an operator runs it, over the tables of a service that goes on.
#![cfg(feature = "tools")]
#![expect(clippy::unwrap_used, reason = "functions of tests may fail their test")]

#[expect(dead_code, reason = "other tests use the rest")]
mod aws_stub;
mod dynamo;
#[expect(dead_code, reason = "other tests use the rest")]
mod tap;

use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use adapters_aws::MailBatch;
use adapters_aws::dynamodb::{DynamoResetTokens, DynamoSessions, DynamoUsers};
use adapters_local::{SystemClock, Testing, testing_with};
use auth_domain::{
    DisplayName, Email, Login, LoginError, LoginRequest, Password, RefreshToken, RegisterRequest,
    RequestContext, ResetRequest,
};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_stub::{Answer, AwsStub, Operation};
use dynamo::Dynamo;
use serde_json::{Value, json};
use tap::{Fate, Tap};
use tokio::process::Command;

const EMAIL: &str = "ann@example.com";
const OLD: &str = "correct horse battery";
const NEW: &str = "a brand new staple";
const QUEUE_URL: &str = "https://sqs.us-east-1.amazonaws.com/123456789012/mail";
const SECRET_ARN: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:master";

/// A service with Ann's account, and what AWS is beside its tables.
struct World {
    dynamo: Dynamo,
    stub: AwsStub,
    testing: Testing,
}

impl World {
    async fn new() -> Self {
        let dynamo = Dynamo::start("t-").await;
        let client = dynamo.client.clone();
        let testing = testing_with(|ports, _| {
            ports.clock = Arc::new(SystemClock::new());
            ports.users = Arc::new(DynamoUsers::new(client.clone(), "t-users"));
            ports.sessions = Arc::new(DynamoSessions::new(client.clone(), "t-sessions"));
            ports.reset_tokens = Arc::new(DynamoResetTokens::new(client, "t-password-resets"));
        });
        let world = Self { dynamo, stub: AwsStub::start().await, testing };
        world.register(EMAIL).await;
        world
    }

    async fn register(&self, address: &str) {
        let request = RegisterRequest {
            email: Email::parse(address).unwrap(),
            password: Password::new(OLD).unwrap(),
            name: DisplayName::parse("Ann").unwrap(),
        };
        self.testing.auth.register(request, &RequestContext::new()).await.unwrap();
    }

    async fn login_with(&self, password: &str) -> Result<Login, LoginError> {
        let email = Email::parse(EMAIL).unwrap();
        let request = LoginRequest { email, password: Password::new(password).unwrap() };
        self.testing.auth.login(request, &RequestContext::new()).await
    }

    async fn refreshes(&self, login: &Login) -> bool {
        let token = RefreshToken::parse(&login.refresh_token.expose()).unwrap();
        self.testing.auth.refresh(token, &RequestContext::new()).await.is_ok()
    }

    fn program(&self, arguments: &[&str]) -> Command {
        program(&self.dynamo.endpoint, &self.stub.endpoint, arguments)
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        self.program(arguments).output().await.unwrap()
    }

    async fn does(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat()).await;
        assert_eq!(code(&output), 0, "{arguments:?}: {}", said(&output));
        in_json(&output)
    }

    /// The mails that were queued are sent, as Lambda has it done.
    async fn mails_are_sent(&self) {
        let batch: MailBatch = serde_json::from_value(self.stub.sqs_event()).unwrap();
        let answer = batch.deliver(&self.testing.auth, Duration::from_mins(1)).await;
        let answer = serde_json::to_value(answer).unwrap();
        assert_eq!(answer, json!({ "batchItemFailures": [] }));
    }
}

/// With nothing of this machine's AWS.
fn program(dynamo: &str, rest: &str, arguments: &[&str]) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_auth-admin"));
    program
        .arg("user")
        .args(arguments)
        .env_clear()
        .env("AUTH_TABLE_PREFIX", "t-")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_ENDPOINT_URL", rest)
        .env("AWS_ENDPOINT_URL_DYNAMODB", dynamo)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "canary-secret")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    program
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn said(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

fn in_json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn an_operator_rules_over_an_account_in_dynamodb() {
    let world = World::new().await;
    let login = world.login_with(OLD).await.unwrap();
    let shown = world.does(&["show", EMAIL]).await["account"].clone();
    assert_eq!((&shown["email"], &shown["disabled"]), (&json!(EMAIL), &json!(false)));
    assert_eq!(shown["sessions"].as_array().unwrap().len(), 1);
    let id = shown["user_id"].as_str().unwrap();
    assert_eq!(world.does(&["show", id]).await["account"], shown);

    world.does(&["disable", EMAIL, "--yes"]).await;
    assert!(world.login_with(OLD).await.is_err() && !world.refreshes(&login).await);
    world.does(&["enable", EMAIL]).await;
    let login = world.login_with(OLD).await.unwrap();
    assert!(world.refreshes(&login).await);
    let login = world.login_with(OLD).await.unwrap();
    world.does(&["end-sessions", id, "--yes"]).await;
    assert!(!world.refreshes(&login).await);

    let forced = ["force-password-change", EMAIL, "--yes", "--mail-queue-url", QUEUE_URL];
    world.does(&[&forced[..], &["--language", "ko"]].concat()).await;
    assert!(world.login_with(OLD).await.is_err());
    assert_eq!(world.does(&["show", EMAIL]).await["account"]["has_password"], false);
    world.mails_are_sent().await;
    let token = world.testing.reset_token(&Email::parse(EMAIL).unwrap()).unwrap();
    let request = ResetRequest { token, new_password: Password::new(NEW).unwrap() };
    world.testing.auth.reset_password(request, &RequestContext::new()).await.unwrap();
    assert!(world.login_with(NEW).await.is_ok());

    world.does(&["delete", EMAIL, "--yes", "--mail-queue-url", QUEUE_URL]).await;
    assert!(world.login_with(NEW).await.is_err());
    let output = world.run(&["show", EMAIL, "--json"]).await;
    assert_eq!((code(&output), &in_json(&output)["outcome"]), (3, &json!("not_found")));
    assert!(said(&output).contains("t-users"), "{}", said(&output));
}

#[tokio::test]
async fn nobody_is_deleted_or_locked_out_whom_no_mail_would_reach() {
    let world = World::new().await;
    for change in ["delete", "force-password-change"] {
        let output = world.run(&[change, EMAIL, "--yes"]).await;
        assert_eq!(code(&output), 2, "{}", said(&output));
        assert!(said(&output).contains("AUTH_MAIL_QUEUE_URL"), "{}", said(&output));
    }
    assert!(world.login_with(OLD).await.is_ok());
    world.stub.always(
        Operation::SendMessage,
        Answer::Refuse { status: 400, code: "AWS.SimpleQueueService.NonExistentQueue" },
    );
    let output = world.run(&["delete", EMAIL, "--yes", "--mail-queue-url", QUEUE_URL]).await;
    assert_eq!(code(&output), 1);
    assert!(said(&output).contains("mail_queue.enqueue was refused"), "{}", said(&output));
    assert!(world.login_with(OLD).await.is_ok());
}

#[tokio::test]
async fn the_log_names_accounts_by_the_master_secret_and_otherwise_by_id_alone() {
    let world = World::new().await;
    let secret = json!({ "SecretString": "canary-of-32-bytes-or-more-in-the-secret" });
    world.stub.put_secret(SECRET_ARN, "AWSCURRENT", "v1", secret);
    let without = world.run(&["show", EMAIL]).await;
    let with = world.run(&["show", EMAIL, "--secret-arn", SECRET_ARN]).await;
    for (output, named) in [(&without, false), (&with, true)] {
        assert_eq!(code(output), 0, "{}", said(output));
        assert!(said(output).contains("look_up") && said(output).contains("user_id="));
        assert_eq!(said(output).contains("account="), named, "{}", said(output));
        assert!(!said(output).contains("example.com") && !said(output).contains("canary"));
    }
    let unknown = world.run(&["show", EMAIL, "--secret-arn", "arn:of-none"]).await;
    assert_eq!(code(&unknown), 1);
    assert!(said(&unknown).contains("AUTH_MASTER_SECRET_ARN"), "{}", said(&unknown));
}

#[tokio::test]
async fn nothing_is_changed_without_a_terminal_and_failures_say_what_to_do() {
    let world = World::new().await;
    let output = world.run(&["disable", EMAIL]).await;
    assert_eq!(code(&output), 4, "{}", said(&output));
    assert!(world.login_with(OLD).await.is_ok());
    let mut no_region = world.program(&["show", EMAIL]);
    no_region.env_remove("AWS_REGION");
    let mut no_credentials = world.program(&["show", EMAIL]);
    no_credentials.env_remove("AWS_ACCESS_KEY_ID");
    let other_table = world.program(&["show", EMAIL, "--table-prefix", "other-"]);
    let refused = |code| async move {
        let answer = json!({ "__type": format!("com.amazonaws#{code}"), "message": "canary" });
        Fate::Answer(400, answer.to_string())
    };
    let tap = Tap::start(&world.dynamo.endpoint, move |_| refused("AccessDeniedException")).await;
    let denied = program(&tap.endpoint, &world.stub.endpoint, &["show", EMAIL]);
    for (mut program, cause) in [
        (no_region, "set AWS_REGION"),
        (no_credentials, "set AWS_PROFILE"),
        (other_table, "check --table-prefix"),
        (denied, "--help lists the permissions"),
    ] {
        let output = program.output().await.unwrap();
        assert_eq!(code(&output), 1);
        assert!(said(&output).contains(cause), "{}", said(&output));
        assert!(!said(&output).contains("canary"), "{}", said(&output));
    }
}

/// Of the system that was replaced, and not moved to its canonical address yet.
#[tokio::test]
async fn an_account_under_the_address_as_it_was_typed_is_found_and_shut() {
    let world = World::new().await;
    let text = |value: &str| AttributeValue::S(value.to_owned());
    let row = world.dynamo.client.put_item().table_name("t-users");
    let row = row.item("email", text("Bob@Example.com")).item("name", text("Bob"));
    let row = row.item("created_at", text("2025-09-06T11:22:33.123456"));
    let id = "01234567-89ab-4def-8123-456789abcdef";
    row.item("user_id", text(id)).send().await.unwrap();
    world.does(&["disable", "Bob@Example.com", "--yes"]).await;
    for name in ["Bob@Example.com", id] {
        let shown = world.does(&["show", name]).await["account"].clone();
        assert_eq!((&shown["user_id"], &shown["disabled"]), (&json!(id), &json!(true)));
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_told_and_hides_no_other_of_the_list() {
    let world = World::new().await;
    let text = |value: &str| AttributeValue::S(value.to_owned());
    let row = world.dynamo.client.put_item().table_name("t-users");
    row.item("email", text("bob@example.com")).send().await.unwrap();
    let output = world.run(&["show", "bob@example.com"]).await;
    assert_eq!(code(&output), 1);
    assert!(said(&output).contains("mended by hand"), "{}", said(&output));

    let list = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("list-with-a-broken-row");
    std::fs::write(&list, format!("bob@example.com\n{EMAIL}\n")).unwrap();
    let list = ["disable", "--yes", "--json", "--file", list.to_str().unwrap()];
    let output = world.run(&list).await;
    assert_eq!(code(&output), 1);
    let object = in_json(&output);
    assert_eq!((&object["done"], &object["left"][0]["outcome"]), (&json!(1), &json!("failed")));
    assert!(world.login_with(OLD).await.is_err());
}

#[tokio::test]
async fn help_lists_every_command_permission_and_code() {
    let output = Command::new(env!("CARGO_BIN_EXE_auth-admin")).arg("--help").output().await;
    let output = output.unwrap();
    let help = std::str::from_utf8(&output.stdout).unwrap();
    for text in ["auth-admin user show", "user delete", "dynamodb:Query", "  4  ", "  130  "] {
        assert!(help.contains(text), "{text}");
    }
}

/// The permission is gone when the second account is written.
#[tokio::test]
async fn a_list_ends_where_the_store_refuses_and_goes_on_when_run_again() {
    let world = World::new().await;
    let list = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("list-of-accounts");
    let mut lines = String::new();
    for number in 1..=4 {
        let address = format!("user{number}@example.com");
        world.register(&address).await;
        lines += &format!("{address}\nnobody{number}@example.com\n");
    }
    std::fs::write(&list, lines).unwrap();
    let list = ["disable", "--yes", "--json", "--file", list.to_str().unwrap()];
    let tap = Tap::start(&world.dynamo.endpoint, |call| async move {
        let second = call.operation == "UpdateItem" && call.body.contains("user2@example.com");
        let answer = json!({ "__type": "com.amazonaws#AccessDeniedException" });
        if second { Fate::Answer(400, answer.to_string()) } else { Fate::Pass }
    })
    .await;
    let output = program(&tap.endpoint, &world.stub.endpoint, &list).output().await.unwrap();
    assert_eq!(code(&output), 1, "{}", said(&output));
    let object = in_json(&output);
    assert_eq!((&object["outcome"], &object["done"]), (&json!("failed"), &json!(1)));
    assert_eq!((&object["lines"], &object["next_line"]), (&json!(8), &json!(3)));

    let output = world.run(&list).await;
    assert_eq!(code(&output), 3, "{}", said(&output));
    let object = in_json(&output);
    assert_eq!((&object["done"], &object["next_line"]), (&json!(4), &json!(null)));
    assert_eq!(object["left"].as_array().unwrap().len(), 4);
    for number in 1..=4 {
        let shown = world.does(&["show", &format!("user{number}@example.com")]).await;
        assert_eq!(shown["account"]["disabled"], true);
    }
    assert!(world.login_with(OLD).await.is_ok());
}
