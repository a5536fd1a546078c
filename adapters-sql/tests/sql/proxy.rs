//! Stands between a store and Postgres, and cuts the connection when it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};

/// Where a connection is cut.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    /// Instead of handing a request on.
    Before,
    /// Instead of handing an answer on.
    After,
}

pub(crate) struct Proxy {
    /// Of the store.
    pub(crate) url: String,
    requests: Arc<AtomicI64>,
    answers: Arc<AtomicI64>,
}

const NEVER: i64 = i64::MAX;

impl Proxy {
    pub(crate) async fn before(url: &str) -> Self {
        let server: PgConnectOptions = url.parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (requests, answers) =
            (Arc::new(AtomicI64::new(NEVER)), Arc::new(AtomicI64::new(NEVER)));
        let counts = (Arc::clone(&requests), Arc::clone(&answers));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (requests, answers) = (Arc::clone(&counts.0), Arc::clone(&counts.1));
                let server = server.clone();
                tokio::spawn(async move {
                    match server.get_socket() {
                        Some(folder) => {
                            let path = folder.join(format!(".s.PGSQL.{}", server.get_port()));
                            let server = UnixStream::connect(path).await.unwrap();
                            carry(client, server, &requests, &answers).await;
                        }
                        None => {
                            let address = (server.get_host(), server.get_port());
                            let server = TcpStream::connect(address).await.unwrap();
                            carry(client, server, &requests, &answers).await;
                        }
                    }
                });
            }
        });
        let database = url.split(['/', '?']).nth(3).unwrap();
        let url = format!("postgres://auth@127.0.0.1:{port}/{database}?sslmode=disable");
        Self { url, requests, answers }
    }

    /// Cuts in place of the request or answer that comes after `others` more of them.
    pub(crate) fn cut(&self, cut: Cut, others: i64) {
        match cut {
            Cut::Before => self.requests.store(others, Ordering::SeqCst),
            Cut::After => self.answers.store(others, Ordering::SeqCst),
        }
    }

    /// Whether it has cut since it was told to.
    pub(crate) fn has_cut(&self) -> bool {
        let left = |count: &AtomicI64| count.swap(NEVER, Ordering::SeqCst);
        left(&self.requests).min(left(&self.answers)) < 0
    }
}

async fn carry<S>(client: TcpStream, server: S, requests: &AtomicI64, answers: &AtomicI64)
where
    S: AsyncRead + AsyncWrite,
{
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = tokio::io::split(server);
    // Whichever ends first takes the other along.
    tokio::select! {
        () = copy(from_client, to_server, requests) => {}
        () = copy(from_server, to_client, answers) => {}
    }
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    until_cut: &AtomicI64,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let armed = until_cut.load(Ordering::SeqCst) != NEVER;
        if armed && until_cut.fetch_sub(1, Ordering::SeqCst) == 0 {
            return;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
