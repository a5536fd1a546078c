//! What the use cases cost besides hashing and signing, on in-memory adapters: `cargo bench -p benches
//! --bench use_cases`.
#![expect(clippy::unwrap_used, reason = "a bench that cannot be set up should stop")]

mod world;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use adapters_local::{testing, testing_with};
use async_trait::async_trait;
use auth_domain::ports::{TokenIssuer, TokenVerifier};
use auth_domain::{
    Claims, CredentialVersion, DisplayName, Email, LoginRequest, Password, PortError,
    RegisterRequest, RequestContext, ResetRequest, SessionId, SignedToken, Timestamp,
    TokenRejected, UserId,
};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use tokio::runtime::Runtime;

use world::{Dropped, context, request, world};

/// Signing is measured by `token`, and left out here.
struct Unsigned;

#[async_trait]
impl TokenIssuer for Unsigned {
    async fn issue(&self, _: &Claims) -> Result<SignedToken, PortError> {
        Ok(SignedToken::new(String::new()))
    }
}

/// Checking is measured by `token`, too.
struct Unchecked(Claims);

impl TokenVerifier for Unchecked {
    fn verify(&self, _: &str, _: Timestamp) -> Result<Claims, TokenRejected> {
        Ok(self.0.clone())
    }

    fn jwks(&self) -> String {
        String::new()
    }
}

/// What a user of the library writes as a unit test, everything set up anew and really signed.
async fn whole_test() {
    let world = testing();
    let (auth, context) = (&world.auth, RequestContext::new());
    let RegisterRequest { email, .. } = request(0);
    auth.register(request(0), &context).await.unwrap();
    auth.request_password_reset(email.clone(), &context).await.unwrap();
    world.deliver_mail().await;
    let token = world.reset_token(&email).unwrap();
    let password = Password::new("a brand new staple").unwrap();
    let reset = ResetRequest { token, new_password: password.clone() };
    auth.reset_password(reset, &context).await.unwrap();
    auth.login(LoginRequest { email, password }, &context).await.unwrap();
}

fn claims() -> Claims {
    let now = Timestamp::from_seconds(1_700_000_000);
    Claims {
        user_id: UserId::from_entropy_bytes([9; 16]),
        session_id: SessionId::from_entropy_bytes([8; 16]),
        email: Email::parse("ann@example.com").unwrap(),
        name: DisplayName::parse("Ann").unwrap(),
        credential_version: CredentialVersion::FIRST,
        issued_at: now,
        expires_at: now + Duration::from_mins(15),
    }
}

/// On the path of every request: what a span costs where nobody listens, and where lines are written.
fn authenticate(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let world = testing_with(|ports, _| ports.token_verifier = Arc::new(Unchecked(claims())));
    let auth = &world.auth;
    let mut group = criterion.benchmark_group("authenticate, checking stubbed");
    group.bench_function("nobody listens", |bencher| {
        bencher.to_async(&runtime).iter(async || auth.authenticate("token").await.unwrap());
    });
    let lines = tracing_subscriber::fmt().json().with_writer(std::io::sink).finish();
    let _guard = tracing::subscriber::set_default(lines);
    group.bench_function("lines are written", |bencher| {
        bencher.to_async(&runtime).iter(async || auth.authenticate("token").await.unwrap());
    });
    group.finish();
}

fn use_cases(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let world = world(|ports| {
        ports.mailer = Arc::new(Dropped);
        ports.token_issuer = Arc::new(Unsigned);
    });
    let auth = &world.auth;
    let RegisterRequest { email, password, .. } = request(0);
    runtime.block_on(auth.register(request(0), &context())).unwrap();
    let good = LoginRequest { email: email.clone(), password };
    let mut group = criterion.benchmark_group("use_cases");

    group.bench_function("login, hashing and signing stubbed", |bencher| {
        bencher
            .to_async(&runtime)
            .iter(async || auth.login(good.clone(), &context()).await.unwrap());
    });

    group.bench_function("refresh, signing stubbed", |bencher| {
        let login = runtime.block_on(auth.login(good.clone(), &context())).unwrap();
        let current = Mutex::new(login.refresh_token);
        bencher.to_async(&runtime).iter(async || {
            let presented = current.lock().unwrap().clone();
            let refreshed = auth.refresh(presented, &context()).await.unwrap();
            *current.lock().unwrap() = refreshed.refresh_token;
        });
    });

    let next = AtomicU64::new(1);
    group.bench_function("register, hashing stubbed", |bencher| {
        let fresh = || request(next.fetch_add(1, Ordering::Relaxed));
        bencher.to_async(&runtime).iter_batched(
            fresh,
            async |request| auth.register(request, &context()).await.unwrap(),
            BatchSize::SmallInput,
        );
    });

    group.bench_function("a whole test, from testing() to the login after a reset", |bencher| {
        bencher.to_async(&runtime).iter(whole_test);
    });

    group.bench_function("forgot, request and worker", |bencher| {
        bencher.to_async(&runtime).iter(async || {
            // Each request is newer than the one before it, and so is sent.
            world.clock.advance(Duration::from_micros(1));
            auth.request_password_reset(email.clone(), &context()).await.unwrap();
            world.deliver_mail().await
        });
    });
    group.finish();
}

// The first sets a subscriber only when it has measured without one.
criterion_group!(benches, authenticate, use_cases);
criterion_main!(benches);
