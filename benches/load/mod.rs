//! A load generator for HTTP/1.1 that runs beside what it measures, on one thread.
//!
//! *Closed*: so many clients, each of which asks again when it is answered, as a fixed number of impatient
//! people do. *Open*: so many requests a second, whatever becomes of those before, as strangers do. In an
//! open loop time counts from when a request was due, not from when it went out: so a server, or this
//! program, that is late shows in every request that waited (no coordinated omission).

#![expect(clippy::future_not_send, reason = "one thread, to leave the machine to what is measured")]

mod connection;
mod samples;

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::RETRY_AFTER;
use hyper::{Request, StatusCode};
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tokio::time::sleep;

pub use connection::once;
use connection::{Connection, Connections};
pub use samples::{Sample, Samples};

/// What is asked.
pub trait Requests {
    /// The request of this number; they count from 0.
    fn request(&self, number: u64) -> Request<Full<Bytes>>;

    /// What came back for it.
    fn answered(&self, number: u64, status: StatusCode, body: &Bytes) {
        let _not_needed = (number, status, body);
    }
}

impl<F: Fn(u64) -> Request<Full<Bytes>>> Requests for F {
    fn request(&self, number: u64) -> Request<Full<Bytes>> {
        self(number)
    }
}

/// How clients come.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Loop {
    /// So many connections that ask again at once; after a 503 they wait first.
    Closed {
        /// The connections.
        clients: usize,
        /// The wait.
        after_refusal: Duration,
    },
    /// So many requests a second on the average, at moments of chance (Poisson), on as many connections as it
    /// takes.
    Open {
        /// The requests.
        per_second: f64,
    },
}

/// A load that is on until it is dropped: then all its connections are cut.
#[derive(Debug)]
pub struct Load {
    begun: Instant,
    samples: Arc<Mutex<Vec<Sample>>>,
    over: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Load {
    /// Begins to ask. Within a [`LocalSet`], as by [`run`].
    pub fn start(address: SocketAddr, how: Loop, requests: impl Requests + 'static) -> Self {
        let begun = Instant::now();
        let samples = Arc::new(Mutex::new(Vec::new()));
        let over = Arc::new(AtomicBool::new(false));
        let shared = (Arc::clone(&samples), Arc::clone(&over));
        let driver = Driver { address, begun, samples: shared.0, over: shared.1, requests };
        let task = spawn_local(Rc::new(driver).drive(how));
        Self { begun, samples, over, task }
    }

    /// Asks nothing more. What is under way is waited for until the load is dropped.
    pub fn ask_no_more(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Since its start.
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// What was answered until now.
    pub fn samples(&self) -> Samples {
        Samples::new(self.samples.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Runs what starts [`Load`]s, on one thread.
///
/// # Errors
/// The system has no runtime to give, or `work` fails.
pub fn run<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, work)
}

struct Driver<R> {
    address: SocketAddr,
    begun: Instant,
    samples: Arc<Mutex<Vec<Sample>>>,
    over: Arc<AtomicBool>,
    requests: R,
}

impl<R: Requests + 'static> Driver<R> {
    async fn drive(self: Rc<Self>, how: Loop) {
        match how {
            Loop::Closed { clients, after_refusal } => self.closed(clients, after_refusal).await,
            Loop::Open { per_second } => self.open(per_second).await,
        }
    }

    async fn closed(self: Rc<Self>, clients: usize, after_refusal: Duration) {
        let step = clients as u64;
        let each = (0..step).map(|first| {
            let driver = Rc::clone(&self);
            async move {
                let mut connection = None;
                for number in (first..).step_by(clients.max(1)).take_while(|_| driver.goes_on()) {
                    let refused = driver.ask(number, Instant::now(), &mut connection).await;
                    if refused {
                        sleep(after_refusal).await;
                    }
                }
            }
        });
        futures_util::future::join_all(each).await;
    }

    async fn open(self: Rc<Self>, per_second: f64) {
        let mut chance = fastrand::Rng::with_seed(1);
        let connections = Rc::new(Connections::default());
        let mut in_flight = tokio::task::JoinSet::new();
        let mut due = self.begun;
        for number in 0.. {
            due += Duration::from_secs_f64(-(1.0 - chance.f64()).ln() / per_second);
            tokio::time::sleep_until(due.into()).await;
            if !self.goes_on() {
                break;
            }
            let (driver, connections) = (Rc::clone(&self), Rc::clone(&connections));
            in_flight.spawn_local(async move {
                let mut connection = connections.take();
                driver.ask(number, due, &mut connection).await;
                connections.put_back(connection);
            });
            while in_flight.try_join_next().is_some() {}
        }
        in_flight.join_all().await;
    }

    fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }

    /// Whether it was refused, or failed.
    async fn ask(&self, number: u64, due: Instant, connection: &mut Option<Connection>) -> bool {
        let request = self.requests.request(number);
        let answer = connection::ask(connection, self.address, request).await;
        let mut sample = Sample::failed(due - self.begun, due.elapsed());
        if let Ok(answer) = answer {
            sample.status = answer.status().as_u16();
            sample.retry_after = answer.headers().contains_key(RETRY_AFTER);
            self.requests.answered(number, answer.status(), answer.body());
        }
        self.samples.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
        matches!(sample.status, Sample::FAILED | 503)
    }
}

#[cfg(test)]
mod tests;
