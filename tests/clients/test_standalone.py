"""The standalone build, as `make standalone packages image` leaves it in dist/: without Python."""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from docker_credential_ecr_login import __version__
from tests.clients.machine import IMAGE, Outcome, Person
from tests.clients.network import Authority
from tests.clients.servers import DockerEngine, Registry
from tests.emulator import AwsEmulator
from tests.helper_process import HOST

NAME = "docker-credential-ecr-login"
DIST = Path(__file__).parents[2] / "dist"


def _built(pattern: str) -> Path:
    found = sorted(DIST.glob(pattern))
    if not found:
        pytest.skip(f"NOT TRIED: dist/{pattern} is missing: make standalone packages image")
    assert len(found) == 1, found
    return found[0]


def _call(*command: str | Path) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


class Machine:
    """A file system without Python, in which a person runs programs."""

    def __init__(self, root: Path, person: Person) -> None:
        self.root = root
        self.person = person
        person.environ["PATH"] = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

    def run(self, *command: str, stdin: str = "") -> Outcome:
        """Run a program to its end."""
        return self.person.run("/usr/sbin/chroot", str(self.root), *command, stdin=stdin)

    def pulls(self) -> bool:
        """Say whether skopeo copies the image here."""
        target = f"dir:{self.person.home}/pulled"
        return self.run("/usr/bin/skopeo", "copy", f"docker://{IMAGE}", target).succeeded


@pytest.fixture
def machine(tmp_path: Path, person: Person) -> Iterator[Machine]:
    """Yield this machine, with all that is installed on it but Python."""
    root, upper, work = (tmp_path / name for name in ("root", "upper", "work"))
    for directory in (root, upper, work):
        directory.mkdir()
    layers = f"lowerdir=/,upperdir={upper},workdir={work}"
    _call("mount", "-t", "overlay", "overlay", "-o", layers, root)
    try:
        for name in ("dev", "proc", "run"):
            _call("mount", "--rbind", f"/{name}", root / name)
        shutil.copy("/etc/hosts", root / "etc")
        for path in [root / "root", *_pythons(root)]:
            if path.is_symlink() or path.is_file():
                path.unlink()
            else:
                _call("mount", "-t", "tmpfs", "tmpfs", path)
        machine = Machine(root, person)
        assert not machine.run("sh", "-c", "command -v python3").succeeded
        person.use_helper("credHelpers")
        yield machine
    finally:
        _call("umount", "--recursive", root)


def _pythons(root: Path) -> Iterator[Path]:
    for pattern in ("bin/*python3*", "local/bin/*python3*", "lib/python3*", "lib/*/libpython*"):
        yield from (root / "usr").glob(pattern)


def _traces(machine: Machine) -> set[str]:
    """Return the paths that have the program's name in them, where programs are installed."""
    places = [machine.root / name for name in ("etc", "opt", "usr", "var")]
    return set(_call("find", *places, "-path", f"*{NAME}*").splitlines())


def _works(machine: Machine, aws: AwsEmulator) -> None:
    """Use what is installed: pulls by one token, what people type, and completions."""
    assert machine.pulls()
    assert machine.pulls()
    assert aws.count("GetAuthorizationToken") == 1
    assert machine.run(NAME, "version").succeeded
    for shell in ("bash", "fish", "zsh"):
        assert "ecr" in machine.run(NAME, "completion", shell).stdout
    doctor = machine.run(NAME, "doctor", HOST)
    assert "passed  token" in doctor.stdout
    assert "version: Python cannot" not in doctor.stdout


def test_tarball(machine: Machine, registry: Registry, aws: AwsEmulator) -> None:
    """The tarball works wherever it is unpacked, and its directory is all there is of it."""
    tarball = _built(f"{NAME}-*.tar.gz")
    before = _traces(machine)
    _call("tar", "-xzf", tarball, "-C", machine.root / "opt")
    (directory,) = (machine.root / "opt").glob(f"{NAME}-*")
    machine.person.environ["PATH"] = f"/opt/{directory.name}/bin:{machine.person.environ['PATH']}"
    _works(machine, aws)
    assert registry.pulled(IMAGE)
    shutil.rmtree(directory)
    assert _traces(machine) == before


def test_what_a_build_needs_of_glibc(tmp_path: Path) -> None:
    """Its packages depend on the newest glibc that any of its files needs, as readelf has it."""
    _call("tar", "-xzf", _built(f"{NAME}-*.tar.gz"), "-C", tmp_path)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    binaries = [path for path in files if path.read_bytes().startswith(b"\x7fELF")]
    said = _call("readelf", "--version-info", *binaries)
    found = {tuple(map(int, each.split("."))) for each in re.findall(r"Name: GLIBC_([\d.]+)", said)}
    newest = ".".join(map(str, max(found)))
    assert f"Depends: libc6 (>= {newest})\n" in _call("dpkg", "--info", _built("*.deb"))
    assert f"glibc >= {newest}\n" in _call("rpm", "-qp", "--requires", _built("*.rpm"))


def test_what_a_build_has_in_it(tmp_path: Path) -> None:
    """Its bill of materials, beside it and in it, has each library, of Python and of C."""
    bill = _built(f"{NAME}-*-*.cdx.json").read_text()
    _call("tar", "-xzf", _built(f"{NAME}-*.tar.gz"), "-C", tmp_path)
    assert [path.read_text() for path in tmp_path.rglob("*.cdx.json")] == [bill]
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill) is None
    listed = {each["name"]: each.get("version") for each in json.loads(bill)["components"]}
    distributions = [path.stem.rsplit("-", 1) for path in tmp_path.rglob("*.dist-info")]
    assert {name.replace("_", "-"): version for name, version in distributions}.items() <= {
        **listed,
        NAME: __version__,
    }.items()
    code = b"".join(path.read_bytes() for path in tmp_path.rglob("lib*.so*"))
    for name, text in {
        "openssl": rb"OpenSSL (\d+\.\d+\.\d+) \d",
        "zlib": rb"deflate (\d+\.\d+[\d.]*) Copyright",
    }.items():
        assert {each.decode() for each in re.findall(text, code)} == {listed[name]}
    minor, _, _ = str(listed["python"]).rpartition(".")
    assert list(tmp_path.rglob(f"libpython{minor}.so*"))
    assert {"expat", "libffi", "mpdecimal", "pyinstaller"} <= listed.keys()


def test_deb(machine: Machine, engine: DockerEngine, registry: Registry, aws: AwsEmulator) -> None:
    """The .deb is installed, used by docker and skopeo, and removed without a trace."""
    package = _built("*.deb")
    shutil.copy(package, machine.root / "tmp" / "helper.deb")
    before = _traces(machine)
    install = machine.run("dpkg", "--install", "/tmp/helper.deb")  # noqa: S108
    assert install.succeeded, install
    _works(machine, aws)
    assert (machine.root / f"usr/share/man/man1/{NAME}.1.gz").exists()
    machine.person.environ["DOCKER_HOST"] = engine.url
    engine.remove_images()
    assert machine.run("docker", "pull", IMAGE).succeeded
    assert registry.pulled(IMAGE)
    assert machine.run("dpkg", "--purge", NAME).succeeded
    assert _traces(machine) == before
    assert "Conflicts: amazon-ecr-credential-helper" in _call("dpkg", "--info", package)


@pytest.mark.skipif(not shutil.which("rpm"), reason="NOT TRIED: there is no rpm")
def test_rpm(tmp_path: Path, person: Person, registry: Registry, aws: AwsEmulator) -> None:
    """Where rpm knows all that is installed, ours needs glibc alone, and no Go helper beside it.

    Removed, it leaves the root as it was.
    """
    root, package = tmp_path / "root", _built("*.rpm")
    for program in ("/usr/bin/skopeo", "/bin/busybox"):
        _copy_program(program, root)
    for name in ("od", "readlink", "sh", "stat"):
        (root / "bin" / name).symlink_to("busybox")
    for name in ("usr/bin", "usr/lib", "usr/share/doc", "usr/share/man/man1"):  # of any system
        (root / name).mkdir(parents=True, exist_ok=True)

    def rpm(*arguments: str | Path) -> Outcome:
        return person.run("rpm", "--root", str(root), "--dbpath", "/db", *map(str, arguments))

    glibc = _stand_in_rpm("glibc", platform.libc_ver()[1], tmp_path)
    go_helper = _stand_in_rpm("amazon-ecr-credential-helper", "0.9.0", tmp_path)
    assert "glibc >= " in rpm("-i", package).stderr
    assert rpm("-i", glibc, go_helper).succeeded
    assert "amazon-ecr-credential-helper conflicts with" in rpm("-i", package).stderr
    assert rpm("-e", "amazon-ecr-credential-helper").succeeded
    with _running(root, person) as machine:
        before = _paths(root)
        installed = rpm("-i", package)
        assert installed.succeeded, installed
        assert rpm("-V", NAME).succeeded
        _works(machine, aws)
        assert registry.pulled(IMAGE)
        assert rpm("-e", NAME).succeeded
        assert _paths(root) == before


def _paths(root: Path) -> set[Path]:
    """Return all that is in a root but for what rpm and skopeo keep, and what is mounted there."""
    places = set(root.iterdir()) - {root / name for name in ("db", "dev", "proc", "run", "var")}
    return {path for place in places for path in (place, *place.rglob("*"))}


def _stand_in_rpm(name: str, version: str, directory: Path) -> Path:
    """Return a package of that name and version without files."""
    specification = directory / f"{name}.spec"
    specification.write_text(
        f"Name: {name}\nVersion: {version}\nRelease: 1\nSummary: none\nLicense: none\n"
        "BuildArch: noarch\n%description\nnone\n%files\n"
    )
    for macro in ("_topdir", "_rpmdir"):
        specification.write_text(f"%define {macro} {directory}\n{specification.read_text()}")
    _call("rpmbuild", "--quiet", "-bb", specification)
    return directory / "noarch" / f"{name}-{version}-1.noarch.rpm"


def _copy_program(program: str, root: Path) -> None:
    """Copy a program to another root, with glibc and what else it needs."""
    words = _call("ldd", program).split()
    libraries = {word for word in words if word.startswith("/")}
    (libc,) = (path for path in libraries if path.endswith("/libc.so.6"))
    others = ("libdl.so.2", "libm.so.6", "libpthread.so.0")
    libraries |= {libc.replace("libc.so.6", name) for name in others}
    for path in (program, *libraries):
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)


@contextmanager
def _running(root: Path, person: Person) -> Iterator[Machine]:
    """Yield the machine with that root, in which a person's files are where they are here."""
    for name in ("dev", "proc", "run", "etc", "tmp", "var/tmp"):
        (root / name).mkdir(parents=True, exist_ok=True)
    shutil.copy("/etc/hosts", root / "etc")
    try:
        for name in ("dev", "proc", "run"):
            _call("mount", "--rbind", f"/{name}", root / name)
        person.use_helper("credHelpers")
        yield Machine(root, person)
    finally:
        for name in ("dev", "proc", "run"):
            _call("umount", "--recursive", root / name)


def _copied_from_image(person: Person, context: Path, lines: str) -> Path:
    """Return the file system of an image that is built with `COPY --from` ours."""
    archive = _built("*.oci.tar")
    pulled = person.run("buildah", "pull", "--quiet", f"oci-archive:{archive}")
    assert pulled.succeeded, pulled
    assert person.run("buildah", "tag", pulled.stdout.strip(), "localhost/helper").succeeded
    (context / "Containerfile").write_text(lines)
    built = person.run("buildah", "build", "--quiet", "--tag", "localhost/with", str(context))
    assert built.succeeded, built
    container = person.run("buildah", "from", "localhost/with").stdout.strip()
    return Path(person.run("buildah", "mount", container).stdout.strip())


def test_image(machine: Machine, registry: Registry, aws: AwsEmulator) -> None:
    """What `COPY --from` takes of the image works where there is a shell."""
    context = machine.person.home / "context"
    context.mkdir()
    path = machine.person.environ["PATH"]
    machine.person.environ["PATH"] = os.environ["PATH"]
    built = _copied_from_image(
        machine.person, context, "FROM scratch\nCOPY --from=localhost/helper / /usr/local/\n"
    )
    machine.person.environ["PATH"] = path
    _call("cp", "-a", f"{built}/usr/local/.", machine.root / "usr" / "local")
    _works(machine, aws)
    assert registry.pulled(IMAGE)


def test_image_without_a_shell(person: Person, registry: Registry, aws: AwsEmulator) -> None:
    """The executable itself answers in an image that has glibc and a client, and no shell."""
    context = person.home / "context"
    _copy_program("/usr/bin/skopeo", context / "files")
    root = _copied_from_image(
        person,
        context,
        "FROM scratch\nCOPY files /\nCOPY --from=localhost/helper /lib /opt/lib\n"
        "COPY --from=localhost/helper /without-sh /opt/bin\n",
    )
    with _running(root, person) as machine:
        person.environ["PATH"] = "/opt/bin"
        assert not (root / "bin" / "sh").exists()
        assert machine.pulls()
        assert machine.pulls()
        assert registry.pulled(IMAGE)
        assert aws.count("GetAuthorizationToken") == 1


def test_it_loads_nothing_of_its_surroundings(machine: Machine, aws: AwsEmulator) -> None:
    """Neither the directory it is run in nor variables give it modules or libraries."""
    _call("tar", "-xzf", _built(f"{NAME}-*.tar.gz"), "-C", machine.root / "opt")
    person = machine.person
    (directory,) = (machine.root / "opt").glob(f"{NAME}-*")
    for name in ("os.py", "ssl.py", "json.py", "botocore.py", "sitecustomize.py"):
        person.write(name, "raise SystemExit('not this one')")
    person.environ |= {"PYTHONPATH": str(person.home), "PYTHONHOME": str(person.home)}
    person.environ["LD_LIBRARY_PATH"] = str(person.home)
    # The shell that credential_process is run by shows what it was given.
    person.write(
        "process",
        '#!/bin/sh\nenv >"$HOME/given"\n'
        f'echo \'{{"Version": 1, "AccessKeyId": "{person.environ.pop("AWS_ACCESS_KEY_ID")}",'
        f' "SecretAccessKey": "{person.environ.pop("AWS_SECRET_ACCESS_KEY")}"}}\'\n',
    ).chmod(0o755)
    person.write(".aws/config", f"[default]\ncredential_process = {person.home}/process\n")
    for program in (f"bin/{NAME}", f"lib/{NAME}/python3"):
        shutil.rmtree(person.home / ".ecr", ignore_errors=True)
        command = f"cd {person.home} && exec /opt/{directory.name}/{program} get"
        outcome = machine.run("sh", "-c", command, stdin=HOST)
        assert '"Username":"AWS"' in outcome.stdout.replace(" ", ""), outcome
        given = (person.home / "given").read_text().splitlines()
        assert f"LD_LIBRARY_PATH={person.home}" in given
        assert not [line for line in given if line.startswith(("_PYI", "LD_LIBRARY_PATH_ORIG"))]
    assert aws.count("GetAuthorizationToken") == 2


def test_it_asks_before_its_imports_are_done(
    machine: Machine, authority: Authority, aws: AwsEmulator
) -> None:
    """With keys in the environment and nothing else, AWS is asked ahead, and once."""
    _call("tar", "-xzf", _built(f"{NAME}-*.tar.gz"), "-C", machine.root / "opt")
    (executable,) = (machine.root / "opt").glob(f"*/bin/{NAME}")
    (bundle,) = (machine.root / "opt").glob("*/lib/*/_internal/botocore/cacert.pem")
    with bundle.open("a") as file:
        file.write(f'\n# Label: "Amazon Root CA of the tests"\n{authority.ca_bundle.read_text()}')
    for name in ("AWS_CA_BUNDLE", "SSL_CERT_FILE"):
        del machine.person.environ[name]
    outcome = machine.run(f"/{executable.relative_to(machine.root)}", "get", stdin=HOST)
    assert aws.accepts(json.loads(outcome.stdout)["Secret"])
    (call,) = aws.calls
    assert call.user_agent.startswith(NAME)


@pytest.mark.skipif(not shutil.which("faketime"), reason="NOT TRIED: there is no faketime")
def test_the_tarball_is_the_same_on_another_day(tmp_path: Path) -> None:
    """What is built on another day in another directory has the same bytes."""
    tarball = _built(f"{NAME}-*.tar.gz")
    with tarfile.open(tarball) as archive:
        epoch = archive.getmembers()[0].mtime
    project = DIST.parent
    shutil.copytree(
        project / "docker_credential_ecr_login", tmp_path / "docker_credential_ecr_login"
    )
    for name in ("CHANGELOG.md", "pyproject.toml"):
        shutil.copy(project / name, tmp_path)
    module = ("-m", "docker_credential_ecr_login.building.standalone")
    subprocess.run(
        ["faketime", "2027-02-03 04:05:06", sys.executable, *module],
        cwd=tmp_path,
        env={**os.environ, "SOURCE_DATE_EPOCH": str(int(epoch))},
        check=True,
        capture_output=True,
    )
    assert (tmp_path / "dist" / tarball.name).read_bytes() == tarball.read_bytes()
