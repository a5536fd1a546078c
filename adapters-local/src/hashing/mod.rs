//! Password hashing: a pool of threads that each keep their memory, and what runs in it.

mod arena;
mod argon2id;
mod instant;
mod machine;
mod pace;
mod pepper;
mod pool;
mod settings;
mod stored;
#[cfg_attr(
    not(target_arch = "x86_64"),
    expect(dead_code, reason = "no other processor has a kind")
)]
mod wide;

pub use argon2id::{Argon2idHasher, WrapError};
pub use instant::InsecureInstantHasher;
pub use pepper::{Pepper, PepperError, PepperId};
pub use pool::HashTimes;
pub use settings::{Argon2Ceilings, Argon2idSettings, Argon2idSettingsError, ImportCeilings};
pub use stored::{FirebaseScrypt, StoredFormat, StoredHashError};
