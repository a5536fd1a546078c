//! A span around each use case, for whoever drives it and whatever listens. Off, it costs a load of an
//! atomic.

use tracing::{Instrument, Span};

use super::{
    AdminError, Auth, AuthenticateError, ChangeEmailError, ChangePasswordError, ConfirmEmailError,
    DeleteAccountError, DeliveryError, LoginError, LogoutError, RefreshError, Refused,
    RegisterError, RequestMailError, ResetError, SessionError, VerifyEmailError,
};

use crate::{EventKind, RequestContext};

/// What a use case comes to, in a span of its name; that it came to nothing is recorded. The span says how it was refused and never whose
/// account, address or token it is about: that is what events are for.
macro_rules! use_case {
    ($auth:expr, $context:expr, $name:literal, $work:expr) => {
        $crate::service::span::run(
            $crate::service::span::Begun::new($auth, $context, $name),
            tracing::info_span!(target: "auth", $name, "error.type" = tracing::field::Empty),
            $work,
        )
        .await
    };
}
pub(super) use use_case;

/// A name for each way to be refused, of which there are few.
pub(super) trait ErrorType {
    fn error_type(&self) -> &'static str;
}

/// A call that has not come to its outcome. Dropped so, it leaves an event.
pub(super) struct Begun<'a> {
    auth: &'a Auth,
    context: &'a RequestContext,
    use_case: &'static str,
    is_over: bool,
}

impl<'a> Begun<'a> {
    pub(super) const fn new(
        auth: &'a Auth,
        context: &'a RequestContext,
        use_case: &'static str,
    ) -> Self {
        // Until it is polled nothing has begun.
        Self { auth, context, use_case, is_over: true }
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            let subject = self.auth.subject(None, self.context);
            self.auth.record(subject, EventKind::CallGivenUp { use_case: self.use_case });
        }
    }
}

pub(super) async fn run<T, E: ErrorType>(
    mut begun: Begun<'_>,
    span: Span,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    begun.is_over = false;
    let outcome = work.instrument(span.clone()).await;
    begun.is_over = true;
    if let Err(error) = &outcome {
        span.record("error.type", error.error_type());
    }
    outcome
}

macro_rules! by_code {
    ($($error:ident),+ $(,)?) => {$(
        impl ErrorType for $error {
            fn error_type(&self) -> &'static str {
                self.code().as_str()
            }
        }
    )+};
}

by_code!(
    AuthenticateError,
    ChangeEmailError,
    ChangePasswordError,
    ConfirmEmailError,
    DeleteAccountError,
    LoginError,
    LogoutError,
    RefreshError,
    RegisterError,
    RequestMailError,
    ResetError,
    SessionError,
    VerifyEmailError,
);

impl ErrorType for AdminError {
    fn error_type(&self) -> &'static str {
        self.parts().0.as_str()
    }
}

impl ErrorType for DeliveryError {
    fn error_type(&self) -> &'static str {
        match self {
            Self::NotYet => "not_yet",
            Self::Port(error) => error.kind().name(),
            Self::Undeliverable(_) => "undeliverable",
        }
    }
}
