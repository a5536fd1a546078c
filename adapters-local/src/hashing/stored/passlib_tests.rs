//! passlib's known hashes (of its version 1.7.4, BSD) against the verifiers, as bytes: several are of
//! bytes that no [`auth_domain::Password`] holds.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::*;

/// What the library is asked to take over. The classes that are missing here are of formats that no
/// account should have been kept with, or that name no password at all.
const SUPPORTED: [&str; 16] = [
    "_base_argon2_test",
    "_bcrypt_sha256_test",
    "_bcrypt_test",
    "_scrypt_test",
    "atlassian_pbkdf2_sha1_test",
    "cta_pbkdf2_sha1_test",
    "django_argon2_test",
    "django_bcrypt_sha256_test",
    "django_bcrypt_test",
    "django_pbkdf2_sha1_test",
    "django_pbkdf2_sha256_test",
    "dlitz_pbkdf2_sha1_test",
    "grub_pbkdf2_sha512_test",
    "pbkdf2_sha1_test",
    "pbkdf2_sha256_test",
    "pbkdf2_sha512_test",
];

#[derive(Deserialize)]
struct Class {
    #[serde(default)]
    known_correct_hashes: Vec<(Typed, String)>,
    #[serde(default)]
    known_malformed_hashes: Vec<String>,
    #[serde(default)]
    known_unidentified_hashes: Vec<String>,
    #[serde(default)]
    known_incorrect_padding: Vec<(Typed, String, String)>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Typed {
    Text(String),
    Bytes { bytes_hex: String },
}

impl Typed {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.clone().into_bytes(),
            Self::Bytes { bytes_hex } => {
                fields::hex(bytes_hex, fields::HexCase::Lower).unwrap().to_vec()
            }
        }
    }
}

fn read(text: &str) -> Result<Stored, StoredHashError> {
    // One of passlib's is of 100 MiB and 8 lanes.
    let mut argon2 = Argon2Ceilings::default();
    (argon2.memory_kib, argon2.memory_kib_times_passes, argon2.lanes) = (102_400, 204_800, 8);
    Stored::read(text, &argon2, &ImportCeilings::default())
}

fn fits(stored: &Stored, typed: &[u8]) -> bool {
    let mut arena = Arena::new(0);
    match stored {
        Stored::Imported(stored) => stored.fits(&mut arena, typed).unwrap(),
        Stored::Wrapped(_) => panic!("passlib wraps nothing"),
        Stored::Argon2(stored) => {
            let argon2 =
                ::argon2::Argon2::new(stored.algorithm, stored.version, stored.params.clone());
            let mut output = vec![0; stored.output.len()];
            argon2.hash_password_into(typed, &stored.salt, &mut output).unwrap();
            output == **stored.output
        }
    }
}

#[test]
fn known_hashes_are_judged_as_passlib_does() {
    let Some(folder) = std::env::var_os("AUTH_TEST_VECTORS") else {
        println!(
            "skipped: AUTH_TEST_VECTORS does not name a folder that holds passlib/known_hashes.json"
        );
        return;
    };
    let path = Path::new(&folder).join("passlib/known_hashes.json");
    let classes: BTreeMap<String, Class> =
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let (mut fitting, mut cut, mut unsupported, mut malformed) = (0, 0, 0, 0);
    for (name, class) in &classes {
        let supported = SUPPORTED.contains(&name.as_str());
        for (typed, text) in &class.known_correct_hashes {
            let stored = read(text);
            assert_eq!(stored.is_ok(), supported, "{name}: {text}");
            let (Ok(stored), typed) = (stored, typed.bytes()) else {
                unsupported += 1;
                continue;
            };
            let mut wrong = typed.clone();
            wrong.insert(0, b'x');
            assert!(!fits(&stored, &wrong), "{name}: {text}");
            if stored.format() == StoredFormat::Bcrypt && typed.len() > 72 {
                // passlib cuts it off there, and we refuse it.
                assert!(!fits(&stored, &typed) && fits(&stored, &typed[..72]), "{text}");
                cut += 1;
            } else {
                assert!(fits(&stored, &typed), "{name}: {text}");
                fitting += 1;
            }
        }
        for (typed, spelling, canonical) in &class.known_incorrect_padding {
            for text in [spelling, canonical] {
                assert!(fits(&read(text).unwrap(), &typed.bytes()), "{name}: {text}");
            }
        }
        for text in class.known_malformed_hashes.iter().chain(&class.known_unidentified_hashes) {
            assert!(read(text).is_err(), "{name}: {text}");
        }
        malformed += class.known_malformed_hashes.len();
    }
    println!(
        "passlib: of {} known hashes {fitting} fit, {cut} are of passwords over bcrypt's 72 bytes, \
         {unsupported} are of unsupported formats ({}); refused {malformed} malformed ones",
        fitting + cut + unsupported,
        unsupported_classes(&classes),
    );
    assert_eq!((fitting, cut, unsupported, malformed), (75, 2, 71, 69));
}

fn unsupported_classes(classes: &BTreeMap<String, Class>) -> String {
    let names: Vec<&str> =
        classes.keys().map(String::as_str).filter(|name| !SUPPORTED.contains(name)).collect();
    names.join(", ")
}
