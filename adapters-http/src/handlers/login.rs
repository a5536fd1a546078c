use std::time::Duration;

use auth_domain::{DeviceToken, Email, LoginRequest, RefreshToken};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use tokio::time::timeout;

use super::account::Account;
use super::{Tokens, password};
use crate::call::Call;
use crate::language;
use crate::problem::{self, Problem};

#[derive(Serialize)]
struct LoggedIn<'a> {
    #[serde(flatten)]
    account: Account<'a>,
    #[serde(flatten)]
    tokens: Tokens<'a>,
    device_token: &'a str,
}

/// A device token that cannot be read is as good as none: a client that kept a wrong one must not be kept
/// out by it.
pub(crate) async fn login(call: Call) -> Result<Response, Problem> {
    let mut fields = call.fields()?;
    let device = DeviceToken::parse(&fields.take("device_token")).ok();
    let context = call.context.clone().from_device(device);
    let request = LoginRequest {
        email: Email::parse_with_spelling(&fields.take("email"))?,
        password: password(&mut fields, "password")?,
    };
    let login = call.in_time(call.auth().login(request, &context)).await?;
    let compatibility_token = login.compatibility_token.as_ref();
    let tokens = Tokens::new(&login.access_token, login.expires_in, compatibility_token);
    let refresh_token = login.refresh_token.expose();
    let device_token = login.device_token.expose();
    let answer = LoggedIn {
        account: Account::new(login.user_id, &login.email, &login.name),
        tokens: tokens.refreshed_by(&refresh_token),
        device_token: &device_token,
    };
    Ok(call.answer(StatusCode::OK, &language::LOGGED_IN, &answer))
}

/// Half of [`Session::RETRY_WINDOW`](auth_domain::Session::RETRY_WINDOW): who waited for this answer in vain
/// has time to try again.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) async fn refresh(call: Call) -> Result<Response, Problem> {
    let token = RefreshToken::parse(&call.fields()?.take("refresh_token"))?;
    let refreshed = call
        .to_its_end(async move |auth, context| {
            match timeout(REFRESH_TIMEOUT, auth.refresh(token, &context)).await {
                Ok(outcome) => outcome.map_err(Problem::from),
                Err(_) => Err(Problem::of(&problem::TIMEOUT)),
            }
        })
        .await?;
    let compatibility_token = refreshed.compatibility_token.as_ref();
    let tokens = Tokens::new(&refreshed.access_token, refreshed.expires_in, compatibility_token);
    let refresh_token = refreshed.refresh_token.expose();
    let tokens = tokens.refreshed_by(&refresh_token);
    Ok(call.answer(StatusCode::OK, &language::REFRESHED, &tokens))
}

pub(crate) async fn logout(call: Call) -> Result<Response, Problem> {
    let token = RefreshToken::parse(&call.fields()?.take("refresh_token"))?;
    call.in_time(call.auth().logout(token, &call.context)).await?;
    Ok(call.say(StatusCode::OK, &language::LOGGED_OUT))
}
