//! What an operator does at three in the morning: looks at an account, shuts it, ends its sessions, beside the
//! server that goes on. It finds the accounts where `examples/server.rs` keeps them.
//!
//! ```sh
//! cargo run --example admin -- user show ann@example.com
//! cargo run --example admin -- user disable ann@example.com
//! cargo run --example admin -- user end-sessions --file leaked.txt --yes
//! ```
//!
//! `--help` has the rest. `auth-admin` of `adapters-aws` is the same over DynamoDB.

#[path = "server/location.rs"]
mod location;
#[path = "admin/tool.rs"]
mod tool;

use std::error::Error as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use adapters_local::{OsEntropy, SystemClock, TracingEvents};
use adapters_sql::{SqlFault, SqlMailQueue, SqlSettings, SqlStore};
use anyhow::{Context as _, Result, bail, ensure};
use auth_domain::ports::{Entropy as _, NotComposed};
use auth_domain::{AddressesInEvents, Auth, LinkBase, MasterSecret, PortError, Ports, Settings};
use clap::Parser;

use tool::{EXIT_CODES, Place, Screen};

/// Looks at accounts, shuts and opens them, ends their sessions, deletes them.
///
///   admin user show ann@example.com
///   admin user disable ann@example.com
///   admin user enable ann@example.com
///   admin user end-sessions ann@example.com
///   admin user force-password-change ann@example.com
///   admin user delete ann@example.com
///
/// What a user id or an address names is changed at once, for servers that run too. All but show and enable
/// ask for the address again, or take --yes. Each but show takes --file with a list.
#[derive(Parser)]
#[command(name = "admin", version, verbatim_doc_comment, after_long_help = EXIT_CODES)]
struct Options {
    #[command(flatten)]
    tool: tool::Arguments,
    /// Where the server keeps accounts: `sqlite:PATH` or `postgres://...`.
    ///
    /// Default: the file auth-data/auth.db in the folder that this is started in. Nothing is made where nothing
    /// is: the server makes the tables.
    #[arg(long, env = "AUTH_STORE", hide_env_values = true, global = true)]
    store: Option<String>,
    /// The server's master secret, so that the log names an account as the server's does.
    ///
    /// Default: the one that a server keeps beside its SQLite file. Without any the log says nothing of
    /// addresses, and of who is deleted the counter of failed logins is left to run out.
    #[arg(long, env = "AUTH_MASTER_SECRET", hide_env_values = true, global = true)]
    master_secret: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = Options::parse();
    let screen = Screen::with_log();
    let (auth, store, place) = match open(&options).await {
        Ok(opened) => opened,
        Err(error) => return options.tool.failed(&error),
    };
    let code = options.tool.run(&auth, &place, &screen).await;
    store.close().await;
    code
}

async fn open(options: &Options) -> Result<(Auth, SqlStore, Place)> {
    let location = match &options.store {
        Some(location) => location.clone(),
        None => location::default_location()?,
    };
    let name = match location::file(&location) {
        Some(file) => {
            ensure!(Path::new(file).exists(), "there is no file {file}: set AUTH_STORE");
            file.to_owned()
        }
        None if location == "memory" => bail!("AUTH_STORE: nobody else reaches what is in memory"),
        None => "Postgres".to_owned(),
    };
    let store = SqlStore::connect(&location, &SqlSettings::default()).await;
    let store = store.context("AUTH_STORE: sqlite:PATH or postgres://...")?;
    let auth = Auth::new(ports(&store), settings(options, &location)?)?;
    Ok((auth, store, Place { name, advice, no_mail: None }))
}

/// The server makes the tables. Here that would make them wherever somebody mistyped a URL.
fn ports(store: &SqlStore) -> Ports {
    let (clock, missing) = (Arc::new(SystemClock::new()), Arc::new(NotComposed::new()));
    Ports {
        attempts: Arc::new(store.clone()),
        breached_passwords: None,
        clock: Arc::clone(&clock) as _,
        compatibility_issuer: None,
        entropy: Arc::new(OsEntropy::new()),
        events: Arc::new(TracingEvents::new()),
        hasher: Arc::clone(&missing) as _,
        limiter: Arc::clone(&missing) as _,
        mail_queue: Arc::new(SqlMailQueue::new(store.clone(), clock)),
        mailer: Arc::clone(&missing) as _,
        reset_tokens: Arc::new(store.clone()),
        sessions: Arc::new(store.clone()),
        token_issuer: Arc::clone(&missing) as _,
        token_verifier: missing,
        users: Arc::new(store.clone()),
    }
}

/// Nothing is issued here: links are made by who sends the mails, under the server's own settings.
fn settings(options: &Options, location: &str) -> Result<Settings> {
    let base = LinkBase::parse("https://unused.invalid/")?;
    if let Some(secret) = master_secret(options, location)? {
        return Ok(Settings::new(secret, base, "admin"));
    }
    let mut bytes = [0; MasterSecret::MIN_BYTES];
    OsEntropy::new().fill(&mut bytes)?;
    let mut settings = Settings::new(MasterSecret::new(bytes)?, base, "admin");
    settings.addresses_in_events = AddressesInEvents::Omitted;
    Ok(settings)
}

fn master_secret(options: &Options, location: &str) -> Result<Option<MasterSecret>> {
    if let Some(text) = &options.master_secret {
        return location::decode_secret(text).context("AUTH_MASTER_SECRET").map(Some);
    }
    let Some(file) = location::secret_file(location).filter(|file| file.exists()) else {
        return Ok(None);
    };
    let text = std::fs::read_to_string(&file);
    text.map_err(Into::into)
        .and_then(|text| location::decode_secret(&text))
        .with_context(|| file.display().to_string())
        .map(Some)
}

fn advice(error: &PortError) -> &'static str {
    let fault = error.source().and_then(|cause| cause.downcast_ref::<SqlFault>());
    match fault {
        Some(SqlFault::Refused { .. }) => {
            "Is this the server's database? Its tables are made when the server starts"
        }
        _ => "Check that the database runs and AUTH_STORE names it, and run it again",
    }
}
