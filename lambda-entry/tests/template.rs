//! `deploy/template.yaml`: what it does to the live stack, and what it allows, sets and keeps.
#![expect(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::{BTreeMap, BTreeSet};

use adapters_aws::EmfEvents;
use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};

const TEMPLATE: &str = include_str!("../../deploy/template.yaml");
const LIVE: &str = include_str!("live-stack.yaml");
const GUIDES: [&str; 2] =
    [include_str!("../../deploy/README.md"), include_str!("../../deploy/README.ko.md")];
/// Its documentation lists every call.
const CALLS: &str = include_str!("../../adapters-http/src/lib.rs");
const SCRIPT: &str = include_str!("../../deploy/deploy.sh");

/// What CloudFormation lets a template in a bucket have, in bytes.
const LARGEST_TEMPLATE: usize = 1_000_000;

/// A template whose conditions, references to parameters and `!Sub`s of parameters are resolved.
struct Stack {
    template: Value,
    parameters: BTreeMap<String, Value>,
}

impl Stack {
    fn new(text: &str, set: &[(&str, &str)]) -> Self {
        let template = read(text);
        let mut parameters = BTreeMap::new();
        for (name, parameter) in object(&template["Parameters"]) {
            if let Some(default) = parameter.get("Default") {
                parameters.insert(name.clone(), default.clone());
            }
        }
        for (name, value) in set {
            assert!(template["Parameters"].get(*name).is_some(), "no parameter {name}");
            parameters.insert((*name).to_owned(), json!(value));
        }
        Self { template, parameters }
    }

    /// The live stack, as far as it is known.
    fn live() -> Self {
        Self::new(LIVE, &[])
    }

    /// Ours with every default.
    fn plain() -> Self {
        Self::new(TEMPLATE, &[])
    }

    /// Ours with everything on that can be.
    fn full() -> Self {
        Self::new(
            TEMPLATE,
            &[
                ("AlarmTopicArn", "arn:aws:sns:us-east-1:123456789012:alarms"),
                ("AllowedOrigins", "https://a.example,https://b.example"),
                ("AuthConcurrency", "10"),
                (
                    "CompatibilitySecretArn",
                    "arn:aws:secretsmanager:us-east-1:123456789012:secret:shared",
                ),
                ("EmailVerification", "required"),
                ("MailReplyTo", "help@a.example"),
                ("Dashboard", "on"),
                ("ManageApiGatewayAccount", "on"),
                ("Metrics", "emf"),
                ("PeppersArn", "arn:aws:secretsmanager:us-east-1:123456789012:secret:peppers"),
                ("Registration", "private"),
                ("SesConfigurationSet", "mails"),
                ("SesIdentity", "a.example"),
                ("SourceLimits", "dynamodb"),
                ("Tracing", "on"),
            ],
        )
    }

    fn resources(&self) -> &Map<String, Value> {
        object(&self.template["Resources"])
    }

    fn of_type(&self, kind: &str) -> Vec<String> {
        let of_kind = self.resources().iter().filter(|(_, resource)| resource["Type"] == kind);
        of_kind.map(|(name, _)| name.clone()).collect()
    }

    fn property(&self, resource: &str, property: &str) -> Value {
        let resource = self.resources().get(resource).unwrap_or_else(|| panic!("no {resource}"));
        self.resolve(&resource["Properties"][property]).unwrap_or(Value::Null)
    }

    fn attribute(&self, resource: &str, attribute: &str) -> Value {
        self.resources()[resource][attribute].clone()
    }

    /// `None` is `AWS::NoValue`.
    fn resolve(&self, value: &Value) -> Option<Value> {
        match value {
            Value::Array(items) => {
                Some(items.iter().filter_map(|item| self.resolve(item)).collect())
            }
            Value::Object(fields) if fields.len() == 1 => {
                let (name, argument) = fields.iter().next().unwrap();
                self.function(name, argument).unwrap_or_else(|| Some(self.fields(fields)))
            }
            Value::Object(fields) => Some(self.fields(fields)),
            _ => Some(value.clone()),
        }
    }

    fn fields(&self, fields: &Map<String, Value>) -> Value {
        let resolved =
            fields.iter().filter_map(|(name, value)| Some((name.clone(), self.resolve(value)?)));
        Value::Object(resolved.collect())
    }

    /// The value of an intrinsic function; `None` if it is none, or one that only AWS can answer.
    fn function(&self, name: &str, argument: &Value) -> Option<Option<Value>> {
        match name {
            "Ref" if argument == "AWS::NoValue" => Some(None),
            "Ref" => self.parameters.get(argument.as_str()?).map(|value| Some(value.clone())),
            "Fn::If" => {
                let branch = if self.holds(&argument[0]) { 1 } else { 2 };
                Some(self.resolve(&argument[branch]))
            }
            "Fn::FindInMap" => {
                let key = self.resolve(&argument[1])?;
                let map = &self.template["Mappings"][argument[0].as_str()?];
                Some(Some(map[key.as_str()?][argument[2].as_str()?].clone()))
            }
            "Fn::Split" => {
                let text = self.resolve(&argument[1])?;
                let parts = text.as_str()?.split(argument[0].as_str()?);
                Some(Some(parts.map(|part| json!(part)).collect()))
            }
            "Fn::Select" => Some(Some(self.resolve(&argument[1])?[index(&argument[0])].clone())),
            "Fn::Sub" => Some(Some(json!(self.substitute(argument)?))),
            _ => None,
        }
    }

    fn substitute(&self, argument: &Value) -> Option<String> {
        let (text, own) = match argument {
            Value::String(text) => (text.clone(), Value::Null),
            pair => (pair[0].as_str()?.to_owned(), self.resolve(&pair[1])?),
        };
        let own = own.as_object().cloned().unwrap_or_default();
        let values = self.parameters.iter().chain(own.iter());
        Some(values.fold(text, |text, (name, value)| {
            text.replace(&format!("${{{name}}}"), value.as_str().unwrap_or_default())
        }))
    }

    fn holds(&self, condition: &Value) -> bool {
        let body = match condition {
            Value::String(name) => &self.template["Conditions"][name.as_str()],
            inline => inline,
        };
        let (name, argument) = object(body).iter().next().expect("a condition");
        match name.as_str() {
            "Fn::Not" => !self.holds(&argument[0]),
            "Fn::Equals" => self.resolve(&argument[0]) == self.resolve(&argument[1]),
            other => panic!("unknown condition {other}"),
        }
    }

    /// The resources that one refers to, by value or by `DependsOn`.
    fn references(&self, resource: &str) -> BTreeSet<String> {
        let body = &self.resources()[resource];
        let mut names = words(&body["Properties"]);
        names.extend(words(&body["DependsOn"]));
        names.retain(|name| name != resource && self.resources().contains_key(name));
        names
    }

    fn path_of(&self, resource: &str) -> String {
        let parent = self.property(resource, "ParentId");
        let above = match parent["Ref"].as_str() {
            Some(parent) => self.path_of(parent),
            None => {
                assert_eq!(parent, json!({"Fn::GetAtt": "ApiGateway.RootResourceId"}));
                String::new()
            }
        };
        format!("{above}/{}", self.property(resource, "PathPart").as_str().unwrap())
    }

    /// Path and verb of every method, with the logical ids of its resource and of itself.
    fn routes(&self) -> BTreeSet<String> {
        let routes = self.of_type("AWS::ApiGateway::Method").into_iter().map(|method| {
            let resource = self.property(&method, "ResourceId");
            let (resource, verb) =
                (resource["Ref"].as_str().unwrap(), self.property(&method, "HttpMethod"));
            format!("{} {} {resource} {method}", self.path_of(resource), verb.as_str().unwrap())
        });
        routes.collect()
    }

    fn statements(&self, role: &str) -> Vec<Value> {
        let policies = self.property(role, "Policies");
        let statements = list(&policies).into_iter().flat_map(|policy| {
            assert_eq!(policy["PolicyDocument"]["Version"], "2012-10-17");
            list(&policy["PolicyDocument"]["Statement"])
        });
        statements.collect()
    }

    fn environment(&self, function: &str) -> Map<String, Value> {
        object(&self.property(function, "Environment")["Variables"]).clone()
    }
}

fn read(text: &str) -> Value {
    let documents = Yaml::load_from_str(text).unwrap();
    assert_eq!(documents.len(), 1);
    value_of(&documents[0])
}

/// YAML as JSON, with the short forms of intrinsic functions (`!Ref`) in their long ones.
fn value_of(node: &Yaml) -> Value {
    match node {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(value)) => json!(value),
        Yaml::Value(Scalar::Integer(value)) => json!(value),
        Yaml::Value(Scalar::FloatingPoint(value)) => json!(value.into_inner()),
        Yaml::Value(Scalar::String(value)) => json!(value),
        Yaml::Sequence(items) => items.iter().map(value_of).collect(),
        Yaml::Mapping(fields) => {
            let fields = fields
                .iter()
                .map(|(key, value)| (key.as_str().unwrap().to_owned(), value_of(value)));
            Value::Object(fields.collect())
        }
        Yaml::Tagged(tag, inner) => {
            assert_eq!(tag.handle, "!", "{tag:?}");
            let name = match tag.suffix.as_str() {
                "Ref" => "Ref".to_owned(),
                function => format!("Fn::{function}"),
            };
            json!({name: value_of(inner)})
        }
        other => panic!("not of a template: {other:?}"),
    }
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap_or_else(|| panic!("no object: {value}"))
}

/// IAM and CloudFormation take one thing where they take a list.
fn list(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items.clone(),
        Value::Null => Vec::new(),
        one => vec![one.clone()],
    }
}

fn texts(value: &Value) -> Vec<String> {
    list(value).iter().map(|item| item.as_str().unwrap().to_owned()).collect()
}

fn index(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

/// Every word of every string in a value; a logical id within `${Name.Arn}` counts.
fn words(value: &Value) -> BTreeSet<String> {
    match value {
        Value::String(text) => {
            text.split(|each: char| !each.is_ascii_alphanumeric()).map(str::to_owned).collect()
        }
        Value::Array(items) => items.iter().flat_map(words).collect(),
        Value::Object(fields) => fields.values().flat_map(words).collect(),
        _ => BTreeSet::new(),
    }
}

// ---------------------------------------------------------------- against the live stack

/// What the take-over removes: the old functions, with what exists for them alone.
const GOING: [&str; 7] = [
    "ForgotPasswordFunction",
    "ForgotPasswordPermission",
    "LambdaExecutionRole",
    "LoginPermission",
    "RegisterPermission",
    "UserLoginFunction",
    "UserRegisterFunction",
];

#[test]
fn every_logical_id_of_the_live_stack_that_is_still_needed_is_kept_with_its_type() {
    let (live, ours) = (Stack::live(), Stack::plain());
    let mut gone = Vec::new();
    for (name, resource) in live.resources() {
        match ours.resources().get(name) {
            Some(kept) => assert_eq!(kept["Type"], resource["Type"], "{name}"),
            None => gone.push(name.as_str()),
        }
    }
    gone.sort_unstable();
    assert_eq!(gone, GOING);
    for output in object(&live.template["Outputs"]).keys() {
        assert!(ours.template["Outputs"].get(output).is_some(), "no output {output}");
    }
}

/// Whose change makes CloudFormation replace a resource (the types' schemas: create-only properties).
fn replacing(kind: &str) -> &'static [&'static str] {
    match kind {
        "AWS::DynamoDB::Table" => {
            &["TableName", "KeySchema", "LocalSecondaryIndexes", "ImportSourceSpecification"]
        }
        "AWS::ApiGateway::Resource" => &["RestApiId", "ParentId", "PathPart"],
        "AWS::ApiGateway::Method" => &["RestApiId", "ResourceId", "HttpMethod"],
        // A body would remove the routes that were added by hand; the rest of it is as it was.
        "AWS::ApiGateway::RestApi" => {
            &["Body", "BodyS3Location", "CloneFrom", "EndpointConfiguration", "Mode", "Name"]
        }
        "AWS::ApiGateway::Deployment" => &[
            "RestApiId",
            "StageName",
            "StageDescription",
            "DeploymentCanarySettings",
            "Description",
        ],
        other => panic!("a type whose replacing properties nobody has looked up: {other}"),
    }
}

#[test]
fn no_property_differs_whose_change_replaces_what_is_live() {
    let (live, ours) = (Stack::live(), Stack::plain());
    let mut compared = 0;
    for (name, resource) in live.resources() {
        if GOING.contains(&name.as_str()) {
            continue;
        }
        for property in replacing(resource["Type"].as_str().unwrap()) {
            assert_eq!(
                ours.property(name, property),
                live.property(name, property),
                "{name}.{property}"
            );
        }
        compared += 1;
    }
    assert_eq!(compared, 11);
}

#[test]
fn attribute_definitions_of_live_tables_are_only_added_to() {
    let (live, ours) = (Stack::live(), Stack::plain());
    for table in live.of_type("AWS::DynamoDB::Table") {
        let (had, has) = (
            live.property(&table, "AttributeDefinitions"),
            ours.property(&table, "AttributeDefinitions"),
        );
        for definition in list(&had) {
            assert!(list(&has).contains(&definition), "{table}: {definition}");
        }
        assert_eq!(ours.property(&table, "BillingMode"), live.property(&table, "BillingMode"));
        assert_eq!(
            ours.property(&table, "StreamSpecification"),
            live.property(&table, "StreamSpecification")
        );
        // DynamoDB builds one index in an update.
        assert!(list(&ours.property(&table, "GlobalSecondaryIndexes")).len() <= 1, "{table}");
    }
}

#[test]
fn the_live_deployment_is_left_alone() {
    let (live, ours) = (Stack::live(), Stack::plain());
    assert_eq!(ours.resources()["ApiDeployment"], live.resources()["ApiDeployment"]);
}

#[test]
fn the_switch_leaves_ttl_as_it_is_and_later_updates_change_it_by_way_of_off() {
    let spec = |value| {
        Stack::new(TEMPLATE, &[("PasswordResetsTtl", value)])
            .property("PasswordResetsTable", "TimeToLiveSpecification")
    };
    assert_eq!(
        spec("expires_at"),
        Stack::live().property("PasswordResetsTable", "TimeToLiveSpecification")
    );
    assert_eq!(spec("off"), json!({"AttributeName": "expires_at", "Enabled": false}));
    assert_eq!(spec("ttl"), json!({"AttributeName": "ttl", "Enabled": true}));
}

#[test]
fn no_new_resource_is_given_a_name_that_could_be_taken() {
    let ours = Stack::full();
    for (name, resource) in ours.resources() {
        for property in ["FunctionName", "RoleName", "LogGroupName", "QueueName", "AlarmName"] {
            // A permission or a mapping names the function that it is for.
            let given = &resource["Properties"][property];
            assert!(given.is_null() || given.get("Ref").is_some(), "{name}.{property} is {given}");
        }
        assert!(
            resource["Type"] != "AWS::SecretsManager::Secret"
                || resource["Properties"]["Name"].is_null()
        );
    }
}

#[test]
fn what_holds_data_or_is_built_into_the_app_outlives_the_stack() {
    let ours = Stack::plain();
    for (name, deletion) in [
        ("UsersTable", "Retain"),
        ("PasswordResetsTable", "Retain"),
        // CloudFormation deletes the stage with the deployment that the stage serves.
        ("ApiRelease", "Retain"),
        ("ApiGateway", "RetainExceptOnCreate"),
        ("MasterSecret", "RetainExceptOnCreate"),
    ] {
        assert_eq!(ours.attribute(name, "DeletionPolicy"), deletion, "{name}");
        assert_eq!(ours.attribute(name, "UpdateReplacePolicy"), "Retain", "{name}");
    }
    for table in ["UsersTable", "PasswordResetsTable"] {
        let recovery = ours.property(table, "PointInTimeRecoverySpecification");
        assert_eq!(recovery["PointInTimeRecoveryEnabled"], true, "{table}");
    }
}

#[test]
fn the_release_comes_after_everything_so_that_nothing_fails_once_the_stage_has_moved() {
    let ours = Stack::full();
    let mut before = BTreeSet::new();
    let mut left = vec!["ApiRelease".to_owned()];
    while let Some(name) = left.pop() {
        for reference in ours.references(&name) {
            if before.insert(reference.clone()) {
                left.push(reference);
            }
        }
    }
    let mut all: BTreeSet<_> = ours.resources().keys().cloned().collect();
    all.remove("ApiRelease");
    assert_eq!(before, all);
    assert_eq!(ours.property("ApiRelease", "StageName"), "prod");
    // Refused by CloudFormation for a stage that exists.
    assert_eq!(ours.property("ApiRelease", "StageDescription"), Value::Null);
}

#[test]
fn the_script_can_rename_the_release_and_send_the_template() {
    assert_eq!(TEMPLATE.lines().filter(|line| *line == "  ApiRelease:").count(), 1);
    let is_sent = |line: &&str| !line.is_empty() && !line.trim_start().starts_with('#');
    let sent: usize = TEMPLATE.lines().filter(is_sent).map(|line| line.len() + 1).sum();
    assert!(sent + 12 <= LARGEST_TEMPLATE, "{sent} bytes");
}

// ---------------------------------------------------------------- tables

#[test]
fn tables_have_the_keys_that_the_adapters_use() {
    let ours = Stack::new(TEMPLATE, &[("TablePrefix", "other-")]);
    for (table, name, keys) in [
        ("UsersTable", "other-users", &["email"][..]),
        ("PasswordResetsTable", "other-password-resets", &["email", "reset_token"]),
        ("SessionsTable", "other-sessions", &["user_id", "session_id"]),
        ("AttemptsTable", "other-attempts", &["key"]),
        ("RateLimitsTable", "other-rate-limits", &["key"]),
    ] {
        assert_eq!(ours.property(table, "TableName"), name);
        let schema = ours.property(table, "KeySchema");
        let kinds = ["HASH", "RANGE"];
        let expected = keys
            .iter()
            .zip(kinds)
            .map(|(key, kind)| json!({"AttributeName": key, "KeyType": kind}));
        assert_eq!(list(&schema), expected.collect::<Vec<_>>(), "{table}");
        for definition in list(&ours.property(table, "AttributeDefinitions")) {
            assert_eq!(definition["AttributeType"], "S", "{table}");
        }
        assert_eq!(ours.property(table, "BillingMode"), "PAY_PER_REQUEST");
        if table != "UsersTable" {
            let ttl = ours.property(table, "TimeToLiveSpecification");
            assert_eq!(ttl, json!({"AttributeName": "ttl", "Enabled": true}), "{table}");
        }
    }
    let index = &ours.property("UsersTable", "GlobalSecondaryIndexes")[0];
    assert_eq!(index["IndexName"], "user_id-index");
    assert_eq!(index["Projection"], json!({"ProjectionType": "KEYS_ONLY"}));
    assert_eq!(index["KeySchema"], json!([{"AttributeName": "user_id", "KeyType": "HASH"}]));
}

// ---------------------------------------------------------------- permissions

/// Every action that a role is allowed, with what it is allowed on.
fn allowed(stack: &Stack, role: &str) -> BTreeSet<String> {
    let statements = stack.statements(role).into_iter().flat_map(|statement| {
        assert_eq!(statement["Effect"], "Allow");
        let resources = list(&statement["Resource"]);
        let actions = texts(&statement["Action"]);
        let pairs = actions.into_iter().flat_map(move |action| {
            resources
                .clone()
                .into_iter()
                .map(move |resource| format!("{action} {}", named(&resource)))
        });
        pairs.collect::<Vec<_>>()
    });
    statements.collect()
}

fn named(resource: &Value) -> String {
    let text = resource.as_str().or_else(|| resource["Ref"].as_str());
    let text = text.or_else(|| resource["Fn::GetAtt"].as_str()).unwrap();
    text.strip_suffix(".Arn").unwrap_or(text).to_owned()
}

const SES: &str = "ses:SendEmail arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:";

#[test]
fn each_function_may_do_what_its_use_cases_do_and_nothing_else() {
    let plain = Stack::new(TEMPLATE, &[("SesIdentity", "a.example")]);
    let http = [
        "dynamodb:BatchWriteItem PasswordResetsTable",
        "dynamodb:BatchWriteItem SessionsTable",
        "dynamodb:DeleteItem AttemptsTable",
        "dynamodb:DeleteItem SessionsTable",
        "dynamodb:DeleteItem UsersTable",
        "dynamodb:GetItem SessionsTable",
        "dynamodb:GetItem UsersTable",
        "dynamodb:PutItem SessionsTable",
        "dynamodb:PutItem UsersTable",
        "dynamodb:Query ${UsersTable.Arn}/index/user_id-index",
        "dynamodb:Query PasswordResetsTable",
        "dynamodb:Query SessionsTable",
        "dynamodb:UpdateItem AttemptsTable",
        "dynamodb:UpdateItem PasswordResetsTable",
        "dynamodb:UpdateItem SessionsTable",
        "dynamodb:UpdateItem UsersTable",
        "logs:CreateLogStream AuthLogGroup",
        "logs:PutLogEvents AuthLogGroup",
        "secretsmanager:GetSecretValue MasterSecret",
        "sqs:SendMessage MailQueue",
    ];
    assert_eq!(allowed(&plain, "AuthRole"), http.map(str::to_owned).into());
    let mail = [
        "dynamodb:BatchWriteItem PasswordResetsTable",
        "dynamodb:BatchWriteItem SessionsTable",
        "dynamodb:GetItem UsersTable",
        "dynamodb:PutItem PasswordResetsTable",
        "dynamodb:Query ${UsersTable.Arn}/index/user_id-index",
        "dynamodb:Query PasswordResetsTable",
        "dynamodb:Query SessionsTable",
        "dynamodb:UpdateItem RateLimitsTable",
        "logs:CreateLogStream MailLogGroup",
        "logs:PutLogEvents MailLogGroup",
        "secretsmanager:GetSecretValue MasterSecret",
        &format!("{SES}identity/${{MailFrom}}"),
        &format!("{SES}identity/a.example"),
        "sqs:DeleteMessage MailQueue",
        "sqs:GetQueueAttributes MailQueue",
        "sqs:ReceiveMessage MailQueue",
    ];
    assert_eq!(allowed(&plain, "MailRole"), mail.map(str::to_owned).into());
}

#[test]
fn an_option_adds_the_permission_that_it_needs_alone() {
    let (plain, full) = (Stack::new(TEMPLATE, &[("SesIdentity", "a.example")]), Stack::full());
    let added = |role| {
        let added = &allowed(&full, role) - &allowed(&plain, role);
        added.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(
        added("AuthRole"),
        [
            "dynamodb:UpdateItem RateLimitsTable",
            "secretsmanager:GetSecretValue arn:aws:secretsmanager:us-east-1:123456789012:secret:peppers",
            "secretsmanager:GetSecretValue arn:aws:secretsmanager:us-east-1:123456789012:secret:shared",
            "xray:PutTelemetryRecords *",
            "xray:PutTraceSegments *",
        ]
    );
    let mails = format!("{SES}configuration-set/mails");
    assert_eq!(
        added("MailRole"),
        [
            "dynamodb:PutItem UsersTable",
            mails.as_str(),
            "xray:PutTelemetryRecords *",
            "xray:PutTraceSegments *",
        ]
    );
}

#[test]
fn the_mail_function_cannot_change_an_account_or_write_a_session_anew() {
    let mail = allowed(&Stack::full(), "MailRole");
    for action in ["DeleteItem", "PutItem", "UpdateItem"] {
        let signs_up = action == "PutItem";
        assert_eq!(mail.contains(&format!("dynamodb:{action} UsersTable")), signs_up, "{action}");
        assert!(!mail.contains(&format!("dynamodb:{action} SessionsTable")), "{action}");
    }
    assert!(!mail.contains("dynamodb:BatchWriteItem UsersTable"));
}

#[test]
fn what_is_not_kept_when_the_stack_goes_is_nothing_but_sessions_and_counters() {
    let ours = Stack::plain();
    let going: Vec<_> = ours
        .of_type("AWS::DynamoDB::Table")
        .into_iter()
        .filter(|table| ours.attribute(table, "DeletionPolicy") == "Delete")
        .collect();
    assert_eq!(going, ["AttemptsTable", "RateLimitsTable", "SessionsTable"]);
}

#[test]
fn nothing_is_allowed_on_everything_but_tracing_which_has_no_resources() {
    let full = Stack::full();
    for role in full.of_type("AWS::IAM::Role") {
        for statement in full.statements(&role) {
            let actions = texts(&statement["Action"]);
            assert!(actions.iter().all(|action| !action.contains('*')), "{role}: {statement}");
            assert!(!actions.contains(&"dynamodb:Scan".to_owned()), "{role}: {statement}");
            let everything =
                list(&statement["Resource"]).iter().any(|resource| named(resource).contains('*'));
            let tracing = actions.iter().all(|action| action.starts_with("xray:"));
            assert!(!everything || tracing, "{role}: {statement}");
            assert!(
                statement.get("NotAction").or(statement.get("NotResource")).is_none(),
                "{role}"
            );
        }
    }
}

#[test]
fn mail_goes_out_only_under_the_sender_that_was_set() {
    let ours = Stack::new(TEMPLATE, &[("MailFrom", "noreply@a.example")]);
    let statements = ours.statements("MailRole");
    let sending =
        statements.iter().find(|statement| statement["Action"] == "ses:SendEmail").unwrap();
    assert_eq!(
        sending["Condition"],
        json!({"StringEquals": {"ses:FromAddress": "noreply@a.example"}})
    );
    assert!(!allowed(&ours, "AuthRole").iter().any(|each| each.starts_with("ses:")));
}

#[test]
fn each_function_has_a_role_that_only_lambda_may_take() {
    let ours = Stack::full();
    for (function, role) in [("AuthFunction", "AuthRole"), ("MailFunction", "MailRole")] {
        assert_eq!(ours.property(function, "Role"), json!({"Fn::GetAtt": format!("{role}.Arn")}));
        let trust = &ours.property(role, "AssumeRolePolicyDocument")["Statement"];
        assert_eq!(list(trust).len(), 1);
        assert_eq!(trust[0]["Principal"], json!({"Service": "lambda.amazonaws.com"}));
        assert_eq!(ours.property(role, "ManagedPolicyArns"), Value::Null);
    }
}

// ---------------------------------------------------------------- functions

/// Every variable that the program knows.
const KNOWN: [&str; 32] = [
    "AUTH_ALLOWED_ORIGINS",
    "AUTH_AUDIENCE",
    "AUTH_AWS_ATTEMPTS",
    "AUTH_AWS_ATTEMPT_MS",
    "AUTH_AWS_DEADLINE_MS",
    "AUTH_AWS_ROOTS",
    "AUTH_COMPATIBILITY_SECRET_ARN",
    "AUTH_COMPATIBILITY_TOKEN_SECONDS",
    "AUTH_DANGER_PLAIN_COMPATIBILITY_SECRET",
    "AUTH_DANGER_PLAIN_MASTER_SECRET",
    "AUTH_DANGER_PLAIN_PEPPERS",
    "AUTH_EMAIL_VERIFICATION",
    "AUTH_HASH_QUEUE",
    "AUTH_HASH_THREADS",
    "AUTH_ISSUER",
    "AUTH_LANGUAGE",
    "AUTH_LINK_BASE",
    "AUTH_MAIL_FROM",
    "AUTH_MAIL_QUEUE_URL",
    "AUTH_MAIL_REPLY_TO",
    "AUTH_MASTER_SECRET_ARN",
    "AUTH_METRICS",
    "AUTH_PEPPERS_ARN",
    "AUTH_REGISTRATION",
    "AUTH_REQUEST_SECONDS",
    "AUTH_SECRET_CACHE_SECONDS",
    "AUTH_SERVICE_NAME",
    "AUTH_SES_CONFIGURATION_SET",
    "AUTH_SOURCE_LIMITS",
    "AUTH_STRICT_TOKENS",
    "AUTH_SUPPORT_CONTACT",
    "AUTH_TABLE_PREFIX",
];

const REQUIRED: [&str; 7] = [
    "AUTH_AUDIENCE",
    "AUTH_ISSUER",
    "AUTH_LINK_BASE",
    "AUTH_MAIL_FROM",
    "AUTH_MAIL_QUEUE_URL",
    "AUTH_MASTER_SECRET_ARN",
    "AUTH_SERVICE_NAME",
];

#[test]
fn functions_are_given_every_required_variable_and_none_that_the_program_does_not_know() {
    for stack in [Stack::plain(), Stack::full()] {
        for function in ["AuthFunction", "MailFunction"] {
            let variables = stack.environment(function);
            for name in variables.keys() {
                assert!(KNOWN.contains(&name.as_str()), "{function}: {name}");
            }
            for name in REQUIRED {
                assert!(variables.contains_key(name), "{function}: no {name}");
            }
            // An empty value would be a setting, and a wrong one.
            assert!(variables.values().all(|value| value != ""), "{function}: {variables:?}");
        }
    }
}

#[test]
fn both_functions_have_the_same_settings_where_both_have_them() {
    let full = Stack::full();
    let (http, mail) = (full.environment("AuthFunction"), full.environment("MailFunction"));
    for (name, value) in &mail {
        assert_eq!(http.get(name), Some(value), "{name}");
    }
    let only_http: Vec<_> = http.keys().filter(|name| !mail.contains_key(*name)).collect();
    for name in ["AUTH_COMPATIBILITY_SECRET_ARN", "AUTH_PEPPERS_ARN"] {
        assert!(only_http.contains(&&name.to_owned()), "{only_http:?}");
    }
}

#[test]
fn no_secret_is_in_the_template_a_parameter_or_a_variable() {
    let full = Stack::full();
    for (name, parameter) in object(&full.template["Parameters"]) {
        assert!(parameter.get("NoEcho").is_none(), "{name} seems to be a secret");
        let secret = ["Password", "Secret", "Token", "Key"].iter().any(|word| name.contains(word));
        let known = [
            "CodeKey",
            "CompatibilitySecretArn",
            "CompatibilityTokenSeconds",
            "PasswordResetsTtl",
            "SecretCacheSeconds",
            "StrictTokens",
        ];
        assert!(!secret || known.contains(&name.as_str()), "{name}");
    }
    assert_eq!(full.template["Parameters"]["CompatibilitySecretArn"]["Default"], "");
    for function in ["AuthFunction", "MailFunction"] {
        assert!(
            !full.environment(function).keys().any(|name| name.contains("DANGER")),
            "{function}"
        );
    }
    assert_eq!(full.property("MasterSecret", "SecretString"), Value::Null);
    let generated = full.property("MasterSecret", "GenerateSecretString");
    assert!(generated["PasswordLength"].as_u64().unwrap() >= 43, "256 bits of letters and digits");
    assert!(generated.get("SecretStringTemplate").is_none(), "the secret is the string itself");
}

#[test]
fn functions_run_the_zip_on_the_chosen_machine() {
    let ours = Stack::new(
        TEMPLATE,
        &[("Architecture", "x86_64"), ("CodeBucket", "code"), ("CodeKey", "auth.zip")],
    );
    for function in ["AuthFunction", "MailFunction"] {
        assert_eq!(ours.property(function, "Runtime"), "provided.al2023");
        assert_eq!(ours.property(function, "Handler"), "bootstrap");
        assert_eq!(ours.property(function, "Architectures"), json!(["x86_64"]));
        assert_eq!(
            ours.property(function, "Code"),
            json!({"S3Bucket": "code", "S3Key": "auth.zip"})
        );
    }
    let (request, function) =
        (ours.parameters["RequestSeconds"].as_u64(), ours.property("AuthFunction", "Timeout"));
    assert!(
        request.unwrap() + 5 < function.as_u64().unwrap(),
        "a call must be answered before it is cut off"
    );
    assert!(function.as_u64().unwrap() <= 29, "API Gateway gives up after 29 s");
}

#[test]
fn reserved_concurrency_and_tracing_are_as_the_parameters_say() {
    let (plain, full) = (Stack::plain(), Stack::full());
    assert_eq!(plain.property("AuthFunction", "ReservedConcurrentExecutions"), Value::Null);
    assert_eq!(full.property("AuthFunction", "ReservedConcurrentExecutions"), "10");
    for function in ["AuthFunction", "MailFunction"] {
        assert_eq!(plain.property(function, "TracingConfig")["Mode"], "PassThrough");
        assert_eq!(full.property(function, "TracingConfig")["Mode"], "Active");
    }
}

#[test]
fn a_mail_service_that_is_down_for_an_hour_loses_no_mail() {
    let ours = Stack::plain();
    let seconds =
        |resource: &str, property: &str| ours.property(resource, property).as_u64().unwrap();
    let visibility = seconds("MailQueue", "VisibilityTimeout");
    assert!(visibility >= 6 * seconds("MailFunction", "Timeout"));
    let redrive = ours.property("MailQueue", "RedrivePolicy");
    assert_eq!(redrive["deadLetterTargetArn"], json!({"Fn::GetAtt": "MailDeadLetterQueue.Arn"}));
    let tried_for = (redrive["maxReceiveCount"].as_u64().unwrap() - 1) * visibility;
    assert!(tried_for > 3600, "{tried_for} s");
    assert!(seconds("MailQueue", "MessageRetentionPeriod") > tried_for);
    assert_eq!(seconds("MailDeadLetterQueue", "MessageRetentionPeriod"), 14 * 24 * 3600);
    for queue in ["MailQueue", "MailDeadLetterQueue"] {
        assert_eq!(ours.property(queue, "SqsManagedSseEnabled"), true);
    }
}

#[test]
fn jobs_that_failed_come_back_and_those_that_were_done_do_not() {
    let ours = Stack::plain();
    assert_eq!(
        ours.property("MailMapping", "FunctionResponseTypes"),
        json!(["ReportBatchItemFailures"])
    );
    assert_eq!(
        ours.property("MailMapping", "EventSourceArn"),
        json!({"Fn::GetAtt": "MailQueue.Arn"})
    );
    assert_eq!(ours.property("MailMapping", "FunctionName"), json!({"Ref": "MailFunction"}));
    assert!(
        ours.property("MailMapping", "ScalingConfig")["MaximumConcurrency"].as_u64().unwrap() >= 2
    );
}

#[test]
fn both_guides_have_one_table_with_every_variable_and_its_parameter() {
    let ours = Stack::full();
    let variables = ours.environment("AuthFunction");
    for guide in GUIDES {
        let rows = guide.lines().filter(|line| line.starts_with("| `AUTH_"));
        let rows: BTreeMap<_, _> = rows
            .map(|row| {
                let cells: Vec<_> =
                    row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
                (cells[1], cells[2])
            })
            .collect();
        assert_eq!(rows.keys().copied().collect::<Vec<_>>(), KNOWN);
        for (variable, parameter) in rows {
            if ours.template["Parameters"].get(parameter).is_some() {
                let marked =
                    Stack::new(TEMPLATE, &[(parameter, "marked")]).environment("AuthFunction");
                assert_eq!(marked[variable], "marked", "{parameter}");
            } else {
                let by_the_stack =
                    variables.get(variable).is_some_and(|value| value.get("Ref").is_some());
                assert!(by_the_stack || !variables.contains_key(variable), "{variable}");
            }
        }
    }
}

// ---------------------------------------------------------------- API

/// The calls in a row of the router's documentation, as in ``POST /a`, `/b` (bearer) | ..``.
fn calls_of(row: &str) -> Vec<(String, String)> {
    let call = row.split('|').next().unwrap_or_default();
    let words: Vec<_> = call.split(['`', ' ', ',']).filter(|word| !word.is_empty()).collect();
    let verbs = ["DELETE", "GET", "POST"];
    let Some(verb) = words.first().filter(|word| verbs.contains(*word)) else { return Vec::new() };
    let paths = words.iter().filter(|word| word.starts_with('/'));
    paths.map(|path| ((*verb).to_owned(), (*path).to_owned())).collect()
}

#[test]
fn every_call_of_the_router_has_a_route_and_every_call_of_a_page_a_preflight() {
    let routes = Stack::plain().routes();
    let served: BTreeSet<_> =
        routes.iter().map(|route| route.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
    let mut expected = BTreeSet::from(["/.well-known/jwks.json GET".to_owned()]);
    expected.insert("/healthz GET".to_owned());
    for row in CALLS.lines().filter_map(|line| line.strip_prefix("//! | `")) {
        for (verb, path) in calls_of(row) {
            expected.insert(format!("{path} {verb}"));
            if path.starts_with("/auth/") {
                expected.insert(format!("{path} OPTIONS"));
            }
        }
    }
    assert!(expected.len() > 30, "{expected:?}");
    assert_eq!(served, expected);
}

#[test]
fn the_script_knows_the_routes_of_the_template() {
    let listed = SCRIPT.lines().filter_map(|line| line.trim().strip_prefix("'/"));
    let listed = listed.map(|line| format!("/{}", line.trim_end_matches('\'')));
    assert_eq!(listed.collect::<BTreeSet<_>>(), Stack::plain().routes());
}

#[test]
fn every_route_leads_to_the_function_which_the_api_may_call_there() {
    let ours = Stack::plain();
    for method in ours.of_type("AWS::ApiGateway::Method") {
        let integration = ours.property(&method, "Integration");
        assert_eq!(integration["Type"], "AWS_PROXY", "{method}");
        assert_eq!(integration["IntegrationHttpMethod"], "POST", "{method}");
        assert!(
            integration["Uri"]
                .as_str()
                .unwrap()
                .ends_with("/functions/${AuthFunction.Arn}/invocations"),
            "{method}"
        );
        assert_eq!(ours.property(&method, "AuthorizationType"), "NONE", "{method}");
    }
    for (permission, routes) in [
        ("AuthPermission", "/prod/*/auth/*"),
        ("HealthPermission", "/prod/GET/healthz"),
        ("JwksPermission", "/prod/GET/.well-known/jwks.json"),
    ] {
        assert_eq!(ours.property(permission, "FunctionName"), json!({"Ref": "AuthFunction"}));
        assert_eq!(ours.property(permission, "Principal"), "apigateway.amazonaws.com");
        let source = ours.property(permission, "SourceArn");
        assert!(
            source.as_str().unwrap().ends_with(&format!(":${{ApiGateway}}{routes}")),
            "{source}"
        );
    }
}

#[test]
fn what_the_gateway_answers_by_itself_says_so_where_clients_look() {
    for (language, throttled) in [("ko", "요청이 너무 많습니다"), ("en", "Too many requests")]
    {
        let ours = Stack::new(TEMPLATE, &[("Language", language)]);
        let mut kinds = BTreeSet::new();
        for response in ours.of_type("AWS::ApiGateway::GatewayResponse") {
            let kind = ours.property(&response, "ResponseType").as_str().unwrap().to_owned();
            let template =
                ours.property(&response, "ResponseTemplates")["application/json"].clone();
            let body =
                template.as_str().unwrap().replace("$context.error.messageString", "\"as before\"");
            let body: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(body["message"], "as before", "{kind}");
            let error = body["error"].as_str().unwrap();
            assert_eq!(error.is_ascii(), language == "en", "{kind}: {error}");
            if kind == "THROTTLED" {
                assert!(error.starts_with(throttled), "{error}");
                let headers = ours.property(&response, "ResponseParameters");
                assert_eq!(headers["gatewayresponse.header.Retry-After"], "'1'");
            }
            kinds.insert(kind);
        }
        let expected = ["DEFAULT_4XX", "DEFAULT_5XX", "THROTTLED"];
        assert_eq!(kinds, expected.map(str::to_owned).into());
    }
}

#[test]
fn pages_can_read_the_answers_of_the_gateway_only_where_they_were_allowed_to() {
    let (plain, full) = (Stack::plain(), Stack::full());
    let header = "gatewayresponse.header.Access-Control-Allow-Origin";
    for response in plain.of_type("AWS::ApiGateway::GatewayResponse") {
        assert!(
            plain.property(&response, "ResponseParameters").get(header).is_none(),
            "{response}"
        );
        assert_eq!(
            full.property(&response, "ResponseParameters")[header],
            "'https://a.example'",
            "{response}"
        );
    }
}

#[test]
fn what_the_script_sets_on_the_stage_is_a_parameter() {
    let full = Stack::full();
    let output = |name: &str| full.resolve(&full.template["Outputs"][name]["Value"]).unwrap();
    let number = |name: &str| output(name).as_u64().unwrap();
    assert!(number("StageThrottleRate") > 0);
    assert!(number("StageThrottleBurst") >= number("StageThrottleRate"));
    assert_eq!(output("StageTracing"), "true");
    assert_eq!(output("StageAccessLogs"), "true");
    assert_eq!(output("AccessLogGroupArn"), json!({"Fn::GetAtt": "AccessLogGroup.Arn"}));
}

// ---------------------------------------------------------------- watching

#[test]
fn every_log_is_kept_for_as_long_as_was_set_and_no_longer() {
    let ours = Stack::new(TEMPLATE, &[("LogRetentionDays", "7")]);
    let groups = ours.of_type("AWS::Logs::LogGroup");
    assert_eq!(groups, ["AccessLogGroup", "AuthLogGroup", "MailLogGroup"]);
    for group in groups {
        assert_eq!(ours.property(&group, "RetentionInDays"), "7", "{group}");
    }
    for (function, group) in [("AuthFunction", "AuthLogGroup"), ("MailFunction", "MailLogGroup")] {
        assert_eq!(ours.property(function, "LoggingConfig")["LogGroup"], json!({"Ref": group}));
    }
}

#[test]
fn somebody_is_told_of_what_goes_wrong() {
    let (plain, full) = (Stack::plain(), Stack::full());
    let mut watched = BTreeSet::new();
    for alarm in full.of_type("AWS::CloudWatch::Alarm") {
        assert_eq!(plain.property(&alarm, "AlarmActions"), Value::Null, "{alarm}");
        let actions = full.property(&alarm, "AlarmActions");
        assert_eq!(actions, json!(["arn:aws:sns:us-east-1:123456789012:alarms"]), "{alarm}");
        assert_eq!(full.property(&alarm, "TreatMissingData"), "notBreaching", "{alarm}");
        let of = words(&full.property(&alarm, "Dimensions"));
        let of: Vec<_> = of
            .into_iter()
            .filter(|word| full.resources().contains_key(word) || word == "prod")
            .collect();
        let metric = full.property(&alarm, "MetricName");
        watched.insert(format!("{} of {}", metric.as_str().unwrap(), of.join(" ")));
    }
    let expected = [
        "5XXError of prod",
        "ApproximateAgeOfOldestMessage of MailQueue",
        "ApproximateNumberOfMessagesVisible of MailDeadLetterQueue",
        "Errors of AuthFunction",
        "Errors of MailFunction",
        "Throttles of AuthFunction",
    ];
    assert_eq!(watched, expected.map(str::to_owned).into());
}

// ---------------------------------------------------------------- dashboard

/// The metrics of AWS that are shown, each with its dimensions.
const OF_AWS: [&str; 13] = [
    "AWS/ApiGateway 4XXError ApiName Stage",
    "AWS/ApiGateway 5XXError ApiName Stage",
    "AWS/ApiGateway Count ApiName Stage",
    "AWS/DynamoDB ConsumedReadCapacityUnits TableName",
    "AWS/DynamoDB ConsumedWriteCapacityUnits TableName",
    "AWS/DynamoDB ReadThrottleEvents TableName",
    "AWS/DynamoDB WriteThrottleEvents TableName",
    "AWS/Lambda ConcurrentExecutions FunctionName",
    "AWS/Lambda Duration FunctionName",
    "AWS/Lambda Errors FunctionName",
    "AWS/Lambda Throttles FunctionName",
    "AWS/SQS ApproximateAgeOfOldestMessage QueueName",
    "AWS/SQS ApproximateNumberOfMessagesVisible QueueName",
];

/// The widgets of the dashboard, as JSON.
fn widgets(stack: &Stack) -> Vec<Value> {
    let body = stack.property("WatchingDashboard", "DashboardBody");
    // What only AWS knows is left as it is.
    let body = body.as_str().or_else(|| body["Fn::Sub"].as_str()).unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    list(&body["widgets"])
}

/// A metric that is shown: `namespace name dimension..`. One of ours is searched for by all values of its last
/// dimension, as in `SEARCH('{Auth,Service,Outcome} MetricName="Logins" Service="alcolook-"', 'Sum', 300)`.
fn shown(metric: &Value) -> String {
    let metric = metric.as_array().unwrap();
    if let Some(search) = metric[0]["expression"].as_str() {
        let (schema, rest) = search.strip_prefix("SEARCH('{").unwrap().split_once("} ").unwrap();
        let name = rest.strip_prefix("MetricName=\"").unwrap().split_once('"').unwrap();
        assert_eq!(name.1, " Service=\"alcolook-\"', 'Sum', 300)", "{search}");
        let (namespace, dimensions) = schema.split_once(',').unwrap();
        return format!("{namespace} {} {}", name.0, dimensions.replace(',', " "));
    }
    let texts: Vec<_> = metric.iter().filter_map(Value::as_str).collect();
    let dimensions = texts[2..].chunks(2).map(|pair| pair[0]);
    let words = texts[..2].iter().copied().chain(dimensions);
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn the_dashboard_shows_every_metric_of_ours_and_none_that_does_not_exist() {
    let full = Stack::full();
    let ours: BTreeSet<_> = EmfEvents::METRICS
        .iter()
        .map(|metric| {
            let dimension = metric.dimension.map(|name| format!(" {name}")).unwrap_or_default();
            format!("Auth {} Service{dimension}", metric.name)
        })
        .collect();
    let metrics = widgets(&full).into_iter().flat_map(|widget| {
        assert_eq!(widget["properties"]["region"], "${AWS::Region}");
        list(&widget["properties"]["metrics"])
    });
    let shown: BTreeSet<_> = metrics.map(|metric| shown(&metric)).collect();
    let (of_us, of_aws): (BTreeSet<_>, BTreeSet<_>) =
        shown.into_iter().partition(|metric| metric.starts_with("Auth "));
    assert_eq!(of_us, ours);
    assert_eq!(of_aws, OF_AWS.map(str::to_owned).into());
}

#[test]
fn the_dashboard_names_both_functions_both_queues_and_every_table() {
    let full = Stack::full();
    let named = words(&json!(widgets(&full)));
    for kind in ["AWS::Lambda::Function", "AWS::SQS::Queue", "AWS::DynamoDB::Table"] {
        for resource in full.of_type(kind) {
            assert!(named.contains(&resource), "{resource}");
        }
    }
}

#[test]
fn no_widget_lies_on_another_or_beyond_the_edge() {
    let number = |widget: &Value, name: &str| widget[name].as_u64().unwrap();
    let mut taken = BTreeSet::new();
    for widget in widgets(&Stack::full()) {
        let (x, y) = (number(&widget, "x"), number(&widget, "y"));
        assert!(x + number(&widget, "width") <= 24, "{widget}");
        for column in x..x + number(&widget, "width") {
            for row in y..y + number(&widget, "height") {
                assert!(taken.insert((column, row)), "{widget}");
            }
        }
    }
}

#[test]
fn there_is_a_dashboard_unless_it_is_switched_off() {
    let condition = Stack::plain().attribute("WatchingDashboard", "Condition");
    assert!(Stack::plain().holds(&condition));
    assert!(!Stack::new(TEMPLATE, &[("Dashboard", "off")]).holds(&condition));
}
