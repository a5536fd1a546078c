//! Moves accounts of a users table whose address is not canonical to their canonical key.
//! `--help` says how; [`adapters_aws::address_walk`] says what it promises.

#[path = "operator/aws.rs"]
mod aws;

use std::io::Write as _;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use adapters_aws::address_walk::{
    AddressWalk, Finding, FoundRow, Mode, Outcome, StateFile, TableFacts, Verdict, Walked,
};
use adapters_aws::clients;
use anyhow::{Context as _, Result, anyhow};
use auth_domain::{PortError, PortErrorKind};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Moves accounts whose address was stored with capitals, blanks and the like to their canonical key.
///
/// Without --apply it only reads and tells what it would do. Each row moves in one transaction with all its
/// attributes, except plaintext reset tokens. Where several rows claim one address none is touched, and
/// all are reported. It may be ended at any time and run again, and runs beside the service that this library makes. Stop sign-ups of an
/// older one first: it may write what was just moved away.
///
/// AWS is found as every AWS program finds it: AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL_DYNAMODB. Needed
/// are dynamodb:Scan and dynamodb:GetItem, for --apply dynamodb:PutItem and dynamodb:DeleteItem, and, for
/// the length of the progress bar and to know a table from its namesakes, dynamodb:DescribeTable.
#[derive(Parser)]
#[command(version, after_long_help = EXIT_CODES)]
struct Options {
    /// The table of users.
    #[arg(long, default_value = "alcolook-users")]
    table: String,
    /// Move rows. Without it nothing is written.
    #[arg(long)]
    apply: bool,
    /// Keep here how far it has come, to go on from there when run again: what was read is not read again,
    /// so rows written there since then are left to the next walk.
    /// The file holds addresses; it is readable by its owner alone, and removed at the end.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Print one JSON object instead of lines.
    #[arg(long)]
    json: bool,
    /// Print addresses in full. They are personal data; by default only their first letters are shown.
    #[arg(long)]
    show_addresses: bool,
    /// Rows read at a time. Reading costs one read request unit for each 4 KB of rows.
    #[arg(long, default_value = "500")]
    page_size: NonZeroU16,
    /// Milliseconds to wait after each page and each move, to leave the table's capacity to others.
    #[arg(long, default_value = "50", value_name = "MILLISECONDS")]
    pause_ms: u64,
    /// Trust this machine's certificates instead of Amazon's, as behind a proxy that opens TLS.
    #[arg(long)]
    system_roots: bool,
}

const EXIT_CODES: &str = "\
Exit codes:
  0    Nothing is left to do.
  1    It failed; the message says why and what to do.
  2    Addresses are left that can be moved: run it with --apply, or, if that left them, again.
  3    What is left needs a person: several rows claim one address, a key is no address, or DynamoDB does
       not take the row under its canonical key.
  130  Interrupted by Ctrl-C or a termination signal, after the step it was at.";

const FAILED: u8 = 1;
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    match Options::try_parse() {
        Ok(options) => run(&options).unwrap_or_else(|error| failed(&error)),
        // clap's own code for a wrong argument is 2, which has a meaning here.
        Err(usage) => {
            let _ = usage.print();
            if usage.use_stderr() { ExitCode::from(FAILED) } else { ExitCode::SUCCESS }
        }
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    tell(&format!("error: {error:#}"));
    ExitCode::from(FAILED)
}

/// Where nobody listens any more there is nobody to tell.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[tokio::main(flavor = "current_thread")]
async fn run(options: &Options) -> Result<ExitCode> {
    let stop = stop_signal()?;
    let client = clients::dynamodb(&aws::load(options.system_roots).await?);
    let mode = if options.apply { Mode::Apply } else { Mode::DryRun };
    let walk = AddressWalk::new(client, &options.table, mode, options.page_size);
    let facts = facts(&walk).await?;
    let mut state = options
        .state
        .as_ref()
        .map(|path| StateFile::new(path, &options.table, facts.id.clone(), mode));
    let mut walked = resumed(state.as_ref())?;

    go(&walk, &mut walked, &mut state, facts.rows, options, stop).await?;
    report(&walked, options)?;
    if !walked.is_complete() {
        tell(&format!("interrupted. {}", how_to_go_on(options)));
        return Ok(ExitCode::from(INTERRUPTED));
    }
    if let Some(state) = state {
        state.remove()?;
    }
    Ok(exit_code(walked.verdict()))
}

fn exit_code(verdict: Verdict) -> ExitCode {
    ExitCode::from(match verdict {
        Verdict::Clean => 0,
        Verdict::Movable => 2,
        Verdict::ByHand => 3,
    })
}

async fn facts(walk: &AddressWalk) -> Result<TableFacts> {
    match walk.table_facts().await {
        // Without the permission the walk itself may still do.
        Err(error) if error.kind() == PortErrorKind::Rejected => Ok(TableFacts::default()),
        answer => answer.map_err(|error| explained(&error)),
    }
}

fn resumed(state: Option<&StateFile>) -> Result<Walked> {
    let kept = state.map(StateFile::load).transpose();
    let kept = kept.context("remove the file, or name another one by --state")?;
    Ok(kept.flatten().unwrap_or_default())
}

/// Walks to the end, or until it is told to stop.
async fn go(
    walk: &AddressWalk,
    walked: &mut Walked,
    state: &mut Option<StateFile>,
    rows: Option<u64>,
    options: &Options,
    mut stop: watch::Receiver<bool>,
) -> Result<()> {
    let bar = Bar::new(rows);
    while !walked.is_complete() && !*stop.borrow() {
        let step = walk.step(walked).await;
        bar.show(walked);
        // What is complete is not kept: run much later, it would pass for what is there then.
        if let Some(state) = state.as_mut().filter(|_| !walked.is_complete()) {
            let kept = if step.is_ok() { state.save_if_due(walked) } else { state.save(walked) };
            kept?;
        }
        step.map_err(|error| explained(&error).context(how_to_go_on(options)))?;
        if !walked.is_complete() {
            let pause = Duration::from_millis(options.pause_ms);
            let _ = tokio::time::timeout(pause, stop.wait_for(|stop| *stop)).await;
        }
    }
    if let (Some(state), false) = (state, walked.is_complete()) {
        state.save(walked)?;
    }
    Ok(())
}

fn how_to_go_on(options: &Options) -> &'static str {
    if options.state.is_some() {
        "Run it again with the same --state to go on from here"
    } else {
        "Run it again: it starts anew, and moves nothing twice"
    }
}

/// Turns true when the program shall end after the step it is at. A second signal ends it at once.
fn stop_signal() -> Result<watch::Receiver<bool>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        sender.send_replace(true);
        tell("stopping after this step; once more to end at once");
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        std::process::exit(INTERRUPTED.into());
    });
    Ok(receiver)
}

fn explained(error: &PortError) -> anyhow::Error {
    anyhow!("{}. {}", error.with_causes(), advice(error))
}

fn advice(error: &PortError) -> &'static str {
    match aws::advice(error) {
        Some(advice) => advice,
        None if aws::is_absent(error) => {
            "There is no such table here: check --table, AWS_REGION and AWS_PROFILE"
        }
        None if error.kind() == PortErrorKind::Throttled => {
            "Take a larger --pause-ms and a smaller --page-size"
        }
        None => "Check --table",
    }
}

/// On standard error, and only where that is a terminal.
struct Bar(ProgressBar);

impl Bar {
    fn new(rows: Option<u64>) -> Self {
        let bar =
            rows.filter(|rows| *rows > 0).map_or_else(ProgressBar::no_length, ProgressBar::new);
        Self(bar.with_style(style("rows")))
    }

    fn show(&self, walked: &Walked) {
        if !walked.is_scanned() {
            self.0.set_position(walked.rows());
        } else if !walked.is_complete() {
            let settled = walked.findings().len() - walked.count(Outcome::Unreadable);
            self.0.set_style(style("addresses"));
            self.0.set_length((settled + walked.unsettled()) as u64);
            self.0.set_position(settled as u64);
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn style(what: &str) -> ProgressStyle {
    let template = format!("{{wide_bar}} {{human_pos}}/{{human_len}} {what}, {{eta}} left");
    ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

const OUTCOMES: &[(Outcome, &str, &str)] = &[
    (Outcome::Moved, "moved", "moved to their canonical address"),
    (Outcome::Movable, "movable", "to be moved by --apply"),
    (Outcome::Busy, "busy", "left because they kept changing; run it again"),
    (Outcome::Gone, "gone", "gone before their turn came"),
    (Outcome::Collision, "collision", "claimed by several rows, left for a person to decide"),
    (Outcome::Unreadable, "unreadable", "no address at all, left for a person to decide"),
    (Outcome::Refused, "refused", "not taken by DynamoDB under their canonical address"),
];

fn report(walked: &Walked, options: &Options) -> Result<()> {
    let text = if options.json {
        format!("{}\n", summary(walked, options))
    } else {
        lines(walked, options)
    };
    let mut out = std::io::stdout();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("cannot print the result")
}

fn lines(walked: &Walked, options: &Options) -> String {
    let (rows, canonical) = (walked.rows(), walked.canonical_rows());
    let mut text = format!("{}: {rows} rows, {canonical} canonical\n", options.table);
    for (outcome, _, meaning) in OUTCOMES {
        let found = walked.findings().iter().filter(|finding| finding.outcome == *outcome);
        let told: Vec<String> = found.map(|finding| line(finding, options)).collect();
        if !told.is_empty() {
            text.push_str(&format!("{} {meaning}:\n{}", told.len(), told.concat()));
        }
    }
    text
}

fn line(finding: &Finding, options: &Options) -> String {
    let rows: Vec<String> = finding.rows.iter().map(|row| told(row, options)).collect();
    let mut line = format!("  {}", rows.join(", "));
    if let Some(canonical) = finding.canonical.as_ref().filter(|_| options.show_addresses) {
        line.push_str(&format!(" -> {}", canonical.escape_debug()));
    }
    if let Some(code) = &finding.code {
        line.push_str(&format!(" ({code})"));
    }
    line.push('\n');
    line
}

/// Escaped, because old rows may hold anything, what moves a terminal's cursor among it.
fn told(row: &FoundRow, options: &Options) -> String {
    let address = shown(&row.address, options);
    let user_id = row.user_id.as_deref().unwrap_or("without user_id");
    format!("{} {}", user_id.escape_debug(), address.escape_debug())
}

fn summary(walked: &Walked, options: &Options) -> Value {
    let counts = OUTCOMES
        .iter()
        .map(|(outcome, name, _)| ((*name).to_owned(), Value::from(walked.count(*outcome))));
    json!({
        "table": options.table,
        "applied": options.apply,
        "complete": walked.is_complete(),
        "rows": walked.rows(),
        "canonical": walked.canonical_rows(),
        "counts": counts.collect::<serde_json::Map<_, _>>(),
        "findings": walked.findings().iter().map(|f| in_json(f, options)).collect::<Vec<_>>(),
    })
}

fn in_json(finding: &Finding, options: &Options) -> Value {
    let rows = finding
        .rows
        .iter()
        .map(|row| json!({ "user_id": row.user_id, "address": shown(&row.address, options) }));
    json!({
        "outcome": finding.outcome,
        "canonical": finding.canonical.as_ref().map(|address| shown(address, options)),
        "rows": rows.collect::<Vec<_>>(),
        "code": finding.code,
    })
}

fn shown(address: &str, options: &Options) -> String {
    if options.show_addresses { address.to_owned() } else { masked(address) }
}

fn masked(address: &str) -> String {
    let first = |text: &str| text.chars().take(1).collect::<String>();
    match address.split_once('@') {
        Some((local, domain)) => format!("{}***@{}***", first(local), first(domain)),
        None => format!("{}***", first(address)),
    }
}
