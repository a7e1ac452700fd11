"""The config file: the settings of a registry, and the messages about its mistakes."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_credential_ecr_login.config import MAX_SIZE, load, parse_text
from docker_credential_ecr_login.errors import BadConfiguration

PATH = "/etc/xdg/ecr-login/config.toml"
HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
NOBODY = 65534

EXAMPLE = """
fallback = "desktop"
strict = true
timeout = 20
log_level = "debug"

[[registry]]
match = "123456789012.dkr.ecr.*.amazonaws.com"
profile = "prod"
role_arn = "arn:aws:iam::{registry_id}:role/pull-{region}"
external_id = "Zephyr/17"
role_session_name = "docker"
region = "eu-west-1"
endpoint_url = "https://vpce-1.api.ecr.eu-west-1.vpce.amazonaws.com"

[[registry]]
match = "images.example.com"
registry = "210987654321.dkr.ecr.eu-west-1.amazonaws.com"

[[registry]]
match = ["public.ecr.aws", "ecr-public.aws.com"]
anonymous = true
"""
DEFAULTS = {"fallback": "desktop", "strict": "true", "timeout": "20", "log_level": "debug"}


def said(text: str, name: str = HOST) -> dict[str, str]:
    """What a file says of a registry, but for where it is."""
    settings = parse_text(text, PATH).settings(name)
    assert settings.config_file == PATH
    return {key: value for key, value in settings.values.items() if key != "config_file"}


def said_in_table(lines: str) -> dict[str, str]:
    """What a table that matches the registry says."""
    return said(f'[[registry]]\nmatch = "{HOST}"\n{lines}')


def complaint(text: str) -> str:
    """What a person reads about a file that is wrong, after its path."""
    with pytest.raises(BadConfiguration) as raised:
        parse_text(text, PATH)
    line = str(raised.value)
    assert line.isprintable()
    assert line.startswith(f"{PATH}: ")
    return line.removeprefix(f"{PATH}: ")


def complaint_in_table(lines: str) -> str:
    """What a person reads about a table that matches everything, after its name."""
    line = complaint(f'[[registry]]\nmatch = "*"\n{lines}')
    start = '[[registry]] 1 (match "*"): '
    assert line.startswith(start)
    return line.removeprefix(start)


def in_quotes(text: str) -> str:
    """A TOML string that means ``text``, whatever that is."""
    return '"' + "".join(f"\\U{ord(character):08x}" for character in text) + '"'


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        (
            HOST,
            {
                "profile": "prod",
                "role_arn": "arn:aws:iam::{registry_id}:role/pull-{region}",
                "external_id": "Zephyr/17",
                "role_session_name": "docker",
                "region": "eu-west-1",
                "endpoint_url": "https://vpce-1.api.ecr.eu-west-1.vpce.amazonaws.com",
            },
        ),
        ("images.example.com", {"registry": "210987654321.dkr.ecr.eu-west-1.amazonaws.com"}),
        ("public.ecr.aws", {"anonymous": "true"}),
        ("ecr-public.aws.com", {"anonymous": "true"}),
        ("ghcr.io", {}),
    ],
)
def test_a_table_applies_to_what_it_matches(name: str, settings: dict[str, str]) -> None:
    """A registry has the settings for all, and those of the table that matches it."""
    assert said(EXAMPLE, name) == DEFAULTS | settings


def test_an_empty_file_says_where_it_is() -> None:
    """A file without settings is valid, and only its path is known of it."""
    assert parse_text("", PATH).settings(HOST).values == {"config_file": PATH}


@pytest.mark.parametrize(
    ("glob", "names", "others"),
    [
        ("*", ["ghcr.io", HOST], ["ghcr.io:5000"]),
        ("*:*", ["ghcr.io:5000"], ["ghcr.io"]),
        ("localhost", ["localhost"], ["localhost:5000", "xlocalhost", "localhost.x"]),
        ("localhost:5000", ["localhost:5000"], ["localhost", "localhost:50000", "localhost:500"]),
        ("localhost:*", ["localhost:5000", "localhost:80"], ["localhost", "x.localhost:80"]),
        ("localhost:50?0", ["localhost:5000"], ["localhost:500"]),
        ("localhost*", ["localhost", "localhosts"], ["localhost:5000"]),
        (
            "[!a]?.example",
            ["bc.example"],
            ["ab.example", "b.example", "b:.example", "bc:1.example"],
        ),
        ("images.example.com:443", ["images.example.com"], ["images.example.com:5000"]),
        ("images.example.com.", ["images.example.com"], ["images.example.com:5000"]),
        ("Images.EXAMPLE.com", ["images.example.com"], ["imagesxexample.com"]),
        ("*.dkr.ecr.*.amazonaws.com", [HOST], [f"{HOST}.cn", "dkr.ecr.x.amazonaws.com"]),
        ("1[0-9]*.amazonaws.com", [HOST], ["210987654321.dkr.ecr.eu-west-1.amazonaws.com"]),
    ],
)
def test_globs(glob: str, names: list[str], others: list[str]) -> None:
    """A glob matches the whole name, in any case, host by host and port by port."""
    config = parse_text(f'registry = [{{match = "{glob}", profile = "x"}}]', PATH)
    assert [name for name in names + others if config.settings(name).profile] == names


labels = st.sampled_from(["a", "b", "ab", "*", "?", "a*", "[ab]"])
ports = st.sampled_from(["", ":1", ":*"])
names = st.tuples(st.sampled_from(["a", "b", "ab", "c"]), st.sampled_from(["", ":1", ":2"]))


@given(
    st.lists(st.lists(st.tuples(labels, ports).map("".join), min_size=1, max_size=3), max_size=5),
    names.map("".join),
)
def test_the_first_match_wins(matches: list[list[str]], name: str) -> None:
    """Of several tables that match, the first applies, and it alone."""
    tables = [
        f'[[registry]]\nmatch = {globs}\n{"profile" if number % 2 else "region"} = "{number}"\n'
        for number, globs in enumerate(matches)
    ]

    def alone(table: str) -> dict[str, str]:
        return said(table, name)

    first = next((settings for table in tables if (settings := alone(table))), {})
    assert said("".join(tables), name) == first


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ('fallback = "osxkeychain"', "osxkeychain"),
        ('fallback = "desktop.exe"', "desktop.exe"),
        ("strict = true", "true"),
        ("strict = false", "false"),
        ("timeout = 20", "20"),
        ("timeout = 20.0", "20"),
        ("timeout = 0.5", "0.5"),
        ("timeout = 1234567", "1234567"),
        ("timeout = 0x10", "16"),
        ("timeout = 1e-9", "1e-09"),
        ('log_level = "WARN"', "warn"),
        ('log_level = "warning"', "warning"),
        ('log_level = "Error"', "error"),
    ],
)
def test_settings_for_all(line: str, value: str) -> None:
    """Each general setting becomes the text that its environment variable would have."""
    assert said(line) == {line.partition(" ")[0]: value}


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ('profile = "prod"', "prod"),
        ('profile = "the name of a profile"', "the name of a profile"),
        ('profile = "Zürich"', "Zürich"),
        ('role_arn = "arn:aws:iam::123456789012:role/r"', "arn:aws:iam::123456789012:role/r"),
        (
            'role_arn = "arn:aws-us-gov:iam::{registry_id}:role/a/b/{region}"',
            "arn:aws-us-gov:iam::{registry_id}:role/a/b/{region}",
        ),
        ('region = "xx-newland-1"', "xx-newland-1"),
        ('endpoint_url = "http://localhost:4566"', "http://localhost:4566"),
        ('endpoint_url = "HTTPS://[::1]:4566/ecr/"', "HTTPS://[::1]:4566/ecr/"),
        (f'registry = "https://{HOST.upper()}/v2/"', HOST),
        ('registry = "public.ecr.aws"', "public.ecr.aws"),
        ("anonymous = true", "true"),
    ],
)
def test_settings_of_a_table(line: str, value: str) -> None:
    """Each setting of a table is kept as it is written, but a registry by its canonical host."""
    assert said_in_table(line) == {line.partition(" ")[0]: value}


@pytest.mark.parametrize(
    ("glob", "is_accepted"),
    [
        ("images.example.com", True),
        ("*.images.example.com", True),
        ("*.example.com", True),
        ("localhost:5000", True),
        ("localhost:*", True),
        ("*", False),
        ("*:5000", False),
        ("evil[.a]example.com", False),
        ("*.com", False),
        ("images.example.*", False),
        ("images.exampl?.com", False),
        ("images.[a-z]xample.com", False),
        ("*example.com", False),
        ("images.example.co.u[k]", False),
        # By the Public Suffix List: its rules, with "*" and "!", those of other scripts, and
        # all above one. What is below another one's domain is as good.
        ("*.co.uk", False),
        ("*.example.co.uk", True),
        ("*.github.io", False),
        ("*.example.github.io", True),
        ("*.anything.ck", False),
        ("*.www.ck", True),
        ("*.city.kawasaki.jp", True),
        ("*.xn--od0alg.hk", False),
        ("*.cloudfront.net", False),
        ("d111111abcdef8.cloudfront.net", True),
        ("*.corp", False),
        ("*.registry.corp", True),
        # Of AWS.
        ("*.amazonaws.com", False),
        ("*.example.amazonaws.com", False),
        ("*.dkr.ecr.us-east-1.amazonaws.com", False),
        ("vpce-1-a.dkr.ecr.us-east-1.vpce.amazonaws.com", True),
        ("*.amazonaws.com.cn", False),
        ("*.lambda-url.us-east-1.on.aws", False),
        ("*.cloud.adc-e.uk", False),
    ],
)
def test_whose_names_mean_a_registry(glob: str, is_accepted: bool) -> None:
    """A match beside ``registry`` may not cover other owners' domains: they would get the token."""
    text = f'[[registry]]\nmatch = ["a.example.com", "{glob}"]\nregistry = "{HOST}"\n'
    if is_accepted:
        assert parse_text(text, PATH).settings("a.example.com").registry == HOST
    else:
        with pytest.raises(BadConfiguration, match="match must end in a domain of your own"):
            parse_text(text, PATH)


def test_what_is_not_anonymous_is_not_mentioned() -> None:
    """``anonymous = false`` is the same as no such line."""
    assert said_in_table('anonymous = false\nprofile = "x"') == {"profile": "x"}


ROLE = 'role_arn = "arn:aws:iam::123456789012:role/r"\n'
RESTRICTED = f'{ROLE}access = "push"\n'


def test_repositories() -> None:
    """They are one name or several, with the wildcards of IAM; anything else is refused."""
    for text in ("*", "a", "team/app", "team/*", "a-b_c.d/?", "x" * 256):
        assert said_in_table(f'{RESTRICTED}repositories = "{text}"')["repositories"] == text
    line = f'{RESTRICTED}repositories = ["base", "team/*"]'
    assert said_in_table(line)["repositories"] == "base team/*"
    refused = ("", "a b", "App", "a:1", "/a", "a/", "a//b", "-a", "[ab]", "x" * 257, "ä", "a\\n")
    for text in (*refused, f"{HOST}/app:1", "arn:aws:ecr:eu-west-1:123456789012:repository/a"):
        line = complaint_in_table(f'{RESTRICTED}repositories = "{text}"')
        assert line.startswith(REPOSITORIES)


@pytest.mark.parametrize(
    ("key", "shortest", "longest", "characters"),
    [("external_id", 2, 1224, "aZ09_+=,.@:/-"), ("role_session_name", 2, 64, "aZ09_+=,.@-")],
)
def test_what_sts_is_told(key: str, shortest: int, longest: int, characters: str) -> None:
    """External id and session name may have exactly the characters that AssumeRole accepts."""
    for value in ("x" * shortest, "x" * longest, characters):
        assert said_in_table(f'{ROLE}{key} = "{value}"')[key] == value
    for value in ("", "x" * (shortest - 1), "x" * (longest + 1), "xä", "x y", "xx\\n", "x*"):
        line = complaint_in_table(f'{ROLE}{key} = "{value}"')
        assert line.startswith(f"{key} must be ")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("fallback = 7", "fallback must be a string in quotes, not 7"),
        (
            'fallback = ""',
            (
                "fallback must be the name of another credential helper, of letters, digits, dots,"
                ' hyphens and underscores, not ""; "desktop" stands for the program'
                " docker-credential-desktop"
            ),
        ),
        (
            'fallback = "ecr-login"',
            (
                'fallback must be the name of another credential helper, not "ecr-login";'
                " that is this helper itself"
            ),
        ),
        (
            'fallback = "docker-credential-ecr-login"',
            (
                "fallback must be the name of another credential helper,"
                ' not "docker-credential-ecr-login"; that is this helper itself'
            ),
        ),
        (
            'fallback = "docker-credential-pass"',
            (
                "fallback must be the name of another credential helper,"
                ' not "docker-credential-pass"; leave docker-credential- out: "pass"'
            ),
        ),
        ("strict = 1", "strict must be true or false, not 1"),
        ('strict = "true"', 'strict must be true or false, not "true"; leave the quotes out'),
        ("timeout = 0", "timeout must be a number of seconds above 0, not 0"),
        ("timeout = -0.5", "timeout must be a number of seconds above 0, not -0.5"),
        ("timeout = inf", "timeout must be a number of seconds above 0, not inf"),
        ("timeout = nan", "timeout must be a number of seconds above 0, not nan"),
        ("timeout = true", "timeout must be a number of seconds above 0, not true"),
        (
            'timeout = "20"',
            'timeout must be a number of seconds above 0, not "20"; leave the quotes out',
        ),
        ('timeout = "20s"', 'timeout must be a number of seconds above 0, not "20s"'),
        ("timeout = 12:00:00", "timeout must be a number of seconds above 0, not a date or time"),
        (
            f"timeout = 1{'0' * 400}",
            "timeout must be a number of seconds above 0, not such a large number",
        ),
        (
            f"timeout = 0x{'f' * 5000}",
            "timeout must be a number of seconds above 0, not such a large number",
        ),
        (
            'log_level = "verbose"',
            'log_level must be one of debug, info, warn, warning, error, not "verbose"',
        ),
        ("log_level = []", "log_level must be a string in quotes, not a list"),
        (
            'fallbak = "desktop"',
            (
                'there is no key "fallbak" here, only fallback, log_level, registry, strict,'
                " timeout; did you mean fallback?"
            ),
        ),
        (
            "x = 1",
            'there is no key "x" here, only fallback, log_level, registry, strict, timeout',
        ),
        (
            'profile = "prod"',
            (
                'there is no key "profile" here, only fallback, log_level, registry, strict,'
                " timeout; write it below a line [[registry]]"
            ),
        ),
        (
            '[registry]\nmatch = "*"',
            (
                "registry must be a list of tables; begin each table with [[registry]], in double"
                " brackets, not with [registry]"
            ),
        ),
    ],
)
def test_mistakes_in_settings_for_all(line: str, message: str) -> None:
    """A mistake in a setting for all is named, with what is allowed and what helps."""
    assert complaint(line) == message


@pytest.mark.parametrize(
    "text", [f'registry = "{HOST}"', "registry = 1", 'registry = ["*"]', 'registry.match = "*"']
)
def test_registry_is_an_array_of_tables(text: str) -> None:
    """If ``registry`` is anything else, the message says how it is written."""
    assert "[[registry]], in double brackets" in complaint(text)


ENDPOINT = "endpoint_url must be http:// or https:// with a host, not "
ENDPOINT_HINT = (
    "; user, password, query and fragment are not allowed, because it is written to disk"
)
REPOSITORIES = (
    "repositories must be names of repositories, with * for any part of them, each in quotes, not "
)
NO_REPOSITORY = " is not one: a name is the part between host and tag, in lower case"
ROLE_ARN = "role_arn must be arn:<partition>:iam::<account>:role/<name>, not "


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("profile = 7", "profile must be a string in quotes, not 7"),
        ("profile = 123456789012", "profile must be a string in quotes, not 123456789012"),
        ("profile = {}", "profile must be a string in quotes, not a table"),
        (
            'profile = ""',
            'profile must be the name of a profile of the AWS configuration, not ""',
        ),
        (
            'profile = " "',
            'profile must be the name of a profile of the AWS configuration, not ""',
        ),
        (
            'profile = "a\\nb"',
            'profile must be a string on one line, without control characters, not "a b"',
        ),
        ("role_arn = 123456789012", "role_arn must be a string in quotes, not 123456789012"),
        (
            'role_arn = "pull"',
            (
                f'{ROLE_ARN}"pull"; the account is 12 digits or {{registry_id}}; the placeholders'
                " in the name can be {registry_id}, {region} and, for kubelet, {namespace} and"
                " {service_account}"
            ),
        ),
        (
            f'{ROLE}external_id = "x"',
            'external_id must be 2 to 1224 letters, digits or any of _+=,.@:/-, not "x"',
        ),
        (
            f'{ROLE}role_session_name = "a:b"',
            'role_session_name must be 2 to 64 letters, digits or any of _+=,.@-, not "a:b"',
        ),
        (
            'external_id = "Zephyr"',
            (
                "external_id has no effect without role_arn;"
                " set role_arn to the role to assume, or remove external_id"
            ),
        ),
        (
            'role_session_name = "docker"',
            (
                "role_session_name has no effect without role_arn;"
                " set role_arn to the role to assume, or remove role_session_name"
            ),
        ),
        (
            'access = "pull"',
            (
                "access has no effect without role_arn;"
                " set role_arn to the role to assume, or remove access"
            ),
        ),
        (
            f'{ROLE}repositories = "team/*"',
            (
                "repositories has no effect without access;"
                ' set access to "pull" or "push", or remove repositories'
            ),
        ),
        (f'{ROLE}access = "Pull"', 'access must be "pull" or "push", not "Pull"'),
        (f"{ROLE}access = true", "access must be a string in quotes, not true"),
        (f"{RESTRICTED}repositories = []", f"{REPOSITORIES}a list; the list is empty"),
        (f"{RESTRICTED}repositories = 7", f"{REPOSITORIES}7; 7{NO_REPOSITORY}"),
        (
            f'{RESTRICTED}repositories = ["a", "Team/app"]',
            f'{REPOSITORIES}a list; "Team/app"{NO_REPOSITORY}',
        ),
        (
            'region = "EU-West-1"',
            'region must be a region, such as eu-west-1, not "EU-West-1"; "eu-west-1"',
        ),
        ('region = ""', 'region must be a region, such as eu-west-1, not ""'),
        (
            'endpoint_url = "vpce.example.com"',
            f'{ENDPOINT}"vpce.example.com"{ENDPOINT_HINT}',
        ),
        (
            'registry = "ghcr.io"',
            (
                'registry must be a host of Amazon ECR, not "ghcr.io";'
                " such as 123456789012.dkr.ecr.eu-west-1.amazonaws.com"
            ),
        ),
        ('anonymous = "yes"', 'anonymous must be true or false, not "yes"'),
        (
            'anonymous = true\nprofile = "x"',
            "profile has no effect with anonymous = true; remove profile, or anonymous",
        ),
        (
            f"anonymous = true\n{ROLE}",
            "role_arn has no effect with anonymous = true; remove role_arn, or anonymous",
        ),
        (
            'anonymous = true\nendpoint_url = "http://x"',
            "endpoint_url has no effect with anonymous = true; remove endpoint_url, or anonymous",
        ),
        (
            'anonymous = true\nregistry = "public.ecr.aws"',
            "registry has no effect with anonymous = true; remove registry, or anonymous",
        ),
        (
            'Role-ARN = "x"',
            (
                'there is no key "Role-ARN" here, only access, anonymous, endpoint_url,'
                " external_id, match, profile, region, registry, repositories, role_arn,"
                " role_session_name; did you mean role_arn?"
            ),
        ),
        (
            "timeout = 20",
            (
                'there is no key "timeout" here, only access, anonymous, endpoint_url, external_id,'
                " match, profile, region, registry, repositories, role_arn, role_session_name;"
                " write it above the first [[registry]]"
            ),
        ),
    ],
)
def test_mistakes_in_tables(line: str, message: str) -> None:
    """A mistake in a table is named, with what is allowed and what helps."""
    assert complaint_in_table(line) == message


def test_a_table_is_named_by_number_and_match() -> None:
    """The message says which of several tables is wrong, even if its match is a list."""
    text = f'{EXAMPLE}[[registry]]\nmatch = ["a.example", "b.example"]\nprofile = 7'
    assert complaint(text) == (
        '[[registry]] 4 (match "a.example"): profile must be a string in quotes, not 7'
    )


@pytest.mark.parametrize(
    ("match", "hint"),
    [
        ("", ""),
        ("https://ghcr.io", "leave the scheme out"),
        ("https://user:password@ghcr.io", "leave the scheme out"),
        ("user:password@ghcr.io", "leave user and password out"),
        ("ghcr.io/team", "leave the path out"),
        ("ghcr.io/", "leave the path out"),
        ("ghcr.io public.ecr.aws", 'write several hosts as a list: ["one", "two"]'),
        ("ghcr.io,public.ecr.aws", 'write several hosts as a list: ["one", "two"]'),
        ("ghcr.io:", ""),
        (":5000", ""),
        ("a:1:2", ""),
        ("host:http", ""),
        ("bücher.example", ""),
        ("\N{KELVIN SIGN}.example", ""),
        ("ghcr.io\n", ""),
        ("ghcr.io\0", ""),
        ("x" * 513, ""),
    ],
)
def test_an_invalid_match(match: str, hint: str) -> None:
    """A match that is not a host name, with or without wildcards, is refused, in a list, too."""
    for text in (in_quotes(match), f'["*", {in_quotes(match)}]'):
        line = complaint(f"[[registry]]\nmatch = {text}")
        number, _, rest = line.partition(": match must be a host, with * for any part of it, ")
        assert number.startswith("[[registry]] 1")
        assert rest.endswith(f"; {hint}" if hint else '"')
        assert "password@" not in rest


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            'profile = "x"',
            (
                "match is missing: a host or a list of hosts, with * for any part;"
                ' for all registries, write match = "*"'
            ),
        ),
        ("match = []", "match must name a host, and the list is empty"),
        (
            "match = 7",
            (
                "match must be a host, with * for any part of it, or a list of hosts,"
                " each in quotes, not 7"
            ),
        ),
        (
            "match = [7]",
            (
                "match must be a host, with * for any part of it, or a list of hosts,"
                " each in quotes, not 7"
            ),
        ),
        (
            'match = [["*"]]',
            (
                "match must be a host, with * for any part of it, or a list of hosts,"
                " each in quotes, not a list"
            ),
        ),
    ],
)
def test_a_table_must_match_something(table: str, message: str) -> None:
    """A table that could match nothing is refused."""
    assert complaint(f"[[registry]]\n{table}") == f"[[registry]] 1: {message}"


@pytest.mark.parametrize(
    "role_arn",
    [
        "",
        "arn:aws:iam::12345678901:role/r",
        "arn:aws:iam::1234567890123:role/r",
        "arn:aws:iam::{region}:role/r",
        "arn:aws:iam::{account}:role/r",
        "arn:aws:iam::123456789012:role/",
        "arn:aws:iam::123456789012:role/path/",
        "arn:aws:iam::123456789012:role/{name}",
        "arn:aws:iam::123456789012:role/{region",
        "arn:aws:iam::123456789012:role/{{region}}",
        "arn:aws:iam::123456789012:role/a b",
        "arn:aws:iam::123456789012:user/u",
        "arn:aws:sts::123456789012:assumed-role/r/s",
        "arn:aws:iam:us-east-1:123456789012:role/r",
        "arn:{partition}:iam::123456789012:role/r",
        "arn:other:iam::123456789012:role/r",
        " arn:aws:iam::123456789012:role/r",
        "arn:aws:iam::१२३४५६७८९०१२:role/r",
    ],
)
def test_an_invalid_role_arn(role_arn: str) -> None:
    """A role_arn that is not the ARN of a role, or has another placeholder, is refused."""
    assert complaint_in_table(f'role_arn = "{role_arn}"').startswith(ROLE_ARN)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://",
        "https:///path",
        "ftp://host",
        "//host",
        "https://user@host",
        "https://user:password@host",
        "https://host?query",
        "https://host/?",
        "https://host#fragment",
        "https://host:0",
        "https://host:65536",
        "https://host:https",
        "https://ho st",
        "https://host/a b",
        "https://-host",
        "https://[::1",
        "https://bücher.example",
    ],
)
def test_an_invalid_endpoint_url(url: str) -> None:
    """An endpoint_url that is not a plain HTTP URL with a host is refused."""
    assert complaint_in_table(f'endpoint_url = "{url}"').startswith(ENDPOINT)


KEYS = (
    *("fallback", "log_level", "strict", "timeout", "anonymous", "endpoint_url", "external_id"),
    *("match", "profile", "region", "registry", "role_arn", "role_session_name", "unknown"),
    *("access", "repositories"),
)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "value",
    [
        f"\\n{SECRET}",
        f"https://user:{SECRET}@host\\n",
        "https://user:hunter2@host/\\n",
        "https://user:hunter2/hunter2@host/\\n",
        "https://user:hunter2 hunter2@host/\\n",
        "https://user:x/y?@host/?token=hunter2\\n",
        "user:hunter2@host\\n",
        "https://host/?token=hunter2\\n",
    ],
)
def test_no_secret_is_quoted(key: str, value: str) -> None:
    """A value that looks like a secret is never in a message, whichever key it belongs to."""
    for line in (f'{key} = "{value}"', f'"{value}" = 1', f'{key} = ["{value}"]'):
        for text in (line, f"[[registry]]\n{line}", f'[[registry]]\nmatch = "*"\n{line}'):
            message = complaint(text)
            assert SECRET not in message
            assert "hunter2" not in message


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("timeout = ", 1, 11),
        ("\n\ntimeout = ", 3, 11),
        ("strict = true\r\ntimeout = ", 2, 11),
        ("profile = prod\n", 1, 11),
        ("timeout 20\n", 1, 9),
        ('profile = "prod\nx', 1, 16),
        ("[registry\n", 1, 10),
        ("'(at line 7, column 7)' = 1\n'(at line 7, column 7)' = ", 2, 27),
    ],
)
def test_what_is_not_toml(text: str, line: int, column: int) -> None:
    """Where the file is not TOML, the message has line and column."""
    message = complaint(text)
    assert message.startswith(f"not TOML at line {line}, column {column}; ")
    assert "prod\n" not in message


@pytest.mark.parametrize(
    "text",
    ["[registry]\n[registry]\n", "[registry]\n[[registry]]\n", "strict = true\nstrict = true\n"],
)
def test_duplicate_keys_and_tables(text: str) -> None:
    """A key or table that occurs twice is named as such: often it is a misspelt [[registry]]."""
    assert complaint(text).endswith(
        "; a table has each key once, and the table of each registry begins with [[registry]]"
    )


@pytest.mark.parametrize(
    "text",
    [
        f"x = {SECRET}",
        f"{SECRET}",
        f'"{SECRET}" = 1\n"{SECRET}" = 2\n',
        f'["{SECRET}"]\n["{SECRET}"]\n',
        f'x = {{"{SECRET}" = 1, "{SECRET}" = 2}}\n',
    ],
)
def test_what_is_not_toml_is_not_quoted(text: str) -> None:
    """A message quotes nothing of a line that is not TOML, because it may contain a secret."""
    message = complaint(text)
    assert message.startswith("not TOML at line ")
    assert SECRET[:8] not in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = " + "[" * 100_000, "its TOML is nested too deeply"),
        ("x = " + "{x = " * 100_000, "its TOML is nested too deeply"),
        ("[[registry]]\nmatch = " + "[" * 200 + "]" * 200, "not a list"),
        ("[" + ".".join("x" * 1000) + "]", 'there is no key "x" here'),
        ("timeout = " + "1" * 5000, "not TOML: a number has too many digits"),
    ],
)
def test_no_depth_or_length_is_too_much(text: str, message: str) -> None:
    """A file that is too deep or too long for Python is an error like any other."""
    assert message in complaint(text)


def complaint_about(path: Path | str) -> str:
    """What a person reads about a file that cannot be loaded, after its path."""
    with pytest.raises(BadConfiguration) as raised:
        load(str(path))
    return str(raised.value).partition(": ")[2]


def test_a_file_is_read(tmp_path: Path) -> None:
    """A file is read as UTF-8, with any line ends, and with a byte order mark."""
    path = tmp_path / "config.toml"
    for text in (EXAMPLE, EXAMPLE.replace("\n", "\r\n"), "\ufeff" + EXAMPLE):
        path.write_bytes(text.replace("prod", "Zürich").encode())
        settings = load(str(path)).settings(HOST)
        assert settings.profile == "Zürich"
        assert settings.config_file == str(path)


@contextmanager
def as_another_user() -> Iterator[None]:
    """Be another user than root, who can read every file."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """The message says why a file cannot be read, and what to do."""
    missing = "the config file cannot be read: No such file or directory"
    assert complaint_about(tmp_path / "x") == f"{missing}; create it, or name one that exists"
    directory = "the config file cannot be read: Is a directory; name a file"
    assert complaint_about(tmp_path) == directory
    assert complaint_about("a\0b").startswith("the config file cannot be read: ")
    assert complaint_about("\ud800").startswith("the config file cannot be read: ")
    path = tmp_path / "config.toml"
    path.touch(0o000)
    with as_another_user():
        denied = complaint_about(path)
    assert denied == (
        "the config file cannot be read: Permission denied; make it readable for the user who runs "
        "this"
    )


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    """A file larger than 1 MiB is refused."""
    path = tmp_path / "config.toml"
    path.write_bytes(b"#" * (MAX_SIZE + 1))
    message = "the config file is larger than 1024 KiB; is this the right file?"
    assert complaint_about(path) == message


def test_a_large_file_is_read(tmp_path: Path) -> None:
    """A file of exactly 1 MiB is read."""
    path = tmp_path / "config.toml"
    path.write_bytes(b"#" * MAX_SIZE)
    assert load(str(path)).settings(HOST).values == {"config_file": str(path)}


def test_a_path_has_no_line_break() -> None:
    """A path with a line break is refused."""
    with pytest.raises(BadConfiguration, match="holds a control character"):
        parse_text("", "/home/a\nb/config.toml")


def check(text: str | None, name: str = HOST, path: str = PATH) -> None:
    """A ``text``, or a file, is refused in one line, or told in lines ``key=value``."""
    refused = None
    try:
        config = load(path) if text is None else parse_text(text, path)
    except BadConfiguration as error:
        refused = str(error)
    if refused is not None:
        assert refused.startswith(path)
        assert refused.isprintable()
        return
    for key, value in config.settings(name).values.items():
        assert key in (*KEYS, "config_file")
        assert value
        assert not re.search(r"[\0-\x1f\x7f-\x9f\u2028\u2029]", value)
        assert f"{key}={value}".splitlines() == [f"{key}={value}"]


@given(st.binary() | st.text().map(str.encode))
def test_no_bytes_make_it_fail(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever is in the file, it is a config file or the error is BadConfiguration."""
    path = tmp_path_factory.getbasetemp() / "config.toml"
    path.write_bytes(content)
    check(None, path=str(path))


pieces = st.lists(
    st.sampled_from(
        [*(f"{key} = " for key in KEYS), *EXAMPLE.splitlines(), *"\"'[]{}=,.#\\\n\r\0\u2028\ufeff"]
    )
    | st.text(max_size=3),
    max_size=30,
)


@given(st.text(st.characters(codec=None)) | pieces.map("".join) | pieces.map("\n".join))
def test_no_text_makes_it_fail(text: str) -> None:
    """Whatever text is given, it is a config file or the error is BadConfiguration."""
    check(text)


good_texts = re.findall(r'"(.*?)"', EXAMPLE)
texts = st.tuples(
    st.sampled_from([*good_texts, "", "*"]),
    st.sampled_from("\n\r\t\0\x7f\x85\u2028 ") | st.just(""),
).map("".join) | st.text(max_size=20)
values = (
    texts.map(in_quotes)
    | st.lists(texts.map(in_quotes), max_size=3).map(lambda several: f"[{', '.join(several)}]")
    | st.integers().map(str)
    | st.floats().map(str)
    | st.sampled_from(["true", "false", "{}", "[[]]", "1979-05-27", "12:00:00"])
)
settings = st.dictionaries(st.sampled_from(KEYS), values, max_size=4)


@given(settings, st.lists(settings, max_size=3), st.sampled_from([HOST, "a", "a:1"]))
def test_no_values_make_it_fail(
    top: dict[str, str], tables: list[dict[str, str]], name: str
) -> None:
    """Whatever the settings are, those that are accepted have no control character."""
    headed = [top, *({"match": '"*"'} | table for table in tables)]
    text = "[[registry]]\n".join(
        "".join(f"{key} = {value}\n" for key, value in table.items()) for table in headed
    )
    check(text, name)


@given(st.sampled_from(KEYS), texts)
def test_no_accepted_text_has_a_control_character(key: str, text: str) -> None:
    """Whatever text a single setting has, it is refused or told without a control character."""
    role = "" if key == "role_arn" else ROLE
    for start in ("", '[[registry]]\nmatch = "*"\n', f'[[registry]]\nmatch = "*"\n{role}'):
        check(f"{start}{key} = {in_quotes(text)}\n")


@given(st.text(alphabet="ab.*?![]-^&|~\\0:", max_size=12), st.text(alphabet="ab.-0:", max_size=8))
def test_no_glob_makes_it_fail(glob: str, name: str) -> None:
    """A glob with any brackets is refused, or matches or does not; it never fails."""
    check(f"[[registry]]\nmatch = {in_quotes(glob)}", name)
