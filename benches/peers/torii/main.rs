//! torii and torii-axum over SQLite at the path DATABASE. Hashes are Argon2id m=19456, t=2, p=1 by `password-auth`; it
//! has no setting for others.

use std::env;
use std::sync::Arc;

use torii::Torii;
use torii::sqlite::SqliteRepositoryProvider;
use torii_axum::{CookieConfig, LinkConfig};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (port, path) = (env::var("PORT")?, env::var("DATABASE")?);
    let pool = sqlx::SqlitePool::connect(&format!("sqlite://{path}?mode=rwc")).await?;
    let torii = Arc::new(Torii::new(Arc::new(SqliteRepositoryProvider::new(pool))));
    torii.migrate().await?;
    let routes = torii_axum::routes(Arc::clone(&torii))
        .with_cookie_config(CookieConfig::development())
        .with_link_config(LinkConfig::new("http://127.0.0.1"))
        .build();
    let app = axum::Router::new().nest("/auth", routes);
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    axum::serve(listener, app).await?;
    Ok(())
}
