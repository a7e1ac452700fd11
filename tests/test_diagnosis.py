"""What doctor concludes from the answers about an image, without network or processes."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_credential_ecr_login.aws.replies import Reply, http_reply
from docker_credential_ecr_login.commands import diagnosis, images
from docker_credential_ecr_login.commands.findings import Finding
from docker_credential_ecr_login.commands.images import Image
from docker_credential_ecr_login.commands.situation import Situation, longest, same_principal
from docker_credential_ecr_login.errors import BadInput
from docker_credential_ecr_login.registry import parse
from tests.helper_process import HOST

DEV = "arn:aws:iam::111111111111:user/dev"
ROLE = "arn:aws:sts::111111111111:assumed-role/pull/session-1"
SSO = "arn:aws:sts::111111111111:assumed-role/AWSReservedSSO_Dev_0123456789abcdef/me"
FOREIGN = "arn:aws:iam::222222222222:user/other"
GET = "ecr:BatchGetImage"
REPOSITORY = "arn:aws:ecr:us-east-1:111111111111:repository/team/app"
DIGEST = f"sha256:{'a' * 64}"
RULE = {"ecrRepositoryPrefix": "hub", "upstreamRegistryUrl": "registry-1.docker.io"}


def denial(reason: str, principal: str = DEV, action: str = GET) -> Reply:
    """Return a denial, as the registry words it."""
    message = f"User: {principal} is not authorized to perform: {action} on resource: {REPOSITORY}"
    return Reply("DENIED", f"{message}{reason}")


def unallowed(policy: str, action: str = GET) -> str:
    """Return the reason that no policy of a kind allows it."""
    return f" because no {policy} allows the {action} action"


def situation(principal: str = DEV, repository: str = "team/app", /, **replies: Reply) -> Situation:
    """Return a situation with these replies."""
    registry = parse(HOST)
    assert registry
    image = Image(HOST, repository, "1.4")
    return Situation(image, registry, principal, "linux/amd64", replies)


def first(found: Situation, *, push: bool = False) -> Finding:
    """Return the first finding that has not passed, or the last of all."""
    findings = list((diagnosis.push if push else diagnosis.pull)(found))
    return next((each for each in findings if each.status != "passed"), findings[-1])


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        (unallowed("identity-based policy"), "aws iam put-user-policy --user-name dev "),
        ("", "aws iam put-user-policy --user-name dev "),
        (unallowed("resource-based policy"), "have account 111111111111 add to the policy of the"),
        (unallowed("session policy"), f" on {REPOSITORY} in that session policy"),
        (unallowed("permissions boundary"), f" on {REPOSITORY} in that permissions boundary"),
        (unallowed("VPC endpoint policy"), f" on {REPOSITORY} in that VPC endpoint policy"),
        (
            unallowed("service control policy"),
            f"ecr:GetDownloadUrlForLayer on {REPOSITORY} in that service control policy",
        ),
        (
            " with an explicit deny in a service control policy",
            "remove the deny from that service control policy, or add an exception to it",
        ),
        (
            " with an explicit deny in an identity-based policy",
            "remove the deny from that identity-based policy, or",
        ),
        (
            " with an explicit deny in a resource-based policy",
            "remove the deny from that resource-based policy (NotForDev), or",
        ),
        (" with an explicit deny", "remove the deny from that policy, or"),
    ],
)
def test_whose_rule_it_is(reason: str, remedy: str) -> None:
    """The remedy is for the kind of policy that AWS's message names."""
    statements = [{"Effect": "Deny", "Sid": "NotForDev"}, {"Effect": "Allow", "Sid": "Others"}]
    policy = Reply(content={"policyText": json.dumps({"Statement": statements})})
    found = first(situation(manifest=denial(reason), get_repository_policy=policy))
    assert (found.check, found.status) == ("image", "failed")
    assert found.message == f"{GET} is denied to {DEV}{reason}"
    assert remedy in found.remedy


@pytest.mark.parametrize(
    ("principal", "remedy"),
    [
        (
            ROLE,
            "aws iam put-role-policy --role-name pull --policy-name ecr-pull-us-east-1-team+app ",
        ),
        (SSO, "allow it in the permission set of AWSReservedSSO_Dev_0123456789abcdef: {"),
        ("arn:aws:iam::111111111111:user/a/b/dev", "aws iam put-user-policy --user-name dev "),
        ("arn:aws:iam::111111111111:root", "allow it in an IAM policy: {"),
        ("arn:aws:iam::111111111111:user/$(id)", "allow it in an IAM policy: {"),
        ("arn:aws:sts::111111111111:assumed-role/`id`/x", "allow it in an IAM policy: {"),
    ],
)
def test_who_is_allowed(principal: str, remedy: str) -> None:
    """The remedy fits the kind of principal, and no name can put another command into it."""
    reply = denial(unallowed("identity-based policy"), principal)
    found = first(situation(principal, manifest=reply))
    assert found.remedy.startswith(remedy)
    assert not re.search(r"[`$]", found.remedy)


@pytest.mark.parametrize(
    ("principal", "is_other"),
    [(DEV, True), (ROLE.replace("session-1", "s"), False), (FOREIGN, True), ("", False)],
)
def test_a_token_of_somebody_else(principal: str, is_other: bool) -> None:
    """A token is somebody else's if the denial names another user or role, in any session."""
    reply = denial(unallowed("identity-based policy"), ROLE)
    found = first(situation(principal, manifest=reply))
    assert ("the token belongs to" in found.message) == is_other
    assert (found.remedy == f"docker-credential-ecr-login logout {HOST}") == is_other


@pytest.mark.parametrize(
    ("replies", "words"),
    [
        ({"manifest": Reply("TOOMANYREQUESTS", "Rate exceeded")}, "TOOMANYREQUESTS: Rate exceeded"),
        ({"manifest": Reply("HTTP 503")}, f"the answer for {HOST}/team/app:1.4 is HTTP 503"),
        ({"manifest": Reply("DENIED", "Kms says no")}, "DENIED: Kms says no"),
        (
            {"manifest": Reply("HTTP 500"), "batch_get_image": Reply("KmsError", "no key")},
            "is HTTP 500, or KmsError: no key",
        ),
        (
            {"manifest": Reply("HTTP 500"), "batch_get_image": Reply("UpstreamUnavailable")},
            "cannot pull team/app itself: UpstreamUnavailable",
        ),
        ({"manifest": Reply()}, "is not a manifest"),
        (
            {"manifest": Reply("HTTP 403"), "batch_get_image": denial(unallowed("session policy"))},
            "because no session policy allows",
        ),
        (
            {
                "manifest": denial(unallowed("identity-based policy")),
                "describe_repositories": Reply("RepositoryNotFoundException"),
            },
            "there is no repository team/app",
        ),
        (
            {"manifest": Reply("DENIED", "name 'upstream/x' is bad")},
            "DENIED: name 'upstream/x' is bad",
        ),
        ({"manifest": Reply("UpstreamUnavailable")}, "cannot pull team/app itself: UpstreamUnav"),
        (
            {"manifest": Reply(content={"manifests": []}), "part": Reply("MANIFEST_UNKNOWN", "x")},
            "its manifest for linux/amd64 is missing: MANIFEST_UNKNOWN: x",
        ),
        (
            {
                "manifest": Reply(content={}),
                "layer": Reply(content="d5l0dvt14r5h8.cloudfront.net"),
                "storage": Reply("HTTP 407"),
            },
            "cannot be downloaded from d5l0dvt14r5h8.cloudfront.net: HTTP 407",
        ),
    ],
)
def test_other_answers(replies: dict[str, Reply], words: str) -> None:
    """A refusal of unknown cause is quoted, together with what the API says."""
    found = first(situation(DEV, **replies))
    assert found.status == "failed"
    assert words in found.message


def test_what_the_token_may_and_the_principal_may_not() -> None:
    """If the token allows a pull that the principal is now denied, that is a warning."""
    replies = {
        "manifest": Reply(content={}),
        "batch_get_image": denial(unallowed("session policy")),
    }
    found = first(situation(DEV, **replies))
    assert (found.check, found.status) == ("image", "warned")
    assert found.message.startswith("the token allows that, but ecr:BatchGetImage is denied to ")


def test_an_image_of_one_platform() -> None:
    """An image without a list is pulled on any platform, so a wrong one is only a warning."""
    config = Reply(content={"os": "linux", "architecture": "arm64"})
    found = first(situation(manifest=Reply(content={}), config=config))
    assert (found.check, found.status) == ("platform", "warned")
    assert "is for linux/arm64, not for linux/amd64" in found.message


@pytest.mark.parametrize(
    ("prefix", "repository", "official"),
    [("hub", "hub/redis", "hub/library/redis"), ("ROOT", "redis", "library/redis")],
)
def test_an_official_image_of_docker_hub(prefix: str, repository: str, official: str) -> None:
    """If a rule finds no image at Docker Hub, the message names the usual mistake in the name."""
    rules = Reply(content=[{**RULE, "ecrRepositoryPrefix": prefix}])
    missing = Reply("NAME_UNKNOWN", f"The repository with name '{repository}' does not exist")
    found = first(
        situation(DEV, repository, manifest=missing, describe_pull_through_cache_rules=rules)
    )
    assert found.message.endswith(f"has no redis (an official image is {official})")


@pytest.mark.parametrize("action", ["ecr:CreateRepository", "ecr:BatchImportUpstreamImage"])
def test_the_policy_of_a_registry_of_another_account(action: str) -> None:
    """For other accounts, the remedy for a cache rule is a statement for the registry's policy."""
    reply = denial(unallowed("resource-based policy", action), FOREIGN, action)
    rules = Reply(content=[RULE])
    found = first(
        situation(
            FOREIGN,
            "hub/library/redis",
            manifest=reply,
            describe_pull_through_cache_rules=rules,
        )
    )
    start = "have account 111111111111 add to the registry's permissions policy: "
    assert found.remedy.startswith(start)
    statement = json.loads(found.remedy.removeprefix(start))
    assert statement["Principal"] == {"AWS": "arn:aws:iam::222222222222:root"}
    assert statement["Action"] == ["ecr:CreateRepository", "ecr:BatchImportUpstreamImage"]
    assert statement["Resource"] == "arn:aws:ecr:us-east-1:111111111111:repository/hub/*"


@pytest.mark.parametrize(
    ("applied_for", "status", "words"),
    [
        (["CREATE_ON_PUSH"], "passed", 'a push creates it, from the creation template "ROOT"'),
        (["REPLICATION"], "failed", 'the creation template "ROOT" does not apply to pushes'),
    ],
)
def test_creation_templates(applied_for: list[str], status: str, words: str) -> None:
    """Only a creation template for pushes creates the repository."""
    templates = Reply(content=[{"prefix": "ROOT", "appliedFor": applied_for}])
    found = first(
        situation(
            describe_repositories=Reply("RepositoryNotFoundException"),
            describe_repository_creation_templates=templates,
        ),
        push=True,
    )
    assert (found.check, found.status) == ("repository", status)
    assert words in found.message


def test_a_push_where_nobody_may_look() -> None:
    """If it is not known whether the repository exists, no upload is started."""
    reason = unallowed("identity-based policy", "ecr:DescribeRepositories")
    reply = denial(reason, action="ecr:DescribeRepositories")
    found = first(situation(describe_repositories=reply), push=True)
    assert (found.check, found.status) == ("repository", "warned")
    assert "so no upload was started: ecr:DescribeRepositories is denied" in found.message
    assert "--policy-name ecr-look-us-east-1-team+app " in found.remedy


@pytest.mark.parametrize(
    ("mutability", "filters", "is_fixed"),
    [
        ("MUTABLE", [], False),
        ("IMMUTABLE", [], True),
        ("IMMUTABLE_WITH_EXCLUSION", ["1.*"], False),
        ("IMMUTABLE_WITH_EXCLUSION", ["dev-*"], True),
        ("MUTABLE_WITH_EXCLUSION", ["1.*"], True),
        ("MUTABLE_WITH_EXCLUSION", ["dev-*"], False),
    ],
)
def test_which_tags_are_fixed(mutability: str, filters: list[str], is_fixed: bool) -> None:
    """The tags of a repository are immutable except those excluded, or mutable except those."""
    exclusions = [{"filterType": "WILDCARD", "filter": each} for each in filters]
    repository = {
        "imageTagMutability": mutability,
        "imageTagMutabilityExclusionFilters": exclusions,
    }
    described = Reply(content={"repositories": [repository]})
    there = situation(describe_repositories=described, manifest=Reply(content={}))
    missing = situation(describe_repositories=described, manifest=Reply("MANIFEST_UNKNOWN"))
    assert there.tag_is_fixed is is_fixed
    assert not missing.tag_is_fixed


@pytest.mark.parametrize(
    ("status", "body", "reply"),
    [
        (200, b'{"a": 1}', Reply(content={"a": 1})),
        (307, b"", Reply()),
        (404, b'{"errors":[{"code":"NAME_UNKNOWN","message":"m"}]}', Reply("NAME_UNKNOWN", "m")),
        (401, b"Not Authorized\n", Reply("HTTP 401")),
        (403, b"", Reply("HTTP 403")),
        (403, b'{"errors": []}', Reply("HTTP 403")),
        (403, b'{"errors": null}', Reply("HTTP 403")),
        (403, b"[]", Reply("HTTP 403")),
        (
            403,
            b"<?xml?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>",
            Reply("AccessDenied", "Access Denied"),
        ),
        (502, b"<html>\xff</html>", Reply("HTTP 502")),
    ],
)
def test_what_an_answer_says(status: int, body: bytes, reply: Reply) -> None:
    """An error of a registry is JSON, one of S3 is XML, and any other is an HTTP status."""
    assert http_reply(status, body) == reply


HARMLESS = r"[\w+=,.@/:-]*"
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(
                [
                    "manifests",
                    "platform",
                    "os",
                    "architecture",
                    "digest",
                    "layers",
                    "config",
                    "size",
                ]
            )
            | st.text(),
            inner,
        )
    ),
    max_leaves=8,
)


@given(JSON)
def test_any_manifest(manifest: Any) -> None:
    """Nothing in a manifest can get into a command or a path."""
    found = images.platforms(manifest)
    digests = [*found.values(), *images.layers(manifest), images.config_digest(manifest)]
    assert all(re.fullmatch(r"[a-z0-9_/]+", name) for name in found)
    assert all(re.fullmatch(r"(sha256:[0-9a-f]{64})?", digest) for digest in digests)
    replies = {name: Reply(content=manifest) for name in ("manifest", "config")}
    assert all(each.message for each in diagnosis.pull(situation(DEV, **replies)))


@given(st.text(), st.text(), st.text())
def test_any_error(code: str, message: str, name: str) -> None:
    """Any error of the registry is one finding, and cannot get a command into the remedy."""
    for words in (message, f"User: {name} is not authorized to perform: {GET}{message}"):
        (found,) = diagnosis.pull(situation(manifest=Reply(code or "x", words)))
        assert found.status == "failed"
        if found.remedy.startswith("aws "):
            assert re.fullmatch(rf"{HARMLESS}(?: (?:{HARMLESS}|'[^']*'))*", found.remedy)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        (HOST, (HOST, "", "")),
        (f"{HOST}/", (f"{HOST}/", "", "")),
        (f"https://{HOST}/v2/", (f"https://{HOST}/v2/", "", "")),
        (f"{HOST}/v2/", (f"{HOST}/v2/", "", "")),
        (f"{HOST}/app", (HOST, "app", "latest")),
        (f"{HOST}:443/team/app:1.4", (f"{HOST}:443", "team/app", "1.4")),
        (f"{HOST}/team/a_b--c.d:V-1_x", (HOST, "team/a_b--c.d", "V-1_x")),
        (f"{HOST}/app@{DIGEST}", (HOST, "app", DIGEST)),
        (f"{HOST}/app:1.4@{DIGEST}", (HOST, "app", DIGEST)),
    ],
)
def test_what_is_named(name: str, parts: tuple[str, str, str]) -> None:
    """A name is a registry, or an image by tag or digest; the default tag is "latest"."""
    assert images.split(name) == parts


@pytest.mark.parametrize(
    "path",
    [
        "Team/app:1",
        "team//app",
        "team/app/",
        "team/app:",
        "team/app:a b",
        "team/app:-x",
        f"team/app:{'x' * 129}",
        "team/app@sha256:1234",
        f"team/app@md5:{'a' * 64}",
        "team/app@",
        "-team",
        "../v2",
        "team/app?x=y",
    ],
)
def test_an_invalid_name_of_an_image(path: str) -> None:
    """A name that is not a reference of an image is refused."""
    with pytest.raises(BadInput, match="is not the name of an image"):
        images.split(f"{HOST}/{path}")


@pytest.mark.parametrize(
    ("machine", "variable", "platform"),
    [
        ("x86_64", "", "linux/amd64"),
        ("aarch64", "", "linux/arm64"),
        ("ARM64", "", "linux/arm64"),
        ("s390x", "", "linux/s390x"),
        ("x86_64", "linux/arm/v7", "linux/arm/v7"),
    ],
)
def test_the_wanted_platform(machine: str, variable: str, platform: str) -> None:
    """The wanted platform is that of the machine, or DOCKER_DEFAULT_PLATFORM, as in docker."""
    assert images.wanted_platform({"DOCKER_DEFAULT_PLATFORM": variable}, machine) == platform


def test_the_rule_that_counts() -> None:
    """The rule with the longest prefix up to a slash applies, and ROOT if no other does."""
    entries = [{"prefix": each} for each in ("ROOT", "team", "team/web", "te")]
    cases = {"team/web/a": "team/web", "team/app": "team", "teams/a": "ROOT", "a": "ROOT"}
    for name, prefix in cases.items():
        assert longest(name, entries, "prefix") == {"prefix": prefix}
    assert longest("a", entries[1:], "prefix") == {}
    assert not same_principal(DEV, FOREIGN)
