//! `deploy/deploy.sh` on a machine with next to nothing on it, against an `aws` that answers from files and
//! notes what it was asked.
#![expect(clippy::print_stderr, clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/deploy.sh");
const TOOLS: [&str; 20] = [
    "awk",
    "bash",
    "cat",
    "chmod",
    "cp",
    "cut",
    "date",
    "dirname",
    "grep",
    "mkdir",
    "mktemp",
    "od",
    "rm",
    "sed",
    "sha256sum",
    "sort",
    "touch",
    "tr",
    "wc",
    "zip",
];

/// Answers from files named by what is asked, `<name>.fault` for a failure; notes every call.
const FAKE_AWS: &str = r#"#!/usr/bin/env bash
printf '%s\n' "$*" >>"$FAKE/calls"
all="$*"
value_of() { local seen=''; for word in $all; do [[ -z "$seen" ]] || { echo "$word"; return; }; [[ "$word" != "$1" ]] || seen=1; done; }
name="$1.$2"
case "$all" in
    *Stacks*StackStatus*) name=status ;;
    *Stacks*Parameters*) name=parameters ;;
    *OutputKey==*) name="${all##*OutputKey==\'}"; name="output.${name%%\'*}" ;;
    *ResourceChange.*Action*) name=changes ;;
    *RequiresRecreation*) name=causes ;;
    *starts_with*ApiRelease*) name=release ;;
    *StatusReason*ResourceStatus* | *ResourceStatus*) name=events ;;
    *StatusReason*) name=reason ;;
    *describe-stack-resource*) name="physical.$(value_of --logical-resource-id)" ;;
    *get-stage*deploymentId*) name=deployment ;;
    *get-stage*destinationArn*) name=destination ;;
    *"cloudformation wait"*) name="wait.$3" ;;
    *create-change-set*)
        file="$(value_of --parameters)"; cp "${file#file://}" "$FAKE/sent.parameters"
        file="$(value_of --template-url)"; cp "$FAKE/bucket/${file##*/}" "$FAKE/sent.template" ;;
    "s3 cp "*) mkdir -p "$FAKE/bucket"; cp "$3" "$FAKE/bucket/${4##*/}" ;;
    *"lambda invoke"*)
        for word in "$@"; do [[ "$word" != */answer ]] || file="$word"; done
        if [[ -e "$FAKE/answer" ]]; then cp "$FAKE/answer" "$file"; else printf '{"statusCode":200}' >"$file"; fi ;;
    *update-stage*) file="$(value_of --patch-operations)"; cat "${file#file://}" >>"$FAKE/sent.stage" ;;
esac
if [[ -e "$FAKE/$name.fault" ]]; then cat "$FAKE/$name.fault" >&2; exit 255; fi
[[ ! -e "$FAKE/$name" ]] || cat "$FAKE/$name"
"#;

/// A change set as a take-over of the live stack gives it.
const TAKE_OVER: &str = "\
Modify\tUsersTable\tAWS::DynamoDB::Table\tConditional\tNone
Modify\tPasswordResetsTable\tAWS::DynamoDB::Table\tFalse\tNone
Modify\tRegisterMethod\tAWS::ApiGateway::Method\tFalse\tNone
Add\tAuthFunction\tAWS::Lambda::Function\tNone\tNone
Add\tApiRelease0123456789ab\tAWS::ApiGateway::Deployment\tNone\tNone
Remove\tUserLoginFunction\tAWS::Lambda::Function\tNone\tDelete
Remove\tLambdaExecutionRole\tAWS::IAM::Role\tNone\tDelete
";

const LIVE_RESOURCES: &str = "ApiDeployment\tApiGateway\tAuthResource\tForgotPasswordFunction\t\
    ForgotPasswordMethod\tForgotPasswordResource\tLambdaExecutionRole\tLoginMethod\tLoginResource\t\
    PasswordResetsTable\tRegisterMethod\tRegisterResource\tUserLoginFunction\tUserRegisterFunction\t\
    UsersTable\n";

const ROLE: &str = "alcolook-backend-LambdaExecutionRole-1A2B";

/// What a run ended with.
struct Ended {
    code: i32,
    said: String,
}

impl Ended {
    fn refused(&self, sentence: &str) {
        assert_eq!(self.code, 1, "{}", self.said);
        assert!(self.said.contains(sentence), "no '{sentence}' in: {}", self.said);
    }

    fn succeeded(&self) {
        assert_eq!(self.code, 0, "{}", self.said);
    }
}

/// A machine with the tools named above and nothing else. It has a fake `aws` once one is installed.
struct Machine {
    home: PathBuf,
}

impl Machine {
    /// `None`, having said so, where bash or another tool is missing.
    fn new(test: &str) -> Option<Self> {
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("deploy").join(test);
        fs::remove_dir_all(&home).ok();
        fs::create_dir_all(home.join("bin")).unwrap();
        fs::create_dir_all(home.join("fake")).unwrap();
        for tool in TOOLS {
            let Some(found) = find(tool) else {
                eprintln!("skipped {test}: there is no {tool} on this machine");
                return None;
            };
            symlink(found, home.join("bin").join(tool)).unwrap();
        }
        fs::write(home.join("bootstrap"), program(0xb7)).unwrap();
        Some(Self { home })
    }

    /// One with a fake `aws` behind which the old stack runs, and with a walk that finds nothing.
    fn with_live_stack(test: &str) -> Option<Self> {
        let machine = Self::new(test)?;
        machine.install("bin/aws", FAKE_AWS);
        machine.walk_exits(0);
        for (name, answer) in [
            ("sts.get-caller-identity", "123456789012\n"),
            ("status", "UPDATE_COMPLETE\n"),
            ("parameters", "JWTSecret\t****\n"),
            ("cloudformation.list-stack-resources", LIVE_RESOURCES),
            ("sesv2.get-email-identity", "True\n"),
            ("sesv2.get-account", "True\n"),
            ("apigateway.get-account", "arn:aws:iam::123456789012:role/gateway\n"),
            ("secretsmanager.get-secret-value", "40\tFalse\n"),
            ("physical.ApiGateway", "abc123\n"),
            ("physical.UsersTable", "alcolook-users\n"),
            ("physical.LambdaExecutionRole", "alcolook-backend-LambdaExecutionRole-1A2B\n"),
            ("physical.UserRegisterFunction", "alcolook-user-register\n"),
            ("physical.UserLoginFunction", "alcolook-user-login\n"),
            ("physical.ForgotPasswordFunction", "alcolook-forgot-password\n"),
            ("lambda.list-functions", "alcolook-user-login\nalcolook-user-register\n"),
            ("deployment", "old111\n"),
            ("release", "new222\told111\n"),
            ("output.AuthFunctionName", "auth-function\n"),
            ("destination", "None\n"),
            (
                "apigateway.get-resources",
                "/\t\n/auth\t\n/auth/login\tPOST\n/profile\tOPTIONS,PUT\n",
            ),
            ("dynamodb.describe-time-to-live", "ENABLED\texpires_at\n"),
            ("dynamodb.describe-table", "email\tS\n"),
            ("causes", "AttributeDefinitions\n"),
            ("changes", TAKE_OVER),
            ("output.StageThrottleRate", "50\n"),
            ("output.StageThrottleBurst", "100\n"),
            (
                "output.AccessLogGroupArn",
                "arn:aws:logs:us-east-1:123456789012:log-group:access:*\n",
            ),
            ("output.StageAccessLogs", "true\n"),
            ("output.StageTracing", "false\n"),
            ("output.ApiGatewayUrl", "https://abc123.execute-api.us-east-1.amazonaws.com/prod\n"),
        ] {
            machine.answers(name, answer);
        }
        Some(machine)
    }

    /// One whose stack was taken over before.
    fn with_new_stack(test: &str) -> Option<Self> {
        let machine = Self::with_live_stack(test)?;
        machine.answers(
            "cloudformation.list-stack-resources",
            &format!("AuthFunction\t{LIVE_RESOURCES}"),
        );
        machine
            .answers("changes", "Modify\tPasswordResetsTable\tAWS::DynamoDB::Table\tFalse\tNone\n");
        Some(machine)
    }

    fn install(&self, path: &str, script: &str) {
        let path = self.home.join(path);
        fs::write(&path, script).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn walk_exits(&self, code: i32) {
        let script = format!("#!/usr/bin/env bash\necho \"$*\" >>\"$FAKE/walked\"\nexit {code}\n");
        self.install("walk", &script);
    }

    fn answers(&self, name: &str, answer: &str) {
        fs::write(self.home.join("fake").join(name), answer).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.home.join("fake").join(name)).unwrap_or_default()
    }

    fn was_asked(&self, call: &str) -> bool {
        self.read("calls").lines().any(|line| line.contains(call))
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        let output = Command::new(self.home.join("bin/bash"))
            .arg(SCRIPT)
            .args(arguments)
            .env_clear()
            .env("PATH", self.home.join("bin"))
            .env("HOME", &self.home)
            .env("FAKE", self.home.join("fake"))
            .env("CARGO_TARGET_DIR", self.home.join("target"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        Ended { code: output.status.code().unwrap(), said: String::from_utf8(said).unwrap() }
    }

    /// A real run with every setting that is required, and some more.
    fn deploy(&self, more: &[&str]) -> Ended {
        let artifact = self.home.join("bootstrap");
        let walk = self.home.join("walk");
        let settings = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/settings.example");
        let mut arguments = vec!["--yes", "--bucket", "code", "--settings", settings];
        arguments.extend([
            "--artifact",
            artifact.to_str().unwrap(),
            "--walk",
            walk.to_str().unwrap(),
        ]);
        arguments.extend(more);
        self.run(&arguments)
    }

    fn sent_parameter(&self, name: &str) -> Option<String> {
        let sent: Value = serde_json::from_str(&self.read("sent.parameters")).unwrap();
        let found = sent.as_array().unwrap().iter().find(|each| each["ParameterKey"] == name)?;
        if found["UsePreviousValue"] == true {
            return Some("previous".to_owned());
        }
        Some(found["ParameterValue"].as_str().unwrap().to_owned())
    }

    /// That a run was refused before anything ran, and left no change set behind.
    fn nothing_ran(&self) {
        assert!(!self.was_asked("execute-change-set"), "{}", self.read("calls"));
        assert!(!self.was_asked("update-stage"), "{}", self.read("calls"));
        let (made, dropped) =
            (self.was_asked("create-change-set"), self.was_asked("delete-change-set"));
        assert_eq!(made, dropped, "{}", self.read("calls"));
    }
}

impl Machine {
    /// What each call was to change of the stage.
    fn sent_patches(&self) -> Vec<Vec<Value>> {
        let sent = self.read("sent.stage");
        let calls = serde_json::Deserializer::from_str(&sent).into_iter();
        calls.map(Result::unwrap).collect()
    }
}

fn find(tool: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(tool)).find(|found| found.is_file())
}

/// The head of a Linux program for a machine of ELF's number.
fn program(machine: u8) -> Vec<u8> {
    let mut head = vec![0x7f, b'E', b'L', b'F', 2, 1, 1];
    head.resize(16, 0);
    head.extend([2, 0, machine, 0, 1, 0, 0, 0]);
    head
}

fn release_of(template: &str) -> &str {
    let line = template.lines().find(|line| line.starts_with("  ApiRelease")).unwrap();
    line.trim().trim_start_matches("ApiRelease").trim_end_matches(':')
}

#[test]
fn a_dry_run_needs_neither_the_aws_cli_nor_credentials() {
    let Some(machine) = Machine::new("dry_run") else { return };
    let artifact = machine.home.join("bootstrap");

    let ended = machine.run(&["--dry-run", "--artifact", artifact.to_str().unwrap()]);

    ended.succeeded();
    for part in
        ["packaged", "cfn-lint is not here", "change set", "canonical", "TTL", "Still to be set"]
    {
        assert!(ended.said.contains(part), "no '{part}' in: {}", ended.said);
    }
    let zip = fs::read(machine.home.join("target/deploy/auth.zip")).unwrap();
    assert!(zip.starts_with(b"PK"));
    assert!(zip.windows(9).any(|part| part == b"bootstrap"));
}

#[test]
fn without_the_aws_cli_a_run_is_refused_in_one_sentence() {
    let Some(machine) = Machine::new("no_cli") else { return };
    let ended = machine.deploy(&[]);
    ended.refused("deploy.sh: the aws CLI is missing");
    assert_eq!(ended.said.lines().count(), 1, "{}", ended.said);
}

#[test]
fn without_cargo_lambda_a_build_is_refused_with_what_to_install() {
    let Some(machine) = Machine::new("no_cargo_lambda") else { return };
    machine.install("bin/cargo", "#!/usr/bin/env bash\nexit 1\n");
    let ended = machine.run(&["--dry-run"]);
    ended.refused("pip install cargo-lambda==1.9.2 ziglang==0.17.1");
}

#[test]
fn a_build_measures_no_jitter_and_leaves_cargos_own_program_alone() {
    let Some(machine) = Machine::new("build") else { return };
    let cargo = "#!/usr/bin/env bash
echo \"$AWS_LC_SYS_NO_JITTER_ENTROPY $*\" >>\"$FAKE/cargo\"
while [[ \"$1\" != --lambda-dir ]]; do shift; done
mkdir -p \"$2/bootstrap\" && cp \"$HOME/bootstrap\" \"$2/bootstrap/\"
";
    machine.install("bin/cargo", cargo);
    machine.install("bin/cargo-lambda", "");
    machine.install("bin/zig", "");
    machine.install("bin/rustc", "#!/usr/bin/env bash\necho \"$HOME\"\n");
    let libraries = machine.home.join("lib/rustlib/aarch64-unknown-linux-gnu");
    fs::create_dir_all(libraries).unwrap();
    machine.run(&["--dry-run"]).succeeded();
    assert!(machine.read("cargo").starts_with("1 lambda build --profile lambda "));
    assert!(machine.home.join("target/deploy/auth.zip").exists());
    assert!(!machine.home.join("target/lambda").exists());
}

#[test]
fn an_artefact_for_another_machine_is_refused() {
    let Some(machine) = Machine::new("other_machine") else { return };
    fs::write(machine.home.join("bootstrap"), program(0x3e)).unwrap();
    let artifact = machine.home.join("bootstrap");
    let artifact = artifact.to_str().unwrap();
    machine.run(&["--dry-run", "--artifact", artifact]).refused("the artefact is for x86_64");
    machine.run(&["--dry-run", "--artifact", artifact, "--set", "Architecture=x86_64"]).succeeded();
    machine.run(&["--dry-run", "--artifact", SCRIPT]).refused("no Linux program");
}

#[test]
fn a_release_is_named_after_all_that_it_is_made_of() {
    let Some(machine) = Machine::new("release") else { return };
    let release = |more: &[&str]| {
        let artifact = machine.home.join("bootstrap");
        let mut arguments = vec!["--dry-run", "--artifact", artifact.to_str().unwrap()];
        arguments.extend(more);
        machine.run(&arguments).succeeded();
        let rendered =
            fs::read_to_string(machine.home.join("target/deploy/template.yaml")).unwrap();
        release_of(&rendered).to_owned()
    };
    let first = release(&[]);
    assert_eq!(first.len(), 12);
    assert_eq!(release(&[]), first);
    // No date of the build in it: midnight of the second day that a zip can name.
    let zip = fs::read(machine.home.join("target/deploy/auth.zip")).unwrap();
    assert_eq!(zip[10..14], [0, 0, 0x22, 0]);
    assert_ne!(release(&["--set", "AllowedOrigins=*"]), first);
    fs::write(machine.home.join("bootstrap"), [program(0xb7), vec![1]].concat()).unwrap();
    assert_ne!(release(&[]), first);
}

#[test]
fn an_unknown_parameter_is_refused() {
    let Some(machine) = Machine::new("unknown_parameter") else { return };
    machine.run(&["--dry-run", "--set", "JWTSecret=x"]).refused("no parameter JWTSecret");
}

#[test]
fn without_credentials_a_run_is_refused() {
    let Some(machine) = Machine::with_live_stack("no_credentials") else { return };
    machine.answers(
        "sts.get-caller-identity.fault",
        "Unable to locate credentials. You can configure",
    );
    machine.deploy(&[]).refused("no valid AWS credentials");
}

#[test]
fn a_missing_permission_is_named() {
    let Some(machine) = Machine::with_live_stack("no_permission") else { return };
    machine.answers("status.fault", "An error occurred (AccessDenied) when calling DescribeStacks");
    machine.deploy(&[]).refused("a permission is missing to describe the stack alcolook-backend");
    machine.nothing_ran();
}

#[test]
fn a_run_without_the_required_settings_says_which() {
    let Some(machine) = Machine::with_live_stack("no_settings") else { return };
    let artifact = machine.home.join("bootstrap");
    let ended = machine.run(&["--bucket", "code", "--artifact", artifact.to_str().unwrap()]);
    ended.refused("ServiceName LinkBase Issuer Audience MailFrom SesIdentity");
}

#[test]
fn an_identity_that_ses_has_not_verified_is_refused() {
    let Some(machine) = Machine::with_live_stack("unverified") else { return };
    machine.answers("sesv2.get-email-identity", "False\n");
    machine.deploy(&[]).refused("alcolook-app.com is not verified");
    machine.answers("sesv2.get-email-identity.fault", "An error occurred (NotFoundException)");
    machine.deploy(&[]).refused("alcolook-app.com is not verified");
    machine.nothing_ran();
}

#[test]
fn a_sender_that_does_not_belong_to_the_identity_is_refused() {
    let Some(machine) = Machine::with_live_stack("sender") else { return };
    machine.deploy(&["--set", "MailFrom=noreply@evil-alcolook-app.com"]).refused("MailFrom");
    machine.nothing_ran();
    machine.deploy(&["--set", "MailFrom=noreply@mail.alcolook-app.com"]).succeeded();
    machine.deploy(&["--set", "SesIdentity=noreply@alcolook-app.com"]).succeeded();
}

#[test]
fn a_function_that_does_not_answer_is_told_with_the_way_back() {
    let Some(machine) = Machine::with_live_stack("mute") else { return };
    machine.answers("answer", r#"{"errorType":"Runtime.InitError","errorMessage":"AUTH_ISSUER"}"#);
    let ended = machine.deploy(&[]);
    for said in
        ["does not answer", "AUTH_ISSUER", "value=old111", "delete-function-concurrency", "--apply"]
    {
        assert!(ended.said.contains(said), "{said}: {}", ended.said);
    }
    ended.refused("does not answer");
    assert!(!machine.was_asked("update-stage --rest-api-id"));
}

#[test]
fn a_stage_that_serves_an_older_deployment_is_told_with_the_way_forward() {
    let Some(machine) = Machine::with_new_stack("older") else { return };
    machine.answers("release", "new222\n");
    let ended = machine.deploy(&[]);
    assert!(ended.said.contains("value=new222"), "{}", ended.said);
    ended.succeeded();
}

#[test]
fn who_does_not_switch_is_told_to_start_sign_up_again() {
    let Some(machine) = Machine::with_live_stack("not_now") else { return };
    machine.walk_exits(2);
    let ended = machine.deploy(&[]);
    assert!(ended.said.contains("delete-function-concurrency"), "{}", ended.said);
    ended.refused("not canonical");
}

#[test]
fn a_shared_secret_that_the_service_would_refuse_is_refused_before_the_switch() {
    let Some(machine) = Machine::with_live_stack("short_secret") else { return };
    let secret = "CompatibilitySecretArn=arn:aws:secretsmanager:us-east-1:123456789012:secret:x";
    machine.answers("secretsmanager.get-secret-value", "17\tFalse\n");
    machine.deploy(&["--set", secret]).refused("the shared secret has 17 characters");
    machine.answers("secretsmanager.get-secret-value", "40\tTrue\n");
    machine.deploy(&["--set", secret]).refused("it must be the bare text");
    machine.nothing_ran();
    machine.answers("secretsmanager.get-secret-value", "32\tFalse\n");
    machine.deploy(&["--set", secret]).succeeded();
}

#[test]
fn access_logs_want_a_role_of_the_account() {
    let Some(machine) = Machine::with_live_stack("no_gateway_role") else { return };
    machine.answers("apigateway.get-account", "None\n");
    machine.deploy(&[]).refused("no CloudWatch role");
    machine.nothing_ran();
    machine.deploy(&["--set", "AccessLogs=off"]).succeeded();
}

#[test]
fn a_take_over_walks_switches_and_sets_the_stage() {
    let Some(machine) = Machine::with_live_stack("take_over") else { return };

    let ended = machine.deploy(&[]);

    ended.succeeded();
    assert!(machine.was_asked("execute-change-set"));
    assert_eq!(machine.read("walked").trim(), "--table alcolook-users");
    assert!(ended.said.contains("URL: https://abc123.execute-api.us-east-1.amazonaws.com/prod"));
    assert!(ended.said.contains("path=/deploymentId,value=old111"), "{}", ended.said);
    assert!(ended.said.contains("canonicalize-addresses --table alcolook-users --apply"));
    assert_eq!(release_of(&machine.read("sent.template")).len(), 12);
    assert!(
        machine.was_asked("--template-url https://s3.us-east-1.amazonaws.com/code/alcolook-auth/")
    );
    assert_eq!(machine.sent_parameter("ServiceName").as_deref(), Some("AlcoLook"));
    assert_eq!(machine.sent_parameter("JWTSecret"), None);
}

#[test]
fn nobody_to_ask_is_a_no() {
    let Some(machine) = Machine::with_live_stack("nobody") else { return };
    let settings = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/settings.example");
    let (artifact, walk) = (machine.home.join("bootstrap"), machine.home.join("walk"));
    let (artifact, walk) = (artifact.to_str().unwrap(), walk.to_str().unwrap());
    machine
        .run(&["--bucket", "code", "--settings", settings, "--artifact", artifact, "--walk", walk])
        .refused("nobody is here to confirm");
    machine.nothing_ran();
}

#[test]
fn a_change_set_that_loses_something_is_refused() {
    let Some(machine) = Machine::with_live_stack("losses") else { return };
    for (row, sentence) in [
        ("Modify\tApiGateway\tAWS::ApiGateway::RestApi\tTrue\tNone", "would replace ApiGateway"),
        (
            "Modify\tApiGateway\tAWS::ApiGateway::RestApi\tConditional\tNone",
            "might replace ApiGateway",
        ),
        ("Remove\tApiGateway\tAWS::ApiGateway::RestApi\tNone\tDelete", "would remove ApiGateway"),
        (
            "Modify\tUsersTable\tAWS::DynamoDB::Table\tTrue\tReplaceAndRetain",
            "would replace UsersTable",
        ),
        ("Remove\tUsersTable\tAWS::DynamoDB::Table\tNone\tRetain", "would remove UsersTable"),
        (
            "Modify\tAuthResource\tAWS::ApiGateway::Resource\tTrue\tNone",
            "would replace AuthResource",
        ),
        (
            "Remove\tMasterSecret\tAWS::SecretsManager::Secret\tNone\tRetain",
            "would remove MasterSecret",
        ),
        (
            "Remove\tApiDeployment\tAWS::ApiGateway::Deployment\tNone\tDelete",
            "would remove ApiDeployment",
        ),
        (
            "Modify\tApiDeployment\tAWS::ApiGateway::Deployment\tTrue\tNone",
            "would replace ApiDeployment",
        ),
    ] {
        machine.answers("changes", &format!("{TAKE_OVER}{row}\n"));
        machine.deploy(&[]).refused(sentence);
        machine.nothing_ran();
    }
    machine.answers("changes", "Remove\tApiReleaseaa\tAWS::ApiGateway::Deployment\tNone\tRetain\n");
    machine.deploy(&[]).succeeded();
}

#[test]
fn a_new_index_is_no_replacement_and_a_changed_key_is_one() {
    let Some(machine) = Machine::with_live_stack("index") else { return };
    machine.answers("causes", "AttributeDefinitions\tKeySchema\n");
    machine.deploy(&[]).refused("might replace UsersTable");
    machine.answers("causes", "AttributeDefinitions\n");
    machine.answers("dynamodb.describe-table", "email\tN\n");
    machine.deploy(&[]).refused("might replace UsersTable");
    machine.answers("dynamodb.describe-table.fault", "An error occurred (AccessDeniedException)");
    machine.deploy(&[]).refused("might replace UsersTable");
    machine.nothing_ran();
}

#[test]
fn a_role_that_a_hand_made_function_runs_under_is_not_taken_away() {
    let Some(machine) = Machine::with_live_stack("role") else { return };
    machine.answers("lambda.list-functions", "alcolook-user-login\nalcolook-profile-update\n");
    let ended = machine.deploy(&[]);
    ended.refused(&format!(
        "the role {ROLE} would go, and alcolook-profile-update still runs under it"
    ));
    machine.nothing_ran();
    machine.answers(
        "changes",
        &TAKE_OVER.replace("AWS::IAM::Role\tNone\tDelete", "AWS::IAM::Role\tNone\tRetain"),
    );
    machine.deploy(&[]).succeeded();
}

#[test]
fn a_route_of_ours_that_was_added_by_hand_is_refused() {
    let Some(machine) = Machine::with_live_stack("routes") else { return };
    machine.answers("apigateway.get-resources", "/\t\n/auth/me\tGET\n");
    machine.deploy(&[]).refused("the API has /auth/me already");
    machine.answers("apigateway.get-resources", "/\t\n/auth/login\tOPTIONS,POST\n");
    machine.deploy(&[]).refused("the API has OPTIONS /auth/login already");
    machine.nothing_ran();
}

#[test]
fn addresses_that_are_not_canonical_stop_the_switch() {
    let Some(machine) = Machine::with_live_stack("walk") else { return };
    machine.walk_exits(2);
    let ended = machine.deploy(&["--accept-collisions"]);
    ended.refused("canonicalize-addresses --table alcolook-users --apply");
    machine.walk_exits(3);
    machine.deploy(&[]).refused("--accept-collisions");
    machine.walk_exits(1);
    machine
        .deploy(&["--accept-collisions"])
        .refused("the walk over alcolook-users failed (exit 1)");
    machine.nothing_ran();
    machine.walk_exits(3);
    machine.deploy(&["--accept-collisions"]).succeeded();
}

#[test]
fn after_the_switch_nothing_is_walked() {
    let Some(machine) = Machine::with_new_stack("no_walk") else { return };
    machine.walk_exits(2);
    machine.deploy(&[]).succeeded();
    assert_eq!(machine.read("walked"), "");
}

#[test]
fn the_ttl_attribute_changes_after_the_switch_and_by_way_of_off() {
    let Some(machine) = Machine::with_live_stack("ttl_switch") else { return };
    let ended = machine.deploy(&[]);
    assert_eq!(machine.sent_parameter("PasswordResetsTtl").as_deref(), Some("expires_at"));
    assert!(ended.said.contains("TTL, step 1 of 2"), "{}", ended.said);

    let Some(machine) = Machine::with_new_stack("ttl") else { return };
    for (has, sets, next) in [
        ("ENABLED\texpires_at\n", "off", "TTL, step 2 of 2"),
        ("DISABLING\texpires_at\n", "off", "still disabling"),
        ("DISABLED\tNone\n", "ttl", "URL"),
        ("ENABLING\tttl\n", "ttl", "URL"),
        ("ENABLED\tttl\n", "ttl", "URL"),
    ] {
        machine.answers("dynamodb.describe-time-to-live", has);
        let ended = machine.deploy(&[]);
        assert_eq!(machine.sent_parameter("PasswordResetsTtl").as_deref(), Some(sets), "{has}");
        assert!(ended.said.contains(next), "{has}: {}", ended.said);
    }
}

#[test]
fn a_new_stack_is_created_with_ttl_and_without_a_walk() {
    let Some(machine) = Machine::with_live_stack("fresh") else { return };
    machine.answers("status.fault", "An error occurred (ValidationError): Stack does not exist");
    machine.walk_exits(2);
    machine.answers("changes", "Add\tUsersTable\tAWS::DynamoDB::Table\tNone\tNone\n");
    machine.deploy(&[]).succeeded();
    assert!(machine.was_asked("--change-set-type CREATE"));
    assert!(machine.was_asked("wait stack-create-complete"));
    assert_eq!(machine.sent_parameter("PasswordResetsTtl"), None, "the template's default is ttl");
}

#[test]
fn what_is_not_set_keeps_its_value() {
    let Some(machine) = Machine::with_new_stack("previous") else { return };
    machine.answers(
        "parameters",
        "ServiceName\tAlcoLook\nMailReplyTo\thelp@a.example\nAlarmTopicArn\t\n",
    );
    machine.deploy(&["--set", "ServiceName=Alco \"Look\""]).succeeded();
    assert_eq!(machine.sent_parameter("MailReplyTo").as_deref(), Some("previous"));
    assert_eq!(machine.sent_parameter("AlarmTopicArn").as_deref(), Some("previous"));
    assert_eq!(machine.sent_parameter("ServiceName").as_deref(), Some("Alco \"Look\""));
    assert_eq!(machine.sent_parameter("ThrottleRate"), None);
}

#[test]
fn the_stage_is_set_for_our_routes_alone() {
    let Some(machine) = Machine::with_new_stack("stage") else { return };
    machine.deploy(&[]).succeeded();
    assert!(machine.was_asked("apigateway update-stage --rest-api-id abc123 --stage-name prod"));
    let patches: Vec<Value> = machine.sent_patches().into_iter().flatten().collect();
    let value = |path: &str| {
        let found = patches.iter().find(|each| each["path"] == path && each["op"] == "replace");
        found.and_then(|each| each["value"].as_str()).map(str::to_owned)
    };
    assert_eq!(value("/~1auth~1login/POST/throttling/rateLimit").as_deref(), Some("50"));
    assert_eq!(value("/~1auth~1login/POST/throttling/burstLimit").as_deref(), Some("100"));
    assert_eq!(value("/tracingEnabled").as_deref(), Some("false"));
    let of_one = value("/~1auth~1sessions~1{id}/DELETE/throttling/rateLimit");
    assert_eq!(of_one.as_deref(), Some("50"));
    assert!(patches.iter().all(|each| !each["path"].as_str().unwrap().contains('*')));
    // "Update size too large".
    assert!(machine.sent_patches().iter().all(|call| call.len() <= 80));
    // API Gateway takes a group's ARN without the colon and asterisk that CloudFormation puts behind it.
    assert!(value("/accessLogSettings/destinationArn").unwrap().ends_with(":log-group:access"));
}

#[test]
fn the_access_log_holds_neither_path_nor_query_nor_body() {
    let Some(machine) = Machine::with_new_stack("access_log") else { return };
    machine.deploy(&[]).succeeded();
    let patches: Vec<Value> = machine.sent_patches().into_iter().flatten().collect();
    let format = patches.iter().find(|each| each["path"] == "/accessLogSettings/format").unwrap();
    let format: Value = serde_json::from_str(format["value"].as_str().unwrap()).unwrap();
    for value in format.as_object().unwrap().values() {
        let variable = value.as_str().unwrap();
        assert!(variable.starts_with("$context."), "{variable}");
        assert!(
            ![
                "$context.path",
                "$context.identity.user",
                "$context.authorizer",
                "$context.requestOverride"
            ]
            .iter()
            .any(|personal| variable.starts_with(personal)),
            "{variable}"
        );
    }
    assert_eq!(format["route"], "$context.resourcePath");
}

#[test]
fn an_access_log_that_is_switched_off_is_taken_off_the_stage_if_it_is_ours() {
    let Some(machine) = Machine::with_new_stack("access_log_off") else { return };
    machine.answers("output.StageAccessLogs", "false\n");
    machine.deploy(&[]).succeeded();
    assert!(!machine.read("sent.stage").contains("accessLogSettings"));
    machine.answers("destination", "arn:aws:logs:us-east-1:123456789012:log-group:access\n");
    machine.deploy(&[]).succeeded();
    assert!(machine.read("sent.stage").contains(r#"{"op":"remove","path":"/accessLogSettings"}"#));
}

#[test]
fn an_unchanged_stack_is_not_run_and_its_stage_is_set_again() {
    let Some(machine) = Machine::with_new_stack("unchanged") else { return };
    machine.answers("wait.change-set-create-complete.fault", "Waiter failed");
    machine.answers("reason", "The submitted information didn't contain changes.\n");
    machine.deploy(&[]).succeeded();
    assert!(!machine.was_asked("execute-change-set"));
    assert!(machine.was_asked("update-stage"));
}

#[test]
fn a_failed_update_says_why_and_how_to_go_back() {
    let Some(machine) = Machine::with_live_stack("failed") else { return };
    machine.answers("wait.stack-update-complete.fault", "Waiter failed");
    machine.answers("events", "MailFunction\tno such key\n");
    let ended = machine.deploy(&[]);
    ended.refused("the update failed");
    assert!(ended.said.contains("no such key"), "{}", ended.said);
    assert!(ended.said.contains("path=/deploymentId,value=old111"), "{}", ended.said);
    assert!(!machine.was_asked("update-stage"));
}

#[test]
fn a_stack_in_the_middle_of_something_is_left_alone() {
    let Some(machine) = Machine::with_live_stack("busy") else { return };
    machine.answers("status", "UPDATE_ROLLBACK_FAILED\n");
    machine.deploy(&[]).refused("is UPDATE_ROLLBACK_FAILED");
    machine.answers("status", "UPDATE_COMPLETE\n");
    machine.answers("cloudformation.list-stack-resources", "Bucket\n");
    machine.deploy(&[]).refused("another one's");
    machine.nothing_ran();
}
