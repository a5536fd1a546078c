//! A whole list of accounts, one after the other.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use auth_domain::{AdminError, Auth, PortErrorKind};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::account::{NotUnderstood, Target};
use super::screen::Screen;
use super::{Call, Operator};

/// A line of the list.
pub(super) struct Line {
    /// From 1.
    pub(super) number: usize,
    pub(super) target: Result<Target, NotUnderstood>,
}

/// What came of a list.
#[derive(Default)]
pub(super) struct Walked {
    pub(super) lines: usize,
    pub(super) done: usize,
    pub(super) left: Vec<Left>,
    pub(super) ended: Option<Ended>,
}

/// A line that was passed over.
pub(super) struct Left {
    pub(super) line: usize,
    pub(super) why: Why,
}

pub(super) enum Why {
    Failed(String),
    NotFound,
    NotUnderstood,
}

/// Why lines are left, and the first of them.
pub(super) struct Ended {
    pub(super) next_line: usize,
    /// `None` where it was interrupted.
    pub(super) failure: Option<String>,
}

/// Blank lines are passed over.
pub(super) fn read(file: &Path) -> Result<Vec<Line>> {
    let mut bytes = Vec::new();
    let outcome = if file == Path::new("-") {
        std::io::stdin().read_to_end(&mut bytes).map(drop)
    } else {
        std::fs::File::open(file).and_then(|mut file| file.read_to_end(&mut bytes)).map(drop)
    };
    outcome.with_context(|| format!("the list {} cannot be read", file.display()))?;
    // A line that is no UTF-8 is no address, and hides no other.
    let text = String::from_utf8_lossy(&bytes);
    let lines = (1..).zip(text.trim_start_matches('\u{feff}').lines());
    let lines =
        lines.map(|(number, line)| (number, line.trim())).filter(|(_, line)| !line.is_empty());
    let line = |(number, line)| Line { number, target: Target::parse(line) };
    let lines: Vec<_> = lines.map(line).collect();
    ensure!(!lines.is_empty(), "the list {} is empty", file.display());
    Ok(lines)
}

impl Operator<'_> {
    /// Changes each in turn. One without an account is passed over; a store that does not answer ends it.
    pub(super) async fn walk(&self, call: Call, lines: &[Line]) -> Result<Walked> {
        let stop = stop_signal(self.screen.clone())?;
        let bar = self.screen.bar(lines.len());
        let mut walked = Walked { lines: lines.len(), ..Walked::default() };
        for line in lines {
            if *stop.borrow() {
                walked.ended = Some(Ended { next_line: line.number, failure: None });
                break;
            }
            match change(call, self.auth, &line.target).await {
                Ok(()) => walked.done += 1,
                Err(Stopped::Line(why)) => walked.left.push(Left { line: line.number, why }),
                Err(Stopped::All(error)) => {
                    let failure = Some(self.explained(&error));
                    walked.ended = Some(Ended { next_line: line.number, failure });
                    break;
                }
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(walked)
    }
}

enum Stopped {
    All(AdminError),
    Line(Why),
}

async fn change(
    call: Call,
    auth: &Auth,
    target: &Result<Target, NotUnderstood>,
) -> Result<(), Stopped> {
    let target = target.as_ref().map_err(|NotUnderstood| Stopped::Line(Why::NotUnderstood))?;
    let account = target.look_up(auth).await?;
    Ok(call.make(auth, &account.key).await?)
}

impl From<AdminError> for Stopped {
    /// A row that cannot be read says nothing of the next one; a store that fails fails again.
    fn from(error: AdminError) -> Self {
        match &error {
            AdminError::NotFound => Self::Line(Why::NotFound),
            AdminError::Port(fault) if fault.kind() != PortErrorKind::Corrupt => Self::All(error),
            AdminError::Port(fault) => Self::Line(Why::Failed(fault.with_causes())),
            _ => Self::Line(Why::Failed(error.to_string())),
        }
    }
}

/// Turns true when the program shall end after the account it is at. A second signal ends it at once.
fn stop_signal(screen: Screen) -> Result<watch::Receiver<bool>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        sender.send_replace(true);
        screen.tell("stopping after this account; once more to end at once\n");
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        std::process::exit(super::report::INTERRUPTED.into());
    });
    Ok(receiver)
}
