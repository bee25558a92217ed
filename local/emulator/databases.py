"""AWS::RDS::DBInstance: a real server of Postgres behind the record.

It is the Postgres of this machine, whatever EngineVersion says, with the instance's own data, master user, password and
database. It takes encrypted connections alone, as RDS does since Postgres 15, with a certificate that the emulator signs.
Sizes, backups, standbys and deletion protection are records; security groups let everybody in.
"""

import atexit
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from glob import glob
from pathlib import Path

from ministack.services import rds
from ministack.services.cloudformation import provisioners

_TYPE = "AWS::RDS::DBInstance"
_RULES = "local all all trust\nhostssl all all 0.0.0.0/0 scram-sha-256\n"
_PATIENCE = 30  # seconds
# A server ends with the thread that started it: one that is there as long as the emulator.
_starter = ThreadPoolExecutor(max_workers=1)
_servers = {}  # the process and data of each instance, by the identity that no other has: its DbiResourceId


def serve_postgres():
    """Makes CloudFormation start and stop a server with each instance."""
    create, delete = provisioners._rds_db_instance_create, provisioners._rds_db_instance_delete

    def created(logical_id, properties, stack_name):
        name, attributes = create(logical_id, properties, stack_name)
        if properties.get("Engine") != "postgres":
            return name, attributes
        instance = rds._instances[name]
        try:
            instance["Endpoint"].update(Address=os.environ["CONTAINER_HOST"], Port=_start(instance, properties))
        except Exception:
            deleted(name, properties)
            raise
        return name, provisioners._rds_db_instance_attrs(instance)

    def deleted(name, properties):
        instance = rds._instances.get(name)
        delete(name, properties)
        if instance:
            _stop(instance["DbiResourceId"])

    atexit.register(lambda: [_stop(identity) for identity in list(_servers)])
    provisioners._rds_db_instance_create, provisioners._rds_db_instance_delete = created, deleted
    provisioners._RESOURCE_HANDLERS[_TYPE].update(create=created, delete=deleted)


def _start(instance, properties):
    """Starts the server and gives its port."""
    host, programs = os.environ["CONTAINER_HOST"], _programs()
    # Whom Postgres runs as may not reach this clone: its data are elsewhere.
    data = Path(tempfile.mkdtemp(prefix="rds-", dir="/tmp"))
    if os.geteuid() == 0:
        shutil.chown(data, "nobody", "nogroup")
    user, password = properties["MasterUsername"], properties["MasterUserPassword"]
    _run([programs / "initdb", "-D", data, "-U", user, "--auth=trust", "--encoding=UTF8", "--no-sync"])
    certificate, key = rds._pg_server_material((), (host,))
    for name, text in {"pg_hba.conf": _RULES, "server.crt": certificate, "server.key": key}.items():
        path = data / name
        path.write_text(text)
        path.chmod(0o600)
        shutil.chown(path, data.owner(), data.group())
    port = _free_port(host)
    process = _starter.submit(
        subprocess.Popen,
        [*_as_nobody(), "setpriv", "--pdeathsig", "INT", programs / "postgres", "-D", data, "-p", str(port), "-c",
         f"listen_addresses={host}", "-c", f"unix_socket_directories={data}", "-c", "ssl=on", "-c", "max_connections=40"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
    ).result()
    _servers[instance["DbiResourceId"]] = process, data
    _wait(programs, data, port, process)
    quoted = password.replace("'", "''")
    statements = [f"ALTER ROLE \"{user}\" PASSWORD '{quoted}'"]
    if properties.get("DBName"):
        statements.append(f"CREATE DATABASE \"{properties['DBName']}\"")
    for statement in statements:
        _run([programs / "psql", "-h", data, "-p", str(port), "-U", user, "-d", "postgres", "-qc", statement])
    return port


def _stop(identity):
    process, data = _servers.pop(identity, (None, None))
    if process:
        process.send_signal(signal.SIGINT)  # which waits for no client
        process.wait(_PATIENCE)
        shutil.rmtree(data)


def _wait(programs, data, port, process):
    deadline = time.monotonic() + _PATIENCE
    while subprocess.run([programs / "pg_isready", "-q", "-h", data, "-p", str(port)]).returncode:
        if process.poll() is not None or time.monotonic() > deadline:
            raise ValueError("the database's server did not start")
        time.sleep(0.05)


def _programs():
    """Where Postgres's programs are; Debian has them beside the path."""
    for directory in (*sorted(glob("/usr/lib/postgresql/*/bin"), reverse=True), *os.environ["PATH"].split(":")):
        if Path(directory, "initdb").exists():
            return Path(directory)
    raise ValueError("there is no Postgres on this machine: local/postgres installs it")


def _run(command):
    done = subprocess.run([*_as_nobody(), *command], cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise ValueError(f"{Path(command[0]).name}: {done.stderr.strip()}")


def _as_nobody():
    """Postgres does not run as root."""
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []


def _free_port(host):
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]
