"""What a CloudFormation resource type is made of, and how its properties are checked."""

from collections.abc import Callable
from dataclasses import dataclass

import botocore.session
from botocore.validate import ParamValidator

_session = botocore.session.get_session()


@dataclass(frozen=True)
class ResourceType:
    """The functions behind a type, in the shape in which the emulator calls them."""

    create: Callable  # (logical_id, properties, stack_name) -> (physical_id, attributes)
    delete: Callable  # (physical_id, properties)
    update: Callable | None = None  # (physical_id, old, new, stack_name) -> (physical_id, attributes)
    create_only: tuple[str, ...] = ()  # properties whose change replaces the resource
    tags: str = ""  # how its property `Tags` is written: "list" or "map"; "" if it takes none
    blocks: bool = False  # whether the functions wait for something outside the emulator


def checked(logical_id, properties, service, operation, required=(), only=(), besides=()):
    """The properties with numbers and booleans as such (templates may quote them), or a ValueError.

    CloudFormation's properties are named and shaped as the parameters of the API call that makes the
    resource: the SDK's description of that call is what they are checked against. `only` names the
    parameters that are properties, if not all of them are; `besides` names properties that are no parameters.
    """
    parameters = _session.get_service_model(service).operation_model(operation).input_shape
    known = set(only or parameters.members)
    unknown = properties.keys() - known - set(besides)
    problems = [f"#: required key [{name}] not found" for name in required if name not in properties]
    problems += [f"#: extraneous key [{name}] is not permitted" for name in sorted(unknown)]
    described = {name: _typed(value, parameters.members[name]) for name, value in properties.items() if name in known}
    for name, value in described.items():
        problems += ParamValidator().validate(value, parameters.members[name]).generate_report().splitlines()
    if problems:
        raise ValueError(
            f"Properties validation failed for resource {logical_id} with message: [{', '.join(problems)}]")
    return {**properties, **described}


def _typed(value, shape):
    if shape.type_name == "structure" and isinstance(value, dict):
        # CloudFormation writes some names in other letters than the API: EBSStorageInfo, EbsStorageInfo.
        names = {name.lower(): name for name in shape.members}
        known = {names.get(k.lower(), k): v for k, v in value.items()}
        return {k: _typed(v, shape.members[k]) if k in shape.members else v for k, v in known.items()}
    if shape.type_name == "map" and isinstance(value, dict):
        return {k: _typed(v, shape.value) for k, v in value.items()}
    if shape.type_name == "list" and isinstance(value, list):
        return [_typed(v, shape.member) for v in value]
    return _scalar(value, shape.type_name)


def _scalar(value, wanted):
    text = str(value)
    if wanted in ("integer", "long") and text.lstrip("-").isdigit():
        return int(text)
    if wanted in ("double", "float") and text.replace(".", "", 1).lstrip("-").isdigit():
        return float(text)
    if wanted == "boolean" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if wanted == "string" and isinstance(value, (int, float)):
        return text
    return value
