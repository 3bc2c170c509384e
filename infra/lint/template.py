"""Checks infra/template.yaml as it is deployed: with every agency of infra/partners.toml.

    python infra/lint/template.py

Run with a Python that has infra/local/requirements.txt. Says what is wrong and ends with 1, or ends with 0.

cfn-lint expands the template's Fn::ForEach loops itself and checks what they produce, but takes a loop over a parameter
from that parameter's default; so the rows and the codes are written in first, as `tongban deploy` does.
"""

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
# One region of each partition that must work: aws and aws-cn.
REGIONS = ["us-east-1", "cn-north-1"]
# A hub account for rows that name none; any twelve digits do.
ACCOUNT = "000000000000"
# CloudFormation's limit on the resources of one stack.
MOST_RESOURCES = 500
# Rules that are not followed, each with its reason. Empty, and to be kept so.
IGNORED: list[str] = []
# Actions that AWS offers no narrower resource for.
ANY_RESOURCE = {"dynamodb:ListStreams"}


def rendered(template: str, agencies: list[dict]) -> str:
    """The template with the agencies written between its markers and their codes as the parameter's default."""
    accounts = {row["code"]: row.get("account", ACCOUNT) for row in agencies}
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
    """Lines that name a partition or a domain which aws-cn does not have.

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
    """What cfn-lint cannot know: every agency has its parts, the stack fits, and no role reaches everything."""
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


def main() -> int:
    """Runs every check."""
    template = (INFRA / "template.yaml").read_text(encoding="utf-8")
    agencies = tomllib.loads((INFRA / "partners.toml").read_text(encoding="utf-8"))["agency"]
    wrong = literals(template)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "template.yaml"
        path.write_text(rendered(template, agencies), encoding="utf-8")
        resources = expanded(str(path))
        wrong += expectations(resources, agencies)
        ignored = ["--ignore-checks", *IGNORED] if IGNORED else []
        linter = [sys.executable, "-c", "from cfnlint.runner import main; main()"]
        command = [*linter, "--regions", *REGIONS, *ignored, "--format", "parseable", "--template", path]
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
