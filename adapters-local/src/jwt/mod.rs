//! Tokens: issuers and verifiers on `jsonwebtoken` and its backend, `aws-lc-rs`.
//!
//! | kind | made by | signed with | `typ` | accepted by |
//! |---|---|---|---|---|
//! | access token | [`JwtIssuer`] | `EdDSA` or `ES256` | `at+jwt` | [`JwtVerifier`] |
//! | compatibility token | [`CompatibilityIssuer`] | `HS256` | `JWT` | [`CompatibilityVerifier`], which no route here uses, and the old service that shares its secret |
//!
//! `jsonwebtoken` signs; its primitives check nothing that is not asked for here. Its `decode` reads the
//! algorithm from the token and then asks whether it is allowed, leaves `nbf`, `aud`, `iss` and `sub`
//! unchecked unless each is asked for, and reads the system clock; here the key is named first, the
//! algorithm is the key's own, every claim is required and the time is an argument (RFC 8725 sections 3.1
//! to 3.12). Signatures are checked by its backend, `aws-lc-rs`, under keys that are parsed once.

mod access_token;
mod compatibility;
mod jws;
mod key;
mod key_ring;
mod key_set;
#[cfg(test)]
mod wycheproof_tests;

pub use access_token::{JwtIssuer, JwtVerifier, JwtVerifierError, TokenProfile, TokenProfileError};
pub use compatibility::{
    CompatibilityClaims, CompatibilityIssuer, CompatibilitySecretError, CompatibilityVerifier,
};
pub use key::{KeyError, SigningKey, VerifyingKey};
pub use key_ring::{KeyRing, KeyRingError};
pub use key_set::{Jwks, JwksError};
