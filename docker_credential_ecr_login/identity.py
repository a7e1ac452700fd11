"""Whose token: the configuration in effect that decides the AWS identity.

Read from the environment and from the state of the configuration files, never
from AWS and never from the contents of those files: this runs before every
cached answer. Two configurations that could mean two principals, or two
endpoints, never give the same text; a change of any of them gives another.
"""

import sys

try:
    from posix import geteuid, stat
except ImportError:  # Windows
    from os import stat

    geteuid = None  # type: ignore[assignment]

TYPE_CHECKING = False  # of typing, whose import would cost more than a whole answer
if TYPE_CHECKING:
    from collections.abc import Mapping

SELECTORS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_CONFIG_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CREDENTIAL_FILE",
    "AWS_DATA_PATH",
    "AWS_DEFAULT_PROFILE",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
    "AWS_EC2_METADATA_V1_DISABLED",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_ECR",
    "AWS_ENDPOINT_URL_ECR_PUBLIC",
    "AWS_ENDPOINT_URL_SIGNIN",
    "AWS_ENDPOINT_URL_SSO",
    "AWS_ENDPOINT_URL_SSO_OIDC",
    "AWS_ENDPOINT_URL_STS",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_IMDS_USE_IPV6",
    "AWS_LOGIN_CACHE_DIRECTORY",
    "AWS_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_SDK_LOAD_CONFIG",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "BOTO_CONFIG",
)
"""The environment variables that select credentials or endpoint, by the botocore
documentation ("Credentials", "Configuration") and its ``configprovider`` and
``credentials`` modules. None of them holds a secret, but for the user part or
query of a URL, of which a digest is taken."""

PROFILE_VARIABLES = ("AWS_DEFAULT_PROFILE", "AWS_PROFILE")
"""Those that name a profile, in botocore's order."""

_FILES = (
    ("AWS_CONFIG_FILE", "~/.aws/config"),
    ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
    ("BOTO_CONFIG", "~/.boto"),
    ("", "/etc/boto.cfg"),
    ("AWS_CREDENTIAL_FILE", ""),
)


def configured_identity(environ: "Mapping[str, str]") -> str:
    """Return a text that is equal for two processes exactly when their configuration is.

    Holds the selecting environment variables that are set, and for each
    configuration file its path, size (bytes), inode, and times of modification and of
    change (nanoseconds), as git's index does.
    """
    parts = [f"{name}={without_secret(environ[name])}" for name in SELECTORS if name in environ]
    # A key whose secret is missing is another configuration than a whole one.
    parts.append(f"secret={'AWS_SECRET_ACCESS_KEY' in environ}")
    # One address gives out the credentials of each of several containers, by their tokens.
    if token := environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN"):
        parts.append(f"container={_digest(token)}")
    if geteuid is not None:  # files of another user are not believed, nor are theirs of ours
        parts.append(f"user={geteuid()}")
    parts += [_file_state(path) for path in configuration_files(environ)]
    return "\0".join(parts)  # the one character that no environment variable holds


def named_profile(environ: "Mapping[str, str]") -> str:
    """Return the profile that the environment names, empty if none; empty variables name none."""
    for name in PROFILE_VARIABLES:
        if profile := environ.get(name):
            return profile
    return ""


def configuration_files(environ: "Mapping[str, str]") -> list[str]:
    """Return the paths of the files that can say who asks AWS: botocore's, and our own."""
    paths = [environ.get(name) or default for name, default in _FILES]
    return [*(expand(path, environ) for path in paths if path), *_own_files(environ)]


def config_file(environ: "Mapping[str, str]") -> str | None:
    """Return the path of the helper's own config file in effect, None if there is none.

    The first that exists; what ``AWS_ECR_CONFIG`` names is expected to.
    """
    for path in _own_files(environ):
        if not environ.get("AWS_ECR_CONFIG"):
            try:
                stat(path)
            except (OSError, ValueError):
                continue
        return path
    return None


def users_config_file(environ: "Mapping[str, str]") -> str:
    """Return the path of the helper's config file for this user, whether it exists or not."""
    return _own_files(environ)[0]


def _own_files(environ: "Mapping[str, str]") -> list[str]:
    """Return where the helper's own config file can be.

    ``AWS_ECR_CONFIG``, else in platformdirs' directories for the configuration of a user and
    of a site, without the import of platformdirs, which would cost more than a cached answer.
    """
    if path := environ.get("AWS_ECR_CONFIG"):
        return [expand(path, environ)]
    if sys.platform == "win32":
        user, site = environ.get("LOCALAPPDATA", ""), environ.get("ALLUSERSPROFILE", "")
    else:
        is_mac = sys.platform == "darwin"
        user = environ.get("XDG_CONFIG_HOME", "")
        if user[:1] != "/":  # which the XDG Base Directory Specification has ignored
            user = expand("~/Library/Application Support" if is_mac else "~/.config", environ)
        sites = [each for each in environ.get("XDG_CONFIG_DIRS", "").split(":") if each[:1] == "/"]
        default = "/Library/Application Support" if is_mac else "/etc/xdg"
        site = sites[0] if sites else default
    return [f"{directory}/ecr-login/config.toml" for directory in (user, site) if directory]


def fingerprint(text: str) -> str:
    """Return a short file name for ``text``.

    It is an address only: what is found there must be compared with the whole
    text. A remainder by the Mersenne prime 2**127 - 1, because importing hashlib would
    take longer than all the rest of a cached answer.
    """
    number = int.from_bytes(text.encode("utf-8", "surrogateescape"), "big")
    return f"{number % (2**127 - 1):032x}"


def is_fingerprint(name: str) -> bool:
    """Say whether ``name`` can be one that `fingerprint` returns."""
    return len(name) == 32 and frozenset("0123456789abcdef").issuperset(name)


def expand(path: str, environ: "Mapping[str, str]") -> str:
    """Return ``path`` with a leading ``~`` and ``$VARIABLES`` replaced, as botocore does."""
    home = environ.get("HOME")
    if "$" not in path:
        if not path.startswith("~"):
            return path
        if home and path.startswith("~/"):
            return home.rstrip("/") + path[1:]
    import os.path

    return os.path.expanduser(os.path.expandvars(path))


def without_secret(value: str) -> str:
    """Return ``value``, or its digest if it is a URL that can hold a password."""
    if "://" not in value or not ("@" in value or "?" in value):
        return value
    return _digest(value)


def _digest(secret: str) -> str:
    import hashlib

    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def _file_state(path: str) -> str:
    try:
        state = stat(path)
    except (OSError, ValueError):
        return f"{path} absent"
    # The second time: `cp --preserve` may give all the others to another content.
    return f"{path} {state.st_size} {state.st_ino} {state.st_mtime_ns} {state.st_ctime_ns}"
