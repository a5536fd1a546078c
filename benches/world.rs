//! What the benches and tests of use cases have in common: a world whose limits are never reached.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use adapters_local::{Testing, testing_with};
use async_trait::async_trait;
use auth_domain::ports::{EventSink, Mailer};
use auth_domain::{
    AuthEvent, DisplayName, Email, OutgoingEmail, Password, PortError, Ports, RateLimit,
    RegisterRequest, RequestContext,
};

/// Those of the tests keep every event and mail, which a bench makes too many of.
pub(crate) struct Dropped;

#[async_trait]
impl Mailer for Dropped {
    async fn send(&self, _: &OutgoingEmail) -> Result<(), PortError> {
        Ok(())
    }
}

impl EventSink for Dropped {
    fn record(&self, _: AuthEvent) {}
}

/// Limits are counted, and never reached; an account has three sessions, and each login ends the oldest.
pub(crate) fn world(change: impl FnOnce(&mut Ports)) -> Testing {
    testing_with(|ports, settings| {
        ports.events = Arc::new(Dropped);
        change(ports);
        let wide = Some(RateLimit::new(u32::MAX, Duration::from_secs(1)));
        let limits = &mut settings.limits;
        limits.login_per_source = wide;
        limits.logins_global = wide;
        limits.mails_global = wide;
        limits.mails_per_address = wide;
        limits.refresh_per_source = wide;
        limits.register_per_source = wide;
        limits.registrations_global = wide;
        limits.reset_per_source = wide;
        limits.reset_request_per_source = wide;
        settings.sessions_per_account = NonZeroUsize::MIN.saturating_add(2);
    })
}

pub(crate) fn context() -> RequestContext {
    RequestContext::new().from_source(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

pub(crate) fn request(number: u64) -> RegisterRequest {
    RegisterRequest {
        email: Email::parse(&format!("user{number}@example.com")).unwrap(),
        password: Password::new("correct horse battery").unwrap(),
        name: DisplayName::parse("Ann").unwrap(),
    }
}
