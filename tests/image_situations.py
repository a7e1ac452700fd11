"""What can keep somebody from an image: how each comes about, what doctor is to say, the remedy.

A remedy is carried out as it stands: a command is typed, a statement added where it says, an image
pulled under the name that it gives.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from tests.credential_sources import DEV, PULL
from tests.emulator import Fault
from tests.emulator.registry_http import PUBLIC_HOST, STORAGE
from tests.emulator.repositories import PUBLIC, CacheRule, Repository
from tests.helper_process import HOST, OTHER_REGION, SECOND_ACCOUNT
from tests.image_machine import IMAGE, OTHERS, ImageMachine

HUB = "registry-1.docker.io"
SECRET = "arn:aws:secretsmanager:us-east-1:111111111111:secret:ecr-pullthroughcache/hub-AbCdEf"
Seed = Callable[[ImageMachine], None]
Cure = Callable[[ImageMachine, str], str | None]
"""Carries out a remedy, and returns the image to pull then, None for the one that was named."""


@dataclass(frozen=True)
class Case:
    """A situation: with these ``arguments`` doctor's first failure is to be of that ``check``.

    All ``words`` are in its message, and all of ``remedy`` in its remedy.
    """

    seed: Seed
    image: str
    check: str
    words: tuple[str, ...]
    remedy: tuple[str, ...]
    cure: Cure
    push: bool = False

    @property
    def arguments(self) -> tuple[str, ...]:
        """The arguments of doctor."""
        return ("--push", self.image) if self.push else (self.image,)


# Cures


def typed(machine: ImageMachine, remedy: str) -> None:
    """Run the command, which may follow an alternative."""
    machine.type(remedy.rpartition("run: ")[2].rpartition("get a new one: ")[2])


def renamed(_: ImageMachine, remedy: str) -> str:
    """Use the image that the remedy names."""
    return re.sub(r"^(?:did you mean|pull) (.*?)\??$", r"\1", remedy)


def statement_added(machine: ImageMachine, remedy: str) -> None:
    """Add the statement to the policy of the repository of the other account."""
    statement = json.loads(remedy[remedy.index("{") :])
    others_app(machine).policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def endpoint_opened(machine: ImageMachine, remedy: str) -> None:
    """Add the statement to the policy of the VPC endpoint for S3."""
    statement = json.loads(remedy[remedy.index("{") :])
    assert statement["Resource"] == f"arn:aws:s3:::{STORAGE.partition('.')[0]}/*"
    machine.aws.registries.layers_are_closed_off = False


def let_through(machine: ImageMachine, _: str) -> None:
    """Allow the connections."""
    machine.aws.clear_faults()


def built_for_both(machine: ImageMachine, remedy: str) -> None:
    """Build and push the image for the platforms in the command."""
    (platforms,) = re.findall(r"buildx build --platform (\S+)", remedy)
    machine.app.add_image("1.4", platforms.split(","))


def pushed_again(machine: ImageMachine, _: str) -> None:
    """Push the image again."""
    machine.app.add_image("1.4")


# Situations


def others_app(machine: ImageMachine) -> Repository:
    """The repository team/app of another account."""
    registries = machine.aws.registries
    found = registries.find(OTHERS, "us-east-1", "team/app")
    if found is None:
        found = registries.add("team/app", OTHERS)
        found.add_image("1.4")
    return found


def hub(machine: ImageMachine, *, secret_is_good: bool = True) -> None:
    """Have a pull-through cache rule for Docker Hub."""
    images = frozenset({"library/redis:7"})
    machine.aws.registries.rules.append(CacheRule("hub", HUB, images, SECRET, secret_is_good))


def misspelt_repository(_: ImageMachine) -> None:
    """Ask for team/ap."""


def no_such_tag(_: ImageMachine) -> None:
    """Ask for a tag that was never pushed."""


def no_such_digest(_: ImageMachine) -> None:
    """Ask for a digest that is not there."""


def get_denied(machine: ImageMachine) -> None:
    """Have no policy that allows the manifest."""
    machine.deny("ecr:BatchGetImage")


def layers_denied(machine: ImageMachine) -> None:
    """Have no policy that allows the layers."""
    machine.deny("ecr:GetDownloadUrlForLayer")


def role_denied(machine: ImageMachine) -> None:
    """Use a role that may get a token, and no more."""
    arn = PULL.replace("222222222222", "111111111111")
    machine.aws.add_role(arn=arn, deny=["ecr:BatchGetImage", "ecr:GetRepositoryPolicy"])
    machine.helper.write_own_config(f'[[registry]]\nmatch = "{HOST}"\nrole_arn = "{arn}"\n')


def all_of_the_api_denied(machine: ImageMachine) -> None:
    """Have nothing but a token, so that nobody says more than the registry does."""
    names = ("DescribeRepositories", "GetRepositoryPolicy", "DescribePullThroughCacheRules")
    machine.deny("ecr:BatchGetImage", *(f"ecr:{name}" for name in names))


def closed_to_the_account(machine: ImageMachine) -> None:
    """Ask for an image of another account, whose repository has no policy."""
    others_app(machine)


def in_another_region(machine: ImageMachine) -> None:
    """Have pushed the image to another region."""
    machine.aws.registries.add("team/web", region="eu-west-1").add_image("1.4")


def for_another_platform(machine: ImageMachine) -> None:
    """Have built the image for two other platforms."""
    machine.app.add_image("1.4", ["linux/arm64", "linux/s390x"])


def upstream_secret_wrong(machine: ImageMachine) -> None:
    """Have a wrong token for Docker Hub in the secret of the rule."""
    hub(machine, secret_is_good=False)


def import_denied(machine: ImageMachine) -> None:
    """Not be allowed to import images of a rule's registry."""
    hub(machine)
    machine.deny("ecr:BatchImportUpstreamImage")


def creation_denied(machine: ImageMachine) -> None:
    """Not be allowed to create the repository that a rule brings."""
    hub(machine)
    machine.deny("ecr:CreateRepository")


def closed_off_from_s3(machine: ImageMachine) -> None:
    """Be in a network whose endpoint for S3 has a policy that leaves out the layers."""
    machine.aws.registries.layers_are_closed_off = True


def cut_off_from_s3(machine: ImageMachine) -> None:
    """Be in a network without access to S3."""
    machine.aws.fail("GetLayer", Fault(drop="before"))


def layer_lost(machine: ImageMachine) -> None:
    """Have lost all blobs of the repository."""
    machine.app.blobs.clear()


def token_of_another(machine: ImageMachine) -> None:
    """Have signed in by docker login with the token of another account."""
    other = "arn:aws:iam::333333333333:user/other"
    password, _ = machine.aws.issue_password(machine.aws.add_user(arn=other), "ecr", "us-east-1")
    assert machine.helper.store(HOST, password).status == 0


def missing_for_push(_: ImageMachine) -> None:
    """Push to a repository that does not exist."""


def template_not_for_pushes(machine: ImageMachine) -> None:
    """Have a creation template, but for pull-through caches only."""
    template = {"prefix": "team", "appliedFor": ["PULL_THROUGH_CACHE"]}
    machine.aws.registries.templates.append(template)


def upload_denied(machine: ImageMachine) -> None:
    """Have a policy that allows only pulls."""
    names = ("InitiateLayerUpload", "UploadLayerPart", "CompleteLayerUpload", "PutImage")
    machine.deny(*(f"ecr:{name}" for name in names))


def tag_immutable(machine: ImageMachine) -> None:
    """Push again with a tag of a repository whose tags are immutable."""
    machine.app.mutability = "IMMUTABLE"


def push_closed_to_the_account(machine: ImageMachine) -> None:
    """Push to a repository of another account that lets this one only look."""
    actions = ["ecr:DescribeRepositories", "ecr:BatchGetImage"]
    statement = {"Effect": "Allow", "Principal": "*", "Action": actions}
    others_app(machine).policy = json.dumps({"Statement": [statement]})


def public_tag_missing(machine: ImageMachine) -> None:
    """Ask ECR Public for a tag that is not there."""
    machine.aws.registries.add("nginx/nginx", PUBLIC).add_image("1.27")


def on_the_public(machine: ImageMachine, _: str) -> str:
    """Take a tag that is there."""
    assert machine.aws.registries.find(PUBLIC, "us-east-1", "nginx/nginx")
    return f"{PUBLIC_HOST}/nginx/nginx:1.27"


_DIGEST = f"sha256:{'0' * 64}"
_OTHERS_IMAGE = f"{SECOND_ACCOUNT}/team/app:1.4"
_IN_HUB = f"{HOST}/hub/library/redis:7"
_ROLE = "aws iam put-role-policy --role-name pull --policy-name ecr-"
_USER = "aws iam put-user-policy --user-name dev --policy-name ecr-"
_LET_IN = (
    f"have account {OTHERS} add to the policy of the repository team/app: ",
    '"Principal": {"AWS": "arn:aws:iam::111111111111:root"}',
)

CASES = [
    Case(
        misspelt_repository,
        f"{HOST}/team/ap:1.4",
        "repository",
        ("there is no repository team/ap in account 111111111111 in us-east-1; near it: team/a",),
        (f"did you mean {HOST}/team/a",),
        renamed,
    ),
    Case(
        no_such_tag,
        f"{HOST}/team/app:1.5",
        "image",
        ("team/app has no tag 1.5; its newest tags: 1.4, 1.3, 1.2",),
        (f"did you mean {HOST}/team/app:1.4?",),
        renamed,
    ),
    Case(
        no_such_digest,
        f"{HOST}/team/app@{_DIGEST}",
        "image",
        (f"team/app has no digest {_DIGEST}; its newest tags: 1.4, 1.3, 1.2",),
        (f"did you mean {HOST}/team/app:1.4?",),
        renamed,
    ),
    Case(
        get_denied,
        IMAGE,
        "image",
        (f"ecr:BatchGetImage is denied to {DEV} because no identity-based policy allows",),
        (_USER, "ecr:GetDownloadUrlForLayer"),
        typed,
    ),
    Case(
        layers_denied,
        IMAGE,
        "layer",
        (f"ecr:GetDownloadUrlForLayer is denied to {DEV} because no identity-based policy",),
        (_USER, '"Resource": "arn:aws:ecr:us-east-1:111111111111:repository/team/app"'),
        typed,
    ),
    Case(
        role_denied,
        IMAGE,
        "image",
        ("ecr:BatchGetImage is denied to arn:aws:sts::111111111111:assumed-role/pull/",),
        (_ROLE,),
        typed,
    ),
    Case(
        all_of_the_api_denied,
        IMAGE,
        "image",
        (f"ecr:BatchGetImage is denied to {DEV} because no identity-based policy allows",),
        (_USER,),
        typed,
    ),
    Case(
        closed_to_the_account,
        _OTHERS_IMAGE,
        "image",
        (f"ecr:BatchGetImage is denied to {DEV} because no resource-based policy allows",),
        _LET_IN,
        statement_added,
    ),
    Case(
        in_another_region,
        f"{HOST}/team/web:1.4",
        "repository",
        ("there is no repository team/web in account 111111111111 in us-east-1, but in eu-west-1",),
        (f"pull {OTHER_REGION}/team/web:1.4",),
        renamed,
    ),
    Case(
        for_another_platform,
        IMAGE,
        "platform",
        (f"{IMAGE} is for linux/arm64, linux/s390x, not for linux/amd64",),
        (
            "pull with --platform linux/arm64, ",
            f"docker buildx build --platform linux/arm64,linux/s390x,linux/amd64 --tag {IMAGE} ",
        ),
        built_for_both,
    ),
    Case(
        upstream_secret_wrong,
        _IN_HUB,
        "image",
        ("DENIED: The authentication to the upstream registry failed.", 'rule "hub", of ' + HUB),
        (f"aws secretsmanager put-secret-value --secret-id {SECRET} --secret-string ",),
        typed,
    ),
    Case(
        import_denied,
        _IN_HUB,
        "image",
        (f"ecr:BatchImportUpstreamImage is denied to {DEV} because no identity-based policy",),
        ("aws iam put-user-policy --user-name dev ", "ecr:CreateRepository"),
        typed,
    ),
    Case(
        creation_denied,
        _IN_HUB,
        "repository",
        (
            'the pull-through cache rule "hub" did not create hub/library/redis: ',
            "ecr:CreateRepository or ecr:BatchImportUpstreamImage is not allowed",
            f", or {HUB} has no library/redis",
        ),
        ("aws iam put-user-policy --user-name dev ", "ecr:CreateRepository"),
        typed,
    ),
    Case(
        closed_off_from_s3,
        IMAGE,
        "layer",
        (f"a layer cannot be downloaded from {STORAGE}: AccessDenied: Access Denied",),
        ("add to the policy of the VPC endpoint for S3: ", "s3:GetObject"),
        endpoint_opened,
    ),
    Case(
        cut_off_from_s3,
        IMAGE,
        "layer",
        (f"a layer cannot be downloaded from {STORAGE}: no answer: ",),
        (f"allow HTTPS to {STORAGE} in the firewall and the proxy (HTTPS_PROXY, NO_PROXY)",),
        let_through,
    ),
    Case(
        layer_lost,
        IMAGE,
        "layer",
        ("the layer sha256:", " is unavailable"),
        (f"push {IMAGE} again",),
        pushed_again,
    ),
    Case(
        token_of_another,
        IMAGE,
        "image",
        (f"the token belongs to arn:aws:iam::333333333333:user/other, not to {DEV}, and ",),
        (f"docker-credential-ecr-login logout {HOST}",),
        typed,
    ),
    Case(
        public_tag_missing,
        f"{PUBLIC_HOST}/nginx/nginx:1.28",
        "image",
        ("nginx/nginx has no tag 1.28",),
        ("check the tag",),
        on_the_public,
    ),
    Case(
        missing_for_push,
        f"{HOST}/team/new:1.0",
        "repository",
        ("there is no repository team/new in account 111111111111 in us-east-1",),
        ("aws ecr create-repository --repository-name team/new --region us-east-1",),
        typed,
        push=True,
    ),
    Case(
        template_not_for_pushes,
        f"{HOST}/team/new:1.0",
        "repository",
        ('in us-east-1, and the creation template "team" does not apply to pushes',),
        ("aws ecr create-repository --repository-name team/new --region us-east-1",),
        typed,
        push=True,
    ),
    Case(
        upload_denied,
        f"{HOST}/team/app:2.0",
        "upload",
        (f"ecr:InitiateLayerUpload is denied to {DEV} because no identity-based policy allows",),
        (_USER, "ecr:PutImage"),
        typed,
        push=True,
    ),
    Case(
        tag_immutable,
        IMAGE,
        "tag",
        ("the tag 1.4 already exists, and the tags of team/app are immutable",),
        (
            "push another tag, or run: aws ecr put-image-tag-mutability --repository-name team/app",
            " --image-tag-mutability MUTABLE --region us-east-1",
        ),
        typed,
        push=True,
    ),
    Case(
        push_closed_to_the_account,
        f"{SECOND_ACCOUNT}/team/app:2.0",
        "upload",
        (f"ecr:InitiateLayerUpload is denied to {DEV} because no resource-based policy allows",),
        _LET_IN,
        statement_added,
        push=True,
    ),
]
