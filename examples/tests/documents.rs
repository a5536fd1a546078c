//! The documents name tests that exist.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The text of every Rust file of the workspace's crates.
fn sources(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

/// What a document names between backticks with at least three underscores: a test or a law.
fn tests_named_in(document: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(document)).unwrap();
    let quoted = text.split('`').skip(1).step_by(2);
    let is_name = |word: &&str| {
        word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    quoted
        .filter(is_name)
        .filter(|word| word.matches('_').count() >= 3)
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_test_that_a_document_names_exists() {
    let mut text = String::new();
    let adapters = ["adapters-local", "adapters-http", "adapters-sql", "adapters-aws"];
    for folder in adapters.into_iter().chain(["auth-domain", "lambda-entry", "examples", "benches"])
    {
        sources(&root().join(folder), &mut text);
    }
    for document in ["ARCHITECTURE.md", "SECURITY.md"] {
        let named = tests_named_in(document);
        assert!(named.len() > 10, "{document} names hardly any test");
        let missing: Vec<_> =
            named.iter().filter(|name| !text.contains(&format!("fn {name}("))).collect();
        assert!(missing.is_empty(), "{document} names what is not there: {missing:?}");
    }
}

#[test]
fn every_setting_of_the_server_is_read_from_the_environment() {
    for (file, arguments) in [
        ("examples/server.rs", "struct Arguments {"),
        ("examples/server/telemetry.rs", "struct TelemetryArguments {"),
    ] {
        let text = fs::read_to_string(root().join(file)).unwrap();
        let settings = text.split(arguments).nth(1).unwrap().split("\n}").next().unwrap();
        let fields = settings
            .lines()
            .filter(|line| line.starts_with("    ") && line.ends_with(',') && line.contains(": "))
            // No setting, and in no environment, which whoever comes later inherits.
            .filter(|line| !line.trim().starts_with("danger_"))
            // The settings of a part, which are in a file of its own.
            .filter(|line| !line.ends_with("Arguments,"));
        for field in fields.map(|line| line.trim().split(':').next().unwrap()) {
            let variable = format!("env = \"AUTH_{}\"", field.to_uppercase());
            assert!(settings.contains(&variable), "{field} has no variable");
        }
    }
}

/// The public fields of a struct, in its source.
fn fields_of(source: &str, name: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(source)).unwrap();
    let start = format!("pub struct {name} {{");
    let body = text.split(&start).nth(1).unwrap().split("\n}").next().unwrap();
    let fields = body.lines().filter_map(|line| line.trim().strip_prefix("pub "));
    fields.map(|field| field.split(':').next().unwrap().to_owned()).collect()
}

#[test]
fn the_manual_gives_a_reason_for_every_setting() {
    let page = fs::read_to_string(root().join("examples/manual/defaults.md")).unwrap();
    let fields = fields_of("auth-domain/src/settings.rs", "Settings");
    assert!(fields.len() > 20, "{fields:?}");
    let rows: Vec<_> = page.lines().filter(|line| line.starts_with("| `")).collect();
    for field in fields {
        let name = format!("`{field}`");
        let names = |row: &str| row.split('|').nth(1).is_some_and(|cell| cell.contains(&name));
        assert!(rows.iter().any(|row| names(row)), "{field} is not in the manual");
    }
}
