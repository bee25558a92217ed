"""AWS::MSK::Configuration, AWS::MSK::Cluster and AWS::MSK::Topic.

There is one Kafka broker, and every cluster leads to it: the number and size of brokers, storage, encryption and
client authentication are recorded, not carried out. Topics are really made in that broker; two clusters share a topic
of one name, which goes with the last of them. Server properties are not applied.
"""

import base64
import json
import os
from collections import defaultdict
from contextlib import contextmanager

from kafka.admin import AlterConfigOp, ConfigResource, KafkaAdminClient, NewTopic
from kafka.errors import KafkaError, TopicAlreadyExistsError, UnknownTopicOrPartitionError
from ministack.services import msk

from .resource_type import ResourceType, checked

_topics = defaultdict(set)  # name -> the ARNs under which clusters have it


def _create_configuration(logical_id, properties, _stack_name):
    properties = _checked_configuration(logical_id, properties)
    arn = _call(msk._create_configuration, {
        "name": properties["Name"],
        "serverProperties": properties["ServerProperties"],
        "description": properties.get("Description", ""),
        "kafkaVersions": properties.get("KafkaVersionsList", []),
    })["arn"]
    return arn, _configuration_attributes(arn)


def _checked_configuration(logical_id, properties):
    return checked(logical_id, properties, "kafka", "CreateConfiguration", required=("Name", "ServerProperties"),
                   only=("Description", "Name", "ServerProperties"), besides=("KafkaVersionsList", "LatestRevision"))


def _update_configuration(physical_id, _old, new, _stack_name):
    """Another revision, as on AWS: the older ones stay."""
    new = _checked_configuration(physical_id, new)
    revisions = msk._config_revisions[physical_id]
    revision = {
        "Revision": revisions[-1]["Revision"] + 1,
        "CreationTime": msk._now_iso(),
        "Description": new.get("Description", ""),
    }
    revisions.append({**revision, "ServerProperties": new["ServerProperties"]})
    msk._configurations[physical_id]["LatestRevision"] = revision
    return physical_id, _configuration_attributes(physical_id)


def _delete_configuration(physical_id, _properties):
    msk._configurations.pop(physical_id, None)
    msk._config_revisions.pop(physical_id, None)


def _configuration_attributes(arn):
    latest = msk._configurations[arn]["LatestRevision"]
    names = ("CreationTime", "Description", "Revision")
    return {"Arn": arn, **{f"LatestRevision.{name}": latest[name] for name in names}}


def _create_cluster(logical_id, properties, _stack_name):
    properties = _checked_cluster(logical_id, properties)
    arn = _call(msk._create_cluster, msk._camelize(properties))["clusterArn"]
    msk._tags[arn] = dict(properties.get("Tags", {}))
    return arn, {"Arn": arn}


def _update_cluster(physical_id, _old, new, _stack_name):
    """In place and at once, whatever it is: no broker restarts."""
    properties = _checked_cluster(physical_id, new)
    cluster = msk._clusters[physical_id]
    configuration = properties.get("ConfigurationInfo", {})
    cluster.update({name: properties[name] for name in cluster if name in properties})
    cluster["CurrentBrokerSoftwareInfo"] = {
        "KafkaVersion": properties["KafkaVersion"],
        "ConfigurationArn": configuration.get("Arn"),
        "ConfigurationRevision": configuration.get("Revision"),
    }
    msk._tags[physical_id] = dict(properties.get("Tags", {}))
    return physical_id, {"Arn": physical_id}


def _delete_cluster(physical_id, _properties):
    if physical_id in msk._clusters:
        msk._delete_cluster(physical_id)


def _checked_cluster(logical_id, properties):
    properties = checked(logical_id, properties, "kafka", "CreateCluster",
                         required=("BrokerNodeGroupInfo", "ClusterName", "KafkaVersion", "NumberOfBrokerNodes"),
                         besides=("CurrentVersion", "ZookeeperAccess"))
    subnets = properties["BrokerNodeGroupInfo"].get("ClientSubnets", [])
    if not subnets or properties["NumberOfBrokerNodes"] % len(subnets):
        raise ValueError(f"NumberOfBrokerNodes is {properties['NumberOfBrokerNodes']}, "
                         f"which is no multiple of the number of ClientSubnets, {len(subnets)}")
    configuration = properties.get("ConfigurationInfo")
    if configuration and configuration["Arn"] not in msk._configurations:
        raise ValueError(f"Configuration {configuration['Arn']} not found")
    return properties


def _create_topic(logical_id, properties, _stack_name):
    properties = _checked_topic(logical_id, properties)
    name, partitions, replicas = (properties[key] for key in ("TopicName", "PartitionCount", "ReplicationFactor"))
    with _broker(done_if=TopicAlreadyExistsError) as broker:
        broker.create_topics([NewTopic(name, partitions, replicas, topic_configs=_configs(properties))])
        _forget_offsets(broker, name)
    arn = f"{properties['ClusterArn'].replace(':cluster/', ':topic/')}/{name}"
    _topics[name].add(arn)
    return arn, {"TopicArn": arn}


def _forget_offsets(broker, topic):
    """Deletes the groups that have read a former topic of this name: unlike Kafka, the broker keeps their offsets."""
    groups = [group["group_id"] for group in broker.list_groups()]
    readers = [group for group in groups if any(place.topic == topic for place in _offsets(broker, group))]
    if readers:
        broker.delete_groups(readers)


def _offsets(broker, group):
    return broker.list_group_offsets(group).get(group, {})


def _update_topic(physical_id, old, new, _stack_name):
    """Configs only: the broker can't add partitions."""
    old, new = (_checked_topic(physical_id, properties) for properties in (old, new))
    if old["PartitionCount"] != new["PartitionCount"]:
        raise ValueError(f"the local broker can't change the number of partitions; rename the topic {new['TopicName']}")
    wanted = _configs(new)
    changes = wanted | {name: (AlterConfigOp.DELETE, None) for name in _configs(old) if name not in wanted}
    topic = ConfigResource("TOPIC", new["TopicName"], changes)
    with _broker() as broker:
        broker.alter_configs([topic], raise_on_unknown=False, incremental=True)
    return physical_id, {"TopicArn": physical_id}


def _delete_topic(physical_id, properties):
    name = properties["TopicName"]
    _topics[name].discard(physical_id)
    if _topics[name]:
        return
    with _broker(done_if=UnknownTopicOrPartitionError) as broker:
        broker.delete_topics([name])


def _checked_topic(logical_id, properties):
    properties = checked(logical_id, properties, "kafka", "CreateTopic",
                         required=("ClusterArn", "PartitionCount", "ReplicationFactor", "TopicName"))
    if properties["ClusterArn"] not in msk._clusters:
        raise ValueError(f"Cluster {properties['ClusterArn']} not found")
    return properties


def _configs(properties):
    """The property `Configs`: base64 of a JSON object, or of lines `name=value`."""
    text = base64.b64decode(properties.get("Configs", "")).decode()
    if text.lstrip().startswith("{"):
        return {name: str(value) for name, value in json.loads(text).items()}
    return dict(line.strip().split("=", 1) for line in text.splitlines() if line.strip())


@contextmanager
def _broker(done_if=()):
    """A connection to the broker, for one request; the error `done_if` means that there was nothing to do."""
    client = None
    try:
        client = KafkaAdminClient(bootstrap_servers=os.environ["MINISTACK_MSK_BOOTSTRAP"], request_timeout_ms=20_000)
        yield client
    except done_if:
        pass
    except KafkaError as error:
        raise ValueError(f"the Kafka broker at {os.environ['MINISTACK_MSK_BOOTSTRAP']}: {error}") from error
    finally:
        if client:
            client.close()


def _call(operation, request):
    """What one of the MSK service's operations answers."""
    status, _, body = operation(json.dumps(request).encode())
    answer = json.loads(body)
    if status >= 400:
        raise ValueError(answer["Message"])
    return answer


RESOURCE_TYPES = {
    "AWS::MSK::Configuration": ResourceType(
        _create_configuration, _delete_configuration, _update_configuration,
        create_only=("KafkaVersionsList", "Name")),
    "AWS::MSK::Cluster": ResourceType(
        _create_cluster, _delete_cluster, _update_cluster, tags="map", create_only=("ClusterName",)),
    "AWS::MSK::Topic": ResourceType(
        _create_topic, _delete_topic, _update_topic, blocks=True,
        create_only=("ClusterArn", "ReplicationFactor", "TopicName")),
}
