//! What each request is found by.

use adapters_http::{AllowedOrigins, HttpOptions, Origin, unavailable};
use adapters_local::{Testing, testing};
use auth_domain::RequestId;
use axum::body::Body;
use axum::http::{HeaderValue, Method, Request};
use serde_json::json;
use tower::ServiceExt;

use crate::client::{ANN, Answer, Client, OLD, json_request};

async fn login(client: &Client, headers: &[(&str, &[u8])]) -> Answer {
    let mut request = json_request(&Method::POST, "/auth/login");
    for (name, value) in headers {
        request = request.header(*name, HeaderValue::from_bytes(value).unwrap());
    }
    let body = json!({"email": ANN, "password": OLD}).to_string();
    client.send(request.body(Body::from(body)).unwrap()).await
}

fn ids_of_events(world: &Testing) -> Vec<String> {
    let ids = world.events.all().into_iter().map(|event| event.request_id);
    ids.map(|id| id.map(|id| id.to_string()).unwrap_or_default()).collect()
}

#[tokio::test]
async fn the_id_of_a_request_is_in_its_answer_and_in_all_its_events() {
    let world = testing();
    let client = Client::of(&world);
    let first = client.register().await.request_id;
    let second = login(&client, &[("x-request-id", b"of-the-client:7")]).await;
    assert_eq!((second.status.as_u16(), second.request_id.as_str()), (200, "of-the-client:7"));
    let third = client.get("/auth/me", &["Bearer canary"]).await.request_id;
    assert_eq!(ids_of_events(&world), [first, second.request_id, third]);
}

#[tokio::test]
async fn an_id_that_is_none_is_replaced_by_a_new_one() {
    let world = testing();
    let client = Client::of(&world);
    let long = [b'x'; 10 * 1024];
    for hostile in [
        &b""[..],
        b" ",
        b"a b",
        b"a\tINFO auth: logged_in",
        b"{\"",
        b"\"}",
        b"\\",
        b"%0d%0a<script>",
        "caf\u{e9}\u{2028}".as_bytes(),
        b"\xff\xfe",
        &long,
        &long[..65],
    ] {
        let answer = login(&client, &[("x-request-id", hostile)]).await;
        let shown = String::from_utf8_lossy(&hostile[..hostile.len().min(40)]);
        assert_eq!(answer.request_id.len(), 32, "{shown}");
        assert!(answer.request_id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{shown}");
    }
    let twice: &[(&str, &[u8])] = &[("x-request-id", b"a"), ("x-request-id", b"b")];
    assert_eq!(login(&client, twice).await.request_id.len(), 32);
    let ids = ids_of_events(&world);
    assert!(ids.iter().all(|id| id.len() == 32), "{ids:?}");
    for line_end in [&b"a\r\nb"[..], b"a\n", b"\0"] {
        assert!(HeaderValue::from_bytes(line_end).is_err(), "no header has one");
    }
}

#[tokio::test]
async fn an_id_of_whoever_serves_the_router_counts_more_than_the_clients() {
    let world = testing();
    let client = Client::of(&world);
    let request = json_request(&Method::POST, "/auth/login")
        .header("x-request-id", "of-the-client")
        .extension(RequestId::parse("of-the-gateway").unwrap());
    let answer = client.send(request.body(Body::from("{}")).unwrap()).await;
    assert_eq!(answer.request_id, "of-the-gateway");
}

#[tokio::test]
async fn every_answer_has_an_id_whatever_becomes_of_the_request() {
    let client = Client::of(&testing());
    for (method, path, status) in [
        (Method::GET, "/healthz", 200),
        (Method::GET, "/nowhere", 404),
        (Method::PUT, "/auth/login", 405),
        (Method::POST, "/auth/login", 400),
        (Method::OPTIONS, "/auth/login", 200),
    ] {
        let request = json_request(&method, path).header("x-request-id", path);
        let answer = client.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.request_id.as_str()), (status, path));
    }
    let request = Request::get("/auth/me").header("x-request-id", "a").body(Body::empty()).unwrap();
    let answer = unavailable(HttpOptions::default()).oneshot(request).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), answer.headers()["x-request-id"].as_bytes()),
        (503, &b"a"[..])
    );
}

#[tokio::test]
async fn a_page_that_may_call_may_read_the_id() {
    let mut options = HttpOptions::default();
    let origin = Origin::parse("https://app.example.com").unwrap();
    options.allowed_origins = AllowedOrigins::Only(vec![origin]);
    let client = Client::with(&testing(), options);
    let answer = login(&client, &[("origin", b"https://app.example.com")]).await;
    assert!(answer.header("access-control-allow-origin").is_some());
    let exposed = answer.header("access-control-expose-headers").unwrap_or_default();
    assert!(exposed.contains("x-request-id"), "{exposed}");
}
