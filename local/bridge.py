"""Invokes Lambda functions with the records of the Kafka topics that they are mapped to.

On AWS the event source mapping does this; the emulator only keeps the mapping. What is done with records is in polling/.
Not done: record filters, schema registries, scaling of pollers (there are always MaximumPollers).
"""

import logging
import os
import time

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from polling.poller import Mapping

log = logging.getLogger("bridge")

_SERVICES = ("cloudwatch", "kafka", "lambda", "sqs")


def active_mappings(client):
    """The enabled mappings with an MSK event source, by identity."""
    pages = client.get_paginator("list_event_source_mappings").paginate()
    mappings = [mapping for page in pages for mapping in page["EventSourceMappings"]]
    return {m["UUID"]: m for m in mappings
            if ":kafka:" in m.get("EventSourceArn", "") and m["State"] == "Enabled" and m.get("Topics")}


def follow(running, mappings, clients):
    """Starts and stops pollers until they are those of the mappings."""
    for identity, old in list(running.items()):
        # One that has changed is started anew, once it has ended: two at once would read the same records.
        if mappings.get(identity) != old.mapping:
            old.stop()
            if old.ended():
                del running[identity]
    for identity, mapping in mappings.items():
        if identity not in running:
            running[identity] = Mapping(mapping, clients)
            running[identity].start()


def main():
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    log.setLevel(logging.INFO)
    session = botocore.session.get_session()
    # A function may run for 15 minutes, and an invocation that timed out must not be repeated behind our back.
    patient = Config(read_timeout=900, retries={"total_max_attempts": 1}, max_pool_connections=100)
    endpoint, region = os.environ["AWS_ENDPOINT_URL"], os.environ["AWS_REGION"]
    clients = {service: session.create_client(service, region, endpoint_url=endpoint, config=patient)
               for service in _SERVICES}
    running = {}
    while True:
        try:
            follow(running, active_mappings(clients["lambda"]), clients)
        except (BotoCoreError, ClientError) as error:
            log.warning("reading the event source mappings: %s", error)
        time.sleep(1)


if __name__ == "__main__":
    main()
