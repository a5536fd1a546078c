//! The SES mailer over SES' own protocol.
#![expect(clippy::unwrap_used, reason = "tests")]

#[expect(dead_code, reason = "other tests use the rest")]
mod aws_stub;
mod sdk;

use std::time::Duration;

use adapters_aws::{SesMailer, SesSettings, SesSettingsError};
use auth_domain::ports::Mailer;
use auth_domain::{Email, MailContent, OutgoingEmail, PortError, PortErrorKind};
use aws_sdk_sesv2::Client;
use aws_stub::{Answer, AwsStub, Operation};
use sdk::DEADLINE;
use serde_json::{Value, json};
use tokio::time::Instant;
use zeroize::Zeroizing;

/// Stand in every mail of these tests, and in no error.
const CANARIES: [&str; 3] = ["canary-recipient", "canary-link", "canary-subject"];

fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

fn mail() -> OutgoingEmail {
    let body = "canary-link: https://example.com/reset?token=1\n";
    let content = MailContent {
        subject: "canary-subject 비밀번호 재설정".to_owned(),
        text: Zeroizing::new(body.to_owned()),
        html: Zeroizing::new(format!("<p>{body}</p>")),
    };
    OutgoingEmail::new(email("canary-recipient@example.com"), content)
}

fn settings() -> SesSettings {
    SesSettings::new(email("no-reply@example.com"))
}

fn mailer(endpoint: &str, tries: u32) -> SesMailer {
    SesMailer::new(Client::new(&sdk::config(endpoint, tries)), settings()).unwrap()
}

async fn sent_with(settings: SesSettings, mail: &OutgoingEmail) -> Value {
    let stub = AwsStub::start().await;
    let client = Client::new(&sdk::config(&stub.endpoint, 1));
    SesMailer::new(client, settings).unwrap().send(mail).await.unwrap();
    stub.calls(Operation::SendEmail).pop().unwrap().body
}

async fn error_of(answer: Answer) -> PortError {
    let stub = AwsStub::start().await;
    stub.always(Operation::SendEmail, answer);
    mailer(&stub.endpoint, 1).send(&mail()).await.unwrap_err()
}

fn assert_tells_nothing(error: &PortError) {
    let shown = format!("{error} {error:?} {error:#?} {}", error.with_causes());
    for canary in CANARIES {
        assert!(!shown.contains(canary), "{shown}");
    }
}

// What is sent

#[tokio::test]
async fn a_mail_is_sent_whole_in_both_forms() {
    let mut settings = settings();
    settings.sender_name = Some("Alco Look".to_owned());
    settings.reply_to = Some(email("help@example.com"));
    settings.configuration_set = Some("auth-mails_1".to_owned());
    let mail = mail();
    let utf8 = |data: &str| json!({ "Data": data, "Charset": "UTF-8" });
    let expected = json!({
        "FromEmailAddress": "\"Alco Look\" <no-reply@example.com>",
        "ReplyToAddresses": ["help@example.com"],
        "ConfigurationSetName": "auth-mails_1",
        "Destination": { "ToAddresses": ["canary-recipient@example.com"] },
        "Content": { "Simple": {
            "Subject": utf8(&mail.content.subject),
            "Body": { "Text": utf8(&mail.content.text), "Html": utf8(&mail.content.html) },
        } },
    });
    assert_eq!(sent_with(settings, &mail).await, expected);
}

#[tokio::test]
async fn what_is_not_set_is_not_sent() {
    let sent = sent_with(settings(), &mail()).await;
    assert_eq!(sent["FromEmailAddress"], "no-reply@example.com");
    assert_eq!(sent.get("ReplyToAddresses"), None);
    assert_eq!(sent.get("ConfigurationSetName"), None);
}

#[tokio::test]
async fn a_subject_stays_on_one_line() {
    let mut mail = mail();
    mail.content.subject = "Hello\r\nBcc: eve@example.com".to_owned();
    let sent = sent_with(settings(), &mail).await;
    assert_eq!(sent["Content"]["Simple"]["Subject"]["Data"], "Hello  Bcc: eve@example.com");
}

#[tokio::test]
async fn a_sender_name_in_any_script_arrives_as_it_was_set() {
    let long = "알코룩 인증 서비스 ".repeat(4);
    let long_ascii = "The shop around the corner ".repeat(5);
    for name in [
        "Ann",
        "Ann's shop",
        "Ann, Bob <eve@example.com>",
        "the \"best\" \\ shop",
        "=?utf-8?b?QW5u?=",
        "알코룩",
        "Ann \u{1f469}\u{200d}\u{1f52c}",
        long.trim(),
        long_ascii.trim(),
    ] {
        let mut settings = settings();
        settings.sender_name = Some(name.to_owned());
        let sent = sent_with(settings, &mail()).await;
        let from = sent["FromEmailAddress"].as_str().unwrap();
        assert!(from.is_ascii() && !from.contains(char::is_control), "{from}");
        for word in from.split(' ').filter(|word| word.starts_with("=?")) {
            assert!(word.len() <= 75, "RFC 2047 section 2: {word}");
        }
        let raw = format!("From: {from}\r\n");
        let (header, _) = mailparse::parse_header(raw.as_bytes()).unwrap();
        let parsed = mailparse::addrparse_header(&header).unwrap().extract_single_info().unwrap();
        assert_eq!(parsed.addr, "no-reply@example.com", "{from}");
        assert_eq!(parsed.display_name.as_deref(), Some(name), "{from}");
    }
}

#[tokio::test]
async fn settings_that_cannot_be_kept_are_refused_before_any_mail() {
    let refused = |change: &dyn Fn(&mut SesSettings)| {
        let mut settings = settings();
        change(&mut settings);
        SesMailer::new(Client::new(&sdk::config("http://127.0.0.1:1", 1)), settings).err()
    };
    for name in ["Ann\r\nBcc: eve@example.com", "Ann\nBob", "Ann\u{0}", "", " ", &"n".repeat(320)] {
        let error = refused(&|settings| settings.sender_name = Some(name.to_owned()));
        assert_eq!(error, Some(SesSettingsError::SenderName), "{name:?}");
    }
    for name in ["", "a b", "a\r\nb", "세트", &"n".repeat(65)] {
        let error = refused(&|settings| settings.configuration_set = Some(name.to_owned()));
        assert_eq!(error, Some(SesSettingsError::ConfigurationSet), "{name:?}");
    }
    let beyond_ascii = || email("jos\u{e9}@example.com");
    assert_eq!(refused(&|s| s.from = beyond_ascii()), Some(SesSettingsError::From));
    assert_eq!(refused(&|s| s.reply_to = Some(beyond_ascii())), Some(SesSettingsError::ReplyTo));
    assert_eq!(refused(&|s| s.from = email("ann@b\u{fc}cher.example")), None);
}

#[tokio::test]
async fn a_recipient_that_ses_cannot_write_is_refused_for_good_without_a_call() {
    let stub = AwsStub::start().await;
    let mut mail = mail();
    mail.to = email("canary-recipient\u{e9}@example.com");
    let error = mailer(&stub.endpoint, 3).send(&mail).await.unwrap_err();
    assert_eq!(error.kind(), PortErrorKind::Rejected);
    assert_eq!(stub.calls(Operation::SendEmail).len(), 0);
    assert_tells_nothing(&error);
}

// What an error means

#[tokio::test]
async fn every_refusal_is_told_for_what_it_is() {
    use PortErrorKind::{Rejected, Throttled, Unavailable};
    for (status, code, kind) in [
        (429, "TooManyRequestsException", Throttled),
        (400, "LimitExceededException", Throttled),
        (400, "ThrottlingException", Throttled),
        (400, "Throttling", Throttled),
        (500, "InternalFailure", Unavailable),
        (503, "ServiceUnavailable", Unavailable),
        (400, "AccountSuspendedException", Unavailable),
        (400, "SendingPausedException", Unavailable),
        (400, "MailFromDomainNotVerifiedException", Unavailable),
        (404, "NotFoundException", Unavailable),
        (403, "AccessDeniedException", Unavailable),
        (403, "InvalidClientTokenId", Unavailable),
        (403, "SignatureDoesNotMatch", Unavailable),
        (403, "ExpiredTokenException", Unavailable),
        (400, "MessageRejected", Rejected),
        (400, "BadRequestException", Rejected),
    ] {
        let error = error_of(Answer::Refuse { status, code }).await;
        assert_eq!((error.kind(), error.operation()), (kind, "mailer.send"), "{code}");
        assert!(error.with_causes().contains(code), "the code is for operators: {error:?}");
        assert_tells_nothing(&error);
    }
}

#[tokio::test]
async fn an_identity_that_is_not_verified_keeps_mails_waiting() {
    let words = "Email address is not verified. The following identities failed the check in region \
                 US-EAST-1: canary-recipient@example.com";
    let code = "MessageRejected";
    let error = error_of(Answer::RefuseSaying { status: 400, code, words }).await;
    assert_eq!(error.kind(), PortErrorKind::Unavailable);
    assert_tells_nothing(&error);
}

#[tokio::test]
async fn an_answer_that_is_not_of_ses_is_no_answer() {
    for status in [200, 302, 400, 403, 404, 502] {
        let error = error_of(Answer::Garbage { status }).await;
        assert_eq!(error.kind(), PortErrorKind::Unavailable, "{status}");
        assert_tells_nothing(&error);
    }
    assert_eq!(error_of(Answer::Garbage { status: 429 }).await.kind(), PortErrorKind::Throttled);
}

#[tokio::test]
async fn a_mail_whose_connection_is_cut_may_have_been_sent() {
    let error = error_of(Answer::DoneAndCut).await;
    assert_eq!(error.kind(), PortErrorKind::Unavailable);
    assert_tells_nothing(&error);
}

#[tokio::test]
async fn where_nobody_listens_nothing_is_known() {
    let error = mailer("http://127.0.0.1:1", 1).send(&mail()).await.unwrap_err();
    assert_eq!(error.kind(), PortErrorKind::Unavailable);
    assert!(error.with_causes().contains("refused"), "{}", error.with_causes());
    assert_tells_nothing(&error);
}

// Tries

const THROTTLED: Answer = Answer::Refuse { status: 429, code: "TooManyRequestsException" };

#[tokio::test]
async fn a_mail_that_is_throttled_twice_is_sent_once() {
    let stub = AwsStub::start().await;
    stub.next(Operation::SendEmail, [THROTTLED, THROTTLED]);
    mailer(&stub.endpoint, 3).send(&mail()).await.unwrap();
    let done: Vec<_> = stub.calls(Operation::SendEmail).iter().map(|call| call.is_done).collect();
    assert_eq!(done, [false, false, true]);
}

#[tokio::test]
async fn a_mail_that_is_throttled_for_ever_is_given_back_within_the_deadline() {
    let stub = AwsStub::start().await;
    stub.always(Operation::SendEmail, THROTTLED);
    let begun = Instant::now();
    let error = mailer(&stub.endpoint, 3).send(&mail()).await.unwrap_err();
    assert_eq!(error.kind(), PortErrorKind::Throttled);
    assert_eq!(stub.calls(Operation::SendEmail).len(), 3);
    assert!(begun.elapsed() < DEADLINE);
}

#[tokio::test]
async fn a_service_that_does_not_answer_is_given_up_at_the_deadline() {
    let stub = AwsStub::start().await;
    stub.always(Operation::SendEmail, Answer::GoodAfter(Duration::from_mins(1)));
    let begun = Instant::now();
    let error = mailer(&stub.endpoint, 100).send(&mail()).await.unwrap_err();
    assert_eq!(error.kind(), PortErrorKind::Unavailable);
    assert!(begun.elapsed() >= DEADLINE && begun.elapsed() < DEADLINE * 2);
    assert!(stub.calls(Operation::SendEmail).len() > 1, "one silence ended all tries");
    assert_tells_nothing(&error);
}

#[tokio::test]
async fn a_lost_answer_sends_the_mail_again() {
    let stub = AwsStub::start().await;
    stub.next(Operation::SendEmail, [Answer::DoneAndCut]);
    mailer(&stub.endpoint, 2).send(&mail()).await.unwrap();
    assert_eq!(stub.calls(Operation::SendEmail).len(), 2);
}

#[tokio::test]
async fn what_is_refused_is_not_tried_again() {
    for code in ["MessageRejected", "SendingPausedException"] {
        let stub = AwsStub::start().await;
        stub.always(Operation::SendEmail, Answer::Refuse { status: 400, code });
        mailer(&stub.endpoint, 3).send(&mail()).await.unwrap_err();
        assert_eq!(stub.calls(Operation::SendEmail).len(), 1, "{code}");
    }
}
