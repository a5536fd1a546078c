//! What signing and checking an access token costs: `cargo bench -p benches --bench token`.
#![expect(clippy::unwrap_used, reason = "a bench that cannot be set up should stop")]

use std::sync::Arc;
use std::time::Duration;

use adapters_local::{
    CompatibilityIssuer, CompatibilityVerifier, JwtIssuer, JwtVerifier, KeyRing, OsEntropy,
    SigningKey, TokenProfile,
};
use auth_domain::ports::{TokenIssuer, TokenVerifier};
use auth_domain::{
    Claims, CredentialVersion, DisplayName, Email, SessionId, Timestamp, TokenRejected, UserId,
};
use criterion::{Criterion, criterion_group, criterion_main};
use tokio::runtime::Runtime;

const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);

fn claims() -> Claims {
    Claims {
        user_id: UserId::from_entropy_bytes([9; 16]),
        session_id: SessionId::from_entropy_bytes([8; 16]),
        email: Email::parse("ann@example.com").unwrap(),
        name: DisplayName::parse("Ann").unwrap(),
        credential_version: CredentialVersion::FIRST,
        issued_at: NOW,
        expires_at: NOW + Duration::from_mins(15),
    }
}

fn tokens(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let key = SigningKey::ed25519_from_seed(&[3; 32]);
    let profile = TokenProfile::new("https://auth.example.com", "benches").unwrap();
    let ring = KeyRing::new(key);
    let verifier = JwtVerifier::from_ring(&ring, profile.clone());
    let issuer = JwtIssuer::new(ring, profile, Arc::new(OsEntropy::new()));
    let compatible = CompatibilityIssuer::new(&[5; 32]).unwrap();
    let by_secret = CompatibilityVerifier::new(&[5; 32]).unwrap();
    let claims = claims();
    let token = runtime.block_on(issuer.issue(&claims)).unwrap();
    let old = runtime.block_on(compatible.issue(&claims)).unwrap();
    let mut group = criterion.benchmark_group("token");
    group.bench_function("issue, EdDSA", |bencher| {
        bencher.to_async(&runtime).iter(async || issuer.issue(&claims).await.unwrap());
    });
    group.bench_function("issue, HS256 for compatibility", |bencher| {
        bencher.to_async(&runtime).iter(async || compatible.issue(&claims).await.unwrap());
    });
    group.bench_function("verify, EdDSA", |bencher| {
        bencher.iter(|| verifier.verify(token.expose(), NOW).unwrap());
    });
    group.bench_function("verify, HS256 for compatibility", |bencher| {
        bencher.iter(|| by_secret.verify(old.expose(), NOW).unwrap());
    });
    let (signed, signature) = token.expose().rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { 'B' } else { 'A' };
    let forged = format!("{signed}.{other}{}", &signature[1..]);
    group.bench_function("verify, forged", |bencher| {
        bencher.iter(|| verifier.verify(&forged, NOW).unwrap_err());
    });
    // What a flood of strangers' tokens costs: no signature is looked at.
    let stranger = KeyRing::new(SigningKey::ed25519_from_seed(&[4; 32]));
    let profile = TokenProfile::new("https://auth.example.com", "benches").unwrap();
    let verifier = JwtVerifier::from_ring(&stranger, profile);
    group.bench_function("verify, unknown kid", |bencher| {
        bencher.iter(|| assert_eq!(verifier.verify(token.expose(), NOW), Err(TokenRejected)));
    });
    group.finish();
}

criterion_group!(benches, tokens);
criterion_main!(benches);
