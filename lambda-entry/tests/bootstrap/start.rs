//! A start with settings that cannot be kept.

use std::collections::BTreeMap;

use tokio::process::Command;

use crate::runtime_api::{Instance, bootstrap};
use crate::world::World;

#[tokio::test]
async fn all_bad_settings_are_named_to_lambda_and_in_the_log_and_none_is_shown() {
    let world = World::start().await;
    let bad = [
        ("AUTH_AWS_ATTEMPTS", "c4nary"),
        ("AUTH_LINK_BASE", "http://c4nary.example.com"),
        ("AUTH_MAIL_FROM", "c4nary"),
        ("AUTH_MASTER_SECRET_ARN", ""),
        ("AUTH_STRICT_TOKEN", "c4nary"),
        ("AUTH_DANGER_PLAIN_COMPATIBILITY_SECRET", "c4nary"),
    ];
    let mut variables = world.variables.clone();
    variables.extend(bad.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let mut instance = Instance::start(&variables).await;
    assert_eq!(instance.ended().await.code(), Some(1));
    let error = instance.init_error().unwrap();
    assert_eq!(error["errorType"], "Runtime.InitError");
    let told = error["errorMessage"].as_str().unwrap();
    let output = instance.whole_output().await;
    for (name, _) in bad {
        assert!(told.contains(name), "{name}: {told}");
        assert!(output.contains(name), "{name}: {output}");
    }
    assert!(!told.contains("c4nary") && !output.contains("c4nary"), "{told}\n{output}");
}

#[tokio::test]
async fn without_any_setting_it_says_which_it_needs() {
    let mut instance = Instance::start(&BTreeMap::new()).await;
    assert_eq!(instance.ended().await.code(), Some(1));
    let error = instance.init_error().unwrap();
    for name in ["AUTH_MASTER_SECRET_ARN", "AUTH_LINK_BASE", "AUTH_ISSUER"] {
        let missing = format!("{name} is missing");
        assert!(error["errorMessage"].as_str().unwrap().contains(&missing), "{error}");
    }
}

#[tokio::test]
async fn who_starts_it_by_hand_is_told_what_it_is_for() {
    let mut program = Command::new(bootstrap());
    let output = program.env_clear().output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("AWS Lambda runs this program"), "{told}");
    assert!(!told.contains("panicked"), "{told}");
}
