"""AWS::Lambda::EventSourceMapping for MSK: the emulator forgets the properties that only Kafka has.

Reading the topics and invoking the function is the bridge's work: see bridge.py.
"""

from ministack.services import lambda_svc
from ministack.services.cloudformation import provisioners

_KAFKA_PROPERTIES = ("AmazonManagedKafkaEventSourceConfig", "MetricsConfig", "ProvisionedPollerConfig", "Topics")
_KAFKA_BATCH_SIZE = 100  # the service's default, where the emulator has that of SQS


def keep_kafka_properties():
    """Makes the mappings that CloudFormation creates and updates show what the template says."""
    handler = provisioners._RESOURCE_HANDLERS["AWS::Lambda::EventSourceMapping"]
    create, update = handler["create"], handler["update"]

    def created(logical_id, properties, stack_name):
        if _is_kafka(properties) and not properties.get("Topics"):
            raise ValueError(f"{logical_id}: an MSK event source needs the property Topics")
        _check_destination(logical_id, properties)
        return _complete(create(logical_id, properties, stack_name), properties)

    def updated(physical_id, old, new, stack_name):
        _check_destination(physical_id, new)
        return _complete(update(physical_id, old, new, stack_name), new)

    handler.update(create=created, update=updated)


def _check_destination(logical_id, properties):
    """A topic must not be the destination of its own events."""
    destination = properties.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination", "")
    if destination in [f"kafka://{topic}" for topic in properties.get("Topics", [])]:
        raise ValueError(f"{logical_id}: {destination} is a topic that the mapping reads")


def _complete(result, properties):
    mapping = lambda_svc._esms[result[0]]
    if _is_kafka(properties):
        mapping["BatchSize"] = int(properties.get("BatchSize", _KAFKA_BATCH_SIZE))
        mapping.update({name: properties[name] for name in _KAFKA_PROPERTIES if name in properties})
    if str(properties.get("Enabled", True)).lower() == "false":
        mapping.update(Enabled=False, State="Disabled")
    return result


def _is_kafka(properties):
    return ":kafka:" in properties.get("EventSourceArn", "")
