"""Makes the emulator's own registry answer for the names that ECR gives its repositories.

A repository's URI is ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME, in templates as on AWS. That host is not ours: the
images are in the registry that the emulator serves beside its API, and that is where Docker Engine has to pull from.
"""

import os
import re
from functools import wraps

from docker.models.containers import ContainerCollection
from docker.models.images import ImageCollection

_ECR = re.compile(r"^\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com/")


def pull_from_emulator():
    """Rewrites image names in the calls through which tasks and functions get their images."""
    calls = {ImageCollection: ("get", "get_registry_data", "pull"), ContainerCollection: ("create", "run")}
    for collection, names in calls.items():
        for name in names:
            setattr(collection, name, _with_local_name(getattr(collection, name)))


def _with_local_name(call):
    @wraps(call)
    def wrapped(self, *arguments, **options):
        if arguments:
            arguments = (_local_name(arguments[0]), *arguments[1:])
        elif "image" in options:
            options["image"] = _local_name(options["image"])
        return call(self, *arguments, **options)
    return wrapped


def _local_name(image):
    return _ECR.sub(f"127.0.0.1:{os.environ['GATEWAY_PORT']}/", image) if isinstance(image, str) else image
