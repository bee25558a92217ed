"""Deliveries that a server acknowledges, beside Debian's `webhook`; how soon a run begins, and what the server takes."""

import contextlib
import hashlib
import hmac
import json
import re
import shutil
import statistics
import subprocess
import urllib.request
from datetime import datetime

from api import free_port, resident, until
from table import Row, at_most, number, spread
from tools import ENDPOINT, ENVIRONMENT, PIPELINE, WORK, git, run

PLACE = WORK / "deliveries"
SECRET, TOKEN = "a secret for measuring", "a token for measuring"
ROUNDS, SECONDS, CONNECTIONS = 5, 5, 64
# More than are delivered in one round: the server stores each, and would know one that comes again.
DISTINCT = 100_000
RUNS = 100
# What GitHub's push of some commits has.
BYTES = 5000


def measure(_):
    prepare()
    ours, theirs, seconds, memory = [], [], {"ours": [], "theirs": []}, {"ours": [], "theirs": []}
    idle = []
    for _ in range(ROUNDS):
        with webhook() as (url, pid):
            rate, p99, _ = deliver(url)
            theirs.append(rate), seconds["theirs"].append(p99), memory["theirs"].append(peak(pid))
        with serving() as (address, pid):
            until_quiet(address)
            idle.append(resident(pid))
            rate, p99, count = deliver(f"{address}/webhooks/github")
            stored = accepted(address)
            # Those that were under way at the end are stored without an answer that counts.
            assert count <= stored <= count + 2 * CONNECTIONS, f"{count} were acknowledged, {stored} stored"
            ours.append(rate), seconds["ours"].append(p99), memory["ours"].append(peak(pid))
    limit = 5 * statistics.median(theirs)
    rate = statistics.median(ours)
    yield Row(
        what=f"signed deliveries of {BYTES} bytes acknowledged a second, {CONNECTIONS} connections; `serve` has them on the disk",
        target="≥ 5 × webhook",
        shown=f"{spread(ours, 'a second')} = {rate / statistics.median(theirs):.1f} ×; p99 {spread(seconds['ours'], 'ms')}",
        met=rate >= limit,
        missed_by=f"{number(limit - rate)} a second",
        peers={"`webhook`": f"{spread(theirs, 'a second')}; p99 {spread(seconds['theirs'], 'ms')}"},
    )
    theirs, ours = statistics.median(memory["theirs"]), statistics.median(memory["ours"])
    yield Row(
        what="its memory after that, at most",
        target="≤ 1/10 of webhook's",
        shown=f"{spread(memory['ours'], 'MB')} = {100 * ours / theirs:.0f} %",
        met=ours <= theirs / 10,
        missed_by=f"{number(ours - theirs / 10)} MB",
        peers={"`webhook`": spread(memory["theirs"], "MB")},
    )
    yield at_most("memory of an idle server", 40, idle, "MB")
    yield starts()


def starts():
    """From a run's place in the queue to its beginning, one after the other."""
    claimed, began = [], []
    with serving() as (address, _):
        until_quiet(address)
        for _ in range(RUNS):
            wish = {"environment": "local", "branch": "main"}
            id = ask(f"{address}/api/runs", wish)["id"]
            until(lambda: ask(f"{address}/api/runs/{id}")["state"] == "ended")
            told = ask(f"{address}/api/runs/{id}")
            events = ask(f"{address}/api/runs/{id}/events")
            claimed.append(moment(told["started"]) - moment(told["created"]))
            began.append(moment(events[0]["event"]["time"]) - moment(told["created"]))
    p99 = percentile(claimed)
    return Row(
        what=f"a run's wait in the queue while nothing else waits, p99 of {RUNS}",
        target="≤ 50 ms",
        shown=f"{number(p99)} ms; until the run's first event, with the look at the remote and the start of its process, {number(percentile(began))} ms",
        met=p99 <= 50,
        missed_by=f"{number(p99 - 50)} ms",
    )


def percentile(times):
    return 1000 * sorted(times)[int(0.99 * (len(times) - 1))]


def moment(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def prepare():
    """A repository to serve, and a script of deliveries: one body with a number in it, and the signatures of all."""
    shutil.rmtree(PLACE, ignore_errors=True)
    author = PLACE / "author"
    (author / "stacks/it").mkdir(parents=True)
    environment = f'{{ region: us-west-2, endpoint: "{ENDPOINT}", branch: main }}'
    (author / "pipeline.yaml").write_text(f"project: bench-deliveries\nenvironments:\n  local: {environment}\nstacks:\n  it:\n")
    resource = "{ Type: AWS::SSM::Parameter, Properties: { Type: String, Value: it } }"
    (author / "stacks/it/template.yaml").write_text(f"Resources:\n  It: {resource}\n")
    git(author, "init", "--quiet", "--initial-branch=main")
    git(author, "add", "--all")
    git(author, "commit", "--quiet", "--message", "Begin")
    head = git(author, "rev-parse", "HEAD")
    body = {"ref": "refs/heads/main", "after": head, "repository": {"full_name": "octo/shop"}, "number": "NNNNNNNN", "text": ""}
    body["text"] = "x" * (BYTES - len(json.dumps(body)))
    before, after = json.dumps(body).split("NNNNNNNN")
    keyed = hmac.new(SECRET.encode(), before.encode(), hashlib.sha256)
    with open(PLACE / "signatures", "w") as signatures:
        for count in range(DISTINCT):
            signature = keyed.copy()
            signature.update(f"{count:08}{after}".encode())
            signatures.write(f"{signature.hexdigest()}\n")
    (PLACE / "deliver.lua").write_text(f"""
local before, after, signatures, count = [==[{before}]==], [==[{after}]==], {{}}, -1
function init()
  for line in io.lines("{PLACE}/signatures") do signatures[#signatures + 1] = line end
end
function request()
  count = count + 1
  local headers = {{
    ["Content-Type"] = "application/json", ["X-GitHub-Event"] = "push", ["X-GitHub-Delivery"] = tostring(count),
    ["X-Hub-Signature-256"] = "sha256=" .. signatures[count + 1],
  }}
  return wrk.format("POST", nil, headers, before .. string.format("%08d", count) .. after)
end
""")


@contextlib.contextmanager
def webhook():
    hooks, port = PLACE / "hooks.json", free_port()
    signed = {"type": "payload-hmac-sha256", "secret": SECRET, "parameter": {"source": "header", "name": "X-Hub-Signature-256"}}
    hooks.write_text(json.dumps([{"id": "github", "execute-command": "/bin/true", "trigger-rule": {"match": signed}}]))
    url = f"http://127.0.0.1:{port}"
    with started(("webhook", "-hooks", hooks, "-ip", "127.0.0.1", "-port", port)) as process:
        until(lambda: urllib.request.urlopen(url).status == 200)
        yield f"{url}/hooks/github", process.pid


@contextlib.contextmanager
def serving():
    state, port = PLACE / "state", free_port()
    shutil.rmtree(state, ignore_errors=True)
    address = f"http://127.0.0.1:{port}"
    command = (PIPELINE, "serve", f"octo/shop={PLACE / 'author'}", "--state", state, "--listen", f"127.0.0.1:{port}", "--poll", "24h")
    with started(command, {"PIPELINE_WEBHOOK_SECRET": SECRET, "PIPELINE_API_TOKEN": TOKEN}) as process:
        until(lambda: urllib.request.urlopen(f"{address}/readyz").status == 200)
        yield address, process.pid


@contextlib.contextmanager
def started(command, more=None):
    environment = ENVIRONMENT | (more or {})
    process = subprocess.Popen([str(part) for part in command], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def until_quiet(address):
    """Until the run of the first look has ended."""
    until(lambda: [told["state"] for told in ask(f"{address}/api/runs")] == ["ended"])


def ask(url, wish=None):
    body = None if wish is None else json.dumps(wish).encode()
    with urllib.request.urlopen(urllib.request.Request(url, body, {"Authorization": f"Bearer {TOKEN}"})) as answer:
        return json.load(answer)


def accepted(address):
    request = urllib.request.Request(f"{address}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request) as answer:
        return int(re.search(r'deliveries_total{answer="accepted"} (\d+)', answer.read().decode())[1])


def deliver(url):
    """Deliveries a second, the 99th percentile of their times in ms, and how many there were; all were acknowledged."""
    command = ("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency", "-s", PLACE / "deliver.lua", url)
    report = run(*command).output
    assert "Non-2xx" not in report and "Socket errors" not in report, report
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", report).groups()
    count = int(re.search(r"(\d+) requests in", report)[1])
    return float(re.search(r"Requests/sec:\s+([\d.]+)", report)[1]), float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit], count


def peak(pid):
    return int(re.search(r"VmHWM:\s+(\d+)", open(f"/proc/{pid}/status").read())[1]) * 1024 / 1e6
