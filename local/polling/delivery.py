"""Gets batches to the function, and decides what becomes of records that it failed at.

- What the function reports in `batchItemFailures` is delivered again, and nothing else; a report of a record that is
  not in the batch counts for the whole batch.
- A batch on which the function itself fails is delivered again, in two halves with `BisectBatchOnFunctionError`. To
  halve it costs no attempt.
- After `MaximumRetryAttempts`, or when a record is older than `MaximumRecordAgeInSeconds`, records go to the on-failure
  destination. With one and without a limit, there are 10 retries.
- A function that can't be called, as it is throttled for instance, costs no attempt.

https://docs.aws.amazon.com/lambda/latest/dg/kafka-retry-configurations.html
"""

import json
import logging
import time
import uuid
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from . import documents

log = logging.getLogger("bridge")

# AWS does not say how long it waits between attempts.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 10
_DEFAULT_RETRIES_WITH_DESTINATION = 10


@dataclass
class Failure:
    """Why records are given up."""

    condition: str
    attempts: int
    request_id: str
    response: dict | None


class Stopped(Exception):
    """The mapping went away, or changed, before a batch was done with."""


class Delivery:
    """What one poller delivers for one mapping. `stopped` is an event that ends it."""

    def __init__(self, mapping, bootstrap, client, destination, meter, stopped):
        self._mapping, self._bootstrap = mapping, bootstrap
        self._lambda, self._destination, self._meter = client, destination, meter
        self._stopped = stopped

    def deliver(self, records):
        """Returns when nothing is left to be done for any of the records. Raises Stopped if that can't be had."""
        parts = [(records, 0)]  # with the number of attempts made
        while parts:
            records, attempts = parts.pop()
            parts += reversed(self._attempt(self._young(records, attempts), attempts))

    def _attempt(self, records, attempts):
        """What is left to be delivered after one more attempt, in order."""
        if not records:
            return []
        answer, payload = self._invoke(records)
        attempts += 1
        broken = "FunctionError" in answer
        failed = records if broken else self._reported(records, payload)
        if not failed:
            return []
        self._meter.count(FailedInvokeEventCount=len(failed))
        if broken:
            log.warning("mapping %s: the function failed: %s", self._mapping["UUID"], payload.decode(errors="replace"))
            if self._mapping.get("BisectBatchOnFunctionError") and len(failed) > 1:
                middle = len(failed) // 2
                return [(failed[:middle], attempts - 1), (failed[middle:], attempts - 1)]
        if 0 <= self._limit() < attempts:
            self._give_up(failed, Failure("RetryAttemptsExhausted", attempts, _request_id(answer), _response(answer)))
            return []
        self._pause(attempts)
        return [(failed, attempts)]

    def _limit(self):
        limit = int(self._mapping.get("MaximumRetryAttempts", -1))
        return _DEFAULT_RETRIES_WITH_DESTINATION if limit < 0 and self._destination else limit

    def _young(self, records, attempts):
        """The records without those that are too old."""
        age = int(self._mapping.get("MaximumRecordAgeInSeconds", -1))
        if age < 0:
            return records
        oldest = 1000 * (time.time() - age)
        old = [record for record in records if record.timestamp < oldest]
        if old:
            self._give_up(old, Failure("RecordAgeExceeded", attempts, str(uuid.uuid4()), None))
        return [record for record in records if record.timestamp >= oldest]

    def _invoke(self, records):
        """The function's answer, as soon as it could be called."""
        event = json.dumps(documents.event(self._mapping, self._bootstrap, records))
        tries = 0
        while True:
            self._check()
            try:
                answer = self._lambda.invoke(FunctionName=self._mapping["FunctionArn"], Payload=event)
                payload = answer["Payload"].read()
                self._meter.count(InvokedEventCount=len(records))
                return answer, payload
            except (BotoCoreError, ClientError) as error:
                log.warning("mapping %s: %s", self._mapping["UUID"], error)
            tries += 1
            self._pause(tries)

    def _reported(self, records, payload):
        """The records that the function reports as failed."""
        if "ReportBatchItemFailures" not in self._mapping.get("FunctionResponseTypes", []):
            return []
        failures = _json_object(payload).get("batchItemFailures") or []
        items = [failure.get("itemIdentifier") for failure in failures]
        if not all(isinstance(item, dict) for item in items):
            return records
        failed = {(item.get("partition"), item.get("offset")) for item in items}
        if not failed <= {(documents.place(record), record.offset) for record in records}:
            return records
        return [record for record in records if (documents.place(record), record.offset) in failed]

    def _give_up(self, records, failure):
        log.error("mapping %s: gives up %s records: %s", self._mapping["UUID"], len(records), failure)
        self._meter.count(DroppedEventCount=len(records))
        tries = 0
        while self._destination and not self._destination.take(records, failure):
            tries += 1
            self._pause(tries)
            self._check()
        if self._destination:
            self._meter.count(OnFailureDestinationDeliveredEventCount=len(records))

    def _pause(self, attempts):
        self._stopped.wait(min(_FIRST_PAUSE * 2 ** (attempts - 1), _LONGEST_PAUSE))

    def _check(self):
        if self._stopped.is_set():
            raise Stopped


def _request_id(answer):
    return answer["ResponseMetadata"].get("RequestId") or str(uuid.uuid4())


def _response(answer):
    error = {"functionError": answer["FunctionError"]} if "FunctionError" in answer else {}
    return {"statusCode": answer["StatusCode"], "executedVersion": answer.get("ExecutedVersion"), **error}


def _json_object(payload):
    try:
        value = json.loads(payload or b"null")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
