"""What the AWS API emulator lacks and the templates in stacks/ need.

Each module holds the CloudFormation resource types of one service. A type is a
`ResourceType`: the functions that CloudFormation calls, and which properties
can't change without a new resource. The functions make the real thing in the
emulator's own service, where it has one.
"""

from ministack.services.cloudformation import provisioners, stacks

from . import (
    alarms, containers, databases, drift, ec2, event_sources, functions, gateway, identity, images, load_balancer, msk,
    numbers, replacement, scaling, services, tasks,
)


def extend():
    """Adds the resource types to the emulator. Call it before the server starts."""
    for service in (ec2, identity, msk, scaling):
        for name, resource_type in service.RESOURCE_TYPES.items():
            _register(name, resource_type)
    alarms.allow_expressions()
    containers.keep_declarations()
    containers.restrict()
    databases.serve_postgres()
    replacement.show_replacements()
    ec2.add_vpc_cidr_attribute()
    event_sources.keep_kafka_properties()
    functions.check_images()
    functions.show_digests()
    functions.check_published_code()
    functions.divide_by_weights()
    functions.count_by_version()
    functions.skip_memory_measurement()
    gateway.answer_containers()
    identity.check_web_identities()
    images.pull_from_emulator()
    load_balancer.skip_targets_that_are_not_up()
    numbers.convert_numbers()
    drift.revert_drift()
    services.wait_until_steady()
    tasks.start_once()
    tasks.stop_gracefully()
    for name in ("AWS::ECS::Service", "AWS::RDS::DBInstance"):
        _run_on_worker_thread(name)


def _register(name, resource_type):
    provisioners._RESOURCE_HANDLERS[name] = {
        "create": resource_type.create,
        "delete": resource_type.delete,
        **({"update": resource_type.update} if resource_type.update else {}),
    }
    # What change sets and updates call a replacement.
    provisioners._REPLACING_PROPERTIES[name] = resource_type.create_only
    if resource_type.tags:
        provisioners._STACK_TAG_PROPERTY[name] = ("Tags", resource_type.tags)
    if resource_type.blocks:
        _run_on_worker_thread(name)


def _run_on_worker_thread(name):
    """Keeps a type whose functions wait for something off the server's event loop."""
    before = stacks._runs_on_worker_thread
    stacks._runs_on_worker_thread = lambda resource_type: resource_type == name or before(resource_type)
