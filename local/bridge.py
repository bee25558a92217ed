"""Invokes Lambda functions with the records of the Kafka topics that they are mapped to.

On AWS the event source mapping does this; the emulator only keeps the mapping. One thread per mapping reads its topics
with a consumer group of its own, and commits what the function has processed. A batch that fails is tried again until
it succeeds or the mapping's MaximumRetryAttempts are used up. Then its records go to the on-failure destination, if that
is a topic, as they are; on AWS they get headers that tell why. Not done: other destinations, splitting of batches, ages of
records, record filters, AT_TIMESTAMP.
"""

import base64
import json
import logging
import os
import threading
import time
from collections import defaultdict

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError

log = logging.getLogger("bridge")

_LONGEST_PAUSE = 10  # seconds between two attempts
_TOPIC = "kafka://"  # how an on-failure destination that is a topic begins


def event(mapping, bootstrap, records):
    """The event that a function gets from an MSK event source."""
    by_partition = defaultdict(list)
    for record in records:
        by_partition[_place(record)].append(_event_record(record))
    return {
        "eventSource": "aws:kafka",
        "eventSourceArn": mapping["EventSourceArn"],
        "bootstrapServers": bootstrap,
        "records": by_partition,
    }


def _place(record):
    return f"{record.topic}-{record.partition}"


def _event_record(record):
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "timestampType": "LOG_APPEND_TIME" if record.timestamp_type == 1 else "CREATE_TIME",
        **({} if record.key is None else {"key": base64.b64encode(record.key).decode()}),
        **({} if record.value is None else {"value": base64.b64encode(record.value).decode()}),
        # Bytes as signed numbers, as Java has them.
        "headers": [{name: [b - 256 if b > 127 else b for b in value or b""]} for name, value in record.headers],
    }


def unprocessed(records, answer):
    """The records to send again: per partition, from the first that the function reports as failed.

    A report that fits no record of the batch counts for the whole batch, as on AWS.
    """
    first_failed = {}
    known = {(_place(record), record.offset) for record in records}
    for failure in (answer or {}).get("batchItemFailures") or []:
        item = failure.get("itemIdentifier")
        if not isinstance(item, dict) or (item.get("partition"), item.get("offset")) not in known:
            return records
        partition, offset = item["partition"], item["offset"]
        first_failed[partition] = min(offset, first_failed.get(partition, offset))
    return [r for r in records if _place(r) in first_failed and r.offset >= first_failed[_place(r)]]


class Poller(threading.Thread):
    """Reads one mapping's topics until it is stopped."""

    def __init__(self, mapping, clients):
        super().__init__(daemon=True, name=mapping["UUID"])
        self.mapping = mapping
        self._lambda, self._kafka = clients
        self._stopped = threading.Event()

    def stop(self):
        self._stopped.set()

    def run(self):
        pause = 1
        while not self._stopped.is_set():
            try:
                self._read()
            except (BotoCoreError, ClientError, KafkaError) as error:
                log.warning("mapping %s: %s; again in %s s", self.name, error, pause)
                self._stopped.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
        log.info("mapping %s: ended", self.name)

    def _read(self):
        cluster = self._kafka.get_bootstrap_brokers(ClusterArn=self.mapping["EventSourceArn"])
        bootstrap = cluster["BootstrapBrokerString"]
        consumer = self._consumer(bootstrap)
        try:
            consumer.assign(self._partitions(consumer))
            log.info("mapping %s: %s to %s", self.name, self.mapping["Topics"], self.mapping["FunctionArn"])
            while not self._stopped.is_set():
                records = self._batch(consumer)
                if records and self._deliver(bootstrap, records):
                    consumer.commit(_after(records))
        finally:
            consumer.close()

    def _consumer(self, bootstrap):
        settings = self.mapping.get("AmazonManagedKafkaEventSourceConfig", {})
        return KafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=settings.get("ConsumerGroupId", self.mapping["UUID"]),
            enable_auto_commit=False,
            allow_auto_create_topics=False,
            auto_offset_reset="latest" if self.mapping["StartingPosition"] == "LATEST" else "earliest",
        )

    def _partitions(self, consumer):
        """Every partition, from where the group stopped. There is one reader, so nothing is to be shared out."""
        known = {topic: consumer.partitions_for_topic(topic) for topic in self.mapping["Topics"]}
        missing = [topic for topic, partitions in known.items() if not partitions]
        if missing:
            raise KafkaError(f"no topic {', '.join(missing)}")
        return [TopicPartition(topic, partition) for topic, partitions in known.items() for partition in partitions]

    def _batch(self, consumer):
        """Up to BatchSize records: what comes within the batching window after the first."""
        size = self.mapping["BatchSize"]
        records = _flat(consumer.poll(timeout_ms=1000, max_records=size))
        end = time.monotonic() + max(self.mapping.get("MaximumBatchingWindowInSeconds", 0), 0.1)
        while records and len(records) < size and (left := end - time.monotonic()) > 0 and not self._stopped.is_set():
            records += _flat(consumer.poll(timeout_ms=int(1000 * left), max_records=size - len(records)))
        return records

    def _deliver(self, bootstrap, records):
        """Whether the function has processed all records, or the attempts are used up. False if stopped before."""
        limit, attempt = self.mapping.get("MaximumRetryAttempts", -1), 0
        while not self._stopped.is_set():
            records = self._invoke(bootstrap, records)
            if not records:
                return True
            if attempt == limit:
                log.error("mapping %s: gives up %s records after %s attempts", self.name, len(records), attempt + 1)
                self._hand_on(bootstrap, records)
                return True
            self._stopped.wait(min(2**attempt, _LONGEST_PAUSE))
            attempt += 1
        return False

    def _hand_on(self, bootstrap, records):
        """Writes what was given up to the on-failure destination, if that is a topic of the same cluster."""
        destination = self.mapping.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination", "")
        if not destination.startswith(_TOPIC):
            return
        producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all")
        try:
            topic = destination.removeprefix(_TOPIC)
            sent = [producer.send(topic, r.value, r.key, list(r.headers)) for r in records]
            for one in sent:
                one.get(timeout=_LONGEST_PAUSE)
        finally:
            producer.close()

    def _invoke(self, bootstrap, records):
        """The records that are not processed yet."""
        try:
            answer = self._lambda.invoke(FunctionName=self.mapping["FunctionArn"],
                                         Payload=json.dumps(event(self.mapping, bootstrap, records)))
            payload = answer["Payload"].read()
        except (BotoCoreError, ClientError) as error:
            log.warning("mapping %s: %s", self.name, error)
            return records
        if "FunctionError" in answer:
            log.warning("mapping %s: the function failed: %s", self.name, payload.decode(errors="replace"))
            return records
        if "ReportBatchItemFailures" not in self.mapping.get("FunctionResponseTypes", []):
            return []
        return unprocessed(records, _json_object(payload))


def _json_object(payload):
    try:
        value = json.loads(payload or b"null")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _flat(polled):
    return [record for records in polled.values() for record in records]


def _after(records):
    """What to commit: per partition, the offset behind its last record."""
    return {TopicPartition(r.topic, r.partition): OffsetAndMetadata(r.offset + 1, "", -1) for r in records}


def active_mappings(client):
    """The enabled mappings with an MSK event source, by identity."""
    pages = client.get_paginator("list_event_source_mappings").paginate()
    mappings = [mapping for page in pages for mapping in page["EventSourceMappings"]]
    return {m["UUID"]: m for m in mappings
            if ":kafka:" in m.get("EventSourceArn", "") and m["State"] == "Enabled" and m.get("Topics")}


def follow(pollers, mappings, clients):
    """Starts and stops pollers until they are those of the mappings. One that is stopped may yet end its last batch."""
    for identity, poller in list(pollers.items()):
        # One that has changed is started anew.
        if mappings.get(identity) != poller.mapping:
            poller.stop()
            del pollers[identity]
    for identity, mapping in mappings.items():
        if identity not in pollers:
            pollers[identity] = Poller(mapping, clients)
            pollers[identity].start()


def main():
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    log.setLevel(logging.INFO)
    session = botocore.session.get_session()
    # A function may run for 15 minutes, and an invocation that timed out must not be repeated behind our back.
    patient = Config(read_timeout=900, retries={"total_max_attempts": 1})
    endpoint, region = os.environ["AWS_ENDPOINT_URL"], os.environ["AWS_REGION"]
    clients = [session.create_client(service, region, endpoint_url=endpoint, config=patient)
               for service in ("lambda", "kafka")]
    pollers = {}
    while True:
        try:
            follow(pollers, active_mappings(clients[0]), clients)
        except (BotoCoreError, ClientError) as error:
            log.warning("reading the event source mappings: %s", error)
        time.sleep(1)


if __name__ == "__main__":
    main()
