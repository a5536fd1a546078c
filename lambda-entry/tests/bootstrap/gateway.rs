//! Events as AWS makes them, and answers as it reads them. The files are of the shapes that it documents.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// What stands in front of the function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gateway {
    /// A REST API behind its stage `prod`, as the installed app knows it.
    Rest,
    /// An HTTP API with its stage `$default`.
    HttpApi,
    /// An HTTP API with a stage `prod`, which its events have in their path.
    HttpApiWithStage,
    /// A function URL.
    FunctionUrl,
}

impl Gateway {
    pub(crate) const ALL: [Self; 4] =
        [Self::Rest, Self::HttpApi, Self::HttpApiWithStage, Self::FunctionUrl];

    /// A request of the installed app.
    pub(crate) fn event(self, method: &str, path: &str, body: Option<&str>) -> Value {
        let event = match self {
            Self::Rest => rest(method, path),
            Self::HttpApi => http(include_str!("../events/http_api.json"), method, path),
            Self::HttpApiWithStage => {
                let path = format!("/prod{path}");
                let mut event = http(include_str!("../events/http_api.json"), method, &path);
                event["requestContext"]["stage"] = json!("prod");
                event
            }
            Self::FunctionUrl => http(include_str!("../events/function_url.json"), method, path),
        };
        with(event, "body", body.map_or(Value::Null, Value::from))
    }

    /// The same with one header more.
    pub(crate) fn add_header(self, event: &mut Value, name: &str, value: &str) {
        event["headers"][name] = json!(value);
        if self == Self::Rest {
            event["multiValueHeaders"][name] = json!([value]);
        }
    }

    /// The same from another place.
    pub(crate) fn set_source(self, event: &mut Value, address: &str) {
        let part = if self == Self::Rest { "identity" } else { "http" };
        event["requestContext"][part]["sourceIp"] = json!(address);
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn with(mut event: Value, name: &str, value: Value) -> Value {
    event[name] = value;
    event
}

fn rest(method: &str, path: &str) -> Value {
    let mut event = parsed(include_str!("../events/rest.json"));
    for (name, value) in [("resource", path), ("path", path), ("httpMethod", method)] {
        event[name] = json!(value);
    }
    let context = &mut event["requestContext"];
    context["resourcePath"] = json!(path);
    context["httpMethod"] = json!(method);
    context["path"] = json!(format!("/prod{path}"));
    event
}

fn http(template: &str, method: &str, path: &str) -> Value {
    let mut event = parsed(template);
    event["rawPath"] = json!(path);
    event["requestContext"]["http"]["path"] = json!(path);
    event["requestContext"]["http"]["method"] = json!(method);
    event
}

/// What SQS hands a function: messages by their ids.
pub(crate) fn sqs<'a>(messages: impl IntoIterator<Item = (&'a str, &'a str)>) -> Value {
    let record = |(id, body): (&str, &str)| {
        let record = parsed(include_str!("../events/sqs_record.json"));
        with(with(record, "messageId", json!(id)), "body", json!(body))
    };
    json!({"Records": messages.into_iter().map(record).collect::<Vec<_>>()})
}

/// An answer as the gateway passes it on.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u64,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Value,
}

impl Answer {
    /// Reads what a function answered, as strictly as API Gateway: anything else is its 502.
    pub(crate) fn of(gateway: Gateway, answer: &Value) -> Self {
        let headers = match gateway {
            Gateway::Rest => multiple(&answer["multiValueHeaders"]),
            _ => single(&answer["headers"]),
        };
        assert_eq!(answer["isBase64Encoded"], false);
        let body = answer["body"].as_str().unwrap();
        let body = if body.is_empty() { Value::Null } else { parsed(body) };
        Self { status: answer["statusCode"].as_u64().unwrap(), headers, body }
    }

    pub(crate) fn code(&self) -> (u64, &str) {
        (self.status, self.body["code"].as_str().unwrap_or_default())
    }

    pub(crate) fn text(&self, field: &str) -> &str {
        self.body[field].as_str().unwrap_or_else(|| panic!("no {field} in {}", self.body))
    }
}

fn multiple(headers: &Value) -> BTreeMap<String, String> {
    let values = |value: &Value| {
        let values = value.as_array().unwrap().iter();
        values.map(|value| value.as_str().unwrap()).collect::<Vec<_>>().join(", ")
    };
    let headers = headers.as_object().unwrap().iter();
    headers.map(|(name, value)| (name.clone(), values(value))).collect()
}

fn single(headers: &Value) -> BTreeMap<String, String> {
    let headers = headers.as_object().unwrap().iter();
    headers.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
}
