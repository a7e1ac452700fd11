"""The credential helper that the config file names for registries that are not ECR.

Its output and its exit code are passed on unchanged, and it has our stderr. It is not asked about
ECR.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping

from .errors import BadConfiguration, HelperError
from .log import logger
from .subprocesses import TooMuchOutput, run_to_end

_MARK = "ECR_LOGIN_FALLBACK"  # set while a fallback runs, to notice if it is this helper itself


def ask(helper: str, action: str, frame: bytes, timeout: float) -> tuple[str, int]:
    """Return what ``docker-credential-<helper>`` prints for ``action``, and its exit code.

    ``frame`` is its stdin, ``timeout`` is in seconds. Raises `BadConfiguration` if it is
    missing, cannot be run, hangs, prints too much, or calls this program again.
    """
    program = f"docker-credential-{helper}"
    if _MARK in os.environ:
        raise BadConfiguration(
            f"the fallback {os.environ[_MARK]} calls this helper again",
            "name another fallback in config.toml",
        )
    path = shutil.which(program)
    if path is None:
        raise BadConfiguration(
            f"the fallback {program} is not on PATH",
            "install it, or correct fallback in config.toml",
        )
    try:
        status, output, _ = run_to_end(
            [path, action], timeout, stdin=frame, environ={**os.environ, _MARK: program}
        )
    except OSError as error:
        raise BadConfiguration(
            f"the fallback {program} cannot be run: {error.strerror}", f"correct {path}"
        ) from None
    except subprocess.TimeoutExpired:
        raise BadConfiguration(
            f"the fallback {program} did not answer within {timeout:g} seconds",
            "try it by hand, or increase AWS_ECR_TIMEOUT",
        ) from None
    except TooMuchOutput as error:
        raise BadConfiguration(
            f"the fallback {program} is not a credential helper: {error}",
            f"try it by hand: {path} {action}",
        ) from None
    return output.decode("utf-8", "surrogateescape"), status


def list_registries(
    helper: str, environ: Mapping[str, str], timeout: float
) -> tuple[dict[str, str], str]:
    """Return the registries that ``docker-credential-<helper>`` lists, with their user names.

    If it fails, there are none, and the second value says why, as the log does. ``timeout`` is in
    seconds.
    """
    registries, failure = None, f"list: the fallback {helper} gave an answer that makes no sense"
    try:
        answer, status = ask(helper, "list", b"unused", timeout)
        if status:
            failure = f"list: the fallback {helper} failed with exit code {status}"
        else:
            registries = json.loads(answer)
    except HelperError as error:
        failure = f"list: {error}"
    except (ValueError, RecursionError):
        pass
    if isinstance(registries, dict):
        return {str(host): str(user) for host, user in registries.items()}, ""
    logger(environ).error("%s", failure)
    return {}, failure
