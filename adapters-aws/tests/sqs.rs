//! The SQS mail queue over SQS' own protocol, and its worker's half over the events of Lambda.
#![expect(clippy::unwrap_used, reason = "tests")]

#[expect(dead_code, reason = "other tests use the rest")]
mod aws_stub;
mod log;
mod sdk;

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use adapters_aws::{MailBatch, SqsMailQueue};
use adapters_local::memory::MailFault;
use adapters_local::{Testing, testing_with};
use async_trait::async_trait;
use auth_domain::ports::{
    CredentialUpdate, EmailChange, EmailUpdate, Insert, MailQueue, Mailer, Update, UserKey,
    UserStore,
};
use auth_domain::{
    CredentialVersion, DisplayName, Email, JobId, Locale, MailJob, OutgoingEmail, Password,
    PortError, PortErrorKind, RegisterRequest, RequestContext, ResetRequest, Timestamp, User,
    UserId,
};
use aws_sdk_sqs::Client;
use aws_stub::{Answer, AwsStub, Operation};
use log::Log;
use sdk::DEADLINE;
use serde_json::{Value, json};
use tokio::time::Instant;

const QUEUE_URL: &str = "https://sqs.us-east-1.amazonaws.com/123456789012/mail";
/// More than any test takes.
const LONG: Duration = Duration::from_mins(1);

fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

fn reset_job(to: &str) -> MailJob {
    MailJob::PasswordReset {
        id: JobId::from_bytes([5; 16]),
        email: email(to),
        requested_at: Timestamp::from_seconds(1_700_000_000),
        locale: Locale::KO,
    }
}

fn changed_job(to: &str) -> MailJob {
    MailJob::PasswordChanged {
        email: email(to),
        user_id: UserId::from_entropy_bytes([6; 16]),
        credential_version: CredentialVersion::new(1),
        changed_at: Timestamp::from_seconds(1_700_000_000),
        locale: Locale::EN,
    }
}

/// One of each kind that tells of a change.
fn notices() -> [MailJob; 3] {
    let (user_id, locale) = (UserId::from_entropy_bytes([6; 16]), Locale::EN);
    let at = Timestamp::from_seconds(1_700_000_000);
    let moved = MailJob::EmailChanged {
        email: email("ann@example.com"),
        user_id,
        credential_version: CredentialVersion::new(1),
        changed_at: at,
        locale,
    };
    let deleted = MailJob::AccountDeleted {
        email: email("ann@example.com"),
        user_id,
        deleted_at: at,
        locale,
    };
    [changed_job("ann@example.com"), moved, deleted]
}

/// One of each kind that carries a link.
fn links() -> [MailJob; 3] {
    let (requested_at, locale) = (Timestamp::from_seconds(1_700_000_000), Locale::KO);
    let verify = MailJob::VerifyEmail {
        id: JobId::from_bytes([8; 16]),
        email: email("ann@example.com"),
        registered: None,
        requested_at,
        locale,
    };
    let confirm = MailJob::ConfirmNewEmail {
        email: email("ann@example.com"),
        new_email: email("ann@elsewhere.example"),
        user_id: UserId::from_entropy_bytes([6; 16]),
        credential_version: CredentialVersion::new(1),
        requested_at,
        locale,
    };
    [reset_job("ann@example.com"), verify, confirm]
}

fn queue(endpoint: &str, tries: u32) -> SqsMailQueue {
    SqsMailQueue::new(Client::new(&sdk::config(endpoint, tries)), QUEUE_URL)
}

/// The library over an SQS, with accounts for these addresses.
async fn world(stub: &AwsStub, addresses: &[&str]) -> Testing {
    let queue = queue(&stub.endpoint, 1);
    let world = testing_with(|ports, _| ports.mail_queue = Arc::new(queue));
    for address in addresses {
        register(&world, address).await;
    }
    world
}

async fn register(world: &Testing, address: &str) {
    let request = RegisterRequest {
        email: email(address),
        password: Password::new("correct horse battery").unwrap(),
        name: DisplayName::parse("Ann").unwrap(),
    };
    world.auth.register(request, &RequestContext::new()).await.unwrap();
}

async fn forget(world: &Testing, address: &str) {
    world.auth.request_password_reset(email(address), &RequestContext::new()).await.unwrap();
}

/// The ids that stay in the queue.
async fn kept(world: &Testing, event: &Value, time_left: Duration) -> Vec<String> {
    let batch: MailBatch = serde_json::from_value(event.clone()).unwrap();
    let answer = serde_json::to_value(batch.deliver(&world.auth, time_left).await).unwrap();
    assert_eq!(answer.as_object().unwrap().len(), 1);
    let failures = answer["batchItemFailures"].as_array().unwrap();
    failures.iter().map(|item| item["itemIdentifier"].as_str().unwrap().to_owned()).collect()
}

fn event(bodies: &[&str]) -> Value {
    let record = |(i, body)| json!({ "messageId": format!("message-{i}"), "body": body });
    json!({ "Records": bodies.iter().enumerate().map(record).collect::<Vec<_>>() })
}

// The queue

#[tokio::test]
async fn a_job_is_one_message_and_a_notice_waits_for_its_change() {
    let stub = AwsStub::start().await;
    let queue = queue(&stub.endpoint, 1);
    let at_once = links().map(|job| (job, 0));
    for (job, delay) in at_once.into_iter().chain(notices().map(|job| (job, 5))) {
        queue.enqueue(job).await.unwrap();
        let message = stub.calls(Operation::SendMessage).pop().unwrap().body;
        assert_eq!(message["QueueUrl"], QUEUE_URL);
        assert_eq!(message["DelaySeconds"], delay);
        assert_eq!(message.as_object().unwrap().len(), 3, "{message}");
    }
    assert_eq!(stub.calls(Operation::SendMessage).len(), 6);
}

#[tokio::test]
async fn known_and_unknown_addresses_leave_messages_of_one_shape() {
    let stub = AwsStub::start().await;
    let world = world(&stub, &["ann@example.com"]).await;
    forget(&world, "ann@example.com").await;
    forget(&world, "bob@example.com").await;
    let calls = stub.calls(Operation::SendMessage);
    let bodies: Vec<_> = calls.iter().map(|c| c.body["MessageBody"].as_str().unwrap()).collect();
    assert_eq!(bodies.len(), 2);
    assert_eq!(bodies[0].len(), bodies[1].len());
    assert_eq!(calls[0].body["DelaySeconds"], calls[1].body["DelaySeconds"]);
}

#[tokio::test]
async fn a_message_holds_no_secret() {
    let stub = AwsStub::start().await;
    let world = world(&stub, &["ann@example.com"]).await;
    forget(&world, "ann@example.com").await;
    let event = stub.sqs_event();
    assert!(kept(&world, &event, LONG).await.is_empty());
    let token = world.reset_token(&email("ann@example.com")).unwrap().expose();
    let (_, secret) = token.split_once('.').unwrap();
    assert!(!event.to_string().contains(secret));
}

#[tokio::test]
async fn every_refusal_of_the_queue_is_told_for_what_it_is() {
    use PortErrorKind::{Rejected, Throttled, Unavailable};
    for (status, code, kind) in [
        (400, "RequestThrottled", Throttled),
        (400, "ThrottlingException", Throttled),
        (403, "OverLimit", Throttled),
        (400, "KMS.ThrottlingException", Throttled),
        (500, "InternalError", Unavailable),
        (503, "ServiceUnavailable", Unavailable),
        (400, "AWS.SimpleQueueService.NonExistentQueue", Rejected),
        (403, "AccessDenied", Rejected),
        (400, "KMS.DisabledException", Rejected),
    ] {
        let stub = AwsStub::start().await;
        stub.always(Operation::SendMessage, Answer::Refuse { status, code });
        let error = queue(&stub.endpoint, 1).enqueue(reset_job("canary@example.com")).await;
        let error = error.unwrap_err();
        assert_eq!((error.kind(), error.operation()), (kind, "mail_queue.enqueue"), "{code}");
        assert!(error.with_causes().contains(code));
        let shown = format!("{error} {error:?} {}", error.with_causes());
        assert!(!shown.contains("canary"), "{shown}");
    }
}

#[tokio::test]
async fn a_queue_that_throttles_for_a_while_takes_the_job_once_and_one_that_never_ends_is_given_up()
{
    let throttled = Answer::Refuse { status: 400, code: "RequestThrottled" };
    let stub = AwsStub::start().await;
    stub.next(Operation::SendMessage, [throttled, throttled]);
    let queue = queue(&stub.endpoint, 3);
    queue.enqueue(reset_job("ann@example.com")).await.unwrap();
    let taken = stub.calls(Operation::SendMessage).iter().filter(|call| call.is_done).count();
    assert_eq!(taken, 1);
    stub.always(Operation::SendMessage, throttled);
    let begun = Instant::now();
    let error = queue.enqueue(reset_job("ann@example.com")).await.unwrap_err();
    assert_eq!(error.kind(), PortErrorKind::Throttled);
    assert!(begun.elapsed() < DEADLINE);
}

#[tokio::test]
async fn an_answer_that_is_cut_off_leaves_unknown_what_was_done() {
    for answer in [Answer::DoneAndCut, Answer::Garbage { status: 403 }] {
        let stub = AwsStub::start().await;
        stub.always(Operation::SendMessage, answer);
        let error = queue(&stub.endpoint, 1).enqueue(reset_job("a@example.com")).await.unwrap_err();
        assert_eq!(error.kind(), PortErrorKind::Unavailable, "{answer:?}");
    }
}

// The worker's half

#[tokio::test]
async fn from_the_request_through_the_queue_to_the_mail() {
    let stub = AwsStub::start().await;
    let world = world(&stub, &["ann@example.com"]).await;
    forget(&world, "ann@example.com").await;
    assert_eq!(kept(&world, &stub.sqs_event(), LONG).await, [""; 0]);
    assert_eq!(world.mailbox.all().len(), 1);
    let token = world.reset_token(&email("ann@example.com")).unwrap();
    let new_password = Password::new("a brand new staple").unwrap();
    let request = ResetRequest { token, new_password };
    world.auth.reset_password(request, &RequestContext::new()).await.unwrap();
    let notice = json!({ "Records": [stub.sqs_event()["Records"][1]] });
    assert_eq!(kept(&world, &notice, LONG).await, [""; 0]);
    assert_eq!(world.mailbox.all().len(), 2);
}

#[tokio::test]
async fn a_record_that_comes_twice_sends_the_same_link_and_a_used_one_stays_dead() {
    let stub = AwsStub::start().await;
    let world = world(&stub, &["ann@example.com"]).await;
    forget(&world, "ann@example.com").await;
    let event = stub.sqs_event();
    for _ in 0..2 {
        assert!(kept(&world, &event, LONG).await.is_empty());
    }
    let texts: Vec<_> =
        world.mailbox.all().iter().map(|mail| mail.content.text.to_string()).collect();
    assert_eq!(texts.len(), 2);
    assert_eq!(texts[0], texts[1]);
    let reset = |new: &str| ResetRequest {
        token: world.reset_token(&email("ann@example.com")).unwrap(),
        new_password: Password::new(new).unwrap(),
    };
    let context = RequestContext::new();
    world.auth.reset_password(reset("a brand new staple"), &context).await.unwrap();
    assert!(kept(&world, &event, LONG).await.is_empty(), "a used link is no failure");
    assert_eq!(world.mailbox.all().len(), 2);
    assert!(world.auth.reset_password(reset("yet another staple"), &context).await.is_err());
}

#[tokio::test]
async fn only_what_another_try_may_mend_stays_in_the_queue() {
    let stub = AwsStub::start().await;
    for (fault, stays) in
        [(MailFault::Transient, true), (MailFault::AnswerLost, true), (MailFault::Permanent, false)]
    {
        let world = world(&stub, &["ann@example.com"]).await;
        forget(&world, "ann@example.com").await;
        let records = stub.sqs_event()["Records"].as_array().unwrap().clone();
        let event = json!({ "Records": [records.last()] });
        world.mailbox.fail_next([fault]);
        assert_eq!(!kept(&world, &event, LONG).await.is_empty(), stays, "{fault:?}");
    }
}

/// Refuses everything, as a table does whose name or permission is wrong, or has a row that cannot be read.
struct Refusing(PortErrorKind);

#[async_trait]
impl UserStore for Refusing {
    async fn find_by_email(&self, _: &Email) -> Result<Option<User>, PortError> {
        Err(PortError::new(self.0, "user_store.find_by_email"))
    }
    async fn find_by_id(&self, _: UserId) -> Result<Option<User>, PortError> {
        unreachable!()
    }
    async fn insert(&self, _: User) -> Result<Insert, PortError> {
        unreachable!()
    }
    async fn update_credentials(&self, _: CredentialUpdate) -> Result<Update, PortError> {
        unreachable!()
    }
    async fn change_email(&self, _: EmailChange) -> Result<EmailUpdate, PortError> {
        unreachable!()
    }
    async fn touch_last_login(&self, _: &UserKey, _: Timestamp) -> Result<Update, PortError> {
        unreachable!()
    }
    async fn delete(&self, _: &UserKey, _: Option<CredentialVersion>) -> Result<Update, PortError> {
        unreachable!()
    }
}

#[tokio::test]
async fn a_store_that_is_set_up_wrongly_loses_no_mail_and_a_broken_row_keeps_none() {
    for (kind, stays) in [(PortErrorKind::Rejected, true), (PortErrorKind::Corrupt, false)] {
        let stub = AwsStub::start().await;
        let queue = queue(&stub.endpoint, 1);
        let world = testing_with(|ports, _| {
            ports.mail_queue = Arc::new(queue);
            ports.users = Arc::new(Refusing(kind));
        });
        forget(&world, "ann@example.com").await;
        let kept = kept(&world, &stub.sqs_event(), LONG).await;
        assert_eq!(!kept.is_empty(), stays, "{kind:?}");
    }
}

#[tokio::test]
async fn a_notice_whose_change_is_not_yet_to_be_seen_stays_in_the_queue() {
    let stub = AwsStub::start().await;
    let world = world(&stub, &["ann@example.com"]).await;
    let address = email("ann@example.com");
    let user = world.users.find_by_email(&address).await.unwrap().unwrap();
    let job = MailJob::PasswordChanged {
        email: address,
        user_id: user.id,
        credential_version: CredentialVersion::new(1),
        changed_at: Timestamp::from_seconds(1_700_000_000),
        locale: Locale::EN,
    };
    queue(&stub.endpoint, 1).enqueue(job).await.unwrap();
    assert_eq!(kept(&world, &stub.sqs_event(), LONG).await, ["message-0"]);
    world.clock.advance(Duration::from_mins(11));
    assert_eq!(kept(&world, &stub.sqs_event(), LONG).await, [""; 0]);
    assert_eq!(world.mailbox.all().len(), 0);
}

#[tokio::test]
async fn a_message_that_is_no_job_is_kept_and_logged_by_its_id_alone() {
    let stub = AwsStub::start().await;
    let world = world(&stub, &["ann@example.com"]).await;
    forget(&world, "ann@example.com").await;
    let good = stub.sqs_event()["Records"][0]["body"].as_str().unwrap().to_owned();
    let later = good.replace(r#""version":1"#, r#""version":2"#);
    let canary = good.replace("ann@example.com", "canary-at-example.com");
    let log = Log::default();
    let guard = log.capture();
    let bodies = ["canary, not JSON", &good, &later, &canary, ""];
    assert_eq!(
        kept(&world, &event(&bodies), LONG).await,
        ["message-0", "message-2", "message-3", "message-4"]
    );
    drop(guard);
    assert_eq!(world.mailbox.all().len(), 1, "one bad message held up the good one");
    let text = log.text();
    for (i, line) in ["message-0", "message-2", "message-3", "message-4"].iter().zip(text.lines()) {
        assert!(line.contains("ERROR") && line.contains(i), "{line}");
    }
    assert_eq!(text.lines().count(), 4);
    assert!(!text.contains("canary") && !text.contains("example.com"), "{text}");
}

#[tokio::test]
async fn a_record_without_a_body_is_kept_and_an_event_of_something_else_is_refused() {
    let stub = AwsStub::start().await;
    let world = world(&stub, &[]).await;
    let bare = json!({ "Records": [{ "messageId": "bare" }] });
    assert_eq!(kept(&world, &bare, LONG).await, ["bare"]);
    for other in [json!({}), json!({ "Records": [{ "s3": {} }] }), json!({ "httpMethod": "GET" })] {
        assert!(serde_json::from_value::<MailBatch>(other).is_err());
    }
}

#[tokio::test]
async fn debug_hides_what_is_in_a_batch() {
    let batch: MailBatch = serde_json::from_value(event(&["canary@example.com"])).unwrap();
    assert_eq!(format!("{batch:?}"), "MailBatch { records: 1 }");
}

/// Counts who is in it at once.
#[derive(Default)]
struct Crowd {
    inside: AtomicUsize,
    most: AtomicUsize,
    begun: AtomicUsize,
}

struct Inside<'a>(&'a Crowd);

impl Crowd {
    fn enter(&self) -> Inside<'_> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        let inside = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(inside, Ordering::SeqCst);
        Inside(self)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A mail service that takes a while for each mail, for ever for some, and panics at others.
struct SlowMailer(Arc<Crowd>);

#[async_trait]
impl Mailer for SlowMailer {
    async fn send(&self, mail: &OutgoingEmail) -> Result<(), PortError> {
        let _inside = self.0.enter();
        match mail.to.local_part() {
            "stuck" => pending().await,
            "bomb" => std::panic::resume_unwind(Box::new("a bug in a mailer")),
            _ => tokio::time::sleep(Duration::from_secs(1)).await,
        }
        Ok(())
    }
}

/// A batch of one reset job for each account.
async fn slow_world(accounts: &[&str]) -> (Testing, Value, Arc<Crowd>) {
    let crowd = Arc::new(Crowd::default());
    let mailer = SlowMailer(Arc::clone(&crowd));
    let world = testing_with(|ports, _| ports.mailer = Arc::new(mailer));
    let mut bodies = Vec::new();
    for (i, name) in accounts.iter().enumerate() {
        let address = format!("{name}@example{i}.com");
        register(&world, &address).await;
        let id = "AAECAwQFBgcICQoLDA0ODw";
        bodies.push(format!(
            r#"{{"version":1,"kind":"password_reset","id":"{id}","email":"{address}","requested_at_micros":1700000000000000,"locale":"en"}}"#
        ));
    }
    let event = event(&bodies.iter().map(String::as_str).collect::<Vec<_>>());
    (world, event, crowd)
}

#[tokio::test(start_paused = true)]
async fn jobs_are_done_a_few_at_once() {
    let (world, event, crowd) = slow_world(&["ann"; 10]).await;
    let begun = Instant::now();
    assert_eq!(kept(&world, &event, LONG).await, [""; 0]);
    assert_eq!(crowd.most.load(Ordering::SeqCst), 4);
    assert_eq!(begun.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn when_time_runs_out_the_rest_stays_in_the_queue_and_nothing_runs_on() {
    let accounts = ["stuck", "ann", "stuck", "stuck", "ann", "stuck", "ann", "ann"];
    let (world, event, crowd) = slow_world(&accounts).await;
    let begun = Instant::now();
    let kept_ids = kept(&world, &event, Duration::from_millis(4500)).await;
    assert_eq!(begun.elapsed(), Duration::from_millis(4500));
    let expected = ["message-0", "message-2", "message-3", "message-5", "message-6", "message-7"];
    assert_eq!(kept_ids, expected);
    assert_eq!(crowd.begun.load(Ordering::SeqCst), 6, "of the last two none was begun");
    assert_eq!(crowd.inside.load(Ordering::SeqCst), 0, "a job runs on behind the answer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_time_nothing_is_begun() {
    let (world, event, crowd) = slow_world(&["ann"; 3]).await;
    for _ in 0..100 {
        assert_eq!(kept(&world, &event, Duration::ZERO).await.len(), 3);
    }
    assert_eq!(crowd.begun.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_panics_stays_in_the_queue_and_takes_no_other_with_it() {
    let (world, event, _) = slow_world(&["ann", "bomb", "ann"]).await;
    assert_eq!(kept(&world, &event, Duration::MAX).await, ["message-1"]);
}
