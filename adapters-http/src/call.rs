use auth_domain::{Locale, RequestContext};
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;

use crate::fields::Fields;
use crate::language::Sentences;
use crate::problem::{self, Problem};
use crate::{Service, body};

/// One request with a JSON body, read and in its language.
pub(crate) struct Call {
    pub(crate) context: RequestContext,
    pub(crate) fields: Fields,
}

impl Service {
    /// Answers `request` by what `work` makes of its fields, in the client's language.
    pub(crate) async fn answer<W, T>(
        self,
        request: Request,
        names: &'static [&'static str],
        success: (StatusCode, &Sentences),
        work: W,
    ) -> Response
    where
        W: AsyncFnOnce(Self, Call) -> Result<T, Problem>,
        T: Serialize,
    {
        let locale = self.options.locale(request.headers());
        let outcome = async {
            let call = self.read(request, names, locale).await?;
            work(self, call).await
        };
        match outcome.await {
            Ok(answer) => {
                let message = success.1.in_language(locale);
                json(success.0, locale, &WithMessage { message, answer })
            }
            Err(problem) => problem.in_language(locale),
        }
    }

    async fn read(
        &self,
        request: Request,
        names: &'static [&'static str],
        locale: Locale,
    ) -> Result<Call, Problem> {
        let (parts, body) = request.into_parts();
        let mut context = RequestContext::new().in_locale(locale);
        context.source = Some(self.options.client_address.of(&parts));
        let bytes = body::read(&parts.headers, body, self.options.body_timeout).await?;
        Ok(Call { context, fields: Fields::parse(&bytes, names)? })
    }
}

#[derive(Serialize)]
struct WithMessage<T> {
    message: &'static str,
    #[serde(flatten)]
    answer: T,
}

/// An answer as JSON. What is answered here is made of strings and numbers, and always serializes.
pub(crate) fn json<T: Serialize>(status: StatusCode, locale: Locale, answer: &T) -> Response {
    let Ok(body) = serde_json::to_vec(answer) else {
        return Problem::of(&problem::INTERNAL_ERROR).in_language(locale);
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(locale.tag()));
    response
}
