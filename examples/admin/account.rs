//! How an operator names an account.

use auth_domain::{Account, AdminError, Auth, Email, UserId};
use thiserror::Error;

/// What somebody typed to name an account.
pub(super) enum Target {
    Address(Email),
    Id(UserId),
}

/// Does not carry the text: it may hold what moves a terminal's cursor.
#[derive(Debug, Error)]
#[error("neither an address nor a user id")]
pub(super) struct NotUnderstood;

impl Target {
    /// The spelling is kept, by which a store may hold a row from before addresses were canonical.
    pub(super) fn parse(text: &str) -> Result<Self, NotUnderstood> {
        if text.contains('@') {
            return Email::parse_with_spelling(text).map(Self::Address).map_err(|_| NotUnderstood);
        }
        UserId::parse(text.trim()).map(Self::Id).map_err(|_| NotUnderstood)
    }

    pub(super) async fn look_up(&self, auth: &Auth) -> Result<Account, AdminError> {
        match self {
            Self::Address(email) => auth.admin().look_up(email).await,
            Self::Id(id) => auth.admin().look_up_by_id(*id).await,
        }
    }
}
