use auth_domain::{Auth, Claims, RequestContext};
use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::response::Response;

use crate::problem::{self, Problem};
use crate::{HttpOptions, RequireBearer};

/// Who calls one of your own routes, by the access token of the request: an extractor that lets nobody
/// else in. Without a good token the answer is that of `GET /auth/me`: 401 as problem+json with its
/// challenge, in the client's language.
///
/// It checks by the [`RequireBearer`] of the router's state, which is there of itself if the state is an
/// [`Auth`] or an [`AccessTokenVerifier`](auth_domain::AccessTokenVerifier); a larger state has a
/// `RequireBearer` as one of its parts (`#[derive(FromRef)]`). To protect many routes at once, put that
/// over them as a layer.
///
/// ```
/// use adapters_http::Bearer;
/// use auth_domain::Auth;
/// use axum::{Router, routing::get};
///
/// async fn greet(Bearer(claims): Bearer) -> String {
///     format!("Hello, {}", claims.name.as_str())
/// }
///
/// fn app(auth: Auth) -> Router {
///     Router::new().route("/greeting", get(greet)).with_state(auth)
/// }
/// ```
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "taken apart in the arguments of handlers")]
pub struct Bearer(
    /// What the token says.
    pub Claims,
);

impl<S> FromRequestParts<S> for Bearer
where
    S: Send + Sync,
    RequireBearer: FromRef<S>,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let require = RequireBearer::from_ref(state);
        require.claims(&parts.headers, &parts.extensions).await.map(Self)
    }
}

/// Who bears the token of a request.
pub(crate) async fn authenticate(
    auth: &Auth,
    options: &HttpOptions,
    headers: &HeaderMap,
    context: &RequestContext,
) -> Result<Claims, Problem> {
    let token = bearer_token(headers)?;
    options.in_time(auth.authenticate_request(token, context)).await
}

/// The token of an `Authorization: Bearer` header (RFC 6750 section 2.1), the only place where one is
/// looked for.
pub(crate) fn bearer_token(headers: &HeaderMap) -> Result<&str, Problem> {
    let malformed = || Problem::of(&problem::AUTHORIZATION_MALFORMED);
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Err(Problem::of(&problem::TOKEN_MISSING));
    };
    if values.next().is_some() {
        return Err(malformed());
    }
    let value = value.to_str().map_err(|_| malformed())?;
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Problem::of(&problem::TOKEN_MISSING));
    }
    let token = token.trim();
    // A header's text is ASCII, and its blanks are these.
    let well_formed = !token.is_empty() && !token.bytes().any(|b| matches!(b, b' ' | b'\t' | b','));
    if well_formed { Ok(token) } else { Err(malformed()) }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn read(values: &[&[u8]]) -> Result<String, &'static str> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        bearer_token(&headers).map(str::to_owned).map_err(|problem| problem.code())
    }

    #[test]
    fn one_bearer_token_is_read_and_nothing_else() {
        assert_eq!(read(&[b"Bearer a.b.c"]).as_deref(), Ok("a.b.c"));
        assert_eq!(read(&[b"bearer a.b.c"]).as_deref(), Ok("a.b.c"));
        for (values, code) in [
            (&[][..], "token_missing"),
            (&[&b"Basic YTpi"[..]], "token_missing"),
            (&[&b""[..]], "token_missing"),
            (&[&b"Bearer"[..]], "authorization_malformed"),
            (&[&b"Bearer  "[..]], "authorization_malformed"),
            (&[&b"Bearer a b"[..]], "authorization_malformed"),
            (&[&b"Bearer a,b"[..]], "authorization_malformed"),
            (&[&b"Bearer \xff"[..]], "authorization_malformed"),
            (&[&b"Bearer a"[..], &b"Bearer b"[..]], "authorization_malformed"),
        ] {
            assert_eq!(read(values), Err(code), "{values:?}");
        }
    }
}
