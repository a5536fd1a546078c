//! rustauth on axum. HASH is `default` (its scrypt N=16384 r=16 p=1) or `equal` (Argon2id m=19456, t=2, p=1 by the crate
//! `argon2`, through its hooks); DATABASE is a path of SQLite, or not set for its in-memory adapter.

use std::env;
use std::net::SocketAddr;
use std::sync::Arc;

use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use rustauth::options::*;
use rustauth::prelude::*;
use rustauth_axum::{RustAuthAxumExt, RustAuthAxumOptions};
use rustauth_core::db::{AuthSchemaOptions, DbAdapter, auth_schema};
use rustauth_core::outbound::ready_outbound;

const SECRET: &str = "bench-secret-at-least-32-characters-long!";

fn argon2id() -> Argon2<'static> {
    let params = Params::new(19_456, 2, 1, None).unwrap();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn hash(password: &str) -> Result<String, RustAuthError> {
    argon2id()
        .hash_password(password.as_bytes(), &SaltString::generate(&mut OsRng))
        .map(|hash| hash.to_string())
        .map_err(|error| RustAuthError::PasswordHash(error.to_string()))
}

fn verify(hash: &str, password: &str) -> Result<bool, RustAuthError> {
    let hash =
        PasswordHash::new(hash).map_err(|error| RustAuthError::PasswordHash(error.to_string()))?;
    Ok(argon2id().verify_password(password.as_bytes(), &hash).is_ok())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = env::var("PORT")?;
    let mut passwords = PasswordOptions::new().send_reset_password(
        |_: PasswordResetEmail, _: Option<&http::Request<Vec<u8>>>| ready_outbound(Ok(())),
    );
    if env::var("HASH")? == "equal" {
        passwords = passwords.hash_password(hash).verify_password(verify);
    }
    let no_limits = || RateLimitOptions::memory().enabled(false);
    let options = RustAuthOptions::new()
        .base_url(format!("http://127.0.0.1:{port}/api/auth"))
        .base_path("/api/auth")
        .email_password(EmailPasswordOptions::new().enabled(true))
        .password(passwords)
        .rate_limit(no_limits());
    let builder = RustAuth::builder().secret(SECRET);
    let auth = if let Ok(path) = env::var("DATABASE") {
        let schema = auth_schema(AuthSchemaOptions::default());
        let url = format!("sqlite://{path}?mode=rwc");
        let stores = rustauth::sqlx::SqliteStores::connect_with_schema(&url, schema.clone()).await?;
        stores.adapter_ref().run_migrations(&schema).await?;
        let options = stores.apply_to_options(options).rate_limit(no_limits()).secret(SECRET);
        builder.options(options).adapter_arc(stores.adapter()).build().await?
    } else {
        builder.options(options.secret(SECRET)).adapter(MemoryAdapter::new()).build().await?
    };
    let app = Arc::new(auth).mount_at_base_path(RustAuthAxumOptions::default())?;
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}
