"""Where things are, and how a command is run and measured."""

import os
import pathlib
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = ROOT / "target/bench"
PIPELINE = ROOT / "target/dist/pipeline"
PROBE = ROOT / "target/dist/probe"
AWS = WORK / "tools/bin/aws"
SCEPTRE = WORK / "tools/bin/sceptre"
CDK = WORK / "tools/node_modules/.bin/cdk"
ENDPOINT = "http://127.0.0.1:4566"
REGION = "us-east-1"

ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "AWS_", "PIPELINE_"))},
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_ENDPOINT_URL": ENDPOINT,
    "CDK_DISABLE_CLI_TELEMETRY": "true",
    "CI": "true",
    # What the tests build workloads in too: their dependencies are compiled once.
    "CARGO_TARGET_DIR": str(ROOT / "target/end-to-end"),
}


class Done:
    """A command that has ended."""

    def __init__(self, seconds, megabytes, output):
        self.seconds, self.megabytes, self.output = seconds, megabytes, output


def run(*command, cwd=ROOT, code=0):
    """Runs a command to its end: wall time, peak memory of its largest process in MB, standard output."""
    with open(WORK / "stdout", "w+b") as out, open(WORK / "stderr", "w+b") as err:
        began = time.perf_counter()
        process = subprocess.Popen([str(part) for part in command], cwd=cwd, env=ENVIRONMENT, stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0), err.seek(0)
        output, errors = out.read().decode(), err.read().decode()
    if process.returncode != code:
        raise SystemExit(f"{command} ended with {process.returncode}\n{output[-3000:]}\n{errors[-3000:]}")
    return Done(seconds, usage.ru_maxrss * 1024 / 1e6, output)


def interleaved(rounds, **works):
    """Seconds of each work, measured in turns, so that what disturbs one disturbs all."""
    times = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            times[name].append(work().seconds)
    return times


def git(directory, *arguments):
    identity = ("-c", "user.name=Bench", "-c", "user.email=bench@example.com", "-c", "commit.gpgsign=false")
    return run("git", *identity, *arguments, cwd=directory).output.strip()
