//! The dependency rule: `auth-domain` <- `adapters-*` <- whoever composes them.
//!
//! The domain stays free of I/O, runtimes and machinery, the HTTP adapter of clouds, and no adapter
//! knows another. Asked of cargo itself, so that a dependency of a dependency counts too.
#![expect(clippy::expect_used, reason = "a test panics when it fails")]

use std::process::{Command, Output};

use serde_json::Value;

/// What makes I/O, a runtime, a protocol, or what an adapter is there to choose. A `*` stands for any
/// rest of a name.
const NOT_IN_THE_DOMAIN: &[&str] = &[
    "argon2",
    "async-std",
    "aws*",
    "axum*",
    "getrandom",
    "governor",
    "http",
    "http-*",
    "hyper*",
    "jsonwebtoken",
    "lambda*",
    "lettre*",
    "log",
    "mio",
    "openssl*",
    "rand",
    "rand_*",
    "reqwest*",
    "ring",
    "rustls*",
    "smol",
    "socket2",
    "sqlx*",
    "tokio*",
    "tower*",
    // Not `tracing` itself, the façade: a use case's span is opened where the use case begins, whoever
    // drives it. It does no I/O, and where nobody listens it costs a load of an atomic.
    "opentelemetry*",
    "tracing-appender",
    "tracing-attributes",
    "tracing-futures",
    "tracing-log",
    "tracing-opentelemetry",
    "tracing-serde",
    "tracing-subscriber",
];

const NOT_IN_THE_HTTP_ADAPTER: &[&str] =
    &["argon2", "aws*", "jsonwebtoken", "lambda*", "lettre*", "sqlx*"];

#[test]
fn the_domain_depends_on_no_machinery() {
    let found = forbidden(&normal_tree("auth-domain"), NOT_IN_THE_DOMAIN);
    assert!(found.is_empty(), "auth-domain depends on {found:?}");
}

#[test]
fn the_http_adapter_depends_on_no_cloud_and_no_other_adapters_machinery() {
    let member = "adapters-http";
    if !members(&workspace()).iter().any(|(name, _)| name == member) {
        return;
    }
    let found = forbidden(&normal_tree(member), NOT_IN_THE_HTTP_ADAPTER);
    assert!(found.is_empty(), "{member} depends on {found:?}");
}

#[test]
fn dependencies_point_inwards() {
    let members = members(&workspace());
    assert!(members.iter().any(|(name, _)| name == "auth-domain"));
    let found = outward(&members);
    assert!(found.is_empty(), "against the rule: {found:?}");
}

#[test]
fn the_check_of_a_tree_finds_what_is_forbidden_and_nothing_else() {
    let tree = "auth-domain v0.1.0 (/somewhere/tokio)\n\
                tokio v1.48.0\n\
                tokio-util v0.7.0 (*)\n\
                http v1.4.0\n\
                httparse v1.10.0\n\
                html-escape v0.2.13 (proc-macro)\n\
                tokio v1.48.0 (*)\n\
                \n";
    assert_eq!(forbidden(tree, NOT_IN_THE_DOMAIN), ["http", "tokio", "tokio-util"]);
    assert!(forbidden("auth-domain v0.1.0\nsha2 v0.11.0\n", NOT_IN_THE_DOMAIN).is_empty());
}

#[test]
fn the_check_of_members_finds_an_adapter_that_knows_another() {
    let member = |name: &str, on: &[&str]| {
        let on = on.iter().map(|name| (*name).to_owned()).collect();
        (name.to_owned(), on)
    };
    let members: [Member; 4] = [
        member("auth-domain", &["sha2", "adapters-local"]),
        member("adapters-http", &["auth-domain", "axum"]),
        member("adapters-sql", &["auth-domain", "adapters-http"]),
        member("lambda-entry", &["auth-domain", "adapters-http"]),
    ];
    let found = outward(&members);
    let against = ["auth-domain -> adapters-local", "adapters-sql -> adapters-http"];
    assert_eq!(found, against);
}

/// A package of the workspace, and what it depends on by other than tests.
type Member = (String, Vec<String>);

/// The packages of a tree, as `cargo tree --prefix none` prints it, that a list forbids: sorted, each
/// once.
fn forbidden(tree: &str, list: &[&str]) -> Vec<String> {
    let names = tree.lines().filter_map(|line| line.split_whitespace().next());
    let mut found: Vec<_> = names
        .filter(|name| list.iter().any(|pattern| is_named(name, pattern)))
        .map(str::to_owned)
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn is_named(name: &str, pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    }
}

/// Each dependency of the domain or an adapter on an adapter or on an entry.
fn outward(members: &[Member]) -> Vec<String> {
    let is_inner = |name: &str| name == "auth-domain" || name.starts_with("adapters-");
    let is_outer = |name: &str| name != "auth-domain" && members.iter().any(|(m, _)| m == name);
    let is_adapter = |name: &str| name.starts_with("adapters-");
    members
        .iter()
        .filter(|(member, _)| is_inner(member))
        .flat_map(|(member, on)| on.iter().map(move |on| (member, on)))
        .filter(|(_, on)| is_outer(on) || is_adapter(on))
        .map(|(member, on)| format!("{member} -> {on}"))
        .collect()
}

/// Every package that is compiled into `package`, with all its features.
fn normal_tree(package: &str) -> String {
    let chosen = ["-e", "normal", "--all-features", "--prefix", "none"];
    let tree = cargo(&[&["tree", "-p", package], &chosen[..]].concat());
    assert!(tree.starts_with(package), "cargo printed another tree");
    tree
}

fn workspace() -> Value {
    let metadata = cargo(&["metadata", "--no-deps", "--format-version", "1"]);
    serde_json::from_str(&metadata).expect("cargo metadata is JSON")
}

fn members(workspace: &Value) -> Vec<Member> {
    let packages = workspace["packages"].as_array().expect("packages");
    let name = |value: &Value| value["name"].as_str().expect("a name").to_owned();
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().expect("dependencies");
            let not_of_tests = dependencies.iter().filter(|on| on["kind"] != "dev");
            (name(package), not_of_tests.map(name).collect())
        })
        .collect()
}

/// What cargo prints. Without the network; only where that fails, because packages of other members
/// were never fetched, with it. The lock file stays as it is.
fn cargo(arguments: &[&str]) -> String {
    let run = |extra: &[&str]| -> Output {
        Command::new(env!("CARGO"))
            .args(arguments)
            .args(extra)
            .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")])
            .output()
            .expect("cargo runs")
    };
    let mut output = run(&["--offline", "--locked"]);
    if !output.status.success() {
        output = run(&["--locked"]);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?} failed: {errors}");
    String::from_utf8(output.stdout).expect("cargo prints UTF-8")
}
