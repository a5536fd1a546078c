//! The worker's half, as SQS calls it.

use serde_json::json;

use crate::gateway::sqs;
use crate::world::{World, kept, token_of};

#[tokio::test]
async fn what_failed_for_now_stays_in_the_queue_and_what_is_done_does_not() {
    let world = World::start().await;
    for email in ["ann@example.com", "bob@example.com", "cho@example.com"] {
        assert_eq!(world.register(email).await.status, 201);
        assert_eq!(world.forgot(email).await.status, 200);
    }
    assert_eq!(world.forgot("nobody@example.com").await.status, 200);
    world.aws.refuse_mails_to("bob@example.com", 429, "TooManyRequestsException");
    world.aws.refuse_mails_to("cho@example.com", 400, "MessageRejected");
    let queued = world.aws.take_queued();
    let bodies: Vec<_> = queued.iter().map(|call| call["MessageBody"].as_str().unwrap()).collect();
    let batch = [("ann", bodies[0]), ("bob", bodies[1]), ("cho", bodies[2]), ("nobody", bodies[3])];
    let poison = [("poison", "{\"version\": 1, \"kind\": \"mystery\"}"), ("junk", "junk")];
    let answer = world.instance.invoke(&sqs(batch.into_iter().chain(poison))).await;
    assert_eq!(kept(&answer), ["bob", "poison", "junk"]);
    let mails = world.aws.take_mails();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0]["Destination"]["ToAddresses"], json!(["ann@example.com"]));

    world.aws.accept_all_mails();
    let answer = world.instance.invoke(&sqs([("bob", bodies[1])])).await;
    assert_eq!(kept(&answer), Vec::<String>::new());
    let mails = world.aws.take_mails();
    assert_eq!(mails[0]["Destination"]["ToAddresses"], json!(["bob@example.com"]));
}

#[tokio::test]
async fn a_job_that_comes_twice_sends_the_same_link() {
    let world = World::start().await;
    assert_eq!(world.register("ann@example.com").await.status, 201);
    assert_eq!(world.forgot("ann@example.com").await.status, 200);
    let queued = world.aws.take_queued();
    let body = queued[0]["MessageBody"].as_str().unwrap();
    for _ in 0..2 {
        assert_eq!(kept(&world.instance.invoke(&sqs([("a", body)])).await), Vec::<String>::new());
    }
    let tokens: Vec<_> = world.aws.take_mails().iter().map(token_of).collect();
    assert_eq!(tokens.len(), 2);
    assert_eq!(tokens[0], tokens[1]);
}

#[tokio::test]
async fn caps_on_mails_hold_across_instances() {
    let world = World::start().await;
    assert_eq!(world.register("ann@example.com").await.status, 201);
    for _ in 0..3 {
        assert_eq!(world.forgot("ann@example.com").await.status, 200);
        world.deliver_mails().await;
        assert_eq!(world.forgot("ann@example.com").await.status, 200);
        let queued = world.aws.take_queued();
        let event = sqs([("a", queued[0]["MessageBody"].as_str().unwrap())]);
        world.another().await.invoke(&event).await;
    }
    assert_eq!(world.aws.take_mails().len(), 5, "the cap of an hour");
}

#[tokio::test]
async fn an_empty_batch_is_done() {
    let world = World::start().await;
    let answer = world.instance.invoke(&json!({"Records": []})).await;
    assert_eq!(kept(&answer), Vec::<String>::new());
}

#[tokio::test]
async fn the_owner_is_told_that_the_password_was_reset() {
    let world = World::start().await;
    assert_eq!(world.register("ann@example.com").await.status, 201);
    assert_eq!(world.forgot("ann@example.com").await.status, 200);
    let token = world.mailed_token().await;
    assert_eq!(world.reset(&token, "a brand new staple").await.status, 200);
    assert_eq!(world.deliver_mails().await, Vec::<String>::new());
    let notices = world.aws.take_mails();
    assert_eq!(notices.len(), 1);
    assert_eq!(notices[0]["Destination"]["ToAddresses"], json!(["ann@example.com"]));
    assert!(!notices[0].to_string().contains(&token));
}
