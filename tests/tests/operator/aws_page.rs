//! The commands of the page on the AWS side, as written, by an agency's own account and with the role that the page
//! makes.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use serde_json::Value;
use tongban::endpoints::account_of;
use tongban::python::Tools;
use tongban::terminal::Terminal;
use tongban::workspace::Workspace;
use tongban_tests::agency::program;
use tongban_tests::repository::text;

use crate::command::agency_command;
use crate::test_hub::TestHub;

const PAGE: &str = "shared/agency/guide/aws.md";
const AGENCY: &str = "11";
/// A condition whose key the local AWS does not know.
const CONDITION: &str = r#",
      "Condition": { "StringEquals": { "cloudwatch:namespace": "Tongban" } }"#;
/// What the consumer's role does; the rest is done by whoever administers the account.
const BY_ROLE: [&str; 3] = ["aws sqs", "aws cloudwatch put-metric-data", "tongban-agency"];

/// The blocks of a language, each with the words after the language.
fn blocks(page: &str, language: &str) -> Vec<(String, String)> {
    let begin = format!("```{language}");
    let rest = page.split(&begin).skip(1).filter_map(|rest| rest.split("```").next());
    rest.filter_map(|block| {
        let (words, body) = block.split_once('\n')?;
        Some((words.trim().to_owned(), body.to_owned()))
    })
    .collect()
}

pub(crate) async fn the_aws_page(test_hub: Arc<TestHub>) {
    let folder = test_hub.folder().join("aws");
    agency_command(&test_hub, &["kit", AGENCY, "--out", folder.to_str().expect("a path")]).await.success();
    let account = account_of(&AGENCY.parse().expect("a code"));
    let page = text(PAGE);
    for (name, body) in blocks(&page, "json") {
        let body = body
            .replace(CONDITION, "")
            .replace("aws-cn", "aws")
            .replace("cn-north-1", "us-east-1")
            .replace("111122223333", &account)
            .replace("444455556666", tongban::aws::LOCAL_ACCOUNT)
            .replace("tongban-agency-42", &format!("{}-agency-{AGENCY}", test_hub.name()))
            .replace("tongban-reports", &format!("{}-reports", test_hub.name()));
        fs::write(folder.join(&name), body).expect("a document");
    }
    let shell = Shell::new(&folder, &account);
    let mut role = Vec::new();
    let commands = blocks(&page, "sh");
    assert!(commands.len() >= 7, "{commands:?}");
    for (_, block) in &commands {
        for line in grouped(block) {
            let by_role = BY_ROLE.iter().any(|words| line.contains(words));
            let output = shell.run(&line, if by_role { &role } else { &[] });
            assert!(matches!(output.status.code(), Some(0 | 4)), "{line}: {output:?}");
            if line.contains("assume-role ") {
                role = credentials(&folder);
                forbidden(&shell, &role);
            }
        }
    }
    assert!(!role.is_empty(), "no command takes the role");
    let keys = fs::read_dir(&folder)
        .expect("the folder")
        .filter_map(|file| file.ok()?.file_name().into_string().ok());
    assert!(keys.into_iter().any(|name| name.starts_with("hub-keys-2")), "the hub's keys are not archived");
}

/// What the role may not do: read another agency's queue, send to its own, change its own rights.
fn forbidden(shell: &Shell<'_>, role: &[(String, String)]) {
    let count = "--attribute-names ApproximateNumberOfMessages";
    for command in [
        format!("aws sqs get-queue-attributes --queue-url \"$(echo $QUEUE_URL | sed s/agency-11/agency-12/)\" {count}"),
        "aws sqs send-message --queue-url \"$QUEUE_URL\" --message-body x --message-group-id x --message-deduplication-id x".to_owned(),
        "aws iam delete-role-policy --role-name tongban-consumer --policy-name cases".to_owned(),
    ] {
        let output = shell.run(&command, role);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains("AccessDenied"), "{command}: {output:?}");
    }
}

/// The commands of a block. A line that sets a variable belongs to all that follow.
fn grouped(block: &str) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    let mut before = String::new();
    for line in block.lines().filter(|line| !line.trim().is_empty()) {
        if line.split_once("=$(").is_some_and(|(name, _)| name.bytes().all(|byte| byte.is_ascii_uppercase()))
        {
            before = format!("{before}{line}\n");
        } else {
            commands.push(format!("{before}{line}"));
        }
    }
    commands
}

fn credentials(folder: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(folder.join("credentials.json")).expect("the credentials");
    let read: Value = serde_json::from_str(&text).expect("JSON");
    let names = [
        ("AWS_ACCESS_KEY_ID", "AccessKeyId"),
        ("AWS_SECRET_ACCESS_KEY", "SecretAccessKey"),
        ("AWS_SESSION_TOKEN", "SessionToken"),
    ];
    let value = |name: &str| read[name].as_str().expect("a credential").to_owned();
    names.map(|(variable, name)| (variable.to_owned(), value(name))).into()
}

/// A shell in the folder of the kit, with the variables that the page uses.
struct Shell<'a> {
    folder: &'a Path,
    variables: Vec<(String, String)>,
}

impl Shell<'_> {
    fn new<'a>(folder: &'a Path, account: &str) -> Shell<'a> {
        let workspace = Workspace::find().expect("the repository");
        let tools = {
            let _alone = workspace.lock().expect("the lock");
            let requirements = "tests/tests/operator/requirements.txt";
            Tools::install(&workspace, requirements, &Terminal::silent()).expect("the AWS command line")
        };
        let programs = program().parent().expect("a folder").display().to_string();
        let settings = fs::read_to_string(folder.join("agency.json")).expect("the kit");
        let settings: Value = serde_json::from_str(&settings).expect("JSON");
        let setting = |name: &str| settings[name].as_str().expect("a setting").to_owned();
        let variables = [
            ("PATH", format!("{}:{programs}:/usr/local/bin:/usr/bin:/bin", tools.programs().display())),
            ("HOME", folder.display().to_string()),
            ("QUEUE_URL", setting("queue_url")),
            ("HUB_URL", setting("hub_url")),
            ("ROLE_ARN", format!("arn:aws:iam::{account}:role/tongban-consumer")),
            ("AWS_PAGER", String::new()),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value)).into();
        Shell { folder, variables }
    }

    /// Runs a command with the kit's variables, over which `more` goes.
    fn run(&self, command: &str, more: &[(String, String)]) -> Output {
        let more: String = more.iter().map(|(name, value)| format!("export {name}='{value}'\n")).collect();
        // Version 1 of the command line, which Python's registry has, calls SQS by an older host name that it alone
        // knows.
        let command = command.replace("aws sqs ", "aws --endpoint-url \"$AWS_ENDPOINT_URL\" sqs ");
        let script = format!(". ./agency.env\nexport AWS_DEFAULT_REGION=$AWS_REGION\n{more}{command}");
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).current_dir(self.folder).env_clear().envs(self.variables.clone());
        shell.stdin(Stdio::null()).output().expect("a shell")
    }
}
