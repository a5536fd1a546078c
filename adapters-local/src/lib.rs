//! Adapters of [`auth_domain`] that need nothing but this process, or a mail server of one's own.

mod system;

pub use system::{OsEntropy, SystemClock};
