#!/usr/bin/env bash
# Builds, packages and deploys the authentication service. README.md beside this file is the guide.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: deploy.sh [options]

Builds the Lambda artefact, lints the template, uploads the zip, shows the change set, refuses one that
would replace or remove the API, a table or a secret, runs it, sets the stage, and prints the URL.

  --dry-run            do everything but touch AWS; needs neither credentials nor the aws CLI
  --stack NAME         CloudFormation stack                        (default: alcolook-backend)
  --region REGION      (default: AWS_REGION, AWS_DEFAULT_REGION, else us-east-1)
  --bucket NAME        S3 bucket of the region, for zip and template (required without --dry-run)
  --settings FILE      lines Name=Value, for parameters of template.yaml
  --set Name=Value     one parameter, before the file's; repeatable
  --install-tools      put cargo-lambda, zig and cfn-lint from PyPI into target/deploy/tools, and use them
                       (later runs use them without this); needs python3
  --artifact FILE      a zip, or the program bootstrap, instead of building
  --walk PROGRAM       canonicalize-addresses, instead of building it
  --accept-collisions  switch although addresses that collide or cannot be read are left (walk exit 3)
  --yes                run the change set without asking
  --help               this text

Parameters that are not set keep their value in the stack, or have the template's default. Secrets are
no parameters: they stay in Secrets Manager, and nothing here prints one.
TEXT
}

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(dirname "$here")"
template="$here/template.yaml"
output="${CARGO_TARGET_DIR:-$root/target}"
mkdir -p "$output"
output="$(cd "$output" && pwd)"
export CARGO_TARGET_DIR="$output"
output="$output/deploy"
stage=prod
# No pager between an error and who should read it.
export AWS_PAGER=''

# Every route of the template: path, verb, and the logical ids of its resource and its method.
routes=(
    '/auth/register POST RegisterResource RegisterMethod'
    '/auth/register OPTIONS RegisterResource RegisterOptions'
    '/auth/login POST LoginResource LoginMethod'
    '/auth/login OPTIONS LoginResource LoginOptions'
    '/auth/forgotpassword POST ForgotPasswordResource ForgotPasswordMethod'
    '/auth/forgotpassword OPTIONS ForgotPasswordResource ForgotPasswordOptions'
    '/auth/forgot-password POST ForgotPasswordHyphenResource ForgotPasswordHyphenMethod'
    '/auth/forgot-password OPTIONS ForgotPasswordHyphenResource ForgotPasswordHyphenOptions'
    '/auth/reset-password POST ResetPasswordResource ResetPasswordMethod'
    '/auth/reset-password OPTIONS ResetPasswordResource ResetPasswordOptions'
    '/auth/refresh POST RefreshResource RefreshMethod'
    '/auth/refresh OPTIONS RefreshResource RefreshOptions'
    '/auth/logout POST LogoutResource LogoutMethod'
    '/auth/logout OPTIONS LogoutResource LogoutOptions'
    '/auth/sessions GET SessionsResource SessionsMethod'
    '/auth/sessions DELETE SessionsResource SessionsDeleteMethod'
    '/auth/sessions OPTIONS SessionsResource SessionsOptions'
    '/auth/sessions/{id} DELETE SessionResource SessionMethod'
    '/auth/sessions/{id} OPTIONS SessionResource SessionOptions'
    '/auth/change-password POST ChangePasswordResource ChangePasswordMethod'
    '/auth/change-password OPTIONS ChangePasswordResource ChangePasswordOptions'
    '/auth/change-email POST ChangeEmailResource ChangeEmailMethod'
    '/auth/change-email OPTIONS ChangeEmailResource ChangeEmailOptions'
    '/auth/change-email/confirm POST ChangeEmailConfirmResource ChangeEmailConfirmMethod'
    '/auth/change-email/confirm OPTIONS ChangeEmailConfirmResource ChangeEmailConfirmOptions'
    '/auth/verify-email POST VerifyEmailResource VerifyEmailMethod'
    '/auth/verify-email OPTIONS VerifyEmailResource VerifyEmailOptions'
    '/auth/verify-email/resend POST VerifyEmailResendResource VerifyEmailResendMethod'
    '/auth/verify-email/resend OPTIONS VerifyEmailResendResource VerifyEmailResendOptions'
    '/auth/me GET MeResource MeMethod'
    '/auth/me DELETE MeResource MeDeleteMethod'
    '/auth/me OPTIONS MeResource MeOptions'
    '/.well-known/jwks.json GET JwksResource JwksMethod'
    '/healthz GET HealthResource HealthMethod'
)

# No path, query or body: a link's token is in a query, and an address may be in any of them.
# shellcheck disable=SC2016 # API Gateway's variables, not the shell's
access_log_format='{"requestId":"$context.requestId","time":"$context.requestTime","sourceIp":"$context.identity.sourceIp","method":"$context.httpMethod","route":"$context.resourcePath","status":"$context.status","latencyMs":"$context.responseLatency","functionLatencyMs":"$context.integrationLatency","responseBytes":"$context.responseLength"}'

refuse() {
    printf 'deploy.sh: %s\n' "$1" >&2
    exit 1
}

say() {
    printf '%s\n' "$@"
}

has() {
    command -v "$1" >/dev/null 2>&1
}

# ---------------------------------------------------------------- options

((BASH_VERSINFO[0] >= 4)) || refuse 'bash 4 or newer is needed (macOS: brew install bash)'

dry_run=false
accept_collisions=false
install_tools=false
yes=false
stack=alcolook-backend
region="${AWS_REGION:-${AWS_DEFAULT_REGION:-us-east-1}}"
bucket=''
artifact=''
walk=''
settings=''
declare -A given=() previous=()

set_parameter() { # Name=Value
    local name="${1%%=*}"
    [[ "$1" == *=* && "$name" =~ ^[A-Za-z0-9]+$ ]] || refuse "'$1' is not of the form Name=Value"
    [[ ! "$1" =~ [[:cntrl:]] ]] || refuse "$name holds a control character"
    given["$name"]="${1#*=}"
}

sets=()
while (($#)); do
    case "$1" in
        --stack | --region | --bucket | --settings | --set | --artifact | --walk)
            (($# >= 2)) || refuse "$1 wants a value" ;;
    esac
    case "$1" in
        --dry-run) dry_run=true ;;
        --stack) stack="$2" && shift ;;
        --region) region="$2" && shift ;;
        --bucket) bucket="$2" && shift ;;
        --settings) settings="$2" && shift ;;
        --set) sets+=("$2") && shift ;;
        --artifact) artifact="$2" && shift ;;
        --walk) walk="$2" && shift ;;
        --install-tools) install_tools=true ;;
        --accept-collisions) accept_collisions=true ;;
        --yes) yes=true ;;
        --help | -h) usage && exit 0 ;;
        *) refuse "unknown option $1; see --help" ;;
    esac
    shift
done

read_settings() {
    local line
    [[ -z "$settings" || -r "$settings" ]] || refuse "cannot read $settings"
    while [[ -n "$settings" ]] && IFS= read -r line || [[ -n "${line:-}" ]]; do
        line="${line%$'\r'}"
        [[ -z "$line" || "$line" == '#'* ]] || set_parameter "$line"
        line=''
    done <"${settings:-/dev/null}"
    for line in "${sets[@]+"${sets[@]}"}"; do
        set_parameter "$line"
    done
}

# The template's parameters: name, and `default` or `required`.
template_parameters() {
    awk '
        /^[A-Za-z]/ { inside = ($1 == "Parameters:"); next }
        inside && /^  [A-Za-z0-9]+:/ { if (name) print name, kind; name = $1; sub(":", "", name); kind = "required" }
        inside && /^    Default:/ { kind = "default" }
        END { if (name) print name, kind }
    ' "$template"
}

check_parameter_names() {
    local name known
    known=" $(template_parameters | awk '{ printf "%s ", $1 }')"
    for name in "${!given[@]}"; do
        [[ "$known" == *" $name "* ]] || refuse "the template has no parameter $name"
        [[ "$name" != CodeBucket && "$name" != CodeKey ]] || refuse "$name is set by this script"
    done
}

missing_parameters() {
    local name kind
    while read -r name kind; do
        if [[ "$kind" == required && "$name" != Code* && -z "${given[$name]+set}" && -z "${previous[$name]+set}" ]]; then
            printf '%s ' "$name"
        fi
    done < <(template_parameters)
}

check_parameters() {
    local missing
    missing="$(missing_parameters)"
    [[ -z "$missing" ]] || refuse "parameters are missing: $missing(--settings or --set)"
}

setting() { # name, the template's default
    printf '%s' "${given[$1]-${previous[$1]-$2}}"
}

# ---------------------------------------------------------------- artefact

sha256() {
    if has sha256sum; then sha256sum | cut -d ' ' -f 1; else shasum -a 256 | cut -d ' ' -f 1; fi
}

use_tools() {
    local tools="$output/tools"
    if [[ "$install_tools" == true ]]; then
        has python3 || refuse 'python3 is missing, which --install-tools needs'
        mkdir -p "$output"
        [[ -x "$tools/bin/pip" ]] || python3 -m venv "$tools" >&2 || refuse 'python3 makes no virtual environment (Debian: apt install python3-venv)'
        "$tools/bin/pip" install --quiet --disable-pip-version-check \
            cargo-lambda==1.9.2 ziglang==0.17.1 cfn-lint==1.58.0 >&2 || refuse 'the tools could not be installed from PyPI'
    fi
    [[ ! -d "$tools/bin" ]] || PATH="$tools/bin:$PATH"
}

check_tools() {
    local tool
    for tool in awk cut od sed; do
        has "$tool" || refuse "$tool is missing"
    done
    has sha256sum || has shasum || refuse 'sha256sum is missing (coreutils)'
    if [[ "$dry_run" == false ]]; then
        has aws || refuse 'the aws CLI is missing: https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html'
        [[ -n "$bucket" ]] || refuse '--bucket is missing: an S3 bucket of the region, for zip and template'
    fi
}

libraries_for() { # architecture; Rust's own
    printf '%s/lib/rustlib/%s-unknown-linux-gnu' "$(rustc --print sysroot)" "${1/arm64/aarch64}"
}

# A dry run on a machine that cannot build for the default shows the rest all the same.
default_architecture() {
    if [[ "$dry_run" == true && -z "$artifact" ]] && has rustc &&
        [[ ! -d "$(libraries_for arm64)" && -d "$(libraries_for x86_64)" ]]; then
        printf x86_64
    else
        printf arm64
    fi
}

built_by_cargo_lambda() { # architecture; prints the program's path
    local target=aarch64-unknown-linux-gnu flag=--arm64
    if [[ "$1" == x86_64 ]]; then target=x86_64-unknown-linux-gnu flag=--x86-64; fi
    has cargo || refuse 'cargo is missing: https://rustup.rs'
    has cargo-lambda || refuse 'cargo-lambda is missing: give --install-tools (or pip install cargo-lambda==1.9.2 ziglang==0.17.1, or --artifact)'
    has zig || python3 -m ziglang version >/dev/null 2>&1 ||
        refuse 'zig is missing: give --install-tools (or pip install ziglang==0.17.1, or --artifact)'
    [[ -d "$(libraries_for "$1")" ]] || refuse "Rust's libraries for $1 are missing: rustup target add $target (or --set Architecture=, or --artifact)"
    # Left to itself it makes the folder lambda/bootstrap, where cargo itself puts the program of this profile.
    # AWS-LC measures the processor's jitter for a seed, which takes some 20 ms of each cold start; without, it
    # asks the kernel, and the processor where that has random numbers (guide, "Cold start").
    (cd "$root" && AWS_LC_SYS_NO_JITTER_ENTROPY=1 cargo lambda build --profile lambda --disable-optimizations --locked \
        --lambda-dir "$output/lambda" -p lambda-entry --bin bootstrap "$flag") >&2
    printf '%s' "$output/lambda/bootstrap/bootstrap"
}

check_program() { # architecture; a program on standard input
    local head
    head="$(od -An -v -tx1 -N20 | tr -d ' \n')"
    case "$head" in
        7f454c46*3e00) [[ "$1" == x86_64 ]] || refuse "the artefact is for x86_64, and Architecture is $1" ;;
        7f454c46*b700) [[ "$1" == arm64 ]] || refuse "the artefact is for arm64, and Architecture is $1" ;;
        *) refuse 'the artefact is no Linux program' ;;
    esac
}

package() { # sets zip and code_key
    local architecture program="$artifact"
    architecture="$(setting Architecture "$(default_architecture)")"
    [[ "$architecture" == "$(setting Architecture arm64)" ]] ||
        say "skipped    arm64, which is the default: Rust's libraries for it are not here (rustup target add aarch64-unknown-linux-gnu)"
    mkdir -p "$output"
    zip="$output/auth.zip"
    [[ -n "$program" ]] || program="$(built_by_cargo_lambda "$architecture")"
    [[ -r "$program" ]] || refuse "cannot read the artefact $program"
    if [[ "$(od -An -c -N2 "$program" | tr -d ' ')" == PK ]]; then
        cp "$program" "$zip"
        if has unzip; then
            unzip -p "$zip" bootstrap >"$work/program" 2>/dev/null || refuse "$program holds no file bootstrap"
            check_program "$architecture" <"$work/program"
        fi
    else
        check_program "$architecture" <"$program"
        has zip || has python3 || refuse 'zip is missing'
        # One program, one zip: no dates in it, so that an unchanged program is no change.
        cp "$program" "$work/bootstrap"
        chmod 755 "$work/bootstrap"
        TZ=UTC touch -t 198001020000 "$work/bootstrap"
        rm -f "$zip"
        if has zip; then
            (cd "$work" && TZ=UTC command zip -q -X "$zip" bootstrap)
        else
            (cd "$work" && TZ=UTC python3 -m zipfile -c "$zip" bootstrap)
        fi
    fi
    given[Architecture]="$architecture"
    code_key="alcolook-auth/$(sha256 <"$zip").zip"
    say "packaged   $zip ($(wc -c <"$zip" | tr -d ' ') bytes, $architecture)"
}

lint() {
    if has cfn-lint; then
        cfn-lint "$template" >&2 || refuse 'cfn-lint finds fault with the template'
        say "linted     $template"
    else
        say 'skipped    linting: cfn-lint is not here (--install-tools, or pip install cfn-lint==1.58.0)'
    fi
}

# The deployment's id carries a digest of all that it publishes. Comments stay here.
render() { # sets rendered, template_key
    local name digest
    digest="$({
        cat "$template"
        printf '%s\n' "$code_key"
        for name in "${!given[@]}"; do printf '%s=%s\n' "$name" "${given[$name]}"; done | LC_ALL=C sort
    } | sha256)"
    rendered="$output/template.yaml"
    sed -e '/^ *#/d' -e '/^$/d' -e "s/^  ApiRelease:\$/  ApiRelease${digest:0:12}:/" "$template" >"$rendered"
    (($(wc -c <"$rendered") <= 1000000)) || refuse 'the template is larger than CloudFormation takes (1,000,000 bytes)'
    template_key="alcolook-auth/$(sha256 <"$rendered").yaml"
    say "rendered   $rendered (release ${digest:0:12})"
}

# ---------------------------------------------------------------- AWS

explain() { # what was asked for; the fault is in $work/fault
    local fault
    fault="$(tr '\n' ' ' <"$work/fault" | sed 's/^ *//; s/ *$//')"
    case "$fault" in
        *'Unable to locate credentials'* | *ExpiredToken* | *InvalidClientTokenId* | *UnrecognizedClient* | *'sso login'* | *'config profile'*)
            refuse 'there are no valid AWS credentials: aws configure, aws sso login, or AWS_PROFILE' ;;
        *AccessDenied* | *'not authorized'* | *Unauthorized* | *Forbidden* | *'(403)'*)
            refuse "a permission is missing to $1: $fault" ;;
        *) refuse "AWS refused to $1: $fault" ;;
    esac
}

ask() { # purpose, then the arguments of aws; prints its answer
    local purpose="$1"
    shift
    aws "$@" --region "$region" --output text 2>"$work/fault" || explain "$purpose"
}

parameters_json() {
    local name kind comma=''
    printf '['
    while read -r name kind; do
        if [[ -n "${given[$name]+set}" ]]; then
            printf '%s{"ParameterKey":"%s","ParameterValue":%s}' "$comma" "$name" "$(json_string "${given[$name]}")"
        elif [[ -n "${previous[$name]+set}" ]]; then
            printf '%s{"ParameterKey":"%s","UsePreviousValue":true}' "$comma" "$name"
        else
            continue
        fi
        comma=','
    done < <(template_parameters)
    printf ']'
}

json_string() {
    local text="${1//\\/\\\\}"
    printf '"%s"' "${text//\"/\\\"}"
}

find_stack() { # sets exists, switching, resources, previous
    local status key value
    account="$(ask 'ask who is calling' sts get-caller-identity --query Account)"
    exists=true switching=false resources=''
    if ! status="$(aws cloudformation describe-stacks --stack-name "$stack" --region "$region" --output text \
        --query 'Stacks[0].StackStatus' 2>"$work/fault")"; then
        grep -q 'does not exist' "$work/fault" || explain "describe the stack $stack"
        status=NONE
    fi
    case "$status" in
        NONE | REVIEW_IN_PROGRESS) exists=false ;;
        CREATE_COMPLETE | UPDATE_COMPLETE | UPDATE_ROLLBACK_COMPLETE | IMPORT_COMPLETE | IMPORT_ROLLBACK_COMPLETE) ;;
        *) refuse "the stack $stack is $status; see the guide's trouble-shooting" ;;
    esac
    [[ "$exists" == true ]] || return 0
    ask "read the stack's parameters" cloudformation describe-stacks --stack-name "$stack" \
        --query 'Stacks[0].Parameters[].[ParameterKey,ParameterValue]' >"$work/parameters"
    while IFS=$'\t' read -r key value; do
        [[ -z "$key" ]] || previous["$key"]="$value"
    done <"$work/parameters"
    resources=" $(ask "list the stack's resources" cloudformation list-stack-resources --stack-name "$stack" \
        --query 'StackResourceSummaries[].LogicalResourceId' | tr '\t\n' '  ') "
    [[ "$resources" == *' ApiGateway '* ]] || refuse "the stack $stack has no ApiGateway: it is another one's"
    if [[ "$resources" != *' AuthFunction '* ]]; then switching=true; fi
}

physical_id() { # logical id
    ask "find the stack's $1" cloudformation describe-stack-resource --stack-name "$stack" \
        --logical-resource-id "$1" --query StackResourceDetail.PhysicalResourceId
}

check_account() {
    local identity verified production role secret length dressed
    ask "use the bucket $bucket" s3api head-bucket --bucket "$bucket" --expected-bucket-owner "$account" >/dev/null
    identity="$(setting SesIdentity '')"
    if ! verified="$(aws sesv2 get-email-identity --email-identity "$identity" --region "$region" --output text \
        --query VerifiedForSendingStatus 2>"$work/fault")"; then
        grep -q NotFound "$work/fault" || explain "look at the SES identity $identity"
        verified=False
    fi
    case "@$(setting MailFrom '')" in
        "@$identity" | @*"@$identity" | @*."$identity") ;;
        *) refuse "MailFrom is neither the SES identity $identity nor an address under it" ;;
    esac
    [[ "$verified" == True ]] || refuse "the SES identity $identity is not verified in $region: no mail could be sent"
    production="$(ask 'look at the SES account' sesv2 get-account --query ProductionAccessEnabled)"
    [[ "$production" == True ]] ||
        say "warning    SES is in its sandbox in $region: mail reaches verified addresses only"
    if [[ "$(setting AccessLogs on)" == on && "$(setting ManageApiGatewayAccount off)" == off ]]; then
        role="$(ask "look at API Gateway's account settings" apigateway get-account --query cloudwatchRoleArn)"
        [[ "$role" == arn:* ]] || refuse 'API Gateway has no CloudWatch role in this account and region: --set ManageApiGatewayAccount=on lets the stack set one, --set AccessLogs=off does without access logs'
    fi
    secret="$(setting CompatibilitySecretArn '')"
    if [[ -n "$secret" ]]; then
        # Only its length and how it is dressed leave the CLI.
        # shellcheck disable=SC2016 # JMESPath's literals
        aws secretsmanager get-secret-value --secret-id "$secret" --region "$region" --output text --query \
            '[length(SecretString), ends_with(SecretString, `"\n"`) || ends_with(SecretString, `" "`) || starts_with(SecretString, `" "`) || starts_with(SecretString, `"{"`) || starts_with(SecretString, `"["`) || starts_with(SecretString, `"\""`)]' \
            >"$work/secret" 2>/dev/null || printf 'unknown' >"$work/secret"
        read -r length dressed <"$work/secret" || true
        if [[ "$length" =~ ^[0-9]+$ ]]; then
            ((length >= 32)) || refuse "the shared secret has $length characters, and the service refuses fewer than 32 bytes; see the guide"
            [[ "$dressed" != True ]] || refuse 'the shared secret begins or ends with a blank or line break, or is JSON or quoted; it must be the bare text'
        else
            say 'warning    the shared secret could not be checked; it needs 32 bytes and must be the bare text'
        fi
    elif [[ "$switching" == true ]]; then
        say 'warning    no CompatibilitySecretArn: the profile function will refuse the new tokens'
    fi
}

# Routes of ours that somebody added by hand would make the update fail half-way.
check_routes() {
    local path verbs route verb resource method
    declare -A live=()
    # shellcheck disable=SC2016 # JMESPath's literals
    ask "list the API's routes" apigateway get-resources --rest-api-id "$api" --embed methods \
        --query 'items[].[path, join(`,`, keys(not_null(resourceMethods, `{}`)))]' >"$work/routes"
    while IFS=$'\t' read -r path verbs; do
        [[ -z "$path" ]] || live["$path"]=",$verbs,"
    done <"$work/routes"
    for route in "${routes[@]}"; do
        read -r path verb resource method <<<"$route"
        if [[ -n "${live[$path]+set}" && "$resources" != *" $resource "* ]]; then
            refuse "the API has $path already, added by hand; remove it first (until the switch is done, the stage serves what it serves)"
        fi
        if [[ "${live[$path]-}" == *",$verb,"* && "$resources" != *" $method "* ]]; then
            refuse "the API has $verb $path already, added by hand; remove it first (until the switch is done, the stage serves what it serves)"
        fi
    done
}

# Sets PasswordResetsTtl by what the table has, and next_ttl to what comes after.
plan_ttl() {
    local status attribute table
    next_ttl=''
    [[ "$exists" == true && -z "${given[PasswordResetsTtl]+set}" ]] || return 0
    table="$(setting TablePrefix alcolook-)password-resets"
    ask "read the TTL of $table" dynamodb describe-time-to-live --table-name "$table" \
        --query 'TimeToLiveDescription.[TimeToLiveStatus,AttributeName]' >"$work/ttl"
    read -r status attribute <"$work/ttl" || true
    attribute="${attribute/None/}"
    case "$switching $status $attribute" in
        *' ttl') given[PasswordResetsTtl]=ttl ;;
        'true '*)
            given[PasswordResetsTtl]=expires_at
            next_ttl='TTL, step 1 of 2: once the switch has proved itself, run deploy.sh again; it disables TTL on expires_at' ;;
        'false ENABL'*)
            given[PasswordResetsTtl]=off
            next_ttl='TTL, step 2 of 2: run deploy.sh again in an hour or later; it enables TTL on ttl' ;;
        'false DISABLING '*)
            given[PasswordResetsTtl]=off
            next_ttl='TTL: DynamoDB is still disabling it on expires_at; run deploy.sh again later to enable it on ttl' ;;
        *) given[PasswordResetsTtl]=ttl ;;
    esac
    say "TTL        $table is ${status,,}${attribute:+ on $attribute}; this run sets PasswordResetsTtl=${given[PasswordResetsTtl]}"
}

make_change_set() { # sets change_set; empty when there is nothing to change
    local type=UPDATE reason domain=amazonaws.com
    [[ "$exists" == true ]] || type=CREATE
    ask "upload to the bucket $bucket" s3 cp "$zip" "s3://$bucket/$code_key" --only-show-errors
    # A request itself has no room for it (51,200 bytes).
    ask "upload to the bucket $bucket" s3 cp "$rendered" "s3://$bucket/$template_key" --only-show-errors
    [[ "$region" != cn-* ]] || domain=amazonaws.com.cn
    given[CodeBucket]="$bucket"
    given[CodeKey]="$code_key"
    parameters_json >"$work/parameters.json"
    change_set="deploy-$(date -u +%Y%m%d-%H%M%S)"
    ask "make a change set of $stack" cloudformation create-change-set --stack-name "$stack" \
        --change-set-name "$change_set" --change-set-type "$type" --capabilities CAPABILITY_IAM \
        --template-url "https://s3.$region.$domain/$bucket/$template_key" --parameters "file://$work/parameters.json" >/dev/null
    if ! aws cloudformation wait change-set-create-complete --stack-name "$stack" --change-set-name "$change_set" \
        --region "$region" 2>/dev/null; then
        reason="$(ask 'read the change set' cloudformation describe-change-set --stack-name "$stack" \
            --change-set-name "$change_set" --query StatusReason)"
        drop_change_set
        case "$reason" in
            *"didn't contain changes"* | *'No updates are to be performed'*) change_set='' ;;
            *) refuse "CloudFormation refuses the template: $reason" ;;
        esac
    fi
}

drop_change_set() {
    aws cloudformation delete-change-set --stack-name "$stack" --change-set-name "$change_set" \
        --region "$region" >/dev/null 2>&1 || true
}

refuse_change_set() {
    drop_change_set
    say_sign_up >&2
    refuse "$1"
}

# Adding an index adds an attribute definition, which CloudFormation calls a conditional replacement: it
# is none as long as no definition that is there changes.
only_adds_definitions() { # logical id of a table
    local causes table definitions name kind
    causes="$(ask 'read the change set' cloudformation describe-change-set --stack-name "$stack" \
        --change-set-name "$change_set" --query \
        "Changes[].ResourceChange | [?LogicalResourceId=='$1'].Details[].Target | [?RequiresRecreation=='Always' || RequiresRecreation=='Conditionally'].Name")" || return 1
    [[ "$(tr '\t' '\n' <<<"$causes" | sort -u)" == AttributeDefinitions ]] || return 1
    table="$(physical_id "$1")" || return 1
    definitions="$(ask "describe the table $table" dynamodb describe-table --table-name "$table" \
        --query 'Table.AttributeDefinitions[].[AttributeName,AttributeType]')" || return 1
    while read -r name kind; do
        case "$1 $name $kind" in
            'UsersTable email S' | 'UsersTable user_id S' | 'PasswordResetsTable email S' | 'PasswordResetsTable reset_token S') ;;
            *) return 1 ;;
        esac
    done <<<"$definitions"
}

check_change_set() {
    local action id type replacement policy
    local row='%-8s %-28s %-34s %s\n'
    ask 'read the change set' cloudformation describe-change-set --stack-name "$stack" --change-set-name "$change_set" \
        --query 'Changes[].ResourceChange.[Action,LogicalResourceId,ResourceType,Replacement,PolicyAction]' >"$work/changes"
    say '' "Change set $change_set:"
    # shellcheck disable=SC2059 # the format is the constant above
    printf "$row" Action Resource Type Replacement
    while read -r action id type replacement policy; do
        # shellcheck disable=SC2059
        printf "$row" "$action" "$id" "$type" "${replacement/None/-}${policy:+ ${policy/None/}}"
    done <"$work/changes"
    say ''
    while read -r action id type replacement policy; do
        case "$type" in
            AWS::ApiGateway::RestApi | AWS::ApiGateway::Resource | AWS::DynamoDB::Table | AWS::SecretsManager::Secret) ;;
            # The stage goes with the deployment that it points to.
            AWS::ApiGateway::Deployment) [[ "$policy" != Retain ]] || continue ;;
            *) continue ;;
        esac
        case "$action $replacement" in
            Remove*) refuse_change_set "the change set would remove $id ($type); nothing was changed" ;;
            'Modify False' | Add*) ;;
            'Modify Conditional')
                if [[ "$type" != AWS::DynamoDB::Table ]] || ! only_adds_definitions "$id"; then
                    refuse_change_set "the change set might replace $id ($type); nothing was changed"
                fi ;;
            *) refuse_change_set "the change set would replace $id ($type); nothing was changed" ;;
        esac
    done <"$work/changes"
}

# A function that was added by hand may run under the role that goes with the old functions.
check_role() {
    local role users name old
    awk '$1 == "Remove" && $2 == "LambdaExecutionRole" && $5 != "Retain" { found = 1 } END { exit !found }' \
        "$work/changes" || return 0
    role="$(physical_id LambdaExecutionRole)"
    users="$(ask 'list the functions of the account' lambda list-functions \
        --query "Functions[?ends_with(Role, '/$role')].[FunctionName]")"
    for name in UserRegisterFunction UserLoginFunction ForgotPasswordFunction; do
        if [[ "$resources" == *" $name "* ]]; then
            old="$(physical_id "$name")"
            users="$(grep -vxF "$old" <<<"$users" || true)"
        fi
    done
    [[ -z "${users//[[:space:]]/}" ]] ||
        refuse_change_set "the role $role would go, and $(tr '\n' ' ' <<<"$users")still runs under it; give that function a role of its own first, or retain the role (guide, step 2)"
}

walk_addresses() {
    local table result=0 command
    table="$(setting TablePrefix alcolook-)users"
    command=("$walk")
    if [[ -z "$walk" ]]; then
        has cargo || refuse_change_set 'cargo is missing to build canonicalize-addresses; give --walk'
        command=(cargo run --quiet --release --locked --manifest-path "$root/Cargo.toml" -p adapters-aws
            --features tools --bin canonicalize-addresses --)
    fi
    say "Walking $table for addresses that are not canonical (dry run) ..."
    AWS_REGION="$region" "${command[@]}" --table "$table" || result=$?
    case "$result" in
        0) ;;
        2) refuse_change_set "addresses of $table are not canonical: run canonicalize-addresses --table $table --apply, and at once this again" ;;
        3)
            [[ "$accept_collisions" == true ]] ||
                refuse_change_set "addresses of $table collide or cannot be read: settle them by hand (guide), or go on knowingly by --accept-collisions"
            say 'warning    going on with addresses that collide or cannot be read, as asked' ;;
        *) refuse_change_set "the walk over $table failed (exit $result)" ;;
    esac
}

confirm() {
    local answer=''
    [[ "$yes" == false ]] || return 0
    [[ -t 0 ]] || refuse_change_set 'nobody is here to confirm the change set; --yes runs it unasked'
    read -r -p "Run this change set on $stack in $region? Type yes: " answer
    [[ "$answer" == yes ]] || refuse_change_set 'not confirmed; nothing was changed'
}

run_change_set() {
    local waiter='stack-update-complete' status
    [[ "$exists" == true ]] || waiter='stack-create-complete'
    ask 'run the change set' cloudformation execute-change-set --stack-name "$stack" --change-set-name "$change_set"
    say "running    $change_set (an index on a large table takes minutes)"
    aws cloudformation wait "$waiter" --stack-name "$stack" --region "$region" 2>/dev/null && return
    status="$(ask 'read how it ended' cloudformation describe-stacks --stack-name "$stack" --query 'Stacks[0].StackStatus')"
    if [[ "$status" == *_IN_PROGRESS && "$status" != *ROLLBACK* ]]; then
        say_way_back >&2
        refuse "the update still runs ($status), longer than this waits: wait for its end, then run this again"
    fi
    ask 'read what failed' cloudformation describe-stack-events --stack-name "$stack" --max-items 60 --query \
        "StackEvents[?ends_with(ResourceStatus, '_FAILED')].[LogicalResourceId,ResourceStatusReason]" >&2
    say_way_back >&2
    refuse 'the update failed, and CloudFormation takes it back; the reasons are above'
}

# What step 6 of the guide stopped.
say_sign_up() {
    [[ "$switching" == false ]] ||
        say 'If sign-up was stopped for the walk and the old functions are to go on, start it again:' \
            "  aws lambda delete-function-concurrency --region $region --function-name alcolook-user-register"
}

say_way_back() {
    [[ -n "${served_before:-}" ]] || return 0
    say_sign_up
    say "The stage served deployment $served_before before. While the functions behind it exist, this goes back to it:" \
        "  aws apigateway update-stage --region $region --rest-api-id $api --stage-name $stage --patch-operations op=replace,path=/deploymentId,value=$served_before"
}

# The function answers by itself: its settings are good, and its secrets can be read.
probe() {
    # shellcheck disable=SC2016 # a stage's name, not the shell's
    local function event='{"rawPath":"/healthz","requestContext":{"stage":"$default","http":{"method":"GET"}}}'
    function="$(output_of AuthFunctionName)"
    ask 'ask the new function how it is' lambda invoke --function-name "$function" \
        --cli-binary-format raw-in-base64-out --payload "$event" "$work/answer" >/dev/null
    if ! grep -q '"statusCode":200' "$work/answer"; then
        sed 's/^/    /' "$work/answer" >&2
        say_way_back >&2
        refuse "the function $function does not answer: its log says which setting or secret is wrong"
    fi
    say "answers    $function"
}

# Somebody may have gone back to an older deployment.
check_release() {
    local release serves
    release="$(ask "find the stack's release" cloudformation list-stack-resources --stack-name "$stack" --query \
        "StackResourceSummaries[?starts_with(LogicalResourceId, 'ApiRelease') && ResourceStatus!='DELETE_COMPLETE' && ResourceStatus!='DELETE_SKIPPED'].PhysicalResourceId")"
    serves="$(ask 'read the stage' apigateway get-stage --rest-api-id "$api" --stage-name "$stage" --query deploymentId)"
    [[ " ${release//[$'\t\n']/ } " == *" $serves "* ]] ||
        say "warning    the stage serves deployment $serves, and the stack's is $release. To serve that:" \
            "  aws apigateway update-stage --region $region --rest-api-id $api --stage-name $stage --patch-operations op=replace,path=/deploymentId,value=$release"
}

output_of() { # output's key
    local value
    value="$(ask "read the stack's outputs" cloudformation describe-stacks --stack-name "$stack" \
        --query "Stacks[0].Outputs[?OutputKey=='$1'].OutputValue")"
    [[ -n "$value" && "$value" != None ]] || refuse "the stack $stack has no output $1"
    printf '%s' "$value"
}

patch() { # path, value
    printf '{"op":"replace","path":"%s","value":%s}\n' "$1" "$(json_string "$2")"
}

# CloudFormation does not change the settings of a stage that a deployment created, so they are set here.
set_stage() {
    local rate burst group logs tracing now route path verb rest escaped some
    rate="$(output_of StageThrottleRate)"
    burst="$(output_of StageThrottleBurst)"
    group="$(output_of AccessLogGroupArn)"
    group="${group%:\*}"
    logs="$(output_of StageAccessLogs)"
    tracing="$(output_of StageTracing)"
    now="$(ask 'read the stage' apigateway get-stage --rest-api-id "$api" --stage-name "$stage" \
        --query accessLogSettings.destinationArn)"
    {
        # By route, so that routes added by hand keep the limits that they have.
        for route in "${routes[@]}"; do
            read -r path verb rest <<<"$route"
            escaped="${path//\//~1}"
            patch "/$escaped/$verb/throttling/rateLimit" "$rate"
            patch "/$escaped/$verb/throttling/burstLimit" "$burst"
        done
        if [[ "$logs" == true ]]; then
            patch /accessLogSettings/destinationArn "$group"
            patch /accessLogSettings/format "$access_log_format"
        elif [[ "$now" == "$group" ]]; then
            printf '{"op":"remove","path":"/accessLogSettings"}\n'
        fi
        patch /tracingEnabled "$tracing"
    } >"$work/patches"
    # Of more than 80 in one call API Gateway says "Update size too large".
    while mapfile -t -n 60 -u 3 some && ((${#some[@]})); do
        (IFS=, && printf '[%s]' "${some[*]}") >"$work/stage.json"
        ask 'set the stage' apigateway update-stage --rest-api-id "$api" --stage-name "$stage" \
            --patch-operations "file://$work/stage.json" >/dev/null
    done 3<"$work/patches"
    say "set        stage $stage: $rate calls a second and $burst at once for each route, access log, tracing"
}

# ---------------------------------------------------------------- runs

say_plan() {
    local missing
    missing="$(missing_parameters)"
    say '' 'Dry run: AWS was not asked anything. A run would, in this order:' \
        "  1. check credentials, the stack $stack in $region, the bucket ${bucket:-(--bucket)}, the SES identity, API Gateway's CloudWatch role, the shared secret's length" \
        '  2. refuse routes of the template that were added to the API by hand' \
        '  3. work out the TTL step of the table of reset links' \
        "  4. upload $zip to s3://${bucket:-(--bucket)}/$code_key, and the template to $template_key there" \
        '  5. make a change set and show it; refuse one that replaces or removes the API, one of its paths, a table or a secret' \
        '  6. when taking over: refuse to take away a role in use; walk the addresses, and refuse while any is not canonical' \
        '  7. ask, run the change set, wait, and ask the new function how it is' \
        "  8. set throttling, access log and tracing on the stage $stage" \
        '  9. print the URL'
    [[ -z "$missing" ]] || say "Still to be set, unless the stack has them: $missing"
}

deploy() {
    if [[ "$exists" == true ]]; then
        api="$(physical_id ApiGateway)"
        served_before="$(ask 'read the stage' apigateway get-stage --rest-api-id "$api" --stage-name "$stage" --query deploymentId)"
        check_routes
    fi
    plan_ttl
    render
    make_change_set
    if [[ -n "$change_set" ]]; then
        check_change_set
        check_role
        [[ "$switching" == false ]] || walk_addresses
        confirm
        run_change_set
        # Before anything else can fail: these two are not said again.
        say_way_back
        [[ "$switching" == false ]] || say "Now walk again: canonicalize-addresses --table $(setting TablePrefix alcolook-)users --apply"
    else
        served_before=''
        say 'unchanged  the stack is as the template says'
    fi
    api="$(physical_id ApiGateway)"
    probe
    check_release
    set_stage
    url="$(output_of ApiGatewayUrl)"
    say '' "URL: $url"
    [[ -z "$next_ttl" ]] || say "$next_ttl"
}

read_settings
check_parameter_names
use_tools
check_tools
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
if [[ "$dry_run" == true ]]; then
    package
    lint
    render
    say_plan
else
    find_stack
    check_parameters
    check_account
    package
    lint
    deploy
fi
