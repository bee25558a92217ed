"""Nothing to do: six stacks and two workloads that are as they should be."""

import json
import statistics

from peers import Cdk, Sceptre, Sequence
from proxy import Proxy, writes
from table import Row, at_most, spread
from tools import interleaved, peak_memory

ROUNDS = 5


def measure(system):
    system.deploy()
    sequence, sceptre, cdk = Sequence(system), Sceptre(system), Cdk(system)
    times = interleaved(
        ROUNDS, pipeline=system.run, aws=sequence.deploy, sceptre=sceptre.deploy, cdk=cdk.deploy
    )
    what = "nothing to do, 6 stacks and 2 workloads"
    yield than(times, "aws", "`aws cloudformation deploy`, one after another", 10, what)
    yield than(times, "sceptre", "Sceptre (stacks only)", 5, what)
    yield than(times, "cdk", "CDK CLI (stacks only)", 5, what)
    assert json.loads(system.run().output.splitlines()[-1])["result"] == "unchanged"
    peaks = [peak_memory(*system.command(), cwd=system.directory) for _ in range(ROUNDS)]
    yield at_most("peak memory of that run", 40, peaks, "MB")
    yield calls(system)


def than(times, peer, name, factor, what):
    """The pipeline's time should be at most a part of the peer's."""
    limit = statistics.median(times[peer]) / factor
    return at_most(
        what, limit, times["pipeline"], "s", target=f"≤ 1/{factor} of the other",
        peers={name: spread(times[peer], "s")},
    )  # fmt: skip


def calls(system):
    proxy = Proxy()
    system.run(endpoint=proxy.endpoint)
    made = proxy.take()
    return Row(
        what="calls in that run",
        target="≤ 12, no write",
        shown=f"{len(made)}, {len(writes(made))} of them writes",
        met=len(made) <= 12 and not writes(made),
        missed_by=f"{len(made) - 12} calls: {', '.join(sorted(made))}",
    )
