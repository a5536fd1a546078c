//! What came of it: for a person, for a script, and as an exit code.

use std::io::Write;
use std::process::ExitCode;

use auth_domain::ports::UserKey;
use auth_domain::{Account, SessionInfo, Timestamp};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::list::{Left, Walked, Why};
use super::screen::shown;

const DONE: u8 = 0;
const FAILED: u8 = 1;
const USAGE: u8 = 2;
const NOT_FOUND: u8 = 3;
const NOT_CONFIRMED: u8 = 4;
pub(super) const INTERRUPTED: u8 = 130;

pub(super) struct Report {
    pub(super) command: &'static str,
    pub(super) outcome: Outcome,
}

/// Messages are of ours alone.
pub(super) enum Outcome {
    Shown(Box<Account>),
    /// And what was done to it.
    Changed(UserKey, &'static str),
    Walked(Walked),
    Failed(String),
    NotConfirmed(String),
    NotFound(String),
    Usage(String),
}

impl Report {
    pub(super) fn print(&self, json: bool) -> ExitCode {
        let (text, message) = (self.outcome.text(), self.outcome.message());
        let told = if json { printable(&self.in_json()) + "\n" } else { text };
        let mut out = std::io::stdout();
        let printed = out.write_all(told.as_bytes()).and_then(|()| out.flush());
        if let Some(message) = message {
            tell(&format!("error: {}", shown(&message)));
        }
        if let Err(error) = printed {
            tell(&format!("error: the result cannot be printed: {error}"));
            return ExitCode::from(FAILED);
        }
        ExitCode::from(self.outcome.code())
    }

    fn in_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("command".to_owned(), self.command.into());
        object.insert("outcome".to_owned(), self.outcome.name().into());
        if let Some(message) = self.outcome.message() {
            object.insert("message".to_owned(), message.into());
        }
        if let Value::Object(details) = self.outcome.details() {
            object.extend(details);
        }
        Value::Object(object)
    }
}

/// Where nobody listens any more there is nobody to tell.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

impl Outcome {
    fn code(&self) -> u8 {
        match self {
            Self::Shown(_) | Self::Changed(..) => DONE,
            Self::Walked(walked) => walked.code(),
            Self::Failed(_) => FAILED,
            Self::NotConfirmed(_) => NOT_CONFIRMED,
            Self::NotFound(_) => NOT_FOUND,
            Self::Usage(_) => USAGE,
        }
    }

    fn name(&self) -> &'static str {
        match self.code() {
            DONE => "done",
            USAGE => "usage",
            NOT_FOUND => "not_found",
            NOT_CONFIRMED => "not_confirmed",
            INTERRUPTED => "interrupted",
            _ => "failed",
        }
    }

    fn message(&self) -> Option<String> {
        match self {
            Self::Shown(_) | Self::Changed(..) => None,
            Self::Walked(walked) => walked.message(),
            Self::Failed(why) | Self::NotFound(why) | Self::Usage(why) => Some(why.clone()),
            Self::NotConfirmed(why) => Some(format!("{why}. Nothing was changed")),
        }
    }

    /// For a person, what is not in the message.
    fn text(&self) -> String {
        match self {
            Self::Shown(account) => in_text(account),
            Self::Changed(key, done) => {
                format!("{} ({}): {done}\n", shown(key.email.as_str()), key.id)
            }
            Self::Walked(walked) => walked.text(),
            _ => String::new(),
        }
    }

    fn details(&self) -> Value {
        match self {
            Self::Shown(account) => json!({ "account": in_json(account) }),
            Self::Changed(key, _) => {
                json!({ "user_id": key.id.to_string(), "email": key.email.as_str() })
            }
            Self::Walked(walked) => walked.in_json(),
            _ => Value::Null,
        }
    }
}

impl Walked {
    fn code(&self) -> u8 {
        let failed = |left: &Left| matches!(left.why, Why::Failed(_));
        match &self.ended {
            Some(ended) if ended.failure.is_none() => INTERRUPTED,
            Some(_) => FAILED,
            None if self.left.iter().any(failed) => FAILED,
            None if self.left.is_empty() => DONE,
            None => NOT_FOUND,
        }
    }

    fn message(&self) -> Option<String> {
        let left = (!self.left.is_empty()).then(|| format!("{} passed over", self.left.len()));
        let ended = self.ended.as_ref().map(|ended| {
            let why = ended.failure.as_deref().unwrap_or("Interrupted");
            let half = if ended.failure.is_some() { ", and that line perhaps in part" } else { "" };
            format!("{why}. Not done from line {} on{half}; run it again", ended.next_line)
        });
        let parts: Vec<_> = left.into_iter().chain(ended).collect();
        (!parts.is_empty()).then(|| parts.join(". "))
    }

    fn text(&self) -> String {
        let left =
            self.left.iter().map(|left| format!("line {}: {}\n", left.line, left.why.text()));
        left.collect::<String>() + &format!("{} of {} done\n", self.done, self.lines)
    }

    fn in_json(&self) -> Value {
        let left = self.left.iter().map(|left| {
            json!({ "line": left.line, "outcome": left.why.name(), "message": left.why.text() })
        });
        json!({
            "lines": self.lines,
            "done": self.done,
            "left": left.collect::<Vec<_>>(),
            "next_line": self.ended.as_ref().map(|ended| ended.next_line),
        })
    }
}

impl Why {
    const fn name(&self) -> &'static str {
        match self {
            Self::Failed(_) => "failed",
            Self::NotFound => "not_found",
            Self::NotUnderstood => "not_understood",
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Failed(why) => shown(why),
            Self::NotFound => "no such account".to_owned(),
            Self::NotUnderstood => super::NotUnderstood.to_string(),
        }
    }
}

/// An account as a person reads it.
pub(super) fn in_text(account: &Account) -> String {
    let when = |at: Option<Timestamp>, never: &str| at.map_or(never.to_owned(), rfc3339);
    let lines = [
        ("user id", account.key.id.to_string()),
        ("name", shown(account.name.as_str())),
        ("state", if account.disabled { "DISABLED" } else { "enabled" }.to_owned()),
        ("password", if account.has_password { "set" } else { "none" }.to_owned()),
        ("address confirmed", when(account.email_verified_at, "never")),
        ("made", rfc3339(account.created_at)),
        ("credentials changed", rfc3339(account.updated_at)),
        ("credential version", account.credential_version.get().to_string()),
        ("last login", when(account.last_login, "never")),
        ("live sessions", account.sessions.len().to_string()),
    ];
    let lines = lines.iter().map(|(name, value)| format!("  {name:<20} {value}\n"));
    let sessions = account.sessions.iter().map(session_in_text);
    let address = shown(account.key.email.as_str());
    std::iter::once(address + "\n").chain(lines).chain(sessions).collect()
}

fn session_in_text(session: &SessionInfo) -> String {
    let agent = session
        .user_agent
        .as_ref()
        .map_or("client unnamed".to_owned(), |agent| shown(agent.as_str()));
    let (opened, used) = (rfc3339(session.created_at), rfc3339(session.last_used_at));
    format!("    {} opened {opened}, used {used}, {agent}\n", session.id)
}

fn in_json(account: &Account) -> Value {
    let sessions = account.sessions.iter().map(|session| {
        json!({
            "session_id": session.id.to_string(),
            "created_at": rfc3339(session.created_at),
            "last_used_at": rfc3339(session.last_used_at),
            "user_agent": session.user_agent.as_ref().map(|agent| agent.as_str()),
        })
    });
    json!({
        "user_id": account.key.id.to_string(),
        "email": account.key.email.as_str(),
        "name": account.name.as_str(),
        "disabled": account.disabled,
        "has_password": account.has_password,
        "credential_version": account.credential_version.get(),
        "email_verified_at": account.email_verified_at.map(rfc3339),
        "created_at": rfc3339(account.created_at),
        "updated_at": rfc3339(account.updated_at),
        "last_login": account.last_login.map(rfc3339),
        "sessions": sessions.collect::<Vec<_>>(),
    })
}

/// A row may say any time; one that has no such form is told all the same.
fn rfc3339(at: Timestamp) -> String {
    let nanos = i128::from(at.as_micros()) * 1000;
    let formed = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok();
    let formed = formed.and_then(|time| time.format(&Rfc3339).ok());
    formed.unwrap_or_else(|| format!("{} seconds after 1970", at.as_seconds()))
}

/// JSON leaves controls above ASCII and turns of direction as they are. They stand in strings alone, where an
/// escape says the same.
fn printable(value: &Value) -> String {
    let escaped = |c: char| {
        if c.escape_debug().len() == 1 || matches!(c, '"' | '\'' | '\\') {
            return c.to_string();
        }
        let mut units = [0; 2];
        c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect()
    };
    value.to_string().chars().map(escaped).collect()
}
