//! `canonicalize-addresses` as its operators run it: a process of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Output, Stdio};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;
use tokio::sync::Notify;

use super::*;

fn program(endpoint: &str, arguments: &[&str]) -> Command {
    let mut program = bare_program(arguments);
    program
        .env("AWS_ENDPOINT_URL_DYNAMODB", endpoint)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "canary-secret");
    program
}

/// With nothing of this machine's AWS.
fn bare_program(arguments: &[&str]) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_canonicalize-addresses"));
    let table: &[&str] = if arguments.contains(&"--table") { &[] } else { &["--table", TABLE] };
    program
        .args(table)
        .args(["--pause-ms", "0", "--page-size", "3"])
        .args(arguments)
        .env_clear()
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    program
}

async fn run(dynamo: &Dynamo, arguments: &[&str]) -> Output {
    program(&dynamo.endpoint, arguments).output().await.unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn said(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

fn printed(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

/// A folder of the test's own.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Sends Ctrl-C while call `held` waits for its answer; that comes once the program has heard.
async fn interrupted(dynamo: &Dynamo, held: usize, arguments: &[&str]) -> Output {
    let (arrived, released) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, wait) = (Arc::clone(&arrived), Arc::clone(&released));
    let tap = tapped(dynamo, move |call| {
        let (tell, wait) = (Arc::clone(&tell), Arc::clone(&wait));
        async move {
            if call.number == held {
                tell.notify_one();
                wait.notified().await;
            }
            Fate::Pass
        }
    })
    .await;
    let mut child = program(&tap.endpoint, arguments).spawn().unwrap();
    arrived.notified().await;
    let id = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().await.unwrap().success());
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).await.unwrap();
    assert!(line.starts_with("stopping after this step"), "{line}");
    released.notify_one();
    let mut rest = Vec::new();
    stderr.read_to_end(&mut rest).await.unwrap();
    Output { stderr: rest, ..child.wait_with_output().await.unwrap() }
}

#[tokio::test]
async fn exit_codes_say_what_is_left() {
    let (clean, movable) = (row("zoe@example.com", "z"), row("Ann@example.com", "a"));
    let unreadable = row("nobody", "n");
    let collision = [row("Bob@example.com", "b1"), row("BOB@example.com", "b2")];
    let cases: [(&[Item], i32, i32); 5] = [
        (&[], 0, 0),
        (std::slice::from_ref(&clean), 0, 0),
        (&[clean.clone(), movable.clone()], 2, 0),
        (&collision, 3, 3),
        (&[movable, unreadable], 2, 3),
    ];
    for (n, (rows, dry, applied)) in cases.into_iter().enumerate() {
        let dynamo = filled(rows).await;
        assert_eq!(code(&run(&dynamo, &[]).await), dry, "case {n}");
        assert_eq!(table(&dynamo.client).await, as_table(rows), "case {n}");
        assert_eq!(code(&run(&dynamo, &["--apply"]).await), applied, "case {n}");
        assert_eq!(code(&run(&dynamo, &[]).await), applied, "case {n}");
    }
}

#[tokio::test]
async fn a_wrong_argument_is_an_error_and_help_lists_every_code() {
    let wrong = bare_program(&["--aply"]).output().await.unwrap();
    assert_eq!(code(&wrong), 1);
    let help = bare_program(&["--help"]).output().await.unwrap();
    assert_eq!(code(&help), 0);
    for code in ["  0  ", "  1  ", "  2  ", "  3  ", "  130  "] {
        assert!(printed(&help).contains(code), "{code}");
    }
}

#[tokio::test]
async fn a_failure_names_its_cause_and_what_to_do() {
    let dynamo = filled(&[]).await;
    let mut no_credentials = bare_program(&[]);
    no_credentials.env("AWS_REGION", "us-east-1");
    let cases = [
        (bare_program(&[]), "no AWS region: set AWS_REGION"),
        (no_credentials, "no AWS credentials: set AWS_PROFILE"),
        (program(&dynamo.endpoint, &["--table", "other"]), "There is no such table here"),
    ];
    for (mut program, cause) in cases {
        let output = program.output().await.unwrap();
        assert_eq!(code(&output), 1);
        assert!(said(&output).contains(cause), "{}", said(&output));
        assert!(!said(&output).contains("canary"), "{}", said(&output));
    }
}

#[tokio::test]
async fn a_refusal_by_aws_is_explained() {
    let cases = [
        ("ResourceNotFoundException", "There is no such table here"),
        ("AccessDeniedException", "--help lists the permissions"),
        ("UnrecognizedClientException", "log in again"),
        ("ExpiredTokenException", "log in again"),
    ];
    for (name, advice) in cases {
        let dynamo = filled(&[]).await;
        let tap = tapped(&dynamo, move |_| async move { refusal(name, "") }).await;
        let output = program(&tap.endpoint, &[]).output().await.unwrap();
        assert_eq!(code(&output), 1);
        let said = said(&output);
        assert!(said.contains(name) && said.contains(advice), "{said}");
        assert!(printed(&output).is_empty());
    }
}

#[tokio::test]
async fn it_does_without_the_permission_to_describe_the_table() {
    let dynamo = filled(&[row("Ann@example.com", "a")]).await;
    let tap = tapped(&dynamo, |call| async move {
        let describe = call.operation == "DescribeTable";
        if describe { refusal("AccessDeniedException", "") } else { Fate::Pass }
    })
    .await;
    let output = program(&tap.endpoint, &["--apply"]).output().await.unwrap();
    assert_eq!(code(&output), 0, "{}", said(&output));
    assert_eq!(table(&dynamo.client).await, as_table(&[row("ann@example.com", "a")]));
}

#[tokio::test]
async fn addresses_are_shown_only_when_asked_for() {
    let dynamo = filled(&[row("Ann@Example.com", "id-of-ann"), row("no\u{1b}[2Jbody", "n")]).await;
    for arguments in [vec![], vec!["--json"]] {
        let output = run(&dynamo, &arguments).await;
        let all = format!("{}{}", printed(&output), said(&output));
        assert!(all.contains("A***@E***") && all.contains("id-of-ann"), "{all}");
        assert!(!all.to_lowercase().contains("example") && !all.contains("body"), "{all}");

        let output = run(&dynamo, &[arguments, vec!["--show-addresses"]].concat()).await;
        let all = printed(&output);
        assert!(all.contains("Ann@Example.com") && all.contains("ann@example.com"), "{all}");
        assert!(!all.contains('\u{1b}'), "{all}");
    }
}

#[tokio::test]
async fn json_is_one_object_with_all_that_was_found() {
    let dynamo = filled(&mixed().0).await;
    let output = run(&dynamo, &["--apply", "--json", "--show-addresses"]).await;
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["table"], TABLE);
    assert_eq!(summary["applied"], true);
    assert_eq!(summary["complete"], true);
    assert_eq!((&summary["rows"], &summary["canonical"]), (&json!(7), &json!(1)));
    let counts = json!({
        "moved": 3, "movable": 0, "busy": 0, "gone": 0, "collision": 1, "unreadable": 1, "refused": 0
    });
    assert_eq!(summary["counts"], counts);
    let bob = json!({
        "outcome": "moved", "canonical": "bob@example.com", "code": null,
        "rows": [{ "user_id": "Bob", "address": "Bob@example.com" }],
    });
    assert!(summary["findings"].as_array().unwrap().contains(&bob), "{summary}");
}

#[tokio::test]
async fn interrupted_it_keeps_its_state_for_its_owner_and_goes_on_from_there() {
    let state = folder("interrupted").join("walk.state");
    let arguments = ["--apply", "--json", "--state", state.to_str().unwrap()];
    let (rows, after) = mixed();
    let dynamo = filled(&rows).await;
    // The first call describes the table; the third is the second page.
    let output = interrupted(&dynamo, 3, &arguments).await;
    assert_eq!(code(&output), 130);
    assert!(said(&output).contains("same --state"), "{}", said(&output));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&summary["complete"], &summary["rows"]), (&json!(false), &json!(6)));
    assert_eq!(fs::metadata(&state).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(table(&dynamo.client).await, as_table(&rows));

    let tap = tapped(&dynamo, |_| async { Fate::Pass }).await;
    let output = program(&tap.endpoint, &arguments).output().await.unwrap();
    assert_eq!(code(&output), 3, "{}", said(&output));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&summary["rows"], &summary["counts"]["moved"]), (&json!(7), &json!(3)));
    assert_eq!(tap.bodies_of("Scan").len(), 1);
    assert_eq!(table(&dynamo.client).await, after);
    assert!(!state.exists());
}

#[tokio::test]
async fn interrupted_without_a_state_it_says_that_it_starts_anew() {
    let dynamo = filled(&mixed().0).await;
    let output = interrupted(&dynamo, 2, &["--apply"]).await;
    assert_eq!(code(&output), 130);
    assert!(said(&output).contains("starts anew"), "{}", said(&output));
    assert_eq!(code(&run(&dynamo, &["--apply"]).await), 3);
    assert_eq!(table(&dynamo.client).await, mixed().1);
}

#[tokio::test]
async fn killed_at_any_call_and_run_again_it_ends_in_the_same_table() {
    let state = folder("killed").join("walk.state");
    let arguments = ["--apply", "--state", state.to_str().unwrap()];
    // One more than the walk's own: DescribeTable.
    for kill in 1..=calls_of_a_good_walk().await + 1 {
        for landed in [false, true] {
            let (rows, after) = mixed();
            let dynamo = filled(&rows).await;
            kill_at(&dynamo, kill, landed, &arguments).await;
            let output = run(&dynamo, &arguments).await;
            assert_eq!(code(&output), 3, "call {kill}: {}", said(&output));
            assert_eq!(table(&dynamo.client).await, after, "call {kill}, landed: {landed}");
            assert!(!state.exists());
        }
    }
}

async fn kill_at(dynamo: &Dynamo, kill: usize, landed: bool, arguments: &[&str]) {
    let reached = Arc::new(Notify::new());
    let tell = Arc::clone(&reached);
    let tap = tapped(dynamo, move |call| {
        let tell = Arc::clone(&tell);
        async move {
            if call.number != kill {
                return Fate::Pass;
            }
            if landed {
                return Fate::Hold(tell);
            }
            tell.notify_one();
            std::future::pending().await
        }
    })
    .await;
    let mut child = program(&tap.endpoint, arguments).spawn().unwrap();
    reached.notified().await;
    child.kill().await.unwrap();
}

#[tokio::test]
async fn the_state_of_another_walk_is_refused_and_kept() {
    let state = folder("refused").join("walk.state");
    let arguments = ["--apply", "--state", state.to_str().unwrap()];
    let dynamo = filled(&mixed().0).await;
    assert_eq!(code(&interrupted(&dynamo, 2, &arguments).await), 130);
    let kept = fs::read(&state).unwrap();

    let namesake = filled(&mixed().0).await;
    let runs = [
        (run(&dynamo, &arguments[1..]).await, "other setting of --apply"),
        (
            run(&dynamo, &[&arguments[..], &["--table", "t-attempts"]].concat()).await,
            "of another table",
        ),
        (run(&namesake, &arguments).await, "of another table"),
    ];
    for (output, cause) in runs {
        assert_eq!(code(&output), 1);
        assert!(said(&output).contains(cause), "{}", said(&output));
        assert_eq!(fs::read(&state).unwrap(), kept);
    }
    for junk in [&b""[..], b"{}", br#"{"format":2}"#, br#"{"format":1}"#, &kept[..kept.len() / 2]] {
        fs::write(&state, junk).unwrap();
        let output = run(&dynamo, &arguments).await;
        assert_eq!(code(&output), 1);
        assert!(said(&output).contains("not one of this program's"), "{}", said(&output));
        assert_eq!(fs::read(&state).unwrap(), junk);
    }
}

#[tokio::test]
async fn a_link_left_where_the_state_is_written_is_not_followed() {
    let folder = folder("link");
    let (state, precious) = (folder.join("walk.state"), folder.join("precious"));
    fs::write(&precious, "precious").unwrap();
    std::os::unix::fs::symlink(&precious, folder.join("walk.state.new")).unwrap();
    let dynamo = filled(&mixed().0).await;
    let output = interrupted(&dynamo, 2, &["--state", state.to_str().unwrap()]).await;
    assert_eq!(code(&output), 130);
    assert!(state.exists());
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
}

#[tokio::test]
async fn a_state_that_cannot_be_kept_is_an_error() {
    let dynamo = filled(&mixed().0).await;
    let state = folder("unwritable").join("no such folder/walk.state");
    let output = run(&dynamo, &["--state", state.to_str().unwrap()]).await;
    assert_eq!(code(&output), 1);
    assert!(said(&output).contains("cannot be written"), "{}", said(&output));
}
