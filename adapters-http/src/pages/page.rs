use auth_domain::{Auth, EmailChangeToken, ErrorCode, ResetToken, VerificationToken};
use zeroize::Zeroizing;

use crate::call::Call;
use crate::endpoint::{self, Endpoint};
use crate::fields::Fields;
use crate::handlers::{address, password};
use crate::language::{self, Answer};
use crate::problem::{Problem, coded};

/// The pages, by what their forms do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    ConfirmEmail,
    ForgotPassword,
    ResetPassword,
    VerifyEmail,
}

/// What a page's form is shown with.
#[derive(Default)]
pub(super) struct Entry {
    pub(super) token: Zeroizing<String>,
    pub(super) email: String,
}

/// What a form led to: what is said then, and where to go from there.
pub(super) struct Done {
    pub(super) says: &'static Answer,
    pub(super) next: Option<&'static str>,
}

impl Page {
    pub(super) const ALL: &[Self] =
        &[Self::ConfirmEmail, Self::ForgotPassword, Self::ResetPassword, Self::VerifyEmail];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::ConfirmEmail => "confirm-email",
            Self::ForgotPassword => "forgot-password",
            Self::ResetPassword => "reset-password",
            Self::VerifyEmail => "verify-email",
        }
    }

    /// Whether a mailed link leads to it.
    pub(super) const fn has_link(self) -> bool {
        !matches!(self, Self::ForgotPassword)
    }

    /// The call whose fields the form has.
    pub(super) const fn endpoint(self) -> &'static Endpoint {
        match self {
            Self::ConfirmEmail => &endpoint::CONFIRM_EMAIL_CHANGE,
            Self::ForgotPassword => &endpoint::FORGOT_PASSWORD,
            Self::ResetPassword => &endpoint::RESET_PASSWORD,
            Self::VerifyEmail => &endpoint::VERIFY_EMAIL,
        }
    }

    pub(super) fn fields(self) -> impl Iterator<Item = &'static str> {
        self.endpoint().body.fields().iter().map(|field| field.name)
    }

    /// The form for the token of a link, unless that is none of ours or its time is over. No store is
    /// asked.
    pub(super) fn entry(self, auth: &Auth, token: &str) -> Result<Entry, Problem> {
        let (email, refusal) = match self {
            Self::ForgotPassword => return Ok(Entry::default()),
            Self::ConfirmEmail => {
                let email = auth.new_address_of_change_link(&EmailChangeToken::parse(token)?);
                (email, ErrorCode::LinkInvalid)
            }
            Self::ResetPassword => {
                let email = auth.address_of_reset_link(&ResetToken::parse(token)?);
                (email, ErrorCode::ResetTokenInvalid)
            }
            Self::VerifyEmail => {
                let email = auth.address_of_verification_link(&VerificationToken::parse(token)?);
                (email, ErrorCode::LinkInvalid)
            }
        };
        let email = email.ok_or_else(|| coded(refusal))?.as_str().to_owned();
        Ok(Entry { token: Zeroizing::new(token.to_owned()), email })
    }

    /// What the form does, as the call of the same purpose does it.
    pub(super) async fn submit(self, call: &Call, fields: &mut Fields) -> Result<Done, Problem> {
        let (says, next) = match self {
            Self::ConfirmEmail => {
                address::use_change_link(call, fields).await?;
                (&language::EMAIL_CHANGED, Some("log-in"))
            }
            Self::ForgotPassword => {
                password::request_reset(call, fields).await?;
                (&language::RESET_REQUESTED, None)
            }
            Self::ResetPassword => {
                password::set(call, fields).await?;
                (&language::PASSWORD_RESET, Some("log-in"))
            }
            Self::VerifyEmail => {
                address::use_verification_link(call, fields).await?;
                (&language::EMAIL_VERIFIED, None)
            }
        };
        Ok(Done { says, next })
    }
}
