"""AWS::ApplicationAutoScaling::ScalableTarget and ScalingPolicy, for ECS services.

The emulator has no Application Auto Scaling. A target brings its service between its minimum and maximum once, when it
is made or changed; policies are checked and take no effect, since nothing measures load. There is no API to list them.
"""

from ministack.core.responses import get_account_id, get_region, new_uuid
from ministack.services import ecs

from .resource_type import ResourceType, checked

_targets = set()


def _create_target(logical_id, properties, _stack_name):
    properties = _checked_target(logical_id, properties)
    target_id = _target_id(properties)
    _keep_in_range(properties)
    _targets.add(target_id)
    return target_id, {"Id": target_id}


def _target_id(properties):
    parts = (properties.get(name, "") for name in ("ResourceId", "ScalableDimension", "ServiceNamespace"))
    return properties.get("ScalingTargetId") or "|".join(parts)


def _update_target(physical_id, _old, new, _stack_name):
    _keep_in_range(_checked_target(physical_id, new))
    return physical_id, {"Id": physical_id}


def _delete_target(physical_id, _properties):
    _targets.discard(physical_id)


def _checked_target(logical_id, properties):
    properties = checked(logical_id, properties, "application-autoscaling", "RegisterScalableTarget",
                         required=("MaxCapacity", "MinCapacity", "ResourceId", "ScalableDimension", "ServiceNamespace"),
                         besides=("ScheduledActions",))
    if properties["MinCapacity"] > properties["MaxCapacity"]:
        raise ValueError("Maximum capacity cannot be less than minimum capacity")
    _service(properties["ResourceId"])
    return properties


def _service(resource_id):
    """The ECS service behind `service/CLUSTER/NAME`."""
    service = ecs._services.get(resource_id.removeprefix("service/"))
    if not service or service["status"] != "ACTIVE":
        raise ValueError(f"ECS service doesn't exist: {resource_id}")
    return service


def _keep_in_range(properties):
    service = _service(properties["ResourceId"])
    wanted = min(max(service["desiredCount"], properties["MinCapacity"]), properties["MaxCapacity"])
    if wanted == service["desiredCount"]:
        return
    status, _, body = ecs._update_service(
        {"cluster": service["clusterArn"], "service": service["serviceName"], "desiredCount": wanted})
    if status >= 400:
        raise ValueError(f"scaling {properties['ResourceId']} to {wanted} tasks: {body!r}")


def _create_policy(logical_id, properties, _stack_name):
    properties = _checked_policy(logical_id, properties)
    name, service = properties["PolicyName"], _target_id(properties).split("|")[0]
    arn = (f"arn:aws:autoscaling:{get_region()}:{get_account_id()}:scalingPolicy:{new_uuid()}"
           f":resource/ecs/{service}:policyName/{name}")
    return arn, {"Arn": arn, "PolicyName": name}


def _update_policy(physical_id, _old, new, _stack_name):
    properties = _checked_policy(physical_id, new)
    return physical_id, {"Arn": physical_id, "PolicyName": properties["PolicyName"]}


def _delete_policy(_physical_id, _properties):
    """There is nothing to undo."""


def _checked_policy(logical_id, properties):
    properties = checked(logical_id, properties, "application-autoscaling", "PutScalingPolicy",
                         required=("PolicyName", "PolicyType"), besides=("ScalingTargetId",))
    if _target_id(properties) not in _targets:
        raise ValueError(f"No scalable target registered: {_target_id(properties)}")
    configuration = {
        "PredictiveScaling": "PredictiveScalingPolicyConfiguration",
        "StepScaling": "StepScalingPolicyConfiguration",
        "TargetTrackingScaling": "TargetTrackingScalingPolicyConfiguration",
    }.get(properties["PolicyType"])
    if configuration not in properties:
        raise ValueError(f"a policy of the type {properties['PolicyType']} needs {configuration or 'another type'}")
    return properties


RESOURCE_TYPES = {
    "AWS::ApplicationAutoScaling::ScalableTarget": ResourceType(
        _create_target, _delete_target, _update_target,
        create_only=("ResourceId", "ScalableDimension", "ServiceNamespace")),
    "AWS::ApplicationAutoScaling::ScalingPolicy": ResourceType(
        _create_policy, _delete_policy, _update_policy,
        create_only=("PolicyName", "ResourceId", "ScalableDimension", "ScalingTargetId", "ServiceNamespace")),
}
