"""AWS::EC2::EIP, AWS::EC2::NatGateway, AWS::EC2::FlowLog, and the rules of security groups as resources of their own.

They are records: no packet goes through them, or is held up or logged. Containers reach the outside through Docker's
own network.
"""

import re

from ministack.services import ec2
from ministack.services.cloudformation import provisioners

from .resource_type import ResourceType, checked


def _create_address(logical_id, properties, _stack_name):
    properties = _checked_address(logical_id, properties)
    allocation_id = _field(ec2._allocate_address({"Domain": properties.get("Domain", "vpc")}), "allocationId")
    address = ec2._addresses[allocation_id]
    address["InstanceId"] = properties.get("InstanceId")
    provisioners._ec2_apply_tags(allocation_id, properties)
    return address["PublicIp"], _address_attributes(address)


def _checked_address(logical_id, properties):
    return checked(logical_id, properties, "ec2", "AllocateAddress",
                   only=("Address", "Domain", "IpamPoolId", "NetworkBorderGroup", "PublicIpv4Pool"),
                   besides=("InstanceId", "Tags", "TransferAddress"))


def _update_address(physical_id, old, new, _stack_name):
    new = _checked_address(physical_id, new)
    address = _address(physical_id)
    address["InstanceId"] = new.get("InstanceId")
    provisioners._ec2_apply_tags(address["AllocationId"], new, old)
    return physical_id, _address_attributes(address)


def _delete_address(physical_id, _properties):
    address = _address(physical_id)
    if address:
        _field(ec2._release_address({"AllocationId": address["AllocationId"]}), "return")


def _address(public_ip):
    return next((a for a in ec2._addresses.values() if a["PublicIp"] == public_ip), None)


def _address_attributes(address):
    return {"AllocationId": address["AllocationId"], "PublicIp": address["PublicIp"]}


def _create_nat_gateway(logical_id, properties, _stack_name):
    properties = _checked_nat_gateway(logical_id, properties)
    gateway_id = _field(ec2._create_nat_gateway(properties), "natGatewayId")
    provisioners._ec2_apply_tags(gateway_id, properties)
    return gateway_id, {"NatGatewayId": gateway_id}


def _checked_nat_gateway(logical_id, properties):
    properties = checked(logical_id, properties, "ec2", "CreateNatGateway", besides=("MaxDrainDurationSeconds", "Tags"),
                         only=("AllocationId", "AvailabilityMode", "AvailabilityZoneAddresses", "ConnectivityType",
                               "PrivateIpAddress", "SecondaryAllocationIds", "SecondaryPrivateIpAddressCount",
                               "SecondaryPrivateIpAddresses", "SubnetId", "VpcId"))
    if properties.get("AvailabilityMode") == "regional":
        raise ValueError("a regional NAT gateway is not emulated; give AvailabilityMode: zonal and a SubnetId")
    if properties.get("SubnetId") not in ec2._subnets:
        raise ValueError(f"The subnet ID '{properties.get('SubnetId')}' does not exist")
    public = properties.get("ConnectivityType", "public") == "public"
    if public and properties.get("AllocationId") not in ec2._addresses:
        raise ValueError(f"The allocation ID '{properties.get('AllocationId')}' does not exist")
    return properties


def _update_nat_gateway(physical_id, old, new, _stack_name):
    provisioners._ec2_apply_tags(physical_id, _checked_nat_gateway(physical_id, new), old)
    return physical_id, {"NatGatewayId": physical_id}


def _delete_nat_gateway(physical_id, _properties):
    if physical_id in ec2._nat_gateways:
        _field(ec2._delete_nat_gateway({"NatGatewayId": physical_id}), "natGatewayId")


def _create_flow_log(logical_id, properties, _stack_name):
    properties = _checked_flow_log(logical_id, properties)
    request = {name: str(value) for name, value in properties.items() if name not in ("ResourceId", "Tags")}
    response = ec2._create_flow_logs({**request, "ResourceId.1": properties["ResourceId"]})
    flow_log_id = re.search("<item>(.*?)</item>", response[2].decode())[1]
    provisioners._ec2_apply_tags(flow_log_id, properties)
    return flow_log_id, {"Id": flow_log_id}


def _checked_flow_log(logical_id, properties):
    properties = checked(logical_id, properties, "ec2", "CreateFlowLogs", required=("ResourceId", "ResourceType"),
                         only=("DeliverCrossAccountRole", "DeliverLogsPermissionArn", "DestinationOptions", "LogDestination",
                               "LogDestinationType", "LogFormat", "LogGroupName", "MaxAggregationInterval",
                               "ResourceType", "TrafficType"),
                         besides=("ResourceId", "Tags"))
    if properties["ResourceType"] == "VPC" and properties["ResourceId"] not in ec2._vpcs:
        raise ValueError(f"The vpc ID '{properties['ResourceId']}' does not exist")
    to_logs = properties.get("LogDestinationType", "cloud-watch-logs") == "cloud-watch-logs"
    if to_logs and "DeliverLogsPermissionArn" not in properties:
        raise ValueError("DeliverLogsPermissionArn is needed to deliver to CloudWatch Logs")
    return properties


def _update_flow_log(physical_id, old, new, _stack_name):
    provisioners._ec2_apply_tags(physical_id, _checked_flow_log(physical_id, new), old)
    return physical_id, {"Id": physical_id}


def _delete_flow_log(physical_id, _properties):
    ec2._delete_flow_logs({"FlowLogId.1": physical_id})


def _rule_type(direction, peers):
    """A rule of a security group; its group and whom it lets through can't change, and its description is its own."""
    store = {"ingress": "IpPermissions", "egress": "IpPermissionsEgress"}[direction]

    def create(logical_id, properties, _stack_name):
        group = _group(logical_id, properties)
        [rule] = provisioners._ec2_sg_permissions([properties])
        if any(ec2._rules_match(rule, other) for other in group[store]):
            raise ValueError("the specified rule already exists")
        group[store].append(rule)
        rule_id = ec2._sg_rule_id(group["GroupId"], direction == "egress", rule)
        return rule_id, {"Id": rule_id}

    def update(physical_id, old, new, _stack_name):
        delete(physical_id, old)
        return create(physical_id, new, _stack_name)

    def delete(_physical_id, properties):
        group = ec2._security_groups.get(properties["GroupId"])
        [rule] = provisioners._ec2_sg_permissions([properties])
        if group:
            group[store] = [other for other in group[store] if not ec2._rules_match(rule, other)]

    return ResourceType(create, delete, update,
                        create_only=("CidrIp", "CidrIpv6", "FromPort", "GroupId", "IpProtocol", "ToPort", *peers))


def _group(logical_id, properties):
    """The security group of a rule whose groups exist."""
    checked(logical_id, properties, "ec2", "AuthorizeSecurityGroupEgress", required=("GroupId", "IpProtocol"),
            only=("CidrIp", "FromPort", "GroupId", "IpProtocol", "ToPort"),
            besides=("CidrIpv6", "Description", *_SOURCES, *_DESTINATIONS))
    groups = [properties[name] for name in ("GroupId", "SourceSecurityGroupId", "DestinationSecurityGroupId")
              if name in properties]
    for group in groups:
        if group not in ec2._security_groups:
            raise ValueError(f"The security group '{group}' does not exist")
    return ec2._security_groups[properties["GroupId"]]


_SOURCES = ("SourcePrefixListId", "SourceSecurityGroupId", "SourceSecurityGroupOwnerId")
_DESTINATIONS = ("DestinationPrefixListId", "DestinationSecurityGroupId")


def _field(response, name):
    """A value out of one of the EC2 service's XML answers."""
    status, _, body = response
    text = body.decode()
    if status >= 400:
        raise ValueError(re.search("<Message>(.*?)</Message>", text)[1])
    return re.search(f"<{name}>(.*?)</{name}>", text)[1]


def add_vpc_cidr_attribute():
    """Gives AWS::EC2::VPC its attribute `CidrBlock`, for `!GetAtt Vpc.CidrBlock`."""
    handler = provisioners._RESOURCE_HANDLERS["AWS::EC2::VPC"]
    for call in ("create", "update"):
        handler[call] = _with_cidr(handler[call])


def _with_cidr(call):
    def wrapped(*arguments):
        vpc_id, attributes = call(*arguments)
        return vpc_id, {**attributes, "CidrBlock": ec2._vpcs[vpc_id]["CidrBlock"]}
    return wrapped


RESOURCE_TYPES = {
    "AWS::EC2::EIP": ResourceType(
        _create_address, _delete_address, _update_address, tags="list",
        create_only=("Address", "Domain", "IpamPoolId", "NetworkBorderGroup", "PublicIpv4Pool", "TransferAddress")),
    "AWS::EC2::NatGateway": ResourceType(
        _create_nat_gateway, _delete_nat_gateway, _update_nat_gateway, tags="list",
        create_only=("AllocationId", "AvailabilityMode", "ConnectivityType", "PrivateIpAddress", "SubnetId", "VpcId")),
    "AWS::EC2::FlowLog": ResourceType(
        _create_flow_log, _delete_flow_log, _update_flow_log, tags="list",
        create_only=("DeliverCrossAccountRole", "DeliverLogsPermissionArn", "DestinationOptions", "LogDestination",
                     "LogDestinationType", "LogFormat", "LogGroupName", "MaxAggregationInterval", "ResourceId",
                     "ResourceType", "TrafficType")),
    "AWS::EC2::SecurityGroupIngress": _rule_type("ingress", _SOURCES),
    "AWS::EC2::SecurityGroupEgress": _rule_type("egress", _DESTINATIONS),
}
