use std::net::{IpAddr, Ipv6Addr};

use crate::{DeviceToken, Locale, RequestId, UserAgent};

/// Who calls, as far as the driving adapter knows: what limits are counted by and mails are worded in.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RequestContext {
    /// The client's address; `None` where there is none, and then no limit by source applies.
    pub source: Option<IpAddr>,
    /// The language of mails that this request causes.
    pub locale: Locale,
    /// What an earlier login, reset or change of password gave the client to be known again by. One that was not issued here or is no
    /// longer good is as good as none.
    pub device: Option<DeviceToken>,
    /// What the client calls itself, to be shown in the list of sessions.
    pub user_agent: Option<UserAgent>,
    /// What this request is found by in logs: in every [`AuthEvent`](crate::AuthEvent) of its call.
    pub request_id: Option<RequestId>,
}

impl RequestContext {
    /// A request from nowhere in particular, in the default language.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same request from a client's address.
    #[must_use]
    pub fn from_source(mut self, source: IpAddr) -> Self {
        self.source = Some(source);
        self
    }

    /// The same request in another language.
    #[must_use]
    pub fn in_locale(mut self, locale: Locale) -> Self {
        self.locale = locale;
        self
    }

    /// The same request from a client that has this token of an earlier login.
    #[must_use]
    pub fn from_device(mut self, device: Option<DeviceToken>) -> Self {
        self.device = device;
        self
    }

    /// The same request from a client of this name.
    #[must_use]
    pub fn from_client(mut self, user_agent: Option<UserAgent>) -> Self {
        self.user_agent = user_agent;
        self
    }

    /// The same request under this id.
    #[must_use]
    pub fn with_request_id(mut self, request_id: Option<RequestId>) -> Self {
        self.request_id = request_id;
        self
    }
}

/// What limits by source count: an IPv4 address, or the /64 of an IPv6 address, since whoever has one
/// has all of it. An IPv4 address written as IPv6 (RFC 4291 section 2.5.5.2) counts as itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SourceKey(IpAddr);

impl SourceKey {
    /// The key that `address` counts under.
    pub fn new(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(IpAddr::V4(v4)),
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                Self(IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)))
            }
        }
    }

    pub(crate) fn text(self) -> String {
        self.0.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> SourceKey {
        SourceKey::new(text.parse().unwrap())
    }

    #[test]
    fn one_ipv6_network_is_one_source() {
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
    }

    #[test]
    fn an_ipv4_address_in_ipv6_clothes_is_the_same_source() {
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    }
}
