//! The description of the API in other people's tools, against the example server. `AUTH_TEST_SCHEMATHESIS`
//! names the program `st` of PyPI's schemathesis; `AUTH_TEST_TYPESCRIPT` a folder where npm has installed
//! openapi-typescript, openapi-fetch and typescript.
#![expect(clippy::panic, clippy::print_stdout, clippy::unwrap_used, reason = "tests")]

mod process;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use process::Server;

fn peer(variable: &str) -> Option<OsString> {
    let found = std::env::var_os(variable);
    if found.is_none() {
        println!("skipped: {variable} is not set");
    }
    found
}

/// A folder of this test's own, empty.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openapi")
}

/// Without limits, since one address makes thousands of calls.
fn server(mails: &Path) -> Server {
    let settings = [("AUTH_RATE_LIMITS", "off"), ("AUTH_MAIL_FOLDER", mails.to_str().unwrap())];
    Server::start("server", &settings)
}

/// Runs a program to its end, and says all it said if it failed.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let [said, complained] = [&output.stdout, &output.stderr].map(|s| String::from_utf8_lossy(s));
    assert!(output.status.success(), "{command:?}\n{said}\n{complained}");
    said.into_owned()
}

#[test]
fn schemathesis_finds_no_answer_that_is_not_described_and_no_fault() {
    let Some(program) = peer("AUTH_TEST_SCHEMATHESIS") else { return };
    let folder = folder("schemathesis");
    let server = server(&folder);
    let seconds = std::env::var("AUTH_TEST_SCHEMATHESIS_SECONDS").unwrap_or("60".to_owned());
    let log = folder.join("log.txt");
    let status = Command::new("timeout")
        .arg(format!("{}s", seconds.parse::<u32>().unwrap() + 120))
        .arg(program)
        .arg("run")
        .arg(format!("http://{}/openapi.json", server.address))
        .args(["--mode", "all", "--workers", "2", "--no-color"])
        // A body that fits the schema may still be refused: a password that is common, a token that is made up.
        .args(["--exclude-checks", "positive_data_acceptance"])
        .args(["--max-time", &seconds])
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .env("PYTHONPATH", sources())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("SERVER", format!("http://{}", server.address))
        .current_dir(&folder)
        .stdout(fs::File::create(&log).unwrap())
        .status()
        .unwrap();
    let said = fs::read_to_string(&log).unwrap();
    assert!(status.success(), "{said}");
    // Its bearers' calls were made by somebody who is logged in.
    for call in ["GET /auth/me", "GET /auth/sessions", "DELETE /auth/sessions", "DELETE /auth/me"] {
        let refused = said.lines().any(|line| line.trim() == format!("- {call}"));
        assert!(!refused, "{call} was always refused: {said}");
    }
    println!("{said}\nthe log: {}", log.display());
}

#[test]
fn a_client_of_generated_types_compiles_and_walks_the_life_of_an_account() {
    let Some(modules) = peer("AUTH_TEST_TYPESCRIPT").map(PathBuf::from) else { return };
    let folder = folder("typescript");
    let mails = folder.join("mails");
    let server = server(&mails);
    fs::copy(sources().join("life.ts"), folder.join("life.ts")).unwrap();
    fs::write(folder.join("package.json"), r#"{ "type": "module" }"#).unwrap();
    std::os::unix::fs::symlink(modules.join("node_modules"), folder.join("node_modules")).unwrap();
    let document = format!("http://{}/openapi.json", server.address);
    let program = |name: &str| {
        let mut command = Command::new(folder.join("node_modules/.bin").join(name));
        command.current_dir(&folder);
        command
    };
    run(program("openapi-typescript").args([document.as_str(), "--output", "api.d.ts"]));
    run(program("tsc").args([
        "--strict",
        "--target",
        "es2022",
        "--module",
        "nodenext",
        "--moduleResolution",
        "nodenext",
        "--types",
        "node",
        "--outDir",
        "built",
        "life.ts",
    ]));
    fs::write(folder.join("built/package.json"), r#"{ "type": "module" }"#).unwrap();
    let said = run(Command::new("node")
        .arg("built/life.js")
        .env("SERVER", format!("http://{}", server.address))
        .env("MAILS", &mails)
        .current_dir(&folder));
    assert!(said.contains("the life of an account"), "{said}");
    println!("{said}");
}
