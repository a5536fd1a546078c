use auth_domain::{ChangePasswordRequest, Email, ResetRequest, ResetToken};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::{Tokens, password};
use crate::call::Call;
use crate::language;
use crate::problem::Problem;

#[derive(Serialize)]
struct PasswordReset<'a> {
    device_token: &'a str,
}

#[derive(Serialize)]
struct PasswordChanged<'a> {
    #[serde(flatten)]
    tokens: Tokens<'a>,
    device_token: &'a str,
}

pub(crate) async fn forgot(call: Call) -> Result<Response, Problem> {
    let email = Email::parse(&call.fields(&["email"])?.take("email"))?;
    call.in_time(call.auth().request_password_reset(email, &call.context)).await?;
    Ok(call.say(StatusCode::OK, &language::RESET_REQUESTED))
}

pub(crate) async fn reset(call: Call) -> Result<Response, Problem> {
    let mut fields = call.fields(&["token", "new_password"])?;
    let request = ResetRequest {
        token: ResetToken::parse(&fields.take("token"))?,
        new_password: password(&mut fields, "new_password")?,
    };
    let reset = call
        .to_its_end(async move |auth, context| auth.reset_password(request, &context).await)
        .await?;
    let answer = PasswordReset { device_token: &reset.device_token.expose() };
    Ok(call.answer(StatusCode::OK, &language::PASSWORD_RESET, &answer))
}

pub(crate) async fn change(call: Call) -> Result<Response, Problem> {
    let claims = call.bearer().await?;
    let mut fields = call.fields(&["current_password", "new_password"])?;
    let request = ChangePasswordRequest {
        current_password: password(&mut fields, "current_password")?,
        new_password: password(&mut fields, "new_password")?,
    };
    let changed = call
        .to_its_end(async move |auth, context| {
            auth.change_password(&claims, request, &context).await
        })
        .await?;
    let compatibility_token = changed.compatibility_token.as_ref();
    let tokens = Tokens::new(&changed.access_token, changed.expires_in, compatibility_token);
    let answer = PasswordChanged { tokens, device_token: &changed.device_token.expose() };
    Ok(call.answer(StatusCode::OK, &language::PASSWORD_CHANGED, &answer))
}
