//! Events of API Gateway and function URLs as requests, and answers in the shape that these want.
//!
//! They are read here and not by `lambda_http`, which panics on a `Host` that is no host and on a body
//! that is not the base64 it is said to be, keeps the last of a header's several values, and puts the stage
//! in front of the path.
//!
//! | event | path | client's address | request id |
//! |---|---|---|---|
//! | REST API, payload 1.0 | `path`, which has no stage | `requestContext.identity.sourceIp` | `requestContext.requestId` |
//! | HTTP API and function URL, payload 2.0 | `rawPath`, less a stage in front that is not `$default` | `requestContext.http.sourceIp` | the same |
//!
//! Behind a domain of one's own with a base path, a REST API's `path` begins with that and matches nothing:
//! map such a domain without one.
//!
//! No header says where a request comes from: anybody can send one. The query is left out, and so are
//! cookies: no call reads them.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};

use auth_domain::RequestId;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use axum::response::Response;
use base64ct::{Base64, Encoding};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RestEvent {
    http_method: String,
    path: String,
    headers: Option<HashMap<String, String>>,
    multi_value_headers: Option<HashMap<String, Vec<String>>>,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
    request_context: RestContext,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RestContext {
    identity: Origin,
    request_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HttpEvent {
    raw_path: String,
    headers: Option<HashMap<String, String>>,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
    request_context: HttpContext,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HttpContext {
    stage: String,
    http: Http,
    request_id: Option<String>,
}

#[derive(Deserialize)]
struct Http {
    method: String,
    #[serde(flatten)]
    origin: Origin,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Origin {
    source_ip: Option<String>,
}

/// How the answer to a request is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// REST API, payload 1.0.
    Rest,
    /// HTTP API and function URL, payload 2.0.
    Http,
}

/// The request in an event, and how its answer is to be written; `None` if the event is no request.
pub(crate) fn read(event: &str) -> Option<(Format, Request)> {
    if let Ok(event) = serde_json::from_str::<RestEvent>(event) {
        return Some((Format::Rest, event.into_request()?));
    }
    let event = serde_json::from_str::<HttpEvent>(event).ok()?;
    Some((Format::Http, event.into_request()?))
}

impl RestEvent {
    fn into_request(self) -> Option<Request> {
        let single = self.headers.unwrap_or_default().into_iter();
        let headers = match self.multi_value_headers {
            Some(multiple) => headers(multiple),
            None => headers(single.map(|(name, value)| (name, [value]))),
        };
        let body = body(self.body, self.is_base64_encoded)?;
        let RestContext { identity, request_id } = self.request_context;
        let mut request = request(&self.http_method, &self.path, headers, body, &identity)?;
        number(&mut request, request_id.as_deref());
        Some(request)
    }
}

impl HttpEvent {
    fn into_request(self) -> Option<Request> {
        let single = self.headers.unwrap_or_default().into_iter();
        let headers = headers(single.map(|(name, value)| (name, [value])));
        let body = body(self.body, self.is_base64_encoded)?;
        let HttpContext { stage, http, request_id } = self.request_context;
        let path = without_stage(&self.raw_path, &stage);
        let mut request = request(&http.method, path, headers, body, &http.origin)?;
        number(&mut request, request_id.as_deref());
        Some(request)
    }
}

/// A stage that is not `$default` stands in front of the path, unless a domain of one's own hides it.
fn without_stage<'a>(path: &'a str, stage: &str) -> &'a str {
    let rest = path.strip_prefix('/').and_then(|path| path.strip_prefix(stage));
    rest.filter(|rest| rest.starts_with('/')).unwrap_or(path)
}

fn request(
    method: &str,
    path: &str,
    headers: HeaderMap,
    body: Body,
    source: &Origin,
) -> Option<Request> {
    let mut request = Request::new(body);
    *request.method_mut() = Method::from_bytes(method.as_bytes()).ok()?;
    // The gateway has decoded the path. What no URI can have is no path of ours, nor is `*`.
    let uri = Uri::builder().path_and_query(path).build();
    *request.uri_mut() = uri.unwrap_or_else(|_| Uri::from_static("*"));
    *request.headers_mut() = headers;
    if let Some(address) = source.source_ip.as_deref().and_then(|text| text.parse().ok()) {
        let address: IpAddr = address;
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from((address, 0))));
    }
    Some(request)
}

/// By the gateway's id, which is in the gateway's own log as well. No header counts against it.
fn number(request: &mut Request, id: Option<&str>) {
    if let Some(id) = id.and_then(|id| RequestId::parse(id).ok()) {
        request.extensions_mut().insert(id);
    }
}

/// What cannot be a header is left out: who sent it is told what is missing.
fn headers<V: IntoIterator<Item = String>>(
    named: impl IntoIterator<Item = (String, V)>,
) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, values) in named {
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else { continue };
        let values = values.into_iter().flat_map(HeaderValue::try_from);
        values.for_each(|value| {
            headers.append(&name, value);
        });
    }
    headers
}

fn body(text: Option<String>, is_base64_encoded: bool) -> Option<Body> {
    let text = text.unwrap_or_default();
    if is_base64_encoded {
        Base64::decode_vec(&text).ok().map(Body::from)
    } else {
        Some(Body::from(text))
    }
}

/// An answer as the gateway wants it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HttpAnswer {
    status_code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    multi_value_headers: Option<BTreeMap<String, Vec<String>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<BTreeMap<String, String>>,
    body: String,
    is_base64_encoded: bool,
}

impl HttpAnswer {
    /// # Errors
    /// The body could not be read to its end.
    pub(crate) async fn new(format: Format, response: Response) -> Result<Self, axum::Error> {
        let (mut parts, body) = response.into_parts();
        // Of the connection, which is the gateway's.
        parts.headers.remove(header::CONNECTION);
        let bytes = axum::body::to_bytes(body, usize::MAX).await?;
        let (body, is_base64_encoded) = match String::from_utf8(bytes.into()) {
            Ok(text) => (text, false),
            Err(other) => (Base64::encode_string(other.as_bytes()), true),
        };
        let headers = named_values(&parts.headers);
        let (headers, multi_value_headers) = match format {
            Format::Rest => (None, Some(headers)),
            Format::Http => (Some(joined(headers)), None),
        };
        let status_code = parts.status.as_u16();
        Ok(Self { status_code, multi_value_headers, headers, body, is_base64_encoded })
    }
}

fn named_values(headers: &HeaderMap) -> BTreeMap<String, Vec<String>> {
    let mut named = BTreeMap::<_, Vec<_>>::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        named.entry(name.as_str().to_owned()).or_default().push(value);
    }
    named
}

/// Several values of one header as one (RFC 9110 section 5.3).
fn joined(headers: BTreeMap<String, Vec<String>>) -> BTreeMap<String, String> {
    headers.into_iter().map(|(name, values)| (name, values.join(", "))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn rest(changes: Value) -> Value {
        let event = json!({
            "httpMethod": "POST",
            "path": "/auth/login",
            "requestContext": {"stage": "prod", "identity": {"sourceIp": "203.0.113.7"}},
        });
        changed(event, changes)
    }

    fn http(stage: &str, path: &str) -> Value {
        let http = json!({"method": "GET", "sourceIp": "2001:db8::7"});
        json!({"rawPath": path, "requestContext": {"stage": stage, "http": http}})
    }

    fn changed(mut event: Value, changes: Value) -> Value {
        let Value::Object(changes) = changes else { panic!("no object") };
        event.as_object_mut().unwrap().extend(changes);
        event
    }

    fn request_of(event: &Value) -> Request {
        read(&event.to_string()).unwrap().1
    }

    fn source(request: &Request) -> Option<String> {
        let address = request.extensions().get::<ConnectInfo<SocketAddr>>();
        address.map(|info| info.0.ip().to_string())
    }

    async fn bytes(request: Request) -> Vec<u8> {
        axum::body::to_bytes(request.into_body(), usize::MAX).await.unwrap().into()
    }

    #[test]
    fn a_stage_in_front_of_the_path_is_left_out() {
        for (stage, path, expected) in [
            ("$default", "/auth/me", "/auth/me"),
            ("prod", "/prod/auth/me", "/auth/me"),
            ("prod", "/auth/me", "/auth/me"),
            ("prod", "/production/auth/me", "/production/auth/me"),
            ("prod", "/prod/prod/auth/me", "/prod/auth/me"),
            ("prod", "/prod", "/prod"),
        ] {
            assert_eq!(request_of(&http(stage, path)).uri().path(), expected, "{stage} {path}");
        }
        let named_as_the_path = json!({"stage": "auth", "identity": {"sourceIp": null}});
        let event = rest(json!({"requestContext": named_as_the_path}));
        assert_eq!(request_of(&event).uri(), "/auth/login", "REST has no stage in the path");
    }

    #[test]
    fn the_source_is_the_gateways_word_and_no_header() {
        let spoofed = json!({"X-Forwarded-For": "6.6.6.6", "Forwarded": "for=6.6.6.6"});
        let request = request_of(&rest(json!({"headers": spoofed})));
        assert_eq!(source(&request).as_deref(), Some("203.0.113.7"));
        let request = request_of(&http("$default", "/"));
        assert_eq!(source(&request).as_deref(), Some("2001:db8::7"));
        let console = json!({"stage": "x", "identity": {"sourceIp": "test-invoke-source-ip"}});
        assert_eq!(source(&request_of(&rest(json!({"requestContext": console})))), None);
    }

    #[test]
    fn a_request_is_numbered_by_its_gateway_and_no_header() {
        let id =
            |request: &Request| request.extensions().get::<RequestId>().map(|id| id.to_string());
        let identity = json!({"sourceIp": null});
        let context = json!({"identity": identity, "requestId": "c6af9ac6-7b61-11e6-9a41"});
        let headers = json!({"X-Request-Id": "of-the-client"});
        let event = rest(json!({"requestContext": context, "headers": headers}));
        assert_eq!(id(&request_of(&event)).as_deref(), Some("c6af9ac6-7b61-11e6-9a41"));
        let mut event = http("$default", "/");
        event["requestContext"]["requestId"] = json!("JKJaXmPLvHcESHA=");
        assert_eq!(id(&request_of(&event)).as_deref(), Some("JKJaXmPLvHcESHA="));
        event["requestContext"]["requestId"] = json!("a\nb");
        assert_eq!(id(&request_of(&event)), None);
        assert_eq!(id(&request_of(&http("$default", "/"))), None);
    }

    #[test]
    fn every_value_of_a_header_is_kept_and_what_is_none_left_out() {
        let event = rest(json!({
            "headers": {"Authorization": "Bearer b"},
            "multiValueHeaders": {
                "Authorization": ["Bearer a", "Bearer b"],
                "User-Agent": ["caf\u{e9}"],
                "X-Bad": ["a\nb", "good"],
                "not a name": ["x"],
            },
        }));
        let headers = request_of(&event).headers().clone();
        let values = |name: &str| headers.get_all(name).iter().cloned().collect::<Vec<_>>();
        assert_eq!(values("authorization"), ["Bearer a", "Bearer b"]);
        assert_eq!(values("user-agent"), ["caf\u{e9}".as_bytes()]);
        assert_eq!(values("x-bad"), ["good"]);
        assert_eq!(headers.keys_len(), 3);
    }

    #[tokio::test]
    async fn a_body_is_plain_or_base64_or_none() {
        for (body, is_base64, expected) in [
            (json!("{}"), json!(false), &b"{}"[..]),
            (json!("e30="), json!(true), b"{}"),
            (json!("/w=="), json!(true), b"\xff"),
            (json!(null), json!(false), b""),
            (json!(null), json!(true), b""),
        ] {
            let event = rest(json!({"body": body, "isBase64Encoded": is_base64}));
            assert_eq!(bytes(request_of(&event)).await, expected, "{event}");
        }
    }

    #[test]
    fn a_path_that_no_uri_has_is_nobodys() {
        for path in ["/auth/log in", "/\u{e9}", "//example.com", "example.com", ""] {
            let request = request_of(&rest(json!({"path": path})));
            assert_ne!(request.uri().path(), "/auth/login", "{path}");
            assert_eq!(request.uri().authority(), None, "{path}");
        }
    }

    #[test]
    fn what_is_no_request_is_none() {
        let load_balancer = json!({"elb": {"targetGroupArn": "arn"}});
        for event in [
            json!({}),
            json!([]),
            json!("text"),
            json!({"source": "aws.events", "detail": {}}),
            rest(json!({"body": "%", "isBase64Encoded": true})),
            rest(json!({"httpMethod": "NOT A METHOD"})),
            rest(json!({"requestContext": load_balancer})),
        ] {
            assert!(read(&event.to_string()).is_none(), "{event}");
        }
    }

    #[tokio::test]
    async fn an_answer_is_in_the_shape_of_its_event() {
        let response = || {
            let response = Response::builder().status(401).header("Vary", "a").header("Vary", "b");
            response.header("Connection", "close").body(Body::from("{}")).unwrap()
        };
        let answer = HttpAnswer::new(Format::Rest, response()).await.unwrap();
        let expected = json!({
            "statusCode": 401,
            "multiValueHeaders": {"vary": ["a", "b"]},
            "body": "{}",
            "isBase64Encoded": false,
        });
        assert_eq!(serde_json::to_value(&answer).unwrap(), expected);
        let answer = HttpAnswer::new(Format::Http, response()).await.unwrap();
        let expected = json!({
            "statusCode": 401,
            "headers": {"vary": "a, b"},
            "body": "{}",
            "isBase64Encoded": false,
        });
        assert_eq!(serde_json::to_value(&answer).unwrap(), expected);
        let bytes = Response::new(Body::from(&b"\xff"[..]));
        let answer = HttpAnswer::new(Format::Http, bytes).await.unwrap();
        assert_eq!((answer.body.as_str(), answer.is_base64_encoded), ("/w==", true));
    }
}
