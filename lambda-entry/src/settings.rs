//! What the environment says, read once and checked whole.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;

use adapters_aws::{AwsRoots, AwsSettings};
use adapters_http::{AllowedOrigins, HttpOptions, Origin};
use adapters_local::{Argon2idSettings, TokenProfile};
use auth_domain::{
    Email, EmailVerification, LinkBase, Locale, MasterSecret, RegistrationMode, TokenCheck,
};
use axum::http::Uri;
use thiserror::Error;
use zeroize::Zeroizing;

/// Every choice of this program.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) aws: AwsSettings,
    pub(crate) compatibility_secret: Option<SecretSetting>,
    pub(crate) compatibility_token_life: Duration,
    pub(crate) configuration_set: Option<String>,
    pub(crate) email_verification: EmailVerification,
    pub(crate) hashing: Argon2idSettings,
    pub(crate) http: HttpOptions,
    pub(crate) link_base: LinkBase,
    pub(crate) mail_from: Email,
    pub(crate) mail_queue_url: String,
    pub(crate) mail_reply_to: Option<Email>,
    pub(crate) master_secret: SecretSetting,
    pub(crate) metrics: Metrics,
    pub(crate) peppers: Option<SecretSetting>,
    pub(crate) registration: RegistrationMode,
    pub(crate) secret_life: Duration,
    pub(crate) service_name: String,
    pub(crate) source_limits: SourceLimits,
    pub(crate) support_contact: Option<String>,
    pub(crate) table_prefix: String,
    pub(crate) token_check: TokenCheck,
    pub(crate) tokens: TokenProfile,
}

/// Where events are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metrics {
    /// In lines of the log that CloudWatch makes metrics of.
    Emf,
    /// Nowhere.
    Off,
}

/// Where limits by source are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SourceLimits {
    /// In DynamoDB, for all instances together: one write more for each call.
    DynamoDb,
    /// In each instance for itself, besides what API Gateway throttles.
    Instance,
}

/// Where a secret is, and the variable that said so.
#[derive(PartialEq, Eq)]
pub(crate) struct SecretSetting {
    pub(crate) variable: &'static str,
    pub(crate) place: SecretPlace,
}

/// Where a secret is.
#[derive(PartialEq, Eq)]
pub(crate) enum SecretPlace {
    /// In Secrets Manager.
    Arn(String),
    /// In the environment, where whoever may read the function's configuration reads it.
    Plain(Zeroizing<String>),
}

impl fmt::Debug for SecretSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SecretSetting").field(&self.variable).finish()
    }
}

/// Everything that is wrong with the environment. Names variables and never shows what they hold.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("settings cannot be kept:\n{}", .0.join("\n"))]
pub(crate) struct SettingsError(Vec<String>);

impl Settings {
    /// Reads the variables that begin with `AUTH_`; the table in this program's documentation says what
    /// each means.
    ///
    /// # Errors
    /// [`SettingsError`] with every problem there is, one that no variable of that name exists among
    /// them: a slip of the pen must not leave a default in force.
    pub(crate) fn read(
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, SettingsError> {
        let mut reader = Reader::new(variables);
        let settings = Self::take(&mut reader);
        reader.refuse_unknown();
        match settings {
            Some(settings) if reader.problems.is_empty() => Ok(settings),
            _ => Err(SettingsError(reader.problems)),
        }
    }

    /// Asks for all before the first `?`, so that all problems are found.
    fn take(reader: &mut Reader) -> Option<Self> {
        let aws = aws(reader);
        let http = http(reader);
        if aws.deadline > http.use_case_timeout {
            reader.complain("AUTH_AWS_DEADLINE_MS", "is more than AUTH_REQUEST_SECONDS");
        }
        let [master_secret, compatibility_secret, peppers] = secrets(reader);
        let (registration, email_verification) = signing_up(reader);
        let hashing = hashing(reader);
        let configuration_set =
            reader.optional("AUTH_SES_CONFIGURATION_SET", |text| named(text, 64, "-_"));
        let link_base = reader.required("AUTH_LINK_BASE", LinkBase::parse);
        let mail_from = reader.required("AUTH_MAIL_FROM", Email::parse);
        let mail_queue_url = reader.required("AUTH_MAIL_QUEUE_URL", queue_url);
        let mail_reply_to = reader.optional("AUTH_MAIL_REPLY_TO", Email::parse);
        let metrics = reader.one_of("AUTH_METRICS", [("off", Metrics::Off), ("emf", Metrics::Emf)]);
        let service_name = reader.required("AUTH_SERVICE_NAME", short_line);
        let support_contact = reader.optional("AUTH_SUPPORT_CONTACT", short_line);
        let table_prefix = reader.optional("AUTH_TABLE_PREFIX", |text| named(text, 200, "-_."));
        let issuer = reader.required("AUTH_ISSUER", present);
        let audience = reader.required("AUTH_AUDIENCE", present);
        let compatibility_token_life =
            reader.number("AUTH_COMPATIBILITY_TOKEN_SECONDS", 604_800, 60..=31_536_000);
        let secret_life = reader.number("AUTH_SECRET_CACHE_SECONDS", 300, 0..=86_400);
        let source_limits = reader.one_of(
            "AUTH_SOURCE_LIMITS",
            [("instance", SourceLimits::Instance), ("dynamodb", SourceLimits::DynamoDb)],
        );
        let token_check = reader.one_of(
            "AUTH_STRICT_TOKENS",
            [
                ("off", TokenCheck::TokenOnly),
                ("on", TokenCheck::Strict),
                ("session", TokenCheck::StrictSession),
            ],
        );
        Some(Self {
            aws,
            compatibility_secret,
            compatibility_token_life: Duration::from_secs(compatibility_token_life),
            configuration_set,
            email_verification,
            hashing,
            http,
            link_base: link_base?,
            mail_from: mail_from?,
            mail_queue_url: mail_queue_url?,
            mail_reply_to,
            master_secret: master_secret?,
            metrics,
            peppers,
            registration,
            secret_life: Duration::from_secs(secret_life),
            service_name: service_name?,
            source_limits,
            support_contact,
            table_prefix: table_prefix.unwrap_or_else(|| "alcolook-".to_owned()),
            token_check,
            tokens: TokenProfile::new(issuer?, audience?).ok()?,
        })
    }
}

fn aws(reader: &mut Reader) -> AwsSettings {
    let mut aws = AwsSettings::default();
    let attempt = reader.number("AUTH_AWS_ATTEMPT_MS", 1500, 50..=60_000);
    let deadline = reader.number("AUTH_AWS_DEADLINE_MS", 4000, 50..=600_000);
    if attempt > deadline {
        reader.complain("AUTH_AWS_ATTEMPT_MS", "is more than AUTH_AWS_DEADLINE_MS");
    }
    aws.attempt_timeout = Duration::from_millis(attempt);
    aws.deadline = Duration::from_millis(deadline);
    let attempts = reader.number("AUTH_AWS_ATTEMPTS", 11, 1..=20);
    if let Some(attempts) = u32::try_from(attempts).ok().and_then(NonZeroU32::new) {
        aws.max_attempts = attempts;
    }
    aws.roots = reader
        .one_of("AUTH_AWS_ROOTS", [("amazon", AwsRoots::Amazon), ("system", AwsRoots::System)]);
    aws
}

fn http(reader: &mut Reader) -> HttpOptions {
    let mut http = HttpOptions::default();
    let seconds = reader.number("AUTH_REQUEST_SECONDS", 20, 1..=890);
    http.use_case_timeout = Duration::from_secs(seconds);
    http.default_locale = reader.one_of("AUTH_LANGUAGE", [("en", Locale::EN), ("ko", Locale::KO)]);
    if let Some(origins) = reader.optional("AUTH_ALLOWED_ORIGINS", allowed_origins) {
        http.allowed_origins = origins;
    }
    http
}

fn allowed_origins(text: &str) -> Result<AllowedOrigins, adapters_http::OriginError> {
    if text == "*" {
        return Ok(AllowedOrigins::DangerAny);
    }
    let origins = text.split(',').map(|origin| Origin::parse(origin.trim()));
    Ok(AllowedOrigins::Only(origins.collect::<Result<_, _>>()?))
}

/// What private registration hides, a login without confirmation would show.
fn signing_up(reader: &mut Reader) -> (RegistrationMode, EmailVerification) {
    let registration = reader.one_of(
        "AUTH_REGISTRATION",
        [("open", RegistrationMode::Open), ("private", RegistrationMode::Private)],
    );
    let verification = reader.one_of(
        "AUTH_EMAIL_VERIFICATION",
        [
            ("not-asked", EmailVerification::NotAsked),
            ("asked", EmailVerification::Asked),
            ("required", EmailVerification::RequireVerified),
        ],
    );
    if registration == RegistrationMode::Private
        && verification != EmailVerification::RequireVerified
    {
        reader.complain("AUTH_REGISTRATION", "is private without AUTH_EMAIL_VERIFICATION=required");
    }
    (registration, verification)
}

fn hashing(reader: &mut Reader) -> Argon2idSettings {
    let mut hashing = Argon2idSettings::default();
    let most = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    hashing.threads = most(reader.number("AUTH_HASH_THREADS", hashing.threads as u64, 1..=1024));
    hashing.queue = most(reader.number("AUTH_HASH_QUEUE", hashing.queue as u64, 0..=1 << 20));
    hashing
}

/// The master secret, the shared one and the peppers. Whoever holds one must not thereby hold another.
fn secrets(reader: &mut Reader) -> [Option<SecretSetting>; 3] {
    let before = reader.problems.len();
    let master = secret(reader, "AUTH_MASTER_SECRET_ARN", "AUTH_DANGER_PLAIN_MASTER_SECRET");
    if master.is_none() && reader.problems.len() == before {
        reader.complain("AUTH_MASTER_SECRET_ARN", "is missing");
    }
    let shared =
        secret(reader, "AUTH_COMPATIBILITY_SECRET_ARN", "AUTH_DANGER_PLAIN_COMPATIBILITY_SECRET");
    let peppers = secret(reader, "AUTH_PEPPERS_ARN", "AUTH_DANGER_PLAIN_PEPPERS");
    let mut places = Vec::new();
    for secret in [&master, &shared, &peppers].into_iter().flatten() {
        if places.contains(&&secret.place) {
            reader.complain(secret.variable, "is the same secret as another");
        }
        places.push(&secret.place);
    }
    [master, shared, peppers]
}

/// One secret, in at most one place.
fn secret(reader: &mut Reader, arn: &'static str, plain: &'static str) -> Option<SecretSetting> {
    let fetched = reader.optional(arn, secret_arn).map(SecretPlace::Arn);
    let given = reader.optional(plain, plain_secret).map(SecretPlace::Plain);
    match (fetched, given) {
        (Some(_), Some(_)) => {
            reader.complain(plain, &format!("stands beside {arn}: only one may be set"));
            None
        }
        (Some(place), None) => Some(SecretSetting { variable: arn, place }),
        (None, Some(place)) => Some(SecretSetting { variable: plain, place }),
        (None, None) => None,
    }
}

/// `arn:<partition>:secretsmanager:<region>:<account>:secret:<name>`.
fn secret_arn(text: &str) -> Result<String, &'static str> {
    let parts: Vec<&str> = text.splitn(7, ':').collect();
    match parts.as_slice() {
        ["arn", _, "secretsmanager", _, _, "secret", name] if !name.is_empty() => {
            Ok(text.to_owned())
        }
        _ => Err("is not the ARN of a secret of Secrets Manager"),
    }
}

fn plain_secret(text: &str) -> Result<Zeroizing<String>, &'static str> {
    if text.len() < MasterSecret::MIN_BYTES {
        return Err("has fewer than 32 bytes");
    }
    Ok(Zeroizing::new(text.to_owned()))
}

fn queue_url(text: &str) -> Result<String, &'static str> {
    let url = text.parse::<Uri>().ok();
    let is_queue = url.is_some_and(|url| {
        matches!(url.scheme_str(), Some("https" | "http")) && url.path().len() > 1
    });
    if is_queue { Ok(text.to_owned()) } else { Err("is not the URL of a queue") }
}

/// What mails show.
fn short_line(text: &str) -> Result<String, &'static str> {
    if text.chars().count() > 100 || text.chars().any(char::is_control) {
        return Err("has more than 100 characters or a control character");
    }
    present(text)
}

fn present(text: &str) -> Result<String, &'static str> {
    if text.trim().is_empty() { Err("is blank") } else { Ok(text.to_owned()) }
}

/// ASCII letters, digits and `others`.
fn named(text: &str, most: usize, others: &str) -> Result<String, String> {
    let is_known = |c: char| c.is_ascii_alphanumeric() || others.contains(c);
    if text.len() <= most && text.chars().all(is_known) {
        Ok(text.to_owned())
    } else {
        Err(format!("has more than {most} characters or others than letters, digits and {others}"))
    }
}

/// Reads variables and collects what is wrong with them. An empty one counts as not set: a template
/// cannot leave a variable out because a parameter is empty.
struct Reader {
    variables: BTreeMap<String, OsString>,
    asked: BTreeSet<&'static str>,
    problems: Vec<String>,
}

impl Reader {
    fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let ours = variables.into_iter().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            (name.starts_with("AUTH_") && !value.is_empty()).then_some((name, value))
        });
        Self { variables: ours.collect(), asked: BTreeSet::new(), problems: Vec::new() }
    }

    fn complain(&mut self, variable: &str, problem: &str) {
        self.problems.push(format!("{variable} {problem}"));
    }

    fn optional<T, E: fmt::Display>(
        &mut self,
        variable: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.asked.insert(variable);
        let value = Zeroizing::new(self.variables.remove(variable)?.into_encoded_bytes());
        let Ok(text) = std::str::from_utf8(&value) else {
            self.complain(variable, "is not UTF-8");
            return None;
        };
        match parse(text) {
            Ok(value) => Some(value),
            Err(why) => {
                self.complain(variable, &why.to_string());
                None
            }
        }
    }

    fn required<T, E: fmt::Display>(
        &mut self,
        variable: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        if !self.variables.contains_key(variable) {
            self.complain(variable, "is missing");
        }
        self.optional(variable, parse)
    }

    fn number(
        &mut self,
        variable: &'static str,
        default: u64,
        allowed: RangeInclusive<u64>,
    ) -> u64 {
        let number = self.optional(variable, |text| {
            let number = text.parse().ok().filter(|number| allowed.contains(number));
            let (least, most) = (allowed.start(), allowed.end());
            number.ok_or_else(|| format!("is not a number from {least} to {most}"))
        });
        number.unwrap_or(default)
    }

    /// One of several words, the first of which is the default.
    fn one_of<T: Copy, const N: usize>(
        &mut self,
        variable: &'static str,
        choices: [(&str, T); N],
    ) -> T {
        let chosen = self.optional(variable, |text| {
            let choice = choices.iter().find(|(word, _)| *word == text);
            let words = choices.map(|(word, _)| word).join(" or ");
            choice.map(|(_, value)| *value).ok_or_else(|| format!("is neither {words}"))
        });
        chosen.unwrap_or(choices[0].1)
    }

    fn refuse_unknown(&mut self) {
        for variable in std::mem::take(&mut self.variables).into_keys() {
            self.complain(&variable, "is no setting");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUIRED: &[(&str, &str)] = &[
        ("AUTH_AUDIENCE", "app"),
        ("AUTH_ISSUER", "https://auth.example.com"),
        ("AUTH_LINK_BASE", "https://example.com/reset-password"),
        ("AUTH_MAIL_FROM", "noreply@example.com"),
        ("AUTH_MAIL_QUEUE_URL", "https://sqs.us-east-1.amazonaws.com/123456789012/mail"),
        ("AUTH_MASTER_SECRET_ARN", MASTER),
        ("AUTH_SERVICE_NAME", "Example"),
    ];
    const MASTER: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:master-AbCdEf";

    fn read(changes: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let variables = REQUIRED.iter().chain(changes);
        let all: BTreeMap<OsString, OsString> =
            variables.map(|(name, value)| (name.into(), value.into())).collect();
        Settings::read(all)
    }

    /// The rows of the table: variable and default.
    fn documented() -> Vec<(&'static str, &'static str)> {
        let rows =
            include_str!("main.rs").lines().filter_map(|line| line.strip_prefix("//! | `AUTH_"));
        rows.map(|row| {
            let mut cells = row.split('|').map(|cell| cell.trim().trim_matches('`'));
            (cells.next().unwrap(), cells.next().unwrap())
        })
        .collect()
    }

    #[test]
    fn the_documentation_lists_every_setting_and_no_other() {
        let mut reader = Reader::new([]);
        let _ = Settings::take(&mut reader);
        let listed = documented().into_iter().map(|(name, _)| format!("AUTH_{name}"));
        assert_eq!(
            listed.collect::<BTreeSet<_>>(),
            reader.asked.iter().map(|name| (*name).to_owned()).collect()
        );
    }

    #[test]
    fn the_defaults_are_those_that_the_documentation_names() {
        let untouched = format!("{:?}", read(&[]).unwrap());
        let named: Vec<_> = documented()
            .into_iter()
            .filter(|(_, default)| !default.is_empty() && !["required", "cores"].contains(default))
            .map(|(name, default)| (format!("AUTH_{name}"), default))
            .collect();
        assert!(named.len() > 10);
        for (name, default) in &named {
            let settings = read(&[(name, default)]).unwrap();
            assert_eq!(format!("{settings:?}"), untouched, "{name}={default}");
        }
    }

    #[test]
    fn every_problem_is_named_at_once_and_no_value_shown() {
        let bad = "c4nary value";
        let changes: Vec<_> = documented()
            .into_iter()
            .map(|(name, _)| format!("AUTH_{name}"))
            .filter(|name| {
                let any_text =
                    ["AUTH_AUDIENCE", "AUTH_ISSUER", "AUTH_SERVICE_NAME", "AUTH_SUPPORT_CONTACT"];
                !any_text.contains(&name.as_str())
            })
            .collect();
        let changes: Vec<_> = changes.iter().map(|name| (name.as_str(), bad)).collect();
        let message = read(&changes).unwrap_err().to_string();
        for (name, _) in &changes {
            assert!(message.contains(&format!("{name} ")), "{name} is not in: {message}");
        }
        assert!(!message.contains("c4nary"), "{message}");
    }

    #[test]
    fn what_is_required_is_missing_by_name() {
        let message = Settings::read([]).unwrap_err().to_string();
        for (name, _) in REQUIRED {
            assert!(message.contains(&format!("{name} is missing")), "{name}: {message}");
        }
        assert_eq!(message.lines().count(), 1 + REQUIRED.len(), "{message}");
    }

    #[test]
    fn each_bad_setting_is_refused_by_its_name() {
        let short = "x".repeat(31);
        let same = "a master secret that the other service holds too";
        for (name, value) in [
            ("AUTH_ALLOWED_ORIGINS", "https://app.example.com/"),
            ("AUTH_ALLOWED_ORIGINS", "https://app.example.com,*"),
            ("AUTH_AUDIENCE", " "),
            ("AUTH_AWS_ATTEMPTS", "0"),
            ("AUTH_AWS_ATTEMPT_MS", "5000"),
            ("AUTH_AWS_DEADLINE_MS", "30000"),
            ("AUTH_AWS_ROOTS", "Amazon"),
            ("AUTH_COMPATIBILITY_SECRET_ARN", "arn:aws:s3:::bucket"),
            ("AUTH_COMPATIBILITY_SECRET_ARN", MASTER),
            ("AUTH_COMPATIBILITY_TOKEN_SECONDS", "59"),
            ("AUTH_DANGER_PLAIN_COMPATIBILITY_SECRET", &short),
            ("AUTH_DANGER_PLAIN_MASTER_SECRET", same),
            ("AUTH_DANGER_PLAIN_PEPPERS", &short),
            ("AUTH_EMAIL_VERIFICATION", "on"),
            ("AUTH_HASH_QUEUE", "-1"),
            ("AUTH_HASH_THREADS", "0"),
            ("AUTH_LANGUAGE", "KO"),
            ("AUTH_LINK_BASE", "http://example.com/reset"),
            ("AUTH_MAIL_FROM", "Example <noreply@example.com>"),
            ("AUTH_MAIL_QUEUE_URL", "mail"),
            ("AUTH_MAIL_REPLY_TO", "nobody"),
            ("AUTH_METRICS", "on"),
            ("AUTH_PEPPERS_ARN", MASTER),
            ("AUTH_REGISTRATION", "closed"),
            ("AUTH_REGISTRATION", "private"),
            ("AUTH_REQUEST_SECONDS", "1e3"),
            ("AUTH_SECRET_CACHE_SECONDS", "86401"),
            ("AUTH_SERVICE_NAME", "Example\r\nBcc: all"),
            ("AUTH_SES_CONFIGURATION_SET", "a b"),
            ("AUTH_SOURCE_LIMITS", "redis"),
            ("AUTH_STRICT_TOKENS", "true"),
            ("AUTH_SUPPORT_CONTACT", "help@example.com\r\n"),
            ("AUTH_STRICT_TOKEN", "on"),
            ("AUTH_TABLE_PREFIX", "alco/look"),
        ] {
            let message = read(&[(name, value)]).unwrap_err().to_string();
            assert!(message.lines().nth(1).unwrap().starts_with(name), "{name}={value}: {message}");
            assert_eq!(message.lines().count(), 2, "{name}={value}: {message}");
        }
    }

    #[test]
    fn the_shared_secret_must_not_be_the_master_secret() {
        let same = "a master secret that the other service holds too";
        let message = read(&[
            ("AUTH_MASTER_SECRET_ARN", ""),
            ("AUTH_DANGER_PLAIN_MASTER_SECRET", same),
            ("AUTH_DANGER_PLAIN_COMPATIBILITY_SECRET", same),
        ]);
        let message = message.unwrap_err().to_string();
        assert!(
            message.contains("AUTH_DANGER_PLAIN_COMPATIBILITY_SECRET is the same"),
            "{message}"
        );
    }

    #[test]
    fn what_is_set_is_kept() {
        let settings = read(&[
            ("AUTH_ALLOWED_ORIGINS", "https://a.example.com, https://b.example.com"),
            ("AUTH_AWS_ATTEMPTS", "2"),
            ("AUTH_COMPATIBILITY_TOKEN_SECONDS", "3600"),
            ("AUTH_EMAIL_VERIFICATION", "required"),
            ("AUTH_HASH_THREADS", "3"),
            ("AUTH_LANGUAGE", "ko"),
            ("AUTH_METRICS", "emf"),
            ("AUTH_REGISTRATION", "private"),
            ("AUTH_REQUEST_SECONDS", "9"),
            ("AUTH_SECRET_CACHE_SECONDS", "0"),
            ("AUTH_SOURCE_LIMITS", "dynamodb"),
            ("AUTH_STRICT_TOKENS", "session"),
            ("AUTH_SUPPORT_CONTACT", "help@example.com"),
            ("AUTH_TABLE_PREFIX", "other-"),
            ("PATH", "not ours"),
        ])
        .unwrap();
        let AllowedOrigins::Only(origins) = &settings.http.allowed_origins else { panic!("any") };
        assert_eq!(origins.len(), 2);
        assert_eq!(settings.aws.max_attempts.get(), 2);
        assert_eq!(settings.compatibility_token_life, Duration::from_hours(1));
        assert_eq!(settings.hashing.threads, 3);
        assert_eq!(settings.http.default_locale, Locale::KO);
        assert_eq!(settings.http.use_case_timeout, Duration::from_secs(9));
        assert_eq!(settings.metrics, Metrics::Emf);
        assert_eq!(settings.secret_life, Duration::ZERO);
        assert_eq!(settings.source_limits, SourceLimits::DynamoDb);
        assert_eq!(settings.email_verification, EmailVerification::RequireVerified);
        assert_eq!(settings.registration, RegistrationMode::Private);
        assert_eq!(settings.support_contact.as_deref(), Some("help@example.com"));
        assert_eq!(settings.token_check, TokenCheck::StrictSession);
        let strict = read(&[("AUTH_STRICT_TOKENS", "on")]).unwrap();
        assert_eq!(strict.token_check, TokenCheck::Strict);
        assert_eq!(settings.table_prefix, "other-");
    }

    #[cfg(unix)]
    #[test]
    fn what_is_not_utf_8_is_refused() {
        use std::os::unix::ffi::OsStringExt;
        let broken = OsString::from_vec(vec![0xff]);
        let message = Settings::read([("AUTH_ISSUER".into(), broken)]).unwrap_err().to_string();
        assert!(message.contains("AUTH_ISSUER is not UTF-8"), "{message}");
    }
}
