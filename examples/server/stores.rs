//! Where the server keeps what it knows, by `AUTH_STORE`.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use adapters_local::memory::{
    MemoryAttempts, MemoryRateLimiter, MemoryResetTokens, MemorySessions, MemoryUsers,
};
use adapters_local::{LocalMailQueue, MailWorker, SystemClock};
use adapters_sql::{SqlMailQueue, SqlMailWorker, SqlSettings, SqlStore};
use anyhow::{Context as _, Result};
use auth_domain::Auth;
use auth_domain::ports::{
    AttemptStore, Clock as _, MailQueue, RateLimiter, ResetTokenStore, SessionStore, UserStore,
};
use base64ct::{Base64, Encoding as _};

use crate::location::{default_folder, default_location, file};

/// The stores of one kind, to be put into [`auth_domain::Ports`].
pub(crate) struct Stores {
    pub(crate) attempts: Arc<dyn AttemptStore>,
    pub(crate) limiter: Arc<dyn RateLimiter>,
    pub(crate) mail_queue: Arc<dyn MailQueue>,
    pub(crate) reset_tokens: Arc<dyn ResetTokenStore>,
    pub(crate) sessions: Arc<dyn SessionStore>,
    pub(crate) users: Arc<dyn UserStore>,
    pub(crate) worker: Worker,
}

/// What sends the queued mails.
pub(crate) enum Worker {
    Memory(MailWorker),
    Sql(SqlMailWorker, SqlStore),
}

/// `AUTH_STORE`, or a SQLite file in a folder that is made.
pub(crate) fn location(setting: Option<&str>) -> Result<String> {
    if let Some(setting) = setting {
        return Ok(setting.to_owned());
    }
    let folder = default_folder()?;
    fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}; set AUTH_STORE", folder.display()))?;
    Ok(default_location()?)
}

/// What the start says of a location: never a URL, in which there may be a password.
pub(crate) fn describe(location: &str) -> String {
    match file(location) {
        Some(file) => format!("Accounts are kept in {file}"),
        None if location == "memory" => {
            "Accounts are kept in memory, and end with this process".to_owned()
        }
        None => "Accounts are kept in Postgres".to_owned(),
    }
}

/// The secret in that file, which is made of `fresh` bytes if it is not there.
pub(crate) fn kept_secret(file: &Path, fresh: &[u8]) -> Result<String> {
    keep_secret(file, fresh).with_context(|| {
        format!("cannot keep a secret in {}: set AUTH_MASTER_SECRET", file.display())
    })
}

/// Written under another name and then linked, so that nobody reads half of it: of servers that start at
/// once all go by the first one's.
fn keep_secret(file: &Path, fresh: &[u8]) -> std::io::Result<String> {
    if !file.exists() {
        let draft = file.with_extension(format!("secret-{}", std::process::id()));
        let mut options = fs::OpenOptions::new();
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut made = options.write(true).create(true).truncate(true).open(&draft)?;
        made.write_all(Base64::encode_string(fresh).as_bytes())?;
        made.sync_all()?;
        match fs::hard_link(&draft, file) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
            _ => fs::remove_file(&draft)?,
        }
    }
    fs::read_to_string(file)
}

pub(crate) async fn open(location: &str) -> Result<Stores> {
    if location == "memory" {
        return Ok(in_memory());
    }
    let store = SqlStore::connect(location, &SqlSettings::default()).await;
    let store = store.context("AUTH_STORE: memory, sqlite:PATH or postgres://...")?;
    store.migrate().await.context("AUTH_STORE")?;
    let mail_queue = SqlMailQueue::new(store.clone(), Arc::new(SystemClock::new()));
    let worker = Worker::Sql(mail_queue.worker(), store.clone());
    Ok(Stores {
        attempts: Arc::new(store.clone()),
        limiter: Arc::new(store.clone()),
        mail_queue: Arc::new(mail_queue),
        reset_tokens: Arc::new(store.clone()),
        sessions: Arc::new(store.clone()),
        users: Arc::new(store),
        worker,
    })
}

fn in_memory() -> Stores {
    let (mail_queue, worker) = LocalMailQueue::new(LocalMailQueue::DEFAULT_CAPACITY);
    Stores {
        attempts: Arc::new(MemoryAttempts::new()),
        limiter: Arc::new(MemoryRateLimiter::new()),
        mail_queue: Arc::new(mail_queue),
        reset_tokens: Arc::new(MemoryResetTokens::new()),
        sessions: Arc::new(MemorySessions::new()),
        users: Arc::new(MemoryUsers::new()),
        worker: Worker::Memory(worker),
    }
}

const GRACE: Duration = Duration::from_secs(4);

impl Worker {
    /// Sends mails until `stop` is ready, and says what becomes of those that are left.
    pub(crate) async fn run(self, auth: Auth, stop: impl Future<Output = ()> + Send) -> String {
        match self {
            Self::Memory(worker) => {
                let drained = worker.run(auth, stop, GRACE).await;
                format!("{} mails lost", drained.lost)
            }
            Self::Sql(worker, store) => {
                let sweeper = tokio::spawn(sweep_hourly(store.clone()));
                worker.run(auth, stop, GRACE).await;
                sweeper.abort();
                store.close().await;
                "mails that wait go out after the next start".to_owned()
            }
        }
    }
}

/// Removes rows that have expired, a thousand of each kind at a time.
async fn sweep_hourly(store: SqlStore) {
    let mut hourly = tokio::time::interval(Duration::from_hours(1));
    loop {
        hourly.tick().await;
        loop {
            match store.sweep(SystemClock::new().now(), 1_000).await {
                Ok(swept) if swept.more => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!("not swept: {}", error.with_causes());
                    break;
                }
            }
        }
    }
}
