"""AWS::ECS::Service: CloudFormation waits until the service is steady, as on AWS.

- The first deployment of a service that CloudFormation makes is under way until its tasks have stayed up, and a circuit
  breaker counts its failed tasks. (CreateService alone still calls it complete at once.)
- Creation and update of the resource last until the deployment that they start is complete. One that the circuit
  breaker gives up fails the resource, with CloudFormation's own words. An update that starts no deployment ends at once.
- CancelUpdateStack, and DeleteStack during a creation, end the wait. The rollback of an update sends the service back
  and waits for that.
- Events name the resource's physical ID while the resource is under way.

A service whose creation failed is deleted at once; CloudFormation leaves that to the rollback, and has events for it.
"""

import asyncio
import time
from contextlib import contextmanager
from contextvars import ContextVar

from ministack.services import ecs
from ministack.services.cloudformation import _stacks, handlers, provisioners, stacks

_TYPE = "AWS::ECS::Service"
_TIMEOUT = 3 * 3600  # CloudFormation's, in seconds
_waiting = set()  # the IDs of stacks that wait for a service
_by_cloudformation = ContextVar("by_cloudformation", default=False)


def wait_until_steady():
    """Makes CloudFormation wait for services, and cancellations end that."""
    _begin_deployments_in_progress()
    _wait_in_handlers()
    _name_resources_in_events()
    _cancel_by_delete()
    sends_back = stacks._sends_back_failed_update
    stacks._sends_back_failed_update = lambda resource_type: resource_type == _TYPE or sends_back(resource_type)


def _begin_deployments_in_progress():
    make = ecs._make_deployment

    def made(*arguments, **options):
        deployment = make(*arguments, **options)
        if _by_cloudformation.get():
            deployment.update(rolloutState="IN_PROGRESS", rolloutStateReason="")
        return deployment

    ecs._make_deployment = made


def _wait_in_handlers():
    handler = provisioners._RESOURCE_HANDLERS[_TYPE]
    create, update, delete = (handler[call] for call in ("create", "update", "delete"))

    def created(logical_id, properties, stack_name):
        _by_cloudformation.set(True)  # on this thread, which is this call's own
        arn, attributes = create(logical_id, properties, stack_name)
        stack = _stacks[stack_name]
        stacks._add_event(stack["StackId"], stack_name, logical_id, _TYPE, "CREATE_IN_PROGRESS",
                          "Resource creation Initiated", arn)
        with _waits(stack):
            try:
                _wait(stack, arn, "creation")
            except Exception:
                delete(arn, properties)
                raise
        return arn, attributes

    def updated(physical_id, old, new, stack_name):
        before = _primary(physical_id)
        result = update(physical_id, old, new, stack_name)
        stack = _stacks[stack_name]
        if _primary(physical_id) is not before:
            with _waits(stack):
                _wait(stack, physical_id, "update")
        return result

    handler.update(create=created, update=updated)


@contextmanager
def _waits(stack):
    _waiting.add(stack["StackId"])
    try:
        yield
    finally:
        _waiting.discard(stack["StackId"])


def _wait(stack, arn, what):
    """Returns once the service is steady. Runs on a thread of its own."""
    deployment, deadline = _primary(arn), time.monotonic() + _TIMEOUT
    while not _steady(deployment, arn):
        if _cancelled(stack):
            raise ValueError(f"Resource {what} cancelled")
        if time.monotonic() > deadline:
            raise ValueError(f'Resource handler returned message: "Service {arn} did not stabilize." '
                             "(HandlerErrorCode: NotStabilized)")
        time.sleep(0.1)


def _steady(deployment, arn):
    if deployment["rolloutState"] == "FAILED":
        raise ValueError("Resource handler returned message: \"Error occurred during operation 'ECS Deployment Circuit "
                         "Breaker was triggered'.\" (HandlerErrorCode: GeneralServiceException)")
    return _primary(arn)["rolloutState"] == "COMPLETED"


def _cancelled(stack):
    status = stack["StackStatus"]
    return status.startswith("DELETE_") or (status == "UPDATE_IN_PROGRESS" and stack.get("_cancel_requested"))


def _primary(arn):
    """The deployment that the service moves to."""
    service = ecs._services.get("/".join(arn.split("/")[-2:]))
    if not service or service["status"] != "ACTIVE":
        raise ValueError(f"Service {arn} not found")
    return ecs._primary_deployment(service)


def _name_resources_in_events():
    add = stacks._add_event

    def added(stack_id, stack_name, logical_id, resource_type, status, reason="", physical_id="", detailed_status=""):
        record = _stacks.get(stack_name, {}).get("_resources", {}).get(logical_id, {})
        add(stack_id, stack_name, logical_id, resource_type, status, reason,
            physical_id or record.get("PhysicalResourceId", ""), detailed_status)

    stacks._add_event = added


def _cancel_by_delete():
    """The creation ends without a rollback of its own, and then what it has made is deleted."""
    delete, roll_back = stacks._delete_stack_async, stacks._roll_back_operation

    async def deleted(stack_name, stack_id, *arguments, **options):
        if stack_id in _waiting:
            _stacks[stack_name]["StackStatus"] = "DELETE_IN_PROGRESS"
            while stack_id in _waiting:
                await asyncio.sleep(0.1)
            await asyncio.sleep(0.1)  # for the creation to take down that it was cancelled
        await delete(stack_name, stack_id, *arguments, **options)

    async def rolled_back(stack_name, stack_id, stack, *arguments, **options):
        if not stack["StackStatus"].startswith("DELETE_"):
            await roll_back(stack_name, stack_id, stack, *arguments, **options)

    handlers._delete_stack_async, stacks._roll_back_operation = deleted, rolled_back
