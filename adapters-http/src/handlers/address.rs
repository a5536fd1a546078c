use auth_domain::{ChangeEmailRequest, Email, EmailChangeToken, VerificationToken};
use axum::http::StatusCode;
use axum::response::Response;

use super::password;
use crate::call::Call;
use crate::fields::Fields;
use crate::language;
use crate::problem::Problem;

/// What a call and a page do alike, each with its own kind of body.
pub(crate) async fn use_verification_link(call: &Call, fields: &mut Fields) -> Result<(), Problem> {
    let token = VerificationToken::parse(&fields.take("token"))?;
    call.in_time(call.auth().verify_email(token, &call.context)).await
}

/// As [`use_verification_link`].
pub(crate) async fn use_change_link(call: &Call, fields: &mut Fields) -> Result<(), Problem> {
    let token = EmailChangeToken::parse(&fields.take("token"))?;
    call.to_its_end(async move |auth, context| auth.confirm_email_change(token, &context).await)
        .await
}

pub(crate) async fn verify(call: Call) -> Result<Response, Problem> {
    use_verification_link(&call, &mut call.fields()?).await?;
    Ok(call.say(StatusCode::OK, &language::EMAIL_VERIFIED))
}

pub(crate) async fn resend_verification(call: Call) -> Result<Response, Problem> {
    let email = Email::parse(&call.fields()?.take("email"))?;
    call.in_time(call.auth().request_verification(email, &call.context)).await?;
    Ok(call.say(StatusCode::ACCEPTED, &language::VERIFICATION_REQUESTED))
}

pub(crate) async fn change(call: Call) -> Result<Response, Problem> {
    let claims = call.bearer().await?;
    let mut fields = call.fields()?;
    let new_email = Email::parse(&fields.take("new_email"));
    let request = ChangeEmailRequest {
        new_email: new_email.map_err(|why| Problem::from(why).about("new_email"))?,
        current_password: password(&mut fields, "current_password")?,
    };
    call.in_time(call.auth().request_email_change(&claims, request, &call.context)).await?;
    Ok(call.say(StatusCode::ACCEPTED, &language::EMAIL_CHANGE_REQUESTED))
}

pub(crate) async fn confirm_change(call: Call) -> Result<Response, Problem> {
    use_change_link(&call, &mut call.fields()?).await?;
    Ok(call.say(StatusCode::OK, &language::EMAIL_CHANGED))
}
