//! Takes over the accounts of another system: reads an export, checks every row, and inserts it into a
//! user store. Passwords are not needed: hashes are kept as they are, or wrapped in ours, and replaced one
//! by one as their owners log in.
//!
//! See what an export holds: `cargo run --example import_users -- --check export.csv`
//!
//! Import it where `examples/server.rs` finds it:
//! `cargo run --example import_users -- --store sqlite:auth-data/auth.db export.csv`
#![expect(clippy::print_stdout, reason = "it reports to whoever runs it")]

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use adapters_local::{
    Argon2idHasher, Argon2idSettings, FirebaseScrypt, OsEntropy, StoredFormat, StoredHashError,
    SystemClock, WrapError,
};
use adapters_sql::{SqlSettings, SqlStore};
use anyhow::{Context, Result, bail};
use auth_domain::ports::{Clock as _, Insert, UserStore};
use auth_domain::{
    CredentialVersion, DisplayName, DisplayNameError, Email, EmailError, PasswordHash, Timestamp,
    User, UserId, UserIdError,
};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use thiserror::Error;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Imports accounts of another system.
///
/// The export is CSV with a header line, or JSON with one object a line where its name ends in .jsonl.
/// Fields: email, name, password_hash; and, where they are known, user_id (a UUID), created_at (RFC 3339
/// or Unix seconds), email_verified and disabled (true or false). An account without password_hash gets
/// a password by resetting it. Other fields are ignored.
///
/// It may be killed at any time and run again with the same --state: no row is lost, and none is
/// imported twice.
#[derive(Parser)]
#[command(version, after_long_help = EXIT_CODES)]
struct Options {
    /// The export.
    export: PathBuf,
    /// Where to: `sqlite:PATH` or `postgres://...`.
    #[arg(long, env = "AUTH_STORE", hide_env_values = true, required_unless_present = "check")]
    store: Option<String>,
    /// Only tell what would be refused, and how many rows there are of each hash format. Writes nothing,
    /// and asks no store, so that it does not know whose address is taken.
    #[arg(long)]
    check: bool,
    /// Keep here how far it has come; removed at the end. Holds numbers only.
    #[arg(long, value_name = "FILE", default_value = "import_users.state")]
    state: PathBuf,
    /// Write here which rows were refused and why: line numbers and reasons, no address and no hash.
    #[arg(long, value_name = "FILE", default_value = "import_users.refused")]
    refused: PathBuf,
    /// The hash parameters of a Firebase project, as JSON: base64_signer_key, base64_salt_separator,
    /// rounds, mem_cost. Rows are then read as `firebase auth:export` writes them too (passwordHash, salt,
    /// displayName, emailVerified, createdAt), one on each line: `jq -c '.users[]' users.json`.
    #[arg(long, value_name = "FILE")]
    firebase: Option<PathBuf>,
    /// Store no hash as it is, but Argon2id over it: so nobody who steals the store finds one that is
    /// faster to guess at than ours. Takes the time of a login for each row, with --check too.
    #[arg(long)]
    wrap: bool,
    /// The pepper of the service, for --wrap: `ID:BASE64`.
    #[arg(long, env = "AUTH_PEPPER", hide_env_values = true)]
    pepper: Option<String>,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  Every row is imported (with --check: could be).
  1  It failed and the message says why; run it again to go on.
  2  It is done, and rows were refused.";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode> {
    let Options { export, store, check, state, refused, firebase, wrap, pepper } = Options::parse();
    let firebase = firebase.map(|path| firebase_project(&path)).transpose()?;
    let store = match store {
        Some(url) if !check => Some(open(&url).await?),
        _ => None,
    };
    // What the service is composed with: the ceilings of another would let other hashes through.
    let mut settings = Argon2idSettings::default();
    settings.pepper = pepper.as_deref().map(str::parse).transpose().context("AUTH_PEPPER")?;
    let entropy = Arc::new(OsEntropy::new());
    let wrapper = wrap.then(|| Argon2idHasher::new(settings.clone(), entropy)).transpose()?;
    let tally = Import { export, state, refused, settings, firebase, wrapper, store }.run().await?;
    print!("{}", tally.report());
    Ok(ExitCode::from(if tally.refused.is_empty() { 0 } else { 2 }))
}

/// The store of the service: `adapters_aws::DynamoUsers`, or one of your own, goes here as well.
async fn open(url: &str) -> Result<Arc<dyn UserStore>> {
    let store = SqlStore::connect(url, &SqlSettings::default()).await.context("AUTH_STORE")?;
    store.migrate().await.context("AUTH_STORE")?;
    Ok(Arc::new(store))
}

#[derive(Deserialize)]
struct HashParameters {
    base64_signer_key: String,
    base64_salt_separator: String,
    rounds: u32,
    mem_cost: u32,
}

fn firebase_project(path: &Path) -> Result<FirebaseScrypt> {
    let file = fs::read(path).with_context(|| path.display().to_string())?;
    let HashParameters { base64_signer_key, base64_salt_separator, rounds, mem_cost } =
        serde_json::from_slice(&file)?;
    Ok(FirebaseScrypt::new(&base64_signer_key, &base64_salt_separator, rounds, mem_cost)?)
}

/// One import of one export.
pub(crate) struct Import {
    pub(crate) export: PathBuf,
    pub(crate) state: PathBuf,
    pub(crate) refused: PathBuf,
    /// Says which hashes will be verified.
    pub(crate) settings: Argon2idSettings,
    pub(crate) firebase: Option<FirebaseScrypt>,
    /// Wraps what is stored; `None` stores it as it is.
    pub(crate) wrapper: Option<Argon2idHasher>,
    /// `None` only checks.
    pub(crate) store: Option<Arc<dyn UserStore>>,
}

/// What came of the rows so far.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Tally {
    /// By the name of their hash format.
    pub(crate) accepted: BTreeMap<String, u64>,
    /// By reason.
    pub(crate) refused: BTreeMap<String, u64>,
    pub(crate) email_verified: u64,
}

/// How far an import has come. Written after each hundredth row, and so up to a hundred rows behind:
/// those are met again, and recognised by their ids.
#[derive(Default, Serialize, Deserialize)]
struct State {
    /// Of the export that this belongs to.
    digest: String,
    rows: u64,
    /// What the file of refused rows held by then.
    refused_bytes: u64,
    tally: Tally,
}

const ROWS_BETWEEN_SAVES: u64 = 100;

impl Import {
    /// Goes on where an earlier run of the same export ended, to the end of it.
    pub(crate) async fn run(&self) -> Result<Tally> {
        let digest = digest(&self.export)?;
        let mut state = self.resumed(&digest)?;
        let mut refusals = self.refusals(state.refused_bytes)?;
        let rows = Rows::open(&self.export)?;
        let progress = progress(&self.export)?;
        let mut ids = HashSet::new();
        for (number, row) in (1..).zip(rows) {
            let row = row?;
            progress.set_position(row.bytes_read);
            let line = row.line;
            let account = row.account(&digest, self).and_then(|account| {
                if ids.insert(account.user.id) { Ok(account) } else { Err(Refusal::IdTaken) }
            });
            if number <= state.rows {
                continue;
            }
            match self.take(self.wrapped(account).await?).await? {
                Ok(accepted) => state.tally.accept(&accepted),
                Err(why) => {
                    refusals.add(line, &why)?;
                    state.tally.refuse(&why);
                }
            }
            state.rows = number;
            if number % ROWS_BETWEEN_SAVES == 0 {
                state.refused_bytes = refusals.bytes()?;
                self.save(&state)?;
            }
        }
        progress.finish_and_clear();
        self.finish()?;
        Ok(state.tally)
    }

    /// The account as it is stored.
    ///
    /// # Errors
    /// No hash can be made at all.
    async fn wrapped(&self, account: Result<Account, Refusal>) -> Result<Result<Account, Refusal>> {
        let (mut account, wrapper) = match (account, &self.wrapper) {
            (Ok(account), Some(wrapper)) => (account, wrapper),
            (account, _) => return Ok(account),
        };
        if let Some(hash) = account.user.password_hash.take() {
            match wrapper.wrap(hash).await {
                Ok(wrapped) => account.user.password_hash = Some(wrapped),
                Err(WrapError::Port(fault)) => return Err(fault.into()),
                Err(why) => return Ok(Err(why.into())),
            }
        }
        Ok(Ok(account))
    }

    /// Inserts an account, unless it was inserted by a run that was killed before it could say so: that
    /// one has the same id, which is the export's or else made of the export and the line. Anybody else
    /// who has the address keeps it.
    ///
    /// # Errors
    /// The store failed; whether the row is there is not known, and the next run will tell.
    async fn take(&self, account: Result<Account, Refusal>) -> Result<Result<Account, Refusal>> {
        let (account, store) = match (account, &self.store) {
            (Ok(account), Some(store)) => (account, store),
            (checked, _) => return Ok(checked),
        };
        if store.insert(account.user.clone()).await? == Insert::Inserted {
            return Ok(Ok(account));
        }
        let holder = store.find_by_email(&account.user.email).await?;
        let is_our_own = holder.is_some_and(|holder| holder.id == account.user.id);
        Ok(if is_our_own { Ok(account) } else { Err(Refusal::EmailTaken) })
    }

    fn resumed(&self, digest: &str) -> Result<State> {
        let fresh = State { digest: digest.to_owned(), ..State::default() };
        if self.store.is_none() || !self.state.exists() {
            return Ok(fresh);
        }
        let state: State = serde_json::from_slice(&fs::read(&self.state)?).context("state file")?;
        if state.digest != digest {
            bail!("{} belongs to another export, or this one was changed", self.state.display());
        }
        Ok(state)
    }

    /// The file of refused rows, without what was written after the last save: those rows come again.
    fn refusals(&self, bytes: u64) -> Result<Refusals> {
        if self.store.is_none() {
            return Ok(Refusals::Printed);
        }
        let file = OpenOptions::new().create(true).write(true).truncate(false).open(&self.refused);
        let mut file = file.with_context(|| self.refused.display().to_string())?;
        if file.metadata()?.len() < bytes {
            bail!("{} is shorter than it was when the import ended", self.refused.display());
        }
        file.set_len(bytes)?;
        file.seek(SeekFrom::End(0))?;
        Ok(Refusals::Written(file))
    }

    /// Whoever is killed here leaves the old file or the new one, whole.
    fn save(&self, state: &State) -> Result<()> {
        if self.store.is_none() {
            return Ok(());
        }
        let next = self.state.with_extension("next");
        fs::write(&next, serde_json::to_vec(state)?).context("state file")?;
        fs::rename(next, &self.state).context("state file")
    }

    fn finish(&self) -> Result<()> {
        if self.store.is_some() && self.state.exists() {
            fs::remove_file(&self.state).context("state file")?;
        }
        Ok(())
    }
}

/// Where it is told which rows were refused.
enum Refusals {
    Printed,
    Written(File),
}

impl Refusals {
    fn add(&mut self, line: u64, why: &Refusal) -> Result<()> {
        match self {
            Self::Printed => println!("line {line}: {why}"),
            Self::Written(file) => writeln!(file, "line {line}: {why}").context("refused rows")?,
        }
        Ok(())
    }

    fn bytes(&mut self) -> Result<u64> {
        Ok(match self {
            Self::Printed => 0,
            Self::Written(file) => file.stream_position()?,
        })
    }
}

impl Tally {
    fn accept(&mut self, account: &Account) {
        let format = account.format.map_or("no password".to_owned(), |format| format.to_string());
        *self.accepted.entry(format).or_default() += 1;
        self.email_verified += u64::from(account.user.email_verified_at.is_some());
    }

    fn refuse(&mut self, why: &Refusal) {
        *self.refused.entry(why.to_string()).or_default() += 1;
    }

    fn report(&self) -> String {
        let mut lines = String::new();
        for (title, counts) in [("accepted", &self.accepted), ("refused", &self.refused)] {
            lines += &format!("{title}: {}\n", counts.values().sum::<u64>());
            for (what, count) in counts {
                lines += &format!("  {count:>9}  {what}\n");
            }
        }
        lines + &format!("accepted with a verified address: {}\n", self.email_verified)
    }
}

/// A row that can be imported.
#[derive(Debug)]
pub(crate) struct Account {
    user: User,
    /// `None` without a password.
    format: Option<StoredFormat>,
}

/// Why a row cannot be imported. Never carries what the row holds.
#[derive(Debug, Error)]
pub(crate) enum Refusal {
    #[error("another account has the address")]
    EmailTaken,
    #[error(transparent)]
    Email(#[from] EmailError),
    #[error(transparent)]
    Hash(#[from] StoredHashError),
    #[error(transparent)]
    Id(#[from] UserIdError),
    #[error("an earlier row has the user_id")]
    IdTaken,
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error(transparent)]
    Name(#[from] DisplayNameError),
    #[error("{0} is not understood")]
    NotUnderstood(&'static str),
    #[error("the row is not well-formed")]
    Row,
    #[error(transparent)]
    Wrap(#[from] WrapError),
}

/// One row: what it names, as text, whatever the format.
struct Row {
    line: u64,
    bytes_read: u64,
    /// `None` when it cannot be told apart into fields.
    fields: Option<BTreeMap<String, String>>,
}

impl Row {
    fn account(self, digest: &str, import: &Import) -> Result<Account, Refusal> {
        let mut fields = self.fields.ok_or(Refusal::Row)?;
        fields.retain(|_, value| !value.is_empty());
        if import.firebase.is_some() {
            rename_as_firebase(&mut fields);
        }
        // A hash that nobody reads would leave its owner without a password.
        if fields.contains_key("passwordHash") {
            return Err(Refusal::NotUnderstood("passwordHash, without --firebase,"));
        }
        if fields.contains_key("salt") && !fields.contains_key("password_hash") {
            return Err(Refusal::Missing("the password_hash of a salt"));
        }
        let mut field = |name| fields.remove(name);
        let email = Email::parse(&field("email").ok_or(Refusal::Missing("email"))?)?;
        let name = DisplayName::parse(&field("name").ok_or(Refusal::Missing("name"))?)?;
        let password_hash = match (field("password_hash"), field("salt"), &import.firebase) {
            (Some(hash), Some(salt), Some(firebase)) => Some(firebase.stored(&hash, &salt)?),
            (hash, ..) => hash.map(PasswordHash::from_stored),
        };
        let format =
            password_hash.as_ref().map(|hash| import.settings.stored_format(hash)).transpose()?;
        let id = match field("user_id") {
            Some(id) => UserId::parse(&id)?,
            None => id_of_line(digest, self.line),
        };
        let created_at = match field("created_at") {
            Some(text) => timestamp(&text).ok_or(Refusal::NotUnderstood("created_at"))?,
            None => SystemClock::new().now(),
        };
        let email_verified = flag(field("email_verified"), "email_verified")?;
        let disabled = flag(field("disabled"), "disabled")?;
        let user = User {
            id,
            email,
            name,
            password_hash,
            credential_version: CredentialVersion::FIRST,
            disabled,
            created_at,
            updated_at: created_at,
            email_verified_at: email_verified.then_some(created_at),
            last_login: None,
        };
        Ok(Account { user, format })
    }
}

/// What `firebase auth:export` calls otherwise. Who has no name there is called by the address.
fn rename_as_firebase(fields: &mut BTreeMap<String, String>) {
    let ms = fields.remove("createdAt").and_then(|text| text.parse::<u64>().ok());
    let renamed = [
        ("created_at", ms.map(|ms| (ms / 1000).to_string())),
        ("email_verified", fields.remove("emailVerified")),
        ("name", fields.remove("displayName")),
        ("name", fields.get("email").cloned()),
        ("password_hash", fields.remove("passwordHash")),
    ];
    for (name, value) in renamed {
        if let Some(value) = value {
            fields.entry(name.to_owned()).or_insert(value);
        }
    }
}

/// The same for the same line of the same export, so that a second run meets its own rows.
fn id_of_line(digest: &str, line: u64) -> UserId {
    let bytes = <[u8; 32]>::from(Sha256::digest(format!("{digest} {line}")));
    let mut first = [0; 16];
    first.copy_from_slice(&bytes[..16]);
    UserId::from_entropy_bytes(first)
}

fn flag(value: Option<String>, name: &'static str) -> Result<bool, Refusal> {
    match value.as_deref().map(str::to_ascii_lowercase).as_deref() {
        None | Some("false" | "f" | "0") => Ok(false),
        Some("true" | "t" | "1") => Ok(true),
        Some(_) => Err(Refusal::NotUnderstood(name)),
    }
}

/// Before 1970 is not understood.
fn timestamp(text: &str) -> Option<Timestamp> {
    if let Ok(seconds) = text.parse() {
        return Some(Timestamp::from_seconds(seconds));
    }
    let nanos = OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp_nanos();
    u64::try_from(nanos / 1000).ok().map(Timestamp::from_micros)
}

/// Reads an export row by row. An error is the disk's; a row that makes no sense is a row.
enum Rows {
    Csv { headers: Vec<String>, reader: Box<csv::Reader<File>> },
    JsonLines { reader: BufReader<File>, line: u64, bytes_read: u64 },
}

impl Rows {
    fn open(export: &Path) -> Result<Self> {
        let file = File::open(export).with_context(|| export.display().to_string())?;
        if export.extension().is_some_and(|extension| extension == "jsonl") {
            return Ok(Self::JsonLines { reader: BufReader::new(file), line: 0, bytes_read: 0 });
        }
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(file);
        let headers: Vec<String> = reader.headers()?.iter().map(str::to_owned).collect();
        if !headers.iter().any(|header| header == "email") {
            bail!("the first line of {} names no column email", export.display());
        }
        Ok(Self::Csv { headers, reader: Box::new(reader) })
    }
}

impl Iterator for Rows {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Csv { headers, reader } => next_of_csv(headers, reader).transpose(),
            Self::JsonLines { reader, line, bytes_read } => {
                let mut bytes = Vec::new();
                match reader.read_until(b'\n', &mut bytes) {
                    Err(error) => Some(Err(error.into())),
                    Ok(0) => None,
                    Ok(read) => {
                        *line += 1;
                        *bytes_read += read as u64;
                        let fields = fields_of_json(&bytes);
                        Some(Ok(Row { line: *line, bytes_read: *bytes_read, fields }))
                    }
                }
            }
        }
    }
}

fn next_of_csv(headers: &[String], reader: &mut csv::Reader<File>) -> Result<Option<Row>> {
    let mut record = csv::ByteRecord::new();
    let line = reader.position().line();
    if !reader.read_byte_record(&mut record)? {
        return Ok(None);
    }
    let line = record.position().map_or(line, csv::Position::line);
    let fields = csv::StringRecord::from_byte_record(record)
        .ok()
        .filter(|record| record.len() == headers.len())
        .map(|record| headers.iter().cloned().zip(record.iter().map(str::to_owned)).collect());
    Ok(Some(Row { line, bytes_read: reader.position().byte(), fields }))
}

fn fields_of_json(line: &[u8]) -> Option<BTreeMap<String, String>> {
    let object: BTreeMap<String, Value> = serde_json::from_slice(line).ok()?;
    let text = |value| match value {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    };
    Some(object.into_iter().map(|(name, value)| (name, text(value))).collect())
}

fn digest(export: &Path) -> Result<String> {
    let mut file = File::open(export).with_context(|| export.display().to_string())?;
    let (mut sha256, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => sha256.update(&buffer[..read]),
        }
    }
    Ok(sha256.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Shown on a terminal only.
fn progress(export: &Path) -> Result<ProgressBar> {
    let style = ProgressStyle::with_template("{bar:40} {percent}% {bytes}/{total_bytes} {eta}")?;
    Ok(ProgressBar::new(fs::metadata(export)?.len()).with_style(style))
}
