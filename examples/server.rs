//! The router on a port of this machine, over SQLite, Postgres or in-memory stores.
//!
//! Run it: `cargo run --example server`, then the lines that it prints. `--help` lists its settings.
//! Mails are printed here unless `AUTH_SMTP_HOST` names a server. Accounts are kept in a SQLite file in the
//! folder `auth-data`, unless `AUTH_STORE` says otherwise.
#![expect(clippy::print_stdout, reason = "it talks to whoever started it")]

#[path = "server/location.rs"]
mod location;
#[path = "server/mails.rs"]
mod mails;
#[path = "server/stores.rs"]
mod stores;
#[path = "server/telemetry.rs"]
mod telemetry;
#[path = "server/undefended.rs"]
mod undefended;

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use adapters_http::{AllowedOrigins, ClientAddress, HttpOptions, Origin, Pages, api_docs, router};
use adapters_local::{
    Argon2idHasher, Argon2idSettings, CompatibilityIssuer, HibpRange, HibpSettings, JwtIssuer,
    JwtVerifier, OsEntropy, SigningKey, SmtpCredentials, SmtpMailer, SmtpRoots, SmtpSecurity,
    SmtpSettings, SystemClock, TokenProfile, TracingEvents,
};
use anyhow::{Context, Result};
use auth_domain::ports::{BreachedPasswords, Entropy, Mailer, PasswordHasher, TokenIssuer};
use auth_domain::{
    Auth, Email, EmailVerification, FailurePolicy, LinkBase, Locale, MasterSecret, Ports,
    RateLimits, RegistrationMode, Settings, TokenCheck,
};
use clap::{Parser, ValueEnum};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use location::decode_secret;
use mails::{Folder, Terminal};
use stores::Worker;
use telemetry::{Observer, TelemetryArguments};
use undefended::SkipsStandInHash;

/// Accounts and sessions over HTTP.
#[derive(Parser)]
struct Arguments {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, env = "AUTH_LISTEN", default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// Where accounts are kept: `memory`, `sqlite:PATH`, or the URL `postgres://...`. Default: SQLite, in a
    /// folder that is named at the start.
    #[arg(long, env = "AUTH_STORE", hide_env_values = true)]
    store: Option<String>,
    /// What mails call this service.
    #[arg(long, env = "AUTH_SERVICE_NAME", default_value = "Example")]
    service_name: String,
    /// Language of answers to clients that ask for none we have.
    #[arg(long, env = "AUTH_LANGUAGE", default_value = "en")]
    language: Language,
    /// Where reset links lead; https, or http on this machine. Default: /reset-password here. Links that
    /// confirm an address lead to /verify-email and /confirm-email beside it.
    #[arg(long, env = "AUTH_LINK_BASE")]
    link_base: Option<String>,
    /// At least 32 random bytes in base64 (`openssl rand -base64 32`). Default: made up, and kept in a file
    /// beside that of SQLite; new ones at each start for other stores.
    #[arg(long, env = "AUTH_MASTER_SECRET", hide_env_values = true)]
    master_secret: Option<String>,
    /// The master secret before this one: tokens signed under it are still accepted.
    #[arg(long, env = "AUTH_PREVIOUS_MASTER_SECRET", hide_env_values = true)]
    previous_master_secret: Option<String>,
    /// Goes into every password hash, and belongs where the store is not: `ID:BASE64`, an id of up to eight
    /// characters, by which hashes name it, and at least 32 random bytes. Default: none.
    #[arg(long, env = "AUTH_PEPPER", hide_env_values = true)]
    pepper: Option<String>,
    /// Peppers that stored hashes may still name, separated by commas. Without one that they do name, their
    /// owners cannot log in.
    #[arg(long, env = "AUTH_PREVIOUS_PEPPERS", hide_env_values = true, value_delimiter = ',')]
    previous_peppers: Vec<String>,
    /// Issuer (`iss`) of access tokens. Default: the address that it listens on.
    #[arg(long, env = "AUTH_ISSUER")]
    issuer: Option<String>,
    /// Audience (`aud`) of access tokens.
    #[arg(long, env = "AUTH_AUDIENCE", default_value = "example")]
    audience: String,
    /// Secret of at least 32 bytes: the `token` of the login answer is then a second one, HS256, for a
    /// service that shares the secret (the AlcoLook profile). Nothing here accepts it.
    #[arg(long, env = "AUTH_COMPATIBILITY_SECRET", hide_env_values = true)]
    compatibility_secret: Option<String>,
    /// Read the account at each token check, so that a reset ends access tokens at once; `session` reads the
    /// session too, so that a logout does.
    #[arg(long, env = "AUTH_STRICT_TOKENS", default_value = "off")]
    strict_tokens: Strictness,
    /// What is asked of who signs up about his address: nothing, the use of a mailed link, or that
    /// before he may log in.
    #[arg(long, env = "AUTH_EMAIL_VERIFICATION", default_value = "asked")]
    email_verification: Verification,
    /// Whether sign-up says that an address is taken. `private` tells it only by mail, and needs
    /// `--email-verification required`.
    #[arg(long, env = "AUTH_REGISTRATION", default_value = "open")]
    registration: SignUp,
    /// Who is asked whether a new password leaked: nobody (`off`), Have I Been Pwned (`hibp`), or a mirror
    /// of its range API by its URL. Five hex digits of the password's SHA-1 leave, and no more of it.
    #[arg(long, env = "AUTH_BREACHED_PASSWORDS", default_value = "off")]
    breached_passwords: String,
    /// What happens to a new password when they do not answer.
    #[arg(long, env = "AUTH_ON_BREACH_CHECK_FAILURE", default_value = "allow")]
    on_breach_check_failure: OnFailure,
    /// Threads that hash passwords. Default: as many as there are cores.
    #[arg(long, env = "AUTH_HASH_THREADS")]
    hash_threads: Option<usize>,
    /// Passwords that may wait to be hashed; beyond them the answer is 503. Default: 32.
    #[arg(long, env = "AUTH_HASH_QUEUE")]
    hash_queue: Option<usize>,
    /// `off` turns off rate limits, waits after failures and mail caps: for development.
    #[arg(long, env = "AUTH_RATE_LIMITS", default_value = "on")]
    rate_limits: Switch,
    /// Proxies of yours that each request passes; the client is read from X-Forwarded-For.
    #[arg(long, env = "AUTH_TRUSTED_HOPS", default_value_t = 0)]
    trusted_hops: usize,
    /// How the log is written, to the standard error.
    #[arg(long, env = "AUTH_LOG_FORMAT", default_value = "pretty")]
    log_format: LogFormat,
    /// What is logged, by level and target, as in `info,auth=debug`. Never more than `info` of `aws_*` and
    /// `sqlx` where others read the log.
    #[arg(long, env = "AUTH_LOG", default_value = "info")]
    log: EnvFilter,
    /// Web origins that may call, separated by commas; `*` for all.
    #[arg(long, env = "AUTH_ALLOWED_ORIGINS", value_delimiter = ',')]
    allowed_origins: Vec<String>,
    /// Folder that mails are written into, as text and as HTML, where there is no mail server.
    #[arg(long, env = "AUTH_MAIL_FOLDER")]
    mail_folder: Option<PathBuf>,
    /// Mail server. Without one, mails are printed here.
    #[arg(long, env = "AUTH_SMTP_HOST")]
    smtp_host: Option<String>,
    /// Port of the mail server. Default: 587, or 465 for `implicit`.
    #[arg(long, env = "AUTH_SMTP_PORT")]
    smtp_port: Option<u16>,
    /// How the connection to the mail server is protected.
    #[arg(long, env = "AUTH_SMTP_SECURITY", default_value = "starttls")]
    smtp_security: Security,
    /// Address that mails come from.
    #[arg(long, env = "AUTH_SMTP_FROM")]
    smtp_from: Option<String>,
    /// Account at the mail server.
    #[arg(long, env = "AUTH_SMTP_USER", requires = "smtp_password")]
    smtp_user: Option<String>,
    /// Password at the mail server.
    #[arg(long, env = "AUTH_SMTP_PASSWORD", hide_env_values = true, requires = "smtp_user")]
    smtp_password: Option<String>,
    /// PEM file with certificates to trust besides the system's.
    #[arg(long, env = "AUTH_SMTP_CA")]
    smtp_ca: Option<PathBuf>,
    #[command(flatten)]
    telemetry: TelemetryArguments,
    /// Answers at once where there is no hash to verify, which tells who has an account: for the bench that
    /// measures that. In no environment, so that nobody inherits it.
    #[arg(long, hide = true)]
    danger_skip_stand_in_hash: bool,
}

/// For readers, or for machines.
#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    Pretty,
    Json,
}

#[derive(Clone, Copy, ValueEnum)]
enum Language {
    En,
    Ko,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

#[derive(Clone, Copy, ValueEnum)]
enum Strictness {
    Off,
    On,
    Session,
}

#[derive(Clone, Copy, ValueEnum)]
enum Verification {
    NotAsked,
    Asked,
    Required,
}

#[derive(Clone, Copy, ValueEnum)]
enum SignUp {
    Open,
    Private,
}

#[derive(Clone, Copy, ValueEnum)]
enum OnFailure {
    Allow,
    Refuse,
}

#[derive(Clone, Copy, ValueEnum)]
enum Security {
    Starttls,
    Implicit,
    /// No protection: whoever reads the traffic takes accounts over.
    DangerPlaintext,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut observer = Observer::start(&arguments.telemetry, &arguments.service_name).await?;
    start_log(arguments.log_format, arguments.log.clone(), &observer);
    let outcome = run(&arguments, &mut observer).await;
    observer.stop();
    outcome
}

async fn run(arguments: &Arguments, observer: &mut Observer) -> Result<()> {
    let listener = TcpListener::bind(arguments.listen)
        .await
        .with_context(|| format!("cannot listen on {} (AUTH_LISTEN)", arguments.listen))?;
    let address = listener.local_addr()?;
    let location = stores::location(arguments.store.as_deref())?;
    let (auth, worker) = compose(arguments, &location, address, observer).await?;
    let options = http_options(arguments)?;
    let pages = Pages::new(&arguments.service_name, options.clone()).routes(auth.clone())?;
    let server = router(auth.clone(), options.clone()).merge(pages).merge(api_docs(&options));
    let service = observer.around(server).into_make_service_with_connect_info::<SocketAddr>();
    println!("listening on http://{address}\n\n{}.\n", stores::describe(&location));
    println!("The API: http://{address}/docs. Pages: http://{address}/forgot-password.\n");
    if let Some(address) = observer.show()? {
        println!("Metrics: http://{address}/metrics\n");
    }
    introduce(address);

    let (stop_worker, stopped) = oneshot::channel::<()>();
    let stopped = async { stopped.await.unwrap_or_default() };
    let worker = tokio::spawn(worker.run(auth, stopped));
    serve(listener, service).await?;
    // The server takes no more requests; now the mails that they caused go out.
    drop(stop_worker);
    println!("stopped; {}", worker.await?);
    Ok(())
}

/// What is logged is filtered, and not what is sent to a collector.
fn start_log(format: LogFormat, filter: EnvFilter, observer: &Observer) {
    let is_read = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Pretty => {
            lines.pretty().with_ansi(is_read).with_file(false).with_line_number(false).boxed()
        }
        LogFormat::Json => lines.json().with_current_span(false).with_span_list(true).boxed(),
    };
    let lines = lines.with_filter(filter);
    tracing_subscriber::registry().with(lines).with(observer.layer()).init();
}

type Service =
    axum::extract::connect_info::IntoMakeServiceWithConnectInfo<axum::Router, SocketAddr>;

/// Until a signal comes, and then for five seconds more while requests end.
async fn serve(listener: TcpListener, service: Service) -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (tell, told) = oneshot::channel();
    let server = axum::serve(listener, service).with_graceful_shutdown(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        let _ = tell.send(());
    });
    let patience = async {
        if told.await.is_ok() {
            tokio::time::sleep(Duration::from_secs(5)).await;
        } else {
            std::future::pending().await
        }
    };
    tokio::select! {
        outcome = server => Ok(outcome?),
        () = patience => Ok(()),
    }
}

async fn compose(
    arguments: &Arguments,
    location: &str,
    address: SocketAddr,
    observer: &Observer,
) -> Result<(Auth, Worker)> {
    let stores = stores::open(location).await?;
    let entropy = Arc::new(OsEntropy::new());
    let secret = master_secret(arguments, location, entropy.as_ref())?;
    let previous = arguments.previous_master_secret.as_deref().map(decode_secret).transpose();
    let previous = previous.context("AUTH_PREVIOUS_MASTER_SECRET")?;
    let issuer = arguments.issuer.clone().unwrap_or_else(|| format!("http://{address}"));
    let profile =
        TokenProfile::new(issuer, &arguments.audience).context("AUTH_ISSUER, AUTH_AUDIENCE")?;
    let signing_key = SigningKey::ed25519_from_master(&secret);
    let verifier = JwtVerifier::from_masters(&secret, previous.as_ref(), profile.clone())?;
    let issuer = JwtIssuer::new(signing_key, profile, Arc::clone(&entropy) as _);
    let hasher = hasher(arguments, Arc::clone(&entropy) as _, observer)?;
    let ports = Ports {
        attempts: stores.attempts,
        breached_passwords: breached_passwords(arguments)?,
        clock: Arc::new(SystemClock::new()),
        compatibility_issuer: compatibility_issuer(arguments)?,
        entropy,
        events: Arc::new(TracingEvents::new()),
        hasher,
        limiter: stores.limiter,
        mail_queue: stores.mail_queue,
        mailer: mailer(arguments)?,
        reset_tokens: stores.reset_tokens,
        sessions: stores.sessions,
        token_issuer: Arc::new(issuer),
        token_verifier: Arc::new(verifier),
        users: stores.users,
    };
    let auth = Auth::new(observer.observe(ports), settings(arguments, secret, previous, address)?)
        .context("AUTH_EMAIL_VERIFICATION, AUTH_REGISTRATION")?;
    Ok((auth, stores.worker))
}

fn settings(
    arguments: &Arguments,
    secret: MasterSecret,
    previous: Option<MasterSecret>,
    address: SocketAddr,
) -> Result<Settings> {
    let base = link_base(arguments.link_base.as_deref(), address)?;
    let mut settings = Settings::new(secret, base, &arguments.service_name);
    settings.previous_master_secret = previous;
    settings.email_verification = match arguments.email_verification {
        Verification::NotAsked => EmailVerification::NotAsked,
        Verification::Asked => EmailVerification::Asked,
        Verification::Required => EmailVerification::RequireVerified,
    };
    settings.on_breach_check_failure = match arguments.on_breach_check_failure {
        OnFailure::Allow => FailurePolicy::Allow,
        OnFailure::Refuse => FailurePolicy::Refuse,
    };
    settings.registration = match arguments.registration {
        SignUp::Open => RegistrationMode::Open,
        SignUp::Private => RegistrationMode::Private,
    };
    settings.token_check = match arguments.strict_tokens {
        Strictness::Off => TokenCheck::TokenOnly,
        Strictness::On => TokenCheck::Strict,
        Strictness::Session => TokenCheck::StrictSession,
    };
    if arguments.rate_limits == Switch::Off {
        tracing::warn!("AUTH_RATE_LIMITS=off: anybody may guess and mail without end");
        settings.limits = RateLimits::danger_off();
        settings.attempts = None;
    }
    Ok(settings)
}

fn breached_passwords(arguments: &Arguments) -> Result<Option<Arc<dyn BreachedPasswords>>> {
    let mut settings = HibpSettings::new(concat!("auth-example/", env!("CARGO_PKG_VERSION")));
    match arguments.breached_passwords.as_str() {
        "off" => return Ok(None),
        "hibp" => {}
        mirror => mirror.clone_into(&mut settings.base_url),
    }
    let hibp = HibpRange::new(settings).context("AUTH_BREACHED_PASSWORDS")?;
    Ok(Some(Arc::new(hibp)))
}

fn master_secret(
    arguments: &Arguments,
    location: &str,
    entropy: &dyn Entropy,
) -> Result<MasterSecret> {
    if let Some(text) = &arguments.master_secret {
        return decode_secret(text).context("AUTH_MASTER_SECRET");
    }
    let mut bytes = [0; MasterSecret::MIN_BYTES];
    entropy.fill(&mut bytes)?;
    if let Some(file) = location::secret_file(location) {
        tracing::warn!("no AUTH_MASTER_SECRET: it is kept in {}", file.display());
        return decode_secret(&stores::kept_secret(&file, &bytes)?)
            .with_context(|| file.display().to_string());
    }
    tracing::warn!("no AUTH_MASTER_SECRET: tokens and links end with this process");
    Ok(MasterSecret::new(bytes)?)
}

fn compatibility_issuer(arguments: &Arguments) -> Result<Option<Arc<dyn TokenIssuer>>> {
    let Some(secret) = &arguments.compatibility_secret else {
        return Ok(None);
    };
    let issuer =
        CompatibilityIssuer::new(secret.as_bytes()).context("AUTH_COMPATIBILITY_SECRET")?;
    Ok(Some(Arc::new(issuer)))
}

fn hasher(
    arguments: &Arguments,
    entropy: Arc<dyn Entropy>,
    observer: &Observer,
) -> Result<Arc<dyn PasswordHasher>> {
    let hasher = Argon2idHasher::new(hash_settings(arguments)?, entropy)
        .context("AUTH_HASH_THREADS, AUTH_HASH_QUEUE, AUTH_PREVIOUS_PEPPERS")?;
    let hasher = observer.watch(hasher);
    if arguments.danger_skip_stand_in_hash {
        tracing::warn!("--danger-skip-stand-in-hash: the time of a login tells who has an account");
        return Ok(Arc::new(SkipsStandInHash(hasher)));
    }
    Ok(hasher)
}

fn hash_settings(arguments: &Arguments) -> Result<Argon2idSettings> {
    let mut settings = Argon2idSettings::default();
    settings.threads = arguments.hash_threads.unwrap_or(settings.threads);
    settings.queue = arguments.hash_queue.unwrap_or(settings.queue);
    let pepper = arguments.pepper.as_deref().map(str::parse).transpose();
    settings.pepper = pepper.context("AUTH_PEPPER")?;
    let previous = arguments.previous_peppers.iter().map(|text| text.parse());
    settings.previous_peppers =
        previous.collect::<Result<_, _>>().context("AUTH_PREVIOUS_PEPPERS")?;
    Ok(settings)
}

fn link_base(text: Option<&str>, address: SocketAddr) -> Result<LinkBase> {
    let here = format!("http://{address}/reset-password");
    let text = text.unwrap_or(&here);
    LinkBase::parse_or_loopback(text)
        .with_context(|| format!("set AUTH_LINK_BASE to where reset links lead; not to {text}"))
}

fn http_options(arguments: &Arguments) -> Result<HttpOptions> {
    let mut options = HttpOptions::default();
    options.default_locale = match arguments.language {
        Language::En => Locale::EN,
        Language::Ko => Locale::KO,
    };
    if let Some(trusted_hops) = NonZeroUsize::new(arguments.trusted_hops) {
        options.client_address = ClientAddress::ForwardedFor { trusted_hops };
    }
    options.allowed_origins = match arguments.allowed_origins.as_slice() {
        [any] if any == "*" => AllowedOrigins::DangerAny,
        origins => {
            let parsed = origins.iter().map(|origin| Origin::parse(origin.trim()));
            AllowedOrigins::Only(parsed.collect::<Result<_, _>>().context("AUTH_ALLOWED_ORIGINS")?)
        }
    };
    Ok(options)
}

fn mailer(arguments: &Arguments) -> Result<Arc<dyn Mailer>> {
    let Some(host) = &arguments.smtp_host else {
        let Some(folder) = &arguments.mail_folder else {
            return Ok(Arc::new(Terminal));
        };
        return Ok(Arc::new(Folder::new(folder).context("AUTH_MAIL_FOLDER")?));
    };
    let from = arguments.smtp_from.as_deref().context("AUTH_SMTP_HOST needs AUTH_SMTP_FROM")?;
    let mut settings = SmtpSettings::new(host, Email::parse(from).context("AUTH_SMTP_FROM")?);
    settings.port = arguments.smtp_port;
    settings.sender_name = Some(arguments.service_name.clone());
    settings.security = match arguments.smtp_security {
        Security::Starttls => SmtpSecurity::StartTls,
        Security::Implicit => SmtpSecurity::ImplicitTls,
        Security::DangerPlaintext => SmtpSecurity::DangerPlaintext,
    };
    if let Some(path) = &arguments.smtp_ca {
        let pem = std::fs::read_to_string(path)
            .with_context(|| format!("AUTH_SMTP_CA {}", path.display()))?;
        settings.roots = SmtpRoots::SystemAnd(pem);
    }
    if let (Some(user), Some(password)) = (&arguments.smtp_user, &arguments.smtp_password) {
        settings.credentials = Some(SmtpCredentials::new(user, password));
    }
    Ok(Arc::new(SmtpMailer::new(settings).context("AUTH_SMTP_* settings")?))
}

fn introduce(address: SocketAddr) {
    let call = |path: &str, body: &str| {
        format!(
            "curl -i http://{address}/auth/{path} -H 'Content-Type: application/json' -d {body}"
        )
    };
    let register =
        r#"'{"email":"ann@example.com","password":"correct horse battery","name":"Ann"}'"#;
    let old = r#"'{"email":"ann@example.com","password":"correct horse battery"}'"#;
    let new = r#"'{"email":"ann@example.com","password":"a brand new staple"}'"#;
    let forgot = r#"'{"email":"ann@example.com"}'"#;
    let reset = r#""{\"token\":\"$TOKEN\",\"new_password\":\"a brand new staple\"}""#;
    println!(
        "Try these six, in another terminal (add -H 'Accept-Language: ko' for Korean; where Ann is"
    );
    println!("kept from an earlier run, the first is answered with 409):\n");
    println!("{}", call("register", register));
    println!("{}", call("login", old));
    println!("{}", call("forgot-password", forgot));
    println!(
        "\n(Two mails come, here or where the settings say. That of the first line has a token for POST /auth/verify-email, good until"
    );
    println!(
        " the password is reset. Of the one \"Reset your ... password\" set TOKEN to what follows `token=`:"
    );
    println!(
        " TOKEN=... Or open its link: it leads to a page here, unless AUTH_LINK_BASE says otherwise.)\n"
    );
    println!("{}", call("reset-password", reset));
    println!("{}", call("login", new));
    println!("{}   # refused: the old password\n", call("login", old));
    introduce_sessions(address);
}

/// The life of a session, for who has gone through the six.
fn introduce_sessions(address: SocketAddr) {
    println!("Then (set ACCESS and REFRESH to the access_token and refresh_token of a login):\n");
    println!("curl http://{address}/auth/sessions -H \"Authorization: Bearer $ACCESS\"");
    for path in ["refresh", "logout"] {
        println!(
            "curl http://{address}/auth/{path} -H 'Content-Type: application/json' -d \"{{\\\"refresh_token\\\":\\\"$REFRESH\\\"}}\""
        );
    }
    println!();
}
