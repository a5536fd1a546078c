//! The example server, built to be measured as a process of its own.

use std::io::{self, BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};
use serde_json::Value;

/// Builds it; where cargo put it.
///
/// # Errors
/// Cargo's.
pub fn build() -> Result<PathBuf> {
    let output = Command::new("cargo")
        .args(["build", "--release", "-p", "examples", "--example", "server"])
        .arg("--message-format=json")
        .stderr(Stdio::inherit())
        .output()?;
    let lines = String::from_utf8(output.stdout)?;
    let messages = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut built =
        messages.filter_map(|message| Some(PathBuf::from(message["executable"].as_str()?)));
    built.next_back().context("the server was not built")
}

/// A server as a process of its own, until it is dropped.
#[derive(Debug)]
#[non_exhaustive]
pub struct Server {
    /// The process.
    pub child: Child,
    /// Host and port.
    pub address: String,
}

impl Server {
    /// Runs a program whose first line ends in the URL that it listens at.
    ///
    /// # Errors
    /// It does not start, or says something else.
    pub fn start(command: &mut Command) -> Result<Self> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut output = BufReader::new(child.stdout.take().context("no output")?);
        let mut line = String::new();
        output.read_line(&mut line)?;
        let address = line.trim().split_once("http://").map(|(_, address)| address.to_owned());
        let mut server = Self { child, address: String::new() };
        server.address = address.with_context(|| format!("does not start: {command:?}"))?;
        // What it prints further is nobody's business, and a full pipe would stop it.
        std::thread::spawn(move || io::copy(&mut output, &mut io::sink()));
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
