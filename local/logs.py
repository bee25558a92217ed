"""Prints what tasks and functions in the local cloud have logged: .venv/bin/python local/logs.py [LOG GROUP]

Without a log group, lists those that there are.
"""

import sys

import botocore.session
from botocore.exceptions import BotoCoreError, ClientError


def main():
    session = botocore.session.get_session()
    session.set_credentials("local", "local")
    logs = session.create_client("logs", region_name="us-east-1", endpoint_url="http://127.0.0.1:4566")
    if len(sys.argv) < 2:
        for page in logs.get_paginator("describe_log_groups").paginate():
            for group in page["logGroups"]:
                print(group["logGroupName"])
        return
    for page in logs.get_paginator("filter_log_events").paginate(logGroupName=sys.argv[1]):
        for event in page["events"]:
            print(event["message"].rstrip())


if __name__ == "__main__":
    try:
        main()
    except (BotoCoreError, ClientError) as error:
        sys.exit(f"error: {error}")
