"""Shows the records in a topic of failed ones, or writes them to a topic again: local/failed.py TOPIC [--replay TOPIC]

They are as Lambda writes them to an on-failure destination. What is written again stays where it was, too.
"""

import argparse
import base64
import json
import os

from kafka import KafkaConsumer, KafkaProducer


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("topic")
    parser.add_argument("--replay", metavar="TOPIC", help="write them to this topic")
    parser.add_argument("--brokers", default=os.environ.get("KAFKA_BROKERS", "172.17.0.1:9092"))
    options = parser.parse_args()
    producer = KafkaProducer(bootstrap_servers=options.brokers, acks="all") if options.replay else None
    consumer = KafkaConsumer(options.topic, bootstrap_servers=options.brokers, auto_offset_reset="earliest",
                             consumer_timeout_ms=3000)
    for failed in consumer:
        document = json.loads(failed.value)
        for partition, records in document["payload"]["records"].items():
            for record in records:
                key, value = decoded(record.get("key")), decoded(record.get("value"))
                print(partition, record["offset"], document["requestContext"]["condition"],
                      (value or b"").decode(errors="replace"))
                if producer:
                    producer.send(options.replay, value, key, headers(record)).get(30)


def decoded(text):
    return None if text is None else base64.b64decode(text)


def headers(record):
    return [(name, bytes(byte % 256 for byte in value))
            for header in record["headers"] for name, value in header.items()]


if __name__ == "__main__":
    main()
