//! What each request is found by: an id, and a span around all that it causes.

use std::fmt;

use auth_domain::RequestId;
use axum::extract::{MatchedPath, Request};
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use tracing::field::Empty;
use tracing::{Instrument, Span};
use uuid::Uuid;

pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Puts an id on the request, on its span and on its answer.
pub(crate) async fn numbered(mut request: Request, next: Next) -> Response {
    let id = id_of(request.extensions(), request.headers()).unwrap_or_else(new_id);
    request.extensions_mut().insert(id);
    let span = span(&request, &id);
    let mut response = next.run(request).instrument(span.clone()).await;
    record_status(&span, response.status());
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    response
}

/// The id that whoever serves the router put into the extensions, or the one of the header. A client may
/// choose that: what is no [`RequestId`], or stands there twice, is as good as none.
pub(crate) fn id_of(extensions: &Extensions, headers: &HeaderMap) -> Option<RequestId> {
    let given = extensions.get::<RequestId>().copied();
    given.or_else(|| RequestId::parse(only(headers, &X_REQUEST_ID)?).ok())
}

fn new_id() -> RequestId {
    RequestId::from_bytes(Uuid::now_v7().as_bytes())
}

/// A span by the semantic conventions of OpenTelemetry for servers of HTTP. The path is that of the route,
/// never the one that was sent; the client's address is in events alone.
fn span(request: &Request, id: &RequestId) -> Span {
    let method = known(request.method());
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    tracing::info_span!(
        target: "auth",
        "request",
        // Here and not by `record`, for which a log in JSON reads again what it wrote.
        "otel.name" = %Name { method: method.unwrap_or("HTTP"), route },
        "otel.kind" = "server",
        "otel.status_code" = Empty,
        "error.type" = Empty,
        "http.request.method" = method.unwrap_or("_OTHER"),
        "http.route" = route,
        "http.response.status_code" = Empty,
        request_id = id.as_str(),
        trace_id = trace_id(request.headers()),
    )
}

/// What the span is called where traces are shown: of few values, as the conventions ask.
struct Name<'a> {
    method: &'static str,
    route: Option<&'a str>,
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.route {
            Some(route) => write!(f, "{} {route}", self.method),
            None => f.write_str(self.method),
        }
    }
}

fn record_status(span: &Span, status: StatusCode) {
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
        span.record("error.type", status.as_str());
    }
}

/// One of RFC 9110 and RFC 5789: a name that somebody made up would be a time series of its own.
pub(crate) fn known(method: &Method) -> Option<&'static str> {
    const KNOWN: [&str; 9] =
        ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"];
    KNOWN.into_iter().find(|known| *known == method.as_str())
}

/// The trace that the caller says the request is part of: 32 hex digits.
fn trace_id(headers: &HeaderMap) -> Option<String> {
    let traceparent = HeaderName::from_static("traceparent");
    let amazon = HeaderName::from_static("x-amzn-trace-id");
    let of_w3c = || trace_of_w3c(only(headers, &traceparent)?);
    of_w3c().or_else(|| trace_of_x_ray(only(headers, &amazon)?))
}

/// W3C Trace Context, section 3.2: `00-<trace>-<parent>-<flags>`.
fn trace_of_w3c(text: &str) -> Option<String> {
    let mut parts = text.split('-');
    let version = parts.next().filter(|version| is_hex(version, 2) && *version != "ff")?;
    let trace =
        parts.next().filter(|trace| is_hex(trace, 32) && trace.bytes().any(|b| b != b'0'))?;
    parts.next().filter(|parent| is_hex(parent, 16))?;
    parts.next().filter(|flags| is_hex(flags, 2))?;
    (version != "00" || parts.next().is_none()).then(|| trace.to_owned())
}

/// AWS X-Ray: `Root=1-<8 hex digits of time>-<24 hex digits>`, and more after semicolons.
fn trace_of_x_ray(text: &str) -> Option<String> {
    let root = text.split(';').find_map(|part| part.trim().strip_prefix("Root=1-"))?;
    let (time, rest) = root.split_once('-')?;
    (is_hex(time, 8) && is_hex(rest, 24)).then(|| format!("{time}{rest}"))
}

fn is_hex(text: &str, length: usize) -> bool {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.len() == length && text.bytes().all(is_digit)
}

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
        };
        pairs.iter().map(pair).fold(HeaderMap::new(), |mut all, (name, value)| {
            all.append(name, value);
            all
        })
    }

    fn trace(name: &'static str, value: &str) -> Option<String> {
        trace_id(&headers(&[(name, value)]))
    }

    #[test]
    fn a_trace_is_read_where_it_is_well_formed() {
        let good = format!("00-{TRACE}-00f067aa0ba902b7-01");
        assert_eq!(trace("traceparent", &good).as_deref(), Some(TRACE));
        let later = format!("01-{TRACE}-00f067aa0ba902b7-01-what-the-future-brings");
        assert_eq!(trace("traceparent", &later).as_deref(), Some(TRACE));
        let root = "Self=1-2-3;Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8";
        let of_x_ray = Some("5759e988bd862e3fe1be46a994272793");
        assert_eq!(trace("x-amzn-trace-id", root).as_deref(), of_x_ray);
    }

    #[test]
    fn what_is_no_trace_is_none() {
        let zeros = "0".repeat(32);
        let upper = TRACE.to_uppercase();
        for bad in [
            "",
            "00",
            TRACE,
            &format!("ff-{TRACE}-00f067aa0ba902b7-01"),
            &format!("00-{zeros}-00f067aa0ba902b7-01"),
            &format!("00-{upper}-00f067aa0ba902b7-01"),
            &format!("00-{TRACE}-00f067aa0ba902b7"),
            &format!("00-{TRACE}-00f067aa0ba902b7-01-more"),
            &format!("00-{TRACE}\"}}-00f067aa0ba902b7-01"),
        ] {
            assert_eq!(trace("traceparent", bad), None, "{bad}");
        }
        for bad in ["Root=1-5759e988", "Root=2-5759e988-bd862e3fe1be46a994272793", "Root=1-x-y"] {
            assert_eq!(trace("x-amzn-trace-id", bad), None, "{bad}");
        }
        let twice = format!("00-{TRACE}-00f067aa0ba902b7-01");
        assert_eq!(trace_id(&headers(&[("traceparent", &twice), ("traceparent", &twice)])), None);
    }

    #[test]
    fn an_id_of_the_server_counts_more_than_the_clients() {
        let client = headers(&[("x-request-id", "of-the-client")]);
        let mut extensions = Extensions::new();
        assert_eq!(id_of(&extensions, &client).unwrap().as_str(), "of-the-client");
        extensions.insert(RequestId::parse("of-the-server").unwrap());
        assert_eq!(id_of(&extensions, &client).unwrap().as_str(), "of-the-server");
    }

    #[test]
    fn each_new_id_is_another() {
        assert_ne!(new_id(), new_id());
    }
}
