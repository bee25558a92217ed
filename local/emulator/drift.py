"""Drift-aware change sets (`DeploymentMode=REVERT_DRIFT`), which the emulator takes for ordinary ones.

As the user guide describes them: what is live takes the place of what was last deployed on the side before the
change. A resource that differs becomes a change, one that was deleted is made again, and a failed execution goes back
to what was live. Only types whose drift the emulator can read take part.
"""

import copy
import json

from ministack.core.responses import now_iso
from ministack.services.cloudformation import changesets, drift, handlers
from ministack.services.cloudformation.helpers import _p

_MODE = "REVERT_DRIFT"


def revert_drift():
    """Adds the mode to `CreateChangeSet` and `ExecuteChangeSet`."""
    create, execute = changesets._create_change_set, changesets._execute_change_set
    handlers._ACTION_HANDLERS["CreateChangeSet"] = lambda params: _create(create, params)
    handlers._ACTION_HANDLERS["ExecuteChangeSet"] = lambda params: _execute(execute, params)


def _create(create, params):
    answer = create(params)
    stack = handlers._resolve_stack(_p(params, "StackName"))
    if _p(params, "DeploymentMode") != _MODE or not stack:
        return answer
    _, change_set = changesets._find_change_set(_p(params, "ChangeSetName"), stack["StackName"])
    found = _live(stack)
    if change_set and found:
        others = [change for change in change_set["Changes"] if change["ResourceChange"]["LogicalResourceId"] not in found]
        change_set["Changes"] = others + [_change(stack, name, actual) for name, actual in sorted(found.items())]
        change_set.update(Status="CREATE_COMPLETE", ExecutionStatus="AVAILABLE", StatusReason="", _reverts=True)
    return answer


def _execute(execute, params):
    _, change_set = changesets._find_change_set(_p(params, "ChangeSetName"), _p(params, "StackName"))
    stack = handlers._resolve_stack(_p(params, "StackName"))
    if change_set and stack and change_set.get("_reverts"):
        for name, actual in _live(stack).items():
            if actual is None:
                del stack["_resources"][name]
            else:
                stack["_resources"][name]["Properties"] = actual
    return execute(params)


def _live(stack):
    """The properties of each resource that differs, as they are; `None` for one that is gone."""
    found = {}
    for name, record in stack.get("_resources", {}).items():
        if not drift.supports_drift(record.get("ResourceType", "")):
            continue
        seen = drift.detect_resource_drift(stack, name, record, now_iso())
        if seen["StackResourceDriftStatus"] == "DELETED":
            found[name] = None
        elif seen["StackResourceDriftStatus"] == "MODIFIED":
            expected, actual = json.loads(seen["ExpectedProperties"]), json.loads(seen["ActualProperties"])
            properties = copy.deepcopy(record.get("Properties") or {})
            for key in expected:
                properties.pop(key, None)
            found[name] = {**properties, **actual}
    return found


def _change(stack, name, actual):
    record = stack["_resources"][name]
    change = {"Action": "Add", "LogicalResourceId": name, "ResourceType": record["ResourceType"]}
    if actual is not None:
        expected = record.get("Properties") or {}
        paths = sorted(key for key in {*expected, *actual} if expected.get(key) != actual.get(key))
        change |= {
            "Action": "Modify",
            "PhysicalResourceId": record["PhysicalResourceId"],
            "Replacement": "False",
            "Scope": ["Properties"],
            "Details": [_detail(path) for path in paths],
        }
    return {"ResourceChange": change}


def _detail(path):
    target = {"Attribute": "Properties", "Name": path, "RequiresRecreation": "Never"}
    return {"Target": target, "Evaluation": "Static", "ChangeSource": "DirectModification"}
