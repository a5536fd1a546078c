use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use auth_domain::{AccessTokenVerifier, Auth, AuthenticateError, Claims, RequestContext};
use axum::extract::FromRef;
use axum::http::{Extensions, HeaderMap, HeaderValue, Request, header};
use axum::response::{IntoResponse, Response};
use tower::{Layer, Service};

use crate::HttpOptions;
use crate::bearer::{authenticate, bearer_token};
use crate::problem::Problem;
use crate::request_span::id_of;

/// Protects your own routes: only a request with a good access token passes.
///
/// As a [`Layer`] it stands over any service of HTTP requests, and puts the [`Claims`] into the
/// extensions of each request that it lets through. As (a part of) a router's state it is what
/// [`Bearer`](crate::Bearer) checks by. All others are answered as `GET /auth/me` answers them: 401 as
/// problem+json with its challenge, or 400 for a malformed header, or 503 if a strict check cannot be
/// made; never passed on.
///
/// ```
/// use adapters_http::RequireBearer;
/// use auth_domain::{AccessTokenVerifier, Claims};
/// use axum::{Extension, Router, routing::get};
///
/// async fn greet(Extension(claims): Extension<Claims>) -> String {
///     format!("Hello, {}", claims.name.as_str())
/// }
///
/// fn app(verifier: AccessTokenVerifier) -> Router {
///     let protected = Router::new().route("/greeting", get(greet));
///     protected.route_layer(RequireBearer::new(verifier))
/// }
/// ```
///
/// A browser's preflight request carries no token: a layer that answers those (CORS) goes outside.
#[derive(Clone, Debug)]
pub struct RequireBearer {
    check: Check,
    options: Arc<HttpOptions>,
}

#[derive(Clone, Debug)]
enum Check {
    Service(Auth),
    Keys(AccessTokenVerifier),
}

impl RequireBearer {
    /// Checks tokens by an [`Auth`], as strictly as its settings say, or by an [`AccessTokenVerifier`].
    pub fn new(check: impl Into<Self>) -> Self {
        check.into()
    }

    /// With the languages and the time limit of these options, as the router has them.
    #[must_use]
    pub fn with_options(self, options: HttpOptions) -> Self {
        Self { options: Arc::new(options), ..self }
    }

    /// Who sends a request with these headers, or what he is answered.
    pub(crate) async fn claims(
        &self,
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> Result<Claims, Response> {
        let mut context = RequestContext::new().with_request_id(id_of(extensions, headers));
        context.source = self.options.client_address.known(extensions, headers);
        let outcome = match &self.check {
            Check::Service(auth) => authenticate(auth, &self.options, headers, &context).await,
            Check::Keys(verifier) => verified(verifier, headers),
        };
        outcome.map_err(|problem| refusal(&problem, &self.options, headers))
    }
}

fn verified(verifier: &AccessTokenVerifier, headers: &HeaderMap) -> Result<Claims, Problem> {
    let token = bearer_token(headers)?;
    verifier.authenticate(token).map_err(|rejected| AuthenticateError::from(rejected).into())
}

/// With the headers that the router puts on every answer.
fn refusal(problem: &Problem, options: &HttpOptions, headers: &HeaderMap) -> Response {
    let mut response = problem.answer(options, headers);
    let constants =
        [(header::CACHE_CONTROL, "no-store"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    for (name, value) in constants {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

impl From<Auth> for RequireBearer {
    fn from(auth: Auth) -> Self {
        Self { check: Check::Service(auth), options: Arc::default() }
    }
}

impl From<AccessTokenVerifier> for RequireBearer {
    fn from(verifier: AccessTokenVerifier) -> Self {
        Self { check: Check::Keys(verifier), options: Arc::default() }
    }
}

impl FromRef<Auth> for RequireBearer {
    fn from_ref(auth: &Auth) -> Self {
        auth.clone().into()
    }
}

impl FromRef<AccessTokenVerifier> for RequireBearer {
    fn from_ref(verifier: &AccessTokenVerifier) -> Self {
        verifier.clone().into()
    }
}

impl<S> Layer<S> for RequireBearer {
    type Service = RequireBearerService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequireBearerService { require: self.clone(), inner }
    }
}

/// A service behind a [`RequireBearer`].
#[derive(Clone, Debug)]
pub struct RequireBearerService<S> {
    require: RequireBearer,
    inner: S,
}

impl<S, B> Service<Request<B>> for RequireBearerService<S>
where
    S: Service<Request<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Response: IntoResponse,
    B: Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // The one that was found ready is called; its clone may not be.
        let next = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, next);
        let require = self.require.clone();
        Box::pin(async move {
            match require.claims(request.headers(), request.extensions()).await {
                Ok(claims) => {
                    request.extensions_mut().insert(claims);
                    Ok(ready.call(request).await?.into_response())
                }
                Err(refusal) => Ok(refusal),
            }
        })
    }
}
