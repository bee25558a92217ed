"""Which properties can't change without a new resource, for types of which the emulator does not know it.

Without this, change sets call every change of such a resource a conditional replacement. From CloudFormation's
resource reference: the properties with "Update requires: Replacement".
"""

from ministack.services.cloudformation import provisioners

_CREATE_ONLY = {
    "AWS::CloudWatch::Alarm": ("AlarmName",),
    "AWS::EC2::VPC": ("CidrBlock", "Ipv4IpamPoolId", "Ipv4NetmaskLength"),
    "AWS::ECS::Service": ("Cluster", "LaunchType", "Role", "SchedulingStrategy", "ServiceName"),
    "AWS::ECS::TaskDefinition": (
        "ContainerDefinitions", "Cpu", "EphemeralStorage", "ExecutionRoleArn", "Family", "IpcMode", "Memory",
        "NetworkMode", "PidMode", "PlacementConstraints", "ProxyConfiguration", "RequiresCompatibilities",
        "RuntimePlatform", "TaskRoleArn", "Volumes"),
    "AWS::Lambda::Alias": ("FunctionName", "Name"),
    "AWS::Lambda::EventSourceMapping": ("EventSourceArn", "StartingPosition", "StartingPositionTimestamp"),
}


def show_replacements():
    """Adds them to what the emulator knows; updates follow it too."""
    provisioners._REPLACING_PROPERTIES.update(_CREATE_ONLY)
