//! Which adapter stands behind which port.

use std::sync::Arc;

use adapters_aws::dynamodb::{self, TableNames};
use adapters_aws::{EmfEvents, EmfSettings, SesMailer, SesSettings, SqsMailQueue, clients};
use adapters_local::memory::MemoryRateLimiter;
use adapters_local::{
    Argon2idHasher, Argon2idSettings, CompatibilityIssuer, JwtIssuer, JwtVerifier, OsEntropy,
    SigningKey, SystemClock, TracingEvents,
};
use anyhow::{Context, Result, ensure};
use auth_domain::ports::{
    AttemptStore, Entropy, EventSink, MailQueue, Mailer, PasswordHasher, RateLimiter,
    ResetTokenStore, SessionStore, TokenIssuer, UserStore,
};
use auth_domain::{Auth, DefaultTemplates, MasterSecret, Ports};
use tokio::sync::Mutex;

use crate::peppers::Peppers;
use crate::secret::{Secret, SecretVersions};
use crate::settings::{Metrics, Settings, SourceLimits};

/// The use cases, and what they are put together from anew when a secret changes.
pub(crate) struct Composition {
    pub(crate) settings: Settings,
    attempts: Arc<dyn AttemptStore>,
    entropy: Arc<dyn Entropy>,
    events: Arc<dyn EventSink>,
    /// Where there is no pepper, so that its threads start at once.
    unpeppered: Option<Arc<dyn PasswordHasher>>,
    mail_queue: Arc<dyn MailQueue>,
    mailer: Arc<dyn Mailer>,
    reset_tokens: Arc<dyn ResetTokenStore>,
    sessions: Arc<dyn SessionStore>,
    shared_limiter: Arc<dyn RateLimiter>,
    source_limiter: Arc<dyn RateLimiter>,
    users: Arc<dyn UserStore>,
    master: Secret,
    shared: Option<Secret>,
    peppers: Option<Secret>,
    held: Mutex<Option<Held>>,
}

/// What the last services were put together from.
struct Held {
    versions: Versions,
    hasher: Arc<dyn PasswordHasher>,
    services: Services,
}

/// The versions of the secrets that services were put together with.
#[derive(PartialEq)]
struct Versions {
    master: SecretVersions,
    shared: Option<SecretVersions>,
    peppers: Option<Peppers>,
    /// Whether tokens are signed by what is current.
    signs_by_current: bool,
}

/// The use cases, twice over the same stores.
#[derive(Clone)]
pub(crate) struct Services {
    /// For requests: limits by source are counted where the settings say.
    pub(crate) requests: Auth,
    /// For mail jobs: caps on mails hold across all instances.
    pub(crate) mails: Auth,
}

impl Composition {
    /// Makes the clients of AWS and starts the hash threads. Asks AWS nothing yet.
    pub(crate) async fn new(settings: Settings) -> Result<Self> {
        let aws = settings.aws.load().await.context("no client for AWS (AUTH_AWS_ROOTS)")?;
        let dynamo = clients::dynamodb(&aws);
        let tables = TableNames::with_prefix(&settings.table_prefix);
        let secrets = clients::secrets_manager(&aws);
        let secret = |setting| Secret::new(setting, &secrets, settings.secret_life);
        let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy::new());
        let unpeppered = match settings.peppers {
            None => Some(hasher(settings.hashing.clone(), &entropy)?),
            Some(_) => None,
        };
        let shared_limiter: Arc<dyn RateLimiter> =
            Arc::new(dynamodb::DynamoRateLimiter::new(dynamo.clone(), tables.rate_limits));
        let source_limiter = match settings.source_limits {
            SourceLimits::DynamoDb => Arc::clone(&shared_limiter),
            SourceLimits::Instance => Arc::new(MemoryRateLimiter::new()),
        };
        let mailer = SesMailer::new(clients::ses(&aws), mails(&settings))
            .context("AUTH_MAIL_FROM, AUTH_MAIL_REPLY_TO, AUTH_SERVICE_NAME")?;
        Ok(Self {
            attempts: Arc::new(dynamodb::DynamoAttempts::new(dynamo.clone(), tables.attempts)),
            entropy,
            events: events(&settings)?,
            unpeppered,
            mail_queue: Arc::new(SqsMailQueue::new(clients::sqs(&aws), &settings.mail_queue_url)),
            mailer: Arc::new(mailer),
            reset_tokens: Arc::new(dynamodb::DynamoResetTokens::new(
                dynamo.clone(),
                tables.password_resets,
            )),
            sessions: Arc::new(dynamodb::DynamoSessions::new(dynamo.clone(), tables.sessions)),
            shared_limiter,
            source_limiter,
            users: Arc::new(dynamodb::DynamoUsers::new(dynamo, tables.users)),
            master: secret(&settings.master_secret),
            shared: settings.compatibility_secret.as_ref().map(secret),
            peppers: settings.peppers.as_ref().map(secret),
            held: Mutex::new(None),
            settings,
        })
    }

    /// The use cases with the secrets of now, fetched if their time is over.
    ///
    /// Secrets that cannot be used leave the older ones in use, with an error in the log.
    ///
    /// # Errors
    /// There never were usable secrets: nothing can be signed, checked or hashed.
    pub(crate) async fn services(&self) -> Result<Services> {
        let mut held = self.held.lock().await;
        let versions = self.versions().await?;
        if let Some(held) = held.as_ref()
            && held.versions == versions
        {
            return Ok(held.services.clone());
        }
        match (self.put_together(versions, held.as_ref()), held.as_ref()) {
            (Ok(anew), _) => Ok(held.insert(anew).services.clone()),
            (Err(error), Some(older)) => {
                tracing::error!(target: "auth", "older secrets stay in use: {error:#}");
                Ok(older.services.clone())
            }
            (Err(error), None) => Err(error),
        }
    }

    fn put_together(&self, versions: Versions, held: Option<&Held>) -> Result<Held> {
        let hasher = self.hasher(&versions, held)?;
        let services = Services {
            requests: self.auth(&versions, &hasher, &self.source_limiter)?,
            mails: self.auth(&versions, &hasher, &self.shared_limiter)?,
        };
        Ok(Held { versions, hasher, services })
    }

    /// Asked for together: in a cold start each waits for Secrets Manager twice.
    async fn versions(&self) -> Result<Versions> {
        let (shared, peppers, master) = tokio::join!(
            versions_of(self.shared.as_ref()),
            versions_of(self.peppers.as_ref()),
            self.master.versions(),
        );
        let (shared, peppers, master) = (shared?, peppers?.map(Peppers::new), master?);
        let signs_by_current = master.is_known_to_all();
        Ok(Versions { master, shared, peppers, signs_by_current })
    }

    /// The one that is held goes on while its peppers are the same: it has its threads and their memory.
    fn hasher(&self, versions: &Versions, held: Option<&Held>) -> Result<Arc<dyn PasswordHasher>> {
        if let Some(hasher) = &self.unpeppered {
            return Ok(Arc::clone(hasher));
        }
        if let Some(held) = held.filter(|held| held.versions.peppers == versions.peppers) {
            return Ok(Arc::clone(&held.hasher));
        }
        let mut settings = self.settings.hashing.clone();
        if let Some(peppers) = &versions.peppers {
            peppers.apply(&mut settings).context("AUTH_PEPPERS_ARN")?;
        }
        hasher(settings, &self.entropy)
    }

    fn auth(
        &self,
        versions: &Versions,
        hasher: &Arc<dyn PasswordHasher>,
        limiter: &Arc<dyn RateLimiter>,
    ) -> Result<Auth> {
        let Versions { master, shared, signs_by_current, .. } = versions;
        let current = MasterSecret::new(master.current())?;
        let previous = master.previous().map(MasterSecret::new).transpose()?;
        let (signing, other) = match previous {
            Some(previous) if !signs_by_current => (previous, Some(current)),
            previous => (current, previous),
        };
        let profile = self.settings.tokens.clone();
        let verifier = JwtVerifier::from_masters(&signing, other.as_ref(), profile.clone())?;
        let key = SigningKey::ed25519_from_master(&signing);
        let ports = Ports {
            attempts: Arc::clone(&self.attempts),
            // Its roots trust Amazon alone, and an outage elsewhere would be paid for by the millisecond.
            breached_passwords: None,
            clock: Arc::new(SystemClock::new()),
            compatibility_issuer: compatibility_issuer(master, shared.as_ref())?,
            entropy: Arc::clone(&self.entropy),
            events: Arc::clone(&self.events),
            hasher: Arc::clone(hasher),
            limiter: Arc::clone(limiter),
            mail_queue: Arc::clone(&self.mail_queue),
            mailer: Arc::clone(&self.mailer),
            reset_tokens: Arc::clone(&self.reset_tokens),
            sessions: Arc::clone(&self.sessions),
            token_issuer: Arc::new(JwtIssuer::new(key, profile, Arc::clone(&self.entropy))),
            token_verifier: Arc::new(verifier),
            users: Arc::clone(&self.users),
        };
        Ok(Auth::new(ports, self.choices(signing, other))?)
    }

    fn choices(&self, signing: MasterSecret, other: Option<MasterSecret>) -> auth_domain::Settings {
        let Settings { link_base, service_name, .. } = &self.settings;
        let mut settings = auth_domain::Settings::new(signing, link_base.clone(), service_name);
        settings.compatibility_token_life = self.settings.compatibility_token_life;
        settings.email_verification = self.settings.email_verification;
        settings.previous_master_secret = other;
        settings.registration = self.settings.registration;
        settings.token_check = self.settings.token_check;
        if self.settings.source_limits == SourceLimits::DynamoDb {
            // Of one key DynamoDB writes a thousand times a second at most; API Gateway throttles everybody.
            settings.limits.logins_global = None;
            settings.limits.registrations_global = None;
        }
        if let Some(contact) = &self.settings.support_contact {
            let templates = DefaultTemplates::new(service_name).with_support_contact(contact);
            settings.templates = Arc::new(templates);
        }
        settings
    }
}

async fn versions_of(secret: Option<&Secret>) -> Result<Option<SecretVersions>> {
    match secret {
        Some(secret) => secret.versions().await.map(Some),
        None => Ok(None),
    }
}

fn hasher(
    settings: Argon2idSettings,
    entropy: &Arc<dyn Entropy>,
) -> Result<Arc<dyn PasswordHasher>> {
    let hasher = Argon2idHasher::new(settings, Arc::clone(entropy))
        .context("AUTH_HASH_THREADS, AUTH_HASH_QUEUE, AUTH_PEPPERS_ARN")?;
    Ok(Arc::new(hasher))
}

/// Whoever shares the second secret must not thereby hold the first, from which every key comes.
fn compatibility_issuer(
    master: &SecretVersions,
    shared: Option<&SecretVersions>,
) -> Result<Option<Arc<dyn TokenIssuer>>> {
    let Some(shared) = shared else { return Ok(None) };
    let distinct = [Some(master.current()), master.previous()]
        .iter()
        .all(|master| *master != Some(shared.current()));
    ensure!(distinct, "AUTH_COMPATIBILITY_SECRET_ARN holds the same as AUTH_MASTER_SECRET_ARN");
    Ok(Some(Arc::new(CompatibilityIssuer::new(shared.current())?)))
}

/// The log has them all, whether or not they are counted as well.
fn events(settings: &Settings) -> Result<Arc<dyn EventSink>> {
    let log = Arc::new(TracingEvents::new());
    match settings.metrics {
        Metrics::Off => Ok(log),
        Metrics::Emf => {
            // Which names an installation, and is all ASCII, as the name that mails show need not be.
            let of_this = EmfSettings::new(&settings.table_prefix).context("AUTH_TABLE_PREFIX")?;
            let sinks: Vec<Arc<dyn EventSink>> = vec![log, Arc::new(EmfEvents::to_stdout(of_this))];
            Ok(Arc::new(sinks))
        }
    }
}

fn mails(settings: &Settings) -> SesSettings {
    let mut mails = SesSettings::new(settings.mail_from.clone());
    mails.sender_name = Some(settings.service_name.clone());
    mails.reply_to.clone_from(&settings.mail_reply_to);
    mails.configuration_set.clone_from(&settings.configuration_set);
    mails
}
