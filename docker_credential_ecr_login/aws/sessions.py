"""The sessions of assumed roles, and of people who signed in, where the AWS CLI keeps them.

An MFA code that was typed for ``aws`` counts here, and vice versa. Directory, names and format of
the files are those of the CLI: ``customizations/assumerole.py`` of awscli, and ``credentials.py``
and ``utils.py`` of its copy of botocore.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha1
from typing import Any

from botocore.utils import JSONFileCache, parse_timestamp

from ..cache.storage import is_guest, write_text
from ..log import logger

_DIRECTORY = "~/.aws/cli/cache"
_FIELDS = ("AccessKeyId", "Expiration", "SecretAccessKey", "SessionToken")


class SessionCache:
    """What botocore uses of a cache; it is only read unless ``keep``.

    Unlike botocore's own, it writes whole files or none, and a file that is not valid is a miss.
    """

    def __init__(self, *, keep: bool) -> None:
        self._keep = keep
        self._last = ""

    def has_last(self) -> bool:
        """Say whether the session that was last asked for exists now."""
        return self._last in self

    def __contains__(self, key: str) -> bool:
        self._last = key
        try:
            self[key]
        except KeyError:
            return False
        return True

    def __getitem__(self, key: str) -> Any:
        try:
            with open(self._path(key), encoding="utf-8") as file:
                answer = json.load(file)
            if all(isinstance(answer["Credentials"][field], str) for field in _FIELDS):
                parse_timestamp(answer["Credentials"]["Expiration"])
                return answer
        except (OSError, ValueError, TypeError, LookupError, RecursionError):
            pass
        raise KeyError(key)

    def __setitem__(self, key: str, answer: Any) -> None:
        if not self._keep:
            return
        with suppress(OSError):  # then the next one assumes the role again
            path = self._path(key)
            if not path.startswith("~") and not is_guest(os.environ):  # in a home of our own
                write_text(path, json.dumps(answer, default=_written), checked=False)

    def _path(self, key: str) -> str:
        return f"{os.path.expanduser(_DIRECTORY)}/{key}.json"


class WebIdentitySessions(SessionCache):
    """Sessions named by the identity token, too, so that none is used with another token.

    The CLI's copy of botocore does so; botocore itself does not. ``settings`` are those of the
    profile, over which the variables in ``environ`` win.
    """

    def __init__(
        self, settings: Mapping[str, str], environ: Mapping[str, str], *, keep: bool
    ) -> None:
        super().__init__(keep=keep)
        self._token_file, self._role, self._session_name = (
            environ.get(f"AWS_{name.upper()}", settings.get(name, ""))
            for name in ("web_identity_token_file", "role_arn", "role_session_name")
        )

    def _path(self, key: str) -> str:  # noqa: ARG002 - the one without the token
        with open(self._token_file, encoding="utf-8") as file:
            arguments = {"RoleArn": self._role, "WebIdentityToken": file.read()}
        if self._session_name:
            arguments["RoleSessionName"] = self._session_name
        digest = sha1(json.dumps(arguments, sort_keys=True).encode())  # noqa: S324  # nosec B324 - a name
        return super()._path(digest.hexdigest())


class SignIns(JSONFileCache):
    """Where ``aws sso login`` and ``aws login`` keep the sessions that botocore renews.

    It can be read-only, as in a container with somebody's home in it. Then a renewed session is
    used once, and not kept. A valid SSO token is not renewed there: AWS may accept its refresh
    token only once, and the owner of the home would lose it.
    """

    def __init__(self, directory: str, environ: Mapping[str, str]) -> None:
        super().__init__(directory, dumps_func=written_sign_in)
        self._directory = directory
        self._environ = environ

    def __getitem__(self, key: str) -> Any:
        """Return the session for a ``key``, without its refresh token if it must not be renewed."""
        found: Any = super().__getitem__(key)
        end = found.get("expiresAt")
        if (
            end
            and not os.access(self._directory, os.W_OK)
            and parse_timestamp(end) > datetime.now(UTC)
        ):
            found.pop("refreshToken", None)
        return found

    def __setitem__(self, key: str, value: Any) -> None:
        """Keep a renewed session, if possible."""
        try:
            super().__setitem__(key, value)
        except OSError as error:
            logger(self._environ).warning("the renewed session cannot be kept: %s", error)


def written_sign_in(entry: Mapping[str, Any]) -> str:
    """Return the text of a file of `SignIns`."""
    return json.dumps(entry, default=_in_utc)


def _in_utc(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S%Z")
