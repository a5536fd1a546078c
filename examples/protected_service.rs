//! A service that takes the access tokens of another: it holds that one's public keys and a clock, and no
//! secret, no store and no connection to it.
//!
//! With the example server on its port, and both told who issues tokens for whom (their defaults agree):
//!
//! ```text
//! curl -fsS http://127.0.0.1:3000/.well-known/jwks.json > jwks.json
//! cargo run --example protected_service -- --jwks jwks.json
//! curl -i http://127.0.0.1:3001/greeting -H "Authorization: Bearer $ACCESS_TOKEN"
//! ```
//!
//! Keys change: whoever runs this fetches the file anew on a schedule, more often than the issuer waits
//! between publishing a key and signing with it. A crontab's line, which replaces the file in one step and
//! then tells the process:
//!
//! ```text
//! */5 * * * *  curl -fsS -o jwks.new https://auth.example.com/.well-known/jwks.json && mv jwks.new jwks.json && systemctl kill --signal=HUP protected
//! ```
//!
//! A file that is no key set, or has a private key, is refused with a line in the log; the old keys stay.
#![expect(clippy::print_stdout, reason = "it talks to whoever started it")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use adapters_http::{Bearer, RequireBearer};
use adapters_local::{Jwks, JwtVerifier, SystemClock, TokenProfile};
use anyhow::{Context as _, Result};
use auth_domain::{AccessTokenVerifier, Claims};
use axum::routing::get;
use axum::{Extension, Router};
use clap::Parser;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Takes the access tokens of another service, by its public keys alone.
#[derive(Parser)]
struct Arguments {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, env = "AUTH_LISTEN", default_value = "127.0.0.1:3001")]
    listen: SocketAddr,
    /// File with what `GET /.well-known/jwks.json` of the issuer answers. Read again at each SIGHUP.
    #[arg(long, env = "AUTH_JWKS")]
    jwks: PathBuf,
    /// Issuer (`iss`) whose tokens are taken.
    #[arg(long, env = "AUTH_ISSUER", default_value = "http://127.0.0.1:3000")]
    issuer: String,
    /// Audience (`aud`) that they must be for: this service.
    #[arg(long, env = "AUTH_AUDIENCE", default_value = "example")]
    audience: String,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let profile = TokenProfile::new(&arguments.issuer, &arguments.audience)
        .context("AUTH_ISSUER, AUTH_AUDIENCE")?;
    let jwks = Jwks::parse(&read(&arguments.jwks)?).context("AUTH_JWKS")?;
    let verifier = JwtVerifier::from_jwks(&jwks, profile);
    let verifier = AccessTokenVerifier::new(Arc::new(verifier), Arc::new(SystemClock::new()));

    let hang_up = signal(SignalKind::hangup())?;
    tokio::spawn(follow(jwks, arguments.jwks, hang_up));
    let listener = TcpListener::bind(arguments.listen).await.context("AUTH_LISTEN")?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, application(verifier)).await?)
}

fn application(verifier: AccessTokenVerifier) -> Router {
    // A whole group behind one layer, for handlers that know nothing of tokens.
    let reports = Router::new()
        .route("/reports/yearly", get(async || "nothing to report"))
        .route("/reports/mine", get(report))
        .route_layer(RequireBearer::new(verifier.clone()));
    // And a route by itself, whose handler cannot be called without them.
    Router::new()
        .route("/", get(async || "this page is for everybody"))
        .route("/greeting", get(greet))
        .with_state(verifier)
        .merge(reports)
}

async fn greet(Bearer(claims): Bearer) -> String {
    format!("Hello, {}", claims.name.as_str())
}

async fn report(Extension(claims): Extension<Claims>) -> String {
    format!("nothing to report of {}", claims.user_id)
}

/// Reads the keys again whenever it is told to.
async fn follow(jwks: Jwks, path: PathBuf, mut hang_up: Signal) {
    while hang_up.recv().await.is_some() {
        let replaced = read(&path).and_then(|text| Ok(jwks.replace(&text)?));
        match replaced {
            Ok(()) => println!("keys read again"),
            Err(error) => {
                tracing::error!("the old keys stay: {error:#}");
                println!("keys not replaced");
            }
        }
    }
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("AUTH_JWKS {}", path.display()))
}
