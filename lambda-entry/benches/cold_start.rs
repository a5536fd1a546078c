//! How long a cold start takes: from exec to the first poll for an event, medians of interleaved runs of this
//! program, of an empty program over `lambda_http` (`examples/empty.rs`), and of a Python function that
//! imports boto3 and makes the same four clients, if `AUTH_TEST_MOTO` names a python that has boto3.
//!
//! `cargo bench --profile lambda -p lambda-entry --bench cold_start`
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement")]

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const ROUNDS: usize = 20;
const ARN: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:master-AbCdEf";
const PYTHON: &str = "
import http.client, os
import boto3
clients = [boto3.client(name) for name in ('dynamodb', 'sesv2', 'sqs', 'secretsmanager')]
runtime = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])
runtime.request('GET', '/2018-06-01/runtime/invocation/next')
runtime.getresponse()
";
const SECRET: &str = r#"{"ARN":"arn","Name":"master","VersionId":"1","SecretString":"0123456789abcdef0123456789abcdef"}"#;
const HEALTH: &str = r#"{"rawPath":"/healthz","requestContext":{"stage":"$default","http":{"method":"GET","sourceIp":"203.0.113.7"}}}"#;

fn main() {
    let rounds = if std::env::args().any(|argument| argument == "--bench") { ROUNDS } else { 1 };
    let lambda = TcpListener::bind("127.0.0.1:0").unwrap();
    let secrets = serve_secrets();
    let ours = PathBuf::from(env!("CARGO_BIN_EXE_bootstrap"));
    let empty = build_empty(&ours);
    let python = std::env::var_os("AUTH_TEST_MOTO");
    let mut polls = [Vec::new(), Vec::new(), Vec::new()];
    let (mut answers, mut memory) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let mut run = Run::start(Command::new(&ours), &lambda, &secrets);
        polls[0].push(run.polled);
        answers.push(run.answer());
        memory.push(run.resident_kib());
        polls[1].push(Run::start(Command::new(&empty), &lambda, &secrets).polled);
        if let Some(python) = &python {
            let mut command = Command::new(python);
            command.args(["-c", PYTHON]);
            polls[2].push(Run::start(command, &lambda, &secrets).polled);
        }
    }
    report(polls, answers, memory);
}

fn report(polls: [Vec<Duration>; 3], answers: Vec<Duration>, memory: Vec<u64>) {
    let [ours, empty, python] = polls.map(median);
    let ours = ours.unwrap();
    let times = |other: Duration| ours.as_secs_f64() / other.as_secs_f64();
    println!("exec to first poll, medians:");
    println!("  this program            {ours:>10.2?}");
    if let Some(empty) = empty {
        println!(
            "  empty lambda_http       {empty:>10.2?}   {:.2} times (at most 3)",
            times(empty)
        );
    }
    match python {
        Some(python) => {
            println!(
                "  Python with boto3       {python:>10.2?}   1/{:.0} (at most 1/20)",
                1.0 / times(python)
            );
        }
        None => println!("  Python: skipped, AUTH_TEST_MOTO does not name a python that has boto3"),
    }
    println!("exec to first answer      {:>10.2?}", median(answers).unwrap());
    println!("resident then             {:>10.1} MiB", median(memory).unwrap() as f64 / 1024.0);
}

fn median<T: Ord + Copy>(mut values: Vec<T>) -> Option<T> {
    values.sort();
    values.get(values.len() / 2).copied()
}

/// `cargo bench` builds no examples.
/// By the profile that ours was built by, whose name is its folder's, but for that of debug builds.
fn build_empty(ours: &Path) -> PathBuf {
    let profile = ours.parent().and_then(Path::file_name).unwrap();
    let profile = if profile == "debug" { OsStr::new("dev") } else { profile };
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--locked", "--example", "empty", "--profile"]);
    build.arg(profile);
    build.current_dir(env!("CARGO_MANIFEST_DIR"));
    assert!(build.status().unwrap().success());
    ours.with_file_name("examples").join("empty")
}

/// One process, from its start to its first poll.
struct Run {
    child: Child,
    begun: Instant,
    polled: Duration,
    stream: TcpStream,
}

impl Run {
    fn start(mut command: Command, lambda: &TcpListener, secrets: &str) -> Self {
        let command = command
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", lambda.local_addr().unwrap().to_string())
            .envs(VARIABLES.iter().copied())
            .env("AWS_ENDPOINT_URL_SECRETS_MANAGER", secrets)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let begun = Instant::now();
        let child = command.spawn().unwrap();
        let (mut stream, _) = lambda.accept().unwrap();
        let head = read_request(&mut stream);
        let polled = begun.elapsed();
        assert!(head.starts_with("GET /2018-06-01/runtime/invocation/next "), "{head}");
        Self { child, begun, polled, stream }
    }

    /// Gives it an event and waits for its answer, which is a good one.
    fn answer(&mut self) -> Duration {
        let headers =
            "Lambda-Runtime-Aws-Request-Id: 1\r\nLambda-Runtime-Deadline-Ms: 9999999999999\r\n";
        respond(&mut self.stream, headers, HEALTH);
        let request = read_request(&mut self.stream);
        let answered = self.begun.elapsed();
        assert!(request.contains(r#""statusCode":200"#), "{request}");
        answered
    }

    fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
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
    ("AUTH_MASTER_SECRET_ARN", ARN),
    ("AUTH_SERVICE_NAME", "Example"),
    ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
    ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
    ("AWS_LAMBDA_FUNCTION_NAME", "auth"),
    ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
    ("AWS_REGION", "us-east-1"),
    ("AWS_DEFAULT_REGION", "us-east-1"),
    ("AWS_SECRET_ACCESS_KEY", "example"),
];

/// A request's head and body.
fn read_request(stream: &mut TcpStream) -> String {
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

fn respond(stream: &mut TcpStream, headers: &str, body: &str) {
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {length}\r\n\r\n");
    stream.write_all((head + body).as_bytes()).unwrap();
}

/// A Secrets Manager with one secret.
fn serve_secrets() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut byte = [0];
                while stream.peek(&mut byte).is_ok_and(|read| read > 0) {
                    read_request(&mut stream);
                    respond(&mut stream, "", SECRET);
                }
            });
        }
    });
    endpoint
}
