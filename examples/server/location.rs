//! Where accounts are kept, and the secret beside them: what the server and the operator's program must
//! both know.

use std::io;
use std::path::PathBuf;

use anyhow::{Result, bail};
use auth_domain::MasterSecret;
use base64ct::{Base64, Encoding as _};

/// In the folder that the program was started in.
pub(crate) fn default_folder() -> io::Result<PathBuf> {
    std::path::absolute("auth-data")
}

/// Where accounts are kept if `AUTH_STORE` says nothing.
pub(crate) fn default_location() -> io::Result<String> {
    Ok(format!("sqlite:{}", default_folder()?.join("auth.db").display()))
}

/// The file of a location in SQLite.
pub(crate) fn file(location: &str) -> Option<&str> {
    let path = location.strip_prefix("sqlite:")?;
    Some(path.strip_prefix("//").unwrap_or(path))
}

/// Beside a SQLite file a master secret is kept that was made up, so that sessions and links outlive a
/// restart.
pub(crate) fn secret_file(location: &str) -> Option<PathBuf> {
    Some(format!("{}.secret", file(location)?).into())
}

pub(crate) fn decode_secret(text: &str) -> Result<MasterSecret> {
    let Ok(bytes) = Base64::decode_vec(text.trim()) else { bail!("a master secret is not base64") };
    Ok(MasterSecret::new(bytes)?)
}
