"""Reads the topic of one mapping."""

import logging
import threading
import time
from collections import deque

from botocore.exceptions import BotoCoreError, ClientError
from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError

from . import destination, documents
from .delivery import Delivery, Stopped
from .meter import Meter

log = logging.getLogger("bridge")

_LONGEST_PAUSE = 10  # seconds between two attempts to read
_DEFAULT_WINDOW = 0.5  # seconds
# What a function takes at once: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_LARGEST_EVENT = 6 * 1024 * 1024


class Mapping:
    """The pollers of a mapping: as many as it may have, and never more than the topic has partitions."""

    def __init__(self, mapping, clients):
        self.mapping = mapping
        self._stopped = threading.Event()
        meter = Meter(mapping, clients["cloudwatch"])
        number = int(mapping.get("ProvisionedPollerConfig", {}).get("MaximumPollers", 1))
        # Those beyond the number of partitions end at once.
        self._pollers = [Poller(mapping, clients, meter, self._stopped, index, number) for index in range(number)]

    def start(self):
        for poller in self._pollers:
            poller.start()

    def stop(self):
        """Each may yet end the attempt that is under way."""
        self._stopped.set()

    def ended(self):
        return not any(poller.is_alive() for poller in self._pollers)


class Poller(threading.Thread):
    """Reads every NUMBERth partition, from the INDEXth on, until it is stopped.

    Partitions are dealt out, not negotiated: nobody else reads for the mapping.
    """

    def __init__(self, mapping, clients, meter, stopped, index, number):
        super().__init__(daemon=True, name=f"{mapping['UUID']}/{index}")
        self._mapping, self._clients, self._meter, self._stopped = mapping, clients, meter, stopped
        self._index, self._number = index, number
        self._waiting = deque()

    def run(self):
        pause = 1
        while not self._stopped.is_set():
            try:
                self._read()
                break
            except Stopped:
                break
            except (BotoCoreError, ClientError, KafkaError, ValueError) as error:
                log.warning("poller %s: %s; again in %s s", self.name, error, pause)
                self._stopped.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
        self._meter.report(now=True)
        log.info("poller %s: ended", self.name)

    def _read(self):
        cluster = self._clients["kafka"].get_bootstrap_brokers(ClusterArn=self._mapping["EventSourceArn"])
        bootstrap = cluster["BootstrapBrokerString"]
        self._waiting.clear()
        consumer = self._consumer(bootstrap)
        target = None
        try:
            partitions = self._partitions(consumer)
            if not partitions:
                return
            self._start(consumer, partitions)
            target = destination.of(self._mapping, bootstrap, lambda: _producer(bootstrap), self._clients["sqs"])
            delivery = Delivery(self._mapping, bootstrap, self._clients["lambda"], target, self._meter, self._stopped)
            self._poll(consumer, delivery, partitions)
        finally:
            consumer.close()
            if target:
                target.close()

    def _poll(self, consumer, delivery, partitions):
        while not self._stopped.is_set():
            records = self._batch(consumer)
            if records:
                delivery.deliver(records)
                consumer.commit(_after(records))
            self._meter.lag(self._lags(consumer, partitions))
            self._meter.report()

    def _consumer(self, bootstrap):
        settings = self._mapping.get("AmazonManagedKafkaEventSourceConfig", {})
        return KafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=settings.get("ConsumerGroupId", self._mapping["UUID"]),
            enable_auto_commit=False,
            allow_auto_create_topics=False,
            auto_offset_reset="latest" if self._mapping["StartingPosition"] == "LATEST" else "earliest",
        )

    def _partitions(self, consumer):
        topic = self._mapping["Topics"][0]
        partitions = consumer.partitions_for_topic(topic)
        if not partitions:
            raise KafkaError(f"no topic {topic}")
        mine = sorted(partitions)[self._index::self._number]
        return [TopicPartition(topic, partition) for partition in mine]

    def _start(self, consumer, partitions):
        """Goes to where the group stopped, or to where the mapping says."""
        consumer.assign(partitions)
        moment = self._mapping.get("StartingPositionTimestamp")
        if self._mapping["StartingPosition"] == "AT_TIMESTAMP" and moment:
            new = {p: int(1000 * float(moment)) for p in partitions if consumer.committed(p) is None}
            for partition, found in consumer.offsets_for_times(new).items():
                if found:
                    consumer.seek(partition, found.offset)
                else:
                    consumer.seek_to_end(partition)
        log.info("poller %s: %s to %s", self.name, partitions, self._mapping["FunctionArn"])

    def _batch(self, consumer):
        """What comes within the batching window after the first record, up to the limits."""
        size = int(self._mapping["BatchSize"])
        if len(self._waiting) < size:
            self._fetch(consumer, 1, size)
        end = time.monotonic() + float(self._mapping.get("MaximumBatchingWindowInSeconds", _DEFAULT_WINDOW))
        while 0 < len(self._waiting) < size and (left := end - time.monotonic()) > 0 and not self._stopped.is_set():
            self._fetch(consumer, left, size)
        records, bytes_left = [], _LARGEST_EVENT
        while self._waiting and len(records) < size:
            bytes_left -= documents.size(self._waiting[0])
            if bytes_left < 0 and records:
                break
            records.append(self._waiting.popleft())
        return records

    def _fetch(self, consumer, seconds, size):
        fetched = consumer.poll(timeout_ms=int(1000 * seconds), max_records=size - len(self._waiting))
        for records in fetched.values():
            self._waiting.extend(records)
            self._meter.count(PolledEventCount=len(records))

    def _lags(self, consumer, partitions):
        """Per partition, how many records are behind the last that was delivered."""
        waiting = {}
        for record in self._waiting:
            partition = TopicPartition(record.topic, record.partition)
            waiting[partition] = waiting.get(partition, 0) + 1
        ends = {partition: consumer.highwater(partition) for partition in partitions}
        return {partition: max(end - consumer.position(partition), 0) + waiting.get(partition, 0)
                for partition, end in ends.items() if end is not None}


def _producer(bootstrap):
    return KafkaProducer(bootstrap_servers=bootstrap, acks="all")


def _after(records):
    """What to commit: per partition, the offset behind its last record."""
    return {TopicPartition(r.topic, r.partition): OffsetAndMetadata(r.offset + 1, "", -1) for r in records}
