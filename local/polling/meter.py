"""The metrics of a mapping: how many records are waiting, and what became of the others.

https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html#event-source-mapping-metrics
"""

import logging
import threading
import time
from collections import Counter

from botocore.exceptions import BotoCoreError, ClientError

log = logging.getLogger("bridge")

_INTERVAL = 5  # seconds between two reports


class Meter:
    """Counts for all pollers of a mapping, and tells CloudWatch now and then."""

    def __init__(self, mapping, client):
        self._mapping, self._client = mapping, client
        self._lock = threading.Lock()
        self._counts, self._lags = Counter(), {}
        self._next = time.monotonic() + _INTERVAL

    def count(self, **counts):
        with self._lock:
            self._counts.update(counts)

    def lag(self, lags):
        """Takes how many records each partition has that were not delivered yet."""
        with self._lock:
            self._lags.update(lags)

    def report(self, now=False):
        """Sends what there is, if it is time."""
        with self._lock:
            if not now and time.monotonic() < self._next:
                return
            self._next = time.monotonic() + _INTERVAL
            counts, self._counts = self._counts, Counter()
            lags = dict(self._lags)
        try:
            self._send("AWS/Lambda", self._of_mapping(counts, lags))
            if lags:
                self._send("AWS/Kafka", [self._of_cluster(lags)])
        except (BotoCoreError, ClientError) as error:
            log.warning("mapping %s: metrics: %s", self._mapping["UUID"], error)

    def _send(self, namespace, data):
        if data:
            self._client.put_metric_data(Namespace=namespace, MetricData=data)

    def _of_mapping(self, counts, lags):
        mapping = [{"Name": "EventSourceMappingUUID", "Value": self._mapping["UUID"]}]
        function = [{"Name": "FunctionName", "Value": self._mapping["FunctionArn"].split(":")[6]}]
        lag = [_datum("OffsetLag", sum(lags.values()), function)] if lags else []
        wanted = "EventCount" in self._mapping.get("MetricsConfig", {}).get("Metrics", [])
        return lag + ([_datum(name, value, mapping) for name, value in counts.items()] if wanted else [])

    def _of_cluster(self, lags):
        """Which Kafka itself would report."""
        group = self._mapping.get("AmazonManagedKafkaEventSourceConfig", {}).get("ConsumerGroupId")
        names = {
            "Cluster Name": self._mapping["EventSourceArn"].split("/")[1],
            "Consumer Group": group or self._mapping["UUID"],
            "Topic": self._mapping["Topics"][0],
        }
        dimensions = [{"Name": name, "Value": value} for name, value in names.items()]
        return _datum("SumOffsetLag", sum(lags.values()), dimensions)


def _datum(name, value, dimensions):
    return {"MetricName": name, "Value": value, "Unit": "Count", "Dimensions": dimensions}
