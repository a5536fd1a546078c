//! What a network and AWS do to single calls, at every call of every use case.

use std::collections::HashSet;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use adapters_aws::dynamodb::DynamoUsers;
use adapters_http::HttpOptions;
use auth_domain::ports::UserStore;
use auth_domain::{
    Delivery, Email, LoginError, PortError, PortErrorKind, RegisterError, ResetError, UserId,
};
use aws_sdk_dynamodb::types::AttributeValue;
use axum::body::Body;
use axum::http::Request;
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::Instant;
use tower::ServiceExt;

use crate::dynamo;
use crate::proxy::Fate;
use crate::world::{NEW, OLD, World, ann};

impl World {
    /// How many accounts there are.
    async fn rows(&self) -> usize {
        self.rows_of("t-users").await.len()
    }

    async fn find(&self) -> Result<(), PortError> {
        self.users.find_by_email(&ann()).await.map(drop)
    }
}

/// Faults that a second try mends.
fn passing() -> Vec<Fate> {
    let mut faults = vec![Fate::AnswerLost, Fate::Lost, Fate::Silence];
    faults.extend([
        Fate::refused("ProvisionedThroughputExceededException"),
        Fate::refused("ThrottlingException"),
        Fate::refused("RequestLimitExceeded"),
        Fate::Answered(500, json!({ "__type": "InternalServerError" })),
        Fate::Answered(503, json!({})),
    ]);
    faults
}

/// One of each kind of them.
pub(crate) fn unanswered() -> Vec<Fate> {
    let mut faults = passing();
    faults.truncate(4);
    faults
}

/// Runs a flow once for each fault at each of its calls. The flow arms the fault, says where it is, and
/// returns how many calls it then made.
pub(crate) async fn at_every_call(
    faults: Vec<Fate>,
    flow: impl AsyncFn(&World, &dyn Fn(), &str) -> usize,
) {
    for fault in faults {
        for call in 0.. {
            let world = World::new().await;
            let arm = || {
                let fault = fault.clone();
                world.proxy.plan(
                    move |place, _| {
                        if place == call { fault.clone() } else { Fate::Untouched }
                    },
                );
            };
            let calls = flow(&world, &arm, &format!("{fault:?} at call {call}")).await;
            if calls <= call {
                assert!(call > 0);
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_register_whose_write_landed_unanswered_is_a_register() {
    at_every_call(passing(), async |world, arm, at| {
        arm();
        world.register(OLD).await.expect(at);
        let calls = world.proxy.passed().len();
        assert_eq!(world.rows().await, 1, "{at}");
        calls
    })
    .await;
}

#[tokio::test]
async fn a_login_whose_answers_are_lost_is_a_login() {
    at_every_call(passing(), async |world, arm, at| {
        world.register(OLD).await.unwrap();
        arm();
        world.login(OLD).await.expect(at);
        world.proxy.passed().len()
    })
    .await;
}

#[tokio::test]
async fn a_mail_whose_link_landed_unanswered_is_sent_once_and_works() {
    at_every_call(passing(), async |world, arm, at| {
        world.register(OLD).await.unwrap();
        world.forget().await;
        arm();
        assert_eq!(world.testing.deliver_mail().await, [Some(Delivery::Sent)], "{at}");
        let calls = world.proxy.passed().len();
        let token = world.testing.reset_token(&ann()).unwrap();
        world.reset(&token).await.expect(at);
        calls
    })
    .await;
}

#[tokio::test]
async fn a_reset_whose_answers_are_lost_is_a_reset() {
    at_every_call(passing(), async |world, arm, at| {
        world.register(OLD).await.unwrap();
        let token = world.link().await;
        arm();
        world.reset(&token).await.expect(at);
        let calls = world.proxy.passed().len();
        assert!(world.reset(&token).await.is_err(), "{at}: used twice");
        world.login(NEW).await.expect(at);
        calls
    })
    .await;
}

#[tokio::test]
async fn an_attempt_whose_count_landed_unanswered_is_counted_once() {
    let world = World::new().await;
    world.proxy.plan(|place, _| if place == 0 { Fate::AnswerLost } else { Fate::Untouched });
    for _ in 0..5 {
        assert!(matches!(world.login(OLD).await, Err(LoginError::Rejected)));
    }
    assert!(matches!(world.login(OLD).await, Err(LoginError::TooManyAttempts { .. })));
}

#[tokio::test]
async fn a_write_that_meets_a_transaction_is_tried_again() {
    let world = World::new().await;
    world.proxy.plan(|place, _| match place {
        0 | 1 => Fate::refused("TransactionConflictException"),
        _ => Fate::Untouched,
    });
    world.register(OLD).await.unwrap();
    assert_eq!(world.rows().await, 1);
}

/// A table that from the nth call on has no capacity for ever.
pub(crate) fn dry_from(world: &World, call: usize) {
    world.proxy.plan(move |place, _| {
        if place >= call {
            Fate::refused("ProvisionedThroughputExceededException")
        } else {
            Fate::Untouched
        }
    });
}

pub(crate) fn assert_throttled(error: &PortError, at: usize) {
    assert_eq!(error.kind(), PortErrorKind::Throttled, "call {at}");
    let told = format!("{error:?} {}", error.with_causes());
    assert!(told.contains("ProvisionedThroughputExceededException"), "{told}");
    assert!(told.contains("REQUEST-1"), "{told}");
    assert!(!told.contains("canary") && !told.contains("example.com"), "{told}");
}

#[tokio::test]
async fn a_table_that_throttles_for_ever_is_told_within_the_deadline_and_nothing_is_half_done() {
    for call in 0.. {
        let world = World::new().await;
        world.register(OLD).await.unwrap();
        let token = world.link().await;
        dry_from(&world, call);
        let started = Instant::now();
        let outcome = world.reset(&token).await;
        assert!(started.elapsed() < Duration::from_secs(20), "call {call}");
        let met = world.proxy.passed().len() > call;
        world.proxy.plan(|_, _| Fate::Untouched);
        match outcome {
            Ok(_) => world.login(NEW).await.map(drop).unwrap(),
            Err(ResetError::Port(error)) => {
                assert_throttled(&error, call);
                world.login(OLD).await.map(drop).unwrap();
            }
            Err(error) => panic!("call {call}: {error}"),
        }
        if !met {
            break;
        }
    }
}

#[tokio::test]
async fn a_table_that_throttles_is_never_an_unknown_account() {
    for call in 0..2 {
        let world = World::new().await;
        world.register(OLD).await.unwrap();
        dry_from(&world, call);
        match world.login(OLD).await {
            Err(LoginError::Port(error)) => assert_throttled(&error, call),
            outcome => panic!("call {call}: {outcome:?}"),
        }
    }
    let world = World::new().await;
    dry_from(&world, 0);
    match world.register(OLD).await {
        Err(RegisterError::Port(error)) => assert_throttled(&error, 0),
        outcome => panic!("{outcome:?}"),
    }
    assert_eq!(world.rows().await, 0);
}

/// Status of a call over HTTP, and whether it says when to come back.
async fn over_http(world: &World, call: &str, body: String) -> (u16, bool) {
    let router = adapters_http::router(world.testing.auth.clone(), HttpOptions::default());
    let request = Request::post(format!("/auth/{call}")).header("content-type", "application/json");
    let answer = router.oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
    (answer.status().as_u16(), answer.headers().contains_key("retry-after"))
}

#[tokio::test]
async fn over_http_a_table_that_throttles_for_a_while_shows_nothing_and_for_ever_a_503() {
    let world = World::new().await;
    let password = OLD;
    let account = format!(r#"{{"email":"ann@example.com","password":"{password}","name":"Ann"}}"#);
    let login = format!(r#"{{"email":"ann@example.com","password":"{password}"}}"#);
    let unknown = login.replace("ann@", "nobody@");

    dry_from(&world, 0);
    assert_eq!(over_http(&world, "register", account.clone()).await, (503, true));
    for (call, body, good) in [("register", &account, 201), ("login", &login, 200)] {
        let until = Instant::now() + Duration::from_millis(500);
        world.proxy.plan(move |_, _| {
            if Instant::now() < until {
                Fate::refused("ProvisionedThroughputExceededException")
            } else {
                Fate::Untouched
            }
        });
        assert_eq!(over_http(&world, call, body.clone()).await, (good, false), "{call}");
    }
    for call in 0..2 {
        for body in [&login, &unknown] {
            dry_from(&world, call);
            assert_eq!(over_http(&world, "login", body.clone()).await, (503, true), "{call}");
        }
    }
    world.proxy.plan(|_, _| Fate::Untouched);
    assert_eq!(over_http(&world, "login", unknown).await.0, 401);
}

#[tokio::test]
async fn over_http_a_register_whose_answer_was_lost_is_a_201_once() {
    let world = World::new().await;
    let account = format!(r#"{{"email":"ann@example.com","password":"{OLD}","name":"Ann"}}"#);
    world.proxy.plan(|place, _| if place == 0 { Fate::AnswerLost } else { Fate::Untouched });
    assert_eq!(over_http(&world, "register", account.clone()).await.0, 201);
    assert_eq!(world.rows().await, 1);
    assert_eq!(over_http(&world, "register", account).await.0, 409);
    assert_eq!(world.rows().await, 1);
}

#[tokio::test]
async fn a_login_is_not_failed_by_what_comes_after_its_decision() {
    let attempt_user_and_session = 3;
    for call in attempt_user_and_session..6 {
        let world = World::new().await;
        world.register(OLD).await.unwrap();
        dry_from(&world, call);
        world.login(OLD).await.unwrap();
    }
}

#[tokio::test]
async fn after_an_outage_calls_are_tried_again_as_before() {
    let world = World::new().await;
    world.proxy.plan(|_, _| Fate::refused("InternalServerError"));
    let tries = async || {
        let before = world.proxy.passed().len();
        world.find().await.unwrap_err();
        world.proxy.passed().len() - before
    };
    while tries().await > 1 {}
    world.pass_seconds(10);
    world.proxy.plan(|place, _| if place == 0 { Fate::Lost } else { Fate::Untouched });
    world.find().await.unwrap();
}

#[tokio::test]
async fn a_row_that_moves_while_it_is_looked_for_is_found() {
    let world = World::new().await;
    world.register(OLD).await.unwrap();
    let client = world.dynamo.client.clone();
    let key = |address: &str| AttributeValue::S(address.to_owned());
    let row = client.get_item().table_name("t-users").key("email", key("ann@example.com"));
    let mut row = row.send().await.unwrap().item.unwrap();
    let canonical = row.clone();
    let away = client.delete_item().table_name("t-users").key("email", key("ann@example.com"));
    row.insert("email".to_owned(), key("Ann@Example.com"));
    let put = |item| client.put_item().table_name("t-users").set_item(Some(item));
    // Between the two reads, whichever comes first.
    put(row).send().await.unwrap();
    away.send().await.unwrap();
    let gate = Arc::new(Notify::new());
    let open = Arc::clone(&gate);
    world.proxy.plan(
        move |place, _| {
            if place == 1 { Fate::Held(Arc::clone(&open)) } else { Fate::Untouched }
        },
    );
    let email = Email::parse_with_spelling("Ann@Example.com").unwrap();
    let found = world.users.find_by_email(&email);
    let moved = async {
        world.proxy.reached(1).await;
        put(canonical).send().await.unwrap();
        let old = client.delete_item().table_name("t-users").key("email", key("Ann@Example.com"));
        old.send().await.unwrap();
        gate.notify_one();
    };
    let (found, ()) = tokio::join!(found, moved);
    assert!(found.unwrap().is_some());
}

/// Whoever reads the index may be shown what is no longer so.
#[tokio::test]
async fn a_stale_index_finds_nobody_else() {
    let world = World::new().await;
    world.register(OLD).await.unwrap();
    let client = dynamo::client(&world.proxy.endpoint);
    let users = DynamoUsers::new(client, "t-users");
    let gone = UserId::parse("6c2b2a52-5f5a-4a30-9d3c-3a1f1d1f9a10").unwrap();
    for left in ["nobody@example.com", "ann@example.com"] {
        world.proxy.plan(move |_, operation| match operation {
            "Query" => {
                let entry = json!({ "email": { "S": left }, "user_id": { "S": gone.to_string() } });
                Fate::Answered(200, json!({ "Items": [entry], "Count": 1, "ScannedCount": 1 }))
            }
            _ => Fate::Untouched,
        });
        assert!(users.find_by_id(gone).await.unwrap().is_none(), "{left}");
    }
}

#[tokio::test]
async fn what_waiting_does_not_mend_is_not_said_to_be_passing() {
    let world = World::new().await;
    for code in ["AccessDeniedException", "ResourceNotFoundException", "ValidationException"] {
        world.proxy.plan(move |_, _| Fate::refused(code));
        let error = world.find().await.unwrap_err();
        assert_eq!(error.kind(), PortErrorKind::Rejected, "{code}");
        assert_eq!(world.proxy.passed().len(), 1, "{code} was tried again");
        assert!(error.source().unwrap().to_string().contains(code));
    }
    world.proxy.plan(|_, _| Fate::Silence);
    let error = world.find().await.unwrap_err();
    assert_eq!(error.kind(), PortErrorKind::Unavailable);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_registers_of_one_address_one_makes_an_account() {
    let world = std::sync::Arc::new(World::new().await);
    let racers: Vec<_> = (0..50)
        .map(|n| {
            let world = std::sync::Arc::clone(&world);
            tokio::spawn(async move { world.register(&format!("password number {n}")).await })
        })
        .collect();
    let mut made = HashSet::new();
    for (n, racer) in racers.into_iter().enumerate() {
        match racer.await.unwrap() {
            Ok(()) => drop(made.insert(n)),
            Err(RegisterError::EmailTaken) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(made.len(), 1);
    assert_eq!(world.rows().await, 1);
    let winner = made.into_iter().next().unwrap();
    world.login(&format!("password number {winner}")).await.unwrap();
}
