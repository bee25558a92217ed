"""AWS::Lambda::EventSourceMapping for MSK: what the emulator forgets or does not check of the properties for Kafka.

Reading the topics and invoking the function is the bridge's work: see bridge.py.
"""

from ministack.services import lambda_svc
from ministack.services.cloudformation import provisioners

_KAFKA_PROPERTIES = ("AmazonManagedKafkaEventSourceConfig", "MetricsConfig", "ProvisionedPollerConfig",
                     "StartingPositionTimestamp", "Topics")
_KAFKA_BATCH_SIZE = 100  # the service's default, where the emulator has that of SQS
# What Lambda takes with provisioned pollers only.
_PROVISIONED = ("BisectBatchOnFunctionError", "FunctionResponseTypes", "MaximumRecordAgeInSeconds",
                "MaximumRetryAttempts")
_TOPIC = "kafka://"


def keep_kafka_properties():
    """Makes the mappings that CloudFormation creates and updates show what the template says."""
    handler = provisioners._RESOURCE_HANDLERS["AWS::Lambda::EventSourceMapping"]
    create, update = handler["create"], handler["update"]

    def created(logical_id, properties, stack_name):
        _check(logical_id, properties)
        return _complete(create(logical_id, properties, stack_name), properties)

    def updated(physical_id, old, new, stack_name):
        _check(physical_id, new)
        return _complete(update(physical_id, old, new, stack_name), new)

    handler.update(create=created, update=updated)


def _check(name, properties):
    if not _is_kafka(properties):
        return
    if not properties.get("Topics"):
        raise ValueError(f"{name}: an MSK event source needs the property Topics")
    destination = properties.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination", "")
    if destination.removeprefix(_TOPIC) in properties["Topics"]:
        raise ValueError(f"{name}: {destination} is a topic that the mapping reads")
    provisioned = [prop for prop in _PROVISIONED if properties.get(prop)]
    if destination.startswith(_TOPIC):
        provisioned.append("DestinationConfig")
    if provisioned and "ProvisionedPollerConfig" not in properties:
        raise ValueError(f"{name}: {', '.join(provisioned)} need ProvisionedPollerConfig")


def _complete(result, properties):
    mapping = lambda_svc._esms[result[0]]
    if _is_kafka(properties):
        mapping["BatchSize"] = int(properties.get("BatchSize", _KAFKA_BATCH_SIZE))
        mapping.update({name: properties[name] for name in _KAFKA_PROPERTIES if name in properties})
        # Half a second is the default, which can't be written in seconds.
        if "MaximumBatchingWindowInSeconds" not in properties:
            mapping.pop("MaximumBatchingWindowInSeconds", None)
    if str(properties.get("Enabled", True)).lower() == "false":
        mapping.update(Enabled=False, State="Disabled")
    return result


def _is_kafka(properties):
    return ":kafka:" in properties.get("EventSourceArn", "")
