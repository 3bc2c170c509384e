"""Checks infra/template.yaml with every agency of infra/agencies.toml, as `tongban deploy` renders it.

    python infra/lint/template.py [--own-checks] [TEMPLATE]

--own-checks skips cfn-lint, which takes most of the time. Needs a Python with infra/cli/requirements.txt. Prints every
fault and exits with 1, or exits with 0.

cfn-lint expands the template's Fn::ForEach loops and checks the resulting resources. For a loop over a parameter it uses
the parameter's default, so this script first writes the agencies and their codes into the template.
"""

import argparse
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


def expanded(path: str) -> dict:
    """The resources after the loops."""
    document, errors = cfnlint.decode.decode(path)
    if errors:
        raise SystemExit("\n".join(str(error) for error in errors))
    matches, plain = language_extension(Template(path, document, ["us-east-1"]))
    if matches or plain is None:
        raise SystemExit("\n".join(str(match) for match in matches) or "the loops could not be expanded")
    return plain["Resources"]


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
        resources = expanded(str(path))
        wrong += expectations(resources, agencies)
        wrong += queue_policies(resources, agencies)
        wrong += alarms(resources)
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
