//! The durable queue and its worker, under a clock that the test moves.

use std::sync::Arc;
use std::time::Duration;

use adapters_local::memory::MailFault;
use adapters_local::{Testing, testing_with};
use adapters_sql::{SqlMailQueue, SqlMailWorker, SqlStore};
use auth_domain::ports::{Clock, Mailer};
use auth_domain::{
    DisplayName, Email, OutgoingEmail, Password, PortError, RegisterRequest, RequestContext,
    Timestamp,
};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::databases::Database;

/// The clock of a [`Testing`] that is made after the queue which needs it.
#[derive(Default)]
struct Later(std::sync::OnceLock<Arc<adapters_local::TestClock>>);

impl Clock for Later {
    fn now(&self) -> Timestamp {
        self.0.get().map_or(Timestamp::from_seconds(1_700_000_000), |clock| clock.now())
    }
}

async fn world(store: &SqlStore) -> (Testing, SqlMailQueue) {
    world_with(store, None).await
}

async fn world_with(store: &SqlStore, mailer: Option<Arc<dyn Mailer>>) -> (Testing, SqlMailQueue) {
    let clock = Arc::new(Later::default());
    let queue = SqlMailQueue::new(store.clone(), Arc::clone(&clock) as _);
    let ports_queue = queue.clone();
    let world = testing_with(|ports, _| {
        ports.mail_queue = Arc::new(ports_queue);
        ports.mailer = mailer.unwrap_or_else(|| Arc::clone(&ports.mailer));
    });
    assert!(clock.0.set(Arc::clone(&world.clock)).is_ok());
    for name in ["ann", "bob"] {
        let request = RegisterRequest {
            email: email(name),
            password: Password::new("correct horse battery").unwrap(),
            name: DisplayName::parse("Ann").unwrap(),
        };
        world.auth.register(request, &RequestContext::new()).await.unwrap();
    }
    (world, queue)
}

fn email(name: &str) -> Email {
    Email::parse(&format!("{name}@example.com")).unwrap()
}

async fn forget(world: &Testing, name: &str) {
    world.auth.request_password_reset(email(name), &RequestContext::new()).await.unwrap();
}

fn run(worker: SqlMailWorker, world: &Testing) -> (oneshot::Sender<()>, JoinHandle<()>) {
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async { stopped.await.unwrap_or_default() };
    (stop, tokio::spawn(worker.run(world.auth.clone(), stopped, Duration::from_secs(5))))
}

/// Until it holds; a test that waits for ever is ended by whoever runs it.
async fn until(mut holds: impl AsyncFnMut() -> bool) {
    while !holds().await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn mails(world: &Testing, count: usize) {
    until(async || world.mailbox.all().len() >= count).await;
}

#[tokio::test]
async fn what_is_queued_outlives_the_process_and_is_sent_once() {
    for database in Database::each().await {
        let (world, queue) = world(&database.store).await;
        forget(&world, "ann").await;
        drop(queue);
        let another = SqlMailQueue::new(database.again().await, Arc::new(Later::default()));
        let (stop, worker) = run(another.worker(), &world);
        mails(&world, 1).await;
        until(async || database.count("mail_jobs").await == 0).await;
        stop.send(()).unwrap();
        worker.await.unwrap();
        assert_eq!(world.mailbox.all().len(), 1);
    }
}

#[tokio::test]
async fn a_worker_sends_what_its_process_queues_while_it_runs() {
    for database in Database::each().await {
        let (world, queue) = world(&database.store).await;
        let (_stop, _worker) = run(queue.worker(), &world);
        for count in 1..=3 {
            forget(&world, "ann").await;
            mails(&world, count).await;
            world.clock.advance(Duration::from_secs(1));
        }
    }
}

#[tokio::test]
async fn of_four_workers_each_job_is_sent_by_one() {
    for database in Database::each().await {
        let (world, queue) = world(&database.store).await;
        let mut stops = Vec::new();
        for _ in 0..4 {
            let queue = SqlMailQueue::new(database.again().await, Arc::new(Later::default()));
            stops.push(run(queue.worker(), &world));
        }
        stops.push(run(queue.worker(), &world));
        for name in ["ann", "bob"] {
            forget(&world, name).await;
        }
        mails(&world, 2).await;
        until(async || database.count("mail_jobs").await == 0).await;
        for (stop, worker) in stops {
            stop.send(()).unwrap();
            worker.await.unwrap();
        }
        assert_eq!(world.mailbox.all().len(), 2);
    }
}

#[tokio::test]
async fn a_mail_that_fails_is_tried_again_with_growing_pauses() {
    for database in Database::each().await {
        let (world, queue) = world(&database.store).await;
        world.mailbox.fail_next([MailFault::Transient; 3]);
        let (_stop, _worker) = run(queue.worker(), &world);
        forget(&world, "ann").await;
        for (tries, pause) in [(1, 1), (2, 2), (3, 4)] {
            let waits =
                format!("SELECT count(*) FROM @mail_jobs WHERE tries = {tries} AND lease IS NULL");
            until(async || database.number(&waits).await == 1).await;
            let due = database.number("SELECT due_at FROM @mail_jobs").await;
            let now = i64::try_from(world.clock.now().as_micros()).unwrap();
            assert_eq!(due - now, pause * 1_000_000);
            assert!(world.mailbox.all().is_empty());
            world.clock.advance(Duration::from_secs(pause.cast_unsigned()));
        }
        mails(&world, 1).await;
    }
}

#[tokio::test]
async fn the_job_of_a_worker_that_died_is_done_by_another_after_its_lease() {
    for database in Database::each().await {
        let (world, queue) = world(&database.store).await;
        forget(&world, "ann").await;
        let lease = 3 * database.settings.deadline;
        let end = (world.clock.now() + lease).as_micros();
        database.execute(&format!("UPDATE @mail_jobs SET tries = 1, due_at = {end}")).await;
        let (_stop, _worker) = run(queue.worker(), &world);
        forget(&world, "bob").await;
        mails(&world, 1).await;
        assert_eq!(world.mailbox.all()[0].to, email("bob"));
        world.clock.advance(lease);
        mails(&world, 2).await;
    }
}

#[tokio::test]
async fn a_mail_that_is_refused_for_good_is_dropped() {
    for database in Database::each().await {
        let (world, queue) = world(&database.store).await;
        world.mailbox.fail_next([MailFault::Permanent]);
        let (_stop, _worker) = run(queue.worker(), &world);
        forget(&world, "ann").await;
        until(async || database.count("mail_jobs").await == 0).await;
        assert!(world.mailbox.all().is_empty());
    }
}

/// A mailer that says when it has begun and ends when it may.
struct Slow {
    begun: tokio::sync::Semaphore,
    may_end: tokio::sync::Semaphore,
}

impl Slow {
    fn new() -> Arc<Self> {
        let none = || tokio::sync::Semaphore::new(0);
        Arc::new(Self { begun: none(), may_end: none() })
    }
}

#[async_trait::async_trait]
impl Mailer for Slow {
    async fn send(&self, _: &OutgoingEmail) -> Result<(), PortError> {
        self.begun.add_permits(1);
        self.may_end.acquire().await.unwrap().forget();
        Ok(())
    }
}

#[tokio::test]
async fn a_delivery_that_takes_long_stays_with_its_worker() {
    for database in Database::each().await {
        let mut settings = database.settings.clone();
        settings.deadline = Duration::from_millis(100);
        let store = SqlStore::connect(&database.url, &settings).await.unwrap();
        let slow = Slow::new();
        let (world, queue) = world_with(&store, Some(Arc::clone(&slow) as _)).await;
        let workers = [run(queue.worker(), &world), run(queue.worker(), &world)];
        forget(&world, "ann").await;
        slow.begun.acquire().await.unwrap().forget();
        for _ in 0..10 {
            // Almost as long as a lease; and until its worker has said that it goes on.
            world.clock.advance(Duration::from_millis(290));
            let now = world.clock.now().as_micros();
            let leased = format!("SELECT count(*) FROM @mail_jobs WHERE due_at > {now} + 200000");
            until(async || database.number(&leased).await == 1).await;
        }
        assert_eq!(database.number("SELECT tries FROM @mail_jobs").await, 1);
        slow.may_end.add_permits(1);
        until(async || database.count("mail_jobs").await == 0).await;
        for (stop, worker) in workers {
            stop.send(()).unwrap();
            worker.await.unwrap();
        }
    }
}

/// A mailer whose library has a bug.
struct Panics;

#[async_trait::async_trait]
impl Mailer for Panics {
    async fn send(&self, _: &OutgoingEmail) -> Result<(), PortError> {
        panic!("a mailer panicked, as it should here")
    }
}

#[tokio::test]
async fn a_mailer_that_panics_holds_nobody_up_and_its_job_is_given_up_too() {
    for database in Database::each().await {
        let (world, queue) = world_with(&database.store, Some(Arc::new(Panics))).await;
        let (_stop, _worker) = run(queue.worker(), &world);
        forget(&world, "ann").await;
        let waits = "SELECT count(*) FROM @mail_jobs WHERE tries > 0 AND lease IS NULL";
        until(async || database.number(waits).await == 1).await;
        world.clock.advance(Duration::from_hours(4 * 24));
        until(async || database.count("mail_jobs").await == 0).await;
    }
}

#[tokio::test]
async fn a_clock_set_back_does_not_keep_mails_for_as_long() {
    for database in Database::each().await {
        let (world, queue) = world(&database.store).await;
        forget(&world, "ann").await;
        let (now, day) = (world.clock.now(), Duration::from_hours(24));
        let ahead = (now + day).as_micros();
        database.execute(&format!("UPDATE @mail_jobs SET due_at = {ahead}")).await;
        let (_stop, _worker) = run(queue.worker(), &world);
        mails(&world, 1).await;
    }
}

#[tokio::test]
async fn a_sweep_removes_what_no_worker_did_in_four_days() {
    for database in Database::each().await {
        let (world, _queue) = world(&database.store).await;
        forget(&world, "ann").await;
        let (now, four_days) = (world.clock.now(), Duration::from_hours(4 * 24));
        let just_before = now + four_days - Duration::from_micros(1);
        assert_eq!(database.store.sweep(just_before, 10).await.unwrap().mail_jobs, 0);
        assert_eq!(database.store.sweep(now + four_days, 10).await.unwrap().mail_jobs, 1);
    }
}

#[tokio::test]
async fn what_cannot_be_read_holds_nobody_up_and_is_given_up_after_four_days() {
    for database in Database::each().await {
        let (world, queue) = world(&database.store).await;
        let now = world.clock.now().as_micros();
        let later_version = "{\"version\":2,\"kind\":\"password_reset\"}";
        for (n, job) in ["", "hello", later_version].into_iter().enumerate() {
            database
                .execute(&format!(
                    "INSERT INTO @mail_jobs (job_id, job, queued_at, due_at, tries) VALUES \
                     ('00000000-0000-4000-8000-00000000000{n}', '{job}', {now}, {now}, 0)"
                ))
                .await;
        }
        let (_stop, _worker) = run(queue.worker(), &world);
        forget(&world, "ann").await;
        mails(&world, 1).await;
        until(async || {
            let waiting = "SELECT count(*) FROM @mail_jobs WHERE tries > 0 AND lease IS NULL";
            database.number(waiting).await == 3
        })
        .await;
        world.clock.advance(Duration::from_hours(4 * 24));
        until(async || database.count("mail_jobs").await == 0).await;
    }
}

#[tokio::test]
async fn a_stop_leaves_what_is_not_begun_in_the_table() {
    for database in Database::each().await {
        let (world, queue) = world(&database.store).await;
        world.mailbox.fail_next([MailFault::Transient]);
        let (stop, worker) = run(queue.worker(), &world);
        forget(&world, "ann").await;
        let waits = "SELECT count(*) FROM @mail_jobs WHERE tries = 1 AND lease IS NULL";
        until(async || database.number(waits).await == 1).await;
        stop.send(()).unwrap();
        worker.await.unwrap();
        forget(&world, "bob").await;
        assert_eq!(database.count("mail_jobs").await, 2);
    }
}
