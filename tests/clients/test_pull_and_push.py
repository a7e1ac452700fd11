"""Images come and go with the token that the helper answers."""

from tests.clients.machine import IMAGE, Client, Person
from tests.clients.servers import Registry
from tests.emulator import AwsEmulator
from tests.helper_process import EXECUTABLE, HOST, OTHER_REGION


def test_skopeo_inspect(person: Person, registry: Registry, aws: AwsEmulator) -> None:
    """Skopeo looks at an image without copying it."""
    person.use_helper("credential-helpers")
    assert person.run("skopeo", "inspect", f"docker://{IMAGE}").succeeded
    assert registry.pulled(IMAGE)
    assert aws.count("GetAuthorizationToken") == 1


def test_buildah_from(person: Person, registry: Registry, aws: AwsEmulator) -> None:
    """Buildah starts a working container from a private image."""
    person.use_helper("credential-helpers")
    assert person.run("buildah", "from", IMAGE).succeeded
    assert registry.pulled(IMAGE)
    assert aws.count("GetAuthorizationToken") == 1


def test_a_wrapper(client: Client, registry: Registry, aws: AwsEmulator) -> None:
    """A wrapper that starts something and then becomes the helper is as good as the helper."""
    wrapper = client.person.write(
        f"bin/{EXECUTABLE.name}",
        f'#!/bin/sh\nhead -c 99999 /dev/zero >/dev/null &\nexec "{EXECUTABLE}" "$@"\n',
    )
    wrapper.chmod(0o755)
    path = client.person.environ["PATH"]
    client.person.environ["PATH"] = f"{wrapper.parent}:{path}"
    for _ in range(5):
        assert client.pull(IMAGE).succeeded
        client.forget(IMAGE)
    assert registry.pulled(IMAGE)
    assert aws.count("GetAuthorizationToken") == 1


def test_other_region(client: Client, registry: Registry, aws: AwsEmulator) -> None:
    """Another region needs a token of its own, from its own endpoint."""
    elsewhere = IMAGE.replace(HOST, OTHER_REGION)
    assert client.pull(IMAGE).succeeded
    assert client.pull(elsewhere).succeeded
    assert registry.pulled(elsewhere)
    assert [call.region for call in aws.calls] == ["us-east-1", "eu-west-1"]
