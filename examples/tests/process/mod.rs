//! An example as a child process.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// Built by cargo itself, so that it is there and current however the tests were started, and optimised if
/// they are.
fn executable(example: &str) -> PathBuf {
    static EXECUTABLES: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut executables = EXECUTABLES.lock().unwrap();
    executables.entry(example.to_owned()).or_insert_with(|| build(example)).clone()
}

fn build(example: &str) -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["build", "--offline", "-p", "examples", "--example", example])
        .args(if cfg!(debug_assertions) { &[][..] } else { &["--release"] })
        .arg("--message-format=json")
        .output()
        .unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let built = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut executables =
        built.filter_map(|message| Some(message["executable"].as_str()?.to_owned()));
    PathBuf::from(executables.next_back().unwrap_or_else(|| panic!("{example} was not built")))
}

pub(crate) fn command(example: &str, settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(executable(example));
    command.env_clear().env("AUTH_LISTEN", "127.0.0.1:0").env("AUTH_STORE", "memory");
    command.envs(settings.iter().copied());
    command
}

/// On a free port, killed when it is dropped.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) address: String,
    pub(crate) lines: Mutex<Receiver<String>>,
}

impl Server {
    pub(crate) fn start(example: &str, settings: &[(&str, &str)]) -> Self {
        Self::of(command(example, settings))
    }

    pub(crate) fn of(mut command: Command) -> Self {
        command.stderr(Stdio::null());
        Self::with_log(command)
    }

    /// One whose log goes where the command says.
    pub(crate) fn with_log(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = Mutex::new(read_lines(child.stdout.take().unwrap()));
        let mut server = Self { child, address: String::new(), lines };
        let line = server.line_with("listening on http://");
        line.split("http://").nth(1).unwrap().clone_into(&mut server.address);
        server
    }

    /// The next line of what it prints that has this text.
    pub(crate) fn line_with(&self, text: &str) -> String {
        loop {
            let line = self.lines.lock().unwrap().recv_timeout(Duration::from_secs(20));
            let line = line.unwrap_or_else(|_| panic!("the server printed no line with {text:?}"));
            if line.contains(text) {
                return line;
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_lines(output: ChildStdout) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    lines
}
