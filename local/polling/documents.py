"""The documents that Lambda writes for an MSK event source: the function's event, and what an on-failure destination gets.

https://docs.aws.amazon.com/lambda/latest/dg/with-msk.html
https://docs.aws.amazon.com/lambda/latest/dg/kafka-on-failure.html
https://docs.aws.amazon.com/lambda/latest/dg/kafka-on-failure-destination.html
"""

import base64
from collections import defaultdict
from datetime import datetime, timezone

# What a record needs in the function's event besides its key, value and headers.
_FRAME = 250


def place(record):
    """The partition as Lambda writes it."""
    return f"{record.topic}-{record.partition}"


def event(mapping, bootstrap, records):
    """The event that the function gets."""
    by_partition = defaultdict(list)
    for record in records:
        by_partition[place(record)].append(_event_record(record))
    return {
        "eventSource": "aws:kafka",
        "eventSourceArn": mapping["EventSourceArn"],
        "bootstrapServers": bootstrap,
        "records": by_partition,
    }


def size(record):
    """About how many bytes a record takes in the function's event."""
    content = len(record.key or b"") + len(record.value or b"")
    headers = sum(len(name) + 5 * len(value or b"") for name, value in record.headers)
    return _FRAME + 4 * content // 3 + headers


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


def failed_record(mapping, bootstrap, record, failure):
    """What a Kafka topic gets: one record with what became of it."""
    payload = event(mapping, bootstrap, [record])
    information = {"recordInfo": {"offset": str(record.offset), "timestamp": _time(record.timestamp)}}
    condition = "RetriesExhausted" if failure.condition == "RetryAttemptsExhausted" else failure.condition
    return {**_failure(mapping, bootstrap, [record], condition, failure, information), "payload": payload}


def failed_batch(mapping, bootstrap, records, failure):
    """What a queue gets: where the records are, without the records."""
    by_partition = defaultdict(list)
    for record in records:
        by_partition[place(record)].append(record)
    information = {"recordsInfo": {
        name: {
            "firstRecordOffset": str(of_one[0].offset),
            "lastRecordOffset": str(of_one[-1].offset),
            "firstRecordTimestamp": _time(of_one[0].timestamp),
            "lastRecordTimestamp": _time(of_one[-1].timestamp),
        } for name, of_one in by_partition.items()}}
    return _failure(mapping, bootstrap, records, failure.condition, failure, information)


def _failure(mapping, bootstrap, records, condition, failure, information):
    return {
        "requestContext": {
            "requestId": failure.request_id,
            "functionArn": mapping["FunctionArn"],
            "condition": condition,
            "approximateInvokeCount": failure.attempts,
        },
        "responseContext": failure.response,
        "version": "1.0",
        "timestamp": _time(1000 * datetime.now(timezone.utc).timestamp()),
        "KafkaBatchInfo": {
            "batchSize": len(records),
            "eventSourceArn": mapping["EventSourceArn"],
            "bootstrapServers": bootstrap,
            "payloadSize": sum(size(record) for record in records),
            **information,
        },
    }


def _time(milliseconds):
    moment = datetime.fromtimestamp(milliseconds / 1000, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
