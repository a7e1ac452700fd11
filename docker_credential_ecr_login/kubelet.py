"""``kubelet``: credentials for an image, by the protocol of kubelet's credential providers.

Reference: the types in ``k8s.io/kubelet/pkg/apis/credentialprovider``, and their caller in
``k8s.io/kubernetes/pkg/credentialprovider/plugin``.
"""

import json
import time

from . import protocol
from .actions import good_until, remark_on, token
from .errors import BadConfiguration, BadInput
from .reference import HOST, PATH
from .request import unconfigured
from .resolve import resolve
from .web_identity import web_identity

TYPE_CHECKING = False  # of typing, whose import would take a while
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .request import Request
    from .web_identity import WebIdentity

    Question = tuple[str, str, str, Mapping[str, str]]

ROLE_ANNOTATION = "eks.amazonaws.com/ecr-role-arn"
"""The annotation that names the role of a service account."""

_ROLE_VARIABLE = "AWS_ECR_ROLE_ARN"

VERSIONS = tuple(
    f"credentialprovider.kubelet.k8s.io/{version}" for version in ("v1", "v1beta1", "v1alpha1")
)
"""The versions of the protocol, the newest first; an answer has the version of its request."""

_DEFAULT_HOST = "docker.io"


def answer(frame: bytes, environ: "Mapping[str, str]") -> tuple[str, str, int]:
    """Answer with the credentials for the registry of an image; without any if it is not ECR.

    Returns what goes to stdout, a remark for stderr or "", and the exit code; ``frame`` is all of
    stdin. Raises `BadInput`.
    """
    version, host, jwt, annotations = _question(frame)
    request = None
    try:
        request = resolve(host, environ)
        if request.registry is None or request.is_anonymous:
            return _answer(version, {}, 0), "", 0
        if jwt:
            identity = _service_account(jwt, annotations, request)
            request = request.replaced(web_identity=identity)
        entry = token(request)
    except Exception as error:
        return "", remark_on(error, request or unconfigured(host, environ), host), 1
    now = int(time.time())
    found = {host: {"username": protocol.USERNAME, "password": entry.secret}}
    return _answer(version, found, good_until(entry, now) - now), "", 0


def _answer(version: str, auth: "Mapping[str, object]", seconds: int) -> str:
    """Return the line that gives ``auth``, which kubelet is to keep for those ``seconds``.

    They end when the token is due for a refresh: then kubelet asks again, so that no pull begins
    with a token in the second half of its life. An answer without credentials is not kept, because
    the config file may change.
    """
    fields = {
        "apiVersion": version,
        "kind": "CredentialProviderResponse",
        "cacheKeyType": "Registry",
        "cacheDuration": f"{max(0, seconds)}s",
        "auth": auth,
    }
    return json.dumps(fields) + "\n"


def _question(frame: bytes) -> "Question":
    """Return the request on stdin, checked: version, registry, token and annotations.

    The last two are empty if kubelet names no service account. Raises `BadInput`.
    """
    fields = protocol.json_object(frame, "the request is")
    version, kind = fields.get("apiVersion"), fields.get("kind")
    if version not in VERSIONS:
        known = ", ".join(VERSIONS)
        raise BadInput(f"the apiVersion must be one of {known}, not {_shown(version)}")
    if kind != "CredentialProviderRequest":
        raise BadInput(f"the kind must be CredentialProviderRequest, not {_shown(kind)}")
    jwt = fields.get("serviceAccountToken") or ""
    annotations = fields.get("serviceAccountAnnotations") or {}
    if not isinstance(jwt, str):
        raise BadInput("the serviceAccountToken must be a JSON string")
    if not isinstance(annotations, dict) or not all(
        isinstance(value, str) for value in annotations.values()
    ):
        raise BadInput("the serviceAccountAnnotations must be a JSON object of strings")
    return str(version), _host(fields.get("image")), jwt, annotations


def _host(image: object) -> str:
    """Return the registry that an image names, as it is written there. Raises `BadInput`."""
    if isinstance(image, str):
        host, slash, path = image.partition("/")
        # What Docker takes for a host; all else is the beginning of a name at Docker Hub.
        if not slash or not (set(".:") & set(host) or host == "localhost" or host != host.lower()):
            host, path = _DEFAULT_HOST, image
        if HOST.fullmatch(host) and PATH.fullmatch(path):
            return host
    raise BadInput(f"the image must be a reference such as {_EXAMPLE}, not {_shown(image)}")


_EXAMPLE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/app:1"


def _service_account(
    jwt: str, annotations: "Mapping[str, str]", request: "Request"
) -> "WebIdentity":
    """Return the service account of the pod, with the role to assume. Raises `HelperError`."""
    from .config_values import REGISTRY, checked

    identity, settings = web_identity(jwt), request.settings
    source, role = settings.config_file, settings.role_arn
    if ROLE_ANNOTATION in annotations:
        source, role = f"the annotation {ROLE_ANNOTATION}", annotations[ROLE_ANNOTATION]
    elif variable := request.environ.get(_ROLE_VARIABLE):
        source, role = _ROLE_VARIABLE, variable
    elif not role:
        raise BadConfiguration(
            f"{identity.named} has no role",
            f"give it the annotation {ROLE_ANNOTATION}, or set {_ROLE_VARIABLE}, or role_arn in "
            "config.toml",
        )
    return identity.assuming(checked(role, REGISTRY["role_arn"], source), source)


def _shown(value: object) -> str:
    from .config_values import shown
    from .redaction import one_line

    return shown(value) if isinstance(value, str) else one_line(json.dumps(value))
