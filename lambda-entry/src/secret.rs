//! A secret, wherever the settings say that it is.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use adapters_aws::{SecretSource, Secrets};
use anyhow::{Context, Result};
use aws_sdk_secretsmanager::Client;
use zeroize::Zeroizing;

use crate::settings::{SecretPlace, SecretSetting};

pub(crate) struct Secret {
    variable: &'static str,
    source: Source,
}

enum Source {
    Fetched(SecretSource),
    Plain(Arc<Zeroizing<String>>),
}

/// A secret's current version and the one before it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum SecretVersions {
    Fetched(Arc<Secrets>),
    Plain(Arc<Zeroizing<String>>),
}

impl Secret {
    pub(crate) fn new(setting: &SecretSetting, client: &Client, life: Duration) -> Self {
        let source = match &setting.place {
            SecretPlace::Arn(arn) => Source::Fetched(SecretSource::new(client.clone(), arn, life)),
            SecretPlace::Plain(secret) => {
                let variable = setting.variable;
                tracing::warn!(target: "auth", variable, "a secret lies open in the settings");
                Source::Plain(Arc::new(secret.clone()))
            }
        };
        Self { variable: setting.variable, source }
    }

    /// Each of at least 32 bytes.
    pub(crate) async fn versions(&self) -> Result<SecretVersions> {
        match &self.source {
            Source::Fetched(source) => {
                let secrets = source.get().await.with_context(|| self.variable)?;
                Ok(SecretVersions::Fetched(secrets))
            }
            Source::Plain(secret) => Ok(SecretVersions::Plain(Arc::clone(secret))),
        }
    }
}

impl SecretVersions {
    pub(crate) fn current(&self) -> &[u8] {
        match self {
            Self::Fetched(secrets) => secrets.current(),
            Self::Plain(secret) => secret.as_bytes(),
        }
    }

    /// What tokens are signed with now.
    pub(crate) fn signing(&self) -> &[u8] {
        match self {
            Self::Fetched(secrets) => secrets.signing(SystemTime::now()),
            Self::Plain(_) => self.current(),
        }
    }

    /// Whether every instance knows the current version by now.
    pub(crate) fn is_known_to_all(&self) -> bool {
        self.signing() == self.current()
    }

    /// `None` also if it is the same, stored anew: two keys of one name are none.
    pub(crate) fn previous(&self) -> Option<&[u8]> {
        match self {
            Self::Fetched(secrets) => {
                secrets.previous().filter(|previous| *previous != secrets.current())
            }
            Self::Plain(_) => None,
        }
    }
}
