"""AssumeRoleWithWebIdentity checks what it is shown, as AWS does; and AWS::IAM::OIDCProvider.

The token's signature has to be one of the keys that the issuer publishes, the issuer and the audience have to be
registered in the role's account, the token must not have expired, and the role's trust policy has to allow what it says.
Unlike AWS, issuers are taken whose addresses begin with http://, so that one can run on this machine.
"""

import asyncio
import json
import time
import urllib.error
import urllib.request
from urllib.parse import parse_qs

import jwt
from ministack.core import iam_evaluator
from ministack.core.responses import get_region
from ministack.services import iam, sts

from .resource_type import ResourceType, checked

_ACTION = "AssumeRoleWithWebIdentity"
_PATIENCE = 5  # seconds that an issuer may take

# The claims that a trust policy may have conditions on: those of any issuer, and GitHub's.
_CONDITION_KEYS = (
    "amr", "aud", "sub", "actor", "actor_id", "enterprise_id", "environment", "job_workflow_ref", "ref", "repository",
    "repository_id", "workflow",
)


class _Refused(Exception):
    """What STS says to a token that it does not take."""

    def __init__(self, status, code, message):
        super().__init__(message)
        self.answer = sts._error(status, code, message, ns="sts")


def check_web_identities():
    """Makes STS check tokens before it hands out credentials."""
    handle = sts.handle_request

    async def handled(method, path, headers, body, query_params):
        form = parse_qs((body or b"").decode(errors="replace"))
        asked = {name: values[0] for name, values in {**query_params, **form}.items() if values}
        if asked.get("Action") == _ACTION:
            try:
                await asyncio.to_thread(_check, asked.get("RoleArn", ""), asked.get("WebIdentityToken", ""))
            except _Refused as refused:
                return refused.answer
        return await handle(method, path, headers, body, query_params)

    sts.handle_request = handled


def _check(role_arn, token):
    account = (role_arn.split(":") + [""] * 5)[4]
    issuer = _unverified(token).get("iss", "")
    provider = _provider(account, issuer)
    claims = _verified(token, provider, issuer)
    _authorize(account, role_arn, provider, claims)


def _unverified(token):
    try:
        return jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        raise _Refused(400, "InvalidIdentityToken", "The ID Token provided is not a valid JWT. (You may see this error "
                       "if you sent an Access Token)") from None


def _provider(account, issuer):
    arn = f"arn:aws:iam::{account}:oidc-provider/{_host(issuer)}"
    provider = iam._oidc_providers.get_scoped(account, None, arn)
    if not provider:
        raise _Refused(400, "InvalidIdentityToken", f"No OpenIDConnect provider found in your account for {issuer}")
    return provider


def _host(issuer):
    return issuer.split("://", 1)[-1].rstrip("/")


def _verified(token, provider, issuer):
    """The claims of a token that is what it says."""
    try:
        key = _key(issuer, jwt.get_unverified_header(token).get("kid"))
        return jwt.decode(token, key, algorithms=["RS256"], audience=provider["ClientIDList"], issuer=issuer,
                          options={"require": ["exp", "iat", "aud", "sub"]})
    except jwt.ExpiredSignatureError:
        expired = _unverified(token)["exp"]
        raise _Refused(400, "ExpiredTokenException", f"Token expired: current date/time {int(time.time())} must be "
                       f"before the expiration date/time {expired}") from None
    except jwt.InvalidAudienceError:
        raise _Refused(400, "InvalidIdentityToken", "Incorrect token audience") from None
    except jwt.InvalidTokenError:
        raise _Refused(400, "InvalidIdentityToken", "The web identity token could not be verified") from None


def _key(issuer, kid):
    """The issuer's key of that name, found as OpenID Connect Discovery says."""
    try:
        found = _get(f"{issuer}/.well-known/openid-configuration")
        keys = _get(found["jwks_uri"])["keys"] if found["issuer"] == issuer else []
    except (urllib.error.URLError, OSError, ValueError, KeyError):
        raise _Refused(400, "IDPCommunicationError", "Couldn't retrieve verification key from your identity provider, "
                       f"please reference {_ACTION} documentation for requirements") from None
    for key in keys:
        if key.get("kid") == kid:
            return jwt.PyJWK.from_dict(key).key
    raise jwt.InvalidTokenError("no such key")


def _get(url):
    with urllib.request.urlopen(url, timeout=_PATIENCE) as answer:
        return json.load(answer)


def _authorize(account, role_arn, provider, claims):
    """Whether the role's trust policy allows what the token says."""
    role = iam._roles.get_scoped(account, None, role_arn.rsplit("/", 1)[-1])
    host = _host(claims["iss"])
    context = iam_evaluator.EvalContext(
        principal_arn=provider["Arn"], principal_type="WebIdentityUser", principal_account=account,
        action=f"sts:{_ACTION}", resource_arn=role_arn, region=get_region(),
        service_context={f"{host}:{name}".lower(): claim for name, claim in claims.items() if name in _CONDITION_KEYS},
    )
    policy = (role or {}).get("AssumeRolePolicyDocument", "{}")
    if not role or role["Arn"] != role_arn or not iam_evaluator.evaluate_trust_policy(policy, provider["Arn"], context):
        raise _Refused(403, "AccessDenied", f"Not authorized to perform sts:{_ACTION}")


def _create_provider(logical_id, properties, _stack_name):
    # CloudFormation writes the name in other letters than the API.
    named = {"ClientIDList" if name == "ClientIdList" else name: value for name, value in properties.items()}
    properties = checked(logical_id, named, "iam", "CreateOpenIDConnectProvider", required=("Url",))
    lists = {f"{name}.member.{index}": value for name in ("ClientIDList", "ThumbprintList")
             for index, value in enumerate(properties.get(name) or [], 1)}
    status, _, body = iam._create_oidc_provider({"Url": properties["Url"], **lists})
    if status != 200:
        raise ValueError(f"{logical_id}: {body.decode()}")
    arn = body.decode().split("<OpenIDConnectProviderArn>")[1].split("<")[0]
    iam._oidc_providers[arn]["Tags"] = properties.get("Tags") or []
    return arn, {"Arn": arn}


def _delete_provider(physical_id, _properties):
    iam._oidc_providers.pop(physical_id, None)


RESOURCE_TYPES = {
    "AWS::IAM::OIDCProvider": ResourceType(
        _create_provider, _delete_provider,
        create_only=("ClientIdList", "Tags", "ThumbprintList", "Url"), tags="list"),
}
