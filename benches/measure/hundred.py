"""A hundred stacks."""

import json

import cloud
from proxy import Proxy, writes
from table import Row, at_most
from tools import ENDPOINT, PIPELINE, WORK, git, peak_memory, run

PROJECT = "bench-many"
DIRECTORY = WORK / PROJECT
COMMAND = (PIPELINE, "run", "--output", "json")
ROUNDS = 5


def measure(_):
    cloud.remove(PROJECT)
    calls = {}
    for stacks in (50, 100):
        prepare(stacks)
        deploy("--concurrency", "16")
        proxy = Proxy()
        write_config(stacks, proxy.endpoint)
        deploy()
        calls[stacks] = proxy.take()
        write_config(stacks, ENDPOINT)
    runs = [deploy() for _ in range(ROUNDS)]
    assert all(json.loads(done.output.splitlines()[-1])["result"] == "unchanged" for done in runs)
    yield at_most("nothing to do, 100 stacks", 0.5, [done.seconds for done in runs], "s")
    peaks = [peak_memory(*COMMAND, cwd=DIRECTORY) for _ in range(ROUNDS)]
    yield at_most("peak memory of that run", 40, peaks, "MB")
    # A page of the list holds so many stacks of the account, whosever they are.
    pages = [made.count("DescribeStacks") for made in calls.values()]
    more = len(calls[100]) - len(calls[50]) - (pages[1] - pages[0])
    yield Row(
        what="calls for 50 more stacks, beside pages of the list of all stacks",
        target="≤ 50, no write",
        shown=f"{more} ({len(calls[50])} for 50, {pages[0]} of them pages; {len(calls[100])} for 100, {pages[1]} of them pages)",
        met=more <= 50 and not writes(calls[100]),
        missed_by=f"{more - 50} calls",
    )
    cloud.remove(PROJECT)


def prepare(stacks):
    for number in range(stacks):
        path = DIRECTORY / f"stacks/s{number}/template.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        value = f"{{ Type: String, Name: /{PROJECT}/{number}, Value: one }}"
        path.write_text(f"Resources:\n  It: {{ Type: AWS::SSM::Parameter, Properties: {value} }}\n")
    write_config(stacks, ENDPOINT)
    git(DIRECTORY, "init", "--quiet", "--initial-branch=main")
    git(DIRECTORY, "add", "--all")
    git(DIRECTORY, "commit", "--quiet", "--allow-empty", "--message", f"{stacks} stacks")


def write_config(stacks, endpoint):
    names = "".join(f"  s{number}:\n" for number in range(stacks))
    environments = f'environments:\n  local: {{ region: us-east-1, endpoint: "{endpoint}" }}\n'
    (DIRECTORY / "pipeline.yaml").write_text(f"project: {PROJECT}\n{environments}stacks:\n{names}")


def deploy(*more):
    return run(*COMMAND, *more, cwd=DIRECTORY)
