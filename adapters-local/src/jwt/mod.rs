//! Tokens: issuers and a verifier on `jsonwebtoken`, with its `aws_lc_rs` backend.
//!
//! | kind | made by | signed with | `typ` | accepted by |
//! |---|---|---|---|---|
//! | access token | [`JwtIssuer`] | `EdDSA` or `ES256` | `at+jwt` | [`JwtVerifier`] |
//! | compatibility token | [`CompatibilityIssuer`] | `HS256` | `JWT` | nothing here: only the old service that shares its secret |
//!
//! Only the signature primitives of `jsonwebtoken` are used. Its `decode` reads the algorithm from the
//! token and then asks whether it is allowed, leaves `nbf`, `aud`, `iss` and `sub` unchecked unless
//! each is asked for, and reads the system clock; here the key is named first, the algorithm is the
//! key's own, every claim is required and the time is an argument (RFC 8725 sections 3.1 to 3.12).

mod access_token;
mod compatibility;
mod jws;
mod key;
mod key_ring;
#[cfg(test)]
mod wycheproof_tests;

pub use access_token::{JwtIssuer, JwtVerifier, JwtVerifierError, TokenProfile, TokenProfileError};
pub use compatibility::{CompatibilityIssuer, CompatibilityIssuerError};
pub use key::{KeyError, SigningKey, VerifyingKey};
