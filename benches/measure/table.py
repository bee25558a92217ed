"""Rows of measurements, what they are held against, and the page that they are kept on."""

import datetime
import platform
import statistics
import subprocess
from dataclasses import dataclass, field

from tools import AWS, CDK, PIPELINE, ROOT, SCEPTRE


@dataclass
class Row:
    """One thing that was measured; `measured` and `target` are in the unit that `shown` formats."""

    what: str
    target: str
    shown: str
    met: bool
    missed_by: str = ""
    peers: dict[str, str] = field(default_factory=dict)

    def cells(self):
        peers = "<br>".join(f"{name}: {value}" for name, value in self.peers.items()) or "–"
        verdict = "met" if self.met else f"**missed** by {self.missed_by}"
        return [self.what, self.target, self.shown, peers, verdict]


def at_most(what, limit, measured, unit, target=None, peers=None):
    """A row for samples whose median should be at most `limit`; both are in `unit`."""
    middle = statistics.median(measured)
    return Row(
        what=what,
        target=target or f"≤ {number(limit)} {unit}",
        shown=spread(measured, unit),
        met=middle <= limit,
        missed_by=f"{number(middle - limit)} {unit}",
        peers=peers or {},
    )


def spread(samples, unit):
    """The median, and the range it comes from."""
    middle = f"{number(statistics.median(samples))} {unit}"
    if len(samples) == 1:
        return middle
    return f"{middle} ({number(min(samples))}–{number(max(samples))}, n={len(samples)})"


def number(value):
    if isinstance(value, int) or value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def markdown(rows):
    head = ["what", "target", "pipeline", "instead", "verdict"]
    lines = [head, ["---"] * len(head)] + [row.cells() for row in rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def write_page(rows):
    text = (ROOT / "benches/page.md").read_text()
    values = {
        "TABLE": markdown(rows),
        "DATE": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "MACHINE": machine(),
        "VERSIONS": ", ".join(versions()),
        "COMMIT": first_line("git", "rev-parse", "--short", "HEAD"),
    }
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    (ROOT / "docs/benchmarks.md").write_text(text)


def machine():
    cpus = [line for line in open("/proc/cpuinfo") if line.startswith("model name")]
    memory = int(next(line for line in open("/proc/meminfo") if line.startswith("MemTotal")).split()[1])
    load = open("/proc/loadavg").read().split()[0]
    model = cpus[0].split(":", 1)[1].strip() if cpus else platform.machine()
    return f"{len(cpus)} × {model}, {memory / 2**20:.0f} GiB, Linux {platform.release()}; load at the end {load}"


def versions():
    yield first_line(PIPELINE, "--version")
    yield first_line(AWS, "--version").split()[0].replace("/", " ")
    yield first_line(SCEPTRE, "--version").replace(", version", "").lower()
    yield f"aws-cdk {first_line(CDK, '--version').split()[0]}"
    yield first_line("git", "--version")
    yield f"docker {first_line('docker', 'version', '--format', '{{.Client.Version}} (engine {{.Server.Version}})')}"
    yield first_line("hyperfine", "--version")
    yield first_line("webhook", "-version")


def first_line(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=ROOT)
    return (done.stdout or done.stderr).strip().splitlines()[0]
