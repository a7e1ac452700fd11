"""The registry by HTTP, as clients ask it, and the storage of its layers.

Sources: the OCI distribution specification; the Amazon ECR User Guide, "Private registry
authentication" (Basic, with the token); and what is cited at the functions. Assumed is what says
so there. Of all repositories:

401, "Not Authorized"   https://github.com/mdlavin/copy-docker-image/issues/5
"denied: User: …"       https://github.com/everything2/everything2/issues/2562 (pull),
                        https://github.com/aws-actions/amazon-ecr-login/issues/232 (push)
with HTTP 403           https://github.com/aws-samples/bedrock-access-gateway/issues/114
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from typing import TYPE_CHECKING

from tests.emulator.answers import json_response
from tests.emulator.model import AwsError, Operation, Request, Response
from tests.emulator.repositories import (
    PUBLIC,
    CacheRule,
    Repository,
    digest_of,
    no_repository,
    refusal,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.emulator.model import Principal
    from tests.emulator.state import AwsState

PUBLIC_HOST = "public.ecr.aws"
STORAGE = "prod-us-east-1-starport-layer-bucket.s3.us-east-1.amazonaws.com"
"""Where layers are kept: https://github.com/awsdocs/amazon-ecr-user-guide/issues/24."""
PUBLIC_STORAGE = "d5l0dvt14r5h8.cloudfront.net"
"""And those of ECR Public: https://github.com/docker/sbx-releases/issues/525."""

_HOST = re.compile(r"(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com")
_PATH = re.compile(r"/v2/(.+?)/(manifests|blobs(?:/uploads)?)/([^/]*)")
_SIGNATURE = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=3600&X-Amz-Signature=0"


def identify(request: Request) -> Operation | None:
    """Return what a request to a registry or its storage asks for, None for one to others."""
    host = _host(request)
    if host in (STORAGE, PUBLIC_STORAGE):
        return Operation("s3", "GetLayer")
    if host != PUBLIC_HOST and not _HOST.fullmatch(host):
        return None
    found = _PATH.fullmatch(request.path)
    kind = found[2] if found else request.path
    name = {
        ("GET", "/v2/"): "CheckVersion",
        ("GET", "/token/"): "GetToken",
        ("GET", "manifests"): "GetManifest",
        ("HEAD", "manifests"): "GetManifest",
        ("PUT", "manifests"): "PutManifest",
        ("GET", "blobs"): "GetBlob",
        ("HEAD", "blobs"): "HeadBlob",
        ("POST", "blobs/uploads"): "StartUpload",
        ("PATCH", "blobs/uploads"): "UploadPart",
        ("PUT", "blobs/uploads"): "FinishUpload",
        ("DELETE", "blobs/uploads"): "CancelUpload",
    }.get((request.method, kind), "unknown")
    return Operation("registry", name)


def perform(state: AwsState, operation: Operation, request: Request) -> Response:
    """Answer; AwsError if it is refused."""
    if operation.name == "GetLayer":
        return _get_layer(state, request)
    if operation.name not in ("unknown", *_NO_REPOSITORY, *_IN_REPOSITORY):
        raise AwsError(404, "UNSUPPORTED", "The operation is unsupported.")
    principal = _signed_in(state, operation, request)
    if operation.name == "GetToken":
        return json_response({"token": state.issue_password(principal, "public", "")[0]})
    if operation.name == "CheckVersion":
        return json_response({}, "application/json", headers={})
    found = _PATH.fullmatch(request.path)
    if found is None:
        raise AwsError(404, "UNSUPPORTED", "The operation is unsupported.")
    name, reference = found[1], found[3]
    account_id, region = _registry(request)
    repository = state.registries.find(account_id, region, name)
    if operation.name == "GetManifest":
        repository = _imported(state, principal, account_id, region, name, reference) or repository
    arn = f"arn:aws:ecr:{region}:{account_id}:repository/{name}"
    function, action = _IN_REPOSITORY[operation.name]
    policy = repository.policy if repository else None
    if said := refusal(principal, action, arn, account_id, policy):
        raise AwsError(403, "DENIED", said)
    if repository is None:
        raise no_repository(account_id, name, "NAME_UNKNOWN")
    return function(state, repository, reference, request)


def error_response(operation: Operation, error: AwsError) -> Response:
    """Write an error as registries do, or as S3 does."""
    if operation.service == "s3":
        body = f"<Error><Code>{error.code}</Code><Message>{error.message}</Message></Error>"
        return Response(error.status, "application/xml", body.encode())
    headers = {}
    if error.code == "Basic":
        headers["WWW-Authenticate"] = f'Basic realm="{error.message}",service="ecr.amazonaws.com"'
        return Response(401, "text/plain; charset=utf-8", b"Not Authorized\n", headers)
    if error.code == "Bearer":
        realm, service = f"https://{PUBLIC_HOST}/token/", PUBLIC_HOST
        headers["WWW-Authenticate"] = f'Bearer realm="{realm}",service="{service}",scope="aws"'
    content = {"errors": [{"code": error.code, "message": error.message}]}
    return json_response(content, "application/json", error.status, headers)


def _host(request: Request) -> str:
    return (request.header("host") or "").removesuffix(":443")


def _registry(request: Request) -> tuple[str, str]:
    found = _HOST.fullmatch(_host(request))
    return (found[1], found[2]) if found else (PUBLIC, "us-east-1")


def _signed_in(state: AwsState, operation: Operation, request: Request) -> Principal:
    """Return whose token a request carries; ECR Public hands out tokens of nobody, too.

    What ECR Public says to a password in place of a token of its own:
    https://github.com/kreuzwerker/terraform-provider-docker/pull/666; with 400, and with 401 to
    nothing at all: https://github.com/lablup/backend.ai/pull/2549. Its challenge is assumed.
    """
    scheme, _, value = (request.header("authorization") or "").partition(" ")
    is_public = _host(request) == PUBLIC_HOST
    if operation.name == "GetToken" and not value:
        return state.nobody
    secret = value if scheme == "Bearer" else b64decode(value).decode().partition(":")[2]
    issued = state.issued(secret)
    wanted = "Bearer" if is_public and operation.name != "GetToken" else "Basic"
    if wanted == "Bearer" and value and (issued is None or scheme != wanted):
        raise AwsError(400, "DENIED", "Your Authorization Token is invalid.")
    if issued is None or scheme != wanted or not state.accepts(secret):
        raise AwsError(401, wanted, f"https://{_host(request)}/")
    return state.principal_named(issued.principal or "")


def _imported(
    state: AwsState, principal: Principal, account_id: str, region: str, name: str, reference: str
) -> Repository | None:
    """Return what a pull-through cache rule brings, None if none applies.

    Needed are ecr:CreateRepository and ecr:BatchImportUpstreamImage: the User Guide, "IAM
    permissions required to sync an upstream registry". That the former's lack shows as a
    repository that is not there, and the latter's as a denial, is assumed. A wrong secret:
    https://github.com/aws/containers-roadmap/issues/2354 (its words, after "denied").
    """
    registries = state.registries
    rule = registries.rule_for(account_id, region, name)
    repository = registries.find(account_id, region, name)
    if rule is None or (repository and repository.digest_of(reference)):
        return None
    if repository is None and "ecr:CreateRepository" in principal.deny:
        raise no_repository(account_id, name, "NAME_UNKNOWN")
    arn = f"arn:aws:ecr:{region}:{account_id}:repository/{name}"
    if said := refusal(principal, "ecr:BatchImportUpstreamImage", arn, account_id):
        raise AwsError(403, "DENIED", said)
    if not rule.secret_is_good:
        raise AwsError(
            403,
            "DENIED",
            "The authentication to the upstream registry failed. Verify that the credentials "
            "provided in the pull through cache rule are correct, and try again.",
        )
    return _import(state, rule, name, reference)


def _import(state: AwsState, rule: CacheRule, name: str, reference: str) -> Repository | None:
    registries = state.registries
    found = registries.find(rule.account_id, rule.region, name)
    if f"{name.removeprefix(f'{rule.prefix}/')}:{reference}" not in rule.images:
        return found
    repository = found or registries.add(name, rule.account_id, rule.region)
    repository.add_image(reference)
    return repository


def _get_manifest(_: AwsState, repository: Repository, reference: str, _r: Request) -> Response:
    """Answer a manifest; that it is not there: https://github.com/nginx/docker-nginx/issues/545."""
    digest = repository.digest_of(reference)
    if digest is None:
        raise AwsError(404, "MANIFEST_UNKNOWN", "Requested image not found")
    media_type, content = repository.manifests[digest]
    return Response(200, media_type, content, {"Docker-Content-Digest": digest})


def _put_manifest(_: AwsState, repository: Repository, tag: str, request: Request) -> Response:
    """Keep a manifest; of an immutable tag: https://github.com/osscontainertools/kaniko/pull/204.

    The status of that error is assumed.
    """
    digest = digest_of(request.body)
    is_immutable = repository.mutability.startswith("IMMUTABLE")
    if is_immutable and repository.tags.get(tag, digest) != digest:
        raise AwsError(
            400,
            "TAG_INVALID",
            f"The image tag '{tag}' already exists in the '{repository.name}' repository and "
            "cannot be overwritten because the tag is immutable.",
        )
    media_type = request.header("content-type") or ""
    repository.put_manifest(request.body, media_type, None if ":" in tag else tag)
    return Response(201, "text/plain", b"", {"Docker-Content-Digest": digest})


def _get_blob(_: AwsState, repository: Repository, digest: str, request: Request) -> Response:
    """Send clients to where layers are kept.

    By 307, as `GetDownloadUrlForLayer` answers a URL that is signed already; that ECR's redirect
    is of just this form is assumed.
    """
    blob = _blob(repository, digest)
    if request.method == "HEAD":
        return Response(200, "application/octet-stream", blob)
    storage = PUBLIC_STORAGE if repository.account_id == PUBLIC else STORAGE
    location = f"https://{storage}/{digest.removeprefix('sha256:')}?{_SIGNATURE}"
    return Response(307, "application/octet-stream", b"", {"Location": location})


def _blob(repository: Repository, digest: str) -> bytes:
    if digest not in repository.blobs:
        raise AwsError(404, "BLOB_UNKNOWN", "blob unknown to registry")
    return repository.blobs[digest]


def _get_layer(state: AwsState, request: Request) -> Response:
    """Answer as S3 does: the User Guide of S3, "Error responses", for both errors."""
    if request.header("authorization") is not None:
        raise AwsError(400, "InvalidArgument", "Only one auth mechanism allowed")
    if state.registries.layers_are_closed_off:
        raise AwsError(403, "AccessDenied", "Access Denied")
    digest = f"sha256:{request.path.strip('/')}"
    every = state.registries.repositories.values()
    blob = next((each.blobs[digest] for each in every if digest in each.blobs), None)
    if blob is None:
        raise AwsError(404, "NoSuchKey", "The specified key does not exist.")
    if request.header("range") == "bytes=0-0":
        size = {"Content-Range": f"bytes 0-0/{len(blob)}"}
        return Response(206, "application/octet-stream", blob[:1], size)
    return Response(200, "application/octet-stream", blob)


def _start_upload(state: AwsState, repository: Repository, _: str, request: Request) -> Response:
    upload = state.registries.start_upload()
    return _upload_response(202, request, repository, upload)


def _upload_part(
    state: AwsState, repository: Repository, upload: str, request: Request
) -> Response:
    """Take a part; that ECR answers with 201: https://github.com/openai/tart/issues/273."""
    _upload(state, upload).extend(request.body)
    return _upload_response(201, request, repository, upload)


def _finish_upload(
    state: AwsState, repository: Repository, upload: str, request: Request
) -> Response:
    content = _upload(state, upload)
    content.extend(request.body)
    del state.registries.uploads[upload]
    digest = repository.put_blob(bytes(content))["digest"]
    return Response(201, "text/plain", b"", {"Docker-Content-Digest": digest})


def _cancel_upload(state: AwsState, _: Repository, upload: str, _r: Request) -> Response:
    """End an upload. That ECR can, as the specification of Docker's registry has it, is assumed."""
    _upload(state, upload)
    del state.registries.uploads[upload]
    state.registries.cancelled.append(upload)
    return Response(204, "text/plain", b"")


def _upload(state: AwsState, upload: str) -> bytearray:
    if upload not in state.registries.uploads:
        raise AwsError(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
    return state.registries.uploads[upload]


def _upload_response(
    status: int, request: Request, repository: Repository, upload: str
) -> Response:
    """Answer with the place: https://github.com/regclient/regclient/issues/81."""
    size = json.dumps(0)
    location = f"https://{_host(request)}/v2/{repository.name}/blobs/uploads/{upload}"
    headers = {"Location": location, "Docker-Upload-UUID": upload, "Range": f"0-{size}"}
    return Response(status, "text/plain", b"", headers)


_NO_REPOSITORY = ("CheckVersion", "GetToken")
_IN_REPOSITORY: Mapping[
    str, tuple[Callable[[AwsState, Repository, str, Request], Response], str]
] = {
    "GetManifest": (_get_manifest, "ecr:BatchGetImage"),
    "PutManifest": (_put_manifest, "ecr:PutImage"),
    "GetBlob": (_get_blob, "ecr:GetDownloadUrlForLayer"),
    "HeadBlob": (_get_blob, "ecr:BatchCheckLayerAvailability"),
    "StartUpload": (_start_upload, "ecr:InitiateLayerUpload"),
    "UploadPart": (_upload_part, "ecr:UploadLayerPart"),
    "FinishUpload": (_finish_upload, "ecr:CompleteLayerUpload"),
    "CancelUpload": (_cancel_upload, "ecr:InitiateLayerUpload"),
}
"""What is done, and which action is needed for it (README, "Permissions")."""
