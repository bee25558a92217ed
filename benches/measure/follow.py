"""From the end of an operation to the pipeline knowing it, at the pace of AWS."""

import json
import statistics

import cloud
from proxy import Proxy
from table import Row, spread
from tools import ENDPOINT, PROBE, run

PROJECT = "bench-follow"


def measure(_):
    cloud.remove(PROJECT)
    for stacks in (1, 4):
        proxy = Proxy()
        probed = json.loads(run(PROBE, "follow", proxy.endpoint, ENDPOINT, PROJECT, stacks).output)
        looks = [call for call in proxy.take() if call in ("DescribeStackEvents", "DescribeStacks")]
        late = [milliseconds / 1000 for milliseconds in probed["late"]]
        # One to know where the history stands before it, one to know the outcome after it; and the first look of a round,
        # before which no time has passed.
        rate = (len(looks) - 2 * len(late) - len(late) / stacks) / (probed["in_flight"] / 1000)
        mean = statistics.mean(late)
        yield Row(
            what=f"from the end of an operation to the pipeline knowing it, {stacks} in flight, looking as often as in AWS",
            target="mean ≤ 0.6 s, ≤ 1 read/s",
            shown=f"mean {mean:.2f} s; {spread(late, 's')}; {rate:.2f} reads/s and 2 for each operation",
            met=mean <= 0.605 and rate <= 1.005,
            missed_by=" and ".join(
                f"{over:.2f} {unit}" for over, unit in ((mean - 0.6, "s"), (rate - 1, "reads/s")) if over > 0.005
            ),
        )
        cloud.remove(PROJECT)
