//! Every agency's queue is read by its own account and by nobody else: checked on the template as it is deployed, with
//! every agency, and the check itself is checked on templates that are wrong.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::Arc;

use tongban::local::REQUIREMENTS;
use tongban::python::Tools;
use tongban::screen::Screen;
use tongban::workspace::Workspace;
use tongban_tests::repository::text;

use crate::world::World;

/// A change that lets somebody in, or sends something in the clear, and what the check says of it.
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
        "  ReportsPolicy:\n    Type: AWS::SQS::QueuePolicy\n    Properties:\n      Queues: [!Ref Reports]",
        "  ReportsPolicy:\n    Type: AWS::SQS::QueuePolicy\n    Properties:\n      Queues: [!Ref Reports, !Ref Agency11Dead]",
        "Agency11Dead",
    ),
];

pub(crate) async fn every_queue_is_its_agencys_alone(world: Arc<World>) {
    let workspace = Workspace::find().expect("the repository");
    let tools = {
        let _alone = workspace.lock().expect("the lock");
        Tools::install(&workspace, REQUIREMENTS, &Screen::silent()).expect("the Python tools")
    };
    let template = text("infra/template.yaml");
    let check = |name: &str, template: &str| {
        let path = world.folder().join(format!("template-{name}.yaml"));
        fs::write(&path, template).expect("a template");
        let mut command = Command::new(tools.python());
        command.arg(workspace.file("infra/lint/template.py")).arg("--own-checks").arg(path);
        command.stdin(Stdio::null()).output().expect("the check")
    };
    let sound = check("sound", &template);
    assert!(sound.status.success(), "{}", String::from_utf8_lossy(&sound.stderr));
    for (number, (from, to, told)) in WRONG.into_iter().enumerate() {
        assert_eq!(template.matches(from).count(), 1, "{from:?} is there once");
        let wrong = check(&number.to_string(), &template.replace(from, to));
        let said = String::from_utf8_lossy(&wrong.stderr);
        assert_eq!(wrong.status.code(), Some(1), "{to:?} passes: {said}");
        let agencies = said.lines().filter(|line| line.contains(told)).count();
        // The last one is a change of one queue alone.
        let expected = if told == "Agency11Dead" { 1 } else { 43 };
        assert!(agencies >= expected, "{told} is said of {agencies}: {said}");
    }
}
