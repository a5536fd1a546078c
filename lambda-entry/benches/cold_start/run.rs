//! A process, and the Runtime API that it polls.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The Runtime API.
pub(crate) struct Lambda(TcpListener);

impl Lambda {
    pub(crate) fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    /// A process with these variables and those of Lambda, until it polls.
    pub(crate) fn run(&self, mut command: Command, variables: &[(&str, String)]) -> Run {
        let command = command
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", self.0.local_addr().unwrap().to_string())
            .envs(VARIABLES.iter().copied())
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let begun = Instant::now();
        let child = command.spawn().unwrap();
        let (mut stream, _) = self.0.accept().unwrap();
        let head = read_request(&mut stream);
        let polled = begun.elapsed();
        assert!(is_poll(&head), "{head}");
        Run { child, begun, polled, stream, waits: true }
    }
}

/// One process, from its start on.
pub(crate) struct Run {
    child: Child,
    begun: Instant,
    /// From its start to its first poll.
    pub(crate) polled: Duration,
    stream: TcpStream,
    /// It has polled, and was not answered yet.
    waits: bool,
}

impl Run {
    /// Gives it an event and waits for its answer, which is a good one. How long that took, and its body.
    pub(crate) fn answer(&mut self, event: &Value) -> (Duration, Value) {
        if !self.waits {
            let poll = read_request(&mut self.stream);
            assert!(is_poll(&poll), "{poll}");
        }
        let headers =
            "Lambda-Runtime-Aws-Request-Id: 1\r\nLambda-Runtime-Deadline-Ms: 9999999999999\r\n";
        let given = Instant::now();
        respond(&mut self.stream, headers, &event.to_string());
        let request = read_request(&mut self.stream);
        let took = given.elapsed();
        self.waits = false;
        respond(&mut self.stream, "", "");
        let (_, answer) = request.split_once("\r\n\r\n").unwrap();
        let answer: Value = serde_json::from_str(answer).unwrap();
        assert!(matches!(answer["statusCode"].as_u64(), Some(200..=299)), "{answer}");
        (took, serde_json::from_str(answer["body"].as_str().unwrap()).unwrap_or_default())
    }

    pub(crate) fn since_exec(&self) -> Duration {
        self.begun.elapsed()
    }

    pub(crate) fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// What all its threads have computed, as `benches/enumeration/cpu.rs` reads it.
    pub(crate) fn cpu(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let figures = tasks.map(|task| fs::read_to_string(task.unwrap().path().join("schedstat")));
        let nanoseconds = figures
            .map(|figures| -> u64 { figures.unwrap().split(' ').next().unwrap().parse().unwrap() });
        Duration::from_nanos(nanoseconds.sum())
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

const VARIABLES: &[(&str, &str)] = &[
    ("AUTH_AUDIENCE", "app"),
    ("AUTH_ISSUER", "https://auth.example.com"),
    ("AUTH_LINK_BASE", "https://example.com/reset-password"),
    ("AUTH_MAIL_FROM", "noreply@example.com"),
    ("AUTH_MAIL_QUEUE_URL", "https://sqs.us-east-1.amazonaws.com/123456789012/mail"),
    (
        "AUTH_MASTER_SECRET_ARN",
        "arn:aws:secretsmanager:us-east-1:123456789012:secret:master-AbCdEf",
    ),
    ("AUTH_SERVICE_NAME", "Example"),
    ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
    ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
    ("AWS_LAMBDA_FUNCTION_NAME", "auth"),
    ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
    ("AWS_REGION", "us-east-1"),
    ("AWS_DEFAULT_REGION", "us-east-1"),
    ("AWS_SECRET_ACCESS_KEY", "example"),
];

fn is_poll(head: &str) -> bool {
    head.starts_with("GET /2018-06-01/runtime/invocation/next ")
}

/// A request's head and body.
pub(crate) fn read_request(stream: &mut TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    while !request.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut request).unwrap(), 0, "{request}");
    }
    let length = request.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().unwrap())
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    request + std::str::from_utf8(&body).unwrap()
}

pub(crate) fn respond(stream: &mut TcpStream, headers: &str, body: &str) {
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {length}\r\n\r\n");
    stream.write_all((head + body).as_bytes()).unwrap();
}
