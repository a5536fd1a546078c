//! axum-login over `password-auth` and an in-memory store, which the crate leaves to its host. Hashes are Argon2id
//! m=19456, t=2, p=1 by `password-auth`, which takes no other; made in `spawn_blocking`, as its documentation says.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use axum_login::{AuthManagerLayerBuilder, AuthSession, AuthUser, AuthnBackend, UserId};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::spawn_blocking;
use tower_sessions::{MemoryStore, SessionManagerLayer};

#[derive(Clone, Debug)]
struct User {
    id: u64,
    email: String,
    hash: String,
}

impl AuthUser for User {
    type Id = u64;

    fn id(&self) -> u64 {
        self.id
    }

    fn session_auth_hash(&self) -> &[u8] {
        self.hash.as_bytes()
    }
}

#[derive(Clone, Default)]
struct Users(Arc<RwLock<HashMap<String, User>>>);

#[derive(Clone, Deserialize)]
struct Credentials {
    email: String,
    password: String,
}

impl AuthnBackend for Users {
    type User = User;
    type Credentials = Credentials;
    type Error = std::io::Error;

    async fn authenticate(&self, given: Credentials) -> Result<Option<User>, Self::Error> {
        let user = self.0.read().unwrap().get(&given.email).cloned();
        let checked = spawn_blocking(move || match user {
            Some(user) => {
                password_auth::verify_password(given.password, &user.hash).ok().map(|()| user)
            }
            None => {
                password_auth::generate_hash(given.password);
                None
            }
        });
        Ok(checked.await.unwrap())
    }

    async fn get_user(&self, id: &UserId<Self>) -> Result<Option<User>, Self::Error> {
        Ok(self.0.read().unwrap().values().find(|user| user.id == *id).cloned())
    }
}

async fn register(State(users): State<Users>, Json(given): Json<Credentials>) -> StatusCode {
    let hash = spawn_blocking(move || password_auth::generate_hash(given.password)).await.unwrap();
    let mut users = users.0.write().unwrap();
    let id = users.len() as u64;
    users.insert(given.email.clone(), User { id, email: given.email, hash });
    StatusCode::CREATED
}

async fn login(mut session: AuthSession<Users>, Json(given): Json<Credentials>) -> StatusCode {
    match session.authenticate(given).await.unwrap() {
        Some(user) => {
            session.login(&user).await.unwrap();
            StatusCode::OK
        }
        None => StatusCode::UNAUTHORIZED,
    }
}

async fn me(session: AuthSession<Users>) -> Result<Json<Value>, StatusCode> {
    let user = session.user.ok_or(StatusCode::UNAUTHORIZED)?;
    Ok(Json(json!({"id": user.id, "email": user.email})))
}

#[tokio::main]
async fn main() {
    let users = Users::default();
    let sessions = SessionManagerLayer::new(MemoryStore::default()).with_secure(false);
    let app = Router::new()
        .route("/register", post(register))
        .route("/login", post(login))
        .route("/me", get(me))
        .layer(AuthManagerLayerBuilder::new(users.clone(), sessions).build())
        .with_state(users);
    let port = std::env::var("PORT").unwrap();
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await.unwrap();
    axum::serve(listener, app).await.unwrap();
}
