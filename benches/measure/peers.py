"""What a user would pick instead, on the same templates, with the same values, for the same stacks."""

import json

import yaml

import cloud
from system import MODULES
from tools import AWS, CDK, ENDPOINT, REGION, SCEPTRE, WORK, run

CAPABILITIES = ("CAPABILITY_IAM", "CAPABILITY_NAMED_IAM")


def aws_deploy(stack, template, parameters):
    given = [f"{name}={value}" for name, value in parameters.items()]
    overrides = ["--parameter-overrides", *given] if given else []
    return run(
        AWS, "cloudformation", "deploy", "--no-fail-on-empty-changeset", "--stack-name", stack,
        "--template-file", template, "--capabilities", *CAPABILITIES, *overrides,
    )  # fmt: skip


class Sequence:
    """`aws cloudformation deploy` for one stack after the other."""

    def __init__(self, system):
        self.system = system
        self.parameters = {module: cloud.parameters(system.stack(module)) for module in MODULES}

    def deploy(self):
        total = None
        for module in MODULES:
            done = aws_deploy(self.system.stack(module), self.system.template(module), self.parameters[module])
            if total:
                done.seconds += total.seconds
            total = done
        return total


class Sceptre:
    """A Sceptre project of the six stacks; they are independent, so it works on all of them at once."""

    def __init__(self, system):
        self.directory = WORK / "sceptre"
        config = self.directory / "config"
        config.mkdir(parents=True, exist_ok=True)
        (self.directory / "templates").mkdir(exist_ok=True)
        (config / "config.yaml").write_text(yaml.dump({"project_code": system.project, "region": REGION}))
        for module in MODULES:
            name = f"{module}.yaml"
            (self.directory / "templates" / name).write_text(system.template(module).read_text())
            stack = {
                "template": {"path": name, "type": "file"},
                "stack_name": system.stack(module),
                "parameters": cloud.parameters(system.stack(module)),
            }
            (config / name).write_text(yaml.dump(stack))

    def deploy(self):
        return run(SCEPTRE, "--dir", self.directory, "launch", "--yes", ".")


class Cdk:
    """An assembly as `cdk synth` writes it, so that no program has to run: the CDK at its best."""

    def __init__(self, system):
        self.directory = WORK / "cdk.out"
        self.directory.mkdir(parents=True, exist_ok=True)
        artifacts = {}
        for module in MODULES:
            file = f"{module}.template.json"
            (self.directory / file).write_text(json.dumps(long_form(system.template(module).read_text())))
            artifacts[module] = {
                "type": "aws:cloudformation:stack",
                "environment": f"aws://000000000000/{REGION}",
                "properties": {
                    "templateFile": file,
                    "stackName": system.stack(module),
                    "parameters": cloud.parameters(system.stack(module)),
                },
            }
        (self.directory / "manifest.json").write_text(json.dumps({"version": "36.0.0", "artifacts": artifacts}))

    def deploy(self):
        return run(
            CDK, "deploy", "--app", self.directory, "--all", "--require-approval", "never", "--concurrency", "6",
            "--output", WORK / "cdk.tmp",
        )  # fmt: skip


class Loader(yaml.SafeLoader):
    """Reads the short form of functions as the long one; everything else stays as it is written."""


def function(loader, tag, node):
    match node:
        case yaml.ScalarNode():
            value = loader.construct_scalar(node)
        case yaml.SequenceNode():
            value = loader.construct_sequence(node, deep=True)
        case _:
            value = loader.construct_mapping(node, deep=True)
    if tag == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {tag if tag in ("Ref", "Condition") else f"Fn::{tag}": value}


Loader.add_multi_constructor("!", function)
Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda loader, node: loader.construct_scalar(node))


def long_form(text):
    return yaml.load(text, Loader)
