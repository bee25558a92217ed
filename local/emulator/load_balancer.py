"""Load balancers: only targets that take connections get requests.

The emulator has no health checks: a task is a target as soon as its container runs, and the one before it is stopped
then. On AWS it gets requests once it is healthy, and the one before it stays until then. So a request that a target
refuses goes to another, or waits for some seconds until one takes it.
"""

import asyncio
import random
import time

from ministack.services import alb

_PATIENCE = 10  # seconds
_PAUSE = 0.05  # seconds
_NOT_TAKEN = (b"Connection refused", b"No route to host")


def skip_targets_that_are_not_up():
    proxy = alb._proxy_http_target

    async def proxied(target, group, *request):
        deadline = time.monotonic() + _PATIENCE
        while True:
            answer = await proxy(target, group, *request)
            if not _refused(answer) or time.monotonic() > deadline:
                return answer
            await asyncio.sleep(_PAUSE)
            target = random.choice(alb._targets.get(group["TargetGroupArn"]) or [target])

    alb._proxy_http_target = proxied


def _refused(answer):
    """Whether no connection was made: what was sent over one may have been carried out."""
    return isinstance(answer, tuple) and answer[0] == 502 and any(reason in answer[2] for reason in _NOT_TAKEN)
