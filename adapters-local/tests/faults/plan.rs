//! Which call meets which fault.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use auth_domain::{PortError, PortErrorKind};

use crate::intercepted::Interceptor;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    FailsBefore,
    AnswerLost,
    CallerGoneBefore,
    CallerGoneAfter,
}

pub(crate) const FAULTS: [Fault; 4] =
    [Fault::FailsBefore, Fault::AnswerLost, Fault::CallerGoneBefore, Fault::CallerGoneAfter];

/// Which call of any port meets the fault, counted down; and how many there were.
pub(crate) struct Plan {
    pub(crate) fault: Fault,
    pub(crate) calls_until: AtomicUsize,
}

pub(crate) const NEVER: usize = usize::MAX / 2;

impl Plan {
    /// Whether the call that is made now is the one.
    fn is_due(&self) -> bool {
        self.calls_until.fetch_sub(1, Ordering::SeqCst) == 1
    }
}

impl Interceptor for Arc<Plan> {
    async fn meet<T: Send>(
        &self,
        _: &'static str,
        call: impl Future<Output = Result<T, PortError>> + Send,
    ) -> Result<T, PortError> {
        if !self.is_due() {
            return call.await;
        }
        match self.fault {
            Fault::FailsBefore => {}
            Fault::CallerGoneBefore => std::future::pending().await,
            Fault::AnswerLost => drop(call.await),
            Fault::CallerGoneAfter => {
                drop(call.await);
                std::future::pending::<()>().await;
            }
        }
        Err(PortError::new(PortErrorKind::Unavailable, "any.call"))
    }
}
