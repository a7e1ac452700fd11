"""`get_credentials`, in the process of another Python program."""

import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from docker_credential_ecr_login.cache.tokens import Cache, Entry
from docker_credential_ecr_login.identity import configured_identity
from tests.emulator import AwsEmulator
from tests.helper_process import HOST, PUBLIC, SECOND_ACCOUNT, HelperProcess
from tests.installation import PYTHON
from tests.tokens import asked


def run(helper: HelperProcess, code: str, **changes: str) -> Any:
    """Run a program, for which warnings are errors, and return what it leaves in ``result``."""
    program = (
        "import json\n"
        "from docker_credential_ecr_login import errors, get_credentials\n"
        f"{code}\n"
        "print(json.dumps(result))\n"
    )
    completed = subprocess.run(
        [str(PYTHON), "-W", "error", "-c", program],
        env=helper.environment(changes),
        cwd=helper.home,
        capture_output=True,
        text=True,
        start_new_session=True,
        timeout=60,
        check=False,
    )
    assert (completed.returncode, completed.stderr) == (0, ""), completed
    return json.loads(completed.stdout)


ANSWER = f"""
answer = get_credentials("https://{HOST}/v2/")
result = [answer.username, answer.secret, answer.expires_at, repr(answer)]
"""


def test_credentials(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """A program gets what ``get`` answers, and the expiry; its repr does not show the secret."""
    username, secret, expires_at, text = run(signed_in, ANSWER)
    assert username == "AWS"
    assert aws.accepts(secret)
    assert 11.9 * 3600 < expires_at - time.time() <= 12 * 3600
    assert secret not in text
    assert signed_in.get().secret == secret
    assert run(signed_in, ANSWER)[:3] == [username, secret, expires_at]
    assert aws.count("GetAuthorizationToken") == 1


@pytest.mark.parametrize(
    "state",
    [
        "dict(os.environ)",
        # but for those that the import of urllib3, which botocore needs, puts there
        "[each for each in warnings.filters if 'urllib3' not in each[2].__module__]",
        "gc.isenabled()",
        "logging.raiseExceptions, logging.root.handlers",
        "list(sys.path), os.getcwd()",
        "signal.getsignal(signal.SIGINT)",
    ],
)
def test_the_process_is_not_changed(signed_in: HelperProcess, state: str) -> None:
    """Environment, warnings, garbage collection, logging and signals stay the program's own."""
    code = (
        "import gc, logging, os, signal, sys, warnings\n"
        f"before = repr([{state}])\n"
        f"{ANSWER}\n"
        f"result = [before, repr([{state}])]\n"
    )
    before, after = run(signed_in, code, AWS_PROFILE="", AWS_CONFIG_FILE="")
    assert after == before


def test_threads_share_one_call(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """Many threads at once get the same token by one call to AWS."""
    code = f"""
from concurrent.futures import ThreadPoolExecutor
hosts = ["{HOST}", "{SECOND_ACCOUNT}"] * 8
with ThreadPoolExecutor(16) as pool:
    result = sorted({{answer.secret for answer in pool.map(get_credentials, hosts)}})
"""
    (secret,) = run(signed_in, code)
    assert aws.accepts(secret)
    assert aws.count("GetAuthorizationToken") == 1


def test_a_token_past_its_refresh_time(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """A token past its refresh time is answered, and replaced in a thread, not in a process."""
    old = run(signed_in, ANSWER)[1]
    environ = signed_in.environment()
    cache = Cache(str(signed_in.cache_directory), configured_identity(environ))
    request = asked()
    entry = cache.token(request)
    assert entry
    cache.store_token(request, Entry(old, entry.expires_at, refresh_at=int(time.time()) - 1))
    code = f"""
import os, threading
answer = get_credentials("{HOST}").secret
for thread in threading.enumerate():
    if thread is not threading.main_thread():
        thread.join()
try:
    os.waitpid(-1, os.WNOHANG)
    children = True
except ChildProcessError:
    children = False
result = [answer, get_credentials("{HOST}").secret, children]
"""
    answer, new, children = run(signed_in, code)
    assert (answer, children) == (old, False)
    assert new != old
    assert aws.accepts(new)
    assert aws.count("GetAuthorizationToken") == 2


@pytest.mark.parametrize(
    ("server_url", "changes", "error", "words"),
    [
        ("ghcr.io", {}, "NotAnEcrRegistry", "is not a registry of Amazon ECR"),
        (PUBLIC, {"AWS_ECR_PUBLIC_ANONYMOUS": "true"}, "NotAnEcrRegistry", "without credentials"),
        (HOST, {"AWS_PROFILE": "nobody"}, "BadConfiguration", 'profile "nobody"'),
        (HOST, {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "EndpointUnreachable", "127.0.0.1:1"),
        (HOST, {"AWS_ECR_CONFIG": "/nowhere"}, "BadConfiguration", "/nowhere"),
    ],
)
def test_errors(
    helper: HelperProcess, server_url: str, changes: dict[str, str], error: str, words: str
) -> None:
    """Each failure is one of the documented errors, with the line that people see."""
    changes = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "s", **changes}
    if "AWS_PROFILE" in changes:
        del changes["AWS_ACCESS_KEY_ID"], changes["AWS_SECRET_ACCESS_KEY"]
    code = f"""
try:
    get_credentials("{server_url}")
except errors.HelperError as error:
    result = [type(error).__name__, str(error)]
"""
    name, line = run(helper, code, **changes)
    assert name == error
    assert words in line
    assert "\n" not in line


def test_its_own_names_are_known(
    signed_in: HelperProcess, aws: AwsEmulator, tmp_path: Path
) -> None:
    """The config file also applies to programs."""
    path = tmp_path / "config.toml"
    path.write_text(f'[[registry]]\nmatch = "images.example.com"\nregistry = "{HOST}"\n')
    code = ANSWER.replace(HOST, "images.example.com")
    assert aws.accepts(run(signed_in, code, AWS_ECR_CONFIG=str(path))[1])


def test_no_thread_waits_for_a_caller_that_has_left(
    helper: HelperProcess, aws: AwsEmulator, tmp_path: Path
) -> None:
    """If the time is over before a code is asked for, the thread that would ask ends."""
    user = aws.add_user()
    (tmp_path / "keys").write_text(
        json.dumps(
            {
                "Version": 1,
                "AccessKeyId": user.access_key_id,
                "SecretAccessKey": user.secret_access_key,
            }
        )
    )
    helper.write_config(
        f"[profile base]\ncredential_process = sh -c \"sleep 1; cat '{tmp_path}/keys'\"\n"
        "[profile pull]\nsource_profile = base\nrole_arn = arn:aws:iam::111111111111:role/pull\n"
        "mfa_serial = arn:aws:iam::111111111111:mfa/dev\nmfa_process = echo 123456\n"
    )
    code = f"""
import threading, time
try:
    get_credentials("{HOST}")
except errors.AwsFailure as error:
    result = [str(error)]
deadline = time.monotonic() + 20
while threading.active_count() > 1 and time.monotonic() < deadline:  # each can start another
    for thread in threading.enumerate()[1:]:
        thread.join(1)
result.append(threading.active_count())
"""
    line, threads = run(helper, code, AWS_PROFILE="pull", AWS_ECR_TIMEOUT="0.5")
    assert re.search("no answer within|longer than the time limit of", line)
    assert threads == 1
