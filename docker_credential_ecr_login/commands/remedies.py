"""What to do about a pull or push that is denied: commands and policy statements. Pure."""

import json
import re
from collections.abc import Sequence

from ..aws import session_policy
from ..aws.replies import Denial
from .situation import ANY, Situation, account_of

PULL = tuple(f"ecr:{name}" for name in session_policy.PULL)
"""What a pull needs."""

PUSH = tuple(f"ecr:{name}" for name in session_policy.PUSH)
"""What a push needs."""

CACHE = ("ecr:CreateRepository", "ecr:BatchImportUpstreamImage")
"""What imports an image by a pull-through cache rule; the registry's policy can allow it, too."""

IMPORT = (*CACHE, *PULL)
"""What the first pull through a cache rule needs."""

_SETS = {"pull": PULL, "push": PUSH, "import": IMPORT}
# A name in an ARN of IAM or STS; a shell needs no quotes for any of these characters.
_NAME = r"[\w+=,.@-]+"
_USER = re.compile(rf"arn:[\w-]+:iam::\d+:user/(?:{_NAME}/)*({_NAME})", re.ASCII)
_ROLE = re.compile(rf"arn:[\w-]+:sts::\d+:assumed-role/({_NAME})/\S*", re.ASCII)
_SSO_ROLE = "AWSReservedSSO_"


def needed(action: str) -> tuple[str, ...]:
    """Return the actions of which ``action`` is one, to allow them together."""
    return next((each for each in _SETS.values() if action in each), (action,))


def aws(situation: Situation, command: str) -> str:
    """Return a command of the AWS CLI for the registry's account and region."""
    line = f"aws {command} --region {situation.registry.region}"
    return line if situation.is_own else f"with credentials of account {situation.account}: {line}"


def allow(situation: Situation, principal: str, actions: Sequence[str]) -> str:
    """Return what allows ``actions`` on the repository to a principal, named by its ARN."""
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": situation.arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    user, role = _USER.fullmatch(principal), _ROLE.fullmatch(principal)
    if role and role[1].startswith(_SSO_ROLE):
        return f"allow it in the permission set of {role[1]}: {json.dumps(statement)}"
    if not (named := user or role):
        return f"allow it in an IAM policy: {json.dumps(statement)}"
    option, name = ("user" if user else "role"), named[1]
    # A policy of the same name would be replaced.
    purpose = next((key for key, each in _SETS.items() if each == tuple(actions)), "look")
    place = f"{situation.registry.region}-{situation.image.repository.replace('/', '+')}"
    return (
        f"aws iam put-{option}-policy --{option}-name {name} "
        f"--policy-name ecr-{purpose}-{place} --policy-document '{policy}'"
    )


def let_in(situation: Situation, denial: Denial) -> str:
    """Return the statement that allows an account into the repository, or allows its import."""
    registry, image = situation.registry, situation.image
    actions, resource = needed(denial.action), {}
    place = f"the policy of the repository {image.repository}"
    if denial.action in CACHE:
        prefix = situation.rule.get("ecrRepositoryPrefix", image.repository)
        names = "*" if prefix == ANY else f"{prefix}/*"
        resource = {"Resource": f"{situation.arn.removesuffix(image.repository)}{names}"}
        actions, place = CACHE, "the registry's permissions policy"
    who = f"arn:{registry.partition}:iam::{account_of(denial.principal)}:root"
    statement = {"Effect": "Allow", "Principal": {"AWS": who}, "Action": actions, **resource}
    return f"have account {situation.account} add to {place}: {json.dumps(statement)}"
