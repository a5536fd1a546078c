//! npm `jose` and PyPI `PyJWT` verify our tokens through our JWKS, fetched over HTTP, while keys change.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "tests, and what they counted")]

use std::future::ready;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use adapters_http::{HttpOptions, routes};
use adapters_local::{
    JwtIssuer, JwtVerifier, KeyRing, OsEntropy, SigningKey, SystemClock, Testing, TokenProfile,
    testing_with,
};
use auth_domain::ports::{Clock as _, TokenIssuer as _};
use auth_domain::{Claims, CredentialVersion, DisplayName, Email, SessionId, Timestamp, UserId};
use axum::Router;
use axum::extract::Request;
use axum::middleware::map_request;
use serde_json::{Value, json};

const ISSUER: &str = "https://auth.example.com";
const AUDIENCE: &str = "example-api";
const PATH: &str = "/.well-known/jwks.json";
/// P-256, so that both algorithms are published: what `openssl genpkey` wrote.
const P256: &str = "-----BEGIN PRIVATE KEY-----\n\
                    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgMQFle3DutP2GCbN7\n\
                    Af+LSlZuSpAKupsFBjWi640ydaOhRANCAARj9Q7oy19nIrUN5Vp2cweShGsPPi4J\n\
                    cqkRrVum1OWB0UAYtTxXlkZd0ksyVOmup7WFIVIcIhDlazGwGhRTZ+ON\n\
                    -----END PRIVATE KEY-----\n";

fn profile() -> TokenProfile {
    TokenProfile::new(ISSUER, AUDIENCE).unwrap()
}

fn key(number: u8) -> SigningKey {
    match number {
        2 => SigningKey::from_pkcs8_pem(P256).unwrap(),
        _ => SigningKey::ed25519_from_seed(&[number; 32]),
    }
}

fn kid(number: u8) -> String {
    key(number).verifying_key().kid().to_owned()
}

/// An issuer whose keys can be changed, and its server.
struct World {
    ring: KeyRing,
    issuer: JwtIssuer,
    address: SocketAddr,
    fetches: Arc<AtomicUsize>,
}

impl World {
    async fn start() -> Self {
        let ring = KeyRing::new(key(1));
        let verifier = JwtVerifier::from_ring(&ring, profile());
        let issuer = JwtIssuer::new(ring.clone(), profile(), Arc::new(OsEntropy::new()));
        let service = testing_with(|ports, _| ports.token_verifier = Arc::new(verifier));
        let fetches = Arc::new(AtomicUsize::new(0));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = application(service, Arc::clone(&fetches));
        tokio::spawn(async { axum::serve(listener, app).await });
        Self { ring, issuer, address, fetches }
    }

    /// By the machine's clock, which is the only one that the peers know.
    async fn token(&self) -> String {
        let issued_at = Timestamp::from_seconds(SystemClock::new().now().as_seconds());
        let claims = Claims {
            user_id: UserId::from_entropy_bytes([3; 16]),
            session_id: SessionId::from_entropy_bytes([4; 16]),
            email: Email::parse("ann@example.com").unwrap(),
            name: DisplayName::parse("Ann").unwrap(),
            credential_version: CredentialVersion::FIRST,
            issued_at,
            expires_at: issued_at + Duration::from_mins(15),
        };
        self.issuer.issue(&claims).await.unwrap().expose().to_owned()
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

/// The calls as they are, and how often they are called.
fn application(service: Testing, fetches: Arc<AtomicUsize>) -> Router {
    let count = move |request: Request| {
        fetches.fetch_add(1, Ordering::SeqCst);
        ready(request)
    };
    routes(service.auth, HttpOptions::default()).layer(map_request(count))
}

/// A program in another language that has fetched nothing yet.
struct Peer {
    child: Child,
    asked: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    fn start(command: &mut Command, world: &World) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let asked = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut peer = Self { child, asked, answers };
        let url = format!("http://{}{PATH}", world.address);
        peer.say(&json!({ "url": url, "issuer": ISSUER, "audience": AUDIENCE }));
        peer
    }

    fn say(&mut self, line: &Value) {
        writeln!(self.asked, "{line}").unwrap();
    }

    /// Whether it takes a token, for the account that it was issued for.
    fn takes(&mut self, token: &str) -> bool {
        self.say(&json!({ "token": token }));
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap();
        assert!(answer["refused"].is_string() || answer["sub"].is_string(), "{answer}");
        answer["sub"] == UserId::from_entropy_bytes([3; 16]).to_string()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Through two rotations: one with the wait between publish and sign, and one without.
async fn assert_follows_our_keys(name: &str, mut command: Command) {
    let world = World::start().await;
    world.ring.publish(key(2)).unwrap();
    let mut peer = Peer::start(&mut command, &world);
    let first = world.token().await;
    assert!(peer.takes(&first));
    assert_eq!(world.fetches(), 1);

    world.ring.sign_with(&kid(2)).unwrap();
    let second = world.token().await;
    assert!(peer.takes(&second) && peer.takes(&first));
    assert_eq!(world.fetches(), 1, "a key that was published in time needs no further fetch");

    world.ring.publish(key(3)).unwrap();
    world.ring.sign_with(&kid(3)).unwrap();
    let third = world.token().await;
    assert!(peer.takes(&third) && peer.takes(&second));
    assert_eq!(world.fetches(), 2, "an unknown kid is fetched for");

    world.ring.retire(&kid(1)).unwrap();
    let mut newcomer = Peer::start(&mut command, &world);
    assert!(!newcomer.takes(&first));
    assert!(newcomer.takes(&second) && newcomer.takes(&third));
    let forged = format!("{}A", &third[..third.len() - 1]);
    let forged = if forged == third { format!("{}Q", &third[..third.len() - 1]) } else { forged };
    assert!(!newcomer.takes(&forged));
    println!(
        "{name}: it followed 3 keys through our JWKS over HTTP in {} fetches, and refused a retired \
         key and a forgery",
        world.fetches()
    );
}

fn peer_script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers").join(name)
}

#[tokio::test(flavor = "multi_thread")]
async fn pyjwt_follows_our_keys_over_http() {
    let Some(python) = std::env::var_os("AUTH_TEST_PYJWT") else {
        println!("skipped: AUTH_TEST_PYJWT does not name a python that has PyJWT[crypto]");
        return;
    };
    let mut peer = Command::new(python);
    peer.arg(peer_script("pyjwt_jwks.py"));
    assert_follows_our_keys("PyJWT", peer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jose_follows_our_keys_over_http() {
    let Some(folder) = std::env::var_os("AUTH_TEST_JOSE") else {
        println!("skipped: AUTH_TEST_JOSE does not name a folder where npm has installed jose");
        return;
    };
    let mut peer = Command::new("node");
    peer.arg(peer_script("jose_jwks.mjs")).arg(folder);
    assert_follows_our_keys("jose", peer).await;
}
