"""ECS tasks: they are started once per client token, and stopped as gracefully as on AWS.

- RunTask with a client token that was used in the last 24 hours answers with the task that it started then; with other
  parameters it is refused.
- StopTask tells a task's containers to end, and they have their stop timeout for that. Only then has the task stopped,
  with their exit codes. Until then DescribeTasks does not show that it was told to.
"""

import json
import threading
import time

import requests
from ministack.core.responses import error_response_json, get_account_id, get_region, json_response, request_scope
from ministack.services import ecs

_DAY = 24 * 3600  # in seconds
_TIMEOUT = 30  # in seconds; what ECS gives where the definition says nothing
_started = {}  # by account, region and token: when, with which parameters, and the answer


def start_once():
    """Makes RunTask know client tokens."""
    run, lock = ecs._run_task, threading.Lock()

    def ran(data):
        token = data.get("clientToken")
        if not token:
            return run(data)
        key, parameters = (get_account_id(), get_region(), token), json.dumps(data, sort_keys=True)
        with lock:
            then, same, tasks = _started.get(key, (0, parameters, None))
            if tasks and time.time() - then < _DAY:
                if same != parameters:
                    return error_response_json("ConflictException", "The client token was used with other parameters", 400)
                return json_response({"tasks": [ecs._sanitize(ecs._tasks[arn]) for arn in tasks], "failures": []})
            answer = run(data)
            tasks = [task["taskArn"] for task in json.loads(answer[2]).get("tasks", [])] if answer[0] == 200 else []
            if tasks:
                _started[key] = (time.time(), parameters, tasks)
            return answer

    ecs._run_task = ecs._ACTION_MAP["RunTask"] = ran


def stop_gracefully():
    """Makes StopTask wait for the containers behind its answer."""
    stop, mark = ecs._stop_task, ecs._mark_task_stopped

    def stopped(data):
        cluster = ecs._resolve_cluster_name(data.get("cluster", "default"))
        task = ecs._resolve_task(data.get("task", ""), cluster) if cluster else None
        # A service's are replaced at once, as before.
        if not task or task["lastStatus"] != "RUNNING" or task["group"].startswith("service:"):
            return stop(data)
        if "_stop_reason" not in task:
            task["_stop_reason"] = data.get("reason", "Task stopped by user")
            for container in list(task.get("_docker_ids") or []):
                ecs._get_docker().containers.get(container).kill("SIGTERM")
            threading.Thread(target=_end, args=(task, get_account_id(), get_region()), daemon=True).start()
        return json_response({"task": {**ecs._sanitize(task), "desiredStatus": "STOPPED"}})

    def marked(task_arn, task, reason, stop_code, exit_code=None):
        if "_stop_reason" in task:
            reason, stop_code = task["_stop_reason"], "UserInitiated"
        return mark(task_arn, task, reason, stop_code, exit_code)

    ecs._stop_task = ecs._ACTION_MAP["StopTask"] = stopped
    ecs._mark_task_stopped = marked


def _end(task, account, region):
    """Ends the containers that have not ended in time; who watches them takes down that they have."""
    with request_scope(account, region):
        definition = ecs._task_defs.get(ecs._resolve_td_key(task["taskDefinitionArn"])) or {}
        definitions = definition.get("containerDefinitions", [])
        for identity, of in zip(list(task.get("_docker_ids") or []), definitions):
            container = ecs._get_docker().containers.get(identity)
            try:
                container.wait(timeout=int(of.get("stopTimeout") or _TIMEOUT))
            except requests.exceptions.RequestException:
                container.kill()
