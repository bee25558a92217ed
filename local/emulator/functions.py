"""Lambda functions from images: what a safe release depends on and the emulator leaves out.

- A function's image has to exist, and `CodeSha256` is its digest, as on AWS.
- PublishVersion refuses a `CodeSha256` or `RevisionId` that is not the current one.
- Invoking an alias divides the calls between versions by the alias's weights, and counts them and their errors per
  version.
- An invocation does not wait for its memory to be measured; its REPORT line says 0 MB.
"""

import random
import re

from ministack.services import cloudwatch, ecr, lambda_svc
from ministack.services.cloudformation import provisioners

_IMAGE = re.compile(r"^[^/]+/(?P<repository>[^:@]+)(?::(?P<tag>[^@]+))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?$")


def check_images():
    """Makes CloudFormation refuse a function whose image is not in the registry."""
    handler = provisioners._RESOURCE_HANDLERS["AWS::Lambda::Function"]
    create, update = handler["create"], handler["update"]

    def created(logical_id, properties, stack_name):
        _check_image(properties)
        name, attributes = create(logical_id, properties, stack_name)
        _set_digest(_config(name))
        return name, attributes

    def updated(physical_id, old, new, stack_name, logical_id=None):
        _check_image(new)
        return update(physical_id, old, new, stack_name, logical_id)

    handler.update(create=created, update=updated)


def _check_image(properties):
    uri = properties.get("Code", {}).get("ImageUri")
    if uri and not _digest(uri):
        raise ValueError(f"Source image {uri} does not exist. Provide a valid source image.")


def show_digests():
    """Makes `CodeSha256` follow the image when the API sets it; the answer to that call still lacks it."""
    create, update_code = lambda_svc._create_function, lambda_svc._update_code

    def created(request):
        response = create(request)
        _set_digest(_config(request.get("FunctionName")))
        return response

    def updated(name, request):
        response = update_code(name, request)
        _set_digest(_config(name))
        return response

    lambda_svc._create_function, lambda_svc._update_code = created, updated


def _config(name):
    return lambda_svc._functions.get(name, {}).get("config", {})


def _set_digest(config):
    digest = _digest(config.get("ImageUri") or "")
    if digest:
        config["CodeSha256"] = digest.removeprefix("sha256:")


def _digest(uri):
    """The digest of an image in the emulator's registry; None if there is none."""
    match = _IMAGE.match(uri)
    if not match:
        return None
    named = {"imageDigest": match["digest"]} if match["digest"] else {"imageTag": match["tag"] or "latest"}
    image = ecr._find_image(match["repository"], named)
    return image and image["imageDigest"]


def check_published_code():
    """Makes PublishVersion honour the two preconditions that it has."""
    publish = lambda_svc._publish_version

    def published(name, request):
        function = lambda_svc._functions.get(name)
        return (function and _refusal(function["config"], request)) or publish(name, request)

    lambda_svc._publish_version = published


def _refusal(config, request):
    wanted, current = request.get("CodeSha256"), config["CodeSha256"]
    if wanted and wanted != current:
        return lambda_svc.error_response_json(
            "InvalidParameterValueException",
            f"CodeSHA256 ({wanted}) is different from current CodeSHA256 in $LATEST ({current}). "
            "Please try again with the CodeSHA256 in $LATEST.", 400)
    return lambda_svc._check_revision(config, request) if request.get("RevisionId") else None


def skip_memory_measurement():
    """Docker Engine before 23 takes a second for it."""
    lambda_svc._probe_peak_memory_mb = lambda _function: 0


def divide_by_weights():
    """Makes Invoke draw the version when the alias has weights."""
    invoke = lambda_svc._invoke

    async def invoked(name, event, headers, path_qualifier=None, query_params=None):
        qualifier = path_qualifier or lambda_svc._qp_first(query_params or {}, "Qualifier")
        version = _drawn_version(lambda_svc._functions.get(name), qualifier)
        return await invoke(name, event, headers, version or path_qualifier, query_params)

    lambda_svc._invoke = invoked


def _drawn_version(function, qualifier):
    """The version that gets this call, if it is another than the alias's main one."""
    alias = (function or {}).get("aliases", {}).get(qualifier, {})
    drawn = random.random()
    for version, weight in alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {}).items():
        drawn -= weight
        if drawn < 0:
            return version
    return None


def count_by_version():
    """Makes Invoke of an alias record the metrics that tell its versions apart; those of the function there are."""
    invoke = lambda_svc._invoke

    async def invoked(name, event, headers, path_qualifier=None, query_params=None):
        qualifier = path_qualifier or lambda_svc._qp_first(query_params or {}, "Qualifier")
        by_alias = qualifier in lambda_svc._functions.get(name, {}).get("aliases", {})
        response = await invoke(name, event, headers, path_qualifier, query_params)
        if by_alias and response[0] in (200, 202):
            _count(name, qualifier, response[1])
        return response

    lambda_svc._invoke = invoked


def _count(name, alias, headers):
    """With the dimensions that AWS gives to the calls of an alias."""
    resource = {"FunctionName": name, "Resource": f"{name}:{alias}"}
    failed = 1 if "X-Amz-Function-Error" in headers else 0
    for dimensions in (resource, {**resource, "ExecutedVersion": headers["X-Amz-Executed-Version"]}):
        cloudwatch.record_metric("AWS/Lambda", "Invocations", 1, "Count", dimensions)
        cloudwatch.record_metric("AWS/Lambda", "Errors", failed, "Count", dimensions)
