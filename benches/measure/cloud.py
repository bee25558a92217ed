"""The local cloud, seen from outside."""

import subprocess

import boto3
from botocore.exceptions import ClientError

from tools import ENDPOINT, REGION


def client(service):
    return boto3.client(
        service, endpoint_url=ENDPOINT, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test"
    )


def stacks(prefix):
    """The names of the stacks that begin so, newest first."""
    pages = client("cloudformation").get_paginator("describe_stacks").paginate()
    found = [stack for page in pages for stack in page["Stacks"] if stack["StackName"].startswith(prefix)]
    found = [stack for stack in found if stack["StackStatus"] != "DELETE_COMPLETE"]
    return [stack["StackName"] for stack in sorted(found, key=lambda stack: stack["CreationTime"], reverse=True)]


def describe(stack):
    return client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]


def outputs(stack):
    return {output["OutputKey"]: output["OutputValue"] for output in describe(stack).get("Outputs", [])}


def parameters(stack):
    return {it["ParameterKey"]: it["ParameterValue"] for it in describe(stack).get("Parameters", [])}


def remove(prefix):
    """Deletes what an earlier run left, or this one leaves: images, stacks, containers."""
    ecr, cloudformation = client("ecr"), client("cloudformation")
    for repository in ecr.describe_repositories()["repositories"]:
        if repository["repositoryName"].startswith(prefix):
            images = ecr.list_images(repositoryName=repository["repositoryName"])["imageIds"]
            if images:
                ecr.batch_delete_image(repositoryName=repository["repositoryName"], imageIds=images)
    for stack in stacks(prefix):
        try:
            cloudformation.delete_stack(StackName=stack)
            cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack, WaiterConfig={"Delay": 1})
        except ClientError as error:
            print(f"{stack} stays: {error}")
    script = f"""
        docker ps --all --format '{{{{.ID}}}} {{{{.Image}}}}' | grep '/{prefix}' | cut -d' ' -f1 | xargs -r docker rm -f
        docker images --format '{{{{.ID}}}} {{{{.Repository}}}}' | grep '/{prefix}' | cut -d' ' -f1 | sort -u | xargs -r docker rmi -f
    """
    subprocess.run(["sh", "-c", script], capture_output=True)
