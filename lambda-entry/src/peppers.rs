//! What goes into every password hash and is kept apart from the hashes.

use adapters_local::{Argon2idSettings, Pepper, PepperError};
use anyhow::{Context, Result};

use crate::secret::SecretVersions;

/// The secret that holds the peppers, and whether what it says now is what to hash with.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Peppers {
    versions: SecretVersions,
    hashes_by_current: bool,
}

impl Peppers {
    pub(crate) fn new(versions: SecretVersions) -> Self {
        let hashes_by_current = versions.signing() == versions.current();
        Self { versions, hashes_by_current }
    }

    /// Hashes are made with the first pepper that every instance knows by now, and verified with all of both
    /// versions: an instance that has not seen a change yet must not meet a hash that it cannot verify.
    pub(crate) fn apply(&self, settings: &mut Argon2idSettings) -> Result<()> {
        let current = read(self.versions.current()).context("peppers")?;
        // No hash was ever made with what is no pepper.
        let previous = self.versions.previous().map(read).and_then(Result::ok).unwrap_or_default();
        let known_to_all = if self.hashes_by_current { &current } else { &previous };
        settings.pepper = known_to_all.first().or(current.first()).cloned();
        for pepper in current.into_iter().chain(previous) {
            let is_today = settings.pepper.as_ref() == Some(&pepper);
            if !is_today && !settings.previous_peppers.contains(&pepper) {
                settings.previous_peppers.push(pepper);
            }
        }
        Ok(())
    }
}

/// `id:key` of each, with commas between.
fn read(secret: &[u8]) -> Result<Vec<Pepper>, PepperError> {
    let text = std::str::from_utf8(secret).map_err(|_| PepperError::Text)?;
    text.split(',').map(str::parse).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use zeroize::Zeroizing;

    use super::*;

    /// Of 32 bytes.
    const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    const OTHER_KEY: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

    fn plain(text: &str) -> Peppers {
        Peppers::new(SecretVersions::Plain(Arc::new(Zeroizing::new(text.to_owned()))))
    }

    #[test]
    fn the_first_is_hashed_with_and_the_others_verify() {
        let mut settings = Argon2idSettings::default();
        plain(&format!("b:{KEY},a:{OTHER_KEY}")).apply(&mut settings).unwrap();
        assert_eq!(settings.pepper.unwrap().id().to_string(), "b");
        let previous: Vec<_> =
            settings.previous_peppers.iter().map(|pepper| pepper.id().to_string()).collect();
        assert_eq!(previous, ["a"]);
    }

    #[test]
    fn what_is_no_list_of_peppers_is_refused_and_not_shown() {
        for text in [
            KEY.to_owned(),
            format!("a:{KEY},"),
            format!("a:{KEY}, b:{KEY}"),
            "a:c2hvcnQ=".to_owned(),
        ] {
            let error = plain(&text).apply(&mut Argon2idSettings::default()).unwrap_err();
            let said = format!("{error:#} {error:?}");
            assert!(!said.contains(KEY) && !said.contains("c2hvcnQ"), "{said}");
        }
    }
}
