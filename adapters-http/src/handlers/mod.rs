//! What each call does with its request, by subject.

pub(crate) mod account;
pub(crate) mod address;
pub(crate) mod login;
pub(crate) mod password;
pub(crate) mod published;
pub(crate) mod sessions;

use std::time::Duration;

use auth_domain::{Password, SignedToken};
use serde::Serialize;

use crate::fields::Fields;
use crate::problem::Problem;

/// What a client calls with from now on.
#[derive(Serialize)]
struct Tokens<'a> {
    token: &'a str,
    access_token: &'a str,
    token_type: &'static str,
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
}

impl<'a> Tokens<'a> {
    /// `token` is what clients of the replaced system read: the one made for them, if there is one.
    fn new(
        access_token: &'a SignedToken,
        expires_in: Duration,
        compatibility_token: Option<&'a SignedToken>,
    ) -> Self {
        let access_token = access_token.expose();
        Self {
            token: compatibility_token.map_or(access_token, SignedToken::expose),
            access_token,
            token_type: "Bearer",
            expires_in: expires_in.as_secs(),
            refresh_token: None,
        }
    }

    fn refreshed_by(self, refresh_token: &'a str) -> Self {
        Self { refresh_token: Some(refresh_token), ..self }
    }
}

fn password(fields: &mut Fields, name: &'static str) -> Result<Password, Problem> {
    Password::new(fields.take(name).as_str()).map_err(|why| Problem::from(why).about(name))
}
