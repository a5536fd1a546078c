use auth_domain::{DisplayName, Email, RegisterRequest, Registration, UserId};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::password;
use crate::call::Call;
use crate::language;
use crate::problem::Problem;

#[derive(Serialize)]
pub(super) struct Account<'a> {
    user_id: String,
    email: &'a str,
    name: &'a str,
}

impl<'a> Account<'a> {
    pub(super) fn new(user_id: UserId, email: &'a Email, name: &'a DisplayName) -> Self {
        Self { user_id: user_id.to_string(), email: email.as_str(), name: name.as_str() }
    }
}

pub(crate) async fn register(call: Call) -> Result<Response, Problem> {
    let mut fields = call.fields()?;
    let request = RegisterRequest {
        email: Email::parse(&fields.take("email"))?,
        password: password(&mut fields, "password")?,
        name: DisplayName::parse(&fields.take("name"))?,
    };
    let outcome = call.in_time(call.auth().register(request, &call.context)).await?;
    Ok(match outcome {
        Registration::Made(made) => {
            let account = Account::new(made.user_id, &made.email, &made.name);
            call.answer(StatusCode::CREATED, &language::REGISTERED, &account)
        }
        Registration::Mailed => call.say(StatusCode::ACCEPTED, &language::REGISTRATION_MAILED),
    })
}

pub(crate) async fn me(call: Call) -> Result<Response, Problem> {
    let claims = call.bearer().await?;
    Ok(call.json(StatusCode::OK, &Account::new(claims.user_id, &claims.email, &claims.name)))
}

/// With the password, or without a body and by a recent login.
pub(crate) async fn delete(call: Call) -> Result<Response, Problem> {
    let claims = call.bearer().await?;
    let given = match call.fields_if_any()? {
        Some(mut fields) => Some(password(&mut fields, "current_password")?),
        None => None,
    };
    call.to_its_end(async move |auth, context| auth.delete_account(&claims, given, &context).await)
        .await?;
    Ok(call.say(StatusCode::OK, &language::ACCOUNT_DELETED))
}
