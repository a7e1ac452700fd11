"""GetAuthorizationToken, sent while botocore is imported, which takes longer than AWS does.

For CI jobs: the environment holds the keys, and nothing else can decide who asks, or how. A token
counts only if boto3's provider chain then finds exactly these keys. Any other result takes the
place of botocore's first try, to report or to retry. The general path works without this module.
"""

import hmac
import json
import re
import sys
import time
from contextlib import suppress
from hashlib import sha256
from http.client import OK, HTTPSConnection
from threading import Thread
from typing import TYPE_CHECKING, Any

from .. import process
from ..deadline import Deadline
from ..identity import configuration_files, expand, is_absent
from ..protocol import NAME, __version__
from ..request import Request
from .wire import CONNECT_TIMEOUT, MAX_SIZE, READ_TIMEOUT, context_for_aws

if TYPE_CHECKING:
    from .attempt import Attempt

# What in NAME=VALUE can change who asks, or how: every AWS_* but those known not to.
_DECISIVE = re.compile(
    r"(?i)AWS_(?!ECR_|((ACCESS_KEY|ACCOUNT)_ID|DEFAULT_(OUTPUT|REGION)|EC2_METADATA_DISABLED"
    r"|EXECUTION_ENV|PAGER|REGION|ROLE_ARN|SECRET_ACCESS_KEY|SESSION_TOKEN)=)"
    "|[^=]*_proxy=|SSL_CERT_|REQUESTS_CA_BUNDLE="
)


def send_ahead(request: Request) -> "SentAhead | None":
    """Send what botocore will ask for; None if that is not certain."""
    with suppress(OSError, ValueError, RuntimeError):  # from files, texts, and a lack of threads
        if process.is_ours and (sent := foreseen(request)):
            sys.setswitchinterval(0.0005)  # each step of a handshake waits that long
            sent.start()
            return sent
    return None


def foreseen(request: Request) -> "SentAhead | None":
    """Return botocore's request, if the environment alone decides it. Raises OSError."""
    environ, ecr = request.environ, request.ecr
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    key, secret, token = keys = tuple(environ.get(name, "") for name in names)
    is_sure = (
        all([key, secret, re.fullmatch("[!-~]*", key + token)])
        and sys.platform not in ("darwin", "win32")  # whose settings can name a proxy
        and (ecr.endpoint, request.signer) == (f"aws.{ecr.region}.ecr", "")
        and not any(_DECISIVE.match(f"{name}={value}") for name, value in environ.items())
        and all(map(is_absent, [*configuration_files(environ), expand("~/.aws/models", environ)]))
    )
    return SentAhead(ecr.region, keys) if is_sure else None


class SentAhead(Thread):
    """The request. ``result`` is status, headers and body, or the error, or None if not sent."""

    def __init__(self, region: str, keys: tuple[str, ...]) -> None:
        super().__init__(daemon=True)
        self.result: tuple[int, dict[str, str], bytes] | Exception | None = None
        self._keys = keys
        self._is_confirmed = False
        self.host = f"api.ecr.{region}.amazonaws.com"
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        self.headers = signed_headers(self.host, region, keys, moment)

    def run(self) -> None:
        """Send it, if the server has a certificate that botocore's bundle trusts."""
        is_sent = False
        try:
            aws = HTTPSConnection(self.host, timeout=CONNECT_TIMEOUT, context=context_for_aws())
            aws.connect()
            aws.sock.settimeout(READ_TIMEOUT)
            is_sent = True
            aws.request("POST", "/", "{}", self.headers)
            found = aws.getresponse()
            self.result = found.status, dict(found.getheaders()), found.read(MAX_SIZE + 1)
        except Exception as error:
            # botocore will meet what keeps it from being sent, but must not wait as long again.
            self.result = error if is_sent or isinstance(error, TimeoutError) else None

    def answer(self, attempt: "Attempt", deadline: Deadline) -> Any:
        """Return the answer in botocore's form; None without one, or if its chain has others."""
        from botocore.utils import parse_timestamp

        from .providers import credential_chain

        with suppress(Exception):  # which botocore will meet in its own session
            chain, _ = credential_chain(_session(), attempt, str, deadline)
            credentials: Any = chain.load_credentials()
            key, secret, token = credentials.get_frozen_credentials()[:3]
            self._is_confirmed = (key, secret, token or "") == self._keys
            if self._is_confirmed:
                self.join()
                status, _, body = self.result  # type: ignore[misc]  # or there is no answer
                answer = json.loads(body) if status == OK and len(body) <= MAX_SIZE else {}
                for data in answer["authorizationData"]:
                    data["expiresAt"] = parse_timestamp(data["expiresAt"])
                attempt.method = credentials.method
                return answer
        return None

    def take(self, request: Any, **_: object) -> Any:
        """Return or raise the result, once, in place of the result of botocore's request."""
        from .http import received

        result, self.result = self.result, None
        if result and self._is_confirmed and request.url == f"https://{self.host}/":
            return received(result, request)
        return None


def _session() -> Any:
    """Return the parts of a session that botocore's provider chain needs without AWS files."""
    from botocore.configprovider import ConfigValueStore, create_botocore_default_config_mapping

    session: Any = ConfigValueStore()
    session.full_config, session.user_agent = {"profiles": {}}, str
    session.create_client = session.get_scoped_config = session.instance_variables = dict
    for variable in create_botocore_default_config_mapping(session).items():
        session.set_config_provider(*variable)
    return session


def signed_headers(host: str, region: str, keys: tuple[str, ...], moment: str) -> dict[str, str]:
    """Return the headers, signed as in AWS's "Signature Version 4 signing process".

    ``keys`` are id, secret and session token, if any; the ``moment`` is like 20261128T235959Z.
    """
    key, secret, token = keys
    headers = {"content-type": "application/x-amz-json-1.1", "host": host, "x-amz-date": moment}
    headers |= {"x-amz-security-token": token} if token else {}
    headers["x-amz-target"] = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"
    names, lines = ";".join(headers), "".join(f"{name}:{headers[name]}\n" for name in headers)
    request = f"POST\n/\n\n{lines}\n{names}\n{sha256(b'{}').hexdigest()}"
    scope = f"{moment[:8]}/{region}/ecr/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{sha256(request.encode()).hexdigest()}"
    signature = f"AWS4{secret}".encode()
    for part in (*scope.split("/"), text):
        signature = hmac.digest(signature, part.encode(), "sha256")
    credential = f"AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={names}"
    headers["authorization"] = f"{credential}, Signature={signature.hex()}"
    return {**headers, "user-agent": f"{NAME}/{__version__}"}
