use auth_domain::{ChangePasswordRequest, Email, PasswordReset, ResetRequest, ResetToken};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::{Tokens, password};
use crate::call::Call;
use crate::fields::Fields;
use crate::language;
use crate::problem::Problem;

#[derive(Serialize)]
struct ResetAnswer<'a> {
    device_token: &'a str,
}

#[derive(Serialize)]
struct PasswordChanged<'a> {
    #[serde(flatten)]
    tokens: Tokens<'a>,
    device_token: &'a str,
}

pub(crate) async fn forgot(call: Call) -> Result<Response, Problem> {
    request_reset(&call, &mut call.fields()?).await?;
    Ok(call.say(StatusCode::OK, &language::RESET_REQUESTED))
}

/// What a call and a page do alike, each with its own kind of body.
pub(crate) async fn request_reset(call: &Call, fields: &mut Fields) -> Result<(), Problem> {
    let email = Email::parse(&fields.take("email"))?;
    call.in_time(call.auth().request_password_reset(email, &call.context)).await
}

/// As [`request_reset`].
pub(crate) async fn set(call: &Call, fields: &mut Fields) -> Result<PasswordReset, Problem> {
    let request = ResetRequest {
        token: ResetToken::parse(&fields.take("token"))?,
        new_password: password(fields, "new_password")?,
    };
    call.to_its_end(async move |auth, context| auth.reset_password(request, &context).await).await
}

pub(crate) async fn reset(call: Call) -> Result<Response, Problem> {
    let reset = set(&call, &mut call.fields()?).await?;
    let answer = ResetAnswer { device_token: &reset.device_token.expose() };
    Ok(call.answer(StatusCode::OK, &language::PASSWORD_RESET, &answer))
}

pub(crate) async fn change(call: Call) -> Result<Response, Problem> {
    let claims = call.bearer().await?;
    let mut fields = call.fields()?;
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
