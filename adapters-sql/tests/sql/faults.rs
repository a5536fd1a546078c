//! Databases that are read-only, full, locked, killed or gone, and callers who go away.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use adapters_sql::{SqlSettings, SqlStore, sqlite_options};
use auth_domain::conformance::{Racers, session_store, user_store};
use auth_domain::ports::{Insert, SessionStore, UserStore};
use auth_domain::{DisplayName, PortError, PortErrorKind, User};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, PgPool, SqlitePool};

use crate::databases::{Database, postgres_url};
use crate::examples::{email, key, new_hash, session, user};

fn is_unavailable(error: &PortError) {
    assert_eq!(error.kind(), PortErrorKind::Unavailable, "{}", error.with_causes());
    assert!(!error.with_causes().contains("@example"), "{}", error.with_causes());
}

impl Database {
    /// The same Postgres with a setting of its sessions.
    async fn with_setting(&self, name: &str, value: &str) -> SqlStore {
        let options: PgConnectOptions = self.url.parse().unwrap();
        let pool = PgPool::connect_with(options.options([(name, value)])).await.unwrap();
        SqlStore::over_postgres(pool, &self.settings).unwrap()
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.as_ref().unwrap().path().join("auth.db")
    }
}

#[tokio::test]
async fn a_read_only_database_reads_and_refuses_to_write() {
    for database in Database::each().await {
        database.store.insert(user("ann")).await.unwrap();
        let read_only = if database.is_postgres() {
            database.with_setting("default_transaction_read_only", "on").await
        } else {
            let options = sqlite_options(database.path()).read_only(true);
            let pool = SqlitePool::connect_with(options).await.unwrap();
            SqlStore::over_sqlite(pool, &database.settings).await.unwrap()
        };
        assert!(read_only.find_by_email(&email("ann")).await.unwrap().is_some());
        is_unavailable(&read_only.insert(user("anna")).await.unwrap_err());
        is_unavailable(&read_only.create(session()).await.unwrap_err());
        assert!(database.store.find_by_email(&email("anna")).await.unwrap().is_none());
    }
}

/// Inserts until the database takes no more; how many it took.
async fn fill(store: &SqlStore) -> usize {
    for n in 0..100_000 {
        match store.insert(large_user(&format!("filler{n}"))).await {
            Ok(insert) => assert_eq!(insert, Insert::Inserted),
            Err(error) => {
                is_unavailable(&error);
                return n;
            }
        }
    }
    panic!("it is never full");
}

/// What calls at the same moment come to, on SQLite a batch.
async fn insert_at_once(
    store: &SqlStore,
    count: usize,
    name: &str,
) -> Vec<Result<Insert, PortError>> {
    let calls = (0..count).map(|n| {
        let (store, user) = (store.clone(), large_user(&format!("{name}{n}")));
        tokio::spawn(async move { store.insert(user).await })
    });
    let mut outcomes = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        outcomes.push(call.await.unwrap());
    }
    outcomes
}

/// Of two kilobytes.
fn large_user(name: &str) -> User {
    User { name: DisplayName::from_stored("n".repeat(2_000)), ..user(name) }
}

async fn all_are_there(store: &SqlStore, count: usize) {
    for n in 0..count {
        let found = store.find_by_email(&email(&format!("filler{n}"))).await.unwrap();
        assert!(found.is_some(), "filler{n} was acknowledged");
    }
}

#[tokio::test]
async fn a_full_database_refuses_and_keeps_what_it_has_and_goes_on_once_there_is_room() {
    let database = Database::sqlite().await;
    let options = sqlite_options(database.path()).pragma("max_page_count", "100");
    let pool = SqlitePool::connect_with(options).await.unwrap();
    let small = SqlStore::over_sqlite(pool, &database.settings).await.unwrap();
    let count = fill(&small).await;
    assert!(count > 10, "{count}");
    all_are_there(&small, count).await;
    for insert in insert_at_once(&small, 16, "refused").await {
        is_unavailable(&insert.unwrap_err());
    }
    assert_eq!(database.store.insert(user("bob")).await.unwrap(), Insert::Inserted);
    all_are_there(&database.store, count).await;
}

/// A small file system of its own; `None`, and said, where this process may not make one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=1m", "none"]).arg(folder.path());
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        if !mounted {
            println!("skipped: may not mount a small file system here");
        }
        mounted.then_some(Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_refuses_and_keeps_what_it_has_and_goes_on_once_there_is_room() {
    let Some(disk) = SmallDisk::new() else { return };
    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, vec![0; 300 * 1024]).unwrap();
    let url = format!("sqlite:{}/auth.db", disk.path().display());
    let store = SqlStore::connect(&url, &SqlSettings::default()).await.unwrap();
    store.migrate().await.unwrap();
    let count = fill(&store).await;
    assert!(count > 10, "{count}");
    all_are_there(&store, count).await;
    // Batches fail at other places than statements that are alone do.
    for round in 0..5 {
        let refused = insert_at_once(&store, 64, &format!("refused{round}.")).await;
        refused.iter().filter_map(|insert| insert.as_ref().err()).for_each(is_unavailable);
    }
    std::fs::remove_file(ballast).unwrap();
    assert_eq!(store.insert(user("bob")).await.unwrap(), Insert::Inserted);
    for insert in insert_at_once(&store, 64, "carl").await {
        assert_eq!(insert.unwrap(), Insert::Inserted);
    }
    all_are_there(&store, count).await;
    store.close().await;
    let pool = SqlitePool::connect_with(sqlite_options(disk.path().join("auth.db"))).await.unwrap();
    let check: String =
        sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&pool).await.unwrap();
    assert_eq!(check, "ok");
    pool.close().await;
}

#[tokio::test]
async fn a_writer_of_another_process_that_does_not_let_go_is_waited_for_until_the_deadline() {
    let database = Database::sqlite().await;
    let mut settings = database.settings.clone();
    settings.deadline = Duration::from_millis(400);
    let store = SqlStore::connect(&database.url, &settings).await.unwrap();
    let options = sqlite_options(database.path());
    let mut other = sqlx::ConnectOptions::connect(&options).await.unwrap();
    let lock = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let begun = Instant::now();
    is_unavailable(&store.insert(user("ann")).await.unwrap_err());
    assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());
    assert!(store.find_by_email(&email("ann")).await.unwrap().is_none());
    lock.rollback().await.unwrap();
    assert_eq!(store.insert(user("bob")).await.unwrap(), Insert::Inserted);
}

#[tokio::test]
async fn a_row_that_somebody_keeps_locked_is_waited_for_until_the_deadline() {
    let Some(database) = Database::postgres().await else { return };
    let mut settings = database.settings.clone();
    settings.deadline = Duration::from_millis(400);
    let store = SqlStore::connect(&database.url, &settings).await.unwrap();
    let ann = user("ann");
    store.insert(ann.clone()).await.unwrap();
    let pool = PgPool::connect(&database.url).await.unwrap();
    let mut theirs = pool.begin().await.unwrap();
    let lock = format!("SELECT 1 FROM {}users FOR UPDATE", settings.table_prefix);
    sqlx::query(AssertSqlSafe(lock)).execute(&mut *theirs).await.unwrap();
    is_unavailable(&store.update_credentials(new_hash(&ann, "$second")).await.unwrap_err());
    assert!(store.find_by_email(&ann.email).await.unwrap().is_some());
    theirs.rollback().await.unwrap();
    store.update_credentials(new_hash(&ann, "$second")).await.unwrap();
}

#[tokio::test]
async fn a_store_without_its_tables_says_which_are_missing() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = format!("sqlite:{}/auth.db", folder.path().display());
    for url in std::iter::once(sqlite).chain(postgres_url()) {
        let mut settings = SqlSettings::default();
        settings.table_prefix = "never_made_".to_owned();
        let store = SqlStore::connect(&url, &settings).await.unwrap();
        let error = store.find_by_email(&email("ann")).await.unwrap_err();
        assert_eq!(error.kind(), PortErrorKind::Rejected);
        assert!(error.with_causes().contains("never_made_users"), "{}", error.with_causes());
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("auth.db");
    std::fs::write(&path, "no database ".repeat(1_000)).unwrap();
    let url = format!("sqlite:{}", path.display());
    assert!(SqlStore::connect(&url, &SqlSettings::default()).await.is_err());
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("no database"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn under_serializable_isolation_what_fails_is_tried_again() {
    let Some(database) = Database::postgres().await else { return };
    let store = database.with_setting("default_transaction_isolation", "serializable").await;
    let (store, racers) = (Arc::new(store), Racers::new(16, tokio::spawn));
    for law in user_store::LAWS.iter().filter(|law| law.contains("concurrent")) {
        user_store::hold(law, Arc::clone(&store) as _, &racers).await;
    }
    for law in session_store::LAWS.iter().filter(|law| law.contains("concurrent")) {
        session_store::hold(law, Arc::clone(&store) as _, &racers).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_that_the_server_ends_are_replaced_and_nobody_notices() {
    let Some(database) = Database::postgres().await else { return };
    let store = database.again().await;
    let name = store.find_by_email(&email("nobody")).await.unwrap();
    assert!(name.is_none());
    let killer = PgPool::connect(&database.url).await.unwrap();
    let writers = (0..8).map(|writer| {
        let store = store.clone();
        tokio::spawn(async move {
            for n in 0..50 {
                let insert = store.insert(user(&format!("ann{writer}.{n}"))).await.unwrap();
                assert_eq!(insert, Insert::Inserted);
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let mut killed = 0;
    while !writers.iter().all(tokio::task::JoinHandle::is_finished) {
        // Those in the middle of a statement of this test's tables.
        let victims = format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE pid <> pg_backend_pid() AND query LIKE '%{}%'",
            database.settings.table_prefix
        );
        let count: i64 =
            sqlx::query_scalar(AssertSqlSafe(victims)).fetch_one(&killer).await.unwrap();
        killed += count;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(killed > 0, "nothing was killed");
    assert_eq!(database.count("users").await, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_large_pool_of_dead_connections_fails_no_call() {
    let Some(database) = Database::postgres().await else { return };
    let mut settings = database.settings.clone();
    settings.connections = 64;
    let store = SqlStore::connect(&database.url, &settings).await.unwrap();
    let reads = |count| {
        let read = |store: SqlStore| async move { store.find_by_email(&email("nobody")).await };
        (0..count).map(|_| tokio::spawn(read(store.clone()))).collect::<Vec<_>>()
    };
    for read in reads(256) {
        assert!(read.await.unwrap().unwrap().is_none());
    }
    let victims = format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
         WHERE pid <> pg_backend_pid() AND query LIKE '%{}%'",
        settings.table_prefix
    );
    assert!(database.number(&victims).await > 32, "hardly any connection was made");
    assert_eq!(store.insert(user("ann")).await.unwrap(), Insert::Inserted);
}

#[tokio::test]
async fn a_store_that_was_closed_says_so_at_once() {
    for database in Database::each().await {
        database.store.close().await;
        let begun = Instant::now();
        let error = database.store.insert(user("ann")).await.unwrap_err();
        assert!(error.with_causes().contains("the store is closed"), "{}", error.with_causes());
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    }
}

/// A foreign key of somebody's own that is checked at the end of a transaction.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_constraint_that_is_checked_late_refuses_its_own_call_and_no_other() {
    let database = Database::sqlite().await;
    let ann = user("ann");
    database.store.insert(ann.clone()).await.unwrap();
    database
        .execute(&format!(
            "CREATE TABLE theirs (user_id TEXT REFERENCES @users (user_id) \
                DEFERRABLE INITIALLY DEFERRED); \
             INSERT INTO theirs VALUES ('{}')",
            ann.id
        ))
        .await;
    for round in 0..5 {
        let deletion = {
            let (store, key) = (database.store.clone(), key(&ann));
            tokio::spawn(async move { store.delete(&key, None).await })
        };
        for insert in insert_at_once(&database.store, 32, &format!("other{round}.")).await {
            assert_eq!(insert.unwrap(), Insert::Inserted);
        }
        assert_eq!(deletion.await.unwrap().unwrap_err().kind(), PortErrorKind::Rejected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callers_who_go_away_take_nobody_along() {
    for database in Database::each().await {
        let calls = (0..200).map(|n| {
            let store = database.store.clone();
            tokio::spawn(async move { store.insert(user(&format!("ann{n}"))).await })
        });
        let calls: Vec<_> = calls.collect();
        for (n, call) in calls.into_iter().enumerate() {
            if n % 2 == 0 {
                call.abort();
            } else {
                assert_eq!(call.await.unwrap().unwrap(), Insert::Inserted);
            }
        }
        assert!(database.count("users").await >= 100);
        assert_eq!(database.store.insert(user("last")).await.unwrap(), Insert::Inserted);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_that_is_refused_takes_nobody_along() {
    let database = Database::sqlite().await;
    let taken = session();
    let calls = (0..64).map(|n| {
        let store = database.store.clone();
        let session = if n % 2 == 0 { taken.clone() } else { session() };
        tokio::spawn(async move { store.create(session).await.is_ok() })
    });
    let mut kept = 0;
    for (n, call) in calls.collect::<Vec<_>>().into_iter().enumerate() {
        let created = call.await.unwrap();
        assert!(created || n % 2 == 0);
        kept += i64::from(created);
    }
    assert_eq!((kept, database.count("sessions").await), (33, 33));
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn a_runtime_that_ends_in_the_middle_leaves_the_file_to_the_next_one() {
    let first = runtime();
    let database = first.block_on(Database::sqlite());
    let store = database.store.clone();
    for n in 0..50 {
        let store = store.clone();
        first.spawn(async move { store.insert(user(&format!("ann{n}"))).await });
    }
    first.block_on(tokio::task::yield_now());
    drop(first);
    runtime().block_on(async {
        let store = database.again().await;
        assert_eq!(store.insert(user("bob")).await.unwrap(), Insert::Inserted);
    });
}

#[test]
fn a_writer_whose_runtime_ended_before_it_began_is_followed_by_the_next() {
    let first = runtime();
    let database = first.block_on(Database::sqlite());
    // Polled once: its work is handed to the runtime, which ends without having begun it.
    let mut insert = Box::pin(database.store.insert(user("ann")));
    first.block_on(async {
        let polled = std::future::poll_fn(|context| Poll::Ready(insert.as_mut().poll(context)));
        assert!(polled.await.is_pending());
    });
    drop(insert);
    drop(first);
    let second = runtime();
    let inserted = second.block_on(database.store.insert(user("bob")));
    assert_eq!(inserted.unwrap(), Insert::Inserted);
}
