//! The walk that makes addresses canonical, against a DynamoDB in this process, with faults at every call,
//! and the program as its operators run it.
#![cfg(feature = "tools")]
#![expect(clippy::unwrap_used, reason = "functions of tests may fail their test")]

mod dynamo;
mod program;
mod tap;

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use adapters_aws::address_walk::{AddressWalk, Finding, Mode, Outcome, Verdict, Walked};
use auth_domain::{PortError, PortErrorKind};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use dynamo::{Dynamo, client};
use tap::{Call, Fate, Tap};

type Item = HashMap<String, AttributeValue>;
type Table = BTreeMap<String, Item>;
type Scripted = fn() -> Fate;

const TABLE: &str = "t-users";

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn number(value: &str) -> AttributeValue {
    AttributeValue::N(value.to_owned())
}

/// As the old register handler wrote it.
fn row(address: &str, user_id: &str) -> Item {
    let fields = [
        ("email", address),
        ("user_id", user_id),
        ("name", "\u{c548}\u{b155} \u{1f37b}"),
        ("password_hash", "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8"),
        ("created_at", "2025-09-06T11:22:33.123456"),
        ("updated_at", "2025-09-06T11:22:33"),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), text(value))).collect()
}

fn with(mut item: Item, more: &[(&str, AttributeValue)]) -> Item {
    item.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    item
}

async fn put(client: &Client, item: &Item) {
    client.put_item().table_name(TABLE).set_item(Some(item.clone())).send().await.unwrap();
}

async fn filled(rows: &[Item]) -> Dynamo {
    let dynamo = Dynamo::start("t-").await;
    for row in rows {
        put(&dynamo.client, row).await;
    }
    dynamo
}

async fn table(client: &Client) -> Table {
    let answer = client.scan().table_name(TABLE).send().await.unwrap();
    assert!(answer.last_evaluated_key.is_none());
    as_table(&answer.items.unwrap())
}

fn as_table(rows: &[Item]) -> Table {
    rows.iter().map(|row| (row["email"].as_s().unwrap().clone(), row.clone())).collect()
}

fn walk_by(client: &Client, mode: Mode, page_size: u16) -> AddressWalk {
    AddressWalk::new(client.clone(), TABLE, mode, NonZeroU16::new(page_size).unwrap())
}

async fn to_end(walk: &AddressWalk) -> Result<Walked, PortError> {
    let mut walked = Walked::default();
    while !walked.is_complete() {
        walk.step(&mut walked).await?;
    }
    Ok(walked)
}

async fn applied(client: &Client) -> Walked {
    to_end(&walk_by(client, Mode::Apply, 100)).await.unwrap()
}

/// The ids of the rows of each finding with that outcome, sorted.
fn ids(walked: &Walked, outcome: Outcome) -> Vec<Vec<&str>> {
    let of = |finding: &'_ Finding| finding.outcome == outcome;
    let mut ids: Vec<Vec<&str>> = walked
        .findings()
        .iter()
        .filter(|finding| of(finding))
        .map(|finding| {
            let mut ids: Vec<&str> =
                finding.rows.iter().map(|row| row.user_id.as_deref().unwrap_or("-")).collect();
            ids.sort_unstable();
            ids
        })
        .collect();
    ids.sort_unstable();
    ids
}

async fn tapped<F>(dynamo: &Dynamo, decide: impl Fn(Call) -> F + Send + Sync + 'static) -> Tap
where
    F: Future<Output = Fate> + Send + 'static,
{
    Tap::start(&dynamo.endpoint, decide).await
}

/// `fate` for the first `times` transactions; all else passes.
async fn failing_moves(dynamo: &Dynamo, times: usize, fate: Scripted) -> Tap {
    let left = AtomicUsize::new(times);
    tapped(dynamo, move |call| {
        let hit = call.operation == "TransactWriteItems"
            && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
        async move { if hit { fate() } else { Fate::Pass } }
    })
    .await
}

/// Before the first `times` transactions arrive, `change` is done.
async fn raced<F>(
    dynamo: &Dynamo,
    times: usize,
    change: impl Fn(Client) -> F + Send + Sync + 'static,
) -> Tap
where
    F: Future<Output = ()> + Send + 'static,
{
    let (left, direct) = (AtomicUsize::new(times), dynamo.client.clone());
    let change = Arc::new(change);
    tapped(dynamo, move |call| {
        let hit = call.operation == "TransactWriteItems"
            && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
        let (change, direct) = (Arc::clone(&change), direct.clone());
        async move {
            if hit {
                change(direct).await;
            }
            Fate::Pass
        }
    })
    .await
}

fn refusal(name: &str, more: &str) -> Fate {
    Fate::Answer(
        400,
        format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{name}","message":"-"{more}}}"#),
    )
}

fn canceled(put: &str, delete: &str) -> Fate {
    let reasons = format!(r#","CancellationReasons":[{{"Code":"{put}"}},{{"Code":"{delete}"}}]"#);
    refusal("TransactionCanceledException", &reasons)
}

fn tokens(tap: &Tap) -> Vec<String> {
    let token = |body: String| {
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        body["ClientRequestToken"].as_str().unwrap().to_owned()
    };
    tap.bodies_of("TransactWriteItems").into_iter().map(token).collect()
}

#[tokio::test]
async fn every_spelling_moves_with_every_attribute_of_its_row() {
    let strange = [
        ("credential_version", number("123456789012345678901234567890.12345678")),
        ("disabled", AttributeValue::Bool(true)),
        ("last_login", text("2025-09-06T11:22:33.123456")),
        ("operation_id", text("")),
        ("picture", AttributeValue::B(Blob::new([0, 255, 10]))),
        ("tags", AttributeValue::Ss(vec!["b".to_owned(), "a".to_owned()])),
        ("scores", AttributeValue::Ns(vec!["3".to_owned(), "-1.5".to_owned()])),
        ("nothing", AttributeValue::Null(true)),
        ("list", AttributeValue::L(vec![number("1"), text("x"), AttributeValue::L(vec![])])),
        ("map", AttributeValue::M(row("Inner@Example.com", "nested"))),
        ("odd name: #0 :0 AND size()", text("kept")),
    ];
    let secrets = [
        ("reset_token", text("plaintext")),
        ("reset_expires", text("2025-09-06T12:22:33.123456")),
        ("reset_created", text("2025-09-06T11:22:33.123456")),
    ];
    let spellings = [
        ("Ann@Example.COM", "ann@example.com"),
        (" \tbob@example.com ", "bob@example.com"),
        ("jose\u{301}@example.com", "jos\u{e9}@example.com"),
        ("eve@b\u{fc}cher.example", "eve@xn--bcher-kva.example"),
    ];
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for (n, (typed, canonical)) in spellings.iter().enumerate() {
        let old = with(row(typed, &n.to_string()), &strange);
        after.push(with(old.clone(), &[("email", text(canonical))]));
        before.push(with(old, &secrets));
    }
    let dynamo = filled(&before).await;

    let walked = applied(&dynamo.client).await;

    assert_eq!(sorted_sets(table(&dynamo.client).await), sorted_sets(as_table(&after)));
    assert_eq!(walked.count(Outcome::Moved), 4);
    assert_eq!(walked.verdict(), Verdict::Clean);
    for (n, (_, canonical)) in spellings.iter().enumerate() {
        assert_eq!(by_id(&dynamo.client, &n.to_string()).await, [*canonical]);
    }
}

/// DynamoDB gives sets back in an order of its own.
fn sorted_sets(mut table: Table) -> Table {
    for value in table.values_mut().flat_map(HashMap::values_mut) {
        if let AttributeValue::Ss(set) | AttributeValue::Ns(set) = value {
            set.sort_unstable();
        }
    }
    table
}

async fn by_id(client: &Client, user_id: &str) -> Vec<String> {
    let query = client.query().table_name(TABLE).index_name("user_id-index");
    let query = query.key_condition_expression("user_id = :id");
    let answer = query.expression_attribute_values(":id", text(user_id)).send().await.unwrap();
    answer.items().iter().map(|item| item["email"].as_s().unwrap().clone()).collect()
}

#[tokio::test]
async fn a_dry_run_only_reads_and_says_what_it_would_do() {
    let rows = [row("Ann@example.com", "a"), row("bob@example.com", "b"), row("nobody", "n")];
    let dynamo = filled(&rows).await;
    let tap = tapped(&dynamo, |_| async { Fate::Pass }).await;

    let walked = to_end(&walk_by(&client(&tap.endpoint), Mode::DryRun, 100)).await.unwrap();

    assert_eq!(table(&dynamo.client).await, as_table(&rows));
    assert!(tap.calls().iter().all(|call| ["Scan", "GetItem"].contains(&call.operation.as_str())));
    assert_eq!(ids(&walked, Outcome::Movable), [["a"]]);
    assert_eq!(ids(&walked, Outcome::Unreadable), [["n"]]);
    assert_eq!((walked.rows(), walked.canonical_rows()), (3, 1));
    assert_eq!(walked.verdict(), Verdict::Movable);
}

#[tokio::test]
async fn of_rows_that_claim_one_address_none_is_touched_and_all_are_reported() {
    let rows = [
        row("ann@example.com", "a1"),
        row("Ann@example.com", "a2"),
        row("BOB@example.com", "b1"),
        row("Bob@Example.com", "b2"),
        row("cat@example.com", "c1"),
        row("Cat@example.com", "c2"),
        row(" cat@example.com", "c3"),
        row("dan @example.com", "d"),
        row("Eve@example.com", "e"),
    ];
    for mode in [Mode::DryRun, Mode::Apply] {
        let dynamo = filled(&rows).await;
        let walked = to_end(&walk_by(&dynamo.client, mode, 100)).await.unwrap();

        let mut expected = as_table(&rows);
        if mode == Mode::Apply {
            expected.remove("Eve@example.com");
            expected.insert("eve@example.com".to_owned(), row("eve@example.com", "e"));
            assert_eq!(walked.verdict(), Verdict::ByHand);
        }
        assert_eq!(table(&dynamo.client).await, expected);
        let collisions = [vec!["a1", "a2"], vec!["b1", "b2"], vec!["c1", "c2", "c3"]];
        assert_eq!(ids(&walked, Outcome::Collision), collisions);
        assert_eq!(ids(&walked, Outcome::Unreadable), [["d"]]);
    }
}

#[tokio::test]
async fn rows_that_are_canonical_are_not_even_written() {
    let rows = [row("ann@example.com", "a"), row("Bob@example.com", "b")];
    let dynamo = filled(&rows).await;
    let tap = tapped(&dynamo, |_| async { Fate::Pass }).await;

    applied(&client(&tap.endpoint)).await;

    let writes: Vec<Call> =
        tap.calls().into_iter().filter(|c| !["Scan", "GetItem"].contains(&&*c.operation)).collect();
    assert_eq!(writes.len(), 1);
    assert!(!writes[0].body.contains("ann@example.com"));
}

#[tokio::test]
async fn the_table_is_read_in_pages_consistently_and_without_what_is_not_needed() {
    let rows: Vec<Item> =
        (0..25).map(|n| row(&format!("User{n}@example.com"), &n.to_string())).collect();
    let dynamo = filled(&rows).await;
    let tap = tapped(&dynamo, |_| async { Fate::Pass }).await;

    let walked = to_end(&walk_by(&client(&tap.endpoint), Mode::Apply, 2)).await.unwrap();

    assert_eq!(walked.count(Outcome::Moved), 25);
    let after = (0..25).map(|n| row(&format!("user{n}@example.com"), &n.to_string()));
    assert_eq!(table(&dynamo.client).await, as_table(&after.collect::<Vec<_>>()));
    let scans = tap.bodies_of("Scan");
    assert!(scans.len() >= 13, "{}", scans.len());
    for scan in scans {
        let scan: serde_json::Value = serde_json::from_str(&scan).unwrap();
        assert_eq!(scan["Limit"], 2);
        assert_eq!(scan["ConsistentRead"], true);
        assert_eq!(scan["ProjectionExpression"], "email, user_id");
    }
    for read in tap.bodies_of("GetItem") {
        assert!(read.contains(r#""ConsistentRead":true"#), "{read}");
    }
}

/// Rows of every kind, and the table that a walk over them has to end in.
fn mixed() -> (Vec<Item>, Table) {
    let stay = [
        row("zoe@example.com", "z"),
        row("Ann@example.com", "a1"),
        row("ANN@example.com", "a2"),
        row("no address", "n"),
    ];
    let (go, gone): (Vec<Item>, Vec<Item>) = ["Bob", "Cat", "Dan"]
        .iter()
        .map(|name| {
            let (typed, canonical) =
                (format!("{name}@example.com"), format!("{}@example.com", name.to_lowercase()));
            (row(&typed, name), row(&canonical, name))
        })
        .unzip();
    ([stay.to_vec(), go].concat(), as_table(&[stay.to_vec(), gone].concat()))
}

/// Whether a run that follows one that ended goes on with what that one kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Anew,
    Resumed,
}

async fn calls_of_a_good_walk() -> usize {
    let dynamo = filled(&mixed().0).await;
    let tap = tapped(&dynamo, |_| async { Fate::Pass }).await;
    to_end(&walk_by(&client(&tap.endpoint), Mode::Apply, 3)).await.unwrap();
    tap.calls().len()
}

async fn cut_at(cut: usize, fate: Scripted, next: Next) {
    let (rows, after) = mixed();
    let dynamo = filled(&rows).await;
    let tap =
        tapped(
            &dynamo,
            move |call| async move { if call.number == cut { fate() } else { Fate::Pass } },
        )
        .await;
    let walk = walk_by(&client(&tap.endpoint), Mode::Apply, 3);
    let (mut walked, mut failures) = (Walked::default(), 0);
    while !walked.is_complete() {
        if let Err(error) = walk.step(&mut walked).await {
            assert_eq!(error.kind(), PortErrorKind::Unavailable);
            failures += 1;
            let kept = serde_json::to_string(&walked).unwrap();
            let resumed = serde_json::from_str(&kept).unwrap();
            walked = if next == Next::Resumed { resumed } else { Walked::default() };
        }
    }
    assert_eq!(failures, 1, "call {cut}");
    assert_eq!(table(&dynamo.client).await, after, "call {cut}, {next:?}");
    assert_eq!(walked.verdict(), Verdict::ByHand);
    assert_eq!(ids(&walked, Outcome::Collision), [["a1", "a2"]]);
    if next == Next::Resumed {
        assert_eq!(ids(&walked, Outcome::Moved), [["Bob"], ["Cat"], ["Dan"]], "call {cut}");
        assert_eq!(walked.rows(), 7);
    }
}

#[tokio::test]
async fn a_walk_cut_off_at_any_call_ends_in_the_same_table_when_run_again() {
    let calls = calls_of_a_good_walk().await;
    assert!(calls > 15, "{calls}");
    for cut in 1..=calls {
        for next in [Next::Anew, Next::Resumed] {
            cut_at(cut, || Fate::CutBefore, next).await;
            cut_at(cut, || Fate::CutAfter, next).await;
        }
    }
}

#[tokio::test]
async fn a_move_whose_answer_was_lost_is_recognised_when_the_sdk_sends_it_again() {
    let dynamo = filled(&[row("Ann@example.com", "a")]).await;
    let tap = failing_moves(&dynamo, 1, || Fate::CutAfter).await;
    let retrying = client(&tap.endpoint).config().to_builder();
    let retrying = Client::from_conf(retrying.retry_config(RetryConfig::standard()).build());

    let walked = applied(&retrying).await;

    assert_eq!(ids(&walked, Outcome::Moved), [["a"]]);
    assert_eq!(table(&dynamo.client).await, as_table(&[row("ann@example.com", "a")]));
    let tokens = tokens(&tap);
    assert_eq!(tokens.len(), 2);
    assert_eq!(tokens[0], tokens[1]);
}

#[tokio::test]
async fn a_row_put_back_within_minutes_of_its_move_moves_again() {
    let dynamo = filled(&[row("Ann@example.com", "a")]).await;
    for _ in 0..2 {
        assert_eq!(applied(&dynamo.client).await.count(Outcome::Moved), 1);
        assert_eq!(table(&dynamo.client).await, as_table(&[row("ann@example.com", "a")]));
        let canonical = dynamo.client.delete_item().table_name(TABLE);
        canonical.key("email", text("ann@example.com")).send().await.unwrap();
        put(&dynamo.client, &row("Ann@example.com", "a")).await;
    }
}

#[tokio::test]
async fn a_row_that_changed_before_its_move_moves_as_it_is_now() {
    let changes: [(&str, AttributeValue); 4] = [
        ("password_hash", text("$argon2id$new")),
        ("last_login", text("2026-01-01T00:00:00.000001")),
        ("credential_version", number("1")),
        ("reset_token", text("one more")),
    ];
    for (name, value) in changes {
        let dynamo = filled(&[row("Ann@example.com", "a")]).await;
        let changed = with(row("Ann@example.com", "a"), &[(name, value.clone())]);
        let tap = raced(&dynamo, 1, move |direct| {
            let changed = changed.clone();
            async move { put(&direct, &changed).await }
        })
        .await;

        let walked = applied(&client(&tap.endpoint)).await;

        let mut after = with(row("ann@example.com", "a"), &[(name, value)]);
        after.remove("reset_token");
        assert_eq!(table(&dynamo.client).await, as_table(&[after]), "{name}");
        assert_eq!(walked.count(Outcome::Moved), 1);
        let tokens = tokens(&tap);
        assert_eq!(tokens.len(), 2);
        assert_ne!(tokens[0], tokens[1], "another request under the same token");
    }
}

#[tokio::test]
async fn a_row_that_keeps_changing_is_left_with_its_last_change_and_holds_up_nobody() {
    let dynamo = filled(&[row("Ann@example.com", "a"), row("Bob@example.com", "b")]).await;
    let changes = AtomicUsize::new(0);
    let tap = raced(&dynamo, 5, move |direct| {
        let n = changes.fetch_add(1, Ordering::SeqCst) + 1;
        let changed =
            with(row("Ann@example.com", "a"), &[("credential_version", number(&n.to_string()))]);
        async move { put(&direct, &changed).await }
    })
    .await;

    let walked = applied(&client(&tap.endpoint)).await;

    assert_eq!(ids(&walked, Outcome::Busy), [["a"]]);
    assert_eq!(ids(&walked, Outcome::Moved), [["b"]]);
    assert_eq!(walked.verdict(), Verdict::Movable);
    let last = with(row("Ann@example.com", "a"), &[("credential_version", number("5"))]);
    let after = as_table(&[last, row("bob@example.com", "b")]);
    assert_eq!(table(&dynamo.client).await, after);
}

#[tokio::test]
async fn an_account_registered_before_the_move_makes_it_a_collision() {
    let dynamo = filled(&[row("Ann@example.com", "a")]).await;
    let tap = raced(&dynamo, 1, |direct| async move {
        put(&direct, &row("ann@example.com", "stranger")).await;
    })
    .await;

    let walked = applied(&client(&tap.endpoint)).await;

    assert_eq!(ids(&walked, Outcome::Collision), [["a", "stranger"]]);
    let both = [row("Ann@example.com", "a"), row("ann@example.com", "stranger")];
    assert_eq!(table(&dynamo.client).await, as_table(&both));
}

#[tokio::test]
async fn an_account_deleted_before_its_move_stays_deleted() {
    let dynamo = filled(&[row("Ann@example.com", "a")]).await;
    let tap = raced(&dynamo, 1, |direct| async move {
        let gone = direct.delete_item().table_name(TABLE).key("email", text("Ann@example.com"));
        gone.send().await.unwrap();
    })
    .await;

    let walked = applied(&client(&tap.endpoint)).await;

    assert_eq!(ids(&walked, Outcome::Gone), [["a"]]);
    assert_eq!(walked.verdict(), Verdict::Clean);
    assert!(table(&dynamo.client).await.is_empty());
}

#[tokio::test]
async fn two_walks_at_once_lose_and_double_nothing() {
    let (mut rows, mut after) = (vec![row("X@example.com", "x1")], Vec::new());
    rows.push(row("x@example.com", "x2"));
    after.extend(rows.clone());
    for n in 0..40 {
        rows.push(row(&format!("User{n}@example.com"), &n.to_string()));
        after.push(row(&format!("user{n}@example.com"), &n.to_string()));
    }
    let dynamo = filled(&rows).await;
    let walk = || {
        let walk = walk_by(&client(&dynamo.endpoint), Mode::Apply, 7);
        tokio::spawn(async move { to_end(&walk).await.unwrap() })
    };
    let (one, other) = (walk(), walk());
    for walked in [one.await.unwrap(), other.await.unwrap()] {
        assert_eq!(ids(&walked, Outcome::Collision), [["x1", "x2"]]);
        assert_eq!(walked.verdict(), Verdict::ByHand);
    }
    assert_eq!(table(&dynamo.client).await, as_table(&after));
}

#[tokio::test]
async fn a_move_that_meets_another_transaction_is_sent_again_as_it_was() {
    let fates: [Scripted; 6] = [
        || canceled("TransactionConflict", "None"),
        || canceled("None", "TransactionConflict"),
        || canceled("ConditionalCheckFailed", "TransactionConflict"),
        || canceled("ThrottlingError", "None"),
        || canceled("None", "ProvisionedThroughputExceeded"),
        || refusal("TransactionInProgressException", ""),
    ];
    for fate in fates {
        let dynamo = filled(&[row("Ann@example.com", "a")]).await;
        let tap = failing_moves(&dynamo, 2, fate).await;

        let walked = applied(&client(&tap.endpoint)).await;

        assert_eq!(ids(&walked, Outcome::Moved), [["a"]]);
        assert_eq!(table(&dynamo.client).await, as_table(&[row("ann@example.com", "a")]));
        let tokens = tokens(&tap);
        assert_eq!(tokens.len(), 3);
        assert!(tokens.iter().all(|token| *token == tokens[0]));
    }
}

#[tokio::test]
async fn a_row_that_other_transactions_keep_is_left_for_the_next_walk() {
    let dynamo = filled(&[row("Ann@example.com", "a"), row("Bob@example.com", "b")]).await;
    let tap = failing_moves(&dynamo, 8, || canceled("TransactionConflict", "None")).await;

    let walked = applied(&client(&tap.endpoint)).await;

    assert_eq!(ids(&walked, Outcome::Busy), [["a"]]);
    assert_eq!(ids(&walked, Outcome::Moved), [["b"]]);
    assert_eq!(applied(&dynamo.client).await.count(Outcome::Moved), 1);
}

#[tokio::test]
async fn a_token_that_another_request_had_is_changed() {
    let dynamo = filled(&[row("Ann@example.com", "a")]).await;
    let mismatch = || refusal("IdempotentParameterMismatchException", "");
    let tap = failing_moves(&dynamo, 1, mismatch).await;

    let walked = applied(&client(&tap.endpoint)).await;

    assert_eq!(ids(&walked, Outcome::Moved), [["a"]]);
    let tokens = tokens(&tap);
    assert_eq!(tokens.len(), 2);
    assert_ne!(tokens[0], tokens[1]);
}

#[tokio::test]
async fn a_row_that_dynamodb_refuses_is_reported_and_holds_up_nobody() {
    let fates: [(Scripted, &str); 3] = [
        (|| canceled("ValidationError", "None"), "ValidationError"),
        (|| canceled("None", "ItemCollectionSizeLimitExceeded"), "ItemCollectionSizeLimitExceeded"),
        (|| refusal("ValidationException", ""), "ValidationException"),
    ];
    for (fate, code) in fates {
        let dynamo = filled(&[row("Ann@example.com", "a"), row("Bob@example.com", "b")]).await;
        let tap = failing_moves(&dynamo, 1, fate).await;

        let walked = applied(&client(&tap.endpoint)).await;

        assert_eq!(ids(&walked, Outcome::Refused), [["a"]]);
        assert_eq!(walked.findings()[0].code.as_deref(), Some(code));
        assert_eq!(walked.verdict(), Verdict::ByHand);
        let after = [row("Ann@example.com", "a"), row("bob@example.com", "b")];
        assert_eq!(table(&dynamo.client).await, as_table(&after));
    }
}

#[tokio::test]
async fn a_permission_that_is_missing_is_no_matter_of_one_row() {
    let dynamo = filled(&[row("Ann@example.com", "a")]).await;
    let tap = failing_moves(&dynamo, 1, || refusal("AccessDeniedException", "")).await;
    let walk = walk_by(&client(&tap.endpoint), Mode::Apply, 100);
    assert_eq!(to_end(&walk).await.unwrap_err().kind(), PortErrorKind::Rejected);
}

/// Size of an item is its names and values in UTF-8.
fn sized(address: &str, bytes: usize) -> Item {
    let rest: usize =
        row(address, "a").iter().map(|(n, v)| n.len() + v.as_s().unwrap().len()).sum();
    with(row(address, "a"), &[("x", text(&"x".repeat(bytes - rest - 1)))])
}

#[tokio::test]
async fn a_row_of_350_kilobytes_moves() {
    let dynamo = filled(&[sized("Ann@example.com", 350 * 1024)]).await;
    assert_eq!(applied(&dynamo.client).await.count(Outcome::Moved), 1);
    let after = as_table(&[sized("ann@example.com", 350 * 1024)]);
    assert_eq!(table(&dynamo.client).await, after);
}

#[tokio::test]
async fn a_row_that_its_longer_key_makes_too_large_is_left_and_reported() {
    let full = sized("ann@b\u{fc}cher.example", 400 * 1024);
    let dynamo = filled(std::slice::from_ref(&full)).await;
    let walked = applied(&dynamo.client).await;
    assert_eq!(ids(&walked, Outcome::Refused), [["a"]]);
    assert_eq!(table(&dynamo.client).await, as_table(&[full]));
}

#[tokio::test]
async fn broken_rows_move_as_they_are() {
    let bare = HashMap::from([("email".to_owned(), text("Ann@example.com"))]);
    let odd = with(bare.clone(), &[("email", text("Bob@example.com")), ("name", number("7"))]);
    let dynamo = filled(&[bare.clone(), odd.clone()]).await;

    assert_eq!(applied(&dynamo.client).await.count(Outcome::Moved), 2);

    let after = [
        with(bare, &[("email", text("ann@example.com"))]),
        with(odd, &[("email", text("bob@example.com"))]),
    ];
    assert_eq!(table(&dynamo.client).await, as_table(&after));
}

#[tokio::test]
async fn a_table_with_another_key_is_no_table_of_users() {
    let dynamo = Dynamo::start("t-").await;
    let attempt = dynamo.client.put_item().table_name("t-attempts").item("key", text("k"));
    attempt.send().await.unwrap();
    let walk =
        AddressWalk::new(dynamo.client, "t-attempts", Mode::Apply, NonZeroU16::new(9).unwrap());
    assert_eq!(to_end(&walk).await.unwrap_err().kind(), PortErrorKind::Corrupt);
}

#[tokio::test]
async fn debug_hides_addresses() {
    let (rows, _) = mixed();
    let dynamo = filled(&rows).await;
    let walk = walk_by(&dynamo.client, Mode::DryRun, 3);
    let mut walked = Walked::default();
    while !walked.is_complete() {
        walk.step(&mut walked).await.unwrap();
        let shown = format!("{walked:?} {:?}", walked.findings()).to_lowercase();
        assert!(!shown.contains("example.com") && !shown.contains("no address"), "{shown}");
    }
}
