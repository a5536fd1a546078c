//! The secret source over Secrets Manager's own protocol. Tokio's clock is moved between calls and runs
//! as ever during them, since the service is another task's.
#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

#[expect(dead_code, reason = "other tests use the rest")]
mod aws_stub;
mod log;
mod sdk;

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use adapters_aws::{SecretError, SecretSource, Secrets};
use auth_domain::{PortError, PortErrorKind};
use aws_sdk_secretsmanager::Client;
use aws_stub::{Answer, AwsStub, Operation};
use base64ct::{Base64, Encoding};
use log::Log;
use sdk::DEADLINE;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, advance, pause, resume};

const ID: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:auth-a1b2c3";
const LIFE: Duration = Duration::from_mins(5);
const FIRST: &str = "canary-first-0123456789abcdefghi";
const SECOND: &str = "canary-second-0123456789abcdefgh";
const THIRD: &str = "canary-third-0123456789abcdefghi";

const DOWN: Answer = Answer::Refuse { status: 500, code: "InternalServiceError" };

struct World {
    stub: AwsStub,
    source: Arc<SecretSource>,
}

impl World {
    async fn with_tries(tries: u32) -> Self {
        let stub = AwsStub::start().await;
        let client = Client::new(&sdk::config(&stub.endpoint, tries));
        let source = Arc::new(SecretSource::new(client, ID, LIFE));
        Self { stub, source }
    }

    async fn new() -> Self {
        Self::with_tries(1).await
    }

    /// A world whose current secret is this.
    async fn holding(value: Value) -> Self {
        let world = Self::new().await;
        world.stub.put_secret(ID, "AWSCURRENT", "v1", value);
        world
    }

    fn put(&self, stage: &str, version: &str, value: &str) {
        self.stub.put_secret(ID, stage, version, text(value));
    }

    /// As Secrets Manager moves its labels.
    fn rotate(&self, older: (&str, &str), newer: (&str, &str)) {
        self.put("AWSPREVIOUS", older.0, older.1);
        self.put("AWSCURRENT", newer.0, newer.1);
    }

    async fn get(&self) -> Result<Arc<Secrets>, SecretError> {
        self.source.get().await
    }

    fn fetches(&self) -> usize {
        let calls = self.stub.calls(Operation::GetSecretValue);
        calls.iter().filter(|call| call.body["VersionStage"] == "AWSCURRENT").count()
    }
}

fn text(value: &str) -> Value {
    json!({ "SecretString": value })
}

async fn pass(time: Duration) {
    pause();
    advance(time).await;
    resume();
}

fn port_error(error: &SecretError) -> &PortError {
    let SecretError::NotFetched(error) = error else { panic!("{error}") };
    error
}

fn assert_tells_nothing(error: &SecretError) {
    let mut shown = format!("{error} {error:?} {error:#?}");
    let mut source = error.source();
    while let Some(cause) = source {
        shown = format!("{shown} {cause} {cause:?}");
        source = cause.source();
    }
    assert!(!shown.contains("canary"), "{shown}");
}

// What is given out

#[tokio::test]
async fn a_secret_that_was_never_rotated_has_no_previous() {
    let world = World::holding(text(FIRST)).await;
    let secrets = world.get().await.unwrap();
    assert_eq!(secrets.current(), FIRST.as_bytes());
    assert_eq!(secrets.previous(), None);
    assert_eq!(secrets.version(), "v1");
    let asked: Vec<_> = world.stub.calls(Operation::GetSecretValue);
    assert!(asked.iter().all(|call| call.body["SecretId"] == ID));
}

#[tokio::test]
async fn after_a_rotation_both_are_given_out() {
    let world = World::new().await;
    world.rotate(("v1", FIRST), ("v2", SECOND));
    let secrets = world.get().await.unwrap();
    assert_eq!(secrets.current(), SECOND.as_bytes());
    assert_eq!(secrets.previous(), Some(FIRST.as_bytes()));
    assert_eq!(secrets.version(), "v2");
}

#[tokio::test]
async fn a_rotation_between_the_two_reads_yields_no_version_twice() {
    let world = World::new().await;
    world.rotate(("v1", FIRST), ("v1", FIRST));
    assert_eq!(world.get().await.unwrap().previous(), None);
}

#[tokio::test]
async fn binary_secrets_are_taken_as_they_stand() {
    let bytes = b"\n \"{ any bytes at all, \xff\x00 and more }\" \n";
    let value = json!({ "SecretBinary": Base64::encode_string(bytes) });
    assert_eq!(World::holding(value).await.get().await.unwrap().current(), bytes);
}

#[tokio::test]
async fn text_is_taken_as_it_stands_within() {
    for good in
        ["a secret with blanks, 한글 and \"quotes\" in it", "{\"open only\": 0123456789abcdef01234"]
    {
        let secrets = World::holding(text(good)).await.get().await.unwrap();
        assert_eq!(secrets.current(), good.as_bytes());
    }
}

#[tokio::test]
async fn a_secret_that_cannot_be_used_is_never_given_out() {
    let short = "canary-0123456789abcdefghijklmn";
    assert_eq!(short.len(), 31);
    let quoted = [format!("\"{FIRST}\""), format!("'{FIRST}'"), format!("`{FIRST}`")];
    let blank = [
        format!("{FIRST}\n"),
        format!("{FIRST}\r\n"),
        format!(" {FIRST}"),
        format!("\u{feff}{FIRST}"),
        " ".repeat(40),
    ];
    let json = [format!(r#"{{"secret":"{FIRST}"}}"#), format!(r#"["{FIRST}"]"#)];
    let mut table = vec![
        (json!({}), "empty"),
        (text(""), "empty"),
        (json!({ "SecretBinary": "" }), "empty"),
        (text(short), "fewer than 32 bytes"),
        (json!({ "SecretBinary": Base64::encode_string(short.as_bytes()) }), "fewer than 32 bytes"),
    ];
    table.extend(quoted.iter().map(|value| (text(value), "in quotes")));
    table.extend(blank.iter().map(|value| (text(value), "white space or a line break")));
    table.extend(json.iter().map(|value| (text(value), "is JSON")));
    for (value, why) in table {
        let world = World::holding(value.clone()).await;
        let error = world.get().await.unwrap_err();
        assert!(error.to_string().contains(why), "{value}: {error}");
        assert_tells_nothing(&error);
    }
}

#[tokio::test]
async fn a_previous_version_that_cannot_be_used_is_left_out_with_a_warning() {
    let log = Log::default();
    let _guard = log.capture();
    for bad in ["", "canary-short", &format!("{FIRST}\n")] {
        let world = World::new().await;
        world.rotate(("v1", bad), ("v2", SECOND));
        assert_eq!(world.get().await.unwrap().previous(), None, "{bad:?}");
    }
    let text = log.text();
    assert_eq!(text.lines().filter(|line| line.contains("WARN") && line.contains(ID)).count(), 3);
    assert!(!text.contains("canary"), "{text}");
}

#[tokio::test]
async fn debug_shows_no_secret() {
    let world = World::new().await;
    world.rotate(("v1", FIRST), ("v2", SECOND));
    let secrets = world.get().await.unwrap();
    let shown = format!("{secrets:?} {:?}", world.source);
    assert!(shown.contains("v2") && shown.contains(ID));
    assert!(!shown.contains("canary") && !shown.contains(&format!("{:?}", FIRST.as_bytes())));
}

// How long it is kept

#[tokio::test]
async fn a_secret_is_kept_for_its_life_and_then_fetched_again() {
    let world = World::holding(text(FIRST)).await;
    let first = world.get().await.unwrap();
    world.rotate(("v1", FIRST), ("v2", SECOND));
    pass(LIFE - Duration::from_secs(30)).await;
    assert!(Arc::ptr_eq(&world.get().await.unwrap(), &first));
    assert_eq!(world.fetches(), 1);
    pass(Duration::from_secs(30)).await;
    let second = world.get().await.unwrap();
    assert_eq!((second.version(), second.previous()), ("v2", Some(FIRST.as_bytes())));
    assert_ne!(second, first);
    assert_eq!(world.fetches(), 2);
}

#[tokio::test]
async fn a_secret_that_did_not_change_is_the_same_value() {
    let world = World::holding(text(FIRST)).await;
    let first = world.get().await.unwrap();
    pass(LIFE).await;
    assert!(Arc::ptr_eq(&world.get().await.unwrap(), &first));
    assert_eq!(world.fetches(), 2);
}

#[tokio::test]
async fn a_change_of_the_previous_version_alone_is_a_change() {
    let world = World::new().await;
    world.rotate(("v1", FIRST), ("v3", THIRD));
    let before = world.get().await.unwrap();
    world.rotate(("v2", SECOND), ("v3", THIRD));
    pass(LIFE).await;
    let after = world.get().await.unwrap();
    assert_ne!(after, before);
    assert_eq!(after.previous(), Some(SECOND.as_bytes()));
}

#[tokio::test]
async fn concurrent_callers_share_one_fetch() {
    for (answer, is_ok) in [(Answer::Good, true), (DOWN, false)] {
        let world = World::holding(text(FIRST)).await;
        world.stub.always(Operation::GetSecretValue, answer);
        let mut callers = JoinSet::new();
        for _ in 0..16 {
            let source = Arc::clone(&world.source);
            callers.spawn(async move { source.get().await.is_ok() });
        }
        assert_eq!(callers.join_all().await, [is_ok; 16]);
        assert_eq!(world.fetches(), 1, "{answer:?}");
    }
}

#[tokio::test]
async fn a_caller_who_goes_away_leaves_the_fetch_to_the_next() {
    let world = World::holding(text(FIRST)).await;
    let slow = Answer::GoodAfter(Duration::from_millis(300));
    world.stub.next(Operation::GetSecretValue, [slow]);
    let gone = tokio::time::timeout(Duration::from_millis(50), world.get()).await;
    assert!(gone.is_err());
    assert_eq!(world.get().await.unwrap().current(), FIRST.as_bytes());
}

#[tokio::test]
async fn while_one_caller_fetches_again_the_others_go_on_with_what_is_held() {
    let world = World::holding(text(FIRST)).await;
    let first = world.get().await.unwrap();
    world.rotate(("v1", FIRST), ("v2", SECOND));
    pass(LIFE).await;
    world.stub.always(Operation::GetSecretValue, Answer::GoodAfter(Duration::from_millis(100)));
    let source = Arc::clone(&world.source);
    let fetching = tokio::spawn(async move { source.get().await });
    while world.fetches() < 2 {
        tokio::task::yield_now().await;
    }
    assert!(Arc::ptr_eq(&world.get().await.unwrap(), &first));
    assert!(!fetching.is_finished());
    assert_eq!(fetching.await.unwrap().unwrap().version(), "v2");
    assert_eq!(world.get().await.unwrap().version(), "v2");
}

// Faults

#[tokio::test]
async fn every_fault_of_a_first_fetch_is_told_for_what_it_is() {
    use PortErrorKind::{Rejected, Throttled, Unavailable};
    for (answer, kind) in [
        (Answer::Refuse { status: 400, code: "ThrottlingException" }, Throttled),
        (DOWN, Unavailable),
        (Answer::Garbage { status: 200 }, Unavailable),
        (Answer::Garbage { status: 403 }, Unavailable),
        (Answer::DoneAndCut, Unavailable),
        (Answer::GoodAfter(Duration::from_mins(1)), Unavailable),
        (Answer::Refuse { status: 400, code: "ResourceNotFoundException" }, Rejected),
        (Answer::Refuse { status: 400, code: "AccessDeniedException" }, Rejected),
        (Answer::Refuse { status: 400, code: "InvalidRequestException" }, Rejected),
        (Answer::Refuse { status: 400, code: "DecryptionFailure" }, Rejected),
    ] {
        let world = World::holding(text(FIRST)).await;
        world.stub.next(Operation::GetSecretValue, [answer]);
        let error = world.get().await.unwrap_err();
        assert_eq!(port_error(&error).kind(), kind, "{answer:?}");
        assert_eq!(port_error(&error).operation(), "secret_source.get");
        assert_tells_nothing(&error);
        assert_eq!(world.get().await.unwrap().current(), FIRST.as_bytes(), "{answer:?}");
    }
}

#[tokio::test]
async fn without_its_previous_version_known_a_secret_is_not_fetched() {
    let world = World::new().await;
    world.rotate(("v1", FIRST), ("v2", SECOND));
    world.stub.next(Operation::GetSecretValue, [Answer::Good, DOWN]);
    assert!(world.get().await.is_err());
    assert_eq!(world.get().await.unwrap().previous(), Some(FIRST.as_bytes()));
}

#[tokio::test]
async fn a_fetch_that_is_throttled_twice_succeeds_and_one_that_always_is_ends_in_time() {
    let world = World::with_tries(3).await;
    world.put("AWSCURRENT", "v1", FIRST);
    let throttled = Answer::Refuse { status: 400, code: "ThrottlingException" };
    world.stub.next(Operation::GetSecretValue, [throttled, throttled]);
    assert!(world.get().await.is_ok());
    let never = World::with_tries(3).await;
    never.stub.always(Operation::GetSecretValue, throttled);
    let begun = Instant::now();
    let error = never.get().await.unwrap_err();
    assert_eq!(port_error(&error).kind(), PortErrorKind::Throttled);
    assert!(begun.elapsed() < DEADLINE);
}

#[tokio::test]
async fn a_secret_that_cannot_be_fetched_again_stays_in_use_with_a_warning_and_a_pause() {
    let log = Log::default();
    let _guard = log.capture();
    let world = World::holding(text(FIRST)).await;
    let first = world.get().await.unwrap();
    world.stub.always(Operation::GetSecretValue, DOWN);
    pass(LIFE).await;
    for _ in 0..3 {
        assert!(Arc::ptr_eq(&world.get().await.unwrap(), &first));
    }
    assert_eq!(world.fetches(), 2, "a service that is down was asked again at once");
    pass(Duration::from_secs(11)).await;
    assert!(world.get().await.is_ok());
    assert_eq!(world.fetches(), 3);
    world.stub.always(Operation::GetSecretValue, Answer::Good);
    world.rotate(("v1", FIRST), ("v2", SECOND));
    pass(Duration::from_secs(11)).await;
    assert_eq!(world.get().await.unwrap().version(), "v2");
    let text = log.text();
    let warnings = text.lines().filter(|line| line.contains("WARN"));
    assert_eq!(warnings.filter(|line| line.contains("InternalServiceError")).count(), 2, "{text}");
    assert!(!text.contains("canary"), "{text}");
}

#[tokio::test]
async fn a_secret_that_became_unusable_does_not_replace_a_good_one() {
    let log = Log::default();
    let _guard = log.capture();
    let world = World::holding(text(FIRST)).await;
    world.get().await.unwrap();
    world.rotate(("v1", FIRST), ("v2", "canary-short"));
    pass(LIFE).await;
    let secrets = world.get().await.unwrap();
    assert_eq!((secrets.version(), secrets.current()), ("v1", FIRST.as_bytes()));
    assert!(log.text().contains("fewer than 32 bytes"), "{}", log.text());
    assert!(!log.text().contains("canary"));
}

#[tokio::test]
async fn a_new_version_signs_once_every_instance_knows_it() {
    let now = SystemTime::now();
    let seconds = |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let made = |at: SystemTime| json!({ "SecretString": SECOND, "CreatedDate": seconds(at) });
    let world = World::new().await;
    world.put("AWSPREVIOUS", "v1", FIRST);
    world.stub.put_secret(ID, "AWSCURRENT", "v2", made(now));
    let secrets = world.get().await.unwrap();
    let second = Duration::from_secs(1);
    assert_eq!(secrets.signing(now), FIRST.as_bytes());
    assert_eq!(secrets.signing(now + LIFE - 2 * second), FIRST.as_bytes());
    assert_eq!(secrets.signing(now + LIFE), SECOND.as_bytes());
    assert_eq!(secrets.current(), SECOND.as_bytes(), "which derives keys at once");
}

#[tokio::test]
async fn a_first_version_signs_at_once() {
    let world = World::new().await;
    let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let made = json!({ "SecretString": FIRST, "CreatedDate": seconds });
    world.stub.put_secret(ID, "AWSCURRENT", "v1", made);
    assert_eq!(world.get().await.unwrap().signing(SystemTime::now()), FIRST.as_bytes());
}
