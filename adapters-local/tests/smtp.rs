//! [`SmtpMailer`] against a scripted server over real sockets, and against Python's aiosmtpd.
#![cfg(feature = "smtp")]
#![expect(clippy::unwrap_used, reason = "functions of tests may fail their test")]

mod smtp_server;

use std::collections::HashSet;
use std::error::Error;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use adapters_local::{SmtpCredentials, SmtpMailer, SmtpRoots, SmtpSecurity, SmtpSettings};
use auth_domain::ports::Mailer;
use auth_domain::{Email, MailContent, OutgoingEmail, PortError, PortErrorKind};
use mailparse::{MailHeaderMap, ParsedMail};
use smtp_server::{
    Act, Offer, PASSWORD, PLAIN, Protection, Received, SmtpServer, Stage, TestCa, USER,
};
use tokio::io::{AsyncBufReadExt, BufReader};

const FROM: &str = "no-reply@alcolook.example";
const TO: &str = "ann@example.com";
const LINK: &str = "https://example.com/reset?token=YW5uQGV4YW1wbGUuY29t.s3cr3t";
const SUBJECT: &str = "알코룩 비밀번호 재설정";

/// A server with STARTTLS and log-in, and who trusts it.
struct World {
    ca: TestCa,
    server: SmtpServer,
}

impl World {
    async fn new() -> Self {
        Self::with_auth(Some("PLAIN LOGIN")).await
    }

    async fn with_auth(auth: Option<&'static str>) -> Self {
        let ca = TestCa::new();
        let offer =
            Offer { protection: Protection::StartTls(ca.tls("localhost")), auth, smtputf8: true };
        let server = SmtpServer::start(offer).await;
        Self { ca, server }
    }

    fn settings(&self) -> SmtpSettings {
        settings(self.server.port, &self.ca)
    }

    fn mailer(&self) -> SmtpMailer {
        SmtpMailer::new(self.settings()).unwrap()
    }

    fn only_mail(&self) -> Received {
        let [mail] = <[_; 1]>::try_from(self.server.mails()).unwrap();
        mail
    }
}

fn settings(port: u16, ca: &TestCa) -> SmtpSettings {
    let mut settings = SmtpSettings::new("localhost", Email::parse(FROM).unwrap());
    settings.port = Some(port);
    settings.roots = SmtpRoots::Only(ca.pem());
    settings.credentials = Some(SmtpCredentials::new(USER, PASSWORD));
    settings.sender_name = Some("알코룩".into());
    settings
}

async fn server(protection: Protection) -> SmtpServer {
    let offer = Offer { protection, auth: None, smtputf8: false };
    SmtpServer::start(offer).await
}

/// A mailer without credentials for a server on a port.
fn mailer(port: u16, ca: &TestCa, change: impl FnOnce(&mut SmtpSettings)) -> SmtpMailer {
    let mut settings = settings(port, ca);
    settings.credentials = None;
    change(&mut settings);
    SmtpMailer::new(settings).unwrap()
}

fn plaintext(settings: &mut SmtpSettings) {
    settings.security = SmtpSecurity::DangerPlaintext;
}

fn mail() -> OutgoingEmail {
    mail_to(TO)
}

fn mail_to(address: &str) -> OutgoingEmail {
    mail_with(address, SUBJECT, &format!("링크입니다:\n\n{LINK}\n"))
}

fn mail_with(address: &str, subject: &str, text: &str) -> OutgoingEmail {
    let content = MailContent {
        subject: subject.to_owned(),
        text: text.to_owned().into(),
        html: format!("<p lang=\"ko\">비밀번호</p>\n<a href=\"{LINK}\">재설정</a>\n").into(),
    };
    OutgoingEmail::new(Email::parse(address).unwrap(), content)
}

/// What a mail reader makes of a mail.
struct Read {
    headers: Vec<String>,
    from: Vec<String>,
    to: Vec<String>,
    subject: String,
    text: String,
    html: String,
}

fn read(mail: &Received) -> Read {
    let parsed = mailparse::parse_mail(&mail.text).unwrap();
    assert_eq!(parsed.ctype.mimetype, "multipart/alternative");
    assert_eq!(parsed.subparts.len(), 2);
    let (text, html) = (&parsed.subparts[0], &parsed.subparts[1]);
    assert_eq!(text.ctype.mimetype, "text/plain");
    assert_eq!(html.ctype.mimetype, "text/html");
    let body = |part: &ParsedMail<'_>| part.get_body().unwrap().replace("\r\n", "\n");
    Read {
        headers: parsed.headers.iter().map(|header| header.get_key()).collect(),
        from: parsed.headers.get_all_values("From"),
        to: parsed.headers.get_all_values("To"),
        subject: parsed.headers.get_first_value("Subject").unwrap(),
        text: body(text),
        html: body(html),
    }
}

const HEADERS: [&str; 8] = [
    "Date",
    "From",
    "To",
    "Subject",
    "Message-ID",
    "Auto-Submitted",
    "MIME-Version",
    "Content-Type",
];

/// The error and everything behind it, as any log would show it.
fn told(error: &PortError) -> String {
    let mut text = format!("{error} {error:?}");
    let mut next: Option<&dyn Error> = error.source();
    while let Some(source) = next {
        text += &format!(" / {source} {source:?}");
        next = source.source();
    }
    text
}

async fn failure(mailer: &SmtpMailer) -> PortError {
    let error = mailer.send(&mail()).await.unwrap_err();
    assert_eq!(error.operation(), "mailer.send");
    error
}

async fn failure_at(stage: Stage, act: Act) -> PortError {
    let world = World::new().await;
    world.server.disturb(stage, act);
    failure(&world.mailer()).await
}

#[tokio::test]
async fn a_mail_arrives_whole_and_encrypted() {
    let world = World::new().await;
    world.mailer().send(&mail()).await.unwrap();

    let received = world.only_mail();
    assert!(received.encrypted && received.logged_in);
    assert_eq!(received.sender, FROM);
    assert_eq!(received.recipients, [TO]);
    assert_eq!(received.parameters, "");
    assert!(received.text.is_ascii(), "an old relay would spoil it");

    let read = read(&received);
    assert_eq!(read.headers, HEADERS);
    assert_eq!(read.from, [format!("알코룩 <{FROM}>")]);
    assert_eq!(read.to, [TO]);
    assert_eq!(read.subject, SUBJECT);
    assert_eq!(read.text, *mail().content.text);
    assert_eq!(read.html, *mail().content.html);
}

#[tokio::test]
async fn a_mail_is_dated_named_and_marked_as_automatic() {
    let world = World::new().await;
    let mailer = world.mailer();
    mailer.send(&mail()).await.unwrap();
    mailer.send(&mail()).await.unwrap();
    let header = |mail: &Received, name: &str| {
        let parsed = mailparse::parse_mail(&mail.text).unwrap();
        parsed.headers.get_first_value(name).unwrap()
    };

    let mails = world.server.mails();
    assert_eq!(header(&mails[0], "Auto-Submitted"), "auto-generated");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let date = mailparse::dateparse(&header(&mails[0], "Date")).unwrap();
    assert!(now.as_secs().abs_diff(date.try_into().unwrap()) < 60);
    let ids: HashSet<String> = mails.iter().map(|m| header(m, "Message-ID")).collect();
    assert_eq!(ids.len(), 2, "{ids:?}");
    assert!(ids.iter().all(|id| id.ends_with("@alcolook.example>")));
}

#[tokio::test]
async fn replies_go_where_the_settings_say() {
    let world = World::new().await;
    let mut settings = world.settings();
    settings.reply_to = Email::parse("help@alcolook.example").ok();
    SmtpMailer::new(settings).unwrap().send(&mail()).await.unwrap();
    let received = world.only_mail();
    let parsed = mailparse::parse_mail(&received.text).unwrap();
    let replies = parsed.headers.get_all_values("Reply-To");
    assert_eq!(replies, ["help@alcolook.example"]);
}

#[tokio::test]
async fn no_subject_makes_a_header() {
    let world = World::new().await;
    let mailer = world.mailer();
    let long = "비밀번호 ".repeat(60) + "끝";
    let unbroken = "x".repeat(300);
    for (subject, shown) in [
        ("Hi\r\nBcc: eve@example.com", "Hi  Bcc: eve@example.com"),
        ("Hi\nBcc: eve@example.com", "Hi Bcc: eve@example.com"),
        ("Hi\rBcc: eve@example.com", "Hi Bcc: eve@example.com"),
        ("Hi\r\n\r\n<h1>body</h1>", "Hi    <h1>body</h1>"),
        ("안녕\r\nTo: eve@example.com", "안녕  To: eve@example.com"),
        ("a\0b\u{b}c\u{85}d", "a b c d"),
        (&long, &long),
        (&unbroken, &unbroken),
        ("", ""),
    ] {
        mailer.send(&mail_with(TO, subject, "text\n")).await.unwrap();
        let received = world.server.mails().pop().unwrap();
        let read = read(&received);
        assert_eq!(read.headers, HEADERS, "{subject:?}");
        assert_eq!(read.subject.trim(), shown.trim(), "{subject:?}");
        assert_eq!(read.to, [TO]);
        assert_eq!(read.text, "text\n");
    }
}

#[tokio::test]
async fn no_body_ends_a_mail_early() {
    let world = World::new().await;
    let mailer = world.mailer();
    let long = format!("{}\n.{}\n", "x".repeat(2000), "비".repeat(2000));
    for text in [
        ".\n",
        "one\n.\nMAIL FROM:<eve@example.com>\n",
        "one\r\n.\r\nMAIL FROM:<eve@example.com>\r\n",
        "one\n.\r\nMAIL FROM:<eve@example.com>\n",
        "one\r.\rMAIL FROM:<eve@example.com>\r",
        "..two dots\n.one dot\n",
        "비밀번호\r.\r비밀번호\r\n",
        &long,
        "",
    ] {
        mailer.send(&mail_with(TO, "Hi", text)).await.unwrap();
        let received = world.server.mails().pop().unwrap();
        let shown = text.replace("\r\n", "\n").replace('\r', "\n");
        assert_eq!(read(&received).text, shown, "{text:?}");
        let raw = String::from_utf8(received.text).unwrap();
        let bare = raw.replace("\r\n", "");
        assert!(!bare.contains(['\r', '\n']), "bare CR or LF: {text:?}");
        assert!(raw.lines().all(|line| line.len() <= 998), "{text:?}");
    }
    assert_eq!(world.server.connections(), 1, "no answer was out of place");
}

#[tokio::test]
async fn quirky_addresses_stay_one_recipient() {
    let world = World::new().await;
    let mailer = world.mailer();
    let long = format!("{}@{}.example.com", "a".repeat(64), "b".repeat(63));
    for address in [
        "o'hara+tag=1@example.com",
        "!#$%&'*+-/=?^_`{|}~@example.com",
        "rcpt%to@localhost",
        "jörg@example.com",
        "한글@한국.kr",
        "cafe\u{301}@bücher.example",
        &long,
    ] {
        mailer.send(&mail_to(address)).await.unwrap();
        let received = world.server.mails().pop().unwrap();
        let canonical = Email::parse(address).unwrap();
        assert_eq!(received.recipients, [canonical.as_str()]);
        let parameters = match address.split_once('@').unwrap().0.is_ascii() {
            true => "",
            false => "SMTPUTF8 BODY=8BITMIME",
        };
        assert_eq!(received.parameters, parameters, "{address}");
        let read = read(&received);
        assert_eq!(read.headers, HEADERS);
        assert_eq!(read.to, [canonical.as_str()]);
    }
}

#[tokio::test]
async fn an_address_that_the_server_cannot_carry_is_refused_for_good() {
    let ca = TestCa::new();
    let server = server(Protection::StartTls(ca.tls("localhost"))).await;
    let mailer = mailer(server.port, &ca, |_| ());
    let error = mailer.send(&mail_to("jörg@example.com")).await.unwrap_err();
    assert_eq!(error.kind(), PortErrorKind::Rejected);
    assert!(!server.reached().contains(&Stage::Mail));
    mailer.send(&mail()).await.unwrap();
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn tls_may_start_at_once() {
    let ca = TestCa::new();
    let server = server(Protection::Implicit(ca.tls("localhost"))).await;
    let implicit = |settings: &mut SmtpSettings| settings.security = SmtpSecurity::ImplicitTls;
    mailer(server.port, &ca, implicit).send(&mail()).await.unwrap();
    assert!(server.mails()[0].encrypted);
}

#[tokio::test]
async fn a_server_by_its_ip_address_is_checked_against_that_address() {
    let ca = TestCa::new();
    let server = server(Protection::StartTls(ca.tls("127.0.0.1"))).await;
    let by_address = |settings: &mut SmtpSettings| settings.host = "127.0.0.1".into();
    mailer(server.port, &ca, by_address).send(&mail()).await.unwrap();
    assert!(failure(&mailer(server.port, &ca, |_| ())).await.is_transient());
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test]
async fn stripped_starttls_stops_before_anything_is_said() {
    let ca = TestCa::new();
    for auth in [None, Some("PLAIN LOGIN")] {
        let offer = Offer { protection: Protection::None, auth, smtputf8: true };
        let server = SmtpServer::start(offer).await;
        let mailer = SmtpMailer::new(settings(server.port, &ca)).unwrap();
        let error = failure(&mailer).await;
        assert_eq!(error.kind(), PortErrorKind::Unavailable);
        assert!(told(&error).contains("STARTTLS"), "{}", told(&error));
        assert_eq!(server.reached(), [Stage::Greeting, Stage::Ehlo]);
    }
}

#[tokio::test]
async fn starttls_that_is_refused_stops_before_anything_is_said() {
    let world = World::new().await;
    let say = Act::Say("454 TLS not available".into());
    world.server.disturb(Stage::StartTls, say);
    assert!(failure(&world.mailer()).await.is_transient());
    let before = [Stage::Greeting, Stage::Ehlo, Stage::StartTls];
    assert_eq!(world.server.reached(), before);
}

#[tokio::test]
async fn answers_smuggled_in_before_tls_are_not_taken_for_the_servers() {
    let world = World::new().await;
    // What the client would take for the answer to its EHLO inside TLS.
    let smuggled = Act::Also("250-test\r\n250 AUTH PLAIN\r\n".into());
    world.server.disturb(Stage::StartTls, smuggled);
    let error = failure(&world.mailer()).await;
    assert_eq!(error.kind(), PortErrorKind::Unavailable);
    assert!(told(&error).contains("STARTTLS failed"), "{}", told(&error));
    let before = [Stage::Greeting, Stage::Ehlo, Stage::StartTls];
    assert_eq!(world.server.reached(), before);
}

#[tokio::test]
async fn a_certificate_that_does_not_hold_stops_everything() {
    let ca = TestCa::new();
    let strangers = TestCa::new();
    for (flaw, tls) in [
        ("another authority", strangers.tls("localhost")),
        ("another name", ca.tls("mail.example.com")),
        ("expired", ca.tls_until("localhost", 2020)),
    ] {
        for security in [SmtpSecurity::StartTls, SmtpSecurity::ImplicitTls] {
            let server = server(match security {
                SmtpSecurity::StartTls => Protection::StartTls(Arc::clone(&tls)),
                _ => Protection::Implicit(Arc::clone(&tls)),
            })
            .await;
            let mailer = mailer(server.port, &ca, |settings| settings.security = security);
            let error = failure(&mailer).await;
            assert_eq!(error.kind(), PortErrorKind::Unavailable, "{flaw}");
            assert!(told(&error).contains("certificate"), "{}", told(&error));
            assert!(!server.reached().contains(&Stage::Mail), "{flaw}");
            assert_eq!(server.mails().len(), 0, "{flaw}");
        }
    }
}

#[tokio::test]
async fn the_systems_roots_do_not_vouch_for_a_stranger() {
    let world = World::new().await;
    let mut settings = world.settings();
    settings.roots = SmtpRoots::System;
    assert!(failure(&SmtpMailer::new(settings.clone()).unwrap()).await.is_transient());
    assert_eq!(world.server.mails().len(), 0);
    settings.roots = SmtpRoots::SystemAnd(world.ca.pem());
    SmtpMailer::new(settings).unwrap().send(&mail()).await.unwrap();
    assert_eq!(world.server.mails().len(), 1);
}

#[tokio::test]
async fn plaintext_is_sent_only_by_the_setting_named_for_its_danger() {
    let ca = TestCa::new();
    let server = server(Protection::None).await;
    for security in [SmtpSecurity::default(), SmtpSecurity::ImplicitTls] {
        let mailer = mailer(server.port, &ca, |settings| settings.security = security);
        assert!(failure(&mailer).await.is_transient());
    }
    assert_eq!(server.mails().len(), 0);
    mailer(server.port, &ca, plaintext).send(&mail()).await.unwrap();
    assert!(!server.mails()[0].encrypted);
}

#[tokio::test]
async fn either_mechanism_logs_in() {
    for mechanism in ["PLAIN", "LOGIN"] {
        let world = World::with_auth(Some(mechanism)).await;
        world.mailer().send(&mail()).await.unwrap();
        assert!(world.only_mail().logged_in, "{mechanism}");
    }
}

#[tokio::test]
async fn a_refused_log_in_keeps_the_mail_for_later() {
    let world = World::new().await;
    let mut settings = world.settings();
    settings.credentials = Some(SmtpCredentials::new(USER, "wrong"));
    let error = failure(&SmtpMailer::new(settings.clone()).unwrap()).await;
    assert_eq!(error.kind(), PortErrorKind::Unavailable);
    assert!(told(&error).contains("AUTH was answered with 535"));

    settings.credentials = None;
    let error = failure(&SmtpMailer::new(settings).unwrap()).await;
    assert_eq!(error.kind(), PortErrorKind::Unavailable);
    assert!(told(&error).contains("MAIL was answered with 530"));

    for unusable in [None, Some("GSSAPI")] {
        let world = World::with_auth(unusable).await;
        assert!(failure(&world.mailer()).await.is_transient());
        assert!(!world.server.reached().contains(&Stage::Mail));
    }
}

#[tokio::test]
async fn a_4xx_is_transient_wherever_it_comes() {
    for stage in [
        Stage::Greeting,
        Stage::Ehlo,
        Stage::Auth,
        Stage::Mail,
        Stage::Rcpt,
        Stage::Data,
        Stage::Content,
    ] {
        for (answer, kind) in [
            ("421 closing", PortErrorKind::Throttled),
            ("451 greylisted", PortErrorKind::Throttled),
            ("441 not now", PortErrorKind::Unavailable),
        ] {
            let error = failure_at(stage, Act::Say(answer.into())).await;
            assert_eq!(error.kind(), kind, "{stage:?}: {answer}");
            let code = answer.split_once(' ').unwrap().0;
            assert!(told(&error).contains(code), "{}", told(&error));
        }
    }
}

#[tokio::test]
async fn a_5xx_is_for_good_once_it_is_about_the_mail() {
    for stage in [Stage::Mail, Stage::Rcpt, Stage::Data, Stage::Content] {
        let error = failure_at(stage, Act::Say("550 no".into())).await;
        assert_eq!(error.kind(), PortErrorKind::Rejected, "{stage:?}");
        assert!(told(&error).contains("550"));
    }
    for stage in [Stage::Greeting, Stage::Ehlo, Stage::Auth] {
        let error = failure_at(stage, Act::Say("554 no".into())).await;
        assert_eq!(error.kind(), PortErrorKind::Unavailable, "{stage:?}");
    }
}

#[tokio::test]
async fn an_answer_of_the_wrong_sort_is_not_taken_for_yes() {
    for (stage, answer) in [
        (Stage::Mail, "354 go ahead"),
        (Stage::Rcpt, "354 go ahead"),
        (Stage::Data, "250 ok"),
        (Stage::Content, "354 go ahead"),
        (Stage::Content, "199 hm"),
        (Stage::Content, "hm"),
    ] {
        let world = World::new().await;
        let mailer = world.mailer();
        world.server.disturb(stage, Act::Say(answer.into()));
        let error = failure(&mailer).await;
        assert_eq!(error.kind(), PortErrorKind::Unavailable, "{stage:?} {answer}");
        world.server.calm();
        mailer.send(&mail()).await.unwrap();
        assert_eq!(world.server.connections(), 2, "nobody knows where we are");
    }
}

#[tokio::test]
async fn a_cut_is_transient_wherever_it_comes() {
    for stage in [
        Stage::Greeting,
        Stage::Ehlo,
        Stage::StartTls,
        Stage::Auth,
        Stage::Mail,
        Stage::Rcpt,
        Stage::Data,
    ] {
        let error = failure_at(stage, Act::Cut).await;
        assert_eq!(error.kind(), PortErrorKind::Unavailable, "{stage:?}");
    }
}

#[tokio::test]
async fn a_mail_whose_answer_was_cut_off_may_arrive_twice_but_is_never_given_up() {
    let world = World::new().await;
    let mailer = world.mailer();
    world.server.disturb(Stage::Content, Act::Cut);
    assert_eq!(failure(&mailer).await.kind(), PortErrorKind::Unavailable);
    world.server.calm();
    mailer.send(&mail()).await.unwrap();
    assert_eq!(world.server.mails().len(), 2);
}

#[tokio::test]
async fn no_server_is_transient() {
    let ca = TestCa::new();
    // The port was just free, and nobody listens on it.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let refused = failure(&mailer(port, &ca, |_| ())).await;
    assert_eq!(refused.kind(), PortErrorKind::Unavailable);
    let nowhere = |settings: &mut SmtpSettings| settings.host = "mail.invalid".into();
    let unknown = failure(&mailer(port, &ca, nowhere)).await;
    assert_eq!(unknown.kind(), PortErrorKind::Unavailable);
}

/// Sends a mail that never gets an answer at `stage`, with a clock that jumps to the next timeout from
/// there on.
async fn silence_at(world: &World, stage: Stage) -> PortError {
    world.server.disturb(stage, Act::Hang);
    let mailer = world.mailer();
    let sending = tokio::spawn(async move { mailer.send(&mail()).await });
    world.server.until(stage).await;
    tokio::time::pause();
    let outcome = sending.await.unwrap();
    tokio::time::resume();
    outcome.unwrap_err()
}

#[tokio::test]
async fn silence_ends_with_the_answer_timeout() {
    for (stage, step) in [
        (Stage::Greeting, "connecting"),
        (Stage::Ehlo, "connecting"),
        (Stage::StartTls, "STARTTLS"),
        (Stage::Auth, "AUTH"),
        (Stage::Mail, "MAIL"),
        (Stage::Rcpt, "RCPT"),
        (Stage::Data, "DATA"),
        (Stage::Content, "the mail itself"),
    ] {
        let error = silence_at(&World::new().await, stage).await;
        assert_eq!(error.kind(), PortErrorKind::Unavailable);
        let expected = format!("{step} got no answer in time");
        assert!(told(&error).contains(&expected), "{}", told(&error));
    }
}

#[tokio::test]
async fn the_deadline_counts_the_wait_for_a_connection() {
    let world = World::new().await;
    world.server.disturb(Stage::Content, Act::Hang);
    let mut settings = world.settings();
    settings.connections = 1;
    settings.answer_timeout = settings.deadline;
    let mailer = Arc::new(SmtpMailer::new(settings).unwrap());
    let first = tokio::spawn({
        let mailer = Arc::clone(&mailer);
        async move { mailer.send(&mail()).await }
    });
    world.server.until(Stage::Content).await;
    tokio::time::pause();
    let error = failure(&mailer).await;
    assert_eq!(error.kind(), PortErrorKind::Unavailable);
    assert!(told(&error).contains("as a whole"), "{}", told(&error));
    assert!(first.await.unwrap().unwrap_err().is_transient());
}

#[tokio::test]
async fn errors_repeat_nothing_that_the_server_says() {
    let echo = format!("<{TO}> {LINK} {USER} {PASSWORD} {PLAIN}");
    for stage in [
        Stage::Greeting,
        Stage::Ehlo,
        Stage::StartTls,
        Stage::Auth,
        Stage::Mail,
        Stage::Rcpt,
        Stage::Data,
        Stage::Content,
    ] {
        for answer in [
            format!("451 {echo}"),
            format!("550-{echo}\r\n550 {echo}"),
            format!("550-{echo}\r\n250 {echo}"),
            format!("250-{echo}\r\n550 {echo}"),
            format!("999 {echo}"),
            echo.clone(),
        ] {
            let error = failure_at(stage, Act::Say(answer)).await;
            let told = told(&error);
            for secret in [TO, LINK, "s3cr3t", USER, PASSWORD, PLAIN] {
                assert!(!told.contains(secret), "{stage:?}: {told}");
            }
        }
    }
}

#[tokio::test]
async fn a_connection_is_used_again_also_after_a_refusal() {
    let world = World::new().await;
    let mailer = world.mailer();
    mailer.send(&mail()).await.unwrap();
    for stage in [Stage::Mail, Stage::Rcpt, Stage::Data, Stage::Content] {
        world.server.disturb(stage, Act::Say("550 no".into()));
        failure(&mailer).await;
        world.server.calm();
        mailer.send(&mail_to("bob@example.com")).await.unwrap();
    }
    assert_eq!(world.server.connections(), 1);
    let mails = world.server.mails();
    assert_eq!(mails.len(), 5);
    assert!(mails[1..].iter().all(|mail| mail.recipients == ["bob@example.com"]));
}

#[tokio::test]
async fn a_kept_connection_that_died_is_replaced() {
    let world = World::new().await;
    let mailer = world.mailer();
    mailer.send(&mail()).await.unwrap();
    world.server.end_connections();
    mailer.send(&mail()).await.unwrap();
    world.server.disturb(Stage::Rset, Act::Say("421 idle too long".into()));
    mailer.send(&mail()).await.unwrap();
    assert_eq!(world.server.mails().len(), 3);
    assert_eq!(world.server.connections(), 3);
}

#[tokio::test]
async fn what_ended_one_kept_connection_is_taken_to_have_ended_all() {
    let world = World::new().await;
    let mailer = world.mailer();
    let mail = mail();
    let two = async || {
        let (first, second) = tokio::join!(mailer.send(&mail), mailer.send(&mail));
        first.and(second).unwrap();
    };
    two().await;
    assert_eq!(world.server.connections(), 2);
    world.server.disturb(Stage::Rset, Act::Say("421 restarting".into()));
    mailer.send(&mail).await.unwrap();
    world.server.calm();
    two().await;
    assert_eq!(world.server.connections(), 4);
}

#[tokio::test]
async fn a_kept_connection_that_fell_silent_is_replaced() {
    let ca = TestCa::new();
    let server = server(Protection::None).await;
    let mailer = mailer(server.port, &ca, |settings| {
        plaintext(settings);
        settings.answer_timeout = Duration::from_millis(500);
    });
    mailer.send(&mail()).await.unwrap();
    server.disturb(Stage::Rset, Act::Hang);
    mailer.send(&mail()).await.unwrap();
    assert_eq!(server.mails().len(), 2);
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_send_that_was_given_up_does_not_spoil_the_next() {
    for stage in [Stage::Mail, Stage::Rcpt, Stage::Data, Stage::Content] {
        let world = World::new().await;
        let mailer = Arc::new(world.mailer());
        world.server.disturb(stage, Act::Hang);
        let sending = tokio::spawn({
            let mailer = Arc::clone(&mailer);
            async move { mailer.send(&mail()).await }
        });
        world.server.until(stage).await;
        sending.abort();
        assert!(sending.await.unwrap_err().is_cancelled());
        world.server.calm();

        mailer.send(&mail_to("bob@example.com")).await.unwrap();
        let last = world.server.mails().pop().unwrap();
        assert_eq!(last.recipients, ["bob@example.com"], "{stage:?}");
        assert_eq!(world.server.connections(), 2, "{stage:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_at_once_share_the_connections() {
    let world = World::new().await;
    let mailer = Arc::new(world.mailer());
    let sends: Vec<_> = (0..16)
        .map(|n| {
            let mailer = Arc::clone(&mailer);
            tokio::spawn(
                async move { mailer.send(&mail_to(&format!("user{n}@example.com"))).await },
            )
        })
        .collect();
    for send in sends {
        send.await.unwrap().unwrap();
    }
    let mails = world.server.mails();
    let recipients: HashSet<_> = mails.iter().flat_map(|mail| &mail.recipients).collect();
    assert_eq!((mails.len(), recipients.len()), (16, 16));
    assert!(mails.iter().all(|mail| read(mail).to == mail.recipients));
    assert!((1..=4).contains(&world.server.connections()));
}

#[test]
fn a_mailer_needs_no_runtime_to_be_built_and_outlives_the_one_it_sent_on() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let lasting = runtime();
    let world = lasting.block_on(World::new());
    let mailer = world.mailer();
    let sending = std::thread::spawn(move || {
        for _ in 0..2 {
            runtime().block_on(mailer.send(&mail())).unwrap();
        }
        drop(mailer);
    });
    while !sending.is_finished() {
        lasting.block_on(tokio::task::yield_now());
    }
    sending.join().unwrap();
    assert_eq!(world.server.mails().len(), 2);
}

/// aiosmtpd as a child process, which ends when this is dropped and its standard input with it.
struct Aiosmtpd {
    child: tokio::process::Child,
    lines: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
    directory: std::path::PathBuf,
}

impl Aiosmtpd {
    fn start(python: &str, ca: &TestCa) -> Self {
        let directory = std::env::temp_dir().join(format!("auth-aiosmtpd-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let (certificate, key) = ca.certify("localhost", 2999);
        std::fs::write(directory.join("certificate.pem"), certificate).unwrap();
        std::fs::write(directory.join("key.pem"), key).unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/aiosmtpd_server.py");
        let mut child = tokio::process::Command::new(python)
            .arg(script)
            .args([directory.join("certificate.pem"), directory.join("key.pem")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines, directory }
    }

    async fn line(&mut self) -> serde_json::Value {
        let line = self.lines.next_line().await.unwrap();
        serde_json::from_str(&line.unwrap()).unwrap()
    }

    async fn stop(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().await.unwrap().success());
        std::fs::remove_dir_all(&self.directory).unwrap();
    }
}

#[tokio::test]
async fn aiosmtpd_reads_the_same_mail() {
    let Ok(python) = std::env::var("AUTH_TEST_AIOSMTPD") else {
        println!("skipped: AUTH_TEST_AIOSMTPD names no Python interpreter that has aiosmtpd");
        return;
    };
    let ca = TestCa::new();
    let mut peer = Aiosmtpd::start(&python, &ca);
    let port = peer.line().await["port"].as_u64().unwrap();
    let mailer = mailer(port.try_into().unwrap(), &ca, |_| ());

    let long = "비밀번호 ".repeat(60) + "끝";
    let stuffed = "one\n.\nMAIL FROM:<eve@example.com>\n..\n비밀번호\n";
    for (address, subject, shown, text) in [
        (TO, SUBJECT, SUBJECT, LINK),
        (TO, long.as_str(), long.as_str(), stuffed),
        ("o'hara+tag=1@example.com", "Hi\r\nBcc: e@e", "Hi  Bcc: e@e", stuffed),
        ("!#$%&'*+-/=?^_`{|}~@example.com", "Hi\nTo: e@e", "Hi To: e@e", "x"),
        ("한글@example.com", SUBJECT, SUBJECT, "비밀번호"),
    ] {
        mailer.send(&mail_with(address, subject, text)).await.unwrap();
        let seen = peer.line().await;
        let html = mail().content.html;
        let expected = serde_json::json!({
            "encrypted": true,
            "sender": FROM,
            "recipients": [address],
            "headers": HEADERS,
            "defects": [],
            "from": [format!("알코룩 <{FROM}>")],
            "to": [address],
            "subject": shown,
            "text": text,
            "html": *html,
        });
        assert_eq!(seen, expected);
    }
    peer.stop().await;
}
