//! `scripts/stack`, with the account's tools replaced by one script that writes down what it is asked, and the deployed API by a server.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::run::{Serving, text};

/// Stands for `aws`, `sam` and `cargo`. `$LOG` gets its arguments, `$URL` is the address of the deployed API.
const TOOLS: &str = r#"#!/bin/sh
echo "$(basename "$0") $*" >> "$LOG"
for last; do :; done
case "$(basename "$0") $*" in
  "aws secretsmanager describe-secret"*) echo '{"VersionIdsToStages": {"v-old": ["AWSPREVIOUS"], "v-new": ["AWSCURRENT"]}}' ;;
  "aws secretsmanager get-secret-value"*) echo 'An error occurred (ResourceNotFoundException)' >&2; exit 254 ;;
  "aws secretsmanager create-secret"*) for word; do case "$word" in file://*) cp "${word#file://}" "$LOG.secret" ;; esac; done; echo '{}' ;;
  "aws cloudformation describe-stacks"*)
    echo '{"Stacks": [{"Tags": [{"Key": "Release", "Value": "20260303T000000Z-c"}], "Outputs":
      [{"OutputKey": "Url", "OutputValue": "'"$URL"'"}, {"OutputKey": "TableName", "OutputValue": "the-table"},
      {"OutputKey": "ExportBucketName", "OutputValue": "the-exports"}]}]}' ;;
  "aws cloudformation describe-stack-resource"*" ReconcileStripe "*) echo '{"StackResourceDetail": {"PhysicalResourceId": "made-up-name"}}' ;;
  "aws lambda invoke"*) for word; do case "$word" in *.answer.json) echo '{"seen": 3}' > "$word" ;; esac; done
    case "$*" in *fails*) echo '{"FunctionError": "Unhandled"}' ;; *) echo '{"StatusCode": 200}' ;; esac ;;
  "aws cloudformation get-template"*) echo '{"TemplateBody": "CodeUri: s3://artifacts/x"}' ;;
  "aws s3api list-objects-v2"*)
    printf '{"Contents": ['
    for release in 20260301T000000Z-a 20260302T000000Z-b 20260303T000000Z-c; do
      printf '{"Key": "releases/callsheets-dev/%s.json"}, {"Key": "releases/callsheets-dev/%s.yaml"}, ' "$release" "$release"
    done
    echo '{"Key": "releases/callsheets-dev/20260304T000000Z-d.yaml"}]}' ;;
  "aws s3api get-object"*) shift 6; case "$1" in *.json) echo '{"Stage": "dev", "SecretVersion": "v-b"}' > "$1" ;; *) echo s3://artifacts/b > "$1" ;; esac; echo '{}' ;;
  "aws "*) echo '{}' ;;
  "cargo lambda build"*) while [ $# -gt 0 ]; do [ "$1" = -p ] && { mkdir -p "$CARGO_TARGET_DIR/lambda/$2"; : > "$CARGO_TARGET_DIR/lambda/$2/bootstrap"; }; shift; done ;;
  "sam package"*) cp "$5" "$LOG.source"; echo s3://artifacts/c > "$last" ;;
esac
"#;

struct Account {
    folder: TempDir,
    url: String,
}

impl Account {
    fn new(url: String) -> Self {
        let folder = tempfile::tempdir().expect("the set-up of the test");
        let tools = folder.path().join("tools");
        fs::write(&tools, TOOLS).expect("the set-up of the test");
        fs::set_permissions(&tools, fs::Permissions::from_mode(0o755)).expect("the set-up of the test");
        fs::create_dir(folder.path().join("bin")).expect("the set-up of the test");
        for name in ["aws", "sam", "cargo"] {
            symlink(&tools, folder.path().join("bin").join(name)).expect("the set-up of the test");
        }
        Self { folder, url }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn run(&self, arguments: &[&str], typed: &str) -> Output {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the set-up of the test");
        let path = format!("{}:{}", self.path("bin"), std::env::var("PATH").expect("the set-up of the test"));
        let mut child = Command::new(python())
            .arg(root.join("scripts/stack"))
            .args(arguments)
            .env("PATH", path)
            .env("LOG", self.path("log"))
            .env("URL", &self.url)
            .env("CARGO_TARGET_DIR", self.path("target"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("python3 runs");
        child.stdin.take().expect("the set-up of the test").write_all(typed.as_bytes()).expect("the set-up of the test");
        child.wait_with_output().expect("the set-up of the test")
    }

    /// What the tools were asked.
    fn log(&self) -> Vec<String> {
        fs::read_to_string(self.path("log")).unwrap_or_default().lines().map(str::to_owned).collect()
    }
}

/// The interpreter itself: a version manager's stand-in for it would put directories of its own before ours.
fn python() -> String {
    let output = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().expect("python3 runs");
    text(&output.stdout).trim().to_owned()
}

fn server() -> (Serving, Account) {
    let server = Serving::start(&["--no-demo"]);
    let account = Account::new(format!("http://{}", server.address));
    (server, account)
}

/// The digest that a packaged template carries.
fn digest(account: &Account) -> String {
    let source = fs::read_to_string(account.path("log.source")).expect("the set-up of the test");
    source.lines().find_map(|line| line.trim().strip_prefix("Description: settings ")).expect("a digest").to_owned()
}

#[test]
fn a_deployment_builds_packages_deploys_asks_the_api_and_keeps_the_release() {
    let (_server, account) = server();
    let output = account.run(&["deploy", "dev"], "");
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    let log = account.log();
    let place = |start: &str| log.iter().position(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start}: {log:#?}"));
    let order = ["cargo lambda build --profile lambda --arm64 -p can-upload", "sam package", "sam deploy", "aws s3api put-object"];
    let places: Vec<usize> = order.iter().map(|start| place(start)).collect();
    assert!(places.is_sorted(), "{log:#?}");
    assert!(log[places[2]].contains("Cache=\"none\"") && log[places[2]].contains("SecretVersion=\"v-new\""), "{}", log[places[2]]);
    assert!(log[places[3]].contains("--bucket artifacts --key releases/callsheets-dev/"), "{}", log[places[3]]);
    assert!(text(&output.stdout).contains("ok   POST /api/stripe/webhook 400"));
    assert_eq!(digest(&account).len(), 12);
}

#[test]
fn another_secret_is_another_text_of_the_template() {
    let (_server, account) = server();
    assert!(account.run(&["deploy", "dev"], "").status.success());
    let first = digest(&account);
    assert!(account.run(&["deploy", "dev"], "").status.success());
    assert_eq!(digest(&account), first);
    let tools = fs::read_to_string(account.path("tools")).expect("the set-up of the test").replace("v-new", "v-newer");
    fs::write(account.path("tools"), tools).expect("the set-up of the test");
    assert!(account.run(&["deploy", "dev"], "").status.success());
    assert_ne!(digest(&account), first);
}

#[test]
fn an_api_that_answers_otherwise_fails_the_deployment_and_keeps_no_release() {
    let (_server, mut account) = server();
    account.url.push_str("/elsewhere");
    let output = account.run(&["deploy", "dev"], "");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("scripts/stack rollback dev"), "{}", text(&output.stderr));
    assert!(!account.log().iter().any(|line| line.contains("put-object")));
}

#[test]
fn a_rollback_deploys_the_release_before_the_running_one_all_at_once() {
    let (_server, account) = server();
    let output = account.run(&["rollback", "dev"], "");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let log = account.log();
    let deploy = log.iter().find(|line| line.starts_with("sam deploy")).expect("a deployment");
    for word in ["Release=20260302T000000Z-b", "Deployment=\"AllAtOnce\"", "SecretVersion=\"v-new\""] {
        assert!(deploy.contains(word), "{deploy}");
    }
    assert!(!log.iter().any(|line| line.starts_with("cargo")));
}

#[test]
fn a_stack_is_deleted_only_when_its_name_is_typed() {
    let account = Account::new(String::new());
    assert_eq!(account.run(&["teardown", "dev"], "callsheets\n").status.code(), Some(1));
    assert!(!account.log().iter().any(|line| line.contains("delete-stack")));
    let output = account.run(&["teardown", "dev"], "callsheets-dev\n");
    assert!(output.status.success() && text(&output.stdout).contains("the-table"), "{}", text(&output.stderr));
    let log = account.log();
    let place = |text: &str| log.iter().position(|line| line.contains(text)).unwrap_or_else(|| panic!("{text}: {log:#?}"));
    assert!(place("aws s3 rm s3://the-exports --recursive") < place("delete-stack --stack-name callsheets-dev"), "{log:#?}");
}

#[test]
fn a_function_is_run_by_hand_and_its_failure_is_ours() {
    let account = Account::new(String::new());
    let output = account.run(&["invoke", "dev", "reconcile-stripe", r#"{"job": "events"}"#], "");
    assert_eq!((output.status.code(), text(&output.stdout).trim()), (Some(0), r#"{"seen": 3}"#), "{}", text(&output.stderr));
    let log = account.log();
    assert!(log[1].contains(r#"--function-name made-up-name:live --payload {"job": "events"}"#), "{log:#?}");
    let output = account.run(&["invoke", "dev", "reconcile-stripe", r#"{"job": "fails"}"#], "");
    assert_eq!((output.status.code(), text(&output.stderr).trim()), (Some(1), "reconcile-stripe failed"));
}

#[test]
fn secrets_are_stored_without_being_an_argument_and_a_short_one_is_refused() {
    let account = Account::new(String::new());
    let output = account.run(&["secrets", "dev"], "sk_test_1\nwhsec_1\nshort\n");
    assert_eq!((output.status.code(), account.log().len()), (Some(1), 1), "{}", text(&output.stderr));
    let output = account.run(&["secrets", "dev"], "sk_test_1\nwhsec_1\n\n");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let stored = fs::read_to_string(account.path("log.secret")).expect("the set-up of the test");
    let stored: serde_json::Value = serde_json::from_str(&stored).expect("the set-up of the test");
    assert_eq!((&stored["stripe_secret_key"], &stored["stripe_webhook_secrets"]), (&"sk_test_1".into(), &"whsec_1".into()));
    assert!(stored["jwt_secret"].as_str().expect("the set-up of the test").len() >= 32);
    assert!(!account.log().iter().any(|line| line.contains("sk_test_1")));
    assert!(!Path::new(&account.path("target/deploy/secret.json")).exists());
}

#[test]
fn an_unknown_stage_or_command_is_told() {
    let account = Account::new(String::new());
    let output = account.run(&["deploy", "moon"], "");
    assert_eq!((output.status.code(), text(&output.stderr).trim()), (Some(1), "samconfig.toml has no stage moon"));
    assert!(text(&account.run(&["fly", "dev"], "").stderr).contains("scripts/stack rollback STAGE"));
}
