use std::cell::RefCell;
use std::net::SocketAddr;

use anyhow::Result;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{HOST, HeaderValue};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, spawn_local};

/// Kept alive between requests, and closed when dropped, whatever is under way.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    task: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Connection {
    async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        let task = spawn_local(async {
            // Whoever waits for an answer is told by `sender`.
            let _ended = connection.await;
        });
        Ok(Self { sender, task })
    }
}

/// Asks on the connection that there is, or on a new one; one that failed is gone afterwards.
pub(super) async fn ask(
    connection: &mut Option<Connection>,
    address: SocketAddr,
    mut request: Request<Full<Bytes>>,
) -> Result<Response<Bytes>> {
    let mut taken = match connection.take() {
        Some(open) if !open.sender.is_closed() => open,
        _ => Connection::open(address).await?,
    };
    request.headers_mut().insert(HOST, HeaderValue::from_str(&address.to_string())?);
    taken.sender.ready().await?;
    let (head, body) = taken.sender.send_request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    *connection = Some(taken);
    Ok(Response::from_parts(head, body))
}

/// One request, on a connection of its own. Within a [`LocalSet`](tokio::task::LocalSet).
///
/// # Errors
/// No answer came.
pub async fn once(address: SocketAddr, request: Request<Full<Bytes>>) -> Result<Response<Bytes>> {
    ask(&mut None, address, request).await
}

/// Those that nobody asks on.
#[derive(Default)]
pub(super) struct Connections(RefCell<Vec<Connection>>);

impl Connections {
    /// The one that was used last, so that few are kept busy.
    pub(super) fn take(&self) -> Option<Connection> {
        self.0.borrow_mut().pop()
    }

    pub(super) fn put_back(&self, connection: Option<Connection>) {
        self.0.borrow_mut().extend(connection);
    }
}
