//! A life at the example server, as a process of its own.

use crate::http;
use crate::life::{Answer, Call, World};
use crate::process::Server;

/// A mail that nobody asked for yet.
struct Mail {
    to: String,
    subject: String,
    text: String,
}

/// The example server. It prints its mails.
pub(crate) struct Child {
    server: Server,
    unread: Vec<Mail>,
}

impl Child {
    pub(crate) const fn new(server: Server) -> Self {
        Self { server, unread: Vec::new() }
    }

    /// How many mails came that nobody asked for.
    pub(crate) const fn unread(&self) -> usize {
        self.unread.len()
    }

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
