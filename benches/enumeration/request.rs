//! What goes over the wire.

use auth_domain::Email;
use base64ct::{Base64UrlUnpadded, Encoding as _};
use fastrand::Rng;
use serde_json::{Value, json};

use crate::accounts::bytes;
use crate::states::{Call, State, Typed};

/// A request about an address, from a source of its own.
pub(crate) fn request(
    call: Call,
    state: &State,
    email: &Email,
    host: &str,
    rng: &mut Rng,
) -> Vec<u8> {
    let password = match &state.password {
        Typed::Guess => format!("{:016x} guess", rng.u64(..)),
        Typed::This(password) => password.clone(),
    };
    let (path, body) = call_of(call, &password, email.as_str(), rng);
    let (body, source) = (body.to_string(), source(rng));
    let head = format!(
        "POST /auth/{path} HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-For: {source}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    (head + &body).into_bytes()
}

fn call_of(call: Call, password: &str, email: &str, rng: &mut Rng) -> (&'static str, Value) {
    match call {
        Call::Login => ("login", json!({ "email": email, "password": password })),
        Call::Register => {
            ("register", json!({ "email": email, "password": password, "name": "Ann" }))
        }
        Call::Forgot => ("forgot-password", json!({ "email": email })),
        Call::Resend => ("verify-email/resend", json!({ "email": email })),
        Call::Verify => ("verify-email", json!({ "token": forged_verification(email, rng) })),
        Call::Reset => {
            // A secret and its tag.
            let token = forged::<48>(email.as_bytes(), rng);
            ("reset-password", json!({ "token": token, "new_password": password }))
        }
    }
}

/// As [`VerificationToken`](auth_domain::VerificationToken) is written: account, version, end, address.
fn forged_verification(email: &str, rng: &mut Rng) -> String {
    const A_DAY_IN_2100: u64 = 4_102_444_800;
    let (account, version) = (bytes::<16>(rng), 0_u64.to_be_bytes());
    let claims = [&account[..], &version, &A_DAY_IN_2100.to_be_bytes(), email.as_bytes()].concat();
    forged::<32>(&claims, rng)
}

/// With bytes of chance where there should be a secret.
fn forged<const N: usize>(claims: &[u8], rng: &mut Rng) -> String {
    let secret: [u8; N] = bytes(rng);
    let encode = Base64UrlUnpadded::encode_string;
    format!("{}.{}", encode(claims), encode(&secret))
}

/// Of a hundred million, all of one length; of networks for private use and others, which nobody asks here.
fn source(rng: &mut Rng) -> String {
    let mut octet = || rng.u8(100..200);
    format!("{}.{}.{}.{}", octet(), octet(), octet(), octet())
}
