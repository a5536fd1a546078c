use std::fmt;
use std::sync::Arc;

use crate::ports::{Clock, TokenVerifier};
use crate::{Claims, TokenRejected};

/// Checks access tokens in a service that only takes them: no store, no secret, no
/// [`Auth`](crate::Auth). Cheap to clone.
///
/// Each check is computation alone, as with [`TokenCheck::TokenOnly`](crate::TokenCheck): a token is good
/// until it expires, whatever became of its account or session meanwhile.
#[derive(Clone)]
pub struct AccessTokenVerifier {
    verifier: Arc<dyn TokenVerifier>,
    clock: Arc<dyn Clock>,
}

impl AccessTokenVerifier {
    /// Checks by `verifier`, at the time of `clock`.
    pub fn new(verifier: Arc<dyn TokenVerifier>, clock: Arc<dyn Clock>) -> Self {
        Self { verifier, clock }
    }

    /// Who bears this access token.
    ///
    /// # Errors
    /// [`TokenRejected`], for every reason.
    pub fn authenticate(&self, token: &str) -> Result<Claims, TokenRejected> {
        self.verifier.verify(token, self.clock.now())
    }
}

impl fmt::Debug for AccessTokenVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessTokenVerifier").finish_non_exhaustive()
    }
}
