use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use auth_domain::{PortError, PortErrorKind};
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::operation::get_secret_value::{
    GetSecretValueError, GetSecretValueOutput,
};
use thiserror::Error;
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::fault::port_error;

/// A secret in Secrets Manager, fetched when it is first asked for and kept for a while.
///
/// The secret is text (its UTF-8 bytes, as they stand) or binary, of at least
/// [`Secrets::MIN_BYTES`]. Text that was most likely pasted wrongly is refused, and the error says how: see
/// [`SecretError`].
///
/// **Rotation.** Both the version labelled `AWSCURRENT` and the one labelled `AWSPREVIOUS` are read, so that what
/// was signed before a rotation still verifies after it. An instance sees a rotation when its `life` is over. So
/// for one `life` after a version was made the one before it stays the one to [sign with](Secrets::signing):
/// by then every instance accepts the newer, provided that all have one `life`, and that the version became
/// current as soon as it was made. A second rotation ends everything that the secret before the first had signed.
///
/// Of the master secret: rotating it starts the counters of attempts and limits anew, since their keys are
/// derived from it. Reset links that are out stay good, since a store knows them by their digests; a mail job
/// that runs once before and once after a rotation may send a second link, which then replaces the first.
///
/// **Faults.** While a secret is held, a fetch that fails leaves it in use, with a warning, and the next one is
/// no sooner than 10 s later. While none is held every call fetches (concurrent ones share one fetch), and a
/// fault is returned: what is given out is never empty and never short. Time and tries of a fetch are the
/// client's ([`AwsSettings`](crate::AwsSettings)).
///
/// **In memory** what is held is wiped when it is let go of. What the SDK read it from is not. Of the SDK's
/// log (targets `aws_*`) a subscriber must let nothing below info through.
pub struct SecretSource {
    client: Client,
    id: String,
    life: Duration,
    held: Mutex<Held>,
    fetching: tokio::sync::Mutex<()>,
}

/// Current and previous version of a secret. Equal if they are the same versions: the value of a version
/// never changes.
#[derive(Clone)]
pub struct Secrets {
    current: Version,
    previous: Option<Version>,
    /// From when on every instance has the current version.
    known_everywhere: SystemTime,
}

#[derive(Clone)]
struct Version {
    id: String,
    bytes: Zeroizing<Vec<u8>>,
}

/// Why there is no secret to be had. Never carries the secret.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum SecretError {
    /// Neither text nor bytes.
    #[error("the secret is empty")]
    Empty,
    /// Text in braces or brackets, as the console's "Key/value" form stores it.
    #[error("the secret is JSON: store the bare text (\"Plaintext\" in the console)")]
    Json,
    /// It could not be fetched.
    #[error("the secret could not be fetched")]
    NotFetched(#[source] Arc<PortError>),
    /// Text in quotes.
    #[error("the secret is in quotes: store the text without them")]
    Quoted,
    /// Text that begins or ends with white space, such as the line break at the end of a file.
    #[error("the secret begins or ends with white space or a line break: store it without")]
    SurroundingWhiteSpace,
    /// Fewer than [`Secrets::MIN_BYTES`].
    #[error("the secret has fewer than {} bytes", Secrets::MIN_BYTES)]
    TooShort,
}

/// After a fetch that failed while an older secret is held.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(10);

/// A life beyond it is as good as for ever.
const LONGEST_LIFE: Duration = Duration::from_hours(365 * 24);

const GET: &str = "secret_source.get";
const CURRENT: &str = "AWSCURRENT";
const PREVIOUS: &str = "AWSPREVIOUS";

/// What the fetches so far came to.
#[derive(Default)]
struct Held {
    outcome: Option<Result<Arc<Secrets>, SecretError>>,
    /// Since when and for how long nothing is to be fetched.
    rest: Option<(Start, Duration)>,
    fetches: u64,
}

impl SecretSource {
    /// The secret of that name or ARN, kept for `life` after each fetch. Nothing is fetched yet.
    pub fn new(client: Client, id: impl Into<String>, life: Duration) -> Self {
        let (held, fetching) = Default::default();
        Self { client, id: id.into(), life, held, fetching }
    }

    /// The secret: the one that is held while its life lasts, else a new one. The same `Arc` is returned
    /// for as long as nothing changed. Concurrent calls share one fetch; where an older secret is held only
    /// one of them waits for it, and the others go on with the older.
    ///
    /// # Errors
    /// [`SecretError`] where no good secret was ever fetched.
    pub async fn get(&self) -> Result<Arc<Secrets>, SecretError> {
        let (stale, fetches) = {
            let held = self.held();
            match held.secrets() {
                Some(secrets) if held.is_at_rest() => return Ok(secrets),
                stale => (stale, held.fetches),
            }
        };
        let _fetching = match (self.fetching.try_lock(), stale) {
            (Ok(fetching), _) => fetching,
            (Err(_), Some(stale)) => return Ok(stale),
            (Err(_), None) => self.fetching.lock().await,
        };
        if let Some(outcome) = self.outcome_after(fetches) {
            return outcome;
        }
        let fetched = self.fetch().await;
        self.keep(fetched)
    }

    /// What somebody else's fetch came to, if one ended since.
    fn outcome_after(&self, fetches: u64) -> Option<Result<Arc<Secrets>, SecretError>> {
        let held = self.held();
        held.outcome.clone().filter(|_| held.fetches != fetches)
    }

    /// Current first: if a rotation comes in between, the same version is read twice, and nothing that is
    /// still in use is missed.
    async fn fetch(&self) -> Result<Secrets, SecretError> {
        let current = self.version(CURRENT).await.map_err(|error| not_fetched(&error))?;
        let made = current.created_date.and_then(|at| SystemTime::try_from(at).ok());
        let known_everywhere = made.unwrap_or(SystemTime::UNIX_EPOCH) + self.life.min(LONGEST_LIFE);
        let current = Version::of(current)?;
        let previous = match self.version(PREVIOUS).await {
            Ok(output) => self.usable(Version::of(output)),
            Err(error) if is_absent(&error) => None,
            Err(error) => return Err(not_fetched(&error)),
        };
        let previous = previous.filter(|previous| *previous != current);
        Ok(Secrets { current, previous, known_everywhere })
    }

    async fn version(&self, stage: &str) -> Result<GetSecretValueOutput, GetError> {
        self.client.get_secret_value().secret_id(&self.id).version_stage(stage).send().await
    }

    fn usable(&self, previous: Result<Version, SecretError>) -> Option<Version> {
        previous
            .inspect_err(|error| {
                let secret = &self.id;
                tracing::warn!(target: "auth", secret, "the previous version is left out: {error}");
            })
            .ok()
    }

    fn keep(&self, fetched: Result<Secrets, SecretError>) -> Result<Arc<Secrets>, SecretError> {
        let mut held = self.held();
        let (outcome, rest) = match (fetched, held.secrets()) {
            (Ok(same), Some(older)) if same == *older => (Ok(older), self.life),
            (Ok(secrets), _) => (Ok(Arc::new(secrets)), self.life),
            (Err(error), Some(older)) => {
                self.warn(&error);
                (Ok(older), PAUSE_AFTER_FAILURE)
            }
            (Err(error), None) => (Err(error), Duration::ZERO),
        };
        held.fetches += 1;
        held.rest = Some((Start::now(), rest));
        held.outcome.insert(outcome).clone()
    }

    fn warn(&self, error: &SecretError) {
        let cause = match error {
            SecretError::NotFetched(error) => error.with_causes(),
            unusable => unusable.to_string(),
        };
        let secret = &self.id;
        tracing::warn!(target: "auth", secret, "an older secret stays in use: {cause}");
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A moment by two clocks: the one may stand still while a Lambda is frozen, the other may be set.
struct Start {
    monotonic: Instant,
    wall: SystemTime,
}

impl Start {
    fn now() -> Self {
        Self { monotonic: Instant::now(), wall: SystemTime::now() }
    }

    /// By the clock that says more; a wall clock that was set back says nothing.
    fn elapsed(&self) -> Duration {
        self.monotonic.elapsed().max(self.wall.elapsed().unwrap_or_default())
    }
}

impl Held {
    fn is_at_rest(&self) -> bool {
        self.rest.as_ref().is_some_and(|(since, length)| since.elapsed() < *length)
    }

    fn secrets(&self) -> Option<Arc<Secrets>> {
        self.outcome.clone().and_then(Result::ok)
    }
}

type GetError = aws_smithy_runtime_api::client::result::SdkError<
    GetSecretValueError,
    aws_smithy_runtime_api::client::orchestrator::HttpResponse,
>;

fn not_fetched(error: &GetError) -> SecretError {
    SecretError::NotFetched(Arc::new(port_error(GET, error)))
}

fn is_absent(error: &GetError) -> bool {
    error.as_service_error().is_some_and(GetSecretValueError::is_resource_not_found_exception)
}

impl Version {
    fn of(output: GetSecretValueOutput) -> Result<Self, SecretError> {
        let bytes = match (output.secret_string, output.secret_binary) {
            (Some(text), _) => bare_text(text)?,
            (None, Some(blob)) => Zeroizing::new(blob.into_inner()),
            (None, None) => return Err(SecretError::Empty),
        };
        match bytes.len() {
            0 => return Err(SecretError::Empty),
            1..Secrets::MIN_BYTES => return Err(SecretError::TooShort),
            Secrets::MIN_BYTES.. => {}
        }
        let id = output.version_id.ok_or_else(|| {
            let error = PortError::new(PortErrorKind::Corrupt, GET).caused_by("no version id");
            SecretError::NotFetched(Arc::new(error))
        })?;
        Ok(Self { id, bytes })
    }
}

/// Text as it stands, unless it is dressed up as no random text would be: then most likely other bytes
/// are meant, and whoever shares the secret would not agree on the key.
fn bare_text(text: String) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let text = Zeroizing::new(text);
    let is_within = |open, close| text.starts_with(open) && text.ends_with(close);
    if !text.is_empty() && (text.trim() != text.as_str() || text.starts_with('\u{feff}')) {
        return Err(SecretError::SurroundingWhiteSpace);
    }
    if is_within('{', '}') || is_within('[', ']') {
        return Err(SecretError::Json);
    }
    if is_within('"', '"') || is_within('\'', '\'') || is_within('`', '`') {
        return Err(SecretError::Quoted);
    }
    Ok(Zeroizing::new(text.as_bytes().to_vec()))
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Version {}

impl PartialEq for Secrets {
    fn eq(&self, other: &Self) -> bool {
        (&self.current, &self.previous) == (&other.current, &other.previous)
    }
}

impl Eq for Secrets {}

impl Secrets {
    /// The fewest bytes of a secret: an HMAC key must be at least as long as its output (RFC 2104 section 3).
    pub const MIN_BYTES: usize = 32;

    /// What tokens are signed with at `now`: the current version once every instance knows it, until then the
    /// previous one, if there is one.
    pub fn signing(&self, now: SystemTime) -> &[u8] {
        match self.previous() {
            Some(previous) if now < self.known_everywhere => previous,
            _ => self.current(),
        }
    }

    /// What keys are derived from, and what verifies first. At least [`Secrets::MIN_BYTES`].
    pub fn current(&self) -> &[u8] {
        &self.current.bytes
    }

    /// What was signed with before the last rotation, and still verifies. `None` before the first rotation,
    /// and where the previous version is no usable secret.
    pub fn previous(&self) -> Option<&[u8]> {
        self.previous.as_ref().map(|version| version.bytes.as_slice())
    }

    /// Secrets Manager's id of the current version. No secret.
    pub fn version(&self) -> &str {
        &self.current.id
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").field("version", &self.version()).finish_non_exhaustive()
    }
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, life, .. } = self;
        f.debug_struct("SecretSource").field("id", id).field("life", life).finish_non_exhaustive()
    }
}
