//! The laws of a [`TokenIssuer`] and the [`TokenVerifier`] of its tokens.

use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding};

use super::{done, fresh};
use crate::ports::{TokenIssuer, TokenVerifier};
use crate::{Claims, CredentialVersion, DisplayName, Timestamp, TokenRejected};

#[doc(hidden)]
#[macro_export]
macro_rules! __token_laws {
    ($then:ident $context:tt) => {
        $crate::$then! {
            $context
            token
            alone: [
                claims_come_back_whole,
                a_token_is_good_until_just_before_it_expires,
                an_expired_token_is_refused,
                a_token_of_the_future_is_refused,
                no_byte_of_a_token_can_be_altered,
                nothing_can_be_added_to_a_token,
                garbage_is_refused,
                an_unsigned_token_is_refused,
                parts_of_two_tokens_make_no_third,
                what_is_published_is_a_key_set_without_a_private_member,
            ]
            racing: []
        }
    };
}

__token_laws! { __laws_by_name { dyn TokenIssuer, dyn TokenVerifier } }

/// Makes each law of [`TokenIssuer`](crate::ports::TokenIssuer) and
/// [`TokenVerifier`](crate::ports::TokenVerifier) a test of your pair of adapters.
///
/// `adapter` is evaluated for each test, in its async function, to `(Arc of the issuer, Arc of the
/// verifier)`. See [`conformance`](crate::conformance).
#[macro_export]
macro_rules! token_conformance {
    (test: $test:meta, adapter: $adapter:expr $(,)?) => {
        $crate::__token_laws! { __laws_of_a_pair_as_tests { $test, $adapter } }
    };
}

const LIFE: Duration = Duration::from_mins(15);
const INSTANT: Duration = Duration::from_micros(1);

/// Catches a claim that is dropped, cut or taken from another place, and a pair without a common key.
pub async fn claims_come_back_whole(issuer: &dyn TokenIssuer, verifier: &dyn TokenVerifier) {
    let plain = claims();
    let extreme = Claims {
        email: fresh::email_like("jos\u{e9}+\u{5f20}", &fresh::suffix()),
        name: DisplayName::from_stored("\"Zo\u{eb}\"\\ \u{1f469}\u{200d}\u{1f52c} </x>".to_owned()),
        credential_version: CredentialVersion::new(u64::from(u32::MAX) + 2),
        expires_at: plain.issued_at + Duration::from_secs(1),
        ..plain.clone()
    };
    for claims in [plain, extreme] {
        let token = issue(issuer, &claims).await;
        let said = verifier.verify(&token, claims.issued_at);
        assert_eq!(said.as_ref(), Ok(&claims), "not the claims that were issued");
    }
}

/// Catches a token that dies early.
pub async fn a_token_is_good_until_just_before_it_expires(
    issuer: &dyn TokenIssuer,
    verifier: &dyn TokenVerifier,
) {
    let claims = claims();
    let token = issue(issuer, &claims).await;
    for now in [claims.issued_at, claims.expires_at - INSTANT] {
        assert_eq!(verifier.verify(&token, now).as_ref(), Ok(&claims), "of a good token");
    }
}

/// Catches expiry that is not checked, is checked by the machine's clock, or with leeway.
pub async fn an_expired_token_is_refused(issuer: &dyn TokenIssuer, verifier: &dyn TokenVerifier) {
    let claims = claims();
    let token = issue(issuer, &claims).await;
    for late in [0, 1, 30, 60, 3_600, 20 * 365 * 86_400] {
        let now = claims.expires_at + Duration::from_secs(late);
        let answer = verifier.verify(&token, now);
        assert_eq!(answer, Err(TokenRejected), "{late} s after it expired");
    }
}

/// Catches a start that is not checked: with a clock that was ahead, tokens would be made that outlive
/// their term. How much the clocks of two machines may differ is left open, up to ten minutes.
pub async fn a_token_of_the_future_is_refused(
    issuer: &dyn TokenIssuer,
    verifier: &dyn TokenVerifier,
) {
    let claims = claims();
    let token = issue(issuer, &claims).await;
    for minutes in [10, 60 * 24] {
        let answer = verifier.verify(&token, claims.issued_at - Duration::from_mins(minutes));
        assert_eq!(answer, Err(TokenRejected), "{minutes} min before its time");
    }
}

/// Catches a part that the signature does not cover, and a lax decoder, which gives one token many
/// texts: whoever blocks a token by its text would be passed by.
pub async fn no_byte_of_a_token_can_be_altered(
    issuer: &dyn TokenIssuer,
    verifier: &dyn TokenVerifier,
) {
    let claims = claims();
    let token = issue(issuer, &claims).await;
    for place in 0..token.len() {
        for other in others_than(token.as_bytes()[place]) {
            let mut bytes = token.clone().into_bytes();
            bytes[place] = other;
            let altered = String::from_utf8(bytes).expect("ASCII");
            let answer = verifier.verify(&altered, claims.issued_at);
            assert_eq!(answer, Err(TokenRejected), "byte {place} does not count");
        }
    }
}

/// Catches a verifier that trims, or reads a prefix.
pub async fn nothing_can_be_added_to_a_token(
    issuer: &dyn TokenIssuer,
    verifier: &dyn TokenVerifier,
) {
    let claims = claims();
    let token = issue(issuer, &claims).await;
    for added in [" ", "\n", "\u{0}", "=", "A", ".", ".AAAA"] {
        for text in [format!("{token}{added}"), format!("{added}{token}")] {
            let answer = verifier.verify(&text, claims.issued_at);
            assert_eq!(answer, Err(TokenRejected), "with {added:?} added");
        }
    }
}

/// Catches a parser that panics, or takes an empty claim for a good one.
pub async fn garbage_is_refused(issuer: &dyn TokenIssuer, verifier: &dyn TokenVerifier) {
    let claims = claims();
    let token = issue(issuer, &claims).await;
    let mebibyte = "A".repeat(1 << 20);
    let dots = ".".repeat(1 << 20);
    let long = format!("{token}.{mebibyte}");
    let texts = [
        "",
        " ",
        ".",
        "..",
        "...",
        "\u{0}",
        "null",
        "a.b.c",
        "e30.e30.e30",
        "e30.e30.",
        "\u{1f511}.\u{1f511}.\u{1f511}",
        &mebibyte,
        &dots,
        &long,
    ];
    for text in texts {
        let answer = verifier.verify(text, claims.issued_at);
        let start: String = text.chars().take(20).collect();
        assert_eq!(answer, Err(TokenRejected), "of {start:?}..");
    }
}

/// Catches an algorithm that is read from the token: `none` would sign for everybody (RFC 8725
/// section 2.1).
pub async fn an_unsigned_token_is_refused(issuer: &dyn TokenIssuer, verifier: &dyn TokenVerifier) {
    let claims = claims();
    let token = issue(issuer, &claims).await;
    let [header, payload, signature] = parts(&token);
    let mut forged = vec![format!("{header}.{payload}."), format!("{header}.{payload}")];
    for algorithm in ["none", "None", "NONE", ""] {
        let header = with_algorithm(header, algorithm);
        forged.push(format!("{header}.{payload}."));
        forged.push(format!("{header}.{payload}.{signature}"));
    }
    for text in forged {
        let answer = verifier.verify(&text, claims.issued_at);
        assert_eq!(answer, Err(TokenRejected), "an unsigned token was taken");
    }
}

/// Catches a signature that does not bind what it signs.
pub async fn parts_of_two_tokens_make_no_third(
    issuer: &dyn TokenIssuer,
    verifier: &dyn TokenVerifier,
) {
    let (mine, theirs) = (claims(), claims());
    let now = mine.issued_at.max(theirs.issued_at);
    let (mine, theirs) = (issue(issuer, &mine).await, issue(issuer, &theirs).await);
    let [header, payload, signature] = parts(&mine);
    let [_, their_payload, their_signature] = parts(&theirs);
    for text in [
        format!("{header}.{their_payload}.{signature}"),
        format!("{header}.{payload}.{their_signature}"),
    ] {
        assert_eq!(verifier.verify(&text, now), Err(TokenRejected), "of parts of two tokens");
    }
}

/// Catches a signing key that is published with the verifying one, and a text that no other service can
/// read. Members by RFC 7518 section 6 and the registry of JSON Web Key parameters.
pub async fn what_is_published_is_a_key_set_without_a_private_member(
    issuer: &dyn TokenIssuer,
    verifier: &dyn TokenVerifier,
) {
    const PRIVATE: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];
    // A pair that makes its key at the first token has one to publish then.
    issue(issuer, &claims()).await;
    let set: String = verifier.jwks().chars().filter(|c| !c.is_whitespace()).collect();
    assert!(set.starts_with('{') && set.ends_with('}'), "no JSON object is published");
    assert!(set.contains("\"keys\":["), "no array of keys is published");
    for member in PRIVATE {
        assert!(!set.contains(&format!("\"{member}\":")), "the member {member} is published");
    }
}

async fn issue(issuer: &dyn TokenIssuer, claims: &Claims) -> String {
    done(issuer.issue(claims).await).expose().to_owned()
}

fn claims() -> Claims {
    let issued_at = Timestamp::from_seconds(fresh::now().as_seconds());
    let user = fresh::user();
    Claims {
        user_id: user.id,
        session_id: fresh::session_id(),
        email: user.email,
        name: user.name,
        credential_version: user.credential_version,
        issued_at,
        expires_at: issued_at + LIFE,
    }
}

/// RFC 7515 section 3.1.
#[track_caller]
fn parts(token: &str) -> [&str; 3] {
    let parts: Vec<&str> = token.split('.').collect();
    parts.try_into().expect("a compact token has three parts")
}

/// The header with another value of `alg`, and all else as it is.
fn with_algorithm(header: &str, algorithm: &str) -> String {
    let json = Base64UrlUnpadded::decode_vec(header).expect("a header is base64url");
    let json = String::from_utf8(json).expect("a header is UTF-8");
    let (before, rest) = json.split_once("\"alg\":\"").expect("a header names `alg`");
    let (_, after) = rest.split_once('"').expect("a header is JSON");
    let forged = format!("{before}\"alg\":\"{algorithm}\"{after}");
    Base64UrlUnpadded::encode_string(forged.as_bytes())
}

/// Its neighbour in the alphabet of base64url, which in the last place may differ in unread bits only,
/// and one that is far from it.
fn others_than(byte: u8) -> [u8; 2] {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    match ALPHABET.iter().position(|letter| *letter == byte) {
        Some(place) => [ALPHABET[place ^ 1], ALPHABET[place ^ 0b10_0000]],
        None => *b"A_",
    }
}
