use std::cell::{Cell, RefCell};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::*;

/// A server that takes so long for each request of a connection, one after the other, and what became of its
/// connections.
struct Slow {
    address: SocketAddr,
    open: Rc<Cell<usize>>,
    most: Rc<Cell<usize>>,
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
const REFUSAL: &str =
    "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";

async fn slow(takes: Duration, answer: &'static str) -> Slow {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (open, most) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let counts = (Rc::clone(&open), Rc::clone(&most));
    spawn_local(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (open, most) = (Rc::clone(&counts.0), Rc::clone(&counts.1));
            spawn_local(async move {
                open.set(open.get() + 1);
                most.set(most.get().max(open.get()));
                serve(stream, takes, answer).await;
                open.set(open.get() - 1);
            });
        }
    });
    Slow { address, open, most }
}

/// Until the client is gone.
async fn serve(mut stream: TcpStream, takes: Duration, answer: &str) {
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
        // Who waits for an answer says nothing: it is gone, if there is something to read.
        if timeout(takes, stream.readable()).await.is_ok() {
            return;
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

fn get(_: u64) -> Request<Full<Bytes>> {
    Request::get("/").body(Full::default()).unwrap()
}

async fn until(mut it_is_so: impl FnMut() -> bool) {
    while !it_is_so() {
        tokio::task::yield_now().await;
    }
}

fn closed(clients: usize) -> Loop {
    Loop::Closed { clients, after_refusal: Duration::ZERO }
}

#[test]
fn a_closed_loop_has_no_more_under_way_than_it_has_clients() {
    run(async {
        let server = slow(Duration::from_millis(5), OK).await;
        let load = Load::start(server.address, closed(3), get);
        until(|| load.samples().count() >= 12).await;
        assert_eq!(server.most.get(), 3);
        assert!(load.samples().iter().all(|sample| sample.status == 200));
        assert!(load.samples().iter().all(|sample| sample.took >= Duration::from_millis(5)));
        Ok(())
    })
    .unwrap();
}

/// A server that needs 20 ms for each request on its only worker would be asked every 20 ms by a closed loop, and seem
/// to answer in 20. What is due every millisecond waits longer and longer.
#[test]
fn an_open_loop_counts_the_wait_of_those_that_are_late() {
    run(async {
        let server = slow(Duration::from_millis(300), OK).await;
        let load = Load::start(server.address, Loop::Open { per_second: 200.0 }, get);
        until(|| load.samples().count() >= 20).await;
        assert!(server.most.get() > 10, "{}", server.most.get());
        let samples = load.samples();
        // Due at moments of chance, whatever was answered.
        assert!(samples.iter().all(|sample| sample.took >= Duration::from_millis(300)));
        assert!(
            samples.iter().filter(|sample| sample.due < Duration::from_millis(300)).count() >= 15
        );
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_load_that_is_dropped_cuts_its_connections() {
    run(async {
        let server = slow(Duration::from_hours(1), OK).await;
        for how in [closed(4), Loop::Open { per_second: 1000.0 }] {
            let load = Load::start(server.address, how, get);
            until(|| server.open.get() >= 4).await;
            drop(load);
            until(|| server.open.get() == 0).await;
        }
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_load_that_is_over_waits_for_what_is_under_way_and_asks_nothing_more() {
    run(async {
        for how in [closed(4), Loop::Open { per_second: 1000.0 }] {
            let server = slow(Duration::from_millis(50), OK).await;
            let load = Load::start(server.address, how, get);
            until(|| server.open.get() >= 4).await;
            load.ask_no_more();
            let under_way = server.open.get();
            until(|| load.task.is_finished()).await;
            let samples = load.samples();
            assert!(samples.count() >= under_way, "{} of {under_way}", samples.count());
            assert_eq!(samples.statuses(), [200].into());
        }
        Ok(())
    })
    .unwrap();
}

#[test]
fn refusals_and_failures_are_counted_as_what_they_are() {
    run(async {
        let refusing = slow(Duration::ZERO, REFUSAL).await;
        let load = Load::start(refusing.address, closed(1), get);
        until(|| load.samples().count() > 2).await;
        let first = *load.samples().iter().next().unwrap();
        assert!(first.status == 503 && first.retry_after);

        let nobody = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
        let load = Load::start(nobody, closed(1), get);
        until(|| load.samples().count() > 2).await;
        assert_eq!(load.samples().statuses(), [Sample::FAILED].into());
        Ok(())
    })
    .unwrap();
}

#[test]
fn requests_are_numbered_and_told_their_answers() {
    struct Chain(Rc<RefCell<Vec<(u64, bool)>>>);

    impl Requests for Chain {
        fn request(&self, number: u64) -> Request<Full<Bytes>> {
            self.0.borrow_mut().push((number, false));
            get(number)
        }

        fn answered(&self, number: u64, status: StatusCode, body: &Bytes) {
            assert!(status.is_success() && body == "hi");
            self.0.borrow_mut().push((number, true));
        }
    }

    run(async {
        let server = slow(Duration::ZERO, OK).await;
        let log = Rc::new(RefCell::new(Vec::new()));
        let load = Load::start(server.address, closed(1), Chain(Rc::clone(&log)));
        until(|| load.samples().count() >= 2).await;
        drop(load);
        assert_eq!(log.borrow()[..4], [(0, false), (0, true), (1, false), (1, true)]);
        Ok(())
    })
    .unwrap();
}

#[test]
fn quantiles_are_of_what_there_is() {
    let of = |millis| {
        let mut sample = Sample::failed(Duration::ZERO, Duration::from_millis(millis));
        sample.status = 200;
        sample
    };
    let samples = Samples::new((1..=100).map(of).collect());
    let near = |share, millis: u64| {
        let found = samples.quantile(share).unwrap();
        found.abs_diff(Duration::from_millis(millis)) < Duration::from_millis(1)
    };
    assert!(near(0.5, 50) && near(0.99, 99) && near(1.0, 100));
    assert_eq!(Samples::default().quantile(0.99).unwrap(), Duration::ZERO);
    let late = samples.answered_within(Duration::from_millis(91), Duration::from_secs(1));
    assert_eq!(
        (late.count(), late.with_status(200).count(), late.with_status(503).count()),
        (10, 10, 0)
    );
}
