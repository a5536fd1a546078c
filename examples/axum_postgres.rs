//! A small service of notes in a Postgres of its own: its tables refer to the accounts beside them, its
//! transactions run on the pool that the accounts use too, and its routes are for who is logged in.
//!
//! ```text
//! export DATABASE_URL="postgres://user:password@host/database?sslmode=verify-full"
//! export AUTH_MASTER_SECRET="$(openssl rand -base64 32)"   # once, and kept: the same at each start
//! cargo run --example axum_postgres                        # AUTH_LISTEN, PUBLIC_URL: see `main`
//!
//! AT=http://127.0.0.1:3002 JSON='Content-Type: application/json'
//! curl $AT/auth/register -H "$JSON" -d '{"email":"ann@example.com","password":"correct horse battery","name":"Ann"}'
//! curl $AT/auth/login -H "$JSON" -d '{"email":"ann@example.com","password":"correct horse battery"}'
//! BEARER="Authorization: Bearer ..."                       # the access_token of that answer
//! curl $AT/notes -H "$BEARER" -H "$JSON" -d '{"text":"milk"}'
//! curl $AT/notes -H "$BEARER"
//! curl -X DELETE $AT/auth/me -H "$BEARER"                  # the notes go with the account
//! ```
#![expect(clippy::print_stdout, reason = "it prints mails instead of sending them")]

use std::env;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use adapters_http::{Bearer, HttpOptions, RequireBearer, routes};
use adapters_local::{
    Argon2idHasher, Argon2idSettings, JwtIssuer, JwtVerifier, OsEntropy, SigningKey, SystemClock,
    TokenProfile, TracingEvents,
};
use adapters_sql::{SqlMailQueue, SqlMailWorker, SqlSettings, SqlStore, postgres_options};
use anyhow::{Context as _, Result};
use auth_domain::ports::{Clock as _, Mailer};
use auth_domain::{
    Auth, Claims, LinkBase, MasterSecret, OutgoingEmail, PortError, Ports, Settings, TokenCheck,
};
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRef, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing::get};
use base64ct::{Base64, Encoding as _};
use serde::{Deserialize, Serialize};
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::types::Uuid;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Both lose an account's rows together with it. The lock is for instances that start at once.
const TABLES: &str = "
    SELECT pg_advisory_xact_lock(hashtext('notes'));
    CREATE TABLE IF NOT EXISTS notes (
        user_id uuid NOT NULL REFERENCES auth_users (user_id) ON DELETE CASCADE,
        note_id bigint GENERATED ALWAYS AS IDENTITY,
        text    text NOT NULL,
        PRIMARY KEY (user_id, note_id)
    );
    CREATE TABLE IF NOT EXISTS note_counts (
        user_id uuid PRIMARY KEY REFERENCES auth_users (user_id) ON DELETE CASCADE,
        notes   int NOT NULL
    );";
const NOTES_EACH: i32 = 10;
const PATIENCE: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let required = |name| env::var(name).context(name);
    let listen = env::var("AUTH_LISTEN").unwrap_or("127.0.0.1:3002".to_owned());
    // Where users find this service: mailed links lead there, and tokens name it as their issuer.
    let public_url = env::var("PUBLIC_URL").unwrap_or("http://127.0.0.1:3002".to_owned());
    let secret = Base64::decode_vec(required("AUTH_MASTER_SECRET")?.trim()).unwrap_or_default();
    let secret = MasterSecret::new(secret).context("AUTH_MASTER_SECRET, in base64")?;
    let settings = SqlSettings::default();
    let options =
        postgres_options(&required("DATABASE_URL")?, &settings).context("DATABASE_URL")?;
    let pool = PgPoolOptions::new().acquire_timeout(PATIENCE).connect_with(options);
    let pool = pool.await.context("DATABASE_URL")?;

    let store = SqlStore::over_postgres(pool.clone(), &settings)?;
    store.migrate().await.context("tables of accounts")?;
    sqlx::raw_sql(TABLES).execute(&pool).await.context("tables of notes")?;
    let mail_queue = SqlMailQueue::new(store.clone(), Arc::new(SystemClock::new()));
    let worker = mail_queue.worker();
    let auth = accounts(secret, &public_url, &store, mail_queue)?;
    tokio::spawn(sweep_hourly(store));
    let listener = TcpListener::bind(listen).await.context("AUTH_LISTEN")?;
    run(listener, service(auth.clone(), pool.clone()), auth, worker).await?;
    pool.close().await;
    println!("stopped");
    Ok(())
}

/// Until a signal comes. Then requests end, and after them the mails that they caused: no client can hold
/// that up for long.
async fn run(
    listener: TcpListener,
    service: Router,
    auth: Auth,
    worker: SqlMailWorker,
) -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    println!("listening on http://{}", listener.local_addr()?);
    let (stop_server, server_stops) = oneshot::channel::<()>();
    let (stop_worker, worker_stops) = oneshot::channel::<()>();
    let service = service.into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, service)
        .with_graceful_shutdown(async { server_stops.await.unwrap_or_default() });
    let server = tokio::spawn(server.into_future());
    let worker_stops = async { worker_stops.await.unwrap_or_default() };
    let worker = tokio::spawn(worker.run(auth, worker_stops, PATIENCE));
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    drop(stop_server);
    let _ = timeout(PATIENCE, server).await;
    drop(stop_worker);
    Ok(worker.await?)
}

fn accounts(
    secret: MasterSecret,
    public_url: &str,
    store: &SqlStore,
    mail_queue: SqlMailQueue,
) -> Result<Auth> {
    let entropy = Arc::new(OsEntropy::new());
    let profile = TokenProfile::new(public_url, "notes").context("PUBLIC_URL")?;
    let links = LinkBase::parse_or_loopback(&format!("{public_url}/reset-password"));
    let key = SigningKey::ed25519_from_master(&secret);
    let hasher = Argon2idHasher::new(Argon2idSettings::default(), Arc::clone(&entropy) as _)?;
    let verifier = JwtVerifier::from_masters(&secret, None, profile.clone())?;
    let ports = Ports {
        attempts: Arc::new(store.clone()),
        breached_passwords: None, // `adapters_local::HibpRange` asks Have I Been Pwned
        clock: Arc::new(SystemClock::new()),
        compatibility_issuer: None,
        entropy: Arc::clone(&entropy) as _,
        events: Arc::new(TracingEvents::new()),
        hasher: Arc::new(hasher),
        limiter: Arc::new(store.clone()),
        mail_queue: Arc::new(mail_queue),
        mailer: Arc::new(Terminal), // `adapters_local::SmtpMailer` sends them
        reset_tokens: Arc::new(store.clone()),
        sessions: Arc::new(store.clone()),
        token_issuer: Arc::new(JwtIssuer::new(key, profile, entropy)),
        token_verifier: Arc::new(verifier),
        users: Arc::new(store.clone()),
    };
    let mut settings = Settings::new(secret, links.context("PUBLIC_URL")?, "Notes");
    settings.token_check = TokenCheck::Strict; // one row to read, in the database that is asked anyway
    Ok(Auth::new(ports, settings)?)
}

struct Terminal;

#[async_trait::async_trait]
impl Mailer for Terminal {
    async fn send(&self, mail: &OutgoingEmail) -> Result<(), PortError> {
        let (subject, text) = (&mail.content.subject, mail.content.text.as_str());
        println!("\n--- mail to {}\nSubject: {subject}\n\n{text}---\n", mail.to.as_str());
        Ok(())
    }
}

/// Removes what has expired, a thousand rows of each table at a time. What fails waits an hour.
async fn sweep_hourly(store: SqlStore) {
    let clock = SystemClock::new();
    let mut hourly = tokio::time::interval(Duration::from_hours(1));
    loop {
        hourly.tick().await;
        let swept = async || store.sweep(clock.now(), 1_000).await;
        let failed = |error: &PortError| tracing::warn!("not swept: {}", error.with_causes());
        while swept().await.inspect_err(failed).is_ok_and(|swept| swept.more) {}
    }
}

#[derive(Clone, FromRef)]
struct Notes {
    pool: PgPool,
    require_bearer: RequireBearer,
}

fn service(auth: Auth, pool: PgPool) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/notes", get(list).post(add))
        .with_state(Notes { pool, require_bearer: RequireBearer::new(auth.clone()) })
        .merge(routes(auth, HttpOptions::default()))
}

/// The `user_id` of somebody's rows.
fn owner(claims: &Claims) -> Uuid {
    Uuid::from_bytes(*claims.user_id.as_bytes())
}

#[derive(Serialize)]
struct Note {
    note_id: i64,
    text: String,
}

async fn list(
    Bearer(claims): Bearer,
    State(pool): State<PgPool>,
) -> Result<Json<Vec<Note>>, Refusal> {
    let notes = sqlx::query_as("SELECT note_id, text FROM notes WHERE user_id = $1 ORDER BY 1");
    let notes: Vec<(i64, String)> = notes.bind(owner(&claims)).fetch_all(&pool).await?;
    Ok(Json(notes.into_iter().map(|(note_id, text)| Note { note_id, text }).collect()))
}

#[derive(Deserialize)]
struct NewNote {
    text: String,
}

const ADD: &str = "INSERT INTO notes (user_id, text) VALUES ($1, $2) RETURNING note_id";
const COUNT: &str = "
    INSERT INTO note_counts (user_id, notes) VALUES ($1, 1)
    ON CONFLICT (user_id) DO UPDATE SET notes = note_counts.notes + 1 WHERE note_counts.notes < $2";

/// A note and its count, or neither. The note goes first: its foreign key holds the account, so that a
/// deletion waits for this transaction or this one for it, and never each for the other.
async fn add(
    Bearer(claims): Bearer,
    State(pool): State<PgPool>,
    note: Result<Json<NewNote>, JsonRejection>,
) -> Result<(StatusCode, Json<Note>), Refusal> {
    let Json(NewNote { text }) = note?;
    if text.trim().is_empty() || text.contains('\0') {
        return Err(Refusal(StatusCode::BAD_REQUEST, "text_invalid", "A note has a text."));
    }
    let mut transaction = pool.begin().await?;
    let note_id = sqlx::query_scalar(ADD).bind(owner(&claims)).bind(&text);
    let note_id = note_id.fetch_one(&mut *transaction).await?;
    let count = sqlx::query(COUNT).bind(owner(&claims)).bind(NOTES_EACH);
    if count.execute(&mut *transaction).await?.rows_affected() == 0 {
        // The transaction is dropped here, and by that rolled back.
        return Err(Refusal(StatusCode::CONFLICT, "notes_full", "You have as many as may be."));
    }
    transaction.commit().await?;
    Ok((StatusCode::CREATED, Json(Note { note_id, text })))
}

/// Status, code and detail of a problem+json.
struct Refusal(StatusCode, &'static str, &'static str);

impl From<JsonRejection> for Refusal {
    fn from(rejection: JsonRejection) -> Self {
        Self(rejection.status(), "body_invalid", "The body is a JSON object with a text.")
    }
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        if error.as_database_error().is_some_and(|error| error.is_foreign_key_violation()) {
            // Deleted after its token was checked.
            return Self(StatusCode::NOT_FOUND, "account_not_found", "The account is gone.");
        }
        tracing::error!("notes: {error}");
        Self(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Try again later.")
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(status, code, detail) = self;
        let problem =
            serde_json::json!({"status": status.as_u16(), "code": code, "detail": detail});
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        (status, kind, Json(problem)).into_response()
    }
}
