//! A client that calls the example server without pause, over a connection that it keeps.

use std::io::ErrorKind;
use std::time::Duration;

use serde_json::Value;

/// What every server of such a test is told.
pub(crate) const SETTINGS: [(&str, &str); 2] = [
    ("AUTH_MASTER_SECRET", "c2l4dGVlbiBieXRlcyB0d2ljZSBtYWtlIHRoaXJ0eS10d28="),
    ("AUTH_RATE_LIMITS", "off"),
];

pub(crate) struct Caller {
    agent: ureq::Agent,
    address: String,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<String>,
    pub(crate) body: Value,
}

/// No answer came.
#[derive(Debug)]
pub(crate) struct Lost {
    /// Whether the call may have been carried out.
    pub(crate) sent: bool,
}

impl Caller {
    pub(crate) fn new(address: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(Duration::from_secs(60)));
        Self { agent: config.build().into(), address: address.to_owned() }
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Answer, Lost> {
        let request = self
            .agent
            .post(format!("http://{}/auth/{path}", self.address))
            .header("Content-Type", "application/json");
        let mut response = request.send(body.to_string()).map_err(lost)?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get("Retry-After");
        let retry_after = retry_after.map(|value| value.to_str().unwrap().to_owned());
        let text = response.body_mut().read_to_string().map_err(lost)?;
        Ok(Answer { status, retry_after, body: serde_json::from_str(&text).unwrap() })
    }
}

fn lost(error: ureq::Error) -> Lost {
    match error {
        ureq::Error::Io(error) => Lost { sent: error.kind() != ErrorKind::ConnectionRefused },
        ureq::Error::Protocol(_) => Lost { sent: true },
        error => panic!("no answer, and no lost connection either: {error}"),
    }
}

impl Answer {
    /// Of a refusal.
    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    pub(crate) fn refresh_token(&self) -> String {
        self.body["refresh_token"].as_str().unwrap().to_owned()
    }
}
