//! The example of a protected service, run as a process and called with real tokens.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod process;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use adapters_local::{
    CompatibilityIssuer, JwtIssuer, JwtVerifier, KeyRing, OsEntropy, SigningKey, SystemClock,
    TokenProfile,
};
use auth_domain::ports::{Clock as _, TokenIssuer, TokenVerifier as _};
use auth_domain::{Claims, CredentialVersion, DisplayName, Email, SessionId, Timestamp, UserId};
use process::{Server, command};
use serde_json::Value;

const ISSUER: &str = "https://auth.example.com";
const AUDIENCE: &str = "reports";

/// A file that is gone after the test.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let name = format!("{name}-{}.json", std::process::id());
        let file = Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name));
        file.write(text);
        file
    }

    fn write(&self, text: &str) {
        std::fs::write(&self.0, text).unwrap();
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

struct Service(Server);

const EXAMPLE: &str = "protected_service";

fn settings(jwks: &File) -> [(&'static str, &str); 3] {
    let path = jwks.0.to_str().unwrap();
    [("AUTH_JWKS", path), ("AUTH_ISSUER", ISSUER), ("AUTH_AUDIENCE", AUDIENCE)]
}

impl Service {
    fn start(jwks: &File) -> Self {
        Self(Server::start(EXAMPLE, &settings(jwks)))
    }

    /// What it says once it has read its file again.
    fn hang_up(&self) -> String {
        let id = self.0.child.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &id]).status().unwrap().success());
        self.0.line_with("")
    }

    fn get(&self, path: &str, token: Option<&str>) -> (u16, String) {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(30)))
            .build()
            .into();
        let mut request = agent.get(format!("http://{}{path}", self.0.address));
        if let Some(token) = token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let mut response = request.call().unwrap();
        (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
    }
}

const PROTECTED: [&str; 3] = ["/greeting", "/reports/yearly", "/reports/mine"];

fn claims(issued_at: Timestamp) -> Claims {
    Claims {
        user_id: UserId::from_entropy_bytes([3; 16]),
        session_id: SessionId::from_entropy_bytes([4; 16]),
        email: Email::parse("ann@example.com").unwrap(),
        name: DisplayName::parse("Ann").unwrap(),
        credential_version: CredentialVersion::FIRST,
        issued_at,
        expires_at: issued_at + Duration::from_mins(15),
    }
}

fn now() -> Timestamp {
    Timestamp::from_seconds(SystemClock::new().now().as_seconds())
}

fn issued(issuer: &dyn TokenIssuer, claims: &Claims) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(issuer.issue(claims)).unwrap().expose().to_owned()
}

fn profile(audience: &str) -> TokenProfile {
    TokenProfile::new(ISSUER, audience).unwrap()
}

fn issuer(ring: &KeyRing, audience: &str) -> JwtIssuer {
    JwtIssuer::new(ring.clone(), profile(audience), Arc::new(OsEntropy::new()))
}

fn key(number: u8) -> SigningKey {
    SigningKey::ed25519_from_seed(&[number; 32])
}

fn jwks(ring: &KeyRing) -> String {
    JwtVerifier::from_ring(ring, profile(AUDIENCE)).jwks()
}

#[test]
fn a_good_token_opens_every_protected_route_and_no_other_token_any() {
    let ring = KeyRing::new(key(1));
    let file = File::new("verdicts", &jwks(&ring));
    let service = Service::start(&file);
    let ours = issuer(&ring, AUDIENCE);
    let good = issued(&ours, &claims(now()));
    assert_eq!(service.get("/", None).0, 200);
    assert_eq!(service.get("/greeting", Some(&good)), (200, "Hello, Ann".into()));
    for path in PROTECTED {
        assert_eq!(service.get(path, Some(&good)).0, 200, "{path}");
    }
    let compatible = CompatibilityIssuer::new(&[1; 32]).unwrap();
    let long_ago = now() - Duration::from_mins(16);
    for (what, token, code) in [
        ("none", None, "token_missing"),
        ("expired", Some(issued(&ours, &claims(long_ago))), "token_invalid"),
        ("other audience", Some(issued(&issuer(&ring, "shop"), &claims(now()))), "token_invalid"),
        (
            "other key",
            Some(issued(&issuer(&key(2).into(), AUDIENCE), &claims(now()))),
            "token_invalid",
        ),
        ("other kind", Some(issued(&compatible, &claims(now()))), "token_invalid"),
        ("cut", Some(good[..good.len() - 1].to_owned()), "token_invalid"),
    ] {
        for path in PROTECTED {
            let (status, body) = service.get(path, token.as_deref());
            let problem: Value = serde_json::from_str(&body).unwrap();
            assert_eq!((status, problem["code"].as_str()), (401, Some(code)), "{what}, {path}");
        }
    }
}

#[test]
fn it_follows_a_change_of_keys_by_its_file_and_keeps_the_old_ones_over_a_bad_file() {
    let ring = KeyRing::new(key(1));
    let file = File::new("rotation", &jwks(&ring));
    let service = Service::start(&file);
    let issuer = issuer(&ring, AUDIENCE);
    let status = |token: &str| service.get("/greeting", Some(token)).0;
    let first = issued(&issuer, &claims(now()));

    ring.publish(key(2)).unwrap();
    file.write(&jwks(&ring));
    assert_eq!(service.hang_up(), "keys read again");
    ring.sign_with(key(2).verifying_key().kid()).unwrap();
    let second = issued(&issuer, &claims(now()));
    assert_eq!((status(&first), status(&second)), (200, 200));

    for bad in ["", "{\"keys\":[]}", "<html>502 Bad Gateway</html>"] {
        file.write(bad);
        assert_eq!(service.hang_up(), "keys not replaced");
        assert_eq!((status(&first), status(&second)), (200, 200));
    }

    ring.retire(key(1).verifying_key().kid()).unwrap();
    file.write(&jwks(&ring));
    assert_eq!(service.hang_up(), "keys read again");
    assert_eq!((status(&first), status(&second)), (401, 200));
}

#[test]
fn a_file_without_a_usable_key_stops_the_start() {
    let private = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AAAA","d":"canary"}]}"#;
    for (name, text) in [("empty", "{\"keys\":[]}"), ("private", private), ("nothing", "")] {
        let file = File::new(name, text);
        let output = command(EXAMPLE, &settings(&file)).output().unwrap();
        assert!(!output.status.success(), "{name}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("AUTH_JWKS") && !said.contains("canary"), "{said}");
    }
}
