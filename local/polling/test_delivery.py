"""What becomes of records at which the function fails."""

import io
import json
import logging
import threading
import time
import unittest
from collections import namedtuple

from . import documents
from .delivery import Delivery, Failure

Record = namedtuple("Record", "topic partition offset timestamp timestamp_type key value headers")

_NOW = int(1000 * time.time())
_MAPPING = {
    "UUID": "mapping",
    "EventSourceArn": "arn:aws:kafka:us-east-1:000000000000:cluster/events/1",
    "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:processor:live",
    "FunctionResponseTypes": ["ReportBatchItemFailures"],
}


def record(offset, partition=0, timestamp=_NOW):
    return Record("events", partition, offset, timestamp, 0, b"key", b"value", [("header", b"\x00\xff")])


def failures(*offsets):
    return {"batchItemFailures": [{"itemIdentifier": {"partition": "events-0", "offset": o}} for o in offsets]}


class Function:
    """Stands in for the Lambda client. `answer` gets a batch's offsets; what it raises is the function's error."""

    def __init__(self, answer):
        self._answer, self.batches = answer, []

    def invoke(self, FunctionName, Payload):
        records = json.loads(Payload)["records"].values()
        self.batches.append([record["offset"] for of_one in records for record in of_one])
        answer = {"StatusCode": 200, "ExecutedVersion": "1", "ResponseMetadata": {"RequestId": "request"}}
        try:
            payload = self._answer(self.batches[-1])
        except ValueError as error:
            payload, answer["FunctionError"] = {"errorMessage": str(error)}, "Unhandled"
        return {**answer, "Payload": io.BytesIO(json.dumps(payload).encode())}


class Destination:
    def __init__(self):
        self.taken = []

    def take(self, records, failure):
        self.taken.append(([record.offset for record in records], failure.condition, failure.attempts))
        return True


class Meter:
    def count(self, **_counts):
        pass


def deliver(answer, records, **settings):
    """The batches that the function got, and what the destination got."""
    function, destination = Function(answer), Destination()
    stopped = threading.Event()
    Delivery({**_MAPPING, **settings}, "broker:9092", function, destination, Meter(), stopped).deliver(records)
    return function.batches, destination.taken


def fails_with(offset):
    def answer(batch):
        if offset in batch:
            raise ValueError("on purpose")
    return answer


class DeliveryTest(unittest.TestCase):
    def setUp(self):
        logging.disable()
        self.addCleanup(logging.disable, logging.NOTSET)

    def test_only_what_failed_comes_again(self):
        batches, taken = deliver(lambda batch: failures(*[offset for offset in batch if offset in (1, 3)]),
                                 [record(offset) for offset in range(5)], MaximumRetryAttempts=2)
        self.assertEqual(batches, [[0, 1, 2, 3, 4], [1, 3], [1, 3]])
        self.assertEqual(taken, [([1, 3], "RetryAttemptsExhausted", 3)])

    def test_a_report_of_an_unknown_record_counts_for_the_batch(self):
        answers = iter([failures(7), {}])
        batches, taken = deliver(lambda _batch: next(answers), [record(0), record(1)])
        self.assertEqual((batches, taken), ([[0, 1], [0, 1]], []))

    def test_null_and_an_empty_report_are_success(self):
        for answer in (None, {}, {"batchItemFailures": []}, {"batchItemFailures": None}):
            self.assertEqual(deliver(lambda _batch: answer, [record(0)]), ([[0]], []))

    def test_without_partial_responses_a_report_is_not_looked_at(self):
        self.assertEqual(deliver(lambda _batch: failures(0), [record(0)], FunctionResponseTypes=[]), ([[0]], []))

    def test_halving_finds_the_record_and_costs_no_attempt(self):
        batches, taken = deliver(fails_with(2), [record(offset) for offset in range(4)],
                                 BisectBatchOnFunctionError=True, MaximumRetryAttempts=1)
        self.assertEqual(batches, [[0, 1, 2, 3], [0, 1], [2, 3], [2], [2], [3]])
        self.assertEqual(taken, [([2], "RetryAttemptsExhausted", 2)])

    def test_without_halving_the_whole_batch_is_given_up(self):
        batches, taken = deliver(fails_with(1), [record(0), record(1)], MaximumRetryAttempts=0)
        self.assertEqual((batches, taken), ([[0, 1]], [([0, 1], "RetryAttemptsExhausted", 1)]))

    def test_a_record_that_is_too_old_is_not_delivered(self):
        batches, taken = deliver(lambda _batch: {}, [record(0, timestamp=_NOW - 120_000), record(1)],
                                 MaximumRecordAgeInSeconds=60)
        self.assertEqual((batches, taken), ([[1]], [([0], "RecordAgeExceeded", 0)]))

    def test_a_topic_gets_the_record_and_a_queue_its_place(self):
        failure = Failure("RetryAttemptsExhausted", 3, "request", {"statusCode": 200})
        of_topic = documents.failed_record(_MAPPING, "broker:9092", record(3), failure)
        self.assertEqual(of_topic["requestContext"]["condition"], "RetriesExhausted")
        self.assertEqual(of_topic["KafkaBatchInfo"]["recordInfo"]["offset"], "3")
        [sent] = of_topic["payload"]["records"]["events-0"]
        self.assertEqual((sent["key"], sent["headers"]), ("a2V5", [{"header": [0, -1]}]))
        of_queue = documents.failed_batch(_MAPPING, "broker:9092", [record(3), record(5), record(1, 1)], failure)
        self.assertEqual(of_queue["requestContext"]["condition"], "RetryAttemptsExhausted")
        places = of_queue["KafkaBatchInfo"]["recordsInfo"]
        self.assertEqual((places["events-0"]["firstRecordOffset"], places["events-0"]["lastRecordOffset"]), ("3", "5"))
        self.assertEqual(places["events-1"]["lastRecordOffset"], "1")
        self.assertNotIn("payload", of_queue)
