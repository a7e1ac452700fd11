"""Questions as clients ask them, and others."""

from itertools import pairwise
from typing import TypeVar

from hypothesis import strategies as st

from docker_credential_ecr_login.cache.records import OUR_SELECTORS
from docker_credential_ecr_login.identity import SELECTORS
from tests.differential.machine import IGNORER, NO_PROCESS, REAPER, Question
from tests.helper_process import HOST, SECOND_ACCOUNT

PIECES = (
    *("", "\0", "\n", "\r", "\r\n", " ", "\t", "\x7f", "\x1b", "é", "１", "。"),  # noqa: RUF001
    *("/", "//", "../", ":", ":443", ".", "-", "_", "%2e", "@", "\\", "http://", "https://"),
    *("*", "?", "[a-z]", "$(true)", "`true`", "$HOME", "'", '"', ";", ",", "&", "A", "1", "list"),
)
"""What can stand in a name, or in the place of some of it."""

NAMES = (HOST, SECOND_ACCOUNT, f"https://{HOST}", f"{HOST}/app", "https://index.docker.io/v1/")
OTHER_NAMES = ("ghcr.io", "localhost:5000", "größe.example", "", "\n", f"{HOST}.evil.example")

T = TypeVar("T")

_NOISE = (
    *((name, "en_US.UTF-8") for name in ("LANG", "LC_ALL", "LC_CTYPE")),
    *((name, "C.UTF-8") for name in ("LANG", "LC_ALL")),
    *((f"{shell}_VERSION", "5.2.15(1)-release") for shell in ("BASH", "KSH", "ZSH", "YASH")),
    *((name, "/nonexistent") for name in ("ENV", "CDPATH", "FPATH", "ZDOTDIR")),
    *((name, "*") for name in ("GLOBIGNORE", "FIGNORE", "EXECIGNORE", "PS4", "POSIXLY_CORRECT")),
    *((name, "1") for name in ("FUNCNEST", "TMOUT", "BASH_COMPAT", "BASH_XTRACEFD", "COLUMNS")),
    *((name, "x") for name in ("IFS", "PWD", "OLDPWD", "HISTFILE", "SHELL", "NULLCMD")),
    *((f"_ecr_{name}", "x") for name in ("answer", "found", "line", "record", "self", "stdin")),
    *((f"BASH_FUNC_{name}%%", "() { echo x; }") for name in ("[", "echo", "od", "read", "stat")),
    ("BASH_FUNC_command%%", "() { echo x; }"),
    ("PATH", ""),
    ("PATH", None),
    ("PATH", "/nonexistent"),
    ("AWS_ECR_STRICT", "true"),
)
# Not AWS_ECR_DISABLE_CACHE, with which each answer is another one. Nothing leaves the home.
_SELECTING: tuple[tuple[str, str | None], ...] = (
    *((name, "x") for name in OUR_SELECTORS if name != "AWS_ECR_DISABLE_CACHE"),
    *((name, "") for name in (*OUR_SELECTORS, *SELECTORS) if name != "HOME"),
    ("AWS_ECR_CONFIG", "/nonexistent"),
    ("XDG_CONFIG_HOME", "/nonexistent"),
    ("AWS_VAULT", "dev"),
    ("AWS_SSO_PROFILE", "a|b"),
    ("AWS_ENDPOINT_URL_STS", "http://user:hunter2@127.0.0.1/"),
    ("AWS_ROLE_SESSION_NAME", "$HOME"),
    ("AWS_ROLE_SESSION_NAME", "two\nlines"),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "hunter2"),
)


@st.composite
def near_names(draw: st.DrawFn) -> str:
    """Return the name of the registry with some characters in place of others."""
    name = HOST
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(name)))
        length = draw(st.sampled_from([0, 0, 1, 2]))
        name = name[:start] + draw(st.sampled_from(PIECES)) + name[start + length :]
    return name


def _weighted(*strategies: st.SearchStrategy[T]) -> st.SearchStrategy[T]:
    """Return any of the strategies, more often if it is given more often.

    `hypothesis.strategies.one_of` counts each once.
    """
    return st.sampled_from(strategies).flatmap(lambda strategy: strategy)


def _frames() -> st.SearchStrategy[bytes]:
    names = st.sampled_from(NAMES)
    ends = st.sampled_from(["", "", "\n", "\r\n", " \n", "\n\n", "\0"])
    plain = st.builds(lambda name, end: f"{name}{end}".encode(), names, ends)
    return _weighted(
        plain,
        plain,
        plain,
        near_names().map(str.encode),
        st.sampled_from(OTHER_NAMES).map(str.encode),
        st.binary(max_size=40),
        st.builds(lambda name, size: name.encode().ljust(size), names, st.integers(120, 140)),
        st.sampled_from([b"a" * 66_000, b"\n" * 66_000 + HOST.encode()]),
    )


@st.composite
def questions(draw: st.DrawFn, *, survives: bool) -> Question:
    """Return a question; for a shell that ``survives``, it may be one without further processes."""
    frame = draw(_frames())
    is_long = len(frame) > 4000
    through = draw(st.sampled_from(["pipe"] if is_long else ["pipe", "socket", "file", "terminal"]))
    places = sorted(draw(st.lists(st.integers(0, len(frame)), max_size=2)))
    bounds = [0, *places, len(frame)]
    before = [(), (), REAPER, IGNORER, *([NO_PROCESS] if survives else [])]
    noise = st.lists(st.sampled_from(_NOISE), max_size=2, unique_by=lambda pair: pair[0])
    selecting = st.sampled_from(_SELECTING).map(lambda pair: [pair])
    changes = draw(_weighted(*[noise] * 9, selecting))
    return Question(
        pieces=tuple(frame[start:end] for start, end in pairwise(bounds)),
        through=through,
        blocking=draw(st.booleans()),
        changes=tuple(changes),
        before=draw(st.sampled_from(before)),
    )
