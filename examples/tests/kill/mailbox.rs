//! The mails that servers print.

use std::collections::{HashMap, HashSet};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

/// Whose mail, and about what.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Mail {
    pub(crate) to: String,
    pub(crate) about: About,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum About {
    Address,
    Change,
    Reset,
}

impl About {
    const ALL: [Self; 3] = [Self::Address, Self::Change, Self::Reset];

    const fn subject(self) -> &'static str {
        match self {
            Self::Address => "Confirm your Example address",
            Self::Change => "Your Example password was changed",
            Self::Reset => "Reset your Example password",
        }
    }

    /// Of a queued job.
    pub(crate) const fn kind(self) -> &'static str {
        match self {
            Self::Address => "verify_email",
            Self::Change => "password_changed",
            Self::Reset => "password_reset",
        }
    }
}

#[derive(Default)]
pub(crate) struct Mailbox {
    received: Mutex<Received>,
    came: Condvar,
}

#[derive(Default)]
struct Received {
    mails: HashSet<Mail>,
    reset_tokens: HashMap<String, String>,
}

impl Mailbox {
    /// Takes in what a server prints, until it ends. A mail that is cut off by that is none.
    pub(crate) fn read(&self, lines: impl Iterator<Item = String>) {
        let (mut to, mut about, mut token) = (String::new(), None, None);
        for line in lines {
            if let Some(address) = line.strip_prefix("--- mail to ") {
                address.clone_into(&mut to);
                (about, token) = (None, None);
            } else if let Some(subject) = line.strip_prefix("Subject: ") {
                about = About::ALL.into_iter().find(|about| about.subject() == subject);
                assert!(about.is_some(), "a mail that nobody asked for: {subject}");
            } else if let Some((_, link)) = line.split_once("/reset-password?token=") {
                token = Some(link.to_owned());
            } else if line == "---"
                && let Some(about) = about.take()
            {
                self.take_in(Mail { to: to.clone(), about }, token.take());
            }
        }
    }

    fn take_in(&self, mail: Mail, token: Option<String>) {
        let mut received = self.received.lock().unwrap();
        if let Some(token) = token {
            let before = received.reset_tokens.insert(mail.to.clone(), token.clone());
            assert!(before.is_none_or(|before| before == token), "one request made two links");
        }
        received.mails.insert(mail);
        self.came.notify_all();
    }

    pub(crate) fn reset_token(&self, to: &str) -> Option<String> {
        self.received.lock().unwrap().reset_tokens.get(to).cloned()
    }

    pub(crate) fn has(&self, mail: &Mail) -> bool {
        self.received.lock().unwrap().mails.contains(mail)
    }

    /// Those of `due` that have not come by then.
    pub(crate) fn missing_of(&self, due: &[Mail], patience: Duration) -> Vec<Mail> {
        let received = self.received.lock().unwrap();
        let lacks = |received: &mut Received| due.iter().any(|mail| !received.mails.contains(mail));
        let waited = self.came.wait_timeout_while(received, patience, lacks);
        let (received, _) = waited.unwrap();
        due.iter().filter(|mail| !received.mails.contains(mail)).cloned().collect()
    }
}
