//! A client of the router, and what tests begin with.

use std::net::SocketAddr;

use adapters_http::{HttpOptions, router};
use adapters_local::Testing;
use auth_domain::Email;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::request::Builder;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

pub(crate) const ANN: &str = "ann@example.com";
pub(crate) const EVE: &str = "eve@example.com";
pub(crate) const OLD: &str = "correct horse battery";
pub(crate) const NEW: &str = "a brand new staple";

pub(crate) fn ann() -> Email {
    Email::parse(ANN).unwrap()
}

pub(crate) struct Client {
    router: Router,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Not among the headers: each answer has another.
    pub(crate) request_id: String,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub(crate) fn code(&self) -> (u16, String) {
        (self.status.as_u16(), self.json()["code"].as_str().unwrap_or_default().to_owned())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Everything that a client gets to see.
    pub(crate) fn whole(self) -> (StatusCode, HeaderMap, String) {
        (self.status, self.headers, self.text)
    }
}

/// What a login gives.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl Session {
    pub(crate) fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let body = answer.json();
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token") }
    }
}

/// A JSON request from one client, unless it says otherwise.
pub(crate) fn json_request(method: &Method, path: &str) -> Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header("Content-Type", "application/json; charset=UTF-8")
        .extension(ConnectInfo(SocketAddr::from(([192, 0, 2, 1], 4711))))
}

impl Client {
    pub(crate) fn of(world: &Testing) -> Self {
        Self::with(world, HttpOptions::default())
    }

    pub(crate) fn with(world: &Testing, options: HttpOptions) -> Self {
        Self { router: router(world.auth.clone(), options) }
    }

    /// Every answer has a request id, and says that it may not be kept, but for the published keys.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        #[cfg(feature = "openapi")]
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (mut parts, body) = response.into_parts();
        let request_id = parts.headers.remove("x-request-id").unwrap();
        let request_id = request_id.to_str().unwrap().to_owned();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let answer = Answer { status: parts.status, headers: parts.headers, request_id, text };
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        if answer.header("content-type") != Some("application/jwk-set+json") {
            assert_eq!(answer.header("cache-control"), Some("no-store"));
        }
        #[cfg(feature = "openapi")]
        crate::described::check(&method, &path, &answer);
        answer
    }

    pub(crate) async fn post_raw(
        &self,
        path: &str,
        body: impl Into<Body>,
        language: Option<&str>,
    ) -> Answer {
        let mut request = json_request(&Method::POST, path);
        if let Some(language) = language {
            request = request.header("Accept-Language", language);
        }
        self.send(request.body(body.into()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.post_raw(path, body.to_string(), None).await
    }

    /// With an access token, and a body if there is one.
    pub(crate) async fn call_as(
        &self,
        bearer: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let request =
            json_request(&method, path).header("Authorization", format!("Bearer {bearer}"));
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.send(request.body(body).unwrap()).await
    }

    pub(crate) async fn post_as(&self, bearer: &str, path: &str, body: Value) -> Answer {
        self.call_as(bearer, Method::POST, path, Some(body)).await
    }

    pub(crate) async fn get_as(&self, bearer: &str, path: &str) -> Answer {
        self.call_as(bearer, Method::GET, path, None).await
    }

    pub(crate) async fn delete_as(&self, bearer: &str, path: &str) -> Answer {
        self.call_as(bearer, Method::DELETE, path, None).await
    }

    pub(crate) async fn get(&self, path: &str, authorization: &[&str]) -> Answer {
        let mut request = Request::get(path);
        for value in authorization {
            request = request.header("Authorization", *value);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn register_as(&self, email: &str, name: &str) -> Answer {
        let body = json!({"email": email, "password": OLD, "name": name});
        self.post("/auth/register", body).await
    }

    pub(crate) async fn register(&self) -> Answer {
        self.register_as("Ann@Example.com", "안 Ann").await
    }

    pub(crate) async fn login(&self, password: &str) -> Answer {
        self.login_as(ANN, password).await
    }

    pub(crate) async fn login_as(&self, email: &str, password: &str) -> Answer {
        self.post("/auth/login", json!({"email": email, "password": password})).await
    }

    /// A session of Ann's, who has an account.
    pub(crate) async fn session(&self) -> Session {
        Session::of(&self.login(OLD).await)
    }

    /// Ann's first session, in a world where she had no account.
    pub(crate) async fn first_session(&self) -> Session {
        assert_eq!(self.register().await.status, StatusCode::CREATED);
        self.session().await
    }

    pub(crate) async fn refresh(&self, token: &str) -> Answer {
        self.post("/auth/refresh", json!({"refresh_token": token})).await
    }

    /// Whether a session still refreshes; spends its token.
    pub(crate) async fn is_alive(&self, session: &Session) -> bool {
        self.refresh(&session.refresh).await.status == StatusCode::OK
    }
}

pub(crate) async fn reset_token(world: &Testing, client: &Client) -> String {
    client.post("/auth/forgot-password", json!({"email": ANN})).await;
    world.deliver_mail().await;
    world.reset_token(&ann()).unwrap().expose().to_string()
}

pub(crate) async fn verification_token(world: &Testing, client: &Client) -> String {
    client.post("/auth/verify-email/resend", json!({"email": ANN})).await;
    world.deliver_mail().await;
    world.link_token(&ann()).unwrap()
}

/// The token of a link that moves a session's account to `to`.
pub(crate) async fn email_change_token(
    world: &Testing,
    client: &Client,
    session: &Session,
    to: &str,
) -> String {
    let body = json!({"new_email": to, "current_password": OLD});
    let answer = client.post_as(&session.access, "/auth/change-email", body).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
    world.deliver_mail().await;
    world.link_token(&Email::parse(to).unwrap()).unwrap()
}
