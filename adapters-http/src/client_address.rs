use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::Once;

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap};

/// Where a client's address is read.
///
/// Anybody can send `X-Forwarded-For`. What counts in it is only what our own proxies appended, from
/// the right; all that stands further left is the client's say-so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientAddress {
    /// The other end of the connection; every header is ignored.
    Connection,
    /// The entry of `X-Forwarded-For` that the outermost of this many proxies of ours appended. A
    /// request with fewer entries, or with one there that is no address, counts as its connection's.
    ForwardedFor {
        /// How many proxies of ours each request passes.
        trusted_hops: NonZeroUsize,
    },
}

impl ClientAddress {
    /// Requests of which nothing is known count as one source: a server that was set up without its
    /// clients' addresses limits them too much, not too little.
    pub(crate) fn of(self, parts: &Parts) -> IpAddr {
        self.known(&parts.extensions, &parts.headers).unwrap_or_else(|| {
            warn_once();
            IpAddr::V4(Ipv4Addr::UNSPECIFIED)
        })
    }

    pub(crate) fn known(self, extensions: &Extensions, headers: &HeaderMap) -> Option<IpAddr> {
        let connection = extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        match self {
            Self::Connection => connection,
            Self::ForwardedFor { trusted_hops } => forwarded(headers, trusted_hops).or(connection),
        }
    }
}

fn forwarded(headers: &HeaderMap, trusted_hops: NonZeroUsize) -> Option<IpAddr> {
    let values: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .map(|value| value.to_str().unwrap_or_default())
        .collect();
    let entry =
        values.iter().flat_map(|value| value.split(',')).rev().nth(trusted_hops.get() - 1)?;
    parse_entry(entry.trim())
}

/// An address, or an address with a port, as proxies write them.
fn parse_entry(entry: &str) -> Option<IpAddr> {
    let bracketed = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    bracketed
        .unwrap_or(entry)
        .parse()
        .or_else(|_| entry.parse().map(|address: SocketAddr| address.ip()))
        .ok()
}

fn warn_once() {
    static WARNED: Once = Once::new();
    WARNED.call_once(|| {
        tracing::warn!(
            target: "auth",
            "requests carry no client address, so all of them count as one source: serve the router with connect info"
        );
    });
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn read(headers: &[&str], trusted_hops: usize) -> String {
        let mut request = Request::builder();
        for header in headers {
            request = request.header("X-Forwarded-For", *header);
        }
        let connection = ConnectInfo(SocketAddr::from(([10, 0, 0, 1], 1)));
        let (parts, ()) = request.extension(connection).body(()).unwrap().into_parts();
        let source = match NonZeroUsize::new(trusted_hops) {
            None => ClientAddress::Connection,
            Some(trusted_hops) => ClientAddress::ForwardedFor { trusted_hops },
        };
        source.of(&parts).to_string()
    }

    #[test]
    fn only_what_our_proxies_appended_counts() {
        let spoofed = ["6.6.6.6, 203.0.113.7"];
        assert_eq!(read(&spoofed, 0), "10.0.0.1");
        assert_eq!(read(&spoofed, 1), "203.0.113.7");
        assert_eq!(read(&["6.6.6.6", "203.0.113.7, 192.0.2.1"], 2), "203.0.113.7");
    }

    #[test]
    fn what_is_missing_or_no_address_counts_as_the_connection() {
        for (headers, hops) in [
            (&[][..], 1),
            (&["203.0.113.7"], 2),
            (&["unknown"], 1),
            (&["1.2.3.4, "], 1),
            (&["\u{e9}"], 1),
        ] {
            assert_eq!(read(headers, hops), "10.0.0.1", "{headers:?}");
        }
    }

    #[test]
    fn ports_and_brackets_are_read_past() {
        for (entry, address) in [
            ("203.0.113.7:4711", "203.0.113.7"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
        ] {
            assert_eq!(read(&[entry], 1), address);
        }
    }
}
