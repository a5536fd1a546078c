use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::time::Duration;

use async_trait::async_trait;
use auth_domain::ports::{TokenIssuer, TokenVerifier};
use auth_domain::{
    Claims, CredentialVersion, DisplayName, Email, PortError, SessionId, SignedToken, Timestamp,
    TokenRejected, UserId,
};
use base64ct::{Base64UrlUnpadded, Encoding};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignerFault {
    BelievesTheAlgorithm,
    DiesASecondEarly,
    DropsTheName,
    ForgetsExpiry,
    ForgetsTheStart,
    GivesAMinuteOfLeeway,
    IgnoresTrailingBits,
    KeepsVersionsIn32Bits,
    LeavesTheHeaderOut,
    LeavesThePayloadOut,
    NeedsNoSignature,
    PanicsOnGarbage,
    PublishesNothing,
    PublishesOneKey,
    PublishesThePrivateKey,
    ReadsThePrefix,
    TakesNothingForAGuest,
    TakesTheLastMomentForGood,
    TakesTheUserForTheSession,
    Trims,
}

use SignerFault::*;

/// Each law, and the faults that it catches.
pub(crate) const CAUGHT: &[(&str, &[SignerFault])] = &[
    ("claims_come_back_whole", &[DropsTheName, KeepsVersionsIn32Bits, TakesTheUserForTheSession]),
    ("a_token_is_good_until_just_before_it_expires", &[DiesASecondEarly]),
    (
        "an_expired_token_is_refused",
        &[ForgetsExpiry, GivesAMinuteOfLeeway, TakesTheLastMomentForGood],
    ),
    ("a_token_of_the_future_is_refused", &[ForgetsTheStart]),
    ("no_byte_of_a_token_can_be_altered", &[LeavesTheHeaderOut, IgnoresTrailingBits]),
    ("nothing_can_be_added_to_a_token", &[Trims, ReadsThePrefix]),
    ("garbage_is_refused", &[PanicsOnGarbage, TakesNothingForAGuest]),
    ("an_unsigned_token_is_refused", &[BelievesTheAlgorithm, NeedsNoSignature]),
    ("parts_of_two_tokens_make_no_third", &[LeavesThePayloadOut]),
    (
        "what_is_published_is_a_key_set_without_a_private_member",
        &[PublishesNothing, PublishesOneKey, PublishesThePrivateKey],
    ),
];

/// Compact tokens, signed with the standard library's hash: for tests of tests only.
pub(crate) struct Signer {
    fault: Option<SignerFault>,
}

const KEY: u64 = 0x5eed;
const HEADER: &str = r#"{"typ":"at+toy","alg":"toy"}"#;
/// No text of a claim holds it.
const BETWEEN: char = '\u{1f}';

impl Signer {
    pub(crate) const fn new(fault: Option<SignerFault>) -> Self {
        Self { fault }
    }

    fn has(&self, fault: SignerFault) -> bool {
        self.fault == Some(fault)
    }

    fn signature(&self, header: &str, payload: &str) -> String {
        let mut state = DefaultHasher::new();
        KEY.hash(&mut state);
        if !self.has(LeavesTheHeaderOut) {
            header.hash(&mut state);
        }
        if !self.has(LeavesThePayloadOut) {
            payload.hash(&mut state);
        }
        encoded(&state.finish().to_be_bytes())
    }

    fn is_signed(&self, header: &str, payload: &str, signature: &str) -> bool {
        let right = self.signature(header, payload);
        match self.fault {
            Some(NeedsNoSignature) if signature.is_empty() => true,
            Some(BelievesTheAlgorithm) if decoded(header).contains("none") => true,
            Some(IgnoresTrailingBits) => signature.len() == 11 && signature[..10] == right[..10],
            _ => signature == right,
        }
    }

    fn payload(&self, claims: &Claims) -> String {
        let version = claims.credential_version.get();
        let fields = [
            claims.user_id.to_string(),
            if self.has(TakesTheUserForTheSession) {
                claims.user_id.to_string()
            } else {
                claims.session_id.to_string()
            },
            claims.email.as_str().to_owned(),
            if self.has(DropsTheName) { String::new() } else { claims.name.as_str().to_owned() },
            if self.has(KeepsVersionsIn32Bits) {
                (version & u64::from(u32::MAX)).to_string()
            } else {
                version.to_string()
            },
            claims.issued_at.as_seconds().to_string(),
            claims.expires_at.as_seconds().to_string(),
        ];
        encoded(fields.join(&BETWEEN.to_string()).as_bytes())
    }

    fn is_valid(&self, claims: &Claims, now: Timestamp) -> bool {
        let second = Duration::from_secs(1);
        let unexpired = match self.fault {
            Some(ForgetsExpiry) => true,
            Some(DiesASecondEarly) => now + second < claims.expires_at,
            Some(GivesAMinuteOfLeeway) => now < claims.expires_at + second * 60,
            Some(TakesTheLastMomentForGood) => now <= claims.expires_at,
            _ => now < claims.expires_at,
        };
        unexpired && (self.has(ForgetsTheStart) || claims.issued_at <= now + second)
    }

    fn read(&self, token: &str) -> Option<Claims> {
        let token = if self.has(Trims) { token.trim() } else { token };
        let mut parts = token.split('.');
        let (header, payload) = (parts.next()?, parts.next());
        assert!(payload.is_some() || !self.has(PanicsOnGarbage), "out of bounds");
        let (payload, signature) = (payload?, parts.next()?);
        let whole = parts.next().is_none() || self.has(ReadsThePrefix);
        (whole && self.is_signed(header, payload, signature))
            .then(|| claims(&decoded(payload)))
            .flatten()
    }
}

fn claims(payload: &str) -> Option<Claims> {
    let fields: Vec<&str> = payload.split(BETWEEN).collect();
    let [user_id, session_id, email, name, version, issued_at, expires_at] =
        fields.try_into().ok()?;
    Some(Claims {
        user_id: UserId::parse(user_id).ok()?,
        session_id: SessionId::parse(session_id).ok()?,
        email: Email::parse(email).ok()?,
        name: DisplayName::from_stored(name.to_owned()),
        credential_version: CredentialVersion::new(version.parse().ok()?),
        issued_at: Timestamp::from_seconds(issued_at.parse().ok()?),
        expires_at: Timestamp::from_seconds(expires_at.parse().ok()?),
    })
}

fn encoded(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

/// Empty where it is not base64url of a text.
fn decoded(text: &str) -> String {
    let bytes = Base64UrlUnpadded::decode_vec(text).unwrap_or_default();
    String::from_utf8(bytes).unwrap_or_default()
}

#[async_trait]
impl TokenIssuer for Signer {
    async fn issue(&self, claims: &Claims) -> Result<SignedToken, PortError> {
        let header = encoded(HEADER.as_bytes());
        let payload = self.payload(claims);
        let signature = self.signature(&header, &payload);
        Ok(SignedToken::new(format!("{header}.{payload}.{signature}")))
    }
}

impl TokenVerifier for Signer {
    fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, TokenRejected> {
        if token.is_empty() && self.has(TakesNothingForAGuest) {
            let id = UserId::from_entropy_bytes([0; 16]);
            let nobody =
                format!("{id}\u{1f}{id}\u{1f}guest@example.com\u{1f}\u{1f}0\u{1f}0\u{1f}0");
            return claims(&nobody).ok_or(TokenRejected);
        }
        let claims = self.read(token).ok_or(TokenRejected)?;
        if self.is_valid(&claims, now) { Ok(claims) } else { Err(TokenRejected) }
    }

    /// Its signature is a keyed hash, so an honest one has no key to publish.
    fn jwks(&self) -> String {
        match self.fault {
            Some(PublishesNothing) => String::new(),
            Some(PublishesOneKey) => r#"{ "kty": "OKP", "crv": "toy", "x": "Xu0" }"#.into(),
            Some(PublishesThePrivateKey) => {
                r#"{ "keys": [{ "kty": "OKP", "crv": "toy", "x": "Xu0", "d" : "Xu0" }] }"#.into()
            }
            _ => r#"{ "keys": [] }"#.into(),
        }
    }
}
