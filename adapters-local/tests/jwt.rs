//! Access and compatibility tokens: what is in them, and everything that must not pass for one.
//!
//! Hostile tokens are signed here with the backend directly and the verifier's own key, so that each is
//! refused for what is wrong with it and not for its signature.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helper functions of tests, which may panic and say what they did"
)]

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use adapters_local::{
    CompatibilityIssuer, CompatibilityVerifier, Jwks, JwksError, JwtIssuer, JwtVerifier,
    JwtVerifierError, KeyError, KeyRing, KeyRingError, OsEntropy, SigningKey, SystemClock,
    TokenProfile, VerifyingKey,
};
use auth_domain::ports::{Clock as _, Entropy, TokenIssuer, TokenVerifier};
use auth_domain::{
    Claims, CredentialVersion, DisplayName, Email, MasterSecret, PortError, PortErrorKind,
    SessionId, Timestamp, TokenRejected, UserId,
};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P256K1_SHA256_ASN1_SIGNING,
    ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair,
};
use aws_lc_rs::{hmac, rsa};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

const SEED: [u8; 32] = [7; 32];
const ISSUER: &str = "https://auth.example.com";
const AUDIENCE: &str = "example-api";
const ISSUED_AT: u64 = 1_700_000_000;
const EXPIRES_AT: u64 = ISSUED_AT + 900;
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

fn profile() -> TokenProfile {
    TokenProfile::new(ISSUER, AUDIENCE).unwrap()
}

fn ann() -> Claims {
    Claims {
        user_id: UserId::from_entropy_bytes([3; 16]),
        session_id: SessionId::from_entropy_bytes([4; 16]),
        email: Email::parse("ann@example.com").unwrap(),
        name: DisplayName::parse("Ann \u{1f469}\u{200d}\u{1f52c} \"\u{d55c}\"").unwrap(),
        credential_version: CredentialVersion::new(u64::MAX),
        issued_at: Timestamp::from_seconds(ISSUED_AT),
        expires_at: Timestamp::from_seconds(EXPIRES_AT),
    }
}

fn during() -> Timestamp {
    Timestamp::from_seconds(ISSUED_AT + 1)
}

fn ed25519() -> SigningKey {
    SigningKey::ed25519_from_seed(&SEED)
}

fn p256() -> SigningKey {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    SigningKey::from_pkcs8_der(pair.to_pkcs8v1().unwrap().as_ref()).unwrap()
}

fn verifier_of(key: &SigningKey) -> JwtVerifier {
    JwtVerifier::new([key.verifying_key()], profile()).unwrap()
}

fn verifier() -> JwtVerifier {
    verifier_of(&ed25519())
}

fn issuer_of(key: SigningKey) -> JwtIssuer {
    JwtIssuer::new(key, profile(), Arc::new(OsEntropy::new()))
}

async fn issued_by(issuer: &impl TokenIssuer, claims: &Claims) -> String {
    issuer.issue(claims).await.unwrap().expose().to_owned()
}

async fn issued() -> String {
    issued_by(&issuer_of(ed25519()), &ann()).await
}

fn base64url(bytes: impl AsRef<[u8]>) -> String {
    Base64UrlUnpadded::encode_string(bytes.as_ref())
}

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&Base64UrlUnpadded::decode_vec(part).unwrap()).unwrap()
}

/// Signs two parts as they are, however ill-formed, with the key that [`verifier`] trusts.
fn signed_parts(header: &str, payload: &str) -> String {
    let signed = format!("{header}.{payload}");
    let pair = Ed25519KeyPair::from_seed_unchecked(&SEED).unwrap();
    let signature = base64url(pair.sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

fn signed(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
    signed_parts(&base64url(header), &base64url(payload))
}

fn good_header() -> Value {
    json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": ed25519().verifying_key().kid() })
}

fn good_claims() -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": ann().user_id.to_string(),
        "iat": ISSUED_AT, "nbf": ISSUED_AT, "exp": EXPIRES_AT, "jti": "1",
        "email": "ann@example.com", "name": ann().name.as_str(), "cv": u64::MAX,
        "sid": ann().session_id.to_string(),
    })
}

fn with(object: &Value, member: &str, value: Value) -> String {
    let mut object = object.clone();
    object[member] = value;
    object.to_string()
}

fn without(object: &Value, member: &str) -> String {
    let mut object = object.clone();
    assert!(object.as_object_mut().unwrap().remove(member).is_some());
    object.to_string()
}

/// The text of a JSON object with one more member, whatever it has already.
fn with_also(object: &Value, member: &str) -> String {
    format!("{{{member},{}", &object.to_string()[1..])
}

#[track_caller]
fn assert_refused(token: &str, what: impl Debug) {
    assert_eq!(verifier().verify(token, during()), Err(TokenRejected), "{what:?}");
}

#[track_caller]
fn assert_header_refused(header: &str) {
    assert_refused(&signed(header, good_claims().to_string()), header);
}

#[track_caller]
fn assert_claims_refused(claims: &str) {
    assert_refused(&signed(good_header().to_string(), claims), claims);
}

/// Fills with 0, 1, 2 and so on: each call its own byte.
#[derive(Default)]
struct CountingEntropy(AtomicU8);

impl Entropy for CountingEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), PortError> {
        bytes.fill(self.0.fetch_add(1, Ordering::Relaxed));
        Ok(())
    }
}

struct NoEntropy;

impl Entropy for NoEntropy {
    fn fill(&self, _bytes: &mut [u8]) -> Result<(), PortError> {
        Err(PortError::new(PortErrorKind::Unavailable, "entropy.fill"))
    }
}

#[tokio::test]
async fn a_token_gives_back_the_claims_that_it_was_issued_for() {
    for key in [ed25519(), p256()] {
        let verifier = verifier_of(&key);
        let token = issued_by(&issuer_of(key), &ann()).await;
        assert_eq!(verifier.verify(&token, during()), Ok(ann()));
    }
}

#[tokio::test]
async fn an_old_name_that_todays_rules_refuse_does_not_lock_its_owner_out() {
    let claims =
        Claims { name: DisplayName::from_stored(format!("Ann\n{}", "n".repeat(500))), ..ann() };
    let token = issued_by(&issuer_of(ed25519()), &claims).await;
    assert_eq!(verifier().verify(&token, during()), Ok(claims));
}

#[tokio::test]
async fn access_tokens_have_exactly_this_form() {
    let kid = ed25519().verifying_key().kid().to_owned();
    let entropy = Arc::new(CountingEntropy::default());
    let issuer = JwtIssuer::new(ed25519(), profile(), entropy);
    for jti in ["AAAAAAAAAAAAAAAAAAAAAA", "AQEBAQEBAQEBAQEBAQEBAQ"] {
        let token = issued_by(&issuer, &ann()).await;
        assert_eq!(part(&token, 0), json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": kid }));
        let mut claims = good_claims();
        claims["jti"] = jti.into();
        assert_eq!(part(&token, 1), claims);
    }
    let token = issued_by(&issuer_of(p256()), &ann()).await;
    assert_eq!(part(&token, 0)["alg"], "ES256");
}

#[tokio::test]
async fn nothing_is_issued_without_randomness() {
    let issuer = JwtIssuer::new(ed25519(), profile(), Arc::new(NoEntropy));
    let error = issuer.issue(&ann()).await.unwrap_err();
    assert!(error.is_transient());
    assert_eq!(error.operation(), "entropy.fill");
}

#[tokio::test]
async fn no_changed_byte_and_no_cut_token_passes() {
    let key = p256();
    let cases = [
        (verifier(), issued().await),
        (verifier_of(&key), issued_by(&issuer_of(key), &ann()).await),
    ];
    for (verifier, token) in cases {
        assert!(verifier.verify(&token, during()).is_ok());
        for at in 0..token.len() {
            for other in ["A", "B", "_", ".", "=", "+", "\0", " ", "\n", "\u{e9}", ""] {
                let changed = format!("{}{other}{}", &token[..at], &token[at + 1..]);
                let inserted = format!("{}{other}{}", &token[..at], &token[at..]);
                for text in [changed, inserted] {
                    let verdict = verifier.verify(&text, during());
                    assert_eq!(verdict.is_ok(), text == token, "{other:?} at {at}");
                }
            }
            assert_eq!(verifier.verify(&token[..at], during()), Err(TokenRejected));
            let tail = &token[at + 1..];
            assert_eq!(verifier.verify(tail, during()), Err(TokenRejected));
        }
    }
}

#[tokio::test]
async fn what_is_no_token_is_refused() {
    let token = issued().await;
    let mib = 1 << 20;
    for text in [
        String::new(),
        " ".into(),
        "\0".into(),
        ".".into(),
        "..".into(),
        "...".into(),
        "null".into(),
        "{}".into(),
        "a.b.c".into(),
        "e30.e30.".into(),
        "e30.e30.e30".into(),
        format!("{token}\0"),
        format!("\0{token}"),
        format!("{token}\n"),
        format!(" {token}"),
        format!("Bearer {token}"),
        format!("{token}."),
        format!(".{token}"),
        format!("{token}.{token}"),
        format!("{token}.AA.AA"),
        json!({ "payload": part(&token, 1), "signatures": [] }).to_string(),
        "a".repeat(mib),
        ".".repeat(mib),
        format!("{token}{}", "A".repeat(mib)),
        format!("{}.{}.AA", "A".repeat(mib), "A".repeat(mib)),
    ] {
        assert_refused(&text, text.get(..40));
    }
}

#[tokio::test]
async fn tokens_of_more_than_4096_bytes_are_neither_made_nor_read() {
    let named =
        |length: usize| Claims { name: DisplayName::from_stored("n".repeat(length)), ..ann() };
    let issuer = issuer_of(ed25519());
    let (mut longest, mut refused) = (0, None);
    for length in 2000..4096 {
        match issuer.issue(&named(length)).await {
            Ok(token) => {
                longest = token.expose().len();
                assert!(verifier().verify(token.expose(), during()).is_ok());
            }
            Err(error) => {
                refused = Some(error);
                break;
            }
        }
    }
    assert!((4090..=4096).contains(&longest), "{longest}");
    assert_eq!(refused.unwrap().kind(), PortErrorKind::Rejected);

    let padded = |pad: usize| {
        let claims = with(&good_claims(), "pad", "p".repeat(pad).into());
        signed(good_header().to_string(), claims)
    };
    let pad = (0..4096).rfind(|pad| padded(*pad).len() <= 4096).unwrap();
    assert!(verifier().verify(&padded(pad), during()).is_ok());
    assert_refused(&padded(pad + 1), "one byte more");
}

#[test]
fn parts_have_one_spelling() {
    let (header, claims) = (good_header().to_string(), good_claims().to_string());
    assert!(verifier().verify(&signed(&header, &claims), during()).is_ok());
    // Signed over the very text that is wrong, so that only the spelling can be what is refused.
    let padded_header = (0..3)
        .map(|n| base64url(format!("{}{header}", " ".repeat(n))))
        .find(|part| part.len() % 4 != 0)
        .unwrap();
    let padding = "=".repeat(4 - padded_header.len() % 4);
    let good = signed_parts(&padded_header, &base64url(&claims));
    assert!(verifier().verify(&good, during()).is_ok());
    assert_refused(
        &signed_parts(&format!("{padded_header}{padding}"), &base64url(&claims)),
        "padded header",
    );

    let payload = (0..3)
        .map(|n| base64url(format!("{claims}{}", " ".repeat(n))))
        .find(|part| part.len() % 4 == 2)
        .unwrap();
    let good = signed_parts(&base64url(&header), &payload);
    assert!(verifier().verify(&good, during()).is_ok());
    // A blank ends in 0000, so the last of the two characters has four bits to spare.
    let (rest, last) = payload.split_at(payload.len() - 1);
    let stray = format!("{rest}{}", char::from(last.as_bytes()[0] + 1));
    for text in [
        stray,
        format!("{payload}=="),
        format!("{payload}\n"),
        format!("{payload} "),
        format!("{payload}?"),
        format!("{payload}."),
        format!("{payload}.AA"),
    ] {
        assert_refused(&signed_parts(&base64url(&header), &text), &text);
    }
}

#[test]
fn b7_the_algorithm_is_the_keys_and_spelt_as_the_key_spells_it() {
    for alg in [
        "none", "None", "NONE", "nOnE", "noNE", "", "HS256", "ES256", "RS256", "PS256", "eddsa",
        "EDDSA", "Ed25519", "Ed448", "EdDSA ", "EdDSA\0",
    ] {
        let header = with(&good_header(), "alg", alg.into());
        assert_header_refused(&header);
        let unsigned = format!("{}.{}.", base64url(header), base64url(good_claims().to_string()));
        assert_refused(&unsigned, "no signature");
    }
    for alg in [json!(null), json!(["EdDSA"]), json!(1), json!({})] {
        assert_header_refused(&with(&good_header(), "alg", alg));
    }
    assert_header_refused(&without(&good_header(), "alg"));
}

#[test]
fn a_public_key_is_no_shared_secret() {
    let key = ed25519().verifying_key();
    let pair = Ed25519KeyPair::from_seed_unchecked(&SEED).unwrap();
    let public = aws_lc_rs::signature::KeyPair::public_key(&pair);
    let der = public.as_der().unwrap();
    let header = with(&good_header(), "alg", "HS256".into());
    let signed = format!("{}.{}", base64url(header), base64url(good_claims().to_string()));
    let jwks = verifier().jwks();
    for secret in
        [public.as_ref(), der.as_ref(), key.to_jwk().as_bytes(), jwks.as_bytes(), b"", &SEED]
    {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
        assert_refused(&format!("{signed}.{}", base64url(tag)), secret);
    }
}

#[test]
fn a_key_of_one_algorithm_verifies_no_other() {
    let other = p256();
    let keys = [ed25519().verifying_key(), other.verifying_key()];
    let verifier = JwtVerifier::new(keys, profile()).unwrap();
    let claims = good_claims().to_string();
    assert!(verifier.verify(&signed(good_header().to_string(), &claims), during()).is_ok());
    for (alg, kid) in [
        ("EdDSA", other.verifying_key().kid()),
        ("ES256", other.verifying_key().kid()),
        ("ES256", ed25519().verifying_key().kid()),
    ] {
        let header = json!({ "alg": alg, "typ": "at+jwt", "kid": kid }).to_string();
        let verdict = verifier.verify(&signed(header, &claims), during());
        assert_eq!(verdict, Err(TokenRejected), "{alg} {kid}");
    }
}

#[test]
fn a_key_is_found_by_its_whole_name_or_not_at_all() {
    let kid = ed25519().verifying_key().kid().to_owned();
    for name in [
        json!(""),
        json!(null),
        json!(0),
        json!([kid]),
        json!({ "kid": kid }),
        json!("../../../dev/null"),
        json!("' OR '1'='1"),
        json!(format!("{kid}\0")),
        json!(format!("{kid} ")),
        json!(kid.to_lowercase()),
        json!(kid[1..]),
    ] {
        assert_header_refused(&with(&good_header(), "kid", name));
    }
    assert_header_refused(&without(&good_header(), "kid"));
}

#[test]
fn headers_hold_nothing_else() {
    let jwk: Value = serde_json::from_str(&ed25519().verifying_key().to_jwk()).unwrap();
    for (member, value) in [
        ("jwk", jwk),
        ("jku", json!("https://evil.example/jwks")),
        ("x5u", json!("https://evil.example/cert")),
        ("x5c", json!(["MIIB"])),
        ("x5t", json!("AAAA")),
        ("crit", json!([])),
        ("crit", json!(["exp"])),
        ("crit", json!(["b64"])),
        ("b64", json!(true)),
        ("zip", json!("DEF")),
        ("enc", json!("A128GCM")),
        ("cty", json!("JWT")),
        ("ALG", json!("none")),
        ("", json!("")),
    ] {
        assert_header_refused(&with(&good_header(), member, value));
    }
    for twice in [
        r#""alg":"EdDSA""#,
        r#""alg":"none""#,
        r#""\u0061lg":"none""#,
        r#""kid":null"#,
        r#""typ":"JWT""#,
    ] {
        assert_header_refused(&with_also(&good_header(), twice));
    }
    let kid = ed25519().verifying_key().kid().to_owned();
    for header in [
        json!(["EdDSA", "at+jwt", kid]).to_string(),
        json!([good_header()]).to_string(),
        json!(good_header().to_string()).to_string(),
        format!("{}{}", good_header(), good_header()),
        format!("\u{feff}{}", good_header()),
        format!("{}\0", good_header()),
        good_header().to_string().replace('"', "'"),
        "null".into(),
        String::new(),
    ] {
        assert_header_refused(&header);
    }
}

#[test]
fn other_kinds_of_token_are_refused() {
    for typ in [
        json!("JWT"),
        json!("jwt"),
        json!("AT+JWT"),
        json!("application/at+jwt"),
        json!("at+jwt "),
        json!("dpop+jwt"),
        json!("secevent+jwt"),
        json!(""),
        json!(null),
        json!(["at+jwt"]),
    ] {
        assert_header_refused(&with(&good_header(), "typ", typ));
    }
    assert_header_refused(&without(&good_header(), "typ"));
}

#[test]
fn every_claim_is_required_once_and_in_its_type() {
    let claims = good_claims();
    for (name, value) in claims.as_object().unwrap() {
        assert_claims_refused(&without(&claims, name));
        let wrong_types = [
            json!(null),
            json!(true),
            json!([value]),
            json!({ "value": value }),
            if value.is_string() { json!(1) } else { json!(value.to_string()) },
        ];
        for wrong in wrong_types {
            assert_claims_refused(&with(&claims, name, wrong));
        }
        assert_claims_refused(&with_also(&claims, &format!("{}:{value}", json!(name))));
    }
    for name in ["iat", "nbf", "exp", "cv"] {
        for number in ["-1", "1700000000.5", "1.7e9", "18446744073709551616", "1e400", "NaN"] {
            let text = with(&claims, name, "X".into()).replace("\"X\"", number);
            assert_claims_refused(&text);
        }
    }
}

#[test]
fn claims_must_say_what_this_verifier_expects() {
    let claims = good_claims();
    for (name, value) in [
        ("iss", "https://evil.example"),
        ("iss", "https://auth.example.com/"),
        ("iss", "HTTPS://AUTH.EXAMPLE.COM"),
        ("iss", ""),
        ("aud", "other-api"),
        ("aud", "example-api example-api"),
        ("aud", "EXAMPLE-API"),
        ("aud", ""),
        ("sub", "ann"),
        ("sub", ""),
        ("sid", "phone"),
        ("sid", ""),
        ("email", "not an address"),
        ("email", "ann@example.com\r\nBcc: eve@example.com"),
        ("jti", ""),
    ] {
        assert_claims_refused(&with(&claims, name, value.into()));
    }
    for payload in [
        json!([ISSUER, AUDIENCE, ann().user_id.to_string(), ISSUED_AT]).to_string(),
        json!(claims.as_object().unwrap().values().collect::<Vec<_>>()).to_string(),
        format!("{claims}{claims}"),
        "null".into(),
        "{}".into(),
        String::new(),
        format!("{}1{}", "{\"a\":".repeat(300), "}".repeat(300)),
    ] {
        assert_claims_refused(&payload);
    }
}

#[test]
fn a_claim_added_by_a_newer_issuer_is_ignored_but_must_be_utf_8() {
    let header = good_header().to_string();
    let newer = with(&good_claims(), "scope", json!({ "any": ["thing"] }));
    assert_eq!(verifier().verify(&signed(&header, newer), during()), Ok(ann()));
    let mut latin1 = with_also(&good_claims(), r#""scope":"?""#).into_bytes();
    let at = latin1.iter().position(|byte| *byte == b'?').unwrap();
    latin1[at] = 0xe9;
    assert_refused(&signed(&header, latin1), "a byte of Latin-1");
}

#[test]
fn a_token_is_void_from_the_moment_that_it_names() {
    let token = signed(good_header().to_string(), good_claims().to_string());
    let end = Timestamp::from_seconds(EXPIRES_AT);
    let tick = Duration::from_micros(1);
    // However much skew is allowed for at the other end.
    let patient = verifier().with_clock_skew(Duration::from_secs(60)).unwrap();
    for verifier in [verifier(), patient] {
        assert!(verifier.verify(&token, end - tick).is_ok());
        assert_eq!(verifier.verify(&token, end), Err(TokenRejected));
        assert_eq!(verifier.verify(&token, end + tick), Err(TokenRejected));
    }
    let endless = with(&good_claims(), "exp", u64::MAX.into());
    let token = signed(good_header().to_string(), endless);
    assert!(verifier().verify(&token, during()).is_ok());
    let never = with(&good_claims(), "exp", 0.into());
    assert_claims_refused(&never);
}

#[test]
fn a_token_from_the_future_waits_for_the_clock() {
    let tick = Duration::from_micros(1);
    let begin = Timestamp::from_seconds(ISSUED_AT);
    for (skew, seconds) in [(None, 30), (Some(0), 0), (Some(60), 60)] {
        let verifier = match skew {
            None => verifier(),
            Some(skew) => verifier().with_clock_skew(Duration::from_secs(skew)).unwrap(),
        };
        // Each claim by itself: the other lies long past.
        for past in ["iat", "nbf"] {
            let claims = with(&good_claims(), past, 0.into());
            let token = signed(good_header().to_string(), claims);
            let earliest = begin - Duration::from_secs(seconds);
            assert!(verifier.verify(&token, earliest).is_ok(), "{past} {seconds}");
            assert_eq!(
                verifier.verify(&token, earliest - tick),
                Err(TokenRejected),
                "{past} {seconds}"
            );
        }
    }
    for last in ["iat", "nbf"] {
        assert_claims_refused(&with(&good_claims(), last, u64::MAX.into()));
    }
}

#[tokio::test]
async fn a_clock_set_back_refuses_new_tokens_until_it_has_caught_up() {
    let verifier = verifier();
    let token = issued().await;
    let back = |seconds| Timestamp::from_seconds(ISSUED_AT) - Duration::from_secs(seconds);
    assert!(verifier.verify(&token, back(0)).is_ok());
    assert!(verifier.verify(&token, back(30)).is_ok());
    assert_eq!(verifier.verify(&token, back(31)), Err(TokenRejected));
    assert_eq!(verifier.verify(&token, back(3600)), Err(TokenRejected));
    assert_eq!(verifier.verify(&token, Timestamp::from_seconds(0)), Err(TokenRejected));
    assert!(verifier.verify(&token, back(30)).is_ok());
}

#[test]
fn settings_that_would_weaken_every_check_are_refused() {
    let skew = Duration::from_micros(60_000_001);
    assert_eq!(verifier().with_clock_skew(skew).err(), Some(JwtVerifierError::ClockSkew));
    for (issuer, audience) in [("", AUDIENCE), (ISSUER, ""), (" \t", AUDIENCE), (ISSUER, "\n")] {
        assert!(TokenProfile::new(issuer, audience).is_err(), "{issuer:?} {audience:?}");
    }
    assert_eq!(JwtVerifier::new([], profile()).err(), Some(JwtVerifierError::NoKeys));
    let twice = [ed25519().verifying_key(), ed25519().verifying_key()];
    assert_eq!(JwtVerifier::new(twice, profile()).err(), Some(JwtVerifierError::DuplicateKid));
}

#[tokio::test]
async fn tokens_outlive_the_change_of_the_master_secret() {
    let [old, new, next] = [1, 2, 3].map(|byte| MasterSecret::new([byte; 32]).unwrap());
    let issued_under = async |master: &MasterSecret| {
        let issuer = issuer_of(SigningKey::ed25519_from_master(master));
        issued_by(&issuer, &ann()).await
    };
    let before = JwtVerifier::from_masters(&old, None, profile()).unwrap();
    let during_change = JwtVerifier::from_masters(&new, Some(&old), profile()).unwrap();
    let after = JwtVerifier::from_masters(&new, None, profile()).unwrap();
    for (master, verdicts) in
        [(&old, [true, true, false]), (&new, [false, true, true]), (&next, [false, false, false])]
    {
        let token = issued_under(master).await;
        let found = [&before, &during_change, &after]
            .map(|verifier| verifier.verify(&token, during()).is_ok());
        assert_eq!(found, verdicts);
    }
    assert_eq!(
        JwtVerifier::from_masters(&new, Some(&new), profile()).err(),
        Some(JwtVerifierError::DuplicateKid)
    );
}

#[test]
fn the_masters_key_is_the_same_for_ever() {
    // Seed computed apart from this code, with Python's hmac, and its key with `cryptography`.
    let key = SigningKey::ed25519_from_master(&MasterSecret::new([7; 32]).unwrap());
    let jwk: Value = serde_json::from_str(&key.verifying_key().to_jwk()).unwrap();
    assert_eq!(jwk["x"], MASTER_X);
}

const MASTER_X: &str = "M7pQ8KyQuNJqRgHu5HceK9Yo0cZf0NhDKn1ZVByl8ro";

#[tokio::test]
async fn the_published_keys_are_public_and_suffice_to_verify() {
    let other = p256();
    let keys = [ed25519().verifying_key(), other.verifying_key()];
    let verifier = JwtVerifier::new(keys.clone(), profile()).unwrap();
    let set: Value = serde_json::from_str(&verifier.jwks()).unwrap();
    assert_eq!(set.as_object().unwrap().len(), 1);
    let published = set["keys"].as_array().unwrap();
    let names =
        |jwk: &Value| -> BTreeSet<String> { jwk.as_object().unwrap().keys().cloned().collect() };
    let okp = ["alg", "crv", "kid", "kty", "use", "x"].map(str::to_owned);
    let ec = ["alg", "crv", "kid", "kty", "use", "x", "y"].map(str::to_owned);
    assert_eq!(names(&published[0]), BTreeSet::from(okp));
    assert_eq!(names(&published[1]), BTreeSet::from(ec));
    for (jwk, (key, alg)) in published.iter().zip([(&keys[0], "EdDSA"), (&keys[1], "ES256")]) {
        assert_eq!(jwk["kid"], key.kid());
        assert_eq!((&jwk["alg"], &jwk["use"]), (&json!(alg), &json!("sig")));
    }

    let read = published.iter().map(|jwk| VerifyingKey::from_jwk(&jwk.to_string()).unwrap());
    let verifier = JwtVerifier::new(read, profile()).unwrap();
    for key in [ed25519(), other] {
        let token = issued_by(&issuer_of(key), &ann()).await;
        assert_eq!(verifier.verify(&token, during()), Ok(ann()));
    }
}

#[test]
fn a_foreign_key_keeps_the_name_that_it_came_with() {
    let jwk = serde_json::from_str::<Value>(&ed25519().verifying_key().to_jwk()).unwrap();
    let named = VerifyingKey::from_jwk(&with(&jwk, "kid", "2026-01".into())).unwrap();
    assert_eq!(named.kid(), "2026-01");
    let unnamed = VerifyingKey::from_jwk(&without(&jwk, "kid")).unwrap();
    assert_eq!(unnamed.kid(), ed25519().verifying_key().kid());
    // Two keys under one name: neither is to be taken for the other.
    let rival = serde_json::from_str::<Value>(&p256().verifying_key().to_jwk()).unwrap();
    let rival = VerifyingKey::from_jwk(&with(&rival, "kid", "2026-01".into())).unwrap();
    assert_eq!(
        JwtVerifier::new([named, rival], profile()).err(),
        Some(JwtVerifierError::DuplicateKid)
    );
}

/// Every member of every object in a text of JSON.
fn member_names(value: &Value) -> Vec<String> {
    match value {
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, value)| std::iter::once(name.clone()).chain(member_names(value)))
            .collect(),
        Value::Array(values) => values.iter().flat_map(member_names).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn no_key_set_shows_a_private_member_or_a_private_byte() {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let p256 = SigningKey::from_pkcs8_der(pair.to_pkcs8v1().unwrap().as_ref()).unwrap();
    let scalar: aws_lc_rs::encoding::EcPrivateKeyBin<'_> =
        aws_lc_rs::encoding::AsBigEndian::as_be_bytes(&pair.private_key()).unwrap();
    let ring = KeyRing::new(ed25519());
    ring.publish(p256).unwrap();
    let of_ring = JwtVerifier::from_ring(&ring, profile()).jwks();
    let read = JwtVerifier::from_jwks(&Jwks::parse(&of_ring).unwrap(), profile()).jwks();
    let alone = verifier().jwks();
    for (text, keys) in [(&of_ring, 2), (&read, 2), (&alone, 1)] {
        let set: Value = serde_json::from_str(text).unwrap();
        assert_eq!(set["keys"].as_array().unwrap().len(), keys);
        let public = ["alg", "crv", "keys", "kid", "kty", "use", "x", "y"];
        for name in member_names(&set) {
            assert!(public.contains(&name.as_str()), "{name}");
        }
        for private in [&SEED[..], scalar.as_ref()] {
            assert!(!text.contains(&base64url(private)), "{text}");
        }
    }
}

fn set_of(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

#[tokio::test]
async fn a_key_set_is_read_for_what_it_knows_and_the_rest_of_it_ignored() {
    let ours: Value = serde_json::from_str(&ed25519().verifying_key().to_jwk()).unwrap();
    let other: Value = serde_json::from_str(&p256().verifying_key().to_jwk()).unwrap();
    let strange = [
        json!({ "kty": "RSA", "n": "AAAA", "e": "AQAB", "kid": ours["kid"], "use": "sig" }),
        json!({ "kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA" }),
        json!({ "kty": "OKP", "crv": "X25519", "x": ours["x"] }),
        json!({ "kty": "lattice", "x": [1, 2], "kid": 7 }),
        json!({}),
        serde_json::from_str(&with(&other, "use", "enc".into())).unwrap(),
        serde_json::from_str(&with(&other, "y", other["x"].clone())).unwrap(),
    ];
    let keys: Vec<Value> = strange.iter().cloned().chain([ours.clone()]).collect();
    let text = with(&serde_json::from_str(&set_of(&keys)).unwrap(), "issuer", "any".into());
    let verifier = JwtVerifier::from_jwks(&Jwks::parse(&text).unwrap(), profile());
    assert_eq!(verifier.verify(&issued().await, during()), Ok(ann()));
    let trusted: Value = serde_json::from_str(&verifier.jwks()).unwrap();
    assert_eq!(trusted, json!({ "keys": [ours] }));
    assert_eq!(Jwks::parse(&set_of(&strange)).err(), Some(JwksError::NoUsableKey));
}

#[test]
fn a_key_set_that_cannot_be_trusted_is_refused_whole_and_the_old_one_stays() {
    let ours: Value = serde_json::from_str(&ed25519().verifying_key().to_jwk()).unwrap();
    let other: Value = serde_json::from_str(&p256().verifying_key().to_jwk()).unwrap();
    let renamed = serde_json::from_str(&with(&other, "kid", ours["kid"].clone())).unwrap();
    let jwks = Jwks::parse(&set_of(std::slice::from_ref(&ours))).unwrap();
    let held = JwtVerifier::from_jwks(&jwks, profile());
    let longest = format!("{}{}", set_of(&[]), " ".repeat(Jwks::MAX_BYTES - set_of(&[]).len()));
    let too_long = format!("{longest} ");
    let mut cases = vec![
        (set_of(&[]), JwksError::NoUsableKey),
        (longest, JwksError::NoUsableKey),
        (too_long, JwksError::TooLong),
        (set_of(&[ours.clone(), ours.clone()]), JwksError::DuplicateKid),
        (set_of(&[ours.clone(), renamed]), JwksError::DuplicateKid),
        (set_of(&[ours.clone(), json!("text")]), JwksError::Malformed),
        (ours.to_string(), JwksError::Malformed),
        (String::new(), JwksError::Malformed),
        ("null".into(), JwksError::Malformed),
        (format!("{}x", set_of(std::slice::from_ref(&ours))), JwksError::Malformed),
        (json!({ "keys": ours }).to_string(), JwksError::Malformed),
        (format!("{}1{}", "[".repeat(300), "]".repeat(300)), JwksError::Malformed),
    ];
    // In a key that would be used, and in one that would be ignored.
    for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"] {
        for jwk in [other.clone(), json!({ "kty": "RSA", "n": "AAAA", "e": "AQAB" })] {
            let leaked = serde_json::from_str(&with(&jwk, name, json!(null))).unwrap();
            cases.push((set_of(&[ours.clone(), leaked]), JwksError::PrivateKey));
        }
    }
    let before = held.jwks();
    for (text, error) in cases {
        assert_eq!(Jwks::parse(&text).err(), Some(error), "{text:.200}");
        assert_eq!(jwks.replace(&text), Err(error), "{text:.200}");
        assert_eq!(held.jwks(), before);
    }
}

#[test]
fn a_ring_refuses_what_would_leave_it_ambiguous_or_without_a_signing_key() {
    let ring = KeyRing::new(ed25519());
    let (ours, other) = (ed25519().verifying_key(), p256());
    let other_kid = other.verifying_key().kid().to_owned();
    assert_eq!(ring.publish(ed25519()), Err(KeyRingError::DuplicateKid));
    assert_eq!(ring.sign_with(&other_kid), Err(KeyRingError::UnknownKid));
    assert_eq!(ring.retire(&other_kid), Err(KeyRingError::UnknownKid));
    assert_eq!(ring.retire(ours.kid()), Err(KeyRingError::Signing));
    ring.publish(other).unwrap();
    assert_eq!(ring.retire(ours.kid()), Err(KeyRingError::Signing));
    ring.sign_with(&other_kid).unwrap();
    assert_eq!(ring.retire(&other_kid), Err(KeyRingError::Signing));
    ring.retire(ours.kid()).unwrap();
    assert_eq!(ring.sign_with(ours.kid()), Err(KeyRingError::UnknownKid));
    assert_eq!(ring.retire(ours.kid()), Err(KeyRingError::UnknownKid));
    let master = MasterSecret::new([7; 32]).unwrap();
    let twice = KeyRing::from_masters(&master, Some(&master));
    assert_eq!(twice.err(), Some(KeyRingError::DuplicateKid));
}

#[test]
fn keys_for_anything_else_are_refused() {
    let okp = serde_json::from_str::<Value>(&ed25519().verifying_key().to_jwk()).unwrap();
    let ec = serde_json::from_str::<Value>(&p256().verifying_key().to_jwk()).unwrap();
    let x = okp["x"].as_str().unwrap();
    for (jwk, member, value) in [
        (&okp, "d", json!(base64url(SEED))),
        (&okp, "use", json!("enc")),
        (&okp, "key_ops", json!(["sign"])),
        (&okp, "key_ops", json!([])),
        (&okp, "alg", json!("HS256")),
        (&okp, "alg", json!("ES256")),
        (&okp, "alg", json!("Ed25519")),
        (&okp, "crv", json!("X25519")),
        (&okp, "crv", json!("Ed448")),
        (&okp, "kty", json!("EC")),
        (&okp, "kty", json!("oct")),
        (&okp, "kty", json!("RSA")),
        (&okp, "x", json!(format!("{x}="))),
        (&okp, "x", json!(&x[..42])),
        (&okp, "x", json!("")),
        (&okp, "y", ec["y"].clone()),
        (&ec, "d", json!(base64url(SEED))),
        (&ec, "alg", json!("EdDSA")),
        (&ec, "alg", json!("ES384")),
        (&ec, "use", json!("enc")),
        (&ec, "key_ops", json!(["encrypt"])),
        (&ec, "crv", json!("P-384")),
        (&ec, "crv", json!("secp256k1")),
        (&ec, "kty", json!("OKP")),
        (&ec, "y", ec["x"].clone()), // not on the curve
        (&ec, "y", json!(base64url([0; 32]))),
    ] {
        let error = VerifyingKey::from_jwk(&with(jwk, member, value)).err();
        assert_eq!(error, Some(KeyError::PublicKey), "{member} of {jwk}");
    }
    for text in [
        "",
        "null",
        "{}",
        "[]",
        r#"{"kty":"oct","k":"AAAA","alg":"HS256"}"#,
        r#"{"kty":"RSA","n":"AAAA","e":"AQAB"}"#,
        &with_also(&okp, r#""kty":"OKP""#),
    ] {
        let error = VerifyingKey::from_jwk(text).err();
        assert_eq!(error, Some(KeyError::PublicKey), "{text}");
    }
    let allowed = with(&okp, "key_ops", json!(["verify"]));
    assert!(
        VerifyingKey::from_jwk(&with_also(
            &serde_json::from_str(&allowed).unwrap(),
            r#""x5t":"ignored""#
        ))
        .is_ok()
    );
}

#[test]
fn signing_keys_are_read_from_pkcs8() {
    // RFC 8410 section 10.3 and the public key of section 10.1.
    let pem = "-----BEGIN PRIVATE KEY-----\n\
               MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
               -----END PRIVATE KEY-----\n";
    let key = SigningKey::from_pkcs8_pem(pem).unwrap();
    let jwk: Value = serde_json::from_str(&key.verifying_key().to_jwk()).unwrap();
    assert_eq!(jwk["x"], "Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE");
    assert!(SigningKey::from_pkcs8_pem(&pem.replace('\n', "\r\n")).is_ok());

    let pair = Ed25519KeyPair::from_seed_unchecked(&SEED).unwrap();
    for document in [pair.to_pkcs8v1().unwrap(), pair.to_pkcs8().unwrap()] {
        let key = SigningKey::from_pkcs8_der(document.as_ref()).unwrap();
        assert_eq!(key.verifying_key().kid(), ed25519().verifying_key().kid());
    }

    for label in ["PUBLIC KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY", "ENCRYPTED PRIVATE KEY"] {
        let other = pem.replace("PRIVATE KEY", label);
        assert_eq!(SigningKey::from_pkcs8_pem(&other).err(), Some(KeyError::Pem), "{label}");
    }
    let cut = pem.replace("VhC", "VhC=");
    for text in ["", "MC4CAQAw", &pem[..60], &cut] {
        assert_eq!(SigningKey::from_pkcs8_pem(text).err(), Some(KeyError::Pem), "{text}");
    }
}

#[test]
fn private_keys_of_other_kinds_are_refused() {
    let ec = |algorithm: &'static EcdsaSigningAlgorithm| {
        let pair = EcdsaKeyPair::generate(algorithm).unwrap();
        pair.to_pkcs8v1().unwrap().as_ref().to_vec()
    };
    let rsa: aws_lc_rs::encoding::Pkcs8V1Der<'_> =
        rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap().as_der().unwrap();
    let good = ec(&ECDSA_P256_SHA256_FIXED_SIGNING);
    assert!(SigningKey::from_pkcs8_der(&good).is_ok());
    for (kind, document) in [
        ("RSA", rsa.as_ref().to_vec()),
        ("P-384", ec(&ECDSA_P384_SHA384_FIXED_SIGNING)),
        ("P-521", ec(&ECDSA_P521_SHA512_FIXED_SIGNING)),
        ("secp256k1", ec(&ECDSA_P256K1_SHA256_ASN1_SIGNING)),
        ("seed alone", SEED.to_vec()),
        ("cut", good[..good.len() - 1].to_vec()),
        ("nothing", Vec::new()),
    ] {
        let error = SigningKey::from_pkcs8_der(&document).err();
        assert_eq!(error, Some(KeyError::PrivateKey), "{kind}");
    }
}

#[tokio::test]
async fn compatibility_tokens_have_exactly_the_old_form() {
    let issuer = CompatibilityIssuer::new(SECRET).unwrap();
    let token = issued_by(&issuer, &ann()).await;
    assert_eq!(part(&token, 0), json!({ "alg": "HS256", "typ": "JWT" }));
    assert_eq!(
        part(&token, 1),
        json!({
            "user_id": ann().user_id.to_string(), "email": "ann@example.com",
            "name": ann().name.as_str(), "iat": ISSUED_AT, "exp": EXPIRES_AT,
        })
    );
    let (signed, tag) = token.rsplit_once('.').unwrap();
    let tag = Base64UrlUnpadded::decode_vec(tag).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
    assert!(hmac::verify(&key, signed.as_bytes(), &tag).is_ok());

    assert!(CompatibilityIssuer::new(&SECRET[1..]).is_err());
    assert!(CompatibilityVerifier::new(&SECRET[1..]).is_err());
}

/// A token in the old form, signed whatever it says.
fn compatible(header: &Value, claims: impl AsRef<[u8]>) -> String {
    let signed = format!("{}.{}", base64url(header.to_string()), base64url(claims));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), signed.as_bytes());
    format!("{signed}.{}", base64url(tag))
}

#[tokio::test]
async fn whoever_shares_the_secret_reads_compatibility_tokens_back() {
    let verifier = CompatibilityVerifier::new(SECRET).unwrap();
    let token = issued_by(&CompatibilityIssuer::new(SECRET).unwrap(), &ann()).await;
    let claims = verifier.verify(&token, during()).unwrap();
    assert_eq!((claims.user_id, &claims.email), (ann().user_id, &ann().email));
    assert_eq!(claims.name, ann().name);
    assert_eq!((claims.issued_at, claims.expires_at), (ann().issued_at, ann().expires_at));

    let tick = Duration::from_micros(1);
    let (begin, end) = (ann().issued_at - JwtVerifier::DEFAULT_CLOCK_SKEW, ann().expires_at);
    for (now, good) in [(begin - tick, false), (begin, true), (end - tick, true), (end, false)] {
        assert_eq!(verifier.verify(&token, now).is_ok(), good, "{now:?}");
    }
    let other = CompatibilityVerifier::new(b"another secret of 32 random bytes").unwrap();
    assert_eq!(other.verify(&token, during()), Err(TokenRejected));
}

#[tokio::test]
async fn nothing_else_is_a_compatibility_token() {
    let verifier = CompatibilityVerifier::new(SECRET).unwrap();
    let token = issued_by(&CompatibilityIssuer::new(SECRET).unwrap(), &ann()).await;
    let (header, claims) = (part(&token, 0), part(&token, 1));
    let refused = |token: &str, what: &str| {
        assert_eq!(verifier.verify(token, during()), Err(TokenRejected), "{what}");
    };
    let of_header = |member, value| {
        let header: Value = serde_json::from_str(&with(&header, member, value)).unwrap();
        compatible(&header, claims.to_string())
    };
    assert_eq!(compatible(&header, claims.to_string()).len(), token.len());
    refused(&issued().await, "an access token");
    refused(&of_header("typ", json!("at+jwt")), "another kind");
    for alg in ["none", "HS384", "HS512", "EdDSA", "hs256"] {
        refused(&of_header("alg", json!(alg)), alg);
    }
    refused(&of_header("kid", json!("")), "a key is named");
    refused(&of_header("jwk", json!({ "kty": "oct", "k": base64url(SECRET) })), "a key is brought");
    for name in ["user_id", "email", "name", "iat", "exp"] {
        refused(&compatible(&header, without(&claims, name)), name);
        refused(&compatible(&header, with(&claims, name, json!(null))), name);
    }
    refused(&compatible(&header, with(&claims, "user_id", json!("1"))), "no UUID");
    let (signed, _) = token.rsplit_once('.').unwrap();
    refused(&format!("{signed}."), "no signature");
    for at in 0..token.len() {
        let other = if &token[at..=at] == "A" { "B" } else { "A" };
        refused(&format!("{}{other}{}", &token[..at], &token[at + 1..]), "a changed byte");
    }
}

#[tokio::test]
async fn whoever_holds_the_compatibility_secret_cannot_forge_a_session() {
    let issuer = CompatibilityIssuer::new(SECRET).unwrap();
    assert_refused(&issued_by(&issuer, &ann()).await, "as issued");
    // All of an access token but the signature, and an issuer that uses the seed itself as its secret.
    let kid = ed25519().verifying_key().kid().to_owned();
    for secret in [SECRET, &SEED] {
        for header in [
            json!({ "alg": "HS256", "typ": "at+jwt", "kid": kid }),
            json!({ "alg": "HS256", "typ": "at+jwt" }),
            json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": kid }),
        ] {
            let signed = format!(
                "{}.{}",
                base64url(header.to_string()),
                base64url(good_claims().to_string())
            );
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
            assert_refused(&format!("{signed}.{}", base64url(tag)), header);
        }
    }
}

#[tokio::test]
async fn nothing_secret_is_printed() {
    let seed = *b"a seed that nobody may ever read";
    let master = MasterSecret::new(seed).unwrap();
    let key = || SigningKey::ed25519_from_seed(&seed);
    let printed = [
        format!("{:?}", key()),
        format!("{:#?}", SigningKey::ed25519_from_master(&master)),
        format!("{:?}", issuer_of(key())),
        format!("{:?}", CompatibilityIssuer::new(&seed).unwrap()),
        format!("{:?}", CompatibilityVerifier::new(&seed).unwrap()),
        format!("{:?}", KeyRing::from_masters(&master, None).unwrap()),
        format!("{:?}", Jwks::parse(&verifier_of(&key()).jwks()).unwrap()),
        format!("{:?}", key().verifying_key()),
        format!("{:?}", verifier_of(&key())),
        format!("{:?}", issuer_of(key()).issue(&ann()).await.unwrap()),
    ];
    let hex: String = seed.iter().map(|byte| format!("{byte:02x}")).collect();
    let list = format!("{seed:?}");
    let plain = String::from_utf8_lossy(&seed).into_owned();
    let secrets = [hex, list[1..20].to_owned(), plain[..8].to_owned(), base64url(seed)];
    for text in printed {
        for secret in &secrets {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

/// What a program in another language thinks of our tokens, and what it has made for us to judge.
#[derive(Deserialize)]
struct PeerAnswer {
    /// The claims of our access tokens, in their order.
    verified: Vec<Value>,
    /// Those of our compatibility token.
    compatibility: Value,
    /// Public JWKs of the peer's own keys.
    keys: Vec<Value>,
    /// One good token for each of them.
    accepted: Vec<String>,
    /// Forgeries of our tokens and of the peer's own: what is wrong, and the token.
    forged: Vec<(String, String)>,
}

fn ask(mut peer: Command, question: &Value) -> PeerAnswer {
    let mut child = peer.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let stdin = child.stdin.take().unwrap();
    serde_json::to_writer(stdin, question).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Lets the peer judge our tokens and us the peer's. By the machine's clock, which is the only one that
/// the peers know.
async fn assert_agreement_with(name: &str, peer: Command) {
    let now = SystemClock::new().now();
    let claims = Claims {
        // JavaScript reads whole numbers up to 2^53.
        credential_version: CredentialVersion::new(3),
        issued_at: Timestamp::from_seconds(now.as_seconds()),
        expires_at: Timestamp::from_seconds(now.as_seconds()) + Duration::from_mins(15),
        ..ann()
    };
    let mut keys = Vec::new();
    let mut tokens = Vec::new();
    for key in [ed25519(), p256()] {
        keys.push(key.verifying_key());
        tokens.push(issued_by(&issuer_of(key), &claims).await);
    }
    let ours = JwtVerifier::new(keys.clone(), profile()).unwrap();
    let compatibility = CompatibilityIssuer::new(SECRET).unwrap();
    let jwks: Value = serde_json::from_str(&ours.jwks()).unwrap();
    let answer = ask(
        peer,
        &json!({
            "issuer": ISSUER, "audience": AUDIENCE, "jwks": jwks, "tokens": tokens,
            "compatibility_token": issued_by(&compatibility, &claims).await,
            "compatibility_secret": std::str::from_utf8(SECRET).unwrap(),
        }),
    );

    let read: Vec<_> = tokens.iter().map(|token| part(token, 1)).collect();
    assert_eq!(answer.verified, read);
    assert_eq!(answer.compatibility["user_id"], claims.user_id.to_string());
    assert_eq!(answer.compatibility["name"], claims.name.as_str());

    let theirs = answer.keys.iter().map(|jwk| VerifyingKey::from_jwk(&jwk.to_string()).unwrap());
    let all = JwtVerifier::new(keys.into_iter().chain(theirs), profile()).unwrap();
    let now = SystemClock::new().now();
    for token in tokens.iter().chain(&answer.accepted) {
        let accepted = all.verify(token, now).unwrap();
        assert_eq!(accepted.user_id.to_string(), part(token, 1)["sub"]);
    }
    for (what, token) in &answer.forged {
        assert_eq!(all.verify(token, now), Err(TokenRejected), "{what}: {token}");
    }
    println!(
        "{name}: it verified {} of our tokens and the compatibility token; we verified {} of its \
         own and refused {} forgeries",
        answer.verified.len(),
        answer.accepted.len(),
        answer.forged.len()
    );
    assert_eq!(answer.accepted.len(), 2);
    assert!(answer.forged.len() > 4 * 10);
}

fn peer_script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers").join(name)
}

#[tokio::test]
async fn pyjwt_and_this_agree() {
    let Some(python) = std::env::var_os("AUTH_TEST_PYJWT") else {
        println!("skipped: AUTH_TEST_PYJWT does not name a python that has PyJWT[crypto]");
        return;
    };
    let mut peer = Command::new(python);
    peer.arg(peer_script("pyjwt_peer.py"));
    assert_agreement_with("PyJWT", peer).await;
}

#[tokio::test]
async fn jose_and_this_agree() {
    let Some(folder) = std::env::var_os("AUTH_TEST_JOSE") else {
        println!("skipped: AUTH_TEST_JOSE does not name a folder where npm has installed jose");
        return;
    };
    let mut peer = Command::new("node");
    peer.arg(peer_script("jose_peer.mjs")).arg(folder);
    assert_agreement_with("jose", peer).await;
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_is_a_token_by_chance(text in ".{0,300}") {
        prop_assert_eq!(verifier().verify(&text, during()), Err(TokenRejected));
    }

    #[test]
    fn no_signed_rubbish_is_a_token(header: Vec<u8>, payload: Vec<u8>) {
        let good_header = good_header().to_string();
        let good_claims = good_claims().to_string();
        for token in [
            signed(&header, &payload),
            signed(&good_header, &payload),
            signed(&header, &good_claims),
        ] {
            prop_assert_eq!(verifier().verify(&token, during()), Err(TokenRejected));
        }
    }

    #[test]
    fn whatever_is_issued_verifies_with_the_same_claims(
        id: [u8; 16], name in "\\PC{0,200}", cv: u64, from in 0..u64::from(u32::MAX), life in 1..u64::from(u32::MAX),
    ) {
        let claims = Claims {
            user_id: UserId::from_entropy_bytes(id),
            session_id: SessionId::from_entropy_bytes(id),
            name: DisplayName::from_stored(name),
            credential_version: CredentialVersion::new(cv),
            issued_at: Timestamp::from_seconds(from),
            expires_at: Timestamp::from_seconds(from + life),
            ..ann()
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let token = runtime.block_on(issued_by(&issuer_of(ed25519()), &claims));
        prop_assert_eq!(verifier().verify(&token, claims.issued_at), Ok(claims.clone()));
        prop_assert_eq!(verifier().verify(&token, claims.expires_at), Err(TokenRejected));
    }
}
