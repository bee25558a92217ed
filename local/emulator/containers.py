"""ECS containers: secrets and restrictions that a template declares, which the emulator forgets.

- Secrets become variables, as on AWS.
- Volumes of a task's own, as Fargate gives them: empty but for what the image has there, with its owner and rights. Each
  container has its own; on AWS those of a task share them.
- A task knows its region, as on Fargate, and has credentials, which may be any here.
- The user, a read-only root file system and dropped capabilities are carried out by Docker.
- Docker runs the health check, and `docker ps` shows what comes of it. Nothing else follows from it: no task waits for
  it or is replaced.
"""

from ministack.core.responses import get_region
from ministack.services import ecs
from ministack.services.cloudformation import provisioners

_SECOND = 1_000_000_000  # in nanoseconds, Docker's unit


def keep_declarations():
    """Makes task definitions that CloudFormation registers name these properties as ECS does."""
    normalize = provisioners._normalize_container_defs

    def normalized(definitions):
        nested = ("healthCheck", "linuxParameters", "secrets")
        return [{**definition, **{key: _camel(definition[key]) for key in nested if key in definition}}
                for definition in normalize(definitions)]

    provisioners._normalize_container_defs = normalized


def _camel(value):
    if isinstance(value, dict):
        return {key[0].lower() + key[1:]: _camel(inner) for key, inner in value.items()}
    return [_camel(item) for item in value] if isinstance(value, list) else value


def restrict():
    """Makes containers be what their definition says."""
    build = ecs._build_run_kwargs

    def built(definition, task_definition, variables, *arguments):
        variables.update({name: value for name, value in _fargate().items() if name not in variables})
        options = {**build(definition, task_definition, variables, *arguments), **_options(definition)}
        volumes = [*options.get("volumes", []), *_own_volumes(definition, task_definition)]
        return {**options, "volumes": volumes} if volumes else options

    ecs._build_run_kwargs = built


def _fargate():
    """What a task knows of where it is. Its credentials are any: the SDKs take none from an address like the emulator's."""
    return {"AWS_REGION": get_region(), "AWS_DEFAULT_REGION": get_region(), "AWS_ACCESS_KEY_ID": "task",
            "AWS_SECRET_ACCESS_KEY": "task"}


def _own_volumes(definition, task_definition):
    """Where volumes without a source are mounted: Docker makes one that is gone with the container."""
    named = {(v.get("name") or v.get("Name")): v for v in task_definition.get("volumes", [])}
    paths = {point.get("sourceVolume"): point.get("containerPath") for point in definition.get("mountPoints", [])}
    return [path for name, path in paths.items() if named.get(name, {}).keys() <= {"name", "Name"}]


def _options(definition):
    """For Docker."""
    options = {}
    if definition.get("user"):
        options["user"] = definition["user"]
    if str(definition.get("readonlyRootFilesystem", "")).lower() == "true":
        options["read_only"] = True
    dropped = definition.get("linuxParameters", {}).get("capabilities", {}).get("drop")
    if dropped:
        options["cap_drop"] = dropped
    if "healthCheck" in definition:
        options["healthcheck"] = _health_check(definition["healthCheck"])
    return options


def _health_check(check):
    """With ECS's own defaults."""
    return {
        "test": check["command"],
        "interval": check.get("interval", 30) * _SECOND,
        "timeout": check.get("timeout", 5) * _SECOND,
        "retries": check.get("retries", 3),
        "start_period": check.get("startPeriod", 0) * _SECOND,
    }
