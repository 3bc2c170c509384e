"""Checks infra/template.yaml with every agency of infra/agencies.toml, as `tongban deploy` renders it.

    python infra/lint/template.py [--own-checks] [TEMPLATE]

--own-checks skips cfn-lint, which takes most of the time. Needs a Python with infra/cli/requirements.txt. Prints every
fault and exits with 1, or exits with 0.

cfn-lint expands the template's Fn::ForEach loops and checks the resulting resources. For a loop over a parameter it uses
the parameter's default, so this script first writes the agencies and their codes into the template.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

import cfnlint.decode
from cfnlint.template import Template
from cfnlint.template.transforms._language_extensions import language_extension

INFRA = Path(__file__).resolve().parent.parent
# One region of each supported partition: aws and aws-cn.
REGIONS = ["us-east-1", "cn-north-1"]
# CloudFormation's limit on the resources of one stack.
MOST_RESOURCES = 500
# cfn-lint rules to ignore, each with its reason. Keep this list empty.
IGNORED: list[str] = []
# All actions that an agency may perform on its queue.
READS = {
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibility",
    "sqs:GetQueueAttributes",
    "sqs:GetQueueUrl",
}
# The longest visibility timeout of a queue that a function reads: what a killed process costs.
LONGEST_VISIBILITY = 30
# The shortest time, in seconds, for which a message that fails is received again before it is a dead letter.
SHORTEST_RETRIES = 900
# The shortest time, in seconds, that a person has for a dead letter before SQS deletes it: four days, a long weekend.
SHORTEST_DEAD_LETTER = 4 * 86400
# How long SQS keeps a message of a queue that does not say.
DEFAULT_RETENTION = 4 * 86400
# Lambda's limit on the environment of a function, which it counts as JSON.
MOST_ENVIRONMENT = 4096
# The longest value that a reference to a resource can have: an ARN or a queue's URL.
LONGEST_REFERENCE = 256
# The most digits of a number that is a parameter.
LONGEST_NUMBER = 10
# The longest value of the pseudo parameters and of a stack's name.
LONGEST_PSEUDO = 64
# The roles that may read the hub's signing key: router and sweeper sign cases, reports signs receipts.
SIGNERS = {"RouterRole", "SweeperRole", "ReportsRole"}
# Actions that AWS offers no narrower resource for.
ANY_RESOURCE = {"dynamodb:ListStreams"}


def account_of(row: dict) -> str:
    """The account that reads an agency's queue. A row without an account gets a distinct one, which exposes mix-ups."""
    return row.get("account", f"{row['code']:0<12}")


def rendered(template: str, agencies: list[dict]) -> str:
    """The template with the agencies between the markers, and their codes as the parameter's default."""
    accounts = {row["code"]: account_of(row) for row in agencies}
    rows = "".join(f'    "{code}": {{ Account: "{account}" }}\n' for code, account in accounts.items())
    reporters = ", ".join(f'"{account}"' for account in sorted(set(accounts.values())))
    block = f"  Agencies:\n{rows}  Reporters:\n    All: {{ Accounts: [{reporters}] }}\n"
    text, found = re.subn(
        r"(?ms)^(# agencies: begin\n).*?(^# agencies: end\n)", lambda mark: mark[1] + block + mark[2], template
    )
    if found != 1:
        raise SystemExit("template.yaml: the two marker lines of the agencies are not there once each")
    codes = ",".join(accounts)
    text, found = re.subn(
        r'(  AgencyCodes:\n    Type: CommaDelimitedList\n    Default: )"[^"]*"', lambda head: f'{head[1]}"{codes}"', text
    )
    if found != 1:
        raise SystemExit("template.yaml: AgencyCodes has no default to replace")
    return text


def literals(template: str) -> list[str]:
    """Lines that name a partition, or a domain that aws-cn does not have.

    Service principals are the exception: `lambda.amazonaws.com` is the same in every partition.
    """
    wrong = []
    for number, line in enumerate(template.splitlines(), 1):
        kept = re.sub(r"(Service|Principal): [a-z0-9]+\.amazonaws\.com(?=[ }]|$)", "", line)
        if "arn:aws" in kept or "amazonaws." in kept:
            wrong.append(f"template.yaml:{number}: names a partition or domain: {line.strip()}")
    return wrong


def expanded(path: str) -> tuple[dict, dict]:
    """The resources after the loops, and the parameters."""
    document, errors = cfnlint.decode.decode(path)
    if errors:
        raise SystemExit("\n".join(str(error) for error in errors))
    matches, plain = language_extension(Template(path, document, ["us-east-1"]))
    if matches or plain is None:
        raise SystemExit("\n".join(str(match) for match in matches) or "the loops could not be expanded")
    return plain["Resources"], plain["Parameters"]


def expectations(resources: dict, agencies: list[dict]) -> list[str]:
    """Checks that cfn-lint lacks: each agency has its resources, the stack fits its limit, no role has wildcard rights."""
    wrong = []
    if len(resources) > MOST_RESOURCES:
        wrong.append(f"{len(resources)} resources are more than the {MOST_RESOURCES} one stack may have")
    for row in agencies:
        for part in ["", "Dead", "Policy", "Age", "DeadDepth"]:
            if f"Agency{row['code']}{part}" not in resources:
                wrong.append(f"agency {row['code']} has no Agency{row['code']}{part}")
    for name, resource in resources.items():
        if resource["Type"] != "AWS::IAM::Role":
            continue
        for policy in resource["Properties"]["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                actions = statement["Action"]
                actions = {actions} if isinstance(actions, str) else set(actions)
                if statement["Resource"] == "*" and not actions <= ANY_RESOURCE:
                    wrong.append(f"{name}: {sorted(actions)} on every resource")
                wrong += [f"{name}: {action} is every action" for action in actions if action.endswith(":*")]
    return wrong


def signers(resources: dict) -> list[str]:
    """The hub's signing key is read by the functions that sign, and by no other."""
    wrong, readers = [], set()
    for name, resource in resources.items():
        if resource["Type"] != "AWS::IAM::Role":
            continue
        for policy in resource["Properties"]["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                if "secretsmanager:GetSecretValue" in str(statement["Action"]) and "HubSigningKeyStore" in str(statement["Resource"]):
                    readers.add(name)
    wrong += [f"{name} may read the hub's signing key" for name in sorted(readers - SIGNERS)]
    wrong += [f"{name} may not read the hub's signing key" for name in sorted(SIGNERS - readers)]
    return wrong


def live(statements: list) -> list[dict]:
    """The statements that a policy has in a live stack."""
    kept = [item["Fn::If"][1] if "Fn::If" in item and item["Fn::If"][0] == "Live" else item for item in statements]
    return [item for item in kept if item != {"Ref": "AWS::NoValue"}]


def queue_policies(resources: dict, agencies: list[dict]) -> list[str]:
    """Only the agency's account may read the agency's queue, and only over TLS. The dead-letter queue has no policy."""
    wrong = []
    put_on: dict[str, list[str]] = {}
    for name, resource in resources.items():
        if resource["Type"] == "AWS::SQS::QueuePolicy":
            for queue in resource["Properties"]["Queues"]:
                put_on.setdefault(queue.get("Ref", str(queue)), []).append(name)
    for row in agencies:
        queue = f"Agency{row['code']}"
        policy, arn = f"{queue}Policy", {"Fn::GetAtt": [queue, "Arn"]}
        for part in [queue, f"{queue}Dead"]:
            if resources.get(part, {}).get("Properties", {}).get("SqsManagedSseEnabled") is not True:
                wrong.append(f"{part} is not encrypted")
        if put_on.get(queue, []) != [policy]:
            wrong.append(f"{queue} has the policies {put_on.get(queue, [])}, not {policy} alone")
        if dead := put_on.get(f"{queue}Dead"):
            wrong.append(f"{', '.join(dead)} is put on {queue}Dead, which nobody but the hub may touch")
        statements = live(resources.get(policy, {}).get("Properties", {}).get("PolicyDocument", {}).get("Statement", []))
        allow = [statement for statement in statements if statement.get("Effect") != "Deny"]
        deny = [statement for statement in statements if statement.get("Effect") == "Deny"]
        if len(allow) != 1:
            wrong.append(f"{policy} allows by {len(allow)} statements, not by one")
        for statement in allow:
            account = {"Fn::Sub": ["arn:${AWS::Partition}:iam::${Account}:root", {"Account": account_of(row)}]}
            if statement.get("Principal") != {"AWS": account}:
                wrong.append(f"{policy} lets in {statement.get('Principal')}, not account {account_of(row)} alone")
            actions = statement.get("Action", [])
            actions = {actions} if isinstance(actions, str) else set(actions)
            wrong += [f"{policy} lets the agency {action}" for action in sorted(actions - READS)]
            wrong += [f"{policy} does not let the agency {action}" for action in sorted(READS - actions)]
            if statement.get("Resource") != arn:
                wrong.append(f"{policy} is about {statement.get('Resource')}, not about {queue}")
            if strange := set(statement) - {"Sid", "Effect", "Principal", "Action", "Resource"}:
                wrong.append(f"{policy} says {', '.join(sorted(strange))}, which nobody has thought through")
        plain = {"Bool": {"aws:SecureTransport": "false"}}
        tls = {"Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": arn, "Condition": plain}
        if [{key: value for key, value in one.items() if key != "Sid"} for one in deny] != [tls]:
            wrong.append(f"{policy} does not deny everybody everything without TLS")
    return wrong


def alarms(resources: dict) -> list[str]:
    """Each queue with a consumer has an alarm on message age, and each dead-letter queue an alarm on message count.

    A consumer that stops causes no error, so no other alarm would show the stop.
    """
    watched: dict[str, set[str]] = {}
    for resource in resources.values():
        if resource["Type"] == "AWS::CloudWatch::Alarm":
            for dimension in resource["Properties"].get("Dimensions", []):
                if dimension["Name"] == "QueueName":
                    queue, _ = dimension["Value"]["Fn::GetAtt"]
                    watched.setdefault(queue, set()).add(resource["Properties"]["MetricName"])
    wrong = []
    for name, resource in resources.items():
        if resource["Type"] == "AWS::SQS::Queue":
            is_worked = "RedrivePolicy" in resource["Properties"]
            metric = "ApproximateAgeOfOldestMessage" if is_worked else "ApproximateNumberOfMessagesVisible"
            if watched.get(name) != {metric}:
                wrong.append(f"{name} has alarms on {sorted(watched.get(name, set()))}, not on {metric}")
    return wrong


def mappings(resources: dict) -> list[str]:
    """A killed process costs a short visibility timeout, no function works longer, and a failure is retried for long."""
    wrong = []
    for name, mapping in resources.items():
        source = mapping["Properties"].get("EventSourceArn", {}).get("Fn::GetAtt", ["", ""])[0]
        queue = resources.get(source, {})
        if mapping["Type"] != "AWS::Lambda::EventSourceMapping" or queue.get("Type") != "AWS::SQS::Queue":
            continue
        visibility = queue["Properties"].get("VisibilityTimeout", 30)
        timeout = resources[mapping["Properties"]["FunctionName"]["Ref"]]["Properties"].get("Timeout", 3)
        receives = queue["Properties"]["RedrivePolicy"]["maxReceiveCount"]
        if visibility < timeout:
            wrong.append(f"{name}: {source} is visible again after {visibility} s, before its function ends at {timeout} s")
        if visibility > LONGEST_VISIBILITY:
            wrong.append(f"{name}: a killed process costs {source} {visibility} s, more than {LONGEST_VISIBILITY} s")
        if receives * visibility < SHORTEST_RETRIES:
            wrong.append(f"{name}: {source} gives a message up after {receives * visibility} s, before {SHORTEST_RETRIES} s")
    return wrong


def dead_letters(resources: dict) -> list[str]:
    """A person has days for every dead letter, and a dead letter is of the same kind as its queue.

    SQS deletes a dead letter of a standard queue by the age of its first send, and one of a FIFO queue by the time of its
    move. The local AWS deletes none.
    """
    wrong = []
    for name, resource in resources.items():
        if resource["Type"] != "AWS::SQS::Queue" or "RedrivePolicy" not in resource["Properties"]:
            continue
        source = resource["Properties"]
        dead_name = source["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]
        dead = resources[dead_name]["Properties"]
        is_fifo = source.get("FifoQueue", False)
        if dead.get("FifoQueue", False) != is_fifo:
            wrong.append(f"{name} and {dead_name} must both be FIFO queues, or neither")
        left = dead.get("MessageRetentionPeriod", DEFAULT_RETENTION)
        if not is_fifo:
            left -= source.get("MessageRetentionPeriod", DEFAULT_RETENTION)
        if left < SHORTEST_DEAD_LETTER:
            wrong.append(f"{dead_name} keeps a dead letter of {name} for {left} s, less than {SHORTEST_DEAD_LETTER} s")
    return wrong


def retention(resources: dict) -> list[str]:
    """What holds data outlives its stack, but not the failed deployment that creates it.

    The names of tables and bucket are fixed: a resource that a rollback leaves behind makes every later deployment fail. A
    rollback cannot remove a table with deletion protection, so `tongban deploy` switches it on by a second update.
    """
    wrong = []
    for name, resource in resources.items():
        policy = resource.get("DeletionPolicy", "Delete")
        is_live = policy["Fn::If"][1] if isinstance(policy, dict) and "Fn::If" in policy else policy
        if is_live == "Retain":
            wrong.append(f"{name} stays behind when the deployment that creates it fails: RetainExceptOnCreate is needed")
        if resource["Type"] in {"AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::KMS::Key", "AWS::SecretsManager::Secret"}:
            if is_live != "RetainExceptOnCreate":
                wrong.append(f"{name} holds data and is removed with the stack")
            if resource.get("UpdateReplacePolicy") != {"Fn::If": ["Live", "Retain", "Delete"]}:
                wrong.append(f"{name} holds data and is removed when it is replaced")
        if resource["Type"] == "AWS::DynamoDB::Table":
            protected = resource["Properties"].get("DeletionProtectionEnabled")
            if protected != {"Fn::If": ["Protected", True, False]}:
                wrong.append(f"{name} cannot be removed by the rollback of the deployment that creates it")
    return wrong


def longest(value: object, parameters: dict) -> int | None:
    """The most characters of a value of the environment. None when nothing bounds it."""
    if isinstance(value, dict) and value.get("Ref") in parameters:
        parameter = parameters[value["Ref"]]
        if parameter["Type"] == "Number":
            return LONGEST_NUMBER
        if "AllowedValues" in parameter:
            return max(len(str(one)) for one in parameter["AllowedValues"])
        return parameter.get("MaxLength")
    if isinstance(value, dict) and str(value.get("Ref", "")).startswith("AWS::"):
        return LONGEST_PSEUDO
    return LONGEST_REFERENCE if isinstance(value, dict) else len(str(value))


def environments(resources: dict, parameters: dict) -> list[str]:
    """The environment of a function fits into Lambda's limit however many agencies, issuers and keys there are."""
    wrong = []
    for name, resource in resources.items():
        if resource["Type"] != "AWS::Lambda::Function":
            continue
        variables = resource["Properties"].get("Environment", {}).get("Variables", {})
        values = {variable: longest(value, parameters) for variable, value in variables.items()}
        wrong += [f"{name}: nothing bounds the variable {variable}" for variable, most in values.items() if most is None]
        size = len(json.dumps({variable: "x" * (most or 0) for variable, most in values.items()}))
        if size > MOST_ENVIRONMENT:
            wrong.append(f"{name}: the environment may take {size} bytes of {MOST_ENVIRONMENT}")
    return wrong


def main() -> int:
    """Runs the checks and prints the faults."""
    arguments = argparse.ArgumentParser(description="Checks the template as it is deployed.")
    arguments.add_argument("--own-checks", action="store_true", help="leaves cfn-lint out")
    arguments.add_argument("template", nargs="?", type=Path, default=INFRA / "template.yaml")
    asked = arguments.parse_args()
    template = asked.template.read_text(encoding="utf-8")
    agencies = tomllib.loads((INFRA / "agencies.toml").read_text(encoding="utf-8"))["agency"]
    wrong = literals(template)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "template.yaml"
        path.write_text(rendered(template, agencies), encoding="utf-8")
        resources, parameters = expanded(str(path))
        wrong += expectations(resources, agencies)
        wrong += signers(resources)
        wrong += queue_policies(resources, agencies)
        wrong += alarms(resources)
        wrong += mappings(resources)
        wrong += dead_letters(resources)
        wrong += retention(resources)
        wrong += environments(resources, parameters)
        ignored = ["--ignore-checks", *IGNORED] if IGNORED else []
        linter = [sys.executable, "-c", "from cfnlint.runner import main; main()"]
        command = [*linter, "--regions", *REGIONS, *ignored, "--format", "parseable", "--template", path]
        if not asked.own_checks:
            lint = subprocess.run(command, check=False, capture_output=True, text=True)
            if lint.returncode:
                wrong.append((lint.stdout + lint.stderr).strip())
    if wrong:
        print("\n".join(wrong), file=sys.stderr)
        return 1
    print(f"template.yaml: {len(agencies)} agencies, {len(resources)} resources, {', '.join(REGIONS)}: nothing to report")
    return 0


if __name__ == "__main__":
    sys.exit(main())
