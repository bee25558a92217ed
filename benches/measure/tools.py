"""Where things are, and how a command is run and measured."""

import os
import pathlib
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = ROOT / "target/bench"
PIPELINE = ROOT / "target/dist/pipeline"
PROBE = ROOT / "target/dist/probe"
API = ROOT / "target/dist/api"
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

    def __init__(self, seconds, output):
        self.seconds, self.output = seconds, output


def run(*command, cwd=ROOT):
    """Runs a command to its end: wall time and standard output."""
    began = time.perf_counter()
    done = subprocess.run([str(part) for part in command], cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True)
    seconds = time.perf_counter() - began
    if done.returncode != 0:
        raise SystemExit(f"{command} ended with {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return Done(seconds, done.stdout)


def peak_memory(*command, cwd):
    """A command's largest resident size in MB. A program of its own measures it: until a process is what it was started
    to be, it counts as large as the one that started it."""
    report = WORK / "peak"
    run("/usr/bin/time", "--format=%M", f"--output={report}", *command, cwd=cwd)
    return int(report.read_text()) * 1024 / 1e6


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
