//! How tables are made, and which databases are refused.

use crate::databases::{Database, fresh_prefix, postgres_url};
use std::time::{Duration, Instant};

use adapters_sql::{
    SqlFault, SqlSettings, SqlStore, SqlStoreError, postgres_options, sqlite_options,
};
use auth_domain::Email;
use auth_domain::ports::{Insert, UserStore};
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, PgPool, SqlitePool};

fn nobody() -> Email {
    Email::parse("nobody@example.com").unwrap()
}

async fn works(store: &SqlStore) {
    assert!(store.find_by_email(&nobody()).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixteen_instances_that_start_at_once_make_the_tables_once() {
    let mut settings = SqlSettings::default();
    settings.table_prefix = fresh_prefix();
    settings.connections = 2;
    let folder = tempfile::tempdir().unwrap();
    let sqlite = format!("sqlite:{}/auth.db", folder.path().display());
    for url in std::iter::once(sqlite).chain(postgres_url()) {
        let start = |url: String, settings: SqlSettings| async move {
            let store = SqlStore::connect(&url, &settings).await.unwrap();
            store.migrate().await.unwrap();
            works(&store).await;
        };
        let instances = (0..16).map(|_| tokio::spawn(start(url.clone(), settings.clone())));
        for instance in instances.collect::<Vec<_>>() {
            instance.await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn under_serializable_isolation_too_they_make_the_tables_once() {
    let Some(url) = postgres_url() else { return };
    let mut settings = SqlSettings::default();
    settings.table_prefix = fresh_prefix();
    let instance = |settings: SqlSettings, url: String| async move {
        let options: PgConnectOptions = url.parse().unwrap();
        let options = options.options([("default_transaction_isolation", "serializable")]);
        let pool = PgPool::connect_with(options).await.unwrap();
        let store = SqlStore::over_postgres(pool, &settings).unwrap();
        store.migrate().await.unwrap();
    };
    let instances = (0..8).map(|_| tokio::spawn(instance(settings.clone(), url.clone())));
    for instance in instances.collect::<Vec<_>>() {
        instance.await.unwrap();
    }
}

#[tokio::test]
async fn tables_of_a_later_version_are_refused_and_left_alone() {
    for database in Database::each().await {
        database.execute("INSERT INTO @schema_versions (version) VALUES (1000)").await;
        let refused = database.store.migrate().await.unwrap_err();
        let SqlStoreError::NewerSchema { found, known } = refused else {
            panic!("{refused}");
        };
        assert_eq!((found, known), (1000, 1));
        assert!(refused.to_string().contains("version 1000"), "{refused}");
        works(&database.store).await;
    }
}

#[tokio::test]
async fn a_prefix_that_could_be_more_than_a_name_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}/auth.db", folder.path().display());
    for prefix in ["1auth", "Auth_", "auth-", "a;b", "a.b", "\"", "\u{e4}", &"a".repeat(33)] {
        let mut settings = SqlSettings::default();
        settings.table_prefix = prefix.to_owned();
        let refused = SqlStore::connect(&url, &settings).await;
        assert!(matches!(refused, Err(SqlStoreError::TablePrefix)), "{prefix:?}");
    }
}

#[tokio::test]
async fn a_deadline_that_databases_cannot_keep_is_refused() {
    let micro = Duration::from_micros(1);
    for deadline in [Duration::ZERO, micro, Duration::from_hours(24 * 30), Duration::MAX] {
        let mut settings = SqlSettings::default();
        settings.deadline = deadline;
        let refused = SqlStore::connect("sqlite:never-made.db", &settings).await;
        assert!(matches!(refused, Err(SqlStoreError::Deadline)), "{deadline:?}");
        let refused = postgres_options("postgres://localhost/auth", &settings);
        assert!(matches!(refused, Err(SqlStoreError::Deadline)), "{deadline:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("postgres://auth@localhost/auth?host={}", folder.path().display());
    let begun = Instant::now();
    let refused = SqlStore::connect(&url, &SqlSettings::default()).await.unwrap_err();
    let SqlStoreError::Database(SqlFault::NoConnection(_)) = refused else { panic!("{refused:?}") };
    assert!(begun.elapsed() < SqlSettings::default().deadline);
}

#[tokio::test]
async fn two_prefixes_are_two_stores_in_one_database() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}/auth.db", folder.path().display());
    for url in std::iter::once(url).chain(postgres_url()) {
        for _ in 0..2 {
            let mut settings = SqlSettings::default();
            settings.table_prefix = fresh_prefix();
            let store = SqlStore::connect(&url, &settings).await.unwrap();
            store.migrate().await.unwrap();
            works(&store).await;
        }
    }
}

#[tokio::test]
async fn a_sqlite_pool_that_would_lose_what_was_acknowledged_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let good = |name: &str| sqlite_options(folder.path().join(name));
    for (options, pragma) in [
        (good("1").synchronous(SqliteSynchronous::Normal), "synchronous"),
        (good("2").synchronous(SqliteSynchronous::Off), "synchronous"),
        (good("3").foreign_keys(false), "foreign_keys"),
        (good("4").journal_mode(SqliteJournalMode::Delete), "journal_mode"),
        (good("5").in_memory(true), "journal_mode"),
    ] {
        let pool = SqlitePool::connect_with(options).await.unwrap();
        let refused = SqlStore::over_sqlite(pool, &SqlSettings::default()).await.unwrap_err();
        let SqlStoreError::Pragma { pragma: named, .. } = refused else { panic!("{refused}") };
        assert_eq!(named, pragma);
    }
    let pool = SqlitePool::connect_with(good("6")).await.unwrap();
    assert!(SqlStore::over_sqlite(pool, &SqlSettings::default()).await.is_ok());
}

#[tokio::test]
async fn it_works_in_somebody_elses_sqlite_over_his_one_connection() {
    let folder = tempfile::tempdir().unwrap();
    let options = sqlite_options(folder.path().join("theirs.db"));
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    sqlx::raw_sql("CREATE TABLE users (email TEXT)").execute(&pool).await.unwrap();
    let store = SqlStore::over_sqlite(pool.clone(), &SqlSettings::default()).await.unwrap();
    store.migrate().await.unwrap();
    store.migrate().await.unwrap();
    works(&store).await;
    sqlx::query("INSERT INTO users VALUES ('theirs')").execute(&pool).await.unwrap();
}

#[tokio::test]
async fn it_works_in_somebody_elses_postgres_in_a_schema_of_his() {
    let Some(url) = postgres_url() else { return };
    let schema = format!("{}theirs", fresh_prefix());
    let their = |sql: &str| AssertSqlSafe(sql.replace("theirs", &schema));
    let pool = PgPool::connect(&url).await.unwrap();
    sqlx::raw_sql(their("CREATE SCHEMA theirs")).execute(&pool).await.unwrap();
    let options = (*pool.connect_options()).clone().options([("search_path", &schema)]);
    let pool = PgPool::connect_with(options).await.unwrap();
    let store = SqlStore::over_postgres(pool.clone(), &SqlSettings::default()).unwrap();
    store.migrate().await.unwrap();
    works(&store).await;
    let tables = their("SELECT count(*) FROM pg_tables WHERE schemaname = 'theirs'");
    let tables: i64 = sqlx::query_scalar(tables).fetch_one(&pool).await.unwrap();
    assert_eq!(tables, 7);
    sqlx::raw_sql(their("DROP SCHEMA theirs CASCADE")).execute(&pool).await.unwrap();
}

#[tokio::test]
async fn a_role_that_may_not_make_tables_starts_where_they_are_there() {
    let Some(owner) = Database::postgres().await else { return };
    let role = format!("{}role", owner.settings.table_prefix);
    owner.execute(&format!("CREATE ROLE {role} LOGIN")).await;
    for table in ["users", "sessions", "reset_tokens", "schema_versions"] {
        owner.execute(&format!("GRANT SELECT, INSERT, UPDATE, DELETE ON @{table} TO {role}")).await;
    }
    let url = owner.url.replace("auth@", &format!("{role}@"));
    let store = SqlStore::connect(&url, &owner.settings).await.unwrap();
    store.migrate().await.unwrap();
    works(&store).await;
    let mut elsewhere = owner.settings.clone();
    elsewhere.table_prefix = fresh_prefix();
    let store = SqlStore::connect(&url, &elsewhere).await.unwrap();
    let refused = store.migrate().await.unwrap_err();
    assert!(matches!(refused, SqlStoreError::Database(_)), "{refused}");
}

#[tokio::test]
async fn a_file_may_be_named_as_a_path_or_as_a_url_and_memory_is_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("auth.db").display().to_string();
    for (n, url) in [format!("sqlite:{path}"), format!("sqlite://{path}")].into_iter().enumerate() {
        let store = SqlStore::connect(&url, &SqlSettings::default()).await.unwrap();
        store.migrate().await.unwrap();
        let inserted = store.insert(crate::examples::user("ann")).await.unwrap();
        assert_eq!(inserted == Insert::Inserted, n == 0, "{url} is another file");
    }
    for url in ["sqlite:", "sqlite://", "sqlite::memory:", "sqlite:auth.db?mode=memory"] {
        let refused = SqlStore::connect(url, &SqlSettings::default()).await;
        assert!(matches!(refused, Err(SqlStoreError::Url(_))), "{url}");
    }
}

#[tokio::test]
async fn a_wrong_url_is_told_without_what_is_in_it() {
    let socket = "postgres://auth:canary@localhost:1/auth?sslmode=disable";
    for url in [
        "",
        "canary",
        "mysql://auth:canary@localhost/auth",
        "postgres://auth:canary@[/auth",
        "postgres://auth:canary@host:port/auth",
        "postgres://auth:canary@host/auth?sslmode=canary",
        "sqlite:/nowhere/canary/auth.db",
        socket,
    ] {
        let refused = SqlStore::connect(url, &SqlSettings::default()).await.unwrap_err();
        let mut said = format!("{refused} {refused:?}");
        let mut source = std::error::Error::source(&refused);
        while let Some(cause) = source {
            said += &format!(" {cause} {cause:?}");
            source = cause.source();
        }
        assert!(!said.contains("canary"), "{url}: {said}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_read_by_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let database = Database::sqlite().await;
    let mut files = 0;
    for file in std::fs::read_dir(database.folder.as_ref().unwrap().path()).unwrap() {
        let mode = file.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        files += 1;
    }
    assert_eq!(files, 3, "the database, its log, and the index of that");
}
