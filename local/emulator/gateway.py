"""Makes the API answer containers: functions and tasks call AWS under this machine's address on Docker's own bridge.

Nobody but they and this machine reaches that address.
"""

import os

from hypercorn import asyncio as server


def answer_containers():
    """Listens there, too. Call it before the server starts."""
    serve = server.serve

    def serving(app, config, **options):
        config.bind.append(f"{os.environ['CONTAINER_HOST']}:{os.environ['GATEWAY_PORT']}")
        return serve(app, config, **options)

    server.serve = serving
