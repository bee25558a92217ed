"""An image that is there, and one whose 10 MB binary changed."""

import json
import os

import cloud
from table import at_most, spread
from tools import PIPELINE, PROBE, ROOT, WORK, git, interleaved, run
from tools import ENDPOINT

PROJECT = "bench-image"
DIRECTORY = WORK / PROJECT
HOST = ENDPOINT.removeprefix("http://")
ROUNDS = 5

CONFIG = f"""
project: {PROJECT}
environments:
  local: {{ region: us-east-1, endpoint: "{ENDPOINT}", registry: {HOST} }}
stacks:
  ecr:
workloads:
  app:
    inputs: [app]
    build: {{ context: app }}
    repository: "${{stacks.ecr.Uri}}"
"""

TEMPLATE = f"""
Resources:
  Repository: {{ Type: AWS::ECR::Repository, Properties: {{ RepositoryName: {PROJECT}-app }} }}
Outputs:
  Uri: {{ Value: !GetAtt Repository.RepositoryUri }}
"""


def measure(_):
    cloud.remove(PROJECT)
    prepare()
    deploy()
    tag = cloud.client("ecr").list_images(repositoryName=f"{PROJECT}-app")["imageIds"][0]["imageTag"]
    found = json.loads(run(PROBE, "find", ENDPOINT, f"{PROJECT}-app", tag).output)["find"]
    yield at_most("image unchanged, one request", 5, found, "ms")
    sign_in()
    times = interleaved(ROUNDS, pipeline=changed(deploy), docker=changed(docker))
    limit = sorted(times["docker"])[ROUNDS // 2]
    yield at_most(
        "changed binary of 10 MB: built and pushed", limit, times["pipeline"], "s",
        target="≤ docker's command line",
        peers={"`docker build` and `docker push`": spread(times["docker"], "s")},
    )  # fmt: skip
    cloud.remove(PROJECT)


def prepare():
    for name, text in {
        "pipeline.yaml": CONFIG,
        "stacks/ecr/template.yaml": TEMPLATE,
        "app/Dockerfile": 'FROM scratch\nCOPY app /app\nENTRYPOINT ["/app"]\n',
    }.items():
        path = DIRECTORY / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    write_binary()
    git(DIRECTORY, "init", "--quiet", "--initial-branch=main")
    commit()


def write_binary():
    (DIRECTORY / "app/app").write_bytes(os.urandom(10_000_000))


def commit():
    git(DIRECTORY, "add", "--all")
    git(DIRECTORY, "commit", "--quiet", "--allow-empty", "--message", "Change the binary")


def changed(work):
    """The work after a change, which is not measured."""

    def change_and_work():
        write_binary()
        commit()
        return work()

    return change_and_work


def deploy():
    return run(PIPELINE, "run", "--output", "json", cwd=DIRECTORY)


def docker():
    image = f"{HOST}/{PROJECT}-app:docker"
    # The pipeline labels its images too, which is one instruction more.
    label = f"org.opencontainers.image.revision={git(DIRECTORY, 'rev-parse', 'HEAD')}"
    built = run("docker", "build", "--quiet", "--label", label, "--tag", image, "app", cwd=DIRECTORY)
    pushed = run("docker", "push", "--quiet", image, cwd=DIRECTORY)
    pushed.seconds += built.seconds
    return pushed


def sign_in():
    """What a user does once; it is not measured."""
    script = f"{ROOT / 'target/bench/tools/bin/aws'} ecr get-login-password | docker login --username AWS --password-stdin {HOST}"
    run("sh", "-c", script)
