"""Whose token: the configuration in effect that decides the AWS identity.

Read from the environment and from the configuration files, never from AWS: this
runs before every cached answer. Two configurations that could mean two principals,
or two endpoints, never give the same text; a change of any of them gives another.
"""

import sys

try:
    import posix as system
except ImportError:  # Windows
    import os as system  # type: ignore[no-redef]

TYPE_CHECKING = False  # of typing, whose import would cost more than a whole answer
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .errors import BadConfiguration

SELECTORS = (
    "AWSRUNAS_PROFILE",
    "AWSUME_PROFILE",
    "AWSU_PROFILE",
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
    "AWS_OKTA_PROFILE",
    "AWS_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_SDK_LOAD_CONFIG",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_SSO_PROFILE",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_VAULT",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "BOTO_CONFIG",
)
"""The environment variables that select credentials or endpoint: those that botocore reads,
according to its source, and those in which aws-runas, awsume, awsu, aws-okta, aws-sso and aws-vault
name their profile. (Some of these serve credentials at the same address for all profiles.) What
changes with every shell or job is not here: secrets, expirations, ids of jobs. None of them holds
a secret, except the user part or query of a URL, of which a digest is taken."""

SECRETS = ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_SECRET_ACCESS_KEY")
"""The variables that must not be written down, but whose presence makes a difference, too."""

PROFILE_OPTION = "--profile"
"""The key of an environment for the profile that this option, and no variable, has named."""

PROFILE_VARIABLES = ("AWS_DEFAULT_PROFILE", "AWS_PROFILE")
"""The variables that name a profile, in botocore's order."""

_FILES = (
    ("AWS_CONFIG_FILE", "~/.aws/config"),
    ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
    ("BOTO_CONFIG", "~/.boto"),
    ("", "/etc/boto.cfg"),
    ("AWS_CREDENTIAL_FILE", ""),
)


def configured_identity(environ: "Mapping[str, str]") -> str:
    """Return a text that is equal for two processes only if their configuration is.

    Holds the user, the selecting environment variables that are set, and for each configuration
    file its path, mode, inode, times of modification and of change (nanoseconds), and a digest
    of its content, which can change while the times do not. Raises `BadConfiguration` if a
    file exists, or may exist, and cannot be read.
    """
    parts = [f"{name}={without_secret(environ[name])}" for name in SELECTORS if name in environ]
    # A key whose secret is missing is another configuration than a whole one.
    parts.append(f"secret={'AWS_SECRET_ACCESS_KEY' in environ}")
    # One address gives out the credentials of each of several containers, by their tokens.
    if token := environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN"):
        parts.append(f"container={_digest_of_text(token)}")
    if hasattr(system, "geteuid"):  # users do not trust each other's files
        parts.append(f"user={system.geteuid()}")
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
    """Return the path of the config.toml in effect, None if there is none.

    That is the first that exists, or what ``AWS_ECR_CONFIG`` names even if it does not. Raises
    `BadConfiguration` if it is not known whether one exists.
    """
    for path in _own_files(environ):
        try:
            if environ.get("AWS_ECR_CONFIG") or not is_absent(path):
                return path
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from None
    return None


def users_config_file(environ: "Mapping[str, str]") -> str:
    """Return the path of this user's config.toml, whether it exists or not."""
    return _own_files(environ)[0]


def _own_files(environ: "Mapping[str, str]") -> list[str]:
    """Return where config.toml can be.

    That is ``AWS_ECR_CONFIG``, or else in platformdirs' directories for the configuration of a
    user and of a site. (Importing platformdirs would take longer than a cached answer.)
    """
    if path := environ.get("AWS_ECR_CONFIG"):
        return [expand(path, environ)]
    if sys.platform == "win32":
        user, site = environ.get("LOCALAPPDATA", ""), environ.get("ALLUSERSPROFILE", "")
    else:
        is_mac = sys.platform == "darwin"
        user = environ.get("XDG_CONFIG_HOME", "")
        if user[:1] != "/":  # the XDG Base Directory Specification says to ignore it
            user = expand("~/Library/Application Support" if is_mac else "~/.config", environ)
        sites = [each for each in environ.get("XDG_CONFIG_DIRS", "").split(":") if each[:1] == "/"]
        default = "/Library/Application Support" if is_mac else "/etc/xdg"
        site = sites[0] if sites else default
    return [f"{directory}/ecr-login/config.toml" for directory in (user, site) if directory]


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
    return _digest_of_text(value)


def _digest_of_text(text: str) -> str:
    return _digest(text.encode("utf-8", "surrogateescape"))


def is_absent(path: str) -> bool:
    """Say whether nothing is at ``path``, not even a link whose target is missing.

    Raises OSError if that is not known, and for a directory that is a link without a target;
    ValueError if it cannot be a path.
    """
    try:
        system.lstat(path)
    except NotADirectoryError:
        return True
    except FileNotFoundError:
        parent = path.rpartition("/")[0]
        if parent and not is_absent(parent):
            system.stat(parent)
        return True
    return False


def is_regular(state: "system.stat_result") -> bool:
    """Say whether that is a regular file: not a directory, pipe or device."""
    return state.st_mode & 0o170000 == 0o100000  # of stat(2)


def _file_state(path: str) -> str:
    try:
        if is_absent(path):
            return f"{path} absent"
        state = system.stat(path)
        # botocore does not read what is not a file, such as /dev/null.
        content = _content(path) if is_regular(state) else b""
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    times = f"{state.st_mtime_ns} {state.st_ctime_ns}"
    return f"{path} {state.st_mode:o} {state.st_ino} {times} {_digest(content)}"


def _content(path: str) -> bytes:
    descriptor = system.open(path, system.O_RDONLY | getattr(system, "O_BINARY", 0))
    try:
        content = b""
        while block := system.read(descriptor, 2**20):
            content += block
        return content
    finally:
        system.close(descriptor)


def _unreadable(path: str, error: Exception) -> "BadConfiguration":
    from .errors import BadConfiguration

    if isinstance(error, FileNotFoundError):
        return BadConfiguration(
            f"{error.filename} is a link whose target does not exist",
            "mount the target, or remove the link",
        )
    reason = getattr(error, "strerror", None) or "this cannot be the name of a file"
    return BadConfiguration(
        f"{path} cannot be read: {reason}", "make it readable for the user who runs this"
    )


def _digest(content: bytes) -> str:
    # What hashlib uses, without loading OpenSSL as it does, which takes longer than an answer.
    try:
        from _sha2 import sha256
    except ImportError:
        try:
            from _sha256 import sha256  # Python 3.11
        except ImportError:
            from hashlib import sha256
    return str(sha256(content).hexdigest())
