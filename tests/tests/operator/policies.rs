//! Only an agency's own account may read its queue. The check runs on the deployed template with every agency, and on
//! templates with one fault, which it must reject.

use std::fs;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use tongban::local::REQUIREMENTS;
use tongban::python::Tools;
use tongban::terminal::Terminal;
use tongban::workspace::Workspace;
use tongban_tests::repository::text;

use crate::test_hub::TestHub;

/// Changes that open or expose a queue, with the message of the check: old text, new text, message.
const WRONG: [(&str, &str, &str); 9] = [
    (
        r#"- "arn:${AWS::Partition}:iam::${Account}:root""#,
        r#"- "arn:${AWS::Partition}:iam::${Account}:user/*""#,
        "lets in",
    ),
    (
        "                  - sqs:GetQueueUrl\n",
        "                  - sqs:GetQueueUrl\n                  - sqs:SendMessage\n",
        "sqs:SendMessage",
    ),
    ("                  - sqs:ChangeMessageVisibility\n", "", "sqs:ChangeMessageVisibility"),
    (
        "                Resource: !GetAtt [!Sub \"Agency${Code}\", Arn]\n              - !If",
        "                Resource: \"*\"\n              - !If",
        "is about",
    ),
    (
        "          Queues: [{ Ref: !Sub \"Agency${Code}\" }]",
        "          Queues: [{ Ref: !Sub \"Agency${Code}\" }, { Ref: !Sub \"Agency${Code}Dead\" }]",
        "is put on",
    ),
    (
        "                  Resource: !GetAtt [!Sub \"Agency${Code}\", Arn]\n                  Condition: { Bool: { \"aws:SecureTransport\": \"false\" } }",
        "                  Resource: !GetAtt [!Sub \"Agency${Code}\", Arn]\n                  Condition: { Bool: { \"aws:SecureTransport\": \"true\" } }",
        "without TLS",
    ),
    (
        "          SqsManagedSseEnabled: true\n          RedrivePolicy:\n            deadLetterTargetArn: !GetAtt [!Sub",
        "          SqsManagedSseEnabled: false\n          RedrivePolicy:\n            deadLetterTargetArn: !GetAtt [!Sub",
        "not encrypted",
    ),
    (
        "          SqsManagedSseEnabled: true\n      Agency${Code}Policy:",
        "      Agency${Code}Policy:",
        "not encrypted",
    ),
    (
        "  ReportsPolicy:\n    Type: AWS::SQS::QueuePolicy\n    Properties:\n      Queues: [!Ref ReportQueue]",
        "  ReportsPolicy:\n    Type: AWS::SQS::QueuePolicy\n    Properties:\n      Queues: [!Ref ReportQueue, !Ref Agency11Dead]",
        "Agency11Dead",
    ),
];

pub(crate) async fn every_queue_is_its_agencys_alone(test_hub: Arc<TestHub>) {
    let check = Check::new(test_hub);
    check.sound();
    for (number, (from, to, message)) in WRONG.into_iter().enumerate() {
        // The last change affects one queue only.
        let expected = if message == "Agency11Dead" { 1 } else { 43 };
        check.says(&format!("policy-{number}"), (from, to), message, expected);
    }
}

/// A queue that is full or that nobody reads causes no error, so alarms watch its age and its dead letters.
/// Row 23 of `tests/FAULTS.md`.
pub(crate) async fn every_queue_has_alarms(test_hub: Arc<TestHub>) {
    let check = Check::new(test_hub);
    check.sound();
    let backlogs = "[UploadQueue, ReportQueue, CallbackQueue, DrainQueue]";
    let of_agency = "MetricName: ApproximateAgeOfOldestMessage\n          Dimensions: [{ Name: QueueName, Value: !GetAtt [!Sub";
    let errors = of_agency.replace("ApproximateAgeOfOldestMessage", "NumberOfMessagesSent");
    check.says(
        "no-alarm",
        (backlogs, "[UploadQueue, CallbackQueue, DrainQueue]"),
        "ReportQueue has alarms on [],",
        1,
    );
    check.says("errors", (of_agency, &errors), "not on ApproximateAgeOfOldestMessage", 43);
    let letters = "[CallbackDead, DrainDead, UploadsDead, ReportsDead, RouterQuarantine]";
    let fewer = "[CallbackDead, DrainDead, UploadsDead, ReportsDead]";
    check.says("no-depth", (letters, fewer), "RouterQuarantine has alarms on [],", 1);
}

/// A killed process costs a short visibility timeout on every queue that a function reads, and a failure is retried for
/// long.
pub(crate) async fn a_killed_process_costs_thirty_seconds_on_every_queue(test_hub: Arc<TestHub>) {
    let check = Check::new(test_hub);
    check.sound();
    for (queue, receives) in [("Callback", 360), ("Drain", 120), ("Uploads", 30), ("Reports", 30)] {
        let with = |seconds: u32, receives: u32| {
            format!(
                "VisibilityTimeout: {seconds}\n      SqsManagedSseEnabled: true\n      RedrivePolicy: {{ \
                 deadLetterTargetArn: !GetAtt {queue}Dead.Arn, maxReceiveCount: {receives} }}"
            )
        };
        let now = with(30, receives);
        let says = |name: &str, changed: &str, told| {
            check.says(&format!("{name}-{queue}"), (&now, changed), told, 1);
        };
        says("long", &with(180, receives), "a killed process costs");
        says("short", &with(20, 1_000), "before its function ends at 29 s");
        says("few", &with(30, 5), "gives a message up after 150 s");
    }
}

/// SQS deletes a dead letter of a standard queue by the age of its first send, and one of a FIFO queue by the time of its
/// move; the local AWS deletes none.
pub(crate) async fn a_person_has_days_for_every_dead_letter(test_hub: Arc<TestHub>) {
    let check = Check::new(test_hub);
    check.sound();
    let named = |queue: &str, seconds: u32| {
        format!("${{AWS::StackName}}-{queue}\"\n      MessageRetentionPeriod: {seconds}\n")
    };
    for (queue, dead) in [("uploads", "UploadsDead"), ("reports", "ReportsDead")] {
        let (now, short) =
            (named(&format!("{queue}-dead"), 1_209_600), named(&format!("{queue}-dead"), 1_000_000));
        check.says(&format!("standard-{queue}"), (&now, &short), &format!("{dead} keeps a dead letter"), 1);
    }
    let fifo = |seconds: u32| {
        format!(
            "Agency${{Code}}Dead:\n        Type: AWS::SQS::Queue\n        Properties:\n          QueueName: !Sub \
             \"${{AWS::StackName}}-agency-${{Code}}-dead.fifo\"\n          FifoQueue: true\n          DeduplicationScope: \
             messageGroup\n          FifoThroughputLimit: perMessageGroupId\n          MessageRetentionPeriod: {seconds}\n"
        )
    };
    check.says("fifo", (&fifo(1_209_600), &fifo(86_400)), "Dead keeps a dead letter of Agency", 43);
}

/// Whoever reads the hub's key can sign cases and receipts.
pub(crate) async fn a20_only_the_functions_that_sign_read_the_hubs_key(test_hub: Arc<TestHub>) {
    let check = Check::new(test_hub);
    check.sound();
    let of = |function: &str, secret: &str| {
        format!(
            "                Resource: !GetAtt Logs{function}.Arn\n              - Effect: Allow\n                \
             Action: secretsmanager:GetSecretValue\n                Resource: !GetAtt {secret}.Id\n"
        )
    };
    let (own, hubs) = ("IdSecretStore", "HubSigningKeyStore");
    let says = |name: &str, function: &str, (now, then): (&str, &str), told: &str| {
        check.says(name, (&of(function, now), &of(function, then)), told, 1);
    };
    says("reader", "subscriptions", (own, hubs), "SubscriptionsRole may read the hub's signing key");
    says("no-reader", "router", (hubs, own), "RouterRole may not read the hub's signing key");
}

/// What real AWS refuses and the local AWS does not: to remove a protected table in a rollback.
pub(crate) async fn o3_nothing_may_stay_behind_after_a_failed_deployment(test_hub: Arc<TestHub>) {
    let check = Check::new(test_hub);
    check.sound();
    let head = "    DependsOn: UploadsPolicy\n    DeletionPolicy: !If [Live, ";
    let says = |name: &str, policy: &str, told| {
        let now = format!("{head}RetainExceptOnCreate, Delete]");
        check.says(name, (&now, &format!("{head}{policy}, Delete]")), told, 1);
    };
    says("retained", "Retain", "Bucket stays behind");
    says("removed", "Delete", "Bucket holds data and is removed with the stack");
    let of_table = "-deliveries\"\n      BillingMode: PAY_PER_REQUEST\n      DeletionProtectionEnabled: !If ";
    check.says(
        "protected",
        (&format!("{of_table}[Protected, true, false]"), &format!("{of_table}[Live, true, false]")),
        "Deliveries cannot be removed by the rollback",
        1,
    );
}

/// Lambda counts the environment of a function as JSON and takes 4 KB; the local AWS has no limit.
pub(crate) async fn o4_no_environment_can_grow(test_hub: Arc<TestHub>) {
    let check = Check::new(test_hub);
    check.sound();
    let last = "          QUARANTINE_QUEUE_URL: !Ref RouterQuarantine\n";
    let with = |line: &str| format!("{last}          {line}\n");
    let key = with("HUB_SIGNING_KEY: !Ref HubSigningKey");
    check.says("growing", (last, &key), "Router: nothing bounds the variable HUB_SIGNING_KEY", 1);
    // Fits as text, but not as JSON with its quotes and names.
    let large = with(&format!("LARGE: \"{}\"", "x".repeat(2_500)));
    check.says("large", (last, &large), "Router: the environment may take", 1);
}

/// The template check that CI runs.
struct Check {
    test_hub: Arc<TestHub>,
    workspace: Workspace,
    tools: Tools,
    template: String,
}

impl Check {
    fn new(test_hub: Arc<TestHub>) -> Check {
        let workspace = Workspace::find().expect("the repository");
        let tools = {
            let _alone = workspace.lock().expect("the lock");
            Tools::install(&workspace, REQUIREMENTS, &Terminal::silent()).expect("the Python tools")
        };
        Check { test_hub, workspace, tools, template: text("infra/template.yaml") }
    }

    fn of(&self, name: &str, template: &str) -> Output {
        let path = self.test_hub.folder().join(format!("template-{name}.yaml"));
        fs::write(&path, template).expect("a template");
        let mut command = Command::new(self.tools.python());
        command.arg(self.workspace.file("infra/lint/template.py")).arg("--own-checks").arg(path);
        command.stdin(Stdio::null()).output().expect("the check")
    }

    fn sound(&self) {
        let sound = self.of("sound", &self.template);
        assert!(sound.status.success(), "{}", String::from_utf8_lossy(&sound.stderr));
    }

    /// Asserts that the check fails on the template with this change, and prints the message at least `times` times.
    fn says(&self, name: &str, (from, to): (&str, &str), message: &str, times: usize) {
        assert_eq!(self.template.matches(from).count(), 1, "{from:?} is there once");
        let wrong = self.of(name, &self.template.replace(from, to));
        let said = String::from_utf8_lossy(&wrong.stderr);
        assert_eq!(wrong.status.code(), Some(1), "{to:?} passes: {said}");
        let found = said.lines().filter(|line| line.contains(message)).count();
        assert!(found >= times, "{message} is printed {found} times: {said}");
    }
}
