//! Behind a real PgBouncer that gives each transaction another connection, and keeps no prepared statements.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use adapters_sql::SqlStore;
use auth_domain::conformance::{
    Racers, attempt_store, rate_limiter, reset_token_store, session_store, user_store,
};
use sqlx::postgres::PgConnectOptions;
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::databases::Database;

struct Pooler {
    child: Child,
    url: String,
    _folder: TempDir,
}

const PROGRAM: &str = "/usr/sbin/pgbouncer";

impl Pooler {
    /// `None`, and said, where there is no `PgBouncer`.
    async fn before(url: &str) -> Option<Self> {
        if !Path::new(PROGRAM).exists() {
            println!("skipped: there is no {PROGRAM} (Debian: apt-get install pgbouncer)");
            return None;
        }
        let server: PgConnectOptions = url.parse().unwrap();
        let host = server
            .get_socket()
            .map_or(server.get_host().into(), |socket| socket.display().to_string());
        let folder = tempfile::tempdir().unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let (user, database) = (server.get_username(), server.get_database().unwrap());
        let settings = format!(
            "[databases]\n{database} = host={host} port={} user={user}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = any\npool_mode = transaction\ndefault_pool_size = 3\n",
            server.get_port()
        );
        let file = folder.path().join("pgbouncer.ini");
        std::fs::write(&file, settings).unwrap();
        Command::new("chmod").args(["-R", "a+rX"]).arg(folder.path()).status().unwrap();
        let mut command = Command::new(PROGRAM);
        // It refuses to run as root.
        if Command::new("id").arg("-u").output().unwrap().stdout == b"0\n" {
            command.args(["-u", "postgres"]);
        }
        let child = command.arg(&file).stderr(Stdio::null()).spawn().unwrap();
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let url = format!("postgres://{user}@127.0.0.1:{port}/{database}?sslmode=disable");
        Some(Self { child, url, _folder: folder })
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn behind_a_pooler_of_transactions_every_law_holds() {
    let Some(direct) = Database::postgres().await else { return };
    let Some(pooler) = Pooler::before(&direct.url).await else { return };
    let mut settings = direct.settings.clone();
    settings.transaction_pooler = true;
    let store = SqlStore::connect(&pooler.url, &settings).await.unwrap();
    store.migrate().await.unwrap();
    let (store, racers) = (Arc::new(store), Racers::new(32, tokio::spawn));
    macro_rules! hold {
        ($($port:ident)*) => {$(
            for law in $port::LAWS {
                $port::hold(law, Arc::clone(&store) as _, &racers).await;
            }
        )*};
    }
    hold!(user_store session_store reset_token_store attempt_store rate_limiter);
}
