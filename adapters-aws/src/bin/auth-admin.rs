//! Looks at accounts in DynamoDB, shuts and opens them, ends their sessions, deletes them.
//! `--help` says how; what it asks and says is that of `examples/admin.rs`.

#[path = "operator/aws.rs"]
mod aws;
#[path = "../../../examples/admin/tool.rs"]
mod tool;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use adapters_aws::dynamodb::{
    DynamoAttempts, DynamoResetTokens, DynamoSessions, DynamoUsers, TableNames,
};
use adapters_aws::{SecretSource, SqsMailQueue, clients};
use anyhow::{Context as _, Result};
use auth_domain::ports::{Clock, Entropy, EventSink, MailQueue, NotComposed};
use auth_domain::{
    AccountCall, AddressesInEvents, Auth, AuthEvent, ErrorCode, LinkBase, MasterSecret, PortError,
    PortErrorKind, Ports, Settings, Timestamp,
};
use aws_config::SdkConfig;
use clap::Parser;
use tracing::field::display;
use tracing::{info, warn};

use tool::{EXIT_CODES, Place, Screen};

/// Looks at accounts in DynamoDB, shuts and opens them, ends their sessions, deletes them.
///
///   auth-admin user show ann@example.com
///   auth-admin user disable ann@example.com
///   auth-admin user enable ann@example.com
///   auth-admin user end-sessions ann@example.com
///   auth-admin user force-password-change ann@example.com
///   auth-admin user delete ann@example.com
///
/// What a user id or an address names is changed at once, for functions that run too. All but show and
/// enable ask for the address again, or take --yes. Each but show takes --file with a list.
///
/// AWS is found as every AWS program finds it: AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL_DYNAMODB. Needed are
/// dynamodb:GetItem and dynamodb:Query to show (by user id also on the index), dynamodb:UpdateItem and
/// dynamodb:BatchWriteItem to change, dynamodb:DeleteItem to delete, sqs:SendMessage to mail, and
/// secretsmanager:GetSecretValue for --secret-arn.
#[derive(Parser)]
#[command(name = "auth-admin", version, verbatim_doc_comment, after_long_help = EXIT_CODES)]
struct Options {
    #[command(flatten)]
    tool: tool::Arguments,
    /// What the names of the tables begin with, as the function has it.
    #[arg(long, env = "AUTH_TABLE_PREFIX", default_value = "alcolook-", global = true)]
    table_prefix: String,
    /// The function's queue of mails; force-password-change and delete need it.
    #[arg(long, env = "AUTH_MAIL_QUEUE_URL", value_name = "URL", global = true)]
    mail_queue_url: Option<String>,
    /// The function's master secret, so that the log names an account as the function's does.
    ///
    /// Without it the log says nothing of addresses, and of who is deleted the counter of failed logins is
    /// left to run out.
    #[arg(long, env = "AUTH_MASTER_SECRET_ARN", value_name = "ARN", global = true)]
    secret_arn: Option<String>,
    /// Trust this machine's certificates instead of Amazon's, as behind a proxy that opens TLS.
    #[arg(long, global = true)]
    system_roots: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = Options::parse();
    let screen = Screen::with_log();
    match compose(&options).await {
        Ok(auth) => options.tool.run(&auth, &place(&options), &screen).await,
        Err(error) => options.tool.failed(&error),
    }
}

fn place(options: &Options) -> Place {
    Place {
        name: format!("DynamoDB's table {}users", options.table_prefix),
        advice,
        no_mail: options.mail_queue_url.is_none().then_some(
            "the owner is to be mailed: name the function's queue by --mail-queue-url (AUTH_MAIL_QUEUE_URL)",
        ),
    }
}

async fn compose(options: &Options) -> Result<Auth> {
    let config = aws::load(options.system_roots).await?;
    let settings = settings(options, &config).await?;
    Ok(Auth::new(ports(options, &config), settings)?)
}

fn ports(options: &Options, config: &SdkConfig) -> Ports {
    let client = clients::dynamodb(config);
    let tables = TableNames::with_prefix(&options.table_prefix);
    let missing = Arc::new(NotComposed::new());
    let mail_queue: Arc<dyn MailQueue> = match &options.mail_queue_url {
        Some(url) => Arc::new(SqsMailQueue::new(clients::sqs(config), url)),
        None => Arc::clone(&missing) as _,
    };
    Ports {
        attempts: Arc::new(DynamoAttempts::new(client.clone(), tables.attempts)),
        breached_passwords: None,
        clock: Arc::new(Machine),
        compatibility_issuer: None,
        entropy: Arc::new(Machine),
        events: Arc::new(Log),
        hasher: Arc::clone(&missing) as _,
        limiter: Arc::clone(&missing) as _,
        mail_queue,
        mailer: Arc::clone(&missing) as _,
        reset_tokens: Arc::new(DynamoResetTokens::new(client.clone(), tables.password_resets)),
        sessions: Arc::new(DynamoSessions::new(client.clone(), tables.sessions)),
        token_issuer: Arc::clone(&missing) as _,
        token_verifier: missing,
        users: Arc::new(DynamoUsers::new(client, tables.users)),
    }
}

/// How long after a rotation the function goes by the secret before, if its `AUTH_SECRET_CACHE_SECONDS` is
/// the default.
const ROTATION: Duration = Duration::from_mins(5);

/// Nothing is issued here: links are made by who sends the mails, under the function's own settings.
async fn settings(options: &Options, config: &SdkConfig) -> Result<Settings> {
    let base = LinkBase::parse("https://unused.invalid/")?;
    if let Some(arn) = &options.secret_arn {
        let source = SecretSource::new(clients::secrets_manager(config), arn, ROTATION);
        let secrets = source.get().await.context("AUTH_MASTER_SECRET_ARN")?;
        let secret = MasterSecret::new(secrets.signing(SystemTime::now()))?;
        return Ok(Settings::new(secret, base, "auth-admin"));
    }
    let mut bytes = [0; MasterSecret::MIN_BYTES];
    Machine.fill(&mut bytes)?;
    let mut settings = Settings::new(MasterSecret::new(bytes)?, base, "auth-admin");
    settings.addresses_in_events = AddressesInEvents::Omitted;
    Ok(settings)
}

fn advice(error: &PortError) -> &'static str {
    match aws::advice(error) {
        Some(advice) => advice,
        None if aws::is_absent(error) => {
            "There is no such table here: check --table-prefix, AWS_REGION and AWS_PROFILE"
        }
        None if error.kind() == PortErrorKind::Throttled => "Run it again in a moment",
        None => "Check --table-prefix and --mail-queue-url",
    }
}

/// Clock and randomness of this machine. Those of `adapters-local` are another adapter's.
struct Machine;

impl Clock for Machine {
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_seconds(0) + since_epoch
    }
}

impl Entropy for Machine {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), PortError> {
        getrandom::fill(bytes).map_err(|error| {
            PortError::new(PortErrorKind::Unavailable, "entropy.fill").caused_by(error)
        })
    }
}

struct Log;

impl EventSink for Log {
    fn record(&self, event: AuthEvent) {
        let AuthEvent { kind, user_id, account, cause, .. } = event;
        let (user_id, account) = (user_id.map(display), account.map(display));
        let (name, operation) = (kind.name(), kind.operation());
        let call = kind.call().map(AccountCall::name);
        let code = kind.code().map(ErrorCode::as_str);
        if kind.is_fault() {
            warn!(target: "auth", user_id, account, call, code, operation, cause, "{name}");
        } else {
            info!(target: "auth", user_id, account, call, code, operation, "{name}");
        }
    }
}
