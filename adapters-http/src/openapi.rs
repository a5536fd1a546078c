//! The API as OpenAPI 3.1 has it, written from the table that the router is made of: what is served is
//! described, and with the names, fields and refusals that the router itself goes by. Tests hold each answer
//! that they see against it.
//!
//! It is written as JSON and not by a crate of derive macros: there is no type for each body to derive from,
//! since bodies are read field by field, and the table would be said twice.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::rejection::NestedPathRejection;
use axum::extract::{NestedPath, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, context};
use serde_json::{Map, Value, json};

use crate::endpoint::{Answer, Body, ENDPOINTS, Endpoint, Field, Kind, Member, Verb};
use crate::problem::{self, Problem, Row};
use crate::{HttpOptions, layered, messages, method_not_allowed};
use auth_domain::Locale;

/// The description of every call of [`router`](crate::router), as an OpenAPI 3.1 document: to be served, or
/// merged into one of yours. `adapters-http/openapi.json` is the same.
pub fn openapi() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Accounts and sessions",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Sign-up, login, sessions, and changes of password and address. A refusal is a problem \
                (RFC 9457) with a stable `code`; sentences are in the language that the client accepts.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": tags(),
        "paths": paths(),
        "components": components(),
    })
}

/// `GET /openapi.json`, and `GET /docs`: a page of the same, which loads nothing from elsewhere. To be
/// [merged](Router::merge) where the API may be read about, and nested where the calls are.
pub fn api_docs(options: &HttpOptions) -> Router {
    let docs = Router::new()
        .route("/openapi.json", get(document))
        .route("/docs", get(page))
        .route("/docs.css", get(stylesheet))
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(Arc::new(options.clone()));
    layered(docs, options)
}

static DOCUMENT: LazyLock<String> = LazyLock::new(|| openapi().to_string());
static PAGE: LazyLock<Option<String>> = LazyLock::new(|| rendered().ok());

const PUBLIC: [(header::HeaderName, &str); 2] =
    [(header::CACHE_CONTROL, "public, max-age=300"), (header::REFERRER_POLICY, "no-referrer")];

/// Paths are those of the calls, which are where this is.
async fn document(nested: Result<NestedPath, NestedPathRejection>) -> impl IntoResponse {
    let document = match nested {
        Ok(nested) => {
            let mut document = openapi();
            document["servers"] = json!([{ "url": nested.as_str() }]);
            Cow::Owned(document.to_string())
        }
        Err(_) => Cow::Borrowed(DOCUMENT.as_str()),
    };
    (PUBLIC, [(header::CONTENT_TYPE, "application/json")], document)
}

async fn page(State(options): State<Arc<HttpOptions>>, headers: HeaderMap) -> Response {
    let policy = "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'";
    match PAGE.as_deref() {
        Some(page) => {
            (PUBLIC, [(header::CONTENT_SECURITY_POLICY, policy)], Html(page)).into_response()
        }
        None => Problem::of(&problem::INTERNAL_ERROR).answer(&options, &headers),
    }
}

async fn stylesheet() -> impl IntoResponse {
    let css = include_str!("../pages/docs.css");
    (PUBLIC, [(header::CONTENT_TYPE, "text/css; charset=utf-8")], css)
}

fn rendered() -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    environment.add_template("docs.html", include_str!("../pages/docs.html"))?;
    let codes: Vec<Value> = problem::rows().map(code).collect();
    let (api, codes) = (Serde(openapi()), Serde(codes));
    environment.get_template("docs.html")?.render(context! { api => api, codes => codes })
}

fn code(row: &Row) -> Value {
    json!({ "code": row.code(), "status": row.status().as_u16(), "means": sentence(row) })
}

fn sentence(row: &Row) -> String {
    row.sentence(&messages(), Locale::EN)
}

fn tags() -> Value {
    let tag = |name: &str, description: &str| json!({ "name": name, "description": description });
    json!([
        tag("account", "Making an account, looking at it, deleting it"),
        tag("session", "Logging in, going on, logging out"),
        tag("password", "Changing a password, with it or by mail"),
        tag("address", "Confirming an address and moving to another"),
        tag("service", "What anybody may read"),
    ])
}

fn paths() -> Value {
    let mut paths = BTreeMap::<&str, Map<String, Value>>::new();
    for endpoint in ENDPOINTS {
        let method = match endpoint.method {
            Verb::Delete => "delete",
            Verb::Get => "get",
            Verb::Post => "post",
        };
        paths.entry(endpoint.path).or_default().insert(method.to_owned(), operation(endpoint));
    }
    json!(paths)
}

fn operation(endpoint: &Endpoint) -> Value {
    let mut operation = json!({
        "operationId": endpoint.operation,
        "tags": [endpoint.tag],
        "summary": endpoint.summary,
        "description": endpoint.description,
        "security": if endpoint.is_for_bearers { json!([{ "accessToken": [] }]) } else { json!([]) },
        "parameters": parameters(endpoint),
        "responses": responses(endpoint),
    });
    if endpoint.is_deprecated {
        operation["deprecated"] = json!(true);
    }
    if let Some(body) = request_body(&endpoint.body) {
        operation["requestBody"] = body;
    }
    operation
}

fn parameters(endpoint: &Endpoint) -> Value {
    let mut parameters = vec![json!({ "$ref": "#/components/parameters/AcceptLanguage" })];
    if endpoint.path.ends_with("/{id}") {
        parameters.push(json!({
            "name": "id",
            "in": "path",
            "required": true,
            "description": "The session, as the list of sessions names it.",
            "schema": { "type": "string" },
            "example": SESSION_ID,
        }));
    }
    json!(parameters)
}

fn request_body(body: &Body) -> Option<Value> {
    let fields = body.fields();
    if fields.is_empty() {
        return None;
    }
    let properties: Map<_, _> =
        fields.iter().map(|field| (field.name.to_owned(), field_schema(field))).collect();
    let required: Vec<_> =
        fields.iter().filter(|field| !field.is_optional).map(|field| field.name).collect();
    let example: Map<_, _> =
        fields.iter().map(|field| (field.name.to_owned(), json!(example_of(field)))).collect();
    Some(json!({
        "required": matches!(body, Body::Needed(_)),
        "description": "At most 16 KiB of UTF-8, not compressed.",
        "content": { "application/json": {
            "schema": {
                "type": "object",
                "properties": properties,
                "required": required,
                "additionalProperties": false,
            },
            "example": example,
        }},
    }))
}

fn field_schema(field: &Field) -> Value {
    let (format, means) = match field.kind {
        Kind::DeviceToken => (None, "Of an earlier login, reset or change of password."),
        Kind::Email => (Some("email"), "An address, in any case."),
        Kind::LinkToken => (None, "What the mailed link has as its parameter `token`."),
        Kind::Name => {
            (None, "What the user is called: 1 to 100 characters, none of them invisible.")
        }
        Kind::NewPassword => (
            Some("password"),
            "Of a length that the service chooses, by default 8 to 256 characters; none that is common, leaked or \
             made of the account's own words.",
        ),
        Kind::Password => (Some("password"), "As it was set."),
        Kind::RefreshToken => (None, "Of the last login or refresh; good once."),
        Kind::ResetToken => {
            (None, "What the newest reset link has as its parameter `token`; good once.")
        }
    };
    let mut schema = json!({ "type": "string", "description": means });
    if field.is_optional {
        schema["type"] = json!(["string", "null"]);
    } else {
        schema["minLength"] = json!(1);
    }
    if let Some(format) = format {
        schema["format"] = json!(format);
    }
    schema
}

const SESSION_ID: &str = "5b0fd1b7-4a50-4c7e-9e0d-0f4d2b5d9f11";
const USER_ID: &str = "0d5e9a0c-3c1b-4a7b-8f62-6f1d5a2e9c44";
const EMAIL: &str = "ann@example.com";

const fn example_of(field: &Field) -> &'static str {
    match field.kind {
        Kind::DeviceToken => "q8JmZ0d2...",
        Kind::Email => EMAIL,
        Kind::LinkToken => "AZk3f0x1...",
        Kind::Name => "Ann",
        Kind::NewPassword => "a brand new staple",
        Kind::Password => "correct horse battery",
        Kind::RefreshToken => "WtQm3v0a...",
        Kind::ResetToken => "YW5uQGV4YW1wbGUuY29t...",
    }
}

fn responses(endpoint: &Endpoint) -> Value {
    let answers = endpoint
        .answers
        .iter()
        .map(|answer| (answer.status.as_str().to_owned(), answered(endpoint, answer)));
    let mut by_status = BTreeMap::<u16, Vec<&Row>>::new();
    for row in refusals(endpoint) {
        by_status.entry(row.status().as_u16()).or_default().push(row);
    }
    let refused = by_status.into_iter().map(|(status, rows)| (status.to_string(), refused(&rows)));
    Value::Object(answers.chain(refused).collect())
}

/// Every refusal of a call, sorted and each once.
fn refusals(endpoint: &Endpoint) -> Vec<&'static Row> {
    let mut rows = endpoint.refusals.to_vec();
    rows.extend(FAULTS);
    if endpoint.tag != "service" {
        rows.push(&problem::TIMEOUT);
    }
    if endpoint.is_for_bearers {
        rows.extend(OF_BEARERS);
    }
    if !endpoint.body.fields().is_empty() {
        rows.extend(OF_BODIES);
    }
    rows.extend(endpoint.body.fields().iter().flat_map(|field| of_kind(field.kind)));
    rows.sort_by_key(|row| row.code());
    rows.dedup_by_key(|row| row.code());
    rows
}

const FAULTS: [&Row; 2] = [&problem::INTERNAL_ERROR, &problem::UNAVAILABLE];

const OF_BEARERS: [&Row; 3] =
    [&problem::AUTHORIZATION_MALFORMED, &problem::TOKEN_INVALID, &problem::TOKEN_MISSING];

const OF_BODIES: [&Row; 10] = [
    &problem::BODY_NOT_OBJECT,
    &problem::BODY_TOO_LARGE,
    &problem::BODY_UNREADABLE,
    &problem::FIELD_DUPLICATE,
    &problem::FIELD_MISSING,
    &problem::FIELD_UNKNOWN,
    &problem::FIELD_WRONG_TYPE,
    &problem::MALFORMED_JSON,
    &problem::REQUEST_TIMEOUT,
    &problem::UNSUPPORTED_MEDIA_TYPE,
];

const fn of_kind(kind: Kind) -> &'static [&'static Row] {
    match kind {
        Kind::DeviceToken => &[],
        Kind::Email => &[&problem::EMAIL_INVALID],
        Kind::LinkToken => &[&problem::LINK_INVALID],
        Kind::Name => &[&problem::NAME_INVALID],
        Kind::NewPassword => &[
            &problem::PASSWORD_BREACHED,
            &problem::PASSWORD_COMMON,
            &problem::PASSWORD_CONTEXT_WORD,
            &problem::PASSWORD_CONTROL_CHARACTER,
            &problem::PASSWORD_EMPTY,
            &problem::PASSWORD_FORBIDDEN_CHARACTER,
            &problem::PASSWORD_TOO_LONG,
            &problem::PASSWORD_TOO_SHORT,
        ],
        Kind::Password => &[&problem::PASSWORD_EMPTY, &problem::PASSWORD_TOO_LONG],
        Kind::RefreshToken => &[&problem::REFRESH_TOKEN_INVALID],
        Kind::ResetToken => &[&problem::RESET_TOKEN_INVALID],
    }
}

fn answered(endpoint: &Endpoint, answer: &Answer) -> Value {
    let names = || answer.members.iter().map(|member| name_of(*member));
    let properties: Map<_, _> =
        names().map(str::to_owned).zip(answer.members.iter().map(|m| schema_of(*m))).collect();
    let example: Map<_, _> = names()
        .map(str::to_owned)
        .zip(answer.members.iter().map(|m| example(*m, answer)))
        .collect();
    let is_keys = answer.members == [Member::Keys];
    let media_type = if is_keys { "application/jwk-set+json" } else { "application/json" };
    let mut headers = json!({ "X-Request-Id": header_ref("RequestId") });
    if !is_keys {
        headers["Content-Language"] = header_ref("ContentLanguage");
    }
    let mut response = json!({
        "description": answer.means,
        "headers": headers,
        "content": { media_type: {
            "schema": {
                "type": "object",
                "properties": properties,
                "required": names().collect::<Vec<_>>(),
            },
            "example": example,
        }},
    });
    if let (Some(links), true) = (links(endpoint.operation), answer.status != StatusCode::ACCEPTED)
    {
        response["links"] = links;
    }
    response
}

/// Where a client goes on from an answer.
fn links(operation: &str) -> Option<Value> {
    let by_token = json!({ "refresh_token": "$response.body#/refresh_token" });
    match operation {
        "register" => Some(json!({ "login": {
            "operationId": "login",
            "requestBody": { "email": "$request.body#/email", "password": "$request.body#/password" },
        }})),
        "login" | "refresh" => Some(json!({
            "refresh": { "operationId": "refresh", "requestBody": by_token },
            "logout": { "operationId": "logout", "requestBody": by_token },
        })),
        "listSessions" => Some(json!({ "endSession": {
            "operationId": "endSession",
            "parameters": { "id": "$response.body#/sessions/0/id" },
        }})),
        _ => None,
    }
}

fn refused(rows: &[&Row]) -> Value {
    let status = rows.first().map_or(StatusCode::INTERNAL_SERVER_ERROR, |row| row.status());
    let codes: Vec<_> = rows.iter().map(|row| row.code()).collect();
    let example = |row: &&Row| {
        let reference = format!("#/components/examples/{}", row.code());
        (row.code().to_owned(), json!({ "$ref": reference }))
    };
    let examples: Map<_, _> = rows.iter().map(example).collect();
    json!({
        "description": status.canonical_reason().unwrap_or_default(),
        "headers": refusal_headers(status),
        "content": { "application/problem+json": {
            "schema": {
                "allOf": [{ "$ref": "#/components/schemas/Problem" }],
                "type": "object",
                "properties": { "status": { "const": status.as_u16() }, "code": { "enum": codes } },
            },
            "examples": examples,
        }},
    })
}

fn refusal_headers(status: StatusCode) -> Value {
    let mut headers = json!({
        "Content-Language": header_ref("ContentLanguage"),
        "X-Request-Id": header_ref("RequestId"),
    });
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        headers["Retry-After"] = header_ref("RetryAfter");
    }
    if status == StatusCode::UNAUTHORIZED {
        headers["WWW-Authenticate"] = header_ref("Challenge");
    }
    headers
}

fn header_ref(name: &str) -> Value {
    json!({ "$ref": format!("#/components/headers/{name}") })
}

fn problem_example(row: &Row) -> Value {
    json!({
        "type": "about:blank",
        "title": row.status().canonical_reason(),
        "status": row.status().as_u16(),
        "detail": sentence(row),
        "code": row.code(),
        "error": sentence(row),
    })
}

const fn name_of(member: Member) -> &'static str {
    match member {
        Member::AccessToken => "access_token",
        Member::DeviceToken => "device_token",
        Member::Email => "email",
        Member::ExpiresIn => "expires_in",
        Member::Keys => "keys",
        Member::Message => "message",
        Member::Name => "name",
        Member::RefreshToken => "refresh_token",
        Member::Sessions => "sessions",
        Member::Status => "status",
        Member::Token => "token",
        Member::TokenType => "token_type",
        Member::UserId => "user_id",
    }
}

fn schema_of(member: Member) -> Value {
    let text = |means: &str| json!({ "type": "string", "description": means });
    match member {
        Member::AccessToken => text("A JWT, to be sent as `Authorization: Bearer`. A secret."),
        Member::DeviceToken => text(
            "What the client is known again by at the next login. To be kept after a logout, too.",
        ),
        Member::Email => {
            json!({ "type": "string", "description": "The address in its canonical form." })
        }
        Member::ExpiresIn => json!({
            "type": "integer",
            "minimum": 1,
            "description": "How long the access token is good for, in seconds.",
        }),
        Member::Keys => json!({
            "type": "array",
            "items": { "$ref": "#/components/schemas/PublicKey" },
        }),
        Member::Message => text("What happened, in the client's language."),
        Member::Name => text("What the user is called."),
        Member::RefreshToken => text("Good once, for the next tokens. A secret."),
        Member::Sessions => json!({
            "type": "array",
            "items": { "$ref": "#/components/schemas/Session" },
        }),
        Member::Status => json!({ "const": "ok" }),
        Member::Token => text(
            "The access token again, where clients of an older system read it; or a token made for them.",
        ),
        Member::TokenType => json!({ "const": "Bearer" }),
        Member::UserId => {
            json!({ "type": "string", "format": "uuid", "description": "Stays the same for ever." })
        }
    }
}

fn example(member: Member, answer: &Answer) -> Value {
    match member {
        Member::AccessToken | Member::Token => json!("eyJhbGciOiJFZERTQSIs..."),
        Member::DeviceToken => json!("q8JmZ0d2..."),
        Member::Email => json!(EMAIL),
        Member::ExpiresIn => json!(900),
        Member::Keys => {
            json!([{ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKx...", "kid": "x3fC...", "use": "sig", "alg": "EdDSA" }])
        }
        Member::Message => {
            let says = answer.says.map_or("", |says| says.id());
            json!(messages().text(Locale::EN, says, &[]))
        }
        Member::Name => json!("Ann"),
        Member::RefreshToken => json!("WtQm3v0a..."),
        Member::Sessions => json!([{
            "id": SESSION_ID,
            "created_at": "2026-01-31T09:00:00Z",
            "last_used_at": "2026-02-01T18:30:00Z",
            "user_agent": "Example/1.0 (Android 16)",
            "current": true,
        }]),
        Member::Status => json!("ok"),
        Member::TokenType => json!("Bearer"),
        Member::UserId => json!(USER_ID),
    }
}

fn components() -> Value {
    json!({
        "securitySchemes": { "accessToken": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "The `access_token` of a login, a refresh or a change of password.",
        }},
        "parameters": { "AcceptLanguage": {
            "name": "Accept-Language",
            "in": "header",
            "description": "The language of sentences and mails.",
            "schema": { "type": "string" },
            "example": "ko",
        }},
        "examples": examples(),
        "headers": headers(),
        "schemas": { "Problem": problem_schema(), "PublicKey": key_schema(), "Session": session_schema() },
    })
}

/// One for each code that a call of the table is refused with.
fn examples() -> Value {
    let rows = ENDPOINTS.iter().flat_map(|endpoint| refusals(endpoint));
    let example = |row: &Row| json!({ "summary": sentence(row), "value": problem_example(row) });
    Value::Object(rows.map(|row| (row.code().to_owned(), example(row))).collect())
}

fn headers() -> Value {
    let header = |means: &str, schema: Value| json!({ "description": means, "required": true, "schema": schema });
    let text = || json!({ "type": "string" });
    json!({
        "Challenge": header("What is asked for (RFC 6750).", text()),
        "ContentLanguage": header("The language of the sentences.", text()),
        "RequestId": header("What the request is found by in logs.", text()),
        "RetryAfter": header("When to come back, in seconds.", json!({ "type": "integer", "minimum": 1 })),
    })
}

fn problem_schema() -> Value {
    let text = |means: &str| json!({ "type": "string", "description": means });
    json!({
        "type": "object",
        "description": "A refusal (RFC 9457).",
        "properties": {
            "type": { "const": "about:blank" },
            "title": text("The status in words."),
            "status": { "type": "integer" },
            "detail": text("A sentence in the client's language."),
            "code": text("Which problem it is: stable, for programs to act on."),
            "error": text("`detail` again, where clients of an older system read it."),
            "field": text("The field of the body that it is about, if it is about one."),
            "limit": { "type": "integer", "description": "The bound that was not kept, if there is one." },
        },
        "required": ["type", "title", "status", "detail", "code", "error"],
    })
}

fn key_schema() -> Value {
    json!({
        "type": "object",
        "description": "A public key (RFC 7517).",
        "properties": { "kty": { "type": "string" }, "kid": { "type": "string" }, "alg": { "type": "string" } },
        "required": ["kty", "kid", "alg"],
    })
}

fn session_schema() -> Value {
    let at = |means: &str| json!({ "type": "string", "format": "date-time", "description": means });
    json!({
        "type": "object",
        "properties": {
            "id": { "type": "string" },
            "created_at": at("When it was opened."),
            "last_used_at": at("When it was last refreshed."),
            "user_agent": { "type": ["string", "null"], "description": "What the client called itself." },
            "current": { "type": "boolean", "description": "Whether it is the one that calls." },
        },
        "required": ["id", "created_at", "last_used_at", "user_agent", "current"],
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// `AUTH_UPDATE_OPENAPI=1 cargo test -p adapters-http --features openapi --lib openapi` writes it anew.
    #[test]
    fn the_file_in_the_repository_is_what_the_code_says() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
        if std::env::var_os("AUTH_UPDATE_OPENAPI").is_some() {
            let text = serde_json::to_string_pretty(&openapi()).unwrap();
            std::fs::write(&file, text + "\n").unwrap();
        }
        let text = std::fs::read_to_string(&file).unwrap();
        let written: Value = serde_json::from_str(&text).unwrap();
        assert!(written == openapi(), "openapi.json is not what the code says: write it anew");
    }

    #[test]
    fn every_link_leads_to_an_operation_and_operations_have_names_of_their_own() {
        let mut names: Vec<_> = ENDPOINTS.iter().map(|endpoint| endpoint.operation).collect();
        let links = names.iter().filter_map(|name| links(name));
        for link in links.flat_map(|links| links.as_object().unwrap().clone()) {
            let target = link.1["operationId"].as_str().unwrap();
            assert!(names.contains(&target), "{target}");
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ENDPOINTS.len());
        assert!(names.iter().all(|name| !name.is_empty()));
    }

    #[test]
    fn the_page_names_every_call_and_every_code_and_loads_nothing_from_elsewhere() {
        let page = rendered().unwrap();
        for endpoint in ENDPOINTS {
            let heading = format!("id=\"{}\"", endpoint.operation);
            let path = endpoint.path.replace('/', "&#x2f;");
            assert!(page.contains(&heading) && page.contains(&path), "{path}");
        }
        for row in problem::rows() {
            assert!(page.contains(&format!("<code>{}</code>", row.code())), "{}", row.code());
        }
        for foreign in ["src=", "<script", "<style", "style=", "http://", "https://", "@import"] {
            assert!(!page.contains(foreign), "{foreign}");
        }
        assert!(!include_str!("../pages/docs.css").contains("url("));
    }
}
