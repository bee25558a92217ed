"""ECS resources: numbers that come from a parameter reach the emulator as text.

CloudFormation converts them by the property's type; what stays text can't be read by typed clients.
"""

from ministack.services.cloudformation import provisioners

_NUMBERS = {"ContainerPort", "DesiredCount", "HealthCheckGracePeriodSeconds", "HostPort", "Interval",
            "MemoryReservation", "Retries", "StartPeriod", "StartTimeout", "StopTimeout", "Timeout"}


def convert_numbers():
    """Makes services and task definitions have numbers where ECS has numbers."""
    for name in ("AWS::ECS::Service", "AWS::ECS::TaskDefinition"):
        handler = provisioners._RESOURCE_HANDLERS[name]
        handler.update({call: _with_numbers(handler[call]) for call in ("create", "update") if handler.get(call)})


def _with_numbers(call):
    return lambda *arguments: call(*(_converted(argument) for argument in arguments))


def _converted(value):
    if isinstance(value, dict):
        return {key: int(inner) if key in _NUMBERS and isinstance(inner, str) else _converted(inner)
                for key, inner in value.items()}
    return [_converted(item) for item in value] if isinstance(value, list) else value
