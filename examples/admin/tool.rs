//! What an operator's program asks, does and says, whatever it keeps accounts in.
//!
//! `examples/admin.rs` composes it over SQL, `auth-admin` of `adapters-aws` over DynamoDB. That one takes
//! this file by its path: an adapter may depend on the domain alone, and a crate of its own would make a
//! public interface of what two programs have in common.

mod account;
mod list;
mod report;
mod screen;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Error;
use auth_domain::ports::UserKey;
use auth_domain::{Account, AdminError, Auth, Locale, PortError, PortErrorKind, RequestContext};
use clap::{Args, Subcommand};

use account::{NotUnderstood, Target};
use report::{Outcome, Report};
pub(crate) use screen::Screen;

/// For the end of `--help`.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0    Done.
  1    It failed, or could not be done now; the message says why. Whether it was done may not be known:
       again is harmless.
  2    The command line is wrong.
  3    There is no such account. Of a list: all others are done.
  4    It was not confirmed; nothing was changed.
  130  A list was interrupted by Ctrl-C or a termination signal, after the account it was at.

--json prints one object, but for a wrong command line, which is told on stderr alone: `command`, `outcome`
(done, failed, usage, not_found, not_confirmed or interrupted), and `message` where it is not done. `user show` adds `account`; a change of one account its
`user_id` and `email`; a list `lines`, `done`, `next_line` (where it ended, or null), and `left`: `line` and
`outcome` of each that was not done. Times are RFC 3339 in UTC.

Each call is logged on stderr, by ids and without an address: keep those lines for the audit.";

/// What is asked of the program.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    subject: Subject,
    /// Print one JSON object on stdout instead of text.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Subject {
    /// Look at accounts, shut them, open them, remove them.
    #[command(subcommand)]
    User(Command),
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show an account and its live sessions; never a password, a hash or a token.
    Show {
        /// Its address, or its user id.
        #[arg(value_name = "ADDRESS|ID")]
        account: String,
    },
    /// Shut an account: nobody logs in, its sessions and mailed links end at once.
    ///
    /// `enable` opens it again; what ended stays ended.
    Disable(Change),
    /// Open a disabled account: its password works again. Asks nothing.
    Enable(Change),
    /// End every session of an account, and every mailed link, at once: everybody logs in anew.
    ///
    /// Access tokens that are checked without a look at the account live out their minutes.
    EndSessions(Change),
    /// Take the password away, which others may know, end all sessions, and mail a link to set another.
    ///
    /// Nobody logs in until the owner used the link, or that of another mail that was asked for. The owner of a
    /// disabled account is mailed none.
    ForcePasswordChange {
        #[command(flatten)]
        change: Change,
        #[command(flatten)]
        mail: Mail,
    },
    /// Delete an account, its sessions and its links, for good, and tell its owner by mail.
    Delete {
        #[command(flatten)]
        change: Change,
        #[command(flatten)]
        mail: Mail,
    },
}

#[derive(Debug, Args)]
struct Change {
    #[command(flatten)]
    accounts: Accounts,
    /// Do it without asking; needed where stdin is no terminal.
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Accounts {
    /// Its address, or its user id.
    #[arg(value_name = "ADDRESS|ID")]
    account: Option<String>,
    /// A file with one address or user id on each line; `-` is stdin.
    ///
    /// Those without an account are passed over and told at the end. Ctrl-C ends it after the account that
    /// it is at, and it says from which line on nothing is done. Run again it begins anew, which does no
    /// harm, but owners may be mailed twice.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Mail {
    /// Language of the mail to the owner: a tag such as ko. English, where the server has no words in it.
    #[arg(long, env = "AUTH_LANGUAGE", default_value = "en", value_parser = Locale::parse)]
    language: Locale,
}

/// Where accounts are kept, for who reads the messages.
pub(crate) struct Place {
    /// Without a password in it.
    pub(crate) name: String,
    /// What to do about a failure.
    pub(crate) advice: fn(&PortError) -> &'static str,
    /// Why no mail can be queued, if none can.
    pub(crate) no_mail: Option<&'static str>,
}

/// A change of accounts.
#[derive(Clone, Copy)]
enum Call {
    Disable,
    Enable,
    EndSessions,
    ForcePasswordChange(Locale),
    Delete(Locale),
}

impl Call {
    /// What is lost by it, which no other call brings back; `None` where nothing is.
    const fn loss(self) -> Option<&'static str> {
        match self {
            Self::Enable => None,
            Self::Disable => Some("Nobody will log in. Its sessions and mailed links end."),
            Self::EndSessions => Some("Its sessions and mailed links end."),
            Self::ForcePasswordChange(_) => Some(
                "Its password is removed, its sessions end, and its owner is mailed a link, unless it is disabled.",
            ),
            Self::Delete(_) => Some("It is gone for good, and its owner is told by mail."),
        }
    }

    const fn done(self) -> &'static str {
        match self {
            Self::Disable => "disabled",
            Self::Enable => "enabled",
            Self::EndSessions => "sessions ended",
            Self::ForcePasswordChange(_) => "password removed, and a link queued",
            Self::Delete(_) => "deleted",
        }
    }

    const fn mails(self) -> bool {
        matches!(self, Self::ForcePasswordChange(_) | Self::Delete(_))
    }

    async fn make(self, auth: &Auth, key: &UserKey) -> Result<(), AdminError> {
        let admin = auth.admin();
        let context = RequestContext::new();
        match self {
            Self::Disable => admin.disable(key).await,
            Self::Enable => admin.enable(key).await,
            Self::EndSessions => admin.end_sessions(key).await,
            Self::ForcePasswordChange(language) => {
                admin.force_password_change(key, &context.in_locale(language)).await
            }
            Self::Delete(language) => admin.delete(key, &context.in_locale(language)).await,
        }
    }
}

impl Command {
    const fn name(&self) -> &'static str {
        match self {
            Self::Show { .. } => "show",
            Self::Disable(_) => "disable",
            Self::Enable(_) => "enable",
            Self::EndSessions(_) => "end-sessions",
            Self::ForcePasswordChange { .. } => "force-password-change",
            Self::Delete { .. } => "delete",
        }
    }

    fn task(&self) -> Task<'_> {
        match self {
            Self::Show { account } => Task::Show(account),
            Self::Disable(change) => Task::Change(Call::Disable, change),
            Self::Enable(change) => Task::Change(Call::Enable, change),
            Self::EndSessions(change) => Task::Change(Call::EndSessions, change),
            Self::ForcePasswordChange { change, mail } => {
                Task::Change(Call::ForcePasswordChange(mail.language), change)
            }
            Self::Delete { change, mail } => Task::Change(Call::Delete(mail.language), change),
        }
    }
}

enum Task<'a> {
    Show(&'a str),
    Change(Call, &'a Change),
}

impl Arguments {
    const fn command(&self) -> &Command {
        let Subject::User(command) = &self.subject;
        command
    }

    /// Does what is asked, and says what came of it.
    pub(crate) async fn run(&self, auth: &Auth, place: &Place, screen: &Screen) -> ExitCode {
        let operator = Operator { auth, place, screen };
        let outcome = match self.command().task() {
            Task::Show(account) => operator.show(account).await,
            Task::Change(call, change) => operator.change(call, change).await,
        };
        self.report(outcome)
    }

    /// Says why there is no service to ask.
    pub(crate) fn failed(&self, error: &Error) -> ExitCode {
        self.report(Outcome::Failed(format!("{error:#}")))
    }

    fn report(&self, outcome: Outcome) -> ExitCode {
        Report { command: self.command().name(), outcome }.print(self.json)
    }
}

/// Who asks.
struct Operator<'a> {
    auth: &'a Auth,
    place: &'a Place,
    screen: &'a Screen,
}

impl Operator<'_> {
    async fn show(&self, account: &str) -> Outcome {
        match self.look_up(account).await {
            Ok(account) => Outcome::Shown(Box::new(account)),
            Err(outcome) => outcome,
        }
    }

    async fn change(&self, call: Call, change: &Change) -> Outcome {
        let Change { accounts: Accounts { account, file }, yes } = change;
        if let Some(why) = self.place.no_mail.filter(|_| call.mails()) {
            return Outcome::Usage(why.to_owned());
        }
        let asks = call.loss().filter(|_| !yes);
        // Before anything else is done for nothing.
        if asks.is_some() && !std::io::stdin().is_terminal() {
            return Outcome::NotConfirmed("stdin is no terminal to ask at; say --yes".to_owned());
        }
        match (account, file) {
            (Some(account), _) => self.change_one(call, account, asks).await,
            (None, Some(file)) => self.change_all(call, file, asks).await,
            (None, None) => Outcome::Usage("no account is named".to_owned()),
        }
    }

    async fn change_one(&self, call: Call, account: &str, asks: Option<&str>) -> Outcome {
        let account = match self.look_up(account).await {
            Ok(account) => account,
            Err(outcome) => return outcome,
        };
        if let Some(loss) = asks {
            let question = format!("{}\n{loss}", report::in_text(&account));
            if !self.screen.confirms_address(&question, &account.key.email) {
                return Outcome::NotConfirmed("that is not its address".to_owned());
            }
        }
        match call.make(self.auth, &account.key).await {
            Ok(()) => Outcome::Changed(account.key, call.done()),
            Err(error) => self.refused(&error),
        }
    }

    async fn change_all(&self, call: Call, file: &Path, asks: Option<&str>) -> Outcome {
        let lines = match list::read(file) {
            Ok(lines) => lines,
            Err(error) => return Outcome::Failed(format!("{error:#}")),
        };
        if let Some(loss) = asks {
            let named = lines.iter().filter(|line| line.target.is_ok()).count();
            let question = format!("{} accounts. Of each: {loss}", named);
            if !self.screen.confirms_number(&question, named) {
                return Outcome::NotConfirmed("that is not their number".to_owned());
            }
        }
        match self.walk(call, &lines).await {
            Ok(walked) => Outcome::Walked(walked),
            Err(error) => Outcome::Failed(format!("{error:#}")),
        }
    }

    async fn look_up(&self, account: &str) -> Result<Account, Outcome> {
        let target = Target::parse(account)
            .map_err(|NotUnderstood| Outcome::Usage(NotUnderstood.to_string()))?;
        target.look_up(self.auth).await.map_err(|error| self.refused(&error))
    }

    fn refused(&self, error: &AdminError) -> Outcome {
        match error {
            AdminError::NotFound => {
                Outcome::NotFound(format!("there is no such account in {}", self.place.name))
            }
            error => Outcome::Failed(self.explained(error)),
        }
    }

    fn explained(&self, error: &AdminError) -> String {
        match error {
            AdminError::Port(fault) => {
                let advice = match fault.kind() {
                    PortErrorKind::Corrupt => {
                        "This row is to be mended by hand; no other is hidden by it"
                    }
                    _ => (self.place.advice)(fault),
                };
                format!("{}. {advice}", fault.with_causes())
            }
            error => format!("{error}. Run it again"),
        }
    }
}
