"""Stands between a program and the AWS API, and takes down every call by the name of its operation."""

import socket
import threading
import urllib.parse

from tools import ENDPOINT

READS = ("Describe", "Get", "List", "BatchGet", "GET ")


class Proxy:
    def __init__(self):
        self.calls = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def take(self):
        calls, self.calls = self.calls, []
        return calls

    def accept(self):
        while True:
            client, _ = self.socket.accept()
            threading.Thread(target=self.relay, args=(client,), daemon=True).start()

    def relay(self, client):
        """One request and its answer; the connection is closed then, and the client opens another."""
        with client, client.makefile("rb") as reader:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                line = reader.readline()
                if not line:
                    return
                head += line
            lines = head.decode("latin-1").split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
            body = reader.read(int(headers.get("content-length", 0)))
            self.calls.append(operation(lines, body))
            kept = [line for line in lines[:-2] if not line.lower().startswith("connection:")]
            host = urllib.parse.urlsplit(ENDPOINT)
            with socket.create_connection((host.hostname, host.port)) as server:
                server.sendall("\r\n".join([*kept, "Connection: close", "", ""]).encode("latin-1") + body)
                while piece := server.recv(65536):
                    client.sendall(piece)


def operation(lines, body):
    """The protocols name an operation in a header, in the body, or by method and path."""
    for line in lines:
        if line.lower().startswith("x-amz-target:"):
            return line.rsplit(".", 1)[1]
    action = urllib.parse.parse_qs(body.decode("latin-1")).get("Action")
    return action[0] if action else " ".join(lines[0].split()[:2])


def writes(calls):
    return [call for call in calls if not call.startswith(READS)]
