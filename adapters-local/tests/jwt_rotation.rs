//! Keys change while tokens are issued and checked: no valid token is refused, no retired one accepted.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use adapters_local::{Jwks, JwtIssuer, JwtVerifier, KeyRing, OsEntropy, SigningKey, TokenProfile};
use auth_domain::ports::{TokenIssuer, TokenVerifier};
use auth_domain::{
    Claims, CredentialVersion, DisplayName, Email, MasterSecret, SessionId, Timestamp, UserId,
};

const START: Timestamp = Timestamp::from_seconds(1_700_000_000);
const CLIENTS: usize = 8;

fn profile() -> TokenProfile {
    TokenProfile::new("https://auth.example.com", "example-api").unwrap()
}

fn key(number: u8) -> SigningKey {
    SigningKey::ed25519_from_seed(&[number; 32])
}

fn kid(number: u8) -> String {
    key(number).verifying_key().kid().to_owned()
}

fn issuer_of(ring: &KeyRing) -> JwtIssuer {
    JwtIssuer::new(ring.clone(), profile(), Arc::new(OsEntropy::new()))
}

fn claims() -> Claims {
    Claims {
        user_id: UserId::from_entropy_bytes([3; 16]),
        session_id: SessionId::from_entropy_bytes([4; 16]),
        email: Email::parse("ann@example.com").unwrap(),
        name: DisplayName::parse("Ann").unwrap(),
        credential_version: CredentialVersion::FIRST,
        issued_at: START,
        expires_at: START + Duration::from_mins(15),
    }
}

fn issue(issuer: &JwtIssuer) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(issuer.issue(&claims())).unwrap().expose().to_owned()
}

/// Whether a token is accepted.
fn takes(verifier: &JwtVerifier, token: &str) -> bool {
    verifier.verify(token, START).is_ok()
}

#[test]
fn a_copy_of_the_key_set_takes_a_new_key_if_it_was_fetched_between_publish_and_sign() {
    let ring = KeyRing::new(key(1));
    let (issuer, here) = (issuer_of(&ring), JwtVerifier::from_ring(&ring, profile()));
    let copy = Jwks::parse(&here.jwks()).unwrap();
    let elsewhere = JwtVerifier::from_jwks(&copy, profile());
    let old = issue(&issuer);

    ring.publish(key(2)).unwrap();
    // It signs nothing yet, so that the copy may be as old as its cache time.
    assert!(takes(&elsewhere, &issue(&issuer)));
    let too_old = JwtVerifier::from_jwks(&Jwks::parse(&elsewhere.jwks()).unwrap(), profile());
    copy.replace(&here.jwks()).unwrap();

    ring.sign_with(&kid(2)).unwrap();
    let new = issue(&issuer);
    assert!([&old, &new].iter().all(|token| takes(&here, token) && takes(&elsewhere, token)));
    // Who did not fetch in that time is what the wait is for.
    assert!(takes(&too_old, &old) && !takes(&too_old, &new));

    ring.retire(&kid(1)).unwrap();
    assert!(!takes(&here, &old) && takes(&here, &new));
    assert!(takes(&elsewhere, &old), "until it is fetched anew");
    copy.replace(&here.jwks()).unwrap();
    assert!(!takes(&elsewhere, &old) && takes(&elsewhere, &new));
}

#[test]
fn a_fleet_changes_its_master_secret_in_three_roll_outs_without_a_refused_token() {
    let [old, new] = [1, 2].map(|byte| MasterSecret::new([byte; 32]).unwrap());
    let steps = [(&old, None), (&old, Some(&new)), (&new, Some(&old)), (&new, None)];
    let instances: Vec<_> = steps
        .iter()
        .map(|(signing, other)| {
            let ring = KeyRing::from_masters(signing, *other).unwrap();
            let verifier = JwtVerifier::from_masters(signing, *other, profile()).unwrap();
            assert_eq!(verifier.jwks(), JwtVerifier::from_ring(&ring, profile()).jwks());
            (issue(&issuer_of(&ring)), verifier)
        })
        .collect();
    // While a step is rolled out, instances of it and of the one before serve side by side.
    for pair in instances.windows(2).take(2) {
        for (token, _) in pair {
            assert!(pair.iter().all(|(_, verifier)| takes(verifier, token)));
        }
    }
    let [(first, _), _, (third, both), (_, last)] = instances.as_slice() else { panic!() };
    assert!(takes(both, first), "a token outlives the step in which it was issued");
    assert!(takes(last, third) && !takes(last, first));
}

/// What all threads share: a ring, what stands over it, and what they counted.
struct World {
    ring: KeyRing,
    issuer: JwtIssuer,
    here: JwtVerifier,
    /// Another service's copy of the key set, as old as [`World::fetch_anew`] leaves it.
    copy: Jwks,
    elsewhere: JwtVerifier,
    over: AtomicBool,
    /// Since the last rotation.
    issued: Mutex<Vec<String>>,
    accepted: AtomicU64,
    refused: AtomicU64,
    /// How many rounds each client has done.
    rounds: Vec<AtomicU64>,
}

impl World {
    fn new() -> Self {
        let ring = KeyRing::new(key(1));
        let here = JwtVerifier::from_ring(&ring, profile());
        let copy = Jwks::parse(&here.jwks()).unwrap();
        Self {
            issuer: issuer_of(&ring),
            elsewhere: JwtVerifier::from_jwks(&copy, profile()),
            ring,
            here,
            copy,
            over: AtomicBool::new(false),
            issued: Mutex::default(),
            accepted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            rounds: (0..CLIENTS).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// A client: each round it takes a new token and shows it, and the one before, to both services.
    fn call(&self, rounds: &AtomicU64) {
        let mut held = issue(&self.issuer);
        while !self.over.load(Ordering::SeqCst) {
            let token = issue(&self.issuer);
            for verifier in [&self.here, &self.elsewhere] {
                for token in [&held, &token] {
                    let count = if takes(verifier, token) { &self.accepted } else { &self.refused };
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
            self.issued.lock().unwrap().push(token.clone());
            held = token;
            rounds.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Until each client has done two rounds: nobody holds a token any more that is from before.
    fn let_tokens_expire(&self) {
        let done = || self.rounds.iter().map(|rounds| rounds.load(Ordering::SeqCst));
        let before: Vec<u64> = done().collect();
        while done().zip(&before).any(|(now, before)| now < before + 2) {
            thread::yield_now();
        }
    }

    fn fetch_anew(&self) {
        self.copy.replace(&self.here.jwks()).unwrap();
    }

    /// One key after another. Returns how many tokens the former key had signed, and how many of them
    /// were still accepted once it was retired.
    fn rotate(&self, from: u8, to: u8) -> (usize, usize) {
        self.ring.publish(key(to)).unwrap();
        self.let_tokens_expire();
        self.fetch_anew();
        self.ring.sign_with(&kid(to)).unwrap();
        self.let_tokens_expire();
        self.ring.retire(&kid(from)).unwrap();
        self.fetch_anew();
        let former = JwtVerifier::new([key(from).verifying_key()], profile()).unwrap();
        let mut tokens = std::mem::take(&mut *self.issued.lock().unwrap());
        tokens.retain(|token| takes(&former, token));
        let accepted =
            tokens.iter().filter(|token| takes(&self.here, token) || takes(&self.elsewhere, token));
        (tokens.len(), accepted.count())
    }
}

#[test]
fn under_load_no_valid_token_is_refused_and_no_retired_one_accepted() {
    let world = World::new();
    let retired: Vec<(usize, usize)> = thread::scope(|scope| {
        for rounds in &world.rounds {
            scope.spawn(|| world.call(rounds));
        }
        let retired = [(1, 2), (2, 3), (3, 4)].map(|(from, to)| world.rotate(from, to));
        world.over.store(true, Ordering::SeqCst);
        retired.to_vec()
    });
    let [accepted, refused] =
        [&world.accepted, &world.refused].map(|count| count.load(Ordering::Relaxed));
    println!(
        "rotation of 3 keys under {CLIENTS} clients: valid tokens accepted {accepted}, refused \
         {refused}; retired ones, and how many of them accepted: {retired:?}"
    );
    assert_eq!(refused, 0);
    assert!(retired.iter().all(|(tokens, accepted)| *tokens >= CLIENTS && *accepted == 0));
    assert!(accepted >= 4 * 2 * 6 * CLIENTS as u64);
}
