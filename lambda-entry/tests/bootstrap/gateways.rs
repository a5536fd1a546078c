//! Every way in reaches the same router, and nothing that a client sends ends in a 502.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::gateway::{Answer, Gateway};
use crate::world::{PASSWORD, World};

async fn send(world: &World, gateway: Gateway, event: &Value) -> Answer {
    Answer::of(gateway, &world.instance.invoke(event).await)
}

#[tokio::test]
async fn every_gateway_reaches_the_router() {
    let world = World::start().await;
    for (index, gateway) in Gateway::ALL.into_iter().enumerate() {
        let email = format!("user{index}@example.com");
        let body = json!({"email": email, "password": PASSWORD, "name": "Ann"}).to_string();
        let event = gateway.event("POST", "/auth/register", Some(&body));
        assert_eq!(send(&world, gateway, &event).await.status, 201, "{gateway:?}");
        let body = json!({"email": email, "password": PASSWORD}).to_string();
        let login = send(&world, gateway, &gateway.event("POST", "/auth/login", Some(&body))).await;
        assert_eq!(login.status, 200, "{gateway:?}");
        assert_eq!(login.headers["cache-control"], "no-store");
        let mut me = gateway.event("GET", "/auth/me", None);
        gateway.add_header(
            &mut me,
            "Authorization",
            &format!("Bearer {}", login.text("access_token")),
        );
        assert_eq!(send(&world, gateway, &me).await.text("email"), email, "{gateway:?}");
        let health = send(&world, gateway, &gateway.event("GET", "/healthz", None)).await;
        assert_eq!(health.status, 200, "{gateway:?}");
    }
}

#[tokio::test]
async fn a_preflight_is_answered_with_the_three_headers() {
    let world = World::with(&[("AUTH_ALLOWED_ORIGINS", "*")]).await;
    for gateway in Gateway::ALL {
        for path in ["register", "login", "forgot-password", "forgotpassword", "reset-password"] {
            let mut event = gateway.event("OPTIONS", &format!("/auth/{path}"), None);
            gateway.add_header(&mut event, "Origin", "https://web.example.com");
            gateway.add_header(&mut event, "Access-Control-Request-Method", "POST");
            let answer = send(&world, gateway, &event).await;
            assert_eq!(answer.status, 200, "{gateway:?} {path}");
            for name in ["origin", "methods", "headers"] {
                let header = format!("access-control-allow-{name}");
                assert!(answer.headers.contains_key(&header), "{gateway:?} {path} {header}");
            }
        }
    }
}

#[tokio::test]
async fn a_body_may_come_in_base64() {
    let world = World::start().await;
    assert_eq!(world.register("ann@example.com").await.status, 201);
    for gateway in Gateway::ALL {
        let body =
            "eyJlbWFpbCI6ICJhbm5AZXhhbXBsZS5jb20iLCAicGFzc3dvcmQiOiAicGE1NS1jYW5hcnktc3RhcGxlIn0=";
        let mut event = gateway.event("POST", "/auth/login", Some(body));
        event["isBase64Encoded"] = json!(true);
        assert_eq!(send(&world, gateway, &event).await.status, 200, "{gateway:?}");
        event["isBase64Encoded"] = json!(false);
        assert_eq!(send(&world, gateway, &event).await.status, 400, "{gateway:?}");
    }
}

#[tokio::test]
async fn what_a_client_gets_wrong_is_its_own_fault() {
    let world = World::start().await;
    let huge = format!(r#"{{"email": "{}"}}"#, "x".repeat(5_000_000));
    for gateway in Gateway::ALL {
        for (method, path, body, expected) in [
            ("POST", "/auth/login", None, (400, "malformed_json")),
            ("POST", "/auth/login", Some(""), (400, "malformed_json")),
            ("POST", "/auth/login", Some("{"), (400, "malformed_json")),
            ("POST", "/auth/login", Some("[]"), (400, "body_not_object")),
            (
                "POST",
                "/auth/login",
                Some(r#"{"email": 1, "password": "x"}"#),
                (400, "field_wrong_type"),
            ),
            ("POST", "/auth/login", Some(huge.as_str()), (413, "body_too_large")),
            ("POST", "/auth/nothing", Some("{}"), (404, "not_found")),
            ("POST", "/auth/log in\u{e9}", Some("{}"), (404, "not_found")),
            ("POST", "", Some("{}"), (404, "not_found")),
            ("PUT", "/auth/login", Some("{}"), (405, "method_not_allowed")),
        ] {
            let answer = send(&world, gateway, &gateway.event(method, path, body)).await;
            assert_eq!(answer.code(), expected, "{gateway:?} {method} {path}");
        }
        let mut form = gateway.event("POST", "/auth/login", Some("email=x"));
        let name = if gateway == Gateway::Rest { "Content-Type" } else { "content-type" };
        gateway.add_header(&mut form, name, "application/x-www-form-urlencoded");
        assert_eq!(send(&world, gateway, &form).await.status, 415, "{gateway:?}");
        let mut beyond_ascii = gateway.event("GET", "/healthz", None);
        gateway.add_header(&mut beyond_ascii, "X-Name", "김철수");
        assert_eq!(send(&world, gateway, &beyond_ascii).await.status, 200, "{gateway:?}");
    }
}

#[tokio::test]
async fn an_event_that_is_nobodys_is_an_error_and_the_next_is_served() {
    let mut world = World::start().await;
    for event in [
        json!({"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}),
        json!({"Records": [{"eventSource": "aws:s3", "messageId": "x", "s3": {}}]}),
        json!(null),
    ] {
        let error = world.instance.try_invoke(&event).await.unwrap_err();
        assert_eq!(error["errorType"], "Auth.UnknownEvent", "{event}");
    }
    assert_eq!(world.register("ann@example.com").await.status, 201);
    assert!(world.instance.stop().await.contains("neither a request of API Gateway"));
}

#[tokio::test]
async fn limits_go_by_the_gateways_word_on_the_source_and_by_no_header() {
    let world = World::start().await;
    let answers = async |gateway: Gateway, source: &str, forwarded: &str, times: usize| {
        let mut statuses = Vec::new();
        for _ in 0..times {
            let mut event = gateway.event(
                "POST",
                "/auth/forgot-password",
                Some("{\"email\":\"x@example.com\"}"),
            );
            gateway.set_source(&mut event, source);
            gateway.add_header(&mut event, "X-Forwarded-For", forwarded);
            statuses.push(send(&world, gateway, &event).await.status);
        }
        statuses
    };
    for (gateway, source, other) in [
        (Gateway::Rest, "192.0.2.1", "192.0.2.2"),
        (Gateway::FunctionUrl, "192.0.2.3", "192.0.2.4"),
    ] {
        assert!(answers(gateway, source, "10.0.0.1", 30).await.iter().all(|status| *status == 200));
        assert_eq!(
            answers(gateway, source, "10.0.0.2", 1).await,
            [429],
            "another header, {gateway:?}"
        );
        assert_eq!(
            answers(gateway, other, "10.0.0.1", 1).await,
            [200],
            "another source, {gateway:?}"
        );
    }
}

#[tokio::test]
async fn limits_by_source_hold_across_instances_where_that_is_set() {
    let world = World::with(&[("AUTH_SOURCE_LIMITS", "dynamodb")]).await;
    let other = world.another().await;
    let event =
        Gateway::Rest.event("POST", "/auth/forgot-password", Some("{\"email\":\"x@example.com\"}"));
    for _ in 0..15 {
        assert_eq!(world.send(&event).await.status, 200);
        assert_eq!(other.invoke(&event).await["statusCode"], 200);
    }
    assert_eq!(world.send(&event).await.status, 429);
    assert_eq!(other.invoke(&event).await["statusCode"], 429);
}

#[tokio::test]
async fn an_answer_comes_before_lambda_ends_the_invocation() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let world = World::with(&[("AWS_ENDPOINT_URL_DYNAMODB", &endpoint)]).await;
    let ready = Gateway::Rest.event("GET", "/healthz", None);
    world.instance.invoke(&ready).await;
    let body = json!({"email": "ann@example.com", "password": PASSWORD}).to_string();
    let event = Gateway::Rest.event("POST", "/auth/login", Some(&body));
    let (time_left, begun) = (Duration::from_millis(1400), Instant::now());
    let answer = world.instance.invoke_within(&event, time_left).await.unwrap();
    assert!(begun.elapsed() < time_left, "{:?}", begun.elapsed());
    let answer = Answer::of(Gateway::Rest, &answer);
    assert_eq!(answer.code(), (503, "timeout"));
    assert!(answer.headers.contains_key("retry-after"));
}
