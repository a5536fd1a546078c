//! The in-process mail queue and its worker, under a clock that tokio moves.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use adapters_local::memory::MailFault;
use adapters_local::{Drained, LocalMailQueue, MailWorker, Testing, testing_with};
use auth_domain::{
    DisplayName, Email, Password, PortErrorKind, RegisterRequest, RequestContext, RequestMailError,
};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

const GRACE: Duration = Duration::from_secs(5);

fn ann() -> Email {
    Email::parse("ann@example.com").unwrap()
}

async fn with_queue(capacity: usize) -> (Testing, MailWorker) {
    let (queue, worker) = LocalMailQueue::new(capacity);
    let testing = testing_with(|ports, _| ports.mail_queue = Arc::new(queue));
    let request = RegisterRequest {
        email: ann(),
        password: Password::new("correct horse battery").unwrap(),
        name: DisplayName::parse("Ann").unwrap(),
    };
    testing.auth.register(request, &RequestContext::new()).await.unwrap();
    (testing, worker)
}

fn run(worker: MailWorker, testing: &Testing) -> (oneshot::Sender<()>, JoinHandle<Drained>) {
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async { stopped.await.unwrap_or_default() };
    (stop, tokio::spawn(worker.run(testing.auth.clone(), stopped, GRACE)))
}

async fn forget(testing: &Testing) -> Result<(), RequestMailError> {
    testing.auth.request_password_reset(ann(), &RequestContext::new()).await
}

/// Lets tokio's clock run until that many mails are out.
async fn mails(testing: &Testing, count: usize) {
    while testing.mailbox.all().len() < count {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_mail_that_fails_for_a_while_is_tried_again_with_growing_pauses() {
    let (testing, worker) = with_queue(8).await;
    testing.mailbox.fail_next([MailFault::Transient; 4]);
    let (_stop, _worker) = run(worker, &testing);
    let start = Instant::now();
    forget(&testing).await.unwrap();
    mails(&testing, 1).await;
    let waited = start.elapsed();
    assert!((15..=16).contains(&waited.as_secs()), "1 + 2 + 4 + 8 s, but it was {waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_mail_that_is_refused_for_good_is_not_tried_again_and_holds_nobody_up() {
    let (testing, worker) = with_queue(8).await;
    testing.mailbox.fail_next([MailFault::Permanent]);
    let (stop, worker) = run(worker, &testing);
    forget(&testing).await.unwrap();
    tokio::time::sleep(Duration::from_hours(2)).await;
    assert_eq!(testing.mailbox.all().len(), 0);
    testing.clock.advance(Duration::from_hours(2));
    forget(&testing).await.unwrap();
    mails(&testing, 1).await;
    stop.send(()).unwrap();
    assert_eq!(worker.await.unwrap().lost, 0);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_sends_the_same_link_twice() {
    let (testing, worker) = with_queue(8).await;
    testing.mailbox.fail_next([MailFault::AnswerLost]);
    let (_stop, _worker) = run(worker, &testing);
    forget(&testing).await.unwrap();
    mails(&testing, 2).await;
    let texts: Vec<_> =
        testing.mailbox.all().iter().map(|mail| mail.content.text.to_string()).collect();
    assert_eq!(texts[0], texts[1]);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_and_takes_again_once_a_job_is_done() {
    let (testing, worker) = with_queue(1).await;
    forget(&testing).await.unwrap();
    let Err(RequestMailError::Port(error)) = forget(&testing).await else {
        panic!("a second job was taken into one place");
    };
    assert_eq!(error.kind(), PortErrorKind::Throttled);
    let (_stop, _worker) = run(worker, &testing);
    mails(&testing, 1).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    forget(&testing).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stop_drains_what_is_queued() {
    let (testing, worker) = with_queue(8).await;
    forget(&testing).await.unwrap();
    testing.clock.advance(Duration::from_secs(1));
    forget(&testing).await.unwrap();
    let (stop, worker) = run(worker, &testing);
    stop.send(()).unwrap();
    assert_eq!(worker.await.unwrap().lost, 0);
    // The older of the two jobs may find the newer one's link already out, and then sends nothing.
    assert!(!testing.mailbox.all().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stop_tries_a_waiting_job_once_more_and_says_what_is_lost() {
    for (fault, lost, sent) in [(MailFault::Transient, 1, 0), (MailFault::AnswerLost, 0, 2)] {
        let (testing, worker) = with_queue(8).await;
        testing.mailbox.fail_next([fault]);
        let (stop, worker) = run(worker, &testing);
        forget(&testing).await.unwrap();
        tokio::time::sleep(Duration::from_millis(510)).await;
        if fault == MailFault::Transient {
            testing.mailbox.fail_next([MailFault::Transient]);
        }
        let stopped_at = Instant::now();
        stop.send(()).unwrap();
        assert_eq!(worker.await.unwrap().lost, lost, "{fault:?}");
        assert!(stopped_at.elapsed() < Duration::from_secs(1), "the pause was waited out");
        assert_eq!(testing.mailbox.all().len(), sent, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_stop_a_job_is_refused_and_not_swallowed() {
    let (testing, worker) = with_queue(8).await;
    let (stop, worker) = run(worker, &testing);
    stop.send(()).unwrap();
    worker.await.unwrap();
    let Err(RequestMailError::Port(error)) = forget(&testing).await else {
        panic!("a job was taken that nobody will do");
    };
    assert_eq!(error.kind(), PortErrorKind::Unavailable);
}
