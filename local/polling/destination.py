"""Where records go that are given up: a topic of the same cluster, or a queue."""

import json
import logging

from botocore.exceptions import BotoCoreError, ClientError
from kafka.errors import KafkaError

from . import documents

log = logging.getLogger("bridge")

_TOPIC = "kafka://"
# How long the broker may take for a record.
_PATIENCE = 30


def of(mapping, bootstrap, producer, sqs):
    """A mapping's destination; None if it has none. `producer` makes one that writes to the cluster."""
    target = mapping.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
    if not target:
        return None
    if target.startswith(_TOPIC):
        return Topic(mapping, bootstrap, producer(), target.removeprefix(_TOPIC))
    if ":sqs:" in target:
        return Queue(mapping, bootstrap, sqs, target)
    raise ValueError(f"mapping {mapping['UUID']}: the destination {target} is neither kafka://TOPIC nor a queue")


class Topic:
    """Gets each record, under its own key."""

    def __init__(self, mapping, bootstrap, producer, name):
        self._mapping, self._bootstrap, self._producer, self._name = mapping, bootstrap, producer, name

    def take(self, records, failure):
        """Whether it has them. If not, some may be there twice later."""
        try:
            sent = [self._producer.send(self._name, key=record.key, value=self._document(record, failure))
                    for record in records]
            for acknowledgement in sent:
                acknowledgement.get(_PATIENCE)
        except KafkaError as error:
            log.warning("mapping %s: destination %s%s: %s", self._mapping["UUID"], _TOPIC, self._name, error)
            return False
        return True

    def _document(self, record, failure):
        return json.dumps(documents.failed_record(self._mapping, self._bootstrap, record, failure)).encode()

    def close(self):
        self._producer.close()


class Queue:
    """Is told which records failed."""

    def __init__(self, mapping, bootstrap, client, arn):
        self._mapping, self._bootstrap, self._client = mapping, bootstrap, client
        self._name = arn.rsplit(":", 1)[1]

    def take(self, records, failure):
        """Whether it knows."""
        document = documents.failed_batch(self._mapping, self._bootstrap, records, failure)
        try:
            url = self._client.get_queue_url(QueueName=self._name)["QueueUrl"]
            self._client.send_message(QueueUrl=url, MessageBody=json.dumps(document))
        except (BotoCoreError, ClientError) as error:
            log.warning("mapping %s: destination %s: %s", self._mapping["UUID"], self._name, error)
            return False
        return True

    def close(self):
        pass
