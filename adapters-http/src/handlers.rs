use auth_domain::{
    DisplayName, Email, Login, LoginRequest, Password, RegisterRequest, Registration, ResetRequest,
    ResetToken, SignedToken, UserId,
};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Serialize;

use crate::call::{Call, json};
use crate::fields::Fields;
use crate::problem::{self, Problem};
use crate::{Service, bearer, language};

#[derive(Serialize)]
struct Account {
    user_id: String,
    email: String,
    name: String,
}

impl Account {
    fn new(user_id: UserId, email: &Email, name: &DisplayName) -> Self {
        Self {
            user_id: user_id.to_string(),
            email: email.as_str().to_owned(),
            name: name.as_str().to_owned(),
        }
    }
}

#[derive(Serialize)]
struct Tokens {
    #[serde(flatten)]
    account: Account,
    token: String,
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
}

#[derive(Serialize)]
struct Nothing {}

fn password(fields: &mut Fields, name: &'static str) -> Result<Password, Problem> {
    Password::new(fields.take(name).as_str()).map_err(|why| Problem::from(why).about(name))
}

pub(crate) async fn register(State(service): State<Service>, request: Request) -> Response {
    let success = (StatusCode::CREATED, &language::REGISTERED);
    let work = async |service: Service, mut call: Call| {
        let request = RegisterRequest {
            email: Email::parse(&call.fields.take("email"))?,
            password: password(&mut call.fields, "password")?,
            name: DisplayName::parse(&call.fields.take("name"))?,
        };
        let account =
            service.options.in_time(service.auth.register(request, &call.context)).await?;
        let Registration::Made(account) = account else {
            return Err(Problem::of(&problem::INTERNAL_ERROR));
        };
        Ok(Account::new(account.user_id, &account.email, &account.name))
    };
    service.answer(request, &["email", "password", "name"], success, work).await
}

pub(crate) async fn login(State(service): State<Service>, request: Request) -> Response {
    let success = (StatusCode::OK, &language::LOGGED_IN);
    let work = async |service: Service, mut call: Call| {
        let request = LoginRequest {
            email: Email::parse_with_spelling(&call.fields.take("email"))?,
            password: password(&mut call.fields, "password")?,
        };
        let login = service.options.in_time(service.auth.login(request, &call.context)).await?;
        Ok(tokens(&login))
    };
    service.answer(request, &["email", "password"], success, work).await
}

fn tokens(login: &Login) -> Tokens {
    let access_token = login.access_token.expose();
    let token = login.compatibility_token.as_ref().map_or(access_token, SignedToken::expose);
    Tokens {
        account: Account::new(login.user_id, &login.email, &login.name),
        token: token.to_owned(),
        access_token: access_token.to_owned(),
        token_type: "Bearer",
        expires_in: login.expires_in.as_secs(),
    }
}

pub(crate) async fn forgot_password(State(service): State<Service>, request: Request) -> Response {
    let success = (StatusCode::OK, &language::RESET_REQUESTED);
    let work = async |service: Service, mut call: Call| {
        let email = Email::parse(&call.fields.take("email"))?;
        let asked = service.auth.request_password_reset(email, &call.context);
        service.options.in_time(asked).await?;
        Ok(Nothing {})
    };
    service.answer(request, &["email"], success, work).await
}

pub(crate) async fn reset_password(State(service): State<Service>, request: Request) -> Response {
    let success = (StatusCode::OK, &language::PASSWORD_RESET);
    let work = async |service: Service, mut call: Call| {
        let request = ResetRequest {
            token: ResetToken::parse(&call.fields.take("token"))?,
            new_password: password(&mut call.fields, "new_password")?,
        };
        // A client that hangs up must not spend its link for nothing: once begun, a reset is finished or
        // given up in its time, whoever waits. The time runs inside, so that nothing outlives an answer.
        let reset = async move {
            service.options.in_time(service.auth.reset_password(request, &call.context)).await
        };
        match tokio::spawn(reset).await {
            Ok(outcome) => outcome.map(|()| Nothing {}),
            Err(ended) => match ended.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(Problem::of(&problem::UNAVAILABLE)),
            },
        }
    };
    service.answer(request, &["token", "new_password"], success, work).await
}

pub(crate) async fn me(State(service): State<Service>, headers: HeaderMap) -> Response {
    let locale = service.options.locale(&headers);
    match bearer::authenticate(&service.auth, &service.options, &headers).await {
        Ok(claims) => {
            let account = Account::new(claims.user_id, &claims.email, &claims.name);
            json(StatusCode::OK, locale, &account)
        }
        Err(problem) => problem.in_language(locale),
    }
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

pub(crate) async fn healthz(State(service): State<Service>, headers: HeaderMap) -> Response {
    json(StatusCode::OK, service.options.locale(&headers), &Health { status: "ok" })
}
