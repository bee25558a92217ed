"""How large the binary is, and how long it takes to start."""

import json

from table import Row, at_most, spread
from tools import AWS, CDK, ENVIRONMENT, PIPELINE, SCEPTRE, WORK

import subprocess


def measure(_):
    times = {name: hyperfine(path) for name, path in commands().items()}
    peers = {f"`{name} --version`": spread(times[name], "ms") for name in ("aws", "sceptre", "cdk", "git")}
    yield at_most("`pipeline --version`", 4, times["pipeline"], "ms", peers=peers)
    yield at_most("size of the binary", 40, [PIPELINE.stat().st_size / 1e6], "MB")


def commands():
    return {"pipeline": PIPELINE, "aws": AWS, "sceptre": SCEPTRE, "cdk": CDK, "git": "git"}


def hyperfine(program):
    few = ["--runs", "5"] if program not in (PIPELINE, "git") else ["--runs", "200"]
    report = WORK / "hyperfine.json"
    command = ["hyperfine", "--shell=none", "--style=none", "--warmup=3", *few, f"--export-json={report}"]
    subprocess.run([*command, f"{program} --version"], env=ENVIRONMENT, check=True, capture_output=True)
    return [seconds * 1000 for seconds in json.loads(report.read_text())["results"][0]["times"]]
