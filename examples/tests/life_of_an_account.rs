//! A whole life of an account, over sockets: at the example server in a process of its own, and at a
//! router in this one, whose stores can be looked into afterwards.
#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

#[path = "life/http.rs"]
mod http;
mod life;
mod process;

use std::net::SocketAddr;
use std::time::Duration;

use adapters_http::{HttpOptions, router};
use adapters_local::{Testing, testing_with};
use auth_domain::ports::{ResetTokenStore, SessionStore, UserStore};
use auth_domain::{Email, EmailVerification, UserId};
use tokio::net::TcpListener;

use life::{Answer, Call, World};
use process::Server;

/// A mail that nobody asked for yet.
struct Mail {
    to: String,
    subject: String,
    text: String,
}

/// The example server. It prints its mails.
struct Child {
    server: Server,
    unread: Vec<Mail>,
}

impl Child {
    fn next_mail(&self) -> Mail {
        let to = self.server.line_with("--- mail to ").split_off("--- mail to ".len());
        let subject = self.server.line_with("Subject: ").split_off("Subject: ".len());
        let lines = std::iter::from_fn(|| Some(self.server.line_with("")));
        let lines: Vec<_> = lines.take_while(|line| line != "---").collect();
        Mail { to, subject, text: lines.join("\n") }
    }
}

impl World for Child {
    async fn send(&mut self, call: Call) -> Answer {
        http::send(&self.server.address, call).await
    }

    async fn mail(&mut self, to: &str, subject: &str) -> String {
        loop {
            let is_it = |mail: &Mail| mail.to == to && mail.subject == subject;
            if let Some(index) = self.unread.iter().position(is_it) {
                return self.unread.remove(index).text;
            }
            let next = self.next_mail();
            self.unread.push(next);
        }
    }
}

#[tokio::test]
async fn an_account_lives_and_goes_at_the_example_server() {
    let server = Server::start("server", &[("AUTH_EMAIL_VERIFICATION", "required")]);
    let mut child = Child { server, unread: Vec::new() };
    let departed = life::lived(&mut child).await;
    assert!(child.unread.is_empty(), "{} mails more than were due", child.unread.len());
    life::is_forgotten(&mut child, &departed).await;
}

/// A router in this process, over `adapters_local::testing()`.
struct InProcess {
    world: Testing,
    address: SocketAddr,
    read: usize,
}

impl InProcess {
    async fn start() -> Self {
        let world = testing_with(|_, settings| {
            settings.email_verification = EmailVerification::RequireVerified;
        });
        let router = router(world.auth.clone(), HttpOptions::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        Self { world, address, read: 0 }
    }
}

impl World for InProcess {
    async fn send(&mut self, call: Call) -> Answer {
        // The clock of tests stands still, and no mail is older than the change that it is about.
        self.world.clock.advance(Duration::from_secs(1));
        http::send(&self.address.to_string(), call).await
    }

    async fn mail(&mut self, to: &str, subject: &str) -> String {
        self.world.deliver_mail().await;
        let all = self.world.mailbox.all();
        let mail = all.get(self.read).unwrap_or_else(|| panic!("no mail {subject:?} to {to}"));
        self.read += 1;
        assert_eq!((mail.to.as_str(), mail.content.subject.as_str()), (to, subject));
        mail.content.text.to_string()
    }
}

#[tokio::test]
async fn of_an_account_that_is_gone_the_stores_hold_nothing() {
    let mut here = InProcess::start().await;
    let departed = life::lived(&mut here).await;
    let Testing { users, sessions, reset_tokens, mailbox, .. } = &here.world;
    assert_eq!(here.read, mailbox.all().len(), "mails more than were due");
    assert!(here.world.queued_mail().is_empty());
    let user_id = UserId::parse(&departed.user_id).unwrap();
    assert!(users.find_by_id(user_id).await.unwrap().is_none());
    assert!(sessions.list(user_id).await.unwrap().is_empty());
    for address in departed.addresses {
        let address = Email::parse(address).unwrap();
        assert!(users.find_by_email(&address).await.unwrap().is_none());
        assert!(reset_tokens.newest(&address).await.unwrap().is_none());
    }
    life::is_forgotten(&mut here, &departed).await;
}
