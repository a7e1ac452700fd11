"""Whose credentials a registry gets: the configuration file, and codes that people type."""

import shlex
import shutil
from collections.abc import Sequence

import pytest

from tests.clients.fallback import FallbackHelper
from tests.clients.machine import IMAGE, Client, Person, Skopeo
from tests.clients.network import ORDINARY_ADDRESS, names_at
from tests.clients.servers import Registry
from tests.emulator import AwsEmulator
from tests.helper_process import HOST, OTHER_REGION, PUBLIC, SECOND_ACCOUNT

PRINCIPALS = {
    HOST: "arn:aws:iam::111111111111:user/one",
    SECOND_ACCOUNT: "arn:aws:iam::222222222222:user/two",
}
OWN_NAME = "images.example.com"
UNLISTED_NAME = "other.example.com"
[ORDINARY] = names_at(ORDINARY_ADDRESS)

PROFILE = "prod"
DEVICE = "arn:aws:iam::111111111111:mfa/dev"
SESSION = "arn:aws:sts::222222222222:assumed-role/pull/"
SIGN_IN = f"docker-credential-ecr-login login --profile {PROFILE}"
AT_ONCE = 10


def image_at(host: str) -> str:
    """Return the image under that name of the registry."""
    return IMAGE.replace(HOST, host)


# A profile for each registry


def test_two_accounts(client: Client, registry: Registry, aws: AwsEmulator) -> None:
    """Each account's registry gets the token of its own profile, whoever asks, from one call."""
    one, two = (aws.add_user(arn=arn) for arn in PRINCIPALS.values())
    client.person.keep_keys(one=one, two=two)
    client.person.configure(
        '[[registry]]\nmatch = "111111111111.dkr.ecr.*.amazonaws.com"\nprofile = "one"\n'
        '[[registry]]\nmatch = "222222222222.dkr.ecr.*.amazonaws.com"\nprofile = "two"\n'
    )
    for puller in (client, client, Skopeo("skopeo", client.person, client.archive)):
        for host in PRINCIPALS:
            assert puller.pull(image_at(host)).succeeded
            puller.forget(image_at(host))
    assert all(registry.pulled(image_at(host)) for host in PRINCIPALS)
    for host, principal in PRINCIPALS.items():
        assert issued_to(client.person, host, aws) == principal
    assert [call.principal for call in aws.calls] == list(PRINCIPALS.values())


def test_a_role_in_each_account(client: Client, registry: Registry, aws: AwsEmulator) -> None:
    """One entry stands for the same role in every account, and each is assumed once."""
    client.person.keep_keys(one=aws.add_user())
    client.person.write(".aws/config", "[profile one]\nregion = us-east-1\n")
    for host in PRINCIPALS:
        aws.add_role(arn=f"arn:aws:iam::{host[:12]}:role/pull")
    client.person.configure(
        "[[registry]]\n"
        'match = "*.dkr.ecr.*.amazonaws.com"\n'
        'profile = "one"\n'
        'role_arn = "arn:aws:iam::{registry_id}:role/pull"\n'
    )
    for _ in range(2):
        for host in PRINCIPALS:
            assert client.pull(image_at(host)).succeeded
            client.forget(image_at(host))
    assert all(registry.pulled(image_at(host)) for host in PRINCIPALS)
    assert [call.operation for call in aws.calls] == ["AssumeRole", "GetAuthorizationToken"] * 2
    for call, host in zip(aws.calls[1::2], PRINCIPALS, strict=True):
        assert str(call.principal).startswith(f"arn:aws:sts::{host[:12]}:assumed-role/pull/")


def issued_to(person: Person, host: str, aws: AwsEmulator) -> str | None:
    """Return whose token the helper answers."""
    outcome = person.run("docker-credential-ecr-login", "get", stdin=host)
    [token] = [secret for secret in aws.secrets if f'"{secret}"' in outcome.stdout]
    issued = aws.issued(token)
    assert issued is not None
    return issued.principal


# A name of one's own


def test_a_name_of_ones_own(client: Client, registry: Registry, aws: AwsEmulator) -> None:
    """A name in front of ECR is pulled from with the token of the registry behind it."""
    client.person.configure(f'[[registry]]\nmatch = "{OWN_NAME}"\nregistry = "{HOST}"\n')
    for _ in range(2):
        assert client.pull(image_at(OWN_NAME)).succeeded
        client.forget(image_at(OWN_NAME))
    assert registry.pulled(image_at(OWN_NAME))
    assert [(call.operation, call.region) for call in aws.calls] == [
        ("GetAuthorizationToken", "us-east-1")
    ]


def test_a_name_that_is_not_listed(client: Client, registry: Registry, aws: AwsEmulator) -> None:
    """Another name gets no credentials, and AWS is not asked."""
    client.person.configure(f'[[registry]]\nmatch = "{OWN_NAME}"\nregistry = "{HOST}"\n')
    outcome = client.pull(image_at(UNLISTED_NAME))
    assert not outcome.succeeded
    assert outcome.remarks == []
    assert "auth" in outcome.own_words  # in whatever words, that it is not signed in
    assert not any(request.signed_in for request in registry.requests)
    assert aws.calls == []


# Anonymously


def test_public_anonymously(client: Client, public_registry: Registry, aws: AwsEmulator) -> None:
    """With ``anonymous``, ECR Public is pulled from without credentials, and AWS is not asked."""
    client.person.configure(f'[[registry]]\nmatch = "{PUBLIC}"\nanonymous = true\n')
    with public_registry.serving():
        assert client.pull(image_at(PUBLIC)).succeeded
        assert public_registry.pulled(image_at(PUBLIC), signed_in=False)
    assert aws.calls == []


# Another helper


def test_fallback(
    client: Client, registry: Registry, ordinary_registry: Registry, aws: AwsEmulator
) -> None:
    """Logins to other registries are kept by the fallback, which is never asked about ECR."""
    fallback = FallbackHelper(client.person.home, client.person.environ)
    client.person.configure(f'fallback = "{fallback.NAME}"\n')
    client.person.use_helper("credsStore")
    client.person.use_credential_helpers(["ecr-login"])
    ordinary_registry.admit({"alice": "open sesame"})
    image = image_at(ORDINARY)
    with ordinary_registry.serving():
        assert client.login(ORDINARY, "open sesame", user="alice").succeeded
        [login] = fallback.logins.values()
        assert (login["Username"], login["Secret"]) == ("alice", "open sesame")
        assert client.pull(image).succeeded
        assert ordinary_registry.pulled(image)
        client.forget(image)
        assert client.pull(IMAGE).succeeded
        assert client.logout(ORDINARY).succeeded
        assert fallback.logins == {}
        assert not client.pull(image).succeeded
    client.forget(IMAGE)
    assert client.pull(IMAGE).succeeded
    assert client.logout(HOST).succeeded
    assert registry.pulled(IMAGE)
    assert aws.count("GetAuthorizationToken") == 1
    assert {"store", "get", "erase"} <= {action for action, _ in fallback.asked}
    asked_about = {server for action, server in fallback.asked if action != "list"}
    # A logout by docker is for two more forms of the name.
    assert asked_about <= {ORDINARY, f"http://{ORDINARY}", f"https://{ORDINARY}"}


# A code that somebody types


@pytest.fixture
def code(stranger: Person, aws: AwsEmulator) -> str:
    """What the MFA device shows, which the profile in effect asks for."""
    code = "271828"
    role = aws.add_role(mfa_serial=DEVICE, mfa_code=code)
    stranger.keep_keys(default=aws.add_user())
    stranger.write(
        ".aws/config",
        f"[profile {PROFILE}]\n"
        f"role_arn = {role.arn}\n"
        "source_profile = default\n"
        f"mfa_serial = {DEVICE}\n"
        "region = us-east-1\n",
    )
    stranger.environ["AWS_PROFILE"] = PROFILE
    return code


def pull_with(code: str, client: Client, image: str = IMAGE) -> None:
    """Pull at a terminal, and type the code when asked for it."""
    with client.person.at_terminal(*client.pull_command(image)) as terminal:
        terminal.read_until(DEVICE)
        terminal.type(f"{code}\n")
        screen = terminal.finish()
    assert terminal.status == 0, screen


def test_code(strangers_client: Client, registry: Registry, aws: AwsEmulator, code: str) -> None:
    """A pull at a terminal asks once for the code, does not show it, and no later pull asks."""
    client = strangers_client
    with client.person.at_terminal(*client.pull_command(IMAGE)) as terminal:
        terminal.read_until(DEVICE)
        assert PROFILE in terminal.screen
        terminal.type(f"{code}\n")
        screen = terminal.finish()
    assert terminal.status == 0, screen
    assert screen.count(DEVICE) == 1
    assert code not in screen + client.person.log
    assert registry.pulled(IMAGE)
    client.forget(IMAGE)
    assert client.pull(IMAGE).succeeded
    assert [call.operation for call in aws.calls] == ["AssumeRole", "GetAuthorizationToken"]
    assert str(aws.calls[-1].principal).startswith(SESSION)


def test_the_session_serves_other_regions(
    strangers_docker: Client, registry: Registry, aws: AwsEmulator, code: str
) -> None:
    """Where another token is needed, the session of the last code is enough."""
    pull_with(code, strangers_docker)
    assert strangers_docker.pull(image_at(OTHER_REGION)).succeeded
    assert registry.pulled(image_at(OTHER_REGION))
    assert aws.count("AssumeRole") == 1
    assert aws.count("GetAuthorizationToken") == 2


def at_once(client: Client, images: Sequence[str]) -> list[str]:
    """Return a command that pulls all of them in the foreground, each in a process of its own."""
    started = [f'{shlex.join(client.pull_command(image))} & all="$all $!"' for image in images]
    ended = ["status=0", 'for each in $all; do wait "$each" || status=1; done', "exit $status"]
    return ["sh", "-c", "\n".join(started + ended)]


def test_code_for_many_at_once(
    strangers_docker: Client, registry: Registry, aws: AwsEmulator, code: str
) -> None:
    """Ten pulls that start together at one terminal ask once, and all succeed."""
    command = at_once(strangers_docker, [IMAGE] * AT_ONCE)
    with strangers_docker.person.at_terminal(*command) as terminal:
        terminal.read_until(DEVICE)
        terminal.type(f"{code}\n")
        screen = terminal.finish()
    assert terminal.status == 0, screen
    assert screen.count(DEVICE) == 1
    assert registry.pulled(IMAGE)
    assert [call.operation for call in aws.calls] == ["AssumeRole", "GetAuthorizationToken"]


def test_code_for_two_regions_at_once(
    strangers_docker: Client, registry: Registry, aws: AwsEmulator, code: str
) -> None:
    """Pulls that need different tokens ask once, too, if one session is enough for them."""
    images = [image_at(host) for host in (HOST, OTHER_REGION, SECOND_ACCOUNT)]
    with strangers_docker.person.at_terminal(*at_once(strangers_docker, images)) as terminal:
        terminal.read_until(DEVICE)
        terminal.type(f"{code}\n")
        screen = terminal.finish()
    assert terminal.status == 0, screen
    assert screen.count(DEVICE) == 1
    assert all(registry.pulled(image) for image in images)
    assert aws.count("AssumeRole") == 1


def test_code_for_the_profile_of_a_registry(
    strangers_docker: Client, registry: Registry, aws: AwsEmulator, code: str
) -> None:
    """The configuration file's profile may ask for a code, for a name of one's own too."""
    client = strangers_docker
    del client.person.environ["AWS_PROFILE"]
    client.person.configure(
        f'[[registry]]\nmatch = "{OWN_NAME}"\nregistry = "{HOST}"\nprofile = "{PROFILE}"\n'
    )
    assert SIGN_IN in client.pull(image_at(OWN_NAME)).stderr
    pull_with(code, client, image_at(OWN_NAME))
    client.forget(image_at(OWN_NAME))
    assert client.pull(image_at(OWN_NAME)).succeeded
    assert registry.pulled(image_at(OWN_NAME))
    assert [call.operation for call in aws.calls] == ["AssumeRole", "GetAuthorizationToken"]


def test_wrong_code(
    strangers_client: Client, registry: Registry, aws: AwsEmulator, code: str
) -> None:
    """A wrong code makes the pull fail in words that say so."""
    command = strangers_client.pull_command(IMAGE)
    with strangers_client.person.at_terminal(*command) as terminal:
        terminal.read_until(DEVICE)
        shown = len(terminal.screen)
        terminal.type(f"{code[::-1]}\n")
        screen = terminal.finish()
    assert terminal.status != 0
    assert "MFA code" in screen[shown:]
    assert not any(request.signed_in for request in registry.requests)
    assert [call.operation for call in aws.calls] == ["AssumeRole"]


@pytest.mark.parametrize("typed", ["172828", "12345", ""])
def test_another_code(
    strangers_docker: Client, registry: Registry, aws: AwsEmulator, code: str, typed: str
) -> None:
    """After a wrong code, or a slip of the finger, the next pull asks again, however soon it is."""
    with strangers_docker.person.at_terminal(*strangers_docker.pull_command(IMAGE)) as terminal:
        terminal.read_until(DEVICE)
        terminal.type(f"{typed}\n")
        terminal.finish()
    assert terminal.status != 0
    pull_with(code, strangers_docker)
    assert registry.pulled(IMAGE)
    assert aws.count("GetAuthorizationToken") == 1


def test_interrupted(
    strangers_docker: Client, registry: Registry, aws: AwsEmulator, code: str
) -> None:
    """Ctrl-C at the question ends the pull and leaves the terminal as it was."""
    pull = shlex.join(strangers_docker.pull_command(IMAGE))
    shell = ["sh", "-c", f"trap : INT; {pull}; echo ended; read line"]
    with strangers_docker.person.at_terminal(*shell) as terminal:
        was_echoing = terminal.echoes
        terminal.read_until(DEVICE)
        assert (was_echoing, terminal.echoes) == (True, False)
        terminal.interrupt_until("ended\n")
        terminal.wait_for_the_rest()  # docker does not wait for the helper
        assert terminal.echoes
    assert aws.calls == []
    pull_with(code, strangers_docker)
    assert registry.pulled(IMAGE)


@pytest.mark.usefixtures("code")
def test_code_without_a_terminal(
    strangers_client: Client, registry: Registry, aws: AwsEmulator
) -> None:
    """Without a terminal, a pull fails at once, with one line that says what to type at one."""
    outcome = strangers_client.pull(IMAGE)
    assert not outcome.succeeded
    [remark] = set(outcome.remarks)
    assert SIGN_IN in remark
    assert not any(request.signed_in for request in registry.requests)
    assert aws.calls == []


@pytest.mark.usefixtures("code")
def test_code_in_the_background(strangers_docker: Client, registry: Registry) -> None:
    """A pull in the background of a terminal is not stopped to ask, but says what to type."""
    pull = shlex.join(strangers_docker.pull_command(IMAGE))
    shell = ["sh", "-c", f"set -m; {pull} & wait $!"]
    with strangers_docker.person.at_terminal(*shell) as terminal:
        screen = terminal.finish()
    assert terminal.status != 0
    assert SIGN_IN in screen
    assert DEVICE not in screen
    assert not any(request.signed_in for request in registry.requests)


def test_login_for_those_without_a_terminal(
    strangers_docker: Client, registry: Registry, aws: AwsEmulator, code: str
) -> None:
    """What that line says to type, in whatever shell, asks for the code; then the pull succeeds."""
    person = strangers_docker.person
    [remark] = set(strangers_docker.pull(IMAGE).remarks)
    words = remark[remark.index(SIGN_IN) :].split()
    del person.environ["AWS_PROFILE"]
    with person.at_terminal(*words) as terminal:
        terminal.read_until(DEVICE)
        terminal.type(f"{code}\n")
        screen = terminal.finish()
    assert terminal.status == 0, screen
    person.environ["AWS_PROFILE"] = PROFILE
    assert strangers_docker.pull(IMAGE).succeeded
    assert registry.pulled(IMAGE)
    assert [call.operation for call in aws.calls] == ["AssumeRole", "GetAuthorizationToken"]


@pytest.mark.skipif(shutil.which("aws") is None, reason="needs the AWS CLI")
def test_aws_cli_asks_nothing_after_a_pull(
    strangers_docker: Client, registry: Registry, aws: AwsEmulator, code: str
) -> None:
    """A code that was typed for a pull counts for the AWS CLI."""
    pull_with(code, strangers_docker)
    assert registry.pulled(IMAGE)
    identity = strangers_docker.person.run(
        "aws", "sts", "get-caller-identity", "--profile", PROFILE, "--output", "text"
    )
    assert identity.succeeded, identity
    assert SESSION in identity.stdout
    assert aws.count("AssumeRole") == 1
