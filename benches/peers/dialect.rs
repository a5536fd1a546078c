//! How each server is asked for the same things.

use anyhow::{Context as _, Result};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderName, HeaderValue, SET_COOKIE};
use hyper::{Method, Request, Response};
use serde_json::{Value, json};

pub(crate) const PASSWORD: &str = "correct horse battery staple 42";
pub(crate) const WRONG_PASSWORD: &str = "wrong horse battery staple 42";

/// The calls of a server.
#[derive(Clone, Copy)]
pub(crate) enum Dialect {
    Ours,
    /// rustauth is a port of it and has its calls.
    BetterAuth,
    FastapiUsers,
    Allauth,
    Torii,
    AxumLogin,
}

impl Dialect {
    pub(crate) fn register(self, email: &str) -> Request<Full<Bytes>> {
        let path = match self {
            Self::Ours | Self::FastapiUsers | Self::Torii => "/auth/register",
            Self::BetterAuth => "/api/auth/sign-up/email",
            Self::Allauth => "/_allauth/app/v1/auth/signup",
            Self::AxumLogin => "/register",
        };
        let mut body = json!({"email": email, "password": PASSWORD});
        if matches!(self, Self::Ours | Self::BetterAuth) {
            body["name"] = "Ann".into();
        }
        post(path, "application/json", body.to_string())
    }

    pub(crate) fn login(self, email: &str, password: &str) -> Request<Full<Bytes>> {
        let path = match self {
            Self::Ours | Self::Torii => "/auth/login",
            Self::BetterAuth => "/api/auth/sign-in/email",
            Self::FastapiUsers => {
                let form = format!("username={email}&password={}", password.replace(' ', "+"));
                return post("/auth/login", "application/x-www-form-urlencoded", form);
            }
            Self::Allauth => "/_allauth/app/v1/auth/login",
            Self::AxumLogin => "/login",
        };
        post(path, "application/json", json!({"email": email, "password": password}).to_string())
    }

    pub(crate) const fn check_path(self) -> &'static str {
        match self {
            Self::Ours => "/auth/me",
            Self::BetterAuth => "/api/auth/get-session",
            Self::FastapiUsers | Self::AxumLogin => "/me",
            Self::Allauth => "/_allauth/app/v1/auth/session",
            Self::Torii => "/auth/user",
        }
    }

    /// A check of the session that this answer to a login began.
    pub(crate) fn check(self, login: &Response<Bytes>) -> Result<Request<Full<Bytes>>> {
        let (name, value) = match self {
            Self::Ours | Self::FastapiUsers => {
                (AUTHORIZATION, format!("Bearer {}", token(login, "/access_token")?))
            }
            Self::Allauth => {
                (HeaderName::from_static("x-session-token"), token(login, "/meta/session_token")?)
            }
            Self::BetterAuth | Self::Torii | Self::AxumLogin => (COOKIE, cookies(login)),
        };
        let mut check = Request::get(self.check_path()).body(Full::default())?;
        check.headers_mut().insert(name, value.parse()?);
        Ok(check)
    }
}

fn post(path: &'static str, content_type: &'static str, body: String) -> Request<Full<Bytes>> {
    let mut request = Request::new(body.into());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = hyper::Uri::from_static(path);
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    request
}

fn token(login: &Response<Bytes>, pointer: &str) -> Result<String> {
    let body: Value = serde_json::from_slice(login.body())?;
    let token = body.pointer(pointer).and_then(Value::as_str);
    token.map(str::to_owned).with_context(|| format!("no {pointer} came"))
}

fn cookies(login: &Response<Bytes>) -> String {
    let all = login.headers().get_all(SET_COOKIE).iter();
    let pairs = all.filter_map(|cookie| cookie.to_str().ok()?.split(';').next());
    pairs.collect::<Vec<_>>().join("; ")
}
