//! [`auth_domain`] on AWS Lambda: HTTP behind API Gateway or a function URL, and mail jobs from SQS.
//!
//! One binary serves REST APIs (payload 1.0), HTTP APIs and function URLs (2.0), and SQS events; the shape
//! of an event says which it is. Two functions may therefore run it, each with the permissions of its half.
//! A queue's event source mapping must have `ReportBatchItemFailures`.
//!
//! It is set up by environment variables alone. All are checked at start, and every problem is told
//! at once, by the variable's name and never with its value. An empty variable counts as not set; one
//! that begins with `AUTH_` and is not in this table is refused.
//!
//! | variable | default | meaning |
//! |---|---|---|
//! | `AUTH_ALLOWED_ORIGINS` | | web origins that may call, separated by commas; `*` for all |
//! | `AUTH_AUDIENCE` | required | audience (`aud`) of access tokens |
//! | `AUTH_AWS_ATTEMPTS` | `11` | most tries of one call to AWS, 1 to 20 |
//! | `AUTH_AWS_ATTEMPT_MS` | `1500` | time for one of them, in milliseconds |
//! | `AUTH_AWS_DEADLINE_MS` | `4000` | time for all of them, in milliseconds; at most that of a request |
//! | `AUTH_AWS_ROOTS` | `amazon` | certificates to trust: `amazon`, or `system` behind a proxy that opens TLS |
//! | `AUTH_COMPATIBILITY_SECRET_ARN` | | secret shared with a service of the old system: the `token` of the login answer is then an HS256 one for it |
//! | `AUTH_COMPATIBILITY_TOKEN_SECONDS` | `604800` | life of that token, 60 s to a year |
//! | `AUTH_DANGER_PLAIN_COMPATIBILITY_SECRET` | | the shared secret itself, for tests: whoever may see the function's settings sees it |
//! | `AUTH_DANGER_PLAIN_MASTER_SECRET` | | the master secret itself, likewise |
//! | `AUTH_DANGER_PLAIN_PEPPERS` | | the peppers themselves, likewise |
//! | `AUTH_EMAIL_VERIFICATION` | `not-asked` | whether who signs up confirms the address: `asked` mails a link, `required` lets nobody log in before it is used |
//! | `AUTH_HASH_QUEUE` | `32` | passwords that may wait to be hashed; beyond them the answer is 503 |
//! | `AUTH_HASH_THREADS` | cores | threads that hash passwords, 19 MiB each |
//! | `AUTH_ISSUER` | required | issuer (`iss`) of access tokens |
//! | `AUTH_LANGUAGE` | `en` | language of answers to clients that ask for none we have: `en` or `ko` |
//! | `AUTH_LINK_BASE` | required | where reset links lead; https. Links that confirm an address lead to `verify-email` and `confirm-email` beside it |
//! | `AUTH_MAIL_FROM` | required | address that mails come from, an identity of SES |
//! | `AUTH_MAIL_QUEUE_URL` | required | the SQS queue of mail jobs |
//! | `AUTH_MAIL_REPLY_TO` | | address that answers to mails go to |
//! | `AUTH_MASTER_SECRET_ARN` | required | the master secret in Secrets Manager: its bytes as they stand, at least 32 |
//! | `AUTH_METRICS` | `off` | `emf`: a line in the log for each event that counts in a metric, from which CloudWatch makes it (`adapters_aws::EmfEvents`), at the price of custom metrics. The dimension `Service` is `AUTH_TABLE_PREFIX` |
//! | `AUTH_PEPPERS_ARN` | | secret whose keys go into every password hash: `id:key`, the key 32 bytes or more in base64; the first is hashed with, others after commas are of older hashes. Lost, it locks out everybody who has not reset the password |
//! | `AUTH_REGISTRATION` | `open` | `private`: a sign-up is answered alike whether or not the address is taken; needs `AUTH_EMAIL_VERIFICATION=required` |
//! | `AUTH_REQUEST_SECONDS` | `20` | time for one request, 1 to 890 s; less when the invocation ends before |
//! | `AUTH_SECRET_CACHE_SECONDS` | `300` | how long a fetched secret is good before it is asked for again |
//! | `AUTH_SERVICE_NAME` | required | what mails call this service |
//! | `AUTH_SES_CONFIGURATION_SET` | | configuration set of mails |
//! | `AUTH_SOURCE_LIMITS` | `instance` | where limits on requests are counted: `instance`, or `dynamodb` for one write more a request and without limits for everybody together. Mail caps are always in DynamoDB |
//! | `AUTH_STRICT_TOKENS` | `off` | `on`: each token check reads the account, so that a reset ends access tokens at once; while rows are kept under addresses that are not canonical, their owners' tokens are then refused. `session`: it reads session and account, so that a logout does, too |
//! | `AUTH_SUPPORT_CONTACT` | | whom mails name to somebody who lost an account: an address or a page |
//! | `AUTH_TABLE_PREFIX` | `alcolook-` | in front of the names of tables |
//!
//! Region, credentials and endpoints are found as every AWS SDK finds them.
//!
//! The log is JSON, a line for each event, with the spans that it is in: that of the invocation
//! (`requestId`, which is Lambda's, and `xrayTraceId`), that of the request (`request_id`, which is API
//! Gateway's) and that of the use case. `AWS_LAMBDA_LOG_LEVEL`, which Lambda sets, leaves out what is below `WARN` or
//! `ERROR`; finer than `INFO` it gets no finer.

#[cfg(panic = "abort")]
compile_error!("the router and the runtime catch panics: build with panic = \"unwind\"");

mod compose;
mod http_event;
mod peppers;
mod secret;
mod service;
mod settings;

use std::sync::Arc;

use anyhow::{Result, ensure};
use lambda_runtime::{Diagnostic, service_fn};
use lambda_runtime_api_client::PooledClient;
use lambda_runtime_api_client::body::Body;
use tracing::level_filters::LevelFilter;

use crate::compose::Composition;
use crate::settings::Settings;

/// One thread serves: an instance is given one event at a time, and passwords are hashed on threads of
/// their own.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    tracing_subscriber::fmt()
        .log_internal_errors(false)
        .json()
        .with_current_span(false)
        .with_span_list(true)
        .with_max_level(level(std::env::var("AWS_LAMBDA_LOG_LEVEL").ok().as_deref()))
        .init();
    let composition = match start().await {
        Ok(composition) => composition,
        Err(error) => {
            tell_lambda(&error).await;
            return Err(error);
        }
    };
    let first = Arc::clone(&composition);
    // The secrets come while Lambda makes the first event ready; who needs them waits for this.
    tokio::spawn(async move { first.services().await.map(drop) });
    let served = lambda_runtime::run(service_fn(|event| composition.handle(event))).await;
    served.map_err(|error| anyhow::anyhow!(error))
}

/// At finer levels than info the SDK and the runtime log whole requests.
fn level(of_lambda: Option<&str>) -> LevelFilter {
    match of_lambda {
        Some("WARN") => LevelFilter::WARN,
        Some("ERROR" | "FATAL") => LevelFilter::ERROR,
        _ => LevelFilter::INFO,
    }
}

async fn start() -> Result<Arc<Composition>> {
    ensure!(is_on_lambda(), "AWS Lambda runs this program: there is no AWS_LAMBDA_RUNTIME_API");
    let settings = Settings::read(std::env::vars_os())?;
    Ok(Arc::new(Composition::new(settings).await?))
}

/// Says why there will be no answers, so that whoever calls the function sees more than that it ended.
async fn tell_lambda(error: &anyhow::Error) {
    let diagnostic = Diagnostic {
        error_type: "Runtime.InitError".to_owned(),
        error_message: format!("{error:#}"),
    };
    let request = axum::http::Request::post("/2018-06-01/runtime/init/error")
        .header("lambda-runtime-function-error-type", &diagnostic.error_type)
        .body(Body::from(serde_json::to_vec(&diagnostic).unwrap_or_default()));
    if let (Ok(request), true) = (request, is_on_lambda()) {
        let told = PooledClient::builder().build().call(request).await;
        told.map(drop).unwrap_or_else(|error| tracing::error!("Lambda was not told: {error}"));
    }
}

fn is_on_lambda() -> bool {
    std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_level_of_lambdas_makes_the_log_finer_than_info() {
        for (of_lambda, expected) in [
            (None, LevelFilter::INFO),
            (Some("TRACE"), LevelFilter::INFO),
            (Some("DEBUG"), LevelFilter::INFO),
            (Some("INFO"), LevelFilter::INFO),
            (Some("WARN"), LevelFilter::WARN),
            (Some("ERROR"), LevelFilter::ERROR),
            (Some("FATAL"), LevelFilter::ERROR),
            (Some("nonsense"), LevelFilter::INFO),
        ] {
            assert_eq!(level(of_lambda), expected, "{of_lambda:?}");
        }
    }
}
