"""``configure`` on files as other programs and people write them.

Each is kept byte for byte, apart from one place, or laid out anew, or refused.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from docker_credential_ecr_login import commands
from docker_credential_ecr_login.errors import HelperError
from tests.helper_process import HOST

DESKTOP = """{
	"auths": {},
	"credsStore": "desktop",
	"currentContext": "desktop-linux",
	"plugins": {
		"-x-cli-hints": {
			"enabled": "true"
		},
		"debug": {
			"hooks": "exec"
		},
		"scout": {
			"hooks": "pull,buildx build"
		}
	},
	"features": {
		"hooks": "true"
	}
}"""
EVERYTHING = r"""{
    "HttpHeaders": {
        "MyHeader": "MyValue"
    },
    "psFormat": "table {{.ID}}\\t{{.Image}}\\t{{.Command}}\\t{{.Labels}}",
    "imagesFormat": "table {{.ID}}\\t{{.Repository}}\\t{{.Tag}}\\t{{.CreatedAt}}",
    "pluginsFormat": "table {{.ID}}\t{{.Name}}\t{{.Enabled}}",
    "statsFormat": "table {{.Container}}\t{{.CPUPerc}}\t{{.MemUsage}}",
    "servicesFormat": "table {{.ID}}\t{{.Name}}\t{{.Mode}}",
    "secretFormat": "table {{.ID}}\t{{.Name}}\t{{.CreatedAt}}\t{{.UpdatedAt}}",
    "configFormat": "table {{.ID}}\t{{.Name}}\t{{.CreatedAt}}\t{{.UpdatedAt}}",
    "serviceInspectFormat": "pretty",
    "nodesFormat": "table {{.ID}}\t{{.Hostname}}\t{{.Availability}}",
    "detachKeys": "ctrl-e,e",
    "credsStore": "secretservice",
    "credHelpers": {
        "awesomereg.example.org": "hip-star",
        "unicorn.example.com": "vcbait"
    },
    "stackOrchestrator": "kubernetes",
    "plugins": {
        "plugin1": {
            "option": "value"
        },
        "plugin2": {
            "anotheroption": "anothervalue",
            "athirdoption": "athirdvalue"
        }
    },
    "proxies": {
        "default": {
            "httpProxy":  "http://user:pass@example.com:3128",
            "httpsProxy": "https://my-proxy.example.com:3129",
            "noProxy":    "intra.mycorp.example.com",
            "ftpProxy":   "http://user:pass@example.com:3128",
            "allProxy":   "socks://example.com:1234"
        },
        "https://manager1.mycorp.example.com:2377": {
            "httpProxy":  "http://user:pass@example.com:3128",
            "httpsProxy": "https://my-proxy.example.com:3129"
        }
    }
}
"""
GCLOUD = """{
  "credHelpers": {
    "asia.gcr.io": "gcloud",
    "eu.gcr.io": "gcloud",
    "europe-west1-docker.pkg.dev": "gcloud",
    "gcr.io": "gcloud",
    "marketplace.gcr.io": "gcloud",
    "us.gcr.io": "gcloud"
  }
}"""
MANY = {f"registry-{number}.example.com": {"auth": "dXNlcjpwYXNz"} for number in range(1000)}

KEPT = {
    # As programs write it.
    "docker login": '{\n\t"auths": {\n\t\t"ghcr.io": {\n\t\t\t"auth": "dTpw"\n\t\t}\n\t}\n}',
    "docker login, Hub": (
        '{\n\t"auths": {\n\t\t"https://index.docker.io/v1/": {\n\t\t\t"auth": "dTpw"\n\t\t},\n'
        '\t\t"https://index.docker.io/v1/access-token": {\n\t\t\t"auth": "dTpw"\n\t\t},\n'
        '\t\t"https://index.docker.io/v1/refresh-token": {\n\t\t\t"auth": "dTpw"\n\t\t}\n\t}\n}'
    ),
    "docker login of long ago": (
        '{\n\t"auths": {\n\t\t"quay.io": {\n\t\t\t"auth": "dTpw",\n\t\t\t"email": "a@b.c"\n\t\t}\n'
        '\t},\n\t"HttpHeaders": {\n\t\t"User-Agent": "Docker-Client/18.09.7 (linux)"\n\t}\n}'
    ),
    "docker logout": '{\n\t"auths": {}\n}',
    "docker context use": '{\n\t"currentContext": "remote"\n}',
    "Docker Desktop": DESKTOP,
    "Docker Desktop, Windows": DESKTOP.replace("desktop-linux", "desktop-windows").replace(
        "\n", "\r\n"
    ),
    "Docker Desktop, in WSL": '{\n  "credsStore": "desktop.exe"\n}\n',
    "Docker Desktop, of long ago": (
        '{\n  "stackOrchestrator" : "swarm",\n  "experimental" : "disabled",\n'
        '  "credsStore" : "osxkeychain"\n}'
    ),
    "macOS keychain": '{\n\t"auths": {\n\t\t"ghcr.io": {}\n\t},\n\t"credsStore": "osxkeychain"\n}',
    "Windows": '{\r\n\t"auths": {},\r\n\t"credsStore": "wincred"\r\n}\r\n',
    "pass": '{\n    "credsStore": "pass"\n}\n',
    "Colima": '{\n\t"auths": {},\n\t"currentContext": "colima"\n}',
    "Colima, with Homebrew's plugins": (
        '{\n\t"auths": {},\n\t"currentContext": "colima",\n\t"cliPluginsExtraDirs": [\n'
        '\t\t"/opt/homebrew/lib/docker/cli-plugins"\n\t]\n}'
    ),
    "Rancher Desktop": (
        '{\n  "auths": {},\n  "credsStore": "osxkeychain",\n  "cliPluginsExtraDirs": [\n'
        '    "/Applications/Rancher Desktop.app/Contents/Resources/resources/darwin/'
        'docker-cli-plugins"\n  ],\n  "currentContext": "rancher-desktop"\n}\n'
    ),
    "OrbStack": '{\n  "credsStore": "osxkeychain",\n  "currentContext": "orbstack"\n}',
    "gcloud auth configure-docker": GCLOUD,
    "az acr login": (
        '{\n\t"auths": {\n\t\t"corp.azurecr.io": {\n\t\t\t"auth": "MDAw",\n'
        '\t\t\t"identitytoken": "eyJ"\n\t\t}\n\t}\n}'
    ),
    "kubectl create secret": '{"auths":{"ghcr.io":{"username":"u","password":"p","auth":"dTpw"}}}',
    "echo in a CI job": '{"auths":{"registry.gitlab.com":{"auth":"dTpw"}}}\n',
    "aws-cdk": '{"credsStore":"","credHelpers":{"gcr.io":"cdk-assets"}}',
    "the Go helper": '{\n\t"credHelpers": {\n\t\t"public.ecr.aws": "ecr-login"\n\t}\n}',
    "jq": '{\n  "auths": {\n    "ghcr.io": {\n      "auth": "dTpw"\n    }\n  }\n}\n',
    "jq --compact-output": '{"auths":{"ghcr.io":{"auth":"dTpw"}},"detachKeys":"ctrl-q,q"}\n',
    "Python": '{"auths": {"ghcr.io": {"auth": "dTpw"}}, "plugins": {}}',
    # As people write it.
    "aliases": '{\n  "aliases": {\n    "builder": "buildx"\n  }\n}\n',
    "for this host another helper": f'{{"credHelpers": {{"{HOST}": "other", "gcr.io": "gcr"}}}}\n',
    "empty objects": '{"auths": {}, "credHelpers": {}}\n',
    "null": '{"auths": null, "credHelpers": null, "credsStore": null, "debug": true}\n',
    "an empty object": "{}",
    "odd order": '{"plugins": {}, "credHelpers": {"gcr.io": "gcr"}, "auths": {}, "a": 1}',
    "names in another case": '{\n  "AUTHS": {},\n  "CredHelpers": {\n    "gcr.io": "gcr"\n  }\n}\n',
    "other scripts": '{\n  "HttpHeaders": {\n    "X-Vorname": "Jürgen 日本 😀"\n  }\n}\n',
    "braces in texts": r'{"psFormat": "{\"credHelpers\": {", "x": "}}\\", "y": "/* // */"}',
    "nested arrays": '{"x": [[{"credHelpers": {}}], [], [[["credsStore"]]], {}], "y": null}',
    "odd numbers": '{"a": -0.0, "b": 1E400, "c": 123456789012345678901234567890, "d": 1.10}',
    "a huge file": json.dumps({"auths": MANY}, indent="\t"),
    "a huge line": json.dumps({"auths": MANY}),
    "markup, as docker escapes it": '{\n\t"psFormat": "\\u003cno\\u003e \\u0026 ü"\n}',
    "a path of Windows": '{"cliPluginsExtraDirs": ["C:\\\\users\\\\Jürgen"]}',
}
"""What is kept byte for byte."""

LAID_OUT_ANEW = {
    "secretservice": '{ "credsStore": "secretservice" }\n',
    "PowerShell": '{\r\n    "auths":  {\r\n              },\r\n    "debug":  true\r\n}\r\n',
    "all that docker knows": EVERYTHING,
    "an empty object, by an editor": "{\n\n}\n",
    "blank lines": '\n\n{\n\n  "auths": {},\n\n  "debug": true\n\n}\n\n\n',
    "odd indentation": '{"auths":\n      {\n  "ghcr.io" :{"auth":"dTpw"} }\n,\t"debug"\t:\ttrue}',
    "commas first": '{ "auths": {}\n, "debug": true\n, "plugins": {}\n}\n',
    "escapes": r'{"\u0061uths": {}, "\u0063redHelpers": {"gcr.io": "\u0067cr"}, "x": "\ud83d"}',
    "a short list": '{\n  "auths": {},\n  "cliPluginsExtraDirs": ["/opt/a", "/opt/b"]\n}\n',
    "half a character": '{"x": "ü\\ud83d"}',
}
"""What is kept but for blank space and escapes, as `json` writes it."""

REFUSED: dict[str, tuple[bytes, str]] = {
    "keys twice": (
        b'{"plugins": {"a": 1}, "plugins": {}}',
        "it has the key plugins more than once",
    ),
    "keys twice, further inside": (
        b'{"auths": {"a": {}, "a": {"auth": ""}}}',
        "it has the key a more than once",
    ),
    "a byte order mark": (b'\xef\xbb\xbf{"auths": {}}', "in UTF-8 with a byte order mark"),
    "UTF-16, as PowerShell redirects": (
        '{"auths": {}}\r\n'.encode("utf-16"),
        "in UTF-16, but must be in UTF-8",
    ),
    "Latin-1": ('{"x": "Jürgen"}'.encode("latin-1"), "in Latin-1 (line 1)"),
    "a comma too many": (b'{\n  "auths": {},\n}\n', "not JSON at line "),
    "a comment": (b'{\n  // mine\n  "auths": {}\n}\n', "not JSON at line 2, column 3"),
    "half a file": (
        b'{\n\t"auths": {\n\t\t"ghcr.io": {\n\t\t\t"auth": "dT',
        "not JSON at line 4, column 12",
    ),
    "a merge conflict": (
        b'{\n<<<<<<< HEAD\n  "a": 1\n=======\n  "a": 2\n>>>>>>> x\n}\n',
        "not JSON at line 2, column 1",
    ),
    "nothing but NUL, after a crash": (b"\0" * 512, "not JSON at line 1, column 1"),
    "NaN": (b'{"x": NaN}', "not JSON: NaN is not a JSON value"),
    "null": (b"null", "its JSON is not an object in braces"),
    "a list": (b'[{"auths": {}}]', "its JSON is not an object in braces"),
    "credHelpers is a list": (b'{"credHelpers": ["ecr-login"]}', "credHelpers is not an object"),
    "credHelpers twice": (
        b'{"credHelpers": {"a": "b"}, "credHelpers": {}}',
        "it has the key credHelpers more than once",
    ),
    "credsStore is an object": (b'{"credsStore": {"ghcr.io": "x"}}', "credsStore is not a string"),
    "credsStore twice": (
        b'{"credsStore": "desktop", "CredsStore": ""}',
        "it has the key credsStore more than once",
    ),
    "auths is a list": (b'{"auths": [{"ghcr.io": {}}]}', "auths is not an object"),
    "nested too deeply": (
        b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "its JSON is nested too deeply",
    ),
}
"""What docker itself does not take, or where it is not clear what would count; what is said."""


class Home:
    """A home with Docker's config.json in it."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / ".docker" / "config.json"
        self.path.parent.mkdir()
        # Without PATH: these are not the tests of who finds the executable.
        self._environ = {"HOME": str(directory), "XDG_RUNTIME_DIR": str(directory / "run")}

    def configure(self, *arguments: str) -> str:
        """Run ``configure``, which must succeed; return what it says it did."""
        said, _, status = commands.run(["configure", *arguments], self._environ)
        assert status == 0
        return said

    @property
    def text(self) -> str:
        """The file, byte for byte."""
        return self.path.read_bytes().decode()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home with Docker's config.json in it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return Home(tmp_path)


def meaning(text: str) -> dict[str, Any]:
    """What a file says, with the names of fields as docker compares them."""
    pairs = json.loads(text, object_pairs_hook=list, parse_float=str, parse_int=str)
    return {name.casefold(): value for name, value in pairs}


def change(before: str, after: str) -> tuple[str, str]:
    """The one part of a text that differs, as it was and as it is."""
    start = _common(before, after)
    end = _common(before[start:][::-1], after[start:][::-1])
    return before[start : len(before) - end], after[start : len(after) - end]


def _common(one: str, other: str) -> int:
    """How many characters two texts have in common at their beginning."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


@pytest.mark.parametrize("name", KEPT)
def test_a_registry(home: Home, name: str) -> None:
    """One entry is added or changed, at one place, and --remove restores the file."""
    before = KEPT[name]
    home.path.write_bytes(before.encode())
    assert "its layout has changed" not in home.configure(HOST)
    helpers = dict(meaning(before).get("credhelpers") or [])
    added = [*(helpers | {HOST: "ecr-login"}).items()]
    assert meaning(home.text) == meaning(before) | {"credhelpers": added}
    old, new = change(before, home.text)
    assert old.strip() in helpers.get(HOST, "null")
    assert len(new) < 120
    assert home.text.count("\r\n") == (home.text.count("\n") if "\r\n" in before else 0)
    home.configure(HOST, "--remove")
    if name == "for this host another helper":
        assert home.text == '{"credHelpers": {"gcr.io": "gcr"}}\n'
    elif name == "empty objects":
        assert home.text == '{"auths": {}}\n'
    elif name == "null":
        assert home.text == '{"auths": null, "credsStore": null, "debug": true}\n'
    else:
        assert home.text == before or meaning(home.text) == meaning(before) == {}


@pytest.mark.parametrize("name", KEPT)
def test_all_registries(home: Home, name: str) -> None:
    """One field is added or changed, at one place, and --remove restores the file."""
    before = KEPT[name]
    home.path.write_bytes(before.encode())
    home.configure("--global", "--disable-logins")
    assert meaning(home.text) == meaning(before) | {"credsstore": "ecr-login"}
    old, new = change(before, home.text)
    assert old.strip() in (meaning(before).get("credsstore") or "null")
    assert len(new) < 40
    home.configure("--global", "--remove")
    if name == "aws-cdk":
        assert home.text == '{"credHelpers":{"gcr.io":"cdk-assets"}}'
    elif name == "null":
        assert home.text == '{"auths": null, "credHelpers": null, "debug": true}\n'
    else:
        assert home.text == before or meaning(home.text) == meaning(before) == {}


@pytest.mark.parametrize("name", LAID_OUT_ANEW)
def test_another_layout(home: Home, name: str) -> None:
    """A layout that json cannot write changes, with a message; the content stays the same."""
    before = LAID_OUT_ANEW[name]
    home.path.write_bytes(before.encode())
    said = home.configure(HOST).splitlines()
    assert said[1:] == [
        "~/.docker/config.json: its layout has changed: only an editor could have kept it"
    ]
    added = [*(meaning(before).get("credhelpers") or []), (HOST, "ecr-login")]
    assert meaning(home.text) == meaning(before) | {"credhelpers": added}
    assert "its layout has changed" not in home.configure(HOST, "--remove")
    assert meaning(home.text) == meaning(before)


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal(home: Home, name: str) -> None:
    """One line names the file, what is wrong and what to do, and the file is not changed."""
    content, words = REFUSED[name]
    home.path.write_bytes(content)
    line = rf"~/\.docker/config\.json: {re.escape(words)}.*; .+"
    for arguments in ([HOST], ["--global", "--dry-run"], [HOST, "--remove"]):
        with pytest.raises(HelperError) as error:
            home.configure(*arguments)
        assert re.fullmatch(line, str(error.value))
    assert home.path.read_bytes() == content
    assert list(home.path.parent.iterdir()) == [home.path]


@pytest.mark.parametrize("content", [b"", b"\n", b" \t\r\n"])
def test_empty(home: Home, content: bytes) -> None:
    """An empty file, which docker accepts, gets the entry."""
    home.path.write_bytes(content)
    home.configure(HOST)
    assert json.loads(home.path.read_text()) == {"credHelpers": {HOST: "ecr-login"}}


@pytest.mark.parametrize("mode", [0o400, 0o444, 0o600, 0o644, 0o666])
def test_modes(home: Home, mode: int) -> None:
    """The mode stays, even that of a read-only file: docker does the same."""
    home.path.write_text("{}")
    home.path.chmod(mode)
    home.configure(HOST)
    assert home.path.stat().st_mode & 0o777 == mode
    assert HOST in home.path.read_text()


def test_links(home: Home, tmp_path: Path) -> None:
    """Links stay, also one that leads to another, as dotfile managers leave them."""
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "file").write_text(DESKTOP)
    (tmp_path / "generation").symlink_to("store")
    home.path.symlink_to("../generation/file")
    home.configure("--global")
    assert os.readlink(home.path) == "../generation/file"
    assert os.readlink(tmp_path / "generation") == "store"
    assert not (tmp_path / "store" / "file").is_symlink()
    assert home.path.read_text() == DESKTOP.replace('"desktop"', '"ecr-login"')
