//! SES, SQS and Secrets Manager against moto, which somebody else wrote. It is started where
//! `AUTH_TEST_MOTO` names a python that has `moto[server]==5.2.5` and `boto3`; else this test says that it
//! was skipped.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "tests")]

mod sdk;

use std::ffi::OsString;
use std::process::Stdio;
use std::time::Duration;

use adapters_aws::{MailBatch, SecretSource, SesMailer, SesSettings, SqsMailQueue};
use adapters_local::testing_with;
use auth_domain::ports::{MailQueue, Mailer};
use auth_domain::{
    DisplayName, Email, JobId, Locale, MailContent, MailJob, OutgoingEmail, Password,
    RegisterRequest, RequestContext, Timestamp,
};
use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;
use zeroize::Zeroizing;

/// moto loads a service when it is first called, which takes seconds on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

struct Moto {
    _server: Child,
    address: String,
    config: SdkConfig,
}

impl Moto {
    async fn start(python: OsString) -> Self {
        let mut server = Command::new(python)
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", "0"])
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(server.stderr.take().unwrap()).lines();
        let address = timeout(PATIENCE, async {
            loop {
                let line = lines.next_line().await.unwrap().expect("moto did not start");
                if let Some((_, address)) = line.split_once("Running on http://") {
                    return address.trim().to_owned();
                }
            }
        });
        let address = address.await.unwrap();
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let patient = TimeoutConfig::builder().operation_timeout(PATIENCE).build();
        let config = sdk::config(&format!("http://{address}"), 1);
        let config = config.into_builder().timeout_config(patient).build();
        Self { _server: server, address, config }
    }

    /// Everything that moto holds.
    async fn data(&self) -> Value {
        let mut connection = TcpStream::connect(&self.address).await.unwrap();
        let request = b"GET /moto-api/data.json HTTP/1.0\r\n\r\n";
        connection.write_all(request).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap()
    }
}

#[tokio::test]
async fn moto_and_this_agree() {
    let Some(python) = std::env::var_os("AUTH_TEST_MOTO") else {
        println!("skipped: AUTH_TEST_MOTO does not name a python that has moto[server] and boto3");
        return;
    };
    let moto = Moto::start(python).await;
    a_mail_is_sent_once_its_sender_is_verified(&moto).await;
    a_job_goes_through_a_queue(&moto).await;
    a_secret_is_rotated(&moto).await;
}

async fn a_mail_is_sent_once_its_sender_is_verified(moto: &Moto) {
    let client = aws_sdk_sesv2::Client::new(&moto.config);
    let mut settings = SesSettings::new(Email::parse("no-reply@example.com").unwrap());
    settings.sender_name = Some("알코룩".to_owned());
    let mailer = SesMailer::new(client.clone(), settings).unwrap();
    let html = "<p>비밀번호</p>".to_owned();
    let mail = OutgoingEmail::new(
        Email::parse("ann@example.com").unwrap(),
        MailContent {
            subject: "재설정".to_owned(),
            text: Zeroizing::new("비밀번호".to_owned()),
            html: Zeroizing::new(html.clone()),
        },
    );
    assert!(mailer.send(&mail).await.unwrap_err().with_causes().contains("MessageRejected"));
    client.create_email_identity().email_identity("no-reply@example.com").send().await.unwrap();
    mailer.send(&mail).await.unwrap();
    let sent = &moto.data().await["ses"]["Message"];
    assert_eq!(sent.as_array().unwrap().len(), 1);
    assert_eq!(sent[0]["source"], "=?utf-8?b?7JWM7L2U66Op?= <no-reply@example.com>");
    assert_eq!(sent[0]["destinations"], json!({ "ToAddresses": ["ann@example.com"] }));
    assert_eq!((&sent[0]["subject"], &sent[0]["body"]), (&json!("재설정"), &json!(html)));
}

async fn a_job_goes_through_a_queue(moto: &Moto) {
    let client = aws_sdk_sqs::Client::new(&moto.config);
    let queue = client.create_queue().queue_name("mail").send().await.unwrap();
    let url = queue.queue_url().unwrap();
    let address = Email::parse("ann@example.com").unwrap();
    let job = MailJob::PasswordReset {
        id: JobId::from_bytes([5; 16]),
        email: address.clone(),
        requested_at: Timestamp::from_seconds(1_700_000_000),
        locale: Locale::KO,
    };
    SqsMailQueue::new(client.clone(), url).enqueue(job).await.unwrap();
    let world = testing_with(|_, _| {});
    let account = RegisterRequest {
        email: address.clone(),
        password: Password::new("correct horse battery").unwrap(),
        name: DisplayName::parse("Ann").unwrap(),
    };
    world.auth.register(account, &RequestContext::new()).await.unwrap();
    let received = client.receive_message().queue_url(url).send().await.unwrap();
    let records: Vec<_> = received
        .messages()
        .iter()
        .map(|message| json!({ "messageId": message.message_id(), "body": message.body() }))
        .collect();
    let batch: MailBatch = serde_json::from_value(json!({ "Records": records })).unwrap();
    let answer = serde_json::to_value(batch.deliver(&world.auth, PATIENCE).await).unwrap();
    assert_eq!(answer, json!({ "batchItemFailures": [] }));
    assert!(world.mailbox.latest(&address).unwrap().content.subject.contains("비밀번호"));
}

async fn a_secret_is_rotated(moto: &Moto) {
    let client = aws_sdk_secretsmanager::Client::new(&moto.config);
    let (first, second) = ("first-0123456789abcdefghijklmnop", "second-0123456789abcdefghijklmno");
    client.create_secret().name("auth").secret_string(first).send().await.unwrap();
    let source = SecretSource::new(client.clone(), "auth", Duration::ZERO);
    let secrets = source.get().await.unwrap();
    assert_eq!((secrets.current(), secrets.previous()), (first.as_bytes(), None));
    client.put_secret_value().secret_id("auth").secret_string(second).send().await.unwrap();
    let rotated = source.get().await.unwrap();
    assert_eq!(rotated.current(), second.as_bytes());
    assert_eq!(rotated.previous(), Some(first.as_bytes()));
    assert_ne!(rotated.version(), secrets.version());
}
