//! The secrets that pass in calls, answers and mails, to be looked for where they have no business.

use std::collections::BTreeSet;

use base64ct::{Base64, Base64UrlUnpadded, Encoding as _};
use serde_json::Value;

use crate::life::{Answer, Call};

/// Fields whose text is secret.
const FIELDS: [&str; 7] = [
    "access_token",
    "current_password",
    "device_token",
    "new_password",
    "password",
    "refresh_token",
    "token",
];

#[derive(Default)]
pub(crate) struct Secrets(BTreeSet<String>);

impl Secrets {
    /// Also looks for this, whole and, of a token, the part that nobody can guess.
    pub(crate) fn note(&mut self, secret: &str) {
        let last = secret.rsplit_once('.').map_or(secret, |(_, last)| last);
        self.0.extend([secret, last].map(str::to_owned).into_iter().filter(|part| part.len() > 4));
    }

    /// Also looks for a key, in each spelling that a slip would write it in.
    pub(crate) fn note_key(&mut self, key: &[u8]) {
        let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        let numbers = key.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
        let raw = String::from_utf8_lossy(key).into_owned();
        let encoded = [Base64::encode_string(key), Base64UrlUnpadded::encode_string(key)];
        encoded.into_iter().chain([hex, numbers, raw]).for_each(|spelling| self.note(&spelling));
    }

    /// Notes what a call sent and was answered. What was refused is not said again.
    pub(crate) fn note_call(&mut self, sent: &Secrets, answer: &Answer) {
        if answer.status >= 400 {
            sent.are_not_in(&answer.body.to_string(), "a refusal");
        }
        self.0.extend(sent.0.iter().cloned());
        self.0.extend(Self::of(&answer.body).0);
    }

    pub(crate) fn sent_by(call: &Call) -> Self {
        let mut secrets = call.body.as_ref().map(Self::of).unwrap_or_default();
        call.bearer.iter().for_each(|bearer| secrets.note(bearer));
        secrets.are_not_in(&call.path, "a path");
        secrets
    }

    fn of(body: &Value) -> Self {
        let mut secrets = Self::default();
        let fields = body.as_object().into_iter().flatten();
        for (_, value) in fields.filter(|(name, _)| FIELDS.contains(&name.as_str())) {
            value.as_str().into_iter().for_each(|secret| secrets.note(secret));
        }
        secrets
    }

    pub(crate) fn number(&self) -> usize {
        self.0.len()
    }

    #[track_caller]
    pub(crate) fn are_not_in(&self, text: &str, place: &str) {
        for secret in &self.0 {
            assert!(!text.contains(secret.as_str()), "{secret:?} is in {place}: {text}");
        }
    }
}
