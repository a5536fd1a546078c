//! What goes into every password hash and is kept apart from the hashes.

use adapters_local::{Argon2idSettings, Pepper, PepperError};
use anyhow::{Context, Result};

use crate::secret::SecretVersions;

/// The secret that holds the peppers, and whether what it says now is what to hash with.
#[derive(PartialEq, Eq)]
pub(crate) struct Peppers {
    versions: SecretVersions,
    is_known_to_all: bool,
}

impl Peppers {
    pub(crate) fn new(versions: SecretVersions) -> Self {
        let is_known_to_all = versions.is_known_to_all();
        Self { versions, is_known_to_all }
    }

    /// Hashes are made with the first pepper that every instance knows by now, and verified with all of both
    /// versions: an instance that has not seen a change yet must not meet a hash that it cannot verify.
    pub(crate) fn apply(&self, settings: &mut Argon2idSettings) -> Result<()> {
        let current = read(self.versions.current()).context("peppers")?;
        // No hash was ever made with what is no pepper.
        let previous = self.versions.previous().map(read).and_then(Result::ok).unwrap_or_default();
        for pepper in previous.iter().filter(|pepper| !current.contains(pepper)) {
            let id = pepper.id();
            tracing::error!(target: "auth", %id, "a pepper is lost with the next change: it is missing in the newest version of AUTH_PEPPERS_ARN");
        }
        (settings.pepper, settings.previous_peppers) =
            divided(current, previous, self.is_known_to_all);
        Ok(())
    }
}

/// What to hash with, and what else to verify with. Where the version that all know cannot be read, the
/// oldest pepper of the current one is what they know.
fn divided(
    current: Vec<Pepper>,
    previous: Vec<Pepper>,
    is_known_to_all: bool,
) -> (Option<Pepper>, Vec<Pepper>) {
    let today = if is_known_to_all { current.first() } else { previous.first().or(current.last()) };
    let today = today.cloned();
    let mut others = Vec::new();
    for pepper in current.into_iter().chain(previous) {
        if today.as_ref() != Some(&pepper) && !others.contains(&pepper) {
            others.push(pepper);
        }
    }
    (today, others)
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
        let pepper = |id: &str, key: &str| Some(format!("{id}:{key}").parse::<Pepper>().unwrap());
        assert_eq!(settings.pepper, pepper("b", KEY));
        assert_eq!(settings.previous_peppers, Vec::from_iter(pepper("a", OTHER_KEY)));
    }

    #[test]
    fn until_all_know_the_current_version_what_they_know_is_hashed_with_and_all_verify() {
        let list = |text: &str| -> Vec<Pepper> {
            text.chars().map(|id| Pepper::new(&id.to_string(), [7; 32]).unwrap()).collect()
        };
        let ids = |peppers: &[Pepper]| {
            peppers.iter().map(|pepper| pepper.id().to_string()).collect::<String>()
        };
        for (current, previous, is_known_to_all, expected) in [
            ("cba", "ba", true, ("c", "ba")),
            ("cba", "ba", false, ("b", "ca")),
            ("c", "ba", true, ("c", "ba")),
            ("c", "ba", false, ("b", "ca")),
            ("ba", "", true, ("b", "a")),
            // The previous version was no list of peppers.
            ("ba", "", false, ("a", "b")),
        ] {
            let (today, others) = divided(list(current), list(previous), is_known_to_all);
            let today = ids(today.as_slice());
            assert_eq!((&*today, &*ids(&others)), expected, "{current} after {previous}");
        }
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
