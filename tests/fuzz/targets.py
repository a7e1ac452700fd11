"""What is fuzzed: each target takes any bytes, and fails if a promise is broken."""

import atexit
import json
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import create_parser

from docker_credential_ecr_login import protocol
from docker_credential_ecr_login.aws.attempt import Attempt
from docker_credential_ecr_login.aws.client import _token
from docker_credential_ecr_login.aws.session import explained
from docker_credential_ecr_login.cache import tokens
from docker_credential_ecr_login.commands import json_text, toml_text
from docker_credential_ecr_login.commands.edits import edit_client
from docker_credential_ecr_login.commands.plans import Plan
from docker_credential_ecr_login.config import parse_text
from docker_credential_ecr_login.errors import BadConfiguration, BadInput, HelperError
from docker_credential_ecr_login.registry import identify, parse
from docker_credential_ecr_login.resolve import under
from tests.tokens import asked

HOST = "111111111111.dkr.ecr.us-east-1.amazonaws.com"

# Written anew from the documentation, to be compared with what `registry` makes of a host.
_ECR = re.compile(
    r"[0-9]{12}\.dkr(?:\.ecr|-ecr)(?:-fips)?\.[a-z0-9][a-z0-9-]*"
    r"\.(?:amazonaws\.com|on\.aws|amazonaws\.com\.cn|on\.amazonwebservices\.com\.cn"
    r"|amazonaws\.eu|c2s\.ic\.gov|sc2s\.sgov\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov)"
)
_PUBLIC = ("public.ecr.aws", "ecr-public.aws.com")
_ERRORS = (BadConfiguration, BadInput)


def server_url(data: bytes) -> None:
    """Only exact host names of ECR are registries, in any spelling that means no other host."""
    text = data.decode(errors="surrogateescape")
    registry, name = identify(text)
    if registry is None:
        assert parse(name) is None
        return
    authority = re.sub(r"^https?://", "", text.strip(), flags=re.IGNORECASE).partition("/")[0]
    host, _, port = authority.partition(":")
    assert registry.host == name == host.lower().removesuffix(".")
    assert _ECR.fullmatch(registry.host) or registry.host in _PUBLIC
    assert re.fullmatch(r"[0-9]{0,5}", port)
    again = parse(registry.host)
    assert again
    assert (again.endpoint, again.registry_id) == (registry.endpoint, registry.registry_id)


def frame(data: bytes) -> None:
    """Whatever is on stdin is understood, or refused in one line without its content."""
    for read in (protocol.server_url, protocol.credentials):
        try:
            found = read(data)
        except BadInput as error:
            _check_line(error)
            continue
        answer = json.loads(protocol.get_answer(found if isinstance(found, str) else found[0], "x"))
        assert answer["Secret"] == "x"


def cache_file(data: bytes) -> None:
    """A token is what was written, whole, or there is none."""
    text = data.decode(errors="surrogateescape")
    found = tokens._parsed(text)  # noqa: SLF001 - of which every byte can be chosen here
    if found is None:
        return
    entry, key = found
    lines = f"{int(entry.expires_at)}\n{int(entry.refresh_at)}\n{entry.secret}\n{key}"
    assert lines.split("\n")[2:] == text.split("\n")[3:]


def own_config(data: bytes) -> None:
    """The config file is understood, or refused in one line that names it; so are edits of it."""
    text = data.decode(errors="replace")
    try:
        config = parse_text(text, "config.toml")
    except BadConfiguration as error:
        _check_line(error, "config.toml")
        return
    assert all("\n" not in value for value in config.settings(HOST).values.values())
    under(config.settings(HOST), asked(HOST))
    with suppress(BadConfiguration):
        added, _ = toml_text.with_registry(text, "config.toml", [HOST], {"profile": "fuzz"})
        assert parse_text(added, "config.toml").settings(HOST).profile == "fuzz"


def docker_config(data: bytes) -> None:
    """Docker's configuration is edited so that all else in it stays, or refused in one line."""
    text = data.decode(errors="replace")
    plan = Plan((HOST,), {})
    try:
        edited = edit_client(text, "config.json", plan, "").text
    except BadConfiguration as error:
        _check_line(error, "config.json: ")
        return
    helpers = json_text.field(json_text.load(edited, ""), "credHelpers")[1]
    assert helpers[HOST] == "ecr-login"
    assert edit_client(edited, "config.json", plan, "").text == edited
    before, after = (_without_helper(each) for each in (text if text.strip() else "{}", edited))
    assert before == after
    json_text.masked(edited, "config.json")


def _check_line(error: HelperError, start: str = "") -> None:
    assert str(error).startswith(start)
    assert "\n" not in str(error)


def _without_helper(text: str) -> list[tuple[str, Any]]:
    """What a JSON text says but for the entry that is edited, in its order."""
    fields = json.loads(text, object_pairs_hook=list, parse_float=str, parse_int=str)
    kept = []
    for key, value in fields:
        if key.casefold() == "credhelpers":
            helpers = [pair for pair in value or [] if pair[0] != HOST]
            kept += [(key, helpers)] if helpers else []
        else:
            kept.append((key, value))
    return kept


def aws_answer(data: bytes) -> None:
    """An answer of AWS gives a token that can be used, or a failure in one line."""
    response = {"status_code": 200, "headers": {}, "body": data}
    now = time.time()
    try:
        with explained(Attempt(asked(HOST, _ENVIRON), phase="call")):
            token = _token(create_parser("json").parse(response, _SHAPE), "env", now)
    except HelperError as error:
        _check_line(error)
        return
    entry = token.entry
    assert protocol.is_plain(entry.secret)
    assert now < entry.expires_at <= now + tokens.MAX_TOKEN_LIFETIME
    assert entry.refresh_at <= entry.expires_at


# Where a line names the log, which must be possible: not in the home of whoever runs this.
_ENVIRON = {"AWS_ECR_CACHE_DIR": tempfile.mkdtemp()}
atexit.register(shutil.rmtree, _ENVIRON["AWS_ECR_CACHE_DIR"])
_SHAPE: Any = (
    ServiceModel(Loader().load_service_model("ecr", "service-2"))
    .operation_model("GetAuthorizationToken")
    .output_shape
)

TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (server_url, frame, cache_file, own_config, docker_config, aws_answer)
}
