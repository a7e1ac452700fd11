"""What is asked of the real AWS and of the emulator, in the same words."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.helper_process import PUBLIC, HelperProcess, Outcome

_SUFFIXES = {"cn-": ("amazonaws.com.cn", "on.amazonwebservices.com.cn")}
_UNKNOWN_KEY = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "x" * 40}


@dataclass(frozen=True)
class Question:
    """A run of the executable: its arguments, what is on stdin, and further variables.

    ``config`` is the text of the helper's own config file, None for the one that there is.
    """

    name: str
    arguments: tuple[str, ...]
    stdin: str = ""
    changes: dict[str, str] = field(default_factory=dict)
    config: str | None = None

    def ask(self, helper: HelperProcess, directory: Path) -> Outcome:
        """Ask it without a token in the cache; ``directory`` is empty, and not used again."""
        changes = {**self.changes, "AWS_ECR_CACHE_DIR": str(directory / "cache")}
        if self.config is not None:
            path = directory / "config.toml"
            path.write_text(self.config)
            changes["AWS_ECR_CONFIG"] = str(path)
        return helper.run(*self.arguments, stdin=self.stdin, changes=changes)


def questions(account: str, region: str, role_arn: str = "", image: str = "") -> Iterator[Question]:
    """Yield what is asked with one way to credentials, of the registries of an account.

    ``role_arn`` is one that may be assumed, ``image`` one that is there, REPOSITORY:TAG; both are
    empty if there is none to try.
    """
    suffix, dual_stack = _SUFFIXES.get(region[:3], ("amazonaws.com", "on.aws"))
    host = f"{account}.dkr.ecr.{region}.{suffix}"
    yield _get("the registry of the account", host)
    yield _get("ECR Public", PUBLIC)
    if region.startswith("us-"):
        yield _get("its FIPS name", f"{account}.dkr.ecr-fips.{region}.{suffix}")
    yield _get("its dual-stack name", f"{account}.dkr-ecr.{region}.{dual_stack}")
    yield _get("a registry of nobody's", f"000000000000.dkr.ecr.{region}.{suffix}")
    yield Question("list", ("list",), changes={"AWS_REGION": region})
    yield Question("login", ("login", host, "--output", "json"))
    yield Question("doctor", ("doctor", host, "--json"))
    missing = f"{host}/no-such-repository:1"
    yield Question("doctor, an image that is not there", ("doctor", missing, "--json"))
    if image:
        yield Question("doctor, an image", ("doctor", f"{host}/{image}", "--json"))
    yield replace(_get("an access key that AWS does not know", host), changes=_UNKNOWN_KEY)
    table = f'[[registry]]\nmatch = "*"\nrole_arn = "arn:aws:iam::{account}:role/no-such-role"\n'
    yield replace(_get("a role that does not exist", host), config=table)
    if role_arn:
        for access in ("pull", "push"):
            table = f'[[registry]]\nmatch = "*"\nrole_arn = {json.dumps(role_arn)}\n'
            table += f'access = "{access}"\nrepositories = ["no/such/*"]\n'
            yield replace(_get(f"a role with access to {access}", host), config=table)


def _get(name: str, host: str) -> Question:
    return Question(name, ("get",), host)
