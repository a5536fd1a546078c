//! The example server, built to be measured as a process of its own.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use serde_json::Value;

/// Where cargo put it.
pub(crate) fn build() -> Result<PathBuf> {
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
