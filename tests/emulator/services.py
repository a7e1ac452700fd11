"""What each API answers. One function per operation, from a request to a response.

An error is raised as AwsError and written in the form of its API by `error_response`. Sources: the
API references of Amazon ECR, Amazon ECR Public, AWS STS and IAM Identity Center; the EC2 User Guide
on IMDSv2; and the models in botocore/data.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from tests.emulator import ecr_api, registry_http, sigv4
from tests.emulator.answers import JSON, json_object, json_response
from tests.emulator.model import (
    AwsError,
    Operation,
    Principal,
    Request,
    Response,
    Role,
    iso8601,
)
from tests.emulator.partitions import partition_of, service_and_region
from tests.emulator.policy import allows
from tests.emulator.state import AwsState, authorization_token

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_ECR_TARGETS = {
    "AmazonEC2ContainerRegistry_V20150921": "ecr",
    "SpencerFrontendService": "ecr-public",
    "secretsmanager": "secretsmanager",
}
_IAM = frozenset({"PutRolePolicy", "PutUserPolicy"})
_STS_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
_ROLE_CREDENTIALS = "/latest/meta-data/iam/security-credentials"
_MAX_METADATA_TOKEN_LIFETIME = 21600
_ROLE_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_MAX_SESSION_POLICY_LENGTH = 2048


_UNKNOWN = Operation("unknown", "unknown")


# From the request to its operation


def identify(request: Request, container_path: str | None) -> Operation:
    """Find the operation by path, by X-Amz-Target (JSON protocol) or by Action (query protocol)."""
    found = registry_http.identify(request) or _operation_by_path(request, container_path)
    if found is not None:
        return found
    target, _, name = (request.header("x-amz-target") or "").partition(".")
    if target:
        return Operation(_ECR_TARGETS.get(target, "unknown"), name)
    action = _form(request).get("Action")
    return _UNKNOWN if action is None else Operation("iam" if action in _IAM else "sts", action)


_SIGN_IN = {
    "POST /client/register": Operation("sso-oidc", "RegisterClient"),
    "POST /device_authorization": Operation("sso-oidc", "StartDeviceAuthorization"),
    "POST /token": Operation("sso-oidc", "CreateToken"),
    "GET /device": Operation("browser", "ConfirmDevice"),
}


def _operation_by_path(request: Request, container_path: str | None) -> Operation | None:
    match request.method, request.path:
        case "GET", path if path == container_path:
            return Operation("container", "GetContainerCredentials")
        case "PUT", "/latest/api/token":
            return Operation("imds", "GetMetadataToken")
        case "GET", path if path.rstrip("/") == _ROLE_CREDENTIALS:
            return Operation("imds", "ListInstanceRoles")
        case "GET", path if path.startswith(f"{_ROLE_CREDENTIALS}/"):
            return Operation("imds", "GetInstanceRoleCredentials")
        case "GET", "/latest/dynamic/instance-identity/document":
            return Operation("imds", "GetInstanceIdentityDocument")
        case _, path if path.startswith("/latest/"):
            return Operation("imds", "unknown")
        case "GET", "/federation/credentials":
            return Operation("sso", "GetRoleCredentials")
        case method, path:
            return _SIGN_IN.get(f"{method} {path}")


def requested_session_name(operation: Operation, request: Request) -> str | None:
    """Return the RoleSessionName that AssumeRole, or AssumeRoleWithWebIdentity, asks for."""
    return _form(request).get("RoleSessionName") if operation.service == "sts" else None


def _form(request: Request) -> dict[str, str]:
    body = request.body.decode("utf-8", "replace")
    return {name: values[0] for name, values in parse_qs(body, keep_blank_values=True).items()}


# Who asks


def authenticate(state: AwsState, operation: Operation, request: Request) -> Principal:
    """Return who signed the request; AwsError, in the words of the service, if nobody did."""
    try:
        return _signer(state, operation.service, request)
    except AwsError as error:
        if operation.service == "sts":
            raise _in_words_of_sts(error) from None
        raise


def _signer(state: AwsState, service: str, request: Request) -> Principal:
    authorization = sigv4.parse_authorization(request.header("authorization"))
    principal = state.principal(authorization.access_key_id)
    if principal is None or request.header("x-amz-security-token") != principal.session_token:
        raise AwsError(
            400,
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        )
    _check_scope(service, authorization, request.header("host") or "")
    sigv4.verify(request, authorization, principal.secret_access_key, state.now())
    if principal.expires_at is not None and principal.expires_at <= state.now():
        raise AwsError(
            400, "ExpiredTokenException", "The security token included in the request is expired"
        )
    return principal


def _check_scope(service: str, authorization: sigv4.Authorization, host: str) -> None:
    """Demand a scope of this service, and of the region that the host name stands for."""
    if authorization.service != service:
        raise AwsError(
            400,
            "InvalidSignatureException",
            f"Credential should be scoped to correct service: '{service}'.",
        )
    expected = service_and_region(host) or (service, authorization.region)
    if service == "ecr-public":
        expected = (expected[0], "us-east-1")
    if not authorization.region or expected != (service, authorization.region):
        raise AwsError(
            400,
            "InvalidSignatureException",
            f"Credential should be scoped to a valid region, not '{authorization.region}'.",
        )


def _in_words_of_sts(error: AwsError) -> AwsError:
    """Translate an authentication error into the code and status that the query protocol uses."""
    code = {
        "UnrecognizedClientException": "InvalidClientTokenId",
        "InvalidSignatureException": "SignatureDoesNotMatch",
    }.get(error.code, error.code.removesuffix("Exception"))
    return AwsError(403, code, error.message)


def _authorize(principal: Principal, action: str) -> None:
    if reason := principal.denial(action):
        raise AwsError(400, "AccessDeniedException", reason)


# Amazon ECR and Amazon ECR Public


def _get_authorization_token(state: AwsState, principal: Principal, request: Request) -> Response:
    registry_ids = json_object(request).get("registryIds") or [principal.account_id]
    _authorize(principal, "ecr:GetAuthorizationToken")
    state.check_throttle()
    region = sigv4.parse_authorization(request.header("authorization")).region
    password, expires_at = state.issue_password(principal, "ecr", region)
    data = [
        {
            "authorizationToken": authorization_token(password),
            "expiresAt": round(expires_at, 3),
            "proxyEndpoint": f"https://{registry_id}.dkr.ecr.{region}.{partition_of(region).dns_suffix}",
        }
        for registry_id in registry_ids
    ]
    return json_response({"authorizationData": data}, JSON)


def _get_public_authorization_token(
    state: AwsState, principal: Principal, request: Request
) -> Response:
    json_object(request)
    _authorize(principal, "ecr-public:GetAuthorizationToken")
    _authorize(principal, "sts:GetServiceBearerToken")
    state.check_throttle()
    password, expires_at = state.issue_password(principal, "ecr-public", "us-east-1")
    data = {"authorizationToken": authorization_token(password), "expiresAt": round(expires_at, 3)}
    return json_response({"authorizationData": data}, JSON)


# AWS STS


def _assume_role(state: AwsState, principal: Principal, request: Request) -> Response:
    form = _form(request)
    session_name, duration = _session_parameters(form)
    arn = form.get("RoleArn", "")
    role = state.role(arn)
    if role is None or "sts:AssumeRole" in principal.deny or not _trusts(role, principal, form):
        raise AwsError(
            403,
            "AccessDenied",
            f"User: {principal.arn} is not authorized to perform: sts:AssumeRole "
            f"on resource: {arn}",
        )
    if role.mfa_code is not None and form.get("TokenCode") != role.mfa_code:
        raise AwsError(
            403,
            "AccessDenied",
            "MultiFactorAuthentication failed with invalid MFA one time pass code.",
        )
    session = state.start_session(role, session_name, duration, _session_policy(form))
    return _session_response("AssumeRole", session)


def _assume_role_with_web_identity(state: AwsState, _: None, request: Request) -> Response:
    form = _form(request)
    session_name, duration = _session_parameters(form)
    role = state.role(form.get("RoleArn", ""))
    if role is None or role.web_identity_token is None:
        raise AwsError(
            403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"
        )
    if _subject(form.get("WebIdentityToken", "")) != _subject(role.web_identity_token):
        raise AwsError(
            400,
            "InvalidIdentityToken",
            "The ID Token provided is not a valid JWT. (You may see this error if you "
            "sent an Access Token)",
        )
    return _session_response(
        "AssumeRoleWithWebIdentity", state.start_session(role, session_name, duration)
    )


def _subject(token: str) -> str:
    """Return whom a web identity token names: what is no JSON web token, names itself."""
    try:
        claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "==="))
        return f"{claims['iss']} {claims['sub']} {claims['aud']}"
    except (ValueError, LookupError):
        return token


def _get_caller_identity(_: AwsState, principal: Principal, _request: Request) -> Response:
    content = (
        _tag("Arn", principal.arn)
        + _tag("UserId", _unique_id(principal))
        + _tag("Account", principal.account_id)
    )
    return _query_response("GetCallerIdentity", content)


def _session_parameters(form: Mapping[str, str]) -> tuple[str, float]:
    """Return RoleSessionName and DurationSeconds, if they are what the API allows."""
    session_name, duration = form.get("RoleSessionName", ""), form.get("DurationSeconds", "3600")
    if not _ROLE_SESSION_NAME.fullmatch(session_name):
        raise _sts_validation_error(
            "roleSessionName", session_name, r"must satisfy [\w+=,.@-]{2,64}"
        )
    if not duration.isdecimal() or not 900 <= int(duration) <= 43200:
        raise _sts_validation_error("durationSeconds", duration, "must be between 900 and 43200")
    return session_name, float(duration)


def _session_policy(form: Mapping[str, str]) -> str | None:
    """Return the Policy, None if there is none, if it is what the API allows."""
    policy = form.get("Policy")
    if policy is None:
        return None
    if len(policy) > _MAX_SESSION_POLICY_LENGTH:
        raise _sts_validation_error("policy", policy, "must have length less than or equal to 2048")
    try:
        allows(policy, "", "")
    except ValueError:
        raise AwsError(
            400, "MalformedPolicyDocument", "This policy contains invalid Json"
        ) from None
    return policy


def _sts_validation_error(name: str, value: str, constraint: str) -> AwsError:
    return AwsError(
        400,
        "ValidationError",
        f"1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: "
        f"{constraint}",
    )


def _trusts(role: Role, principal: Principal, form: Mapping[str, str]) -> bool:
    partition = principal.arn.split(":")[1]
    names = {principal.arn, principal.role_arn, f"arn:{partition}:iam::{principal.account_id}:root"}
    return (
        (role.trusted is None or bool(names & role.trusted))
        and (role.external_id is None or role.external_id == form.get("ExternalId"))
        and (role.mfa_serial is None or role.mfa_serial == form.get("SerialNumber"))
        and (role.mfa_code is None or "TokenCode" in form)
    )


def _session_response(action: str, session: Principal) -> Response:
    credentials = (
        _tag("AccessKeyId", session.access_key_id)
        + _tag("SecretAccessKey", session.secret_access_key)
        + _tag("SessionToken", session.session_token or "")
        + _tag("Expiration", iso8601(session.expires_at or 0))
    )
    user = _tag("AssumedRoleId", _unique_id(session)) + _tag("Arn", session.arn)
    return _query_response(
        action, f"<AssumedRoleUser>{user}</AssumedRoleUser><Credentials>{credentials}</Credentials>"
    )


def _unique_id(principal: Principal) -> str:
    """Derive the identifier that IAM gives a user (AIDA…), or a role's session (AROA…:name)."""
    digest = hashlib.sha256((principal.role_arn or principal.arn).encode()).hexdigest()[:17].upper()
    return (
        f"AIDA{digest}" if principal.role_arn is None else f"AROA{digest}:{principal.session_name}"
    )


def _tag(name: str, text: str) -> str:
    return f"<{name}>{escape(text)}</{name}>"


def _query_response(action: str, content: str) -> Response:
    request_id = str(uuid.uuid4())
    body = (
        f'<{action}Response xmlns="{_STS_NAMESPACE}"><{action}Result>{content}</{action}Result>'
        f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{action}Response>"
    )
    return Response(200, "text/xml", body.encode(), {"x-amzn-RequestId": request_id})


# AWS IAM


def _put_policy(state: AwsState, _: Principal, request: Request) -> Response:
    """Allow what a policy allows, to the user or role of that name, whatever the resource."""
    form = _form(request)
    kind = "user" if "UserName" in form else "role"
    for statement in json.loads(form["PolicyDocument"])["Statement"]:
        assert statement["Resource"].startswith("arn:aws:ecr:")
        state.allow(f"{kind}/{form[f'{kind.title()}Name']}", statement["Action"])
    return _query_response(form["Action"], "")


# IAM Identity Center: the SSO portal and its OpenID Connect service


def _get_role_credentials(state: AwsState, _: None, request: Request) -> Response:
    query = parse_qs(request.query)
    wanted = (query.get("account_id", [""])[0], query.get("role_name", [""])[0])
    sessions = state.sso_sessions(request.header("x-amz-sso_bearer_token") or "")
    home = service_and_region(request.header("host") or "")
    if home is not None:
        sessions = [session for session in sessions if home == ("sso", session.region)]
    if not sessions:
        raise AwsError(401, "UnauthorizedException", "Session token not found or invalid")
    found = next(
        (session for session in sessions if (session.account_id, session.role_name) == wanted), None
    )
    if found is None:
        raise AwsError(403, "ForbiddenException", "No access")
    suffix = hashlib.sha256(f"{wanted}".encode()).hexdigest()[:16]
    role_name = f"AWSReservedSSO_{found.role_name}_{suffix}"
    path = f"role/aws-reserved/sso.amazonaws.com/{role_name}"
    role = Role(
        arn=f"arn:{partition_of(found.region).name}:iam::{found.account_id}:{path}", deny=found.deny
    )
    session = state.start_session(role, "dev@example.com", 3600)
    return json_response(
        {
            "roleCredentials": {
                "accessKeyId": session.access_key_id,
                "secretAccessKey": session.secret_access_key,
                "sessionToken": session.session_token,
                "expiration": int((session.expires_at or 0) * 1000),
            }
        },
        "application/json",
    )


def _register_client(state: AwsState, _: None, request: Request) -> Response:
    content = json_object(request)
    if not content.get("clientName") or content.get("clientType") != "public":
        raise AwsError(400, "InvalidClientMetadataException", "Invalid client metadata provided")
    client_id, client_secret = state.register_client(renews=bool(content.get("scopes")))
    return json_response(
        {
            "clientId": client_id,
            "clientSecret": client_secret,
            "clientIdIssuedAt": int(state.now()),
            "clientSecretExpiresAt": int(state.now()) + 90 * 86400,
        },
        "application/json",
    )


def _start_device_authorization(state: AwsState, _: None, request: Request) -> Response:
    content = json_object(request)
    _check_client(state, content)
    device = state.start_device(str(content.get("clientId")), str(content.get("startUrl")))
    if device is None:
        raise AwsError(400, "InvalidRequestException", "Invalid start url provided")
    scheme = "http" if (request.header("host") or "").startswith("127.") else "https"
    url = f"{scheme}://{request.header('host')}/device"
    return json_response(
        {
            "deviceCode": device.device_code,
            "userCode": device.user_code,
            "verificationUri": url,
            "verificationUriComplete": f"{url}?user_code={device.user_code}",
            "expiresIn": round(device.expires_at - state.now()),
            "interval": state.device_interval,
        },
        "application/json",
    )


def _confirm_device(state: AwsState, _: None, request: Request) -> Response:
    """What a browser does; with `reject=1`, in the hands of somebody who does not want it."""
    query = parse_qs(request.query)
    if not state.decide_device(query.get("user_code", [""])[0], confirm="reject" not in query):
        raise AwsError(404, "Not Found", "there is no such code")
    return Response(200, "text/plain", b"Request approved")


def _check_client(state: AwsState, content: Mapping[str, Any]) -> None:
    if not state.knows_client(str(content.get("clientId")), str(content.get("clientSecret"))):
        raise AwsError(401, "InvalidClientException", "Invalid client provided")


def _create_token(state: AwsState, _: None, request: Request) -> Response:
    content = json_object(request)
    match content.get("grantType"):
        case "refresh_token":
            session = state.refresh_sso(
                str(content.get("refreshToken")),
                str(content.get("clientId")),
                str(content.get("clientSecret")),
            )
            if session is None:
                raise AwsError(400, "InvalidGrantException", "Invalid refresh token provided")
        case "urn:ietf:params:oauth:grant-type:device_code":
            _check_client(state, content)
            session = state.confirmed_device(str(content.get("deviceCode")))
        case _:
            raise AwsError(400, "UnsupportedGrantTypeException", "The grant type is not supported.")
    answer = {
        "accessToken": session.access_token,
        "expiresIn": round(session.expires_at - state.now()),
        "tokenType": "Bearer",
    }
    if session.refresh_token is not None:
        answer["refreshToken"] = session.refresh_token
    return json_response(answer, "application/json")


# What a machine serves to itself: instance metadata (IMDSv2) and container credentials


def _get_metadata_token(state: AwsState, _: None, request: Request) -> Response:
    lifetime = request.header("x-aws-ec2-metadata-token-ttl-seconds") or ""
    if request.header("x-forwarded-for") is not None:
        raise AwsError(403, "Forbidden", "the request came through a proxy")
    if not lifetime.isdecimal() or not 1 <= int(lifetime) <= _MAX_METADATA_TOKEN_LIFETIME:
        raise AwsError(
            400, "Bad Request", "X-aws-ec2-metadata-token-ttl-seconds must be from 1 to 21600"
        )
    metadata_token = state.issue_metadata_token(float(lifetime))
    headers = {"X-aws-ec2-metadata-token-ttl-seconds": lifetime}
    return Response(200, "text/plain", metadata_token.encode(), headers)


def _list_instance_roles(state: AwsState, _: None, request: Request) -> Response:
    _check_metadata_token(state, request)
    if state.instance is None:
        raise AwsError(404, "Not Found", "the instance has no role")
    return Response(200, "text/plain", state.instance.name.encode())


def _get_instance_role_credentials(state: AwsState, _: None, request: Request) -> Response:
    _check_metadata_token(state, request)
    if state.instance is None or request.path != f"{_ROLE_CREDENTIALS}/{state.instance.name}":
        raise AwsError(404, "Not Found", "the instance has no such role")
    return json_response(
        {
            "Code": "Success",
            "LastUpdated": iso8601(state.now()),
            "Type": "AWS-HMAC",
            **_local_credentials(state.instance.principal),
        },
        "text/plain",
    )


def _get_instance_identity_document(state: AwsState, _: None, request: Request) -> Response:
    _check_metadata_token(state, request)
    if state.instance is None:
        raise AwsError(404, "Not Found", "this machine is no instance")
    return json_response(
        {
            "accountId": state.instance.principal.account_id,
            "availabilityZone": f"{state.instance.region}a",
            "instanceId": state.instance.instance_id,
            "region": state.instance.region,
            "version": "2017-09-30",
        },
        "text/plain",
    )


def _check_metadata_token(state: AwsState, request: Request) -> None:
    if not state.accepts_metadata_token(request.header("x-aws-ec2-metadata-token") or ""):
        raise AwsError(401, "Unauthorized", "X-aws-ec2-metadata-token is missing or not valid")


def _get_container_credentials(state: AwsState, _: None, request: Request) -> Response:
    container = state.container
    if container is None:
        raise AwsError(404, "Not Found", "there are no container credentials")
    if container.authorization_token not in {None, request.header("authorization")}:
        raise AwsError(401, "Unauthorized", "the Authorization header is missing or not valid")
    content = {"RoleArn": container.principal.role_arn, **_local_credentials(container.principal)}
    return json_response(content, "application/json")


def _local_credentials(principal: Principal) -> dict[str, str | None]:
    return {
        "AccessKeyId": principal.access_key_id,
        "SecretAccessKey": principal.secret_access_key,
        "Token": principal.session_token,
        "Expiration": iso8601(principal.expires_at or 0),
    }


# From the operation to its answer

_SIGNED: Mapping[Operation, Callable[[AwsState, Principal, Request], Response]] = {
    Operation("ecr", "GetAuthorizationToken"): _get_authorization_token,
    Operation("ecr-public", "GetAuthorizationToken"): _get_public_authorization_token,
    Operation("sts", "AssumeRole"): _assume_role,
    Operation("sts", "GetCallerIdentity"): _get_caller_identity,
    Operation("iam", "PutUserPolicy"): _put_policy,
    Operation("iam", "PutRolePolicy"): _put_policy,
}
_UNSIGNED: Mapping[Operation, Callable[[AwsState, None, Request], Response]] = {
    Operation("sts", "AssumeRoleWithWebIdentity"): _assume_role_with_web_identity,
    Operation("sso", "GetRoleCredentials"): _get_role_credentials,
    Operation("sso-oidc", "RegisterClient"): _register_client,
    Operation("sso-oidc", "StartDeviceAuthorization"): _start_device_authorization,
    Operation("sso-oidc", "CreateToken"): _create_token,
    Operation("browser", "ConfirmDevice"): _confirm_device,
    Operation("imds", "GetMetadataToken"): _get_metadata_token,
    Operation("imds", "ListInstanceRoles"): _list_instance_roles,
    Operation("imds", "GetInstanceRoleCredentials"): _get_instance_role_credentials,
    Operation("imds", "GetInstanceIdentityDocument"): _get_instance_identity_document,
    Operation("container", "GetContainerCredentials"): _get_container_credentials,
}


def is_signed(operation: Operation) -> bool:
    """Whether the operation must be called with a signature."""
    return operation in _SIGNED or ecr_api.is_known(operation)


def perform(
    state: AwsState, operation: Operation, principal: Principal | None, request: Request
) -> Response:
    """Do what is asked for, and return the answer; AwsError if it is refused or not known.

    `principal` is who signed, as `authenticate` found out: given for a signed operation only.
    """
    if operation in _UNSIGNED:
        return _UNSIGNED[operation](state, None, request)
    if operation in _SIGNED and principal is not None:
        return _SIGNED[operation](state, principal, request)
    if ecr_api.is_known(operation) and principal is not None:
        return ecr_api.perform(state, operation, principal, request)
    if operation.service in ("registry", "s3"):
        return registry_http.perform(state, operation, request)
    code = {"sts": "InvalidAction", "imds": "Not Found"}.get(
        operation.service, "UnknownOperationException"
    )
    status = 404 if operation.service == "imds" else 400
    raise AwsError(
        status, code, f"The emulator does not know {request.method} {request.path} {operation.name}"
    )


def error_response(operation: Operation, error: AwsError) -> Response:
    """Write an error in the form of the API: XML, JSON of several kinds, or plain text."""
    headers = {"x-amzn-RequestId": str(uuid.uuid4())}
    match operation.service:
        case "registry" | "s3":
            return registry_http.error_response(operation, error)
        case "sts" | "iam":
            body = (
                f'<ErrorResponse xmlns="{_STS_NAMESPACE}"><Error><Type>Sender</Type>'
                f"{_tag('Code', error.code)}{_tag('Message', error.message)}</Error>"
                f"{_tag('RequestId', headers['x-amzn-RequestId'])}</ErrorResponse>"
            )
            return Response(error.status, "text/xml", body.encode(), headers)
        case "sso":
            headers["x-amzn-ErrorType"] = error.code
            kind = f"com.amazonaws.switchboard.portal#{error.code}"
            return json_response(
                {"message": error.message, "__type": kind},
                "application/json",
                error.status,
                headers,
            )
        case "sso-oidc":
            headers["x-amzn-ErrorType"] = error.code
            name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", error.code.removesuffix("Exception")).lower()
            content = {"error": name, "error_description": error.message}
            return json_response(content, "application/json", error.status, headers)
        case "imds" | "container" | "browser":
            return Response(
                error.status,
                "text/plain",
                f"{error.status} - {error.code}: {error.message}".encode(),
            )
        case _:
            content = {"__type": error.code, "message": error.message}
            return json_response(content, JSON, error.status, headers)
