use std::sync::Arc;

use auth_domain::{Auth, Claims, Locale, Messages, RequestContext, RequestId, UserAgent};
use axum::body::Body;
use axum::extract::{FromRequestParts, RawPathParams, Request, State};
#[cfg(feature = "pages")]
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{MethodRouter, on};
use serde::Serialize;
use tracing::Instrument;
use zeroize::Zeroizing;

use crate::endpoint::Endpoint;
use crate::fields::Fields;
use crate::language::{Answer, set_content_language};
use crate::problem::{self, Problem};
use crate::{Service, bearer, body};

/// One request, read to its end, whatever it is: so its sender gets to reading the answer.
pub(crate) struct Call {
    pub(crate) context: RequestContext,
    endpoint: &'static Endpoint,
    service: Service,
    parts: Parts,
    body: Result<Zeroizing<Vec<u8>>, Problem>,
}

/// Answers requests of an endpoint by what `work` makes of them, in the client's language.
pub(crate) fn call<W, F>(endpoint: &'static Endpoint, work: W) -> MethodRouter<Service>
where
    W: Fn(Call) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response, Problem>> + Send + 'static,
{
    on(endpoint.method.filter(), async move |State(service): State<Service>, request: Request| {
        let options = Arc::clone(&service.options);
        let locale = options.locale(request.headers());
        let outcome = work(Call::read(service, endpoint, request, locale).await).await;
        outcome.unwrap_or_else(|problem| problem.in_language(&options.messages, locale))
    })
}

impl Call {
    pub(crate) async fn read(
        service: Service,
        endpoint: &'static Endpoint,
        request: Request,
        locale: Locale,
    ) -> Self {
        let (parts, body) = request.into_parts();
        let body = body::read(body, service.options.body_timeout).await;
        let source = service.options.client_address.of(&parts);
        let context = RequestContext::new().in_locale(locale).from_source(source);
        let context = context
            .from_client(user_agent(&parts))
            .with_request_id(parts.extensions.get::<RequestId>().copied());
        Self { context, endpoint, service, parts, body }
    }

    pub(crate) const fn auth(&self) -> &Auth {
        &self.service.auth
    }

    /// Who bears the access token of this request.
    pub(crate) async fn bearer(&self) -> Result<Claims, Problem> {
        let Self { context, service, parts, .. } = self;
        bearer::authenticate(&service.auth, &service.options, &parts.headers, context).await
    }

    /// The body: the fields of the endpoint.
    pub(crate) fn fields(&self) -> Result<Fields, Problem> {
        let body = self.body.as_ref().map_err(|problem| *problem)?;
        if !body::is_plain_json(&self.parts.headers) {
            return Err(Problem::of(&problem::UNSUPPORTED_MEDIA_TYPE));
        }
        Fields::parse(body, self.endpoint.body.fields())
    }

    /// The body, if there is one.
    pub(crate) fn fields_if_any(&self) -> Result<Option<Fields>, Problem> {
        let is_empty = self.body.as_ref().is_ok_and(|body| body.is_empty());
        if is_empty { Ok(None) } else { self.fields().map(Some) }
    }

    /// The body as a form of the same fields.
    #[cfg(feature = "pages")]
    pub(crate) fn form(&self) -> Result<Fields, Problem> {
        let body = self.body.as_ref().map_err(|problem| *problem)?;
        if !body::is_plain_form(&self.parts.headers) {
            return Err(Problem::of(&problem::FORM_UNREADABLE));
        }
        Fields::parse_form(body, self.endpoint.body.fields())
    }

    /// Whether a form was sent by a button of this name, which no endpoint knows.
    #[cfg(feature = "pages")]
    pub(crate) fn has_form_field(&self, name: &str) -> bool {
        let body = self.body.as_deref().map_or(&[][..], Vec::as_slice);
        url::form_urlencoded::parse(body).any(|(key, _)| key == name)
    }

    /// A refusal, where no page can be shown.
    #[cfg(feature = "pages")]
    pub(crate) fn refuse(&self, problem: Problem) -> Response {
        problem.in_language(&self.service.options.messages, self.context.locale)
    }

    #[cfg(feature = "pages")]
    pub(crate) const fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }

    /// The part of the path that a route leaves open; empty if it is no text. The last one: a router that
    /// ours is nested in may leave parts open before it.
    pub(crate) async fn path_segment(&mut self) -> String {
        let params = RawPathParams::from_request_parts(&mut self.parts, &()).await;
        let last = params.as_ref().ok().and_then(|params| params.iter().last());
        last.map(|(_, segment)| segment.to_owned()).unwrap_or_default()
    }

    /// What a use case comes to, unless it takes too long. Dropped with a client that hangs up.
    pub(crate) async fn in_time<T, E: Into<Problem>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Problem> {
        self.service.options.in_time(work).await
    }

    /// What a use case comes to that a client who hangs up must not tear apart, leaving a link or token
    /// spent for nothing: once begun, it is finished or given up in its time, whoever waits. The time runs
    /// inside, so that nothing outlives an answer.
    pub(crate) async fn to_its_end<F, T, E>(
        &self,
        work: impl FnOnce(Auth, RequestContext) -> F,
    ) -> Result<T, Problem>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: Into<Problem>,
    {
        let options = Arc::clone(&self.service.options);
        let work = work(self.auth().clone(), self.context.clone());
        let work = async move { options.in_time(work).await };
        match tokio::spawn(work.in_current_span()).await {
            Ok(outcome) => outcome,
            Err(ended) => match ended.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(Problem::of(&problem::UNAVAILABLE)),
            },
        }
    }

    /// An answer with a sentence in it.
    pub(crate) fn answer<T: Serialize>(
        &self,
        status: StatusCode,
        says: &Answer,
        answer: &T,
    ) -> Response {
        let (messages, locale) = (&self.service.options.messages, self.context.locale);
        let message = &*messages.text(locale, says.id(), &[]);
        let locale = messages.language_of(locale, says.id());
        json(status, messages, locale, &WithMessage { message, answer })
    }

    /// An answer that is nothing but a sentence.
    pub(crate) fn say(&self, status: StatusCode, says: &Answer) -> Response {
        self.answer(status, says, &Nothing {})
    }

    pub(crate) fn json<T: Serialize>(&self, status: StatusCode, answer: &T) -> Response {
        json(status, &self.service.options.messages, self.context.locale, answer)
    }
}

/// What the client calls itself, as far as it is text.
fn user_agent(parts: &Parts) -> Option<UserAgent> {
    let value = parts.headers.get(header::USER_AGENT)?;
    UserAgent::new(&String::from_utf8_lossy(value.as_bytes()))
}

#[derive(Serialize)]
struct Nothing {}

#[derive(Serialize)]
struct WithMessage<'a, T> {
    message: &'a str,
    #[serde(flatten)]
    answer: &'a T,
}

/// An answer as JSON. What is answered here is made of strings and numbers, and always serializes.
pub(crate) fn json<T: Serialize>(
    status: StatusCode,
    messages: &Messages,
    locale: Locale,
    answer: &T,
) -> Response {
    let Ok(body) = serde_json::to_vec(answer) else {
        return Problem::of(&problem::INTERNAL_ERROR).in_language(messages, locale);
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    set_content_language(headers, locale);
    response
}
