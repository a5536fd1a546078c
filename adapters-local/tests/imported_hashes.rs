//! Hashes that other systems stored: each verifies, is no match for another password, and is replaced
//! by one of today's at its owner's first login.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use adapters_local::{
    Argon2idHasher, Argon2idSettings, FirebaseScrypt, ImportCeilings, OsEntropy, Pepper,
    StoredFormat, StoredHashError, Testing, WrapError, testing_with,
};
use auth_domain::ports::{Insert, PasswordHasher, Reservation, UserStore, Verification};
use auth_domain::{
    CredentialVersion, DisplayName, Email, LoginError, LoginRequest, Password, PasswordHash,
    PortErrorKind, RequestContext, Timestamp, User, UserId,
};
use base64ct::{Base64Pbkdf2, Base64Unpadded, Encoding};
use proptest::prelude::*;
use serde::Deserialize;

const SHA256_OF_PASSWORD: &str = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8";

/// As little as the floor allows, and room for passlib's one Argon2d of 100 MiB and 8 lanes.
fn settings() -> Argon2idSettings {
    let mut settings = Argon2idSettings::default();
    (settings.memory_kib, settings.passes) = (12_288, 3);
    let ceilings = &mut settings.ceilings;
    (ceilings.memory_kib, ceilings.memory_kib_times_passes, ceilings.lanes) = (102_400, 204_800, 8);
    settings
}

fn hasher() -> Argon2idHasher {
    Argon2idHasher::new(settings(), Arc::new(OsEntropy::new())).unwrap()
}

async fn verify(
    hasher: &dyn PasswordHasher,
    typed: &str,
    stored: &str,
) -> Result<Verification, PortErrorKind> {
    let Reservation::Slot(slot) = hasher.reserve().unwrap() else { panic!("overloaded") };
    let stored = Some(PasswordHash::from_stored(stored));
    slot.verify(Password::new(typed).unwrap(), stored).await.map_err(|error| error.kind())
}

fn format_of(stored: &str) -> Result<StoredFormat, StoredHashError> {
    settings().stored_format(&PasswordHash::from_stored(stored))
}

async fn fits_its_password_alone(format: StoredFormat, vectors: &[(&str, &str)]) {
    let hasher = hasher();
    for (typed, stored) in vectors {
        assert_eq!(format_of(stored), Ok(format), "{stored}");
        let right = verify(&hasher, typed, stored).await;
        assert_eq!(right, Ok(Verification::MatchNeedsRehash), "{stored}");
        let wrong = verify(&hasher, &format!("{typed}x"), stored).await;
        assert_eq!(wrong, Ok(Verification::Mismatch), "{stored}");
    }
}

/// Of crypt_blowfish (Openwall, public domain), jBCrypt (ISC) and passlib (BSD).
const BCRYPT: &[(&str, &str)] = &[
    ("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    ("U*U*U", "$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a"),
    ("a", "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe"),
    ("abcdefghijklmnopqrstuvwxyz", "$2a$08$aTsUwsyowQuzRrDqFflhgekJ8d9/7Z3GV3UcgvzQW3J5zMyrTvlz."),
    ("\u{451}", "$2y$05$6bNw2HLQYeqHYyBfLMsv/OUcZd0LKP39b87nBw3.S2tVZSqiQX6eu"),
    (
        "t\u{e1}\u{411}\u{2113}\u{259}",
        "$2b$05$Z17AXnnlpzddNUvnC6cZNOSwMA/8oNiKnHTHTwLlBijfucQQlHjaG",
    ),
    // Made with bits left over in the last digit of the salt, which implementations ignore.
    ("test", "$2a$04$oaQbBqq8JnSM1NHRPQGXORY4Vw3bdHKLIXTecPDRAcJ98cz1ilveO"),
    // As Django has it.
    (
        "abcdefghijklmnopqrstuvwxyz",
        "bcrypt$$2a$10$fVH8e28OQRj9tqiDXs1e1uxpsjN0c7II7YPKXua2NAKYvM6iQk7dq",
    ),
];

#[tokio::test]
async fn bcrypt_fits_its_password_alone() {
    fits_its_password_alone(StoredFormat::Bcrypt, BCRYPT).await;
}

#[tokio::test]
async fn bcrypt_of_a_digest_fits_its_password_alone() {
    let vectors = [
        // passlib, first and second version.
        ("password", "$bcrypt-sha256$2a,5$5Hg1DKFqPE8C2aflZ5vVoe$12BjNE0p7axMg55.Y/mHsYiVuFBDQyu"),
        ("password", "$bcrypt-sha256$2b,5$5Hg1DKFqPE8C2aflZ5vVoe$12BjNE0p7axMg55.Y/mHsYiVuFBDQyu"),
        (
            "password",
            "$bcrypt-sha256$v=2,t=2b,r=5$5Hg1DKFqPE8C2aflZ5vVoe$wOK1VFFtS8IGTrGa7.h5fs0u84qyPbS",
        ),
        // Django.
        (
            "l\u{e8}tmein",
            "bcrypt_sha256$$2a$08$NDjSAIcas.EcoxCRiArvT.MkNiPYVhrsrnJsRkLueZOoV1bsQqlmC",
        ),
    ];
    fits_its_password_alone(StoredFormat::BcryptSha256, &vectors).await;
}

/// Attack case D1.
#[tokio::test]
async fn d1_a_password_that_bcrypt_would_cut_fits_nothing() {
    let hasher = hasher();
    // crypt_blowfish's own vector of a password of 98 bytes, of which the first 72 were hashed.
    let whole = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let stored = "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui";
    assert_eq!(whole.len(), 72);
    let fits = verify(&hasher, whole, stored).await;
    assert_eq!(fits, Ok(Verification::MatchNeedsRehash));
    for tail in ["x", "\0", "chars after 72 are ignored", whole] {
        let longer = format!("{whole}{tail}");
        assert_eq!(verify(&hasher, &longer, stored).await, Ok(Verification::Mismatch), "{tail:?}");
    }
    // Bytes are counted, not characters: 36 of two bytes and one more.
    let longer = format!("{}x", "\u{451}".repeat(36));
    assert_eq!(verify(&hasher, &longer, stored).await, Ok(Verification::Mismatch));
}

#[tokio::test]
async fn a_nul_neither_ends_a_password_for_bcrypt_nor_starts_it_over() {
    let hasher = hasher();
    let stored = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    for typed in ["U*U\0", "U*U\0more", "U*U\0U*U", "\0", "\0U*U"] {
        assert_eq!(verify(&hasher, typed, stored).await, Ok(Verification::Mismatch), "{typed:?}");
    }
}

#[tokio::test]
async fn a_long_password_or_one_with_a_nul_fits_bcrypt_of_its_digest() {
    let hasher = hasher();
    for (typed, stored) in LONG_IN_DJANGO {
        let fits = verify(&hasher, &typed.replace('~', &"p".repeat(100)), stored).await;
        assert_eq!(fits, Ok(Verification::MatchNeedsRehash));
        let other = format!("{}q", typed.replace('~', &"p".repeat(99)));
        assert_eq!(verify(&hasher, &other, stored).await, Ok(Verification::Mismatch));
    }
}

#[tokio::test]
async fn the_last_of_two_hundred_bytes_counts_in_every_format_that_takes_them() {
    let ending_in = |last: char| format!("{}{last}", "p".repeat(199));
    let hasher = hasher();
    for stored in TWO_HUNDRED_BYTES {
        let own = verify(&hasher, &ending_in('q'), stored).await;
        assert_eq!(own, Ok(Verification::MatchNeedsRehash), "{stored}");
        for other in [ending_in('r'), "p".repeat(199), format!("{}q", ending_in('q'))] {
            assert_eq!(
                verify(&hasher, &other, stored).await,
                Ok(Verification::Mismatch),
                "{stored}"
            );
        }
    }
}

/// Of 199 times "p" and a "q", by Python's hashlib (OpenSSL).
const TWO_HUNDRED_BYTES: &[&str] = &[
    "b8bc0fc6b58ff982f1690ccb05a600ba7f28b7e19af13a20b1cd86f6114d7629",
    "$pbkdf2-sha256$i=1000$c2l4dGVlbiBieXRlIHNhbA$xH9qnXlP3XCmdV/PdQ+G9EeL/HTTPriwhpfrgP3Ygis",
    "pbkdf2_sha256$1000$seasalt$wPvZM3ot4o7NT6rBkaGO8UdIBW65WSvFzkZFAVZTTV0=",
    "$scrypt$ln=8,r=8,p=1$c2l4dGVlbiBieXRlIHNhbA$PkqItfOrkg3kfFPeJlUqJW2GjfVjR3GcRla/VphHqaY",
];

/// Django's steps done with libxcrypt; `~` stands for 100 times "p".
const LONG_IN_DJANGO: &[(&str, &str)] = &[
    ("~", "bcrypt_sha256$$2b$05$CCCCCCCCCCCCCCCCCCCCC.0LVJ612tip29S8k9ilwxv38UA4pqO5C"),
    ("before\0after", "bcrypt_sha256$$2b$05$CCCCCCCCCCCCCCCCCCCCC.rV7aiElg1n0ZapC.oBszmSkq0NYFmlm"),
];

#[tokio::test]
async fn other_systems_hashed_what_was_typed() {
    // Of "cafe" and U+0301, which is hashed as U+00E9 here.
    let stored = "$2b$05$CCCCCCCCCCCCCCCCCCCCC.lZ3uoinyXULExuzHPjw3OzGQY39Oye6";
    let hasher = hasher();
    let as_typed = verify(&hasher, "cafe\u{301}", stored).await;
    assert_eq!(as_typed, Ok(Verification::MatchNeedsRehash));
    assert_eq!(verify(&hasher, "caf\u{e9}", stored).await, Ok(Verification::Mismatch));
}

/// RFC 6070, but the vector of 16,777,216 iterations; and RFC 7914 section 11. As PHC strings.
#[tokio::test]
async fn pbkdf2_fits_its_password_alone() {
    let mut vectors = Vec::new();
    for (name, typed, salt, iterations, key) in [
        ("pbkdf2", "password", "salt", 1, "0c60c80f961f0e71f3a9b524af6012062fe037a6"),
        ("pbkdf2", "password", "salt", 2, "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957"),
        ("pbkdf2", "password", "salt", 4096, "4b007901b765489abead49d926f721d065a429c1"),
        (
            "pbkdf2",
            "passwordPASSWORDpassword",
            "saltSALTsaltSALTsaltSALTsaltSALTsalt",
            4096,
            "3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038",
        ),
        ("pbkdf2", "pass\0word", "sa\0lt", 4096, "56fa6aa75548099dcc37d7f03425e0c3"),
        (
            "pbkdf2-sha256",
            "passwd",
            "salt",
            1,
            "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc\
             49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783",
        ),
        (
            "pbkdf2-sha256",
            "Password",
            "NaCl",
            80_000,
            "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56\
             a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d",
        ),
    ] {
        let key: Vec<u8> = (0..key.len() / 2)
            .map(|at| u8::from_str_radix(&key[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        for costs in [format!("i={iterations}"), format!("i={iterations},l={}", key.len())] {
            let (salt, key) = (
                Base64Unpadded::encode_string(salt.as_bytes()),
                Base64Unpadded::encode_string(&key),
            );
            vectors.push((typed, format!("${name}${costs}${salt}${key}")));
        }
        let (salt, key) =
            (Base64Pbkdf2::encode_string(salt.as_bytes()), Base64Pbkdf2::encode_string(&key));
        vectors.push((typed, format!("${name}${iterations}${salt}${key}")));
    }
    let vectors: Vec<(&str, &str)> =
        vectors.iter().map(|(typed, stored)| (*typed, stored.as_str())).collect();
    fits_its_password_alone(StoredFormat::Pbkdf2, &vectors).await;
}

#[tokio::test]
async fn pbkdf2_as_other_systems_write_it_fits_its_password_alone() {
    let greek = "\u{399}\u{3c9}\u{3b1}\u{3bd}\u{3bd}\u{3b7}\u{3c2}";
    let vectors = [
        // passlib.
        ("password", "$pbkdf2$1212$OB.dtnSEXZK8U5cgxU/GYQ$y5LKPOplRmok7CZp/aqVDVg8zGI"),
        (
            "password",
            "$pbkdf2-sha256$1212$4vjV83LKPjQzk31VI4E0Vw$hsYF68OiOUPdDZ1Fg.fJPeq1h/gXXY7acBp9/6c.tmQ",
        ),
        (
            "password",
            "$pbkdf2-sha512$1212$RHY0Fr3IDMSVO/RSZyb5ow$eNLfBK.eVozomMr.1gYa17k9B7KIK25NOEshvhrSX.esqY3s.FvWZViXz4KoLlQI.BzY/YTNJOiKc5gBYFYGww",
        ),
        // Django.
        (
            "not a password",
            "pbkdf2_sha256$10000$kjVJaVz6qsnJ$5yPHw3rwJGECpUf70daLGhOrQ5+AMxIJdz1c3bqK1Rs=",
        ),
        ("not a password", "pbkdf2_sha1$10000$wz5B6WkasRoF$atJmJ1o+XfJxKq1+Nu1f1i57Z5I="),
        // Atlassian, Cryptacular, Litzenberger, GRUB.
        ("admin", "{PKCS5S2}c4xaeTQM0lUieMS3V5voiexyX9XhqC2dBd5ecVy60IPksHChwoTAVYFrhsgoq8/p"),
        ("hashy the \u{2603}", "$p5k2$1000$ZxK4ZBJCfQg=$jJZVscWtO--p1-xIZl6jhO2LKR0="),
        ("password", "$p5k2$1$$h1TDLGSw9ST8UMAPeIE13i0t12c="),
        ("cloadm", "$p5k2$$exec$r1EWMCMk7Rlv3L/RNcFXviDefYa0hlql"),
        ("gnu", "$p5k2$c$u9HvcT4d$Sd1gwSVCLZYAuqZ25piRnbBEoAesaa/g"),
        (
            greek,
            "grub.pbkdf2.sha512.10000.BCAC1CEC5E4341C8C511C5297FA877BE91C2817B32A35A3ECF5CA6B8B257F751.6968526A2A5B1AEEE0A29A9E057336B48D388FFB3F600233237223C2104DE1752CEC35B0DD1ED49563398A282C0F471099C2803FBA47C7919CABC43192C68F60",
        ),
    ];
    fits_its_password_alone(StoredFormat::Pbkdf2, &vectors).await;
}

#[tokio::test]
async fn scrypt_fits_its_password_alone() {
    let vectors = [
        // passlib.
        (
            "test",
            "$scrypt$ln=8,r=8,p=1$wlhLyXmP8b53bm1NKYVQqg$mTpvG8lzuuDk+DWz8HZIB6Vum6erDuUm0As5yU+VxWA",
        ),
        (
            "nacl",
            "$scrypt$ln=1,r=4,p=2$yhnD+J+Tci4lZCwFgHCuVQ$fAsEWmxSHuC0cHKMwKVFPzrQukgvK09Sj+NueTSxKds",
        ),
    ];
    fits_its_password_alone(StoredFormat::Scrypt, &vectors).await;
    // Django's own test of its hasher; once only, since it takes ten times what the others take.
    let djangos = "scrypt$16384$seasalt$8$5$ECMIUp+LMxMSK8xB/IVyba+KYGTI7FTnet025q/1f/vBAVnnP3hdYqJuRi+mJn6ji6ze3Fbb7JEFPKGpuEf5vw==";
    let right = verify(&hasher(), "l\u{e8}tmein", djangos).await;
    assert_eq!(right, Ok(Verification::MatchNeedsRehash));
}

/// The project, user and password of Firebase's README.
fn firebase() -> FirebaseScrypt {
    let signer_key =
        "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==";
    FirebaseScrypt::new(signer_key, "Bw==", 8, 14).unwrap()
}

const FIREBASE_HASH: &str =
    "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==";

#[tokio::test]
async fn firebases_scrypt_fits_its_password_alone() {
    let readmes = firebase().stored(FIREBASE_HASH, "42xEC+ixf3L2lw==").unwrap();
    // Of Ory Kratos's tests (Apache-2.0).
    let kratoss = FirebaseScrypt::new(
        "YE0dO4bwD4JnJafh6lZZfkp1MtKzuKAXQcDCJNJNyeCHairWHKENOkbh3dzwaCdizzOspwr/FITUVlnOAwPKyw==",
        "Bw==",
        8,
        14,
    );
    let kratoss = kratoss.unwrap().stored(
        "xbSou7FOl6mChCyzpCPIQ7tku7nsQMTFtyOZSXXd7tjBa4NtimOx7v42Gv2SfzPQu1oxM2/k4SsbOu73wlKe1A==",
        "sPtDhWcd1MfdAw==",
    );
    let vectors = [
        ("user1password", readmes.expose()),
        ("8x4WjoDbSxJZdR", kratoss.as_ref().unwrap().expose()),
        // Of Supabase Auth's tests (MIT), as it stores it.
        (
            "mytestpassword",
            "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=ou9tdYTGyYm8kuR6Dt0Bp0kDuAYoXrK16mbZO4yGwAn3oLspjnN0/c41v8xZnO1n14J3MjKj1b2g6AUCAlFwMw==$C0sHCg9ek77hsg==$zKVTMvnWVw5BBOZNUdnsalx4c4c7y/w7IS5p6Ut2+CfEFFlz37J9huyQfov4iizN8dbjvEJlM5tQaJP84+hfTw==",
        ),
    ];
    fits_its_password_alone(StoredFormat::FirebaseScrypt, &vectors).await;
}

#[test]
fn an_export_of_firebase_may_be_in_either_base64() {
    let usual = firebase().stored(FIREBASE_HASH, "42xEC+ixf3L2lw==").unwrap();
    let url_safe = FIREBASE_HASH.replace('+', "-").replace('/', "_");
    let url_safe = firebase().stored(url_safe.trim_end_matches('='), "42xEC-ixf3L2lw").unwrap();
    assert_eq!(url_safe.expose(), usual.expose());
    assert!(usual.expose().starts_with("$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=jxspr8"));
    for (hash, salt) in [("not base64!", "AAAA"), (FIREBASE_HASH, "AA$A"), ("AAAA", "A")] {
        assert_eq!(firebase().stored(hash, salt).err(), Some(StoredHashError::Malformed));
    }
    assert!(FirebaseScrypt::new("$", "Bw==", 8, 14).is_err());
    assert!(!format!("{:?}", firebase()).contains("jxspr8"));
}

#[tokio::test]
async fn argon2_in_djangos_wrapping_is_of_the_bytes_as_typed() {
    let vectors = [
        ("password", "argon2$argon2i$v=19$m=256,t=1,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A"),
        (
            "l\u{e8}tmein",
            "argon2$argon2i$v=19$m=512,t=2,p=2$V25jN1l4UUJZWkR1$MxpA1BD2Gh7+D79gaAw6sQ",
        ),
    ];
    fits_its_password_alone(StoredFormat::Argon2, &vectors).await;
    // The same accent, decomposed: another password to Django, one to us.
    let decomposed = verify(&hasher(), "le\u{300}tmein", vectors[1].1).await;
    assert_eq!(decomposed, Ok(Verification::Mismatch));
}

/// Attack case D2: costs one step above what is let through, and absurd ones. Each differs from a
/// readable hash in its cost alone.
#[tokio::test]
async fn absurd_costs_are_refused_where_the_ceilings_say() {
    let key = Base64Unpadded::encode_string(&[7; 32]);
    let bcrypt =
        |cost: u32| format!("$2b${cost:02}$oaQbBqq8JnSM1NHRPQGXOOY4Vw3bdHKLIXTecPDRAcJ98cz1ilveO");
    let pbkdf2 = |iterations: u64| format!("$pbkdf2-sha256$i={iterations}$c2FsdA${key}");
    let scrypt =
        |log_n: u32, r: u32, p: u32| format!("$scrypt$ln={log_n},r={r},p={p}$c2FsdA${key}");
    for readable in [bcrypt(14), pbkdf2(2_000_000), scrypt(17, 8, 1), scrypt(14, 8, 8)] {
        assert!(format_of(&readable).is_ok(), "{readable}");
    }
    let hasher = hasher();
    for hostile in [
        bcrypt(15),
        bcrypt(31),
        "$bcrypt-sha256$v=2,t=2b,r=31$5Hg1DKFqPE8C2aflZ5vVoe$wOK1VFFtS8IGTrGa7.h5fs0u84qyPbS"
            .to_owned(),
        format!("bcrypt${}", bcrypt(31)),
        format!("bcrypt_sha256${}", bcrypt(31)),
        pbkdf2(2_000_001),
        pbkdf2(1_000_000_000),
        pbkdf2(u32::MAX.into()),
        format!("pbkdf2_sha256$1000000000$salt${key}="),
        // 64 bytes are two blocks, each of which takes all iterations.
        format!("$pbkdf2-sha256$i=1000001$c2FsdA${}", Base64Unpadded::encode_string(&[7; 64])),
        "$p5k2$3b9aca00$ZxK4ZBJCfQg=$jJZVscWtO--p1-xIZl6jhO2LKR0=".to_owned(),
        scrypt(18, 8, 1),
        scrypt(14, 8, 9),
        scrypt(30, 8, 1),
        scrypt(30, 1024, 1024),
        format!("scrypt$1073741824$salt$8$1${key}="),
        format!("$fbscrypt$v=1,n=31,r=8,p=1,ss=Bw==,sk={key}=$c2FsdA==${key}="),
        "argon2$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A".to_owned(),
    ] {
        assert_eq!(format_of(&hostile), Err(StoredHashError::AboveCeilings), "{hostile}");
        let answer = verify(&hasher, "password", &hostile).await;
        assert_eq!(answer, Err(PortErrorKind::Corrupt), "{hostile}");
    }
}

#[test]
fn ceilings_are_settings() {
    let mut settings = settings();
    let cost_15 =
        PasswordHash::from_stored("$2b$15$oaQbBqq8JnSM1NHRPQGXOOY4Vw3bdHKLIXTecPDRAcJ98cz1ilveO");
    settings.import_ceilings.bcrypt_cost = 15;
    assert_eq!(settings.stored_format(&cost_15), Ok(StoredFormat::Bcrypt));
    settings.import_ceilings = ImportCeilings::default();
    assert_eq!(settings.stored_format(&cost_15), Err(StoredHashError::AboveCeilings));
}

/// Attack case D3: texts that begin like a hash of another system.
const MALFORMED: &[&str] = &[
    "$2b$",
    "$2b$05$",
    "$2b$5$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    "$2b$005$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    "$2b$+5$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    "$2b$03$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    "$2b$32$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe",
    "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeWW",
    "$2b$05$CCCCCCCCCCCCCCCCCCCCC!E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW$",
    "$2b$05$CCCCCCCCCCCCCCCCCCCCC\u{e9}E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    "bcrypt$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    "bcrypt$",
    "$bcrypt-sha256$",
    "$bcrypt-sha256$v=2,t=2b,r=5$\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}$wOK1VFFtS8IGTrGa7.h5fs0u84qyPbS",
    "$pbkdf2-sha256$",
    "$pbkdf2-sha256$$$",
    "$pbkdf2-sha256$1212$c2FsdA$",
    "$pbkdf2-sha256$1212$c2FsdA$AAAA",
    "$pbkdf2-sha256$0$4vjV83LKPjQzk31VI4E0Vw$hsYF68OiOUPdDZ1Fg.fJPeq1h/gXXY7acBp9/6c.tmQ",
    "$pbkdf2-sha256$-1$4vjV83LKPjQzk31VI4E0Vw$hsYF68OiOUPdDZ1Fg.fJPeq1h/gXXY7acBp9/6c.tmQ",
    "$pbkdf2-sha256$4294967296$4vjV83LKPjQzk31VI4E0Vw$hsYF68OiOUPdDZ1Fg.fJPeq1h/gXXY7acBp9/6c.tmQ",
    "$pbkdf2-sha256$i=1,l=31$c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "$pbkdf2-sha256$l=32,i=1$c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "pbkdf2_sha256$1$salt$",
    "pbkdf2_sha256$1$salt",
    "pbkdf2_sha256$$$",
    "{PKCS5S2}",
    "{PKCS5S2}AAAA",
    "$p5k2$",
    "$p5k2$$$",
    "$p5k2$C$u9HvcT4d$Sd1gwSVCLZYAuqZ25piRnbBEoAesaa/g",
    "$p5k2$0c$u9HvcT4d$Sd1gwSVCLZYAuqZ25piRnbBEoAesaa/g",
    "$p5k2$0$u9HvcT4d$Sd1gwSVCLZYAuqZ25piRnbBEoAesaa/g",
    "grub.pbkdf2.sha512.",
    "grub.pbkdf2.sha512.1.00.",
    "$scrypt$",
    "$scrypt$ln=4,r=1,p=1$c2FsdA$",
    "$scrypt$ln=4,r=1,p=1$c2FsdA$AAAA",
    "$scrypt$ln=64,r=0,p=1$c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "$scrypt$r=1,ln=4,p=1$c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "scrypt$16385$salt$8$1$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "scrypt$0$salt$8$1$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "scrypt$1$salt$8$1$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "$fbscrypt$",
    "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=$c2FsdA==$",
    "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=AAAA$c2FsdA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "$fbscrypt$v=2,n=14,r=8,p=1,ss=Bw==,sk=AAAAAAAAAAAAAAAAAAAAAA==$c2FsdA==$AAAAAAAAAAAAAAAAAAAAAA==",
    "argon2$argon2i$",
];

/// Texts of forms that are not verified, whatever follows; the case of a name counts.
const UNKNOWN: &[&str] = &[
    "$2$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    "$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    "$2A$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    "$2B$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    "$PBKDF2-SHA256$1212$4vjV83LKPjQzk31VI4E0Vw$hsYF68OiOUPdDZ1Fg.fJPeq1h/gXXY7acBp9/6c.tmQ",
    "{pkcs5s2}c4xaeTQM0lUieMS3V5voiexyX9XhqC2dBd5ecVy60IPksHChwoTAVYFrhsgoq8/p",
    "md5$123abcdef$c8272612932975ee80e8a35995708e80",
    "sha1$123abcdef$e4a1877b0e35c47329e7ed7e58014276168a37ba",
    "{SSHA}0c0blFTXXNuAMHECS4uxrj3ZieMoWImr",
    "$6$LKO/Ute40T3FNF95$6S/6T2YuOIHY0N3XpLKABJ3soYcXD9mB7uVbtEZDj/LNscVhZoZ9DEH.sBciDrMsHOWOoASbNLTypH/5X26gN0",
    "!",
    "!unusable",
];

#[tokio::test]
async fn a_text_that_is_no_hash_of_another_system_is_corrupt() {
    let hasher = hasher();
    let with_why = |texts: &'static [&str], why| texts.iter().map(move |text| (*text, why));
    let all = with_why(MALFORMED, StoredHashError::Malformed)
        .chain(with_why(UNKNOWN, StoredHashError::UnknownForm));
    for (text, why) in all {
        assert_eq!(format_of(text), Err(why), "{text}");
        assert_eq!(verify(&hasher, "password", text).await, Err(PortErrorKind::Corrupt), "{text}");
    }
}

#[test]
fn a_text_longer_than_any_hash_is_none() {
    let of_salt = |bytes| {
        let key = "hsYF68OiOUPdDZ1Fg+fJPeq1h/gXXY7acBp9/6c+tmQ=";
        format_of(&format!("pbkdf2_sha256$1${}${key}", "s".repeat(bytes)))
    };
    // With the name, the iteration and the key 1,024 bytes.
    assert_eq!(of_salt(963), Ok(StoredFormat::Pbkdf2));
    assert_eq!(of_salt(964), Err(StoredHashError::Malformed));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// A reader that indexes past an end, or lets a cost through that it did not check, fails here.
    #[test]
    fn a_hash_with_one_character_changed_is_a_hash_within_the_ceilings_or_none(
        which in 0..BCRYPT.len() + MALFORMED.len(),
        at in any::<prop::sample::Index>(),
        change in proptest::char::any(),
    ) {
        let text = BCRYPT.iter().map(|vector| vector.1).chain(MALFORMED.iter().copied()).nth(which);
        let mut changed: Vec<char> = text.unwrap().chars().collect();
        let at = at.index(changed.len());
        let before = std::mem::replace(&mut changed[at], change);
        let changed: String = changed.iter().collect();
        let mut lower = settings();
        lower.import_ceilings.bcrypt_cost = 3;
        lower.import_ceilings.pbkdf2_iterations = 0;
        lower.import_ceilings.scrypt_kib = 0;
        prop_assume!(before != change);
        // With ceilings of nothing, nothing of these families passes.
        let read = lower.stored_format(&PasswordHash::from_stored(&changed));
        prop_assert!(matches!(read, Err(_) | Ok(StoredFormat::Argon2)), "{}", changed);
    }

    #[test]
    fn no_text_that_merely_begins_like_a_hash_is_one(
        name in prop::sample::select(vec![
            "$2b$10$", "$bcrypt-sha256$", "$pbkdf2-sha256$", "$scrypt$", "$fbscrypt$", "$p5k2$",
            "{PKCS5S2}", "grub.pbkdf2.sha512.", "bcrypt$", "pbkdf2_sha256$", "scrypt$", "argon2$",
        ]),
        rest in "\\PC{0,80}",
    ) {
        let text = format!("{name}{rest}");
        prop_assert!(format_of(&text).is_err(), "{}", text);
    }
}

fn ann() -> Email {
    Email::parse("ann@example.com").unwrap()
}

/// A service that has taken over one account of another system.
async fn service_with(stored: &str) -> Testing {
    service_by(Arc::new(hasher()), stored).await
}

async fn service_by(hasher: Arc<Argon2idHasher>, stored: &str) -> Testing {
    let world = testing_with(|ports, settings| {
        ports.hasher = hasher;
        settings.attempts = None;
    });
    let then = Timestamp::from_seconds(1_600_000_000);
    let user = User {
        id: UserId::from_entropy_bytes([7; 16]),
        email: ann(),
        name: DisplayName::parse("Ann").unwrap(),
        password_hash: Some(PasswordHash::from_stored(stored)),
        credential_version: CredentialVersion::FIRST,
        disabled: false,
        email_verified_at: None,
        created_at: then,
        updated_at: then,
        last_login: None,
    };
    assert_eq!(world.users.insert(user).await.unwrap(), Insert::Inserted);
    world
}

async fn login(world: &Testing, typed: &str) -> bool {
    let password = Password::new(typed).unwrap();
    let request = LoginRequest { email: ann(), password };
    match world.auth.login(request, &RequestContext::new()).await {
        Ok(_) => true,
        Err(LoginError::Rejected) => false,
        Err(other) => panic!("{other}"),
    }
}

async fn stored(world: &Testing) -> String {
    let user = world.users.find_by_email(&ann()).await.unwrap().unwrap();
    user.password_hash.unwrap().expose().to_owned()
}

/// A wrong password changes nothing; the right one logs in, and again once the hash is replaced.
async fn is_replaced_by_a_login(typed: &str, imported: &str) {
    let world = service_with(imported).await;
    assert!(!login(&world, &format!("{typed}x")).await, "{imported}");
    assert_eq!(stored(&world).await, imported);
    assert!(login(&world, typed).await, "{imported}");
    let upgraded = stored(&world).await;
    assert!(upgraded.starts_with("$argon2id$v=19$m=12288,t=3,p=1$"), "{imported}");
    assert!(login(&world, typed).await, "{imported}");
    assert_eq!(stored(&world).await, upgraded, "{imported}");
    assert!(!login(&world, &format!("{typed}x")).await, "{imported}");
}

#[tokio::test]
async fn the_first_login_replaces_an_imported_hash() {
    for (typed, imported) in BCRYPT {
        is_replaced_by_a_login(typed, imported).await;
    }
    let imported = firebase().stored(FIREBASE_HASH, "42xEC+ixf3L2lw==").unwrap();
    is_replaced_by_a_login("user1password", imported.expose()).await;
}

/// Attack case F27.
#[tokio::test]
async fn f27_a_login_replaces_a_hash_without_the_pepper_and_a_lost_one_refuses_nobody() {
    let with_pepper = || {
        let mut settings = settings();
        settings.pepper = Some(Pepper::new("2026", [7; 32]).unwrap());
        Arc::new(Argon2idHasher::new(settings, Arc::new(OsEntropy::new())).unwrap())
    };
    let typed = "password";
    let world = service_by(with_pepper(), SHA256_OF_PASSWORD).await;
    assert!(login(&world, typed).await);
    let upgraded = stored(&world).await;
    assert!(upgraded.starts_with("$argon2id$v=19$m=12288,t=3,p=1,keyid=MjAyNg$"));
    assert!(login(&world, typed).await);

    let without = service_by(Arc::new(hasher()), &upgraded).await;
    for typed in [typed, "wrong"] {
        let request = LoginRequest { email: ann(), password: Password::new(typed).unwrap() };
        let answer = without.auth.login(request, &RequestContext::new()).await;
        let Err(LoginError::Port(error)) = answer else { panic!("{answer:?}") };
        assert_eq!(error.kind(), PortErrorKind::Rejected);
        assert!(error.with_causes().contains("needs the pepper 2026"));
    }
}

/// One or more of each form that can be wrapped.
const WRAPPABLE: &[(&str, &str)] = &[
    ("password", SHA256_OF_PASSWORD),
    ("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    ("test", "$2a$04$oaQbBqq8JnSM1NHRPQGXORY4Vw3bdHKLIXTecPDRAcJ98cz1ilveO"),
    (
        "abcdefghijklmnopqrstuvwxyz",
        "bcrypt$$2a$10$fVH8e28OQRj9tqiDXs1e1uxpsjN0c7II7YPKXua2NAKYvM6iQk7dq",
    ),
    ("password", "$bcrypt-sha256$2a,5$5Hg1DKFqPE8C2aflZ5vVoe$12BjNE0p7axMg55.Y/mHsYiVuFBDQyu"),
    (
        "password",
        "$bcrypt-sha256$v=2,t=2b,r=5$5Hg1DKFqPE8C2aflZ5vVoe$wOK1VFFtS8IGTrGa7.h5fs0u84qyPbS",
    ),
    ("l\u{e8}tmein", "bcrypt_sha256$$2a$08$NDjSAIcas.EcoxCRiArvT.MkNiPYVhrsrnJsRkLueZOoV1bsQqlmC"),
    ("password", "$pbkdf2$1212$OB.dtnSEXZK8U5cgxU/GYQ$y5LKPOplRmok7CZp/aqVDVg8zGI"),
    (
        "password",
        "$pbkdf2-sha256$1212$4vjV83LKPjQzk31VI4E0Vw$hsYF68OiOUPdDZ1Fg.fJPeq1h/gXXY7acBp9/6c.tmQ",
    ),
    (
        "not a password",
        "pbkdf2_sha256$10000$kjVJaVz6qsnJ$5yPHw3rwJGECpUf70daLGhOrQ5+AMxIJdz1c3bqK1Rs=",
    ),
    ("hashy the \u{2603}", "$p5k2$1000$ZxK4ZBJCfQg=$jJZVscWtO--p1-xIZl6jhO2LKR0="),
    ("cloadm", "$p5k2$$exec$r1EWMCMk7Rlv3L/RNcFXviDefYa0hlql"),
    (
        "\u{399}\u{3c9}\u{3b1}\u{3bd}\u{3bd}\u{3b7}\u{3c2}",
        "grub.pbkdf2.sha512.10000.BCAC1CEC5E4341C8C511C5297FA877BE91C2817B32A35A3ECF5CA6B8B257F751.6968526A2A5B1AEEE0A29A9E057336B48D388FFB3F600233237223C2104DE1752CEC35B0DD1ED49563398A282C0F471099C2803FBA47C7919CABC43192C68F60",
    ),
    (
        "test",
        "$scrypt$ln=8,r=8,p=1$wlhLyXmP8b53bm1NKYVQqg$mTpvG8lzuuDk+DWz8HZIB6Vum6erDuUm0As5yU+VxWA",
    ),
    (
        "mytestpassword",
        "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=ou9tdYTGyYm8kuR6Dt0Bp0kDuAYoXrK16mbZO4yGwAn3oLspjnN0/c41v8xZnO1n14J3MjKj1b2g6AUCAlFwMw==$C0sHCg9ek77hsg==$zKVTMvnWVw5BBOZNUdnsalx4c4c7y/w7IS5p6Ut2+CfEFFlz37J9huyQfov4iizN8dbjvEJlM5tQaJP84+hfTw==",
    ),
];

async fn wrapped(hasher: &Argon2idHasher, stored: &str) -> String {
    let wrapped = hasher.wrap(PasswordHash::from_stored(stored)).await.unwrap();
    wrapped.expose().to_owned()
}

#[tokio::test]
async fn a_wrapped_hash_fits_its_password_alone_and_holds_nothing_of_the_digest() {
    let hasher = hasher();
    for (typed, stored) in WRAPPABLE {
        let wrapped = wrapped(&hasher, stored).await;
        assert!(wrapped.starts_with("wrapped$argon2id$v=19$m=12288,t=3,p=1$"), "{wrapped}");
        // Not so much as six digits of it; the last 26 are of the digest in every form.
        let unpadded = stored.trim_end_matches('=');
        let digest = &unpadded[unpadded.len() - 26..];
        for at in 0..=digest.len() - 6 {
            assert!(!wrapped.contains(&digest[at..at + 6]), "{wrapped}");
        }
        fits_its_password_alone(StoredFormat::Wrapped, &[(typed, &wrapped)]).await;
    }
}

#[tokio::test]
async fn a_wrapped_hash_is_replaced_by_a_login() {
    let hasher = hasher();
    for (typed, stored) in WRAPPABLE {
        is_replaced_by_a_login(typed, &wrapped(&hasher, stored).await).await;
    }
}

#[tokio::test]
async fn of_one_hash_wrapped_twice_each_has_a_salt_of_its_own() {
    let hasher = hasher();
    let first = wrapped(&hasher, SHA256_OF_PASSWORD).await;
    assert_ne!(first, wrapped(&hasher, SHA256_OF_PASSWORD).await);
    // And what is wrapped is not wrapped again, nor is what is Argon2.
    for stored in [&first, "$argon2i$v=19$m=256,t=1,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A"] {
        assert_eq!(wrapped(&hasher, stored).await, stored);
    }
}

#[tokio::test]
async fn a_wrapped_hash_needs_the_pepper_that_it_was_wrapped_with() {
    let mut settings = settings();
    settings.pepper = Some(Pepper::new("2026", [7; 32]).unwrap());
    let peppered = Argon2idHasher::new(settings, Arc::new(OsEntropy::new())).unwrap();
    let wrapped = wrapped(&peppered, SHA256_OF_PASSWORD).await;
    assert!(wrapped.starts_with("wrapped$argon2id$v=19$m=12288,t=3,p=1,keyid=MjAyNg$"));
    let right = verify(&peppered, "password", &wrapped).await;
    assert_eq!(right, Ok(Verification::MatchNeedsRehash));
    assert_eq!(verify(&peppered, "wrong", &wrapped).await, Ok(Verification::Mismatch));
    assert!(matches!(format_of(&wrapped), Err(StoredHashError::UnknownPepper(_))));
    let without = verify(&hasher(), "password", &wrapped).await;
    assert_eq!(without, Err(PortErrorKind::Rejected));
}

#[tokio::test]
async fn d1_a_password_that_bcrypt_would_cut_does_not_fit_it_wrapped() {
    let hasher = hasher();
    let whole = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let stored = "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui";
    let wrapped = wrapped(&hasher, stored).await;
    let fits = verify(&hasher, whole, &wrapped).await;
    assert_eq!(fits, Ok(Verification::MatchNeedsRehash));
    for tail in ["x", "\0"] {
        let longer = verify(&hasher, &format!("{whole}{tail}"), &wrapped).await;
        assert_eq!(longer, Ok(Verification::Mismatch));
    }
}

#[tokio::test]
async fn what_cannot_be_wrapped_says_why() {
    let hasher = hasher();
    let wrap = |stored: &str| hasher.wrap(PasswordHash::from_stored(stored));
    let atlassians = "{PKCS5S2}c4xaeTQM0lUieMS3V5voiexyX9XhqC2dBd5ecVy60IPksHChwoTAVYFrhsgoq8/p";
    assert!(matches!(wrap(atlassians).await, Err(WrapError::Inseparable)));
    for (stored, why) in [
        ("md5$123abcdef$c8272612932975ee80e8a35995708e80", StoredHashError::UnknownForm),
        (
            "$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
            StoredHashError::AboveCeilings,
        ),
        ("$2b$", StoredHashError::Malformed),
    ] {
        assert!(matches!(wrap(stored).await, Err(WrapError::Hash(error)) if error == why));
    }
    // Longer than any text that is read, once it is wrapped.
    let salt = "s".repeat(960);
    let long = format!("pbkdf2_sha256$1${salt}$hsYF68OiOUPdDZ1Fg+fJPeq1h/gXXY7acBp9/6c+tmQ=");
    assert!(format_of(&long).is_ok());
    let refused = wrap(&long).await;
    assert!(matches!(refused, Err(WrapError::Hash(StoredHashError::Malformed))));
}

const OUTER: &str = "$argon2id$v=19$m=256,t=1,p=1$c29tZXNhbHQ$AJFIsNZTMKTAewB4+ETN1A";

/// Attack cases D2 and D3.
#[test]
fn a_wrapped_text_is_held_to_the_ceilings_and_to_its_form() {
    let blank = "0".repeat(64);
    let bcrypt = |cost| format!("$2b${cost}$CCCCCCCCCCCCCCCCCCCCC.{}", "A".repeat(31));
    let dear = OUTER.replace("m=256", "m=4194304");
    for (text, expected) in [
        (format!("wrapped{OUTER}${blank}"), Ok(StoredFormat::Wrapped)),
        (format!("wrapped{OUTER}${}", bcrypt("14")), Ok(StoredFormat::Wrapped)),
        (format!("wrapped{OUTER}${}", bcrypt("15")), Err(StoredHashError::AboveCeilings)),
        (format!("wrapped{dear}${blank}"), Err(StoredHashError::AboveCeilings)),
        // With the digest left in, without anything, twice, or of what is not another system's.
        (format!("wrapped{OUTER}${SHA256_OF_PASSWORD}"), Err(StoredHashError::Malformed)),
        (format!("wrapped{OUTER}$"), Err(StoredHashError::UnknownForm)),
        (format!("wrapped{OUTER}"), Err(StoredHashError::Malformed)),
        (format!("wrapped{OUTER}$wrapped{OUTER}${blank}"), Err(StoredHashError::UnknownForm)),
        (format!("wrapped{OUTER}${OUTER}"), Err(StoredHashError::UnknownForm)),
        (format!("wrapped${OUTER}${blank}"), Err(StoredHashError::Malformed)),
        (format!("wrappedargon2{OUTER}${blank}"), Err(StoredHashError::Malformed)),
        (format!("Wrapped{OUTER}${blank}"), Err(StoredHashError::UnknownForm)),
        ("wrapped".to_owned(), Err(StoredHashError::Malformed)),
        ("wrapped$$$$$$".to_owned(), Err(StoredHashError::Malformed)),
    ] {
        assert_eq!(format_of(&text), expected, "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_that_merely_begins_as_wrapped_is_a_hash(rest in "\\PC{0,80}") {
        for text in [format!("wrapped{rest}"), format!("wrapped{OUTER}{rest}")] {
            prop_assert!(format_of(&text).is_err(), "{}", text);
        }
    }

    /// A text that keeps any of its digest, or that was never blank, is refused.
    #[test]
    fn a_wrapped_text_with_another_end_is_none(
        which in 0..WRAPPABLE.len(),
        end in "[1-9B-Za-z./+$.,=-]{1,40}",
    ) {
        let text = format!("wrapped{OUTER}${}{end}", WRAPPABLE[which].1);
        prop_assert!(format_of(&text).is_err(), "{}", text);
    }
}

#[derive(Deserialize)]
struct Class {
    #[serde(default)]
    known_correct_hashes: Vec<(serde_json::Value, String)>,
    #[serde(default)]
    known_malformed_hashes: Vec<String>,
}

/// What was typed, as far as it can be typed here: not without a character, and as UTF-8.
fn typed(value: &serde_json::Value) -> Option<String> {
    let typed = match value {
        serde_json::Value::String(text) => text.clone(),
        other => {
            let digits = other["bytes_hex"].as_str()?;
            let byte = |at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
            let bytes: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(byte).collect();
            String::from_utf8(bytes?).ok()?
        }
    };
    Some(typed).filter(|typed| !typed.is_empty())
}

#[tokio::test]
async fn d3_passlibs_known_hashes_are_replaced_by_a_login_and_malformed_ones_let_nobody_in() {
    let Some(folder) = std::env::var_os("AUTH_TEST_VECTORS") else {
        println!(
            "skipped: AUTH_TEST_VECTORS does not name a folder that holds passlib/known_hashes.json"
        );
        return;
    };
    let path = Path::new(&folder).join("passlib/known_hashes.json");
    let classes: BTreeMap<String, Class> =
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let (mut replaced, mut untypeable, mut cut, mut unsupported, mut malformed) = (0, 0, 0, 0, 0);
    for class in classes.values() {
        for (value, hash) in &class.known_correct_hashes {
            match (format_of(hash), typed(value)) {
                (Err(_), typed) => {
                    let typed = typed.unwrap_or_else(|| "password".to_owned());
                    assert!(!login(&service_with(hash).await, &typed).await, "{hash}");
                    unsupported += 1;
                }
                (Ok(_), None) => untypeable += 1,
                (Ok(StoredFormat::Bcrypt), Some(typed)) if typed.len() > 72 => {
                    assert!(!login(&service_with(hash).await, &typed).await, "{hash}");
                    cut += 1;
                }
                (Ok(_), Some(typed)) => {
                    is_replaced_by_a_login(&typed, hash).await;
                    replaced += 1;
                }
            }
        }
        for hash in &class.known_malformed_hashes {
            assert!(!login(&service_with(hash).await, "password").await, "{hash}");
            malformed += 1;
        }
    }
    println!(
        "passlib: of {} known hashes {replaced} were replaced by a login, {untypeable} are of no text, \
         {cut} of one over bcrypt's 72 bytes, {unsupported} of unsupported formats; {malformed} \
         malformed ones let nobody in",
        replaced + untypeable + cut + unsupported,
    );
    assert_eq!((replaced, untypeable, cut, unsupported, malformed), (61, 15, 1, 71, 69));
}
