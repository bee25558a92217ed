"""This repository's own system under a name of its own: six stacks and two workloads, in a clone below target/bench."""

import re
import shutil
import subprocess

import yaml

import cloud
from tools import ENDPOINT, PIPELINE, ROOT, WORK, git, run

MODULES = ("vpc", "ecr", "alb", "msk", "ecs", "lambda")


class System:
    def __init__(self, project="bench"):
        self.project = project
        self.directory = WORK / project
        self.deployed = False

    def __enter__(self):
        cloud.remove(f"{self.project}-")
        self.copy()
        return self

    def __exit__(self, *_):
        cloud.remove(f"{self.project}-")

    def copy(self):
        """The files of the working tree, as one commit."""
        shutil.rmtree(self.directory, ignore_errors=True)
        listed = subprocess.check_output(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, text=True
        )
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).is_file():
                target = self.directory / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, target)
        self.edit("pipeline.yaml", "project: events\n", f"project: {self.project}\n")
        self.edit("stacks/environments/local.yaml", "msk:\n", f"msk:\n  TopicName: events-{self.project}\n")
        git(self.directory, "init", "--quiet", "--initial-branch=main")
        git(self.directory, "add", "--all")
        git(self.directory, "commit", "--quiet", "--message", "Begin")

    def edit(self, name, before, after):
        path = self.directory / name
        text = path.read_text()
        assert before in text, f"{name} has no {before!r}"
        path.write_text(text.replace(before, after, 1))

    def stack(self, module):
        return f"{self.project}-local-{module}"

    def template(self, module):
        return self.directory / f"stacks/{module}/template.yaml"

    @staticmethod
    def command():
        return PIPELINE, "run", "--env", "local", "--output", "json"

    def run(self, endpoint=ENDPOINT):
        """`pipeline run`; through another endpoint it deploys the working tree, in which that is written."""
        if endpoint != ENDPOINT:
            self.edit("pipeline.yaml", ENDPOINT, endpoint)
        try:
            return run(*self.command(), cwd=self.directory)
        finally:
            if endpoint != ENDPOINT:
                git(self.directory, "checkout", "--quiet", "pipeline.yaml")

    def deploy(self):
        """Deploys it if this run has not yet."""
        if not self.deployed:
            self.run()
            # The first run after it may still find the service on its way.
            self.run()
            self.deployed = True

    def parameters(self, module, images):
        """What pipeline.yaml gives a stack, references resolved through what is live."""
        config = yaml.safe_load((self.directory / "pipeline.yaml").read_text())
        values = yaml.safe_load((self.directory / "stacks/environments/local.yaml").read_text())
        given = {**config["stacks"][module].get("parameters", {}), **values.get(module, {})}

        def resolve(reference):
            match reference[1].split("."):
                case ["project"]:
                    return self.project
                case ["environment"]:
                    return "local"
                case ["stacks", stack, output]:
                    return cloud.outputs(self.stack(stack))[output]
                case ["workloads", workload, "image"]:
                    return images[workload]

        return {name: re.sub(r"\$\{([^}]+)\}", resolve, str(text)) for name, text in given.items()}
