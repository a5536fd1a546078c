//! A connection that breaks, at every step of every write: each comes to what it would have come to.

use adapters_sql::{SqlMailQueue, SqlSettings, SqlStore};
use auth_domain::ports::{
    AttemptStore, EmailChange, EmailUpdate, Insert, MailQueue, Put, RateDecision, RateLimiter,
    ResetTokenStore, Rotated, SessionStore, Update, UserStore,
};
use auth_domain::{Attempt, AttemptPolicy, CredentialVersion, JobId, Locale, MailJob, RateLimit};
use std::sync::Arc;

use crate::databases::Database;
use crate::examples::{HOUR, NOON, email, key, limit_key, link, new_hash, rotation, session, user};
use crate::proxy::{Cut, Proxy};

/// A store behind the proxy, whose one connection has run nothing yet: its first statement is prepared and
/// then run, and each of the two may be cut off. So may the connecting itself.
async fn behind(proxy: &Proxy, settings: &SqlSettings) -> SqlStore {
    let mut settings = settings.clone();
    settings.connections = 1;
    SqlStore::connect(&proxy.url, &settings).await.unwrap()
}

/// Makes one call with each cut in turn, until one is later than all that the call sends.
async fn with_every_cut<T>(
    database: &Database,
    mut call: impl AsyncFnMut(&SqlStore, &str) -> T,
    holds: impl Fn(&T) -> bool,
) where
    T: std::fmt::Debug,
{
    let proxy = Proxy::before(&database.url).await;
    let mut cuts = 0;
    for cut in [Cut::Before, Cut::After] {
        for others in 0..8 {
            let store = behind(&proxy, &database.settings).await;
            proxy.cut(cut, others);
            let came_to = call(&store, &format!("{cut:?}{others}")).await;
            let has_cut = proxy.has_cut();
            assert!(holds(&came_to), "{cut:?} {others}: {came_to:?}");
            cuts += usize::from(has_cut);
            if !has_cut {
                break;
            }
        }
    }
    assert!(cuts >= 4, "{cuts} cuts");
}

#[tokio::test]
async fn an_account_is_made_once_and_its_maker_is_told_so() {
    let Some(database) = Database::postgres().await else { return };
    let insert = async |store: &SqlStore, name: &str| store.insert(user(name)).await.unwrap();
    with_every_cut(&database, insert, |insert| *insert == Insert::Inserted).await;
}

#[tokio::test]
async fn changes_of_an_account_are_made_once() {
    let Some(database) = Database::postgres().await else { return };
    let direct = &database.store;
    let change = async |store: &SqlStore, name: &str| {
        let ann = user(&format!("{name}-change"));
        direct.insert(ann.clone()).await.unwrap();
        let update = store.update_credentials(new_hash(&ann, "$second")).await.unwrap();
        let found = direct.find_by_email(&ann.email).await.unwrap().unwrap();
        (update, found.credential_version.get())
    };
    with_every_cut(&database, change, |came_to| *came_to == (Update::Updated, 1)).await;
    let touch = async |store: &SqlStore, name: &str| {
        let ann = user(&format!("{name}-touch"));
        direct.insert(ann.clone()).await.unwrap();
        store.touch_last_login(&key(&ann), NOON).await.unwrap()
    };
    with_every_cut(&database, touch, |update| *update == Update::Updated).await;
}

#[tokio::test]
async fn an_account_moves_once_and_goes_once() {
    let Some(database) = Database::postgres().await else { return };
    let direct = &database.store;
    let move_away = async |store: &SqlStore, name: &str| {
        let ann = user(name);
        direct.insert(ann.clone()).await.unwrap();
        let change = EmailChange {
            key: key(&ann),
            expected: CredentialVersion::FIRST,
            next: CredentialVersion::new(1),
            new_email: email(&format!("{name}-moved")),
            at: NOON,
        };
        store.change_email(change).await.unwrap()
    };
    with_every_cut(&database, move_away, |came_to| *came_to == EmailUpdate::Updated).await;
    let delete = async |store: &SqlStore, name: &str| {
        let ann = user(&format!("{name}-gone"));
        direct.insert(ann.clone()).await.unwrap();
        store.delete(&key(&ann), None).await.unwrap();
        direct.find_by_email(&ann.email).await.unwrap().is_none()
    };
    with_every_cut(&database, delete, |is_gone| *is_gone).await;
}

#[tokio::test]
async fn a_session_is_opened_rotated_stamped_and_ended_once() {
    let Some(database) = Database::postgres().await else { return };
    let direct = &database.store;
    let create = async |store: &SqlStore, _: &str| store.create(session()).await;
    with_every_cut(&database, create, Result::is_ok).await;
    let rotate = async |store: &SqlStore, _: &str| {
        let session = session();
        direct.create(session.clone()).await.unwrap();
        store.rotate(rotation(&session, 2)).await.unwrap()
    };
    with_every_cut(&database, rotate, |came_to| matches!(came_to, Rotated::Rotated(_))).await;
    let restamp = async |store: &SqlStore, _: &str| {
        let session = session();
        direct.create(session.clone()).await.unwrap();
        let (first, next) = (CredentialVersion::FIRST, CredentialVersion::new(1));
        store.restamp(&session.key, first, next).await.unwrap()
    };
    with_every_cut(&database, restamp, |update| *update == Update::Updated).await;
    let end = async |store: &SqlStore, _: &str| {
        let session = session();
        direct.create(session.clone()).await.unwrap();
        store.end(&session.key).await.unwrap();
        direct.find(&session.key).await.unwrap().is_none()
    };
    with_every_cut(&database, end, |is_gone| *is_gone).await;
}

#[tokio::test]
async fn a_link_is_kept_and_used_once_and_its_user_is_told_so() {
    let Some(database) = Database::postgres().await else { return };
    let direct = &database.store;
    let put = async |store: &SqlStore, name: &str| store.put(link(name)).await.unwrap();
    with_every_cut(&database, put, |came_to| *came_to == Put::Stored).await;
    let consume = async |store: &SqlStore, name: &str| {
        let link = link(&format!("{name}-used"));
        direct.put(link.clone()).await.unwrap();
        let used = store.consume(&link.email, link.digest, NOON).await.unwrap();
        (used.is_some(), direct.consume(&link.email, link.digest, NOON).await.unwrap().is_some())
    };
    with_every_cut(&database, consume, |came_to| *came_to == (true, false)).await;
}

#[tokio::test]
async fn an_attempt_and_a_hit_count_once() {
    let Some(database) = Database::postgres().await else { return };
    let (direct, policy) = (&database.store, AttemptPolicy::default());
    let mut next = 0;
    let begin = async |store: &SqlStore, _: &str| {
        next += 1;
        store.begin(limit_key(next), NOON, &policy).await.unwrap();
        direct.begin(limit_key(next), NOON, &policy).await.unwrap()
    };
    with_every_cut(&database, begin, |second| *second == Attempt::Proceed { prior: 1 }).await;
    let limit = RateLimit::new(2, HOUR);
    let mut next = 0;
    let hit = async |store: &SqlStore, _: &str| {
        next += 1;
        let mut decisions = vec![store.hit(limit_key(next), limit, NOON).await.unwrap()];
        for _ in 0..2 {
            decisions.push(direct.hit(limit_key(next), limit, NOON).await.unwrap());
        }
        decisions.iter().filter(|decision| **decision == RateDecision::Allow).count()
    };
    with_every_cut(&database, hit, |allowed| *allowed == 2).await;
}

#[tokio::test]
async fn a_mail_job_is_queued_once() {
    let Some(database) = Database::postgres().await else { return };
    let mut rows = 0;
    let enqueue = async |store: &SqlStore, name: &str| {
        let clock = adapters_local::SystemClock::new();
        let job = MailJob::PasswordReset {
            id: JobId::from_bytes([1; 16]),
            email: email(name),
            requested_at: NOON,
            locale: Locale::EN,
        };
        SqlMailQueue::new(store.clone(), Arc::new(clock)).enqueue(job).await.unwrap();
        rows += 1;
        database.count("mail_jobs").await - rows
    };
    with_every_cut(&database, enqueue, |more_than_one| *more_than_one == 0).await;
}
