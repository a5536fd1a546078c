//! What hostile input costs before it is refused: `cargo bench -p benches --bench parse`.
//!
//! Each text is the largest or most expensive of its kind that gets as far as the parser.
#![expect(clippy::unwrap_used, reason = "a bench that cannot be set up should stop")]

use std::hint::black_box;

use adapters_local::{JwtVerifier, SigningKey, TokenProfile};
use auth_domain::ports::TokenVerifier;
use auth_domain::{DisplayName, Email, Password, ResetToken, Timestamp};
use criterion::{Criterion, criterion_group, criterion_main};

fn parsers(criterion: &mut Criterion) {
    let profile = TokenProfile::new("https://auth.example.com", "benches").unwrap();
    let key = SigningKey::ed25519_from_seed(&[3; 32]).verifying_key();
    let verifier = JwtVerifier::new([key], profile).unwrap();
    // Marks out of order, which NFC has to sort.
    let marks = "e\u{301}\u{323}\u{302}\u{31b}".repeat(1024);
    let idn = format!("a@{}.example", "\u{fc}".repeat(400));
    let dots = format!("a@{}", ".".repeat(1000));
    let mut group = criterion.benchmark_group("parse");
    group.bench_function("email, a good one", |b| {
        b.iter(|| Email::parse(black_box("Ann@Example.com")))
    });
    group.bench_function("email, a long international domain", |b| {
        b.iter(|| Email::parse(black_box(&idn)))
    });
    group.bench_function("email, a thousand dots", |b| b.iter(|| Email::parse(black_box(&dots))));
    group.bench_function("email, a mebibyte", |b| {
        let text = "a".repeat(1 << 20);
        b.iter(|| Email::parse(black_box(&text)));
    });
    group.bench_function("name, unsorted marks", |b| {
        b.iter(|| DisplayName::parse(black_box(&marks)))
    });
    group.bench_function("password, 4 KiB of unsorted marks", |b| {
        b.iter(|| Password::new(black_box(&marks[..4095])));
    });
    group.bench_function("reset token, 400 bytes of junk", |b| {
        let text = format!("{}.{}", "A".repeat(339), "A".repeat(64));
        b.iter(|| ResetToken::parse(black_box(&text)));
    });
    group.bench_function("access token, 4 KiB of dots", |b| {
        let text = ".".repeat(4096);
        b.iter(|| verifier.verify(black_box(&text), Timestamp::from_seconds(0)));
    });
    group.finish();
}

criterion_group!(benches, parsers);
criterion_main!(benches);
