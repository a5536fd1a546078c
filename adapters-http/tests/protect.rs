//! Somebody's own routes behind access tokens: by extractor and by layer, with the whole service and with
//! its public keys alone.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "tests")]

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use adapters_http::{Bearer, HttpOptions, RequireBearer, router};
use adapters_local::{
    CompatibilityIssuer, Jwks, JwtIssuer, JwtVerifier, OsEntropy, SigningKey, Testing,
    TokenProfile, testing, testing_with,
};
use auth_domain::ports::{Clock as _, TokenIssuer};
use auth_domain::{
    AccessTokenVerifier, Claims, CredentialVersion, DisplayName, Email, Locale, LoginRequest,
    MasterSecret, Password, RegisterRequest, RequestContext, SessionId, TokenCheck, UserId,
};
use axum::body::Body;
use axum::extract::FromRef;
use axum::http::{HeaderMap, Request, Response, StatusCode, header};
use axum::routing::get;
use axum::{Extension, Router};
use http_body_util::BodyExt as _;
use tower::{Layer as _, Service, ServiceExt};

const ISSUER: &str = "https://auth.example.com";
const AUDIENCE: &str = "tests";

fn profile(audience: &str) -> TokenProfile {
    TokenProfile::new(ISSUER, audience).unwrap()
}

/// What a resource service holds: the keys that the other publishes, and a clock.
fn by_keys(world: &Testing) -> AccessTokenVerifier {
    let jwks = Jwks::parse(&world.auth.jwks()).unwrap();
    let verifier = JwtVerifier::from_jwks(&jwks, profile(AUDIENCE));
    AccessTokenVerifier::new(Arc::new(verifier), Arc::clone(&world.clock) as _)
}

async fn by_extractor(Bearer(claims): Bearer) -> String {
    claims.name.as_str().to_owned()
}

async fn by_layer(Extension(claims): Extension<Claims>) -> String {
    claims.name.as_str().to_owned()
}

fn extracting<S: Clone + Send + Sync + 'static>(state: S) -> Router
where
    RequireBearer: FromRef<S>,
{
    Router::new().route("/own", get(by_extractor)).with_state(state)
}

fn layered(require_bearer: RequireBearer) -> Router {
    Router::new().route("/own", get(by_layer)).route_layer(require_bearer)
}

#[derive(Clone, FromRef)]
struct Shop {
    require_bearer: RequireBearer,
    motto: &'static str,
}

/// Every way to protect `/own`.
fn applications(world: &Testing) -> Vec<(&'static str, Router)> {
    let (auth, keys) = (world.auth.clone(), by_keys(world));
    let shop = Shop { require_bearer: RequireBearer::new(auth.clone()), motto: "Welcome" };
    assert_eq!(shop.motto, "Welcome");
    vec![
        ("extractor, service", extracting(auth.clone())),
        ("extractor, keys", extracting(keys.clone())),
        ("extractor, part of a state", extracting(shop)),
        ("layer, service", layered(RequireBearer::new(auth))),
        ("layer, keys", layered(RequireBearer::new(keys))),
    ]
}

fn request(path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

type Answer = (StatusCode, HeaderMap, String);

async fn send(app: &Router, path: &str, headers: &[(&str, &str)]) -> Answer {
    let response = app.clone().oneshot(request(path, headers)).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    (parts.status, parts.headers, String::from_utf8(bytes.to_vec()).unwrap())
}

async fn access_token(world: &Testing) -> String {
    let email = Email::parse("ann@example.com").unwrap();
    let password = Password::new("correct horse battery").unwrap();
    let name = DisplayName::parse("Ann").unwrap();
    let request = RegisterRequest { email: email.clone(), password: password.clone(), name };
    world.auth.register(request, &RequestContext::new()).await.unwrap();
    let request = LoginRequest { email, password };
    let login = world.auth.login(request, &RequestContext::new()).await.unwrap();
    login.access_token.expose().to_owned()
}

fn claims(world: &Testing) -> Claims {
    Claims {
        user_id: UserId::from_entropy_bytes([1; 16]),
        session_id: SessionId::from_entropy_bytes([2; 16]),
        email: Email::parse("eve@example.com").unwrap(),
        name: DisplayName::parse("Eve").unwrap(),
        credential_version: CredentialVersion::FIRST,
        issued_at: world.clock.now(),
        expires_at: world.clock.now() + Duration::from_mins(15),
    }
}

/// Tokens that are signed and current, and not for here.
async fn tokens_of_others(world: &Testing) -> Vec<(&'static str, String)> {
    let key = || SigningKey::ed25519_from_master(&MasterSecret::new([7; 32]).unwrap());
    let stranger = SigningKey::ed25519_from_seed(&[9; 32]);
    let issuer = |key, audience| JwtIssuer::new(key, profile(audience), Arc::new(OsEntropy::new()));
    let compatible = CompatibilityIssuer::new(&[7; 32]).unwrap();
    let claims = claims(world);
    let issued =
        async |issuer: &dyn TokenIssuer| issuer.issue(&claims).await.unwrap().expose().to_owned();
    let mine = issued(&issuer(key(), AUDIENCE)).await;
    let (status, _, name) =
        send(&extracting(by_keys(world)), "/own", &[("Authorization", &format!("Bearer {mine}"))])
            .await;
    assert_eq!((status, name.as_str()), (StatusCode::OK, "Eve"), "these differ in one thing only");
    vec![
        ("another audience", issued(&issuer(key(), "other")).await),
        ("another key", issued(&issuer(stranger, AUDIENCE)).await),
        ("another kind", issued(&compatible).await),
    ]
}

#[tokio::test]
async fn a_good_token_passes_and_says_who_bears_it() {
    let world = testing();
    let bearer = format!("Bearer {}", access_token(&world).await);
    for (way, app) in applications(&world) {
        let (status, _, body) = send(&app, "/own", &[("Authorization", &bearer)]).await;
        assert_eq!((status, body.as_str()), (StatusCode::OK, "Ann"), "{way}");
    }
}

#[tokio::test]
async fn all_else_is_answered_as_the_router_answers_it() {
    let world = testing();
    let own = router(world.auth.clone(), HttpOptions::default());
    let good = access_token(&world).await;
    let mut values: Vec<(&str, Option<String>)> = vec![
        ("none", None),
        ("nothing", Some(String::new())),
        ("another scheme", Some("Basic YTpi".into())),
        ("two tokens", Some(format!("Bearer {good} {good}"))),
        ("cut", Some(format!("Bearer {}", &good[..good.len() - 1]))),
        ("refresh token", Some("Bearer 0b0e5a5e.AAAA".into())),
    ];
    for (what, token) in tokens_of_others(&world).await {
        values.push((what, Some(format!("Bearer {token}"))));
    }
    for language in ["en", "ko", "xx"] {
        for (what, value) in &values {
            let mut headers = vec![("Accept-Language", language)];
            headers.extend(value.iter().map(|value| ("Authorization", value.as_str())));
            let expected = send(&own, "/auth/me", &headers).await;
            assert!(expected.0.is_client_error() && expected.1.contains_key("www-authenticate"));
            for (way, app) in applications(&world) {
                let (status, headers, body) = send(&app, "/own", &headers).await;
                assert_eq!((status, &body), (expected.0, &expected.2), "{way}, {what}");
                for (name, value) in &headers {
                    assert_eq!(expected.1.get(name), Some(value), "{way}, {what}: {name}");
                }
                for name in ["www-authenticate", "content-type", "cache-control"] {
                    assert!(headers.contains_key(name), "{way}, {what}: {name}");
                }
            }
        }
    }
    world.clock.advance(Duration::from_mins(15));
    for (way, app) in applications(&world) {
        let late = send(&app, "/own", &[("Authorization", &format!("Bearer {good}"))]).await;
        assert_eq!(late.0, StatusCode::UNAUTHORIZED, "{way}");
        assert!(late.2.contains("token_invalid"), "{way}");
    }
}

#[tokio::test]
async fn a_strict_service_is_asked_and_keys_alone_are_not() {
    let world = testing_with(|_, settings| settings.token_check = TokenCheck::Strict);
    // A token of an account that the stores do not know.
    let profile = profile(AUDIENCE);
    let key = SigningKey::ed25519_from_master(&MasterSecret::new([7; 32]).unwrap());
    let issuer = JwtIssuer::new(key, profile, Arc::new(OsEntropy::new()));
    let token = issuer.issue(&claims(&world)).await.unwrap();
    let bearer = format!("Bearer {}", token.expose());
    for (way, app) in applications(&world) {
        let (status, ..) = send(&app, "/own", &[("Authorization", &bearer)]).await;
        let expected = if way.contains("keys") { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
        assert_eq!(status, expected, "{way}");
    }
}

#[tokio::test]
async fn clients_that_name_no_language_get_the_default_one() {
    let require_bearer = RequireBearer::new(by_keys(&testing()));
    let mut options = HttpOptions::default();
    options.default_locale = Locale::KO;
    let korean = layered(require_bearer.clone().with_options(options));
    for (app, language) in [(layered(require_bearer), "en"), (korean, "ko")] {
        let (_, headers, _) = send(&app, "/own", &[]).await;
        assert_eq!(headers[header::CONTENT_LANGUAGE], language);
    }
}

/// Counts its calls, and may only be called by who polled it to readiness: a clone was not.
struct Strict {
    ready: bool,
    calls: Arc<AtomicUsize>,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self { ready: false, calls: Arc::clone(&self.calls) }
    }
}

impl<B> Service<Request<B>> for Strict {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called before it was ready");
        let claims = request.extensions().get::<Claims>().expect("claims");
        assert_eq!(claims.name.as_str(), "Ann", "not those of the token");
        self.calls.fetch_add(1, Ordering::SeqCst);
        ready(Ok(Response::new(Body::empty())))
    }
}

#[tokio::test]
async fn a_layer_calls_the_service_that_was_ready_and_only_for_a_good_token() {
    let world = testing();
    let bearer = format!("Bearer {}", access_token(&world).await);
    for require_bearer in
        [RequireBearer::new(world.auth.clone()), RequireBearer::new(by_keys(&world))]
    {
        let calls = Arc::new(AtomicUsize::new(0));
        let inner = Strict { ready: false, calls: Arc::clone(&calls) };
        let mut service = require_bearer.layer(inner);
        for headers in
            [&[][..], &[("Authorization", bearer.as_str())], &[("Authorization", "Bearer x")]]
        {
            let mut request = request("/", headers);
            // What a careless layer further out has left there does not count.
            request.extensions_mut().insert(claims(&world));
            let good = headers.iter().any(|(_, value)| *value == bearer);
            let service = ServiceExt::<Request<Body>>::ready(&mut service).await.unwrap();
            let response = service.call(request).await.unwrap();
            assert_eq!(response.status().is_success(), good);
        }
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    }
}
